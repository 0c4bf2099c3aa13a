//! The on-behalf-of grant: an API calls another API with the user's token that it received (RFC
//! 7523 section 2.1, with Entra ID's `requested_token_use=on_behalf_of`).

use super::{
    client::{Consent, DevClient},
    entra_token,
    fault::{Fault, Refused},
    grants,
    issue::{self, Occasion, Part},
    jwt,
    request::EndpointRequest,
    requested_claims, resource,
    server::Server,
    state::{AccessTokenEntry, IssuedGrant, ProviderState, unguessable},
    token::TokenResult,
};

/// How a test gives the consent that this grant cannot ask for, because it shows no page.
const CONSENT: &str = "register the API with `DevClient::with_consent(Consent::Given)`, as if an \
                       administrator had consented";

/// Handles the on-behalf-of request of an API. A refusal is logged, because a test of the API sees
/// its status alone, and the log of the API never has a provider's description.
pub(super) fn on_behalf_of(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    let result = answer(server, state, client, incoming);
    if let Err(Refused::Fault(fault)) = &result {
        tracing::warn!(
            client = client.id,
            error = fault.error,
            "the development provider refuses a token on behalf of a caller: {}",
            fault.description
        );
    }
    result
}

fn answer(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    if incoming.form.first("requested_token_use") != Some("on_behalf_of") {
        return Err(Fault::new(
            "unsupported_grant_type",
            "requested_token_use has to be on_behalf_of",
        )
        .into());
    }
    // The token alone proves nothing about the API that sends it.
    if !client.is_confidential() {
        let description = "a client without a credential cannot show that the token was for it: \
                           register the API with `DevClient::confidential`";
        return Err(Fault::new("unauthorized_client", description).entra(7_000_218).into());
    }
    let (entry, caller) = called_with(server, state, client, incoming)?;
    let grant = IssuedGrant {
        signed_in: caller.signed_in.clone(),
        client_info: incoming.form.first("client_info") == Some("1"),
        ..grants::grant(server, client, &caller.person, &incoming.realm, entry.tenant, Vec::new())?
    };
    match entry.tenant {
        Some(_) => {
            entra_token::without_a_page(server, state, incoming, grant).map_err(|mut refused| {
                if let Refused::Fault(fault) = &mut refused
                    && fault.is_about_consent()
                {
                    fault.description = format!("{}: {CONSENT}", fault.description);
                }
                refused
            })
        }
        None => elsewhere(server, state, client, incoming, grant),
    }
}

/// The access token that the API received, and its grant.
fn called_with(
    server: &Server,
    state: &ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> Result<(AccessTokenEntry, IssuedGrant), Fault> {
    let assertion = incoming
        .form
        .first("assertion")
        .ok_or_else(|| Fault::new("invalid_request", "assertion is missing"))?;
    let refused = |description| Fault::new("invalid_grant", description);
    let entry = state.access_tokens.find(assertion).filter(|entry| !entry.revoked);
    let found =
        entry.and_then(|entry| Some((entry.clone(), state.grants.find(&entry.grant)?.clone())));
    let (entry, caller) = found.ok_or_else(|| {
        refused("the assertion is no access token of this provider").entra(500_133)
    })?;
    // RFC 7523 section 3 point 3: the token that the API received has to be for this API.
    let is_meant = match &entry.tenant {
        Some(_) => {
            let claims = jwt::own_claims(state, assertion).unwrap_or_default();
            let audience = claims.get("aud").and_then(|audience| audience.as_str());
            audience.is_some_and(|audience| client.is_api(audience))
        }
        None => resource::is_meant(client, &entry.audiences),
    };
    if !is_meant {
        let description = "the assertion is for another application: issue it for the client id \
                           of the API, or register its audience with `DevClient::with_resource`";
        return Err(refused(description).entra(500_131));
    }
    if server.now() >= entry.expires || caller.revoked {
        return Err(refused("the assertion has expired").entra(500_133));
    }
    // Entra ID refuses tokens without a user here: they have the client credentials grant.
    if caller.person.is_empty() {
        return Err(
            refused("the assertion is the token of an application, without a user").entra(50_013)
        );
    }
    Ok((entry, caller))
}

fn elsewhere(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
    grant: IssuedGrant,
) -> TokenResult {
    let scopes = incoming.form.list("scope");
    let agreed = |scope: &String| state.has_consented(&grant.person, None, &client.id, scope);
    if client.consent == Consent::Asked && !scopes.iter().all(agreed) {
        // This grant has no consent page, so the consent must already be stored.
        return Err(Fault::new(
            "consent_required",
            format!("the person has not agreed to what the API asks for: {CONSENT}"),
        )
        .into());
    }
    if let Some(fault) = requested_claims::demanded(server, state, incoming, &grant, &scopes) {
        return Err(fault.into());
    }
    let resources = resource::of_token(&incoming.form, &grant)?;
    let (id, grant) = (unguessable()?, IssuedGrant { scopes, ..grant });
    state.grants.put(id.clone(), grant.clone());
    let refresh_token = issue::first_refresh_token(server, state, &id, &grant)?;
    let format = state.format_for(&resources);
    let part = Part { scopes: &grant.scopes, resources: &resources, format };
    Ok(issue::members_for(
        server,
        state,
        &id,
        &grant,
        part,
        Occasion::First { nonce: None },
        refresh_token,
    )?)
}
