//! Handlers with an error type of their own: a token error that a sign-in remedies starts one, and
//! is no silent 500.

use std::error::Error as StdError;

use axum::{
    Router,
    extract::{FromRequestParts, Request},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_identity::{Challenge, Error, SignInOptions, Tokens, User};

use crate::{
    app::App,
    captured_log::Log,
    raw::{NAVIGATION, Raw},
};

type Boxed = Box<dyn StdError + Send + Sync>;

/// As with `anyhow`: everything converts into it, and everything is a 500.
struct Losing(Boxed);

/// The same, handing our errors on.
struct HandingOn(Boxed);

impl<E: Into<Boxed>> From<E> for Losing {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<E: Into<Boxed>> From<E> for HandingOn {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Losing {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

impl IntoResponse for HandingOn {
    fn into_response(self) -> Response {
        if let Some(error) = Error::find_in(&*self.0) {
            return error.clone().into_response();
        }
        Losing(self.0).into_response()
    }
}

/// As with `thiserror`.
#[derive(Debug)]
enum AppError {
    Mail(Error),
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no mail")
    }
}

impl StdError for AppError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Mail(error) => Some(error),
        }
    }
}

async fn lost(tokens: Tokens) -> Result<String, Losing> {
    tokens.for_user(["mail.read"]).await?;
    Ok("mail".into())
}

async fn handed_on(tokens: Tokens) -> Result<String, HandingOn> {
    tokens.for_user(["mail.read"]).await.map_err(AppError::Mail)?;
    Ok("mail".into())
}

async fn lost_in_public(user: Option<User>) -> Result<String, Losing> {
    let Some(user) = user else { return Ok("nobody".into()) };
    lost(user.tokens()).await
}

async fn broken(_: User) -> Result<String, Losing> {
    Err("the disk is full".into())
}

async fn app() -> App {
    let router = |router: Router| {
        router
            .route("/lost", get(lost))
            .route("/public/lost", get(lost_in_public))
            .route("/handed-on", get(handed_on))
            .route("/broken", get(broken))
    };
    App::builder().router(router).start().await
}

/// How often a lost error was warned of.
fn warnings(log: &Log) -> usize {
    log.text().matches("a handler answered 500 after a token could not be had").count()
}

#[tokio::test]
async fn an_error_that_is_found_in_the_application_s_own_leads_to_consent_and_back() {
    let (log, _listening) = Log::listen();
    let app = app().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/handed-on")).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "mail"));
    assert_eq!(warnings(&log), 0, "{}", log.text());
}

#[tokio::test]
async fn an_error_that_a_handler_turned_into_a_500_is_warned_of_with_reason_and_remedy() {
    let (log, _listening) = Log::listen();
    let app = app().await;
    let mut tab = app.signed_in().await;
    for (number, path) in ["/lost", "/public/lost"].into_iter().enumerate() {
        let page = tab.open(app.at(path)).await;
        assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", page.body);
        assert_eq!(warnings(&log), number + 1, "{}", log.text());
    }
    let text = log.text();
    let line = text.lines().find(|line| line.contains("answered 500 after a token")).unwrap();
    assert!(line.contains("WARN") && line.contains("reason=\"interaction_required\""), "{line}");
    assert!(line.contains("Error::find_in"), "{line}");
}

/// A 500 with another cause is not blamed on a token: neither where no token failed, nor where one
/// failed and was handed on, nor where that was a while ago.
#[tokio::test]
async fn a_500_with_another_cause_is_not_warned_of() {
    let (log, _listening) = Log::listen();
    let app = app().await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/broken")).await;
    let script = tab.fetch(axum::http::Method::GET, "/handed-on").await;
    assert_eq!(script.status, StatusCode::UNAUTHORIZED, "{}", script.body);
    tab.open(app.at("/broken")).await;
    // A handler that asks for less instead.
    let page = tab.fetch(axum::http::Method::GET, "/token?scope=mail.read").await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
    app.turn(11);
    let page = tab.open(app.at("/broken")).await;
    assert_eq!(page.body, "the disk is full");
    assert_eq!(warnings(&log), 0, "{}", log.text());
}

/// Security rule 19: an error type of the application is logged with `{:?}`, and the session cookie
/// opens the session.
#[tokio::test]
async fn what_a_handler_gets_to_answer_with_never_prints_the_cookies_of_its_request() {
    async fn rejected(request: Request) -> String {
        let (mut parts, _) = request.into_parts();
        let rejection = User::from_request_parts(&mut parts, &()).await.unwrap_err();
        let request = Request::from_parts(parts, axum::body::Body::empty());
        let options = SignInOptions::new().with_login_hint("ada@example.com");
        let challenge = Challenge::sign_in(&request).with_options(options);
        format!("{rejection:?}\n{challenge:?}")
    }
    let app = App::builder()
        .router(|router: Router| router.route("/public/rejected", get(rejected)))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/me", "").await;
    let session = raw.sign_in().await;
    raw.send(Method::POST, "/auth/logout", &session, &[("origin", &app.url)], "").await;
    let cookies = format!("{session}; {}", begun.attempt);
    let headers = [NAVIGATION, &[("referer", "https://other.example/?token=hush")]].concat();
    let path = "/public/rejected?token=hush";
    let answer = raw.send(Method::GET, path, &cookies, &headers, "").await;
    for cookie in [&session, &begun.attempt] {
        let value = cookie.split_once('=').unwrap().1;
        assert!(!answer.body.contains(value), "{}", answer.body);
    }
    assert!(!answer.body.contains("hush") && !answer.body.contains("ada@"), "{}", answer.body);
    assert_eq!(answer.body.matches("/public/rejected").count(), 2, "{}", answer.body);
}
