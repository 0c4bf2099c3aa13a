//! What else the layer and [`WebAuth`] have in common: renewing, asking for more, signing out at
//! the provider.

use super::web_auth::WebAuth;
use crate::{
    config::{ProviderSession, SignInOptions},
    error::{Error, ErrorKind},
    protocol::EndSession,
    secret::{self, Secret},
    tokens::{GrantRef, Grants, Renewal, Renewed},
};

impl WebAuth {
    /// Asks for what was granted before as well, so that one consent does not undo another.
    /// Microsoft's providers remember it themselves, and redeem a code for one resource only.
    /// `most`: how long all scopes may be to ask for the earlier ones again.
    pub(super) async fn add_granted(
        &self,
        options: &mut SignInOptions,
        grants: &Grants,
        grant: &GrantRef,
        most: usize,
    ) {
        if options.scopes.is_empty() || self.config().authority().is_microsoft() {
            return;
        }
        let granted = grants.scopes(grant).await;
        let asked: usize = options.scopes.iter().map(String::len).sum();
        let more: Vec<_> = granted
            .into_iter()
            .filter(|scope| {
                !options.scopes.contains(scope) && !self.config().is_default_scope(scope)
            })
            .collect();
        if asked + more.iter().map(String::len).sum::<usize>() <= most {
            options.scopes.extend(more);
        }
    }

    /// The provider's end of session (OpenID Connect RP-Initiated Logout 1.0), if it is wanted and
    /// there is one.
    pub(super) async fn end_session_address(
        &self,
        id_token: Option<&Secret>,
        hint: Option<&str>,
    ) -> Option<String> {
        if self.config().provider_session() == ProviderSession::Keep {
            return None;
        }
        let metadata = self.provider().metadata().await.ok()?;
        let state = secret::random::<16>().map(|bytes| secret::base64url(&bytes)).ok()?;
        EndSession {
            client_id: self.config().client_id(),
            post_logout_redirect_uri: Some(self.config().signed_out_url()),
            state: Some(&state),
            id_token_hint: id_token.map(Secret::expose),
            logout_hint: hint,
            settings: Some(self.config().sign_out()),
        }
        .url(&metadata)
        .map(String::from)
    }
}

/// The present claims of a session whose renewal is due (D6); `None` if it is over, or goes on only
/// after a sign-in.
///
/// # Errors
///
/// It could not be renewed for a passing reason.
pub(super) async fn renewed(grants: &Grants, grant: &GrantRef) -> Result<Option<Renewed>, Error> {
    match grants.renew(grant).await {
        Ok(Renewal::Live(renewed)) => Ok(Some(renewed)),
        Ok(Renewal::SessionMustEnd(error)) => {
            tracing::info!(reason = error.reason(), "session ended at its renewal");
            Ok(None)
        }
        // The records stay: whoever signs in again replaces them.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InteractionRequired | ErrorKind::NoRefreshToken
            ) =>
        {
            tracing::info!(reason = error.reason(), "session needs a new sign-in");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
