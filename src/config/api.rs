//! [`ApiConfig`]: what an API sets, as data.

use std::time::Duration;

use super::{Algorithm, AzureAdSection, ClientCredential, IdentityConfig, settings::PublicPath};
use crate::{authority::Authority, error::ConfigError, strings::StringList};

/// Which access tokens an API takes, as plain data: it can be cloned, compared and printed (secrets
/// stay hidden).
///
/// Two things are required, the provider and the client id of the API, here. There is no base URL
/// and no secret: an API sends nobody anywhere, and checks signatures with public keys.
/// [`build`](Self::build) checks all of it and says what to do about a mistake.
///
/// ```
/// use tower_identity::{ApiConfig, Authority};
///
/// let config = ApiConfig::new(
///     Authority::entra("contoso.onmicrosoft.com")?,
///     "6731de76-14a6-49ae-97bc-6eba6914391e",
/// )
/// .with_resource("https://api.example.com")?
/// .add_public_path("/health")
/// .build()?;
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
///
/// # The two identities of an API
///
/// - Its *audiences* are the names that a token may have in `aud`: the client id, at Microsoft's
///   authorities also `api://{client id}`, the resource, and what
///   [`add_audience`](Self::add_audience) adds.
/// - Its *resource* is the URL at which clients find it, and by which they look up which provider
///   issues its tokens (RFC 9728). Entra's tokens of version 2.0 have the client id in `aud` all
///   the same.
///
/// It can be read from any serde source that holds an [`AzureAd` section](AzureAdSection).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "AzureAdSection")]
pub struct ApiConfig {
    /// Provider, client id, credential, tenants, leeway, algorithms, the way to the provider.
    pub(super) identity: IdentityConfig,
    /// Instead of the client id, where they are named.
    pub(super) audiences: Option<Vec<String>>,
    pub(super) more_audiences: Vec<String>,
    pub(super) resource: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) public_paths: Vec<PublicPath>,
    pub(super) token_type: AccessTokenType,
    pub(super) introspection: Introspection,
}

/// What the header of an access token has to say in `typ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessTokenType {
    /// `at+jwt`, `JWT`, or nothing: Entra and many others write `JWT`.
    #[default]
    Any,
    /// `at+jwt` (RFC 9068): every other token is refused, so that an ID token never comes near.
    AtJwt,
}

/// Whether the provider is asked about tokens that only it can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Introspection {
    /// Such tokens are refused.
    #[default]
    Never,
    /// It is asked (RFC 7662), with the credential of the API. Signed tokens are verified here all
    /// the same. What it says of a token that holds is remembered for a minute at most.
    Opaque,
}

impl ApiConfig {
    /// The API that the provider knows as `client_id`, and the provider whose access tokens it
    /// takes.
    #[must_use]
    pub fn new(authority: Authority, client_id: impl Into<String>) -> Self {
        Self::of(IdentityConfig::new(authority, client_id))
    }

    pub(super) fn of(mut identity: IdentityConfig) -> Self {
        let public_paths = std::mem::take(&mut identity.public_paths);
        Self {
            identity,
            audiences: None,
            more_audiences: Vec::new(),
            resource: None,
            scopes: Vec::new(),
            public_paths,
            token_type: AccessTokenType::default(),
            introspection: Introspection::default(),
        }
    }

    /// Another name that `aud` may have: an Application ID URI such as `api://notes`, or what the
    /// provider calls the API.
    #[must_use]
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.more_audiences.push(audience.into());
        self
    }

    /// The names that `aud` may have, instead of the client id: for providers at which an API has
    /// an identifier and no client id. An empty list is a mistake.
    #[must_use]
    pub fn with_audiences<Kind>(mut self, audiences: impl StringList<Kind>) -> Self {
        self.audiences = Some(audiences.into_strings());
        self
    }

    /// The URL at which clients find the API, to the letter: `https://api.example.com` or
    /// `https://example.com/mcp`. It is published with the provider's address (RFC 9728), so that
    /// clients such as those of MCP find out where to get a token. It is an audience, too.
    ///
    /// At Entra ID it has to be the Application ID URI of the registration, to the letter, without
    /// a slash at the end: otherwise clients are refused there (AADSTS9010010).
    ///
    /// # Errors
    ///
    /// It is not an absolute `https` URL (`http` is accepted for loopback hosts), or has a query, a
    /// fragment or credentials.
    pub fn with_resource(mut self, resource: &str) -> Result<Self, ConfigError> {
        super::address::resource(resource)?;
        self.resource = Some(resource.to_owned());
        Ok(self)
    }

    /// The scopes of this API, by name (`Notes.Read`): published with the
    /// [resource](Self::with_resource).
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.scopes = scopes.into_strings();
        self
    }

    /// The tenants whose tokens are taken, as GUIDs: see
    /// [`IdentityConfig::with_tenants`](IdentityConfig::with_tenants).
    ///
    /// # Errors
    ///
    /// There is none, or one is not a GUID.
    pub fn with_tenants<Kind>(
        mut self,
        tenants: impl StringList<Kind>,
    ) -> Result<Self, ConfigError> {
        self.identity = self.identity.with_tenants(tenants)?;
        Ok(self)
    }

    /// Tokens of every tenant in the world are taken: decide by the tenant then.
    #[must_use]
    pub fn with_any_tenant(mut self) -> Self {
        self.identity = self.identity.with_any_tenant();
        self
    }

    /// How the API proves who it is: for introspection, and for tokens on behalf of its callers.
    /// The default is not at all.
    #[must_use]
    pub fn with_credential(mut self, credential: ClientCredential) -> Self {
        self.identity = self.identity.with_credential(credential);
        self
    }

    /// Whether the provider is asked about tokens that only it can read. The default is
    /// [`Introspection::Never`].
    #[must_use]
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = introspection;
        self
    }

    /// What `typ` has to be. The default is [`AccessTokenType::Any`].
    #[must_use]
    pub fn with_token_type(mut self, token_type: AccessTokenType) -> Self {
        self.token_type = token_type;
        self
    }

    /// What access tokens may be signed with. The default is every algorithm with a public key that
    /// the provider's keys are for.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.identity = self.identity.with_id_token_algorithms(algorithms);
        self
    }

    /// How far the provider's clock may be from this one. The default is a minute.
    #[must_use]
    pub fn with_clock_leeway(mut self, leeway: Duration) -> Self {
        self.identity = self.identity.with_clock_leeway(leeway);
        self
    }

    /// One path that needs no token, as it stands in a request. The default is none. A token that
    /// comes with such a request is not looked at.
    #[must_use]
    pub fn add_public_path(mut self, path: impl Into<String>) -> Self {
        self.public_paths.push(PublicPath::Exact(path.into()));
        self
    }

    /// Everything below a directory needs no token; it begins and ends with a slash. Paths that can
    /// be read in two ways stay protected.
    #[must_use]
    pub fn add_public_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.public_paths.push(PublicPath::Prefix(prefix.into()));
        self
    }

    /// Where this API itself reaches the provider: see
    /// [`IdentityConfig::with_back_channel`](IdentityConfig::with_back_channel).
    ///
    /// # Errors
    ///
    /// It is not scheme, host and port alone.
    pub fn with_back_channel(mut self, address: &str) -> Result<Self, ConfigError> {
        self.identity = self.identity.with_back_channel(address)?;
        Ok(self)
    }

    /// The provider may be at an `http://` address on another machine: see
    /// [`IdentityConfig::danger_allow_http`](IdentityConfig::danger_allow_http).
    ///
    /// # Security
    ///
    /// A stranger on that network can exchange the keys, and so call the API as anybody.
    #[must_use]
    pub fn danger_allow_http(mut self) -> Self {
        self.identity = self.identity.danger_allow_http();
        self
    }
}
