//! The parameters that an application adds to requests to the provider: one rule for their names
//! and values, whatever the request.

use crate::error::ConfigError;

/// A request to which an application can add parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderRequest {
    Authorization,
    /// The token request, or the device authorization request.
    Token,
    SignOut,
}

impl ProviderRequest {
    /// The parameters that the crate sets itself or that have a setting. A second one would change
    /// the grant or the client, override a check (security rule 3), or send the user to another
    /// page (security rule 1).
    const fn reserved(self) -> &'static [&'static str] {
        match self {
            Self::Authorization => &[
                "acr_values",
                "claims",
                "client_id",
                "client_info",
                "client_secret",
                "code_challenge",
                "code_challenge_method",
                "code_verifier",
                "domain_hint",
                "grant_type",
                "login_hint",
                "max_age",
                "nonce",
                "prompt",
                "redirect_uri",
                "request",
                "request_uri",
                "response_mode",
                "response_type",
                "scope",
                "state",
                "ui_locales",
            ],
            Self::Token => &[
                "assertion",
                "claims",
                "client_assertion",
                "client_assertion_type",
                "client_id",
                "client_info",
                "client_secret",
                "code",
                "code_verifier",
                "device_code",
                "grant_type",
                "password",
                "redirect_uri",
                "refresh_token",
                "requested_token_use",
                "resource",
                "scope",
                "user_federated_identity_credential",
                "user_id",
                "username",
            ],
            Self::SignOut => {
                &["client_id", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "state"]
            }
        }
    }

    /// Why a parameter cannot be added to this request; `None` if it can.
    ///
    /// Reserved names are compared in any letter case. Names of parameters have a case, but servers
    /// exist that ignore it.
    pub(crate) fn problem_of(self, name: &str, value: &str) -> Option<String> {
        if self.reserved().iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Some(format!(
                "{name:?} is a parameter that this crate sets: use its setting, if there is one, \
                 instead of adding it"
            ));
        }
        (!is_name(name) || value.contains(char::is_control)).then(|| {
            format!("{name:?} has an empty or invalid name, or control characters in its value")
        })
    }

    /// Checks all parameters that a setting adds to this request.
    ///
    /// # Errors
    ///
    /// One cannot be added, or is there twice. RFC 6749 section 3.1 forbids repeated parameters;
    /// RFC 8707 section 2 allows `resource`.
    pub(super) fn check(
        self,
        setting: &'static str,
        parameters: &[(String, String)],
    ) -> Result<(), ConfigError> {
        for (index, (name, value)) in parameters.iter().enumerate() {
            if let Some(problem) = self.problem_of(name, value) {
                return Err(ConfigError::new(setting, problem));
            }
            let mut earlier = parameters.iter().take(index);
            if !name.eq_ignore_ascii_case("resource")
                && earlier.any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
            {
                return Err(ConfigError::new(
                    setting,
                    format!(
                        "{name:?} is given twice: only `resource` (RFC 8707 section 2) may be \
                         repeated (RFC 6749 section 3.1)"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Whether a text can be the name of a parameter.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
