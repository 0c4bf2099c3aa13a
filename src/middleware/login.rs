//! The first half of a sign-in: an attempt in a cookie, and the address at the provider.

use super::{
    flow::{Answer, Asked, Flow, Reply},
    request_head::Caller,
};
use crate::{
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind},
    session::{Session, Slot},
    sign_in::{Attempt, AttemptPurpose, Cause, PersonKey, Step},
};

/// What a sign-in is started with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) return_path: ReturnPath,
    /// Over the configured ones.
    pub(crate) options: SignInOptions,
    /// How often it was tried before.
    pub(crate) retry: u8,
    /// What inside the application asked for it, if something did, and what asked before for the
    /// same page.
    pub(crate) causes: Vec<Cause>,
    /// The attempt that it goes on from, and its slot, which it takes.
    pub(crate) after: Option<(Slot, Attempt)>,
    pub(crate) step: Step,
}

/// Longest scopes of an incremental consent, in bytes, for which the earlier ones are asked for
/// again: all of them have to fit into the cookie of the attempt, beside a long return path, and
/// into the address at the provider.
const MOST_SCOPE_BYTES: usize = 600;

/// So many sessions in a row may be lost as soon as they began; then the person is told instead of
/// sent round once more.
const MOST_LOST: u8 = 1;

impl Start {
    /// A sign-in with the configured options.
    pub(crate) fn fresh(return_path: ReturnPath) -> Self {
        Self {
            return_path,
            options: SignInOptions::new(),
            retry: 0,
            causes: Vec::new(),
            after: None,
            step: Step::SignIn,
        }
    }

    /// Goes on from an attempt: for what that was started for, and asking for no less. Otherwise
    /// the page that wants it would ask again.
    pub(crate) fn following(before: Attempt, slot: Slot, return_path: ReturnPath) -> Self {
        Self {
            options: before.options(),
            causes: before.causes.clone(),
            after: Some((slot, before)),
            ..Self::fresh(return_path)
        }
    }
}

impl Flow {
    /// The sign-in path. `?return_to=` is read (security rules 1 and 3), and `account=other`, which
    /// asks for the provider's account picker: otherwise it would sign the person in with the
    /// account again that was just turned away. A `wish` counts for the session that it was made
    /// for.
    pub(super) async fn sign_in(&self, asked: Asked<'_>) -> Reply {
        let return_path = self.asked_return_path(asked);
        if asked.method != http::Method::GET {
            let error = Error::new(ErrorKind::RequestInvalid, "the sign-in path takes GET");
            return Reply::failed(error, Some(self.sign_in_url(&return_path)));
        }
        if !Caller::may_start(asked.method, asked.headers) {
            return Reply::new(Answer::SignInNeeded {
                sign_in: self.sign_in_url(&return_path),
                why: None,
            });
        }
        if let Some(options) = self.wished(asked).await {
            return self.step_up(asked, &options, Some(&return_path)).await;
        }
        let mut start = Start::fresh(return_path);
        let query = asked.uri.query().unwrap_or_default().as_bytes();
        if url::form_urlencoded::parse(query)
            .any(|(name, value)| (&*name, &*value) == ("account", "other"))
        {
            start.options.prompt = vec![Prompt::SelectAccount];
        }
        self.start(asked, start).await
    }

    /// Where `?return_to=` wants to go.
    pub(super) fn asked_return_path(&self, asked: Asked<'_>) -> ReturnPath {
        url::form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "return_to")
            .map_or_else(|| self.config.home().clone(), |(_, path)| self.config.return_path(&path))
    }

    /// Sends the person to the provider.
    pub(crate) async fn start(&self, asked: Asked<'_>, start: Start) -> Reply {
        let again = self.sign_in_url(&start.return_path);
        match self.begin(asked, start).await {
            Ok(reply) => reply,
            Err(error) => Reply::failed(error, Some(again)),
        }
    }

    async fn begin(&self, asked: Asked<'_>, start: Start) -> Result<Reply, Error> {
        let now = self.clock.now();
        let session = match self.sessions.load(asked.cookies, now).await {
            Ok(session) => session,
            // A store that is down must not keep anybody from the sign-in page; it is found out at
            // the callback.
            Err(_)
                if start.causes.is_empty()
                    && matches!(
                        start.step,
                        Step::SignIn | Step::WithPages | Step::WithNamedScopes
                    ) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let account = session
            .as_ref()
            .filter(|_| !start.causes.is_empty())
            .and_then(|session| session.user.account_hint());
        let request =
            self.relying_party.request(start.step, start.options, account.as_ref()).await?;

        let lost = if session.is_some() { 0 } else { self.sessions.lost(asked.cookies, now) };
        if lost > MOST_LOST {
            let error = Error::new(
                ErrorKind::StoreUnavailable,
                "sessions are gone from the store as soon as they begin: does it keep what it is given, and do all nodes share it?",
            );
            let again = self.sign_in_url(&start.return_path);
            let removals = [self.cookies.remove_session(), self.cookies.forget_sign_ins()];
            return Ok(Reply::failed(error, Some(again)).with_cookies(removals));
        }
        // The count came back and the session's cookie did not. An answer that is posted from the
        // provider's site comes without that cookie anyway.
        let is_dropped = !asked.cookies.has_session() && asked.cookies.sign_ins() > MOST_LOST;
        if is_dropped && *asked.method == http::Method::GET {
            let error = Error::new(
                ErrorKind::AttemptMissing,
                "the browser was given a session cookie twice within a minute and sends none: is it blocked, or dropped by a proxy?",
            );
            let again = self.sign_in_url(&start.return_path);
            return Ok(
                Reply::failed(error, Some(again)).with_cookies([self.cookies.forget_sign_ins()])
            );
        }
        // The answer to the attempt before may have been posted by the provider's site, without the
        // session's cookie.
        let (slot, before) = start.after.unzip();
        let (started_from, awaited) =
            before.as_ref().map_or((None, None), |before| (before.started_from, before.expected));
        let person =
            session.as_ref().map(|session| PersonKey::of(session.user.person())).or(awaited);
        let purpose = match start.step {
            Step::Errand(errand) => errand.purpose(),
            Step::ReadAgain => AttemptPurpose::ReadAgain,
            _ if !start.causes.is_empty() && person.is_some() => AttemptPurpose::StepUp,
            _ => AttemptPurpose::SignIn,
        };
        let mut attempt = request.attempt(purpose, start.return_path.as_str(), now)?;
        attempt.retry = start.retry;
        attempt.lost = lost;
        let is_errand = matches!(start.step, Step::Errand(_));
        attempt.resets = before.map_or(0, |before| before.resets.saturating_add(is_errand.into()));
        attempt.causes = start.causes;
        attempt.started_from = session.map(|session| session.id()).or(started_from);
        attempt.expected = person.filter(|_| purpose != AttemptPurpose::SignIn);

        if self.relying_party.by_code() {
            attempt.device = Some(Box::new(self.relying_party.new_code(&request).await?));
        }
        let begun = match slot {
            Some(slot) => self.attempts.begin_in(slot, attempt)?,
            None => self.attempts.begin(asked.cookies, attempt, now)?,
        };
        let url = match self.relying_party.by_code() {
            true => self.code_address(&begun.state),
            false => request.url(&begun.attempt, &begun.state)?,
        };
        tracing::debug!(retry = start.retry, "sign-in started");
        Ok(Reply::redirect(url).with_cookies(begun.set_cookies))
    }

    /// Where a challenge of the application leads (D8): to the provider, or to 403 if the same was
    /// asked for and answered just now.
    pub(crate) async fn step_up(
        &self,
        asked: Asked<'_>,
        options: &SignInOptions,
        return_path: Option<&ReturnPath>,
    ) -> Reply {
        let return_path = return_path.cloned().unwrap_or_else(|| self.page_of(asked));
        let session = match self.present(asked.cookies).await {
            // Whether it would loop is not known.
            Err(error) => return Reply::failed(error, None),
            Ok(session) => session,
        };
        let causes = match self.relying_party.causes(
            session.as_deref().map(Session::origin),
            options,
            &return_path,
        ) {
            Err(error) => return Reply::failed(error, None),
            // The same as opening a protected page.
            Ok(_)
                if self.relying_party.by_code()
                    && session.is_none()
                    && *options == SignInOptions::default() =>
            {
                Vec::new()
            }
            Ok(causes) => causes,
        };
        let mut options = options.clone();
        if let Some(session) = session {
            self.relying_party
                .add_granted(&mut options, &self.grants, session.grant(), MOST_SCOPE_BYTES)
                .await;
        }
        self.challenge(asked, Start { options, causes, ..Start::fresh(return_path) }).await
    }
}
