//! The error codes of Entra ID, B2C and OAuth 2.0, and what is kept of them.

use serde_json::json;

use super::*;
use crate::protocol::test_support::answer;

// C-410: error_description with AADSTS50105, 50126, 65001, 700082 …
#[test]
fn entras_details_are_kept() {
    let error = http_error(&answer(
        400,
        json!({
            "error": "invalid_grant",
            "error_description": "AADSTS65001: The user has not consented.\r\nTrace ID: 1\r\n",
            "suberror": "consent_required",
            "error_codes": [65001, "x", -1, 7], "correlation_id": "8a4b-c", "trace_id": "f00",
            "timestamp": "2026-01-01 00:00:00Z",
        }),
    ));
    let provider = error.provider().unwrap();
    assert_eq!(
        (provider.codes.as_slice(), provider.suberror.as_deref()),
        (&[65001, 7][..], Some("consent_required"))
    );
    assert_eq!(
        (provider.correlation_id.as_deref(), provider.trace_id.as_deref()),
        (Some("8a4b-c"), Some("f00"))
    );
    assert_eq!(
        provider.description.as_deref(),
        Some("AADSTS65001: The user has not consented.  Trace ID: 1")
    );
    let description = "AADSTS50105: Your administrator … Trace ID: 0a0b-1 \
                       Correlation ID: 9c9d-2 Timestamp: 2026-01-01";
    let error = authorization_error("access_denied", Some(description));
    let provider = error.provider().unwrap();
    assert_eq!(
        (provider.codes.as_slice(), provider.trace_id.as_deref()),
        (&[50105][..], Some("0a0b-1"))
    );
    assert_eq!(provider.correlation_id.as_deref(), Some("9c9d-2"));
    assert_eq!(
        authorization_error("access_denied", Some("AADB2C90118: The user has forgotten"))
            .provider()
            .unwrap()
            .codes,
        [90118]
    );
    assert_eq!(
        authorization_error("x", Some("AADSTS99999999999999999999999: y"))
            .provider()
            .unwrap()
            .codes,
        [0_u64; 0]
    );
    assert!(!error.to_string().contains("administrator"), "{error}");
}

/// Rows with one outcome: the kinds of the error, from the token endpoint and in an authorization
/// response, and `error`, code and reason of each.
type CodeRows = (ErrorKind, ErrorKind, &'static [(&'static str, &'static str, &'static str)]);

const CODES: &[CodeRows] = &[
    // The grant is good, and the user has to act.
    (
        ErrorKind::InteractionRequired,
        ErrorKind::InteractionRequired,
        &[
            ("invalid_grant", "AADSTS65001", "consent_required"),
            ("invalid_grant", "AADSTS50076", "mfa_required"),
            ("invalid_grant", "AADSTS50079", "mfa_registration_required"),
            ("invalid_grant", "AADSTS50055", "password_expired"),
            ("interaction_required", "AADSTS53003", "conditional_access_blocked"),
            ("login_required", "AADSTS50058", "sign_in_needed"),
        ],
    ),
    // The grant has ended.
    (
        ErrorKind::InvalidGrant,
        ErrorKind::ProviderError,
        &[
            ("invalid_grant", "AADSTS700082", "refresh_token_expired"),
            ("invalid_grant", "AADSTS50173", "refresh_token_revoked"),
            ("invalid_grant", "AADSTS54005", "code_redeemed"),
            ("invalid_grant", "AADB2C90129", "refresh_token_revoked"),
        ],
    ),
    (
        ErrorKind::InvalidGrant,
        ErrorKind::AccessDenied,
        &[("invalid_grant", "AADSTS50057", "account_disabled")],
    ),
    // The provider refuses for the moment.
    (
        ErrorKind::ProviderUnreachable,
        ErrorKind::ProviderUnavailable,
        &[
            ("invalid_grant", "AADSTS50196", "request_loop"),
            ("invalid_request", "AADSTS90055", "throttled"),
            ("invalid_grant", "AADB2C90244", "throttled"),
            ("invalid_request", "AADSTS90033", "service_unavailable"),
        ],
    ),
    // The application has to be configured.
    (
        ErrorKind::ClientRefused,
        ErrorKind::ClientRefused,
        &[
            ("invalid_client", "AADSTS7000222", "client_secret_expired"),
            ("invalid_client", "AADSTS7000215", "client_secret_wrong"),
            ("invalid_client", "AADSTS700024", "client_assertion_clock_skew"),
            ("invalid_request", "AADSTS50011", "redirect_uri_not_registered"),
            ("invalid_request", "AADSTS9002327", "redirect_uri_wrong_platform"),
            ("unauthorized_client", "AADSTS700016", "application_not_found"),
            ("invalid_resource", "AADSTS500011", "resource_not_found"),
            ("invalid_request", "AADB2C90006", "redirect_uri_not_registered"),
        ],
    ),
    // The user is not admitted.
    (
        ErrorKind::AccessDenied,
        ErrorKind::AccessDenied,
        &[
            ("invalid_request", "AADSTS50105", "user_not_assigned"),
            ("access_denied", "AADSTS65004", "consent_declined"),
            ("access_denied", "AADSTS90094", "admin_consent_required"),
            ("access_denied", "AADB2C90118", "password_forgotten"),
            ("access_denied", "AADB2C90091", "sign_in_cancelled"),
        ],
    ),
];

// MSAL-102: `access_denied` with AADB2C90118; page handler raises it
/// A code makes a vague `error` exact, and takes nothing away from an exact one.
#[test]
fn a_code_makes_a_vague_error_exact() {
    for (at_token, at_callback, rows) in CODES {
        for (error, code, reason) in *rows {
            let description =
                format!("{code}: Ada of contoso.com … Trace ID: 0a-1 Correlation ID: 9c-2");
            let body = json!({"error": error, "error_description": description});
            let from_token = http_error(&answer(400, body));
            let from_callback = authorization_error(error, Some(&description));
            assert_eq!(
                (from_token.kind(), from_callback.kind(), from_token.reason()),
                (*at_token, *at_callback, *reason),
                "{error} {code}"
            );
        }
    }
}

#[test]
fn an_unknown_code_passes_through_as_it_is() {
    let body = json!({
        "error": "invalid_grant", "error_description": "AADSTS4711: whatever",
        "error_codes": [4711], "correlation_id": "c-1"
    });
    let error = http_error(&answer(400, body));
    let provider = error.provider().unwrap();
    assert_eq!(
        (error.kind(), error.reason(), error.advice()),
        (ErrorKind::InvalidGrant, "invalid_grant", None)
    );
    assert_eq!(
        (provider.code.as_deref(), provider.codes.as_slice()),
        (Some("AADSTS4711"), &[4711][..])
    );
    assert_eq!(error.user_message(), ErrorKind::InvalidGrant.user_message());
    assert_eq!(provider.description.as_deref(), Some("AADSTS4711: whatever"));
    assert!(
        error.to_string().contains("code=AADSTS4711") && !error.to_string().contains("whatever"),
        "{error}"
    );
}

/// A code of general failure comes before the one that says what it was.
#[test]
fn of_several_codes_the_most_specific_counts() {
    let told = |codes: &[u64], description: &str| {
        let error = http_error(&answer(
            400,
            json!({
                "error": "invalid_grant", "error_description": description, "error_codes": codes
            }),
        ));
        (error.provider().unwrap().code.clone().unwrap_or_default(), error.reason())
    };
    assert_eq!(
        told(&[70002, 54005], "AADSTS70002: …"),
        ("AADSTS54005".to_owned(), "code_redeemed")
    );
    assert_eq!(told(&[70000], "AADSTS70000: …"), ("AADSTS70000".to_owned(), "grant_not_accepted"));
    assert_eq!(told(&[1, 70000], ""), ("AADSTS70000".to_owned(), "grant_not_accepted"));
    assert_eq!(told(&[90006], "AADB2C90006: …").1, "redirect_uri_not_registered");
    // The numbers of a provider that is not Microsoft's.
    assert_eq!(told(&[65001], "the code was used"), (String::new(), "invalid_grant"));
}

// MSAL-053: Debug logging on; an entry is added
/// The log has this crate's own words, the codes and the identifiers.
#[test]
fn the_log_names_the_code_its_remedy_and_identifiers_and_no_user() {
    let description = "AADSTS7000222: The secret of 'Contoso Sales' of ada@contoso.com \
                       has expired. Trace ID: 0a0b-1 Correlation ID: 9c9d-2";
    let error = http_error(&answer(
        401,
        json!({
            "error": "invalid_client", "error_description": description, "error_codes": [7000222]
        }),
    ));
    let line = error.to_string();
    let advice = error.advice().unwrap();
    for part in [
        "client_secret_expired",
        "AADSTS7000222",
        "9c9d-2",
        "0a0b-1",
        advice.for_operator,
        "status=401",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    for part in ["Contoso", "ada@"] {
        assert!(!format!("{line} {error:?}").contains(part), "{line}");
    }
    assert_eq!(error.user_message(), advice.for_user);
}

/// The providers that are not Microsoft: `error` alone.
#[test]
fn errors_of_the_specification_have_advice_and_keep_their_kind() {
    for (error, kind, reason) in [
        ("invalid_client", ErrorKind::ClientRefused, "client_credential_refused"),
        ("unauthorized_client", ErrorKind::ClientRefused, "client_not_authorized"),
        ("invalid_scope", ErrorKind::ProviderError, "scope_invalid"),
        ("invalid_request", ErrorKind::ProviderError, "request_malformed"),
        ("login_required", ErrorKind::InteractionRequired, "interaction_required"),
        ("access_denied", ErrorKind::AccessDenied, "access_denied"),
        ("invalid_grant", ErrorKind::InvalidGrant, "invalid_grant"),
    ] {
        let told = http_error(&answer(400, json!({"error": error, "error_description": "Ada"})));
        assert_eq!((told.kind(), told.reason()), (kind, reason), "{error}");
        assert_eq!(told.provider().unwrap().code, None);
    }
}
