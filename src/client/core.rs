//! [`Client`]: one application at one provider, and what it keeps.

use std::{fmt, sync::Arc};

use tracing::Instrument as _;

use super::{
    Account,
    refreshers::{ForApp, ForUser, OnBehalf},
};
use crate::{
    clock::{Clock, SystemClock},
    config::IdentityConfig,
    error::{ConfigError, Error, ErrorKind},
    protocol::{HttpClient, Provider, ReqwestClient, merged_claims},
    secret::Secret,
    tokens::{CacheLimits, CacheOwner, Grants, Partitions, Scopes, Tasks, Tokio},
};

/// How the names of partitions begin: those of accounts, of the application in one tenant, of one assertion, of one imported refresh token.
pub(super) const USERS: &str = "u:";
pub(super) const APPS: &str = "a:";
pub(super) const ASSERTIONS: &str = "o:";
pub(super) const IMPORTS: &str = "i:";

/// One application at one provider. Cloning it is cheap; clones share everything.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

/// What the parts of the client work with.
pub(super) struct Shared {
    pub(super) provider: Provider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) users: Grants,
    pub(super) apps: Grants,
    pub(super) assertions: Grants,
    pub(super) tasks: Arc<dyn Tasks>,
}

impl Client {
    /// The application that this configuration describes. What belongs to pages in it (base URL, paths, cookies, lifetimes) is not read; the base URL may be missing.
    ///
    /// # Errors
    ///
    /// As [`IdentityConfig::build`]: something is missing, contradicts itself or has no effect; a certificate cannot be loaded.
    pub fn new(config: IdentityConfig) -> Result<Self, ConfigError> {
        let config = config.without_pages()?;
        let (http, clock): (Arc<dyn HttpClient>, Arc<dyn Clock>) = (Arc::new(ReqwestClient::new()), Arc::new(SystemClock));
        let provider = Provider::new(config, http, Arc::clone(&clock));
        Ok(Self::of(provider, clock, Arc::new(Tokio)))
    }

    /// The application at a provider that is there already, with what that has fetched.
    pub(crate) fn over(provider: Provider, clock: Arc<dyn Clock>) -> Self {
        Self::of(provider, clock, Arc::new(Tokio))
    }

    fn of(provider: Provider, clock: Arc<dyn Clock>, tasks: Arc<dyn Tasks>) -> Self {
        let partitions = Arc::new(Partitions::new(Arc::clone(&clock)));
        let grants = |refresher| {
            Grants::in_memory(Arc::clone(&tasks), Arc::clone(&partitions), refresher, Arc::clone(&clock), CacheLimits::default())
        };
        let users = grants(Arc::new(ForUser(provider.clone())));
        let apps = grants(Arc::new(ForApp(provider.clone())));
        let assertions = grants(Arc::new(OnBehalf(provider.clone())));
        Self(Arc::new(Shared { provider, clock, users, apps, assertions, tasks, partitions }))
    }

    /// Sends requests by another client, for example through a proxy. The default is a [`ReqwestClient`]. It belongs right after [`new`](Self::new): what was kept is gone.
    #[must_use]
    pub fn with_http_client(self, http: impl HttpClient) -> Self {
        let http: Arc<dyn HttpClient> = Arc::new(http);
        self.rebuilt(http, Arc::clone(&self.0.clock), Arc::clone(&self.0.tasks))
    }

    /// Takes the time from another clock, for tests. The default is [`SystemClock`]. It belongs right after [`new`](Self::new): what was kept is gone.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.rebuilt(self.0.provider.http(), Arc::new(clock), Arc::clone(&self.0.tasks))
    }

    /// Waits in another way than by sleeping.
    #[cfg(test)]
    pub(super) fn with_tasks(self, tasks: Arc<dyn Tasks>) -> Self {
        self.rebuilt(self.0.provider.http(), Arc::clone(&self.0.clock), tasks)
    }

    fn rebuilt(&self, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>, tasks: Arc<dyn Tasks>) -> Self {
        let provider = Provider::new(self.0.provider.config().clone(), http, Arc::clone(&clock));
        Self::of(provider, clock, tasks)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Runs in a task of its own what must not be broken off with the caller: a code or a rotating refresh token is spent as soon as it is sent.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, outcome) = tokio::sync::oneshot::channel();
        let task = async move {
            // The caller may be gone: what was obtained is kept by then.
            let _ = done.send(work.await);
        };
        self.0.tasks.spawn(Box::pin(task.in_current_span()))?;
        outcome.await.map_err(|_| Error::new(ErrorKind::Internal, "the task of an exchange was broken off"))?
    }

    /// Whether access tokens can be bound to a key of the client (proof of possession): no, tokens are bearer tokens.
    #[must_use]
    pub fn pop_supported(&self) -> bool {
        false
    }

    /// Everybody whose tokens are kept, by user name.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts: Vec<Account> = self.0.partitions.about(USERS).iter().filter_map(|raw| Account::from_raw(raw)).collect();
        accounts.sort_by(|one, other| (one.username(), one.home_account_id()).cmp(&(other.username(), other.home_account_id())));
        accounts
    }

    /// Those of that user name, in whatever case it is written. Several people can have one name, in different tenants.
    #[must_use]
    pub fn accounts_named(&self, username: &str) -> Vec<Account> {
        let wanted = username.to_lowercase();
        let mut accounts = self.accounts();
        accounts.retain(|account| account.username().is_some_and(|name| name.to_lowercase() == wanted));
        accounts
    }

    /// Removes an account with all its tokens, and says whether there was one. A refresh that is on its way brings it not back. The provider is not told.
    #[allow(clippy::must_use_candidate, reason = "most callers do not care whether it was there")]
    pub fn remove_account(&self, account: &Account) -> bool {
        self.0.partitions.remove_of(&account.partition(), |person| account.is(person))
    }

    /// Removes the tokens of the application itself, and those alone.
    pub fn remove_app_tokens(&self) {
        self.0.partitions.remove_all(APPS);
    }

    /// Everything that is kept, as one text: for a file, a database, an entry of any store.
    ///
    /// ```
    /// use std::{collections::HashMap, error::Error};
    /// use time::{Duration, OffsetDateTime};
    /// use tower_identity::{Secret, client::Client};
    /// use tower_sessions_core::{SessionStore, session::{Id, Record}};
    ///
    /// /// Keeps the cache in any store of tower-sessions, encrypted as the application does that.
    /// async fn keep(client: &Client, store: &dyn SessionStore, id: Id, encrypt: fn(&str) -> String) -> Result<(), Box<dyn Error>> {
    ///     let data = HashMap::from([("tokens".to_owned(), encrypt(client.export_cache()?.expose()).into())]);
    ///     store.save(&Record { id, data, expiry_date: OffsetDateTime::now_utc() + Duration::days(1) }).await?;
    ///     Ok(())
    /// }
    ///
    /// /// Says whether there was one.
    /// async fn fetch(client: &Client, store: &dyn SessionStore, id: Id, decrypt: fn(&str) -> Secret) -> Result<bool, Box<dyn Error>> {
    ///     let record = store.load(&id).await?;
    ///     let text = record.as_ref().and_then(|record| record.data.get("tokens")?.as_str());
    ///     Ok(text.is_some_and(|text| client.import_cache(&decrypt(text))))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `internal`: it cannot be written.
    ///
    /// # Security
    ///
    /// It holds refresh tokens in plain text. Encrypt it wherever it rests.
    pub fn export_cache(&self) -> Result<Secret, Error> {
        self.0.partitions.export(&self.owner())
    }

    /// Replaces everything that is kept by what was exported, and says whether it could be read. If it could not, being broken, of another version or exported by a client with another
    /// client ID or authority, what is kept stays: then people sign in again, and nothing else is lost.
    #[must_use]
    pub fn import_cache(&self, exported: &Secret) -> bool {
        self.0.partitions.import(&self.owner(), exported.expose())
    }

    fn owner(&self) -> CacheOwner {
        let config = self.0.provider.config();
        CacheOwner { client_id: config.client_id().into(), authority: config.authority().name().into() }
    }

    /// A number that grows with every change of what is kept: if it is the same as after the last export, there is nothing to store.
    #[must_use]
    pub fn cache_changes(&self) -> u64 {
        self.0.partitions.changes()
    }

    /// These scopes and those of the sign-in itself, each once.
    pub(super) fn with_openid_scopes(&self, scopes: &Scopes) -> Result<Scopes, Error> {
        Scopes::asked(self.0.provider.config().openid_scopes().iter().map(String::as_str).chain(scopes.iter()))
    }

    /// What the client itself always asks for.
    pub(super) fn own_claims(&self) -> Result<Option<String>, Error> {
        merged_claims(self.0.provider.config().client_capabilities(), None, None)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("provider", &self.0.provider)
            .field("partitions", &self.0.partitions)
            .finish_non_exhaustive()
    }
}
