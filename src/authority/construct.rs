//! The constructors of [`Authority`], one per kind.

use url::Url;

use super::{
    Authority, AuthorityKind, B2cPolicies, ProviderRoute, Tenant,
    cloud::{Cloud, HostKind, Instance},
    is_loopback,
    parse::{AuthorityUrl, invalid},
};
use crate::error::ConfigError;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// The same of an authorization server, between its host and its path (RFC 8414 section 3).
pub(super) const OAUTH_WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

/// The URL of the discovery document of an issuer. A terminating slash is removed before the
/// well-known path is appended (OpenID Connect Discovery 1.0 section 4.1).
pub(super) fn discovery_url(issuer: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer)))
}

impl Authority {
    /// The authority of Microsoft Entra ID in the public cloud.
    ///
    /// `tenant` is a GUID, a domain name (`contoso.onmicrosoft.com`), `organizations` (work and
    /// school accounts of every tenant), `consumers` (personal accounts) or `common` (both). For
    /// `organizations` and `common` the configuration has to state which tenants may sign in.
    ///
    /// # Errors
    ///
    /// `tenant` is none of these.
    pub fn entra(tenant: &str) -> Result<Self, ConfigError> {
        let tenant = tenant_named(tenant)?;
        let instance =
            Instance { origin: "https://login.microsoftonline.com".into(), cloud: Cloud::public() };
        Self::at(AuthorityKind::Entra { instance, tenant }, None)
    }

    /// The authority of Microsoft Entra ID at a URL in any cloud, such as
    /// `https://login.microsoftonline.us/contoso.onmicrosoft.com`.
    ///
    /// Path segments after the tenant (`/v2.0`, an endpoint, the discovery document) are ignored:
    /// sign-in always uses the v2.0 endpoints. A query is kept and sent with the request for the
    /// discovery document. A loopback host is treated as a cloud of its own, under the same rules.
    ///
    /// # Errors
    ///
    /// The URL does not have this form, or its host belongs to no cloud that the crate knows.
    pub fn entra_url(url: &str) -> Result<Self, ConfigError> {
        let address = AuthorityUrl::parse(url)?;
        match Cloud::of(address.host()) {
            Some((cloud, HostKind::Login)) => Self::entra_at(&address, Some(cloud)),
            None if is_loopback(&address.url) => Self::entra_at(&address, None),
            _ => invalid(format!(
                "{url:?} is not on a login host of Microsoft, such as login.microsoftonline.com: \
                 for a host that this crate does not know, use `entra_unlisted_cloud`"
            )),
        }
    }

    /// The authority of Microsoft Entra ID on a host that the crate does not know: a private or new
    /// cloud.
    ///
    /// # Security
    ///
    /// The application vouches for the host. It is treated as a cloud of its own: endpoints on
    /// other hosts are refused, and signing keys must not name another cloud.
    ///
    /// # Errors
    ///
    /// The URL has no tenant, or its host belongs to a cloud that the crate knows.
    pub fn entra_unlisted_cloud(url: &str) -> Result<Self, ConfigError> {
        let address = AuthorityUrl::parse(url)?;
        if let Some((cloud, _)) = Cloud::of(address.host()) {
            return invalid(format!("{url:?} is in {}: use `entra_url` or `parse`", cloud.name));
        }
        Self::entra_at(&address, None)
    }

    /// The authority of Microsoft Entra External ID, by the name before `.ciamlogin.com`. The
    /// tenant is `{name}.onmicrosoft.com`.
    ///
    /// # Errors
    ///
    /// `name` cannot be the name of a host.
    pub fn external_id(name: &str) -> Result<Self, ConfigError> {
        if name.contains('.') || !super::tenants::is_name(name) {
            return invalid(format!(
                "{name:?} is not a name before .ciamlogin.com: for https://contoso.ciamlogin.com \
                 pass \"contoso\""
            ));
        }
        Self::parse(&format!("https://{name}.ciamlogin.com"))
    }

    /// The authority of Microsoft Entra External ID under a custom domain such as
    /// `login.example.com`, with the tenant's GUID or domain name.
    ///
    /// The issuer of its tokens is still `https://{tenant}.ciamlogin.com/{GUID}/v2.0`. Prefer the
    /// GUID: then only the issuer of that tenant is accepted.
    ///
    /// # Errors
    ///
    /// `domain` is not a host name (or an `https` URL without a path), or `tenant` is not one
    /// tenant.
    pub fn external_id_custom_domain(domain: &str, tenant: &str) -> Result<Self, ConfigError> {
        let instance = custom_domain(domain)?;
        Self::at(
            AuthorityKind::ExternalId {
                instance,
                tenant: one_tenant(tenant)?,
                custom_domain: true,
            },
            None,
        )
    }

    /// The authority of Azure AD B2C, by the name before `.b2clogin.com`. The tenant is
    /// `{name}.onmicrosoft.com`.
    ///
    /// # Errors
    ///
    /// `name` cannot be the name of a host, or a policy name is not valid.
    pub fn b2c(name: &str, policies: B2cPolicies) -> Result<Self, ConfigError> {
        if name.contains('.') || !super::tenants::is_name(name) {
            return invalid(format!(
                "{name:?} is not a name before .b2clogin.com: for https://contoso.b2clogin.com \
                 pass \"contoso\""
            ));
        }
        let address = AuthorityUrl::parse(&format!("https://{name}.b2clogin.com"))?;
        let tenant = one_tenant(&format!("{name}.onmicrosoft.com"))?;
        Self::b2c_at(Instance::of(&address.url, Cloud::public()), tenant, policies, None)
    }

    /// The authority of Azure AD B2C under a custom domain such as `login.example.com`, with the
    /// tenant's GUID or domain name.
    ///
    /// # Errors
    ///
    /// `domain` is not a host name (or an `https` URL without a path), `tenant` is not one tenant,
    /// or a policy name is not valid.
    pub fn b2c_custom_domain(
        domain: &str,
        tenant: &str,
        policies: B2cPolicies,
    ) -> Result<Self, ConfigError> {
        Self::b2c_at(custom_domain(domain)?, one_tenant(tenant)?, policies, None)
    }

    /// The authority of Active Directory Federation Services on a host such as `adfs.example.com`.
    ///
    /// # Errors
    ///
    /// `host` is not a host name (or an `https` URL without a path).
    pub fn adfs(host: &str) -> Result<Self, ConfigError> {
        let url = bare_host(host)?;
        Self::exact(AuthorityKind::Adfs, format!("{}/adfs", url.origin().ascii_serialization()))
    }

    /// The authority of any OpenID Connect provider, by its issuer identifier.
    ///
    /// The identifier is compared with `issuer` in the discovery document (OpenID Connect Discovery
    /// 1.0 section 4.3): letter case and port matter. A slash at the end does not, because both
    /// spellings have the same document URL. The `iss` of tokens then has to equal the document's
    /// spelling, character by character. The URL of the discovery document is accepted too, and
    /// that of the metadata of an authorization server (RFC 8414). A URL on a Microsoft host is
    /// passed to [`parse`](Self::parse), so that Microsoft's rules apply.
    ///
    /// # Errors
    ///
    /// `issuer` is not an `https` URL, or has a query, a fragment or credentials. `http` is
    /// accepted for loopback hosts; for others [`build`](crate::IdentityConfig::build) requires
    /// [`danger_allow_http`](crate::IdentityConfig::danger_allow_http).
    pub fn oidc(issuer: &str) -> Result<Self, ConfigError> {
        let address = AuthorityUrl::parse_any(issuer)?;
        // A Microsoft host always has Microsoft's rules, whichever constructor names it.
        if Cloud::of(address.host()).is_some() {
            return Self::parse(issuer);
        }
        // OpenID Connect Discovery 1.0 section 3: an issuer has no query and no fragment.
        if issuer.contains(['?', '#']) {
            return invalid(format!(
                "{issuer:?} has a query or a fragment, which an issuer identifier must not have"
            ));
        }
        Self::exact(
            AuthorityKind::Oidc,
            issuer.strip_suffix(WELL_KNOWN).unwrap_or(issuer).replacen(OAUTH_WELL_KNOWN, "", 1),
        )
    }

    /// A provider whose issuers are compared character by character.
    pub(super) fn exact(kind: AuthorityKind, issuer: String) -> Result<Self, ConfigError> {
        let metadata_url =
            discovery_url(&issuer).or_else(|_| invalid(format!("{issuer:?} is not a URL")))?;
        Ok(Self { kind, address: issuer, metadata_url, route: ProviderRoute::default() })
    }

    /// Entra ID at a URL, in a cloud.
    pub(super) fn entra_at(
        address: &AuthorityUrl,
        cloud: Option<&'static Cloud>,
    ) -> Result<Self, ConfigError> {
        const FORM: &str = "https://login.microsoftonline.com/{tenant}";
        let url = address.url.as_str();
        // The first segment is the tenant. Nothing else in the URL says whose accounts sign in.
        let Some((name, rest)) = address.segments.split_first() else {
            return invalid(format!("{url:?} names no tenant: expected {FORM}"));
        };
        if name.eq_ignore_ascii_case("tfp")
            || rest.first().is_some_and(|next| super::parse::is_b2c_policy(next))
        {
            return invalid(format!(
                "{url:?} looks like B2C on a login host that no longer serves it: expected \
                 https://{{name}}.b2clogin.com/{{name}}.onmicrosoft.com/{{policy}}"
            ));
        }
        // v1.0 has another issuer and other claims: a v1.0 document would be refused later, less
        // clearly.
        if let Some(version) = rest.iter().find(|next| is_version(next) && **next != "v2.0") {
            return invalid(format!(
                "{url:?} names version {version}, but sign-in uses v2.0: expected {FORM}/v2.0, or \
                 no version"
            ));
        }
        let Some(tenant) = Tenant::parse(name) else {
            return invalid(format!(
                "{name:?} in {url:?} is not a tenant: expected {FORM}, with a GUID, a domain \
                 name, common, organizations or consumers"
            ));
        };
        Self::at(
            AuthorityKind::Entra { instance: Instance::of(&address.url, cloud), tenant },
            address.url.query(),
        )
    }

    /// B2C on an instance, for the sign-in policy.
    pub(super) fn b2c_at(
        instance: Instance,
        tenant: Tenant,
        policies: B2cPolicies,
        query: Option<&str>,
    ) -> Result<Self, ConfigError> {
        policies.check()?;
        let policy = policies.sign_in.clone();
        Self::at(AuthorityKind::B2c { instance, tenant, policies, policy }, query)
    }

    /// The authority of one of Microsoft's kinds; `query` belongs to the discovery document's URL.
    pub(super) fn at(kind: AuthorityKind, query: Option<&str>) -> Result<Self, ConfigError> {
        let address = match &kind {
            AuthorityKind::Entra { instance, tenant }
            | AuthorityKind::ExternalId { instance, tenant, .. } => {
                format!("{}/{}/v2.0", instance.origin, tenant.as_str())
            }
            AuthorityKind::B2c { instance, tenant, policy, .. } => {
                format!("{}/{}/{policy}/v2.0", instance.origin, tenant.as_str())
            }
            AuthorityKind::Oidc | AuthorityKind::Adfs => {
                return invalid("not an authority of Microsoft".into());
            }
        };
        let mut metadata_url = Url::parse(&format!("{address}{WELL_KNOWN}"))
            .or_else(|_| invalid(format!("{address:?} is not a URL")))?;
        metadata_url.set_query(query);
        Ok(Self { kind, address, metadata_url, route: ProviderRoute::default() })
    }
}

/// Whether a path segment is a version, such as `v1.1` or `v2.0`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

fn tenant_named(text: &str) -> Result<Tenant, ConfigError> {
    Tenant::parse(text).map_or_else(
        || {
            let of_a_url = if text.contains('/') { "; `Authority::parse` takes a URL" } else { "" };
            invalid(format!(
                "{text:?} is not a tenant: expected a GUID, a domain name, common, \
                 organizations or consumers{of_a_url}"
            ))
        },
        Ok,
    )
}

/// A tenant that is named by GUID or domain name, not by one of the reserved words.
pub(super) fn one_tenant(text: &str) -> Result<Tenant, ConfigError> {
    match tenant_named(text)? {
        tenant if tenant.is_single() => Ok(tenant),
        _ => invalid(format!("{text:?} is not one tenant: expected its GUID or a domain name")),
    }
}

/// The instance of a custom domain, which stands for a tenant in the public cloud. A loopback host
/// is a cloud of its own.
fn custom_domain(domain: &str) -> Result<Instance, ConfigError> {
    let url = bare_host(domain)?;
    // A Microsoft host has the rules of its cloud, whatever the application calls it.
    if Cloud::of(url.host_str().unwrap_or_default()).is_some() {
        return invalid(format!("{domain:?} is a Microsoft host, not a custom domain"));
    }
    Ok(Instance::of(&url, if is_loopback(&url) { None } else { Cloud::public() }))
}

/// The URL of a host that is given alone or as a URL without a path.
fn bare_host(host: &str) -> Result<Url, ConfigError> {
    let address = if host.contains("://") {
        AuthorityUrl::parse(host)
    } else {
        AuthorityUrl::parse(&format!("https://{host}"))
    }?;
    if !address.segments.is_empty() || address.url.query().is_some() {
        return invalid(format!(
            "{host:?} has more than a host and a port: expected the form \"login.example.com\""
        ));
    }
    Ok(address.url)
}
