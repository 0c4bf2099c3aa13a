//! Wishes: what a page needs a sign-in for (more scopes, the provider's claims, what an API asks
//! for, tokens that are gone), as a link that starts it.
//!
//! A failed request for a token knows neither cookies nor the provider. It becomes a link to the
//! sign-in path that only the same session can use, for a person and for a script alike; there it
//! is a challenge like any other (D8).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Answer, Asked, Flow, Reply, routes::page_as_asked};
use crate::{
    caller::{AskedPage, Caller, Head},
    clock::UnixTime,
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind, Whose},
    session::Opened,
    user::User,
};

/// How long such a link works; then it is a link to sign in.
const LIFETIME: Duration = Duration::from_secs(600);

/// The parameter of the sign-in path.
const PARAMETER: &str = "wish";

/// What is to be asked for.
#[derive(Serialize, Deserialize)]
pub(super) struct Wish {
    made: UnixTime,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    acr_values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<Duration>,
    /// Without a page, if the provider can.
    #[serde(default)]
    silent: bool,
}

impl Flow {
    /// What a failure that the application raised becomes: a sign-in that mends it where there is
    /// one, otherwise its own page.
    pub(crate) fn raised(&self, head: &Head, session: &Opened<User>, error: Error) -> Reply {
        let wish = match Mend::of(&error, self.config.sign_in(), self.clock.now()) {
            Mend::More(wish) => wish,
            Mend::SignIn => {
                return self.sent(head, self.sign_in_url(&self.page_behind(head)), error);
            }
            Mend::Nothing => return Reply::failed(error, None),
        };
        let return_path = self.page_behind(head);
        if let Err(error) =
            self.auth.causes(Some(session.beginning()), &wish.options(&session.value), &return_path)
        {
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
        session: &Opened<User>,
        return_path: &ReturnPath,
        wish: &Wish,
    ) -> Result<String, Error> {
        let plain = serde_json::to_vec(wish)
            .map_err(|_| Error::new(ErrorKind::Internal, "a wish cannot be written as JSON"))?;
        let sealed = self.sessions.seal_wish(session, &plain)?;
        Ok(format!("{}&{PARAMETER}={sealed}", self.sign_in_url(return_path)))
    }

    /// What the link of a request to the sign-in path asks for, if it is one of this session.
    pub(super) async fn wished(&self, asked: Asked<'_>) -> Option<SignInOptions> {
        let query = asked.uri.query().unwrap_or_default();
        let (_, sealed) =
            url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER)?;
        let session = self.present(asked.cookies).await.ok().flatten()?;
        let wish: Wish =
            serde_json::from_slice(&self.sessions.open_wish(&session, &sealed)?).ok()?;
        let now = self.clock.now();
        let is_fresh = now.since(wish.made) < LIFETIME && wish.made.since(now) < LIFETIME;
        is_fresh.then(|| wish.options(&session.value))
    }
}

/// What mends a failure.
pub(super) enum Mend {
    /// A sign-in that asks for more.
    More(Wish),
    /// A sign-in.
    SignIn,
    /// No sign-in does.
    Nothing,
}

impl Mend {
    /// What mends the failure of a token, at an application whose sign-ins ask for `configured`.
    pub(super) fn of(error: &Error, configured: &SignInOptions, now: UnixTime) -> Self {
        if error.whose() != Whose::SignedIn {
            return Self::Nothing;
        }
        match error.kind() {
            ErrorKind::InteractionRequired
            | ErrorKind::InvalidGrant
            | ErrorKind::StrongerSignInNeeded => Self::More(Wish {
                claims: error
                    .provider()
                    .and_then(|said| said.claims.clone())
                    .filter(|claims| is_object(claims)),
                acr_values: error.acr_values().to_vec(),
                max_age: error.max_age(),
                ..Wish::new(now, error)
            }),
            // The session lives, its tokens are gone: most providers give others without a page.
            ErrorKind::NoRefreshToken => {
                Self::More(Wish { silent: !configured.asks_every_time(), ..Wish::new(now, error) })
            }
            ErrorKind::SessionEnded | ErrorKind::PersonChanged | ErrorKind::SignInRequired => {
                Self::SignIn
            }
            _ => Self::Nothing,
        }
    }
}

/// What a provider wants to be asked for and cannot be read is not asked for.
fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

impl Wish {
    fn new(made: UnixTime, error: &Error) -> Self {
        let scopes = error.scopes().to_vec();
        Self { made, scopes, claims: None, acr_values: Vec::new(), max_age: None, silent: false }
    }

    /// The same for somebody who cannot be sent a second time: at once with pages.
    pub(super) fn with_pages(self) -> Self {
        Self { silent: false, ..self }
    }

    pub(super) fn options(&self, user: &User) -> SignInOptions {
        let mut options = SignInOptions::new().with_scopes(&self.scopes);
        options.claims.clone_from(&self.claims);
        options.acr_values.clone_from(&self.acr_values);
        options.max_age = self.max_age;
        if self.silent {
            options.prompt = vec![Prompt::None];
            options.login_hint = user.username().map(str::to_owned);
        }
        options
    }
}
