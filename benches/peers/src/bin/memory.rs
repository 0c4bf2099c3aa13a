//! Bytes of memory per signed-in user and per token, by an allocator that counts.
//! `benches/run memory` is the way in.
//!
//! A program of its own, because counting costs instructions. What is counted is what was asked
//! for: an allocator's own overhead is not in it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    http::{HeaderValue, Request, header::COOKIE},
    routing::get,
};
use peers::{
    api,
    app::{self, Fallible, PATH},
    browser, ours,
    provider::{self, Provider},
    table::{self, number},
};
use tower::ServiceExt;
use tower_identity::{
    ApiLayer, HttpClient, HttpFuture, IdentityLayer, ReqwestClient, User, client::TokenRequest,
};

/// More than the layer remembers opened: beyond, a session is in the store and nowhere else.
const REMEMBERED: usize = 10_000;
const USERS: usize = 2_000;
const TOKENS: usize = 100;
/// Access tokens that an API has verified.
const VERIFIED: usize = 3_000;
/// Bytes that the layer counts for one of them beside its claims.
const COUNTED: i64 = 1_024;

static LIVE: AtomicI64 = AtomicI64::new(0);

struct Counted;

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn live() -> i64 {
    LIVE.load(Relaxed)
}

fn main() -> Fallible<()> {
    if env::args().nth(1).as_deref() == Some("provider") {
        let tokens = env::args().nth(2).map_or(Ok(0), |count| count.parse())?;
        return provider::serve(tokens);
    }
    app::runtime()?.block_on(measure())
}

async fn measure() -> Fallible<()> {
    let provider = Provider::start()?;
    let http = Arc::new(Listening::default());
    let config = ours::config(provider.issuer())?.with_scopes(["offline_access", ours::OF_SIGN_IN]);
    let layer = ours::layer(config)?.with_http_client(Arc::clone(&http));
    let cookie = ours::sign_in(&layer).await?;
    let (claims, tokens) = (claims(&layer, &cookie).await?, http.tokens.load(Relaxed) as i64);

    // The first people are in the store and in what the layer remembers.
    let before = live();
    sign_in(&layer, USERS / 2).await?;
    let remembered = (live() - before) / (USERS as i64 / 2);
    sign_in(&layer, REMEMBERED).await?;
    let before = live();
    sign_in(&layer, USERS).await?;
    let stored = (live() - before) / USERS as i64;

    let cookie = ours::sign_in(&layer).await?;
    fetch(&layer, &cookie, 0..1).await?;
    let before = live();
    fetch(&layer, &cookie, 1..TOKENS + 1).await?;
    let token = (live() - before) / TOKENS as i64;

    let api = of_api().await?;

    let row = |about: &str, bytes: i64| vec![about.to_owned(), number(bytes)];
    println!("\nBytes with the default store\n");
    table::print(
        &["", "bytes"],
        vec![
            row("a signed-in user in the store", stored),
            row("of these the claims, as JSON", claims),
            row("of these the ID token, refresh token and access token", tokens),
            row("of these everything else", stored - claims - tokens),
            row("a signed-in user in the store and in the caches before it", remembered),
            row(
                "a further access token, sealed and decoded, beside its own text",
                token - 2 * http.access_token.load(Relaxed) as i64,
            ),
            row("an API before its first token", api.empty),
            row("an API: an access token that was verified", api.token),
            row("of these the claims, as JSON", api.claims),
            row("of these everything else", api.token - api.claims),
        ],
    );
    // So much the layer counts for a token beside its claims: if a token took more, the cache would
    // be larger than `with_remembered_bytes` allows.
    if api.token - api.claims > COUNTED {
        return Err(format!("a verified token takes more than {COUNTED} beside its claims").into());
    }
    Ok(())
}

/// Bytes of an API.
struct OfApi {
    empty: i64,
    token: i64,
    claims: i64,
}

async fn of_api() -> Fallible<OfApi> {
    let callers = Provider::with_tokens(2 * VERIFIED)?;
    let config = api::config(&callers)?;
    let before = live();
    let application = api::application(ApiLayer::new(config));
    let empty = live() - before;
    let runner = api::runner_of(application, &callers)?;
    runner.batch(VERIFIED as u64).await;
    let before = live();
    runner.batch(VERIFIED as u64).await;
    let token = (live() - before) / VERIFIED as i64;
    let claims = callers.tokens().first().and_then(|token| token.split('.').nth(1));
    // Base64 has four characters for three bytes.
    let claims = claims.ok_or("no claims")?.len() as i64 * 3 / 4;
    Ok(OfApi { empty, token, claims })
}

async fn sign_in(layer: &IdentityLayer, users: usize) -> Fallible<()> {
    let name = |Extension(user): Extension<User>| async move { user.display_name().to_owned() };
    let application = Router::new().route(PATH, get(name)).layer(layer.clone());
    for _ in 0..users {
        browser::sign_in(&application, PATH).await?;
    }
    Ok(())
}

async fn claims(layer: &IdentityLayer, cookie: &HeaderValue) -> Fallible<i64> {
    let claims =
        |Extension(user): Extension<User>| async move { axum::Json(user.all_claims().clone()) };
    let request = Request::get(PATH).header(COOKIE, cookie).body(Body::empty())?;
    let answer =
        Router::new().route(PATH, get(claims)).layer(layer.clone()).oneshot(request).await?;
    Ok(axum::body::to_bytes(answer.into_body(), 1 << 20).await?.len() as i64)
}

/// Fetches tokens for so many resources.
async fn fetch(
    layer: &IdentityLayer,
    cookie: &HeaderValue,
    numbers: std::ops::Range<usize>,
) -> Fallible<()> {
    let fetch = move |Extension(user): Extension<User>| async move {
        for number in numbers {
            let request = TokenRequest::new([ours::OF_SIGN_IN])?
                .with_resource(&format!("https://{number:03}.example"));
            user.tokens().acquire(&request).await?;
        }
        Ok::<_, tower_identity::Error>("")
    };
    let request = Request::get(PATH).header(COOKIE, cookie).body(Body::empty())?;
    let answer =
        Router::new().route(PATH, get(fetch)).layer(layer.clone()).oneshot(request).await?;
    if answer.status().is_success() { Ok(()) } else { Err("no token".into()) }
}

/// The usual client, which looks how long tokens are.
#[derive(Debug, Default)]
struct Listening {
    client: ReqwestClient,
    /// Of the last answer with an ID token and a refresh token.
    tokens: AtomicUsize,
    access_token: AtomicUsize,
}

impl HttpClient for Listening {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        Box::pin(async move {
            let answer = self.client.send(request).await?;
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            let token = |name: &str| {
                let value = text.split_once(&format!("\"{name}\":\""))?.1;
                value.split_once('"').map(|(token, _)| token.len())
            };
            if let (Some(access), Some(refresh), Some(id)) =
                (token("access_token"), token("refresh_token"), token("id_token"))
            {
                self.access_token.store(access, Relaxed);
                self.tokens.store(access + refresh + id, Relaxed);
            }
            Ok(answer)
        })
    }
}
