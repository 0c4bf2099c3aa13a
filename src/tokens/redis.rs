//! [`RedisLock`]: the [`RefreshLock`] in Redis.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;
use fred::{
    clients::Client,
    interfaces::{ClientLike as _, LuaInterface as _},
    types::config::{Config, PerformanceConfig, ReconnectPolicy},
};

use super::lock::RefreshLock;
use crate::error::ConfigError;

/// The time limit of a command. A lock that does not answer is an error, and nothing is refreshed.
const COMMAND: Duration = Duration::from_secs(2);
/// The shortest and the longest wait before a new attempt to connect, in milliseconds.
const RECONNECT: (u32, u32) = (100, 10_000);
/// Sets the key for a number of milliseconds, unless another owner has it.
const LOCK: &str = "local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";
/// Deletes the key if it still holds the owner, so that the lock of another process stays.
const UNLOCK: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// A [`RefreshLock`] in Redis, or in a server with its protocol (feature `redis`).
///
/// Each running refresh has one key, `tower-identity:refresh:…`, which expires by itself and holds
/// no secret. Use one server, or a primary with replicas: after a lock was lost in a failover two
/// processes may refresh the same grant, as without a lock.
///
/// ```no_run
/// # use tower_sessions_redis_store::{RedisStore, fred::clients::Pool};
/// # async fn app(config: tower_identity::ValidConfig, store: RedisStore<Pool>)
/// # -> Result<tower_identity::IdentityLayer, tower_identity::ConfigError> {
/// use tower_identity::{IdentityLayer, RedisLock};
///
/// let lock = RedisLock::connect("redis://127.0.0.1:6379").await?;
/// let layer = IdentityLayer::new(config).with_store(store)?.with_refresh_lock(lock);
/// # Ok(layer)
/// # }
/// ```
pub struct RedisLock(Client);

impl RedisLock {
    /// Connects to `redis://[user:password@]host[:port][/database]`, or with TLS to `rediss://…`,
    /// and reconnects whenever the connection is lost.
    ///
    /// It does not wait for the server: an application starts without it, and refreshes nothing
    /// until the server can be reached.
    ///
    /// # Errors
    ///
    /// The URL is malformed.
    pub async fn connect(url: &str) -> Result<Self, ConfigError> {
        // The message of `fred` may repeat the URL, and with it a password.
        let mut config = Config::from_url(url).map_err(|_| {
            ConfigError::new(
                "redis",
                "the URL has to look like redis://[user:password@]host[:port][/database]",
            )
        })?;
        config.fail_fast = false;
        let performance =
            PerformanceConfig { default_command_timeout: COMMAND, ..PerformanceConfig::default() };
        let reconnect = ReconnectPolicy::new_exponential(0, RECONNECT.0, RECONNECT.1, 2);
        let client = Client::new(config, Some(performance), None, Some(reconnect));
        client.connect();
        Ok(Self(client))
    }
}

impl fmt::Debug for RedisLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLock").finish_non_exhaustive()
    }
}

fn key(name: &str) -> String {
    format!(concat!(env!("CARGO_PKG_NAME"), ":refresh:{}"), name)
}

#[async_trait]
impl RefreshLock for RedisLock {
    async fn try_lock(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<bool, Box<dyn StdError + Send + Sync>> {
        let lease = lease.as_millis().to_string();
        let taken: i64 = self.0.eval(LOCK, key(name), vec![owner.to_owned(), lease]).await?;
        Ok(taken == 1)
    }

    async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let _deleted: i64 = self.0.eval(UNLOCK, key(name), owner).await?;
        Ok(())
    }
}
