//! Grants without a browser: client credentials and passwords.

use serde_json::Map;

use super::{
    client::DevClient,
    entra_issue::{self, EntraAnswerParts, EntraResource},
    entra_token,
    fault::Fault,
    issue::{self, Occasion, Part},
    person::DevPerson,
    realm::{Audience, Realm},
    request::EndpointRequest,
    requested_claims::RequestedClaims,
    resource,
    server::Server,
    state::{BrowserSession, IssuedGrant, ProviderState, unguessable},
    tenant::DevTenant,
    token::TokenResult,
};
use crate::{
    error::Error,
    secret::{Secret, same},
};

/// A grant without a page. Without a user it is that of the client itself.
pub(super) fn grant(
    server: &Server,
    client: &DevClient,
    person: &str,
    realm: &Realm,
    tenant: Option<DevTenant>,
    scopes: Vec<String>,
) -> Result<IssuedGrant, Error> {
    Ok(IssuedGrant {
        client: client.id.clone(),
        person: person.to_owned(),
        scopes,
        resources: Vec::new(),
        claims: RequestedClaims::default(),
        signed_in: BrowserSession::new(person, server.now())?,
        revoked: false,
        realm: realm.clone(),
        tenant,
        tells_auth_time: false,
        client_info: false,
        proof: client.proof,
        fmi_path: None,
    })
}

/// Handles the client credentials grant (RFC 6749 section 4.4). The response has neither a refresh
/// token nor an ID token.
pub(super) fn client_credentials(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    // RFC 6749 section 4.4: for confidential clients only.
    if !client.is_confidential() {
        return Err(Fault::new(
            "unauthorized_client",
            "a client without a credential has nothing of its own",
        )
        .entra(7_000_218)
        .into());
    }
    let tenant = match &incoming.realm {
        Realm::Plain => return generic_client_credentials(server, state, client, incoming),
        Realm::Entra(Audience::Tenant(tenant)) | Realm::B2c { tenant, .. } => *tenant,
        Realm::Entra(_) => {
            return Err(Fault::new(
                "invalid_request",
                "tokens of an application are of one tenant: name it",
            )
            .entra(50_059)
            .into());
        }
    };
    // Entra ID has no scopes for an application: `.default` stands for the app roles that it was
    // given.
    let scopes = incoming.form.list("scope");
    let default = |scope: &String| {
        entra_issue::resource(server, scope).is_some_and(|(_, name)| name == ".default")
    };
    if scopes.is_empty() || !scopes.iter().all(default) {
        let description = "an application asks for what it has been given: the scope is the \
                           resource with /.default";
        return Err(Fault::new("invalid_scope", description).entra(1_002_012).into());
    }
    let resource = entra_issue::one_resource(server, &scopes, false)?;
    let id = unguessable()?;
    let mut grant = grant(server, client, "", &incoming.realm, Some(tenant), scopes)?;
    grant.fmi_path = incoming.form.first("fmi_path").map(str::to_owned);
    state.grants.put(id.clone(), grant.clone());
    answer(server, state, &id, &grant, &tenant, resource)
}

/// The client credentials grant of a generic provider.
fn generic_client_credentials(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    let scopes = incoming.form.list("scope");
    if scopes.iter().any(|scope| entra_issue::is_openid(scope)) {
        let description = "scopes of OpenID Connect are about a person";
        return Err(Fault::new("invalid_scope", description).into());
    }
    let grant = grant(server, client, "", &incoming.realm, None, scopes.clone())?;
    let resources = resource::of_token(&incoming.form, &grant)?;
    let id = unguessable()?;
    state.grants.put(id.clone(), grant.clone());
    let part =
        Part { scopes: &scopes, resources: &resources, format: state.format_for(&resources) };
    let first = Occasion::First { nonce: None };
    Ok(issue::members_for(server, state, &id, &grant, part, first, None)?)
}

/// Handles the password grant (RFC 6749 section 4.3), for users that were given a password.
pub(super) fn password(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    let known = user_with_password(state, incoming)?;
    let tenant = incoming.realm.tenant_of(server.entra.as_ref(), &known);
    if tenant.is_none() && server.entra.is_some() {
        return Err(Fault::new("invalid_grant", "the account does not exist in the tenant")
            .entra(50_034)
            .into());
    }
    let scopes = incoming.form.list("scope");
    let id = unguessable()?;
    let grant = IssuedGrant {
        client_info: incoming.form.first("client_info") == Some("1"),
        ..grant(server, client, &known.id, &incoming.realm, tenant, scopes)?
    };
    if tenant.is_none() {
        let grant = IssuedGrant { resources: resource::named(&incoming.form)?, ..grant };
        state.grants.put(id.clone(), grant.clone());
        return Ok(issue::token_answer(server, state, &id, &grant, None)?);
    }
    entra_token::without_a_page(server, state, incoming, grant)
}

/// The user of a password grant, whose password was checked.
fn user_with_password(
    state: &ProviderState,
    incoming: &EndpointRequest,
) -> Result<DevPerson, Fault> {
    let (Some(name), Some(given)) =
        (incoming.form.first("username"), incoming.form.first("password"))
    else {
        return Err(Fault::new("invalid_request", "username or password is missing"));
    };
    let is = |expected: &Secret| same(expected.expose().as_bytes(), given.as_bytes());
    let mut people = state.people.iter();
    let known =
        people.find(|person| person.username.eq_ignore_ascii_case(name) || person.id == name);
    // One error for both, so that it does not reveal which user names exist.
    let wrong = || {
        Fault::new("invalid_grant", "the user name or the password is wrong")
            .entra(50_126)
            .b2c(90_225)
    };
    known.filter(|person| person.password.as_ref().is_some_and(is)).cloned().ok_or_else(wrong)
}

fn answer(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    resource: EntraResource,
) -> TokenResult {
    let wanted = EntraAnswerParts::of(grant_id, grant, tenant, resource);
    let mut members: Map<_, _> = entra_issue::answer(server, state, wanted)?;
    // Entra ID's response to an application has no `scope`.
    members.remove("scope");
    Ok(members)
}
