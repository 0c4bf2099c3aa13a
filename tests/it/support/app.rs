//! [`App`]: an axum application with the layer, and a development provider, both with one manual
//! clock.

use std::{net::SocketAddr, time::Duration};

use axum::{Json, Router, extract::Query, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::Layer as _;
use tower_identity::{
    Clock, IdentityConfig, IdentityLayer, IdentityService, ManualClock, Tokens, User,
    dev::{DevProvider, DevProviderBuilder, Endpoint, Failure},
    require_sign_in,
};

use crate::browser::{Browser, Page, Tab};

/// The application, its provider and their clock.
pub struct App {
    pub url: String,
    pub provider: DevProvider,
    pub clock: ManualClock,
    server: JoinHandle<()>,
}

/// A change of one part of an [`App`].
type Change<'a, T> = Box<dyn FnOnce(T) -> T + 'a>;
/// The settings to start from, by provider and base URL.
type FirstConfig<'a> = Box<dyn FnOnce(&DevProvider, &str) -> IdentityConfig + 'a>;
/// The position of the layer.
type Arrange<'a> = Box<dyn FnOnce(Router, IdentityLayer) -> Router + 'a>;

/// A builder of an [`App`]. Parts that are not set are those of [`App::start`]. Several changes of
/// one part apply in the order of the calls.
pub struct AppBuilder<'a> {
    authority: FirstConfig<'a>,
    provider: Change<'a, DevProviderBuilder>,
    config: Change<'a, IdentityConfig>,
    layer: Change<'a, IdentityLayer>,
    router: Change<'a, Router>,
    arrange: Arrange<'a>,
}

impl<'a> AppBuilder<'a> {
    /// The settings to start from, given the provider and the application's base URL, instead of
    /// [`App::settings`].
    pub fn authority(
        self,
        authority: impl FnOnce(&DevProvider, &str) -> IdentityConfig + 'a,
    ) -> Self {
        Self { authority: Box::new(authority), ..self }
    }

    /// Changes the provider.
    pub fn provider(
        self,
        change: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder + 'a,
    ) -> Self {
        let before = self.provider;
        Self { provider: Box::new(|provider| change(before(provider))), ..self }
    }

    /// Changes the settings.
    pub fn config(self, change: impl FnOnce(IdentityConfig) -> IdentityConfig + 'a) -> Self {
        let before = self.config;
        Self { config: Box::new(|config| change(before(config))), ..self }
    }

    /// Changes the layer: its store, its clock, its pages.
    pub fn layer(self, change: impl FnOnce(IdentityLayer) -> IdentityLayer + 'a) -> Self {
        let before = self.layer;
        Self { layer: Box::new(|layer| change(before(layer))), ..self }
    }

    /// Changes the routes inside the layer.
    pub fn router(self, change: impl FnOnce(Router) -> Router + 'a) -> Self {
        let before = self.router;
        Self { router: Box::new(|router| change(before(router))), ..self }
    }

    /// Applies the layer in another way than around all routes.
    pub fn arrange(self, arrange: impl FnOnce(Router, IdentityLayer) -> Router + 'a) -> Self {
        Self { arrange: Box::new(arrange), ..self }
    }

    /// Starts the provider and the application.
    pub async fn start(self) -> App {
        let clock = ManualClock::at_system_time();
        let provider = (self.provider)(DevProvider::builder().with_clock(clock.clone()));
        let provider = provider.start().await.unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let config = (self.config)((self.authority)(&provider, &url)).build().unwrap();
        let layer = (self.layer)(IdentityLayer::new(config).with_clock(clock.clone()));
        let router = (self.arrange)((self.router)(routes()), layer);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        App { url, provider, clock, server }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Runs the other tasks until the condition holds.
pub async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never is");
}

/// Moves the time of timers on, in which nothing else happens.
pub async fn time_passes(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// An application at whose provider a user is signed in, and its layer around the same routes
/// without a server.
pub async fn with_service(
    change: impl FnOnce(IdentityLayer) -> IdentityLayer,
) -> (App, IdentityService<Router>) {
    let mut made = None;
    let app = App::builder()
        .layer(|layer| {
            let layer = change(layer);
            made = Some(layer.clone());
            layer
        })
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    (app, made.unwrap().layer(routes()))
}

impl App {
    /// The application with the defaults of all its parts.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A builder, each method of which changes one part of the application.
    pub fn builder<'a>() -> AppBuilder<'a> {
        AppBuilder {
            authority: Box::new(Self::settings),
            provider: Box::new(|provider| provider),
            config: Box::new(|config| config),
            layer: Box::new(|layer| layer),
            router: Box::new(|router| router),
            arrange: Box::new(|router, layer| router.layer(layer)),
        }
    }

    /// The settings with which every application of these tests starts.
    pub fn settings(provider: &DevProvider, url: &str) -> IdentityConfig {
        Self::common_settings(provider.config(url).unwrap())
    }

    /// The settings that are the same for all authorities.
    pub fn common_settings(config: IdentityConfig) -> IdentityConfig {
        config.add_public_path("/").add_public_prefix("/public/").with_scopes(["offline_access"])
    }

    /// The URL of a path of the application.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A browser on the application's clock.
    pub fn browser(&self) -> Browser {
        Browser::with_clock(self.clock.clone())
    }

    /// A tab in which Ada is signed in and `/me` is open.
    pub async fn signed_in(&self) -> Tab {
        self.provider.sign_in_as("ada").unwrap();
        let mut tab = self.browser().tab();
        let page = tab.open(self.at("/me")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        tab
    }

    /// The outcome of a sign-in.
    pub async fn sign_in(&self) -> Page {
        self.provider.sign_in_as("ada").unwrap();
        let mut tab = self.browser().tab();
        tab.open(self.at("/me")).await.clone()
    }

    pub fn turn(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn turn_back(&self, seconds: u64) {
        self.clock.set(self.clock.now() - Duration::from_secs(seconds));
    }
}

/// Lets the next fetch of a document fail. A GET request that was cut off is sent once more.
pub fn fail_document(provider: &DevProvider, endpoint: Endpoint, failure: &Failure) {
    let times = if matches!(failure, Failure::Disconnect) { 2 } else { 1 };
    provider.fail_next(endpoint, times, failure.clone());
}

/// The routes of the application, without the layer.
pub fn routes() -> Router {
    let admin = Router::new()
        .route("/admin", get(|| async { "for administrators" }))
        .route_layer(require_sign_in().with_roles(["Admin"]));
    Router::new()
        .route("/", get(home))
        .route("/me", get(me).post(me))
        .route("/other", get(me))
        .route("/token", get(token))
        .route("/public/page", get(home))
        .merge(admin)
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page") })
}

async fn home(user: Option<User>) -> String {
    user.map_or_else(|| "nobody".into(), |user| format!("hello {}", user.display_name()))
}

async fn me(user: User) -> Json<Value> {
    Json(json!({
        "sub": user.subject(), "iss": user.issuer(), "name": user.name(),
        "claims": user.all_claims(),
    }))
}

#[derive(serde::Deserialize)]
struct TokenQuery {
    scope: Option<String>,
}

async fn token(
    tokens: Tokens,
    Query(wanted): Query<TokenQuery>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let scope = wanted.scope.unwrap_or_default();
    match tokens.for_user(scope.split_whitespace()).await {
        Ok(token) => Ok(Json(json!({
            "token": token.expose(), "scopes": token.scopes().collect::<Vec<_>>(),
            "source": token.source().as_str(),
        }))),
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.reason())),
    }
}
