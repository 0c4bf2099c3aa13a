//! Error responses of the provider, mapped to an [`ErrorKind`] (RFC 6749 sections 4.1.2.1 and 5.2,
//! OpenID Connect Core section 3.1.2.6, RFC 9470, Entra's extensions).
//!
//! The kind follows from the `error` code, the status, and Entra's `suberror`, `claims` and
//! `error_codes`. Descriptions decide only where a provider has no other way to say it (Keycloak's
//! request to start again, refused scopes and refresh tokens).
//!
//! Texts of the provider are untrusted: they are shortened and stripped of control characters
//! before they are kept.

use std::{
    borrow::Cow,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde_json::Value;

use super::{
    correlation::RequestId,
    json::{self, Object},
    sent_secrets::SentSecrets,
};
use crate::{
    authority::codes::{self, Effect},
    clock::UnixTime,
    error::{Error, ErrorKind, ProviderError, shown},
    www_authenticate::challenges,
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

/// Whether the error is about `ui_locales`. OpenID Connect Core section 3.1.2.1 has providers
/// ignore languages that they do not know, but some answer `invalid_request` and name the
/// parameter.
pub(crate) fn refuses_languages(error: &Error) -> bool {
    error.provider().is_some_and(|said| {
        said.error == "invalid_request"
            && said.description.as_deref().is_some_and(|text| text.contains("ui_locales"))
    })
}

/// Whether the error says that the request lacks `prompt=consent`. OpenID Connect Core section 11
/// has providers ignore `offline_access` without it, but those that are built on pyop or idpyoidc
/// (SATOSA) answer `invalid_request` with the description "consent in prompt". Both words in the
/// description of an error about the request are sufficient, because nothing else says so.
pub(crate) fn asks_for_consent(error: &Error) -> bool {
    error.provider().is_some_and(|said| {
        matches!(said.error.as_str(), "invalid_request" | "invalid_scope")
            && said.description.as_deref().is_some_and(|description| {
                let description = description.to_ascii_lowercase();
                description.contains("consent") && description.contains("prompt")
            })
    })
}

/// Whether the error may mean that the request lacks `client_id`: `invalid_request` (RFC 6749
/// section 5.2) that names the parameter, or that has no description.
pub(super) fn may_lack_the_client_id(error: &Error) -> bool {
    error.provider().is_some_and(|said| {
        said.error == "invalid_request"
            && matches!(said.status, Some(400 | 401))
            && said.codes.is_empty()
            && said.description.as_deref().is_none_or(|text| text.contains("client_id"))
    })
}

/// Whether the error says that the request lacks `client_secret`, from a provider that looks for it
/// in the body only (RFC 6749 section 2.3.1 leaves that open beside HTTP Basic).
pub(super) fn lacks_the_secret(error: &Error) -> bool {
    error.provider().is_some_and(|said| {
        said.error == "invalid_request"
            && matches!(said.status, Some(400 | 401))
            && said.codes.is_empty()
            && said.description.as_deref().is_some_and(|text| text.contains("client_secret"))
    })
}

/// The error of a refresh. `sent_alone`: the request had no parameters but the refresh token and
/// the client authentication.
///
/// The kind is [`ErrorKind::InvalidGrant`] for every way in which providers say that the refresh
/// token is not valid any more. RFC 6749 section 5.2 specifies `invalid_grant`. Others in use:
///
/// - `invalid_request` (Ory Fosite up to 0.42, league/oauth2-server up to 7, Authlib, better-auth).
///   If only the token differs from earlier requests, it is the cause.
/// - `invalid_token`, `expired_token`, `invalid_refresh_token` and similar codes (iRacing,
///   CloudBase), also with the status 200 (Slack), or `invalid_grant: …` followed by a text (EVE
///   Online).
/// - 400 or 404 whose description names the refresh token (Twitch: `Invalid refresh token`; Rauthy:
///   `Refresh Token does not exist`), or a code that names a token with a description that says
///   what is wrong with it (Rauthy: `JwtToken`, `Token has expired`).
/// - 401 without a code (FerrisKey). A refused client is `invalid_client`, or has a challenge
///   ([`http_error`]).
///
/// Every other refusal of the request is one of a [spent grant](Error::with_spent_grant): a page
/// that needs a token gets it by a new sign-in. The session itself goes on, since the cause may be
/// a mistake of the configuration that concerns every refresh (`unauthorized_client`,
/// `unsupported_grant_type`, an HTML page). An outage, a rate limit and a refused client say
/// nothing about the grant.
pub(crate) fn of_refresh(error: Error, sent_alone: bool) -> Error {
    let Some(said) = error.provider() else {
        return match error.kind() {
            // The response claims success and is none.
            ErrorKind::TokenResponseInvalid => error.with_spent_grant(),
            _ => error,
        };
    };
    let code = specified_error(said).to_ascii_lowercase();
    let description = said.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    let names_the_token = || {
        let has_one_of = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
        let faults = ["invalid", "expired", "revoked", "inactive", "not_found", "unknown"];
        // Descriptions say "invalid" and "unknown" of anything.
        let is_described =
            description.contains("token") && has_one_of(&description, &["expired", "revoked"]);
        has_one_of(&code, &["token", "grant", "session"])
            && (has_one_of(&code, &faults) || is_described)
    };
    let describes_the_token = || description.replace(['_', '-'], " ").contains("refresh token");
    let is_refused = matches!(
        error.kind(),
        ErrorKind::ProviderError | ErrorKind::ClientRefused | ErrorKind::AccessDenied
    ) && match said.status {
        Some(200 | 400 | 401 | 403) => true,
        // A proxy or a missing endpoint says so as well, but not of a refresh token.
        Some(404) => describes_the_token(),
        _ => false,
    };
    let is_invalid = match code.as_str() {
        _ if !is_refused => false,
        "" => said.status == Some(401) || describes_the_token(),
        "invalid_request" => sent_alone || describes_the_token(),
        // These concern the client or the request (RFC 6749 section 5.2, RFC 8707), although their
        // descriptions may name the refresh token.
        "invalid_client"
        | "unauthorized_client"
        | "unsupported_grant_type"
        | "invalid_scope"
        | "invalid_target" => false,
        _ => names_the_token() || describes_the_token(),
    };
    if is_invalid {
        let said = ProviderError { advice: None, ..said.clone() };
        return Error::from_provider(ErrorKind::InvalidGrant, said)
            .with_detail(error.detail().to_owned());
    }
    let is_final = match said.status {
        Some(408 | 429) => false,
        Some(200 | 400..=499) => {
            !matches!(code.as_str(), "invalid_client" | "temporarily_unavailable" | "slow_down")
        }
        _ => false,
    };
    if is_final { error.with_spent_grant() } else { error }
}

/// The `error` as RFC 6749 section 5.2 has it. `unauthorized_client` is specified for a grant that
/// the client may not use, but Keycloak and Gitea write it for a wrong secret as well, and only
/// their descriptions tell the two apart (Keycloak has 401 for both). 401 without a description is
/// for a failed client authentication. Microsoft's codes say what is meant.
pub(super) fn specified_error(said: &ProviderError) -> &str {
    let is_about_the_secret = || match &said.description {
        None => said.status == Some(401),
        Some(description) => {
            let description = description.to_ascii_lowercase();
            let words = ["client secret", "invalid client credentials"];
            words.iter().any(|words| description.contains(words))
        }
    };
    let is_written_for_both = said.error == "unauthorized_client" && said.codes.is_empty();
    if is_written_for_both && is_about_the_secret() { "invalid_client" } else { &said.error }
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

/// The endpoint that sent a response, in words for an error. [`Channel::send`] adds it to the
/// extensions of every response.
///
/// [`Channel::send`]: super::channel::Channel::send
#[derive(Clone, Copy)]
pub(super) struct EndpointName(pub(super) &'static str);

/// The format that a response declares for its body, for the error of one that cannot be parsed: it
/// shows that the body is an HTML page, or has an encoding that was not requested.
pub(super) fn body_format(answer: &Response<Bytes>) -> String {
    let header = |name: http::HeaderName| answer.headers().get(name)?.to_str().ok();
    let media_type = header(CONTENT_TYPE).map_or_else(
        || "no Content-Type".to_owned(),
        |name| format!("Content-Type {}", shown(name)),
    );
    match header(CONTENT_ENCODING) {
        Some(encoding) => format!("{media_type}, Content-Encoding {}", shown(encoding)),
        None => media_type,
    }
}

/// The error of an unsuccessful response of the token endpoint or a similar one (RFC 6749 section
/// 5.2). The body may be anything, such as the HTML page of a proxy.
pub(crate) fn http_error(answer: &Response<Bytes>) -> Error {
    let status = answer.status();
    let body = json::document(answer.body()).unwrap_or_default();
    let mut provider = from_body(&body, &SentSecrets::of(answer));
    provider.status = Some(status.as_u16());
    provider.retry_after = retry_after(answer);
    // Microsoft's endpoints repeat the ID of the request. A proxy in front of them, or an answer
    // without a body, does not.
    if provider.correlation_id.is_none() {
        let id = RequestId::of(answer.extensions());
        provider.correlation_id = id.map(|id| id.as_str().to_owned());
    }
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
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _)
        | (_, "server_error" | "temporarily_unavailable") => ErrorKind::ProviderUnreachable,
        (status, _) if status.is_server_error() || effect == Effect::Transient => {
            ErrorKind::ProviderUnreachable
        }
        // Entra: the grant is refused only until the user has acted (consent, MFA, new password).
        (_, "invalid_grant") if asks_for_interaction => ErrorKind::InteractionRequired,
        (_, "invalid_grant") => ErrorKind::InvalidGrant,
        (StatusCode::UNAUTHORIZED, "") => ErrorKind::ClientRefused,
        (_, error) => kind(error, effect),
    };
    response_error(answer, kind, provider)
}

/// The error of a response, with the [`EndpointName`] in it.
pub(super) fn response_error(
    answer: &Response<Bytes>,
    kind: ErrorKind,
    said: ProviderError,
) -> Error {
    let error = Error::from_provider(kind, said);
    match answer.extensions().get() {
        Some(EndpointName(what)) => {
            let detail = format!("{what}: {}", error.detail());
            error.with_detail(detail)
        }
        None => error,
    }
}

/// The `error` code for a 401 without one: `invalid_client` if the challenge asks for Basic.
fn challenged(answer: &Response<Bytes>) -> &'static str {
    if challenges(answer.headers()).iter().any(|challenge| challenge.is("Basic")) {
        "invalid_client"
    } else {
        ""
    }
}

/// The kind of an `error`; for a general one, the kind of the provider's own code (`effect`).
fn kind(error: &str, effect: Effect) -> ErrorKind {
    match error {
        _ if effect == Effect::Transient => ErrorKind::ProviderUnreachable,
        error if is_declined(error) => ErrorKind::AccessDenied,
        "invalid_client" | "unauthorized_client" => ErrorKind::ClientRefused,
        "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required"
        // Auth0: the user has to authenticate with a second factor.
        | "mfa_required"
        | "insufficient_user_authentication" => ErrorKind::InteractionRequired,
        // RFC 9470 registers it for providers that cannot meet the requirements: another sign-in
        // would not help.
        "unmet_authentication_requirements" => ErrorKind::AuthContextMissing,
        _ => match effect {
            Effect::Interaction => ErrorKind::InteractionRequired,
            Effect::Client => ErrorKind::ClientRefused,
            Effect::Denied => ErrorKind::AccessDenied,
            Effect::Unchanged | Effect::Transient => ErrorKind::ProviderError,
        },
    }
}

/// Looks up the provider's codes. Writes the advice into the error, and returns what the code means
/// for the request.
fn advise(provider: &mut ProviderError) -> Effect {
    let family = match provider.description.as_deref().unwrap_or_default() {
        text if text.starts_with("AADB2C") => Some("AADB2C"),
        // Without the prefix, `error_codes` are numbers of another provider.
        text if text.is_empty() || text.starts_with("AADSTS") => Some("AADSTS"),
        _ => None,
    };
    let named = |family| provider.codes.iter().map(move |number| format!("{family}{number}"));
    let all: Vec<String> = family.into_iter().flat_map(named).collect();
    let rows = || all.iter().filter_map(|code| codes::microsoft(code));
    let row = rows().find(|row| !row.wrapper).or_else(|| rows().next());
    let code = row.map(|row| row.advice.code.to_owned());
    provider.code = code.or_else(|| all.first().cloned());
    let general = || codes::oauth(specified_error(provider));
    provider.advice = row.or_else(general).map(|row| &row.advice);
    row.map_or(Effect::Unchanged, |row| row.effect)
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
fn from_body(body: &Object, secrets: &SentSecrets) -> ProviderError {
    let text = |name| json::text(body, name).map(|text| secrets.taken_out_of(text));
    let code_of = |name| text(name).map(|text| code(&text));
    let mut provider = ProviderError {
        error: code_of("error").or_else(|| nested_code(body)).unwrap_or_default(),
        suberror: code_of("suberror").filter(|text| !text.is_empty()),
        ..ProviderError::default()
    };
    // RFC 6749 section 5.2 names the first; Twitch and many frameworks write the second.
    let description = text("error_description").or_else(|| text("message"));
    describe(&mut provider, description.as_deref());
    if let Some(Value::Array(codes)) = body.get("error_codes") {
        provider.codes = codes.iter().filter_map(Value::as_u64).take(MAX_CODES).collect();
    }
    for (name, place) in
        [("correlation_id", &mut provider.correlation_id), ("trace_id", &mut provider.trace_id)]
    {
        *place = code_of(name).filter(|text| !text.is_empty()).or_else(|| place.take());
    }
    provider.claims = text("claims").filter(|claims| {
        claims.len() <= MAX_CLAIMS_BYTES && json::object(claims.as_bytes()).is_ok()
    });
    provider
}

/// The code of an error response in another form than that of RFC 6749 section 5.2:
/// `{"errors":[{"errorType":"invalid_grant"}]}` (Fitbit), if it is one of the specified codes.
fn nested_code(body: &Object) -> Option<String> {
    let first = body.get("errors")?.as_array()?.first()?;
    let code = first.get("errorType")?.as_str()?;
    matches!(
        code,
        "invalid_request"
            | "invalid_client"
            | "invalid_grant"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "invalid_scope"
            | "invalid_token"
            | "expired_token"
    )
    .then(|| code.to_owned())
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

/// The same for an error code in this response, without the secrets of its request.
pub(super) fn code_in(answer: &Response<Bytes>, text: &str) -> String {
    code(&SentSecrets::of(answer).taken_out_of(text))
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

/// An HTTP date, in each of its three forms (RFC 9110 section 5.6.7).
pub(super) fn http_date(text: &str) -> Option<UnixTime> {
    // A leap second is the second 60. Unix time has none, so it is the second after the 59th.
    let (text, leap) = match text.split_once(":60 ") {
        Some((before, after)) => (Cow::Owned(format!("{before}:59 {after}")), 1),
        None => (Cow::Borrowed(text), 0),
    };
    let date = httpdate::parse_http_date(&text).ok()?;
    let seconds = date.duration_since(UNIX_EPOCH).ok()?.as_secs() + leap;
    i64::try_from(seconds).ok().map(UnixTime::from_seconds)
}

#[cfg(test)]
#[path = "error_answer_codes_tests.rs"]
mod codes_tests;
#[cfg(test)]
#[path = "error_answer_tests.rs"]
mod tests;
