//! Signing in, from a navigation to the redirect (303) that leads to the provider.
//!
//! 1. A protected page without a session ([`Flow::require_sign_in`]), the sign-in path
//!    ([`Flow::sign_in`]) and a step-up ([`Flow::step_up`]) each make a [`Start`].
//! 2. [`Flow::begin`] builds the authorization request, seals the attempt into a cookie and answers
//!    with the URL at the provider.
//!
//! The walk goes on in `callback`; by device code in `device_code`.

use std::borrow::Cow;

use http::{HeaderMap, Method, header::ACCEPT_LANGUAGE};

use super::{
    flow::Flow,
    placement::misrouted,
    reply::{Outcome, Reply},
    routes::page_as_asked,
};
use crate::{
    config::{Prompt, ReturnPath},
    error::{Error, ErrorKind},
    http_message::{ClientKind, RequestHead},
    languages,
    session::Slot,
    sign_in::{Attempt, Purpose, Request, Start},
};

/// Sessions in a row that may be lost as soon as they began; then an error page says so, instead of
/// one more round.
const MOST_LOST: u8 = 1;

impl Flow {
    /// Answers a protected page without a session.
    pub(super) async fn require_sign_in(&self, head: &RequestHead<'_>) -> Reply {
        if let Some(error) = misrouted(&self.config, head.uri) {
            self.was_misrouted(&error);
            return Reply::failed(error, None);
        }
        let start = Start::fresh(self.page_to_return_to(head.page_in_view().as_ref()));
        let reply = self.ask_to_sign_in(head, start).await;
        // The cookie of the ended session is removed only where a sign-in follows: elsewhere this
        // answer could overtake that of a sign-in and take its new cookie away. By device code the
        // sign-in has not begun yet, and with a page of the application's own neither.
        let is_redirect = matches!(reply.outcome, Outcome::Redirect(_));
        let begins = !self.relying_party.by_code() && self.sign_in_page_first(head).is_none();
        let removes = is_redirect && begins && head.cookies.has_session();
        reply.with_cookies(removes.then(|| self.cookies.remove_session()))
    }

    /// Answers the sign-in path. Three parameters are read: `return_to`; `account=other`, which
    /// asks for the provider's account picker, or it would sign in the account again that was just
    /// turned away; and a step-up, which only the session that it was made for can open.
    pub(super) async fn sign_in(&self, head: &RequestHead<'_>) -> Reply {
        let return_path = self.asked_return_path(head);
        let again = || self.sign_in_url(&return_path);
        if !head.may_start() {
            return Reply::sign_in_needed(again());
        }
        match self.asked_step_up(head).await {
            Ok(None) => {}
            Ok(Some(options)) => return self.step_up(head, &options, Some(&return_path)).await,
            // The same link works when the store is back.
            Err(error) => {
                let link = head.uri.path_and_query();
                let again = link.map(|link| page_as_asked(&self.config, link.as_str()));
                return Reply::failed(error, again.map(Cow::into_owned));
            }
        }
        let mut start = Start::fresh(return_path);
        if head.parameter("account").as_deref() == Some("other") {
            start.options.prompt = vec![Prompt::SelectAccount];
        }
        self.start(head, start, None).await
    }

    /// Redirects a navigation to the provider. Every other client gets the URL to sign in at, and
    /// no cookie.
    pub(super) async fn ask_to_sign_in(&self, head: &RequestHead<'_>, start: Start) -> Reply {
        // A signed-in person has seen that page, and a step-up is no choice.
        let own_page = match start.step_ups.is_empty() {
            true => self.sign_in_page_first(head).map(|page| self.url_of(page, &start.return_path)),
            false => None,
        };
        match (head.client_kind(), own_page) {
            (ClientKind::Navigation, Some(page)) => Reply::redirect(page),
            // A form is never replayed (D8), so its person has to know that it was lost.
            (ClientKind::Document, page) if !head.method.is_safe() => {
                Reply::new(Outcome::NotSaved {
                    sign_in: page.unwrap_or_else(|| self.sign_in_url(&start.return_path)),
                    has_ended: head.cookies.has_session(),
                    kept: None,
                })
            }
            (_, Some(page)) => Reply::sign_in_needed(page),
            // Opening a protected page costs no device code: the sign-in path asks for one.
            (ClientKind::Navigation, None)
                if self.relying_party.by_code() && start.step_ups.is_empty() =>
            {
                Reply::redirect(self.sign_in_url(&start.return_path))
            }
            (ClientKind::Navigation, None) => self.start(head, start, None).await,
            (_, None) => Reply::sign_in_needed(self.sign_in_url(&start.return_path)),
        }
    }

    /// Sends the person to the provider. `slot` is that of the attempt that it continues.
    pub(super) async fn start(
        &self,
        head: &RequestHead<'_>,
        start: Start,
        slot: Option<Slot>,
    ) -> Reply {
        let again = self.sign_in_url(&start.return_path);
        match self.begin(head, start, slot).await {
            Ok(reply) => reply,
            Err(error) => Reply::failed(error, Some(again)),
        }
    }

    async fn begin(
        &self,
        head: &RequestHead<'_>,
        start: Start,
        slot: Option<Slot>,
    ) -> Result<Reply, Error> {
        let now = self.clock.now();
        let (session, lost) = match self.sessions.load(&head.cookies, now).await {
            Ok(Some(session)) => (Some(session), 0),
            Ok(None) => {
                // The new session takes the place of one that may have ended by itself.
                self.report_ends(&head.cookies, || head.parts_without_query()).await;
                (None, self.sessions.lost(&head.cookies, now))
            }
            // A store that is down must not keep people from the sign-in page; it is found out at
            // the callback. It has lost nothing.
            Err(_) if start.step_ups.is_empty() && start.purpose == Purpose::SignIn => (None, 0),
            Err(error) => return Err(error),
        };
        // Another person may have signed in since: a step-up that goes on is not theirs.
        let expected = start.expected();
        let session = session
            .filter(|session| expected.is_none_or(|expected| expected.is(session.user.person())));
        let return_path = start.return_path.clone();
        let user = session.as_ref().map(|session| session.user.at_sign_in());
        let (mut request, mut attempt) = self.relying_party.begin(start, user).await?;
        if let Some(refusal) = self.refuse_to_loop(head, lost, &return_path) {
            return Ok(refusal);
        }
        attempt.lost = lost;
        if let Some(session) = session {
            attempt.started_from = Some(session.id());
        }
        // A silent request that is refused is repeated with pages, and from an attempt that does
        // not fit into its cookie it would ask for less: the page would ask again, and get 403.
        let reads_claims = attempt.purpose == Purpose::ReadClaims;
        let is_asked_by_page = attempt.silent && !reads_claims && attempt.own.is_some();
        if is_asked_by_page && !self.attempts.fits(&attempt) {
            tracing::debug!("the options do not fit into the cookie: the sign-in is not silent");
            request.show_pages(&mut attempt);
        }
        let request = request.with_languages(&preferred_languages(head.headers));
        self.redirect(head, &request, slot, attempt).await
    }

    /// Seals the attempt into a cookie, and redirects to the provider with its `state`; by device
    /// code, to the page with the code.
    async fn redirect(
        &self,
        head: &RequestHead<'_>,
        request: &Request<'_>,
        slot: Option<Slot>,
        mut attempt: Attempt,
    ) -> Result<Reply, Error> {
        let by_code = self.relying_party.by_code();
        if by_code {
            attempt.device = Some(Box::new(self.relying_party.new_code(request).await?));
        }
        let retry = attempt.retry;
        let begun = match slot {
            Some(slot) => self.attempts.begin_in(slot, attempt)?,
            None => self.attempts.begin(&head.cookies, attempt, self.clock.now())?,
        };
        let url = match by_code {
            true => self.code_url(&begun.state),
            false => request.url(&begun.attempt, &begun.state)?,
        };
        tracing::debug!(retry, "sign-in started");
        Ok(Reply::redirect(url).with_cookies(begun.set_cookies))
    }

    /// The error page of a sign-in whose sessions do not last: one more would loop.
    fn refuse_to_loop(
        &self,
        head: &RequestHead<'_>,
        lost: u8,
        return_path: &ReturnPath,
    ) -> Option<Reply> {
        let refused = |error| {
            Reply::failed(error, Some(self.sign_in_url(return_path)))
                .with_cookies([self.cookies.forget_sign_ins()])
        };
        if lost > MOST_LOST {
            let reply = refused(self.lost_sessions());
            return Some(reply.with_cookies([self.cookies.remove_session()]));
        }
        // The count came back and the session's cookie did not. An answer that is posted from the
        // provider's site comes without that cookie anyway (`SameSite=Lax`).
        let is_dropped = !head.cookies.has_session() && head.cookies.sign_ins() > MOST_LOST;
        (is_dropped && head.method == Method::GET).then(|| {
            refused(Error::new(
                ErrorKind::AttemptMissing,
                "the browser was given a session cookie twice within a minute and sends none: is \
                 it blocked, or dropped by a proxy?",
            ))
        })
    }

    /// The error of sessions that do not last. Without a store there is none to check: the memory
    /// of one process is not that of the next.
    fn lost_sessions(&self) -> Error {
        let kind = ErrorKind::StoreUnavailable;
        if self.sessions.are_local() {
            let detail = "sessions are gone as soon as they begin. They are in the memory of each \
                          process, and there is no session store";
            return Error::new(kind, detail).with_remedy(
                "where several processes serve the application, give all of them one store by \
                 `IdentityLayer::with_store`; for a single process, look for a restart, or for \
                 too small a limit (`with_local_sessions`, `with_local_session_bytes`)",
            );
        }
        Error::new(
            kind,
            "sessions are gone from the store as soon as they begin: does it keep what it is \
             given, and do all nodes share it? Or was each ended at once, for the reason that an \
             earlier warning names?",
        )
    }
}

/// The languages of the browser, the preferred one first.
fn preferred_languages(headers: &HeaderMap) -> Vec<&str> {
    let header = headers.get(ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
    header.map(languages::preferred).unwrap_or_default()
}
