//! The paths that need no sign-in, and with the default access [`Access::Public`] all others than
//! the protected ones.
//!
//! # Security
//!
//! Two programs that read a path differently are a classic way around access control: one sees a
//! public path, the other serves a protected resource. So no path is normalised and then trusted
//! (security rule 9). A path is public only if it is written as a rule is, and if the part after a
//! prefix has only one reading: no empty or dot segments, no encoded slash, backslash, percent sign
//! or control character, no `;`, and only UTF-8. Every other path is protected.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{
    access::{Access, PathRule, PathRules},
    protected_path::{ProtectedPaths, Rank},
};
use crate::error::ConfigError;

/// The rules of access to paths, in the form in which requests have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessRules {
    exact: Vec<Box<str>>,
    /// Each begins and ends with a slash.
    prefixes: Vec<Box<str>>,
    /// The access to paths that no rule matches.
    default: Access,
    /// The exceptions; `None` if there are none, as in most applications.
    protected: Option<Box<ProtectedPaths>>,
}

/// The name of the setting in errors.
const SETTING: &str = "public_paths";

impl AccessRules {
    /// These paths below `before`, which is a plain path or empty.
    ///
    /// # Errors
    ///
    /// A path is not plain, a prefix is not a directory or is the root, or a path is both public
    /// and protected.
    pub(super) fn new(before: &str, rules: &PathRules) -> Result<Self, ConfigError> {
        let mut public_paths = Self { default: rules.default, ..Self::default() };
        for rule in &rules.public {
            match rule {
                PathRule::Exact(path) => public_paths.add_exact(before, path)?,
                PathRule::Prefix(prefix) => public_paths.add_prefix(before, prefix)?,
            }
        }
        let protected = ProtectedPaths::new(before, &rules.protected)?;
        let exact = public_paths.exact.iter().map(|path| (path, Rank::Exact));
        let prefixes = public_paths.prefixes.iter().map(|prefix| (prefix, Rank::of_prefix(prefix)));
        if let Some((path, _)) =
            exact.chain(prefixes).find(|(path, rank)| protected.rank(path) == Some(*rank))
        {
            return Err(ConfigError::new(
                SETTING,
                format!("{path:?} is both public and protected: remove one of the two rules"),
            ));
        }
        public_paths.protected = (!protected.is_empty()).then(|| Box::new(protected));
        Ok(public_paths)
    }

    /// Paths that another setting makes public in some respect, under the same rules.
    ///
    /// # Errors
    ///
    /// A path is not plain, or a prefix is not a directory.
    pub(super) fn of_setting(
        setting: &'static str,
        before: &str,
        rules: &[PathRule],
    ) -> Result<Self, ConfigError> {
        let mut paths = Self::default();
        for declared in rules {
            match declared {
                PathRule::Exact(path) => paths.exact.push(rule(setting, before, path)?),
                PathRule::Prefix(prefix) => {
                    paths.prefixes.push(prefix_rule(setting, before, prefix)?);
                }
            }
        }
        Ok(paths)
    }

    /// Adds one path, unencoded, below `before`, which is a plain path or empty.
    pub(super) fn add_exact(&mut self, before: &str, path: &str) -> Result<(), ConfigError> {
        self.exact.push(rule(SETTING, before, path)?);
        Ok(())
    }

    /// Adds all paths below a directory.
    pub(super) fn add_prefix(&mut self, before: &str, prefix: &str) -> Result<(), ConfigError> {
        if prefix == "/" {
            return Err(ConfigError::new(
                "public_prefixes",
                "the prefix \"/\" would make every path public: where that is meant, set \
                 `with_default_access(Access::Public)` (IDENTITY_DEFAULT_ACCESS=public)",
            ));
        }
        self.prefixes.push(prefix_rule("public_prefixes", before, prefix)?);
        Ok(())
    }

    /// The rule that makes a plain path public, if there is one.
    pub(super) fn matching_rule(&self, path: &str) -> Option<&str> {
        self.exact
            .iter()
            .find(|exact| ***exact == *path)
            .or_else(|| self.prefixes.iter().find(|prefix| path.starts_with(&***prefix)))
            .map(|rule| &**rule)
    }

    /// Whether `path`, the raw path of a request without its query, needs no sign-in. It runs for
    /// every request, and without protected rules allocates only for a percent sign below a public
    /// prefix.
    #[inline]
    pub(crate) fn is_public(&self, path: &str) -> bool {
        match &self.protected {
            None => self.default == Access::Public || self.is_declared(path),
            Some(protected) => self.is_public_beside(protected, path),
        }
    }

    /// Whether a public rule matches.
    #[inline]
    pub(crate) fn is_declared(&self, path: &str) -> bool {
        // An exact rule needs no further check: rules are unambiguous, and the path is equal to
        // one.
        self.exact.iter().any(|exact| **exact == *path)
            || self.prefixes.iter().any(|prefix| below(prefix, path).is_some_and(is_unambiguous))
    }

    /// [`is_public`](Self::is_public) where there are protected rules.
    fn is_public_beside(&self, protected: &ProtectedPaths, path: &str) -> bool {
        // Which rule a path with two readings is under is not known, so it is protected.
        if !path.strip_prefix('/').is_some_and(|rest| is_unambiguous(rest) && is_one_file(rest)) {
            return false;
        }
        let exact = self.exact.iter().any(|exact| **exact == *path).then_some(Rank::Exact);
        let prefixes = self.prefixes.iter().filter(|prefix| below(prefix, path).is_some());
        let declared = exact.or_else(|| prefixes.map(|prefix| Rank::of_prefix(prefix)).max());
        match (declared, protected.rank(path)) {
            (None, None) => self.default == Access::Public,
            // No rule is less than any rule, and of two alike the protected one counts.
            (declared, protected) => declared > protected,
        }
    }
}

/// The part of the path after the prefix, if the path begins with it.
#[inline]
fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    // Comparing the last slash of the prefix first decides most cases.
    let last = prefix.len().checked_sub(1)?;
    if path.as_bytes().get(last) != Some(&b'/') { None } else { path.strip_prefix(prefix) }
}

/// State of the scan over the part after a prefix: inside a segment.
const INSIDE: u16 = 0;
/// State after a slash, where the next segment can be empty or a dot segment.
const AFTER_SLASH: u16 = 256;
/// State after a byte that needs the slow check.
const UNSURE: u16 = 512;

/// The next state by state + byte. It has as many entries as the mask has values, so that a look-up
/// needs no bounds check.
const NEXT: [u16; 1024] = {
    let mut next = [UNSURE; 1024];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::indexing_slicing, reason = "within bounds, or it would not compile")]
        if is_ordinary(byte) {
            next[INSIDE as usize + byte] = INSIDE;
            next[AFTER_SLASH as usize + byte] = INSIDE;
        } else if byte == b'/' as usize {
            next[INSIDE as usize + byte] = AFTER_SLASH;
        } else if byte == b'.' as usize {
            next[INSIDE as usize + byte] = INSIDE;
        }
        byte += 1;
    }
    next
};

/// Whether a byte has no special meaning to any reader: unreserved and sub-delims of RFC 3986
/// section 2 without `.` and `;`, and `:` and `@`.
const fn is_ordinary(byte: usize) -> bool {
    byte < 128
        && ((byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'-' | b'_' | b'~' | b'!' | b'$' | b'&'..=b'-' | b'=' | b':' | b'@'
            ))
}

/// Whether the part after a slash has only one reading.
fn is_unambiguous(rest: &str) -> bool {
    let step = |state: u16, byte: &u8| {
        NEXT.get(usize::from(state | u16::from(*byte)) & 1023).copied().unwrap_or(UNSURE)
    };
    rest.as_bytes().iter().fold(AFTER_SLASH, step) != UNSURE || is_unambiguous_slow(rest)
}

/// The slow check of [`is_unambiguous`], for dots after slashes and for percent-encoding.
#[cold]
fn is_unambiguous_slow(rest: &str) -> bool {
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if (segment.is_empty() && !last) || !is_one_segment(segment) {
            return false;
        }
    }
    true
}

/// Whether a raw segment is one segment of plain text to every reader. The empty segment is.
fn is_one_segment(raw: &str) -> bool {
    if !raw.bytes().all(|byte| is_ordinary(byte.into()) || matches!(byte, b'.' | b'%')) {
        return false;
    }
    let Some(text) = decoded(raw) else { return false };
    // Some servers also remove `...` and longer segments of dots.
    let is_dots = !text.is_empty() && text.bytes().all(|byte| byte == b'.');
    !is_dots && !text.contains(|read: char| read.is_control() || "/\\%;?#".contains(read))
}

/// Whether no segment is another name of a file to Windows: a dot or space at its end is dropped, a
/// colon begins the name of a stream, a tilde that of a short name.
fn is_one_file(rest: &str) -> bool {
    rest.split('/').all(|raw| {
        decoded(raw).is_some_and(|text| !text.ends_with(['.', ' ']) && !text.contains([':', '~']))
    })
}

/// The text of a percent-encoded segment; `None` if an escape is malformed or the bytes are not
/// UTF-8.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    let broken = raw.split('%').skip(1).any(|after| {
        !after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken { None } else { percent_decode_str(raw).decode_utf8().ok() }
}

/// The characters that are escaped in a rule: those that browsers escape in a path.
const IN_RULE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'|');

/// A rule for a directory, in the form in which requests have it. `setting` is named in errors.
pub(super) fn prefix_rule(
    setting: &'static str,
    before: &str,
    prefix: &str,
) -> Result<Box<str>, ConfigError> {
    // `/assets` as a prefix would also match `/assets-internal`.
    if !prefix.ends_with('/') {
        return Err(ConfigError::new(
            setting,
            format!(
                "the prefix {prefix:?} has to end with a slash, so that it is a directory and does \
                 not match names that only begin alike"
            ),
        ));
    }
    rule(setting, before, prefix)
}

/// A rule in the form in which requests have it. `setting` is named in errors.
pub(super) fn rule(
    setting: &'static str,
    before: &str,
    path: &str,
) -> Result<Box<str>, ConfigError> {
    let wrong = |problem: &str| Err(ConfigError::new(setting, format!("{path:?} {problem}")));
    let Some(rest) = path.strip_prefix('/') else { return wrong("has to begin with a slash") };
    if path.contains(['*', '{', '}']) {
        let Some((kind, "paths" | "prefixes")) = setting.rsplit_once('_') else {
            return wrong("looks like a pattern: name one path");
        };
        return wrong(&format!(
            "looks like a pattern: name one path with `add_{kind}_path`, or all paths below a \
             directory with `add_{kind}_prefix`"
        ));
    }
    // Rules are written unencoded, so that one rule has one form in a request.
    if path.contains(['%', '?', '#']) {
        return wrong("has to be an unencoded path without a query: it contains %, ? or #");
    }
    let encoded = utf8_percent_encode(rest, IN_RULE).to_string();
    if !is_unambiguous(&encoded) {
        return wrong(
            "can be read in two ways (empty or dot segments, backslash, `;` or control \
             characters), so it would never match",
        );
    }
    Ok(format!("{before}/{encoded}").into())
}

/// Whether a path begins with a slash, does not end with one, and has only plain segments. The
/// paths of the layer and the path of the base URL have to be plain.
pub(super) fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty()
            && rest.split('/').all(|segment| {
                !segment.is_empty() && !segment.contains('%') && is_one_segment(segment)
            })
    })
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
