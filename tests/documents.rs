//! The agreement of the documents with the tree: numbered decisions and rules, tests that are
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

/// The text of a document between backticks, outside of its code blocks.
fn quoted(document: &str) -> Vec<&str> {
    let prose = document.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// Of `middleware/{service, admit}` both paths.
fn expanded(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let (names, after) = rest.split_once('}').unwrap();
    names.split(',').map(|name| format!("{before}{}{after}", name.trim())).collect()
}

/// Paths are those of the repository, or below `src`; the ending of a file may be left out.
#[test]
fn every_path_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let architecture = read("ARCHITECTURE.md");
    let starts: Vec<String> = [root.to_owned(), root.join("src")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| format!("{}/", entry.file_name().to_string_lossy()))
        .collect();
    let files = files_of_the_tree(&["rs"]);
    let mut named = 0;
    for text in quoted(&architecture) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_file = text.ends_with(".rs") && !text.contains('/');
        if !is_file && !starts.iter().any(|start| text.starts_with(start)) {
            continue;
        }
        for path in expanded(text.split(" docs").next().unwrap()) {
            let places = [root.join(&path), root.join("src").join(&path)];
            let exists = places.iter().any(|place| {
                place.exists() || Path::new(&format!("{}.rs", place.display())).exists()
            });
            let is_single = is_file && files.iter().any(|(known, _)| known.ends_with(&path));
            assert!(exists || is_single, "ARCHITECTURE.md names {path}, which does not exist");
            named += 1;
        }
    }
    assert!(named >= 60, "{named}");
}

/// Types, functions and settings: the last part of `Type::method` or `Type`, where it is written
/// like Rust.
#[test]
fn every_item_that_the_architecture_names_exists() {
    let architecture = read("ARCHITECTURE.md");
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    let words: BTreeSet<&str> =
        sources.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let elsewhere = ["bincode", "minicbor", "postcard", "syn"];
    let mut named = 0;
    for text in quoted(&architecture) {
        let item = text.trim_end_matches("()").trim_end_matches('!');
        let is_word = |part: &str| {
            !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        };
        let is_decision = item.len() <= 3 && item.starts_with('D');
        if !item.split("::").all(is_word) || is_decision || elsewhere.contains(&item) {
            continue;
        }
        for part in item.split("::") {
            assert!(words.contains(part), "ARCHITECTURE.md names {text}, which does not exist");
        }
        named += 1;
    }
    assert!(named >= 100, "{named}");
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
