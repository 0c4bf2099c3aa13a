//! [`IdentityConfig::build`]: the checks that make a [`ValidConfig`].

use aws_lc_rs::digest;

use super::{
    ClientCredential, CookieKeys, IdentityConfig, ProviderSession, ReturnPath, SignInMethod,
    ValidConfig, address::Site, deployment::Environment, setting_table::TABLE,
    valid::ValidConfigParts,
};
use crate::{error::ConfigError, secret};

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
        self.check_requests()?;
        let credential = self.chosen_credential()?;
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
        let page_after_sign_out = self.checked_page_after_sign_out(&site, &paths, &public_paths)?;
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
            provider_session: self.provider_session(),
            page_after_sign_out,
            sign_in_page: self.sign_in_page.as_ref().map(|page| format!("{request_prefix}{page}")),
            settings: self,
        }))
    }

    /// Checks the settings of the requests to the provider and of the layer's own pages.
    fn check_requests(&mut self) -> Result<(), ConfigError> {
        self.check_sign_in_method()?;
        self.request_required_acr();
        self.sign_in.check()?;
        self.check_languages()?;
        self.check_default_scope()?;
        self.check_sign_out()?;
        self.user_path.check()
    }

    /// Requests the `acr` values that sign-ins are held to, unless others are requested.
    fn request_required_acr(&mut self) {
        // A device authorization request cannot carry `acr_values`. The ID token is checked anyway.
        if self.sign_in.acr_values.is_empty() && self.sign_in_method == SignInMethod::Redirect {
            self.sign_in.acr_values.clone_from(&self.required_acr);
        }
    }

    /// The credential. It has no default: a public client has to be chosen.
    fn chosen_credential(&self) -> Result<ClientCredential, ConfigError> {
        self.credential.clone().ok_or_else(|| {
            ConfigError::missing(
                "credential",
                "pass `ClientCredential::secret(…)` (IDENTITY_CLIENT_SECRET), or \
                 `ClientCredential::none()` for a public client (IDENTITY_CLIENT_AUTH_METHOD=none)",
            )
        })
    }

    /// The setting for the session at the provider after sign-out. The default depends on the
    /// sign-in method.
    fn provider_session(&self) -> ProviderSession {
        self.provider_session.unwrap_or(match self.sign_in_method {
            SignInMethod::Redirect => ProviderSession::End,
            // A device code may have been entered in another browser, whose session at the provider
            // this application must not end by default.
            SignInMethod::DeviceCode => ProviderSession::Keep,
        })
    }

    /// [`build`](Self::build) for an application without pages, which needs no base URL.
    pub(crate) fn without_pages(mut self) -> Result<ValidConfig, ConfigError> {
        if self.base_url.is_none() && self.redirect_uri.is_none() {
            self = self.with_base_url("http://localhost")?;
        }
        self.without_pages = true;
        self.build()
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
