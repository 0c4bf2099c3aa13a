//! Sessions that began with a device code: further consent, sign-out, several processes, Entra ID.

use std::time::Duration;

use axum::{Json, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tower_identity::{
    Error, IdentityConfig, Tokens,
    config::ProviderSession,
    dev::{DevTenant, Endpoint, Failure},
    require_sign_in,
};

use crate::{
    app::App,
    device::{SECRET, app, begin, by_code, code, pending, poll, questions, reason, signed_in},
    entra_app,
    node::Node,
    raw::Raw,
    stores::Watched,
};

// C-446: process restarts between login and callback
#[tokio::test]
async fn another_process_goes_on_at_the_same_pace() {
    let store = Watched::default();
    let kept = store.clone();
    let settings = |config: IdentityConfig| by_code(config).with_cookie_secrets([SECRET]);
    let app = App::builder()
        .config(settings)
        .layer(|layer| layer.with_store(kept).unwrap())
        .start()
        .await;
    let node = Node::beside(&app, settings, |layer| layer.with_store(store.clone()).unwrap()).await;
    let here = app.browser();
    let there = node.browser(&app, &here);
    let mut tab = here.tab();
    let code = begin(&app, &mut tab, "/other").await;
    app.turn(5);
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("slow_down".into()));
    assert_eq!(poll(&mut tab).await, pending(10));
    // The processes do not talk to each other: the browser carries it there.
    assert_eq!(poll(tab.moved_to(there.clone())).await, pending(10));
    app.turn(9);
    assert_eq!((poll(&mut tab).await, questions(&app)), (pending(1), 1));
    app.turn(1);
    assert_eq!((poll(&mut tab).await, questions(&app)), (pending(10), 2), "slower for good");
    assert_eq!(poll(tab.moved_to(here.clone())).await, pending(10));
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(10);
    assert_eq!(poll(tab.moved_to(there)).await["status"], "done");
    let page = tab.moved_to(here).click("Continue").await;
    assert_eq!(
        (page.url.as_str(), &page.json()["name"]),
        (app.at("/other").as_str(), &json!("Ada Lovelace"))
    );
    assert_eq!(questions(&app), 3);
}

async fn mail(tokens: Tokens) -> Result<Json<Value>, Error> {
    let token = tokens.for_user(["mail.read"]).await?;
    Ok(Json(json!({ "scopes": token.scopes().collect::<Vec<_>>() })))
}

#[tokio::test]
async fn a_person_agrees_to_more_by_another_code() {
    let app = App::builder()
        .config(by_code)
        .router(|router| router.route("/mail", get(mail)))
        .start()
        .await;
    let mut tab = signed_in(&app, "/me", "ada").await;
    let code = begin(&app, &mut tab, "/mail?folder=1").await;
    let asked = app.provider.last_request(Endpoint::DeviceAuthorization).unwrap();
    assert!(asked.parameter("scope").unwrap().contains("mail.read"), "{asked:?}");
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, page.url.query()),
        (StatusCode::OK, Some("folder=1")),
        "{}",
        page.body
    );
    assert!(
        page.json()["scopes"].as_array().unwrap().contains(&json!("mail.read")),
        "{}",
        page.body
    );
    // Another person uses the code: they get a session of their own, and not the page.
    let mut tab = signed_in(&app, "/me", "ada").await;
    let code = begin(&app, &mut tab, "/mail").await;
    app.provider.answer_device(&code, Some("alan")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.url.as_str(), page.body.as_str()),
        (app.at("/").as_str(), "hello Alan Turing")
    );
}

#[tokio::test]
async fn what_a_device_code_cannot_request_is_an_error_before_any_request() {
    let recent = require_sign_in().with_max_age(Duration::from_secs(60));
    let routes = |router: axum::Router| {
        router.merge(
            axum::Router::new().route("/recent", get(|| async { "recent" })).route_layer(recent),
        )
    };
    let app = App::builder().config(by_code).router(routes).start().await;
    let mut tab = signed_in(&app, "/me", "ada").await;
    app.turn(300);
    let before = app.provider.requests(Endpoint::DeviceAuthorization);
    let page = tab.open(app.at("/recent")).await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::INTERNAL_SERVER_ERROR, "sign_in_not_offered"),
        "{}",
        page.body
    );
    assert!(page.body.contains("`max_age`"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), before);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_the_provider_only_if_that_is_set() {
    for (end, requests, path) in [(false, 0, "/"), (true, 1, "/auth/signed-out")] {
        let app = App::builder()
            .config(|config| match end {
                true => by_code(config).with_provider_session(ProviderSession::End),
                false => by_code(config),
            })
            .start()
            .await;
        let mut tab = signed_in(&app, "/me", "ada").await;
        let question = tab.open(app.at("/auth/logout")).await.form();
        let page = tab.submit(question).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, path), "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::EndSession), requests);
        assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    }
}

#[tokio::test]
async fn a_second_sign_in_ends_the_session_before_and_sessions_are_renewed() {
    let app = app().await;
    let mut tab = signed_in(&app, "/me", "ada").await;
    let raw = Raw::of(&app);
    let old = tab.hops.last().unwrap().cookies.clone().unwrap();
    assert_eq!(raw.who(&old).await, "hello Ada Lovelace");
    let code = self::code(tab.open(app.at("/auth/login?return_to=/me")).await);
    app.provider.answer_device(&code, Some("alan")).unwrap();
    app.turn(5);
    assert_eq!(tab.click("Continue").await.json()["name"], "Alan Turing");
    assert_eq!(raw.who(&old).await, "nobody");
    let before = questions(&app);
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Alan Turing");
    assert_eq!(questions(&app), before + 1, "by the refresh token");
}

/// D18: multi-tenant issuers, `authorization_declined`, and a token for the requested scopes only.
#[tokio::test]
async fn entra_signs_in_by_code_too() {
    let settings = |config: IdentityConfig| by_code(config).with_scopes(["User.Read"]);
    let notes = |router: axum::Router| router.route("/mail", get(graph_mail));
    let app =
        entra_app::builder(DevTenant::CONTOSO.id()).config(settings).router(notes).start().await;
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/me").await;
    assert!(!tab.page().body.contains("user_code="), "Entra has no address with the code in it");
    app.provider.answer_device(&code, None).unwrap();
    app.turn(5);
    assert_eq!(reason(tab.click("Continue").await), "access_denied");

    let mut tab = signed_in(&app, "/me", "ada").await;
    assert_eq!(tab.page().json()["claims"]["tid"], DevTenant::CONTOSO.id());
    let code = begin(&app, &mut tab, "/mail").await;
    let asked = app.provider.last_request(Endpoint::DeviceAuthorization).unwrap();
    assert_eq!(asked.parameter("scope"), Some("openid profile offline_access Mail.Read"));
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("Mail.Read"),
        "{} {}",
        page.status,
        page.body
    );
    let own = tab.open(app.at("/token")).await.json();
    assert_ne!(own["source"], "sign_in", "the code's token was for mail alone: {own}");
}

async fn graph_mail(tokens: Tokens) -> Result<Json<Value>, Error> {
    let token = tokens.for_user(["Mail.Read"]).await?;
    Ok(Json(json!({ "scopes": token.scopes().collect::<Vec<_>>() })))
}
