//! The event of a sign-out whose client goes away, or at which the store fails half way; handlers
//! of events that panic.

use axum::{Router, body::Body, extract::Request, http::StatusCode};
use tower::ServiceExt as _;
use tower_identity::{IdentityLayer, IdentityService};

use crate::{
    app::{App, with_service},
    events::Heard,
    raw::{NAVIGATION, Raw},
    stores::{Operation, Watched},
};

/// An application with a store, and its layer around the same routes without a server.
async fn listening_with(store: &Watched) -> (App, Heard, IdentityService<Router>) {
    let heard = Heard::default();
    let with_store =
        |layer: IdentityLayer| layer.with_store(store.clone()).unwrap().with_single_process();
    let (app, service) = with_service(|layer| heard.on(with_store(layer))).await;
    (app, heard, service)
}

fn sign_out_request(app: &App, cookies: &str) -> Request {
    let request = Request::post("/auth/logout");
    let headers = [NAVIGATION, &[("origin", app.url.as_str()), ("cookie", cookies)]].concat();
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).unwrap()
}

/// The session has ended, so that a second request could not report it.
#[tokio::test]
async fn a_sign_out_whose_client_goes_away_is_reported_all_the_same() {
    let store = Watched::default();
    let (app, heard, service) = listening_with(&store).await;
    let ada = Raw::of(&app).sign_in().await;
    heard.take();
    let held = store.hold_next(Operation::Delete);
    let caller = tokio::spawn(service.oneshot(sign_out_request(&app, &ada)));
    held.arrived().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    held.release();
    let mut said = Vec::new();
    for _ in 0..10_000 {
        said.extend(heard.take());
        tokio::task::yield_now().await;
    }
    assert_eq!(said, ["out ada POST /auth/logout"]);
    assert_eq!(Raw::of(&app).who(&ada).await, "nobody");
}

/// A browser can have several session cookies, and the store fails at the second one.
#[tokio::test]
async fn a_sign_out_that_fails_half_way_reports_what_has_ended() {
    let store = Watched::default();
    let (app, heard, service) = listening_with(&store).await;
    let raw = Raw::of(&app);
    let ada = raw.sign_in().await;
    app.provider.sign_in_as("grace").unwrap();
    let grace = raw.sign_in().await;
    let both = format!("{ada}; {grace}");
    heard.take();
    let writes = store.writes();
    let alone = service.clone().oneshot(sign_out_request(&app, &raw.sign_in().await)).await;
    assert!(alone.unwrap().status().is_redirection());
    let of_one = store.writes() - writes - 2;
    heard.take();

    store.fail_after(Operation::Delete, of_one);
    let failed = service.clone().oneshot(sign_out_request(&app, &both)).await.unwrap();
    assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(heard.take(), ["out ada POST /auth/logout"]);
    store.recover();
    let done = service.oneshot(sign_out_request(&app, &both)).await.unwrap();
    assert!(done.status().is_redirection());
    assert_eq!(heard.take(), ["out grace POST /auth/logout"]);
    assert_eq!((raw.who(&ada).await, raw.who(&grace).await), ("nobody".into(), "nobody".into()));
}

/// The result of a handler with a bug.
fn bug() -> Result<(), std::io::Error> {
    panic!("a bug of the application")
}

/// A handler that panics is one that fails, in its future and before it has made one.
#[tokio::test]
async fn a_handler_that_panics_ends_no_request_and_keeps_nobody_signed_in() {
    let in_future = |layer: IdentityLayer| {
        layer.on_signed_out(|_| async { bug() }).on_session_ended(|_| async { bug() })
    };
    let before = |layer: IdentityLayer| {
        layer
            .on_signed_out(|_| std::future::ready(bug()))
            .on_session_ended(|_| std::future::ready(bug()))
    };
    let handlers: [fn(IdentityLayer) -> IdentityLayer; 2] = [in_future, before];
    for handlers in handlers {
        let (app, service) = with_service(handlers).await;
        let raw = Raw::of(&app);
        let ada = raw.sign_in().await;
        let ended = service.clone().oneshot(sign_out_request(&app, &ada)).await.unwrap();
        assert!(ended.status().is_redirection(), "{}", ended.status());
        assert_eq!(raw.who(&ada).await, "nobody");

        let later = raw.sign_in().await;
        app.turn(25 * 3600);
        assert!(raw.open("/me", &later).await.location().starts_with(app.provider.issuer()));
        assert_eq!(raw.who(&later).await, "nobody");
    }
}
