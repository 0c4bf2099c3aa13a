//! [`ApiClient`]: an HTTP client for one API.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::{
    api::{AcquireToken, Api},
    challenge::{ApiChallenge, api_challenge},
};
use crate::{
    error::{Error, ErrorKind},
    protocol::{HttpClient, ReqwestClient},
};

/// An HTTP client for one [`Api`]. Each call takes the source of its token, so that one client
/// serves all users.
///
/// It follows no redirects, and returns the response of the API whatever its status. It keeps
/// connections open, so create one client per API and share it.
#[derive(Clone, Debug)]
pub struct ApiClient {
    api: Api,
    http: Arc<dyn HttpClient>,
}

impl ApiClient {
    /// A client on [`ReqwestClient`] with its limits: 10 seconds, and responses of up to 1 MiB.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self { api, http: Arc::new(ReqwestClient::new()) }
    }

    /// Sets the HTTP client that sends the requests. The default is [`ReqwestClient`].
    #[must_use]
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Arc::new(http);
        self
    }

    /// Sends a GET request for a path of the API, such as `/v1.0/me?$select=id`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send); `RequestInvalid` if `path` does not begin with one slash.
    pub async fn get(
        &self,
        tokens: &dyn AcquireToken,
        path: &str,
    ) -> Result<Response<Bytes>, Error> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.api.address(path)?;
        self.send(tokens, request).await
    }

    /// Sends a request with an absolute URL of the API. After a claims challenge it is sent once
    /// more with a token that has the claims.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: the URL has another origin than the API. Nothing is sent.
    /// - Those of [`AcquireToken::acquire`]; among them `InteractionRequired` if the provider
    ///   requires the user to act, also for the claims of a challenge.
    /// - `StrongerSignInNeeded`: the API requires a stronger or more recent sign-in (RFC 9470), and
    ///   the token is that of a user.
    /// - `ApiUnreachable`: there is no response.
    pub async fn send(
        &self,
        tokens: &dyn AcquireToken,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        if !self.api.has(request.uri()) {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the URL of the request has another origin than the API: no token is sent there",
            ));
        }
        self.api.authorize(tokens, &mut request, None).await?;
        let answer = self.exchange(request.clone()).await?;
        // One retry: an API that is still not satisfied would only repeat its challenge.
        let (answer, challenge) = match api_challenge(&answer) {
            Some(ApiChallenge::Claims(claims)) => {
                self.api.authorize(tokens, &mut request, Some(&claims)).await?;
                let answer = self.exchange(request).await?;
                let challenge = api_challenge(&answer);
                (answer, challenge)
            }
            other => (answer, other),
        };
        match challenge {
            Some(ApiChallenge::SignIn(required)) if tokens.can_sign_in_again() => {
                Err(self.api.sign_in_error(required))
            }
            _ => Ok(answer),
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        self.http.send(request).await.map_err(|error| {
            Error::new(ErrorKind::ApiUnreachable, format!("no response from an API: {error}"))
        })
    }
}
