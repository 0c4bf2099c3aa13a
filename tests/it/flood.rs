//! Abandoned sign-ins at a provider that does not respond: the number of requests to it is bounded,
//! and other people can still sign in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{body::Body, http::StatusCode};
use bytes::Bytes;
use http::Request;
use tokio::{sync::Semaphore, task::JoinSet};
use tower::{Layer as _, ServiceExt as _};
use tower_identity::{HttpClient, HttpFuture, ReqwestClient, config::SignInMethod, dev::Endpoint};

use crate::{
    app::{App, routes},
    raw::{NAVIGATION, Raw},
};

/// An HTTP client that holds back token requests with a code while it is closed.
#[derive(Clone, Debug)]
struct Held(Arc<State>);

#[derive(Debug)]
struct State {
    inner: ReqwestClient,
    gate: Semaphore,
    inside: AtomicUsize,
    seen: AtomicUsize,
}

impl HttpClient for Held {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        Box::pin(async move {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            if body.contains("grant_type=authorization_code") {
                self.0.seen.fetch_add(1, SeqCst);
                self.0.inside.fetch_add(1, SeqCst);
                drop(self.0.gate.acquire().await);
                self.0.inside.fetch_sub(1, SeqCst);
            }
            self.0.inner.send(request).await
        })
    }
}

/// Runs the other tasks until the condition holds.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never is");
}

#[tokio::test]
async fn strangers_with_codes_that_are_none_take_a_bounded_number_of_connections() {
    const STRANGERS: usize = 150;
    const MOST: usize = 64;
    let held = Held(Arc::new(State {
        inner: ReqwestClient::new(),
        gate: Semaphore::new(1),
        inside: AtomicUsize::new(0),
        seen: AtomicUsize::new(0),
    }));
    let mut layer = None;
    let app = App::builder()
        .layer(|made| {
            let made = made.with_http_client(held.clone());
            layer = Some(made.clone());
            made
        })
        .start()
        .await;
    let service = layer.unwrap().layer(routes());
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(3600 + 300);
    let shut = held.0.gate.acquire().await.unwrap();

    let mut callers = JoinSet::new();
    for _ in 0..STRANGERS {
        let begun = raw.begin("/me", "").await;
        let answer = [("code", "none"), ("state", &begun.state()), ("iss", app.provider.issuer())];
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
        let mut request = Request::get(format!("/auth/callback?{query}"));
        for (name, value) in NAVIGATION.iter().copied().chain([("cookie", begun.attempt.as_str())])
        {
            request = request.header(name, value);
        }
        let request: Request<Body> = request.body(Body::empty()).unwrap();
        callers.spawn(service.clone().oneshot(request));
    }
    until(|| held.0.inside.load(SeqCst) == MOST).await;
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(held.0.inside.load(SeqCst), MOST, "the others wait for a permit");

    // Existing sessions get tokens all the same, and pages that need no provider are not affected.
    let page = raw.open("/me", &session).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(raw.who("").await, "nobody");

    // A request that is dropped before its turn takes no connection.
    callers.shutdown().await;
    drop(shut);
    until(|| held.0.inside.load(SeqCst) == 0).await;
    assert_eq!(held.0.seen.load(SeqCst), 1 + MOST);
    raw.sign_in().await;
    assert_eq!(held.0.seen.load(SeqCst), 2 + MOST);
}

#[tokio::test]
async fn strangers_on_the_sign_in_page_get_device_codes_within_a_budget() {
    let app = App::builder()
        .config(|config| config.with_sign_in_method(SignInMethod::DeviceCode))
        .start()
        .await;
    let raw = Raw::of(&app);
    let mut refused = None;
    for _ in 0..150 {
        let answer = raw.open("/auth/login", "").await;
        if !answer.status.is_redirection() {
            refused = Some(answer);
        }
    }
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), 120);
    let refused = refused.unwrap();
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "5")
    );
    assert!(refused.body.contains("busy") && refused.attempt().is_none(), "{}", refused.body);
    app.turn(5);
    assert!(raw.open("/auth/login", "").await.status.is_redirection());
}
