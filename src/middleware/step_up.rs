//! Step-up: another sign-in that the application asks for, while a person is signed in.
//!
//! - A [`Challenge`](crate::Challenge) names the options of the sign-in: [`Flow::step_up`].
//! - A failed request for a token knows neither cookies nor the provider: [`Flow::raised`] makes a
//!   link to the sign-in path of what would remedy it, for a navigation and for a script alike.
//!   Only the same session can open the link; there it is a step-up like any other
//!   ([`Flow::asked_step_up`]).
//! - A step-up that was completed just now is refused: it would loop.

use std::time::Duration;

use super::{
    flow::Flow,
    reply::{Outcome, Reply},
};
use crate::{
    config::{ReturnPath, SignInOptions},
    error::Error,
    http_message::{ClientKind, RequestHead, RequestSummary},
    session::Session,
    sign_in::{Remedy, Start, StepUp},
};

/// How long a link works as a step-up; then it is a link to sign in.
const LIFETIME: Duration = Duration::from_secs(600);

/// The parameter of the sign-in path.
const PARAMETER: &str = "step_up";

/// Longest scopes of an incremental consent, in bytes, for which the earlier ones are asked for
/// again: all of them have to fit into the cookie of the attempt, beside a long return path, and
/// into the URL at the provider.
const MOST_SCOPE_BYTES: usize = 600;

impl Flow {
    /// Answers a challenge of the application: with a redirect to the provider, or with 403 if the
    /// same step-up was completed just now. Without `return_path` the page of the request is
    /// returned to.
    pub(super) async fn step_up(
        &self,
        head: &RequestHead<'_>,
        options: &SignInOptions,
        return_path: Option<&ReturnPath>,
    ) -> Reply {
        let return_path = return_path
            .cloned()
            .unwrap_or_else(|| self.page_to_return_to(head.page_in_view().as_ref()));
        let session = match self.current_session(&head.cookies, self.clock.now()).await {
            // Whether it would loop is not known.
            Err(error) => return Reply::failed(error, None),
            Ok(session) => session,
        };
        if session.is_none() {
            // With the URL of the page whose handler asks: the sign-in path calls this only with a
            // session.
            self.report_ends(&head.cookies, || head.parts()).await;
        }
        let origin = session.as_deref().map(Session::origin);
        let mut step_ups = match self.relying_party.step_ups(origin, options, &return_path) {
            Err(error) => return Reply::failed(error, None),
            Ok(step_ups) => step_ups,
        };
        // The same as opening a protected page, which costs no device code and leads to the
        // application's own page first.
        let is_plain = session.is_none() && *options == SignInOptions::default();
        if is_plain && (self.relying_party.by_code() || self.sign_in_page_first(head).is_some()) {
            step_ups.clear();
        }
        let mut options = options.clone();
        if let Some(session) = session {
            self.relying_party
                .add_granted(&mut options, &self.grants, session.grant(), MOST_SCOPE_BYTES)
                .await;
        }
        self.ask_to_sign_in(head, Start { options, step_ups, ..Start::fresh(return_path) }).await
    }

    /// The step-up that a request to the sign-in path carries, if it is one of this session.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit). An ordinary sign-in in its place would bring less than the page
    /// needs, and could be that of another person.
    pub(super) async fn asked_step_up(
        &self,
        head: &RequestHead<'_>,
    ) -> Result<Option<SignInOptions>, Error> {
        let Some(sealed) = head.parameter(PARAMETER) else { return Ok(None) };
        let now = self.clock.now();
        let Some(session) = self.current_session(&head.cookies, now).await? else {
            return Ok(None);
        };
        let step_up = self.sessions.open_step_up(&session, &sealed);
        let fresh = step_up.filter(|step_up| step_up.made.is_within(LIFETIME, now));
        Ok(fresh.map(|step_up| step_up.options(session.user.username())))
    }

    /// Answers in the place of a handler that passed on an error of the person's tokens: with the
    /// sign-in that remedies it where there is one, otherwise with the page of the error.
    ///
    /// This is a walk of its own (D11): the user may have signed out while the handler ran. Then
    /// the answer leads to an ordinary sign-in, and no step-up is made for the ended session.
    pub(super) async fn raised(
        &self,
        summary: &RequestSummary,
        session: &Session,
        error: Error,
    ) -> Reply {
        let return_path = self.page_to_return_to(summary.page.as_ref());
        let now = self.clock.now();
        let url = match Remedy::of(&error, self.config.sign_in(), now) {
            Remedy::Nothing => return Reply::failed(error, None),
            Remedy::SignIn => Ok(self.first_sign_in_url(&return_path)),
            // Only a step-up depends on the session, so only for one the store is asked.
            Remedy::StepUp(step_up) => match self.sessions.is_there(session.id(), now).await {
                Ok(true) => self.step_up_url(session, &return_path, step_up).await,
                Ok(false) => Ok(self.first_sign_in_url(&return_path)),
                Err(error) => return Reply::failed(error, None),
            },
        };
        match (url, summary.client) {
            // A new sign-in did not remedy this error, so it belongs into the message.
            (Err(refusal), _) => Reply::failed(refusal.caused_by(error), None),
            (Ok(url), ClientKind::Navigation) => Reply::redirect(url),
            (Ok(url), _) => Reply::new(Outcome::SignInNeeded { sign_in: url, why: Some(error) }),
        }
    }

    /// The URL that starts a step-up of this session.
    ///
    /// # Errors
    ///
    /// It was completed just now; it is too long for a link.
    async fn step_up_url(
        &self,
        session: &Session,
        return_path: &ReturnPath,
        step_up: StepUp,
    ) -> Result<String, Error> {
        let (grants, origin) = ((&self.grants, session.grant()), session.origin());
        let username = session.user.username();
        let due = self.relying_party.due(step_up, origin, grants, username, return_path).await?;
        let sealed = self.sessions.seal_step_up(session, &due.step_up)?;
        Ok(format!("{}&{PARAMETER}={sealed}", self.sign_in_url(return_path)))
    }
}

/// Warns that a handler answered 500 after a token could not be had that a sign-in would have
/// brought.
pub(super) fn swallowed(error: &Error) {
    tracing::warn!(
        reason = error.reason(),
        %error,
        "a handler answered 500 after a token could not be had, and a sign-in would have brought \
         it: the person sees an error instead of being asked. Return the `Error` of the token, or \
         hand it on from the application's own error type: `if let Some(error) = \
         tower_identity::Error::find_in(&*own) {{ return error.clone().into_response() }}`"
    );
}
