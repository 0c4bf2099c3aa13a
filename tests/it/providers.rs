//! Independent providers (`tests/providers`), and the example `quickstart` with the four variables
//! that a new user sets. These tests start them; `tests/run providers` installs their dependencies.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Tab, html::Form},
    example::Example,
};

/// A provider in a process of its own. It ends with the test, because its standard input is closed
/// then.
struct Provider {
    issuer: String,
    client_id: String,
    client_secret: String,
    _process: Child,
}

impl Provider {
    /// Starts the script with this name, with a client for the application at `application`.
    fn start(script: &str, application: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/providers").join(script);
        let mut command =
            if script.ends_with(".py") { Command::new(python()) } else { Command::new("node") };
        let starting =
            command.arg(path).arg(application).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = starting
            .expect("run `tests/run providers`, which installs Node.js and Python's packages");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect(
            "the provider did not start, and says above why: `tests/run providers` installs it",
        );
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self {
            issuer: text("issuer"),
            client_id: text("client_id"),
            client_secret: text("client_secret"),
            _process: process,
        }
    }
}

/// Python with the packages of `tests/providers/requirements.txt`.
fn python() -> PathBuf {
    // This test is `target/debug/deps/it-…`.
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("providers/bin/python")
}

/// The steps of a person at the provider until the tab shows the application again.
trait Person {
    /// The script in `tests/providers`.
    const SCRIPT: &str;

    /// Fills in one page of the provider.
    async fn answer(tab: &mut Tab);

    async fn answer_all(tab: &mut Tab) {
        for _ in 0..6 {
            if tab.page().url.host_str() == Some("localhost") {
                return;
            }
            Self::answer(tab).await;
        }
        panic!("the provider asks and asks: {} {}", tab.page().url, tab.page().body);
    }
}

/// Signs in, gets an access token in a handler, has it renewed, signs out and in again.
async fn goes_round<P: Person>() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://localhost:{port}");
    let provider = Provider::start(P::SCRIPT, &url);
    let app = Example::start_as(
        "quickstart",
        &[
            ("LISTEN", &format!("127.0.0.1:{port}")),
            ("IDENTITY_OIDC_AUTHORITY", &provider.issuer),
            ("IDENTITY_CLIENT_ID", &provider.client_id),
            ("IDENTITY_CLIENT_SECRET", &provider.client_secret),
            ("IDENTITY_BASE_URL", &url),
        ],
    );
    let at = |path: &str| format!("{}{path}", app.url);
    let browser = Browser::new();
    let mut tab = browser.tab();
    let mut subjects = BTreeSet::new();
    for _ in 0..2 {
        tab.open(at("/me?from=here")).await;
        assert_ne!(
            tab.page().url.host_str(),
            Some("localhost"),
            "the provider has to ask: {}",
            tab.page().body
        );
        P::answer_all(&mut tab).await;
        let page = tab.page();
        assert_eq!(
            (page.status, page.url.path(), page.url.query()),
            (StatusCode::OK, "/me", Some("from=here")),
            "{}",
            page.body
        );
        assert_eq!(page.json()["iss"], provider.issuer);
        subjects.insert(page.json()["sub"].as_str().unwrap().to_owned());
        assert!(browser.jar().refused.is_empty(), "{:?}", browser.jar().refused);

        // Each provider is set to give tokens for a minute: they are due at once. A second refresh
        // shows that a rotated refresh token was kept.
        let mut tokens = BTreeSet::new();
        for address in ["/token", "/token?fresh=1", "/token?fresh=1"] {
            let token = tab.fetch(Method::GET, address).await;
            assert_eq!(token.status, StatusCode::OK, "{address}: {}", token.body);
            assert_eq!(token.json()["source"], "provider", "{address}: {}", token.body);
            tokens.insert(token.json()["token_sha256"].to_string());
        }
        assert_eq!(tokens.len(), 3);
        assert_eq!(tab.reload().await.status, StatusCode::OK);

        tab.open(at("/")).await;
        let sign_out = tab.page().form();
        tab.submit(sign_out).await;
        P::answer_all(&mut tab).await;
        assert_eq!(tab.page().status, StatusCode::OK, "{}", tab.page().body);
        assert!(!tab.open(at("/")).await.body.contains("Sign out"), "{}", tab.page().body);
    }
    assert_eq!(subjects.len(), 1, "the same person twice: {subjects:?}");
}

/// Its pages are scripts, which call an API.
struct AtGlewlwyd;

impl Person for AtGlewlwyd {
    const SCRIPT: &str = "glewlwyd.mjs";

    async fn answer(tab: &mut Tab) {
        let page = tab.page().url.clone();
        let parameter = |wanted: &str| {
            let found = page.query_pairs().find(|(name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("no {wanted} in {page}")).1.into_owned()
        };
        if page.query_pairs().any(|(name, value)| name == "prompt" && value == "end_session") {
            let session = format!("/api/{}/session/{}", parameter("plugin"), parameter("sid"));
            assert_eq!(tab.fetch(Method::DELETE, &session).await.status, StatusCode::OK);
            assert_eq!(tab.fetch(Method::DELETE, "/api/auth/").await.status, StatusCode::OK);
            tab.follow(&parameter("callback_url")).await;
            return;
        }
        let alice = json!({ "username": "alice", "password": "alice-password" });
        assert_eq!(tab.fetch_json(Method::POST, "/api/auth/", &alice).await.status, StatusCode::OK);
        let grant = format!("/api/auth/grant/{}", parameter("client_id"));
        let offered =
            tab.fetch(Method::GET, &format!("{grant}/{}", parameter("scope"))).await.json();
        let names: Vec<_> = offered["scope"]
            .as_array()
            .unwrap()
            .iter()
            .map(|scope| scope["name"].as_str().unwrap())
            .collect();
        let granted =
            tab.fetch_json(Method::PUT, &grant, &json!({ "scope": names.join(" ") })).await;
        assert_eq!(granted.status, StatusCode::OK, "{}", granted.body);
        tab.follow(&format!("{}&g_continue", parameter("callback_url"))).await;
    }
}

/// Its pages are forms.
struct AtLemonldap;

impl Person for AtLemonldap {
    const SCRIPT: &str = "lemonldap.mjs";

    async fn answer(tab: &mut Tab) {
        let form = tab.page().form();
        let is_sign_in = form.fields.iter().any(|(name, _)| name == "password");
        tab.submit(if is_sign_in {
            form.with("user", "dwho").with("password", "dwho")
        } else {
            form
        })
        .await;
    }
}

/// Its pages are forms, too.
struct AtDjangoOauthToolkit;

impl Person for AtDjangoOauthToolkit {
    const SCRIPT: &str = "django_oauth_toolkit.py";

    async fn answer(tab: &mut Tab) {
        let form = tab.page().form();
        let is_sign_in = form.fields.iter().any(|(name, _)| name == "password");
        let alice = |form: Form| form.with("username", "alice").with("password", "alice-password");
        let allow = |form: Form| {
            if tab.page().url.path() == "/o/logout/" {
                form.press("Logout")
            } else {
                form.press("Authorize")
            }
        };
        let form = if is_sign_in { alice(form) } else { allow(form) };
        tab.submit(form).await;
    }
}

#[tokio::test]
#[ignore = "needs Glewlwyd: run `tests/run providers`"]
async fn providers_glewlwyd_signs_in_renews_and_signs_out() {
    goes_round::<AtGlewlwyd>().await;
}

#[tokio::test]
#[ignore = "needs LemonLDAP::NG: run `tests/run providers`"]
async fn providers_lemonldap_signs_in_renews_and_signs_out() {
    goes_round::<AtLemonldap>().await;
}

#[tokio::test]
#[ignore = "needs Django OAuth Toolkit: run `tests/run providers`"]
async fn providers_django_oauth_toolkit_signs_in_renews_and_signs_out() {
    goes_round::<AtDjangoOauthToolkit>().await;
}
