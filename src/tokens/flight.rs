//! [`Flights`]: one thing at a time per grant, each in a task of its own, and once for all who want the same.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{
    key::{PastCache, TokenRequest},
    seams::GrantId,
};
use crate::error::{Error, ErrorKind};

/// Different requests of one grant that may wait for their turn.
const MAX_PER_GRANT: usize = 32;
/// Grants that may have flights at the same time.
const MAX_GRANTS: usize = 10_000;

/// What a flight is for. Equal errands of one grant share a flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    /// New claims.
    Renewal,
    /// An access token.
    Token(TokenRequest),
}

impl Errand {
    /// The same errand with nothing in it that the provider does not see.
    pub(super) fn as_sent(&self) -> Self {
        match self {
            Self::Token(request) if request.past_cache == PastCache::Forced => {
                Self::Token(TokenRequest { past_cache: PastCache::No, ..request.clone() })
            }
            errand => errand.clone(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Token(_) => "access_token",
        }
    }
}

/// A future that owns what it needs.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks run and how they wait: Tokio, or in tests a scheduler that tries every order.
pub(crate) trait Tasks: fmt::Debug + Send + Sync + 'static {
    fn spawn(&self, task: Task) -> Result<(), Error>;
    fn pause(&self, duration: Duration) -> Task;
}

/// The Tokio runtime that the caller runs on.
#[derive(Debug)]
pub(crate) struct Tokio;

impl Tasks for Tokio {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|_| Error::new(ErrorKind::Internal, "not on a Tokio runtime"))?;
        drop(runtime.spawn(task));
        Ok(())
    }

    fn pause(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The flights of all grants.
///
/// - A caller that goes away leaves its flight alone.
/// - A flight that panics, or whose runtime ends, fails those who wait for it, and the next one has its turn.
/// - A grant without flights takes no memory.
#[derive(Debug)]
pub(super) struct Flights<T> {
    board: Mutex<Board<T>>,
}

#[derive(Debug)]
struct Board<T> {
    grants: HashMap<GrantId, Slot<T>>,
    departures: u64,
}

#[derive(Debug)]
struct Slot<T> {
    turn: Arc<AsyncMutex<()>>,
    flights: Vec<Flight<T>>,
}

#[derive(Debug)]
struct Flight<T> {
    number: u64,
    errand: Errand,
    landed: watch::Receiver<Option<T>>,
}

/// A flight that somebody waits for, or does not.
#[derive(Debug)]
#[must_use]
pub(super) struct Joined<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Joined<T> {
    /// Waits for the flight's result.
    pub(super) async fn landed(mut self) -> Result<T, Error> {
        let broken_off = || Error::new(ErrorKind::Internal, "the task of a refresh was broken off");
        let landed = self.0.wait_for(Option::is_some).await.map_err(|_| broken_off())?;
        landed.clone().ok_or_else(broken_off)
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { board: Mutex::new(Board { grants: HashMap::new(), departures: 0 }) })
    }

    /// Joins the flight of the same errand, or starts one with `work`, which begins when the grant's earlier flights have landed.
    ///
    /// # Errors
    ///
    /// `renewal_failed` if too many are waiting; `internal` outside a Tokio runtime.
    pub(super) fn join<W>(
        self: &Arc<Self>,
        tasks: &dyn Tasks,
        grant: GrantId,
        errand: Errand,
        work: impl FnOnce() -> W,
    ) -> Result<Joined<T>, Error>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let (landing, turn, landed) = {
            let mut board = self.board();
            if let Some(flight) =
                board.grants.get(&grant).and_then(|slot| slot.flights.iter().find(|flight| flight.errand == errand))
            {
                return Ok(Joined(flight.landed.clone()));
            }
            let waiting = board.grants.get(&grant).map_or(0, |slot| slot.flights.len());
            if waiting >= MAX_PER_GRANT || (waiting == 0 && board.grants.len() >= MAX_GRANTS) {
                return Err(Error::new(ErrorKind::RenewalFailed, "too many refreshes are waiting for their turn"));
            }
            board.departures += 1;
            let number = board.departures;
            let (result, landed) = watch::channel(None);
            let slot = board.grants.entry(grant).or_insert_with(|| Slot { turn: Arc::default(), flights: Vec::new() });
            slot.flights.push(Flight { number, errand, landed: landed.clone() });
            (Landing { flights: self.clone(), grant, number, result }, slot.turn.clone(), landed)
        };
        let work = work();
        tasks.spawn(Box::pin(async move {
            let landing = landing;
            let _turn = turn.lock_owned().await;
            landing.land(work.await);
        }))?;
        Ok(Joined(landed))
    }

    /// The flights of a grant that have not landed.
    pub(super) fn under_way(&self, grant: GrantId) -> Vec<Joined<T>> {
        let board = self.board();
        let flights = board.grants.get(&grant).map_or(&[][..], |slot| &slot.flights);
        flights.iter().map(|flight| Joined(flight.landed.clone())).collect()
    }

    fn board(&self) -> MutexGuard<'_, Board<T>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn grants_under_way(&self) -> usize {
        self.board().grants.len()
    }
}

/// The flight's end, however it comes: it leaves the board first, so that nobody joins it any more, and then tells those who wait.
struct Landing<T: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<T>>,
    grant: GrantId,
    number: u64,
    result: watch::Sender<Option<T>>,
}

impl<T: Clone + Send + Sync + 'static> Landing<T> {
    fn land(self, value: T) {
        self.leave();
        self.result.send_replace(Some(value));
    }

    fn leave(&self) {
        let mut board = self.flights.board();
        if let Some(slot) = board.grants.get_mut(&self.grant) {
            slot.flights.retain(|flight| flight.number != self.number);
            if slot.flights.is_empty() {
                board.grants.remove(&self.grant);
            }
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Landing<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use tokio::sync::oneshot;

    use super::super::fakes::*;
    use super::*;
    use crate::secret::Secret;

    fn errand(number: usize) -> Errand {
        Errand::Token(request(&format!("scope{number}")))
    }

    /// Waits until the provider works on this many requests.
    async fn provider_asked(world: &World, calls: usize) {
        while world.provider.calls() < calls {
            tokio::task::yield_now().await;
        }
    }

    fn open(world: &World, permits: usize) {
        world.provider.gate.as_ref().unwrap().add_permits(permits);
    }

    #[tokio::test]
    async fn a_thousand_callers_with_one_expired_token_make_one_request() {
        let world = Arc::new(World::gated());
        world.clock.advance(seconds(4000));
        let callers: Vec<_> = (0..1000)
            .map(|number| {
                let world = world.clone();
                tokio::spawn(async move {
                    // Some need the access token, some the claims; both come with one answer.
                    if number % 2 == 0 {
                        Some(world.token("openid api.read").await.unwrap().expose().to_owned())
                    } else {
                        world.live().await
                    }
                })
            })
            .collect();
        provider_asked(&world, 1).await;
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        open(&world, 1);
        for caller in callers {
            let seen = caller.await.unwrap().unwrap();
            assert!(seen == "access-1" || seen == r#"{"name":"id-1"}"#, "{seen}");
        }
        assert_eq!((world.provider.calls(), world.store.saves.load(SeqCst)), (1, 1));
        assert!(!world.grants.is_busy());
    }

    #[tokio::test]
    async fn a_thousand_callers_share_one_failure() {
        let world = Arc::new(World::new());
        world.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
        let callers: Vec<_> = (0..1000)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.token("mail.read").await.unwrap_err().kind() })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), ErrorKind::ProviderUnreachable);
        }
        assert_eq!(world.provider.calls(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thousand_people_at_once_get_their_own_tokens() {
        let world = Arc::new(World::new());
        let callers: Vec<_> = (2..1002)
            .map(|number| {
                let world = world.clone();
                tokio::spawn(async move {
                    let grant = grant(number);
                    world.sign_in(&grant, |_| {});
                    let (mine, other) = (request("mine"), request("other"));
                    let (mine, other) =
                        tokio::join!(world.grants.access_token(&grant, &mine), world.grants.access_token(&grant, &other));
                    (grant, mine.unwrap(), other.unwrap())
                })
            })
            .collect();
        let mut seen = std::collections::HashSet::new();
        for caller in callers {
            let (grant, mine, other) = caller.await.unwrap();
            assert!(seen.insert(mine.expose().to_owned()) && seen.insert(other.expose().to_owned()));
            let record = world.store.record(&grant).unwrap();
            for (token, scope) in [(&mine, "mine"), (&other, "other")] {
                let kept = record.tokens().find(&request(scope).key, |_| true).unwrap();
                assert_eq!(kept.secret.expose(), token.expose());
            }
            assert!(world.provider.accepts(record.refresh_token().unwrap()));
        }
        assert_eq!(world.provider.calls(), 2000);
        assert!(!world.provider.reused.load(SeqCst) && !world.grants.is_busy());
    }

    #[tokio::test]
    async fn different_scopes_of_one_grant_wait_and_see_the_successor() {
        let world = Arc::new(World::gated());
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let world = world.clone();
                tokio::spawn(async move { world.token(&format!("scope{number}")).await.unwrap() })
            })
            .collect();
        open(&world, 20);
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!((world.provider.calls(), world.provider.most_inside.load(SeqCst)), (20, 1));
        assert!(!world.provider.reused.load(SeqCst));
        assert_eq!(world.record().tokens().len(), 21);
    }

    /// C-443
    #[tokio::test]
    async fn a_caller_that_goes_away_loses_nothing() {
        let world = Arc::new(World::gated());
        let caller = tokio::spawn({
            let world = world.clone();
            async move { world.token("mail.read").await }
        });
        provider_asked(&world, 1).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        open(&world, 1);
        world.settled().await;
        assert_eq!(world.record().refresh_token().map(Secret::expose), Some("refresh-1"));
        assert_eq!(world.token("mail.read").await.unwrap().expose(), "access-1");
        assert_eq!(world.provider.calls(), 1);
    }

    #[tokio::test]
    async fn a_panic_fails_those_who_wait_and_nobody_else() {
        let world = World::new();
        world.provider.next(|_| panic!("a bug"));
        let (first, second) = tokio::join!(world.token("mail.read"), world.token("mail.read"));
        for outcome in [first, second] {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
        }
        assert!(!world.grants.is_busy());
        assert!(world.token("mail.read").await.is_ok());
    }

    #[tokio::test]
    async fn equal_errands_share_a_flight_and_others_wait_for_their_turn() {
        let flights = Flights::new();
        let (first, second) = (GrantId(1), GrantId(2));
        let (land, landed) = oneshot::channel::<u8>();
        let one = flights.join(&Tokio, first, errand(1), || async { landed.await.unwrap() }).unwrap();
        let same = flights.join(&Tokio, first, errand(1), || async { unreachable!("it is the same") }).unwrap();
        let other = flights.join(&Tokio, first, errand(2), || async { 2 }).unwrap();
        let elsewhere = flights.join(&Tokio, second, errand(1), || async { 3 }).unwrap();
        assert_eq!(elsewhere.landed().await.unwrap(), 3);
        assert_eq!(flights.grants_under_way(), 1);
        let waiting = tokio::spawn(other.landed());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        land.send(1).unwrap();
        assert_eq!((one.landed().await.unwrap(), same.landed().await.unwrap(), waiting.await.unwrap().unwrap()), (1, 1, 2));
        assert_eq!(flights.grants_under_way(), 0);
    }

    #[tokio::test]
    async fn the_number_of_flights_is_bounded() {
        let flights = Flights::<()>::new();
        let stuck = |grant, number| flights.join(&Tokio, GrantId(grant), errand(number), std::future::pending);
        for number in 0..MAX_PER_GRANT {
            drop(stuck(0, number).unwrap());
        }
        assert_eq!(stuck(0, MAX_PER_GRANT).unwrap_err().kind(), ErrorKind::RenewalFailed);
        assert!(stuck(0, 0).is_ok(), "one may still join");
        for grant in 1..MAX_GRANTS {
            drop(stuck(i128::try_from(grant).unwrap(), 0).unwrap());
        }
        assert_eq!(stuck(-1, 0).unwrap_err().kind(), ErrorKind::RenewalFailed);
        assert!(stuck(1, 1).is_ok());
    }

    #[test]
    fn without_a_runtime_there_is_an_error_and_nothing_left() {
        let flights = Flights::<()>::new();
        assert_eq!(flights.join(&Tokio, GrantId(1), errand(1), std::future::pending).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(flights.grants_under_way(), 0);
    }

    #[test]
    fn a_runtime_that_ends_fails_those_who_wait_and_leaves_nothing() {
        let flights = Flights::<()>::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let joined = {
            let _inside = runtime.enter();
            flights.join(&Tokio, GrantId(1), errand(1), std::future::pending).unwrap()
        };
        drop(runtime);
        assert_eq!(flights.grants_under_way(), 0);
        let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(other.block_on(joined.landed()).unwrap_err().kind(), ErrorKind::Internal);
    }
}
