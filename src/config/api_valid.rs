//! [`ValidApiConfig`]: the configuration of an API after all checks.

use std::{fmt, sync::Arc};

use url::Url;

use super::{
    Access, AccessRules, AccessTokenType, ApiConfig, ClientCredential, Description, Introspection,
    ValidConfig, access::PathRules, mistakes::Mistakes, setting_table::API_TABLE,
    sign_in::check_scope,
};
use crate::{error::ConfigError, secret::TokenHash};

/// A checked configuration of an API, made by [`ApiConfig::build`]. Cloning it is cheap.
#[derive(Clone)]
pub struct ValidApiConfig(Arc<ValidApiConfigParts>);

struct ValidApiConfigParts {
    identity: ValidConfig,
    rules: AccessTokenRules,
    resource: Option<Resource>,
    scopes: Vec<String>,
    /// The prefixes that a scope of this API can have in tokens and requests, each with a slash at
    /// its end. Clients request scopes with the first.
    scope_prefixes: Vec<String>,
    public_paths: AccessRules,
    /// The hash under which verified tokens are remembered.
    token_hash: TokenHash,
    introspection: Introspection,
    description: Description,
}

/// The rules for the access tokens of an API, in addition to those for every token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessTokenRules {
    /// The names of the API, of which `aud` must contain one; never empty.
    pub(crate) audiences: Vec<String>,
    /// The B2C policies whose tokens are accepted, that of the sign-in first; empty elsewhere.
    pub(crate) policies: Vec<String>,
    /// Whether the `typ` header must be `at+jwt`.
    pub(crate) type_required: bool,
    /// Whether an introspection response without `aud` is accepted.
    pub(crate) audience_optional: bool,
}

/// The URL of an API, and the location of its metadata document (RFC 9728 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The URL as configured.
    pub(crate) url: String,
    /// Its scheme, host and port.
    origin: String,
    /// The path of the document: the well-known part is inserted before the path of the URL. Only
    /// the slash after a host is removed.
    pub(crate) metadata_path: String,
}

/// The well-known path of a metadata document, before the path of the API's URL (RFC 9728 section
/// 3).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Conversion into a checked configuration of an API, for the constructors that take one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a checked configuration of an API",
    label = "call `.build()?` on the `ApiConfig` first: it checks the settings and returns a \
             `ValidApiConfig`"
)]
pub trait IntoValidApiConfig {
    /// The checked configuration.
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
    /// Checks everything that can be checked without a request to the provider.
    ///
    /// # Errors
    ///
    /// A setting is missing, contradicts another, has no effect or would be unsafe. The error names
    /// the setting and how to correct it.
    pub fn build(self) -> Result<ValidApiConfig, ConfigError> {
        let settings = self.clone();
        self.checked().map_err(|error| settings.origin.explained(error, &settings, API_TABLE))
    }

    fn checked(mut self) -> Result<ValidApiConfig, ConfigError> {
        let description = self.describe();
        let mut mistakes = Mistakes::default();
        let named = mistakes.value(self.audiences()).unwrap_or_default();
        let credential = self.identity.credential.get_or_insert_with(ClientCredential::none);
        // RFC 7662 section 2.1: the introspection endpoint must require authorization.
        if self.introspection != Introspection::Never && !credential.is_confidential() {
            mistakes.add(ConfigError::new(
                "introspection",
                "the provider requires authentication for introspection (RFC 7662 section 2.1): \
                 set the credential of the API (`with_credential`, IDENTITY_CLIENT_SECRET)",
            ));
        }
        for scope in &self.scopes {
            mistakes.value(check_scope("scopes", scope));
        }
        let policies = self.identity.authority.api_policies(self.policies.as_deref());
        let policies = mistakes.value(policies).unwrap_or_default();
        // Taken out, because an API has neither a path prefix nor paths of its own to collide with.
        // The default access is that of pages: every call of an API needs a token.
        let rules =
            PathRules { default: Access::SignedIn, ..std::mem::take(&mut self.identity.paths) };
        let public_paths = mistakes.value(AccessRules::new("", &rules));
        // A caller's token, which is exchanged for one on its behalf, has one of these audiences.
        self.identity.trusted_audiences =
            named.iter().filter(|name| **name != self.identity.client_id).cloned().collect();
        let resource = mistakes.value(self.resource.as_deref().map(Resource::at).transpose());
        if let Some(Some(resource)) = &resource
            && self.identity.authority.compares_resource()
        {
            mistakes.value(resource.check_application_id_uri());
        }
        // Two variables that an application and its API may share are about ID tokens. Access
        // tokens are never signed with a client secret, and have a lifetime of their own.
        self.identity.id_token_hmac = None;
        self.identity.max_token_age = None;
        // An API redirects no browser, so the settings of pages have no effect.
        let identity = mistakes.value(self.identity.without_pages());
        let token_hash = mistakes.value(TokenHash::random().map_err(|error| {
            ConfigError::new("configuration", format!("no key for the memory of tokens: {error}"))
        }));
        let checked = public_paths.zip(resource).zip(identity.zip(token_hash));
        let ((public_paths, resource), (identity, token_hash)) = mistakes.end(checked)?;
        let authority = identity.authority();
        let mut audiences: Vec<String> = Vec::new();
        for spelling in named.iter().flat_map(|name| authority.spellings_of_audience(name)) {
            if !audiences.contains(&spelling) {
                audiences.push(spelling);
            }
        }
        // Only Microsoft's providers put the identifier of the API before the name of a scope.
        let scope_prefixes = match authority.is_microsoft() {
            true => scope_prefixes(self.resource.as_deref(), &named),
            false => Vec::new(),
        };
        let type_required = self.token_type == AccessTokenType::AtJwt;
        let audience_optional = self.introspection == Introspection::OpaqueAudienceOptional;
        Ok(ValidApiConfig(Arc::new(ValidApiConfigParts {
            identity,
            rules: AccessTokenRules { audiences, policies, type_required, audience_optional },
            resource,
            scopes: self.scopes,
            scope_prefixes,
            public_paths,
            token_hash,
            introspection: self.introspection,
            description,
        })))
    }

    /// The configured names of the API; never empty.
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
                "the list is empty, so no token could be accepted: name this API \
                 (`add_audience`, IDENTITY_AUDIENCE)",
            ));
        }
        // `*` would accept tokens for every other API of the provider (RFC 9068 section 4).
        // The client id has been checked by itself and may have a space (RFC 6749 appendix A.1).
        if let Some(odd) = named.iter().find(|name| {
            name.is_empty()
                || **name == "*"
                || *name != client_id && !name.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
        }) {
            return Err(ConfigError::new(
                "audiences",
                format!(
                    "{odd:?} is not an audience: name the API as the provider writes it in `aud` \
                     (`add_audience`, IDENTITY_AUDIENCE)"
                ),
            ));
        }
        if let Some(resource) = &self.resource {
            named.push(resource.clone());
            // Clients send a URL without a path with a slash at its end, and the other way round.
            named.extend(super::address::other_spelling(resource));
        }
        Ok(named)
    }
}

/// The prefixes of scopes: the Application ID URIs, that of the resource first.
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
        let path = if parsed.path() == "/" { "" } else { parsed.path() };
        Ok(Self {
            url: url.to_owned(),
            origin: parsed.origin().ascii_serialization(),
            metadata_path: format!("{WELL_KNOWN}{path}"),
        })
    }

    /// Checks that the URL can be the Application ID URI, with which Entra compares the parameter
    /// `resource` of a request character by character.
    fn check_application_id_uri(&self) -> Result<(), ConfigError> {
        let Some(without) = self.url.strip_suffix('/') else { return Ok(()) };
        Err(ConfigError::new(
            "resource",
            format!(
                "{:?} ends in a slash, and an Application ID URI of Entra cannot: clients that \
                 send this URL as `resource`, as MCP clients do, get AADSTS9010010. Write \
                 {without:?} (`with_resource`, IDENTITY_RESOURCE)",
                self.url
            ),
        ))
    }

    /// The URL of the metadata document.
    pub(crate) fn metadata_url(&self) -> String {
        format!("{}{}", self.origin, self.metadata_path)
    }
}

impl ValidApiConfig {
    /// The settings that an API shares with an application.
    pub(crate) fn identity(&self) -> &ValidConfig {
        &self.0.identity
    }

    /// The rules for access tokens.
    pub(crate) fn rules(&self) -> &AccessTokenRules {
        &self.0.rules
    }

    pub(crate) fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// The published scopes.
    pub(crate) fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The prefixes that a scope of this API can have, each with a slash at its end.
    pub(crate) fn scope_prefixes(&self) -> &[String] {
        &self.0.scope_prefixes
    }

    pub(crate) fn public_paths(&self) -> &AccessRules {
        &self.0.public_paths
    }

    /// The hash under which verified tokens are remembered.
    pub(crate) fn token_hash(&self) -> &TokenHash {
        &self.0.token_hash
    }

    pub(super) fn description(&self) -> &Description {
        &self.0.description
    }

    pub(crate) fn introspection(&self) -> Introspection {
        self.0.introspection
    }

    /// The values of `aud` that denote the API.
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
