//! A handler returns the error of a token with `?`, and the layer turns it into the sign-in or the
//! response that the request needs (D8).

use std::time::Duration;

use axum::{
    Json, Router,
    extract::Request,
    http::{Method, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use tower_identity::{
    Challenge, Error, IdentityConfig, Prompt, SignInOptions, Tokens, User,
    dev::{
        Consent, DevClient, DevProviderBuilder, DevTenant, Endpoint, Failure, Quirk, RefreshTokens,
        SpoilCallback,
    },
};

use crate::{app::App, browser::html::Form, captured_log::Log, entra_app, raw::Raw};

async fn mail(tokens: Tokens) -> Result<Json<Value>, Error> {
    let token = tokens.for_user(["mail.read"]).await?;
    Ok(Json(json!({ "token": token.expose(), "scopes": token.scopes().collect::<Vec<_>>() })))
}

/// The same handler on a public path, without the extractor.
async fn calendar(user: Option<User>) -> Result<String, Error> {
    let Some(user) = user else { return Ok("nobody".into()) };
    let token = user.tokens().for_user(["calendar.read"]).await?;
    Ok(token.scopes().collect::<Vec<_>>().join(" "))
}

async fn app() -> App {
    app_with(|provider| provider).await
}

async fn app_with(provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder) -> App {
    let routes = |router: Router| {
        router.route("/mail", get(mail).post(mail)).route("/public/calendar", get(calendar))
    };
    App::builder().provider(provider).router(routes).start().await
}

#[tokio::test]
async fn a_person_agrees_to_more_and_comes_back_to_the_page() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/mail?folder=1")).await;
    assert_eq!(
        (page.status, page.url.path(), page.url.query()),
        (StatusCode::OK, "/mail", Some("folder=1")),
        "{}",
        page.body
    );
    assert!(
        page.json()["scopes"].as_array().unwrap().contains(&json!("mail.read")),
        "{}",
        page.body
    );
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert!(asked.parameter("scope").unwrap().contains("mail.read"));
    // Earlier consents are still valid after the next one.
    let page = tab.open(app.at("/public/calendar")).await;
    assert!(
        page.body.contains("calendar.read") && page.body.contains("mail.read"),
        "{}",
        page.body
    );
    let before = app.provider.requests(Endpoint::Authorization);
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), before);
}

#[tokio::test]
async fn a_script_gets_the_missing_scopes_and_the_url_to_request_them() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    let answer = tab.fetch(Method::GET, "/mail").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(
        (&problem["kind"], &problem["scopes"]),
        (&json!("interaction_required"), &json!(["mail.read"])),
        "{problem}"
    );
    // The page follows the address, and comes back to where it was.
    let page = tab.follow(problem["sign_in"].as_str().unwrap()).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/me"), "{}", page.body);
    assert_eq!(tab.fetch(Method::GET, "/mail").await.status, StatusCode::OK);
}

/// A POST is not repeated after the sign-in: the response is a page with a link.
#[tokio::test]
async fn a_submitted_form_gets_a_page_with_a_link() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    let form = Form::post("/mail");
    let page = tab.submit(form).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let page = tab.click("Sign in").await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/me"), "{}", page.body);
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
}

/// D8: the person declines.
#[tokio::test]
async fn a_user_who_declines_sees_a_page_and_stays_signed_in() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    app.provider.spoil_next_callback(SpoilCallback::AccessDenied);
    let page = tab.open(app.at("/mail")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("access_denied"), "{}", page.body);
    tab.click("Home page").await;
    assert_eq!(tab.page().url.path(), "/", "there is a way back without the consent");
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}

/// D8: one sign-in per cause.
#[tokio::test]
async fn a_provider_that_wants_the_person_again_at_once_ends_in_a_page() {
    let app = app_with(|provider| provider.with_access_token_life(Duration::from_secs(400))).await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
    let before = app.provider.requests(Endpoint::Authorization);
    app.turn(200);
    for dest in ["document", "empty"] {
        app.provider.fail_next(
            Endpoint::Token,
            1,
            Failure::OAuthError("interaction_required".into()),
        );
        let page = match dest {
            "document" => tab.open(app.at("/mail")).await.clone(),
            _ => tab.fetch(Method::GET, "/mail").await,
        };
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
        if dest == "document" {
            let cause = "error=&quot;interaction_required&quot;";
            assert!(page.body.contains(cause), "the page names the cause: {}", page.body);
        }
        app.turn(61);
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), before);
}

/// The grant record is lost and the session continues, as with a store that evicts rows.
#[tokio::test]
async fn tokens_that_are_gone_come_back_without_a_page() {
    let app = app().await;
    let client = DevClient::confidential(app.provider.client_id(), app.provider.client_secret());
    app.provider.add_client(
        client
            .with_any_loopback_redirect()
            .with_consent(Consent::Given)
            .with_refresh_tokens(RefreshTokens::Never),
    );
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
    app.turn(3500);
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(
        (asked.parameter("prompt"), asked.parameter("login_hint")),
        (Some("none"), Some("ada@example.com"))
    );
}

/// Security rules 2 and 4: a step-up link of one session has no effect in another.
#[tokio::test]
async fn the_link_of_another_user_starts_nothing() {
    let app = app().await;
    let mut tab = app.signed_in().await;
    let problem = tab.fetch(Method::GET, "/mail").await.json();
    let link = problem["sign_in"].as_str().unwrap().to_owned();
    app.provider.sign_in_as("alan").unwrap();
    let mut other = app.browser().tab();
    for _ in 0..2 {
        other.open(app.at(&link)).await;
        let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
        assert!(!asked.parameter("scope").unwrap().contains("mail.read"));
    }
    app.turn(601);
    tab.open(app.at(&link)).await;
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert!(
        !asked.parameter("scope").unwrap().contains("mail.read"),
        "ten minutes later it is a link to sign in"
    );
    assert_eq!(Raw::of(&app).open(&link, "").await.status, StatusCode::SEE_OTHER);
}

// MSAL-101: MsalUiRequired (user_null or invalid_grant); page handler raises it, also nested in
//   inner exceptions
#[tokio::test]
async fn at_entra_the_account_is_not_asked_for_again() {
    let tasks = async |tokens: Tokens| -> Result<String, Error> {
        Ok(tokens
            .for_user(["api://tasks/Tasks.Read"])
            .await?
            .scopes()
            .collect::<Vec<_>>()
            .join(" "))
    };
    for (tenant, person, hint, home) in [
        (DevTenant::CONTOSO.id(), "ada", "ada@contoso.onmicrosoft.com", "organizations"),
        ("common", "mary", "mary@outlook.example", "consumers"),
    ] {
        let settings = |config: IdentityConfig| {
            if tenant == "common" { config.with_any_tenant() } else { config }
        };
        let app = entra_app::builder(tenant)
            .config(settings)
            .router(|router| router.route("/tasks", get(tasks)))
            .start()
            .await;
        app.provider.sign_in_as(person).unwrap();
        let mut tab = app.browser().tab();
        tab.open(app.at("/me")).await;
        let page = tab.open(app.at("/tasks?list=1")).await;
        assert_eq!(
            (page.status, page.url.query()),
            (StatusCode::OK, Some("list=1")),
            "{}",
            page.body
        );
        assert!(page.body.contains("Tasks.Read"), "{}", page.body);
        let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
        let scopes: Vec<_> = asked.parameter("scope").unwrap().split(' ').collect();
        for scope in ["openid", "profile", "offline_access", "api://tasks/Tasks.Read"] {
            assert!(scopes.contains(&scope), "{scopes:?}");
        }
        assert_eq!(
            (asked.parameter("login_hint"), asked.parameter("domain_hint")),
            (Some(hint), Some(home))
        );
    }
}

/// D11: an error of a token is answered after the handler, when the user may have signed out.
#[tokio::test]
async fn a_sign_out_while_the_handler_runs_leaves_no_link_to_a_step_up_of_its_session() {
    use std::sync::Arc;
    use tokio::sync::Notify;

    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, released) = (Arc::clone(&arrived), Arc::clone(&go_on));
    let slow_mail = move |tokens: Tokens| async move {
        let error = tokens.for_user(["mail.read"]).await.err();
        here.notify_one();
        released.notified().await;
        error.map_or(Ok(()), Err::<(), Error>)
    };
    let routes = move |router: Router| router.route("/mail", get(slow_mail));
    let app = App::builder().router(routes).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let answering = raw.open("/mail", &session);
    tokio::pin!(answering);
    tokio::select! {
        answer = &mut answering => panic!("answered already: {}", answer.status),
        () = arrived.notified() => {}
    }
    let same_origin = [("sec-fetch-site", "same-origin"), ("origin", app.url.as_str())];
    raw.send(Method::POST, "/auth/logout", &session, &same_origin, "").await;
    assert_eq!(raw.who(&session).await, "nobody");
    go_on.notify_one();
    let location = answering.await.location().to_owned();
    assert!(location.contains("/auth/login?") && !location.contains("step_up"), "{location}");
}

async fn email(tokens: Tokens) -> Result<String, Error> {
    tokens.for_user(["email"]).await.map(|_| "a token".to_owned())
}

/// An application with a page that needs a refresh token, at a provider with this quirk.
async fn app_that_refreshes(quirk: Quirk) -> App {
    App::builder()
        .provider(|provider| provider.with_quirks([quirk]))
        .router(|router: Router| router.route("/email", get(email)))
        .start()
        .await
}

/// OpenID Connect Core section 11: without `prompt=consent` a provider may ignore `offline_access`.
#[tokio::test]
async fn a_refresh_token_that_did_not_come_is_asked_for_with_consent() {
    let app = app_that_refreshes(Quirk::OfflineAccessByConsent).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/email")).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "a token"));
    let last = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(last.parameter("prompt"), Some("consent"));
    let before = app.provider.requests(Endpoint::Authorization);
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/email")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), before, "it renews by refresh");
}

/// OpenID Connect Core section 11 has a provider ignore `offline_access` without `prompt=consent`;
/// some refuse it.
#[tokio::test]
async fn a_sign_in_that_is_refused_without_consent_asks_for_it_and_keeps_its_scopes() {
    let silent = SignInOptions::new().with_prompt(Prompt::None);
    let chosen = SignInOptions::new().with_prompt(Prompt::SelectAccount);
    for (options, prompt) in
        [(SignInOptions::new(), "consent"), (silent, "consent"), (chosen, "select_account consent")]
    {
        let (log, _listening) = Log::listen();
        let app = App::builder()
            .provider(|provider| provider.with_quirks([Quirk::OfflineAccessNeedsConsent]))
            .config(|config| config.with_sign_in(options))
            .start()
            .await;
        app.provider.sign_in_as("ada").unwrap();
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/me")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
        let last = app.provider.last_request(Endpoint::Authorization).unwrap();
        assert_eq!(last.parameter("prompt"), Some(prompt));
        assert_eq!(last.parameter("scope"), Some("openid profile email offline_access"));
        let text = log.text();
        assert!(text.contains("IDENTITY_PROMPT=consent"), "{text}");
        assert!(text.contains("IDENTITY_OPENID_SCOPES"), "{text}");
    }
    // Where the consent does not help, the scopes are left out.
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for _ in 0..2 {
        app.provider.refuse_next_sign_in("invalid_scope", "offline_access: no consent in prompt");
    }
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 3);
    // A page that asked for it itself is not sent there for it again.
    let asks = |request: Request| async move {
        Challenge::sign_in(&request).with_options(SignInOptions::new().with_prompt(Prompt::Consent))
    };
    let app = App::builder().router(|router| router.route("/public/asks", get(asks))).start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in("invalid_scope", "offline_access: no consent in prompt");
    let first = raw.begin("/public/asks", "").await;
    let callback = raw.answer(&first).await;
    let second = raw.open(&callback, &first.attempt).await;
    assert!(second.location().contains("prompt=consent"), "{}", second.location());
    assert!(!second.location().contains("profile"), "{}", second.location());
    // A setting that asks for it saves the second request; one that is refused all the same is
    // told.
    let app = App::builder()
        .config(|config| config.with_sign_in(SignInOptions::new().with_prompt(Prompt::Consent)))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in("invalid_request", "consent in prompt");
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

#[tokio::test]
async fn the_error_of_a_missing_refresh_token_after_consent_names_the_setting() {
    let (log, _listening) = Log::listen();
    let app = app_that_refreshes(Quirk::NoRefreshTokens).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/email")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    let requests = app.provider.requests(Endpoint::Authorization);
    assert_eq!(requests, 3, "the sign-in, once without a page, once with consent");
    let text = log.text();
    assert!(text.contains("the sign-in asked for `offline_access`"), "{text}");
    assert!(text.contains("IDENTITY_PROMPT=consent"), "{text}");
    assert!(!text.contains("grant the user the role"), "{text}");
    assert_eq!(tab.open(app.at("/email")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.provider.requests(Endpoint::Authorization), requests, "and not again");
}
