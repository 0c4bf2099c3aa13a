//! Authorization servers that are no OpenID providers, or publish less than one does.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Introspection,
    test_api::{TestApi, changed, claims, signed},
};
use crate::{
    authority::Authority,
    clock::ManualClock,
    config::{Algorithm, ApiConfig, ClientCredential, Finding},
    protocol::test_support::{CLIENT_ID, FakeHttp, ISSUER, NOW, Signer, answer, document, key_set},
};

const SECRET: &str = "a secret of the API that is long enough";

/// What a server publishes that only issues access tokens (RFC 8414 section 2).
fn bare(issuer: &str) -> Value {
    json!({"issuer": issuer, "jwks_uri": format!("{ISSUER}/keys")})
}

/// An API at this issuer, whose server has this document at this URL, and nothing else but keys.
fn at(issuer: &str, url: &'static str, document: Value) -> TestApi {
    let config = ApiConfig::new(Authority::oidc(issuer).unwrap(), CLIENT_ID);
    let api = TestApi::at(config, Value::Null, Value::Null);
    api.http.answer_with(move |request| {
        Ok(match request.uri().to_string() {
            uri if uri == format!("{ISSUER}/keys") => answer(200, key_set()),
            uri if uri == format!("{ISSUER}{url}") => answer(200, &document),
            _ => answer(404, ""),
        })
    });
    api
}

fn token_of(issuer: &str) -> String {
    signed("at+jwt", &changed(claims(), |claims| claims["iss"] = json!(issuer)))
}

/// RFC 8414 section 3: the well-known path stands between host and path of the issuer.
#[tokio::test]
async fn the_metadata_of_an_authorization_server_serves_where_there_is_no_discovery_document() {
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    for (path, url) in [
        ("", OAUTH),
        ("/", OAUTH),
        ("/tenant/1", "/.well-known/oauth-authorization-server/tenant/1"),
        ("/tenant/1/", "/.well-known/oauth-authorization-server/tenant/1"),
    ] {
        let issuer = format!("{ISSUER}{path}");
        let api = at(&issuer, url, bare(&issuer));
        assert!(api.takes(&token_of(&issuer)).await.starts_with("person"), "{issuer}");
        let discovery = format!("{}/.well-known/openid-configuration", path.trim_end_matches('/'));
        assert_eq!((api.http.count(&discovery), api.http.count(url)), (1, 1), "{issuer}");
        // The document of another issuer is none, wherever it is.
        let other = at(&issuer, url, bare("https://evil.example"));
        let refused = other.with_token(&token_of(&issuer)).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
        assert!(refused.error.unwrap().contains("evil.example"));
        // The URL of the document is as good a name of the provider.
        let named = Authority::oidc(&format!("{ISSUER}{url}")).unwrap();
        assert_eq!(named, Authority::oidc(issuer.trim_end_matches('/')).unwrap());
    }
}

#[tokio::test]
async fn the_metadata_of_an_authorization_server_is_not_asked_for_in_vain() {
    const DISCOVERY: &str = "/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    let asked = async |api: &TestApi| {
        api.with_token(&token_of(ISSUER)).await;
        (api.http.count(DISCOVERY), api.http.count(OAUTH))
    };
    assert_eq!(asked(&at(ISSUER, DISCOVERY, bare(ISSUER))).await, (1, 0));
    for (status, counts) in [(503, (1, 0)), (429, (1, 0)), (403, (1, 1)), (405, (1, 1))] {
        let api = TestApi::plain();
        api.http.answer_with(move |_| Ok(answer(status, "")));
        assert_eq!(asked(&api).await, counts, "{status}");
    }
    // Where the URL of the document is set, it is there or nowhere.
    let set =
        TestApi::with(|config| config.with_discovery_url(&format!("{ISSUER}/elsewhere")).unwrap());
    assert_eq!(asked(&set).await, (0, 0));
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
    let refused = api.with_token(&token_of(ISSUER)).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.error.as_ref().unwrap().contains("`jwks_uri` is missing"), "{refused:?}");
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

/// Such a server may issue ID tokens, and then users sign in.
#[tokio::test]
async fn the_check_of_a_sign_in_says_that_it_found_no_openid_provider() {
    let found = async |path: &'static str| {
        let http = FakeHttp::new(move |request| {
            Ok(match request.uri().path() {
                "/keys" => answer(200, key_set()),
                asked if asked == path => answer(200, document()),
                _ => answer(404, ""),
            })
        });
        let config = crate::protocol::test_support::config().build().unwrap();
        let report = config.check_with(http, ManualClock::at(NOW)).await;
        report.findings().iter().any(|finding| finding.code() == "openid_not_announced")
    };
    assert!(found("/.well-known/oauth-authorization-server").await);
    assert!(!found("/.well-known/openid-configuration").await);
    assert!(!found("/nowhere").await);
}
