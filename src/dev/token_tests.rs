//! The token endpoint, introspection and revocation.

use std::time::Duration;

use reqwest::StatusCode;

use super::{
    test_browser::{REDIRECT, TestBrowser, VERIFIER, part, text, with_ada},
    *,
};
use crate::{clock::ManualClock, config::ClientAuthMethod};

#[tokio::test]
async fn a_code_works_once_and_its_reuse_revokes_its_tokens() {
    let (_provider, mut browser) = with_ada().await;
    let code = browser.code().await;
    let answer = browser.token(&[("code", &code)]).await.json();
    let access_token = text(&answer, "access_token");
    assert_eq!(browser.user_info(access_token).await.status, StatusCode::OK);
    assert_eq!(text(&browser.token(&[("code", &code)]).await.json(), "error"), "invalid_grant");
    assert_eq!(browser.user_info(access_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        text(&browser.refresh(text(&answer, "refresh_token")).await.json(), "error"),
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_code_is_bound_to_verifier_address_client_and_time() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder()
        .with_clock(clock.clone())
        .with_client(DevClient::public("other").with_any_loopback_redirect())
        .start()
        .await
        .unwrap();
    provider.sign_in_as("ada").unwrap();
    let mut browser = TestBrowser::new(&provider);
    let code = browser.code().await;
    let wrong = "another-verifier-of-at-least-43-characters-0123";
    for changed in [
        ("code_verifier", wrong),
        ("code_verifier", ""),
        ("redirect_uri", "http://localhost:3000/"),
        ("redirect_uri", ""),
        ("code", "unknown"),
    ] {
        let answer = browser.token(&[("code", &code), changed]).await;
        assert_eq!(
            (answer.status, text(&answer.json(), "error")),
            (StatusCode::BAD_REQUEST, "invalid_grant"),
            "{changed:?}"
        );
    }
    let other =
        browser.token(&[("code", &code), ("client_id", "other"), ("client_secret", "")]).await;
    assert_eq!(text(&other.json(), "error"), "invalid_grant");
    clock.advance(Duration::from_secs(60));
    assert_eq!(text(&browser.token(&[("code", &code)]).await.json(), "error"), "invalid_grant");
}

#[tokio::test]
async fn clients_have_to_authenticate() {
    let (provider, mut browser) = with_ada().await;
    provider.add_client(
        DevClient::confidential("basic only", "s%c+r t:")
            .with_authentication(ClientAuthMethod::Basic)
            .with_any_loopback_redirect(),
    );
    provider.add_client(DevClient::public("public").with_any_loopback_redirect());
    for changed in [
        [("client_secret", ""), ("x", "")],
        [("client_secret", "wrong"), ("x", "")],
        [("client_id", "nobody"), ("x", "")],
        [("client_id", "public"), ("client_secret", "any")],
        [("client_id", "basic only"), ("client_secret", "s%c+r t:")],
    ] {
        let answer = browser.token(&[("code", "any"), changed[0], changed[1]]).await;
        assert_eq!(
            (answer.status, text(&answer.json(), "error")),
            (StatusCode::UNAUTHORIZED, "invalid_client"),
            "{changed:?}"
        );
    }

    let code = browser.authorize(&[("client_id", "basic only")]).await.sent_back("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let url = format!("{}/token", provider.issuer());
    let unencoded = browser.http.post(&url).basic_auth("basic only", Some("wrong")).form(&form);
    let refused = browser.send(unencoded).await.unwrap();
    assert!(
        refused.status == StatusCode::UNAUTHORIZED
            && refused.header("www-authenticate").starts_with("Basic")
    );
    let encoded =
        browser.http.post(&url).basic_auth("basic+only", Some("s%25c%2Br+t%3A")).form(&form);
    assert_eq!(browser.send(encoded).await.unwrap().status, StatusCode::OK);

    let code = browser.authorize(&[("client_id", "public")]).await.sent_back("code").unwrap();
    let answer =
        browser.token(&[("code", &code), ("client_id", "public"), ("client_secret", "")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_revokes_the_family() {
    let (_provider, mut browser) = with_ada().await;
    let code = browser.code().await;
    let first = browser.token(&[("code", &code)]).await.json();
    let second = browser.refresh(text(&first, "refresh_token")).await.json();
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    let (old, new) = (part(text(&first, "id_token"), 1), part(text(&second, "id_token"), 1));
    assert!(new.get("nonce").is_none());
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    assert_eq!(
        text(&browser.refresh(text(&first, "refresh_token")).await.json(), "error"),
        "invalid_grant"
    );
    assert_eq!(
        text(&browser.refresh(text(&second, "refresh_token")).await.json(), "error"),
        "invalid_grant"
    );
    assert_eq!(
        browser.user_info(text(&second, "access_token")).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_refresh_can_narrow_the_scope_but_not_widen_it() {
    let (_provider, mut browser) = with_ada().await;
    let code = browser.code().await;
    let answer = browser.token(&[("code", &code)]).await.json();
    let refresh =
        |scope| [("grant_type", "refresh_token"), ("scope", scope), ("refresh_token", "")];
    let mut wider = refresh("openid more");
    wider[2].1 = text(&answer, "refresh_token");
    assert_eq!(text(&browser.token(&wider).await.json(), "error"), "invalid_scope");
    let mut fewer = refresh("profile");
    fewer[2].1 = text(&answer, "refresh_token");
    let narrowed = browser.token(&fewer).await.json();
    assert_eq!((text(&narrowed, "scope"), narrowed.get("id_token")), ("profile", None));
    let whole = browser.refresh(text(&narrowed, "refresh_token")).await.json();
    assert_eq!(text(&whole, "scope"), "openid profile email offline_access");
}

#[tokio::test]
async fn a_refresh_token_needs_offline_access() {
    let (provider, mut browser) = with_ada().await;
    let code = browser.authorize(&[("scope", "openid")]).await.sent_back("code").unwrap();
    assert_eq!(browser.token(&[("code", &code)]).await.json().get("refresh_token"), None);
    provider.add_client(
        DevClient::public("always")
            .with_any_loopback_redirect()
            .with_refresh_tokens(RefreshTokens::Always),
    );
    let code = browser
        .authorize(&[("scope", "openid"), ("client_id", "always")])
        .await
        .sent_back("code")
        .unwrap();
    let answer =
        browser.token(&[("code", &code), ("client_id", "always"), ("client_secret", "")]).await;
    assert!(answer.json().get("refresh_token").is_some());
}

#[tokio::test]
async fn tokens_can_be_revoked_and_looked_at() {
    let (provider, mut browser) = with_ada().await;
    let code = browser.code().await;
    let answer = browser.token(&[("code", &code)]).await.json();
    let (access, refresh) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
    let secret = provider.client_secret();
    let form =
        |token| [("client_id", "quickstart"), ("client_secret", secret.expose()), ("token", token)];
    let about = browser.post("/introspect", &form(access)).await.json();
    assert_eq!((&about["active"], text(&about, "client_id")), (&true.into(), "quickstart"));
    assert_eq!(browser.post("/revoke", &form("unknown")).await.status, StatusCode::OK);
    // RFC 7009 section 2.1: another client's token is refused and stays valid.
    provider.add_client(DevClient::confidential("other", "its secret"));
    let other = [("client_id", "other"), ("client_secret", "its secret"), ("token", refresh)];
    let refused = browser.post("/revoke", &other).await;
    assert_eq!(
        (refused.status, text(&refused.json(), "error")),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert_eq!(browser.post("/revoke", &form(access)).await.status, StatusCode::OK);
    assert_eq!(browser.post("/introspect", &form(access)).await.json()["active"], false);
    assert_eq!(browser.post("/introspect", &form(refresh)).await.json()["active"], true);
    assert_eq!(browser.post("/revoke", &form(refresh)).await.status, StatusCode::OK);
    assert_eq!(browser.post("/introspect", &form(refresh)).await.json()["active"], false);
    assert_eq!(
        browser.post("/introspect", &[("token", access)]).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_token_request_is_a_form_with_each_parameter_once() {
    let (provider, mut browser) = with_ada().await;
    let url = format!("{}/token", provider.issuer());
    let json = browser.http.post(&url).header("content-type", "application/json").body("{}");
    assert_eq!(text(&browser.send(json).await.unwrap().json(), "error"), "invalid_request");
    let twice = browser
        .post("/token", &[("grant_type", "refresh_token"), ("grant_type", "refresh_token")])
        .await;
    assert_eq!(text(&twice.json(), "error"), "invalid_request");
    assert_eq!(
        text(&browser.token(&[("grant_type", "magic")]).await.json(), "error"),
        "unsupported_grant_type"
    );
    assert_eq!(
        text(&browser.token(&[("grant_type", "")]).await.json(), "error"),
        "invalid_request"
    );
    let refused = browser.get("/token").await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "POST, OPTIONS")
    );
    let secret = provider.client_secret();
    let both = browser
        .http
        .post(&url)
        .basic_auth("quickstart", Some("x"))
        .form(&[("client_secret", secret.expose())]);
    assert_eq!(text(&browser.send(both).await.unwrap().json(), "error"), "invalid_request");
}

#[tokio::test]
async fn user_info_takes_one_token_in_the_header_or_the_form() {
    let (provider, mut browser) = with_ada().await;
    let tokens = provider.issue_tokens("ada", "quickstart", "openid email", None).unwrap();
    let token = tokens.access_token.expose();
    let posted = browser.post("/userinfo", &[("access_token", token)]).await.json();
    assert_eq!((text(&posted, "email"), posted.get("name")), ("ada@example.com", None));
    let in_address = browser.get(&format!("/userinfo?access_token={token}")).await;
    assert_eq!(
        (in_address.status, in_address.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\"")
    );
    assert!(
        browser.user_info("unknown").await.header("www-authenticate").contains("invalid_token")
    );
    let without_openid = provider.issue_tokens("ada", "quickstart", "api.read", None).unwrap();
    assert_eq!(without_openid.id_token, None);
    assert_eq!(
        browser.user_info(without_openid.access_token.expose()).await.status,
        StatusCode::FORBIDDEN
    );
}
