//! The metadata of an API (RFC 9728), made from the configuration and never from a request.

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

/// The documents of one API, made once.
#[derive(Debug)]
pub(super) struct Documents {
    /// Paths and documents: that of the API, and one at the root for clients that look there only.
    documents: Vec<(String, Bytes)>,
}

impl Documents {
    pub(super) fn of(config: &ValidApiConfig) -> Self {
        let Some(resource) = config.resource() else { return Self { documents: Vec::new() } };
        let mut documents = vec![(resource.metadata_path.clone(), document(config, &resource.url))];
        if resource.metadata_path != WELL_KNOWN {
            // Section 3.3: `resource` has to be the URL from which the path was derived.
            documents.push((WELL_KNOWN.to_owned(), document(config, &resource.origin)));
        }
        Self { documents }
    }

    /// The document at a path of a request.
    pub(super) fn at(&self, path: &str) -> Option<&Bytes> {
        if !path.starts_with("/.well-known/") {
            return None;
        }
        // RFC 9728 section 3.1 removes the slash after a host only, but clients remove any final
        // one.
        let path = path.strip_suffix('/').unwrap_or(path);
        self.documents.iter().find(|(own, _)| own == path).map(|(_, document)| document)
    }
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
