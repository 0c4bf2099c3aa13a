//! [`SingleFlight`]: concurrent callers with the same key share one execution of the work.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::error::{Error, ErrorKind};

/// Most flights of one group at a time, running or waiting for their turn.
const MAX_PER_GROUP: usize = 32;
/// Most groups with flights at a time.
const MAX_GROUPS: usize = 10_000;

/// A future for a task of its own.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime for tasks: Tokio, or in tests a scheduler that tries every order.
pub(crate) trait Tasks: fmt::Debug + Send + Sync + 'static {
    /// Runs a task independently of the caller.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: there is no runtime.
    fn spawn(&self, task: Task) -> Result<(), Error>;

    /// A future that waits for `duration`.
    fn pause(&self, duration: Duration) -> Task;

    /// A future that ends after `duration`, for work that may have ended before. In tests it does
    /// not end by itself.
    fn deadline(&self, duration: Duration) -> Task;
}

/// The Tokio runtime that the caller runs on.
#[derive(Debug)]
pub(crate) struct Tokio;

impl Tasks for Tokio {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::new(ErrorKind::Internal, "not on a Tokio runtime"))?;
        drop(runtime.spawn(PROCESS.counted(task)));
        Ok(())
    }

    fn pause(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }

    fn deadline(&self, duration: Duration) -> Task {
        self.pause(duration)
    }
}

/// The tasks of this process.
static PROCESS: LazyLock<RunningTasks> = LazyLock::new(RunningTasks::default);

/// Waits until no task of this crate is running in this process. To be called when the server has
/// ended, so that the end of the Tokio runtime interrupts nothing:
///
/// - token renewals in the background: if one is lost whose refresh token the provider has already
///   rotated, its user has to sign in again;
/// - callbacks whose browser has closed the connection;
/// - writes of [`StoredCaches::without_waiting`](crate::StoredCaches::without_waiting).
///
/// Each call to the provider, the store and an application's handler has its own time limit. But a
/// refreshed record that the store does not accept is offered to it again until its session ends,
/// so limit the time to wait:
///
/// ```
/// use std::time::Duration;
/// use tower_identity::background_tasks_finished;
///
/// # async fn serve() {}
/// # async fn run() {
/// serve().await;
/// let limit = Duration::from_secs(10);
/// if tokio::time::timeout(limit, background_tasks_finished()).await.is_err() {
///     tracing::warn!("ended with tasks under way");
/// }
/// # }
/// ```
pub async fn background_tasks_finished() {
    PROCESS.finished().await;
}

/// The number of tasks that have not ended.
#[derive(Debug, Default)]
struct RunningTasks(watch::Sender<usize>);

/// Counts one task, until it has ended or was dropped.
struct RunningTask(watch::Sender<usize>);

impl RunningTasks {
    /// The same task, counted from now on.
    fn counted(&self, task: Task) -> impl Future<Output = ()> + Send + 'static {
        self.0.send_modify(|running| *running += 1);
        let running = RunningTask(self.0.clone());
        async move {
            let _running = running;
            task.await;
        }
    }

    async fn finished(&self) {
        // An error would mean that the sender is gone, which `self` holds.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// Runs `work` in a task of its own, which completes even if the caller is dropped: a code or a
/// rotating refresh token is spent as soon as it is sent.
///
/// # Errors
///
/// [`ErrorKind::Internal`]: there is no runtime, the work panicked, or the runtime was shut down.
pub(crate) async fn to_the_end<T: Send + 'static>(
    tasks: &dyn Tasks,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    tasks.spawn(Box::pin(async move {
        // If the caller was dropped, nothing receives the result. The work itself stores what must
        // not be lost.
        let _ = done.send(work.await);
    }))?;
    outcome.await.map_err(|_| without_result())
}

/// Single flight: callers with the same key share one execution of the work, a *flight*, as long as
/// it is under way.
///
/// - A key belongs to a group. Flights of one group can [take turns](Order::InTurn).
/// - Each flight runs in a task of its own, so a dropped caller does not interrupt it.
/// - If a flight panics or its runtime is shut down, its callers get [`ErrorKind::Internal`]. The
///   next caller starts another flight.
/// - A flight is removed before its result is published, and the result is not kept. The work must
///   store what has to be kept (a cache entry, a record), and first look for what an earlier flight
///   has stored.
/// - The number of flights is bounded. A caller that finds too many waits in its own task until one
///   has finished, and takes no memory here. A group without flights takes none either.
pub(crate) struct SingleFlight<G, K, T> {
    tasks: Arc<dyn Tasks>,
    groups: Mutex<HashMap<G, Group<K, T>>>,
}

/// The flights of one group.
struct Group<K, T> {
    /// Held by the flight whose turn it is.
    turn: Arc<AsyncMutex<()>>,
    flights: Vec<(K, Flight<T>)>,
}

/// The order of the flights of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// One after the other, because a flight may spend what the next one needs: a rotating refresh
    /// token.
    InTurn,
    /// All at the same time.
    AtOnce,
}

/// The result of a caller's registration for a key.
enum FlightPlace<G: Eq + Hash, K, T> {
    /// There was no flight with this key: the caller has to start the work.
    Free(PendingFlight<G, K, T>),
    /// A flight with the same key is under way.
    Shared(Flight<T>),
    /// There are too many flights: register again when this one has finished.
    Full(Flight<T>),
}

/// A flight under way, as seen by a caller that waits for its result.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Flight<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Flight<T> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the flight ended without a result.
    pub(crate) async fn finished(mut self) -> Result<T, Error> {
        let result = self.0.wait_for(Option::is_some).await.map_err(|_| without_result())?;
        result.clone().ok_or_else(without_result)
    }
}

impl<G, K, T> SingleFlight<G, K, T>
where
    G: Clone + Eq + Hash + Send + Sync + 'static,
    K: PartialEq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// A single flight whose work runs on `tasks`.
    pub(crate) fn new(tasks: Arc<dyn Tasks>) -> Arc<Self> {
        Arc::new(Self { tasks, groups: Mutex::default() })
    }

    /// Joins the flight with this key, or starts one with `work`. With [`Order::InTurn`] the work
    /// starts when the earlier flights of the group have finished. `None` if there are too many
    /// flights.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: there is no Tokio runtime.
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
            FlightPlace::Free(pending) => self.start(pending, work()).map(Some),
            FlightPlace::Shared(flight) => Ok(Some(flight)),
            FlightPlace::Full(_) => Ok(None),
        }
    }

    /// As [`join`](Self::join), and waits for the result. If there are too many flights, it first
    /// waits until one has finished.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the flight ended without a result, or there is no Tokio runtime.
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
                FlightPlace::Free(pending) => return self.start(pending, work())?.finished().await,
                FlightPlace::Shared(flight) => {
                    // The closure may own a permit, which must not be held while the work of
                    // another caller runs.
                    drop(work);
                    return flight.finished().await;
                }
                // With any result, its place is free now.
                FlightPlace::Full(other) => drop(other.finished().await),
            }
        }
    }

    /// Finds the flight with this key, or registers a new one.
    fn place(self: &Arc<Self>, group: &G, key: K, order: Order) -> FlightPlace<G, K, T> {
        let mut groups = self.groups();
        let same = |group: &Group<K, T>| {
            let same = group.flights.iter().find(|(other, _)| *other == key);
            same.map(|(_, flight)| flight.clone())
        };
        if let Some(flight) = groups.get(group).and_then(same) {
            return FlightPlace::Shared(flight);
        }
        if let Some(other) = blocking_flight(&groups, group) {
            return FlightPlace::Full(other);
        }
        let (result, flight) = watch::channel(None);
        let own = groups
            .entry(group.clone())
            .or_insert_with(|| Group { turn: Arc::default(), flights: Vec::new() });
        own.flights.push((key, Flight(flight)));
        let turn = (order == Order::InTurn).then(|| Arc::clone(&own.turn));
        FlightPlace::Free(PendingFlight {
            flights: Arc::clone(self),
            group: group.clone(),
            result,
            turn,
        })
    }

    /// Runs the work of a registered flight in a task of its own.
    fn start(
        &self,
        mut pending: PendingFlight<G, K, T>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Flight<T>, Error> {
        let flight = Flight(pending.result.subscribe());
        self.tasks.spawn(Box::pin(async move {
            let _turn = match pending.turn.take() {
                Some(turn) => Some(turn.lock_owned().await),
                None => None,
            };
            pending.finish(work.await);
        }))?;
        Ok(flight)
    }

    /// The flights of a group that are under way.
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

    /// The number of groups with flights.
    #[cfg(test)]
    pub(crate) fn groups_under_way(&self) -> usize {
        self.groups().len()
    }
}

/// A flight that has to finish before another one of this group can start; `None` if the limits are
/// not reached.
fn blocking_flight<G: Eq + Hash, K, T: Clone>(
    groups: &HashMap<G, Group<K, T>>,
    group: &G,
) -> Option<Flight<T>> {
    let full = match groups.get(group) {
        Some(group) => Some(group).filter(|group| group.flights.len() >= MAX_PER_GROUP),
        None => groups.values().next().filter(|_| groups.len() >= MAX_GROUPS),
    };
    full?.flights.first().map(|(_, flight)| flight.clone())
}

/// A registered flight, from its registration to its end. At its end, also by a panic, it is
/// removed first, so that no caller joins it any more. Then its callers are woken.
struct PendingFlight<G: Eq + Hash, K, T> {
    flights: Arc<SingleFlight<G, K, T>>,
    group: G,
    result: watch::Sender<Option<T>>,
    turn: Option<Arc<AsyncMutex<()>>>,
}

impl<G: Eq + Hash, K, T> PendingFlight<G, K, T> {
    fn finish(self, value: T) {
        self.remove();
        self.result.send_replace(Some(value));
    }

    fn remove(&self) {
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

impl<G: Eq + Hash, K, T> Drop for PendingFlight<G, K, T> {
    fn drop(&mut self) {
        // After a panic, or if the task never ran. The dropped sender wakes the callers.
        self.remove();
    }
}

fn without_result() -> Error {
    Error::new(ErrorKind::Internal, "a task ended without a result")
}

#[cfg(test)]
#[path = "single_flight_tests.rs"]
mod tests;
