//! Authorization responses at the callback path: invalid, late, repeated, or of another browser.

use axum::http::{Method, StatusCode};
use tower_identity::dev::{Endpoint, Failure, SpoilCallback, SpoilDiscovery};

use crate::{
    app::App,
    raw::{NAVIGATION, Raw},
};

/// Changes the authorization response of a sign-in, and asserts the outcome: this page, no session,
/// no token request, and a next sign-in that works.
async fn refuses(app: &App, spoil: SpoilCallback, status: u16, reason: &str) {
    let asked = app.provider.requests(Endpoint::Token);
    app.provider.spoil_next_callback(spoil);
    let browser = app.browser();
    let mut tab = browser.tab();
    let page = tab.open(app.at("/other?page=1")).await;
    assert_eq!(page.status.as_u16(), status, "{spoil:?}: {}", page.body);
    assert!(
        page.body.contains(&format!("<dd>{reason}</dd>")),
        "{spoil:?} is not {reason}: {}",
        page.body
    );
    assert_eq!(page.header("cache-control"), "private, no-store");
    assert_eq!(app.provider.requests(Endpoint::Token), asked, "{spoil:?} led to a token request");
    let session = browser
        .cookies("localhost")
        .into_iter()
        .find(|cookie| crate::raw::is_session(&cookie.name));
    assert!(session.is_none(), "{spoil:?}: {session:?}");
    // An answer that names its attempt ends it, whatever else is wrong with it.
    let names_its_attempt = !matches!(
        spoil,
        SpoilCallback::StateOther
            | SpoilCallback::StateMissing
            | SpoilCallback::StateTwice
            | SpoilCallback::IssuerTwice
            | SpoilCallback::CodeTwice
    );
    assert_eq!(browser.cookies("localhost").is_empty(), names_its_attempt, "{spoil:?}");
    let page = tab.click("Try again").await;
    assert_eq!(page.status, StatusCode::OK, "{spoil:?}: {}", page.body);
    if names_its_attempt {
        assert_eq!(page.url.as_str(), app.at("/other?page=1"), "{spoil:?}");
    }
}

// C-002: OP answers the named implicit or hybrid type
// C-073: state + "1" in the callback
// C-074: no state in the callback
// C-106: state, code, iss, error or another parameter given twice
// C-107: `response` parameter when JARM was not asked
// C-109: iss parameter wrong although metadata does not advertise it
// C-110: iss in an error response wrong or missing (advertised)
// C-111: iss compared
// C-116: neither code nor error
#[tokio::test]
async fn a_wrong_answer_is_refused_by_name_and_the_next_try_works() {
    use SpoilCallback as S;
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for (spoil, status, reason) in [
        (S::StateOther, 400, "state_mismatch"),
        (S::StateMissing, 400, "callback_invalid"),
        (S::StateTwice, 400, "callback_invalid"),
        (S::IssuerOther, 400, "response_issuer_mismatch"),
        (S::IssuerWithSlash, 400, "response_issuer_mismatch"),
        (S::IssuerMissing, 400, "response_issuer_mismatch"),
        (S::IssuerTwice, 400, "callback_invalid"),
        (S::CodeMissing, 400, "callback_invalid"),
        (S::CodeEmpty, 400, "callback_invalid"),
        (S::CodeTwice, 400, "callback_invalid"),
        (S::CodeAndError, 403, "access_denied"),
        (S::AccessDenied, 403, "access_denied"),
        (S::LoginRequired, 401, "interaction_required"),
        (S::ConsentRequired, 401, "interaction_required"),
        (S::TemporarilyUnavailable, 503, "provider_unavailable"),
        (S::ErrorWithMarkup, 503, "provider_unavailable"),
        (S::ErrorOfOtherIssuer, 400, "response_issuer_mismatch"),
        (S::ResponseParameter, 400, "callback_invalid"),
        (S::TokensAdded, 400, "callback_invalid"),
    ] {
        refuses(&app, spoil, status, reason).await;
    }
}

/// RFC 6749 section 4.1.2: the exact value comes back, also where the `state` carries a return
/// path.
#[tokio::test]
async fn a_state_that_is_altered_anywhere_sends_no_code() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    for path in ["/auth/login", "/other", "/other?page=1"] {
        let sent = app.provider.requests(Endpoint::Token);
        let begun = raw.begin(path, "").await;
        let callback = raw.answer(&begun).await;
        let state = begun.state();
        let cut = |bytes: usize| state[..state.len() - bytes].to_owned();
        let last = if state.ends_with('A') { 'B' } else { 'A' };
        let other = format!("{}{last}", cut(1));
        for altered in [format!("{state}1"), format!("{state}.1"), cut(1), cut(2), other] {
            let answer = raw.open(&callback.replace(&state, &altered), &begun.attempt).await;
            assert_eq!(answer.session(), None, "{path}: {altered}");
        }
        assert_eq!(app.provider.requests(Endpoint::Token), sent, "{path}");
        let answer = raw.open(&callback, &begun.attempt).await;
        assert!(answer.session().is_some(), "{path}: {}", answer.body);
    }
}

// C-109: iss parameter wrong although metadata does not advertise it
/// `iss` is checked even if the metadata does not announce it (RFC 9207 section 2.4).
#[tokio::test]
async fn an_issuer_that_was_not_announced_is_checked_all_the_same() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.spoil_next_discovery(SpoilDiscovery::ResponseIssuerMissing);
    refuses(&app, SpoilCallback::IssuerOther, 400, "response_issuer_mismatch").await;
}

// C-134: error_description contains HTML
/// Security rule 18
#[tokio::test]
async fn what_the_provider_writes_is_shown_as_text() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in(
        "access_denied",
        "</dd><script>alert(1)</script><a href=\"javascript:alert(1)\">",
    );
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await;
    assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", page.body);
    assert!(
        !page.body.contains("<script") && !page.body.contains("href=\"javascript:"),
        "{}",
        page.body
    );
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}

// C-119: state older than its lifetime
#[tokio::test]
async fn an_answer_after_ten_minutes_is_too_late() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/other", "").await;
    let callback = raw.answer(&begun).await;
    app.turn(600);
    let answer = raw.open(&callback, &begun.attempt).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("attempt_expired"), "{}", answer.body);
    let name = begun.attempt.split('=').next().unwrap();
    assert!(
        answer
            .set_cookies()
            .iter()
            .any(|cookie| cookie.starts_with(&format!("{name}=; Path=/; Max-Age=0")))
    );
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
}

// C-123: browser goes Back to the callback URL with a live session and the same state
#[tokio::test]
async fn going_back_to_the_callback_leads_to_the_page_again() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    tab.open(app.at("/other?q=1")).await;
    let callback =
        tab.hops.iter().find(|hop| hop.url.path() == "/auth/callback").unwrap().url.clone();
    for _ in 0..3 {
        let page = tab.open(&callback).await;
        assert_eq!(
            (page.status, page.url.as_str()),
            (StatusCode::OK, app.at("/other?q=1").as_str())
        );
    }
    assert_eq!(
        (app.provider.requests(Endpoint::Token), app.provider.requests(Endpoint::Authorization)),
        (1, 1)
    );
    // The `state` is of another sign-in: the page can only say that a person is signed in now.
    let stale = callback
        .as_str()
        .replace(callback.query().unwrap(), "code=abc&state=r0.1.AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(tab.open(stale).await.url.as_str(), app.at("/"));
    assert_eq!(
        (app.provider.requests(Endpoint::Token), app.provider.requests(Endpoint::Authorization)),
        (1, 1)
    );
}

// C-128: same callback URL delivered twice at the same time
// C-443: client drops the callback request mid-way
/// There is one token request, and the browser that waits for the response is signed in.
#[tokio::test]
async fn the_same_answer_many_times_at_once_is_redeemed_once() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/other", "").await;
    let callback = raw.answer(&begun).await;
    let mut gate = app.provider.hold_next(Endpoint::Token);
    // The first browser tab is closed while the code is on its way.
    tokio::select! {
        answer = raw.open(&callback, &begun.attempt) => {
            panic!("answered before the provider did: {}", answer.status)
        }
        () = gate.arrived() => {}
    }
    let waiting = async {
        tokio::join!(raw.open(&callback, &begun.attempt), raw.open(&callback, &begun.attempt))
    };
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("answered before the provider did"),
        () = std::future::ready(()) => gate.release(),
    }
    let (first, second) = waiting.await;
    for answer in [first, second] {
        assert_eq!(answer.location(), "/other");
        assert_eq!(raw.who(&answer.session().unwrap()).await, "hello Ada Lovelace");
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
    // Long afterwards, too.
    assert_eq!(raw.open(&callback, &begun.attempt).await.location(), "/other");
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

// C-127: stolen code injected into another browser's transaction
/// Another person's code in one's own attempt.
#[tokio::test]
async fn a_stolen_code_is_of_no_use_in_another_browser() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let victim = raw.begin("/me", "").await;
    let stolen = raw.answer(&victim).await;
    let thief = raw.begin("/me", "").await;
    let injected = stolen.replace(&victim.state(), &thief.state());
    assert_ne!(injected, stolen);
    let answer = raw.open(&injected, &thief.attempt).await;
    assert!(
        answer.status.is_client_error() && answer.body.contains("invalid_grant"),
        "{} {}",
        answer.status,
        answer.body
    );
    assert!(answer.session().is_none());
}

// C-125: callback without transaction cookie
/// Login CSRF by a forged link (security rule 3).
#[tokio::test]
async fn another_browser_s_answer_signs_nobody_in() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("grace").unwrap();
    let attacker = raw.begin("/me", "").await;
    let planted = raw.answer(&attacker).await;
    app.provider.sign_in_as("ada").unwrap();

    // Without an attempt, with one of one's own, and signed in: the attacker's code is never sent.
    let own = raw.begin("/me", "").await;
    for cookies in ["", own.attempt.as_str()] {
        let answer = raw.open(&planted, cookies).await;
        assert!(answer.location().starts_with(app.provider.issuer()) && answer.session().is_none());
        assert!(answer.location().contains("state=r1."));
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at(&planted)).await;
    // The page is the attacker's choice, as it is with any link to a page of this site; who looks
    // at it is not.
    assert_eq!((page.url.path(), &page.json()["name"]), ("/me", &"Ada Lovelace".into()));
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

/// A cookie is valid in its own slot only, and a `state` for its own attempt only.
#[tokio::test]
async fn the_state_of_another_slot_finds_nothing() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let callback = raw.answer(&begun).await;
    let state = begun.state();
    let (name, value) = begun.attempt.split_once('=').unwrap();
    let slot: u8 = name[name.len() - 1..].parse().unwrap();
    let other = (slot + 1) % 8;
    let moved = state.replacen(&format!(".{slot}."), &format!(".{other}."), 1);
    let renamed = format!("{}{other}={value}", &name[..name.len() - 1]);
    for cookies in [&begun.attempt, &renamed] {
        let answer = raw.open(&callback.replace(&state, &moved), cookies).await;
        assert!(answer.location().contains("state=r1."), "{}", answer.location());
    }
    let retried = state.replacen("r0.", "r1.", 1);
    let answer = raw.open(&callback.replace(&state, &retried), &begun.attempt).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
}

// C-439: 1 MB state, code, cookie or logout token
/// Security rule 16
#[tokio::test]
async fn huge_and_strange_answers_are_refused_early() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    let long = "a".repeat(40_000);
    let mut many = "code=a".to_owned();
    (0..100).for_each(|number| many.push_str(&format!("&p{number}=1")));
    for query in [
        &format!("state={long}"),
        &format!("code={long}"),
        &format!("unknown={long}"),
        &many,
        "state=%00%ff",
        "&&==&",
        "",
    ] {
        let answer = raw.open(&format!("/auth/callback?{query}"), "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert!(answer.set_cookies().is_empty());
    }
    for method in [Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS, Method::PATCH] {
        let answer =
            raw.send(method.clone(), "/auth/callback?code=a&state=b", "", NAVIGATION, "").await;
        // HEAD is GET, and its parameters are refused; other methods are not for this path.
        let expected = match method {
            Method::HEAD => StatusCode::BAD_REQUEST,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        };
        assert_eq!(answer.status, expected, "{method}");
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
}

// C-154: timeout at the token endpoint
#[tokio::test]
async fn a_token_endpoint_that_fails_is_not_asked_twice() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for failure in
        [Failure::Disconnect, Failure::LoseAnswer, Failure::Status(503), Failure::Status(429)]
    {
        let asked = app.provider.requests(Endpoint::Token);
        app.provider.fail_next(Endpoint::Token, 1, failure.clone());
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/other")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{failure:?}: {}", page.body);
        assert!(page.body.contains("provider_unreachable"));
        assert_eq!(app.provider.requests(Endpoint::Token), asked + 1, "{failure:?}");
        assert_eq!(tab.click("Try again").await.url.path(), "/other");
    }
}
