//! An application of several processes: sessions in Redis, one refresh per session at a time, one
//! cookie secret.
//!
//! ```console
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.onmicrosoft.com IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_SECRET=… \
//!     IDENTITY_BASE_URL=https://app.example.com IDENTITY_COOKIE_SECRET_FILE=/run/secrets/cookie \
//!     REDIS_URL=redis://127.0.0.1:6379 LISTEN=127.0.0.1:3000 cargo run --example redis
//! ```
//!
//! - Every process has the same cookie secret (`openssl rand -base64 32`); with another one it
//!   opens no session of the others.
//! - The pool tries to connect again for ever, and gives a command up after two seconds. Without
//!   these two a Redis that is restarted or does not answer holds up every request; the layer's own
//!   limit (`IDENTITY_STORE_TIMEOUT`, 3 s) is the last resort.
//! - The lock lets one process at a time refresh a session. Without it a provider that takes each
//!   refresh token once signs people out.

#![allow(clippy::print_stdout, reason = "a program that talks to whoever started it")]

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

/// Connections to Redis: each takes many commands at a time.
const CONNECTIONS: usize = 4;
/// Shorter than the limit of the layer, so that the log has the reason in the words of the store.
const COMMAND: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());

    let config = IdentityConfig::from_env()?.add_public_path("/").build()?;
    let layer = IdentityLayer::new(config)
        .with_store(RedisStore::new(pool(&address)?))?
        .with_refresh_lock(RedisLock::connect(&address).await?);
    let app = Router::new().route("/", get(home)).route("/me", get(me)).layer(layer);

    let listener = TcpListener::bind(listen).await?;
    println!("http://localhost:{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}

/// Connects in the background: the application starts without Redis, and signs people in as soon as
/// it is there.
fn pool(address: &str) -> Result<Pool, Box<dyn std::error::Error>> {
    let performance =
        PerformanceConfig { default_command_timeout: COMMAND, ..PerformanceConfig::default() };
    let connection = ConnectionConfig {
        connection_timeout: COMMAND,
        internal_command_timeout: COMMAND,
        // A connection that says nothing for so long is given up: its server may be frozen, or gone
        // without a word.
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(2 * COMMAND),
            interval: Duration::from_secs(1),
        },
        ..ConnectionConfig::default()
    };
    // For ever: after 100 ms, and then twice as long each time, 5 s at most.
    let again = ReconnectPolicy::new_exponential(0, 100, 5_000, 2);
    let mut config = Config::from_url(address)?;
    // The first connection is tried again like every other.
    config.fail_fast = false;
    let pool = Pool::new(config, Some(performance), Some(connection), Some(again), CONNECTIONS)?;
    pool.connect();
    Ok(pool)
}

async fn home(user: Option<User>) -> String {
    user.map_or_else(
        || "Nobody is signed in: /me".into(),
        |user| format!("Hello {}", user.display_name()),
    )
}

async fn me(user: User) -> String {
    format!("Hello {}", user.display_name())
}
