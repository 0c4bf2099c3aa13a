//! Extractors for axum: [`User`], [`Tokens`], and both as `Option`.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use super::{lazy_user::RequestUser, placement::without_layer};
use crate::{
    error::{ErrorKind, log_refusal},
    http_message::{Challenge, ChallengeKind, original_uri},
    user::{Tokens, User},
};

/// Why there is no user to extract. As a response it becomes the layer's own answer: a sign-in for
/// a person, 401 for a script.
#[derive(Debug)]
#[non_exhaustive]
pub enum UserRejection {
    /// No user is signed in, or it cannot be known at the moment.
    Challenge(Challenge),
    /// No [`IdentityLayer`](crate::IdentityLayer) is around this route.
    NoLayer,
}

impl IntoResponse for UserRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Challenge(challenge) => challenge.into_response(),
            Self::NoLayer => {
                tracing::error!(
                    "a handler takes the user, but no IdentityLayer is around it: put one around \
                     the finished router"
                );
                (StatusCode::INTERNAL_SERVER_ERROR, "This application is not set up correctly.")
                    .into_response()
            }
        }
    }
}

async fn user_of(parts: &Parts) -> RequestUser {
    RequestUser::of(&parts.extensions, |lazy| lazy.head_of(parts)).await
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = UserRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, UserRejection> {
        let wanted = match user_of(parts).await {
            RequestUser::NoLayer => return Err(UserRejection::NoLayer),
            RequestUser::User { user, .. } => return Ok(user),
            RequestUser::Nobody => {
                ChallengeKind::SignIn { options: Box::default(), return_path: None }
            }
            RequestUser::Unknown(error) => ChallengeKind::Refusal(error),
        };
        let uri = original_uri(&parts.uri, &parts.extensions);
        Err(UserRejection::Challenge(Challenge::new(&parts.method, uri, &parts.headers, wanted)))
    }
}

/// `None`, so that public pages are served in any case:
///
/// - if no user is signed in, or it cannot be known now: the session store or the provider does not
///   answer,
/// - for a caller with an access token,
/// - for a request with effects that a page of another origin caused,
/// - without a layer, which a debug event reports once for each route.
impl<S: Sync> OptionalFromRequestParts<S> for User {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(match user_of(parts).await {
            RequestUser::User { user, .. } => Some(user),
            RequestUser::Nobody => None,
            // A caller with an access token has no session.
            RequestUser::Unknown(error) if error.kind() == ErrorKind::SessionRequired => None,
            RequestUser::Unknown(error) if error.kind() == ErrorKind::CrossSite => {
                log_refusal!(
                    error,
                    %error,
                    "no user is signed in for the request of another origin"
                );
                None
            }
            RequestUser::Unknown(error) => {
                tracing::warn!(
                    reason = error.reason(),
                    %error,
                    "it is not known whether a person is signed in: treated as signed out"
                );
                None
            }
            RequestUser::NoLayer => {
                without_layer(&parts.extensions);
                None
            }
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Tokens {
    type Rejection = UserRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, UserRejection> {
        <User as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map(|user| user.tokens())
    }
}

/// As [`Option<User>`](User): `None` if no user is signed in, if that cannot be known at the
/// moment, and without a layer.
impl<S: Sync> OptionalFromRequestParts<S> for Tokens {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Infallible> {
        let user = <User as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(user.map(|user| user.tokens()))
    }
}
