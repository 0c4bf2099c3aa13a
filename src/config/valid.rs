//! [`ValidConfig`]: the configuration after all checks, with the values derived from it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use url::Url;

use super::{
    Access, AccessRules, Algorithm, ClientCredential, CookieKeySource, CookieLifetime,
    CrossSiteRules, Description, Finding, GroupsFrom, HmacAlgorithm, IdentityConfig, PathPrefix,
    Preflight, ProviderSession, ResponseMode, ReturnPath, SessionEnd, SignInMethod, SignInNonce,
    SignInOptions, SignOutRequest, UserInfo, UserPath,
};
use crate::{
    authority::{Authority, Tenants},
    error::ConfigError,
    seal::KeyRing,
};

/// A checked configuration, made by [`IdentityConfig::build`]. Cloning it is cheap.
#[derive(Clone)]
pub struct ValidConfig(Arc<ValidConfigParts>);

/// Conversion into a checked configuration, for the constructors that take one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a checked configuration",
    label = "call `.build()?` on the `IdentityConfig` first: it checks the settings and returns a \
             `ValidConfig`",
    note = "`IdentityConfig::build` returns a `Result<ValidConfig, ConfigError>`: propagate the \
            error with `?`"
)]
pub trait IntoValidConfig {
    /// The checked configuration.
    fn into_valid_config(self) -> ValidConfig;
}

impl IntoValidConfig for ValidConfig {
    fn into_valid_config(self) -> ValidConfig {
        self
    }
}

impl IntoValidConfig for &ValidConfig {
    fn into_valid_config(self) -> ValidConfig {
        self.clone()
    }
}

/// The settings, and the values derived from them.
pub(super) struct ValidConfigParts {
    pub(super) settings: IdentityConfig,
    pub(super) credential: ClientCredential,
    pub(super) tenants: Tenants,
    pub(super) redirect_uri: Url,
    pub(super) signed_out_url: Url,
    pub(super) origin: String,
    pub(super) external_prefix: String,
    pub(super) secure: bool,
    pub(super) home: ReturnPath,
    pub(super) paths: Paths,
    pub(super) public_paths: AccessRules,
    pub(super) cross_site: CrossSiteRules,
    pub(super) cookie_id: String,
    pub(super) keys: Arc<KeyRing>,
    pub(super) cookie_key_source: CookieKeySource,
    pub(super) provider_session: ProviderSession,
    /// The page before a sign-in, in the form in which requests have its path.
    pub(super) sign_in_page: Option<String>,
    pub(super) page_after_sign_out: Option<ReturnPath>,
    pub(super) notices: Vec<Finding>,
    /// As it was before `build` completed the settings.
    pub(super) description: Description,
}

/// The paths of the layer, in the form in which requests have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) sign_in: String,
    pub(crate) callback: String,
    pub(crate) sign_out: String,
    pub(crate) signed_out: String,
    /// `None` if the authority has no such policy.
    pub(crate) edit_profile: Option<String>,
    /// `None` if the authority has no such policy.
    pub(crate) reset_password: Option<String>,
    /// `None` if there is none.
    pub(crate) user: Option<String>,
    /// `None` if no form is kept.
    pub(crate) kept_form: Option<String>,
    /// A set of the lengths of the paths, one bit each; the last bit is for all lengths from 63.
    lengths: u64,
}

impl Paths {
    /// The setting of the page that offers a form.
    const KEPT_FORM: &str = "kept_form_path";

    pub(super) fn new(
        [sign_in, callback, sign_out, signed_out]: [String; 4],
        [edit_profile, reset_password, user, kept_form]: [Option<String>; 4],
    ) -> Self {
        let mut paths = Self {
            sign_in,
            callback,
            sign_out,
            signed_out,
            edit_profile,
            reset_password,
            user,
            kept_form,
            lengths: 0,
        };
        paths.lengths = paths.iter().fold(0, |lengths, (_, path)| lengths | Self::bit(path.len()));
        paths
    }

    /// Whether a path of the layer has this length. It rules out most requests without a comparison
    /// of strings.
    #[inline]
    pub(crate) fn has_length(&self, length: usize) -> bool {
        self.lengths & Self::bit(length) != 0
    }

    const fn bit(length: usize) -> u64 {
        1 << (if length < 63 { length } else { 63 })
    }

    /// All paths, each with the name of its setting.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [
            ("edit_profile_path", &self.edit_profile),
            ("reset_password_path", &self.reset_password),
            ("user_path", &self.user),
            (Self::KEPT_FORM, &self.kept_form),
        ];
        [
            ("sign_in_path", &self.sign_in),
            ("callback_path", &self.callback),
            ("sign_out_path", &self.sign_out),
            ("signed_out_path", &self.signed_out),
        ]
        .into_iter()
        .map(|(setting, path)| (setting, path.as_str()))
        .chain(optional.into_iter().filter_map(|(setting, path)| Some((setting, path.as_deref()?))))
    }
}

/// Declares accessors: doc, name, type, and the field that is returned.
macro_rules! accessors {
    ($($(#[$doc:meta])* fn $name:ident -> $type:ty = $($place:ident).+ $(as $by:tt)?;)*) => {
        $(accessors!(@ $(#[$doc])* $name, $type, [$($place).+] $(, $by)?);)*
    };
    (@ $(#[$doc:meta])* $name:ident, $type:ty, [$($place:ident).+]) => {
        $(#[$doc])*
        pub(crate) fn $name(&self) -> $type { &self.0.$($place).+ }
    };
    (@ $(#[$doc:meta])* $name:ident, $type:ty, [$($place:ident).+], copy) => {
        $(#[$doc])*
        pub(crate) fn $name(&self) -> $type { self.0.$($place).+ }
    };
}

impl ValidConfig {
    pub(super) fn new(parts: ValidConfigParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The settings, with the changes of `build`.
    pub(super) fn settings(&self) -> &IdentityConfig {
        &self.0.settings
    }

    accessors! {
        /// The provider.
        fn authority -> &Authority = settings.authority;
        /// The client id at the provider.
        fn client_id -> &str = settings.client_id;
        /// The credential of the application.
        fn credential -> &ClientCredential = credential;
        /// The tenants whose users may sign in.
        fn tenants -> &Tenants = tenants;
        /// The redirect URI.
        fn redirect_url -> &Url = redirect_uri;
        /// Scheme, host and port of the application, as in a browser's `Origin`.
        fn origin -> &str = origin;
        /// The path of the base URL, without a slash at the end; empty for most applications.
        fn external_prefix -> &str = external_prefix;
        /// Whether requests have the external prefix.
        fn path_prefix -> PathPrefix = settings.path_prefix as copy;
        /// Whether browsers use `https`.
        fn secure -> bool = secure as copy;
        /// The home page of the application, as browsers see it.
        fn home -> &ReturnPath = home;
        /// The paths of the layer, in the form in which requests have them.
        fn paths -> &Paths = paths;
        /// The application's page before a sign-in, in the form in which requests have its path.
        fn sign_in_page -> &Option<String> = sign_in_page;
        /// The application's page after a sign-out, as browsers see it.
        fn page_after_sign_out -> &Option<ReturnPath> = page_after_sign_out;
        /// The paths without sign-in, in the form in which requests have them.
        fn public_paths -> &AccessRules = public_paths;
        /// The access to paths that no rule names.
        fn default_access -> Access = settings.paths.default as copy;
        /// The settings of the user path.
        fn user_path -> &UserPath = settings.user_path;
        /// Which requests of other origins are accepted.
        fn cross_site -> &CrossSiteRules = cross_site;
        /// The answer to a CORS preflight for a protected path.
        fn preflight -> Preflight = settings.preflight as copy;
        /// How the user gets to the provider and back.
        fn sign_in_method -> SignInMethod = settings.sign_in_method as copy;
        /// How the authorization response is returned.
        fn response_mode -> ResponseMode = settings.response_mode as copy;
        /// The OpenID Connect scopes of a sign-in, without those of `sign_in`.
        fn openid_scopes -> &[String] = settings.openid_scopes;
        /// The tags of the languages of the application; empty for all that have texts.
        fn languages -> &[String] = settings.languages;
        /// The options of every sign-in. `acr_values` defaults to the required classes.
        fn sign_in -> &SignInOptions = settings.sign_in;
        /// The client capabilities for Entra ID.
        fn client_capabilities -> &[String] = settings.client_capabilities;
        /// Whether a sign-in has a `nonce`.
        fn nonce -> SignInNonce = settings.nonce as copy;
        /// Whether the UserInfo endpoint is used.
        fn user_info -> UserInfo = settings.user_info as copy;
        /// The source of the groups that do not fit into a token.
        fn groups -> GroupsFrom = settings.groups as copy;
        /// The configured signature algorithms; never an empty list.
        fn id_token_algorithms -> &Option<Vec<Algorithm>> = settings.id_token_algorithms;
        /// The algorithm of ID tokens that are signed with the client secret, if they are.
        fn id_token_hmac -> Option<HmacAlgorithm> = settings.id_token_hmac as copy;
        /// The audiences that an ID token may have besides the client id.
        fn trusted_audiences -> &[String] = settings.trusted_audiences;
        /// The `acr` values of which an ID token must have one; empty if any is accepted.
        fn required_acr -> &[String] = settings.required_acr;
        /// The maximum age of an ID token by its `iat`.
        fn max_token_age -> Option<Duration> = settings.max_token_age as copy;
        /// The accepted difference between this clock and the provider's.
        fn clock_leeway -> Duration = settings.clock_leeway as copy;
        /// Distinguishes the cookies of applications on one host, because ports share cookies.
        fn cookie_id -> &str = cookie_id;
        /// The keys of cookies and records.
        fn keys -> &Arc<KeyRing> = keys;
        /// The origin of the cookie secrets.
        fn cookie_key_source -> CookieKeySource = cookie_key_source as copy;
        /// The time without a request after which a session ends.
        fn idle_timeout -> Duration = settings.idle_timeout as copy;
        /// The time after sign-in at which a session ends.
        fn absolute_timeout -> Duration = settings.absolute_timeout as copy;
        /// The time limit for one operation of the session store or of the refresh lock.
        fn store_timeout -> Duration = settings.store_timeout as copy;
        /// How long the browser keeps the session cookie.
        fn cookie_lifetime -> CookieLifetime = settings.cookie_lifetime as copy;
        /// When a session ends that cannot be renewed.
        fn session_end -> SessionEnd = settings.session_end as copy;
        /// The deviations of the sign-out request from the specification.
        fn sign_out -> &SignOutRequest = settings.sign_out;
        /// The findings of `build`.
        fn notices -> &[Finding] = notices;
        /// The settings before `build` completed them.
        fn description -> &Description = description;
        /// The effect of sign-out on the session at the provider.
        fn provider_session -> ProviderSession = provider_session as copy;
    }

    /// The redirect URI, which has to be registered at the provider.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        self.0.redirect_uri.as_str()
    }

    /// The URL of the page after sign-out, which has to be registered at the provider as a
    /// post-logout redirect URI.
    #[must_use]
    pub fn signed_out_url(&self) -> &str {
        self.0.signed_out_url.as_str()
    }

    /// The path of the sign-in as browsers see it, with the path of the base URL, for a link on a
    /// page. It takes the page to come back to as `return_to`, also with that path.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_identity::ConfigError> {
    /// use tower_identity::{Authority, ClientCredential, IdentityConfig};
    ///
    /// let authority = Authority::entra("contoso.onmicrosoft.com")?;
    /// let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
    ///     .with_credential(ClientCredential::secret("the client secret of the registration"))
    ///     .with_base_url("https://example.com/app")?
    ///     .build()?;
    /// assert_eq!(config.sign_in_path(), "/app/auth/login");
    /// assert_eq!(config.sign_out_path(), "/app/auth/logout");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sign_in_path(&self) -> Cow<'_, str> {
        self.external_path(&self.0.paths.sign_in)
    }

    /// A link to the sign-in that comes back to this page: [`sign_in_path`](Self::sign_in_path)
    /// with the page encoded as `return_to`.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_identity::ConfigError> {
    /// # use tower_identity::{Authority, ClientCredential, IdentityConfig};
    /// use tower_identity::{ReturnPath, ValidConfig};
    ///
    /// /// For the button on a public page.
    /// fn sign_in(config: &ValidConfig, page: &http::Uri) -> String {
    ///     let page = ReturnPath::parse(&page.to_string()).unwrap_or_else(ReturnPath::home);
    ///     config.sign_in_link(&page)
    /// }
    /// # let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "client-id")
    /// #     .with_credential(ClientCredential::secret("the client secret of the registration"))
    /// #     .with_base_url("https://app.example.com")?
    /// #     .build()?;
    /// let link = sign_in(&config, &http::Uri::from_static("/notes?q=a%26b&page=2"));
    /// assert_eq!(link, "/auth/login?return_to=%2Fnotes%3Fq%3Da%2526b%26page%3D2");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sign_in_link(&self, page: &ReturnPath) -> String {
        self.link_to(&self.0.paths.sign_in, page)
    }

    /// A link to one of the layer's own paths, with the page to return to.
    pub(crate) fn link_to(&self, own: &str, page: &ReturnPath) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", page.as_str())
            .finish();
        format!("{}?{query}", self.external_path(own))
    }

    /// The path of the sign-out as browsers see it, with the path of the base URL, for a form on a
    /// page. It has to be sent by POST.
    #[must_use]
    pub fn sign_out_path(&self) -> Cow<'_, str> {
        self.external_path(&self.0.paths.sign_out)
    }

    /// The path of a request as browsers see it: with the prefix that a proxy has removed.
    pub(crate) fn external_path<'p>(&self, request_path: &'p str) -> Cow<'p, str> {
        match self.0.settings.path_prefix {
            PathPrefix::Stripped if !self.0.external_prefix.is_empty() => {
                Cow::Owned(format!("{}{request_path}", self.0.external_prefix))
            }
            _ => Cow::Borrowed(request_path),
        }
    }

    /// Whether the home page needs no sign-in.
    pub(crate) fn is_home_public(&self) -> bool {
        let request_path = match self.0.settings.path_prefix {
            PathPrefix::Stripped => "/",
            PathPrefix::Kept => self.0.home.as_str(),
        };
        self.0.public_paths.is_public(request_path)
    }

    /// The return path for `text`, a path as browsers see it. It is the home page if `text` is not
    /// a safe path on this site, or is a path of the layer, which would start another sign-in or
    /// sign-out. The kept-form path is accepted.
    pub(crate) fn return_path(&self, text: &str) -> ReturnPath {
        // A return to the sign-in path would loop, and one to the sign-out path could end the
        // session.
        let own = |path: &str| {
            let mut all = self.0.paths.iter().filter(|(setting, _)| *setting != Paths::KEPT_FORM);
            all.any(|(_, own)| self.external_path(own) == path)
        };
        ReturnPath::parse(text).filter(|path| !own(path.path())).unwrap_or_else(|| {
            // The value is not logged: it comes from the request and can contain anything.
            if !text.is_empty() {
                tracing::debug!(
                    bytes = text.len(),
                    "the requested return path is not a path on this site, or longer than 2,000 \
                     bytes: the sign-in returns to the home page"
                );
            }
            self.0.home.clone()
        })
    }

    /// Whether it is a scope of the default, which may be omitted if the provider does not support
    /// it.
    pub(crate) fn is_default_scope(&self, scope: &str) -> bool {
        !self.settings().openid_scopes_named
            && scope != "openid"
            && self.openid_scopes().iter().any(|default| default == scope)
            && !self.sign_in().scopes.iter().any(|named| named == scope)
    }

    /// All scopes of a sign-in without duplicates, the OpenID Connect scopes first. `options` are
    /// already [`over`](SignInOptions::over) those of the configuration.
    pub(crate) fn scopes<'a>(&'a self, options: &'a SignInOptions) -> Vec<&'a str> {
        let mut scopes: Vec<&str> = Vec::new();
        for scope in self.openid_scopes().iter().chain(&options.scopes) {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Checks that the cookie secret is the same after a restart, for sessions and caches that are
    /// (`what`). `place` is named by the error.
    ///
    /// # Errors
    ///
    /// The secret is neither configured nor derived from a client secret.
    pub(crate) fn require_lasting_secret(
        &self,
        place: &'static str,
        what: &str,
    ) -> Result<(), ConfigError> {
        if self.cookie_key_source() != CookieKeySource::Random {
            return Ok(());
        }
        let detail = format!(
            "{what} outlive this process, but the cookie secret does not: set one with \
             IdentityConfig::with_cookie_secrets (or IDENTITY_COOKIE_SECRET), 32 random characters \
             or more"
        );
        Err(ConfigError::new(place, detail))
    }
}

impl fmt::Debug for ValidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidConfig")
            .field("settings", &self.0.settings)
            .field("redirect_uri", &self.0.redirect_uri.as_str())
            .field("cookie_id", &self.0.cookie_id)
            .field("cookie_keys", &self.0.cookie_key_source)
            .finish_non_exhaustive()
    }
}
