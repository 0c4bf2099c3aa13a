//! Response mode `form_post`: the authorization response is a cross-site POST, which carries no
//! `Lax` cookie.

use axum::http::{Method, StatusCode};
use tower_identity::{
    Prompt, SignInOptions,
    config::ResponseMode,
    dev::{Endpoint, SpoilCallback},
};

use crate::{
    app::App,
    loops::blocked_cookies_end_on_a_page,
    raw::{NAVIGATION, Raw, is_attempt},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn app() -> App {
    let app = App::builder()
        .config(|config| config.with_response_mode(ResponseMode::FormPost))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    app
}

// C-004: OP answers with an auto-submitted form
// C-133: redirect after a POST (form_post callback)
// C-306: response_mode=form_post
#[tokio::test]
async fn the_answer_comes_by_post_and_leads_on_by_get() {
    let app = app().await;
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/other?q=1")).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.at("/other?q=1").as_str()));
    let [start, .., post, _] = &tab.hops[..] else { panic!("{:#?}", tab.hops) };
    let attempt = start.set_cookies()[0];
    assert!(
        attempt.ends_with("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None"),
        "{attempt}"
    );
    assert_eq!(
        (&post.method, post.status, post.location()),
        (&Method::POST, StatusCode::SEE_OTHER, Some("/other?q=1"))
    );
    let removal =
        post.set_cookies().into_iter().find(|cookie| cookie.contains("Max-Age=0")).unwrap();
    assert!(removal.ends_with("; Secure; SameSite=None"), "{removal}");
    let session =
        post.set_cookies().into_iter().find(|cookie| !cookie.contains("Max-Age")).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{session}");
}

// C-314: login while an anonymous or planted session exists
/// Security rule 2: the cookie of the earlier session is not in the POST.
#[tokio::test]
async fn a_new_sign_in_ends_the_old_session() {
    let app = app().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    tab.open(app.at("/me")).await;
    let old = browser.cookies("localhost").remove(0);
    app.provider.sign_in_as("alan").unwrap();
    let page = tab.open(app.at("/auth/login?return_to=/me")).await;
    assert_eq!(page.json()["name"], "Alan Turing");
    let post = tab.hops.iter().find(|hop| hop.method == Method::POST).unwrap();
    assert!(!post.cookies.as_deref().unwrap().contains(&old.value), "a browser would not send it");
    assert_eq!(Raw::of(&app).who(&format!("{}={}", old.name, old.value)).await, "nobody");
}

/// The first request was silent: the second attempt starts in a POST without a session cookie as
/// well.
#[tokio::test]
async fn a_sign_in_that_was_silent_first_ends_the_old_session() {
    let silent = SignInOptions::new().with_prompt(Prompt::None);
    let app = App::builder()
        .config(|config| config.with_response_mode(ResponseMode::FormPost).with_sign_in(silent))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let browser = app.browser();
    let mut tab = browser.tab();
    tab.open(app.at("/me")).await;
    let old = browser.cookies("localhost").remove(0);
    app.provider.sign_everybody_out();
    app.provider.sign_in_as("alan").unwrap();
    let page = tab.open(app.at("/auth/login?return_to=/me")).await;
    assert_eq!(page.json()["name"], "Alan Turing");
    assert_eq!(tab.hops.iter().filter(|hop| hop.method == Method::POST).count(), 2);
    assert_eq!(Raw::of(&app).who(&format!("{}={}", old.name, old.value)).await, "nobody");
}

/// The browser reloads the POST, or returns to it by Back.
#[tokio::test]
async fn a_repeated_post_leads_to_the_page_again() {
    let app = app().await;
    let raw = Raw::of(&app);
    let begun = raw.begin("/other", "").await;
    let (path, form) = raw.form(&begun).await;
    let headers = [NAVIGATION, &[FORM, ("origin", app.provider.issuer())]].concat();
    let answer = raw.send(Method::POST, &path, &begun.attempt, &headers, &form).await;
    assert_eq!(answer.location(), "/other");
    let session = answer.session().unwrap();
    // Its attempt is gone, and its session cookie is not sent with a POST from another site.
    let again = raw.send(Method::POST, &path, "", &headers, &form).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert!(
        !again.location().contains("code="),
        "the code stays out of addresses: {}",
        again.location()
    );
    assert_eq!(raw.open(again.location(), &session).await.location(), "/other");
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

// MSAL-037: `response_mode` unset in a server app that supports form_post; login starts
#[tokio::test]
async fn an_answer_by_get_is_refused() {
    let app = app().await;
    app.provider.spoil_next_callback(SpoilCallback::OtherResponseMode);
    let browser = app.browser();
    let mut tab = browser.tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains("callback_invalid"), "{}", page.body);
    assert!(browser.cookies("localhost").iter().all(|cookie| is_attempt(&cookie.name)));
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
    assert_eq!(tab.click("Try again").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_by_post_is_refused_where_it_was_not_asked_for() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.spoil_next_callback(SpoilCallback::OtherResponseMode);
    let browser = app.browser();
    let mut tab = browser.tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
    assert_eq!(tab.click("Try again").await.status, StatusCode::OK);
    // Even with the attempt's cookie at hand.
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let callback = raw.answer(&begun).await;
    let (path, form) = callback.split_once('?').unwrap();
    let answer = raw.send(Method::POST, path, &begun.attempt, &[FORM], form).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.provider.requests(Endpoint::Token), 1, "that of the second try");
}

/// Cookies are blocked: the sign-in is repeated once, then a page says so.
#[tokio::test]
async fn without_cookies_it_ends_on_a_page() {
    let app = app().await;
    blocked_cookies_end_on_a_page(&app).await;
}

// C-439: 1 MB state, code, cookie or logout token
#[tokio::test]
async fn only_a_small_form_is_read() {
    let app = app().await;
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let (path, form) = raw.form(&begun).await;
    let large = format!("{form}&more={}", "a".repeat(100_000));
    let (too_large, invalid) = (StatusCode::PAYLOAD_TOO_LARGE, StatusCode::BAD_REQUEST);
    for (headers, body, status) in [
        (&[FORM][..], large.as_str(), too_large),
        (&[("content-type", "application/json")], form.as_str(), invalid),
        (&[("content-type", "multipart/form-data; boundary=a")], form.as_str(), invalid),
        (&[], form.as_str(), invalid),
    ] {
        let answer = raw.send(Method::POST, &path, &begun.attempt, headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
    // Nothing is used up by that.
    let headers = [("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")];
    assert!(
        raw.send(Method::POST, &path, &begun.attempt, &headers, &form).await.session().is_some()
    );
}
