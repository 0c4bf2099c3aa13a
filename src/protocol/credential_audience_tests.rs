//! Assertions that the provider refuses for their audience: which other one is sent, and when.

use std::time::Duration;

use serde_json::{Value, json};

use super::{tests::*, *};
use crate::{
    config::{AccessTokenRules, AssertionAudience, ClientCredential},
    protocol::{
        grant::{Grant, TokenParams},
        test_support::{ISSUER, answer, document, key_set, published},
    },
    secret::from_base64url,
};

const TOKEN_ENDPOINT: &str = "https://id.example/token";

fn audience_of(form: &std::collections::HashMap<String, String>) -> String {
    let claims = form["client_assertion"].split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&from_base64url(claims).unwrap()).unwrap();
    claims["aud"].as_str().unwrap().to_owned()
}

/// A provider at whose endpoints an assertion for this audience authenticates, and no other.
fn takes(credential: ClientCredential, audience: &'static str) -> CredentialSetup {
    let setup = CredentialSetup::new(credential);
    let mut document = document();
    document["device_authorization_endpoint"] = json!("https://id.example/device");
    document["introspection_endpoint"] = json!("https://id.example/introspect");
    let forms = Arc::clone(&setup.forms);
    setup.http.answer_with(move |request| {
        let good = match request.uri().path() {
            "/token" => json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60}),
            "/device" => json!({
                "device_code": "d", "user_code": "u", "expires_in": 600,
                "verification_uri": "https://id.example/code",
            }),
            "/introspect" => {
                json!({"active": true, "aud": "api", "client_id": "app", "scope": "x"})
            }
            _ => return Ok(published(request, &document, &key_set())),
        };
        let form: std::collections::HashMap<String, String> =
            url::form_urlencoded::parse(request.body()).into_owned().collect();
        let is_taken = audience_of(&form) == audience;
        forms.lock().unwrap().push(form);
        Ok(match is_taken {
            true => answer(200, good),
            false => answer(401, json!({"error": "invalid_client"})),
        })
    });
    setup
}

fn audiences(setup: &CredentialSetup) -> Vec<String> {
    setup.forms().iter().map(audience_of).collect()
}

/// FAPI 2.0 section 5.3.2.1 and draft-ietf-oauth-rfc7523bis: the issuer, and nothing else.
#[tokio::test]
async fn an_assertion_refused_for_the_token_endpoint_is_sent_once_for_the_issuer_from_then_on() {
    let setup = takes(key(), ISSUER);
    setup.ask().await.unwrap();
    setup.ask().await.unwrap();
    assert_eq!(audiences(&setup), [TOKEN_ENDPOINT, ISSUER, ISSUER]);
}

#[tokio::test]
async fn a_function_makes_the_assertion_for_the_other_audience() {
    let made_for = |request: &crate::config::AssertionRequest| {
        let claims =
            json!({"aud": request.audience(), "jti": crate::secret::random::<8>().unwrap()});
        format!("h.{}.s", crate::secret::base64url(claims.to_string().as_bytes()))
    };
    let function = ClientCredential::assertion_from(move |request| {
        let made = made_for(&request);
        async move { Ok(made.into()) }
    });
    let setup = takes(function, ISSUER);
    setup.ask().await.unwrap();
    setup.ask().await.unwrap();
    assert_eq!(audiences(&setup), [TOKEN_ENDPOINT, TOKEN_ENDPOINT, ISSUER, ISSUER]);
}

#[tokio::test]
async fn of_a_list_the_next_credential_comes_before_the_other_audience() {
    let second = ClientCredential::private_key_pem(crate::config::test_keys::ec());
    let list = ClientCredential::first_of([key(), second]);
    let setup = takes(list, ISSUER);
    setup.ask().await.unwrap();
    assert_eq!(audiences(&setup), [TOKEN_ENDPOINT, TOKEN_ENDPOINT, ISSUER]);
}

#[tokio::test]
async fn a_refused_key_is_not_sent_for_the_other_audience_each_time() {
    let setup = takes(key(), "another");
    for _ in 0..3 {
        assert_eq!(setup.ask().await.unwrap_err().kind(), ErrorKind::ClientRefused);
    }
    assert_eq!(audiences(&setup).len(), 4, "two, and one for each that follows");
    setup.clock.advance(Duration::from_secs(61));
    setup.ask().await.unwrap_err();
    assert_eq!(audiences(&setup).len(), 6);
}

#[tokio::test]
async fn a_named_audience_is_the_only_one_and_the_refusal_says_what_can_be_wrong() {
    for (named, other) in
        [(AssertionAudience::TokenEndpoint, ISSUER), (AssertionAudience::Issuer, TOKEN_ENDPOINT)]
    {
        let setup = takes(key().with_assertion_audience(named), other);
        let error = setup.ask().await.unwrap_err();
        assert_eq!(audiences(&setup).len(), 1);
        let text = error.to_string();
        for words in ["client_credential_refused", "with_assertion_audience", "key", "clock"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.contains("IDENTITY_ASSERTION_AUDIENCE"), "{text}");
        assert!(!text.to_lowercase().contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_refused_assertion_without_a_code_is_not_told_as_a_secret() {
    async fn refused(credential: ClientCredential, body: &Value) -> String {
        let answers = (0..9).map(|_| (401, body.clone())).collect();
        let setup = CredentialSetup::with(credential, |_| (), answers);
        let (grant, params) = (Grant::ClientCredentials, TokenParams::default());
        setup.provider.tokens(grant, &params).await.err().unwrap().to_string()
    }
    for body in [json!({}), json!({"error": "invalid_client"})] {
        let text = refused(key(), &body).await;
        assert!(text.contains("IDENTITY_ASSERTION_AUDIENCE"), "{text}");
        assert!(!text.to_lowercase().contains("secret"), "{text}");
        let text = refused(ClientCredential::secret("s"), &body).await;
        assert!(text.contains("IDENTITY_CLIENT_SECRET"), "{text}");
    }
}

/// Microsoft's providers take the token endpoint, and Entra ID says by a code what is wrong.
#[tokio::test]
async fn microsofts_providers_get_no_other_audience() {
    let refused = || (0..9).map(|_| (401, json!({"error": "invalid_client"}))).collect();
    let setup = CredentialSetup::entra(certificate(), refused());
    setup.ask().await.unwrap_err();
    assert_eq!(setup.assertions().len(), 1);
    let host = "https://adfs.example.com/adfs";
    let document = json!({
        "issuer": host, "authorization_endpoint": format!("{host}/oauth2/authorize"),
        "token_endpoint": format!("{host}/oauth2/token"),
        "jwks_uri": format!("{host}/discovery/keys"),
    });
    let adfs = Authority::adfs("adfs.example.com").unwrap();
    let setup = CredentialSetup::at(adfs, document, certificate(), refused());
    setup.ask().await.unwrap_err();
    assert_eq!(setup.assertions().len(), 1);
}

/// The endpoints at which a client authenticates as at the token endpoint (RFC 8628 section 3.1,
/// RFC 7662 section 2.1).
#[tokio::test]
async fn other_endpoints_get_the_other_audience_as_well() {
    let setup = takes(key(), ISSUER);
    setup.provider.device_codes(&TokenParams::default()).await.unwrap();
    assert_eq!(audiences(&setup), [TOKEN_ENDPOINT, ISSUER]);
    let setup = takes(key(), ISSUER);
    let rules = AccessTokenRules {
        audiences: vec!["api".to_owned()],
        policies: Vec::new(),
        type_required: false,
        audience_optional: false,
    };
    setup.provider.introspect("opaque", &rules).await.unwrap();
    assert_eq!(audiences(&setup), [TOKEN_ENDPOINT, ISSUER]);
}

/// Providers that look for the client in the body alone.
#[tokio::test]
async fn a_secret_that_the_provider_does_not_see_in_the_header_is_sent_in_the_body() {
    for missing in ["client_id is missing", "client_secret is missing"] {
        let setup = CredentialSetup::new(ClientCredential::secret("s"));
        let forms = Arc::clone(&setup.forms);
        setup.http.answer_with(move |request| {
            if request.uri().path() != "/token" {
                return Ok(published(request, &document(), &key_set()));
            }
            let form: std::collections::HashMap<String, String> =
                url::form_urlencoded::parse(request.body()).into_owned().collect();
            let is_complete = form.contains_key("client_id") && form.contains_key("client_secret");
            let lacks_the_secret = form.contains_key("client_id");
            forms.lock().unwrap().push(form);
            let description = if lacks_the_secret { "client_secret is missing" } else { missing };
            Ok(match is_complete {
                true => answer(200, json!({"access_token": "a", "token_type": "Bearer"})),
                false => answer(
                    400,
                    json!({"error": "invalid_request", "error_description": description}),
                ),
            })
        });
        setup.ask().await.unwrap_or_else(|error| panic!("{missing}: {error}"));
        let before = setup.forms().len();
        setup.ask().await.unwrap();
        assert_eq!(setup.forms().len() - before, 1, "{missing}: the way is remembered");
        assert!(before <= 3, "{missing}");
    }
}
