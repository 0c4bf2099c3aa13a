//! [`Application`]: the collaborators and settings that all users of an application share.

use std::{sync::Arc, time::Duration};

use crate::{client::Client, clock::Clock, config::ValidConfig, tokens::Grants};

/// The collaborators and settings that the methods of [`User`](super::User) need.
pub(crate) struct Application {
    pub(super) grants: Grants,
    /// Gets the tokens of the application itself.
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    /// Greatest accepted difference between the provider's clock and ours.
    pub(super) leeway: Duration,
    /// Whether the authority is Entra ID, External ID or B2C.
    pub(super) is_microsoft: bool,
    /// Whether the authority is Entra ID, whose tenants have guests.
    pub(super) is_entra: bool,
    /// The external path of the B2C profile page: with the prefix that a proxy strips.
    pub(super) edit_profile: Option<String>,
    /// The external path of the B2C password reset.
    pub(super) reset_password: Option<String>,
}

impl Application {
    pub(crate) fn new(
        config: &ValidConfig,
        grants: Grants,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let authority = config.authority();
        let external = |path: &Option<String>| {
            path.as_deref().map(|path| config.external_path(path).into_owned())
        };
        Self {
            grants,
            client,
            clock,
            leeway: config.clock_leeway(),
            is_microsoft: authority.is_microsoft(),
            is_entra: authority.is_entra(),
            edit_profile: external(&config.paths().edit_profile),
            reset_password: external(&config.paths().reset_password),
        }
    }
}
