//! Wishes: what a page needs a sign-in for (more scopes, the provider's claims, tokens that are gone), as a link that starts it.
//!
//! A failed request for a token knows neither cookies nor the provider. It becomes a link to the sign-in path that only the same session can use, for a person and
//! for a script alike; there it is a challenge like any other (D8).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Answer, Asked, Flow, Reply, routes::page_as_asked};
use crate::{
    caller::{AskedPage, Caller, Head},
    clock::UnixTime,
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind},
    session::Opened,
    user::User,
};

/// How long such a link works; then it is a link to sign in.
const LIFETIME: Duration = Duration::from_secs(600);

/// The parameter of the sign-in path.
const PARAMETER: &str = "wish";

#[derive(Serialize, Deserialize)]
struct Wish {
    made: UnixTime,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
    /// Without a page, if the provider can.
    #[serde(default)]
    silent: bool,
}

impl Flow {
    /// What a failure that the application raised becomes: a sign-in that mends it where there is one, otherwise its own page.
    pub(crate) fn raised(&self, head: &Head, session: &Opened<User>, error: Error) -> Reply {
        let wish = match error.kind() {
            ErrorKind::InteractionRequired | ErrorKind::InvalidGrant => Wish {
                made: self.clock.now(),
                scopes: error.scopes().to_vec(),
                claims: error.provider().and_then(|said| said.claims.clone()),
                silent: false,
            },
            // The session lives, its tokens are gone: most providers give others without a page.
            ErrorKind::NoRefreshToken => {
                let silent = !self.config.sign_in().asks_every_time();
                Wish { made: self.clock.now(), scopes: error.scopes().to_vec(), claims: None, silent }
            }
            ErrorKind::SessionEnded | ErrorKind::PersonChanged | ErrorKind::SignInRequired => {
                return self.sent(head, self.sign_in_address(&self.page_behind(head)), error);
            }
            _ => return Reply::failed(error, None),
        };
        let return_path = self.page_behind(head);
        if let Err(error) = self.causes(Some(session), &wish.options(session), &return_path) {
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
            Some(AskedPage::Behind(address)) => address.to_str().ok().and_then(|address| self.own(address)).map(Into::into),
            None => None,
        };
        page.map_or_else(|| self.config.home().clone(), |page| self.config.return_path(&page))
    }

    fn wish_address(&self, session: &Opened<User>, return_path: &ReturnPath, wish: &Wish) -> Result<String, Error> {
        let plain = serde_json::to_vec(wish).map_err(|_| Error::new(ErrorKind::Internal, "a wish cannot be written as JSON"))?;
        let sealed = self.sessions.seal_wish(session, &plain)?;
        Ok(format!("{}&{PARAMETER}={sealed}", self.sign_in_address(return_path)))
    }

    /// What the link of a request to the sign-in path asks for, if it is one of this session.
    pub(super) async fn wished(&self, asked: Asked<'_>) -> Option<SignInOptions> {
        let query = asked.uri.query().unwrap_or_default();
        let (_, sealed) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER)?;
        let session = self.present(asked.headers).await.ok().flatten()?;
        let wish: Wish = serde_json::from_slice(&self.sessions.open_wish(&session, &sealed)?).ok()?;
        let now = self.clock.now();
        let is_fresh = now.since(wish.made) < LIFETIME && wish.made.since(now) < LIFETIME;
        is_fresh.then(|| wish.options(&session))
    }
}

impl Wish {
    fn options(&self, session: &Opened<User>) -> SignInOptions {
        let mut options = SignInOptions::new().with_scopes(&self.scopes);
        options.claims.clone_from(&self.claims);
        if self.silent {
            options.prompt = vec![Prompt::None];
            options.login_hint = session.value.username().map(str::to_owned);
        }
        options
    }
}
