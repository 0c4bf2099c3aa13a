//! [`Challenge`]: a handler's or guard's answer that the layer turns into what the caller needs.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{
    Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{COOKIE, WWW_AUTHENTICATE},
};

use super::{
    failure, original_uri,
    request_head::{RequestHead, SHAPE_HEADERS},
};
use crate::{
    config::{ReturnPath, SignInOptions},
    error::{Error, ErrorKind},
    session::RequestCookies,
};

/// Asks for a sign-in, or refuses, from inside the application.
///
/// Return it from an axum handler (feature `axum`), or put it into the extensions of any response
/// with [`into_response_with`](Self::into_response_with). The layer replaces that response: a
/// person opening a page is sent to the provider and comes back to it; a script gets 401 and where
/// to sign in; gRPC gets its status.
///
/// A page that still asks for the same after the sign-in answers 403: it cannot loop.
///
/// ```
/// use tower_identity::{Challenge, Prompt, SignInOptions};
///
/// /// Asks for the password again before something serious.
/// fn confirm<B>(request: &http::Request<B>) -> Challenge {
///     Challenge::sign_in(request).with_options(SignInOptions::new().with_prompt(Prompt::Login))
/// }
/// ```
#[derive(Clone)]
#[must_use = "a challenge does nothing until it is returned or put into a response"]
pub struct Challenge(Box<ChallengeParts>);

#[derive(Clone)]
struct ChallengeParts {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    wanted: ChallengeKind,
}

/// The answer that a challenge asks for.
#[derive(Clone)]
pub(crate) enum ChallengeKind {
    SignIn { options: Box<SignInOptions>, return_path: Option<ReturnPath> },
    Refusal(Error),
}

impl Challenge {
    /// Asks for a sign-in with the configured options, and to come back to the page of this
    /// request.
    pub fn sign_in<B>(request: &Request<B>) -> Self {
        let uri = original_uri(request.uri(), request.extensions());
        let wanted = ChallengeKind::SignIn { options: Box::default(), return_path: None };
        Self::new(request.method(), uri, request.headers(), wanted)
    }

    /// Refuses with an error, in the shape that the caller understands.
    pub(crate) fn refusal<B>(request: &Request<B>, error: Error) -> Self {
        let uri = original_uri(request.uri(), request.extensions());
        Self::new(request.method(), uri, request.headers(), ChallengeKind::Refusal(error))
    }

    pub(crate) fn new(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        wanted: ChallengeKind,
    ) -> Self {
        // The headers that choose the shape of the answer, and the cookies of attempts.
        let mut remembered = HeaderMap::new();
        for name in [COOKIE].into_iter().chain(SHAPE_HEADERS) {
            for value in headers.get_all(&name) {
                remembered.append(name.clone(), value.clone());
            }
        }
        Self(Box::new(ChallengeParts {
            method: method.clone(),
            uri: uri.clone(),
            headers: remembered,
            wanted,
        }))
    }

    /// Signs in with these options, over the configured ones.
    pub fn with_options(mut self, wanted: SignInOptions) -> Self {
        if let ChallengeKind::SignIn { options, .. } = &mut self.0.wanted {
            **options = wanted;
        }
        self
    }

    /// Comes back to this page. The default is the page that was asked for.
    pub fn with_return_path(mut self, wanted: ReturnPath) -> Self {
        if let ChallengeKind::SignIn { return_path, .. } = &mut self.0.wanted {
            *return_path = Some(wanted);
        }
        self
    }

    /// A response that carries the challenge to the layer, for services that are not axum's.
    /// Without the layer outside it stays a 401.
    #[must_use]
    pub fn into_response_with<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.extensions_mut().insert(self);
        response
    }

    /// The request that it answers; `cookies` are those of its [`headers`](Self::headers).
    pub(crate) fn head<'a>(&'a self, cookies: RequestCookies<'a>) -> RequestHead<'a> {
        RequestHead::new(&self.0.method, &self.0.uri, &self.0.headers, cookies)
    }

    /// The failure for a caller with an access token, which a sign-in here does not help.
    pub(crate) fn into_refusal(self) -> Error {
        match self.0.wanted {
            ChallengeKind::Refusal(error) => error,
            ChallengeKind::SignIn { .. } => Error::for_sessions_alone(),
        }
    }

    /// The headers that are remembered.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    pub(crate) fn wanted(&self) -> &ChallengeKind {
        &self.0.wanted
    }
}

impl fmt::Debug for Challenge {
    /// Without the headers, which have the session's cookie, without the query, and without the
    /// options of the sign-in, which can have personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = match &self.0.wanted {
            ChallengeKind::SignIn { .. } => "a sign-in",
            ChallengeKind::Refusal(error) => error.reason(),
        };
        f.debug_struct("Challenge")
            .field("method", &self.0.method)
            .field("path", &self.0.uri.path())
            .field("wanted", &wanted)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Challenge {
    fn into_response(self) -> axum::response::Response {
        self.into_response_with(axum::body::Body::empty())
    }
}

/// A failure on its way from a handler to the layer.
#[derive(Clone, Debug)]
pub(crate) struct RaisedError {
    error: Error,
    /// Present if the failure is that there is no caller with an access token.
    without_caller: Option<Arc<WithoutCaller>>,
}

impl RaisedError {
    fn new(error: Error) -> Self {
        let without_caller =
            (error.kind() == ErrorKind::TokenMissing).then(Arc::<WithoutCaller>::default);
        Self { error, without_caller }
    }

    /// Takes the failure out of a response, for the layer that answers it.
    pub(crate) fn take(extensions: &mut Extensions) -> Option<Error> {
        let Self { error, without_caller } = extensions.remove()?;
        if let Some(without_caller) = without_caller {
            without_caller.is_answered.store(true, Ordering::Relaxed);
        }
        Some(error)
    }
}

/// Logs, when it is dropped with the response, that no layer answered for a missing caller: the
/// request cannot tell, because an [`ApiLayer`](crate::ApiLayer) adds nothing to those for public
/// paths.
#[derive(Debug, Default)]
struct WithoutCaller {
    is_answered: AtomicBool,
}

impl Drop for WithoutCaller {
    fn drop(&mut self) {
        if !*self.is_answered.get_mut() {
            tracing::error!(
                "a handler takes the caller of an API, or a guard is about one, but no ApiLayer is \
                 around it: put one around the finished router (`ApiLayer::new`, or \
                 `IdentityLayer::with_api` beside pages)"
            );
        }
    }
}

impl Error {
    /// The refusal of a caller with an access token where a session is needed.
    pub(crate) fn for_sessions_alone() -> Self {
        Self::new(
            ErrorKind::SessionRequired,
            "the request has an access token, and the handler or guard takes the user of a session",
        )
    }

    /// A response that carries the failure to the layer, for services that are not axum's; with
    /// feature `axum` the error is a response itself, so that `?` does it.
    ///
    /// A failure that a sign-in can remedy starts one: a person who opens a page is sent to the
    /// provider, consents there to the [`scopes`](Self::scopes) of the token and comes back to the
    /// same page. A form that is posted gets a page with a link for it (401), and a script the URL
    /// (401). If the same is needed again within ten minutes, the answer is 403, so that it cannot
    /// loop. Every other failure becomes the layer's page or
    /// problem document; one that only a caller with an access token can remedy has a
    /// `WWW-Authenticate: Bearer` with the provider's claims. Without the layer outside the
    /// response stays as it is, with the status of the failure.
    #[must_use]
    pub fn into_response_with<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = failure::status(self.kind());
        let challenge = failure::caller_challenge(&self);
        response.headers_mut().extend(challenge.map(|challenge| (WWW_AUTHENTICATE, challenge)));
        response.extensions_mut().insert(RaisedError::new(self));
        response
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Error {
    fn into_response(self) -> axum::response::Response {
        let message = self.user_message();
        self.into_response_with(axum::body::Body::from(message))
    }
}
