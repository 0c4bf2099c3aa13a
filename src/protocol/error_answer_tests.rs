//! The classification of error responses.

use http::header::WWW_AUTHENTICATE;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::test_support::answer;

fn kind_of(status: u16, body: impl std::fmt::Display) -> ErrorKind {
    http_error(&answer(status, body)).kind()
}

#[test]
fn the_code_decides_the_kind() {
    for (error, kind) in [
        ("invalid_grant", ErrorKind::InvalidGrant),
        ("invalid_client", ErrorKind::ClientRefused),
        ("unauthorized_client", ErrorKind::ClientRefused),
        ("interaction_required", ErrorKind::InteractionRequired),
        ("login_required", ErrorKind::InteractionRequired),
        ("consent_required", ErrorKind::InteractionRequired),
        ("temporarily_unavailable", ErrorKind::ProviderUnreachable),
        ("invalid_request", ErrorKind::ProviderError),
        ("invalid_scope", ErrorKind::ProviderError),
        ("unsupported_grant_type", ErrorKind::ProviderError),
        ("something_else", ErrorKind::ProviderError),
    ] {
        for status in [400, 401, 403] {
            assert_eq!(kind_of(status, json!({"error": error})), kind, "{error}");
        }
    }
}

/// LinkedIn, Apple, Facebook and others have words of their own for what a person decided.
#[test]
fn a_persons_own_choice_is_access_denied_however_it_is_written() {
    for error in [
        "access_denied",
        "ACCESS_DENIED",
        "user_cancelled_login",
        "user_cancelled_authorize",
        "user_canceled",
        "user_denied",
        "user_aborted",
        "userCancelled",
        "consent_declined",
        "cancelled",
        "authorization_declined",
    ] {
        assert_eq!(authorization_error(error, None).kind(), ErrorKind::AccessDenied, "{error}");
    }
    for error in [
        "user",
        "users_cancelled",
        "access_denied_by_proxy",
        "",
        "cancellation_failed",
        "invalid_user",
    ] {
        assert_ne!(authorization_error(error, None).kind(), ErrorKind::AccessDenied, "{error}");
    }
}

/// A provider that responds is not reported as unreachable.
#[test]
fn an_error_of_the_authorization_response_is_never_an_outage() {
    for (error, description) in [
        ("server_error", None),
        ("temporarily_unavailable", None),
        ("temporarily_unavailable", Some("authentication_expired")),
        ("server_error", Some("AADSTS90033: x")),
        ("temporarily_unavailable", Some("AADB2C90048: x")),
        ("", None),
        ("whatever", Some("x")),
    ] {
        let told = authorization_error(error, description);
        assert!(
            !told.user_message().contains("cannot be reached"),
            "{error}: {}",
            told.user_message()
        );
        assert!(told.to_string().contains("the provider answered with an error"), "{told}");
    }
}

#[test]
fn only_what_is_documented_asks_to_begin_again() {
    let asks = |error, description| asks_to_begin_again(&authorization_error(error, description));
    assert!(asks("temporarily_unavailable", Some("authentication_expired")));
    assert!(asks("temporarily_unavailable", Some("already_logged_in")));
    assert!(
        !asks("temporarily_unavailable", None)
            && !asks("temporarily_unavailable", Some("maintenance"))
    );
    assert!(
        !asks("server_error", Some("authentication_expired"))
            && !asks("access_denied", Some("authentication_expired"))
    );
}

/// The answer to a refresh, of the refresh token alone.
fn refreshed(status: u16, body: impl std::fmt::Display) -> ErrorKind {
    of_refresh(http_error(&answer(status, body)), true).kind()
}

#[test]
fn a_dead_refresh_token_is_one_by_whatever_name() {
    for (status, error, description) in [
        (400, "invalid_grant", ""),
        (400, "invalid_request", ""),
        (401, "invalid_request", "The refresh token is invalid."),
        (400, "invalid_grant: Token is expired or invalid.", ""),
        (400, "invalid_token", ""),
        (401, "invalid_token", ""),
        (401, "token_expired", ""),
        (400, "expired_token", ""),
        (400, "invalid_refresh_token", ""),
        (403, "INVALID_REFRESH_TOKEN", ""),
        (400, "token_revoked", ""),
        (401, "session_expired", ""),
        (401, "", ""),
    ] {
        let body = json!({"error": error, "error_description": description});
        assert_eq!(refreshed(status, body), ErrorKind::InvalidGrant, "{status} {error}");
    }
    for body in ["", "Invalid token", r#"{"message":"Invalid token"}"#] {
        assert_eq!(refreshed(401, body), ErrorKind::InvalidGrant, "{body}");
    }
    for (status, body) in [
        (400, json!({"error": "Bad Request", "status": 400, "message": "Invalid refresh token"})),
        (400, json!({"message": "The refresh_token has expired."})),
        (400, json!({"errors": [{"errorType": "invalid_grant"}], "success": false})),
        (200, json!({"ok": false, "error": "invalid_refresh_token"})),
        (404, json!({"error": "NotFound", "message": "Refresh Token does not exist"})),
        (401, json!({"error": "JwtToken", "message": "Token has expired"})),
    ] {
        assert_eq!(refreshed(status, &body), ErrorKind::InvalidGrant, "{body}");
    }
}

#[test]
fn a_refusal_of_another_kind_is_final_for_this_refresh_token_alone() {
    let spent = |status, body: &str| {
        let error = of_refresh(http_error(&answer(status, body)), true);
        assert_ne!(error.kind(), ErrorKind::InvalidGrant, "{status} {body}");
        error.is_of_spent_grant()
    };
    for (status, body) in [
        (400, r#"{"error":"unauthorized_client"}"#),
        (401, r#"{"error":"unauthorized_client","error_description":"Client not enabled to x"}"#),
        (400, r#"{"error":"unsupported_grant_type","error_description":"no refresh token"}"#),
        (400, r#"{"error":{"code":190}}"#),
        (401, r#"{"error":"server_error"}"#),
        (403, r#"{"error":"access_denied"}"#),
        (404, "<html>"),
        (404, r#"{"error":"NotFound","message":"no such endpoint"}"#),
        (401, r#"{"error":"JwtToken","message":"Token is not valid yet"}"#),
        (400, r#"{"error":"token_error","error_description":"An unknown error occurred"}"#),
        (400, r#"{"error":"grant_refused","error_description":"invalid for this client"}"#),
        (200, r#"{"error":"other"}"#),
    ] {
        assert!(spent(status, body), "{status} {body}");
    }
    for (status, body) in [
        (400, r#"{"error":"invalid_client"}"#),
        (401, r#"{"error":"unauthorized_client"}"#),
        (400, r#"{"error":"unauthorized_client","error_description":"Invalid client secret"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (400, r#"{"error":"slow_down"}"#),
        (408, ""),
        (429, r#"{"error":"x"}"#),
        (500, r#"{"error":"invalid_grant"}"#),
    ] {
        assert!(!spent(status, body), "{status} {body}");
    }
    let malformed = Error::new(ErrorKind::TokenResponseInvalid, "`access_token` is missing");
    assert!(of_refresh(malformed, true).is_of_spent_grant());
    let unreachable = Error::new(ErrorKind::ProviderUnreachable, "refused");
    assert!(!of_refresh(unreachable, true).is_of_spent_grant());
}

#[test]
fn outages_limits_and_mistakes_in_the_set_up_leave_the_refresh_token_alive() {
    for (status, error) in [
        (401, "invalid_client"),
        (400, "invalid_client"),
        (400, "unauthorized_client"),
        (400, "unsupported_grant_type"),
        (400, "invalid_scope"),
        (400, "invalid_target"),
        (400, "use_dpop_nonce"),
        (400, "slow_down"),
        (400, ""),
        (403, ""),
        (404, ""),
        (404, "invalid_request"),
        (408, "invalid_request"),
        (429, "invalid_request"),
        (500, "invalid_grant"),
        (503, "invalid_token"),
        (400, "temporarily_unavailable"),
    ] {
        let kind = refreshed(status, json!({"error": error}));
        assert_ne!(kind, ErrorKind::InvalidGrant, "{status} {error}");
    }
    // In whatever place of the header the challenge stands.
    for challenge in [
        r#"basic realm="x""#,
        "Basic",
        "Bearer,Basic",
        r#"Bearer realm="a, b", Basic realm="x""#,
        r#"Negotiate YII==, Basic realm="x""#,
    ] {
        let mut refused = answer(401, "");
        refused.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        let error = of_refresh(http_error(&refused), true);
        let seen = (error.kind(), error.reason());
        assert_eq!(seen, (ErrorKind::ClientRefused, "client_credential_refused"), "{challenge}");
    }
}

/// The other parameters of the request may be at fault.
#[test]
fn a_malformed_refresh_for_more_is_about_the_token_only_where_the_provider_says_so() {
    let kind = |description: &str| {
        let body = json!({"error": "invalid_request", "error_description": description});
        of_refresh(http_error(&answer(400, body)), false).kind()
    };
    assert_eq!(kind(""), ErrorKind::ProviderError);
    assert_eq!(kind("The scope is not known."), ErrorKind::ProviderError);
    assert_eq!(kind("Invalid \"refresh_token\" in request."), ErrorKind::InvalidGrant);
}

// MSAL-058: Refresh answers `suberror=basic_action`; silent call with error
// MSAL-059: Refresh answers suberror in {bad_token, token_expired, protection_policy_required,
//   client_mismatch, device_authentication_failed}; silent call with error
#[test]
fn a_refused_grant_with_a_reason_to_interact_is_not_lost() {
    for suberror in [
        "basic_action",
        "additional_action",
        "message_only",
        "consent_required",
        "user_password_expired",
    ] {
        assert_eq!(
            kind_of(400, json!({"error": "invalid_grant", "suberror": suberror})),
            ErrorKind::InteractionRequired,
            "{suberror}"
        );
    }
    for suberror in
        ["bad_token", "token_expired", "client_mismatch", "device_authentication_failed", ""]
    {
        assert_eq!(
            kind_of(400, json!({"error": "invalid_grant", "suberror": suberror})),
            ErrorKind::InvalidGrant,
            "{suberror}"
        );
    }
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let error = http_error(&answer(400, json!({"error": "invalid_grant", "claims": claims})));
    assert_eq!(
        (error.kind(), error.provider().unwrap().claims.as_deref()),
        (ErrorKind::InteractionRequired, Some(claims))
    );
    for claims in [
        json!("not json"),
        json!("[]"),
        json!({"a": 1}),
        json!(format!("{{\"a\":\"{}\"}}", "x".repeat(9000))),
    ] {
        let error = http_error(&answer(400, json!({"error": "invalid_grant", "claims": claims})));
        assert_eq!(
            (error.kind(), error.provider().unwrap().claims.as_deref()),
            (ErrorKind::InvalidGrant, None)
        );
    }
}

/// A fault of the provider says nothing about the grant, so nobody is signed out because of it.
#[test]
fn a_fault_of_the_provider_is_not_the_grants() {
    for status in [429, 500, 502, 503, 504, 599] {
        for body in ["", "<html>", r#"{"error":"invalid_grant"}"#, r#"{"error":"server_error"}"#] {
            assert_eq!(kind_of(status, body), ErrorKind::ProviderUnreachable, "{status} {body}");
        }
    }
}

#[test]
fn an_answer_without_a_code_is_classified_by_its_status() {
    for body in
        ["", "null", "[]", "<html>", "{", r#"{"error":null}"#, r#"{"error":1}"#, r#"{"error":{}}"#]
    {
        assert_eq!(kind_of(403, body), ErrorKind::ProviderError, "{body}");
        assert_eq!(kind_of(400, body), ErrorKind::ProviderError, "{body}");
        assert_eq!(kind_of(401, body), ErrorKind::ClientRefused, "{body}");
    }
    let error = http_error(&answer(403, ""));
    assert_eq!(
        (error.provider().unwrap().status, error.provider().unwrap().error.as_str()),
        (Some(403), "")
    );
}

#[test]
fn texts_are_cut_and_cleaned() {
    let long = "é".repeat(5000);
    let error = http_error(&answer(
        400,
        json!({
            "error": format!("a\n\"b\\{long}{}", "c".repeat(500)),
            "error_description": format!("\u{0}\u{1b}[31m{long}")
        }),
    ));
    let provider = error.provider().unwrap();
    assert_eq!(provider.error, format!("ab{}", "c".repeat(98)));
    assert_eq!(provider.description.as_deref().unwrap().chars().count(), 998);
    assert!(!provider.description.as_deref().unwrap().contains(char::is_control));
}

// C-360: Retry-After on authorization_pending or 503
// MSAL-130: Retry-After absent on 429/5xx, or huge
#[test]
fn retry_after_is_seconds_or_a_date_and_has_a_limit() {
    let wait = |value: &str, date: Option<&str>| {
        let mut answer = answer(503, "");
        answer.headers_mut().insert("retry-after", value.parse().unwrap());
        if let Some(date) = date {
            answer.headers_mut().insert("date", date.parse().unwrap());
        }
        http_error(&answer).provider().unwrap().retry_after.map(|wait| wait.as_secs())
    };
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(wait("17", None), Some(17));
    assert_eq!(wait(" 0 ", None), Some(0));
    assert_eq!(wait("99999999", None), Some(3600));
    assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT", date), Some(30));
    assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT", date), Some(0));
    assert_eq!(wait("Mon, 07 Nov 1994 08:50:07 GMT", date), Some(3600));
    // RFC 9110 section 5.6.7: the two older forms of a date.
    assert_eq!(wait("Sunday, 06-Nov-94 08:50:07 GMT", date), Some(30));
    assert_eq!(wait("Sun Nov  6 08:50:07 1994", date), Some(30));
    // The same section: a leap second is the second 60.
    for leap in [
        "Sat, 31 Dec 2016 23:59:60 GMT",
        "Saturday, 31-Dec-16 23:59:60 GMT",
        "Sat Dec 31 23:59:60 2016",
    ] {
        assert_eq!(wait(leap, Some("Sat, 31 Dec 2016 23:59:30 GMT")), Some(30), "{leap}");
        assert_eq!(wait("Sun, 01 Jan 2017 00:00:10 GMT", Some(leap)), Some(10), "{leap}");
    }
    assert_eq!(wait("Sat, 31 Dec 2016 23:60:00 GMT", date), None);
    assert_eq!(wait("Sat, 31 Dec 2016 60:00:00 GMT", date), None);
    for nonsense in [
        "",
        "soon",
        "-1",
        "1.5",
        "Sun, 06 Nov 1994",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "99999999999999999999999",
    ] {
        assert_eq!(wait(nonsense, date), None, "{nonsense}");
    }
    assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
}

proptest! {
    #[test]
    fn arbitrary_answers_never_panic(
        status in 100_u16..600,
        body in prop::collection::vec(any::<u8>(), 0..300),
        text in ".{0,60}",
        wait in "[ -~]{0,40}",
    ) {
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer.headers_mut().insert("retry-after", wait.parse().unwrap());
        answer.headers_mut().insert("date", wait.parse().unwrap());
        let _ = http_error(&answer);
        let _ = authorization_error(&text, Some(&text));
    }
}
