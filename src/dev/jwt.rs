//! Signing of JWTs (RFC 7515, RFC 7519), and verification of those that this provider signed.

use aws_lc_rs::{digest, hmac};
use serde_json::{Map, Value, json};

use super::{keys::ProviderKey, quirk::Quirk, state::ProviderState};
use crate::{
    config::Algorithm,
    error::Error,
    secret::{base64url, from_base64url},
};

/// The header of a JWT signed with `key`.
pub(super) fn header(key: &ProviderKey, typ: &str) -> Map<String, Value> {
    let mut header = Map::new();
    header.insert("alg".into(), key.algorithm.as_str().into());
    header.insert("kid".into(), key.kid.clone().into());
    header.insert("typ".into(), typ.into());
    header
}

/// The signing input: `header.payload` (RFC 7515 section 5.1).
pub(super) fn message(header: &str, payload: &str) -> String {
    format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()))
}

/// A JWT with these claims, signed with `key`.
pub(super) fn sign(
    key: &ProviderKey,
    typ: &str,
    claims: &Map<String, Value>,
) -> Result<String, Error> {
    let message = message(&json!(header(key, typ)).to_string(), &json!(claims).to_string());
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", base64url(&signature)))
}

/// The left half of the digest of an access token or code (OpenID Connect Core section 3.1.3.6).
pub(super) fn half_hash(algorithm: Algorithm, value: &str) -> String {
    let sha = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
        // Ed25519 uses SHA-512.
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDsa => {
            &digest::SHA512
        }
    };
    let hash = digest::digest(sha, value.as_bytes());
    let bytes = hash.as_ref();
    base64url(bytes.get(..bytes.len() / 2).unwrap_or_default())
}

/// The claims of an ID token of this provider, even if it has expired: an `id_token_hint` may be
/// expired (OpenID Connect RP-Initiated Logout section 2).
pub(super) fn id_token_claims(state: &ProviderState, jwt: &str) -> Option<Map<String, Value>> {
    let header: Value = serde_json::from_slice(&from_base64url(jwt.split('.').next()?)?).ok()?;
    // RFC 8725 sections 3.11 and 3.12: JWTs of other kinds have the same keys, and a type of their
    // own. Access tokens of Entra ID and refresh tokens of Rauthy have the type of ID tokens.
    let is_id_token = match header.get("typ") {
        None => true,
        Some(typ) => typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT")),
    };
    let is_other =
        state.access_tokens.find(jwt).is_some() || state.refresh_tokens.find(jwt).is_some();
    own_claims(state, jwt).filter(|_| is_id_token && !is_other)
}

/// The claims of a JWT that this provider signed, even if it has expired.
pub(super) fn own_claims(state: &ProviderState, jwt: &str) -> Option<Map<String, Value>> {
    let (message, signature) = jwt.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header: Value = serde_json::from_slice(&from_base64url(header)?).ok()?;
    let (algorithm, signature) = (header.get("alg")?.as_str()?, from_base64url(signature)?);
    let claims: Map<String, Value> = serde_json::from_slice(&from_base64url(payload)?).ok()?;
    if state.quirks.has(Quirk::SecretSignature) {
        let secret = state.client(claims.get("aud")?.as_str()?)?.secret.as_ref()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        hmac::verify(&key, message.as_bytes(), &signature).ok()?;
        return Some(claims);
    }
    // The signature identifies the key: with some quirks `kid` is missing or ambiguous.
    let personal = state.entra_keys.as_ref().map(|keys| keys.personal.known()).unwrap_or_default();
    let mut keys = state.keys.known().iter().chain(personal);
    keys.find(|key| {
        key.algorithm.as_str() == algorithm && key.verifies(message.as_bytes(), &signature)
    })?;
    Some(claims)
}
