//! The findings of a check about the discovery document.

use serde_json::{Value, json};

use super::{
    check_tests::*,
    test_support::{FakeHttp, answer, config, key_set},
};
use crate::config::{
    Algorithm, ClientAuthMethod, ClientCredential, HmacAlgorithm, ResponseMode, Severity,
    SignInNonce, UserInfo,
};

#[tokio::test]
async fn everything_that_is_wrong_with_a_document_is_listed_at_once() {
    let mut wrong = good();
    wrong.as_object_mut().unwrap().remove("token_endpoint");
    wrong["jwks_uri"] = json!("http://id.example/keys");
    wrong["response_types_supported"] = json!(["id_token"]);
    let (report, http) = of_document(config(), wrong).await;
    let wanted = [
        (Severity::Problem, "endpoint_missing"),
        (Severity::Problem, "endpoint_refused"),
        (Severity::Warning, "code_flow_not_offered"),
    ];
    assert_eq!(codes(&report), wanted, "{report}");
    assert!(text(&report, "endpoint_missing").contains("`token_endpoint`"));
    assert!(
        text(&report, "endpoint_refused").contains("jwks_uri")
            && text(&report, "endpoint_refused").contains("not https")
    );
    assert!(
        report.to_string().ends_with("Users cannot sign in yet: 2 problems, 1 warning."),
        "{report}"
    );
    assert_eq!(
        (http.count("/token"), http.count("/authorize")),
        (0, 0),
        "nothing is sent to a provider that is not trusted"
    );
}

#[tokio::test]
async fn an_omitted_nonce_needs_pkce_in_the_document() {
    for (methods, wanted, passes) in [
        (json!(["S256"]), (Severity::Note, "nonce_omitted"), true),
        (json!(null), (Severity::Problem, "pkce_not_announced"), false),
    ] {
        let mut document = good();
        document["code_challenge_methods_supported"] = methods.clone();
        let (report, _) = of_document(config().with_nonce(SignInNonce::Omit), document).await;
        assert!(codes(&report).contains(&wanted), "{methods}: {report}");
        assert!(text(&report, wanted.1).contains("`with_nonce`, IDENTITY_NONCE"), "{report}");
        assert_eq!(report.is_ok(), passes, "{methods}: {report}");
    }
}

#[tokio::test]
async fn every_fault_of_a_document_has_its_code() {
    use Severity::{Note, Problem, Warning};
    for (member, value, wanted) in [
        ("issuer", json!("https://evil.example"), (Problem, "issuer_mismatch")),
        ("issuer", json!(null), (Problem, "issuer_missing")),
        ("authorization_endpoint", json!(null), (Problem, "endpoint_missing")),
        ("jwks_uri", json!(""), (Problem, "endpoint_missing")),
        ("token_endpoint", json!("over there"), (Problem, "endpoint_refused")),
        ("end_session_endpoint", json!(null), (Warning, "endpoint_missing")),
        ("response_modes_supported", json!(["form_post"]), (Warning, "response_mode_not_offered")),
        ("code_challenge_methods_supported", json!(["plain"]), (Warning, "pkce_not_offered")),
        ("response_modes_supported", json!(["fragment"]), (Warning, "response_mode_not_offered")),
        ("response_modes_supported", json!([]), (Note, "")),
        ("response_types_supported", json!(["id_token"]), (Warning, "code_flow_not_offered")),
        ("response_types_supported", json!([]), (Note, "")),
        ("code_challenge_methods_supported", json!(null), (Note, "pkce_not_announced")),
        (
            "require_pushed_authorization_requests",
            json!(true),
            (Problem, "request_kind_not_supported"),
        ),
        ("require_signed_request_object", json!("true"), (Problem, "request_kind_not_supported")),
        ("grant_types_supported", json!(["authorization_code"]), (Warning, "refresh_not_offered")),
        ("grant_types_supported", json!(["refresh_token"]), (Warning, "code_flow_not_offered")),
        ("grant_types_supported", json!([]), (Note, "")),
        ("scopes_supported", json!(["openid", "profile"]), (Note, "scope_not_sent")),
        ("scopes_supported", json!(["profile", "email"]), (Note, "openid_not_listed")),
        (
            "token_endpoint_auth_methods_supported",
            json!(["private_key_jwt"]),
            (Warning, "auth_method_not_offered"),
        ),
        (
            "id_token_signing_alg_values_supported",
            json!(["HS256"]),
            (Problem, "algorithm_not_offered"),
        ),
        ("response_modes_supported", json!("query"), (Note, "")),
        (
            "authorization_response_iss_parameter_supported",
            json!("yes"),
            (Warning, "member_left_out"),
        ),
        ("introspection_endpoint", json!("/introspect"), (Warning, "member_left_out")),
        ("userinfo_endpoint", json!("http://id.example/userinfo"), (Warning, "member_left_out")),
        ("device_authorization_endpoint", json!(7), (Warning, "member_left_out")),
        ("end_session_endpoint", json!("logout"), (Warning, "endpoint_refused")),
        ("token_endpoint_auth_methods_supported", json!({}), (Warning, "member_left_out")),
    ] {
        let mut document = good();
        document[member] = value.clone();
        let (report, _) = of_document(config(), document).await;
        let codes = codes(&report);
        assert!(
            if wanted.1.is_empty() { codes.is_empty() } else { codes.contains(&wanted) },
            "{member} {value}: {report}"
        );
        assert_eq!(report.is_ok(), wanted.0 != Problem, "{member} {value}: {report}");
    }
}

#[tokio::test]
async fn what_is_configured_is_compared_with_what_is_offered() {
    let mut document = good();
    document["userinfo_endpoint"] = json!(null);
    document["response_modes_supported"] = json!(["query"]);
    document["acr_values_supported"] = json!(["bronze"]);
    document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    let (report, _) = of_document(config(), document.clone()).await;
    assert!(codes(&report).is_empty(), "{report}");
    let demanding = config()
        .with_user_info(UserInfo::AtSignIn)
        .with_response_mode(ResponseMode::FormPost)
        .with_required_acr(["gold"])
        .with_id_token_algorithms([Algorithm::Es256])
        .with_credential(
            ClientCredential::secret("another secret of this application")
                .with_method(ClientAuthMethod::Basic),
        );
    document["id_token_signing_alg_values_supported"] = json!(["RS256"]);
    let (report, _) = of_document(demanding, document).await;
    let found: Vec<&str> = codes(&report).into_iter().map(|(_, code)| code).collect();
    for code in [
        "endpoint_missing",
        "response_mode_not_offered",
        "acr_not_offered",
        "algorithm_not_listed",
        "auth_method_not_offered",
    ] {
        assert!(found.contains(&code), "{code}: {report}");
    }
}

/// Where the client secret signs, no key of the provider is needed.
#[tokio::test]
async fn a_provider_that_signs_with_the_client_secret_needs_no_keys() {
    let mut document = good();
    document["id_token_signing_alg_values_supported"] = json!(["HS256"]);
    let secret = ClientCredential::secret("a secret that is long enough for HMAC with SHA-256");
    let config = config().with_credential(secret).with_id_token_hmac(HmacAlgorithm::Hs256);
    let http = FakeHttp::new(move |request| Ok(as_it_should(request, &document, &json!({}))));
    let report = report(config, &http).await;
    assert!(report.is_ok(), "{report}");
    assert!(codes(&report).contains(&(Severity::Note, "signed_by_secret")), "{report}");
}

/// The document lists both methods, and the client is registered for the second.
#[tokio::test]
async fn the_method_that_a_secret_is_taken_by_is_named() {
    let mut document = good();
    document["token_endpoint_auth_methods_supported"] =
        json!(["client_secret_basic", "client_secret_post"]);
    let http = FakeHttp::new(move |request| {
        let by_form = String::from_utf8_lossy(request.body()).contains("client_secret=");
        Ok(match request.uri().path() {
            "/token" if !by_form => answer(401, json!({"error": "invalid_client"})),
            _ => as_it_should(request, &document, &key_set()),
        })
    });
    let plain =
        config().with_credential(ClientCredential::secret("a-plain-secret-of-this-application"));
    let report = report(plain, &http).await;
    assert_eq!(codes(&report), [(Severity::Warning, "auth_method_refused")], "{report}");
    assert!(
        report.to_string().contains("IDENTITY_CLIENT_AUTH_METHOD=client_secret_post"),
        "{report}"
    );
}

/// FAPI 2.0: assertions are for the issuer alone.
#[tokio::test]
async fn the_audience_that_an_assertion_is_taken_for_is_named() {
    let key = || ClientCredential::private_key_pem(crate::config::test_keys::rsa());
    let document = good();
    let http = FakeHttp::new(move |request| {
        let form: std::collections::HashMap<String, String> =
            url::form_urlencoded::parse(request.body()).into_owned().collect();
        let is_for_the_issuer = form.get("client_assertion").is_some_and(|assertion| {
            let claims = assertion.split('.').nth(1).and_then(crate::secret::from_base64url);
            let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
            claims["aud"] == document["issuer"]
        });
        Ok(match request.uri().path() {
            "/token" if !is_for_the_issuer => answer(401, json!({"error": "invalid_client"})),
            _ => as_it_should(request, &document, &key_set()),
        })
    });
    let learned = report(config().with_credential(key()), &http).await;
    let warning = (Severity::Warning, "assertion_audience_refused");
    assert!(learned.is_ok() && codes(&learned).contains(&warning), "{learned}");
    assert!(learned.to_string().contains("IDENTITY_ASSERTION_AUDIENCE=issuer"), "{learned}");
    let named = key().with_assertion_audience(crate::config::AssertionAudience::TokenEndpoint);
    let refused = report(config().with_credential(named), &http).await;
    let problem = (Severity::Problem, "client_credential_refused");
    assert!(codes(&refused).contains(&problem), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains("IDENTITY_ASSERTION_AUDIENCE") && !text.contains("CLIENT_SECRET"),
        "{text}"
    );
}
