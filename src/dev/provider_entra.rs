//! The methods of [`DevProvider`] for the imitated Entra ID.

use super::{
    entra_issue,
    provider::DevProvider,
    realm::{self, Policy},
    tenant::{self, DevTenant, TenantKind},
};
use crate::{
    authority::{Authority, B2cPolicies},
    config::IdentityConfig,
    error::ConfigError,
};

/// Methods for a provider that was started with [`entra`](super::DevProviderBuilder::entra).
impl DevProvider {
    /// The authority of a tenant (GUID or domain name), or `common`, `organizations`, `consumers`:
    /// `http://127.0.0.1:49152/common/v2.0`.
    ///
    /// For a B2C tenant it is the authority of the sign-in policy, with the policies for editing
    /// the profile and for resetting the password.
    ///
    /// # Errors
    ///
    /// The provider does not imitate Entra ID, or the tenant does not exist.
    pub fn entra_authority(&self, tenant: &str) -> Result<Authority, ConfigError> {
        let wrong = |problem: String| Err(ConfigError::new("authority", problem));
        let Some(entra) = &self.server.entra else {
            return wrong(
                "this provider is a generic one: start it with `DevProvider::builder().entra()`"
                    .into(),
            );
        };
        if ["common", "organizations", "consumers"].contains(&tenant) {
            return Authority::entra_url(&self.server.url(&format!("/{tenant}")));
        }
        let Some(known) = entra.tenant(tenant) else {
            return wrong(format!("there is no tenant {tenant:?} here"));
        };
        match known.kind {
            TenantKind::Workforce => Authority::entra_url(&self.server.url(&format!("/{tenant}"))),
            TenantKind::Personal => Authority::entra_url(&self.server.url("/consumers")),
            TenantKind::ExternalId => {
                Authority::external_id_custom_domain(&self.server.origin, tenant)
            }
            TenantKind::B2c => Authority::b2c_custom_domain(
                &self.server.origin,
                tenant,
                B2cPolicies::new(Policy::SignIn.name())
                    .with_edit_profile(Policy::EditProfile.name())
                    .with_reset_password(Policy::ResetPassword.name()),
            ),
        }
    }

    /// A configuration for the application at `base_url` with [an authority](Self::entra_authority)
    /// and the client that every provider has. Add what the application needs, then build it.
    /// `common` and `organizations` need a list of allowed tenants.
    ///
    /// # Errors
    ///
    /// Those of [`entra_authority`](Self::entra_authority) and of [`config`](Self::config).
    pub fn entra_config(
        &self,
        tenant: &str,
        base_url: &str,
    ) -> Result<IdentityConfig, ConfigError> {
        self.config_at(self.entra_authority(tenant)?, base_url)
    }

    /// The base URL of the imitated Microsoft Graph, `http://127.0.0.1:49152/graph`. It has, for
    /// the token of a signed-in user and below `/v1.0`: `GET /me`, `GET /me/memberOf`,
    /// `GET /me/transitiveMemberOf`, `GET /me/transitiveMemberOf/microsoft.graph.group`,
    /// `POST /me/getMemberGroups` and `POST /me/getMemberObjects`. Every other path is 400, and a
    /// token of an application itself finds no person (404).
    #[must_use]
    pub fn graph_url(&self) -> String {
        self.server.url("/graph")
    }

    /// The `oid` of a user in a tenant; `None` if the user does not exist there.
    #[must_use]
    pub fn object_id(&self, person: &str, tenant: DevTenant) -> Option<String> {
        let entra = self.server.entra.as_ref()?;
        let state = self.server.state();
        state
            .person(person)
            .filter(|person| entra.knows(person, &tenant))
            .map(|person| tenant::object_id(person, &tenant))
    }

    /// The account in its home tenant, in the form of MSAL: `{uid}.{utid}`. For a guest it names
    /// the home tenant, not the one of the sign-in.
    #[must_use]
    pub fn home_account_id(&self, person: &str) -> Option<String> {
        let entra = self.server.entra.as_ref()?;
        let state = self.server.state();
        let person = state.person(person)?;
        let (uid, utid) =
            entra_issue::home_account(entra, person, &realm::at_home(entra.home(person)));
        Some(format!("{uid}.{utid}"))
    }
}
