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
                let (mine, other) = tokio::join!(
                    world.grants.access_token(&grant, &mine),
                    world.grants.access_token(&grant, &other)
                );
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
    let one = aboard(
        flights.join(&Tokio, first, errand(1), Order::InTurn, || async { landed.await.unwrap() }),
    );
    let same = aboard(flights.join(&Tokio, first, errand(1), Order::InTurn, || async {
        unreachable!("it is the same")
    }));
    let other = aboard(flights.join(&Tokio, first, errand(2), Order::InTurn, || async { 2 }));
    let elsewhere = aboard(flights.join(&Tokio, second, errand(1), Order::InTurn, || async { 3 }));
    assert_eq!(elsewhere.landed().await.unwrap(), 3);
    assert_eq!(flights.grants_under_way(), 1);
    let waiting = tokio::spawn(other.landed());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    land.send(1).unwrap();
    assert_eq!(
        (
            one.landed().await.unwrap(),
            same.landed().await.unwrap(),
            waiting.await.unwrap().unwrap()
        ),
        (1, 1, 2)
    );
    assert_eq!(flights.grants_under_way(), 0);
}

/// The flight, where there is room.
fn aboard<T: std::fmt::Debug>(boarding: Result<Boarding<T>, Error>) -> Joined<T> {
    match boarding.unwrap() {
        Boarding::Aboard(flight) => flight,
        Boarding::Full(_) => panic!("there is no room"),
    }
}

#[tokio::test]
async fn the_number_of_flights_is_bounded_and_who_finds_too_many_waits() {
    for order in [Order::InTurn, Order::AtOnce] {
        let flights = Flights::<()>::new();
        let land = Arc::new(tokio::sync::Semaphore::new(0));
        let start = |grant, number| {
            let land = land.clone();
            flights.join(&Tokio, GrantId(grant), errand(number), order, || async move {
                land.acquire().await.unwrap().forget()
            })
        };
        let is_full = |grant, number| matches!(start(grant, number).unwrap(), Boarding::Full(_));
        for number in 0..MAX_PER_GRANT {
            drop(aboard(start(0, number)));
        }
        assert!(is_full(0, MAX_PER_GRANT) && !is_full(0, 0), "one may still join");
        for grant in 1..MAX_GRANTS {
            drop(aboard(start(i128::try_from(grant).unwrap(), 0)));
        }
        assert!(is_full(-1, 0) && !is_full(1, 1));
        let Boarding::Full(other) = start(0, MAX_PER_GRANT).unwrap() else {
            panic!("there is room")
        };
        land.add_permits(MAX_GRANTS * 2);
        other.landed().await.unwrap();
        assert!(!is_full(0, MAX_PER_GRANT), "one has landed");
    }
}

#[tokio::test]
async fn nobody_fails_because_others_ask_for_other_things() {
    let world = Arc::new(World::new());
    let callers: Vec<_> = (0..MAX_PER_GRANT * 4)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move { world.token(&format!("scope{number}")).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(
        (world.provider.calls(), world.provider.most_inside.load(SeqCst)),
        (MAX_PER_GRANT * 4, 1)
    );
    assert!(!world.grants.is_busy());
}

/// Where nothing is used up by asking, other scopes need not wait, and what each brings is kept.
#[tokio::test]
async fn requests_that_need_no_turn_go_at_the_same_time() {
    let world = Arc::new(World::gated());
    world.provider.at_once.store(true, SeqCst);
    world.provider.rotates.store(false, SeqCst);
    let callers: Vec<_> = (0..MAX_PER_GRANT * 2)
        .map(|number| {
            let world = world.clone();
            // Each twice: the same request is one flight as ever.
            tokio::spawn(async move { world.token(&format!("scope{}", number / 2)).await.unwrap() })
        })
        .collect();
    provider_asked(&world, MAX_PER_GRANT).await;
    open(&world, MAX_PER_GRANT);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(
        (world.provider.calls(), world.provider.most_inside.load(SeqCst)),
        (MAX_PER_GRANT, MAX_PER_GRANT)
    );
    assert_eq!(world.record().tokens().len(), 1 + MAX_PER_GRANT);
    world.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    open(&world, 2);
    let (one, other) = tokio::join!(world.token("one"), world.token("other"));
    assert!(
        one.is_ok() != other.is_ok(),
        "what one of them wrote meanwhile is no reason to ask again for the other"
    );
}

#[test]
fn without_a_runtime_there_is_an_error_and_nothing_left() {
    let flights = Flights::<()>::new();
    assert_eq!(
        flights
            .join(&Tokio, GrantId(1), errand(1), Order::InTurn, std::future::pending)
            .unwrap_err()
            .kind(),
        ErrorKind::Internal
    );
    assert_eq!(flights.grants_under_way(), 0);
}

#[test]
fn a_runtime_that_ends_fails_those_who_wait_and_leaves_nothing() {
    let flights = Flights::<()>::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let joined = {
        let _inside = runtime.enter();
        aboard(flights.join(&Tokio, GrantId(1), errand(1), Order::InTurn, std::future::pending))
    };
    drop(runtime);
    assert_eq!(flights.grants_under_way(), 0);
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(other.block_on(joined.landed()).unwrap_err().kind(), ErrorKind::Internal);
}
