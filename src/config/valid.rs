//! [`ValidConfig`]: the configuration after every check, with what follows from it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use url::Url;

use super::{
    Algorithm, ClientCredential, CookieKeySource, CookieKeys, CookieLifetime, Finding, GroupsFrom,
    IdentityConfig, PathPrefix, Preflight, ProviderSession, PublicPaths, ResponseMode, ReturnPath,
    SessionEnd, SignInMethod, SignInOptions, SignOutRequest, UserInfo,
};
use crate::{
    authority::{Authority, Tenants},
    secret::Secret,
};

/// A checked configuration, made by [`IdentityConfig::build`]. Cloning it is cheap.
#[derive(Clone)]
pub struct ValidConfig(Arc<Valid>);

/// A configuration after its checks: what everything that works with one takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a checked configuration",
    label = "call `.build()?` on the `IdentityConfig` first: it checks the settings and gives a `ValidConfig`",
    note = "`IdentityConfig::build` returns a `Result<ValidConfig, ConfigError>`: pass the error on with `?`"
)]
pub trait IntoValidConfig {
    /// The configuration.
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

/// The settings, and what was computed from them.
pub(super) struct Valid {
    pub(super) settings: IdentityConfig,
    pub(super) credential: ClientCredential,
    pub(super) tenants: Tenants,
    pub(super) redirect_uri: Url,
    pub(super) signed_out_url: Url,
    pub(super) base_url: String,
    pub(super) origin: String,
    pub(super) external_prefix: String,
    pub(super) secure: bool,
    pub(super) home: ReturnPath,
    pub(super) paths: Paths,
    pub(super) public_paths: PublicPaths,
    pub(super) cookie_id: String,
    pub(super) cookie_keys: CookieKeys,
    pub(super) provider_session: ProviderSession,
    pub(super) notices: Vec<Finding>,
}

/// The crate's own paths, as they stand in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) login: String,
    pub(crate) callback: String,
    pub(crate) logout: String,
    pub(crate) signed_out: String,
    /// Only with an authority that has such a policy.
    pub(crate) edit_profile: Option<String>,
    /// Only with an authority that has such a policy.
    pub(crate) reset_password: Option<String>,
    /// One bit for each length that one of them has, the last for all above.
    lengths: u64,
}

impl Paths {
    pub(super) fn new(
        [login, callback, logout, signed_out]: [String; 4],
        [edit_profile, reset_password]: [Option<String>; 2],
    ) -> Self {
        let mut paths =
            Self { login, callback, logout, signed_out, edit_profile, reset_password, lengths: 0 };
        paths.lengths = paths.iter().fold(0, |lengths, (_, path)| lengths | Self::bit(path.len()));
        paths
    }

    /// Whether one of them is as long: a glance that spares the comparisons for most requests.
    #[inline]
    pub(crate) fn has_length(&self, length: usize) -> bool {
        self.lengths & Self::bit(length) != 0
    }

    const fn bit(length: usize) -> u64 {
        1 << (if length < 63 { length } else { 63 })
    }

    /// All of them, with the setting that each comes from.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [
            ("edit_profile_path", &self.edit_profile),
            ("reset_password_path", &self.reset_password),
        ];
        [
            ("sign_in_path", &self.login),
            ("callback_path", &self.callback),
            ("sign_out_path", &self.logout),
            ("signed_out_path", &self.signed_out),
        ]
        .into_iter()
        .map(|(setting, path)| (setting, path.as_str()))
        .chain(optional.into_iter().filter_map(|(setting, path)| Some((setting, path.as_deref()?))))
    }
}

/// One accessor per line: doc, name, type, where it is.
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
    pub(super) fn new(valid: Valid) -> Self {
        Self(Arc::new(valid))
    }

    /// The settings as they were checked.
    pub(super) fn settings(&self) -> &IdentityConfig {
        &self.0.settings
    }

    accessors! {
        /// Who signs people in.
        fn authority -> &Authority = settings.authority;
        /// The application at the authority.
        fn client_id -> &str = settings.client_id;
        /// How it proves who it is.
        fn credential -> &ClientCredential = credential;
        /// Whose people may sign in.
        fn tenants -> &Tenants = tenants;
        /// Where the provider sends people back to.
        fn redirect_url -> &Url = redirect_uri;
        /// Where browsers find the application, without a slash at the end.
        fn base_url -> &str = base_url;
        /// Scheme, host and port of the application, as browsers write it in `Origin`.
        fn origin -> &str = origin;
        /// The path of the base URL, without a slash at the end; often empty.
        fn external_prefix -> &str = external_prefix;
        /// Whether requests arrive with it.
        fn path_prefix -> PathPrefix = settings.path_prefix as copy;
        /// Whether browsers come over `https`.
        fn secure -> bool = secure as copy;
        /// The application's home page, as a browser sees it.
        fn home -> &ReturnPath = home;
        /// The crate's own paths, as they stand in a request.
        fn paths -> &Paths = paths;
        /// The paths that everybody may see, as they stand in a request.
        fn public_paths -> &PublicPaths = public_paths;
        /// What a CORS preflight to a protected path gets.
        fn preflight -> Preflight = settings.preflight as copy;
        /// How people get to the provider and back.
        fn sign_in_method -> SignInMethod = settings.sign_in_method as copy;
        /// How the authorization response arrives.
        fn response_mode -> ResponseMode = settings.response_mode as copy;
        /// The scopes of the sign-in itself, without those of `sign_in`.
        fn openid_scopes -> &[String] = settings.openid_scopes;
        /// The options of every sign-in; `acr_values` falls back to the required ones.
        fn sign_in -> &SignInOptions = settings.sign_in;
        /// What the application says that it can do.
        fn client_capabilities -> &[String] = settings.client_capabilities;
        /// Whether UserInfo is asked.
        fn user_info -> UserInfo = settings.user_info as copy;
        /// Where groups come from that a token has no room for.
        fn groups -> GroupsFrom = settings.groups as copy;
        /// What an ID token may be signed with, if that is configured; never an empty list.
        fn id_token_algorithms -> &Option<Vec<Algorithm>> = settings.id_token_algorithms;
        /// Audiences that an ID token may have beside the client id.
        fn trusted_audiences -> &[String] = settings.trusted_audiences;
        /// The `acr` values of which an ID token must have one, if there are any.
        fn required_acr -> &[String] = settings.required_acr;
        /// How long ago an ID token may have been issued.
        fn max_token_age -> Option<Duration> = settings.max_token_age as copy;
        /// How far the provider's clock may be from ours.
        fn clock_leeway -> Duration = settings.clock_leeway as copy;
        /// Tells the cookies of applications on one host apart: ports share cookies.
        fn cookie_id -> &str = cookie_id;
        /// The secrets of cookies and records, never none: the first seals, all open.
        fn cookie_keys -> &[Secret] = cookie_keys.secrets;
        /// Where they come from.
        fn cookie_key_source -> CookieKeySource = cookie_keys.source as copy;
        /// How long a session lives without a request.
        fn idle_timeout -> Duration = settings.idle_timeout as copy;
        /// How long a session lives at all.
        fn absolute_timeout -> Duration = settings.absolute_timeout as copy;
        /// How long an operation of the session store, or of the refresh lock, may take.
        fn store_timeout -> Duration = settings.store_timeout as copy;
        /// How long the browser keeps the session cookie.
        fn cookie_lifetime -> CookieLifetime = settings.cookie_lifetime as copy;
        /// When a session ends that cannot be renewed.
        fn session_end -> SessionEnd = settings.session_end as copy;
        /// What is said to the provider at sign-out beyond the usual.
        fn sign_out -> &SignOutRequest = settings.sign_out;
        /// What looked odd when the configuration was made.
        fn notices -> &[Finding] = notices;
        /// What becomes of the provider's session at sign-out.
        fn provider_session -> ProviderSession = provider_session as copy;
    }

    /// The address that the provider sends people back to, and that is to be registered there.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        self.0.redirect_uri.as_str()
    }

    /// The address that the provider sends people to after they signed out, and that is to be
    /// registered there, too.
    #[must_use]
    pub fn signed_out_url(&self) -> &str {
        self.0.signed_out_url.as_str()
    }

    /// What browsers call a path of a request: with the prefix that a proxy took off.
    pub(crate) fn external_path<'p>(&self, request_path: &'p str) -> Cow<'p, str> {
        match self.0.settings.path_prefix {
            PathPrefix::Stripped if !self.0.external_prefix.is_empty() => {
                Cow::Owned(format!("{}{request_path}", self.0.external_prefix))
            }
            _ => Cow::Borrowed(request_path),
        }
    }

    /// Whether everybody may see the home page.
    pub(crate) fn is_home_public(&self) -> bool {
        let as_it_arrives = match self.0.settings.path_prefix {
            PathPrefix::Stripped => "/",
            PathPrefix::Kept => self.0.home.as_str(),
        };
        self.0.public_paths.is_public(as_it_arrives)
    }

    /// Where a sign-in returns to that was asked to return to `text`, an address as browsers see
    /// it: home if that is no page of this site, or one of the crate's own.
    pub(crate) fn return_path(&self, text: &str) -> ReturnPath {
        let own = |path: &str| self.0.paths.iter().any(|(_, own)| self.external_path(own) == path);
        ReturnPath::parse(text).filter(|path| !own(path.path())).unwrap_or_else(|| {
            if !text.is_empty() {
                tracing::debug!(
                    bytes = text.len(),
                    "a sign-in cannot return to this address, which is no page of this site or longer than 2,000 bytes: it ends at home"
                );
            }
            self.0.home.clone()
        })
    }

    /// Whether it is one of the scopes that a provider is asked for without anybody having named
    /// it.
    pub(crate) fn is_default_scope(&self, scope: &str) -> bool {
        !self.settings().openid_scopes_named
            && scope != "openid"
            && self.openid_scopes().iter().any(|default| default == scope)
            && !self.sign_in().scopes.iter().any(|named| named == scope)
    }

    /// All scopes of a sign-in with these options (already [`over`](SignInOptions::over) the
    /// configuration's): those of the sign-in itself first, none twice.
    pub(crate) fn scopes<'a>(&'a self, options: &'a SignInOptions) -> Vec<&'a str> {
        let mut scopes: Vec<&str> = Vec::new();
        for scope in self.openid_scopes().iter().chain(&options.scopes) {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes
    }
}

impl fmt::Debug for ValidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidConfig")
            .field("settings", &self.0.settings)
            .field("redirect_uri", &self.0.redirect_uri.as_str())
            .field("cookie_id", &self.0.cookie_id)
            .field("cookie_keys", &self.0.cookie_keys.source)
            .finish_non_exhaustive()
    }
}
