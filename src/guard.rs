//! Guards for parts of an application: [`require_login`].

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    challenge::Challenge,
    error::{Error, ErrorKind},
    identity::Identity,
    user::User,
};

/// A guard that lets only signed-in people through to the routes under it, also where the layer outside declares them public.
///
/// It needs an [`IdentityLayer`](crate::IdentityLayer) outside: without one every request gets 500 and the log says why.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn routes() -> axum::Router {
/// use axum::{Router, routing::get};
/// use tower_identity::require_login;
///
/// Router::new()
///     .route("/admin", get(|| async { "for administrators" }))
///     .route_layer(require_login().with_roles(["Admin"]))
/// # }
/// ```
pub fn require_login() -> RequireLogin {
    RequireLogin { roles: None }
}

/// The layer that [`require_login`] makes.
#[derive(Clone, Debug)]
#[must_use = "a guard does nothing until it is put around routes"]
pub struct RequireLogin {
    roles: Option<Arc<[String]>>,
}

impl RequireLogin {
    /// Asks for one of these roles ([`User::roles`]); people without one get 403. The default is to ask for none; an empty list lets nobody through.
    pub fn with_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Whether this person may pass: pure.
    fn verify(&self, user: &User) -> Result<(), Error> {
        match &self.roles {
            Some(roles) if !roles.iter().any(|role| user.has_role(role)) => {
                Err(Error::new(ErrorKind::Forbidden, "none of the required roles"))
            }
            _ => Ok(()),
        }
    }
}

impl<S> Layer<S> for RequireLogin {
    type Service = RequireLoginService<S>;

    fn layer(&self, inner: S) -> RequireLoginService<S> {
        RequireLoginService { inner, guard: self.clone() }
    }
}

/// The service that [`RequireLogin`] makes.
#[derive(Clone, Debug)]
pub struct RequireLoginService<S> {
    inner: S,
    guard: RequireLogin,
}

impl<S, B, R> Service<Request<B>> for RequireLoginService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = GuardFuture<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let inner = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, inner);
        let guard = self.guard.clone();
        GuardFuture(Box::pin(async move {
            let challenge = match who(&mut request).await {
                None => return Ok(no_layer()),
                Some(Ok(Some(user))) => match guard.verify(&user) {
                    Ok(()) => return inner.call(request).await,
                    Err(error) => Challenge::refusal(&request, error),
                },
                Some(Ok(None)) => Challenge::sign_in(&request),
                Some(Err(error)) => Challenge::refusal(&request, error),
            };
            Ok(challenge.into_response_with(R::default()))
        }))
    }
}

/// Who is signed in, left in the extensions for the handler; `None` without a layer.
async fn who<B>(request: &mut Request<B>) -> Option<Result<Option<User>, Error>> {
    if let Some(user) = request.extensions().get::<User>() {
        return Some(Ok(Some(user.clone())));
    }
    let identity = request.extensions().get::<Identity>()?.clone();
    // The body need not be `Sync`: nothing of the request but a copy of its cookies is held while waiting.
    let cookies: HeaderMap =
        request.headers().get_all(http::header::COOKIE).iter().map(|value| (http::header::COOKIE, value.clone())).collect();
    let found = identity.user(&cookies).await;
    if let Ok(Some(user)) = &found {
        request.extensions_mut().insert(user.clone());
    }
    Some(found)
}

fn no_layer<R: Default>() -> Response<R> {
    tracing::error!("a guard without an IdentityLayer outside lets nobody through: put one around the finished application");
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The future of [`RequireLoginService`].
pub struct GuardFuture<R, E>(Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>);

impl<R, E> Future for GuardFuture<R, E> {
    type Output = Result<Response<R>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<R, E> fmt::Debug for GuardFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
