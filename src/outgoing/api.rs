//! [`Api`]: the origin of an API and the token for it. [`AcquireToken`]: the source of tokens.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use url::Url;

use super::challenge::ApiChallenge;
use crate::{
    api::ApiCaller,
    authority::is_loopback,
    client::{AccountTokens, AppTokens, ManagedIdentity, TokenRequest},
    error::{ConfigError, Error, ErrorKind},
    strings::StringList,
    tokens::AccessToken,
    user::Tokens,
};

/// The problem of a URL that no token is sent to.
pub(super) const OTHER_ORIGIN: &str =
    "the URL of the request has another origin than the API: no token is sent there";

/// A source of access tokens: [`Tokens`](crate::Tokens) of the signed-in user,
/// [`ApiCaller`](crate::ApiCaller) in an API, [`AppTokens`](crate::client::AppTokens) of an
/// application, [`AccountTokens`](crate::client::AccountTokens) of the user of a program, and
/// [`ManagedIdentity`](crate::client::ManagedIdentity).
///
/// A further one is a type of the application, such as work that goes on without its caller
/// ([`ApiCaller::begin_long_running`](crate::ApiCaller::begin_long_running)):
///
/// ```
/// use tower_identity::{
///     AccessToken, Error, StoredCaches,
///     client::TokenRequest,
///     outgoing::{AcquireToken, ApiClient},
/// };
///
/// #[derive(Debug)]
/// struct Job {
///     name: String,
///     caches: StoredCaches,
/// }
///
/// #[async_trait::async_trait]
/// impl AcquireToken for Job {
///     async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
///         let name = self.name.as_str();
///         self.caches
///             .with(name, async |client| client.long_running_token(name, request).await)
///             .await
///     }
/// }
///
/// /// A step of the work, an hour later.
/// async fn stock(api: &ApiClient, job: &Job) -> Result<u32, Error> {
///     api.get_json(job, "/stock/bolts").await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of access tokens",
    label = "expected `&Tokens` of the signed-in user, `&ApiCaller` in an API, `&AppTokens`, \
             `&AccountTokens`, or `&ManagedIdentity`",
    note = "of a `User` pass `&user.tokens()`, of a `Client` pass `&client.app_tokens()`, or \
            `&client.account_tokens(&account)` for a user of a program"
)]
#[async_trait]
pub trait AcquireToken: fmt::Debug + Send + Sync {
    /// An access token for the request, from the cache or from the provider.
    ///
    /// # Errors
    ///
    /// No token could be acquired; see [`Tokens::acquire`].
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error>;

    /// Whether the tokens belong to a user who can sign in again.
    ///
    /// If so, the challenge of an API for a stronger or more recent sign-in (RFC 9470) becomes an
    /// error of the kind `StrongerSignInNeeded`; otherwise its 401 is returned. The default is
    /// `false`.
    fn can_sign_in_again(&self) -> bool {
        false
    }
}

#[async_trait]
impl AcquireToken for Tokens {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        Tokens::acquire(self, request).await
    }

    fn can_sign_in_again(&self) -> bool {
        true
    }
}

/// On behalf of the person behind the call: [`ApiCaller::on_behalf_of_with`]. What the person or
/// the client has to do first becomes the challenge for the caller.
#[async_trait]
impl AcquireToken for ApiCaller {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        self.on_behalf_of_with(request.clone()).await
    }

    fn can_sign_in_again(&self) -> bool {
        self.kind().is_person()
    }
}

#[async_trait]
impl AcquireToken for AppTokens {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        AppTokens::acquire(self, request).await
    }
}

/// An API that wants a stronger or more recent sign-in says so to the program, which can ask its
/// user for one: [`SignInOptions`](crate::SignInOptions).
#[async_trait]
impl AcquireToken for AccountTokens {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        AccountTokens::acquire(self, request).await
    }

    fn can_sign_in_again(&self) -> bool {
        true
    }
}

#[async_trait]
impl AcquireToken for ManagedIdentity {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        ManagedIdentity::acquire(self, request).await
    }
}

/// An API: its base URL, and the request for the access token that it accepts.
///
/// A bearer token is valid for anyone who has it, so it is sent to this scheme, host and port only
/// (RFC 6750 section 5.2), and a path never leads out of the base URL. An absolute URL, such as the
/// link to the next page of a list, may have any path at that origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its path ends with a slash.
    base: Url,
    request: TokenRequest,
}

impl Api {
    /// The API at a base URL such as `https://graph.microsoft.com/v1.0`, which accepts tokens with
    /// these scopes. Without scopes the access token of the sign-in is used.
    ///
    /// ```
    /// use tower_identity::outgoing::Api;
    ///
    /// # fn main() -> Result<(), tower_identity::ConfigError> {
    /// let notes = Api::at("https://api.example.com/notes/v2", ["notes.read"])?;
    /// // `/7` is now https://api.example.com/notes/v2/7, and `/../7` is refused.
    /// # let _ = notes;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The URL has a query, a fragment or credentials, or is plain http and not loopback; or a
    /// scope is invalid.
    pub fn at<Kind>(base_url: &str, scopes: impl StringList<Kind>) -> Result<Self, ConfigError> {
        let request = TokenRequest::new(scopes)
            .map_err(|error| ConfigError::new("Api::at", error.to_string()))?;
        Self::with_request(base_url, request)
    }

    /// The API at a base URL, which accepts tokens for this request.
    ///
    /// # Errors
    ///
    /// Those of [`at`](Self::at).
    pub fn with_request(base_url: &str, request: TokenRequest) -> Result<Self, ConfigError> {
        let wrong = |problem| Err(ConfigError::new("Api::at", problem));
        let Ok(mut base) = Url::parse(base_url) else {
            return wrong("not a URL: expected one such as https://graph.microsoft.com/v1.0");
        };
        let bare = base.query().is_none()
            && base.fragment().is_none()
            && base.username().is_empty()
            && base.password().is_none();
        if base.host().is_none() || !bare {
            return wrong(
                "expected scheme, host and path alone, such as https://graph.microsoft.com/v1.0: a \
                 query belongs to each request",
            );
        }
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(&base) => {}
            _ => {
                return wrong(
                    "a token must not be sent over plain http: use https (http is accepted for \
                     loopback only)",
                );
            }
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, request })
    }

    /// The URL of a path below the base URL; or, if `path` is an absolute URL, that URL, provided
    /// that it has the origin of the API, as the link to the next page of a list has.
    pub(super) fn address(&self, path: &str) -> Result<Uri, Error> {
        let refused = |problem| Err(Error::new(ErrorKind::RequestInvalid, problem));
        if let Ok(uri) = path.parse::<Uri>()
            && uri.scheme().is_some()
        {
            return if self.has(&uri) { Ok(uri) } else { refused(OTHER_ORIGIN) };
        }
        // `//host` and `/\host` are URLs of another host.
        let rest = path.strip_prefix('/').filter(|rest| !rest.starts_with(['/', '\\']));
        let Some(rest) = rest else {
            return refused("the path of an API call must begin with one slash");
        };
        let text = format!("{}{rest}", self.base);
        // Parsing as a URL resolves `..`, also where it is written `%2e%2e` or between backslashes.
        match (text.parse::<Uri>(), Url::parse(&text)) {
            (Ok(uri), Ok(url)) if url.path().starts_with(self.base.path()) && self.has(&uri) => {
                Ok(uri)
            }
            (Ok(_), Ok(_)) => refused("the path of an API call leads out of its base URL"),
            _ => refused("the path of an API call has characters that a URL cannot have"),
        }
    }

    /// The error of a call whose last response has this challenge, if the user has to sign in again
    /// and these tokens are those of a user.
    pub(super) fn sign_in_error(
        &self,
        tokens: &dyn AcquireToken,
        challenge: Option<ApiChallenge>,
    ) -> Option<Error> {
        match challenge {
            Some(ApiChallenge::SignIn(required)) if tokens.can_sign_in_again() => {
                Some(required.error(self.request.scopes()))
            }
            _ => None,
        }
    }

    /// Whether this URL has the origin of the API.
    pub(super) fn has(&self, address: &Uri) -> bool {
        Url::parse(&address.to_string()).is_ok_and(|address| address.origin() == self.base.origin())
    }

    /// Adds the access token to a request. `claims` is the claims challenge of the API, which
    /// requires a new token.
    pub(super) async fn authorize<B>(
        &self,
        tokens: &dyn AcquireToken,
        request: &mut Request<B>,
        claims: Option<&str>,
    ) -> Result<(), Error> {
        let token = match claims {
            Some(claims) => tokens.acquire(&self.request.clone().with_challenge(claims)).await?,
            None => tokens.acquire(&self.request).await?,
        };
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
                Error::new(
                    ErrorKind::TokenResponseInvalid,
                    "an access token has characters that a header cannot have",
                )
            })?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_base_url_that_may_have_a_token_is_one() {
        for good in [
            "https://graph.microsoft.com",
            "https://graph.microsoft.com/",
            "http://127.0.0.1:8080",
            "http://localhost",
            "https://api.example:8443",
            "https://api.example/v1",
            "https://api.example/v1/",
        ] {
            assert!(Api::at(good, ["a"]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "graph.microsoft.com",
            "http://api.example",
            "https://a@api.example",
            "https://api.example?x=1",
            "https://api.example/v1#x",
            "ftp://localhost",
            "data:,",
        ] {
            assert!(Api::at(bad, ["a"]).is_err(), "{bad}");
        }
        assert!(Api::at("https://api.example", ["two words and \""]).is_err());
    }

    // C-389: API base URL from user input, or the API redirects to another host
    #[test]
    fn nothing_but_a_path_of_the_origin_is_called() {
        let api = Api::at("https://api.example", ["a"]).unwrap();
        assert_eq!(api.address("/v1/me?x=1").unwrap(), "https://api.example/v1/me?x=1");
        for bad in [
            "",
            "v1",
            "//evil.example/",
            "/\\evil.example",
            "https://evil.example/",
            ".evil.example",
            "@evil.example",
            "/a b",
        ] {
            assert!(api.address(bad).is_err(), "{bad}");
        }
        let below = Api::at("https://api.example/notes/v2", ["a"]).unwrap();
        assert_eq!(below.address("/7?x=1").unwrap(), "https://api.example/notes/v2/7?x=1");
        assert_eq!(below.address("/").unwrap(), "https://api.example/notes/v2/");
        let next = "https://api.example/notes/v2?$skiptoken=1";
        assert_eq!(below.address(next).unwrap(), next, "the link to the next page");
        for bad in [
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/.%2E/x",
            "/a/..\\..\\x",
            "https://evil.example/notes/v2/",
            "http://api.example/notes/v2/",
        ] {
            assert!(below.address(bad).is_err(), "{bad}");
        }
        for (address, own) in [
            ("https://api.example/x", true),
            ("https://api.example:443/", true),
            ("https://API.example/", true),
            ("http://api.example/", false),
            ("https://api.example:444/", false),
            ("https://api.example.evil/", false),
            ("https://api.example@evil.example/", false),
            ("/relative", false),
        ] {
            assert_eq!(api.has(&address.parse().unwrap()), own, "{address}");
        }
    }
}
