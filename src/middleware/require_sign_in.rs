//! What a request gets that needs somebody to be signed in (D13).

use std::borrow::Cow;

use http::header::REFERER;

use super::{
    flow::{Answer, Asked, Flow, Reply},
    login::Start,
    request_head::{Caller, own_path},
    routes::{astray, page_as_asked},
};
use crate::config::ReturnPath;

impl Flow {
    /// A protected page without a session.
    pub(crate) async fn require_sign_in(&self, asked: Asked<'_>) -> Reply {
        if let Some(error) = astray(&self.config, asked.uri) {
            // Every such answer is in the log as a refusal: strangers can have as many as they
            // like.
            if self.told.astray() {
                tracing::error!(%error, "sign-in cannot work: the addresses of this application are set up wrongly");
            }
            return Reply::failed(error, None);
        }
        let reply = self.challenge(asked, Start::fresh(self.page_of(asked))).await;
        // Only where a sign-in follows: elsewhere the answer could overtake that of a sign-in and
        // take its new cookie away. By a code it has not begun yet.
        let redirected = matches!(reply.answer, Answer::Redirect(_))
            && !self.relying_party.by_code()
            && asked.cookies.has_session();
        reply.with_cookies(redirected.then(|| self.cookies.remove_session()))
    }

    /// Sends a person to the provider, and tells everybody else where that would be. Only the
    /// former leaves a cookie.
    pub(crate) async fn challenge(&self, asked: Asked<'_>, start: Start) -> Reply {
        match Caller::of(asked.method, asked.headers) {
            // Whoever only looks at protected pages gets no code.
            Caller::Navigation if self.relying_party.by_code() && start.causes.is_empty() => {
                Reply::redirect(self.sign_in_url(&start.return_path))
            }
            Caller::Navigation => self.start(asked, start).await,
            _ => Reply::new(Answer::SignInNeeded {
                sign_in: self.sign_in_url(&start.return_path),
                why: None,
            }),
        }
    }

    /// The page to come back to: the one that was opened; for everything else the page of this site
    /// that asked, since a form or call is never replayed.
    pub(crate) fn page_of(&self, asked: Asked<'_>) -> ReturnPath {
        let page = match Caller::of(asked.method, asked.headers) {
            Caller::Navigation => {
                asked.uri.path_and_query().map(|page| page_as_asked(&self.config, page.as_str()))
            }
            _ => self.own_page(asked).map(Cow::Borrowed),
        };
        page.map_or_else(|| self.config.home().clone(), |page| self.config.return_path(&page))
    }

    /// The page that a script, frame or form ran on, if it is one of this origin.
    fn own_page<'a>(&self, asked: Asked<'a>) -> Option<&'a str> {
        let address = asked
            .headers
            .get("hx-current-url")
            .or_else(|| asked.headers.get(REFERER))?
            .to_str()
            .ok()?;
        self.own(address)
    }

    /// Path and query of an address, if it is one of this origin.
    pub(super) fn own<'a>(&self, address: &'a str) -> Option<&'a str> {
        own_path(address, self.config.origin())?.split('#').next()
    }
}
