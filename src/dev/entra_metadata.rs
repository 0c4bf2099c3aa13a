//! The discovery documents and key sets of Entra, External ID and B2C.

use serde_json::{Map, Value, json};

use super::{
    keys::{Keys, SigningKey},
    metadata::members,
    realm::{Audience, Realm, token_issuer},
    server::Server,
    state::State,
    tenant::{DevTenant, TenantKind},
};

/// The cloud that keys and documents name: the host is one of its own.
fn cloud(server: &Server) -> String {
    server.origin.trim_start_matches("http://").rsplit_once(':').map_or_else(String::new, |(host, _)| host.to_owned())
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
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [algorithm],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "request_uri_parameter_supported": false,
        "frontchannel_logout_supported": true,
        "http_logout_supported": true,
    }));
    // B2C has no UserInfo, and no cloud to name.
    if !matches!(realm, Realm::B2c { .. }) {
        document.extend(members(json!({
            "userinfo_endpoint": server.url("/graph/oidc/userinfo"),
            "device_authorization_endpoint": at("/oauth2/v2.0/devicecode"),
            "msgraph_host": cloud(server),
            "cloud_instance_name": cloud(server),
            "tenant_region_scope": if matches!(realm, Realm::Entra(Audience::Tenant(_))) { json!("EU") } else { Value::Null },
        })));
    }
    document
}

/// The members of a key, and whom it signs for.
fn jwk(key: &SigningKey, issuer: Option<&str>, cloud: &str) -> Value {
    let mut jwk = key.jwk();
    if let (Some(members), Some(issuer)) = (jwk.as_object_mut(), issuer) {
        members.insert("issuer".into(), issuer.into());
        members.insert("cloud_instance_name".into(), cloud.into());
        // Entra's keys do not name their algorithm.
        members.remove("alg");
    }
    jwk
}

/// The key set of an authority: each key with the issuer that it signs for.
pub(super) fn jwk_set(server: &Server, state: &State, realm: &Realm) -> Map<String, Value> {
    let template = server.url("/{tenantid}/v2.0");
    let cloud = cloud(server);
    let published = |keys: &Keys, issuer: Option<&str>| -> Vec<Value> {
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
        if matches!(audience, Audience::Everyone | Audience::Organizations | Audience::Consumers) {
            keys.extend(published(&own.personal, Some(&token_issuer(server, &DevTenant::PERSONAL))));
        }
        if matches!(audience, Audience::Everyone | Audience::Organizations) {
            keys.push(jwk(&own.other_cloud, Some(&template), "another-cloud.example"));
        }
    }
    Map::from_iter([("keys".to_owned(), keys.into())])
}
