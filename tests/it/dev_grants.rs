//! The grants of the development provider without a browser: client credentials, device code,
//! password, on behalf of.

use std::time::Duration;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use serde_json::{Map, Value, json};
use tower_identity::{
    Clock, ManualClock, SystemClock,
    dev::{AccessTokenFormat, DevClient, DevPerson, DevProvider, DevTenant},
};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub const API: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";

pub async fn entra() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

fn origin(provider: &DevProvider) -> String {
    format!("http://{}", provider.address())
}

/// Posts a form with the client's secret, unless the form names another client.
pub async fn post(
    provider: &DevProvider,
    path: &str,
    form: &[(&str, &str)],
) -> (StatusCode, Value) {
    let secret = provider.client_secret();
    let mut all = form.to_vec();
    if !form.iter().any(|(name, _)| *name == "client_id" || *name == "client_assertion") {
        all.extend([("client_id", provider.client_id()), ("client_secret", secret.expose())]);
    }
    let http = Client::builder().no_proxy().build().unwrap();
    let answer = http.post(format!("{}{path}", origin(provider))).form(&all).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

pub fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap()).unwrap()
}

pub fn contoso() -> String {
    format!("/{}/oauth2/v2.0/token", DevTenant::CONTOSO.id())
}

#[tokio::test]
async fn an_application_gets_tokens_of_its_own() {
    let provider = entra().await;
    let form = |scope: &'static str| [("grant_type", "client_credentials"), ("scope", scope)];
    let (status, answer) = post(&provider, &contoso(), &form("api://tasks/.default")).await;
    assert_eq!(
        (status, answer.get("refresh_token"), answer.get("id_token")),
        (StatusCode::OK, None, None),
        "{answer}"
    );
    let token = claims(&answer["access_token"]);
    assert_eq!(
        (&token["idtyp"], &token["azp"], token.get("scp")),
        (&json!("app"), &json!(provider.client_id()), None)
    );
    assert_eq!(token["tid"], DevTenant::CONTOSO.id());
    let (_, refused) = post(&provider, &contoso(), &form("User.Read")).await;
    assert_eq!(
        (&refused["error"], &refused["error_codes"]),
        (&json!("invalid_scope"), &json!([1_002_012]))
    );
    let (status, _) =
        post(&provider, "/common/oauth2/v2.0/token", &form("api://tasks/.default")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let generic = DevProvider::start().await.unwrap();
    let (_, answer) = post(&generic, "/token", &form("tasks.read")).await;
    assert_eq!((&answer["scope"], answer.get("refresh_token")), (&json!("tasks.read"), None));
    let (_, refused) = post(&generic, "/token", &form("openid")).await;
    assert_eq!(refused["error"], "invalid_scope");
}

#[tokio::test]
async fn only_people_with_a_password_sign_in_by_it() {
    let provider = entra().await;
    provider.add_person(
        DevPerson::new("paul", "Paul Erdos")
            .with_username("paul@contoso.example")
            .with_password("a sentence"),
    );
    let form = |name: &'static str, password: &'static str, scope: &'static str| {
        [("grant_type", "password"), ("username", name), ("password", password), ("scope", scope)]
    };
    let (status, answer) =
        post(&provider, &contoso(), &form("paul@contoso.example", "a sentence", "openid profile"))
            .await;
    assert_eq!(
        (status, &claims(&answer["id_token"])["name"]),
        (StatusCode::OK, &json!("Paul Erdos")),
        "{answer}"
    );
    for (name, password) in [
        ("paul@contoso.example", "wrong"),
        ("ada@contoso.onmicrosoft.com", "a sentence"),
        ("nobody", "a sentence"),
    ] {
        let (_, refused) = post(&provider, &contoso(), &form(name, password, "openid")).await;
        assert_eq!(
            (&refused["error"], &refused["error_codes"]),
            (&json!("invalid_grant"), &json!([50_126]))
        );
    }
    let (_, consent) =
        post(&provider, &contoso(), &form("paul@contoso.example", "a sentence", "Mail.Read")).await;
    assert_eq!(consent["suberror"], "consent_required");
}

#[tokio::test]
async fn a_device_waits_until_a_user_consents() {
    let clock = ManualClock::at_system_time();
    let generic = DevProvider::builder().with_clock(clock.clone()).start().await.unwrap();
    let (status, start) =
        post(&generic, "/device-authorization", &[("scope", "openid profile offline_access")])
            .await;
    assert_eq!(status, StatusCode::OK, "{start}");
    let (code, user_code) =
        (start["device_code"].as_str().unwrap(), start["user_code"].as_str().unwrap());
    let poll = [("grant_type", DEVICE), ("device_code", code)];
    assert_eq!(post(&generic, "/token", &poll).await.1["error"], "authorization_pending");
    assert_eq!(post(&generic, "/token", &poll).await.1["error"], "slow_down");
    clock.advance(Duration::from_secs(5));
    assert_eq!(
        post(&generic, "/token", &poll).await.1["error"],
        "slow_down",
        "five seconds more than before"
    );
    clock.advance(Duration::from_secs(15));
    assert_eq!(post(&generic, "/token", &poll).await.1["error"], "authorization_pending");

    let http = Client::builder().no_proxy().build().unwrap();
    let page = http
        .get(start["verification_uri_complete"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains(user_code) && page.contains("Ada Lovelace"));
    // The page takes the code as it takes the form (RFC 8628 section 6.1).
    let typed = user_code.replace('-', "").to_ascii_lowercase();
    let address = format!("{}?user_code={typed}", start["verification_uri"].as_str().unwrap());
    let page = http.get(address).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("offline_access"), "{page}");
    let answer = http
        .post(start["verification_uri"].as_str().unwrap())
        .form(&[("user_code", user_code), ("person", "ada")]);
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::OK);
    let (_, tokens) = post(&generic, "/token", &poll).await;
    assert!(tokens["access_token"].is_string() && tokens["refresh_token"].is_string(), "{tokens}");
    assert_eq!(claims(&tokens["id_token"])["name"], "Ada Lovelace");
    assert_eq!(post(&generic, "/token", &poll).await.1["error"], "invalid_grant", "once");
}

#[tokio::test]
async fn the_error_for_a_device_says_declined_or_expired() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().entra().with_clock(clock.clone()).start().await.unwrap();
    let start = async || {
        let path = format!("/{}/oauth2/v2.0/devicecode", DevTenant::CONTOSO.id());
        post(
            &provider,
            &path,
            &[("scope", "openid profile User.Read"), ("client_id", provider.client_id())],
        )
        .await
        .1
    };
    let poll = async |start: &Value| {
        post(
            &provider,
            &contoso(),
            &[("grant_type", DEVICE), ("device_code", start["device_code"].as_str().unwrap())],
        )
        .await
        .1
    };
    let first = start().await;
    assert!(
        first["message"].as_str().unwrap().contains(first["user_code"].as_str().unwrap())
            && first.get("verification_uri_complete").is_none()
    );
    provider.answer_device(first["user_code"].as_str().unwrap(), None).unwrap();
    assert_eq!(poll(&first).await["error"], "authorization_declined");
    let second = start().await;
    assert!(
        provider.answer_device(second["user_code"].as_str().unwrap(), Some("dorothy")).is_err(),
        "of another tenant"
    );
    provider.answer_device(second["user_code"].as_str().unwrap(), Some("katherine")).unwrap();
    assert_eq!(claims(&poll(&second).await["id_token"])["acct"], 1);
    let third = start().await;
    clock.advance(Duration::from_secs(901));
    assert_eq!(poll(&third).await["error"], "expired_token");
}

/// A client assertion with these claims changed. `null` leaves a claim out.
fn assertion(key: &EcdsaKeyPair, kid: &str, audience: &str, changed: &Value) -> String {
    let header = json!({ "alg": "ES256", "kid": kid }).to_string();
    signed_assertion(key, &header, audience, changed)
}

/// The same with this header.
fn signed_assertion(key: &EcdsaKeyPair, header: &str, audience: &str, changed: &Value) -> String {
    let now = SystemClock.now().as_seconds();
    let mut claims = json!({
        "iss": "prover", "sub": "prover", "aud": audience, "iat": now, "exp": now + 300,
        "jti": format!("{header}{changed}"),
    });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let part = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
    let message = format!("{}.{}", part(header), part(&claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature.as_ref()))
}

#[tokio::test]
async fn an_assertion_is_checked_whole_and_used_once() {
    let provider = DevProvider::start().await.unwrap();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let encoded = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode_to_string(bytes));
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y), "kid": "one" });
    let members: Map<String, Value> = jwk.as_object().unwrap().clone();
    provider.add_client(DevClient::public("prover").with_key(members));
    let here = format!("{}/token", origin(&provider));
    let send = async |assertion: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "tasks.read"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        post(&provider, "/token", &form).await
    };
    let good = assertion(&key, "one", &here, &json!({}));
    assert_eq!(send(&good).await.0, StatusCode::OK);
    let stranger = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let headed = |header: &str| signed_assertion(&key, header, &here, &json!({}));
    let typed = headed(r#"{"typ":"JWT","alg":"ES256","kid":"one"}"#);
    assert_eq!(send(&typed).await.0, StatusCode::OK, "the header alone is no fault");
    for wrong in [
        good.clone(),
        assertion(&stranger, "one", &here, &json!({})),
        assertion(&key, "two", &here, &json!({})),
        assertion(&key, "one", "https://elsewhere.example/token", &json!({})),
        assertion(&key, "one", &here, &json!({ "exp": 1 })),
        assertion(&key, "one", &here, &json!({ "exp": null })),
        assertion(&key, "one", &here, &json!({ "jti": null })),
        assertion(&key, "one", &here, &json!({ "iss": "quickstart" })),
        assertion(&key, "one", &here, &json!({ "nbf": 9_999_999_999_i64 })),
        // RFC 7515 section 4.1.11: an extension that is not understood, or an empty list.
        headed(r#"{"alg":"ES256","kid":"one","crit":["x"],"x":1}"#),
        headed(r#"{"alg":"ES256","kid":"one","crit":[]}"#),
        // RFC 7515 section 4: a name occurs once.
        headed(r#"{"alg":"ES256","kid":"two","kid":"one"}"#),
        "a.b.c".to_owned(),
    ] {
        let (status, answer) = send(&wrong).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::UNAUTHORIZED, &json!("invalid_client")),
            "{wrong}"
        );
    }
    let none =
        [("grant_type", "client_credentials"), ("scope", "tasks.read"), ("client_id", "prover")];
    assert_eq!(
        post(&provider, "/token", &none).await.0,
        StatusCode::UNAUTHORIZED,
        "a client with a key has to use it"
    );
}

/// A refresh token of Ada at a generic provider.
pub fn refresh_token(provider: &DevProvider, scopes: &str) -> String {
    let tokens = provider.issue_tokens("ada", provider.client_id(), scopes, None).unwrap();
    tokens.refresh_token.unwrap().expose().to_owned()
}

/// RFC 8707
#[tokio::test]
async fn a_token_is_for_the_resource_that_was_named() {
    let provider = DevProvider::builder()
        .with_access_token_format(AccessTokenFormat::Jwt)
        .start()
        .await
        .unwrap();
    let ask = async |resources: &[&str]| {
        let mut form = vec![("grant_type", "client_credentials"), ("scope", "tasks.read")];
        form.extend(resources.iter().map(|resource| ("resource", *resource)));
        post(&provider, "/token", &form).await
    };
    let own = json!(provider.client_id());
    for (resources, audience) in [
        (vec![], own),
        (vec!["https://tasks.example"], json!("https://tasks.example")),
        (
            vec!["https://tasks.example/a", "urn:tasks"],
            json!(["https://tasks.example/a", "urn:tasks"]),
        ),
    ] {
        assert_eq!(claims(&ask(&resources).await.1["access_token"])["aud"], audience);
    }
    for wrong in ["tasks", "/tasks", "https://tasks.example/#part"] {
        let (status, answer) = ask(&[wrong]).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_target")),
            "{wrong}"
        );
    }
}

/// RFC 8707: a token for a resource is not for UserInfo, and that resource may introspect it.
#[tokio::test]
async fn a_token_for_a_resource_is_refused_by_user_info_and_known_to_the_resource() {
    let provider = DevProvider::builder()
        .with_access_token_format(AccessTokenFormat::Jwt)
        .start()
        .await
        .unwrap();
    let api = DevClient::confidential("tasks", "the secret of the api")
        .with_resource("https://tasks.example");
    provider.add_client(api);
    let first = refresh_token(&provider, "openid offline_access tasks.read");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &first),
        ("resource", "https://tasks.example"),
    ];
    let (_, answer) = post(&provider, "/token", &form).await;
    let token = answer["access_token"].as_str().unwrap();
    let http = Client::builder().no_proxy().build().unwrap();
    let refused = http
        .get(format!("{}/userinfo", origin(&provider)))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    for (id, secret, active) in
        [("tasks", "the secret of the api", true), ("other", "another secret", false)]
    {
        if !active {
            provider.add_client(DevClient::confidential(id, secret));
        }
        let (_, told) = post(
            &provider,
            "/introspect",
            &[("token", token), ("client_id", id), ("client_secret", secret)],
        )
        .await;
        assert_eq!(told["active"], json!(active), "{told}");
    }
}

/// A challenge does not spend the refresh token.
#[tokio::test]
async fn a_refresh_is_challenged_on_demand() {
    let provider = DevProvider::start().await.unwrap();
    let token = refresh_token(&provider, "openid offline_access tasks.read");
    let refresh = async |more: &[(&'static str, &str)]| {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        form.extend(more);
        post(&provider, "/token", &form).await
    };
    let wanted = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    provider.challenge_next_refresh(wanted);
    let (status, answer) = refresh(&[]).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::BAD_REQUEST, &json!("interaction_required"))
    );
    assert_eq!(answer["claims"], wanted);
    let (_, answer) = refresh(&[("claims", wanted)]).await;
    assert_eq!(
        (&answer["error"], &answer["claims"]),
        (&json!("interaction_required"), &json!(wanted)),
        "an API wants it"
    );
    provider.require_authentication_context("tasks.read", "c2");
    let (_, answer) = refresh(&[("scope", "openid tasks.read")]).await;
    assert!(answer["claims"].as_str().unwrap().contains("c2"), "{answer}");
    let (status, answer) = refresh(&[("scope", "openid")]).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}
