//! Signing in by device code (RFC 8628): a page with a code, in the place of a redirect.
//!
//! - The sign-in path gets a code and leads to its page, which is at the callback path, under the
//!   `state` of the attempt. The attempt is a cookie of this browser: no other one sees the page or
//!   is signed in by it.
//! - Codes, URLs, end and pace are in the sealed attempt, so that any process can go on with
//!   it. Memory holds the questions that are under way, the latest interval, and the outcome.
//! - The provider is asked one question at a time, in a task of its own, and never sooner than it
//!   allows, however often browsers ask; in between the answer is "not yet". A code is redeemed
//!   once.

use std::{sync::Arc, time::Duration};

use http::Method;

use super::{
    callback::{BrowserState, SignedInPage},
    flow::Flow,
    reply::{Outcome, Reply},
};
use crate::{
    error::{Error, ErrorKind},
    http_message::{ClientKind, RequestHead, is_prefetch},
    pages::DeviceSignIn,
    session::{AttemptLookup, State},
    sign_in::{Attempt, PollState, no_code, response_of},
};

/// The page with the code.
#[derive(Debug)]
pub(super) struct CodePage {
    pub(super) device: DeviceSignIn,
    /// The URL that gets a new code.
    pub(super) again: String,
}

/// The response to the script of the page.
#[derive(Debug)]
pub(super) enum PollAnswer {
    /// The script polls again after this time.
    Pending { wait: Duration },
    /// The user is signed in.
    Done { location: String },
    /// The sign-in failed: the page says why.
    Ended,
}

impl PollAnswer {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Done { .. } => "done",
            Self::Ended => "ended",
        }
    }
}

/// The part of the application that asks about a code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// The page with the code. `continues`: the person says that the code was entered.
    Page { continues: bool },
    /// The script of that page.
    Script,
}

impl Asker {
    fn of(head: &RequestHead<'_>) -> Self {
        match head.client_kind() {
            ClientKind::Navigation | ClientKind::Document => {
                Self::Page { continues: head.parameter("continue").is_some() }
            }
            ClientKind::Htmx | ClientKind::Grpc(_) | ClientKind::Program | ClientKind::Head => {
                Self::Script
            }
        }
    }

    /// The reply after the sign-in: the page follows a redirect, its script is told where to go.
    fn signed_in(self, location: &str) -> Reply {
        match self {
            Self::Page { .. } => Reply::redirect(location),
            Self::Script => {
                Reply::new(Outcome::PollAnswer(PollAnswer::Done { location: location.to_owned() }))
            }
        }
    }
}

impl Flow {
    /// Answers with the page, or for its script with the state of the sign-in.
    pub(super) async fn device_code(self: &Arc<Self>, head: &RequestHead<'_>) -> Reply {
        let again = || self.sign_in_url(self.config.home());
        let refused = |kind, detail| Reply::failed(Error::new(kind, detail), Some(again()));
        if head.method == Method::HEAD || is_prefetch(head.headers) {
            return Reply::sign_in_needed(again());
        }
        let Some(text) = head.parameter("state") else {
            return refused(ErrorKind::CallbackInvalid, "the URL has no `state`");
        };
        let Some(state) = State::parse(&text) else {
            return refused(ErrorKind::StateMismatch, "the `state` was not made here");
        };
        let asker = Asker::of(head);
        let sessions = match self.sessions.load_all(&head.cookies, self.clock.now()).await {
            Ok(sessions) => sessions,
            // A session could not be stored: the code is kept for later.
            Err(_) if asker == Asker::Script => {
                return Reply::new(Outcome::PollAnswer(PollAnswer::Pending { wait: WHILE_DOWN }));
            }
            Err(error) => return Reply::failed(error, Some(self.code_url(&text))),
        };
        // Another tab, or an answer that was lost on its way: the session of this code is there
        // already.
        if let Some(page) = sessions
            .first()
            .and_then(|session| session.origin().returned_to(&response_of(state.handle())))
        {
            return asker.signed_in(page).with_cookies([self.attempts.remove(state.slot)]);
        }
        match self.attempts.find(&head.cookies, state, self.clock.now()) {
            AttemptLookup::Found(attempt) => {
                let browser = self.browser_state(head, &sessions);
                self.pending_or_done(asker, &text, state, *attempt, browser).await
            }
            AttemptLookup::Expired(_) if asker == Asker::Script => {
                Reply::new(Outcome::PollAnswer(PollAnswer::Ended))
            }
            AttemptLookup::Expired(attempt) => {
                let error = Error::new(ErrorKind::CodeExpired, "the code was not used in time");
                let again = self.sign_in_url(&self.return_path(&attempt));
                Reply::failed(error, Some(again)).with_cookies([self.attempts.remove(state.slot)])
            }
            AttemptLookup::Altered => refused(
                ErrorKind::StateMismatch,
                "the `state` is not exactly the one that was made",
            ),
            AttemptLookup::Missing if asker == Asker::Script => Reply::sign_in_needed(again()),
            AttemptLookup::Missing => self.without_attempt(head, state, &text).await,
        }
    }

    /// Answers for a sign-in whose code may still be pending.
    async fn pending_or_done(
        self: &Arc<Self>,
        asker: Asker,
        text: &str,
        state: State<'_>,
        mut attempt: Attempt,
        browser: BrowserState,
    ) -> Reply {
        let again = self.sign_in_url(&self.return_path(&attempt));
        let (interval, next) = match self.poll(state.handle(), &attempt, browser).await {
            PollState::NotYet { interval, next } => (interval, next),
            PollState::Over(Ok(SignedInPage { return_path, cookie })) => {
                let removal = self.attempts.remove(state.slot);
                return asker.signed_in(return_path.as_str()).with_cookies([removal, cookie]);
            }
            PollState::Over(Err(_)) if asker == Asker::Script => {
                return Reply::new(Outcome::PollAnswer(PollAnswer::Ended));
            }
            PollState::Over(Err(error)) => {
                return Reply::failed(error, Some(again))
                    .with_cookies([self.attempts.remove(state.slot)]);
            }
        };
        let now = self.clock.now();
        let Some(code) = &mut attempt.device else { return Reply::failed(no_code(), Some(again)) };
        let changed = (code.interval, code.next) != (interval, next);
        (code.interval, code.next) = (interval, next);
        let wait = next.since(now).max(Duration::from_secs(1));
        let reply = match asker {
            Asker::Page { continues } => {
                let poll_url = self.code_url(text);
                let device = DeviceSignIn {
                    user_code: code.user_code.clone(),
                    verification_uri: code.verification_uri.clone(),
                    verification_uri_complete: code.verification_uri_complete.clone(),
                    expires_in: code.expires_at.since(now),
                    wait,
                    not_yet: continues,
                    continue_url: format!("{poll_url}&continue"),
                    poll_url,
                };
                Reply::new(Outcome::Code(Box::new(CodePage { device, again })))
            }
            Asker::Script => Reply::new(Outcome::PollAnswer(PollAnswer::Pending { wait })),
        };
        // The process that is asked next keeps to the same pace.
        let kept = if changed { self.attempts.keep(state.slot, &attempt, now).ok() } else { None };
        reply.with_cookies(kept)
    }

    /// The state of a sign-in, after asking the provider if it is time.
    async fn poll(
        self: &Arc<Self>,
        state: &str,
        attempt: &Attempt,
        browser: BrowserState,
    ) -> PollState<SignedInPage> {
        let Some(code) = &attempt.device else { return PollState::Over(Err(no_code())) };
        let (flow, attempt, own_state, asked) =
            (Arc::clone(self), attempt.clone(), state.to_owned(), code.clone());
        let question = move |interval, permit| async move {
            let answered = flow.relying_party.ask(&attempt, &asked, interval).await;
            let record = |verified| flow.relying_party.record(&attempt, verified, &own_state);
            let verified = answered.then(record).await;
            // No request of this sign-in to the provider follows, only handlers.
            drop(permit);
            verified.then(|records| flow.establish(&attempt, records, &browser)).await
        };
        self.device_polls
            .poll(state, code, self.clock.now(), self.relying_party.provider().permit(), question)
            .await
    }
}

/// How long a script waits while sessions cannot be stored.
const WHILE_DOWN: Duration = Duration::from_secs(10);
