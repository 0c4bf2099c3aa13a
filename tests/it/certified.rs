//! The layer against a certified provider, `tests/provider`, which checks requests more strictly
//! than the development provider. These tests start it; `tests/run certified` installs its
//! dependencies.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tower_identity::{
    ClientCredential, SignInOptions,
    config::{Algorithm, ResponseMode, SignInMethod, UserInfo},
};

use crate::{
    browser::{Browser, Page, html},
    certified_app::{CertifiedApp, PROVIDER, Provider, sign_in},
    client_certified::agrees,
};

// C-001: OP answers the code flow correctly
// C-006: token endpoint accepts client_secret_basic only
// C-007: token endpoint accepts client_secret_post only
// C-004: OP answers with an auto-submitted form
/// Every way of client authentication with every response mode.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_and_out() {
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        for mode in [ResponseMode::Query, ResponseMode::FormPost] {
            let members = json!({ "token_endpoint_auth_method": method });
            let app = CertifiedApp::with(&members, |config| config.with_response_mode(mode)).await;
            let browser = Browser::new();
            let mut tab = app.signed_in(&browser, "ada").await;
            let me = tab.page().json();
            assert_eq!(
                (me["name"].as_str(), me["claims"]["email"].as_str()),
                (Some("Person ada"), Some("ada@example.com"))
            );
            assert!(browser.jar().refused.is_empty(), "{:?}", browser.jar().refused);

            app.sign_out(&mut tab).await;
            assert!(browser.cookies("localhost").is_empty());
            let asked = tab.open(format!("{}/me", app.url)).await;
            assert!(
                asked.body.contains("password"),
                "the provider has forgotten the person: {}",
                asked.body
            );
        }
    }
}

// C-011: RS256 token
// C-012: ES256 token, client registered for ES256
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_with_every_algorithm() {
    for (name, algorithm) in [
        ("RS256", Algorithm::Rs256),
        ("PS256", Algorithm::Ps256),
        ("ES256", Algorithm::Es256),
        ("EdDSA", Algorithm::EdDsa),
    ] {
        let members = json!({ "id_token_signed_response_alg": name });
        let app =
            CertifiedApp::with(&members, |config| config.with_id_token_algorithms([algorithm]))
                .await;
        app.signed_in(&Browser::new(), "ada").await;
    }
}

/// Shapes of unknown providers, with only the settings that every application needs: authority,
/// client id, secret and base URL.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_in_other_shapes_is_met_with_the_defaults() {
    let long = "s".repeat(200);
    let no_iss = json!({
        "iss": false, "document": { "authorization_response_iss_parameter_supported": null },
    });
    let silent = json!({ "document": {
        "scopes_supported": null, "response_modes_supported": null,
        "token_endpoint_auth_methods_supported": null,
        "grant_types_supported": null, "code_challenge_methods_supported": null,
        "userinfo_endpoint": null,
        "id_token_signing_alg_values_supported": ["RS256"], "subject_types_supported": null,
    } });
    // The provider's shape, the members of the client, the person, whether there are refresh
    // tokens.
    let shapes = [
        (json!({ "algorithms": ["ES256"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["ES384"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["EdDSA"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["RS512"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["PS384"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["ES256", "RS256"] }), json!({}), "ada", true),
        (json!({ "auth_methods": ["client_secret_post"] }), json!({}), "ada", true),
        (json!({ "auth_methods": ["client_secret_post", "none"] }), json!({}), "ada", true),
        (json!({ "rotation": false }), json!({}), "ada", true),
        (json!({ "refresh": false }), json!({ "access_token_seconds": 3600 }), "ada", false),
        (
            json!({}),
            json!({ "grant_types": ["authorization_code"], "access_token_seconds": 3600 }),
            "ada",
            false,
        ),
        (no_iss, json!({}), "ada", true),
        (silent, json!({}), "ada", true),
        (json!({}), json!({}), long.as_str(), true),
    ];
    for (shape, client, person, refreshes) in shapes {
        println!("{shape} {client}");
        let provider = Provider::start(&shape);
        let mut members = json!({ "access_token_seconds": 60 });
        members.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
        for mode in [ResponseMode::Query, ResponseMode::FormPost] {
            let app = CertifiedApp::at(&provider, &members, |config, client| {
                let secret = ClientCredential::secret(client["client_secret"].as_str().unwrap());
                config.with_credential(secret).with_response_mode(mode)
            })
            .await;
            let browser = Browser::new();
            for _ in 0..2 {
                let mut tab = app.signed_in(&browser, person).await;
                for source in if refreshes { ["provider", "cache"] } else { ["sign_in", "sign_in"] }
                {
                    let token = app.token(&mut tab).await;
                    assert_eq!(token["source"], source, "{token}");
                    assert!(!token["token"].as_str().unwrap().contains('.'), "opaque: {token}");
                }
                app.sign_out(&mut tab).await;
                assert!(
                    browser.cookies("localhost").is_empty() && browser.jar().refused.is_empty()
                );
            }
        }
    }
}

// C-082: RS256 token when PS256/ES256 was registered
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_with_another_algorithm_than_agreed_is_refused() {
    let app = CertifiedApp::with(&json!({}), |config| {
        config.with_id_token_algorithms([Algorithm::Es256])
    })
    .await;
    let mut tab = Browser::new().tab();
    tab.open(format!("{}/me", app.url)).await;
    sign_in(&mut tab, "ada").await;
    assert!(tab.page().body.contains("token_algorithm"), "{}", tab.page().body);
}

// C-032: userinfo wants the header
// C-055: refresh grant
// C-241: answer has a new refresh_token
/// Rotation with reuse detection, one refresh after the other.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_rotates_refresh_tokens() {
    let app = CertifiedApp::with(&json!({ "access_token_seconds": 2 }), |config| {
        config.with_user_info(UserInfo::AtSignIn)
    })
    .await;
    let mut tab = app.signed_in(&Browser::new(), "ada").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let token = app.token(&mut tab).await;
        assert_eq!(token["source"], "provider", "{token}");
        let token = token["token"].as_str().unwrap().to_owned();
        assert!(!seen.contains(&token));
        seen.push(token);
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }
    assert_eq!(tab.reload().await.status, StatusCode::OK);
}

/// Without a single flight the provider's reuse detection would revoke the grant.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_sees_one_refresh_of_many_requests() {
    let app = CertifiedApp::with(&json!({ "access_token_seconds": 60 }), |config| config).await;
    let tab = app.signed_in(&Browser::new(), "ada").await;
    let asking = (0..30).map(|_| {
        let (mut tab, app) = (tab.again(), CertifiedApp { url: app.url.clone() });
        tokio::spawn(async move { app.token(&mut tab).await["token"].clone() })
    });
    let mut tokens = Vec::new();
    for task in asking.collect::<Vec<_>>() {
        tokens.push(task.await.unwrap());
    }
    assert!(tokens[0].is_string() && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

// C-176: max_age sent, auth_time missing
// C-024: OP looks for nonce in the request
/// The requested parameters are checked in the ID token.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_states_when_the_user_signed_in() {
    let options =
        SignInOptions::new().with_max_age(Duration::from_secs(3600)).with_login_hint("ada");
    let app = CertifiedApp::with(&json!({}), |config| config.with_sign_in(options)).await;
    let tab = app.signed_in(&Browser::new(), "ada").await;
    let claims = tab.page().json()["claims"].clone();
    assert!(claims["auth_time"].is_i64() && claims["nonce"].is_string(), "{claims}");
}

// C-052: keys rotated between two logins
// C-053: keys rotated after the RP cached them, before the token is signed
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_rotates_its_keys() {
    let app = CertifiedApp::start().await;
    app.signed_in(&Browser::new(), "ada").await;
    assert_eq!(
        PROVIDER.post("/test/rotate-keys", &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
    app.signed_in(&Browser::new(), "grace").await;
}

// C-326: two tabs log in at once
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_two_tabs_at_once() {
    let app = CertifiedApp::start().await;
    let browser = Browser::new();
    let (mut first, mut second) = (browser.tab(), browser.tab());
    first.open(format!("{}/me?tab=1", app.url)).await;
    second.open(format!("{}/me?tab=2", app.url)).await;
    sign_in(&mut first, "ada").await;
    sign_in(&mut second, "ada").await;
    let shows = |page: &Page| (page.status, page.url.query().map(str::to_owned));
    assert_eq!(shows(first.reload().await), (StatusCode::OK, Some("tab=1".into())));
    assert_eq!(shows(second.reload().await), (StatusCode::OK, Some("tab=2".into())));
}

/// RFC 8628: the application has no redirect URI at the provider, and the code is entered in
/// another browser.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_by_device_code() {
    let members = json!({
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "redirect_uris": [], "response_types": [],
    });
    let app =
        CertifiedApp::with(&members, |config| config.with_sign_in_method(SignInMethod::DeviceCode))
            .await;
    let mut tab = Browser::new().tab();
    let page = tab.open(format!("{}/me?by=code", app.url)).await;
    let links = html::links(&page.body);
    let (address, _) = links
        .iter()
        .find(|(address, _)| address.starts_with(&PROVIDER.issuer))
        .expect("no link to the provider");
    let shown = agrees(address).await;
    // The interval is 5 s (RFC 8628 section 3.5), and ends with a whole second of the clock.
    tokio::time::sleep(Duration::from_millis(6100)).await;
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, page.url.query()),
        (StatusCode::OK, Some("by=code")),
        "{}: {shown}",
        page.body
    );
    assert_eq!(page.json()["sub"], "ada");
    assert!(app.token(&mut tab).await["token"].is_string());
}
