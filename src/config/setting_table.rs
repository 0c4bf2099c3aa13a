//! The table of all settings: the methods and variables that set each, how its variable is read,
//! and its value as text.
//!
//! A new setting is a method and a row here, and a line in the documentation of
//! [`IdentityConfig::from_env`] or [`ApiConfig::from_env`]. Its variable, the member of a file and
//! the description follow from the row; tests compare the rows with the methods and with that
//! documentation.

use super::{
    ApiConfig, Description, IdentityConfig, SignInMethod, SignInOptions, ValidApiConfig,
    ValidConfig,
    description::{NEW, Setting, SettingValue},
    env,
    env_settings::Reader,
    env_settings::Reader::{
        Choice, EachParsed, EachWord, Flag, Items, Json, Lines, Own, Parameters, Parsed, Text,
        Together, WholeSeconds, Words,
    },
    setting_value::{
        Seconds, algorithms, credential, exact, list, optional, parameters, personal, prefixes,
        text, url,
    },
};
use crate::error::ConfigError;

impl IdentityConfig {
    /// Every setting with its value and where it was set: the variable by its name, the member of a
    /// file, the method, or the default. Secrets are not part of it.
    ///
    /// [`ValidConfig::describe`](super::ValidConfig::describe) has the values that
    /// [`build`](Self::build) derived as well. The layer logs it at debug level when it starts.
    ///
    /// ```no_run
    /// let config = tower_identity::IdentityConfig::from_env()?;
    /// println!("{}", config.describe());
    /// # Ok::<_, tower_identity::ConfigError>(())
    /// ```
    ///
    /// ```text
    /// authority = https://id.example.com (IDENTITY_AUTHORITY)
    /// client_id = 6731de76-14a6-49ae-97bc-6eba6914391e (AZURE_CLIENT_ID)
    /// credential = a secret (IDENTITY_CLIENT_SECRET_FILE)
    /// base_url = https://app.example.com/ (with_base_url in place of IDENTITY_BASE_URL)
    /// sign_in_path = /auth/login (default)
    /// IDENTITY_SCOPES has no effect: it is not a variable of this crate; is IDENTITY_SCOPE meant?
    /// ```
    #[must_use]
    pub fn describe(&self) -> Description {
        let initial = Self::new(self.authority.clone(), "");
        self.origin.describe(self, &initial, TABLE)
    }
}

impl ValidConfig {
    /// Every setting with the value that is in effect and where it was set: see
    /// [`IdentityConfig::describe`].
    #[must_use]
    pub fn describe(&self) -> Description {
        let described = self
            .description()
            .clone()
            .with_derived("cookie_secret", self.cookie_key_source())
            .with_derived("idle_timeout", Seconds(self.idle_timeout()));
        match self.sign_in_method() {
            SignInMethod::Redirect => described.with_derived("redirect_uri", self.redirect_uri()),
            SignInMethod::DeviceCode => described,
        }
    }

    /// Logs the settings at debug level. Variables that only an API reads are noted where this
    /// layer has none.
    pub(crate) fn log(&self, has_api: bool) {
        tracing::debug!(settings = %self.describe(), "the settings in use");
        if !has_api {
            for finding in self.description().api_variables() {
                tracing::info!(code = finding.code(), "{finding}");
            }
        }
    }
}

impl ApiConfig {
    /// Every setting of the API with its value and where it was set: see
    /// [`IdentityConfig::describe`]. The layer logs it at debug level when it starts.
    #[must_use]
    pub fn describe(&self) -> Description {
        let initial = Self::new(self.identity.authority.clone(), "");
        self.origin.describe(self, &initial, API_TABLE)
    }
}

impl ValidApiConfig {
    /// Every setting of the API with its value and where it was set: see
    /// [`IdentityConfig::describe`].
    #[must_use]
    pub fn describe(&self) -> Description {
        self.description().clone()
    }

    /// Logs the settings at debug level.
    pub(crate) fn log(&self) {
        tracing::debug!(settings = %self.description(), "the settings of the API in use");
    }
}

type C = IdentityConfig;
type Row = Setting<C>;

const fn row<C>(
    name: &'static str,
    methods: &'static [&'static str],
    variables: &'static [&'static str],
    reader: Reader<C>,
    value: fn(&C) -> SettingValue,
) -> Setting<C> {
    Setting { name, methods, variables, reader, value }
}

/// The settings of an application that signs users in.
pub(super) const TABLE: &[&[Row]] = &[PROVIDER, ADDRESSES, ACCESS, SIGN_IN, TOKENS, SESSIONS];

/// The settings of an API. Those without a reader are also read for an application, by [`TABLE`].
pub(super) const API_TABLE: &[&[Setting<ApiConfig>]] = &[API];

const AUTHORITY: &[&str] = &[
    "AUTHORITY",
    "IDENTITY_OIDC_AUTHORITY",
    "OIDC_AUTHORITY",
    "AzureAd__Instance",
    "AzureAd__Authority",
    "AzureAd__TenantId",
    "AzureAd__Domain",
    "AzureAd__SignUpSignInPolicyId",
    "AzureAd__ResetPasswordPolicyId",
    "AzureAd__EditProfilePolicyId",
    "IDENTITY_B2C_TENANT_NAME",
    "B2C_TENANT_NAME",
    "IDENTITY_SIGNUPSIGNIN_USER_FLOW",
    "SIGNUPSIGNIN_USER_FLOW",
    "IDENTITY_EDITPROFILE_USER_FLOW",
    "EDITPROFILE_USER_FLOW",
    "IDENTITY_RESETPASSWORD_USER_FLOW",
    "RESETPASSWORD_USER_FLOW",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
];

const CLIENT_ID: &[&str] = &["AzureAd__ClientId", "CLIENT_ID", "AZURE_CLIENT_ID"];

const CREDENTIAL: &[&str] = &[
    "IDENTITY_CLIENT_SECRET",
    "CLIENT_SECRET",
    "IDENTITY_CLIENT_AUTH_METHOD",
    "IDENTITY_CLIENT_CERTIFICATE_FILE",
    "IDENTITY_CLIENT_CERTIFICATE_PASSWORD",
    "IDENTITY_CLIENT_SEND_CERTIFICATE_CHAIN",
    "IDENTITY_CLIENT_KEY_ID",
    "IDENTITY_CLIENT_ASSERTION_FILE",
    "IDENTITY_ASSERTION_AUDIENCE",
    "AzureAd__ClientSecret",
    "AzureAd__ClientCertificates__*",
    "AzureAd__ClientCredentials__*",
    "AzureAd__SendX5C",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
    "AZURE_FEDERATED_TOKEN_FILE",
];

const CAPABILITIES: &[&str] = &["AzureAd__ClientCapabilities__*"];

/// Sets an option of every sign-in.
fn sign_in(
    mut config: IdentityConfig,
    set: impl FnOnce(SignInOptions) -> SignInOptions,
) -> IdentityConfig {
    config.sign_in = set(config.sign_in);
    config
}

fn prompt(config: IdentityConfig, it: &str) -> Result<IdentityConfig, ConfigError> {
    let prompt = it.parse()?;
    Ok(sign_in(config, |options| options.add_prompt(prompt)))
}

#[rustfmt::skip]
const PROVIDER: &[Row] = &[
    row("authority", &[NEW], AUTHORITY, Together, |c| text(&c.authority)),
    row("client_id", &[NEW], CLIENT_ID, Together, |c| text(&c.client_id)),
    row("credential", &["with_credential"], CREDENTIAL, Together, credential),
    row("tenants", &["with_tenants", "with_any_tenant"], &[],
        Items(env::tenants), |c| optional(c.tenants.as_ref())),
    row("discovery_url", &["with_discovery_url"], &[],
        Parsed(C::with_discovery_url), |c| url(c.discovery_url.as_ref())),
    row("back_channel", &["with_back_channel"], &[],
        Parsed(C::with_back_channel), |c| optional(c.back_channel.as_ref())),
    row("danger_allow_http", &["danger_allow_http"], &[],
        Flag(C::danger_allow_http), |c| text(c.danger_http)),
];

#[rustfmt::skip]
const ADDRESSES: &[Row] = &[
    row("base_url", &["with_base_url"], &["LISTEN"],
        Own(env::addresses), |c| optional(c.base_url.as_ref())),
    row("redirect_uri", &["with_redirect_uri"], &["REDIRECT_URI"],
        Together, |c| optional(c.redirect_uri.as_ref())),
    row("path_prefix", &["with_path_prefix"], &[],
        Choice(|c, it| Ok(c.with_path_prefix(it.parse()?))), |c| text(c.path_prefix)),
    row("sign_in_path", &["with_sign_in_path"], &[],
        Text(C::with_sign_in_path), |c| text(&c.sign_in_path)),
    row("sign_in_page", &["with_sign_in_page"], &[],
        Text(C::with_sign_in_page), |c| optional(c.sign_in_page.as_ref())),
    row("callback_path", &["with_callback_path"], &["AzureAd__CallbackPath"],
        Text(C::with_callback_path), |c| optional(c.callback_path.as_ref())),
    row("sign_out_path", &["with_sign_out_path"], &[],
        Text(C::with_sign_out_path), |c| text(&c.sign_out_path)),
    row("signed_out_path", &["with_signed_out_path"], &["AzureAd__SignedOutCallbackPath"],
        Text(C::with_signed_out_path), |c| text(&c.signed_out_path)),
    row("page_after_sign_out", &["with_page_after_sign_out"], &[],
        Text(C::with_page_after_sign_out), |c| optional(c.page_after_sign_out.as_ref())),
    row("edit_profile_path", &["with_edit_profile_path"], &[],
        Text(C::with_edit_profile_path), |c| optional(c.edit_profile_path.as_ref())),
    row("reset_password_path", &["with_reset_password_path"], &[],
        Text(C::with_reset_password_path), |c| optional(c.reset_password_path.as_ref())),
    row("languages", &["with_languages"], &[], Words(C::with_languages), |c| list(&c.languages)),
];

#[rustfmt::skip]
const ACCESS: &[Row] = &[
    row("default_access", &["with_default_access"], &["AzureAd__DefaultAccess"],
        Choice(|c, it| Ok(c.with_default_access(it.parse()?))), |c| text(c.paths.default)),
    row("public_paths", &["add_public_path"], &[],
        EachWord(C::add_public_path), |c| exact(&c.paths.public)),
    row("public_prefixes", &["add_public_prefix"], &[],
        EachWord(C::add_public_prefix), |c| prefixes(&c.paths.public)),
    row("protected_paths", &["add_protected_path"], &[],
        EachWord(C::add_protected_path), |c| exact(&c.paths.protected)),
    row("protected_prefixes", &["add_protected_prefix"], &[],
        EachWord(C::add_protected_prefix), |c| prefixes(&c.paths.protected)),
    row("preflight", &["with_preflight"], &[],
        Choice(|c, it| Ok(c.with_preflight(it.parse()?))), |c| text(c.preflight)),
    row("user_path", &["with_user_path"], &[],
        Text(C::with_user_path), |c| optional(c.user_path.path.as_ref())),
    row("user_claims", &["with_user_claims"], &[],
        Words(C::with_user_claims), |c| list(c.user_path.claims().collect::<Vec<_>>())),
    row("signed_out_user", &["with_signed_out_user"], &[],
        Choice(|c, it| Ok(c.with_signed_out_user(it.parse()?))), |c| text(c.user_path.signed_out)),
    row("kept_form_path", &["with_kept_form_path"], &[],
        Text(C::with_kept_form_path), |c| optional(c.kept_form_path.as_ref())),
    row("cross_site_requests", &["with_cross_site_requests"], &[],
        Choice(|c, it| Ok(c.with_cross_site_requests(it.parse()?))),
        |c| text(c.cross_site.requests)),
    row("trusted_origins", &["add_trusted_origin"], &[],
        EachParsed(C::add_trusted_origin), |c| list(&c.cross_site.origins)),
    row("cross_site_paths", &["add_cross_site_path"], &[],
        EachWord(C::add_cross_site_path), |c| exact(&c.cross_site.paths)),
    row("cross_site_prefixes", &["add_cross_site_prefix"], &[],
        EachWord(C::add_cross_site_prefix), |c| prefixes(&c.cross_site.paths)),
];

#[rustfmt::skip]
const SIGN_IN: &[Row] = &[
    row("sign_in_method", &["with_sign_in_method"], &["AzureAd__SignInMethod"],
        Choice(|c, it| Ok(c.with_sign_in_method(it.parse()?))), |c| text(c.sign_in_method)),
    row("response_mode", &["with_response_mode"], &[],
        Choice(|c, it| Ok(c.with_response_mode(it.parse()?))), |c| text(c.response_mode)),
    row("openid_scopes", &["with_openid_scopes"], &[],
        Words(C::with_openid_scopes), |c| list(&c.openid_scopes)),
    row("scope", &["with_scopes", "with_sign_in"], &[],
        Words(|c, it| sign_in(c, |options| options.with_scopes(it))), |c| list(&c.sign_in.scopes)),
    row("prompt", &["with_sign_in"], &[], EachParsed(prompt), |c| list(&c.sign_in.prompt)),
    row("login_hint", &["with_sign_in"], &[],
        Text(|c, it| sign_in(c, |options| options.with_login_hint(it))),
        |c| personal(c.sign_in.login_hint.as_ref())),
    row("domain_hint", &["with_sign_in"], &[],
        Text(|c, it| sign_in(c, |options| options.with_domain_hint(it))),
        |c| optional(c.sign_in.domain_hint.as_ref())),
    row("max_age", &["with_sign_in"], &[],
        WholeSeconds(|c, it| sign_in(c, |options| options.with_max_age(it))),
        |c| optional(c.sign_in.max_age.map(Seconds))),
    row("acr_values", &["with_sign_in"], &[],
        Words(|c, it| sign_in(c, |options| options.with_acr_values(it))),
        |c| list(&c.sign_in.acr_values)),
    row("auth_context", &["with_sign_in"], &[],
        Text(|c, it| sign_in(c, |options| options.with_auth_context(it))),
        |c| optional(c.sign_in.auth_context.as_ref())),
    row("claims", &["with_sign_in"], &[],
        Json(|c, it| sign_in(c, |options| options.with_claims(it))),
        |c| personal(c.sign_in.claims.as_ref())),
    row("ui_locales", &["with_sign_in"], &[],
        Words(|c, it| sign_in(c, |options| options.with_ui_locales(it))),
        |c| list(&c.sign_in.ui_locales)),
    row("sign_in_parameters", &["with_sign_in"], &[],
        Parameters(|c, name, value| sign_in(c, |options| options.add_parameter(name, value))),
        |c| parameters(&c.sign_in.parameters)),
    row("nonce", &["with_nonce"], &[],
        Choice(|c, it| Ok(c.with_nonce(it.parse()?))), |c| text(c.nonce)),
    row("user_info", &["with_user_info"], &[],
        Choice(|c, it| Ok(c.with_user_info(it.parse()?))), |c| text(c.user_info)),
    row("groups", &["with_groups"], &[],
        Choice(|c, it| Ok(c.with_groups(it.parse()?))), |c| text(c.groups)),
    row("client_capabilities", &["with_client_capabilities"], CAPABILITIES,
        Words(C::with_client_capabilities), |c| list(&c.client_capabilities)),
];

#[rustfmt::skip]
const TOKENS: &[Row] = &[
    row("id_token_algorithms", &["with_id_token_algorithms", "with_id_token_hmac"], &[],
        Items(env::algorithms), algorithms),
    row("trusted_audiences", &["add_trusted_audience"], &[],
        EachWord(C::add_trusted_audience), |c| list(&c.trusted_audiences)),
    row("required_acr", &["with_required_acr"], &[],
        Words(C::with_required_acr), |c| list(&c.required_acr)),
    row("max_token_age", &["with_max_token_age"], &[],
        WholeSeconds(C::with_max_token_age), |c| optional(c.max_token_age.map(Seconds))),
    row("clock_leeway", &["with_clock_leeway"], &[],
        WholeSeconds(C::with_clock_leeway), |c| text(Seconds(c.clock_leeway))),
];

#[rustfmt::skip]
const SESSIONS: &[Row] = &[
    row("cookie_secret", &["with_cookie_secrets"], &[],
        Lines(C::with_cookie_secrets), |c| SettingValue::Secrets(c.cookie_secrets.clone())),
    row("cookie_lifetime", &["with_cookie_lifetime"], &[],
        Choice(|c, it| Ok(c.with_cookie_lifetime(it.parse()?))), |c| text(c.cookie_lifetime)),
    row("idle_timeout", &["with_idle_timeout"], &[],
        WholeSeconds(C::with_idle_timeout), |c| text(Seconds(c.idle_timeout))),
    row("absolute_timeout", &["with_absolute_timeout"], &[],
        WholeSeconds(C::with_absolute_timeout), |c| text(Seconds(c.absolute_timeout))),
    row("store_timeout", &["with_store_timeout"], &[],
        Parsed(env::store_timeout), |c| text(Seconds(c.store_timeout))),
    row("session_end", &["with_session_end"], &[],
        Choice(|c, it| Ok(c.with_session_end(it.parse()?))), |c| text(c.session_end)),
    row("provider_session", &["with_provider_session"], &[],
        Choice(|c, it| Ok(c.with_provider_session(it.parse()?))), |c| optional(c.provider_session)),
    row("end_session_endpoint", &["with_end_session_endpoint"], &[],
        Parsed(C::with_end_session_endpoint), |c| url(c.sign_out.endpoint.as_ref())),
    row("sign_out_return_parameter", &["with_sign_out_return_parameter"], &[],
        Text(C::with_sign_out_return_parameter),
        |c| optional(c.sign_out.return_parameter.as_ref())),
    row("sign_out_parameters", &["add_sign_out_parameter"], &[],
        Parameters(C::add_sign_out_parameter), |c| parameters(&c.sign_out.parameters)),
];

#[rustfmt::skip]
const API: &[Setting<ApiConfig>] = &[
    row("authority", &[NEW], AUTHORITY, Together, |c| text(&c.identity.authority)),
    row("client_id", &[NEW], CLIENT_ID, Together, |c| text(&c.identity.client_id)),
    row("credential", &["with_credential"], CREDENTIAL, Together, |c| credential(&c.identity)),
    row("tenants", &["with_tenants", "with_any_tenant"], &[],
        Together, |c| optional(c.identity.tenants.as_ref())),
    row("audience", &["add_audience", "with_audiences"],
        &["AzureAd__Audience", "AzureAd__Audiences__*"],
        EachWord(ApiConfig::add_audience),
        |c| list(c.audiences.iter().flatten().chain(&c.more_audiences))),
    row("resource", &["with_resource"], &[],
        Parsed(ApiConfig::with_resource), |c| optional(c.resource.as_ref())),
    row("api_scopes", &["with_scopes"], &[], Words(ApiConfig::with_scopes), |c| list(&c.scopes)),
    row("api_b2c_policies", &["with_b2c_policies"], &[],
        Words(ApiConfig::with_b2c_policies), |c| list(c.policies.iter().flatten())),
    row("access_token_type", &["with_token_type"], &[],
        Choice(|c, it| Ok(c.with_token_type(it.parse()?))), |c| text(c.token_type)),
    row("introspection", &["with_introspection"], &[],
        Choice(|c, it| Ok(c.with_introspection(it.parse()?))), |c| text(c.introspection)),
    row("client_capabilities", &["with_client_capabilities"], CAPABILITIES,
        Together, |c| list(&c.identity.client_capabilities)),
    row("id_token_algorithms", &["with_algorithms"], &[], Together, |c| algorithms(&c.identity)),
    row("clock_leeway", &["with_clock_leeway"], &[],
        Together, |c| text(Seconds(c.identity.clock_leeway))),
    row("public_paths", &["add_public_path"], &[], Together, |c| exact(&c.identity.paths.public)),
    row("public_prefixes", &["add_public_prefix"], &[],
        Together, |c| prefixes(&c.identity.paths.public)),
    row("preflight", &["with_preflight"], &[], Together, |c| text(c.identity.preflight)),
    row("cookie_secret", &["with_cookie_secrets"], &[],
        Together, |c| SettingValue::Secrets(c.identity.cookie_secrets.clone())),
    row("discovery_url", &["with_discovery_url"], &[],
        Together, |c| url(c.identity.discovery_url.as_ref())),
    row("back_channel", &["with_back_channel"], &[],
        Together, |c| optional(c.identity.back_channel.as_ref())),
    row("danger_allow_http", &["danger_allow_http"], &[],
        Together, |c| text(c.identity.danger_http)),
];
