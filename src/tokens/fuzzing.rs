//! The parsers of grant records and exported caches, for the fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target may panic: that is how it reports"
)]

use std::sync::Arc;

use serde::Deserialize as _;

use super::{
    partitions::{CacheOwner, Partitions},
    record::GrantRecord,
};
use crate::{
    clock::{ManualClock, UnixTime},
    fuzzing::Parser,
};

pub(crate) const PARSERS: &[Parser] =
    &[("exported_cache", exported_cache), ("grant_record", grant_record)];

/// What is imported is exported the same again.
fn exported_cache(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let cache =
        || Partitions::new(Arc::new(ManualClock::at(UnixTime::from_seconds(1_700_000_000))));
    let (first, second) = (cache(), cache());
    // Whoever the text says that it is of.
    let Ok(read) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let of = read.get("o").and_then(|of| CacheOwner::deserialize(of).ok());
    let Some(of) = of else { return };
    if first.import(&of, text) {
        let exported = first.export(&of).unwrap();
        assert!(second.import(&of, exported.expose()));
        assert_eq!(second.export(&of).unwrap(), exported);
    }
}

/// What is read is written the same again.
fn grant_record(bytes: &[u8]) {
    if let Some(record) = GrantRecord::from_json(bytes) {
        let written = record.to_json().unwrap();
        assert_eq!(GrantRecord::from_json(&written).unwrap().to_json().unwrap(), written);
    }
}
