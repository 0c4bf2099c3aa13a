//! The callback: from the provider's authorization response to the session cookie.
//!
//! 1. [`Flow::respond`] finds the attempt by `state`, and checks the response against it.
//! 2. [`Flow::exchange`] redeems the code, once, verifies the ID token and creates the session.
//! 3. [`Flow::refused`] answers a response that brought no session: by another request to the
//!    provider where that can succeed, otherwise by an error page.
//!
//! A response without its attempt is never acted on: [`Flow::without_attempt`].

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, request::Parts};

use super::{flow::Flow, reply::Reply};
use crate::{
    config::{ResponseMode, ReturnPath},
    error::{Error, ErrorKind},
    http_message::RequestHead,
    measure,
    protocol::{AuthorizationCode, CallbackParameters},
    session::{AttemptLookup, Session, SiblingKey, Slot, State},
    sign_in::{Attempt, Fallback, Purpose, SignInRecords, Start, fingerprint, response_of},
    tokens::RecordId,
    user::User,
};

/// The step after the provider's tokens.
#[derive(Clone, Debug)]
pub(super) enum NextStep {
    /// To a page, as a rule with the cookie of a new session.
    Page { return_path: ReturnPath, cookie: Option<HeaderValue> },
    /// To the provider again.
    Provider(Purpose),
}

/// The result of a sign-in: the page to return to, and the cookie of the new session.
#[derive(Clone, Debug)]
pub(super) struct SignedInPage {
    pub(super) return_path: ReturnPath,
    pub(super) cookie: HeaderValue,
}

/// The sessions and attempts of the browser when a response came.
#[derive(Clone, Default)]
pub(super) struct BrowserState {
    /// Its sessions: another tab may have signed in since the attempt was made.
    sessions: Vec<Arc<Session>>,
    /// The attempts of all its tabs.
    attempts: Vec<SiblingKey>,
    /// The head of the request, if the application handles events.
    request: Option<Arc<Parts>>,
}

impl BrowserState {
    pub(super) fn request(&self) -> Option<&Arc<Parts>> {
        self.request.as_ref()
    }

    /// The user of now.
    pub(super) fn user(&self) -> Option<&User> {
        self.sessions.first().map(|session| &session.user)
    }

    /// The users of all sessions.
    pub(super) fn users(&self) -> impl Iterator<Item = (RecordId, &User)> {
        self.sessions.iter().map(|session| (session.id(), &session.user))
    }
}

impl Flow {
    /// Answers the callback path. `form` is the body, where the request has one.
    pub(super) async fn callback(
        self: &Arc<Self>,
        head: &RequestHead<'_>,
        form: Result<Bytes, Error>,
    ) -> Reply {
        match self.respond(head, form).await {
            Ok(reply) => reply,
            Err(error) => Reply::failed(error, Some(self.sign_in_url(self.config.home()))),
        }
    }

    async fn respond(
        self: &Arc<Self>,
        head: &RequestHead<'_>,
        form: Result<Bytes, Error>,
    ) -> Result<Reply, Error> {
        let parameters = match *head.method {
            Method::POST => CallbackParameters::parse(&form?)?,
            _ => CallbackParameters::parse(head.uri.query().unwrap_or_default().as_bytes())?,
        };
        let text = parameters.state()?.to_owned();
        let Some(state) = State::parse(&text) else {
            return Err(Error::new(
                ErrorKind::StateMismatch,
                "the answer's `state` was not made here",
            ));
        };
        let attempt = match self.attempts.find(&head.cookies, state, self.clock.now()) {
            AttemptLookup::Found(attempt) => *attempt,
            AttemptLookup::Altered => {
                return Err(Error::new(
                    ErrorKind::StateMismatch,
                    "the answer's `state` is not exactly the one that was sent",
                ));
            }
            AttemptLookup::Missing => return Ok(self.without_attempt(head, state, &text).await),
            AttemptLookup::Expired(attempt) => {
                let error =
                    Error::new(ErrorKind::AttemptExpired, "the attempt is older than ten minutes");
                let again = self.sign_in_url(&self.return_path(&attempt));
                let removal = self.attempts.remove(state.slot);
                return Ok(Reply::failed(error, Some(again)).with_cookies([removal]));
            }
        };
        let again = self.url_for(attempt.purpose, &self.return_path(&attempt));
        let reply = self.respond_to_attempt(head, parameters, &text, state, attempt).await;
        Ok(reply.unwrap_or_else(|error| Reply::failed(error, Some(again))))
    }

    /// Answers a response whose attempt was found.
    ///
    /// # Errors
    ///
    /// Nothing was used up: the same URL can be loaded again.
    async fn respond_to_attempt(
        self: &Arc<Self>,
        head: &RequestHead<'_>,
        parameters: CallbackParameters,
        text: &str,
        state: State<'_>,
        attempt: Attempt,
    ) -> Result<Reply, Error> {
        // A response that comes by another way than was asked for was not sent by the provider
        // (OAuth 2.0 Form Post Response Mode).
        let is_post = head.method == Method::POST;
        if parameters.is_answer()
            && is_post != (self.config.response_mode() == ResponseMode::FormPost)
        {
            let detail = "the answer came by another response mode than was asked for";
            return Err(Error::new(ErrorKind::CallbackInvalid, detail));
        }
        let provider = self.relying_party.provider_of(&attempt)?;
        let metadata = provider.metadata().await?;
        let next = match parameters.check(text, &metadata, provider.authority()) {
            Ok(code) => self.exchange(head, state.handle(), attempt.clone(), code).await,
            Err(error) => Err(error),
        };
        let reply = match next {
            // The code was not sent.
            Err(error) if error.kind() == ErrorKind::Busy => return Err(error),
            Ok(NextStep::Page { return_path, cookie }) => {
                let counts = cookie.is_some() && !head.cookies.has_session();
                let count = counts.then(|| self.cookies.count_sign_in(&head.cookies));
                Reply::redirect(return_path.as_str()).with_cookies(cookie).with_cookies(count)
            }
            Ok(NextStep::Provider(purpose)) => {
                let start = self.following(attempt);
                self.start(head, Start { purpose, ..start }, Some(state.slot)).await
            }
            Err(error) => self.refused(head, error, attempt, state.slot).await,
        };
        Ok(reply.with_removal(self.attempts.remove(state.slot)))
    }

    /// Redeems the code, once, in a task of its own: a browser that goes away leaves no half
    /// session, one that sends the response twice gets the same session.
    async fn exchange(
        self: &Arc<Self>,
        head: &RequestHead<'_>,
        state: &str,
        attempt: Attempt,
        code: AuthorizationCode,
    ) -> Result<NextStep, Error> {
        // Where the store is down the new session cannot be created either.
        let sessions = self.sessions.load_all(&head.cookies, self.clock.now()).await;
        let browser = self.browser_state(head, &sessions.unwrap_or_default());
        let key = fingerprint(state, &code);
        let (flow, state) = (Arc::clone(self), state.to_owned());
        let work = move |permit| async move {
            let verified = flow.relying_party.redeem(&attempt, &code).await?;
            if attempt.purpose.is_policy() {
                return flow.policy_completed(&attempt, verified.token.person());
            }
            let records = flow.relying_party.record(&attempt, verified, &state).await?;
            // No request of this sign-in to the provider follows, only handlers.
            drop(permit);
            let SignedInPage { return_path, cookie } =
                flow.establish(&attempt, records, &browser).await?;
            Ok(NextStep::Page { return_path, cookie: Some(cookie) })
        };
        let permit = self.relying_party.provider().permit();
        self.exchanges.once(key, self.clock.now(), permit, work).await
    }

    /// Creates the session of a verified answer, in the place of those before it.
    pub(super) async fn establish(
        &self,
        attempt: &Attempt,
        records: SignInRecords,
        browser: &BrowserState,
    ) -> Result<SignedInPage, Error> {
        let SignInRecords { session, grant, return_path } = records;
        // A person who has signed out meanwhile is not signed in again by an edited profile.
        if attempt.purpose == Purpose::ReadClaims && !self.goes_on(attempt.started_from).await? {
            return Err(Error::new(
                ErrorKind::SessionEnded,
                "the session whose claims were to be read again has ended meanwhile",
            ));
        }
        let created = self.sessions.create(session, Some(grant), self.clock.now()).await?;
        let user = &created.session.user;
        if let Err(refusal) = self.report_signed_in(attempt, user, browser).await {
            // Its ticket is in no answer, so it is out of reach; this only tidies up.
            let _ = self.sessions.discard(created.session.id()).await;
            return Err(refusal);
        }
        let present = browser.sessions.iter().map(|session| session.id());
        let present = present.filter(|id| attempt.started_from != Some(*id));
        let before: Vec<_> = attempt.started_from.into_iter().chain(present).collect();
        // Answers that come at the same time do not know of each other's sessions, and the browser
        // keeps one of them.
        self.sessions.link(created.session.id(), &browser.attempts, &before);
        for old in before {
            if let Err(error) = self.sessions.end_by_id(old).await {
                // The browser has the new ticket; the old row is out of reach and ends by itself.
                let reason = error.reason();
                tracing::warn!(reason, "the session before this one could not be deleted");
            }
        }
        self.report_replaced(user, browser).await;
        // Only now: a handler of the application may have refused it.
        measure::signed_in();
        tracing::info!("signed in");
        Ok(SignedInPage { return_path, cookie: created.set_cookie })
    }

    async fn goes_on(&self, session: Option<RecordId>) -> Result<bool, Error> {
        match session {
            Some(session) => self.sessions.is_there(session, self.clock.now()).await,
            None => Ok(false),
        }
    }

    /// Answers a response that brought no session.
    async fn refused(
        &self,
        head: &RequestHead<'_>,
        error: Error,
        attempt: Attempt,
        slot: Slot,
    ) -> Reply {
        // Nothing could be shown (OpenID Connect Core section 3.1.2.6), so something has to be:
        // once, since an interactive attempt is not silent.
        let is_refused_silently = error.kind() == ErrorKind::InteractionRequired
            && attempt.silent
            && attempt.purpose != Purpose::ReadClaims;
        let with_pages = attempt.fallbacks.and(Fallback::WithPages).filter(|_| is_refused_silently);
        // Once for each kind: the second such answer is shown.
        if let Some(fallbacks) = self.relying_party.fallbacks_after(&attempt, &error).or(with_pages)
        {
            let start = self.following(attempt);
            return self.start(head, Start { fallbacks, ..start }, Some(slot)).await;
        }
        // The session goes on as it was; only a page that shows a person's data must not be given
        // to another person.
        if attempt.purpose == Purpose::ReadClaims && error.kind() != ErrorKind::PersonChanged {
            tracing::info!(reason = error.reason(), "the claims could not be read again");
            return Reply::redirect(self.return_path(&attempt).as_str());
        }
        match self.policy_refusal(&error, &attempt) {
            Some(NextStep::Provider(purpose)) => {
                let start = self.following(attempt);
                self.start(head, Start { purpose, ..start }, Some(slot)).await
            }
            Some(NextStep::Page { return_path, .. }) => Reply::redirect(return_path.as_str()),
            None => {
                let again = self.url_for(attempt.purpose, &self.return_path(&attempt));
                Reply::failed(error, Some(again))
            }
        }
    }

    /// Answers a stale or repeated response, or one whose cookie the browser did not keep: after
    /// ten minutes at the provider, or from a link that was opened in another browser. It is not
    /// acted on; a new sign-in leads to the page that the `state` still holds.
    pub(super) async fn without_attempt(
        &self,
        head: &RequestHead<'_>,
        state: State<'_>,
        text: &str,
    ) -> Reply {
        if head.method == Method::POST {
            // The provider's site posted it, so the session cookie (`SameSite=Lax`) is absent: ask
            // again from here.
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("state", text)
                .finish();
            return Reply::redirect(format!("{}?{query}", self.config.redirect_url().path()));
        }
        let page = self
            .attempts
            .page(state, self.clock.now())
            .map_or_else(|| self.config.home().clone(), |path| self.config.return_path(&path));
        match self.sessions.load(&head.cookies, self.clock.now()).await {
            Err(error) => Reply::failed(error, Some(self.sign_in_url(&page))),
            Ok(Some(session)) => {
                let page_then = session.origin().returned_to(&response_of(state.handle()));
                Reply::redirect(page_then.unwrap_or_else(|| page.as_str()))
            }
            Ok(None) if state.retry > 0 => {
                let (kind, detail) = match self.attempts.are_unreadable(&head.cookies, state.slot) {
                    // A cookie that came and does not open is no fault of the browser.
                    true => (
                        ErrorKind::AttemptUnreadable,
                        "the browser sent the cookie of an attempt, the second time too, and no \
                         cookie secret of this process opens it",
                    ),
                    false => (
                        ErrorKind::AttemptMissing,
                        "the browser sent no attempt, the second time too: are cookies blocked?",
                    ),
                };
                Reply::failed(Error::new(kind, detail), Some(self.sign_in_url(&page)))
            }
            Ok(None) if !head.may_start() => Reply::sign_in_needed(self.sign_in_url(&page)),
            Ok(None) => {
                let start = Start { retry: state.retry + 1, ..Start::fresh(page) };
                self.start(head, start, None).await
            }
        }
    }

    pub(super) fn browser_state(
        &self,
        head: &RequestHead<'_>,
        sessions: &[Arc<Session>],
    ) -> BrowserState {
        BrowserState {
            sessions: sessions.to_vec(),
            attempts: self.attempts.ids(&head.cookies),
            request: self.event_request(head),
        }
    }

    fn following(&self, attempt: Attempt) -> Start {
        let return_path = self.return_path(&attempt);
        Start::following(attempt, return_path)
    }
}
