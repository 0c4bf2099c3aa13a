//! [`ApiConfig`]: the settings of an API that accepts access tokens, as data.

use std::time::Duration;

use super::{
    Algorithm, ClientCredential, IdentityConfig, Preflight, choice::choices, description::Origin,
};
use crate::{authority::Authority, error::ConfigError, secret::Secret, strings::StringList};

/// The settings that decide which access tokens an API accepts, as plain data that can be cloned,
/// compared and printed (secrets are redacted).
///
/// Required are the provider and the client id of the API, the arguments of [`new`](Self::new). An
/// API needs no base URL and no secret, because it redirects no browser and verifies signatures
/// with public keys. [`build`](Self::build) checks the settings; its errors say how to correct
/// them.
///
/// ```
/// use tower_identity::{ApiConfig, Authority};
///
/// let config = ApiConfig::new(
///     Authority::entra("contoso.onmicrosoft.com")?,
///     "6731de76-14a6-49ae-97bc-6eba6914391e",
/// )
/// .with_resource("https://api.example.com/notes")?
/// .with_scopes(["Notes.Read"])
/// .add_public_path("/health")
/// .build()?;
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
///
/// # The two identities of an API
///
/// - Its *audiences* are the values of `aud` that denote it: the client id, at Microsoft's
///   authorities also `api://{client id}`, the resource, and those of
///   [`add_audience`](Self::add_audience).
/// - Its *resource* is the URL at which clients reach it, and by which they find the provider that
///   issues its tokens (RFC 9728). The `aud` of Entra ID's v2.0 tokens is the client id even then.
///
/// It can be deserialized from any serde source, as [`IdentityConfig`] can: with the names of the
/// variables of [`from_env`](Self::from_env) without `IDENTITY_`, in lower case, or from an
/// [`AzureAd` section](super::AzureAdSection).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "super::members::Members")]
pub struct ApiConfig {
    /// The settings that an API shares with an application: provider, client id, credential,
    /// tenants, leeway, algorithms, connection and public paths.
    pub(super) identity: IdentityConfig,
    /// The audiences that replace the client id, if configured.
    pub(super) audiences: Option<Vec<String>>,
    pub(super) more_audiences: Vec<String>,
    pub(super) resource: Option<String>,
    pub(super) scopes: Vec<String>,
    /// The B2C policies whose tokens are accepted, if configured.
    pub(super) policies: Option<Vec<String>>,
    pub(super) token_type: AccessTokenType,
    pub(super) introspection: Introspection,
    pub(super) origin: Origin<Self>,
}

/// The required `typ` header of access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessTokenType {
    /// `at+jwt`, `JWT` or none, because Entra ID and many others issue `JWT`. The default.
    #[default]
    Any,
    /// `at+jwt` (RFC 9068 section 2.1). Every other token is refused, ID tokens in particular.
    ///
    /// Claims that RFC 9068 requires and that no decision needs may be missing: Keycloak writes
    /// `azp` in place of `client_id`, and Duende IdentityServer no `sub` for an application.
    AtJwt,
}

choices!(AccessTokenType, "access_token_type", Any = "any", AtJwt = "at+jwt");

/// Whether tokens that only the provider can read are sent to it for introspection (RFC 7662).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Introspection {
    /// No: such tokens are refused. The default.
    #[default]
    Never,
    /// Opaque tokens are introspected with the credential of the API. Signed tokens are still
    /// verified locally. An active result is cached for at most a minute.
    ///
    /// The answer must have an `aud` with a name of this API. One without `aud` is accepted for a
    /// token that was issued to the API's own client (`client_id`).
    Opaque,
    /// The same, and an active token whose answer has no `aud` is accepted, whichever client it was
    /// issued to. An `aud` in the answer must still name this API.
    ///
    /// `aud` is optional in an answer (RFC 7662 section 2.2), and Doorkeeper, better-auth, Django
    /// OAuth Toolkit and others never send it.
    ///
    /// # Security
    ///
    /// The provider alone then decides for which API a token is. RFC 7662 section 4 requires it to
    /// answer `active: false` to an API that the token is not for. A provider without such rules
    /// answers `active: true` to every API, so that a token for one API is accepted by all. Protect
    /// the operations of this API by scopes of its own
    /// ([`require_scopes`](crate::require_scopes)) there.
    OpaqueAudienceOptional,
}

choices!(
    Introspection,
    "introspection",
    Never = "never",
    Opaque = "opaque",
    OpaqueAudienceOptional = "opaque_audience_optional"
);

impl ApiConfig {
    /// Settings for the API that is registered as `client_id` at the provider `authority`.
    #[must_use]
    pub fn new(authority: Authority, client_id: impl Into<String>) -> Self {
        Self::of(IdentityConfig::new(authority, client_id))
    }

    pub(super) fn of(identity: IdentityConfig) -> Self {
        Self {
            identity,
            audiences: None,
            more_audiences: Vec::new(),
            resource: None,
            scopes: Vec::new(),
            policies: None,
            token_type: AccessTokenType::default(),
            introspection: Introspection::default(),
            origin: Origin::default(),
        }
    }

    /// Adds a value of `aud` that denotes the API: an Application ID URI such as `api://notes`, or
    /// the provider's identifier of the API.
    #[must_use]
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.more_audiences.push(audience.into());
        self
    }

    /// Sets the values of `aud` in place of the client id, for a provider at which an API has an
    /// identifier and no client id. An empty list is refused by [`build`](Self::build).
    #[must_use]
    pub fn with_audiences<Kind>(mut self, audiences: impl StringList<Kind>) -> Self {
        self.audiences = Some(audiences.into_strings());
        self
    }

    /// Sets the URL at which clients reach the API: `https://api.example.com` or
    /// `https://example.com/mcp`. It is published exactly as given, together with the issuer of the
    /// provider's discovery document (RFC 9728), so that clients such as those of MCP find out
    /// where to get a token. It is also an audience.
    ///
    /// At Entra ID it has to equal the Application ID URI of the registration, without a slash at
    /// the end; otherwise Entra ID refuses the clients (AADSTS9010010). [`build`](Self::build)
    /// refuses the slash there.
    ///
    /// # Errors
    ///
    /// `resource` is not an absolute `https` URL (`http` is accepted for loopback hosts), or has a
    /// query, a fragment or credentials. Or it is not in the normal form of URLs, in which clients
    /// send it: lower-case host, no default port, no `..`, percent-encoded characters.
    pub fn with_resource(mut self, resource: &str) -> Result<Self, ConfigError> {
        super::address::resource(resource)?;
        self.resource = Some(resource.to_owned());
        Ok(self)
    }

    /// Sets the names of the scopes of this API, such as `Notes.Read`, which are published with the
    /// [resource](Self::with_resource). Clients that find their provider by it request them in the
    /// first sign-in. Without any, Entra ID refuses MCP clients.
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.scopes = scopes.into_strings();
        self
    }

    /// Sets the policies of Azure AD B2C (user flows and custom policies) whose tokens are accepted
    /// beside those of the sign-in policy. By default there are none: the authority's own policies
    /// for editing the profile and for a forgotten password have to be named as well.
    ///
    /// # Security
    ///
    /// Every policy of a B2C tenant issues tokens for its APIs, each by its own rules. If a policy
    /// without a second factor is accepted, the second factor of the sign-in policy protects
    /// nothing. For the policy for a forgotten password access to a user's mailbox can be enough.
    /// A policy that is not named is refused.
    #[must_use]
    pub fn with_b2c_policies<Kind>(mut self, policies: impl StringList<Kind>) -> Self {
        self.policies = Some(policies.into_strings());
        self
    }

    /// Sets the tenants whose tokens are accepted, as GUIDs: see
    /// [`IdentityConfig::with_tenants`](IdentityConfig::with_tenants).
    ///
    /// # Errors
    ///
    /// The list is empty, or a value is not a GUID.
    pub fn with_tenants<Kind>(
        mut self,
        tenants: impl StringList<Kind>,
    ) -> Result<Self, ConfigError> {
        self.identity = self.identity.with_tenants(tenants)?;
        Ok(self)
    }

    /// Accepts tokens of every tenant in the world. The API then has to decide by the tenant.
    #[must_use]
    pub fn with_any_tenant(mut self) -> Self {
        self.identity = self.identity.with_any_tenant();
        self
    }

    /// Sets the credential with which the API authenticates at the provider, for introspection and
    /// for tokens on behalf of its callers. By default there is none.
    #[must_use]
    pub fn with_credential(mut self, credential: ClientCredential) -> Self {
        self.identity = self.identity.with_credential(credential);
        self
    }

    /// Sets the secrets under which [`StoredCaches`](crate::StoredCaches) of this API are sealed:
    /// see [`IdentityConfig::with_cookie_secrets`]. An API sets no cookies.
    #[must_use]
    pub fn with_cookie_secrets<S: Into<Secret>>(
        mut self,
        secrets: impl IntoIterator<Item = S>,
    ) -> Self {
        self.identity = self.identity.with_cookie_secrets(secrets);
        self
    }

    /// Sets the client capabilities, which are sent to Entra ID when the API acts for a caller: see
    /// [`IdentityConfig::with_client_capabilities`]. An API that hands on claims challenges to its
    /// clients sets `cp1`. The default is none.
    #[must_use]
    pub fn with_client_capabilities<Kind>(mut self, capabilities: impl StringList<Kind>) -> Self {
        self.identity = self.identity.with_client_capabilities(capabilities);
        self
    }

    /// Sets whether tokens that only the provider can read are introspected. The default is
    /// [`Introspection::Never`].
    #[must_use]
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = introspection;
        self
    }

    /// Sets the required `typ` header. The default is [`AccessTokenType::Any`].
    #[must_use]
    pub fn with_token_type(mut self, token_type: AccessTokenType) -> Self {
        self.token_type = token_type;
        self
    }

    /// Sets the algorithms that may sign an access token. The default is every asymmetric algorithm
    /// that fits the provider's keys.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.identity = self.identity.with_id_token_algorithms(algorithms);
        self
    }

    /// Sets the accepted difference between this clock and the provider's. The default is 60
    /// seconds.
    #[must_use]
    pub fn with_clock_leeway(mut self, leeway: Duration) -> Self {
        self.identity = self.identity.with_clock_leeway(leeway);
        self
    }

    /// Adds a path that needs no token, in the form in which requests have it. By default there is
    /// none. A token in a request to the path is ignored.
    #[must_use]
    pub fn add_public_path(mut self, path: impl Into<String>) -> Self {
        self.identity = self.identity.add_public_path(path);
        self
    }

    /// Adds a directory in which no path needs a token. The prefix begins and ends with a slash. A
    /// path that can be read in two ways stays protected.
    #[must_use]
    pub fn add_public_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.identity = self.identity.add_public_prefix(prefix);
        self
    }

    /// Sets the answer to a CORS preflight for a path that needs a token. The default is
    /// [`Preflight::Challenge`]: a CORS layer belongs outside the [`ApiLayer`](crate::ApiLayer),
    /// where it also lets pages read the challenges.
    #[must_use]
    pub fn with_preflight(mut self, preflight: Preflight) -> Self {
        self.identity = self.identity.with_preflight(preflight);
        self
    }

    /// Sets the origin at which this API itself reaches the provider: see
    /// [`IdentityConfig::with_back_channel`](IdentityConfig::with_back_channel).
    ///
    /// # Errors
    ///
    /// `address` is not an origin: scheme, host and port only.
    pub fn with_back_channel(mut self, address: &str) -> Result<Self, ConfigError> {
        self.identity = self.identity.with_back_channel(address)?;
        Ok(self)
    }

    /// Sets the URL of the provider's document, if it is not below the issuer: see
    /// [`IdentityConfig::with_discovery_url`](IdentityConfig::with_discovery_url).
    ///
    /// The metadata of an authorization server that is no OpenID provider is found without it (RFC
    /// 8414 section 3).
    ///
    /// # Errors
    ///
    /// `address` is not an `https` URL (`http` is accepted for loopback hosts), or has credentials
    /// or a fragment.
    pub fn with_discovery_url(mut self, address: &str) -> Result<Self, ConfigError> {
        self.identity = self.identity.with_discovery_url(address)?;
        Ok(self)
    }

    /// Allows an `http://` URL on another machine for the provider: see
    /// [`IdentityConfig::danger_allow_http`](IdentityConfig::danger_allow_http).
    ///
    /// # Security
    ///
    /// An attacker in that network can replace the signing keys, and so call the API as any user.
    #[must_use]
    pub fn danger_allow_http(mut self) -> Self {
        self.identity = self.identity.danger_allow_http();
        self
    }
}
