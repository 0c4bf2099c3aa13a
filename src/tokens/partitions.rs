//! [`Partitions`]: the token caches of a client in memory, exported and imported as one record.
//!
//! - An account, the application in one tenant, and an assertion each have a partition of their
//!   own. A token is never found from another partition.
//! - An in-flight refresh does not re-create a partition that was removed meanwhile.
//! - Of two copies of a partition the one of the newer sign-in wins, and of one sign-in the one
//!   that was written more often. A partition that was removed here stays removed.
//! - There are at most [`MOST_PARTITIONS`] of each kind (accounts, assertions, …, by the prefix of
//!   their names). When that is reached, the expired ones of the kind are removed, or else the
//!   eighth that was used least recently. Many assertions never displace an account. Each
//!   partition is bounded by [`CacheLimits`](super::cache::CacheLimits).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    grant_store::{GrantRef, GrantStore, RecordId},
    record::{GrantRecord, Person},
};
use crate::{
    clock::{Clock, UnixTime},
    codec::{self, Value as _},
    error::{Error, shown},
    secret,
};

/// The greatest number of partitions of one kind; a few kilobytes each.
pub(crate) const MOST_PARTITIONS: usize = 10_000;
/// The version of the exported format. Others are not read.
const VERSION: u32 = 2;
const FOR_EVER: UnixTime = UnixTime::from_seconds(i64::MAX);

/// The partitions of one cache.
pub(crate) struct Partitions {
    state: Mutex<PartitionTable>,
    clock: Arc<dyn Clock>,
    most: usize,
}

#[derive(Default)]
struct PartitionTable {
    by_name: HashMap<Box<str>, RecordId>,
    entries: HashMap<RecordId, Partition>,
    /// Number of partitions of each kind.
    kinds: HashMap<Box<str>, usize>,
    /// The partitions that were removed since the last import, and when each had begun: another
    /// copy of the cache must not bring them back. Copies may be of machines with other clocks, so
    /// the times of one entry are compared, and not the time of the removal.
    removed: HashMap<Box<str>, UnixTime>,
    uses: u64,
    changes: u64,
}

struct Partition {
    name: Box<str>,
    about: Option<Box<RawValue>>,
    record: Arc<GrantRecord>,
    /// When it was inserted, by a sign-in for example. Refreshes leave it as it is.
    begun: UnixTime,
    ends: UnixTime,
    used: u64,
    /// Number of [`PartitionInUse`] that refer to it.
    users: usize,
}

/// A partition in use. When the last use ends and the partition holds no token, it is removed: a
/// refused assertion is not kept.
pub(crate) struct PartitionInUse {
    partitions: Arc<Partitions>,
    grant: GrantRef,
}

impl PartitionInUse {
    pub(crate) fn grant(&self) -> &GrantRef {
        &self.grant
    }
}

impl Drop for PartitionInUse {
    fn drop(&mut self) {
        let mut state = self.partitions.state();
        let Some(entry) = state.entries.get_mut(&self.grant.id()) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users == 0 && entry.record.tokens().len() == 0 {
            let name = entry.name.clone();
            state.remove(&name);
        }
    }
}

/// The application and the provider of an exported cache. Another application does not import it:
/// its tokens would be sent to a provider that did not issue them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheOwner {
    pub(crate) client_id: Box<str>,
    pub(crate) authority: Box<str>,
}

codec::record!(CacheOwner { 1 client_id, 2 authority });

/// An exported cache. Applications may store it unsealed, so it has a version of its own.
struct ExportedCache {
    version: u32,
    owner: CacheOwner,
    partitions: Vec<StoredPartition>,
}

codec::record!(ExportedCache { 1 version, 2 owner, 3 partitions });

struct StoredPartition {
    name: Box<str>,
    about: Option<Box<RawValue>>,
    ends: UnixTime,
    record: Arc<GrantRecord>,
    begun: UnixTime,
}

codec::record!(StoredPartition { 1 name, 2 about, 3 ends, 4 record, 5 begun });

/// The owner that an exported cache names, for the fuzzer.
#[cfg(any(test, fuzzing))]
pub(super) fn owner_of(exported: &[u8]) -> Option<CacheOwner> {
    ExportedCache::read(exported).map(|read| read.owner)
}

impl Partitions {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), clock, most: MOST_PARTITIONS }
    }

    /// The partition of this name.
    pub(crate) fn find(&self, name: &str) -> Option<GrantRef> {
        let now = self.clock.now();
        self.state().find(name, now)
    }

    /// The partition of this name, if `owns` accepts the person of its record.
    pub(crate) fn find_of(
        &self,
        name: &str,
        owns: impl FnOnce(&Person) -> bool,
    ) -> Option<GrantRef> {
        let now = self.clock.now();
        let mut state = self.state();
        if state.is_of(name, owns) { state.find(name, now) } else { None }
    }

    /// The partition of this name, or a new one until `ends` at the latest. Concurrent callers get
    /// the same one.
    ///
    /// # Errors
    ///
    /// `internal`: no randomness.
    pub(crate) fn find_or_insert(
        &self,
        name: &str,
        ends: Option<UnixTime>,
        record: impl FnOnce() -> GrantRecord,
    ) -> Result<GrantRef, Error> {
        if let Some(found) = self.find(name) {
            return Ok(found);
        }
        let (id, record, now) =
            (RecordId::from_bytes(secret::random()?), Arc::new(record()), self.clock.now());
        let mut state = self.state();
        // Another caller may have inserted it meanwhile. Its flights write to that one, so it must
        // not be replaced.
        if let Some(found) = state.find(name, now) {
            return Ok(found);
        }
        Ok(state.insert(id, Partition::new(name, None, (now, ends), record), self.most, now))
    }

    /// The partition of this name until `ends`, in use. It stays only if it holds a token after its
    /// last use. `id` is the same each time, so that the throttle knows a refusal after the
    /// partition was removed.
    pub(crate) fn enter(
        self: &Arc<Self>,
        name: &str,
        id: [u8; 16],
        ends: UnixTime,
        record: impl FnOnce() -> GrantRecord,
    ) -> PartitionInUse {
        let now = self.clock.now();
        let mut state = self.state();
        let grant = match state.find(name, now) {
            Some(found) => found,
            None => {
                let entry = Partition::new(name, None, (now, Some(ends)), Arc::new(record()));
                state.insert(RecordId::from_bytes(id), entry, self.most, now)
            }
        };
        if let Some(entry) = state.entries.get_mut(&grant.id()) {
            entry.users += 1;
        }
        drop(state);
        PartitionInUse { partitions: Arc::clone(self), grant }
    }

    /// Inserts a partition in place of the one of the same name. Refreshes of the replaced one,
    /// which has another id, do not change it.
    ///
    /// # Errors
    ///
    /// `internal`: no randomness.
    pub(crate) fn put(
        &self,
        name: &str,
        about: impl Into<Option<Box<RawValue>>>,
        record: GrantRecord,
    ) -> Result<(), Error> {
        let (id, now) = (RecordId::from_bytes(secret::random()?), self.clock.now());
        self.state().insert(
            id,
            Partition::new(name, about.into(), (now, None), Arc::new(record)),
            self.most,
            now,
        );
        Ok(())
    }

    /// The record of the partition of this name.
    pub(crate) fn record(&self, name: &str) -> Option<Arc<GrantRecord>> {
        let state = self.state();
        state.entries.get(state.by_name.get(name)?).map(|entry| entry.record.clone())
    }

    /// The descriptions (JSON) of the partitions with this prefix.
    pub(crate) fn about(&self, prefix: &str) -> Vec<Box<RawValue>> {
        let state = self.state();
        state
            .entries
            .values()
            .filter(|entry| entry.name.starts_with(prefix))
            .filter_map(|entry| entry.about.clone())
            .collect()
    }

    /// Removes the partition of this name if `owns` accepts the person of its record; returns
    /// whether it did.
    pub(crate) fn remove_of(&self, name: &str, owns: impl FnOnce(&Person) -> bool) -> bool {
        let mut state = self.state();
        state.is_of(name, owns) && state.withdraw(name, self.most)
    }

    /// Removes the partitions with this prefix.
    pub(crate) fn remove_all(&self, prefix: &str) {
        let mut state = self.state();
        let names: Vec<Box<str>> =
            state.by_name.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        for name in names {
            state.withdraw(&name, self.most);
        }
    }

    /// Calls `look` with name, end and record of each partition.
    pub(crate) fn each(&self, mut look: impl FnMut(&str, UnixTime, &GrantRecord)) {
        for entry in self.state().entries.values() {
            look(&entry.name, entry.ends, &entry.record);
        }
    }

    /// Number of changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Exports everything as one record, with its owner.
    pub(crate) fn export(&self, owner: CacheOwner) -> Zeroizing<Vec<u8>> {
        let state = self.state();
        let exported = |entry: &Partition| StoredPartition {
            name: entry.name.clone(),
            about: entry.about.clone(),
            ends: entry.ends,
            record: Arc::clone(&entry.record),
            begun: entry.begun,
        };
        let mut partitions: Vec<_> = state.entries.values().map(exported).collect();
        partitions.sort_by(|one, other| one.name.cmp(&other.name));
        codec::encode(&ExportedCache { version: VERSION, owner, partitions })
    }

    /// Replaces everything by an exported cache.
    ///
    /// # Errors
    ///
    /// What is wrong with one that is malformed, of another version or of another owner. It changes
    /// nothing.
    pub(crate) fn import(&self, owner: &CacheOwner, exported: &[u8]) -> Result<(), String> {
        let Some(read) = ExportedCache::read(exported) else {
            return Err("the exported cache is damaged, or not the text of `export_cache`".into());
        };
        if read.version != VERSION {
            return Err("the exported cache is of another version of this crate".into());
        }
        // Tokens of another client ID or authority would be sent to a provider that did not issue
        // them.
        if read.owner != *owner {
            return Err(format!(
                "the exported cache is of another application: it has the client id {} at {}, and \
                 this client {} at {} (IDENTITY_CLIENT_ID, IDENTITY_AUTHORITY)",
                shown(&read.owner.client_id),
                shown(&read.owner.authority),
                shown(&owner.client_id),
                shown(&owner.authority),
            ));
        }
        let now = self.clock.now();
        let mut next = PartitionTable { changes: self.changes() + 1, ..PartitionTable::default() };
        for partition in read.partitions.into_iter().filter(|partition| now < partition.ends) {
            // The limits apply to imported caches too: the text may have been altered.
            if next.count(kind(&partition.name)) >= self.most {
                continue;
            }
            let Ok(id) = secret::random() else { continue };
            let StoredPartition { name, about, ends, record, begun } = partition;
            next.remove(&name);
            let entry = Partition { name, about, record, begun, ends, used: 0, users: 0 };
            next.add(RecordId::from_bytes(id), entry);
        }
        *self.state() = next;
        Ok(())
    }

    /// Adds those partitions of an exported cache that are missing here or newer, and that were not
    /// removed here. Returns `false` where [`import`](Self::import) would fail.
    pub(crate) fn merge(&self, owner: &CacheOwner, exported: &[u8]) -> bool {
        let other =
            Self { state: Mutex::default(), clock: Arc::clone(&self.clock), most: self.most };
        if other.import(owner, exported).is_err() {
            return false;
        }
        let read = std::mem::take(&mut *other.state());
        let (mut state, now) = (self.state(), self.clock.now());
        for (id, entry) in read.entries {
            let own = state.by_name.get(&entry.name).and_then(|own| state.entries.get(own));
            let is_newer = match (own, state.removed.get(&entry.name)) {
                (Some(own), _) => own.age() < entry.age(),
                (None, Some(removed)) => *removed < entry.begun,
                (None, None) => true,
            };
            if is_newer {
                state.insert(id, entry, self.most, now);
            }
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, PartitionTable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    fn new(
        name: &str,
        about: Option<Box<RawValue>>,
        (begun, ends): (UnixTime, Option<UnixTime>),
        record: Arc<GrantRecord>,
    ) -> Self {
        let ends = ends.unwrap_or(FOR_EVER);
        Self { name: name.into(), about, record, begun, ends, used: 0, users: 0 }
    }

    /// The order of two copies: a sign-in is newer than every refresh of the one before, and the
    /// generation counts the writes since, so that the higher one has the newer refresh token.
    fn age(&self) -> (UnixTime, u64) {
        (self.begun, self.record.generation())
    }
}

impl PartitionTable {
    fn find(&mut self, name: &str, now: UnixTime) -> Option<GrantRef> {
        self.uses += 1;
        let id = *self.by_name.get(name)?;
        let entry = self.entries.get_mut(&id).filter(|entry| now < entry.ends)?;
        entry.used = self.uses;
        Some(reference(id, entry.ends))
    }

    /// Inserts a partition in place of the one of the same name. If the limit is reached, others of
    /// its kind are evicted.
    fn insert(&mut self, id: RecordId, entry: Partition, most: usize, now: UnixTime) -> GrantRef {
        let ends = entry.ends;
        self.remove(&entry.name);
        self.evict(kind(&entry.name), most, now);
        self.add(id, entry);
        reference(id, ends)
    }

    fn is_of(&self, name: &str, owns: impl FnOnce(&Person) -> bool) -> bool {
        let entry = self.by_name.get(name).and_then(|id| self.entries.get(id));
        entry.is_some_and(|entry| owns(entry.record.person()))
    }

    fn add(&mut self, id: RecordId, entry: Partition) {
        self.uses += 1;
        self.changes += 1;
        *self.kinds.entry(kind(&entry.name).into()).or_default() += 1;
        self.by_name.insert(entry.name.clone(), id);
        self.entries.insert(id, Partition { used: self.uses, ..entry });
    }

    fn remove(&mut self, name: &str) -> Option<Partition> {
        let id = self.by_name.remove(name)?;
        self.changes += 1;
        if let Some(count) = self.kinds.get_mut(kind(name)) {
            *count -= 1;
        }
        self.entries.remove(&id)
    }

    /// Removes a partition for good, also from copies that are merged later.
    fn withdraw(&mut self, name: &str, most: usize) -> bool {
        let Some(Partition { name, begun, .. }) = self.remove(name) else { return false };
        // Entries matter only until the next import, so a full map is cleared instead of searched
        // for its oldest ones.
        if self.removed.len() >= most {
            self.removed.clear();
        }
        self.removed.insert(name, begun);
        true
    }

    fn count(&self, kind: &str) -> usize {
        self.kinds.get(kind).copied().unwrap_or_default()
    }

    fn evict(&mut self, of: &str, most: usize, now: UnixTime) {
        if self.count(of) < most {
            return;
        }
        let mut by_use: Vec<&Partition> =
            self.entries.values().filter(|entry| kind(&entry.name) == of).collect();
        // The least recently used partitions leave first.
        by_use.sort_unstable_by_key(|entry| entry.used);
        let is_over = |entry: &&Partition| entry.ends <= now;
        // Expired partitions only, if there are any; otherwise an eighth at once, so that the sort
        // is not repeated at each insertion.
        let leaving = match by_use.iter().any(is_over) {
            true => by_use
                .into_iter()
                .filter(is_over)
                .map(|entry| entry.name.clone())
                .collect::<Vec<_>>(),
            false => {
                by_use.into_iter().take((most / 8).max(1)).map(|entry| entry.name.clone()).collect()
            }
        };
        for name in leaving {
            self.remove(&name);
        }
    }
}

/// The prefix of a partition's name, which is its kind.
fn kind(name: &str) -> &str {
    name.split_once(':').map_or("", |(kind, _)| kind)
}

/// The reference to a partition. Its key is not used, because the records in memory are not sealed.
fn reference(id: RecordId, ends: UnixTime) -> GrantRef {
    GrantRef::new(id, id, Zeroizing::new([0; 32]), ends)
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions")
            .field("count", &self.state().entries.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl GrantStore for Partitions {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        Ok(self.at_hand(grant, self.clock.now()))
    }

    fn at_hand(&self, grant: &GrantRef, _now: UnixTime) -> Option<Arc<GrantRecord>> {
        self.state().entries.get(&grant.id()).map(|entry| entry.record.clone())
    }

    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(entry) = state.entries.get_mut(&grant.id()) {
            entry.record = record.clone();
            state.changes += 1;
        }
        Ok(())
    }

    async fn delete(&self, grant: &GrantRef) -> Result<(), Error> {
        self.end_session(grant).await
    }

    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error> {
        Ok(self.state().entries.contains_key(&grant.id()))
    }

    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(name) = state.entries.get(&grant.id()).map(|entry| entry.name.clone()) {
            state.withdraw(&name, self.most);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;
