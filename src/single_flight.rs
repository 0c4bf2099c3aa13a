//! [`SingleFlight`]: work that is done once for all callers who want the same at the same time.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::error::{Error, ErrorKind};

/// Flights of one group at the same time, running or waiting for their turn.
const MAX_PER_GROUP: usize = 32;
/// Groups that may have flights at the same time.
const MAX_GROUPS: usize = 10_000;

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

/// Runs `work` to its end in a task of its own, whatever becomes of the caller: a code or a
/// rotating refresh token is spent as soon as it is sent.
///
/// # Errors
///
/// `internal`: there is no runtime, or the task was ended from outside.
pub(crate) async fn to_the_end<T: Send + 'static>(
    tasks: &dyn Tasks,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    tasks.spawn(Box::pin(async move {
        // The caller may be gone: what was obtained is kept by then.
        let _ = done.send(work.await);
    }))?;
    outcome.await.map_err(|_| broken_off())
}

/// Work by key: callers with the same key share one flight while it is under way.
///
/// - Each flight runs in a task of its own: a caller that goes away leaves it alone.
/// - A flight that panics, or whose runtime ends, fails those who wait for it with `internal`; the
///   next caller starts another one.
/// - Flights of one group can be made to [take turns](Order::InTurn).
/// - A flight has left when its result is seen. What has to outlive it (a cache entry, a stored
///   record) is written by the work itself, which then finds what an earlier flight wrote.
/// - The number of flights is bounded: a caller that finds too many waits for one of them in its
///   own task, and leaves nothing behind when it goes away. A group without flights takes no
///   memory.
pub(crate) struct SingleFlight<G, K, T> {
    tasks: Arc<dyn Tasks>,
    groups: Mutex<HashMap<G, Group<K, T>>>,
}

struct Group<K, T> {
    turn: Arc<AsyncMutex<()>>,
    flights: Vec<(K, Flight<T>)>,
}

/// Whether flights of one group wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// One after the other, because each may use up what the next one would be sent with: a
    /// rotating refresh token.
    InTurn,
    /// All at the same time.
    AtOnce,
}

/// What a caller who wants a flight finds.
enum Place<G: Eq + Hash, K, T> {
    /// Nobody does the work: the caller's own is to be started.
    Free(Departure<G, K, T>),
    /// Work of the same key is under way.
    Shared(Flight<T>),
    /// There are too many others: ask again when this one has landed.
    Full(Flight<T>),
}

/// The result of a flight, which callers may wait for.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Flight<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Flight<T> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// `internal`: the flight ended without one.
    pub(crate) async fn landed(mut self) -> Result<T, Error> {
        let landed = self.0.wait_for(Option::is_some).await.map_err(|_| broken_off())?;
        landed.clone().ok_or_else(broken_off)
    }
}

impl<G, K, T> SingleFlight<G, K, T>
where
    G: Clone + Eq + Hash + Send + Sync + 'static,
    K: PartialEq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Flights that run on `tasks`.
    pub(crate) fn new(tasks: Arc<dyn Tasks>) -> Arc<Self> {
        Arc::new(Self { tasks, groups: Mutex::default() })
    }

    /// Joins the flight of this key, or starts one with `work`: at once, or when the group's
    /// earlier flights have landed. `None` if there are too many others.
    ///
    /// # Errors
    ///
    /// `internal` outside of a Tokio runtime.
    pub(crate) fn join<W>(
        self: &Arc<Self>,
        group: &G,
        key: K,
        order: Order,
        work: impl FnOnce() -> W,
    ) -> Result<Option<Flight<T>>, Error>
    where
        W: Future<Output = T> + Send + 'static,
    {
        match self.place(group, key, order) {
            Place::Free(departure) => self.start(departure, work()).map(Some),
            Place::Shared(flight) => Ok(Some(flight)),
            Place::Full(_) => Ok(None),
        }
    }

    /// As [`join`](Self::join), and waits: for room first, if there are too many others, then for
    /// the result.
    ///
    /// # Errors
    ///
    /// `internal`: the flight ended without a result, or there is no runtime.
    pub(crate) async fn run<W>(
        self: &Arc<Self>,
        group: &G,
        key: K,
        order: Order,
        work: impl FnOnce() -> W,
    ) -> Result<T, Error>
    where
        K: Clone,
        W: Future<Output = T> + Send + 'static,
    {
        loop {
            match self.place(group, key.clone(), order) {
                Place::Free(departure) => return self.start(departure, work())?.landed().await,
                Place::Shared(flight) => {
                    // What it holds, such as a permit, is not held while another's work is done.
                    drop(work);
                    return flight.landed().await;
                }
                // However it ends, it makes room.
                Place::Full(other) => drop(other.landed().await),
            }
        }
    }

    fn place(self: &Arc<Self>, group: &G, key: K, order: Order) -> Place<G, K, T> {
        let mut groups = self.groups();
        let same = |group: &Group<K, T>| {
            let same = group.flights.iter().find(|(other, _)| *other == key);
            same.map(|(_, flight)| flight.clone())
        };
        if let Some(flight) = groups.get(group).and_then(same) {
            return Place::Shared(flight);
        }
        if let Some(other) = in_the_way(&groups, group) {
            return Place::Full(other);
        }
        let (result, flight) = watch::channel(None);
        let own = groups
            .entry(group.clone())
            .or_insert_with(|| Group { turn: Arc::default(), flights: Vec::new() });
        own.flights.push((key, Flight(flight)));
        let turn = (order == Order::InTurn).then(|| Arc::clone(&own.turn));
        Place::Free(Departure { flights: Arc::clone(self), group: group.clone(), result, turn })
    }

    fn start(
        &self,
        mut departure: Departure<G, K, T>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Flight<T>, Error> {
        let flight = Flight(departure.result.subscribe());
        self.tasks.spawn(Box::pin(async move {
            let _turn = match departure.turn.take() {
                Some(turn) => Some(turn.lock_owned().await),
                None => None,
            };
            departure.land(work.await);
        }))?;
        Ok(flight)
    }

    /// The flights of a group that have not landed.
    pub(crate) fn under_way(&self, group: &G) -> Vec<Flight<T>> {
        let groups = self.groups();
        let flights = groups.get(group).map_or(&[][..], |group| &group.flights);
        flights.iter().map(|(_, flight)| flight.clone()).collect()
    }
}

impl<G, K, T> SingleFlight<G, K, T> {
    fn groups(&self) -> MutexGuard<'_, HashMap<G, Group<K, T>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many groups have flights.
    #[cfg(test)]
    pub(crate) fn groups_under_way(&self) -> usize {
        self.groups().len()
    }
}

/// A flight that has to land before another one of this group can start, if there are too many.
fn in_the_way<G: Eq + Hash, K, T: Clone>(
    groups: &HashMap<G, Group<K, T>>,
    group: &G,
) -> Option<Flight<T>> {
    let full = match groups.get(group) {
        Some(group) => Some(group).filter(|group| group.flights.len() >= MAX_PER_GROUP),
        None => groups.values().next().filter(|_| groups.len() >= MAX_GROUPS),
    };
    full?.flights.first().map(|(_, flight)| flight.clone())
}

/// A flight from its place to its end. However that comes, it leaves first, so that nobody joins it
/// any more, and then tells those who wait.
struct Departure<G: Eq + Hash, K, T> {
    flights: Arc<SingleFlight<G, K, T>>,
    group: G,
    result: watch::Sender<Option<T>>,
    turn: Option<Arc<AsyncMutex<()>>>,
}

impl<G: Eq + Hash, K, T> Departure<G, K, T> {
    fn land(self, value: T) {
        self.leave();
        self.result.send_replace(Some(value));
    }

    fn leave(&self) {
        let own = self.result.subscribe();
        let mut groups = self.flights.groups();
        if let Some(group) = groups.get_mut(&self.group) {
            group.flights.retain(|(_, flight)| !flight.0.same_channel(&own));
            if group.flights.is_empty() {
                groups.remove(&self.group);
            }
        }
    }
}

impl<G: Eq + Hash, K, T> Drop for Departure<G, K, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<G, K, T> fmt::Debug for SingleFlight<G, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

fn broken_off() -> Error {
    Error::new(ErrorKind::Internal, "a task was broken off before it had a result")
}

#[cfg(test)]
#[path = "single_flight_tests.rs"]
mod tests;
