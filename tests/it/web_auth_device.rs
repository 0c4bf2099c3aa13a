//! `WebAuth` with a device code, and the pauses that a provider asks for.

use std::time::Duration;

use tower_identity::{
    Clock, ErrorKind, ManualClock, SignInOptions, UnixTime, WebAuth, WebSession,
    config::SignInMethod,
    dev::{Endpoint, Failure},
};

use crate::web_auth::{HOME, Site, stored};

// C-352: authorization_pending
// C-353: slow_down once
/// Sign-in without a redirect URI, as in the Python package `identity`.
#[tokio::test]
async fn a_person_signs_in_by_device_code() {
    let site = Site::with(
        |provider| provider,
        |config| config.with_sign_in_method(SignInMethod::DeviceCode),
    )
    .await;
    let mut session = WebSession::new();
    assert_eq!(
        site.auth.complete_device_sign_in(&mut session).await.unwrap_err().kind(),
        ErrorKind::AttemptMissing
    );
    let begun = site.auth.sign_in(&mut session, "/orders", &SignInOptions::new()).await.unwrap();
    let code = begun.code.clone().unwrap();
    assert!(begun.url.starts_with(site.provider.issuer()), "{}", begun.url);
    assert!(!format!("{begun:?} {code:?}").contains(&code.text));
    let mut session = stored(&session);
    let before = site.provider.requests(Endpoint::Token);
    for _ in 0..5 {
        assert!(
            site.auth.complete_device_sign_in(&mut session).await.unwrap().is_none(),
            "too soon"
        );
    }
    assert_eq!(site.provider.requests(Endpoint::Token), before);
    site.clock.advance(code.interval);
    assert!(site.auth.complete_device_sign_in(&mut session).await.unwrap().is_none());
    assert_eq!(site.provider.requests(Endpoint::Token), before + 1);
    site.provider.answer_device(&code.text, Some("ada")).unwrap();
    site.clock.advance(code.interval);
    let mut elsewhere = stored(&session);
    assert!(
        site.auth.complete_device_sign_in(&mut WebSession::new()).await.is_err(),
        "in no other browser"
    );
    let done = site.auth.complete_device_sign_in(&mut session).await.unwrap().unwrap();
    assert_eq!(
        (done.user.subject(), done.next.as_str()),
        (site.provider.person("ada").unwrap().subject(), "/orders")
    );
    assert!(
        site.auth.complete_device_sign_in(&mut elsewhere).await.unwrap().is_some(),
        "another tab, with the value as it was"
    );
    assert_eq!(site.provider.requests(Endpoint::Token), before + 2, "a code is redeemed once");
    assert!(site.who(&mut session).await.is_some());
    assert!(site.auth.for_user(&mut session, [""; 0]).await.is_ok());
}

/// A clock in the middle of a second.
#[derive(Clone, Debug)]
struct HalfPast(ManualClock);

impl Clock for HalfPast {
    fn now(&self) -> UnixTime {
        self.0.now()
    }

    fn now_rounded_up(&self) -> UnixTime {
        self.0.now() + Duration::from_secs(1)
    }
}

// C-353: slow_down once
/// Half a second of an interval of five is over when the clock counts the fifth second.
#[tokio::test]
async fn a_device_code_is_not_polled_before_its_interval_is_over() {
    let site = Site::start().await;
    let config = site.provider.config(HOME).unwrap();
    let config = config.with_sign_in_method(SignInMethod::DeviceCode).build().unwrap();
    let clock = HalfPast(site.clock.clone());
    let auth = WebAuth::builder(config).with_clock(clock).build().unwrap();
    let mut session = WebSession::new();
    let code = auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap().code.unwrap();
    for polls in 1..=3 {
        site.clock.advance(code.interval);
        assert!(auth.complete_device_sign_in(&mut session).await.unwrap().is_none());
        assert_eq!(site.provider.requests(Endpoint::Token), polls - 1, "too early");
        site.turn(1);
        assert!(auth.complete_device_sign_in(&mut session).await.unwrap().is_none());
        assert_eq!(site.provider.requests(Endpoint::Token), polls);
    }
}

// MSAL-126: IdP answers 400 `Retry-After: 1`; same request within 1 s
#[tokio::test]
async fn a_pause_that_the_provider_asks_for_is_not_cut_short() {
    let site = Site::start().await;
    let config = site.provider.config(HOME).unwrap().with_scopes(["offline_access"]);
    let clock = HalfPast(site.clock.clone());
    let auth = WebAuth::builder(config.build().unwrap()).with_clock(clock).build().unwrap();
    let mut session = site.signed_in().await;
    let busy = Failure::RetryAfter { status: 429, pause: Duration::from_secs(2) };
    site.provider.fail_next(Endpoint::Token, 1, busy);
    let before = site.provider.requests(Endpoint::Token);
    for (seconds, requests) in [(0, 1), (2, 1), (1, 2)] {
        site.turn(seconds);
        // Without a pause the provider would say that there is no consent to this scope.
        assert!(auth.for_user(&mut session, ["mail.read"]).await.is_err());
        assert_eq!(site.provider.requests(Endpoint::Token), before + requests);
    }
}

// C-356: expired_token, or local expires_in reached
#[tokio::test]
async fn a_device_code_that_is_declined_or_over_leads_nowhere() {
    let site = Site::with(
        |provider| provider,
        |config| config.with_sign_in_method(SignInMethod::DeviceCode),
    )
    .await;
    let mut session = WebSession::new();
    let code =
        site.auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap().code.unwrap();
    site.provider.answer_device(&code.text, None).unwrap();
    site.clock.advance(code.interval);
    assert_eq!(
        site.auth.complete_device_sign_in(&mut session).await.unwrap_err().kind(),
        ErrorKind::AccessDenied
    );
    assert!(session.is_empty(), "there is nothing to go on with");
    let code =
        site.auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap().code.unwrap();
    site.clock.set(code.expires_at);
    let before = site.provider.requests(Endpoint::Token);
    let ended = site.auth.complete_device_sign_in(&mut session).await.unwrap_err();
    assert_eq!(
        (ended.kind(), site.provider.requests(Endpoint::Token)),
        (ErrorKind::CodeExpired, before)
    );
    assert!(session.is_empty());
}
