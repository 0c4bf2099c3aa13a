//! A storm: a thousand requests at once of somebody whose access token has just expired, at a
//! provider that rotates refresh tokens and revokes them when one is used twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    http::{HeaderValue, Method, Request, StatusCode, header::COOKIE},
    routing::get,
};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower_identity::{HttpClient, HttpFuture, IdentityLayer, ManualClock, ReqwestClient, User};

use crate::{
    app::{self, Fallible, PATH},
    ours,
    provider::{Provider, TOKEN_LIFE},
    table::{self, median, number},
};

const REQUESTS: usize = 1_000;
const STORMS: usize = 41;
/// Longer than an access token lives.
const LATER: Duration = Duration::from_secs(3_700);

/// Measures and prints.
pub fn measure() -> Fallible<()> {
    app::runtime()?.block_on(async {
        let provider = Provider::start()?;
        let (clock, http) = (ManualClock::at_system_time(), Arc::new(Counting::default()));
        let config =
            ours::config(provider.issuer())?.with_scopes(["offline_access", ours::OF_SIGN_IN]);
        let config = config.with_idle_timeout(TOKEN_LIFE).with_absolute_timeout(TOKEN_LIFE);
        let layer =
            ours::layer(config)?.with_clock(clock.clone()).with_http_client(Arc::clone(&http));
        let cookie = ours::sign_in(&layer).await?;
        let application = application(layer);
        let (mut calm, mut storm, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..STORMS {
            calm.push(send(&application, &cookie).await?);
            clock.advance(LATER);
            let before = http.calls();
            storm.push(send(&application, &cookie).await?);
            calls.push(http.calls() - before);
        }
        let row = |about: &str, times: &[f64], calls: u64| {
            vec![
                about.to_owned(),
                number((REQUESTS as f64 / median(times)) as i64),
                number(calls.cast_signed()),
            ]
        };
        println!(
            "\n{} requests at once on one thread, median of {STORMS}\n",
            number(REQUESTS as i64)
        );
        let most = calls.iter().copied().max().unwrap_or_default();
        table::print(
            &["", "requests per second", "calls of the provider"],
            vec![
                row("their token lasts", &calm, 0),
                row("their token has just expired", &storm, most),
            ],
        );
        if calls.iter().all(|&calls| calls == 1) {
            Ok(())
        } else {
            Err("a storm is to be one call of the provider".into())
        }
    })
}

fn application(layer: IdentityLayer) -> Router {
    let answer = |Extension(user): Extension<User>| async move {
        let token = user.tokens().for_user([ours::OF_SIGN_IN]).await;
        token.map_or_else(|error| Err((StatusCode::BAD_GATEWAY, error.reason())), |_| Ok(()))
    };
    Router::new().route(PATH, get(answer)).layer(layer)
}

/// How many seconds it takes to answer all of them.
async fn send(application: &Router, cookie: &HeaderValue) -> Fallible<f64> {
    let mut requests = JoinSet::new();
    let start = Instant::now();
    for _ in 0..REQUESTS {
        let request = Request::get(PATH).header(COOKIE, cookie).body(Body::empty())?;
        requests.spawn(application.clone().oneshot(request));
    }
    while let Some(answer) = requests.join_next().await {
        match answer??.status() {
            StatusCode::OK => {}
            status => return Err(format!("{status} in the storm").into()),
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

/// The usual client, which counts what is posted.
#[derive(Debug, Default)]
struct Counting {
    client: ReqwestClient,
    calls: AtomicU64,
}

impl Counting {
    fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }
}

impl HttpClient for Counting {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        if request.method() == Method::POST {
            self.calls.fetch_add(1, Relaxed);
        }
        self.client.send(request)
    }
}
