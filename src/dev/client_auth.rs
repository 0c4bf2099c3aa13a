//! Client authentication at the token endpoint (RFC 6749 section 2.3).

use base64_simd::STANDARD;
use http::header;
use percent_encoding::percent_decode_str;

use super::{
    assertion,
    client::{ClientAuthKind, DevClient},
    fault::Fault,
    quirk::Quirk,
    realm::Realm,
    request::EndpointRequest,
    server::Server,
    state::ProviderState,
};
use crate::{
    config::ClientAuthMethod,
    secret::{Secret, same},
};

/// The authenticated client of a request.
pub(super) fn authenticate(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
) -> Result<DevClient, Fault> {
    let (id, secret) = credentials(state, incoming)?;
    let client = state.client(&id).filter(|client| client.is_known_in(&incoming.realm)).cloned();
    let client = client.ok_or_else(|| unknown(&incoming.realm))?;
    let kind = match incoming.form.first("client_assertion") {
        Some(assertion) => check_assertion(server, state, incoming, &client, assertion),
        None => check_secret(state, &client, secret),
    };
    Ok(client.proven_by(kind?))
}

/// A client secret with the method by which it was sent.
type SentSecret = (ClientAuthMethod, String);

/// The client id of a request, and its secret if there is one.
fn credentials(
    state: &ProviderState,
    incoming: &EndpointRequest,
) -> Result<(String, Option<SentSecret>), Fault> {
    let assertion = incoming.form.first("client_assertion");
    // RFC 7523 section 3: the `sub` of the assertion is the client id, so `client_id` may be
    // absent.
    let subject = assertion.and_then(assertion::named);
    let form_id = incoming.form.first("client_id").or(subject.as_deref());
    let form_secret = incoming.form.first("client_secret");
    check_id_parameter(state, incoming)?;
    let Some(header) = incoming.header(header::AUTHORIZATION) else {
        let id = form_id.ok_or_else(|| refused("no client is named"))?.to_owned();
        return Ok((id, form_secret.map(|secret| (ClientAuthMethod::Post, secret.to_owned()))));
    };
    // RFC 6749 section 2.3: at most one method in each request.
    if form_secret.or(assertion).is_some() {
        return Err(Fault::new("invalid_request", "the client authenticates in two ways at once"));
    }
    let (id, secret) = basic(header, state.quirks.has(Quirk::RawBasic))
        .ok_or_else(|| refused("the Authorization header is not HTTP Basic"))?;
    if form_id.is_some_and(|form_id| form_id != id) {
        return Err(refused("client_id and the Authorization header name different clients"));
    }
    Ok((id, Some((ClientAuthMethod::Basic, secret))))
}

/// The quirks about `client_id` in the body. Introspection and revocation requests, which have a
/// `token`, have no such parameter.
fn check_id_parameter(state: &ProviderState, incoming: &EndpointRequest) -> Result<(), Fault> {
    let has_id = incoming.form.first("client_id").is_some();
    let is_basic = incoming.header(header::AUTHORIZATION).is_some();
    let is_grant = incoming.form.first("grant_type").is_some();
    let is_required = state.quirks.has(Quirk::ClientIdRequired);
    if is_required && !has_id && incoming.form.first("token").is_none() {
        return Err(Fault::new("invalid_request", "Missing client_id parameter."));
    }
    if state.quirks.has(Quirk::ClientIdOrBasic) && has_id && is_basic && is_grant {
        return Err(Fault::new("invalid_request", "the client authenticates in two ways at once"));
    }
    Ok(())
}

fn refused(description: &str) -> Fault {
    Fault::new("invalid_client", description)
}

fn unknown(realm: &Realm) -> Fault {
    let description = "the client is unknown: register it with `DevProvider::add_client`";
    match realm {
        Realm::Plain => refused(description),
        // Entra ID answers `unauthorized_client` with status 400.
        _ => Fault::new("unauthorized_client", description),
    }
}

/// Checks the client assertion of a request (RFC 7523 section 3).
fn check_assertion(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    client: &DevClient,
    assertion: &str,
) -> Result<ClientAuthKind, Fault> {
    let checked = if incoming.form.first("client_secret").is_some() {
        Err(("the client authenticates in two ways at once", 700_027))
    } else {
        assertion::check(server, state, incoming, client, assertion)
    };
    checked.map_err(|(description, number)| refused(description).entra(number).b2c(90_081))?;
    Ok(ClientAuthKind::Key)
}

/// Checks the secret of a request, or its absence (RFC 6749 section 2.3.1).
fn check_secret(
    state: &ProviderState,
    client: &DevClient,
    sent: Option<SentSecret>,
) -> Result<ClientAuthKind, Fault> {
    let quirks = &state.quirks;
    // A method that the discovery document does not list is refused.
    let only = match (quirks.has(Quirk::SecretByPostOnly), quirks.has(Quirk::SecretByBasicOnly)) {
        (true, false) => Some(ClientAuthMethod::Post),
        (false, true) => Some(ClientAuthMethod::Basic),
        _ => client.method,
    };
    match (&client.secret, sent) {
        (None, None) if !client.is_confidential() => Ok(ClientAuthKind::Nothing),
        // RFC 6749 section 5.2: `invalid_client` covers an authentication method that the client
        // does not have.
        (None, Some(_)) => Err(refused("the client has no secret, but sent one").entra(700_025)),
        // RFC 6749 section 3.2.1: a confidential client must authenticate.
        (_, None) => Err(refused("the client has to authenticate").entra(7_000_218).b2c(90_079)),
        // RFC 7591 section 2: `token_endpoint_auth_method` is one method.
        (Some(_), Some((method, _))) if only.is_some_and(|only| only != method) => {
            Err(refused("the client is registered for the other authentication method"))
        }
        (Some(expected), Some((_, sent))) if matches(expected, &sent) => Ok(ClientAuthKind::Secret),
        (Some(_), Some(_)) => Err(refused("the client secret is wrong")),
    }
}

fn matches(expected: &Secret, given: &str) -> bool {
    same(expected.expose().as_bytes(), given.as_bytes())
}

/// ID and secret of an HTTP Basic header: form-decoded (RFC 6749 section 2.3.1), or unchanged if
/// `raw`.
fn basic(header: &str, raw: bool) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    // RFC 9110 section 11.1: the scheme is not case sensitive.
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode_to_vec(credentials.trim()).ok()?).ok()?;
    // RFC 7617 section 2: the first colon ends the user id; the password may contain more.
    let (id, secret) = text.split_once(':')?;
    if raw {
        return Some((id.to_owned(), secret.to_owned()));
    }
    let decode = |part: &str| {
        percent_decode_str(&part.replace('+', " "))
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    Some((decode(id)?, decode(secret)?))
}
