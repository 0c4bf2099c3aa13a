//! Calls from the application to an API: which hosts get the token, and how a challenge of the API
//! is answered.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    response::{AppendHeaders, IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_identity::{
    Error, ErrorKind, HttpClient as _, ReqwestClient, Tokens,
    dev::{Endpoint, Failure, Spoil},
    outgoing::{Api, ApiClient, AuthorizeError, AuthorizeLayer},
};

use crate::app::App;

/// An API that records the `Authorization` of each call, and responds as the test says.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Option<String>>>>);

const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;

impl Notes {
    fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    fn authorizations(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }
}

async fn api(State(notes): State<Notes>, uri: Uri, headers: HeaderMap) -> Response {
    let authorization =
        headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let (calls, is_first) = {
        let mut notes = notes.0.lock().unwrap();
        notes.push(authorization.clone());
        (notes.len(), notes[0] == authorization)
    };
    let insufficient = |wanted: &str| {
        let header = format!(
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"müde, \\\"alt\\\"\", {wanted}"
        );
        let header = HeaderValue::from_bytes(header.as_bytes()).unwrap();
        let several = [HeaderValue::from_static("Negotiate"), header]
            .map(|header| ("www-authenticate", header));
        (StatusCode::UNAUTHORIZED, AppendHeaders(several)).into_response()
    };
    let challenge = |claims: &str| {
        let header = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
        (StatusCode::UNAUTHORIZED, [("www-authenticate", header)]).into_response()
    };
    match uri.path() {
        "/stronger" if calls == 1 => challenge(&base64_simd::STANDARD.encode_to_string(CLAIMS)),
        "/never" => challenge(&base64_simd::STANDARD.encode_to_string(CLAIMS)),
        "/broken" => challenge("not base64"),
        // As a resource server of RFC 9470: it does not take the first token that it sees, and then
        // those of another sign-in.
        "/strong" if is_first => insufficient(r#"acr_values="phr phrh", max_age="60""#),
        "/weak" => insufficient(r#"acr_values="phr phrh", max_age="soon""#),
        "/plain" => StatusCode::UNAUTHORIZED.into_response(),
        "/elsewhere" => {
            (StatusCode::FOUND, [("location", format!("http://127.0.0.2:{}/x", 9))]).into_response()
        }
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

/// The application with a page `/call/…` that calls the API with the rest of the path.
async fn app(served: &Served) -> App {
    let client = ApiClient::new(Api::at(&served.origin, [""; 0]).unwrap());
    let call = async move |tokens: Tokens, uri: Uri| -> Result<(StatusCode, String), Error> {
        let answer = client.get(&tokens, uri.path().strip_prefix("/call").unwrap()).await?;
        Ok((answer.status(), String::from_utf8(answer.body().to_vec()).unwrap()))
    };
    App::builder().router(|router| router.route("/call/{path}", get(call))).start().await
}

#[tokio::test]
async fn the_api_gets_the_token_of_the_person() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    let token = tab.open(app.at("/token")).await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(tab.open(app.at("/call/me")).await.body, format!("Bearer {token}"));
}

// MSAL-067: Valid cached token; silent call with claims challenge or force_refresh
/// The call is repeated once, with a token that was requested with the claims challenge.
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
    assert_eq!(
        (asked.parameter("grant_type"), asked.parameter("claims")),
        (Some("refresh_token"), Some(CLAIMS))
    );

    let calls = served.notes.authorizations().len();
    assert_eq!(tab.fetch(Method::GET, "/call/never").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        served.notes.authorizations().len(),
        calls + 2,
        "sent twice, and then it is the caller's"
    );
}

// C-432: 401 without claims
// C-433: claims value not base64 or not JSON
#[tokio::test]
async fn a_401_without_readable_claims_is_passed_on() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    for path in ["/call/plain", "/call/broken"] {
        assert_eq!(tab.fetch(Method::GET, path).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        (served.notes.authorizations().len(), app.provider.requests(Endpoint::Token)),
        (2, 1)
    );
}

/// The provider requires another sign-in before it issues such a token. Afterwards the page is
/// shown.
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

// C-427: API answers 401 insufficient_user_authentication with acr_values, max_age
#[tokio::test]
async fn an_api_that_wants_a_stronger_sign_in_gets_one() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/public/page")).await;
    let problem = tab.fetch(Method::GET, "/call/strong?x=1").await.clone();
    assert_eq!(problem.status, StatusCode::UNAUTHORIZED);
    let problem = problem.json();
    assert_eq!(
        (&problem["kind"], &problem["max_age"]),
        (&"insufficient_user_authentication".into(), &60.into()),
        "{problem}"
    );
    assert_eq!(problem["acr_values"], serde_json::json!(["phr", "phrh"]));
    let page = tab.open(app.at("/call/strong?x=1")).await;
    assert_eq!(
        (page.status, page.url.path(), page.url.query()),
        (StatusCode::OK, "/call/strong", Some("x=1")),
        "{}",
        page.body
    );
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(
        (asked.parameter("acr_values"), asked.parameter("max_age")),
        (Some("phr phrh"), Some("60"))
    );
    assert_eq!(
        (app.provider.requests(Endpoint::Authorization), served.notes.authorizations().len()),
        (2, 3)
    );
}

// C-428: returned ID token still has a weaker acr or old auth_time
/// One sign-in, then 403, for navigations and for scripts. The session continues.
#[tokio::test]
async fn an_api_that_still_wants_more_ends_in_403() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/call/weak")).await;
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::FORBIDDEN, "/call/weak"),
        "{}",
        page.body
    );
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(
        (asked.parameter("acr_values"), asked.parameter("max_age")),
        (Some("phr phrh"), None)
    );
    tab.open(app.at("/call/weak")).await;
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);

    // A sign-in that was not done again is refused when it comes back.
    app.provider.spoil_next_id_token(Spoil::AuthTimeOld);
    served.notes.forget();
    let page = tab.open(app.at("/call/strong")).await;
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::FORBIDDEN, "/auth/callback"),
        "{}",
        page.body
    );
    assert!(page.body.contains("token_auth_time"), "{}", page.body);
    // And one that the provider says it cannot do.
    app.turn(61);
    app.provider.refuse_next_sign_in("unmet_authentication_requirements", "no such level");
    served.notes.forget();
    let page = tab.open(app.at("/call/strong")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "C-430: {}", page.body);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}

// C-435: step-up returns another user
#[tokio::test]
async fn a_stronger_sign_in_of_another_user_does_not_lead_to_the_page() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    app.provider.sign_in_as("alan").unwrap();
    let page = tab.open(app.at("/call/strong")).await;
    assert_eq!((page.url.path(), page.body.as_str()), ("/", "hello Alan Turing"));
    assert_eq!(served.notes.authorizations().len(), 1);
}

/// An application cannot sign in interactively: its caller gets the response of the API.
#[tokio::test]
async fn the_applications_own_token_is_as_strong_as_it_is() {
    let served = serve().await;
    let client = ApiClient::new(Api::at(&served.origin, ["api://tasks/.default"]).unwrap());
    let call = async move |tokens: Tokens| -> Result<StatusCode, Error> {
        Ok(client.get(&tokens.app_tokens(), "/weak").await?.status())
    };
    let app = App::builder().router(|router| router.route("/app-calls", get(call))).start().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/app-calls")).await;
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::UNAUTHORIZED, "/app-calls"),
        "{}",
        page.body
    );
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

// C-389: API base URL from user input, or the API redirects to another host
#[tokio::test]
async fn a_token_goes_to_no_other_origin() {
    let (served, other) = (serve().await, serve().await);
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    assert_eq!(
        tab.fetch(Method::GET, "/call/elsewhere").await.status,
        StatusCode::FOUND,
        "not followed"
    );

    // The layer lets requests for others pass, as they are.
    let tokens = Arc::new(Mutex::new(None));
    let keep = tokens.clone();
    let catch = async move |own: Tokens| {
        *keep.lock().unwrap() = Some(own);
    };
    let app = App::builder().router(|router| router.route("/catch", get(catch))).start().await;
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
    let request =
        http::Request::get(format!("{}/x", other.origin)).body(bytes::Bytes::new()).unwrap();
    let error = ApiClient::new(api.clone()).send(&tokens, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestInvalid);
    assert_eq!(other.notes.authorizations(), [None]);

    // The layer answers a challenge, too, and says when there is no token.
    let request = |path: &str| {
        http::Request::get(format!("{}{path}", served.origin)).body(bytes::Bytes::new()).unwrap()
    };
    let calls = served.notes.authorizations().len();
    assert_eq!(
        service.ready().await.unwrap().call(request("/never")).await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(served.notes.authorizations().len(), calls + 2);
    app.turn(3600 + 300);
    app.provider.fail_next(Endpoint::Token, 9, Failure::OAuthError("interaction_required".into()));
    let refused = service.ready().await.unwrap().call(request("/x")).await;
    let Err(AuthorizeError::Token(error)) = refused else { panic!("it was sent") };
    assert_eq!(error.kind(), ErrorKind::InteractionRequired);
}

#[tokio::test]
async fn an_api_that_is_down_is_an_error_of_its_own() {
    let served = serve().await;
    let app = app(&served).await;
    let mut tab = app.signed_in().await;
    served.server.abort();
    while tokio::net::TcpStream::connect(served.origin.strip_prefix("http://").unwrap())
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    let answer = tab.fetch(Method::GET, "/call/me").await;
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"api_unreachable".into())
    );
}
