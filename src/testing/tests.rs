//! Users and sessions for the tests of an application.

use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::get};
use http::StatusCode;
use tower::ServiceExt as _;

use crate::{
    IdentityConfig, IdentityLayer, ManualClock, User,
    config::ResponseMode,
    dev::{DevPerson, DevProvider, DevTenant, Endpoint, Failure, Spoil},
};

const BASE: &str = "http://localhost:3000";

fn layer(
    provider: &DevProvider,
    settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
) -> IdentityLayer {
    IdentityLayer::new(settings(provider.config(BASE).unwrap()).build().unwrap())
}

fn app(layer: &IdentityLayer) -> Router {
    Router::new()
        .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
        .layer(layer.clone())
}

async fn status(app: &Router, path: &str, cookie: &str) -> StatusCode {
    let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn a_user_for_a_unit_test_has_the_claims_of_a_sign_in_and_working_tokens() {
    let provider = DevProvider::start().await.unwrap();
    let ada = provider.user("ada").await.unwrap();
    assert_eq!((ada.display_name(), ada.email()), ("Ada Lovelace", Some("ada@example.com")));
    assert!(ada.has_role("Admin") && ada.issuer() == provider.issuer());
    assert_eq!(ada.subject(), provider.person("ada").unwrap().subject());
    let token = ada.tokens().for_user(["openid"]).await.unwrap();
    assert!(!token.expose().is_empty());
}

#[tokio::test]
async fn a_person_of_the_test_s_own_has_the_roles_groups_and_claims_that_it_sets() {
    let provider = DevProvider::start().await.unwrap();
    let mary = DevPerson::new("mary", "Mary Somerville")
        .with_roles(["Editor"])
        .with_groups(["astronomy"])
        .with_claim("department", "Optics");
    let mary = provider.user(mary).await.unwrap();
    assert_eq!(mary.roles(), ["Editor"]);
    assert!(matches!(mary.groups(), crate::Groups::Listed([group]) if group == "astronomy"));
    assert_eq!(mary.claim("department").unwrap(), "Optics");
    // A person of the provider with another role.
    let alan = provider.person("alan").unwrap().with_roles(["Editor"]);
    assert!(provider.user(alan).await.unwrap().has_role("Editor"));
}

#[tokio::test]
async fn a_person_of_another_tenant_is_one_of_that_tenant() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let dorothy = provider
        .user_for(
            &IdentityLayer::new(
                provider
                    .entra_config("organizations", BASE)
                    .unwrap()
                    .with_any_tenant()
                    .build()
                    .unwrap(),
            ),
            "dorothy",
        )
        .await
        .unwrap();
    assert_eq!(dorothy.tenant_id(), Some(DevTenant::FABRIKAM.id()));
    let error = provider.user("dorothy").await.unwrap_err().to_string();
    assert!(error.contains("does not exist in the tenant"), "{error}");
}

#[tokio::test]
async fn a_cookie_is_that_of_a_session_in_the_layer() {
    let provider = DevProvider::start().await.unwrap();
    let layer = layer(&provider, |config| config);
    let app = app(&layer);
    let (ada, alan) = (
        provider.cookie_for(&layer, "ada").await.unwrap(),
        provider.cookie_for(&layer, "alan").await.unwrap(),
    );
    assert_ne!(ada, alan);
    assert_eq!(status(&app, "/me", &ada).await, StatusCode::OK);
    assert_eq!(status(&app, "/me", &alan).await, StatusCode::OK);
    assert_eq!(status(&app, "/me", "").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_ends_when_the_test_says_so_or_its_clock_does() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().with_clock(clock.clone()).start().await.unwrap();
    let layer = layer(&provider, |config| config).with_clock(clock.clone());
    let app = app(&layer);
    let ended = provider.ended_cookie_for(&layer, "ada").await.unwrap();
    assert_eq!(status(&app, "/me", &ended).await, StatusCode::UNAUTHORIZED);
    let cookie = provider.cookie_for(&layer, "ada").await.unwrap();
    assert_eq!(status(&app, "/me", &cookie).await, StatusCode::OK);
    clock.advance(Duration::from_secs(8 * 24 * 3600));
    assert_eq!(status(&app, "/me", &cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_way_of_an_application_to_receive_the_response_signs_in() {
    let provider = DevProvider::start().await.unwrap();
    let form = layer(&provider, |config| config.with_response_mode(ResponseMode::FormPost));
    assert_eq!(provider.user_for(&form, "ada").await.unwrap().name(), Some("Ada Lovelace"));
    let public = layer(&provider, |config| config.add_public_path("/"));
    assert_eq!(provider.user_for(&public, "ada").await.unwrap().name(), Some("Ada Lovelace"));
    let config = provider.config("http://localhost:3000/shop").unwrap();
    let config = config.with_path_prefix(crate::config::PathPrefix::Kept).build().unwrap();
    let shop = IdentityLayer::new(config);
    assert_eq!(provider.user_for(&shop, "ada").await.unwrap().name(), Some("Ada Lovelace"));
    let tls = DevProvider::builder().with_tls().start().await.unwrap();
    assert_eq!(tls.user("ada").await.unwrap().name(), Some("Ada Lovelace"));
}

#[tokio::test]
async fn a_sign_in_that_fails_says_why() {
    let provider = DevProvider::start().await.unwrap();
    let layer = layer(&provider, |config| config);
    let why = async |expected: &str| {
        let outcome = provider.cookie_for(&layer, "ada").await;
        let error = outcome.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    provider.refuse_next_consent();
    why("access_denied").await;
    provider.fail_next(Endpoint::Token, 1, Failure::Status(503));
    why("provider_unreachable").await;
    provider.spoil_next_id_token(Spoil::ExpiryPast);
    why("expired").await;
    let error = provider.cookie_for(&layer, "nobody").await.unwrap_err().to_string();
    assert!(error.contains("\"nobody\"") && error.contains("ada, alan"), "{error}");
    let other = DevProvider::start().await.unwrap();
    let error = other.cookie_for(&layer, "ada").await.unwrap_err().to_string();
    assert!(error.contains(other.issuer()) && error.contains(provider.issuer()), "{error}");
}

#[tokio::test]
async fn the_people_of_two_browsers_do_not_affect_each_other_or_the_pages() {
    let provider = DevProvider::start().await.unwrap();
    let layer = layer(&provider, |config| config);
    let (ada, alan) =
        tokio::join!(provider.user_for(&layer, "ada"), provider.user_for(&layer, "alan"));
    assert_eq!(ada.unwrap().name(), Some("Ada Lovelace"));
    assert_eq!(alan.unwrap().name(), Some("Alan Turing"));
    let page = reqwest::get(format!(
        "{}/authorize?client_id=quickstart&redirect_uri=http://localhost/&response_type=code\
         &scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
         &code_challenge_method=S256",
        provider.issuer()
    ));
    assert_eq!(page.await.unwrap().status(), StatusCode::OK, "the pages are shown as before");
}

#[tokio::test]
async fn a_port_that_is_fixed_keeps_the_keys_of_people() {
    let first = DevProvider::start().await.unwrap();
    let (port, key) = (first.address().port(), first.user("ada").await.unwrap().key());
    first.shutdown().await;
    let second = DevProvider::builder().with_port(port).start().await.unwrap();
    assert_eq!(second.user("ada").await.unwrap().key(), key);
}

/// The page after a declined consent: the user may be signed in, and then stays so.
#[tokio::test]
async fn a_declined_consent_does_not_read_like_the_end_of_the_sign_in() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let layer = IdentityLayer::new(provider.config(&base).unwrap().build().unwrap());
    let mail = |tokens: crate::Tokens| async move {
        tokens.for_user(["Mail.Read"]).await?;
        Ok::<_, crate::Error>("two letters")
    };
    let app = Router::new()
        .route("/mail", get(mail))
        .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
        .layer(layer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let ada = provider.signed_in(&base, "ada").await.unwrap();
    provider.refuse_next_consent();
    let page = ada.get(format!("{base}/mail")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    let page = page.text().await.unwrap();
    assert!(page.contains("consent_declined") && page.contains("did not agree"), "{page}");
    assert!(!page.contains("cannot sign you in"), "{page}");
    let me = ada.get(format!("{base}/me")).header("accept", "application/json");
    assert_eq!(me.send().await.unwrap().text().await.unwrap(), "Ada Lovelace");
}
