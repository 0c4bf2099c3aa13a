//! The metadata of an API (RFC 9728), made from the configuration and never from a request.

#[cfg(feature = "axum")]
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde_json::json;

use crate::{
    config::{ValidApiConfig, WELL_KNOWN},
    http_message::IdentityBody,
};

/// The document of one API, made once, and the paths at which it is served.
///
/// Both paths have the same document, whose `resource` is the configured URL, character by
/// character. Section 3.3 lets a client that derived the root path from a URL without a path use
/// only a document about that URL, but no API is there: Entra would refuse a request with that
/// `resource` (AADSTS9010010), and this API a token with that audience. The clients that look at
/// the root without reading the challenge, those of MCP, call the configured URL: they compare it
/// with `resource`, and send what the document says.
#[derive(Debug)]
pub(super) struct ResourceMetadata(Option<ServedDocument>);

#[derive(Debug)]
struct ServedDocument {
    /// The path of section 3.1, without a slash that may be at its end.
    path: String,
    document: Bytes,
}

impl ResourceMetadata {
    pub(super) fn of(config: &ValidApiConfig) -> Self {
        Self(config.resource().map(|resource| ServedDocument {
            path: without_slash(&resource.metadata_path).to_owned(),
            document: document(config, &resource.url),
        }))
    }

    /// The document at a path of a request.
    pub(super) fn at(&self, path: &str) -> Option<&Bytes> {
        let served = self.0.as_ref().filter(|_| path.starts_with("/.well-known/"))?;
        // A URL that ends in a slash has it in the path of its document, but clients remove it.
        let path = without_slash(path);
        (path == WELL_KNOWN || path == served.path).then_some(&served.document)
    }

    /// The paths at which the document is served.
    #[cfg(feature = "axum")]
    pub(super) fn paths(&self) -> Vec<(String, Bytes)> {
        let Some(ServedDocument { path, document }) = &self.0 else { return Vec::new() };
        let paths = [WELL_KNOWN, path].into_iter();
        let paths = paths.flat_map(|path| [path.to_owned(), format!("{path}/")]);
        paths.map(|path| (path, document.clone())).collect()
    }
}

/// Documents as routes of axum. Of several at one path the first is served.
#[cfg(feature = "axum")]
pub(super) fn routes<S: Clone + Send + Sync + 'static>(
    documents: impl IntoIterator<Item = (String, Bytes)>,
) -> axum::Router<S> {
    let mut served = BTreeMap::new();
    for (path, document) in documents {
        served.entry(path).or_insert(document);
    }
    // The path of a URL can have a segment that begins with `:` or `*`, which is none of the old
    // patterns.
    let router = axum::Router::new().without_v07_checks();
    served.into_iter().fold(router, |router, (path, document)| {
        let respond = move |method: Method| async move {
            answer::<axum::body::Body>(&document, &method).map(axum::body::Body::new)
        };
        router.route(&path, axum::routing::any(respond))
    })
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn document(config: &ValidApiConfig, resource: &str) -> Bytes {
    let mut document = json!({
        "resource": resource,
        "authorization_servers": [config.identity().authority().name()],
        "bearer_methods_supported": ["header"],
    });
    if let Some(members) = document.as_object_mut()
        && !config.scopes().is_empty()
    {
        let scopes: Vec<String> =
            config.scopes().iter().map(|scope| config.scope(scope).asked_for()).collect();
        members.insert("scopes_supported".to_owned(), scopes.into());
    }
    document.to_string().into()
}

/// The answer with a document, which pages of every origin may read: nothing in it is a secret.
pub(super) fn answer<R>(document: &Bytes, method: &Method) -> Response<IdentityBody<R>> {
    let (status, body) = match *method {
        Method::GET => (StatusCode::OK, document.clone()),
        Method::HEAD => (StatusCode::OK, Bytes::new()),
        Method::OPTIONS => (StatusCode::NO_CONTENT, Bytes::new()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    };
    let mut response = Response::new(IdentityBody::own(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, fixed("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    match status {
        StatusCode::OK => {
            headers.insert(CONTENT_TYPE, fixed("application/json"));
            headers.insert(CACHE_CONTROL, fixed("public, max-age=3600"));
        }
        StatusCode::NO_CONTENT => {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, fixed("GET, HEAD"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fixed("*"));
        }
        _ => {
            headers.insert(ALLOW, fixed("GET, HEAD, OPTIONS"));
        }
    }
    response
}
