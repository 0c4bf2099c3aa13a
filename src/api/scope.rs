//! [`Scope`]: one right of an API, in each of its spellings.

use std::fmt;

use crate::config::ValidApiConfig;

/// A scope of an API, however it was spelled.
///
/// At Entra ID a client asks for `api://notes/Notes.Read` or
/// `https://api.example.com/Notes.Read`, and the token has `Notes.Read` for either. Made by
/// [`ValidApiConfig::scope`], the three are equal; a scope of another API is not equal to any of
/// them. Elsewhere a scope has one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    name: Box<str>,
    prefix: Box<str>,
}

impl Scope {
    /// As it is in a token: `Notes.Read`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As a client asks for it: `api://notes/Notes.Read`.
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

impl ValidApiConfig {
    /// A scope of this API, by any of its spellings.
    #[must_use]
    pub fn scope(&self, spelling: &str) -> Scope {
        let prefixes = self.scope_prefixes();
        let is_bare = !spelling.contains("://");
        let prefix = if is_bare { prefixes.first().map_or("", |prefix| prefix) } else { "" };
        let name = self.scope_name(spelling);
        let prefix = match name == spelling {
            true => prefix,
            false => prefixes.first().map_or("", |prefix| prefix),
        };
        Scope { name: name.into(), prefix: prefix.into() }
    }

    /// The name in a token of this API; the spelling itself, if it is no scope of this API.
    pub(super) fn scope_name<'s>(&self, spelling: &'s str) -> &'s str {
        if !spelling.contains("://") {
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
