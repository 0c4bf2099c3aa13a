//! The parsing of authorization responses.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::test_support::{ISSUER, authority, metadata};

const STATE: &str = "r0.3.0123456789";

fn check_with(form: &str, announced: bool) -> Result<AuthorizationCode, Error> {
    let metadata = metadata(|document| {
        document["authorization_response_iss_parameter_supported"] = json!(announced)
    });
    CallbackParameters::parse(form.as_bytes())?.check(STATE, &metadata, &authority())
}

fn check(form: &str) -> Result<AuthorizationCode, Error> {
    check_with(form, false)
}

fn rejects(form: &str, kind: ErrorKind) {
    assert_eq!(check(form).err().map(|error| error.kind()), Some(kind), "{form:.100}");
}

// C-001: OP answers the code flow correctly
// C-004: OP answers with an auto-submitted form
/// Query and form are the same text.
#[test]
fn a_good_answer_gives_its_code() {
    for extras in [
        "",
        "&session_state=a.b&client_info=eyJ9",
        "&iss=https%3A%2F%2Fid.example",
        "&scope=openid+x&foo=bar&error=&response=",
    ] {
        let form = format!("code=SplxlOBeZQQYbYS6WxSbIA%2B%2F&state={STATE}{extras}");
        assert_eq!(check(&form).unwrap().expose(), "SplxlOBeZQQYbYS6WxSbIA+/");
    }
}

#[test]
fn the_state_is_there_before_anything_is_checked() {
    assert_eq!(CallbackParameters::parse(b"state=a%20b&code=c").unwrap().state().ok(), Some("a b"));
    assert!(CallbackParameters::parse(b"code=c&state=").unwrap().state().is_err());
    assert!(!CallbackParameters::parse(b"state=x").unwrap().is_answer());
    assert!(CallbackParameters::parse(b"error=x").unwrap().is_answer());
}

#[test]
fn the_code_of_an_error_without_a_state_is_logged_and_its_description_is_not() {
    let answer = "error=access_denied&error_description=Denied+by+Ada+Lovelace";
    let parameters = CallbackParameters::parse(answer.as_bytes()).unwrap();
    let error = parameters.state().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallbackInvalid);
    let told = error.to_string();
    assert!(told.contains(r#"its error is "access_denied""#), "{told}");
    assert!(!told.contains("Ada"), "{told}");
}

// C-073: state + "1" in the callback
// MSAL-027: Flow `state=1`; callback `state=2`
#[test]
fn another_state_is_refused() {
    for state in [
        "r0.3.01234567891",
        "R0.3.0123456789",
        "r0.3.012345678",
        "x",
        " r0.3.0123456789",
        "r0.3.0123456789%00",
    ] {
        assert!(check(&format!("code=c&state={state}")).is_err(), "{state}");
    }
    rejects("code=c&state=r0.3.01234567891", ErrorKind::StateMismatch);
}

// C-074: no state in the callback
// MSAL-026: Flow stored without `state`; callback `{code: foo}` arrives
#[test]
fn a_missing_state_is_refused_whatever_else_is_there() {
    for form in
        ["code=c", "code=c&state=", "error=access_denied", "", "code=c&State=r0.3.0123456789"]
    {
        rejects(form, ErrorKind::StateMismatch);
    }
}

#[test]
fn the_error_of_another_issuer_names_both_issuers() {
    let form = format!("code=c&state={STATE}&iss=https%3A%2F%2Fid.example%2F");
    let text = check(&form).unwrap_err().to_string();
    assert!(
        text.contains("\"https://id.example/\"") && text.contains("\"https://id.example\""),
        "{text}"
    );
}

// C-106: state, code, iss, error or another parameter given twice
#[test]
fn a_parameter_given_twice_is_refused() {
    for twice in [
        "code=c",
        "code=",
        "state=r0.3.0123456789",
        "state=",
        "iss=x&iss=x",
        "error=a&error=a",
        "foo=1&foo=2",
        "x&x",
        "c%6Fde=c",
        "=&=",
    ] {
        rejects(&format!("code=c&state={STATE}&{twice}"), ErrorKind::CallbackInvalid);
    }
}

// C-107: `response` parameter when JARM was not asked
// C-093: JARM response with the named fault
#[test]
fn an_answer_of_jarm_is_refused() {
    for form in [
        "response=a.b.c",
        "response=x&code=c",
        "response=a.b.c&code=c&iss=https%3A%2F%2Fid.example",
    ] {
        rejects(&format!("{form}&state={STATE}"), ErrorKind::CallbackInvalid);
    }
}

// C-002: OP answers the named implicit or hybrid type
#[test]
fn an_answer_of_the_implicit_or_hybrid_flow_is_refused() {
    for form in [
        "id_token=a.b.c",
        "access_token=t&token_type=Bearer",
        "code=c&id_token=a.b.c",
        "code=c&access_token=t",
        "token=t",
    ] {
        rejects(&format!("{form}&state={STATE}"), ErrorKind::CallbackInvalid);
    }
}

// C-109: iss parameter wrong although metadata does not advertise it
// C-111: iss compared
#[test]
fn a_wrong_issuer_is_refused_although_none_was_announced() {
    for iss in [
        "https://id.example/",
        "https://ID.example",
        "https%3A%2F%2Fid.example%3A443",
        "https://evil.example",
        "id.example",
        "https%253A%252F%252Fid.example",
    ] {
        rejects(&format!("code=c&state={STATE}&iss={iss}"), ErrorKind::ResponseIssuerMismatch);
    }
    assert!(check(&format!("code=c&state={STATE}&iss={ISSUER}")).is_ok());
}

// C-110: iss in an error response wrong or missing (advertised)
#[test]
fn an_error_of_an_unknown_sender_is_not_acted_on() {
    for (form, announced) in [
        ("iss=https://evil.example&error=access_denied", false),
        ("iss=https://evil.example&error=x", true),
        ("error=access_denied", true),
    ] {
        let outcome = check_with(&format!("{form}&state={STATE}"), announced);
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::ResponseIssuerMismatch, "{form}");
    }
    let missing = check_with(&format!("code=c&state={STATE}"), true);
    assert_eq!(missing.err().unwrap().kind(), ErrorKind::ResponseIssuerMismatch);
    let told = check_with(&format!("error=access_denied&state={STATE}"), true).err().unwrap();
    let told = told.to_string();
    assert!(told.contains("access_denied") && told.contains("Keycloak"), "{told}");
    assert!(check_with(&format!("code=c&state={STATE}&iss={ISSUER}"), true).is_ok());
}

// C-111: iss compared
/// Where one document stands for many tenants, each answers with its own issuer.
#[test]
fn a_tenant_may_answer_for_an_authority_of_many() {
    let authority = Authority::entra("common").unwrap();
    let base = "https://login.microsoftonline.com";
    let document = json!({
        "issuer": format!("{base}/{{tenantid}}/v2.0"),
        "authorization_endpoint": format!("{base}/common/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/common/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/common/discovery/v2.0/keys"),
    });
    let metadata = Metadata::parse(document.to_string().as_bytes(), &authority).unwrap();
    let outcome = |iss: &str| {
        let form = format!("code=c&state={STATE}&iss={iss}");
        CallbackParameters::parse(form.as_bytes())
            .unwrap()
            .check(STATE, &metadata, &authority)
            .map_err(|error| error.kind())
    };
    assert!(
        outcome("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0")
            .is_ok()
    );
    for iss in [
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/x/v2.0",
        "https://login.microsoftonline.com//v2.0",
        "https://evil.example/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    ] {
        assert_eq!(outcome(iss).unwrap_err(), ErrorKind::ResponseIssuerMismatch, "{iss}");
    }
}

// C-116: neither code nor error
#[test]
fn neither_code_nor_error_is_no_answer() {
    for form in ["", "code=", "error=", "code=&error=", "error_description=x", "session_state=x"] {
        rejects(&format!("{form}&state={STATE}"), ErrorKind::CallbackInvalid);
    }
}

// C-409: callback admin_consent=True&tenant=… with or without state
#[test]
fn an_administrators_consent_is_not_a_sign_in() {
    let error = check(&format!("admin_consent=True&tenant=t&state={STATE}")).unwrap_err();
    assert!(error.kind() == ErrorKind::CallbackInvalid && error.to_string().contains("consent"));
    rejects("admin_consent=True&tenant=t", ErrorKind::StateMismatch);
}

// C-138: prompt=none → login_required / interaction_required
// C-410: error_description with AADSTS50105, 50126, 65001, 700082 …
// C-430: OP answers unmet_authentication_requirements
#[test]
fn each_error_has_its_kind() {
    for (error, kind) in [
        ("access_denied", ErrorKind::AccessDenied),
        ("login_required", ErrorKind::InteractionRequired),
        ("interaction_required", ErrorKind::InteractionRequired),
        ("consent_required", ErrorKind::InteractionRequired),
        ("account_selection_required", ErrorKind::InteractionRequired),
        ("unmet_authentication_requirements", ErrorKind::AuthContextMissing),
        ("temporarily_unavailable", ErrorKind::ProviderUnavailable),
        ("server_error", ErrorKind::ProviderUnavailable),
        ("user_cancelled_authorize", ErrorKind::AccessDenied),
        ("unauthorized_client", ErrorKind::ClientRefused),
        ("invalid_scope", ErrorKind::ProviderError),
        ("foo", ErrorKind::ProviderError),
    ] {
        rejects(&format!("error={error}&state={STATE}"), kind);
        rejects(&format!("error={error}&code=c&id_token=a.b.c&state={STATE}"), kind);
    }
}

// C-134: error_description contains HTML
// MSAL-029: Flow `state=s`; callback `state=s&error=foo&error_uri=bar&access_token=fake`
// MSAL-038: Error page shows error text with `<script>`; it is rendered
/// Text of the provider has no control characters and a limited length; pages escape it.
#[test]
fn an_errors_texts_are_cut_and_cleaned() {
    let form = format!(
        "error=a%0d%0ab%22%3Cc%3E&error_description=%00%3Cscript%3E%0A{}\
         &access_token=fake&state={STATE}",
        "x".repeat(5000)
    );
    let error = check(&form).unwrap_err();
    let provider = error.provider().unwrap();
    assert_eq!(provider.error, "ab<c>");
    let description = provider.description.as_deref().unwrap();
    assert!(
        description.starts_with("<script> xxx") && description.len() <= 1000,
        "{description:.40}"
    );
    assert!(!format!("{error} {error:?}").contains("fake"));
}

#[test]
fn what_is_too_large_or_has_strange_characters_is_refused() {
    let long = |name: &str, length: usize| format!("{name}={}&state={STATE}", "a".repeat(length));
    for form in [
        long("code", MAX_CODE_BYTES + 1),
        long("iss", MAX_ISSUER_BYTES + 1),
        long("foo", MAX_CALLBACK_BYTES),
        format!("code=c&state={}", "a".repeat(MAX_STATE_BYTES + 1)),
        format!("code=a%0Ab&state={STATE}"),
        format!("code=%FF&state={STATE}"),
        "code=c&state=%00".to_owned(),
        (0..100).map(|at| format!("p{at}=1&")).collect(),
    ] {
        rejects(&form, ErrorKind::CallbackInvalid);
    }
    assert!(check(&long("code", MAX_CODE_BYTES)).is_ok());
}

// C-439: 1 MB state, code, cookie or logout token
#[test]
fn a_megabyte_is_refused_before_it_is_read() {
    for name in ["state", "code", "error_description", "x"] {
        rejects(&format!("{name}={}", "a".repeat(1 << 20)), ErrorKind::CallbackInvalid);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(form in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = CallbackParameters::parse(&form);
    }

    #[test]
    fn only_the_right_state_gives_a_code(
        form in "(code|state|iss|error|x)=[a-z0-9.%&=+]{0,40}",
        state in "[a-z0-9.]{0,20}",
    ) {
        if let Ok(code) = check(&format!("{form}&state={state}")) {
            prop_assert!(state == STATE && !code.expose().is_empty());
        }
    }
}
