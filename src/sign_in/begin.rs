//! The first half of a sign-in: the authorization request. It does not know cookies.

use std::sync::Arc;

use super::{
    attempt::{Attempt, Fingerprint, OwnOptions, PersonKey, Purpose},
    fallback::{Fallback, Fallbacks},
    relying_party::{RelyingParty, policy_of},
};
use crate::{
    clock::UnixTime,
    config::{Prompt, ReturnPath, SignInMethod, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
    languages,
    protocol::{
        DeviceAnswer, Metadata, Provider, RequestBinding, TokenParams, claims_of,
        first_resource_scopes,
    },
    tokens::Person,
};

/// The parameters of a sign-in that starts.
pub(crate) struct Start {
    pub(crate) purpose: Purpose,
    pub(crate) fallbacks: Fallbacks,
    pub(crate) return_path: ReturnPath,
    /// Over the configured ones.
    pub(crate) options: SignInOptions,
    /// How often its attempt was lost before.
    pub(crate) retry: u8,
    /// The step-up that the application asked for, and earlier ones for the same page.
    pub(crate) step_ups: Vec<Fingerprint>,
    /// The attempt that it continues.
    pub(crate) after: Option<Attempt>,
}

impl Start {
    /// A sign-in with the configured options.
    pub(crate) fn fresh(return_path: ReturnPath) -> Self {
        Self {
            purpose: Purpose::SignIn,
            fallbacks: Fallbacks::default(),
            return_path,
            options: SignInOptions::new(),
            retry: 0,
            step_ups: Vec::new(),
            after: None,
        }
    }

    /// Continues an attempt: with its step-ups and fallbacks, and asking for no less. Otherwise the
    /// page that needs it would ask again.
    pub(crate) fn following(before: Attempt, return_path: ReturnPath) -> Self {
        Self {
            options: before.options(),
            fallbacks: before.fallbacks,
            retry: before.retry,
            step_ups: before.step_ups.clone(),
            after: Some(before),
            ..Self::fresh(return_path)
        }
    }

    /// The person of the attempt that it continues.
    pub(crate) fn expected(&self) -> Option<PersonKey> {
        self.after.as_ref().and_then(|before| before.expected)
    }
}

/// The user who is signed in when a sign-in starts.
pub(crate) struct CurrentUser<'a> {
    pub(crate) person: &'a Person,
    pub(crate) account: Option<AccountHint>,
}

/// Labels of the values that are derived from an attempt's seed, see [`Attempt::derive`].
pub(crate) const NONCE: &str = "nonce";
pub(crate) const VERIFIER: &str = "code verifier";

/// The options of a request: `own` merged over the configured ones.
fn options_for(
    purpose: Purpose,
    fallbacks: Fallbacks,
    own: &SignInOptions,
    config: &SignInOptions,
) -> SignInOptions {
    // The password and profile policies start no session, so `max_age`, `acr` and the like have
    // no meaning for them; only the options about pages do.
    if purpose.is_policy() {
        return SignInOptions {
            ui_locales: config.ui_locales.clone(),
            parameters: config.parameters.clone(),
            ..SignInOptions::new()
        };
    }
    let mut options = own.over(config);
    if purpose == Purpose::ReadClaims {
        options.prompt = vec![Prompt::None];
    } else if fallbacks.has(Fallback::WithPages) {
        options.prompt = with_pages(own, config);
    }
    if fallbacks.has(Fallback::WithConsent) {
        // `none` stands alone (OpenID Connect Core section 3.1.2.1).
        options.prompt.retain(|prompt| ![Prompt::None, Prompt::Consent].contains(prompt));
        options.prompt.push(Prompt::Consent);
    }
    if fallbacks.has(Fallback::WithoutLanguages) {
        options.ui_locales.clear();
    }
    options
}

/// The prompts of the request of an attempt.
pub(super) fn sent_prompts(attempt: &Attempt, config: &SignInOptions) -> Vec<Prompt> {
    options_for(attempt.purpose, attempt.fallbacks, &attempt.options(), config).prompt
}

/// The prompts of a request with pages after one without. `prompt=none` of a page replaced the
/// configured prompts for the silent request alone.
fn with_pages(own: &SignInOptions, config: &SignInOptions) -> Vec<Prompt> {
    let of = |options: &SignInOptions| -> Vec<Prompt> {
        options.prompt.iter().copied().filter(|prompt| *prompt != Prompt::None).collect()
    };
    let own = of(own);
    if own.is_empty() { of(config) } else { own }
}

/// An authorization request before its attempt exists.
pub(crate) struct Request<'a> {
    config: &'a ValidConfig,
    provider: &'a Provider,
    metadata: Arc<Metadata>,
    purpose: Purpose,
    fallbacks: Fallbacks,
    own: SignInOptions,
    options: SignInOptions,
    claims: Option<String>,
}

impl RelyingParty {
    /// Starts a sign-in: the authorization request, and the attempt that stores its parameters.
    /// `user` is the signed-in user, unless another one is [expected](Start::expected).
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request); `Internal`: the operating system gives no random bytes.
    pub(crate) async fn begin(
        &self,
        start: Start,
        user: Option<CurrentUser<'_>>,
    ) -> Result<(Request<'_>, Attempt), Error> {
        let steps_up = !start.step_ups.is_empty();
        // The response to the attempt before may have been posted by the provider's site, without
        // the session's cookie: then the attempt says which person and which session it was.
        let person = user.as_ref().map(|user| PersonKey::of(user.person)).or(start.expected());
        let purpose = match start.purpose {
            Purpose::SignIn if steps_up && person.is_some() => Purpose::StepUp,
            purpose => purpose,
        };
        // Only in a step-up the account is known to be the right one.
        let account = user.and_then(|user| user.account).filter(|_| steps_up);
        let request =
            self.request(purpose, start.fallbacks, start.options, account.as_ref()).await?;
        let mut attempt = request.attempt(start.return_path.as_str(), self.clock().now())?;
        attempt.retry = start.retry;
        attempt.step_ups = start.step_ups;
        attempt.expected = person.filter(|_| purpose != Purpose::SignIn);
        if let Some(before) = start.after {
            attempt.started_from = before.started_from;
            attempt.resets = before.resets.saturating_add(purpose.is_policy().into());
        }
        Ok((request, attempt))
    }

    /// The authorization request for a purpose. `own` are the options of this sign-in, `account`
    /// is the account of the person in a step-up.
    ///
    /// # Errors
    ///
    /// `NotConfigured`: an option is not valid, or the purpose has no B2C policy;
    /// `SignInNotOffered`: the device code grant cannot transport an option;
    /// `ProviderUnreachable`; `ProviderMisconfigured`, also where no ID token could be verified.
    async fn request(
        &self,
        purpose: Purpose,
        fallbacks: Fallbacks,
        own: SignInOptions,
        account: Option<&AccountHint>,
    ) -> Result<Request<'_>, Error> {
        let config = self.config();
        let provider = self.provider_for(purpose)?;
        let mut options = options_for(purpose, fallbacks, &own, config.sign_in());
        if let Some(account) = account {
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
            // With a device code the provider always shows a page with a choice of accounts.
            options.prompt.clear();
        }
        let claims = claims_of(&mut options, config.authority().is_microsoft());
        let metadata = provider.sign_in_metadata().await?;
        Ok(Request { config, provider, metadata, purpose, fallbacks, own, options, claims })
    }
}

/// How many languages are handed on: browsers rarely name more, and the URL has a limit.
const MOST_LANGUAGES: usize = 5;

impl Request<'_> {
    /// The request with the languages of the browser, the preferred one first, as far as the
    /// application has them and the provider can use them. Configured ones stay.
    pub(crate) fn with_languages(mut self, preferred: &[&str]) -> Self {
        let authority = self.config.authority();
        // Microsoft documents `ui_locales` for Azure AD B2C alone; its other providers read the
        // browser's own header.
        let is_unknown = authority.is_microsoft() && authority.b2c_policies().is_none();
        let is_left_out = is_unknown || self.fallbacks.has(Fallback::WithoutLanguages);
        if !self.options.ui_locales.is_empty() || is_left_out {
            return self;
        }
        let supported = self.metadata.ui_locales.as_deref();
        self.options.ui_locales = fitting(preferred, self.config.languages(), supported);
        self
    }

    /// The requested scopes.
    pub(super) fn scopes(&self) -> Vec<&str> {
        // The tokens of these policies are not used, so `openid` is enough.
        if self.purpose.is_policy() {
            return vec!["openid"];
        }
        let mut scopes = self.provider.scopes_of(&self.metadata, &self.options);
        if self.fallbacks.has(Fallback::WithNamedScopes) {
            scopes.retain(|scope| !self.config.is_default_scope(scope));
        }
        scopes
    }

    /// The attempt that stores the parameters of this request.
    fn attempt(&self, return_path: &str, now: UnixTime) -> Result<Attempt, Error> {
        let mut attempt = Attempt::new(self.purpose, return_path, now)?;
        attempt.fallbacks = self.fallbacks;
        attempt.silent = self.options.prompt.contains(&Prompt::None);
        // `own` are the options of this sign-in, and `kept` those whose requirements its ID token
        // is checked for: the merged ones. A password or profile policy gets none of them: its own
        // are stored for the sign-in that follows it.
        let own = &self.own;
        let configured = self.config.scopes(self.config.sign_in()).join(" ");
        let (kept, scopes) = if self.purpose.is_policy() {
            attempt.policy = policy_of(self.provider).map(str::to_owned);
            (own, own.scopes.join(" "))
        } else {
            (&self.options, self.scopes().join(" "))
        };
        if !own.scopes.is_empty() {
            attempt.scopes = Some(scopes);
        } else if !self.purpose.is_policy() && scopes != configured {
            attempt.fewer_scopes = Some(scopes);
        }
        attempt.max_age = kept.max_age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
        attempt.acr = (!own.acr_values.is_empty()).then(|| own.acr_values.join(" "));
        attempt.auth_context.clone_from(&kept.auth_context);
        // A policy is not silent, the sign-in after it may be.
        let keeps_silence = attempt.silent || self.purpose.is_policy();
        attempt.own = OwnOptions::of(own, keeps_silence);
        Ok(attempt)
    }

    /// Lets the provider show pages although `attempt`, the one of this request, asked for none.
    pub(crate) fn show_pages(&mut self, attempt: &mut Attempt) {
        self.fallbacks = self.fallbacks.and(Fallback::WithPages).unwrap_or(self.fallbacks);
        self.options.prompt = with_pages(&self.own, self.config.sign_in());
        (attempt.fallbacks, attempt.silent) = (self.fallbacks, false);
    }

    /// Requests a device code (RFC 8628 section 3.1). The second value is the requested claims.
    pub(crate) async fn device_code(&self) -> Result<(DeviceAnswer, Option<String>), Error> {
        if self.metadata.device_authorization_endpoint.is_none() {
            let missing = self.metadata.missing("device_authorization_endpoint");
            return Err(Error::new(
                ErrorKind::SignInNotOffered,
                format!("{missing}, so sign-in by device code is not possible"),
            ));
        }
        // Microsoft issues a token for one resource: the resource of the page's scopes, otherwise
        // that of the sign-in.
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

    /// The URL of the authorization request for an attempt that is stored under `state`.
    pub(crate) fn url(&self, attempt: &Attempt, state: &str) -> Result<String, Error> {
        let nonce = attempt.derive(NONCE)?;
        let verifier = attempt.derive(VERIFIER)?;
        let binding = RequestBinding {
            redirect_uri: self.config.redirect_uri(),
            state,
            nonce: &nonce,
            verifier: &verifier,
        };
        let claims = self.claims.as_deref();
        binding
            .url(self.config, &self.metadata, &self.scopes(), &self.options, claims)
            .map(String::from)
    }
}

/// The languages of the browser that are among the application's, if it names any, and among the
/// provider's, if its document lists them (`ui_locales_supported`): then as it lists them, because
/// some refuse `en-US` where they list `en`.
fn fitting(preferred: &[&str], ours: &[String], supported: Option<&[String]>) -> Vec<String> {
    let has = |list: &[String], tag: &str| languages::lookup(tag, list, String::as_str).is_some();
    let mut tags: Vec<String> = Vec::new();
    for tag in preferred.iter().filter(|tag| ours.is_empty() || has(ours, tag)) {
        let tag = match supported {
            Some(list) => languages::lookup(tag, list, String::as_str).map(String::as_str),
            None => Some(*tag),
        };
        if let Some(tag) = tag.filter(|tag| !tags.iter().any(|other| other == tag)) {
            tags.push(tag.to_owned());
        }
    }
    tags.truncate(MOST_LANGUAGES);
    tags
}

/// The account in a step-up at Entra ID.
#[derive(Debug)]
pub(crate) struct AccountHint {
    pub(crate) login: Option<String>,
    pub(crate) is_personal: bool,
}

impl AccountHint {
    /// Adds `login_hint` and `domain_hint`, so that Entra ID does not ask for the account again.
    /// A request that lets the person choose an account, or has a hint of its own, stays as it is.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_gets_the_languages_that_it_and_the_application_have() {
        let list = |tags: &[&str]| -> Vec<String> { tags.iter().map(|&tag| tag.into()).collect() };
        let fits = |ours: &[&str], supported: Option<&[&str]>| {
            let supported = supported.map(list);
            fitting(&["de-CH", "fr", "en", "it"], &list(ours), supported.as_deref()).join(" ")
        };
        assert_eq!(fits(&[], None), "de-CH fr en it");
        assert_eq!(fits(&["en", "de"], None), "de-CH en");
        assert_eq!(fits(&[], Some(&["fr-FR", "de", "EN"])), "de EN", "as listed");
        assert_eq!(fits(&["de"], Some(&["de", "de-CH"])), "de-CH");
        assert_eq!(fits(&["fr"], Some(&["de"])), "");
        assert_eq!(fits(&[], Some(&[])), "");
        assert_eq!(fitting(&["de"; 9], &[], None), ["de"]);
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(fitting(&many, &[], None).len(), MOST_LANGUAGES);
    }

    /// What was left out stays out. A silent request that leaves a scope out is silent still: its
    /// refusal is another kind.
    #[test]
    fn a_request_with_pages_is_never_silent_again() {
        let config = SignInOptions::new().with_prompt(Prompt::None);
        let pages = Fallbacks::default().and(Fallback::WithPages).unwrap();
        for (fallbacks, silent) in [
            (Fallbacks::default(), true),
            (Fallbacks::default().and(Fallback::WithNamedScopes).unwrap(), true),
            (pages, false),
            (pages.and(Fallback::WithNamedScopes).unwrap(), false),
        ] {
            let own = SignInOptions::new();
            let options = options_for(Purpose::SignIn, fallbacks, &own, &config);
            assert_eq!(options.prompt == [Prompt::None], silent, "{fallbacks:?}");
        }
    }
}
