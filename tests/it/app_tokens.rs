//! Tokens that are not the signed-in person's: of the application itself, and on behalf of a
//! caller.

use axum::{
    Extension, Json, Router,
    http::{HeaderMap, Method, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use tower_identity::{
    Authority, ClientCredential, Error, IdentityConfig, LazyUser, Secret, Tokens,
    client::TokenRequest,
    dev::{Consent, DevClient, DevProviderBuilder, DevTenant, Endpoint, Failure, RefreshTokens},
};

use crate::{app::App, entra_app};

const SCOPE: &str = "api://tasks/.default";

async fn for_app(tokens: Tokens) -> Result<String, Error> {
    Ok(tokens.for_app([SCOPE]).await?.expose().to_owned())
}

/// On a public path, on which the layer does not look for a session.
async fn for_nobody(Extension(identity): Extension<LazyUser>) -> Result<String, Error> {
    Ok(identity.app_tokens().acquire(&TokenRequest::new([SCOPE])?).await?.expose().to_owned())
}

async fn for_tenant(tokens: Tokens) -> Result<String, Error> {
    let request = TokenRequest::new([SCOPE])?.with_tenant(DevTenant::FABRIKAM.id());
    Ok(tokens.app_tokens().acquire(&request).await?.expose().to_owned())
}

/// An API of this application that calls another one.
async fn on_behalf(tokens: Tokens, headers: HeaderMap) -> Result<Json<Value>, Error> {
    let token = tokens.on_behalf_of(&bearer(&headers), ["api://files/read"]).await?;
    Ok(Json(json!({ "source": token.source().as_str() })))
}

async fn on_behalf_for_nobody(
    Extension(identity): Extension<LazyUser>,
    headers: HeaderMap,
) -> Result<String, Error> {
    let request = TokenRequest::new(["api://files/read"])?;
    Ok(identity
        .app_tokens()
        .on_behalf_of(&bearer(&headers), &request)
        .await?
        .source()
        .as_str()
        .to_owned())
}

fn bearer(headers: &HeaderMap) -> Secret {
    headers.get("x-assertion").map_or("h.e30.s", |value| value.to_str().unwrap()).into()
}

fn routes(router: Router) -> Router {
    router
        .route("/for-app", get(for_app))
        .route("/for-tenant", get(for_tenant))
        .route("/on-behalf", get(on_behalf))
        .route("/public/for-app", get(for_nobody))
        .route("/public/on-behalf", get(on_behalf_for_nobody))
}

async fn app() -> App {
    App::builder().provider(DevProviderBuilder::entra).router(routes).start().await
}

#[tokio::test]
async fn the_applications_token_is_one_for_all_users() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    let before = app.provider.requests(Endpoint::Token);
    let first = tab.open(app.at("/for-app")).await.body.clone();
    assert_eq!(tab.open(app.at("/for-app")).await.body, first);
    app.provider.sign_in_as("katherine").unwrap();
    let mut other = app.browser().tab();
    assert_eq!(other.open(app.at("/for-app")).await.body, first);
    assert_eq!(
        app.browser().tab().open(app.at("/public/for-app")).await.body,
        first,
        "nobody is signed in there"
    );
    let asked = app.provider.last_request(Endpoint::Token).unwrap();
    assert_eq!(
        asked.parameter("grant_type"),
        Some("authorization_code"),
        "the last one was katherine's sign-in"
    );
    assert_eq!(app.provider.requests(Endpoint::Token), before + 2);
}

/// No response of the provider leads to a sign-in, because a person cannot consent for the
/// application.
#[tokio::test]
async fn a_refused_application_does_not_redirect_its_users() {
    for error in [
        "interaction_required",
        "consent_required",
        "invalid_grant",
        "invalid_client",
        "access_denied",
    ] {
        let app = app().await;
        let mut tab = app.signed_in().await;
        let before = app.provider.requests(Endpoint::Authorization);
        app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError(error.into()));
        let page = tab.open(app.at("/for-app")).await.clone();
        assert_eq!(
            (page.status, page.url.path()),
            (StatusCode::BAD_GATEWAY, "/for-app"),
            "{error}: {}",
            page.body
        );
        assert!(
            page.body.contains(&format!("<dd>{error}</dd>")),
            "the page has the code: {}",
            page.body
        );
        let answer = tab.fetch(Method::GET, "/for-app").await;
        assert_eq!(
            (answer.status, &answer.json()["sign_in"]),
            (StatusCode::BAD_GATEWAY, &Value::Null),
            "{error}"
        );
        assert_eq!(app.provider.requests(Endpoint::Authorization), before);
        assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    }
}

// C-378: client credentials with common/organizations
#[tokio::test]
async fn at_an_authority_of_many_tenants_the_application_says_which() {
    let app = entra_app::builder("common")
        .config(|config| config.with_any_tenant())
        .router(routes)
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let before = app.provider.requests(Endpoint::Token);
    let page = tab.open(app.at("/for-app")).await.clone();
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::INTERNAL_SERVER_ERROR, "/for-app"),
        "{}",
        page.body
    );
    assert!(page.body.contains("not_configured"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Token), before);
    assert_eq!(tab.open(app.at("/for-tenant")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Token), before + 1);
}

#[tokio::test]
async fn a_public_client_has_no_tokens_of_its_own() {
    let settings =
        |config: tower_identity::IdentityConfig| config.with_credential(ClientCredential::none());
    let app = App::builder().config(settings).router(routes).start().await;
    let client = DevClient::public(app.provider.client_id()).with_any_loopback_redirect();
    app.provider
        .add_client(client.with_consent(Consent::Given).with_refresh_tokens(RefreshTokens::Never));
    let mut tab = app.signed_in().await;
    for path in ["/for-app", "/on-behalf"] {
        let page = tab.open(app.at(path)).await;
        assert_eq!(
            (page.status, page.url.path()),
            (StatusCode::INTERNAL_SERVER_ERROR, path),
            "{}",
            page.body
        );
        assert!(page.body.contains("not_configured"), "{}", page.body);
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

// C-382: OBO answers interaction_required with claims
/// The claims challenge goes to the caller, even if another person is signed in.
#[tokio::test]
async fn a_refusal_that_only_the_caller_can_resolve_is_a_challenge_for_the_caller() {
    const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let app = app().await;
    let mut tab = app.signed_in().await;
    let before = app.provider.requests(Endpoint::Authorization);
    let authority = app.provider.entra_authority(DevTenant::CONTOSO.id()).unwrap().to_string();
    let header = format!(
        r#"Bearer error="insufficient_claims", authorization_uri="{}", claims="{}""#,
        authority.replace("/v2.0", "/oauth2/authorize"),
        base64_simd::STANDARD.encode_to_string(CLAIMS)
    );
    let body =
        json!({"error": "interaction_required", "suberror": "basic_action", "claims": CLAIMS})
            .to_string();
    for path in ["/on-behalf", "/public/on-behalf"] {
        app.provider.fail_next(Endpoint::Token, 1, Failure::json(400, body.clone()));
        let answer = tab.fetch(Method::GET, path).await.clone();
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (StatusCode::UNAUTHORIZED, header.as_str()),
            "{path}"
        );
        app.turn(61);
    }
    app.provider.fail_next(Endpoint::Token, 1, Failure::json(400, body));
    let page = tab.open(app.at("/on-behalf")).await.clone();
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::UNAUTHORIZED, "/on-behalf"),
        "nobody is sent away: {}",
        page.body
    );
    app.turn(61);
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("invalid_grant".into()));
    let answer = tab.fetch(Method::GET, "/on-behalf").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#)
    );
    assert_eq!(app.provider.requests(Endpoint::Authorization), before);
}

// C-366: client_secret_basic with id and secret `client %&+-_.!~*'()`
/// The alphabet of a client id and of a secret (RFC 6749 appendix A.1 and A.2) has the space.
#[tokio::test]
async fn a_client_id_of_every_kind_of_character_signs_in_and_gets_tokens() {
    const NAME: &str = "client %&+-_.!~*'()";
    let client = DevClient::confidential(NAME, NAME).with_any_loopback_redirect();
    let app = App::builder()
        .provider(|provider| provider.with_client(client))
        .authority(|provider, url| {
            IdentityConfig::new(Authority::oidc(provider.issuer()).unwrap(), NAME)
                .with_credential(ClientCredential::secret(NAME))
                .with_base_url(url)
                .unwrap()
        })
        .router(routes)
        .start()
        .await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/for-app")).await.status, StatusCode::OK);
}
