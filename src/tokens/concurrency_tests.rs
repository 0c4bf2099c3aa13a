//! Concurrent callers, and callers that are cancelled.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use super::test_support::*;
use crate::{error::ErrorKind, secret::Secret};

/// More requests than may be in flight for one grant.
const MANY: usize = 32;

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
                // Some callers need the access token, others the claims; one answer has both.
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

// C-443: client drops the callback request mid-way
#[tokio::test]
async fn a_cancelled_caller_loses_no_token() {
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
async fn a_panic_fails_only_the_waiting_callers() {
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
async fn requests_for_other_scopes_make_no_caller_fail() {
    let world = Arc::new(World::new());
    let callers: Vec<_> = (0..MANY * 4)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move { world.token(&format!("scope{number}")).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((world.provider.calls(), world.provider.most_inside.load(SeqCst)), (MANY * 4, 1));
    assert!(!world.grants.is_busy());
}

/// If a request uses nothing up, other scopes need not wait, and all tokens are cached.
#[tokio::test]
async fn requests_without_an_order_are_concurrent() {
    let world = Arc::new(World::gated());
    world.provider.at_once.store(true, SeqCst);
    world.provider.rotates.store(false, SeqCst);
    let callers: Vec<_> = (0..MANY * 2)
        .map(|number| {
            let world = world.clone();
            // Each request twice: equal requests still share a flight.
            tokio::spawn(async move { world.token(&format!("scope{}", number / 2)).await.unwrap() })
        })
        .collect();
    provider_asked(&world, MANY).await;
    open(&world, MANY);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((world.provider.calls(), world.provider.most_inside.load(SeqCst)), (MANY, MANY));
    assert_eq!(world.record().tokens().len(), 1 + MANY);
    world.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    open(&world, 2);
    let (one, other) = tokio::join!(world.token("one"), world.token("other"));
    assert!(
        one.is_ok() != other.is_ok(),
        "what one of them wrote meanwhile is no reason to ask again for the other"
    );
}
