//! [`StepUp`]: a further sign-in for more scopes, for claims that the provider demands, for the
//! requirements of an API, or to replace lost tokens.

use std::time::Duration;

use super::{attempt::Fingerprint, loop_guard::SessionOrigin, relying_party::RelyingParty};
use crate::{
    clock::UnixTime,
    codec,
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind, TokenOwner},
    json,
    tokens::{GrantRef, Grants, OFFLINE_ACCESS},
};

/// The requirements of the next sign-in.
#[derive(Clone)]
pub(crate) struct StepUp {
    pub(crate) made: UnixTime,
    scopes: Vec<String>,
    claims: Option<String>,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    asks: StepUpAsks,
}

/// What the sign-in of a step-up is to bring.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepUpAsks {
    /// More than the session has: scopes, claims, another authentication.
    More = 1,
    /// New tokens in the place of lost ones, without a page.
    TokensSilently = 2,
    /// The same with pages.
    TokensWithPages = 3,
    /// The same with a consent (`prompt=consent`).
    TokensWithConsent = 4,
}

impl codec::Value for StepUpAsks {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        [Self::More, Self::TokensSilently, Self::TokensWithPages, Self::TokensWithConsent]
            .into_iter()
            .find(|asks| bytes == [*asks as u8])
    }
}

codec::record!(StepUp {
    1 made,
    2 scopes,
    3 claims,
    4 acr_values,
    5 max_age,
    9 asks,
});

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
        !matches!(Self::of_guard(error), Self::Nothing)
    }

    /// The remedy of a guard. It uses its own requirements, and of the error only the claims that
    /// the provider demands.
    pub(crate) fn of_guard(error: &Error) -> Self {
        Self::of(error, &SignInOptions::default(), UnixTime::from_seconds(0))
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
                asks: if configured.requires_authentication() {
                    StepUpAsks::TokensWithPages
                } else {
                    StepUpAsks::TokensSilently
                },
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

/// A step-up that may be started, with the options of its request.
pub(crate) struct DueStepUp {
    pub(crate) step_up: StepUp,
    pub(crate) options: SignInOptions,
    pub(crate) step_ups: Vec<Fingerprint>,
}

impl RelyingParty {
    /// The step-up to start: this one, or the one that follows it if it was completed just now.
    ///
    /// # Errors
    ///
    /// Those of [`step_ups`](Self::step_ups): neither would help.
    pub(crate) async fn due(
        &self,
        step_up: StepUp,
        origin: SessionOrigin<'_>,
        (grants, grant): (&Grants, &GrantRef),
        username: Option<&str>,
        return_path: &ReturnPath,
    ) -> Result<DueStepUp, Error> {
        let due = |step_up: StepUp| {
            let options = step_up.options(username);
            let step_ups = self.step_ups(Some(origin), &options, return_path)?;
            Ok(DueStepUp { step_up, options, step_ups })
        };
        let next = step_up.with_consent().filter(|_| !self.by_code());
        match (due(step_up), next) {
            (Err(refusal), Some(next)) => {
                let asked = grants.scopes(grant).await;
                if asked.iter().any(|scope| scope == OFFLINE_ACCESS) {
                    due(next)
                } else {
                    Err(refusal)
                }
            }
            (outcome, _) => outcome,
        }
    }
}

/// Whether the demanded claims are a JSON object. Anything else is not sent back to the provider.
fn is_object(text: &str) -> bool {
    json::object_of_text(text).is_ok()
}

impl StepUp {
    fn new(made: UnixTime, error: &Error) -> Self {
        let scopes = error.scopes().to_vec();
        Self {
            made,
            scopes,
            claims: None,
            acr_values: Vec::new(),
            max_age: None,
            asks: StepUpAsks::More,
        }
    }

    /// The step-up after this one was completed and brought no refresh token, where it asked for
    /// `offline_access`: OpenID Connect Core section 11 lets a provider ignore that scope without
    /// `prompt=consent`. `None`: it did ask for consent, or is not about the refresh token.
    fn with_consent(&self) -> Option<Self> {
        match self.asks {
            StepUpAsks::TokensSilently | StepUpAsks::TokensWithPages => {
                Some(Self { asks: StepUpAsks::TokensWithConsent, ..self.clone() })
            }
            StepUpAsks::More | StepUpAsks::TokensWithConsent => None,
        }
    }

    /// The claims that the provider demands.
    pub(crate) fn into_claims(self) -> Option<String> {
        self.claims
    }

    /// Requires pages: for callers that cannot start a second sign-in after a failed silent one.
    pub(crate) fn with_pages(mut self) -> Self {
        if self.asks == StepUpAsks::TokensSilently {
            self.asks = StepUpAsks::TokensWithPages;
        }
        self
    }

    pub(crate) fn options(&self, username: Option<&str>) -> SignInOptions {
        let mut options = SignInOptions::new().with_scopes(&self.scopes);
        options.claims.clone_from(&self.claims);
        options.acr_values.clone_from(&self.acr_values);
        options.max_age = self.max_age;
        match self.asks {
            StepUpAsks::TokensWithConsent => options.prompt = vec![Prompt::Consent],
            StepUpAsks::TokensSilently => {
                options.prompt = vec![Prompt::None];
                options.login_hint = username.map(str::to_owned);
            }
            StepUpAsks::More | StepUpAsks::TokensWithPages => {}
        }
        options
    }
}
