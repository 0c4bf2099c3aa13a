//! An axum application under the layer, beside a development provider, both on one clock that
//! stands still.

use std::{net::SocketAddr, time::Duration};

use axum::{Json, Router, extract::Query, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower_identity::{
    Clock, IdentityConfig, IdentityLayer, ManualClock, Tokens, User,
    dev::{DevProvider, DevProviderBuilder},
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

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl App {
    /// With the defaults of both.
    pub async fn start() -> Self {
        Self::with(|config| config).await
    }

    /// With other settings.
    pub async fn with(settings: impl FnOnce(IdentityConfig) -> IdentityConfig) -> Self {
        Self::build(|provider| provider, settings, |layer| layer).await
    }

    /// With another provider, settings, collaborators.
    pub async fn build(
        provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        layer: impl FnOnce(IdentityLayer) -> IdentityLayer,
    ) -> Self {
        Self::whole(provider, settings, layer, |router| router).await
    }

    /// At an authority of the provider that is not its first.
    pub async fn at_authority(
        provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
        authority: impl FnOnce(&DevProvider, &str) -> IdentityConfig,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
    ) -> Self {
        let first =
            |provider: &DevProvider, url: &str| Self::common_settings(authority(provider, url));
        Self::starting_from(first, provider, settings, |layer| layer, |router| router).await
    }

    /// With more routes.
    pub async fn with_routes(more: impl FnOnce(Router) -> Router) -> Self {
        Self::whole(|provider| provider, |config| config, |layer| layer, more).await
    }

    /// With all of it.
    pub async fn whole(
        provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        layer: impl FnOnce(IdentityLayer) -> IdentityLayer,
        more: impl FnOnce(Router) -> Router,
    ) -> Self {
        Self::starting_from(Self::settings, provider, settings, layer, more).await
    }

    /// From the settings of another authority.
    pub async fn starting_from(
        first: impl FnOnce(&DevProvider, &str) -> IdentityConfig,
        provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        layer: impl FnOnce(IdentityLayer) -> IdentityLayer,
        more: impl FnOnce(Router) -> Router,
    ) -> Self {
        let arrange = |router, identity| more(router).layer(layer(identity));
        Self::arranged(first, provider, settings, arrange).await
    }

    /// With the layer where `arrange` puts it.
    pub async fn arranged(
        first: impl FnOnce(&DevProvider, &str) -> IdentityConfig,
        provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        arrange: impl FnOnce(Router, IdentityLayer) -> Router,
    ) -> Self {
        let clock = ManualClock::at_system_time();
        let provider =
            provider(DevProvider::builder().with_clock(clock.clone())).start().await.unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let config = settings(first(&provider, &url)).build().unwrap();
        let router = arrange(routes(), IdentityLayer::new(config).with_clock(clock.clone()));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, provider, clock, server }
    }

    /// What every application of these tests starts from.
    pub fn settings(provider: &DevProvider, url: &str) -> IdentityConfig {
        Self::common_settings(provider.config(url).unwrap())
    }

    /// What is the same at every authority.
    pub fn common_settings(config: IdentityConfig) -> IdentityConfig {
        config.add_public_path("/").add_public_prefix("/public/").with_scopes(["offline_access"])
    }

    /// An address of the application.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A browser on the application's clock.
    pub fn browser(&self) -> Browser {
        Browser::with_clock(self.clock.clone())
    }

    /// A tab in which Ada is signed in and looks at `/me`.
    pub async fn signed_in(&self) -> Tab {
        self.provider.sign_in_as("ada").unwrap();
        let mut tab = self.browser().tab();
        let page = tab.open(self.at("/me")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        tab
    }

    /// What a sign-in ends in.
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
    Json(
        json!({ "sub": user.subject(), "iss": user.issuer(), "name": user.name(), "claims": user.all_claims() }),
    )
}

#[derive(serde::Deserialize)]
struct Wanted {
    scope: Option<String>,
}

async fn token(
    tokens: Tokens,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let scope = wanted.scope.unwrap_or_default();
    match tokens.for_user(scope.split_whitespace()).await {
        Ok(token) => Ok(Json(
            json!({ "token": token.expose(), "scopes": token.scopes().collect::<Vec<_>>(), "source": token.source().as_str() }),
        )),
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.reason())),
    }
}
