//! Which of the layer's own paths, a public one, or one that needs a signed-in user: pure, no I/O.

use http::{HeaderMap, Method, header};

use crate::config::{PathPrefix, Preflight, ValidConfig};

/// Where a request goes that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    SignIn,
    Callback,
    SignOut,
    SignedOut,
    Protected,
}

/// The configured paths.
#[derive(Debug)]
pub(crate) struct Routes {
    config: ValidConfig,
    /// What the browser sees in front of the paths of a request: the path of the base URL, where a proxy takes it off.
    prefix: String,
    pass_preflight: bool,
}

impl Routes {
    pub(crate) fn new(config: ValidConfig) -> Self {
        let prefix = match config.path_prefix() {
            PathPrefix::Stripped => config.external_prefix().to_owned(),
            PathPrefix::Kept => String::new(),
        };
        let pass_preflight = config.preflight() == Preflight::Pass;
        Self { config, prefix, pass_preflight }
    }

    /// `None` is a public path. Deny by default: whatever is not one of these exactly is protected.
    pub(crate) fn route(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Route> {
        let paths = self.config.paths();
        if self.config.public_paths().is_public(path) {
            None
        } else if path == paths.callback {
            Some(Route::Callback)
        } else if path == paths.login {
            Some(Route::SignIn)
        } else if path == paths.logout {
            Some(Route::SignOut)
        } else if path == paths.signed_out {
            Some(Route::SignedOut)
        } else if self.pass_preflight && is_preflight(method, headers) {
            None
        } else {
            Some(Route::Protected)
        }
    }

    /// Whether everybody may see the home page.
    pub(crate) fn is_home_public(&self) -> bool {
        let home = self.config.home().as_str();
        self.config.public_paths().is_public(home.strip_prefix(self.prefix.as_str()).unwrap_or(home))
    }

    /// A path of a request as the browser has to ask for it.
    pub(crate) fn external(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The page a request is for, as the browser asked for it: `path_and_query` may lack the prefix that a proxy has taken off.
    pub(crate) fn as_asked(&self, path_and_query: &str) -> String {
        let rest = path_and_query.strip_prefix(self.prefix.as_str());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
            path_and_query.to_owned()
        } else {
            self.external(path_and_query)
        }
    }
}

fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
