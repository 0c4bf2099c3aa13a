//! [`ValidApiConfig`]: the configuration of an API after every check.

use std::{fmt, sync::Arc};

use url::Url;

use super::{
    AccessTokenType, ApiConfig, ClientCredential, Introspection, PublicPaths, ValidConfig,
    settings::PublicPath, sign_in::check_scope,
};
use crate::error::ConfigError;

/// A checked configuration of an API, made by [`ApiConfig::build`]. Cloning it is cheap.
#[derive(Clone)]
pub struct ValidApiConfig(Arc<Valid>);

struct Valid {
    identity: ValidConfig,
    rules: AccessTokenRules,
    resource: Option<Resource>,
    scopes: Vec<String>,
    /// What may stand before the name of a scope of this API, each with a slash at its end; the
    /// first is how clients ask for one.
    scope_prefixes: Vec<String>,
    public_paths: PublicPaths,
    introspection: Introspection,
}

/// What the access tokens of an API are held to, beyond what every token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessTokenRules {
    /// The names of the API, of which `aud` has one; never none.
    pub(crate) audiences: Vec<String>,
    /// Whether the header has to say `at+jwt`.
    pub(crate) type_required: bool,
}

/// The URL of an API, and where the document about it is (RFC 9728 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// As it was given.
    pub(crate) url: String,
    /// Scheme, host and port of it.
    pub(crate) origin: String,
    /// The path of the document: the well-known part comes before the path of the URL.
    pub(crate) metadata_path: String,
}

/// Where a document about an API is, before the path of its URL (RFC 9728 section 3).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A configuration of an API after its checks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a checked configuration of an API",
    label = "call `.build()?` on the `ApiConfig` first: it checks the settings and gives a \
     `ValidApiConfig`"
)]
pub trait IntoValidApiConfig {
    /// The configuration.
    fn into_valid_api_config(self) -> ValidApiConfig;
}

impl IntoValidApiConfig for ValidApiConfig {
    fn into_valid_api_config(self) -> ValidApiConfig {
        self
    }
}

impl IntoValidApiConfig for &ValidApiConfig {
    fn into_valid_api_config(self) -> ValidApiConfig {
        self.clone()
    }
}

impl ApiConfig {
    /// Checks everything that can be checked without asking the provider.
    ///
    /// # Errors
    ///
    /// Something is missing, contradicts itself, has no effect or would be unsafe; the error names
    /// the setting and says what to do.
    pub fn build(mut self) -> Result<ValidApiConfig, ConfigError> {
        let named = self.audiences()?;
        let credential = self.identity.credential.get_or_insert_with(ClientCredential::none);
        if self.introspection == Introspection::Opaque && !credential.is_confidential() {
            return Err(ConfigError::new(
                "introspection",
                "the provider answers only to an API that proves who it is: give its credential \
                 (`with_credential`, IDENTITY_CLIENT_SECRET)",
            ));
        }
        for scope in &self.scopes {
            check_scope(scope)?;
        }
        let mut public_paths = PublicPaths::default();
        for path in &self.public_paths {
            match path {
                PublicPath::Exact(path) => public_paths.add_exact("", path)?,
                PublicPath::Prefix(prefix) => public_paths.add_prefix("", prefix)?,
            }
        }
        // A token on behalf of a caller is got with a token for one of these.
        self.identity.trusted_audiences =
            named.iter().filter(|name| **name != self.identity.client_id).cloned().collect();
        let resource = self.resource.as_deref().map(Resource::at).transpose()?;
        // Nobody is sent anywhere: what belongs to pages has no effect.
        let identity = self.identity.without_pages()?;
        let authority = identity.authority();
        let mut audiences: Vec<String> = Vec::new();
        for spelling in named.iter().flat_map(|name| authority.spellings_of_audience(name)) {
            if !audiences.contains(&spelling) {
                audiences.push(spelling);
            }
        }
        let scope_prefixes = match authority.is_microsoft() {
            true => scope_prefixes(self.resource.as_deref(), &named),
            false => Vec::new(),
        };
        let type_required = self.token_type == AccessTokenType::AtJwt;
        Ok(ValidApiConfig(Arc::new(Valid {
            identity,
            rules: AccessTokenRules { audiences, type_required },
            resource,
            scopes: self.scopes,
            scope_prefixes,
            public_paths,
            introspection: self.introspection,
        })))
    }

    /// The names of the API as they are written here, never none.
    fn audiences(&self) -> Result<Vec<String>, ConfigError> {
        let client_id = &self.identity.client_id;
        let mut named = match &self.audiences {
            Some(instead) => instead.clone(),
            None => vec![client_id.clone()],
        };
        named.extend(self.more_audiences.iter().cloned());
        if self.audiences.is_none() && self.identity.authority.is_microsoft() {
            named.push(format!("api://{client_id}"));
        }
        if named.is_empty() {
            return Err(ConfigError::new(
                "audiences",
                "the list is empty, so that a token for any API would have to be taken or none: \
                 name this API (`add_audience`, IDENTITY_AUDIENCE)",
            ));
        }
        if let Some(odd) = named.iter().find(|name| {
            name.is_empty()
                || **name == "*"
                || !name.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
        }) {
            return Err(ConfigError::new(
                "audiences",
                format!(
                    "{odd:?} is no audience: name the API as the provider writes it into `aud` \
                     (`add_audience`, IDENTITY_AUDIENCE)"
                ),
            ));
        }
        named.extend(self.resource.clone());
        Ok(named)
    }
}

/// The Application ID URIs, that of the resource first.
fn scope_prefixes(resource: Option<&str>, named: &[String]) -> Vec<String> {
    let uris = named.iter().map(String::as_str).filter(|name| name.contains("://"));
    let mut prefixes: Vec<String> = Vec::new();
    for uri in resource.into_iter().chain(uris) {
        let prefix = format!("{}/", uri.trim_end_matches('/'));
        if !prefixes.contains(&prefix) {
            prefixes.push(prefix);
        }
    }
    prefixes
}

impl Resource {
    fn at(url: &str) -> Result<Self, ConfigError> {
        let parsed: Url = super::address::resource(url)?;
        let path = parsed.path().trim_end_matches('/');
        Ok(Self {
            url: url.to_owned(),
            origin: parsed.origin().ascii_serialization(),
            metadata_path: format!("{WELL_KNOWN}{path}"),
        })
    }

    /// Where clients find the document.
    pub(crate) fn metadata_url(&self) -> String {
        format!("{}{}", self.origin, self.metadata_path)
    }
}

impl ValidApiConfig {
    /// What belongs to every application at the provider.
    pub(crate) fn identity(&self) -> &ValidConfig {
        &self.0.identity
    }

    /// What access tokens are held to.
    pub(crate) fn rules(&self) -> &AccessTokenRules {
        &self.0.rules
    }

    pub(crate) fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// The scopes that are published.
    pub(crate) fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// What may stand before the name of a scope.
    pub(crate) fn scope_prefixes(&self) -> &[String] {
        &self.0.scope_prefixes
    }

    pub(crate) fn public_paths(&self) -> &PublicPaths {
        &self.0.public_paths
    }

    pub(crate) fn introspection(&self) -> Introspection {
        self.0.introspection
    }

    /// The names that `aud` may have.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.0.rules.audiences
    }
}

impl fmt::Debug for ValidApiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidApiConfig")
            .field("authority", &self.identity().authority().name())
            .field("audiences", &self.audiences())
            .field("resource", &self.0.resource)
            .finish_non_exhaustive()
    }
}
