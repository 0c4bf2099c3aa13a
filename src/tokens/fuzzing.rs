//! The parsers of grant records and exported caches, for the fuzzer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a target may panic: that is how it reports")]

use std::sync::Arc;

use super::{partitions::Partitions, record::GrantRecord};
use crate::{
    clock::{ManualClock, UnixTime},
    fuzzing::Parser,
};

pub(crate) const PARSERS: &[Parser] = &[("exported_cache", exported_cache), ("grant_record", grant_record)];

/// What is imported is exported the same again.
fn exported_cache(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let cache = || Partitions::new(Arc::new(ManualClock::at(UnixTime::from_seconds(1_700_000_000))));
    let (first, second) = (cache(), cache());
    if first.import(text) {
        let exported = first.export().unwrap();
        assert!(second.import(exported.expose()));
        assert_eq!(second.export().unwrap(), exported);
    }
}

/// What is read is written the same again.
fn grant_record(bytes: &[u8]) {
    if let Some(record) = GrantRecord::from_json(bytes) {
        let written = record.to_json().unwrap();
        assert_eq!(GrantRecord::from_json(&written).unwrap().to_json().unwrap(), written);
    }
}
