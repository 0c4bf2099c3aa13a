//! The policies (user flows) of a B2C tenant.

use super::tenants::is_name;
use crate::error::ConfigError;

/// The policies of a B2C tenant: what people can do there, each with a discovery document of its
/// own.
///
/// ```
/// use tower_identity::authority::{Authority, B2cPolicies};
///
/// let policies = B2cPolicies::new("B2C_1_susi").with_edit_profile("B2C_1_edit").with_reset_password("B2C_1_reset");
/// let authority = Authority::b2c("contoso", policies)?;
/// assert_eq!(authority.to_string(), "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0");
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct B2cPolicies {
    pub(crate) sign_in: String,
    pub(crate) edit_profile: Option<String>,
    pub(crate) reset_password: Option<String>,
}

impl B2cPolicies {
    /// The policy for signing up and in. There are no others by default.
    #[must_use]
    pub fn new(sign_in: impl Into<String>) -> Self {
        Self { sign_in: sign_in.into(), edit_profile: None, reset_password: None }
    }

    /// The policy with which people edit their profile.
    #[must_use]
    pub fn with_edit_profile(mut self, policy: impl Into<String>) -> Self {
        self.edit_profile = Some(policy.into());
        self
    }

    /// The policy with which people choose a new password, where the sign-in policy sends them away
    /// for that (`AADB2C90118`).
    #[must_use]
    pub fn with_reset_password(mut self, policy: impl Into<String>) -> Self {
        self.reset_password = Some(policy.into());
        self
    }

    /// Whether each can stand in an address.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let named = [
            ("sign-in", Some(&self.sign_in)),
            ("edit-profile", self.edit_profile.as_ref()),
            ("reset-password", self.reset_password.as_ref()),
        ];
        for (what, policy) in named {
            if let Some(policy) = policy.filter(|policy| !is_name(policy)) {
                return Err(ConfigError::new(
                    "authority",
                    format!(
                        "the {what} policy {policy:?} is not the name of one, such as B2C_1_susi"
                    ),
                ));
            }
        }
        Ok(())
    }
}
