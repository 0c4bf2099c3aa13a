//! [`IdentityConfig`]: what a user sets, as data.

use std::time::Duration;

use url::Url;

use super::{
    Algorithm, ClientCredential, CookieLifetime, GroupsFrom, PathPrefix, Preflight,
    ProviderSession, ResponseMode, SessionEnd, SignInMethod, SignInOptions, UserInfo,
};
use crate::{
    authority::{Authority, Tenants},
    error::ConfigError,
    secret::Secret,
    strings::StringList,
};

/// Everything that can be set about sign-in and sessions, as plain data: it can be cloned, compared
/// and printed (secrets stay hidden).
///
/// Three things are required: the provider and the client id, here; the credential, by
/// [`with_credential`](Self::with_credential); the base URL, by
/// [`with_base_url`](Self::with_base_url). [`build`](Self::build) checks all of it and says what to
/// do about a mistake.
///
/// ```
/// use tower_identity::{Authority, config::{ClientCredential, IdentityConfig}};
///
/// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "client-id")
///     .with_credential(ClientCredential::secret("from a vault"))
///     .with_base_url("https://app.example.com")?
///     .add_public_path("/")
///     .add_public_prefix("/assets/")
///     .build()?;
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
///
/// It can be read from any serde source that holds an [`AzureAd` section](super::AzureAdSection).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "super::AzureAdSection")]
pub struct IdentityConfig {
    pub(super) authority: Authority,
    pub(super) client_id: String,
    pub(super) credential: Option<ClientCredential>,
    pub(super) tenants: Option<Tenants>,
    pub(super) base_url: Option<Url>,
    pub(super) redirect_uri: Option<Url>,
    pub(super) path_prefix: PathPrefix,
    pub(super) sign_in_path: String,
    pub(super) callback_path: Option<String>,
    pub(super) sign_out_path: String,
    pub(super) signed_out_path: String,
    pub(super) edit_profile_path: Option<String>,
    pub(super) reset_password_path: Option<String>,
    pub(super) public_paths: Vec<PublicPath>,
    pub(super) preflight: Preflight,
    pub(super) sign_in_method: SignInMethod,
    pub(super) response_mode: ResponseMode,
    pub(super) openid_scopes: Vec<String>,
    /// Whether the application named them; otherwise those that the provider does not offer are
    /// left out.
    pub(super) openid_scopes_named: bool,
    pub(super) sign_in: SignInOptions,
    pub(super) user_info: UserInfo,
    pub(super) groups: GroupsFrom,
    pub(super) client_capabilities: Vec<String>,
    pub(super) id_token_algorithms: Option<Vec<Algorithm>>,
    pub(super) trusted_audiences: Vec<String>,
    pub(super) required_acr: Vec<String>,
    pub(super) max_token_age: Option<Duration>,
    pub(super) clock_leeway: Duration,
    pub(super) cookie_secrets: Vec<Secret>,
    pub(super) idle_timeout: Duration,
    pub(super) store_timeout: Duration,
    pub(super) absolute_timeout: Duration,
    pub(super) cookie_lifetime: CookieLifetime,
    pub(super) session_end: SessionEnd,
    /// `None`: as the way of signing in suggests.
    pub(super) provider_session: Option<ProviderSession>,
    pub(super) sign_out: super::SignOutRequest,
    pub(super) back_channel: Option<Url>,
    pub(super) discovery_url: Option<Url>,
    pub(super) danger_http: bool,
    /// An application without pages has no redirect address that anybody is sent to.
    pub(super) without_pages: bool,
    /// What was odd where the settings came from.
    pub(super) notices: Vec<super::Finding>,
}

/// A path that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicPath {
    Exact(String),
    Prefix(String),
}

impl IdentityConfig {
    /// Sign-in at `authority` as the application `client_id`.
    #[must_use]
    pub fn new(authority: Authority, client_id: impl Into<String>) -> Self {
        let openid_scopes =
            default_scopes(&authority).iter().map(|scope| (*scope).to_owned()).collect();
        Self {
            authority,
            client_id: client_id.into(),
            credential: None,
            tenants: None,
            base_url: None,
            redirect_uri: None,
            path_prefix: PathPrefix::default(),
            sign_in_path: "/auth/login".into(),
            callback_path: None,
            sign_out_path: "/auth/logout".into(),
            signed_out_path: "/auth/signed-out".into(),
            edit_profile_path: None,
            reset_password_path: None,
            public_paths: Vec::new(),
            preflight: Preflight::default(),
            sign_in_method: SignInMethod::default(),
            response_mode: ResponseMode::default(),
            openid_scopes,
            openid_scopes_named: false,
            sign_in: SignInOptions::default(),
            user_info: UserInfo::default(),
            groups: GroupsFrom::default(),
            client_capabilities: Vec::new(),
            id_token_algorithms: None,
            trusted_audiences: Vec::new(),
            required_acr: Vec::new(),
            max_token_age: None,
            clock_leeway: Duration::from_secs(60),
            cookie_secrets: Vec::new(),
            idle_timeout: Duration::from_secs(24 * 3600),
            store_timeout: Duration::from_secs(3),
            absolute_timeout: Duration::from_secs(7 * 24 * 3600),
            cookie_lifetime: CookieLifetime::default(),
            session_end: SessionEnd::default(),
            provider_session: None,
            sign_out: super::SignOutRequest::default(),
            back_channel: None,
            discovery_url: None,
            danger_http: false,
            without_pages: false,
            notices: Vec::new(),
        }
    }

    /// How the application proves who it is. There is no default: a public client says
    /// [`ClientCredential::none`].
    #[must_use]
    pub fn with_credential(mut self, credential: ClientCredential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// The tenants whose people may sign in, as GUIDs.
    ///
    /// An authority for several tenants (`common`, `organizations`) needs either this or
    /// [`with_any_tenant`](Self::with_any_tenant).
    ///
    /// # Errors
    ///
    /// There is none, or one is not a GUID.
    pub fn with_tenants<Kind>(
        mut self,
        tenants: impl StringList<Kind>,
    ) -> Result<Self, ConfigError> {
        self.tenants = Some(Tenants::only(tenants.items())?);
        Ok(self)
    }

    /// People of every tenant in the world may sign in.
    ///
    /// # Security
    ///
    /// Whoever has an Entra tenant makes accounts in it, with names and e-mail addresses as they
    /// like. Decide by [`tenants`](Self::with_tenants) or by what you know about `(tid, oid)`,
    /// never by e-mail.
    #[must_use]
    pub fn with_any_tenant(mut self) -> Self {
        self.tenants = Some(Tenants::any());
        self
    }

    /// Where browsers find the application, for example `https://example.com` or
    /// `https://example.com/app`. The callback, sign-out and return addresses hang off it; `Host`
    /// and `X-Forwarded-*` are never read.
    ///
    /// `http` is accepted for loopback hosts only. A path is the prefix under which a proxy
    /// publishes the application, see [`with_path_prefix`](Self::with_path_prefix).
    ///
    /// # Errors
    ///
    /// It is not such a URL, or has a query, a fragment or credentials.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self, ConfigError> {
        self.base_url = Some(super::address::base_url(base_url)?);
        Ok(self)
    }

    /// The redirect address, where it is not the base URL with the callback path after it. It must
    /// lie under the base URL, because the layer has to see the callback.
    ///
    /// The default is base URL + callback path. Without a base URL, its origin becomes the base
    /// URL.
    ///
    /// # Errors
    ///
    /// It is not an absolute `https` URL (`http` is accepted for loopback hosts), has a fragment or
    /// query, or its path is only `/`.
    pub fn with_redirect_uri(mut self, redirect_uri: &str) -> Result<Self, ConfigError> {
        self.redirect_uri = Some(super::address::redirect_uri(redirect_uri)?);
        Ok(self)
    }

    /// What the proxy in front does with the path of the base URL. The default is
    /// [`PathPrefix::Stripped`].
    #[must_use]
    pub fn with_path_prefix(mut self, path_prefix: PathPrefix) -> Self {
        self.path_prefix = path_prefix;
        self
    }

    /// Where sign-in starts, relative to the base URL. The default is `/auth/login`.
    #[must_use]
    pub fn with_sign_in_path(mut self, path: impl Into<String>) -> Self {
        self.sign_in_path = path.into();
        self
    }

    /// Where the provider sends people back to, relative to the base URL. The default is
    /// `/auth/callback`, or what the redirect address says.
    #[must_use]
    pub fn with_callback_path(mut self, path: impl Into<String>) -> Self {
        self.callback_path = Some(path.into());
        self
    }

    /// Where sign-out starts, relative to the base URL. The default is `/auth/logout`.
    #[must_use]
    pub fn with_sign_out_path(mut self, path: impl Into<String>) -> Self {
        self.sign_out_path = path.into();
        self
    }

    /// The page after sign-out, relative to the base URL. It is public: a protected one would sign
    /// straight in again. The default is `/auth/signed-out`.
    #[must_use]
    pub fn with_signed_out_path(mut self, path: impl Into<String>) -> Self {
        self.signed_out_path = path.into();
        self
    }

    /// Where a B2C profile is edited, relative to the base URL. The default is
    /// `/auth/edit-profile`; it exists only if the authority has such a policy.
    #[must_use]
    pub fn with_edit_profile_path(mut self, path: impl Into<String>) -> Self {
        self.edit_profile_path = Some(path.into());
        self
    }

    /// Where a B2C password is reset, relative to the base URL. The default is
    /// `/auth/reset-password`; it exists only if the authority has such a policy.
    #[must_use]
    pub fn with_reset_password_path(mut self, path: impl Into<String>) -> Self {
        self.reset_password_path = Some(path.into());
        self
    }

    /// One page that everybody may see, relative to the base URL. The default is none: everything
    /// needs a signed-in person.
    ///
    /// On a public page the [`User`](crate::User) is not in the request's extensions, signed in or
    /// not, since nobody is looked up before somebody asks: take `Option<User>` in axum,
    /// [`LazyUser`](crate::LazyUser) elsewhere. `Extension<User>` there is axum's own answer 500.
    #[must_use]
    pub fn add_public_path(mut self, path: impl Into<String>) -> Self {
        self.public_paths.push(PublicPath::Exact(path.into()));
        self
    }

    /// Everything below a directory, relative to the base URL, for example `/assets/`. It begins
    /// and ends with a slash. The user is to be had there as on a [public
    /// page](Self::add_public_path).
    ///
    /// # Security
    ///
    /// A request whose path could be read in two ways (`//`, `..`, `%2F`, `;`, …) stays protected,
    /// also below a public prefix.
    #[must_use]
    pub fn add_public_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.public_paths.push(PublicPath::Prefix(prefix.into()));
        self
    }

    /// What a CORS preflight to a protected path gets. The default is [`Preflight::Challenge`].
    #[must_use]
    pub fn with_preflight(mut self, preflight: Preflight) -> Self {
        self.preflight = preflight;
        self
    }

    /// How people get to the provider and back. The default is [`SignInMethod::Redirect`];
    /// [`SignInMethod::DeviceCode`] needs no redirect address.
    ///
    /// ```
    /// use tower_identity::{Authority, ClientCredential, IdentityConfig, config::SignInMethod};
    ///
    /// let config = IdentityConfig::new(Authority::entra("contoso.onmicrosoft.com")?, "client-id")
    ///     .with_credential(ClientCredential::none())
    ///     .with_base_url("https://printer.local")?
    ///     .with_sign_in_method(SignInMethod::DeviceCode)
    ///     .build()?;
    /// # Ok::<_, tower_identity::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_sign_in_method(mut self, method: SignInMethod) -> Self {
        self.sign_in_method = method;
        self
    }

    /// How the provider hands the authorization response over. The default is
    /// [`ResponseMode::Query`].
    #[must_use]
    pub fn with_response_mode(mut self, response_mode: ResponseMode) -> Self {
        self.response_mode = response_mode;
        self
    }

    /// The scopes of the sign-in itself. The default is `openid`, `profile`, `email` (not at
    /// Microsoft's providers, where it may take an administrator's consent) and `offline_access`,
    /// which asks for a refresh token, with which sessions are renewed.
    ///
    /// Of the default, what the provider's document does not list (`scopes_supported`) is left out,
    /// unless the document lists no scopes at all. Scopes that are named here, or by
    /// [`with_scopes`](Self::with_scopes), are always sent. Google takes `access_type=offline` for
    /// `offline_access`, and gets that. Nothing else is ever added.
    #[must_use]
    pub fn with_openid_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.openid_scopes = scopes.into_strings();
        self.openid_scopes_named = true;
        self
    }

    /// Options of every sign-in. The default is none.
    #[must_use]
    pub fn with_sign_in(mut self, options: SignInOptions) -> Self {
        self.sign_in = options;
        self
    }

    /// Scopes beyond those of the sign-in itself, for example `User.Read`: the same as
    /// [`SignInOptions::with_scopes`].
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.sign_in = self.sign_in.with_scopes(scopes);
        self
    }

    /// Whether the UserInfo endpoint is asked. The default is [`UserInfo::IfMissing`].
    #[must_use]
    pub fn with_user_info(mut self, user_info: UserInfo) -> Self {
        self.user_info = user_info;
        self
    }

    /// Where the groups of somebody come from who is in more than a token holds. The default is
    /// [`GroupsFrom::Token`].
    #[must_use]
    pub fn with_groups(mut self, groups: GroupsFrom) -> Self {
        self.groups = groups;
        self
    }

    /// What the application can do, said to Entra with every request for a token (`xms_cc`). `cp1`
    /// says that it understands claims challenges; then access tokens live longer and APIs may
    /// refuse them before they expire (continuous access evaluation). The default is none.
    #[must_use]
    pub fn with_client_capabilities<Kind>(mut self, capabilities: impl StringList<Kind>) -> Self {
        self.client_capabilities = capabilities.into_strings();
        self
    }

    /// The algorithms that an ID token, or any other token of the provider's that is verified here,
    /// may be signed with. The default is every [`Algorithm`] that the provider's document lists
    /// (`id_token_signing_alg_values_supported`), and RS256 where it lists none.
    ///
    /// The setting narrows that: of the algorithms named here those count that the document lists.
    /// `IDENTITY_ID_TOKEN_ALGORITHMS` says the same.
    #[must_use]
    pub fn with_id_token_algorithms(
        mut self,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Self {
        self.id_token_algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// An audience that an ID token may have beside the client id. The default is none: a token
    /// that is also for somebody else is refused (OpenID Connect Core section 3.1.3.7, step 3).
    ///
    /// `*` is every audience, for a provider whose tokens are also for applications that are not
    /// known yet (Zitadel). Then, as with every token for several audiences, `azp` has to be the
    /// client id.
    #[must_use]
    pub fn add_trusted_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted_audiences.push(audience.into());
        self
    }

    /// Authentication context classes of which the ID token must have one. The default is none.
    /// They are also asked for, unless [`SignInOptions::with_acr_values`] asks for others.
    #[must_use]
    pub fn with_required_acr<Kind>(mut self, acr: impl StringList<Kind>) -> Self {
        self.required_acr = acr.into_strings();
        self
    }

    /// How long ago an ID token may have been issued (`iat`). The default is no limit beside its
    /// `exp`.
    #[must_use]
    pub fn with_max_token_age(mut self, max_age: Duration) -> Self {
        self.max_token_age = Some(max_age);
        self
    }

    /// How far the provider's clock may be from ours. The default is 60 seconds, the most is 5
    /// minutes.
    #[must_use]
    pub fn with_clock_leeway(mut self, leeway: Duration) -> Self {
        self.clock_leeway = leeway;
        self
    }

    /// The secrets that seal cookies and records, at least 32 bytes each: the first seals, all
    /// open.
    ///
    /// To rotate, put a new one in front and drop the old one when its sessions have ended. Where
    /// several processes share sessions, first add the new one at the end everywhere and then move
    /// it to the front: a process that cannot open a ticket takes its owner for signed out.
    ///
    /// The default is a key derived from a client secret of at least 32 characters; without one it
    /// is random, so that sessions end with the process.
    #[must_use]
    pub fn with_cookie_secrets<S: Into<Secret>>(
        mut self,
        secrets: impl IntoIterator<Item = S>,
    ) -> Self {
        self.cookie_secrets = secrets.into_iter().map(Into::into).collect();
        self
    }

    /// How long an operation of the session store, or of the refresh lock, may take before it
    /// counts as failed. The default is 3 s. The store in this process's memory always answers at
    /// once.
    #[must_use]
    pub fn with_store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// How long a session lives without a request. The default is 24 hours.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long a session lives at all. The default is 7 days.
    #[must_use]
    pub fn with_absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    /// How long the browser keeps the session cookie. The default is [`CookieLifetime::Browser`]:
    /// until it ends.
    ///
    /// ```
    /// use tower_identity::config::{CookieLifetime, IdentityConfig};
    ///
    /// /// People who installed the application on a phone stay signed in for a month.
    /// fn on_phones(config: IdentityConfig) -> IdentityConfig {
    ///     let month = std::time::Duration::from_secs(30 * 24 * 3600);
    ///     config.with_cookie_lifetime(CookieLifetime::Session).with_idle_timeout(month).with_absolute_timeout(month)
    /// }
    /// ```
    #[must_use]
    pub fn with_cookie_lifetime(mut self, lifetime: CookieLifetime) -> Self {
        self.cookie_lifetime = lifetime;
        self
    }

    /// When a session ends that cannot be renewed. The default is [`SessionEnd::OwnLimits`].
    #[must_use]
    pub fn with_session_end(mut self, session_end: SessionEnd) -> Self {
        self.session_end = session_end;
        self
    }

    /// What becomes of the provider's session at sign-out. The default is [`ProviderSession::End`],
    /// with [`SignInMethod::DeviceCode`] it is [`ProviderSession::Keep`].
    #[must_use]
    pub fn with_provider_session(mut self, provider_session: ProviderSession) -> Self {
        self.provider_session = Some(provider_session);
        self
    }
}

/// The scopes of a sign-in where none are named.
fn default_scopes(authority: &Authority) -> &'static [&'static str] {
    match authority.is_microsoft() {
        // `email` is a permission of its own there, for which a tenant may want an administrator's
        // consent.
        true => &["openid", "profile", "offline_access"],
        false => &["openid", "profile", "email", "offline_access"],
    }
}
