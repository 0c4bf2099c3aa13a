//! The findings of a check of the configuration: [`Finding`], and the checks that need no provider.

use std::fmt;

use super::{
    ClientCredential, CookieKeySource, CredentialKind, ProviderSession, SignInMethod, ValidConfig,
};
use crate::{authority, clock::UnixTime};

/// The number of days before its expiry at which a certificate is reported.
const SOON: u64 = 30;

/// The importance of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The check passed.
    Passed,
    /// Information.
    Note,
    /// Users can sign in, or callers can use the API, but something will not work as expected.
    Warning,
    /// Users cannot sign in, or callers cannot use the API.
    Problem,
}

impl Severity {
    /// The name as one word: `ok`, `note`, `warning` or `problem`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// The result of one check. `Display` writes it as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    severity: Severity,
    code: &'static str,
    text: String,
}

impl Finding {
    pub(crate) fn new(severity: Severity, code: &'static str, text: impl Into<String>) -> Self {
        Self { severity, code, text: text.into() }
    }

    pub(crate) fn problem(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Severity::Problem, code, text)
    }

    pub(crate) fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, text)
    }

    pub(crate) fn note(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, text)
    }

    pub(crate) fn passed(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Severity::Passed, code, text)
    }

    /// The importance.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The stable code, for example `clock_skew`. For a known error code of the provider it is the
    /// reason of its [`Advice`](crate::Advice).
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ValidConfig {
    /// The findings that need no request to the provider: settings that are likely mistakes, but
    /// not certainly.
    pub(crate) fn offline_findings(&self, now: UnixTime) -> Vec<Finding> {
        let mut found = self.shared_findings(now);
        let (address, real) = (self.redirect_url(), self.is_of_real_microsoft());
        let redirects = self.sign_in_method() == SignInMethod::Redirect;
        // RFC 8252 section 7.3 allows `http` for loopback redirect URIs only.
        if !self.secure() && redirects {
            found.push(Finding::note(
                "redirect_uri_http",
                format!(
                    "The redirect URI {address} is on this machine, which is for development \
                     only: elsewhere it has to be https."
                ),
            ));
        }
        if real
            && redirects
            && address.host_str().is_some_and(|host| host.starts_with("127.") || host == "[::1]")
        {
            found.push(Finding::warning(
                "redirect_uri_loopback_number",
                format!(
                    "The portal does not accept {address} as a redirect URI: use the name \
                     localhost in the base URL."
                ),
            ));
        }
        found.extend(self.urls_to_register());
        if self.cookie_key_source() == CookieKeySource::Random {
            let text = "Sessions end with this process: set a cookie secret \
                        (IDENTITY_COOKIE_SECRET) to keep them.";
            found.push(Finding::note("cookie_secret_random", text));
        }
        found.extend(self.description().api_variables());
        found
    }

    /// The URLs that have to be registered at the provider. A sign-in shows at once whether the
    /// first one is; the other is needed by a sign-out alone, and no request of `check` tests it.
    fn urls_to_register(&self) -> Option<Finding> {
        let redirect = match self.sign_in_method() {
            SignInMethod::Redirect => Some(format!("{} as a redirect URI", self.redirect_uri())),
            SignInMethod::DeviceCode => None,
        };
        // OpenID Connect RP-Initiated Logout 1.0 section 3.1.
        let signed_out = (self.provider_session() == ProviderSession::End).then(|| {
            let kind = match self.authority().is_microsoft() {
                true => "another redirect URI of the same platform (\"Web\")",
                false => {
                    "a post-logout redirect URI (URL after sign-out), if the provider has these"
                }
            };
            format!("{} as {kind}", self.signed_out_url())
        });
        let urls: Vec<String> = redirect.into_iter().chain(signed_out).collect();
        (!urls.is_empty()).then(|| {
            let text = format!("Register at the provider, exactly so: {}.", urls.join(", and "));
            Finding::note("urls_to_register", text)
        })
    }

    /// Logs the findings that need no provider and are problems or warnings, once, where the part
    /// starts that has this configuration: [`check`](Self::check) is called by few applications.
    pub(crate) fn log_mistakes(&self, now: UnixTime) {
        log_mistakes(&self.offline_findings(now), self.notices());
    }

    /// [`log_mistakes`](Self::log_mistakes) for a program without pages.
    pub(crate) fn log_shared_mistakes(&self, now: UnixTime) {
        log_mistakes(&self.shared_findings(now), self.notices());
    }

    /// The findings that an API shares with an application that signs users in.
    pub(super) fn shared_findings(&self, now: UnixTime) -> Vec<Finding> {
        let mut found: Vec<Finding> = self
            .credential()
            .members()
            .iter()
            .filter_map(|member| certificate_finding(member, now))
            .collect();
        found.extend(self.notices().iter().cloned());
        if self.is_of_real_microsoft() && !is_guid(self.client_id()) {
            let text = format!(
                "The client id {:?} is not a GUID, as the portal's \"Application (client) ID\" is.",
                self.client_id()
            );
            found.push(Finding::problem("client_id_not_a_guid", text));
        }
        if self.authority().is_microsoft()
            && self.credential().client_secret().is_some_and(|secret| is_guid(secret.expose()))
        {
            let text = "The client secret looks like the secret's ID: the portal shows the value \
                        only once, when the secret is created.";
            found.push(Finding::warning("client_secret_looks_like_its_id", text));
        }
        // Legitimate for a product that is open to all organisations, and a serious mistake
        // otherwise.
        if self.authority().is_multi_tenant() && self.tenants().is_any() {
            let text = "Users of every tenant in the world may sign in: list the tenants unless \
                        this is intended (IDENTITY_TENANTS).";
            found.push(Finding::warning(ANY_TENANT, text));
        }
        found
    }

    /// Whether the provider is Microsoft's own: a development provider on loopback imitates it with
    /// short ids.
    fn is_of_real_microsoft(&self) -> bool {
        self.authority().is_microsoft() && !self.authority().is_loopback()
    }
}

/// Logs problems as errors and warnings as such, one line each, with the reason code. `logged` are
/// those that `build` has logged.
pub(super) fn log_mistakes(findings: &[Finding], logged: &[Finding]) {
    for finding in findings.iter().filter(|finding| !logged.contains(finding)) {
        let reason = finding.code();
        match finding.severity() {
            Severity::Problem => tracing::error!(reason, "{finding}"),
            // `any` is written out: at every start of a product that is open to all organisations
            // the warning would be noise.
            Severity::Warning if reason == ANY_TENANT => {}
            Severity::Warning => tracing::warn!(reason, "{finding}"),
            Severity::Note | Severity::Passed => {}
        }
    }
}

/// The code of the finding that every tenant may sign in.
const ANY_TENANT: &str = "any_tenant";

/// The finding about a certificate that has expired or will expire soon.
fn certificate_finding(credential: &ClientCredential, now: UnixTime) -> Option<Finding> {
    // The certificate is read again, because its file can have been replaced since `build`.
    let CredentialKind::Key(source) = credential.kind() else { return None };
    let until = credential.load_key(source).ok()?.validity()?.until;
    let days = until.since(now).as_secs() / (24 * 3600);
    if until <= now {
        let text = format!(
            "The certificate of {credential} has expired: create another and register it at the \
             provider."
        );
        return Some(Finding::problem("certificate_expired", text));
    }
    let text =
        format!("The certificate of {credential} expires in {days} days: create another in time.");
    (days < SOON).then(|| Finding::warning("certificate_expires_soon", text))
}

/// Whether it is a GUID in any letter case, the form in which the portal shows ids.
fn is_guid(text: &str) -> bool {
    authority::is_guid(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_keys;

    #[test]
    fn a_certificate_that_expires_soon_is_a_warning() {
        let (key, certificate) = (test_keys::rsa(), test_keys::certificate());
        let credential = ClientCredential::private_key_pem(key).with_certificate(certificate);
        let CredentialKind::Key(source) = credential.kind() else { panic!() };
        let until = credential.load_key(source).unwrap().validity().unwrap().until;
        let found = |days: u64, more: u64| {
            let found = certificate_finding(
                &credential,
                until - std::time::Duration::from_secs(days * 24 * 3600)
                    + std::time::Duration::from_secs(more),
            );
            found.map(|finding| (finding.severity(), finding.code()))
        };
        assert_eq!(found(40, 0), None);
        assert_eq!(found(29, 0), Some((Severity::Warning, "certificate_expires_soon")));
        assert_eq!(found(0, 0), Some((Severity::Problem, "certificate_expired")));
        assert_eq!(certificate_finding(&ClientCredential::secret("s"), until), None);
    }
}
