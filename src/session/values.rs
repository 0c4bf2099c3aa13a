//! [`Values`]: the newest grants of [`WebSession`](super::WebSession)s that this process has seen.
//!
//! Concurrent requests of one browser work on copies of one value. All copies share one grant here.
//! So a refresh token is sent once, its successor reaches every copy, and after a sign-out no copy
//! is signed in.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use quick_cache::{DefaultHashBuilder, Lifecycle, sync::Cache};
use zeroize::Zeroizing;

use super::{
    value::StoredLogin,
    weight::{ByBytes, MOST_BYTES, SWEPT_EVERY, Weighed},
};
use crate::{
    clock::{Clock, Recurring, UnixTime},
    error::Error,
    tokens::{GrantRecord, GrantRef, GrantStore, RecordId},
};

/// Number of grants that are remembered. For an evicted one the grant in the value is used.
const REMEMBERED: usize = 10_000;
/// The number by which the cache is divided into parts, each with its part of the bytes. It is
/// small, so that there are eight at most: a grant that is larger than a part would not be shared.
const ESTIMATED: usize = 256;
/// Number of ended sessions that are remembered.
const ENDED: usize = 100_000;

/// The newest grant of one session; `None` if the session has ended.
type SharedGrant = Arc<Mutex<Option<Arc<GrantRecord>>>>;

/// A session in the cache.
#[derive(Clone)]
struct KnownGrant {
    newest: SharedGrant,
    /// The bytes of the grant when it was put here: a weight must not change in the cache.
    bytes: usize,
    expires: UnixTime,
}

impl Weighed for KnownGrant {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Pins grants in use against eviction, so that all copies of a value keep sharing one grant.
#[derive(Clone, Debug, Default)]
struct PinInUse;

impl Lifecycle<i128, KnownGrant> for PinInUse {
    type RequestState = ();

    fn is_pinned(&self, _id: &i128, known: &KnownGrant) -> bool {
        // The cache itself holds one reference.
        Arc::strong_count(&known.newest) > 1
    }
}

/// The grants and the ended sessions that this process has seen.
pub(crate) struct Values {
    clock: Arc<dyn Clock>,
    /// Each new one, at most every ten minutes, removes those that have expired.
    live: Cache<i128, KnownGrant, ByBytes, DefaultHashBuilder, PinInUse>,
    sweep: Recurring,
    /// A copy of their values does not sign in again.
    ended: Cache<i128, ()>,
}

/// A login during a call, with the grant that all copies of its value share.
pub(crate) struct LoginInUse {
    known: SharedGrant,
    pub(crate) grant: GrantRef,
}

impl LoginInUse {
    /// The newest grant; `None` if the session has ended.
    pub(crate) fn record(&self) -> Option<Arc<GrantRecord>> {
        lock(&self.known).clone()
    }
}

impl Values {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let live = Cache::with(
            ESTIMATED,
            MOST_BYTES,
            ByBytes::among(REMEMBERED),
            DefaultHashBuilder::default(),
            PinInUse,
        );
        Self { clock, live, sweep: Recurring::every(SWEPT_EVERY), ended: Cache::new(ENDED) }
    }

    /// Starts the use of a login, with the grant of its value or of this process, whichever is
    /// newer. `None` if this process has seen the session end.
    pub(crate) fn enter(&self, login: &StoredLogin) -> Option<LoginInUse> {
        if self.has_ended(login.id) {
            return None;
        }
        let known = self.known(login.id, &login.grant, login.record.expires);
        // Checked again, because a concurrent `end` may have come before the grant was inserted.
        if self.has_ended(login.id) {
            return None;
        }
        {
            let mut state = lock(&known);
            let record = state.as_mut()?;
            // Another process has refreshed the grant in the value.
            if record.generation() < login.grant.generation() {
                *record = Arc::clone(&login.grant);
            }
        }
        // There is no sealed row, so the key is never used.
        let no_key = Zeroizing::new([0; 32]);
        let grant = GrantRef::new(login.id, login.id, no_key, login.record.expires);
        Some(LoginInUse { known, grant })
    }

    /// Ends a session: no copy of its value is signed in at this process any more.
    pub(crate) fn end(&self, id: RecordId) {
        self.ended.insert(id.0, ());
        if let Some(known) = self.live.get(&id.0) {
            *lock(&known.newest) = None;
        }
        self.live.remove(&id.0);
    }

    fn has_ended(&self, id: RecordId) -> bool {
        self.ended.get(&id.0).is_some()
    }

    /// The shared grant of a session, `record` if there is none yet.
    pub(super) fn known(
        &self,
        id: RecordId,
        record: &Arc<GrantRecord>,
        expires: UnixTime,
    ) -> SharedGrant {
        if let Some(known) = self.live.get(&id.0) {
            return known.newest;
        }
        let now = self.clock.now();
        if self.sweep.is_due(now) {
            self.live.retain(|_, known| now < known.expires);
        }
        let new = || KnownGrant {
            newest: Arc::new(Mutex::new(Some(Arc::clone(record)))),
            bytes: record.bytes(),
            expires,
        };
        match self.live.get_or_insert_with(&id.0, || Ok::<_, Infallible>(new())) {
            Ok(known) => known.newest,
            Err(never) => match never {},
        }
    }
}

fn lock(known: &SharedGrant) -> MutexGuard<'_, Option<Arc<GrantRecord>>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Values {
    /// The number of grants in memory.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }
}

#[async_trait]
impl GrantStore for Values {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        // A late `save` beside `end` can have inserted the grant of an ended session again.
        if self.has_ended(grant.id()) {
            return Ok(None);
        }
        Ok(self.live.get(&grant.id().0).and_then(|known| lock(&known.newest).clone()))
    }

    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        if self.has_ended(grant.id()) {
            return Ok(());
        }
        let newest = self.known(grant.id(), record, grant.expires_at());
        match lock(&newest).as_mut() {
            Some(current) => *current = Arc::clone(record),
            None => return Ok(()),
        }
        // The same shared grant, with the weight that it has now.
        let (bytes, expires) = (record.bytes(), grant.expires_at());
        self.live.insert(grant.id().0, KnownGrant { newest, bytes, expires });
        Ok(())
    }

    async fn delete(&self, _grant: &GrantRef) -> Result<(), Error> {
        // There is no row to delete. `end_session` remembers that the session has ended.
        Ok(())
    }

    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error> {
        Ok(!self.has_ended(grant.id()))
    }

    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error> {
        self.end(grant.id());
        Ok(())
    }
}
