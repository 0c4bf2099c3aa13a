//! From settings to a checked configuration.

use aws_lc_rs::digest;
use url::Url;

use super::{
    CookieKeys, IdentityConfig, PathPrefix, Paths, PublicPaths, ReturnPath, ValidConfig, settings::PublicPath, valid::Valid,
};
use crate::{error::ConfigError, secret};

impl IdentityConfig {
    /// Checks everything that can be checked without asking the provider.
    ///
    /// # Errors
    ///
    /// Something is missing, contradicts itself, has no effect or would be unsafe; the error names the setting and says what to do.
    pub fn build(mut self) -> Result<ValidConfig, ConfigError> {
        let credential = self.credential.clone().ok_or_else(|| {
            ConfigError::new("credential", "missing: call `with_credential` with `ClientCredential::secret(…)`, or with `ClientCredential::none()` for a public client")
        })?;
        credential.check()?;
        let base_url = self.base_url.clone().ok_or_else(|| ConfigError::new("base_url", "missing: call `with_base_url`"))?;
        let tenants = self.authority.check_tenants(self.tenants.as_ref())?;
        if self.sign_in.acr_values.is_empty() {
            self.sign_in.acr_values.clone_from(&self.required_acr);
        }
        self.sign_in.check()?;
        let external_prefix = base_url.path().trim_end_matches('/').to_owned();
        let callback = self.callback_path.clone().unwrap_or_else(|| "/auth/callback".into());
        let request_prefix = if self.path_prefix == PathPrefix::Kept { external_prefix.as_str() } else { "" };
        let at = |path: &str| format!("{request_prefix}{path}");
        let paths = Paths {
            login: at(&self.login_path),
            callback: at(&callback),
            logout: at(&self.logout_path),
            signed_out: at(&self.signed_out_path),
            edit_profile: None,
            reset_password: None,
        };
        let mut public_paths = PublicPaths::default();
        for path in &self.public_paths {
            match path {
                PublicPath::Exact(path) => public_paths.add_exact(request_prefix, path)?,
                PublicPath::Prefix(prefix) => public_paths.add_prefix(request_prefix, prefix)?,
            }
        }
        let under = |path: &str| -> Url {
            let mut url = base_url.clone();
            url.set_path(&format!("{external_prefix}{path}"));
            url
        };
        let redirect_uri = self.redirect_uri.clone().unwrap_or_else(|| under(&callback));
        let signed_out_url = under(&self.signed_out_path);
        let cookie_keys =
            CookieKeys::choose(&self.cookie_secrets, credential.client_secret(), &self.client_id, base_url.as_str())?;
        Ok(ValidConfig::new(Valid {
            origin: base_url.origin().ascii_serialization(),
            secure: base_url.scheme() == "https",
            home: ReturnPath::parse(&format!("{external_prefix}/")).unwrap_or_else(ReturnPath::home),
            cookie_id: cookie_id(&self.client_id, base_url.as_str()),
            public_paths,
            credential,
            tenants,
            redirect_uri,
            signed_out_url,
            external_prefix,
            paths,
            cookie_keys,
            settings: self,
        }))
    }
}

/// Eleven characters that differ between applications on one host.
fn cookie_id(client_id: &str, base_url: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [client_id, "\0", base_url] {
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    secret::base64url(digest.as_ref().get(..8).unwrap_or_default())
}
