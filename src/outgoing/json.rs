//! JSON in and out, and statuses as errors.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{api::AcquireToken, client::ApiClient};
use crate::{
    error::{ApiRefusal, Error, ErrorKind},
    protocol::is_compressed,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Requests whose bodies are JSON.
///
/// `path` is a path below the base URL of the API, or an absolute URL of the API, such as the link
/// to the next page of a list; [`path`](super::path) puts one together from parts.
///
/// # Errors
///
/// All of them fail like [`send`](ApiClient::send), and in addition with
///
/// - `ApiRefused`: the status is not a success (200 to 299). [`Error::api_refusal`] has it.
/// - `ApiAnswerInvalid`: the body is not the JSON that was expected, or is compressed.
/// - `RequestInvalid`: the path is not valid, or the value cannot be written as JSON.
impl ApiClient {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        tokens: &dyn AcquireToken,
        path: &str,
    ) -> Result<T, Error> {
        self.exchange_json(tokens, Method::GET, path, None).await
    }

    /// Posts a value, and reads the one in the response. A response without a body is `()`, or
    /// `None` of an `Option`. It is sent once, since POST is not idempotent.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        tokens: &dyn AcquireToken,
        path: &str,
        value: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Error> {
        self.exchange_json(tokens, Method::POST, path, Some(written(value)?)).await
    }

    /// Puts a value in the place of another, and reads the one in the response, as
    /// [`post_json`](Self::post_json) does.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn put_json<T: DeserializeOwned>(
        &self,
        tokens: &dyn AcquireToken,
        path: &str,
        value: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Error> {
        self.exchange_json(tokens, Method::PUT, path, Some(written(value)?)).await
    }

    /// Changes parts of a value, and reads the one in the response, as
    /// [`post_json`](Self::post_json) does. It is sent once, since PATCH is not idempotent.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn patch_json<T: DeserializeOwned>(
        &self,
        tokens: &dyn AcquireToken,
        path: &str,
        value: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Error> {
        self.exchange_json(tokens, Method::PATCH, path, Some(written(value)?)).await
    }

    /// Deletes a value. The body of the response is ignored.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn delete(&self, tokens: &dyn AcquireToken, path: &str) -> Result<(), Error> {
        self.successful(tokens, Method::DELETE, path, None).await.map(drop)
    }

    async fn exchange_json<T: DeserializeOwned>(
        &self,
        tokens: &dyn AcquireToken,
        method: Method,
        path: &str,
        value: Option<Bytes>,
    ) -> Result<T, Error> {
        let answer = self.successful(tokens, method, path, value).await?;
        let body: &[u8] = if answer.body().is_empty() { b"null" } else { answer.body() };
        serde_json::from_slice(body).map_err(|error| {
            // Some servers name a coding that the body does not have.
            if is_compressed(&answer) {
                let detail = "the response of an API is compressed, although the request of the \
                              default HTTP client has `Accept-Encoding: identity`";
                return Error::new(ErrorKind::ApiAnswerInvalid, detail).with_remedy(
                    "switch the compression off in the API or the web server before it, or set an \
                     HTTP client that decompresses (`ApiClient::with_http_client`)",
                );
            }
            // The error of serde may repeat a value of the body: line and column do not.
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::new(
                ErrorKind::ApiAnswerInvalid,
                format!(
                    "the response of an API ({}, {} bytes) is not the expected JSON ({:?}, \
                     {place})",
                    answer.status().as_u16(),
                    answer.body().len(),
                    error.classify()
                ),
            )
        })
    }

    /// The response, if its status is a success.
    async fn successful(
        &self,
        tokens: &dyn AcquireToken,
        method: Method,
        path: &str,
        value: Option<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = self.api.address(path)?;
        request.headers_mut().insert(ACCEPT, JSON);
        if let Some(value) = value {
            request.headers_mut().insert(CONTENT_TYPE, JSON);
            *request.body_mut() = value;
        }
        let answer = self.send(tokens, request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(Error::from_api(ApiRefusal::new(answer.status(), answer.body())))
    }
}

fn written(value: &(impl Serialize + ?Sized)) -> Result<Bytes, Error> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|_| {
        Error::new(ErrorKind::RequestInvalid, "the value of an API call cannot be written as JSON")
    })
}
