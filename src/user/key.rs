//! [`UserKey`]: by what a person is recognised again.

use std::fmt;

/// What to store to recognise a person again: two parts, to be kept and compared together, letter
/// by letter.
///
/// - At Entra ID, External ID and B2C: the tenant (`tid`) and the person in it (`oid`; `sub` where
///   a B2C policy tells no `oid`). All applications get the same.
/// - Elsewhere: the provider (`iss`) and the person there (`sub`).
///
/// Neither changes when a name, an address or a role does, and neither is given to somebody else.
/// The text form is both parts with a space between them, which the first part never has.
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
/// The e-mail address and the user name are no keys: both can change hands, and the administrator
/// of another tenant can write any address into an account ("nOAuth").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey {
    realm: Box<str>,
    id: Box<str>,
}

impl UserKey {
    pub(crate) fn new(realm: &str, id: &str) -> Self {
        Self { realm: realm.into(), id: id.into() }
    }

    /// Who gives out the ids: the tenant's GUID, or the issuer's address.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Who it is there.
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
    /// Says where, not who.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey").field("realm", &self.realm).finish_non_exhaustive()
    }
}
