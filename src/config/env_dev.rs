//! The configuration from environment variables where the development provider can stand in.

use url::Url;

use super::{
    IdentityConfig,
    description::rows,
    env::{is_placed, of_application},
    env_names,
    setting_table::TABLE,
    variables::Variables,
};
#[cfg(feature = "dev-provider")]
use super::{
    description::Origin,
    env::{settings, with_variables},
};
use crate::{authority::is_loopback, error::ConfigError};

#[cfg(feature = "dev-provider")]
impl IdentityConfig {
    /// The configuration from environment variables if one of them describes a provider or a
    /// client, with this base URL if none of them has one.
    pub(crate) fn from_env_at(base_url: &str) -> Result<FromEnv, ConfigError> {
        with_variables(|all| from_variables_at(all, base_url))
    }

    /// These settings with those of the environment over them, other than provider, client and
    /// credential.
    pub(crate) fn with_env_settings(self) -> Result<Self, ConfigError> {
        with_variables(|all| {
            let base_url = self.base_url.clone();
            let mut config = settings(all, self)?;
            config.base_url = base_url;
            // It is the address that the provider redirects to, whatever `LISTEN` is.
            all.ignore("LISTEN");
            config.origin = Origin::read(config.clone(), all, TABLE, "the development provider");
            Ok(config)
        })
    }
}

/// The provider of an application, as far as the environment describes one.
#[derive(Debug, PartialEq)]
pub(crate) enum FromEnv {
    /// A variable describes a provider or a client.
    Configured(Box<IdentityConfig>),
    /// No variable does: the development provider can serve the application at this URL of a
    /// loopback host.
    NotConfigured { base_url: String },
}

/// See [`IdentityConfig::from_env_at`].
pub(super) fn from_variables_at(
    all: &Variables<'_>,
    base_url: &str,
) -> Result<FromEnv, ConfigError> {
    let mut describing: Vec<&str> = all
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| describes_client(name) && all.has_value(name))
        .collect();
    if describing.is_empty() {
        return not_configured(all, base_url);
    }
    describing.sort_unstable();
    let mut config = of_application(all).map_err(|error| {
        let verb = if describing.len() == 1 { "is" } else { "are" };
        error.with_sentence(&format!(
            "The development provider was not started because {} {verb} set.",
            describing.join(", ")
        ))
    })?;
    if !is_placed(all)? {
        config = config.with_base_url(base_url)?;
    }
    Ok(FromEnv::Configured(Box::new(config)))
}

/// The base URL of an application at the development provider.
fn not_configured(all: &Variables<'_>, base_url: &str) -> Result<FromEnv, ConfigError> {
    let placed = all.text("IDENTITY_BASE_URL")?;
    let base_url = placed.map_or_else(|| base_url.to_owned(), |placed| placed.value);
    // Other machines reach this application, where test accounts must not sign in: the
    // variables of its provider were forgotten.
    if Url::parse(&base_url).is_ok_and(|url| !is_loopback(&url)) {
        return Err(ConfigError::missing(
            "IDENTITY_AUTHORITY",
            format!(
                "no provider is configured, and the development provider is for loopback hosts \
                 only, not for {base_url}"
            ),
        ));
    }
    Ok(FromEnv::NotConfigured { base_url })
}

/// The settings that describe a provider, or a client as it is registered there.
const OF_A_CLIENT: &[&str] = &[
    "authority",
    "client_id",
    "credential",
    "tenants",
    "discovery_url",
    "back_channel",
    "redirect_uri",
    "end_session_endpoint",
];

/// Whether a variable describes a provider or a client: then a development provider in its place
/// would hide a mistake. An unknown variable is one of them if it is probably misspelt.
fn describes_client(name: &str) -> bool {
    let is_unknown = env_names::is_of_crate(name) && !env_names::is_known(name);
    let name = env_names::nearest(name).filter(|_| is_unknown).unwrap_or(name);
    // The platform sets the other `AZURE_*` variables, and so does a command line of Azure: without
    // a client id they are not about this application.
    if name.starts_with("AZURE_") && name != "AZURE_CLIENT_ID" {
        return false;
    }
    name.to_ascii_lowercase().starts_with("azuread__")
        || rows(TABLE).any(|row| OF_A_CLIENT.contains(&row.name) && row.is_named_by(name))
}
