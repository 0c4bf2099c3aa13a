//! [`DevProviderBuilder`]: the configuration of a development provider.

use std::{
    collections::{HashSet, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use url::Url;

use super::{
    certificate::{self, Tls},
    client::DevClient,
    keys::{EntraKeys, ProviderKeys},
    person::DevPerson,
    provider::{DevProvider, Stop},
    quirk::{Quirk, Quirks},
    server::{Server, ServerAddress, answer},
    state::{
        AccessTokenFormat, BoundedMap, Lifetimes, ProviderState, RefreshRotation, Spoils,
        unguessable,
    },
    switches::Switches,
    tenant::{DevTenant, EntraTenants},
    wire::{CutSignal, DevListener},
};
use crate::{
    authority::stopped,
    clock::{Clock, SystemClock},
    config::{Algorithm, FromEnv, IdentityConfig},
    error::{ConfigError, Error},
};

/// The id of the client that every provider has.
pub(super) const QUICKSTART: &str = "quickstart";
/// The id of that client in Entra, where applications have GUIDs.
pub(super) const QUICKSTART_IN_ENTRA: &str = "2f8c5a1e-7b4d-4e69-8c03-d5a9b1e6f742";

/// The configuration of a [`DevProvider`]; created by [`DevProvider::builder`].
///
/// ```
/// use std::time::Duration;
/// use tower_identity::{ManualClock, config::Algorithm, dev::{DevClient, DevPerson, DevProvider}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_identity::ConfigError> {
/// let clock = ManualClock::at_system_time();
/// let provider = DevProvider::builder()
///     .with_clock(clock.clone())
///     .with_people([DevPerson::new("mary", "Mary Somerville").with_roles(["Reader"])])
///     .with_client(DevClient::public("cli").with_any_loopback_redirect())
///     .with_algorithm(Algorithm::Es256)
///     .with_access_token_life(Duration::from_secs(300))
///     .start()
///     .await?;
/// assert!(provider.issuer().starts_with("http://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing runs until `start`"]
pub struct DevProviderBuilder {
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    people: Option<Vec<DevPerson>>,
    clients: Vec<DevClient>,
    algorithm: Algorithm,
    lifetimes: Lifetimes,
    rotation: RefreshRotation,
    access_token_format: Option<AccessTokenFormat>,
    tls: bool,
    base_url: Option<String>,
    quirks: Quirks,
    entra: bool,
    tenants: Vec<DevTenant>,
}

impl Default for DevProviderBuilder {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Arc::new(SystemClock),
            people: None,
            clients: Vec::new(),
            algorithm: Algorithm::Rs256,
            lifetimes: Lifetimes::default(),
            rotation: RefreshRotation::default(),
            access_token_format: None,
            tls: false,
            base_url: None,
            quirks: Quirks::default(),
            entra: false,
            tenants: Vec::new(),
        }
    }
}

impl DevProviderBuilder {
    /// Sets the address to listen on. The default is `127.0.0.1` with a free port.
    /// [`start`](Self::start) refuses an address that is not loopback.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Listens on this port of `127.0.0.1`. The default is a free one.
    ///
    /// The issuer contains the port, and the [key of a user](crate::UserKey) the issuer: with a
    /// fixed port, what an application has stored about a person is found again after a restart.
    pub fn with_port(self, port: u16) -> Self {
        self.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Serves https, for clients that require it. The default is plain http.
    ///
    /// The certificate is for the loopback names and is signed by a certificate authority of this
    /// provider. Both are generated at each start; clients must trust
    /// [`root_certificate`](DevProvider::root_certificate).
    ///
    /// ```
    /// use tower_identity::{ReqwestClient, dev::DevProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let provider = DevProvider::builder().with_tls().start().await?;
    /// assert!(provider.issuer().starts_with("https://127.0.0.1:"));
    /// // For the layer, the check and the clients of this crate:
    /// let root = provider.root_certificate().unwrap_or_default();
    /// let http = ReqwestClient::with_root_certificates(root)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets the URL by which clients reach the provider through a proxy, such as
    /// `https://login.localhost:8443`. Issuer and endpoints begin with it, and it is the audience
    /// of assertions. The default is the address that the provider listens on.
    ///
    /// # Security
    ///
    /// The provider signs in any user without authentication: the proxy must not be reachable by
    /// others.
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the clock for all lifetimes. The default is the system clock.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Imitates Microsoft Entra: tenants, `common` and its siblings, B2C, External ID, a small
    /// Graph. By default the provider is a generic one.
    ///
    /// [The module](super#microsoft-entra-id) lists what it imitates.
    ///
    /// ```
    /// use tower_identity::dev::{DevProvider, DevTenant};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let provider = DevProvider::builder().entra().start().await?;
    /// let config = provider
    ///     .entra_config("common", "http://localhost:3000")?
    ///     .with_tenants([DevTenant::CONTOSO.id()])?
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn entra(mut self) -> Self {
        self.entra = true;
        self
    }

    /// Adds a tenant to the imitated Entra. The five of [`DevTenant`] are always there.
    pub fn with_tenant(mut self, tenant: DevTenant) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// Sets the users, in the order of the account picker. The default is the four of
    /// [`DevPerson`], and in Entra ID those that [`DevTenant`] names.
    pub fn with_people(mut self, people: impl IntoIterator<Item = DevPerson>) -> Self {
        self.people = Some(people.into_iter().collect());
        self
    }

    /// Adds an application. The client `quickstart` (in Entra with a GUID as its id) always exists
    /// and has a new secret at each start, unless a client with its id is added.
    pub fn with_client(mut self, client: DevClient) -> Self {
        self.clients.push(client);
        self
    }

    /// Sets the algorithm of ID tokens. The default is [`Algorithm::Rs256`].
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the lifetime of access tokens. The default is one hour.
    pub fn with_access_token_life(mut self, life: Duration) -> Self {
        self.lifetimes.access_token = life;
        self
    }

    /// Sets the lifetime of ID tokens. The default is one hour.
    pub fn with_id_token_life(mut self, life: Duration) -> Self {
        self.lifetimes.id_token = life;
        self
    }

    /// Sets the lifetime of refresh tokens. The default is 14 days.
    pub fn with_refresh_token_life(mut self, life: Duration) -> Self {
        self.lifetimes.refresh_token = life;
        self
    }

    /// Sets the lifetime of authorization codes. The default is one minute.
    pub fn with_code_life(mut self, life: Duration) -> Self {
        self.lifetimes.code = life;
        self
    }

    /// Sets whether a refresh replaces the refresh token. The default is
    /// [`RefreshRotation::Rotate`].
    pub fn with_refresh_rotation(mut self, rotation: RefreshRotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// Sets the format of all access tokens. The default is JWT for tokens whose request names the
    /// API (`resource`), and opaque for others.
    pub fn with_access_token_format(mut self, format: AccessTokenFormat) -> Self {
        self.access_token_format = Some(format);
        self
    }

    /// Adds deviations of real providers from the specifications: `null` for absent members, arrays
    /// in place of strings, no refresh tokens. The default is none.
    ///
    /// ```
    /// use tower_identity::dev::{DevProvider, Quirk};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let like_twitch = [Quirk::ScopeList, Quirk::LowerCaseTokenType];
    /// let provider = DevProvider::builder().with_quirks(like_twitch).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_quirks(mut self, quirks: impl IntoIterator<Item = Quirk>) -> Self {
        self.quirks.add(quirks);
        self
    }

    /// This provider where nothing is configured, and the provider of the environment otherwise:
    /// see [`DevProvider::config_or_env`].
    ///
    /// # Errors
    ///
    /// As [`DevProvider::config_or_env`] and [`start`](Self::start).
    pub async fn config_or_env(
        self,
        base_url: &str,
    ) -> Result<(Option<DevProvider>, IdentityConfig), ConfigError> {
        let base_url = match IdentityConfig::from_env_at(base_url)? {
            FromEnv::Configured(config) => return Ok((None, *config)),
            FromEnv::NotConfigured { base_url } => base_url,
        };
        let provider = self.start().await?;
        let config = provider.config(&base_url)?.with_env_settings()?;
        // A program that was built with the feature by mistake must not start in silence.
        tracing::warn!(
            "no provider is configured: the development provider at {} signs anybody in as \
             anybody, without a password. Set IDENTITY_AUTHORITY, IDENTITY_CLIENT_ID and \
             IDENTITY_CLIENT_SECRET for a real one",
            provider.issuer()
        );
        Ok((Some(provider), config))
    }

    /// Starts the provider on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// - The address is not a loopback address or cannot be bound, or the base URL is invalid.
    /// - Two users or two clients have the same id.
    /// - A tenant is invalid, or is set without [`entra`](Self::entra).
    /// - No key could be generated.
    pub async fn start(mut self) -> Result<DevProvider, ConfigError> {
        // It signs in any user without authentication, so no other machine may reach it.
        if !self.address.ip().is_loopback() {
            return Err(ConfigError::new(
                "bind",
                "the development provider listens on a loopback address only",
            ));
        }
        self.add_quickstart()?;
        let people = self.people()?;
        let entra = self.entra_tenants(&people)?;
        let base_url = self.base_url.as_deref().map(base_url).transpose()?;
        let tls = self.certificate(base_url.as_ref(), entra.as_ref())?;

        let address = self.address;
        let not_bound =
            |error: std::io::Error| ConfigError::new("bind", format!("{address}: {error}"));
        // Bound before the URLs are made: with port 0 the system chooses the port, which is part of
        // the issuer.
        let listener = TcpListener::bind(address).await.map_err(not_bound)?;
        let address = listener.local_addr().map_err(not_bound)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let site = ServerAddress { address, scheme, base_url };
        let clock = self.clock.clone();
        let server = Arc::new(Server::new(site, clock, entra, self.state(people)?));
        let (dev_listener, root_certificate) = match tls {
            Some(tls) => (DevListener::tls(listener, address, tls.acceptor), Some(tls.root)),
            None => (DevListener::Plain(listener), None),
        };
        let (sender, task) = serve(dev_listener, server.clone());
        stopped::has_started(address);
        let stop = Stop { _sender: sender, address };
        Ok(DevProvider { server, root_certificate, stop, task })
    }

    /// Adds the client that every provider has, unless a client with its id was added.
    fn add_quickstart(&mut self) -> Result<(), ConfigError> {
        let id = if self.entra { QUICKSTART_IN_ENTRA } else { QUICKSTART };
        if !self.clients.iter().any(|client| client.id == id) {
            let client =
                DevClient::confidential(id, unguessable().map_err(|error| not_started(&error))?);
            self.clients.push(client.with_any_loopback_redirect());
        }
        unique("with_client", self.clients.iter().map(|client| client.id.as_str()))
    }

    /// The users: those that were set, or the default ones.
    fn people(&mut self) -> Result<Vec<DevPerson>, ConfigError> {
        let defaults = if self.entra { DevPerson::entra_defaults } else { DevPerson::defaults };
        let people = self.people.take().unwrap_or_else(defaults);
        unique("with_people", people.iter().map(|person| person.id.as_str()))?;
        Ok(people)
    }

    /// The tenants of the imitated Entra.
    fn entra_tenants(&mut self, people: &[DevPerson]) -> Result<Option<EntraTenants>, ConfigError> {
        let tenants = std::mem::take(&mut self.tenants);
        if self.entra {
            return EntraTenants::new(tenants, people).map(Some);
        }
        if tenants.is_empty() {
            return Ok(None);
        }
        Err(ConfigError::new("with_tenant", "only the imitated Entra has tenants: add `entra`"))
    }

    fn certificate(
        &self,
        base_url: Option<&Url>,
        entra: Option<&EntraTenants>,
    ) -> Result<Option<Tls>, ConfigError> {
        if !self.tls {
            return Ok(None);
        }
        let names = certificate::names(self.address.ip(), base_url, entra);
        let tls = certificate::make(&names);
        tls.map(Some).map_err(|error| ConfigError::new("with_tls", error.to_string()))
    }

    /// The state at the start: keys, users and clients, and nothing issued yet.
    fn state(self, people: Vec<DevPerson>) -> Result<ProviderState, ConfigError> {
        let entra_keys = self.entra.then(|| EntraKeys::new(self.algorithm)).transpose();
        Ok(ProviderState {
            keys: ProviderKeys::new(self.algorithm).map_err(|error| not_started(&error))?,
            entra_keys: entra_keys.map_err(|error| not_started(&error))?,
            people,
            clients: self.clients,
            algorithm: self.algorithm,
            lifetimes: self.lifetimes,
            rotation: self.rotation,
            access_token_format: self.access_token_format,
            stand_in: None,
            automatic: BoundedMap::default(),
            refused_consents: 0,
            switches: Switches::default(),
            spoils: Spoils::default(),
            quirks: self.quirks,
            browsers: BoundedMap::default(),
            interactions: BoundedMap::default(),
            codes: BoundedMap::default(),
            grants: BoundedMap::default(),
            access_tokens: BoundedMap::default(),
            refresh_tokens: BoundedMap::default(),
            consents: HashSet::new(),
            devices: BoundedMap::default(),
            used_assertions: BoundedMap::default(),
            required_contexts: Vec::new(),
            challenges: VecDeque::new(),
        })
    }
}

fn not_started(error: &Error) -> ConfigError {
    ConfigError::new("start", error.to_string())
}

/// Serves until the sender is dropped.
fn serve(listener: DevListener, server: Arc<Server>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let router = Router::new().fallback(answer).with_state(server);
    let serve = axum::serve(listener, router.into_make_service_with_connect_info::<CutSignal>())
        .with_graceful_shutdown(async move {
            // An error means that the handle was dropped, which stops the server as well.
            let _ = stopped.await;
        });
    let task = tokio::spawn(async move {
        let _ = serve.await;
    });
    (stop, task)
}

/// A base URL: scheme, host and port, and nothing else.
fn base_url(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            // The routes begin at the root of the host, so a path in front of them would never
            // match.
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    });
    url.ok_or_else(|| {
        ConfigError::new(
            "with_base_url",
            format!("{text:?} is not scheme, host and port, such as https://login.localhost:8443"),
        )
    })
}

fn unique<'a>(
    setting: &'static str,
    ids: impl Iterator<Item = &'a str>,
) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(ConfigError::new(setting, format!("the id {id:?} is there twice")));
        }
    }
    Ok(())
}
