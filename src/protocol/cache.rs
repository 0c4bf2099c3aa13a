//! A cached document of the provider: fetched when it is first needed, by one request at a time,
//! and served while it is renewed.
//!
//! - Concurrent callers share one request, which continues when they are dropped.
//! - A stale document is served and renewed in the background. One that has been stale for a day is
//!   renewed before it is served. If a renewal fails, the old document is served.
//! - A failure is remembered for some seconds, so that an outage does not cause a request to the
//!   provider for each caller.
//! - A renewal that a caller demands (a key is unknown) happens at most once a minute.

use std::{
    fmt,
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
/// Time after a failure during which it is returned again, if there is no document.
const PAUSE_WITHOUT: Duration = Duration::from_secs(5);
/// Time after a failure during which the old document is served without another request.
const PAUSE_WITH: Duration = Duration::from_secs(60);
/// Shortest time between two demanded renewals.
pub(super) const PAUSE_BETWEEN_DEMANDS: Duration = Duration::from_secs(60);

/// The result of a fetch.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    /// `max-age` of the response's `Cache-Control`.
    pub(super) max_age: Option<Duration>,
}

/// A document, its age and the outcome of the last fetch.
pub(super) struct Cached<T> {
    clock: Arc<dyn Clock>,
    state: Mutex<DocumentState<T>>,
    fetches: Arc<SingleFlight<(), (), DocumentResult<T>>>,
}

struct DocumentState<T> {
    entry: Option<CachedDocument<T>>,
    failure: Option<(UnixTime, Error)>,
    demanded: Option<UnixTime>,
}

struct CachedDocument<T> {
    value: Arc<T>,
    fetched: UnixTime,
    fresh_until: UnixTime,
}

type DocumentResult<T> = Result<Arc<T>, Error>;

/// How a caller who needs the document is served.
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
            |pause| self.failure.as_ref().is_some_and(|(at, _)| within(*at, now, pause));
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

/// Whether `now` is within the pause after `at`. A clock that was turned back ends every pause.
fn within(at: UnixTime, now: UnixTime, pause: Duration) -> bool {
    at <= now && now.since(at) < pause
}

impl<T: Send + Sync + 'static> Cached<T> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::new(DocumentState { entry: None, failure: None, demanded: None }),
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
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
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
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
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
                None if state.demanded.is_some_and(|at| within(at, now, PAUSE_BETWEEN_DEMANDS)) => {
                    return Ok(Arc::clone(seen));
                }
                None => {
                    state.demanded = Some(now);
                    self.join(&mut state, fetch)
                }
            }
        };
        landed(flight).await
    }

    /// Makes the next [`get`](Self::get) wait for a new document.
    pub(super) fn expire(&self) {
        let mut state = self.lock();
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
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        self.fetches.join(&(), (), Order::AtOnce, || {
            let fetching = fetch(state.entry.as_ref().map(|entry| Arc::clone(&entry.value)));
            let this = Arc::clone(self);
            async move { this.store(fetching.await) }
        })
    }

    fn store(&self, fetched: Result<Fetched<T>, Error>) -> DocumentResult<T> {
        let now = self.clock.now();
        let mut state = self.lock();
        match fetched {
            Ok(Fetched { value, max_age }) => {
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

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::{
        clock::ManualClock,
        protocol::test_support::{NOW, settle},
    };

    /// A source that counts, fails on demand and can be held.
    struct Source {
        clock: ManualClock,
        cached: Arc<Cached<usize>>,
        fetched: AtomicUsize,
        max_age: Mutex<Option<Duration>>,
        broken: Mutex<bool>,
        gate: Semaphore,
    }

    impl Source {
        fn new() -> Arc<Self> {
            let clock = ManualClock::at(NOW);
            Arc::new(Self {
                cached: Cached::new(Arc::new(clock.clone())),
                clock,
                fetched: AtomicUsize::new(0),
                max_age: Mutex::new(None),
                broken: Mutex::new(false),
                gate: Semaphore::new(1_000_000),
            })
        }

        async fn fetch(self: Arc<Self>) -> Result<Fetched<usize>, Error> {
            let count = self.fetched.fetch_add(1, Ordering::SeqCst) + 1;
            let _permit = self.gate.acquire().await.unwrap();
            if *self.broken.lock().unwrap() {
                return Err(Error::new(ErrorKind::ProviderUnreachable, "broken"));
            }
            Ok(Fetched { value: count, max_age: *self.max_age.lock().unwrap() })
        }

        async fn get(self: &Arc<Self>) -> DocumentResult<usize> {
            self.cached.get(|_| Arc::clone(self).fetch()).await
        }

        async fn newer_than(self: &Arc<Self>, seen: &Arc<usize>) -> DocumentResult<usize> {
            self.cached.newer_than(seen, |_| Arc::clone(self).fetch()).await
        }

        fn fetched(&self) -> usize {
            self.fetched.load(Ordering::SeqCst)
        }

        fn set_broken(&self, broken: bool) {
            *self.broken.lock().unwrap() = broken;
        }
    }

    // C-202: 100 concurrent validations with a cold cache
    // C-232: 100 parallel first requests
    #[tokio::test]
    async fn a_hundred_at_once_are_one_fetch() {
        let source = Source::new();
        source.gate.forget_permits(1_000_000);
        let asking: Vec<_> = (0..100)
            .map(|_| {
                tokio::spawn({
                    let source = Arc::clone(&source);
                    async move { source.get().await }
                })
            })
            .collect();
        settle().await;
        source.gate.add_permits(1);
        for asked in asking {
            assert_eq!(*asked.await.unwrap().unwrap(), 1);
        }
        assert_eq!(source.fetched(), 1);
    }

    #[tokio::test]
    async fn a_hundred_at_once_share_one_failure_and_it_is_remembered_for_some_seconds() {
        let source = Source::new();
        source.set_broken(true);
        source.gate.forget_permits(1_000_000);
        let asking: Vec<_> = (0..100)
            .map(|_| {
                tokio::spawn({
                    let source = Arc::clone(&source);
                    async move { source.get().await }
                })
            })
            .collect();
        settle().await;
        source.gate.add_permits(1);
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap_err().kind(), ErrorKind::ProviderUnreachable);
        }
        source.set_broken(false);
        source.clock.advance(Duration::from_secs(4));
        assert!(source.get().await.is_err());
        assert_eq!(source.fetched(), 1);
        source.clock.advance(Duration::from_secs(1));
        assert!(source.get().await.is_ok());
        assert_eq!(source.fetched(), 2);
    }

    #[tokio::test]
    async fn a_fetch_goes_on_if_who_asked_goes_away() {
        let source = Source::new();
        source.gate.forget_permits(1_000_000);
        let asking = tokio::spawn({
            let source = Arc::clone(&source);
            async move { source.get().await }
        });
        settle().await;
        asking.abort();
        source.gate.add_permits(1);
        settle().await;
        assert_eq!(*source.get().await.unwrap(), 1);
        assert_eq!(source.fetched(), 1);
    }

    #[tokio::test]
    async fn a_fetch_that_panics_is_an_error_and_not_the_end() {
        let source = Source::new();
        let outcome = source.cached.get(|_| async { panic!("a fault of ours") }).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(*source.get().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_stale_document_is_served_and_renewed_behind_the_callers_back() {
        let source = Source::new();
        source.get().await.unwrap();
        source.clock.advance(Duration::from_secs(24 * 3600 - 1));
        assert_eq!((*source.get().await.unwrap(), source.fetched()), (1, 1));
        source.clock.advance(Duration::from_secs(1));
        source.gate.forget_permits(1_000_000);
        for _ in 0..10 {
            assert_eq!(*source.get().await.unwrap(), 1, "served at once");
        }
        settle().await;
        source.gate.add_permits(10);
        settle().await;
        assert_eq!((*source.get().await.unwrap(), source.fetched()), (2, 2));
    }

    #[tokio::test]
    async fn a_document_that_has_been_stale_for_a_day_is_waited_for() {
        let source = Source::new();
        source.get().await.unwrap();
        source.clock.advance(Duration::from_secs(48 * 3600));
        assert_eq!(*source.get().await.unwrap(), 2);
    }

    // C-203: JWKS endpoint down, keys cached
    #[tokio::test]
    async fn the_old_document_is_served_while_renewals_fail_and_they_are_paused() {
        let source = Source::new();
        source.get().await.unwrap();
        source.set_broken(true);
        for hours in [25, 100, 1000] {
            source.clock.advance(Duration::from_secs(hours * 3600));
            let before = source.fetched();
            for _ in 0..10 {
                assert_eq!(*source.get().await.unwrap(), 1);
                settle().await;
            }
            assert_eq!(source.fetched(), before + 1, "one try in a minute");
        }
        source.set_broken(false);
        source.clock.advance(Duration::from_secs(60));
        assert!(*source.get().await.unwrap() > 1);
    }

    // C-205: Cache-Control max-age on JWKS
    #[tokio::test]
    async fn the_providers_max_age_counts_within_bounds() {
        for (said, seconds) in
            [(0, 300), (60, 300), (3600, 3600), (86_400, 86_400), (31_536_000, 86_400)]
        {
            let source = Source::new();
            *source.max_age.lock().unwrap() = Some(Duration::from_secs(said));
            source.get().await.unwrap();
            source.clock.advance(Duration::from_secs(seconds - 1));
            source.get().await.unwrap();
            settle().await;
            assert_eq!(source.fetched(), 1, "{said}");
            source.clock.advance(Duration::from_secs(1));
            source.get().await.unwrap();
            settle().await;
            assert_eq!(source.fetched(), 2, "{said}");
        }
    }

    // C-200: tokens with random kids, many per second
    #[tokio::test]
    async fn a_demanded_renewal_happens_once_a_minute_however_many_demand_it() {
        let source = Source::new();
        let first = source.get().await.unwrap();
        let second = source.newer_than(&first).await.unwrap();
        assert_eq!(
            (*second, source.fetched()),
            (2, 2),
            "at once, also right after the first fetch"
        );
        assert_eq!(
            *source.newer_than(&first).await.unwrap(),
            2,
            "somebody has already got a newer one"
        );
        for _ in 0..1000 {
            assert!(Arc::ptr_eq(&source.newer_than(&second).await.unwrap(), &second));
        }
        assert_eq!(source.fetched(), 2);
        source.clock.advance(Duration::from_secs(60));
        assert_eq!(*source.newer_than(&second).await.unwrap(), 3);
    }

    // C-204: cache backend fails during forced refresh
    #[tokio::test]
    async fn a_demanded_renewal_that_fails_is_an_error_and_paused() {
        let source = Source::new();
        let first = source.get().await.unwrap();
        source.set_broken(true);
        assert!(source.newer_than(&first).await.is_err());
        for _ in 0..100 {
            assert!(Arc::ptr_eq(&source.newer_than(&first).await.unwrap(), &first));
        }
        assert_eq!(
            (*source.get().await.unwrap(), source.fetched()),
            (1, 2),
            "what we have is still good"
        );
    }

    // C-444: clock jumps back 10 min
    #[tokio::test]
    async fn a_clock_that_is_turned_back_neither_freezes_nor_breaks_anything() {
        let source = Source::new();
        let first = source.get().await.unwrap();
        source.newer_than(&first).await.unwrap();
        source.clock.set(NOW - Duration::from_secs(365 * 24 * 3600));
        source.get().await.unwrap();
        settle().await;
        let renewed = source.get().await.unwrap();
        assert_eq!((*renewed, source.fetched()), (3, 3));
        assert_eq!(*source.newer_than(&renewed).await.unwrap(), 4);
    }
}
