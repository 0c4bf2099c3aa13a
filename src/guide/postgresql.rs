use std::{error::Error, str::FromStr as _, time::Duration};

use axum::{Router, routing::get};
use tower_identity::{IdentityConfig, IdentityLayer, RefreshLock, User};
use tower_sessions_sqlx_store::{
    PostgresStore,
    sqlx::{
        self, PgPool,
        postgres::{PgConnectOptions, PgPoolOptions},
    },
};

type BoxError = Box<dyn Error + Send + Sync>;

/// Shorter than `IDENTITY_STORE_TIMEOUT`, so that the log has the reason in the database's words.
const LIMIT: Duration = Duration::from_secs(2);

/// A pool in which nothing waits without end: neither for a connection nor for a statement.
pub fn pool(url: &str) -> Result<PgPool, BoxError> {
    let limit = LIMIT.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)?
        .options([("statement_timeout", limit.as_str()), ("lock_timeout", limit.as_str())]);
    // Connects when it is first used: the application starts while its database is down.
    Ok(PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(LIMIT)
        .idle_timeout(Duration::from_secs(600))
        .connect_lazy_with(options))
}

/// A refresh lock in a table: one statement takes it, and a lock that was not freed ends by itself.
#[derive(Clone, Debug)]
pub struct PostgresLock(PgPool);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS refresh_lock
    (name text PRIMARY KEY, owner text NOT NULL, ends timestamptz NOT NULL)";
const TAKE: &str = "INSERT INTO refresh_lock (name, owner, ends)
    VALUES ($1, $2, now() + $3 * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ends = excluded.ends
    WHERE refresh_lock.ends < now() OR refresh_lock.owner = excluded.owner";
const FREE: &str = "DELETE FROM refresh_lock WHERE name = $1 AND owner = $2";
const SWEEP: &str = "DELETE FROM refresh_lock WHERE ends < now()";
const SWEEP_SESSIONS: &str = "DELETE FROM tower_sessions.session WHERE expiry_date < now()";

impl PostgresLock {
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Makes the table of the lock, where it is missing.
    pub async fn migrate(&self) -> Result<(), BoxError> {
        sqlx::query(TABLE).execute(&self.0).await?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl RefreshLock for PostgresLock {
    async fn try_lock(&self, name: &str, owner: &str, lease: Duration) -> Result<bool, BoxError> {
        let take = sqlx::query(TAKE).bind(name).bind(owner).bind(lease.as_secs_f64());
        Ok(take.execute(&self.0).await?.rows_affected() == 1)
    }

    async fn unlock(&self, name: &str, owner: &str) -> Result<(), BoxError> {
        sqlx::query(FREE).bind(name).bind(owner).execute(&self.0).await?;
        Ok(())
    }
}

/// Any number; it is the same in every process.
const MIGRATION: i64 = 3_790_144_281;

/// The tables of sessions and lock, for the step of a deployment that changes the database.
///
/// One process at a time makes them: `IF NOT EXISTS` alone is an error in PostgreSQL, where two
/// make the same table at the same moment.
pub async fn migrate(pool: &PgPool) -> Result<(), BoxError> {
    let mut turn = pool.begin().await.map_err(|error| {
        format!("the database of DATABASE_URL cannot be reached, so no table was made: {error}")
    })?;
    // It is freed with the end of the transaction, also if the process dies.
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION).execute(&mut *turn).await?;
    PostgresStore::new(pool.clone()).migrate().await?;
    PostgresLock::new(pool.clone()).migrate().await?;
    Ok(turn.commit().await?)
}

/// Deletes what has expired, once a minute; a database that is down is asked again.
pub async fn sweep(pool: PgPool) {
    loop {
        for statement in [SWEEP_SESSIONS, SWEEP] {
            if let Err(error) = sqlx::query(statement).execute(&pool).await {
                eprintln!("expired rows stay for now: {error}");
            }
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// The layer of an application with several processes.
pub fn identity(config: IdentityConfig, pool: &PgPool) -> Result<IdentityLayer, BoxError> {
    let store = PostgresStore::new(pool.clone());
    let lock = PostgresLock::new(pool.clone());
    Ok(IdentityLayer::new(config.build()?).with_store(store)?.with_refresh_lock(lock))
}

/// The body of `main`. `app migrate` makes the tables, `app` serves.
pub async fn run() -> Result<(), BoxError> {
    let url = std::env::var("DATABASE_URL").map_err(|error| format!("DATABASE_URL: {error}"))?;
    let pool = pool(&url)?;
    if std::env::args().nth(1).as_deref() == Some("migrate") {
        return migrate(&pool).await;
    }
    tokio::spawn(sweep(pool.clone()));
    let identity = identity(IdentityConfig::from_env()?, &pool)?;
    // The application goes on: it works as soon as the database and its tables are there.
    if let Err(error) = identity.check_store().await {
        eprintln!("nobody can sign in for now: {error}");
    }
    let app = Router::new()
        .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
        .layer(identity);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
