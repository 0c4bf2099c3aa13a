//! The other policies of an Azure AD B2C tenant: editing the profile, choosing a new password.
//!
//! - A policy signs nobody in and changes no grant: its tokens are verified, which identifies the
//!   person, and dropped.
//! - A policy that another person completed changes nothing here.
//! - After a profile was edited the claims are read again, by a sign-in that shows nothing; if that
//!   is not possible, the session goes on with the old ones.
//! - A forgotten password (`AADB2C90118`) leads to the policy for that, and from there back to the
//!   sign-in: a few times, and then to an error page.

use super::{callback::NextStep, flow::Flow, reply::Reply};
use crate::{
    error::{Error, ErrorKind},
    http_message::RequestHead,
    sign_in::{Attempt, Purpose, Start, policy_of},
    tokens::Person,
};

/// `AADB2C90118`: the person has forgotten the password, and the sign-in policy has no page for
/// that.
const FORGOTTEN: &str = "AADB2C90118";
/// `AADB2C90091`: the person has cancelled.
const CANCELLED: &str = "AADB2C90091";

/// How many new passwords one sign-in can lead to: a provider that always answers that the password
/// was forgotten would loop.
const MOST_RESETS: u8 = 3;

impl Flow {
    /// Answers the path of a policy: `return_to` is the only parameter that is read. To edit a
    /// profile the person has to be signed in.
    pub(super) async fn policy(&self, head: &RequestHead<'_>, purpose: Purpose) -> Reply {
        let return_path = self.asked_return_path(head);
        let own = self.url_for(purpose, &return_path);
        if !head.may_start() {
            return Reply::sign_in_needed(own);
        }
        let start = Start::fresh(return_path);
        match self.current_session(&head.cookies, self.clock.now()).await {
            Err(error) => Reply::failed(error, Some(own)),
            Ok(None) if purpose == Purpose::EditProfile => self.start(head, start, None).await,
            Ok(_) => self.start(head, Start { purpose, ..start }, None).await,
        }
    }

    /// The step after a policy whose response was verified. Nothing of the response is kept.
    ///
    /// # Errors
    ///
    /// `PersonChanged`: another person than the one who is signed in completed it.
    pub(super) fn policy_completed(
        &self,
        attempt: &Attempt,
        person: &Person,
    ) -> Result<NextStep, Error> {
        // Issuer and subject may differ by policy: the tenant's own id decides.
        if attempt.expected.is_some_and(|expected| !expected.is_object(person)) {
            return Err(Error::new(
                ErrorKind::PersonChanged,
                "another person than the one who is signed in completed the policy",
            ));
        }
        tracing::info!(policy = attempt.policy.as_deref(), "policy completed");
        Ok(match (attempt.purpose, attempt.started_from) {
            // Without a page the password cannot be asked for, so where each sign-in asks for it
            // the claims stay until the next one.
            (Purpose::EditProfile, Some(_)) if !self.config.sign_in().requires_authentication() => {
                NextStep::Provider(Purpose::ReadClaims)
            }
            // The page asks again, with the options that did not fit into the cookie.
            (Purpose::ResetPassword, None) if !attempt.fallbacks.would_ask_for_less() => {
                NextStep::Provider(Purpose::SignIn)
            }
            _ => NextStep::Page { return_path: self.return_path(attempt), cookie: None },
        })
    }

    /// The step after an error that only B2C answers with; `None` for every other error.
    pub(super) fn policy_refusal(&self, error: &Error, attempt: &Attempt) -> Option<NextStep> {
        policy_of(self.relying_party.provider())?;
        let is_policy = attempt.purpose.is_policy();
        match error.provider()?.code.as_deref()? {
            FORGOTTEN
                if !is_policy
                    && self.relying_party.provider_for(Purpose::ResetPassword).is_ok()
                    && attempt.resets < MOST_RESETS =>
            {
                Some(NextStep::Provider(Purpose::ResetPassword))
            }
            CANCELLED => {
                tracing::info!("cancelled at the provider");
                let return_path = match attempt.started_from {
                    Some(_) if is_policy => self.return_path(attempt),
                    Some(_) => self.config.home().clone(),
                    None => self.page_after_sign_out(),
                };
                Some(NextStep::Page { return_path, cookie: None })
            }
            _ => None,
        }
    }
}
