//! Every switch except the faults does what its documentation says.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    spoil_tests::{at_noon, id_token, well_signed},
    test_browser::{REDIRECT, TestBrowser, VERIFIER, part, text, with_ada},
    *,
};
use crate::config::Algorithm;

#[tokio::test]
async fn every_algorithm_signs_and_verifies_with_its_published_key() {
    let provider = at_noon().await;
    for algorithm in Algorithm::ALL {
        provider.use_algorithm(*algorithm, OldKeys::Dropped).unwrap();
        let token = id_token(&provider);
        assert!(well_signed(&provider, &token), "{algorithm}");
        let mut browser = TestBrowser::new(&provider);
        let keys = browser.get("/keys").await.json();
        let discovery = browser.get("/.well-known/openid-configuration").await.json();
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!([algorithm.as_str()]));
        // Verified by another JWT library, with the key from the key set.
        if let Ok(known) = algorithm.as_str().parse() {
            let jwk: jsonwebtoken::jwk::Jwk =
                serde_json::from_value(keys["keys"][0].clone()).unwrap();
            let mut expected = jsonwebtoken::Validation::new(known);
            expected.set_audience(&["quickstart"]);
            let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
            jsonwebtoken::decode::<Value>(&token, &key, &expected)
                .unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        } else {
            assert_eq!(
                (*algorithm, &keys["keys"][0]["crv"]),
                (Algorithm::Es512, &json!("P-521")),
                "the one that the library lacks"
            );
        }
        let hash_length = if algorithm.as_str().ends_with("256") {
            22
        } else if algorithm.as_str().ends_with("384") {
            32
        } else {
            43
        };
        assert_eq!(text(&part(&token, 1), "at_hash").len(), hash_length, "{algorithm}");
    }
}

#[tokio::test]
async fn keys_rotate_and_old_ones_are_kept_or_removed() {
    let (provider, mut browser) = with_ada().await;
    let kid = |keys: Value, index: usize| keys["keys"][index]["kid"].clone();
    let first = kid(browser.get("/keys").await.json(), 0);
    provider.rotate_keys(OldKeys::Kept).unwrap();
    let keys = browser.get("/keys").await.json();
    assert_eq!((keys["keys"].as_array().unwrap().len(), kid(keys.clone(), 0)), (2, first));
    assert_eq!(part(&id_token(&provider), 0)["kid"], kid(keys, 1));
    let old = id_token(&provider);
    provider.rotate_keys(OldKeys::Dropped).unwrap();
    let keys = browser.get("/keys").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(part(&id_token(&provider), 0)["kid"], kid(keys, 0));
    // A hint is accepted even after its key was removed.
    assert_eq!(
        browser.get(&format!("/end-session?id_token_hint={old}")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn endpoints_fail_as_often_as_ordered_and_every_request_counts() {
    let (provider, mut browser) = with_ada().await;
    provider.fail_next(Endpoint::Keys, 2, Failure::Status(503));
    provider.fail_next(
        Endpoint::Keys,
        1,
        Failure::RetryAfter { status: 429, pause: Duration::from_secs(7) },
    );
    provider.fail_next(Endpoint::Keys, 1, Failure::html(502, "<h1>Bad gateway</h1>"));
    provider.fail_next(Endpoint::Keys, 1, Failure::Redirect("http://localhost/".into()));
    provider.fail_next(Endpoint::Keys, 1, Failure::Endless(3_000_000));
    provider.fail_next(Endpoint::Keys, 1, Failure::OAuthError("invalid_client".into()));
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(browser.get("/keys").await);
    }
    assert_eq!(
        seen.iter().map(|seen| seen.status.as_u16()).collect::<Vec<_>>(),
        [503, 503, 429, 502, 302, 200, 400]
    );
    assert_eq!((seen[2].header("retry-after"), seen[3].header("content-type")), ("7", "text/html"));
    assert_eq!((seen[4].header("location"), seen[5].body.len()), ("http://localhost/", 3_000_000));
    assert_eq!(text(&seen[6].json(), "error"), "invalid_client");
    assert_eq!(provider.requests(Endpoint::Keys), 7);

    provider.fail_next(Endpoint::Keys, 5, Failure::Status(500));
    provider.stop_failing(Endpoint::Keys);
    assert_eq!(browser.get("/keys").await.status, StatusCode::OK);
    assert_eq!((provider.requests(Endpoint::Keys), provider.requests(Endpoint::Discovery)), (8, 0));
}

#[tokio::test]
async fn a_connection_can_break_before_or_after_the_work_is_done() {
    let (provider, mut browser) = with_ada().await;
    provider.fail_next(Endpoint::Keys, 1, Failure::Disconnect);
    let request = browser.http.get(format!("{}/keys", provider.issuer()));
    assert!(browser.send(request).await.is_err());
    assert_eq!(browser.get("/keys").await.status, StatusCode::OK);

    let code = browser.code().await;
    provider.fail_next(Endpoint::Token, 1, Failure::LoseAnswer);
    let secret = provider.client_secret();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "quickstart"),
        ("client_secret", secret.expose()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("code", &code),
    ];
    let request = browser.http.post(format!("{}/token", provider.issuer())).form(&form);
    assert!(browser.send(request).await.is_err());
    let again = browser.token(&[("code", &code)]).await.json();
    assert!(text(&again, "error_description").contains("used before"), "{again}");
}

#[tokio::test]
async fn a_gate_holds_one_request_until_it_is_opened() {
    let (provider, browser) = with_ada().await;
    let mut hold = provider.hold_next(Endpoint::Keys);
    let mut held = browser.clone();
    let waiting = tokio::spawn(async move { held.get("/keys").await.status });
    hold.arrived().await;
    hold.arrived().await;
    assert_eq!(browser.clone().get("/keys").await.status, StatusCode::OK, "others pass");
    assert!(!waiting.is_finished());
    assert_eq!(provider.requests(Endpoint::Keys), 2);
    hold.release();
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);

    drop(provider.hold_next(Endpoint::Keys));
    assert_eq!(
        browser.clone().get("/keys").await.status,
        StatusCode::OK,
        "a gate that is dropped is open"
    );
    provider.delay(Endpoint::Keys, Duration::from_millis(1));
    assert_eq!(browser.clone().get("/keys").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_last_request_can_be_looked_at() {
    let (provider, mut browser) = with_ada().await;
    assert_eq!(provider.last_request(Endpoint::Authorization), None);
    browser.authorize(&[("ui_locales", "fr de"), ("login_hint", "a+b&c")]).await;
    let seen = provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(
        (seen.method(), seen.parameter("ui_locales"), seen.parameter("login_hint")),
        ("GET", Some("fr de"), Some("a+b&c"))
    );
    assert!(seen.path_and_query().starts_with("/authorize?") && seen.header("host").is_some());
    browser.token(&[("code", "x y")]).await;
    let seen = provider.last_request(Endpoint::Token).unwrap();
    assert_eq!((seen.method(), seen.parameter("code")), ("POST", Some("x y")));
    assert_eq!(seen.parameters().iter().filter(|(name, _)| name == "grant_type").count(), 1);
}

#[tokio::test]
async fn lifetimes_follow_the_clock() {
    let clock = crate::ManualClock::at_system_time();
    let provider = DevProvider::builder()
        .with_clock(clock.clone())
        .with_access_token_life(Duration::from_secs(10))
        .with_id_token_life(Duration::from_secs(20))
        .with_refresh_token_life(Duration::from_secs(30))
        .with_code_life(Duration::from_secs(5))
        .start()
        .await
        .unwrap();
    provider.sign_in_as("ada").unwrap();
    let mut browser = TestBrowser::new(&provider);
    let code = browser.code().await;
    clock.advance(Duration::from_secs(4));
    let answer = browser.token(&[("code", &code)]).await.json();
    assert_eq!(answer["expires_in"], 10);
    let claims = part(text(&answer, "id_token"), 1);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 20);
    let (access, refresh) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
    clock.advance(Duration::from_secs(9));
    assert_eq!(browser.user_info(access).await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(browser.user_info(access).await.status, StatusCode::UNAUTHORIZED);
    clock.advance(Duration::from_secs(20));
    assert!(text(&browser.refresh(refresh).await.json(), "error_description").contains("expired"));

    provider.set_access_token_life(Duration::from_secs(1));
    provider.set_id_token_life(Duration::from_secs(2));
    provider.set_refresh_token_life(Duration::ZERO);
    let code = browser.code().await;
    let answer = browser.token(&[("code", &code)]).await.json();
    let claims = part(text(&answer, "id_token"), 1);
    assert_eq!(
        (
            answer["expires_in"].as_i64(),
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
        ),
        (Some(1), 2)
    );
    assert!(
        text(&browser.refresh(text(&answer, "refresh_token")).await.json(), "error_description")
            .contains("expired")
    );
    provider.set_code_life(Duration::ZERO);
    let code = browser.code().await;
    assert_eq!(text(&browser.token(&[("code", &code)]).await.json(), "error"), "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_can_be_revoked_from_the_handle() {
    let (provider, mut browser) = with_ada().await;
    let of = |person| {
        provider.issue_tokens(person, "quickstart", "openid offline_access", None).unwrap()
    };
    let (ada, alan) = (of("ada"), of("alan"));
    provider.revoke_refresh_tokens("ada");
    assert_eq!(
        text(&browser.refresh(ada.refresh_token.unwrap().expose()).await.json(), "error"),
        "invalid_grant"
    );
    assert_eq!(browser.refresh(alan.refresh_token.unwrap().expose()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn rotation_and_the_form_of_access_tokens_can_be_chosen() {
    let provider = DevProvider::builder()
        .with_refresh_rotation(RefreshRotation::Keep)
        .with_access_token_format(AccessTokenFormat::Jwt)
        .start()
        .await
        .unwrap();
    let mut browser = TestBrowser::new(&provider);
    let tokens = provider.issue_tokens("ada", "quickstart", "openid offline_access", None).unwrap();
    let access = tokens.access_token.expose();
    assert_eq!(
        (&part(access, 0)["typ"], &part(access, 1)["aud"]),
        (&json!("at+jwt"), &json!("quickstart"))
    );
    assert!(well_signed(&provider, access));
    assert_eq!(browser.user_info(access).await.status, StatusCode::OK);
    let refresh = tokens.refresh_token.unwrap();
    for _ in 0..2 {
        let answer = browser.refresh(refresh.expose()).await.json();
        assert_eq!((answer.get("refresh_token"), answer["id_token"].is_string()), (None, true));
    }
}

#[tokio::test]
async fn the_stand_in_changes_the_user_but_not_prompt_none() {
    let (provider, mut browser) = with_ada().await;
    assert_eq!(
        browser.authorize(&[("prompt", "none")]).await.sent_back("error").as_deref(),
        Some("login_required")
    );
    browser.code().await;
    provider.sign_in_as("grace").unwrap();
    let who = async |browser: &mut TestBrowser, prompt| {
        let code = browser.authorize(&[("prompt", prompt)]).await.sent_back("code").unwrap();
        let answer = browser.token(&[("code", &code)]).await.json();
        part(text(&answer, "id_token"), 1)
    };
    assert_eq!(who(&mut browser, "none").await["name"], "Ada Lovelace");
    let grace = who(&mut browser, "").await;
    assert_eq!(text(&grace, "sub"), provider.person("grace").unwrap().subject());
    assert_eq!(
        (text(&grace, "name"), grace["groups"].as_array().unwrap().len()),
        ("Grace Hopper", 250)
    );
    provider.add_person(
        DevPerson::new("grace", "Grace Murray Hopper")
            .without_email()
            .with_claim("rank", "Rear admiral"),
    );
    let changed = who(&mut browser, "").await;
    assert_eq!(
        (text(&changed, "rank"), changed.get("groups"), changed.get("email")),
        ("Rear admiral", None, None)
    );
    provider.sign_everybody_out();
    assert_eq!(
        browser.authorize(&[("prompt", "none")]).await.sent_back("error").as_deref(),
        Some("login_required")
    );
    browser.code().await;
    provider.forget_consents();
    assert_eq!(
        browser.authorize(&[("prompt", "none")]).await.sent_back("error").as_deref(),
        Some("consent_required")
    );
    provider.add_client(
        DevClient::public("trusted").with_any_loopback_redirect().with_consent(Consent::Given),
    );
    assert!(
        browser
            .authorize(&[("prompt", "none"), ("client_id", "trusted")])
            .await
            .sent_back("code")
            .is_some()
    );
}
