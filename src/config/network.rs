//! The settings of the connection to the provider, for one that is not reached over `https` at its
//! own URL.

use super::{Finding, IdentityConfig};
use crate::error::ConfigError;

impl IdentityConfig {
    /// Sets the origin at which this application reaches the provider, if it is not the one that
    /// browsers use and tokens name. In a network of containers it could be `http://keycloak:8080`,
    /// for a provider that is `https://id.example.com` to browsers. The default is the provider's
    /// own origin.
    ///
    /// It replaces the origin of every request from the application to the provider: for the
    /// discovery document, keys, tokens and UserInfo. The `Host` header stays the public one, and
    /// so does the issuer, which is compared exactly. The document may name endpoints at this
    /// origin. Browsers are never sent to it.
    ///
    /// # Security
    ///
    /// The server at this origin is trusted as the provider. An `http://` origin that is not
    /// loopback needs [`danger_allow_http`](Self::danger_allow_http).
    ///
    /// # Errors
    ///
    /// `address` is not an origin: scheme, host and port only.
    pub fn with_back_channel(mut self, address: &str) -> Result<Self, ConfigError> {
        self.back_channel = Some(super::address::origin("back_channel", address)?);
        Ok(self)
    }

    /// Sets the URL of the discovery document, if it is not below the issuer (OpenID Connect
    /// Discovery 1.0 section 4.1), as with FusionAuth and WSO2 Identity Server. The default is the
    /// issuer followed by `/.well-known/openid-configuration`, and where nothing is there, that of
    /// the metadata of an authorization server (RFC 8414 section 3).
    ///
    /// The authority stays the issuer: the document and the tokens have to name it exactly.
    ///
    /// # Security
    ///
    /// The document names the keys that ID tokens are verified with.
    ///
    /// # Errors
    ///
    /// `address` is not an `https` URL (`http` is accepted for loopback hosts), or has credentials
    /// or a fragment.
    pub fn with_discovery_url(mut self, address: &str) -> Result<Self, ConfigError> {
        self.discovery_url = Some(super::address::endpoint("discovery_url", address)?);
        Ok(self)
    }

    /// Allows an `http://` URL on another machine for the provider or its [back
    /// channel](Self::with_back_channel). By default `http://` is allowed on this machine only:
    /// `localhost`, `127.0.0.1` and `[::1]`.
    ///
    /// # Security
    ///
    /// Without TLS, anyone in the network between can read secrets, codes and tokens, and can
    /// replace the signing keys and so sign in as any user. Use it only in a network that no one
    /// else can reach, such as that of the containers on one machine. [`build`](Self::build) logs a
    /// warning each time, and [`check`](super::ValidConfig::check) reports it.
    #[must_use]
    pub fn danger_allow_http(mut self) -> Self {
        self.danger_http = true;
        self
    }

    /// Checks how the provider may be reached, and passes it on to the authority.
    pub(super) fn set_connection(&mut self) -> Result<(), ConfigError> {
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        if let Some(url) = &self.discovery_url {
            if self.authority.is_microsoft() {
                return wrong(
                    "discovery_url",
                    format!("the URL of the document of {} is known: remove it", self.authority),
                );
            }
            // Only the location of the document changes: its `issuer` is still compared with the
            // authority.
            self.authority.set_metadata_url(url);
        }
        let remedy = "secrets and tokens can be read on the way (http:// is accepted for \
                      localhost, 127.0.0.1 and [::1]). In a network that no one else can reach, \
                      such as that of containers on one machine, allow it with \
                      `danger_allow_http` (IDENTITY_DANGER_ALLOW_HTTP=true)";
        // OpenID Connect Core 1.0 section 16.17 requires TLS for all communication with the
        // provider.
        if self.authority.is_remote_http() && !self.danger_http {
            return wrong(
                "authority",
                format!("{:?} has to begin with https://: {remedy}", self.authority.to_string()),
            );
        }
        if let Some(address) = &self.back_channel {
            // The rules for Microsoft's endpoints rest on their hosts (D18).
            if self.authority.is_microsoft() {
                return wrong(
                    "back_channel",
                    format!(
                        "{} can be reached at its own URL only: remove the back channel",
                        self.authority
                    ),
                );
            }
            if address.scheme() == "http"
                && !crate::authority::is_loopback(address)
                && !self.danger_http
            {
                return wrong(
                    "back_channel",
                    format!("{:?} has to begin with https://: {remedy}", address.as_str()),
                );
            }
        }
        self.authority.set_connection(self.danger_http, self.back_channel.as_ref());
        Ok(())
    }

    /// The warning that requests to the provider are not encrypted.
    pub(super) fn http_finding(&self) -> Option<Finding> {
        let back_channel = self.back_channel.as_ref().filter(|address| address.scheme() == "http");
        let address = match (self.authority.is_remote_http(), back_channel) {
            (_, Some(address)) if !crate::authority::is_loopback(address) => address.to_string(),
            (true, None) => self.authority.to_string(),
            _ => return None,
        };
        let text = format!(
            "DANGER: requests go to the provider at {address} without TLS (`danger_allow_http`, \
             IDENTITY_DANGER_ALLOW_HTTP): anyone in that network can read secrets and sign in as \
             any user. Use https://, or a network that no one else can reach."
        );
        Some(Finding::warning("danger_http", text))
    }
}
