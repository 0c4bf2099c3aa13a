//! Sessions in a real Redis, through the store that is published for it. `tests/run servers` installs what these tests need.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower_identity::dev::Endpoint;
use tower_sessions_redis_store::{
    RedisStore,
    fred::{
        clients::Pool,
        interfaces::ClientLike as _,
        types::config::{Config, PerformanceConfig},
    },
};

use crate::app::App;

/// A Redis of its own for each test, in memory only.
struct Redis {
    process: Child,
    port: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Redis {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let starting = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn();
        let process = starting.expect("redis-server is missing: run `tests/run servers`, which installs it");
        let redis = Self { process, port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return redis;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("redis-server does not listen");
    }

    async fn store(&self) -> RedisStore<Pool> {
        let config = Config::from_url(&format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let performance = PerformanceConfig { default_command_timeout: Duration::from_secs(2), ..PerformanceConfig::default() };
        let pool = Pool::new(config, Some(performance), None, None, 2).unwrap();
        pool.connect();
        pool.wait_for_connect().await.unwrap();
        RedisStore::new(pool)
    }

    /// The lines of the answer to a command, without those that say lengths.
    async fn ask(&self, command: &str) -> Vec<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let lines = answer.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$']) && *line != "+OK");
        lines.map(str::to_owned).collect()
    }

    /// Every key with its value.
    async fn rows(&self) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        for key in self.ask("KEYS *").await {
            let row = self.ask(&format!("GET {key}")).await.concat();
            rows.insert(key, row);
        }
        rows
    }

    async fn app(&self) -> App {
        let store = self.store().await;
        let secrets = ["a cookie secret of more than thirty-two bytes"];
        App::build(|provider| provider, |config| config.with_cookie_secrets(secrets), |layer| layer.with_store(store).unwrap())
            .await
    }
}

#[tokio::test]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_holds_a_session_from_sign_in_to_sign_out() {
    let redis = Redis::start().await;
    let app = redis.app().await;
    let mut tab = app.signed_in().await;
    let rows = redis.rows().await;
    assert_eq!(rows.len(), 2, "the session's record and the grant's: {rows:?}");
    for row in rows.values() {
        assert!(
            !row.contains("example.com") && !row.contains("eyJhbGci") && !row.contains("eyJ0eXAi"),
            "a row that is not sealed: {row}"
        );
    }

    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
    assert_eq!(redis.rows().await.len(), 2);

    tab.open(app.at("/auth/logout")).await;
    let form = tab.page().form();
    assert_eq!(tab.submit(form).await.url.path(), "/auth/signed-out");
    assert!(redis.rows().await.is_empty());
}

#[tokio::test]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_that_forgets_a_session_signs_out() {
    let redis = Redis::start().await;
    let app = redis.app().await;
    let mut tab = app.signed_in().await;
    redis.ask("FLUSHALL").await;
    assert_eq!(tab.fetch(Method::GET, "/me").await.status, StatusCode::UNAUTHORIZED);
}

/// `save` writes nothing in Redis if the row is gone, and the store says then that it failed.
#[tokio::test]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_that_forgets_a_grant_during_a_refresh_gets_it_again() {
    let redis = Redis::start().await;
    let app = redis.app().await;
    let mut tab = app.signed_in().await;
    let before = redis.rows().await;
    app.turn(3400); // the access token is due, the ID token is not
    assert_eq!(tab.fetch(Method::GET, "/token").await.json()["source"], "provider");
    let after = redis.rows().await;
    let changed: Vec<_> = after.iter().filter(|(key, row)| before.get(*key) != Some(row)).collect();
    let [(grant, _)] = changed[..] else { panic!("a refresh writes the grant's record only: {changed:?}") };

    app.turn(3400);
    let mut hold = app.provider.hold_next(Endpoint::Token);
    let (answer, ()) = tokio::join!(tab.fetch(Method::GET, "/token"), async {
        hold.arrived().await;
        redis.ask(&format!("DEL {grant}")).await;
        hold.release();
    });
    assert_eq!(answer.json()["source"], "provider");
    assert!(redis.rows().await.contains_key(grant), "what cannot be had a second time is stored");
}

#[tokio::test]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_that_is_down_signs_nobody_in_or_out() {
    let mut redis = Redis::start().await;
    let app = redis.app().await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/auth/logout")).await;
    let form = tab.page().form();
    redis.process.kill().unwrap();
    redis.process.wait().unwrap();
    assert_eq!(tab.submit(form).await.status, StatusCode::SERVICE_UNAVAILABLE, "no false goodbye");
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(tab.open(app.at("/public/page")).await.status, StatusCode::OK);
}
