//! The metadata of an API (RFC 9728), made from the configuration and the provider's verified
//! document, never from a request.

#[cfg(feature = "axum")]
use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde_json::json;

use super::service::ApiParts;
use crate::{
    config::{Resource, ValidApiConfig, WELL_KNOWN},
    http_message::{IdentityBody, without_content},
};

/// The paths at which the document of an API is served, if it has a resource: that of section 3.1,
/// without a slash that may be at its end, and the root path.
///
/// Both paths have the same document, whose `resource` is the configured URL, character by
/// character. Section 3.3 lets a client that derived the root path from a URL without a path use
/// only a document about that URL, but no API is there: Entra would refuse a request with that
/// `resource` (AADSTS9010010), and this API a token with that audience. The clients that look at
/// the root without reading the challenge, those of MCP, call the configured URL: they compare it
/// with `resource`, and send what the document says.
#[derive(Debug)]
pub(super) struct MetadataPaths(Option<String>);

impl MetadataPaths {
    pub(super) fn of(config: &ValidApiConfig) -> Self {
        Self(config.resource().map(|resource| without_slash(&resource.metadata_path).to_owned()))
    }

    /// Whether the document is at a path of a request.
    pub(super) fn contain(&self, path: &str) -> bool {
        let Some(own) = self.0.as_ref().filter(|_| path.starts_with("/.well-known/")) else {
            return false;
        };
        // A URL that ends in a slash has it in the path of its document, but clients remove it.
        let path = without_slash(path);
        path == WELL_KNOWN || path == own
    }

    /// The paths, with and without a slash at the end.
    #[cfg(feature = "axum")]
    fn spellings(&self) -> impl Iterator<Item = String> {
        let paths = self.0.iter().flat_map(|path| [WELL_KNOWN, path.as_str()]);
        paths.flat_map(|path| [path.to_owned(), format!("{path}/")])
    }
}

/// The documents of APIs as routes of axum. Of several at one path the first is served.
#[cfg(feature = "axum")]
pub(super) fn routes<S: Clone + Send + Sync + 'static>(
    apis: impl IntoIterator<Item = Arc<ApiParts>>,
) -> axum::Router<S> {
    let mut served = BTreeMap::new();
    for api in apis {
        for path in api.metadata_paths().spellings() {
            served.entry(path).or_insert_with(|| Arc::clone(&api));
        }
    }
    // The path of a URL can have a segment that begins with `:` or `*`, which is none of the old
    // patterns.
    let router = axum::Router::new().without_v07_checks();
    served.into_iter().fold(router, |router, (path, api)| {
        let respond = move |method: Method| async move {
            respond::<axum::body::Body>(&api, &method).await.map(axum::body::Body::new)
        };
        router.route(&path, axum::routing::any(respond))
    })
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// The response of an API at one of the paths of its metadata.
///
/// The first GET waits for the provider's document, whose issuer it names; later ones find it in
/// the cache. A provider that cannot be reached is asked once in some seconds, however many
/// requests there are, and meanwhile the configured URL is named.
pub(super) async fn respond<R>(api: &ApiParts, method: &Method) -> Response<IdentityBody<R>> {
    let config = api.config();
    let Some(resource) =
        config.resource().filter(|_| matches!(*method, Method::GET | Method::HEAD))
    else {
        return without_document(method);
    };
    let metadata = api.provider().metadata().await;
    let authority = config.identity().authority();
    match metadata {
        Ok(metadata) => {
            let server = authority.authorization_server(&metadata.issuer);
            answer(document(config, resource, server), CACHED, method)
        }
        Err(error) => {
            tracing::info!(
                %error,
                "the metadata of the API names the configured provider, because its document could \
                 not be had"
            );
            answer(document(config, resource, authority.name()), NOT_CACHED, method)
        }
    }
}

/// The `Cache-Control` of a document that does not change.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// That of a document that the next request may get with another issuer.
const NOT_CACHED: HeaderValue = HeaderValue::from_static("no-store");

pub(super) fn document(config: &ValidApiConfig, resource: &Resource, server: &str) -> Bytes {
    let mut document = json!({
        "resource": resource.url,
        "authorization_servers": [server],
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

/// The response with a document.
fn answer<R>(document: Bytes, cached: HeaderValue, method: &Method) -> Response<IdentityBody<R>> {
    let mut response = for_every_origin(StatusCode::OK, document);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, cached);
    if *method == Method::HEAD { without_content(response) } else { response }
}

/// The response to a method that gets no document, such as that of a CORS preflight.
fn without_document<R>(method: &Method) -> Response<IdentityBody<R>> {
    let fixed = HeaderValue::from_static;
    if *method != Method::OPTIONS {
        let mut response = for_every_origin(StatusCode::METHOD_NOT_ALLOWED, Bytes::new());
        response.headers_mut().insert(ALLOW, fixed("GET, HEAD, OPTIONS"));
        return response;
    }
    let mut response = for_every_origin(StatusCode::NO_CONTENT, Bytes::new());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, fixed("GET, HEAD"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fixed("*"));
    response
}

/// A response that pages of every origin may read: nothing in it is a secret.
fn for_every_origin<R>(status: StatusCode, body: Bytes) -> Response<IdentityBody<R>> {
    let mut response = Response::new(IdentityBody::own(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
