//! The rules that are special to access tokens: their issuers, and the names of an API in `aud`.

use super::{Authority, AuthorityKind, TokenIssuer, tenants::is_guid};

impl Authority {
    /// The ID token issuer that corresponds to an access token whose `iss` differs from it; `None`
    /// if the provider has no such issuer.
    ///
    /// - Entra ID issues v1.0 access tokens for APIs that are registered for them, also from the
    ///   v2.0 endpoints: `https://sts.windows.net/{tid}/` in the public cloud. The v2.0 document
    ///   and keys are valid for them, so the usual checks apply to the corresponding issuer.
    /// - AD FS has the issuer of its access tokens in its document (`access_token_issuer`).
    pub(crate) fn issuer_as_in_id_tokens(
        &self,
        metadata_issuer: &str,
        access_token_issuer: Option<&str>,
        token: &TokenIssuer<'_>,
    ) -> Option<String> {
        match &self.kind {
            AuthorityKind::Adfs => {
                (access_token_issuer == Some(token.iss)).then(|| metadata_issuer.to_owned())
            }
            AuthorityKind::Entra { instance, .. } => {
                // Only a GUID is compared: a `tid` with a slash could complete another issuer.
                let tid = token.tid.filter(|tid| is_guid(tid))?;
                // A loopback host is a cloud of its own, whose v1.0 issuer is its origin.
                let issuer = match instance.cloud {
                    Some(cloud) => cloud.v1_issuer?,
                    None => instance.origin.as_str(),
                };
                let rest = token.iss.strip_prefix(issuer)?.strip_prefix('/')?;
                // The v1.0 issuer ends with the tenant and a slash. The same tenant has to stand in
                // `tid`.
                (rest.strip_suffix('/') == Some(tid))
                    .then(|| metadata_issuer.replace(super::tenants::TEMPLATE, tid))
            }
            AuthorityKind::Oidc | AuthorityKind::ExternalId { .. } | AuthorityKind::B2c { .. } => {
                None
            }
        }
    }

    /// Whether the provider compares the parameter `resource` of a request with the Application ID
    /// URI of the API: Entra ID and External ID, not B2C.
    pub(crate) fn compares_resource(&self) -> bool {
        self.is_microsoft() && self.b2c_policies().is_none()
    }

    /// The URL of the authorize endpoint in a claims challenge, as Microsoft writes it there. Other
    /// providers have none.
    ///
    /// It is made from the configuration. It differs from the endpoint of the discovery document,
    /// because MSAL removes `/oauth2/authorize` from it to get the authority. Azure AD B2C has the
    /// endpoint of version 2.0 only.
    pub(crate) fn authorization_uri(&self) -> Option<String> {
        let base = self.address.strip_suffix("/v2.0").filter(|_| self.is_microsoft())?;
        let endpoint = match self.kind {
            AuthorityKind::B2c { .. } => "oauth2/v2.0/authorize",
            _ => "oauth2/authorize",
        };
        Some(format!("{base}/{endpoint}"))
    }

    /// The issuer by which clients of an API find the provider (RFC 9728 section 2): that of its
    /// discovery document, which [`check_metadata_issuer`](Self::check_metadata_issuer) has
    /// accepted, letter by letter.
    ///
    /// Clients get the document below this issuer, and refuse one with another (RFC 8414 section
    /// 3.3); a slash at the end is enough. The configured URL is named where no document with that
    /// issuer can be there: for several tenants the issuer is a template, for B2C it has no policy.
    /// For a custom domain it is on Microsoft's domain, which a tenant can block.
    pub(crate) fn authorization_server<'a>(&'a self, issuer: &'a str) -> &'a str {
        match &self.kind {
            AuthorityKind::Oidc
            | AuthorityKind::Adfs
            | AuthorityKind::ExternalId { custom_domain: false, .. } => issuer,
            AuthorityKind::Entra { tenant, .. } if !tenant.is_multi() => issuer,
            AuthorityKind::Entra { .. }
            | AuthorityKind::ExternalId { .. }
            | AuthorityKind::B2c { .. } => self.name(),
        }
    }

    /// The values of `aud` that denote the API with this identifier.
    ///
    /// - Microsoft's v1.0 tokens have the Application ID URI with or without a slash at its end,
    ///   depending on the requested scope.
    /// - AD FS adds a prefix to each identifier.
    pub(crate) fn spellings_of_audience(&self, audience: &str) -> Vec<String> {
        let mut spellings = vec![audience.to_owned()];
        if self.is_microsoft() && audience.contains("://") {
            // A scope `https://host//.default` names the URI with a slash, `https://host/.default`
            // without.
            spellings.push(match audience.strip_suffix('/') {
                Some(without) => without.to_owned(),
                None => format!("{audience}/"),
            });
        }
        if self.is_adfs() && !audience.starts_with(ADFS) {
            spellings.push(format!("{ADFS}{audience}"));
        }
        spellings
    }
}

/// The prefix of AD FS before the identifier of an API.
const ADFS: &str = "microsoft:identityserver:";

#[cfg(test)]
mod tests {
    use super::*;

    const TID: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    const OTHER: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";

    fn translated(host: &str, tenant: &str, iss: &str, tid: Option<&str>) -> Option<String> {
        let authority = Authority::parse(&format!("https://{host}/{tenant}")).unwrap();
        let document = format!("https://{host}/{{tenantid}}/v2.0");
        authority.issuer_as_in_id_tokens(&document, None, &TokenIssuer { iss, tid })
    }

    #[test]
    fn version_1_issuers_of_each_cloud_become_those_of_version_2() {
        for (host, issuer) in [
            ("login.microsoftonline.com", "https://sts.windows.net"),
            ("login.microsoftonline.us", "https://sts.windows.net"),
            ("login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn"),
        ] {
            assert_eq!(
                translated(host, "common", &format!("{issuer}/{TID}/"), Some(TID)),
                Some(format!("https://{host}/{TID}/v2.0"))
            );
            for foreign in [
                format!("{issuer}/{TID}"),
                format!("{issuer}/{OTHER}/"),
                format!("{issuer}.evil.example/{TID}/"),
                format!("{issuer}//{TID}/"),
                format!("{issuer}/{TID}/v2.0"),
            ] {
                assert_eq!(translated(host, "common", &foreign, Some(TID)), None, "{foreign}");
            }
            assert_eq!(translated(host, "common", &format!("{issuer}/{TID}/"), None), None);
            assert_eq!(translated(host, "common", &format!("{issuer}/x/"), Some("x")), None);
        }
        assert_eq!(
            translated(
                "login.partner.microsoftonline.cn",
                "common",
                &format!("https://sts.windows.net/{TID}/"),
                Some(TID)
            ),
            None,
            "another cloud's"
        );
    }

    #[test]
    fn the_document_of_ad_fs_names_the_issuer_of_access_tokens() {
        let adfs = Authority::parse("https://fs.example.com/adfs").unwrap();
        let iss = "http://fs.example.com/adfs/services/trust";
        let told = |told| {
            let token = TokenIssuer { iss, tid: None };
            adfs.issuer_as_in_id_tokens("https://fs.example.com/adfs", told, &token)
        };
        assert_eq!(told(Some(iss)).as_deref(), Some("https://fs.example.com/adfs"));
        assert_eq!(told(None), None);
        assert_eq!(told(Some("http://other.example/adfs/services/trust")), None);
    }

    #[test]
    fn the_authorize_endpoint_of_a_claims_challenge_is_microsoft_s() {
        for (authority, uri) in [
            (
                "https://login.microsoftonline.com/contoso.com",
                Some("https://login.microsoftonline.com/contoso.com/oauth2/authorize"),
            ),
            (
                "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_si",
                Some(
                    "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_si/oauth2/v2.0/\
                     authorize",
                ),
            ),
            ("https://id.example/v2.0", None),
        ] {
            let authority = Authority::parse(authority).unwrap();
            assert_eq!(authority.authorization_uri().as_deref(), uri);
        }
    }

    #[test]
    fn an_application_id_uri_may_end_in_a_slash_at_microsoft() {
        let spellings = |authority: &str, audience: &str| {
            Authority::parse(authority).unwrap().spellings_of_audience(audience)
        };
        let entra = "https://login.microsoftonline.com/common";
        assert_eq!(spellings(entra, "api://x"), ["api://x", "api://x/"]);
        assert_eq!(
            spellings(entra, "https://a.example/"),
            ["https://a.example/", "https://a.example"]
        );
        assert_eq!(spellings(entra, TID), [TID]);
        assert_eq!(spellings("https://id.example", "https://a.example"), ["https://a.example"]);
        assert_eq!(
            spellings("https://fs.example.com/adfs", "id"),
            ["id", "microsoft:identityserver:id"]
        );
    }
}
