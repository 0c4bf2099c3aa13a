//! [`Client`]: one application at one provider, with its token cache.

use std::{fmt, sync::Arc};

use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{
    Account, AccountSource,
    builder::ClientBuilder,
    partition::Partition,
    refreshers::{AppRefresher, LongRunningRefresher, OnBehalfRefresher, UserRefresher},
    silent::Imports,
};
use crate::{
    clock::{Clock, UnixTime},
    config::{IdentityConfig, ValidConfig},
    error::{ConfigError, Error, ErrorKind},
    protocol::{Provider, TokenParams},
    secret::{Secret, base64url, from_base64url},
    single_flight::{Tasks, Tokio, to_the_end},
    tokens::{CacheOwner, Grants, Partitions, Scopes, TokenRequest},
};

/// One application at one provider, with its token cache.
///
/// A clone is cheap and shares the cache.
///
/// ```no_run
/// use tower_identity::{
///     Authority, ClientCredential, IdentityConfig,
///     client::{Client, TokenRequest},
/// };
///
/// # async fn daemon() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::entra("contoso.onmicrosoft.com")?;
/// let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
///     .with_credential(ClientCredential::certificate_file("/run/secrets/app.pem"));
/// let client = Client::new(config)?;
/// let request = TokenRequest::new(["https://graph.microsoft.com/.default"])?;
/// println!("{:?}", client.for_app(&request).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<ClientParts>);

/// The provider, and the token request, of one sign-in.
#[derive(Clone)]
pub(super) struct SignInRequest {
    pub(super) provider: Provider,
    /// Includes the scopes of the sign-in itself (`openid` …).
    pub(super) request: TokenRequest,
    /// The grant of a sign-in; `None` for a refresh token.
    pub(super) source: Option<AccountSource>,
    /// The user name that the application sends, for an ID token without one.
    pub(super) username: Option<String>,
}

impl SignInRequest {
    /// The same sign-in by this grant.
    pub(super) fn by(self, source: AccountSource) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The parameters of the token endpoint, with these scopes.
    pub(super) fn asked<'a>(&'a self, scopes: &'a str) -> TokenParams<'a> {
        self.request.params(scopes)
    }
}

/// The time after which a stored cache is useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CacheEnd {
    /// The cache contains nothing that can still be used.
    Empty,
    /// The last usable entry expires at this time.
    At(UnixTime),
    /// The cache contains a refresh token without a known end.
    Open,
}

/// Partitions without an end report one that is later than this.
const FAR: UnixTime = UnixTime::from_seconds(i64::MAX / 2);

/// The shared state of all clones of a client.
pub(super) struct ClientParts {
    pub(super) provider: Provider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) users: Grants,
    pub(super) apps: Grants,
    pub(super) assertions: Grants,
    pub(super) work: Grants,
    pub(super) tasks: Arc<dyn Tasks>,
    pub(super) imports: Imports,
}

impl Client {
    /// A client for this application and provider. The parts of the configuration for web pages
    /// (base URL, paths, cookies, lifetimes) are ignored; the base URL may be missing.
    ///
    /// # Errors
    ///
    /// Those of [`IdentityConfig::build`]: a setting is missing, has no effect or contradicts
    /// another; a certificate cannot be loaded.
    pub fn new(config: IdentityConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A builder that also takes an HTTP client or a clock.
    pub fn builder(config: IdentityConfig) -> ClientBuilder {
        ClientBuilder::new(config)
    }

    /// A client over an existing provider, which shares the fetched metadata and keys.
    pub(crate) fn over(provider: Provider) -> Self {
        Self::of(provider, Arc::new(Tokio))
    }

    pub(super) fn of(provider: Provider, tasks: Arc<dyn Tasks>) -> Self {
        let clock = Arc::clone(provider.clock());
        let partitions = Arc::new(Partitions::new(Arc::clone(&clock)));
        let grants = |refresher| {
            Grants::in_memory(
                Arc::clone(&tasks),
                Arc::clone(&partitions),
                refresher,
                Arc::clone(&clock),
            )
        };
        let users = grants(Arc::new(UserRefresher(provider.clone())));
        let apps = grants(Arc::new(AppRefresher(provider.clone())));
        let assertions = grants(Arc::new(OnBehalfRefresher(provider.clone())));
        let work = grants(Arc::new(LongRunningRefresher(provider.clone())));
        Self(Arc::new(ClientParts {
            provider,
            clock,
            users,
            apps,
            assertions,
            work,
            imports: Imports::new(Arc::clone(&tasks)),
            tasks,
            partitions,
        }))
    }

    pub(super) fn shared(&self) -> &ClientParts {
        &self.0
    }

    /// Runs `work` in a task of its own, so that it finishes if the caller's future is dropped. The
    /// provider invalidates a code or a rotating refresh token when it receives it: without the
    /// answer the grant would be lost.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        to_the_end(&*self.0.tasks, work.in_current_span()).await?
    }

    /// Whether the exported cache contains this text.
    #[cfg(test)]
    pub(crate) fn keeps(&self, text: &str) -> bool {
        self.exported().windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// All accounts in the cache, sorted by user name.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts: Vec<Account> = self
            .0
            .partitions
            .about(Partition::Users.prefix())
            .iter()
            .filter_map(|raw| Account::from_raw(raw))
            .collect();
        // The partitions have no order of their own.
        accounts.sort_by(|one, other| {
            (one.username(), one.home_account_id())
                .cmp(&(other.username(), other.home_account_id()))
        });
        accounts
    }

    /// The accounts with that user name, ignoring case. Several people can have the same name in
    /// different tenants.
    #[must_use]
    pub fn accounts_named(&self, username: &str) -> Vec<Account> {
        let wanted = username.to_lowercase();
        let mut accounts = self.accounts();
        accounts
            .retain(|account| account.username().is_some_and(|name| name.to_lowercase() == wanted));
        accounts
    }

    /// Removes an account with all its tokens; `false` if it was not in the cache. An in-flight
    /// refresh does not re-create it. The person stays signed in at the
    /// provider, which gets no request.
    #[allow(clippy::must_use_candidate, reason = "most callers do not care whether it was there")]
    pub fn remove_account(&self, account: &Account) -> bool {
        self.0.imports.forget(Some(account));
        self.0.partitions.remove_of(&account.partition(), |person| account.is(person))
    }

    /// Removes the tokens of the application itself. Accounts stay.
    pub fn remove_app_tokens(&self) {
        self.0.partitions.remove_all(Partition::Apps.prefix());
    }

    /// Exports the whole cache as one text, to be stored in a file or a database.
    ///
    /// [`StoredCaches`](crate::StoredCaches) does this, encrypted, with any store of the
    /// `tower-sessions` family.
    ///
    /// ```
    /// use tower_identity::client::Client;
    ///
    /// /// Stores the cache in a file, encrypted with a function of the application.
    /// fn keep(
    ///     client: &Client,
    ///     file: &std::path::Path,
    ///     encrypt: fn(&str) -> Vec<u8>,
    /// ) -> std::io::Result<()> {
    ///     std::fs::write(file, encrypt(client.export_cache().expose()))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// The text contains refresh tokens. It is encoded, not encrypted: encrypt it before storing.
    #[must_use]
    pub fn export_cache(&self) -> Secret {
        base64url(&self.exported()).into()
    }

    /// Replaces the whole cache by an exported one. A text that comes from a file goes in by
    /// `Secret::from(text)`.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the text is damaged, of another version, or from another client ID or
    /// authority. The cache is unchanged: people may have to sign in again, and nothing else is
    /// lost.
    pub fn import_cache(&self, exported: &Secret) -> Result<(), Error> {
        let exported = from_base64url(exported.expose()).map(Zeroizing::new).unwrap_or_default();
        self.imported(&exported).map_err(|problem| Error::new(ErrorKind::RequestInvalid, problem))
    }

    /// The whole cache as one record, to be encrypted by the caller.
    pub(crate) fn exported(&self) -> Zeroizing<Vec<u8>> {
        self.0.partitions.export(self.owner())
    }

    /// Like [`import_cache`](Self::import_cache), for a record of [`exported`](Self::exported).
    pub(crate) fn imported(&self, exported: &[u8]) -> Result<(), String> {
        self.0.partitions.import(&self.owner(), exported)
    }

    fn owner(&self) -> CacheOwner {
        let config = self.0.provider.config();
        CacheOwner {
            client_id: config.client_id().into(),
            authority: config.authority().name().into(),
        }
    }

    /// Whether a stored flow with this client ID and authority was begun by this client. Another
    /// provider must not get its code (RFC 9700 section 4.4, mix-up).
    pub(super) fn has_begun(&self, client_id: &str, authority: &str) -> bool {
        let config = self.config();
        client_id == config.client_id() && authority == config.authority().name()
    }

    /// A number that grows with every change of the cache. If it equals the value at the last
    /// export, there is nothing new to store.
    #[must_use]
    pub fn cache_changes(&self) -> u64 {
        self.0.partitions.changes()
    }

    /// These scopes and those of the sign-in itself (`openid` …), without duplicates.
    pub(super) fn with_openid_scopes(&self, scopes: &Scopes) -> Result<Scopes, Error> {
        Scopes::asked(
            self.0
                .provider
                .config()
                .openid_scopes()
                .iter()
                .map(String::as_str)
                .chain(scopes.iter()),
        )
    }

    /// The sign-in that acquires the tokens of this request.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: a scope is not valid; those of [`provider_in`](Self::provider_in).
    pub(super) fn signing_in(&self, request: &TokenRequest) -> Result<SignInRequest, Error> {
        let scopes = self.with_openid_scopes(&Scopes::asked(request.scopes())?)?;
        Ok(SignInRequest {
            provider: self.provider_in(request.tenant())?,
            request: request.signing_in_with(scopes),
            source: None,
            username: None,
        })
    }

    /// The provider for a sign-in in this tenant; `None` means the authority's own.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the authority is another tenant, or has no tenants; `TenantNotAllowed`.
    pub(super) fn provider_in(&self, tenant: Option<&str>) -> Result<Provider, Error> {
        let provider = &self.0.provider;
        match tenant {
            None => Ok(provider.clone()),
            Some(tenant)
                if provider.authority().is_multi_tenant()
                    || provider.authority().is_tenant(tenant) =>
            {
                provider.in_tenant(tenant)
            }
            Some(_) => Err(Error::new(
                ErrorKind::RequestInvalid,
                "a sign-in names a tenant where the authority stands for many (`common`, \
                 `organizations`); otherwise it is the authority's",
            )),
        }
    }

    pub(crate) fn config(&self) -> &ValidConfig {
        self.0.provider.config()
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// A client of the same application with an empty cache of its own; `tasks` runs its work.
    pub(crate) fn with_own_cache(&self, tasks: Arc<dyn Tasks>) -> Self {
        Self::of(self.0.provider.clone(), tasks)
    }

    /// Merges an exported cache into this one: entries that are newer, or missing here. `false` if
    /// the record cannot be read.
    pub(crate) fn merged(&self, exported: &[u8]) -> bool {
        self.0.partitions.merge(&self.owner(), exported)
    }

    /// Empties the cache.
    pub(crate) fn clear_cache(&self) {
        self.0.imports.forget(None);
        self.0.partitions.remove_all("");
    }

    /// The time after which the cache is useless, for the lifetime of a stored copy.
    pub(crate) fn cache_end(&self) -> CacheEnd {
        let now = self.now();
        let mut all = CacheEnd::Empty;
        self.0.partitions.each(|name, ends, record| {
            let is_renewed = Partition::of(name).is_none_or(Partition::has_refresh_tokens)
                && record.refresh_token().is_some();
            let end = match record.last_end() {
                _ if is_renewed => ends,
                Some(end) => end.min(ends),
                None => return,
            };
            if end > now {
                all = all.max(if is_renewed && end >= FAR {
                    CacheEnd::Open
                } else {
                    CacheEnd::At(end)
                });
            }
        });
        all
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
