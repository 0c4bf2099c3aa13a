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
            "error": "invalid_grant", "error_description": "AADSTS65001: The user has not consented.\r\nTrace ID: 1\r\n", "suberror": "consent_required",
            "error_codes": [65001, "x", -1, 7], "correlation_id": "8a4b-c", "trace_id": "f00", "timestamp": "2026-01-01 00:00:00Z",
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
    let description = "AADSTS50105: Your administrator … Trace ID: 0a0b-1 Correlation ID: 9c9d-2 Timestamp: 2026-01-01";
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

// MSAL-102: `access_denied` with AADB2C90118; page handler raises it
/// What a code adds to an `error` that says little, and that it takes nothing away from one that
/// says enough.
#[test]
fn a_code_says_more_than_its_error() {
    use ErrorKind as Kind;
    let code = |error: &str, code: &str| {
        let description =
            format!("{code}: Ada of contoso.com … Trace ID: 0a-1 Correlation ID: 9c-2");
        let at_token = json!({"error": error, "error_description": description});
        let from_token = http_error(&answer(400, at_token));
        (
            from_token.kind(),
            authorization_error(error, Some(&description)).kind(),
            from_token.reason(),
        )
    };
    for (error, number, at_token, at_callback, reason) in [
        // The person has to do something: the grant is not dead.
        (
            "invalid_grant",
            "AADSTS65001",
            Kind::InteractionRequired,
            Kind::InteractionRequired,
            "consent_required",
        ),
        (
            "invalid_grant",
            "AADSTS50076",
            Kind::InteractionRequired,
            Kind::InteractionRequired,
            "mfa_required",
        ),
        (
            "invalid_grant",
            "AADSTS50079",
            Kind::InteractionRequired,
            Kind::InteractionRequired,
            "mfa_registration_required",
        ),
        (
            "invalid_grant",
            "AADSTS50055",
            Kind::InteractionRequired,
            Kind::InteractionRequired,
            "password_expired",
        ),
        (
            "interaction_required",
            "AADSTS53003",
            Kind::InteractionRequired,
            Kind::InteractionRequired,
            "conditional_access_blocked",
        ),
        (
            "login_required",
            "AADSTS50058",
            Kind::InteractionRequired,
            Kind::InteractionRequired,
            "sign_in_needed",
        ),
        // It is dead.
        (
            "invalid_grant",
            "AADSTS700082",
            Kind::InvalidGrant,
            Kind::ProviderError,
            "refresh_token_expired",
        ),
        (
            "invalid_grant",
            "AADSTS50173",
            Kind::InvalidGrant,
            Kind::ProviderError,
            "refresh_token_revoked",
        ),
        ("invalid_grant", "AADSTS54005", Kind::InvalidGrant, Kind::ProviderError, "code_redeemed"),
        (
            "invalid_grant",
            "AADSTS50057",
            Kind::InvalidGrant,
            Kind::AccessDenied,
            "account_disabled",
        ),
        (
            "invalid_grant",
            "AADB2C90129",
            Kind::InvalidGrant,
            Kind::ProviderError,
            "refresh_token_revoked",
        ),
        // Nothing is wrong with it, but this is not the time.
        (
            "invalid_grant",
            "AADSTS50196",
            Kind::ProviderUnreachable,
            Kind::ProviderUnavailable,
            "request_loop",
        ),
        (
            "invalid_request",
            "AADSTS90055",
            Kind::ProviderUnreachable,
            Kind::ProviderUnavailable,
            "throttled",
        ),
        (
            "invalid_grant",
            "AADB2C90244",
            Kind::ProviderUnreachable,
            Kind::ProviderUnavailable,
            "throttled",
        ),
        (
            "invalid_request",
            "AADSTS90033",
            Kind::ProviderUnreachable,
            Kind::ProviderUnavailable,
            "service_unavailable",
        ),
        // The application.
        (
            "invalid_client",
            "AADSTS7000222",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "client_secret_expired",
        ),
        (
            "invalid_client",
            "AADSTS7000215",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "client_secret_wrong",
        ),
        (
            "invalid_client",
            "AADSTS700024",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "client_assertion_clock_skew",
        ),
        (
            "invalid_request",
            "AADSTS50011",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "redirect_uri_not_registered",
        ),
        (
            "invalid_request",
            "AADSTS9002327",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "redirect_uri_wrong_platform",
        ),
        (
            "unauthorized_client",
            "AADSTS700016",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "application_not_found",
        ),
        (
            "invalid_resource",
            "AADSTS500011",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "resource_not_found",
        ),
        (
            "invalid_request",
            "AADB2C90006",
            Kind::ClientRefused,
            Kind::ClientRefused,
            "redirect_uri_not_registered",
        ),
        // The person is not let in.
        (
            "invalid_request",
            "AADSTS50105",
            Kind::AccessDenied,
            Kind::AccessDenied,
            "user_not_assigned",
        ),
        (
            "access_denied",
            "AADSTS65004",
            Kind::AccessDenied,
            Kind::AccessDenied,
            "consent_declined",
        ),
        (
            "access_denied",
            "AADSTS90094",
            Kind::AccessDenied,
            Kind::AccessDenied,
            "admin_consent_required",
        ),
        (
            "access_denied",
            "AADB2C90118",
            Kind::AccessDenied,
            Kind::AccessDenied,
            "password_forgotten",
        ),
        (
            "access_denied",
            "AADB2C90091",
            Kind::AccessDenied,
            Kind::AccessDenied,
            "sign_in_cancelled",
        ),
    ] {
        assert_eq!(code(error, number), (at_token, at_callback, reason), "{error} {number}");
    }
}

#[test]
fn an_unknown_code_passes_through_as_it_is() {
    let body = json!({"error": "invalid_grant", "error_description": "AADSTS4711: whatever", "error_codes": [4711], "correlation_id": "c-1"});
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
fn of_several_codes_the_one_that_tells_most_counts() {
    let told = |codes: &[u64], description: &str| {
        let error = http_error(&answer(
            400,
            json!({"error": "invalid_grant", "error_description": description, "error_codes": codes}),
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
    // Numbers of somebody who is not Microsoft.
    assert_eq!(told(&[65001], "the code was used"), (String::new(), "invalid_grant"));
}

// MSAL-053: Debug logging on; an entry is added
/// What is logged is this crate's own words, the codes and the identifiers.
#[test]
fn the_log_names_the_code_its_remedy_and_the_providers_identifiers_and_nobody() {
    let description = "AADSTS7000222: The secret of 'Contoso Sales' of ada@contoso.com has expired. Trace ID: 0a0b-1 Correlation ID: 9c9d-2";
    let error = http_error(&answer(
        401,
        json!({"error": "invalid_client", "error_description": description, "error_codes": [7000222]}),
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
