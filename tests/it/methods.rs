//! The methods of the layer's own paths (RFC 9110 sections 9.1, 9.3.2 and 15.5.6).

use axum::http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower_identity::config::SignInMethod;

use crate::{
    app::{App, AppBuilder},
    captured_log::Log,
    raw::{NAVIGATION, Raw},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const GET: &str = "GET, HEAD";
const GET_AND_POST: &str = "GET, HEAD, POST";

fn with_all_paths<'a>() -> AppBuilder<'a> {
    App::builder()
        .config(|config| config.with_user_path("/auth/user").with_kept_form_path("/auth/form"))
}

#[tokio::test]
async fn a_path_of_the_layer_refuses_other_methods_with_the_list_of_its_own() {
    let app = with_all_paths().start().await;
    let codes = App::builder()
        .config(|config| config.with_sign_in_method(SignInMethod::DeviceCode))
        .start()
        .await;
    for (app, path, allowed) in [
        (&app, "/auth/login", GET),
        (&app, "/auth/callback", GET_AND_POST),
        (&codes, "/auth/callback", GET),
        (&app, "/auth/logout", GET_AND_POST),
        (&app, "/auth/signed-out", GET_AND_POST),
        (&app, "/auth/user", GET),
        (&app, "/auth/form", GET_AND_POST),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            if allowed.contains(method) {
                continue;
            }
            for headers in [NAVIGATION, &[("accept", "application/json")], &[FORM]] {
                let method = method.parse::<Method>().unwrap();
                let answer = Raw::of(app).send(method.clone(), path, "", headers, "").await;
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                assert_eq!(answer.header("allow"), allowed, "{method} {path}");
                assert!(answer.body.contains("method_not_allowed"), "{}", answer.body);
            }
        }
    }
}

/// A scanner raises no alarm: nothing of this has a cause that an operator could end.
#[tokio::test]
async fn what_a_request_alone_causes_is_no_warning() {
    let app = with_all_paths().start().await;
    let (log, _listening) = Log::listen();
    let raw = Raw::of(&app);
    let state = |retry| format!("/auth/callback?code=x&state=r{retry}.0.{}", "x".repeat(22));
    let (lost, other) = (state(1), [("sec-fetch-site", "cross-site")]);
    let none: &[(&str, &str)] = &[];
    let requests = [
        (Method::DELETE, "/auth/login", none),
        (Method::GET, "/auth/callback", NAVIGATION),
        (Method::GET, "/auth/callback?code=x&code=y&state=z", NAVIGATION),
        (Method::GET, "/auth/callback?code=x&state=forged", NAVIGATION),
        (Method::GET, &lost, NAVIGATION),
        (Method::POST, "/auth/logout", &other),
    ];
    let count = requests.len();
    for (method, path, headers) in requests {
        let answer = raw.send(method, path, "", headers, "").await;
        assert!(answer.status.is_client_error(), "{path}: {} {}", answer.status, answer.body);
    }
    let text = log.text();
    let refused: Vec<_> = text.lines().filter(|line| line.contains("request refused")).collect();
    assert_eq!(refused.len(), count, "{refused:#?}");
    assert!(refused.iter().all(|line| line.contains(" INFO ")), "{refused:#?}");
    assert!(!text.contains(" WARN "), "{text}");
}

#[tokio::test]
async fn a_head_request_gets_the_status_and_headers_of_a_get_on_every_path_of_the_layer() {
    let app = with_all_paths().start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    for path in [
        "/auth/login",
        "/auth/login?return_to=/other",
        "/auth/callback",
        "/auth/callback?state=x&code=y",
        "/auth/logout",
        "/auth/signed-out",
        "/auth/user",
        "/auth/form",
    ] {
        for cookies in ["", session.as_str()] {
            for headers in [NAVIGATION, &[("accept", "application/json")], &[]] {
                let get = raw.send(Method::GET, path, cookies, headers, "").await;
                let head = raw.send(Method::HEAD, path, cookies, headers, "").await;
                assert_eq!(head.status, get.status, "{path} {headers:?}");
                for name in ["content-type", "cache-control", "www-authenticate"] {
                    assert_eq!(head.header(name), get.header(name), "{name} of {path}");
                }
                let place = |location: &str| location.split('?').next().unwrap().to_owned();
                assert_eq!(place(head.header("location")), place(get.header("location")));
                assert_eq!(head.body, "", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_form_that_is_longer_than_its_limit_is_too_large_and_not_malformed() {
    let app = with_all_paths().start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let own = [NAVIGATION, &[FORM, ("origin", app.url.as_str())]].concat();
    let long = format!("state={}", "x".repeat(3_000_000));
    for (path, cookies) in [("/auth/callback", ""), ("/auth/form", session.as_str())] {
        let answer = raw.send(Method::POST, path, cookies, &own, &long).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {}", answer.body);
        assert!(answer.body.contains("request_too_large"), "{path}: {}", answer.body);
    }
    let json = [NAVIGATION, &[("content-type", "application/json")]].concat();
    let answer = raw.send(Method::POST, "/auth/callback", "", &json, "{}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
}

/// RFC 9112 section 3.2: the absolute, authority and asterisk forms. The path decides, whatever
/// host is named; a target without a path is protected.
#[tokio::test]
async fn a_request_target_of_another_form_is_protected_as_its_path_is() {
    let app = App::start().await;
    let address = app.url.strip_prefix("http://").unwrap();
    for (line, status, begins) in [
        ("GET http://evil.example/me", 303, true),
        ("GET http://evil.example//me", 303, true),
        ("GET //evil.example/public/page", 303, true),
        ("GET *", 303, true),
        ("OPTIONS *", 401, false),
        ("CONNECT evil.example:80", 401, false),
        ("TRACE /me", 401, false),
        ("get /me", 401, false),
        ("POST http://evil.example/auth/callback", 400, false),
        ("GET http://evil.example", 200, false),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: evil.example\r\naccept: text/html\r\n\
             connection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        let location = format!("location: {}", app.provider.issuer());
        assert_eq!(answer.contains(&location), begins, "{line}: {answer}");
        assert!(!answer.contains("evil.example"), "{line}: {answer}");
    }
}
