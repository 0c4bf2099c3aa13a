//! The part of the handle that speaks of the imitated Entra.

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

/// The imitated Entra. All of it is for a provider that was started with
/// [`entra`](super::DevProviderBuilder::entra), and an error otherwise.
impl DevProvider {
    /// The authority of a tenant (GUID or domain name), or `common`, `organizations`, `consumers`:
    /// `http://127.0.0.1:49152/common/v2.0`.
    ///
    /// For a B2C tenant it is that of the policy for signing in, beside which the ones for profile
    /// and password are named.
    ///
    /// # Errors
    ///
    /// The provider does not imitate Entra, or there is no such tenant.
    pub fn entra_authority(&self, tenant: &str) -> Result<Authority, ConfigError> {
        let wrong = |problem: String| Err(ConfigError::new("authority", problem));
        let Some(world) = &self.server.world else {
            return wrong(
                "this provider is a generic one: start it with `DevProvider::builder().entra()`"
                    .into(),
            );
        };
        if ["common", "organizations", "consumers"].contains(&tenant) {
            return Authority::entra_url(&self.server.url(&format!("/{tenant}")));
        }
        let Some(known) = world.tenant(tenant) else {
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

    /// A configuration of the application at `base_url` for [an authority](Self::entra_authority)
    /// and the first client: add what the application needs, then build it. `common` and
    /// `organizations` need to be told whose people may sign in.
    ///
    /// # Errors
    ///
    /// As [`entra_authority`](Self::entra_authority), or `base_url` is not an address on a loopback
    /// host.
    pub fn entra_config(
        &self,
        tenant: &str,
        base_url: &str,
    ) -> Result<IdentityConfig, ConfigError> {
        self.config_at(self.entra_authority(tenant)?, base_url)
    }

    /// Where the small Graph is: `http://127.0.0.1:49152/graph`, below it
    /// `/v1.0/me/transitiveMemberOf/microsoft.graph.group` and a few others.
    #[must_use]
    pub fn graph_url(&self) -> String {
        self.server.url("/graph")
    }

    /// The `oid` of a person in a tenant; `None` if they are not known there.
    #[must_use]
    pub fn object_id(&self, person: &str, tenant: DevTenant) -> Option<String> {
        let world = self.server.world.as_ref()?;
        let state = self.server.state();
        state
            .person(person)
            .filter(|person| world.knows(person, &tenant))
            .map(|person| tenant::object_id(person, &tenant))
    }

    /// The account at home, as MSAL writes it: `{uid}.{utid}`. For guests it has nothing of the
    /// tenant that they sign in to.
    #[must_use]
    pub fn home_account_id(&self, person: &str) -> Option<String> {
        let world = self.server.world.as_ref()?;
        let state = self.server.state();
        let person = state.person(person)?;
        let (uid, utid) =
            entra_issue::home_account(world, person, &realm::at_home(world.home(person)));
        Some(format!("{uid}.{utid}"))
    }
}
