//! The user path: where scripts of the application's pages ask who is signed in.

use super::{IdentityConfig, choice::choices};
use crate::{error::ConfigError, strings::StringList};

/// The answer of the [user path](IdentityConfig::with_user_path) if no user is signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignedOutUser {
    /// 401 with a problem document, whose member `sign_in` is the URL that starts a sign-in: the
    /// same answer as that of every protected path. The default.
    #[default]
    Unauthorized,
    /// 200 with `null` as the `user`, for pages on which being signed out is no failure.
    NoUser,
}

choices!(SignedOutUser, "signed_out_user", Unauthorized = "unauthorized", NoUser = "no_user");

/// The claims that the user path shows if none are configured.
const DEFAULT_CLAIMS: [&str; 2] = ["sub", "name"];

impl IdentityConfig {
    /// Sets a path, relative to the base URL, at which scripts of the application's pages ask who
    /// is signed in, for example `/auth/user`. By default there is none. The variable is
    /// `IDENTITY_USER_PATH`.
    ///
    /// The answer to a `GET` is JSON:
    ///
    /// ```json
    /// {
    ///     "user": { "sub": "8c5e…", "name": "Ada Lovelace" },
    ///     "expires_in": 86399,
    ///     "sign_in": "/auth/login?return_to=%2Fnotes",
    ///     "sign_out": "/auth/logout"
    /// }
    /// ```
    ///
    /// - `user` has the claims of [`with_user_claims`](Self::with_user_claims).
    /// - `expires_in` is the time in seconds after which the session ends without another request.
    ///   This request does not count as one: a page that asks in the background keeps nobody signed
    ///   in.
    /// - `sign_in` returns to the page that asked; `sign_out` takes a form that is posted.
    /// - If no user is signed in, the answer is that of
    ///   [`with_signed_out_user`](Self::with_signed_out_user).
    ///
    /// Pages of other origins get 403, except [trusted](Self::add_trusted_origin) ones. Nothing
    /// caches the answer. [The guide](crate::guide::front_ends) has the script.
    #[must_use]
    pub fn with_user_path(mut self, path: impl Into<String>) -> Self {
        self.user_path.path = Some(path.into());
        self
    }

    /// Sets the claims of the user that the [user path](Self::with_user_path) shows. The default is
    /// `sub` and `name`. A claim that the user does not have is left out. The variable is
    /// `IDENTITY_USER_CLAIMS`.
    #[must_use]
    pub fn with_user_claims<Kind>(mut self, claims: impl StringList<Kind>) -> Self {
        self.user_path.claims = Some(claims.into_strings());
        self
    }

    /// Sets the answer of the [user path](Self::with_user_path) if no user is signed in. The
    /// default is [`SignedOutUser::Unauthorized`]. The variable is `IDENTITY_SIGNED_OUT_USER`.
    #[must_use]
    pub fn with_signed_out_user(mut self, answer: SignedOutUser) -> Self {
        self.user_path.signed_out = answer;
        self
    }
}

/// The settings of the user path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserPath {
    pub(super) path: Option<String>,
    pub(super) claims: Option<Vec<String>>,
    pub(crate) signed_out: SignedOutUser,
}

impl UserPath {
    /// The names of the claims that are shown.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        let named = self.claims.iter().flatten().map(String::as_str);
        let defaults = DEFAULT_CLAIMS.into_iter().filter(|_| self.claims.is_none());
        named.chain(defaults)
    }

    /// # Errors
    ///
    /// A setting has no effect, because there is no user path.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let setting = match (self.claims.is_some(), self.signed_out) {
            _ if self.path.is_some() => return Ok(()),
            (true, _) => "user_claims",
            (false, SignedOutUser::Unauthorized) => return Ok(()),
            (false, _) => "signed_out_user",
        };
        Err(ConfigError::new(
            setting,
            "has no effect without a user path: set one by `with_user_path` (IDENTITY_USER_PATH)",
        ))
    }
}
