//! Requests that fail: what is served meanwhile, and how long the provider is left alone.

use super::{test_support::*, tests::*};
use crate::{
    error::{ErrorKind, ProviderError},
    secret::Secret,
};

#[tokio::test]
async fn a_valid_token_is_served_when_the_provider_fails_for_a_passing_reason_only() {
    let session = TestSession::new();
    session.clock.advance(seconds(3400));
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(session.token("api.read").await.unwrap().expose(), "access-0");
    assert_eq!(
        session.token("api.read").await.unwrap().expose(),
        "access-0",
        "also from the throttle"
    );
    assert_eq!(session.provider.calls(), 1);
    for kind in [ErrorKind::AccessDenied, ErrorKind::InteractionRequired] {
        session.clock.advance(seconds(10));
        session.provider.next_fails(kind, provider_error(kind.reason()));
        assert_eq!(failure(&session, "api.read").await, kind);
    }
    session.clock.advance(seconds(200));
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(
        failure(&session, "api.read").await,
        ErrorKind::ProviderUnreachable,
        "it has expired by now"
    );
}

// C-239: no refresh token in the session
#[tokio::test]
async fn without_a_refresh_token_no_request_is_sent() {
    for none in [None, Some(Secret::from(""))] {
        let session = TestSession::new();
        session.sign_in(&session.grant, |issued| {
            issued.refresh_token = none;
            issued.refresh_in = Some(seconds(0));
        });
        assert_eq!(failure(&session, "mail.read").await, ErrorKind::NoRefreshToken);
        assert!(
            session.token("api.read").await.is_ok() && !session.grants.is_busy(),
            "nothing is tried in vain"
        );
        session.clock.advance(seconds(3500));
        assert_eq!(
            session.token("api.read").await.unwrap().expose(),
            "access-0",
            "it is valid, and there will be no other"
        );
        session.clock.advance(seconds(100));
        assert_eq!(failure(&session, "api.read").await, ErrorKind::NoRefreshToken);
        assert_eq!(session.provider.calls(), 0);
    }
}

#[tokio::test]
async fn a_lost_grant_differs_from_an_ended_session() {
    let session = TestSession::new();
    session.store.evict(&session.grant);
    assert_eq!(failure(&session, "api.read").await, ErrorKind::NoRefreshToken);
    session.store.sign_out(&session.grant).await;
    assert_eq!(failure(&session, "api.read").await, ErrorKind::SessionEnded);
}

// Refusals and pauses.

// MSAL-068: Refresh fails with `invalid_grant`; later silent call
// MSAL-129: 400 (invalid_grant / interaction_required), no Retry-After; identical request within 60
//   s
#[tokio::test]
async fn a_refused_scope_keeps_the_session_and_is_not_requested_for_a_minute() {
    for kind in [ErrorKind::InvalidGrant, ErrorKind::InteractionRequired] {
        let session = TestSession::new();
        session.provider.next_fails(kind, provider_error(kind.reason()));
        for _ in 0..3 {
            assert_eq!(failure(&session, "mail.read").await, kind);
        }
        assert_eq!(session.provider.calls(), 1);
        assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-0-1"));
        assert!(session.store.is_signed_in(&session.grant));
        // Other scopes or claims make another request; `forced` does not.
        let forced = request("mail.read").forced();
        assert_eq!(
            session.grants.access_token(&session.grant, &forced).await.unwrap_err().kind(),
            kind
        );
        assert!(session.token("mail.send").await.is_ok());
        let challenged = request("mail.read").with_challenge("{}");
        assert!(session.grants.access_token(&session.grant, &challenged).await.is_ok());
        assert_eq!(session.provider.calls(), 3);
    }
    let session = TestSession::new();
    session.provider.next_fails(ErrorKind::InvalidGrant, provider_error("invalid_grant"));
    assert_eq!(failure(&session, "mail.read").await, ErrorKind::InvalidGrant);
    session.clock.advance(seconds(59));
    assert_eq!(failure(&session, "mail.read").await, ErrorKind::InvalidGrant);
    session.clock.advance(seconds(1));
    assert!(session.token("mail.read").await.is_ok());
}

// MSAL-126: IdP answers 400 `Retry-After: 1`; same request within 1 s
// MSAL-130: Retry-After absent on 429/5xx, or huge
#[tokio::test]
async fn the_pause_is_retry_after_or_five_seconds_and_at_most_an_hour() {
    for (asked, pause) in [(None, 5), (Some(1), 1), (Some(100_000), 3600)] {
        let session = TestSession::new();
        let refusal = ProviderError {
            status: Some(429),
            retry_after: asked.map(seconds),
            ..ProviderError::default()
        };
        session.provider.next_fails(ErrorKind::ProviderUnreachable, refusal);
        assert_eq!(failure(&session, "mail.read").await, ErrorKind::ProviderUnreachable);
        session.clock.advance(seconds(pause - 1));
        assert_eq!(failure(&session, "mail.read").await, ErrorKind::ProviderUnreachable);
        assert_eq!(session.provider.calls(), 1);
        session.clock.advance(seconds(1));
        assert!(session.token("mail.read").await.is_ok(), "{asked:?}");
    }
}

// MSAL-126: IdP answers 400 `Retry-After: 1`; same request within 1 s
// MSAL-130: Retry-After absent on 429/5xx, or huge
/// The pause grows with each failure in a row, until the provider answers again.
#[tokio::test]
async fn the_pause_grows_with_every_failure_in_a_row_up_to_a_minute() {
    for (asked, pauses) in
        [(None, [5, 10, 20, 40, 60, 60]), (Some(15), [15, 15, 20, 40, 60, 60]), (Some(90), [90; 6])]
    {
        let session = TestSession::new();
        for round in 1..=2 {
            for (failures, pause) in pauses.into_iter().enumerate() {
                let refusal = ProviderError {
                    status: Some(503),
                    retry_after: asked.map(seconds),
                    ..ProviderError::default()
                };
                session.provider.next_fails(ErrorKind::ProviderUnreachable, refusal);
                assert_eq!(failure(&session, "mail.read").await, ErrorKind::ProviderUnreachable);
                let calls = session.provider.calls();
                session.clock.advance(seconds(pause - 1));
                assert_eq!(failure(&session, "mail.read").await, ErrorKind::ProviderUnreachable);
                assert_eq!(session.provider.calls(), calls, "{asked:?}, {failures} before");
                session.clock.advance(seconds(1));
            }
            let forced = request("mail.read").forced();
            assert!(session.grants.access_token(&session.grant, &forced).await.is_ok(), "{round}");
            session.clock.advance(seconds(3600));
        }
    }
}

// MSAL-129: 400 (invalid_grant / interaction_required), no Retry-After; identical request within 60
//   s
/// A refusal is cached for a minute, however often it is repeated.
#[tokio::test]
async fn the_pause_after_a_refusal_does_not_grow() {
    let session = TestSession::new();
    for call in 1..=4 {
        session.provider.next_fails(ErrorKind::InvalidGrant, provider_error("invalid_grant"));
        assert_eq!(failure(&session, "mail.read").await, ErrorKind::InvalidGrant);
        session.clock.advance(seconds(59));
        assert_eq!(failure(&session, "mail.read").await, ErrorKind::InvalidGrant);
        assert_eq!(session.provider.calls(), call);
        session.clock.advance(seconds(1));
    }
}

// C-444: clock jumps back 10 min
#[tokio::test]
async fn a_clock_that_was_set_back_prolongs_no_pause() {
    let session = TestSession::new();
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(failure(&session, "mail.read").await, ErrorKind::ProviderUnreachable);
    session.clock.set(START + seconds(0) - seconds(600));
    assert!(session.token("mail.read").await.is_ok());
    assert!(session.token("api.read").await.is_ok());
    assert_eq!(session.live().await, None);
}
