//! How the application reaches the provider, where that is not simply the provider's `https`
//! address.

use super::{Finding, IdentityConfig, Severity};
use crate::error::ConfigError;

impl IdentityConfig {
    /// Where this application itself reaches the provider, if not at the address that browsers use
    /// and tokens name: inside a network of containers `http://keycloak:8080`, for
    /// `https://id.example.com` outside. The default is the provider's own address.
    ///
    /// Scheme, host and port of every request from here to the provider's address are replaced: for
    /// the document, keys, tokens and UserInfo. The `Host` header stays the public one, and so does
    /// the issuer, which is compared to the letter as always. The document may name endpoints at
    /// this address. Browsers are never sent to it.
    ///
    /// # Security
    ///
    /// Whatever answers there is the provider. With `http://` it needs
    /// [`danger_allow_http`](Self::danger_allow_http).
    ///
    /// # Errors
    ///
    /// It is not scheme, host and port alone.
    pub fn with_back_channel(mut self, address: &str) -> Result<Self, ConfigError> {
        self.back_channel = Some(super::address::origin("back_channel", address)?);
        Ok(self)
    }

    /// Where the provider's discovery document is, if not below its issuer (OpenID Connect Discovery
    /// section 4.1): FusionAuth, WSO2 Identity Server. The default is the issuer's address with
    /// `/.well-known/openid-configuration` behind it.
    ///
    /// The authority stays the issuer: the document and tokens have to name it, character by
    /// character.
    ///
    /// # Security
    ///
    /// The document there says by which keys people are signed in.
    ///
    /// # Errors
    ///
    /// It is not an `https` address (`http` on this machine), or has credentials or a fragment.
    pub fn with_discovery_url(mut self, address: &str) -> Result<Self, ConfigError> {
        self.discovery_url = Some(super::address::endpoint("discovery_url", address)?);
        Ok(self)
    }

    /// The provider (or its [back channel](Self::with_back_channel)) may be at an `http://` address
    /// on another machine. The default is that it must not: `http://` is for this machine, by
    /// `localhost`, `127.0.0.1` or `[::1]`.
    ///
    /// # Security
    ///
    /// Secrets, codes and tokens can be read on the way, and keys exchanged, so that a stranger on
    /// the network signs in as anybody. It is for networks that nobody else is in, such as that of
    /// the containers of one machine. [`build`](Self::build) writes a warning to the log each time,
    /// and [`check`](super::ValidConfig::check) has one, too.
    #[must_use]
    pub fn danger_allow_http(mut self) -> Self {
        self.danger_http = true;
        self
    }

    /// Gives the authority the way to it.
    pub(super) fn route(&mut self) -> Result<(), ConfigError> {
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        if let Some(address) = &self.discovery_url {
            if self.authority.is_microsoft() {
                return wrong(
                    "discovery_url",
                    format!("{} has its document at a known address: leave it out", self.authority),
                );
            }
            self.authority.set_metadata_url(address);
        }
        let remedy = "secrets and tokens can be read on the way (http:// is for localhost, 127.0.0.1 and [::1]). Only where nobody \
                      else is in the network between, such as that of containers on one machine: `danger_allow_http` \
                      (IDENTITY_DANGER_ALLOW_HTTP=true)";
        if self.authority.is_remote_http() && !self.danger_http {
            return wrong(
                "authority",
                format!("{:?} has to begin with https://: {remedy}", self.authority.to_string()),
            );
        }
        if let Some(address) = &self.back_channel {
            if self.authority.is_microsoft() {
                return wrong(
                    "back_channel",
                    format!(
                        "{} is reached at its own address alone: leave the back channel out",
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

    /// The warning about tokens that travel in the clear.
    pub(super) fn http_finding(&self) -> Option<Finding> {
        let back_channel = self.back_channel.as_ref().filter(|address| address.scheme() == "http");
        let address = match (self.authority.is_remote_http(), back_channel) {
            (_, Some(address)) if !crate::authority::is_loopback(address) => address.to_string(),
            (true, None) => self.authority.to_string(),
            _ => return None,
        };
        let text = format!(
            "DANGER: the provider is asked at {address} without TLS (`danger_allow_http`, IDENTITY_DANGER_ALLOW_HTTP): a stranger in \
             that network can read secrets and sign in as anybody. Use https://, or keep the network to yourself."
        );
        Some(Finding::new(Severity::Warning, "danger_http", text))
    }
}
