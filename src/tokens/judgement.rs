//! The decisions about a grant, as pure functions of record, request, error and time.

use std::{sync::Arc, time::Duration};

use super::{
    cache::CachedToken,
    key::{CacheBypass, OFFLINE_ACCESS, RefreshKind, TokenRequest},
    record::{GrantRecord, MIN_RENEWAL_STEP, RenewalFailures},
};
use crate::{
    clock::UnixTime,
    config::SessionEnd,
    error::{Error, ErrorKind},
    protocol::unverified_beginning,
};

/// An access token is treated as expired this early, so that it outlives the call that it is sent
/// with.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How long after `renew_at` the old claims are still served while the renewal runs.
const BACKGROUND: Duration = Duration::from_secs(210);
/// How long after the first failed renewal the old claims are still served.
const TOLERANCE: Duration = Duration::from_secs(60 * 60);
/// The longest pause that `Retry-After` of a provider can cause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The pause after a refusal that the same request would get again.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// The first and the longest pause after other failures in a row: each is twice the one before.
const PAUSES_AFTER_FAULT: (Duration, Duration) = (Duration::from_secs(5), PAUSE_AFTER_REFUSAL);

/// How to answer a request for an access token.
#[derive(Clone)]
pub(super) enum TokenStep {
    Serve(Arc<CachedToken>),
    /// The token is valid, but the time that the provider set for a new one (`refresh_in`) has
    /// come: it is served, and refreshed in the background.
    ServeAndRefresh(Arc<CachedToken>),
    /// No token lasts long enough. `fallback` is one that has not expired yet, for the case that
    /// the provider cannot be reached.
    Refresh {
        fallback: Option<Arc<CachedToken>>,
    },
}

pub(super) fn token_step(record: &GrantRecord, request: &TokenRequest, now: UnixTime) -> TokenStep {
    // A cached token must not answer, not even after a failure.
    if request.cache_bypass != CacheBypass::No {
        return TokenStep::Refresh { fallback: None };
    }
    match record.tokens().find(&request.key, |token| now < token.expires_at - early(token)) {
        Some(token)
            if token.refresh_at.is_some_and(|at| at <= now)
                && record.refresh_token().is_some()
                && !is_too_early(record, now) =>
        {
            TokenStep::ServeAndRefresh(token.clone())
        }
        Some(token) => TokenStep::Serve(token.clone()),
        None => match record.tokens().obtained_for(&request.key, |token| now < token.expires_at) {
            // A token with renamed scopes may lack a right. Without a refresh token it is the only
            // one.
            Some(token) if record.refresh_token().is_none() => TokenStep::Serve(token.clone()),
            _ => match record.tokens().find(&request.key, |token| now < token.expires_at) {
                Some(token) if is_too_early(record, now) => TokenStep::Serve(token.clone()),
                token => TokenStep::Refresh { fallback: token.cloned() },
            },
        },
    }
}

/// Whether the refresh token says that it may be used later, and before the access token ends,
/// which is valid until `end`.
///
/// Rauthy makes refresh tokens valid a minute before the access token ends (RFC 7519 section
/// 4.1.5), and takes an earlier use for that of a thief. A later time than that end is not waited
/// for: the format of refresh tokens is the provider's own, so the time may mean something else
/// there.
fn has_to_wait(record: &GrantRecord, end: UnixTime, now: UnixTime) -> bool {
    let begins = record.refresh_token().and_then(unverified_beginning);
    begins.is_some_and(|begins| now < begins && begins < end)
}

/// Whether the refresh token is not to be sent yet, since an access token outlives its beginning
/// ([`has_to_wait`]).
fn is_too_early(record: &GrantRecord, now: UnixTime) -> bool {
    record.tokens().iter().any(|one| has_to_wait(record, one.expires_at, now))
}

/// Checks that a request for an access token, which no token of the record answers, may be sent.
///
/// # Errors
///
/// [`ErrorKind::InteractionRequired`]: it would come before the beginning of the refresh token, and
/// the provider would end the grant. A sign-in brings tokens at once.
pub(super) fn check_beginning(
    record: &GrantRecord,
    kind: &RefreshKind,
    now: UnixTime,
) -> Result<(), Error> {
    if matches!(kind, RefreshKind::Renewal) || !is_too_early(record, now) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InteractionRequired,
        "the token is to be had by a refresh, and the refresh token may not be used yet (its \
         `nbf`): the provider would end the session",
    )
    .with_remedy(
        "the user has to sign in: return the error from the handler; request the scopes at the \
         first sign-in (`with_scopes`, IDENTITY_SCOPE) to have the token without another one",
    ))
}

/// The error of a refresh without a refresh token.
pub(super) fn without_refresh_token(record: &GrantRecord) -> Error {
    let detail = match record.scopes().contains(OFFLINE_ACCESS) {
        true => "the sign-in asked for `offline_access` and brought no refresh token",
        false => "the sign-in brought no refresh token",
    };
    Error::new(ErrorKind::NoRefreshToken, detail)
}

/// How long before its end a token counts as expired: five minutes, but for a token of a refresh at
/// most half its lifetime. Otherwise tokens that live for less than five minutes would be refreshed
/// at every request.
fn early(token: &CachedToken) -> Duration {
    if token.from_sign_in { EARLY } else { EARLY.min(token.expires_at.since(token.issued_at) / 2) }
}

/// How to answer a request whose claims have reached their `renew_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RenewalStep {
    /// The record's claims are served: another request has renewed them, or has tried to.
    Live,
    /// There is no refresh token: only the session's own limits end it.
    LiveForGood,
    /// The claims are served, and renewed in the background.
    LiveAndRenew,
    /// The claims are too old to be served before they are renewed.
    Renew,
    /// Renewals have failed for too long, and the next attempt is not due yet.
    Pause,
    /// The session has no refresh token, and is configured to end with the ID token.
    End,
}

pub(super) fn renewal_step(
    record: &GrantRecord,
    session_end: SessionEnd,
    now: UnixTime,
) -> RenewalStep {
    let Some(renew_at) = record.renew_at() else { return RenewalStep::LiveForGood };
    let failed_for_long = has_failed_for_long(record, now);
    match record.refresh_token() {
        // `renew_at` is the time of the next attempt while renewals fail.
        _ if now < renew_at && failed_for_long => RenewalStep::Pause,
        _ if now < renew_at => RenewalStep::Live,
        None if session_end == SessionEnd::IdTokenExpiry => RenewalStep::End,
        None => RenewalStep::LiveForGood,
        // An ID token can end long before the access tokens of its sign-in. Where it ends the
        // session, the refresh token is sent at once.
        Some(_) if session_end == SessionEnd::OwnLimits && is_too_early(record, now) => {
            RenewalStep::Live
        }
        Some(_) if now.since(renew_at) <= BACKGROUND && !failed_for_long => {
            RenewalStep::LiveAndRenew
        }
        Some(_) => RenewalStep::Renew,
    }
}

/// Whether the old claims are too old to be served while renewals fail.
fn has_failed_for_long(record: &GrantRecord, now: UnixTime) -> bool {
    record.failing().is_some_and(|failing| now.since(failing.since) >= TOLERANCE)
}

/// The error of a refresh whose ID token, or whose answer of UserInfo, was refused. The provider
/// would send another one like it, unless the document, the keys or UserInfo could not be fetched.
pub(super) fn of_refused_answer(error: Error) -> Error {
    match error.kind() {
        ErrorKind::ProviderUnreachable
        | ErrorKind::ProviderMisconfigured
        | ErrorKind::AnswerTooLarge
        | ErrorKind::GroupsUnavailable
        | ErrorKind::Busy => error,
        _ => error.with_spent_grant(),
    }
}

/// The error of a failed refresh as it counts for this grant.
///
/// A renewal that would get the same answer for ever is tolerated as long as an outage. Then only a
/// new sign-in gets the user on, and an outage's error page would never end. A 500 may be such an
/// answer, since it is about one request (RFC 9110 section 15.6.1): some providers fail for a user
/// that was deleted, or for every refresh. An outage is 502, 503 or 504, or no answer.
pub(super) fn judged(
    error: Error,
    kind: &RefreshKind,
    record: &GrantRecord,
    now: UnixTime,
) -> Error {
    let failed_inside = error.provider().and_then(|said| said.status) == Some(500);
    let is_over = *kind == RefreshKind::Renewal
        && (error.is_of_spent_grant() || failed_inside)
        && refusal(&error) == Refusal::Passing
        && has_failed_for_long(record, now);
    if is_over { error.with_kind(ErrorKind::InteractionRequired) } else { error }
}

/// The consequence of a failed renewal for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The grant is no longer valid, so the session ends.
    EndsSession,
    /// The person has to sign in or to agree at the provider.
    Interaction,
    /// The next attempt may succeed.
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

/// Whether the request failed because there is no refresh token, or no session any more.
pub(crate) fn is_without_grant(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoRefreshToken | ErrorKind::SessionEnded)
}

/// Whether a token that has not expired may be served after this failure to get a newer one.
pub(crate) fn is_passing(error: &Error) -> bool {
    refusal(error) == Refusal::Passing
        && !matches!(error.kind(), ErrorKind::SessionEnded | ErrorKind::AccessDenied)
}

/// How long the same request is answered with the same failure, after `before` failures in a row;
/// `None` for failures that did not come from the provider.
///
/// The first `Retry-After` of the provider is used as it is. From the second failure on the pause
/// is at least as long as without it.
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
        // A provider may ask for a shorter pause than the default (RFC 9110 section 10.2.3).
        Some(asked) if before == 0 => asked,
        Some(asked) => asked.max(own),
        None => own,
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// The state after a renewal that failed for a reason that may pass, and the time of the next
/// attempt: after 5, 10, 20, … minutes, not later than [`TOLERANCE`] after the first failure, or
/// after `Retry-After`, an hour at most.
pub(super) fn after_failure(
    record: &GrantRecord,
    error: &Error,
    now: UnixTime,
) -> (RenewalFailures, UnixTime) {
    let before = record.failing().unwrap_or(RenewalFailures { since: now, attempts: 0 });
    let failing = RenewalFailures { attempts: before.attempts.saturating_add(1), ..before };
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
#[path = "judgement_tests.rs"]
mod tests;
