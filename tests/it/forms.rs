//! Forms that are posted without a session: the page says that nothing was saved.

use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::{app::App, browser::html::Form, raw::Raw};

const IDLE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_form_whose_session_has_ended_gets_a_page_that_says_that_nothing_was_saved() {
    let app = App::builder().config(|config| config.with_idle_timeout(IDLE)).start().await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/other?x=1")).await;
    app.turn(601);
    let page = tab.submit(Form::post("/me")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("Your session has ended, and what you sent was not saved."));
    assert!(page.body.contains("<dd>session_ended</dd>"), "{}", page.body);
    // Back to the page with the form.
    assert!(page.body.contains("/auth/login?return_to=%2Fother%3Fx%3D1"), "{}", page.body);
}

#[tokio::test]
async fn without_an_earlier_session_the_page_says_so_and_a_script_gets_a_problem_document() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    let form = [("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
    let page = raw.send(Method::POST, "/me", "", &form, "").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("You are not signed in, and what you sent was not saved."));
    assert!(page.body.contains("<dd>sign_in_required</dd>"), "{}", page.body);
    let script = raw.send(Method::POST, "/me", "", &[("sec-fetch-dest", "empty")], "").await;
    assert_eq!(script.status, StatusCode::UNAUTHORIZED);
    assert!(script.body.contains("\"reason\":\"sign_in_required\""), "{}", script.body);
    // A frame that is opened has sent nothing.
    let frame = raw.send(Method::GET, "/me", "", &[("sec-fetch-dest", "iframe")], "").await;
    assert!(frame.body.contains("for people who are signed in"), "{}", frame.body);
}
