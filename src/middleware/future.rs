//! The named response future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Extensions, HeaderValue, Response, StatusCode, header::CACHE_CONTROL};
use pin_project_lite::pin_project;

use super::{admit::AdmittedRequest, lazy_user::LazyUser, service::Shared, step_up::swallowed};
use crate::{
    api::ApiFuture,
    error::{Error, ErrorKind},
    http_message::{
        BoxedResponse, Challenge, IdentityBody, NOT_STORED, RaisedError, RequestSummary,
    },
    session::{Roll, Session},
};

pin_project! {
    /// The future of [`IdentityService`](crate::IdentityService).
    ///
    /// Where the decision needs no waiting it is the inner service's own future, without a box
    /// around it.
    pub struct ResponseFuture<F, R, E> {
        #[pin]
        state: FutureState<F, R, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum FutureState<F, R, E> {
        Calling { #[pin] inner: F, shared: Arc<Shared>, pending: Pending },
        Waiting { response: BoxedResponse<IdentityBody<R>, E> },
        Api { #[pin] future: ApiFuture<F, R, E> },
    }
}

/// The part of a request that the layer keeps while the inner service answers it.
pub(super) enum Pending {
    /// The user may have been read through the handle.
    Public(LazyUser),
    /// The user is in the extensions.
    Protected(AdmittedRequest),
}

/// Async work to finish before the response is returned.
pub(super) enum FollowUp {
    /// A handler or guard asks for another answer; `session` is the one that was admitted.
    Challenge { challenge: Challenge, session: Option<Arc<Session>> },
    /// A failure of the tokens that a handler passed on.
    Raised { error: Error, session: Arc<Session>, summary: RequestSummary },
    /// A rolled ticket, if it still holds.
    Roll(Arc<Roll>),
}

impl<F, R, E> ResponseFuture<F, R, E> {
    #[inline]
    pub(super) fn calling(inner: F, shared: Arc<Shared>, pending: Pending) -> Self {
        Self { state: FutureState::Calling { inner, shared, pending } }
    }

    pub(super) fn of_api(future: ApiFuture<F, R, E>) -> Self {
        Self { state: FutureState::Api { future } }
    }

    pub(super) fn waiting(
        response: impl Future<Output = Result<Response<IdentityBody<R>>, E>> + Send + 'static,
    ) -> Self {
        Self { state: FutureState::Waiting { response: Box::pin(response) } }
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
        let finished = match self.as_mut().project().state.project() {
            StateProjection::Waiting { response } => return response.as_mut().poll(context),
            StateProjection::Api { future } => return future.poll(context),
            StateProjection::Calling { inner, shared, pending } => {
                let mut response = ready!(inner.poll(context))?;
                let Some(follow_up) = pending.follow_up(&mut response, || shared.has_api()) else {
                    return Poll::Ready(Ok(response.map(IdentityBody::inner)));
                };
                let shared = Arc::clone(shared);
                async move { Ok(shared.finish(response, follow_up).await) }
            }
        };
        self.set(Self::waiting(finished));
        self.poll(context)
    }
}

impl Pending {
    /// Keeps a user's response out of shared caches, and returns the work that is left. `has_api`:
    /// whether the layer accepts access tokens.
    pub(super) fn follow_up<R>(
        &self,
        response: &mut Response<R>,
        has_api: impl FnOnce() -> bool,
    ) -> Option<FollowUp> {
        if !response.extensions().is_empty()
            && let Some(raised) = self.raised(response.extensions_mut(), has_api)
        {
            return Some(raised);
        }
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            self.warn_of_swallowed_error();
        }
        let roll = match self {
            Self::Protected(request) => request.admitted.roll.clone(),
            Self::Public(user) => {
                if response.status() == StatusCode::NOT_FOUND {
                    user.not_found();
                }
                user.seen()?.roll().cloned()
            }
        };
        let headers = response.headers_mut();
        // Most responses have few headers, so that a look at their names costs less than a hash.
        let shareable = if headers.keys().any(|name| name == CACHE_CONTROL) {
            !headers.get_all(CACHE_CONTROL).iter().any(forbids_sharing)
        } else {
            headers.insert(CACHE_CONTROL, NOT_STORED);
            false
        };
        // A handler may let caches share its answer; a cookie must not be in it then. The ticket is
        // rolled with the next answer.
        roll.filter(|_| !shareable).map(FollowUp::Roll)
    }

    /// The challenge or the error of a handler, which it put into the extensions of its response.
    /// Apart from [`follow_up`](Self::follow_up), because few responses have one.
    #[cold]
    fn raised(
        &self,
        extensions: &mut Extensions,
        has_api: impl FnOnce() -> bool,
    ) -> Option<FollowUp> {
        if let Some(challenge) = extensions.remove() {
            self.forget_failed_token();
            return Some(FollowUp::Challenge { challenge, session: self.session() });
        }
        let mut error = RaisedError::take(extensions)?;
        let is_misplaced = error.kind() == ErrorKind::TokenMissing && !has_api();
        if is_misplaced {
            error = without_api();
        }
        if let Some(session) = self.session()
            && let Some(summary) = self.summary()
        {
            self.forget_failed_token();
            return Some(FollowUp::Raised { error, session, summary });
        }
        if is_misplaced {
            tracing::error!(%error, "a page of this application is set up wrongly");
        }
        None
    }

    /// The handler answered the failure of a token, so it is not lost.
    #[cold]
    fn forget_failed_token(&self) {
        if let Some(session) = self.session() {
            drop(session.user.take_failed_token());
        }
    }

    /// Logs the cause of a 500 that the layer knows: a token that failed, or a public page that did
    /// not ask for the user.
    #[cold]
    fn warn_of_swallowed_error(&self) {
        match (self, self.session()) {
            (Self::Public(user), _) if user.seen().is_none() => user.failed_unasked(),
            (_, Some(session)) => {
                if let Some(error) = session.user.take_failed_token() {
                    swallowed(&error);
                }
            }
            (_, None) => {}
        }
    }

    /// The session that was admitted or looked up.
    fn session(&self) -> Option<Arc<Session>> {
        match self {
            Self::Protected(request) => Some(Arc::clone(&request.admitted.session)),
            Self::Public(user) => user.seen()?.session().cloned(),
        }
    }

    fn summary(&self) -> Option<RequestSummary> {
        match self {
            Self::Protected(request) => Some(request.summary.clone()),
            Self::Public(user) => Some(user.seen()?.summary.clone()),
        }
    }
}

/// The error of a handler or guard that wants the caller of an API where the layer accepts no
/// tokens.
#[cold]
fn without_api() -> Error {
    Error::new(
        ErrorKind::NotConfigured,
        "a handler takes the caller of an API, or a guard such as `require_scopes` is about one, \
         but this layer accepts no access tokens: add `IdentityLayer::with_api`; a guard for the \
         signed-in user is `require_sign_in().with_scopes`",
    )
}

/// Whether a `Cache-Control` keeps the whole answer out of shared caches (RFC 9111 section 5.2.2):
/// `no-store` or `private`, and not `private="x"`, which is about the field `x` alone (section
/// 5.2.2.7).
fn forbids_sharing(value: &HeaderValue) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let ends_directive = |c: char| {
        let was_escaped = is_escaped;
        is_escaped = is_quoted && !was_escaped && c == '\\';
        if c == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        c == ',' && !is_quoted
    };
    let Ok(text) = value.to_str() else { return false };
    text.split(ends_directive).map(str::trim).any(|directive| {
        directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store")
    })
}

impl<F, R, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directive_about_the_whole_answer_keeps_it_out_of_shared_caches() {
        let forbids = |value: &'static str| forbids_sharing(&HeaderValue::from_static(value));
        for value in [
            "private",
            "no-store",
            "max-age=0, Private",
            "x=\"a,b\", NO-STORE",
            "private , max-age=1",
            "x=\"\\\"\",private",
        ] {
            assert!(forbids(value), "{value}");
        }
        for value in [
            "",
            "public, max-age=60",
            "private=\"x\"",
            "private=\"set-cookie, x\"",
            "x=\"private\"",
            "x=\"a, private, b\"",
            "x=\"\\\", no-store, \"",
            "no-storey",
            "s-maxage=1, x-private",
            "no-cache",
        ] {
            assert!(!forbids(value), "{value}");
        }
    }
}
