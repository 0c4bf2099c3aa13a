//! Client assertions: a client that proves itself with a key of its own (RFC 7523 section 2.2, OpenID Connect Core section 9).

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{self, UnparsedPublicKey},
};
use serde_json::{Map, Value};

use super::{client::DevClient, request::Incoming, server::Server, state::State};
use crate::secret::from_base64url;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Entra takes nothing that lives longer, and neither does this provider.
const LONGEST_LIFE: i64 = 24 * 3600;
/// How far clocks may be apart.
const LEEWAY: i64 = 300;

/// The client that an assertion names, before anything about it is believed.
pub(super) fn named(assertion: &str) -> Option<String> {
    let payload = object(assertion.split('.').nth(1)?)?;
    payload.get("sub").and_then(Value::as_str).map(ToOwned::to_owned)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&from_base64url(part)?).ok()
}

/// Checks an assertion of `client`, and remembers it: each is good for one request.
pub(super) fn check(
    server: &Server,
    state: &mut State,
    incoming: &Incoming,
    client: &DevClient,
    assertion: &str,
) -> Result<(), &'static str> {
    if incoming.form.first("client_assertion_type") != Some(TYPE) {
        return Err("client_assertion_type is not that of a JWT");
    }
    let (message, signature) = assertion.rsplit_once('.').ok_or("the assertion is not a JWT")?;
    let (header, payload) = message.split_once('.').ok_or("the assertion is not a JWT")?;
    let (header, claims) = object(header).zip(object(payload)).ok_or("the assertion is not a JWT")?;
    let signature = from_base64url(signature).ok_or("the assertion is not a JWT")?;
    if !client.keys.iter().any(|key| is_named(key, &header) && verifies(key, &header, message.as_bytes(), &signature)) {
        return Err("the assertion is not signed with a key that is registered for the client");
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(&client.id) || text("sub") != Some(&client.id) {
        return Err("iss and sub of the assertion have to be the client");
    }
    let audiences = [server.url(&incoming.path), incoming.realm.issuer(server)];
    let is_meant = |audience: &Value| audience.as_str().is_some_and(|audience| audiences.iter().any(|own| own == audience));
    let meant = match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().any(is_meant),
        Some(one) => is_meant(one),
        None => false,
    };
    if !meant {
        return Err("aud of the assertion is not this token endpoint");
    }
    let now = server.now().as_seconds();
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    match time("exp") {
        None => return Err("the assertion has no exp"),
        Some(exp) if exp <= now - LEEWAY => return Err("the assertion has expired"),
        Some(exp) if exp > now + LONGEST_LIFE => return Err("the assertion lives too long"),
        Some(_) => {}
    }
    if ["nbf", "iat"].iter().any(|name| time(name).is_some_and(|time| time > now + LEEWAY)) {
        return Err("the assertion is not good yet");
    }
    let id = text("jti").ok_or("the assertion has no jti")?;
    if !state.used_assertions.insert(format!("{} {id}", client.id)) {
        return Err("the assertion was used before");
    }
    Ok(())
}

/// Whether the header names this key: by `kid`, or by the thumbprint of its certificate, where the key has them.
fn is_named(key: &Map<String, Value>, header: &Map<String, Value>) -> bool {
    let names = ["kid", "x5t#S256", "x5t"];
    let registered: Vec<&str> = names.into_iter().filter(|name| key.contains_key(*name)).collect();
    registered.is_empty() || registered.iter().any(|name| key.get(*name) == header.get(*name))
}

fn verifies(key: &Map<String, Value>, header: &Map<String, Value>, message: &[u8], made: &[u8]) -> bool {
    let part = |name: &str| key.get(name).and_then(Value::as_str).and_then(from_base64url).unwrap_or_default();
    let text = |object: &Map<String, Value>, name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (text(key, "kty").as_str(), text(header, "alg").as_str()) {
        ("RSA", algorithm @ ("RS256" | "PS256")) => {
            let parameters =
                if algorithm == "RS256" { &signature::RSA_PKCS1_2048_8192_SHA256 } else { &signature::RSA_PSS_2048_8192_SHA256 };
            PublicKeyComponents { n: part("n"), e: part("e") }.verify(parameters, message, made).is_ok()
        }
        ("EC", "ES256") if text(key, "crv") == "P-256" => {
            let point = [vec![4], part("x"), part("y")].concat();
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, made).is_ok()
        }
        _ => false,
    }
}
