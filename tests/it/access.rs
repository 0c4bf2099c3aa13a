//! An application that is public by default: the layer around all of it, and single parts
//! protected.

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::get,
};
use tower_identity::{
    IdentityConfig, Tokens, User,
    config::{Access, PathPrefix},
    dev::DevProvider,
    require_sign_in,
};

use crate::{app::App, captured_log::Log};

async fn greeting(user: Option<User>) -> String {
    user.map_or_else(|| "hello".into(), |user| format!("hello {}", user.display_name()))
}

/// A shop, of which most pages are public.
fn shop(router: Router) -> Router {
    let orders = Router::new()
        .route("/", get(|| async { "orders" }))
        .route("/old", get(|| async { "old orders" }))
        .route_layer(require_sign_in());
    router
        .route("/products", get(greeting).post(greeting))
        .route("/account/address", get(|| async { "an address" }))
        .route("/account/help", get(greeting))
        .route("/checkout", get(|| async { "checkout" }).route_layer(require_sign_in()))
        .nest("/orders", orders)
        .fallback(greeting)
}

fn public(config: IdentityConfig) -> IdentityConfig {
    config
        .with_default_access(Access::Public)
        .add_protected_prefix("/account/")
        .add_public_path("/account/help")
}

#[tokio::test]
async fn with_public_access_the_user_is_known_on_every_page_and_asked_for_on_protected_ones() {
    let app = App::builder().config(public).router(|_| shop(Router::new())).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let open = ["/products", "/nowhere", "/account/help", "/"];
    for path in open {
        let mut tab = app.browser().tab();
        let page = tab.open(app.at(path)).await;
        assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "hello"), "{path}");
    }
    // By path, by the guard of one route and by that of a sub-router; each in a browser of its own.
    let protected = [
        ("/account/address", "an address"),
        ("/checkout", "checkout"),
        ("/orders", "orders"),
        ("/orders/old", "old orders"),
    ];
    for (path, body) in protected {
        let mut tab = app.browser().tab();
        tab.open(app.at("/products")).await;
        let refused = tab.fetch(Method::GET, &app.at(path)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        let page = tab.open(app.at(path)).await;
        assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, body), "{path}");
        for path in open {
            assert_eq!(tab.open(app.at(path)).await.body, "hello Ada Lovelace", "{path}");
        }
    }
}

#[tokio::test]
async fn with_public_access_sign_in_and_sign_out_lead_back_to_the_page() {
    let app = App::builder().config(public).router(|_| shop(Router::new())).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    tab.open(app.at("/auth/login?return_to=/products")).await;
    assert_eq!(tab.page().body, "hello Ada Lovelace");
    assert_eq!(tab.page().url.path(), "/products");
    tab.open(app.at("/auth/logout")).await;
    let form = tab.page().form();
    tab.submit(form).await;
    assert_eq!(tab.open(app.at("/products")).await.body, "hello");
}

#[tokio::test]
async fn a_handler_that_takes_the_user_signs_in_on_a_page_that_is_public_by_default() {
    let config = |config: IdentityConfig| config.with_default_access(Access::Public);
    let app = App::builder().config(config).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Ada Lovelace");
}

#[tokio::test]
async fn a_callback_at_another_path_is_named_in_the_log_where_everything_is_public() {
    let (log, _listening) = Log::listen();
    let settings = |provider: &DevProvider, url: &str| {
        App::settings(provider, &format!("{url}/app"))
            .with_path_prefix(PathPrefix::Stripped)
            .with_default_access(Access::Public)
    };
    let app = App::builder().authority(settings).start().await;
    let page = app.browser().tab().open(app.at("/app/auth/callback?code=c&state=s")).await.clone();
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let text = log.text();
    assert!(text.contains("IDENTITY_PATH_PREFIX=kept"), "{text}");
}

#[tokio::test]
async fn a_handler_outside_of_the_layer_that_asks_for_the_user_is_named_in_the_log_once() {
    let (log, _listening) = Log::listen();
    let outside = |tokens: Option<Tokens>| async move { tokens.is_none().to_string() };
    let arrange = |router: Router, layer| {
        router
            .layer(layer)
            .route("/outside/{of}/the-layer", get(greeting))
            .route("/outside/without-tokens", get(outside))
    };
    let app = App::builder().arrange(arrange).start().await;
    let mut tab = app.signed_in().await;
    for path in ["/outside/a/the-layer", "/outside/b/the-layer", "/outside/a/the-layer"] {
        assert_eq!(tab.open(app.at(path)).await.body, "hello");
    }
    tab.open(app.at("/outside/without-tokens")).await;
    let text = log.text();
    let named = |route: &str| text.matches(&format!("route=\"{route}\"")).count();
    assert_eq!(named("/outside/{of}/the-layer"), 1, "{text}");
    assert_eq!(named("/outside/without-tokens"), 1, "{text}");
    assert!(text.contains("IDENTITY_DEFAULT_ACCESS=public"), "{text}");
}
