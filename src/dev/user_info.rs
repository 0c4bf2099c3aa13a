//! UserInfo (OpenID Connect Core section 5.3, RFC 6750).

use super::{
    entra_issue::EntraResource, reply, request::EndpointRequest, server::Server, spoil_answers,
    tenant,
};
use crate::error::Error;
use axum::response::Response;
use http::{Method, StatusCode};

/// Answers with the claims that the token's scopes allow.
pub(super) fn user_info(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let refused = |status, error| Ok(reply::bearer_error(status, error));
    // RFC 6750 section 3.1: a repeated parameter makes the request invalid.
    if incoming.form.repeated().is_some() {
        return refused(StatusCode::BAD_REQUEST, Some("invalid_request"));
    }
    // The token is in the header or in a posted form, not in both, and never in the query (RFC 6750
    // section 2).
    let form = Some(&incoming.form).filter(|_| incoming.method == Method::POST);
    let posted = form.and_then(|form| form.first("access_token"));
    let token = match (incoming.bearer(), posted) {
        (Some(_), Some(_)) => return refused(StatusCode::BAD_REQUEST, Some("invalid_request")),
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return refused(StatusCode::UNAUTHORIZED, None),
    };
    // RFC 6750 section 3.1: revoked, expired and unknown tokens are `invalid_token` alike.
    let mut state = server.state();
    let valid = state
        .access_tokens
        .find(token)
        .filter(|entry| !entry.revoked && server.now() < entry.expires);
    let found = valid.and_then(|entry| {
        let grant = state.grants.find(&entry.grant).filter(|grant| !grant.revoked)?;
        Some((entry, grant, state.person(&grant.person)?))
    });
    // UserInfo of Entra ID is part of Graph, and accepts tokens for Graph only.
    let found = found.filter(|(entry, ..)| {
        entry.resource.as_ref().is_none_or(|resource| *resource == EntraResource::Graph)
    });
    let Some((entry, grant, person)) = found else {
        return refused(StatusCode::UNAUTHORIZED, Some("invalid_token"));
    };
    // A token for another resource is not for this one (RFC 8707 section 2).
    if !entry.audiences.is_empty() && !entry.audiences.contains(&server.issuer) {
        return refused(StatusCode::UNAUTHORIZED, Some("invalid_token"));
    }
    // OpenID Connect Core section 5.3: the token comes from an OpenID Connect request.
    if !entry.scopes.iter().any(|scope| scope == "openid") {
        return refused(StatusCode::FORBIDDEN, Some("insufficient_scope"));
    }
    let mut claims = person.claims_for(&entry.scopes);
    let subject = match &entry.tenant {
        Some(tenant) => tenant::subject(person, tenant, &grant.client),
        None => person.subject.clone(),
    };
    claims.extend(grant.claims.for_user_info(person));
    // OpenID Connect Core section 5.3.2: always present, and that of the ID token.
    claims.insert("sub".into(), subject.into());
    state.quirks.user_info(&mut claims);
    let order = state.spoils.user_infos.pop_front();
    Ok(spoil_answers::answer(order, claims, |body| reply::private_json(StatusCode::OK, body)))
}
