//! Error responses of the provider, mapped to an [`ErrorKind`] (RFC 6749 sections 4.1.2.1 and 5.2,
//! OpenID Connect Core section 3.1.2.6, RFC 9470, Entra's extensions).
//!
//! The kind follows from the `error` code, the status, and Entra's `suberror`, `claims` and
//! `error_codes`. Descriptions decide only where a provider has no other way to say it (Keycloak's
//! request to start again, refused scopes and refresh tokens).
//!
//! Texts of the provider are untrusted: they are shortened and stripped of control characters
//! before they are kept.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::Value;

use super::json::{self, Object};
use crate::{
    authority::codes::{self, Effect, Row},
    clock::UnixTime,
    error::{Error, ErrorKind, ProviderError},
};

const MAX_CODE_CHARS: usize = 100;
const MAX_DESCRIPTION_CHARS: usize = 1000;
const MAX_CLAIMS_BYTES: usize = 8 * 1024;
const MAX_CODES: usize = 20;
/// The longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The error of an authorization response (RFC 6749 section 4.1.2.1).
pub(crate) fn authorization_error(error: &str, description: Option<&str>) -> Error {
    let mut provider = ProviderError { error: code(error), ..ProviderError::default() };
    describe(&mut provider, description);
    let effect = advise(&mut provider);
    let kind = match (provider.error.as_str(), kind(&provider.error, effect)) {
        // The provider has answered, so "unreachable" would be a wrong message.
        ("server_error" | "temporarily_unavailable", ErrorKind::ProviderError)
        | (_, ErrorKind::ProviderUnreachable) => ErrorKind::ProviderUnavailable,
        (_, kind) => kind,
    };
    Error::from_provider(kind, provider)
}

/// Whether the error asks the application to start the sign-in again.
///
/// Keycloak answers so if the login in one tab has expired and the user has signed in in another
/// (<https://www.keycloak.org/securing-apps/oidc-layers#_oidc-errors>).
pub(crate) fn asks_to_begin_again(error: &Error) -> bool {
    error.provider().is_some_and(|said| {
        let description = said.description.as_deref().unwrap_or_default();
        said.error == "temporarily_unavailable"
            && matches!(description, "authentication_expired" | "already_logged_in")
    })
}

/// Whether the error may be about a scope: `invalid_scope` (RFC 6749 sections 4.1.2.1 and 5.2), or
/// `invalid_request` with "scope" in its description, as from OpenIddict: "The client application is
/// not allowed to use the 'offline_access' scope."
pub(crate) fn may_be_about_a_scope(error: &Error) -> bool {
    error.provider().is_some_and(|said| match said.error.as_str() {
        "invalid_scope" => true,
        "invalid_request" => said
            .description
            .as_deref()
            .is_some_and(|description| description.to_ascii_lowercase().contains("scope")),
        _ => false,
    })
}

/// The error of a refresh, with [`ErrorKind::InvalidGrant`] for every way in which providers say
/// that the refresh token is not valid any more. `sent_alone`: the request had no parameters but the
/// refresh token and the client authentication.
///
/// RFC 6749 section 5.2 specifies `invalid_grant`. Others in use:
///
/// - `invalid_request` (Ory Fosite up to 0.42, league/oauth2-server up to 7, Authlib, better-auth).
///   If only the token differs from earlier requests, it is the cause.
/// - `invalid_token`, `expired_token`, `invalid_refresh_token` and similar codes (iRacing,
///   CloudBase), or `invalid_grant: …` followed by a text (EVE Online).
/// - 401 without a code (FerrisKey). A refused client is `invalid_client`, or has a challenge
///   ([`http_error`]).
///
/// Other errors are an outage, a rate limit, or a mistake of the configuration that concerns every
/// refresh (`invalid_client`, `unauthorized_client`, `unsupported_grant_type`, an HTML page). The
/// refresh token may still be valid then, so the session does not end.
pub(crate) fn of_refresh(error: Error, sent_alone: bool) -> Error {
    let Some(said) = error.provider() else { return error };
    let is_refused = matches!(error.kind(), ErrorKind::ProviderError | ErrorKind::ClientRefused)
        && matches!(said.status, Some(400 | 401 | 403));
    let code = said.error.to_ascii_lowercase();
    let names_the_token = || {
        let has_one_of = |words: &[&str]| words.iter().any(|word| code.contains(word));
        has_one_of(&["token", "grant", "session"])
            && has_one_of(&["invalid", "expired", "revoked", "inactive", "not_found", "unknown"])
    };
    let describes_the_token = || {
        let description = said.description.as_deref().unwrap_or_default().to_ascii_lowercase();
        description.replace(['_', '-'], " ").contains("refresh token")
    };
    let is_invalid = match code.as_str() {
        _ if !is_refused => false,
        "" => said.status == Some(401),
        "invalid_request" => sent_alone || describes_the_token(),
        _ => names_the_token(),
    };
    match is_invalid {
        true => Error::from_provider(
            ErrorKind::InvalidGrant,
            ProviderError { advice: None, ..said.clone() },
        ),
        false => error,
    }
}

/// Whether the user declined: `access_denied` (RFC 6749 section 4.1.2.1), or a code that providers
/// use instead, such as `user_cancelled_login` (LinkedIn), `user_cancelled_authorize` (LinkedIn,
/// Apple) and `user_denied` (Facebook).
fn is_declined(error: &str) -> bool {
    let error = error.to_ascii_lowercase().replace(['-', ' '], "_");
    let prefixes = [
        "user_cancel",
        "user_denied",
        "user_declined",
        "user_refused",
        "user_abort",
        "user_reject",
        "usercancel",
    ];
    prefixes.iter().any(|prefix| error.starts_with(prefix))
        || matches!(
            error.as_str(),
            "access_denied"
                | "authorization_declined"
                | "authorization_denied"
                | "consent_declined"
                | "consent_denied"
                | "cancel"
                | "canceled"
                | "cancelled"
        )
}

/// The error of an unsuccessful response of the token endpoint or a similar one (RFC 6749 section
/// 5.2). The body may be anything, such as the HTML page of a proxy.
pub(crate) fn http_error(answer: &Response<Bytes>) -> Error {
    let status = answer.status();
    let body = json::document(answer.body()).unwrap_or_default();
    let mut provider = from_body(&body);
    provider.status = Some(status.as_u16());
    provider.retry_after = retry_after(answer);
    // RFC 6749 section 5.2: a 401 for a client that authenticated by Basic has a challenge for it.
    if status == StatusCode::UNAUTHORIZED && provider.error.is_empty() {
        provider.error = challenged(answer).to_owned();
    }
    let effect = advise(&mut provider);
    let asks_for_interaction = effect == Effect::Interaction
        || provider.claims.is_some()
        || provider.suberror.as_deref().is_some_and(suberror_asks_for_interaction);
    let kind = match (status, provider.error.as_str()) {
        // An outage or a rate limit, whatever the body says. These must not end a session.
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, "server_error" | "temporarily_unavailable") => {
            ErrorKind::ProviderUnreachable
        }
        (status, _) if status.is_server_error() || effect == Effect::Passing => {
            ErrorKind::ProviderUnreachable
        }
        // Entra: the grant is refused only until the user has acted (consent, MFA, new password).
        (_, "invalid_grant") if asks_for_interaction => ErrorKind::InteractionRequired,
        (_, "invalid_grant") => ErrorKind::InvalidGrant,
        (StatusCode::UNAUTHORIZED, "") => ErrorKind::ClientRefused,
        (_, error) => kind(error, effect),
    };
    Error::from_provider(kind, provider)
}

/// The `error` code for a 401 without one: `invalid_client` if the challenge asks for Basic.
fn challenged(answer: &Response<Bytes>) -> &'static str {
    let is_basic = |challenge: &HeaderValue| {
        let scheme = challenge.as_bytes().split(|byte| *byte == b' ').next();
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic"))
    };
    if answer.headers().get_all(WWW_AUTHENTICATE).iter().any(is_basic) {
        "invalid_client"
    } else {
        ""
    }
}

/// The kind of an `error`; for a general one, the kind of the provider's own code (`effect`).
fn kind(error: &str, effect: Effect) -> ErrorKind {
    match error {
        _ if effect == Effect::Passing => ErrorKind::ProviderUnreachable,
        error if is_declined(error) => ErrorKind::AccessDenied,
        "invalid_client" | "unauthorized_client" => ErrorKind::ClientRefused,
        "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required"
        | "insufficient_user_authentication" => ErrorKind::InteractionRequired,
        // RFC 9470 registers it for providers that cannot meet the requirements: another sign-in
        // would not help.
        "unmet_authentication_requirements" => ErrorKind::AuthContextMissing,
        _ => match effect {
            Effect::Interaction => ErrorKind::InteractionRequired,
            Effect::Client => ErrorKind::ClientRefused,
            Effect::Denied => ErrorKind::AccessDenied,
            Effect::AsSaid | Effect::Passing => ErrorKind::ProviderError,
        },
    }
}

/// Looks up the provider's codes. Writes the advice into the error, and returns what the code means
/// for the request.
fn advise(provider: &mut ProviderError) -> Effect {
    let description = provider.description.as_deref().unwrap_or_default();
    let (family, row_of): (_, fn(u64) -> Option<&'static Row>) =
        match description.starts_with("AADB2C") {
            true => ("AADB2C", codes::b2c),
            // Without the prefix, `error_codes` are numbers of another provider.
            false if description.is_empty() || description.starts_with("AADSTS") => {
                ("AADSTS", codes::entra)
            }
            false => ("", |_| None),
        };
    let rows = || provider.codes.iter().filter_map(|number| row_of(*number));
    let row = rows().find(|row| !row.wrapper).or_else(|| rows().next());
    provider.code = match (row, provider.codes.first()) {
        (Some(row), _) => Some(row.advice.code.to_owned()),
        (None, Some(number)) if !family.is_empty() => Some(format!("{family}{number}")),
        (None, _) => None,
    };
    provider.advice = row.or_else(|| codes::oauth(&provider.error)).map(|row| &row.advice);
    row.map_or(Effect::AsSaid, |row| row.effect)
}

/// The `suberror` of a refused grant, if it names something that the user can remedy.
pub(crate) fn interaction_suberror(error: &Error) -> Option<&str> {
    let suberror = error.provider()?.suberror.as_deref();
    suberror.filter(|suberror| suberror_asks_for_interaction(suberror))
}

/// Whether Entra's `suberror` names something that the user can remedy. After the others
/// (`bad_token`, `token_expired`, `client_mismatch`, …) the grant stays invalid.
fn suberror_asks_for_interaction(suberror: &str) -> bool {
    matches!(
        suberror,
        "basic_action"
            | "additional_action"
            | "message_only"
            | "consent_required"
            | "user_password_expired"
    )
}

/// The members of an error response (RFC 6749 section 5.2, and Entra's extensions).
fn from_body(body: &Object) -> ProviderError {
    let mut provider = ProviderError {
        error: json::text(body, "error").map(code).unwrap_or_default(),
        suberror: json::text(body, "suberror").map(code).filter(|text| !text.is_empty()),
        ..ProviderError::default()
    };
    describe(&mut provider, json::text(body, "error_description"));
    if let Some(Value::Array(codes)) = body.get("error_codes") {
        provider.codes = codes.iter().filter_map(Value::as_u64).take(MAX_CODES).collect();
    }
    for (name, place) in
        [("correlation_id", &mut provider.correlation_id), ("trace_id", &mut provider.trace_id)]
    {
        *place = json::text(body, name)
            .map(code)
            .filter(|text| !text.is_empty())
            .or_else(|| place.take());
    }
    provider.claims = json::text(body, "claims")
        .filter(|claims| claims.len() <= MAX_CLAIMS_BYTES && json::object(claims.as_bytes()).is_ok())
        .map(str::to_owned);
    provider
}

/// Sets the description, and the codes and ids that Entra and B2C write into it: `AADSTS50105: …
/// Trace ID: … Correlation ID: …`.
fn describe(provider: &mut ProviderError, description: Option<&str>) {
    let Some(description) = description
        .map(|text| sanitised(text, MAX_DESCRIPTION_CHARS))
        .filter(|text| !text.is_empty())
    else {
        return;
    };
    let number = |prefix: &str| {
        let digits = description.strip_prefix(prefix)?;
        let end = digits.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse().ok()
    };
    let id = |label: &str| {
        let (_, rest) = description.split_once(label)?;
        let id: String = rest
            .trim_start()
            .chars()
            .take_while(|byte| byte.is_ascii_hexdigit() || *byte == '-')
            .take(36)
            .collect();
        (!id.is_empty()).then_some(id)
    };
    provider.codes = number("AADSTS").or_else(|| number("AADB2C")).into_iter().collect();
    provider.correlation_id = id("Correlation ID:");
    provider.trace_id = id("Trace ID:");
    provider.description = Some(description);
}

/// The text reduced to the characters of an error code (RFC 6749 section 5.2), and shortened.
pub(super) fn code(text: &str) -> String {
    text.chars()
        .filter(|letter| matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\'))
        .take(MAX_CODE_CHARS)
        .collect()
}

/// The text with spaces for control characters, and shortened.
fn sanitised(text: &str, max_chars: usize) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(max_chars)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The wait that `Retry-After` asks for (RFC 9110 section 10.2.3): a number of seconds, or a date,
/// which is compared with `Date` of the same response, not with this machine's clock. An invalid
/// value is ignored.
pub(crate) fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let header = |name: http::HeaderName| answer.headers().get(name)?.to_str().ok().map(str::trim);
    let value = header(http::header::RETRY_AFTER)?;
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(value)?.since(http_date(header(http::header::DATE)?)?),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// An HTTP date in the preferred form: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
pub(super) fn http_date(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let (day, month, year, clock, zone) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mut clock = clock.splitn(3, ':').map(str::parse::<u8>);
    let mut next = || clock.next()?.ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let month = u8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let date = time::Date::from_calendar_date(
        year.parse().ok()?,
        month.try_into().ok()?,
        day.parse().ok()?,
    )
    .ok()?;
    let time = time::Time::from_hms(hour, minute, second.min(59)).ok()?;
    (zone == "GMT")
        .then(|| UnixTime::from_seconds(date.with_time(time).assume_utc().unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::testing::answer;

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

    /// Who gives an answer can be reached.
    #[test]
    fn an_error_of_the_authorization_response_is_never_told_as_an_outage() {
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
        let asks =
            |error, description| asks_to_begin_again(&authorization_error(error, description));
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
        let mut refused = answer(401, "");
        refused.headers_mut().insert(WWW_AUTHENTICATE, "basic realm=\"x\"".parse().unwrap());
        let error = of_refresh(http_error(&refused), true);
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::ClientRefused, "client_credential_refused")
        );
    }

    /// What was asked for beside it may be at fault.
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

    /// MSAL-058, MSAL-059
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
            let error =
                http_error(&answer(400, json!({"error": "invalid_grant", "claims": claims})));
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
            for body in
                ["", "<html>", r#"{"error":"invalid_grant"}"#, r#"{"error":"server_error"}"#]
            {
                assert_eq!(
                    kind_of(status, body),
                    ErrorKind::ProviderUnreachable,
                    "{status} {body}"
                );
            }
        }
    }

    #[test]
    fn an_answer_without_a_code_is_told_by_its_status() {
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            "{",
            r#"{"error":null}"#,
            r#"{"error":1}"#,
            r#"{"error":{}}"#,
        ] {
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

    /// C-410
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

    /// MSAL-102: what a code adds to an `error` that says little, and that it takes nothing away
    /// from one that says enough.
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
            (
                "invalid_grant",
                "AADSTS54005",
                Kind::InvalidGrant,
                Kind::ProviderError,
                "code_redeemed",
            ),
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
            error.to_string().contains("code=AADSTS4711")
                && !error.to_string().contains("whatever"),
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
        assert_eq!(
            told(&[70000], "AADSTS70000: …"),
            ("AADSTS70000".to_owned(), "grant_not_accepted")
        );
        assert_eq!(told(&[1, 70000], ""), ("AADSTS70000".to_owned(), "grant_not_accepted"));
        assert_eq!(told(&[90006], "AADB2C90006: …").1, "redirect_uri_not_registered");
        // Numbers of somebody who is not Microsoft.
        assert_eq!(told(&[65001], "the code was used"), (String::new(), "invalid_grant"));
    }

    /// MSAL-053: what is logged is this crate's own words, the codes and the identifiers.
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
        assert_eq!(error.user_message(), advice.for_person);
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
            let told =
                http_error(&answer(400, json!({"error": error, "error_description": "Ada"})));
            assert_eq!((told.kind(), told.reason()), (kind, reason), "{error}");
            assert_eq!(told.provider().unwrap().code, None);
        }
    }

    #[test]
    fn texts_are_cut_and_cleaned() {
        let long = "é".repeat(5000);
        let error = http_error(&answer(
            400,
            json!({"error": format!("a\n\"b\\{long}{}", "c".repeat(500)), "error_description": format!("\u{0}\u{1b}[31m{long}")}),
        ));
        let provider = error.provider().unwrap();
        assert_eq!(provider.error, format!("ab{}", "c".repeat(98)));
        assert_eq!(provider.description.as_deref().unwrap().chars().count(), 998);
        assert!(!provider.description.as_deref().unwrap().contains(char::is_control));
    }

    /// C-360, MSAL-130
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
        fn arbitrary_answers_never_panic(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,60}", wait in "[ -~]{0,40}") {
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer.headers_mut().insert("retry-after", wait.parse().unwrap());
            answer.headers_mut().insert("date", wait.parse().unwrap());
            let _ = http_error(&answer);
            let _ = authorization_error(&text, Some(&text));
        }
    }
}
