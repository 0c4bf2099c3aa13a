//! Client authentication at the token endpoint (RFC 6749 section 2.3).

use axum::response::Response;
use base64_simd::STANDARD;
use http::header;
use percent_encoding::percent_decode_str;

use super::{
    assertion,
    client::{DevClient, Proof},
    fault::{self, Fault},
    quirk::Quirk,
    realm::Realm,
    request::Incoming,
    server::Server,
    state::ProviderState,
};
use crate::{
    config::ClientAuthMethod,
    secret::{Secret, same},
};

/// The authenticated client of a request, or the error response.
pub(super) fn authenticate(
    server: &Server,
    state: &mut ProviderState,
    incoming: &Incoming,
) -> Result<DevClient, Box<Response>> {
    let header = incoming.header(header::AUTHORIZATION);
    let answered = |fault: &Fault| Box::new(fault::json_answer(server, incoming, fault));
    let refused = |description: &str| answered(&Fault::new("invalid_client", description));
    let assertion = incoming.form.first("client_assertion");
    let named = assertion.and_then(assertion::named);
    let form_id = incoming.form.first("client_id").or(named.as_deref());
    let form_secret = incoming.form.first("client_secret");
    let (id, given) = match (header, form_secret.or(assertion)) {
        (Some(_), Some(_)) => {
            // RFC 6749 section 2.3: at most one method in each request.
            let description = "the client authenticates in two ways at once";
            return Err(answered(&Fault::new("invalid_request", description)));
        }
        (Some(header), None) => {
            let (id, secret) = basic(header, state.quirks.has(Quirk::RawBasic))
                .ok_or_else(|| refused("the Authorization header is not HTTP Basic"))?;
            if form_id.is_some_and(|form_id| form_id != id) {
                return Err(refused(
                    "client_id and the Authorization header name different clients",
                ));
            }
            (id, Some((ClientAuthMethod::Basic, secret)))
        }
        (None, _) => {
            let id = form_id.ok_or_else(|| refused("no client is named"))?.to_owned();
            (id, form_secret.map(|secret| (ClientAuthMethod::Post, secret.to_owned())))
        }
    };
    let unknown = || {
        let description = "the client is unknown";
        match incoming.realm {
            Realm::Plain => refused(description),
            // Entra ID answers `unauthorized_client` with status 400.
            _ => answered(&Fault::new("unauthorized_client", description)),
        }
    };
    let client = state
        .client(&id)
        .filter(|client| client.is_known_in(&incoming.realm))
        .ok_or_else(unknown)?;
    if let Some(assertion) = assertion {
        let client = client.clone();
        let failed = |(description, number): (&str, u32)| {
            answered(&Fault::new("invalid_client", description).entra(number).b2c(90_081))
        };
        if form_secret.is_some() {
            return Err(failed(("the client authenticates in two ways at once", 700_027)));
        }
        assertion::check(server, state, incoming, &client, assertion).map_err(failed)?;
        return Ok(client.proven_by(Proof::Key));
    }
    // A method that the discovery document does not list is refused.
    let only = match (
        state.quirks.has(Quirk::SecretByPostOnly),
        state.quirks.has(Quirk::SecretByBasicOnly),
    ) {
        (true, false) => Some(ClientAuthMethod::Post),
        (false, true) => Some(ClientAuthMethod::Basic),
        _ => client.method,
    };
    match (&client.secret, given) {
        (None, None) if client.keys.is_empty() => Ok(client.clone().proven_by(Proof::Nothing)),
        (None, Some(_)) => Err(answered(
            &Fault::new("invalid_client", "the client has no secret, but sent one").entra(700_025),
        )),
        (_, None) => Err(answered(
            &Fault::new("invalid_client", "the client has to authenticate")
                .entra(7_000_218)
                .b2c(90_079),
        )),
        (Some(_), Some((method, _))) if only.is_some_and(|only| only != method) => {
            Err(refused("the client is registered for the other authentication method"))
        }
        (Some(expected), Some((_, given))) if matches(expected, &given) => {
            Ok(client.clone().proven_by(Proof::Secret))
        }
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
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode_to_vec(credentials.trim()).ok()?).ok()?;
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
