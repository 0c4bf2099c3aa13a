//! Signing out (D14): here first, then at the provider; never because another site wants it.

use http::Method;

use super::{
    flow::{Answer, Asked, Flow, Reply},
    request_head::{Caller, follows_own_link, is_from_own_page},
};
use crate::error::{Error, ErrorKind};

impl Flow {
    /// The sign-out path.
    pub(super) async fn sign_out(&self, asked: Asked<'_>) -> Reply {
        if self.is_our_own_wish(asked) {
            return match self.end(asked).await {
                Ok(reply) => reply,
                Err(error) => Reply::failed(
                    error,
                    Some(self.config.external_path(&self.config.paths().logout).into_owned()),
                ),
            };
        }
        match Caller::of(asked.method, asked.headers) {
            Caller::Navigation | Caller::Document => Reply::new(Answer::ConfirmSignOut {
                sign_out: self.config.external_path(&self.config.paths().logout).into_owned(),
                home: self.config.home().as_str().to_owned(),
                provider: self.provider_origin().await,
            }),
            _ => Reply::failed(
                Error::new(
                    ErrorKind::CrossSite,
                    "sign-out takes a POST that a page of this site sends",
                ),
                None,
            ),
        }
    }

    /// A form of ours, or a link of ours that a person follows.
    fn is_our_own_wish(&self, asked: Asked<'_>) -> bool {
        match *asked.method {
            Method::POST => is_from_own_page(asked.headers, self.config.origin()),
            // An `Origin` comes with no GET, and a `Referer` with every picture that somebody put
            // on a page of ours.
            Method::GET => follows_own_link(asked.headers),
            _ => false,
        }
    }

    async fn end(&self, asked: Asked<'_>) -> Result<Reply, Error> {
        let all = self.sessions.load_all(asked.cookies, self.clock.now()).await?;
        let at_provider = match all.first() {
            Some(opened) => {
                // Read before the records go; sign-out does not depend on it.
                let id_token = self.grants.id_token(opened.grant()).await.ok().flatten();
                // Another good ticket of this browser would be the next session that it presents.
                for session in &all {
                    self.sessions.end(session).await?;
                }
                tracing::info!("signed out");
                let hint = opened.user.claim("login_hint").and_then(|hint| hint.as_str());
                self.relying_party.end_session_address(id_token.as_ref(), hint).await
            }
            None => None,
        };
        let to = at_provider.unwrap_or_else(|| self.farewell());
        let counted = (asked.cookies.sign_ins() > 0).then(|| self.cookies.forget_sign_ins());
        Ok(Reply::redirect(to).with_cookies([self.cookies.remove_session()]).with_cookies(counted))
    }

    /// Where the browser goes after the form is posted: the page's policy has to allow it.
    async fn provider_origin(&self) -> Option<String> {
        let metadata = self.relying_party.provider().metadata().await.ok()?;
        let set = self.config.sign_out().endpoint.as_ref();
        set.or(metadata.end_session_endpoint.as_ref())
            .map(|endpoint| endpoint.origin().ascii_serialization())
    }

    /// Where to go when the provider has no part in it: home if everybody may see it, since a
    /// protected page would sign straight in again.
    pub(super) fn farewell(&self) -> String {
        if self.config.is_home_public() {
            self.config.home().as_str().to_owned()
        } else {
            self.config.external_path(&self.config.paths().signed_out).into_owned()
        }
    }

    /// The page after signing out. Nothing of the request is read: the provider's `state` proves
    /// nothing that matters here.
    pub(super) fn signed_out(&self) -> Reply {
        Reply::new(Answer::SignedOut {
            home: self.config.home().as_str().to_owned(),
            sign_in: self.sign_in_url(self.config.home()),
        })
    }
}
