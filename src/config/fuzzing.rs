//! The parsers of paths, for the fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target may panic: that is how it reports"
)]

use url::Url;

use super::{path::AccessRules, return_path::ReturnPath};
use crate::fuzzing::Parser;

pub(crate) const PARSERS: &[Parser] = &[("public_path", public_path), ("return_path", return_path)];

/// A return path stays on this site for every reader, and parsing it again does not change it.
fn return_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(path) = ReturnPath::parse(text) else { return };
    let base = Url::parse("https://app.example.com/a/b").unwrap();
    assert_eq!(base.join(path.as_str()).unwrap().origin(), base.origin(), "{path}");
    assert!(path.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{path}");
    assert_eq!(ReturnPath::parse(path.as_str()), Some(path));
}

/// A public path is public in every reading: as written, normalised, and decoded once.
fn public_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut paths = AccessRules::default();
    paths.add_exact("", "/").unwrap();
    paths.add_exact("", "/about").unwrap();
    paths.add_prefix("", "/assets/").unwrap();
    if !paths.is_public(text) {
        return;
    }
    let normalised = Url::parse("https://app.example.com").unwrap().join(text).unwrap();
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    for reading in [text, normalised.path(), &decoded] {
        assert!(
            ["/", "/about"].contains(&reading) || reading.starts_with("/assets/"),
            "{text} can be read as {reading}"
        );
        assert!(
            !reading.contains("/../") && !reading.contains('\\'),
            "{text} can be read as {reading}"
        );
    }
}
