//! Step-ups as links: the parameters of another sign-in, sealed for one session.
//!
//! If a handler needs more from the provider (consent, a stronger sign-in), the layer redirects to
//! the sign-in path with such a link. The seal keeps other sites from starting a step-up of their
//! choice.

use super::{session_cache::Session, sessions::Sessions};
use crate::{
    codec::{self, Value as _},
    error::{Error, ErrorKind},
    seal::{Context, CookiePurpose},
    secret::{base64url, fingerprint, from_base64url},
    sign_in::StepUp,
};

/// Longest sealed step-up that is opened, in base64url characters.
const LONGEST: usize = 4096;

impl Sessions {
    /// Seals a step-up for a link that only this session can use.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::RequestInvalid`]: the step-up is too long for a link.
    /// - [`ErrorKind::Internal`]: the operating system provides no random bytes.
    pub(crate) fn seal_step_up(&self, session: &Session, wanted: &StepUp) -> Result<String, Error> {
        let (plain, context) = (codec::encode(wanted), context(session));
        let sealed = self.records.keys.seal_cookie(CookiePurpose::StepUp, &context, &plain)?;
        let sealed = base64url(&sealed);
        if sealed.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the parameters of a step-up are too long for a link",
            ));
        }
        Ok(sealed)
    }

    /// Opens a step-up. `None` if it was sealed for another session, or is damaged or too long.
    pub(crate) fn open_step_up(&self, session: &Session, sealed: &str) -> Option<StepUp> {
        if sealed.len() > LONGEST {
            return None;
        }
        let mut sealed = from_base64url(sealed)?;
        let context = context(session);
        let (plain, _) =
            self.records.keys.open_cookie(CookiePurpose::StepUp, &context, &mut sealed)?;
        StepUp::read(plain)
    }
}

fn context(session: &Session) -> Context {
    fingerprint("step-up", [&session.id().bytes()[..]])
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::*, *};
    use crate::{config::SignInOptions, error::TokenOwner, sign_in::Remedy};

    /// Security rule 4.
    #[tokio::test]
    async fn a_step_up_opens_only_in_the_session_that_it_was_sealed_for() {
        let node = Node::new(local());
        let mut people = Vec::new();
        for name in ["ada", "alan"] {
            people.push(
                node.sessions.create(signed_in(name), None, node.now()).await.unwrap().session,
            );
        }
        let wanted = |scope: &str| {
            let error = Error::new(ErrorKind::InteractionRequired, "more");
            let error = error.for_token(TokenOwner::User, [scope].into_iter());
            match Remedy::of(&error, &SignInOptions::new(), node.now()) {
                Remedy::StepUp(step_up) => step_up,
                _ => panic!("the remedy is a step-up"),
            }
        };
        let link = node.sessions.seal_step_up(&people[0], &wanted("mail.read")).unwrap();
        let opened = node.sessions.open_step_up(&people[0], &link).unwrap();
        assert_eq!(opened.options(None).scopes, ["mail.read"]);
        assert!(node.sessions.open_step_up(&people[1], &link).is_none());
        assert!(
            node.sessions.seal_step_up(&people[0], &wanted(&"x".repeat(4000))).is_err(),
            "a link that would not open is not made"
        );
        for broken in ["", "AQ", &link[1..], &"A".repeat(5000)] {
            assert!(node.sessions.open_step_up(&people[0], broken).is_none());
        }
    }
}
