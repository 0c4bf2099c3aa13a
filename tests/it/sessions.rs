//! The lifetime of a session, the rolling of its cookie, and its replacement by a new sign-in.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{Method, StatusCode},
    routing::get,
};
use tokio::sync::Notify;
use tower_identity::{
    User,
    config::SessionEnd,
    dev::{DevClient, Endpoint, RefreshTokens},
};

use crate::{
    app::App,
    browser::Browser,
    raw::{Raw, is_session},
    stores::Watched,
    web_auth::join_all,
};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The `name=value` pair of a browser's session cookie.
fn session_of(browser: &Browser) -> String {
    let cookie = browser
        .cookies("localhost")
        .into_iter()
        .find(|cookie| is_session(&cookie.name))
        .expect("no session cookie");
    format!("{}={}", cookie.name, cookie.value)
}

// C-325: idle and absolute time-out
/// The browser keeps the cookie, and the server ends the session.
#[tokio::test]
async fn a_session_without_requests_ends_after_a_day() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let session = raw.sign_in().await;
    app.turn(DAY - 1);
    assert_eq!(raw.who(&session).await, "hello Ada Lovelace");
    app.turn(1);
    assert_eq!(raw.who(&session).await, "nobody");
    assert!(raw.open("/me", &session).await.location().starts_with(app.provider.issuer()));
}

// C-246: rolling 24 h / absolute 7 d session ends
// C-325: idle and absolute time-out
#[tokio::test]
async fn a_session_in_use_ends_after_seven_days() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    for _ in 0..13 {
        app.turn(DAY / 2);
        assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
    }
    app.turn(DAY / 2 - 1);
    assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
    app.turn(1);
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    // The next protected page signs in again, and takes the dead cookie away on its way there.
    app.provider.show_pages();
    app.provider.sign_everybody_out();
    let page = tab.open(app.at("/me")).await;
    assert!(page.body.contains("Choose an account"), "{}", page.body);
    let removal = tab.hops[0]
        .set_cookies()
        .into_iter()
        .find(|cookie| cookie.contains("Max-Age=0"))
        .expect("no removal");
    assert!(removal.contains("=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"), "{removal}");
}

// C-321: unchanged session
// C-325: idle and absolute time-out
/// The ticket is rolled at most every five minutes, without a write to the store.
#[tokio::test]
async fn the_cookie_is_rolled_without_a_write() {
    let store = Watched::default();
    let kept = store.clone();
    let app = App::builder()
        .provider(|provider| provider.with_id_token_life(Duration::from_secs(10 * DAY)))
        .layer(|layer| layer.with_store(kept).unwrap())
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let mut session = raw.sign_in().await;
    let written = store.writes();
    assert_eq!(written, 2, "the session and its grant");
    for _ in 0..20 {
        app.turn(299);
        assert_eq!(raw.open("/me", &session).await.session(), None);
        app.turn(1);
        let rolled = raw.open("/me", &session).await.session().expect("not rolled");
        assert_ne!(rolled, session);
        session = rolled;
    }
    assert_eq!(store.writes(), written);
    // The idle time counts from the last roll.
    app.turn(DAY - 1);
    assert_eq!(raw.who(&session).await, "hello Ada Lovelace");
}

#[tokio::test]
async fn requests_at_the_same_time_roll_the_cookie_once() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(400);
    let raw = Arc::new(raw);
    let answers = join_all((0..10).map(|_| {
        let (raw, session) = (Arc::clone(&raw), session.clone());
        async move { raw.open("/me", &session).await }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.session().is_some()).count(), 1);
}

// C-314: login while an anonymous or planted session exists
/// Security rule 2
#[tokio::test]
async fn a_sign_in_over_a_session_has_a_new_cookie_and_ends_the_old_one() {
    let app = App::start().await;
    let store = Watched::default();
    let node = crate::node::Node::beside(
        &app,
        |config| config,
        |layer| layer.with_store(store.clone()).unwrap(),
    )
    .await;
    app.provider.sign_in_as("ada").unwrap();
    let browser = node.browser(&app, &app.browser());
    let mut tab = browser.tab();
    tab.open(app.at("/me")).await;
    let old = session_of(&browser);
    tab.open(app.at("/auth/login?return_to=/me")).await;
    let new = session_of(&browser);
    assert_ne!(old, new);
    assert_eq!(node.raw().who(&old).await, "nobody");
    assert_eq!(node.raw().who(&new).await, "hello Ada Lovelace");
    assert_eq!(store.rows().await, 2);
}

// C-316: another user signs in on the same browser
#[tokio::test]
async fn another_person_takes_over_nothing() {
    let app = App::start().await;
    let browser = app.browser();
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = browser.tab();
    let adas = tab.open(app.at("/token")).await.json();
    let (old, ada) = (session_of(&browser), tab.open(app.at("/me")).await.json());
    app.provider.sign_in_as("alan").unwrap();
    tab.open(app.at("/auth/login?return_to=/me")).await;
    let alan = tab.page().json();
    assert_eq!(alan["name"], "Alan Turing");
    assert_ne!((&alan["sub"], &alan["claims"]["sid"]), (&ada["sub"], &ada["claims"]["sid"]));
    assert!(alan["claims"].get("roles").is_none(), "Ada is an administrator, Alan is not: {alan}");
    let alans = tab.open(app.at("/token")).await.json();
    assert_ne!(alans["token"], adas["token"]);
    assert_eq!(tab.open(app.at("/admin")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(Raw::of(&app).who(&old).await, "nobody");
}

/// A slow response must not overwrite the cookie of a newer session with its own rolled ticket.
#[tokio::test]
async fn a_slow_answer_does_not_undo_the_sign_in_that_happened_meanwhile() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (arrived, go) = (arrived.clone(), go.clone());
        async move |_: Option<User>| {
            arrived.notify_one();
            go.notified().await;
            "at last"
        }
    };
    for path in ["/slow", "/public/slow"] {
        let app =
            App::builder().router(|router| router.route(path, get(slow.clone()))).start().await;
        let mut tab = app.signed_in().await;
        let mut other = tab.again();
        app.turn(600);
        app.provider.sign_in_as("alan").unwrap();
        let (answer, ()) = tokio::join!(tab.fetch(Method::GET, path), async {
            arrived.notified().await;
            other.open(app.at("/auth/login?return_to=/me")).await;
            go.notify_one();
        });
        assert_eq!((&answer.body[..], answer.headers.get("set-cookie")), ("at last", None));
        assert_eq!(other.open(app.at("/me")).await.json()["name"], "Alan Turing");
    }
}

// C-444: clock jumps back 10 min
#[tokio::test]
async fn a_clock_that_is_set_back_changes_nothing_for_sessions() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.turn(20 * 60);
    assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
    app.turn_back(600);
    assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    // A sign-in that begins before it and ends after it.
    let raw = Raw::of(&app);
    let begun = raw.begin("/other", "").await;
    let callback = raw.answer(&begun).await;
    app.turn_back(50);
    let answer = raw.open(&callback, &begun.attempt).await;
    assert_eq!(answer.location(), "/other", "{}", answer.body);
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
}

// C-239: no refresh token in the session
/// The provider issues no refresh token.
#[tokio::test]
async fn without_a_refresh_token_the_session_has_its_own_limits_or_ends_with_the_id_token() {
    for end in [SessionEnd::OwnLimits, SessionEnd::IdTokenExpiry] {
        let app = App::builder().config(|config| config.with_session_end(end)).start().await;
        let client =
            DevClient::confidential(app.provider.client_id(), app.provider.client_secret());
        app.provider.add_client(
            client.with_any_loopback_redirect().with_refresh_tokens(RefreshTokens::Never),
        );
        let mut tab = app.signed_in().await;
        app.turn(HOUR - 1);
        assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
        app.turn(HOUR);
        let expected = if end == SessionEnd::OwnLimits { "hello Ada Lovelace" } else { "nobody" };
        assert_eq!(tab.open(app.at("/")).await.body, expected);
        if end == SessionEnd::OwnLimits {
            let refused = tab.fetch(axum::http::Method::GET, "/token").await;
            assert_eq!(
                (refused.status, refused.body.as_str()),
                (StatusCode::BAD_GATEWAY, "no_refresh_token")
            );
            app.turn(DAY);
            assert_eq!(tab.open(app.at("/")).await.body, "nobody");
        }
        assert_eq!(app.provider.requests(Endpoint::Token), 1, "nothing to ask with");
    }
}

// C-185: two users: same e-mail, different sub; same sub, different iss
/// Security rule 10
#[tokio::test]
async fn two_people_with_one_address_are_two_people() {
    let app = App::start().await;
    let mut subjects = Vec::new();
    for id in ["one", "two"] {
        app.provider.add_person(
            tower_identity::dev::DevPerson::new(id, "The Same").with_email("same@example.com"),
        );
        app.provider.sign_in_as(id).unwrap();
        subjects.push(app.browser().tab().open(app.at("/me")).await.json()["sub"].clone());
    }
    assert_ne!(subjects[0], subjects[1]);
}
