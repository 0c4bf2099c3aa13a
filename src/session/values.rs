//! The grants of sessions that applications keep as values: what this process knows of them that is newer than the value at hand.
//!
//! Requests of one browser work on copies of one value. The grants of all copies are one here, so that a refresh token is sent once, the token that came in its
//! place reaches every copy, and a copy of somebody who has signed out is nobody's.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};
use zeroize::Zeroizing;

use super::value::Held;
use crate::{
    error::Error,
    tokens::{GrantId, GrantRecord, GrantRef, GrantStore},
};

/// How many sessions are remembered. One that was forgotten is what its value says.
const REMEMBERED: usize = 10_000;

/// What this process knows of one session.
type Known = Arc<Mutex<State>>;

#[derive(Clone)]
enum State {
    Live(Arc<GrantRecord>),
    /// Signed out, or over: no copy of the value brings it back.
    Ended,
}

/// Keeps what somebody works with, however many others come meanwhile.
#[derive(Clone, Debug, Default)]
struct AtWork;

impl Lifecycle<i128, Known> for AtWork {
    type RequestState = ();

    fn is_pinned(&self, _id: &i128, known: &Known) -> bool {
        Arc::strong_count(known) > 1
    }
}

/// The sessions that this process has seen.
pub(crate) struct Values(Cache<i128, Known, UnitWeighter, DefaultHashBuilder, AtWork>);

/// A session while somebody works with it.
pub(crate) struct Entered {
    known: Known,
    pub(crate) grant: GrantRef,
}

impl Entered {
    /// What is known now; `None` if the session has ended.
    pub(crate) fn record(&self) -> Option<Arc<GrantRecord>> {
        live(&self.known)
    }
}

impl Values {
    pub(crate) fn new() -> Self {
        Self(Cache::with(REMEMBERED, REMEMBERED as u64, UnitWeighter, DefaultHashBuilder::default(), AtWork))
    }

    /// Begins to work with a session: with the value at hand, or what is known here if that is newer. `None` if it has ended here.
    pub(crate) fn enter(&self, held: &Held) -> Option<Entered> {
        let known = self.known(held.id, || State::Live(Arc::clone(&held.grant)));
        {
            let mut state = lock(&known);
            match &*state {
                State::Ended => return None,
                // Another process refreshed it.
                State::Live(record) if record.generation() < held.grant.generation() => {
                    *state = State::Live(Arc::clone(&held.grant));
                }
                State::Live(_) => {}
            }
        }
        let grant = GrantRef::new(held.id, held.id.0, Zeroizing::new([0; 32]), held.record.expires);
        Some(Entered { known, grant })
    }

    /// Ends a session: every copy of its value is nobody's in this process.
    pub(crate) fn end(&self, id: GrantId) {
        *lock(&self.known(id, || State::Ended)) = State::Ended;
    }

    fn known(&self, id: GrantId, or: impl FnOnce() -> State) -> Known {
        match self.0.get_or_insert_with(&id.0, || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(or())))) {
            Ok(known) => known,
            Err(never) => match never {},
        }
    }
}

fn lock(known: &Known) -> MutexGuard<'_, State> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn live(known: &Known) -> Option<Arc<GrantRecord>> {
    match &*lock(known) {
        State::Live(record) => Some(Arc::clone(record)),
        State::Ended => None,
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("remembered", &self.0.len()).finish()
    }
}

#[async_trait]
impl GrantStore for Values {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        Ok(self.0.get(&grant.id().0).and_then(|known| live(&known)))
    }

    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        let known = self.known(grant.id(), || State::Live(Arc::clone(record)));
        let mut state = lock(&known);
        if let State::Live(current) = &mut *state {
            *current = Arc::clone(record);
        }
        Ok(())
    }

    async fn delete(&self, _grant: &GrantRef) -> Result<(), Error> {
        // There is no row: what has ended stays known as that.
        Ok(())
    }

    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error> {
        Ok(self.0.get(&grant.id().0).is_none_or(|known| live(&known).is_some()))
    }

    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error> {
        self.end(grant.id());
        Ok(())
    }
}
