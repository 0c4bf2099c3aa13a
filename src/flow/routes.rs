//! Which of the layer's own paths, a public one, or one that needs a signed-in user: pure, no I/O.

use std::borrow::Cow;

use http::{HeaderMap, Method, header};

use crate::config::{Paths, Preflight, ValidConfig};

/// Where a request goes that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    SignIn,
    Callback,
    SignOut,
    SignedOut,
    EditProfile,
    ResetPassword,
    Protected,
}

/// `None` is a public path. Deny by default: whatever is not one of these exactly is protected.
pub(super) fn route(config: &ValidConfig, method: &Method, path: &str, headers: &HeaderMap) -> Option<Route> {
    if config.public_paths().is_public(path) {
        return None;
    }
    match own_route(config.paths(), path) {
        None if config.preflight() == Preflight::Pass && is_preflight(method, headers) => None,
        None => Some(Route::Protected),
        own => own,
    }
}

/// Which of the layer's own paths it is. Most paths are none, and most of those are not even as long as one.
fn own_route(paths: &Paths, path: &str) -> Option<Route> {
    if !paths.has_length(path.len()) {
        return None;
    }
    let is = |own: &Option<String>| own.as_deref() == Some(path);
    if path == paths.callback {
        Some(Route::Callback)
    } else if path == paths.login {
        Some(Route::SignIn)
    } else if path == paths.logout {
        Some(Route::SignOut)
    } else if path == paths.signed_out {
        Some(Route::SignedOut)
    } else if is(&paths.edit_profile) {
        Some(Route::EditProfile)
    } else if is(&paths.reset_password) {
        Some(Route::ResetPassword)
    } else {
        None
    }
}

fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The page as the browser asked for it. A proxy has taken the prefix of the base URL off; axum's `nest` has, too, but the address that it keeps for us has it.
pub(super) fn page_as_asked<'p>(config: &ValidConfig, page: &'p str) -> Cow<'p, str> {
    match page.strip_prefix(config.external_prefix()) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => Cow::Borrowed(page),
        _ => config.external_path(page),
    }
}
