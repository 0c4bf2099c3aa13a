//! Who signs people in: the [`Authority`], its addresses and its issuer rules.
//!
//! # What an authority decides
//!
//! - where its discovery document is;
//! - which issuer the document may have, and which hosts its endpoints may be on, before anything
//!   is sent to them;
//! - which tokens may come from it, and which keys may sign them.
//!
//! A generic provider is held to OpenID Connect Discovery: every issuer is compared character by
//! character. Microsoft's authorities have rules of their own, because one document speaks for many
//! tenants there; the hosts of each cloud are in a table, and no setting turns a rule off.
//!
//! ```
//! use tower_identity::Authority;
//!
//! let authority = Authority::parse("https://login.microsoftonline.com/contoso.onmicrosoft.com")?;
//! assert_eq!(authority, Authority::entra("contoso.onmicrosoft.com")?);
//! assert_eq!(authority.to_string(), "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0");
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
mod codes_oauth;
mod construct;
mod endpoint;
mod parse;
mod policy;
mod tenants;

use std::fmt;

pub use b2c::B2cPolicies;
use cloud::Instance;
pub use codes::error_codes;
pub(crate) use policy::{KeyIssuer, TokenIssuer};
use tenants::Tenant;
pub(crate) use tenants::Tenants;
use url::{Host, Url};

use crate::error::ConfigError;

/// The provider that signs people in.
///
/// `Display` shows its address in one form, however it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    kind: Kind,
    /// The address without query, as documents and logs write it; the issuer of a generic provider.
    address: String,
    metadata_url: Url,
    /// How it is reached, if not by TLS at its own address.
    route: Route,
}

/// The way to a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Route {
    /// Whether `http` may go to another machine.
    danger_http: bool,
    /// Scheme, host and port to ask at, instead of those of the address.
    back_channel: Option<Url>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Oidc,
    Adfs,
    Entra { instance: Instance, tenant: Tenant },
    ExternalId { instance: Instance, tenant: Tenant, custom_domain: bool },
    B2c { instance: Instance, tenant: Tenant, policies: B2cPolicies, policy: String },
}

impl Authority {
    /// Where the discovery document is, query included.
    pub(crate) fn metadata_url(&self) -> &Url {
        &self.metadata_url
    }

    /// What logs call it: its address, which holds no secret.
    pub(crate) fn name(&self) -> &str {
        &self.address
    }

    /// What it was understood as.
    pub(crate) fn kind_in_words(&self) -> &'static str {
        match &self.kind {
            Kind::Oidc => "OpenID Connect",
            Kind::Adfs => "AD FS",
            Kind::Entra { tenant: Tenant::Common, .. } => {
                "Microsoft Entra ID, work, school and personal accounts of every tenant"
            }
            Kind::Entra { tenant: Tenant::Organizations, .. } => {
                "Microsoft Entra ID, work and school accounts of every tenant"
            }
            Kind::Entra { tenant: Tenant::Consumers, .. } => {
                "Microsoft Entra ID, personal accounts"
            }
            Kind::Entra { .. } => "Microsoft Entra ID, one tenant",
            Kind::ExternalId { .. } => "Microsoft Entra External ID",
            Kind::B2c { .. } => "Azure AD B2C",
        }
    }

    /// Whether it is Entra ID, External ID or B2C, where people belong to tenants.
    pub(crate) fn is_microsoft(&self) -> bool {
        self.microsoft().is_some()
    }

    /// Whether it is Entra ID, whose tenants have guests.
    pub(crate) fn is_entra(&self) -> bool {
        matches!(self.kind, Kind::Entra { .. })
    }

    /// Whether people of several tenants sign in here, so that it stands for none of them.
    pub(crate) fn is_multi_tenant(&self) -> bool {
        matches!(&self.kind, Kind::Entra { tenant, .. } if tenant.is_multi())
    }

    /// Whether it is the authority of personal Microsoft accounts, where no application is at home:
    /// an application gets no token for itself there.
    pub(crate) fn is_personal(&self) -> bool {
        matches!(&self.kind, Kind::Entra { tenant: Tenant::Consumers, .. })
    }

    /// Whether it is on this machine: a provider for development.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.metadata_url)
    }

    /// Whether it is Google, where `access_type=offline` says what `offline_access` says elsewhere.
    pub(crate) fn is_google(&self) -> bool {
        self.address.trim_end_matches('/') == "https://accounts.google.com"
    }

    /// Whether it is on another machine and without TLS.
    pub(crate) fn is_remote_http(&self) -> bool {
        self.metadata_url.scheme() == "http" && !self.is_loopback()
    }

    /// How it is reached; [`build`](crate::IdentityConfig::build) has checked that it may be so.
    pub(crate) fn set_route(&mut self, danger_http: bool, back_channel: Option<&Url>) {
        self.route = Route { danger_http, back_channel: back_channel.cloned() };
    }

    /// Puts the discovery document elsewhere than the issuer says.
    pub(crate) fn set_metadata_url(&mut self, address: &Url) {
        self.metadata_url = address.clone();
    }

    /// Where it is asked instead of at its own origin.
    pub(crate) fn back_channel(&self) -> Option<&Url> {
        self.route.back_channel.as_ref()
    }

    /// The address of an endpoint as browsers reach it: never in the back channel.
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
        self.kind == Kind::Adfs
    }

    /// The B2C policies, and the one that this value signs in with.
    pub(crate) fn b2c_policies(&self) -> Option<(&B2cPolicies, &str)> {
        match &self.kind {
            Kind::B2c { policies, policy, .. } => Some((policies, policy)),
            _ => None,
        }
    }

    /// The same B2C tenant with another of its policies; `None` if it is not B2C.
    pub(crate) fn for_policy(&self, policy: &str) -> Option<Self> {
        match &self.kind {
            Kind::B2c { instance, tenant, policies, .. } => Self::at(
                Kind::B2c {
                    instance: instance.clone(),
                    tenant: tenant.clone(),
                    policies: policies.clone(),
                    policy: policy.to_owned(),
                },
                self.metadata_url.query(),
            )
            .ok()
            .map(|other| Self { route: self.route.clone(), ..other }),
            _ => None,
        }
    }

    /// The authority of one tenant in the same cloud, for what is asked in that tenant's name;
    /// `None` if it is not Entra ID or `tid` not a GUID.
    pub(crate) fn for_tenant(&self, tid: &str) -> Option<Self> {
        match &self.kind {
            Kind::Entra { instance, .. } if tenants::is_guid(tid) => Self::at(
                Kind::Entra { instance: instance.clone(), tenant: Tenant::Guid(tid.to_owned()) },
                self.metadata_url.query(),
            )
            .ok()
            .map(|other| Self { route: self.route.clone(), ..other }),
            _ => None,
        }
    }

    /// Whether it is the authority of the tenant that `name` names; the GUID and the domain name of
    /// a tenant are not known to be the same one.
    pub(crate) fn is_tenant(&self, name: &str) -> bool {
        self.microsoft().is_some_and(|(_, tenant)| Tenant::parse(name).as_ref() == Some(tenant))
    }

    /// Whether it is on the host of this address.
    pub(crate) fn is_at(&self, instance: &str) -> bool {
        Url::parse(instance).is_ok_and(|instance| instance.origin() == self.metadata_url.origin())
    }

    /// The same B2C tenant with policies that were named apart from its address.
    ///
    /// # Errors
    ///
    /// It is not B2C, or its address has another policy for signing in.
    pub(crate) fn with_b2c_policies(
        self,
        sign_in: Option<&str>,
        edit_profile: Option<&str>,
        reset_password: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let Some(first) = sign_in.or(edit_profile).or(reset_password) else { return Ok(self) };
        let Kind::B2c { instance, tenant, policies, policy } = self.kind else {
            return Err(ConfigError::new(
                "authority",
                format!(
                    "{self} is not B2C, so that the policy {first:?} has no effect: leave it out"
                ),
            ));
        };
        if let Some(other) = sign_in.filter(|other| !other.eq_ignore_ascii_case(&policy)) {
            return Err(ConfigError::new(
                "authority",
                format!(
                    "the policy {other:?} contradicts {:?}, which is in the address: leave one out",
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

    /// The tenants that may sign in, if what the user said about them fits the authority.
    ///
    /// # Errors
    ///
    /// Several tenants sign in here and nothing was said; or something was said that has no effect.
    pub(crate) fn check_tenants(
        &self,
        configured: Option<&Tenants>,
    ) -> Result<Tenants, ConfigError> {
        let wrong = |problem: String| Err(ConfigError::new("tenants", problem));
        let tenant = match &self.kind {
            Kind::Entra { tenant, .. } | Kind::ExternalId { tenant, .. } => tenant,
            Kind::Oidc | Kind::Adfs | Kind::B2c { .. } if configured.is_some() => {
                return wrong(format!(
                    "{self} has no tenants to choose from, so the setting would have no effect: leave it out"
                ));
            }
            Kind::Oidc | Kind::Adfs | Kind::B2c { .. } => return Ok(Tenants::any()),
        };
        match (tenant, configured) {
            (Tenant::Common | Tenant::Organizations, None) => wrong(format!(
                "people of every tenant can sign in at {self}: list the tenants that may (`with_tenants`, IDENTITY_TENANTS), allow all of them (`with_any_tenant`, \
                 IDENTITY_TENANTS=any), or name one tenant in the authority"
            )),
            (Tenant::Common | Tenant::Organizations, Some(tenants)) => Ok(tenants.clone()),
            (_, Some(tenants)) if tenants.is_any() => wrong(format!(
                "{self} is one tenant already, so \"any\" would have no effect: leave it out"
            )),
            (Tenant::Guid(guid), Some(tenants)) if !tenants.allow(Some(guid)) => wrong(format!(
                "{self} is a tenant that is not on the list ({tenants}), so nobody could sign in"
            )),
            (Tenant::Consumers, Some(tenants)) if !tenants.allow(Some(tenants::PERSONAL)) => {
                wrong(format!(
                    "{self} is for personal accounts, whose tenant {} is not on the list ({tenants}), so nobody could sign in",
                    tenants::PERSONAL
                ))
            }
            (_, Some(tenants)) => Ok(tenants.clone()),
            (_, None) => Ok(Tenants::any()),
        }
    }

    /// Instance and tenant, if it is one of Microsoft's.
    fn microsoft(&self) -> Option<(&Instance, &Tenant)> {
        match &self.kind {
            Kind::Entra { instance, tenant }
            | Kind::ExternalId { instance, tenant, .. }
            | Kind::B2c { instance, tenant, .. } => Some((instance, tenant)),
            Kind::Oidc | Kind::Adfs => None,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// The same path and query at scheme, host and port of another address.
pub(crate) fn at_origin_of(url: &Url, other: &Url) -> Option<Url> {
    let mut moved = other.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved.set_fragment(None);
    (moved.origin() == other.origin()).then_some(moved)
}

/// Whether a URL's host is this machine, whatever a name server says.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
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
    fn a_list_that_has_no_effect_or_lets_nobody_in_is_a_mistake() {
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

    /// MSAL-106
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
