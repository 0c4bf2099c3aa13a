//! A second process of the same application, or the same one after a restart: same address, same
//! provider, another layer.

use std::net::SocketAddr;

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};
use tower_identity::{IdentityConfig, IdentityLayer};

use crate::{
    app::{App, routes},
    browser::Browser,
    raw::Raw,
};

pub struct Node {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Node {
    /// A node with these settings and collaborators over those of every [`App`].
    pub async fn beside(
        app: &App,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        layer: impl FnOnce(IdentityLayer) -> IdentityLayer,
    ) -> Self {
        Self::with_routes(app, settings, layer, |router| router).await
    }

    /// A node with additional routes.
    pub async fn with_routes(
        app: &App,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        layer: impl FnOnce(IdentityLayer) -> IdentityLayer,
        more: impl FnOnce(Router) -> Router,
    ) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = settings(App::settings(&app.provider, &app.url)).build().unwrap();
        let layer = layer(IdentityLayer::new(config).with_clock(app.clock.clone()));
        let router = more(routes()).layer(layer);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    /// The same browser profile, with requests for the application sent to this node.
    pub fn browser(&self, app: &App, browser: &Browser) -> Browser {
        self.browser_at(&app.url, browser)
    }

    /// The same for requests to another origin, as through a proxy that ends TLS.
    pub fn browser_at(&self, origin: &str, browser: &Browser) -> Browser {
        browser.clone().with_proxy(origin, self.address)
    }

    pub fn raw(&self) -> Raw {
        Raw::at(&format!("http://{}", self.address))
    }
}
