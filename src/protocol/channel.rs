//! The way to the provider: every request goes through a [`Channel`], every step is watched by a span ([`observed`]).

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::ACCEPT};
use tracing::{Instrument as _, Span};
use url::Url;

use super::{
    error_answer,
    http::{HttpClient, HttpError, LARGEST_ANSWER},
};
use crate::error::{Error, ErrorKind};

/// Sends requests and turns what is no answer into an error that names the endpoint.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    http: Arc<dyn HttpClient>,
    patience: Duration,
}

/// Longer than the default client takes at most, for clients of the user's own that never give up: everybody who needs the answer would wait with them.
const PATIENCE: Duration = Duration::from_secs(20);

impl Channel {
    pub(super) fn new(http: Arc<dyn HttpClient>) -> Self {
        Self { http, patience: PATIENCE }
    }

    pub(super) fn http(&self) -> Arc<dyn HttpClient> {
        Arc::clone(&self.http)
    }

    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A document by GET: 200 or an error.
    pub(super) async fn document(&self, what: &'static str, url: &Url) -> Result<Response<Bytes>, Error> {
        let answer = self.send(what, empty_request(Method::GET, url)?).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(error_answer::http_error(&answer))
            }
            status => match error_answer::http_error(&answer).provider() {
                // Entra says that there is no such tenant.
                Some(said) if said.code.is_some() => Err(Error::from_provider(ErrorKind::ProviderMisconfigured, said.clone())),
                _ => Err(Error::new(ErrorKind::ProviderMisconfigured, format!("{what}: the status is {}", status.as_u16()))),
            },
        }
    }

    pub(super) async fn send(&self, what: &'static str, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let sending = tokio::time::timeout(self.patience, self.http.send(request));
        let answer = match sending.await.unwrap_or_else(|_| Err(HttpError::new("too slow"))) {
            // A client of the user's own may have read more.
            Ok(answer) if answer.body().len() > LARGEST_ANSWER => Err(HttpError::too_large()),
            answer => answer,
        };
        answer.map_err(|error| {
            let kind = if error.is_too_large() { ErrorKind::AnswerTooLarge } else { ErrorKind::ProviderUnreachable };
            Error::new(kind, format!("{what}: {error}"))
        })
    }
}

/// Runs a step inside its span and writes down how it ended.
pub(super) fn observed<T>(span: Span, step: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
    let inner = span.clone();
    async move {
        let outcome = step.await;
        match &outcome {
            Ok(_) => span.record("outcome", "ok"),
            Err(error) => {
                tracing::debug!(%error, "the step failed");
                span.record("outcome", "failed").record("reason", error.reason())
            }
        };
        outcome
    }
    .instrument(inner)
}

/// A request without a body that asks for JSON.
pub(super) fn empty_request(method: Method, url: &Url) -> Result<Request<Bytes>, Error> {
    let request = Request::builder().method(method).uri(url.as_str()).header(ACCEPT, "application/json").body(Bytes::new());
    request.map_err(|_| Error::new(ErrorKind::ProviderMisconfigured, "an endpoint's address cannot be used in a request"))
}
