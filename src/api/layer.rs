//! [`ApiLayer`]: the layer around an API.

use std::sync::{Arc, OnceLock};

use tower_layer::Layer;

use super::{
    memory::DEFAULT_BYTES,
    service::{ApiParts, ApiService},
};
use crate::{
    client::Client,
    clock::{Clock, SystemClock},
    config::{IntoValidApiConfig, ValidApiConfig},
    protocol::{HttpClient, ReqwestClient},
};

/// Requires an access token of every request to a Tower service (axum, tonic, hyper).
///
/// A request with a valid token reaches the inner service with an [`ApiCaller`](crate::ApiCaller)
/// in its extensions; a request to a public path reaches it without. Every other request gets a
/// challenge of RFC 6750, in gRPC with the status of that protocol. The error type of the inner
/// service does not change. Guards such as [`require_scopes`](crate::require_scopes) check what a
/// caller may do.
///
/// - Put one layer around the finished application; its clones share all state.
/// - With a [resource](crate::ApiConfig::with_resource) the layer serves
///   `/.well-known/oauth-protected-resource` (RFC 9728).
/// - For an application with pages *and* an API on one router, see
///   [`IdentityLayer::with_api`](crate::IdentityLayer::with_api).
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> Result<axum::Router, tower_identity::ConfigError> {
/// use axum::{Router, routing::get};
/// use tower_identity::{ApiCaller, ApiConfig, ApiLayer, Authority, require_scopes};
///
/// let config = ApiConfig::new(Authority::entra("contoso.onmicrosoft.com")?, "client-id").build()?;
///
/// let notes = Router::new()
///     .route("/notes", get(|caller: ApiCaller| async move { format!("{}", caller.kind()) }))
///     .route_layer(require_scopes(["Notes.Read"]).or_app_roles(["Notes.Read.All"]));
/// let app = notes.layer(ApiLayer::new(config));
/// # Ok(app)
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ApiLayer(Arc<ApiLayerParts>);

#[derive(Debug)]
struct ApiLayerParts {
    setup: ApiSetup,
    shared: OnceLock<Arc<ApiParts>>,
}

#[derive(Clone, Debug)]
struct ApiSetup {
    config: ValidApiConfig,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    remembered_bytes: usize,
}

impl ApiLayer {
    /// A layer with the default collaborators: the system's clock, its own connections to the
    /// provider.
    pub fn new(config: impl IntoValidApiConfig) -> Self {
        Self::of(ApiSetup {
            config: config.into_valid_api_config(),
            http: Arc::new(ReqwestClient::new()),
            clock: Arc::new(SystemClock),
            remembered_bytes: DEFAULT_BYTES,
        })
    }

    fn of(setup: ApiSetup) -> Self {
        Self(Arc::new(ApiLayerParts { setup, shared: OnceLock::new() }))
    }

    /// Sets the HTTP client for calls to the provider. The default is [`ReqwestClient`].
    pub fn with_http_client(self, http: impl HttpClient + 'static) -> Self {
        self.with(|setup| setup.http = Arc::new(http))
    }

    /// Sets the clock. The default is [`SystemClock`]; tests use a
    /// [`ManualClock`](crate::ManualClock).
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.with(|setup| setup.clock = Arc::new(clock))
    }

    /// Sets the size in bytes of the cache of verified tokens, in which each is kept until it
    /// expires, for an hour at most. The default is 256 MiB, enough for about 100,000 tokens;
    /// rarely used ones are evicted first.
    pub fn with_remembered_bytes(self, bytes: usize) -> Self {
        self.with(|setup| setup.remembered_bytes = bytes)
    }

    /// The client that requests tokens with the API's own credential, for
    /// [`StoredCaches`](crate::StoredCaches) and work that
    /// [goes on without its caller](crate::ApiCaller::begin_long_running); `None` without a
    /// credential.
    ///
    /// Call it after the settings of this layer: later changes make another client.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        self.shared().client().cloned()
    }

    /// The routes of the metadata document (RFC 9728), for an application in which this layer is
    /// not the outermost: inside of `Router::nest` it gets no request for `/.well-known/`. Without
    /// a [resource](crate::ApiConfig::with_resource) there are none.
    ///
    /// Merge them into the outermost router. For several APIs on one router, see
    /// [`metadata_routes_of`](Self::metadata_routes_of).
    ///
    /// ```
    /// # fn app() -> Result<axum::Router, tower_identity::ConfigError> {
    /// use axum::{Router, routing::get};
    /// use tower_identity::{ApiConfig, ApiLayer, Authority};
    ///
    /// let config = ApiConfig::new(Authority::entra("contoso.onmicrosoft.com")?, "client-id")
    ///     .with_resource("https://example.com/api")?
    ///     .build()?;
    /// let api = ApiLayer::new(config);
    /// let notes = Router::new().route("/notes", get(|| async { "a note" }));
    /// let app = Router::new()
    ///     .route("/", get(|| async { "a page without the layer" }))
    ///     .merge(api.metadata_routes())
    ///     .nest("/api", notes.layer(api));
    /// # Ok(app)
    /// # }
    /// ```
    #[cfg(feature = "axum")]
    pub fn metadata_routes<S>(&self) -> axum::Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Self::metadata_routes_of([self])
    }

    /// The [routes of the metadata documents](Self::metadata_routes) of several APIs on one router,
    /// each with a [resource](crate::ApiConfig::with_resource) of its own. The routes of each API
    /// cannot be merged, because each has the root path `/.well-known/oauth-protected-resource`;
    /// here it has the document of the first API. Clients that read the address in the challenge
    /// find the right document in any case.
    ///
    /// ```
    /// # fn app() -> Result<axum::Router, tower_identity::ConfigError> {
    /// use axum::{Router, routing::get};
    /// use tower_identity::{ApiConfig, ApiLayer, Authority};
    ///
    /// let api = |client_id: &str, resource: &str| {
    ///     let authority = Authority::entra("contoso.onmicrosoft.com")?;
    ///     let config = ApiConfig::new(authority, client_id).with_resource(resource)?;
    ///     Ok::<_, tower_identity::ConfigError>(ApiLayer::new(config.build()?))
    /// };
    /// let notes = api("notes-id", "https://example.com/notes")?;
    /// let people = api("people-id", "https://example.com/people")?;
    /// let app = Router::new()
    ///     .merge(ApiLayer::metadata_routes_of([&notes, &people]))
    ///     .nest("/notes", Router::new().route("/", get(|| async { "a note" })).layer(notes))
    ///     .nest("/people", Router::new().route("/", get(|| async { "a person" })).layer(people));
    /// # Ok(app)
    /// # }
    /// ```
    #[cfg(feature = "axum")]
    pub fn metadata_routes_of<'a, S>(apis: impl IntoIterator<Item = &'a Self>) -> axum::Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        super::metadata::routes(apis.into_iter().map(Self::shared))
    }

    fn with(self, change: impl FnOnce(&mut ApiSetup)) -> Self {
        let mut setup = self.0.setup.clone();
        change(&mut setup);
        Self::of(setup)
    }

    pub(crate) fn shared(&self) -> Arc<ApiParts> {
        Arc::clone(self.0.shared.get_or_init(|| {
            let ApiSetup { config, http, clock, remembered_bytes } = self.0.setup.clone();
            config.log();
            config.log_mistakes(clock.now());
            Arc::new(ApiParts::new(config, http, clock, remembered_bytes))
        }))
    }
}

impl<S> Layer<S> for ApiLayer {
    type Service = ApiService<S>;

    fn layer(&self, inner: S) -> ApiService<S> {
        ApiService::new(inner, self.shared())
    }
}
