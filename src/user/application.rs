//! What all users of one application have in common.

use std::{fmt, sync::Arc, time::Duration};

use crate::{client::Client, clock::Clock, config::ValidConfig, tokens::Grants};

/// What a user is read with, beside their own claims.
pub(crate) struct Application {
    pub(super) grants: Grants,
    /// For tokens that are not the user's.
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    /// How far the provider's clock may be from ours.
    pub(super) leeway: Duration,
    /// Whether people are told apart by tenant and object id.
    pub(super) is_microsoft: bool,
    /// Whether there are guests.
    pub(super) is_entra: bool,
    /// Where a B2C profile is edited, as browsers see the path.
    pub(super) edit_profile: Option<String>,
    /// Where a B2C password is reset.
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

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}
