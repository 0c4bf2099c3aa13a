//! [`Exchanges`]: each authorization response is redeemed once, even if the browser sends it again.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tracing::{Instrument as _, info_span};

use super::attempt::Fingerprint;
use crate::{
    clock::{Recurring, UnixTime},
    error::Error,
    protocol::{AuthorizationCode, Permit},
    single_flight::{Order, SingleFlight, Tokio},
};

/// The number of outcomes to remember for repeated responses.
const EXCHANGES: usize = 1024;
/// An outcome is removed after this time, when a later one is added: it can hold the tokens of a
/// person. No attempt can be completed for longer. Of more than [`EXCHANGES`] outcomes the older
/// ones are removed earlier.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The responses in progress, and the outcomes of recent ones, by their [`fingerprint`].
pub(crate) struct Exchanges<T> {
    running: Arc<SingleFlight<Fingerprint, (), Result<T, Error>>>,
    done: Arc<Outcomes<T>>,
}

/// The outcomes of recent responses. Each new one, at most every ten minutes, removes the old ones.
struct Outcomes<T> {
    by_response: Cache<Fingerprint, (UnixTime, Result<T, Error>)>,
    sweep: Recurring,
}

impl<T: Clone> Outcomes<T> {
    fn get(&self, response: &Fingerprint) -> Option<Result<T, Error>> {
        self.by_response.get(response).map(|(_, outcome)| outcome)
    }

    fn insert(&self, response: Fingerprint, outcome: Result<T, Error>, now: UnixTime) {
        if self.sweep.is_due(now) {
            self.by_response.retain(|_, (done, _)| done.is_within(REMEMBERED, now));
        }
        self.by_response.insert(response, (now, outcome));
    }
}

/// The fingerprint of a response, computed from its `state` and its code.
///
/// Both are needed: `state` is known before the person has signed in, so a response with another
/// code must not receive the session of this one.
pub(crate) fn fingerprint(state: &str, code: &AuthorizationCode) -> Fingerprint {
    Fingerprint::new(&["exchange", state, code.secret().expose()])
}

impl<T: Clone + Send + Sync + 'static> Exchanges<T> {
    pub(crate) fn new() -> Self {
        let sweep = Recurring::every(REMEMBERED);
        let done = Arc::new(Outcomes { by_response: Cache::new(EXCHANGES), sweep });
        Self { running: SingleFlight::new(Arc::new(Tokio)), done }
    }

    /// Redeems a response once, at `now`. The work runs in a task of its own: a closed connection
    /// leaves no half-finished session, and a repeated response gets the same session. It holds the
    /// permit as long as it needs the provider.
    ///
    /// # Errors
    ///
    /// Those of `work`; `Busy`: no permit was available.
    pub(crate) async fn once<W>(
        &self,
        response: Fingerprint,
        now: UnixTime,
        permit: impl Future<Output = Result<Permit, Error>>,
        work: impl FnOnce(Permit) -> W + Send + 'static,
    ) -> Result<T, Error>
    where
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        if let Some(outcome) = self.done.get(&response) {
            return outcome;
        }
        if let Some(flight) = self.running.under_way(&response).pop() {
            return flight.finished().await?;
        }
        // Before the task starts: a caller that gives up while it waits leaves nothing behind.
        let permit = permit.await?;
        let start = || {
            let all = Arc::clone(&self.done);
            let once = async move {
                // Another caller may have finished while this one waited for its permit.
                if let Some(outcome) = all.get(&response) {
                    return outcome;
                }
                let outcome = work(permit).await;
                all.insert(response, outcome.clone(), now);
                outcome
            };
            once.instrument(info_span!("complete_sign_in"))
        };
        self.running.run(&response, (), Order::AtOnce, start).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::error::ErrorKind;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    async fn of(permits: Arc<Semaphore>) -> Result<Permit, Error> {
        permits.acquire_owned().await.map_err(|_| Error::new(ErrorKind::Busy, "closed"))
    }

    /// Exchanges with their permits. `gate` blocks the work; `worked` counts it.
    #[derive(Clone)]
    struct GatedExchanges {
        exchanges: Arc<Exchanges<usize>>,
        permits: Arc<Semaphore>,
        gate: Arc<Semaphore>,
        worked: Arc<AtomicUsize>,
    }

    impl GatedExchanges {
        fn new(permits: usize, gate: usize) -> Self {
            Self {
                exchanges: Arc::new(Exchanges::new()),
                permits: Arc::new(Semaphore::new(permits)),
                gate: Arc::new(Semaphore::new(gate)),
                worked: Arc::default(),
            }
        }

        async fn once(&self, state: &str) -> Result<usize, Error> {
            let Self { gate, worked, .. } = self.clone();
            let work = move |permit| async move {
                gate.acquire().await.unwrap().forget();
                drop(permit);
                Ok(worked.fetch_add(1, SeqCst))
            };
            self.exchanges
                .once(Fingerprint::new(&[state]), NOW, of(Arc::clone(&self.permits)), work)
                .await
        }

        fn ask(&self) -> tokio::task::JoinHandle<Result<usize, Error>> {
            let gated = self.clone();
            tokio::spawn(async move { gated.once("state").await })
        }
    }

    #[tokio::test]
    async fn a_caller_cancelled_before_its_permit_leaves_nothing() {
        let gated = GatedExchanges::new(0, 1);
        let gone = gated.ask();
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled() && gated.worked.load(SeqCst) == 0);
        gated.permits.add_permits(1);
        for caller in [gated.ask(), gated.ask(), gated.ask()] {
            assert_eq!(caller.await.unwrap().unwrap(), 0);
        }
        assert_eq!((gated.worked.load(SeqCst), gated.permits.available_permits()), (1, 1));
    }

    #[tokio::test]
    async fn an_exchange_ends_without_its_caller_and_keeps_its_permit_until_then() {
        let gated = GatedExchanges::new(1, 0);
        let (gone, other) = (gated.ask(), gated.ask());
        while gated.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        gated.gate.add_permits(1);
        assert_eq!(other.await.unwrap().unwrap(), 0, "the same exchange");
        assert_eq!(gated.permits.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_caller_that_joins_an_exchange_gives_its_permit_back() {
        let gated = GatedExchanges::new(0, 0);
        let (one, other) = (gated.ask(), gated.ask());
        tokio::task::yield_now().await;
        gated.permits.add_permits(2);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gated.permits.available_permits(), 1);
        gated.gate.add_permits(1);
        assert_eq!((one.await.unwrap().unwrap(), other.await.unwrap().unwrap()), (0, 0));
    }

    #[tokio::test]
    async fn an_exchange_that_runs_is_not_forgotten_however_many_others_there_are() {
        let gated = GatedExchanges::new(4, 0);
        let running = gated.ask();
        while gated.permits.available_permits() == 4 {
            tokio::task::yield_now().await;
        }
        for number in 0..2 * EXCHANGES {
            gated.exchanges.done.insert(Fingerprint::new(&[&number.to_string()]), Ok(7), NOW);
        }
        gated.gate.add_permits(1);
        assert_eq!(gated.ask().await.unwrap().unwrap(), running.await.unwrap().unwrap());
        assert_eq!(gated.worked.load(SeqCst), 1);
    }

    #[test]
    fn an_outcome_is_forgotten_when_no_attempt_leads_to_it_any_more() {
        let done = Exchanges::new().done;
        for (number, minutes) in [(0, 0), (1, 9), (2, 10), (3, 20)] {
            let now = NOW + Duration::from_secs(60 * minutes);
            done.insert(Fingerprint::new(&[&number.to_string()]), Ok(number), now);
        }
        let is_there = |number: i32| done.get(&Fingerprint::new(&[&number.to_string()])).is_some();
        assert_eq!([0, 1, 2, 3].map(is_there), [false, false, false, true]);
    }
}
