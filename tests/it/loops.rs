//! Redirect loops: each of these deployments must end on a page. The browser of the tests gives up
//! after twenty redirects, as real ones do.

use axum::http::{Method, StatusCode};
use tower_identity::{
    Prompt, SignInOptions,
    dev::{Endpoint, Spoil, SpoilCallback},
};

use crate::{
    app::App,
    browser::{Tab, html},
    node::Node,
    raw::is_session,
    stores::{Operation, Watched},
};

/// A browser without cookies gets a page that asks to allow them, after one more try.
pub(crate) async fn blocked_cookies_end_on_a_page(app: &App) -> Tab {
    let mut tab = app.browser().without_cookies().tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.body.contains("attempt_missing") && page.body.contains("allow cookies"),
        "{}",
        page.body
    );
    assert_eq!(
        (app.provider.requests(Endpoint::Authorization), app.provider.requests(Endpoint::Token)),
        (2, 0)
    );
    tab
}

#[tokio::test]
async fn blocked_cookies_end_on_a_page_after_one_more_try() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = blocked_cookies_end_on_a_page(&app).await;
    // As often as the user asks for it.
    let page = tab.click("Try again").await;
    assert!(page.body.contains("attempt_missing"));
    assert_eq!(app.provider.requests(Endpoint::Authorization), 4);
}

/// A proxy or a browser that drops only the session cookie.
#[tokio::test]
async fn a_session_cookie_that_never_comes_back_ends_on_a_page() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let browser = app.browser();
    browser.jar().dropped = Some(is_session);
    let mut tab = browser.tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
    assert!(
        page.body.contains("attempt_missing") && page.body.contains("allow cookies"),
        "{}",
        page.body
    );
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
    // As often as the person likes, and they get in when the cookie is kept.
    assert!(tab.click("Try again").await.body.contains("attempt_missing"));
    assert_eq!(app.provider.requests(Endpoint::Authorization), 4);
    browser.jar().dropped = None;
    assert_eq!(tab.click("Try again").await.url.path(), "/me");
    assert_eq!(tab.reload().await.status, StatusCode::OK);
}

/// Repeated sign-ins within a minute, with the session cookie, do not count as a lost cookie.
#[tokio::test]
async fn signing_out_and_in_again_is_not_counted() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    for _ in 0..5 {
        assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
        tab.submit(html::Form::post("/auth/logout")).await;
    }
    for endpoint in [Endpoint::Authorization, Endpoint::EndSession] {
        assert_eq!(app.provider.requests(endpoint), 5, "{endpoint:?}");
    }
}

/// A store that accepts rows and loses them at once: the sign-in is repeated once, then a page says
/// so.
#[tokio::test]
async fn sessions_that_are_not_kept_end_on_a_page() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let store = Watched::default();
    let node =
        Node::beside(&app, |config| config, |layer| layer.with_store(store.clone()).unwrap()).await;
    let browser = node.browser(&app, &app.browser());
    let mut tab = browser.tab();
    store.forget_everything();
    let page = tab.open(app.at("/other")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    assert!(page.body.contains("store_unavailable"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
    assert!(browser.cookies("localhost").is_empty(), "nothing is left that would be counted");
    // The person may try as often as they like, and gets in when the store is well.
    assert_eq!(tab.click("Try again").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 4);
    store.remember();
    assert_eq!(tab.click("Try again").await.url.path(), "/other");
    assert_eq!(tab.reload().await.status, StatusCode::OK);
}

/// After a lost session the next one counts, and a store that cannot be asked has not lost it: the
/// cookie of a live session would be removed.
#[tokio::test]
async fn a_store_that_cannot_be_asked_has_lost_no_session() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let store = Watched::default();
    let node =
        Node::beside(&app, |config| config, |layer| layer.with_store(store.clone()).unwrap()).await;
    let raw = node.raw();
    store.forget_everything();
    let lost = raw.sign_in().await;
    let begun = raw.begin("/other", &lost).await;
    store.remember();
    let callback = raw.answer(&begun).await;
    let both = format!("{lost}; {}", begun.attempt);
    let live = raw.open(&callback, &both).await.session().unwrap();
    assert_eq!(raw.open("/other", &live).await.status, StatusCode::OK);
    store.fail(&[Operation::Load]);
    let answer = raw.open("/auth/login?return_to=%2Fother", &live).await;
    assert!(answer.location().starts_with(app.provider.issuer()), "{}", answer.status);
    store.recover();
    assert_eq!(raw.open("/other", &live).await.status, StatusCode::OK);
}

/// A session that ends early is not a lost one: each time the person can sign in again.
#[tokio::test]
async fn sessions_that_end_now_and_then_are_begun_again() {
    let app = App::start().await;
    let store = Watched::default();
    app.provider.sign_in_as("ada").unwrap();
    let node =
        Node::beside(&app, |config| config, |layer| layer.with_store(store.clone()).unwrap()).await;
    let mut tab = node.browser(&app, &app.browser()).tab();
    for _ in 0..5 {
        assert_eq!(tab.open(app.at("/other")).await.status, StatusCode::OK);
        app.turn(60);
        store.wipe().await;
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), 5);
}

// C-138: prompt=none → login_required / interaction_required
#[tokio::test]
async fn a_silent_sign_in_that_fails_is_followed_by_one_interactive() {
    let silent = SignInOptions::new().with_prompt(Prompt::None);
    let app = App::builder().config(|config| config.with_sign_in(silent)).start().await;
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/other?q=1")).await;
    assert!(page.body.contains("Choose an account"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
    let mut form = page.form();
    form.fields.push(("person".into(), "ada".into()));
    let consent = tab.submit(form).await.form().press("Allow");
    let page = tab.submit(consent).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.at("/other?q=1").as_str()));
}

// C-138: prompt=none → login_required / interaction_required
/// A provider that requires interaction each time.
#[tokio::test]
async fn a_provider_that_refuses_interaction_too_ends_on_a_page() {
    let silent = SignInOptions::new().with_prompt(Prompt::None);
    let app = App::builder().config(|config| config.with_sign_in(silent)).start().await;
    app.provider.sign_in_as("ada").unwrap();
    (0..9).for_each(|_| app.provider.spoil_next_callback(SpoilCallback::InteractionRequired));
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("interaction_required"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

// C-177: max_age sent, auth_time too old
/// A provider that ignores `max_age`.
#[tokio::test]
async fn a_sign_in_that_is_never_recent_enough_ends_on_a_page() {
    let recent = SignInOptions::new().with_max_age(std::time::Duration::from_secs(60));
    let app = App::builder().config(|config| config.with_sign_in(recent)).start().await;
    (0..9).for_each(|_| app.provider.spoil_next_id_token(Spoil::AuthTimeOld));
    let page = app.sign_in().await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("token_auth_time"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

/// Two processes behind one name without a shared store: the browser alternates between them, and
/// the page calls it a set-up mistake.
#[tokio::test]
async fn nodes_that_share_no_sessions_do_not_send_the_browser_round() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let node = Node::beside(&app, |config| config, |layer| layer).await;
    let browser = app.browser();
    let (mut here, mut there) = (browser.tab(), node.browser(&app, &browser).tab());
    assert_eq!(here.open(app.at("/other")).await.status, StatusCode::OK);
    assert_eq!(there.open(app.at("/other")).await.status, StatusCode::OK);
    let page = here.open(app.at("/other")).await;
    assert!(
        page.status == StatusCode::SERVICE_UNAVAILABLE && page.body.contains("store_unavailable"),
        "{}",
        page.body
    );
    assert_eq!(here.click("Try again").await.status, StatusCode::OK);
    app.turn(60);
    assert_eq!(there.open(app.at("/other")).await.status, StatusCode::OK);
}

/// The layer's own paths are not accepted as return paths.
#[tokio::test]
async fn signing_in_does_not_return_to_the_sign_in_path() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for own in [
        "/auth/login",
        "/auth/login?return_to=%2Fauth%2Flogin",
        "/auth/callback?code=a",
        "/auth/logout",
        "/auth/signed-out",
    ] {
        let mut tab = app.browser().tab();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", own)
            .finish();
        let page = tab.open(app.at(&format!("/auth/login?{query}"))).await;
        assert_eq!(
            (page.url.as_str(), page.body.as_str()),
            (app.at("/").as_str(), "hello Ada Lovelace"),
            "{own}"
        );
    }
}

/// Frames, scripts and prefetches do not start a sign-in.
#[tokio::test]
async fn only_a_person_starts_a_sign_in() {
    let app = App::start().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    tab.open(app.at("/")).await;
    for path in ["/me", "/auth/login"] {
        assert_eq!(tab.frame(path).await.status, StatusCode::UNAUTHORIZED);
        for method in [Method::GET, Method::POST, Method::HEAD, Method::DELETE] {
            let answer = tab.fetch(method.clone(), path).await;
            assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.status);
        }
        let answer = tab
            .fetch_with(
                Method::GET,
                path,
                &[("sec-purpose", "prefetch;prerender"), ("accept", "text/html")],
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), 0);
    assert!(browser.cookies("localhost").is_empty());
}
