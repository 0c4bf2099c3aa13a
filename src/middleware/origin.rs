//! The address of a request as the client wrote it.

use http::{Extensions, Uri};

use super::placement::Nest;

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

/// Inside which nest the layer is, as far as this request tells; an error if it tells nothing.
#[cfg(feature = "axum")]
pub(crate) fn nest<'a>(uri: &Uri, extensions: &'a Extensions) -> Result<Option<Nest<'a>>, ()> {
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
pub(crate) fn nest<'a>(_: &Uri, _: &'a Extensions) -> Result<Option<Nest<'a>>, ()> {
    Ok(None)
}
