//! Handlers of sign-ins that hang or panic, and the ways to a sign-in that report the end of a
//! session.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode},
    routing::get,
};
use tokio::{
    sync::{Notify, Semaphore},
    task::{JoinHandle, JoinSet},
};
use tower_identity::{Challenge, IdentityLayer, dev::Endpoint};

use crate::{
    app::{App, time_passes},
    events::Heard,
    raw::{Answer, Raw},
    stores::Watched,
};

/// More sign-ins than may wait for the provider at the same time.
const MANY: usize = 65;

/// The limit of concurrent requests to the provider is not one of handlers.
#[tokio::test]
async fn sign_ins_whose_handlers_hang_keep_nobody_else_from_signing_in() {
    let (arrived, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (here, released) = (arrived.clone(), go_on.clone());
    let layer = move |layer: IdentityLayer| {
        layer.on_signed_in(move |_| {
            let (here, released) = (here.clone(), released.clone());
            async move {
                here.add_permits(1);
                released.acquire().await?.forget();
                Ok(())
            }
        })
    };
    let app = App::builder().layer(layer).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut sign_ins = JoinSet::new();
    for _ in 0..MANY {
        let raw = Raw::of(&app);
        sign_ins.spawn(async move {
            let begun = raw.begin("/me", "").await;
            let callback = raw.answer(&begun).await;
            raw.open(&callback, &begun.attempt).await
        });
    }
    tokio::select! {
        all = arrived.acquire_many(MANY as u32) => all.unwrap().forget(),
        early = sign_ins.join_next() => panic!("{:?}", early.unwrap().unwrap().status),
    }
    go_on.add_permits(MANY);
    while let Some(answer) = sign_ins.join_next().await {
        assert!(answer.unwrap().session().is_some());
    }
}

async fn hang<T>(arrived: Arc<Notify>) -> T {
    arrived.notify_one();
    pending().await
}

/// The answer to a request whose handler hangs, when the handler has had eleven seconds.
async fn eleven_seconds_later(arrived: &Notify, answer: JoinHandle<Answer>) -> Answer {
    arrived.notified().await;
    time_passes(Duration::from_secs(11)).await;
    tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_handler_that_never_returns_ends_the_sign_in_after_ten_seconds() {
    let arrived = Arc::new(Notify::new());
    let here = arrived.clone();
    let layer = move |layer: IdentityLayer| layer.on_signed_in(move |_| hang(here.clone()));
    let app = App::builder().layer(layer).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let callback = raw.answer(&begun).await;
    let answer = tokio::spawn(async move { raw.open(&callback, &begun.attempt).await });
    let answer = eleven_seconds_later(&arrived, answer).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.body.contains("event_handler_failed"), "{}", answer.body);
}

/// The browser does not wait for it; the sign-out was completed before.
#[tokio::test]
async fn a_handler_that_never_returns_ends_no_sign_out() {
    let arrived = Arc::new(Notify::new());
    let here = arrived.clone();
    let layer = move |layer: IdentityLayer| {
        layer.on_signed_out(move |_| hang::<Result<(), std::io::Error>>(here.clone()))
    };
    let app = App::builder().layer(layer).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let answer = tokio::spawn(async move {
        let same_origin = [("sec-fetch-site", "same-origin")];
        raw.send(Method::POST, "/auth/logout", &session, &same_origin, "").await
    });
    let answer = eleven_seconds_later(&arrived, answer).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_handler_that_panics_leaves_no_session_behind_and_is_not_called_again() {
    let (store, calls) = (Watched::default(), Arc::new(AtomicUsize::new(0)));
    let (kept, called) = (store.clone(), calls.clone());
    let layer = move |layer: IdentityLayer| {
        layer.with_store(kept).unwrap().on_signed_in(move |_| {
            let before = called.fetch_add(1, SeqCst);
            async move {
                assert!(before > 100, "a mistake in the handler");
                Ok(())
            }
        })
    };
    let app = App::builder().layer(layer).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let callback = raw.answer(&begun).await;
    for _ in 0..2 {
        let answer = raw.open(&callback, &begun.attempt).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.body.contains("event_handler_failed"), "{}", answer.body);
        assert_eq!(store.rows().await, 0);
    }
    assert_eq!((calls.load(SeqCst), app.provider.requests(Endpoint::Token)), (1, 1));
}

/// Its cookie is replaced by that of the new session, so it could not be reported later.
#[tokio::test]
async fn a_session_that_ended_by_itself_is_reported_wherever_a_sign_in_starts() {
    let ask = async |request: Request| Challenge::sign_in(&request);
    let lost_attempt = async |app: &App| {
        let raw = Raw::of(app);
        raw.answer(&raw.begin("/other", "").await).await
    };
    for way in ["/public/asks", "a lost attempt", "/auth/form?x=1"] {
        let heard = Heard::default();
        let app = App::builder()
            .config(|config| config.with_kept_form_path("/auth/form"))
            .layer(|layer| heard.on(layer))
            .router(|router: Router| router.route("/public/asks", get(ask)))
            .start()
            .await;
        let mut tab = app.signed_in().await;
        heard.take();
        app.turn(24 * 3600 + 1);
        let (page, reported) = match way {
            "a lost attempt" => (lost_attempt(&app).await, "/auth/callback"),
            "/auth/form?x=1" => (way.to_owned(), "/auth/form"),
            page => (page.to_owned(), page),
        };
        tab.open(app.at(&page)).await;
        assert_eq!(
            heard.take().first().map(String::as_str),
            Some(&*format!("end ada: IdleTimeout GET {reported}")),
            "{way}"
        );
    }
}
