//! Flights with several callers, cancelled callers and panics.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::{Semaphore, oneshot};

use super::*;

type Flights<T> = Arc<SingleFlight<u64, usize, T>>;

fn flights<T: Clone + Send + Sync + 'static>() -> Flights<T> {
    SingleFlight::new(Arc::new(Tokio))
}

#[tokio::test]
async fn a_thousand_callers_with_one_key_do_the_work_once() {
    let (flights, count) = (flights(), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (flights, count) = (Arc::clone(&flights), Arc::clone(&count));
            tokio::spawn(async move {
                let work = || async move {
                    tokio::task::yield_now().await;
                    count.fetch_add(1, SeqCst)
                };
                flights.run(&1, 1, Order::AtOnce, work).await.unwrap()
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 0);
    }
    assert_eq!((count.load(SeqCst), flights.groups_under_way()), (1, 0));
}

#[tokio::test]
async fn equal_keys_share_a_flight_and_others_of_the_group_wait_for_their_turn() {
    let flights = flights();
    let (finish, finished) = oneshot::channel::<u8>();
    let join = |group, key, value| {
        let flight = flights.join(&group, key, Order::InTurn, || async move { value });
        flight.unwrap().unwrap()
    };
    let first = || async { finished.await.unwrap() };
    let one = flights.join(&1, 1, Order::InTurn, first).unwrap().unwrap();
    let (same, other, elsewhere) = (join(1, 1, 9), join(1, 2, 2), join(2, 1, 3));
    assert_eq!(elsewhere.finished().await.unwrap(), 3);
    assert_eq!((flights.groups_under_way(), flights.under_way(&1).len()), (1, 2));
    let waiting = tokio::spawn(other.finished());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    finish.send(1).unwrap();
    assert_eq!((one.finished().await.unwrap(), same.finished().await.unwrap()), (1, 1));
    assert_eq!(waiting.await.unwrap().unwrap(), 2);
    assert_eq!(flights.groups_under_way(), 0);
}

#[tokio::test]
async fn a_dropped_caller_does_not_interrupt_its_flight() {
    let (flights, gate) = (flights(), Arc::new(Semaphore::new(0)));
    let caller = tokio::spawn({
        let (flights, gate) = (Arc::clone(&flights), Arc::clone(&gate));
        async move {
            let work = || async move {
                gate.acquire().await.unwrap().forget();
                7
            };
            flights.run(&1, 1, Order::InTurn, work).await
        }
    });
    while flights.groups_under_way() == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let [flight] = &flights.under_way(&1)[..] else { panic!("it is under way") };
    gate.add_permits(1);
    assert_eq!(flight.clone().finished().await.unwrap(), 7);
}

#[tokio::test]
async fn a_panic_fails_the_waiting_callers_and_no_later_ones() {
    let flights = flights();
    let failed = || async { panic!("a fault of ours") };
    let one = flights.run(&1, 1, Order::InTurn, failed);
    let other = flights.run(&1, 1, Order::InTurn, || async { 1 });
    let (one, other) = tokio::join!(one, other);
    for outcome in [one, other] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
    }
    assert_eq!(flights.groups_under_way(), 0);
    assert_eq!(flights.run(&1, 1, Order::InTurn, || async { 2 }).await.unwrap(), 2);
}

#[tokio::test]
async fn the_number_of_flights_is_bounded_and_a_caller_that_finds_too_many_waits() {
    for order in [Order::InTurn, Order::AtOnce] {
        let (flights, gate) = (flights(), Arc::new(Semaphore::new(0)));
        let join = |group, key| {
            let gate = Arc::clone(&gate);
            let work = || async move { gate.acquire().await.unwrap().forget() };
            flights.join(&group, key, order, work).unwrap()
        };
        let is_full = |group, key| join(group, key).is_none();
        for key in 0..MAX_PER_GROUP {
            assert!(!is_full(0, key));
        }
        assert!(is_full(0, MAX_PER_GROUP) && !is_full(0, 0), "one may still join");
        for group in 1..MAX_GROUPS as u64 {
            assert!(!is_full(group, 0));
        }
        assert!(is_full(u64::MAX, 0) && !is_full(1, 1));
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(&u64::MAX, 0, order, || async {}).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.add_permits(MAX_GROUPS * 2);
        waiting.await.unwrap().unwrap();
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_flight_is_left() {
    let flights = flights::<()>();
    let joined = flights.join(&1, 1, Order::InTurn, std::future::pending);
    assert_eq!(joined.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(flights.groups_under_way(), 0);
}

#[test]
fn a_runtime_that_is_shut_down_fails_the_waiting_callers_and_leaves_no_flight() {
    let flights = flights::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let joined = {
        let _inside = runtime.enter();
        flights.join(&1, 1, Order::InTurn, std::future::pending).unwrap().unwrap()
    };
    drop(runtime);
    assert_eq!(flights.groups_under_way(), 0);
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(other.block_on(joined.finished()).unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn work_completes_after_its_caller_was_dropped() {
    let (go, going) = oneshot::channel::<()>();
    let (done, mut is_done) = oneshot::channel::<()>();
    let caller = tokio::spawn(async move {
        let work = async move {
            going.await.unwrap();
            done.send(()).unwrap();
        };
        to_the_end(&Tokio, work).await
    });
    tokio::task::yield_now().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert!(is_done.try_recv().is_err());
    go.send(()).unwrap();
    is_done.await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_process_waits_for_the_tasks_that_run() {
    let (process, (release, held)) = (RunningTasks::default(), oneshot::channel::<()>());
    let finished = async || {
        tokio::select! {
            biased;
            () = process.finished() => true,
            () = std::future::ready(()) => false,
        }
    };
    assert!(finished().await);
    let task = tokio::spawn(process.counted(Box::pin(async move { drop(held.await) })));
    let dropped = process.counted(Box::pin(async {}));
    assert!(!finished().await);
    drop(release);
    task.await.unwrap();
    assert!(!finished().await);
    drop(dropped);
    assert!(finished().await);
}
