//! [`StoredCaches`]: the token caches of a [`Client`] in any store of the `tower-sessions` family.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync;
use zeroize::Zeroizing;

use super::{
    into_store::IntoSessionStore,
    records::RecordId,
    seal::{KeyRing, NamedRow, RowPurpose},
    store::{Sealed, Store},
};
use crate::{
    client::{CacheEnd, Client},
    config::CookieKeySource,
    error::{ConfigError, Error, ErrorKind},
    single_flight::{Task, Tasks, Tokio, to_the_end},
};

/// So many caches stay in memory although nobody uses them.
const MOST_IDLE: usize = 1_000;
const DEFAULT_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Keeps what a [`Client`] obtains in a store of the `tower-sessions` family (Redis, SQL, moka, …),
/// one cache per name: one for each person of a web application, one for the application itself.
///
/// - What is stored is sealed under the configured cookie secrets: the store sees neither a token
///   nor whose it is, and a forged row opens nothing. Secrets rotate as those of cookies do. The
///   keys depend on client id, authority and base URL as well: processes that share caches have the
///   same.
/// - The store is asked at every [use](Self::with); a cache that it holds unchanged is not opened
///   again. Uses of one name at the same time share one client in this process, with its flights: a
///   refresh token is sent once.
/// - Memory comes first, then the store. A use whose tokens changed waits for one write; one that
///   changed nothing waits for none. What is obtained for a caller who has gone away is written,
///   too.
/// - A store that is down fails nothing: there is a warning, what this process has goes on working,
///   and is written at the next use, or by [`flush`](Self::flush). A row that cannot be read counts
///   as empty, with a warning.
/// - Of several processes that change one cache at the same time the last one wins; what the others
///   obtained is obtained again. Where the provider takes a refresh token only once, keep the
///   sessions of a web application in the layer, which has a [`RefreshLock`](crate::RefreshLock).
///
/// ```
/// use tower_identity::{AccessToken, Error, StoredCaches, User, client::{Account, Silent, TokenRequest}};
///
/// /// One cache for the application.
/// async fn of_the_application(caches: &StoredCaches) -> Result<AccessToken, Error> {
///     let request = TokenRequest::new(["https://graph.microsoft.com/.default"])?;
///     caches.with("the application", |client| async move { client.for_app(&request).await }).await
/// }
///
/// /// One for each person, named by what never changes about them.
/// async fn of_a_person(caches: &StoredCaches, user: &User, account: Account) -> Result<Silent, Error> {
///     let request = TokenRequest::new(["User.Read"])?;
///     caches.with(&user.key().to_string(), |client| async move { client.acquire_silent(&account, &request).await }).await
/// }
/// ```
#[derive(Clone)]
pub struct StoredCaches {
    shared: Arc<CacheParts>,
}

struct CacheParts {
    client: Client,
    keys: Arc<KeyRing>,
    store: Store,
    lifetime: Duration,
    waits: bool,
    live: Mutex<HashMap<Box<str>, Arc<Live>>>,
}

/// A cache in this process.
struct Live {
    rows: Vec<NamedRow>,
    client: Client,
    /// How many are using it now.
    users: AtomicUsize,
    synced: sync::Mutex<Synced>,
}

/// What is known to be in the store.
#[derive(Default)]
struct Synced {
    /// Whether the store has been read.
    looked: bool,
    row: Option<Sealed>,
    /// What [`Client::cache_changes`] was then; `None` if the row has to be written anew.
    changes: Option<u64>,
}

impl StoredCaches {
    /// Caches for this client's application, in this store. The client's own cache is not read.
    ///
    /// # Errors
    ///
    /// The cookie secret is neither configured nor derived from a client secret: what is sealed now
    /// could not be opened after a restart.
    pub fn new<Kind>(
        client: &Client,
        store: impl IntoSessionStore<Kind>,
    ) -> Result<Self, ConfigError> {
        Self::over(client, Store::shared(store.into_store(), client.config().store_timeout()))
    }

    fn over(client: &Client, store: Store) -> Result<Self, ConfigError> {
        let config = client.config();
        if config.cookie_key_source() == CookieKeySource::Random {
            return Err(ConfigError::new(
                "StoredCaches::new",
                "caches in a store outlive this process, but the cookie secret does not: set one with IdentityConfig::with_cookie_secrets (or IDENTITY_COOKIE_SECRET), 32 random characters or more",
            ));
        }
        // As those of sessions: another application that shares secret, store and client id opens
        // nothing. One without pages needs no base URL, and has the same placeholder everywhere.
        let binding = [
            config.client_id().as_bytes(),
            config.authority().name().as_bytes(),
            config.base_url().as_bytes(),
        ];
        let keys = KeyRing::new(config.cookie_keys(), &binding)
            .map(Arc::new)
            .map_err(|error| ConfigError::new("StoredCaches::new", error.to_string()))?;
        let client = client.clone();
        Ok(Self::of(CacheParts {
            client,
            keys,
            store,
            lifetime: DEFAULT_LIFETIME,
            waits: true,
            live: Mutex::default(),
        }))
    }

    /// How long a cache is kept after its last change. The default is 7 days. It ends sooner where
    /// everything in it does: tokens of the application, and those on behalf of a caller, cannot be
    /// renewed from it.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        self.rebuilt(|shared| shared.lifetime = lifetime)
    }

    /// Does not wait for the store to have what changed. The default is to wait: then another
    /// process finds it, and a crash loses nothing. It is written all the same.
    #[must_use]
    pub fn without_waiting(self) -> Self {
        self.rebuilt(|shared| shared.waits = false)
    }

    fn rebuilt(self, change: impl FnOnce(&mut CacheParts)) -> Self {
        let CacheParts { client, store, lifetime, waits, .. } = &*self.shared;
        let (client, store, keys, live) =
            (client.clone(), store.clone(), Arc::clone(&self.shared.keys), Mutex::default());
        let mut shared =
            CacheParts { client, keys, store, lifetime: *lifetime, waits: *waits, live };
        change(&mut shared);
        Self::of(shared)
    }

    fn of(shared: CacheParts) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Does some work with the client whose cache has this name, and keeps what changed.
    ///
    /// The work may be dropped like every future; what it obtained by then, or has sent for, is
    /// kept.
    pub async fn with<T, F: Future<Output = T>>(
        &self,
        name: &str,
        work: impl FnOnce(Client) -> F,
    ) -> T {
        let live = self.live(name);
        let using = Using::new(&live);
        self.shared.look(&live, &mut *live.synced.lock().await).await;
        let outcome = work(live.client.clone()).await;
        drop(using);
        if self.shared.waits {
            self.written(&live).await;
        } else {
            self.write_behind(&live);
        }
        outcome
    }

    /// Removes the cache of this name, here and in the store.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: the row may still be there. What this process had is gone.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let live = self.live(name);
        let mut synced = live.synced.lock().await;
        live.client.clear_cache();
        for row in &live.rows {
            self.shared.store.delete(RecordId::from_bytes(row.id)).await?;
        }
        *synced = Synced { looked: true, row: None, changes: Some(live.client.cache_changes()) };
        Ok(())
    }

    /// Writes what the store has not got yet, as before the process ends.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: something could not be written.
    pub async fn flush(&self) -> Result<(), Error> {
        let all: Vec<_> = self.shared.live().values().cloned().collect();
        let mut outcome = Ok(());
        for live in all {
            outcome = outcome.and(self.shared.keep(&live).await);
        }
        outcome
    }

    /// To the end, also if the caller goes away.
    async fn written(&self, live: &Arc<Live>) {
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(live));
        let _ = to_the_end(&Tokio, async move { shared.warn(shared.keep(&own).await) }).await;
    }

    fn write_behind(&self, live: &Arc<Live>) {
        let (shared, live) = (Arc::clone(&self.shared), Arc::clone(live));
        let writing = async move { shared.warn(shared.keep(&live).await) };
        self.shared.warn(Tokio.spawn(Box::pin(writing)));
    }

    fn live(&self, name: &str) -> Arc<Live> {
        let mut all = self.shared.live();
        if let Some(live) = all.get(name) {
            return Arc::clone(live);
        }
        if all.len() >= MOST_IDLE {
            all.retain(|_, live| Arc::strong_count(live) > 1 || !live.is_written());
        }
        let live = Arc::new_cyclic(|live| {
            let tasks =
                Arc::new(Writing { live: live.clone(), shared: Arc::downgrade(&self.shared) });
            Live {
                rows: self.shared.keys.named_rows(RowPurpose::Cache, name),
                client: self.shared.client.with_own_cache(tasks),
                users: AtomicUsize::new(0),
                synced: sync::Mutex::default(),
            }
        });
        all.insert(name.into(), Arc::clone(&live));
        live
    }
}

impl CacheParts {
    fn live(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store has, taken over if it is not what this process knows.
    async fn look(&self, live: &Live, synced: &mut Synced) {
        // Whoever is at work already has just looked, and what they have obtained is not to be
        // taken from under them.
        if synced.looked && live.users.load(SeqCst) > 1 {
            return;
        }
        let (row, is_current) = match self.load(live, synced).await {
            Ok(found) => found,
            // The store has warned.
            Err(_) => return,
        };
        if synced.looked && row == synced.row {
            return;
        }
        let unwritten = live.changes_since(synced);
        match &row {
            Some(sealed) => match self.open(live, sealed) {
                Some(plain) if unwritten && live.client.merged(&plain) => synced.changes = None,
                Some(plain) if !unwritten && live.client.imported(&plain) => {
                    synced.changes = is_current.then(|| live.client.cache_changes());
                }
                _ => {
                    tracing::warn!("a token cache in the store cannot be read: it counts as empty");
                    synced.changes = None;
                }
            },
            // Somebody has removed it, or its time has come.
            None if synced.row.is_some() && !unwritten => {
                live.client.clear_cache();
                synced.changes = Some(live.client.cache_changes());
            }
            None if synced.changes.is_none() && !unwritten => {
                synced.changes = Some(live.client.cache_changes())
            }
            None => {}
        }
        synced.looked = true;
        synced.row = row.filter(|_| is_current);
    }

    /// The row under the current secret, or under an older one.
    async fn load(&self, live: &Live, synced: &Synced) -> Result<(Option<Sealed>, bool), Error> {
        let now = self.client.now();
        for (index, row) in live.rows.iter().enumerate() {
            if let Some(sealed) = self.store.load(RecordId::from_bytes(row.id), now).await? {
                return Ok((Some(sealed), index == 0));
            }
            // It was moved when it was first read.
            if synced.looked {
                break;
            }
        }
        Ok((None, true))
    }

    fn open(&self, live: &Live, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = sealed.bytes()?;
        let open =
            |row: &NamedRow| self.keys.open_row(RowPurpose::Cache, &row.id, &row.key, &bytes);
        live.rows.iter().find_map(open).map(Zeroizing::new)
    }

    /// Writes the cache if it is not what the store has. Those who come meanwhile wait for the same
    /// write.
    async fn keep(&self, live: &Live) -> Result<(), Error> {
        let mut synced = live.synced.lock().await;
        let changes = live.client.cache_changes();
        if synced.changes.unwrap_or_default() == changes
            && (synced.changes.is_some() || !synced.looked)
        {
            return Ok(());
        }
        if !synced.looked {
            // What is there is not to be written over unseen.
            self.look(live, &mut synced).await;
            if !synced.looked {
                return Err(Error::new(
                    ErrorKind::StoreUnavailable,
                    "the store cannot be read, so nothing is written to it",
                ));
            }
        }
        let changes = live.client.cache_changes();
        let now = self.client.now();
        let Some(row) = live.rows.first() else { return Ok(()) };
        let id = RecordId::from_bytes(row.id);
        let expires = match live.client.cache_end() {
            CacheEnd::Empty => {
                self.store.delete(id).await?;
                *synced = Synced { looked: true, row: None, changes: Some(changes) };
                return Ok(());
            }
            CacheEnd::At(end) => end.min(now + self.lifetime),
            CacheEnd::Open => now + self.lifetime,
        };
        let plain = live.client.exported();
        let sealed = self.keys.seal_row(RowPurpose::Cache, &row.id, &row.key, &plain)?;
        let over = match &synced.row {
            Some(_) => self.store.save(id, sealed.clone(), expires, now).await.ok(),
            None => None,
        };
        let written = match over {
            Some(written) => written,
            None => self.store.insert(id, sealed, expires, now).await?,
        };
        *synced = Synced { looked: true, row: Some(written), changes: Some(changes) };
        Ok(())
    }

    /// What was obtained works on from memory.
    fn warn(&self, outcome: Result<(), Error>) {
        if let Err(error) = outcome {
            tracing::warn!(reason = error.reason(), %error, "a token cache is not in the store yet");
        }
    }
}

impl Live {
    /// Whether there is something here that the store has never had.
    fn changes_since(&self, synced: &Synced) -> bool {
        let changes = self.client.cache_changes();
        synced.changes.map_or(changes > 0, |before| before != changes)
    }

    fn is_written(&self) -> bool {
        self.synced.try_lock().is_ok_and(|synced| !self.changes_since(&synced))
    }
}

/// Somebody at work with a cache.
struct Using<'a>(&'a Live);

impl<'a> Using<'a> {
    fn new(live: &'a Live) -> Self {
        live.users.fetch_add(1, SeqCst);
        Self(live)
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, SeqCst);
    }
}

/// Whatever the client does in a task of its own is written when it is done, also if nobody waits
/// for it any more.
struct Writing {
    live: Weak<Live>,
    shared: Weak<CacheParts>,
}

impl Tasks for Writing {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        let (live, shared) = (self.live.clone(), self.shared.clone());
        Tokio.spawn(Box::pin(async move {
            task.await;
            if let (Some(live), Some(shared)) = (live.upgrade(), shared.upgrade()) {
                shared.warn(shared.keep(&live).await);
            }
        }))
    }

    fn pause(&self, duration: Duration) -> Task {
        Tokio.pause(duration)
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writing")
    }
}

impl fmt::Debug for StoredCaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCaches")
            .field("client", &self.shared.client)
            .field("lifetime", &self.shared.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "caches_tests.rs"]
mod tests;
