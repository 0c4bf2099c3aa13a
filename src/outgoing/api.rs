//! [`Api`]: the origin of an API and the token for it. [`AcquireToken`]: the source of tokens.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use url::Url;

use super::challenge::RequiredSignIn;
use crate::{
    authority::is_loopback,
    client::{AppTokens, TokenRequest},
    error::{ConfigError, Error, ErrorKind},
    strings::StringList,
    tokens::AccessToken,
    user::Tokens,
};

/// A source of access tokens.
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

#[async_trait]
impl AcquireToken for AppTokens {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        AppTokens::acquire(self, request).await
    }
}

/// An API: its origin, and the request for the access token that it accepts.
///
/// A bearer token is valid for anyone who has it, so it is sent to this scheme, host and port only
/// (RFC 6750 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    origin: Url,
    request: TokenRequest,
}

impl Api {
    /// The API at an origin such as `https://graph.microsoft.com`, which accepts tokens with these
    /// scopes. Without scopes the access token of the sign-in is used.
    ///
    /// # Errors
    ///
    /// The URL is not an origin, or is plain http and not loopback; or a scope is invalid.
    pub fn at<Kind>(origin: &str, scopes: impl StringList<Kind>) -> Result<Self, ConfigError> {
        let request = TokenRequest::new(scopes)
            .map_err(|error| ConfigError::new("Api::at", error.to_string()))?;
        Self::with_request(origin, request)
    }

    /// The API at an origin, which accepts tokens for this request.
    ///
    /// # Errors
    ///
    /// Those of [`at`](Self::at).
    pub fn with_request(origin: &str, request: TokenRequest) -> Result<Self, ConfigError> {
        let wrong = |problem| Err(ConfigError::new("Api::at", problem));
        let Ok(origin) = Url::parse(origin) else {
            return wrong("not a URL: expected an origin such as https://graph.microsoft.com");
        };
        let bare = origin.path() == "/"
            && origin.query().is_none()
            && origin.fragment().is_none()
            && origin.username().is_empty();
        if origin.host().is_none() || !bare || origin.password().is_some() {
            return wrong(
                "expected an origin alone, such as https://graph.microsoft.com: the path belongs \
                 to each request",
            );
        }
        match origin.scheme() {
            "https" => {}
            "http" if is_loopback(&origin) => {}
            _ => {
                return wrong(
                    "a token must not be sent over plain http: use https (http is accepted for \
                     loopback only)",
                );
            }
        }
        Ok(Self { origin, request })
    }

    /// The URL of a path of the API.
    pub(super) fn address(&self, path: &str) -> Result<Uri, Error> {
        let refused = |problem| Error::new(ErrorKind::RequestInvalid, problem);
        // `//host` and `/\host` are URLs of another host.
        let rest = path.strip_prefix('/').filter(|rest| !rest.starts_with(['/', '\\']));
        let rest =
            rest.ok_or_else(|| refused("the path of an API call must begin with one slash"))?;
        format!("{}{rest}", self.origin)
            .parse()
            .map_err(|_| refused("the path of an API call has characters that a URL cannot have"))
    }

    /// The error of a call after which the user must sign in again as required.
    pub(super) fn sign_in_error(&self, required: RequiredSignIn) -> Error {
        required.error(self.request.scopes())
    }

    /// Whether this URL has the origin of the API.
    pub(super) fn has(&self, address: &Uri) -> bool {
        Url::parse(&address.to_string())
            .is_ok_and(|address| address.origin() == self.origin.origin())
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
    fn only_an_origin_that_may_have_a_token_is_one() {
        for good in [
            "https://graph.microsoft.com",
            "https://graph.microsoft.com/",
            "http://127.0.0.1:8080",
            "http://localhost",
            "https://api.example:8443",
        ] {
            assert!(Api::at(good, ["a"]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "graph.microsoft.com",
            "http://api.example",
            "https://a@api.example",
            "https://api.example/v1",
            "https://api.example?x=1",
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
