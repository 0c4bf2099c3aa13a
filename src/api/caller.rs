//! [`ApiCaller`]: the caller of an API, as the access token tells.

use std::{fmt, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{memory::Known, service::Shared};
use crate::{
    clock::UnixTime,
    protocol::{AccessFacts, CallerKind, ClientProof},
    user::{Groups, UserKey},
};

/// The caller of an API: what its verified access token says.
///
/// [`ApiLayer`](crate::ApiLayer) puts it into the extensions of every request that it lets through
/// with a token; with feature `axum` it is an extractor, too. Cloning it is cheap.
///
/// ```
/// use tower_identity::ApiCaller;
///
/// fn row(caller: &ApiCaller) -> String {
///     format!("{} {}", caller.kind(), caller.key())
/// }
/// ```
#[derive(Clone)]
pub struct ApiCaller {
    known: Arc<Known>,
    shared: Arc<Shared>,
    /// The header that the token came in: what a token on behalf of the caller is got with.
    pub(super) header: Option<http::HeaderValue>,
}

impl ApiCaller {
    pub(super) fn new(
        known: Arc<Known>,
        shared: Arc<Shared>,
        header: Option<http::HeaderValue>,
    ) -> Self {
        Self { known, shared, header }
    }

    fn facts(&self) -> &AccessFacts {
        &self.known.token.facts
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What kind of caller it is.
    #[must_use]
    pub fn kind(&self) -> CallerKind {
        self.facts().kind
    }

    /// By what the caller is recognised again: the person, or the application where none is behind
    /// the call.
    #[must_use]
    pub fn key(&self) -> UserKey {
        let facts = self.facts();
        let sub = facts.sub.as_deref().or(facts.application.as_deref()).unwrap_or_default();
        match (&facts.tid, &facts.oid) {
            (Some(tid), Some(oid)) => UserKey::new(tid, oid),
            (Some(tid), None) => UserKey::new(tid, sub),
            (None, _) => UserKey::new(self.issuer(), sub),
        }
    }

    /// The issuer of the token, as it stands there.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.known.token.iss
    }

    /// `sub`: at Entra ID another one for each API.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.facts().sub.as_deref()
    }

    /// The tenant (`tid`), at Microsoft's authorities.
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        self.facts().tid.as_deref()
    }

    /// The object id (`oid`) of the person or of the application's service principal, at
    /// Microsoft's authorities.
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.facts().oid.as_deref()
    }

    /// The client id of the application that calls (`azp`, `appid`, `client_id`).
    #[must_use]
    pub fn application_id(&self) -> Option<&str> {
        self.facts().application.as_deref()
    }

    /// How that application proved itself when it got the token.
    #[must_use]
    pub fn client_proof(&self) -> ClientProof {
        self.facts().proof
    }

    /// The scopes, as they are in the token.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.facts().scopes
    }

    /// Whether the token has the scope, in any of its spellings.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        let name = self.shared.config.scope_name(scope);
        self.scopes().iter().any(|own| own == name)
    }

    /// The app roles: those of the application where none but it is behind the call, otherwise
    /// those of the person.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.facts().roles
    }

    /// Whether the token has the app role. A guard counts roles for applications alone.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|own| own == role)
    }

    /// The groups of the person, or that they are more than a token holds.
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        let rights = self.known.rights();
        if rights.overage { Groups::TooMany } else { Groups::Listed(&rights.groups) }
    }

    /// Whether the person is a guest of the tenant; `None` where the token does not tell.
    #[must_use]
    pub fn is_guest(&self) -> Option<bool> {
        let facts = self.facts();
        if !facts.kind.is_person() {
            return None;
        }
        let rights = self.known.rights();
        let told = rights.is_guest.is_some() || rights.idp.is_some();
        facts
            .is_guest
            .or_else(|| facts.tid.as_deref().filter(|_| told).map(|tid| rights.is_guest(tid, None)))
    }

    /// `acr`: how strongly the person signed in, in the provider's words.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.facts().acr.as_deref()
    }

    /// Whether the sign-in met the authentication context (Entra's `acrs`; elsewhere `acr`).
    #[must_use]
    pub fn has_auth_context(&self, context: &str) -> bool {
        let facts = self.facts();
        facts.acrs.iter().any(|own| own == context)
            || (!self.is_of_microsoft() && facts.acr.as_deref() == Some(context))
    }

    /// Whether the token is one of Microsoft's, where applications by themselves have app roles.
    pub(super) fn is_of_microsoft(&self) -> bool {
        self.shared.config.identity().authority().is_microsoft()
    }

    /// When the person proved who they are, where the token tells (`auth_time`).
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.facts().auth_time
    }

    /// Whether the person proved who they are within this time, give or take the clock leeway.
    #[must_use]
    pub fn is_recent(&self, max_age: Duration) -> bool {
        let (now, leeway) = (self.shared.now(), self.shared.config.identity().clock_leeway());
        self.auth_time().is_some_and(|time| time + max_age + leeway >= now && time <= now + leeway)
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.known.token.exp
    }

    /// A claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.known.claims().get(name)
    }

    /// All claims, read into a type of the application's own.
    ///
    /// # Errors
    ///
    /// They do not fit into it.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.known.token.claims)
    }
}

impl fmt::Debug for ApiCaller {
    /// Says what kind of caller it is, not who.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiCaller")
            .field("kind", &self.kind())
            .field("application_id", &self.application_id())
            .finish_non_exhaustive()
    }
}
