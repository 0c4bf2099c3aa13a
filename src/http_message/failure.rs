//! Failures in HTTP and gRPC: status, time of the next try, challenge.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{body::IdentityBody, challenge_header::ChallengeHeader};
use crate::error::{Error, ErrorKind, TokenOwner};

/// The `Cache-Control` of every response that sets a cookie or whose user was read (security rule
/// 14).
pub(crate) const NOT_STORED: HeaderValue = HeaderValue::from_static("private, no-store");

/// The `Retry-After` of a failure that brings no time: a restarted store is back by then, and a
/// flood of sign-ins is over.
const SOON: Duration = Duration::from_secs(5);

/// The challenge for a caller with an access token, on behalf of which no other token could be had
/// (RFC 6750 section 3, Entra's claims challenge). Claims are sent as Base64, so nothing of the
/// provider's text reaches the header.
pub(crate) fn caller_challenge(error: &Error) -> Option<HeaderValue> {
    if error.token_owner() != TokenOwner::Caller {
        return None;
    }
    let claims = error.provider().and_then(|said| said.claims.as_deref());
    let challenge = ChallengeHeader::new("Bearer");
    let challenge = match (error.kind(), claims) {
        (ErrorKind::InteractionRequired, Some(claims)) => challenge
            .with("error", "insufficient_claims")
            .with_claims(error.authorization_uri(), claims),
        (ErrorKind::InteractionRequired, None) => challenge.with("error", "interaction_required"),
        // The provider refused the token as an assertion (RFC 6750 section 3.1).
        (ErrorKind::InvalidGrant, _) => challenge.with("error", "invalid_token"),
        _ => return None,
    };
    challenge.value()
}

/// The challenge of a 401 that a sign-in ends. Browsers do not know the scheme, so they ask for no
/// password.
pub(crate) fn sign_in_challenge(sign_in: &str) -> Option<HeaderValue> {
    let challenge = ChallengeHeader::new("Cookie").with("realm", "sign-in");
    challenge.with("form-action", sign_in).value()
}

/// A response with a [problem document](problem_document).
pub(crate) fn problem<R>(
    error: &Error,
    status: StatusCode,
    detail: &str,
    more: impl IntoIterator<Item = (&'static str, Value)>,
) -> Response<IdentityBody<R>> {
    let document = problem_document(error, status, detail, more);
    let mut response = Response::new(IdentityBody::own(document.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A problem document (RFC 9457) with the reason code. `kind` is for programs that decide by it:
/// the reason may be finer. `more` are members that only one kind of answer has.
pub(crate) fn problem_document(
    error: &Error,
    status: StatusCode,
    detail: &str,
    more: impl IntoIterator<Item = (&'static str, Value)>,
) -> Value {
    let mut document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "reason": error.reason(),
        "kind": error.kind().reason(),
    });
    if let Some(members) = document.as_object_mut() {
        // What a guard requires are words of the application; nothing here is of the user.
        let lists = [
            ("scopes", error.scopes()),
            ("acr_values", error.acr_values()),
            ("roles", error.roles()),
            ("groups", error.groups()),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        members.extend(lists.map(|(name, list)| (name.to_owned(), list.into())));
        members.extend(error.max_age().map(|age| ("max_age".to_owned(), age.as_secs().into())));
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    document
}

/// The protocol of a gRPC call, from the `Content-Type` of its request. The answer has the same,
/// because clients of gRPC-Web read no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrpcProtocol {
    /// gRPC over HTTP/2.
    Http2,
    /// gRPC-Web, for browsers.
    Web,
    /// gRPC-Web in Base64.
    WebText,
}

impl GrpcProtocol {
    /// `None` if the content is not that of a gRPC call. After the name only the encoding of the
    /// messages (`+proto`), parameters and white space may follow.
    pub(crate) fn of(content_type: &HeaderValue) -> Option<Self> {
        let content_type = content_type.as_bytes();
        [Self::Http2, Self::Web, Self::WebText].into_iter().find(|protocol| {
            let name = protocol.content_type().as_bytes();
            content_type.split_at_checked(name.len()).is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(name)
                    && matches!(rest, [] | [b'+' | b';' | b' ' | b'\t', ..])
            })
        })
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Http2 => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }
}

/// A gRPC answer without messages: status in the headers, which is how the protocol and gRPC-Web
/// spell "trailers only".
pub(crate) fn grpc<R>(
    protocol: GrpcProtocol,
    status: StatusCode,
    reason: &'static str,
) -> Response<IdentityBody<R>> {
    // UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE, INVALID_ARGUMENT, UNIMPLEMENTED,
    // RESOURCE_EXHAUSTED and INTERNAL of gRPC.
    let code = match status {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::BAD_REQUEST => 3,
        StatusCode::METHOD_NOT_ALLOWED => 12,
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        _ => 13,
    };
    let mut response = Response::new(IdentityBody::own(""));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(protocol.content_type()));
    headers.insert("grpc-status", HeaderValue::from(code));
    headers.insert("grpc-message", HeaderValue::from_static(reason));
    response
}

/// The wait before another try: the provider's, or a short one for a passing fault of this process.
pub(crate) fn wait_before_next(error: &Error) -> Option<Duration> {
    let own = matches!(
        error.kind(),
        ErrorKind::Busy | ErrorKind::StoreUnavailable | ErrorKind::RenewalFailed
    );
    error.provider().and_then(|said| said.retry_after).or(own.then_some(SOON))
}

/// The status of each kind of failure, for every caller but gRPC.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    use ErrorKind as Kind;
    match kind {
        Kind::SignInRequired
        | Kind::TokenMissing
        | Kind::TokenKind
        | Kind::TokenInactive
        | Kind::SessionEnded
        | Kind::NoRefreshToken
        | Kind::InteractionRequired
        | Kind::StrongerSignInNeeded
        | Kind::InvalidGrant => StatusCode::UNAUTHORIZED,
        Kind::Forbidden
        | Kind::SessionRequired
        | Kind::AccessDenied
        | Kind::SignInRefused
        | Kind::TenantNotAllowed
        | Kind::PersonChanged
        | Kind::ScopeNotGranted
        | Kind::InsufficientScope
        | Kind::AuthContextMissing
        | Kind::TokenAcr
        | Kind::TokenAuthTime
        | Kind::CrossSite => StatusCode::FORBIDDEN,
        Kind::ApiUnreachable
        | Kind::Busy
        | Kind::ProviderUnreachable
        | Kind::ProviderUnavailable
        | Kind::ProviderMisconfigured
        | Kind::StoreUnavailable
        | Kind::RenewalFailed => StatusCode::SERVICE_UNAVAILABLE,
        Kind::ApiRefused
        | Kind::ApiAnswerInvalid
        | Kind::ClientRefused
        | Kind::ProviderError
        | Kind::TokenResponseInvalid
        | Kind::AnswerTooLarge
        | Kind::UserInfoFailed
        | Kind::GroupsUnavailable => StatusCode::BAD_GATEWAY,
        Kind::NotConfigured
        | Kind::SignInNotOffered
        | Kind::EventHandlerFailed
        | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}
