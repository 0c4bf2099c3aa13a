//! Redirect loops (D8): an application that asks for the same step-up again is refused.

use std::{fmt, time::Duration};

use super::{
    attempt::{Attempt, Fingerprint, Purpose},
    begin::Fallback,
    relying_party::RelyingParty,
};
use crate::{
    clock::UnixTime,
    codec,
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind},
    protocol::asks_to_begin_again,
};

/// The page that a sign-in returned to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReturnedTo {
    /// The fingerprint of the authorization response.
    pub(crate) answer: Fingerprint,
    pub(crate) path: Box<str>,
}

/// How long a step-up is remembered, at most.
const CAUSES_KEPT: Duration = Duration::from_secs(600);

/// The step-ups that a session was started for, and the page that its sign-in returned to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionOrigin<'a> {
    pub(crate) created: UnixTime,
    pub(crate) causes: &'a [Fingerprint],
    pub(crate) returned_to: Option<&'a ReturnedTo>,
}

impl<'a> SessionOrigin<'a> {
    /// Whether the session was started for this step-up less than `within` ago, and less than ten
    /// minutes: asking again would loop.
    pub(crate) fn started_for(&self, cause: &Fingerprint, within: Duration, now: UnixTime) -> bool {
        now.since(self.created) < within.min(CAUSES_KEPT) && self.causes.contains(cause)
    }

    /// The step-ups that the session was started for less than ten minutes ago, for this page.
    pub(crate) fn causes_of(&self, page: &str, now: UnixTime) -> &'a [Fingerprint] {
        let for_the_page = self.returned_to.is_some_and(|returned_to| &*returned_to.path == page);
        if for_the_page && now.since(self.created) < CAUSES_KEPT { self.causes } else { &[] }
    }

    /// The page that the sign-in by this response returned to.
    pub(crate) fn returned_to(&self, answer: &Fingerprint) -> Option<&'a str> {
        self.returned_to
            .filter(|returned_to| returned_to.answer == *answer)
            .map(|returned_to| &*returned_to.path)
    }
}

codec::record!(ReturnedTo { 1 answer, 2 path });

impl fmt::Debug for ReturnedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReturnedTo(…)")
    }
}

impl RelyingParty {
    /// The fingerprint of a sign-in with these options, and those of earlier ones for the same page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`]: the same sign-in was completed just now, so that it would loop;
    /// [`ErrorKind::ScopeNotGranted`] if only scopes were asked for.
    pub(crate) fn causes(
        &self,
        session: Option<SessionOrigin<'_>>,
        options: &SignInOptions,
        return_path: &ReturnPath,
    ) -> Result<Vec<Fingerprint>, Error> {
        let now = self.clock().now();
        let cause = cause_of(options);
        let mut causes = vec![cause];
        // Without a session, or with one that goes on only after a sign-in, there is nothing to
        // compare with.
        let Some(session) = session else { return Ok(causes) };
        causes.extend(
            session.causes_of(return_path.as_str(), now).iter().filter(|other| **other != cause),
        );
        if session.started_for(&cause, asked_again_within(options), now)
            || causes.len() > MOST_CAUSES
        {
            return Err(done_just_now(options));
        }
        Ok(causes)
    }

    /// How a sign-in that failed with this error is begun again, where the next request may not fail
    /// in the same way: once, so that the second such error is shown.
    pub(crate) fn fallback_after(&self, attempt: &Attempt, error: &Error) -> Option<Fallback> {
        if attempt.retry > 0
            || attempt.purpose.is_policy()
            || attempt.purpose == Purpose::ReadClaims
        {
            return None;
        }
        if asks_to_begin_again(error) {
            tracing::info!(reason = error.reason(), "the provider asks for another try");
            return Some(Fallback::None);
        }
        if self.provider().may_refuse_default_scopes(error) {
            tracing::warn!(
                reason = error.reason(),
                "the provider does not allow this application a scope that it lists, so each \
                 sign-in takes a second request, without the scopes that no setting names: allow \
                 `profile`, `email` and `offline_access` to the application there, or name the \
                 scopes that it may have (`with_openid_scopes`, IDENTITY_OPENID_SCOPES)"
            );
            return Some(Fallback::WithNamedScopes);
        }
        None
    }
}

fn done_just_now(options: &SignInOptions) -> Error {
    let only_scopes = SignInOptions::new().with_scopes(&options.scopes);
    if options.scopes.is_empty() || *options != only_scopes {
        return Error::new(
            ErrorKind::Forbidden,
            "the sign-in that this page asks for was done just now, and the page still asks for it",
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
}

/// How many different sign-ins one page may ask for within ten minutes: two guards that undo each
/// other's sign-in would never stop.
const MOST_CAUSES: usize = 8;

/// Window in which an identical step-up counts as a redirect loop. It is short where a sign-in has
/// to be recent, which ages while the person works, and where tokens without a refresh token expire.
fn asked_again_within(options: &SignInOptions) -> Duration {
    if options.max_age.is_some() || options.prompt.contains(&Prompt::None) {
        Duration::from_secs(60)
    } else {
        Duration::MAX
    }
}

/// The fingerprint of a sign-in: of the options that change what the provider does. Claim values are
/// not part of it, since they change.
fn cause_of(options: &SignInOptions) -> Fingerprint {
    let prompt: Vec<&str> = options.prompt.iter().map(|prompt| prompt.as_str()).collect();
    let mut scopes = options.scopes.clone();
    scopes.sort_unstable();
    let max_age = options.max_age.map(|age| age.as_secs().to_string()).unwrap_or_default();
    let context = options.auth_context.as_deref().unwrap_or_default();
    let claims = options.claims.as_deref().map(kind_of_claims).unwrap_or_default();
    Fingerprint::new(&[
        "sign-in",
        &scopes.join(" "),
        &prompt.join(" "),
        &options.acr_values.join(" "),
        &max_age,
        context,
        &claims,
    ])
}

/// The names of the claims in a challenge of the provider or of an API. A value may be another one
/// each time (the time of the challenge, for example), except that of an authentication context.
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
