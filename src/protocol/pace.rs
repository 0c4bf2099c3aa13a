//! How often the provider may be asked whether the person is done (RFC 8628 section 3.5): pure, for
//! whoever asks.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// By how much longer is waited after `slow_down`, for good.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest wait between two questions, however often the provider could not be reached.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The pace of the questions about one device code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Between two questions. It only grows.
    pub(crate) interval: Duration,
    /// What the last answer asked for, once.
    pub(crate) retry_after: Duration,
}

impl Pace {
    /// As the provider said when it gave the code.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, retry_after: Duration::ZERO }
    }

    /// How long to wait before the next question.
    pub(crate) fn wait(&self) -> Duration {
        self.interval.max(self.retry_after)
    }

    /// Takes a refused question for what it means: to ask again after [`wait`](Self::wait), or the
    /// end.
    ///
    /// The body decides, not the status. A provider that cannot be reached means not yet: with the
    /// wait that it asks for, or with twice the interval, up to a minute.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CodeExpired`], [`ErrorKind::AccessDenied`], or the error itself: there is no
    /// use in asking again.
    pub(crate) fn refused(&mut self, error: Error) -> Result<(), Error> {
        let said = error.provider().map(|said| said.error.as_str()).unwrap_or_default();
        let asked_to_wait = error.provider().and_then(|said| said.retry_after);
        let ended =
            |kind| Err(Error::from_provider(kind, error.provider().cloned().unwrap_or_default()));
        match said {
            "authorization_pending" => {}
            "slow_down" => self.interval = self.interval.saturating_add(SLOWER),
            // The second word is Entra's.
            "expired_token" | "code_expired" => return ended(ErrorKind::CodeExpired),
            // Entra's word for `access_denied`.
            "authorization_declined" => return ended(ErrorKind::AccessDenied),
            _ if error.kind() != ErrorKind::ProviderUnreachable => return Err(error),
            _ if asked_to_wait.is_some() => {}
            _ => {
                self.interval = self.interval.saturating_mul(2).min(LONGEST_WAIT.max(self.interval))
            }
        }
        self.retry_after = asked_to_wait.unwrap_or_default();
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
            pace.refused(said(error, *retry_after)).unwrap();
            pace.wait().as_secs()
        };
        answers.iter().map(wait).collect()
    }

    /// C-352, C-353, C-354, C-358, C-360
    #[test]
    fn the_pace_is_what_the_answers_ask_for() {
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

    /// C-356
    #[test]
    fn some_answers_are_the_end() {
        for (error, kind) in [
            ("expired_token", ErrorKind::CodeExpired),
            ("code_expired", ErrorKind::CodeExpired),
            ("authorization_declined", ErrorKind::AccessDenied),
            ("invalid_grant", ErrorKind::ProviderError),
        ] {
            let ended = Pace::new(Duration::from_secs(5)).refused(said(error, None)).unwrap_err();
            assert_eq!((ended.kind(), ended.provider().unwrap().error.as_str()), (kind, error));
        }
    }
}
