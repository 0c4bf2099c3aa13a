//! The examples, started as a user starts them.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Once,
};

use axum::{
    Router,
    http::{HeaderMap, Method, StatusCode, header},
    routing::get,
};
use tokio::net::TcpListener;
use tower_identity::dev::DevProvider;

use crate::browser::{
    Browser, Tab,
    html::{Form, forms},
};

/// A running example, which ends with the test.
pub struct Example {
    process: Child,
    pub url: String,
    /// The output up to the line with the URL.
    said: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Example {
    /// Builds all examples once, and starts one on a free port.
    fn run(name: &str) -> Child {
        Self::run_as(name, &[])
    }

    fn run_as(name: &str, variables: &[(&str, &str)]) -> Child {
        static BUILD: Once = Once::new();
        BUILD.call_once(|| {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--examples"])
                .status()
                .unwrap();
            assert!(built.success(), "the examples do not build");
        });
        // This test is `target/debug/deps/it-…`, the examples are in `target/debug/examples`.
        let directory: PathBuf =
            std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
        let variables = [("LISTEN", "127.0.0.1:0")].into_iter().chain(variables.iter().copied());
        Command::new(directory.join(name)).envs(variables).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Starts an example and waits for the URL that it prints.
    pub fn start(name: &str) -> Self {
        Self::start_as(name, &[])
    }

    /// Starts an example with these environment variables.
    pub fn start_as(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut process = Self::run_as(name, variables);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (mut url, mut before) = (None, String::new());
        while url.is_none() {
            let line = lines.next().expect("the example prints no address").unwrap();
            url = line.find("http://localhost:").map(|start| {
                let port: String =
                    line[start + 17..].chars().take_while(char::is_ascii_digit).collect();
                format!("http://localhost:{port}")
            });
            before += &line;
        }
        // The rest of the output is read and dropped, so that the example does not block.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: url.unwrap(), said: before }
    }

    /// Opens a page and picks Ada at the development provider.
    pub async fn sign_in(&self, browser: &Browser, path: &str) -> Tab {
        let mut tab = browser.tab();
        let picker = tab.open(format!("{}{path}", self.url)).await;
        assert_eq!(picker.url.host_str(), Some("127.0.0.1"), "{}", picker.body);
        let form = picker.form().press("ada");
        tab.submit(form).await;
        if tab.page().url.host_str() == Some("127.0.0.1") {
            let consent = tab.page().form().press("Allow");
            tab.submit(consent).await;
        }
        tab
    }
}

#[tokio::test]
async fn hyper_greets_whoever_signed_in() {
    let example = Example::start("hyper");
    let tab = example.sign_in(&Browser::new(), "/anything").await;
    assert_eq!(
        (tab.page().status, tab.page().body.as_str()),
        (StatusCode::OK, "Hello Ada Lovelace\n"),
        "{}",
        tab.page().url
    );
}

#[tokio::test]
async fn web_auth_greets_asks_for_consent_and_says_goodbye() {
    let example = Example::start("web_auth");
    let browser = Browser::new();
    let mut tab = example.sign_in(&browser, "/login").await;
    assert!(tab.page().body.starts_with("Hello Ada Lovelace."), "{}", tab.page().body);
    tab.click("Mail").await;
    if tab.page().url.host_str() == Some("127.0.0.1") {
        let consent = tab.page().form().press("Allow");
        tab.submit(consent).await;
    }
    assert_eq!(tab.page().url.path(), "/mail");
    assert!(tab.page().body.contains("mail.read"), "{}", tab.page().body);
    tab.open(format!("{}/", example.url)).await;
    let sign_out = tab.page().form();
    tab.submit(sign_out).await;
    let page = tab.open(format!("{}/", example.url)).await;
    assert!(page.body.starts_with("You are not signed in."), "{}", page.body);
}

#[tokio::test]
async fn tonic_answers_those_who_are_signed_in() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Nothing {}
    #[derive(Clone, PartialEq, prost::Message)]
    struct Name {
        #[prost(string, tag = "1")]
        name: String,
    }
    async fn who_am_i(url: &str, name: &'static str, value: &str) -> Result<String, tonic::Status> {
        let channel = tonic::transport::Endpoint::from_shared(url.to_owned())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(Nothing {});
        if !value.is_empty() {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        let codec = tonic_prost::ProstCodec::<Nothing, Name>::default();
        let path = axum::http::uri::PathAndQuery::from_static("/example.People/WhoAmI");
        client.unary(request, path, codec).await.map(|answer| answer.into_inner().name)
    }

    let example = Example::start("tonic");
    let refused = who_am_i(&example.url, "cookie", "").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (tonic::Code::Unauthenticated, "sign_in_required")
    );

    let browser = Browser::new();
    let mut tab = example.sign_in(&browser, "/auth/login").await;
    assert_eq!(tab.fetch(Method::GET, "/nothing").await.status, StatusCode::OK);
    let cookies: Vec<String> = browser
        .cookies("localhost")
        .iter()
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    assert_eq!(
        who_am_i(&example.url, "cookie", &cookies.join("; ")).await.unwrap(),
        "Ada Lovelace"
    );

    // A program has a token instead.
    let token = example.said.split("Bearer ").nth(1).unwrap().split('`').next().unwrap();
    let name = who_am_i(&example.url, "authorization", &format!("Bearer {token}")).await.unwrap();
    assert!(name.starts_with("person "), "{name}");
    let (head, _) = token.rsplit_once('.').unwrap();
    let spoilt = format!("Bearer {head}.AAAA");
    let refused = who_am_i(&example.url, "authorization", &spoilt).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    assert!(refused.message().starts_with("token_"), "{}", refused.message());
}

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
async fn the_shop_gives_the_basket_of_a_visitor_to_the_user_and_to_no_other() {
    let example = Example::start("shop");
    let browser = Browser::new();
    let at = |path: &str| format!("{}{path}", example.url);
    // The cookie of the application's own session.
    let own = || {
        let cookies = browser.cookies("localhost");
        cookies.into_iter().find(|cookie| cookie.name == "id").map(|cookie| cookie.value)
    };
    let mut tab = browser.tab();
    tab.open(at("/")).await;
    let add = forms(&tab.page().body).remove(0).press("bicycle");
    tab.submit(add).await;
    assert!(tab.page().body.contains("Basket: bicycle"), "{}", tab.page().body);
    let visitor = own();
    tab.open(at("/order")).await;
    answer(&mut tab, "ada").await;
    assert_eq!(tab.page().body, "Ada Lovelace orders: bicycle");
    let ada = own();
    assert!(visitor.is_some() && ada.is_some() && visitor != ada, "a new id at the sign-in");
    // The same user again: another id, the same basket.
    tab.open(at("/auth/login?return_to=/order")).await;
    answer(&mut tab, "ada").await;
    assert_eq!(tab.page().body, "Ada Lovelace orders: bicycle");
    assert_ne!(own(), ada);
    let ada = own();
    tab.open(at("/")).await;
    tab.submit(Form::post("/auth/logout")).await;
    answer(&mut tab, "ada").await;
    assert!(tab.open(at("/")).await.body.contains("Basket: </p>"), "{}", tab.page().body);
    tab.open(at("/order")).await;
    answer(&mut tab, "grace").await;
    assert_eq!(tab.page().body, "Grace Hopper orders: ");
    assert_ne!(own(), ada);
}

#[tokio::test]
async fn a_job_has_a_grant_of_its_own_until_the_person_ends_it() {
    let example = Example::start("job");
    let mut tab = example.sign_in(&Browser::new(), "/").await;
    let says = |tab: &Tab| tab.page().body.contains("The job reads your calendar.");
    assert!(!says(&tab), "{}", tab.page().body);
    tab.submit(Form::post("/connect")).await;
    answer(&mut tab, "ada").await;
    assert!(says(&tab), "{}", tab.page().body);
    // The session is another one now, and the grant is still there.
    tab.submit(Form::post("/auth/logout")).await;
    answer(&mut tab, "ada").await;
    tab.open(format!("{}/", example.url)).await;
    answer(&mut tab, "ada").await;
    assert!(says(&tab), "{}", tab.page().body);
    tab.submit(Form::post("/disconnect")).await;
    assert!(!says(&tab), "{}", tab.page().body);
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

/// Fills in the development provider's pages as `person` until the browser returns to the
/// application.
pub async fn answer(tab: &mut Tab, person: &str) {
    for _ in 0..4 {
        if tab.page().url.host_str() == Some("localhost") {
            return;
        }
        let form = tab.page().form();
        let choices: Vec<&String> =
            form.buttons.iter().flat_map(|(_, value, text)| [value, text]).collect();
        let choice = if choices.iter().any(|choice| *choice == person) { person } else { "Allow" };
        tab.submit(form.press(choice)).await;
    }
    panic!("the provider asks and asks: {}", tab.page().body);
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

#[tokio::test]
async fn the_api_takes_the_token_that_it_prints_and_says_what_it_needs() {
    let example = Example::start("api");
    let token = example.said.split("Bearer ").nth(1).unwrap().split('\'').next().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str, token: Option<&str>| {
        let request = http.get(format!("{}{path}", example.url));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get("www-authenticate").cloned();
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        (answer.status(), challenge.unwrap_or_default(), answer.text().await.unwrap())
    };
    let json = |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap();

    let (status, _, body) = get("/health", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
    for path in ["/whoami", "/notes", "/fresh", "/nothing"] {
        let (status, challenge, _) = get(path, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");
        assert!(challenge.contains("/.well-known/oauth-protected-resource"), "{challenge}");
        let (status, challenge, _) = get(path, Some("eyJhbGciOiJub25lIn0.e30.")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }

    let (status, _, body) = get("/whoami", Some(token)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let caller = json(&body);
    let names: Vec<&str> = caller.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["app", "iss", "kind", "oid", "roles", "scopes", "sub", "tid"]);
    assert_eq!(
        (&caller["kind"], &caller["scopes"]),
        (&"person".into(), &serde_json::json!(["Notes.Read"]))
    );
    for path in ["/notes", "/fresh"] {
        assert_eq!(get(path, Some(token)).await.0, StatusCode::OK, "{path}");
    }
    let (status, _, body) = get("/.well-known/oauth-protected-resource", None).await;
    assert_eq!((status, &json(&body)["resource"]), (StatusCode::OK, &example.url.clone().into()));
}

#[test]
fn the_daemon_needs_neither_people_nor_configuration() {
    let finished = Example::run("daemon").wait_with_output().unwrap();
    let printed = String::from_utf8(finished.stdout).unwrap();
    assert!(finished.status.success(), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines.len() == 2
            && lines[0].contains("from the provider")
            && lines[1].contains("from the cache"),
        "{printed}"
    );
}

#[tokio::test]
async fn a_program_signs_in_with_the_browser_beside_it() {
    let mut process = Example::run("desktop");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let message = lines.next().unwrap().unwrap();
    let url = message.strip_prefix("Open ").unwrap();
    let mut tab = Browser::new().tab();
    let form = tab.open(url).await.form().press("ada");
    tab.submit(form).await;
    if tab.page().body.contains("asks for permission") {
        let consent = tab.page().form().press("Allow");
        tab.submit(consent).await;
    }
    assert!(tab.page().body.contains("<title>You are signed in"), "{}", tab.page().body);
    let rest: Vec<String> =
        tokio::task::spawn_blocking(move || lines.map(Result::unwrap).collect()).await.unwrap();
    assert!(process.wait().unwrap().success() && rest[0].starts_with("hello "), "{rest:?}");
}

#[tokio::test]
async fn a_device_signs_in_with_a_code_that_is_entered_elsewhere() {
    let mut process = Example::run("device");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let message = lines.next().unwrap().unwrap();
    let word = |start: &str| {
        message.split_once(start).unwrap().1.split([' ', '.']).next().unwrap().to_owned()
    };
    let (address, code) = (
        message.split(' ').find(|word| word.starts_with("http://127.0.0.1:")).unwrap().to_owned(),
        word("the code "),
    );
    let mut tab = Browser::new().tab();
    let form = tab.open(format!("{address}?user_code={code}")).await.form().press("ada");
    assert!(tab.submit(form).await.body.contains("signed in on your device"));
    let rest: Vec<String> =
        tokio::task::spawn_blocking(move || lines.map(Result::unwrap).collect()).await.unwrap();
    assert!(process.wait().unwrap().success(), "{rest:?}");
    assert!(rest[0].starts_with("hello ") && rest[1].starts_with("a token until "), "{rest:?}");
}
