//! [`Permits`] limit the concurrent requests to the provider, and the rates of device codes and of
//! introspections that find no valid token.
//!
//! Anyone can start a sign-in and send a forged code to the callback. Without a limit each of them
//! would hold a connection to a provider that answers slowly. Sign-ins and sessions have separate
//! limits, so that anonymous requests cannot keep signed-in users from their tokens.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
/// The rate limit of device codes.
const DEVICE_CODES: RateLimit = RateLimit { at_once: 120, per_second: 2 };
/// The rate limit of introspections whose outcome is not an active token.
const INTROSPECTIONS: RateLimit = RateLimit { at_once: 240, per_second: 10 };

/// The size of a token bucket, and how many tokens it gains each second.
#[derive(Clone, Copy, Debug)]
struct RateLimit {
    at_once: u64,
    per_second: u64,
}

/// The permits of one provider.
#[derive(Debug)]
pub(super) struct Permits {
    sign_ins: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    device_codes: TokenBucket,
    introspections: TokenBucket,
}

/// The permission for one request in flight, until it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// A rate limit, and what is left of it.
#[derive(Debug)]
struct TokenBucket {
    limit: RateLimit,
    left: Mutex<BucketLevel>,
}

#[derive(Debug)]
struct BucketLevel {
    tokens: u64,
    filled_at: UnixTime,
}

impl TokenBucket {
    fn full(limit: RateLimit, now: UnixTime) -> Self {
        Self { limit, left: Mutex::new(BucketLevel { tokens: limit.at_once, filled_at: now }) }
    }

    fn left(&self) -> MutexGuard<'_, BucketLevel> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: the bucket is empty.
    fn take(&self, now: UnixTime, what: &'static str) -> Result<(), Error> {
        let (RateLimit { at_once, per_second }, mut left) = (self.limit, self.left());
        let gained = now.since(left.filled_at).as_secs().saturating_mul(per_second);
        // If the clock was set back, time counts from there; nothing is gained.
        if gained > 0 || now < left.filled_at {
            left.tokens = left.tokens.saturating_add(gained).min(at_once);
            left.filled_at = now;
        }
        match left.tokens.checked_sub(1) {
            Some(tokens) => {
                left.tokens = tokens;
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "the limit of {at_once} {what} at once and {per_second} per second is \
                     exceeded: the request was not sent to the provider"
                ),
            )),
        }
    }

    fn give_back(&self) {
        let mut left = self.left();
        left.tokens = left.tokens.saturating_add(1).min(self.limit.at_once);
    }
}

impl Permits {
    pub(super) fn new(now: UnixTime) -> Self {
        Self {
            sign_ins: Arc::new(Semaphore::new(SIGN_INS)),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            device_codes: TokenBucket::full(DEVICE_CODES, now),
            introspections: TokenBucket::full(INTROSPECTIONS, now),
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
        self.device_codes.take(now, "device codes")
    }

    /// Counts the introspection of a token of which nothing is known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: the rate limit is exceeded, and the request must not be sent.
    pub(super) fn introspection(&self, now: UnixTime) -> Result<(), Error> {
        self.introspections.take(now, "introspections of unknown tokens")
    }

    /// Takes the last count back, because the token is active: the limit is for random tokens, and
    /// not for the number of callers.
    pub(super) fn introspected_active(&self) {
        self.introspections.give_back();
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

    #[test]
    fn introspections_have_a_rate_limit_which_active_tokens_do_not_use_up() {
        let permits = Permits::new(NOW);
        for _ in 0..1000 {
            permits.introspection(NOW).unwrap();
            permits.introspected_active();
        }
        let asked = |now| (0..1000).take_while(|_| permits.introspection(now).is_ok()).count();
        assert_eq!((asked(NOW), asked(NOW)), (240, 0));
        assert_eq!(asked(NOW + Duration::from_secs(3)), 30);
    }
}
