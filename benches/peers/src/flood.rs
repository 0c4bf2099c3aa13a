//! A flood of requests: clients that start sign-ins, send callbacks with codes that are none, and
//! do not wait, at a provider that does not answer.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{
        Method, Request, Response, StatusCode,
        header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE},
    },
    routing::get,
};
use tokio::task::{JoinSet, yield_now};
use tower::ServiceExt;
use tower_identity::{HttpClient, HttpFuture, ReqwestClient};
use url::Url;

use crate::{
    app::{self, Fallible, PATH},
    ours,
    provider::Provider,
    table::{self, number},
};

const CALLERS: usize = 1_500;
/// Codes that may be on their way to the provider at once.
const MAX_AT_ONCE: usize = 64;
/// Requests to a public page with which its speed is measured.
const PAGES: usize = 5_000;
/// What is left of the speed of a public page during the flood, at least.
const MIN_SPEED: f64 = 0.5;

/// Measures, prints, and says whether both bars are kept.
pub fn measure() -> Fallible<bool> {
    app::runtime()?.block_on(async {
        let provider = Provider::start()?;
        let http = Arc::new(Silent::default());
        let config = ours::config(provider.issuer())?.add_public_path(PATH);
        let layer = ours::layer(config)?.with_http_client(Arc::clone(&http));
        let application = Router::new().route(PATH, get(|| async { "public" })).layer(layer);
        let mut callbacks = Vec::new();
        for _ in 0..CALLERS {
            callbacks.push(callback(&application, provider.issuer()).await?);
        }
        let calm = pages_per_second(&application).await?;
        let mut flood = JoinSet::new();
        for request in callbacks {
            flood.spawn(application.clone().oneshot(request));
        }
        // Until every caller has come as far as it can.
        for _ in 0..1_000 {
            yield_now().await;
        }
        let at_once = http.waiting.load(Relaxed);
        let flooded = pages_per_second(&application).await?;
        flood.shutdown().await;
        println!("\n{} callbacks at once on one thread\n", number(CALLERS as i64));
        let speed = flooded / calm;
        let row = |about: &str, measured: String, bar: String| vec![about.into(), measured, bar];
        table::print(
            &["", "measured", "bar"],
            vec![
                row("codes on their way", number(at_once as i64), number(MAX_AT_ONCE as i64)),
                row(
                    "speed of a public page during the flood",
                    format!("{speed:.2}"),
                    format!("{MIN_SPEED}"),
                ),
            ],
        );
        Ok(at_once > 0 && at_once <= MAX_AT_ONCE && speed >= MIN_SPEED)
    })
}

/// The callback of a sign-in that was started for it, with a code that is none.
async fn callback(application: &Router, issuer: &str) -> Fallible<Request<Body>> {
    let start = Request::get("/auth/login").header(ACCEPT, "text/html").body(Body::empty())?;
    let answer = application.clone().oneshot(start).await?;
    let provider = Url::parse(text(&answer, LOCATION)?)?;
    let (_, state) = provider.query_pairs().find(|(name, _)| name == "state").ok_or("no state")?;
    let cookie = text(&answer, SET_COOKIE)?.split(';').next().unwrap_or_default().to_owned();
    Ok(Request::get(format!("/auth/callback?code=none&state={state}&iss={issuer}"))
        .header(ACCEPT, "text/html")
        .header(COOKIE, cookie)
        .body(Body::empty())?)
}

fn text<B>(answer: &Response<B>, name: axum::http::HeaderName) -> Fallible<&str> {
    Ok(answer.headers().get(&name).ok_or_else(|| format!("no {name}"))?.to_str()?)
}

async fn pages_per_second(application: &Router) -> Fallible<f64> {
    let start = Instant::now();
    for _ in 0..PAGES {
        let request = Request::get(PATH).body(Body::empty())?;
        match application.clone().oneshot(request).await?.status() {
            StatusCode::OK => {}
            status => return Err(format!("{status} from a public page").into()),
        }
    }
    Ok(PAGES as f64 / start.elapsed().as_secs_f64())
}

/// The usual client, to which the token endpoint never answers.
#[derive(Debug, Default)]
struct Silent {
    client: ReqwestClient,
    waiting: AtomicUsize,
}

impl HttpClient for Silent {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        if request.method() == Method::POST {
            self.waiting.fetch_add(1, Relaxed);
            return Box::pin(pending());
        }
        self.client.send(request)
    }
}
