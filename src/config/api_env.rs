//! The configuration of an API from environment variables.

use super::{
    ApiConfig, AzureAdSection, description::Origin, env, env_settings, setting_table::API_TABLE,
    variables::Variables,
};
use crate::error::ConfigError;

impl ApiConfig {
    /// The configuration that the environment describes.
    ///
    /// Provider, client id, tenants and credential are named as for
    /// [`IdentityConfig::from_env`](super::IdentityConfig::from_env), and so are algorithms,
    /// leeway, client capabilities and the way to the provider; what belongs to pages and sessions
    /// there has no effect. An API has these besides:
    ///
    /// | variable | sets |
    /// |---|---|
    /// | `IDENTITY_AUDIENCE` | names of the API in `aud`, with spaces between them: [`add_audience`](Self::add_audience) for each |
    /// | `IDENTITY_RESOURCE` | the URL at which clients find it: [`with_resource`](Self::with_resource) |
    /// | `IDENTITY_API_SCOPES` | its scopes, with spaces between them: [`with_scopes`](Self::with_scopes) |
    /// | `IDENTITY_API_B2C_POLICIES` | the B2C policies whose tokens are accepted beside the sign-in policy, with spaces between them: [`with_b2c_policies`](Self::with_b2c_policies) |
    /// | `IDENTITY_ACCESS_TOKEN_TYPE` | `any` (the default) or `at+jwt`: [`with_token_type`](Self::with_token_type) |
    /// | `IDENTITY_COOKIE_SECRET` | the secrets under which stored token caches are sealed, one on each line: [`with_cookie_secrets`](Self::with_cookie_secrets) |
    /// | `IDENTITY_PREFLIGHT` | `challenge` (the default) or `pass`: [`with_preflight`](Self::with_preflight) |
    /// | `IDENTITY_INTROSPECTION` | `never` (the default), `opaque`, or `opaque_audience_optional` for a provider whose answers have no `aud`: [`with_introspection`](Self::with_introspection) |
    ///
    /// `Audience` and `Audiences` of an [`AzureAd` section](AzureAdSection) are read, too.
    ///
    /// # Errors
    ///
    /// No provider or client id is named, a value cannot be read, or two variables contradict each
    /// other; the error names them.
    pub fn from_env() -> Result<Self, ConfigError> {
        env::with_variables(api_from_variables)
    }
}

/// The configuration that the variables give together.
pub(super) fn api_from_variables(all: &Variables<'_>) -> Result<ApiConfig, ConfigError> {
    let mut config = ApiConfig::of(env::of_client(all, false)?);
    let section = AzureAdSection::from_variables(all)?;
    for audience in section.audience.iter().chain(&section.audiences) {
        config = config.add_audience(audience);
    }
    config = env_settings::settings(all, API_TABLE, config)?;
    config.origin = Origin::variables(config.clone(), all, API_TABLE);
    Ok(config)
}
