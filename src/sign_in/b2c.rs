//! The other policies of a B2C tenant, each with documents of its own.

use super::{
    attempt::{Attempt, AttemptPurpose},
    begin::Step,
    relying_party::RelyingParty,
};
use crate::{
    error::{Error, ErrorKind},
    protocol::Provider,
};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    EditProfile,
    ResetPassword,
}

impl Errand {
    pub(crate) fn purpose(self) -> AttemptPurpose {
        match self {
            Self::EditProfile => AttemptPurpose::EditProfile,
            Self::ResetPassword => AttemptPurpose::ResetPassword,
        }
    }

    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        match attempt.purpose {
            AttemptPurpose::EditProfile => Some(Self::EditProfile),
            AttemptPurpose::ResetPassword => Some(Self::ResetPassword),
            _ => None,
        }
    }
}

/// The policies of the errands, as providers.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    edit_profile: Option<Provider>,
    pub(crate) reset_password: Option<Provider>,
}

impl Policies {
    /// Those that the authority has; no documents are fetched before somebody is sent there.
    pub(crate) fn new(provider: &Provider) -> Self {
        let policies = provider.authority().b2c_policies().map(|(policies, _)| policies.clone());
        let at = |policy: Option<&String>| policy.and_then(|policy| provider.for_policy(policy));
        Self {
            edit_profile: at(policies.as_ref().and_then(|policies| policies.edit_profile.as_ref())),
            reset_password: at(policies
                .as_ref()
                .and_then(|policies| policies.reset_password.as_ref())),
        }
    }

    fn of(&self, errand: Errand) -> Option<&Provider> {
        match errand {
            Errand::EditProfile => self.edit_profile.as_ref(),
            Errand::ResetPassword => self.reset_password.as_ref(),
        }
    }
}

/// The name of the policy that a provider stands for.
pub(crate) fn policy_of(provider: &Provider) -> Option<&str> {
    provider.authority().b2c_policies().map(|(_, policy)| policy)
}

impl RelyingParty {
    /// Who issues the tokens of a step.
    pub(crate) fn provider_for(&self, step: Step) -> Result<&Provider, Error> {
        match step {
            Step::Errand(errand) => {
                let missing =
                    || Error::new(ErrorKind::NotConfigured, "the authority has no policy for this");
                self.policies().of(errand).ok_or_else(missing)
            }
            _ => Ok(self.provider()),
        }
    }

    /// Who answers an attempt. The attempt says by which policy: after a change of the
    /// configuration that may be none any more.
    pub(crate) fn provider_of(&self, attempt: &Attempt) -> Result<&Provider, Error> {
        let provider =
            Errand::of(attempt).map_or(Some(self.provider()), |errand| self.policies().of(errand));
        let policy =
            |provider: &Provider| Errand::of(attempt).and(policy_of(provider)).map(str::to_owned);
        provider.filter(|provider| policy(provider) == attempt.policy).ok_or_else(|| {
            Error::new(
                ErrorKind::AttemptMissing,
                "the attempt was for a policy that is not the configured one",
            )
        })
    }
}
