//! Many concurrent requests, and requests that are dropped: one call to the provider, no session is
//! lost, and no token reaches another person.
//!
//! The provider rotates refresh tokens, and revokes the grant if one is used twice. A token that
//! can still be refreshed afterwards shows that no refresh token was sent twice or lost.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header::COOKIE},
    routing::get,
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Semaphore, task::JoinSet};
use tower::ServiceExt as _;
use tower_identity::{
    IdentityLayer, Tokens,
    dev::{AccessTokenFormat, DevPerson, Endpoint},
};
use tower_sessions_memory_store::MemoryStore;

use crate::{
    app::{App, routes},
    raw::Raw,
    stores::Watched,
};

const SCOPES: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
/// A time after the end of the access token and before the end of the ID token.
const TOKEN_IS_OVER: u64 = 3400;
/// A time after the end of both.
const BOTH_ARE_OVER: u64 = 3600 + 300;
/// Number of concurrent requests that wait for the provider, each with a socket of its own.
const AT_ONCE: usize = 200;

/// The application, also as a service that is called in this process: a thousand concurrent
/// requests need no connections.
struct Crowd {
    app: App,
    service: Router,
}

impl Crowd {
    async fn new(store: impl FnOnce(IdentityLayer) -> IdentityLayer) -> Self {
        let mut kept = None;
        let layer = |layer: IdentityLayer| kept.insert(store(layer)).clone();
        let provider = |provider: tower_identity::dev::DevProviderBuilder| {
            provider.with_access_token_format(AccessTokenFormat::Jwt)
        };
        let scopes = ["offline_access"].into_iter().chain(SCOPES);
        let app = App::builder()
            .provider(provider)
            .config(|config| config.with_scopes(scopes))
            .layer(layer)
            .router(|router| router.merge(careless()))
            .start()
            .await;
        let service = routes().merge(careless()).layer(kept.unwrap());
        Self { app, service }
    }

    async fn sign_in(&self, person: &str) -> String {
        self.app.provider.sign_in_as(person).unwrap();
        Raw::of(&self.app).sign_in().await
    }

    fn request(
        &self,
        path: &str,
        session: &str,
    ) -> impl Future<Output = (StatusCode, String)> + Send + use<> {
        let request = Request::get(path).header(COOKIE, session).body(Body::empty()).unwrap();
        let service = self.service.clone();
        async move {
            let answer = service.oneshot(request).await.unwrap();
            let status = answer.status();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    /// The source of the token, if the request succeeds.
    async fn source(&self, session: &str) -> String {
        let (status, body) = self.request("/token?scope=s1", session).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["source"].as_str().unwrap().to_owned()
    }

    fn token_requests(&self) -> u64 {
        self.app.provider.requests(Endpoint::Token)
    }
}

/// Handlers that get a token and then fail.
fn careless() -> Router {
    Router::new()
        .route(
            "/panics",
            get(async |tokens: Tokens| -> StatusCode {
                panic!("{:?}", tokens.for_user(["s1"]).await.is_ok())
            }),
        )
        .route(
            "/fails",
            get(async |tokens: Tokens| {
                tokens.for_user(["s1"]).await.map(|_| StatusCode::INTERNAL_SERVER_ERROR)
            }),
        )
}

fn in_process(layer: IdentityLayer) -> IdentityLayer {
    layer
}

fn memory(layer: IdentityLayer) -> IdentityLayer {
    layer.with_store(MemoryStore::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_with_one_expired_token_are_one_request_at_the_provider() {
    for store in [in_process, memory] {
        let crowd = Crowd::new(store).await;
        let session = crowd.sign_in("ada").await;
        let mut calls = 1;
        for later in [BOTH_ARE_OVER, TOKEN_IS_OVER, BOTH_ARE_OVER] {
            crowd.app.turn(later);
            let mut requests = JoinSet::new();
            for number in 0..1000 {
                requests
                    .spawn(crowd.request(if number % 2 == 0 { "/token" } else { "/me" }, &session));
            }
            let mut tokens = std::collections::HashSet::new();
            for (status, body) in requests.join_all().await {
                assert_eq!(status, StatusCode::OK, "{body}");
                let body: Value = serde_json::from_str(&body).unwrap();
                tokens.extend(body["token"].as_str().map(str::to_owned));
            }
            calls += 1;
            assert_eq!((crowd.token_requests(), tokens.len()), (calls, 1), "after {later} s");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_scopes_of_one_session_wait_and_use_the_successor() {
    let crowd = Crowd::new(in_process).await;
    let session = crowd.sign_in("ada").await;
    crowd.app.turn(TOKEN_IS_OVER);
    let pairs = || (0..SCOPES.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let mut requests = JoinSet::new();
    for (one, other) in pairs() {
        // In both orders, which are the same request.
        for (one, other) in [(one, other), (other, one)] {
            requests.spawn(crowd.request(&format!("/token?scope=s{one}+s{other}"), &session));
        }
    }
    for (status, body) in requests.join_all().await {
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    assert_eq!(
        crowd.token_requests(),
        1 + 45,
        "more than may wait for their turn at the same time"
    );
    crowd.app.turn(BOTH_ARE_OVER);
    assert_eq!(
        crowd.request("/me", &session).await.0,
        StatusCode::OK,
        "the refresh token was never used twice"
    );
}

// C-443: client drops the callback request mid-way
/// The caller is dropped.
#[tokio::test]
async fn what_a_caller_that_goes_away_waited_for_is_kept() {
    for store in [in_process, memory] {
        let crowd = Crowd::new(store).await;
        let session = crowd.sign_in("ada").await;
        crowd.app.turn(TOKEN_IS_OVER);
        let mut hold = crowd.app.provider.hold_next(Endpoint::Token);
        let caller = tokio::spawn(crowd.request("/token?scope=s1", &session));
        hold.arrived().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        hold.release();
        // It waits for the same flight, or comes after it.
        assert!(["cache", "provider"].contains(&&*crowd.source(&session).await));
        assert_eq!(crowd.source(&session).await, "cache");
        assert_eq!(crowd.token_requests(), 2);
    }
}

// C-443: client drops the callback request mid-way
/// The handler panics or fails after it has got the token.
#[tokio::test]
async fn what_a_handler_that_failed_obtained_is_kept() {
    for store in [in_process, memory] {
        for path in ["/panics", "/fails"] {
            let crowd = Crowd::new(store).await;
            let session = crowd.sign_in("ada").await;
            crowd.app.turn(TOKEN_IS_OVER);
            match tokio::spawn(crowd.request(path, &session)).await {
                Ok((status, _)) => {
                    assert_eq!((status, path), (StatusCode::INTERNAL_SERVER_ERROR, "/fails"))
                }
                Err(error) => assert!(error.is_panic() && path == "/panics"),
            }
            assert_eq!(crowd.token_requests(), 2);
            assert_eq!(crowd.source(&session).await, "cache", "{path}");
            assert_eq!(crowd.token_requests(), 2);
        }
    }
}

// C-443: client drops the callback request mid-way
/// The connection is closed.
#[tokio::test]
async fn what_a_closed_connection_waited_for_is_kept() {
    let crowd = Crowd::new(in_process).await;
    let session = crowd.sign_in("ada").await;
    crowd.app.turn(TOKEN_IS_OVER);
    let mut hold = crowd.app.provider.hold_next(Endpoint::Token);
    let mut connection =
        TcpStream::connect(crowd.app.url.trim_start_matches("http://")).await.unwrap();
    let request =
        format!("GET /token?scope=s1 HTTP/1.1\r\nhost: localhost\r\ncookie: {session}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    hold.arrived().await;
    drop(connection);
    hold.release();
    assert!(["cache", "provider"].contains(&&*crowd.source(&session).await));
    assert_eq!(crowd.source(&session).await, "cache");
    assert_eq!(crowd.token_requests(), 2);
}

// C-249: logout ends while a refresh is running
// MSAL-070: Account removed while a refresh is in flight; the refresh ends
#[tokio::test]
async fn a_sign_out_during_a_refresh_is_final() {
    let store = Watched::default();
    let kept = store.clone();
    for (store, rows) in [(None, None), (Some(kept), Some(&store))] {
        let crowd = Crowd::new(|layer| match store {
            Some(store) => layer.with_store(store).unwrap(),
            None => layer,
        })
        .await;
        let session = crowd.sign_in("ada").await;
        crowd.app.turn(TOKEN_IS_OVER);
        let mut hold = crowd.app.provider.hold_next(Endpoint::Token);
        let caller = tokio::spawn(crowd.request("/token?scope=s1", &session));
        hold.arrived().await;
        let raw = Raw::of(&crowd.app);
        let headers = [("origin", crowd.app.url.as_str())];
        assert!(
            raw.send(Method::POST, "/auth/logout", &session, &headers, "")
                .await
                .status
                .is_redirection()
        );
        hold.release();
        let (status, body) = caller.await.unwrap();
        assert_ne!(status, StatusCode::OK, "{body}");
        assert_eq!(raw.who(&session).await, "nobody");
        assert_eq!(crowd.request("/token?scope=s1", &session).await.0, StatusCode::UNAUTHORIZED);
        if let Some(store) = rows {
            assert_eq!(store.rows().await, 0, "nothing of it is left");
        }
    }
}

/// Security rule 13 (CVE-2024-51987, CVE-2025-67490): concurrent requests of many people, each for
/// tokens of their own.
async fn no_token_crosses(store: fn(IdentityLayer) -> IdentityLayer, people: usize) {
    /// Each asks for two sets of scopes, both twice.
    const EACH: usize = 4;
    let crowd = Crowd::new(store).await;
    let mut sessions = Vec::new();
    for number in 0..people {
        let person = DevPerson::new(format!("person{number}"), format!("Person {number}"))
            .with_subject(format!("subject-{number}"));
        crowd.app.provider.add_person(person);
        sessions.push(crowd.sign_in(&format!("person{number}")).await);
    }
    crowd.app.turn(TOKEN_IS_OVER);
    let (places, mut requests) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for index in 0..people * EACH {
        // 7,919 is prime: this visits every pair of a person and a request once, in an order that
        // has nothing to do with either.
        let (person, which) = (index * 7919 % (people * EACH) / EACH, index * 7919 % EACH % 2);
        let scopes = [person % 10, (person / 10 + which) % 10].map(|number| SCOPES[number]);
        let request =
            crowd.request(&format!("/token?scope={}", scopes.join("+")), &sessions[person]);
        let places = places.clone();
        requests.spawn(async move {
            let _place = places.acquire().await.unwrap();
            (person, scopes, request.await)
        });
    }
    let mut whose = HashMap::new();
    for (person, scopes, (status, body)) in requests.join_all().await {
        assert_eq!(status, StatusCode::OK, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let token = answer["token"].as_str().unwrap();
        let payload =
            base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["sub"], format!("subject-{person}"), "somebody else's token");
        let granted: Vec<&str> = claims["scope"].as_str().unwrap().split(' ').collect();
        assert!(scopes.iter().all(|scope| granted.contains(scope)), "{granted:?} for {scopes:?}");
        assert_eq!(*whose.entry(token.to_owned()).or_insert(person), person);
    }
    let tokens_of_each = |person: usize| whose.values().filter(|owner| **owner == person).count();
    assert!(
        (0..people).step_by(17).all(|person| (1..=2).contains(&tokens_of_each(person))),
        "each request is asked once"
    );
    let asked = crowd.token_requests();
    assert!(asked <= (3 * people) as u64, "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_people_at_once_get_their_own_tokens_from_the_default_store() {
    no_token_crosses(in_process, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_people_at_once_get_their_own_tokens_from_a_shared_store() {
    no_token_crosses(memory, 250).await;
}
