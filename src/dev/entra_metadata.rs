//! The discovery documents and key sets of Entra ID, External ID and B2C.

use axum::response::Response;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    keys::{ProviderKey, ProviderKeys},
    metadata::members,
    realm::{Audience, Realm, token_issuer},
    reply,
    request::EndpointRequest,
    server::Server,
    state::ProviderState,
    tenant::{DevTenant, TenantKind},
};
use crate::error::Error;

/// The name of the cloud in keys and documents: this host is a separate cloud.
fn cloud(server: &Server) -> String {
    Url::parse(&server.origin)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The members of a discovery document.
pub(super) fn document(server: &Server, algorithm: &str, realm: &Realm) -> Map<String, Value> {
    let at = |path: &str| server.url(&format!("{}{path}", realm.prefix()));
    let mut document = members(json!({
        "issuer": realm.issuer(server),
        "authorization_endpoint": at("/oauth2/v2.0/authorize"),
        "token_endpoint": at("/oauth2/v2.0/token"),
        "end_session_endpoint": at("/oauth2/v2.0/logout"),
        "jwks_uri": at("/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [algorithm],
        "token_endpoint_auth_methods_supported": [
            "client_secret_post", "private_key_jwt", "client_secret_basic",
        ],
        "request_uri_parameter_supported": false,
        "frontchannel_logout_supported": true,
        "http_logout_supported": true,
    }));
    // B2C has neither UserInfo nor the members about the cloud.
    if !matches!(realm, Realm::B2c { .. }) {
        document.extend(members(json!({
            "userinfo_endpoint": server.url("/graph/oidc/userinfo"),
            "device_authorization_endpoint": at("/oauth2/v2.0/devicecode"),
            "msgraph_host": cloud(server),
            "cloud_instance_name": cloud(server),
            "tenant_region_scope": match realm {
                Realm::Entra(Audience::Tenant(_)) => json!("EU"),
                _ => Value::Null,
            },
        })));
    }
    document
}

/// The discovery document of version 1.0, with the members that both versions share: libraries
/// beside MSAL read the end session endpoint from it. It names the endpoints of version 2.0, and
/// tokens are of version 2.0.
pub(super) fn old_document(server: &Server, algorithm: &str, realm: &Realm) -> Map<String, Value> {
    let at = |path: &str| server.url(&format!("{}{path}", realm.prefix()));
    let mut document = document(server, algorithm, realm);
    let issuer = realm.issuer(server);
    document.extend(members(json!({
        "issuer": format!("{}/", issuer.trim_end_matches("/v2.0")),
        "end_session_endpoint": at("/oauth2/logout"),
        "jwks_uri": at("/discovery/keys"),
    })));
    document
}

/// The user realm discovery of MSAL: `Managed` for a known domain, otherwise `Unknown`.
pub(super) fn user_realm(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let name = incoming.path.rsplit('/').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
    let tenants = server.entra.iter().flat_map(|entra| &entra.tenants);
    // `Managed`: the password is checked here. A federated domain would have its own server for it.
    let managed = tenants.into_iter().any(|tenant| tenant.domain.eq_ignore_ascii_case(domain));
    let mut realm = members(json!({
        "ver": "1.0", "account_type": if managed { "Managed" } else { "Unknown" },
        "cloud_instance_name": cloud(server),
    }));
    if managed {
        realm.insert("domain_name".into(), domain.into());
        realm.insert("cloud_audience_urn".into(), "urn:federation:MicrosoftOnline".into());
    }
    Ok(reply::private_json(StatusCode::OK, &Value::Object(realm)))
}

/// The instance discovery of MSAL: this host is a separate cloud.
pub(super) fn instances(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    // MSAL trusts the aliases of a cloud by this answer, so a host of another cloud gets an error.
    let asked = incoming.query.first("authorization_endpoint").unwrap_or_default();
    let authority =
        Url::parse(asked).ok().filter(|url| url.origin().ascii_serialization() == server.origin);
    let tenant = authority.as_ref().and_then(|url| url.path_segments()?.next()).unwrap_or_default();
    if tenant.is_empty() {
        let body = json!({
            "error": "invalid_instance",
            "error_description": "AADSTS50049: The instance is unknown here.",
        });
        return Ok(reply::private_json(StatusCode::BAD_REQUEST, &body));
    }
    let host = server.origin.split_once("://").map_or("", |(_, host)| host);
    let body = json!({
        "tenant_discovery_endpoint":
            server.url(&format!("/{tenant}/v2.0/.well-known/openid-configuration")),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    });
    Ok(reply::private_json(StatusCode::OK, &body))
}

/// The JWK of a key, with the issuer that it signs for.
fn jwk(key: &ProviderKey, issuer: Option<&str>, cloud: &str) -> Value {
    let mut jwk = key.jwk();
    if let (Some(members), Some(issuer)) = (jwk.as_object_mut(), issuer) {
        members.insert("issuer".into(), issuer.into());
        members.insert("cloud_instance_name".into(), cloud.into());
        // Keys of Entra ID have no `alg`.
        members.remove("alg");
    }
    jwk
}

/// The key set of an authority: each key with the issuer that it signs for.
pub(super) fn jwk_set(server: &Server, state: &ProviderState, realm: &Realm) -> Map<String, Value> {
    let template = server.url("/{tenantid}/v2.0");
    let cloud = cloud(server);
    let published = |keys: &ProviderKeys, issuer: Option<&str>| -> Vec<Value> {
        keys.published().iter().map(|key| jwk(key, issuer, &cloud)).collect()
    };
    let mut keys = match realm {
        Realm::B2c { .. } => published(&state.keys, None),
        Realm::Entra(Audience::Tenant(tenant)) if tenant.kind == TenantKind::ExternalId => {
            published(&state.keys, Some(&token_issuer(server, tenant)))
        }
        _ => published(&state.keys, Some(&template)),
    };
    if let (Some(own), Realm::Entra(audience)) = (&state.entra_keys, realm) {
        // Personal accounts have keys of their own, which the document of one tenant does not list.
        if matches!(audience, Audience::Everyone | Audience::Organizations | Audience::Consumers) {
            keys.extend(published(
                &own.personal,
                Some(&token_issuer(server, &DevTenant::PERSONAL)),
            ));
        }
        // A real key set for every tenant holds keys of other clouds, which only
        // `cloud_instance_name` distinguishes.
        if matches!(audience, Audience::Everyone | Audience::Organizations) {
            keys.push(jwk(&own.other_cloud, Some(&template), "another-cloud.example"));
        }
    }
    Map::from_iter([("keys".to_owned(), keys.into())])
}
