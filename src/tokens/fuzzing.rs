//! The parser of grant records, for the fuzzer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a target may panic: that is how it reports")]

use super::record::GrantRecord;
use crate::fuzzing::Parser;

pub(crate) const PARSERS: &[Parser] = &[("grant_record", grant_record)];

/// What is read is written the same again.
fn grant_record(bytes: &[u8]) {
    if let Some(record) = GrantRecord::from_json(bytes) {
        let written = record.to_json().unwrap();
        assert_eq!(GrantRecord::from_json(&written).unwrap().to_json().unwrap(), written);
    }
}
