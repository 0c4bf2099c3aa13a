//! [`Groups`]: the groups in a person's claims.

/// The groups of a person, as their sign-in reported them.
///
/// Entra ID lists at most 200 groups in a token. If a person has more, the token says only that.
/// This is [`TooMany`](Self::TooMany) and never an empty list, so that a rule such as "not in group
/// x" cannot pass by mistake. A claim `groups` that cannot be read is `TooMany` as well.
///
/// ```
/// use tower_identity::Groups;
///
/// let groups = [String::from("editors")];
/// assert!(Groups::Listed(&groups).contains("editors"));
/// // Unknown groups contain nothing for certain.
/// assert!(!Groups::TooMany.contains("editors"));
/// assert_eq!(Groups::TooMany.listed(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups<'a> {
    /// The groups, as the provider writes them: at Entra ID object ids, unless the application is
    /// registered to get names. The list is also empty if the provider is not set up to send
    /// groups.
    Listed(&'a [String]),
    /// The groups are unknown: more than a token holds, or a claim that is not a list of strings.
    /// [`Tokens::groups`](crate::Tokens::groups) reads them from Microsoft Graph, or the sign-in
    /// does with [`GroupsFrom::Graph`](crate::config::GroupsFrom::Graph).
    TooMany,
}

impl<'a> Groups<'a> {
    /// The list; `None` if the groups are unknown.
    #[must_use]
    pub fn listed(self) -> Option<&'a [String]> {
        match self {
            Self::Listed(groups) => Some(groups),
            Self::TooMany => None,
        }
    }

    /// Whether the list contains this group, compared exactly. `false` also means that the groups
    /// are unknown.
    #[must_use]
    pub fn contains(self, group: &str) -> bool {
        self.listed().is_some_and(|groups| groups.iter().any(|own| own == group))
    }
}
