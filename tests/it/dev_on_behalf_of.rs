//! The on-behalf-of grant of the development provider: an API that calls another one for its
//! caller.

use reqwest::StatusCode;
use serde_json::json;
use tower_identity::dev::{AccessTokenFormat, Consent, DevClient, DevProvider, DevTenant};

use crate::dev_grants::{API, BEARER, claims, contoso, entra, post, refresh_token};

#[tokio::test]
async fn an_api_acts_for_the_person_who_called_it() {
    let provider = entra().await;
    let api = DevClient::confidential(API, "the secret of the api").with_consent(Consent::Given);
    provider.add_client(api.clone());
    let token = |scopes: &str| {
        provider.issue_tokens("ada", provider.client_id(), scopes, None).unwrap().access_token
    };
    let called = token(&format!("openid api://{API}/access"));
    let form = |assertion: &'static str, scope: &'static str| {
        [
            ("grant_type", BEARER),
            ("requested_token_use", "on_behalf_of"),
            ("client_id", API),
            ("client_secret", "the secret of the api"),
            ("assertion", assertion),
            ("scope", scope),
        ]
    };
    let called = called.expose().to_owned().leak();
    let (status, answer) =
        post(&provider, &contoso(), &form(called, "api://files/read offline_access")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let given = claims(&answer["access_token"]);
    assert_eq!(
        (&given["azp"], &given["oid"]),
        (&json!(API), &json!(provider.object_id("ada", DevTenant::CONTOSO).unwrap()))
    );
    let other = token("openid api://another/access").expose().to_owned().leak();
    assert_eq!(
        post(&provider, &contoso(), &form(other, "User.Read")).await.1["error_codes"],
        json!([500_131])
    );
    assert_eq!(
        post(&provider, &contoso(), &form("made up", "User.Read")).await.1["error_codes"],
        json!([500_133])
    );
    provider.add_client(api.with_consent(Consent::Asked));
    assert_eq!(
        post(&provider, &contoso(), &form(called, "Mail.Read")).await.1["suberror"],
        "consent_required"
    );
}

#[tokio::test]
async fn an_api_of_any_provider_acts_for_the_person_who_called_it() {
    for format in [AccessTokenFormat::Opaque, AccessTokenFormat::Jwt] {
        let provider =
            DevProvider::builder().with_access_token_format(format).start().await.unwrap();
        let api = DevClient::confidential("tasks", "the secret of the api")
            .with_resource("https://tasks.example");
        provider.add_client(api.clone().with_consent(Consent::Given));
        let called = async |resource: &str| {
            let first = refresh_token(&provider, "openid offline_access tasks.read");
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &first),
                ("resource", resource),
            ];
            post(&provider, "/token", &form).await.1["access_token"].as_str().unwrap().to_owned()
        };
        let config = tower_identity::IdentityConfig::new(
            tower_identity::Authority::oidc(provider.issuer()).unwrap(),
            "tasks",
        )
        .with_credential(tower_identity::ClientCredential::secret("the secret of the api"));
        let client = tower_identity::client::Client::new(config).unwrap();
        let asks = |scopes: &str| {
            tower_identity::client::TokenRequest::new([scopes])
                .unwrap()
                .with_resource("https://files.example")
        };
        let caller = called("https://tasks.example").await;
        let given =
            client.on_behalf_of(&caller.as_str().into(), &asks("files.read")).await.unwrap();
        assert!(given.scopes().eq(["files.read"]));
        if format == AccessTokenFormat::Jwt {
            let given = claims(&json!(given.expose()));
            assert_eq!(
                (&given["aud"], &given["client_id"]),
                (&json!("https://files.example"), &json!("tasks"))
            );
            assert_eq!(given["sub"], json!(provider.person("ada").unwrap().subject()));
        }
        let refused = async |assertion: String, error: &str| {
            let refused =
                client.on_behalf_of(&assertion.into(), &asks("mail.read")).await.unwrap_err();
            assert_eq!(refused.provider().unwrap().error, error, "{refused}");
        };
        refused(called("https://another.example").await, "invalid_grant").await;
        refused("made up".to_owned(), "invalid_grant").await;
        let own = provider.issue_tokens("ada", "tasks", "openid", None).unwrap().access_token;
        refused(own.expose().to_owned(), "invalid_grant").await;
        let again = called("https://tasks.example").await;
        provider.challenge_next_refresh("{}");
        refused(again, "interaction_required").await;
        provider.add_client(api.clone());
        refused(called("https://tasks.example").await, "consent_required").await;
        provider.revoke_refresh_tokens("ada");
        refused(caller, "invalid_grant").await;
    }
}

/// One line for an API that calls a further one.
#[tokio::test]
async fn an_api_needs_no_other_setting_to_act_for_its_caller() {
    for provider in [DevProvider::builder(), DevProvider::builder().entra()] {
        let provider =
            provider.with_client(DevClient::api(API, "the secret")).start().await.unwrap();
        let config = tower_identity::IdentityConfig::new(
            tower_identity::Authority::parse(provider.issuer()).unwrap(),
            API,
        )
        .with_credential(tower_identity::ClientCredential::secret("the secret"));
        let caller = provider.access_token("ada", API, "Notes.Read").unwrap();
        let request = tower_identity::client::TokenRequest::new(["api://weather/Weather.Read"]);
        let request = request.unwrap().with_resource("api://weather");
        let client = tower_identity::client::Client::new(config).unwrap();
        let token = client.on_behalf_of(&caller, &request).await.unwrap();
        // Entra writes the id alone.
        let named = claims(&json!(token.expose()))["aud"].as_str().unwrap().to_owned();
        assert_eq!(named.trim_start_matches("api://"), "weather");
    }
}

/// The API verifies it. A token without the name of an API tells nobody anything.
#[tokio::test]
async fn a_token_that_names_its_api_is_a_jwt_unless_the_format_was_chosen() {
    let parts = async |provider: tower_identity::dev::DevProviderBuilder, resource: &str| {
        let provider = provider.start().await.unwrap();
        let first = refresh_token(&provider, "openid offline_access tasks.read");
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", &first)];
        form.extend((!resource.is_empty()).then_some(("resource", resource)));
        let (_, answer) = post(&provider, "/token", &form).await;
        answer["access_token"].as_str().unwrap().split('.').count()
    };
    let opaque = || DevProvider::builder().with_access_token_format(AccessTokenFormat::Opaque);
    assert_eq!(parts(DevProvider::builder(), "https://tasks.example").await, 3);
    assert_eq!(parts(DevProvider::builder(), "").await, 1);
    assert_eq!(parts(opaque(), "https://tasks.example").await, 1);
}
