//! [`UserKey`]: the stable identifier of a person.

use std::fmt;

/// The stable identifier of a person, for your database: a realm and an id, which are stored and
/// compared together, exactly.
///
/// - At Entra ID, External ID and B2C the realm is the tenant (`tid`), and the id is the object id
///   (`oid`), or `sub` if a B2C policy sends no `oid`.
/// - At all other providers the realm is the issuer (`iss`), and the id is `sub`.
///
/// It does not change with the name, address or roles of the person, and is never given to another
/// person. A key with an `oid` is the same in all applications. [`Display`](fmt::Display) writes
/// both parts with a space between them; the realm contains no space.
///
/// ```
/// use tower_identity::User;
///
/// fn row(user: &User) -> (String, String) {
///     let key = user.key();
///     (key.realm().to_owned(), key.id().to_owned())
/// }
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

impl fmt::Debug for UserKey {
    /// The realm only: personal data stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey").field("realm", &self.realm).finish_non_exhaustive()
    }
}
