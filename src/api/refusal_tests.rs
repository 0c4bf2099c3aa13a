//! What clients read in the responses of an API: the parameters of challenges, the provider that
//! its metadata names, and whether a refusal is about their token.

use http::{Request, StatusCode};
use http_auth::parser::ChallengeParser;
use serde_json::{Value, json};

use super::{
    Introspection, require_caller, require_scopes,
    test_api::{TID, TestApi, entra, merge, signed, token, v2},
};
use crate::{
    authority::{Authority, B2cPolicies},
    config::{ApiConfig, ClientCredential},
    protocol::test_support::{CLIENT_ID, ISSUER, NOW, Signer, answer, document, key_set},
};

/// A parameter of a challenge, as a client reads it.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let challenge = ChallengeParser::new(challenge).next().unwrap().unwrap();
    let found = challenge.params.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| value.to_unescaped())
}

/// Microsoft, "Claims challenges": `claims` is in base 64 (RFC 4648 section 4), and
/// `authorization_uri` is required. MSAL.NET reads neither base64url nor a value without padding.
#[tokio::test]
async fn a_claims_challenge_has_padded_base64_and_the_authorize_endpoint() {
    for context in ["c1", "c10", "c??>"] {
        let api =
            TestApi::entra(|config| config).guarded(require_caller().with_auth_context(context));
        let token = entra(v2(), |_| ());
        for content_type in ["text/plain", "application/grpc"] {
            let request = Request::post("/notes")
                .header("content-type", content_type)
                .header("authorization", format!("Bearer {token}"));
            let told = api.send(request.body(String::new()).unwrap()).await;
            let claims = parameter(told.challenge(), "claims").unwrap();
            let claims = base64_simd::STANDARD.decode_to_vec(claims).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            assert_eq!(claims["access_token"]["acrs"]["value"], context, "{told:?}");
            assert_eq!(
                parameter(told.challenge(), "authorization_uri").as_deref(),
                Some("https://login.microsoftonline.com/common/oauth2/authorize")
            );
        }
    }
}

/// RFC 9110 section 5.6.4: quotes and backslashes are sent as pairs, so that the client reads what
/// the API wrote.
#[tokio::test]
async fn the_parameters_of_a_challenge_are_read_as_they_are_written() {
    let authority = Authority::oidc(ISSUER).unwrap();
    let config = ApiConfig::new(authority, r#"the-"API"-\one"#).with_audiences(["api"]);
    let api = TestApi::at(config, document(), key_set());
    let told = api.get("/notes", &[]).await;
    assert_eq!(parameter(told.challenge(), "realm").as_deref(), Some(r#"the-"API"-\one"#));
}

/// A guard whose condition no challenge can name would send its callers in a circle.
#[tokio::test]
async fn a_guard_whose_condition_no_challenge_can_name_admits_nobody_and_says_why() {
    for context in ["urn:x:\"gold\"", "gold silver", "\u{e4}", "a\\b", "a\u{7}", ""] {
        let api = TestApi::plain().guarded(require_caller().with_auth_context(context));
        let good = token(|claims| claims["acr"] = json!(context));
        for token in [good, token(|_| ())] {
            let told = api.with_token(&token).await;
            let read = (told.status, told.reason(), told.challenge().to_owned());
            let wanted = StatusCode::INTERNAL_SERVER_ERROR;
            assert_eq!(read, (wanted, "not_configured".into(), String::new()), "{context}");
        }
    }
    let scopes = require_scopes(["Notes.Read"]).or_scopes(["Notes \"all\""]);
    let told = TestApi::plain().guarded(scopes).with_token(&token(|_| ())).await;
    assert_eq!(told.reason(), "not_configured");
    let urn = require_caller().with_auth_context("urn:mace:incommon:iap:silver");
    let told = TestApi::plain().guarded(urn).with_token(&token(|_| ())).await;
    let acr_values = parameter(told.challenge(), "acr_values");
    assert_eq!(acr_values.as_deref(), Some("urn:mace:incommon:iap:silver"));
}

/// MCP, "Authorization": the challenge of a 401 names the scopes, whatever is wrong with the token.
#[tokio::test]
async fn the_challenge_for_an_invalid_token_names_the_scopes_of_the_api() {
    let api = TestApi::with(|config| config.with_scopes(["Notes.Read", "Notes.Write"]));
    for token in [token(|claims| claims["exp"] = json!(1)), "a.b.c".to_owned()] {
        let told = api.with_token(&token).await;
        let scope = parameter(told.challenge(), "scope");
        assert_eq!(scope.as_deref(), Some("Notes.Read Notes.Write"), "{told:?}");
    }
}

const INTROSPECT: &str = "https://id.example/introspect";

/// RFC 9701: a response that does not verify is a fault between API and provider. It says nothing
/// about the token (RFC 6750 section 3.1), which its client would discard.
#[tokio::test]
async fn a_signed_introspection_answer_that_does_not_verify_is_no_refusal_of_the_token() {
    let mut document = document();
    document["introspection_endpoint"] = json!(INTROSPECT);
    let config = TestApi::plain_config()
        .with_credential(ClientCredential::secret("a secret of the API that is long enough"))
        .with_introspection(Introspection::Opaque)
        .with_resource("https://api.example/notes")
        .unwrap();
    let api = TestApi::at(config, document.clone(), key_set());
    let claims = |more: Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": CLIENT_ID, "iat": NOW.as_seconds(), "token_introspection": {
                "active": true, "aud": CLIENT_ID, "client_id": "app", "sub": "ada", "scope": "A"
            }
        });
        merge(&mut claims, &more);
        claims
    };
    let typ = "token-introspection+jwt";
    let other_key = Signer::new(crate::config::Algorithm::Es256);
    let header = json!({"alg": "ES256", "kid": "k1", "typ": typ});
    let cases = [
        (signed(typ, &claims(json!({}))), true),
        // RFC 9701 section 5: the resource server, which may have its own name.
        (signed(typ, &claims(json!({"aud": "https://api.example/notes"}))), true),
        (signed(typ, &claims(json!({"aud": "another"}))), false),
        (signed(typ, &claims(json!({"aud": ["https://api.example/notes", "another"]}))), false),
        (signed(typ, &claims(json!({"iss": "https://evil.example"}))), false),
        (signed("JWT", &claims(json!({}))), false),
        (other_key.sign(&header, &claims(json!({}))), false),
        (claims(json!({})).to_string(), false),
    ];
    for (number, (body, passes)) in cases.into_iter().enumerate() {
        let (document, body) = (document.clone(), body.clone());
        api.http.answer_with(move |request| {
            Ok(match request.uri().path() {
                "/introspect" => {
                    let mut response = answer(200, &body);
                    let signed = "application/token-introspection+jwt".parse().unwrap();
                    response.headers_mut().insert("content-type", signed);
                    response
                }
                "/.well-known/openid-configuration" => answer(200, &document),
                _ => answer(200, key_set()),
            })
        });
        let before = api.http.count("/introspect");
        for _ in 0..2 {
            let told = api.with_token(&format!("opaque-{number}")).await;
            if passes {
                assert_eq!(told.status, StatusCode::OK, "{told:?}");
                continue;
            }
            let read = (told.status, told.reason(), told.challenge());
            let wanted = (StatusCode::BAD_GATEWAY, "token_response_invalid".to_owned(), "");
            assert_eq!(read, wanted, "case {number}");
        }
        // Nothing is remembered of the token.
        let asked = api.http.count("/introspect") - before;
        assert_eq!(asked, if passes { 1 } else { 2 }, "case {number}");
    }
}

const METADATA: &str = "/.well-known/oauth-protected-resource";

async fn named(api: &TestApi) -> (String, String) {
    let told = api.get(METADATA, &[]).await;
    let document: Value = serde_json::from_str(&told.body).unwrap();
    let server = document["authorization_servers"][0].as_str().unwrap().to_owned();
    (server, told.headers["cache-control"].to_str().unwrap().to_owned())
}

fn at(configured: &str, issuer: &str) -> TestApi {
    let config = ApiConfig::new(Authority::oidc(configured).unwrap(), CLIENT_ID);
    let mut document = document();
    document["issuer"] = json!(issuer);
    TestApi::at(config.with_resource("https://api.example.com/mcp").unwrap(), document, key_set())
}

/// RFC 9728 section 2, RFC 8414 section 3.3: clients compare `authorization_servers` with `issuer`
/// of the provider's document letter by letter.
#[tokio::test]
async fn the_metadata_names_the_issuer_as_the_provider_writes_it() {
    let cached = "public, max-age=3600".to_owned();
    for (configured, issuer) in [
        ("https://id.example", "https://id.example/"),
        ("https://id.example/", "https://id.example"),
        ("https://id.example/o/slug", "https://id.example/o/slug/"),
        ("https://id.example/o/slug/", "https://id.example/o/slug"),
        ("https://id.example/o/slug/", "https://id.example/o/slug/"),
    ] {
        let api = at(configured, issuer);
        for _ in 0..3 {
            assert_eq!(named(&api).await, (issuer.to_owned(), cached.clone()));
        }
        let authority = Authority::oidc(configured).unwrap();
        assert_eq!(api.http.count(authority.metadata_url().path()), 1);
    }
}

#[tokio::test]
async fn metadata_without_the_document_of_the_provider_is_not_cached() {
    let api = at("https://id.example", "https://id.example/");
    api.http.answer_with(|_| Ok(answer(503, "")));
    for _ in 0..100 {
        let told = named(&api).await;
        assert_eq!(told, ("https://id.example".to_owned(), "no-store".to_owned()));
    }
    // A flood of requests for the metadata is not one of requests to the provider.
    assert_eq!(api.http.count("/.well-known/openid-configuration"), 1);
    let preflight = Request::options(METADATA).body(String::new()).unwrap();
    assert_eq!(api.send(preflight).await.status, StatusCode::NO_CONTENT);
}

/// The issuer of several tenants is a template, and below B2C's issuer there is no document.
#[tokio::test]
async fn the_metadata_names_the_authority_where_the_issuer_has_no_document() {
    let api = TestApi::entra(|config| config.with_resource("https://api.example.com/mcp").unwrap());
    assert_eq!(named(&api).await.0, "https://login.microsoftonline.com/common/v2.0");
    let api = b2c(|config| config.with_resource("https://api.example.com/mcp").unwrap());
    assert_eq!(named(&api).await.0, format!("{B2C}/B2C_1_si/v2.0"));
}

const B2C: &str = "https://contoso.b2clogin.com/contoso.onmicrosoft.com";

fn b2c(change: impl FnOnce(ApiConfig) -> ApiConfig) -> TestApi {
    let policies = B2cPolicies::new("B2C_1_si").with_edit_profile("B2C_1_edit");
    let config = ApiConfig::new(Authority::b2c("contoso", policies).unwrap(), CLIENT_ID);
    let base = format!("{B2C}/b2c_1_si");
    let document = json!({
        "issuer": format!("https://contoso.b2clogin.com/{TID}/v2.0/"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
    });
    TestApi::at(change(config), document, key_set())
}

/// A policy without a second factor must not stand in for one with it: an API takes the tokens of
/// the policies that are named, and its refusal says which.
#[tokio::test]
async fn the_refusal_of_another_policy_names_both_and_the_setting() {
    let api = b2c(|config| config.with_b2c_policies(["B2C_1_edit"]));
    let with_policy = |policy: &str| {
        entra(v2(), |claims| {
            let iss = format!("https://contoso.b2clogin.com/{TID}/v2.0/");
            merge(claims, &json!({"iss": iss, "aud": CLIENT_ID, "ver": "1.0", "tfp": policy}));
        })
    };
    api.takes(&with_policy("b2c_1_si")).await;
    let refused = with_policy("B2C_1_other");
    api.refuses(&refused, "token_mismatch").await;
    let error = api.error_of(&refused).await;
    for part in ["B2C_1_other", "B2C_1_si", "B2C_1_edit", "IDENTITY_API_B2C_POLICIES"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("forged"), "{error}");
}

/// Tokens of workloads and of some products' sessions are ID tokens: their clients have no other.
#[tokio::test]
async fn the_refusal_of_a_token_of_a_workload_says_that_it_is_an_id_token() {
    let workload = signed(
        "JWT",
        &json!({
            "iss": ISSUER, "sub": "repo:contoso/app:ref:refs/heads/main", "aud": CLIENT_ID,
            "exp": NOW.as_seconds() + 600, "iat": NOW.as_seconds(), "repository": "contoso/app"
        }),
    );
    let api = TestApi::plain();
    api.refuses(&workload, "token_kind").await;
    let error = api.error_of(&workload).await;
    assert!(error.contains("tokens of workloads (GitHub Actions, Kubernetes)"), "{error}");
}

/// An opaque token is no violation of a specification.
#[tokio::test]
async fn the_refusal_of_an_opaque_token_names_what_helps_and_names_no_specification() {
    let error = TestApi::plain().error_of("opaque").await;
    assert!(error.contains("IDENTITY_INTROSPECTION=opaque"), "{error}");
    assert!(!error.contains("specification"), "{error}");
}

/// Roles of a person are asked for beside the scopes, and an application has rights of its own.
#[tokio::test]
async fn a_guard_asks_a_person_for_a_role_and_an_application_for_its_own() {
    let guard = require_scopes("Notes.Read").with_user_roles(["Editor", "Auditor"]);
    let api = |guard| TestApi::entra(|config| config).guarded(guard);
    let person = |roles: Value| entra(v2(), |claims| claims["roles"] = roles);
    let app =
        |role: &str| entra(v2(), |claims| merge(claims, &json!({"scp": "/", "roles": [role]})));
    for (guard, token, status) in [
        (guard.clone(), person(json!(["Auditor"])), StatusCode::OK),
        (guard.clone(), person(json!(["editor"])), StatusCode::FORBIDDEN),
        (guard.clone(), person(json!([])), StatusCode::FORBIDDEN),
        (guard.clone(), entra(v2(), |_| ()), StatusCode::FORBIDDEN),
        (guard.clone(), app("Editor"), StatusCode::FORBIDDEN),
        (guard.clone().or_app_roles("Notes.Read.All"), app("Notes.Read.All"), StatusCode::OK),
        (guard.with_user_roles([""; 0]), person(json!(["Editor"])), StatusCode::FORBIDDEN),
        (
            require_scopes("Notes.Write").with_user_roles("Editor"),
            person(json!(["Editor"])),
            StatusCode::FORBIDDEN,
        ),
    ] {
        let told = api(guard).with_token(&token).await;
        assert_eq!(told.status, status, "{told:?}");
    }
    let missing = api(require_caller().with_user_roles("Editor"));
    let told = missing.with_token(&person(json!(["Reader"]))).await;
    let document: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(document["roles"], json!(["Editor"]));
    let error = missing.error_of(&person(json!(["Reader"]))).await;
    assert!(error.contains("one of the roles [\"Editor\"]"), "{error}");
    assert!(!error.contains("Reader"), "{error}");
}
