//! [`RedisLock`]: the [`RefreshLock`] in Redis.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;
use fred::{
    clients::Client,
    interfaces::{ClientLike as _, KeysInterface as _, LuaInterface as _},
    types::{
        Expiration, SetOptions,
        config::{Config, PerformanceConfig, ReconnectPolicy},
    },
};

use super::lock::RefreshLock;
use crate::error::ConfigError;

/// How long a command may take. A lock that cannot be asked counts as one that is not had.
const COMMAND: Duration = Duration::from_secs(2);
/// The shortest and the longest wait before the connection is tried again, in milliseconds.
const RECONNECT: (u32, u32) = (100, 10_000);
/// Deletes the key if it still holds the owner: nobody frees what has become another's.
const UNLOCK: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// A [`RefreshLock`] in Redis, or in a server that speaks its protocol (feature `redis`).
///
/// It holds one key for each refresh under way, `tower-identity:refresh:…`, which expires by
/// itself. Nothing secret is in it. Use one server, or a primary with replicas: a lock that is lost
/// in a failover lets two processes refresh the same grant, which is as without a lock.
///
/// ```no_run
/// # async fn app(config: tower_identity::ValidConfig, store: tower_sessions_redis_store::RedisStore<tower_sessions_redis_store::fred::clients::Pool>)
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
    /// Connects to `redis://[user:password@]host[:port][/database]`, or by TLS to `rediss://…`, and
    /// connects again whenever that is needed.
    ///
    /// It does not wait for the server: an application starts without it, and refreshes nothing
    /// until it is there.
    ///
    /// # Errors
    ///
    /// The address cannot be read.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        // The crate's own message may repeat the address, and with it a password.
        let mut config = Config::from_url(address).map_err(|_| {
            ConfigError::new(
                "redis",
                "the address has to look like redis://[user:password@]host[:port][/database]",
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
        let lease = Expiration::PX(lease.as_millis().try_into()?);
        let set: Option<String> =
            self.0.set(key(name), owner, Some(lease), Some(SetOptions::NX), false).await?;
        Ok(set.is_some())
    }

    async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let _deleted: i64 = self.0.eval(UNLOCK, key(name), owner).await?;
        Ok(())
    }
}
