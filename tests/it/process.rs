//! A node of the application in a process of its own: the test binary, started again.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tokio::net::TcpListener;
use tower_identity::{Clock, IdentityConfig, IdentityLayer, ManualClock, RedisLock, UnixTime};

use crate::{
    app::{App, routes},
    raw::Raw,
    redis,
};

/// A process that ends with the test.
pub struct EndedChild(pub Child);

impl EndedChild {
    /// Ends the process now.
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for EndedChild {
    fn drop(&mut self) {
        self.end();
    }
}

/// A running node.
pub struct NodeProcess {
    _process: EndedChild,
    address: String,
}

impl NodeProcess {
    /// A node of this application with the Redis at this port, and with the application's time.
    pub fn beside(app: &App, cookie_secret: &str, redis: u16) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::serves_until_nobody_needs_it", "--ignored", "--nocapture"])
            .env("NODE_REDIS", redis.to_string())
            .env("NODE_TIME", app.clock.now().as_seconds().to_string())
            .env("IDENTITY_OIDC_AUTHORITY", app.provider.issuer())
            .env("IDENTITY_CLIENT_ID", app.provider.client_id())
            .env("IDENTITY_CLIENT_SECRET", app.provider.client_secret().expose())
            .env("IDENTITY_BASE_URL", &app.url)
            .env("IDENTITY_COOKIE_SECRET", cookie_secret)
            .env("IDENTITY_SCOPE", "offline_access")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()));
        // The rest of the output is read and dropped, so that the node does not block.
        std::thread::spawn(move || lines.for_each(drop));
        Self { _process: EndedChild(process), address: address.expect("the node does not listen") }
    }

    pub fn raw(&self) -> Raw {
        Raw::at(&self.address)
    }
}

/// Not a test: the program that [`NodeProcess`] starts. It ends when its standard input is closed,
/// so that no process is left if the test is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by the tests with several processes"]
async fn serves_until_nobody_needs_it() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing"));
    let (redis, time) =
        (variable("NODE_REDIS").parse().unwrap(), variable("NODE_TIME").parse().unwrap());
    let lock = RedisLock::connect(&format!("redis://127.0.0.1:{redis}")).await.unwrap();
    let config = IdentityConfig::from_env().unwrap().add_public_path("/").build().unwrap();
    let layer = IdentityLayer::new(config)
        .with_clock(ManualClock::at(UnixTime::from_seconds(time)))
        .with_store(redis::store_at(redis).await)
        .unwrap()
        .with_refresh_lock(lock);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, routes().layer(layer)).await });
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
        .await
        .unwrap()
        .unwrap();
    server.abort();
}
