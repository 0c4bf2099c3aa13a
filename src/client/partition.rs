//! [`Partition`]: what a part of the token cache belongs to.

/// The kinds of partitions of a client's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partition {
    /// One for each account.
    Users,
    /// One for each tenant of the application itself.
    Apps,
    /// One for each assertion.
    Assertions,
    /// One for each imported refresh token.
    Imports,
    /// One for each key of long-running work.
    Work,
}

impl Partition {
    const ALL: [Self; 5] = [Self::Users, Self::Apps, Self::Assertions, Self::Imports, Self::Work];

    /// The beginning of the names of this kind. Exported caches contain the names.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Users => "u:",
            Self::Apps => "a:",
            Self::Assertions => "o:",
            Self::Imports => "i:",
            Self::Work => "w:",
        }
    }

    /// The name of the partition of this kind that belongs to `owner`.
    pub(super) fn name(self, owner: &str) -> String {
        format!("{}{owner}", self.prefix())
    }

    /// The kind of a partition by its name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| name.starts_with(kind.prefix()))
    }

    /// Whether new tokens are obtained with a refresh token. The application and the callers with
    /// an assertion have none.
    pub(super) fn has_refresh_tokens(self) -> bool {
        match self {
            Self::Users | Self::Imports | Self::Work => true,
            Self::Apps | Self::Assertions => false,
        }
    }
}
