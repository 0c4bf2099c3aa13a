//! UserInfo (OpenID Connect Core section 5.3, RFC 6750).

use super::{reply, request::Incoming, server::Server, spoil_answers};
use crate::error::Error;
use axum::response::Response;
use http::{StatusCode, header};

/// Answers with the claims that the token's scopes allow.
pub(super) fn user_info(server: &Server, incoming: &Incoming) -> Result<Response, Error> {
    let refused = |status, error| Ok(reply::bearer_error(status, error));
    // In the header or in the form, never in the address, and not in two places at once (RFC 6750 section 2).
    let in_header = incoming
        .header(header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let token = match (in_header, incoming.form.first("access_token")) {
        (Some(_), Some(_)) => return refused(StatusCode::BAD_REQUEST, Some("invalid_request")),
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return refused(StatusCode::UNAUTHORIZED, None),
    };
    let mut state = server.state();
    let valid = state.access_tokens.find(token).filter(|entry| !entry.revoked && server.now() < entry.expires);
    let found = valid.and_then(|entry| {
        let grant = state.grants.find(&entry.grant).filter(|grant| !grant.revoked)?;
        Some((entry, state.person(&grant.person)?))
    });
    let Some((entry, person)) = found else { return refused(StatusCode::UNAUTHORIZED, Some("invalid_token")) };
    if !entry.scopes.iter().any(|scope| scope == "openid") {
        return refused(StatusCode::FORBIDDEN, Some("insufficient_scope"));
    }
    let mut claims = person.claims_for(&entry.scopes);
    claims.insert("sub".into(), person.subject.clone().into());
    let order = state.spoils.user_infos.pop_front();
    Ok(spoil_answers::answer(order, claims, |body| reply::private_json(StatusCode::OK, body)))
}
