//! The decision on a token: from the cache, refreshed in the background, or waited for.

use super::super::{test_support::*, *};
use super::*;
use crate::{clock::Clock, error::ProviderError, protocol::ClaimsOfPerson, secret::Secret};

fn name(call: usize) -> Option<String> {
    Some(format!(r#"{{"name":"id-{call}"}}"#))
}

async fn failure(session: &TestSession) -> ErrorKind {
    session.renewal_failure().await
}

/// The kind of the error that ended the session.
async fn end(session: &TestSession) -> ErrorKind {
    match session.grants.renew(&session.grant).await {
        Err(RefreshError::SessionMustEnd(error)) => error.kind(),
        _ => panic!("the session goes on"),
    }
}

fn unreachable(retry_after: Option<u64>) -> ProviderError {
    ProviderError {
        status: Some(503),
        retry_after: retry_after.map(seconds),
        ..ProviderError::default()
    }
}

/// Rauthy revokes the grant of a refresh token that comes earlier.
#[tokio::test]
async fn a_refresh_token_is_sent_from_the_time_that_it_names() {
    let usable_from = |time: i64| {
        let claims = format!(r#"{{"nbf":{}}}"#, START.as_seconds() + time);
        Some(format!("h.{}.s", crate::secret::base64url(claims.as_bytes())).into())
    };
    // A later time than the end of the access token, which lives for an hour, is not waited for.
    for (nbf, calls) in [(600, 0), (3599, 0), (3600, 1), (0, 1)] {
        let session = TestSession::new();
        session.sign_in(&session.grant, |issued| {
            issued.refresh_token = usable_from(nbf);
            issued.refresh_in = Some(seconds(0));
        });
        session.token("openid api.read").await.unwrap();
        session.settled().await;
        assert_eq!(session.provider.calls(), calls, "{nbf}");
    }
    // The ID token ends before the access token.
    let session = TestSession::new();
    session.sign_in(&session.grant, |issued| {
        issued.refresh_token = usable_from(7000);
        issued.expires_in = Some(seconds(7200));
    });
    for (time, calls) in [(3700, 0), (3299, 0), (1, 1)] {
        session.clock.advance(seconds(time));
        session.live().await;
        session.settled().await;
        assert_eq!(session.provider.calls(), calls, "{time}");
    }
}

/// Nor for another token: the provider would end the grant, and a sign-in brings the token.
#[tokio::test]
async fn a_request_that_no_token_answers_does_not_send_the_refresh_token_before_its_time() {
    let session = TestSession::new();
    let nbf = format!(r#"{{"nbf":{}}}"#, START.as_seconds() + 3000);
    session.sign_in(&session.grant, |issued| {
        issued.refresh_token =
            Some(format!("h.{}.s", crate::secret::base64url(nbf.as_bytes())).into());
    });
    let requests = [
        request("mail.read"),
        request("openid api.read").forced(),
        request("openid api.read").with_challenge("{}"),
    ];
    for request in &requests {
        let refused = session.grants.access_token(&session.grant, request).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InteractionRequired);
        assert!(refused.to_string().contains("`nbf`"), "{refused}");
    }
    assert_eq!(session.provider.calls(), 0);
    assert!(session.store.is_signed_in(&session.grant));
    session.clock.advance(seconds(3000));
    for request in &requests {
        session.grants.access_token(&session.grant, request).await.unwrap();
    }
    assert_eq!(session.provider.calls(), 3);
}

/// What is redeemed at once, such as the assertion of on-behalf-of, begins for nobody but its own
/// audience: the clock of its issuer may be ahead.
#[tokio::test]
async fn an_assertion_is_sent_before_its_beginning() {
    let session = TestSession::new();
    session.provider.at_once.store(true, std::sync::atomic::Ordering::SeqCst);
    let nbf = format!(r#"{{"nbf":{}}}"#, START.as_seconds() + 5);
    session.sign_in(&session.grant, |issued| {
        issued.refresh_token =
            Some(format!("h.{}.s", crate::secret::base64url(nbf.as_bytes())).into());
    });
    session.grants.access_token(&session.grant, &request("mail.read")).await.unwrap();
    assert_eq!(session.provider.calls(), 1);
}

// MSAL-087: ID token older than its lifetime + 210 s; page load
#[tokio::test]
async fn claims_are_renewed_in_the_background_for_210_seconds_and_waited_for_later() {
    for (age, renewed_at_once) in [(0, false), (210, false), (211, true), (100_000, true)] {
        let session = TestSession::new();
        session.clock.advance(seconds(3599));
        assert_eq!((session.live().await, session.provider.calls()), (None, 0));
        session.clock.advance(seconds(1 + age));
        assert_eq!(session.live().await, if renewed_at_once { name(1) } else { None }, "{age}");
        session.settled().await;
        assert_eq!((session.live().await, session.provider.calls()), (name(1), 1), "{age}");
        assert!(session.provider.last_request().is_renewal);
        assert_eq!(session.provider.last_request().scopes().as_str(), "api.read openid");
        assert_eq!(session.record().renew_at(), Some(session.clock.now() + seconds(3600)));
        assert_eq!(session.record().id_token().map(Secret::expose), Some("id-1"));
        assert_eq!(
            session.token("api.read").await.unwrap().expose(),
            "access-1",
            "its access token is of use too"
        );
    }
}

#[tokio::test]
async fn claims_are_replaced_whole() {
    let session = TestSession::new();
    session.clock.advance(seconds(4000));
    session.provider.next(|mut answer| {
        let claims = serde_json::value::RawValue::from_string(r#"{"roles":[]}"#.into()).unwrap();
        let claims = ClaimsOfPerson::of_id_token(claims);
        answer.identity =
            Some(Ok(VerifiedClaims { claims, ..identity(ada(), "id", START + seconds(9000)) }));
        Ok(answer)
    });
    assert_eq!(session.live().await.as_deref(), Some(r#"{"roles":[]}"#));
}

// C-237: no ID token in the refresh answer
#[tokio::test]
async fn without_an_id_token_the_claims_stay_and_the_next_renewal_is_a_token_life_away() {
    for (expires_in, next) in [(Some(1800), 1800), (Some(10), 300), (None, 3600)] {
        let session = TestSession::new();
        session.clock.advance(seconds(4000));
        session.provider.next(move |mut answer| {
            answer.issued.expires_in = expires_in.map(seconds);
            answer.identity = None;
            Ok(answer)
        });
        assert_eq!(session.live().await, None);
        assert_eq!(session.record().renew_at(), Some(session.clock.now() + seconds(next)));
        assert_eq!((session.live().await, session.provider.calls()), (None, 1));
    }
}

#[tokio::test]
async fn an_id_token_of_a_minute_is_not_renewed_every_minute() {
    let session = TestSession::new();
    session.clock.advance(seconds(4000));
    let expires_at = session.clock.now() + seconds(60);
    session.provider.next(move |mut answer| {
        answer.identity = Some(Ok(identity(ada(), "short", expires_at)));
        Ok(answer)
    });
    session.live().await;
    assert_eq!(session.record().renew_at(), Some(session.clock.now() + seconds(300)));
}

// C-234: refresh ID token with other aud
// C-238: refresh ID token unsigned or badly signed
#[tokio::test]
async fn an_answer_with_a_refused_id_token_leaves_only_its_refresh_token() {
    for kind in [
        ErrorKind::TokenAudience,
        ErrorKind::TokenAlgorithm,
        ErrorKind::TokenSignature,
        ErrorKind::ProviderUnreachable,
    ] {
        let session = TestSession::new();
        session.clock.advance(seconds(4000));
        for _ in 0..2 {
            session.provider.next(move |mut answer| {
                answer.identity = Some(Err(Error::new(kind, "refused")));
                Ok(answer)
            });
        }
        assert_eq!(session.live().await, None, "as after any failure, the old claims for a while");
        assert_eq!(session.token("mail.read").await.unwrap_err().kind(), kind);
        let record = session.record();
        assert_eq!(
            (record.refresh_token().map(Secret::expose), record.tokens().len()),
            (Some("refresh-2"), 1)
        );
        assert!(
            !session.store.has_stored("access-1")
                && !session.store.has_stored("access-2")
                && !session.store.has_stored("id-1")
        );
        session.clock.advance(seconds(600));
        assert_eq!(session.live().await, name(3));
    }
}

#[tokio::test]
async fn a_renewal_about_another_person_ends_the_session() {
    let session = TestSession::new();
    session.clock.advance(seconds(3600));
    session.provider.next(|mut answer| {
        answer.identity =
            Some(Ok(identity(Person { sub: "eve".into(), ..ada() }, "eve", START + seconds(9000))));
        Ok(answer)
    });
    assert_eq!(session.live().await, None);
    session.settled().await;
    assert!(!session.store.is_signed_in(&session.grant), "also when nobody waits for it");
    assert_eq!(end(&session).await, ErrorKind::SessionEnded);
}

// MSAL-059: Refresh answers suberror in {bad_token, token_expired, protection_policy_required,
//   client_mismatch, device_authentication_failed}; silent call with error
#[tokio::test]
async fn a_refused_renewal_ends_the_session() {
    for suberror in [
        None,
        Some("bad_token"),
        Some("token_expired"),
        Some("protection_policy_required"),
        Some("client_mismatch"),
        Some("device_authentication_failed"),
    ] {
        let session = TestSession::new();
        session.clock.advance(seconds(4000));
        let refusal =
            ProviderError { suberror: suberror.map(Into::into), ..provider_error("invalid_grant") };
        session.provider.next_fails(ErrorKind::InvalidGrant, refusal);
        assert_eq!(end(&session).await, ErrorKind::InvalidGrant, "{suberror:?}");
        assert!(
            !session.store.is_signed_in(&session.grant)
                && session.store.record(&session.grant).is_none()
        );
    }
}

#[tokio::test]
async fn a_tenant_that_is_not_allowed_any_more_is_out_at_the_next_renewal() {
    let session = TestSession::new();
    session.clock.advance(seconds(4000));
    session.provider.next(|mut answer| {
        answer.identity = Some(Err(Error::new(ErrorKind::TenantNotAllowed, "")));
        Ok(answer)
    });
    assert_eq!(end(&session).await, ErrorKind::TenantNotAllowed);
    assert!(!session.store.is_signed_in(&session.grant));
}

// MSAL-058: Refresh answers `suberror=basic_action`; silent call with error
#[tokio::test]
async fn a_renewal_that_needs_the_person_keeps_the_session_and_asks_once_a_minute() {
    let session = TestSession::new();
    session.clock.advance(seconds(4000));
    session.provider.next_fails(ErrorKind::InteractionRequired, provider_error("invalid_grant"));
    for _ in 0..3 {
        assert_eq!(failure(&session).await, ErrorKind::InteractionRequired);
    }
    assert!(session.store.is_signed_in(&session.grant));
    assert_eq!(session.provider.calls(), 1);
    session.clock.advance(seconds(60));
    assert_eq!(session.live().await, name(2));
}

#[tokio::test]
async fn passing_faults_back_off_for_an_hour_and_then_the_session_pauses() {
    let session = TestSession::new();
    session.clock.advance(seconds(3600 + 500));
    let mut tried_at = Vec::new();
    for minute in 0..=75 {
        let before = session.provider.calls();
        session.provider.next_fails(ErrorKind::ProviderUnreachable, unreachable(None));
        let outcome = session.grants.renew(&session.grant).await;
        session.settled().await;
        if session.provider.calls() > before {
            tried_at.push(minute);
        }
        match outcome {
            Ok(_) => assert!(minute < 60),
            Err(RefreshError::Failed(error)) => {
                assert!(minute >= 60 && error.kind() == ErrorKind::RenewalFailed)
            }
            Err(RefreshError::SessionMustEnd(error)) => panic!("{error}"),
        }
        session.clock.advance(seconds(60));
    }
    assert_eq!(tried_at, [0, 5, 15, 35, 60, 65, 70, 75]);
    assert!(session.store.is_signed_in(&session.grant));
}

#[tokio::test]
async fn the_session_continues_when_the_provider_is_back() {
    let session = TestSession::new();
    session.clock.advance(seconds(4000));
    session.provider.next_fails(ErrorKind::ClientRefused, provider_error("invalid_client"));
    assert_eq!(session.live().await, None);
    session.clock.advance(seconds(2 * 3600));
    session.provider.next_fails(ErrorKind::ProviderUnreachable, unreachable(None));
    assert_eq!(failure(&session).await, ErrorKind::RenewalFailed);
    session.clock.advance(seconds(300));
    assert_eq!(session.live().await, name(3));
    assert_eq!(session.record().failing(), None);
}

#[tokio::test]
async fn retry_after_is_respected_up_to_an_hour() {
    for (asked, wait) in [(1, 300), (1200, 1200), (100_000, 3600)] {
        let session = TestSession::new();
        session.clock.advance(seconds(4000));
        session.provider.next_fails(ErrorKind::ProviderUnreachable, unreachable(Some(asked)));
        assert_eq!(session.live().await, None);
        assert_eq!(session.record().renew_at(), Some(session.clock.now() + seconds(wait)));
    }
}

#[tokio::test]
async fn without_a_refresh_token_the_session_has_its_own_limits_or_ends() {
    for session_end in [SessionEnd::OwnLimits, SessionEnd::IdTokenExpiry] {
        let session = TestSession::with(|_| {}, None, session_end);
        session.sign_in(&session.grant, |issued| issued.refresh_token = None);
        session.clock.advance(seconds(3599));
        assert_eq!(session.live().await, None);
        session.clock.advance(seconds(1));
        match session.grants.renew(&session.grant).await {
            Ok(renewed) => {
                assert_eq!((renewed.renew_at(), session_end), (None, SessionEnd::OwnLimits))
            }
            Err(RefreshError::Failed(error)) => panic!("{error}"),
            Err(error) => {
                assert_eq!(
                    (error.into_error().kind(), session_end),
                    (ErrorKind::SessionEnded, SessionEnd::IdTokenExpiry)
                );
                assert!(!session.store.is_signed_in(&session.grant));
            }
        }
        assert_eq!(session.provider.calls(), 0);
    }
}

#[tokio::test]
async fn a_live_session_with_a_lost_grant_has_its_own_error() {
    let session = TestSession::new();
    session.store.evict(&session.grant);
    assert_eq!(failure(&session).await, ErrorKind::NoRefreshToken);
}

// C-444: clock jumps back 10 min
#[test]
fn a_record_from_the_future_breaks_nothing() {
    let clock = crate::clock::ManualClock::at(START);
    let (store, provider) = (FakeStore::default(), FakeProvider::new(clock));
    sign_in(&store, &provider, &grant(1), START, |_| {});
    let record = store.record(&grant(1)).unwrap();
    let (failing, renew_at) =
        after_failure(&record, &Error::new(ErrorKind::ProviderUnreachable, ""), START);
    let record = record.failed(failing, renew_at);
    let earlier = START - seconds(600);
    assert_eq!(renewal_step(&record, SessionEnd::OwnLimits, earlier), RenewalStep::Live);
    let (_, renew_at) =
        after_failure(&record, &Error::new(ErrorKind::ProviderUnreachable, ""), earlier);
    assert!(renew_at > earlier);
}
