//! [`AccessToken`]: an access token for a caller.

use std::{fmt, sync::Arc};

use super::{
    cache::CachedToken,
    key::{Scopes, TokenKey, TokenRequest},
    record,
    refresher::{Renewal, TokenSet},
};
use crate::{clock::UnixTime, secret::Secret};

/// An access token, for the API it was issued for.
///
/// Clones share one allocation, which is wiped when the last of them and the session's record are
/// gone. `Debug` shows everything but the token.
///
/// ```
/// use tower_identity::AccessToken;
///
/// fn authorization(token: &AccessToken) -> Result<String, String> {
///     match token.missing_scopes().next() {
///         Some(missing) => Err(format!("{missing} was not granted")),
///         None => Ok(format!("{} {}", token.scheme(), token.expose())),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct AccessToken {
    token: Arc<CachedToken>,
    source: TokenSource,
    missing: Option<Scopes>,
}

/// The origin of an [`AccessToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenSource {
    /// The token response of the sign-in, also where the token is read from the cache later: no
    /// request was sent for it. MSAL calls that `cache`.
    SignIn,
    /// The cache, for a token that was requested after the sign-in.
    Cache,
    /// The provider, for this request.
    Provider,
}

impl TokenSource {
    /// The name in lower case, for logs and JSON: `sign_in`, `cache` or `provider`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Cache => "cache",
            Self::Provider => "provider",
        }
    }
}

impl AccessToken {
    /// A token of the cache, for this request.
    pub(super) fn kept(token: Arc<CachedToken>, key: &TokenKey) -> Self {
        let source = if token.from_sign_in { TokenSource::SignIn } else { TokenSource::Cache };
        // A complete token has every scope of any request that it answers.
        let missing = if token.is_complete() { None } else { token.missing(key) };
        Self { missing, token, source }
    }

    /// A token that the provider has just issued.
    pub(super) fn issued(token: Arc<CachedToken>) -> Self {
        Self { missing: token.missing(&token.key), token, source: TokenSource::Provider }
    }

    /// The token of a sign-in that has just been completed.
    pub(super) fn of_sign_in(token: Arc<CachedToken>) -> Self {
        Self { source: TokenSource::SignIn, ..Self::issued(token) }
    }

    /// A token that the provider has just issued, and that is not cached.
    pub(crate) fn not_kept(
        request: &TokenRequest,
        issued: TokenSet,
        now: UnixTime,
    ) -> Option<Self> {
        record::token_of(request.key.clone(), issued, TokenSource::Provider, Renewal::BySignIn, now)
            .map(Arc::new)
            .map(Self::issued)
    }

    /// The token itself. Send it as `Authorization: Bearer …`, and only to the API that it was
    /// issued for.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.token.secret.expose()
    }

    /// The token as a value that redacts itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.token.secret
    }

    /// The authentication scheme for the `Authorization` header: `Bearer`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.token.key.scheme().as_str()
    }

    /// The scopes that the provider granted, by its own names, in alphabetical order. There may be
    /// more than were requested.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.token.granted.iter()
    }

    /// The requested scopes that, by their names, were not granted, in alphabetical order. Those
    /// about the person (`openid`, `profile`, `email`, …) and `offline_access` are left out,
    /// because they are not rights at an API.
    ///
    /// A provider may grant less than was requested (RFC 6749 section 3.3). The token then answers
    /// the same request until it is due: the provider is not asked again each time. Names that
    /// differ in letter case, or in the resource in front of them, are the same scope. Where a
    /// provider has names of its own, scopes may be listed here although they were granted: then
    /// only the response of the API shows it. A guard with
    /// [`with_scopes`](crate::RequireSignIn::with_scopes) asks the person once, and then refuses.
    pub fn missing_scopes(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().flat_map(Scopes::iter)
    }

    /// The time at which the token expires, by the server's clock.
    ///
    /// Without `expires_in`, which is optional (RFC 6749 section 5.1), it is ten minutes after the
    /// response where the token can be renewed without the user, otherwise an hour. It is earlier
    /// if the token is a JWT with an earlier `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.token.expires_at
    }

    /// The time from which on the provider recommends a newer token (`refresh_in` of its response,
    /// Entra ID only; MSAL's `refresh_on`), by the server's clock. A token that this crate caches
    /// is renewed by itself at the next request after that time: there is nothing to do.
    #[must_use]
    pub fn refresh_at(&self) -> Option<UnixTime> {
        self.token.refresh_at
    }

    /// The origin of the token: sign-in, cache or provider.
    #[must_use]
    pub fn source(&self) -> TokenSource {
        self.source
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("scopes", &self.token.granted)
            .field("expires_at", &self.token.expires_at)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
