//! Setting the provider up.

use std::{
    collections::{HashSet, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use tokio::{net::TcpListener, sync::oneshot};
use url::Url;

use super::{
    certificate,
    client::DevClient,
    keys::{EntraKeys, Keys},
    person::DevPerson,
    provider::DevProvider,
    quirk::{Quirk, Quirks},
    server::{Server, Site, answer},
    state::{AccessTokenFormat, Lives, RefreshRotation, Shelf, Spoils, State, unguessable},
    switches::Switches,
    tenant::{DevTenant, World},
    wire::{Door, Scissors},
};
use crate::{
    clock::{Clock, SystemClock},
    config::Algorithm,
    error::ConfigError,
};

/// The client that every provider has.
pub(super) const QUICKSTART: &str = "quickstart";
/// The same in Entra, where applications have GUIDs.
pub(super) const QUICKSTART_IN_ENTRA: &str = "2f8c5a1e-7b4d-4e69-8c03-d5a9b1e6f742";

/// How a [`DevProvider`] is set up; made by [`DevProvider::builder`].
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
    lives: Lives,
    rotation: RefreshRotation,
    access_token_format: AccessTokenFormat,
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
            lives: Lives::default(),
            rotation: RefreshRotation::default(),
            access_token_format: AccessTokenFormat::default(),
            tls: false,
            base_url: None,
            quirks: Quirks::default(),
            entra: false,
            tenants: Vec::new(),
        }
    }
}

impl DevProviderBuilder {
    /// Sets the address to listen on. The default is `127.0.0.1` with a free port. Anything but a
    /// loopback address is refused at the start.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Speaks TLS, as clients need that insist on https, with a certificate for the loopback names
    /// that an authority of its own has signed. Both are made at the start; clients have to trust
    /// [`root_certificate`](DevProvider::root_certificate). By default it speaks plain http.
    ///
    /// ```
    /// use tower_identity::{ReqwestClient, dev::DevProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let provider = DevProvider::builder().with_tls().start().await?;
    /// assert!(provider.issuer().starts_with("https://127.0.0.1:"));
    /// // For the layer, the check and the clients of this crate:
    /// let http = ReqwestClient::with_root_certificates(provider.root_certificate().unwrap_or_default())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets the address at which clients find the provider if a proxy stands before it, such as
    /// `https://login.localhost:8443`: issuer and endpoints begin with it, and assertions have to
    /// be for it. The default is the address that it listens on, which is a loopback address in any
    /// case.
    ///
    /// # Security
    ///
    /// The provider signs anybody in as anybody. A proxy that others can reach makes it theirs,
    /// too.
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the clock that all lives follow. The default is the system's.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Imitates Microsoft Entra: tenants, `common` and its siblings, B2C, External ID, a small
    /// Graph. By default the provider is a generic one.
    ///
    /// What it does and what it does not is listed at [the module](super#microsoft-entra).
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

    /// Sets the people who can sign in, in the order of the account picker. The default is the four
    /// of [`DevPerson`], and in Entra those that [`DevTenant`] names.
    pub fn with_people(mut self, people: impl IntoIterator<Item = DevPerson>) -> Self {
        self.people = Some(people.into_iter().collect());
        self
    }

    /// Adds an application. The client `quickstart` (in Entra it has a GUID as id), with a new
    /// secret at each start, is always there, unless one of that id is added.
    pub fn with_client(mut self, client: DevClient) -> Self {
        self.clients.push(client);
        self
    }

    /// Sets the algorithm of ID tokens. The default is [`Algorithm::Rs256`].
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets how long an access token lives. The default is an hour.
    pub fn with_access_token_life(mut self, life: Duration) -> Self {
        self.lives.access_token = life;
        self
    }

    /// Sets how long an ID token lives. The default is an hour.
    pub fn with_id_token_life(mut self, life: Duration) -> Self {
        self.lives.id_token = life;
        self
    }

    /// Sets how long a refresh token lives. The default is 14 days.
    pub fn with_refresh_token_life(mut self, life: Duration) -> Self {
        self.lives.refresh_token = life;
        self
    }

    /// Sets how long an authorization code can be redeemed. The default is a minute.
    pub fn with_code_life(mut self, life: Duration) -> Self {
        self.lives.code = life;
        self
    }

    /// Sets what a refresh does to the refresh token. The default is [`RefreshRotation::Rotate`].
    pub fn with_refresh_rotation(mut self, rotation: RefreshRotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// Sets what access tokens look like. The default is [`AccessTokenFormat::Opaque`].
    pub fn with_access_token_format(mut self, format: AccessTokenFormat) -> Self {
        self.access_token_format = format;
        self
    }

    /// Adds habits that real providers have and the specifications do not: `null` instead of
    /// nothing, lists where a text belongs, no refresh tokens. There are none by default.
    ///
    /// ```
    /// use tower_identity::dev::{DevProvider, Quirk};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let like_twitch = DevProvider::builder().with_quirks([Quirk::ScopeList, Quirk::LowerCaseTokenType]).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_quirks(mut self, quirks: impl IntoIterator<Item = Quirk>) -> Self {
        self.quirks.add(quirks);
        self
    }

    /// Starts the provider on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// The address is not a loopback address or cannot be bound, the base URL is not one, two
    /// people or two clients have one id, a tenant cannot be or is set without
    /// [`entra`](Self::entra), or no key could be made.
    pub async fn start(mut self) -> Result<DevProvider, ConfigError> {
        if !self.address.ip().is_loopback() {
            return Err(ConfigError::new(
                "bind",
                "the development provider listens on a loopback address only",
            ));
        }
        let failed = |error: crate::error::Error| ConfigError::new("start", error.to_string());
        let first = if self.entra { QUICKSTART_IN_ENTRA } else { QUICKSTART };
        if !self.clients.iter().any(|client| client.id == first) {
            let client = DevClient::confidential(first, unguessable().map_err(failed)?);
            self.clients.insert(0, client.with_any_loopback_redirect());
        }
        let defaults = if self.entra { DevPerson::entra_defaults } else { DevPerson::defaults };
        let people = self.people.unwrap_or_else(defaults);
        unique("with_people", people.iter().map(|person| person.id.as_str()))?;
        if !self.entra && !self.tenants.is_empty() {
            return Err(ConfigError::new(
                "with_tenant",
                "only the imitated Entra has tenants: add `entra`",
            ));
        }
        let world = if self.entra { Some(World::new(self.tenants, &people)?) } else { None };
        let entra_keys =
            if self.entra { Some(EntraKeys::new(self.algorithm).map_err(failed)?) } else { None };
        unique("with_client", self.clients.iter().map(|client| client.id.as_str()))?;

        let base_url = self.base_url.as_deref().map(base_url).transpose()?;
        let tls = if self.tls {
            let names = certificate::names(self.address.ip(), base_url.as_ref(), world.as_ref());
            Some(
                certificate::make(&names)
                    .map_err(|error| ConfigError::new("with_tls", error.to_string()))?,
            )
        } else {
            None
        };

        let not_bound =
            |error: std::io::Error| ConfigError::new("bind", format!("{}: {error}", self.address));
        let listener = TcpListener::bind(self.address).await.map_err(not_bound)?;
        let address = listener.local_addr().map_err(not_bound)?;
        let state = State {
            keys: Keys::new(self.algorithm).map_err(failed)?,
            entra_keys,
            people,
            clients: self.clients,
            algorithm: self.algorithm,
            lives: self.lives,
            rotation: self.rotation,
            access_token_format: self.access_token_format,
            stand_in: None,
            switches: Switches::default(),
            spoils: Spoils::default(),
            quirks: self.quirks,
            browsers: Shelf::default(),
            interactions: Shelf::default(),
            codes: Shelf::default(),
            grants: Shelf::default(),
            access_tokens: Shelf::default(),
            refresh_tokens: Shelf::default(),
            consents: HashSet::new(),
            devices: Shelf::default(),
            used_assertions: HashSet::new(),
            required_contexts: Vec::new(),
            challenges: VecDeque::new(),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server =
            Arc::new(Server::new(Site { address, scheme, base_url }, self.clock, world, state));
        let router = Router::new().fallback(answer).with_state(server.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let (door, root_certificate) = match tls {
            Some(tls) => (Door::tls(listener, address, tls.acceptor), Some(tls.root)),
            None => (Door::Plain(listener), None),
        };
        let serve = axum::serve(door, router.into_make_service_with_connect_info::<Scissors>())
            .with_graceful_shutdown(async move {
                // An error means that the handle is gone, which is the same wish.
                let _ = stopped.await;
            });
        let task = tokio::spawn(async move {
            let _ = serve.await;
        });
        Ok(DevProvider { server, root_certificate, _stop: stop, task })
    }
}

/// A base URL: scheme, host and port, and nothing else.
fn base_url(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
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
