//! The token endpoint (RFC 6749 sections 4.1.3 and 6, RFC 7636 section 4.5).

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    client::DevClient,
    client_auth, issue, reply,
    request::Incoming,
    server::Server,
    spoil_answers,
    state::{RefreshRotation, State},
};
use crate::{
    error::Error,
    secret::{base64url, same},
};

/// An error answer: `error` and `error_description`.
type Refusal = (&'static str, &'static str);

const REVOKED: Refusal = ("invalid_grant", "the grant has been revoked");

/// Answers a token request.
pub(super) fn token(server: &Server, incoming: &Incoming) -> Result<Response, Error> {
    let bad = |error, description| Ok(reply::oauth_error(StatusCode::BAD_REQUEST, error, description));
    if !incoming.has_form {
        return bad("invalid_request", "the body has to be a form");
    }
    if incoming.form.repeated().is_some() {
        return bad("invalid_request", "a parameter is there twice");
    }
    let mut guard = server.state();
    let state = &mut *guard;
    let client = match client_auth::authenticate(state, incoming) {
        Ok(client) => client,
        Err(response) => return Ok(*response),
    };
    let answer = match incoming.form.first("grant_type") {
        Some("authorization_code") => redeem(server, state, &client, incoming)?,
        Some("refresh_token") => refresh(server, state, &client, incoming)?,
        Some(_) => Err(("unsupported_grant_type", "only authorization_code and refresh_token are supported")),
        None => Err(("invalid_request", "grant_type is missing")),
    };
    match answer {
        Ok(members) => {
            let order = state.spoils.token_answers.pop_front();
            Ok(spoil_answers::answer(order, members, |body| reply::private_json(StatusCode::OK, body)))
        }
        Err((error, description)) => bad(error, description),
    }
}

type Answer = Result<Result<Map<String, Value>, Refusal>, Error>;

fn redeem(server: &Server, state: &mut State, client: &DevClient, incoming: &Incoming) -> Answer {
    let refused = |description| Ok(Err(("invalid_grant", description)));
    let Some(given) = incoming.form.first("code") else { return Ok(Err(("invalid_request", "code is missing"))) };
    let Some(code) = state.codes.find(given).cloned() else { return refused("the code is unknown") };
    if code.client != client.id {
        return refused("the code was issued to another client");
    }
    if code.used {
        // RFC 6749 section 4.1.2: everything that came from this code is revoked.
        state.revoke_grant(&code.grant);
        return refused("the code was used before; what it gave is revoked");
    }
    if server.now() >= code.expires {
        return refused("the code has expired");
    }
    if incoming.form.first("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return refused("redirect_uri is not that of the authorization request");
    }
    let verifier = incoming.form.first("code_verifier").unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
        return refused("code_verifier is missing or malformed");
    }
    if !same(base64url(digest(&SHA256, verifier.as_bytes()).as_ref()).as_bytes(), code.challenge.as_bytes()) {
        return refused("code_verifier does not belong to code_challenge");
    }
    if let Some(code) = state.codes.find_mut(given) {
        code.used = true;
    }
    let Some(grant) = state.grants.find(&code.grant).filter(|grant| !grant.revoked).cloned() else { return Ok(Err(REVOKED)) };
    issue::token_answer(server, state, &code.grant, &grant, code.nonce.as_deref()).map(Ok)
}

fn refresh(server: &Server, state: &mut State, client: &DevClient, incoming: &Incoming) -> Answer {
    let refused = |description| Ok(Err(("invalid_grant", description)));
    let Some(given) = incoming.form.first("refresh_token") else {
        return Ok(Err(("invalid_request", "refresh_token is missing")));
    };
    let Some(entry) = state.refresh_tokens.find(given).cloned() else { return refused("the refresh token is unknown") };
    let Some(grant) = state.grants.find(&entry.grant).filter(|grant| !grant.revoked).cloned() else { return Ok(Err(REVOKED)) };
    if grant.client != client.id {
        return refused("the refresh token was issued to another client");
    }
    if entry.used {
        // RFC 9700 section 4.14.2: one of the two that used it is a thief, so neither goes on.
        state.revoke_grant(&entry.grant);
        return refused("the refresh token was used before; what it gave is revoked");
    }
    if server.now() >= entry.expires {
        return refused("the refresh token has expired");
    }
    // RFC 6749 section 6: the same scopes, or fewer, for this access token; the grant keeps all of them.
    let asked = incoming.form.list("scope");
    if asked.iter().any(|scope| !grant.scopes.contains(scope)) {
        return Ok(Err(("invalid_scope", "a scope was not granted at sign-in")));
    }
    let scopes = if asked.is_empty() { grant.scopes.clone() } else { asked };
    let next = match state.rotation {
        RefreshRotation::Keep => None,
        RefreshRotation::Rotate => {
            if let Some(entry) = state.refresh_tokens.find_mut(given) {
                entry.used = true;
            }
            Some(issue::refresh_token(server, state, &entry.grant)?)
        }
    };
    // OpenID Connect Core section 12.2: the new ID token has no nonce.
    issue::members_for(server, state, &entry.grant, &grant, &scopes, None, next).map(Ok)
}
