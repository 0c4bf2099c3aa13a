//! Which paths everybody may see.

/// The public paths, as they stand in a request.
///
/// A path is public if it is written exactly as a rule, or begins with a prefix and goes on in a way that can be read only one way. Everything else is protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublicPaths {
    exact: Vec<String>,
    prefixes: Vec<String>,
}

impl PublicPaths {
    pub(super) fn new(exact: Vec<String>, prefixes: Vec<String>) -> Self {
        Self { exact, prefixes }
    }

    /// Whether everybody may see `path`, the raw path of a request without its query.
    pub(crate) fn is_public(&self, path: &str) -> bool {
        self.exact.iter().any(|exact| exact == path)
            || self.prefixes.iter().any(|prefix| {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || is_plain(&format!("/{rest}")))
            })
    }
}

/// Whether a path begins with a slash and can be read only one way.
pub(super) fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte))
        && !path.contains("/.")
}
