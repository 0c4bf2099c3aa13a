//! The regular way through the pages.

use std::time::Duration;

use reqwest::StatusCode;

use super::test_browser::{REDIRECT, TestBrowser, part, text, with_ada};
use super::*;
use crate::clock::ManualClock;

#[tokio::test]
async fn a_person_signs_in_by_picking_an_account_and_agreeing() {
    let provider = DevProvider::start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    let picker = browser.authorize(&[("login_hint", "Grace@example.com")]).await;
    let (grace, ada) =
        (picker.body.find("Grace Hopper").unwrap(), picker.body.find("Ada Lovelace").unwrap());
    assert!(grace < ada, "the hinted person comes first");
    let consent = browser.click(&picker, "person", "ada").await;
    assert!(
        consent.body.contains("offline_access") && consent.body.contains("Ada Lovelace"),
        "{}",
        consent.body
    );
    let back = browser.click(&consent, "decision", "agree").await;
    assert_eq!(back.sent_back("state").as_deref(), Some("a state"));
    assert_eq!(back.sent_back("iss").as_deref(), Some(provider.issuer()));

    let answer = browser.token(&[("code", &back.sent_back("code").unwrap())]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    let answer = answer.json();
    let claims = part(text(&answer, "id_token"), 1);
    assert_eq!(text(&claims, "nonce"), "a nonce");
    assert_eq!(text(&claims, "name"), "Ada Lovelace");
    assert_eq!(claims["roles"][0], "Admin");
    let user_info = browser.user_info(text(&answer, "access_token")).await.json();
    assert_eq!(user_info["sub"], claims["sub"]);

    // The browser is signed in and the consent is stored: only a new scope shows a page again.
    assert!(browser.authorize(&[("prompt", "none")]).await.sent_back("code").is_some());
    let more = browser.authorize(&[("scope", "openid calendar.read")]).await;
    assert!(
        more.body.contains("calendar.read") && !more.body.contains("<code>openid</code>"),
        "{}",
        more.body
    );
    let declined = browser.click(&more, "decision", "decline").await;
    assert_eq!(declined.sent_back("error").as_deref(), Some("access_denied"));
    let silent = browser.authorize(&[("scope", "openid calendar.read"), ("prompt", "none")]).await;
    assert_eq!(silent.sent_back("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn a_page_can_only_be_answered_by_its_browser_and_origin() {
    let provider = DevProvider::start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    let page = browser.authorize(&[]).await;
    let mut other = TestBrowser::new(&provider);
    assert_eq!(other.click(&page, "person", "ada").await.status, StatusCode::FORBIDDEN);
    let id = page.field("id");
    let foreign = browser
        .http
        .post(format!("{}/interaction", provider.issuer()))
        .header("origin", "http://localhost:3000");
    let answer =
        browser.send(foreign.form(&[("id", id.as_str()), ("person", "ada")])).await.unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_request_that_must_not_be_redirected_shows_a_page() {
    let (provider, mut browser) = with_ada().await;
    provider.add_client(DevClient::public("exact").with_redirect_uri(REDIRECT));
    let cases: [&[(&str, &str)]; 8] = [
        &[("client_id", "")],
        &[("client_id", "nobody")],
        &[("redirect_uri", "")],
        &[("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", "http://localhost.evil.example/")],
        &[("redirect_uri", "http://localhost:3000/#fragment")],
        &[("redirect_uri", "http://user@localhost:3000/")],
        &[("client_id", "exact"), ("redirect_uri", "http://localhost:3000/auth/callback/")],
    ];
    for changed in cases {
        let seen = browser.authorize(changed).await;
        assert_eq!(
            (seen.status, seen.header("location")),
            (StatusCode::BAD_REQUEST, ""),
            "{changed:?}"
        );
    }
    assert!(browser.authorize(&[("client_id", "exact")]).await.sent_back("code").is_some());
}

#[tokio::test]
async fn other_mistakes_in_a_request_go_back_to_the_client() {
    let (_provider, mut browser) = with_ada().await;
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "web_message", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "whatever", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("request", "a.b.c", "request_not_supported"),
        ("request_uri", "https://x/", "request_uri_not_supported"),
        ("id_token_hint", "a.b.c", "invalid_request"),
    ] {
        let seen = browser.authorize(&[(name, value)]).await;
        assert_eq!(seen.sent_back("error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(seen.sent_back("state").as_deref(), Some("a state"));
        assert!(seen.sent_back("iss").is_some() && seen.sent_back("code").is_none());
    }
    let twice = format!("/authorize?client_id=quickstart&redirect_uri={REDIRECT}&nonce=1&nonce=2");
    assert_eq!(browser.get(&twice).await.sent_back("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn prompt_max_age_and_acr_decide_whether_a_page_is_shown() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().with_clock(clock.clone()).start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    assert_eq!(
        browser.authorize(&[("prompt", "none")]).await.sent_back("error").as_deref(),
        Some("login_required")
    );
    provider.sign_in_as("ada").unwrap();
    browser.code().await;
    provider.show_pages();
    browser.code().await;

    clock.advance(Duration::from_secs(100));
    browser.authorize(&[("max_age", "100")]).await.sent_back("code").unwrap();
    browser
        .authorize(&[("login_hint", "somebody@elsewhere.example")])
        .await
        .sent_back("code")
        .unwrap();
    for asks in [
        [("max_age", "99")],
        [("max_age", "0")],
        [("prompt", "login")],
        [("prompt", "select_account")],
        [("prompt", "create")],
        [("prompt", "consent")],
        [("acr_values", "mfa")],
        [("login_hint", "alan")],
    ] {
        assert_eq!(browser.authorize(&asks).await.status, StatusCode::OK, "{asks:?} shows a page");
    }
    let silent = browser.authorize(&[("max_age", "99"), ("prompt", "none")]).await;
    assert_eq!(silent.sent_back("error").as_deref(), Some("login_required"));

    let picker = browser.authorize(&[("acr_values", "mfa other"), ("max_age", "10")]).await;
    let back = browser.click(&picker, "person", "ada").await;
    let answer = browser.token(&[("code", &back.sent_back("code").unwrap())]).await.json();
    let claims = part(text(&answer, "id_token"), 1);
    assert_eq!(text(&claims, "acr"), "mfa");
    assert_eq!(claims["auth_time"], claims["iat"]);

    let create = browser.authorize(&[("prompt", "create")]).await;
    let consent = browser.click(&create, "name", "Émilie du Châtelet").await;
    assert!(consent.body.contains("Émilie du Châtelet"), "{}", consent.body);
}

#[tokio::test]
async fn form_post_answers_with_a_form_that_works_without_scripts() {
    let (_provider, mut browser) = with_ada().await;
    let page = browser.authorize(&[("response_mode", "form_post")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(&format!("action=\"{REDIRECT}\"")) && page.body.contains("<button"));
    let policy = page.header("content-security-policy");
    assert!(
        !policy.contains("form-action"),
        "browsers hold redirects after a form to it: {policy}"
    );
    let code = page.field("code");
    assert_eq!(browser.token(&[("code", &code)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_needs_a_hint_or_a_click() {
    let (provider, mut browser) = with_ada().await;
    let code = browser.code().await;
    let answer = browser.token(&[("code", &code)]).await.json();
    provider.show_pages();
    let to = "http://localhost:3000/auth/signed-out";

    for refused in [
        format!("/end-session?post_logout_redirect_uri={to}"),
        "/end-session?client_id=quickstart&post_logout_redirect_uri=https://evil.example/"
            .to_owned(),
        format!("/end-session?client_id=nobody&post_logout_redirect_uri={to}"),
        "/end-session?id_token_hint=a.b.c".to_owned(),
    ] {
        assert_eq!(browser.get(&refused).await.status, StatusCode::BAD_REQUEST, "{refused}");
    }
    let question = browser
        .get(&format!("/end-session?client_id=quickstart&post_logout_redirect_uri={to}&state=s"))
        .await;
    assert!(question.status == StatusCode::OK && question.body.contains("Sign out?"));
    assert!(
        browser.authorize(&[("prompt", "none")]).await.sent_back("code").is_some(),
        "still signed in"
    );

    let with_hint = format!(
        "/end-session?id_token_hint={}&post_logout_redirect_uri={to}&state=s",
        text(&answer, "id_token")
    );
    assert_eq!(browser.get(&with_hint).await.header("location"), format!("{to}?state=s"));
    assert_eq!(
        browser.authorize(&[("prompt", "none")]).await.sent_back("error").as_deref(),
        Some("login_required")
    );
    assert_eq!(
        browser.get(&with_hint).await.header("location"),
        format!("{to}?state=s"),
        "also when nobody is signed in"
    );
}

#[tokio::test]
async fn a_sign_out_returns_to_the_registered_uri_of_the_client_alone() {
    let client = DevClient::confidential("shop", "the secret of the shop")
        .with_post_logout_redirect_uri("https://shop.example/bye");
    let provider = DevProvider::builder().with_client(client).start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    let mut asked = async |to: &str| {
        let path = format!("/end-session?client_id=shop&post_logout_redirect_uri={to}");
        browser.get(&path).await.status
    };
    assert_eq!(asked("https://shop.example/bye/").await, StatusCode::BAD_REQUEST);
    assert_eq!(asked("http://localhost:3000/bye").await, StatusCode::BAD_REQUEST);
    assert_ne!(asked("https://shop.example/bye").await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_request_can_be_posted_and_name_the_person_by_a_hint() {
    let (provider, mut browser) = with_ada().await;
    let hint = |person| {
        provider.issue_tokens(person, "quickstart", "openid", None).unwrap().id_token.unwrap()
    };
    browser.code().await;
    let silent = |hint: &str| [("prompt", "none"), ("id_token_hint", &*hint.to_owned().leak())];
    assert!(browser.authorize(&silent(hint("ada").expose())).await.sent_back("code").is_some());
    let other = browser.authorize(&silent(hint("alan").expose())).await;
    assert_eq!(other.sent_back("error").as_deref(), Some("login_required"));

    browser.authorize(&[]).await;
    let query = provider.last_request(Endpoint::Authorization).unwrap();
    let form: Vec<_> =
        query.parameters().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(browser.post("/authorize", &form).await.sent_back("code").is_some());
}

/// The environment of this process configures no provider.
#[tokio::test]
async fn without_configuration_the_development_provider_starts_for_this_machine_only() {
    let (provider, config) = DevProvider::config_or_env("http://localhost:3000").await.unwrap();
    let provider = provider.expect("nothing is configured");
    let config = config.build().unwrap();
    assert_eq!(config.authority().to_string(), provider.issuer());
    assert_eq!(config.redirect_uri(), "http://localhost:3000/auth/callback");
    let error = DevProvider::config_or_env("https://app.example.com").await.unwrap_err();
    assert!(
        error.setting() == "IDENTITY_AUTHORITY" && error.to_string().contains("app.example.com"),
        "{error}"
    );
}
