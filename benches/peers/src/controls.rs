//! Controls: what the others are compared with.

use std::{
    convert,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, header::AUTHORIZATION},
    routing::get,
};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceBuilder};

use crate::{
    app::{PATH, Runner, Sent},
    person::NAME,
};

/// The application without anything around it.
pub fn router() -> Router {
    Router::new().route(PATH, get(|| async { NAME.to_owned() }))
}

/// axum alone.
pub fn bare() -> Runner {
    Runner::new(router(), None)
}

/// axum alone, asked with a session cookie.
pub fn with_cookie(cookie: HeaderValue) -> Runner {
    Runner::new(router(), Some(cookie))
}

/// axum alone, asked with these values of `Authorization` in turn, copied as a server copies them.
pub fn with_tokens(headers: Vec<HeaderValue>) -> Runner {
    Runner::with_headers(router(), AUTHORIZATION, headers, Sent::Copied)
}

/// A layer that does nothing, put on every route by axum.
pub fn nothing_routed() -> Runner {
    Runner::new(router().layer(Nothing), None)
}

/// A layer that does nothing, once around the finished router.
pub fn nothing_wrapped() -> Runner {
    Runner::new(Nothing.layer(router()), None)
}

/// The least of a layer that hands the handler a value and may respond with a body of its own, put
/// on every route by axum: no layer with both can cost less.
pub fn least_routed() -> Runner {
    let value = Arc::new(Value);
    let layer = ServiceBuilder::new()
        .map_request(move |mut request: Request<Body>| {
            request.extensions_mut().insert(Arc::clone(&value));
            request
        })
        .map_response(|response: Response<Body>| {
            // Another type of body, as that of a layer with pages of its own is.
            response.map(|body| body.map_err(convert::identity))
        });
    Runner::new(router().layer(layer), None)
}

/// The value that the layer hands the handler.
struct Value;

#[derive(Clone, Copy)]
struct Nothing;

impl<S> Layer<S> for Nothing {
    type Service = Passing<S>;

    fn layer(&self, inner: S) -> Passing<S> {
        Passing(inner)
    }
}

#[derive(Clone)]
struct Passing<S>(S);

impl<R, S: Service<R>> Service<R> for Passing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}
