//! The configuration from environment variables.

use std::{env, fs, net::SocketAddr, time::Duration};

use super::{
    Algorithm, AzureAdSection, Finding, HmacAlgorithm, IdentityConfig,
    description::Origin,
    env_authority, env_credential, env_names, env_settings,
    setting_table::TABLE,
    variables::{NamedValue, Source, Variables},
};
use crate::{authority::Authority, error::ConfigError};

impl IdentityConfig {
    /// The configuration from environment variables.
    ///
    /// | variable | sets |
    /// |---|---|
    /// | `IDENTITY_AUTHORITY` | the provider, by a URL that [`Authority::parse`](crate::Authority::parse) accepts |
    /// | `IDENTITY_OIDC_AUTHORITY` | the provider, by its issuer: [`Authority::oidc`](crate::Authority::oidc) |
    /// | `IDENTITY_CLIENT_ID` | the client id |
    /// | `IDENTITY_CLIENT_SECRET` | the client secret |
    /// | `IDENTITY_CLIENT_AUTH_METHOD` | `client_secret_basic`, `client_secret_post`, `private_key_jwt`, or `none` for a public client |
    /// | `IDENTITY_CLIENT_CERTIFICATE_FILE` | instead of a secret: a file with private key and certificate, PEM or PFX |
    /// | `IDENTITY_CLIENT_CERTIFICATE_PASSWORD` | the password of that PFX file, or of the encrypted key in that PEM file |
    /// | `IDENTITY_CLIENT_SEND_CERTIFICATE_CHAIN` | `true`: send the certificates in assertions (`x5c`) |
    /// | `IDENTITY_CLIENT_KEY_ID` | the `kid` of the private key at the provider; the file then needs no certificate |
    /// | `IDENTITY_CLIENT_ASSERTION_FILE` | instead of a secret: a file with an assertion, which another program replaces |
    /// | `IDENTITY_ASSERTION_AUDIENCE` | the `aud` of assertions of the private key: `token_endpoint` or `issuer`; if it is not set, the accepted one is found out by a refused request ([`with_assertion_audience`](crate::ClientCredential::with_assertion_audience)) |
    /// | `IDENTITY_TENANTS` | the tenants that may sign in: GUIDs separated by commas or spaces, or `any` |
    /// | `IDENTITY_BASE_URL` | the URL at which browsers reach the application; the default is `http://localhost:` and the port of `LISTEN` (`127.0.0.1:3000`) |
    /// | `IDENTITY_REDIRECT_URI` | the redirect URI, if it is not the base URL and `/auth/callback` |
    /// | `IDENTITY_SCOPE` | scopes beyond the OpenID Connect scopes, separated by spaces |
    /// | `IDENTITY_ID_TOKEN_ALGORITHMS` | the signature algorithms of ID tokens instead of those that the provider lists: `RS256`, `ES256`, `EdDSA`, …, separated by commas or spaces; or `HS256` alone, by the client secret ([`with_id_token_hmac`](Self::with_id_token_hmac)) |
    /// | `IDENTITY_COOKIE_SECRET` | cookie secrets of 32 bytes or more, one on each line, the newest first |
    /// | `IDENTITY_COOKIE_LIFETIME` | how long browsers keep the session cookie: `browser` (the default: until they are closed) or `session` |
    /// | `IDENTITY_SIGN_IN_METHOD` | `redirect` (the default) or `device_code`, which needs no redirect URI |
    /// | `IDENTITY_RESPONSE_MODE` | `query` (the default) or `form_post` |
    /// | `IDENTITY_DEFAULT_ACCESS` | `signed_in` (the default) or `public`, for sites of which most pages are public: [`with_default_access`](Self::with_default_access) |
    /// | `IDENTITY_STORE_TIMEOUT` | the time limit of an operation of the session store, in seconds such as `0.5`; the default is 3: [`with_store_timeout`](Self::with_store_timeout) |
    ///
    /// Settings that a provider or a deployment can require. Lists are separated by spaces, times
    /// are whole seconds:
    ///
    /// | variable | is |
    /// |---|---|
    /// | `IDENTITY_OPENID_SCOPES` | [`with_openid_scopes`](Self::with_openid_scopes) |
    /// | `IDENTITY_TRUSTED_AUDIENCES` | [`add_trusted_audience`](Self::add_trusted_audience) for each |
    /// | `IDENTITY_REQUIRED_ACR` | [`with_required_acr`](Self::with_required_acr) |
    /// | `IDENTITY_CLOCK_LEEWAY`, `IDENTITY_MAX_TOKEN_AGE` | [`with_clock_leeway`](Self::with_clock_leeway), [`with_max_token_age`](Self::with_max_token_age) |
    /// | `IDENTITY_NONCE` | `send` (the default) or `omit`, for a provider that loses the nonce: [`with_nonce`](Self::with_nonce) |
    /// | `IDENTITY_USER_INFO` | `never`, `if_missing` (the default) or `at_sign_in`: [`with_user_info`](Self::with_user_info) |
    /// | `IDENTITY_GROUPS` | `token` or `graph`: [`with_groups`](Self::with_groups) |
    /// | `IDENTITY_CLIENT_CAPABILITIES` | [`with_client_capabilities`](Self::with_client_capabilities) |
    /// | `IDENTITY_PROMPT`, `IDENTITY_LOGIN_HINT`, `IDENTITY_DOMAIN_HINT`, `IDENTITY_MAX_AGE`, `IDENTITY_ACR_VALUES`, `IDENTITY_AUTH_CONTEXT`, `IDENTITY_CLAIMS`, `IDENTITY_UI_LOCALES` | the options of every sign-in: [`SignInOptions`](super::SignInOptions) |
    /// | `IDENTITY_SIGN_IN_PARAMETERS` | additional parameters of the authorization request, as a query: `audience=https%3A%2F%2Fapi.example&organization=org_1` |
    /// | `IDENTITY_SIGN_OUT_PARAMETERS` | additional parameters of the sign-out request, as a query: [`add_sign_out_parameter`](Self::add_sign_out_parameter) |
    /// | `IDENTITY_SIGN_OUT_RETURN_PARAMETER`, `IDENTITY_END_SESSION_ENDPOINT` | [`with_sign_out_return_parameter`](Self::with_sign_out_return_parameter), [`with_end_session_endpoint`](Self::with_end_session_endpoint) |
    /// | `IDENTITY_PROVIDER_SESSION` | `end` or `keep`: [`with_provider_session`](Self::with_provider_session) |
    /// | `IDENTITY_PUBLIC_PATHS`, `IDENTITY_PUBLIC_PREFIXES` | paths without sign-in: [`add_public_path`](Self::add_public_path) and [`add_public_prefix`](Self::add_public_prefix) for each |
    /// | `IDENTITY_PREFLIGHT` | `challenge` (the default) or `pass`: [`with_preflight`](Self::with_preflight) |
    /// | `IDENTITY_PROTECTED_PATHS`, `IDENTITY_PROTECTED_PREFIXES` | paths with sign-in where others have none: [`add_protected_path`](Self::add_protected_path) and [`add_protected_prefix`](Self::add_protected_prefix) for each |
    /// | `IDENTITY_SIGN_IN_PAGE` | [`with_sign_in_page`](Self::with_sign_in_page) |
    /// | `IDENTITY_PAGE_AFTER_SIGN_OUT` | [`with_page_after_sign_out`](Self::with_page_after_sign_out) |
    /// | `IDENTITY_LANGUAGES` | [`with_languages`](Self::with_languages) |
    /// | `IDENTITY_PATH_PREFIX` | `stripped` or `kept`: [`with_path_prefix`](Self::with_path_prefix) |
    /// | `IDENTITY_CALLBACK_PATH`, `IDENTITY_SIGN_IN_PATH`, `IDENTITY_SIGN_OUT_PATH`, `IDENTITY_SIGNED_OUT_PATH`, `IDENTITY_EDIT_PROFILE_PATH`, `IDENTITY_RESET_PASSWORD_PATH` | the paths of the layer: [`with_callback_path`](Self::with_callback_path) and so on |
    /// | `IDENTITY_USER_PATH`, `IDENTITY_USER_CLAIMS` | [`with_user_path`](Self::with_user_path), [`with_user_claims`](Self::with_user_claims) |
    /// | `IDENTITY_SIGNED_OUT_USER` | `unauthorized` (the default) or `no_user`: [`with_signed_out_user`](Self::with_signed_out_user) |
    /// | `IDENTITY_KEPT_FORM_PATH` | [`with_kept_form_path`](Self::with_kept_form_path) |
    /// | `IDENTITY_CROSS_SITE_REQUESTS` | `refuse` (the default) or `allow`: [`with_cross_site_requests`](Self::with_cross_site_requests) |
    /// | `IDENTITY_TRUSTED_ORIGINS` | [`add_trusted_origin`](Self::add_trusted_origin) for each |
    /// | `IDENTITY_CROSS_SITE_PATHS`, `IDENTITY_CROSS_SITE_PREFIXES` | [`add_cross_site_path`](Self::add_cross_site_path) for each, and [`add_cross_site_prefix`](Self::add_cross_site_prefix) |
    /// | `IDENTITY_IDLE_TIMEOUT`, `IDENTITY_ABSOLUTE_TIMEOUT` | [`with_idle_timeout`](Self::with_idle_timeout), [`with_absolute_timeout`](Self::with_absolute_timeout) |
    /// | `IDENTITY_SESSION_END` | `own_limits` or `id_token_expiry`: [`with_session_end`](Self::with_session_end) |
    /// | `IDENTITY_DISCOVERY_URL` | [`with_discovery_url`](Self::with_discovery_url): the URL of the discovery document, if it is not below the issuer |
    /// | `IDENTITY_BACK_CHANNEL` | [`with_back_channel`](Self::with_back_channel): the origin at which the application itself reaches the provider |
    /// | `IDENTITY_AUDIENCE`, `IDENTITY_RESOURCE`, `IDENTITY_API_SCOPES`, `IDENTITY_API_B2C_POLICIES`, `IDENTITY_ACCESS_TOKEN_TYPE`, `IDENTITY_INTROSPECTION` | of an API, read by [`ApiConfig::from_env`](super::ApiConfig::from_env) |
    /// | `IDENTITY_DANGER_ALLOW_HTTP` | `true`: [`danger_allow_http`](Self::danger_allow_http) |
    ///
    /// [`build`](Self::build) logs a warning about any other variable that begins with `IDENTITY_`,
    /// with the name that was probably intended. Variables that Azure sets for managed identities
    /// are excepted. [`describe`](Self::describe) says which variable each value was read from.
    ///
    /// Each secret can also be in a file: add `_FILE` to the name of the variable, and set it to
    /// the path. An empty variable counts as missing.
    ///
    /// Variables of other libraries have the same meaning as those above:
    ///
    /// - those of Python's `identity`: `AUTHORITY`, `OIDC_AUTHORITY`, `CLIENT_ID`, `CLIENT_SECRET`,
    ///   `REDIRECT_URI`, and for B2C `B2C_TENANT_NAME`, `SIGNUPSIGNIN_USER_FLOW`,
    ///   `EDITPROFILE_USER_FLOW` and `RESETPASSWORD_USER_FLOW` (also with `IDENTITY_` before them);
    /// - `AzureAd__Instance`, `AzureAd__TenantId` and the other members of the [`AzureAd`
    ///   section](AzureAdSection), with its defaults, also in capitals;
    /// - `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_AUTHORITY_HOST`,
    ///   and if there is no other credential `AZURE_CLIENT_CERTIFICATE_PATH` (with
    ///   `AZURE_CLIENT_CERTIFICATE_PASSWORD` and `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`) or
    ///   `AZURE_FEDERATED_TOKEN_FILE`. All other variables have precedence over these. They are
    ///   ignored if `AZURE_CLIENT_ID` is not the configured client id, because Azure sets them in
    ///   containers for its own purposes.
    ///
    /// ```no_run
    /// use tower_identity::{IdentityConfig, IdentityLayer};
    ///
    /// let layer = IdentityLayer::new(IdentityConfig::from_env()?.build()?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The provider or the client id is missing, a value cannot be parsed, or two variables
    /// contradict each other; the error names them, [several together](ConfigError::others). A
    /// credential or base URL that alone is missing is reported by [`build`](Self::build), because
    /// they can also be set in code.
    pub fn from_env() -> Result<Self, ConfigError> {
        with_variables(from_variables)
    }
}

/// Calls a reader with the variables of this process.
pub(super) fn with_variables<T>(
    read: impl FnOnce(&Variables<'_>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let names: Vec<String> =
        env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let get = |name: &str| env::var_os(name);
    Variables::new(Source::Environment, &get, &names, &|path| fs::read_to_string(path)).read(read)
}

/// The configuration of an application that signs users in, from all variables together.
pub(super) fn from_variables(all: &Variables<'_>) -> Result<IdentityConfig, ConfigError> {
    let mut config = of_application(all)?;
    if !is_placed(all)? {
        config.notices.extend(forgotten_base_url(all)?);
    }
    Ok(config)
}

/// The same without the warning about a base URL that is not set.
pub(super) fn of_application(all: &Variables<'_>) -> Result<IdentityConfig, ConfigError> {
    all.together(of_client(all, true))
}

/// Whether a variable says at which URL browsers reach the application.
pub(super) fn is_placed(all: &Variables<'_>) -> Result<bool, ConfigError> {
    Ok(all.text("IDENTITY_BASE_URL")?.is_some() || all.one(REDIRECT_URI)?.is_some())
}

const REDIRECT_URI: &[&str] = &["IDENTITY_REDIRECT_URI", "REDIRECT_URI"];

/// The configuration from all variables together. An API needs no credential.
pub(super) fn of_client(
    all: &Variables<'_>,
    needs_credential: bool,
) -> Result<IdentityConfig, ConfigError> {
    let section = AzureAdSection::from_variables(all)?;
    let explicit = all.value(env_authority::explicit(all, &section));
    let named = all.one(&["IDENTITY_CLIENT_ID", "AzureAd__ClientId", "CLIENT_ID"])?;
    let azure = all.text("AZURE_CLIENT_ID")?;
    let known = explicit.as_ref().and_then(Option::as_ref);
    let azure_applies = azure_applies(all, named.as_ref(), azure.as_ref(), known)?;
    let authority = match explicit {
        Some(Some(authority)) => Some(authority),
        Some(None) => all.value(env_authority::of_azure(all, azure_applies)),
        None => None,
    };
    let authority = match authority {
        Some(authority) => authority,
        // The mistake is noted. The other settings do not depend on the provider, and are read for
        // their own mistakes.
        None => Authority::oidc("https://provider.invalid")?,
    };
    let client_id = all.value(client_id(named, azure, azure_applies));
    let credential = all.value(env_credential::credential(all, &section, azure_applies));
    // Beside other missing variables it is named with them. Alone it is left to `build`, because
    // code can set the credential.
    if needs_credential && credential == Some(None) && all.is_one_missing() {
        all.note(ConfigError::missing(
            "IDENTITY_CLIENT_SECRET",
            "set the client secret, unless the application sets its credential in code \
             (`with_credential`) or is a public client (IDENTITY_CLIENT_AUTH_METHOD=none)",
        ));
    }
    let mut config = section.apply(IdentityConfig::new(authority, client_id.unwrap_or_default()));
    config.credential = credential.flatten();
    config = settings(all, config)?;
    config.origin = Origin::variables(config.clone(), all, TABLE);
    Ok(config)
}

/// Whether the `AZURE_*` variables are about this application. Azure sets them in containers,
/// command lines do on the machines of developers, and both can be about another application: so
/// they apply only where no explicit setting says otherwise, and contradict none.
fn azure_applies(
    all: &Variables<'_>,
    named: Option<&NamedValue<String>>,
    azure: Option<&NamedValue<String>>,
    authority: Option<&Authority>,
) -> Result<bool, ConfigError> {
    let applies = match (named, azure) {
        // Those of Entra ID are GUIDs, which are the same in any letter case. The tenant does not
        // matter: an application of one tenant can sign in the users of another.
        (Some(named), Some(azure)) => named.value.eq_ignore_ascii_case(&azure.value),
        _ => {
            let tenant = all.text("AZURE_TENANT_ID")?;
            let can_be = |tenant: NamedValue<String>| {
                authority.is_none_or(|authority| authority.can_be_tenant(&tenant.value))
            };
            tenant.is_none_or(can_be)
        }
    };
    if authority.is_some() || !applies {
        all.ignore("AZURE_TENANT_ID");
    }
    if !applies {
        all.ignore("AZURE_CLIENT_ID");
    }
    Ok(applies)
}

/// The client id. An explicit one has precedence over the one that the platform sets.
fn client_id(
    named: Option<NamedValue<String>>,
    azure: Option<NamedValue<String>>,
    azure_applies: bool,
) -> Result<String, ConfigError> {
    let unused = if azure.is_some() && !azure_applies {
        "; AZURE_CLIENT_ID is not used, because AZURE_TENANT_ID is not the tenant of the \
         configured authority"
    } else {
        ""
    };
    let client_id = named.or(azure.filter(|_| azure_applies)).ok_or_else(|| {
        let set = "set the client id from the registration at the provider";
        ConfigError::missing("IDENTITY_CLIENT_ID", format!("{set}{unused}"))
    })?;
    Ok(client_id.value)
}

/// Applies everything beyond provider, client id and credential.
pub(super) fn settings(
    all: &Variables<'_>,
    config: IdentityConfig,
) -> Result<IdentityConfig, ConfigError> {
    let mut config = env_settings::settings(all, TABLE, config)?;
    config.notices.extend(env_names::unknown(all.names.iter().map(String::as_str)));
    Ok(config)
}

/// Applies the tenants that may sign in.
pub(super) fn tenants(config: IdentityConfig, text: &str) -> Result<IdentityConfig, ConfigError> {
    match text {
        // `any` has to be written out: there is no default that accepts every tenant (D18).
        "any" => Ok(config.with_any_tenant()),
        list => config.with_tenants(list.split([',', ' ']).filter(|tenant| !tenant.is_empty())),
    }
}

/// Applies the algorithms of ID tokens.
pub(super) fn algorithms(
    config: IdentityConfig,
    text: &str,
) -> Result<IdentityConfig, ConfigError> {
    if let Some(hmac) = HmacAlgorithm::named(text.trim()) {
        return Ok(config.with_id_token_hmac(hmac));
    }
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    let parsed: Result<Vec<Algorithm>, ConfigError> = names.map(str::parse).collect();
    Ok(config.with_id_token_algorithms(parsed?))
}

/// Applies the time limit of the session store, which can have fractions of a second.
pub(super) fn store_timeout(
    config: IdentityConfig,
    text: &str,
) -> Result<IdentityConfig, ConfigError> {
    let time = text.parse().ok().and_then(|time| Duration::try_from_secs_f64(time).ok());
    let time = time.ok_or_else(|| {
        let problem = format!("{text:?} is not a number of seconds such as 3 or 0.5");
        ConfigError::new("store_timeout", problem)
    })?;
    Ok(config.with_store_timeout(time))
}

/// Applies base URL and redirect URI.
pub(super) fn addresses(
    all: &Variables<'_>,
    mut config: IdentityConfig,
) -> Result<IdentityConfig, ConfigError> {
    let redirect_uri = all.one(REDIRECT_URI)?;
    let base_url = match (all.text("IDENTITY_BASE_URL")?, &redirect_uri) {
        // Both are missing: the application runs on this machine, for development. A file says
        // where it is written for.
        (None, None) if all.source == Source::Environment => {
            all.value(default_base_url(all)).flatten()
        }
        (base_url, _) => base_url,
    };
    if let Some(base_url) = base_url {
        config = all.with(config, base_url, |config, url| config.with_base_url(url));
    }
    if let Some(redirect_uri) = redirect_uri {
        // The redirect URI has precedence over the default callback path of the `AzureAd` section.
        if all.text("AzureAd__CallbackPath")?.is_none() {
            config.callback_path = None;
        }
        config = all.with(config, redirect_uri, |config, uri| config.with_redirect_uri(uri));
    }
    Ok(config)
}

/// A warning that the default base URL is in use although other machines can reach the application.
fn forgotten_base_url(all: &Variables<'_>) -> Result<Option<Finding>, ConfigError> {
    let Some(listen) = all.text("LISTEN")? else { return Ok(None) };
    let Some(address) =
        listen.value.parse::<SocketAddr>().ok().filter(|address| !address.ip().is_loopback())
    else {
        return Ok(None);
    };
    let text = format!(
        "The application listens on {} for other machines (LISTEN={}), but IDENTITY_BASE_URL is \
         not set, so users are redirected to http://localhost:{}: set it to the URL at which \
         browsers reach the application.",
        address.ip(),
        listen.value,
        address.port()
    );
    Ok(Some(Finding::warning("base_url_not_set", text)))
}

/// `http://localhost:` and the port that the application listens on; `None` if the system chooses
/// it.
fn default_base_url(all: &Variables<'_>) -> Result<Option<NamedValue<String>>, ConfigError> {
    let listen = all
        .text("LISTEN")?
        .unwrap_or_else(|| NamedValue { name: "LISTEN".into(), value: "127.0.0.1:3000".into() });
    let address: SocketAddr = listen.value.parse().map_err(|_| {
        ConfigError::new(
            "LISTEN",
            format!("{:?} is not an address and port such as 127.0.0.1:3000", listen.value),
        )
    })?;
    let value = format!("http://localhost:{}", address.port());
    Ok((address.port() != 0).then_some(NamedValue { name: listen.name, value }))
}

#[cfg(test)]
#[path = "env_aliases_tests.rs"]
mod aliases_tests;
#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "env_values_tests.rs"]
mod values_tests;
