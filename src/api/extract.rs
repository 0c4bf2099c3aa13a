//! [`ApiCaller`] as an extractor for axum.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::{bearer, caller::ApiCaller};
use crate::error::Error;

/// On a public path there is none, and the answer is the layer's 401.
impl<S: Sync> FromRequestParts<S> for ApiCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(bearer::missing)
    }
}

/// `None` on public paths, and for requests that are held to a session.
impl<S: Sync> OptionalFromRequestParts<S> for ApiCaller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
