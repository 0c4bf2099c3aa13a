//! Client assertions: client authentication with the client's own key (RFC 7523 section 2.2,
//! OpenID Connect Core section 9).

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{self, UnparsedPublicKey},
};
use serde_json::{Map, Value};

use super::{
    client::DevClient, federated, quirk::Quirk, realm::Realm, request::EndpointRequest,
    server::Server, state::ProviderState,
};
use crate::{json, secret::from_base64url};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The maximum lifetime of an assertion in seconds, as in Entra ID.
const LONGEST_LIFE: f64 = 24.0 * 3600.0;
/// The tolerated clock difference in seconds.
const LEEWAY: f64 = 300.0;

/// The unverified client ID in an assertion.
pub(super) fn named(assertion: &str) -> Option<String> {
    let payload = object(assertion.split('.').nth(1)?)?;
    payload.get("sub").and_then(Value::as_str).map(ToOwned::to_owned)
}

/// The object in a part of an assertion. RFC 7515 section 4: a name that occurs twice may be
/// refused, since two parsers could read two values.
fn object(part: &str) -> Option<Map<String, Value>> {
    json::object(&from_base64url(part)?).ok()
}

/// The reason of a refusal: a description, and Entra ID's error number.
pub(super) type AssertionFault = (&'static str, u32);

/// A time claim in seconds, which may have a fraction (RFC 7519 section 2).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, AssertionFault> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_f64().map(Some).ok_or(("a time of the assertion is not a number", 50_027))
        }
    }
}

/// Verifies an assertion of `client`, and stores its ID: each may be used once, in Entra ID until
/// it expires.
pub(super) fn check(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    client: &DevClient,
    assertion: &str,
) -> Result<(), AssertionFault> {
    // RFC 7523 section 2.2: the type is required, and this is the only one for JWTs.
    if incoming.form.first("client_assertion_type") != Some(TYPE) {
        return Err(("client_assertion_type is not that of a JWT", 900_144));
    }
    if let Some(blueprint) = &client.blueprint {
        return federated::check_agent(server, state, client, blueprint, assertion);
    }
    let malformed = ("the assertion is not a JWT", 50_027);
    let (message, signature) = assertion.rsplit_once('.').ok_or(malformed)?;
    let (header, payload) = message.split_once('.').ok_or(malformed)?;
    let (header, claims) = object(header).zip(object(payload)).ok_or(malformed)?;
    let signature = from_base64url(signature).ok_or(malformed)?;
    // RFC 7515 section 4.1.11: no extension is understood here, and an empty list is not allowed.
    if header.contains_key("crit") {
        return Err(("the assertion has critical extensions that are not understood", 50_027));
    }
    let lenient = incoming.realm != Realm::Plain;
    // OpenID Connect Core section 10.1: `kid` selects the key. A key that was registered without a
    // name is always tried.
    let known = |key: &Map<String, Value>| {
        is_named(key, &header, lenient) && verifies(key, &header, message.as_bytes(), &signature)
    };
    if !client.keys.iter().any(known) {
        return Err((
            "the assertion is not signed with a key that is registered for the client",
            700_027,
        ));
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // RFC 7523 section 3, points 1 and 2.
    if text("iss") != Some(&client.id) || text("sub") != Some(&client.id) {
        return Err(("iss and sub of the assertion have to be the client", 700_021));
    }
    let is_issuer_alone = state.quirks.has(Quirk::IssuerAudience);
    if !is_audience(server, incoming, claims.get("aud"), is_issuer_alone) {
        return Err(("aud of the assertion is not this token endpoint", 700_023));
    }
    check_times(&claims, server.now().as_seconds() as f64)?;
    // RFC 7523 section 3, point 7: the id against replay; OpenID Connect Core section 9 requires
    // it.
    let id = text("jti").ok_or(("the assertion has no jti", 50_027))?;
    // MSAL reuses one assertion for ten minutes, and Entra ID accepts that. RFC 7523 section 3
    // point 7 allows a provider to refuse it.
    if !lenient {
        let id = format!("{} {id}", client.id);
        if state.used_assertions.find(&id).is_some() {
            return Err(("the assertion was used before", 700_027));
        }
        state.used_assertions.put(id, ());
    }
    Ok(())
}

/// Whether an audience is this provider (RFC 7523 section 3 point 3): the URL of the endpoint, with
/// the base URL or the loopback name in use, or the issuer.
fn is_audience(
    server: &Server,
    incoming: &EndpointRequest,
    audience: Option<&Value>,
    is_issuer_alone: bool,
) -> bool {
    let called = format!(
        "{}://{}{}",
        server.scheme,
        incoming.header(http::header::HOST).unwrap_or_default(),
        incoming.path
    );
    let audiences = [incoming.realm.issuer(server), server.url(&incoming.path), called];
    let known = if is_issuer_alone { 1 } else { audiences.len() };
    let is_meant = |audience: &Value| {
        audience
            .as_str()
            .is_some_and(|audience| audiences.iter().take(known).any(|own| own == audience))
    };
    match audience {
        Some(Value::Array(list)) => list.iter().any(is_meant),
        Some(one) => is_meant(one),
        None => false,
    }
}

/// Checks `exp`, which is required, `nbf` and `iat` (RFC 7523 section 3, points 4 to 6).
fn check_times(claims: &Map<String, Value>, now: f64) -> Result<(), AssertionFault> {
    match time(claims, "exp")? {
        None => return Err(("the assertion has no exp", 50_027)),
        // Clocks of client and provider differ; RFC 7519 section 4.1.4 allows a few minutes.
        Some(exp) if exp <= now - LEEWAY => return Err(("the assertion has expired", 700_024)),
        Some(exp) if exp > now + LONGEST_LIFE => {
            return Err(("the assertion lives too long", 700_024));
        }
        Some(_) => {}
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|time| time > now + LEEWAY) {
            return Err(("the assertion is not good yet", 700_024));
        }
    }
    Ok(())
}

/// Whether the header names this key: by `kid`, or by the thumbprint of its certificate, if the key
/// has them. MSAL writes thumbprints with padding, which RFC 7515 section 2 forbids and Entra ID
/// accepts.
fn is_named(key: &Map<String, Value>, header: &Map<String, Value>, lenient: bool) -> bool {
    let names = ["kid", "x5t#S256", "x5t"];
    let registered: Vec<&str> = names.into_iter().filter(|name| key.contains_key(*name)).collect();
    let named = |name: &&str| match (
        key.get(*name).and_then(Value::as_str),
        header.get(*name).and_then(Value::as_str),
    ) {
        (Some(own), Some(given)) if lenient => {
            own.trim_end_matches('=') == given.trim_end_matches('=')
        }
        (own, given) => own.is_some() && own == given,
    };
    registered.is_empty() || registered.iter().any(named)
}

fn verifies(
    key: &Map<String, Value>,
    header: &Map<String, Value>,
    message: &[u8],
    made: &[u8],
) -> bool {
    let part = |name: &str| {
        key.get(name).and_then(Value::as_str).and_then(from_base64url).unwrap_or_default()
    };
    let text = |object: &Map<String, Value>, name: &str| {
        object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match (text(key, "kty").as_str(), text(header, "alg").as_str()) {
        ("RSA", algorithm @ ("RS256" | "PS256")) => {
            let parameters = if algorithm == "RS256" {
                &signature::RSA_PKCS1_2048_8192_SHA256
            } else {
                &signature::RSA_PSS_2048_8192_SHA256
            };
            PublicKeyComponents { n: part("n"), e: part("e") }
                .verify(parameters, message, made)
                .is_ok()
        }
        ("EC", "ES256") if text(key, "crv") == "P-256" => {
            // RFC 7518 section 6.2.1: the coordinates; 4 begins an uncompressed point (SEC 1).
            let point = [vec![4], part("x"), part("y")].concat();
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(message, made)
                .is_ok()
        }
        // RFC 8725 section 3.1: no algorithm beside those that the key is for, so no `none` and no
        // HMAC.
        _ => false,
    }
}
