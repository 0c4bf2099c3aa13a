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

/// Flights of one grant at the same time, under way or waiting for their turn. Whoever wants
/// another one waits until one of them has landed.
const MAX_PER_GRANT: usize = 32;
/// Grants that may have flights at the same time, likewise.
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
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::new(ErrorKind::Internal, "not on a Tokio runtime"))?;
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
/// - A flight that panics, or whose runtime ends, fails those who wait for it, and the next one has
///   its turn.
/// - A grant without flights takes no memory. Their number is bounded; who finds too many waits in
///   their own task, and leaves nothing behind when they go away.
#[derive(Debug)]
pub(super) struct Flights<T> {
    board: Mutex<Board<T>>,
}

#[derive(Debug)]
struct Board<T> {
    grants: HashMap<GrantId, Slot<T>>,
    departures: u64,
}

impl<T> Board<T> {
    /// A flight that has to land before another one of this grant can start, if there are too many.
    fn in_the_way(&self, grant: GrantId) -> Option<&Flight<T>> {
        match self.grants.get(&grant) {
            Some(slot) if slot.flights.len() >= MAX_PER_GRANT => slot.flights.first(),
            Some(_) => None,
            None if self.grants.len() >= MAX_GRANTS => {
                self.grants.values().find_map(|slot| slot.flights.first())
            }
            None => None,
        }
    }
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

/// Whether flights of one grant wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// One after the other, because each may use up what the next one would be sent with: a
    /// rotating refresh token.
    InTurn,
    /// All at the same time.
    AtOnce,
}

/// What comes of wanting a flight.
#[derive(Debug)]
#[must_use]
pub(super) enum Boarding<T> {
    /// There is one.
    Aboard(Joined<T>),
    /// There are too many others: ask again when this one has landed.
    Full(Joined<T>),
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

    /// Joins the flight of the same errand, or starts one with `work`, which begins at once or when
    /// the grant's earlier flights have landed.
    ///
    /// # Errors
    ///
    /// `internal` outside a Tokio runtime.
    pub(super) fn join<W>(
        self: &Arc<Self>,
        tasks: &dyn Tasks,
        grant: GrantId,
        errand: Errand,
        order: Order,
        work: impl FnOnce() -> W,
    ) -> Result<Boarding<T>, Error>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let (landing, turn, landed) = {
            let mut board = self.board();
            if let Some(flight) = board
                .grants
                .get(&grant)
                .and_then(|slot| slot.flights.iter().find(|flight| flight.errand == errand))
            {
                return Ok(Boarding::Aboard(Joined(flight.landed.clone())));
            }
            if let Some(other) = board.in_the_way(grant) {
                return Ok(Boarding::Full(Joined(other.landed.clone())));
            }
            board.departures += 1;
            let number = board.departures;
            let (result, landed) = watch::channel(None);
            let slot = board
                .grants
                .entry(grant)
                .or_insert_with(|| Slot { turn: Arc::default(), flights: Vec::new() });
            slot.flights.push(Flight { number, errand, landed: landed.clone() });
            let turn = (order == Order::InTurn).then(|| slot.turn.clone());
            (Landing { flights: self.clone(), grant, number, result }, turn, landed)
        };
        let work = work();
        tasks.spawn(Box::pin(async move {
            let landing = landing;
            let _turn = match turn {
                Some(turn) => Some(turn.lock_owned().await),
                None => None,
            };
            landing.land(work.await);
        }))?;
        Ok(Boarding::Aboard(Joined(landed)))
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

/// The flight's end, however it comes: it leaves the board first, so that nobody joins it any more,
/// and then tells those who wait.
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
#[path = "flight_tests.rs"]
mod tests;
