//! [`Groups`]: those that the sign-in named, or that they were too many.

/// The groups of a person, as far as their sign-in told.
///
/// Entra ID names at most 200 groups in a token. Of somebody with more it says only that there are
/// more: that is [`TooMany`](Self::TooMany), and never an empty list, so that a rule of the kind
/// "not in group x" cannot pass by mistake. The same holds where the claim `groups` is there and
/// cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups<'a> {
    /// These, as the provider writes them: at Entra ID object ids, unless the application is
    /// registered for names. An empty list may also mean that the provider was not set up to name
    /// groups.
    Listed(&'a [String]),
    /// More than a token holds, or a claim that cannot be read as a list of texts.
    /// [`Tokens::groups`](crate::Tokens::groups) asks Microsoft Graph for them, or the sign-in does
    /// ([`GroupsFrom::Graph`](crate::config::GroupsFrom::Graph)).
    TooMany,
}

impl<'a> Groups<'a> {
    /// The list; `None` if it is not known.
    #[must_use]
    pub fn listed(self) -> Option<&'a [String]> {
        match self {
            Self::Listed(groups) => Some(groups),
            Self::TooMany => None,
        }
    }

    /// Whether the group is known to be one of them, letter by letter. `false` does not mean that
    /// it is not.
    #[must_use]
    pub fn contains(self, group: &str) -> bool {
        self.listed().is_some_and(|groups| groups.iter().any(|own| own == group))
    }
}
