//! Sessions in a real Redis, through its published store. `tests/run servers` installs the server.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tower_identity::{
    RedisLock,
    dev::{DevProvider, Endpoint},
};
use tower_sessions_redis_store::{
    RedisStore,
    fred::{
        clients::Pool,
        interfaces::ClientLike as _,
        types::config::{Config, PerformanceConfig},
    },
};

use crate::{
    app::App,
    browser::Browser,
    example::Example,
    process::{EndedChild, NodeProcess},
    raw::Raw,
};

const SECRET: &str = "a cookie secret of more than thirty-two bytes";

/// A Redis of its own for each test, in memory only.
struct Redis {
    process: EndedChild,
    port: u16,
}

impl Redis {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let starting = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .spawn();
        let process =
            starting.expect("redis-server is missing: run `tests/run servers`, which installs it");
        let redis = Self { process: EndedChild(process), port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return redis;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("redis-server does not listen");
    }

    /// The lines of the reply to a command, without those with lengths.
    async fn ask(&self, command: &str) -> Vec<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let lines = answer
            .split("\r\n")
            .filter(|line| !line.is_empty() && !line.starts_with(['*', '$']) && *line != "+OK");
        lines.map(str::to_owned).collect()
    }

    /// Pauses the server for this long. Commands that arrive meanwhile are carried out afterwards.
    async fn pause(&self, milliseconds: u32) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        connection
            .write_all(format!("CLIENT PAUSE {milliseconds} ALL\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = [0; 5];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"+OK\r\n");
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
        let store = store_at(self.port).await;
        App::builder()
            .config(|config| config.with_cookie_secrets([SECRET]))
            .layer(|layer| layer.with_store(store).unwrap())
            .start()
            .await
    }
}

/// The published store on the Redis at a port.
pub async fn store_at(port: u16) -> RedisStore<Pool> {
    let config = Config::from_url(&format!("redis://127.0.0.1:{port}")).unwrap();
    let performance = PerformanceConfig {
        default_command_timeout: Duration::from_secs(2),
        ..PerformanceConfig::default()
    };
    let pool = Pool::new(config, Some(performance), None, None, 2).unwrap();
    // Not `connect` and then `wait_for_connect`: that waits for ever if the connection is there
    // before it begins to wait.
    pool.init().await.unwrap();
    RedisStore::new(pool)
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

/// The program in the documentation: a second process continues the sessions of the first.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_example_goes_on_with_the_sessions_of_the_process_before() {
    let redis = Redis::start().await;
    let provider = DevProvider::builder().start().await.unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let (address, secret) = (format!("redis://127.0.0.1:{}", redis.port), provider.client_secret());
    let variables = [
        ("LISTEN", listen.as_str()),
        ("REDIS_URL", &address),
        ("IDENTITY_OIDC_AUTHORITY", provider.issuer()),
        ("IDENTITY_CLIENT_ID", provider.client_id()),
        ("IDENTITY_CLIENT_SECRET", secret.expose()),
        ("IDENTITY_BASE_URL", &url),
        ("IDENTITY_COOKIE_SECRET", SECRET),
    ];
    let first = Example::start_as("redis", &variables);
    let mut tab = first.sign_in(&Browser::new(), "/me").await;
    assert_eq!(tab.page().body, "Hello Ada Lovelace", "{}", tab.page().url);
    assert_eq!(redis.rows().await.len(), 2, "the session's record and the grant's");
    drop(first);
    let _second = Example::start_as("redis", &variables);
    assert_eq!(tab.open(&url).await.body, "Hello Ada Lovelace");
    assert_eq!(provider.requests(Endpoint::Authorization), 1);
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

/// If the row is gone, `save` writes nothing to Redis, and the store reports a failure.
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
    let [(grant, _)] = changed[..] else {
        panic!("a refresh writes the grant's record only: {changed:?}")
    };

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
    redis.process.end();
    assert_eq!(tab.submit(form).await.status, StatusCode::SERVICE_UNAVAILABLE, "no false goodbye");
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(tab.open(app.at("/public/page")).await.status, StatusCode::OK);
}

/// The provider rotates refresh tokens and revokes the grant if one is used twice.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_lets_one_of_two_processes_refresh() {
    let redis = Redis::start().await;
    let app = redis.app().await;
    app.provider.sign_in_as("ada").unwrap();
    let session = Raw::of(&app).sign_in().await;
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
    for round in 1..=3 {
        app.turn(3600 + 300);
        let nodes = [(); 2].map(|()| NodeProcess::beside(&app, SECRET, redis.port));
        let mut requests = JoinSet::new();
        for raw in nodes.iter().map(|node| Arc::new(node.raw())) {
            for _ in 0..100 {
                let (raw, session) = (raw.clone(), session.clone());
                requests.spawn(async move { raw.open("/me", &session).await.status });
            }
        }
        assert_eq!(requests.join_all().await, [StatusCode::OK; 200]);
        assert_eq!(app.provider.requests(Endpoint::Token), 1 + round);
    }
}

/// While the lock is down nothing is refreshed, and tokens that are still valid are used.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_lock_that_cannot_be_asked_refreshes_nothing() {
    let lock = RedisLock::connect("redis://127.0.0.1:1").await.unwrap();
    let app = App::builder().layer(|layer| layer.with_refresh_lock(lock)).start().await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.fetch(Method::GET, "/token").await.json()["source"], "sign_in");
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
    assert!(
        RedisLock::connect("not an address").await.unwrap_err().to_string().contains("redis://")
    );
}

/// A command that timed out may still have been carried out: the lock is released at once, and not
/// only when its lease ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_lock_whose_answer_is_lost_is_freed() {
    let redis = Redis::start().await;
    let lock = RedisLock::connect(&format!("redis://127.0.0.1:{}", redis.port)).await.unwrap();
    let app = App::builder().layer(|layer| layer.with_refresh_lock(lock)).start().await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    // Longer than a command may take.
    redis.pause(3000).await;
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
    for _ in 0..50 {
        // The first of these waits until the pause is over.
        if redis.ask("KEYS *:refresh:*").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
}

/// The contract of the lock: one owner at a time, and only the owner can release it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn redis_lock_is_freed_by_its_owner_alone() {
    use tower_identity::RefreshLock as _;
    let redis = Redis::start().await;
    let lock = RedisLock::connect(&format!("redis://127.0.0.1:{}", redis.port)).await.unwrap();
    let lease = Duration::from_millis(300);
    assert!(lock.try_lock("grant", "first", lease).await.unwrap());
    assert!(!lock.try_lock("grant", "second", lease).await.unwrap());
    lock.unlock("grant", "second").await.unwrap();
    assert!(!lock.try_lock("grant", "second", lease).await.unwrap(), "freed by somebody else");
    while !lock.try_lock("grant", "second", Duration::from_secs(60)).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lock.unlock("grant", "first").await.unwrap();
    assert!(
        !lock.try_lock("grant", "first", lease).await.unwrap(),
        "the lease was over, and the lock another's"
    );
    assert!(lock.try_lock("grant", "second", lease).await.unwrap(), "its owner renews the lease");
    lock.unlock("grant", "second").await.unwrap();
    assert!(lock.try_lock("grant", "first", lease).await.unwrap());
}

/// A lease that is renewed begins anew: it is over once, after the time of the last renewal.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: run `tests/run servers`"]
async fn the_lease_of_a_redis_lock_begins_anew_when_its_owner_takes_it_again() {
    use tower_identity::RefreshLock as _;
    let redis = Redis::start().await;
    let lock = RedisLock::connect(&format!("redis://127.0.0.1:{}", redis.port)).await.unwrap();
    let hour = Duration::from_secs(3600);
    assert!(lock.try_lock("grant", "owner", hour).await.unwrap());
    assert!(lock.try_lock("grant", "owner", Duration::from_millis(1)).await.unwrap());
    while !lock.try_lock("grant", "another", hour).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
