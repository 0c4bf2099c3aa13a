//! `Display` of the configuration: the settings in use, without secrets.

use std::{fmt, time::Duration};

use super::{
    CookieKeySource, CrossSiteRequests, IdentityConfig, PathPrefix, ProviderSession, SignInMethod,
    ValidConfig,
    access::{Access, PathRule, PathRules},
    cross_site::CrossSiteSettings,
};

/// The settings, one a line, without secrets.
///
/// ```
/// use tower_identity::{Authority, ClientCredential, IdentityConfig};
///
/// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "client-id")
///     .with_credential(ClientCredential::secret("hush"));
/// let text = config.to_string();
/// assert!(text.contains("provider: https://id.example.com"));
/// assert!(text.contains("base URL: not set"));
/// assert!(!text.contains("hush"));
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
impl fmt::Display for IdentityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "provider: {}", self.authority)?;
        writeln!(f, "kind of provider: {}", self.authority.kind_label())?;
        if let Some((policies, _)) = self.authority.b2c_policies() {
            for (purpose, policy) in [
                ("edit profile", &policies.edit_profile),
                ("reset password", &policies.reset_password),
            ] {
                writeln!(f, "policy to {purpose}: {}", policy.as_deref().unwrap_or("none"))?;
            }
        }
        if let Some(tenants) = &self.tenants {
            writeln!(f, "tenants: {tenants}")?;
        }
        writeln!(
            f,
            "client: {}, {}",
            self.client_id,
            self.credential
                .as_ref()
                .map_or_else(|| "credential not set".into(), ToString::to_string)
        )?;
        writeln!(f, "base URL: {}", or_not_set(self.base_url.as_ref()))?;
        if let Some(redirect_uri) = &self.redirect_uri {
            writeln!(f, "redirect URI: {redirect_uri}")?;
        }
        if self.path_prefix == PathPrefix::Kept {
            writeln!(f, "path prefix: kept in requests")?;
        }
        let scopes: Vec<&str> =
            self.openid_scopes.iter().chain(&self.sign_in.scopes).map(String::as_str).collect();
        writeln!(f, "scopes: {}", scopes.join(" "))?;
        match self.sign_in_method {
            SignInMethod::Redirect => writeln!(f, "response mode: {}", self.response_mode)?,
            method => writeln!(f, "sign-in method: {method}")?,
        }
        self.fmt_access(f)?;
        self.fmt_cross_site(f)?;
        write!(
            f,
            "session: ends after {} without a request, after {} at the latest",
            Span(self.idle_timeout),
            Span(self.absolute_timeout)
        )
    }
}

impl IdentityConfig {
    /// The lines about public and protected paths.
    fn fmt_access(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PathRules { default, public, protected } = &self.paths;
        match (default, public.as_slice()) {
            (Access::Public, []) => {
                writeln!(f, "public paths: all but those that are protected")?;
            }
            (Access::Public, public) => {
                let public = listed(public);
                writeln!(f, "public paths: all but those that are protected; {public}")?;
            }
            (Access::SignedIn, []) => writeln!(f, "public paths: none")?,
            (Access::SignedIn, public) => writeln!(f, "public paths: {}", listed(public))?,
        }
        if !protected.is_empty() {
            writeln!(f, "protected paths: {}", listed(protected))?;
        }
        Ok(())
    }

    /// The lines about requests of other origins, where they differ from the default.
    fn fmt_cross_site(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CrossSiteSettings { requests, origins, paths } = &self.cross_site;
        if *requests == CrossSiteRequests::Allow {
            writeln!(f, "requests of other origins: accepted")?;
        }
        if !origins.is_empty() {
            writeln!(f, "trusted origins: {}", origins.join(", "))?;
        }
        if !paths.is_empty() {
            writeln!(f, "cross-site paths: {}", listed(paths))?;
        }
        Ok(())
    }
}

/// The settings, and the values that [`build`](IdentityConfig::build) derived from them.
impl fmt::Display for ValidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.settings())?;
        if self.sign_in_method() == SignInMethod::Redirect {
            writeln!(f, "callback, to register at the provider: {}", self.redirect_uri())?;
        }
        if self.sign_in_method() == SignInMethod::Redirect
            || self.provider_session() == ProviderSession::End
        {
            writeln!(
                f,
                "page after sign-out, to register at the provider: {}",
                self.signed_out_url()
            )?;
        }
        write!(f, "cookie secret: {}", self.cookie_key_source())
    }
}

impl fmt::Display for CookieKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "set",
            Self::Derived => "derived from the client secret",
            Self::Random => "random, so that sessions end with this process",
        })
    }
}

fn listed(rules: &[PathRule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn or_not_set(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| "not set".into(), ToString::to_string)
}

/// A duration in the largest unit that divides it and fits at least twice.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
        let (size, unit) = units
            .into_iter()
            .find(|(size, _)| seconds >= 2 * size && seconds.is_multiple_of(*size))
            .unwrap_or((1, "s"));
        write!(f, "{} {unit}", seconds / size)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        authority::{Authority, B2cPolicies},
        config::{ClientAuthMethod, ClientCredential, CrossSiteRequests, IdentityConfig},
    };

    #[test]
    fn the_text_says_what_was_understood_and_no_secret() {
        let authority = Authority::b2c(
            "contoso",
            B2cPolicies::new("B2C_1_susi").with_reset_password("B2C_1_reset"),
        )
        .unwrap();
        let config = IdentityConfig::new(authority, "client-id")
            .with_credential(
                ClientCredential::secret("hush-hush").with_method(ClientAuthMethod::Post),
            )
            .with_cookie_secrets(["hush-hush-hush-hush-hush-hush-hush"])
            .with_base_url("https://app.example.com/app")
            .unwrap()
            .with_scopes(["User.Read"])
            .add_public_path("/")
            .add_public_prefix("/assets/");
        let valid = config.build().unwrap();
        assert_eq!(
            valid.to_string(),
            "provider: https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0\n\
             kind of provider: Azure AD B2C\n\
             policy to edit profile: none\n\
             policy to reset password: B2C_1_reset\n\
             client: client-id, a secret sent as client_secret_post\n\
             base URL: https://app.example.com/app\n\
             scopes: openid profile offline_access User.Read\n\
             response mode: query\n\
             public paths: /, /assets/…\n\
             session: ends after 24 h without a request, after 7 d at the latest\n\
             callback, to register at the provider: https://app.example.com/app/auth/callback\n\
             page after sign-out, to register at the provider: \
             https://app.example.com/app/auth/signed-out\n\
             cookie secret: set"
        );
    }

    #[test]
    fn other_origins_that_are_trusted_are_listed() {
        let config = IdentityConfig::new(Authority::oidc("https://id.example").unwrap(), "a");
        let text = config.to_string();
        assert!(!text.contains("origins") && !text.contains("cross-site"), "{text}");
        let trusting = config.clone().add_trusted_origin("https://staff.example").unwrap();
        let text = trusting.add_cross_site_path("/paid").add_cross_site_prefix("/in/").to_string();
        assert!(text.contains("trusted origins: https://staff.example\n"), "{text}");
        assert!(text.contains("cross-site paths: /paid, /in/…\n"), "{text}");
        let text = config.with_cross_site_requests(CrossSiteRequests::Allow).to_string();
        assert!(text.contains("requests of other origins: accepted\n"), "{text}");
    }
}
