//! [`Permits`]: how many requests to the provider are under way at one time, and how many device
//! codes it is asked for.
//!
//! Anybody can start a sign-in and deliver a code that is none. Without a limit a provider that
//! answers slowly collects a connection for each of them. Sign-ins and sessions have permits of
//! their own, so that strangers do not keep those who are signed in from their tokens.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
};

/// Codes that are redeemed, device codes that are begun or asked about, at one time.
const SIGN_INS: usize = 64;
/// Refreshes and other requests for tokens by people who are signed in, or by the application, at
/// one time.
const SESSIONS: usize = 128;
/// How long somebody waits for a permit.
const SIGN_IN_WAITS: Duration = Duration::from_secs(5);
/// Longer, for nobody sees a page that could be loaded again.
const SESSION_WAITS: Duration = Duration::from_secs(15);
/// Device codes that may be begun at once, and each second from then on.
const DEVICE_CODES: (u64, u64) = (120, 2);

/// The permits of one provider.
#[derive(Debug)]
pub(super) struct Permits {
    sign_ins: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    device_codes: Mutex<Budget>,
}

/// A place among the requests that are under way, until it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// What is left of the device codes, and since when it was counted.
#[derive(Debug)]
struct Budget {
    left: u64,
    at: UnixTime,
}

impl Budget {
    fn take(&mut self, now: UnixTime) -> bool {
        let (most, each_second) = DEVICE_CODES;
        let gained = now.since(self.at).as_secs().saturating_mul(each_second);
        // A clock that was set back begins anew.
        if gained > 0 || now < self.at {
            self.left = self.left.saturating_add(gained).min(most);
            self.at = now;
        }
        self.left.checked_sub(1).map(|left| self.left = left).is_some()
    }
}

impl Permits {
    pub(super) fn new(now: UnixTime) -> Self {
        Self {
            sign_ins: Arc::new(Semaphore::new(SIGN_INS)),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            device_codes: Mutex::new(Budget { left: DEVICE_CODES.0, at: now }),
        }
    }

    /// A permit for a step of a sign-in. It is waited for by the caller, who leaves nothing behind
    /// when they go away.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: there was none within five seconds.
    pub(super) async fn sign_in(&self) -> Result<Permit, Error> {
        permit(&self.sign_ins, SIGN_IN_WAITS, "sign-ins").await
    }

    /// A permit for a request that anybody's session, or the application, makes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: there was none within fifteen seconds.
    pub(super) async fn session(&self) -> Result<Permit, Error> {
        permit(&self.sessions, SESSION_WAITS, "requests for tokens").await
    }

    /// Whether one more device code may be asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: there have been too many.
    pub(super) fn device_code(&self, now: UnixTime) -> Result<(), Error> {
        let (most, each_second) = DEVICE_CODES;
        match self.device_codes.lock().unwrap_or_else(PoisonError::into_inner).take(now) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "more device codes were asked for than {most} at once and {each_second} each second: the provider is not asked"
                ),
            )),
        }
    }
}

async fn permit(
    permits: &Arc<Semaphore>,
    longest: Duration,
    what: &'static str,
) -> Result<Permit, Error> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Ok(permit);
    }
    match tokio::time::timeout(longest, Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Error::new(
            ErrorKind::Busy,
            format!(
                "{what}: as many as may be are under way, and none ended within {} s: does the provider answer?",
                longest.as_secs()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    #[tokio::test]
    async fn sessions_have_permits_of_their_own_and_nobody_waits_for_ever() {
        let permits = Permits::new(NOW);
        let mut held = Vec::new();
        for _ in 0..SIGN_INS {
            held.push(permits.sign_in().await.unwrap());
        }
        let soon = Duration::from_millis(1);
        assert_eq!(
            permit(&permits.sign_ins, soon, "sign-ins").await.unwrap_err().kind(),
            ErrorKind::Busy
        );
        assert!(permits.session().await.is_ok());
        held.pop();
        assert!(permit(&permits.sign_ins, soon, "sign-ins").await.is_ok());
    }

    #[test]
    fn device_codes_have_a_budget_that_fills_up_again() {
        let permits = Permits::new(NOW);
        let begun = |now| (0..1000).take_while(|_| permits.device_code(now).is_ok()).count();
        assert_eq!((begun(NOW), begun(NOW)), (120, 0));
        assert_eq!(begun(NOW + Duration::from_secs(3)), 6);
        assert_eq!(begun(NOW + Duration::from_secs(9999)), 120);
        assert_eq!(begun(NOW), 0, "a clock that was set back gives nothing");
        assert_eq!(begun(NOW + Duration::from_secs(1)), 2, "and does not keep anybody out");
    }
}
