//! The pace of polling the token endpoint with a device code (RFC 8628 section 3.5).

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// By how much `slow_down` lengthens the interval of this and all later requests (RFC 8628 section
/// 3.5).
const SLOW_DOWN_STEP: Duration = Duration::from_secs(5);
/// The longest interval that an unreachable provider leads to.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The time between the token requests for one device code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The least time between two requests. It never shrinks.
    pub(crate) interval: Duration,
    /// `Retry-After` of the last response, for the next request only.
    pub(crate) retry_after: Duration,
}

impl Pace {
    /// Starts with the `interval` of the device authorization response.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, retry_after: Duration::ZERO }
    }

    /// The time to wait before the next request.
    pub(crate) fn wait(&self) -> Duration {
        self.interval.max(self.retry_after)
    }

    /// Adjusts the pace to an error response. `Ok` means: poll again after [`wait`](Self::wait).
    ///
    /// The `error` in the body decides, not the status. If the provider cannot be reached, the next
    /// request waits for `Retry-After`, or the interval doubles, up to a minute (RFC 8628 section
    /// 3.5 asks for an exponential backoff). The same holds for a credential that cannot be had now
    /// (a file that is being replaced, a vault that is slow): the device code is still good. It has
    /// to have been there before in this flow; otherwise the setting is wrong, and polling ends.
    ///
    /// # Errors
    ///
    /// Polling ends: [`ErrorKind::CodeExpired`], [`ErrorKind::AccessDenied`], or the given error.
    pub(crate) fn refused(&mut self, error: Error, had_credential: bool) -> Result<(), Error> {
        let code = error.provider().map(|answer| answer.error.as_str()).unwrap_or_default();
        let retry_after = error.provider().and_then(|answer| answer.retry_after);
        let is_passing = |kind| match kind {
            ErrorKind::ProviderUnreachable => true,
            ErrorKind::CredentialUnavailable => had_credential,
            _ => false,
        };
        let ended =
            |kind| Err(Error::from_provider(kind, error.provider().cloned().unwrap_or_default()));
        match code {
            "authorization_pending" => {}
            "slow_down" => self.interval = self.interval.saturating_add(SLOW_DOWN_STEP),
            // Entra's documentation calls it `code_expired`.
            "expired_token" | "code_expired" => return ended(ErrorKind::CodeExpired),
            // Entra's code for `access_denied`.
            "authorization_declined" => return ended(ErrorKind::AccessDenied),
            _ if !is_passing(error.kind()) => return Err(error),
            _ if retry_after.is_some() => {}
            _ => {
                self.interval = self.interval.saturating_mul(2).min(MAX_BACKOFF.max(self.interval))
            }
        }
        if error.kind() == ErrorKind::CredentialUnavailable {
            tracing::warn!(
                reason = error.reason(), %error,
                "the credential for the token request of a device code is unavailable: the \
                 request is tried again"
            );
        }
        self.retry_after = retry_after.unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ProviderError;

    fn said(error: &str, retry_after: Option<u64>) -> Error {
        let kind = if error.is_empty() {
            ErrorKind::ProviderUnreachable
        } else {
            ErrorKind::ProviderError
        };
        let retry_after = retry_after.map(Duration::from_secs);
        Error::from_provider(
            kind,
            ProviderError { error: error.into(), retry_after, ..ProviderError::default() },
        )
    }

    fn waits(answers: &[(&str, Option<u64>)]) -> Vec<u64> {
        let mut pace = Pace::new(Duration::from_secs(5));
        let wait = |(error, retry_after): &(&str, Option<u64>)| {
            pace.refused(said(error, *retry_after), true).unwrap();
            pace.wait().as_secs()
        };
        answers.iter().map(wait).collect()
    }

    // C-352: authorization_pending
    // C-353: slow_down once
    // C-354: slow_down twice
    // C-358: connection time-out
    // C-360: Retry-After on authorization_pending or 503
    #[test]
    fn the_pace_follows_the_responses() {
        let pending = ("authorization_pending", None);
        assert_eq!(waits(&[pending, pending]), [5, 5]);
        assert_eq!(
            waits(&[("slow_down", None), pending, ("slow_down", None), pending]),
            [10, 10, 15, 15]
        );
        assert_eq!(
            waits(&[("", None), ("", None), pending, ("", None), ("", None), ("", None)]),
            [10, 20, 20, 40, 60, 60]
        );
        assert_eq!(
            waits(&[
                ("", Some(30)),
                ("authorization_pending", Some(7)),
                pending,
                ("slow_down", Some(3))
            ]),
            [30, 7, 5, 10]
        );
        assert_eq!(
            waits(&[("slow_down", None); 13])[12],
            70,
            "more than the longest wait, if the provider wants it"
        );
    }

    // C-356: expired_token, or local expires_in reached
    #[test]
    fn some_responses_end_the_polling() {
        for (error, kind) in [
            ("expired_token", ErrorKind::CodeExpired),
            ("code_expired", ErrorKind::CodeExpired),
            ("authorization_declined", ErrorKind::AccessDenied),
            ("invalid_grant", ErrorKind::ProviderError),
        ] {
            let ended = Pace::new(Duration::from_secs(5)).refused(said(error, None), true);
            let ended = ended.unwrap_err();
            assert_eq!((ended.kind(), ended.provider().unwrap().error.as_str()), (kind, error));
        }
    }

    #[test]
    fn a_credential_that_was_there_before_may_be_missing_for_a_moment() {
        for had_it in [true, false] {
            let mut pace = Pace::new(Duration::from_secs(5));
            let missing = Error::new(ErrorKind::CredentialUnavailable, "the vault is slow");
            assert_eq!(pace.refused(missing, had_it).is_ok(), had_it);
            assert_eq!(pace.wait().as_secs(), if had_it { 10 } else { 5 });
        }
    }
}
