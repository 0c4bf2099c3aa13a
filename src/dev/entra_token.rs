//! The token endpoint of Entra ID and B2C: codes and refresh tokens, with scopes, resources and
//! tenants.

use serde_json::{Map, Value};

use super::{
    client::Consent,
    entra_issue::{self, EntraAnswerParts, EntraResource},
    fault::Fault,
    issue,
    realm::{Audience, Realm},
    request::EndpointRequest,
    requested_claims::demanded,
    server::Server,
    state::{Code, IssuedGrant, ProviderState, RefreshRotation, RefreshTokenEntry, unguessable},
    tenant::DevTenant,
    token::TokenResult,
};
use crate::error::Error;

/// The tenant of a token request: that of the sign-in, or another one in the URL in which the
/// person has an account.
fn tenant(
    server: &Server,
    state: &ProviderState,
    incoming: &EndpointRequest,
    grant: &IssuedGrant,
) -> Result<DevTenant, Fault> {
    if !incoming.realm.takes_from(&grant.realm) {
        return Err(
            Fault::new("invalid_grant", "the grant was issued by another authority").b2c(90_088)
        );
    }
    let (Some(own), Some(person)) = (&grant.tenant, state.person(&grant.person)) else {
        return Err(
            Fault::new("invalid_grant", "the account does not exist any more").entra(50_034)
        );
    };
    match &incoming.realm {
        // `common` and `organizations` name no tenant: the one of the sign-in issues the tokens.
        Realm::Entra(Audience::Everyone | Audience::Organizations) => Ok(*own),
        realm => realm.tenant_of(server.entra.as_ref(), person).ok_or_else(|| {
            Fault::new("invalid_grant", "the account does not exist in the tenant that was asked")
                .entra(50_020)
        }),
    }
}

fn asks_client_info(incoming: &EndpointRequest, grant: &IssuedGrant) -> bool {
    grant.client_info || incoming.form.first("client_info") == Some("1")
}

/// The response to a valid code. With several resources it is for the first one; tokens for the
/// others are acquired by refresh.
pub(super) fn redeem(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    code: &Code,
    grant: &IssuedGrant,
) -> TokenResult {
    let tenant = tenant(server, state, incoming, grant)?;
    // Unlike a refresh token, a code is bound to the tenant of its sign-in.
    if Some(&tenant) != grant.tenant.as_ref() {
        let description = "the code was issued for another tenant";
        return Err(Fault::new("invalid_grant", description).entra(70_000).into());
    }
    // RFC 6749 section 4.1.3 has no `scope` here; Entra ID takes it as the API of the first token.
    let asked = incoming.form.list("scope");
    let scopes = if asked.is_empty() { &grant.scopes } else { &asked };
    let resource = entra_issue::one_resource(server, scopes, asked.is_empty())?;
    let grant = IssuedGrant { client_info: asks_client_info(incoming, grant), ..grant.clone() };
    Ok(first(server, state, &code.grant, &grant, &tenant, resource, code.nonce.as_deref())?)
}

/// The first token response of a grant without a code.
pub(super) fn first_answer(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, Error> {
    let resource =
        entra_issue::one_resource(server, &grant.scopes, true).unwrap_or(EntraResource::Graph);
    first(server, state, grant_id, grant, tenant, resource, nonce)
}

fn first(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    resource: EntraResource,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, Error> {
    let refresh_token = issue::first_refresh_token(server, state, grant_id, grant)?;
    let wanted = EntraAnswerParts {
        nonce,
        refresh_token,
        client_info: grant.client_info,
        ..EntraAnswerParts::of(grant_id, grant, tenant, resource)
    };
    entra_issue::answer(server, state, wanted)
}

/// The response to a refresh token, which is valid for every resource and every tenant in which the
/// person has an account. The old refresh token stays valid.
pub(super) fn refresh(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    entry: &RefreshTokenEntry,
    grant: &IssuedGrant,
) -> TokenResult {
    let tenant = tenant(server, state, incoming, grant)?;
    if server.now() >= entry.expires {
        let description = "the refresh token has expired because nobody used it";
        return Err(Fault::new("invalid_grant", description)
            .entra(700_082)
            .suberror("bad_token")
            .into());
    }
    // Without `scope` the scopes are those of the sign-in (RFC 6749 section 6), for the API of its
    // first token: a refresh token serves every API.
    let asked = incoming.form.list("scope");
    let is_first = asked.is_empty();
    let scopes = if is_first { grant.scopes.clone() } else { asked };
    let resource = entra_issue::one_resource(server, &scopes, is_first)?;
    consented(server, state, incoming, grant, &tenant, &scopes)?;
    // Entra ID's refresh tokens may be used again: the old one is not marked as used.
    let refresh_token = match state.rotation {
        RefreshRotation::Keep => None,
        RefreshRotation::Rotate => Some(issue::refresh_token(server, state, &entry.grant)?),
    };
    let wanted = EntraAnswerParts {
        scopes: &scopes,
        refresh_token,
        client_info: asks_client_info(incoming, grant),
        ..EntraAnswerParts::of(&entry.grant, grant, &tenant, resource)
    };
    Ok(entra_issue::answer(server, state, wanted)?)
}

/// The response to a grant that shows no page, for the scopes of the request: the consent must
/// already be stored.
pub(super) fn without_a_page(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    grant: IssuedGrant,
) -> TokenResult {
    let Some(tenant) = grant.tenant else {
        return Err(Fault::new("invalid_grant", "the grant is of no tenant").into());
    };
    let scopes = incoming.form.list("scope");
    entra_issue::one_resource(server, &scopes, false)?;
    let bare = IssuedGrant { scopes: Vec::new(), ..grant };
    let asked: Vec<String> = scopes
        .iter()
        .filter(|scope| entra_issue::resource(server, scope).is_some())
        .cloned()
        .collect();
    consented(server, state, incoming, &bare, &tenant, &asked)?;
    let (id, grant) = (unguessable()?, IssuedGrant { scopes, ..bare });
    state.grants.put(id.clone(), grant.clone());
    Ok(first_answer(server, state, &id, &grant, &tenant, None)?)
}

/// Whether the person has consented to these scopes, in any sign-in, and the authentication meets
/// their requirements.
pub(super) fn consented(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    scopes: &[String],
) -> Result<(), Fault> {
    let given = state.client(&grant.client).is_some_and(|client| client.consent == Consent::Given);
    let missing = scopes.iter().find(|scope| {
        let is_default =
            entra_issue::resource(server, scope).is_some_and(|(_, name)| name == ".default");
        let key = entra_issue::consent_key(server, scope);
        !given
            && !is_default
            && !grant.scopes.contains(scope)
            && !state.has_consented(&grant.person, Some(tenant), &grant.client, &key)
    });
    // In B2C an administrator has already consented for all users.
    if missing.is_some() && !matches!(grant.realm, Realm::B2c { .. }) {
        let description = "no user has consented to the requested scopes";
        return Err(Fault::new("invalid_grant", description)
            .entra(65_001)
            .suberror("consent_required"));
    }
    demanded(server, state, incoming, grant, scopes).map_or(Ok(()), Err)
}
