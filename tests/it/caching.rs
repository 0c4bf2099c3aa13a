//! `Cache-Control` for caches between the application and the browser (security rule 14).

use axum::{
    Router,
    http::{Method, StatusCode, header::CACHE_CONTROL},
    routing::{MethodRouter, get, post},
};
use tower_identity::{LazyUser, User};

use crate::{
    app::App,
    raw::{NAVIGATION, Raw},
    stores::{Operation, Watched},
};

async fn app() -> App {
    let app = App::builder()
        .router(|router: Router| {
            router
                .route(
                    "/shared",
                    get(|| async {
                        ([(CACHE_CONTROL, "public, max-age=60")], "the same for everybody")
                    }),
                )
                .route(
                    "/own",
                    get(|| async {
                        ([(CACHE_CONTROL, "private, max-age=60")], "for one person, for a minute")
                    }),
                )
                .route(
                    "/public/file",
                    get(|| async {
                        ([(CACHE_CONTROL, "public, max-age=31536000, immutable")], "a file")
                    }),
                )
                .route("/public/plain", get(|| async { "nobody asks who is there" }))
        })
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    app
}

#[tokio::test]
async fn a_page_of_a_person_is_not_stored_unless_its_handler_decided() {
    let app = app().await;
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    for (path, expected) in [
        ("/me", "private, no-store"),
        ("/unknown", "private, no-store"),
        ("/", "private, no-store"),
        ("/shared", "public, max-age=60"),
        ("/own", "private, max-age=60"),
        ("/public/file", "public, max-age=31536000, immutable"),
        ("/public/plain", ""),
    ] {
        let answer = raw.open(path, &session).await;
        assert_eq!(answer.header("cache-control"), expected, "{path}");
        assert_eq!(
            answer.headers.get_all("cache-control").iter().count(),
            usize::from(!expected.is_empty()),
            "{path}"
        );
    }
    // The response depends on the cookie, also if there is none.
    assert_eq!(raw.open("/", "").await.header("cache-control"), "private, no-store");
    assert_eq!(raw.open("/public/plain", "").await.header("cache-control"), "");
}

#[tokio::test]
async fn a_ticket_is_never_in_an_answer_that_may_be_shared() {
    let app = app().await;
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(301);
    let shared = raw.open("/shared", &session).await;
    assert_eq!(
        (shared.header("cache-control"), shared.set_cookies().len()),
        ("public, max-age=60", 0)
    );
    for path in ["/public/file", "/public/plain"] {
        assert_eq!(raw.open(path, &session).await.set_cookies().len(), 0);
    }
    // It is rolled with a later answer, which only this person gets.
    app.turn(10);
    let own = raw.open("/own", &session).await;
    assert_eq!(
        (own.header("cache-control"), own.session().is_some()),
        ("private, max-age=60", true)
    );
    app.turn(301);
    let home = raw.open("/", &own.session().unwrap()).await;
    assert_eq!(
        (home.header("cache-control"), home.session().is_some()),
        ("private, no-store", true)
    );
}

/// An application with a store and one route more, at whose provider a user is signed in.
async fn stored(path: &'static str, route: MethodRouter) -> (App, Watched) {
    let store = Watched::default();
    let app = App::builder()
        .layer(|layer| layer.with_store(store.clone()).unwrap().with_single_process())
        .router(|router| router.route(path, route))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    (app, store)
}

/// A page that asked for the user shows one who is signed out while the store is down: a shared
/// cache would show that to others, and longer (RFC 9111 section 4.2.2).
#[tokio::test]
async fn a_page_that_asked_for_the_user_is_not_stored_if_the_user_cannot_be_known() {
    let (app, store) = stored("/public/form", post(asked)).await;
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    store.fail(&[Operation::Load]);
    for (path, expected) in [("/", "private, no-store"), ("/public/page", "private, no-store")] {
        let answer = raw.open(path, &session).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "nobody"), "{path}");
        assert_eq!(answer.header("cache-control"), expected, "{path}");
    }
    store.recover();
    // A page of another origin caused the request (rule 24).
    let foreign = [("origin", "https://other.example"), ("sec-fetch-site", "cross-site")];
    let answer = raw.send(Method::POST, "/public/form", &session, &foreign, "").await;
    assert_eq!(answer.body, "nobody");
    assert_eq!(answer.header("cache-control"), "private, no-store");
}

/// A handler that asks again after a failure gets the user.
#[tokio::test]
async fn a_user_who_could_not_be_known_at_first_is_looked_up_again() {
    let (app, store) = stored("/public/twice", get(asked_twice)).await;
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(301);
    store.fail_next(Operation::Load);
    let answer = raw.open("/public/twice", &session).await;
    assert_eq!(answer.body, "store_unavailable, Ada Lovelace");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert!(answer.session().is_some(), "the ticket is rolled");
}

async fn asked(user: Option<User>) -> String {
    user.map_or_else(|| "nobody".into(), |user| user.display_name().to_owned())
}

async fn asked_twice(request: axum::extract::Request) -> String {
    let lazy = request.extensions().get::<LazyUser>().unwrap().clone();
    let first = lazy.user(&request).await.unwrap_err();
    let user = lazy.user(&request).await.unwrap().unwrap();
    format!("{}, {}", first.reason(), user.display_name())
}

#[tokio::test]
async fn the_layer_s_own_answers_are_not_stored() {
    let app = app().await;
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let callback = raw.answer(&begun).await;
    let session = raw.sign_in().await;
    let posted = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
    for (answer, what) in [
        (raw.open("/me", "").await, "the way to the provider"),
        (raw.open("/auth/login", "").await, "the sign-in path"),
        (raw.send(Method::GET, "/me", "", &[], "").await, "a problem document"),
        (raw.send(Method::POST, "/me", "", NAVIGATION, "").await, "the page for a form"),
        (raw.open(&callback, &begun.attempt).await, "a sign-in"),
        (raw.open("/auth/callback", "").await, "a wrong answer"),
        (raw.open("/auth/logout", "").await, "the question"),
        (raw.open("/auth/signed-out", "").await, "the goodbye"),
        (raw.open("/admin", &raw.sign_in().await).await, "a page behind a guard"),
        (raw.send(Method::POST, "/auth/logout", &session, &posted, "").await, "a sign-out"),
    ] {
        assert_eq!(answer.header("cache-control"), "private, no-store", "{what}");
    }
}
