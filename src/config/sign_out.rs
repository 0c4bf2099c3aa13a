//! What is said to the provider at sign-out, where it wants something else than OpenID Connect
//! RP-Initiated Logout 1.0 says.

use url::Url;

use super::IdentityConfig;
use crate::error::ConfigError;

/// Parameters of the sign-out request that the crate sends itself.
const RESERVED: &[&str] =
    &["client_id", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "state"];

/// The settings of the sign-out request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignOutRequest {
    pub(crate) endpoint: Option<Url>,
    pub(crate) return_parameter: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

impl IdentityConfig {
    /// One more parameter of the sign-out request, for example `federated` at Auth0. The default is
    /// none.
    ///
    /// The parameters that the crate sends itself are refused by [`build`](Self::build), as is a
    /// name given twice.
    #[must_use]
    pub fn add_sign_out_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.sign_out.parameters.push((name.into(), value.into()));
        self
    }

    /// The name of the parameter that holds the page after sign-out, where the provider does not
    /// call it `post_logout_redirect_uri`: `logout_uri` at Amazon Cognito, `returnTo` at Auth0's
    /// `/v2/logout`.
    ///
    /// The default is what the provider is known to want: those two are recognised by their hosts.
    #[must_use]
    pub fn with_sign_out_return_parameter(mut self, name: impl Into<String>) -> Self {
        self.sign_out.return_parameter = Some(name.into());
        self
    }

    /// The address at which the provider ends its session, where its document names none
    /// (`end_session_endpoint`) or another one is wanted. The default is that of the document.
    ///
    /// # Errors
    ///
    /// It is not an absolute `https` URL (`http` is accepted for loopback hosts), or has a fragment
    /// or credentials.
    pub fn with_end_session_endpoint(mut self, url: &str) -> Result<Self, ConfigError> {
        self.sign_out.endpoint = Some(super::address::endpoint("end_session_endpoint", url)?);
        Ok(self)
    }

    /// Whether a sign-out request can be made of the settings.
    pub(super) fn check_sign_out(&self) -> Result<(), ConfigError> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        if let Some(name) = self.sign_out.return_parameter.as_deref().filter(|name| !is_name(name))
        {
            return wrong(
                "sign_out_return_parameter",
                format!("{name:?} is not the name of a parameter, such as logout_uri"),
            );
        }
        let returns_by = self.sign_out.return_parameter.as_deref();
        let parameters = &self.sign_out.parameters;
        for (index, (name, value)) in parameters.iter().enumerate() {
            if RESERVED.contains(&name.as_str()) || returns_by == Some(name) {
                return wrong(
                    "sign_out_parameters",
                    format!("{name:?} is a parameter that this crate sends itself: leave it out"),
                );
            }
            if !is_name(name) || value.contains(char::is_control) {
                return wrong(
                    "sign_out_parameters",
                    format!(
                        "{name:?} has an empty or unusual name, or control characters in its value"
                    ),
                );
            }
            if parameters.iter().take(index).any(|(earlier, _)| earlier == name) {
                return wrong(
                    "sign_out_parameters",
                    format!("{name:?} is there twice (RFC 6749 section 3.1): leave one out"),
                );
            }
        }
        Ok(())
    }
}
