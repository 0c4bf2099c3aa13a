//! Guards of an API: the conditions on a caller.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{bearer, caller::ApiCaller};
use crate::{
    error::{Error, ErrorKind, TokenOwner, shown},
    protocol::CallerKind,
    strings::StringList,
};

/// A guard that admits people whose token has **all** of these scopes, in any spelling
/// ([`Scope`](crate::api::Scope)).
///
/// Scopes count for people, and app roles for applications that call by themselves
/// ([`or_app_roles`](RequireAccess::or_app_roles)), never the other way round. Providers other than
/// Microsoft's have no app roles: there the scopes of an application's own token count.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn routes() -> axum::Router {
/// use axum::{Router, routing::get};
/// use tower_identity::require_scopes;
///
/// Router::new()
///     .route("/notes", get(|| async { "notes" }))
///     .route_layer(require_scopes(["Notes.Read"]).or_app_roles(["Notes.Read.All"]))
/// # }
/// ```
pub fn require_scopes<Kind>(scopes: impl StringList<Kind>) -> RequireAccess {
    require_caller().or_scopes(scopes)
}

/// A guard that admits applications that call by themselves and have **one** of these app roles.
pub fn require_app_roles<Kind>(roles: impl StringList<Kind>) -> RequireAccess {
    require_caller().or_app_roles(roles)
}

/// A guard that admits every caller with a valid token that meets its further conditions, such as
/// [`with_tenants`](RequireAccess::with_tenants).
pub fn require_caller() -> RequireAccess {
    RequireAccess { terms: Arc::default() }
}

/// The guard that [`require_scopes`], [`require_app_roles`] and [`require_caller`] make. It is a
/// layer for routes, routers and services; [`check`](Self::check) is the same check as a function,
/// for operations that are chosen inside one request.
///
/// It has to be inside of an [`ApiLayer`](crate::ApiLayer), which verifies the token and writes the
/// challenges. Without that layer every request is refused with 401, and the log has an error that
/// says so.
#[derive(Clone, Debug)]
#[must_use = "a guard does nothing until it is put around routes"]
pub struct RequireAccess {
    terms: Arc<AccessTerms>,
}

#[derive(Clone, Debug, Default)]
struct AccessTerms {
    /// The first condition that no challenge can name. Such a guard admits no caller.
    mistake: Option<String>,
    /// Lists of scopes, each of which is enough; the first is named in the challenge.
    scopes: Vec<Vec<String>>,
    /// App roles, each of which is enough.
    roles: Option<Vec<String>>,
    tenants: Option<Vec<String>>,
    applications: Option<Vec<String>>,
    kinds: Option<Vec<CallerKind>>,
    /// Roles of a person, of which one is required.
    user_roles: Option<Vec<String>>,
    auth_context: Option<String>,
    max_age: Option<Duration>,
}

impl RequireAccess {
    /// Also admits people whose token has all of these scopes: `require_scopes("Notes.Read")
    /// .or_scopes("Notes.ReadWrite")`. An empty list admits no one. Each scope is one item, without
    /// spaces, quotes or backslashes (RFC 6749 section 3.3); with another one the guard answers
    /// every request with 500.
    pub fn or_scopes<Kind>(self, scopes: impl StringList<Kind>) -> Self {
        self.with(|terms| {
            let scopes = scopes.into_strings();
            scopes.iter().for_each(|scope| terms.check_word("scope", scope));
            terms.scopes.push(scopes);
        })
    }

    /// Also admits applications that call by themselves and have one of these app roles. An empty
    /// list admits none.
    pub fn or_app_roles<Kind>(self, roles: impl StringList<Kind>) -> Self {
        self.with(|terms| terms.roles.get_or_insert_default().extend(roles.into_strings()))
    }

    /// Requires one of these tenants, by GUID; callers of other tenants get 403.
    pub fn with_tenants<Kind>(self, tenants: impl StringList<Kind>) -> Self {
        self.with(|terms| {
            terms.tenants =
                Some(tenants.items().map(|tenant| tenant.as_ref().to_ascii_lowercase()).collect())
        })
    }

    /// Requires one of these applications, by client id; calls through others get 403.
    pub fn with_applications<Kind>(self, applications: impl StringList<Kind>) -> Self {
        self.with(|terms| terms.applications = Some(applications.into_strings()))
    }

    /// Requires one of these kinds of callers, for example people without an agent; others get 403.
    pub fn with_kinds(self, kinds: impl IntoIterator<Item = CallerKind>) -> Self {
        self.with(|terms| terms.kinds = Some(kinds.into_iter().collect()))
    }

    /// Requires of a person one of these roles, beside the scopes; people without one get 403. For
    /// an application that calls by itself it has no effect: its roles are those of
    /// [`or_app_roles`](Self::or_app_roles). An empty list admits no person.
    ///
    /// A scope says what a person allowed the calling application to do, a role what the person may
    /// do at all. At Entra ID the roles are app roles for *Users/Groups* in the registration of
    /// this API.
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # fn routes() -> axum::Router {
    /// use axum::{Router, routing::get};
    /// use tower_identity::require_scopes;
    ///
    /// let guard = require_scopes("Orders.Read")
    ///     .with_user_roles(["Buyer", "Auditor"])
    ///     .or_app_roles("Orders.Read.All");
    /// Router::new().route("/orders", get(|| async { "orders" })).route_layer(guard)
    /// # }
    /// ```
    pub fn with_user_roles<Kind>(self, roles: impl StringList<Kind>) -> Self {
        self.with(|terms| terms.user_roles = Some(roles.into_strings()))
    }

    /// Requires an authentication context. A person whose sign-in did not satisfy it gets 401 with
    /// a challenge for it: `claims` at Microsoft's authorities, `acr_values` elsewhere (RFC 9470).
    ///
    /// `acr_values` is a list with spaces, in ASCII. With a value that it cannot have (a space, a
    /// quote, a backslash, another character than printable ASCII) the guard answers every request
    /// with 500, and the log says why.
    pub fn with_auth_context(self, auth_context: impl Into<String>) -> Self {
        self.with(|terms| {
            let auth_context = auth_context.into();
            terms.check_word("authentication context", &auth_context);
            terms.auth_context = Some(auth_context);
        })
    }

    /// Requires a person whose sign-in (`auth_time`) is at most this long ago, plus the clock
    /// leeway; otherwise the response is 401 with `max_age` (RFC 9470). At Entra ID `auth_time` is
    /// an optional claim, to be added in the API's registration.
    pub fn with_max_age(self, max_age: Duration) -> Self {
        self.with(|terms| terms.max_age = Some(max_age))
    }

    fn with(mut self, change: impl FnOnce(&mut AccessTerms)) -> Self {
        change(Arc::make_mut(&mut self.terms));
        self
    }

    /// Checks the caller by the conditions of this guard.
    ///
    /// # Errors
    ///
    /// - `NotConfigured`: the guard has a condition that no challenge can name;
    /// - `Forbidden`: no other token of this caller would help;
    /// - `InsufficientScope`, with all scopes that are needed;
    /// - `StrongerSignInNeeded`, with the required authentication context and maximum age.
    ///
    /// Returned from a handler, each of them becomes the challenge of the layer.
    pub fn check(&self, caller: &ApiCaller) -> Result<(), Error> {
        if let Some(mistake) = &self.terms.mistake {
            return Err(Error::new(ErrorKind::NotConfigured, mistake.clone()));
        }
        self.terms.check_caller(caller)?;
        self.terms.check_rights(caller)?;
        self.terms.check_sign_in(caller)
    }

    fn admit<B>(&self, request: &Request<B>) -> Result<(), Error> {
        match request.extensions().get::<ApiCaller>() {
            Some(caller) => self.check(caller),
            None => Err(bearer::missing()),
        }
    }
}

impl AccessTerms {
    /// Notes a scope or an `acr` value that a challenge cannot name: both are words of a list with
    /// spaces (RFC 6749 section 3.3, RFC 9470 section 3). A client would ask for another one, and
    /// come back without end.
    fn check_word(&mut self, what: &str, word: &str) {
        let is_allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if self.mistake.is_some() || (!word.is_empty() && word.bytes().all(is_allowed)) {
            return;
        }
        let mistake = format!(
            "the guard of an API requires the {what} {}, which no challenge can name: write one \
             word of ASCII without spaces, quotes and backslashes (`RequireAccess`)",
            shown(word)
        );
        tracing::error!("{mistake}");
        self.mistake = Some(mistake);
    }

    fn check_caller(&self, caller: &ApiCaller) -> Result<(), Error> {
        let listed = |list: &Option<Vec<String>>, own: Option<&str>| {
            list.as_ref()
                .is_none_or(|list| own.is_some_and(|own| list.iter().any(|one| one == own)))
        };
        let forbidden = |detail: &'static str| Err(Error::new(ErrorKind::Forbidden, detail));
        if !listed(&self.tenants, caller.tenant_id()) {
            return forbidden("the guard does not list the caller's tenant");
        }
        if !listed(&self.applications, caller.application_id()) {
            return forbidden("the guard does not list the application");
        }
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&caller.kind())) {
            return forbidden("the guard does not list the caller's kind");
        }
        // An application by itself has rights of its own (`or_app_roles`).
        if let Some(roles) = self.user_roles.as_ref().filter(|_| caller.kind().is_person())
            && !roles.iter().any(|role| caller.has_role(role))
        {
            let detail = format!(
                "the guard requires of a user one of the roles {roles:?}, and the token has none \
                 of them: assign one to the user at the provider"
            );
            return Err(Error::new(ErrorKind::Forbidden, detail).with_roles(roles.clone()));
        }
        Ok(())
    }

    fn check_rights(&self, caller: &ApiCaller) -> Result<(), Error> {
        if self.scopes.is_empty() && self.roles.is_none() {
            return Ok(());
        }
        let is_person = caller.kind().is_person();
        let scopes_count = is_person || !caller.is_of_microsoft();
        let has_all =
            |list: &Vec<String>| !list.is_empty() && list.iter().all(|one| caller.has_scope(one));
        if scopes_count && self.scopes.iter().any(has_all) {
            return Ok(());
        }
        let roles = self.roles.as_deref().unwrap_or_default();
        if !is_person && roles.iter().any(|role| caller.has_role(role)) {
            return Ok(());
        }
        let Some(needed) = self.scopes.iter().find(|needed| !needed.is_empty()) else {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "only an application that calls by itself and has an app role is admitted",
            ));
        };
        let has = match caller.scopes() {
            [] => "no scope at all".to_owned(),
            scopes => format!("the scopes {}", shown(&scopes.join(" "))),
        };
        let wanted = needed.join(" ");
        let needs = match (roles, caller.is_of_microsoft()) {
            ([], false) => format!("callers need the scopes {wanted}"),
            ([], true) => {
                format!("people need the scopes {wanted}, and no application by itself is admitted")
            }
            (_, false) => format!(
                "callers need the scopes {wanted}, or applications one of the app roles {roles:?}"
            ),
            (_, true) => format!(
                "people need the scopes {wanted}, applications one of the app roles {roles:?}"
            ),
        };
        let detail = format!(
            "the caller is of the kind `{}`, and its token has {has}: {needs}",
            caller.kind()
        );
        let error = Error::new(ErrorKind::InsufficientScope, detail)
            .for_token(TokenOwner::Caller, needed.iter().map(String::as_str));
        // Otherwise the client would be told to request what its provider never writes.
        Err(match caller.scopes().is_empty() && scopes_count && !caller.is_of_microsoft() {
            true => error.with_remedy(NO_SCOPES),
            false => error,
        })
    }

    fn check_sign_in(&self, caller: &ApiCaller) -> Result<(), Error> {
        let met = self.auth_context.as_ref().is_none_or(|context| caller.has_auth_context(context));
        let recent = self.max_age.is_none_or(|max_age| caller.is_recent(max_age));
        if met && recent {
            return Ok(());
        }
        if !caller.kind().is_person() {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "the guard requires a person's sign-in, and an application calls by itself",
            ));
        }
        // Both requirements in one error: two sign-ins for one each would undo each other.
        Err(Error::new(
            ErrorKind::StrongerSignInNeeded,
            "the sign-in of the token is not as strong or as recent as the guard requires",
        )
        .with_requirements(self.auth_context.iter().cloned().collect(), self.max_age))
    }
}

/// The remedy for a token without any scope at a provider other than Microsoft's.
const NO_SCOPES: &str = "have the client request the scopes; a provider that writes no scopes into \
                         signed tokens (Zitadel) writes them into its introspection answers: have \
                         it issue opaque tokens (`ApiConfig::with_introspection`, \
                         IDENTITY_INTROSPECTION)";

impl<S> Layer<S> for RequireAccess {
    type Service = RequireAccessService<S>;

    fn layer(&self, inner: S) -> RequireAccessService<S> {
        RequireAccessService { inner, guard: self.clone() }
    }
}

/// The service that [`RequireAccess`] makes.
#[derive(Clone, Debug)]
pub struct RequireAccessService<S> {
    inner: S,
    guard: RequireAccess,
}

impl<S, B, R> Service<Request<B>> for RequireAccessService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RequireAccessFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match self.guard.admit(&request) {
            Ok(()) => AccessState::Calling { inner: self.inner.call(request) },
            Err(error) => {
                AccessState::Refused { response: Some(error.into_response_with(R::default())) }
            }
        };
        RequireAccessFuture { state }
    }
}

pin_project! {
    /// The future of [`RequireAccessService`].
    pub struct RequireAccessFuture<F, R> {
        #[pin]
        state: AccessState<F, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum AccessState<F, R> {
        Calling { #[pin] inner: F },
        Refused { response: Option<Response<R>> },
    }
}

impl<F, R, E> Future for RequireAccessFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Calling { inner } => inner.poll(context),
            StateProjection::Refused { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}

impl<F, R> fmt::Debug for RequireAccessFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireAccessFuture").finish_non_exhaustive()
    }
}
