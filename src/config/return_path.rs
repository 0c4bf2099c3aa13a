//! Where a sign-in comes back to.

use std::fmt;

/// The longest return path, in bytes.
const MAX_LENGTH: usize = 2_000;

/// A path with query on this site: the only thing that a sign-in or sign-out can return to.
///
/// Whatever could be another site, or is one to some reader (`//host`, `/\host`, `/%2Fhost`, `https:host`, control characters), cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// The path in `text`, written back re-encoded; `None` if it is not one that is safe to send a browser to.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let safe = text.len() <= MAX_LENGTH
            && text.starts_with('/')
            && !text.starts_with("//")
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'%');
        safe.then(|| Self(text.to_owned()))
    }

    /// The home page, `/`.
    #[must_use]
    pub fn home() -> Self {
        Self("/".into())
    }

    /// The path, percent-encoded: only visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
