//! [`Scope`]: a scope of an API, independent of its spelling.

use std::fmt;

use crate::config::ValidApiConfig;

/// A scope of an API, independent of its spelling.
///
/// At Entra ID a client requests `api://notes/Notes.Read` or `https://api.example.com/Notes.Read`,
/// and the token has `Notes.Read` for either. [`ValidApiConfig::scope`] makes equal values of the
/// three; a scope of another API is not equal to any of them. At other providers a scope has one
/// spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    name: Box<str>,
    prefix: Box<str>,
}

impl Scope {
    /// The name in a token: `Notes.Read`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name in the request of a client: `api://notes/Notes.Read`.
    #[must_use]
    pub fn asked_for(&self) -> String {
        format!("{}{}", self.prefix, self.name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether a spelling is a name alone. Guards ask with each request.
fn is_bare(spelling: &str) -> bool {
    !spelling.as_bytes().windows(3).any(|part| part == b"://")
}

impl ValidApiConfig {
    /// A scope of this API, by any of its spellings.
    #[must_use]
    pub fn scope(&self, spelling: &str) -> Scope {
        let name = self.scope_name(spelling);
        let is_ours = is_bare(spelling) || name != spelling;
        let prefix = self.scope_prefixes().first().filter(|_| is_ours).map_or("", |prefix| prefix);
        Scope { name: name.into(), prefix: prefix.into() }
    }

    /// The name in a token of this API; the spelling itself, if the scope is not one of this API.
    pub(super) fn scope_name<'s>(&self, spelling: &'s str) -> &'s str {
        if is_bare(spelling) {
            return spelling;
        }
        // An Application ID URI that ends in a slash makes two of them.
        self.scope_prefixes()
            .iter()
            .filter_map(|prefix| spelling.strip_prefix(prefix.as_str()))
            .map(|rest| rest.strip_prefix('/').unwrap_or(rest))
            .find(|name| !name.is_empty())
            .unwrap_or(spelling)
    }
}
