//! One parser of outside input under libFuzzer: the one that the variable `PARSER` names.
//! `tests/fuzz/run` builds and starts it.
#![no_main]

use std::{env, sync::LazyLock};

static PARSE: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = env::var("PARSER").unwrap_or_default();
    let found = tower_identity::fuzzing::parsers().find(|(name, _)| *name == wanted);
    found
        .unwrap_or_else(|| {
            panic!("PARSER={wanted}: no such parser; they are the folders of tests/fuzz/corpus")
        })
        .1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| PARSE(bytes));
