//! Errors in the forms of OAuth, Entra ID (`AADSTS…`) and B2C (`AADB2C…`).
//!
//! The numbers are Microsoft's; the descriptions are our own. Clients should not parse them.

use axum::response::Response;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    pages,
    realm::Realm,
    reply,
    request::{EndpointRequest, Parameters},
    server::Server,
    tenant::guid_of,
};
use crate::{clock::UnixTime, error::Error};

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) error: &'static str,
    pub(super) description: String,
    status: StatusCode,
    entra: u32,
    b2c: u32,
    suberror: Option<&'static str>,
    claims: Option<String>,
    /// Whether the user cancelled, which Entra states in `error_subcode`.
    cancelled: bool,
}

impl Fault {
    /// An error with status 400, and the usual numbers of Entra ID and B2C for it.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        let (entra, b2c) = match error {
            "invalid_client" => (7_000_215, 90_081),
            "unauthorized_client" => (700_016, 90_083),
            "invalid_scope" => (70_011, 90_055),
            "invalid_grant" => (70_000, 90_080),
            "unsupported_grant_type" => (70_003, 90_086),
            "unsupported_response_type" => (700_054, 90_032),
            "login_required" => (50_058, 90_077),
            "consent_required" => (65_001, 90_077),
            "access_denied" => (65_004, 90_091),
            _ => (900_144, 90_007),
        };
        // RFC 6749 section 5.2: 401 for failed client authentication, 400 for everything else.
        let status = if error == "invalid_client" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        };
        Self {
            error,
            description: description.into(),
            status,
            entra,
            b2c,
            suberror: None,
            claims: None,
            cancelled: false,
        }
    }

    /// Sets Entra ID's number (`AADSTS…`).
    pub(super) fn entra(self, entra: u32) -> Self {
        Self { entra, ..self }
    }

    /// Sets B2C's number (`AADB2C…`).
    pub(super) fn b2c(self, b2c: u32) -> Self {
        Self { b2c, ..self }
    }

    pub(super) fn suberror(self, suberror: &'static str) -> Self {
        Self { suberror: Some(suberror), ..self }
    }

    /// Sets the claims challenge for the next sign-in (OpenID Connect Core section 5.5).
    pub(super) fn claims(self, claims: String) -> Self {
        Self { claims: Some(claims), ..self }
    }

    pub(super) fn is_about_consent(&self) -> bool {
        self.suberror == Some("consent_required")
    }

    /// Marks that the user cancelled.
    pub(super) fn cancelled(self) -> Self {
        Self { cancelled: true, ..self }
    }
}

/// Why an endpoint has no successful response: an error of the protocol, which the client gets, or
/// one of the provider itself.
#[derive(Debug)]
pub(super) enum Refused {
    Fault(Fault),
    Internal(Error),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

/// The response of the token endpoint and similar ones: a refusal has the form of RFC 6749 section
/// 5.2.
pub(super) fn responded(
    server: &Server,
    incoming: &EndpointRequest,
    outcome: Result<Response, Refused>,
) -> Result<Response, Error> {
    match outcome {
        Ok(response) => Ok(response),
        Err(Refused::Fault(fault)) => Ok(json_answer(server, incoming, &fault)),
        Err(Refused::Internal(error)) => Err(error),
    }
}

/// The error for an unknown tenant.
pub(super) fn no_tenant(name: &str) -> Fault {
    let description =
        format!("tenant {:?} was not found here", name.chars().take(60).collect::<String>());
    Fault::new("invalid_tenant", description).entra(90_002)
}

impl From<(&'static str, &'static str)> for Fault {
    fn from((error, description): (&'static str, &'static str)) -> Self {
        Self::new(error, description)
    }
}

/// The time and the IDs of a request, for support.
struct Trace {
    trace: String,
    correlation: String,
    timestamp: String,
}

impl Trace {
    /// The correlation ID is that of the caller, if the request has one.
    fn of(now: UnixTime, correlation: Option<&str>) -> Self {
        let seed = crate::secret::random::<16>()
            .map(|bytes| crate::secret::base64url(&bytes))
            .unwrap_or_default();
        // Only the letters of a GUID are repeated: the value stands in descriptions, pages and
        // redirects.
        let given = correlation.filter(|id| {
            id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        });
        Self {
            trace: guid_of(&["trace", &seed]),
            correlation: given.map_or_else(|| guid_of(&["correlation", &seed]), str::to_owned),
            timestamp: timestamp(now),
        }
    }
}

/// A time in the form `2026-01-09 02:02:12Z`.
pub(super) fn timestamp(time: UnixTime) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(time.as_seconds())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", at.hour(), at.minute(), at.second())
}

/// The `error_description` in a realm.
fn description(realm: &Realm, fault: &Fault, trace: &Trace) -> String {
    let text = capitalized(&fault.description);
    let Trace { trace, correlation, timestamp } = trace;
    match realm {
        Realm::Plain => fault.description.clone(),
        Realm::Entra(_) => {
            format!(
                "AADSTS{}: {text} Trace ID: {trace} Correlation ID: {correlation} \
                 Timestamp: {timestamp}",
                fault.entra
            )
        }
        Realm::B2c { .. } => {
            format!(
                "AADB2C{}: {text}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}\r\n",
                fault.b2c
            )
        }
    }
}

/// The description as a sentence.
fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

fn correlation(incoming: &EndpointRequest) -> Option<&str> {
    let header = incoming.headers.get("client-request-id").and_then(|value| value.to_str().ok());
    header.or_else(|| incoming.parameters().first("client-request-id"))
}

/// The error response of the token endpoint and similar ones (RFC 6749 section 5.2), with Entra
/// ID's additional members.
pub(super) fn json_answer(server: &Server, incoming: &EndpointRequest, fault: &Fault) -> Response {
    let realm = &incoming.realm;
    let trace = Trace::of(server.now(), correlation(incoming));
    let mut body =
        json!({ "error": fault.error, "error_description": description(realm, fault, &trace) });
    if matches!(realm, Realm::Entra(_))
        && let Some(members) = body.as_object_mut()
    {
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("error_codes", json!([fault.entra]));
        set("timestamp", trace.timestamp.clone().into());
        set("trace_id", trace.trace.clone().into());
        set("correlation_id", trace.correlation.clone().into());
        set("error_uri", server.url(&format!("/error?code={}", fault.entra)).into());
        members.extend(fault.suberror.map(|suberror| ("suberror".to_owned(), suberror.into())));
    }
    if let Some(members) = body.as_object_mut() {
        members.extend(fault.claims.clone().map(|claims| ("claims".to_owned(), claims.into())));
    }
    let mut response = reply::private_json(fault.status, &body);
    // RFC 9110 section 15.5.2: a 401 has a challenge. Entra ID sends it only to a client that used
    // the header, for which RFC 6749 section 5.2 demands it.
    let is_due = *realm == Realm::Plain || incoming.header(header::AUTHORIZATION).is_some();
    if fault.status == StatusCode::UNAUTHORIZED && is_due {
        reply::set(&mut response, header::WWW_AUTHENTICATE, "Basic realm=\"token endpoint\"");
    }
    response
}

/// The parameters of an error that is sent to the client (RFC 6749 section 4.1.2.1).
pub(super) fn parameters(server: &Server, realm: &Realm, fault: &Fault) -> Vec<(String, String)> {
    let trace = Trace::of(server.now(), None);
    let mut parameters = vec![
        ("error".to_owned(), fault.error.to_owned()),
        ("error_description".to_owned(), description(realm, fault, &trace)),
    ];
    if matches!(realm, Realm::Entra(_)) {
        parameters
            .push(("error_uri".to_owned(), server.url(&format!("/error?code={}", fault.entra))));
        // Entra ID adds it only if the user cancelled, so that an application can distinguish
        // that from a refusal.
        if fault.cancelled {
            parameters.push(("error_subcode".to_owned(), "cancel".to_owned()));
        }
    }
    parameters
}

/// An error page, for errors that cannot be sent to the client, or that a person has to read first.
pub(super) fn page(
    server: &Server,
    realm: &Realm,
    parameters: &Parameters,
    fault: &Fault,
) -> Response {
    let trace = Trace::of(server.now(), parameters.first("client-request-id"));
    pages::problem(StatusCode::BAD_REQUEST, &description(realm, fault, &trace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_entra_writes_it() {
        assert_eq!(timestamp(UnixTime::from_seconds(1_452_304_932)), "2016-01-09 02:02:12Z");
        assert_eq!(timestamp(UnixTime::from_seconds(0)), "1970-01-01 00:00:00Z");
    }

    #[test]
    fn a_description_is_a_sentence() {
        assert_eq!(capitalized("the code is unknown"), "The code is unknown.");
        assert_eq!(capitalized(""), ".");
    }
}
