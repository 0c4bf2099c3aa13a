//! The guard against redirect loops (D8): a step-up that was just completed is not started again.
//!
//! A sign-in can loop in six ways, and each has a counter:
//!
//! ```text
//! counter    counts                            kept in                most  then
//! retry      attempts that were lost           attempt, `state`          1  AttemptMissing,
//!                                                                           AttemptUnreadable
//! lost       sessions that were lost at once   attempt, ticket           1  StoreUnavailable
//! `.r`       callbacks in a minute without     a cookie of its own       1  AttemptMissing
//!            a session's cookie
//! step_ups   step-ups for one page in ten      attempt, record           8  Forbidden,
//!            minutes; equal ones: one                                       ScopeNotGranted
//! resets     new passwords at B2C              attempt                   3  the provider's error
//! Fallbacks  refusals of the provider          attempt              each 1  the provider's error
//! ```
//!
//! `retry` is compared in `middleware/callback.rs`, `lost` and `.r` in `middleware/login.rs`,
//! `resets` in `middleware/b2c.rs`, `Fallbacks` in `fallback.rs`, `step_ups` here.

use std::time::Duration;

use url::form_urlencoded;

use super::{attempt::Fingerprint, relying_party::RelyingParty};
use crate::{
    clock::UnixTime,
    codec,
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind, TokenOwner},
};

/// The page that a sign-in returned to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReturnedTo {
    /// The fingerprint of the authorization response.
    pub(crate) response: Fingerprint,
    pub(crate) path: Box<str>,
}

/// The maximum time that a completed step-up is remembered.
const STEP_UPS_KEPT: Duration = Duration::from_secs(600);

/// The step-ups that created a session, and the page that its sign-in returned to.
#[derive(Clone, Copy)]
pub(crate) struct SessionOrigin<'a> {
    pub(crate) created: UnixTime,
    pub(crate) step_ups: &'a [Fingerprint],
    pub(crate) returned_to: Option<&'a ReturnedTo>,
}

impl<'a> SessionOrigin<'a> {
    /// Whether this step-up created the session less than `within` ago, and less than ten minutes:
    /// another one would loop.
    pub(crate) fn started_for(
        &self,
        step_up: &Fingerprint,
        within: Duration,
        now: UnixTime,
    ) -> bool {
        self.created.is_within(within.min(STEP_UPS_KEPT), now) && self.step_ups.contains(step_up)
    }

    /// Whether the session began with a sign-in that returned to this page.
    pub(crate) fn began_for(&self, page: &str) -> bool {
        self.returned_to.is_some_and(|returned_to| &*returned_to.path == page)
    }

    /// The step-ups for this page that created the session less than ten minutes ago.
    pub(crate) fn step_ups_of(&self, page: &str, now: UnixTime) -> &'a [Fingerprint] {
        if self.began_for(page) && self.created.is_within(STEP_UPS_KEPT, now) {
            self.step_ups
        } else {
            &[]
        }
    }

    /// The page that this response returned to, if it created the session.
    pub(crate) fn returned_to(&self, response: &Fingerprint) -> Option<&'a str> {
        self.returned_to
            .filter(|returned_to| returned_to.response == *response)
            .map(|returned_to| &*returned_to.path)
    }
}

codec::record!(ReturnedTo { 1 response, 2 path });

impl RelyingParty {
    /// The fingerprint of this step-up, followed by those of earlier step-ups for the same page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`]: an equal step-up was just completed, so another one would loop;
    /// [`ErrorKind::ScopeNotGranted`] if it only requested scopes.
    pub(crate) fn step_ups(
        &self,
        session: Option<SessionOrigin<'_>>,
        options: &SignInOptions,
        return_path: &ReturnPath,
    ) -> Result<Vec<Fingerprint>, Error> {
        let now = self.clock().now();
        let step_up = fingerprint_of(options);
        let mut step_ups = vec![step_up];
        // Without a session there is no earlier step-up to compare with.
        let Some(session) = session else { return Ok(step_ups) };
        step_ups.extend(
            session
                .step_ups_of(return_path.as_str(), now)
                .iter()
                .filter(|other| **other != step_up),
        );
        if session.started_for(&step_up, asked_again_within(options), now)
            || step_ups.len() > MOST_STEP_UPS
        {
            return Err(done_just_now(options));
        }
        Ok(step_ups)
    }
}

fn done_just_now(options: &SignInOptions) -> Error {
    let only_scopes = SignInOptions::new().with_scopes(&options.scopes);
    if options.scopes.is_empty() || *options != only_scopes {
        return Error::new(
            ErrorKind::Forbidden,
            format!(
                "the sign-in that this page asks for was done just now, and the page still asks \
                 for it{}",
                requirements(options)
            ),
        );
    }
    let scopes = options.scopes.join(" ");
    Error::new(
        ErrorKind::ScopeNotGranted,
        format!(
            "the person was asked for these scopes just now, and a token with all of them could \
             not be had: {scopes}"
        ),
    )
    .for_token(TokenOwner::None, options.scopes.iter().map(String::as_str))
}

/// What a page requires of a sign-in, for the log: the words of the application. Claims are left
/// out, since an API may have sent them.
fn requirements(options: &SignInOptions) -> String {
    let mut all: Vec<String> = Vec::new();
    all.extend(
        options.auth_context.iter().map(|one| format!("the authentication context {one:?}")),
    );
    if !options.acr_values.is_empty() {
        all.push(format!("the `acr` values {:?}", options.acr_values));
    }
    all.extend(options.max_age.iter().map(|age| format!("a sign-in within {} s", age.as_secs())));
    if !options.scopes.is_empty() {
        all.push(format!("the scopes {:?}", options.scopes));
    }
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

/// The number of different step-ups that one page may request within ten minutes. Without a limit
/// two guards that undo each other's sign-in would never stop.
const MOST_STEP_UPS: usize = 8;

/// Window in which an identical step-up counts as a redirect loop. It is short for `max_age`, since
/// an authentication gets older while the person works, and for silent sign-ins, which replace
/// expired tokens of providers without refresh tokens.
fn asked_again_within(options: &SignInOptions) -> Duration {
    if options.max_age.is_some() || options.prompt.contains(&Prompt::None) {
        Duration::from_secs(60)
    } else {
        Duration::MAX
    }
}

/// The fingerprint of the options that change what the provider does. The values of requested
/// claims are left out: they can differ in each challenge.
fn fingerprint_of(options: &SignInOptions) -> Fingerprint {
    let prompt: Vec<&str> = options.prompt.iter().map(|prompt| prompt.as_str()).collect();
    let mut scopes = options.scopes.clone();
    // The order of scopes has no meaning (RFC 6749 section 3.3).
    scopes.sort_unstable();
    let max_age = options.max_age.map(|age| age.as_secs().to_string()).unwrap_or_default();
    let context = options.auth_context.as_deref().unwrap_or_default();
    let claims = options.claims.as_deref().map(kind_of_claims).unwrap_or_default();
    let mut parameters = options.parameters.clone();
    parameters.sort_unstable();
    let parameters =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    Fingerprint::new(&[
        "sign-in",
        &scopes.join(" "),
        &prompt.join(" "),
        &options.acr_values.join(" "),
        &max_age,
        context,
        &claims,
        options.login_hint.as_deref().unwrap_or_default(),
        options.domain_hint.as_deref().unwrap_or_default(),
        &parameters,
    ])
}

/// The names of the claims in a challenge of the provider or of an API. The values can differ each
/// time (a timestamp, for example), so only that of an authentication context is included.
fn kind_of_claims(claims: &str) -> String {
    let challenge: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(claims).unwrap_or_default();
    let mut kind = String::from("claims");
    for (part, wanted) in &challenge {
        for (name, value) in wanted.as_object().into_iter().flatten() {
            kind += &format!(" {part}.{name}");
            if matches!(name.as_str(), "acr" | "acrs") {
                kind += &format!("={value}");
            }
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_ups_that_differ_in_anything_that_the_provider_acts_on_are_two_step_ups() {
        let asked = || SignInOptions::new().with_scopes(["a", "b"]);
        let others = [
            asked(),
            asked().add_parameter("level", "1"),
            asked().add_parameter("level", "2"),
            asked().add_parameter("level 2", ""),
            asked().add_parameter("level", "1").add_parameter("more", ""),
            asked().with_login_hint("ada"),
            asked().with_domain_hint("ada"),
            asked().with_auth_context("ada"),
        ];
        for (index, one) in others.iter().enumerate() {
            for (at, other) in others.iter().enumerate() {
                assert_eq!(
                    fingerprint_of(one) == fingerprint_of(other),
                    index == at,
                    "{one:?} {other:?}"
                );
            }
        }
        // The order has no meaning.
        let (one, other) = (
            asked().add_parameter("a", "1").add_parameter("b", "2"),
            asked().add_parameter("b", "2").add_parameter("a", "1"),
        );
        assert!(fingerprint_of(&one) == fingerprint_of(&other));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_loop_of_a_step_up() {
        let (step_up, now) =
            (Fingerprint::new(&["step_up"]), UnixTime::from_seconds(1_700_000_000));
        let returned_to = ReturnedTo { response: step_up, path: "/page".into() };
        for (age, is_recent) in [(0, true), (599, true), (600, false), (-599, true), (-600, false)]
        {
            let created = UnixTime::from_seconds(now.as_seconds() - age);
            let step_ups = [step_up];
            let origin =
                SessionOrigin { created, step_ups: &step_ups, returned_to: Some(&returned_to) };
            assert_eq!(origin.started_for(&step_up, Duration::MAX, now), is_recent, "{age}");
            assert_eq!(!origin.step_ups_of("/page", now).is_empty(), is_recent, "{age}");
        }
    }
}
