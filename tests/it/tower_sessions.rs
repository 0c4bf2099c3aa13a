//! The application's own session with the layer of `tower-sessions` beside this layer: in both
//! orders and in one store, neither affects the other.

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::{get, post},
};
use tower_identity::{Tokens, User, client::TokenRequest, dev::Endpoint};
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_memory_store::MemoryStore;

use crate::{
    app::App,
    browser::{Browser, Tab, html::Form},
};

const SECRET: &str = "a cookie secret of more than thirty-two bytes";
/// The name of the application's own cookie.
const OWN: &str = "id";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outside {
    Identity,
    Sessions,
}

const ORDERS: [Outside; 2] = [Outside::Identity, Outside::Sessions];

async fn start(outside: Outside) -> App {
    let store = MemoryStore::default();
    // Browsers send cookies that are `Secure` to `http://localhost`, but not every one of them
    // does.
    let sessions = SessionManagerLayer::new(store.clone()).with_secure(false);
    let arrange = |router: Router, identity: tower_identity::IdentityLayer| {
        let identity = identity.with_store(store).unwrap();
        match outside {
            Outside::Identity => own_routes(router).layer(sessions).layer(identity),
            Outside::Sessions => own_routes(router).layer(identity).layer(sessions),
        }
    };
    App::builder()
        .config(|config| config.with_cookie_secrets([SECRET]))
        .arrange(arrange)
        .start()
        .await
}

fn own_routes(router: Router) -> Router {
    router
        .route("/public/count", get(async |session: Session| count(&session).await.to_string()))
        .route(
            "/count",
            get(async |user: User, session: Session| {
                format!("{} {}", user.display_name(), count(&session).await)
            }),
        )
        .route("/public/new-id", post(async |session: Session| session.cycle_id().await.unwrap()))
        .route("/public/forget", post(async |session: Session| session.flush().await.unwrap()))
        .route("/broken", get(broken))
}

async fn count(session: &Session) -> u64 {
    let count = session.get::<u64>("count").await.unwrap().unwrap_or_default() + 1;
    session.insert("count", count).await.unwrap();
    count
}

/// A handler that spends the refresh token, changes the application's session, and then fails. The
/// session is not saved then, but the new refresh token must be.
async fn broken(tokens: Tokens, session: Session) -> StatusCode {
    count(&session).await;
    tokens.acquire(&TokenRequest::new([""; 0]).unwrap().forced()).await.unwrap();
    StatusCode::INTERNAL_SERVER_ERROR
}

/// The value of the application's own cookie, and those of all others.
fn cookies(browser: &Browser) -> (Option<String>, Vec<(String, String)>) {
    let (own, ours): (Vec<_>, Vec<_>) =
        browser.cookies("localhost").into_iter().partition(|cookie| cookie.name == OWN);
    (
        own.into_iter().next().map(|cookie| cookie.value),
        ours.into_iter().map(|cookie| (cookie.name, cookie.value)).collect(),
    )
}

async fn shows(tab: &mut Tab, app: &App, path: &str) -> String {
    tab.open(app.at(path)).await.body.clone()
}

#[tokio::test]
async fn a_session_of_the_application_outlives_sign_in_and_sign_out() {
    for outside in ORDERS {
        let app = start(outside).await;
        app.provider.sign_in_as("ada").unwrap();
        let browser = app.browser();
        let mut tab = browser.tab();
        assert_eq!(shows(&mut tab, &app, "/public/count").await, "1");
        let (own, none) = cookies(&browser);
        assert!(own.is_some() && none.is_empty(), "{outside:?}: {none:?}");

        for expected in [2, 5] {
            let after_sign_in = shows(&mut tab, &app, "/me").await;
            assert!(after_sign_in.contains("Ada Lovelace"), "{outside:?}: {after_sign_in}");
            assert_eq!(shows(&mut tab, &app, "/public/count").await, expected.to_string());
            assert_eq!(
                shows(&mut tab, &app, "/count").await,
                format!("Ada Lovelace {}", expected + 1)
            );
            let (still, ours) = cookies(&browser);
            assert!(still == own && !ours.is_empty(), "{outside:?}: {own:?} {still:?} {ours:?}");

            tab.open(app.at("/")).await;
            tab.submit(Form::post("/auth/logout")).await;
            assert_eq!(shows(&mut tab, &app, "/").await, "nobody");
            assert_eq!(cookies(&browser), (own.clone(), Vec::new()), "{outside:?}");
            assert_eq!(shows(&mut tab, &app, "/public/count").await, (expected + 2).to_string());
        }
        assert!(browser.jar().refused.is_empty(), "{:?}", browser.jar().refused);
    }
}

#[tokio::test]
async fn the_application_can_change_or_end_its_session_while_a_person_is_signed_in() {
    for outside in ORDERS {
        let app = start(outside).await;
        let mut tab = app.signed_in().await;
        assert_eq!(shows(&mut tab, &app, "/count").await, "Ada Lovelace 1");
        let (first, ours) = cookies(&tab.browser());
        tab.fetch(Method::POST, "/public/new-id").await;
        let (second, same) = cookies(&tab.browser());
        assert!(first != second && second.is_some() && ours == same, "{outside:?}");
        assert_eq!(shows(&mut tab, &app, "/count").await, "Ada Lovelace 2");
        tab.fetch(Method::POST, "/public/forget").await;
        assert_eq!(cookies(&tab.browser()), (None, ours), "{outside:?}");
        assert_eq!(shows(&mut tab, &app, "/count").await, "Ada Lovelace 1");
    }
}

#[tokio::test]
async fn a_handler_that_fails_loses_what_it_wrote_but_no_refresh_token() {
    for outside in ORDERS {
        let app = start(outside).await;
        let mut tab = app.signed_in().await;
        assert_eq!(shows(&mut tab, &app, "/count").await, "Ada Lovelace 1");
        for _ in 0..3 {
            assert_eq!(tab.open(app.at("/broken")).await.status, StatusCode::INTERNAL_SERVER_ERROR);
        }
        assert_eq!(app.provider.requests(Endpoint::Token), 4);
        assert_eq!(shows(&mut tab, &app, "/count").await, "Ada Lovelace 2", "{outside:?}");
        app.turn(3600 + 300);
        assert_eq!(tab.open(app.at("/token")).await.status, StatusCode::OK, "{outside:?}");
        assert_eq!(
            app.provider.requests(Endpoint::Token),
            5,
            "renewed with the last refresh token"
        );
        assert_eq!(shows(&mut tab, &app, "/count").await, "Ada Lovelace 3", "{outside:?}");
    }
}

/// Concurrent requests write to the application's session, of which the last write wins, while the
/// person's tokens are renewed.
#[tokio::test]
async fn requests_at_one_time_keep_the_person_signed_in() {
    for outside in ORDERS {
        let app = start(outside).await;
        let mut tab = app.signed_in().await;
        shows(&mut tab, &app, "/count").await;
        for _ in 0..3 {
            app.turn(3600 + 300);
            let asking = (0..20).map(|turn| {
                let mut tab = tab.again();
                let path = if turn % 2 == 0 { "/count" } else { "/token" };
                let address = app.at(path);
                tokio::spawn(async move { tab.fetch(Method::GET, &address).await.status })
            });
            for task in asking.collect::<Vec<_>>() {
                assert_eq!(task.await.unwrap(), StatusCode::OK, "{outside:?}");
            }
        }
        assert!(shows(&mut tab, &app, "/count").await.starts_with("Ada Lovelace "), "{outside:?}");
    }
}
