//! [`StoredCaches`]: token caches of a [`Client`], sealed in a `tower-sessions` store.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync;
use zeroize::Zeroizing;

use super::{
    into_store::IntoSessionStore,
    memory_caches::{MemoryCache, MemoryCaches, StoredState, UseCount},
    records::RecordId,
    store::{SealedRow, Store},
};
use crate::{
    client::{CacheEnd, Client},
    error::{ConfigError, Error, ErrorKind},
    seal::{KeyRing, NamedRow, RowPurpose},
    single_flight::{Task, Tasks, Tokio, to_the_end},
};

/// Number of failed writes in a row after which idle caches are not written for now.
const MOST_FAILURES: u8 = 3;
const DEFAULT_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Token caches of a [`Client`] in a `tower-sessions` store (Redis, SQL, moka, …): tokens survive a
/// restart and are shared by several processes.
///
/// Each cache has a name: for example one for each person of a web application, and one for the
/// application itself.
///
/// - **Sealed.** Rows are encrypted under the configured cookie secrets. The store sees neither a
///   token nor its owner, and a forged row does not open. Secrets rotate like those of cookies. The
///   keys also depend on client id, authority and base URL, which must be equal in all processes
///   that share caches.
/// - **Reading.** A [use](Self::with) that has the cache to itself reads the row; an unchanged row
///   is not decrypted again. Concurrent uses of one name in a process share one client, so a
///   refresh token is sent once.
/// - **Writing.** A use that changed the cache waits for one write. A use that changed nothing
///   writes nothing. Tokens that arrive after their caller was dropped are written as well.
/// - **Faults.** If the store is down, uses succeed with the tokens in memory, a warning is logged,
///   and the cache is written at the next use, by [`flush`](Self::flush), or when there are many
///   caches in memory. Above 16,000 caches that are not in the store idle ones are dropped, with a
///   warning. A row that cannot be opened counts as empty, with a warning.
/// - **Several writers.** If processes change one cache at the same time, the last write wins, and
///   lost tokens are requested again. If the provider accepts a refresh token only once, keep the
///   sessions of a web application in the layer instead, which has a
///   [`RefreshLock`](crate::RefreshLock).
///
/// ```
/// use tower_identity::{
///     AccessToken, Error, StoredCaches, User,
///     client::{Account, Client, SilentOutcome, TokenRequest},
/// };
///
/// /// One cache for the application.
/// async fn app_token(caches: &StoredCaches) -> Result<AccessToken, Error> {
///     let request = TokenRequest::new(["https://graph.microsoft.com/.default"])?;
///     caches.with("the application", |client| async move { client.for_app(&request).await }).await
/// }
///
/// /// One cache for each person, named by their key, which never changes.
/// async fn user_token(
///     caches: &StoredCaches,
///     user: &User,
///     account: Account,
/// ) -> Result<SilentOutcome, Error> {
///     let request = TokenRequest::new(["User.Read"])?;
///     let work = |client: Client| async move {
///         client.acquire_silent(&account, &request).await
///     };
///     caches.with(&user.key().to_string(), work).await
/// }
/// ```
#[derive(Clone)]
pub struct StoredCaches {
    shared: Arc<CacheParts>,
    settings: CacheSettings,
}

/// The settings, apart from the caches: changing one keeps the caches that are in memory.
#[derive(Clone, Copy, Debug)]
struct CacheSettings {
    /// Longest lifetime of a row after its last change.
    lifetime: Duration,
    /// Whether a use waits until its changes are stored.
    waits: bool,
}

struct CacheParts {
    client: Client,
    keys: Arc<KeyRing>,
    store: Store,
    entries: Mutex<MemoryCaches>,
    /// Whether a task writes the idle caches.
    is_writing_idle: AtomicBool,
}

impl StoredCaches {
    /// Caches for the application of this client, in this store. The tokens in the client's own
    /// cache are not copied.
    ///
    /// # Errors
    ///
    /// The cookie secret is neither configured nor derived from a client secret. The rows could not
    /// be opened after a restart.
    pub fn new<Kind>(
        client: &Client,
        store: impl IntoSessionStore<Kind>,
    ) -> Result<Self, ConfigError> {
        Self::over(client, Store::shared(store.into_store(), client.config().store_timeout()))
    }

    fn over(client: &Client, store: Store) -> Result<Self, ConfigError> {
        let config = client.config();
        config.require_lasting_secret("StoredCaches::new", "caches in a store")?;
        // The keys of sessions, bound to the application: one that shares secret, store and client
        // id opens no row of another one. Without pages the base URL is the same placeholder
        // everywhere.
        let keys = Arc::clone(config.keys());
        let client = client.clone();
        Ok(Self {
            shared: Arc::new(CacheParts {
                client,
                keys,
                store,
                entries: Mutex::default(),
                is_writing_idle: AtomicBool::new(false),
            }),
            settings: CacheSettings { lifetime: DEFAULT_LIFETIME, waits: true },
        })
    }

    /// Sets how long a row is kept after its last change. The default is 7 days.
    ///
    /// A row without refresh tokens ends with the last of its tokens: those of the application
    /// itself and those on behalf of a caller cannot be renewed from the cache.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// Writes changes in the background. The default is to wait for the write, so that another
    /// process finds the tokens and a crash does not lose them.
    #[must_use]
    pub fn without_waiting(mut self) -> Self {
        self.settings.waits = false;
        self
    }

    /// Runs `work` with a client whose token cache is the one with this name, then stores the
    /// changes.
    ///
    /// The returned future may be dropped. Tokens that were obtained by then, or are being
    /// requested, are stored all the same.
    ///
    /// A store that is down is logged and does not fail the call.
    pub async fn with<T, F: Future<Output = T>>(
        &self,
        name: &str,
        work: impl FnOnce(Client) -> F,
    ) -> T {
        let entry = self.entry(name);
        let use_count = UseCount::new(&entry);
        // Without the row after the time limit of the store, which another use waits for then: with
        // a store that hangs the uses would otherwise fail one after the other.
        let limit = self.shared.client.config().store_timeout();
        if let Ok(mut stored) = tokio::time::timeout(limit, entry.stored.lock()).await {
            self.shared.refresh(&entry, &mut stored).await;
        }
        let outcome = work(entry.client.clone()).await;
        drop(use_count);
        if self.settings.waits {
            self.write(&entry).await;
        } else {
            self.write_in_background(&entry);
        }
        outcome
    }

    /// Removes the cache of this name from memory and from the store.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: the row may still be in the store. The tokens in memory are gone.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let entry = self.entry(name);
        let mut stored = entry.stored.lock().await;
        entry.client.clear_cache();
        self.shared.delete(&entry).await?;
        *stored =
            StoredState { is_read: true, row: None, changes: Some(entry.client.cache_changes()) };
        Ok(())
    }

    /// Writes all changes that are not in the store yet. Call it before the process ends.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: at least one cache could not be written. The others were.
    pub async fn flush(&self) -> Result<(), Error> {
        let all: Vec<_> = self.shared.entries().by_name.values().cloned().collect();
        let mut outcome = Ok(());
        for entry in all {
            outcome = outcome.and(self.shared.keep(&entry).await);
        }
        outcome
    }

    /// Writes in a task of its own, so that a dropped caller does not interrupt the write.
    async fn write(&self, entry: &Arc<MemoryCache>) {
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(entry));
        let _ = to_the_end(&Tokio, async move { shared.warn(shared.keep(&own).await) }).await;
    }

    fn write_in_background(&self, entry: &Arc<MemoryCache>) {
        let (shared, entry) = (Arc::clone(&self.shared), Arc::clone(entry));
        let write = async move { shared.warn(shared.keep(&entry).await) };
        self.shared.warn(Tokio.spawn(Box::pin(write)));
    }

    /// The cache of this name: the one in memory, or a new one that has not read its row yet.
    fn entry(&self, name: &str) -> Arc<MemoryCache> {
        let entry = self.entry_in_memory(name);
        entry.lifetime.store(self.settings.lifetime.as_secs(), SeqCst);
        entry
    }

    fn entry_in_memory(&self, name: &str) -> Arc<MemoryCache> {
        let mut all = self.shared.entries();
        if let Some(entry) = all.by_name.get(name) {
            return Arc::clone(entry);
        }
        if all.is_full() {
            let unwritten = all.evict(self.shared.client.now());
            self.write_idle(unwritten);
        }
        let entry = Arc::new_cyclic(|entry| {
            let tasks = Arc::new(WritingTasks {
                entry: entry.clone(),
                shared: Arc::downgrade(&self.shared),
            });
            MemoryCache {
                rows: self.shared.keys.named_rows(RowPurpose::Cache, name),
                client: self.shared.client.with_own_cache(tasks),
                lifetime: AtomicU64::default(),
                uses: AtomicUsize::new(0),
                stored: sync::Mutex::default(),
            }
        });
        all.by_name.insert(name.into(), Arc::clone(&entry));
        entry
    }

    /// Writes caches whose name may not be used again, one after the other, in one task at a time.
    /// Several failures in a row end it: the store is still down. A single one may be that of a
    /// cache that this store cannot keep.
    fn write_idle(&self, unwritten: Vec<Weak<MemoryCache>>) {
        if unwritten.is_empty() || self.shared.is_writing_idle.swap(true, SeqCst) {
            return;
        }
        let writing = WritingIdle(Arc::clone(&self.shared));
        let write = async move {
            // One that was evicted meanwhile is skipped.
            let (mut failures, mut idle) = (0, unwritten.iter().filter_map(Weak::upgrade));
            while failures < MOST_FAILURES
                && let Some(entry) = idle.next()
            {
                failures = if writing.0.keep(&entry).await.is_ok() { 0 } else { failures + 1 };
            }
        };
        self.shared.warn(Tokio.spawn(Box::pin(write)));
    }
}

/// The task that writes the idle caches, until it ends: also by a panic, or with its runtime.
struct WritingIdle(Arc<CacheParts>);

impl Drop for WritingIdle {
    fn drop(&mut self) {
        self.0.is_writing_idle.store(false, SeqCst);
    }
}

impl CacheParts {
    fn entries(&self) -> MutexGuard<'_, MemoryCaches> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the row, and takes it over into memory if it has changed.
    async fn refresh(&self, entry: &MemoryCache, stored: &mut StoredState) {
        // A concurrent use has just read the row. Importing it again could remove tokens that the
        // other use has obtained meanwhile.
        if stored.is_read && entry.uses.load(SeqCst) > 1 {
            return;
        }
        let (row, is_current) = match self.load(entry, stored).await {
            Ok(found) => found,
            // Logged by the store. The tokens in memory stay usable.
            Err(_) => return,
        };
        if stored.is_read && row == stored.row {
            return;
        }
        let unwritten = entry.changes_since(stored);
        match &row {
            Some(sealed) => match self.open(entry, sealed) {
                // Changed here and in the store: keep both, and write the union.
                Some(plain) if unwritten && entry.client.merged(&plain) => stored.changes = None,
                // A row under an older secret has to be written again under the current one.
                Some(plain) if !unwritten && entry.client.imported(&plain).is_ok() => {
                    stored.changes = is_current.then(|| entry.client.cache_changes());
                }
                _ => {
                    tracing::warn!("a token cache in the store cannot be read: it counts as empty");
                    stored.changes = None;
                }
            },
            // Another process has removed the row, or it has expired.
            None if stored.row.is_some() && !unwritten => {
                entry.client.clear_cache();
                stored.changes = Some(entry.client.cache_changes());
            }
            None if stored.changes.is_none() && !unwritten => {
                stored.changes = Some(entry.client.cache_changes())
            }
            None => {}
        }
        stored.is_read = true;
        stored.row = row.filter(|_| is_current);
    }

    /// The row under the current secret, else under an older one; and whether the secret is the
    /// current one.
    async fn load(
        &self,
        entry: &MemoryCache,
        stored: &StoredState,
    ) -> Result<(Option<SealedRow>, bool), Error> {
        let now = self.client.now();
        for (index, row) in entry.rows.iter().enumerate() {
            if let Some(sealed) = self.store.load(RecordId::from_bytes(row.id), now).await? {
                return Ok((Some(sealed), index == 0));
            }
            // After the first read the cache is in memory, and is written under the current secret.
            if stored.is_read {
                break;
            }
        }
        Ok((None, true))
    }

    fn open(&self, entry: &MemoryCache, sealed: &SealedRow) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = sealed.bytes()?;
        let open =
            |row: &NamedRow| self.keys.open_row(RowPurpose::Cache, &row.id, &row.key, &bytes);
        entry.rows.iter().find_map(open).map(Zeroizing::new)
    }

    /// Deletes the row under each secret.
    async fn delete(&self, entry: &MemoryCache) -> Result<(), Error> {
        for row in &entry.rows {
            self.store.delete(RecordId::from_bytes(row.id)).await?;
        }
        Ok(())
    }

    /// Writes the cache if it differs from its row. The lock is held during the write, so that
    /// concurrent callers wait for it instead of writing again.
    async fn keep(&self, entry: &MemoryCache) -> Result<(), Error> {
        let limit = self.client.config().store_timeout();
        let Ok(mut stored) = tokio::time::timeout(limit, entry.stored.lock()).await else {
            let busy = "another use of the cache waits for the store, which does not answer";
            return Err(Error::new(ErrorKind::StoreUnavailable, busy));
        };
        let changes = entry.client.cache_changes();
        if stored.changes.unwrap_or_default() == changes
            && (stored.changes.is_some() || !stored.is_read)
        {
            return Ok(());
        }
        if !stored.is_read {
            // The row may hold tokens of another process: merge them before it is overwritten.
            self.refresh(entry, &mut stored).await;
            if !stored.is_read {
                return Err(Error::new(
                    ErrorKind::StoreUnavailable,
                    "the store cannot be read, so nothing is written to it",
                ));
            }
        }
        let changes = entry.client.cache_changes();
        let now = self.client.now();
        let Some(row) = entry.rows.first() else { return Ok(()) };
        let id = RecordId::from_bytes(row.id);
        let longest = now + Duration::from_secs(entry.lifetime.load(SeqCst));
        let expires = match entry.client.cache_end() {
            CacheEnd::Empty => {
                // Those under older secrets, too: the next process would read one of them.
                self.delete(entry).await?;
                *stored = StoredState { is_read: true, row: None, changes: Some(changes) };
                return Ok(());
            }
            CacheEnd::At(end) => end.min(longest),
            CacheEnd::Open => longest,
        };
        let plain = entry.client.exported();
        let sealed = self.keys.seal_row(RowPurpose::Cache, &row.id, &row.key, &plain)?;
        let overwritten = match &stored.row {
            Some(_) => self.store.save(id, sealed.clone(), expires, now).await.ok(),
            None => None,
        };
        let written = match overwritten {
            Some(written) => written,
            // The row was evicted meanwhile, or there was none.
            None => self.store.insert(id, sealed, expires, now).await?,
        };
        *stored = StoredState { is_read: true, row: Some(written), changes: Some(changes) };
        Ok(())
    }

    /// Logs a failed write. It is no error for the caller, because the tokens are in memory.
    fn warn(&self, outcome: Result<(), Error>) {
        if let Err(error) = outcome {
            tracing::warn!(
                reason = error.reason(), %error, "a token cache is not in the store yet"
            );
        }
    }
}

/// Runs the tasks of a cache's client, and writes the cache after each task: the caller that
/// started a task may have been dropped before it ended.
struct WritingTasks {
    // Weak, because the entry's client owns this value.
    entry: Weak<MemoryCache>,
    shared: Weak<CacheParts>,
}

impl Tasks for WritingTasks {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        // The task uses the cache, also without its caller: an evicted one would lose the tokens,
        // and the next use of its name would send the same refresh token again.
        let (entry, shared) = (self.entry.upgrade(), self.shared.clone());
        Tokio.spawn(Box::pin(async move {
            task.await;
            if let (Some(entry), Some(shared)) = (entry, shared.upgrade()) {
                shared.warn(shared.keep(&entry).await);
            }
        }))
    }

    fn pause(&self, duration: Duration) -> Task {
        Tokio.pause(duration)
    }

    fn deadline(&self, duration: Duration) -> Task {
        Tokio.deadline(duration)
    }
}

impl fmt::Debug for WritingTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WritingTasks")
    }
}

impl fmt::Debug for StoredCaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCaches").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "caches_outage_tests.rs"]
mod outage_tests;
#[cfg(test)]
#[path = "caches_tests.rs"]
mod tests;
