//! The paths that need a signed-in user although others like them do not.
//!
//! # Security
//!
//! A public rule has to match as little as possible, a protected one as much as possible: a path is
//! compared decoded, in one letter case, and with or without a slash at its end. A path that could
//! be read in two ways never gets here: `path` protects it (security rule 9).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{access::PathRule, path};
use crate::error::ConfigError;

/// The protected paths, in the form in which decoded requests have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProtectedPaths {
    rules: Vec<ProtectedPath>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ProtectedPath {
    /// Decoded, in lower case, without a slash at the end.
    text: Box<str>,
    rank: Rank,
}

/// How closely a rule describes a path: of two that match, the greater decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A directory at this depth.
    Prefix(usize),
    Exact,
}

impl Rank {
    /// The rank of a directory, which ends with a slash.
    pub(super) fn of_prefix(prefix: &str) -> Self {
        Self::Prefix(prefix.matches('/').count())
    }
}

impl ProtectedPaths {
    /// These paths below `before`, which is a plain path or empty.
    ///
    /// # Errors
    ///
    /// A path is not plain, or a prefix is not a directory or is the root.
    pub(super) fn new(before: &str, rules: &[PathRule]) -> Result<Self, ConfigError> {
        let one = |rule: &PathRule| {
            let (text, rank) = match rule {
                PathRule::Exact(path) => (path::rule(SETTING, before, path)?, Rank::Exact),
                PathRule::Prefix(prefix) if prefix == "/" => {
                    return Err(ConfigError::new(
                        "protected_prefixes",
                        "the prefix \"/\" would make every path protected: that is the default, \
                         so leave `with_default_access(Access::Public)` out",
                    ));
                }
                PathRule::Prefix(prefix) => {
                    let prefix = path::prefix_rule("protected_prefixes", before, prefix)?;
                    let rank = Rank::of_prefix(&prefix);
                    (prefix, rank)
                }
            };
            Ok(ProtectedPath { text: plain(&text).trim_end_matches('/').into(), rank })
        };
        Ok(Self { rules: rules.iter().map(one).collect::<Result<_, _>>()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rank of the closest rule for a path that has only one reading.
    pub(super) fn rank(&self, path: &str) -> Option<Rank> {
        let path = plain(path);
        self.rules.iter().filter(|rule| rule.covers(&path)).map(|rule| rule.rank).max()
    }
}

impl ProtectedPath {
    fn covers(&self, path: &str) -> bool {
        match path.strip_prefix(&*self.text) {
            Some("" | "/") => true,
            Some(rest) => rest.starts_with('/') && self.rank != Rank::Exact,
            None => false,
        }
    }
}

/// The name of the setting in errors.
const SETTING: &str = "protected_paths";

/// The path as the most lenient reader sees it.
fn plain(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'%') {
        return path.into();
    }
    // Twice, because some letters have two small forms, such as the long s.
    percent_decode_str(path).decode_utf8_lossy().to_uppercase().to_lowercase().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Access, AccessRules, access::PathRules};

    fn built(rules: &PathRules) -> Result<AccessRules, ConfigError> {
        AccessRules::new("", rules)
    }

    fn exact(path: &str) -> PathRule {
        PathRule::Exact(path.into())
    }

    fn prefix(path: &str) -> PathRule {
        PathRule::Prefix(path.into())
    }

    fn shop() -> AccessRules {
        built(&PathRules {
            default: Access::Public,
            public: vec![exact("/account/help"), prefix("/account/shared/")],
            protected: vec![
                exact("/checkout"),
                prefix("/account/"),
                prefix("/über uns/"),
                exact("/account/shared/mine"),
            ],
        })
        .unwrap()
    }

    #[test]
    fn without_rules_everything_is_public_where_that_is_the_default() {
        let all = built(&PathRules { default: Access::Public, ..PathRules::default() }).unwrap();
        for path in ["/", "/me", "/a/b", "/a%2fb", "//", "/a;b", "*"] {
            assert!(all.is_public(path), "{path}");
        }
        let none = built(&PathRules::default()).unwrap();
        assert!(!none.is_public("/") && !none.is_public("/me"));
    }

    #[test]
    fn a_protected_path_is_protected_however_it_is_written() {
        for protected in [
            "/checkout",
            "/checkout/",
            "/Checkout",
            "/%63heckout",
            "/CHECKOUT/",
            "/account",
            "/account/",
            "/account/orders",
            "/ACCOUNT/orders",
            "/acc%6Funt/a/b/c",
            "/account/helpx",
            "/account/help/",
            "/account/Help",
            "/%C3%9Cber%20uns/team",
            "/account/shared/mine",
            "/account/shared/mine/",
            "/account/shared/MINE",
            "/account./orders",
            "/account%20/orders",
            "/account::$INDEX_ALLOCATION/orders",
            "/ACCOUN~1/orders",
            "/checkout.",
        ] {
            assert!(!shop().is_public(protected), "{protected}");
        }
        for public in [
            "/",
            "/products",
            "/checkouts",
            "/checkout/x",
            "/accounts/x",
            "/account-help",
            "/account/help",
            "/account/shared/",
            "/account/shared/x",
            "/x/account/",
        ] {
            assert!(shop().is_public(public), "{public}");
        }
    }

    #[test]
    fn where_a_path_is_protected_one_that_can_be_read_in_two_ways_is_too() {
        for ambiguous in [
            "/x/../account/orders",
            "//account/orders",
            "/./account",
            "/account%2forders",
            "/x%2f..%2faccount",
            "/account;x/orders",
            "/%2561ccount",
            "/x\\..\\account",
            "*",
            "",
        ] {
            assert!(!shop().is_public(ambiguous), "{ambiguous}");
        }
    }

    #[test]
    fn an_exception_below_a_public_prefix_is_protected() {
        let blog = built(&PathRules {
            public: vec![exact("/"), prefix("/blog/"), exact("/blog/drafts/preview")],
            protected: vec![prefix("/blog/drafts/"), exact("/blog/stats")],
            ..PathRules::default()
        })
        .unwrap();
        for public in ["/", "/blog/", "/blog/2026/a", "/blog/drafts/preview"] {
            assert!(blog.is_public(public), "{public}");
        }
        for protected in ["/blog/drafts/x", "/blog/drafts", "/blog/Stats", "/blog/stats/", "/me"] {
            assert!(!blog.is_public(protected), "{protected}");
        }
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused() {
        for (public, protected) in [
            (exact("/a"), exact("/a")),
            (exact("/a/"), exact("/a")),
            (exact("/A"), exact("/a")),
            (prefix("/a/"), prefix("/a/")),
            (prefix("/A/"), prefix("/a/")),
        ] {
            let rules = PathRules {
                public: vec![public],
                protected: vec![protected],
                ..PathRules::default()
            };
            let error = built(&rules).unwrap_err().to_string();
            assert!(error.contains("is both public and protected"), "{error}");
        }
    }

    #[test]
    fn a_protected_rule_that_could_not_be_meant_is_refused() {
        for (rule, hint) in [
            (prefix("/"), "every path protected"),
            (prefix("/a"), "end with a slash"),
            (exact("a"), "begin with a slash"),
            (exact("/a/*"), "add_protected_prefix"),
            (exact("/a%20b"), "unencoded"),
            (exact("/a//b"), "two ways"),
        ] {
            let setting = match rule {
                PathRule::Exact(_) => "protected_paths",
                PathRule::Prefix(_) => "protected_prefixes",
            };
            let rules = PathRules { protected: vec![rule], ..PathRules::default() };
            let error = built(&rules).unwrap_err();
            assert!(error.setting() == setting && error.to_string().contains(hint), "{error}");
        }
    }

    proptest! {
        /// However a protected path is written, no reader gets below it without a sign-in.
        #[test]
        fn rule_9_no_spelling_of_a_protected_path_is_public(
            letters in prop::collection::vec((any::<bool>(), any::<bool>()), 7),
            rest in "(/[a-zA-Z0-9%.;/\\\\]{0,12})?",
        ) {
            let spelled: String = "account"
                .chars()
                .zip(letters)
                .map(|(letter, (upper, encoded))| {
                    let letter = if upper { letter.to_ascii_uppercase() } else { letter };
                    if encoded { format!("%{:02x}", letter as u32) } else { letter.to_string() }
                })
                .collect();
            let paths = built(&PathRules {
                default: Access::Public,
                protected: vec![prefix("/account/")],
                ..PathRules::default()
            })
            .unwrap();
            let path = format!("/{spelled}{rest}");
            prop_assert!(!paths.is_public(&path), "{path}");
        }
    }
}
