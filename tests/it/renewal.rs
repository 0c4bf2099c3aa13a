//! Sessions that go on when the ID token has expired.

use axum::http::StatusCode;
use tower_identity::{config::UserInfo, dev::Endpoint};

use crate::app::App;

/// C-055. Providers refuse scopes that they did not grant, `offline_access` among them (RFC 6749 section 6).
#[tokio::test]
async fn a_renewal_asks_for_what_was_granted_not_for_what_was_asked() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    let refresh = app.provider.last_request(Endpoint::Token).unwrap();
    assert_eq!(refresh.parameter("grant_type"), Some("refresh_token"));
    assert_eq!(refresh.parameter("scope"), None);
}

#[tokio::test]
async fn claims_are_renewed_behind_the_answer_and_shown_by_the_next() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let before = tab.page().json()["claims"]["exp"].as_i64().unwrap();
    app.turn(3600 + 1);
    let mut expires = before;
    for _ in 0..100 {
        expires = tab.open(app.at("/me")).await.json()["claims"]["exp"].as_i64().unwrap();
        if expires > before {
            break;
        }
    }
    assert!(expires > before);
    assert_eq!((app.provider.requests(Endpoint::Token), app.provider.requests(Endpoint::Authorization)), (2, 1));
}

#[tokio::test]
async fn claims_of_user_info_are_renewed_with_those_of_the_id_token() {
    let app = App::with(|config| config.with_user_info(UserInfo::AtSignIn)).await;
    app.provider.change_next_user_info(|claims| drop(claims.insert("nickname".into(), "Countess".into())));
    let mut tab = app.signed_in().await;
    assert_eq!(tab.page().json()["claims"]["nickname"], "Countess");
    app.turn(3600 + 300);
    app.provider.change_next_user_info(|claims| drop(claims.insert("nickname".into(), "Enchantress".into())));
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.json()["claims"]["nickname"], "Enchantress");
    assert_eq!((app.provider.requests(Endpoint::UserInfo), app.provider.requests(Endpoint::Authorization)), (2, 1));
}
