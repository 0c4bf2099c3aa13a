//! The OpenID provider that an application signs users in with: the [`Authority`], its endpoints
//! and its issuer rules.
//!
//! # What an authority decides
//!
//! - the URL of its discovery document;
//! - which `issuer` that document may have, and which hosts its endpoints may be on. Both are
//!   checked before any request is sent to them;
//! - which issuers its tokens may have, and which keys may sign them.
//!
//! A generic provider follows OpenID Connect Discovery 1.0: every issuer is compared character by
//! character. The authorities of Microsoft have additional rules, because one discovery document
//! serves many tenants there. The hosts of each Microsoft cloud are in a compiled-in table. No
//! setting turns any of these rules off.
//!
//! ```
//! use tower_identity::Authority;
//!
//! let authority = Authority::parse("https://login.microsoftonline.com/contoso.onmicrosoft.com")?;
//! assert_eq!(authority, Authority::entra("contoso.onmicrosoft.com")?);
//! assert_eq!(
//!     authority.to_string(),
//!     "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0"
//! );
//! # Ok::<_, tower_identity::ConfigError>(())
//! ```

mod access;
mod b2c;
#[cfg(test)]
mod cases;
mod cloud;
pub(crate) mod codes;
mod codes_b2c;
mod codes_entra;
mod codes_entra_user;
mod codes_oauth;
mod construct;
mod endpoint;
mod issuer;
mod parse;
#[cfg(feature = "dev-provider")]
pub(crate) mod stopped;
mod tenants;

use std::fmt;

pub use b2c::B2cPolicies;
use cloud::{Cloud, HostKind, Instance};
pub(crate) use cloud::{is_graph_host, token_exchange_audience};
pub use codes::error_codes;
use construct::OAUTH_WELL_KNOWN;
pub(crate) use issuer::{KeyIssuer, TokenIssuer};
use tenants::Tenant;
pub(crate) use tenants::{PERSONAL, Tenants, is_guid};
use url::{Host, Url};

use crate::error::ConfigError;

/// An OpenID provider, identified by its authority URL (for a generic provider: its issuer).
///
/// Values of the same provider are equal, and `Display` writes them the same way, whichever of the
/// accepted URL forms they were made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    kind: AuthorityKind,
    /// The authority URL without its query, in the canonical form; the issuer of a generic
    /// provider.
    address: String,
    metadata_url: Url,
    /// The route to the provider, if it is not TLS at its own URL.
    route: ProviderRoute,
}

/// The remedy for a document with `http` URLs at an authority with `https`.
const BEHIND_A_PROXY: &str = "the provider does not know that its users reach it over TLS: set \
     its public URL there, and have the proxy in front of it send `X-Forwarded-Proto: https` \
     (Keycloak: `hostname`, `proxy-headers`)";

/// The route of requests to a provider that is not reached over TLS at its own URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ProviderRoute {
    /// Whether plain `http` to a host that is not loopback is allowed.
    danger_http: bool,
    /// The origin that requests are sent to in place of the authority's own.
    back_channel: Option<Url>,
}

/// The kinds of provider, which differ in their issuer and endpoint rules.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AuthorityKind {
    Oidc,
    Adfs,
    Entra { instance: Instance, tenant: Tenant },
    ExternalId { instance: Instance, tenant: Tenant, custom_domain: bool },
    B2c { instance: Instance, tenant: Tenant, policies: B2cPolicies, policy: String },
}

impl Authority {
    /// The URL of the discovery document, with the query that the authority URL had.
    pub(crate) fn metadata_url(&self) -> &Url {
        &self.metadata_url
    }

    /// The URL of the metadata of an authorization server that is no OpenID provider (RFC 8414
    /// section 3): the well-known path stands before the path of the issuer. `None` at Microsoft
    /// and AD FS, and where the URL of the document was set.
    pub(crate) fn oauth_metadata_url(&self) -> Option<Url> {
        if self.kind != AuthorityKind::Oidc
            || construct::discovery_url(&self.address).ok()? != self.metadata_url
        {
            return None;
        }
        let mut url = Url::parse(&self.address).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{OAUTH_WELL_KNOWN}{path}"));
        Some(url)
    }

    /// The name for logs and errors: the authority URL without its query, which holds no secret.
    pub(crate) fn name(&self) -> &str {
        &self.address
    }

    /// The kind of provider as a description for logs and `Display` of the configuration.
    pub(crate) fn kind_label(&self) -> &'static str {
        match &self.kind {
            AuthorityKind::Oidc => "OpenID Connect",
            AuthorityKind::Adfs => "AD FS",
            AuthorityKind::Entra { tenant: Tenant::Common, .. } => {
                "Microsoft Entra ID, work, school and personal accounts of every tenant"
            }
            AuthorityKind::Entra { tenant: Tenant::Organizations, .. } => {
                "Microsoft Entra ID, work and school accounts of every tenant"
            }
            AuthorityKind::Entra { tenant: Tenant::Consumers, .. } => {
                "Microsoft Entra ID, personal accounts"
            }
            AuthorityKind::Entra { .. } => "Microsoft Entra ID, one tenant",
            AuthorityKind::ExternalId { .. } => "Microsoft Entra External ID",
            AuthorityKind::B2c { .. } => "Azure AD B2C",
        }
    }

    /// Whether it is Entra ID, External ID or B2C, whose accounts belong to tenants.
    pub(crate) fn is_microsoft(&self) -> bool {
        self.microsoft().is_some()
    }

    /// Whether it is Entra ID, whose tenants can have guest accounts.
    pub(crate) fn is_entra(&self) -> bool {
        matches!(self.kind, AuthorityKind::Entra { .. })
    }

    /// Whether accounts of several tenants sign in here (`common`, `organizations`), so that tokens
    /// for the application itself need the authority of one tenant.
    pub(crate) fn is_multi_tenant(&self) -> bool {
        matches!(&self.kind, AuthorityKind::Entra { tenant, .. } if tenant.is_multi())
    }

    /// Whether it is the authority of personal Microsoft accounts (`consumers`, or its GUID). No
    /// application is registered in that tenant, so the client credentials grant is not available
    /// there.
    pub(crate) fn is_personal(&self) -> bool {
        match &self.kind {
            AuthorityKind::Entra { tenant: Tenant::Consumers, .. } => true,
            AuthorityKind::Entra { tenant: Tenant::Guid(tenant), .. } => tenant == PERSONAL,
            _ => false,
        }
    }

    /// Whether its host is this machine: a development provider.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.metadata_url)
    }

    /// Whether it is Google, which takes `access_type=offline` in place of the scope
    /// `offline_access`.
    pub(crate) fn is_google(&self) -> bool {
        self.address.trim_end_matches('/') == "https://accounts.google.com"
    }

    /// Whether it is on another machine and reached without TLS.
    pub(crate) fn is_remote_http(&self) -> bool {
        self.metadata_url.scheme() == "http" && !self.is_loopback()
    }

    /// Sets how the provider is reached; [`build`](crate::IdentityConfig::build) has checked that
    /// this is allowed.
    pub(crate) fn set_connection(&mut self, danger_http: bool, back_channel: Option<&Url>) {
        self.route = ProviderRoute { danger_http, back_channel: back_channel.cloned() };
    }

    /// Sets the URL of the discovery document, if it is not the one that the issuer implies.
    pub(crate) fn set_metadata_url(&mut self, url: &Url) {
        self.metadata_url = url.clone();
    }

    /// The origin that requests of the application are sent to in place of the authority's own.
    pub(crate) fn back_channel(&self) -> Option<&Url> {
        self.route.back_channel.as_ref()
    }

    /// The URL of an endpoint as browsers reach it: at the public origin, never the back channel.
    pub(crate) fn for_browsers(&self, endpoint: Url) -> Url {
        match self.back_channel() {
            Some(back) if back.origin() == endpoint.origin() => {
                at_origin_of(&endpoint, &self.metadata_url).unwrap_or(endpoint)
            }
            _ => endpoint,
        }
    }

    /// Whether it is AD FS.
    pub(crate) fn is_adfs(&self) -> bool {
        self.kind == AuthorityKind::Adfs
    }

    /// The B2C policies and, second, the policy that this value stands for.
    pub(crate) fn b2c_policies(&self) -> Option<(&B2cPolicies, &str)> {
        match &self.kind {
            AuthorityKind::B2c { policies, policy, .. } => Some((policies, policy)),
            _ => None,
        }
    }

    /// The same B2C tenant with another policy; `None` if it is not B2C.
    pub(crate) fn for_policy(&self, policy: &str) -> Option<Self> {
        match &self.kind {
            AuthorityKind::B2c { instance, tenant, policies, .. } => {
                self.with_kind(AuthorityKind::B2c {
                    instance: instance.clone(),
                    tenant: tenant.clone(),
                    policies: policies.clone(),
                    policy: policy.to_owned(),
                })
            }
            _ => None,
        }
    }

    /// The authority of one tenant in the same cloud, for tokens of that tenant; `None` if this is
    /// not Entra ID or `tid` is not a GUID.
    pub(crate) fn for_tenant(&self, tid: &str) -> Option<Self> {
        match &self.kind {
            AuthorityKind::Entra { instance, .. } if is_guid(tid) => {
                self.with_kind(AuthorityKind::Entra {
                    instance: instance.clone(),
                    tenant: Tenant::Guid(tid.to_owned()),
                })
            }
            _ => None,
        }
    }

    /// The authority of another policy or tenant in this deployment, to which the route belongs.
    fn with_kind(&self, kind: AuthorityKind) -> Option<Self> {
        let other = Self::at(kind, self.metadata_url.query()).ok()?;
        Some(Self { route: self.route.clone(), ..other })
    }

    /// Whether it is the authority of the tenant `name`. A GUID and a domain name never compare
    /// equal, although they can denote the same tenant.
    pub(crate) fn is_tenant(&self, name: &str) -> bool {
        self.microsoft().is_some_and(|(_, tenant)| Tenant::parse(name).as_ref() == Some(tenant))
    }

    /// Whether it can be the authority of the tenant `name`: one of Microsoft, unless both name
    /// their tenant by a GUID and these differ.
    pub(crate) fn can_be_tenant(&self, name: &str) -> bool {
        self.microsoft().is_some_and(|(_, own)| match (own, Tenant::parse(name)) {
            (Tenant::Guid(own), Some(Tenant::Guid(other))) => *own == other,
            _ => true,
        })
    }

    /// Whether its origin is that of the URL `instance`.
    pub(crate) fn is_at(&self, instance: &str) -> bool {
        Url::parse(instance).is_ok_and(|instance| instance.origin() == self.metadata_url.origin())
    }

    /// Whether a host, with or without a port, is that of this authority or an alias of it: tokens
    /// of one are those of the other.
    pub(crate) fn has_alias(&self, host: &str) -> bool {
        // An IPv6 address is in brackets, so that its last group is not taken for a port.
        let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let name =
            host.rsplit_once(':').filter(|(_, end)| port(end)).map_or(host, |(name, _)| name);
        let host = name.to_ascii_lowercase();
        let own = self.metadata_url.host_str().unwrap_or_default();
        host == own
            || matches!(
                (Cloud::of(own), Cloud::of(&host)),
                (Some((own, HostKind::Login)), Some((other, HostKind::Login))) if own == other
            )
    }

    /// The same B2C tenant with policies that are configured apart from the authority URL.
    ///
    /// # Errors
    ///
    /// The authority is not B2C, or its URL names another sign-in policy.
    pub(crate) fn with_b2c_policies(
        self,
        sign_in: Option<&str>,
        edit_profile: Option<&str>,
        reset_password: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let Some(first) = sign_in.or(edit_profile).or(reset_password) else { return Ok(self) };
        let AuthorityKind::B2c { instance, tenant, policies, policy } = self.kind else {
            return Err(ConfigError::new(
                "authority",
                format!(
                    "{self} is not B2C, so the policy {first:?} would have no effect: remove it"
                ),
            ));
        };
        // B2C reads the names of policies in any letter case.
        if let Some(other) = sign_in.filter(|other| !other.eq_ignore_ascii_case(&policy)) {
            return Err(ConfigError::new(
                "authority",
                format!(
                    "the sign-in policy {other:?} contradicts the one in {:?}: remove one of them",
                    self.address
                ),
            ));
        }
        let named =
            |policy: Option<&str>, known: Option<String>| policy.map(str::to_owned).or(known);
        let policies = B2cPolicies {
            edit_profile: named(edit_profile, policies.edit_profile),
            reset_password: named(reset_password, policies.reset_password),
            ..policies
        };
        Self::b2c_at(instance, tenant, policies, self.metadata_url.query())
    }

    /// The tenants whose users may sign in, after a check that the setting fits the authority.
    ///
    /// An authority for several tenants has no default: accepting every organisation in the world
    /// has to be an explicit choice (D18).
    ///
    /// # Errors
    ///
    /// The authority is for several tenants and none is configured; or the setting has no effect or
    /// excludes every user.
    pub(crate) fn check_tenants(
        &self,
        configured: Option<&Tenants>,
    ) -> Result<Tenants, ConfigError> {
        let invalid = |problem: String| Err(ConfigError::new("tenants", problem));
        let tenant = match &self.kind {
            AuthorityKind::Entra { tenant, .. } | AuthorityKind::ExternalId { tenant, .. } => {
                tenant
            }
            AuthorityKind::Oidc | AuthorityKind::Adfs | AuthorityKind::B2c { .. }
                if configured.is_some() =>
            {
                return invalid(format!(
                    "{self} does not support a choice of tenants, so the setting would have no \
                     effect: remove it"
                ));
            }
            AuthorityKind::Oidc | AuthorityKind::Adfs | AuthorityKind::B2c { .. } => {
                return Ok(Tenants::any());
            }
        };
        match (tenant, configured) {
            // Security rule 11: the application decides which tenants; there is no default.
            (Tenant::Common | Tenant::Organizations, None) => invalid(format!(
                "users of every tenant can sign in at {self}: list the tenants that may sign in \
                 (`with_tenants`, IDENTITY_TENANTS), allow all of them (`with_any_tenant`, \
                 IDENTITY_TENANTS=any), or name one tenant in the authority"
            )),
            (Tenant::Organizations, Some(tenants)) if tenants.is_only(tenants::PERSONAL) => {
                invalid(format!(
                    "personal accounts cannot sign in at {self}, and their tenant {} is the only \
                     one in the list, so no user could sign in: use `common` or `consumers`, or \
                     list further tenants (`with_tenants`, IDENTITY_TENANTS)",
                    tenants::PERSONAL
                ))
            }
            (Tenant::Common | Tenant::Organizations, Some(tenants)) => Ok(tenants.clone()),
            // A setting without effect is refused (D16): it would look like a check.
            (_, Some(tenants)) if tenants.is_any() => invalid(format!(
                "{self} is one tenant already, so \"any\" would have no effect: remove it"
            )),
            (Tenant::Guid(guid), Some(tenants)) if !tenants.allow(Some(guid)) => invalid(format!(
                "{self} is a tenant that is not in the list ({tenants}), so no user could sign in"
            )),
            (Tenant::Consumers, Some(tenants)) if !tenants.allow(Some(tenants::PERSONAL)) => {
                invalid(format!(
                    "{self} is for personal accounts, whose tenant {} is not in the list \
                     ({tenants}), so no user could sign in",
                    tenants::PERSONAL
                ))
            }
            (_, Some(tenants)) => Ok(tenants.clone()),
            (_, None) => Ok(Tenants::any()),
        }
    }

    /// Instance and tenant, if it is an authority of Microsoft.
    fn microsoft(&self) -> Option<(&Instance, &Tenant)> {
        match &self.kind {
            AuthorityKind::Entra { instance, tenant }
            | AuthorityKind::ExternalId { instance, tenant, .. }
            | AuthorityKind::B2c { instance, tenant, .. } => Some((instance, tenant)),
            AuthorityKind::Oidc | AuthorityKind::Adfs => None,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// `url` moved to the origin of `other`, with its path and query.
///
/// `None` if the path makes the URL leave that origin.
pub(crate) fn at_origin_of(url: &Url, other: &Url) -> Option<Url> {
    let mut moved = other.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved.set_fragment(None);
    (moved.origin() == other.origin()).then_some(moved)
}

/// Whether the host of a URL is this machine.
///
/// Only `localhost` and loopback addresses are. Other names are not resolved: name resolution is
/// under the control of the network.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // RFC 6761 section 6.3 reserves names below `localhost` as well, but not every resolver
        // keeps them on this machine.
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTOSO: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    const FABRIKAM: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";

    fn problem(authority: &Authority, tenants: Option<&Tenants>) -> Option<String> {
        authority.check_tenants(tenants).err().map(|error| error.to_string())
    }

    #[test]
    fn a_host_is_an_alias_with_and_without_its_port() {
        for (authority, own, other) in [
            ("https://login.microsoftonline.com/common", "LOGIN.windows.net:443", "login.live.com"),
            ("http://[::1]:8080/op", "[::1]:8080", "[::2]:8080"),
            ("http://[::1]:8080/op", "[::1]", "["),
            ("http://127.0.0.1:8080/op", "127.0.0.1:8080", "127.0.0.2"),
        ] {
            let authority = Authority::parse(authority).unwrap();
            assert!(authority.has_alias(own), "{own}");
            for other in [other, "", ":", "[::1", "a b", "user@login.microsoftonline.com"] {
                assert!(!authority.has_alias(other), "{other}");
            }
        }
    }

    #[test]
    fn everyone_in_the_world_is_never_a_default() {
        let only = Tenants::only([CONTOSO]).unwrap();
        for tenant in ["common", "organizations"] {
            let authority = Authority::entra(tenant).unwrap();
            assert!(problem(&authority, None).unwrap().contains("IDENTITY_TENANTS"));
            assert_eq!(authority.check_tenants(Some(&Tenants::any())), Ok(Tenants::any()));
            assert_eq!(authority.check_tenants(Some(&only)), Ok(only.clone()));
        }
    }

    #[test]
    fn a_list_without_effect_or_without_tenants_is_refused() {
        let (only, other) = (Tenants::only([CONTOSO]).unwrap(), Tenants::only([FABRIKAM]).unwrap());
        let single = Authority::entra(CONTOSO).unwrap();
        assert_eq!(problem(&single, None), None);
        assert_eq!(problem(&single, Some(&only)), None);
        let contradiction = problem(&single, Some(&other)).unwrap();
        assert!(
            contradiction.contains(CONTOSO) && contradiction.contains(FABRIKAM),
            "{contradiction}"
        );
        assert!(problem(&single, Some(&Tenants::any())).is_some());
        assert!(problem(&Authority::entra("consumers").unwrap(), Some(&only)).is_some());
        assert_eq!(problem(&Authority::entra("contoso.com").unwrap(), Some(&only)), None);
        assert!(
            problem(&Authority::oidc("https://op.example.com").unwrap(), Some(&only)).is_some()
        );
        assert!(
            problem(&Authority::b2c("contoso", B2cPolicies::new("B2C_1_x")).unwrap(), Some(&only))
                .is_some()
        );
    }

    // MSAL-106: Authority `common` or `organizations`; client credentials
    #[test]
    fn an_authority_for_several_tenants_stands_for_none_until_one_is_known() {
        let common = Authority::parse("https://login.microsoftonline.us/common?x=y").unwrap();
        assert!(common.is_multi_tenant());
        let tenant = common.for_tenant(CONTOSO).unwrap();
        assert!(!tenant.is_multi_tenant());
        assert_eq!(
            tenant,
            Authority::parse(&format!("https://login.microsoftonline.us/{CONTOSO}?x=y")).unwrap()
        );
        assert_eq!(common.for_tenant("../x"), None);
        assert_eq!(Authority::oidc("https://op.example.com").unwrap().for_tenant(CONTOSO), None);
    }

    #[test]
    fn loopback_is_this_machine_by_its_number_or_one_name() {
        for (url, loopback) in [
            ("http://localhost", true),
            ("http://LOCALHOST:8080", true),
            ("http://127.0.0.1", true),
            ("http://127.1.2.3", true),
            ("http://[::1]", true),
            ("http://localhost.example.com", false),
            ("http://app.localhost", false),
            ("http://127.0.0.1.example.com", false),
            ("http://[::ffff:127.0.0.1]", false),
            ("http://0.0.0.0", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }
}
