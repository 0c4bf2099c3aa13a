//! The refresh of a grant: one flight from its start to the stored record.

use std::sync::atomic::Ordering::SeqCst;

use super::super::{refresher::TokenSet, test_support::*};
use super::*;

/// Starts a request, waits until the provider has it, runs `meanwhile`, and opens the gate.
async fn during_a_flight(
    session: &Arc<TestSession>,
    meanwhile: impl AsyncFnOnce(&TestSession),
) -> Result<AccessToken, Error> {
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.token("mail.read").await }
    });
    while session.provider.calls() == 0 {
        tokio::task::yield_now().await;
    }
    meanwhile(session).await;
    session.provider.gate.as_ref().unwrap().add_permits(100);
    caller.await.unwrap()
}

// C-249: logout ends while a refresh is running
// MSAL-070: Account removed while a refresh is in flight; the refresh ends
#[tokio::test]
async fn after_a_sign_out_during_a_flight_nothing_is_left() {
    let session = Arc::new(TestSession::gated());
    let outcome =
        during_a_flight(&session, async |session| session.store.sign_out(&session.grant).await)
            .await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::SessionEnded);
    session.settled().await;
    assert!(
        session.store.record(&session.grant).is_none()
            && !session.store.is_signed_in(&session.grant)
    );
}

// C-249: logout ends while a refresh is running
#[tokio::test]
async fn after_a_sign_out_during_a_failing_flight_nothing_is_left() {
    let session = Arc::new(TestSession::gated());
    session.clock.advance(seconds(3600));
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(session.live().await, None);
    while session.provider.calls() == 0 {
        tokio::task::yield_now().await;
    }
    session.store.sign_out(&session.grant).await;
    session.provider.gate.as_ref().unwrap().add_permits(1);
    session.settled().await;
    assert!(session.store.record(&session.grant).is_none());
}

/// The record that another process writes after a refresh, for the sign-in's scopes or for others.
fn changed_by_another_process(session: &TestSession, scopes: &str) {
    let record = session.record();
    let theirs = TokenSet {
        access_token: Some("theirs".into()),
        refresh_token: Some("their-refresh".into()),
        ..TokenSet::default()
    };
    let by = identity(ada(), "theirs", session.clock.now() + seconds(3600));
    let key = request(scopes).completed_for(record.scopes(), None).into_owned().key;
    let now = session.clock.now();
    let (next, _) = match scopes {
        "" => record.renewed(key, theirs, Some(&by), now),
        _ => record.refreshed(key, theirs, now),
    };
    session.store.put(&session.grant, &next);
    session.provider.accept("their-refresh");
}

/// Makes the provider's next answer a failure; another process changes the record before it.
fn fails_after_a_change(session: &Arc<TestSession>, scopes: &'static str, kind: ErrorKind) {
    let meanwhile = session.clone();
    session.provider.next(move |_| {
        changed_by_another_process(&meanwhile, scopes);
        Err(Error::from_provider(kind, provider_error(kind.reason())))
    });
}

#[tokio::test]
async fn a_token_from_another_process_outweighs_a_failure() {
    for kind in
        [ErrorKind::ProviderUnreachable, ErrorKind::InvalidGrant, ErrorKind::InteractionRequired]
    {
        let session = Arc::new(TestSession::new());
        session.clock.advance(seconds(4000));
        fails_after_a_change(&session, "", kind);
        assert_eq!(session.live().await.as_deref(), Some(r#"{"name":"theirs"}"#));
        assert_eq!((session.provider.calls(), session.record().failing()), (1, None));
    }
}

#[tokio::test]
async fn a_refusal_of_an_old_refresh_token_is_retried_but_an_outage_is_not() {
    for (kind, calls) in [(ErrorKind::InvalidGrant, 2), (ErrorKind::ProviderUnreachable, 1)] {
        let session = Arc::new(TestSession::new());
        fails_after_a_change(&session, "mail.send", kind);
        assert_eq!(session.token("mail.read").await.is_ok(), kind == ErrorKind::InvalidGrant);
        assert_eq!(session.provider.calls(), calls);
    }
}

#[tokio::test]
async fn a_grant_that_others_keep_changing_is_left_alone_after_three_tries() {
    let session = Arc::new(TestSession::new());
    session.clock.advance(seconds(4000));
    for _ in 0..5 {
        fails_after_a_change(&session, "mail.send", ErrorKind::InvalidGrant);
    }
    assert_eq!(session.renewal_failure().await, ErrorKind::RenewalFailed);
    assert_eq!(session.provider.calls(), MOST_TRIES);
    assert!(session.store.is_signed_in(&session.grant));
}

#[tokio::test]
async fn a_failure_also_applies_to_queued_requests() {
    let session = Arc::new(TestSession::gated());
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    let forced = tokio::spawn({
        let session = session.clone();
        async move {
            while session.provider.calls() == 0 {
                tokio::task::yield_now().await;
            }
            // The provider gets an equal request, but this one must not join a flight that the
            // cache may answer.
            session.grants.access_token(&session.grant, &request("mail.read").forced()).await
        }
    });
    let outcome = during_a_flight(&session, async |_| {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    assert!(outcome.await.is_err() && forced.await.unwrap().is_err());
    assert_eq!(session.provider.calls(), 1);
}

#[tokio::test]
async fn a_record_that_was_evicted_during_a_flight_is_written_again() {
    let session = Arc::new(TestSession::gated());
    let token = during_a_flight(&session, async |session| session.store.evict(&session.grant))
        .await
        .unwrap();
    assert!(session.store.has_stored(token.expose()));
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
}

#[tokio::test]
async fn a_store_that_fails_briefly_is_not_noticed() {
    let session = TestSession::new();
    session.store.failing_saves.store(2, SeqCst);
    assert_eq!(session.token("mail.read").await.unwrap().expose(), "access-1");
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
}

#[tokio::test]
async fn a_rotated_refresh_token_survives_a_store_that_is_down() {
    let session = TestSession::new();
    session.store.failing_saves.store(10, SeqCst);
    assert_eq!(
        session.token("mail.read").await.unwrap_err().kind(),
        ErrorKind::StoreUnavailable,
        "nobody sees what is not stored"
    );
    assert_eq!(session.token("mail.send").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!(session.provider.calls(), 1, "nothing is refreshed that could not be kept");
    assert_eq!(
        session.token("api.read").await.unwrap().expose(),
        "access-0",
        "what needs no refresh is served"
    );
    session.settled().await;
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
    assert_eq!(session.token("mail.read").await.unwrap().expose(), "access-1");
    assert_eq!((session.provider.calls(), session.provider.reused.load(SeqCst)), (1, false));
    let waits: Vec<_> = session.tasks.0.lock().unwrap().iter().map(Duration::as_millis).collect();
    assert_eq!(waits.first_chunk(), Some(&[50, 200, 500, 1000, 2000]));
}

/// Otherwise another process would send the old refresh token as soon as the store is back.
#[tokio::test]
async fn a_lock_that_has_ended_is_taken_again_as_long_as_a_record_is_not_stored() {
    let lock = Arc::new(FakeLock::default());
    let session = TestSession::with(|_| {}, Some(lock.clone()), SessionEnd::OwnLimits);
    session.store.failing_saves.store(10, SeqCst);
    assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    lock.lapse();
    while lock.is_free() && session.grants.is_busy() {
        tokio::task::yield_now().await;
    }
    assert!(!lock.is_free() && session.store.failing_saves.load(SeqCst) > 0, "the store is down");
    session.settled().await;
    assert!(lock.is_free());
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
}

#[tokio::test]
async fn an_unsaved_record_is_dropped_after_a_sign_out() {
    let session = TestSession::new();
    session.store.failing_saves.store(6, SeqCst);
    assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    session.store.sign_out(&session.grant).await;
    session.settled().await;
    assert!(session.store.record(&session.grant).is_none());
}

#[tokio::test]
async fn an_unsaved_record_yields_to_a_newer_one() {
    let session = TestSession::new();
    session.store.failing_saves.store(4, SeqCst);
    assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    let newer = session.record().rotated("a".into()).rotated("theirs".into());
    session.store.put(&session.grant, &newer);
    session.settled().await;
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("theirs"));
}

#[tokio::test]
async fn a_failed_renewal_that_cannot_be_stored_is_not_repeated_at_once() {
    let session = TestSession::new();
    session.clock.advance(seconds(4000));
    session.store.failing_saves.store(usize::MAX, SeqCst);
    for _ in 0..10 {
        session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
        assert!(session.grants.renew(&session.grant).await.is_err());
    }
    assert_eq!(session.provider.calls(), 1);
}

#[tokio::test]
async fn an_unreadable_store_fails_without_a_request() {
    let session = TestSession::new();
    session.store.failing_loads.store(2, SeqCst);
    assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!(session.renewal_failure().await, ErrorKind::StoreUnavailable);
    assert_eq!(session.provider.calls(), 0);
}

// C-143: access_token missing or not a string
#[tokio::test]
async fn the_refresh_token_of_an_answer_without_an_access_token_is_stored() {
    let session = TestSession::new();
    session.provider.next(|mut answer| {
        answer.issued.access_token = None;
        Ok(answer)
    });
    assert_eq!(
        session.token("mail.read").await.unwrap_err().kind(),
        ErrorKind::TokenResponseInvalid
    );
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
}
