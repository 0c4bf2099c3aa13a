//! The options of a sign-in: parameters of the authorization request.

use std::time::Duration;

use super::{choice::choices, parameters::ProviderRequest};
use crate::{error::ConfigError, json, strings::StringList};

/// Options of a sign-in, for all sign-ins in the configuration or for a single one where it is
/// started.
///
/// Options of a single sign-in replace those of the configuration, except scopes and extra
/// parameters, which are added to them.
///
/// ```
/// use std::time::Duration;
/// use tower_identity::config::{Prompt, SignInOptions};
///
/// let options = SignInOptions::new()
///     .with_scopes(["User.Read"])
///     .with_prompt(Prompt::SelectAccount)
///     .with_max_age(Duration::from_secs(3600));
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
    /// The tenant of a sign-in of [`Client`](crate::client::Client), if not the authority's.
    pub(crate) tenant: Option<String>,
    pub(crate) ui_locales: Vec<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// A page that the provider has to show, although it might not be necessary (OpenID Connect Core
/// 1.0 section 3.1.2.1; Initiating User Registration via OpenID Connect 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prompt {
    /// No page: without a session at the provider the response is an error. It cannot be combined
    /// with other prompts.
    None,
    /// The sign-in page, also for a user who is signed in.
    Login,
    /// The consent page.
    Consent,
    /// The selection of an account.
    SelectAccount,
    /// The page for creating an account.
    Create,
}

choices!(
    Prompt,
    "prompt",
    None = "none",
    Login = "login",
    Consent = "consent",
    SelectAccount = "select_account",
    Create = "create"
);

impl SignInOptions {
    /// Empty options: those of the configuration apply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the scopes beyond the OpenID Connect scopes, in the order in which they are sent. The
    /// default is none.
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.scopes = scopes.into_strings();
        self
    }

    /// Sets the page that the provider has to show. By default the provider decides.
    #[must_use]
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = vec![prompt];
        self
    }

    /// Adds a page that the provider has to show.
    #[must_use]
    pub fn add_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt.push(prompt);
        self
    }

    /// Sets the account that the provider offers first, for example an e-mail address.
    #[must_use]
    pub fn with_login_hint(mut self, login_hint: impl Into<String>) -> Self {
        self.login_hint = Some(login_hint.into());
        self
    }

    /// Sets the sign-in page among several, for example `organizations` or a domain (Entra ID).
    #[must_use]
    pub fn with_domain_hint(mut self, domain_hint: impl Into<String>) -> Self {
        self.domain_hint = Some(domain_hint.into());
        self
    }

    /// Sets the maximum time since the user last authenticated, in whole seconds. The `auth_time`
    /// of the ID token is checked against it. Zero requires authentication now. The default is no
    /// limit.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Sets the requested authentication context classes, the preferred one first. The provider may
    /// ignore them (OpenID Connect Core 1.0 section 3.1.2.1);
    /// [`with_required_acr`](super::IdentityConfig::with_required_acr) enforces them.
    #[must_use]
    pub fn with_acr_values<Kind>(mut self, acr_values: impl StringList<Kind>) -> Self {
        self.acr_values = acr_values.into_strings();
        self
    }

    /// Sets an authentication context that the sign-in must meet. If the ID token does not contain
    /// it, the user gets 403 and an existing session stays unchanged.
    ///
    /// At Microsoft's authorities it is an authentication context of Conditional Access, such as
    /// `c1`: requested with the `claims` parameter and checked in the claim `acrs`. At other
    /// providers it is a class that is sent as `acr_values`, in place of configured ones, and
    /// checked in the claim `acr`. The default is none.
    #[must_use]
    pub fn with_auth_context(mut self, auth_context: impl Into<String>) -> Self {
        self.auth_context = Some(auth_context.into());
        self
    }

    /// Sets the `claims` parameter (OpenID Connect Core 1.0 section 5.5), a JSON object: the
    /// decoded claims challenge of an API, or claims that the application requests. It is merged
    /// with the claims that the crate requests itself. The default is none.
    ///
    /// Text that is not a JSON object is refused by `build()`, or where the sign-in is started.
    ///
    /// ```
    /// use tower_identity::SignInOptions;
    ///
    /// let options = SignInOptions::new()
    ///     .with_claims(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    /// # let _ = options;
    /// ```
    #[must_use]
    pub fn with_claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Sets the tenant, by GUID, for an authority of several tenants in
    /// [`Client::initiate`](crate::client::Client::initiate) and
    /// [`Client::authorization_url`](crate::client::Client::authorization_url). The default is the
    /// tenant of the account that the user chooses.
    ///
    /// It is refused in the configuration and with the layer, where the
    /// [`Authority`](crate::Authority) names the tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the languages of the provider's pages as BCP 47 tags, the preferred one first.
    #[must_use]
    pub fn with_ui_locales<Kind>(mut self, ui_locales: impl StringList<Kind>) -> Self {
        self.ui_locales = ui_locales.into_strings();
        self
    }

    /// Adds a parameter to the authorization request.
    ///
    /// Parameters of the protocol, those that have a setting, and a name that is given twice are
    /// refused by `build()`, or where the sign-in is started.
    #[must_use]
    pub fn add_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Whether the options request more than a sign-in, such as scopes or a step-up.
    pub(crate) fn has_requirements(&self) -> bool {
        !self.scopes.is_empty()
            || !self.acr_values.is_empty()
            || self.claims.is_some()
            || self.auth_context.is_some()
            || self.max_age.is_some()
    }

    /// Whether the user has to authenticate each time, so that a silent sign-in is not possible.
    pub(crate) fn requires_authentication(&self) -> bool {
        self.max_age.is_some_and(|age| age.as_secs() == 0)
    }

    /// The first of these options that a device authorization request cannot express (RFC 8628
    /// section 3.1), and that must not be dropped silently.
    ///
    /// Hints and `prompt=none` are dropped, because no decision depends on them. At Microsoft's
    /// providers an authentication context is sent in the claims.
    pub(crate) fn unsupported_by_device_code(&self, microsoft: bool) -> Option<&'static str> {
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

    /// These options, completed with those of the configuration.
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

    /// Checks that an authorization request can be made of the options.
    ///
    /// # Errors
    ///
    /// An option is malformed, contradicts another, is set twice or is reserved.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for scope in &self.scopes {
            check_scope("scopes", scope)?;
        }
        self.check_prompt()?;
        if self.tenant.is_some() {
            return Err(ConfigError::new(
                "tenant",
                "only a sign-in of `Client` can choose it: name the tenant in the authority",
            ));
        }
        // By the parser that the request is made with: nothing is left out of it later.
        if let Some(Err(error)) = self.claims.as_deref().map(json::object_of_text) {
            return Err(ConfigError::new(
                "claims",
                format!(
                    "not a JSON object that can be requested (OpenID Connect Core section 5.5): {}",
                    error.as_str()
                ),
            ));
        }
        check_words("acr_values", &self.acr_values)?;
        check_words("auth_context", self.auth_context.as_slice())?;
        check_words("ui_locales", &self.ui_locales)?;
        check_hint("login_hint", self.login_hint.as_deref())?;
        check_hint("domain_hint", self.domain_hint.as_deref())?;
        ProviderRequest::Authorization.check("sign_in_parameters", &self.parameters)
    }

    /// Checks that `prompt` can be satisfied.
    fn check_prompt(&self) -> Result<(), ConfigError> {
        if !self.prompt.contains(&Prompt::None) {
            return Ok(());
        }
        if self.prompt.len() > 1 {
            return Err(ConfigError::new(
                "prompt",
                "`none` cannot be combined with another prompt (OpenID Connect Core section \
                 3.1.2.1): remove one",
            ));
        }
        // The provider could only answer `login_required`, so no sign-in would ever succeed.
        if self.requires_authentication() {
            return Err(ConfigError::new(
                "max_age",
                "0 requires a sign-in page, which `prompt=none` forbids: remove one",
            ));
        }
        Ok(())
    }
}

/// Checks the hint about the user, if there is one.
fn check_hint(setting: &'static str, hint: Option<&str>) -> Result<(), ConfigError> {
    match hint {
        Some(hint) if hint.is_empty() || hint.contains(char::is_control) => {
            Err(ConfigError::new(setting, "empty, or has control characters: remove it"))
        }
        _ => Ok(()),
    }
}

/// Checks that text is one `scope-token` (RFC 6749 section 3.3).
pub(super) fn check_scope(setting: &'static str, scope: &str) -> Result<(), ConfigError> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    // RFC 6749 allows a comma, but no OpenID Connect provider has scopes with one: the text is a
    // list with the wrong separator.
    if scope.contains(',') {
        return Err(ConfigError::new(
            setting,
            format!(
                "{scope:?} contains a comma: pass each scope as an item of its own (in \
                 IDENTITY_SCOPE and IDENTITY_OPENID_SCOPES with spaces between them)"
            ),
        ));
    }
    if !scope.is_empty() && scope.bytes().all(allowed) {
        return Ok(());
    }
    Err(ConfigError::new(
        setting,
        format!(
            "{scope:?} is not one scope: pass each as an item of its own, without spaces, quotes \
             or backslashes"
        ),
    ))
}

/// Checks the words of a list that is sent with spaces between them.
pub(super) fn check_words(setting: &'static str, words: &[String]) -> Result<(), ConfigError> {
    match words
        .iter()
        .find(|word| word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        Some(word) => Err(ConfigError::new(
            setting,
            format!(
                "{word:?} is empty, or has spaces or other characters that a list of words cannot \
                 contain"
            ),
        )),
        None => Ok(()),
    }
}
