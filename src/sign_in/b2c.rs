//! The other policies of a B2C tenant, each with documents of its own.

use super::{
    attempt::{Attempt, Purpose},
    relying_party::RelyingParty,
};
use crate::{
    error::{Error, ErrorKind},
    protocol::Provider,
};

/// The policies beside the sign-in policy, as providers.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    edit_profile: Option<Provider>,
    pub(crate) reset_password: Option<Provider>,
}

impl Policies {
    /// Those of the authority. Their documents are fetched when a person is sent there.
    pub(crate) fn new(provider: &Provider) -> Self {
        let policies = provider.authority().b2c_policies().map(|(policies, _)| policies);
        let at = |policy: Option<&String>| policy.and_then(|policy| provider.for_policy(policy));
        Self {
            edit_profile: at(policies.and_then(|policies| policies.edit_profile.as_ref())),
            reset_password: at(policies.and_then(|policies| policies.reset_password.as_ref())),
        }
    }
}

/// The name of the policy that a provider stands for.
pub(crate) fn policy_of(provider: &Provider) -> Option<&str> {
    provider.authority().b2c_policies().map(|(_, policy)| policy)
}

impl RelyingParty {
    /// The provider that is asked for a purpose.
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

    /// The provider that answers an attempt. The attempt names its policy, which a change of the
    /// configuration may have removed.
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
