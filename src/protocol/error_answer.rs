//! What a provider's error means (RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core section 3.1.2.6, RFC 9470, Entra's extensions).
//!
//! Its texts were written by somebody else: they are cut, and control characters are taken out, before they are kept. Only the `error` code, the status and
//! Entra's `suberror` and `claims` decide anything.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::json::{self, Object};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind, ProviderError},
};

const LONGEST_CODE: usize = 100;
const LONGEST_DESCRIPTION: usize = 1000;
const LONGEST_CLAIMS: usize = 8 * 1024;
const MOST_CODES: usize = 20;
/// Nobody is kept waiting longer, whatever the provider says.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// An error in the authorization response.
pub(crate) fn authorization_error(error: &str, description: Option<&str>) -> Error {
    let mut provider = ProviderError { error: code(error), ..ProviderError::default() };
    describe(&mut provider, description);
    let kind = match provider.error.as_str() {
        "server_error" | "temporarily_unavailable" => ErrorKind::ProviderUnreachable,
        error => kind(error),
    };
    Error::from_provider(kind, provider)
}

/// An answer that is no success, of the token endpoint or one like it; its body may be anything.
pub(crate) fn http_error(answer: &Response<Bytes>) -> Error {
    let status = answer.status();
    let body = json::object(answer.body()).unwrap_or_default();
    let mut provider = from_body(&body);
    provider.status = Some(status.as_u16());
    provider.retry_after = retry_after(answer);
    let asks_for_interaction =
        provider.claims.is_some() || provider.suberror.as_deref().is_some_and(suberror_asks_for_interaction);
    let kind = match (status, provider.error.as_str()) {
        // A fault of the provider or too many requests: whatever the body says, the grant is not at fault.
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, "server_error" | "temporarily_unavailable") => ErrorKind::ProviderUnreachable,
        (status, _) if status.is_server_error() => ErrorKind::ProviderUnreachable,
        (_, "invalid_grant") if asks_for_interaction => ErrorKind::InteractionRequired,
        (_, "invalid_grant") => ErrorKind::InvalidGrant,
        (StatusCode::UNAUTHORIZED, "") => ErrorKind::ClientRefused,
        (_, error) => kind(error),
    };
    Error::from_provider(kind, provider)
}

fn kind(error: &str) -> ErrorKind {
    match error {
        "access_denied" => ErrorKind::AccessDenied,
        "invalid_client" | "unauthorized_client" => ErrorKind::ClientRefused,
        "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required"
        | "insufficient_user_authentication"
        | "unmet_authentication_requirements" => ErrorKind::InteractionRequired,
        _ => ErrorKind::ProviderError,
    }
}

/// Entra's reasons that a person can do something about. The others (`bad_token`, `token_expired`, `client_mismatch`, …) leave the grant as dead as it is.
fn suberror_asks_for_interaction(suberror: &str) -> bool {
    matches!(suberror, "basic_action" | "additional_action" | "message_only" | "consent_required" | "user_password_expired")
}

fn from_body(body: &Object) -> ProviderError {
    let mut provider = ProviderError {
        error: json::text(body, "error").map(code).unwrap_or_default(),
        suberror: json::text(body, "suberror").map(code).filter(|text| !text.is_empty()),
        ..ProviderError::default()
    };
    describe(&mut provider, json::text(body, "error_description"));
    if let Some(Value::Array(codes)) = body.get("error_codes") {
        provider.codes = codes.iter().filter_map(Value::as_u64).take(MOST_CODES).collect();
    }
    for (name, place) in [("correlation_id", &mut provider.correlation_id), ("trace_id", &mut provider.trace_id)] {
        *place = json::text(body, name).map(code).filter(|text| !text.is_empty()).or_else(|| place.take());
    }
    provider.claims = json::text(body, "claims")
        .filter(|claims| claims.len() <= LONGEST_CLAIMS && json::object(claims.as_bytes()).is_ok())
        .map(str::to_owned);
    provider
}

/// The description, and what Entra and B2C write into it: `AADSTS50105: … Trace ID: … Correlation ID: …`.
fn describe(provider: &mut ProviderError, description: Option<&str>) {
    let Some(description) = description.map(|text| sanitised(text, LONGEST_DESCRIPTION)).filter(|text| !text.is_empty()) else {
        return;
    };
    let number = |prefix: &str| {
        let digits = description.strip_prefix(prefix)?;
        let end = digits.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse().ok()
    };
    let id = |label: &str| {
        let (_, rest) = description.split_once(label)?;
        let id: String = rest.trim_start().chars().take_while(|byte| byte.is_ascii_hexdigit() || *byte == '-').take(36).collect();
        (!id.is_empty()).then_some(id)
    };
    provider.codes = number("AADSTS").or_else(|| number("AADB2C")).into_iter().collect();
    provider.correlation_id = id("Correlation ID:");
    provider.trace_id = id("Trace ID:");
    provider.description = Some(description);
}

/// The characters that an error code may have (RFC 6749 section 5.2), and not too many of them.
pub(super) fn code(text: &str) -> String {
    text.chars().filter(|letter| matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\')).take(LONGEST_CODE).collect()
}

fn sanitised(text: &str, longest: usize) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(longest).collect::<String>().trim().to_owned()
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date, which is read against the answer's own `Date`. Nonsense is ignored.
pub(crate) fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let header = |name: http::HeaderName| answer.headers().get(name)?.to_str().ok().map(str::trim);
    let value = header(http::header::RETRY_AFTER)?;
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(value)?.since(http_date(header(http::header::DATE)?)?),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that is still written.
fn http_date(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let (day, month, year, clock, zone) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mut clock = clock.splitn(3, ':').map(str::parse::<u8>);
    let mut next = || clock.next()?.ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let month = u8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let date = time::Date::from_calendar_date(year.parse().ok()?, month.try_into().ok()?, day.parse().ok()?).ok()?;
    let time = time::Time::from_hms(hour, minute, second.min(59)).ok()?;
    (zone == "GMT").then(|| UnixTime::from_seconds(date.with_time(time).assume_utc().unix_timestamp()))
}
