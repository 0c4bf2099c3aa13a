//! [`RefreshLock`]: one refresh per grant at a time over several processes.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;

/// Lets one process at a time refresh a grant, where several share a session store.
///
/// A provider that rotates refresh tokens and detects reuse signs a person out when two processes send the same refresh token. Within one process that
/// cannot happen. With several, give all of them a lock on a service that they share; without it they need a provider that tolerates reuse.
///
/// An implementation is two commands, for Redis `SET name owner NX PX lease` and a script that deletes `name` if it still holds `owner`. The waiting
/// (10 to 100 ms between attempts) and reading the record again after getting the lock are done by the caller.
///
/// # A lock that fails
///
/// While the lock cannot be reached nothing is refreshed, because a refresh token sent twice cannot be taken back, and a request that is told to try again
/// can. Sessions that are not due and tokens that are still valid are served meanwhile.
#[async_trait]
pub trait RefreshLock: fmt::Debug + Send + Sync + 'static {
    /// Takes the lock `name` for `owner` if nobody has it, and says whether it did. It frees itself after `lease` (30 s).
    ///
    /// `name` and `owner` are of ASCII letters and digits; `owner` is another one every time.
    ///
    /// # Errors
    ///
    /// The service cannot be asked. The text goes to the log.
    async fn try_lock(&self, name: &str, owner: &str, lease: Duration) -> Result<bool, Box<dyn StdError + Send + Sync>>;

    /// Frees the lock `name` if `owner` still has it.
    ///
    /// # Errors
    ///
    /// The service cannot be asked. The lock then frees itself when its lease ends.
    async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn StdError + Send + Sync>>;
}
