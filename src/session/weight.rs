//! [`ByBytes`]: limits caches of decoded records by their number and by their bytes.

use std::time::Duration;

use quick_cache::Weighter;

/// The limit of each cache, in bytes.
pub(super) const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// The least time between two removals of records that have expired.
pub(super) const SWEPT_EVERY: Duration = Duration::from_secs(600);

/// What a cache limits by its bytes.
pub(super) trait Weighed {
    /// The bytes of the record, or of the row that it was decoded from.
    fn bytes(&self) -> usize;
}

/// Weighs a record by the memory of its row and of what was decoded from it, about twice the row.
/// Each record weighs at least the average, which limits their number as well.
#[derive(Clone, Debug)]
pub(super) struct ByBytes {
    average: u64,
}

impl ByBytes {
    /// For a cache of at most this many records, in [`MOST_BYTES`].
    pub(super) fn among(records: usize) -> Self {
        Self { average: MOST_BYTES / records as u64 }
    }
}

impl<K, V: Weighed> Weighter<K, V> for ByBytes {
    fn weight(&self, _: &K, record: &V) -> u64 {
        (record.bytes() as u64 * 2).max(self.average)
    }
}
