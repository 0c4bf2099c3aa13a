//! The path that a sign-in or sign-out returns to: [`ReturnPath`].

use std::{borrow::Cow, fmt};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

/// The maximum length of a return path, in bytes of its encoded form.
const MAX_LENGTH: usize = 2_000;

/// The number of times that a path may be percent-encoded. A path that still changes after it is
/// refused.
const MAX_DECODINGS: usize = 4;

/// A path on this site, with its query and fragment. It is the only type that a sign-in or sign-out
/// can return to, so that there is no open redirect (security rule 1).
///
///
/// - It begins with one slash, and no reader takes it for another site: `//host`, `/\host`,
///   `/%2Fhost`, `/%5Chost`, `https:host`, tabs and line breaks are refused, encoded once or
///   several times.
/// - It has no dot segments, no backslash in the path and no control characters.
/// - It is re-encoded: only visible ASCII, without quotes and angle brackets, at most 2,000 bytes.
///
/// ```
/// use tower_identity::config::ReturnPath;
///
/// assert_eq!(ReturnPath::parse("/reports?year=2026").unwrap().as_str(), "/reports?year=2026");
/// assert_eq!(ReturnPath::parse("/über uns").unwrap().as_str(), "/%C3%BCber%20uns");
/// assert_eq!(ReturnPath::parse("//evil.example"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// Parses a return path; `None` if it is not safe to send a browser to it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Browsers remove tabs and line breaks from a URL before they parse it.
        if text.len() > MAX_LENGTH || text.contains(char::is_control) {
            return None;
        }
        let (before_fragment, fragment) = split(text, '#');
        let (path, query) = split(before_fragment, '?');
        // Browsers treat a backslash in a path as a slash (WHATWG URL section 4.4).
        if path.contains('\\') {
            return None;
        }
        let mut encoded = encode(path);
        // Only the path decides which site the browser goes to. Query and fragment are re-encoded
        // below.
        if !is_here(encoded.as_bytes()) {
            return None;
        }
        for (mark, part) in [('?', query), ('#', fragment)] {
            if let Some(part) = part {
                encoded.push(mark);
                encoded.push_str(&encode(part));
            }
        }
        (encoded.len() <= MAX_LENGTH).then_some(Self(encoded))
    }

    /// The path `/`.
    #[must_use]
    pub fn home() -> Self {
        Self("/".into())
    }

    /// The path with its query and fragment, percent-encoded: only visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without query and fragment.
    pub(crate) fn path(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts before and after the first `mark`.
fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// The characters that are escaped: those that RFC 3986 does not allow in a query or fragment, and
/// `'`, which can end an HTML attribute.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Percent-encodes a part. Existing escapes stay, and a percent sign without two digits is escaped.
fn encode(part: &str) -> String {
    let mut encoded = String::with_capacity(part.len());
    for (index, piece) in part.split('%').enumerate() {
        if index > 0 {
            let is_escape = piece
                .as_bytes()
                .get(..2)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            encoded.push_str(if is_escape { "%" } else { "%25" });
        }
        encoded.extend(utf8_percent_encode(piece, ENCODED));
    }
    encoded
}

/// Whether an encoded path stays on this site, also for a reader that decodes it several times.
///
/// The second byte must not be a slash: `//host` is a network-path reference (RFC 3986 section
/// 4.2), and browsers treat a backslash like a slash.
fn is_here(encoded: &[u8]) -> bool {
    let mut path = Cow::Borrowed(encoded);
    for _ in 0..=MAX_DECODINGS {
        let here = matches!(path.as_ref(), [b'/'] | [b'/', b'\0'..=b'.' | b'0'.., ..])
            && std::str::from_utf8(&path).is_ok_and(|text| !text.contains(char::is_control))
            && !path.contains(&b'\\')
            && !path.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
        if !here {
            return false;
        }
        // A proxy or an application may decode once more, so every decoded form is checked as well.
        let decoded: Vec<u8> = percent_decode(&path).collect();
        if decoded == *path {
            return true;
        }
        path = Cow::Owned(decoded);
    }
    false
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn written(text: &str) -> Option<String> {
        ReturnPath::parse(text).map(|path| path.to_string())
    }

    // C-328: /, /home, /home?query=1, /a/b/c
    // C-340: deep link with query before login
    #[test]
    fn pages_of_this_site_are_kept_with_their_query() {
        for kept in [
            "/",
            "/home",
            "/home?query=1",
            "/a/b/c",
            "/a//b",
            "/a/",
            "/app/reports?year=2026&of=a%2Fb&next=//x#part-2",
            "/a%20b",
            "/a%2Fb",
            "/?q=https://other.example/",
            "/?q=a%0D%0Ab",
            "/?q=%5C",
            "/a;b=c/d,e@f:g",
            "/.well-known/x",
            "/...",
            "/a..b",
            "/%E2%82%AC",
            "/?",
        ] {
            assert_eq!(written(kept).as_deref(), Some(kept));
        }
    }

    #[test]
    fn what_an_address_may_not_hold_is_encoded() {
        for (text, encoded) in [
            ("/ü", "/%C3%BC"),
            ("/a b?c d", "/a%20b?c%20d"),
            ("/100%", "/100%25"),
            ("/100%?q=5%&r=%zz", "/100%25?q=5%25&r=%25zz"),
            ("/?q=\"><script>'", "/?q=%22%3E%3Cscript%3E%27"),
            ("/?q=\\", "/?q=%5C"),
            ("/a[0]#b#c", "/a%5B0%5D#b%23c"),
        ] {
            assert_eq!(written(text).as_deref(), Some(encoded));
        }
    }

    // C-329: null, "", //some.example, //some.example/path
    // C-331: https://…, http://…, javascript:alert(1)
    // C-333: /%2Fsome.example, /%2f…, /%5C…, /%5c…, /%2f%2f…, /%2F%5C…
    // C-337: CR or LF in the return URL
    // C-345: login endpoint `?returnUrl=`
    #[test]
    fn what_could_be_another_site_is_refused() {
        for refused in [
            "",
            "//some.example",
            "//some.example/path",
            "///some.example",
            "https://some.example",
            "http://some.example",
            "https:some.example",
            "https:/some.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "some.example",
            "?a",
            "#a",
            "\\\\some.example",
            "/\\some.example",
            "/a\\b",
            "/%2Fsome.example",
            "/%2fsome.example",
            "/%5Csome.example",
            "/%5csome.example",
            "/%5c",
            "/%2F",
            "/%2f%2fsome.example",
            "/%2F%5Csome.example",
            "/%252Fsome.example",
            "/%25252fsome.example",
            "/%255csome.example",
            "/%2525252525252fsome.example",
            "/./",
            "/.//some.example",
            "/..//some.example",
            "/a/../..//some.example",
            "/%2e%2e//some.example",
            "/.%2E/a",
            "/\tsome.example",
            "/\t/some.example",
            "/%09/some.example",
            "/%0d%0aSet-Cookie:x",
            "/a\r\nLocation: https://some.example",
            "/a\nb",
            "/a\0",
            "/a%00",
            "/a\u{85}",
            "/?a\r\nb",
            "\t//some.example",
            " /a",
            "/a%ff",
            "/%c0%af/some.example",
        ] {
            assert_eq!(written(refused), None, "{refused:?}");
        }
    }

    // C-338: return URL over the limit
    #[test]
    fn a_path_that_is_too_long_is_refused_before_and_after_encoding() {
        let longest = format!("/{}", "a".repeat(MAX_LENGTH - 1));
        assert!(written(&longest).is_some());
        assert_eq!(written(&format!("{longest}a")), None);
        assert_eq!(written(&format!("/{}", "ü".repeat(MAX_LENGTH / 3))), None);
    }

    const PLAIN_PIECES: &[&str] = &[
        "a",
        "Z9",
        "b.css",
        "~!$&()",
        "*+,=:@-_;",
        "c/d",
        "c//d",
        ".x",
        "%20e",
        "%C3%A9",
        "c%2Fd",
    ];

    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "evil.example",
            "/",
            "/",
            "//",
            "\\",
            "%2f",
            "%2F",
            "%5c",
            "%5C",
            "%25",
            "2f",
            "5c",
            "%252f",
            ".",
            "..",
            "%2e",
            "?",
            "#",
            "@",
            ":",
            "https:",
            "http://",
            "javascript:",
            "\t",
            "\r",
            "\n",
            "%09",
            "%0a",
            "%0D",
            "%00",
            " ",
            "%",
            "%4",
            "é",
            "%C3%A9",
            "%ff",
            "%c0%af",
            ";",
            "&",
            "=",
            "'",
            "\"",
            "<",
            "\u{a0}",
            "\u{2028}",
            "\u{ff0f}",
        ]);
        (
            prop::sample::select(vec!["/", "/a", "", "//", "/\\"]),
            prop::collection::vec(piece, 0..10),
        )
            .prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Rule 1: to a browser, and to one that reads what a proxy has decoded, the address is on
        /// this site.
        #[test]
        fn rule_1_a_return_path_never_leaves_the_site(text in nasty()) {
            let site = Url::parse("https://app.example.com/deep/page?x").unwrap();
            if let Some(path) = ReturnPath::parse(&text) {
                let mut reading = path.to_string();
                for _ in 0..5 {
                    let seen = site.join(&reading).unwrap();
                    let same = seen.origin() == site.origin();
                    prop_assert!(same, "{text:?} is read as {reading:?}");
                    // Only the path is decoded by those in between: the query's escapes are data.
                    let end = reading.find(['?', '#']).unwrap_or(reading.len());
                    let (before, after) = reading.split_at(end);
                    reading = percent_decode_str(before).decode_utf8_lossy().into_owned() + after;
                }
                prop_assert!(path.as_str().starts_with('/') && !path.as_str().starts_with("//"));
                let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"'<>".contains(&byte);
                prop_assert!(path.as_str().bytes().all(is_plain));
                prop_assert!(path.as_str().len() <= MAX_LENGTH);
            }
        }

        #[test]
        fn a_return_path_reads_back_as_itself(text in nasty()) {
            if let Some(path) = ReturnPath::parse(&text) {
                prop_assert_eq!(ReturnPath::parse(path.as_str()), Some(path));
            }
        }

        #[test]
        fn an_ordinary_page_is_kept(
            pieces in prop::collection::vec(prop::sample::select(PLAIN_PIECES), 1..12),
            query in prop::sample::select(vec!["", "?", "?a=%0A&b=//x", "#part"]),
        ) {
            let page = format!("/{}{query}", pieces.concat());
            let path = ReturnPath::parse(&page);
            prop_assert_eq!(path.as_ref().map(ReturnPath::as_str), Some(page.as_str()));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = ReturnPath::parse(&text);
        }
    }
}
