//! Several tabs of one browser, each with a sign-in under way.

use axum::http::StatusCode;
use tower_identity::{Prompt, SignInOptions, dev::Endpoint};

use crate::{
    app::App,
    browser::{Browser, Page, Tab},
    raw::{Raw, is_attempt, is_session},
};

/// Chooses a person on the provider's page, and consents if the page asks for it.
async fn choose(tab: &mut Tab, person: &str) -> Page {
    let mut form = tab.page().form();
    form.fields.push(("person".to_owned(), person.to_owned()));
    let page = tab.submit(form).await;
    if page.body.contains("asks for permission") {
        let form = page.form().press("Allow");
        return tab.submit(form).await.clone();
    }
    page.clone()
}

/// Tabs with the provider's page open, each with its own page to return to.
async fn waiting(app: &App, browser: &Browser, count: usize) -> Vec<Tab> {
    let mut tabs = Vec::new();
    for number in 0..count {
        let mut tab = browser.tab();
        let page = tab.open(app.at(&format!("/other?tab={number}"))).await;
        assert!(page.body.contains("Choose an account"), "{}", page.body);
        tabs.push(tab);
    }
    tabs
}

// C-326: two tabs log in at once
/// The tabs complete in the order in which they were opened, and in reverse order.
#[tokio::test]
async fn eight_tabs_sign_in_at_the_same_time() {
    let app = App::start().await;
    for backwards in [false, true] {
        let browser = app.browser();
        let mut tabs: Vec<_> = waiting(&app, &browser, 8).await.into_iter().enumerate().collect();
        if backwards {
            tabs.reverse();
        }
        for (number, tab) in &mut tabs {
            let page = choose(tab, "ada").await;
            assert_eq!(
                (page.status, page.url.as_str()),
                (StatusCode::OK, app.at(&format!("/other?tab={number}")).as_str())
            );
        }
        assert!(
            !browser.cookies("localhost").iter().any(|cookie| is_attempt(&cookie.name)),
            "the attempts are gone"
        );
        for (_, tab) in &mut tabs {
            assert_eq!(tab.reload().await.status, StatusCode::OK);
        }
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 16);
}

// C-121: more than the allowed number of parallel logins
#[tokio::test]
async fn a_ninth_tab_takes_the_place_of_the_oldest() {
    let app = App::start().await;
    let browser = app.browser();
    let mut tabs = waiting(&app, &browser, 1).await;
    app.turn(1);
    tabs.append(&mut waiting(&app, &browser, 8).await);
    let attempts = browser.cookies("localhost");
    assert_eq!(attempts.len(), 8);
    let size: usize =
        attempts.iter().map(|cookie| cookie.name.len() + cookie.value.len() + 3).sum();
    assert!(size < 5_000, "{size} bytes of cookies");
    for (number, tab) in tabs.iter_mut().enumerate().skip(1) {
        let page = choose(tab, "ada").await;
        assert_eq!(page.url.as_str(), app.at(&format!("/other?tab={}", number - 1)));
    }
    // Its attempt is gone, but the `state` contains the page, and a person is signed in now.
    let page = choose(&mut tabs[0], "ada").await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.at("/other?tab=0").as_str()));
    assert_eq!(app.provider.requests(Endpoint::Token), 8);
}

// C-121: more than the allowed number of parallel logins
/// The oldest of nine tabs completes first. Its attempt was dropped, so it starts again and
/// replaces the attempt that is now the oldest.
#[tokio::test]
async fn the_tab_that_lost_its_place_signs_in_at_the_second_try() {
    let app = App::start().await;
    let browser = app.browser();
    let mut tabs = Vec::new();
    for count in [1, 1, 7] {
        tabs.append(&mut waiting(&app, &browser, count).await);
        app.turn(1);
    }
    let page = choose(&mut tabs[0], "ada").await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.at("/other?tab=0").as_str()));
    for (number, tab) in tabs.iter_mut().skip(2).enumerate() {
        assert_eq!(choose(tab, "ada").await.url.as_str(), app.at(&format!("/other?tab={number}")));
    }
    assert_eq!(
        choose(&mut tabs[1], "ada").await.url.as_str(),
        app.at("/other?tab=0"),
        "by what the `state` knows"
    );
}

// C-122: expired or undecodable state cookies present
#[tokio::test]
async fn attempts_that_are_of_no_use_are_cleared_away() {
    let app = App::start().await;
    let browser = app.browser();
    waiting(&app, &browser, 1).await;
    let first = browser.cookies("localhost").remove(0);
    let stem = first.name[..first.name.len() - 1].to_owned();
    // As a browser would after a pause of eight attempts, if the clock stood still.
    for slot in 0..8 {
        let value = if slot % 2 == 0 { first.value.clone() } else { "nonsense".into() };
        let mut cookie =
            crate::browser::jar::Stored { name: format!("{stem}{slot}"), value, ..first.clone() };
        cookie.expires = None;
        browser.jar().cookies.retain(|other| other.name != cookie.name);
        browser.jar().cookies.push(cookie);
    }
    app.turn(700);
    let mut tab = waiting(&app, &browser, 1).await.remove(0);
    assert_eq!(browser.cookies("localhost").len(), 1);
    assert_eq!(choose(&mut tab, "ada").await.url.query(), Some("tab=0"));
}

/// The first request of each tab was silent, so each has a second attempt. That of the ninth tab
/// replaces its own first one.
#[tokio::test]
async fn nine_tabs_that_first_try_silently_lose_one_attempt_and_no_more() {
    let silent = SignInOptions::new().with_prompt(Prompt::None);
    let app = App::builder().config(|config| config.with_sign_in(silent)).start().await;
    let browser = app.browser();
    let mut tabs = waiting(&app, &browser, 9).await;
    assert_eq!(browser.cookies("localhost").len(), 8);
    for (number, tab) in tabs.iter_mut().enumerate().rev() {
        let page = choose(tab, "ada").await;
        assert_eq!(page.url.as_str(), app.at(&format!("/other?tab={number}")));
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 8, "one answer had no attempt any more");
}

/// Two tabs start before either has a cookie. They usually get different slots at random, and both
/// end signed in in any case.
#[tokio::test]
async fn two_tabs_that_start_at_the_same_moment_both_end_signed_in() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for _ in 0..8 {
        let browser = app.browser();
        let (mut one, mut two) = (browser.tab(), browser.tab());
        let (first, second) =
            tokio::join!(one.open(app.at("/other?tab=1")), two.open(app.at("/other?tab=2")));
        for page in [first, second] {
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        }
        assert_eq!(one.open(app.at("/")).await.body, "hello Ada Lovelace");
    }
}

// C-316: another user signs in on the same browser
/// Security rule 2: the person who signs in last is signed in, and the session before has ended, in
/// every order of the tabs.
#[tokio::test]
async fn a_sign_in_in_a_second_tab_ends_the_session_of_the_first() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    for (first, second) in [(0, 1), (1, 0)] {
        let browser = app.browser();
        let mut tabs = waiting(&app, &browser, 2).await;
        choose(&mut tabs[first], "ada").await;
        let mut cookies = browser.cookies("localhost").into_iter();
        let old = cookies.find(|cookie| is_session(&cookie.name)).unwrap();
        let page = choose(&mut tabs[second], "alan").await;
        assert_eq!(page.json()["name"], "Alan Turing");
        assert_eq!(raw.who(&format!("{}={}", old.name, old.value)).await, "nobody");
    }
}

/// The browser keeps the ticket of the last session. The others are valid until they are ended.
#[tokio::test]
async fn sessions_of_tabs_that_come_back_at_once_end_together_at_sign_out() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let (mut callbacks, mut cookies) = (Vec::new(), String::new());
    for number in 0..4 {
        let begun = raw.begin(&format!("/other?tab={number}"), &cookies).await;
        callbacks.push(raw.answer(&begun).await);
        cookies = [cookies.as_str(), begun.attempt.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
    }
    let somebody_else = raw.sign_in().await;
    let mut sessions = Vec::new();
    for callback in &callbacks {
        sessions.push(raw.open(callback, &cookies).await.session().expect("a session"));
    }
    for session in &sessions {
        assert_eq!(raw.who(session).await, "hello Ada Lovelace");
    }
    let own = [("origin", app.url.as_str())];
    raw.send(axum::http::Method::POST, "/auth/logout", &sessions[1], &own, "").await.location();
    for session in &sessions {
        assert_eq!(raw.who(session).await, "nobody");
    }
    assert_eq!(
        raw.who(&somebody_else).await,
        "hello Ada Lovelace",
        "another browser of the same person"
    );
}
