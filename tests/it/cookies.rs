//! Cookies as browsers receive and send them.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use tower_identity::dev::{Endpoint, SpoilTokenAnswer};

use crate::{
    app::App,
    browser::jar::Stored,
    node::Node,
    raw::{Raw, is_session},
};

// C-303: session cookie
#[tokio::test]
async fn over_https_every_cookie_is_of_this_host_alone() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let origin = "https://localhost:8443";
    let config = App::settings(&app.provider, origin);
    let node = Node::beside(&app, |_| config, |layer| layer).await;
    let browser = node.browser_at(origin, &app.browser());
    let mut tab = browser.tab();
    let page = tab.open(format!("{origin}/me")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let set: Vec<_> = tab
        .hops
        .iter()
        .filter(|hop| hop.url.as_str().starts_with(origin))
        .flat_map(|hop| hop.set_cookies())
        .collect();
    assert_eq!(set.len(), 4, "an attempt, its removal, a session, the count of sign-ins: {set:?}");
    for cookie in set {
        assert!(cookie.starts_with("__Host-identity-") && cookie.contains("; Path=/;"), "{cookie}");
        assert!(
            cookie.ends_with("; HttpOnly; Secure; SameSite=Lax") && !cookie.contains("Domain"),
            "{cookie}"
        );
    }
    let (kept, counts): (Vec<_>, Vec<_>) =
        browser.cookies("localhost").into_iter().partition(|cookie| is_session(&cookie.name));
    assert_eq!(
        (kept.len(), counts.len(), browser.jar().refused.as_slice()),
        (1, 1, &[] as &[String])
    );
    assert!(kept[0].expires.is_none() && kept[0].host_only && kept[0].http_only);

    // And they go, too: a browser refuses removals of `__Host-` cookies that are not made like
    // them.
    let form = tab.open(format!("{origin}/auth/logout")).await.form();
    tab.submit(form).await;
    assert!(browser.cookies("localhost").is_empty());
    assert!(browser.jar().refused.is_empty(), "{:?}", browser.jar().refused);
}

// C-308: cookie over 4096 bytes
// C-310: one chunk missing
/// The cookie of a person with 250 groups is as small as any other.
#[tokio::test]
async fn the_cookie_does_not_grow_with_the_claims() {
    let app = App::start().await;
    let mut sizes = Vec::new();
    for person in ["ada", "grace"] {
        app.provider.sign_in_as(person).unwrap();
        let browser = app.browser();
        let mut tab = browser.tab();
        let page = tab.open(app.at("/me")).await.json();
        let mut cookies = browser.cookies("localhost");
        cookies.retain(|cookie| is_session(&cookie.name));
        assert_eq!(cookies.len(), 1);
        sizes.push((
            cookies[0].value.len(),
            page["claims"]["groups"].as_array().map_or(0, Vec::len),
        ));
    }
    assert_eq!((sizes[0].0, sizes[1].1), (sizes[1].0, 250));
    assert!(sizes[0].0 < 200, "{} bytes", sizes[0].0);
}

// C-327: two cookies with the same name (subdomain planted)
/// A cookie of the same name, planted by another application on the same host. Ours is found at any
/// position.
#[tokio::test]
async fn two_cookies_of_one_name_are_both_tried() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let (name, value) = session.split_once('=').unwrap();
    let planted = [
        format!("{name}=planted"),
        format!("{name}={}", "A".repeat(value.len())),
        format!("{name}="),
    ];
    for other in &planted {
        for cookies in [
            format!("{other}; {session}"),
            format!("{session}; {other}"),
            format!("a=b; {other};{session}; c=d"),
        ] {
            assert_eq!(raw.who(&cookies).await, "hello Ada Lovelace", "{cookies}");
        }
    }
    let begun = raw.begin("/other", "").await;
    let callback = raw.answer(&begun).await;
    let attempt = begun.attempt.split('=').next().unwrap();
    assert_eq!(
        raw.open(&callback, &format!("{attempt}=planted; {}", begun.attempt)).await.location(),
        "/other"
    );
    // Invalid values are signed out, and many of them are not expensive.
    let flood = format!("{name}={}; ", "A".repeat(value.len())).repeat(200);
    assert_eq!(raw.who(&flood).await, "nobody");
    for strange in [
        format!("x{session}"),
        session.to_uppercase(),
        session.replacen('=', " =", 1),
        format!("{session}x"),
    ] {
        assert_eq!(raw.who(&strange).await, "nobody", "{strange}");
    }
}

// C-425: public route, cookie invalid
/// Security rule 15
#[tokio::test]
async fn a_broken_cookie_is_anonymous_on_public_pages_and_signs_in_on_others() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let (name, value) = session.split_once('=').unwrap();
    let swapped: String = value.chars().rev().collect();
    for broken in [
        "",
        "a",
        "%00",
        &value[1..],
        &swapped,
        &"A".repeat(20_000),
        &format!("{value}A"),
        "\"quoted\"",
    ] {
        let cookies = format!("{name}={broken}");
        let public = raw.open("/", &cookies).await;
        assert_eq!(
            (public.status, public.body.as_str(), public.set_cookies().len()),
            (StatusCode::OK, "nobody", 0)
        );
        let answer = raw.open("/me", &cookies).await;
        assert!(answer.location().starts_with(app.provider.issuer()));
        assert!(
            answer
                .set_cookies()
                .iter()
                .any(|cookie| cookie.starts_with(&format!("{name}=; Path=/; Max-Age=0")))
        );
    }
    // Every bit counts.
    for at in (0..value.len()).step_by(7) {
        let mut changed = value.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let cookies = format!("{name}={}", String::from_utf8(changed).unwrap());
        assert_eq!(raw.who(&cookies).await, "nobody", "{at}");
    }
}

/// A sealed value has one purpose: an attempt does not open as a session, nor a session as an
/// attempt.
#[tokio::test]
async fn cookies_do_not_stand_in_for_one_another() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let begun = raw.begin("/other", "").await;
    let callback = raw.answer(&begun).await;
    let (name, value) = session.split_once('=').unwrap();
    let (slot, attempt) = begun.attempt.split_once('=').unwrap();
    assert_eq!(raw.who(&format!("{name}={attempt}")).await, "nobody");
    let answer = raw.open(&callback, &format!("{slot}={value}")).await;
    assert!(answer.location().contains("state=r1.") && answer.session().is_none());
}

// C-324: browser view
/// Security rule 19
#[tokio::test]
async fn no_token_reaches_the_browser() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let tokens: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&tokens);
    app.provider.change_next_token_answer(move |answer| {
        let names = ["access_token", "refresh_token", "id_token"];
        seen.lock()
            .unwrap()
            .extend(names.iter().map(|name| answer[*name].as_str().unwrap().to_owned()));
    });
    let browser = app.browser();
    let mut tab = browser.tab();
    tab.open(app.at("/me")).await;
    let tokens = tokens.lock().unwrap().clone();
    assert_eq!(tokens.len(), 3);
    for hop in &tab.hops {
        let text = format!("{hop:?} {:?}", hop.headers);
        assert!(tokens.iter().all(|token| !text.contains(token)), "{hop:?}");
    }
    assert!(tokens.iter().all(|token| !tab.page().body.contains(token)));
    for cookie in browser.cookies("localhost") {
        assert!(cookie.http_only, "scripts cannot read {}", cookie.name);
    }
    // The code is spent before the browser sees the page, and the page's address does not hold it.
    assert_eq!(tab.page().url.query(), None);
}

// C-314: login while an anonymous or planted session exists
/// A planted session (session fixation).
#[tokio::test]
async fn a_planted_session_does_not_become_the_victim_s() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("grace").unwrap();
    let planted = raw.sign_in().await;
    app.provider.sign_in_as("ada").unwrap();
    let browser = app.browser();
    let (name, value) = planted.split_once('=').unwrap();
    let mut tab = browser.tab();
    tab.open(app.at("/")).await;
    browser.jar().cookies.push(Stored {
        name: name.into(),
        value: value.into(),
        domain: "localhost".into(),
        host_only: true,
        path: "/".into(),
        secure: false,
        http_only: false,
        same_site: tower_sessions::cookie::SameSite::Lax,
        expires: None,
    });
    let page = tab.open(app.at("/auth/login?return_to=/me")).await;
    assert_eq!(page.json()["name"], "Ada Lovelace");
    let own =
        browser.cookies("localhost").into_iter().find(|cookie| is_session(&cookie.name)).unwrap();
    assert_ne!(own.value, value);
    assert_eq!(raw.who(&planted).await, "nobody", "the attacker is not signed in as anybody");
}

/// An attempt that was planted in the victim's browser, or copied before the victim signed in. A
/// repeated authorization response signs in only a browser that has the code.
#[tokio::test]
async fn a_planted_attempt_brings_no_session_without_the_code_of_the_victim() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let planted = raw.begin("/me", "").await;
    let callback = raw.answer(&planted).await;
    assert!(raw.open(&callback, &planted.attempt).await.session().is_some());
    let state = planted.state();
    for forged in [
        format!("/auth/callback?code=junk&state={state}"),
        format!("/auth/callback?state={state}"),
        format!("/auth/callback?error=access_denied&state={state}"),
        format!("{callback}x").replace("code=", "code=x"),
    ] {
        let answer = raw.open(&forged, &planted.attempt).await;
        assert_eq!(answer.session(), None, "{forged}: {}", answer.status);
    }
    // The browser of the victim may have sent it twice.
    assert!(raw.open(&callback, &planted.attempt).await.session().is_some());
}

// C-143: access_token missing or not a string
// C-322: store down at login
/// No session is left behind.
#[tokio::test]
async fn a_sign_in_that_fails_late_leaves_the_session_as_it_was() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.provider.spoil_next_token_answer(SpoilTokenAnswer::AccessTokenNumber);
    let page = tab.open(app.at("/auth/login?return_to=/other")).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// For applications that are installed on phones, where the browser is closed often.
#[tokio::test]
async fn where_it_is_set_the_session_cookie_outlives_the_browser_and_never_the_session() {
    use std::time::Duration;

    use tower_identity::config::CookieLifetime;

    let (idle, absolute) = (Duration::from_secs(2 * 3600), Duration::from_secs(5 * 3600));
    let settings = |config: tower_identity::IdentityConfig| {
        config
            .with_cookie_lifetime(CookieLifetime::Session)
            .with_idle_timeout(idle)
            .with_absolute_timeout(absolute)
    };
    let app = App::builder().config(settings).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let callback = raw.answer(&begun).await;
    let answer = raw.open(&callback, &begun.attempt).await;
    let max_age = |answer: &crate::raw::Answer| {
        let cookie = answer
            .set_cookies()
            .into_iter()
            .find(|cookie| is_session(cookie))
            .map(str::to_owned)?;
        cookie
            .split("; Max-Age=")
            .nth(1)
            .map(|rest| rest.split(';').next().unwrap().parse::<u64>().unwrap())
    };
    assert_eq!(max_age(&answer), Some(2 * 3600), "as long as nobody comes");
    let mut session = answer.session().unwrap();
    for (turn, left) in
        [(3600, 2 * 3600), (3600, 2 * 3600), (3600, 2 * 3600), (3600, 3600), (3000, 600)]
    {
        app.turn(turn);
        let answer = raw.open("/other", &session).await;
        assert_eq!((answer.status, max_age(&answer)), (StatusCode::OK, Some(left)));
        session = answer.session().unwrap();
    }
}
