//! [`Client`]: one application at one provider, and what it keeps.

use std::{fmt, sync::Arc};

use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{
    Account,
    builder::ClientBuilder,
    refreshers::{ForApp, ForUser, ForWork, OnBehalf},
    silent::Imports,
};
use crate::{
    clock::{Clock, UnixTime},
    config::{IdentityConfig, ValidConfig},
    error::{ConfigError, Error, ErrorKind},
    protocol::{Provider, TokenParams},
    secret::{Secret, base64url, from_base64url},
    single_flight::{SingleFlight, Tasks, Tokio, to_the_end},
    tokens::{CacheOwner, Grants, Partitions, Scopes, TokenRequest},
};

/// How the names of partitions begin: those of accounts, of the application in one tenant, of one
/// assertion, of one imported refresh token.
pub(super) const USERS: &str = "u:";
pub(super) const APPS: &str = "a:";
pub(super) const ASSERTIONS: &str = "o:";
pub(super) const IMPORTS: &str = "i:";
pub(super) const WORK: &str = "w:";

/// One application at one provider. Cloning it is cheap; clones share everything.
#[derive(Clone)]
pub struct Client(Arc<ClientParts>);

/// What is sent for a sign-in, and to whom.
#[derive(Clone)]
pub(super) struct SignInRequest {
    pub(super) provider: Provider,
    /// With the scopes of the sign-in itself.
    pub(super) request: TokenRequest,
}

impl SignInRequest {
    /// What is asked for, with these scopes.
    pub(super) fn asked<'a>(&'a self, scopes: &'a str) -> TokenParams<'a> {
        TokenParams {
            scopes,
            resource: self.request.resource(),
            client_claims: self.request.client_claims(),
            challenge: self.request.challenge(),
        }
    }
}

/// Until when a cache is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CacheEnd {
    /// Nothing is in it that lasts.
    Empty,
    /// The last that is in it ends then.
    At(UnixTime),
    /// Something in it can be renewed.
    Open,
}

/// Partitions without an end have one that is later than this.
const FAR: UnixTime = UnixTime::from_seconds(i64::MAX / 2);

/// What the parts of the client work with.
pub(super) struct ClientParts {
    pub(super) provider: Provider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) users: Grants,
    pub(super) apps: Grants,
    pub(super) assertions: Grants,
    pub(super) work: Grants,
    pub(super) tasks: Arc<dyn Tasks>,
    pub(super) imports: Arc<Imports>,
}

impl Client {
    /// The application that this configuration describes. What belongs to pages in it (base URL,
    /// paths, cookies, lifetimes) is not read; the base URL may be missing.
    ///
    /// # Errors
    ///
    /// As [`IdentityConfig::build`]: something is missing, contradicts itself or has no effect; a
    /// certificate cannot be loaded.
    pub fn new(config: IdentityConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// The same with an HTTP client or a clock of your own.
    pub fn builder(config: IdentityConfig) -> ClientBuilder {
        ClientBuilder::new(config)
    }

    /// The application at a provider that is there already, with what that has fetched.
    pub(crate) fn over(provider: Provider, clock: Arc<dyn Clock>) -> Self {
        Self::of(provider, clock, Arc::new(Tokio))
    }

    pub(super) fn of(provider: Provider, clock: Arc<dyn Clock>, tasks: Arc<dyn Tasks>) -> Self {
        let partitions = Arc::new(Partitions::new(Arc::clone(&clock)));
        let grants = |refresher| {
            Grants::in_memory(
                Arc::clone(&tasks),
                Arc::clone(&partitions),
                refresher,
                Arc::clone(&clock),
            )
        };
        let users = grants(Arc::new(ForUser(provider.clone())));
        let apps = grants(Arc::new(ForApp(provider.clone())));
        let assertions = grants(Arc::new(OnBehalf(provider.clone())));
        let work = grants(Arc::new(ForWork(provider.clone())));
        Self(Arc::new(ClientParts {
            provider,
            clock,
            users,
            apps,
            assertions,
            work,
            imports: SingleFlight::new(Arc::clone(&tasks)),
            tasks,
            partitions,
        }))
    }

    pub(super) fn shared(&self) -> &ClientParts {
        &self.0
    }

    /// Runs in a task of its own what must not be broken off with the caller: a code or a rotating
    /// refresh token is spent as soon as it is sent.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        to_the_end(&*self.0.tasks, work.in_current_span()).await?
    }

    /// Whether this text is anywhere in what is kept.
    #[cfg(test)]
    pub(crate) fn keeps(&self, text: &str) -> bool {
        self.exported().windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// Everybody whose tokens are kept, by user name.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts: Vec<Account> = self
            .0
            .partitions
            .about(USERS)
            .iter()
            .filter_map(|raw| Account::from_raw(raw))
            .collect();
        accounts.sort_by(|one, other| {
            (one.username(), one.home_account_id())
                .cmp(&(other.username(), other.home_account_id()))
        });
        accounts
    }

    /// Those of that user name, in whatever case it is written. Several people can have one name,
    /// in different tenants.
    #[must_use]
    pub fn accounts_named(&self, username: &str) -> Vec<Account> {
        let wanted = username.to_lowercase();
        let mut accounts = self.accounts();
        accounts
            .retain(|account| account.username().is_some_and(|name| name.to_lowercase() == wanted));
        accounts
    }

    /// Removes an account with all its tokens, and says whether there was one. A refresh that is on
    /// its way brings it not back. The provider is not told.
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
    /// [`StoredCaches`](crate::StoredCaches) does that with any store of the `tower-sessions`
    /// family, sealed.
    ///
    /// ```
    /// use tower_identity::client::Client;
    ///
    /// /// Keeps the cache in a file that nobody else may read, encrypted as the application does that.
    /// fn keep(client: &Client, file: &std::path::Path, encrypt: fn(&str) -> Vec<u8>) -> std::io::Result<()> {
    ///     std::fs::write(file, encrypt(client.export_cache().expose()))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// It holds refresh tokens, encoded and not encrypted. Encrypt it wherever it rests.
    #[must_use]
    pub fn export_cache(&self) -> Secret {
        base64url(&self.exported()).into()
    }

    /// Replaces everything that is kept by what was exported, and says whether it could be read. If
    /// it could not, being broken, of another version or exported by a client with another client
    /// ID or authority, what is kept stays: then people sign in again, and nothing else is lost.
    #[must_use]
    pub fn import_cache(&self, exported: &Secret) -> bool {
        from_base64url(exported.expose())
            .map(Zeroizing::new)
            .is_some_and(|exported| self.imported(&exported))
    }

    /// Everything that is kept, as one record, for a seal.
    pub(crate) fn exported(&self) -> Zeroizing<Vec<u8>> {
        self.0.partitions.export(self.owner())
    }

    /// As [`import_cache`](Self::import_cache), of what was [exported](Self::exported).
    pub(crate) fn imported(&self, exported: &[u8]) -> bool {
        self.0.partitions.import(&self.owner(), exported)
    }

    fn owner(&self) -> CacheOwner {
        let config = self.0.provider.config();
        CacheOwner {
            client_id: config.client_id().into(),
            authority: config.authority().name().into(),
        }
    }

    /// A number that grows with every change of what is kept: if it is the same as after the last
    /// export, there is nothing to store.
    #[must_use]
    pub fn cache_changes(&self) -> u64 {
        self.0.partitions.changes()
    }

    /// These scopes and those of the sign-in itself, each once.
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

    /// What a sign-in asks for that was asked to bring this.
    pub(super) fn signing_in(&self, request: &TokenRequest) -> Result<SignInRequest, Error> {
        let scopes = self.with_openid_scopes(&Scopes::asked(request.scopes())?)?;
        Ok(SignInRequest {
            provider: self.provider_in(request.tenant())?,
            request: request.signing_in_with(scopes),
        })
    }

    /// The provider in the tenant that a sign-in is asked for in.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the authority is that of another tenant, or of none; `TenantNotAllowed`.
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
                "a sign-in names a tenant where the authority stands for many (`common`, `organizations`); otherwise it is the authority's",
            )),
        }
    }

    pub(crate) fn config(&self) -> &ValidConfig {
        self.0.provider.config()
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// A client of the same application with a cache of its own, whose work is done by these tasks.
    pub(crate) fn with_own_cache(&self, tasks: Arc<dyn Tasks>) -> Self {
        Self::of(self.0.provider.clone(), Arc::clone(&self.0.clock), tasks)
    }

    /// Takes over from what was exported what is newer than what is kept, or missing from it; says
    /// whether it could be read.
    pub(crate) fn merged(&self, exported: &[u8]) -> bool {
        self.0.partitions.merge(&self.owner(), exported)
    }

    /// Removes everything that is kept.
    pub(crate) fn clear_cache(&self) {
        self.0.partitions.remove_all("");
    }

    /// Until when what is kept is of use.
    pub(crate) fn cache_end(&self) -> CacheEnd {
        let now = self.now();
        let mut all = CacheEnd::Empty;
        self.0.partitions.each(|name, ends, record| {
            let is_renewed = [USERS, IMPORTS].iter().any(|kind| name.starts_with(kind))
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
