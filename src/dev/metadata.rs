//! The discovery document (OpenID Connect Discovery section 3, RFC 8414) and the key set.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    entra_metadata, fault,
    quirk::{Quirk, Quirks},
    realm::{Audience, Realm},
    reply,
    request::EndpointRequest,
    server::{Server, path},
    spoil_answers,
};
use crate::error::Error;

fn document(server: &Server) -> Map<String, Value> {
    let algorithm = server.state().algorithm.as_str();
    members(json!({
        "issuer": server.issuer,
        "authorization_endpoint": server.url(path::AUTHORIZE),
        "token_endpoint": server.url(path::TOKEN),
        "userinfo_endpoint": server.url(path::USER_INFO),
        "jwks_uri": server.url(path::KEYS),
        "end_session_endpoint": server.url(path::END_SESSION),
        "revocation_endpoint": server.url(path::REVOKE),
        "introspection_endpoint": server.url(path::INTROSPECT),
        "device_authorization_endpoint": server.url(path::DEVICE_AUTHORIZATION),
        "authorization_response_iss_parameter_supported": true,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials", "password",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_post", "private_key_jwt", "none",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "introspection_signing_alg_values_supported": [algorithm],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "acrs", "at_hash",
            "sid", "name", "given_name", "family_name",
            "preferred_username", "email", "email_verified", "roles", "groups",
        ],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    }))
}

pub(super) fn discovery(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let mut document = match &incoming.realm {
        Realm::Plain => document(server),
        Realm::Entra(Audience::Unknown(name)) => {
            return Ok(fault::json_answer(server, incoming, &fault::no_tenant(name)));
        }
        realm => {
            let algorithm = server.state().algorithm.as_str();
            // The paths of version 1.0 contain no version.
            let is_old = !incoming.path.contains("/v2.0/");
            let document =
                if is_old { entra_metadata::old_document } else { entra_metadata::document };
            document(server, algorithm, realm)
        }
    };
    let mut state = server.state();
    state.quirks.document(&mut document);
    let order = state.spoils.discoveries.pop_front();
    Ok(spoil_answers::answer(order, document, |body| {
        marked(&state.quirks, "application/json", body)
    }))
}

pub(super) fn keys(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let mut state = server.state();
    let order = state.spoils.key_sets.pop_front();
    let mut keys = match &incoming.realm {
        Realm::Plain => state.keys.jwk_set(),
        realm => entra_metadata::jwk_set(server, &state, realm),
    };
    let quirks = &state.quirks;
    quirks.key_set(&mut keys);
    let media_type = if quirks.has(Quirk::KeySetMediaType) {
        "application/jwk-set+json"
    } else {
        "application/json"
    };
    Ok(spoil_answers::answer(order, keys, |body| marked(quirks, media_type, body)))
}

/// A JSON response that may be cached, with a byte order mark if the quirk is set.
fn marked(quirks: &Quirks, media_type: &str, body: &Value) -> Response {
    let mark = if quirks.has(Quirk::ByteOrderMark) { "\u{feff}" } else { "" };
    reply::text(StatusCode::OK, media_type, format!("{mark}{body}"))
}

/// The members of an object.
pub(super) fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
