//! Requests per second over HTTP on the loopback interface: `wrk` asks servers that differ in
//! nothing but what stands around the route.
//!
//! Each server is a process with one thread on one core; `wrk`, and Redis where it is used, have
//! the other core. The servers take turns in one run, so that other load on the machine meets all
//! of them alike. A figure is worth something only as a ratio to bare axum in the same run, which
//! is asked with the same cookie.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::TcpListener as StdListener,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use axum::{
    Router, ServiceExt,
    body::Body,
    extract::Request,
    http::{HeaderValue, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_identity::{IdentityBody, IdentityLayer};
use tower_sessions::{
    Session, SessionManagerLayer, SessionStore,
    session::{Id, Record},
    session_store,
};
use tower_sessions_redis_store::{
    RedisStore,
    fred::{clients::Pool, interfaces::ClientLike as _, types::config::Config},
};

use crate::{
    app::{self, Fallible, PATH},
    browser, controls, ours,
    person::{NAME, Person},
    provider::Provider,
    table::{self, median, number},
};

const ROUNDS: usize = 9;
/// How long `wrk` asks one server in a round.
const TIME: &str = "2s";
const CONNECTIONS: &str = "32";
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
/// Connections to Redis; each takes many commands at a time.
const POOL: usize = 4;
const USER: &str = "user";
const SIGN_IN: &str = "/sign-in";

/// What is served.
struct Subject {
    name: &'static str,
    about: &'static str,
    /// The part of bare axum's requests per second that we aim at.
    goal: Option<f64>,
}

/// The first is what the others are compared with.
const SUBJECTS: &[Subject] = &[
    Subject { name: "bare", about: "axum alone, asked with our cookie", goal: None },
    Subject { name: "default", about: "ours: default store", goal: Some(0.92) },
    Subject { name: "default-once", about: "the same, once around the router", goal: Some(0.92) },
    Subject { name: "redis", about: "ours: Redis", goal: Some(0.5) },
    Subject {
        name: "redis-load",
        about: "axum, and one load of ours' row by the same store",
        goal: None,
    },
    Subject {
        name: "tower-sessions-redis",
        about: "tower-sessions 0.14: Redis, one get of the user",
        goal: None,
    },
];

/// Measures and prints.
pub fn measure() -> Fallible<()> {
    let redis = Redis::start()?;
    let servers: Vec<_> = SUBJECTS
        .iter()
        .map(|subject| Server::start(subject.name, &redis.url))
        .collect::<Result<_, _>>()?;
    let mut rates = vec![Vec::new(); servers.len()];
    for round in 0..=ROUNDS {
        for (server, rates) in servers.iter().zip(&mut rates) {
            let rate = server.load()?;
            // The first round fills caches.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    println!("\n{CONNECTIONS} connections, {ROUNDS} rounds of {TIME} each, medians\n");
    let rows = SUBJECTS.iter().zip(&rates).map(|(subject, own)| {
        let ratios: Vec<f64> = own.iter().zip(&rates[0]).map(|(own, bare)| own / bare).collect();
        vec![
            subject.about.to_owned(),
            number(median(own) as i64),
            format!("{:.3}", median(&ratios)),
            subject.goal.map(|goal| format!("{goal}")).unwrap_or_default(),
        ]
    });
    table::print(&["", "requests per second", "of bare axum", "goal"], rows.collect());
    Ok(())
}

/// A server in a process of its own; it ends with the handle.
struct Server {
    address: String,
    cookie: String,
    child: Child,
}

impl Server {
    fn start(name: &str, redis: &str) -> Fallible<Self> {
        let mut child = Command::new("taskset")
            .args(["--cpu-list", SERVER_CORE])
            .arg(env::current_exe()?)
            .args(["serve", name, redis])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let mut line = || lines.next().ok_or_else(|| format!("{name} did not start"));
        Ok(Self { address: line()??, cookie: line()??, child })
    }

    /// Requests per second of one round.
    fn load(&self) -> Fallible<f64> {
        let output = Command::new("taskset")
            .args(["--cpu-list", LOAD_CORE, "wrk", "-t", "1", "-c", CONNECTIONS, "-d", TIME])
            .args(["-H", &format!("Cookie: {}", self.cookie)])
            .arg(format!("http://{}{PATH}", self.address))
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("requests failed:\n{text}").into());
        }
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        Ok(rate.ok_or("no rate from wrk")?.trim().parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A Redis that keeps nothing on disk; it ends with the handle.
struct Redis {
    url: String,
    child: Child,
}

impl Redis {
    fn start() -> Fallible<Self> {
        let port = StdListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("taskset")
            .args(["--cpu-list", LOAD_CORE, "redis-server", "--bind", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { url: format!("redis://127.0.0.1:{port}"), child })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves one subject, says where and with which cookie it is to be asked, and ends when nobody
/// listens any more.
pub fn serve(name: &str, redis: &str) -> Fallible<()> {
    app::runtime()?.block_on(async {
        let provider = Provider::start()?;
        let layer = || ours::layer(ours::config(provider.issuer())?);
        let (router, cookie) = match name {
            "bare" => (controls::router(), ours::cookie(provider.issuer()).await?),
            "default" => ours::application(layer()?).await?,
            "default-once" => return serve_once(layer()?).await,
            "redis" => ours::application(layer()?.with_store(store(redis).await?)?).await?,
            "redis-load" => one_load(layer()?, store(redis).await?).await?,
            "tower-sessions-redis" => tower_sessions(store(redis).await?).await?,
            _ => return Err(format!("no server {name:?}").into()),
        };
        let listener = listener(&cookie).await?;
        until_end(axum::serve(listener, router)).await
    })
}

/// The default store, the layer once around the finished router instead of on every route.
async fn serve_once(layer: IdentityLayer) -> Fallible<()> {
    let (application, cookie) = ours::wrapped(layer).await?;
    let listener = listener(&cookie).await?;
    // `axum::serve` takes axum's body alone.
    let application = ServiceBuilder::new()
        .map_response(|response: Response<IdentityBody<Body>>| response.map(Body::new))
        .service(application);
    until_end(axum::serve(listener, ServiceExt::<Request>::into_make_service(application))).await
}

async fn listener(cookie: &HeaderValue) -> Fallible<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}\n{}", listener.local_addr()?, cookie.to_str()?);
    Ok(listener)
}

async fn until_end(server: impl IntoFuture<Output = io::Result<()>>) -> Fallible<()> {
    let end = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = server.into_future() => served?,
        end = end => { end??; }
    }
    Ok(())
}

async fn store(redis: &str) -> Fallible<RedisStore<Pool>> {
    let pool = Pool::new(Config::from_url(redis)?, None, None, None, POOL)?;
    // `wait_for_connect` after `connect` can miss the signal and wait for ever.
    pool.init().await?;
    Ok(RedisStore::new(pool))
}

/// A handler that does nothing but load the row that our session has in this store: what remains of
/// our own figure is the store's.
async fn one_load(
    layer: IdentityLayer,
    store: RedisStore<Pool>,
) -> Fallible<(Router, HeaderValue)> {
    let noting = Noting { store: store.clone(), loaded: Arc::default() };
    let loaded = Arc::clone(&noting.loaded);
    let (_, cookie) = ours::application(layer.with_store(noting)?).await?;
    let id = *loaded.get().ok_or("no row was loaded")?;
    let me = move || async move {
        let row = store.load(&id).await.expect("a store");
        row.map(|_| NAME).expect("a row")
    };
    Ok((Router::new().route(PATH, get(me)), cookie))
}

/// Notes the first row that is loaded.
#[derive(Clone, Debug)]
struct Noting {
    store: RedisStore<Pool>,
    loaded: Arc<OnceLock<Id>>,
}

#[async_trait]
impl SessionStore for Noting {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.store.create(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.store.save(record).await
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let row = self.store.load(id).await?;
        if row.is_some() {
            self.loaded.get_or_init(|| *id);
        }
        Ok(row)
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.store.delete(id).await
    }
}

/// tower-sessions: the person is read from the session, once.
async fn tower_sessions(store: RedisStore<Pool>) -> Fallible<(Router, HeaderValue)> {
    let sessions = SessionManagerLayer::new(store);
    let sign_in = |session: Session| async move {
        session.insert(USER, Person::ada()).await.expect("a store")
    };
    let me = |session: Session| async move {
        let person: Option<Person> = session.get(USER).await.expect("a store");
        person.expect("a session").name
    };
    let router = Router::new().route(SIGN_IN, get(sign_in)).route(PATH, get(me)).layer(sessions);
    let cookie = browser::sign_in(&router, SIGN_IN).await?;
    Ok((router, cookie))
}
