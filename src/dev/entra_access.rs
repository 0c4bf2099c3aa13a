//! The claims of Entra ID's access tokens for APIs, in the versions 2.0 and 1.0.

use serde_json::{Map, Value, json};

use super::{
    client::DevClient,
    entra_issue::{groups, home, list, uti},
    federated,
    metadata::members,
    realm::token_issuer,
    server::Server,
    state::{IssuedGrant, ProviderState},
    tenant::{DevTenant, guid_of, object_id, subject},
};
use crate::error::Error;

/// The user's relation to the tenant (`xms_idrel`). Only the first number matters; real tokens
/// contain further ones.
const MEMBER: &str = "1 26";
const GUEST: &str = "5 26";
const SERVICE_PRINCIPAL: &str = "7 26";

/// The claims of a token for the API `audience`, in the version that the API is registered for.
pub(super) fn claims(
    server: &Server,
    state: &ProviderState,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    audience: &str,
    scopes: &[&str],
) -> Result<Map<String, Value>, Error> {
    let api = state.clients.iter().find(|client| client.is_api(audience));
    let claims = of_version_2(server, state, grant, tenant, (audience, api), scopes)?;
    Ok(match api.is_some_and(|api| api.is_version_1) {
        true => to_version_1(server, tenant, audience, claims),
        false => claims,
    })
}

/// The claims of version 2.0, in which `aud` is the client ID of the API.
fn of_version_2(
    server: &Server,
    state: &ProviderState,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    (audience, api): (&str, Option<&DevClient>),
    scopes: &[&str],
) -> Result<Map<String, Value>, Error> {
    let now = server.now();
    // Version 2.0 has the client ID of the API in `aud`, whichever name the request used for it.
    let id = api
        .map_or_else(|| audience.strip_prefix("api://").unwrap_or(audience), |api| api.id.as_str());
    let mut claims = members(json!({
        "iss": token_issuer(server, tenant), "aud": id, "ver": "2.0", "tid": tenant.id,
        "iat": now, "nbf": now, "exp": now + state.lifetimes.access_token,
        "azp": grant.client, "azpacr": grant.proof.class(), "uti": uti()?,
    }));
    let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    match state.person(&grant.person) {
        Some(person) => {
            set("scp", scopes.join(" ").into());
            // Pairwise (OpenID Connect Core section 8): another value at each API. `oid` is the
            // same at all.
            set("sub", subject(person, tenant, id).into());
            set("oid", object_id(person, tenant).into());
            set("name", person.name.clone().into());
            set("sid", grant.signed_in.sid.clone().into());
            let is_guest = server.entra.as_ref().is_some_and(|entra| entra.home(person) != tenant);
            set("xms_idrel", if is_guest { GUEST } else { MEMBER }.into());
            list(&mut claims, "roles", &person.roles);
            list(&mut claims, "acrs", &grant.signed_in.contexts);
            // Repeated from the request, so that the API knows whether its claims challenge is
            // understood.
            list(&mut claims, "xms_cc", &grant.claims.capabilities);
            groups(&mut claims, person, tenant);
            home(server, &mut claims, person, tenant);
            if let Some(policy) = grant.realm.policy() {
                claims.insert("tfp".to_owned(), policy.name().into());
            }
        }
        // A token of an application itself has no user.
        None => {
            let principal = guid_of(&["application", &grant.client, tenant.id]);
            let of_path = federated::subject(tenant, grant);
            set("sub", of_path.unwrap_or_else(|| principal.clone()).into());
            set("oid", principal.into());
            // An optional claim of the API's registration, here in every token of an application.
            set("idtyp", "app".into());
            set("xms_idrel", SERVICE_PRINCIPAL.into());
            if let Some(client) = state.client(&grant.client) {
                list(&mut claims, "roles", &client.app_roles);
            }
        }
    }
    Ok(claims)
}

/// The claims of version 1.0: another issuer, the requested audience, and other names for the
/// client.
pub(super) fn to_version_1(
    server: &Server,
    tenant: &DevTenant,
    audience: &str,
    mut claims: Map<String, Value>,
) -> Map<String, Value> {
    for (name, old_name) in [("azp", "appid"), ("azpacr", "appidacr")] {
        if let Some(value) = claims.remove(name) {
            claims.insert(old_name.to_owned(), value);
        }
    }
    claims.insert("iss".to_owned(), version_1_issuer(server, tenant).into());
    claims.insert("aud".to_owned(), audience.into());
    claims.insert("ver".to_owned(), "1.0".into());
    claims
}

/// The issuer of version 1.0. Microsoft uses a separate host, `sts.windows.net`. This provider is a
/// separate cloud and uses one host for both versions.
fn version_1_issuer(server: &Server, tenant: &DevTenant) -> String {
    server.url(&format!("/{}/", tenant.id))
}
