//! [`UserKey`]: the stable identifier of a person.

use std::{fmt, str::FromStr};

/// The stable identifier of a person, for your database: a realm and an id, which are stored and
/// compared together, exactly.
///
/// - At Entra ID, External ID and B2C the realm is the tenant (`tid`), and the id is the object id
///   (`oid`), or `sub` if a B2C policy sends no `oid`.
/// - At all other providers the realm is the issuer (`iss`), and the id is `sub`.
///
/// It does not change with the name, address or roles of the person, and is never given to another
/// person. A key with an `oid` is the same in all applications. [`Display`](fmt::Display) writes
/// both parts with a space between them; the realm contains no space. [`FromStr`] reads that text,
/// for example to fill the database of a test.
///
/// ```
/// use tower_identity::User;
///
/// fn row(user: &User) -> (String, String) {
///     let key = user.key();
///     (key.realm().to_owned(), key.id().to_owned())
/// }
///
/// let ada: tower_identity::UserKey = "https://id.example.com ada".parse()?;
/// assert_eq!((ada.realm(), ada.id()), ("https://id.example.com", "ada"));
/// # Ok::<_, tower_identity::InvalidUserKey>(())
/// ```
///
/// # Security
///
/// Never use an e-mail address or a user name as the key. Both can be reassigned to another person,
/// and the administrator of another tenant can write any address into an account ("nOAuth").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey {
    realm: Box<str>,
    id: Box<str>,
}

impl UserKey {
    pub(crate) fn new(realm: &str, id: &str) -> Self {
        Self { realm: realm.into(), id: id.into() }
    }

    /// The realm in which the id is unique: the tenant's GUID, or the issuer's URL.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The id of the person in the realm.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.realm, self.id)
    }
}

impl FromStr for UserKey {
    type Err = InvalidUserKey;

    /// Reads the text that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, InvalidUserKey> {
        match text.split_once(' ') {
            Some((realm, id)) if !realm.is_empty() && !id.is_empty() => Ok(Self::new(realm, id)),
            _ => Err(InvalidUserKey(())),
        }
    }
}

impl TryFrom<&str> for UserKey {
    type Error = InvalidUserKey;

    fn try_from(text: &str) -> Result<Self, InvalidUserKey> {
        text.parse()
    }
}

/// The error for a text that is not a [`UserKey`]. It does not contain the text, which is personal
/// data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidUserKey(());

impl fmt::Display for InvalidUserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not the key of a user: its realm (the GUID of the tenant, or the issuer's URL), a \
             space and its id are expected",
        )
    }
}

impl std::error::Error for InvalidUserKey {}

impl fmt::Debug for UserKey {
    /// The realm only: personal data stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey").field("realm", &self.realm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_read_from_the_text_that_it_writes(realm in "[^ ]{1,40}", id in "(?s).{1,40}") {
            let key = UserKey::new(&realm, &id);
            prop_assert_eq!(key.to_string().parse::<UserKey>(), Ok(key.clone()));
            prop_assert_eq!(UserKey::try_from(key.to_string().as_str()), Ok(key));
        }

        #[test]
        fn a_text_that_is_a_key_is_written_the_same(text in "(?s).{0,40}") {
            if let Ok(key) = text.parse::<UserKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn a_text_without_realm_or_id_is_no_key_and_no_part_of_the_error() {
        for text in ["", " ", "ada", " ada", "https://id.example.com ", "ada@example.com"] {
            let error = text.parse::<UserKey>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("ada"), "{error}");
        }
    }
}
