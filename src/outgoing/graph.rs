//! Microsoft Graph in the cloud of an authority.

use super::api::Api;
use crate::{
    authority::Authority,
    client::Client,
    config::{ValidConfig, is_openid_scope},
    error::ConfigError,
    strings::StringList,
};

/// The host whose scopes Entra understands without a resource.
const PUBLIC: &str = "https://graph.microsoft.com";

impl Api {
    /// Microsoft Graph, version 1.0, in the cloud of an authority, for tokens with these scopes.
    ///
    /// Scopes are written as Graph's documentation writes them: `User.Read`; in national clouds the
    /// resource is added. `.default` is for tokens of the application itself.
    ///
    /// ```
    /// use tower_identity::{Authority, Error, Tokens, outgoing::{Api, ApiClient}};
    ///
    /// # fn graph() -> Result<ApiClient, tower_identity::ConfigError> {
    /// let authority = Authority::entra("contoso.onmicrosoft.com")?;
    /// let graph = ApiClient::new(Api::graph(&authority, ["User.Read"])?);
    /// # Ok(graph)
    /// # }
    /// async fn me(graph: &ApiClient, tokens: &Tokens) -> Result<serde_json::Value, Error> {
    ///     graph.get_json(tokens, "/me").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The authority is neither Entra ID nor External ID, or its cloud is unknown, so that Graph's
    /// host is not known; or a scope is invalid.
    pub fn graph<Kind>(
        authority: &Authority,
        scopes: impl StringList<Kind>,
    ) -> Result<Self, ConfigError> {
        let graph = authority.graph(None).ok_or_else(|| {
            // On loopback it is the development provider as a rule, which imitates Graph as well.
            let hint = match authority.is_loopback() {
                true => {
                    "; the development provider imitates Entra ID and Graph if it is made by \
                     `DevProvider::builder().entra()`, which has `config_or_env` too"
                }
                false => "",
            };
            let problem = format!(
                "Microsoft Graph is known for Entra ID and External ID in Microsoft's clouds only: \
                 name the URL of another API with Api::at{hint}"
            );
            ConfigError::new("Api::graph", problem)
        })?;
        let qualified = |scope: String| {
            // No name of a permission of Graph has a slash: the part before one is a resource.
            let is_bare = !scope.contains('/') && !is_openid_scope(&scope);
            let needs_resource =
                scope == ".default" || graph != PUBLIC && graph.starts_with("https");
            if is_bare && needs_resource { format!("{graph}/{scope}") } else { scope }
        };
        let scopes = scopes.into_strings().into_iter().map(qualified).collect::<Vec<_>>();
        Self::at(&format!("{graph}/v1.0"), scopes)
    }
}

impl ValidConfig {
    /// Microsoft Graph in the cloud of this application's authority: [`Api::graph`].
    ///
    /// # Errors
    ///
    /// Those of [`Api::graph`].
    pub fn graph_api<Kind>(&self, scopes: impl StringList<Kind>) -> Result<Api, ConfigError> {
        Api::graph(self.authority(), scopes)
    }
}

impl Client {
    /// Microsoft Graph in the cloud of this client's authority: [`Api::graph`].
    ///
    /// # Errors
    ///
    /// Those of [`Api::graph`].
    pub fn graph_api<Kind>(&self, scopes: impl StringList<Kind>) -> Result<Api, ConfigError> {
        self.config().graph_api(scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graph_is_that_of_the_cloud_and_its_scopes_too() {
        let api = |authority: &str, scope: &str| {
            Api::graph(&Authority::parse(authority).unwrap(), [scope])
                .map(|api| format!("{api:?}"))
                .map_err(|error| error.to_string())
        };
        let public = "https://login.microsoftonline.com/common";
        let us = "https://login.microsoftonline.us/common";
        for (authority, scope, expected) in [
            (public, "User.Read", "scopes: User.Read,"),
            (public, ".default", "scopes: https://graph.microsoft.com/.default,"),
            (us, "User.Read", "scopes: https://graph.microsoft.us/User.Read,"),
            (
                us,
                "https://graph.microsoft.us/Mail.Read",
                "scopes: https://graph.microsoft.us/Mail.Read,",
            ),
            (us, "offline_access", "scopes: offline_access,"),
            (us, "00000003-0000-0000-c000-000000000000/.default", "scopes: 00000003-"),
        ] {
            let api = api(authority, scope).unwrap();
            assert!(api.contains(expected) && api.contains("/v1.0/"), "{api}");
        }
        assert!(api("https://login.example.com", "User.Read").is_err());
    }
}
