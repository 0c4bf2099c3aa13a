//! Unusual and invalid token responses, and the outcome of a complete sign-in with each.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_identity::dev::{Endpoint, Failure};

use crate::app::App;

// C-145: expires_in is a string, negative or a bool
// C-146: scope, refresh_token or id_token is null
/// A lifetime that is huge, missing or not a number does not fail a sign-in.
#[tokio::test]
async fn lifetimes_of_every_kind_are_borne() {
    let app = App::start().await;
    for value in [
        json!(0),
        json!("0060"),
        json!(0.4),
        json!(1e300),
        json!("18446744073709551615"),
        json!(null),
        json!(""),
        json!(-1),
        json!("1.5"),
        json!(" 3600 "),
        json!("٣٦٠٠"),
        json!(true),
        json!([3600]),
        json!({ "seconds": 3600 }),
    ] {
        for name in ["expires_in", "refresh_in"] {
            let change = value.clone();
            app.provider
                .change_next_token_answer(move |answer| drop(answer.insert(name.into(), change)));
            let page = app.sign_in().await;
            assert!(page.status.is_success(), "{name}: {value}: {} {}", page.status, page.body);
        }
    }
}

/// Unusual values of optional members, at a sign-in and at a refresh.
#[tokio::test]
async fn an_optional_member_of_no_use_loses_no_access_token() {
    for (name, value) in [
        ("refresh_token", json!("")),
        ("refresh_token", json!(null)),
        ("refresh_token", json!(7)),
        ("scope", json!(["openid", "profile", "offline_access"])),
        ("scope", json!("openid,profile,offline_access")),
        ("scope", json!(7)),
        ("expires_in", json!("")),
        ("token_type", json!("bearer")),
        ("refresh_in", json!("soon")),
    ] {
        let app = App::start().await;
        let change = value.clone();
        app.provider
            .change_next_token_answer(move |answer| drop(answer.insert(name.into(), change)));
        let mut tab = app.signed_in().await;
        let page = tab.open(app.at("/token")).await;
        assert_eq!(page.status, StatusCode::OK, "{name} {value}: {}", page.body);
    }
    for (name, value) in [
        ("id_token", json!("")),
        ("id_token", json!(null)),
        ("id_token", json!(7)),
        ("refresh_token", json!("")),
        ("scope", json!(["openid", "profile", "offline_access"])),
        ("expires_in", json!("")),
    ] {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        app.turn(3600 + 300);
        let (change, before) = (value.clone(), app.provider.requests(Endpoint::Token));
        app.provider
            .change_next_token_answer(move |answer| drop(answer.insert(name.into(), change)));
        let page = tab.open(app.at("/token")).await;
        assert_eq!(page.status, StatusCode::OK, "{name} {value}: {}", page.body);
        assert!(app.provider.requests(Endpoint::Token) > before, "{name} {value}");
    }
}

/// The ID token has members that are `null`: at authentik after a refresh, at other providers at
/// the sign-in.
#[tokio::test]
async fn claims_that_are_null_are_absent_at_the_sign_in_and_at_a_refresh() {
    fn blank(claims: &mut serde_json::Map<String, Value>) {
        for name in ["at_hash", "auth_time", "acr", "amr", "azp", "nbf", "sid", "groups", "email"] {
            claims.insert(name.into(), Value::Null);
        }
    }
    let app = App::start().await;
    app.provider.change_next_id_token(blank);
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    app.provider.change_next_id_token(|claims| {
        blank(claims);
        claims.insert("nonce".into(), Value::Null);
    });
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let page = tab.open(app.at("/token")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
}

/// Discovery documents that other clients accept.
#[tokio::test]
async fn a_document_with_odd_members_that_are_not_needed_signs_in() {
    for (name, value) in [
        ("revocation_endpoint", json!("/revoke")),
        ("revocation_endpoint", json!(null)),
        ("introspection_endpoint", json!([])),
        ("userinfo_endpoint", json!("http://id.example/userinfo")),
        ("device_authorization_endpoint", json!(7)),
        ("end_session_endpoint", json!("logout")),
        ("authorization_response_iss_parameter_supported", json!("true")),
        ("authorization_response_iss_parameter_supported", json!("yes")),
        ("id_token_signing_alg_values_supported", json!("RS256")),
        ("token_endpoint_auth_methods_supported", json!("client_secret_basic")),
        ("scopes_supported", json!({})),
        ("code_challenge_methods_supported", json!("S256")),
    ] {
        let app = App::start().await;
        let change = value.clone();
        app.provider
            .change_next_discovery(move |document| drop(document.insert(name.into(), change)));
        let page = app.sign_in().await;
        assert!(page.status.is_success(), "{name}: {value}: {} {}", page.status, page.body);
    }
}

/// The next refresh is due at once or never. In both cases the session continues.
#[tokio::test]
async fn a_token_without_a_life_is_fetched_anew() {
    for life in [json!(0), json!(1e300)] {
        let app = App::start().await;
        let ends = life == json!(0);
        app.provider
            .change_next_token_answer(move |answer| drop(answer.insert("expires_in".into(), life)));
        let mut tab = app.signed_in().await;
        let before = app.provider.requests(Endpoint::Token);
        assert_eq!(tab.open(app.at("/token")).await.status, StatusCode::OK);
        assert_eq!(app.provider.requests(Endpoint::Token) > before, ends);
    }
}

/// Unusual key sets of existing providers.
#[tokio::test]
async fn a_key_set_that_can_be_read_signs_in() {
    type Change = fn(&mut serde_json::Map<String, Value>);
    let changes: [(&str, Change); 5] = [
        ("padded", |key| {
            for name in ["n", "e"] {
                let text = key[name].as_str().unwrap();
                key[name] = format!("{text}{}", &"==="[..(4 - text.len() % 4) % 4]).into();
            }
        }),
        ("without operations", |key| drop(key.insert("key_ops".into(), json!([])))),
        ("of an unknown use", |key| drop(key.insert("use".into(), "signing".into()))),
        ("with members that are null", |key| {
            for name in ["use", "alg", "key_ops", "x5c", "x5t", "issuer", "d"] {
                key.insert(name.into(), Value::Null);
            }
        }),
        ("without a name", |key| drop(key.remove("kid"))),
    ];
    for (how, change) in changes {
        let app = App::start().await;
        app.provider.change_next_keys(move |set| {
            set["keys"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(change);
        });
        let page = app.sign_in().await;
        assert!(page.status.is_success(), "{how}: {} {}", page.status, page.body);
    }
}

/// The audience is a list, in which some providers repeat the client id.
#[tokio::test]
async fn the_same_audience_twice_is_one_audience() {
    let app = App::start().await;
    app.provider.change_next_id_token(|claims| {
        let client = claims["aud"].clone();
        claims.insert("aud".into(), json!([client, client]));
    });
    let page = app.sign_in().await;
    assert!(page.status.is_success(), "{}", page.body);
}

/// An `auth_time` that is not a number makes the token invalid. Another sign-in is not offered as
/// the remedy.
#[tokio::test]
async fn an_auth_time_as_text_is_a_malformed_claim() {
    let options =
        tower_identity::SignInOptions::new().with_max_age(std::time::Duration::from_secs(600));
    let app = App::builder().config(|config| config.with_sign_in(options)).start().await;
    let as_text = |claims: &mut serde_json::Map<String, Value>| {
        let text = claims["auth_time"].to_string();
        claims.insert("auth_time".into(), text.into());
    };
    app.provider.change_next_id_token(as_text);
    let page = app.sign_in().await;
    assert!(
        page.body.contains("token_malformed") && !page.body.contains("as recently as needed"),
        "{}",
        page.body
    );
    let app = App::start().await;
    app.provider.change_next_id_token(as_text);
    assert!(app.sign_in().await.status.is_success(), "nobody asked for it");
}

/// Bodies with status 200 from a proxy or a broken provider.
#[tokio::test]
async fn bodies_that_are_no_answer_sign_nobody_in() {
    let good = r#""access_token":"at","token_type":"Bearer","id_token":"a.b.c""#;
    let nested = format!("{{{good},\"deep\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    let bodies: Vec<(&str, String)> = vec![
        ("application/json", String::new()),
        ("application/json", "null".into()),
        ("application/json", format!("{{{good}}}{{{good}}}")),
        ("application/json", format!("{{{good},\"access_token\":\"other\"}}")),
        ("application/json", format!("{{{good},\"x\":{{\"a\":1,\"a\":2}}}}")),
        ("application/json", format!("{{{good},\"x\":1e999}}")),
        ("application/json", format!("{{{good},}}")),
        ("application/json", format!("{{{good}")),
        ("application/json", format!("[{{{good}}}]")),
        ("application/json", nested),
        (
            "application/json",
            r#"{"access_token":"a\u0000t","token_type":"Bearer","id_token":"a.b.c"}"#.into(),
        ),
        (
            "application/json",
            r#"{"access_token":"at","token_type":"DPoP","id_token":"a.b.c"}"#.into(),
        ),
        (
            "application/x-www-form-urlencoded",
            "access_token=at&token_type=bearer&id_token=a.b.c".into(),
        ),
        ("text/html", "<html><script>alert(1)</script></html>".into()),
        ("application/jwt", "a.b.c".into()),
    ];
    for (content_type, body) in bodies {
        let app = App::start().await;
        let failure =
            Failure::Body { status: 200, content_type: content_type.into(), body: body.clone() };
        app.provider.fail_next(Endpoint::Token, 1, failure);
        let page = app.sign_in().await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{content_type} {body}");
        assert!(!page.body.contains("alert(1)"), "{}", page.body);
    }
}

/// An unusable response to a refresh does not end the session: the next refresh is tried.
#[tokio::test]
async fn a_refresh_with_an_odd_answer_signs_nobody_out() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    for (status, body) in [
        (200, "{}"),
        (204, ""),
        (201, r#"{"access_token":"at","token_type":"Bearer"}"#),
        (302, ""),
        (400, ""),
        (400, "{}"),
        (400, r#"{"error":7}"#),
        (400, r#"{"error":["invalid_grant"]}"#),
        (401, "<html>"),
        (403, ""),
        (404, "not found"),
        (500, r#"{"error":"invalid_grant"}"#),
    ] {
        app.turn(3700);
        app.provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
        let refused = tab.open(app.at("/token")).await.status;
        assert_ne!(refused, StatusCode::INTERNAL_SERVER_ERROR, "{status} {body}");
        app.provider.stop_failing(Endpoint::Token);
        app.turn(3700);
        let page = tab.open(app.at("/token")).await;
        assert_eq!(
            (page.status, page.url.path()),
            (StatusCode::OK, "/token"),
            "{status} {body}: {}",
            page.body
        );
    }
    let me: Value = tab.open(app.at("/me")).await.json();
    assert_eq!(me["name"], "Ada Lovelace");
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1, "nobody was asked again");
}
