//! What the log is told once and not with every request.

use std::sync::atomic::{AtomicBool, Ordering};

use super::flow::Flow;
use crate::config::PathPrefix;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Told {
    astray: AtomicBool,
    place: AtomicBool,
    unasked: AtomicBool,
}

impl Told {
    /// Whether nobody has been told yet that requests come by other paths than was configured.
    pub(super) fn astray(&self) -> bool {
        !self.astray.swap(true, Ordering::Relaxed)
    }
}

/// Where the layer is in a router that strips a part of the path for the routes inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nest<'a> {
    /// What was stripped.
    pub(crate) prefix: &'a str,
    /// The router came to a route first and then to the layer: what is no route may not come to it.
    pub(crate) behind_routes: bool,
}

impl Flow {
    /// Whether it is not known yet where the layer is.
    #[inline]
    pub(crate) fn is_place_unknown(&self) -> bool {
        !self.told.place.load(Ordering::Relaxed)
    }

    /// Says what cannot work about the place of the layer. `nest` is `None` if nothing was stripped
    /// from a request.
    pub(crate) fn placed(&self, nest: Option<Nest<'_>>, is_own_path: bool) {
        if self.told.place.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(Nest { prefix, behind_routes }) = nest else { return };
        let callback = self.config.redirect_url().path();
        if self.config.path_prefix() == PathPrefix::Kept {
            tracing::error!(
                "the layer is nested under {prefix:?}, which is stripped from its requests, but the path of the base URL is set to be kept: leave with_path_prefix(PathPrefix::Kept) (IDENTITY_PATH_PREFIX) out"
            );
        } else if !self.config.external_prefix().ends_with(prefix) {
            tracing::error!(
                "the layer is nested under {prefix:?}, but the base URL does not end in that, so the provider sends people to {callback:?}, outside of the nest: set with_base_url (IDENTITY_BASE_URL) to {origin:?} and register the new redirect address",
                origin =
                    format!("{}{}{prefix}", self.config.origin(), self.config.external_prefix()),
            );
        } else if behind_routes && !is_own_path {
            tracing::warn!(
                "the layer is on the routes of a router nested under {prefix:?}: with axum's `nest` only these routes come to it, and {callback:?} is answered with 404 unless that router has a `fallback` of its own. Use `.nest_service({prefix:?}, identity.layer(app))`, or put the layer around the outer router"
            );
        }
    }

    /// A public page failed without having asked who is signed in.
    pub(crate) fn failed_unasked(&self) {
        if !self.told.unasked.swap(true, Ordering::Relaxed) {
            tracing::debug!(
                "a public page answered 500 and nobody had asked who is signed in: `Extension<User>` is there on protected pages only, on public ones take `Option<User>` or `LazyUser`"
            );
        }
    }
}
