//! The parsers of an API, for the fuzzer: the `Authorization` header, the body of an MCP message,
//! and the URL from which the metadata is made.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target may panic: that is how it reports"
)]

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::Value;
use url::Url;

use super::{
    bearer::{self, Authorization},
    metadata::{MetadataPaths, document},
    tool_guard::called_tools,
};
use crate::{
    authority::Authority,
    config::{ApiConfig, WELL_KNOWN},
    fuzzing::Parser,
};

pub(crate) const PARSERS: &[Parser] = &[
    ("authorization_header", authorization_header),
    ("mcp_message", mcp_message),
    ("resource_url", resource_url),
];

/// Both readers of the header find the same token, which has no character of a header or a URL
/// besides those of RFC 6750. Each line is a header of its own.
fn authorization_header(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    let (presented, token) = (bearer::presented(&headers), bearer::token(&headers));
    let Ok(token) = token else { return };
    assert!(matches!(presented, Authorization::Token(found) if found == token.as_bytes()));
    assert!(headers.len() == 1 && bearer::is_presented(&headers));
    assert_eq!(headers.get(AUTHORIZATION).and_then(bearer::token_of), Some(token));
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)));
}

/// A body that a usual parser takes for a call is one here, too.
fn mcp_message(bytes: &[u8]) {
    let called = called_tools(bytes);
    let Ok(read) = serde_json::from_slice::<Value>(bytes) else {
        assert!(called.is_err() || bytes.is_empty());
        return;
    };
    let messages = match &read {
        Value::Array(messages) => messages.as_slice(),
        one => std::slice::from_ref(one),
    };
    for message in messages.iter().filter(|message| message["method"] == "tools/call") {
        if let (Ok(called), Some(name)) = (&called, message["params"]["name"].as_str()) {
            assert!(called.iter().any(|tool| tool == name), "{name:?} is called");
        }
    }
}

/// Every accepted URL has one document at both paths, which names that URL and stays on its origin,
/// and what the document names is an audience, as given and as clients write it.
fn resource_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = ApiConfig::new(Authority::oidc("https://id.example.com").unwrap(), "api");
    let Ok(config) = config.with_resource(text) else { return };
    let Ok(config) = config.build() else { return };
    let (resource, url) = (config.resource().unwrap(), Url::parse(text).unwrap());
    let address = Url::parse(&resource.metadata_url()).unwrap();
    assert_eq!(address.origin(), url.origin());
    let paths = MetadataPaths::of(&config);
    assert!(paths.contain(address.path()) && paths.contain(WELL_KNOWN));
    let document = document(&config, resource, "https://id.example.com");
    let document: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document["resource"], text);
    for sent in [text, url.as_str()] {
        assert!(config.audiences().iter().any(|audience| audience == sent), "{sent}");
    }
}
