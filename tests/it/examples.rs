//! The examples, started as a user starts them.

use std::io::{BufRead as _, BufReader};

use axum::http::{Method, StatusCode};

use crate::{
    browser::{
        Browser, Tab,
        html::{Form, forms},
    },
    example::{Example, answer},
};

#[tokio::test]
async fn hyper_greets_the_signed_in_user() {
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
async fn tonic_answers_signed_in_callers() {
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
    // She connects again and chooses another account: that one is not connected, and hers still is.
    tab.fetch(Method::POST, "/connect").await;
    let sent = tab.hops.iter().rfind(|hop| hop.url.path() == "/connect").unwrap();
    let url = format!("{}&prompt=select_account", sent.location().unwrap());
    tab.open(url).await;
    answer(&mut tab, "grace").await;
    assert!(says(&tab), "{}", tab.page().body);
    tab.submit(Form::post("/disconnect")).await;
    assert!(!says(&tab), "{}", tab.page().body);
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
