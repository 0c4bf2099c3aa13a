//! The sign-out request to the provider (OpenID Connect RP-Initiated Logout 1.0), with settings for
//! providers that deviate from it.

use url::Url;

use super::{
    AccessRules, IdentityConfig, PathPrefix, Paths, ProviderRequest, ReturnPath, address::Site,
    parameters::is_name,
};
use crate::error::ConfigError;

/// Deviations of the sign-out request from the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignOutRequest {
    pub(crate) endpoint: Option<Url>,
    pub(crate) return_parameter: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

impl IdentityConfig {
    /// Adds a parameter to the sign-out request, for example `federated` for Auth0. By default
    /// there are none.
    ///
    /// [`build`](Self::build) refuses the parameters that the crate sets itself, and a name that is
    /// given twice.
    #[must_use]
    pub fn add_sign_out_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.sign_out.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets the name of the parameter with the page after sign-out, for a provider that does not
    /// call it `post_logout_redirect_uri`: `logout_uri` for Amazon Cognito, `returnTo` for Auth0's
    /// `/v2/logout`.
    ///
    /// By default these two are recognised by their hosts, and every other provider gets the
    /// parameter of the specification.
    #[must_use]
    pub fn with_sign_out_return_parameter(mut self, name: impl Into<String>) -> Self {
        self.sign_out.return_parameter = Some(name.into());
        self
    }

    /// Sets a page of the application on which the browser ends after a sign-out, relative to the
    /// base URL, for example `/goodbye` or `/`. It may have a query. The default is a page of the
    /// crate with a link to sign in again, or the home page where it is public and the provider has
    /// no part in the sign-out.
    ///
    /// - It follows every sign-out: after the provider has ended its session, and where the
    ///   provider has no part in it. With Azure AD B2C it also follows a cancelled sign-in.
    /// - The page registered at the provider stays
    ///   [`signed_out_url`](crate::ValidConfig::signed_out_url), which redirects to this one. A
    ///   request cannot name another page (security rule 1).
    /// - [`WebAuth`](crate::WebAuth) does not use it: there `signed_out_url` is a page of yours.
    /// - The page must be public, because a protected one would sign the user in again at once:
    ///   [`add_public_path`](Self::add_public_path).
    ///
    /// ```
    /// use tower_identity::{Authority, ClientCredential, IdentityConfig};
    ///
    /// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "shop")
    ///     .with_credential(ClientCredential::secret("from a vault"))
    ///     .with_base_url("https://shop.example.com")?
    ///     .add_public_path("/goodbye")
    ///     .with_page_after_sign_out("/goodbye")
    ///     .build()?;
    /// # Ok::<_, tower_identity::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_page_after_sign_out(mut self, path: impl Into<String>) -> Self {
        self.page_after_sign_out = Some(path.into());
        self
    }

    /// Sets the URL at which the provider ends its session, for a provider whose discovery document
    /// has no `end_session_endpoint`, or to replace it. The default is the document's.
    ///
    /// # Errors
    ///
    /// `url` is not an absolute `https` URL (`http` is accepted for loopback hosts), or has a
    /// fragment or credentials.
    pub fn with_end_session_endpoint(mut self, url: &str) -> Result<Self, ConfigError> {
        self.sign_out.endpoint = Some(super::address::endpoint("end_session_endpoint", url)?);
        Ok(self)
    }

    /// The application's page after sign-out, as browsers see it.
    pub(super) fn checked_page_after_sign_out(
        &self,
        site: &Site,
        own: &Paths,
        public_paths: &AccessRules,
    ) -> Result<Option<ReturnPath>, ConfigError> {
        let Some(page) = self.page_after_sign_out.as_deref() else { return Ok(None) };
        let wrong = |problem: String| ConfigError::new("page_after_sign_out", problem);
        // The setting itself has to begin with a slash: with a prefix, the joined path always does.
        let is_path = page.starts_with('/') && ReturnPath::parse(page).is_some();
        let parsed = ReturnPath::parse(&format!("{}{page}", site.prefix)).filter(|_| is_path);
        let Some(path) = parsed else {
            return Err(wrong(format!(
                "{page:?} is not a path of this application such as /goodbye: it begins with one \
                 slash and names no other site"
            )));
        };
        let requested = match self.path_prefix {
            PathPrefix::Kept => path.path(),
            PathPrefix::Stripped => path.path().strip_prefix(&site.prefix).unwrap_or_default(),
        };
        if let Some((setting, _)) = own.iter().find(|(_, own)| *own == requested) {
            return Err(wrong(format!(
                "{page:?} is the {setting}, where the layer answers: name a page of the application"
            )));
        }
        if !public_paths.is_public(requested) {
            return Err(wrong(format!(
                "{page:?} is protected, so it would sign the user in again at once: make it public \
                 (`add_public_path`, IDENTITY_PUBLIC_PATHS), or name another page"
            )));
        }
        Ok(Some(path))
    }

    /// Checks the names and values of the sign-out parameters.
    pub(super) fn check_sign_out(&self) -> Result<(), ConfigError> {
        let setting = "sign_out_parameters";
        let parameters = &self.sign_out.parameters;
        if let Some(returns_by) = &self.sign_out.return_parameter {
            if !is_name(returns_by) {
                return Err(ConfigError::new(
                    "sign_out_return_parameter",
                    format!("{returns_by:?} is not a parameter name, such as logout_uri"),
                ));
            }
            let mut names = parameters.iter().map(|(name, _)| name);
            if let Some(name) = names.find(|name| name.eq_ignore_ascii_case(returns_by)) {
                return Err(ConfigError::new(
                    setting,
                    format!("{name:?} is a parameter that this crate sets itself: remove it"),
                ));
            }
        }
        ProviderRequest::SignOut.check(setting, parameters)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        authority::Authority,
        config::{ClientCredential, IdentityConfig, PathPrefix},
    };

    fn config(prefix: PathPrefix) -> IdentityConfig {
        IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "client-id")
            .with_credential(ClientCredential::secret("hush-hush"))
            .with_base_url("https://app.example.com/shop")
            .unwrap()
            .with_path_prefix(prefix)
            .add_public_path("/")
            .add_public_path("/Auf Wiedersehen")
    }

    #[test]
    fn the_page_after_sign_out_is_below_the_base_url() {
        for prefix in [PathPrefix::Stripped, PathPrefix::Kept] {
            for (page, expected) in [
                ("/", "/shop/"),
                ("/?signed=out#top", "/shop/?signed=out#top"),
                ("/Auf Wiedersehen", "/shop/Auf%20Wiedersehen"),
            ] {
                let valid = config(prefix).with_page_after_sign_out(page).build().unwrap();
                let after = valid.page_after_sign_out().as_ref().unwrap();
                assert_eq!(after.as_str(), expected, "{prefix:?}");
                assert_eq!(valid.signed_out_url(), "https://app.example.com/shop/auth/signed-out");
            }
        }
    }

    #[test]
    fn a_protected_page_after_sign_out_is_a_set_up_error() {
        for prefix in [PathPrefix::Stripped, PathPrefix::Kept] {
            for (page, hint) in [
                ("/account", "`add_public_path`, IDENTITY_PUBLIC_PATHS"),
                ("/shop/", "protected"),
                ("/auth/signed-out", "is the signed_out_path"),
                ("/auth/login?return_to=/", "is the sign_in_path"),
                ("", "is not a path of this application"),
                ("bye", "is not a path of this application"),
                ("//evil.example/", "is not a path of this application"),
                ("/\\evil.example", "is not a path of this application"),
                ("https://evil.example/", "is not a path of this application"),
            ] {
                let error = config(prefix).with_page_after_sign_out(page).build().unwrap_err();
                assert_eq!(error.setting(), "page_after_sign_out");
                assert!(error.to_string().contains(hint), "{page:?}: {error}");
            }
        }
    }
}
