//! A page of the application before the sign-in.

use axum::{
    Router,
    extract::RawQuery,
    http::{Method, StatusCode},
    response::Html,
    routing::get,
};
use tower_identity::{Error, IdentityConfig, Tokens, config::SignInMethod, require_sign_in};

use crate::{
    app::App,
    browser::html::Form,
    deployments::{self, Deployment, kept, stripped},
    raw::Raw,
    stores::Watched,
};

/// As the guide shows it.
async fn welcome(RawQuery(query): RawQuery) -> Html<String> {
    let query = query.unwrap_or_default().replace('&', "&amp;").replace('"', "%22");
    Html(format!(
        "<h1>Notes</h1><a href=\"/auth/login?{query}\">Sign in</a> \
         <a href=\"/auth/login?{query}&amp;account=other\">With another account</a>"
    ))
}

async fn app() -> App {
    App::builder()
        .config(|config| config.with_sign_in_page("/welcome"))
        .router(|router| router.route("/welcome", get(welcome)))
        .start()
        .await
}

#[tokio::test]
async fn people_come_to_the_page_first_and_from_there_back_to_what_they_opened() {
    let app = app().await;
    app.provider.sign_in_as("ada").unwrap();
    for link in ["Sign in", "With another account"] {
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/other?page=2&x=a%26b")).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/welcome"));
        let page = tab.click(link).await;
        assert_eq!(page.url.as_str(), app.at("/other?page=2&x=a%26b"));
        // A signed-in user does not see it.
        assert_eq!(tab.open(app.at("/me")).await.url.path(), "/me");
    }
    let mut tab = app.browser().tab();
    tab.open(app.at("/welcome")).await;
    assert_eq!(tab.click("Sign in").await.url.path(), "/", "without a page it is home");
}

#[tokio::test]
async fn scripts_get_the_sign_in_page_and_the_page_after_sign_out_links_to_it() {
    let app = app().await;
    let answer = Raw::of(&app).send(Method::GET, "/me", "", &[], "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["sign_in"], "/welcome?return_to=%2F", "{document}");
    let signed_out = Raw::of(&app).open("/auth/signed-out", "").await;
    assert!(signed_out.body.contains("href=\"/welcome?return_to=%2F\""), "{}", signed_out.body);
}

#[tokio::test]
async fn a_return_path_of_another_site_leads_home() {
    let app = app().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    tab.open(app.at("/welcome?return_to=https://evil.example/")).await;
    assert_eq!(tab.click("Sign in").await.url.as_str(), app.at("/"));
}

/// The page is public by the setting; a guard of the application's own on it leads to the provider.
#[tokio::test]
async fn a_guard_on_the_page_itself_is_no_loop() {
    let app = App::builder()
        .config(|config| config.with_sign_in_page("/welcome"))
        .router(|router| {
            let guarded = Router::new().route("/welcome", get(|| async { "welcome" }));
            router.merge(guarded.route_layer(require_sign_in()))
        })
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "welcome"));
}

/// On a public path a guard is what asks.
#[tokio::test]
async fn a_guard_on_a_public_path_leads_to_the_page_too() {
    let app = App::builder()
        .config(|config| config.with_sign_in_page("/welcome"))
        .router(|router| {
            let guarded = Router::new().route("/public/guarded", get(|| async { "in" }));
            let guarded = guarded.route_layer(require_sign_in());
            router.merge(guarded).route("/welcome", get(welcome))
        })
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    assert_eq!(tab.open(app.at("/public/guarded?a=b")).await.url.path(), "/welcome");
    let page = tab.click("Sign in").await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (&*app.at("/public/guarded?a=b"), "in"));
}

#[tokio::test]
async fn the_page_comes_before_a_device_code() {
    let app = App::builder()
        .config(|config| {
            config.with_sign_in_page("/welcome").with_sign_in_method(SignInMethod::DeviceCode)
        })
        .router(|router| router.route("/welcome", get(welcome)))
        .start()
        .await;
    let mut tab = app.browser().tab();
    assert_eq!(tab.open(app.at("/me")).await.url.path(), "/welcome");
    assert_eq!(tab.click("Sign in").await.url.path(), "/auth/callback");
}

#[tokio::test]
async fn a_session_that_ended_leads_to_the_page_again() {
    let app = app().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    tab.open(app.at("/me")).await;
    tab.click("Sign in").await;
    tab.submit(Form::post("/auth/logout")).await;
    assert_eq!(tab.open(app.at("/me")).await.url.path(), "/welcome");
}

/// Under a prefix the page has it, too; where the prefix is set wrongly a page says so.
#[tokio::test]
async fn behind_a_proxy_the_page_is_found_or_the_mistake_is_logged() {
    let settings = |config: IdentityConfig| config.with_sign_in_page("/welcome");
    let router =
        |layer| deployments::ordinary().route("/welcome", get(|| async { "welcome" })).layer(layer);
    let right = Deployment::start("/app", settings, |layer| layer, router, stripped("/app")).await;
    let page = right.browser().tab().open(right.at("/app/me")).await.clone();
    assert_eq!((page.url.path(), page.body.as_str()), ("/app/welcome", "welcome"));
    let wrong = Deployment::start("/app", settings, |layer| layer, router, kept()).await;
    let page = wrong.browser().tab().open(wrong.at("/app/me")).await.clone();
    assert!(page.status.is_server_error(), "{} {}", page.status, page.url);
    assert!(page.body.contains("PathPrefix::Kept"), "{}", page.body);
}

/// The session has ended while its page was made: its user has to sign in, as everybody else.
#[tokio::test]
async fn a_page_whose_session_ends_meanwhile_leads_to_the_page_too() {
    let store = Watched::default();
    let (kept, wiped) = (store.clone(), store.clone());
    let mail = async move |tokens: Tokens| -> Result<String, Error> {
        wiped.wipe().await;
        tokens.for_user(["mail.read"]).await.map(|_| "mail".into())
    };
    let app = App::builder()
        .config(|config| config.with_sign_in_page("/welcome"))
        .layer(|layer| layer.with_store(kept).unwrap())
        .router(|router| router.route("/welcome", get(welcome)).route("/mail", get(mail)))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/auth/login", "").await;
    let callback = raw.answer(&begun).await;
    let session = raw.open(&callback, &begun.attempt).await.session().unwrap();
    let answer = raw.open("/mail?x=1", &session).await;
    assert_eq!(answer.location(), "/welcome?return_to=%2Fmail%3Fx%3D1");
}
