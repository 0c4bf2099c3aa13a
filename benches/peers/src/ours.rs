//! Ours, through the public door only: one sign-in at the development provider, then requests with
//! the cookie that it gave.

use std::time::Duration;

use axum::{
    Extension, Router,
    body::Body,
    http::{
        HeaderValue, Request,
        header::{COOKIE, SET_COOKIE},
    },
    routing::get,
};
use tower::{Layer, ServiceExt};
use tower_identity::{
    Authority, ClientCredential, Clock, IdentityConfig, IdentityLayer, IdentityService,
    ManualClock, TokenSource, User, client::TokenRequest,
};
use tower_sessions::MemoryStore;

use crate::{
    app::{Fallible, PATH, Runner},
    browser,
    person::{CLAIMS, NAME},
    provider::{BASE_URL, CLIENT_ID, CLIENT_SECRET, TOKEN_LIFE},
    subject::{Store, Wanted},
};

/// How many opened sessions the layer remembers.
const REMEMBERED: u64 = 10_000;
/// A ticket is rolled when it is as old as this.
const ROLLED_AFTER: Duration = Duration::from_secs(300);
/// A scope of which the cache has a token of its own.
const FETCHED: &str = "mail.read";
/// Another one, which only the token of the sign-in carries.
pub const OF_SIGN_IN: &str = "mail.send";

/// The `Cookie` header of somebody who is signed in.
pub async fn cookie(issuer: &str) -> Fallible<HeaderValue> {
    sign_in(&layer(config(issuer)?)?).await
}

/// With the default store, on every route.
pub async fn signed_in(issuer: &str) -> Fallible<Runner> {
    routed(layer(config(issuer)?)?).await
}

/// With the default store, on every route; the cookie stands behind 16 KiB of something else, as
/// large as servers accept headers. In front of it nothing else would be looked at.
pub async fn flooded(issuer: &str, filling: &str) -> Fallible<Runner> {
    let layer = layer(config(issuer)?)?;
    let cookie = sign_in(&layer).await?;
    let header = format!("{}; {}", filling.repeat(16 * 1024 / filling.len()), cookie.to_str()?);
    Ok(Runner::new(router().layer(layer), Some(HeaderValue::from_str(&header)?)))
}

/// With the default store, once around the finished router.
pub async fn signed_in_wrapped(issuer: &str) -> Fallible<Runner> {
    let (application, cookie) = wrapped(layer(config(issuer)?)?).await?;
    Ok(Runner::new(application, Some(cookie)))
}

/// The application with the layer once around it, and the `Cookie` header of a signed-in person.
pub async fn wrapped(layer: IdentityLayer) -> Fallible<(IdentityService<Router>, HeaderValue)> {
    let cookie = sign_in(&layer).await?;
    Ok((layer.layer(router()), cookie))
}

/// With tower-sessions' memory store, on every route.
pub async fn memory_store(issuer: &str) -> Fallible<Runner> {
    routed(layer(config(issuer)?)?.with_store(MemoryStore::default())?).await
}

/// With the default store, on every route; no ticket has been seen lately.
///
/// One person's ticket is rolled so often that the layer has long forgotten those that are then
/// used, each of them once: `requests` of them.
pub async fn not_cached(issuer: &str, requests: u64) -> Fallible<Runner> {
    let clock = ManualClock::at_system_time();
    let start = clock.now();
    let config = config(issuer)?.with_idle_timeout(TOKEN_LIFE).with_absolute_timeout(TOKEN_LIFE);
    let layer = layer(config)?.with_clock(clock.clone());
    let mut cookie = sign_in(&layer).await?;
    let application = router().layer(layer);
    let mut tickets = Vec::new();
    for _ in 0..requests + REMEMBERED {
        clock.advance(ROLLED_AFTER);
        let request = Request::get(PATH).header(COOKIE, &cookie).body(Body::empty())?;
        let answer = application.clone().oneshot(request).await?;
        let set = answer.headers().get(SET_COOKIE).ok_or("the ticket was not rolled")?.to_str()?;
        let rolled = HeaderValue::from_str(set.split(';').next().unwrap_or_default())?;
        tickets.push(std::mem::replace(&mut cookie, rolled));
    }
    tickets.truncate(usize::try_from(requests)?);
    // Back to when none of them was due to be rolled.
    clock.set(start);
    Ok(Runner::with_cookies(application, tickets))
}

/// On every route, with so many tokens in the cache of which each request asks for one.
pub async fn with_token(
    issuer: &str,
    store: Store,
    wanted: Wanted,
    cached: usize,
) -> Fallible<Runner> {
    let layer = layer(config(issuer)?.with_scopes(["offline_access", OF_SIGN_IN, FETCHED]))?;
    let layer = match store {
        Store::Default => layer,
        Store::Memory => layer.with_store(MemoryStore::default())?,
    };
    let cookie = sign_in(&layer).await?;
    fill(&layer, &cookie, cached).await?;
    let (scope, source) = match wanted {
        Wanted::OfSignIn => (OF_SIGN_IN, TokenSource::SignIn),
        Wanted::Fetched => (FETCHED, TokenSource::Cache),
    };
    let answer = move |Extension(user): Extension<User>| async move {
        match user.tokens().for_user([scope]).await {
            Ok(token) if token.source() == source => user.display_name().to_owned(),
            other => format!("{other:?}"),
        }
    };
    Ok(Runner::new(Router::new().route(PATH, get(answer)).layer(layer), Some(cookie)))
}

/// Fetches tokens until there are so many, that of the sign-in among them, and last the one that is
/// asked for.
async fn fill(layer: &IdentityLayer, cookie: &HeaderValue, cached: usize) -> Fallible<()> {
    let fetch = move |Extension(user): Extension<User>| async move {
        for number in (0..cached - 1).rev() {
            let request = TokenRequest::new([FETCHED])?.forced();
            let request = if number == 0 {
                request
            } else {
                request.with_resource(&format!("https://{number}.example"))
            };
            user.tokens().acquire(&request).await?;
        }
        Ok::<_, tower_identity::Error>(NAME)
    };
    let runner = Runner::new(
        Router::new().route(PATH, get(fetch)).layer(layer.clone()),
        Some(cookie.clone()),
    );
    runner.batch(1).await;
    Ok(())
}

/// A public path, on every route.
pub fn public(issuer: &str) -> Fallible<Runner> {
    Ok(Runner::new(public_router().layer(layer(config(issuer)?.add_public_path(PATH))?), None))
}

/// A public path, once around the finished router.
pub fn public_wrapped(issuer: &str) -> Fallible<Runner> {
    Ok(Runner::new(layer(config(issuer)?.add_public_path(PATH))?.layer(public_router()), None))
}

fn router() -> Router {
    Router::new().route(
        PATH,
        get(|Extension(user): Extension<User>| async move { user.display_name().to_owned() }),
    )
}

fn public_router() -> Router {
    Router::new().route(PATH, get(|| async { NAME.to_owned() }))
}

async fn routed(layer: IdentityLayer) -> Fallible<Runner> {
    let (application, cookie) = application(layer).await?;
    Ok(Runner::new(application, Some(cookie)))
}

/// The application under the layer, and the `Cookie` header of a signed-in person.
pub async fn application(layer: IdentityLayer) -> Fallible<(Router, HeaderValue)> {
    let cookie = sign_in(&layer).await?;
    Ok((router().layer(layer), cookie))
}

pub fn config(issuer: &str) -> Fallible<IdentityConfig> {
    Ok(IdentityConfig::new(Authority::oidc(issuer)?, CLIENT_ID)
        .with_credential(ClientCredential::secret(CLIENT_SECRET))
        .with_openid_scopes(["openid", "profile", "email"])
        .with_base_url(BASE_URL)?)
}

pub fn layer(config: IdentityConfig) -> Fallible<IdentityLayer> {
    Ok(IdentityLayer::new(config.build()?))
}

/// Signs in and looks at what that gave. Everything that a layer's clones wrap shares its sessions,
/// so the measured application knows the cookie.
pub async fn sign_in(layer: &IdentityLayer) -> Fallible<HeaderValue> {
    let claims =
        |Extension(user): Extension<User>| async move { user.all_claims().len().to_string() };
    let application = Router::new().route(PATH, get(claims)).layer(layer.clone());
    let cookie = browser::sign_in(&application, PATH).await?;
    let request = Request::get(PATH).header(COOKIE, &cookie).body(Body::empty())?;
    let body = axum::body::to_bytes(application.oneshot(request).await?.into_body(), 1024).await?;
    match body == CLAIMS.to_string() {
        true => Ok(cookie),
        false => Err(format!("{body:?} claims instead of {CLAIMS}").into()),
    }
}
