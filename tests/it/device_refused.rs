//! Requests and responses that a sign-in by device code refuses, and what it keeps secret.

use axum::http::{Method, StatusCode};
use serde_json::json;
use tower_identity::{
    config::UserInfo,
    dev::{Endpoint, Failure, Spoil, Verdict},
};

use crate::{
    app::App,
    captured_log::Log,
    device::{app, begin, by_code, code, poll, questions, reason},
    raw::{NAVIGATION, Raw},
};

/// A crawler, a frame, a prefetch and a program get no code, because there is no person to type it.
#[tokio::test]
async fn a_client_that_is_no_navigation_gets_no_code() {
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

#[tokio::test]
async fn a_provider_without_device_codes_is_an_error_with_its_remedy() {
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

    for failure in [Failure::Disconnect, Failure::Status(503)] {
        let app = self::app().await;
        app.provider.fail_next(Endpoint::DeviceAuthorization, 1, failure.clone());
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/me")).await;
        assert_eq!(
            (page.status, reason(page)),
            (StatusCode::SERVICE_UNAVAILABLE, "provider_unreachable"),
            "{failure:?}: {}",
            page.body
        );
    }
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
        // An answer that is broken off may have been lost on its way: that is reported when the
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
