//! What a look at a configuration finds: [`Finding`], and those that need no provider.

use std::fmt;

use super::{CookieKeySource, SignInMethod, ValidConfig};

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// It is as it should be.
    Passed,
    /// Something to know.
    Note,
    /// People can sign in, but something will not be as expected.
    Warning,
    /// People cannot sign in.
    Problem,
}

impl Severity {
    /// One word: `ok`, `note`, `warning` or `problem`.
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

/// One thing that was looked at.
///
/// `Display` is its sentence.
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

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Its stable code, for example `clock_skew`; where the provider gave a known error code, the reason of its [`Advice`](crate::Advice).
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
    /// What can be seen without the provider, and is no mistake everywhere.
    pub(crate) fn check_settings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |severity, code, text: String| found.push(Finding::new(severity, code, text));
        let (address, microsoft) = (self.redirect_uri(), self.authority().is_microsoft());
        let real = microsoft && !self.authority().is_loopback();
        let redirects = self.sign_in_method() == SignInMethod::Redirect;
        if !self.secure() && redirects {
            add(
                Severity::Note,
                "redirect_uri_http",
                format!(
                    "The redirect address {address} is on this machine: that is for development; everywhere else it has to be https."
                ),
            );
        }
        if real && redirects && address.host_str().is_some_and(|host| host.starts_with("127.") || host == "[::1]") {
            add(
                Severity::Warning,
                "redirect_uri_loopback_number",
                format!("The portal does not take {address} as a redirect address: use the name localhost in the base URL."),
            );
        }
        if real && !is_guid(self.client_id()) {
            let text =
                format!("The client id {:?} is not a GUID, as the portal's \"Application (client) ID\" is.", self.client_id());
            add(Severity::Problem, "client_id_not_a_guid", text);
        }
        if microsoft && self.credential().client_secret().is_some_and(|secret| is_guid(secret.expose())) {
            let text = "The client secret looks like the secret's ID: the portal shows its value only once, when it is made.";
            add(Severity::Warning, "client_secret_looks_like_its_id", text.into());
        }
        if self.cookie_key_source() == CookieKeySource::Random {
            let text = "Sessions end when this process does: set a cookie secret (IDENTITY_COOKIE_SECRET) to keep them.";
            add(Severity::Note, "cookie_secret_random", text.into());
        }
        if self.authority().is_multi_tenant() && self.tenants().is_any() {
            let text =
                "People of every tenant in the world may sign in: list the tenants unless that is meant (IDENTITY_TENANTS).";
            add(Severity::Warning, "any_tenant", text.into());
        }
        found
    }
}

/// The five groups of hexadecimal digits that the portal shows as an ID.
fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
