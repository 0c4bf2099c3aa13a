//! [`ApiClient`]: an HTTP client for one API.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::{
    api::{AcquireToken, Api, OTHER_ORIGIN},
    challenge::{ApiChallenge, api_challenge},
};
use crate::{
    error::{Error, ErrorKind},
    protocol::{HttpClient, HttpError, ReqwestClient, retry_after},
};

/// An HTTP client for one [`Api`]. Each call takes the source of its token, so that one client
/// serves all users.
///
/// [`get_json`](Self::get_json), [`post_json`](Self::post_json) and their siblings read and write
/// JSON, and make an error of a status that is not a success. [`get`](Self::get) and
/// [`send`](Self::send) return the response whatever its status.
///
/// It follows no redirects. It keeps connections open, so create one client per API and share it.
///
/// # Retries
///
/// A response 429 or 503 with `Retry-After` asks the client to wait (RFC 9110 section 10.2.3, RFC
/// 6585 section 4). A request with an idempotent method (RFC 9110 section 9.2.2: not POST or PATCH)
/// is sent again after that time, at most twice, if all waits together are no longer than 5
/// seconds; [`with_retries`](Self::with_retries) sets both. Otherwise the response is returned. The
/// waits are timers of Tokio, which tests can pause (`tokio::time::pause`).
#[derive(Clone, Debug)]
pub struct ApiClient {
    pub(super) api: Api,
    http: Arc<dyn HttpClient>,
    retries: Retries,
}

/// How often a request is sent again, and how long all waits before that may be together.
#[derive(Clone, Copy, Debug)]
struct Retries {
    times: u32,
    longest: Duration,
}

impl ApiClient {
    /// A client on [`ReqwestClient`] with its limits: 10 seconds, and responses of up to 1 MiB.
    #[must_use]
    pub fn new(api: Api) -> Self {
        let retries = Retries { times: 2, longest: Duration::from_secs(5) };
        Self { api, http: Arc::new(ReqwestClient::new()), retries }
    }

    /// Sets the HTTP client that sends the requests. The default is [`ReqwestClient`].
    #[must_use]
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Arc::new(http);
        self
    }

    /// Sets how often a request is sent again after 429 or 503 with `Retry-After`, and how long it
    /// waits for that altogether. The default is twice within 5 seconds; 0 times is never.
    ///
    /// A page that makes the call waits that long, too. A background job can set a longer time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_identity::outgoing::{Api, ApiClient};
    ///
    /// # fn main() -> Result<(), tower_identity::ConfigError> {
    /// let api = Api::at("https://api.example.com/v1", ["notes.read"])?;
    /// let for_jobs = ApiClient::new(api).with_retries(5, Duration::from_secs(300));
    /// # let _ = for_jobs;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_retries(mut self, times: u32, longest: Duration) -> Self {
        self.retries = Retries { times, longest };
        self
    }

    /// Sends a GET request for a path of the API, such as `/me?$select=id`, or for an absolute URL
    /// of it, such as the link to the next page.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send); `RequestInvalid` if `path` does not begin with one slash,
    /// leads out of the base URL, or is a URL of another origin.
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
    /// - `ApiAnswerInvalid`: the response is larger than the HTTP client accepts.
    pub async fn send(
        &self,
        tokens: &dyn AcquireToken,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        if !self.api.has(request.uri()) {
            return Err(Error::new(ErrorKind::RequestInvalid, OTHER_ORIGIN));
        }
        self.api.authorize(tokens, &mut request, None).await?;
        let mut answer = self.exchange(request.clone()).await?;
        let mut challenge = api_challenge(&answer);
        // One retry: an API that is still not satisfied would only repeat its challenge.
        if let Some(ApiChallenge::Claims(claims)) = &challenge {
            self.api.authorize(tokens, &mut request, Some(claims)).await?;
            answer = self.exchange(request).await?;
            challenge = api_challenge(&answer);
        }
        self.api.sign_in_error(tokens, challenge).map_or(Ok(answer), Err)
    }

    /// Sends a request, and again if the API asks to wait.
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let mut left = self.retries.longest;
        let mut times = if request.method().is_idempotent() { self.retries.times } else { 0 };
        loop {
            let answer = self.http.send(request.clone()).await.map_err(|error| error_of(&error))?;
            let Some(wait) = asked_to_wait(&answer).filter(|wait| times > 0 && *wait <= left)
            else {
                return Ok(answer);
            };
            (times, left) = (times - 1, left - wait);
            tracing::debug!(
                status = answer.status().as_u16(),
                seconds = wait.as_secs(),
                "an API asks to wait before the request is sent again"
            );
            tokio::time::sleep(wait).await;
        }
    }
}

/// The error of a request without a complete response.
fn error_of(error: &HttpError) -> Error {
    // A response that is too large is a wrong one (502), and not a missing one (503).
    if error.is_too_large() {
        return Error::new(ErrorKind::ApiAnswerInvalid, format!("the answer of an API: {error}"))
            .with_remedy(
                "ask the API for less at a time (pages, fewer members), or set an HTTP client with \
                 a higher limit (`ApiClient::with_http_client`)",
            );
    }
    error.to_error(ErrorKind::ApiUnreachable, format!("no response from an API: {error}"))
}

/// How long the API asks to wait before the request is sent again.
fn asked_to_wait(answer: &Response<Bytes>) -> Option<Duration> {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    busy.contains(&answer.status()).then(|| retry_after(answer)).flatten()
}
