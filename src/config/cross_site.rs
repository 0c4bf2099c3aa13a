//! Requests that pages of other origins cause: which of them are accepted.

use http::HeaderValue;

use super::{AccessRules, IdentityConfig, access::PathRule, choice::choices};
use crate::error::ConfigError;

/// The answer to a request with effects that a page of another origin caused.
///
/// Such a request is one to a protected path with a method other than `GET`, `HEAD` and `OPTIONS`,
/// or one that opens a WebSocket. Browsers send the session cookie with those of sibling origins,
/// such as another subdomain or another port of the host, in spite of `SameSite=Lax`: see [the
/// guide](crate::guide::cross_site).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CrossSiteRequests {
    /// 403 with the reason `cross_site`, before the application sees the request. On a public path
    /// the request is passed on, and no user is signed in for it. The default.
    #[default]
    Refuse,
    /// They are accepted. Right only for an application that has its own protection for every form
    /// and script, such as tokens in forms.
    Allow,
}

choices!(CrossSiteRequests, "cross_site_requests", Refuse = "refuse", Allow = "allow");

impl IdentityConfig {
    /// Sets the answer to requests with effects that pages of other origins cause. The default is
    /// [`CrossSiteRequests::Refuse`].
    ///
    /// The browser says which page caused a request: `Sec-Fetch-Site` decides, and where it is
    /// missing `Origin`, which is compared with the [base URL](Self::with_base_url). A request
    /// with neither comes from a client that is no browser, such as a program or a gRPC client, and
    /// is accepted. The variable is `IDENTITY_CROSS_SITE_REQUESTS`.
    #[must_use]
    pub fn with_cross_site_requests(mut self, requests: CrossSiteRequests) -> Self {
        self.cross_site.requests = requests;
        self
    }

    /// Adds an origin whose pages may send requests with effects, for example
    /// `https://admin.example.com`. By default only the application's own origin may. The variable
    /// is `IDENTITY_TRUSTED_ORIGINS`.
    ///
    /// # Security
    ///
    /// Everything that a signed-in user can do, a page of that origin can do in the user's name. It
    /// does not read responses: that takes a CORS layer.
    ///
    /// # Errors
    ///
    /// `origin` is not scheme, host and port.
    pub fn add_trusted_origin(mut self, origin: &str) -> Result<Self, ConfigError> {
        let url = super::address::origin("trusted_origins", origin)?;
        self.cross_site.origins.push(url.origin().ascii_serialization());
        Ok(self)
    }

    /// Adds a path, relative to the base URL, that accepts requests with effects from every origin.
    /// By default there is none. The variable is `IDENTITY_CROSS_SITE_PATHS`.
    ///
    /// With `SameSite=Lax` browsers send no session cookie with a form of another *site*, so on a
    /// protected path such a form gets the page that asks to sign in. A path to which another site
    /// posts forms, such as the return from a payment, has to be [public](Self::add_public_path).
    ///
    /// # Security
    ///
    /// The application has to check by itself that the user wanted the request.
    #[must_use]
    pub fn add_cross_site_path(mut self, path: impl Into<String>) -> Self {
        self.cross_site.paths.push(PathRule::Exact(path.into()));
        self
    }

    /// Adds a directory, relative to the base URL, in which every path is a [cross-site
    /// path](Self::add_cross_site_path). The prefix begins and ends with a slash. The variable is
    /// `IDENTITY_CROSS_SITE_PREFIXES`.
    #[must_use]
    pub fn add_cross_site_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.cross_site.paths.push(PathRule::Prefix(prefix.into()));
        self
    }
}

/// The settings about requests of other origins, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CrossSiteSettings {
    pub(super) requests: CrossSiteRequests,
    pub(super) origins: Vec<String>,
    pub(super) paths: Vec<PathRule>,
}

impl CrossSiteSettings {
    /// The rules for an application at `origin`, whose requests have `prefix` before these paths.
    ///
    /// # Errors
    ///
    /// A setting has no effect, or a path is not plain.
    pub(super) fn rules(&self, origin: &str, prefix: &str) -> Result<CrossSiteRules, ConfigError> {
        let wrong =
            |setting: &'static str, problem: String| Err(ConfigError::new(setting, problem));
        let is_refused = self.requests == CrossSiteRequests::Refuse;
        if !is_refused && (!self.origins.is_empty() || !self.paths.is_empty()) {
            return wrong(
                "cross_site_requests",
                "`allow` accepts the requests of every origin, so trusted origins and cross-site \
                 paths have no effect: remove one of them"
                    .into(),
            );
        }
        if let Some(own) = self.origins.iter().find(|trusted| *trusted == origin) {
            return wrong(
                "trusted_origins",
                format!(
                    "{own:?} is the origin of the base URL, which is always trusted: remove it"
                ),
            );
        }
        if self.paths.contains(&PathRule::Prefix("/".into())) {
            return wrong(
                "cross_site_paths",
                "the prefix \"/\" stands for every path: name the paths, or set \
                 `with_cross_site_requests(CrossSiteRequests::Allow)` \
                 (IDENTITY_CROSS_SITE_REQUESTS=allow)"
                    .into(),
            );
        }
        let paths = AccessRules::of_setting("cross_site_paths", prefix, &self.paths)?;
        let origins = [origin].into_iter().chain(self.origins.iter().map(String::as_str));
        Ok(CrossSiteRules { is_refused, origins: origins.map(Into::into).collect(), paths })
    }
}

/// Which requests of other origins are accepted, after the checks of `build`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CrossSiteRules {
    is_refused: bool,
    /// The application's own origin, and those that are trusted like it.
    origins: Vec<Box<str>>,
    /// In the form in which requests have them.
    paths: AccessRules,
}

impl CrossSiteRules {
    /// Whether requests of other origins are refused at all.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Whether the value of an `Origin` header is the application's own origin or a trusted one.
    pub(crate) fn is_trusted(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|own| origin == &**own)
    }

    /// Whether a path, as a request has it, accepts requests of every origin.
    #[inline]
    pub(crate) fn accepts_at(&self, path: &str) -> bool {
        self.paths.is_declared(path)
    }

    /// The rules of an application that trusts these origins.
    #[cfg(test)]
    pub(crate) fn trusting(origins: &[&str]) -> Self {
        let origins = origins.iter().map(|origin| (*origin).into()).collect();
        Self { is_refused: true, origins, paths: AccessRules::default() }
    }
}
