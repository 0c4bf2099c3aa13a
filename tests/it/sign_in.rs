//! Sign-in and sign-out through the public API, as in a person's browser.

use axum::http::{Method, StatusCode};
use tower_identity::dev::Endpoint;

use crate::app::App;

// C-001: OP answers the code flow correctly
// C-340: deep link with query before login
#[tokio::test]
async fn a_protected_page_signs_in_and_comes_back_to_itself() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/other?a=1&b=%20")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(page.url.as_str(), app.at("/other?a=1&b=%20"));
    assert_eq!(page.json()["name"], "Ada Lovelace");
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_script_gets_the_url_to_sign_in_at_and_no_cookie() {
    let app = App::start().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    tab.open(app.at("/")).await;
    let answer = tab.fetch(Method::GET, "/me").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let problem = answer.json();
    assert_eq!(problem["reason"], "sign_in_required");
    assert_eq!(problem["sign_in"], "/auth/login?return_to=%2F");
    assert!(browser.cookies("localhost").is_empty());
}

#[tokio::test]
async fn a_public_page_knows_who_is_signed_in() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/")).await;
    assert_eq!(page.body, "hello Ada Lovelace");
    assert_eq!(page.header("cache-control"), "private, no-store");
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_the_provider() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let question = tab.open(app.at("/auth/logout")).await.form();
    let page = tab.submit(question).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(page.url.path(), "/auth/signed-out");
    assert_eq!(app.provider.requests(Endpoint::EndSession), 1);
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
}

// C-157: granted scope narrower than asked
/// A token for a scope that was never granted needs a sign-in, and the session continues.
#[tokio::test]
async fn a_token_for_an_unknown_scope_asks_for_interaction() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let refused = tab.open(app.at("/token?scope=mail.send")).await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (StatusCode::BAD_GATEWAY, "interaction_required")
    );
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    assert_eq!(tab.open(app.at("/token")).await.json()["source"], "sign_in");
}

#[tokio::test]
async fn a_session_is_renewed_when_its_id_token_expires() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}
