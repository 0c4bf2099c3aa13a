//! Features of the development provider for clients of other libraries: Entra's own
//! rules, single-page applications.

use std::time::Duration;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64_simd::{URL_SAFE, URL_SAFE_NO_PAD};
use http::Method;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Map, Value, json};
use tower_identity::{
    Clock, SystemClock,
    dev::{DevClient, DevPerson, DevProvider, DevTenant},
};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn entra() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

pub fn http() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub fn at(provider: &DevProvider, path: &str) -> String {
    format!("http://{}{path}", provider.address())
}

pub fn contoso(endpoint: &str) -> String {
    format!("/{}/{endpoint}", DevTenant::CONTOSO.id())
}

pub async fn post(provider: &DevProvider, path: &str, form: &[(&str, &str)]) -> Value {
    http().post(at(provider, path)).form(form).send().await.unwrap().json().await.unwrap()
}

/// A client with a key of its own, and assertions signed with it.
pub struct Prover(EcdsaKeyPair);

impl Prover {
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// A key that is identified by the thumbprint of its certificate.
    pub fn registered(&self) -> DevClient {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "x5t#S256": text(&[7; 32]),
        });
        let Value::Object(members) = jwk else { panic!("no object") };
        DevClient::public("prover").with_key(members)
    }

    pub fn assertion(&self, audience: &str, changes: &Value) -> String {
        let now = SystemClock.now().as_seconds();
        let mut claims: Map<String, Value> = serde_json::from_value(json!({
            "iss": "prover", "sub": "prover", "aud": audience, "exp": now + 600, "iat": now,
            "jti": "once",
        }))
        .unwrap();
        claims.extend(changes.as_object().unwrap().clone());
        let header =
            json!({ "alg": "ES256", "typ": "JWT", "x5t#S256": URL_SAFE.encode_to_string([7; 32]) });
        let text = |value: String| URL_SAFE_NO_PAD.encode_to_string(value);
        let message = format!("{}.{}", text(header.to_string()), text(json!(claims).to_string()));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature.as_ref()))
    }
}

pub const ASSERTION: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

/// RFC 7519 section 2; RFC 7523 section 3 point 7. MSAL pads thumbprints, and sends one assertion
/// for ten minutes.
#[tokio::test]
async fn entra_takes_an_assertion_as_msal_writes_it_and_others_take_it_once() {
    let prover = Prover::new();
    let now = SystemClock.now().as_seconds();
    let after = |seconds: i64| (now + seconds) as f64 + 0.5;
    let provider =
        DevProvider::builder().entra().with_client(prover.registered()).start().await.unwrap();
    let token = contoso("oauth2/v2.0/token");
    let tried = async |changes: Value| {
        let assertion = prover.assertion(&at(&provider, &token), &changes);
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "api://x/.default"),
            ASSERTION,
            ("client_assertion", &assertion),
        ];
        post(&provider, &token, &form).await
    };
    for _ in 0..3 {
        let answer = tried(json!({ "exp": after(600), "iat": after(0) })).await;
        assert!(answer["access_token"].is_string(), "{answer}");
    }
    // A fraction is read, not overlooked.
    for (changes, number) in [
        (json!({ "exp": after(-600) }), 700_024),
        (json!({ "nbf": after(600) }), 700_024),
        (json!({ "exp": after(90_000) }), 700_024),
        (json!({ "exp": (now + 600).to_string() }), 50_027),
        (json!({ "iss": "other" }), 700_021),
        (json!({ "aud": "https://login.microsoftonline.com/" }), 700_023),
    ] {
        let refused = tried(changes.clone()).await;
        assert_eq!(
            (&refused["error"], &refused["error_codes"]),
            (&json!("invalid_client"), &json!([number])),
            "{changes}: {refused}"
        );
    }

    let plain = DevProvider::builder().with_client(prover.registered()).start().await.unwrap();
    let assertion = prover.assertion(&at(&plain, "/token"), &json!({}));
    let form = [("grant_type", "client_credentials"), ASSERTION, ("client_assertion", &*assertion)];
    assert_eq!(
        post(&plain, "/token", &form).await["error"],
        "invalid_client",
        "the padding is no base64url"
    );
}

#[tokio::test]
async fn a_user_code_is_known_without_its_hyphen_and_in_lower_case() {
    for entra in [false, true] {
        let builder = DevProvider::builder().with_client(DevClient::public("tv"));
        let provider = if entra { builder.entra() } else { builder }.start().await.unwrap();
        let (begin, token) = if entra {
            (contoso("oauth2/v2.0/devicecode"), contoso("oauth2/v2.0/token"))
        } else {
            ("/device-authorization".to_owned(), "/token".to_owned())
        };
        let started = post(&provider, &begin, &[("client_id", "tv"), ("scope", "openid")]).await;
        let typed = started["user_code"].as_str().unwrap().to_lowercase().replace('-', " ");
        provider.answer_device(&typed, Some("ada")).unwrap();
        let code = started["device_code"].as_str().unwrap();
        // MSAL Node uses the name of Entra's first version.
        let grant = if entra { "device_code" } else { DEVICE };
        let answer = post(
            &provider,
            &token,
            &[("client_id", "tv"), ("grant_type", grant), ("device_code", code)],
        )
        .await;
        assert!(answer["access_token"].is_string(), "{answer}");
    }
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap()).unwrap()
}

/// A provider with a user that has a password, a command-line program and an API.
async fn with_mary() -> DevProvider {
    let mary = DevPerson::new("mary", "Mary")
        .with_username("mary@contoso.onmicrosoft.com")
        .with_password("a password");
    let builder = DevProvider::builder().entra().with_people([mary]);
    let builder = builder
        .with_client(DevClient::public("cli").with_consent(tower_identity::dev::Consent::Given));
    let builder = builder.with_client(
        DevClient::confidential("api", "s").with_consent(tower_identity::dev::Consent::Given),
    );
    builder.start().await.unwrap()
}

/// A user is one account in MSAL, with every grant.
#[tokio::test]
async fn client_info_comes_on_request_and_a_token_says_how_the_client_authenticated() {
    let provider = with_mary().await;
    let token = contoso("oauth2/v2.0/token");
    let name = "mary@contoso.onmicrosoft.com";
    let by_password = post(
        &provider,
        &token,
        &[
            ("grant_type", "password"),
            ("client_id", "cli"),
            ("username", name),
            ("password", "a password"),
            ("scope", "openid offline_access api://api/read"),
            ("client_info", "1"),
        ],
    )
    .await;
    assert!(by_password["client_info"].is_string(), "{by_password}");
    assert_eq!(claims(&by_password["access_token"])["azpacr"], "0");
    let on_behalf = post(
        &provider,
        &token,
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("requested_token_use", "on_behalf_of"),
            ("client_id", "api"),
            ("client_secret", "s"),
            ("assertion", by_password["access_token"].as_str().unwrap()),
            ("scope", "openid api://other/read"),
            ("client_info", "1"),
        ],
    )
    .await;
    assert_eq!(on_behalf["client_info"], by_password["client_info"], "{on_behalf}");
    assert_eq!(claims(&on_behalf["access_token"])["azpacr"], "1");
    provider.revoke_refresh_tokens("mary");
    let refresh = by_password["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "cli"),
        ("refresh_token", refresh),
        ("scope", "openid"),
    ];
    let refused = post(&provider, &token, &form).await;
    assert_eq!(
        (&refused["error_codes"], &refused["suberror"]),
        (&json!([50_173]), &json!("bad_token")),
        "{refused}"
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "api"),
        ("client_secret", "s"),
        ("scope", "api://x/.default"),
    ];
    assert_eq!(
        post(&provider, "/common/oauth2/v2.0/token", &form).await["error_codes"],
        json!([50_059])
    );
}

#[tokio::test]
async fn the_old_document_leads_to_the_end_of_the_session() {
    let provider = entra().await;
    let fetched =
        async |path: &str| -> Response { http().get(at(&provider, path)).send().await.unwrap() };
    let document: Value =
        fetched(&contoso(".well-known/openid-configuration")).await.json().await.unwrap();
    let relative = |name: &str| document[name].as_str().unwrap().replace(&at(&provider, ""), "");
    assert_eq!(fetched(&relative("end_session_endpoint")).await.status(), StatusCode::OK);
    let keys: Value = fetched(&relative("jwks_uri")).await.json().await.unwrap();
    assert!(!keys["keys"].as_array().unwrap().is_empty());
    assert_eq!(relative("issuer"), contoso(""));
    for (name, kind) in [
        ("ada@contoso.onmicrosoft.com", "Managed"),
        ("ada%40contoso.onmicrosoft.com", "Managed"),
        ("x@y.z", "Unknown"),
    ] {
        let realm: Value = fetched(&format!("/common/userrealm/{name}?api-version=1.0"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(realm["account_type"], kind, "{name}");
    }
    let asked = format!("{}/common/oauth2/v2.0/authorize", at(&provider, ""));
    let known: Value =
        fetched(&format!("/common/discovery/instance?authorization_endpoint={asked}"))
            .await
            .json()
            .await
            .unwrap();
    assert!(
        known["tenant_discovery_endpoint"]
            .as_str()
            .unwrap()
            .ends_with("/common/v2.0/.well-known/openid-configuration")
    );
    let error: Value = fetched("/nowhere/oauth2/v2.0/token").await.json().await.unwrap_or_default();
    assert_eq!(error, Value::Null, "GET is not for the token endpoint");
    let refused = post(
        &provider,
        &contoso("oauth2/v2.0/token"),
        &[("client_id", "nobody"), ("grant_type", "password")],
    )
    .await;
    let page = http().get(refused["error_uri"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("AADSTS700016"));
}

/// The issuer of External ID is a URL at which the provider responds.
#[tokio::test]
async fn the_issuer_of_external_id_can_be_reached() {
    let provider = entra().await;
    let path = format!("/{}/v2.0/.well-known/openid-configuration", DevTenant::WOODGROVE.id());
    let host = format!("{}.localhost:{}", DevTenant::WOODGROVE.id(), provider.address().port());
    let answer = http().get(at(&provider, &path)).header("host", &host).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let document: Value = answer.json().await.unwrap();
    assert!(
        document["issuer"].as_str().unwrap().starts_with(&format!("http://{host}/")),
        "{document}"
    );
}

/// The Fetch standard (CORS): a page of another origin can read documents, keys and tokens, and
/// gets its code in the fragment.
#[tokio::test]
async fn an_application_in_the_browser_can_sign_in() {
    let provider = DevProvider::builder()
        .entra()
        .with_client(DevClient::public("spa").with_any_loopback_redirect())
        .start()
        .await
        .unwrap();
    provider.sign_in_as("ada").unwrap();
    let origin = "http://localhost:3000";
    let document = contoso("v2.0/.well-known/openid-configuration");
    let answer =
        http().get(at(&provider, &document)).header("origin", origin).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let told: Value = answer.json().await.unwrap();
    assert_eq!(
        (&told["response_types_supported"], &told["response_modes_supported"]),
        (&json!(["code"]), &json!(["query", "fragment", "form_post"]))
    );
    let token = contoso("oauth2/v2.0/token");
    let preflight = http()
        .request(Method::OPTIONS, at(&provider, &token))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-client-sku")
        .send()
        .await
        .unwrap();
    assert!(preflight.status().is_success());
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert_eq!(preflight.headers()["access-control-allow-headers"], "x-client-sku");
    let refused = http()
        .post(at(&provider, &token))
        .header("origin", origin)
        .form(&[("a", "b")])
        .send()
        .await
        .unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], "*", "errors can be read, too");
    let query = [
        ("client_id", "spa"),
        ("redirect_uri", "http://localhost:3000/"),
        ("response_type", "code"),
        ("response_mode", "fragment"),
        ("scope", "openid"),
        ("state", "s"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let url = url::Url::parse_with_params(&at(&provider, &contoso("oauth2/v2.0/authorize")), query)
        .unwrap();
    let sent = http().get(url).header("origin", origin).send().await.unwrap();
    let location = sent.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("http://localhost:3000/#code="), "{location}");
    // Scripts of other origins cannot read the pages.
    assert_eq!(sent.headers().get("access-control-allow-origin"), None);
}

/// RFC 9110 sections 9.3.2 and 15.5.6
#[tokio::test]
async fn head_is_get_without_a_body_and_a_wrong_method_gets_the_allowed_ones() {
    let provider = DevProvider::start().await.unwrap();
    for path in ["/", "/.well-known/openid-configuration", "/keys"] {
        let answer = http().head(at(&provider, path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    for (path, allow) in [
        ("/keys", "GET, HEAD, OPTIONS"),
        ("/token", "POST, OPTIONS"),
        ("/authorize", "GET, POST, HEAD, OPTIONS"),
    ] {
        let answer = http().delete(at(&provider, path)).send().await.unwrap();
        assert_eq!(
            (answer.status(), answer.headers()["allow"].to_str().unwrap()),
            (StatusCode::METHOD_NOT_ALLOWED, allow)
        );
    }
    tokio::time::timeout(Duration::from_secs(60), provider.shutdown()).await.unwrap();
}
