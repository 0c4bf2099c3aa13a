//! [`Application`]: the collaborators and settings that all users of an application share.

use crate::{client::Client, protocol::Provider, tokens::Grants};

/// The collaborators and settings that the methods of [`User`](super::User) need.
pub(crate) struct Application {
    pub(super) provider: Provider,
    pub(super) grants: Grants,
    /// Gets the tokens of the application itself.
    pub(super) client: Client,
    /// The external path of the B2C profile page: with the prefix that a proxy strips.
    pub(super) edit_profile: Option<String>,
    /// The external path of the B2C password reset.
    pub(super) reset_password: Option<String>,
}

impl Application {
    pub(crate) fn new(provider: Provider, grants: Grants, client: Client) -> Self {
        let config = provider.config();
        let external = |path: &Option<String>| {
            path.as_deref().map(|path| config.external_path(path).into_owned())
        };
        let edit_profile = external(&config.paths().edit_profile);
        let reset_password = external(&config.paths().reset_password);
        Self { provider, grants, client, edit_profile, reset_password }
    }
}
