//! Concurrent callers, and callers that are cancelled.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use super::test_support::*;
use crate::{error::ErrorKind, secret::Secret};

/// More requests than may be in flight for one grant.
const MANY: usize = 32;

/// Waits until the provider works on this many requests.
async fn provider_asked(session: &TestSession, calls: usize) {
    while session.provider.calls() < calls {
        tokio::task::yield_now().await;
    }
}

fn open(session: &TestSession, permits: usize) {
    session.provider.gate.as_ref().unwrap().add_permits(permits);
}

#[tokio::test]
async fn a_thousand_callers_with_one_expired_token_make_one_request() {
    let session = Arc::new(TestSession::gated());
    session.clock.advance(seconds(4000));
    let callers: Vec<_> = (0..1000)
        .map(|number| {
            let session = session.clone();
            tokio::spawn(async move {
                // Some callers need the access token, others the claims; one answer has both.
                if number % 2 == 0 {
                    Some(session.token("openid api.read").await.unwrap().expose().to_owned())
                } else {
                    session.live().await
                }
            })
        })
        .collect();
    provider_asked(&session, 1).await;
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    open(&session, 1);
    for caller in callers {
        let seen = caller.await.unwrap().unwrap();
        assert!(seen == "access-1" || seen == r#"{"name":"id-1"}"#, "{seen}");
    }
    assert_eq!((session.provider.calls(), session.store.saves.load(SeqCst)), (1, 1));
    assert!(!session.grants.is_busy());
}

#[tokio::test]
async fn a_thousand_callers_share_one_failure() {
    let session = Arc::new(TestSession::new());
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { session.token("mail.read").await.unwrap_err().kind() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), ErrorKind::ProviderUnreachable);
    }
    assert_eq!(session.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_people_at_once_get_their_own_tokens() {
    let session = Arc::new(TestSession::new());
    let callers: Vec<_> = (2..1002)
        .map(|number| {
            let session = session.clone();
            tokio::spawn(async move {
                let grant = grant(number);
                session.sign_in(&grant, |_| {});
                let (mine, other) = (request("mine"), request("other"));
                let (mine, other) = tokio::join!(
                    session.grants.access_token(&grant, &mine),
                    session.grants.access_token(&grant, &other)
                );
                (grant, mine.unwrap(), other.unwrap())
            })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for caller in callers {
        let (grant, mine, other) = caller.await.unwrap();
        assert!(seen.insert(mine.expose().to_owned()) && seen.insert(other.expose().to_owned()));
        let record = session.store.record(&grant).unwrap();
        for (token, scope) in [(&mine, "mine"), (&other, "other")] {
            let kept = record.tokens().find(&request(scope).key, |_| true).unwrap();
            assert_eq!(kept.secret.expose(), token.expose());
        }
        assert!(session.provider.accepts(record.refresh_token().unwrap()));
    }
    assert_eq!(session.provider.calls(), 2000);
    assert!(!session.provider.reused.load(SeqCst) && !session.grants.is_busy());
}

#[tokio::test]
async fn different_scopes_of_one_grant_wait_and_see_the_successor() {
    let session = Arc::new(TestSession::gated());
    let callers: Vec<_> = (0..20)
        .map(|number| {
            let session = session.clone();
            tokio::spawn(async move { session.token(&format!("scope{number}")).await.unwrap() })
        })
        .collect();
    open(&session, 20);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((session.provider.calls(), session.provider.most_inside.load(SeqCst)), (20, 1));
    assert!(!session.provider.reused.load(SeqCst));
    assert_eq!(session.record().tokens().len(), 21);
}

// C-443: client drops the callback request mid-way
#[tokio::test]
async fn a_cancelled_caller_loses_no_token() {
    let session = Arc::new(TestSession::gated());
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.token("mail.read").await }
    });
    provider_asked(&session, 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    open(&session, 1);
    session.settled().await;
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
    assert_eq!(session.token("mail.read").await.unwrap().expose(), "access-1");
    assert_eq!(session.provider.calls(), 1);
}

#[tokio::test]
async fn a_panic_fails_only_the_waiting_callers() {
    let session = TestSession::new();
    session.provider.next(|_| panic!("a bug"));
    let (first, second) = tokio::join!(session.token("mail.read"), session.token("mail.read"));
    for outcome in [first, second] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
    }
    assert!(!session.grants.is_busy());
    assert!(session.token("mail.read").await.is_ok());
}

#[tokio::test]
async fn requests_for_other_scopes_make_no_caller_fail() {
    let session = Arc::new(TestSession::new());
    let callers: Vec<_> = (0..MANY * 4)
        .map(|number| {
            let session = session.clone();
            tokio::spawn(async move { session.token(&format!("scope{number}")).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(
        (session.provider.calls(), session.provider.most_inside.load(SeqCst)),
        (MANY * 4, 1)
    );
    assert!(!session.grants.is_busy());
}

/// If a request uses nothing up, other scopes need not wait, and all tokens are cached.
#[tokio::test]
async fn requests_without_an_order_are_concurrent() {
    let session = Arc::new(TestSession::gated());
    session.provider.at_once.store(true, SeqCst);
    session.provider.rotates.store(false, SeqCst);
    let callers: Vec<_> = (0..MANY * 2)
        .map(|number| {
            let session = session.clone();
            // Each request twice: equal requests still share a flight.
            tokio::spawn(
                async move { session.token(&format!("scope{}", number / 2)).await.unwrap() },
            )
        })
        .collect();
    provider_asked(&session, MANY).await;
    open(&session, MANY);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((session.provider.calls(), session.provider.most_inside.load(SeqCst)), (MANY, MANY));
    assert_eq!(session.record().tokens().len(), 1 + MANY);
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    open(&session, 2);
    let (one, other) = tokio::join!(session.token("one"), session.token("other"));
    assert!(
        one.is_ok() != other.is_ok(),
        "what one of them wrote meanwhile is no reason to ask again for the other"
    );
}
