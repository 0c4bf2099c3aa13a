//! The state of refreshes in the memory of one process: recent failures ([`Throttle`]), replaced
//! refresh tokens ([`Successors`]) and records that could not be stored yet ([`Unsaved`]).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{grant_store::RecordId, key::RefreshKind, lock::Lease, record::GrantRecord};
use crate::{
    clock::UnixTime,
    error::Error,
    secret::{Secret, fingerprint},
};

/// The greatest number of failures, of about a kilobyte each. When it is reached, the one that ends
/// first is removed.
const MOST_FAILURES: usize = 1024;
/// How long after its pause a failure still counts as one in a row with the next.
const FAILURE_MEMORY: Duration = Duration::from_secs(10 * 60);

/// Recent failures by grant and request. A request that has just failed gets the same failure again
/// until the pause is over, without a request to the provider.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<(RecordId, RefreshKind), Pause>>);

#[derive(Debug)]
struct Pause {
    error: Error,
    from: UnixTime,
    until: UnixTime,
    /// Failures in a row, this one included.
    failures: u32,
}

impl Pause {
    /// Whether the pause lasts now. A time before its beginning does not count, because a clock
    /// that was set back would prolong the pause.
    fn holds(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }

    fn counts(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until + FAILURE_MEMORY
    }
}

impl Throttle {
    /// The failure of the same request, while its pause lasts.
    pub(super) fn check(
        &self,
        grant: RecordId,
        kind: &RefreshKind,
        now: UnixTime,
    ) -> Option<Error> {
        let pauses = self.pauses();
        if pauses.is_empty() {
            return None;
        }
        pauses
            .get(&(grant, kind.as_sent()))
            .filter(|pause| pause.holds(now))
            .map(|pause| pause.error.clone())
    }

    /// Number of failures in a row of the same request.
    pub(super) fn failures(&self, grant: RecordId, kind: &RefreshKind, now: UnixTime) -> u32 {
        let pauses = self.pauses();
        pauses
            .get(&(grant, kind.as_sent()))
            .filter(|pause| pause.counts(now))
            .map_or(0, |pause| pause.failures)
    }

    pub(super) fn remember(
        &self,
        grant: RecordId,
        kind: &RefreshKind,
        error: Error,
        pause: Duration,
        now: UnixTime,
    ) {
        let failures = self.failures(grant, kind, now).saturating_add(1);
        let mut pauses = self.pauses();
        let key = (grant, kind.as_sent());
        if pauses.len() >= MOST_FAILURES && !pauses.contains_key(&key) {
            // Expired pauses only count failures in a row: they leave first.
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

    /// Removes the failures of a request that has succeeded.
    pub(super) fn forget(&self, grant: RecordId, kind: &RefreshKind) {
        let mut pauses = self.pauses();
        if !pauses.is_empty() {
            pauses.remove(&(grant, kind.as_sent()));
        }
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<(RecordId, RefreshKind), Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a replaced refresh token is recognised: longer than a request works with a record that
/// was read before the refresh.
const SUCCESSOR_MEMORY: Duration = Duration::from_secs(30);
/// The greatest number of successors, of about 2 KB each with Entra's refresh tokens. The oldest is
/// removed first.
const MOST_SUCCESSORS: usize = 4096;

/// The successors of refresh tokens that were replaced in the last 30 seconds, by a fingerprint of
/// the old one. No refresh token is sent twice, even if a stored record is older than the refresh.
#[derive(Debug, Default)]
pub(super) struct Successors(Mutex<SuccessorList>);

#[derive(Debug, Default)]
struct SuccessorList {
    by_old: HashMap<[u8; 16], Secret>,
    /// In the order in which they end.
    ends: VecDeque<(UnixTime, [u8; 16])>,
}

impl Successors {
    pub(super) fn remember(&self, old: &Secret, new: &Secret, now: UnixTime) {
        // Without rotation a token would be its own successor.
        if old == new {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = fingerprint_of(old);
        state.forget(now);
        if state.by_old.insert(old, new.clone()).is_none() {
            state.ends.push_back((now + SUCCESSOR_MEMORY, old));
        }
    }

    /// The token to send in place of `token`.
    pub(super) fn latest(&self, token: &Secret, now: UnixTime) -> Secret {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        let mut latest = token;
        // Bounded, because a provider that issues an old token again would make this loop endless.
        for _ in 0..state.by_old.len() {
            match state.by_old.get(&fingerprint_of(latest)) {
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

fn fingerprint_of(token: &Secret) -> [u8; 16] {
    fingerprint("refresh token", [token.expose().as_bytes()])
}

/// The number of records that are not stored yet at which nothing more is refreshed: new tokens
/// could not be stored either.
const MOST_UNSAVED: usize = 1000;

/// The records of this process that could not be stored yet, each with the lock that keeps other
/// processes from sending the old refresh token: its lease is renewed as long as the record
/// waits.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<HashMap<RecordId, UnsavedRecord>>);

struct UnsavedRecord {
    record: Arc<GrantRecord>,
    lease: Option<Lease>,
}

impl Unsaved {
    pub(super) fn record(&self, grant: RecordId) -> Option<Arc<GrantRecord>> {
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

    pub(super) fn insert(&self, grant: RecordId, record: Arc<GrantRecord>) {
        self.records().insert(grant, UnsavedRecord { record, lease: None });
    }

    /// Keeps the lock with the record of this grant; returns it if there is no such record.
    pub(super) fn hold(&self, grant: RecordId, lease: Lease) -> Option<Lease> {
        match self.records().get_mut(&grant) {
            Some(waiting) => {
                waiting.lease = Some(lease);
                None
            }
            None => Some(lease),
        }
    }

    /// Renews the lease of this grant's lock: otherwise another process would send the old refresh
    /// token as soon as the store is back.
    pub(super) async fn protect(&self, grant: RecordId) {
        let lease = self.records().get(&grant).and_then(|waiting| waiting.lease.clone());
        let Some(lease) = lease else { return };
        lease.renew().await;
        // The record may have been stored meanwhile, and its lock freed before it was taken again.
        if self.record(grant).is_none() {
            lease.release().await;
        }
    }

    /// Removes a record that is stored or no longer needed, and returns its lock.
    pub(super) fn remove(&self, grant: RecordId) -> Option<Lease> {
        self.records().remove(&grant).and_then(|waiting| waiting.lease)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records().len()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<RecordId, UnsavedRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
