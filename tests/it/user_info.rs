//! UserInfo requests without a setting for them, and the use of the responses.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use tower_identity::{
    Clock as _,
    config::{IdentityConfig, UserInfo},
    dev::{DevPerson, Endpoint, Failure, Quirk, SpoilUserInfo},
    require_sign_in,
};

use crate::{app::App, browser::Tab};

/// An application at a provider whose ID tokens have no names.
async fn without_names(settings: impl FnOnce(IdentityConfig) -> IdentityConfig) -> App {
    App::builder()
        .provider(|provider| provider.with_quirks([Quirk::NamesAtUserInfo]))
        .config(settings)
        .start()
        .await
}

#[tokio::test]
async fn names_that_only_user_info_has_are_there_by_default_and_stay_when_claims_are_renewed() {
    let app = without_names(|config| config).await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.page().json()["name"], "Ada Lovelace");
    assert_eq!(app.provider.requests(Endpoint::UserInfo), 1);
    tab.reload().await;
    assert_eq!(app.provider.requests(Endpoint::UserInfo), 1, "with a sign-in, not with a page");
    app.turn(3600 + 300);
    assert_eq!(tab.reload().await.json()["name"], "Ada Lovelace");
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

#[tokio::test]
async fn a_sign_in_never_fails_because_of_a_user_info_that_no_setting_asks_for() {
    let app = without_names(|config| config).await;
    for failure in [Failure::Status(500), Failure::Status(401), Failure::json(200, "[]")] {
        app.provider.fail_next(Endpoint::UserInfo, 1, failure);
        let page = app.sign_in().await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert!(page.json()["name"].is_null(), "{}", page.body);
    }
    for spoil in SpoilUserInfo::ALL {
        app.provider.spoil_next_user_info(*spoil);
        assert_eq!(app.sign_in().await.status, StatusCode::OK, "{spoil:?}");
    }
}

#[tokio::test]
async fn a_user_info_about_another_user_is_not_used() {
    let app = without_names(|config| config).await;
    app.provider.change_next_user_info(|claims| drop(claims.insert("sub".into(), "eve".into())));
    let page = app.sign_in().await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.json()["name"].is_null() && !page.body.contains("Lovelace"), "{}", page.body);
}

#[tokio::test]
async fn user_info_is_not_asked_where_names_are_there_or_were_not_granted_or_a_setting_forbids_it()
{
    let openid = |config: IdentityConfig| config.with_openid_scopes(["openid"]);
    let never = |config: IdentityConfig| config.with_user_info(UserInfo::Never);
    for app in [App::start().await, without_names(openid).await, without_names(never).await] {
        assert_eq!(app.sign_in().await.status, StatusCode::OK);
        assert_eq!(app.provider.requests(Endpoint::UserInfo), 0);
    }
    // The granted scopes in the response decide, not the requested ones.
    let app = without_names(|config| config).await;
    app.provider
        .change_next_token_answer(|body| drop(body.insert("scope".into(), "openid".into())));
    assert_eq!(app.sign_in().await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::UserInfo), 0);
}

/// Authelia: groups are at UserInfo alone. Without its answer a renewal would take them away until
/// the next one.
#[tokio::test]
async fn a_renewal_waits_for_user_info_where_the_sign_in_had_it() {
    let app = without_names(|config| config).await;
    let renewed = async |tab: &mut Tab| {
        let claims = tab.open(app.at("/me")).await.json()["claims"].clone();
        (claims["name"].clone(), claims["nickname"].clone())
    };
    let nickname = |name: &'static str| {
        app.provider.change_next_user_info(move |claims| {
            drop(claims.insert("nickname".into(), name.into()))
        });
    };
    nickname("Countess");
    let mut tab = app.signed_in().await;
    let (lovelace, countess) = (json!("Ada Lovelace"), json!("Countess"));
    assert_eq!(tab.page().json()["claims"]["nickname"], countess);
    for failure in [Failure::Status(503), Failure::Status(429), Failure::Disconnect] {
        app.turn(3600 + 300);
        // A request whose connection breaks is sent once more.
        app.provider.fail_next(Endpoint::UserInfo, 2, failure.clone());
        assert_eq!(renewed(&mut tab).await, (lovelace.clone(), countess.clone()), "{failure:?}");
        app.provider.stop_failing(Endpoint::UserInfo);
        nickname("Countess");
        app.turn(600);
        assert_eq!(renewed(&mut tab).await, (lovelace.clone(), countess.clone()), "{failure:?}");
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

/// It did not answer at the sign-in either, so nothing of the session came from it.
#[tokio::test]
async fn a_renewal_does_not_wait_for_a_user_info_that_never_answered() {
    let app = without_names(|config| config).await;
    app.provider.fail_next(Endpoint::UserInfo, 1000, Failure::Status(500));
    let mut tab = app.signed_in().await;
    for _ in 0..5 {
        app.turn(3600 + 300);
        assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 6, "each renewal once");
}

/// A refusal does not pass by itself, so it does not end on the page of an outage.
#[tokio::test]
async fn a_user_info_that_refuses_every_renewal_for_an_hour_leads_to_a_sign_in() {
    for failure in [Failure::Status(401), Failure::Status(403), Failure::json(200, "[]")] {
        let app = without_names(|config| config.with_user_info(UserInfo::AtSignIn)).await;
        let mut tab = app.signed_in().await;
        app.provider.fail_next(Endpoint::UserInfo, 1000, failure.clone());
        let mut minutes = 0;
        app.turn(3600 + 300);
        let answer = loop {
            let answer = tab.fetch(Method::GET, "/me").await;
            if answer.status != StatusCode::OK || minutes > 100 {
                break answer;
            }
            minutes += 1;
            app.turn(60);
        };
        assert!((60..=66).contains(&minutes), "{failure:?}: served for {minutes} minutes");
        assert_eq!(
            (answer.status, &answer.json()["reason"]),
            (StatusCode::UNAUTHORIZED, &json!("sign_in_required")),
            "{failure:?}"
        );
        app.provider.stop_failing(Endpoint::UserInfo);
        assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Ada Lovelace");
    }
}

/// OpenID Connect Core section 12.2: a refresh may have no ID token, or that of the sign-in again.
/// Then UserInfo alone says what the user may do now.
#[tokio::test]
async fn rights_of_user_info_are_renewed_by_a_refresh_without_an_id_token() {
    for is_repeated in [false, true] {
        let app = App::builder()
            .provider(|provider| {
                let quirks = [Quirk::NamesAtUserInfo, Quirk::NoIdTokenAtRefresh];
                provider.with_quirks(quirks.into_iter().skip(usize::from(is_repeated)))
            })
            .config(|config| config.with_user_info(UserInfo::AtSignIn))
            .start()
            .await;
        let groups = |names: Value| {
            app.provider.change_next_user_info(move |claims| {
                drop(claims.insert("groups".into(), names));
            });
        };
        let kept = Arc::new(Mutex::new(Value::Null));
        let id_token = kept.clone();
        app.provider.change_next_token_answer(move |answer| {
            *id_token.lock().unwrap() = answer["id_token"].clone();
        });
        groups(json!(["editors", "staff"]));
        let mut tab = app.signed_in().await;
        let sent_id_token = kept.lock().unwrap().clone();
        let first = tab.page().json();
        assert_eq!(first["claims"]["groups"], json!(["editors", "staff"]));
        for names in [json!(["staff"]), json!(null), json!(["editors"])] {
            app.turn(3600 + 300);
            let repeated = sent_id_token.clone();
            if is_repeated {
                app.provider.change_next_token_answer(move |answer| {
                    drop(answer.insert("id_token".into(), repeated));
                });
            }
            groups(names.clone());
            let page = tab.open(app.at("/me")).await.json();
            assert_eq!(page["claims"]["groups"], names, "{page}");
            assert_eq!(page["claims"]["sub"], first["claims"]["sub"]);
            assert_eq!(page["claims"]["auth_time"], first["claims"]["auth_time"], "signed claims");
            assert_eq!(page["name"], first["name"]);
        }
        // Another user's answer is none, and the renewal is tried again.
        app.turn(3600 + 300);
        let asked = app.provider.requests(Endpoint::UserInfo);
        app.provider.change_next_user_info(|claims| {
            drop(claims.insert("sub".into(), "eve".into()));
            drop(claims.insert("groups".into(), json!(["admins"])));
        });
        let page = tab.open(app.at("/me")).await.json();
        assert_eq!(page["claims"]["groups"], json!(["editors"]), "{page}");
        assert_eq!(app.provider.requests(Endpoint::UserInfo), asked + 1);
        assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
    }
}

/// A UserInfo that cannot be reached keeps the rights for as long as an outage is tolerated.
#[tokio::test]
async fn a_refresh_without_an_id_token_waits_for_user_info() {
    let app = App::builder()
        .provider(|provider| {
            provider.with_quirks([Quirk::NamesAtUserInfo, Quirk::NoIdTokenAtRefresh])
        })
        .start()
        .await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    app.provider.fail_next(Endpoint::UserInfo, 2, Failure::Status(503));
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Ada Lovelace");
    let asked = app.provider.requests(Endpoint::UserInfo);
    assert!(asked > 1, "UserInfo was asked");
    app.provider.stop_failing(Endpoint::UserInfo);
    app.turn(600);
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Ada Lovelace");
    assert!(app.provider.requests(Endpoint::UserInfo) > asked);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

/// Apple, Ory Hydra: the ID token of a refresh does not repeat the name. What decides about access
/// is always what the provider says now.
#[tokio::test]
async fn a_renewal_that_has_no_names_keeps_those_of_the_sign_in_and_no_rights() {
    let app = App::builder()
        .provider(|provider| provider.with_quirks([Quirk::NoNamesAtRefresh]))
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let first = tab.page().json();
    assert_eq!(first["claims"]["roles"], json!(["Admin"]));
    app.provider.add_person(DevPerson::new("ada", "Ada King"));
    for _ in 0..2 {
        app.turn(3600 + 300);
        let page = tab.open(app.at("/me")).await.json();
        for claim in ["name", "email", "preferred_username", "email_verified"] {
            assert_eq!(page["claims"][claim], first["claims"][claim], "{claim}");
        }
        assert_eq!((&page["name"], &page["claims"]["roles"]), (&first["name"], &Value::Null));
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

/// Its claims are about the user of an access token, not about one authentication (OpenID Connect
/// Core section 5.3): with `auth_time` or `acr` from there, a session would pass a guard by what
/// the user did in another browser.
#[tokio::test]
async fn user_info_says_nothing_about_the_authentication_of_a_session() {
    let guarded = |router: Router| {
        let recent = require_sign_in().with_max_age(Duration::from_secs(60));
        let strong = require_sign_in().with_auth_context("strong");
        router
            .route("/recent", get(|| async { "recent" }).route_layer(recent))
            .route("/strong", get(|| async { "strong" }).route_layer(strong))
    };
    let app = App::builder()
        .provider(|provider| {
            provider.with_quirks([Quirk::NamesAtUserInfo, Quirk::NoIdTokenAtRefresh])
        })
        .router(guarded)
        .start()
        .await;
    let claim = || {
        let now = app.clock.now().as_seconds();
        app.provider.change_next_user_info(move |claims| {
            for (name, value) in [
                ("auth_time", json!(now)),
                ("acr", json!("strong")),
                ("acrs", json!(["strong"])),
                ("amr", json!(["mfa"])),
                ("nickname", json!("Countess")),
            ] {
                claims.insert(name.into(), value);
            }
        });
    };
    app.provider.change_next_id_token(|claims| {
        for name in ["auth_time", "acr", "acrs", "amr"] {
            claims.insert(name.into(), Value::Null);
        }
    });
    claim();
    let mut tab = app.signed_in().await;
    for renewed in [false, true] {
        if renewed {
            app.turn(3600 + 300);
            claim();
        }
        let claims = tab.open(app.at("/me")).await.json()["claims"].clone();
        assert_eq!(claims["nickname"], "Countess", "renewed: {renewed}");
        for name in ["auth_time", "acr", "acrs", "amr"] {
            assert!(claims[name].is_null(), "{name}, renewed: {renewed}: {claims}");
        }
        for path in ["/recent", "/strong"] {
            let answer = tab.fetch(Method::GET, path).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}, renewed: {renewed}");
        }
    }
}
