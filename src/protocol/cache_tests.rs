//! A cached document: one fetch at a time, stale values, failures that are remembered.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::{
    clock::ManualClock,
    protocol::test_support::{NOW, settle},
};

/// A source that counts, fails on demand and can be held.
struct CountingSource {
    clock: ManualClock,
    cached: Arc<DocumentCache<usize>>,
    fetched: AtomicUsize,
    max_age: Mutex<Option<Duration>>,
    broken: Mutex<bool>,
    gate: Semaphore,
}

impl CountingSource {
    fn new() -> Arc<Self> {
        let clock = ManualClock::at(NOW);
        Arc::new(Self {
            cached: DocumentCache::new(Arc::new(clock.clone())),
            clock,
            fetched: AtomicUsize::new(0),
            max_age: Mutex::new(None),
            broken: Mutex::new(false),
            gate: Semaphore::new(1_000_000),
        })
    }

    async fn fetch(self: Arc<Self>) -> Result<FetchedDocument<usize>, Error> {
        let count = self.fetched.fetch_add(1, Ordering::SeqCst) + 1;
        let _permit = self.gate.acquire().await.unwrap();
        if *self.broken.lock().unwrap() {
            return Err(Error::new(ErrorKind::ProviderUnreachable, "broken"));
        }
        Ok(FetchedDocument { value: count, max_age: *self.max_age.lock().unwrap() })
    }

    async fn get(self: &Arc<Self>) -> DocumentResult<usize> {
        self.cached.get(|_| Arc::clone(self).fetch()).await
    }

    async fn newer_than(self: &Arc<Self>, seen: &Arc<usize>) -> DocumentResult<usize> {
        self.cached.newer_than(seen, |_| Arc::clone(self).fetch()).await
    }

    /// A hundred calls that all wait for the first fetch, which is held until they do.
    async fn get_a_hundred_times_at_once(self: &Arc<Self>) -> Vec<DocumentResult<usize>> {
        self.gate.forget_permits(1_000_000);
        let get = |source: Arc<Self>| async move { source.get().await };
        let calls: Vec<_> = (0..100).map(|_| tokio::spawn(get(Arc::clone(self)))).collect();
        settle().await;
        self.gate.add_permits(1);
        let mut results = Vec::new();
        for call in calls {
            results.push(call.await.unwrap());
        }
        results
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
    let source = CountingSource::new();
    for result in source.get_a_hundred_times_at_once().await {
        assert_eq!(*result.unwrap(), 1);
    }
    assert_eq!(source.fetched(), 1);
}

#[tokio::test]
async fn a_hundred_at_once_share_one_failure_and_it_is_remembered_for_some_seconds() {
    let source = CountingSource::new();
    source.set_broken(true);
    for result in source.get_a_hundred_times_at_once().await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ProviderUnreachable);
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
async fn a_fetch_goes_on_if_its_caller_is_cancelled() {
    let source = CountingSource::new();
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
    let source = CountingSource::new();
    let outcome = source.cached.get(|_| async { panic!("a fault of ours") }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(*source.get().await.unwrap(), 1);
}

#[tokio::test]
async fn a_stale_document_is_served_and_renewed_behind_the_callers_back() {
    let source = CountingSource::new();
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
    let source = CountingSource::new();
    source.get().await.unwrap();
    source.clock.advance(Duration::from_secs(48 * 3600));
    assert_eq!(*source.get().await.unwrap(), 2);
}

// C-203: JWKS endpoint down, keys cached
#[tokio::test]
async fn the_old_document_is_served_while_renewals_fail_and_they_are_paused() {
    let source = CountingSource::new();
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
        let source = CountingSource::new();
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
    let source = CountingSource::new();
    let first = source.get().await.unwrap();
    let second = source.newer_than(&first).await.unwrap();
    assert_eq!((*second, source.fetched()), (2, 2), "at once, also right after the first fetch");
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
    let source = CountingSource::new();
    let first = source.get().await.unwrap();
    source.set_broken(true);
    assert!(source.newer_than(&first).await.is_err());
    for _ in 0..100 {
        assert!(source.newer_than(&first).await.is_err());
    }
    source.clock.advance(Duration::from_secs(5));
    assert!(Arc::ptr_eq(&source.newer_than(&first).await.unwrap(), &first));
    assert_eq!(
        (*source.get().await.unwrap(), source.fetched()),
        (1, 2),
        "what we have is still good"
    );
}

// C-444: clock jumps back 10 min
#[tokio::test]
async fn a_clock_that_is_turned_back_neither_freezes_nor_breaks_anything() {
    let source = CountingSource::new();
    let first = source.get().await.unwrap();
    source.newer_than(&first).await.unwrap();
    source.clock.set(NOW - Duration::from_secs(365 * 24 * 3600));
    source.get().await.unwrap();
    settle().await;
    let renewed = source.get().await.unwrap();
    assert_eq!((*renewed, source.fetched()), (3, 3));
    assert_eq!(*source.newer_than(&renewed).await.unwrap(), 4);
}

#[tokio::test]
async fn a_fetch_that_began_before_the_document_expired_does_not_renew_it() {
    let source = CountingSource::new();
    assert_eq!(*source.get().await.unwrap(), 1);
    source.clock.advance(LONGEST_LIFE);
    source.gate.forget_permits(1_000_000);
    assert_eq!(*source.get().await.unwrap(), 1, "renewed in the background");
    settle().await;
    source.cached.expire();
    let next = tokio::spawn({
        let source = Arc::clone(&source);
        async move { source.get().await }
    });
    settle().await;
    source.gate.add_permits(1_000_000);
    assert_eq!(*next.await.unwrap().unwrap(), 3);
    settle().await;
    assert_eq!((*source.get().await.unwrap(), source.fetched()), (3, 3));
}
