//! What to do now: plain functions of a record, a request, an error and the time.

use std::{sync::Arc, time::Duration};

use super::{
    cache::CachedToken,
    key::{PastCache, TokenRequest},
    record::{Failing, GrantRecord, MIN_RENEWAL_STEP},
};
use crate::{
    clock::UnixTime,
    config::SessionEnd,
    error::{Error, ErrorKind},
};

/// An access token is treated as expired this early, so that it outlives the call that it is sent
/// with.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// For this long after `renew_at` the old claims are served while the renewal runs.
const BACKGROUND: Duration = Duration::from_secs(210);
/// For this long after the first failure of a renewal the old claims are served.
const TOLERANCE: Duration = Duration::from_secs(60 * 60);
/// The longest pause that a provider can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The pause after a refusal that the same request would meet again.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// The pause after any other failure, and the longest after several in a row: each is twice the one
/// before.
const PAUSES_AFTER_FAULT: (Duration, Duration) = (Duration::from_secs(5), PAUSE_AFTER_REFUSAL);
/// How to answer a request for an access token.
#[derive(Clone, Debug)]
pub(super) enum TokenStep {
    Serve(Arc<CachedToken>),
    /// The provider would like to be asked again (`refresh_in`), but nobody has to wait for that.
    ServeAndRefresh(Arc<CachedToken>),
    /// Nothing that lasts long enough; `fallback` is valid for a little while, in case the provider
    /// cannot be asked.
    Refresh {
        fallback: Option<Arc<CachedToken>>,
    },
}

pub(super) fn token_step(record: &GrantRecord, request: &TokenRequest, now: UnixTime) -> TokenStep {
    if request.past_cache != PastCache::No {
        return TokenStep::Refresh { fallback: None };
    }
    match record.tokens().find(&request.key, |token| now < token.expires_at - early(token)) {
        Some(token)
            if token.refresh_at.is_some_and(|at| at <= now) && record.refresh_token().is_some() =>
        {
            TokenStep::ServeAndRefresh(token.clone())
        }
        Some(token) => TokenStep::Serve(token.clone()),
        None => match record.tokens().obtained_for(&request.key, |token| now < token.expires_at) {
            Some(token) if record.refresh_token().is_none() => TokenStep::Serve(token.clone()),
            _ => TokenStep::Refresh {
                fallback: record
                    .tokens()
                    .find(&request.key, |token| now < token.expires_at)
                    .cloned(),
            },
        },
    }
}

/// Five minutes; for a token that a refresh brought, at most half its life: asking again would only
/// bring another one as short, in a loop.
fn early(token: &CachedToken) -> Duration {
    if token.from_sign_in { EARLY } else { EARLY.min(token.expires_at.since(token.issued_at) / 2) }
}

/// How to answer a request whose claims have reached their `renew_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RenewalStep {
    /// The record's claims count, somebody has renewed them or tried to.
    Live,
    /// There is nothing to renew with: the session's own limits count from now on.
    LiveForGood,
    /// The claims are served, and renewed in the background.
    LiveAndRenew,
    /// The claims are too old to be served before they are renewed.
    Renew,
    /// Renewals have failed for too long, and it is not yet time for the next.
    Pause,
    /// The session has no refresh token, and was to end with the ID token.
    End,
}

pub(super) fn renewal_step(
    record: &GrantRecord,
    session_end: SessionEnd,
    now: UnixTime,
) -> RenewalStep {
    let Some(renew_at) = record.renew_at() else { return RenewalStep::LiveForGood };
    let failed_for_long =
        record.failing().is_some_and(|failing| now.since(failing.since) >= TOLERANCE);
    match record.refresh_token() {
        _ if now < renew_at && failed_for_long => RenewalStep::Pause,
        _ if now < renew_at => RenewalStep::Live,
        None if session_end == SessionEnd::IdTokenExpiry => RenewalStep::End,
        None => RenewalStep::LiveForGood,
        Some(_) if now.since(renew_at) <= BACKGROUND && !failed_for_long => {
            RenewalStep::LiveAndRenew
        }
        Some(_) => RenewalStep::Renew,
    }
}

/// What a failed renewal means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The grant is over, and with it the session.
    EndsSession,
    /// The person has to do something at the provider.
    Interaction,
    /// It may go better next time.
    Passing,
}

pub(super) fn refusal(error: &Error) -> Refusal {
    match error.kind() {
        ErrorKind::InteractionRequired => Refusal::Interaction,
        ErrorKind::InvalidGrant | ErrorKind::PersonChanged | ErrorKind::TenantNotAllowed => {
            Refusal::EndsSession
        }
        _ => Refusal::Passing,
    }
}

/// Whether the failure is that there is nothing (any more) to ask the provider with.
pub(crate) fn is_without_grant(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoRefreshToken | ErrorKind::SessionEnded)
}

/// Whether a token that is still valid may be served after this failure to get a newer one.
pub(crate) fn is_passing(error: &Error) -> bool {
    refusal(error) == Refusal::Passing
        && !matches!(error.kind(), ErrorKind::SessionEnded | ErrorKind::AccessDenied)
}

/// How long the same request is answered with the same failure, of which there were so many before
/// it; `None` if asking again costs the provider nothing.
///
/// What the provider asks for counts; not if it was asked for before and did not help.
pub(super) fn pause(error: &Error, before: u32) -> Option<Duration> {
    let (first, longest) = PAUSES_AFTER_FAULT;
    let own = match error.kind() {
        ErrorKind::SessionEnded
        | ErrorKind::StoreUnavailable
        | ErrorKind::NoRefreshToken
        | ErrorKind::RenewalFailed => {
            return None;
        }
        ErrorKind::InvalidGrant | ErrorKind::InteractionRequired => PAUSE_AFTER_REFUSAL,
        _ => first.saturating_mul(2_u32.saturating_pow(before)).min(longest),
    };
    let pause = match error.provider().and_then(|provider| provider.retry_after) {
        Some(asked) if before == 0 => asked,
        Some(asked) => asked.max(own),
        None => own,
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// The state after a renewal that failed for a passing reason, and the time of the next: 5, 10, 20,
/// … minutes, or what the provider asks for, at most an hour and not beyond the tolerated hour, so
/// that the last word is spoken on time.
pub(super) fn after_failure(
    record: &GrantRecord,
    error: &Error,
    now: UnixTime,
) -> (Failing, UnixTime) {
    let before = record.failing().unwrap_or(Failing { since: now, attempts: 0 });
    let failing = Failing { attempts: before.attempts.saturating_add(1), ..before };
    let doubled =
        MIN_RENEWAL_STEP.saturating_mul(1_u32.checked_shl(before.attempts).unwrap_or(u32::MAX));
    let asked = error.provider().and_then(|provider| provider.retry_after);
    let tolerated_for = TOLERANCE.saturating_sub(now.since(failing.since));
    let wait = match asked {
        Some(asked) => asked.min(LONGEST_PAUSE),
        None => doubled.min(tolerated_for),
    };
    (failing, now + wait.max(MIN_RENEWAL_STEP))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
