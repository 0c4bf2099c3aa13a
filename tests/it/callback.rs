//! Authorization responses: silent, repeated, from another tab, or forged.

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tower_identity::{Challenge, Prompt, SignInOptions, User, dev::Endpoint};

use crate::{app::App, browser::Tab};

fn silently_stronger(request: &Request) -> Response {
    let options = SignInOptions::new().with_prompt(Prompt::None).with_acr_values(["strong"]);
    Challenge::sign_in(request).with_options(options).into_response()
}

/// D8: if a silent request fails, the same request is repeated once with a page.
#[tokio::test]
async fn a_silent_step_up_that_the_provider_declines_is_done_interactively() {
    async fn strong(user: User, request: Request) -> Response {
        let strong = user.claim("acr").and_then(|acr| acr.as_str()) == Some("strong");
        if strong { "strong enough".into_response() } else { silently_stronger(&request) }
    }
    let app = App::builder().router(|router| router.route("/strong", get(strong))).start().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/strong")).await;
    assert_eq!(
        (page.status, page.body.as_str(), page.url.path()),
        (StatusCode::OK, "strong enough", "/strong")
    );
    assert_eq!(app.provider.requests(Endpoint::Authorization), 3);
}

// C-428: returned ID token still has a weaker acr or old auth_time
/// Decision D8.
#[tokio::test]
async fn a_page_that_a_silent_step_up_never_satisfies_ends_in_403() {
    async fn never(request: Request) -> Response {
        silently_stronger(&request)
    }
    let app = App::builder().router(|router| router.route("/never", get(never))).start().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/never")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::FORBIDDEN, "/never"));
}

/// Clicks through the provider's pages.
async fn choose_ada(tab: &mut Tab) {
    for button in ["ada", "Allow"] {
        if tab.page().body.contains("<form") {
            let form = tab.page().form().press(button);
            tab.submit(form).await;
        }
    }
    assert_eq!(
        (tab.page().status, tab.page().url.path()),
        (StatusCode::OK, "/me"),
        "{}",
        tab.page().body
    );
}

/// Security rule 2
#[tokio::test]
async fn a_sign_in_ends_the_session_that_another_tab_began_meanwhile() {
    let app = App::start().await;
    let browser = app.browser();
    let (mut first, mut second) = (browser.tab(), browser.tab());
    for tab in [&mut first, &mut second] {
        let page = tab.open(app.at("/me")).await;
        assert_eq!(page.url.host_str(), Some("127.0.0.1"), "{}", page.body);
    }
    choose_ada(&mut first).await;
    let replaced = browser.cookies("localhost");
    choose_ada(&mut second).await;
    assert!(second.open(app.at("/")).await.body.starts_with("hello"));

    let thief = app.browser();
    thief.jar().cookies.extend(replaced);
    assert_eq!(thief.tab().open(app.at("/")).await.body, "nobody");
}
