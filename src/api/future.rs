//! [`ApiFuture`]: the future of an API's responses.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response, header::CONTENT_TYPE};
use pin_project_lite::pin_project;

use super::service::ApiParts;
use crate::http_message::{BoxedResponse, Challenge, GrpcProtocol, IdentityBody, RaisedError};

pin_project! {
    /// The future of [`ApiService`](crate::api::ApiService).
    ///
    /// For a token that was verified before it contains the inner service's future without a box.
    pub struct ApiFuture<F, R, E> {
        #[pin]
        state: ApiState<F, R, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum ApiState<F, R, E> {
        Calling { #[pin] inner: F, shared: Arc<ApiParts>, shape: Shape },
        Answering { response: Option<Response<IdentityBody<R>>> },
        Waiting { future: BoxedResponse<IdentityBody<R>, E> },
    }
}

/// The protocol of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Http,
    /// HTTP, without content.
    Head,
    Grpc(GrpcProtocol),
}

impl Shape {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        if request.method() == Method::HEAD {
            return Self::Head;
        }
        request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(GrpcProtocol::of)
            .map_or(Self::Http, Self::Grpc)
    }
}

impl<F, R, E> ApiFuture<F, R, E> {
    pub(super) fn calling(inner: F, shared: Arc<ApiParts>, shape: Shape) -> Self {
        Self { state: ApiState::Calling { inner, shared, shape } }
    }

    pub(super) fn answering(response: Response<IdentityBody<R>>) -> Self {
        Self { state: ApiState::Answering { response: Some(response) } }
    }

    /// A response that takes a request to the provider, or the future of one.
    pub(super) fn waiting(
        future: impl Future<Output = Result<Response<IdentityBody<R>>, E>> + Send + 'static,
    ) -> Self {
        Self { state: ApiState::Waiting { future: Box::pin(future) } }
    }
}

impl<F, R, E> Future for ApiFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<IdentityBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Waiting { future } => future.as_mut().poll(context),
            StateProjection::Answering { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                // Polled after completion; the contract of `Future` allows any result.
                None => Poll::Pending,
            },
            StateProjection::Calling { inner, shared, shape } => {
                let mut response = ready!(inner.poll(context))?;
                // A guard refused the caller, or a handler returned an error of an on-behalf-of
                // request.
                if let Some(error) = raised(&mut response) {
                    let message = response.extensions_mut().remove();
                    return Poll::Ready(Ok(shared.refused_with(error, *shape, message)));
                }
                Poll::Ready(Ok(response.map(IdentityBody::inner)))
            }
        }
    }
}

fn raised<R>(response: &mut Response<R>) -> Option<crate::error::Error> {
    if response.extensions().is_empty() {
        return None;
    }
    let extensions = response.extensions_mut();
    if let Some(error) = RaisedError::take(extensions) {
        return Some(error);
    }
    extensions.remove::<Challenge>().map(Challenge::into_refusal)
}

impl<F, R, E> fmt::Debug for ApiFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiFuture").finish_non_exhaustive()
    }
}
