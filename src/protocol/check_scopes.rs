//! The request of [`ValidConfig::check`](crate::ValidConfig::check) for a sign-in, and what it does
//! where the provider refuses a scope that is requested by default.

use super::{
    check::Check,
    default_scopes::{self, CONSENT_REQUIRED, DEFAULT_SCOPES_REFUSED},
    error_answer::asks_for_consent,
    metadata::Metadata,
};
use crate::{
    config::{Finding, Prompt, Severity},
    error::Error,
};

impl Check<'_> {
    /// Sends an authorization request without interaction (`prompt=none`) and without a user. A
    /// provider that knows the redirect URI redirects there with `login_required` (OpenID Connect
    /// Core section 3.1.2.6); one that does not must not redirect (RFC 6749 section 4.1.2.1).
    pub(super) async fn sign_in(&self, metadata: &Metadata) -> Finding {
        let scopes = metadata.scopes_of(self.config, self.config.sign_in());
        let (finding, error) = self.try_sign_in(metadata, &scopes).await;
        if finding.severity() == Severity::Problem
            && let Some(finding) =
                self.without_offline_access(metadata, &scopes, error.as_ref()).await
        {
            return finding;
        }
        if !error.is_some_and(|error| default_scopes::may_be_refused(self.config, &error)) {
            return finding;
        }
        // A sign-in does the same.
        match self.try_sign_in(metadata, &self.named(&scopes)).await.0.severity() {
            Severity::Passed => fewer_scopes("each sign-in takes a second request"),
            _ => finding,
        }
    }

    /// The finding where the provider accepts the request without `offline_access`, which it
    /// refuses with `prompt=none`, because it wants `prompt=consent` for that scope (OpenID Connect
    /// Core section 11 has it ignore the scope). `None`: the refusal has another cause, or a
    /// sign-in answers it by leaving out the default scopes.
    async fn without_offline_access(
        &self,
        metadata: &Metadata,
        scopes: &[&str],
        error: Option<&Error>,
    ) -> Option<Finding> {
        let fewer: Vec<&str> =
            scopes.iter().copied().filter(|scope| *scope != "offline_access").collect();
        if fewer.len() == scopes.len() {
            return None;
        }
        let asks = error.is_some_and(asks_for_consent);
        if !asks && error.is_some_and(|error| default_scopes::may_be_refused(self.config, error)) {
            return None;
        }
        let (finding, _) = self.try_sign_in(metadata, &fewer).await;
        if finding.severity() != Severity::Passed {
            return None;
        }
        // The request of a sign-in has the consent that this one cannot ask for (OpenID Connect
        // Core section 3.1.2.1: `none` stands alone).
        if self.config.sign_in().prompt.contains(&Prompt::Consent) {
            return Some(finding);
        }
        let (severity, text) = if asks {
            let text = format!(
                "Users can sign in, but {CONSENT_REQUIRED}: each sign-in takes a second request."
            );
            (Severity::Warning, text)
        } else {
            let text = format!(
                "The provider accepts the request of a sign-in only without `offline_access`. \
                 Either {CONSENT_REQUIRED}; or it does not allow the scope to this application: \
                 allow it there."
            );
            (Severity::Problem, text)
        };
        Some(Finding::new(severity, "offline_access_refused", text))
    }

    /// The scopes without those that are requested by default.
    pub(super) fn named<'s>(&self, scopes: &[&'s str]) -> Vec<&'s str> {
        scopes.iter().copied().filter(|scope| !self.config.is_default_scope(scope)).collect()
    }
}

pub(super) fn fewer_scopes(effect: &str) -> Finding {
    let text = format!("Users can sign in, but {DEFAULT_SCOPES_REFUSED}: {effect}.");
    Finding::warning("default_scopes_refused", text)
}
