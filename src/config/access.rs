//! Which paths need a signed-in user: the default, and the rules for single paths.

use std::fmt;

use super::{IdentityConfig, choice::choices};

/// The access to paths that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Signed-in users. The default: a page that was not declared is protected.
    #[default]
    SignedIn,
    /// Every visitor: for sites of which most pages are public.
    ///
    /// # Security
    ///
    /// A page that was forgotten is open. Prefer [`SignedIn`](Self::SignedIn) with [public
    /// prefixes](IdentityConfig::add_public_prefix) where more than a few pages are protected.
    Public,
}

choices!(Access, "default_access", SignedIn = "signed_in", Public = "public");

/// A rule for one path or for a directory, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathRule {
    Exact(String),
    Prefix(String),
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(prefix) => write!(f, "{prefix}…"),
        }
    }
}

/// The configured rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PathRules {
    pub(super) default: Access,
    pub(super) public: Vec<PathRule>,
    pub(super) protected: Vec<PathRule>,
}

impl IdentityConfig {
    /// Sets the access to paths that no rule names. The default is [`Access::SignedIn`].
    ///
    /// With [`Access::Public`] the layer still goes around the whole application: it answers
    /// sign-in and sign-out, and `Option<User>` knows the user on every page. Protected are
    ///
    /// - routes and sub-routers with the guard [`require_sign_in`](crate::require_sign_in),
    /// - handlers that take [`User`](crate::User) (not `Option<User>`) in axum,
    /// - paths with [`add_protected_path`](Self::add_protected_path) or
    ///   [`add_protected_prefix`](Self::add_protected_prefix).
    ///
    /// ```
    /// use tower_identity::{Authority, ClientCredential, IdentityConfig, config::Access};
    ///
    /// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "shop")
    ///     .with_credential(ClientCredential::secret("from a vault"))
    ///     .with_base_url("https://shop.example.com")?
    ///     .with_default_access(Access::Public)
    ///     .add_protected_prefix("/account/")
    ///     .build()?;
    /// # Ok::<_, tower_identity::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_default_access(mut self, access: Access) -> Self {
        self.paths.default = access;
        self
    }

    /// Adds a path that needs no sign-in, relative to the base URL. By default there is none: every
    /// path needs a signed-in user.
    ///
    /// On a public path the session is not loaded unless the application asks for the user, so the
    /// [`User`](crate::User) is not among the request's extensions even if a user is signed in. Use
    /// the extractor `Option<User>` in axum and [`LazyUser`](crate::LazyUser) elsewhere; axum's
    /// `Extension<User>` responds with 500 there.
    #[must_use]
    pub fn add_public_path(mut self, path: impl Into<String>) -> Self {
        self.paths.public.push(PathRule::Exact(path.into()));
        self
    }

    /// Adds a directory in which no path needs a sign-in, relative to the base URL, for example
    /// `/assets/`. The prefix begins and ends with a slash. The user is available as on a [public
    /// path](Self::add_public_path).
    ///
    /// # Security
    ///
    /// A request path that could be read in two ways (`//`, `..`, `%2F`, `;`, …) stays protected,
    /// also below a public prefix (security rule 9).
    #[must_use]
    pub fn add_public_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.paths.public.push(PathRule::Prefix(prefix.into()));
        self
    }

    /// Adds a path that needs a signed-in user, relative to the base URL: for applications whose
    /// [default access](Self::with_default_access) is public, and for exceptions below a [public
    /// prefix](Self::add_public_prefix). With a slash at its end it is the same path.
    ///
    /// Of a public and a protected rule for one request the longer decides: `/blog/drafts/` is
    /// protected below a public `/blog/`, and `/account/help` is public below a protected
    /// `/account/`.
    ///
    /// # Security
    ///
    /// Where there is a protected rule, a request path that could be read in two ways (`//`, `..`,
    /// `%2F`, `;`, …) is protected as well. Letter case does not matter then: `/Account` is
    /// `/account` to some file systems and routers. A guard on the route does not depend on how a
    /// path is read: prefer [`require_sign_in`](crate::require_sign_in) where the application has
    /// routes.
    #[must_use]
    pub fn add_protected_path(mut self, path: impl Into<String>) -> Self {
        self.paths.protected.push(PathRule::Exact(path.into()));
        self
    }

    /// Adds a directory in which every path needs a signed-in user, relative to the base URL, for
    /// example `/account/`, which covers `/account` too. The prefix begins and ends with a slash.
    /// Rules are weighed as for [`add_protected_path`](Self::add_protected_path).
    #[must_use]
    pub fn add_protected_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.paths.protected.push(PathRule::Prefix(prefix.into()));
        self
    }
}
