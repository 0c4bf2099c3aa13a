//! Which hosts something may be sent to.

use url::Url;

use super::{
    Authority, Kind,
    cloud::{Cloud, HostKind, Instance},
    is_loopback, tenants,
};
use crate::error::{Error, ErrorKind};

impl Authority {
    /// Whether something may be sent to this endpoint of the discovery document: codes, credentials and tokens go there.
    ///
    /// `name` is the document's member, for example `token_endpoint`. For Microsoft's authorities the host has to be the
    /// authority's own or of the same cloud, so that no document
    /// sends a secret into another cloud or to a stranger; elsewhere `https` is enough.
    pub(crate) fn check_endpoint(&self, name: &'static str, url: &Url) -> Result<(), Error> {
        let loopback = is_loopback(&self.metadata_url);
        let problem = if url.scheme() != "https" && !(url.scheme() == "http" && loopback && is_loopback(url)) {
            "is not https"
        } else if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            "has credentials or a fragment in it"
        } else if !self.is_home(name, url) {
            "is on a host that does not belong to the authority"
        } else {
            return Ok(());
        };
        // Without the query: it is somebody else's text.
        let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
        Err(Error::new(ErrorKind::ProviderMisconfigured, format!("{name} of {self} {problem}: {place:?}")))
    }

    /// Whether the endpoint is where this authority's endpoints are.
    fn is_home(&self, name: &str, url: &Url) -> bool {
        let Some((instance, _)) = self.microsoft() else { return true };
        let host = url.host_str().unwrap_or_default();
        if url.origin().ascii_serialization() == instance.origin {
            return true;
        }
        let Some(cloud) = instance.cloud else { return false };
        // Names in the table mean the usual port.
        if url.port().is_some() {
            return false;
        }
        let graph = name == "userinfo_endpoint" && cloud.graph_hosts.contains(&host);
        let tenant_host = match Cloud::of(host) {
            Some((other, HostKind::ExternalId(name))) => {
                other == cloud && matches!(self.kind, Kind::ExternalId { .. }) && tenants::is_guid(name)
            }
            _ => false,
        };
        graph || tenant_host || cloud.is_login_host(host)
    }

    /// Where Microsoft Graph is for people of this authority, without a slash at the end; `None` if there is none.
    ///
    /// `msgraph_host` is the discovery document's member: it chooses among the hosts of the cloud (the US government has two),
    /// and cannot name another. On a loopback host it is below `/graph`; where it is in a cloud that the crate does not know, nobody said.
    pub(crate) fn graph(&self, msgraph_host: Option<&str>) -> Option<String> {
        let (Kind::Entra { instance, .. } | Kind::ExternalId { instance, .. }) = &self.kind else { return None };
        let Instance { origin, cloud } = instance;
        if is_loopback(&self.metadata_url) {
            return Some(format!("{origin}/graph"));
        }
        let cloud = (*cloud)?;
        let told = cloud.graph_hosts.iter().find(|host| Some(**host) == msgraph_host);
        told.or(cloud.graph_hosts.first()).map(|host| format!("https://{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::B2cPolicies;

    fn check(authority: &str, name: &'static str, endpoint: &str) -> Result<(), String> {
        Authority::parse(authority)
            .unwrap()
            .check_endpoint(name, &Url::parse(endpoint).unwrap())
            .map_err(|error| error.to_string())
    }

    /// MSAL-019, C-208
    #[test]
    fn nothing_is_sent_to_a_strangers_host_or_into_another_cloud() {
        let public = "https://login.microsoftonline.com/common";
        for (authority, endpoint) in [
            (public, "https://attacker.example.com/token"),
            (public, "https://login.microsoftonline.us/common/oauth2/v2.0/token"),
            (public, "https://login.microsoftonline.com:8443/common/oauth2/v2.0/token"),
            (public, "https://contoso.ciamlogin.com/x/token"),
            (public, "https://contoso.b2clogin.com/x/token"),
            (public, "https://graph.microsoft.com/oidc/userinfo"),
            (public, "http://login.microsoftonline.com/common/oauth2/v2.0/token"),
            (public, "https://login.microsoftonline.com@attacker.example.com/token"),
            ("https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_x", "https://fabrikam.b2clogin.com/x/token"),
            ("https://contoso.ciamlogin.com", "https://fabrikam.ciamlogin.com/x/token"),
            ("http://127.0.0.1:9/common", "http://127.0.0.1:8/token"),
            ("http://127.0.0.1:9/common", "https://login.microsoftonline.com/common/oauth2/v2.0/token"),
            ("https://op.example.com", "http://op.example.com/token"),
            ("https://op.example.com", "http://localhost/token"),
            ("https://op.example.com", "https://op.example.com/token#x"),
        ] {
            let problem = check(authority, "token_endpoint", endpoint).unwrap_err();
            assert!(problem.contains("token_endpoint"), "{problem}");
        }
        let problem = check(public, "token_endpoint", "https://attacker.example.com/token?client_secret=hush").unwrap_err();
        assert!(problem.contains("https://attacker.example.com/token") && !problem.contains("hush"), "{problem}");
    }

    #[test]
    fn the_authoritys_own_hosts_are_home() {
        for (authority, name, endpoint) in [
            (
                "https://login.microsoftonline.com/common",
                "token_endpoint",
                "https://westus2.login.microsoft.com/common/oauth2/v2.0/token",
            ),
            ("https://login.microsoftonline.com/common", "userinfo_endpoint", "https://graph.microsoft.com/oidc/userinfo"),
            ("https://login.microsoftonline.us/common", "userinfo_endpoint", "https://dod-graph.microsoft.us/oidc/userinfo"),
            (
                "https://contoso.ciamlogin.com",
                "token_endpoint",
                "https://f645ad92-e38d-4d1a-b510-d1b09a74a8ca.ciamlogin.com/x/token",
            ),
            (
                "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_x",
                "jwks_uri",
                "https://contoso.b2clogin.com/x/keys?p=b2c_1_x",
            ),
            ("http://127.0.0.1:9/common", "token_endpoint", "http://127.0.0.1:9/token"),
            ("http://127.0.0.1:9", "token_endpoint", "http://localhost:8/token"),
            ("https://op.example.com", "jwks_uri", "https://keys.example.net/"),
            ("https://sts.contoso.com/adfs", "token_endpoint", "https://sts.contoso.com/adfs/oauth2/token"),
        ] {
            assert_eq!(check(authority, name, endpoint), Ok(()), "{authority} {endpoint}");
        }
        let custom = Authority::external_id_custom_domain("login.contoso.com", "contoso.onmicrosoft.com").unwrap();
        assert!(custom.check_endpoint("token_endpoint", &Url::parse("https://login.contoso.com/x/token").unwrap()).is_ok());
        assert!(custom.check_endpoint("token_endpoint", &Url::parse("https://login.fabrikam.com/x/token").unwrap()).is_err());
    }

    /// C-408
    #[test]
    fn graph_is_in_the_authoritys_cloud() {
        let graph = |url: &str, told: Option<&str>| Authority::parse(url).unwrap().graph(told);
        assert_eq!(graph("https://login.microsoftonline.com/common", None).as_deref(), Some("https://graph.microsoft.com"));
        assert_eq!(
            graph("https://login.microsoftonline.com/common", Some("evil.example.com")).as_deref(),
            Some("https://graph.microsoft.com")
        );
        assert_eq!(
            graph("https://login.microsoftonline.us/common", Some("dod-graph.microsoft.us")).as_deref(),
            Some("https://dod-graph.microsoft.us")
        );
        assert_eq!(graph("https://login.sovcloud-identity.fr/common", None).as_deref(), Some("https://graph.svc.sovcloud.fr"));
        assert_eq!(graph("http://localhost:9/common", None).as_deref(), Some("http://localhost:9/graph"));
        let unlisted = Authority::entra_unlisted_cloud("https://login.private.example/common").unwrap();
        assert_eq!(unlisted.graph(Some("graph.private.example")), None);
        assert_eq!(graph("https://op.example.com", None), None);
        assert_eq!(Authority::b2c("contoso", B2cPolicies::new("B2C_1_x")).unwrap().graph(None), None);
    }
}
