//! The parameters of authorization requests.

use std::{collections::HashMap, time::Duration};

use serde_json::json;

use super::*;
use crate::protocol::test_support::{CLIENT_ID, NONCE, metadata};

const STATE: &str = "r0.3.0123456789-0123456789";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn request(options: &SignInOptions) -> AuthorizationRequest<'_> {
    AuthorizationRequest {
        client_id: CLIENT_ID,
        redirect_uri: "https://app.example/auth/callback",
        response_mode: ResponseMode::Query,
        scopes: &["openid", "profile"],
        state: STATE,
        nonce: Some(NONCE),
        code_challenge: CHALLENGE,
        options,
        claims: None,
        capabilities: &[],
    }
}

/// The parameters, of which none may be there twice.
fn parameters(url: &Url) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for (name, value) in url.query_pairs().into_owned() {
        assert_eq!(found.insert(name, value), None, "{url}");
    }
    found
}

// C-002: OP answers the named implicit or hybrid type
// C-024: OP looks for nonce in the request
// C-105: authorization request
#[test]
fn a_plain_request_says_what_it_must_and_no_more() {
    let url = request(&SignInOptions::new()).url(&metadata(|_| ())).unwrap();
    assert!(url.as_str().starts_with("https://id.example/authorize?"));
    let expected = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", "https://app.example/auth/callback"),
        ("scope", "openid profile"),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    assert_eq!(
        parameters(&url),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
}

// RFC 9700 section 2.1.1
#[test]
fn a_request_without_a_nonce_is_made_only_where_the_provider_announces_pkce() {
    let options = SignInOptions::new();
    let without = AuthorizationRequest { nonce: None, ..request(&options) };
    let announced = metadata(|document| {
        document["code_challenge_methods_supported"] = json!(["plain", "S256"]);
    });
    let parameters = parameters(&without.url(&announced).unwrap());
    assert_eq!(parameters.get("nonce"), None);
    assert_eq!(parameters["code_challenge"], CHALLENGE);
    for methods in [json!(null), json!([]), json!(["plain"]), json!(true)] {
        let unknown = metadata(|document| document["code_challenge_methods_supported"] = methods);
        let error = without.url(&unknown).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConfigured);
        let told = error.to_string();
        for word in ["code_challenge_methods_supported", "`with_nonce`", "IDENTITY_NONCE=send"] {
            assert!(told.contains(word), "{told}");
        }
    }
}

// C-004: OP answers with an auto-submitted form
// C-038: claims parameter asks an ID-token claim
// C-039: claims parameter asks a userinfo claim
// C-384: several resources
/// Several resources are several parameters
#[test]
fn every_option_is_a_parameter() {
    let options = SignInOptions::new()
        .with_prompt(Prompt::Login)
        .add_prompt(Prompt::Consent)
        .with_login_hint("ada+1@example.com & co")
        .with_domain_hint("organizations")
        .with_max_age(Duration::from_millis(600_900))
        .with_acr_values(["urn:gold", "urn:silver"])
        .with_ui_locales(["de-CH", "fr"])
        .add_parameter("resource", "https://api.example/a")
        .add_parameter("resource", "https://api.example/b")
        .add_parameter("audience", "ä&b=c");
    let claims = r#"{"id_token":{"auth_time":{"essential":true}},"userinfo":{"email":null}}"#;
    let request = AuthorizationRequest {
        response_mode: ResponseMode::FormPost,
        claims: Some(claims),
        ..request(&options)
    };
    let url = request.url(&metadata(|_| ())).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_mode", "form_post"),
        ("prompt", "login consent"),
        ("login_hint", "ada+1@example.com & co"),
        ("domain_hint", "organizations"),
        ("max_age", "600"),
        ("acr_values", "urn:gold urn:silver"),
        ("ui_locales", "de-CH fr"),
        ("claims", claims),
        ("resource", "https://api.example/a"),
        ("resource", "https://api.example/b"),
        ("audience", "ä&b=c"),
    ] {
        assert!(pairs.contains(&(name.to_owned(), value.to_owned())), "{name} in {url}");
    }
    assert_eq!(url.fragment(), None);
}

// C-095: authorization request
// C-097: OP rejects S256
/// PKCE with S256 is part of every request, whatever the document says about it.
#[test]
fn there_is_no_request_without_s256() {
    for methods in [json!(["plain"]), json!([]), json!(null)] {
        let metadata = metadata(|document| document["code_challenge_methods_supported"] = methods);
        let sent = parameters(&request(&SignInOptions::new()).url(&metadata).unwrap());
        assert_eq!(
            (sent["code_challenge_method"].as_str(), sent["code_challenge"].as_str()),
            ("S256", CHALLENGE)
        );
    }
}

// C-098: authorization request
#[test]
fn state_nonce_and_verifier_are_long_enough_short_enough_and_plain() {
    let too_long = "a".repeat(129);
    for bad in [
        "",
        "short",
        too_long.as_str(),
        "has space 0123456789-0123456789",
        "0123456789-0123456789+",
        "0123456789-0123456789é",
    ] {
        let error = check_form("`state`", bad, 22).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{bad}");
    }
    assert!(check_form("`state`", &too_long[1..], 22).is_ok());
    assert!(check_form("`state`", &too_long[..22], 22).is_ok());
    assert!(check_form("the verifier", &too_long[..42], 43).is_err());
}

/// Google refuses `offline_access` and has a parameter of its own instead; `prompt=consent` is left
/// to the application.
#[test]
fn google_is_asked_for_a_refresh_token_by_its_parameter() {
    let mut metadata = metadata(|_| ());
    metadata.offline_by_parameter = true;
    let options = SignInOptions::new();
    let scopes = ["openid", "email", "offline_access"];
    let sent = parameters(
        &AuthorizationRequest { scopes: &scopes, ..request(&options) }.url(&metadata).unwrap(),
    );
    assert_eq!((sent["scope"].as_str(), sent["access_type"].as_str()), ("openid email", "offline"));
    assert!(!sent.contains_key("prompt"));
    let sent = parameters(&request(&options).url(&metadata).unwrap());
    assert!(!sent.contains_key("access_type"), "nobody asked for a refresh token");
    let options = SignInOptions::new().add_parameter("access_type", "online");
    let sent = parameters(
        &AuthorizationRequest { scopes: &scopes, ..request(&options) }.url(&metadata).unwrap(),
    );
    assert_eq!(sent["access_type"], "online");
}

#[test]
fn the_endpoints_own_query_stays_but_nothing_is_there_twice() {
    let metadata = metadata(|document| {
        document["authorization_endpoint"] =
            json!("https://id.example/authorize?p=b2c_1_in&client_id=evil&state=evil&audience=x");
    });
    let options = SignInOptions::new().add_parameter("audience", "api");
    let sent = parameters(&request(&options).url(&metadata).unwrap());
    assert_eq!(
        (sent["p"].as_str(), sent["client_id"].as_str(), sent["state"].as_str()),
        ("b2c_1_in", CLIENT_ID, STATE)
    );
    assert_eq!(sent["audience"], "api");
}

#[test]
fn an_extra_parameter_cannot_replace_one_of_ours() {
    let options = SignInOptions::new()
        .add_parameter("redirect_uri", "https://evil.example")
        .add_parameter("code_challenge_method", "plain")
        .add_parameter("response_type", "token");
    let sent = parameters(&request(&options).url(&metadata(|_| ())).unwrap());
    assert_eq!(
        (sent["redirect_uri"].as_str(), sent["response_type"].as_str()),
        ("https://app.example/auth/callback", "code")
    );
    assert_eq!(sent["code_challenge_method"], "S256");
}

// C-095: authorization request
/// RFC 7636 appendix B.
#[test]
fn the_challenge_is_that_of_the_specification() {
    assert_eq!(code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), CHALLENGE);
}
