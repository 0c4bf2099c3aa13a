//! A document of the provider that is kept: fetched when first needed, once at a time, and served while it is renewed.
//!
//! - However many ask at once, there is one request; it goes on if those who asked go away.
//! - A stale document is served and renewed in the background; one that has been stale for a day is waited for. If a renewal fails, the old one is served on.
//! - A failure is remembered for some seconds, so that an outage does not become a flood of requests.
//! - A renewal that a caller demands (a key is unknown) happens once a minute at most.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    clock::{Clock, UnixTime},
    error::{Error, ErrorKind},
};

/// How long a document is fresh if the provider says nothing, and at most.
pub(super) const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long a document is fresh at least, whatever the provider says.
const SHORTEST_LIFE: Duration = Duration::from_secs(300);
/// How long a failure answers for a document that we do not have.
const PAUSE_WITHOUT: Duration = Duration::from_secs(5);
/// How long after a failure the old document is served without another try.
const PAUSE_WITH: Duration = Duration::from_secs(60);
/// The least time between two demanded renewals.
pub(super) const PAUSE_BETWEEN_DEMANDS: Duration = Duration::from_secs(60);

/// What a fetch brought.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    /// What the answer's `Cache-Control` says.
    pub(super) max_age: Option<Duration>,
}

/// A document and what is known about fetching it.
pub(super) struct Cached<T> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<T>>,
}

struct State<T> {
    entry: Option<Entry<T>>,
    failure: Option<(UnixTime, Error)>,
    demanded: Option<UnixTime>,
    flight: Option<Flight<T>>,
}

struct Entry<T> {
    value: Arc<T>,
    fetched: UnixTime,
    fresh_until: UnixTime,
}

type Outcome<T> = Result<Arc<T>, Error>;
type Flight<T> = watch::Receiver<Option<Outcome<T>>>;

/// What to do for somebody who needs the document.
enum Decision<T> {
    Serve(Arc<T>),
    ServeAndRenew(Arc<T>),
    /// Wait for a fetch; if it fails, the old document will do.
    Wait(Option<Arc<T>>),
    Fail(Error),
}

impl<T> State<T> {
    fn decide(&self, now: UnixTime) -> Decision<T> {
        let failed_within = |pause| self.failure.as_ref().is_some_and(|(at, _)| within(*at, now, pause));
        match (&self.entry, &self.failure) {
            (Some(entry), _) => {
                let value = Arc::clone(&entry.value);
                if entry.fetched <= now && now < entry.fresh_until || failed_within(PAUSE_WITH) {
                    Decision::Serve(value)
                } else if now < entry.fresh_until + LONGEST_LIFE {
                    Decision::ServeAndRenew(value)
                } else {
                    Decision::Wait(Some(value))
                }
            }
            (None, Some((_, error))) if failed_within(PAUSE_WITHOUT) => Decision::Fail(error.clone()),
            (None, _) => Decision::Wait(None),
        }
    }

    /// The fetch that is under way; one whose task is gone is none.
    fn flight(&self) -> Option<Flight<T>> {
        self.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }
}

/// Whether `now` is within the pause after `at`. A clock that was turned back ends every pause.
fn within(at: UnixTime, now: UnixTime, pause: Duration) -> bool {
    at <= now && now.since(at) < pause
}

impl<T: Send + Sync + 'static> Cached<T> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::new(State { entry: None, failure: None, demanded: None, flight: None }) })
    }

    /// The document; `fetch` is called if it has to be fetched and nobody does so already. It is given the document as it was.
    pub(super) async fn get<F>(self: &Arc<Self>, fetch: impl FnOnce(Option<Arc<T>>) -> F + Send) -> Outcome<T>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        let (old, flight) = {
            let mut state = self.lock();
            match state.decide(self.clock.now()) {
                Decision::Serve(value) => return Ok(value),
                Decision::Fail(error) => return Err(error),
                Decision::ServeAndRenew(value) => {
                    self.join(&mut state, fetch);
                    return Ok(value);
                }
                Decision::Wait(old) => (old, self.join(&mut state, fetch)),
            }
        };
        let outcome = landed(flight).await;
        old.map_or(outcome.clone(), |old| Ok(outcome.unwrap_or(old)))
    }

    /// A newer document than `seen`, or `seen` itself where it is too early to ask again.
    pub(super) async fn newer_than<F>(
        self: &Arc<Self>,
        seen: &Arc<T>,
        fetch: impl FnOnce(Option<Arc<T>>) -> F + Send,
    ) -> Outcome<T>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        let flight = {
            let mut state = self.lock();
            if let Some(entry) = state.entry.as_ref().filter(|entry| !Arc::ptr_eq(&entry.value, seen)) {
                return Ok(Arc::clone(&entry.value));
            }
            let now = self.clock.now();
            match state.flight() {
                Some(flight) => flight,
                None if state.demanded.is_some_and(|at| within(at, now, PAUSE_BETWEEN_DEMANDS)) => return Ok(Arc::clone(seen)),
                None => {
                    state.demanded = Some(now);
                    self.join(&mut state, fetch)
                }
            }
        };
        landed(flight).await
    }

    /// Makes the next one who needs the document wait for a new one.
    pub(super) fn expire(&self) {
        let mut state = self.lock();
        state.failure = None;
        if let Some(entry) = &mut state.entry {
            entry.fresh_until = UnixTime::from_seconds(0);
        }
    }

    fn join<F>(self: &Arc<Self>, state: &mut State<T>, fetch: impl FnOnce(Option<Arc<T>>) -> F) -> Flight<T>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        if let Some(flight) = state.flight() {
            return flight;
        }
        let (sender, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let fetching = fetch(state.entry.as_ref().map(|entry| Arc::clone(&entry.value)));
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = fetching.await;
            sender.send_replace(Some(this.land(fetched)));
        });
        flight
    }

    fn land(&self, fetched: Result<Fetched<T>, Error>) -> Outcome<T> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.flight = None;
        match fetched {
            Ok(Fetched { value, max_age }) => {
                let value = Arc::new(value);
                let life = max_age.unwrap_or(LONGEST_LIFE).clamp(SHORTEST_LIFE, LONGEST_LIFE);
                state.entry = Some(Entry { value: Arc::clone(&value), fetched: now, fresh_until: now + life });
                state.failure = None;
                Ok(value)
            }
            Err(error) => {
                state.failure = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn landed<T>(mut flight: Flight<T>) -> Outcome<T> {
    let broken = || Error::new(ErrorKind::Internal, "a fetch ended without an outcome");
    let outcome = flight.wait_for(Option::is_some).await.map_err(|_| broken())?;
    outcome.clone().unwrap_or_else(|| Err(broken()))
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}
