//! Making tokens.

use serde_json::{Map, Value, json};

use super::{
    client::RefreshTokens,
    jwt,
    server::Server,
    state::{AccessTokenEntry, AccessTokenFormat, Grant, RefreshTokenEntry, State, unguessable},
};
use crate::{error::Error, secret::Secret};

/// Tokens that were issued without a browser, by [`DevProvider::issue_tokens`](super::DevProvider::issue_tokens).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedTokens {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if the client gets one.
    pub refresh_token: Option<Secret>,
    /// The ID token, if `openid` is among the scopes.
    pub id_token: Option<Secret>,
}

/// An access token for a part of what the grant allows.
pub(super) fn access_token(
    server: &Server,
    state: &mut State,
    grant_id: &str,
    grant: &Grant,
    scopes: &[String],
) -> Result<String, Error> {
    let now = server.now();
    let expires = now + state.lives.access_token;
    let token = match state.access_token_format {
        AccessTokenFormat::Opaque => unguessable()?,
        AccessTokenFormat::Jwt => {
            let subject = state.person(&grant.person).map(|person| person.subject.clone());
            let claims = json!({
                "iss": server.issuer, "sub": subject, "aud": grant.client, "client_id": grant.client,
                "scope": scopes.join(" "), "iat": now, "exp": expires, "jti": unguessable()?,
            });
            jwt::sign(state.keys.current()?, "at+jwt", claims.as_object().unwrap_or(&Map::new()))?
        }
    };
    let entry = AccessTokenEntry { grant: grant_id.to_owned(), scopes: scopes.to_vec(), issued: now, expires, revoked: false };
    state.access_tokens.put(token.clone(), entry);
    Ok(token)
}

/// Whether the grant comes with a refresh token.
pub(super) fn refreshable(state: &State, grant: &Grant) -> bool {
    match state.client(&grant.client).map(|client| client.refresh_tokens) {
        Some(RefreshTokens::Always) => true,
        Some(RefreshTokens::WithOfflineAccess) => grant.scopes.iter().any(|scope| scope == "offline_access"),
        Some(RefreshTokens::Never) | None => false,
    }
}

/// A refresh token of the grant.
pub(super) fn refresh_token(server: &Server, state: &mut State, grant_id: &str) -> Result<String, Error> {
    let now = server.now();
    let token = unguessable()?;
    let entry =
        RefreshTokenEntry { grant: grant_id.to_owned(), issued: now, expires: now + state.lives.refresh_token, used: false };
    state.refresh_tokens.put(token.clone(), entry);
    Ok(token)
}

/// The claims of an ID token (OpenID Connect Core section 2).
pub(super) fn id_token_claims(
    server: &Server,
    state: &State,
    grant: &Grant,
    nonce: Option<&str>,
    access_token: Option<&str>,
) -> Map<String, Value> {
    let now = server.now();
    let person = state.person(&grant.person);
    let mut claims = Map::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("iss", server.issuer.clone().into());
    set("sub", person.map(|person| person.subject.clone()).into());
    set("aud", grant.client.clone().into());
    set("exp", (now + state.lives.id_token).as_seconds().into());
    set("iat", now.as_seconds().into());
    set("auth_time", grant.signed_in.auth_time.as_seconds().into());
    set("sid", grant.signed_in.sid.clone().into());
    if let Some(nonce) = nonce {
        set("nonce", nonce.into());
    }
    if let Some(acr) = &grant.signed_in.acr {
        set("acr", acr.clone().into());
    }
    if let Some(token) = access_token {
        set("at_hash", jwt::half_hash(state.algorithm, token).into());
    }
    if let Some(person) = person {
        claims.extend(person.claims_for(&grant.scopes));
    }
    claims
}

/// An ID token.
pub(super) fn id_token(
    server: &Server,
    state: &mut State,
    grant: &Grant,
    nonce: Option<&str>,
    access_token: Option<&str>,
) -> Result<String, Error> {
    let claims = id_token_claims(server, state, grant, nonce, access_token);
    jwt::sign(state.keys.current()?, "JWT", &claims)
}
