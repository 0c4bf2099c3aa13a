//! The certified provider as a process, and an application that is registered there.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tower_identity::{
    Authority, ClientCredential, IdentityConfig, IdentityLayer, config::ClientAuthMethod,
};

use crate::{
    app,
    browser::{Browser, Tab},
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
pub struct CertifiedApp {
    pub url: String,
}

impl CertifiedApp {
    pub async fn start() -> Self {
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
    pub async fn at(
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

    pub async fn sign_out(&self, tab: &mut Tab) {
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
pub async fn sign_in(tab: &mut Tab, person: &str) {
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
