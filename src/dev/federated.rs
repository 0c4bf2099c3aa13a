//! Agents of Entra ID: an agent authenticates with a token of its blueprint (`fmi_path`), and
//! exchanges a token of its own for tokens of a user (`grant_type=user_fic`).

use super::{
    assertion::AssertionFault,
    client::DevClient,
    entra_issue::EntraResource,
    entra_token,
    fault::Fault,
    grants,
    person::DevPerson,
    realm::{Audience, Realm},
    request::{EndpointRequest, Parameters},
    server::Server,
    state::{IssuedGrant, ProviderState},
    tenant::{DevTenant, object_id},
    token::TokenResult,
};
use crate::secret::base64url;

/// The API whose tokens are federated identity credentials.
const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";

/// The `sub` of an application's token for a path: the application with that path.
pub(super) fn subject(tenant: &DevTenant, grant: &IssuedGrant) -> Option<String> {
    let path = grant.fmi_path.as_ref()?;
    let [tenant, client] = [tenant.id, grant.client.as_str()].map(|id| base64url(id.as_bytes()));
    Some(format!("/eid1/c/pub/t/{tenant}/a/{client}/{path}"))
}

/// The grant of an application's token that is a federated identity credential now.
fn credential<'a>(
    server: &Server,
    state: &'a ProviderState,
    token: &str,
) -> Option<&'a IssuedGrant> {
    let entry = state.access_tokens.find(token)?;
    let is_valid = !entry.revoked && server.now() < entry.expires;
    let is_meant =
        matches!(&entry.resource, Some(EntraResource::Api(api)) if api == TOKEN_EXCHANGE);
    state
        .grants
        .find(&entry.grant)
        .filter(|grant| is_valid && is_meant && !grant.revoked && grant.person.is_empty())
}

/// Checks the client assertion of an agent: a token of its blueprint with the agent as its path.
pub(super) fn check_agent(
    server: &Server,
    state: &ProviderState,
    client: &DevClient,
    blueprint: &str,
    assertion: &str,
) -> Result<(), AssertionFault> {
    credential(server, state, assertion)
        .filter(|grant| grant.client == blueprint && grant.fmi_path.as_ref() == Some(&client.id))
        .map(drop)
        .ok_or(("the assertion is no token of the blueprint for this agent", 700_213))
}

/// Handles the grant `user_fic`: tokens of a user for an agent.
pub(super) fn user_tokens(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    let Realm::Entra(Audience::Tenant(tenant)) = incoming.realm else {
        let description = "tokens of an agent's user are of one tenant: name it";
        return Err(Fault::new("invalid_request", description).entra(50_059).into());
    };
    if !client.is_confidential() {
        let description = "a client without a credential cannot act for a user";
        return Err(Fault::new("unauthorized_client", description).entra(7_000_218).into());
    }
    let given = incoming.form.first("user_federated_identity_credential").unwrap_or_default();
    if credential(server, state, given).is_none_or(|grant| grant.client != client.id) {
        let description = "the credential is no token of this client for the token exchange";
        return Err(Fault::new("invalid_grant", description).entra(700_213).into());
    }
    let person = named_user(state, &incoming.form, &tenant)?;
    if incoming.realm.tenant_of(server.entra.as_ref(), &person).is_none() {
        return Err(Fault::new("invalid_grant", "the account does not exist in the tenant")
            .entra(50_034)
            .into());
    }
    let grant = IssuedGrant {
        client_info: incoming.form.first("client_info") == Some("1"),
        ..grants::grant(server, client, &person.id, &incoming.realm, Some(tenant), Vec::new())?
    };
    entra_token::without_a_page(server, state, incoming, grant)
}

/// The user that the request names, by user name or by object ID.
fn named_user(
    state: &ProviderState,
    form: &Parameters,
    tenant: &DevTenant,
) -> Result<DevPerson, Fault> {
    let mut people = state.people.iter();
    let found = match (form.first("username"), form.first("user_id")) {
        (Some(name), None) => {
            people.find(|person| person.username.eq_ignore_ascii_case(name) || person.id == name)
        }
        (None, Some(id)) => {
            people.find(|person| object_id(person, tenant).eq_ignore_ascii_case(id))
        }
        _ => {
            let description = "the user is named by one of username and user_id";
            return Err(Fault::new("invalid_request", description).entra(900_144));
        }
    };
    let unknown = || Fault::new("invalid_grant", "the account does not exist").entra(50_034);
    found.cloned().ok_or_else(unknown)
}
