//! Every case that `tests/cases` holds has a test that names it, or a reason in `tests/cases/not-applicable.md`.
//!
//! A test names a case by its id: in a comment above it, in its name or in its text.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The groups of `relying-party.json` that must be complete: response types, ID token, UserInfo, discovery, authorization request and response,
/// token response, keys, cookies and transaction state, redirect targets. The others belong to features that are not built yet.
const COMPLETE: &[&str] = &["A1", "A2", "A3", "A4", "B", "C", "D", "E", "F", "G", "H", "I", "M", "N"];

#[derive(serde::Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    group: String,
    input: String,
    expected: String,
}

#[test]
fn every_case_has_a_test_or_a_reason() {
    let cases: Cases = serde_json::from_str(&read("tests/cases/relying-party.json")).unwrap();
    let (tested, excused) = (tested(), excused());
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for case in &cases.cases {
        let count = counts.entry(&case.group).or_default();
        match (tested.get(&case.id), excused.contains(&case.id)) {
            (Some(place), true) => {
                wrong.push(format!("{}: {} tests it and not-applicable.md excuses it", case.id, place.display()))
            }
            (Some(_), false) => count[0] += 1,
            (None, true) => count[1] += 1,
            (None, false) => {
                count[2] += 1;
                if COMPLETE.contains(&case.group.as_str()) {
                    wrong.push(format!("{} ({}): {} => {}", case.id, case.group, case.input, case.expected));
                }
            }
        }
    }
    let known: BTreeSet<_> = cases.cases.iter().map(|case| &case.id).collect();
    wrong.extend(
        tested
            .iter()
            .filter(|(id, _)| !known.contains(id))
            .map(|(id, place)| format!("{id}: no such case, in {}", place.display())),
    );
    wrong.extend(excused.iter().filter(|id| !known.contains(id)).map(|id| format!("{id}: no such case, in not-applicable.md")));
    report(&counts);
    assert!(
        wrong.is_empty(),
        "{} cases are not in order. Put the id in a comment above the test that shows it, or a row with the reason into tests/cases/not-applicable.md:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Written past the test harness, which keeps the output of passing tests to itself.
fn report(counts: &BTreeMap<&str, [usize; 3]>) {
    let line = |name: &str, [tested, excused, open]: [usize; 3]| {
        format!("{name:5} {tested:4} tested {excused:4} do not apply {open:4} open\n")
    };
    let mut text = String::from("cases by group:\n");
    let mut all = [0; 3];
    for (group, count) in counts {
        text += &line(group, *count);
        all = [all[0] + count[0], all[1] + count[1], all[2] + count[2]];
    }
    std::io::stderr().write_all((text + &line("all", all)).as_bytes()).unwrap();
}

/// The ids that tests name, each with one file that does.
fn tested() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !["cases", "node_modules", "target"].iter().any(|name| path.ends_with(name)) {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "mjs") && !path.ends_with("tests/cases.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let is_tests = !path.starts_with(root.join("src")) || path.ends_with("tests.rs");
                let start = if is_tests { Some(0) } else { text.find("#[cfg(test)]") };
                for id in ids(&text[start.unwrap_or(text.len())..]) {
                    found.insert(id, path.strip_prefix(root).unwrap().to_owned());
                }
            }
        }
    }
    found
}

/// The ids in the first column of the table of cases that do not apply; a row must give its reason.
fn excused() -> BTreeSet<String> {
    let text = read("tests/cases/not-applicable.md");
    let mut found = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with("| C-")) {
        let columns: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(columns.get(2).is_some_and(|reason| reason.len() > 10), "give the reason: {row}");
        for id in ids(columns[1]) {
            assert!(found.insert(id), "listed twice: {row}");
        }
    }
    found
}

/// Every `C-` with three digits.
fn ids(text: &str) -> Vec<String> {
    let digits = |at: usize| text.get(at + 2..at + 5).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    text.match_indices("C-").filter_map(|(at, _)| digits(at)).map(|number| format!("C-{number}")).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
