//! Every case that `tests/cases` holds has a test that names it, or a reason in
//! `tests/cases/not-applicable.md`; what waits for a feature is in `tests/cases/open.md`.
//!
//! A test names a case by its id: in a comment above it, in its name or in its text. The comment
//! `// C-011: RS256 token` has the case's input beside the id, so that the test can be read alone.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// A file of cases.
struct Set {
    file: &'static str,
    prefix: &'static str,
    /// The groups that must be complete; the others belong to features that are not built yet.
    complete: &'static [&'static str],
}

const SETS: &[Set] = &[
    // Response types, ID token, UserInfo, discovery, authorization request and response, token
    // response, refresh, keys, cookies and transaction state, redirect targets, device codes, the
    // application's own credentials and tokens, Microsoft's claims, guards, step-up.
    Set {
        file: "relying-party.json",
        prefix: "C-",
        complete: &[
            "A1", "A2", "A3", "A4", "B", "C", "D", "E", "F", "G", "H", "I", "J", "M", "N", "O",
            "P", "Q", "R", "S",
        ],
    },
    // What the tests of MSAL, Microsoft.Identity.Web and identity show.
    Set {
        file: "msal.json",
        prefix: "MSAL-",
        complete: &[
            "Authority parsing and discovery",
            "Authorization code flow",
            "Accounts, logout and removal",
            "Token cache: writing",
            "Silent acquisition and refresh_in",
            "Claims challenge, capabilities and scopes",
            "Client credentials, OBO, device code",
            "Client authentication",
            "Throttling and HTTP cache",
            "Region",
            "Distributed token cache (Microsoft.Identity.Web)",
        ],
    },
];

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
    /// Whether it is a case for a relying party at all: `yes`, `adapt`, `optional` or `no`, with
    /// words after it. Without it, it is.
    #[serde(default)]
    applies: String,
}

impl Case {
    fn is_for_us(&self) -> bool {
        !["no", "optional"].iter().any(|word| self.applies.starts_with(word))
    }
}

#[test]
fn every_case_has_a_test_or_a_reason() {
    let mut wrong = Vec::new();
    for set in SETS {
        let (tested, excused, open) = (
            tested(set.prefix),
            listed(set.prefix, "not-applicable.md"),
            listed(set.prefix, "open.md"),
        );
        let cases: Cases =
            serde_json::from_str(&read(&format!("tests/cases/{}", set.file))).unwrap();
        let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for case in &cases.cases {
            let count = counts.entry(&case.group).or_default();
            match (tested.get(&case.id), excused.contains(&case.id), open.contains(&case.id)) {
                (Some(_), false, false) => count[0] += 1,
                (Some(place), ..) => wrong.push(format!(
                    "{}: {} tests it and a list excuses it",
                    case.id,
                    place.display()
                )),
                (None, true, true) => wrong.push(format!("{}: in both lists", case.id)),
                (None, true, false) => count[1] += 1,
                (None, false, true) => count[2] += 1,
                (None, false, false) if !case.is_for_us() => count[1] += 1,
                (None, false, false) => {
                    count[2] += 1;
                    if set.complete.contains(&case.group.as_str()) {
                        wrong.push(format!(
                            "{} ({}): {} => {}",
                            case.id, case.group, case.input, case.expected
                        ));
                    }
                }
            }
        }
        let known: BTreeSet<_> = cases.cases.iter().map(|case| &case.id).collect();
        let unknown = tested.iter().filter(|(id, _)| !known.contains(id));
        wrong.extend(
            unknown.map(|(id, place)| format!("{id}: no such case, in {}", place.display())),
        );
        wrong.extend(
            excused
                .iter()
                .chain(&open)
                .filter(|id| !known.contains(id))
                .map(|id| format!("{id}: no such case, in a list")),
        );
        report(set.file, &counts, &open);
    }
    assert!(
        wrong.is_empty(),
        "{} cases are not in order. Put the id in a comment above the test that shows it, or a row \
         with the reason into tests/cases/not-applicable.md:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_comment_that_names_a_case_has_its_input() {
    let mut inputs = BTreeMap::new();
    for set in SETS {
        let cases: Cases =
            serde_json::from_str(&read(&format!("tests/cases/{}", set.file))).unwrap();
        inputs.extend(cases.cases.into_iter().map(|case| (case.id, case.input)));
    }
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in sources() {
        for (id, told) in SETS.iter().flat_map(|set| case_comments(set.prefix, &text)) {
            seen += 1;
            let input = inputs.get(&id).map(|input| words(input));
            if input.as_ref() != Some(&told) {
                wrong.push(format!("{}: {id}: {told}\n  expected: {input:?}", path.display()));
            }
        }
    }
    assert!(seen > 300, "only {seen} comments were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The comments `// ID: input`, with the lines that continue them, which are indented.
fn case_comments(prefix: &str, text: &str) -> Vec<(String, String)> {
    let mut lines = text.lines().map(str::trim_start).peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some((id, first)) = line
            .strip_prefix("// ")
            .filter(|comment| comment.starts_with(prefix))
            .and_then(|comment| comment.split_once(": "))
        else {
            continue;
        };
        let mut input = first.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("//   ")) {
            input = format!("{input} {}", &more[5..]);
        }
        found.push((id.to_owned(), words(&input)));
    }
    found
}

/// The text with one space between its words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Written past the test harness, which keeps the output of passing tests to itself.
fn report(file: &str, counts: &BTreeMap<&str, [usize; 3]>, open: &BTreeSet<String>) {
    let width = counts.keys().map(|group| group.len()).max().unwrap_or_default();
    let line = |name: &str, [tested, excused, open]: [usize; 3]| {
        format!("{name:width$} {tested:4} tested {excused:4} do not apply {open:4} open\n")
    };
    let mut text = format!("cases of {file} by group:\n");
    let mut all = [0; 3];
    for (group, count) in counts {
        text += &line(group, *count);
        all = [all[0] + count[0], all[1] + count[1], all[2] + count[2]];
    }
    text += &line("all", all);
    if !open.is_empty() {
        text += &format!(
            "listed as open: {}\n",
            open.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        );
    }
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// The ids that tests name, each with one file that does.
fn tested(prefix: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for (path, text) in sources() {
        found.extend(ids(prefix, &text).into_iter().map(|id| (id, path.clone())));
    }
    found
}

/// The text of every file of tests, and of the tests in every other file.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir()
                && !["cases", "node_modules", "target"].iter().any(|name| path.ends_with(name))
            {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "mjs")
                && !path.ends_with("tests/cases.rs")
            {
                let mut text = fs::read_to_string(&path).unwrap();
                let is_tests = !path.starts_with(root.join("src"))
                    || path.to_str().unwrap().ends_with("tests.rs");
                if !is_tests {
                    text =
                        text.find("#[cfg(test)]").map_or_else(String::new, |at| text.split_off(at));
                }
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// The ids in the first column of a list; a row must give its reason.
fn listed(prefix: &str, list: &str) -> BTreeSet<String> {
    let text = read(&format!("tests/cases/{list}"));
    let mut found = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with(&format!("| {prefix}"))) {
        let columns: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(columns.get(2).is_some_and(|reason| reason.len() > 10), "give the reason: {row}");
        for id in ids(prefix, columns[1]) {
            assert!(found.insert(id), "listed twice: {row}");
        }
    }
    found
}

/// Every prefix with three digits.
fn ids(prefix: &str, text: &str) -> Vec<String> {
    let digits = |at: usize| {
        let number = text.get(at + prefix.len()..at + prefix.len() + 3)?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
    };
    text.match_indices(prefix)
        .filter_map(|(at, _)| digits(at))
        .map(|number| format!("{prefix}{number}"))
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
