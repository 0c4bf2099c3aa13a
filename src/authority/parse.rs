//! [`Authority::parse`]: the authority URLs that documentation and configuration files contain.

use url::Url;

use super::{
    Authority, AuthorityKind, B2cPolicies, Tenant,
    cloud::{Cloud, HostKind, Instance},
    construct::one_tenant,
    is_loopback, tenants,
};
use crate::error::ConfigError;

/// An authority URL and the segments of its path.
pub(super) struct AuthorityUrl {
    /// The URL without its fragment.
    pub(super) url: Url,
    /// The segments of the path. A slash at the end adds no segment.
    pub(super) segments: Vec<String>,
}

impl AuthorityUrl {
    /// Parses a URL that is `https`, or `http` on a loopback host.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let address = Self::parse_any(text)?;
        if address.url.scheme() == "http" && !is_loopback(&address.url) {
            return invalid(format!(
                "{text:?} has to begin with https:// (http:// is accepted for localhost, 127.0.0.1 \
                 and [::1] only)"
            ));
        }
        Ok(address)
    }

    /// Parses a URL that is `https` or `http`. Whether `http` is allowed is then decided by
    /// [`danger_allow_http`](crate::IdentityConfig::danger_allow_http).
    pub(super) fn parse_any(text: &str) -> Result<Self, ConfigError> {
        let Ok(mut url) = Url::parse(text) else {
            return invalid(format!(
                "{text:?} is not a URL such as https://login.microsoftonline.com/{{tenant}}, or \
                 https://id.example.com for another provider"
            ));
        };
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return invalid(format!("{text:?} has to begin with https://"));
        }
        // The URL is not repeated in the error, because it holds the password.
        if !url.username().is_empty() || url.password().is_some() {
            return invalid(format!(
                "the authority URL of {} contains a user name or password: remove it",
                url.host_str().unwrap_or_default()
            ));
        }
        url.set_fragment(None);
        if url.query() == Some("") {
            url.set_query(None);
        }
        let path = url.path().strip_prefix('/').unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<String> =
            if path.is_empty() { Vec::new() } else { path.split('/').map(str::to_owned).collect() };
        // An empty segment in the middle would make the position of the tenant ambiguous.
        if segments.iter().any(String::is_empty) {
            return invalid(format!("{text:?} has two slashes in a row in its path"));
        }
        Ok(Self { url, segments })
    }

    /// The host in lower case, without port.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl Authority {
    /// The authority that a URL names, in the forms that Microsoft's libraries and configuration
    /// files use.
    ///
    /// | URL | authority |
    /// |---|---|
    /// | `https://login.microsoftonline.com/{tenant}`, also in other clouds | Entra ID |
    /// | `https://{name}.ciamlogin.com`, optionally `/{tenant}` | External ID |
    /// | `https://{name}.b2clogin.com/{tenant}/{policy}`, optionally after `/tfp` | B2C |
    /// | `https://{your domain}/{tenant}/B2C_1…` | B2C under a custom domain |
    /// | `https://{host}/adfs` | AD FS |
    /// | `http://localhost:…` in one of these forms | the same, in a cloud of its own |
    /// | any other | a generic provider: [`oidc`](Self::oidc) |
    ///
    /// For Microsoft's authorities `/v2.0`, the path of the discovery document and a slash at the
    /// end make no difference. A query is kept and sent with the request for the discovery
    /// document. External ID under a custom domain looks like a generic provider and has [a
    /// constructor of its own](Self::external_id_custom_domain).
    ///
    /// # Errors
    ///
    /// The URL has none of these forms; the error states the form that was expected.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let address = AuthorityUrl::parse_any(url)?;
        // `http` beyond loopback is for generic providers only: the rules of Microsoft's
        // authorities rest on the host, which only TLS proves.
        if Cloud::of(address.host()).is_some() || !matches!(shape(&address), UrlShape::Other) {
            AuthorityUrl::parse(url)?;
        }
        let (cloud, kind) = match Cloud::of(address.host()) {
            // Microsoft's host decides before the path: no path turns its rules off.
            Some((cloud, kind)) => (Some(cloud), kind),
            None => {
                return match shape(&address) {
                    UrlShape::B2c => Self::parse_b2c(
                        &address,
                        if is_loopback(&address.url) { None } else { Cloud::public() },
                    ),
                    UrlShape::Adfs => Self::adfs(&address.url.origin().ascii_serialization()),
                    UrlShape::Entra => Self::entra_at(&address, None),
                    UrlShape::Other => Self::oidc(url),
                };
            }
        };
        match kind {
            HostKind::Login => Self::entra_at(&address, cloud),
            HostKind::B2c(_) => Self::parse_b2c(&address, cloud),
            HostKind::ExternalId(name) => Self::parse_external_id(&address, name, cloud),
        }
    }

    /// The authority of a tenant that is configured apart from its instance, as in the `AzureAd`
    /// section of ASP.NET Core's configuration.
    ///
    /// # Errors
    ///
    /// The instance has a path, is a B2C instance, or is on a host that is not Microsoft's.
    pub(crate) fn at_instance(instance: &str, tenant: &str) -> Result<Self, ConfigError> {
        let address = AuthorityUrl::parse(instance)?;
        if !address.segments.is_empty() {
            return invalid(format!(
                "the instance {instance:?} has a path: expected only the part before the tenant, \
                 such as https://login.microsoftonline.com/"
            ));
        }
        match Cloud::of(address.host()) {
            Some((_, HostKind::B2c(_))) => invalid(format!(
                "the instance {instance:?} is B2C, which needs a policy besides the tenant \
                 {tenant:?}"
            )),
            None if !is_loopback(&address.url) => invalid(format!(
                "the instance {instance:?} is not a Microsoft host: configure the whole authority \
                 in place of instance and tenant"
            )),
            Some((_, HostKind::ExternalId(_))) => {
                Self::parse(&format!("{}/{tenant}", address.url.origin().ascii_serialization()))
            }
            _ => {
                Self::entra_url(&format!("{}/{tenant}", address.url.origin().ascii_serialization()))
            }
        }
    }

    /// The B2C authority of a tenant and policies that are configured apart from their instance.
    ///
    /// # Errors
    ///
    /// The instance has a path other than `/tfp`, or is a Microsoft host that is not one of B2C; or
    /// tenant or policies are not valid.
    pub(crate) fn b2c_at_instance(
        instance: &str,
        tenant: &str,
        policies: B2cPolicies,
    ) -> Result<Self, ConfigError> {
        let address = AuthorityUrl::parse(instance)?;
        if !matches!(address.segments.as_slice(), [] | [_])
            || address.segments.first().is_some_and(|first| !first.eq_ignore_ascii_case("tfp"))
        {
            return invalid(format!(
                "the instance {instance:?} has a path: expected only the part before the tenant, \
                 such as https://{{name}}.b2clogin.com/"
            ));
        }
        let cloud = match Cloud::of(address.host()) {
            Some((cloud, HostKind::B2c(_))) => Some(cloud),
            Some(_) => {
                return invalid(format!(
                    "the instance {instance:?} is not one of B2C: expected \
                     https://{{name}}.b2clogin.com/ or a custom domain"
                ));
            }
            None if is_loopback(&address.url) => None,
            None => Cloud::public(),
        };
        Self::b2c_at(Instance::of(&address.url, cloud), one_tenant(tenant)?, policies, None)
    }

    /// Parses the path `[/tfp]/{tenant}/{policy}[/v2.0…]` of a B2C authority.
    fn parse_b2c(
        address: &AuthorityUrl,
        cloud: Option<&'static Cloud>,
    ) -> Result<Self, ConfigError> {
        let segments: Vec<&str> = address.segments.iter().map(String::as_str).collect();
        let without_tfp = match segments.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case("tfp") => rest,
            _ => &segments,
        };
        match without_tfp {
            [tenant, policy, rest @ ..] if is_document(rest) => Self::b2c_at(
                Instance::of(&address.url, cloud),
                one_tenant(tenant)?,
                B2cPolicies::new(*policy),
                address.url.query(),
            ),
            _ => invalid(format!(
                "{:?} is not a B2C authority: expected \
                 https://{{name}}.b2clogin.com/{{name}}.onmicrosoft.com/{{policy}}",
                address.url.as_str()
            )),
        }
    }

    /// Parses the path `[/{tenant}][/v2.0…]` of an External ID authority. Without a tenant the name
    /// in the host determines it.
    fn parse_external_id(
        address: &AuthorityUrl,
        name: &str,
        cloud: Option<&'static Cloud>,
    ) -> Result<Self, ConfigError> {
        let segments: Vec<&str> = address.segments.iter().map(String::as_str).collect();
        let tenant = match segments.as_slice() {
            // The host of External ID names its tenant, by GUID or by the name before
            // `.onmicrosoft.com`.
            rest if is_document(rest) && tenants::is_guid(name) => one_tenant(name)?,
            rest if is_document(rest) => one_tenant(&format!("{name}.onmicrosoft.com"))?,
            [tenant, rest @ ..] if is_document(rest) => one_tenant(tenant)?,
            _ => {
                return invalid(format!(
                    "{:?} is not an External ID authority: expected \
                     https://{{name}}.ciamlogin.com or https://{{name}}.ciamlogin.com/{{tenant}}",
                    address.url.as_str()
                ));
            }
        };
        let instance = Instance::of(&address.url, cloud);
        Self::at(
            AuthorityKind::ExternalId { instance, tenant, custom_domain: false },
            address.url.query(),
        )
    }
}

/// The form of a URL on a host that is not Microsoft's.
enum UrlShape {
    Entra,
    B2c,
    Adfs,
    Other,
}

fn shape(address: &AuthorityUrl) -> UrlShape {
    let segments: Vec<&str> = address.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        // A custom domain of B2C is recognised by its policy: user flows and custom policies begin
        // with `B2C_`.
        [tfp, _, policy, ..] if tfp.eq_ignore_ascii_case("tfp") && is_b2c_policy(policy) => {
            UrlShape::B2c
        }
        [_, policy, ..] if is_b2c_policy(policy) => UrlShape::B2c,
        [adfs, rest @ ..] if adfs.eq_ignore_ascii_case("adfs") && is_document(rest) => {
            UrlShape::Adfs
        }
        // Loopback hosts only: elsewhere such a path is that of a generic provider, since only
        // Microsoft's hosts may have an issuer with a tenant placeholder.
        [tenant, rest @ ..] if is_loopback(&address.url) && is_document(rest) => {
            match Tenant::parse(tenant) {
                // `http://localhost:8080/realms` is a generic provider; a domain name counts as a
                // tenant only together with the version.
                Some(Tenant::Domain(_)) if rest.first() != Some(&"v2.0") => UrlShape::Other,
                Some(_) => UrlShape::Entra,
                None => UrlShape::Other,
            }
        }
        _ => UrlShape::Other,
    }
}

/// Whether the segments after the tenant or policy are only a version and the well-known path.
fn is_document(rest: &[&str]) -> bool {
    matches!(
        rest,
        [] | ["v2.0"]
            | ["v2.0", ".well-known", "openid-configuration"]
            | [".well-known", "openid-configuration"]
    )
}

/// Whether it is the name of a B2C policy, by the prefix of user flows (`B2C_1_…`) and custom
/// policies (`B2C_1A_…`).
pub(super) fn is_b2c_policy(segment: &str) -> bool {
    segment.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("b2c_"))
        && tenants::is_name(segment)
}

/// The error of all constructors of [`Authority`].
pub(super) fn invalid<T>(problem: String) -> Result<T, ConfigError> {
    Err(ConfigError::new("authority", problem))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
