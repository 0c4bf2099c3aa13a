//! Which documents, tokens and keys an authority stands for.

use super::{
    Authority, Instance, Kind, Tenant, Tenants,
    tenants::{PERSONAL, TEMPLATE, is_guid},
};
use crate::error::{Error, ErrorKind, shown};

/// What a token says about where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenIssuer<'a> {
    /// The `iss` claim.
    pub(crate) iss: &'a str,
    /// The `tid` claim.
    pub(crate) tid: Option<&'a str>,
}

/// What a JSON Web Key says about whom it signs for (Microsoft's members).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyIssuer<'a> {
    /// The `issuer` member, maybe with `{tenantid}` in it.
    pub(crate) issuer: Option<&'a str>,
    /// The `cloud_instance_name` member.
    pub(crate) cloud_instance_name: Option<&'a str>,
}

impl Authority {
    /// Whether a discovery document with this `issuer` may speak for the authority (OpenID Connect
    /// Discovery section 4.3, and what Microsoft makes of it).
    pub(crate) fn check_metadata_issuer(&self, issuer: &str) -> Result<(), Error> {
        let fits = match &self.kind {
            Kind::Oidc | Kind::Adfs => {
                without_last_slash(issuer) == without_last_slash(&self.address)
            }
            Kind::Entra { instance, tenant } => entra_fits(instance, tenant, issuer),
            Kind::ExternalId { instance, tenant, custom_domain } => {
                external_id_fits(instance, tenant, *custom_domain, issuer)
            }
            Kind::B2c { instance, tenant, policy, .. } => {
                b2c_fits(instance, tenant, policy, issuer)
            }
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::ProviderMisconfigured,
            format!(
                "the discovery document's issuer {:?} does not belong to the authority {:?}: set the one that is meant, to the letter; a document that is not below its issuer has a setting of its own (`with_discovery_url`, IDENTITY_DISCOVERY_URL)",
                cut(issuer),
                self.address
            ),
        ))
    }

    /// Whether a discovery document that calls its cloud so (`cloud_instance_name`) may speak for
    /// the authority: a tenant can be asked about in a cloud that it is not in.
    pub(crate) fn check_metadata_cloud(
        &self,
        cloud_instance_name: Option<&str>,
    ) -> Result<(), Error> {
        match (self.microsoft(), present(cloud_instance_name)) {
            (Some((instance, _)), Some(cloud)) if !instance.is_called(cloud) => Err(Error::new(
                ErrorKind::ProviderMisconfigured,
                format!(
                    "the discovery document of {self} says that the tenant is in another cloud, {:?}: use that cloud's login host",
                    cut(cloud)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// `iss` and `tid` of the tokens that a document with this `issuer` promises: for one tenant
    /// its own, for several those of one that may sign in.
    pub(crate) fn promised_issuer(
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

    /// Whether a token may come from where it says, given the issuer of the discovery document, and
    /// whether its tenant may sign in.
    pub(crate) fn check_token_issuer(
        &self,
        tenants: &Tenants,
        metadata_issuer: &str,
        token: &TokenIssuer<'_>,
    ) -> Result<(), Error> {
        let foreign = |detail: &'static str| {
            let (iss, tid) = (shown(token.iss), token.tid.map_or_else(|| "none".into(), shown));
            let detail = format!(
                "{detail}: `iss` is {iss}, `tid` {tid}, and the document's issuer is {}",
                shown(metadata_issuer)
            );
            Err(Error::new(ErrorKind::TokenIssuer, detail))
        };
        let Some((_, tenant)) = self.microsoft() else {
            return if self.canonical_issuer(token.iss, metadata_issuer) == metadata_issuer {
                Ok(())
            } else {
                foreign("iss is not the provider's issuer")
            };
        };
        let tid = match token.tid {
            // Only a GUID can be put into an address without changing what it means.
            Some(tid) if !is_guid(tid) => return foreign("tid is not a GUID"),
            Some(tid) => Some(tid),
            None if metadata_issuer.contains(TEMPLATE) => {
                return foreign("tid is missing, so that the issuer cannot be known");
            }
            None => guid_in(metadata_issuer),
        };
        if guid_in(metadata_issuer).is_some_and(|guid| tid != Some(guid)) {
            return foreign("tid is not the tenant of the issuer");
        }
        if token.iss != metadata_issuer.replace(TEMPLATE, tid.unwrap_or_default()) {
            return foreign("iss is not the issuer of the token's tenant");
        }
        let refused = |detail: &'static str| {
            let tid = tid.map_or_else(|| "none".into(), shown);
            Err(Error::new(
                ErrorKind::TenantNotAllowed,
                format!("{detail}: the tenant is {tid}, and allowed are {tenants}"),
            ))
        };
        match tenant {
            Tenant::Organizations if tid == Some(PERSONAL) => {
                refused("a personal account at an authority for organizations")
            }
            Tenant::Consumers if tid != Some(PERSONAL) => {
                refused("a work or school account at the authority for personal accounts")
            }
            _ if !tenants.allow(tid) => refused("the token's tenant is not on the list"),
            _ => Ok(()),
        }
    }

    /// The issuer that a token's `iss` stands for: Google's older name for itself, without the
    /// scheme, is its issuer (<https://developers.google.com/identity/openid-connect/openid-connect>
    /// has both). One name has to be kept, or one person would be two.
    pub(crate) fn canonical_issuer<'i>(&self, iss: &'i str, metadata_issuer: &'i str) -> &'i str {
        if self.is_google() && iss == "accounts.google.com" { metadata_issuer } else { iss }
    }

    /// The tenant's GUID in the issuer of a token, if issuers here name tenants.
    pub(crate) fn tenant_in<'i>(&self, iss: &'i str) -> Option<&'i str> {
        if self.is_microsoft() { guid_in(iss) } else { None }
    }

    /// Whether a key may sign such a token, given the issuer of the discovery document.
    ///
    /// One key set of Microsoft's holds the keys of several tenants, of personal accounts and of
    /// several clouds: a key's own `issuer` is what keeps them apart.
    pub(crate) fn check_key(
        &self,
        metadata_issuer: &str,
        key: &KeyIssuer<'_>,
        token: &TokenIssuer<'_>,
    ) -> Result<(), Error> {
        let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenKeyIssuer, detail));
        if let Some((instance, _)) = self.microsoft()
            && let Some(cloud) = present(key.cloud_instance_name)
            && !instance.is_called(cloud)
        {
            return refused("the key belongs to another cloud");
        }
        let Some(issuer) = present(key.issuer) else {
            return if metadata_issuer.contains(TEMPLATE) {
                refused("the key names no issuer, in a key set for several tenants")
            } else {
                Ok(())
            };
        };
        let expected = match (issuer.contains(TEMPLATE), token.tid) {
            (false, _) => issuer.to_owned(),
            (true, Some(tid)) if is_guid(tid) => issuer.replace(TEMPLATE, tid),
            (true, _) => return refused("the key is for any tenant, and the token names none"),
        };
        if token.iss == expected { Ok(()) } else { refused("the key belongs to another issuer") }
    }

    /// Whether a token was made by the B2C policy that this value signs in with: its `tfp`, or
    /// `acr` in older custom policies.
    pub(crate) fn check_policy(&self, tfp: Option<&str>, acr: Option<&str>) -> Result<(), Error> {
        let Kind::B2c { policy, .. } = &self.kind else { return Ok(()) };
        // Azure writes the name as it was made and takes it in any letter case.
        if tfp.or(acr).is_some_and(|told| told.eq_ignore_ascii_case(policy)) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TokenMismatch,
            "the token was made by another policy than the one that was asked",
        ))
    }
}

impl Instance {
    /// Whether a document or key of this instance may call its cloud so.
    fn is_called(&self, cloud_instance_name: &str) -> bool {
        match self.cloud {
            Some(cloud) => cloud.instance_names.contains(&cloud_instance_name),
            None => cloud_instance_name == self.host(),
        }
    }
}

/// An issuer as far as the address of its document depends on it: a slash at the end is taken off
/// before the well-known path is appended (Discovery section 4.1). So whoever publishes the one
/// issuer's document publishes the other's too, and people leave the slash out or add it as they
/// like. In everything that comes after, the document's spelling is the only one.
fn without_last_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// `{origin}/{tenant}/v2.0`, where a cloud's aliases share the issuer of its first host.
fn entra_fits(instance: &Instance, tenant: &Tenant, issuer: &str) -> bool {
    let canonical = instance.cloud.map(|cloud| format!("https://{}", cloud.issuer_host()));
    [Some(&instance.origin), canonical.as_ref()].into_iter().flatten().any(|origin| {
        let segment = issuer
            .strip_prefix(origin.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| rest.strip_suffix("/v2.0"));
        segment.is_some_and(|segment| tenant.fits(segment))
    })
}

/// `{origin}/{tenant}/v2.0`; or `https://{GUID or name}.ciamlogin.com/{GUID}/v2.0`, also under a
/// custom domain.
///
/// On loopback the second form is `http://{GUID or name}.localhost:{port}/{GUID}/v2.0`.
fn external_id_fits(
    instance: &Instance,
    tenant: &Tenant,
    custom_domain: bool,
    issuer: &str,
) -> bool {
    if entra_fits(&Instance { origin: instance.origin.clone(), cloud: None }, tenant, issuer) {
        return true;
    }
    // A loopback host is a cloud of its own: what `{GUID}.ciamlogin.com` is elsewhere is
    // `{GUID}.localhost` there, on the same port.
    let (scheme, parent) = match instance.loopback() {
        Some((scheme, port)) => (scheme, format!(".localhost{port}/")),
        None => ("https://", ".ciamlogin.com/".to_owned()),
    };
    let Some((name, rest)) = issuer.strip_prefix(scheme).and_then(|rest| rest.split_once(&parent))
    else {
        return false;
    };
    let Some(guid) = rest.strip_suffix("/v2.0").filter(|guid| is_guid(guid) && tenant.fits(guid))
    else {
        return false;
    };
    let known_name = match tenant {
        // The tenant is certain, so the name before it can be what it likes.
        Tenant::Guid(_) => custom_domain && is_label(name),
        _ => custom_domain && tenant.as_str().split('.').next() == Some(name),
    };
    name == guid || known_name
}

/// `{origin}/{GUID}/v2.0/`, or with the policy in it: `{origin}/tfp/{GUID}/{policy}/v2.0/`. Never
/// the policy's own address.
fn b2c_fits(instance: &Instance, tenant: &Tenant, policy: &str, issuer: &str) -> bool {
    let Some(path) = issuer.strip_prefix(instance.origin.as_str()) else { return false };
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", guid, "v2.0"] => is_guid(guid) && tenant.fits(guid),
        ["", "tfp", guid, told, "v2.0"] => {
            is_guid(guid) && tenant.fits(guid) && told.eq_ignore_ascii_case(policy)
        }
        _ => false,
    }
}

/// The tenant that an issuer names.
fn guid_in(issuer: &str) -> Option<&str> {
    issuer.split('/').find(|segment| is_guid(segment))
}

/// One label of a host name.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A member that is there and says something.
fn present(member: Option<&str>) -> Option<&str> {
    member.filter(|text| !text.trim().is_empty())
}

/// As much of a stranger's text as a log line can take.
fn cut(text: &str) -> &str {
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

    /// C-411: and the attacks of issue 3: a token of a foreign tenant, a swapped `tid`.
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
    fn googles_older_name_for_itself_is_its_issuer_and_no_other_providers() {
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
    fn a_tenant_by_name_is_held_to_the_list_as_well() {
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

    /// MSAL-006: a real key set of the public cloud holds keys of the US government's, under the
    /// very same `issuer`.
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

    /// MSAL-006
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
    fn a_tenant_asked_about_in_the_wrong_cloud_is_noticed() {
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

    /// C-222
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
    fn a_slash_at_the_end_of_a_generic_issuer_makes_no_difference_to_its_document() {
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
}
