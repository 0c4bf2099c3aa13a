//! Signing out: here first, then at the provider; never for a request of another site.
//!
//! 1. [`Flow::sign_out`] acts on a form or link of this origin; everything else is asked first.
//! 2. [`Flow::end`] deletes the records, reports it, removes the cookie and redirects to the
//!    provider's end of session (OpenID Connect RP-Initiated Logout 1.0).
//! 3. [`Flow::signed_out`] answers the path to which the provider sends the browser back, with a
//!    page of the crate or a redirect to the application's.

use std::sync::Arc;

use http::{Method, request::Parts};
use tracing::Instrument as _;

use super::{
    flow::Flow,
    reply::{Outcome, Reply},
};
use crate::{
    error::{Error, ErrorKind},
    http_message::{ClientKind, RequestHead, follows_own_link, is_from_own_page},
    secret::Secret,
    session::Session,
    single_flight::{self, Tokio},
};

impl Flow {
    /// Answers the sign-out path.
    pub(super) async fn sign_out(self: &Arc<Self>, head: &RequestHead<'_>) -> Reply {
        let own = || self.config.external_path(&self.config.paths().sign_out).into_owned();
        let is_from_here = match *head.method {
            Method::POST => is_from_own_page(head.headers, self.config.origin()),
            // An `Origin` comes with no GET, and a `Referer` with every picture on a page of ours.
            _ => follows_own_link(head.headers),
        };
        if is_from_here {
            return match self.end(head).await {
                Ok(reply) => reply,
                Err(error) => Reply::failed(error, Some(own())),
            };
        }
        match head.client_kind() {
            ClientKind::Navigation | ClientKind::Document => {
                Reply::new(Outcome::ConfirmSignOut { sign_out: own() })
            }
            _ => {
                let detail = "sign-out takes a POST that a page of this site sends";
                Reply::failed(Error::new(ErrorKind::CrossSite, detail), None)
            }
        }
    }

    async fn end(self: &Arc<Self>, head: &RequestHead<'_>) -> Result<Reply, Error> {
        let all = self.sessions.load_all(&head.cookies, self.clock.now()).await?;
        let first = all.first().cloned();
        let (flow, request) = (Arc::clone(self), self.sign_out_request(head));
        // In a task of its own: if the client goes away between the deletion and the event, a
        // second request finds no session to report.
        let work = async move { flow.end_all(&all, request).await };
        let id_token = single_flight::to_the_end(&Tokio, work.in_current_span()).await??;
        let at_provider = match first {
            Some(session) => {
                let hint = session.user.claim("login_hint").and_then(|hint| hint.as_str());
                self.relying_party.end_session_address(id_token.as_ref(), hint).await
            }
            None => None,
        };
        let to = at_provider.unwrap_or_else(|| self.page_after_sign_out().as_str().to_owned());
        let count = (head.cookies.sign_ins() > 0).then(|| self.cookies.forget_sign_ins());
        Ok(Reply::redirect(to).with_cookies([self.cookies.remove_session()]).with_cookies(count))
    }

    /// Ends all sessions of the browser and reports it. Returns the ID token of the first one.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: those before it have ended, and their end was reported.
    async fn end_all(
        &self,
        all: &[Arc<Session>],
        request: Option<Arc<Parts>>,
    ) -> Result<Option<Secret>, Error> {
        let id_token = match all.first() {
            // Read before the records go; sign-out does not depend on it.
            Some(session) => self.grants.id_token(session.grant()).await.ok().flatten(),
            None => None,
        };
        let (mut ended, mut outcome) = (Vec::new(), Ok(()));
        // Another good ticket of this browser would be the next session that it presents.
        for session in all {
            outcome = self.sessions.end(session).await;
            if outcome.is_err() {
                break;
            }
            ended.push(session);
        }
        if !ended.is_empty() {
            tracing::info!("signed out");
        }
        // Without a session, too: what the application keeps of the person may still be there.
        if outcome.is_ok() || !ended.is_empty() {
            self.report_signed_out(&ended, request).await;
        }
        outcome.map(|()| id_token)
    }

    /// The path to which the provider returns. Nothing of the request is read: the provider's
    /// `state` proves nothing that matters here.
    pub(super) fn signed_out(&self) -> Reply {
        if let Some(page) = self.config.page_after_sign_out() {
            return Reply::redirect(page.as_str().to_owned());
        }
        Reply::new(Outcome::SignedOut { sign_in: self.first_sign_in_url(self.config.home()) })
    }
}
