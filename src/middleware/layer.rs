//! [`IdentityLayer`]: the layer around a finished application.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tower_layer::Layer;
use tower_sessions_core::SessionStore;

use super::{
    events::Handlers,
    flow::Flow,
    respond::Renderer,
    service::{IdentityService, Shared},
};
use crate::{
    api::ApiLayer,
    clock::{Clock, SystemClock},
    config::{IntoValidConfig, ValidConfig},
    error::{ConfigError, Error},
    measure,
    pages::{DefaultPages, Language, Languages, PageRenderer},
    protocol::{HttpClient, ReqwestClient},
    session::{IntoSessionStore, LocalStore, Store},
    tokens::{RefreshLock, TimedLock},
};

/// Puts sign-in around a Tower service (axum, tonic, hyper).
///
/// It answers the sign-in, callback and sign-out paths itself, lets only signed-in people through
/// to everything that is not declared public, and puts the [`User`](crate::User) into the request's
/// extensions. The error type of the inner service stays as it is: failures of the layer are
/// responses.
///
/// - Put **one** layer around the **finished** application: in axum, routes that are added after
///   `.layer(…)` are open, and `route_layer` does not see the layer's own paths.
/// - A part of an application under a path of its own: put the layer around that part and nest the
///   **service**, and let the base URL end in that path. `nest` with the layer on the routes is no
///   way: axum passes only those routes to the layer, and `/auth/callback` is none of them.
///
///   ```
///   # #[cfg(feature = "axum")]
///   # fn nested(app: axum::Router, identity: tower_identity::IdentityLayer) -> axum::Router {
///   use axum::Router;
///   use tower_layer::Layer;
///
///   // With the base URL `https://example.com/app`.
///   Router::new().nest_service("/app", identity.layer(app))
///   # }
///   ```
///
///   The layer says in the log when it finds itself in a place where sign-in cannot work.
/// - Put CORS, compression and tracing outside of it.
/// - Clones share everything: sessions, keys, connections. A method that changes a setting makes
///   another layer, which shares no sessions in memory with the clones from before: call these
///   methods first.
///
/// ```
/// use tower_identity::{Authority, ClientCredential, IdentityConfig, IdentityLayer};
///
/// # fn main() -> Result<(), tower_identity::ConfigError> {
/// let config = IdentityConfig::new(Authority::oidc("https://login.example.com")?, "client-id")
///     .with_credential(ClientCredential::secret("a-secret-of-at-least-thirty-two-characters"))
///     .with_base_url("https://app.example.com")?
///     .add_public_path("/")
///     .build()?;
/// let layer = IdentityLayer::new(config);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct IdentityLayer(Arc<LayerParts>);

/// Behind one pointer: where axum has not resolved its routes it clones the layer with each
/// request.
struct LayerParts {
    setup: Setup,
    /// Made when the first service is: axum asks for one service per route, and all of them share
    /// it.
    shared: OnceLock<Arc<Shared>>,
}

/// Logged once, when the first service is made.
const NO_LOCK: &str = "the session store outlives this process, and there is no refresh lock: with \
    one process that is right. If several share the store, a provider that takes a refresh token \
    once signs people out at the second renewal: give all of them a lock by \
    `IdentityLayer::with_refresh_lock`; if there is only one, say so by `with_single_process`";

impl IdentityLayer {
    /// A layer with the default collaborators: sessions in this process's memory, the system's
    /// clock, its own connections to the provider, its own pages.
    pub fn new(config: impl IntoValidConfig) -> Self {
        let setup = Setup {
            config: config.into_valid_config(),
            store: None,
            local_sessions: LocalStore::DEFAULT_SESSIONS,
            local_bytes: LocalStore::DEFAULT_BYTES,
            http: Arc::new(ReqwestClient::new()),
            clock: Arc::new(SystemClock),
            lock: None,
            single_process: false,
            pages: Arc::new(DefaultPages),
            languages: Vec::new(),
            api: None,
            handlers: Handlers::default(),
        };
        Self::of(setup)
    }

    fn of(setup: Setup) -> Self {
        Self(Arc::new(LayerParts { setup, shared: OnceLock::new() }))
    }

    /// Keeps the sessions in a store of the `tower-sessions` family (Redis, SQL, moka, …), made for
    /// version 0.14 of `tower-sessions-core`: see [`IntoSessionStore`]. The default is this
    /// process's memory.
    ///
    /// Records are sealed: the store never sees who is signed in, nor a token.
    ///
    /// A store that does not answer within
    /// [`with_store_timeout`](crate::IdentityConfig::with_store_timeout) (3 s) counts as one that
    /// is down: public pages are served without a user, protected ones answer 503, and the next
    /// request asks it again. Where several processes share it, give them a [refresh
    /// lock](Self::with_refresh_lock) as well.
    ///
    /// Sign-out ends the session of the browser in every process. Where several tabs came back from
    /// the provider at the same moment, each has begun a session, and the browser keeps one of
    /// them. The others end with it if the same process answered all of them, otherwise by their
    /// idle and absolute timeouts.
    ///
    /// # Errors
    ///
    /// The cookie secret is neither configured nor derived from a client secret: sessions in a
    /// store that outlives the process could not be opened after a restart, nor by another node.
    pub fn with_store<Kind>(self, store: impl IntoSessionStore<Kind>) -> Result<Self, ConfigError> {
        self.0.setup.config.require_lasting_secret("with_store", "sessions in a store")?;
        Ok(self.with(|setup| setup.store = Some(store.into_store())))
    }

    /// How many sessions the memory of this process holds. The default is 100,000. With a store
    /// ([`with_store`](Self::with_store)) it has no effect.
    ///
    /// When it is full, the oldest sessions of a person who has many are forgotten, otherwise those
    /// that would end first.
    pub fn with_local_sessions(self, limit: usize) -> Self {
        self.with(|setup| setup.local_sessions = limit)
    }

    /// How many bytes the sealed sessions in the memory of this process take, with their claims and
    /// tokens. The default is 256 MiB. With a store ([`with_store`](Self::with_store)) it has no
    /// effect. When it is full, sessions are forgotten as with
    /// [`with_local_sessions`](Self::with_local_sessions).
    ///
    /// With and without a store, the sessions and tokens that were decoded last take up to 128 MiB
    /// more.
    pub fn with_local_session_bytes(self, limit: usize) -> Self {
        self.with(|setup| setup.local_bytes = limit)
    }

    /// Calls the provider through another HTTP client. The default is [`ReqwestClient`].
    pub fn with_http_client(self, http: impl HttpClient + 'static) -> Self {
        self.with(|setup| setup.http = Arc::new(http))
    }

    /// Takes the time from another clock. The default is [`SystemClock`]; tests turn a
    /// [`ManualClock`](crate::ManualClock).
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.with(|setup| setup.clock = Arc::new(clock))
    }

    /// Makes several processes refresh one after the other. The default is none: right for one
    /// process, or for providers that tolerate a refresh token that is used twice. With feature
    /// `redis` there is `RedisLock`; [`RefreshLock`] shows one in PostgreSQL.
    ///
    /// A lock that does not answer within
    /// [`with_store_timeout`](crate::IdentityConfig::with_store_timeout) counts as one that cannot
    /// be asked.
    pub fn with_refresh_lock(self, lock: impl RefreshLock + 'static) -> Self {
        self.with(|setup| setup.lock = Some(Arc::new(lock)))
    }

    /// Says that no other process works with the sessions in the store, so that no [refresh
    /// lock](Self::with_refresh_lock) is needed. The default is that a store without a lock is
    /// warned of when the application starts.
    pub fn with_single_process(self) -> Self {
        self.with(|setup| setup.single_process = true)
    }

    /// Tests the [session store](Self::with_store) and the [refresh lock](Self::with_refresh_lock):
    /// writes a row, reads and deletes it, takes a lock and frees it. Without them there is nothing
    /// to test.
    ///
    /// Most stores connect when they are first used, so that an application whose store is down
    /// starts without an error, and fails at its first request. Called after the start, this
    /// method returns the error at once. Whether to go on is the application's decision: with most
    /// stores it works as soon as the store is there.
    ///
    /// ```
    /// # async fn start(identity: tower_identity::IdentityLayer) {
    /// if let Err(error) = identity.check_store().await {
    ///     eprintln!("nobody can sign in for now: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: an operation failed or took longer than
    /// [`with_store_timeout`](crate::IdentityConfig::with_store_timeout), or what was written is
    /// not there. What the store itself said is in the log.
    pub async fn check_store(&self) -> Result<(), Error> {
        let Setup { config, store, lock, clock, .. } = &self.0.setup;
        if let Some(store) = store {
            Store::shared(Arc::clone(store), config.store_timeout()).probe(clock.now()).await?;
        }
        match lock {
            Some(lock) => TimedLock::new(Arc::clone(lock), config.store_timeout()).probe().await,
            None => Ok(()),
        }
    }

    /// Accepts access tokens beside sessions, on the same routes. For a request with
    /// `Authorization: Bearer` the token alone decides, and it is answered as one of an API; for a
    /// request without it the session decides. If a request has both, the cookie is ignored. On the
    /// layer's own paths, such as the sign-in path, a token is ignored.
    ///
    /// With a token there is an [`ApiCaller`](crate::ApiCaller) in the extensions, with a session a
    /// [`User`](crate::User): take both as `Option` where both may come. The default is sessions
    /// alone.
    pub fn with_api(self, api: ApiLayer) -> Self {
        self.with(|setup| setup.api = Some(api))
    }

    /// Shows pages of your own. The default is [`DefaultPages`].
    pub fn with_pages(self, pages: impl PageRenderer) -> Self {
        self.with(|setup| setup.pages = Arc::new(pages))
    }

    /// The configuration, for the helpers of tests.
    #[cfg(feature = "dev-provider")]
    pub(crate) fn config(&self) -> &ValidConfig {
        &self.0.setup.config
    }

    /// Adds a language to those that the pages speak, or replaces one of the same tag. The default
    /// is English, German, French and Spanish;
    /// [`with_languages`](crate::IdentityConfig::with_languages) narrows them.
    ///
    /// ```
    /// use tower_identity::{IdentityLayer, pages::Language};
    ///
    /// static DUTCH: &[(&str, &str)] = &[("action.sign_in", "Aanmelden")]; // … and the others
    ///
    /// fn in_dutch(layer: IdentityLayer) -> IdentityLayer {
    ///     layer.with_language(Language::new("nl", DUTCH))
    /// }
    /// ```
    pub fn with_language(self, language: Language) -> Self {
        self.with(|setup| setup.languages.push(language))
    }

    pub(super) fn with(self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = self.0.setup.clone();
        change(&mut setup);
        Self::of(setup)
    }

    fn shared(&self) -> Arc<Shared> {
        Arc::clone(self.0.shared.get_or_init(|| {
            measure::describe();
            let setup = self.0.setup.clone();
            setup.config.log(setup.api.is_some());
            setup.config.log_mistakes(setup.clock.now());
            let timeout = setup.config.store_timeout();
            let lock = setup
                .lock
                .map(|lock| Arc::new(TimedLock::new(lock, timeout)) as Arc<dyn RefreshLock>);
            let store = match setup.store {
                Some(store) => {
                    if lock.is_none() && !setup.single_process {
                        tracing::warn!("{NO_LOCK}");
                    }
                    Store::shared(store, timeout)
                }
                None => {
                    Store::Local(Arc::new(LocalStore::new(setup.local_sessions, setup.local_bytes)))
                }
            };
            let (config, api) = (&setup.config, setup.api.map(|api| api.shared()));
            let renderer = Renderer {
                pages: setup.pages,
                languages: Languages::new(&setup.languages, config.languages()),
                clock: Arc::clone(&setup.clock),
                development: !config.secure(),
                home: config.home().to_string(),
                sign_in: config.external_path(&config.paths().sign_in).into_owned(),
                bearer_challenge: api.as_ref().and_then(|api| api.bearer_challenge()),
            };
            let flow =
                Flow::new(setup.config, store, setup.http, setup.clock, lock, setup.handlers);
            Arc::new(Shared { flow: Arc::new(flow), renderer, api })
        }))
    }
}

impl<S> Layer<S> for IdentityLayer {
    type Service = IdentityService<S>;

    fn layer(&self, inner: S) -> IdentityService<S> {
        IdentityService::new(inner, self.shared())
    }
}

impl fmt::Debug for IdentityLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityLayer").finish_non_exhaustive()
    }
}

/// The settings and collaborators of a layer.
#[derive(Clone)]
pub(super) struct Setup {
    config: ValidConfig,
    store: Option<Arc<dyn SessionStore>>,
    local_sessions: usize,
    local_bytes: usize,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    lock: Option<Arc<dyn RefreshLock>>,
    single_process: bool,
    pages: Arc<dyn PageRenderer>,
    languages: Vec<Language>,
    api: Option<ApiLayer>,
    pub(super) handlers: Handlers,
}
