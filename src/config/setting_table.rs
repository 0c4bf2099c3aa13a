//! The table of all settings: the methods and variables that set each, and its value as text.

use std::{fmt, time::Duration};

use url::Url;

use super::{
    ApiConfig, Description, IdentityConfig, SignInMethod, ValidApiConfig, ValidConfig,
    access::PathRule,
    description::{NEW, Setting, SettingValue},
};
#[cfg(any(test, feature = "dev-provider"))]
use super::{description::rows, env_names};
use crate::secret::Secret;

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

type Row = Setting<IdentityConfig>;

const fn row<C>(
    name: &'static str,
    methods: &'static [&'static str],
    variables: &'static [&'static str],
    value: fn(&C) -> SettingValue,
) -> Setting<C> {
    Setting { name, methods, variables, value }
}

/// The settings of an application that signs users in.
pub(super) const TABLE: &[&[Row]] = &[PROVIDER, ADDRESSES, ACCESS, SIGN_IN, TOKENS, SESSIONS];

/// The settings that describe a provider, or a client as it is registered there.
#[cfg(any(test, feature = "dev-provider"))]
const OF_A_CLIENT: &[&str] = &[
    "authority",
    "client_id",
    "credential",
    "tenants",
    "discovery_url",
    "back_channel",
    "redirect_uri",
    "end_session_endpoint",
];

/// Whether a variable describes a provider or a client: then a development provider in its place
/// would hide a mistake. An unknown variable is one of them if it is probably misspelt.
#[cfg(any(test, feature = "dev-provider"))]
pub(super) fn describes_client(name: &str) -> bool {
    let is_unknown = env_names::is_of_crate(name) && !env_names::is_known(name);
    let name = env_names::nearest(name).filter(|_| is_unknown).unwrap_or(name);
    // The platform sets the other `AZURE_*` variables, and so does a command line of Azure: without
    // a client id they are not about this application.
    if name.starts_with("AZURE_") && name != "AZURE_CLIENT_ID" {
        return false;
    }
    name.to_ascii_lowercase().starts_with("azuread__")
        || rows(TABLE).any(|row| OF_A_CLIENT.contains(&row.name) && row.is_named_by(name))
}

/// The settings of an API.
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

const PROVIDER: &[Row] = &[
    row("authority", &[NEW], AUTHORITY, |c| text(&c.authority)),
    row("client_id", &[NEW], CLIENT_ID, |c| text(&c.client_id)),
    row("credential", &["with_credential"], CREDENTIAL, credential),
    row("tenants", &["with_tenants", "with_any_tenant"], &[], |c| optional(c.tenants.as_ref())),
    row("discovery_url", &["with_discovery_url"], &[], |c| url(c.discovery_url.as_ref())),
    row("back_channel", &["with_back_channel"], &[], |c| optional(c.back_channel.as_ref())),
    row("danger_allow_http", &["danger_allow_http"], &[], |c| text(c.danger_http)),
];

const ADDRESSES: &[Row] = &[
    row("base_url", &["with_base_url"], &["LISTEN"], |c| optional(c.base_url.as_ref())),
    row("redirect_uri", &["with_redirect_uri"], &["REDIRECT_URI"], |c| {
        optional(c.redirect_uri.as_ref())
    }),
    row("path_prefix", &["with_path_prefix"], &[], |c| text(c.path_prefix)),
    row("sign_in_path", &["with_sign_in_path"], &[], |c| text(&c.sign_in_path)),
    row("sign_in_page", &["with_sign_in_page"], &[], |c| optional(c.sign_in_page.as_ref())),
    row("callback_path", &["with_callback_path"], &["AzureAd__CallbackPath"], |c| {
        optional(c.callback_path.as_ref())
    }),
    row("sign_out_path", &["with_sign_out_path"], &[], |c| text(&c.sign_out_path)),
    row("signed_out_path", &["with_signed_out_path"], &["AzureAd__SignedOutCallbackPath"], |c| {
        text(&c.signed_out_path)
    }),
    row("page_after_sign_out", &["with_page_after_sign_out"], &[], |c| {
        optional(c.page_after_sign_out.as_ref())
    }),
    row("edit_profile_path", &["with_edit_profile_path"], &[], |c| {
        optional(c.edit_profile_path.as_ref())
    }),
    row("reset_password_path", &["with_reset_password_path"], &[], |c| {
        optional(c.reset_password_path.as_ref())
    }),
    row("languages", &["with_languages"], &[], |c| list(&c.languages)),
];

const ACCESS: &[Row] = &[
    row("default_access", &["with_default_access"], &["AzureAd__DefaultAccess"], |c| {
        text(c.paths.default)
    }),
    row("public_paths", &["add_public_path"], &[], |c| exact(&c.paths.public)),
    row("public_prefixes", &["add_public_prefix"], &[], |c| prefixes(&c.paths.public)),
    row("protected_paths", &["add_protected_path"], &[], |c| exact(&c.paths.protected)),
    row("protected_prefixes", &["add_protected_prefix"], &[], |c| prefixes(&c.paths.protected)),
    row("preflight", &["with_preflight"], &[], |c| text(c.preflight)),
    row("user_path", &["with_user_path"], &[], |c| optional(c.user_path.path.as_ref())),
    row("user_claims", &["with_user_claims"], &[], |c| {
        list(c.user_path.claims().collect::<Vec<_>>())
    }),
    row("signed_out_user", &["with_signed_out_user"], &[], |c| text(c.user_path.signed_out)),
    row("kept_form_path", &["with_kept_form_path"], &[], |c| optional(c.kept_form_path.as_ref())),
    row("cross_site_requests", &["with_cross_site_requests"], &[], |c| text(c.cross_site.requests)),
    row("trusted_origins", &["add_trusted_origin"], &[], |c| list(&c.cross_site.origins)),
    row("cross_site_paths", &["add_cross_site_path"], &[], |c| exact(&c.cross_site.paths)),
    row("cross_site_prefixes", &["add_cross_site_prefix"], &[], |c| prefixes(&c.cross_site.paths)),
];

const SIGN_IN: &[Row] = &[
    row("sign_in_method", &["with_sign_in_method"], &["AzureAd__SignInMethod"], |c| {
        text(c.sign_in_method)
    }),
    row("response_mode", &["with_response_mode"], &[], |c| text(c.response_mode)),
    row("openid_scopes", &["with_openid_scopes"], &[], |c| list(&c.openid_scopes)),
    row("scope", &["with_scopes", "with_sign_in"], &[], |c| list(&c.sign_in.scopes)),
    row("prompt", &["with_sign_in"], &[], |c| list(&c.sign_in.prompt)),
    row("login_hint", &["with_sign_in"], &[], |c| personal(c.sign_in.login_hint.as_ref())),
    row("domain_hint", &["with_sign_in"], &[], |c| optional(c.sign_in.domain_hint.as_ref())),
    row("max_age", &["with_sign_in"], &[], |c| optional(c.sign_in.max_age.map(Seconds))),
    row("acr_values", &["with_sign_in"], &[], |c| list(&c.sign_in.acr_values)),
    row("auth_context", &["with_sign_in"], &[], |c| optional(c.sign_in.auth_context.as_ref())),
    row("claims", &["with_sign_in"], &[], |c| personal(c.sign_in.claims.as_ref())),
    row("ui_locales", &["with_sign_in"], &[], |c| list(&c.sign_in.ui_locales)),
    row("sign_in_parameters", &["with_sign_in"], &[], |c| parameters(&c.sign_in.parameters)),
    row("nonce", &["with_nonce"], &[], |c| text(c.nonce)),
    row("user_info", &["with_user_info"], &[], |c| text(c.user_info)),
    row("groups", &["with_groups"], &[], |c| text(c.groups)),
    row("client_capabilities", &["with_client_capabilities"], CAPABILITIES, |c| {
        list(&c.client_capabilities)
    }),
];

const TOKENS: &[Row] = &[
    row(
        "id_token_algorithms",
        &["with_id_token_algorithms", "with_id_token_hmac"],
        &[],
        algorithms,
    ),
    row("trusted_audiences", &["add_trusted_audience"], &[], |c| list(&c.trusted_audiences)),
    row("required_acr", &["with_required_acr"], &[], |c| list(&c.required_acr)),
    row("max_token_age", &["with_max_token_age"], &[], |c| optional(c.max_token_age.map(Seconds))),
    row("clock_leeway", &["with_clock_leeway"], &[], |c| text(Seconds(c.clock_leeway))),
];

const SESSIONS: &[Row] = &[
    row("cookie_secret", &["with_cookie_secrets"], &[], |c| {
        SettingValue::Secrets(c.cookie_secrets.clone())
    }),
    row("cookie_lifetime", &["with_cookie_lifetime"], &[], |c| text(c.cookie_lifetime)),
    row("idle_timeout", &["with_idle_timeout"], &[], |c| text(Seconds(c.idle_timeout))),
    row("absolute_timeout", &["with_absolute_timeout"], &[], |c| text(Seconds(c.absolute_timeout))),
    row("store_timeout", &["with_store_timeout"], &[], |c| text(Seconds(c.store_timeout))),
    row("session_end", &["with_session_end"], &[], |c| text(c.session_end)),
    row("provider_session", &["with_provider_session"], &[], |c| optional(c.provider_session)),
    row("end_session_endpoint", &["with_end_session_endpoint"], &[], |c| {
        url(c.sign_out.endpoint.as_ref())
    }),
    row("sign_out_return_parameter", &["with_sign_out_return_parameter"], &[], |c| {
        optional(c.sign_out.return_parameter.as_ref())
    }),
    row("sign_out_parameters", &["add_sign_out_parameter"], &[], |c| {
        parameters(&c.sign_out.parameters)
    }),
];

const API: &[Setting<ApiConfig>] = &[
    row("authority", &[NEW], AUTHORITY, |c| text(&c.identity.authority)),
    row("client_id", &[NEW], CLIENT_ID, |c| text(&c.identity.client_id)),
    row("credential", &["with_credential"], CREDENTIAL, |c| credential(&c.identity)),
    row("tenants", &["with_tenants", "with_any_tenant"], &[], |c| {
        optional(c.identity.tenants.as_ref())
    }),
    row(
        "audience",
        &["add_audience", "with_audiences"],
        &["AzureAd__Audience", "AzureAd__Audiences__*"],
        |c| list(c.audiences.iter().flatten().chain(&c.more_audiences)),
    ),
    row("resource", &["with_resource"], &[], |c| optional(c.resource.as_ref())),
    row("api_scopes", &["with_scopes"], &[], |c| list(&c.scopes)),
    row("api_b2c_policies", &["with_b2c_policies"], &[], |c| list(c.policies.iter().flatten())),
    row("access_token_type", &["with_token_type"], &[], |c| text(c.token_type)),
    row("introspection", &["with_introspection"], &[], |c| text(c.introspection)),
    row("client_capabilities", &["with_client_capabilities"], CAPABILITIES, |c| {
        list(&c.identity.client_capabilities)
    }),
    row("id_token_algorithms", &["with_algorithms"], &[], |c| algorithms(&c.identity)),
    row("clock_leeway", &["with_clock_leeway"], &[], |c| text(Seconds(c.identity.clock_leeway))),
    row("public_paths", &["add_public_path"], &[], |c| exact(&c.identity.paths.public)),
    row("public_prefixes", &["add_public_prefix"], &[], |c| prefixes(&c.identity.paths.public)),
    row("preflight", &["with_preflight"], &[], |c| text(c.identity.preflight)),
    row("cookie_secret", &["with_cookie_secrets"], &[], |c| {
        SettingValue::Secrets(c.identity.cookie_secrets.clone())
    }),
    row("discovery_url", &["with_discovery_url"], &[], |c| url(c.identity.discovery_url.as_ref())),
    row("back_channel", &["with_back_channel"], &[], |c| {
        optional(c.identity.back_channel.as_ref())
    }),
    row("danger_allow_http", &["danger_allow_http"], &[], |c| text(c.identity.danger_http)),
];

fn text(value: impl fmt::Display) -> SettingValue {
    SettingValue::Text(value.to_string())
}

fn optional(value: Option<impl fmt::Display>) -> SettingValue {
    value.map_or(SettingValue::Unset, text)
}

fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> SettingValue {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { SettingValue::Unset } else { SettingValue::Text(items.join(" ")) }
}

fn exact(rules: &[PathRule]) -> SettingValue {
    list(rules.iter().filter_map(|rule| match rule {
        PathRule::Exact(path) => Some(path),
        PathRule::Prefix(_) => None,
    }))
}

fn prefixes(rules: &[PathRule]) -> SettingValue {
    list(rules.iter().filter_map(|rule| match rule {
        PathRule::Exact(_) => None,
        PathRule::Prefix(prefix) => Some(prefix),
    }))
}

/// The names are shown alone: a value may be a secret of the registration at the provider.
fn parameters(pairs: &[(String, String)]) -> SettingValue {
    private((!pairs.is_empty()).then(|| {
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (pairs.join(" "), names.join(" "))
    }))
}

/// A URL is shown without its query, which may hold a secret.
fn url(value: Option<&Url>) -> SettingValue {
    private(value.map(|url| {
        let shown = url.as_str().split_once('?').map(|(start, _)| format!("{start}?…"));
        (url.to_string(), shown.unwrap_or_else(|| url.to_string()))
    }))
}

/// A text about a user, or one that may have several lines: it is only shown that it is set.
fn personal(value: Option<&String>) -> SettingValue {
    private(value.map(|value| (value.clone(), "set".to_owned())))
}

fn private(value_and_shown: Option<(String, String)>) -> SettingValue {
    value_and_shown.map_or(SettingValue::Unset, |(value, shown)| SettingValue::Private {
        value: Secret::from(value),
        shown,
    })
}

fn algorithms(config: &IdentityConfig) -> SettingValue {
    match config.id_token_hmac {
        Some(hmac) => text(hmac),
        None => list(config.id_token_algorithms.iter().flatten()),
    }
}

fn credential(config: &IdentityConfig) -> SettingValue {
    config.credential.clone().map_or(SettingValue::Unset, SettingValue::Credential)
}

/// A time in seconds, as the variable has it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}
