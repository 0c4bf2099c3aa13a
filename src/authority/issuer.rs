//! Which discovery documents, tokens and signing keys an authority accepts, by their issuers.

use super::{
    Authority, AuthorityKind, BEHIND_A_PROXY, Instance, Tenant, Tenants,
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
        let of_https = issuer.strip_prefix("http://").map(|rest| format!("https://{rest}"));
        if of_https
            .is_some_and(|issuer| without_last_slash(&issuer) == without_last_slash(&self.address))
        {
            let issuer = truncated(issuer);
            let detail = format!(
                "the discovery document of {self} has the issuer {issuer:?}, with `http` in the \
                 place of `https`"
            );
            return Err(
                Error::new(ErrorKind::ProviderMisconfigured, detail).with_remedy(BEHIND_A_PROXY)
            );
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
    /// clouds. Only the `issuer` of each key distinguishes them: without this check a key of one
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

    /// Checks that an ID token was issued by the B2C policy of this value. The policy is in the
    /// claim `tfp`, or in `acr` of older custom policies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenMismatch`]: another policy issued it. The other policies of the
    /// configuration do not count: a policy without a second factor must not stand in for one with
    /// it, and a user's mailbox can be enough for the one for a forgotten password.
    pub(crate) fn check_policy(&self, tfp: Option<&str>, acr: Option<&str>) -> Result<(), Error> {
        let AuthorityKind::B2c { policy, .. } = &self.kind else { return Ok(()) };
        // Policy names are case-insensitive: the claim has the spelling of the policy's creation.
        if tfp.or(acr).is_some_and(|claim| claim.eq_ignore_ascii_case(policy)) {
            return Ok(());
        }
        let issued = tfp.or(acr).map_or_else(|| "none".into(), shown);
        let detail = format!(
            "the B2C policy of the token (`tfp`, `acr`) is {issued}, and the requested one is {}",
            shown(policy)
        );
        Err(Error::new(ErrorKind::TokenMismatch, detail))
    }

    /// Checks that an access token was issued by the B2C policy of this value, which is one of the
    /// `accepted` ones of an API.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenMismatch`]: another policy issued it.
    pub(crate) fn check_api_policy(
        &self,
        issued: Option<&str>,
        accepted: &[String],
    ) -> Result<(), Error> {
        let AuthorityKind::B2c { policy, .. } = &self.kind else { return Ok(()) };
        if issued.is_some_and(|issued| issued.eq_ignore_ascii_case(policy)) {
            return Ok(());
        }
        let issued = issued.map_or_else(|| "none".into(), shown);
        let accepted = accepted.iter().map(|policy| shown(policy)).collect::<Vec<_>>().join(", ");
        let detail = format!(
            "the B2C policy of the token (`tfp`, `acr`) is {issued}; this API accepts {accepted}"
        );
        Err(Error::new(ErrorKind::TokenMismatch, detail).with_remedy(
            "have the client request its token from an accepted policy, or accept the policy of \
             the token (`ApiConfig::with_b2c_policies`, IDENTITY_API_B2C_POLICIES)",
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
#[path = "issuer_tests.rs"]
mod tests;
