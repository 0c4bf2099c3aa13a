//! Which discovery documents, tokens and signing keys an authority accepts, by their issuers.

use super::{
    Authority, AuthorityKind, Instance, Tenant, Tenants,
    tenants::{PERSONAL, TEMPLATE, is_guid},
};
use crate::error::{Error, ErrorKind, shown};

/// The claims of a token that name its issuer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenIssuer<'a> {
    /// The `iss` claim.
    pub(crate) iss: &'a str,
    /// The `tid` claim.
    pub(crate) tid: Option<&'a str>,
}

/// The members of a JSON Web Key that limit the issuers it may sign for. They are Microsoft's
/// extension of RFC 7517.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyIssuer<'a> {
    /// The `issuer` member, possibly with the placeholder `{tenantid}`.
    pub(crate) issuer: Option<&'a str>,
    /// The `cloud_instance_name` member.
    pub(crate) cloud_instance_name: Option<&'a str>,
}

impl Authority {
    /// Checks the `issuer` of a discovery document (OpenID Connect Discovery 1.0 section 4.3, with
    /// Microsoft's deviations).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the issuer is not that of the authority.
    pub(crate) fn check_metadata_issuer(&self, issuer: &str) -> Result<(), Error> {
        let fits = match &self.kind {
            AuthorityKind::Oidc | AuthorityKind::Adfs => {
                without_last_slash(issuer) == without_last_slash(&self.address)
            }
            AuthorityKind::Entra { instance, tenant } => entra_fits(instance, tenant, issuer),
            AuthorityKind::ExternalId { instance, tenant, custom_domain } => {
                external_id_fits(instance, tenant, *custom_domain, issuer)
            }
            AuthorityKind::B2c { instance, tenant, policy, .. } => {
                b2c_fits(instance, tenant, policy, issuer)
            }
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::ProviderMisconfigured,
            format!(
                "the discovery document has the issuer {:?}, which does not belong to the \
                 authority {:?}: configure the authority with the issuer exactly as the document \
                 writes it; for a document that is not below its issuer set its URL \
                 (`with_discovery_url`, IDENTITY_DISCOVERY_URL)",
                truncated(issuer),
                self.address
            ),
        ))
    }

    /// Checks the `cloud_instance_name` of a discovery document. A login host answers also for
    /// tenants of other clouds, and only this member shows it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the tenant is in another cloud.
    pub(crate) fn check_metadata_cloud(
        &self,
        cloud_instance_name: Option<&str>,
    ) -> Result<(), Error> {
        match (self.microsoft(), non_empty(cloud_instance_name)) {
            (Some((instance, _)), Some(cloud)) if !instance.has_cloud_name(cloud) => {
                Err(Error::new(
                    ErrorKind::ProviderMisconfigured,
                    format!(
                        "the discovery document of {self} says that the tenant is in another \
                         cloud, {:?}: configure the authority with the login host of that cloud",
                        truncated(cloud)
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// An `iss` and a `tid` that tokens of this authority can have, given the `issuer` of the
    /// discovery document. For several tenants it is the first that may sign in.
    pub(crate) fn example_token_issuer(
        &self,
        tenants: &Tenants,
        metadata_issuer: &str,
    ) -> (String, Option<String>) {
        let Some((_, tenant)) = self.microsoft() else { return (metadata_issuer.to_owned(), None) };
        let tid = match (guid_in(metadata_issuer), tenant) {
            (Some(guid), _) => guid,
            (None, Tenant::Consumers) => PERSONAL,
            (None, _) => tenants.first().unwrap_or("00000000-0000-0000-0000-000000000000"),
        };
        (metadata_issuer.replace(TEMPLATE, tid), Some(tid.to_owned()))
    }

    /// Checks that the issuer of a token is one of this authority, given the `issuer` of the
    /// discovery document, and that the token's tenant may sign in.
    ///
    /// For a generic provider `iss` must equal `metadata_issuer` (OpenID Connect Core 1.0 section
    /// 3.1.3.7, rule 2). For Microsoft's authorities `{tenantid}` in `metadata_issuer` is first
    /// replaced with the token's `tid` (D18).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenIssuer`]: another issuer. [`ErrorKind::TenantNotAllowed`]: the right
    /// issuer, but its tenant may not sign in.
    pub(crate) fn check_token_issuer(
        &self,
        tenants: &Tenants,
        metadata_issuer: &str,
        token: &TokenIssuer<'_>,
    ) -> Result<(), Error> {
        let foreign = |detail: &'static str| {
            let (iss, tid) = (shown(token.iss), token.tid.map_or_else(|| "none".into(), shown));
            let detail = format!(
                "{detail}: `iss` is {iss}, `tid` is {tid}, and the document's issuer is {}",
                shown(metadata_issuer)
            );
            Err(Error::new(ErrorKind::TokenIssuer, detail))
        };
        let Some((_, tenant)) = self.microsoft() else {
            // No normalization: `iss` is compared character by character (OpenID Connect Core
            // section 3.1.3.7 point 2).
            return if self.canonical_issuer(token.iss, metadata_issuer) == metadata_issuer {
                Ok(())
            } else {
                let is_slash =
                    token.iss.trim_end_matches('/') == metadata_issuer.trim_end_matches('/');
                foreign(match is_slash {
                    true => {
                        "`iss` and the issuer of the provider's document differ in the slash at \
                         their end, which no setting of this application can change"
                    }
                    false => "`iss` is not the provider's issuer",
                })
            };
        };
        let tid = match token.tid {
            // Only a GUID can replace the placeholder without changing the structure of the URL.
            Some(tid) if !is_guid(tid) => return foreign("`tid` is not a GUID"),
            Some(tid) => Some(tid),
            None if metadata_issuer.contains(TEMPLATE) => {
                return foreign("`tid` is missing, so the expected issuer is not determined");
            }
            // The issuer names one tenant; B2C writes no `tid` by default.
            None => guid_in(metadata_issuer),
        };
        if guid_in(metadata_issuer).is_some_and(|guid| tid != Some(guid)) {
            return foreign("`tid` is not the tenant in the document's issuer");
        }
        if token.iss != metadata_issuer.replace(TEMPLATE, tid.unwrap_or_default()) {
            return foreign("`iss` is not the issuer of the token's tenant");
        }
        check_tenant(tenant, tenants, tid)
    }

    /// The issuer that the `iss` of a token stands for.
    ///
    /// Google documents two values: its issuer, and the same without the scheme
    /// (<https://developers.google.com/identity/openid-connect/openid-connect>). They have to
    /// become one, because the issuer is part of the user's key.
    pub(crate) fn canonical_issuer<'i>(&self, iss: &'i str, metadata_issuer: &'i str) -> &'i str {
        if self.is_google() && iss == "accounts.google.com" { metadata_issuer } else { iss }
    }

    /// The tenant's GUID in the `iss` of a token; `None` if issuers of this provider name no
    /// tenants.
    pub(crate) fn tenant_in<'i>(&self, iss: &'i str) -> Option<&'i str> {
        if self.is_microsoft() { guid_in(iss) } else { None }
    }

    /// Checks that a key may sign a token of this issuer, given the `issuer` of the discovery
    /// document.
    ///
    /// A key set of Microsoft contains keys of several tenants, of personal accounts and of several
    /// clouds. Only the `issuer` of each key tells them apart: without this check a key of one
    /// tenant could sign tokens of every other (security rule 11).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenKeyIssuer`]: the key is for other tokens.
    pub(crate) fn check_key(
        &self,
        metadata_issuer: &str,
        key: &KeyIssuer<'_>,
        token: &TokenIssuer<'_>,
    ) -> Result<(), Error> {
        let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenKeyIssuer, detail));
        if let Some((instance, _)) = self.microsoft()
            && let Some(cloud) = non_empty(key.cloud_instance_name)
            && !instance.has_cloud_name(cloud)
        {
            return refused("the key belongs to another cloud");
        }
        let Some(issuer) = non_empty(key.issuer) else {
            // B2C, AD FS and generic providers have no `issuer` on their keys. It is mandatory
            // where one key set serves several tenants.
            return if metadata_issuer.contains(TEMPLATE) {
                refused("the key has no issuer, in a key set for several tenants")
            } else {
                Ok(())
            };
        };
        let expected = match (issuer.contains(TEMPLATE), token.tid) {
            // A key of one tenant, such as that of personal accounts: it signs for that issuer
            // alone.
            (false, _) => issuer.to_owned(),
            (true, Some(tid)) if is_guid(tid) => issuer.replace(TEMPLATE, tid),
            (true, _) => return refused("the key is for any tenant, and the token has none"),
        };
        if token.iss == expected { Ok(()) } else { refused("the key belongs to another issuer") }
    }

    /// Checks that a token was issued by the B2C policy of this value. The policy is in the claim
    /// `tfp`, or in `acr` of older custom policies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenMismatch`]: another policy issued it.
    pub(crate) fn check_policy(&self, tfp: Option<&str>, acr: Option<&str>) -> Result<(), Error> {
        let AuthorityKind::B2c { policy, .. } = &self.kind else { return Ok(()) };
        // Policy names are case-insensitive: the claim has the spelling of the policy's creation.
        if tfp.or(acr).is_some_and(|claim| claim.eq_ignore_ascii_case(policy)) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TokenMismatch,
            "the token was issued by another B2C policy than the requested one",
        ))
    }
}

impl Instance {
    /// Whether a document or key of this instance may have this `cloud_instance_name`.
    fn has_cloud_name(&self, cloud_instance_name: &str) -> bool {
        match self.cloud {
            Some(cloud) => cloud.instance_names.contains(&cloud_instance_name),
            None => cloud_instance_name == self.host(),
        }
    }
}

/// Checks that accounts of the tenant `tid` may sign in at an authority for `tenant`.
///
/// The issuer of personal accounts fits the template of `organizations` as well, so the kind of
/// account is checked apart from the issuer.
fn check_tenant(tenant: &Tenant, tenants: &Tenants, tid: Option<&str>) -> Result<(), Error> {
    let detail = match tenant {
        // Entra ID would not issue such a token; the check does not rely on it.
        Tenant::Organizations if tid == Some(PERSONAL) => {
            "a personal account at an authority for organizations"
        }
        Tenant::Consumers if tid != Some(PERSONAL) => {
            "a work or school account at the authority for personal accounts"
        }
        _ if !tenants.allow(tid) => "the token's tenant is not allowed",
        _ => return Ok(()),
    };
    let tid = tid.map_or_else(|| "none".into(), shown);
    Err(Error::new(
        ErrorKind::TenantNotAllowed,
        format!("{detail}: the tenant is {tid}, and the allowed tenants are {tenants}"),
    ))
}

/// An issuer without the slash at its end, which does not change the URL of the discovery document
/// (OpenID Connect Discovery 1.0 section 4.1).
///
/// Ignoring it here is safe, because both spellings have the same document and thus the same
/// publisher. Tokens are compared with the spelling in the document.
fn without_last_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// Whether an issuer is `{origin}/{tenant}/v2.0`. The aliases of a cloud have the issuer of its
/// first login host.
fn entra_fits(instance: &Instance, tenant: &Tenant, issuer: &str) -> bool {
    let canonical = instance.cloud.map(|cloud| format!("https://{}", cloud.issuer_host()));
    // Two hosts: the one of the URL, and the one that Entra ID writes for all aliases.
    [Some(&instance.origin), canonical.as_ref()].into_iter().flatten().any(|origin| {
        let segment = issuer
            .strip_prefix(origin.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| rest.strip_suffix("/v2.0"));
        segment.is_some_and(|segment| tenant.accepts_issuer_segment(segment))
    })
}

/// Whether an issuer is one of External ID: `{origin}/{tenant}/v2.0`, or `https://{GUID or
/// name}.ciamlogin.com/{GUID}/v2.0`, which is also the form under a custom domain.
///
/// On a loopback host the second form is `http://{GUID or name}.localhost:{port}/{GUID}/v2.0`.
fn external_id_fits(
    instance: &Instance,
    tenant: &Tenant,
    custom_domain: bool,
    issuer: &str,
) -> bool {
    if entra_fits(&Instance { origin: instance.origin.clone(), cloud: None }, tenant, issuer) {
        return true;
    }
    // A loopback host is a cloud of its own, in which `{GUID}.localhost` on the same port takes
    // the place of `{GUID}.ciamlogin.com`.
    let (scheme, parent) = match instance.loopback() {
        Some((scheme, port)) => (scheme, format!(".localhost{port}/")),
        None => ("https://", ".ciamlogin.com/".to_owned()),
    };
    let Some((name, rest)) = issuer.strip_prefix(scheme).and_then(|rest| rest.split_once(&parent))
    else {
        return false;
    };
    let Some(guid) = rest
        .strip_suffix("/v2.0")
        .filter(|guid| is_guid(guid) && tenant.accepts_issuer_segment(guid))
    else {
        return false;
    };
    let known_name = match tenant {
        // The GUID in the path identifies the tenant, so any name may precede it.
        Tenant::Guid(_) => custom_domain && is_label(name),
        _ => custom_domain && tenant.as_str().split('.').next() == Some(name),
    };
    name == guid || known_name
}

/// Whether an issuer is `{origin}/{GUID}/v2.0/` or `{origin}/tfp/{GUID}/{policy}/v2.0/`, the two
/// formats that a B2C policy can be configured to issue. The URL of the policy itself is never an
/// issuer.
fn b2c_fits(instance: &Instance, tenant: &Tenant, policy: &str, issuer: &str) -> bool {
    let Some(path) = issuer.strip_prefix(instance.origin.as_str()) else { return false };
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        // The tenant's GUID, also where the authority names the tenant by its domain.
        ["", guid, "v2.0"] => is_guid(guid) && tenant.accepts_issuer_segment(guid),
        ["", "tfp", guid, issued_by, "v2.0"] => {
            is_guid(guid)
                && tenant.accepts_issuer_segment(guid)
                && issued_by.eq_ignore_ascii_case(policy)
        }
        _ => false,
    }
}

/// The first path segment of an issuer that is a GUID: its tenant.
fn guid_in(issuer: &str) -> Option<&str> {
    issuer.split('/').find(|segment| is_guid(segment))
}

/// Whether it is one label of a host name.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A member that is present and not blank.
fn non_empty(member: Option<&str>) -> Option<&str> {
    member.filter(|text| !text.trim().is_empty())
}

/// The first 200 characters of text from outside, so that an error stays readable.
fn truncated(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::B2cPolicies;

    const CONTOSO: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    const FABRIKAM: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
    const COMMON: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

    fn issuer(tenant: &str) -> String {
        COMMON.replace(TEMPLATE, tenant)
    }

    fn kind(outcome: Result<(), Error>) -> Option<ErrorKind> {
        outcome.err().map(|error| error.kind())
    }

    fn accepts(authority: &Authority, issuer: &str) -> bool {
        authority.check_metadata_issuer(issuer).is_ok()
    }

    // C-411: ID token's tid missing on a multi-tenant authority
    /// Also a token of a foreign tenant and one with a swapped `tid`.
    #[test]
    fn a_token_is_of_the_tenant_that_its_issuer_names() {
        let common = Authority::entra("common").unwrap();
        let check = |tenants: &Tenants, iss: &str, tid: Option<&str>| {
            kind(common.check_token_issuer(tenants, COMMON, &TokenIssuer { iss, tid }))
        };
        let only = Tenants::only([CONTOSO]).unwrap();
        assert_eq!(check(&only, &issuer(CONTOSO), Some(CONTOSO)), None);
        assert_eq!(
            check(&only, &issuer(FABRIKAM), Some(FABRIKAM)),
            Some(ErrorKind::TenantNotAllowed)
        );
        assert_eq!(check(&only, &issuer(FABRIKAM), Some(CONTOSO)), Some(ErrorKind::TokenIssuer));
        assert_eq!(check(&Tenants::any(), &issuer(FABRIKAM), Some(FABRIKAM)), None);
        assert_eq!(check(&Tenants::any(), &issuer(CONTOSO), None), Some(ErrorKind::TokenIssuer));
        let single = Authority::entra(CONTOSO).unwrap();
        for tid in [FABRIKAM, "", "contoso.com"] {
            let token = TokenIssuer { iss: &issuer(CONTOSO), tid: Some(tid) };
            assert_eq!(
                kind(single.check_token_issuer(&Tenants::any(), &issuer(CONTOSO), &token)),
                Some(ErrorKind::TokenIssuer),
                "{tid:?}"
            );
        }
    }

    #[test]
    fn googles_older_issuer_is_accepted_for_google_only() {
        let google = "https://accounts.google.com";
        for (authority, iss, outcome) in [
            (google, "https://accounts.google.com", None),
            (google, "accounts.google.com", None),
            (google, "http://accounts.google.com", Some(ErrorKind::TokenIssuer)),
            (google, "accounts.google.com/", Some(ErrorKind::TokenIssuer)),
            ("https://id.example.com", "accounts.google.com", Some(ErrorKind::TokenIssuer)),
            ("https://id.example.com", "id.example.com", Some(ErrorKind::TokenIssuer)),
        ] {
            let at = Authority::oidc(authority).unwrap();
            let token = TokenIssuer { iss, tid: None };
            let told = at.check_token_issuer(&Tenants::any(), authority, &token);
            assert_eq!(kind(told), outcome, "{authority} {iss}");
            assert_eq!(at.canonical_issuer(iss, authority) == authority, outcome.is_none());
        }
    }

    #[test]
    fn a_tenant_by_name_is_checked_against_the_list_too() {
        let named = Authority::entra("contoso.com").unwrap();
        let (contoso, fabrikam) = (issuer(CONTOSO), issuer(FABRIKAM));
        let only = Tenants::only([CONTOSO]).unwrap();
        assert!(
            accepts(&named, &contoso) && accepts(&named, &fabrikam) && !accepts(&named, COMMON)
        );
        let check = |metadata: &str, iss: &str| {
            kind(named.check_token_issuer(&only, metadata, &TokenIssuer { iss, tid: None }))
        };
        assert_eq!(check(&contoso, &contoso), None);
        assert_eq!(check(&fabrikam, &fabrikam), Some(ErrorKind::TenantNotAllowed));
        assert_eq!(check(&contoso, &fabrikam), Some(ErrorKind::TokenIssuer));
    }

    #[test]
    fn personal_accounts_come_through_common_and_consumers_only() {
        let personal = issuer(PERSONAL);
        let token = TokenIssuer { iss: &personal, tid: Some(PERSONAL) };
        let check = |tenant: &str, metadata: &str, token: &TokenIssuer<'_>| {
            kind(Authority::entra(tenant).unwrap().check_token_issuer(
                &Tenants::any(),
                metadata,
                token,
            ))
        };
        assert_eq!(check("common", COMMON, &token), None);
        assert_eq!(check("consumers", &personal, &token), None);
        assert_eq!(check("consumers", COMMON, &token), None);
        assert_eq!(check("organizations", COMMON, &token), Some(ErrorKind::TenantNotAllowed));
        let work = TokenIssuer { iss: &issuer(CONTOSO), tid: Some(CONTOSO) };
        assert_eq!(check("consumers", COMMON, &work), Some(ErrorKind::TenantNotAllowed));
    }

    // MSAL-006: Sovereign authority `https://login.microsoftonline.us/common`; aliases are needed
    /// A real key set of the public cloud holds keys of the US government's, under the very same
    /// `issuer`.
    #[test]
    fn a_key_of_another_cloud_signs_nothing() {
        let token = TokenIssuer { iss: &issuer(CONTOSO), tid: Some(CONTOSO) };
        let check = |authority: &Authority, issuer: Option<&str>, cloud: Option<&str>| {
            kind(authority.check_key(
                COMMON,
                &KeyIssuer { issuer, cloud_instance_name: cloud },
                &token,
            ))
        };
        let common = Authority::entra("common").unwrap();
        assert_eq!(check(&common, Some(COMMON), Some("microsoftonline.com")), None);
        assert_eq!(check(&common, Some(COMMON), None), None);
        assert_eq!(
            check(&common, Some(COMMON), Some("microsoftonline.us")),
            Some(ErrorKind::TokenKeyIssuer)
        );
        assert_eq!(
            check(&common, Some(COMMON), Some("sovcloud-identity.fr")),
            Some(ErrorKind::TokenKeyIssuer)
        );
        assert_eq!(
            check(&common, Some(&issuer(PERSONAL)), Some("microsoftonline.com")),
            Some(ErrorKind::TokenKeyIssuer)
        );
        assert_eq!(
            check(&common, None, Some("microsoftonline.com")),
            Some(ErrorKind::TokenKeyIssuer)
        );
        assert_eq!(check(&common, Some(" "), None), Some(ErrorKind::TokenKeyIssuer));
        let local = Authority::parse("http://127.0.0.1:9/common").unwrap();
        assert_eq!(check(&local, Some(COMMON), Some("127.0.0.1")), None);
        assert_eq!(
            check(&local, Some(COMMON), Some("microsoftonline.com")),
            Some(ErrorKind::TokenKeyIssuer)
        );
    }

    #[test]
    fn a_key_without_an_issuer_will_do_where_the_key_set_is_one_tenants() {
        let b2c = Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")).unwrap();
        let iss = format!("https://contoso.b2clogin.com/{CONTOSO}/v2.0/");
        let token = TokenIssuer { iss: &iss, tid: None };
        assert_eq!(kind(b2c.check_key(&iss, &KeyIssuer::default(), &token)), None);
        let other =
            KeyIssuer { issuer: Some("https://contoso.b2clogin.com/x"), cloud_instance_name: None };
        assert_eq!(kind(b2c.check_key(&iss, &other, &token)), Some(ErrorKind::TokenKeyIssuer));
    }

    // MSAL-006: Sovereign authority `https://login.microsoftonline.us/common`; aliases are needed
    #[test]
    fn a_document_speaks_for_its_own_authority_only() {
        let common = Authority::entra("common").unwrap();
        assert!(accepts(&common, COMMON));
        for foreign in [
            "https://login.microsoftonline.us/{tenantid}/v2.0",
            "https://login.windows.net/{tenantid}/v2.0",
            "http://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/{tenantid}/v2.0/",
            "https://login.microsoftonline.com.evil.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/{tenantid}",
            "https://login.microsoftonline.com/{tenantid}{tenantid}/v2.0",
            "https://sts.windows.net/{tenantid}/",
            &issuer(CONTOSO),
            "",
        ] {
            assert!(!accepts(&common, foreign), "{foreign}");
        }
        assert!(!accepts(&Authority::entra(CONTOSO).unwrap(), COMMON));
        let china = Authority::parse("https://login.chinacloudapi.cn/common").unwrap();
        assert!(accepts(&china, "https://login.partner.microsoftonline.cn/{tenantid}/v2.0"));
        let local = Authority::parse("http://127.0.0.1:9/common").unwrap();
        assert!(
            accepts(&local, "http://127.0.0.1:9/{tenantid}/v2.0")
                && !accepts(&local, COMMON)
                && !accepts(&local, "http://127.0.0.1:8/{tenantid}/v2.0")
        );
    }

    #[test]
    fn external_id_answers_with_the_guid_in_host_and_path() {
        let by_guid = format!("https://{CONTOSO}.ciamlogin.com/{CONTOSO}/v2.0");
        let by_name = format!("https://contoso.ciamlogin.com/{CONTOSO}/v2.0");
        let foreign = format!("https://{FABRIKAM}.ciamlogin.com/{FABRIKAM}/v2.0");
        let mixed = format!("https://{FABRIKAM}.ciamlogin.com/{CONTOSO}/v2.0");
        let own = Authority::external_id("contoso").unwrap();
        assert!(accepts(&own, &by_guid) && accepts(&own, &by_name) && !accepts(&own, &mixed));
        let custom = Authority::external_id_custom_domain("login.contoso.com", CONTOSO).unwrap();
        assert!(
            accepts(&custom, &by_guid) && accepts(&custom, &by_name) && !accepts(&custom, &foreign)
        );
        assert!(
            !accepts(&custom, &issuer(CONTOSO))
                && !accepts(&custom, "https://contoso.ciamlogin.com")
        );
        let evil = format!("https://evil.example/x.ciamlogin.com/{CONTOSO}/v2.0");
        assert!(!accepts(&custom, &evil));
        let local = Authority::external_id_custom_domain("http://127.0.0.1:9", CONTOSO).unwrap();
        assert!(accepts(&local, &format!("http://127.0.0.1:9/{CONTOSO}/v2.0")));
        assert!(accepts(&local, &format!("http://{CONTOSO}.localhost:9/{CONTOSO}/v2.0")));
        assert!(!accepts(&local, &format!("http://{CONTOSO}.localhost:8/{CONTOSO}/v2.0")));
        assert!(!accepts(&local, &format!("http://{FABRIKAM}.localhost:9/{FABRIKAM}/v2.0")));
        assert!(
            !accepts(&local, &by_guid)
                && !accepts(&custom, &format!("http://{CONTOSO}.localhost/{CONTOSO}/v2.0"))
        );
        let token = TokenIssuer { iss: &by_guid, tid: Some(FABRIKAM) };
        assert_eq!(
            kind(custom.check_token_issuer(&Tenants::any(), &by_guid, &token)),
            Some(ErrorKind::TokenIssuer)
        );
    }

    #[test]
    fn a_b2c_token_is_of_the_policy_that_was_asked() {
        let b2c = Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")).unwrap();
        let tfp =
            |policy: &str| format!("https://contoso.b2clogin.com/tfp/{CONTOSO}/{policy}/v2.0/");
        assert!(accepts(&b2c, &tfp("b2c_1_susi")) && !accepts(&b2c, &tfp("b2c_1_reset")));
        assert!(!accepts(
            &b2c,
            "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0"
        ));
        assert!(!accepts(&b2c, &format!("https://fabrikam.b2clogin.com/{CONTOSO}/v2.0/")));
        assert_eq!(kind(b2c.check_policy(Some("b2c_1_SUSI"), None)), None);
        assert_eq!(kind(b2c.check_policy(None, Some("B2C_1_susi"))), None);
        assert_eq!(
            kind(b2c.check_policy(Some("B2C_1_reset"), Some("B2C_1_susi"))),
            Some(ErrorKind::TokenMismatch)
        );
        assert_eq!(kind(b2c.check_policy(None, None)), Some(ErrorKind::TokenMismatch));
        assert_eq!(
            kind(b2c.for_policy("B2C_1_reset").unwrap().check_policy(Some("B2C_1_reset"), None)),
            None
        );
        assert_eq!(kind(Authority::entra("common").unwrap().check_policy(None, None)), None);
    }

    #[test]
    fn a_tenant_in_the_wrong_cloud_is_noticed() {
        let public = Authority::entra(CONTOSO).unwrap();
        assert!(public.check_metadata_cloud(Some("microsoftonline.com")).is_ok());
        let error = public.check_metadata_cloud(Some("microsoftonline.us")).unwrap_err();
        assert!(error.to_string().contains("another cloud"), "{error}");
        assert!(
            Authority::oidc("https://op.example.com")
                .unwrap()
                .check_metadata_cloud(Some("anything"))
                .is_ok()
        );
    }

    // C-222: issuer differs by trailing slash, case or port
    #[test]
    fn a_generic_issuer_differs_by_case_and_port() {
        let oidc = Authority::oidc("https://op.example.com").unwrap();
        assert!(accepts(&oidc, "https://op.example.com"));
        for other in [
            "https://op.example.com//",
            "https://op.example.com/tenant",
            "https://op.example.com/tenant/",
            "https://OP.example.com",
            "https://op.example.com:443",
            "http://op.example.com",
            "op.example.com",
        ] {
            assert!(!accepts(&oidc, other), "{other}");
        }
    }

    #[test]
    fn a_final_slash_of_a_generic_issuer_leads_to_the_same_document() {
        let well_known = "/.well-known/openid-configuration";
        for issuer in ["https://op.example.com", "https://op.example.com/application/o/app"] {
            let slashed = format!("{issuer}/");
            for told in [issuer, &slashed, &format!("{issuer}{well_known}")] {
                let oidc = Authority::oidc(told).unwrap();
                assert!(accepts(&oidc, issuer) && accepts(&oidc, &slashed), "{told}");
                assert_eq!(oidc.metadata_url().as_str(), format!("{issuer}{well_known}"));
            }
        }
    }

    #[test]
    fn tokens_have_the_issuer_of_the_document_to_the_letter() {
        let oidc = Authority::oidc("https://op.example.com").unwrap();
        let check = |metadata_issuer: &str, iss: &str| {
            oidc.check_token_issuer(
                &Tenants::any(),
                metadata_issuer,
                &TokenIssuer { iss, tid: None },
            )
            .is_ok()
        };
        assert!(check("https://op.example.com/", "https://op.example.com/"));
        assert!(!check("https://op.example.com/", "https://op.example.com"));
        assert!(!check("https://op.example.com", "https://op.example.com/"));
    }

    /// No setting of the application makes document and tokens agree, so the message names both.
    #[test]
    fn a_slash_that_only_the_document_or_the_token_has_is_told_with_both_values() {
        let oidc = Authority::oidc("https://op.example.com").unwrap();
        let told = |metadata_issuer: &str, iss: &str| {
            let token = TokenIssuer { iss, tid: None };
            oidc.check_token_issuer(&Tenants::any(), metadata_issuer, &token)
                .unwrap_err()
                .to_string()
        };
        let (with, without) = ("https://op.example.com/", "https://op.example.com");
        for text in [told(with, without), told(without, with)] {
            assert!(text.contains("slash at their end"), "{text}");
            assert!(text.contains("\"https://op.example.com\""), "{text}");
            assert!(text.contains("\"https://op.example.com/\""), "{text}");
            assert!(text.contains("correct the issuer at the provider"), "{text}");
        }
        assert!(!told(without, "https://op.example.com/a").contains("slash"));
    }
}
