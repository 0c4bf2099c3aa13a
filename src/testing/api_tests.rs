//! An API, its caller, and a further API that it calls for that caller.

use axum::{Router, body::Body, extract::State, http::Request, routing::get};
use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{
    ApiCaller, ApiConfig, ApiLayer, Authority, ClientCredential, Error, IdentityConfig,
    client::{Client, TokenRequest},
    dev::{Consent, DevAccessToken, DevClient, DevProvider},
    outgoing::{Api, ApiClient},
    protocol::test_support::{FakeHttp, answer},
};

const NOTES: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";
const SECRET: &str = "the secret of the notes API";

async fn today(caller: ApiCaller, weather: State<ApiClient>) -> Result<String, Error> {
    let today: Value = weather.get_json(&caller, "/today").await?;
    Ok(today["sky"].to_string())
}

/// The answer of the API `notes` to Ada, when the API `weather` answers as `weather` does.
async fn notes(
    weather: impl FnMut(&http::Request<Bytes>) -> Response<Bytes> + Send + 'static,
) -> Response<Body> {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    provider.add_client(DevClient::confidential(NOTES, SECRET).with_consent(Consent::Given));
    let config = ApiConfig::new(Authority::parse(provider.issuer()).unwrap(), NOTES)
        .with_credential(ClientCredential::secret(SECRET))
        .build()
        .unwrap();
    let mut weather = weather;
    let http = FakeHttp::new(move |request| Ok(weather(request)));
    let weather = Api::at("https://weather.example", ["api://weather/Today.Read"]).unwrap();
    let app = Router::new()
        .route("/today", get(today))
        .with_state(ApiClient::new(weather).with_http_client(http))
        .layer(ApiLayer::new(config));
    let token = provider.access_token("ada", &format!("api://{NOTES}"), "Notes.Read").unwrap();
    let request = Request::get("/today")
        .header("authorization", format!("Bearer {}", token.expose()))
        .body(Body::empty())
        .unwrap();
    let (head, body) = app.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, Body::new(body))
}

#[tokio::test]
async fn an_api_calls_another_api_for_its_caller() {
    let answer = notes(|request| {
        let sent = request.headers()["authorization"].to_str().unwrap();
        assert!(sent.starts_with("Bearer "), "{sent}");
        answer(200, r#"{"sky":"blue"}"#)
    })
    .await;
    assert_eq!(answer.status(), 200);
}

/// The scopes of the further API are of no use to the client, which gets a token for this API.
#[tokio::test]
async fn the_step_up_of_a_further_api_becomes_the_callers_challenge() {
    let answer = notes(|_| {
        let challenge = r#"Bearer error="insufficient_user_authentication", max_age="60""#;
        Response::builder()
            .status(401)
            .header("www-authenticate", challenge)
            .body(Bytes::new())
            .unwrap()
    })
    .await;
    assert_eq!(answer.status(), 401);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(r#"error="insufficient_user_authentication""#), "{challenge}");
    assert!(challenge.contains(r#"max_age="60""#), "{challenge}");
    assert!(!challenge.contains("Today.Read"), "{challenge}");
}

/// What the provider says when the API asks on behalf of the caller with this token.
async fn refused(provider: &DevProvider, token: &DevAccessToken) -> String {
    let config = IdentityConfig::new(Authority::parse(provider.issuer()).unwrap(), NOTES)
        .with_credential(ClientCredential::secret(SECRET));
    let token = provider.issue_access_token(token).unwrap();
    let request = TokenRequest::new(["api://weather/Today.Read"]).unwrap();
    let error = Client::new(config).unwrap().on_behalf_of(&token, &request).await.unwrap_err();
    error.provider().unwrap().description.clone().unwrap_or_default()
}

#[tokio::test]
async fn a_refusal_of_the_development_provider_names_the_setting_of_it_that_helps() {
    for provider in [DevProvider::builder().entra(), DevProvider::builder()] {
        let provider = provider.start().await.unwrap();
        let token = DevAccessToken::person("ada", format!("api://{NOTES}")).with_scopes("Notes");
        let said = refused(&provider, &token).await;
        assert!(said.contains("DevProvider::add_client"), "{said}");
        provider.add_client(DevClient::confidential(NOTES, SECRET));
        let said = refused(&provider, &token).await;
        assert!(said.contains("DevClient::with_consent(Consent::Given)"), "{said}");
    }
    // The client itself refuses a JWT for another API: an opaque token does not tell.
    let provider = DevProvider::start().await.unwrap();
    provider.add_client(DevClient::confidential(NOTES, SECRET));
    let token = DevAccessToken::person("ada", "https://notes.example").opaque();
    let said = refused(&provider, &token).await;
    assert!(said.contains("DevClient::with_resource"), "{said}");
}

/// An API can verify it: the format that is the default elsewhere would tell it nothing.
#[tokio::test]
async fn a_token_on_behalf_of_a_caller_for_a_named_resource_is_a_jwt() {
    let provider = DevProvider::start().await.unwrap();
    provider.add_client(DevClient::confidential(NOTES, SECRET).with_consent(Consent::Given));
    let config = IdentityConfig::new(Authority::parse(provider.issuer()).unwrap(), NOTES)
        .with_credential(ClientCredential::secret(SECRET));
    let token = provider.access_token("ada", &format!("api://{NOTES}"), "Notes.Read").unwrap();
    let request =
        TokenRequest::new(["Today.Read"]).unwrap().with_resource("https://weather.example");
    let token = Client::new(config).unwrap().on_behalf_of(&token, &request).await.unwrap();
    assert_eq!(token.expose().split('.').count(), 3, "an opaque token");
}

#[tokio::test]
async fn graph_at_a_plain_development_provider_names_the_one_that_has_graph() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config("http://localhost:3000").unwrap().build().unwrap();
    let error = config.graph_api("User.Read").unwrap_err().to_string();
    assert!(error.contains("DevProvider::builder().entra()"), "{error}");
    let elsewhere = Authority::oidc("https://login.example").unwrap();
    let error = Api::graph(&elsewhere, "User.Read").unwrap_err().to_string();
    assert!(!error.contains("DevProvider"), "{error}");
}
