//! The grants of sessions that applications keep as values: what this process knows of them that is
//! newer than the value at hand.
//!
//! Requests of one browser work on copies of one value. The grants of all copies are one here, so
//! that a refresh token is sent once, the token that came in its place reaches every copy, and a
//! copy of somebody who has signed out is nobody's.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};
use zeroize::Zeroizing;

use super::value::StoredLogin;
use crate::{
    error::Error,
    tokens::{GrantId, GrantRecord, GrantRef, GrantStore},
};

/// How many sessions are remembered. One that was forgotten is what its value says.
const REMEMBERED: usize = 10_000;
/// How many sessions are remembered that have ended.
const ENDED: usize = 100_000;

/// What this process knows of one session; `None` if it has ended.
type SharedGrant = Arc<Mutex<Option<Arc<GrantRecord>>>>;

/// Keeps what somebody works with, however many others come meanwhile.
#[derive(Clone, Debug, Default)]
struct AtWork;

impl Lifecycle<i128, SharedGrant> for AtWork {
    type RequestState = ();

    fn is_pinned(&self, _id: &i128, known: &SharedGrant) -> bool {
        Arc::strong_count(known) > 1
    }
}

/// The sessions that this process has seen.
pub(crate) struct Values {
    live: Cache<i128, SharedGrant, UnitWeighter, DefaultHashBuilder, AtWork>,
    /// No copy of their values brings them back.
    ended: Cache<i128, ()>,
}

/// A session while somebody works with it.
pub(crate) struct LoginInUse {
    known: SharedGrant,
    pub(crate) grant: GrantRef,
}

impl LoginInUse {
    /// What is known now; `None` if the session has ended.
    pub(crate) fn record(&self) -> Option<Arc<GrantRecord>> {
        lock(&self.known).clone()
    }
}

impl Values {
    pub(crate) fn new() -> Self {
        let live = Cache::with(
            REMEMBERED,
            REMEMBERED as u64,
            UnitWeighter,
            DefaultHashBuilder::default(),
            AtWork,
        );
        Self { live, ended: Cache::new(ENDED) }
    }

    /// Begins to work with a session: with the value at hand, or what is known here if that is
    /// newer. `None` if it has ended here.
    pub(crate) fn enter(&self, held: &StoredLogin) -> Option<LoginInUse> {
        if self.has_ended(held.id) {
            return None;
        }
        let known = self.known(held.id, &held.grant);
        // Or meanwhile.
        if self.has_ended(held.id) {
            return None;
        }
        {
            let mut state = lock(&known);
            let record = state.as_mut()?;
            // Another process refreshed it.
            if record.generation() < held.grant.generation() {
                *record = Arc::clone(&held.grant);
            }
        }
        let grant = GrantRef::new(held.id, held.id.0, Zeroizing::new([0; 32]), held.record.expires);
        Some(LoginInUse { known, grant })
    }

    /// Ends a session: every copy of its value is nobody's in this process.
    pub(crate) fn end(&self, id: GrantId) {
        self.ended.insert(id.0, ());
        if let Some(known) = self.live.get(&id.0) {
            *lock(&known) = None;
        }
        self.live.remove(&id.0);
    }

    fn has_ended(&self, id: GrantId) -> bool {
        self.ended.get(&id.0).is_some()
    }

    fn known(&self, id: GrantId, record: &Arc<GrantRecord>) -> SharedGrant {
        let new = || Arc::new(Mutex::new(Some(Arc::clone(record))));
        match self.live.get_or_insert_with(&id.0, || Ok::<_, Infallible>(new())) {
            Ok(known) => known,
            Err(never) => match never {},
        }
    }
}

fn lock(known: &SharedGrant) -> MutexGuard<'_, Option<Arc<GrantRecord>>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values")
            .field("live", &self.live.len())
            .field("ended", &self.ended.len())
            .finish()
    }
}

#[async_trait]
impl GrantStore for Values {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        Ok(self.live.get(&grant.id().0).and_then(|known| lock(&known).clone()))
    }

    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        if !self.has_ended(grant.id())
            && let Some(current) = lock(&self.known(grant.id(), record)).as_mut()
        {
            *current = Arc::clone(record);
        }
        Ok(())
    }

    async fn delete(&self, _grant: &GrantRef) -> Result<(), Error> {
        // There is no row: what has ended stays known as that.
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
