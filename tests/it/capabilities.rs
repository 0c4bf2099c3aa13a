//! `with_client_capabilities`: they are in every authorization and token request.

use serde_json::Value;
use tower_identity::{
    Authority, ClientCredential, IdentityConfig,
    client::{Client, TokenRequest},
    config::SignInMethod,
    dev::{DevClient, DevProvider, DevTenant, Endpoint, RecordedRequest},
};

use crate::{app::App, entra_app};

fn capable(config: IdentityConfig) -> IdentityConfig {
    config.with_client_capabilities(["cp1"])
}

fn capabilities(request: Option<RecordedRequest>) -> Value {
    let request = request.expect("a request");
    let claims: Value =
        serde_json::from_str(request.parameter("claims").unwrap_or("null")).unwrap();
    claims["access_token"]["xms_cc"]["values"].clone()
}

#[tokio::test]
async fn what_the_client_can_do_is_said_at_the_sign_in_the_redemption_and_the_refresh() {
    for entra in [false, true] {
        let app = match entra {
            true => entra_app::builder(DevTenant::CONTOSO.id()).config(capable).start().await,
            false => App::builder().config(capable).start().await,
        };
        let mut tab = app.signed_in().await;
        assert_eq!(
            capabilities(app.provider.last_request(Endpoint::Authorization)),
            serde_json::json!(["cp1"]),
            "{entra}"
        );
        let redeemed = app.provider.last_request(Endpoint::Token);
        assert_eq!(redeemed.as_ref().unwrap().parameter("grant_type"), Some("authorization_code"));
        assert_eq!(capabilities(redeemed), serde_json::json!(["cp1"]), "{entra}");
        app.turn(3600 + 300);
        tab.open(app.at("/me")).await;
        let refreshed = app.provider.last_request(Endpoint::Token);
        assert_eq!(refreshed.as_ref().unwrap().parameter("grant_type"), Some("refresh_token"));
        assert_eq!(capabilities(refreshed), serde_json::json!(["cp1"]), "{entra}");
    }
}

#[tokio::test]
async fn what_the_client_can_do_is_said_when_a_device_code_is_asked_for_and_asked_about() {
    let app = App::builder()
        .config(|config| capable(config).with_sign_in_method(SignInMethod::DeviceCode))
        .start()
        .await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/me")).await;
    assert_eq!(
        capabilities(app.provider.last_request(Endpoint::DeviceAuthorization)),
        serde_json::json!(["cp1"])
    );
    app.turn(5);
    tab.click("Continue").await;
    assert_eq!(
        capabilities(app.provider.last_request(Endpoint::Token)),
        serde_json::json!(["cp1"])
    );
}

#[tokio::test]
async fn what_the_client_can_do_is_said_on_behalf_of_a_caller() {
    const API: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";
    let provider = DevProvider::builder().entra().start().await.unwrap();
    provider.add_client(DevClient::confidential(API, "the secret of the api"));
    let config = IdentityConfig::new(Authority::parse(provider.issuer()).unwrap(), API)
        .with_credential(ClientCredential::secret("the secret of the api"));
    let client = Client::new(capable(config)).unwrap();
    let scopes = format!("openid api://{API}/access");
    let called = provider.issue_tokens("ada", provider.client_id(), &scopes, None).unwrap();
    let request = TokenRequest::new(["api://files/read"]).unwrap();
    // Whatever becomes of it.
    let _ = client.on_behalf_of(&called.access_token, &request).await;
    let asked = provider.last_request(Endpoint::Token);
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(asked.as_ref().unwrap().parameter("grant_type"), Some(grant));
    assert_eq!(capabilities(asked), serde_json::json!(["cp1"]));
}

#[tokio::test]
async fn without_capabilities_there_are_no_claims() {
    let app = App::start().await;
    app.signed_in().await;
    for endpoint in [Endpoint::Authorization, Endpoint::Token] {
        assert_eq!(app.provider.last_request(endpoint).unwrap().parameter("claims"), None);
    }
}
