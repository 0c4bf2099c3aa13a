//! [`StepUp`]: a further sign-in for more scopes, for claims that the provider demands, for the
//! requirements of an API, or to replace lost tokens.

use std::time::Duration;

use crate::{
    clock::UnixTime,
    codec,
    config::{Prompt, SignInOptions},
    error::{Error, ErrorKind, TokenOwner},
};

/// The requirements of the next sign-in.
pub(crate) struct StepUp {
    pub(crate) made: UnixTime,
    scopes: Vec<String>,
    claims: Option<String>,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    /// Whether to try without a page first.
    silent: bool,
}

codec::record!(StepUp { 1 made, 2 scopes, 3 claims, 4 acr_values, 5 max_age, 6 silent });

/// The sign-in that can resolve an error.
pub(crate) enum Remedy {
    /// A sign-in with further requirements.
    StepUp(StepUp),
    /// A plain sign-in.
    SignIn,
    /// No sign-in can resolve the error.
    Nothing,
}

impl Remedy {
    /// Whether a sign-in can resolve the error.
    pub(crate) fn is_sign_in(error: &Error) -> bool {
        // The requirements of that sign-in do not matter here.
        let (configured, now) = (SignInOptions::default(), UnixTime::from_seconds(0));
        !matches!(Self::of(error, &configured, now), Self::Nothing)
    }

    /// The remedy for a token error. `configured` are the application's usual sign-in options.
    pub(crate) fn of(error: &Error, configured: &SignInOptions, now: UnixTime) -> Self {
        if error.token_owner() != TokenOwner::User {
            return Self::Nothing;
        }
        match error.kind() {
            ErrorKind::SessionEnded | ErrorKind::PersonChanged | ErrorKind::SignInRequired => {
                Self::SignIn
            }
            // The session is still valid, only its tokens are lost. Most providers issue others
            // without showing a page.
            ErrorKind::NoRefreshToken => Self::StepUp(StepUp {
                silent: !configured.requires_authentication(),
                ..StepUp::new(now, error)
            }),
            kind if error.is_of_spent_grant()
                || matches!(
                    kind,
                    ErrorKind::InteractionRequired
                        | ErrorKind::InvalidGrant
                        | ErrorKind::StrongerSignInNeeded
                ) =>
            {
                Self::StepUp(StepUp {
                    claims: error
                        .provider()
                        .and_then(|said| said.claims.clone())
                        .filter(|claims| is_object(claims)),
                    acr_values: error.acr_values().to_vec(),
                    max_age: error.max_age(),
                    ..StepUp::new(now, error)
                })
            }
            _ => Self::Nothing,
        }
    }
}

/// Whether the demanded claims are a JSON object. Anything else is not sent back to the provider.
fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

impl StepUp {
    fn new(made: UnixTime, error: &Error) -> Self {
        let scopes = error.scopes().to_vec();
        Self { made, scopes, claims: None, acr_values: Vec::new(), max_age: None, silent: false }
    }

    /// Requires pages: for callers that cannot start a second sign-in after a failed silent one.
    pub(crate) fn with_pages(self) -> Self {
        Self { silent: false, ..self }
    }

    pub(crate) fn options(&self, username: Option<&str>) -> SignInOptions {
        let mut options = SignInOptions::new().with_scopes(&self.scopes);
        options.claims.clone_from(&self.claims);
        options.acr_values.clone_from(&self.acr_values);
        options.max_age = self.max_age;
        if self.silent {
            options.prompt = vec![Prompt::None];
            options.login_hint = username.map(str::to_owned);
        }
        options
    }
}
