//! A step-up as a link: what a page needs another sign-in for, sealed for one session.

use super::{
    seal::{Context, CookiePurpose},
    session_cache::Session,
    sessions::Sessions,
};
use crate::{
    codec::{self, Value as _},
    error::{Error, ErrorKind},
    secret::{base64url, fingerprint, from_base64url},
    sign_in::StepUp,
};

/// The longest link part that is looked at, in bytes.
const LONGEST: usize = 4096;

impl Sessions {
    /// Seals a step-up of this session.
    ///
    /// # Errors
    ///
    /// It is too long for a link that would still be opened; or the operating system gives no
    /// random bytes.
    pub(crate) fn seal_step_up(&self, session: &Session, wanted: &StepUp) -> Result<String, Error> {
        let (plain, context) = (codec::encode(wanted), context(session));
        let sealed = self.records.keys.seal_cookie(CookiePurpose::StepUp, &context, &plain)?;
        let sealed = base64url(&sealed);
        if sealed.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "what a page asks of a sign-in is too long for a link",
            ));
        }
        Ok(sealed)
    }

    /// Opens a step-up of this session; `None` for that of any other.
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

    /// Security rule 4
    #[tokio::test]
    async fn a_step_up_is_for_the_session_that_it_was_made_for() {
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
                _ => panic!("a sign-in mends it"),
            }
        };
        let link = node.sessions.seal_step_up(&people[0], &wanted("mail.read")).unwrap();
        let opened = node.sessions.open_step_up(&people[0], &link).unwrap();
        assert_eq!(opened.options(None).scopes, ["mail.read"]);
        assert!(node.sessions.open_step_up(&people[1], &link).is_none());
        assert!(
            node.sessions.seal_step_up(&people[0], &wanted(&"x".repeat(4000))).is_err(),
            "a link that would not open is none"
        );
        for broken in ["", "AQ", &link[1..], &"A".repeat(5000)] {
            assert!(node.sessions.open_step_up(&people[0], broken).is_none());
        }
    }
}
