//! Every parser of outside input as a function of bytes, for `tests/fuzz`. No part of the public
//! interface: it exists while fuzzing only.
//!
//! Each function panics if the parser breaks a promise; not panicking on any input is the first of
//! them.

use crate::{api, config, protocol, session, tokens};

/// A parser by its name.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub fn parsers() -> impl Iterator<Item = Parser> {
    [api::PARSERS, protocol::PARSERS, session::PARSERS, tokens::PARSERS, config::PARSERS]
        .into_iter()
        .flatten()
        .copied()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::{
        prelude::*,
        sample,
        test_runner::{Config, TestRunner},
    };

    use super::*;

    /// The corpus that the fuzzer starts from: tests/fuzz/corpus/<parser>/*. The published package
    /// has no corpus.
    fn seeds(parser: &str) -> Vec<Vec<u8>> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        if !corpus.exists() {
            return vec![Vec::new()];
        }
        let folder = corpus.join(parser);
        let files = fs::read_dir(&folder)
            .unwrap_or_else(|_| panic!("put an example for the fuzzer into {}", folder.display()));
        files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// A seed with some bytes replaced by others.
    fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let damage = prop::collection::vec(
            (any::<sample::Index>(), 0..4_usize, prop::collection::vec(any::<u8>(), 0..6)),
            0..6,
        );
        (sample::select(seeds), damage).prop_map(|(mut bytes, damage)| {
            for (at, length, with) in damage {
                let start = at.index(bytes.len() + 1);
                let end = bytes.len().min(start + length);
                bytes.splice(start..end, with);
            }
            bytes
        })
    }

    #[test]
    fn no_input_breaks_a_parser() {
        for (name, parse) in parsers() {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "{name} has no example in tests/fuzz/corpus");
            seeds.iter().for_each(|seed| parse(seed));
            let mut runner =
                TestRunner::new(Config { failure_persistence: None, ..Config::default() });
            let run = |bytes: Vec<u8>| {
                parse(&bytes);
                Ok(())
            };
            runner.run(&damaged(seeds), run).unwrap_or_else(|error| panic!("{name}: {error}"));
            runner.run(&any::<Vec<u8>>(), run).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
