//! The layer in usual deployments: below a path, behind a proxy that strips the path or not, inside
//! another router.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router, ServiceExt as _,
    extract::Request,
    http::{StatusCode, Uri},
    routing::get,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{Layer as _, util::MapRequest};
use tower_identity::{
    IdentityConfig, IdentityLayer, ManualClock, User,
    config::{PathPrefix, ResponseMode, SignInMethod},
    dev::DevProvider,
};

use crate::{
    browser::{Browser, Page, Tab},
    captured_log::Log,
};

/// The change that a proxy in front of the application makes to a path.
pub type Rewrite = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A deployed application, its provider and their clock.
pub struct Deployment {
    pub url: String,
    pub provider: DevProvider,
    pub clock: ManualClock,
    server: JoinHandle<()>,
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Deployment {
    /// An application behind a proxy. Its base URL has this path, and `router` applies the layer.
    pub async fn start(
        base_path: &str,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        layer: impl FnOnce(IdentityLayer) -> IdentityLayer,
        router: impl FnOnce(IdentityLayer) -> Router,
        rewrite: Rewrite,
    ) -> Self {
        let clock = ManualClock::at_system_time();
        let provider = DevProvider::builder().with_clock(clock.clone()).start().await.unwrap();
        provider.sign_in_as("ada").unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let config =
            settings(provider.config(&format!("{url}{base_path}")).unwrap()).build().unwrap();
        let layer = layer(IdentityLayer::new(config).with_clock(clock.clone()));
        let service = MapRequest::new(router(layer), move |mut request: Request| {
            let path = rewrite(request.uri().path());
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            *request.uri_mut() = format!("{path}{query}").parse::<Uri>().unwrap();
            request
        });
        let server = tokio::spawn(async move {
            axum::serve(listener, service.into_make_service()).await.unwrap()
        });
        Self { url, provider, clock, server }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn browser(&self) -> Browser {
        Browser::with_clock(self.clock.clone())
    }
}

/// No proxy changes the path.
pub fn kept() -> Rewrite {
    Arc::new(str::to_owned)
}

/// The proxy strips this prefix.
pub fn stripped(prefix: &'static str) -> Rewrite {
    Arc::new(move |path| match path.strip_prefix(prefix) {
        Some("") => "/".to_owned(),
        Some(rest) => rest.to_owned(),
        None => path.to_owned(),
    })
}

/// Ordinary routes and no fallback.
pub fn ordinary() -> Router {
    Router::new()
        .route(
            "/",
            get(|user: Option<User>| async move {
                user.map_or("nobody".into(), |user| user.display_name().to_owned())
            }),
        )
        .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
        .route("/app/me", get(|user: User| async move { user.display_name().to_owned() }))
}

fn around(layer: IdentityLayer) -> Router {
    ordinary().layer(layer)
}

/// Opens a protected page, and ends on a page that explains the mistake in the set-up.
async fn is_reported(deployment: &Deployment, path: &str, remedy: &str) -> Page {
    let (log, _listening) = Log::listen();
    let mut tab = deployment.browser().tab();
    let page = tab.open(deployment.at(path)).await.clone();
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{:#?}\n{}", tab.hops, page.body);
    assert!(
        page.body.contains("not_configured") && page.body.contains(remedy),
        "{remedy}: {}",
        page.body
    );
    assert!(tab.hops.len() <= 5, "{:#?}", tab.hops);
    let log = log.text();
    let error = log
        .lines()
        .find(|line| line.contains("ERROR"))
        .unwrap_or_else(|| panic!("no error in {log}"));
    assert!(error.contains(remedy), "{error}");
    page
}

#[tokio::test]
async fn a_path_of_the_base_url_that_no_proxy_strips_ends_on_a_page_that_names_the_setting() {
    for settings in [
        |config: IdentityConfig| config,
        |config: IdentityConfig| config.with_response_mode(ResponseMode::FormPost),
        |config: IdentityConfig| config.with_sign_in_method(SignInMethod::DeviceCode),
    ] {
        let form_post = format!(
            "{:?}",
            settings(IdentityConfig::new(tower_identity::Authority::entra("common").unwrap(), "x"))
        );
        let deployment = Deployment::start("/app", settings, |layer| layer, around, kept()).await;
        if form_post.contains("FormPost") {
            // The provider's page posts the response: there is no redirect, and no person waits for
            // a page.
            let page = deployment.browser().tab().open(deployment.at("/app/me")).await.clone();
            assert!(page.body.contains("PathPrefix::Kept"), "{}", page.body);
            continue;
        }
        let page = is_reported(&deployment, "/app/me", "PathPrefix::Kept").await;
        assert!(page.body.contains("IDENTITY_PATH_PREFIX=kept"), "{}", page.body);
        // The log says it once; the page every time.
        let page = deployment.browser().tab().open(deployment.at("/app/auth/login")).await.clone();
        assert!(page.body.contains("PathPrefix::Kept"), "{}", page.body);
    }
    let kept_prefix = |config: IdentityConfig| config.with_path_prefix(PathPrefix::Kept);
    let deployment = Deployment::start("/app", kept_prefix, |layer| layer, around, kept()).await;
    let page = deployment.browser().tab().open(deployment.at("/app/me")).await.clone();
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "Ada Lovelace"));
}

#[tokio::test]
async fn a_path_that_is_stripped_unexpectedly_ends_on_a_page_that_names_the_setting() {
    let kept_prefix = |config: IdentityConfig| config.with_path_prefix(PathPrefix::Kept);
    let deployment =
        Deployment::start("/app", kept_prefix, |layer| layer, around, stripped("/app")).await;
    let page = is_reported(&deployment, "/app/me", "PathPrefix::Stripped").await;
    assert!(page.body.contains("IDENTITY_PATH_PREFIX=stripped"), "{}", page.body);
    let deployment =
        Deployment::start("/app", |config| config, |layer| layer, around, stripped("/app")).await;
    let page = deployment.browser().tab().open(deployment.at("/app/me")).await.clone();
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "Ada Lovelace"));
}

/// A trailing slash, two slashes, another letter case, escapes, another prefix, one page for
/// everything.
#[tokio::test]
async fn a_callback_whose_path_is_changed_on_its_way_ends_on_a_page() {
    for (base_path, came) in [
        ("", "/auth/callback/"),
        ("", "//auth/callback"),
        ("", "/Auth/Callback"),
        ("", "/auth%2Fcallback"),
        ("", "/svc/auth/callback"),
        ("", "/index.html"),
        ("/a/b", "/b/auth/callback"),
        ("/a/b", "/a/b/a/b/auth/callback"),
        ("/A", "/a/auth/callback"),
    ] {
        let rewrite = move |path: &str| {
            if path.ends_with("/auth/callback") { came.to_owned() } else { path.to_owned() }
        };
        let deployment =
            Deployment::start(base_path, |config| config, |layer| layer, around, Arc::new(rewrite))
                .await;
        is_reported(&deployment, "/me", "IDENTITY_").await;
    }
}

#[tokio::test]
async fn a_page_of_the_application_that_ends_like_the_sign_in_path_is_protected_like_any_other() {
    let router = |layer| {
        ordinary()
            .route("/admin/auth/login", get(|_: User| async { "for administrators" }))
            .layer(layer)
    };
    let deployment = Deployment::start("", |config| config, |layer| layer, router, kept()).await;
    let mut tab = deployment.browser().tab();
    assert_eq!(
        tab.open(deployment.at("/admin/auth/login?state=open&code=1")).await.body,
        "for administrators"
    );
}

async fn signs_in(deployment: &Deployment, tab: &mut Tab) {
    let page = tab.open(deployment.at("/app/me")).await;
    assert_eq!(
        (page.status, page.url.path(), page.body.as_str()),
        (StatusCode::OK, "/app/me", "Ada Lovelace")
    );
}

#[tokio::test]
async fn ordinary_routes_under_nest_service_sign_in_and_out_and_the_log_has_nothing_to_say() {
    let (log, listening) = Log::listen();
    let router = |layer: IdentityLayer| Router::new().nest_service("/app", layer.layer(ordinary()));
    let public = |config: IdentityConfig| config.add_public_path("/");
    let deployment = Deployment::start("/app", public, |layer| layer, router, kept()).await;
    let mut tab = deployment.browser().tab();
    for home in ["/app", "/app/"] {
        assert_eq!(tab.open(deployment.at(home)).await.body, "nobody");
    }
    signs_in(&deployment, &mut tab).await;
    assert_eq!(tab.open(deployment.at("/app/")).await.body, "Ada Lovelace");
    let page = tab.submit(crate::browser::html::Form::post("/app/auth/logout")).await;
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::OK, "/app/auth/signed-out"),
        "{}",
        page.body
    );
    assert_eq!(tab.click("Home page").await.body, "nobody");
    drop(listening);
    assert!(!log.text().contains("nest"), "{}", log.text());
}

#[tokio::test]
async fn a_layer_around_the_outer_router_sees_what_is_nested_inside() {
    let router = |layer| Router::new().nest("/app", ordinary()).layer(layer);
    for (base_path, settings) in [("", None), ("/app", Some(PathPrefix::Kept))] {
        let settings = |config: IdentityConfig| {
            settings.map_or(config.clone(), |prefix| config.with_path_prefix(prefix))
        };
        let deployment =
            Deployment::start(base_path, settings, |layer| layer, router, kept()).await;
        signs_in(&deployment, &mut deployment.browser().tab()).await;
    }
}

/// The router calls the layer only for its own routes, and a layer cannot change that.
#[tokio::test]
async fn a_layer_on_the_routes_of_a_nested_router_says_in_the_log_that_the_callback_cannot_come() {
    let (log, listening) = Log::listen();
    let router = |layer| Router::new().nest("/app", ordinary().layer(layer));
    let deployment =
        Deployment::start("/app", |config| config, |layer| layer, router, kept()).await;
    let mut tab = deployment.browser().tab();
    let page = tab.open(deployment.at("/app/me")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::NOT_FOUND, "/app/auth/callback"));
    tab.open(deployment.at("/app/me")).await;
    drop(listening);
    let log = log.text();
    assert_eq!(log.matches("nest_service").count(), 1, "{log}");
    let line = log.lines().find(|line| line.contains("nest_service")).unwrap();
    assert!(line.contains("WARN") && line.contains("/app/auth/callback"), "{line}");
}

#[tokio::test]
async fn a_nest_that_the_base_url_does_not_name_is_an_error_in_the_log() {
    for (base_path, prefix, word) in [
        ("", PathPrefix::Stripped, "IDENTITY_BASE_URL"),
        ("/app", PathPrefix::Kept, "IDENTITY_PATH_PREFIX"),
    ] {
        let (log, listening) = Log::listen();
        let router =
            |layer: IdentityLayer| Router::new().nest_service("/app", layer.layer(ordinary()));
        let settings = |config: IdentityConfig| config.with_path_prefix(prefix);
        let deployment =
            Deployment::start(base_path, settings, |layer| layer, router, kept()).await;
        deployment.browser().tab().open(deployment.at("/app/me")).await;
        drop(listening);
        let log = log.text();
        assert!(
            log.lines().any(|line| line.contains("ERROR") && line.contains(word)),
            "{word}: {log}"
        );
    }
}
