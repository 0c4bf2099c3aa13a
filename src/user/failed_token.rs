//! [`FailedToken`]: the last token error of a user, until the handler's response.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::UnixTime, error::Error, sign_in::Remedy};

/// Age up to which an error counts as the cause of a response. Concurrent requests of a person
/// share one user and thereby the error, so an older one belongs to another response.
const JUST_NOW: Duration = Duration::from_secs(10);

/// The last token error that a sign-in can resolve. It is empty as long as tokens are obtained.
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
        failed.filter(|(_, at)| at.is_within(JUST_NOW, now)).map(|(error, _)| error)
    }
}
