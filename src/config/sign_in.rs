//! What a sign-in asks the provider for.

use std::{fmt, str::FromStr, time::Duration};

use crate::{error::ConfigError, strings::StringList};

/// Parameters of the authorization request that belong to the crate or have a setting of their own.
const RESERVED: &[&str] = &[
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
];

/// Options of a sign-in: in the configuration for every one, and for a single one where it starts.
///
/// What a single sign-in sets replaces the configuration's value; scopes and extra parameters are
/// added to it.
///
/// ```
/// use std::time::Duration;
/// use tower_identity::config::{Prompt, SignInOptions};
///
/// let options = SignInOptions::new().with_scopes(["User.Read"]).with_prompt(Prompt::SelectAccount).with_max_age(Duration::from_secs(3600));
/// assert_eq!(options, options.clone());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInOptions {
    pub(crate) scopes: Vec<String>,
    pub(crate) prompt: Vec<Prompt>,
    pub(crate) login_hint: Option<String>,
    pub(crate) domain_hint: Option<String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) acr_values: Vec<String>,
    pub(crate) auth_context: Option<String>,
    /// A claims challenge, as JSON.
    pub(crate) claims: Option<String>,
    /// Another tenant than the authority's, for [`Client`](crate::client::Client) alone.
    pub(crate) tenant: Option<String>,
    pub(crate) ui_locales: Vec<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// What the provider shows although it might not have to (OpenID Connect Core section 3.1.2.1,
/// Initiating User Registration 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prompt {
    /// Nothing: without a session at the provider the answer is an error. It goes with no other
    /// prompt.
    None,
    /// The sign-in page, also for somebody who is signed in.
    Login,
    /// The consent page.
    Consent,
    /// The choice of an account.
    SelectAccount,
    /// The page for new accounts.
    Create,
}

impl Prompt {
    /// The word in the `prompt` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }
}

impl FromStr for Prompt {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let all = [Self::None, Self::Login, Self::Consent, Self::SelectAccount, Self::Create];
        all.into_iter().find(|prompt| prompt.as_str() == text).ok_or_else(|| {
            let words = all.map(|prompt| format!("`{prompt}`")).join(", ");
            ConfigError::new("prompt", format!("{text:?} is not one of {words}"))
        })
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SignInOptions {
    /// No options: the configuration's alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Scopes beyond those of the sign-in itself, in the order in which they are sent. The default
    /// is none.
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.scopes = scopes.into_strings();
        self
    }

    /// What the provider is to show. The default is what it finds right.
    #[must_use]
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = vec![prompt];
        self
    }

    /// Something more that the provider is to show.
    #[must_use]
    pub fn add_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt.push(prompt);
        self
    }

    /// Whom the provider is to offer first, for example an e-mail address.
    #[must_use]
    pub fn with_login_hint(mut self, login_hint: impl Into<String>) -> Self {
        self.login_hint = Some(login_hint.into());
        self
    }

    /// Which of several sign-in pages to go to, for example `organizations` or a domain (Entra).
    #[must_use]
    pub fn with_domain_hint(mut self, domain_hint: impl Into<String>) -> Self {
        self.domain_hint = Some(domain_hint.into());
        self
    }

    /// How long ago the person may have proved who they are, in whole seconds; the ID token's
    /// `auth_time` is held to it. Zero asks for a proof now. The default is no limit.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Authentication context classes to ask for, the preferred first. This is a wish;
    /// [`with_required_acr`](super::IdentityConfig::with_required_acr) holds the answer to it.
    #[must_use]
    pub fn with_acr_values<Kind>(mut self, acr_values: impl StringList<Kind>) -> Self {
        self.acr_values = acr_values.into_strings();
        self
    }

    /// An authentication context that the sign-in has to meet: where it comes back without, the
    /// person gets 403 and their session stays as it was.
    ///
    /// At Microsoft's authorities it is one of Conditional Access, such as `c1`, asked for by the
    /// `claims` parameter and looked for in `acrs`; elsewhere a class that is sent as `acr_values`,
    /// in the place of others, and looked for in `acr`. The default is none.
    #[must_use]
    pub fn with_auth_context(mut self, auth_context: impl Into<String>) -> Self {
        self.auth_context = Some(auth_context.into());
        self
    }

    /// The `claims` parameter (OpenID Connect Core section 5.5), a JSON object: what an API's
    /// claims challenge asks for, decoded, or what the application wants to be told. It is merged
    /// with what the crate asks for itself. The default is none.
    ///
    /// Text that is no JSON object is refused: at `build()`, or where the sign-in starts.
    ///
    /// ```
    /// use tower_identity::SignInOptions;
    ///
    /// let options = SignInOptions::new().with_claims(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    /// # let _ = options;
    /// ```
    #[must_use]
    pub fn with_claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// In this tenant, by its GUID, where the authority stands for many: for
    /// [`Client::initiate`](crate::client::Client::initiate) and
    /// [`Client::authorization_url`](crate::client::Client::authorization_url). The default is
    /// whichever the person is in.
    ///
    /// A configuration names the tenant in its [`Authority`](crate::Authority), and so does that of
    /// a layer: there it is refused.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Languages of the provider's pages as BCP 47 tags, the preferred first.
    #[must_use]
    pub fn with_ui_locales<Kind>(mut self, ui_locales: impl StringList<Kind>) -> Self {
        self.ui_locales = ui_locales.into_strings();
        self
    }

    /// One more parameter of the authorization request.
    ///
    /// The parameters of the protocol and those with a setting of their own are refused, as is a
    /// name given twice: at `build()`, or where the sign-in starts.
    #[must_use]
    pub fn add_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Whether more is asked for than to sign in.
    pub(crate) fn asks_for_more(&self) -> bool {
        !self.scopes.is_empty()
            || !self.acr_values.is_empty()
            || self.claims.is_some()
            || self.auth_context.is_some()
            || self.max_age.is_some()
    }

    /// Whether nobody passes without proving who they are, so that no sign-in can be silent.
    pub(crate) fn asks_every_time(&self) -> bool {
        self.max_age.is_some_and(|age| age.as_secs() == 0)
    }

    /// The first of these options that cannot be asked for with a device code, and that something
    /// may depend on. Hints are no such thing: they are left out.
    ///
    /// Silence cannot be asked for either, but nobody depends on it. At Microsoft's providers an
    /// authentication context travels in the claims.
    pub(crate) fn beyond_device_code(&self, microsoft: bool) -> Option<&'static str> {
        let prompts = self
            .prompt
            .iter()
            .any(|prompt| !matches!(prompt, Prompt::None | Prompt::SelectAccount));
        [
            ("`prompt`", prompts),
            ("`max_age`", self.max_age.is_some()),
            ("`acr_values`", !self.acr_values.is_empty()),
            ("an authentication context", self.auth_context.is_some() && !microsoft),
            ("an extra parameter", !self.parameters.is_empty()),
        ]
        .into_iter()
        .find_map(|(option, is_set)| is_set.then_some(option))
    }

    /// These options on top of the configuration's.
    pub(crate) fn over(&self, config: &Self) -> Self {
        let or = |ours: &[String], theirs: &[String]| {
            if ours.is_empty() { theirs.to_vec() } else { ours.to_vec() }
        };
        let mut scopes = config.scopes.clone();
        scopes.extend(self.scopes.iter().filter(|scope| !config.scopes.contains(scope)).cloned());
        let mut parameters = self.parameters.clone();
        parameters.extend(
            config
                .parameters
                .iter()
                .filter(|(name, _)| !self.parameters.iter().any(|(ours, _)| ours == name))
                .cloned(),
        );
        Self {
            scopes,
            prompt: if self.prompt.is_empty() {
                config.prompt.clone()
            } else {
                self.prompt.clone()
            },
            login_hint: self.login_hint.clone().or_else(|| config.login_hint.clone()),
            domain_hint: self.domain_hint.clone().or_else(|| config.domain_hint.clone()),
            max_age: self.max_age.or(config.max_age),
            acr_values: or(&self.acr_values, &config.acr_values),
            auth_context: self.auth_context.clone().or_else(|| config.auth_context.clone()),
            claims: self.claims.clone().or_else(|| config.claims.clone()),
            tenant: self.tenant.clone(),
            ui_locales: or(&self.ui_locales, &config.ui_locales),
            parameters,
        }
    }

    /// Whether a request can be made of the options.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        for scope in &self.scopes {
            check_scope(scope)?;
        }
        if self.prompt.contains(&Prompt::None) && self.prompt.len() > 1 {
            return wrong(
                "prompt",
                "`none` goes with no other prompt (OpenID Connect Core section 3.1.2.1): leave one out".into(),
            );
        }
        if self.prompt.contains(&Prompt::None) && self.asks_every_time() {
            return wrong(
                "max_age",
                "0 asks for a sign-in page and `prompt=none` forbids it: leave one out".into(),
            );
        }
        if self.tenant.is_some() {
            return wrong("tenant", "it has an effect for a sign-in of `Client` alone: name the tenant in the authority".into());
        }
        if self.claims.as_deref().is_some_and(|claims| {
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims).is_err()
        }) {
            return wrong(
                "claims",
                "it has to be a JSON object (OpenID Connect Core section 5.5)".into(),
            );
        }
        check_words("acr_values", &self.acr_values)?;
        check_words("auth_context", self.auth_context.as_slice())?;
        check_words("ui_locales", &self.ui_locales)?;
        for (setting, hint) in
            [("login_hint", &self.login_hint), ("domain_hint", &self.domain_hint)]
        {
            if hint
                .as_deref()
                .is_some_and(|hint| hint.is_empty() || hint.contains(char::is_control))
            {
                return wrong(setting, "empty or with control characters: leave it out".into());
            }
        }
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            if RESERVED.contains(&name.as_str()) {
                return wrong(
                    "parameters",
                    format!(
                        "{name:?} is a parameter that this crate sets: use its own setting, if there is one, instead of `add_parameter`"
                    ),
                );
            }
            if name.is_empty()
                || !name.bytes().all(|byte| byte.is_ascii_graphic())
                || value.contains(char::is_control)
            {
                return wrong(
                    "parameters",
                    format!(
                        "{name:?} has an empty or unusual name, or control characters in its value"
                    ),
                );
            }
            if name != "resource"
                && self.parameters.iter().take(index).any(|(earlier, _)| earlier == name)
            {
                return wrong(
                    "parameters",
                    format!(
                        "{name:?} is there twice: all but `resource` (RFC 8707) may be sent once (RFC 6749 section 3.1)"
                    ),
                );
            }
        }
        Ok(())
    }
}

/// `scope-token` of RFC 6749 section 3.3.
pub(super) fn check_scope(scope: &str) -> Result<(), ConfigError> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    // RFC 6749 allows a comma in a scope, and no provider of OpenID Connect has one with it: it is
    // a list that was written wrongly.
    if scope.contains(',') {
        return Err(ConfigError::new(
            "scopes",
            format!(
                "{scope:?} has a comma in it: give each scope as an item of its own (in IDENTITY_SCOPE and IDENTITY_OPENID_SCOPES with \
                 spaces between them)"
            ),
        ));
    }
    if !scope.is_empty() && scope.bytes().all(allowed) {
        return Ok(());
    }
    Err(ConfigError::new(
        "scopes",
        format!(
            "{scope:?} is not one scope: give each as an item of its own, without spaces, quotes or backslashes"
        ),
    ))
}

/// Words of a list that is sent with spaces between them.
pub(super) fn check_words(setting: &'static str, words: &[String]) -> Result<(), ConfigError> {
    match words
        .iter()
        .find(|word| word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        Some(word) => Err(ConfigError::new(
            setting,
            format!(
                "{word:?} is empty, or has spaces or other characters that a list of words cannot hold"
            ),
        )),
        None => Ok(()),
    }
}
