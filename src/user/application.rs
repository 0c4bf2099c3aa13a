//! What all users of one application have in common.

use std::{fmt, sync::Arc, time::Duration};

use crate::{clock::Clock, config::ValidConfig, tokens::Grants};

/// What a user is read with, beside their own claims.
pub(crate) struct Application {
    pub(super) grants: Grants,
    pub(super) clock: Arc<dyn Clock>,
    /// How far the provider's clock may be from ours.
    pub(super) leeway: Duration,
    /// Whether people are told apart by tenant and object id.
    pub(super) is_microsoft: bool,
    /// Whether there are guests.
    pub(super) is_entra: bool,
}

impl Application {
    pub(crate) fn new(config: &ValidConfig, grants: Grants, clock: Arc<dyn Clock>) -> Self {
        let authority = config.authority();
        Self {
            grants,
            clock,
            leeway: config.clock_leeway(),
            is_microsoft: authority.is_microsoft(),
            is_entra: authority.is_entra(),
        }
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}
