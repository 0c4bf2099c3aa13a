//! [`ApiClient`]: requests with the right token.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::{
    api::{AcquireToken, Api},
    challenge::{Wanted, wanted},
};
use crate::{
    error::{Error, ErrorKind},
    protocol::{HttpClient, ReqwestClient},
};

/// Calls one [`Api`] with the token of whoever the call is for.
///
/// It follows no redirects: what an API answers is what the caller gets, whatever its status.
/// Connections are kept, so make one client per API and share it.
#[derive(Clone, Debug)]
pub struct ApiClient {
    api: Api,
    http: Arc<dyn HttpClient>,
}

impl ApiClient {
    /// A client with [`ReqwestClient`] and its limits: 10 seconds, 1 MiB.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self { api, http: Arc::new(ReqwestClient::new()) }
    }

    /// Sends through another client.
    #[must_use]
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Arc::new(http);
        self
    }

    /// GET a path of the API, such as `/v1.0/me?$select=id`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `RequestInvalid` if it is not a path.
    pub async fn get(
        &self,
        tokens: &dyn AcquireToken,
        path: &str,
    ) -> Result<Response<Bytes>, Error> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.api.address(path)?;
        self.send(tokens, request).await
    }

    /// Sends a request to the API, with its whole address. If the API asks for claims, it is sent
    /// once more with a token that has them.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: the address is not one of the API; nothing is sent;
    /// - those of [`AcquireToken::acquire`]: `InteractionRequired` where the provider wants to see
    ///   the person, also for the claims that the API asked for;
    /// - `StrongerSignInNeeded`: the API wants a token of a stronger or more recent sign-in (RFC
    ///   9470), of somebody who can sign in again;
    /// - `ApiUnreachable`: there is no answer.
    pub async fn send(
        &self,
        tokens: &dyn AcquireToken,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        if !self.api.has(request.uri()) {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the address of an API call is not one of the API: no token is sent there",
            ));
        }
        self.api.authorize(tokens, &mut request, None).await?;
        let answer = self.exchange(request.clone()).await?;
        let (answer, wanted) = match wanted(&answer) {
            Some(Wanted::Claims(claims)) => {
                self.api.authorize(tokens, &mut request, Some(&claims)).await?;
                let answer = self.exchange(request).await?;
                let wanted = wanted(&answer);
                (answer, wanted)
            }
            other => (answer, other),
        };
        match wanted {
            Some(Wanted::SignIn(sign_in)) if tokens.can_sign_in_again() => {
                Err(self.api.needs(sign_in))
            }
            _ => Ok(answer),
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        self.http.send(request).await.map_err(|error| {
            Error::new(ErrorKind::ApiUnreachable, format!("no answer from an API: {error}"))
        })
    }
}
