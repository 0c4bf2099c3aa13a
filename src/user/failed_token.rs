//! [`FailedToken`]: the last token of a person that could not be had, until the answer of its handler.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::UnixTime, error::Error, sign_in::Remedy};

/// How long a failure is taken for the cause of an answer. The requests of a person share the
/// failure, since they share their user: an old one has nothing to do with the answer of now.
const JUST_NOW: Duration = Duration::from_secs(10);

/// The last failure that a sign-in remedies. Nothing is written here as long as tokens can be had.
#[derive(Debug, Default)]
pub(super) struct FailedToken(Mutex<Option<(Error, UnixTime)>>);

impl FailedToken {
    pub(super) fn set(&self, error: &Error, now: UnixTime) {
        if Remedy::is_sign_in(error) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((error.clone(), now));
        }
    }

    pub(super) fn take(&self, now: UnixTime) -> Option<Error> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.filter(|(_, at)| now.since(*at) < JUST_NOW).map(|(error, _)| error)
    }
}
