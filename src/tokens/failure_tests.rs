//! Requests that fail: what is served meanwhile, and how long the provider is left alone.

use super::{test_support::*, tests::*};
use crate::{
    error::{ErrorKind, ProviderError},
    secret::Secret,
};

#[tokio::test]
async fn a_valid_token_is_served_when_the_provider_fails_for_a_passing_reason_only() {
    let world = World::new();
    world.clock.advance(seconds(3400));
    world.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(world.token("api.read").await.unwrap().expose(), "access-0");
    assert_eq!(
        world.token("api.read").await.unwrap().expose(),
        "access-0",
        "also from the throttle"
    );
    assert_eq!(world.provider.calls(), 1);
    for kind in [ErrorKind::AccessDenied, ErrorKind::InteractionRequired] {
        world.clock.advance(seconds(10));
        world.provider.next_fails(kind, provider_error(kind.reason()));
        assert_eq!(failure(&world, "api.read").await, kind);
    }
    world.clock.advance(seconds(200));
    world.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(
        failure(&world, "api.read").await,
        ErrorKind::ProviderUnreachable,
        "it has expired by now"
    );
}

// C-239: no refresh token in the session
#[tokio::test]
async fn without_a_refresh_token_no_request_is_sent() {
    for none in [None, Some(Secret::from(""))] {
        let world = World::new();
        world.sign_in(&world.grant, |issued| {
            issued.refresh_token = none;
            issued.refresh_in = Some(seconds(0));
        });
        assert_eq!(failure(&world, "mail.read").await, ErrorKind::NoRefreshToken);
        assert!(
            world.token("api.read").await.is_ok() && !world.grants.is_busy(),
            "nothing is tried in vain"
        );
        world.clock.advance(seconds(3500));
        assert_eq!(
            world.token("api.read").await.unwrap().expose(),
            "access-0",
            "it is valid, and there will be no other"
        );
        world.clock.advance(seconds(100));
        assert_eq!(failure(&world, "api.read").await, ErrorKind::NoRefreshToken);
        assert_eq!(world.provider.calls(), 0);
    }
}

#[tokio::test]
async fn a_lost_grant_differs_from_an_ended_session() {
    let world = World::new();
    world.store.evict(&world.grant);
    assert_eq!(failure(&world, "api.read").await, ErrorKind::NoRefreshToken);
    world.store.sign_out(&world.grant).await;
    assert_eq!(failure(&world, "api.read").await, ErrorKind::SessionEnded);
}

// Refusals and pauses.

// MSAL-068: Refresh fails with `invalid_grant`; later silent call
// MSAL-129: 400 (invalid_grant / interaction_required), no Retry-After; identical request within 60
//   s
#[tokio::test]
async fn a_refused_scope_keeps_the_session_and_is_not_requested_for_a_minute() {
    for kind in [ErrorKind::InvalidGrant, ErrorKind::InteractionRequired] {
        let world = World::new();
        world.provider.next_fails(kind, provider_error(kind.reason()));
        for _ in 0..3 {
            assert_eq!(failure(&world, "mail.read").await, kind);
        }
        assert_eq!(world.provider.calls(), 1);
        assert_eq!(world.record().refresh_token().map(Secret::expose), Some("refresh-0-1"));
        assert!(world.store.is_signed_in(&world.grant));
        // Other scopes or claims make another request; `forced` does not.
        let forced = request("mail.read").forced();
        assert_eq!(
            world.grants.access_token(&world.grant, &forced).await.unwrap_err().kind(),
            kind
        );
        assert!(world.token("mail.send").await.is_ok());
        let challenged = request("mail.read").with_challenge("{}");
        assert!(world.grants.access_token(&world.grant, &challenged).await.is_ok());
        assert_eq!(world.provider.calls(), 3);
    }
    let world = World::new();
    world.provider.next_fails(ErrorKind::InvalidGrant, provider_error("invalid_grant"));
    assert_eq!(failure(&world, "mail.read").await, ErrorKind::InvalidGrant);
    world.clock.advance(seconds(59));
    assert_eq!(failure(&world, "mail.read").await, ErrorKind::InvalidGrant);
    world.clock.advance(seconds(1));
    assert!(world.token("mail.read").await.is_ok());
}

// MSAL-126: IdP answers 400 `Retry-After: 1`; same request within 1 s
// MSAL-130: Retry-After absent on 429/5xx, or huge
#[tokio::test]
async fn the_pause_is_retry_after_or_five_seconds_and_at_most_an_hour() {
    for (asked, pause) in [(None, 5), (Some(1), 1), (Some(100_000), 3600)] {
        let world = World::new();
        let refusal = ProviderError {
            status: Some(429),
            retry_after: asked.map(seconds),
            ..ProviderError::default()
        };
        world.provider.next_fails(ErrorKind::ProviderUnreachable, refusal);
        assert_eq!(failure(&world, "mail.read").await, ErrorKind::ProviderUnreachable);
        world.clock.advance(seconds(pause - 1));
        assert_eq!(failure(&world, "mail.read").await, ErrorKind::ProviderUnreachable);
        assert_eq!(world.provider.calls(), 1);
        world.clock.advance(seconds(1));
        assert!(world.token("mail.read").await.is_ok(), "{asked:?}");
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
        let world = World::new();
        for round in 1..=2 {
            for (failures, pause) in pauses.into_iter().enumerate() {
                let refusal = ProviderError {
                    status: Some(503),
                    retry_after: asked.map(seconds),
                    ..ProviderError::default()
                };
                world.provider.next_fails(ErrorKind::ProviderUnreachable, refusal);
                assert_eq!(failure(&world, "mail.read").await, ErrorKind::ProviderUnreachable);
                let calls = world.provider.calls();
                world.clock.advance(seconds(pause - 1));
                assert_eq!(failure(&world, "mail.read").await, ErrorKind::ProviderUnreachable);
                assert_eq!(world.provider.calls(), calls, "{asked:?}, {failures} before");
                world.clock.advance(seconds(1));
            }
            let forced = request("mail.read").forced();
            assert!(world.grants.access_token(&world.grant, &forced).await.is_ok(), "{round}");
            world.clock.advance(seconds(3600));
        }
    }
}

// MSAL-129: 400 (invalid_grant / interaction_required), no Retry-After; identical request within 60
//   s
/// A refusal is cached for a minute, however often it is repeated.
#[tokio::test]
async fn the_pause_after_a_refusal_does_not_grow() {
    let world = World::new();
    for call in 1..=4 {
        world.provider.next_fails(ErrorKind::InvalidGrant, provider_error("invalid_grant"));
        assert_eq!(failure(&world, "mail.read").await, ErrorKind::InvalidGrant);
        world.clock.advance(seconds(59));
        assert_eq!(failure(&world, "mail.read").await, ErrorKind::InvalidGrant);
        assert_eq!(world.provider.calls(), call);
        world.clock.advance(seconds(1));
    }
}

// C-444: clock jumps back 10 min
#[tokio::test]
async fn a_clock_that_was_set_back_prolongs_no_pause() {
    let world = World::new();
    world.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    assert_eq!(failure(&world, "mail.read").await, ErrorKind::ProviderUnreachable);
    world.clock.set(START + seconds(0) - seconds(600));
    assert!(world.token("mail.read").await.is_ok());
    assert!(world.token("api.read").await.is_ok());
    assert_eq!(world.live().await, None);
}
