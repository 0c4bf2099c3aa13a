//! [`SpoilEntra`]: the faults about tenants in an ID token of the imitated Entra ID.

use serde_json::{Map, Value};

use super::{
    keys::ProviderKey,
    realm::token_issuer,
    server::Server,
    spoil::spoils,
    state::ProviderState,
    tenant::{DevTenant, FOREIGN_TENANT, object_id},
};
use crate::error::Error;

spoils! {
    /// A fault or oddity of the next ID token of the imitated Entra ID, for
    /// [`DevProvider::spoil_next_entra_token`](super::DevProvider::spoil_next_entra_token).
    ///
    /// The token is signed correctly, unless the fault concerns the key. `Refuse` is the verdict
    /// for an authority of one tenant, or with a list of tenants.
    pub enum SpoilEntra {
        /// `iss`, `tid` and `oid` are those of an unknown tenant, correctly signed with the key
        /// that serves every tenant.
        TenantForeign = Refuse,
        /// `tid` is another tenant's.
        TenantSwapped = Refuse,
        /// `iss` is another tenant's.
        IssuerSwapped = Refuse,
        /// `iss` is the template, with `{tenantid}` in it.
        IssuerTemplate = Refuse,
        /// `tid` is the tenant's domain name.
        TenantName = Refuse,
        /// An additional claim `TID` in capital letters names another tenant.
        TenantInCapitals = Refuse,
        /// Signed with a key of the same set that belongs to another cloud.
        KeyOfOtherCloud = Refuse,
        /// Signed with the key for personal accounts only. (Their own tokens are then correct.)
        KeyOfPersonalAccounts = Refuse,
        /// `oid` is that of another user with the same e-mail address.
        ObjectOther = RefuseForKnownPerson,
        /// `email` and `preferred_username` are those of another user. They identify no user.
        EmailOther = Accept,
    }
}

/// Changes the claims, and returns another key if the fault concerns the key.
pub(super) fn carry_out(
    spoil: SpoilEntra,
    server: &Server,
    state: &ProviderState,
    tenant: &DevTenant,
    claims: &mut Map<String, Value>,
) -> Result<Option<ProviderKey>, Error> {
    let mut set = |name: &str, value: String| drop(claims.insert(name.to_owned(), value.into()));
    let other =
        if *tenant == DevTenant::FABRIKAM { DevTenant::CONTOSO } else { DevTenant::FABRIKAM };
    match spoil {
        SpoilEntra::TenantForeign => {
            let foreign = DevTenant::new(FOREIGN_TENANT, "foreign.onmicrosoft.com");
            // Signed with the key for every tenant: only a list of tenants can refuse this token.
            set("iss", token_issuer(server, &foreign));
            set("tid", FOREIGN_TENANT.to_owned());
            set("oid", FOREIGN_TENANT.replace('0', "9"));
        }
        SpoilEntra::TenantSwapped => set("tid", other.id.to_string()),
        SpoilEntra::IssuerSwapped => set("iss", token_issuer(server, &other)),
        SpoilEntra::IssuerTemplate => set("iss", server.url("/{tenantid}/v2.0")),
        SpoilEntra::TenantName => set("tid", tenant.domain.to_string()),
        SpoilEntra::TenantInCapitals => set("TID", other.id.to_string()),
        SpoilEntra::KeyOfOtherCloud => {
            return Ok(state.entra_keys.as_ref().map(|keys| keys.other_cloud.clone()));
        }
        SpoilEntra::KeyOfPersonalAccounts => {
            return state
                .keys_of(Some(&DevTenant::PERSONAL))
                .current()
                .map(|key| Some(key.clone()));
        }
        SpoilEntra::ObjectOther => {
            if let Some(person) = state.people.last() {
                set(
                    "oid",
                    object_id(person, &DevTenant::new(FOREIGN_TENANT, "foreign.onmicrosoft.com")),
                );
            }
        }
        // The account takeover called nOAuth: an e-mail address is chosen by its tenant and proves
        // nothing.
        SpoilEntra::EmailOther => {
            set("email", "somebody.else@contoso.example".to_owned());
            set("preferred_username", "somebody.else@contoso.example".to_owned());
        }
    }
    Ok(None)
}
