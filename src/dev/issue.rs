//! The token responses of a generic provider.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    client::RefreshTokens,
    jwt,
    metadata::members,
    quirk::Quirk,
    server::Server,
    spoil_access_token, spoil_entra, spoil_id_token,
    state::{
        AccessTokenEntry, AccessTokenFormat, BrowserSession, IssuedGrant, ProviderState,
        RefreshTokenEntry, unguessable,
    },
    tenant::DevTenant,
};
use crate::{clock::UnixTime, config::Algorithm, error::Error, secret::Secret};

/// Tokens that were issued without a browser, by
/// [`DevProvider::issue_tokens`](super::DevProvider::issue_tokens).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedTokens {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if the client's rule issues one.
    pub refresh_token: Option<Secret>,
    /// The ID token, if `openid` is among the scopes.
    pub id_token: Option<Secret>,
}

/// The scopes and resources of one token, a subset of the grant's, and its format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) scopes: &'a [String],
    pub(super) resources: &'a [String],
    pub(super) format: AccessTokenFormat,
}

/// What a token response is issued for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Occasion<'a> {
    /// The first of a grant; with the `nonce` of the authorization request, if it had one.
    First { nonce: Option<&'a str> },
    /// A refresh.
    Refresh,
}

/// Issues an access token for a part of the grant.
fn access_token(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
    part: Part<'_>,
) -> Result<String, Error> {
    let now = server.now();
    let expires = now + state.lifetimes.access_token;
    // RFC 6749 section 1.4: the format is between provider and API; clients do not read the token.
    let token = match part.format {
        AccessTokenFormat::Opaque => unguessable()?,
        AccessTokenFormat::Jwt => {
            let claims = access_claims(server, state, grant, part)?;
            let key = state.keys.current()?.clone();
            spoil_access_token::write(state, key, "at+jwt", claims, None, now)?
        }
    };
    let entry = AccessTokenEntry {
        grant: grant_id.to_owned(),
        tenant: None,
        resource: None,
        audiences: part.resources.to_vec(),
        scopes: part.scopes.to_vec(),
        issued: now,
        expires,
        revoked: false,
    };
    state.access_tokens.put(token.clone(), entry);
    Ok(token)
}

/// The claims of an access token (RFC 9068 section 2.2).
pub(super) fn access_claims(
    server: &Server,
    state: &ProviderState,
    grant: &IssuedGrant,
    part: Part<'_>,
) -> Result<Map<String, Value>, Error> {
    let now = server.now();
    // A token of the client itself has the client as its subject.
    let person = state.person(&grant.person);
    let subject = person.map_or_else(|| grant.client.clone(), |person| person.subject.clone());
    let audience = match part.resources {
        // RFC 9068 section 3 leaves the default to the provider: here the client itself.
        [] => json!(grant.client),
        [one] => json!(one),
        several => json!(several),
    };
    let mut claims = members(json!({
        "iss": server.issuer, "sub": subject, "aud": audience, "client_id": grant.client,
        "scope": part.scopes.join(" "), "iat": now, "exp": now + state.lifetimes.access_token,
        "jti": unguessable()?,
    }));
    // RFC 9068 section 2.2.1: only of a grant in which a user signed in.
    if !grant.person.is_empty() {
        claims.insert("auth_time".into(), grant.signed_in.auth_time.as_seconds().into());
        claims.extend(strength(&grant.signed_in));
    }
    if let Some(person) = person.filter(|person| !person.roles.is_empty()) {
        claims.insert("roles".into(), person.roles.clone().into());
    }
    Ok(claims)
}

/// The claims about the authentication: `acr`, `acrs` and the like.
fn strength(signed_in: &BrowserSession) -> Map<String, Value> {
    let mut claims = Map::new();
    if let Some(acr) = &signed_in.acr {
        claims.insert("acr".into(), acr.clone().into());
    }
    if !signed_in.contexts.is_empty() {
        claims.insert("acrs".into(), signed_in.contexts.clone().into());
    }
    claims
}

/// Whether the rule of the client issues a refresh token for the grant.
fn refreshable(state: &ProviderState, grant: &IssuedGrant) -> bool {
    match state.client(&grant.client).map(|client| client.refresh_tokens) {
        // Quirks come before the rule of the client.
        _ if state.quirks.has(Quirk::NoRefreshTokens) => false,
        Some(RefreshTokens::Always) => true,
        Some(RefreshTokens::WithOfflineAccess) if state.quirks.has(Quirk::NoOfflineAccess) => true,
        // OpenID Connect Core section 11.
        Some(RefreshTokens::WithOfflineAccess) => {
            grant.scopes.iter().any(|scope| scope == "offline_access")
        }
        Some(RefreshTokens::Never) | None => false,
    }
}

/// The refresh token of the first token response, if the rule of the client issues one.
pub(super) fn first_refresh_token(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
) -> Result<Option<String>, Error> {
    refreshable(state, grant).then(|| refresh_token(server, state, grant_id)).transpose()
}

/// The `nbf` of a refresh token of this time: a minute before its access token ends.
pub(super) fn refresh_not_before(state: &ProviderState, issued: UnixTime) -> UnixTime {
    issued + state.lifetimes.access_token - Duration::from_secs(60)
}

/// Issues a refresh token for the grant.
pub(super) fn refresh_token(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
) -> Result<String, Error> {
    let now = server.now();
    let mut token = unguessable()?;
    if state.quirks.has(Quirk::RefreshTokenNotBefore) {
        let nbf = refresh_not_before(state, now);
        let claims = members(json!({
            "typ": "Refresh", "jti": token, "iat": now, "nbf": nbf,
            "exp": now + state.lifetimes.refresh_token,
        }));
        token = jwt::sign(state.keys.current()?, "JWT", &claims)?;
    }
    let entry = RefreshTokenEntry {
        grant: grant_id.to_owned(),
        issued: now,
        expires: now + state.lifetimes.refresh_token,
        used: false,
    };
    state.refresh_tokens.put(token.clone(), entry);
    Ok(token)
}

/// The claims of an ID token (OpenID Connect Core section 2).
fn id_token_claims(
    server: &Server,
    state: &ProviderState,
    grant: &IssuedGrant,
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
    set("exp", (now + state.lifetimes.id_token).as_seconds().into());
    set("iat", now.as_seconds().into());
    set("auth_time", grant.signed_in.auth_time.as_seconds().into());
    set("sid", grant.signed_in.sid.clone().into());
    // OpenID Connect Core section 2: the value of the authorization request, unchanged.
    if let Some(nonce) = nonce {
        set("nonce", nonce.into());
    }
    // Optional in the code flow (OpenID Connect Core section 3.1.3.6), and sent by most providers.
    if let Some(token) = access_token {
        let algorithm = if state.quirks.has(Quirk::Sha256TokenHash) {
            Algorithm::Rs256
        } else {
            state.algorithm
        };
        set("at_hash", jwt::half_hash(algorithm, token).into());
    }
    claims.extend(strength(&grant.signed_in));
    if let Some(person) = person {
        claims.extend(person.claims_for(&grant.scopes));
        claims.extend(grant.claims.for_id_token(person));
    }
    claims
}

/// Signs an ID token with the key of the tenant, and applies the ordered fault.
pub(super) fn signed_id_token(
    server: &Server,
    state: &mut ProviderState,
    mut claims: Map<String, Value>,
    tenant: Option<&DevTenant>,
) -> Result<String, Error> {
    // Quirks first: an ordered fault spoils the token that this provider would send.
    state.quirks.claims(&mut claims);
    let order = state.spoils.id_tokens.pop_front();
    let mut key = state.keys_of(tenant).current()?.clone();
    if let Some(tenant) = tenant
        && let Some(spoil) = state.spoils.entra_tokens.pop_front()
        && let Some(other) = spoil_entra::carry_out(spoil, server, state, tenant, &mut claims)?
    {
        key = other;
    }
    spoil_id_token::write(state, key, claims, order, server.now())
}

/// The members of the first token response of a grant.
pub(super) fn token_answer(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, Error> {
    let refresh_token = first_refresh_token(server, state, grant_id, grant)?;
    let part = Part {
        scopes: &grant.scopes,
        resources: &grant.resources,
        format: state.format_for(&grant.resources),
    };
    members_for(server, state, grant_id, grant, part, Occasion::First { nonce }, refresh_token)
}

/// The members of a token response for a part of the grant (RFC 6749 section 5.1, OpenID Connect
/// Core section 3.1.3.3).
pub(super) fn members_for(
    server: &Server,
    state: &mut ProviderState,
    grant_id: &str,
    grant: &IssuedGrant,
    part: Part<'_>,
    occasion: Occasion<'_>,
    refresh_token: Option<String>,
) -> Result<Map<String, Value>, Error> {
    let access_token = access_token(server, state, grant_id, grant, part)?;
    let mut members = Map::new();
    members.insert("access_token".into(), access_token.clone().into());
    members.insert("token_type".into(), "Bearer".into());
    members.insert("expires_in".into(), state.lifetimes.access_token.as_secs().into());
    members.insert("scope".into(), part.scopes.join(" ").into());
    if let Some(token) = refresh_token {
        members.insert("refresh_token".into(), token.into());
    }
    // OpenID Connect Core section 3.1.2.1: without `openid` it is plain OAuth 2.0.
    if part.scopes.iter().any(|scope| scope == "openid") {
        let nonce = match occasion {
            Occasion::First { nonce } => nonce,
            // OpenID Connect Core section 12.2: it should have none.
            Occasion::Refresh => None,
        };
        let mut claims = id_token_claims(server, state, grant, nonce, Some(&access_token));
        if matches!(occasion, Occasion::Refresh) {
            state.quirks.claims_at_refresh(&mut claims);
        }
        members.insert("id_token".into(), signed_id_token(server, state, claims, None)?.into());
    }
    Ok(members)
}
