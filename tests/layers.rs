//! The order of the modules in `src`, lowest first: a module imports from its own line and from
//! earlier ones, and some words have no place in it. ARCHITECTURE.md says why. Files are short, and
//! folders are not nested.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

/// The modules of each line, and the words that their code must not mention (a word is a part of an
/// identifier or of a text).
const LAYERS: &[(&[&str], &[&str])] = &[
    (
        &[
            "error",
            "secret",
            "seal",
            "clock",
            "strings",
            "languages",
            "media_type",
            "www_authenticate",
            "json",
            "codec",
            "single_flight",
            "measure",
        ],
        &[],
    ),
    (&["authority"], &["reqwest", "tokio"]),
    (&["config"], &["reqwest", "tokio", "tower_sessions"]),
    (&["protocol"], &["tower", "axum", "cookie", "cookies", "session_store"]),
    (&["tokens"], &["tower", "axum", "status_code", "cookie", "cookies"]),
    (&["sign_in"], &["cookie", "cookies", "session_store", "status_code", "header_value"]),
    (&["client"], &["session", "sessions", "cookie", "cookies"]),
    (&["user"], &["body", "http_body"]),
    (
        &["session"],
        &[
            "id_token",
            "id_tokens",
            "pkce",
            "jwt",
            "jwks",
            "authorization_code",
            "code_verifier",
            "openid",
        ],
    ),
    (&["pages"], &["kid", "key_ring"]),
    (&["web_auth"], &["http_body", "tower_service", "cookies"]),
    (&["http_message"], &["kid", "web_auth"]),
    (&["api", "desktop"], &["kid", "web_auth"]),
    (&["middleware"], &["kid", "web_auth"]),
    (&["outgoing"], &["nonce", "kid", "key_ring"]),
];

/// Modules that nothing above imports, and that may import everything; `guide` is documentation
/// alone.
const APART: &[&str] = &["dev", "guide", "testing"];

#[test]
fn modules_import_only_from_their_own_line_and_below() {
    let exports = exports();
    let mut wrong = Vec::new();
    for file in files() {
        for (line, name) in imports(&file) {
            let module = exports.get(&name).unwrap_or(&name);
            if file.module == *module || APART.contains(&file.module.as_str()) {
                continue;
            }
            let place =
                format!("{}:{line}: `{}` imports `{name}`", file.path.display(), file.module);
            match (height(&file.module), height(module)) {
                _ if APART.contains(&module.as_str()) => {
                    wrong.push(format!("{place}, which only tests and examples may use"))
                }
                (Some(own), Some(other)) if other > own => {
                    wrong.push(format!("{place}, which lies above it"))
                }
                (_, None) => wrong.push(format!("{place}, which is in no line of tests/layers.rs")),
                _ => {}
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "move the code down, or turn the import around:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn modules_do_not_mention_what_is_not_theirs() {
    let mut wrong = Vec::new();
    for file in files() {
        let Some(height) = height(&file.module) else { continue };
        for (number, line) in file.lines() {
            for word in LAYERS[height].1.iter().filter(|word| mentions(line, word)) {
                wrong.push(format!(
                    "{}:{number}: `{}` mentions `{word}`",
                    file.path.display(),
                    file.module
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "this is another module's business:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_line() {
    let homeless: Vec<_> = files()
        .into_iter()
        .filter(|file| height(&file.module).is_none() && !APART.contains(&file.module.as_str()))
        .map(|file| file.path)
        .collect();
    assert!(homeless.is_empty(), "name the module in tests/layers.rs: {homeless:?}");
}

/// The most lines of code in a file: a longer one has parts with names of their own. Comments and
/// blank lines do not count.
const MOST_LINES: usize = 400;

/// Files that are one table or one list, with the reason why they are not divided.
const LONG_FILES: &[(&str, &str)] = &[
    ("src/pages/french.rs", "one table of texts"),
    ("src/pages/german.rs", "one table of texts"),
    ("src/pages/spanish.rs", "one table of texts"),
];

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        rust_files(&root.join(folder), &mut found);
    }
    assert!(found.len() > 300, "{}", found.len());
    let long: BTreeMap<_, _> = found
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text.lines().map(str::trim_start);
            let lines = code.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
            (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), lines)
        })
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    let excepted = |path: &str| LONG_FILES.iter().any(|(long, _)| *long == path);
    let wrong: Vec<_> = long.iter().filter(|(path, _)| !excepted(path)).collect();
    assert!(wrong.is_empty(), "move a part with a name of its own to another file: {wrong:?}");
    let short: Vec<_> = LONG_FILES.iter().filter(|(path, _)| !long.contains_key(*path)).collect();
    assert!(short.is_empty(), "no longer exceptions: {short:?}");
}

#[test]
fn a_module_is_one_folder() {
    let deep: Vec<_> =
        files().into_iter().map(|file| file.path).filter(|path| path.iter().count() > 3).collect();
    assert!(deep.is_empty(), "a folder in a folder of src: {deep:?}");
}

/// The Rust files below a folder, without what a build wrote.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// One file of `src` without its comments and without the tests at its end.
struct File {
    path: PathBuf,
    module: String,
    code: String,
}

impl File {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether `super` is the root of the crate here.
    fn is_top(&self) -> bool {
        self.path.parent().is_some_and(|folder| folder.ends_with("src"))
            || self.path.ends_with("mod.rs")
    }
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("src/lib.rs")
                && !is_test(&path)
            {
                let path = path.strip_prefix(root).unwrap().to_owned();
                let module = path
                    .iter()
                    .nth(1)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .trim_end_matches(".rs")
                    .to_owned();
                found.push(File { code: code(&root.join(&path)), path, module });
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| {
        let name = name.to_str().unwrap();
        name == "tests" || name == "fuzzing" || name == "test_api" || name.ends_with("_tests")
    }) || path.components().any(|part| part.as_os_str() == "tests" && path.starts_with("src"))
}

/// The text of a file with comments blanked out and the tests at its end cut off; line numbers
/// stay.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let uncommented = |line: &str| {
        line.split_once("//")
            .filter(|(before, _)| !before.ends_with(':'))
            .map_or(line, |(before, _)| before)
            .to_owned()
    };
    text[..end].lines().map(uncommented).collect::<Vec<_>>().join("\n")
}

fn height(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(modules, _)| modules.contains(&module))
}

/// The modules (or names at the root of the crate) that a file names, each with its line.
fn imports(file: &File) -> Vec<(usize, String)> {
    let mut roots = vec!["crate::"];
    if file.is_top() {
        roots.push("super::");
    }
    let mut found = Vec::new();
    for root in roots {
        for (at, _) in file.code.match_indices(root) {
            let line = file.code[..at].lines().count().max(1);
            found.extend(
                first_segments(&file.code[at + root.len()..]).into_iter().map(|name| (line, name)),
            );
        }
    }
    found
}

/// `a::b` names `a`; `{a::{b, c}, d}` names `a` and `d`.
fn first_segments(path: &str) -> Vec<String> {
    let identifier = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let (mut depth, mut start, mut names) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(identifier(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

/// The re-exports of `lib.rs`: by name, the module that each comes from.
fn exports() -> HashMap<String, String> {
    let code = code(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let mut found = HashMap::new();
    for statement in code
        .split("pub use ")
        .skip(1)
        .filter_map(|rest| rest.split_once(';'))
        .map(|(statement, _)| statement)
    {
        let (module, names) = statement.split_once("::").unwrap();
        for name in
            names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
        {
            found.insert(name.to_owned(), module.to_owned());
        }
    }
    found
}

/// Whether `word` is one of the words, or some words in a row, of an identifier or text in this
/// line: `cookie` in `SetCookie`, not in `cookiejar`.
fn mentions(line: &str, word: &str) -> bool {
    let mut words = String::from("_");
    let mut after_lower = false;
    for c in line.chars() {
        if c.is_uppercase() && after_lower {
            words.push('_');
        }
        after_lower = c.is_lowercase();
        words.push(if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else if c == '_' {
            '_'
        } else {
            '-'
        });
    }
    let words = words.replace('-', "_") + "_";
    words.contains(&format!("_{word}_"))
}

#[test]
fn the_parts_of_this_test_work() {
    assert_eq!(first_segments("a::b;"), ["a"]);
    assert_eq!(first_segments("{\n    a::{b, c::d},\n    Error,\n};"), ["a", "Error"]);
    assert!(mentions("let x = SetCookie::new()", "cookie"));
    assert!(mentions("use tower_sessions_core::Id;", "tower_sessions"));
    assert!(mentions("StatusCode::OK", "status_code"));
    assert!(!mentions("cookiejar", "cookie"));
}
