//! The policies (user flows) of a B2C tenant.

use super::{Authority, tenants::is_name};
use crate::error::ConfigError;

/// The names of the policies (user flows) of a B2C tenant. Each has a discovery document of its
/// own.
///
/// ```
/// use tower_identity::authority::{Authority, B2cPolicies};
///
/// let policies = B2cPolicies::new("B2C_1_susi")
///     .with_edit_profile("B2C_1_edit")
///     .with_reset_password("B2C_1_reset");
/// let authority = Authority::b2c("contoso", policies)?;
/// assert_eq!(
///     authority.to_string(),
///     "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0"
/// );
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct B2cPolicies {
    pub(crate) sign_in: String,
    pub(crate) edit_profile: Option<String>,
    pub(crate) reset_password: Option<String>,
}

impl B2cPolicies {
    /// The policies of a tenant, with the one for signing up and signing in. By default there is no
    /// other.
    #[must_use]
    pub fn new(sign_in: impl Into<String>) -> Self {
        Self { sign_in: sign_in.into(), edit_profile: None, reset_password: None }
    }

    /// Sets the policy for editing the profile.
    #[must_use]
    pub fn with_edit_profile(mut self, policy: impl Into<String>) -> Self {
        self.edit_profile = Some(policy.into());
        self
    }

    /// Sets the policy for choosing a new password, which is used when the sign-in policy reports
    /// that the user has forgotten the password (`AADB2C90118`).
    #[must_use]
    pub fn with_reset_password(mut self, policy: impl Into<String>) -> Self {
        self.reset_password = Some(policy.into());
        self
    }

    /// Checks that every name is a valid path segment.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let named = [
            ("sign-in", Some(&self.sign_in)),
            ("edit-profile", self.edit_profile.as_ref()),
            ("reset-password", self.reset_password.as_ref()),
        ];
        for (purpose, policy) in named {
            // A policy is a segment of the path: a slash or `..` in it would lead to another
            // document.
            if let Some(policy) = policy.filter(|policy| !is_name(policy)) {
                return Err(ConfigError::new(
                    "authority",
                    format!(
                        "the {purpose} policy {policy:?} is not a policy name, such as B2C_1_susi"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Authority {
    /// The policies whose tokens an API accepts, that of the sign-in first; none if it is not B2C.
    /// `configured` are those of the API.
    ///
    /// # Errors
    ///
    /// The authority is not B2C, or a value is not the name of a policy.
    pub(crate) fn api_policies(
        &self,
        configured: Option<&[String]>,
    ) -> Result<Vec<String>, ConfigError> {
        let invalid = |problem: String| Err(ConfigError::new("b2c_policies", problem));
        let Some((_, sign_in)) = self.b2c_policies() else {
            return match configured.and_then(<[String]>::first) {
                None => Ok(Vec::new()),
                Some(first) => invalid(format!(
                    "{self} is not B2C, so the policy {first:?} would have no effect: remove it \
                     (`with_b2c_policies`, IDENTITY_API_B2C_POLICIES)"
                )),
            };
        };
        let mut accepted = vec![sign_in.to_owned()];
        for policy in configured.unwrap_or_default() {
            // A policy is a segment of the path of its document.
            if !is_name(policy) {
                return invalid(format!(
                    "{policy:?} is not a policy name, such as B2C_1_susi (`with_b2c_policies`, \
                     IDENTITY_API_B2C_POLICIES)"
                ));
            }
            if !accepted.iter().any(|known| known.eq_ignore_ascii_case(policy)) {
                accepted.push(policy.clone());
            }
        }
        Ok(accepted)
    }
}
