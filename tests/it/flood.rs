//! Abandoned sign-ins at a provider that does not respond: the number of requests to it is bounded,
//! and other people can still sign in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{Router, body::Body, http::StatusCode};
use bytes::Bytes;
use http::Request;
use tokio::{sync::Semaphore, task::JoinSet};
use tower::ServiceExt as _;
use tower_identity::{
    ErrorKind, HttpClient, HttpFuture, IdentityService, ReqwestClient, SignInOptions, WebAuth,
    WebSession, config::SignInMethod, dev::Endpoint,
};

use crate::{
    app::{App, until, with_service},
    raw::{Begun, NAVIGATION, Raw},
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

impl Held {
    fn new() -> Self {
        Self(Arc::new(State {
            inner: ReqwestClient::new(),
            gate: Semaphore::new(1),
            inside: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
        }))
    }
}

/// An application with such a client, at whose provider a user is signed in, and its service.
async fn app() -> (App, Held, IdentityService<Router>) {
    let held = Held::new();
    let (app, service) = with_service(|layer| layer.with_http_client(held.clone())).await;
    (app, held, service)
}

/// The URL of a response to this sign-in with a code that the provider did not issue.
fn forged(app: &App, begun: &Begun) -> String {
    let answer = [("code", "none"), ("state", &begun.state()), ("iss", app.provider.issuer())];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    format!("/auth/callback?{query}")
}

/// The request of a browser that is sent there.
fn callback(url: &str, begun: &Begun) -> Request<Body> {
    let mut request = Request::get(url);
    for (name, value) in NAVIGATION.iter().copied().chain([("cookie", begun.attempt.as_str())]) {
        request = request.header(name, value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn strangers_with_codes_that_are_none_take_a_bounded_number_of_connections() {
    const STRANGERS: usize = 150;
    const MOST: usize = 64;
    let (app, held, service) = app().await;
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(3600 + 300);
    let shut = held.0.gate.acquire().await.unwrap();

    let mut callers = JoinSet::new();
    for _ in 0..STRANGERS {
        let begun = raw.begin("/me", "").await;
        callers.spawn(service.clone().oneshot(callback(&forged(&app, &begun), &begun)));
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

/// The code was not sent, so the same response completes the sign-in later, as the page says.
#[tokio::test]
async fn a_sign_in_that_finds_too_many_others_goes_on_when_its_page_is_loaded_again() {
    let (app, held, service) = app().await;
    let raw = Raw::of(&app);
    let shut = held.0.gate.acquire().await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let begun = raw.begin("/me", "").await;
        callers.spawn(service.clone().oneshot(callback(&forged(&app, &begun), &begun)));
    }
    until(|| held.0.inside.load(SeqCst) == 64).await;

    let begun = raw.begin("/other", "").await;
    let own = raw.answer(&begun).await;
    // The wait for a permit ends as soon as nothing else happens.
    tokio::time::pause();
    let busy = service.clone().oneshot(callback(&own, &begun)).await.unwrap();
    tokio::time::resume();
    assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!busy.headers().contains_key("set-cookie"), "the attempt is kept");
    callers.shutdown().await;
    drop(shut);
    let asked = app.provider.requests(Endpoint::Authorization);
    let answer = raw.open(&own, &begun.attempt).await;
    assert_eq!((answer.location(), answer.session().is_some()), ("/other", true));
    assert_eq!(app.provider.requests(Endpoint::Authorization), asked);
}

/// The same with a session that the application keeps.
#[tokio::test]
async fn a_value_keeps_its_sign_in_while_there_are_too_many_others() {
    let (app, held) = (App::start().await, Held::new());
    app.provider.sign_in_as("ada").unwrap();
    let config = App::settings(&app.provider, &app.url).build().unwrap();
    let auth = WebAuth::builder(config)
        .with_clock(app.clock.clone())
        .with_http_client(held.clone())
        .build()
        .unwrap();
    let shut = held.0.gate.acquire().await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let (mut session, auth) = (WebSession::new(), auth.clone());
        let begun = auth.sign_in(&mut session, "/", &SignInOptions::new()).await.unwrap();
        let begun = Begun { attempt: String::new(), provider: begun.url };
        let forged = forged(&app, &begun);
        callers.spawn(async move {
            let query = forged.split_once('?').unwrap().1;
            auth.complete_sign_in(&mut session, query).await.map(drop)
        });
    }
    until(|| held.0.inside.load(SeqCst) == 64).await;

    let mut session = WebSession::new();
    let begun = auth.sign_in(&mut session, "/other", &SignInOptions::new()).await.unwrap();
    let begun = Begun { attempt: String::new(), provider: begun.url };
    let own = Raw::of(&app).answer(&begun).await;
    let query = own.split_once('?').unwrap().1;
    let before = session.clone();
    tokio::time::pause();
    let error = auth.complete_sign_in(&mut session, query).await.unwrap_err();
    tokio::time::resume();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(session, before);
    callers.shutdown().await;
    drop(shut);
    let done = auth.complete_sign_in(&mut session, query).await.unwrap();
    assert_eq!(done.url(), "/other");
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
