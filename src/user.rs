//! Who is signed in.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    clock::UnixTime,
    handle::Tokens,
    tokens::{GrantRef, Grants, Person},
};

/// A person whose sign-in was verified.
///
/// Only the layer makes one. Handlers find it in the request's extensions behind protection (`Extension<User>`), or, with feature `axum`, as an extractor:
/// `User` where somebody must be signed in, `Option<User>` where nobody needs to be. Clones share one allocation.
///
/// ```
/// use tower_identity::User;
///
/// # #[cfg(feature = "axum")]
/// async fn me(user: User) -> String {
///     format!("Hello {}", user.display_name())
/// }
/// ```
///
/// # Security
///
/// To recognise a person again, store [`issuer`](Self::issuer) and [`subject`](Self::subject) together (for Entra, the claims `tid` and `oid` together also
/// work across applications). Never the e-mail address or the user name: both can change, and in other tenants anybody can claim them.
#[derive(Clone)]
pub struct User(Arc<Inner>);

struct Inner {
    person: Person,
    claims: Box<str>,
    known: OnceLock<Known>,
    parsed: OnceLock<Map<String, Value>>,
    expires: UnixTime,
    grant: GrantRef,
    grants: Grants,
}

/// The claims that nearly every page shows: read without building a map of all of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Known {
    name: Text,
    given_name: Text,
    preferred_username: Text,
    upn: Text,
    email: Text,
    email_verified: Flag,
    roles: Words,
    role: Words,
    groups: Words,
}

/// A claim that should be a string; anything else counts as absent, since no claim of a page may break a sign-in.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct Text(Option<String>);

impl From<Value> for Text {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) if !text.is_empty() => Self(Some(text)),
            _ => Self(None),
        }
    }
}

/// A boolean, which some providers write as a string.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct Flag(bool);

impl From<Value> for Flag {
    fn from(value: Value) -> Self {
        Self(value == Value::Bool(true) || value == "true")
    }
}

/// A list of strings, or one alone.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct Words(Vec<String>);

impl From<Value> for Words {
    fn from(value: Value) -> Self {
        let text = |value| if let Value::String(text) = value { Some(text) } else { None };
        Self(match value {
            Value::Array(items) => items.into_iter().filter_map(text).collect(),
            value => text(value).into_iter().collect(),
        })
    }
}

impl User {
    /// `claims` is a JSON object.
    pub(crate) fn new(person: Person, claims: Box<str>, expires: UnixTime, grant: GrantRef, grants: Grants) -> Self {
        let (known, parsed) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Inner { person, claims, known, parsed, expires, grant, grants }))
    }

    /// The same person with the claims of a renewal.
    pub(crate) fn with_claims(&self, claims: Box<str>) -> Self {
        let inner = &*self.0;
        Self::new(inner.person.clone(), claims, inner.expires, inner.grant.clone(), inner.grants.clone())
    }

    /// The provider that says who this is (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.person.iss
    }

    /// Who this is at the provider, for this application (`sub`): never reassigned, compared byte by byte.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.person.sub
    }

    /// The full name (`name`).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.known().name.0.as_deref()
    }

    /// The name to sign in with: `preferred_username`, else `upn`. It can change.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        let known = self.known();
        known.preferred_username.0.as_deref().or(known.upn.0.as_deref())
    }

    /// The e-mail address (`email`), whether the provider has verified it or not. It can change.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.known().email.0.as_deref()
    }

    /// Whether the provider says that it has verified the e-mail address (`email_verified`).
    #[must_use]
    pub fn is_email_verified(&self) -> bool {
        self.known().email_verified.0
    }

    /// Something to greet the person with: the name, else the given name, the user name, the e-mail address, the subject.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let known = self.known();
        [&known.name, &known.given_name, &known.preferred_username, &known.upn, &known.email]
            .into_iter()
            .find_map(|text| text.0.as_deref())
            .unwrap_or_else(|| self.subject())
    }

    /// The roles in this application (`roles`, else `role`).
    #[must_use]
    pub fn roles(&self) -> &[String] {
        let known = self.known();
        if known.roles.0.is_empty() { &known.role.0 } else { &known.roles.0 }
    }

    /// Whether the person has the role, letter by letter.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|has| has == role)
    }

    /// The groups that the sign-in named (`groups`). Providers leave them out when there are many: an empty list does not mean "in no group".
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.known().groups.0
    }

    /// One claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.all_claims().get(name)
    }

    /// Every claim of the ID token, and those of UserInfo where it was asked. Parsed when first called.
    #[must_use]
    pub fn all_claims(&self) -> &Map<String, Value> {
        self.0.parsed.get_or_init(|| serde_json::from_str(&self.0.claims).unwrap_or_default())
    }

    /// The claims as a type of your own.
    ///
    /// # Errors
    ///
    /// The claims do not fit the type.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Ours {
    ///     department: String,
    /// }
    ///
    /// fn department(user: &tower_identity::User) -> Option<String> {
    ///     user.claims::<Ours>().ok().map(|claims| claims.department)
    /// }
    /// ```
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0.claims)
    }

    /// When the session ends at the latest, however it is used (absolute lifetime, by the server's clock).
    #[must_use]
    pub fn session_expires(&self) -> UnixTime {
        self.0.expires
    }

    /// The handle that gets access tokens for this person.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::of(self.clone())
    }

    pub(crate) fn grant(&self) -> &GrantRef {
        &self.0.grant
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.0.grants
    }

    pub(crate) fn person(&self) -> &Person {
        &self.0.person
    }

    fn known(&self) -> &Known {
        self.0.known.get_or_init(|| serde_json::from_str(&self.0.claims).unwrap_or_default())
    }
}

/// Two values are equal if they are the same person: issuer and subject.
impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.issuer() == other.issuer() && self.subject() == other.subject()
    }
}

impl Eq for User {}

impl fmt::Debug for User {
    /// Personal data stays out of logs: nothing but the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}
