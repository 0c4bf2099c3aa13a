//! The parsers of grant records and exported caches, for the fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target may panic: that is how it reports"
)]

use std::sync::Arc;

use super::{
    partitions::{self, Partitions},
    record::GrantRecord,
};
use crate::{
    clock::{ManualClock, UnixTime},
    codec::{self, Value as _},
    fuzzing::Parser,
};

pub(crate) const PARSERS: &[Parser] =
    &[("exported_cache", exported_cache), ("grant_record", grant_record)];

/// An imported cache is exported as the same bytes.
fn exported_cache(bytes: &[u8]) {
    let cache =
        || Partitions::new(Arc::new(ManualClock::at(UnixTime::from_seconds(1_700_000_000))));
    let (first, second) = (cache(), cache());
    // Every owner is accepted here: the one that the bytes name.
    let Some(owner) = partitions::owner_of(bytes) else { return };
    if first.import(&owner, bytes).is_ok() {
        let exported = first.export(owner.clone());
        assert!(second.import(&owner, &exported).is_ok());
        assert_eq!(second.export(owner), exported);
    }
}

/// A record that was read is written as the same bytes.
fn grant_record(bytes: &[u8]) {
    if let Some(record) = GrantRecord::read(bytes) {
        let written = codec::encode(&record);
        assert_eq!(codec::encode(&GrantRecord::read(&written).unwrap()), written);
    }
}
