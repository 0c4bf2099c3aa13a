//! Revocation (RFC 7009) and introspection (RFC 7662).

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{client_auth, reply, request::Incoming, resource, server::Server, state::Grant};
use crate::error::Error;

/// Revokes a token: a refresh token with everything that came from the same sign-in, an access
/// token alone.
pub(super) fn revoke(server: &Server, incoming: &Incoming) -> Result<Response, Error> {
    let mut guard = server.state();
    let state = &mut *guard;
    let client = match client_auth::authenticate(server, state, incoming) {
        Ok(client) => client,
        Err(response) => return Ok(*response),
    };
    let Some(token) = incoming.form.first("token") else {
        return Ok(reply::oauth_error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "token is missing",
        ));
    };
    // A token that is unknown is no error (RFC 7009 section 2.2). Another client's is (section
    // 2.1), and nothing happens to it.
    let refresh = state.refresh_tokens.find(token).map(|entry| entry.grant.clone());
    let access = state.access_tokens.find(token).map(|entry| entry.grant.clone());
    let own =
        |grant: &String| state.grants.find(grant).is_some_and(|grant| grant.client == client.id);
    if refresh.iter().chain(&access).any(|grant| !own(grant)) {
        let description = "the token was issued to another client";
        return Ok(reply::oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", description));
    }
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

/// Tells a client about a token of its own, or one that it was called with.
pub(super) fn introspect(server: &Server, incoming: &Incoming) -> Result<Response, Error> {
    let mut guard = server.state();
    let state = &mut *guard;
    let client = match client_auth::authenticate(server, state, incoming) {
        Ok(client) => client,
        Err(response) => return Ok(*response),
    };
    let token = incoming.form.first("token").unwrap_or_default();
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
    let audiences = access.map(|entry| entry.audiences.clone()).unwrap_or_default();
    let Some((grant_id, scopes, issued, expires, kind)) = found.filter(|found| now < found.3)
    else {
        return Ok(reply::private_json(StatusCode::OK, &json!({ "active": false })));
    };
    // The API that a token is for may ask, too.
    let may_know =
        |grant: &Grant| grant.client == client.id || resource::is_meant(&client, &audiences);
    let grant = state.grants.find(grant_id).filter(|grant| !grant.revoked && may_know(grant));
    let body = grant.map_or_else(
        || json!({ "active": false }),
        |grant| {
            let scopes = if scopes.is_empty() { &grant.scopes } else { &scopes };
            json!({
                "active": true, "client_id": grant.client, "scope": scopes.join(" "), "iss": server.issuer,
                "sub": state.person(&grant.person).map(|person| person.subject.clone()),
                "iat": issued, "exp": expires, "token_type": kind, "aud": if audiences.is_empty() { json!(grant.client) } else { json!(audiences) },
            })
        },
    );
    Ok(reply::private_json(StatusCode::OK, &body))
}
