//! Requests to a provider that the application reaches under another host.

use serde_json::json;

use crate::{
    config::IdentityConfig,
    protocol::{
        grant::TokenParams,
        test_support::{FakeHttp, answer, config, document, key_set, published},
    },
};

/// Issuer outside, this application in a network of containers with the provider.
#[tokio::test]
async fn the_provider_is_asked_in_the_back_channel_under_its_public_name() {
    for (change, token_host) in
        [("https://id.example", "keycloak:8080"), ("http://keycloak:8080", "keycloak:8080")]
    {
        let mut document = document();
        // Keycloak names the endpoints for applications as they came
        // (`hostname-backchannel-dynamic`).
        document["token_endpoint"] = json!(format!("{change}/token"));
        document["authorization_endpoint"] = json!(format!("{change}/authorize"));
        let http = FakeHttp::new(move |request| match request.uri().path() {
            "/token" => Ok(answer(200, json!({"access_token": "a", "token_type": "Bearer"}))),
            _ => Ok(published(request, &document, &key_set())),
        });
        let inside =
            config().with_back_channel("http://keycloak:8080").unwrap().danger_allow_http();
        let (provider, _) = http.provider(inside);
        provider.refresh(&"rt".into(), &TokenParams::default()).await.unwrap();
        for path in ["/.well-known/openid-configuration", "/token"] {
            let request = http.find(path);
            assert_eq!(request.uri().authority().unwrap().as_str(), token_host, "{path}");
        }
        let asked = http.find("/.well-known/openid-configuration");
        assert_eq!(
            (&asked.headers()["host"], &asked.headers()["x-forwarded-proto"]),
            (&"id.example".parse().unwrap(), &"https".parse().unwrap())
        );
        let metadata = provider.metadata().await.unwrap();
        assert_eq!(metadata.issuer, "https://id.example");
        assert_eq!(
            metadata.authorization_endpoint().unwrap().as_str(),
            "https://id.example/authorize",
            "browsers are not sent inside"
        );
    }
}

#[tokio::test]
async fn an_issuer_of_the_back_channel_is_another_issuer() {
    let mut document = document();
    document["issuer"] = json!("http://keycloak:8080");
    let http = FakeHttp::publishing(document, key_set());
    let inside: IdentityConfig =
        config().with_back_channel("http://keycloak:8080").unwrap().danger_allow_http();
    let error = http.provider(inside).0.metadata().await.unwrap_err().to_string();
    assert!(
        error.contains("http://keycloak:8080") && error.contains("https://id.example"),
        "{error}"
    );
}

/// FusionAuth, WSO2: the issuer is a name, and its document is at another address.
#[tokio::test]
async fn a_document_elsewhere_is_read_there_and_held_to_the_issuer() {
    let elsewhere = || config().with_discovery_url("https://login.example/x/document").unwrap();
    let http = FakeHttp::new(|request| match request.uri().path() {
        "/x/document" => Ok(answer(200, document())),
        _ => Ok(answer(404, "")),
    });
    let metadata = http.provider(elsewhere()).0.metadata().await.unwrap();
    assert_eq!(metadata.issuer, "https://id.example");
    assert_eq!(http.last().uri().to_string(), "https://login.example/x/document");
    let mut other = document();
    other["issuer"] = json!("https://login.example");
    let http = FakeHttp::new(move |_| Ok(answer(200, &other)));
    let error = http.provider(elsewhere()).0.metadata().await.unwrap_err().to_string();
    assert!(error.contains("https://login.example"), "{error}");
}

#[tokio::test]
async fn without_a_back_channel_nothing_is_changed() {
    let http = FakeHttp::publishing(document(), key_set());
    http.provider(config()).0.metadata().await.unwrap();
    assert_eq!(http.last().uri().host(), Some("id.example"));
    assert!(!http.last().headers().contains_key("host"));
}
