//! [`DevPerson`]: the users of the development provider.

use serde_json::{Map, Value};

use super::tenant::DevTenant;
use crate::secret::{Secret, base64url};

/// A user of the development provider.
///
/// The default users, one for each case that an application should handle:
///
/// | id | name | case |
/// |---|---|---|
/// | `ada` | Ada Lovelace | role `Admin` |
/// | `alan` | Alan Turing | no roles or groups |
/// | `grace` | Grace Hopper | 250 groups |
/// | `katherine` | Katherine Johnson | a guest with an unverified e-mail address |
///
/// ```
/// use tower_identity::dev::DevPerson;
///
/// let person = DevPerson::new("mary", "Mary Somerville")
///     .with_email("mary@example.com")
///     .with_roles(["Reader"])
///     .with_claim("department", "Astronomy");
/// assert_eq!(person.id(), "mary");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DevPerson {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) name: String,
    pub(super) username: String,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    pub(super) note: String,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) claims: Map<String, Value>,
    /// The GUID of the home tenant; `None`: the first tenant.
    pub(super) home: Option<String>,
    pub(super) guest_in: Vec<String>,
    pub(super) administrator: bool,
    pub(super) password: Option<Secret>,
    /// Whether the account was created at the provider and has not signed in since.
    pub(super) is_new: bool,
}

/// The IDs of 250 groups: more than a token of Entra ID has.
fn many_groups() -> impl Iterator<Item = String> {
    (1..=250).map(|number| format!("00000000-0000-4000-8000-{number:012}"))
}

impl DevPerson {
    /// A user with an id, which [`sign_in_as`](super::DevProvider::sign_in_as) and `login_hint`
    /// take, and a name.
    ///
    /// `sub` is derived from the id and does not resemble it, as with real providers.
    /// `preferred_username` and `email` are `{id}@example.com`.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let id = id.into();
        // A subject that resembled the user name would hide applications that confuse the two.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, id.as_bytes());
        let address = format!("{id}@example.com");
        Self {
            subject: base64url(digest.as_ref().get(..16).unwrap_or_default()),
            name: name.into(),
            username: address.clone(),
            email: Some(address),
            email_verified: true,
            note: String::new(),
            roles: Vec::new(),
            groups: Vec::new(),
            claims: Map::new(),
            home: None,
            guest_in: Vec::new(),
            administrator: false,
            password: None,
            is_new: false,
            id,
        }
    }

    /// The id, for [`DevProvider`](super::DevProvider) and `login_hint`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `sub` claim.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Sets the `sub` claim.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets `preferred_username`, which `login_hint` takes as well.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = username.into();
        self
    }

    /// Sets `email`, verified.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self.email_verified = true;
        self
    }

    /// Sets `email` with `email_verified: false`.
    #[must_use]
    pub fn with_unverified_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self.email_verified = false;
        self
    }

    /// Removes the e-mail address: neither `email` nor `email_verified` is sent.
    #[must_use]
    pub fn without_email(mut self) -> Self {
        self.email = None;
        self
    }

    /// Sets the text under the name in the account picker.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Sets the claim `roles`. Every ID token has it, whatever the scope.
    #[must_use]
    pub fn with_roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the claim `groups`. Every ID token has all of them, whatever the scope; in Entra ID at
    /// most 200.
    #[must_use]
    pub fn with_groups<T: Into<String>>(mut self, groups: impl IntoIterator<Item = T>) -> Self {
        self.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the home tenant of the account (Entra). The default is the first one,
    /// [`DevTenant::CONTOSO`].
    #[must_use]
    pub fn with_tenant(mut self, tenant: DevTenant) -> Self {
        self.home = Some(tenant.id().to_owned());
        self
    }

    /// Makes the user a guest in a tenant, with another `oid` there.
    #[must_use]
    pub fn add_guest_tenant(mut self, tenant: DevTenant) -> Self {
        self.guest_in.push(tenant.id().to_owned());
        self
    }

    /// Sets a password for the password grant (RFC 6749 section 4.3). Without one the grant is
    /// refused. No page asks for it.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Makes the user an administrator of the tenant, who can consent for all of its users, and to
    /// scopes that need an administrator. By default no user is one.
    #[must_use]
    pub fn as_administrator(mut self) -> Self {
        self.administrator = true;
        self
    }

    /// Adds a claim to the ID token and to UserInfo. It replaces a claim of the same name that the
    /// provider sets.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Whether `hint` is the id, the user name, the e-mail address or the subject of this user.
    pub(super) fn is(&self, hint: &str) -> bool {
        let same = |ours: &str| ours.eq_ignore_ascii_case(hint);
        same(&self.id)
            || same(&self.username)
            || self.email.as_deref().is_some_and(same)
            // `sub` is case-sensitive (OpenID Connect Core section 2); names and addresses are not.
            || self.subject == hint
    }

    /// The claims for the granted scopes (OpenID Connect Core section 5.4).
    pub(super) fn claims_for(&self, scopes: &[String]) -> Map<String, Value> {
        let granted = |scope: &str| scopes.iter().any(|granted| granted == scope);
        let mut claims = Map::new();
        if granted("profile") {
            claims.insert("name".into(), self.name.clone().into());
            if let Some((given, family)) = self.name.rsplit_once(' ') {
                claims.insert("given_name".into(), given.into());
                claims.insert("family_name".into(), family.into());
            }
            claims.insert("preferred_username".into(), self.username.clone().into());
        }
        if let Some(email) = self.email.as_ref().filter(|_| granted("email")) {
            claims.insert("email".into(), email.clone().into());
            claims.insert("email_verified".into(), self.email_verified.into());
        }
        // No scope of OpenID Connect Core section 5.4 covers them; providers put them into every
        // token.
        for (name, values) in [("roles", &self.roles), ("groups", &self.groups)] {
            if !values.is_empty() {
                claims.insert(name.into(), values.clone().into());
            }
        }
        claims.extend(self.claims.clone());
        claims
    }

    /// The default users of a generic provider.
    pub(super) fn defaults() -> Vec<Self> {
        vec![
            Self::new("ada", "Ada Lovelace").with_roles(["Admin"]).with_note("Administrator"),
            Self::new("alan", "Alan Turing").with_note("An ordinary person"),
            Self::new("grace", "Grace Hopper")
                .with_note("Member of 250 groups")
                .with_groups(many_groups()),
            Self::new("katherine", "Katherine Johnson")
                .with_username("katherine@fabrikam.example")
                .with_unverified_email("katherine@fabrikam.example")
                .with_note("A guest from another organisation"),
        ]
    }

    /// The default users of the imitated Entra.
    pub(super) fn entra_defaults() -> Vec<Self> {
        let at = |id: &str, name: &str, domain: &str| {
            Self::new(id, name)
                .with_username(format!("{id}@{domain}"))
                .with_email(format!("{id}@{domain}"))
        };
        let contoso = DevTenant::CONTOSO.domain;
        let fabrikam = DevTenant::FABRIKAM.domain;
        vec![
            at("ada", "Ada Lovelace", contoso)
                .with_roles(["Admin"])
                .as_administrator()
                .with_note("Contoso: administrator"),
            at("alan", "Alan Turing", contoso).with_note("Contoso: an ordinary person"),
            at("grace", "Grace Hopper", contoso)
                .with_note("Contoso: member of 250 groups")
                .with_groups(many_groups()),
            at("katherine", "Katherine Johnson", fabrikam)
                .with_tenant(DevTenant::FABRIKAM)
                .add_guest_tenant(DevTenant::CONTOSO)
                .with_note("Fabrikam, and a guest in Contoso"),
            at("dorothy", "Dorothy Vaughan", fabrikam)
                .with_tenant(DevTenant::FABRIKAM)
                .with_note("Fabrikam"),
            at("mary", "Mary Jackson", "outlook.example")
                .with_tenant(DevTenant::PERSONAL)
                .with_note("A personal account"),
            at("emmy", "Emmy Noether", "example.com")
                .with_tenant(DevTenant::WOODGROVE)
                .with_note("A customer of Woodgrove"),
            at("rosalind", "Rosalind Franklin", "example.com")
                .with_tenant(DevTenant::PROSEWARE)
                .with_note("A customer of Proseware"),
        ]
    }
}
