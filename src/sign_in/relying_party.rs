//! [`RelyingParty`]: this application as a client of its provider.

use std::sync::Arc;

use super::attempt::{Attempt, Purpose};
use crate::{
    clock::Clock,
    config::{ProviderSession, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
    protocol::{EndSession, HttpClient, Provider},
    secret::{self, Secret},
    tokens::{GrantRef, Grants},
};

/// The providers of the B2C policies other than the sign-in policy: each policy has its own
/// metadata document.
#[derive(Clone)]
struct Policies {
    edit_profile: Option<Provider>,
    reset_password: Option<Provider>,
}

impl Policies {
    /// The policies of the authority. Their documents are fetched at the first use.
    fn new(provider: &Provider) -> Self {
        let policies = provider.authority().b2c_policies().map(|(policies, _)| policies);
        let at = |policy: Option<&String>| policy.and_then(|policy| provider.for_policy(policy));
        Self {
            edit_profile: at(policies.and_then(|policies| policies.edit_profile.as_ref())),
            reset_password: at(policies.and_then(|policies| policies.reset_password.as_ref())),
        }
    }
}

/// This application as a client of its provider: the shared state of all steps of a sign-in.
#[derive(Clone)]
pub(crate) struct RelyingParty {
    provider: Provider,
    policies: Policies,
}

impl RelyingParty {
    pub(crate) fn new(
        config: ValidConfig,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let provider = Provider::new(config, http, clock);
        let policies = Policies::new(&provider);
        Self { provider, policies }
    }

    pub(crate) fn config(&self) -> &ValidConfig {
        self.provider.config()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.provider.clock()
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The provider for a purpose.
    ///
    /// # Errors
    ///
    /// `NotConfigured`: the authority has no policy for the purpose.
    pub(crate) fn provider_for(&self, purpose: Purpose) -> Result<&Provider, Error> {
        let provider = match purpose {
            Purpose::EditProfile => self.policies.edit_profile.as_ref(),
            Purpose::ResetPassword => self.policies.reset_password.as_ref(),
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

    /// Adds the scopes that were granted before, so that a new consent does not replace the earlier
    /// one. Microsoft remembers consents itself, and redeems a code for one resource only, so its
    /// requests stay as they are. `most` is the maximum length of all scopes in bytes.
    pub(crate) async fn add_granted(
        &self,
        options: &mut SignInOptions,
        grants: &Grants,
        grant: &GrantRef,
        most: usize,
    ) {
        // A sign-in without own scopes requests the configured ones; nothing is replaced then.
        if options.scopes.is_empty() || self.config().authority().is_microsoft() {
            return;
        }
        let granted = grants.scopes(grant).await;
        let asked: usize = options.scopes.iter().map(String::len).sum();
        let more: Vec<_> = granted
            .into_iter()
            .filter(|scope| {
                !options.scopes.contains(scope) && !self.config().is_default_scope(scope)
            })
            .collect();
        // All or none: URL and cookie have a length limit, and a part would be arbitrary.
        if asked + more.iter().map(String::len).sum::<usize>() <= most {
            options.scopes.extend(more);
        }
    }

    /// The URL of the provider's end session endpoint (OpenID Connect RP-Initiated Logout 1.0), if
    /// signing out there is configured and supported.
    pub(crate) async fn end_session_address(
        &self,
        id_token: Option<&Secret>,
        hint: Option<&str>,
    ) -> Option<String> {
        if self.config().provider_session() == ProviderSession::Keep {
            return None;
        }
        let metadata = self.provider().metadata().await.ok()?;
        let state = secret::random::<16>().map(|bytes| secret::base64url(&bytes)).ok()?;
        EndSession {
            client_id: self.config().client_id(),
            post_logout_redirect_uri: Some(self.config().signed_out_url()),
            state: Some(&state),
            id_token_hint: id_token.map(Secret::expose),
            logout_hint: hint,
            settings: Some(self.config().sign_out()),
        }
        .url(&metadata)
        .map(String::from)
    }
}

/// The B2C policy of a provider.
pub(crate) fn policy_of(provider: &Provider) -> Option<&str> {
    provider.authority().b2c_policies().map(|(_, policy)| policy)
}
