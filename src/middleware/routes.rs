//! The route of a request: one of the layer's own paths, a public one, or one that needs a
//! signed-in user. Pure, no I/O.

use std::borrow::Cow;

use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

use crate::{
    config::{PathPrefix, Paths, Preflight, SignInMethod, ValidConfig},
    error::{Error, ErrorKind},
    http_message::is_preflight,
    session::State,
};

/// The destination of a request that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    SignIn,
    Callback,
    SignOut,
    SignedOut,
    EditProfile,
    ResetPassword,
    User,
    KeptForm,
    Protected,
}

/// The methods of one of the layer's own paths. HEAD is GET without content (RFC 9110 section
/// 9.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllowedMethods {
    Get,
    GetAndPost,
}

impl AllowedMethods {
    /// The value of `Allow` (RFC 9110 section 10.2.1).
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::GetAndPost => "GET, HEAD, POST",
        }
    }

    /// Whether a request with this method is answered.
    pub(super) fn contains(self, method: &Method) -> bool {
        match *method {
            Method::GET | Method::HEAD => true,
            Method::POST => self == Self::GetAndPost,
            _ => false,
        }
    }
}

impl Route {
    /// The methods of this path; `None` for a path of the application.
    pub(super) fn methods(self, sign_in_method: SignInMethod) -> Option<AllowedMethods> {
        match (self, sign_in_method) {
            (Self::Protected, _) => None,
            // By device code it is the page with the code.
            (Self::Callback, SignInMethod::DeviceCode)
            | (Self::SignIn | Self::EditProfile | Self::ResetPassword | Self::User, _) => {
                Some(AllowedMethods::Get)
            }
            // A provider that asked its user by a form may send the browser on with 307.
            (Self::SignedOut, _)
            | (Self::Callback, SignInMethod::Redirect)
            | (Self::SignOut | Self::KeptForm, _) => Some(AllowedMethods::GetAndPost),
        }
    }
}

/// `None` is a public path. Deny by default: every other path is protected.
#[inline]
pub(super) fn route(
    config: &ValidConfig,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<Route> {
    // First, because everything can be public by default.
    if let Some(own) = own_route(config.paths(), path) {
        return Some(own);
    }
    let passes = || config.preflight() == Preflight::Pass && is_preflight(method, headers);
    let is_open = config.public_paths().is_public(path) || passes();
    (!is_open).then_some(Route::Protected)
}

/// Which of the layer's own paths it is. Most paths are none, and most of those are not even as
/// long as one.
#[inline]
pub(super) fn own_route(paths: &Paths, path: &str) -> Option<Route> {
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
    } else if is(&paths.user) {
        Some(Route::User)
    } else if is(&paths.kept_form) {
        Some(Route::KeptForm)
    } else {
        None
    }
}

/// The page as the browser asked for it. A proxy has taken the prefix of the base URL off; axum's
/// `nest` has, too, but the address that it keeps for us has it.
pub(super) fn page_as_asked<'p>(config: &ValidConfig, page: &'p str) -> Cow<'p, str> {
    match page.strip_prefix(config.external_prefix()) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => Cow::Borrowed(page),
        _ => config.external_path(page),
    }
}

/// How much of a request's path an error repeats, in bytes.
const SHOWN: usize = 120;

/// The error of a request that looks like one for the layer's own paths and is not: something on
/// its way changed its path in another way than the configuration says. Answered like any other
/// protected page it would be sent to the provider, whose response would come back to the same
/// path, for ever.
///
/// `uri` is that of the browser as far as it is known. Only requests of people who are not signed
/// in come here.
pub(super) fn astray(config: &ValidConfig, uri: &Uri) -> Option<Error> {
    let (came, prefix) = (uri.path(), config.external_prefix());
    let bare = |own: &str| match config.path_prefix() {
        PathPrefix::Kept => own.strip_prefix(prefix).unwrap_or(own).to_owned(),
        PathPrefix::Stripped => own.to_owned(),
    };
    let callback = bare(&config.paths().callback);
    let (kept, plain_path) = (|own: &str| format!("{prefix}{own}"), plain(came));
    let is_callback =
        answers_us(uri) || plain_path == plain(&callback) || plain_path == plain(&kept(&callback));
    // A protected page redirects to the application's own sign-in page first, and by device code to
    // the sign-in path: that link may miss its path, or come back inside another.
    let first = match (config.sign_in_page(), config.sign_in_method()) {
        (Some(page), _) => Some(page),
        (None, SignInMethod::DeviceCode) => Some(&config.paths().login),
        (None, SignInMethod::Redirect) => None,
    };
    let is_sign_in = first.is_some_and(|first| {
        return_to(uri).is_some_and(|to| {
            plain_path.ends_with(&plain(&bare(first))) || to.contains("return_to=")
        })
    });
    let is_other = || {
        config.paths().iter().map(|(_, own)| bare(own)).any(|own| came == own || came == kept(&own))
    };
    // A page of the application that ends like one of ours is a page of the application.
    if !is_callback && !is_sign_in && (prefix.is_empty() || !is_other()) {
        return None;
    }
    let login = first.unwrap_or(&config.paths().login);
    let expected = if is_callback { &config.paths().callback } else { login };
    let came = came.get(..SHOWN).unwrap_or(came);
    let has_prefix = came.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let why = match config.path_prefix() {
        PathPrefix::Stripped if !prefix.is_empty() && has_prefix => format!(
            "{came:?} arrived with {prefix:?}, the path of the base URL, which was expected to be \
             stripped on the way: set with_path_prefix(PathPrefix::Kept) \
             (IDENTITY_PATH_PREFIX=kept), or let the proxy strip it"
        ),
        PathPrefix::Kept if !has_prefix => format!(
            "{came:?} arrived without {prefix:?}, the path of the base URL, which was expected to \
             be kept: set with_path_prefix(PathPrefix::Stripped) \
             (IDENTITY_PATH_PREFIX=stripped), or let the proxy keep it"
        ),
        _ => format!(
            "a request that was expected at {expected:?} came at {came:?}: something between \
             browser and application changes the path. Have it arrive as it is, or correct the \
             base URL (IDENTITY_BASE_URL); PathPrefix says whether its path is kept or stripped on \
             the way"
        ),
    };
    Some(Error::new(ErrorKind::NotConfigured, why))
}

/// Whether the query is an authorization response to a request of this application, at any path.
fn answers_us(uri: &Uri) -> bool {
    let Some(query) = uri.query().filter(|query| query.contains("state=")) else { return false };
    let has = |wanted: &[&str]| {
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| wanted.contains(&&*name))
    };
    let is_ours = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
        name == "state" && State::parse(&value).is_some()
    };
    has(&["code", "error", "response"])
        && url::form_urlencoded::parse(query.as_bytes()).any(is_ours)
}

/// The return path in a link of this application to the sign-in path.
fn return_to(uri: &Uri) -> Option<String> {
    let mut query = url::form_urlencoded::parse(uri.query()?.as_bytes());
    query.find(|(name, _)| name == "return_to").map(|(_, to)| to.into_owned())
}

/// A path as the most lenient reader sees it: decoded, in one letter case, without empty segments.
fn plain(path: &str) -> String {
    let text = percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
    let segments = text.split(['/', '\\']).filter(|segment| !segment.is_empty() && *segment != ".");
    segments.fold(String::new(), |path, segment| path + "/" + segment)
}
