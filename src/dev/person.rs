//! The people who can sign in.

use serde_json::{Map, Value};

use super::tenant::DevTenant;
use crate::secret::{Secret, base64url};

/// A person whom the development provider can sign in.
///
/// Without people of your own there are four, one for each case that applications meet:
///
/// | id | who | special |
/// |---|---|---|
/// | `ada` | Ada Lovelace | role `Admin` |
/// | `alan` | Alan Turing | nothing |
/// | `grace` | Grace Hopper | 250 groups |
/// | `katherine` | Katherine Johnson | a guest: address of another organisation, not verified |
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
    /// The GUID of the tenant of the account; the first tenant without.
    pub(super) home: Option<String>,
    pub(super) guest_in: Vec<String>,
    pub(super) administrator: bool,
    pub(super) password: Option<Secret>,
    /// Whether the account was made at the provider and not used yet.
    pub(super) is_new: bool,
}

impl DevPerson {
    /// A person with a name. `id` is what [`sign_in_as`](super::DevProvider::sign_in_as) and
    /// `login_hint` call them.
    ///
    /// The `sub` claim is derived from the id and does not resemble it, as with real providers;
    /// `preferred_username` and `email` are `{id}@example.com`.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let id = id.into();
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

    /// What the handle and `login_hint` call this person.
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

    /// Sets `preferred_username`; `login_hint` knows the person by it, too.
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

    /// Takes the e-mail address away: neither `email` nor `email_verified` is sent.
    #[must_use]
    pub fn without_email(mut self) -> Self {
        self.email = None;
        self
    }

    /// Sets the few words under the name in the account picker.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Sets the `roles` claim, which every ID token has then, whatever the scope.
    #[must_use]
    pub fn with_roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the `groups` claim, which every ID token has then, whatever the scope. All of them are
    /// sent, however many.
    #[must_use]
    pub fn with_groups<T: Into<String>>(mut self, groups: impl IntoIterator<Item = T>) -> Self {
        self.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the tenant of the account, where the provider imitates Entra. The default is the first
    /// one, [`DevTenant::CONTOSO`].
    #[must_use]
    pub fn with_tenant(mut self, tenant: DevTenant) -> Self {
        self.home = Some(tenant.id().to_owned());
        self
    }

    /// Makes the person a guest in a tenant, too, with another `oid` there.
    #[must_use]
    pub fn add_guest_tenant(mut self, tenant: DevTenant) -> Self {
        self.guest_in.push(tenant.id().to_owned());
        self
    }

    /// Sets a password, for applications that ask for it themselves (RFC 6749 section 4.3). Without
    /// one nobody signs in so; no page ever asks for it.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Makes the person an administrator of the tenant, who can consent for everybody there and to
    /// what needs an administrator. Nobody is by default.
    #[must_use]
    pub fn as_administrator(mut self) -> Self {
        self.administrator = true;
        self
    }

    /// Adds any other claim to the ID token and to UserInfo. It comes last: it also replaces one
    /// that the provider would set.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Whether `hint` (the id, the user name, the address or the subject) means this person.
    pub(super) fn is(&self, hint: &str) -> bool {
        let same = |ours: &str| ours.eq_ignore_ascii_case(hint);
        same(&self.id)
            || same(&self.username)
            || self.email.as_deref().is_some_and(same)
            || self.subject == hint
    }

    /// What the granted scopes say about the person (OpenID Connect Core section 5.4).
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
        for (name, values) in [("roles", &self.roles), ("groups", &self.groups)] {
            if !values.is_empty() {
                claims.insert(name.into(), values.clone().into());
            }
        }
        claims.extend(self.claims.clone());
        claims
    }

    /// The four people of a provider that was not given any.
    pub(super) fn defaults() -> Vec<Self> {
        vec![
            Self::new("ada", "Ada Lovelace").with_roles(["Admin"]).with_note("Administrator"),
            Self::new("alan", "Alan Turing").with_note("An ordinary person"),
            Self::new("grace", "Grace Hopper").with_note("Member of 250 groups").with_groups(
                (1..=250).map(|number| format!("00000000-0000-4000-8000-{number:012}")),
            ),
            Self::new("katherine", "Katherine Johnson")
                .with_username("katherine@fabrikam.example")
                .with_unverified_email("katherine@fabrikam.example")
                .with_note("A guest from another organisation"),
        ]
    }

    /// The people of an Entra that was not given any.
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
                .with_groups(
                    (1..=250).map(|number| format!("00000000-0000-4000-8000-{number:012}")),
                ),
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
