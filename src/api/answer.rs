//! The responses of an API to refused requests: one function from the error to status and
//! challenge, for HTTP and gRPC (RFC 6750 section 3, RFC 9470 section 3, RFC 9728 section 5.1;
//! Entra's claims challenge).

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::{Value, json};

use super::{bearer, future::Shape};
use crate::{
    config::ValidApiConfig,
    error::{Error, ErrorKind, TokenOwner, log_refusal},
    http_message::{self, ChallengeHeader, IdentityBody},
};

/// The response for an error: the status, and the content of the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ErrorResponse {
    status: StatusCode,
    challenge: ChallengeForm,
    sentence: &'static str,
}

/// The challenge of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChallengeForm {
    /// There is none, because no other token would help.
    None,
    /// One without `error`, for a request without a token (RFC 6750 section 3.1).
    Plain,
    /// One with this `error`.
    Error(&'static str),
}

fn meaning(error: &Error, claims: Option<&str>) -> ErrorResponse {
    use ErrorKind as Kind;
    let with = |status, code, sentence| ErrorResponse {
        status,
        challenge: ChallengeForm::Error(code),
        sentence,
    };
    let sentence = sentence(error.kind());
    let own = |status| ErrorResponse { status, challenge: ChallengeForm::None, sentence };
    match error.kind() {
        Kind::TokenMissing => ErrorResponse {
            status: StatusCode::UNAUTHORIZED,
            challenge: ChallengeForm::Plain,
            sentence,
        },
        Kind::AuthorizationInvalid => with(StatusCode::BAD_REQUEST, "invalid_request", sentence),
        Kind::InsufficientScope => with(StatusCode::FORBIDDEN, "insufficient_scope", sentence),
        // The refused grant is not the token of the request: the client would discard a good one.
        Kind::InteractionRequired | Kind::InvalidGrant
            if error.token_owner() != TokenOwner::Caller =>
        {
            own(StatusCode::BAD_GATEWAY)
        }
        Kind::StrongerSignInNeeded | Kind::InteractionRequired if claims.is_some() => with(
            StatusCode::UNAUTHORIZED,
            "insufficient_claims",
            "The access token lacks claims: get another one with those that are asked for.",
        ),
        Kind::StrongerSignInNeeded => with(
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            "A stronger or more recent sign-in is needed.",
        ),
        Kind::InteractionRequired => with(
            StatusCode::UNAUTHORIZED,
            "interaction_required",
            "The person has to sign in, or to agree, before this can be done for them.",
        ),
        // RFC 6750 section 3.1: the everyday case, which the client's developer has to
        // distinguish from others.
        Kind::TokenExpired => {
            with(StatusCode::UNAUTHORIZED, "invalid_token", "The access token has expired.")
        }
        kind if is_of_token(kind) => {
            with(StatusCode::UNAUTHORIZED, "invalid_token", "The access token cannot be used here.")
        }
        kind => own(match http_message::status(kind) {
            // RFC 9110 section 15.5.2: a 401 has a challenge, and no token would satisfy this one.
            // A session or a refresh token that is missing here is a fault of the application.
            StatusCode::UNAUTHORIZED => StatusCode::INTERNAL_SERVER_ERROR,
            status => status,
        }),
    }
}

/// The sentence about an error for the developer of a client. It follows from the kind alone: the
/// sentences for users mention pages and signing in, which a caller with a token cannot do.
fn sentence(kind: ErrorKind) -> &'static str {
    use ErrorKind as Kind;
    match kind {
        Kind::TokenMissing
        | Kind::AuthorizationInvalid
        | Kind::InsufficientScope
        | Kind::SessionRequired
        | Kind::RequestInvalid
        | Kind::RequestTooLarge
        | Kind::MethodNotAllowed
        | Kind::NotConfigured
        | Kind::Internal => kind.user_message(),
        Kind::Forbidden => "The access token is valid, but its caller has no access to this.",
        Kind::Busy
        | Kind::ProviderUnreachable
        | Kind::ProviderUnavailable
        | Kind::ApiUnreachable
        | Kind::StoreUnavailable => {
            "A service that this request needs is not available at the moment: try again later."
        }
        Kind::ScopeNotGranted => "The provider did not grant everything that this request needs.",
        Kind::AccessDenied | Kind::AuthContextMissing => {
            "The provider did not permit this for the user of the access token."
        }
        Kind::SignInRequired | Kind::SessionEnded => "This request needs the user of a session.",
        _ => "A service that this request needs did not do what it was asked.",
    }
}

/// Whether the sentence of the response is about the token of the request.
fn is_of_token(kind: ErrorKind) -> bool {
    kind.is_of_verification() || matches!(kind, ErrorKind::TokenInactive | ErrorKind::InvalidGrant)
}

/// The claims that another token must have: those of the provider's own challenge, or at
/// Microsoft's authorities the authentication context, which clients there can request as a claim
/// only.
fn claims(error: &Error, config: &ValidApiConfig) -> Option<String> {
    if let Some(claims) = error.provider().and_then(|said| said.claims.clone()) {
        return Some(claims);
    }
    let context = error.acr_values().first()?;
    let is_microsoft = config.identity().authority().is_microsoft();
    is_microsoft.then(|| {
        json!({"access_token": {"acrs": {"essential": true, "value": context}}}).to_string()
    })
}

/// The challenge of a failure; `None` if no other token would help.
fn challenge(
    error: &Error,
    meaning: ErrorResponse,
    claims: Option<&str>,
    config: &ValidApiConfig,
) -> Option<HeaderValue> {
    let mut challenge = ChallengeHeader::new("Bearer");
    match meaning.challenge {
        ChallengeForm::None => return None,
        ChallengeForm::Plain => {}
        ChallengeForm::Error(code) => {
            challenge = challenge.with("error", code).with("error_description", meaning.sentence);
        }
    }
    let of_another_api = matches!(
        error.kind(),
        ErrorKind::InteractionRequired | ErrorKind::InvalidGrant | ErrorKind::StrongerSignInNeeded
    );
    let needs_a_token =
        matches!(meaning.challenge, ChallengeForm::Plain | ChallengeForm::Error("invalid_token"));
    let scopes = if of_another_api {
        // These scopes are of another API, from an on-behalf-of request: the client gets its token
        // for this API. A guard of this API asks for a stronger sign-in without scopes.
        &[]
    } else if error.scopes().is_empty() && needs_a_token {
        // MCP, "Authorization": a 401 should name the scopes of the request. The guard has not seen
        // it yet, so they are those of the API.
        config.scopes()
    } else {
        error.scopes()
    };
    if !scopes.is_empty() {
        let scopes: Vec<String> =
            scopes.iter().map(|scope| config.scope(scope).asked_for()).collect();
        challenge = challenge.with("scope", &scopes.join(" "));
    }
    if !error.acr_values().is_empty() && claims.is_none() {
        challenge = challenge.with("acr_values", &error.acr_values().join(" "));
    }
    if let Some(age) = error.max_age() {
        challenge = challenge.with("max_age", &age.as_secs().to_string());
    }
    if let Some(claims) = claims {
        let authorization_uri = config.identity().authority().authorization_uri();
        challenge = challenge.with_claims(authorization_uri.as_deref(), claims);
    }
    if let Some(resource) = config.resource() {
        challenge = challenge.with("resource_metadata", &resource.metadata_url());
    }
    if !challenge.has_parameters() {
        // RFC 6750 section 3 requires at least one parameter.
        challenge = challenge.with("realm", config.identity().client_id());
    }
    challenge.value()
}

/// The challenge for a request without a token.
pub(super) fn challenge_without_token(config: &ValidApiConfig) -> Option<HeaderValue> {
    let error = bearer::missing();
    challenge(&error, meaning(&error, None), None, config)
}

/// A refused message of JSON-RPC, with its `id` if that could be read: an extension of the response
/// of a guard.
#[derive(Clone, Debug)]
pub(super) struct RefusedMessage(pub(super) Option<Value>);

/// The response to a refused message of MCP: a JSON-RPC error (MCP, "Transports": the body beside
/// the status of an error may be one). It has the `id` of the message, by which JSON-RPC clients
/// find the call that failed. They act on status and challenge, and show a user or a model the
/// error's `message`, but nothing of a problem document, which is in `data`.
fn refused_message<R>(
    error: &Error,
    meaning: ErrorResponse,
    RefusedMessage(id): RefusedMessage,
) -> Response<IdentityBody<R>> {
    /// Of the range that JSON-RPC 2.0 section 5.1 leaves to servers. MCP and its SDKs use others.
    const REFUSED: i32 = -32_003;
    const INVALID_REQUEST: i32 = -32_600;
    let code = if error.kind() == ErrorKind::RequestInvalid { INVALID_REQUEST } else { REFUSED };
    let message = match error.scopes() {
        [] => meaning.sentence.to_owned(),
        scopes => format!("{} It needs: {}.", meaning.sentence, scopes.join(", ")),
    };
    let data = http_message::problem_document(error, meaning.status, meaning.sentence, []);
    let document = json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": {"code": code, "message": message, "data": data},
    });
    let mut response = Response::new(IdentityBody::own(document.to_string()));
    *response.status_mut() = meaning.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The response to a refused request; `message` if a guard read one in its body.
pub(super) fn refused<R>(
    error: Error,
    shape: Shape,
    message: Option<RefusedMessage>,
    config: &ValidApiConfig,
) -> Response<IdentityBody<R>> {
    let claims = claims(&error, config);
    let meaning = meaning(&error, claims.as_deref());
    let status = meaning.status.as_u16();
    log_refusal!(error, status, %error, "request refused");
    let mut response = match (shape, message) {
        (Shape::Grpc(protocol), _) => http_message::grpc(protocol, meaning.status, error.reason()),
        (Shape::Http | Shape::Head, Some(message)) => refused_message(&error, meaning, message),
        (Shape::Http | Shape::Head, None) => {
            http_message::problem(&error, meaning.status, meaning.sentence, [])
        }
    };
    let headers = response.headers_mut();
    if let Some(challenge) = challenge(&error, meaning, claims.as_deref(), config) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = http_message::wait_before_next(&error) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    headers.insert(CACHE_CONTROL, http_message::NOT_STORED);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.extensions_mut().insert(error);
    if shape == Shape::Head { http_message::without_content(response) } else { response }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;
    use crate::{authority::error_codes, error::ProviderError};

    /// RFC 9110 section 15.5.2.
    #[test]
    fn every_401_of_an_api_has_a_challenge() {
        for kind in ErrorKind::ALL {
            for error in [
                Error::new(*kind, "x"),
                Error::new(*kind, "x").for_token(TokenOwner::Caller, iter::empty()),
            ] {
                let meaning = meaning(&error, None);
                let is_unauthorized = meaning.status == StatusCode::UNAUTHORIZED;
                assert!(!is_unauthorized || meaning.challenge != ChallengeForm::None, "{kind:?}");
            }
        }
    }

    /// RFC 6750 section 3.1: `invalid_token` is about the token of the request.
    #[test]
    fn a_refused_grant_of_other_work_is_no_refusal_of_the_callers_token() {
        for kind in [ErrorKind::InvalidGrant, ErrorKind::InteractionRequired] {
            for (owner, status) in [(TokenOwner::Caller, 401), (TokenOwner::User, 502)] {
                let error = Error::new(kind, "x").for_token(owner, iter::empty());
                for claims in [None, Some("{}")] {
                    let status_told = meaning(&error, claims).status.as_u16();
                    assert_eq!(status_told, status, "{kind:?} {owner:?} {claims:?}");
                }
            }
            assert_eq!(meaning(&Error::new(kind, "x"), None).status.as_u16(), 502, "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_of_an_api_mentions_neither_a_page_nor_a_sign_in() {
        let own = ErrorKind::ALL.iter().map(|kind| Error::new(*kind, "x"));
        let of_provider = error_codes().flat_map(|advice| {
            let said = ProviderError { advice: Some(advice), ..ProviderError::default() };
            [ErrorKind::ProviderError, ErrorKind::InteractionRequired, ErrorKind::InvalidGrant]
                .map(|kind| Error::from_provider(kind, said.clone()))
        });
        for error in own.chain(of_provider) {
            let told = meaning(&error, None).sentence.to_lowercase();
            let words = ["this page", "please sign in", "you are signed in", "your session"];
            let found = words.iter().find(|word| told.contains(**word));
            assert!(found.is_none(), "{:?} {}: {told}", error.kind(), error.reason());
        }
    }
}
