//! Controls: what the others are compared with.

use std::task::{Context, Poll};

use axum::{Router, http::HeaderValue, routing::get};
use tower::{Layer, Service};

use crate::{
    app::{PATH, Runner},
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

/// A layer that does nothing, put on every route by axum.
pub fn nothing_routed() -> Runner {
    Runner::new(router().layer(Nothing), None)
}

/// A layer that does nothing, once around the finished router.
pub fn nothing_wrapped() -> Runner {
    Runner::new(Nothing.layer(router()), None)
}

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
