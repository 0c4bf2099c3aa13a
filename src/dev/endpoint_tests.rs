//! What the specifications demand at several endpoints: registered addresses, forms, challenges,
//! the user that a request is for.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    test_browser::{TestBrowser, TestResponse, part, text, with_ada},
    *,
};

/// RFC 8252 section 7.3, RFC 9700 section 2.1
#[tokio::test]
async fn the_port_of_a_loopback_redirect_uri_is_not_compared() {
    let (provider, mut browser) = with_ada().await;
    provider.add_client(
        DevClient::public("native")
            .with_redirect_uri("http://127.0.0.1/callback")
            .with_redirect_uri("http://[::1]:7000/callback")
            .with_redirect_uri("http://localhost/callback")
            .with_redirect_uri("https://127.0.0.1/callback")
            .with_redirect_uri("http://app.example/callback"),
    );
    for (uri, is_registered) in [
        ("http://127.0.0.1/callback", true),
        ("http://127.0.0.1:49152/callback", true),
        ("http://[::1]:49152/callback", true),
        ("http://[::1]/callback", true),
        ("http://localhost/callback", true),
        ("http://127.0.0.1:49152/callback/", false),
        ("http://127.0.0.1:49152/callback?a=b", false),
        ("http://127.0.0.1:49152/callback#a", false),
        ("http://127.0.0.1:49152", false),
        ("http://127.0.0.1:/callback", false),
        ("http://127.0.0.1:99999/callback", false),
        ("http://127.0.0.1:+80/callback", false),
        ("http://user@127.0.0.1:49152/callback", false),
        ("http://127.0.0.2:49152/callback", false),
        // RFC 8252 section 8.3: the name is not recommended, and no address.
        ("http://localhost:49152/callback", false),
        ("https://127.0.0.1:49152/callback", false),
        ("http://app.example:49152/callback", false),
    ] {
        let seen = browser.authorize(&[("client_id", "native"), ("redirect_uri", uri)]).await;
        let expected = if is_registered { StatusCode::SEE_OTHER } else { StatusCode::BAD_REQUEST };
        assert_eq!(seen.status, expected, "{uri}");
    }
}

/// RFC 7662 section 2.1, RFC 7009 section 2.1
#[tokio::test]
async fn introspection_needs_a_credential_and_a_token() {
    let (provider, mut browser) = with_ada().await;
    provider.add_client(DevClient::public("cli"));
    let token = provider.issue_tokens("ada", "cli", "openid", None).unwrap().access_token;
    let of_cli = [("client_id", "cli"), ("token", token.expose())];
    let refused = browser.post("/introspect", &of_cli).await;
    assert_eq!(
        (refused.status, text(&refused.json(), "error")),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
    assert_eq!(browser.post("/revoke", &of_cli).await.status, StatusCode::OK);
    let secret = provider.client_secret();
    let without_token = [("client_id", "quickstart"), ("client_secret", secret.expose())];
    for path in ["/introspect", "/revoke"] {
        let refused = browser.post(path, &without_token).await;
        assert_eq!(
            (refused.status, text(&refused.json(), "error")),
            (StatusCode::BAD_REQUEST, "invalid_request"),
            "{path}"
        );
    }
}

/// RFC 6749 section 3.2 and its siblings: RFC 7009 and RFC 7662 section 2.1, RFC 8628 section 3.1
#[tokio::test]
async fn a_posted_request_is_a_form_with_each_parameter_once() {
    let (provider, mut browser) = with_ada().await;
    let secret = provider.client_secret();
    let client = [("client_id", "quickstart"), ("client_secret", secret.expose())];
    for path in ["/token", "/device-authorization", "/revoke", "/introspect"] {
        let url = format!("{}{path}", provider.issuer());
        let body = json!({ "client_id": "quickstart", "token": "a" });
        let json = browser.http.post(&url).basic_auth("quickstart", Some(secret.expose()));
        let json = json.header("content-type", "application/json").body(body.to_string());
        let repeated = [&client[..], &[("token", "a"), ("token", "b")]].concat();
        let seen = [
            browser.send(json).await.unwrap(),
            browser.post(path, &repeated).await,
            browser.post(path, &[&client[..], &[("x", ""), ("x", "")]].concat()).await,
        ];
        for refused in seen {
            let answer = refused.json();
            assert_eq!(
                (refused.status, text(&answer, "error")),
                (StatusCode::BAD_REQUEST, "invalid_request"),
                "{path}: {answer}"
            );
            let is_about_form = ["form", "twice"].iter().any(|word| refused.body.contains(word));
            assert!(is_about_form, "{path}: {answer}");
        }
    }
}

/// RFC 6750 sections 2.2 and 3.1
#[tokio::test]
async fn user_info_takes_a_token_once_and_from_a_posted_form() {
    let (provider, mut browser) = with_ada().await;
    let token = provider.issue_tokens("ada", "quickstart", "openid", None).unwrap().access_token;
    let once = [("access_token", token.expose())];
    let twice = [once[0], once[0]];
    assert_eq!(browser.post("/userinfo", &once).await.status, StatusCode::OK);
    let refused = browser.post("/userinfo", &twice).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.header("www-authenticate").contains("invalid_request"));
    let url = format!("{}/userinfo", provider.issuer());
    let read = browser.http.request(Method::GET, url).form(&once);
    assert_eq!(browser.send(read).await.unwrap().status, StatusCode::UNAUTHORIZED);
}

/// RFC 9110 section 15.5.2, RFC 6750 section 3
#[tokio::test]
async fn an_answer_with_status_401_has_a_challenge_with_a_parameter() {
    let (_provider, mut browser) = with_ada().await;
    for path in ["/token", "/device-authorization", "/revoke", "/introspect"] {
        let form = [
            ("client_id", "quickstart"),
            ("client_secret", "wrong"),
            ("scope", "a"),
            ("token", "a"),
        ];
        let refused = browser.post(path, &form).await;
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (StatusCode::UNAUTHORIZED, "Basic realm=\"token endpoint\""),
            "{path}"
        );
    }
    let none = browser.get("/userinfo").await;
    assert_eq!(
        (none.status, none.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\"")
    );
    let unknown = browser.user_info("unknown").await;
    assert_eq!(
        unknown.header("www-authenticate"),
        "Bearer realm=\"userinfo\", error=\"invalid_token\""
    );
    let entra = DevProvider::builder().entra().start().await.unwrap();
    let me = browser.http.get(format!("{}/v1.0/me", entra.graph_url()));
    let refused = browser.send(me).await.unwrap();
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer realm=\"\"")
    );
}

/// A `claims` parameter that asks for one of these subjects.
fn asking(part: &str, wanted: &Value) -> String {
    json!({ part: { "sub": wanted } }).to_string()
}

/// OpenID Connect Core sections 3.1.2.2 and 5.5.1
#[tokio::test]
async fn a_request_for_a_subject_never_brings_another_user() {
    let (provider, mut browser) = with_ada().await;
    let of = |person: &str| provider.person(person).unwrap().subject().to_owned();
    let (ada, grace) = (of("ada"), of("grace"));
    let error = |seen: TestResponse| seen.sent_back("error");
    let refused = Some("login_required".to_owned());
    browser.code().await;
    for claims in [
        asking("id_token", &json!({ "value": grace })),
        asking("id_token", &json!({ "values": [grace, "nobody"] })),
        asking("userinfo", &json!({ "essential": true, "value": grace })),
        asking("id_token", &json!({ "value": 7 })),
    ] {
        let silent = browser.authorize(&[("prompt", "none"), ("claims", &claims)]).await;
        assert_eq!(error(silent), refused, "{claims}");
        // The user who is signed in instead is not the one who was asked for, either.
        assert_eq!(error(browser.authorize(&[("claims", &claims)]).await), refused, "{claims}");
    }
    for claims in [
        asking("id_token", &json!({ "value": ada })),
        asking("id_token", &json!({ "values": [grace, ada] })),
        asking("id_token", &json!(null)),
        asking("userinfo", &json!({ "essential": true })),
    ] {
        let silent = browser.authorize(&[("prompt", "none"), ("claims", &claims)]).await;
        assert!(silent.sent_back("code").is_some(), "{claims}");
    }

    let hint = provider.issue_tokens("grace", "quickstart", "openid", None).unwrap();
    let hint = hint.id_token.unwrap();
    let claims = asking("id_token", &json!({ "value": grace }));
    provider.show_pages();
    for asked in [("id_token_hint", hint.expose()), ("claims", &*claims)] {
        let picker = browser.authorize(&[asked]).await;
        assert_eq!(error(browser.click(&picker, "person", "ada").await), refused, "{asked:?}");
        let picker = browser.authorize(&[asked, ("prompt", "login")]).await;
        let place = |name: &str| picker.body.find(name).unwrap();
        assert!(place("Grace Hopper") < place("Ada Lovelace"), "the user who is meant is first");
        let consent = browser.click(&picker, "person", "grace").await;
        let back = browser.click(&consent, "decision", "agree").await;
        let answer = browser.token(&[("code", &back.sent_back("code").unwrap())]).await.json();
        assert_eq!(text(&part(text(&answer, "id_token"), 1), "sub"), grace);
        provider.sign_everybody_out();
        provider.forget_consents();
    }
}

/// RFC 8725 sections 3.11 and 3.12
#[tokio::test]
async fn an_id_token_hint_is_an_id_token() {
    let provider = DevProvider::builder()
        .with_access_token_format(AccessTokenFormat::Jwt)
        .start()
        .await
        .unwrap();
    provider.sign_in_as("ada").unwrap();
    let mut browser = TestBrowser::new(&provider);
    let code = browser.code().await;
    let answer = browser.token(&[("code", &code)]).await.json();
    let secret = provider.client_secret();
    let url = format!("{}/introspect", provider.issuer());
    let asks = browser.http.post(url).header("accept", "application/token-introspection+jwt");
    let asks = asks.basic_auth("quickstart", Some(secret.expose()));
    let about = asks.form(&[("token", text(&answer, "access_token"))]);
    let introspected = browser.send(about).await.unwrap().body;
    provider.show_pages();
    for other in [text(&answer, "access_token"), &introspected] {
        let silent = browser.authorize(&[("prompt", "none"), ("id_token_hint", other)]).await;
        assert_eq!(silent.sent_back("error").as_deref(), Some("invalid_request"), "{other}");
        let sign_out = browser.get(&format!("/end-session?id_token_hint={other}")).await;
        assert_eq!(sign_out.status, StatusCode::BAD_REQUEST, "{other}");
    }
    let silent = [("prompt", "none"), ("id_token_hint", text(&answer, "id_token"))];
    assert!(browser.authorize(&silent).await.sent_back("code").is_some(), "still signed in");

    // The refresh tokens of Rauthy are JWTs, too.
    let quirks = [Quirk::RefreshTokenNotBefore];
    let rauthy = DevProvider::builder().with_quirks(quirks).start().await.unwrap();
    let issued = rauthy.issue_tokens("ada", "quickstart", "openid offline_access", None).unwrap();
    let hint = issued.refresh_token.unwrap();
    let path = format!("/end-session?id_token_hint={}", hint.expose());
    assert_eq!(TestBrowser::new(&rauthy).get(&path).await.status, StatusCode::BAD_REQUEST);

    // Access tokens of Entra ID have the type of its ID tokens.
    let entra = DevProvider::builder().entra().start().await.unwrap();
    let access = entra.access_token("ada", "api://notes", "Notes.Read").unwrap();
    let id_token = entra.issue_tokens("ada", entra.client_id(), "openid", None).unwrap().id_token;
    for (hint, status) in [(access, StatusCode::BAD_REQUEST), (id_token.unwrap(), StatusCode::OK)] {
        let path = format!("{}/oauth2/v2.0/logout", DevTenant::CONTOSO.id());
        let url = format!("http://{}/{path}?id_token_hint={}", entra.address(), hint.expose());
        let request = browser.http.get(url);
        assert_eq!(browser.send(request).await.unwrap().status, status);
    }
}

/// RFC 9110 sections 8.3.1 and 12.4.2, RFC 9701 section 4
#[tokio::test]
async fn a_signed_introspection_answer_is_for_a_client_that_accepts_it() {
    let (provider, mut browser) = with_ada().await;
    let secret = provider.client_secret();
    let url = format!("{}/introspect", provider.issuer());
    let (signed, plain) = ("application/token-introspection+jwt", "application/json");
    for (accept, media_type) in [
        (vec![signed], signed),
        (vec!["Application/Token-Introspection+JWT"], signed),
        (vec!["application/json, application/token-introspection+jwt;q=0.5"], signed),
        (vec!["application/json", signed], signed),
        (vec!["application/token-introspection+jwt;q=0"], plain),
        (vec!["application/token-introspection+jwtx"], plain),
        (vec!["*/*"], plain),
        (vec![], plain),
    ] {
        let request = browser.http.post(&url).basic_auth("quickstart", Some(secret.expose()));
        let request = accept.iter().fold(request.form(&[("token", "a")]), |request, value| {
            request.header(header::ACCEPT, *value)
        });
        let answer = browser.send(request).await.unwrap();
        assert_eq!(answer.header("content-type"), media_type, "{accept:?}");
    }
}
