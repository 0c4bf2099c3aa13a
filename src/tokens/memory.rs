//! What one process remembers of refreshes: requests that have just failed ([`Throttle`]), refresh
//! tokens that were replaced ([`Successors`]), records that the store did not take ([`Unsaved`]).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{grant_store::GrantId, key::RefreshKind, lock::Lease, record::GrantRecord};
use crate::{
    clock::UnixTime,
    error::Error,
    secret::{Secret, fingerprint},
};

/// Failures remembered at most, about a kilobyte each. When there are more, that with the nearest
/// end is forgotten.
const MOST_FAILURES: usize = 1024;
/// For how long after its pause a failure counts as one before the next.
const FAILURE_MEMORY: Duration = Duration::from_secs(10 * 60);

/// The failures of this process, by grant and request: a request that has just failed is answered
/// with the same failure for a while, without asking the provider.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<(GrantId, RefreshKind), Pause>>);

#[derive(Debug)]
struct Pause {
    error: Error,
    from: UnixTime,
    until: UnixTime,
    /// Failures in a row, this one included.
    failures: u32,
}

impl Pause {
    /// Not before it began either: a clock that was set back would prolong it.
    fn holds(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }

    fn counts(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until + FAILURE_MEMORY
    }
}

impl Throttle {
    /// How the same request failed, if it is too early to send it again.
    pub(super) fn check(&self, grant: GrantId, kind: &RefreshKind, now: UnixTime) -> Option<Error> {
        let pauses = self.pauses();
        if pauses.is_empty() {
            return None;
        }
        pauses
            .get(&(grant, kind.as_sent()))
            .filter(|pause| pause.holds(now))
            .map(|pause| pause.error.clone())
    }

    /// How often the same request has failed, without a success in between.
    pub(super) fn failures(&self, grant: GrantId, kind: &RefreshKind, now: UnixTime) -> u32 {
        let pauses = self.pauses();
        pauses
            .get(&(grant, kind.as_sent()))
            .filter(|pause| pause.counts(now))
            .map_or(0, |pause| pause.failures)
    }

    pub(super) fn remember(
        &self,
        grant: GrantId,
        kind: &RefreshKind,
        error: Error,
        pause: Duration,
        now: UnixTime,
    ) {
        let failures = self.failures(grant, kind, now).saturating_add(1);
        let mut pauses = self.pauses();
        let key = (grant, kind.as_sent());
        if pauses.len() >= MOST_FAILURES && !pauses.contains_key(&key) {
            pauses.retain(|_, pause| pause.holds(now));
            if pauses.len() >= MOST_FAILURES
                && let Some(nearest) =
                    pauses.iter().min_by_key(|(_, pause)| pause.until).map(|(key, _)| key.clone())
            {
                pauses.remove(&nearest);
            }
        }
        pauses.insert(key, Pause { error, from: now, until: now + pause, failures });
    }

    /// The request has succeeded.
    pub(super) fn forget(&self, grant: GrantId, kind: &RefreshKind) {
        let mut pauses = self.pauses();
        if !pauses.is_empty() {
            pauses.remove(&(grant, kind.as_sent()));
        }
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<(GrantId, RefreshKind), Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Long enough for a request that read the record before it was written anew, or that holds the
/// record of a sign-in just replaced.
const SUCCESSOR_MEMORY: Duration = Duration::from_secs(30);
/// Successors remembered at most (about 2 KB each with Entra's refresh tokens). The oldest leaves
/// first.
const MOST_SUCCESSORS: usize = 4096;

/// The refresh tokens that were replaced in the last 30 seconds, by the digest of the old one.
#[derive(Debug, Default)]
pub(super) struct Successors(Mutex<SuccessorList>);

#[derive(Debug, Default)]
struct SuccessorList {
    by_old: HashMap<[u8; 16], Secret>,
    /// In the order of their ends.
    ends: VecDeque<(UnixTime, [u8; 16])>,
}

impl Successors {
    pub(super) fn remember(&self, old: &Secret, new: &Secret, now: UnixTime) {
        if old == new {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = digest(old);
        state.forget(now);
        if state.by_old.insert(old, new.clone()).is_none() {
            state.ends.push_back((now + SUCCESSOR_MEMORY, old));
        }
    }

    /// The token to send by one who holds `token`.
    pub(super) fn latest(&self, token: &Secret, now: UnixTime) -> Secret {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        let mut latest = token;
        // A provider that hands out an old token again must not make this a circle.
        for _ in 0..state.by_old.len() {
            match state.by_old.get(&digest(latest)) {
                Some(successor) => latest = successor,
                None => break,
            }
        }
        latest.clone()
    }
}

impl SuccessorList {
    fn forget(&mut self, now: UnixTime) {
        while let Some((end, old)) = self.ends.front()
            && (*end <= now || self.ends.len() > MOST_SUCCESSORS)
        {
            self.by_old.remove(old);
            self.ends.pop_front();
        }
    }
}

fn digest(token: &Secret) -> [u8; 16] {
    fingerprint("refresh token", [token.expose().as_bytes()])
}

/// When so many records wait for the store nothing more is refreshed: what the provider gave could
/// not be kept.
const MOST_UNSAVED: usize = 1000;

/// The records of this process that wait for the store, each with the lock that keeps other
/// processes from using the old one.
#[derive(Debug, Default)]
pub(super) struct Unsaved(Mutex<HashMap<GrantId, UnsavedRecord>>);

#[derive(Debug)]
struct UnsavedRecord {
    record: Arc<GrantRecord>,
    lease: Option<Lease>,
}

impl Unsaved {
    pub(super) fn record(&self, grant: GrantId) -> Option<Arc<GrantRecord>> {
        let records = self.records();
        if records.is_empty() {
            None
        } else {
            records.get(&grant).map(|waiting| waiting.record.clone())
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.records().len() >= MOST_UNSAVED
    }

    pub(super) fn insert(&self, grant: GrantId, record: Arc<GrantRecord>) {
        self.records().insert(grant, UnsavedRecord { record, lease: None });
    }

    /// Leaves the lock with the record, if there is one; gives it back if not.
    pub(super) fn hold(&self, grant: GrantId, lease: Lease) -> Option<Lease> {
        match self.records().get_mut(&grant) {
            Some(waiting) => {
                waiting.lease = Some(lease);
                None
            }
            None => Some(lease),
        }
    }

    /// The record is stored, or of no use any more.
    pub(super) fn remove(&self, grant: GrantId) -> Option<Lease> {
        self.records().remove(&grant).and_then(|waiting| waiting.lease)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records().len()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<GrantId, UnsavedRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
