//! Step-up: a handler requires a recent sign-in, or another one.

use std::time::Duration;

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tower_identity::{
    Challenge, Clock, ManualClock, SignInOptions, User,
    dev::{Endpoint, Spoil, SpoilCallback},
};

use crate::{app::App, browser::Tab, raw::Raw};

/// A page that requires a sign-in within the last minute.
async fn recent(clock: ManualClock, user: User, request: Request) -> Response {
    let signed_in = user.claim("auth_time").and_then(serde_json::Value::as_i64).unwrap_or(0);
    if clock.now().as_seconds() - signed_in <= 60 {
        return format!("as {}", user.display_name()).into_response();
    }
    let options = SignInOptions::new().with_max_age(Duration::from_secs(60));
    Challenge::sign_in(&request).with_options(options).into_response()
}

/// The application, and a tab in which Ada signed in five minutes ago.
async fn five_minutes_later() -> (App, Tab) {
    // The handler's clock is the application's, which is made with it.
    let clock = ManualClock::at_system_time();
    let handlers = clock.clone();
    let app = App::builder()
        .router(move |router| {
            router.route(
                "/recent",
                get(move |user: User, request: Request| recent(handlers, user, request)),
            )
        })
        .start()
        .await;
    clock.set(app.clock.now());
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/recent")).await.body, "as Ada Lovelace");
    app.turn(300);
    clock.set(app.clock.now());
    (app, tab)
}

fn session_of(tab: &Tab) -> String {
    let sent = tab.hops[0].cookies.clone().unwrap();
    sent.split("; ").find(|pair| crate::raw::is_session(pair)).unwrap().to_owned()
}

// C-424: route needs acr or fresh auth_time
// C-427: API answers 401 insufficient_user_authentication with acr_values, max_age
#[tokio::test]
async fn a_sign_in_that_is_too_old_is_done_again_and_leads_back() {
    let (app, mut tab) = five_minutes_later().await;
    let page = tab.open(app.at("/recent?q=1")).await;
    assert_eq!((page.body.as_str(), page.url.query()), ("as Ada Lovelace", Some("q=1")));
    assert_eq!(
        app.provider.last_request(Endpoint::Authorization).unwrap().parameter("max_age"),
        Some("60")
    );
    assert_eq!(Raw::of(&app).who(&session_of(&tab)).await, "nobody", "it is a new session");
}

// C-139: prompt=none returns another user than the session's
// C-435: step-up returns another user
/// Security rule 2
#[tokio::test]
async fn another_user_gets_a_session_of_their_own_and_not_the_page() {
    let (app, mut tab) = five_minutes_later().await;
    app.provider.sign_in_as("alan").unwrap();
    let page = tab.open(app.at("/recent?q=1")).await;
    assert_eq!((page.url.path(), page.body.as_str()), ("/", "hello Alan Turing"));
    assert_eq!(Raw::of(&app).who(&session_of(&tab)).await, "nobody");
    let token = tab.open(app.at("/token")).await.json();
    assert_eq!(token["source"], "sign_in");
}

/// D8: the person declines, and nothing is stored.
#[tokio::test]
async fn a_user_who_declines_a_step_up_stays_signed_in() {
    let (app, mut tab) = five_minutes_later().await;
    app.provider.spoil_next_callback(SpoilCallback::AccessDenied);
    let page = tab.open(app.at("/recent")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("access_denied"), "{}", page.body);
    assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

// C-428: returned ID token still has a weaker acr or old auth_time
/// The provider does not ask the person again.
#[tokio::test]
async fn a_provider_that_gives_less_is_refused_and_the_session_stays() {
    let (app, mut tab) = five_minutes_later().await;
    app.provider.spoil_next_id_token(Spoil::AuthTimeOld);
    let page = tab.open(app.at("/recent")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("token_auth_time"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
    assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
}

/// A script gets the sign-in URL. Its page navigates there and returns to itself.
#[tokio::test]
async fn a_script_gets_a_problem_document_and_no_redirect() {
    let (app, mut tab) = five_minutes_later().await;
    tab.open(app.at("/public/page")).await;
    let answer = tab.fetch(axum::http::Method::GET, "/recent").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["sign_in"], "/auth/login?return_to=%2Fpublic%2Fpage");
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}
