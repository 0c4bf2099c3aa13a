//! The checks of [`IdentityConfig::build`] on settings other than paths and credential.

use super::{
    ClientCredential, GroupsFrom, HmacAlgorithm, IdentityConfig, ResponseMode, SignInMethod,
    deployment::resource_of_scope,
    sign_in::{check_scope, check_words},
};
use crate::{error::ConfigError, languages};

/// The maximum clock leeway, in seconds: a clock that differs more has to be corrected.
const MAX_LEEWAY_SECONDS: u64 = 300;

impl IdentityConfig {
    pub(super) fn check_client(&self) -> Result<(), ConfigError> {
        // `client-id` of RFC 6749 appendix A.1 is VSCHAR, which has the space. At an end it comes
        // from copying.
        let id = &self.client_id;
        if id.is_empty() || id.trim() != id || !id.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(ConfigError::new(
                "client_id",
                format!(
                    "{id:?} is empty, begins or ends with a space, or has characters that a client \
                     id cannot contain"
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

    pub(super) fn check_languages(&self) -> Result<(), ConfigError> {
        match self.languages.iter().find(|tag| !languages::is_tag(tag)) {
            Some(tag) => Err(ConfigError::new(
                "languages",
                format!("{tag:?} is not a language tag such as `de` or `pt-BR` (BCP 47)"),
            )),
            None => Ok(()),
        }
    }

    /// Checks that the settings fit the sign-in method `device_code`.
    pub(super) fn check_sign_in_method(&self) -> Result<(), ConfigError> {
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

    pub(super) fn check_tokens(&mut self) -> Result<(), ConfigError> {
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
        if let Some(hmac) = self.id_token_hmac {
            self.check_hmac(hmac)?;
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

    /// Checks that ID tokens can be signed with the client secret.
    fn check_hmac(&self, hmac: HmacAlgorithm) -> Result<(), ConfigError> {
        let wrong = |problem: String| Err(ConfigError::new("id_token_algorithms", problem));
        if self.authority.is_microsoft() {
            return wrong(format!(
                "Microsoft's providers sign ID tokens with private keys only: remove {hmac}"
            ));
        }
        let secrets: Vec<_> =
            self.credential.iter().flat_map(ClientCredential::client_secrets).collect();
        if secrets.is_empty() {
            return wrong(format!(
                "{hmac} has the client secret as its key, and there is none: set it \
                 (IDENTITY_CLIENT_SECRET), or remove {hmac}"
            ));
        }
        // RFC 7518 section 3.2. A shorter key can be found by trying keys on one token.
        let least = hmac.least_key_bytes();
        if secrets.iter().any(|secret| secret.expose().len() < least) {
            return wrong(format!(
                "the client secret is shorter than the {least} bytes that a key of {hmac} must \
                 have: have the provider issue a longer one, or sign with a private key"
            ));
        }
        Ok(())
    }

    /// Checks that `.default` is the only scope of its API. It stands for all configured
    /// permissions, and Entra ID refuses it together with others (AADSTS70011).
    pub(super) fn check_default_scope(&self) -> Result<(), ConfigError> {
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

    pub(super) fn check_times(&mut self) -> Result<(), ConfigError> {
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
}
