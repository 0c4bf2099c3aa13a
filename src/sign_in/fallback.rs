//! How a sign-in that the provider refused is repeated.

use super::{
    attempt::{Attempt, Purpose},
    relying_party::RelyingParty,
};
use crate::{
    error::Error,
    protocol::{DEFAULT_SCOPES_REFUSED, asks_to_begin_again, refuses_languages},
};

/// The parameters that a request omits because the provider refused the previous request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Omits nothing: the first request, or an equal one.
    None,
    /// Omits `prompt=none`, even if it is configured: a silent sign-in was refused.
    WithPages,
    /// Omits the default scopes, which neither the configuration nor the page names: the provider
    /// refused the request that contained them.
    WithNamedScopes,
    /// Omits the languages (`ui_locales`) of the browser or of the page: the provider refused them.
    WithoutLanguages,
}

impl RelyingParty {
    /// How to repeat a sign-in that failed with this error, if another request can succeed. There
    /// is one repetition per sign-in: a second error is shown.
    pub(crate) fn fallback_after(&self, attempt: &Attempt, error: &Error) -> Option<Fallback> {
        // One repetition only, and only of a sign-in or step-up.
        if attempt.retry > 0
            || attempt.purpose.is_policy()
            || attempt.purpose == Purpose::ReadClaims
        {
            return None;
        }
        if asks_to_begin_again(error) {
            tracing::info!(reason = error.reason(), "the provider asks for another try");
            return Some(Fallback::None);
        }
        // The next code is redeemed with the client authentication that was accepted.
        if error.is_of_spent_grant() {
            tracing::info!(
                reason = error.reason(),
                %error,
                "the provider spent the code with a request whose client authentication it \
                 refused; the sign-in starts again"
            );
            return Some(Fallback::None);
        }
        // Languages that the configuration names would be sent again.
        if self.config().sign_in().ui_locales.is_empty() && refuses_languages(error) {
            tracing::warn!(
                reason = error.reason(),
                "the provider refuses the languages of the browser (`ui_locales`), so each sign-in \
                 takes a second request: name languages that it takes (`with_ui_locales`, \
                 IDENTITY_UI_LOCALES)"
            );
            return Some(Fallback::WithoutLanguages);
        }
        if self.provider().may_refuse_default_scopes(error) {
            tracing::warn!(
                reason = error.reason(),
                "{DEFAULT_SCOPES_REFUSED}: each sign-in takes a second request"
            );
            return Some(Fallback::WithNamedScopes);
        }
        None
    }
}
