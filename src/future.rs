//! The named response future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, Response,
    header::{CACHE_CONTROL, Entry},
};
use pin_project_lite::pin_project;

use crate::{
    answers::NOT_STORED, body::IdentityBody, challenge::Challenge, identity::Identity, service::Shared, session::Roll, user::User,
};

type Boxed<R, E> = Pin<Box<dyn Future<Output = Result<Response<IdentityBody<R>>, E>> + Send>>;

pin_project! {
    /// The future of [`IdentityService`](crate::IdentityService).
    ///
    /// Where the decision needs no waiting it is the inner service's own future, without a box around it.
    pub struct ResponseFuture<F, R, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, R, E> {
        Calling { #[pin] inner: F, shared: Arc<Shared>, after: After },
        Deciding { future: Boxed<R, E> },
    }
}

/// What is left to do when the inner service has answered.
#[derive(Debug)]
pub(crate) enum After {
    /// The user may have been read through the handle.
    Public(Identity),
    /// The user was there; the ticket may have been rolled.
    Protected(Option<Arc<Roll<User>>>),
}

impl<F, R, E> ResponseFuture<F, R, E> {
    pub(crate) fn calling(inner: F, shared: Arc<Shared>, after: After) -> Self {
        Self { state: State::Calling { inner, shared, after } }
    }

    pub(crate) fn deciding(future: impl Future<Output = Result<Response<IdentityBody<R>>, E>> + Send + 'static) -> Self {
        Self { state: State::Deciding { future: Box::pin(future) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Send + 'static,
    E: 'static,
{
    type Output = Result<Response<IdentityBody<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Deciding { future } => return future.as_mut().poll(context),
                StateProjection::Calling { inner, shared, after } => {
                    let mut response = ready!(inner.poll(context))?;
                    let challenge = response.extensions_mut().remove::<Challenge>();
                    let roll = if challenge.is_none() { after.apply(response.headers_mut()) } else { None };
                    if challenge.is_none() && roll.is_none() {
                        return Poll::Ready(Ok(response.map(IdentityBody::inner)));
                    }
                    let shared = Arc::clone(shared);
                    Box::pin(async move { Ok(shared.finish(response, challenge, roll).await) })
                }
            };
            self.set(Self { state: State::Deciding { future: next } });
        }
    }
}

impl After {
    /// Keeps what was made for one person out of shared caches. What it returns is a rolled ticket that the response may carry.
    pub(crate) fn apply(&mut self, headers: &mut HeaderMap) -> Option<Arc<Roll<User>>> {
        let roll = match self {
            Self::Protected(roll) => roll.take(),
            Self::Public(identity) => identity.seen()?,
        };
        let shareable = match headers.entry(CACHE_CONTROL) {
            Entry::Vacant(entry) => {
                entry.insert(NOT_STORED);
                false
            }
            Entry::Occupied(chosen) => {
                !chosen.get().to_str().is_ok_and(|chosen| chosen.contains("private") || chosen.contains("no-store"))
            }
        };
        // A handler may let caches share its answer; a cookie must not be in it then. The ticket is rolled with the next answer.
        roll.filter(|_| !shareable)
    }
}

impl<F, R, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
