//! What the documents say and what the tree holds: numbered decisions and rules, tests that are
//! named, links that work wherever the documents are shown.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The files of the repository with one of these endings, each with its text.
fn files_of_the_tree(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let is_ours = name != "node_modules" && name != "target" && !name.starts_with('.');
                folders.extend(is_ours.then_some(path));
            } else if name.rsplit_once('.').is_some_and(|(_, end)| endings.contains(&end)) {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The text of every Rust file and browser test, but for this one.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = files_of_the_tree(&["rs", "mjs"]);
    found.retain(|(path, _)| !path.ends_with("tests/documents.rs"));
    found
}

/// The numbers that follow `word` in a text: of `rules 2 and 4` both.
fn numbers_after(text: &str, word: &str) -> BTreeSet<usize> {
    let mut numbers = BTreeSet::new();
    for (at, _) in text.match_indices(word) {
        let rest = text[at + word.len()..].trim_start_matches('s');
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        let first = digits(rest.trim_start());
        numbers.extend(first.parse::<usize>());
        if let Some(second) = rest.trim_start().strip_prefix(&format!("{first} and ")) {
            numbers.extend(digits(second).parse::<usize>());
        }
    }
    numbers
}

/// `D1` and so on, where it stands as a word.
fn decisions_in(text: &str) -> BTreeSet<usize> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .filter_map(|word| word.strip_prefix('D'))
        .filter(|digits| digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Comments alone, so that a test's data is no reference.
fn comments(text: &str) -> String {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_decision_and_rule_that_a_comment_names_is_in_the_architecture() {
    let architecture = read("ARCHITECTURE.md");
    let decisions: BTreeSet<usize> =
        (1..=99).filter(|number| architecture.contains(&format!("\n**D{number}. "))).collect();
    let (_, rules) = architecture.split_once("\n## Security rules\n").unwrap();
    let rules: BTreeSet<usize> =
        (1..=99).filter(|number| rules.contains(&format!("\n{number}. **"))).collect();
    assert_eq!(decisions, (1..=decisions.len()).collect());
    assert_eq!(rules, (1..=rules.len()).collect());
    for (path, text) in sources() {
        let comments = comments(&text).replace("Security rule", "security rule");
        let named = decisions_in(&comments);
        let unknown: Vec<_> = named.difference(&decisions).collect();
        assert!(unknown.is_empty(), "{}: no decisions {unknown:?}", path.display());
        let named = numbers_after(&comments, "security rule");
        let unknown: Vec<_> = named.difference(&rules).collect();
        assert!(unknown.is_empty(), "{}: no security rules {unknown:?}", path.display());
    }
}

#[test]
fn every_test_that_a_security_rule_names_exists() {
    let architecture = read("ARCHITECTURE.md");
    let (_, rules) = architecture.split_once("\n## Security rules\n").unwrap();
    let (rules, _) = rules.split_once("\n## ").unwrap();
    let sources = sources();
    let mut named = 0;
    for rule in rules.split("**").skip(2).step_by(2) {
        let (_, tests) = rule.split_once("Tests:").expect("a rule without tests");
        for test in tests.split('`').skip(1).step_by(2) {
            let function = format!("fn {test}(");
            let exists = sources.iter().any(|(_, text)| text.contains(&function));
            assert!(exists, "ARCHITECTURE.md names the test {test}, which does not exist");
            named += 1;
        }
    }
    assert!(named >= 23, "{named}");
}

/// The picture alone needs a repository that shows it.
#[test]
fn links_of_the_readme_work_on_the_page_of_a_registry() {
    let readme = read("README.md");
    for (at, _) in readme.match_indices("](") {
        let target = readme[at + 2..].split(')').next().unwrap();
        let is_absolute = target.starts_with("https://") || target.starts_with('#');
        assert!(is_absolute || target == "examples/quickstart.png", "{target}");
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart.png").exists());
}

#[test]
fn the_readme_names_the_minimum_rust_version_and_ten_lines_are_ten() {
    let (readme, manifest) = (read("README.md"), read("Cargo.toml"));
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    assert!(readme.contains(&format!("{} or later", version.trim_matches('"'))));
    let (_, code) = readme.split_once("```rust,no_run\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    assert_eq!(code.lines().filter(|line| !line.is_empty()).count(), 10);
}

/// Readers copy the script from the guide, and Chromium runs that of the example.
#[test]
fn the_guide_shows_the_script_of_the_example() {
    let (guide, script) = (read("src/guide/front_ends.md"), read("examples/front_end/session.js"));
    let blocks: Vec<_> = guide.split("```js\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        for part in block.split("```").next().unwrap().split("\n\n") {
            assert!(script.contains(part.trim_end()), "{part}");
        }
    }
}

/// Tables and lines with a link cannot be wrapped; code in pages can be what another tool prints.
#[test]
fn prose_is_at_most_a_hundred_columns_wide() {
    let pages = files_of_the_tree(&["md"]);
    assert!(pages.len() > 20);
    for (path, text) in pages {
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            is_code ^= line.starts_with("```");
            let is_free = is_code || line.starts_with('|') || line.contains("](");
            let is_free = is_free || line.contains("]: ") || line.contains("https://");
            let columns = line.chars().count();
            assert!(is_free || columns <= 100, "{}:{}: {columns}", path.display(), number + 1);
        }
    }
}

/// rustfmt leaves lines alone that it cannot shorten: macros, long texts, comments.
#[test]
fn code_is_at_most_a_hundred_columns_wide() {
    let mut files = files_of_the_tree(&["rs", "mjs", "js", "py", "sh"]);
    for script in ["tests/run", "tests/fuzz/run", "benches/run"] {
        files.push((script.into(), read(script)));
    }
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let comment = line.trim_start().trim_start_matches(['/', '!']).trim_start();
            let is_table = comment.starts_with('|') && comment.len() < line.len();
            let columns = line.chars().count();
            assert!(is_table || columns <= 100, "{}:{}: {columns}", path.display(), number + 1);
        }
    }
}
