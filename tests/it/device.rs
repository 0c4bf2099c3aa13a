//! Sign-in by device code (RFC 8628): no redirect URI, a page with a code, and polls at the
//! provider's interval.

use std::time::Duration;

use axum::{
    Json,
    http::{Method, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use tower_identity::{
    Error, IdentityConfig, Tokens,
    config::{ProviderSession, SignInMethod, UserInfo},
    dev::{DevTenant, Endpoint, Failure, Spoil, Verdict},
    require_sign_in,
};

use crate::{
    app::App,
    browser::{Page, Tab, html},
    entra_app,
    node::Node,
    observability::Log,
    raw::{NAVIGATION, Raw, is_attempt},
    stores::Watched,
};

const SECRET: &str = "a cookie secret of more than thirty-two characters";

fn by_code(config: IdentityConfig) -> IdentityConfig {
    config.with_sign_in_method(SignInMethod::DeviceCode)
}

async fn app() -> App {
    App::builder().config(by_code).start().await
}

/// The code on a page.
fn code(page: &Page) -> String {
    let tags = html::tags(&page.body);
    let code =
        tags.iter().find(|tag| tag.attributes.get("class").is_some_and(|class| class == "code"));
    code.unwrap_or_else(|| panic!("no code on {}: {} {}", page.url, page.status, page.body))
        .text
        .clone()
}

/// Opens a protected page, and returns the code that is shown instead.
async fn begin(app: &App, tab: &mut Tab, path: &str) -> String {
    code(tab.open(app.at(path)).await)
}

/// The response to the script of the page in this tab.
async fn poll(tab: &mut Tab) -> Value {
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

fn pending(wait: u64) -> Value {
    json!({"status": "pending", "wait": wait})
}

fn questions(app: &App) -> u64 {
    app.provider.requests(Endpoint::Token)
}

fn reason(page: &Page) -> &str {
    page.body
        .split("Reason</dt><dd>")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .unwrap_or("none")
}

/// A tab in which a person has signed in by device code and a page is open.
async fn signed_in(app: &App, path: &str, person: &str) -> Tab {
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

/// A crawler, a frame, a prefetch and a program get no code, because there is no person to type it.
#[tokio::test]
async fn whoever_is_no_person_at_a_page_gets_no_code() {
    let app = app().await;
    let raw = Raw::of(&app);
    let answer = raw.open("/me?x=1", "").await;
    assert_eq!(answer.location(), "/auth/login?return_to=%2Fme%3Fx%3D1");
    assert!(answer.attempt().is_none());
    let login = "/auth/login?return_to=%2Fme";
    for headers in [
        &[("sec-fetch-dest", "iframe"), ("accept", "text/html")][..],
        &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")],
        &[("sec-fetch-dest", "empty")],
    ] {
        let answer = raw.send(Method::GET, login, "", headers, "").await;
        assert!(
            answer.status == StatusCode::UNAUTHORIZED && answer.attempt().is_none(),
            "{headers:?}: {}",
            answer.status
        );
    }
    let mut tab = app.browser().tab();
    tab.open(app.at("/")).await;
    let answer = tab.fetch(Method::GET, "/me").await;
    assert_eq!(
        (answer.status, &answer.json()["sign_in"]),
        (StatusCode::UNAUTHORIZED, &json!("/auth/login?return_to=%2F"))
    );
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), 0);
    begin(&app, &mut tab, "/me").await;
    let state = tab.page().url.as_str().to_owned();
    let attempt = tab.hops.last().unwrap().cookies.clone().unwrap();
    app.turn(60);
    let head = raw.send(Method::HEAD, &state, &attempt, NAVIGATION, "").await;
    let fetched = raw
        .send(
            Method::GET,
            &state,
            &attempt,
            &[NAVIGATION, &[("sec-purpose", "prefetch")]].concat(),
            "",
        )
        .await;
    let posted = raw.send(Method::POST, &state, &attempt, NAVIGATION, "").await;
    assert!(![&head, &fetched, &posted].iter().any(|answer| answer.status.is_success()));
    assert_eq!(questions(&app), 0);
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
async fn a_code_that_nobody_used_ends_and_nothing_more_is_asked() {
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
async fn who_declines_reads_so_and_can_start_again() {
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

/// Security rule 2, RFC 8628 section 5.4: the code signs in only the browser that started it.
#[tokio::test]
async fn another_browser_is_not_signed_in_by_the_code() {
    let app = app().await;
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/me").await;
    let address = tab.page().url.to_string();
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let mut stranger = app.browser().tab();
    stranger.open(app.at("/")).await;
    let heard = stranger.fetch(Method::GET, &address).await;
    assert_eq!((heard.status, questions(&app)), (StatusCode::UNAUTHORIZED, 0));
    let page = stranger.open(&address).await.clone();
    assert_ne!(self::code(&page), code, "a code of their own");
    assert_eq!(stranger.open(app.at("/")).await.body, "nobody");
    assert_eq!(tab.click("Continue").await.json()["name"], "Ada Lovelace");
}

#[tokio::test]
async fn without_cookies_the_page_says_so_instead_of_going_in_circles() {
    let app = app().await;
    let mut tab = app.browser().without_cookies().tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(reason(page), "attempt_missing", "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), 2);
}

// C-446: process restarts between login and callback
#[tokio::test]
async fn another_process_goes_on_at_the_same_pace() {
    let store = Watched::default();
    let kept = store.clone();
    let settings = |config: IdentityConfig| by_code(config).with_cookie_secrets([SECRET]);
    let app = App::builder()
        .config(settings)
        .layer(|layer| layer.with_store(kept).unwrap())
        .start()
        .await;
    let node = Node::beside(&app, settings, |layer| layer.with_store(store.clone()).unwrap()).await;
    let here = app.browser();
    let there = node.browser(&app, &here);
    let mut tab = here.tab();
    let code = begin(&app, &mut tab, "/other").await;
    app.turn(5);
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("slow_down".into()));
    assert_eq!(poll(&mut tab).await, pending(10));
    // The other one was not told by the first: the browser carries it there.
    assert_eq!(poll(tab.moved_to(there.clone())).await, pending(10));
    app.turn(9);
    assert_eq!((poll(&mut tab).await, questions(&app)), (pending(1), 1));
    app.turn(1);
    assert_eq!((poll(&mut tab).await, questions(&app)), (pending(10), 2), "slower for good");
    assert_eq!(poll(tab.moved_to(here.clone())).await, pending(10));
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(10);
    assert_eq!(poll(tab.moved_to(there)).await["status"], "done");
    let page = tab.moved_to(here).click("Continue").await;
    assert_eq!(
        (page.url.as_str(), &page.json()["name"]),
        (app.at("/other").as_str(), &json!("Ada Lovelace"))
    );
    assert_eq!(questions(&app), 3);
}

#[tokio::test]
async fn a_provider_without_device_codes_is_told_in_words() {
    let app = app().await;
    app.provider
        .change_next_discovery(|document| drop(document.remove("device_authorization_endpoint")));
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::INTERNAL_SERVER_ERROR, "sign_in_not_offered"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("does not support")
            && page.body.contains("device_authorization_endpoint"),
        "{}",
        page.body
    );
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), 0);

    app.provider.fail_next(Endpoint::DeviceAuthorization, 1, Failure::Disconnect);
    let other = self::app().await;
    other.provider.fail_next(Endpoint::DeviceAuthorization, 1, Failure::Status(503));
    let page = tab.open(other.at("/me")).await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::SERVICE_UNAVAILABLE, "provider_unreachable"),
        "{}",
        page.body
    );
}

// C-364: ID token in the answer
/// The ID token has no nonce. All other checks apply.
#[tokio::test]
async fn every_wrong_id_token_is_refused() {
    let app = App::builder()
        .config(|config| by_code(config).with_user_info(UserInfo::AtSignIn))
        .start()
        .await;
    let mut wrong = Vec::new();
    for spoil in Spoil::ALL.iter().filter(|spoil| !format!("{spoil:?}").starts_with("Nonce")) {
        let refused = match spoil.verdict() {
            Verdict::Refuse => true,
            Verdict::Accept => false,
            _ => continue,
        };
        let mut tab = app.browser().tab();
        let code = begin(&app, &mut tab, "/me").await;
        app.provider.answer_device(&code, Some("ada")).unwrap();
        app.provider.spoil_next_id_token(*spoil);
        app.turn(5);
        let before = questions(&app);
        let page = tab.click("Continue").await.clone();
        let who = tab.open(app.at("/")).await.body.clone();
        // An answer that is broken off may have been lost on its way: that is told when the
        // provider was asked again.
        let told = page.status.is_success() != refused || *spoil == Spoil::Oversized;
        if (who == "nobody") != refused || !told {
            wrong.push(format!("{spoil:?}: {} {who}", page.status));
        }
        if questions(&app) != before + 1 {
            wrong.push(format!("{spoil:?}: redeemed twice"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The request had no nonce, so an ID token with one belongs to another sign-in.
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/me").await;
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.provider.change_next_id_token(|claims| drop(claims.insert("nonce".into(), json!("n"))));
    app.turn(5);
    assert_eq!(poll(&mut tab).await, json!({"status": "ended"}));
    assert_eq!(reason(tab.click("Continue").await), "token_nonce");
}

// C-363: user_code and device_code
#[tokio::test]
async fn the_codes_are_in_no_log_and_the_device_code_on_no_page() {
    let (log, _listening) = Log::listen();
    let app = app().await;
    let mut tab = app.browser().tab();
    let user_code = begin(&app, &mut tab, "/me").await;
    let page = tab.page().body.clone();
    app.turn(5);
    poll(&mut tab).await;
    let device_code = app
        .provider
        .last_request(Endpoint::Token)
        .unwrap()
        .parameter("device_code")
        .unwrap()
        .to_owned();
    app.provider.answer_device(&user_code, None).unwrap();
    app.turn(5);
    let failed = tab.click("Continue").await.body.clone();
    let attempt = tab.hops.iter().find_map(|hop| hop.cookies.clone()).unwrap();
    let text = log.text();
    assert!(text.contains("identity.device_code") && text.contains("access_denied"), "{text}");
    assert!(
        device_code.len() > 20
            && ![&page, &failed, &text, &attempt].iter().any(|text| text.contains(&device_code))
    );
    assert!(!text.contains(&user_code) && !failed.contains(&user_code));
}

async fn mail(tokens: Tokens) -> Result<Json<Value>, Error> {
    let token = tokens.for_user(["mail.read"]).await?;
    Ok(Json(json!({ "scopes": token.scopes().collect::<Vec<_>>() })))
}

#[tokio::test]
async fn a_person_agrees_to_more_by_another_code() {
    let app = App::builder()
        .config(by_code)
        .router(|router| router.route("/mail", get(mail)))
        .start()
        .await;
    let mut tab = signed_in(&app, "/me", "ada").await;
    let code = begin(&app, &mut tab, "/mail?folder=1").await;
    let asked = app.provider.last_request(Endpoint::DeviceAuthorization).unwrap();
    assert!(asked.parameter("scope").unwrap().contains("mail.read"), "{asked:?}");
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, page.url.query()),
        (StatusCode::OK, Some("folder=1")),
        "{}",
        page.body
    );
    assert!(
        page.json()["scopes"].as_array().unwrap().contains(&json!("mail.read")),
        "{}",
        page.body
    );
    // Another person uses the code: they get a session of their own, and not the page.
    let mut tab = signed_in(&app, "/me", "ada").await;
    let code = begin(&app, &mut tab, "/mail").await;
    app.provider.answer_device(&code, Some("alan")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.url.as_str(), page.body.as_str()),
        (app.at("/").as_str(), "hello Alan Turing")
    );
}

#[tokio::test]
async fn what_a_code_cannot_ask_for_is_told_and_not_tried() {
    let recent = require_sign_in().with_max_age(Duration::from_secs(60));
    let routes = |router: axum::Router| {
        router.merge(
            axum::Router::new().route("/recent", get(|| async { "recent" })).route_layer(recent),
        )
    };
    let app = App::builder().config(by_code).router(routes).start().await;
    let mut tab = signed_in(&app, "/me", "ada").await;
    app.turn(300);
    let before = app.provider.requests(Endpoint::DeviceAuthorization);
    let page = tab.open(app.at("/recent")).await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::INTERNAL_SERVER_ERROR, "sign_in_not_offered"),
        "{}",
        page.body
    );
    assert!(page.body.contains("`max_age`"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::DeviceAuthorization), before);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_the_provider_only_if_that_is_set() {
    for (end, requests, path) in [(false, 0, "/"), (true, 1, "/auth/signed-out")] {
        let app = App::builder()
            .config(|config| match end {
                true => by_code(config).with_provider_session(ProviderSession::End),
                false => by_code(config),
            })
            .start()
            .await;
        let mut tab = signed_in(&app, "/me", "ada").await;
        let question = tab.open(app.at("/auth/logout")).await.form();
        let page = tab.submit(question).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, path), "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::EndSession), requests);
        assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    }
}

#[tokio::test]
async fn a_second_sign_in_ends_the_session_before_and_sessions_are_renewed() {
    let app = app().await;
    let mut tab = signed_in(&app, "/me", "ada").await;
    let raw = Raw::of(&app);
    let old = tab.hops.last().unwrap().cookies.clone().unwrap();
    assert_eq!(raw.who(&old).await, "hello Ada Lovelace");
    let code = self::code(tab.open(app.at("/auth/login?return_to=/me")).await);
    app.provider.answer_device(&code, Some("alan")).unwrap();
    app.turn(5);
    assert_eq!(tab.click("Continue").await.json()["name"], "Alan Turing");
    assert_eq!(raw.who(&old).await, "nobody");
    let before = questions(&app);
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Alan Turing");
    assert_eq!(questions(&app), before + 1, "by the refresh token");
}

/// The code is spent, so the person has to start again, and the page says why.
#[tokio::test]
async fn an_answer_that_cannot_be_verified_is_not_asked_for_twice() {
    let app = app().await;
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/me").await;
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    app.provider.fail_next(Endpoint::Keys, 5, Failure::Status(500));
    assert_eq!(poll(&mut tab).await, json!({"status": "ended"}));
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, reason(page)),
        (StatusCode::SERVICE_UNAVAILABLE, "provider_unreachable"),
        "{}",
        page.body
    );
    assert_eq!(questions(&app), 1);
}

/// D18: multi-tenant issuers, `authorization_declined`, and a token for the requested scopes only.
#[tokio::test]
async fn entra_signs_in_by_code_too() {
    let settings = |config: IdentityConfig| by_code(config).with_scopes(["User.Read"]);
    let notes = |router: axum::Router| router.route("/mail", get(graph_mail));
    let app =
        entra_app::builder(DevTenant::CONTOSO.id()).config(settings).router(notes).start().await;
    let mut tab = app.browser().tab();
    let code = begin(&app, &mut tab, "/me").await;
    assert!(!tab.page().body.contains("user_code="), "Entra has no address with the code in it");
    app.provider.answer_device(&code, None).unwrap();
    app.turn(5);
    assert_eq!(reason(tab.click("Continue").await), "access_denied");

    let mut tab = signed_in(&app, "/me", "ada").await;
    assert_eq!(tab.page().json()["claims"]["tid"], DevTenant::CONTOSO.id());
    let code = begin(&app, &mut tab, "/mail").await;
    let asked = app.provider.last_request(Endpoint::DeviceAuthorization).unwrap();
    assert_eq!(asked.parameter("scope"), Some("openid profile offline_access Mail.Read"));
    app.provider.answer_device(&code, Some("ada")).unwrap();
    app.turn(5);
    let page = tab.click("Continue").await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("Mail.Read"),
        "{} {}",
        page.status,
        page.body
    );
    let own = tab.open(app.at("/token")).await.json();
    assert_ne!(own["source"], "sign_in", "the code's token was for mail alone: {own}");
}

async fn graph_mail(tokens: Tokens) -> Result<Json<Value>, Error> {
    let token = tokens.for_user(["Mail.Read"]).await?;
    Ok(Json(json!({ "scopes": token.scopes().collect::<Vec<_>>() })))
}
