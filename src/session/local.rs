//! [`LocalStore`]: the default store, in the memory of this process.
//!
//! It is synchronous, rows expire, and rows and bytes are bounded. A full store evicts the oldest
//! session of the person with the most sessions, if that person has more than a few, otherwise the
//! row that would expire first. An account that signs in again and again therefore evicts its own
//! sessions and not those of other people. The person of an evicted session has to sign in again.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::records::RecordId;
use crate::{clock::UnixTime, measure, secret::fingerprint, tokens::Person};

/// Number of expired rows that are removed with each write. More than one, so that expired rows are
/// removed faster than rows are added.
const EXPIRED_AT_ONCE: usize = 4;
/// Number of shards, each with a lock of its own.
const SHARDS: usize = 16;
/// Number of sessions per person and shard that are usual: browsers, phones, an old laptop. Above
/// it the person's oldest session is evicted first.
const FEW: usize = 4;
/// Approximate memory of a row in addition to its sealed bytes: map entries and allocations.
const ROW: usize = 200;

/// A store of sealed rows in this process.
pub(crate) struct LocalStore {
    shards: Vec<Mutex<Shard>>,
    rows_per_shard: usize,
    bytes_per_shard: usize,
}

/// A fingerprint of the person of a session (`iss` and `sub`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner(u64);

impl Owner {
    pub(super) fn of(person: &Person) -> Self {
        let [a, b, c, d, e, f, g, h, ..] =
            fingerprint("owner", [person.iss.as_bytes(), person.sub.as_bytes()]);
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// One part of the rows. A session and its grant are in the same shard, so that both can be evicted
/// under one lock.
#[derive(Default)]
struct Shard {
    rows: HashMap<RecordId, StoredRow, BuildHasherDefault<IdHasher>>,
    by_expiry: BTreeSet<(UnixTime, RecordId)>,
    bytes: usize,
    /// The sessions of each person, the oldest first.
    owners: HashMap<Owner, Vec<RecordId>>,
    /// The people with more than [`FEW`] sessions, by their number of sessions.
    crowds: BTreeSet<(usize, Owner)>,
}

struct StoredRow {
    row: Arc<LocalRow>,
    /// The person; `None` for a grant.
    owner: Option<Owner>,
}

impl StoredRow {
    fn size(&self) -> usize {
        self.row.sealed.len() + ROW
    }
}

/// A row of the store. The caches of decoded rows share it, because every request asks whether the
/// row of its session is still stored: that takes neither a lock nor a look-up.
pub(super) struct LocalRow {
    sealed: Box<[u8]>,
    expires: UnixTime,
    /// Set when the row is removed or replaced, and never reset.
    is_removed: AtomicBool,
}

impl LocalRow {
    pub(super) fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// Whether the store still has this row, and it has not expired.
    pub(super) fn is_stored(&self, now: UnixTime) -> bool {
        now < self.expires && !self.is_removed.load(Ordering::Acquire)
    }
}

impl LocalStore {
    /// The default number of sessions.
    pub(crate) const DEFAULT_SESSIONS: usize = 100_000;
    /// The default number of bytes.
    pub(crate) const DEFAULT_BYTES: usize = 256 * 1024 * 1024;

    /// A store for about this many sessions, each with its grant, in about this many bytes.
    pub(crate) fn new(sessions: usize, bytes: usize) -> Self {
        let rows = sessions.max(1).saturating_mul(2);
        // The limits hold per shard. In a small store unequal shards would evict too early.
        let shards = if rows < 1024 { 1 } else { SHARDS };
        Self {
            shards: std::iter::repeat_with(Mutex::default).take(shards).collect(),
            rows_per_shard: rows.div_ceil(shards),
            bytes_per_shard: bytes.div_ceil(shards),
        }
    }

    /// The row of `id`, if there is one that has not expired.
    pub(super) fn load(&self, id: RecordId, now: UnixTime) -> Option<Arc<LocalRow>> {
        let mut shard = self.shard(id)?;
        let StoredRow { row, .. } = shard.rows.get(&id)?;
        if row.is_stored(now) {
            return Some(Arc::clone(row));
        }
        shard.remove(id);
        None
    }

    /// Writes a row, and evicts others if the shard is full. `owner` is the person of a session,
    /// and `None` for a grant.
    pub(super) fn save(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        owner: Option<Owner>,
        now: UnixTime,
    ) -> Arc<LocalRow> {
        let is_removed = AtomicBool::new(false);
        let saved = Arc::new(LocalRow { sealed: sealed.into(), expires, is_removed });
        let Some(mut shard) = self.shard(id) else { return saved };
        shard.remove(id);
        for _ in 0..EXPIRED_AT_ONCE {
            match shard.by_expiry.first() {
                Some(&(expires, expired)) if expires <= now => shard.remove(expired),
                _ => break,
            }
        }
        let stored = StoredRow { row: Arc::clone(&saved), owner };
        while shard.rows.len() >= self.rows_per_shard
            || shard.bytes + stored.size() > self.bytes_per_shard
        {
            let Some(first) = shard.next_to_evict(id) else { break };
            // Together, because a session without its grant has no tokens, and a grant without its
            // session cannot be reached.
            shard.remove(first.grant_id());
            shard.remove(first);
        }
        shard.insert(id, stored);
        saved
    }

    pub(super) fn delete(&self, id: RecordId) {
        if let Some(mut shard) = self.shard(id) {
            shard.remove(id);
        }
    }

    fn shard(&self, id: RecordId) -> Option<MutexGuard<'_, Shard>> {
        let [.., last] = id.bytes();
        // A grant's id is the complement of its session's: both map to one shard.
        let place = if last < 0x80 { last } else { !last };
        let shard = self.shards.get(usize::from(place) % self.shards.len().max(1))?;
        // No code panics while it holds the lock, so a poisoned shard is consistent.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn insert(&mut self, id: RecordId, stored: StoredRow) {
        self.bytes += stored.size();
        self.by_expiry.insert((stored.row.expires, id));
        if let Some(owner) = stored.owner {
            measure::local_session_added();
            self.change(owner, |sessions| sessions.push(id));
        }
        self.rows.insert(id, stored);
    }

    fn remove(&mut self, id: RecordId) {
        let Some(stored) = self.rows.remove(&id) else { return };
        stored.row.is_removed.store(true, Ordering::Release);
        self.bytes -= stored.size();
        self.by_expiry.remove(&(stored.row.expires, id));
        if let Some(owner) = stored.owner {
            measure::local_session_removed();
            self.change(owner, |sessions| sessions.retain(|other| *other != id));
        }
    }

    /// Changes the list of a person's sessions, and keeps `crowds` up to date.
    fn change(&mut self, owner: Owner, change: impl FnOnce(&mut Vec<RecordId>)) {
        let sessions = self.owners.entry(owner).or_default();
        let before = sessions.len();
        change(sessions);
        let after = sessions.len();
        if before > FEW {
            self.crowds.remove(&(before, owner));
        }
        if after > FEW {
            self.crowds.insert((after, owner));
        }
        if after == 0 {
            self.owners.remove(&owner);
        }
    }

    /// The row to evict before the row of `id` is written: neither that row nor its session or
    /// grant.
    fn next_to_evict(&self, id: RecordId) -> Option<RecordId> {
        let is_other = |row: &RecordId| *row != id && row.grant_id() != id;
        let crowd = self.crowds.last().and_then(|(_, owner)| self.owners.get(owner));
        let oldest = crowd.and_then(|sessions| sessions.iter().copied().find(is_other));
        oldest.or_else(|| self.by_expiry.iter().map(|(_, row)| *row).find(is_other))
    }
}

/// A hasher that uses the first eight bytes of an id as its hash. Ids are random or derived by a
/// keyed hash, and an id from outside is authenticated by its seal, so collisions cannot be chosen.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn id(number: u8) -> RecordId {
        RecordId(i128::from(number) << 120 | i128::from(number))
    }

    fn after(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(NOW.as_seconds() + seconds)
    }

    fn stored(store: &LocalStore, number: u8, now: UnixTime) -> Option<Vec<u8>> {
        store.load(id(number), now).map(|row| row.sealed().to_vec())
    }

    fn rows(store: &LocalStore) -> usize {
        store
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap())
            .map(|shard| {
                assert_eq!(shard.rows.len(), shard.by_expiry.len());
                assert_eq!(shard.bytes, shard.rows.values().map(StoredRow::size).sum::<usize>());
                let owned: usize = shard.owners.values().map(Vec::len).sum();
                assert_eq!(owned, shard.rows.values().filter(|row| row.owner.is_some()).count());
                shard.rows.len()
            })
            .sum()
    }

    #[test]
    fn a_row_is_there_until_it_expires_or_is_deleted() {
        let store = LocalStore::new(10, LocalStore::DEFAULT_BYTES);
        let first = store.save(id(1), vec![1, 2], after(60), None, NOW);
        assert_eq!(stored(&store, 1, after(59)), Some(vec![1, 2]));
        assert!(first.is_stored(after(59)) && !first.is_stored(after(60)));
        assert_eq!((stored(&store, 1, after(60)), rows(&store)), (None, 0));
        assert!(!first.is_stored(NOW), "although the clock went back");
        let second = store.save(id(1), vec![1, 2], after(60), None, NOW);
        assert!(second.is_stored(NOW) && !first.is_stored(NOW), "although its bytes are the same");
        let third = store.save(id(1), vec![3], after(60), None, NOW);
        assert!(third.is_stored(NOW) && !second.is_stored(NOW));
        store.delete(id(1));
        store.delete(id(1));
        assert_eq!((stored(&store, 1, NOW), rows(&store)), (None, 0));
        assert!(!third.is_stored(NOW));
    }

    #[test]
    fn expired_rows_are_removed_as_others_are_written() {
        let store = LocalStore::new(100, LocalStore::DEFAULT_BYTES);
        for number in 0..100 {
            store.save(id(number), vec![0], after(60), None, NOW);
        }
        for number in 100..200 {
            store.save(id(number), vec![0], after(120), None, after(60));
        }
        assert_eq!(rows(&store), 100);
        store.save(id(0), vec![0], after(600), None, after(60));
        assert_eq!(rows(&store), 101);
    }

    #[test]
    fn a_full_store_evicts_the_row_that_expires_first() {
        let store = LocalStore::new(5, LocalStore::DEFAULT_BYTES);
        for number in 0..40 {
            store.save(id(number), vec![number], after(60 + i64::from(number)), None, NOW);
            store.save(id(number), vec![number], after(60 + i64::from(number)), None, NOW);
        }
        assert_eq!(rows(&store), 10);
        assert_eq!((stored(&store, 29, NOW), stored(&store, 30, NOW)), (None, Some(vec![30])));
    }

    #[test]
    fn a_large_store_is_bounded_too() {
        let store = LocalStore::new(600, LocalStore::DEFAULT_BYTES);
        for number in 0..3_000 {
            store.save(random(number), vec![0], after(60), None, NOW);
        }
        assert!((1_000..=1_200).contains(&rows(&store)), "{}", rows(&store));
    }

    fn random(number: u32) -> RecordId {
        RecordId(i128::from_le_bytes(fingerprint("id", [&number.to_be_bytes()[..]])))
    }

    /// Writes a session and its grant.
    fn sign_in(store: &LocalStore, number: u32, owner: u64, bytes: usize) -> RecordId {
        let (id, expires) = (random(number), after(i64::from(number) + 60));
        store.save(id, vec![0; bytes], expires, Some(Owner(owner)), NOW);
        store.save(id.grant_id(), vec![0; bytes], expires, None, NOW);
        id
    }

    #[test]
    fn an_account_that_signs_in_again_and_again_evicts_only_its_own_sessions() {
        for (sessions, bytes) in [(600, usize::MAX), (1_000_000, 600 * 2 * (1_000 + ROW))] {
            let store = LocalStore::new(sessions, bytes);
            let others: Vec<_> =
                (0..200).map(|number| sign_in(&store, number, number.into(), 1_000)).collect();
            let own: Vec<_> =
                (200..5_000).map(|number| sign_in(&store, number, 999, 1_000)).collect();
            let alive =
                |ids: &[RecordId]| ids.iter().filter(|id| store.load(**id, NOW).is_some()).count();
            assert_eq!(alive(&others), 200, "although they expire first");
            assert!((200..=400).contains(&alive(&own)), "{}", alive(&own));
            assert!(store.load(own[own.len() - 1], NOW).is_some(), "the newest is kept");
            assert!(rows(&store) <= 1_216);
            // Later sign-ins of other people evict sessions of the same account.
            let later: Vec<_> = (5_000..5_100)
                .map(|number| sign_in(&store, number, number.into(), 1_000))
                .collect();
            assert_eq!((alive(&others), alive(&later)), (200, 100));
        }
    }

    #[test]
    fn a_session_and_its_grant_are_evicted_together() {
        let store = LocalStore::new(5, usize::MAX);
        let ids: Vec<_> =
            (0..40).map(|number| sign_in(&store, number, number.into(), 10)).collect();
        for id in &ids {
            assert_eq!(store.load(*id, NOW).is_some(), store.load(id.grant_id(), NOW).is_some());
        }
        assert_eq!(rows(&store), 10);
    }

    #[test]
    fn bytes_are_bounded_also_where_a_row_grows() {
        let store = LocalStore::new(100, 20_000);
        let [one, two] = [sign_in(&store, 1, 1, 2_000), sign_in(&store, 2, 2, 2_000)];
        store.save(two.grant_id(), vec![0; 14_000], after(60), None, NOW);
        assert!(store.load(one, NOW).is_none() && store.load(one.grant_id(), NOW).is_none());
        assert!(store.load(two, NOW).is_some() && store.load(two.grant_id(), NOW).is_some());
        store.save(two.grant_id(), vec![0; 1_000_000], after(60), None, NOW);
        assert!(
            store.load(two, NOW).is_some(),
            "a row larger than the store evicts all others, but not its own session"
        );
        rows(&store);
    }
}
