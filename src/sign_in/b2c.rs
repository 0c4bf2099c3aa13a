//! The B2C policies other than the sign-in policy. Each has its own metadata document.

use super::{
    attempt::{Attempt, Purpose},
    relying_party::RelyingParty,
};
use crate::{
    error::{Error, ErrorKind},
    protocol::Provider,
};

/// The providers of the policies other than the sign-in policy.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    edit_profile: Option<Provider>,
    pub(crate) reset_password: Option<Provider>,
}

impl Policies {
    /// The policies of the authority. Their documents are fetched at the first use.
    pub(crate) fn new(provider: &Provider) -> Self {
        let policies = provider.authority().b2c_policies().map(|(policies, _)| policies);
        let at = |policy: Option<&String>| policy.and_then(|policy| provider.for_policy(policy));
        Self {
            edit_profile: at(policies.and_then(|policies| policies.edit_profile.as_ref())),
            reset_password: at(policies.and_then(|policies| policies.reset_password.as_ref())),
        }
    }
}

/// The B2C policy of a provider.
pub(crate) fn policy_of(provider: &Provider) -> Option<&str> {
    provider.authority().b2c_policies().map(|(_, policy)| policy)
}

impl RelyingParty {
    /// The provider for a purpose.
    ///
    /// # Errors
    ///
    /// `NotConfigured`: the authority has no policy for the purpose.
    pub(crate) fn provider_for(&self, purpose: Purpose) -> Result<&Provider, Error> {
        let provider = match purpose {
            Purpose::EditProfile => self.policies().edit_profile.as_ref(),
            Purpose::ResetPassword => self.policies().reset_password.as_ref(),
            Purpose::SignIn | Purpose::StepUp | Purpose::ReadClaims => Some(self.provider()),
        };
        provider.ok_or_else(|| {
            Error::new(ErrorKind::NotConfigured, "the authority has no policy for this")
        })
    }

    /// The provider that an attempt was sent to.
    ///
    /// # Errors
    ///
    /// `AttemptMissing`: the policy in the attempt is not the configured one any more.
    pub(crate) fn provider_of(&self, attempt: &Attempt) -> Result<&Provider, Error> {
        let policy = |provider| policy_of(provider).filter(|_| attempt.purpose.is_policy());
        self.provider_for(attempt.purpose)
            .ok()
            .filter(|provider| policy(provider) == attempt.policy.as_deref())
            .ok_or_else(|| {
                let detail = "the attempt was for a policy that is not the configured one";
                Error::new(ErrorKind::AttemptMissing, detail)
            })
    }
}
