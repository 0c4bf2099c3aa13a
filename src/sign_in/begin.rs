//! The first half of a sign-in without cookies: what the provider is asked for, and at which
//! address.

use std::sync::Arc;

use super::{
    attempt::{Attempt, AttemptPurpose},
    b2c::{Errand, policy_of},
    relying_party::RelyingParty,
};
use crate::{
    clock::UnixTime,
    config::{Prompt, SignInMethod, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
    protocol::{
        AuthorizationRequest, DeviceAnswer, Metadata, Provider, TokenParams, claims_of,
        code_challenge, first_resource_scopes,
    },
};

pub(crate) const NONCE: &str = "nonce";
pub(crate) const VERIFIER: &str = "code verifier";

/// Which way a person is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To sign in.
    SignIn,
    /// To sign in with pages, whatever the configured `prompt` says: a silent sign-in was declined.
    WithPages,
    /// To sign in with no scopes but those that the configuration or a page names: the provider has
    /// refused the request that had the default ones, too.
    WithNamedScopes,
    /// Through another policy of the B2C tenant.
    Errand(Errand),
    /// Through the sign-in policy without a page, to read the claims again.
    ReadAgain,
}

impl Step {
    /// What to ask the provider for: `own` over the configured options.
    fn options(self, own: &SignInOptions, config: &SignInOptions) -> SignInOptions {
        match self {
            Self::SignIn => own.over(config),
            // With pages: a request that was refused silently would otherwise be followed by one with
            // pages and all scopes, and that by this step again, in a circle.
            Self::WithNamedScopes => {
                let mut options = own.over(config);
                options.prompt.retain(|prompt| *prompt != Prompt::None);
                options
            }
            Self::WithPages => SignInOptions { prompt: Vec::new(), ..own.over(config) },
            // Of what a sign-in asks, only how its pages look means something to other policies.
            Self::Errand(_) => SignInOptions {
                ui_locales: config.ui_locales.clone(),
                parameters: config.parameters.clone(),
                ..SignInOptions::new()
            },
            Self::ReadAgain => SignInOptions { prompt: vec![Prompt::None], ..own.over(config) },
        }
    }
}

/// What one sign-in asks the provider for.
pub(crate) struct Request<'a> {
    config: &'a ValidConfig,
    provider: &'a Provider,
    metadata: Arc<Metadata>,
    step: Step,
    own: SignInOptions,
    options: SignInOptions,
    claims: Option<String>,
}

impl RelyingParty {
    /// What a step with these options of its own asks for. `known` is who is asked to do more than
    /// to sign in.
    pub(crate) async fn request(
        &self,
        step: Step,
        own: SignInOptions,
        known: Option<&AccountHint>,
    ) -> Result<Request<'_>, Error> {
        let config = self.config();
        let provider = self.provider_for(step)?;
        let mut options = step.options(&own, config.sign_in());
        if let Some(account) = known {
            account.add_to(&mut options);
        }
        options.check().map_err(|error| Error::new(ErrorKind::NotConfigured, error.to_string()))?;
        if config.sign_in_method() == SignInMethod::DeviceCode {
            if let Some(option) =
                options.unsupported_by_device_code(config.authority().is_microsoft())
            {
                let detail = format!(
                    "{option} cannot be asked for with a device code (RFC 8628 section 3.1)"
                );
                return Err(Error::new(ErrorKind::SignInNotOffered, detail));
            }
            // There is always a page, where anybody can choose an account.
            options.prompt.clear();
        }
        let claims = claims_of(&mut options, config.authority().is_microsoft());
        let metadata = provider.metadata().await?;
        Ok(Request { config, provider, metadata, step, own, options, claims })
    }
}

impl Request<'_> {
    fn is_errand(&self) -> bool {
        matches!(self.step, Step::Errand(_))
    }

    fn scopes(&self) -> Vec<&str> {
        match self.step {
            // Nothing of an errand's answer is kept.
            Step::Errand(_) => vec!["openid"],
            Step::WithNamedScopes => {
                let mut scopes = self.provider.scopes_of(&self.metadata, &self.options);
                scopes.retain(|scope| !self.config.is_default_scope(scope));
                scopes
            }
            _ => self.provider.scopes_of(&self.metadata, &self.options),
        }
    }

    /// The attempt that remembers what was asked for.
    pub(crate) fn attempt(
        &self,
        purpose: AttemptPurpose,
        return_path: &str,
        now: UnixTime,
    ) -> Result<Attempt, Error> {
        let mut attempt = Attempt::new(purpose, return_path, now)?;
        attempt.silent = self.options.prompt.contains(&Prompt::None);
        attempt.policy =
            if self.is_errand() { policy_of(self.provider).map(str::to_owned) } else { None };
        // What an errand leads back to is asked for then.
        let (own, kept) = (&self.own, if self.is_errand() { &self.own } else { &self.options });
        let all_scopes =
            || if self.is_errand() { own.scopes.join(" ") } else { self.scopes().join(" ") };
        attempt.scopes = (!own.scopes.is_empty()).then(all_scopes);
        attempt.max_age = kept.max_age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
        attempt.acr = (!own.acr_values.is_empty()).then(|| own.acr_values.join(" "));
        attempt.auth_context.clone_from(&kept.auth_context);
        Ok(attempt)
    }

    /// Asks for a code that the person types at the provider; the second value is what claims were
    /// asked for.
    pub(crate) async fn device_code(&self) -> Result<(DeviceAnswer, Option<String>), Error> {
        if self.metadata.device_authorization_endpoint.is_none() {
            let missing = self.metadata.missing("device_authorization_endpoint");
            return Err(Error::new(
                ErrorKind::SignInNotOffered,
                format!("{missing}, so nobody can sign in by device code"),
            ));
        }
        // Microsoft's tokens are for one resource: that of the scopes that a page asks for,
        // otherwise that of the sign-in.
        let scopes = match self.config.authority().is_microsoft() {
            true if self.own.scopes.is_empty() => first_resource_scopes(&self.scopes()),
            true => first_resource_scopes(&self.config.scopes(&self.own)),
            false => self.scopes(),
        };
        let asked = TokenParams {
            scopes: &scopes.join(" "),
            challenge: self.claims.as_deref(),
            ..TokenParams::default()
        };
        let codes = self.provider.device_codes(&asked).await?;
        Ok((codes, self.claims.clone()))
    }

    /// The address at the provider for an attempt that has begun under `state`.
    pub(crate) fn url(&self, attempt: &Attempt, state: &str) -> Result<String, Error> {
        let nonce = attempt.derive(NONCE)?;
        let verifier = attempt.derive(VERIFIER)?;
        let url = AuthorizationRequest {
            client_id: self.config.client_id(),
            redirect_uri: self.config.redirect_uri(),
            response_mode: self.config.response_mode(),
            scopes: &self.scopes(),
            state,
            nonce: &nonce,
            code_challenge: &code_challenge(&verifier),
            options: &self.options,
            claims: self.claims.as_deref(),
            capabilities: self.config.client_capabilities(),
            id_token_hint: None,
        }
        .url(&self.metadata)?;
        Ok(url.into())
    }
}

/// What tells Entra which account a step-up is for.
#[derive(Debug)]
pub(crate) struct AccountHint {
    pub(crate) login: Option<String>,
    pub(crate) is_personal: bool,
}

impl AccountHint {
    /// Who steps up at Entra is not asked again who they are: the account is named, and where it is
    /// at home.
    fn add_to(&self, options: &mut SignInOptions) {
        let chooses = options.prompt.contains(&Prompt::SelectAccount)
            || options.prompt.contains(&Prompt::Create);
        if chooses || options.login_hint.is_some() {
            return;
        }
        options.login_hint = self.login.clone().filter(|hint| !hint.contains(char::is_control));
        if options.login_hint.is_some() && options.domain_hint.is_none() {
            options.domain_hint =
                Some(if self.is_personal { "consumers" } else { "organizations" }.to_owned());
        }
    }
}
