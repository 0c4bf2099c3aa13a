//! A cached document of the provider: fetched when it is first needed, by one request at a time,
//! and served while it is renewed.
//!
//! - Concurrent callers share one request, which continues when they are dropped.
//! - A stale document is served and renewed in the background. One that has been stale for a day is
//!   renewed before it is served. If a renewal fails, the old document is served.
//! - A failure is remembered for some seconds, so that an outage does not cause a request to the
//!   provider for each caller.
//! - A renewal that a caller demands happens at most once a minute, or as its caller limits it
//!   ([`key_search`](super::key_search)). After one that failed the next waits for some seconds.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::{Clock, UnixTime},
    error::{Error, ErrorKind},
    single_flight::{Flight, Order, SingleFlight, Tokio},
};

/// Lifetime of a document without `Cache-Control`, and the longest one.
pub(super) const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Shortest lifetime of a document, whatever `Cache-Control` says.
const SHORTEST_LIFE: Duration = Duration::from_secs(300);
/// Time after a failure during which it is returned again, if there is no document, or a newer one
/// is demanded.
const PAUSE_WITHOUT: Duration = Duration::from_secs(5);
/// Time after a failure during which the old document is served without another request.
const PAUSE_WITH: Duration = Duration::from_secs(60);
/// Shortest time between two demanded renewals.
pub(super) const PAUSE_BETWEEN_DEMANDS: Duration = Duration::from_secs(60);

/// The result of a fetch.
pub(super) struct FetchedDocument<T> {
    pub(super) value: T,
    /// How long it is to be kept, in the limits of this module; `None`: as long as they allow.
    pub(super) max_age: Option<Duration>,
}

/// A document, its age and the outcome of the last fetch.
pub(super) struct DocumentCache<T> {
    clock: Arc<dyn Clock>,
    state: Mutex<DocumentState<T>>,
    /// By [`DocumentState::generation`].
    fetches: Arc<SingleFlight<(), u64, DocumentResult<T>>>,
}

struct DocumentState<T> {
    entry: Option<CachedDocument<T>>,
    failure: Option<(UnixTime, Error)>,
    demanded: Option<UnixTime>,
    /// How often the document has [expired](DocumentCache::expire). A fetch that began before may
    /// bring the old one, so that its result is not stored.
    generation: u64,
}

struct CachedDocument<T> {
    value: Arc<T>,
    fetched: UnixTime,
    fresh_until: UnixTime,
}

/// What decides whether a newer document is fetched.
pub(super) struct FetchState<'a> {
    /// The time of the last demand of [`DocumentCache::newer_than`].
    demanded: &'a mut Option<UnixTime>,
    /// The error of a fetch that failed a moment ago. It is returned unless the answer is known
    /// without another fetch.
    pub(super) failure: Option<&'a Error>,
    pub(super) now: UnixTime,
}

type DocumentResult<T> = Result<Arc<T>, Error>;

/// How a call that needs the document is answered.
enum CacheDecision<T> {
    Serve(Arc<T>),
    ServeAndRenew(Arc<T>),
    /// After a fetch; if it fails, by the old document.
    Wait(Option<Arc<T>>),
    Fail(Error),
}

impl<T> DocumentState<T> {
    fn decide(&self, now: UnixTime) -> CacheDecision<T> {
        let failed_within =
            |pause| self.failure.as_ref().is_some_and(|(at, _)| at.is_less_ago_than(pause, now));
        match (&self.entry, &self.failure) {
            (Some(entry), _) => {
                let value = Arc::clone(&entry.value);
                if entry.fetched <= now && now < entry.fresh_until || failed_within(PAUSE_WITH) {
                    CacheDecision::Serve(value)
                } else if now < entry.fresh_until + LONGEST_LIFE {
                    CacheDecision::ServeAndRenew(value)
                } else {
                    CacheDecision::Wait(Some(value))
                }
            }
            (None, Some((_, error))) if failed_within(PAUSE_WITHOUT) => {
                CacheDecision::Fail(error.clone())
            }
            (None, _) => CacheDecision::Wait(None),
        }
    }
}

impl<T: Send + Sync + 'static> DocumentCache<T> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::new(DocumentState {
                entry: None,
                failure: None,
                demanded: None,
                generation: 0,
            }),
            fetches: SingleFlight::new(Arc::new(Tokio)),
        })
    }

    /// The document. `fetch` is called, with the old document, if no fetch is in flight and one is
    /// needed.
    pub(super) async fn get<F>(
        self: &Arc<Self>,
        fetch: impl FnOnce(Option<Arc<T>>) -> F + Send,
    ) -> DocumentResult<T>
    where
        F: Future<Output = Result<FetchedDocument<T>, Error>> + Send + 'static,
    {
        let (old, flight) = {
            let mut state = self.lock();
            match state.decide(self.clock.now()) {
                CacheDecision::Serve(value) => return Ok(value),
                CacheDecision::Fail(error) => return Err(error),
                CacheDecision::ServeAndRenew(value) => {
                    let _ = self.join(&mut state, fetch);
                    return Ok(value);
                }
                CacheDecision::Wait(old) => (old, self.join(&mut state, fetch)),
            }
        };
        let outcome = landed(flight).await;
        old.map_or(outcome.clone(), |old| Ok(outcome.unwrap_or(old)))
    }

    /// A newer document than `seen`, or `seen` itself where another fetch would be too early.
    pub(super) async fn newer_than<F>(
        self: &Arc<Self>,
        seen: &Arc<T>,
        fetch: impl FnOnce(Option<Arc<T>>) -> F + Send,
    ) -> DocumentResult<T>
    where
        F: Future<Output = Result<FetchedDocument<T>, Error>> + Send + 'static,
    {
        let may_fetch = |FetchState { demanded, failure, now }: FetchState<'_>| {
            // Whether there is a newer document is not known then.
            if let Some(error) = failure {
                return Err(error.clone());
            }
            let is_early =
                demanded.is_some_and(|at| at.is_less_ago_than(PAUSE_BETWEEN_DEMANDS, now));
            if !is_early {
                *demanded = Some(now);
            }
            Ok(!is_early)
        };
        self.newer_if(seen, may_fetch, fetch).await
    }

    /// A newer document than `seen`, or `seen` itself if `may_fetch` says no.
    pub(super) async fn newer_if<F>(
        self: &Arc<Self>,
        seen: &Arc<T>,
        may_fetch: impl FnOnce(FetchState<'_>) -> Result<bool, Error> + Send,
        fetch: impl FnOnce(Option<Arc<T>>) -> F + Send,
    ) -> DocumentResult<T>
    where
        F: Future<Output = Result<FetchedDocument<T>, Error>> + Send + 'static,
    {
        let flight = {
            let mut state = self.lock();
            if let Some(entry) =
                state.entry.as_ref().filter(|entry| !Arc::ptr_eq(&entry.value, seen))
            {
                return Ok(Arc::clone(&entry.value));
            }
            let now = self.clock.now();
            match self.fetches.under_way(&()).pop() {
                Some(flight) => Ok(Some(flight)),
                None => {
                    let DocumentState { demanded, failure, .. } = &mut *state;
                    let is_recent =
                        |(at, _): &&(UnixTime, Error)| at.is_less_ago_than(PAUSE_WITHOUT, now);
                    let failure = failure.as_ref().filter(is_recent).map(|(_, error)| error);
                    if !may_fetch(FetchState { demanded, failure, now })? {
                        return Ok(Arc::clone(seen));
                    }
                    self.join(&mut state, fetch)
                }
            }
        };
        landed(flight).await
    }

    /// Makes the next [`get`](Self::get) wait for a new document.
    pub(super) fn expire(&self) {
        let mut state = self.lock();
        state.generation += 1;
        state.failure = None;
        if let Some(entry) = &mut state.entry {
            entry.fresh_until = UnixTime::from_seconds(0);
        }
    }

    fn join<F>(
        self: &Arc<Self>,
        state: &mut DocumentState<T>,
        fetch: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Result<Option<Flight<DocumentResult<T>>>, Error>
    where
        F: Future<Output = Result<FetchedDocument<T>, Error>> + Send + 'static,
    {
        let generation = state.generation;
        self.fetches.join(&(), generation, Order::AtOnce, || {
            let fetching = fetch(state.entry.as_ref().map(|entry| Arc::clone(&entry.value)));
            let this = Arc::clone(self);
            async move { this.store(generation, fetching.await) }
        })
    }

    fn store(
        &self,
        generation: u64,
        fetched: Result<FetchedDocument<T>, Error>,
    ) -> DocumentResult<T> {
        let now = self.clock.now();
        let mut state = self.lock();
        if generation != state.generation {
            return fetched.map(|fetched| Arc::new(fetched.value));
        }
        match fetched {
            Ok(FetchedDocument { value, max_age }) => {
                let value = Arc::new(value);
                let life = max_age.unwrap_or(LONGEST_LIFE).clamp(SHORTEST_LIFE, LONGEST_LIFE);
                state.entry = Some(CachedDocument {
                    value: Arc::clone(&value),
                    fetched: now,
                    fresh_until: now + life,
                });
                state.failure = None;
                Ok(value)
            }
            Err(error) => {
                state.failure = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, DocumentState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn landed<T: Send + Sync>(
    flight: Result<Option<Flight<DocumentResult<T>>>, Error>,
) -> DocumentResult<T> {
    let full = || Error::new(ErrorKind::Internal, "there is no room for a fetch");
    flight?.ok_or_else(full)?.finished().await?
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
