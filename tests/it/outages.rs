//! The provider is down or starts later: the application runs, its public pages work, and the
//! sign-in page says what is wrong.

use axum::http::StatusCode;
use tower_identity::dev::{Endpoint, Failure, OldKeys};

use crate::{
    app::{App, fail_document},
    node::Node,
    raw::Raw,
};

// C-226: discovery down at start
#[tokio::test]
async fn a_provider_that_is_down_at_the_start_is_found_when_it_is_there() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for failure in [Failure::Disconnect, Failure::Status(503), Failure::html(502, "<p>Bad gateway")]
    {
        let node = Node::beside(&app, |config| config, |layer| layer).await;
        let browser = app.browser();
        let mut tab = node.browser(&app, &browser).tab();
        fail_document(&app.provider, Endpoint::Discovery, &failure);
        let page = tab.open(app.at("/other")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{failure:?}");
        assert!(page.body.contains("provider_unreachable"), "{}", page.body);
        assert!(browser.cookies("localhost").is_empty());
        assert_eq!(tab.open(app.at("/")).await.body, "nobody");
        // A little later.
        app.turn(10);
        tab.back().await;
        let page = tab.page();
        assert_eq!(
            (page.status, page.url.path()),
            (StatusCode::OK, "/other"),
            "{failure:?}: {}",
            page.body
        );
    }
}

// C-225: authorization_endpoint or token_endpoint missing
/// The page says which side has to fix the fault.
#[tokio::test]
async fn a_provider_that_is_set_up_wrongly_is_distinguished_from_one_that_is_down() {
    let app = App::start().await;
    for failure in [
        Failure::Status(404),
        Failure::json(200, "{}"),
        Failure::html(200, "<p>Welcome"),
        Failure::Redirect("/".into()),
    ] {
        let node = Node::beside(&app, |config| config, |layer| layer).await;
        // The metadata of an authorization server (RFC 8414) is as wrong as the discovery document.
        app.provider.fail_next(Endpoint::Discovery, 2, failure.clone());
        let answer = node.raw().open("/me", "").await;
        app.provider.stop_failing(Endpoint::Discovery);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{failure:?}");
        assert!(answer.body.contains("provider_misconfigured"), "{failure:?}: {}", answer.body);
    }
}

/// The attempt is kept: the same authorization response is accepted when the provider is back.
#[tokio::test]
async fn an_answer_survives_a_provider_that_is_down_meanwhile() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let begun = Raw::of(&app).begin("/other", "").await;
    let callback = Raw::of(&app).answer(&begun).await;
    // A node that has yet to read the provider's document.
    let node = Node::beside(&app, |config| config, |layer| layer).await;
    fail_document(&app.provider, Endpoint::Discovery, &Failure::Disconnect);
    let answer = node.raw().open(&callback, &begun.attempt).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookies().is_empty(), "the attempt is kept");
    // A link on the page starts again, for the same page.
    assert!(answer.body.contains("/auth/login?return_to=%2Fother\""), "{}", answer.body);
    app.turn(10);
    assert_eq!(node.raw().open(&callback, &begun.attempt).await.location(), "/other");
}

// C-204: cache backend fails during forced refresh
/// Without keys no token is accepted.
#[tokio::test]
async fn without_keys_nobody_is_signed_in() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for failure in [Failure::Disconnect, Failure::Status(500)] {
        let node = Node::beside(&app, |config| config, |layer| layer).await;
        let browser = app.browser();
        let mut tab = node.browser(&app, &browser).tab();
        fail_document(&app.provider, Endpoint::Keys, &failure);
        let page = tab.open(app.at("/other")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{failure:?}: {}", page.body);
        assert!(browser.cookies("localhost").is_empty());
        app.turn(10);
        assert_eq!(tab.click("Try again").await.url.path(), "/other");
    }
}

/// A key set that is empty for a moment is no key set: the provider's database is being restored,
/// or a proxy answers for it. As after a failed request the keys that were known stay in use.
#[tokio::test]
async fn a_key_set_that_is_empty_for_a_moment_takes_no_key_away() {
    let app = App::start().await;
    assert_eq!(app.sign_in().await.status, StatusCode::OK);
    for empty in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"x"}]}"#] {
        // The keys are fetched again every day.
        app.turn(25 * 3600);
        app.provider.fail_next(Endpoint::Keys, 1000, Failure::json(200, empty));
        let before = app.provider.requests(Endpoint::Keys);
        for _ in 0..3 {
            let page = app.sign_in().await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            app.turn(90);
        }
        assert!(app.provider.requests(Endpoint::Keys) > before);
        // A new key is looked for, and found as soon as there is a key set again.
        app.provider.rotate_keys(OldKeys::Kept).unwrap();
        let page = app.sign_in().await;
        assert!(page.body.contains("provider_misconfigured"), "{}", page.body);
        app.provider.stop_failing(Endpoint::Keys);
        app.turn(10);
        assert_eq!(app.sign_in().await.status, StatusCode::OK);
    }
}

// C-203: JWKS endpoint down, keys cached
/// Existing sessions continue.
#[tokio::test]
async fn a_session_does_not_need_the_provider() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Keys, Endpoint::Token, Endpoint::Authorization]
    {
        app.provider.fail_next(endpoint, 1000, Failure::Disconnect);
    }
    for _ in 0..11 {
        app.turn(300);
        assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    }
}

// C-232: 100 parallel first requests
#[tokio::test]
async fn first_requests_at_the_same_time_read_the_document_once() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    let mut gate = app.provider.hold_next(Endpoint::Discovery);
    let open = async || raw.open("/me", "").await.location().starts_with(app.provider.issuer());
    let all =
        async { tokio::join!(open(), open(), open(), open(), open(), open(), open(), open()) };
    tokio::pin!(all);
    tokio::select! {
        _ = &mut all => panic!("answered before the provider did"),
        () = gate.arrived() => gate.release(),
    }
    assert_eq!(all.await, (true, true, true, true, true, true, true, true));
    assert_eq!(app.provider.requests(Endpoint::Discovery), 1);
}
