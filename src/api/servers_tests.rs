//! Authorization servers that are no OpenID providers, or publish less than one does.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Introspection,
    test_api::{TestApi, changed, claims, signed},
};
use crate::{
    clock::ManualClock,
    config::{Algorithm, ApiConfig, ClientCredential, Finding},
    protocol::test_support::{CLIENT_ID, FakeHttp, ISSUER, NOW, Signer, answer, document, key_set},
};

const SECRET: &str = "a secret of the API that is long enough";

/// What a server publishes that only issues access tokens (RFC 8414 section 2).
fn bare(issuer: &str) -> Value {
    json!({"issuer": issuer, "jwks_uri": format!("{ISSUER}/keys")})
}

fn token_of(issuer: &str) -> String {
    signed("at+jwt", &changed(claims(), |claims| claims["iss"] = json!(issuer)))
}

/// An API reads keys and introspects tokens. It redeems no codes and redirects no users.
#[tokio::test]
async fn an_api_needs_no_endpoint_that_it_does_not_use() {
    let api = TestApi::at(TestApi::plain_config(), bare(ISSUER), key_set());
    assert!(api.takes(&token_of(ISSUER)).await.starts_with("person"));

    let opaque = json!({
        "issuer": ISSUER, "introspection_endpoint": format!("{ISSUER}/introspect"),
    });
    let config = TestApi::plain_config()
        .with_credential(ClientCredential::secret(SECRET))
        .with_introspection(Introspection::Opaque);
    let api = TestApi::at(config, opaque.clone(), json!({}));
    let active = json!({
        "active": true, "aud": CLIENT_ID, "client_id": "app", "sub": "ada", "scope": "Notes.Read",
    });
    api.http.answer_with(move |request| {
        Ok(match request.uri().path() {
            "/introspect" => answer(200, &active),
            "/.well-known/openid-configuration" => answer(200, &opaque),
            _ => answer(404, ""),
        })
    });
    assert!(api.takes("opaque").await.starts_with("person"));
    // What needs the missing member says which it is.
    let told = api.with_token(&token_of(ISSUER)).await;
    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{told:?}");
    assert!(told.error.as_ref().unwrap().contains("`jwks_uri` is missing"), "{told:?}");
}

async fn problems(config: ApiConfig, document: Value, keys: Value) -> Vec<&'static str> {
    let http = FakeHttp::new(move |request| {
        Ok(match request.uri().path() {
            "/keys" => answer(200, &keys),
            "/.well-known/openid-configuration" => answer(200, &document),
            _ => answer(404, ""),
        })
    });
    let report = config.build().unwrap().check_with(http, ManualClock::at(NOW)).await;
    report.problems().map(Finding::code).collect()
}

/// The algorithms of the document are those of ID tokens; an access token may have another.
#[tokio::test]
async fn the_check_of_an_api_finds_what_the_api_would() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = json!({"keys": [signer.jwk("k1")]});
    let token = signer.sign(&json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}), &claims());
    for listed in [Value::Null, json!(["RS256"]), json!(["HS256"])] {
        let document = changed(document(), |document| {
            document["id_token_signing_alg_values_supported"] = listed.clone();
        });
        let api = TestApi::at(TestApi::plain_config(), document.clone(), keys.clone());
        assert!(api.takes(&token).await.starts_with("person"), "{listed}");
        let found = problems(TestApi::plain_config(), document, keys.clone()).await;
        assert!(found.is_empty(), "{listed}: {found:?}");
    }
    let named = TestApi::plain_config().with_algorithms([Algorithm::Rs256]);
    assert_eq!(problems(named, document(), keys.clone()).await, ["keys_unusable"]);
    assert_eq!(problems(TestApi::plain_config(), bare(ISSUER), keys).await, Vec::<&str>::new());
    let without = json!({"issuer": ISSUER, "introspection_endpoint": format!("{ISSUER}/i")});
    let introspecting = TestApi::plain_config()
        .with_credential(ClientCredential::secret(SECRET))
        .with_introspection(Introspection::Opaque);
    assert_eq!(problems(introspecting, without.clone(), json!({})).await, Vec::<&str>::new());
    let found = problems(TestApi::plain_config(), without, json!({})).await;
    assert_eq!(found, ["endpoint_missing"]);
}
