//! Warnings, once each, about a place of the layer in a router, or of the application behind a
//! proxy, in which sign-in cannot work.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};
#[cfg(feature = "axum")]
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use http::{Extensions, Uri, uri::PathAndQuery};
use percent_encoding::percent_decode_str;

use super::flow::Flow;
use crate::{
    config::{Access, PathPrefix, SignInMethod, ValidConfig},
    error::{Error, ErrorKind},
    session::State,
};

/// Which warnings the log has already.
#[derive(Debug, Default)]
pub(super) struct PlacementWarnings {
    misrouted: AtomicBool,
    place: AtomicBool,
    unasked: AtomicBool,
    ignored_token: AtomicBool,
}

/// Where the layer is in a router that strips a part of the path for the routes inside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nest<'a> {
    /// The part of the path that the router stripped.
    pub(super) prefix: &'a str,
    /// The router matched a route before the layer: a path without a route may not reach the layer.
    pub(super) behind_routes: bool,
}

impl Flow {
    /// Whether it is not known yet where the layer is.
    #[inline]
    pub(super) fn is_place_unknown(&self) -> bool {
        !self.logged.place.load(Ordering::Relaxed)
    }

    /// Logs what cannot work about the place of the layer. `nest` is `None` if nothing was stripped
    /// from a request.
    pub(super) fn placed(&self, nest: Option<Nest<'_>>, is_own_path: bool) {
        if self.logged.place.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(Nest { prefix, behind_routes }) = nest else { return };
        let callback = self.config.redirect_url().path();
        if self.config.path_prefix() == PathPrefix::Kept {
            tracing::error!(
                "the layer is nested under {prefix:?}, which is stripped from its requests, but \
                 the path of the base URL is set to be kept: leave \
                 with_path_prefix(PathPrefix::Kept) (IDENTITY_PATH_PREFIX) out"
            );
        } else if !self.config.external_prefix().ends_with(prefix) {
            tracing::error!(
                "the layer is nested under {prefix:?}, but the base URL does not end in that, so \
                 the provider sends people to {callback:?}, outside of the nest: set with_base_url \
                 (IDENTITY_BASE_URL) to {origin:?} and register the new redirect URI",
                origin =
                    format!("{}{}{prefix}", self.config.origin(), self.config.external_prefix()),
            );
        } else if behind_routes && !is_own_path {
            tracing::warn!(
                "the layer is on the routes of a router nested under {prefix:?}: with axum's \
                 `nest` only these routes come to it, and {callback:?} is answered with 404 unless \
                 that router has a `fallback` of its own. Use \
                 `.nest_service({prefix:?}, identity.layer(app))`, or put the layer around the \
                 outer router"
            );
        }
    }

    /// A request came by another path than was configured.
    ///
    /// Logged once: any client can send such requests, without a session and without a limit.
    pub(super) fn was_misrouted(&self, error: &Error) {
        if !self.logged.misrouted.swap(true, Ordering::Relaxed) {
            tracing::error!(
                %error,
                "sign-in cannot work: the addresses of this application are set up wrongly"
            );
        }
    }

    /// Whether every page is public that is not declared protected.
    pub(super) fn is_public_by_default(&self) -> bool {
        self.config.default_access() == Access::Public
    }

    /// The application has no such page. Where everything is public by default, that is the answer
    /// to a callback at another path than was configured.
    pub(super) fn not_found(&self, page: Option<&PathAndQuery>) {
        if self.is_public_by_default()
            && !self.logged.misrouted.load(Ordering::Relaxed)
            && let Some(page) = page
            && let Some(error) = misrouted(&self.config, &Uri::from(page.clone()))
        {
            self.was_misrouted(&error);
        }
    }

    /// A request without a session has an access token, and the layer accepts none.
    ///
    /// Once: some gateways add a token to every request.
    pub(super) fn ignored_token(&self) {
        if !self.logged.ignored_token.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request has an access token (`Authorization: Bearer`), which is not looked at: \
                 an application that is an API too accepts tokens by `IdentityLayer::with_api`"
            );
        }
    }

    /// A public page failed, and its handler had not asked for the user.
    pub(super) fn failed_unasked(&self) {
        if !self.logged.unasked.swap(true, Ordering::Relaxed) {
            tracing::debug!(
                "a public page answered 500 without having asked for the user: \
                 `Extension<User>` is there on protected pages only, on public ones take \
                 `Option<User>` or `LazyUser`"
            );
        }
    }
}

/// The nest that the layer is in, by the routing extensions of this request; an error if they do
/// not show it.
#[cfg(feature = "axum")]
pub(super) fn nest<'a>(uri: &Uri, extensions: &'a Extensions) -> Result<Option<Nest<'a>>, ()> {
    let Some(original) = extensions.get::<axum::extract::OriginalUri>() else { return Ok(None) };
    // `/app` itself becomes `/`, which is not its end, and `/app/` is a route of the outer router.
    if uri.path() == "/" && original.0.path() != "/" {
        return Err(());
    }
    let prefix = original.0.path().strip_suffix(uri.path()).ok_or(())?;
    let behind_routes = extensions.get::<axum::extract::MatchedPath>().is_some();
    Ok((!prefix.is_empty()).then_some(Nest { prefix, behind_routes }))
}

/// Without axum there is none.
#[cfg(not(feature = "axum"))]
pub(super) fn nest<'a>(_: &Uri, _: &'a Extensions) -> Result<Option<Nest<'a>>, ()> {
    Ok(None)
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
pub(super) fn misrouted(config: &ValidConfig, uri: &Uri) -> Option<Error> {
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
        (None, SignInMethod::DeviceCode) => Some(&config.paths().sign_in),
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
    let login = first.unwrap_or(&config.paths().sign_in);
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

/// The most places that [`without_layer`] names.
#[cfg(feature = "axum")]
const MOST_PLACES: usize = 100;

/// Logs, once for each route, that a handler asked for the user where no layer is.
#[cfg(feature = "axum")]
pub(super) fn without_layer(extensions: &Extensions) {
    static PLACES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let route = extensions.get::<axum::extract::MatchedPath>();
    // Routes are as many as the application has; paths would be as many as clients ask for.
    let place = route.map_or("(no route)", |route| route.as_str());
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    if places.len() < MOST_PLACES && !places.contains(place) {
        places.insert(place.to_owned());
        drop(places);
        tracing::debug!(
            route = place,
            "a handler takes `Option<User>` or `Option<Tokens>`, and no IdentityLayer is around \
             its route: it is always `None` there. Put the layer around the whole application; \
             pages that need no sign-in are public by `add_public_path`, or all of them by \
             `with_default_access(Access::Public)` (IDENTITY_DEFAULT_ACCESS=public)"
        );
    }
}
