//! The constructors of [`Authority`], one per kind.

use url::Url;

use super::{
    Authority, B2cPolicies, Kind, Route, Tenant,
    cloud::{Cloud, HostKind, Instance},
    is_loopback,
    parse::{Address, wrong},
};
use crate::error::ConfigError;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

impl Authority {
    /// Microsoft Entra ID in the public cloud.
    ///
    /// `tenant` is a GUID, a domain name (`contoso.onmicrosoft.com`), `organizations` (work and
    /// school accounts of every tenant), `consumers` (personal accounts) or `common` (both). For
    /// `organizations` and `common` the configuration has to say which tenants may sign in.
    ///
    /// # Errors
    ///
    /// `tenant` is none of these.
    pub fn entra(tenant: &str) -> Result<Self, ConfigError> {
        let tenant = tenant_named(tenant)?;
        let instance =
            Instance { origin: "https://login.microsoftonline.com".into(), cloud: Cloud::public() };
        Self::at(Kind::Entra { instance, tenant }, None)
    }

    /// Microsoft Entra ID by its address, in any cloud:
    /// `https://login.microsoftonline.us/contoso.onmicrosoft.com`.
    ///
    /// What follows the tenant (`/v2.0`, the path of an endpoint or document) changes nothing:
    /// sign-in is always v2.0. A query is kept and sent with the request for the discovery
    /// document. A loopback host is a cloud of its own, under the same rules.
    ///
    /// # Errors
    ///
    /// It is not such an address, or the host is in no cloud that the crate knows.
    pub fn entra_url(url: &str) -> Result<Self, ConfigError> {
        let address = Address::parse(url)?;
        match Cloud::of(address.host()) {
            Some((cloud, HostKind::Login)) => Self::entra_at(&address, Some(cloud)),
            None if is_loopback(&address.url) => Self::entra_at(&address, None),
            _ => wrong(format!(
                "{url:?} is not on a login host of Microsoft's, such as login.microsoftonline.com: if it is one that this crate does not know, say `entra_unlisted_cloud`"
            )),
        }
    }

    /// Microsoft Entra ID on a host that the crate does not know: a private or new cloud.
    ///
    /// # Security
    ///
    /// You vouch for the host. It is a cloud of its own: endpoints on other hosts are refused, and
    /// keys must not name another cloud.
    ///
    /// # Errors
    ///
    /// It is not an address with a tenant, or it is in a cloud that the crate knows.
    pub fn entra_unlisted_cloud(url: &str) -> Result<Self, ConfigError> {
        let address = Address::parse(url)?;
        if let Some((cloud, _)) = Cloud::of(address.host()) {
            return wrong(format!("{url:?} is in {}: use `entra_url` or `parse`", cloud.name));
        }
        Self::entra_at(&address, None)
    }

    /// Microsoft Entra External ID by the name before `.ciamlogin.com`; its tenant is
    /// `{name}.onmicrosoft.com`.
    ///
    /// # Errors
    ///
    /// It is not such a name.
    pub fn external_id(name: &str) -> Result<Self, ConfigError> {
        if name.contains('.') || !super::tenants::is_name(name) {
            return wrong(format!(
                "{name:?} is not the name before .ciamlogin.com: give \"contoso\" for https://contoso.ciamlogin.com"
            ));
        }
        Self::parse(&format!("https://{name}.ciamlogin.com"))
    }

    /// Microsoft Entra External ID under a domain of your own: `login.example.com`, and the tenant
    /// by GUID or domain name.
    ///
    /// The issuer of its tokens is still `https://{tenant}.ciamlogin.com/{GUID}/v2.0`. With the
    /// GUID, no other tenant's is taken.
    ///
    /// # Errors
    ///
    /// It is not a host name (or `https` URL without a path), or not one tenant.
    pub fn external_id_custom_domain(domain: &str, tenant: &str) -> Result<Self, ConfigError> {
        let instance = custom_domain(domain)?;
        Self::at(
            Kind::ExternalId { instance, tenant: one_tenant(tenant)?, custom_domain: true },
            None,
        )
    }

    /// Azure AD B2C by the name before `.b2clogin.com`; its tenant is `{name}.onmicrosoft.com`.
    ///
    /// # Errors
    ///
    /// It is not such a name, or a policy is not the name of one.
    pub fn b2c(name: &str, policies: B2cPolicies) -> Result<Self, ConfigError> {
        if name.contains('.') || !super::tenants::is_name(name) {
            return wrong(format!(
                "{name:?} is not the name before .b2clogin.com: give \"contoso\" for https://contoso.b2clogin.com"
            ));
        }
        let address = Address::parse(&format!("https://{name}.b2clogin.com"))?;
        let tenant = one_tenant(&format!("{name}.onmicrosoft.com"))?;
        Self::b2c_at(Instance::of(&address.url, Cloud::public()), tenant, policies, None)
    }

    /// Azure AD B2C under a domain of your own: `login.example.com`, and the tenant by GUID or
    /// domain name.
    ///
    /// # Errors
    ///
    /// It is not a host name (or `https` URL without a path), not one tenant, or a policy is not
    /// the name of one.
    pub fn b2c_custom_domain(
        domain: &str,
        tenant: &str,
        policies: B2cPolicies,
    ) -> Result<Self, ConfigError> {
        Self::b2c_at(custom_domain(domain)?, one_tenant(tenant)?, policies, None)
    }

    /// Active Directory Federation Services on a host of yours: `adfs.example.com`.
    ///
    /// # Errors
    ///
    /// It is not a host name (or `https` URL without a path).
    pub fn adfs(host: &str) -> Result<Self, ConfigError> {
        let url = bare_host(host)?;
        Self::exact(Kind::Adfs, format!("{}/adfs", url.origin().ascii_serialization()))
    }

    /// Any OpenID Connect provider, by its issuer identifier.
    ///
    /// The identifier is compared with the one in the discovery document (OpenID Connect Discovery
    /// section 4.3): letter case and port matter. A slash at the end does not, because both have
    /// the same document; tokens are then held to the document's spelling, character by character.
    /// The address of the document itself is fine too. An issuer on a host of Microsoft's is what
    /// [`parse`](Self::parse) makes of it, with Microsoft's rules.
    ///
    /// # Errors
    ///
    /// It is not an `https` URL, or has a query, a fragment or credentials. `http` is accepted for
    /// loopback hosts; for others [`build`](crate::IdentityConfig::build) asks for
    /// [`danger_allow_http`](crate::IdentityConfig::danger_allow_http).
    pub fn oidc(issuer: &str) -> Result<Self, ConfigError> {
        let address = Address::parse_any(issuer)?;
        if Cloud::of(address.host()).is_some() {
            Address::parse(issuer)?;
        }
        if Cloud::of(address.host()).is_some() {
            return Self::parse(issuer);
        }
        if issuer.contains(['?', '#']) {
            return wrong(format!(
                "{issuer:?} has a query or fragment, which an issuer identifier cannot have"
            ));
        }
        Self::exact(Kind::Oidc, issuer.strip_suffix(WELL_KNOWN).unwrap_or(issuer).to_owned())
    }

    /// A provider whose issuers are compared character by character.
    fn exact(kind: Kind, issuer: String) -> Result<Self, ConfigError> {
        // Discovery section 4.1: a slash at the end goes before the well-known path is appended.
        let metadata = format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(&issuer));
        let metadata_url =
            Url::parse(&metadata).or_else(|_| wrong(format!("{issuer:?} is not a URL")))?;
        Ok(Self { kind, address: issuer, metadata_url, route: Route::default() })
    }

    /// Entra ID at an address, in a cloud.
    pub(super) fn entra_at(
        address: &Address,
        cloud: Option<&'static Cloud>,
    ) -> Result<Self, ConfigError> {
        const FORM: &str = "https://login.microsoftonline.com/{tenant}";
        let url = address.url.as_str();
        let Some((name, rest)) = address.segments.split_first() else {
            return wrong(format!("{url:?} names no tenant: the form is {FORM}"));
        };
        if name.eq_ignore_ascii_case("tfp")
            || rest.first().is_some_and(|next| super::parse::is_b2c_policy(next))
        {
            return wrong(format!(
                "{url:?} looks like B2C on a login host that no longer serves it: the form is https://{{name}}.b2clogin.com/{{name}}.onmicrosoft.com/{{policy}}"
            ));
        }
        if let Some(version) = rest.iter().find(|next| is_version(next) && **next != "v2.0") {
            return wrong(format!(
                "{url:?} asks for {version}: sign-in is v2.0, the form is {FORM}/v2.0 or without a version"
            ));
        }
        let tenant = Tenant::parse(name).map_or_else(|| wrong(format!("{name:?} in {url:?} is not a tenant: the form is {FORM}, with a GUID, a domain name, common, organizations or consumers")), Ok)?;
        Self::at(
            Kind::Entra { instance: Instance::of(&address.url, cloud), tenant },
            address.url.query(),
        )
    }

    /// B2C on an instance.
    pub(super) fn b2c_at(
        instance: Instance,
        tenant: Tenant,
        policies: B2cPolicies,
        query: Option<&str>,
    ) -> Result<Self, ConfigError> {
        policies.check()?;
        let policy = policies.sign_in.clone();
        Self::at(Kind::B2c { instance, tenant, policies, policy }, query)
    }

    /// The authority of a kind that is one of Microsoft's.
    pub(super) fn at(kind: Kind, query: Option<&str>) -> Result<Self, ConfigError> {
        let address = match &kind {
            Kind::Entra { instance, tenant } | Kind::ExternalId { instance, tenant, .. } => {
                format!("{}/{}/v2.0", instance.origin, tenant.as_str())
            }
            Kind::B2c { instance, tenant, policy, .. } => {
                format!("{}/{}/{policy}/v2.0", instance.origin, tenant.as_str())
            }
            Kind::Oidc | Kind::Adfs => return wrong("not one of Microsoft's".into()),
        };
        let mut metadata_url = Url::parse(&format!("{address}{WELL_KNOWN}"))
            .or_else(|_| wrong(format!("{address:?} is not a URL")))?;
        metadata_url.set_query(query);
        Ok(Self { kind, address, metadata_url, route: Route::default() })
    }
}

/// `v1.1`, `v2.0` and the like.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

fn tenant_named(text: &str) -> Result<Tenant, ConfigError> {
    Tenant::parse(text).map_or_else(
        || wrong(format!("{text:?} is not a tenant: give its GUID, one of its domain names, common, organizations or consumers")),
        Ok,
    )
}

/// A tenant, but none of the words for several or for personal accounts.
pub(super) fn one_tenant(text: &str) -> Result<Tenant, ConfigError> {
    match tenant_named(text)? {
        tenant if tenant.is_single() => Ok(tenant),
        _ => wrong(format!("{text:?} is not one tenant: give its GUID or one of its domain names")),
    }
}

/// A host of the user's own in front of a tenant in the public cloud; a loopback host is a cloud of
/// its own.
fn custom_domain(domain: &str) -> Result<Instance, ConfigError> {
    let url = bare_host(domain)?;
    if Cloud::of(url.host_str().unwrap_or_default()).is_some() {
        return wrong(format!("{domain:?} is a host of Microsoft's, not a domain of your own"));
    }
    Ok(Instance::of(&url, if is_loopback(&url) { None } else { Cloud::public() }))
}

/// The URL of a host that was given alone or with its scheme.
fn bare_host(host: &str) -> Result<Url, ConfigError> {
    let address = if host.contains("://") {
        Address::parse(host)
    } else {
        Address::parse(&format!("https://{host}"))
    }?;
    if !address.segments.is_empty() || address.url.query().is_some() {
        return wrong(format!(
            "{host:?} has more than a host and port: give \"login.example.com\""
        ));
    }
    Ok(address.url)
}
