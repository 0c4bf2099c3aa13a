//! The layer against a certified provider, `tests/provider`, which checks requests more strictly
//! than the development provider. These tests start it; `tests/run certified` installs its
//! dependencies.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tower_identity::{
    Authority, ClientCredential, IdentityConfig, IdentityLayer, SignInOptions,
    config::{Algorithm, ClientAuthMethod, ResponseMode, SignInMethod, UserInfo},
};

use crate::{
    app,
    browser::{Browser, Page, Tab, html},
    client_certified::agrees,
};

/// The provider process that most tests share. Each test registers a client of its own.
pub static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider::start(&json!({})));

/// A provider process. It ends with the tests, because its standard input is closed then.
pub struct Provider {
    pub issuer: String,
    registration_token: String,
    _process: Child,
}

impl Provider {
    /// Starts a provider of this shape. `provider.mjs` lists the shapes.
    pub fn start(shape: &Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider/provider.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(shape.to_string());
        let starting =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process =
            starting.expect("Node.js is missing: run `tests/run certified`, which installs it");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line)
            .expect("the provider did not start: run `tests/run certified`, which installs it");
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self {
            issuer: text("issuer"),
            registration_token: text("registration_token"),
            _process: process,
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = reqwest::Client::new()
            .post(format!("{}{path}", self.issuer))
            .bearer_auth(&self.registration_token);
        request.json(body).send().await.unwrap()
    }
}

/// An application whose client was registered with these additional members.
pub struct App {
    url: String,
}

impl App {
    async fn start() -> Self {
        Self::with(&json!({}), |config| config).await
    }

    pub async fn with(
        members: &Value,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
    ) -> Self {
        let agreed = |config: IdentityConfig, client: &Value| {
            let method = match client["token_endpoint_auth_method"].as_str() {
                Some("client_secret_post") => ClientAuthMethod::Post,
                _ => ClientAuthMethod::Basic,
            };
            let secret = client["client_secret"].as_str();
            let credential = secret.map_or_else(ClientCredential::none, |secret| {
                ClientCredential::secret(secret).with_method(method)
            });
            settings(config.with_credential(credential).with_scopes(["email", "offline_access"]))
        };
        Self::at(&PROVIDER, members, agreed).await
    }

    /// An application at this provider, with these settings over the defaults of `IdentityConfig`.
    async fn at(
        provider: &Provider,
        members: &Value,
        settings: impl FnOnce(IdentityConfig, &Value) -> IdentityConfig,
    ) -> Self {
        let listener =
            tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let mut metadata = json!({
            "redirect_uris": [format!("{url}/auth/callback")],
            "post_logout_redirect_uris": [format!("{url}/auth/signed-out")],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let answer = provider.post("/reg", &metadata).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
        let client: Value = answer.json().await.unwrap();
        let config = IdentityConfig::new(
            Authority::oidc(&provider.issuer).unwrap(),
            client["client_id"].as_str().unwrap(),
        )
        .with_base_url(&url)
        .unwrap()
        .with_cookie_secrets(["a cookie secret of more than thirty-two bytes"])
        .add_public_path("/");
        let router =
            app::routes().layer(IdentityLayer::new(settings(config, &client).build().unwrap()));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url }
    }

    /// A tab in which `person` has signed in on the provider's pages and `/me` is open.
    pub async fn signed_in(&self, browser: &Browser, person: &str) -> Tab {
        let mut tab = browser.tab();
        tab.open(format!("{}/me", self.url)).await;
        sign_in(&mut tab, person).await;
        assert_eq!(
            (tab.page().status, tab.page().url.path()),
            (StatusCode::OK, "/me"),
            "{}",
            tab.page().body
        );
        assert_eq!(tab.page().json()["sub"], person);
        tab
    }

    async fn sign_out(&self, tab: &mut Tab) {
        tab.open(format!("{}/auth/logout", self.url)).await;
        let form = tab.page().form();
        let page = tab.submit(form).await;
        assert_eq!(page.url.host_str(), Some("127.0.0.1"), "the provider asks too");
        let form = page.form().press("Yes, sign me out");
        assert_eq!(tab.submit(form).await.url.path(), "/auth/signed-out");
    }

    pub async fn token(&self, tab: &mut Tab) -> Value {
        tab.fetch(Method::GET, "/token").await.json()
    }
}

/// Fills in the provider's pages until the browser returns to the application.
async fn sign_in(tab: &mut Tab, person: &str) {
    for _ in 0..3 {
        let form = tab.page().form();
        let is_login = form.fields.iter().any(|(name, _)| name == "password");
        let form = if is_login { form.with("login", person).with("password", "any") } else { form };
        if tab.submit(form).await.url.host_str() == Some("localhost") {
            return;
        }
    }
    panic!("the provider asks and asks: {}", tab.page().body);
}

// C-001: OP answers the code flow correctly
// C-006: token endpoint accepts client_secret_basic only
// C-007: token endpoint accepts client_secret_post only
// C-004: OP answers with an auto-submitted form
/// Every way of client authentication with every response mode.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_and_out() {
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        for mode in [ResponseMode::Query, ResponseMode::FormPost] {
            let members = json!({ "token_endpoint_auth_method": method });
            let app = App::with(&members, |config| config.with_response_mode(mode)).await;
            let browser = Browser::new();
            let mut tab = app.signed_in(&browser, "ada").await;
            let me = tab.page().json();
            assert_eq!(
                (me["name"].as_str(), me["claims"]["email"].as_str()),
                (Some("Person ada"), Some("ada@example.com"))
            );
            assert!(browser.jar().refused.is_empty(), "{:?}", browser.jar().refused);

            app.sign_out(&mut tab).await;
            assert!(browser.cookies("localhost").is_empty());
            let asked = tab.open(format!("{}/me", app.url)).await;
            assert!(
                asked.body.contains("password"),
                "the provider has forgotten the person: {}",
                asked.body
            );
        }
    }
}

// C-011: RS256 token
// C-012: ES256 token, client registered for ES256
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_with_every_algorithm() {
    for (name, algorithm) in [
        ("RS256", Algorithm::Rs256),
        ("PS256", Algorithm::Ps256),
        ("ES256", Algorithm::Es256),
        ("EdDSA", Algorithm::EdDsa),
    ] {
        let members = json!({ "id_token_signed_response_alg": name });
        let app = App::with(&members, |config| config.with_id_token_algorithms([algorithm])).await;
        app.signed_in(&Browser::new(), "ada").await;
    }
}

/// Shapes of unknown providers, with only the settings that every application needs: authority,
/// client id, secret and base URL.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_in_other_shapes_is_met_with_the_defaults() {
    let long = "s".repeat(200);
    let no_iss = json!({
        "iss": false, "document": { "authorization_response_iss_parameter_supported": null },
    });
    let silent = json!({ "document": {
        "scopes_supported": null, "response_modes_supported": null,
        "token_endpoint_auth_methods_supported": null,
        "grant_types_supported": null, "code_challenge_methods_supported": null,
        "userinfo_endpoint": null,
        "id_token_signing_alg_values_supported": ["RS256"], "subject_types_supported": null,
    } });
    // The provider's shape, the members of the client, the person, whether there are refresh
    // tokens.
    let shapes = [
        (json!({ "algorithms": ["ES256"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["ES384"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["EdDSA"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["RS512"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["PS384"] }), json!({}), "ada", true),
        (json!({ "algorithms": ["ES256", "RS256"] }), json!({}), "ada", true),
        (json!({ "auth_methods": ["client_secret_post"] }), json!({}), "ada", true),
        (json!({ "auth_methods": ["client_secret_post", "none"] }), json!({}), "ada", true),
        (json!({ "rotation": false }), json!({}), "ada", true),
        (json!({ "refresh": false }), json!({ "access_token_seconds": 3600 }), "ada", false),
        (
            json!({}),
            json!({ "grant_types": ["authorization_code"], "access_token_seconds": 3600 }),
            "ada",
            false,
        ),
        (no_iss, json!({}), "ada", true),
        (silent, json!({}), "ada", true),
        (json!({}), json!({}), long.as_str(), true),
    ];
    for (shape, client, person, refreshes) in shapes {
        println!("{shape} {client}");
        let provider = Provider::start(&shape);
        let mut members = json!({ "access_token_seconds": 60 });
        members.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
        for mode in [ResponseMode::Query, ResponseMode::FormPost] {
            let app = App::at(&provider, &members, |config, client| {
                let secret = ClientCredential::secret(client["client_secret"].as_str().unwrap());
                config.with_credential(secret).with_response_mode(mode)
            })
            .await;
            let browser = Browser::new();
            for _ in 0..2 {
                let mut tab = app.signed_in(&browser, person).await;
                for source in if refreshes { ["provider", "cache"] } else { ["sign_in", "sign_in"] }
                {
                    let token = app.token(&mut tab).await;
                    assert_eq!(token["source"], source, "{token}");
                    assert!(!token["token"].as_str().unwrap().contains('.'), "opaque: {token}");
                }
                app.sign_out(&mut tab).await;
                assert!(
                    browser.cookies("localhost").is_empty() && browser.jar().refused.is_empty()
                );
            }
        }
    }
}

// C-082: RS256 token when PS256/ES256 was registered
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_with_another_algorithm_than_agreed_is_refused() {
    let app =
        App::with(&json!({}), |config| config.with_id_token_algorithms([Algorithm::Es256])).await;
    let mut tab = Browser::new().tab();
    tab.open(format!("{}/me", app.url)).await;
    sign_in(&mut tab, "ada").await;
    assert!(tab.page().body.contains("token_algorithm"), "{}", tab.page().body);
}

// C-032: userinfo wants the header
// C-055: refresh grant
// C-241: answer has a new refresh_token
/// Rotation with reuse detection, one refresh after the other.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_rotates_refresh_tokens() {
    let app = App::with(&json!({ "access_token_seconds": 2 }), |config| {
        config.with_user_info(UserInfo::AtSignIn)
    })
    .await;
    let mut tab = app.signed_in(&Browser::new(), "ada").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let token = app.token(&mut tab).await;
        assert_eq!(token["source"], "provider", "{token}");
        let token = token["token"].as_str().unwrap().to_owned();
        assert!(!seen.contains(&token));
        seen.push(token);
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }
    assert_eq!(tab.reload().await.status, StatusCode::OK);
}

/// Without a single flight the provider's reuse detection would revoke the grant.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_sees_one_refresh_of_many_requests() {
    let app = App::with(&json!({ "access_token_seconds": 60 }), |config| config).await;
    let tab = app.signed_in(&Browser::new(), "ada").await;
    let asking = (0..30).map(|_| {
        let (mut tab, app) = (tab.again(), App { url: app.url.clone() });
        tokio::spawn(async move { app.token(&mut tab).await["token"].clone() })
    });
    let mut tokens = Vec::new();
    for task in asking.collect::<Vec<_>>() {
        tokens.push(task.await.unwrap());
    }
    assert!(tokens[0].is_string() && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

// C-176: max_age sent, auth_time missing
// C-024: OP looks for nonce in the request
/// The requested parameters are checked in the ID token.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_tells_when_the_person_signed_in() {
    let options =
        SignInOptions::new().with_max_age(Duration::from_secs(3600)).with_login_hint("ada");
    let app = App::with(&json!({}), |config| config.with_sign_in(options)).await;
    let tab = app.signed_in(&Browser::new(), "ada").await;
    let claims = tab.page().json()["claims"].clone();
    assert!(claims["auth_time"].is_i64() && claims["nonce"].is_string(), "{claims}");
}

// C-052: keys rotated between two logins
// C-053: keys rotated after the RP cached them, before the token is signed
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_rotates_its_keys() {
    let app = App::start().await;
    app.signed_in(&Browser::new(), "ada").await;
    assert_eq!(
        PROVIDER.post("/test/rotate-keys", &json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
    app.signed_in(&Browser::new(), "grace").await;
}

// C-326: two tabs log in at once
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_two_tabs_at_once() {
    let app = App::start().await;
    let browser = Browser::new();
    let (mut first, mut second) = (browser.tab(), browser.tab());
    first.open(format!("{}/me?tab=1", app.url)).await;
    second.open(format!("{}/me?tab=2", app.url)).await;
    sign_in(&mut first, "ada").await;
    sign_in(&mut second, "ada").await;
    let shows = |page: &Page| (page.status, page.url.query().map(str::to_owned));
    assert_eq!(shows(first.reload().await), (StatusCode::OK, Some("tab=1".into())));
    assert_eq!(shows(second.reload().await), (StatusCode::OK, Some("tab=2".into())));
}

/// RFC 8628: the application has no redirect URI at the provider, and the code is entered in
/// another browser.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_by_device_code() {
    let members = json!({
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "redirect_uris": [], "response_types": [],
    });
    let app =
        App::with(&members, |config| config.with_sign_in_method(SignInMethod::DeviceCode)).await;
    let mut tab = Browser::new().tab();
    let page = tab.open(format!("{}/me?by=code", app.url)).await;
    let links = html::links(&page.body);
    let (address, _) = links
        .iter()
        .find(|(address, _)| address.starts_with(&PROVIDER.issuer))
        .expect("no link to the provider");
    let shown = agrees(address).await;
    // The interval is 5 s (RFC 8628 section 3.5), and ends with a whole second of the clock.
    tokio::time::sleep(Duration::from_millis(6100)).await;
    let page = tab.click("Continue").await;
    assert_eq!(
        (page.status, page.url.query()),
        (StatusCode::OK, Some("by=code")),
        "{}: {shown}",
        page.body
    );
    assert_eq!(page.json()["sub"], "ada");
    assert!(app.token(&mut tab).await["token"].is_string());
}
