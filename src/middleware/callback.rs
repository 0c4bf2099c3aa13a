//! The second half of a sign-in: from the provider's answer to a session.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::{
    flow::{Answer, Asked, Flow, Reply},
    login::Start,
    request_head::Caller,
};
use crate::{
    config::{ResponseMode, ReturnPath},
    error::{Error, ErrorKind},
    protocol::{AuthorizationCode, CallbackParameters},
    session::{Lookup, Session, SiblingKey, State},
    sign_in::{Attempt, AttemptPurpose, Completed, RecordId, Step, Verified, answer_of},
};

/// What an answer led to.
#[derive(Clone, Debug)]
pub(super) enum Done {
    /// To a page, as a rule with the cookie of a new session.
    Page { return_path: ReturnPath, cookie: Option<HeaderValue> },
    /// The profile was edited: its claims are to be read again.
    ReadAgain,
    /// There is a new password: to sign in with it.
    SignIn,
}

/// What the browser had when an answer came.
#[derive(Clone, Debug, Default)]
pub(super) struct InBrowser {
    /// Its sessions: another tab may have signed in since the attempt was made.
    sessions: Vec<RecordId>,
    /// The attempts of all its tabs.
    attempts: Vec<SiblingKey>,
}

impl InBrowser {
    pub(super) fn of(sessions: &[Arc<Session>], attempts: Vec<SiblingKey>) -> Self {
        Self { sessions: sessions.iter().map(|session| session.id()).collect(), attempts }
    }
}

impl Flow {
    /// The callback path. `form` is the body, where the request has one.
    pub(super) async fn callback(
        self: &Arc<Self>,
        asked: Asked<'_>,
        form: Result<Bytes, Error>,
    ) -> Reply {
        match self.answer(asked, form).await {
            Ok(reply) => reply,
            Err(error) => Reply::failed(error, Some(self.sign_in_url(self.config.home()))),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        asked: Asked<'_>,
        form: Result<Bytes, Error>,
    ) -> Result<Reply, Error> {
        let parameters = match *asked.method {
            Method::GET => {
                CallbackParameters::parse(asked.uri.query().unwrap_or_default().as_bytes())?
            }
            Method::POST => CallbackParameters::parse(&form?)?,
            _ => {
                return Err(Error::new(
                    ErrorKind::RequestInvalid,
                    "the callback takes GET and POST",
                ));
            }
        };
        let Some(text) = parameters.state().map(str::to_owned) else {
            return Err(Error::new(ErrorKind::CallbackInvalid, "the answer has no `state`"));
        };
        let Some(state) = State::parse(&text) else {
            return Err(Error::new(
                ErrorKind::StateMismatch,
                "the answer's `state` was not made here",
            ));
        };
        let attempt = match self.attempts.find(asked.cookies, state, self.clock.now()) {
            Lookup::Found(attempt) => *attempt,
            Lookup::Missing => return Ok(self.without_attempt(asked, state, &text).await),
            Lookup::Expired(attempt) => {
                let error =
                    Error::new(ErrorKind::AttemptExpired, "the attempt is older than ten minutes");
                let reply =
                    Reply::failed(error, Some(self.sign_in_url(&self.return_path(&attempt))));
                return Ok(reply.with_cookies([self.attempts.remove(state.slot)]));
            }
        };
        if parameters.is_answer()
            && (asked.method == Method::POST)
                != (self.config.response_mode() == ResponseMode::FormPost)
        {
            return Err(Error::new(
                ErrorKind::CallbackInvalid,
                "the answer came by another response mode than was asked for",
            ));
        }
        let return_path = self.return_path(&attempt);
        // Until here nothing is used up: when the provider cannot be reached, the same address can
        // be loaded again.
        let provider = self.relying_party.provider_of(&attempt)?;
        let metadata = provider.metadata().await?;
        let finished = match parameters.check(&text, &metadata, provider.authority()) {
            Ok(code) => {
                // Where the store is down the new session cannot be created either.
                let sessions = self
                    .sessions
                    .load_all(asked.cookies, self.clock.now())
                    .await
                    .unwrap_or_default();
                let browser = InBrowser::of(&sessions, self.attempts.ids(asked.cookies));
                self.exchange(state.handle(), attempt.clone(), code, browser).await
            }
            Err(error) => Err(error),
        };
        let mut reply = match finished {
            Ok(Done::Page { return_path, cookie }) => {
                let counts = cookie.is_some() && !asked.cookies.has_session();
                let count = counts.then(|| self.cookies.count_sign_in(asked.cookies));
                Reply::redirect(return_path.as_str()).with_cookies(cookie).with_cookies(count)
            }
            Ok(Done::ReadAgain) => {
                let start = Start {
                    step: Step::ReadAgain,
                    ..Start::following(attempt, state.slot, return_path)
                };
                self.start(asked, start).await
            }
            Ok(Done::SignIn) => {
                self.start(asked, Start::following(attempt, state.slot, return_path)).await
            }
            Err(error) => self.unfinished(asked, error, attempt, state.slot, return_path).await,
        };
        // First of all: a sign-in that starts here is given the same slot.
        reply.cookies.insert(0, self.attempts.remove(state.slot));
        Ok(reply)
    }

    /// A stale or repeated answer, or one whose cookie the browser did not keep: ten minutes at the
    /// provider, a link that was opened in another browser. It is not acted on; a new sign-in leads
    /// to the page that the `state` still knows.
    pub(super) async fn without_attempt(
        &self,
        asked: Asked<'_>,
        state: State<'_>,
        text: &str,
    ) -> Reply {
        if asked.method == Method::POST {
            // The provider's site posted it, so the session cookie (`Lax`) is absent: ask again
            // from here.
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("state", text)
                .finish();
            return Reply::redirect(format!("{}?{query}", self.config.redirect_url().path()));
        }
        let now = self.clock.now();
        let page = self
            .attempts
            .page(state, now)
            .map_or_else(|| self.config.home().clone(), |path| self.config.return_path(&path));
        match self.sessions.load(asked.cookies, now).await {
            Err(error) => Reply::failed(error, Some(self.sign_in_url(&page))),
            Ok(Some(session)) => {
                let page_then = session.origin().returned_to(&answer_of(state.handle()));
                Reply::redirect(page_then.unwrap_or_else(|| page.as_str()))
            }
            Ok(None) if state.retry > 0 => {
                let error = Error::new(
                    ErrorKind::AttemptMissing,
                    "the browser sent no attempt, the second time too: are cookies blocked?",
                );
                Reply::failed(error, Some(self.sign_in_url(&page)))
            }
            Ok(None) if !Caller::may_start(asked.method, asked.headers) => {
                Reply::new(Answer::SignInNeeded { sign_in: self.sign_in_url(&page), why: None })
            }
            Ok(None) => {
                let mut start = Start::fresh(page);
                start.retry = state.retry + 1;
                self.start(asked, start).await
            }
        }
    }

    pub(super) fn return_path(&self, attempt: &Attempt) -> ReturnPath {
        self.config.return_path(&attempt.return_path)
    }

    /// Redeems the code, once.
    async fn exchange(
        self: &Arc<Self>,
        state: &str,
        attempt: Attempt,
        code: AuthorizationCode,
        browser: InBrowser,
    ) -> Result<Done, Error> {
        let (flow, answer) = (Arc::clone(self), state.to_owned());
        let work = async move { flow.complete(&answer, &attempt, &code, &browser).await };
        self.exchanges.once(state, self.relying_party.provider().permit(), work).await
    }

    async fn complete(
        &self,
        state: &str,
        attempt: &Attempt,
        code: &AuthorizationCode,
        browser: &InBrowser,
    ) -> Result<Done, Error> {
        let verified = self.relying_party.redeem(attempt, code).await?;
        if let Some(done) = self.errand_done(attempt, verified.person())? {
            return Ok(done);
        }
        self.establish(state, attempt, verified, browser).await
    }

    /// A session for whoever a verified answer is about, in the place of those before it.
    pub(super) async fn establish(
        &self,
        state: &str,
        attempt: &Attempt,
        verified: Verified,
        browser: &InBrowser,
    ) -> Result<Done, Error> {
        let Completed { signed_in, grant, return_path } =
            self.relying_party.record(attempt, verified, state).await?;
        if attempt.purpose == AttemptPurpose::ReadAgain && !self.is_still_there(attempt).await? {
            return Err(Error::new(
                ErrorKind::SessionEnded,
                "the session whose claims were to be read again has ended meanwhile",
            ));
        }
        let created = self.sessions.create(signed_in, Some(grant), self.clock.now()).await?;
        let present = browser
            .sessions
            .iter()
            .copied()
            .filter(|present| attempt.started_from != Some(*present));
        let before: Vec<_> = attempt.started_from.into_iter().chain(present).collect();
        // Answers that come at the same time do not know of each other's sessions, and the browser
        // keeps one of them.
        self.sessions.link(created.session.id(), &browser.attempts, &before);
        for old in before {
            if let Err(error) = self.sessions.end_by_id(old).await {
                // The browser has the new ticket; the old row is out of reach and ends by itself.
                tracing::warn!(
                    reason = error.reason(),
                    "the session before this one could not be deleted"
                );
            }
        }
        tracing::info!("signed in");
        Ok(Done::Page { return_path, cookie: Some(created.set_cookie) })
    }

    /// Whether the session that an attempt started from goes on. An errand signs nobody in again
    /// who has signed out meanwhile.
    async fn is_still_there(&self, attempt: &Attempt) -> Result<bool, Error> {
        match attempt.started_from {
            Some(session) => self.sessions.is_there(session, self.clock.now()).await,
            None => Ok(false),
        }
    }
}
