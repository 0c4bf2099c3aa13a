//! The tenants of the imitated Entra ID, and the accounts that an application signs in.

use aws_lc_rs::digest::{SHA256, digest};

use super::person::DevPerson;
use crate::{authority::is_guid, error::ConfigError, secret::base64url};

/// The ID of a tenant that does not exist.
pub(super) const FOREIGN_TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

/// The kind of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TenantKind {
    Workforce,
    Personal,
    ExternalId,
    B2c,
}

/// A tenant of the imitated Entra ID, with its GUID, its domain name and its kind.
///
/// A provider with [`entra`](super::DevProviderBuilder::entra) has the five that are constants
/// here, and those of [`with_tenant`](super::DevProviderBuilder::with_tenant).
///
/// ```
/// use tower_identity::dev::DevTenant;
///
/// let own = DevTenant::new("11111111-2222-4333-8444-555555555555", "tailspin.onmicrosoft.com");
/// assert_ne!(own.id(), DevTenant::CONTOSO.id());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevTenant {
    pub(super) id: &'static str,
    pub(super) domain: &'static str,
    pub(super) kind: TenantKind,
}

impl DevTenant {
    /// The first organization: Ada, Alan and Grace work there, Katherine is a guest.
    pub const CONTOSO: Self = Self::of(
        "5c9e5c6d-4a2b-4f3e-9d0a-1b7e6c8f2a31",
        "contoso.onmicrosoft.com",
        TenantKind::Workforce,
    );
    /// Another organization, where Katherine and Dorothy work.
    pub const FABRIKAM: Self = Self::of(
        "b7f1d2e4-8c3a-4d56-a1b9-7e2f4c6d8093",
        "fabrikam.onmicrosoft.com",
        TenantKind::Workforce,
    );
    /// The tenant of personal accounts, with the same GUID as at Microsoft. Mary has an account.
    pub const PERSONAL: Self =
        Self::of("9188040d-6c67-4c5b-b112-36a304b66dad", "consumers", TenantKind::Personal);
    /// An External ID tenant. Emmy is a customer.
    pub const WOODGROVE: Self = Self::of(
        "3e8a1f70-52cd-4b9e-8f64-0d9b2c7a5e18",
        "woodgrove.onmicrosoft.com",
        TenantKind::ExternalId,
    );
    /// A B2C tenant, with the policies `B2C_1_susi`, `B2C_1_edit` and `B2C_1_reset`. Rosalind is a
    /// customer.
    pub const PROSEWARE: Self = Self::of(
        "d4c2b6a8-1e3f-4075-9b8d-6a5c4e3f2d10",
        "proseware.onmicrosoft.com",
        TenantKind::B2c,
    );

    const fn of(id: &'static str, domain: &'static str, kind: TenantKind) -> Self {
        Self { id, domain, kind }
    }

    /// An organization's tenant, by its GUID (lower case, with hyphens) and domain name.
    #[must_use]
    pub const fn new(id: &'static str, domain: &'static str) -> Self {
        Self::of(id, domain, TenantKind::Workforce)
    }

    /// An External ID tenant, by its GUID and domain name.
    #[must_use]
    pub const fn external_id(id: &'static str, domain: &'static str) -> Self {
        Self::of(id, domain, TenantKind::ExternalId)
    }

    /// A B2C tenant, by its GUID and domain name, with the same policies as
    /// [`PROSEWARE`](Self::PROSEWARE).
    #[must_use]
    pub const fn b2c(id: &'static str, domain: &'static str) -> Self {
        Self::of(id, domain, TenantKind::B2c)
    }

    /// The GUID: the `tid` claim.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// The domain name.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.domain
    }

    /// Whether the tenant can have guests.
    fn takes_guests(&self) -> bool {
        self.kind == TenantKind::Workforce
    }

    /// Whether `name` is the GUID or the domain name of this tenant.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.domain.eq_ignore_ascii_case(name)
    }
}

/// The accounts that an application signs in ("supported account types" in the portal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accounts {
    /// Work and school accounts of every tenant, and personal accounts. The default.
    #[default]
    Everyone,
    /// Work and school accounts of every tenant.
    AnyTenant,
    /// Accounts of one tenant, including its guests. `common` and `organizations` refuse such an
    /// application (AADSTS50194).
    Tenant(DevTenant),
    /// Personal accounts.
    Personal,
}

/// The tenants of the imitated Entra ID. The first one is the home of users without a tenant.
#[derive(Clone, Debug)]
pub(super) struct EntraTenants {
    pub(super) tenants: Vec<DevTenant>,
}

impl EntraTenants {
    /// The tenants of a provider, after a check that they fit together and to these users.
    pub(super) fn new(more: Vec<DevTenant>, people: &[DevPerson]) -> Result<Self, ConfigError> {
        let mut tenants = vec![
            DevTenant::CONTOSO,
            DevTenant::FABRIKAM,
            DevTenant::PERSONAL,
            DevTenant::WOODGROVE,
            DevTenant::PROSEWARE,
        ];
        for tenant in more {
            let wrong = |problem: &str| {
                Err(ConfigError::new("with_tenant", format!("{:?} {problem}", tenant.id)))
            };
            if !is_guid(tenant.id) {
                return wrong("is not a GUID in lower case with hyphens");
            }
            if !is_domain(tenant.domain) {
                return wrong("has no domain name such as tailspin.onmicrosoft.com");
            }
            if tenants
                .iter()
                .any(|known| known.is_called(tenant.id) || known.is_called(tenant.domain))
            {
                // A name leads to one tenant: the path of a request has nothing else to
                // distinguish them.
                return wrong("is there twice, or has the domain name of another tenant");
            }
            tenants.push(tenant);
        }
        let entra = Self { tenants };
        for person in people {
            for tenant in person.home.iter().chain(&person.guest_in) {
                if entra.tenant(tenant).is_none() {
                    return Err(ConfigError::new(
                        "with_people",
                        format!(
                            "{:?} belongs to the tenant {tenant:?}, which is not there: add it \
                             by `with_tenant`",
                            person.id
                        ),
                    ));
                }
            }
        }
        Ok(entra)
    }

    /// A tenant by GUID or domain name.
    pub(super) fn tenant(&self, name: &str) -> Option<&DevTenant> {
        self.tenants.iter().find(|tenant| tenant.is_called(name))
    }

    /// The home tenant of a person.
    pub(super) fn home<'a>(&'a self, person: &DevPerson) -> &'a DevTenant {
        let home = person.home.as_deref().and_then(|home| self.tenant(home));
        home.or(self.tenants.first()).unwrap_or(&DevTenant::CONTOSO)
    }

    /// Whether a person has an account in a tenant, as a member or as a guest.
    pub(super) fn knows(&self, person: &DevPerson, tenant: &DevTenant) -> bool {
        self.home(person) == tenant
            || (tenant.takes_guests()
                && person.guest_in.iter().any(|guest_in| tenant.is_called(guest_in)))
    }
}

fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

/// A GUID computed from texts by a hash.
pub(super) fn guid_of(parts: &[&str]) -> String {
    let hash = digest(&SHA256, parts.join("\n").as_bytes());
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let group = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!(
        "{}-{}-4{}-8{}-{}",
        group(0, 8),
        group(8, 12),
        group(13, 16),
        group(17, 20),
        group(20, 32)
    )
}

/// The `oid` of a person in a tenant: the same for every application, different in every tenant.
pub(super) fn object_id(person: &DevPerson, tenant: &DevTenant) -> String {
    let guid = guid_of(&["object", &person.id, tenant.id]);
    match tenant.kind {
        // The object IDs of personal accounts have 64 bits.
        TenantKind::Personal => {
            format!("00000000-0000-0000-{}", guid.get(19..).unwrap_or_default())
        }
        _ => guid,
    }
}

/// The `sub` of a person in a tenant: different for every application. In B2C it is the `oid`.
pub(super) fn subject(person: &DevPerson, tenant: &DevTenant, client: &str) -> String {
    if tenant.kind == TenantKind::B2c {
        // A user flow writes the object ID into `sub` by default.
        return object_id(person, tenant);
    }
    base64url(
        digest(&SHA256, [&object_id(person, tenant), tenant.id, client].join("\n").as_bytes())
            .as_ref(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_guids_and_differ_where_they_have_to() {
        let person = DevPerson::new("ada", "Ada Lovelace");
        let ids: Vec<String> = [DevTenant::CONTOSO, DevTenant::FABRIKAM, DevTenant::PERSONAL]
            .iter()
            .map(|tenant| object_id(&person, tenant))
            .collect();
        assert!(ids.iter().all(|id| is_guid(id)), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
        assert!(ids[2].starts_with("00000000-0000-0000-"));
        assert_eq!(ids[0], object_id(&person, &DevTenant::CONTOSO));
        assert_ne!(
            subject(&person, &DevTenant::CONTOSO, "a"),
            subject(&person, &DevTenant::CONTOSO, "b")
        );
        assert_eq!(
            subject(&person, &DevTenant::PROSEWARE, "a"),
            subject(&person, &DevTenant::PROSEWARE, "b")
        );
    }

    #[test]
    fn tenants_that_cannot_be_are_refused() {
        let guid = "11111111-2222-4333-8444-555555555555";
        let refused = |tenant: DevTenant| EntraTenants::new(vec![tenant], &[]).is_err();
        assert!(refused(DevTenant::new("tailspin", "tailspin.onmicrosoft.com")));
        assert!(refused(DevTenant::new(
            "AAAAAAAA-2222-4333-8444-555555555555",
            "tailspin.onmicrosoft.com"
        )));
        assert!(refused(DevTenant::new(guid, "common")));
        assert!(refused(DevTenant::new(guid, "CONTOSO.onmicrosoft.com")));
        assert!(refused(DevTenant::new(DevTenant::CONTOSO.id(), "tailspin.onmicrosoft.com")));
        assert!(!refused(DevTenant::new(guid, "tailspin.onmicrosoft.com")));
        let stray = DevPerson::new("stray", "Stray")
            .with_tenant(DevTenant::new(guid, "tailspin.onmicrosoft.com"));
        assert!(EntraTenants::new(Vec::new(), &[stray]).is_err());
    }
}
