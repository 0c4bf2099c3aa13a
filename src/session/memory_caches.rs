//! The token caches of [`StoredCaches`](super::StoredCaches) that are in memory, and which of them
//! leave it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::sync;

use super::store::SealedRow;
use crate::{
    client::{CacheEnd, Client},
    clock::UnixTime,
    seal::NamedRow,
};

/// Number of caches in memory above which idle ones are evicted that are in the store.
pub(super) const MOST_IDLE: usize = if cfg!(test) { 20 } else { 1_000 };
/// Number above which idle ones are evicted although they are not in the store: it is down.
pub(super) const MOST_UNWRITTEN: usize = 16 * MOST_IDLE;
/// Number of new caches between two evictions, each of which looks at all caches.
pub(super) const EVICTION_STEP: usize = MOST_IDLE / 10;

/// The caches that are in memory.
#[derive(Default)]
pub(super) struct MemoryCaches {
    pub(super) by_name: HashMap<Box<str>, Arc<MemoryCache>>,
    /// The number of caches at which idle ones are evicted next.
    evict_at: usize,
}

impl MemoryCaches {
    /// Whether idle caches are to be evicted before another one is added.
    pub(super) fn is_full(&self) -> bool {
        self.by_name.len() >= MOST_IDLE.max(self.evict_at)
    }

    /// Evicts idle caches, and returns those that are kept because they are not in the store.
    pub(super) fn evict(&mut self, now: UnixTime) -> Vec<Weak<MemoryCache>> {
        // A cache in use stays, so that all its uses share one client; one with unwritten changes
        // stays, since its tokens are nowhere else.
        let is_idle = |entry: &Arc<MemoryCache>| Arc::strong_count(entry) == 1;
        self.by_name.retain(|_, entry| !is_idle(entry) || !entry.is_dispensable(now));
        let too_many = (self.by_name.len() + EVICTION_STEP).saturating_sub(MOST_UNWRITTEN);
        let mut lost = 0;
        self.by_name.retain(|_, entry| {
            let is_lost = lost < too_many && is_idle(entry);
            lost += usize::from(is_lost);
            !is_lost
        });
        if lost > 0 {
            tracing::warn!(
                caches = lost,
                most = MOST_UNWRITTEN,
                "token caches that are not in the store are dropped, since there are too many: \
                 their tokens have to be requested again; is the store down?"
            );
        }
        self.evict_at = MOST_IDLE.max(self.by_name.len() + EVICTION_STEP);
        self.by_name.values().filter(|entry| is_idle(entry)).map(Arc::downgrade).collect()
    }
}

/// A cache that is in memory.
pub(super) struct MemoryCache {
    /// Its row under each secret, the current secret first.
    pub(super) rows: Vec<NamedRow>,
    pub(super) client: Client,
    /// The lifetime of its row in seconds, by the settings of its last use.
    pub(super) lifetime: AtomicU64,
    /// Number of uses under way.
    pub(super) uses: AtomicUsize,
    pub(super) stored: sync::Mutex<StoredState>,
}

/// The last known state of a cache's row in the store.
#[derive(Default)]
pub(super) struct StoredState {
    /// Whether the row has been read.
    pub(super) is_read: bool,
    pub(super) row: Option<SealedRow>,
    /// [`Client::cache_changes`] when the row was read or written; `None` if the row must be
    /// written again.
    pub(super) changes: Option<u64>,
}

impl MemoryCache {
    /// Whether the cache in memory has changed since its row was read or written.
    pub(super) fn changes_since(&self, stored: &StoredState) -> bool {
        let changes = self.client.cache_changes();
        stored.changes.map_or(changes > 0, |before| before != changes)
    }

    /// Whether no write is under way, and there are no unwritten changes or none of the tokens is
    /// valid any more.
    fn is_dispensable(&self, now: UnixTime) -> bool {
        let is_over = || match self.client.cache_end() {
            CacheEnd::Empty => true,
            CacheEnd::At(end) => end <= now,
            CacheEnd::Open => false,
        };
        // A row that is known may hold tokens that were removed here.
        self.stored
            .try_lock()
            .is_ok_and(|stored| !self.changes_since(&stored) || (stored.row.is_none() && is_over()))
    }
}

/// A guard that counts one use of a cache while it lives.
pub(super) struct UseCount<'a>(&'a MemoryCache);

impl<'a> UseCount<'a> {
    pub(super) fn new(entry: &'a MemoryCache) -> Self {
        entry.uses.fetch_add(1, SeqCst);
        Self(entry)
    }
}

impl Drop for UseCount<'_> {
    fn drop(&mut self) {
        self.0.uses.fetch_sub(1, SeqCst);
    }
}
