//! The default store: in this process, synchronous, bounded, expiring.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::records::RecordId;
use crate::clock::UnixTime;

/// How many rows expire along with one that is written: more than one, so that they leave faster than they come.
const EXPIRED_AT_ONCE: usize = 4;
const SHARDS: usize = 16;

/// Sealed rows by id. When it is full, the row that would expire first makes room: somebody has to sign in again, nobody is let in.
pub(crate) struct LocalStore {
    shards: Vec<Mutex<Shard>>,
    rows_per_shard: usize,
}

#[derive(Default)]
struct Shard {
    rows: HashMap<RecordId, Row, BuildHasherDefault<IdHasher>>,
    by_expiry: BTreeSet<(UnixTime, RecordId)>,
}

struct Row {
    sealed: Arc<[u8]>,
    expires: UnixTime,
}

impl LocalStore {
    /// The default number of sessions.
    pub(crate) const DEFAULT_SESSIONS: usize = 100_000;

    /// Room for about this many sessions, each with its grant.
    pub(crate) fn new(sessions: usize) -> Self {
        let rows = sessions.max(1).saturating_mul(2);
        let shards = if rows < 1024 { 1 } else { SHARDS };
        Self { shards: std::iter::repeat_with(Mutex::default).take(shards).collect(), rows_per_shard: rows.div_ceil(shards) }
    }

    /// Whether the row of `id` is live and still these bytes.
    pub(super) fn holds(&self, id: RecordId, sealed: &Arc<[u8]>, now: UnixTime) -> bool {
        self.shard(id).is_some_and(|shard| {
            shard
                .rows
                .get(&id)
                .is_some_and(|row| now < row.expires && (Arc::ptr_eq(&row.sealed, sealed) || row.sealed == *sealed))
        })
    }

    pub(super) fn load(&self, id: RecordId, now: UnixTime) -> Option<Arc<[u8]>> {
        let mut shard = self.shard(id)?;
        let row = shard.rows.get(&id)?;
        if now < row.expires {
            return Some(Arc::clone(&row.sealed));
        }
        shard.remove(id);
        None
    }

    pub(super) fn save(&self, id: RecordId, sealed: Arc<[u8]>, expires: UnixTime, now: UnixTime) {
        let Some(mut shard) = self.shard(id) else { return };
        shard.remove(id);
        for _ in 0..EXPIRED_AT_ONCE {
            match shard.by_expiry.first() {
                Some(&(expires, expired)) if expires <= now => shard.remove(expired),
                _ => break,
            }
        }
        if shard.rows.len() >= self.rows_per_shard
            && let Some(&(_, first)) = shard.by_expiry.first()
        {
            shard.remove(first);
        }
        shard.by_expiry.insert((expires, id));
        shard.rows.insert(id, Row { sealed, expires });
    }

    pub(super) fn delete(&self, id: RecordId) {
        if let Some(mut shard) = self.shard(id) {
            shard.remove(id);
        }
    }

    fn shard(&self, id: RecordId) -> Option<MutexGuard<'_, Shard>> {
        let [.., last] = id.bytes();
        let shard = self.shards.get(usize::from(last) % self.shards.len().max(1))?;
        // A shard is consistent after every line above, so a panic elsewhere leaves nothing to mistrust.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn remove(&mut self, id: RecordId) {
        if let Some(row) = self.rows.remove(&id) {
            self.by_expiry.remove(&(row.expires, id));
        }
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore").field("rows", &(self.rows_per_shard * self.shards.len())).finish()
    }
}

/// Takes an id as its own hash: ids are random or hashes, made here, and reach the store only out of a seal.
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

    fn rows(store: &LocalStore) -> usize {
        store
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap())
            .map(|shard| {
                assert_eq!(shard.rows.len(), shard.by_expiry.len());
                shard.rows.len()
            })
            .sum()
    }

    #[test]
    fn a_row_is_there_until_it_expires_or_is_deleted() {
        let store = LocalStore::new(10);
        let sealed: Arc<[u8]> = Arc::new([1, 2]);
        store.save(id(1), sealed.clone(), after(60), NOW);
        assert_eq!(store.load(id(1), after(59)).as_deref(), Some(&[1, 2][..]));
        assert!(store.holds(id(1), &sealed, after(59)));
        let [same, other]: [Arc<[u8]>; 2] = [Arc::new([1, 2]), Arc::new([1, 3])];
        assert!(store.holds(id(1), &same, NOW));
        assert!(!store.holds(id(1), &other, NOW));
        assert!(!store.holds(id(2), &sealed, NOW));
        assert!(!store.holds(id(1), &sealed, after(60)));
        assert_eq!(store.load(id(1), after(60)), None);
        assert_eq!(rows(&store), 0);
        store.save(id(1), sealed, after(60), NOW);
        store.delete(id(1));
        store.delete(id(1));
        assert_eq!((store.load(id(1), NOW), rows(&store)), (None, 0));
    }

    #[test]
    fn expired_rows_leave_as_others_come() {
        let store = LocalStore::new(100);
        for number in 0..100 {
            store.save(id(number), Arc::new([0]), after(60), NOW);
        }
        for number in 100..200 {
            store.save(id(number), Arc::new([0]), after(120), after(60));
        }
        assert_eq!(rows(&store), 100);
        store.save(id(0), Arc::new([0]), after(600), after(60));
        assert_eq!(rows(&store), 101);
    }

    #[test]
    fn a_full_store_gives_up_the_row_that_expires_first() {
        let store = LocalStore::new(5);
        for number in 0..40 {
            store.save(id(number), Arc::new([number]), after(60 + i64::from(number)), NOW);
            store.save(id(number), Arc::new([number]), after(60 + i64::from(number)), NOW);
        }
        assert_eq!(rows(&store), 10);
        assert_eq!(store.load(id(29), NOW), None);
        assert_eq!(store.load(id(30), NOW).as_deref(), Some(&[30][..]));
    }

    #[test]
    fn a_large_store_is_bounded_too() {
        let store = LocalStore::new(600);
        let random =
            |number: u16| RecordId(i128::from_le_bytes(super::super::attempt::fingerprint("id", [&number.to_be_bytes()[..]])));
        for number in 0..3_000 {
            store.save(random(number), Arc::new([0]), after(60), NOW);
        }
        assert!((1_000..=1_200).contains(&rows(&store)), "{}", rows(&store));
    }
}
