//! A provider that requires another sign-in before the next token, with a claims challenge: at any
//! provider, not only Microsoft's.

use axum::{Json, Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tower_identity::{
    Error, Tokens,
    client::TokenRequest,
    dev::{DevTenant, Endpoint},
};

use crate::{app::App, browser::html::Form, entra_app};

const STRONGER: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// A page that requests a token from the provider each time.
async fn files(tokens: Tokens) -> Result<Json<Value>, Error> {
    let token = tokens.acquire(&TokenRequest::new(["files.read"])?.forced()).await?;
    Ok(Json(json!({ "scopes": token.scopes().collect::<Vec<_>>() })))
}

fn routes(router: Router) -> Router {
    router.route("/files", get(files))
}

async fn app() -> App {
    App::builder().router(routes).start().await
}

#[tokio::test]
async fn a_challenged_refresh_becomes_a_sign_in_with_the_claims() {
    for entra in [false, true] {
        let app = if entra {
            entra_app::builder(DevTenant::CONTOSO.id()).router(routes).start().await
        } else {
            app().await
        };
        let mut tab = app.signed_in().await;
        app.provider.challenge_next_refresh(STRONGER);
        let page = tab.open(app.at("/files?folder=1")).await;
        assert_eq!(
            (page.status, page.url.query()),
            (StatusCode::OK, Some("folder=1")),
            "{}",
            page.body
        );
        let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
        let claims: Value = serde_json::from_str(asked.parameter("claims").unwrap()).unwrap();
        assert_eq!(claims["access_token"]["acrs"]["value"], "c1", "{claims}");
    }
}

/// D8: consent to a scope and a stronger sign-in for it are two causes, even within a minute. The
/// same challenge again is a redirect loop.
#[tokio::test]
async fn a_stronger_sign_in_may_follow_a_consent_at_once() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/files")).await.status, StatusCode::OK, "agreed");
    for (context, status) in
        [("c1", StatusCode::OK), ("c2", StatusCode::OK), ("c2", StatusCode::FORBIDDEN)]
    {
        app.provider.challenge_next_refresh(STRONGER.replace("c1", context));
        assert_eq!(tab.open(app.at("/files")).await.status, status, "{context}");
    }
    app.turn(601);
    app.provider
        .challenge_next_refresh(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#);
    assert_eq!(tab.open(app.at("/files")).await.status, StatusCode::OK);
    app.provider
        .challenge_next_refresh(r#"{"access_token":{"nbf":{"essential":true,"value":"2"}}}"#);
    assert_eq!(
        tab.open(app.at("/files")).await.status,
        StatusCode::FORBIDDEN,
        "a time is another one each time"
    );
}

#[tokio::test]
async fn a_rule_for_a_scope_holds_at_every_provider() {
    let app = app().await;
    app.provider.require_authentication_context("files.read", "c7");
    let mut tab = app.signed_in().await;
    for _ in 0..2 {
        assert_eq!(tab.open(app.at("/files")).await.status, StatusCode::OK);
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// The button on the provider's own page.
#[tokio::test]
async fn the_providers_page_challenges_the_next_refresh() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/files")).await;
    let mut provider = app.browser().tab();
    let home = provider.open(app.provider.issuer()).await;
    assert!(home.body.contains("Challenge the next refresh"), "{}", home.body);
    let form = home.form();
    assert!(provider.submit(form).await.body.contains("The next refresh is refused"));
    // Not from another site.
    provider.open(app.at("/public/page")).await;
    assert_eq!(
        provider.submit(Form::post(app.provider.issuer())).await.status,
        StatusCode::FORBIDDEN
    );
    let before = app.provider.requests(Endpoint::Authorization);
    assert_eq!(tab.open(app.at("/files")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), before + 1);
    assert_eq!(tab.open(app.at("/files")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), before + 1);
}
