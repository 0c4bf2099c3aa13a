//! [`IdentityConfig::build`]: the checks that make a [`ValidConfig`].

use aws_lc_rs::digest;

use super::{
    AccessRules, ClientCredential, CrossSiteRules, IdentityConfig, ProviderSession, ReturnPath,
    SignInMethod, ValidConfig,
    address::Site,
    cookie_keys::CookieSecrets,
    deployment::Environment,
    mistakes::Mistakes,
    setting_table::TABLE,
    valid::{Paths, ValidConfigParts},
};
use crate::{error::ConfigError, secret};

/// The URLs and paths of an application, checked.
struct Placement {
    site: Site,
    paths: Paths,
    public_paths: AccessRules,
    cross_site: CrossSiteRules,
    page_after_sign_out: Option<ReturnPath>,
}

impl IdentityConfig {
    /// Checks everything that can be checked without a request to the provider.
    ///
    /// # Errors
    ///
    /// A setting is missing, contradicts another, has no effect or would be unsafe. The error names
    /// the setting and how to correct it, and lists [all mistakes](ConfigError::others) that do not
    /// depend on each other.
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
        let mut mistakes = Mistakes::default();
        // The order: the connection, which the authority carries from here on; then the settings by
        // themselves, from the client to the requests; then what is made of several of them:
        // credential, URLs with paths, cookie keys, which need the two before. Every step is taken
        // after the mistake of another one, so that one start shows all mistakes. Nothing is logged
        // before the last of them.
        mistakes.value(self.set_connection());
        mistakes.value(self.check_client());
        mistakes.value(self.check_tokens());
        mistakes.value(self.check_times());
        let tenants = mistakes.value(self.authority.check_tenants(self.tenants.as_ref()));
        self.check_requests(&mut mistakes);
        let credential = mistakes.value(self.checked_credential());
        let placement = self.placement(&mut mistakes);
        let cookie_keys = mistakes.value(CookieSecrets::choose(
            &self.cookie_secrets,
            credential.as_ref().and_then(ClientCredential::client_secret),
            &self.client_id,
            &placement.as_ref().map(|placement| placement.site.base_url()).unwrap_or_default(),
        ));
        let found = tenants.zip(credential).zip(placement.zip(cookie_keys));
        let ((tenants, credential), (placement, cookie_keys)) = mistakes.end(found)?;
        let Placement { site, paths, public_paths, cross_site, page_after_sign_out } = placement;
        let base_url = site.base_url();
        let application = [&*self.client_id, self.authority.name(), &base_url];
        let keys = cookie_keys.key_ring(&application)?;
        let cookie_id = cookie_id(&application);
        let request_prefix = self.request_prefix(&site).to_owned();
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
            cookie_id,
            secure: site.is_secure(),
            origin: site.origin,
            external_prefix: site.prefix,
            public_paths,
            cross_site,
            credential,
            tenants,
            paths,
            keys,
            cookie_key_source: cookie_keys.source,
            provider_session: self.provider_session(),
            page_after_sign_out,
            sign_in_page: self.sign_in_page.as_ref().map(|page| format!("{request_prefix}{page}")),
            settings: self,
        }))
    }

    /// Checks the settings of the requests to the provider and of the layer's own pages.
    fn check_requests(&mut self, mistakes: &mut Mistakes) {
        mistakes.value(self.check_sign_in_method());
        self.request_required_acr();
        mistakes.value(self.sign_in.check());
        mistakes.value(self.check_languages());
        mistakes.value(self.check_default_scope());
        mistakes.value(self.check_sign_out());
        mistakes.value(self.user_path.check());
    }

    /// Checks the URLs and paths of the application. Each of them needs the ones before.
    fn placement(&self, mistakes: &mut Mistakes) -> Option<Placement> {
        let site = mistakes.value(Site::new(
            self.base_url.as_ref(),
            self.redirect_uri.as_ref(),
            self.callback_path.as_deref(),
        ))?;
        mistakes.value(self.check_base_url(&site))?;
        let rules = self.cross_site.rules(&site.origin, self.request_prefix(&site));
        let cross_site = mistakes.value(rules);
        let paths = mistakes.value(self.own_paths(&site))?;
        let public_paths = mistakes.value(self.public_paths(&site, &paths))?;
        let page = self.checked_page_after_sign_out(&site, &paths, &public_paths);
        let (page_after_sign_out, cross_site) = (mistakes.value(page)?, cross_site?);
        Some(Placement { site, paths, public_paths, cross_site, page_after_sign_out })
    }

    /// Requests the `acr` values that sign-ins are held to, unless others are requested.
    fn request_required_acr(&mut self) {
        // A device authorization request cannot carry `acr_values`. The ID token is checked anyway.
        if self.sign_in.acr_values.is_empty() && self.sign_in_method == SignInMethod::Redirect {
            self.sign_in.acr_values.clone_from(&self.required_acr);
        }
    }

    /// The credential. It has no default: a public client has to be chosen.
    fn checked_credential(&self) -> Result<ClientCredential, ConfigError> {
        let credential = self.credential.clone().ok_or_else(|| {
            ConfigError::missing(
                "credential",
                "pass `ClientCredential::secret(…)` (IDENTITY_CLIENT_SECRET), or \
                 `ClientCredential::none()` for a public client (IDENTITY_CLIENT_AUTH_METHOD=none)",
            )
        })?;
        credential.check(&self.authority)?;
        Ok(credential)
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
