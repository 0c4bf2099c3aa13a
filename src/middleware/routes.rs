//! Paths and URLs of the layer. The [`Route`] of a request: one of the layer's own paths, a public
//! one, or one that needs a signed-in user. The pages that a walk returns to, and the URLs of this
//! application that it leads to. Pure, no I/O.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use super::flow::Flow;
use crate::{
    config::{Paths, Preflight, ReturnPath, SignInMethod, ValidConfig},
    http_message::{PageInView, RequestHead, is_preflight, path_at_origin},
    sign_in::{Attempt, Purpose},
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
    } else if path == paths.sign_in {
        Some(Route::SignIn)
    } else if path == paths.sign_out {
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

impl Flow {
    /// The page to return to: the one that was opened; for everything else the page of this origin
    /// that asked, since a form or call is never replayed.
    pub(super) fn page_to_return_to(&self, page: Option<&PageInView>) -> ReturnPath {
        let page = match page {
            Some(PageInView::Opened(page)) => Some(page_as_asked(&self.config, page.as_str())),
            Some(PageInView::Behind(url)) => {
                url.to_str().ok().and_then(|url| self.page_at_origin(url)).map(Cow::Borrowed)
            }
            None => None,
        };
        page.map_or_else(|| self.config.home().clone(), |page| self.config.return_path(&page))
    }

    /// Path and query of a URL, if it is one of this origin.
    fn page_at_origin<'a>(&self, url: &'a str) -> Option<&'a str> {
        path_at_origin(url, self.config.origin())?.split('#').next()
    }

    /// The page to return to that `return_to` names; home without it.
    pub(super) fn asked_return_path(&self, head: &RequestHead<'_>) -> ReturnPath {
        match head.parameter("return_to") {
            Some(path) => self.config.return_path(&path),
            None => self.config.home().clone(),
        }
    }

    /// The page that an attempt returns to.
    pub(super) fn return_path(&self, attempt: &Attempt) -> ReturnPath {
        self.config.return_path(&attempt.return_path)
    }

    /// The page after a sign-out in which the provider has no part: that of the application if it
    /// has one, otherwise home if it is public, since a protected page would sign straight in
    /// again (D14).
    pub(super) fn page_after_sign_out(&self) -> ReturnPath {
        if let Some(page) = self.config.page_after_sign_out() {
            return page.clone();
        }
        let home = self.config.home();
        let signed_out = self.config.external_path(&self.config.paths().signed_out);
        match ReturnPath::parse(&signed_out) {
            Some(signed_out) if !self.config.is_home_public() => signed_out,
            _ => home.clone(),
        }
    }

    /// The application's page that comes before a sign-in; `None` on that page itself, where a
    /// guard of the application asks: it would lead to itself.
    pub(super) fn sign_in_page_first(&self, head: &RequestHead<'_>) -> Option<&str> {
        let page = self.config.sign_in_page().as_deref()?;
        let own = self.config.external_path(page);
        (head.uri.path() != page && head.uri.path() != own).then_some(page)
    }

    /// The URL that starts a sign-in which returns to `return_path`.
    pub(super) fn sign_in_url(&self, return_path: &ReturnPath) -> String {
        self.url_of(&self.config.paths().sign_in, return_path)
    }

    /// The URL at which a sign-in begins: that of the application's page before it, otherwise the
    /// sign-in path.
    pub(super) fn first_sign_in_url(&self, return_path: &ReturnPath) -> String {
        let path = return_path.as_str().split(['?', '#']).next();
        match self.config.sign_in_page() {
            // A sign-in that returns to that page starts at the sign-in path: the page would
            // redirect to itself.
            Some(page) if path != Some(&*self.config.external_path(page)) => {
                self.url_of(page, return_path)
            }
            _ => self.sign_in_url(return_path),
        }
    }

    /// The URL of one of the layer's own paths, with the page to return to.
    pub(super) fn url_of(&self, own: &str, return_path: &ReturnPath) -> String {
        self.config.link_to(own, return_path)
    }

    /// The URL of this application that starts what an attempt was for.
    pub(super) fn url_for(&self, purpose: Purpose, return_path: &ReturnPath) -> String {
        let paths = self.config.paths();
        let own = match purpose {
            Purpose::EditProfile => paths.edit_profile.as_ref(),
            Purpose::ResetPassword => paths.reset_password.as_ref(),
            Purpose::SignIn | Purpose::StepUp | Purpose::ReadClaims => None,
        };
        self.url_of(own.unwrap_or(&paths.sign_in), return_path)
    }

    /// The URL of the page with the code of a sign-in.
    pub(super) fn code_url(&self, state: &str) -> String {
        format!("{}?state={state}", self.config.external_path(&self.config.paths().callback))
    }

    /// The kept-form path, as browsers see it.
    pub(super) fn form_page(&self) -> Option<ReturnPath> {
        let path = self.config.paths().kept_form.as_deref()?;
        ReturnPath::parse(&self.config.external_path(path))
    }
}
