//! The sign-out request to the provider (OpenID Connect RP-Initiated Logout 1.0), with settings for
//! providers that deviate from it.

use url::Url;

use super::IdentityConfig;
use crate::error::ConfigError;

/// Parameters of the sign-out request that the crate sets.
const RESERVED: &[&str] =
    &["client_id", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "state"];

/// Deviations of the sign-out request from the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignOutRequest {
    pub(crate) endpoint: Option<Url>,
    pub(crate) return_parameter: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

impl IdentityConfig {
    /// Adds a parameter to the sign-out request, for example `federated` for Auth0. By default
    /// there are none.
    ///
    /// [`build`](Self::build) refuses the parameters that the crate sets itself, and a name that is
    /// given twice.
    #[must_use]
    pub fn add_sign_out_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.sign_out.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets the name of the parameter with the page after sign-out, for a provider that does not
    /// call it `post_logout_redirect_uri`: `logout_uri` for Amazon Cognito, `returnTo` for Auth0's
    /// `/v2/logout`.
    ///
    /// By default these two are recognised by their hosts, and every other provider gets the
    /// parameter of the specification.
    #[must_use]
    pub fn with_sign_out_return_parameter(mut self, name: impl Into<String>) -> Self {
        self.sign_out.return_parameter = Some(name.into());
        self
    }

    /// Sets the URL at which the provider ends its session, for a provider whose discovery document
    /// has no `end_session_endpoint`, or to replace it. The default is the document's.
    /// # Errors
    ///
    /// `url` is not an absolute `https` URL (`http` is accepted for loopback hosts), or has a
    /// fragment or credentials.
    pub fn with_end_session_endpoint(mut self, url: &str) -> Result<Self, ConfigError> {
        self.sign_out.endpoint = Some(super::address::endpoint("end_session_endpoint", url)?);
        Ok(self)
    }

    /// Checks the names and values of the sign-out parameters.
    pub(super) fn check_sign_out(&self) -> Result<(), ConfigError> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        if let Some(name) = self.sign_out.return_parameter.as_deref().filter(|name| !is_name(name))
        {
            return wrong(
                "sign_out_return_parameter",
                format!("{name:?} is not a parameter name, such as logout_uri"),
            );
        }
        let returns_by = self.sign_out.return_parameter.as_deref();
        let parameters = &self.sign_out.parameters;
        for (index, (name, value)) in parameters.iter().enumerate() {
            // A second value could redirect the user to another page after sign-out (security rule
            // 1).
            if RESERVED.contains(&name.as_str()) || returns_by == Some(name) {
                return wrong(
                    "sign_out_parameters",
                    format!("{name:?} is a parameter that this crate sets itself: remove it"),
                );
            }
            if !is_name(name) || value.contains(char::is_control) {
                return wrong(
                    "sign_out_parameters",
                    format!(
                        "{name:?} has an empty or invalid name, or control characters in its value"
                    ),
                );
            }
            if parameters.iter().take(index).any(|(earlier, _)| earlier == name) {
                return wrong(
                    "sign_out_parameters",
                    format!(
                        "{name:?} is given twice, which RFC 6749 section 3.1 forbids: remove one"
                    ),
                );
            }
        }
        Ok(())
    }
}
