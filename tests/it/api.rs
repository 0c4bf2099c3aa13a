//! Access tokens and sessions side by side in one axum application.

use std::cell::RefCell;

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::get,
};
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer, Authority, User,
    dev::{AccessTokenFormat, Endpoint, Failure},
    require_scopes, require_sign_in,
};

use crate::{
    app::App,
    browser::{Page, Tab},
    captured_log::Log,
};

/// Pages and an API on one router.
async fn app() -> App {
    let settings = RefCell::new(None);
    let whoami = |user: Option<User>, caller: Option<ApiCaller>| async move {
        let caller = caller.map_or("none".into(), |caller| caller.kind().to_string());
        format!("session {}, caller {caller}", user.is_some())
    };
    let notes = Router::new()
        .route("/notes", get(|caller: ApiCaller| async move { caller.scopes().join(" ") }))
        .route_layer(require_scopes("offline_access"));
    let secret = Router::new()
        .route("/secret", get(|caller: ApiCaller| async move { caller.scopes().join(" ") }))
        .route_layer(require_scopes("secret.read"));
    let session = Router::new()
        .route("/session", get(|| async { "for sessions" }))
        .route_layer(require_sign_in());
    App::builder()
        .authority(|provider, url| {
            let authority = Authority::oidc(provider.authority_url()).unwrap();
            let api = ApiConfig::new(authority, provider.client_id())
                .with_resource("http://localhost/mcp")
                .unwrap();
            *settings.borrow_mut() = Some(api.build().unwrap());
            App::settings(provider, url)
        })
        .provider(|provider| provider.with_access_token_format(AccessTokenFormat::Jwt))
        .arrange(|router, identity| {
            let api = ApiLayer::new(settings.borrow_mut().take().unwrap());
            let routes = router.route("/whoami", get(whoami)).merge(notes).merge(secret);
            routes.merge(session).layer(identity.with_api(api))
        })
        .start()
        .await
}

/// A signed-in tab, and an access token of its session.
async fn signed_in(app: &App) -> (Tab, String) {
    let mut tab = app.signed_in().await;
    let token = tab.open(app.at("/token")).await.json()["token"].as_str().unwrap().to_owned();
    (tab, token)
}

/// The response to a script of the tab that sends this token.
async fn with_token(tab: &mut Tab, address: &str, token: &str) -> Page {
    let bearer = format!("Bearer {token}");
    tab.fetch_with(Method::GET, address, &[("authorization", &bearer)]).await
}

#[tokio::test]
async fn a_token_and_a_cookie_are_each_enough_on_one_route_and_the_token_decides() {
    let app = app().await;
    let (mut tab, token) = signed_in(&app).await;
    assert_eq!(tab.open(app.at("/whoami")).await.body, "session true, caller none");
    let page = with_token(&mut tab, &app.at("/whoami"), &token).await;
    assert_eq!(page.body, "session false, caller person");
    let mut stranger = app.browser().tab();
    stranger.open(app.at("/")).await;
    let page = with_token(&mut stranger, &app.at("/whoami"), &token).await;
    assert_eq!(page.body, "session false, caller person");
    let page = with_token(&mut tab, &app.at("/whoami"), "a.b.c").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.header("www-authenticate").contains(r#"error="invalid_token""#));
    assert_eq!(page.json()["reason"], "token_malformed");
}

/// Some gateways add a token to every request.
#[tokio::test]
async fn a_token_is_not_looked_at_on_the_paths_of_the_layer_itself() {
    let app = app().await;
    let (mut tab, token) = signed_in(&app).await;
    for path in ["/auth/login", "/auth/logout", "/auth/signed-out"] {
        let address = app.at(path);
        let plain = tab.fetch(Method::GET, &address).await;
        assert_ne!(plain.status, StatusCode::NOT_FOUND, "{path}");
        for token in [token.as_str(), "a.b.c"] {
            let page = with_token(&mut tab, &address, token).await;
            assert_eq!(page.status, plain.status, "{path}: {}", page.body);
        }
    }
}

#[tokio::test]
async fn a_guard_lets_through_what_the_token_allows() {
    let app = app().await;
    let (mut tab, token) = signed_in(&app).await;
    let page = with_token(&mut tab, &app.at("/notes"), &token).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let page = with_token(&mut tab, &app.at("/secret"), &token).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.header("www-authenticate").contains(r#"scope="secret.read""#));
}

#[tokio::test]
async fn what_needs_a_session_refuses_a_token_instead_of_failing() {
    let app = app().await;
    let (mut tab, token) = signed_in(&app).await;
    for path in ["/me", "/session"] {
        let page = with_token(&mut tab, &app.at(path), &token).await;
        assert_eq!(
            (page.status, &page.json()["reason"]),
            (StatusCode::FORBIDDEN, &"session_required".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_document_about_the_api_needs_neither_token_nor_session() {
    let app = app().await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/")).await;
    let page = tab.fetch(Method::GET, &app.at("/.well-known/oauth-protected-resource/mcp")).await;
    assert_eq!(page.json()["resource"], "http://localhost/mcp");
    assert_eq!(page.json()["authorization_servers"][0], app.provider.issuer());
}

/// Clients of an API learn where to get a token (RFC 9728), scripts of a page where to sign in.
#[tokio::test]
async fn a_program_with_neither_gets_both_challenges() {
    let app = app().await;
    let metadata =
        r#"resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp""#;
    let bearer = format!("Bearer {metadata}");
    let mut stranger = app.browser().tab();
    stranger.open(app.at("/")).await;
    let page = stranger.fetch(Method::GET, &app.at("/notes")).await;
    let challenges: Vec<_> = page.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenges.len(), 2, "{challenges:?}");
    assert_eq!(challenges[0], bearer.as_str(), "some clients read the first one alone");
    assert!(challenges[1].to_str().unwrap().starts_with("Cookie "), "{challenges:?}");

    let mut tab = app.signed_in().await;
    let page = tab.fetch(Method::GET, &app.at("/notes")).await;
    assert_eq!(
        (page.status, page.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, &*bearer)
    );
    let page = tab.open(app.at("/notes")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("No access"), "no sign-in helps: {}", page.body);
}

/// What the client can do nothing about is for the operator.
#[tokio::test]
async fn a_refusal_that_is_no_fault_of_the_client_is_a_warning() {
    let app = app().await;
    let (mut tab, token) = signed_in(&app).await;
    let (log, _listening) = Log::listen();
    let levels = || {
        let text = log.text();
        let refused = text.lines().filter(|line| line.contains("api::answer: request refused"));
        refused.filter_map(|line| line.split_whitespace().nth(1)).collect::<Vec<_>>().join(" ")
    };
    with_token(&mut tab, &app.at("/notes"), "nonsense").await;
    assert_eq!(levels(), "INFO");
    app.provider.fail_next(Endpoint::Keys, 9, Failure::Status(500));
    app.provider.fail_next(Endpoint::Discovery, 9, Failure::Status(500));
    let page = with_token(&mut tab, &app.at("/notes"), &token).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(levels(), "INFO WARN");
}
