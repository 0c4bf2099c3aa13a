//! Guards for parts of an application: [`require_sign_in`].

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::lazy_user::RequestUser;
use crate::{
    config::SignInOptions,
    error::{Error, ErrorKind},
    http_message::{BoxedResponse, Challenge, take_ready},
    sign_in::Remedy,
    strings::StringList,
    user::{Groups, User},
};

/// A guard that lets only signed-in people through to the routes under it, also where the layer
/// outside declares them public.
///
/// It needs an [`IdentityLayer`](crate::IdentityLayer) outside: without one every request gets 500
/// and the log says why.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn routes() -> axum::Router {
/// use axum::{Router, routing::get};
/// use tower_identity::require_sign_in;
///
/// Router::new()
///     .route("/admin", get(|| async { "for administrators" }))
///     .route_layer(require_sign_in().with_roles(["Admin"]))
/// # }
/// ```
pub fn require_sign_in() -> RequireSignIn {
    RequireSignIn { terms: Arc::default() }
}

/// The layer that [`require_sign_in`] makes. Every condition that is set has to hold; without any,
/// being signed in is enough.
///
/// - Roles, groups and tenants cannot be changed by a sign-in: people without one of those get 403.
/// - Scopes, authentication context and `max_age` can be had by another sign-in: a person is sent
///   to the provider, once for all that the guard asks, and comes back to the page; a script gets
///   401. A person who comes back with less gets 403, so it cannot loop.
#[derive(Clone, Debug)]
#[must_use = "a guard does nothing until it is put around routes"]
pub struct RequireSignIn {
    terms: Arc<Terms>,
}

/// The conditions of a guard.
#[derive(Clone, Debug, Default)]
struct Terms {
    roles: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    tenants: Option<Vec<String>>,
    scopes: Vec<String>,
    auth_context: Option<String>,
    max_age: Option<Duration>,
}

/// The decision of a guard on a request.
#[derive(Debug)]
enum GuardVerdict {
    Pass,
    /// Another sign-in may help.
    StepUp(Box<SignInOptions>),
    Refuse(Error),
}

impl RequireSignIn {
    /// Asks for one of these roles ([`User::roles`]); people without one get 403. The default is to
    /// ask for none; an empty list lets nobody through.
    pub fn with_roles<Kind>(self, roles: impl StringList<Kind>) -> Self {
        self.with(|terms| terms.roles = Some(roles.into_strings()))
    }

    /// Asks for one of these groups ([`User::groups`]), at Entra ID by object id; people without
    /// one get 403. The default is to ask for none; an empty list lets nobody through.
    ///
    /// A person with more groups than a token holds gets 403 too, unless the sign-in reads them
    /// from Microsoft Graph.
    pub fn with_groups<Kind>(self, groups: impl StringList<Kind>) -> Self {
        self.with(|terms| terms.groups = Some(groups.into_strings()))
    }

    /// Asks for one of these tenants ([`User::tenant_id`]), by GUID; people of others get 403. The
    /// default is to ask for none; an empty list lets nobody through, and neither does a provider
    /// without tenants.
    pub fn with_tenants<Kind>(self, tenants: impl StringList<Kind>) -> Self {
        self.with(|terms| {
            terms.tenants =
                Some(tenants.items().map(|tenant| tenant.as_ref().to_ascii_lowercase()).collect())
        })
    }

    /// Asks for an access token with all of these scopes, so that the routes inside can get it
    /// without a further sign-in. People are asked for their consent where it is missing. The
    /// default is to ask for none.
    pub fn with_scopes<Kind>(self, scopes: impl StringList<Kind>) -> Self {
        self.with(|terms| terms.scopes = scopes.into_strings())
    }

    /// Asks for an authentication context, see [`SignInOptions::with_auth_context`]. The default is
    /// none.
    pub fn with_auth_context(self, auth_context: impl Into<String>) -> Self {
        self.with(|terms| terms.auth_context = Some(auth_context.into()))
    }

    /// Asks for a person who proved who they are within this time (`auth_time`), give or take the
    /// [clock leeway](crate::IdentityConfig::with_clock_leeway). The default is no limit.
    ///
    /// At Entra ID `auth_time` is an optional claim, to be added in the application's registration.
    pub fn with_max_age(self, max_age: Duration) -> Self {
        self.with(|terms| terms.max_age = Some(max_age))
    }

    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Self {
        change(Arc::make_mut(&mut self.terms));
        self
    }
}

impl Terms {
    /// Whether this person may pass, by their claims alone. Does no I/O.
    fn verify(&self, user: &User) -> GuardVerdict {
        let forbidden =
            |detail: &'static str| GuardVerdict::Refuse(Error::new(ErrorKind::Forbidden, detail));
        if let Some(tenants) = &self.tenants
            && !user.tenant_id().is_some_and(|own| tenants.iter().any(|tenant| tenant == own))
        {
            // Not in the problem document, nor on a page in production: the tenants of an
            // application are its customers.
            return GuardVerdict::Refuse(Error::new(
                ErrorKind::TenantNotAllowed,
                format!("the person's tenant is none of those that the guard lets in: {tenants:?}"),
            ));
        }
        if let Some(roles) = &self.roles
            && !roles.iter().any(|role| user.has_role(role))
        {
            return GuardVerdict::Refuse(missing_roles(user.roles(), roles));
        }
        match (&self.groups, user.groups()) {
            (None, _) => {}
            (Some(_), Groups::TooMany) => {
                return forbidden(
                    "the person is in more groups than the token holds, so it is not known whether \
                     one of them is required",
                );
            }
            (Some(groups), own) if !groups.iter().any(|group| own.contains(group)) => {
                return GuardVerdict::Refuse(missing_groups(own, groups));
            }
            (Some(_), Groups::Listed(_)) => {}
        }
        let met = self.auth_context.as_deref().is_none_or(|context| user.has_auth_context(context));
        let recent = self.max_age.is_none_or(|max_age| user.is_recent(max_age));
        if met && recent {
            GuardVerdict::Pass
        } else {
            GuardVerdict::StepUp(Box::new(self.options(None)))
        }
    }

    async fn check(&self, user: &User) -> GuardVerdict {
        match self.verify(user) {
            GuardVerdict::Pass => self.verify_scopes(user).await,
            other => other,
        }
    }

    /// Whether a token with the scopes can be had.
    async fn verify_scopes(&self, user: &User) -> GuardVerdict {
        if self.scopes.is_empty() {
            return GuardVerdict::Pass;
        }
        match user.tokens().for_user(&self.scopes).await {
            Ok(token) if token.missing_scopes().next().is_none() => GuardVerdict::Pass,
            // The person may not have been asked for it yet. Where they were, and it was not
            // granted, the sign-in is refused as a redirect loop.
            Ok(_) => GuardVerdict::StepUp(Box::new(self.options(None))),
            Err(error) => match Remedy::of_guard(&error) {
                Remedy::StepUp(step_up) => {
                    GuardVerdict::StepUp(Box::new(self.options(step_up.into_claims())))
                }
                Remedy::SignIn => GuardVerdict::StepUp(Box::default()),
                Remedy::Nothing => GuardVerdict::Refuse(error),
            },
        }
    }

    /// A sign-in for all conditions at once: two that each meet a part would undo each other.
    fn options(&self, claims: Option<String>) -> SignInOptions {
        let mut options = SignInOptions::new().with_scopes(&self.scopes);
        options.auth_context.clone_from(&self.auth_context);
        options.max_age = self.max_age;
        options.claims = claims;
        options
    }
}

/// The error of a user without any of the required roles. It names these, which are the
/// application's own words, and no role of the user.
fn missing_roles(own: &[String], required: &[String]) -> Error {
    let hint = if own.is_empty() {
        ": the user has no roles"
    } else if differ_in_case(own, required) {
        ": a role of the user differs from one of them in letter case alone"
    } else {
        ""
    };
    Error::new(ErrorKind::Forbidden, format!("none of the required roles {required:?}{hint}"))
        .with_roles(required.to_vec())
}

/// The same for groups.
fn missing_groups(own: Groups<'_>, required: &[String]) -> Error {
    let hint = match own {
        Groups::Listed([]) => {
            ": the sign-in brought no groups, which is so too where the provider is not set up to \
             send the claim `groups`"
        }
        Groups::Listed(own) if differ_in_case(own, required) => {
            ": a group of the user differs from one of them in letter case alone"
        }
        _ => "",
    };
    Error::new(ErrorKind::Forbidden, format!("in none of the required groups {required:?}{hint}"))
        .with_groups(required.to_vec())
}

/// Whether one of the user's own words is a required one but for its letter case.
fn differ_in_case(own: &[String], required: &[String]) -> bool {
    own.iter().any(|own| required.iter().any(|one| one.eq_ignore_ascii_case(own)))
}

impl<S> Layer<S> for RequireSignIn {
    type Service = RequireSignInService<S>;

    fn layer(&self, inner: S) -> RequireSignInService<S> {
        RequireSignInService { inner, guard: self.clone() }
    }
}

/// The service that [`RequireSignIn`] makes.
#[derive(Clone, Debug)]
pub struct RequireSignInService<S> {
    inner: S,
    guard: RequireSignIn,
}

impl<S, B, R> Service<Request<B>> for RequireSignInService<S>
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
        let mut inner = take_ready(&mut self.inner);
        let guard = self.guard.clone();
        GuardFuture(Box::pin(async move {
            let found = RequestUser::of(request.extensions(), |lazy| lazy.head(&request)).await;
            let challenge = match found {
                RequestUser::NoLayer => return Ok(no_layer()),
                RequestUser::Nobody => Challenge::sign_in(&request),
                RequestUser::Unknown(error) => Challenge::refusal(&request, error),
                RequestUser::User { user, is_looked_up } => {
                    let verdict = guard.terms.check(&user).await;
                    if is_looked_up {
                        // For the handler.
                        request.extensions_mut().insert(user);
                    }
                    match verdict {
                        GuardVerdict::Pass => return inner.call(request).await,
                        GuardVerdict::StepUp(options) => {
                            Challenge::sign_in(&request).with_options(*options)
                        }
                        GuardVerdict::Refuse(error) => Challenge::refusal(&request, error),
                    }
                }
            };
            Ok(challenge.into_response_with(R::default()))
        }))
    }
}

fn no_layer<R: Default>() -> Response<R> {
    tracing::error!(
        "a guard without an IdentityLayer outside lets nobody through: put one around the finished \
         application"
    );
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The future of [`RequireSignInService`].
pub struct GuardFuture<R, E>(BoxedResponse<R, E>);

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
