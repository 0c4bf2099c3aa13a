//! [`Permits`] limit the concurrent requests to the provider and the rate of device codes.
//!
//! Anyone can start a sign-in and send a forged code to the callback. Without a limit each of them
//! would hold a connection to a provider that answers slowly. Sign-ins and sessions have separate
//! limits, so that anonymous requests cannot keep signed-in users from their tokens.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
};

/// The greatest number of concurrent steps of sign-ins: redeeming a code, requesting a device code,
/// polling for one.
const SIGN_INS: usize = 64;
/// The greatest number of concurrent token requests of sessions and of the application itself.
const SESSIONS: usize = 128;
/// How long a sign-in waits for a permit. The user can reload the page.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a session waits for a permit. Longer, because its refresh may run in the background.
const SESSION_TIMEOUT: Duration = Duration::from_secs(15);
/// The rate limit of device codes, a token bucket: its size, and how many are added each second.
const DEVICE_CODES: (u64, u64) = (120, 2);

/// The permits of one provider.
#[derive(Debug)]
pub(super) struct Permits {
    sign_ins: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    device_codes: Mutex<TokenBucket>,
}

/// The permission for one request in flight, until it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// The token bucket for device codes.
#[derive(Debug)]
struct TokenBucket {
    tokens: u64,
    filled_at: UnixTime,
}

impl TokenBucket {
    /// Takes one token; `false` if the bucket is empty.
    fn take(&mut self, now: UnixTime) -> bool {
        let (size, per_second) = DEVICE_CODES;
        let gained = now.since(self.filled_at).as_secs().saturating_mul(per_second);
        // If the clock was set back, time counts from there; nothing is gained.
        if gained > 0 || now < self.filled_at {
            self.tokens = self.tokens.saturating_add(gained).min(size);
            self.filled_at = now;
        }
        self.tokens.checked_sub(1).map(|tokens| self.tokens = tokens).is_some()
    }
}

impl Permits {
    pub(super) fn new(now: UnixTime) -> Self {
        Self {
            sign_ins: Arc::new(Semaphore::new(SIGN_INS)),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            device_codes: Mutex::new(TokenBucket { tokens: DEVICE_CODES.0, filled_at: now }),
        }
    }

    /// A permit for a step of a sign-in. Await it in the request's own future, not in a task: a
    /// client that disconnects then gives up its place in the queue.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: none became free within five seconds.
    pub(super) async fn sign_in(&self) -> Result<Permit, Error> {
        permit(&self.sign_ins, SIGN_IN_TIMEOUT, "sign-ins").await
    }

    /// A permit for a token request of a session or of the application itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: none became free within fifteen seconds.
    pub(super) async fn session(&self) -> Result<Permit, Error> {
        permit(&self.sessions, SESSION_TIMEOUT, "token requests").await
    }

    /// Counts a request for a device code.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: the rate limit is exceeded, and the request must not be sent.
    pub(super) fn device_code(&self, now: UnixTime) -> Result<(), Error> {
        let (size, per_second) = DEVICE_CODES;
        match self.device_codes.lock().unwrap_or_else(PoisonError::into_inner).take(now) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "the limit of {size} device codes at once and {per_second} per second is \
                     exceeded: the request was not sent to the provider"
                ),
            )),
        }
    }
}

async fn permit(
    permits: &Arc<Semaphore>,
    timeout: Duration,
    what: &'static str,
) -> Result<Permit, Error> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Ok(permit);
    }
    match tokio::time::timeout(timeout, Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Error::new(
            ErrorKind::Busy,
            format!(
                "the limit of concurrent {what} is reached and none ended within {} s: check \
                 whether the provider answers",
                timeout.as_secs()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    #[tokio::test]
    async fn sessions_have_their_own_permits_and_waiting_is_limited() {
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
    fn device_codes_have_a_rate_limit() {
        let permits = Permits::new(NOW);
        let begun = |now| (0..1000).take_while(|_| permits.device_code(now).is_ok()).count();
        assert_eq!((begun(NOW), begun(NOW)), (120, 0));
        assert_eq!(begun(NOW + Duration::from_secs(3)), 6);
        assert_eq!(begun(NOW + Duration::from_secs(9999)), 120);
        assert_eq!(begun(NOW), 0, "a clock that was set back gives nothing");
        assert_eq!(begun(NOW + Duration::from_secs(1)), 2, "and the limit works on from there");
    }
}
