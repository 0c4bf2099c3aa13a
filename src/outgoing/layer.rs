//! [`AuthorizeLayer`]: adds the token of an API around any HTTP client that is a Tower service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    api::{AcquireToken, Api},
    challenge::{ApiChallenge, api_challenge},
};
use crate::{
    error::Error,
    http_message::{BoxedResponse, take_ready},
};

/// A layer that adds the access token of one user, or of the application, to requests for one
/// [`Api`]. Requests for other origins pass without a token.
///
/// # Security
///
/// The inner client must not follow redirects by itself: it could send the token to another origin.
///
/// ```
/// use tower_identity::{Tokens, outgoing::{Api, AuthorizeLayer}};
/// use tower_layer::Layer;
///
/// fn with_tokens<S>(client: S, api: Api, tokens: Tokens) -> impl Sized {
///     AuthorizeLayer::new(api, tokens).layer(client)
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct AuthorizeLayer(Arc<ApiTokens>);

/// An API with the source of its tokens.
#[derive(Debug)]
struct ApiTokens {
    api: Api,
    tokens: Box<dyn AcquireToken>,
}

impl AuthorizeLayer {
    /// A layer that adds tokens from `tokens` to requests for `api`.
    pub fn new(api: Api, tokens: impl AcquireToken + 'static) -> Self {
        Self(Arc::new(ApiTokens { api, tokens: Box::new(tokens) }))
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = AuthorizeService<S>;

    fn layer(&self, inner: S) -> AuthorizeService<S> {
        AuthorizeService { inner, shared: Arc::clone(&self.0) }
    }
}

/// The service of [`AuthorizeLayer`]. It clones each request, since a claims challenge may require
/// to send it twice.
#[derive(Clone, Debug)]
pub struct AuthorizeService<S> {
    inner: S,
    shared: Arc<ApiTokens>,
}

/// The error of a request through [`AuthorizeService`].
#[derive(Clone, Debug)]
pub enum AuthorizeError<E> {
    /// No token could be acquired, or the API requires another sign-in.
    Token(Error),
    /// The inner service failed.
    Service(E),
}

impl<E: fmt::Display> fmt::Display for AuthorizeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for AuthorizeError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Token(error) => Some(error),
            Self::Service(error) => Some(error),
        }
    }
}

impl<S, B, R> Service<Request<B>> for AuthorizeService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Clone + Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = AuthorizeError<S::Error>;
    type Future = AuthorizeFuture<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(AuthorizeError::Service)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut ready = take_ready(&mut self.inner);
        let shared = Arc::clone(&self.shared);
        AuthorizeFuture(Box::pin(async move {
            if !shared.api.has(request.uri()) {
                return ready.call(request).await.map_err(AuthorizeError::Service);
            }
            let (api, tokens) = (&shared.api, &*shared.tokens);
            api.authorize(tokens, &mut request, None).await.map_err(AuthorizeError::Token)?;
            let mut second = request.clone();
            let mut answer = ready.call(request).await.map_err(AuthorizeError::Service)?;
            let mut challenge = api_challenge(&answer);
            // One retry, as of `ApiClient::send`.
            if let Some(ApiChallenge::Claims(claims)) = &challenge {
                api.authorize(tokens, &mut second, Some(claims))
                    .await
                    .map_err(AuthorizeError::Token)?;
                let is_ready = std::future::poll_fn(|context| ready.poll_ready(context));
                is_ready.await.map_err(AuthorizeError::Service)?;
                answer = ready.call(second).await.map_err(AuthorizeError::Service)?;
                challenge = api_challenge(&answer);
            }
            let refused = api.sign_in_error(tokens, challenge);
            refused.map_or(Ok(answer), |error| Err(AuthorizeError::Token(error)))
        }))
    }
}

/// The future of [`AuthorizeService`].
pub struct AuthorizeFuture<R, E>(BoxedResponse<R, AuthorizeError<E>>);

impl<R, E> Future for AuthorizeFuture<R, E> {
    type Output = Result<Response<R>, AuthorizeError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<R, E> fmt::Debug for AuthorizeFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeFuture").finish_non_exhaustive()
    }
}
