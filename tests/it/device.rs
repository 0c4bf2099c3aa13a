//! Sign-in by device code (RFC 8628): no redirect URI, a page with a code, and polls at the
//! provider's interval.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tower_identity::{
    IdentityConfig,
    config::SignInMethod,
    dev::{Endpoint, Failure, Quirk},
};

use crate::{
    app::App,
    browser::{Page, Tab, html},
    raw::is_attempt,
};

pub const SECRET: &str = "a cookie secret of more than thirty-two characters";

pub fn by_code(config: IdentityConfig) -> IdentityConfig {
    config.with_sign_in_method(SignInMethod::DeviceCode)
}

pub async fn app() -> App {
    App::builder().config(by_code).start().await
}

/// The code on a page.
pub fn code(page: &Page) -> String {
    let tags = html::tags(&page.body);
    let code =
        tags.iter().find(|tag| tag.attributes.get("class").is_some_and(|class| class == "code"));
    code.unwrap_or_else(|| panic!("no code on {}: {} {}", page.url, page.status, page.body))
        .text
        .clone()
}

/// Opens a protected page, and returns the code that is shown instead.
pub async fn begin(app: &App, tab: &mut Tab, path: &str) -> String {
    code(tab.open(app.at(path)).await)
}

/// The response to the script of the page in this tab.
pub async fn poll(tab: &mut Tab) -> Value {
    let address = tab.page().url.to_string();
    let answer = tab.fetch_with(Method::GET, &address, &[("accept", "application/json")]).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (StatusCode::OK, "private, no-store"),
        "{}",
        answer.body
    );
    answer.json()
}

pub fn pending(wait: u64) -> Value {
    json!({"status": "pending", "wait": wait})
}

pub fn questions(app: &App) -> u64 {
    app.provider.requests(Endpoint::Token)
}

pub fn reason(page: &Page) -> &str {
    page.body
        .split("Reason</dt><dd>")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .unwrap_or("none")
}

/// A tab in which a person has signed in by device code and a page is open.
pub async fn signed_in(app: &App, path: &str, person: &str) -> Tab {
    let mut tab = app.browser().tab();
    let code = begin(app, &mut tab, path).await;
    app.provider.answer_device(&code, Some(person)).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, path), "{}", page.body);
    tab
}

#[tokio::test]
async fn without_a_script_the_link_leads_on_when_the_person_is_done() {
    let app = app().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    let code = begin(&app, &mut tab, "/other?q=1").await;
    let way: Vec<_> = tab.hops.iter().map(|hop| hop.url.path()).collect();
    assert_eq!(way, ["/other", "/auth/login", "/auth/callback"]);
    let page = tab.page();
    assert_eq!((page.status, page.header("cache-control")), (StatusCode::OK, "private, no-store"));
    let asked = app.provider.last_request(Endpoint::DeviceAuthorization).unwrap();
    assert_eq!(
        (asked.parameter("scope"), asked.parameter("redirect_uri")),
        (Some("openid profile email offline_access"), None)
    );
    let complete = format!("/device?user_code={code}");
    let links = html::links(&page.body);
    assert!(
        links
            .iter()
            .any(|(address, text)| address.ends_with(&complete) && text.ends_with("/device")),
        "{links:?}"
    );
    assert!(
        page.body.contains("<svg")
            && page.body.contains("15 minutes")
            && page.body.contains("give it to nobody")
    );

    let page = tab.click("Continue").await;
    assert!(
        page.body.contains("You are not signed in yet") && self::code(page) == code,
        "{}",
        page.body
    );
    assert_eq!(questions(&app), 0, "five seconds have not passed");
    app.turn(5);
    let page = tab.click("Continue").await;
    assert!(
        page.body.contains("You are not signed in yet") && self::code(page) == code,
        "{}",
        page.body
    );
    assert_eq!(questions(&app), 1);
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, page.url.as_str()),
        (StatusCode::OK, app.at("/other?q=1").as_str()),
        "{}",
        page.body
    );
    assert_eq!(page.json()["name"], "Ada Lovelace");
    assert_eq!((questions(&app), app.provider.requests(Endpoint::Authorization)), (2, 0));
    assert!(
        !browser.cookies("localhost").iter().any(|cookie| is_attempt(&cookie.name)),
        "the attempt is gone"
    );
    // The page before this one is the sign-in's, and leads here.
    let page = tab.back().await;
    assert_eq!(page.url.as_str(), app.at("/other?q=1"));
}

// C-352: authorization_pending
// C-365: authorization_pending as HTTP 400
#[tokio::test]
async fn a_script_hears_when_the_person_is_done_and_polls_cost_nothing() {
    let app = app().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    let code = begin(&app, &mut tab, "/other?q=1").await;
    for (later, wait, asked) in
        [(0, 5, 0), (4, 1, 0), (1, 5, 1), (0, 5, 1), (4, 1, 1), (1, 5, 2), (2, 3, 2)]
    {
        app.turn(later);
        assert_eq!((poll(&mut tab).await, questions(&app)), (pending(wait), asked));
    }
    app.provider.answer_device(&code, Some("ada")).unwrap();
    assert_eq!(poll(&mut tab).await, pending(3), "not asked before it is time");
    app.turn(3);
    assert_eq!(poll(&mut tab).await, json!({"status": "done", "location": "/other?q=1"}));
    assert!(!browser.cookies("localhost").iter().any(|cookie| is_attempt(&cookie.name)));
    // The answer was lost on its way, or the tab is another one.
    assert_eq!(poll(&mut tab).await, json!({"status": "done", "location": "/other?q=1"}));
    assert_eq!(questions(&app), 3);
    assert_eq!(tab.reload().await.url.as_str(), app.at("/other?q=1"));
}

// C-353: slow_down once
// C-354: slow_down twice
// C-358: connection time-out
// C-360: Retry-After on authorization_pending or 503
#[tokio::test]
async fn the_provider_is_left_alone_for_as_long_as_it_wants() {
    let app = app().await;
    let mut tab = app.browser().tab();
    begin(&app, &mut tab, "/me").await;
    let slow_down = || Failure::OAuthError("slow_down".into());
    let busy = Failure::RetryAfter { status: 503, pause: Duration::from_secs(90) };
    let mut wait = 5;
    for (failure, next) in [
        (slow_down(), 10),
        (slow_down(), 15),
        (Failure::Disconnect, 30),
        (busy, 90),
        (Failure::Status(500), 60),
        (Failure::OAuthError("authorization_pending".into()), 60),
    ] {
        let before = questions(&app);
        app.turn(wait - 1);
        assert_eq!(poll(&mut tab).await, pending(1));
        assert_eq!(questions(&app), before, "sooner than after {wait} s");
        app.provider.fail_next(Endpoint::Token, 1, failure.clone());
        app.turn(1);
        assert_eq!(
            (poll(&mut tab).await, questions(&app)),
            (pending(next), before + 1),
            "{failure:?}"
        );
        wait = next;
    }
}

// C-356: expired_token, or local expires_in reached
#[tokio::test]
async fn an_unused_code_expires_and_is_not_polled_any_more() {
    let app = app().await;
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/other").await;
    app.turn(899);
    assert_eq!(poll(&mut tab).await, pending(5));
    app.turn(1);
    assert_eq!(poll(&mut tab).await, json!({"status": "ended"}));
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::BAD_REQUEST, "code_expired"),
        "{}",
        page.body
    );
    assert_eq!((questions(&app), app.provider.requests(Endpoint::DeviceAuthorization)), (1, 1));
    let another = self::code(tab.click("Start again").await);
    assert_ne!(another, code);
    // The provider says it first, because its clock is ahead.
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("expired_token".into()));
    app.turn(5);
    assert_eq!(poll(&mut tab).await, json!({"status": "ended"}));
    app.turn(100);
    let page = tab.reload().await;
    assert_eq!((reason(page), questions(&app)), ("code_expired", 2), "{}", page.body);
    let third = self::code(tab.click("Start again").await);
    app.provider.answer_device(&third, Some("ada")).unwrap();
    app.turn(5);
    assert_eq!(
        tab.click("Continue").await.url.as_str(),
        app.at("/other"),
        "it is still known where to go"
    );
}

#[tokio::test]
async fn a_page_that_was_left_open_asks_for_no_code_by_itself() {
    let app = app().await;
    let mut tab = app.browser().tab();
    begin(&app, &mut tab, "/me").await;
    app.turn(24 * 3600);
    let address = tab.page().url.to_string();
    let answer = tab.fetch(Method::GET, &address).await;
    assert_eq!(
        (answer.status, app.provider.requests(Endpoint::DeviceAuthorization)),
        (StatusCode::UNAUTHORIZED, 1)
    );
    // Its reader reloads it.
    self::code(tab.reload().await);
}

#[tokio::test]
async fn a_user_who_declines_a_device_code_can_start_again() {
    let app = app().await;
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/me").await;
    app.provider.answer_device(&code, None).unwrap();
    app.turn(5);
    assert_eq!(poll(&mut tab).await, json!({"status": "ended"}));
    assert_eq!(poll(&mut tab).await, json!({"status": "ended"}));
    let page = tab.reload().await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::FORBIDDEN, "access_denied"),
        "{}",
        page.body
    );
    assert_eq!(questions(&app), 1);
    assert_ne!(self::code(tab.click("Try again").await), code);
}

#[tokio::test]
async fn two_tabs_at_one_code_ask_one_question_and_both_land() {
    let app = app().await;
    let browser = app.browser();
    let mut one = browser.tab();
    let code = begin(&app, &mut one, "/other").await;
    let mut other = one.again();
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let mut gate = app.provider.hold_next(Endpoint::Token);
    let release = async {
        gate.arrived().await;
        tokio::task::yield_now().await;
        gate.release();
    };
    let (first, second, ()) = tokio::join!(poll(&mut one), poll(&mut other), release);
    for heard in [first, second] {
        assert_eq!(heard, json!({"status": "done", "location": "/other"}));
    }
    assert_eq!(questions(&app), 1);
    for tab in [&mut one, &mut other] {
        assert_eq!(tab.click("Continue").await.url.as_str(), app.at("/other"));
    }
    assert_eq!(questions(&app), 1);
}

#[tokio::test]
async fn tabs_with_codes_of_their_own_all_sign_in() {
    let app = app().await;
    let browser = app.browser();
    let mut tabs = Vec::new();
    for number in 0..4 {
        let mut tab = browser.tab();
        let code = begin(&app, &mut tab, &format!("/other?tab={number}")).await;
        tabs.push((tab, code));
    }
    app.turn(5);
    for (number, (tab, code)) in tabs.iter_mut().enumerate().rev() {
        app.provider.answer_device(code, Some("ada")).unwrap();
        assert_eq!(tab.click("Continue").await.url.query(), Some(format!("tab={number}").as_str()));
    }
}

/// RFC 8628 section 3.1.
#[tokio::test]
async fn a_device_authorization_request_names_the_client_beside_its_authentication() {
    for quirk in [Quirk::ClientIdRequired, Quirk::ClientIdOrBasic] {
        let app = App::builder()
            .provider(move |provider| provider.with_quirks([quirk]))
            .config(by_code)
            .start()
            .await;
        signed_in(&app, "/me", "ada").await;
    }
}

/// RFC 6749 section 5.1.
#[tokio::test]
async fn a_token_response_to_a_device_code_without_scope_grants_the_scopes_as_they_were_sent() {
    let all = json!(["email", "notes.read", "openid", "profile"]);
    for (refused, expected) in [(1, json!(["notes.read", "openid"])), (0, all)] {
        let app = App::builder()
            .provider(|provider| provider.with_quirks([Quirk::NoScope, Quirk::NoOfflineAccess]))
            .authority(|provider, url| provider.config(url).unwrap())
            .config(|config| by_code(config).with_scopes(["notes.read"]))
            .start()
            .await;
        let error = json!({"error": "invalid_scope"}).to_string();
        let failure = Failure::json(400, error);
        app.provider.fail_next(Endpoint::DeviceAuthorization, refused, failure);
        let mut tab = signed_in(&app, "/me", "ada").await;
        let token = tab.open(app.at("/token")).await.json();
        assert_eq!(token["scopes"], expected);
    }
}
