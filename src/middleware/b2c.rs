//! What people do at B2C beside signing in: edit their profile, choose a new password. Each has a
//! policy, and documents, of its own.
//!
//! - An errand signs nobody in and changes no grant: its tokens are verified, to know whose errand
//!   it was, and dropped.
//! - Somebody else's errand changes nothing here.
//! - After a profile was edited the claims are read again, by a sign-in that shows nothing; if that
//!   is not possible, the session goes on with the old ones.
//! - Who forgot their password (`AADB2C90118`) goes to the policy for that, and from there back to
//!   signing in: a few times, and then to a page.

use super::{
    callback::Done,
    flow::{Answer, Asked, Flow, Reply},
    login::Start,
    request_head::Caller,
};
use crate::{
    config::ReturnPath,
    error::{Error, ErrorKind},
    session::Slot,
    sign_in::{Attempt, AttemptPurpose, Errand, Step, policy_of},
    tokens::Person,
};

/// `AADB2C90118`: the person has forgotten the password, and the sign-in policy has no page for
/// that.
const FORGOTTEN: &str = "AADB2C90118";
/// `AADB2C90091`: the person has cancelled.
const CANCELLED: &str = "AADB2C90091";

/// So often one sign-in leads to a new password: a provider that never stops saying that it was
/// forgotten would go in circles.
const MOST_RESETS: u8 = 3;

impl Flow {
    /// The path of an errand: `?return_to=` is the one parameter that is read. Only a signed-in
    /// person has a profile.
    pub(super) async fn errand(&self, asked: Asked<'_>, errand: Errand) -> Reply {
        let return_path = self.asked_return_path(asked);
        let own = self.errand_address(errand, &return_path);
        if asked.method != http::Method::GET {
            return Reply::failed(
                Error::new(ErrorKind::RequestInvalid, "this path takes GET"),
                Some(own),
            );
        }
        if !Caller::may_start(asked.method, asked.headers) {
            return Reply::new(Answer::SignInNeeded { sign_in: own, why: None });
        }
        match self.present(asked.cookies).await {
            Err(error) => Reply::failed(error, Some(own)),
            Ok(None) if errand == Errand::EditProfile => {
                self.start(asked, Start::fresh(return_path)).await
            }
            Ok(_) => {
                self.start(asked, Start { step: Step::Errand(errand), ..Start::fresh(return_path) })
                    .await
            }
        }
    }

    /// Where a link to an errand leads.
    fn errand_address(&self, errand: Errand, return_path: &ReturnPath) -> String {
        let paths = self.config.paths();
        let own = match errand {
            Errand::EditProfile => &paths.edit_profile,
            Errand::ResetPassword => &paths.reset_password,
        };
        self.address(own.as_ref().unwrap_or(&paths.login), return_path)
    }

    /// What follows an errand whose answer was verified; `None` if it was none. Nothing of the
    /// answer is kept.
    ///
    /// # Errors
    ///
    /// It was somebody else's.
    pub(super) fn errand_done(
        &self,
        attempt: &Attempt,
        person: &Person,
    ) -> Result<Option<Done>, Error> {
        let Some(errand) = Errand::of(attempt) else { return Ok(None) };
        // Issuer and subject may differ by policy: the tenant's own id decides.
        if attempt.expected.is_some_and(|expected| !expected.is_object(person)) {
            return Err(Error::new(
                ErrorKind::PersonChanged,
                "somebody else than who is signed in used the policy",
            ));
        }
        tracing::info!(policy = attempt.policy.as_deref(), "policy completed");
        Ok(Some(match (errand, attempt.started_from) {
            // Without a page nobody can be asked for the password, so where each sign-in asks for
            // it the claims stay until the next one.
            (Errand::EditProfile, Some(_)) if !self.config.sign_in().requires_authentication() => {
                Done::ReadAgain
            }
            (Errand::ResetPassword, None) => Done::SignIn,
            _ => Done::Page {
                return_path: self.config.return_path(&attempt.return_path),
                cookie: None,
            },
        }))
    }

    /// What to do about an answer that brought no session.
    pub(super) async fn unfinished(
        &self,
        asked: Asked<'_>,
        error: Error,
        attempt: Attempt,
        slot: Slot,
        return_path: ReturnPath,
    ) -> Reply {
        let silent = error.kind() == ErrorKind::InteractionRequired && attempt.silent;
        if let Some(step) = self.relying_party.step_again(&attempt, &error) {
            let start = Start { step, retry: 1, ..Start::following(attempt, slot, return_path) };
            return self.start(asked, start).await;
        }
        match self.b2c_code(&error) {
            // The session goes on as it was; only a page that shows somebody's data must not be
            // given to another.
            _ if attempt.purpose == AttemptPurpose::ReadAgain
                && error.kind() != ErrorKind::PersonChanged =>
            {
                tracing::info!(reason = error.reason(), "the claims could not be read again");
                Reply::redirect(return_path.as_str())
            }
            // Nothing could be shown to the person, so something has to be: once, since an
            // interactive attempt is not silent.
            _ if silent => {
                let start =
                    Start { step: Step::WithPages, ..Start::following(attempt, slot, return_path) };
                self.start(asked, start).await
            }
            Some(FORGOTTEN) if self.leads_to_reset(&attempt) => {
                let start = Start {
                    step: Step::Errand(Errand::ResetPassword),
                    ..Start::following(attempt, slot, return_path)
                };
                self.start(asked, start).await
            }
            Some(CANCELLED) => {
                tracing::info!("cancelled at the provider");
                match (Errand::of(&attempt), attempt.started_from) {
                    (Some(_), Some(_)) => Reply::redirect(return_path.as_str()),
                    (None, Some(_)) => Reply::redirect(self.config.home().as_str()),
                    (_, None) => Reply::redirect(self.farewell()),
                }
            }
            _ => {
                let again = Errand::of(&attempt).map_or_else(
                    || self.sign_in_url(&return_path),
                    |errand| self.errand_address(errand, &return_path),
                );
                Reply::failed(error, Some(again))
            }
        }
    }

    fn leads_to_reset(&self, attempt: &Attempt) -> bool {
        Errand::of(attempt).is_none()
            && self.relying_party.policies().reset_password.is_some()
            && attempt.resets < MOST_RESETS
    }

    /// B2C's code for what went wrong.
    fn b2c_code<'e>(&self, error: &'e Error) -> Option<&'e str> {
        policy_of(self.relying_party.provider())?;
        error.provider()?.code.as_deref()
    }
}
