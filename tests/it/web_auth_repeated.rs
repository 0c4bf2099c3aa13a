//! Authorization responses of `WebAuth` that come twice, late, elsewhere or with an error.

use std::time::Duration;

use tower_identity::{
    ErrorKind, Prompt, SignInOptions, SignInOutcome, WebSession,
    dev::{Endpoint, Failure, SpoilCallback},
};

use crate::web_auth::{Site, join_all, stored};

// MSAL-026: Flow stored without `state`; callback `{code: foo}` arrives
// MSAL-027: Flow `state=1`; callback `state=2`
/// An authorization response is accepted only for the value that started the sign-in.
#[tokio::test]
async fn an_answer_counts_only_in_the_browser_that_asked() {
    let site = Site::start().await;
    let (mut victim, mut attacker) = (WebSession::new(), WebSession::new());
    let asked = site.auth.sign_in(&mut attacker, "/", &SignInOptions::new()).await.unwrap();
    let answer = site.answer(&asked.url).await;
    let before = site.provider.requests(Endpoint::Token);
    let error = site.auth.complete_sign_in(&mut victim, &answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AttemptMissing);
    site.auth.sign_in(&mut victim, "/", &SignInOptions::new()).await.unwrap();
    assert_eq!(
        site.auth.complete_sign_in(&mut victim, &answer).await.unwrap_err().kind(),
        ErrorKind::AttemptMissing
    );
    for (wrong, kind) in [
        ("", ErrorKind::CallbackInvalid),
        ("code=foo", ErrorKind::CallbackInvalid),
        ("state=2&code=foo", ErrorKind::AttemptMissing),
    ] {
        assert_eq!(
            site.auth.complete_sign_in(&mut attacker, wrong).await.unwrap_err().kind(),
            kind,
            "{wrong}"
        );
    }
    assert_eq!(site.provider.requests(Endpoint::Token), before, "no code was sent");
    assert_eq!(site.who(&mut victim).await, None);
    assert!(site.auth.complete_sign_in(&mut attacker, &format!("?{answer}")).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_comes_twice_signs_in_once() {
    let site = Site::start().await;
    let mut session = WebSession::new();
    let asked = site.auth.sign_in(&mut session, "/orders", &SignInOptions::new()).await.unwrap();
    let answer = site.answer(&asked.url).await;
    // Two requests of the browser at the same time, each with the value as it was, and one
    // afterwards.
    let copies = join_all((0..2).map(|_| {
        let (auth, mut session, answer) = (site.auth.clone(), session.clone(), answer.clone());
        async move {
            auth.complete_sign_in(&mut session, &answer)
                .await
                .map(|done| (session, done.signed_in().unwrap().next))
        }
    }))
    .await;
    for copy in copies {
        let (mut copy, next) = copy.unwrap();
        assert_eq!(next.as_str(), "/orders");
        assert!(site.who(&mut copy).await.is_some());
        session = copy;
    }
    assert_eq!(site.auth.complete_sign_in(&mut session, &answer).await.unwrap().url(), "/orders");
    assert_eq!(site.provider.requests(Endpoint::Token), 1);
}

/// A copy of the value from before the sign-in is not signed in without the code.
#[tokio::test]
async fn another_code_under_the_state_of_a_finished_sign_in_signs_nobody_in() {
    let site = Site::start().await;
    let mut session = WebSession::new();
    let asked = site.auth.sign_in(&mut session, "/orders", &SignInOptions::new()).await.unwrap();
    let mut copy = stored(&session);
    let answer = site.answer(&asked.url).await;
    assert!(site.auth.complete_sign_in(&mut session, &answer).await.is_ok());
    let forged = answer.replace("code=", "code=x");
    let error = site.auth.complete_sign_in(&mut copy, &forged).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidGrant);
    assert_eq!(site.who(&mut copy).await, None);
    assert!(site.who(&mut session).await.is_some());
}

#[tokio::test]
async fn a_sign_in_that_fails_leaves_everything_as_it_was() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    site.provider.spoil_next_callback(SpoilCallback::AccessDenied);
    let asked = site.auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap();
    let answer = site.answer(&asked.url).await;
    assert_eq!(
        site.auth.complete_sign_in(&mut session, &answer).await.unwrap_err().kind(),
        ErrorKind::AccessDenied
    );
    assert!(site.who(&mut session).await.is_some());
    assert_eq!(
        site.auth.complete_sign_in(&mut session, &answer).await.unwrap_err().kind(),
        ErrorKind::AttemptMissing
    );

    let asked = site.auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap();
    let answer = site.answer(&asked.url).await;
    site.turn(600);
    assert_eq!(
        site.auth.complete_sign_in(&mut session, &answer).await.unwrap_err().kind(),
        ErrorKind::AttemptExpired
    );
    for wrong in ["//evil.example", "https://evil.example", "/auth/callback", "javascript:alert(1)"]
    {
        let mut session = WebSession::new();
        let asked = site.auth.sign_in(&mut session, wrong, &SignInOptions::new()).await.unwrap();
        let answer = site.answer(&asked.url).await;
        assert_eq!(
            site.auth.complete_sign_in(&mut session, &answer).await.unwrap().url(),
            "/",
            "{wrong}"
        );
    }
}

/// A request does not undo a change that another request has made meanwhile.
#[tokio::test]
async fn a_late_sign_in_page_brings_nothing_old_back() {
    let site = Site::start().await;
    let session = site.signed_in().await;
    site.turn(4000);
    let (mut refreshed, mut late) = (session.clone(), session.clone());
    assert!(site.who(&mut refreshed).await.is_some());
    site.auth.sign_in(&mut late, "/", &SignInOptions::new()).await.unwrap();
    assert!(
        site.another_process().for_user(&mut late, [""; 0]).await.is_ok(),
        "the successor of the refresh token is in it"
    );

    let asked = site.auth.sign_in(&mut late, "/", &SignInOptions::new()).await.unwrap();
    let answer = site.answer(&asked.url).await;
    let (mut copy, unchanged) = (late.clone(), late.clone());
    let _ = site.auth.complete_sign_in(&mut late, &answer).await.unwrap();
    let mut signed_out = late.clone();
    let _ = site.auth.sign_out(&mut signed_out);
    assert_eq!(
        site.auth.complete_sign_in(&mut copy, &answer).await.unwrap_err().kind(),
        ErrorKind::SessionEnded
    );
    assert_eq!(copy, unchanged);
    site.auth.sign_in(&mut late, "/", &SignInOptions::new()).await.unwrap();
    assert!(
        site.another_process().user(&mut late).await.unwrap().is_none(),
        "nobody comes back after a restart"
    );
}

/// Keycloak: the sign-in page was open for too long. The sign-in is started again, as in the layer.
#[tokio::test]
async fn a_sign_in_that_expired_at_the_provider_is_begun_again_once_and_comes_back_to_its_page() {
    let site = Site::start().await;
    let expired = ("temporarily_unavailable", "authentication_expired");
    let refused = ("invalid_scope", "");
    for (error, description) in [expired, refused] {
        let mut session = WebSession::new();
        let next = "/orders?open=1";
        let asked = site.auth.sign_in(&mut session, next, &SignInOptions::new()).await.unwrap();
        site.provider.refuse_next_sign_in(error, description);
        let answer = site.answer(&asked.url).await;
        let mut session = stored(&session);
        let outcome = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        let SignInOutcome::Again(again) = outcome else { panic!("{outcome:?}") };
        let all = asked.url.contains("profile");
        assert_eq!(again.url.contains("profile"), all && error == expired.0);
        let answer = site.answer(&again.url).await;
        let done = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        assert_eq!(done.url(), next);
        assert!(site.auth.user(&mut session).await.unwrap().is_some());

        let mut session = WebSession::new();
        let asked = site.auth.sign_in(&mut session, next, &SignInOptions::new()).await.unwrap();
        (0..2).for_each(|_| site.provider.refuse_next_sign_in(error, description));
        let answer = site.answer(&asked.url).await;
        let again = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        let answer = site.answer(again.url()).await;
        let told = site.auth.complete_sign_in(&mut session, &answer).await.unwrap_err();
        assert_eq!(told.provider().unwrap().error, error, "the second time it is told");
    }
}

#[tokio::test]
async fn a_sign_in_that_is_begun_again_asks_for_everything_again() {
    let site = Site::start().await;
    let options = SignInOptions::new()
        .with_prompt(Prompt::Login)
        .with_login_hint("ada@example.com")
        .with_claims(r#"{"id_token":{"acr":null}}"#)
        .add_parameter("level", "a b");
    let mut session = WebSession::new();
    let asked = site.auth.sign_in(&mut session, "/", &options).await.unwrap();
    site.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
    let answer = site.answer(&asked.url).await;
    let mut session = stored(&session);
    let outcome = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
    let SignInOutcome::Again(again) = outcome else { panic!("{outcome:?}") };
    let parameters = |url: &str| {
        let url = url::Url::parse(url).unwrap();
        let each_time = ["state", "nonce", "code_challenge"];
        let pairs = url.query_pairs().into_owned();
        pairs.filter(|(name, _)| !each_time.contains(&name.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(parameters(&again.url), parameters(&asked.url));
    assert!(again.url.contains("prompt=login"), "{}", again.url);
}

/// Another user who signs in instead of the one who began a step-up is not sent to its page.
#[tokio::test]
async fn a_step_up_that_is_begun_again_stays_that_of_its_person() {
    let site = Site::start().await;
    for is_refused in [false, true] {
        site.provider.sign_in_as("ada").unwrap();
        let mut session = site.signed_in().await;
        let recent = SignInOptions::new().with_max_age(Duration::ZERO);
        let asked = site.auth.sign_in(&mut session, "/orders", &recent).await.unwrap();
        site.provider.sign_in_as("grace").unwrap();
        let other = site.auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap();
        let answer = site.answer(&other.url).await;
        let _ = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        let grace = site.who(&mut session).await;
        assert_eq!(grace.as_deref(), Some("Grace Hopper"));
        if is_refused {
            site.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
        }
        let answer = site.answer(&asked.url).await;
        let mut done = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        if is_refused {
            let answer = site.answer(done.url()).await;
            done = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        }
        assert_eq!(done.url(), "/", "refused: {is_refused}");
        assert_eq!(site.who(&mut session).await, grace);
    }
}

/// Each refusal is answered once, and what was learnt stays in the value.
#[tokio::test]
async fn a_sign_in_that_is_refused_for_several_reasons_is_begun_again_for_each() {
    let site = Site::start().await;
    let mut session = WebSession::new();
    let mut url = site.auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap().url;
    site.provider.refuse_next_sign_in("invalid_scope", "");
    site.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
    for (status, code) in [(401, "invalid_client"), (400, "invalid_grant")] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        site.provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
    }
    for _ in 0..3 {
        let answer = site.answer(&url).await;
        session = stored(&session);
        let outcome = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
        let SignInOutcome::Again(again) = outcome else { panic!("{outcome:?}") };
        assert!(!again.url.contains("profile"), "{}", again.url);
        url = again.url;
    }
    let answer = site.answer(&url).await;
    let done = site.auth.complete_sign_in(&mut session, &answer).await.unwrap();
    assert!(done.signed_in().is_some());
}

/// `WebAuth` has no events: an application refuses a sign-in by signing out before it stores the
/// value.
#[tokio::test]
async fn a_sign_in_that_the_application_refuses_stays_refused_when_its_answer_comes_again() {
    let site = Site::start().await;
    let mut begun = WebSession::new();
    let url = site.auth.sign_in(&mut begun, "/", &SignInOptions::new()).await.unwrap().url;
    let answer = site.answer(&url).await;
    let mut first = stored(&begun);
    let outcome = site.auth.complete_sign_in(&mut first, &answer).await.unwrap();
    assert!(matches!(outcome, SignInOutcome::SignedIn(_)));
    let _ = site.auth.sign_out(&mut first);
    // The browser sends the response twice, and the second request read the value before.
    let mut second = stored(&begun);
    let error = site.auth.complete_sign_in(&mut second, &answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionEnded);
    for session in [&mut first, &mut second] {
        assert_eq!(site.who(session).await, None);
    }
    assert_eq!(site.provider.requests(Endpoint::Token), 1);
}
