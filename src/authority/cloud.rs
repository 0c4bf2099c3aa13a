//! Microsoft's clouds: which hosts belong together.
//!
//! The table is compiled in, because instance discovery would ask a server that is not trusted yet.
//! It holds the hosts of MSAL's instance metadata (MSAL Python 1.39, `authority.py`; MSAL for Java,
//! `KnownMetadataProvider`).

use url::Url;

/// One of Microsoft's clouds. A token, key or endpoint of one cloud is never accepted in another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cloud {
    /// For error messages.
    pub(super) name: &'static str,
    /// The login hosts. The first issues the v2.0 tokens; the others are aliases of it.
    login_hosts: &'static [&'static str],
    /// The issuer of v1.0 tokens, without the tenant.
    pub(super) v1_issuer: Option<&'static str>,
    /// The parent domains of the hosts of B2C and External ID tenants.
    tenant_domains: &'static [&'static str],
    /// The hosts of Microsoft Graph; the first is the default.
    pub(super) graph_hosts: &'static [&'static str],
    /// The values of `cloud_instance_name` in the keys and discovery documents of the cloud.
    pub(super) instance_names: &'static [&'static str],
    /// The audience of tokens that stand for a federated credential (workload identity federation);
    /// `None` if that of the public cloud is used.
    exchange_audience: Option<&'static str>,
}

/// The audience of federated credentials in the public cloud.
const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// The audience of a token that stands for a federated credential at this endpoint of Entra ID.
pub(crate) fn token_exchange_audience(endpoint: &str) -> &'static str {
    let url = Url::parse(endpoint).ok();
    let cloud = url.as_ref().and_then(Url::host_str).and_then(Cloud::of);
    cloud.and_then(|(cloud, _)| cloud.exchange_audience).unwrap_or(EXCHANGE_AUDIENCE)
}

/// Whether it is a host of Microsoft Graph, in any letter case.
pub(crate) fn is_graph_host(host: &str) -> bool {
    let mut hosts = CLOUDS.iter().flat_map(|cloud| cloud.graph_hosts);
    hosts.any(|graph| host.eq_ignore_ascii_case(graph))
}

const CLOUDS: &[Cloud] = &[
    Cloud {
        name: "the public cloud",
        v1_issuer: Some("https://sts.windows.net"),
        login_hosts: &[
            "login.microsoftonline.com",
            "login.microsoft.com",
            "login.windows.net",
            "sts.windows.net",
        ],
        tenant_domains: &["ciamlogin.com", "b2clogin.com"],
        graph_hosts: &["graph.microsoft.com"],
        instance_names: &["microsoftonline.com", "ciamlogin.com"],
        exchange_audience: None,
    },
    Cloud {
        name: "the US government cloud",
        v1_issuer: Some("https://sts.windows.net"),
        login_hosts: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        tenant_domains: &["b2clogin.us"],
        graph_hosts: &["graph.microsoft.us", "dod-graph.microsoft.us"],
        instance_names: &["microsoftonline.us"],
        exchange_audience: Some("api://AzureADTokenExchangeUSGov"),
    },
    // MSAL lists this older host of the US government as an environment of its own.
    Cloud {
        name: "the older US government host",
        v1_issuer: Some("https://sts.windows.net"),
        login_hosts: &["login-us.microsoftonline.com"],
        tenant_domains: &[],
        graph_hosts: &["graph.microsoft.us"],
        instance_names: &["microsoftonline.us"],
        exchange_audience: Some("api://AzureADTokenExchangeUSGov"),
    },
    Cloud {
        name: "the cloud in China",
        v1_issuer: Some("https://sts.chinacloudapi.cn"),
        login_hosts: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        tenant_domains: &["b2clogin.cn"],
        graph_hosts: &["microsoftgraph.chinacloudapi.cn"],
        instance_names: &["partner.microsoftonline.cn", "microsoftonline.cn", "chinacloudapi.cn"],
        exchange_audience: Some("api://AzureADTokenExchangeChina"),
    },
    Cloud {
        name: "the legacy cloud in Germany",
        v1_issuer: Some("https://sts.microsoftonline.de"),
        login_hosts: &["login.microsoftonline.de"],
        tenant_domains: &["b2clogin.de"],
        graph_hosts: &["graph.microsoft.de"],
        instance_names: &["microsoftonline.de"],
        exchange_audience: None,
    },
    Cloud {
        name: "the sovereign cloud in France",
        v1_issuer: None,
        login_hosts: &["login.sovcloud-identity.fr"],
        tenant_domains: &[],
        graph_hosts: &["graph.svc.sovcloud.fr"],
        instance_names: &["sovcloud-identity.fr"],
        exchange_audience: None,
    },
    Cloud {
        name: "the sovereign cloud in Germany",
        v1_issuer: None,
        login_hosts: &["login.sovcloud-identity.de"],
        tenant_domains: &[],
        graph_hosts: &["graph.svc.sovcloud.de"],
        instance_names: &["sovcloud-identity.de"],
        exchange_audience: None,
    },
    Cloud {
        name: "the sovereign cloud in Singapore",
        v1_issuer: None,
        login_hosts: &["login.sovcloud-identity.sg"],
        tenant_domains: &[],
        graph_hosts: &["graph.svc.sovcloud.sg"],
        instance_names: &["sovcloud-identity.sg"],
        exchange_audience: None,
    },
];

/// The purpose of a Microsoft host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostKind<'a> {
    /// A login host for every tenant, or its regional form.
    Login,
    /// The host of one B2C tenant, with the tenant's name.
    B2c(&'a str),
    /// The host of one External ID tenant, with the tenant's name or GUID.
    ExternalId(&'a str),
}

impl Cloud {
    /// The public cloud, which is the only one with custom domains.
    pub(super) fn public() -> Option<&'static Self> {
        CLOUDS.first()
    }

    /// The cloud of a host (in lower case) and the purpose of the host; `None` if it is not
    /// Microsoft's.
    pub(super) fn of(host: &str) -> Option<(&'static Self, HostKind<'_>)> {
        CLOUDS.iter().find_map(|cloud| Some((cloud, cloud.kind_of(host)?)))
    }

    fn kind_of<'a>(&self, host: &'a str) -> Option<HostKind<'a>> {
        if self.is_login_host(host) {
            return Some(HostKind::Login);
        }
        let (name, parent) = host.split_once('.')?;
        // The whole parent domain is compared, so that `evilb2clogin.com` is no host of B2C.
        if name.is_empty() || !self.tenant_domains.contains(&parent) {
            return None;
        }
        // Both products have one host for each tenant, and different issuers.
        Some(if parent.starts_with("ciam") {
            HostKind::ExternalId(name)
        } else {
            HostKind::B2c(name)
        })
    }

    /// Whether it is a login host or its regional form, such as `westus2.login.microsoft.com`.
    pub(super) fn is_login_host(&self, host: &str) -> bool {
        self.login_hosts.contains(&host)
            || host
                .split_once('.')
                // The same service in one region: MSAL sends token requests there (`azure_region`).
                .is_some_and(|(region, rest)| self.login_hosts.contains(&rest) && is_region(region))
    }

    /// The host in the issuer of v2.0 tokens, which does not depend on the alias that was
    /// requested.
    pub(super) fn issuer_host(&self) -> &'static str {
        self.login_hosts.first().copied().unwrap_or_default()
    }
}

/// Whether it can be the name of a region: one label of a host name that begins with a letter and
/// does not end with a hyphen.
fn is_region(label: &str) -> bool {
    label.len() <= 63
        && label.starts_with(|first: char| first.is_ascii_lowercase())
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The origin of a Microsoft authority, and the cloud that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    /// `https://host`, with the port if it is not the default one.
    pub(super) origin: String,
    /// The cloud; `None` if the host is a cloud of its own: a loopback host, or a host that
    /// [`entra_unlisted_cloud`](super::Authority::entra_unlisted_cloud) was called with.
    pub(super) cloud: Option<&'static Cloud>,
}

impl Instance {
    /// The instance at the origin of a URL.
    pub(super) fn of(url: &Url, cloud: Option<&'static Cloud>) -> Self {
        Self { origin: url.origin().ascii_serialization(), cloud }
    }

    /// For a loopback host: the scheme with `://`, and `:port` or an empty text for the default
    /// port.
    pub(super) fn loopback(&self) -> Option<(&str, &str)> {
        let url = Url::parse(&self.origin).ok().filter(super::is_loopback)?;
        let (scheme, rest) = self.origin.split_at_checked(url.scheme().len() + "://".len())?;
        Some((scheme, rest.strip_prefix(url.host_str()?)?))
    }

    /// The host without its port.
    pub(super) fn host(&self) -> &str {
        let (_, authority) = self.origin.split_once("://").unwrap_or_default();
        match authority.rsplit_once(':') {
            // In `[::1]` the last colon belongs to the address.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_federated_credential_has_the_audience_of_its_cloud() {
        for (endpoint, audience) in [
            ("https://login.microsoftonline.com/t/oauth2/v2.0/token", "api://AzureADTokenExchange"),
            ("https://westus2.login.microsoft.com/t", "api://AzureADTokenExchange"),
            ("https://login.microsoftonline.us/t", "api://AzureADTokenExchangeUSGov"),
            ("https://login.chinacloudapi.cn/t", "api://AzureADTokenExchangeChina"),
            ("https://id.example/token", "api://AzureADTokenExchange"),
            ("not a URL", "api://AzureADTokenExchange"),
        ] {
            assert_eq!(token_exchange_audience(endpoint), audience, "{endpoint}");
        }
    }

    fn same_cloud(a: &str, b: &str) -> bool {
        matches!((Cloud::of(a), Cloud::of(b)), (Some((a, _)), Some((b, _))) if a == b)
    }

    // MSAL-007: Sovereign host with no entry in alias metadata (`login.sovcloud-identity.fr`);
    //   accounts are listed
    // MSAL-137: Region value with dot, slash, colon, upper case, leading hyphen or digit, trailing
    //   hyphen, more than 63 chars; client built
    #[test]
    fn a_region_is_one_plain_label_before_a_login_host() {
        for region in ["westus2", "eastus2euap", "a", "us-gov-1"] {
            assert!(
                same_cloud(&format!("{region}.login.microsoft.com"), "login.microsoftonline.com"),
                "{region}"
            );
        }
        for region in
            ["", "-a", "a-", "2a", "West", "a.b", "a_b", "a/b", "a:b", "é", &"a".repeat(64)]
        {
            assert_eq!(Cloud::of(&format!("{region}.login.microsoft.com")), None, "{region}");
        }
        assert_eq!(Cloud::of("westus2.contoso.ciamlogin.com"), None);
        assert!(Cloud::of("login.sovcloud-identity.fr").is_some());
    }

    // MSAL-001: Authority `https://login.microsoftonline.com/common` (well-known host); the client
    //   starts
    /// `WELL_KNOWN_AUTHORITY_HOSTS` and `WELL_KNOWN_B2C_HOSTS` of MSAL Python 1.39.
    #[test]
    fn every_host_that_msal_lists_is_known() {
        for host in [
            "login.microsoftonline.com",
            "login.microsoft.com",
            "login.windows.net",
            "sts.windows.net",
            "login.chinacloudapi.cn",
            "login.partner.microsoftonline.cn",
            "login.microsoftonline.de",
            "login-us.microsoftonline.com",
            "login.microsoftonline.us",
            "login.usgovcloudapi.net",
            "login.sovcloud-identity.fr",
            "login.sovcloud-identity.de",
            "login.sovcloud-identity.sg",
        ] {
            assert!(matches!(Cloud::of(host), Some((_, HostKind::Login))), "{host}");
        }
        for parent in ["b2clogin.com", "b2clogin.cn", "b2clogin.us", "b2clogin.de"] {
            assert!(
                matches!(
                    Cloud::of(&format!("contoso.{parent}")),
                    Some((_, HostKind::B2c("contoso")))
                ),
                "{parent}"
            );
        }
        assert!(matches!(
            Cloud::of("contoso.ciamlogin.com"),
            Some((_, HostKind::ExternalId("contoso")))
        ));
    }

    #[test]
    fn no_host_is_in_two_clouds() {
        let hosts: Vec<&str> = CLOUDS
            .iter()
            .flat_map(|cloud| cloud.login_hosts.iter().chain(cloud.tenant_domains))
            .copied()
            .collect();
        for (index, host) in hosts.iter().enumerate() {
            assert!(!hosts[index + 1..].contains(host), "{host}");
        }
    }

    #[test]
    fn a_suffix_needs_the_dot() {
        for host in [
            "fakeciamlogin.com",
            "b2clogin.com.evil.com",
            "evilb2clogin.com",
            "ciamlogin.com",
            "xlogin.microsoftonline.com",
            "login.microsoftonline.com.evil.com",
        ] {
            assert_eq!(Cloud::of(host), None, "{host}");
        }
    }

    #[test]
    fn the_host_of_an_instance_has_no_port() {
        for (url, host) in [
            ("https://a.example", "a.example"),
            ("http://localhost:8080", "localhost"),
            ("http://[::1]:8080", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(Instance::of(&Url::parse(url).unwrap(), None).host(), host);
        }
    }
}
