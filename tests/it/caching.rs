//! `Cache-Control` for caches between the application and the browser (security rule 14).

use axum::{Router, http::Method, http::header::CACHE_CONTROL, routing::get};

use crate::{
    app::App,
    raw::{NAVIGATION, Raw},
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
