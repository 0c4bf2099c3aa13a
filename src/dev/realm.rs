//! [`Realm`] and [`Place`]: the authority and the endpoint of a request, determined by its path.

use super::{
    person::DevPerson,
    server::{Server, path},
    switches::Endpoint,
    tenant::{DevTenant, EntraTenants, TenantKind},
};

/// The placeholder of the tenant in the issuer of a document for several tenants.
const TEMPLATE: &str = "{tenantid}";

/// An authority of this provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Realm {
    /// The single authority of a generic provider.
    Plain,
    /// An authority of the imitated Entra ID.
    Entra(Audience),
    /// A policy of a B2C tenant.
    B2c {
        tenant: DevTenant,
        policy: Policy,
        /// Whether the URL contains `/tfp`.
        tfp: bool,
    },
}

/// The accounts that an Entra ID authority signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// `common`: all of them.
    Everyone,
    Organizations,
    Consumers,
    Tenant(DevTenant),
    /// A tenant that does not exist.
    Unknown(String),
}

/// A user flow of B2C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    SignIn,
    EditProfile,
    ResetPassword,
}

impl Policy {
    const ALL: [Self; 3] = [Self::SignIn, Self::EditProfile, Self::ResetPassword];

    /// The configured name; URLs may contain it in any letter case.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "B2C_1_susi",
            Self::EditProfile => "B2C_1_edit",
            Self::ResetPassword => "B2C_1_reset",
        }
    }
}

impl Realm {
    /// The path prefix of the endpoints.
    pub(super) fn prefix(&self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Entra(Audience::Everyone) => "/common".to_owned(),
            Self::Entra(Audience::Organizations) => "/organizations".to_owned(),
            Self::Entra(Audience::Consumers) => "/consumers".to_owned(),
            Self::Entra(Audience::Tenant(tenant)) => format!("/{}", tenant.id),
            Self::Entra(Audience::Unknown(name)) => format!("/{name}"),
            Self::B2c { tenant, policy, tfp } => {
                let tfp = if *tfp { "/tfp" } else { "" };
                // B2C writes policies in lower case in its documents, however the request did.
                format!("{tfp}/{}/{}", tenant.domain, policy.name().to_ascii_lowercase())
            }
        }
    }

    /// The issuer of the discovery document.
    pub(super) fn issuer(&self, server: &Server) -> String {
        match self {
            Self::Plain => server.issuer.clone(),
            // The issuer of a token depends on its account: clients put `tid` in this place.
            Self::Entra(Audience::Everyone | Audience::Organizations) => {
                server.url(&format!("/{TEMPLATE}/v2.0"))
            }
            Self::Entra(Audience::Consumers) => token_issuer(server, &DevTenant::PERSONAL),
            Self::Entra(Audience::Tenant(tenant)) | Self::B2c { tenant, .. } => {
                token_issuer(server, tenant)
            }
            Self::Entra(Audience::Unknown(name)) => server.url(&format!("/{name}/v2.0")),
        }
    }

    /// The tenant that a person signs in to here; `None` if that is not possible, or if the
    /// provider has no tenants.
    pub(super) fn tenant_of(
        &self,
        entra: Option<&EntraTenants>,
        person: &DevPerson,
    ) -> Option<DevTenant> {
        let entra = entra?;
        let home = entra.home(person);
        match self {
            Self::Plain | Self::Entra(Audience::Unknown(_)) => None,
            // Customers of External ID and B2C have accounts in their own tenant only.
            Self::Entra(Audience::Everyone) => {
                matches!(home.kind, TenantKind::Workforce | TenantKind::Personal).then_some(*home)
            }
            Self::Entra(Audience::Organizations) => {
                (home.kind == TenantKind::Workforce).then_some(*home)
            }
            Self::Entra(Audience::Consumers) => {
                (home.kind == TenantKind::Personal).then_some(*home)
            }
            Self::Entra(Audience::Tenant(tenant)) | Self::B2c { tenant, .. } => {
                entra.knows(person, tenant).then_some(*tenant)
            }
        }
    }

    /// Whether the account picker offers a person here: customers in their own tenant only,
    /// everyone else everywhere, because their user name can be typed anywhere.
    pub(super) fn offers(&self, entra: Option<&EntraTenants>, person: &DevPerson) -> bool {
        let Some(entra) = entra else { return true };
        let customer = |kind| matches!(kind, TenantKind::ExternalId | TenantKind::B2c);
        let home = entra.home(person);
        match self {
            Self::Entra(Audience::Tenant(tenant)) | Self::B2c { tenant, .. }
                if customer(tenant.kind) =>
            {
                home == tenant
            }
            _ => !customer(home.kind),
        }
    }

    /// The B2C policy.
    pub(super) fn policy(&self) -> Option<Policy> {
        match self {
            Self::B2c { policy, .. } => Some(*policy),
            _ => None,
        }
    }

    /// Whether codes and refresh tokens of `other` are accepted here: anywhere in Entra ID, in B2C
    /// only at the policy that issued them.
    pub(super) fn takes_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::B2c { tenant, policy, .. }, Self::B2c { tenant: other, policy: of, .. }) => {
                // AADB2C90088: each policy issues grants of its own.
                tenant == other && policy == of
            }
            (Self::Entra(_), Self::Entra(_)) | (Self::Plain, Self::Plain) => true,
            _ => false,
        }
    }
}

/// The issuer of a tenant's tokens.
pub(super) fn token_issuer(server: &Server, tenant: &DevTenant) -> String {
    let id = tenant.id;
    match tenant.kind {
        TenantKind::Workforce | TenantKind::Personal => server.url(&format!("/{id}/v2.0")),
        // The host contains the tenant's GUID, whatever host the request used.
        TenantKind::ExternalId => format!("{}/{id}/v2.0", server.subdomain(id)),
        TenantKind::B2c => server.url(&format!("/{id}/v2.0/")),
    }
}

/// The authority of a single tenant.
pub(super) fn at_home(tenant: &DevTenant) -> Realm {
    match tenant.kind {
        TenantKind::Workforce | TenantKind::ExternalId => Realm::Entra(Audience::Tenant(*tenant)),
        TenantKind::Personal => Realm::Entra(Audience::Consumers),
        TenantKind::B2c => Realm::B2c { tenant: *tenant, policy: Policy::SignIn, tfp: false },
    }
}

/// The resource at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Home,
    Discovery,
    Keys,
    Authorize,
    Interaction,
    Token,
    DeviceAuthorization,
    DevicePage,
    UserInfo,
    EndSession,
    Revoke,
    Introspect,
    Graph,
    /// MSAL's instance discovery: the host names of one cloud.
    InstanceDiscovery,
    /// MSAL's user realm discovery, before it sends a password.
    UserRealm,
    /// The page about an error code.
    ErrorPage,
    Nothing,
}

impl Place {
    /// The endpoint under which requests are counted and failures are ordered.
    pub(super) fn endpoint(self) -> Option<Endpoint> {
        Some(match self {
            Self::Discovery => Endpoint::Discovery,
            Self::Keys => Endpoint::Keys,
            Self::Authorize => Endpoint::Authorization,
            Self::Token => Endpoint::Token,
            Self::DeviceAuthorization => Endpoint::DeviceAuthorization,
            Self::UserInfo => Endpoint::UserInfo,
            Self::EndSession => Endpoint::EndSession,
            Self::Revoke => Endpoint::Revocation,
            Self::Introspect => Endpoint::Introspection,
            Self::Graph => Endpoint::Graph,
            Self::Home | Self::Interaction | Self::DevicePage | Self::Nothing => return None,
            Self::InstanceDiscovery | Self::UserRealm | Self::ErrorPage => return None,
        })
    }

    /// Whether browser-based applications request this resource.
    pub(super) fn is_for_scripts(self) -> bool {
        matches!(
            self,
            Self::Discovery
                | Self::Keys
                | Self::Token
                | Self::DeviceAuthorization
                | Self::UserInfo
                | Self::Revoke
                | Self::Graph
        )
    }
}

/// Determines the authority and the resource of a path.
pub(super) fn route(server: &Server, path: &str) -> (Realm, Place) {
    match (path, &server.entra) {
        ("/", _) => (Realm::Plain, Place::Home),
        (path::INTERACTION, _) => (Realm::Plain, Place::Interaction),
        (path::DEVICE, _) => (Realm::Plain, Place::DevicePage),
        (_, None) => (Realm::Plain, plain(path)),
        (_, Some(entra)) => of_entra(entra, path).unwrap_or((Realm::Plain, Place::Nothing)),
    }
}

fn plain(path: &str) -> Place {
    match path {
        path::DISCOVERY | path::OAUTH_DISCOVERY => Place::Discovery,
        path::KEYS => Place::Keys,
        path::AUTHORIZE => Place::Authorize,
        path::TOKEN => Place::Token,
        path::DEVICE_AUTHORIZATION => Place::DeviceAuthorization,
        path::USER_INFO => Place::UserInfo,
        path::END_SESSION => Place::EndSession,
        path::REVOKE => Place::Revoke,
        path::INTROSPECT => Place::Introspect,
        _ => Place::Nothing,
    }
}

fn of_entra(entra: &EntraTenants, path: &str) -> Option<(Realm, Place)> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    match segments.as_slice() {
        ["graph", "oidc", "userinfo"] => return Some((Realm::Plain, Place::UserInfo)),
        ["graph", ..] => return Some((Realm::Plain, Place::Graph)),
        ["error"] => return Some((Realm::Plain, Place::ErrorPage)),
        // Below `common`, but of the whole host: it would otherwise be read as a path of that
        // authority.
        ["common", "discovery", "instance"] => {
            return Some((Realm::Plain, Place::InstanceDiscovery));
        }
        ["common", "userrealm", _] => {
            return Some((Realm::Entra(Audience::Everyone), Place::UserRealm));
        }
        _ => {}
    }
    // `/tfp` marks the older form of B2C's URLs; the tenant and the policy follow in both.
    let (tfp, segments) = match segments.split_first()? {
        (first, rest) if first.eq_ignore_ascii_case("tfp") => (true, rest),
        _ => (false, segments.as_slice()),
    };
    let (name, rest) = segments.split_first()?;
    let tenant = entra.tenant(name);
    if let Some(tenant) = tenant.filter(|tenant| tenant.kind == TenantKind::B2c) {
        let (policy, rest) = rest.split_first()?;
        let policy = Policy::ALL.into_iter().find(|own| own.name().eq_ignore_ascii_case(policy))?;
        return Some((Realm::B2c { tenant: *tenant, policy, tfp }, place(rest)?));
    }
    let audience = match (name.to_ascii_lowercase().as_str(), tenant) {
        ("common", _) => Audience::Everyone,
        ("organizations", _) => Audience::Organizations,
        ("consumers", _) => Audience::Consumers,
        // The tenant of personal accounts has two names: its GUID and `consumers`.
        (_, Some(tenant)) if tenant.kind == TenantKind::Personal => Audience::Consumers,
        (_, Some(tenant)) => Audience::Tenant(*tenant),
        (_, None) => Audience::Unknown((*name).to_owned()),
    };
    // Only B2C has the form with `/tfp`.
    if tfp { None } else { Some((Realm::Entra(audience), place(rest)?)) }
}

/// The resource below an authority of Entra ID.
fn place(rest: &[&str]) -> Option<Place> {
    Some(match rest {
        ["v2.0", ".well-known", "openid-configuration"]
        | [".well-known", "openid-configuration"] => Place::Discovery,
        ["discovery", "v2.0", "keys"] | ["discovery", "keys"] => Place::Keys,
        ["oauth2", "v2.0", "authorize"] => Place::Authorize,
        ["oauth2", "v2.0", "token"] => Place::Token,
        ["oauth2", "v2.0", "devicecode"] => Place::DeviceAuthorization,
        ["oauth2", "v2.0", "logout"] | ["oauth2", "logout"] => Place::EndSession,
        _ => return None,
    })
}
