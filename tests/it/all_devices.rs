//! A sign-out on all devices, as the guide builds it (`guide::events`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use tower_identity::{
    Challenge, Clock as _, Prompt, SignInOptions, SystemClock, UnixTime, User, dev::Endpoint,
};

use crate::{
    app::App,
    browser::{Tab, html::Form},
};

type SignedOut = Arc<Mutex<HashMap<String, UnixTime>>>;

async fn everywhere(State(signed_out): State<SignedOut>, user: User) -> Redirect {
    signed_out.lock().unwrap().insert(user.key().to_string(), SystemClock.now());
    Redirect::temporary("/auth/logout")
}

async fn only_newer_sessions(
    State(signed_out): State<SignedOut>,
    user: User,
    request: Request,
    next: Next,
) -> Response {
    let at = signed_out.lock().unwrap().get(&user.key().to_string()).copied();
    if at.is_some_and(|at| user.session_started() <= at) {
        let again = SignInOptions::new().with_prompt(Prompt::Login);
        return Challenge::sign_in(&request).with_options(again).into_response();
    }
    next.run(request).await
}

fn with_routes(router: Router) -> Router {
    let signed_out = SignedOut::default();
    let own = Router::new()
        .route("/mine", get(|user: User| async move { user.display_name().to_owned() }))
        .route("/sign-out-everywhere", post(everywhere))
        .route_layer(from_fn_with_state(signed_out.clone(), only_newer_sessions))
        .with_state(signed_out);
    router.merge(own)
}

/// The test's time goes on by hand, and that of the handler by itself.
fn later(app: &App) {
    app.clock.set(SystemClock.now() + Duration::from_secs(1));
    app.turn(60);
}

#[tokio::test]
async fn a_sign_out_on_all_devices_ends_every_older_session() {
    let app = App::builder().router(with_routes).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let (laptop, phone) = (app.browser(), app.browser());
    let (mut laptop, mut phone) = (laptop.tab(), phone.tab());
    let opened = async |tab: &mut Tab| {
        let page = tab.open(app.at("/mine")).await;
        assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "Ada Lovelace"));
    };
    opened(&mut laptop).await;
    opened(&mut phone).await;
    let page = laptop.submit(Form::post("/sign-out-everywhere")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/auth/signed-out"));
    assert_eq!(app.provider.requests(Endpoint::EndSession), 1);
    later(&app);
    for tab in [&mut laptop, &mut phone] {
        let script = tab.fetch(Method::GET, "/mine").await;
        assert_eq!(script.status, StatusCode::UNAUTHORIZED, "{}", script.body);
    }
    opened(&mut phone).await;
    let request = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(request.parameter("prompt"), Some("login"));
    assert_eq!(phone.fetch(Method::GET, "/mine").await.status, StatusCode::OK);
    opened(&mut laptop).await;
}
