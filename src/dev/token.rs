//! The token endpoint (RFC 6749 sections 4.1.3 and 6, RFC 7636 section 4.5).

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    client::DevClient,
    client_auth, device, entra_token,
    fault::{self, Fault, Refused},
    federated, grants,
    issue::{self, Occasion, Part},
    on_behalf_of,
    quirk::Quirk,
    realm::{Audience, Realm},
    reply,
    request::{EndpointRequest, Parameters},
    requested_claims, resource,
    server::Server,
    spoil_answers,
    state::{Code, IssuedGrant, ProviderState, RefreshRotation},
};
use crate::secret::{base64url, same};

fn revoked() -> Fault {
    Fault::new("invalid_grant", "the grant has been revoked")
        .entra(50_173)
        .b2c(90_129)
        .suberror("bad_token")
}

fn refused(description: &str) -> Fault {
    Fault::new("invalid_grant", description)
}

/// Handles a token request.
pub(super) fn token(server: &Server, incoming: &EndpointRequest) -> Result<Response, Refused> {
    if let Realm::Entra(Audience::Unknown(name)) = &incoming.realm {
        return Err(fault::no_tenant(name).into());
    }
    let form = incoming.posted_form()?;
    let mut guard = server.state();
    let state = &mut *guard;
    let client = &client_auth::authenticate(server, state, incoming)?;
    let grant_type = form.first("grant_type");
    let mut members = match grant_type {
        Some("authorization_code") => redeem(server, state, client, incoming)?,
        Some("refresh_token") => refresh(server, state, client, incoming)?,
        Some("client_credentials") => grants::client_credentials(server, state, client, incoming)?,
        Some("password") => grants::password(server, state, client, incoming)?,
        // The name in version 1.0 of Entra ID, which MSAL Node still sends.
        Some("device_code") if server.entra.is_some() => {
            device::redeem(server, state, client, incoming)?
        }
        Some("urn:ietf:params:oauth:grant-type:device_code") => {
            device::redeem(server, state, client, incoming)?
        }
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            on_behalf_of::on_behalf_of(server, state, client, incoming)?
        }
        Some("user_fic") if server.entra.is_some() => {
            federated::user_tokens(server, state, client, incoming)?
        }
        // RFC 6749 section 5.2.
        Some(_) => {
            let description = "this grant_type is not supported";
            return Err(Fault::new("unsupported_grant_type", description).into());
        }
        None => return Err(Fault::new("invalid_request", "grant_type is missing").into()),
    };
    state.quirks.token_answer(&mut members, grant_type == Some("refresh_token"));
    let order = state.spoils.token_answers.pop_front();
    Ok(spoil_answers::answer(order, members, |body| reply::private_json(StatusCode::OK, body)))
}

/// The members of a token response.
pub(super) type TokenResult = Result<Map<String, Value>, Refused>;

fn redeem(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    // RFC 6749 section 5.2: without the parameter the request is invalid, with an unknown code the
    // grant is.
    let Some(given) = incoming.form.first("code") else {
        return Err(Fault::new("invalid_request", "code is missing").into());
    };
    let Some(code) = state.codes.find(given).cloned() else {
        return Err(refused("the code is unknown").into());
    };
    check_code(server, state, client, incoming, &code)?;
    if let Some(code) = state.codes.find_mut(given) {
        code.used = true;
    }
    let Some(grant) = state.grants.find(&code.grant).filter(|grant| !grant.revoked).cloned() else {
        return Err(revoked().into());
    };
    let grant = IssuedGrant { proof: client.proof, ..grant };
    if server.entra.is_some() {
        return entra_token::redeem(server, state, incoming, &code, &grant);
    }
    let resources = resource::of_token(&incoming.form, &grant)?;
    let grant = IssuedGrant { resources, ..grant };
    Ok(issue::token_answer(server, state, &code.grant, &grant, code.nonce.as_deref())?)
}

/// Checks that this request may redeem the code.
fn check_code(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
    code: &Code,
) -> Result<(), Fault> {
    // RFC 6749 section 4.1.3: the code belongs to the client and the redirect URI of its request.
    if code.client != client.id {
        return Err(refused("the code was issued to another client"));
    }
    if code.used {
        // RFC 6749 section 4.1.2: all tokens from a reused code are revoked.
        state.revoke_grant(&code.grant);
        return Err(refused("the code was used before; what it gave is revoked").entra(54_005));
    }
    // RFC 6749 section 4.1.2 recommends ten minutes at most.
    if server.now() >= code.expires {
        return Err(refused("the code has expired").entra(70_008));
    }
    // RFC 6749 section 4.1.3: it must be identical, where the authorization request had one.
    if incoming.form.first("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(refused("redirect_uri is not that of the authorization request").entra(500_112));
    }
    verify(&code.challenge, incoming.form.first("code_verifier").unwrap_or_default())
}

/// Verifies the code verifier (RFC 7636 section 4.6). There is no challenge if the quirk disables
/// PKCE.
fn verify(challenge: &str, verifier: &str) -> Result<(), Fault> {
    if challenge.is_empty() {
        return Ok(());
    }
    // RFC 7636 section 4.1: 43 to 128 unreserved characters.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
        return Err(refused("code_verifier is missing or malformed").entra(50_148).b2c(90_183));
    }
    if !same(
        base64url(digest(&SHA256, verifier.as_bytes()).as_ref()).as_bytes(),
        challenge.as_bytes(),
    ) {
        return Err(refused("code_verifier does not belong to code_challenge")
            .entra(501_481)
            .b2c(90_183));
    }
    Ok(())
}

fn refresh(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    let Some(given) = incoming.form.first("refresh_token") else {
        return Err(Fault::new("invalid_request", "refresh_token is missing").into());
    };
    let Some(entry) = state.refresh_tokens.find(given).cloned() else {
        return Err(refused("the refresh token is unknown").into());
    };
    let Some(grant) = state.grants.find(&entry.grant).filter(|grant| !grant.revoked).cloned()
    else {
        return Err(revoked().into());
    };
    // RFC 6749 section 6: a refresh token is bound to its client.
    if grant.client != client.id {
        return Err(refused("the refresh token was issued to another client").into());
    }
    let grant = IssuedGrant { proof: client.proof, ..grant };
    if server.entra.is_some() {
        return entra_token::refresh(server, state, incoming, &entry, &grant);
    }
    if entry.used {
        // RFC 9700 section 4.14.2: a reused refresh token has leaked, so the whole family is
        // revoked.
        state.revoke_grant(&entry.grant);
        return Err(refused("the refresh token was used before; what it gave is revoked").into());
    }
    let now = server.now();
    if now >= entry.expires {
        return Err(refused("the refresh token has expired").into());
    }
    if state.quirks.has(Quirk::RefreshTokenNotBefore)
        && now < issue::refresh_not_before(state, entry.issued)
    {
        state.revoke_grant(&entry.grant);
        return Err(refused("the refresh token is not valid yet; its grant is revoked").into());
    }
    // A policy that has changed since the sign-in decides before a new token is issued.
    if let Some(fault) =
        requested_claims::demanded(server, state, incoming, &grant, &incoming.form.list("scope"))
    {
        return Err(fault.into());
    }
    let (scopes, resources) = narrowed(&incoming.form, &grant)?;
    // RFC 9700 section 4.14.2: with rotation each refresh token is used once.
    let next = match state.rotation {
        RefreshRotation::Keep => None,
        RefreshRotation::Rotate => {
            if let Some(entry) = state.refresh_tokens.find_mut(given) {
                entry.used = true;
            }
            Some(issue::refresh_token(server, state, &entry.grant)?)
        }
    };
    // OpenID Connect Core section 12.2: the new ID token need not have a nonce.
    let part =
        Part { scopes: &scopes, resources: &resources, format: state.format_for(&resources) };
    Ok(issue::members_for(server, state, &entry.grant, &grant, part, Occasion::Refresh, next)?)
}

/// The scopes and resources of the new access token: those of the grant or fewer.
fn narrowed(form: &Parameters, grant: &IssuedGrant) -> Result<(Vec<String>, Vec<String>), Fault> {
    // RFC 6749 section 6: the request may name the same scopes or fewer; the grant keeps all.
    let asked = form.list("scope");
    if asked.iter().any(|scope| !grant.scopes.contains(scope)) {
        return Err(Fault::new("invalid_scope", "a scope was not granted at sign-in"));
    }
    let scopes = if asked.is_empty() { grant.scopes.clone() } else { asked };
    Ok((scopes, resource::of_token(form, grant)?))
}
