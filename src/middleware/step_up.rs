//! Wishes: what a page needs a sign-in for (more scopes, the provider's claims, what an API asks
//! for, tokens that are gone), as a link that starts it.
//!
//! A failed request for a token knows neither cookies nor the provider. It becomes a link to the
//! sign-in path that only the same session can use, for a person and for a script alike; there it
//! is a challenge like any other (D8).

use std::time::Duration;

use super::{
    flow::{Answer, Asked, Flow, Reply},
    request_head::{AskedPage, Caller, Head},
    routes::page_as_asked,
};
use crate::{
    config::{ReturnPath, SignInOptions},
    error::Error,
    session::Session,
    sign_in::{Remedy, StepUp},
};

/// How long such a link works; then it is a link to sign in.
const LIFETIME: Duration = Duration::from_secs(600);

/// The parameter of the sign-in path.
const PARAMETER: &str = "wish";

impl Flow {
    /// What a failure that the application raised becomes: a sign-in that mends it where there is
    /// one, otherwise its own page.
    pub(crate) fn raised(&self, head: &Head, session: &Session, error: Error) -> Reply {
        let wish = match Remedy::of(&error, self.config.sign_in(), self.clock.now()) {
            Remedy::StepUp(wish) => wish,
            Remedy::SignIn => {
                return self.sent(head, self.sign_in_url(&self.page_behind(head)), error);
            }
            Remedy::Nothing => return Reply::failed(error, None),
        };
        let return_path = self.page_behind(head);
        if let Err(error) = self.relying_party.causes(
            Some(session.origin()),
            &wish.options(session.user.username()),
            &return_path,
        ) {
            return Reply::failed(error, None);
        }
        match self.wish_address(session, &return_path, &wish) {
            Ok(address) => self.sent(head, address, error),
            Err(error) => Reply::failed(error, None),
        }
    }

    fn sent(&self, head: &Head, address: String, error: Error) -> Reply {
        match head.caller {
            Caller::Navigation => Reply::redirect(address),
            _ => Reply::new(Answer::SignInNeeded { sign_in: address, why: Some(error) }),
        }
    }

    /// The page to come back to.
    fn page_behind(&self, head: &Head) -> ReturnPath {
        let page = match &head.page {
            Some(AskedPage::Opened(page)) => Some(page_as_asked(&self.config, page.as_str())),
            Some(AskedPage::Behind(address)) => {
                address.to_str().ok().and_then(|address| self.own(address)).map(Into::into)
            }
            None => None,
        };
        page.map_or_else(|| self.config.home().clone(), |page| self.config.return_path(&page))
    }

    fn wish_address(
        &self,
        session: &Session,
        return_path: &ReturnPath,
        wish: &StepUp,
    ) -> Result<String, Error> {
        let sealed = self.sessions.seal_step_up(session, wish)?;
        Ok(format!("{}&{PARAMETER}={sealed}", self.sign_in_url(return_path)))
    }

    /// What the link of a request to the sign-in path asks for, if it is one of this session.
    pub(super) async fn wished(&self, asked: Asked<'_>) -> Option<SignInOptions> {
        let query = asked.uri.query().unwrap_or_default();
        let (_, sealed) =
            url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER)?;
        let session = self.present(asked.cookies).await.ok().flatten()?;
        let wish = self.sessions.open_step_up(&session, &sealed)?;
        let now = self.clock.now();
        let is_fresh = now.since(wish.made) < LIFETIME && wish.made.since(now) < LIFETIME;
        is_fresh.then(|| wish.options(session.user.username()))
    }
}
