//! [`ApiCaller`]: the caller of an API, as its access token describes it.

use std::{fmt, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{memory::RememberedToken, service::ApiParts};
use crate::{
    clock::UnixTime,
    protocol::{AccessFacts, CallerKind, ClientProof},
    user::{Groups, UserKey},
};

/// The caller of an API, as its verified access token describes it.
///
/// [`ApiLayer`](crate::ApiLayer) inserts it into the extensions of every request that has a valid
/// token; with feature `axum` it is also an extractor. Cloning it is cheap.
///
/// ```
/// use tower_identity::ApiCaller;
///
/// fn row(caller: &ApiCaller) -> String {
///     format!("{} {}", caller.kind(), caller.key())
/// }
/// ```
///
/// A further API is called on behalf of the caller with [`ApiClient`](crate::outgoing::ApiClient),
/// which takes the caller as the source of its tokens. `?` is sufficient: what the provider or that
/// API requires of the person becomes the challenge for the client.
///
/// ```
/// use tower_identity::{ApiCaller, Error, outgoing::{Api, ApiClient}};
///
/// # fn weather() -> Result<ApiClient, tower_identity::ConfigError> {
/// // Once, at the start.
/// let weather = Api::at("https://weather.example.com", ["api://weather/Today.Read"])?;
/// # Ok(
/// ApiClient::new(weather)
/// # )
/// # }
///
/// async fn sky(weather: &ApiClient, caller: &ApiCaller) -> Result<String, Error> {
///     let today: serde_json::Value = weather.get_json(caller, "/today").await?;
///     Ok(today["sky"].to_string())
/// }
/// ```
#[derive(Clone)]
pub struct ApiCaller {
    known: Arc<RememberedToken>,
    shared: Arc<ApiParts>,
    /// The header with the token, for on-behalf-of requests; present if the API has a credential.
    pub(super) header: Option<http::HeaderValue>,
}

impl ApiCaller {
    pub(super) fn new(
        known: Arc<RememberedToken>,
        shared: Arc<ApiParts>,
        header: Option<http::HeaderValue>,
    ) -> Self {
        Self { known, shared, header }
    }

    fn facts(&self) -> &AccessFacts {
        &self.known.token.facts
    }

    pub(super) fn shared(&self) -> &ApiParts {
        &self.shared
    }

    /// The kind of caller.
    #[must_use]
    pub fn kind(&self) -> CallerKind {
        self.facts().kind
    }

    /// A stable key of the caller: of the person, or of the application if it calls by itself.
    ///
    /// For a person whom the token does not identify the key is of this token alone, so that no two
    /// people share one, and a warning in the log says what to change at the provider. That happens
    /// where access tokens have no `sub` (AD FS without a rule for it, Keycloak without the client
    /// scope `basic`), and where introspection answers have none (Django OAuth Toolkit,
    /// Doorkeeper). Such a caller counts as a person, because the answer does not show whether it
    /// is one.
    #[must_use]
    pub fn key(&self) -> UserKey {
        let facts = self.facts();
        // The application's own id is no key of a person.
        let own = facts.sub.as_deref().or(facts.stand_in.as_deref());
        let sub = own.or(facts.application.as_deref()).unwrap_or_default();
        match (&facts.tid, &facts.oid) {
            (Some(tid), Some(oid)) => UserKey::new(tid, oid),
            (Some(tid), None) => UserKey::new(tid, sub),
            (None, _) => UserKey::new(self.issuer(), sub),
        }
    }

    /// The issuer of the token (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.known.token.iss
    }

    /// The subject (`sub`). At Entra ID it differs from API to API for the same person.
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

    /// How that application authenticated when it got the token.
    #[must_use]
    pub fn client_proof(&self) -> ClientProof {
        self.facts().proof
    }

    /// The scopes, as spelled in the token.
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

    /// The app roles: of the application if it calls by itself, otherwise of the person.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.facts().roles
    }

    /// Whether the token has the app role. Guards consider roles only for applications that call by
    /// themselves.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|own| own == role)
    }

    /// The groups of the person, or the information that they are too many for a token.
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        let rights = self.known.rights();
        if rights.overage { Groups::TooMany } else { Groups::Listed(&rights.groups) }
    }

    /// Whether the person is a guest of the tenant; `None` if the token has no claim about it.
    #[must_use]
    pub fn is_guest(&self) -> Option<bool> {
        let facts = self.facts();
        if !facts.kind.is_person() {
            return None;
        }
        let rights = self.known.rights();
        let has_claim = rights.is_guest.is_some() || rights.idp.is_some();
        facts.is_guest.or_else(|| {
            facts.tid.as_deref().filter(|_| has_claim).map(|tid| rights.is_guest(tid, None))
        })
    }

    /// The authentication context class (`acr`) of the sign-in; its values are the provider's.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.facts().acr.as_deref()
    }

    /// Whether the sign-in satisfied the authentication context (`acrs` at Entra, `acr` elsewhere).
    #[must_use]
    pub fn has_auth_context(&self, context: &str) -> bool {
        let facts = self.facts();
        facts.acrs.iter().any(|own| own == context)
            || (!self.is_of_microsoft() && facts.acr.as_deref() == Some(context))
    }

    /// Whether Microsoft issued the token: applications then have app roles, not scopes.
    pub(super) fn is_of_microsoft(&self) -> bool {
        self.shared.config.identity().authority().is_microsoft()
    }

    /// The time of the sign-in (`auth_time`), if the token has it.
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.facts().auth_time
    }

    /// Whether the sign-in is at most this long ago, with the clock leeway; `false` if the token
    /// has no `auth_time`.
    #[must_use]
    pub fn is_recent(&self, max_age: Duration) -> bool {
        let (now, leeway) = (self.shared.now(), self.shared.config.identity().clock_leeway());
        self.auth_time().is_some_and(|time| time + max_age + leeway >= now && time <= now + leeway)
    }

    /// The expiry of the token (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.known.token.exp
    }

    /// The claim with this name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.known.claims().get(name)
    }

    /// All claims, deserialized into a type of the application.
    ///
    /// # Errors
    ///
    /// The claims do not fit the type.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.known.token.claims)
    }
}

impl fmt::Debug for ApiCaller {
    /// Shows the kind and the application, and nothing about the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiCaller")
            .field("kind", &self.kind())
            .field("application_id", &self.application_id())
            .finish_non_exhaustive()
    }
}
