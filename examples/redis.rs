//! An application in several processes: sessions in Redis, a lock for the refresh of each session,
//! and one cookie secret.
//!
//! ```console
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.onmicrosoft.com \
//!     IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_SECRET=… \
//!     IDENTITY_BASE_URL=https://app.example.com IDENTITY_COOKIE_SECRET_FILE=/run/secrets/cookie \
//!     REDIS_URL=redis://127.0.0.1:6379 LISTEN=127.0.0.1:3000 cargo run --example redis
//! ```
//!
//! - Every process needs the same cookie secret (`openssl rand -base64 32`): a process with another
//!   secret cannot open the sessions of the others.
//! - The pool reconnects without a limit, and aborts a command after two seconds. With the defaults
//!   of the pool, a Redis that is restarted or does not respond would block every request up to the
//!   limit of the layer (`IDENTITY_STORE_TIMEOUT`, 3 s).
//! - With the lock only one process at a time refreshes a session. Without it, a provider that
//!   rotates refresh tokens would refuse the second process and end the session.

#![allow(clippy::print_stdout, reason = "the example reports on the console")]

use std::time::Duration;

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tower_identity::{IdentityConfig, IdentityLayer, RedisLock, User};
use tower_sessions_redis_store::{
    RedisStore,
    fred::{
        clients::Pool,
        interfaces::ClientLike as _,
        types::config::{
            Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, UnresponsiveConfig,
        },
    },
};

/// The number of connections to Redis; each is used for many commands concurrently.
const CONNECTIONS: usize = 4;
/// The time limit of a command: shorter than that of the layer, so that the log has the store's
/// error.
const COMMAND: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());

    let config = IdentityConfig::from_env()?.add_public_path("/").build()?;
    let layer = IdentityLayer::new(config)
        .with_store(RedisStore::new(pool(&address)?))?
        .with_refresh_lock(RedisLock::connect(&address).await?);
    // The application goes on: it works as soon as Redis is there.
    if let Err(error) = layer.check_store().await {
        eprintln!("nobody can sign in for now: {error}");
    }
    let app = Router::new().route("/", get(home)).route("/me", get(me)).layer(layer);

    let listener = TcpListener::bind(listen).await?;
    println!("http://localhost:{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}

/// A pool that connects in the background: the application starts without Redis, and users can sign
/// in as soon as it is available.
fn pool(address: &str) -> Result<Pool, Box<dyn std::error::Error>> {
    let performance =
        PerformanceConfig { default_command_timeout: COMMAND, ..PerformanceConfig::default() };
    let connection = ConnectionConfig {
        connection_timeout: COMMAND,
        internal_command_timeout: COMMAND,
        // Closes a connection that does not respond: TCP does not report a frozen server, or one
        // that disappeared without closing the connection.
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(2 * COMMAND),
            interval: Duration::from_secs(1),
        },
        ..ConnectionConfig::default()
    };
    // 0 attempts means no limit: after 100 ms, then twice as long each time, at most 5 s.
    let again = ReconnectPolicy::new_exponential(0, 100, 5_000, 2);
    let mut config = Config::from_url(address)?;
    // Reconnect also if the first connection fails.
    config.fail_fast = false;
    let pool = Pool::new(config, Some(performance), Some(connection), Some(again), CONNECTIONS)?;
    pool.connect();
    Ok(pool)
}

async fn home(user: Option<User>) -> String {
    user.map_or_else(
        || "No user is signed in: /me".into(),
        |user| format!("Hello {}", user.display_name()),
    )
}

async fn me(user: User) -> String {
    format!("Hello {}", user.display_name())
}
