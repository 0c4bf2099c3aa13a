//! A provider that refuses a scope which is requested by default, although no setting names it.

use crate::{config::ValidConfig, error::Error};

/// The fact that the provider refused the default scopes, and its remedy, for log and check.
pub(crate) const DEFAULT_SCOPES_REFUSED: &str = "the provider does not allow this application \
     `profile`, `email` or `offline_access`, which are requested by default: allow them to the \
     application there, or name the scopes that it may have (`with_openid_scopes`, \
     IDENTITY_OPENID_SCOPES)";

/// The fact that the provider refused `offline_access` without a consent, and its remedy, for log
/// and check.
pub(crate) const CONSENT_REQUIRED: &str = "the provider refuses the scope `offline_access` without \
     `prompt=consent` (OpenID Connect Core section 11): ask for the consent at each sign-in \
     (`SignInOptions::with_prompt`, IDENTITY_PROMPT=consent), or leave the scope out, so that \
     sessions may not be renewed (`with_openid_scopes`, IDENTITY_OPENID_SCOPES)";

/// Whether the error may be the refusal of a default scope. A provider may list a scope and still
/// not allow it to every client.
pub(crate) fn may_be_refused(config: &ValidConfig, error: &Error) -> bool {
    let has_defaults = config.openid_scopes().iter().any(|scope| config.is_default_scope(scope));
    // Microsoft allows the default scopes to every application, and has codes of its own for other
    // scopes.
    has_defaults && !config.authority().is_microsoft() && is_about_a_scope(error)
}

/// Whether the error may be about a scope: `invalid_scope` (RFC 6749 sections 4.1.2.1 and 5.2), or
/// `invalid_request` with "scope" or `offline_access` in its description, as from
/// OpenIddict: "The client application is not allowed to use the 'offline_access' scope."
fn is_about_a_scope(error: &Error) -> bool {
    error.provider().is_some_and(|said| match said.error.as_str() {
        "invalid_scope" => true,
        "invalid_request" => said.description.as_deref().is_some_and(|description| {
            let description = description.to_ascii_lowercase();
            description.contains("scope") || description.contains("offline_access")
        }),
        _ => false,
    })
}
