//! Tenants: how an authority names one, and the list of those whose users may sign in.

use std::fmt;

use crate::error::ConfigError;

/// The tenant of personal Microsoft accounts.
pub(crate) const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The placeholder for the tenant in the issuer of a discovery document for several tenants.
pub(super) const TEMPLATE: &str = "{tenantid}";

/// The tenant segment of a Microsoft authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tenant {
    /// Work, school and personal accounts.
    Common,
    /// Work and school accounts.
    Organizations,
    /// Personal accounts.
    Consumers,
    /// One tenant, by its GUID in lower case.
    Guid(String),
    /// One tenant, by one of its domain names.
    Domain(String),
}

impl Tenant {
    /// The tenant that a path segment of an authority names; `None` if it is neither a GUID, a name
    /// nor one of the three reserved words.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // Entra ID reads tenants in any letter case and writes GUIDs in lower case into tokens.
        let lower = text.to_ascii_lowercase();
        Some(match lower.as_str() {
            "common" => Self::Common,
            "organizations" => Self::Organizations,
            "consumers" => Self::Consumers,
            _ if is_guid(&lower) => Self::Guid(lower),
            _ if is_name(&lower) => Self::Domain(lower),
            _ => return None,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Common => "common",
            Self::Organizations => "organizations",
            Self::Consumers => "consumers",
            Self::Guid(name) | Self::Domain(name) => name,
        }
    }

    /// Whether accounts of several tenants sign in here.
    pub(super) fn is_multi(&self) -> bool {
        matches!(self, Self::Common | Self::Organizations)
    }

    /// Whether it is one tenant, other than that of personal accounts.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Self::Guid(_) | Self::Domain(_))
    }

    /// Whether the issuer of this authority's discovery document may have `segment` as its tenant.
    pub(super) fn accepts_issuer_segment(&self, segment: &str) -> bool {
        match self {
            Self::Common | Self::Organizations => segment == TEMPLATE,
            Self::Consumers => segment == PERSONAL || segment == TEMPLATE,
            Self::Guid(guid) => segment == guid,
            // The document of a domain name has the tenant's GUID, which the configuration does
            // not know.
            Self::Domain(name) => is_guid(segment) || segment == name,
        }
    }
}

/// The tenants whose users may sign in: a list, or explicitly every tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenants(Option<Vec<String>>);

impl Tenants {
    /// Every tenant.
    pub(crate) const fn any() -> Self {
        Self(None)
    }

    /// The tenants with these GUIDs.
    ///
    /// Only GUIDs are accepted, because they are compared with the claim `tid`, which is one.
    ///
    /// # Errors
    ///
    /// A value is not a GUID, or the list is empty.
    pub(crate) fn only<S: AsRef<str>>(
        tenants: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let mut only = Vec::new();
        for tenant in tenants {
            let tenant = tenant.as_ref().trim().to_ascii_lowercase();
            if !is_guid(&tenant) {
                return Err(ConfigError::new(
                    "tenants",
                    format!(
                        "{tenant:?} is not the GUID of a tenant (the portal calls it \
                         \"Directory (tenant) ID\")"
                    ),
                ));
            }
            if !only.contains(&tenant) {
                only.push(tenant);
            }
        }
        if only.is_empty() {
            return Err(ConfigError::new(
                "tenants",
                "the list is empty, so no user could sign in: name the tenants, or allow \
                 any tenant",
            ));
        }
        Ok(Self(Some(only)))
    }

    /// Whether every tenant is allowed.
    pub(crate) fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// The first tenant of the list; `None` if every tenant is allowed.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.as_ref()?.first().map(String::as_str)
    }

    /// Whether it is a list of this tenant alone.
    pub(super) fn is_only(&self, tenant: &str) -> bool {
        self.0.as_ref().is_some_and(|only| only.iter().all(|other| other == tenant))
    }

    /// Whether users of the tenant may sign in. A token without a tenant is refused if there is a
    /// list.
    pub(crate) fn allow(&self, tid: Option<&str>) -> bool {
        self.0
            .as_ref()
            // Fail closed: with a list, a token that names no tenant belongs to none of them.
            .is_none_or(|only| tid.is_some_and(|tid| only.iter().any(|tenant| tenant == tid)))
    }
}

impl fmt::Display for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("any"),
            Some(only) => f.write_str(&only.join(", ")),
        }
    }
}

/// Whether it is a GUID in lower case with hyphens, the form in tokens.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whether it can be one path segment: at most 255 letters, digits, `.`, `-` and `_`, the first a
/// letter or digit. This excludes `.` and `..`, which would change the path.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

    #[test]
    fn a_list_of_tenants_is_a_list_of_guids() {
        let list = Tenants::only([GUID.to_uppercase(), format!(" {GUID} ")]).unwrap();
        assert_eq!(list.to_string(), GUID);
        assert!(list.allow(Some(GUID)) && !list.allow(Some(PERSONAL)) && !list.allow(None));
        assert!(Tenants::any().allow(Some(PERSONAL)) && Tenants::any().allow(None));
        assert!(Tenants::only::<&str>([]).is_err());
        for refused in ["", "common", "contoso.com", "{tenant}", "f645ad92e38d4d1ab510d1b09a74a8ca"]
        {
            assert!(
                Tenants::only([refused]).unwrap_err().to_string().contains("GUID"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_tenant_cannot_change_the_path_it_stands_in() {
        assert_eq!(Tenant::parse("COMMON"), Some(Tenant::Common));
        assert_eq!(Tenant::parse(&GUID.to_uppercase()), Some(Tenant::Guid(GUID.into())));
        assert_eq!(
            Tenant::parse("Contoso.onMicrosoft.com"),
            Some(Tenant::Domain("contoso.onmicrosoft.com".into()))
        );
        for refused in
            ["", ".", "..", "a/b", "a%2fb", "a?b", "a#b", "{tenant-id}", "<tenant>", "a b", "é"]
        {
            assert_eq!(Tenant::parse(refused), None, "{refused}");
        }
    }
}
