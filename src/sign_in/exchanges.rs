//! [`Exchanges`]: authorization responses are redeemed once, however often a browser delivers them.

use std::sync::Arc;

use quick_cache::sync::Cache;
use tracing::{Instrument as _, info_span};

use super::attempt::Fingerprint;
use crate::{
    error::Error,
    protocol::{AuthorizationCode, Permit},
    single_flight::{Order, SingleFlight, Tokio},
};

/// How many outcomes are remembered for browsers that send a response twice.
const EXCHANGES: usize = 1024;

/// Responses that are being redeemed, or were a while ago, by their [`fingerprint`].
pub(crate) struct Exchanges<T> {
    running: Arc<SingleFlight<Fingerprint, (), Result<T, Error>>>,
    done: Arc<Cache<Fingerprint, Result<T, Error>>>,
}

/// The fingerprint of a response: of its `state` and its code.
///
/// Both together, because the `state` alone is known before the person has signed in: with another
/// code it is another response, which gets nothing of this one's session.
pub(crate) fn fingerprint(state: &str, code: &AuthorizationCode) -> Fingerprint {
    Fingerprint::new(&["exchange", state, code.secret().expose()])
}

impl<T: Clone + Send + Sync + 'static> Exchanges<T> {
    pub(crate) fn new() -> Self {
        Self { running: SingleFlight::new(Arc::new(Tokio)), done: Arc::new(Cache::new(EXCHANGES)) }
    }

    /// Redeems a response once, in a task of its own: a browser that goes away leaves no half
    /// session, one that asks twice gets the same session.
    ///
    /// # Errors
    ///
    /// Those of the work; `Busy`: there was no permit for it.
    pub(crate) async fn once(
        &self,
        answer: Fingerprint,
        permit: impl Future<Output = Result<Permit, Error>>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if let Some(outcome) = self.done.get(&answer) {
            return outcome;
        }
        if let Some(flight) = self.running.under_way(&answer).pop() {
            return flight.finished().await?;
        }
        // Before there is a task: a caller that goes away without a permit has cost nothing.
        let permit = permit.await?;
        let start = || {
            let all = Arc::clone(&self.done);
            let once = async move {
                // Another caller may have been given a permit first, and be done.
                if let Some(outcome) = all.get(&answer) {
                    return outcome;
                }
                let outcome = work.await;
                all.insert(answer, outcome.clone());
                drop(permit);
                outcome
            };
            once.instrument(info_span!("complete_sign_in"))
        };
        self.running.run(&answer, (), Order::AtOnce, start).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::error::ErrorKind;

    async fn of(permits: Arc<Semaphore>) -> Result<Permit, Error> {
        permits.acquire_owned().await.map_err(|_| Error::new(ErrorKind::Busy, "closed"))
    }

    /// Exchanges, the permits for them, and what they wait for.
    #[derive(Clone)]
    struct World {
        exchanges: Arc<Exchanges<usize>>,
        permits: Arc<Semaphore>,
        gate: Arc<Semaphore>,
        worked: Arc<AtomicUsize>,
    }

    impl World {
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
            let work = async move {
                gate.acquire().await.unwrap().forget();
                Ok(worked.fetch_add(1, SeqCst))
            };
            self.exchanges
                .once(Fingerprint::new(&[state]), of(Arc::clone(&self.permits)), work)
                .await
        }

        fn ask(&self) -> tokio::task::JoinHandle<Result<usize, Error>> {
            let world = self.clone();
            tokio::spawn(async move { world.once("state").await })
        }
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_before_its_permit_costs_nothing() {
        let world = World::new(0, 1);
        let gone = world.ask();
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled() && world.worked.load(SeqCst) == 0);
        world.permits.add_permits(1);
        for caller in [world.ask(), world.ask(), world.ask()] {
            assert_eq!(caller.await.unwrap().unwrap(), 0);
        }
        assert_eq!((world.worked.load(SeqCst), world.permits.available_permits()), (1, 1));
    }

    #[tokio::test]
    async fn an_exchange_ends_without_its_caller_and_keeps_its_permit_until_then() {
        let world = World::new(1, 0);
        let (gone, other) = (world.ask(), world.ask());
        while world.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        world.gate.add_permits(1);
        assert_eq!(other.await.unwrap().unwrap(), 0, "the same exchange");
        assert_eq!(world.permits.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_caller_that_joins_an_exchange_gives_its_permit_back() {
        let world = World::new(0, 0);
        let (one, other) = (world.ask(), world.ask());
        tokio::task::yield_now().await;
        world.permits.add_permits(2);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.permits.available_permits(), 1);
        world.gate.add_permits(1);
        assert_eq!((one.await.unwrap().unwrap(), other.await.unwrap().unwrap()), (0, 0));
    }

    #[tokio::test]
    async fn an_exchange_that_runs_is_not_forgotten_however_many_others_there_are() {
        let world = World::new(4, 0);
        let running = world.ask();
        while world.permits.available_permits() == 4 {
            tokio::task::yield_now().await;
        }
        for number in 0..2 * EXCHANGES {
            world.exchanges.done.insert(Fingerprint::new(&[&number.to_string()]), Ok(7));
        }
        world.gate.add_permits(1);
        assert_eq!(world.ask().await.unwrap().unwrap(), running.await.unwrap().unwrap());
        assert_eq!(world.worked.load(SeqCst), 1);
    }
}
