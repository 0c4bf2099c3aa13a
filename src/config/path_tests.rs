//! Public paths and prefixes, and paths that can be read in two ways.

use proptest::prelude::*;

use super::*;

fn paths() -> AccessRules {
    let mut paths = AccessRules::default();
    for exact in ["/", "/health", "/über uns"] {
        paths.add_exact("", exact).unwrap();
    }
    for prefix in ["/assets/", "/.well-known/"] {
        paths.add_prefix("", prefix).unwrap();
    }
    paths
}

#[test]
fn a_rule_covers_what_it_says() {
    for public in [
        "/",
        "/health",
        "/%C3%BCber%20uns",
        "/assets/",
        "/assets/app.css",
        "/assets/a/b/c.js",
        "/assets/a/",
        "/assets/.hidden/x",
        "/assets/a..b",
        "/assets/a%20b.png",
        "/assets/%C3%BC",
        "/.well-known/openid-configuration",
        "/assets/@scope/a,b=c",
    ] {
        assert!(paths().is_public(public), "{public}");
    }
    for protected in [
        "",
        "health",
        "/health/",
        "/Health",
        "/healthz",
        "/assets",
        "/assetsx",
        "/ASSETS/a",
        "/me",
        "/%C3%BCber",
        "//",
        "*",
    ] {
        assert!(!paths().is_public(protected), "{protected}");
    }
}

// C-451: path matching /public/../private, encoded slashes, double slashes
#[test]
fn what_can_be_read_in_two_ways_is_protected() {
    for ambiguous in [
        "/assets/../me",
        "/assets/..",
        "/assets/.",
        "/assets/./x",
        "/assets/.../x",
        "/assets//me",
        "/assets/a//",
        "//assets/a",
        "/assets/%2e%2e/me",
        "/assets/%2E./me",
        "/assets/.%2e",
        "/assets/%252e%252e/me",
        "/assets/.%252e/%C3%A9",
        "/assets/../%20",
        "/assets/..%2fme",
        "/assets/a%2Fb",
        "/assets/..%5cme",
        "/assets/..\\me",
        "/assets/a%00",
        "/assets/a%0d%0ab",
        "/assets/a\u{7f}",
        "/assets/a%25",
        "/assets/a%",
        "/assets/a%4",
        "/assets/a%zz",
        "/assets/%ff",
        "/assets/%c0%af",
        "/assets/a;b",
        "/assets/..;/me",
        "/assets/a%3bb",
        "/assets/a?b",
        "/assets/a%3Fb",
        "/assets/a#b",
        "/assets/ü",
        "/assets/a b",
        "/%61ssets/a",
        "/assets%2fa",
        "/he%61lth",
        "/health%2f",
        "/health;x",
        "/health?",
        "/%c3%bcber%20uns",
        "/%2e",
        "/.",
        "/;",
    ] {
        assert!(!paths().is_public(ambiguous), "{ambiguous}");
    }
}

#[test]
fn a_rule_that_could_not_be_meant_is_refused() {
    for (rule, hint) in [
        ("", "begin with a slash"),
        ("assets", "begin with a slash"),
        ("/assets/*", "pattern"),
        ("/users/{id}", "pattern"),
        ("/a%20b", "unencoded path"),
        ("/a?b", "unencoded path"),
        ("/a//b", "two ways"),
        ("/../a", "two ways"),
        ("/a/./b", "two ways"),
        ("/a\\b", "two ways"),
        ("/a;b", "two ways"),
    ] {
        let error = AccessRules::default().add_exact("", rule).unwrap_err().to_string();
        assert!(error.contains(hint), "{rule}: {error}");
    }
    assert!(
        AccessRules::default()
            .add_prefix("", "/assets")
            .unwrap_err()
            .to_string()
            .contains("end with a slash")
    );
    assert!(
        AccessRules::default().add_prefix("", "/").unwrap_err().to_string().contains("every path")
    );
}

/// The ways in which servers, proxies and routers are known to read a path.
fn readings(raw: &str) -> Vec<String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let once = decode(raw);
    let twice = decode(&once);
    let mut all = Vec::new();
    for text in [raw.to_owned(), once, twice] {
        let slashes = text.replace('\\', "/");
        for text in [text, slashes] {
            let cut: Vec<&str> =
                text.split('/').map(|segment| segment.split(';').next().unwrap()).collect();
            let cut = cut.join("/");
            for text in [text, cut] {
                all.push(resolved(&text, false));
                all.push(resolved(&text, true));
                all.push(text);
            }
        }
    }
    all
}

/// Dot segments taken out, maybe after runs of slashes have become one.
fn resolved(path: &str, merge: bool) -> String {
    let mut out: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(out.pop()),
            "" if merge => {}
            segment => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

/// Pieces of which no two make an empty or dot segment.
const PLAIN_PIECES: &[&str] =
    &["a", "Z9", "b.css", "~!$&'()", "*+,=:@-_", "c/d", ".x", "%20e", "%C3%A9"];

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "me",
        "..;",
        "assets",
        "health",
        ".well-known",
        "/",
        "/",
        "/",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "%2f",
        "%2F",
        "%5c",
        "\\",
        ";",
        ";x=y",
        "//",
        "%25",
        "%252e",
        "%252f",
        "%00",
        "%0a",
        "%",
        "%4",
        "é",
        "%C3%A9",
        "%ff",
        "%c0%ae",
        "%c0%af",
        "?",
        "#",
        " ",
        "%20",
        "%61",
        "\t",
    ]);
    let start =
        prop::sample::select(vec!["/", "/assets/", "/.well-known/", "/health", "", "/assets"]);
    (start, prop::collection::vec(piece, 0..8))
        .prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
}

/// Whether text is a path that the rules of these tests make public.
fn is_inside(text: &str) -> bool {
    const PATHS: [&str; 6] =
        ["/", "/health", "/assets", "/.well-known", "/über uns", "/%C3%BCber%20uns"];
    text.starts_with("/assets/") || text.starts_with("/.well-known/") || PATHS.contains(&text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Security rule 9: a path that is public by a rule is below that rule's path in every way
    /// of decoding it.
    #[test]
    fn rule_9_a_public_path_is_public_in_every_reading(path in nasty()) {
        if paths().is_public(&path) {
            for reading in readings(&path) {
                // A reader that merges slashes and dots loses the one at the end.
                prop_assert!(is_inside(&reading), "{path:?} is read as {reading:?}");
            }
        }
    }

    #[test]
    fn plain_files_below_a_prefix_are_public(
        pieces in prop::collection::vec(prop::sample::select(PLAIN_PIECES), 1..12),
    ) {
        let path = format!("/assets/{}", pieces.concat());
        prop_assert!(paths().is_public(&path), "{path}");
    }
}
