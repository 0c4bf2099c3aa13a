//! The PostgreSQL page of the guide, compiled and run against a PostgreSQL server.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use tower::ServiceExt as _;
use tower_identity::{RefreshLock as _, User, dev::DevProvider};
use tower_sessions_sqlx_store::sqlx::{self, PgPool};

#[allow(dead_code, missing_docs)]
#[path = "../../../src/guide/postgresql.rs"]
mod guide;

const SECRET: &str = "a cookie secret of more than thirty-two characters";
const LEASE: Duration = Duration::from_secs(180);

/// A server that ends with the test.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/postgresql.sh");
        let mut process = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("postgresql.sh does not start");
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("postgres://"), "the server says {url:?}");
        Self { process, url: url.trim().to_owned() }
    }

    async fn pool(&self) -> PgPool {
        let pool = guide::pool(&self.url).unwrap();
        guide::migrate(&pool).await.unwrap();
        // A deployment does it each time.
        guide::migrate(&pool).await.unwrap();
        pool
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

async fn open(app: &Router, path: &str, cookies: &str) -> Response<Body> {
    let request = Request::get(path)
        .header(header::ACCEPT, "text/html")
        .header(header::COOKIE, cookies)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn cookies(response: &Response<Body>) -> String {
    let set = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

fn location(headers: &header::HeaderMap) -> String {
    headers[header::LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_owner_at_a_time_has_the_lock_of_the_guide() {
    let server = Server::start();
    let pool = server.pool().await;
    let lock = || guide::PostgresLock::new(pool.clone());
    let (one, two) = (lock(), lock());
    assert!(one.try_lock("grant", "a", LEASE).await.unwrap());
    assert!(one.try_lock("grant", "a", LEASE).await.unwrap(), "its owner renews the lease");
    assert!(!two.try_lock("grant", "b", LEASE).await.unwrap());
    assert!(two.try_lock("another", "b", LEASE).await.unwrap());
    // Freed by its owner alone.
    two.unlock("grant", "b").await.unwrap();
    assert!(!two.try_lock("grant", "b", LEASE).await.unwrap());
    one.unlock("grant", "a").await.unwrap();
    assert!(two.try_lock("grant", "b", LEASE).await.unwrap());

    // Of many who ask at once one has it.
    let asked = (0..16).map(|owner| {
        let lock = one.clone();
        let owner = owner.to_string();
        tokio::spawn(async move { lock.try_lock("crowd", &owner, LEASE).await.unwrap() })
    });
    let mut had = 0;
    for answer in asked.collect::<Vec<_>>() {
        had += usize::from(answer.await.unwrap());
    }
    assert_eq!(had, 1);

    // One whose process has died ends by itself.
    sqlx::query("UPDATE refresh_lock SET ends = now() - interval '1 second' WHERE name = 'grant'")
        .execute(&pool)
        .await
        .unwrap();
    assert!(one.try_lock("grant", "a", LEASE).await.unwrap());
}

#[tokio::test]
async fn a_session_is_in_the_database_until_sign_out_and_every_process_has_it() {
    let server = Server::start();
    let pool = server.pool().await;
    let provider = DevProvider::start().await.unwrap();
    provider.sign_in_as("ada").unwrap();
    let process = || {
        let config = provider.config("http://localhost:3000").unwrap();
        let config = config.with_cookie_secrets([SECRET]);
        Router::new()
            .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
            .layer(guide::identity(config, &pool).unwrap())
    };
    let (one, two) = (process(), process());

    let start = open(&one, "/auth/login", "").await;
    let no_redirects = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(no_redirects).build().unwrap();
    let picked = http.get(location(start.headers())).send().await.unwrap();
    let callback = location(picked.headers());
    let path = callback.strip_prefix("http://localhost:3000").unwrap();
    // It begins at one process and ends at the other.
    let session = cookies(&open(&two, path, &cookies(&start)).await);
    assert_eq!(open(&one, "/me", &session).await.status(), StatusCode::OK);
    assert_eq!(rows(&pool).await, 2, "session and grant");

    let request = Request::post("/auth/logout")
        .header(header::COOKIE, &session)
        .header(header::ORIGIN, "http://localhost:3000")
        .body(Body::empty())
        .unwrap();
    assert_eq!(one.clone().oneshot(request).await.unwrap().status(), StatusCode::SEE_OTHER);
    assert_eq!(rows(&pool).await, 0);
    assert_ne!(open(&two, "/me", &session).await.status(), StatusCode::OK);
    provider.shutdown().await;
}

/// Of several processes that start together each makes the tables, or finds them.
#[tokio::test]
async fn processes_that_start_together_all_have_the_tables() {
    let server = Server::start();
    for round in 0..8 {
        let started = (0..4).map(|_| {
            let pool = guide::pool(&server.url).unwrap();
            tokio::spawn(async move { guide::migrate(&pool).await })
        });
        for migrated in started.collect::<Vec<_>>() {
            migrated.await.unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        let pool = guide::pool(&server.url).unwrap();
        assert_eq!(rows(&pool).await, 0);
        sqlx::query("DROP SCHEMA tower_sessions CASCADE").execute(&pool).await.unwrap();
        sqlx::query("DROP TABLE refresh_lock").execute(&pool).await.unwrap();
    }
}

/// A statement that waits is given up by the database, not by the request's patience.
#[tokio::test]
async fn a_statement_that_hangs_ends_in_time() {
    let server = Server::start();
    let pool = server.pool().await;
    let hung = sqlx::query("SELECT pg_sleep(600)").execute(&pool).await;
    assert!(hung.unwrap_err().to_string().contains("statement timeout"));
}

async fn rows(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tower_sessions.session").fetch_one(pool).await.unwrap()
}
