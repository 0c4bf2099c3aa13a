//! [`IdentityConfig`]: the settings as data, before they are checked.

use std::time::Duration;

use url::Url;

use super::{
    Algorithm, ClientCredential, CookieLifetime, GroupsFrom, HmacAlgorithm, PathPrefix, Preflight,
    ProviderSession, ResponseMode, SessionEnd, SignInMethod, SignInNonce, SignInOptions, UserInfo,
    access::PathRules, description::Origin,
};
use crate::{
    authority::{Authority, Tenants},
    error::ConfigError,
    secret::Secret,
    strings::StringList,
};

/// The settings for sign-in and sessions, as plain data that can be cloned, compared and printed
/// (secrets are redacted).
///
/// Required are the provider and the client id (arguments of [`new`](Self::new)), the credential
/// ([`with_credential`](Self::with_credential)) and the base URL
/// ([`with_base_url`](Self::with_base_url)). [`build`](Self::build) checks the settings together;
/// its errors say how to correct them.
///
/// ```
/// use tower_identity::{
///     Authority,
///     config::{ClientCredential, IdentityConfig},
/// };
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
/// # From a file
///
/// It can be deserialized from any serde source (TOML, JSON, YAML, …). A member has the name of the
/// environment variable without `IDENTITY_`, in lower case: [`from_env`](Self::from_env) lists
/// them. Lists are lists, [parameters](SignInOptions::add_parameter) and
/// [claims](SignInOptions::with_claims) are tables, times are whole seconds. An unknown member is
/// an error, which names the setting that is probably meant.
///
/// ```
/// use tower_identity::IdentityConfig;
///
/// let config: IdentityConfig = serde_json::from_str(r#"{
///     "authority": "https://login.microsoftonline.com/contoso.onmicrosoft.com",
///     "client_id": "6731de76-14a6-49ae-97bc-6eba6914391e",
///     "client_secret": "from a vault",
///     "base_url": "https://app.example.com",
///     "scope": ["User.Read"],
///     "public_paths": ["/"],
///     "public_prefixes": ["/assets/"],
///     "idle_timeout": 3600
/// }"#)?;
/// let config = config.build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A source with the members of an [`AzureAd` section](super::AzureAdSection) is read as one. To
/// have both, put the section into the member `azure_ad`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "super::members::Members")]
pub struct IdentityConfig {
    pub(super) authority: Authority,
    pub(super) client_id: String,
    pub(super) credential: Option<ClientCredential>,
    pub(super) tenants: Option<Tenants>,
    pub(super) base_url: Option<Url>,
    pub(super) redirect_uri: Option<Url>,
    pub(super) path_prefix: PathPrefix,
    pub(super) sign_in_path: String,
    pub(super) sign_in_page: Option<String>,
    pub(super) page_after_sign_out: Option<String>,
    pub(super) callback_path: Option<String>,
    pub(super) sign_out_path: String,
    pub(super) signed_out_path: String,
    pub(super) edit_profile_path: Option<String>,
    pub(super) reset_password_path: Option<String>,
    pub(super) paths: PathRules,
    pub(super) user_path: super::UserPath,
    /// `None`: no form is kept.
    pub(super) kept_form_path: Option<String>,
    pub(super) cross_site: super::cross_site::CrossSiteSettings,
    pub(super) preflight: Preflight,
    pub(super) sign_in_method: SignInMethod,
    pub(super) response_mode: ResponseMode,
    pub(super) openid_scopes: Vec<String>,
    /// Whether they are configured. Otherwise those that the provider does not support are removed.
    pub(super) openid_scopes_named: bool,
    pub(super) sign_in: SignInOptions,
    pub(super) nonce: SignInNonce,
    pub(super) user_info: UserInfo,
    pub(super) groups: GroupsFrom,
    pub(super) client_capabilities: Vec<String>,
    pub(super) id_token_algorithms: Option<Vec<Algorithm>>,
    pub(super) id_token_hmac: Option<HmacAlgorithm>,
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
    /// The tags of the languages of the pages; empty for all.
    pub(super) languages: Vec<String>,
    /// `None`: the default of the sign-in method.
    pub(super) provider_session: Option<ProviderSession>,
    pub(super) sign_out: super::SignOutRequest,
    pub(super) back_channel: Option<Url>,
    pub(super) discovery_url: Option<Url>,
    pub(super) danger_http: bool,
    /// Whether the application has no pages, and so no redirect URI that is used.
    pub(super) without_pages: bool,
    /// Findings from where the settings were read.
    pub(super) notices: Vec<super::Finding>,
    /// Where the settings were read.
    pub(super) origin: Origin<Self>,
}

impl IdentityConfig {
    /// Settings for sign-in at `authority` as the application `client_id`, with all defaults.
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
            sign_in_page: None,
            page_after_sign_out: None,
            callback_path: None,
            sign_out_path: "/auth/logout".into(),
            signed_out_path: "/auth/signed-out".into(),
            edit_profile_path: None,
            reset_password_path: None,
            paths: PathRules::default(),
            user_path: super::UserPath::default(),
            kept_form_path: None,
            cross_site: super::cross_site::CrossSiteSettings::default(),
            preflight: Preflight::default(),
            sign_in_method: SignInMethod::default(),
            response_mode: ResponseMode::default(),
            openid_scopes,
            openid_scopes_named: false,
            sign_in: SignInOptions::default(),
            nonce: SignInNonce::default(),
            user_info: UserInfo::default(),
            groups: GroupsFrom::default(),
            client_capabilities: Vec::new(),
            id_token_algorithms: None,
            id_token_hmac: None,
            trusted_audiences: Vec::new(),
            required_acr: Vec::new(),
            max_token_age: None,
            // RFC 7519 section 4.1.4 allows a leeway of no more than a few minutes; one is enough
            // for clocks that are synchronised by NTP.
            clock_leeway: Duration::from_secs(60),
            cookie_secrets: Vec::new(),
            idle_timeout: Duration::from_secs(24 * 3600),
            store_timeout: Duration::from_secs(3),
            absolute_timeout: Duration::from_secs(7 * 24 * 3600),
            cookie_lifetime: CookieLifetime::default(),
            session_end: SessionEnd::default(),
            languages: Vec::new(),
            provider_session: None,
            sign_out: super::SignOutRequest::default(),
            back_channel: None,
            discovery_url: None,
            danger_http: false,
            without_pages: false,
            notices: Vec::new(),
            origin: Origin::default(),
        }
    }

    /// Sets the credential with which the application authenticates at the provider. There is no
    /// default: for a public client pass [`ClientCredential::none`].
    #[must_use]
    pub fn with_credential(mut self, credential: ClientCredential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Sets the tenants whose users may sign in, as GUIDs.
    ///
    /// An authority for several tenants (`common`, `organizations`) needs either this or
    /// [`with_any_tenant`](Self::with_any_tenant).
    ///
    /// # Errors
    ///
    /// The list is empty, or a value is not a GUID.
    pub fn with_tenants<Kind>(
        mut self,
        tenants: impl StringList<Kind>,
    ) -> Result<Self, ConfigError> {
        self.tenants = Some(Tenants::only(tenants.items())?);
        Ok(self)
    }

    /// Allows users of every tenant in the world to sign in.
    ///
    /// # Security
    ///
    /// The owner of a tenant can create accounts in it with any name and e-mail address. Decide on
    /// access by [`tenants`](Self::with_tenants) or by `(tid, oid)`, never by e-mail (security rule
    /// 10).
    #[must_use]
    pub fn with_any_tenant(mut self) -> Self {
        self.tenants = Some(Tenants::any());
        self
    }

    /// Sets the URL at which browsers reach the application, for example `https://example.com` or
    /// `https://example.com/app`. The callback, sign-out and return URLs are below it. `Host` and
    /// `X-Forwarded-*` are never read (security rule 8).
    ///
    /// `http` is accepted for loopback hosts only. A path is the prefix under which a proxy
    /// publishes the application, see [`with_path_prefix`](Self::with_path_prefix).
    ///
    /// # Errors
    ///
    /// `base_url` is not such a URL, or has a query, a fragment or credentials.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self, ConfigError> {
        self.base_url = Some(super::address::base_url(base_url)?);
        Ok(self)
    }

    /// Sets the redirect URI, if it is not the base URL followed by the callback path. It must be
    /// below the base URL, because the layer has to receive the callback.
    ///
    /// The default is base URL + callback path. If no base URL is set, the origin of the redirect
    /// URI is used.
    ///
    /// # Errors
    ///
    /// `redirect_uri` is not an absolute `https` URL (`http` is accepted for loopback hosts), has a
    /// fragment or query, or its path is only `/`.
    pub fn with_redirect_uri(mut self, redirect_uri: &str) -> Result<Self, ConfigError> {
        self.redirect_uri = Some(super::address::redirect_uri(redirect_uri)?);
        Ok(self)
    }

    /// Sets how the reverse proxy forwards the path of the base URL. The default is
    /// [`PathPrefix::Stripped`].
    #[must_use]
    pub fn with_path_prefix(mut self, path_prefix: PathPrefix) -> Self {
        self.path_prefix = path_prefix;
        self
    }

    /// Sets the path that starts a sign-in, relative to the base URL. The default is `/auth/login`.
    #[must_use]
    pub fn with_sign_in_path(mut self, path: impl Into<String>) -> Self {
        self.sign_in_path = path.into();
        self
    }

    /// Sets a page of the application, relative to the base URL, to which people who have to sign
    /// in are sent first, for example `/welcome`. The default is none: they are sent to the
    /// provider.
    ///
    /// - The page is public by this setting. It gets the page to return to as the parameter
    ///   `return_to`, and links to the [sign-in path](Self::with_sign_in_path) with the same
    ///   parameter, which accepts only paths of this site. It may offer more than one link,
    ///   for example one with `account=other`.
    /// - Scripts get the URL of the page in their 401, HTMX in `HX-Redirect`.
    /// - A step-up or consent of a signed-in user goes straight to the provider. A guard on the
    ///   page itself does so, too, so that there is no loop.
    ///
    /// [The guide](crate::guide::own_pages) shows such a page.
    #[must_use]
    pub fn with_sign_in_page(mut self, path: impl Into<String>) -> Self {
        self.sign_in_page = Some(path.into());
        self
    }

    /// Sets the path of the callback from the provider, relative to the base URL. The default is
    /// `/auth/callback`, or the path of the redirect URI.
    #[must_use]
    pub fn with_callback_path(mut self, path: impl Into<String>) -> Self {
        self.callback_path = Some(path.into());
        self
    }

    /// Sets the path that starts a sign-out, relative to the base URL. The default is
    /// `/auth/logout`.
    #[must_use]
    pub fn with_sign_out_path(mut self, path: impl Into<String>) -> Self {
        self.sign_out_path = path.into();
        self
    }

    /// Sets the path to which the provider sends the browser back after sign-out, relative to the
    /// base URL. It is public, and the layer answers it: with a page that says that the user is
    /// signed out, or with a redirect to
    /// [the application's page](Self::with_page_after_sign_out). The default is `/auth/signed-out`.
    #[must_use]
    pub fn with_signed_out_path(mut self, path: impl Into<String>) -> Self {
        self.signed_out_path = path.into();
        self
    }

    /// Sets the path that starts editing of a B2C profile, relative to the base URL. The default is
    /// `/auth/edit-profile`. It exists only if the authority has a policy for it.
    #[must_use]
    pub fn with_edit_profile_path(mut self, path: impl Into<String>) -> Self {
        self.edit_profile_path = Some(path.into());
        self
    }

    /// Sets the path that starts the reset of a B2C password, relative to the base URL. The default
    /// is `/auth/reset-password`. It exists only if the authority has a policy for it.
    #[must_use]
    pub fn with_reset_password_path(mut self, path: impl Into<String>) -> Self {
        self.reset_password_path = Some(path.into());
        self
    }

    /// Sets the answer to a CORS preflight for a protected path. The default is
    /// [`Preflight::Challenge`].
    #[must_use]
    pub fn with_preflight(mut self, preflight: Preflight) -> Self {
        self.preflight = preflight;
        self
    }

    /// Sets how the user gets to the provider and back. The default is [`SignInMethod::Redirect`];
    /// [`SignInMethod::DeviceCode`] needs no redirect URI.
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

    /// Sets how the provider returns the authorization response. The default is
    /// [`ResponseMode::Query`].
    #[must_use]
    pub fn with_response_mode(mut self, response_mode: ResponseMode) -> Self {
        self.response_mode = response_mode;
        self
    }

    /// Sets the OpenID Connect scopes of the sign-in. The default is `openid`, `profile`, `email`
    /// and `offline_access`. At Microsoft's providers it has no `email`, which may need the consent
    /// of an administrator. `offline_access` requests a refresh token, with which sessions are
    /// renewed.
    ///
    /// A default scope is omitted if the discovery document has a list of scopes
    /// (`scopes_supported`) without it, and `offline_access` if there is only a list of grants
    /// (`grant_types_supported`) without `refresh_token`. Scopes that are set here or by
    /// [`with_scopes`](Self::with_scopes) are always sent. Google gets `access_type=offline` in
    /// place of `offline_access`. No other scope is ever added.
    #[must_use]
    pub fn with_openid_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.openid_scopes = scopes.into_strings();
        self.openid_scopes_named = true;
        self
    }

    /// Sets the options of every sign-in. The default is [`SignInOptions::new`].
    #[must_use]
    pub fn with_sign_in(mut self, options: SignInOptions) -> Self {
        self.sign_in = options;
        self
    }

    /// Sets the scopes beyond the OpenID Connect scopes, for example `User.Read`: the same as
    /// [`SignInOptions::with_scopes`].
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.sign_in = self.sign_in.with_scopes(scopes);
        self
    }

    /// Sets whether a sign-in has a `nonce`. The default is [`SignInNonce::Send`]; the other value
    /// is for a provider that does not put the nonce into the ID token.
    ///
    /// ```
    /// use tower_identity::{Authority, ClientCredential, IdentityConfig, config::SignInNonce};
    ///
    /// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "client-id")
    ///     .with_credential(ClientCredential::secret("the-secret"))
    ///     .with_base_url("https://app.example.com")?
    ///     .with_nonce(SignInNonce::Omit)
    ///     .build()?;
    /// # Ok::<_, tower_identity::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_nonce(mut self, nonce: SignInNonce) -> Self {
        self.nonce = nonce;
        self
    }

    /// Sets whether claims are requested from the UserInfo endpoint. The default is
    /// [`UserInfo::IfMissing`].
    #[must_use]
    pub fn with_user_info(mut self, user_info: UserInfo) -> Self {
        self.user_info = user_info;
        self
    }

    /// Sets the source of the user's groups, which matters for users in more groups than a token
    /// lists. The default is [`GroupsFrom::Token`].
    #[must_use]
    pub fn with_groups(mut self, groups: GroupsFrom) -> Self {
        self.groups = groups;
        self
    }

    /// Sets the client capabilities, which are sent to Entra ID with every token request
    /// (`xms_cc`).
    /// `cp1` declares that the application handles claims challenges. Access tokens then live
    /// longer, and APIs can reject them before they expire (continuous access evaluation). The
    /// default is none.
    #[must_use]
    pub fn with_client_capabilities<Kind>(mut self, capabilities: impl StringList<Kind>) -> Self {
        self.client_capabilities = capabilities.into_strings();
        self
    }

    /// Sets the algorithms that may sign an ID token, or any other token of the provider that is
    /// verified here. The default is every [`Algorithm`] in the discovery document
    /// (`id_token_signing_alg_values_supported`), and RS256 if it lists none.
    ///
    /// The setting takes the place of that list: it narrows it, and it corrects a document that
    /// does not list what the provider signs with. The key must be in the provider's key set in
    /// either case. The variable is `IDENTITY_ID_TOKEN_ALGORITHMS`.
    #[must_use]
    pub fn with_id_token_algorithms(
        mut self,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Self {
        self.id_token_algorithms = Some(algorithms.into_iter().collect());
        self.id_token_hmac = None;
        self
    }

    /// Accepts ID tokens (and signed UserInfo responses) that are signed with the client secret by
    /// this algorithm, and no others, for a provider that cannot sign with a private key. The
    /// variable is `IDENTITY_ID_TOKEN_ALGORITHMS`, with `HS256`, `HS384` or `HS512` alone.
    ///
    /// OpenID Connect Core 1.0 sections 3.1.3.7 (step 8) and 10.1. The key is the client secret and
    /// never one of the provider's public keys. Several secrets, of
    /// [`ClientCredential::first_of`](crate::ClientCredential::first_of), are all tried.
    ///
    /// # Security
    ///
    /// Each party that knows the client secret can then make ID tokens for any user, so prefer a
    /// signing key at the provider (authentik: *Signing Key* of the provider; FusionAuth: the key
    /// of the application's ID token). A short secret can be guessed from one token, so `build`
    /// refuses one that is shorter than the hash: 32, 48 or 64 bytes (RFC 7518 section 3.2).
    #[must_use]
    pub fn with_id_token_hmac(mut self, algorithm: HmacAlgorithm) -> Self {
        self.id_token_hmac = Some(algorithm);
        self.id_token_algorithms = None;
        self
    }

    /// Adds an audience that an ID token may have besides the client id. By default there is none:
    /// a token that is also for other audiences is refused (OpenID Connect Core 1.0 section
    /// 3.1.3.7, rule 3).
    ///
    /// `*` allows every audience, for a provider whose tokens are also for applications that are
    /// not known in advance (Zitadel). A token with an audience that is trusted by `*` only must
    /// have the client id as its `azp`. Where every other audience is named, the claim may be
    /// missing (Oracle Identity Cloud), and has to be the client id if it is there.
    #[must_use]
    pub fn add_trusted_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted_audiences.push(audience.into());
        self
    }

    /// Sets the authentication context classes of which the ID token must have one. The default is
    /// none. They are also requested, unless [`SignInOptions::with_acr_values`] requests others.
    #[must_use]
    pub fn with_required_acr<Kind>(mut self, acr: impl StringList<Kind>) -> Self {
        self.required_acr = acr.into_strings();
        self
    }

    /// Sets the maximum age of an ID token by its `iat`. By default only its `exp` limits it.
    #[must_use]
    pub fn with_max_token_age(mut self, max_age: Duration) -> Self {
        self.max_token_age = Some(max_age);
        self
    }

    /// Sets the accepted difference between this clock and the provider's. The default is 60
    /// seconds, the maximum 5 minutes.
    #[must_use]
    pub fn with_clock_leeway(mut self, leeway: Duration) -> Self {
        self.clock_leeway = leeway;
        self
    }

    /// Sets the secrets under which cookies and stored records are sealed, at least 32 bytes each.
    /// The first seals; all of them open.
    ///
    /// To rotate, insert a new secret in front, and remove the old one when its sessions have
    /// ended. If several processes share sessions, first append the new secret in every process and
    /// then move it to the front: a process treats a cookie that it cannot open as signed out.
    ///
    /// The default is derived from a client secret of at least 32 characters. Without one it is
    /// random, so that sessions end with the process.
    #[must_use]
    pub fn with_cookie_secrets<S: Into<Secret>>(
        mut self,
        secrets: impl IntoIterator<Item = S>,
    ) -> Self {
        self.cookie_secrets = secrets.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time limit for one operation of the session store or of the refresh lock. The
    /// default is 3 seconds. The in-memory store answers immediately and needs no limit. With a
    /// refresh lock do not make it longer: a lease survives an operation that hangs only with a
    /// short limit.
    #[must_use]
    pub fn with_store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Sets the time without a request after which a session ends. The default is 24 hours.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets the time after sign-in at which a session ends. The default is 7 days.
    #[must_use]
    pub fn with_absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    /// Sets how long the browser keeps the session cookie. The default is
    /// [`CookieLifetime::Browser`]: until it is closed.
    ///
    /// ```
    /// use tower_identity::config::{CookieLifetime, IdentityConfig};
    ///
    /// /// For an application that users install on a phone, where they stay signed in for a month.
    /// fn on_phones(config: IdentityConfig) -> IdentityConfig {
    ///     let month = std::time::Duration::from_secs(30 * 24 * 3600);
    ///     config
    ///         .with_cookie_lifetime(CookieLifetime::Session)
    ///         .with_idle_timeout(month)
    ///         .with_absolute_timeout(month)
    /// }
    /// ```
    #[must_use]
    pub fn with_cookie_lifetime(mut self, lifetime: CookieLifetime) -> Self {
        self.cookie_lifetime = lifetime;
        self
    }

    /// Sets the languages of the application as BCP 47 tags, the default one first: those that the
    /// [pages](crate::pages) of the layer speak, and that are handed on to the provider
    /// (`ui_locales`) where the browser prefers one of them. The default is every language that has
    /// [texts](crate::pages::Language), with English first.
    ///
    /// A sign-in hands on the languages of the browser that are among these and that the provider
    /// lists (`ui_locales_supported`), unless [`SignInOptions::with_ui_locales`] sets others. Entra
    /// ID gets none, because it documents no such parameter and reads the browser's own header;
    /// Azure AD B2C documents it.
    #[must_use]
    pub fn with_languages<Kind>(mut self, tags: impl StringList<Kind>) -> Self {
        self.languages = tags.into_strings();
        self
    }

    /// Sets when a session ends that cannot be renewed. The default is [`SessionEnd::OwnLimits`].
    #[must_use]
    pub fn with_session_end(mut self, session_end: SessionEnd) -> Self {
        self.session_end = session_end;
        self
    }

    /// Sets the effect of sign-out on the session at the provider. The default is
    /// [`ProviderSession::End`], and [`ProviderSession::Keep`] with [`SignInMethod::DeviceCode`].
    #[must_use]
    pub fn with_provider_session(mut self, provider_session: ProviderSession) -> Self {
        self.provider_session = Some(provider_session);
        self
    }
}

/// The OpenID Connect scopes of a sign-in if none are configured.
fn default_scopes(authority: &Authority) -> &'static [&'static str] {
    match authority.is_microsoft() {
        // Microsoft's `email` is a permission of its own, for which a tenant may require the
        // consent of an administrator.
        true => &["openid", "profile", "offline_access"],
        false => &["openid", "profile", "email", "offline_access"],
    }
}
