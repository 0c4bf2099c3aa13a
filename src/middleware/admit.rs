//! The admission of a request: decided at once where the session is in memory, otherwise after
//! asking the store or the provider.

use std::sync::Arc;

use http::Request;

use super::{
    flow::Flow,
    routes::{Route, route},
};
use crate::{
    clock::UnixTime,
    error::Error,
    http_message::{RequestSummary, ShapeHeaders},
    session::{PeekOutcome, RequestCookies, Roll, Session},
};

/// The decision on a request, made without waiting.
pub(super) enum Decision {
    /// Call the service; no sign-in is needed.
    Public,
    /// Call the service with this session's user.
    Admitted(AdmittedRequest),
    /// The store or the provider has to be asked.
    Ask(Route),
}

/// The session of a signed-in user.
pub(super) struct Admitted {
    pub(super) session: Arc<Session>,
    /// The rolled ticket, if a roll was due.
    pub(super) roll: Option<Arc<Roll>>,
}

/// A request that was let through.
pub(super) struct AdmittedRequest {
    pub(super) admitted: Admitted,
    pub(super) summary: RequestSummary,
}

impl Flow {
    /// Decides from what is in memory.
    #[inline]
    pub(super) fn decide<B>(&self, request: &Request<B>) -> Decision {
        let headers = request.headers();
        match route(&self.config, request.method(), request.uri().path(), headers) {
            None => Decision::Public,
            Some(Route::Protected) if self.sessions.are_local() => {
                let (now, shape) = (self.clock.now(), ShapeHeaders::of(headers));
                match self.sessions.peek(shape.cookie, headers, now) {
                    PeekOutcome::Live(session) => {
                        let admitted = self.admitted(session, now);
                        let rules = self.config.cross_site();
                        let summary = RequestSummary::of(request, &shape, rules);
                        Decision::Admitted(AdmittedRequest { admitted, summary })
                    }
                    PeekOutcome::None | PeekOutcome::Ask => Decision::Ask(Route::Protected),
                }
            }
            Some(route) => Decision::Ask(route),
        }
    }

    /// The refusal of a request with effects that a page of another origin caused, unless that is
    /// accepted at this path. Without a session there is nothing to misuse, so only requests with a
    /// session's cookie come here.
    #[inline]
    pub(super) fn cross_site_refusal(&self, summary: &RequestSummary, path: &str) -> Option<Error> {
        let page = summary.other_page.as_ref()?;
        (!self.config.cross_site().accepts_at(path)).then(|| page.refusal())
    }

    /// The session of a request, after asking the store or the provider where that is needed.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or the session could not be renewed for a passing reason: it is
    /// not known whether a user is signed in.
    pub(super) async fn admit(
        &self,
        cookies: &RequestCookies<'_>,
    ) -> Result<Option<Admitted>, Error> {
        let now = self.clock.now();
        let session = self.current_session(cookies, now).await?;
        Ok(session.map(|session| self.admitted(session, now)))
    }

    #[inline]
    fn admitted(&self, session: Arc<Session>, now: UnixTime) -> Admitted {
        let roll = self.sessions.roll(&session, now);
        Admitted { session, roll }
    }

    /// The session of a request, with the claims of `now`.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub(super) async fn current_session(
        &self,
        cookies: &RequestCookies<'_>,
        now: UnixTime,
    ) -> Result<Option<Arc<Session>>, Error> {
        match self.sessions.load(cookies, now).await? {
            // Boxed so that a session with fresh claims does not pay for the size of a renewal.
            Some(due) if due.renewal_due(now) => Box::pin(self.renew(cookies, due)).await,
            session => Ok(session),
        }
    }

    /// The session with the claims of now; `None` if it is over, or goes on only after a sign-in.
    async fn renew(
        &self,
        cookies: &RequestCookies<'_>,
        due: Arc<Session>,
    ) -> Result<Option<Arc<Session>>, Error> {
        let Some(renewed) = self.grants.renewed(due.grant()).await? else {
            self.sessions.forget(cookies, &due);
            return Ok(None);
        };
        let user = match renewed.claims() {
            Some(claims) => due.user.with_claims(claims),
            None => due.user.clone(),
        };
        Ok(Some(self.sessions.renewed(cookies, &due, user, renewed.renew_at())))
    }
}
