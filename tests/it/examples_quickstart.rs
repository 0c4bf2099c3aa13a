//! The example `quickstart` as a process.

use axum::{
    Router,
    http::{HeaderMap, Method, StatusCode, header},
    routing::get,
};
use tokio::net::TcpListener;
use tower_identity::dev::DevProvider;

use crate::{
    browser::{Browser, html::forms},
    example::{Example, answer},
};

#[tokio::test]
async fn the_quickstart_needs_no_configuration() {
    let example = Example::start("quickstart");
    let browser = Browser::new();
    let at = |path: &str| format!("{}{path}", example.url);
    let mut tab = browser.tab();
    assert!(tab.open(at("/")).await.body.contains("Sign in"));
    assert_eq!(tab.open(at("/health")).await.body, "ok");

    let mut tab = example.sign_in(&browser, "/me").await;
    let me = tab.page().json();
    assert_eq!(
        (&me["name"], &me["username"], &me["email"]),
        (&me["claims"]["name"], &"ada@example.com".into(), &"ada@example.com".into())
    );
    assert!(
        me["sub"].is_string()
            && me["iss"].as_str().is_some_and(|iss| iss.starts_with("http://127.0.0.1:"))
    );
    assert!(tab.open(at("/")).await.body.contains("Hello Ada Lovelace"));
    assert_eq!(tab.open(at("/admin")).await.status, StatusCode::OK);

    let first = tab.open(at("/token")).await.json();
    assert_eq!(
        (&first["source"], first["token_sha256"].as_str().unwrap().len()),
        (&"sign_in".into(), 64)
    );
    assert!(
        first["scopes"].as_array().unwrap().contains(&"email".into())
            && first["expires_in"].as_u64().unwrap() > 3000
    );
    let again = tab.open(at("/token")).await.json();
    assert_eq!(again["token_sha256"], first["token_sha256"], "the token of the sign-in is kept");
    let refused = tab.fetch(Method::GET, "/token?scope=notes.read").await;
    assert_eq!(
        (refused.status, &refused.json()["scopes"]),
        (StatusCode::UNAUTHORIZED, &serde_json::json!(["notes.read"]))
    );
    let steps = tab.open(at("/last-sign-in")).await;
    for expected in ["browser → application", "identity.callback", "identity.redeem_code"] {
        assert!(steps.body.contains(expected), "{expected}: {}", steps.body);
    }
    // A person agrees to it and is back.
    tab.open(at("/token?scope=notes.read")).await;
    let consent = tab.page().form().press("Allow");
    let granted = tab.submit(consent).await.json();
    assert!(granted["scopes"].as_array().unwrap().contains(&"notes.read".into()), "{granted}");
}

#[tokio::test]
async fn the_quickstart_calls_graph_at_entra() {
    let example = Example::start_as("quickstart", &[("IDENTITY_DEV", "entra")]);
    let mut tab = Browser::new().tab();
    tab.open(format!("{}/call-an-api", example.url)).await;
    answer(&mut tab, "alan").await;
    let page = tab.page();
    assert_eq!(page.url.path(), "/call-an-api");
    assert!(page.body.contains("200 OK") && page.body.contains("Alan Turing"), "{}", page.body);
}

#[tokio::test]
async fn the_quickstart_calls_the_api_of_the_environment_unless_it_is_a_managed_identity() {
    let provider = DevProvider::start().await.unwrap();
    let secret = provider.client_secret();
    let orders = async |headers: HeaderMap| match headers.get(header::AUTHORIZATION) {
        Some(token) if token.as_bytes().starts_with(b"Bearer ") => "two orders",
        _ => "no token",
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/orders?x=1", listener.local_addr().unwrap());
    let api = Router::new().route("/orders", get(orders));
    tokio::spawn(axum::serve(listener, api).into_future());
    let variables = [
        ("IDENTITY_OIDC_AUTHORITY", provider.issuer()),
        ("IDENTITY_CLIENT_ID", provider.client_id()),
        ("IDENTITY_CLIENT_SECRET", secret.expose()),
        ("IDENTITY_ENDPOINT", &endpoint),
        ("IDENTITY_SCOPE", "orders.read"),
    ];
    let example = Example::start_as("quickstart", &variables);
    let mut tab = Browser::new().tab();
    tab.open(format!("{}/call-an-api", example.url)).await;
    answer(&mut tab, "ada").await;
    let page = tab.page();
    assert!(page.body.contains("200 OK") && page.body.contains("two orders"), "{}", page.body);

    let of_azure = [&variables[..], &[("IDENTITY_HEADER", "x")]].concat();
    let example = Example::start_as("quickstart", &of_azure);
    let mut tab = Browser::new().tab();
    tab.open(format!("{}/me", example.url)).await;
    answer(&mut tab, "ada").await;
    assert!(!tab.open(format!("{}/", example.url)).await.body.contains("Call an API"));
}

/// The complete flow in each mode: an API call with the person's token, an API that requires a
/// stronger sign-in, a provider that requires another sign-in.
#[tokio::test]
async fn the_quickstart_calls_an_api_and_answers_challenges() {
    for (mode, person) in [
        ("", "ada"),
        ("entra", "alan"),
        ("entra-common", "mary"),
        ("b2c", "rosalind"),
        ("external-id", "emmy"),
    ] {
        let example = Example::start_as("quickstart", &[("IDENTITY_DEV", mode)]);
        let at = |path: &str| format!("{}{path}", example.url);
        let mut tab = Browser::new().tab();
        tab.open(at("/me")).await;
        answer(&mut tab, person).await;
        let home = tab.open(at("/")).await;
        let (read, private, challenge) = (
            home.body.find("Read notes"),
            home.body.find("Read private notes"),
            home.body.find("Challenge"),
        );
        assert!(read < private && private < challenge && read.is_some(), "{mode}: {}", home.body);

        tab.open(at("/notes")).await;
        assert_eq!(
            tab.page().url.host_str() == Some("127.0.0.1"),
            mode != "b2c",
            "{mode}: an administrator has agreed there"
        );
        answer(&mut tab, person).await;
        assert!(
            tab.page().body.contains("200 OK") && tab.page().body.contains("Water the plants"),
            "{mode}: {}",
            tab.page().body
        );
        tab.open(at("/notes/private")).await;
        assert_eq!(
            tab.page().url.host_str(),
            Some("127.0.0.1"),
            "{mode}: the account has to be chosen again"
        );
        answer(&mut tab, person).await;
        assert!(
            tab.page().body.contains("200 OK") && tab.page().body.contains("Learn to fly"),
            "{mode}: {}",
            tab.page().body
        );
        assert_eq!(tab.reload().await.url.path(), "/notes/private", "once");

        let home = tab.open(at("/")).await;
        let form = forms(&home.body).into_iter().find(|form| form.action == "challenge").unwrap();
        tab.submit(form).await;
        assert_eq!(tab.page().url.host_str(), Some("127.0.0.1"), "{mode}");
        answer(&mut tab, person).await;
        assert_eq!(tab.page().json()["source"], "provider", "{mode}: {}", tab.page().body);

        // The API refuses requests without a token for it.
        let api = example.said.split("an API: ").nth(1).unwrap();
        let api = &api[..api.find(|end: char| end.is_whitespace()).unwrap_or(api.len())];
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = async |token: Option<&str>| {
            let request = http.get(format!("{api}/notes"));
            let request =
                if let Some(token) = token { request.bearer_auth(token) } else { request };
            let answer = request.send().await.unwrap();
            (answer.status(), answer.headers()["www-authenticate"].to_str().unwrap().to_owned())
        };
        let (status, challenge) = call(None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");
        for token in
            ["x", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AAAA"]
        {
            let (status, challenge) = call(Some(token)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            assert!(challenge.starts_with(r#"Bearer error="invalid_token""#), "{challenge}");
        }
    }
}
