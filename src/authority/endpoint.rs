//! The endpoints of an authority: which hosts they may be on, sign-out, Microsoft Graph.

use url::Url;

use super::{
    Authority, AuthorityKind, BEHIND_A_PROXY,
    cloud::{Cloud, HostKind, Instance},
    is_loopback, tenants,
};
use crate::error::{Error, ErrorKind};

impl Authority {
    /// Checks that requests may be sent to an endpoint of the discovery document. They carry codes,
    /// credentials and tokens.
    ///
    /// `name` is the member of the document, for example `token_endpoint`. Every endpoint needs
    /// `https`. Those of a Microsoft authority must also be on the authority's own host or on one
    /// of the same cloud, so that no document can direct a secret to another cloud or to a foreign
    /// host (D18).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`], with the endpoint's URL but without its query.
    pub(crate) fn check_endpoint(&self, name: &'static str, url: &Url) -> Result<(), Error> {
        let is_http = url.scheme() == "http" && !self.allows_http(url);
        // No setting allows `http` to a provider that has TLS.
        let is_downgraded = is_http && self.metadata_url.scheme() == "https";
        let problem = if is_downgraded {
            "is not https"
        } else if is_http || !matches!(url.scheme(), "http" | "https") {
            "is not https (in a private network that you trust: `danger_allow_http`, \
             IDENTITY_DANGER_ALLOW_HTTP)"
        } else if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some()
        {
            "contains credentials or a fragment"
        } else if !self.is_own_host(name, url) {
            "is on a host that does not belong to the authority"
        } else {
            return Ok(());
        };
        // The query is left out: it is text of the provider and could hold a secret.
        let origin = url.origin();
        let start = match origin.is_tuple() {
            true => origin.ascii_serialization(),
            // The opaque origin of `javascript:` and the like is `null` (WHATWG URL section 4.7).
            false => format!("{}:", url.scheme()),
        };
        let location = format!("{start}{}", url.path());
        let error = Error::new(
            ErrorKind::ProviderMisconfigured,
            format!("{name} of {self} {problem}: {location:?}"),
        );
        Err(if is_downgraded { error.with_remedy(BEHIND_A_PROXY) } else { error })
    }

    /// Whether requests to the endpoint may go without TLS.
    fn allows_http(&self, url: &Url) -> bool {
        let is_back = self.back_channel().is_some_and(|back| back.origin() == url.origin());
        // A provider with TLS cannot downgrade its endpoints: `http` on loopback needs a loopback
        // authority, `http` elsewhere needs the setting and an `http` authority. The configured
        // back channel takes the place of the authority in both.
        (is_loopback(url) && (is_loopback(&self.metadata_url) || is_back))
            || (self.route.danger_http && (self.is_remote_http() || is_back))
    }

    /// Whether the endpoint is on a host of this authority. `name` is the document's member.
    fn is_own_host(&self, name: &str, url: &Url) -> bool {
        // OpenID Connect Discovery does not tie the endpoints of a provider to its host.
        let Some((instance, _)) = self.microsoft() else { return true };
        let host = url.host_str().unwrap_or_default();
        if url.origin().ascii_serialization() == instance.origin {
            return true;
        }
        let Some(cloud) = instance.cloud else { return false };
        // The hosts of the table are meant with the default port.
        if url.port().is_some() {
            return false;
        }
        // Entra ID's UserInfo endpoint is on Microsoft Graph, the others are on login hosts.
        let graph = name == "userinfo_endpoint" && cloud.graph_hosts.contains(&host);
        // The documents of External ID use `{GUID}.ciamlogin.com` whatever host was requested.
        let tenant_host = match Cloud::of(host) {
            Some((other, HostKind::ExternalId(name))) => {
                other == cloud
                    && matches!(self.kind, AuthorityKind::ExternalId { .. })
                    && tenants::is_guid(name)
            }
            _ => false,
        };
        graph || tenant_host || cloud.is_login_host(host)
    }

    /// The endpoint that ends the session at the provider, and the name of its return parameter if
    /// that is not `post_logout_redirect_uri`.
    ///
    /// `named` is the `end_session_endpoint` of the discovery document (RP-Initiated Logout 1.0
    /// section 2.1).
    pub(crate) fn sign_out_endpoint(
        &self,
        named: Option<Url>,
    ) -> (Option<Url>, Option<&'static str>) {
        let host = self.metadata_url.host_str().unwrap_or_default();
        let is_cognito = host.starts_with("cognito-idp.")
            && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"));
        match named {
            // Amazon Cognito answers 400 to `post_logout_redirect_uri`; its parameter is
            // `logout_uri`.
            Some(named) => (Some(self.for_browsers(named)), is_cognito.then_some("logout_uri")),
            // Older Auth0 tenants have no `end_session_endpoint`, only this proprietary one.
            None if host.ends_with(".auth0.com") => {
                (self.metadata_url.join("/v2/logout").ok(), Some("returnTo"))
            }
            None => (None, None),
        }
    }

    /// Whether the endpoint that ends the session refuses `id_token_hint`, which RP-Initiated
    /// Logout 1.0 section 2 recommends: Login.gov shows an error page where it is sent
    /// (<https://developers.login.gov/oidc/logout/>). `client_id` says enough there.
    pub(crate) fn refuses_id_token_hint(&self) -> bool {
        let host = self.metadata_url.host_str().unwrap_or_default();
        host == "secure.login.gov" || host.ends_with(".identitysandbox.gov")
    }

    /// The origin of Microsoft Graph for users of this authority, without a slash at the end;
    /// `None` if there is none.
    ///
    /// `msgraph_host` is the member of the discovery document. It can choose among the hosts of the
    /// cloud (the US government has two) and cannot name any other. For a loopback authority Graph
    /// is at `/graph` below it. In a cloud that the crate does not know there is no trusted host
    /// for it.
    pub(crate) fn graph(&self, msgraph_host: Option<&str>) -> Option<String> {
        let (AuthorityKind::Entra { instance, .. } | AuthorityKind::ExternalId { instance, .. }) =
            &self.kind
        else {
            return None;
        };
        let Instance { origin, cloud } = instance;
        if is_loopback(&self.metadata_url) {
            return Some(format!("{origin}/graph"));
        }
        let cloud = (*cloud)?;
        let named = cloud.graph_hosts.iter().find(|host| Some(**host) == msgraph_host);
        named.or(cloud.graph_hosts.first()).map(|host| format!("https://{host}"))
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

    /// At a provider with TLS no setting allows an endpoint without.
    #[test]
    fn the_remedy_for_an_endpoint_without_tls_is_the_one_that_helps() {
        let endpoint = "http://op.example.com/x";
        let refused = check("https://op.example.com", "token_endpoint", endpoint).unwrap_err();
        assert!(refused.contains("X-Forwarded-Proto"), "{refused}");
        assert!(!refused.contains("IDENTITY_DANGER_ALLOW_HTTP"), "{refused}");
        let refused = check("http://op.example.com", "token_endpoint", endpoint).unwrap_err();
        assert!(refused.contains("IDENTITY_DANGER_ALLOW_HTTP"), "{refused}");
    }

    #[test]
    fn an_address_that_is_refused_is_shown_with_its_scheme() {
        for endpoint in ["javascript:alert(1)", "http://op.example.com/x", "custom://host/x"] {
            let refused = check("https://op.example.com", "token_endpoint", endpoint).unwrap_err();
            let scheme = endpoint.split_once(':').unwrap().0;
            assert!(refused.contains(&format!("\"{scheme}:")), "{refused}");
        }
    }

    // MSAL-019: Public-cloud authority; document's token, authorization or device endpoint is in
    //   another cloud or on an attacker host; the client starts
    // C-208: jwks_uri is http or on an unexpected host for a Microsoft authority
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
            (
                "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_x",
                "https://fabrikam.b2clogin.com/x/token",
            ),
            ("https://contoso.ciamlogin.com", "https://fabrikam.ciamlogin.com/x/token"),
            ("http://127.0.0.1:9/common", "http://127.0.0.1:8/token"),
            (
                "http://127.0.0.1:9/common",
                "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            ),
            ("https://op.example.com", "http://op.example.com/token"),
            ("https://op.example.com", "http://localhost/token"),
            ("https://op.example.com", "https://op.example.com/token#x"),
        ] {
            let problem = check(authority, "token_endpoint", endpoint).unwrap_err();
            assert!(problem.contains("token_endpoint"), "{problem}");
        }
        let problem = check(
            public,
            "token_endpoint",
            "https://attacker.example.com/token?client_secret=hush",
        )
        .unwrap_err();
        assert!(
            problem.contains("https://attacker.example.com/token") && !problem.contains("hush"),
            "{problem}"
        );
    }

    #[test]
    fn the_authoritys_own_hosts_are_home() {
        for (authority, name, endpoint) in [
            (
                "https://login.microsoftonline.com/common",
                "token_endpoint",
                "https://westus2.login.microsoft.com/common/oauth2/v2.0/token",
            ),
            (
                "https://login.microsoftonline.com/common",
                "userinfo_endpoint",
                "https://graph.microsoft.com/oidc/userinfo",
            ),
            (
                "https://login.microsoftonline.us/common",
                "userinfo_endpoint",
                "https://dod-graph.microsoft.us/oidc/userinfo",
            ),
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
            (
                "https://sts.contoso.com/adfs",
                "token_endpoint",
                "https://sts.contoso.com/adfs/oauth2/token",
            ),
        ] {
            assert_eq!(check(authority, name, endpoint), Ok(()), "{authority} {endpoint}");
        }
        let custom =
            Authority::external_id_custom_domain("login.contoso.com", "contoso.onmicrosoft.com")
                .unwrap();
        assert!(
            custom
                .check_endpoint(
                    "token_endpoint",
                    &Url::parse("https://login.contoso.com/x/token").unwrap()
                )
                .is_ok()
        );
        assert!(
            custom
                .check_endpoint(
                    "token_endpoint",
                    &Url::parse("https://login.fabrikam.com/x/token").unwrap()
                )
                .is_err()
        );
    }

    #[test]
    fn cognito_and_older_tenants_of_auth0_sign_out_in_their_own_way() {
        let at = |issuer: &str, named: Option<&str>| {
            let (url, parameter) = Authority::oidc(issuer)
                .unwrap()
                .sign_out_endpoint(named.map(|url| Url::parse(url).unwrap()));
            (url.map(String::from), parameter)
        };
        let logout = Some("https://x.example/logout");
        let kept = || logout.map(str::to_owned);
        assert_eq!(
            at("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", logout),
            (kept(), Some("logout_uri"))
        );
        assert_eq!(
            at("https://cognito-idp.eu-west-1.amazonaws.com.evil.example/x", logout),
            (kept(), None)
        );
        assert_eq!(at("https://contoso.eu.auth0.com/", logout), (kept(), None));
        assert_eq!(
            at("https://contoso.eu.auth0.com/", None),
            (Some("https://contoso.eu.auth0.com/v2/logout".into()), Some("returnTo"))
        );
        assert_eq!(at("https://op.example.com", None), (None, None));
    }

    /// Issuer outside, endpoints inside a network of containers.
    #[test]
    fn endpoints_may_be_in_the_back_channel_and_browsers_are_not_sent_there() {
        let url = |text: &str| Url::parse(text).unwrap();
        let mut authority = Authority::oidc("https://id.example.com/realms/x").unwrap();
        let inside = url("http://keycloak:8080/realms/x/token?a=b");
        assert!(authority.check_endpoint("token_endpoint", &inside).is_err());
        authority.set_connection(false, Some(&url("http://keycloak:8080")));
        assert!(
            authority.check_endpoint("token_endpoint", &inside).is_err(),
            "not without the word"
        );
        authority.set_connection(true, Some(&url("http://keycloak:8080")));
        assert!(authority.check_endpoint("token_endpoint", &inside).is_ok());
        assert_eq!(
            authority.for_browsers(inside.clone()).as_str(),
            "https://id.example.com/realms/x/token?a=b"
        );
        for elsewhere in
            ["http://keycloak:8081/token", "http://other:8080/token", "http://id.example.com/token"]
        {
            assert!(
                authority.check_endpoint("token_endpoint", &url(elsewhere)).is_err(),
                "{elsewhere}"
            );
        }
        authority.set_connection(true, None);
        assert!(
            authority.check_endpoint("token_endpoint", &inside).is_err(),
            "a provider with TLS stays one"
        );
        let mut authority = Authority::oidc("http://keycloak:8080/realms/x").unwrap();
        assert!(authority.check_endpoint("token_endpoint", &inside).is_err());
        authority.set_connection(true, None);
        assert!(authority.check_endpoint("token_endpoint", &inside).is_ok());
    }

    // C-408: sovereign cloud authority
    #[test]
    fn graph_is_in_the_authoritys_cloud() {
        let graph = |url: &str, told: Option<&str>| Authority::parse(url).unwrap().graph(told);
        assert_eq!(
            graph("https://login.microsoftonline.com/common", None).as_deref(),
            Some("https://graph.microsoft.com")
        );
        assert_eq!(
            graph("https://login.microsoftonline.com/common", Some("evil.example.com")).as_deref(),
            Some("https://graph.microsoft.com")
        );
        assert_eq!(
            graph("https://login.microsoftonline.us/common", Some("dod-graph.microsoft.us"))
                .as_deref(),
            Some("https://dod-graph.microsoft.us")
        );
        assert_eq!(
            graph("https://login.sovcloud-identity.fr/common", None).as_deref(),
            Some("https://graph.svc.sovcloud.fr")
        );
        assert_eq!(
            graph("http://localhost:9/common", None).as_deref(),
            Some("http://localhost:9/graph")
        );
        let unlisted =
            Authority::entra_unlisted_cloud("https://login.private.example/common").unwrap();
        assert_eq!(unlisted.graph(Some("graph.private.example")), None);
        assert_eq!(graph("https://op.example.com", None), None);
        assert_eq!(
            Authority::b2c("contoso", B2cPolicies::new("B2C_1_x")).unwrap().graph(None),
            None
        );
    }
}
