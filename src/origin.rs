//! The address of a request as the client wrote it.

use http::{Extensions, Uri};

/// axum's `nest` takes a prefix off the path and leaves the whole address in the extensions.
#[cfg(feature = "axum")]
pub(crate) fn uri<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<axum::extract::OriginalUri>().map_or(uri, |original| &original.0)
}

/// Without axum nothing rewrites it.
#[cfg(not(feature = "axum"))]
pub(crate) fn uri<'a>(uri: &'a Uri, _: &'a Extensions) -> &'a Uri {
    uri
}
