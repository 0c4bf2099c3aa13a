//! A provider that lists a scope but refuses it to this application: a second request leaves out
//! the scopes that no setting names.

use axum::http::StatusCode;
use serde_json::json;
use tower_identity::{
    Prompt, SignInOptions,
    config::{IdentityConfig, SignInMethod},
    dev::{Endpoint, Failure, Quirk},
};

use crate::{app::App, captured_log::Log};

/// The error of Duende, Authelia, GitLab and Okta, and that of OpenIddict.
const REFUSALS: [(&str, &str); 2] = [
    ("invalid_scope", ""),
    ("invalid_request", "The client application is not allowed to use the 'offline_access' scope."),
];

/// An application with one scope of its own, and no setting for the scopes of OpenID Connect.
async fn app() -> App {
    let app = App::builder().config(|config| config.with_scopes(["notes.read"])).start().await;
    app.provider.sign_in_as("ada").unwrap();
    app
}

/// The scopes of the last request to this endpoint.
fn asked_for(app: &App, endpoint: Endpoint) -> String {
    let request = app.provider.last_request(endpoint).unwrap();
    request.parameter("scope").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_default_scope_that_the_provider_refuses_is_left_out_of_a_second_request() {
    for (error, description) in REFUSALS {
        let (log, _listening) = Log::listen();
        let app = app().await;
        app.provider.refuse_next_sign_in(error, description);
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/other?page=2")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert_eq!((page.url.path(), page.url.query()), ("/other", Some("page=2")));
        assert_eq!(asked_for(&app, Endpoint::Authorization), "openid notes.read");
        assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
        assert!(log.text().contains("IDENTITY_OPENID_SCOPES"), "{}", log.text());
        // The scopes that a setting names are requested.
        assert_eq!(tab.open(app.at("/token")).await.status, StatusCode::OK);
    }
}

/// The refusal comes through the browser, so it could be forged.
#[tokio::test]
async fn one_persons_refused_scopes_are_asked_for_in_the_next_persons_sign_in() {
    let app = app().await;
    app.provider.refuse_next_sign_in("invalid_scope", "");
    assert_eq!(app.browser().tab().open(app.at("/other")).await.status, StatusCode::OK);
    assert_eq!(app.browser().tab().open(app.at("/other")).await.status, StatusCode::OK);
    let scopes = asked_for(&app, Endpoint::Authorization);
    assert_eq!(scopes, "openid profile email offline_access notes.read");
}

#[tokio::test]
async fn scopes_that_are_refused_again_or_that_a_setting_names_are_an_error() {
    let named = |config: IdentityConfig| config.with_openid_scopes(["openid", "offline_access"]);
    let app = App::builder().config(named).start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in("invalid_scope", "");
    let page = app.browser().tab().open(app.at("/other")).await.clone();
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);

    let silent = |config: IdentityConfig| {
        config.with_sign_in(SignInOptions::new().with_prompt(Prompt::None))
    };
    for app in [app_with(|config| config).await, app_with(silent).await] {
        (0..9).for_each(|_| app.provider.refuse_next_sign_in("invalid_scope", ""));
        let page = app.browser().tab().open(app.at("/other")).await.clone();
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Authorization), 2, "once, and then it is told");
    }
}

async fn app_with(settings: impl FnOnce(IdentityConfig) -> IdentityConfig) -> App {
    let app = App::builder().config(settings).start().await;
    app.provider.sign_in_as("ada").unwrap();
    app
}

#[tokio::test]
async fn a_default_scope_that_the_token_endpoint_refuses_is_left_out_of_a_second_sign_in() {
    let app = app().await;
    let refused = json!({"error": "invalid_scope"}).to_string();
    app.provider.fail_next(Endpoint::Token, 1, Failure::json(400, refused));
    let page = app.browser().tab().open(app.at("/other")).await.clone();
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(asked_for(&app, Endpoint::Authorization), "openid notes.read");
}

#[tokio::test]
async fn a_default_scope_that_the_device_endpoint_refuses_is_left_out_from_then_on() {
    let app = App::builder()
        .config(|config| {
            config.with_sign_in_method(SignInMethod::DeviceCode).with_scopes(["notes.read"])
        })
        .start()
        .await;
    let refused = || Failure::json(400, json!({"error": "invalid_scope"}).to_string());
    app.provider.fail_next(Endpoint::DeviceAuthorization, 1, refused());
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), 2);
    assert_eq!(asked_for(&app, Endpoint::DeviceAuthorization), "openid notes.read");
    app.browser().tab().open(app.at("/me")).await;
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), 3, "it is remembered");
    assert_eq!(asked_for(&app, Endpoint::DeviceAuthorization), "openid notes.read");

    // Scopes that are refused by name are reported, too.
    app.provider.fail_next(Endpoint::DeviceAuthorization, 2, refused());
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
}

/// RFC 6749 sections 5.1 and 6.
#[tokio::test]
async fn a_token_response_without_scope_grants_the_scopes_of_the_request_as_it_was_sent() {
    let all = json!(["email", "notes.read", "openid", "profile"]);
    for (refused, expected) in [(true, json!(["notes.read", "openid"])), (false, all)] {
        let app = App::builder()
            // The second quirk also leaves `offline_access` out of `scopes_supported`.
            .provider(|provider| provider.with_quirks([Quirk::NoScope, Quirk::NoOfflineAccess]))
            .authority(|provider, url| provider.config(url).unwrap())
            .config(|config| config.with_scopes(["notes.read"]))
            .start()
            .await;
        if refused {
            app.provider.refuse_next_sign_in("invalid_scope", "");
        }
        let mut tab = app.signed_in().await;
        let at_sign_in = tab.open(app.at("/token")).await.json();
        assert_eq!(at_sign_in["scopes"], expected);
        app.turn(3600 + 300);
        let refreshed = tab.open(app.at("/token")).await.json();
        assert_eq!(refreshed["scopes"], expected);
        assert_ne!(refreshed["token"], at_sign_in["token"]);
    }
}

/// OpenID Connect Discovery section 3: a provider without refresh tokens may refuse the scope.
#[tokio::test]
async fn a_refresh_token_is_not_asked_for_where_the_document_lists_the_grants_without_it() {
    for (grants, expected) in [
        (json!(["authorization_code"]), "openid profile email notes.read"),
        (json!(["authorization_code", "refresh_token"]), ALL),
        (json!(null), ALL),
    ] {
        let app = app().await;
        app.provider.change_next_discovery(move |document| {
            document.remove("scopes_supported");
            document.insert("grant_types_supported".to_owned(), grants);
        });
        assert_eq!(app.sign_in().await.status, StatusCode::OK);
        assert_eq!(asked_for(&app, Endpoint::Authorization), expected);
    }
}

/// The default scopes, and that of the application.
const ALL: &str = "openid profile email offline_access notes.read";
