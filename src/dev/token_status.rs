//! Revocation (RFC 7009) and introspection (RFC 7662).

use axum::response::Response;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    client::DevClient,
    client_auth,
    fault::{Fault, Refused},
    jwt,
    metadata::members,
    reply,
    request::{EndpointRequest, Parameters},
    resource,
    server::Server,
    state::{IssuedGrant, ProviderState},
};
use crate::media_type;

/// Handles a revocation request: a refresh token is revoked with the whole family, an access token
/// alone.
pub(super) fn revoke(server: &Server, incoming: &EndpointRequest) -> Result<Response, Refused> {
    let form = incoming.posted_form()?;
    let mut guard = server.state();
    let state = &mut *guard;
    let client = client_auth::authenticate(server, state, incoming)?;
    let token = token(form)?;
    // Revoking an unknown token succeeds (RFC 7009 section 2.2). Another client's token is refused
    // and stays valid (section 2.1).
    let refresh = state.refresh_tokens.find(token).map(|entry| entry.grant.clone());
    let access = state.access_tokens.find(token).map(|entry| entry.grant.clone());
    let own =
        |grant: &String| state.grants.find(grant).is_some_and(|grant| grant.client == client.id);
    if refresh.iter().chain(&access).any(|grant| !own(grant)) {
        let description = "the token was issued to another client";
        return Ok(reply::oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", description));
    }
    // RFC 7009 section 2.1: the access tokens of the same grant are revoked with its refresh token.
    if let Some(grant) = refresh {
        state.revoke_grant(&grant);
    }
    if access.is_some()
        && let Some(entry) = state.access_tokens.find_mut(token)
    {
        entry.revoked = true;
    }
    Ok(reply::empty(StatusCode::OK))
}

/// The token that a request is about (RFC 7009 and RFC 7662 section 2.1).
fn token(form: &Parameters) -> Result<&str, Fault> {
    form.first("token").ok_or_else(|| Fault::new("invalid_request", "token is missing"))
}

/// Handles an introspection request about a token of the client, or for the client as an API.
pub(super) fn introspect(server: &Server, incoming: &EndpointRequest) -> Result<Response, Refused> {
    let form = incoming.posted_form()?;
    let mut guard = server.state();
    let state = &mut *guard;
    let client = client_auth::authenticate(server, state, incoming)?;
    // RFC 7662 section 2.1: the endpoint requires authorization, against scanning for tokens. The
    // name of a public client is none.
    if !client.is_confidential() {
        let description = "a client without a credential cannot introspect tokens: register it \
                           with `DevClient::confidential`";
        return Err(Fault::new("invalid_client", description).into());
    }
    // RFC 7662 section 2.2: a token that is unknown, expired or revoked is no error.
    let body = status(server, state, &client, token(form)?).unwrap_or(json!({ "active": false }));
    // RFC 9701 section 4: the client asks for a signed response by `Accept`.
    let lines = incoming.headers.get_all(header::ACCEPT).iter();
    let mut lines = lines.filter_map(|line| line.to_str().ok());
    if !lines.any(|line| media_type::accepts(line, SIGNED_ANSWER)) {
        return Ok(reply::private_json(StatusCode::OK, &body));
    }
    // RFC 9701 section 5: `aud` is this client, and `typ` prevents use as an access token.
    let claims = members(json!({
        "iss": server.issuer, "aud": client.id, "iat": server.now(), "token_introspection": body,
    }));
    let signed = jwt::sign(state.keys.current()?, "token-introspection+jwt", &claims)?;
    let mut response = reply::text(StatusCode::OK, SIGNED_ANSWER, signed);
    reply::set(&mut response, header::CACHE_CONTROL, "no-store");
    Ok(response)
}

/// The media type of a signed response (RFC 9701 section 5).
const SIGNED_ANSWER: &str = "application/token-introspection+jwt";

/// The members about an active token that the client may know (RFC 7662 section 2.2); `None` if the
/// token is not active, or the client must not know.
fn status(
    server: &Server,
    state: &ProviderState,
    client: &DevClient,
    token: &str,
) -> Option<Value> {
    let now = server.now();
    let access = state.access_tokens.find(token).filter(|entry| !entry.revoked);
    let refresh = state.refresh_tokens.find(token).filter(|entry| !entry.used);
    let found = access
        .map(|entry| (&entry.grant, entry.scopes.clone(), entry.issued, entry.expires, "Bearer"))
        .or_else(|| {
            refresh.map(|entry| {
                (&entry.grant, Vec::new(), entry.issued, entry.expires, "refresh_token")
            })
        });
    let (grant_id, scopes, issued, expires, kind) = found.filter(|found| now < found.3)?;
    let audiences = access.map(|entry| entry.audiences.clone()).unwrap_or_default();
    // The API that a token is for may ask too.
    let may_know =
        |grant: &IssuedGrant| grant.client == client.id || resource::is_meant(client, &audiences);
    // RFC 7662 section 4: to any other client the token is as inactive as an unknown one.
    let grant = state.grants.find(grant_id).filter(|grant| !grant.revoked && may_know(grant))?;
    let scopes = if scopes.is_empty() { &grant.scopes } else { &scopes };
    let mut status = json!({
        "active": true, "client_id": grant.client, "scope": scopes.join(" "), "iss": server.issuer,
        "sub": state.person(&grant.person).map_or(&grant.client, |person| &person.subject),
        "iat": issued, "exp": expires, "token_type": kind,
        "aud": if audiences.is_empty() { json!(grant.client) } else { json!(audiences) },
    });
    if let (Some(person), Some(members)) = (state.person(&grant.person), status.as_object_mut()) {
        members.insert("username".to_owned(), person.username.clone().into());
        members.insert("auth_time".to_owned(), json!(grant.signed_in.auth_time));
    }
    Some(status)
}
