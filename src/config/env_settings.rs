//! The variables of single settings, each with the effect of the method of the same name.

use std::{str::FromStr, time::Duration};

use super::{
    IdentityConfig, SignInOptions,
    variables::{NamedValue, Variables},
};
use crate::error::ConfigError;

/// Applies the settings other than provider, client, credential and URLs.
pub(super) fn settings(
    all: &Variables<'_>,
    mut config: IdentityConfig,
) -> Result<IdentityConfig, ConfigError> {
    config = paths(all, config)?;
    config = cross_site(all, config)?;
    config = sign_in(all, config)?;
    config = tokens(all, config)?;
    config = sessions(all, config)?;
    if let Some(url) = all.text("IDENTITY_DISCOVERY_URL")? {
        config = all.with(config, url, |config, url| config.with_discovery_url(url));
    }
    if let Some(url) = all.text("IDENTITY_BACK_CHANNEL")? {
        config = all.with(config, url, |config, url| config.with_back_channel(url));
    }
    if all.flag("IDENTITY_DANGER_ALLOW_HTTP")? {
        config = config.danger_allow_http();
    }
    Ok(config)
}

fn paths(all: &Variables<'_>, mut config: IdentityConfig) -> Result<IdentityConfig, ConfigError> {
    if let Some(prefix) = choice(all, &["IDENTITY_PATH_PREFIX"])? {
        config = config.with_path_prefix(prefix);
    }
    if let Some(access) = choice(all, &["IDENTITY_DEFAULT_ACCESS", "AzureAd__DefaultAccess"])? {
        config = config.with_default_access(access);
    }
    type Setter = fn(IdentityConfig, String) -> IdentityConfig;
    let setters: [(&str, Setter); 10] = [
        ("IDENTITY_SIGN_IN_PATH", IdentityConfig::with_sign_in_path),
        ("IDENTITY_SIGN_IN_PAGE", IdentityConfig::with_sign_in_page),
        ("IDENTITY_CALLBACK_PATH", IdentityConfig::with_callback_path),
        ("IDENTITY_SIGN_OUT_PATH", IdentityConfig::with_sign_out_path),
        ("IDENTITY_SIGNED_OUT_PATH", IdentityConfig::with_signed_out_path),
        ("IDENTITY_PAGE_AFTER_SIGN_OUT", IdentityConfig::with_page_after_sign_out),
        ("IDENTITY_EDIT_PROFILE_PATH", IdentityConfig::with_edit_profile_path),
        ("IDENTITY_RESET_PASSWORD_PATH", IdentityConfig::with_reset_password_path),
        ("IDENTITY_USER_PATH", IdentityConfig::with_user_path),
        ("IDENTITY_KEPT_FORM_PATH", IdentityConfig::with_kept_form_path),
    ];
    for (name, set) in setters {
        if let Some(path) = all.text(name)? {
            config = set(config, path.value);
        }
    }
    let rules: [(&str, Setter); 4] = [
        ("IDENTITY_PUBLIC_PATHS", IdentityConfig::add_public_path),
        ("IDENTITY_PUBLIC_PREFIXES", IdentityConfig::add_public_prefix),
        ("IDENTITY_PROTECTED_PATHS", IdentityConfig::add_protected_path),
        ("IDENTITY_PROTECTED_PREFIXES", IdentityConfig::add_protected_prefix),
    ];
    for (name, add) in rules {
        config = add_words(all, config, name, add)?;
    }
    if let Some(tags) = words(all, "IDENTITY_LANGUAGES")? {
        config = config.with_languages(tags.value);
    }
    if let Some(preflight) = choice(all, &["IDENTITY_PREFLIGHT"])? {
        config = config.with_preflight(preflight);
    }
    if let Some(claims) = words(all, "IDENTITY_USER_CLAIMS")? {
        config = config.with_user_claims(claims.value);
    }
    if let Some(answer) = choice(all, &["IDENTITY_SIGNED_OUT_USER"])? {
        config = config.with_signed_out_user(answer);
    }
    Ok(config)
}

fn cross_site(
    all: &Variables<'_>,
    mut config: IdentityConfig,
) -> Result<IdentityConfig, ConfigError> {
    if let Some(requests) = choice(all, &["IDENTITY_CROSS_SITE_REQUESTS"])? {
        config = config.with_cross_site_requests(requests);
    }
    if let Some(origins) = words(all, "IDENTITY_TRUSTED_ORIGINS")? {
        for value in origins.value {
            let origin = NamedValue { name: origins.name.clone(), value };
            config = all.with(config, origin, |config, origin| config.add_trusted_origin(origin));
        }
    }
    config =
        add_words(all, config, "IDENTITY_CROSS_SITE_PATHS", IdentityConfig::add_cross_site_path)?;
    add_words(all, config, "IDENTITY_CROSS_SITE_PREFIXES", IdentityConfig::add_cross_site_prefix)
}

fn sign_in(all: &Variables<'_>, mut config: IdentityConfig) -> Result<IdentityConfig, ConfigError> {
    if let Some(scopes) = words(all, "IDENTITY_OPENID_SCOPES")? {
        config = config.with_openid_scopes(scopes.value);
    }
    let mut options = std::mem::take(&mut config.sign_in);
    if let Some(scopes) = words(all, "IDENTITY_SCOPE")? {
        options = options.with_scopes(scopes.value);
    }
    if let Some(prompts) = words(all, "IDENTITY_PROMPT")? {
        for value in prompts.value {
            let prompt = NamedValue { name: prompts.name.clone(), value };
            options = all.with(options, prompt, |options, it| Ok(options.add_prompt(it.parse()?)));
        }
    }
    type Setter = fn(SignInOptions, String) -> SignInOptions;
    let setters: [(&str, Setter); 4] = [
        ("IDENTITY_LOGIN_HINT", SignInOptions::with_login_hint),
        ("IDENTITY_DOMAIN_HINT", SignInOptions::with_domain_hint),
        ("IDENTITY_AUTH_CONTEXT", SignInOptions::with_auth_context),
        ("IDENTITY_CLAIMS", SignInOptions::with_claims),
    ];
    for (name, set) in setters {
        if let Some(text) = all.text(name)? {
            options = set(options, text.value);
        }
    }
    if let Some(age) = seconds(all, "IDENTITY_MAX_AGE")? {
        options = options.with_max_age(age);
    }
    if let Some(acr) = words(all, "IDENTITY_ACR_VALUES")? {
        options = options.with_acr_values(acr.value);
    }
    if let Some(locales) = words(all, "IDENTITY_UI_LOCALES")? {
        options = options.with_ui_locales(locales.value);
    }
    for (name, value) in pairs(all, "IDENTITY_SIGN_IN_PARAMETERS")? {
        options = options.add_parameter(name, value);
    }
    config.sign_in = options;
    Ok(config)
}

fn tokens(all: &Variables<'_>, mut config: IdentityConfig) -> Result<IdentityConfig, ConfigError> {
    config =
        add_words(all, config, "IDENTITY_TRUSTED_AUDIENCES", IdentityConfig::add_trusted_audience)?;
    if let Some(acr) = words(all, "IDENTITY_REQUIRED_ACR")? {
        config = config.with_required_acr(acr.value);
    }
    if let Some(age) = seconds(all, "IDENTITY_MAX_TOKEN_AGE")? {
        config = config.with_max_token_age(age);
    }
    if let Some(leeway) = seconds(all, "IDENTITY_CLOCK_LEEWAY")? {
        config = config.with_clock_leeway(leeway);
    }
    if let Some(nonce) = choice(all, &["IDENTITY_NONCE"])? {
        config = config.with_nonce(nonce);
    }
    if let Some(user_info) = choice(all, &["IDENTITY_USER_INFO"])? {
        config = config.with_user_info(user_info);
    }
    if let Some(groups) = choice(all, &["IDENTITY_GROUPS"])? {
        config = config.with_groups(groups);
    }
    if let Some(capabilities) = words(all, "IDENTITY_CLIENT_CAPABILITIES")? {
        config = config.with_client_capabilities(capabilities.value);
    }
    Ok(config)
}

fn sessions(
    all: &Variables<'_>,
    mut config: IdentityConfig,
) -> Result<IdentityConfig, ConfigError> {
    if let Some(timeout) = seconds(all, "IDENTITY_IDLE_TIMEOUT")? {
        config = config.with_idle_timeout(timeout);
    }
    if let Some(timeout) = seconds(all, "IDENTITY_ABSOLUTE_TIMEOUT")? {
        config = config.with_absolute_timeout(timeout);
    }
    if let Some(end) = choice(all, &["IDENTITY_SESSION_END"])? {
        config = config.with_session_end(end);
    }
    if let Some(session) = choice(all, &["IDENTITY_PROVIDER_SESSION"])? {
        config = config.with_provider_session(session);
    }
    if let Some(endpoint) = all.text("IDENTITY_END_SESSION_ENDPOINT")? {
        config = all.with(config, endpoint, |config, url| config.with_end_session_endpoint(url));
    }
    if let Some(name) = all.text("IDENTITY_SIGN_OUT_RETURN_PARAMETER")? {
        config = config.with_sign_out_return_parameter(name.value);
    }
    for (name, value) in pairs(all, "IDENTITY_SIGN_OUT_PARAMETERS")? {
        config = config.add_sign_out_parameter(name, value);
    }
    Ok(config)
}

/// Adds each word of a list.
pub(super) fn add_words<C>(
    all: &Variables<'_>,
    config: C,
    name: &str,
    add: impl FnMut(C, String) -> C,
) -> Result<C, ConfigError> {
    Ok(words(all, name)?.into_iter().flat_map(|words| words.value).fold(config, add))
}

/// The words of a list that is separated by spaces.
pub(super) fn words(
    all: &Variables<'_>,
    name: &str,
) -> Result<Option<NamedValue<Vec<String>>>, ConfigError> {
    let Some(text) = all.text(name)? else { return Ok(None) };
    let value: Vec<String> = text.value.split_whitespace().map(str::to_owned).collect();
    // A comma would become part of a word that the provider does not know.
    if let Some(word) = value.iter().find(|word| word.contains(',')) {
        let problem =
            format!("{word:?} contains a comma: separate the words of this list by spaces");
        all.note(ConfigError::new(text.name, problem));
        return Ok(None);
    }
    Ok(Some(NamedValue { name: text.name, value }))
}

/// A whole number of seconds.
fn seconds(all: &Variables<'_>, name: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = all.text(name)? else { return Ok(None) };
    let seconds = text.value.parse().map(Duration::from_secs).map_err(|_| {
        let problem = format!("{:?} is not a whole number of seconds, such as 3600", text.value);
        ConfigError::new(text.name, problem)
    });
    Ok(all.value(seconds))
}

/// One of a few words, as a value.
pub(super) fn choice<T: FromStr<Err = ConfigError>>(
    all: &Variables<'_>,
    names: &[&str],
) -> Result<Option<T>, ConfigError> {
    let Some(text) = all.one(names)? else { return Ok(None) };
    Ok(all.value(text.value.parse().map_err(|error: ConfigError| error.named(text.name))))
}

/// Parameters in the form of a query: `audience=https%3A%2F%2Fapi.example&organization=org_1`.
fn pairs(all: &Variables<'_>, name: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let Some(text) = all.text(name)? else { return Ok(Vec::new()) };
    let query = text.value.strip_prefix('?').unwrap_or(&text.value);
    Ok(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}
