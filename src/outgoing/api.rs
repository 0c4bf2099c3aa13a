//! [`Api`]: whom a token is for.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use url::Url;

use super::challenge::SignIn;
use crate::{
    authority::is_loopback,
    client::{AppTokens, TokenRequest},
    error::{ConfigError, Error, ErrorKind},
    strings::StringList,
    tokens::AccessToken,
    user::Tokens,
};

/// Where access tokens come from.
#[async_trait]
pub trait AcquireToken: fmt::Debug + Send + Sync {
    /// A token that answers the request, kept or fresh.
    ///
    /// # Errors
    ///
    /// There is none; see [`Tokens::acquire`].
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error>;

    /// Whether an error reaches somebody who can sign in again. Then an API that wants a stronger
    /// or more recent sign-in (RFC 9470) is an error of the kind `StrongerSignInNeeded`; otherwise
    /// its 401 is passed on. The default is no.
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

/// One origin, and the token that it takes.
///
/// A token is a password for as long as it lives, so it goes to this scheme, host and port and
/// nowhere else, whatever a request or a redirect says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    origin: Url,
    request: TokenRequest,
}

impl Api {
    /// The API at an origin such as `https://graph.microsoft.com`, with tokens that have these
    /// scopes; without any, the token of the sign-in.
    ///
    /// # Errors
    ///
    /// The address is not that of an origin, or it is plain http on a host that is not this
    /// machine; or a scope is not one.
    pub fn at<Kind>(origin: &str, scopes: impl StringList<Kind>) -> Result<Self, ConfigError> {
        let request = TokenRequest::new(scopes)
            .map_err(|error| ConfigError::new("Api::at", error.to_string()))?;
        Self::with_request(origin, request)
    }

    /// The same, with a token that answers this request.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn with_request(origin: &str, request: TokenRequest) -> Result<Self, ConfigError> {
        let wrong = |problem| Err(ConfigError::new("Api::at", problem));
        let Ok(origin) = Url::parse(origin) else {
            return wrong(
                "the address is not one: give an origin such as https://graph.microsoft.com",
            );
        };
        let bare = origin.path() == "/"
            && origin.query().is_none()
            && origin.fragment().is_none()
            && origin.username().is_empty();
        if origin.host().is_none() || !bare || origin.password().is_some() {
            return wrong(
                "give the origin alone, such as https://graph.microsoft.com: paths belong to the requests",
            );
        }
        match origin.scheme() {
            "https" => {}
            "http" if is_loopback(&origin) => {}
            _ => {
                return wrong(
                    "a token must not go over plain http: use https (http is for this machine only)",
                );
            }
        }
        Ok(Self { origin, request })
    }

    /// The address of a path of the API.
    pub(super) fn address(&self, path: &str) -> Result<Uri, Error> {
        let refused = |problem| Error::new(ErrorKind::RequestInvalid, problem);
        let rest = path.strip_prefix('/').filter(|rest| !rest.starts_with(['/', '\\']));
        let rest = rest.ok_or_else(|| refused("the path of an API call starts with one slash"))?;
        format!("{}{rest}", self.origin)
            .parse()
            .map_err(|_| refused("the path of an API call has characters that no path has"))
    }

    /// The failure of a call that takes another sign-in.
    pub(super) fn needs(&self, sign_in: SignIn) -> Error {
        sign_in.error(self.request.scopes())
    }

    /// Whether this address is one of the API.
    pub(super) fn has(&self, address: &Uri) -> bool {
        Url::parse(&address.to_string())
            .is_ok_and(|address| address.origin() == self.origin.origin())
    }

    /// Puts a token into a request, asked for with the claims that the API wants, if it wants any.
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
                    "an access token has characters that no header takes",
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

    /// C-389
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
