//! [`IdentityConfig::build`]: the checks that make a [`ValidConfig`].

use aws_lc_rs::digest;

use super::{
    CookieKeys, GroupsFrom, IdentityConfig, PathPrefix, Paths, ProviderSession, PublicPaths,
    ResponseMode, ReturnPath, SignInMethod, ValidConfig,
    access::PathRule,
    address::Site,
    deployment::{Environment, resource_of_scope},
    path,
    setting_table::TABLE,
    sign_in::{check_scope, check_words},
    valid::ValidConfigParts,
};
use crate::{error::ConfigError, languages, secret};

/// The maximum clock leeway, in seconds: a clock that differs more has to be corrected.
const MAX_LEEWAY_SECONDS: u64 = 300;

impl IdentityConfig {
    /// Checks everything that can be checked without a request to the provider.
    ///
    /// # Errors
    ///
    /// A setting is missing, contradicts another, has no effect or would be unsafe. The error names
    /// the setting and how to correct it.
    pub fn build(self) -> Result<ValidConfig, ConfigError> {
        self.build_in(&|name| std::env::var_os(name))
    }

    /// [`build`](Self::build) with an environment as argument.
    pub(super) fn build_in(self, environment: Environment<'_>) -> Result<ValidConfig, ConfigError> {
        let settings = self.clone();
        self.checked(environment)
            .map_err(|error| settings.origin.explained(error, &settings, TABLE))
    }

    fn checked(mut self, environment: Environment<'_>) -> Result<ValidConfig, ConfigError> {
        let description = self.describe();
        self.set_connection()?;
        self.check_client()?;
        self.check_tokens()?;
        self.check_times()?;
        let tenants = self.authority.check_tenants(self.tenants.as_ref())?;
        self.check_sign_in_method()?;
        // A device authorization request cannot carry `acr_values`. The ID token is checked anyway.
        if self.sign_in.acr_values.is_empty() && self.sign_in_method == SignInMethod::Redirect {
            self.sign_in.acr_values.clone_from(&self.required_acr);
        }
        self.sign_in.check()?;
        self.check_languages()?;
        self.check_default_scope()?;
        self.check_sign_out()?;
        self.user_path.check()?;
        let credential = self.credential.clone().ok_or_else(|| {
            ConfigError::missing(
                "credential",
                "pass `ClientCredential::secret(…)` (IDENTITY_CLIENT_SECRET), or \
                 `ClientCredential::none()` for a public client (IDENTITY_CLIENT_AUTH_METHOD=none)",
            )
        })?;
        credential.check(&self.authority)?;

        let site = Site::new(
            self.base_url.as_ref(),
            self.redirect_uri.as_ref(),
            self.callback_path.as_deref(),
        )?;
        self.check_base_url(&site)?;
        let paths = self.own_paths(&site)?;
        let public_paths = self.public_paths(&site, &paths)?;
        let request_prefix = self.request_prefix(&site).to_owned();
        let cross_site = self.cross_site.rules(&site.origin, &request_prefix)?;
        let base_url = site.base_url();
        let cookie_keys = CookieKeys::choose(
            &self.cookie_secrets,
            credential.client_secret(),
            &self.client_id,
            &base_url,
        )?;
        let notices = self.surroundings(&site, environment);
        // Logged here and reported by `check` as well: `build` is the only step that every
        // application runs.
        for notice in &notices {
            tracing::warn!(code = notice.code(), "{notice}");
        }
        Ok(ValidConfig::new(ValidConfigParts {
            notices,
            description,
            redirect_uri: site.url(&site.callback_path),
            signed_out_url: site.url(&self.signed_out_path),
            home: ReturnPath::parse(&format!("{}/", site.prefix)).unwrap_or_else(ReturnPath::home),
            cookie_id: cookie_id(&[&self.client_id, self.authority.name(), &base_url]),
            secure: site.is_secure(),
            base_url,
            origin: site.origin,
            external_prefix: site.prefix,
            public_paths,
            cross_site,
            credential,
            tenants,
            paths,
            cookie_keys,
            // A device code may have been entered in another browser, whose session at the provider
            // this application must not end by default.
            provider_session: self.provider_session.unwrap_or(match self.sign_in_method {
                SignInMethod::Redirect => ProviderSession::End,
                SignInMethod::DeviceCode => ProviderSession::Keep,
            }),
            sign_in_page: self.sign_in_page.as_ref().map(|page| format!("{request_prefix}{page}")),
            settings: self,
        }))
    }

    /// [`build`](Self::build) for an application without pages, which needs no base URL.
    pub(crate) fn without_pages(mut self) -> Result<ValidConfig, ConfigError> {
        if self.base_url.is_none() && self.redirect_uri.is_none() {
            self = self.with_base_url("http://localhost")?;
        }
        self.without_pages = true;
        self.build()
    }

    fn check_client(&self) -> Result<(), ConfigError> {
        // `client-id` of RFC 6749 appendix A.1 is VSCHAR; the space is excluded here.
        if self.client_id.is_empty() || !self.client_id.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ConfigError::new(
                "client_id",
                format!(
                    "{:?} is empty or has characters that a client id cannot contain",
                    self.client_id
                ),
            ));
        }
        for audience in &self.trusted_audiences {
            // OpenID Connect Core 1.0 section 3.1.3.7, rule 3: `aud` must contain the client id in
            // any case.
            if audience.is_empty() || *audience == self.client_id {
                return Err(ConfigError::new(
                    "trusted_audiences",
                    format!("{audience:?} has no effect: the client id itself is always required"),
                ));
            }
        }
        Ok(())
    }

    fn check_languages(&self) -> Result<(), ConfigError> {
        match self.languages.iter().find(|tag| !languages::is_tag(tag)) {
            Some(tag) => Err(ConfigError::new(
                "languages",
                format!("{tag:?} is not a language tag such as `de` or `pt-BR` (BCP 47)"),
            )),
            None => Ok(()),
        }
    }

    /// Checks that the settings fit the sign-in method `device_code`.
    fn check_sign_in_method(&self) -> Result<(), ConfigError> {
        if self.sign_in_method == SignInMethod::Redirect {
            return Ok(());
        }
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        // Refused here, because the discovery document, which would show it, is not read by
        // `build`.
        if self.authority.b2c_policies().is_some() {
            return wrong(
                "sign_in_method",
                "Azure AD B2C has no device authorization endpoint, which `device_code` needs: \
                 remove it and register the redirect URI"
                    .into(),
            );
        }
        if let Some(redirect_uri) = &self.redirect_uri {
            return wrong(
                "redirect_uri",
                format!(
                    "{redirect_uri} has no effect with the sign-in method `device_code`: set the \
                     base URL instead, or remove the method"
                ),
            );
        }
        if self.response_mode != ResponseMode::Query {
            return wrong(
                "response_mode",
                format!(
                    "{} has no effect with the sign-in method `device_code`, which has no \
                     authorization response: remove one of them",
                    self.response_mode
                ),
            );
        }
        match self.sign_in.unsupported_by_device_code(self.authority.is_microsoft()) {
            Some(option) => wrong(
                "sign_in",
                format!(
                    "{option} cannot be requested with the sign-in method `device_code` (RFC 8628 \
                     section 3.1): remove one of them"
                ),
            ),
            None => Ok(()),
        }
    }

    fn check_tokens(&mut self) -> Result<(), ConfigError> {
        let wrong =
            |setting: &'static str, problem: &'static str| Err(ConfigError::new(setting, problem));
        for scope in &self.openid_scopes {
            check_scope("openid_scopes", scope)?;
        }
        let has = |name: &str| self.openid_scopes.iter().any(|scope| scope == name);
        // OpenID Connect Core 1.0 section 3.1.2.1: the scope `openid` is required.
        if !has("openid") {
            return wrong(
                "openid_scopes",
                "without `openid` there is no ID token (OpenID Connect Core section 3.1.2.1): add \
                 it",
            );
        }
        // The user's key at Entra ID is `(tid, oid)`, and `oid` needs the scope `profile` (security
        // rule 10).
        if self.authority.is_microsoft()
            && self.authority.b2c_policies().is_none()
            && !has("profile")
        {
            return wrong(
                "openid_scopes",
                "without `profile` Entra ID omits `oid`, which identifies the user: add it",
            );
        }
        // An empty list must not be read as "any algorithm" (RFC 8725 section 3.1).
        if self.id_token_algorithms.as_ref().is_some_and(Vec::is_empty) {
            return wrong(
                "id_token_algorithms",
                "the list is empty, so no ID token could be accepted: remove the setting to allow \
                 those that the provider lists",
            );
        }
        if self.groups == GroupsFrom::Graph && self.authority.graph(None).is_none() {
            return wrong(
                "groups",
                "this authority has no Microsoft Graph, so the setting would have no effect: \
                 remove it",
            );
        }
        check_words("required_acr", &self.required_acr)
    }

    /// Checks that `.default` is the only scope of its API. It stands for all configured
    /// permissions, and Entra ID refuses it together with others (AADSTS70011).
    fn check_default_scope(&self) -> Result<(), ConfigError> {
        let is_default = |scope: &&str| *scope == ".default" || scope.ends_with("/.default");
        let Some(default) = self.api_scopes().find(is_default) else { return Ok(()) };
        match self.api_scopes().find(|scope| {
            !is_default(scope) && resource_of_scope(scope) == resource_of_scope(default)
        }) {
            Some(other) => Err(ConfigError::new(
                "scopes",
                format!(
                    "{default:?} stands for every permission of its API that the registration \
                     has, and Entra ID refuses it together with another scope of the same API, \
                     {other:?} (AADSTS70011): remove one (`with_scopes`, IDENTITY_SCOPE)"
                ),
            )),
            None => Ok(()),
        }
    }

    /// Checks that the base URL does not end in a path of the layer: a redirect URI pasted as base
    /// URL would put the callback below itself.
    fn check_base_url(&self, site: &Site) -> Result<(), ConfigError> {
        let own = [
            ("callback", site.callback_path.as_str()),
            ("sign-in", self.sign_in_path.as_str()),
            ("sign-out", self.sign_out_path.as_str()),
            ("signed-out", self.signed_out_path.as_str()),
        ];
        let ends = |path: &str| path.len() > 1 && site.prefix.strip_suffix(path).is_some();
        match own.into_iter().find(|(_, path)| ends(path)) {
            Some((purpose, path)) => {
                let base = site.base_url();
                let intended = base.strip_suffix(path).unwrap_or(&base).to_owned();
                Err(ConfigError::new(
                    "base_url",
                    format!(
                        "{base:?} ends in the {purpose} path {path:?}, which is appended to it: \
                         set the URL at which browsers reach the application, {intended:?} \
                         (`with_base_url`, IDENTITY_BASE_URL), and the redirect URI, if it is not \
                         that URL followed by {:?}, by `with_redirect_uri` (IDENTITY_REDIRECT_URI)",
                        site.callback_path
                    ),
                ))
            }
            None => Ok(()),
        }
    }

    fn check_times(&mut self) -> Result<(), ConfigError> {
        for (setting, time) in [
            ("idle_timeout", Some(self.idle_timeout)),
            ("absolute_timeout", Some(self.absolute_timeout)),
            ("max_token_age", self.max_token_age),
        ] {
            if time.is_some_and(|time| time.as_secs() == 0) {
                return Err(ConfigError::new(
                    setting,
                    "shorter than a second: no session or token would ever be valid",
                ));
            }
        }
        // Fractions of a second are allowed here, so the check above does not apply.
        if self.store_timeout.is_zero() {
            return Err(ConfigError::new(
                "store_timeout",
                "zero: no store could answer in time; the default is 3 seconds",
            ));
        }
        if self.clock_leeway.as_secs() > MAX_LEEWAY_SECONDS {
            return Err(ConfigError::new(
                "clock_leeway",
                format!(
                    "more than {MAX_LEEWAY_SECONDS} seconds would accept tokens that have long \
                     expired: correct the clock instead"
                ),
            ));
        }
        // A session never outlives its absolute timeout, however active it is.
        self.idle_timeout = self.idle_timeout.min(self.absolute_timeout);
        Ok(())
    }

    /// The paths of the layer, in the form in which requests have them.
    fn own_paths(&self, site: &Site) -> Result<Paths, ConfigError> {
        let at = |path: &str| format!("{}{path}", self.request_prefix(site));
        let policies = self.authority.b2c_policies().map(|(policies, _)| policies);
        let optional = |setting: &'static str,
                        path: &Option<String>,
                        default: &str,
                        policy: Option<&String>| match (path, policy) {
            (Some(path), None) => Err(ConfigError::new(
                setting,
                format!("{path:?} has no effect: the authority has no B2C policy for it"),
            )),
            (_, None) => Ok(None),
            (path, Some(_)) => Ok(Some(at(path.as_deref().unwrap_or(default)))),
        };
        let (edit_profile, reset_password) = (
            policies.and_then(|all| all.edit_profile.as_ref()),
            policies.and_then(|all| all.reset_password.as_ref()),
        );
        let paths = Paths::new(
            [
                at(&self.sign_in_path),
                at(&site.callback_path),
                at(&self.sign_out_path),
                at(&self.signed_out_path),
            ],
            [
                optional(
                    "edit_profile_path",
                    &self.edit_profile_path,
                    "/auth/edit-profile",
                    edit_profile,
                )?,
                optional(
                    "reset_password_path",
                    &self.reset_password_path,
                    "/auth/reset-password",
                    reset_password,
                )?,
                self.user_path.path.as_deref().map(&at),
                self.kept_form_path.as_deref().map(&at),
            ],
        );
        for (index, (setting, own)) in paths.iter().enumerate() {
            if !path::is_plain(own) {
                return Err(ConfigError::new(
                    setting,
                    format!(
                        "{own:?} has to be a plain path such as /auth/login: it begins with a \
                         slash, does not end with one, and has no query or special characters"
                    ),
                ));
            }
            // Requests are matched by the path alone, so one of the two would never be reached.
            if let Some((other, _)) = paths.iter().take(index).find(|(_, other)| *other == own) {
                return Err(ConfigError::new(
                    setting,
                    format!("{own:?} is also the {other}: each needs a path of its own"),
                ));
            }
        }
        Ok(paths)
    }

    /// The public paths, in the form in which requests have them.
    fn public_paths(&self, site: &Site, own: &Paths) -> Result<PublicPaths, ConfigError> {
        let mut rules = self.paths.clone();
        // A protected page would send people to itself.
        rules.public.extend(self.sign_in_page.clone().map(PathRule::Exact));
        let public_paths = PublicPaths::new(self.request_prefix(site), &rules)?;
        for (setting, path) in own.iter() {
            // The layer answers its own paths first, so such a rule would have no effect there.
            if let Some(rule) = public_paths.matching_rule(path) {
                return Err(ConfigError::new(
                    "public_paths",
                    format!(
                        "{rule:?} covers the {setting} {path:?}, where the layer answers: choose \
                         another path for one of them"
                    ),
                ));
            }
        }
        Ok(public_paths)
    }

    /// The prefix that requests have before the configured paths.
    fn request_prefix<'s>(&self, site: &'s Site) -> &'s str {
        match self.path_prefix {
            PathPrefix::Stripped => "",
            PathPrefix::Kept => &site.prefix,
        }
    }
}

impl Site {
    /// Whether browsers use `https`.
    fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The base URL, without a slash at the end.
    fn base_url(&self) -> String {
        format!("{}{}", self.origin, self.prefix)
    }
}

/// Eleven characters that distinguish the cookies of applications on one host.
///
/// The length before each part makes the encoding unambiguous.
fn cookie_id(parts: &[&str; 3]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    // 64 bits are enough to avoid collisions by chance; the value is public and protects nothing.
    secret::base64url(context.finish().as_ref().get(..8).unwrap_or_default())
}
