//! Calls to an API from inside the application: who gets the token, and what becomes of the API's challenge.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_identity::{
    Error, ErrorKind, HttpClient as _, ReqwestClient, Tokens,
    dev::{Endpoint, Failure},
    outgoing::{Api, ApiClient, AuthorizeError, AuthorizeLayer},
};

use crate::app::App;

/// An API that notes the `Authorization` of each call, and answers what a test wants.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Option<String>>>>);

const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;

impl Notes {
    fn authorizations(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }
}

async fn api(State(notes): State<Notes>, uri: Uri, headers: HeaderMap) -> Response {
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let calls = {
        let mut notes = notes.0.lock().unwrap();
        notes.push(authorization.clone());
        notes.len()
    };
    let challenge = |claims: &str| {
        let header = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
        (StatusCode::UNAUTHORIZED, [("www-authenticate", header)]).into_response()
    };
    match uri.path() {
        "/stronger" if calls == 1 => challenge(&base64_simd::STANDARD.encode_to_string(CLAIMS)),
        "/never" => challenge(&base64_simd::STANDARD.encode_to_string(CLAIMS)),
        "/broken" => challenge("not base64"),
        "/plain" => StatusCode::UNAUTHORIZED.into_response(),
        "/elsewhere" => (StatusCode::FOUND, [("location", format!("http://127.0.0.2:{}/x", 9))]).into_response(),
        _ => authorization.unwrap_or_default().into_response(),
    }
}

struct Served {
    origin: String,
    notes: Notes,
    server: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve() -> Served {
    let notes = Notes::default();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(api).with_state(notes.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Served { origin, notes, server }
}

/// The application with a page `/call/…` that asks the API for the rest of its path.
async fn app(served: &Served) -> App {
    let client = ApiClient::new(Api::at(&served.origin, [""; 0]).unwrap());
    let call = async move |tokens: Tokens, uri: Uri| -> Result<(StatusCode, String), Error> {
        let answer = client.get(&tokens, uri.path().strip_prefix("/call").unwrap()).await?;
        Ok((answer.status(), String::from_utf8(answer.body().to_vec()).unwrap()))
    };
    App::with_routes(|router| router.route("/call/{path}", get(call))).await
}

#[tokio::test]
async fn the_api_gets_the_token_of_the_person() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    let token = tab.open(app.at("/token")).await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(tab.open(app.at("/call/me")).await.body, format!("Bearer {token}"));
}

/// MSAL-067: past the cache, with the claims, once
#[tokio::test]
async fn a_claims_challenge_is_answered_with_another_token_once() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/call/stronger")).await;
    assert_eq!(page.status, StatusCode::OK);
    let [Some(first), Some(second)] = &served.notes.authorizations()[..] else { panic!() };
    assert_ne!(first, second);
    let asked = app.provider.last_request(Endpoint::Token).unwrap();
    assert_eq!((asked.parameter("grant_type"), asked.parameter("claims")), (Some("refresh_token"), Some(CLAIMS)));

    let calls = served.notes.authorizations().len();
    assert_eq!(tab.fetch(Method::GET, "/call/never").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(served.notes.authorizations().len(), calls + 2, "sent twice, and then it is the caller's");
}

/// C-432, C-433
#[tokio::test]
async fn a_401_without_readable_claims_is_passed_on() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    for path in ["/call/plain", "/call/broken"] {
        assert_eq!(tab.fetch(Method::GET, path).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!((served.notes.authorizations().len(), app.provider.requests(Endpoint::Token)), (2, 1));
}

/// The provider wants to see the person before it gives such a token: the page is there afterwards.
#[tokio::test]
async fn claims_that_need_the_person_become_a_sign_in() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("interaction_required".into()));
    let page = tab.open(app.at("/call/stronger")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/call/stronger"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// C-389
#[tokio::test]
async fn a_token_goes_to_no_other_origin() {
    let (served, other) = (serve().await, serve().await);
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.fetch(Method::GET, "/call/elsewhere").await.status, StatusCode::FOUND, "not followed");

    // The layer lets requests for others pass, as they are.
    let tokens = Arc::new(Mutex::new(None));
    let keep = tokens.clone();
    let catch = async move |own: Tokens| {
        *keep.lock().unwrap() = Some(own);
    };
    let app = App::with_routes(|router| router.route("/catch", get(catch))).await;
    app.signed_in().await.open(app.at("/catch")).await;
    let tokens = tokens.lock().unwrap().take().unwrap();
    let http = ReqwestClient::new();
    let inner = tower::service_fn(move |request| {
        let http = http.clone();
        async move { http.send(request).await }
    });
    let api = Api::at(&served.origin, [""; 0]).unwrap();
    let mut service = AuthorizeLayer::new(api.clone(), tokens.clone()).layer(inner.clone());
    for (origin, authorized) in [(&served.origin, true), (&other.origin, false)] {
        let request = http::Request::get(format!("{origin}/x")).body(bytes::Bytes::new()).unwrap();
        let answer = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(answer.body().starts_with(b"Bearer "), authorized, "{origin}");
    }
    let request = http::Request::get(format!("{}/x", other.origin)).body(bytes::Bytes::new()).unwrap();
    let error = ApiClient::new(api.clone()).send(&tokens, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestInvalid);
    assert_eq!(other.notes.authorizations(), [None]);

    // The layer answers a challenge, too, and says when there is no token.
    let request = |path: &str| http::Request::get(format!("{}{path}", served.origin)).body(bytes::Bytes::new()).unwrap();
    let calls = served.notes.authorizations().len();
    assert_eq!(service.ready().await.unwrap().call(request("/never")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(served.notes.authorizations().len(), calls + 2);
    app.turn(3600 + 300);
    app.provider.fail_next(Endpoint::Token, 9, Failure::OAuthError("interaction_required".into()));
    let refused = service.ready().await.unwrap().call(request("/x")).await;
    assert!(matches!(refused, Err(AuthorizeError::Token(error)) if error.kind() == ErrorKind::InteractionRequired));
}

#[tokio::test]
async fn an_api_that_is_down_is_an_error_of_its_own() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    served.server.abort();
    while tokio::net::TcpStream::connect(served.origin.strip_prefix("http://").unwrap()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let answer = tab.fetch(Method::GET, "/call/me").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (StatusCode::SERVICE_UNAVAILABLE, &"api_unreachable".into()));
}
