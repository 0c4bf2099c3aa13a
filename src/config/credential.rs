//! How the application proves to the token endpoint who it is.

use std::fmt;

use crate::{error::ConfigError, secret::Secret};

/// The application's credential at the token endpoint (RFC 6749 section 2.3).
///
/// ```
/// use tower_identity::config::{ClientAuthMethod, ClientCredential};
///
/// let secret = ClientCredential::secret("from a vault").with_method(ClientAuthMethod::Post);
/// assert!(!format!("{secret:?}").contains("vault"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredential {
    secret: Option<Secret>,
    method: Option<ClientAuthMethod>,
}

/// How a client secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthMethod {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the body.
    Post,
}

impl ClientCredential {
    /// A public client: no credential, PKCE alone. It has to be asked for; forgetting the secret is a set-up error.
    #[must_use]
    pub const fn none() -> Self {
        Self { secret: None, method: None }
    }

    /// A client secret.
    pub fn secret(secret: impl Into<Secret>) -> Self {
        Self { secret: Some(secret.into()), method: None }
    }

    /// How the secret is sent. The default is what the discovery document allows, `client_secret_basic` if it allows both or says nothing.
    #[must_use]
    pub fn with_method(mut self, method: ClientAuthMethod) -> Self {
        self.method = Some(method);
        self
    }

    /// The client secret, if there is one.
    pub(crate) fn client_secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// How the user wants the secret to be sent, if they said so.
    pub(crate) fn method(&self) -> Option<ClientAuthMethod> {
        self.method
    }

    /// Whether the credential can be used.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let problem = match &self.secret {
            Some(secret) if secret.is_empty() => {
                "the client secret is empty: give the secret's value, or say `ClientCredential::none()` if the application has none"
            }
            Some(secret) if secret.expose().trim() != secret.expose() || secret.expose().contains(char::is_control) => {
                "the client secret has white space around it or control characters in it: copy it again"
            }
            None if self.method.is_some() => {
                "a method was chosen for a secret that is not there: leave `with_method` out, or give the secret"
            }
            _ => return Ok(()),
        };
        Err(ConfigError::new("credential", problem))
    }
}

impl fmt::Display for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret.is_some() { "a secret" } else { "no credential (a public client)" })?;
        match self.method {
            Some(method) => write!(f, " sent as {}", method.as_str()),
            None => Ok(()),
        }
    }
}

impl ClientAuthMethod {
    /// The name of the method in the discovery document (OpenID Connect Core section 9).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-367, C-448
    #[test]
    fn an_empty_secret_is_not_a_public_client() {
        assert!(ClientCredential::none().check().is_ok());
        assert!(ClientCredential::secret("s").check().is_ok());
        for refused in ["", " ", "s\n", "a\tb"] {
            assert!(ClientCredential::secret(refused).check().is_err(), "{refused:?}");
        }
        assert!(ClientCredential::none().with_method(ClientAuthMethod::Post).check().is_err());
    }
}
