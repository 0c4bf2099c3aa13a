//! [`Draft`]: a JWT before it is signed, so that a fault can change each part.

use aws_lc_rs::hmac;
use serde_json::{Map, Value, json};

use super::{jwt, keys::ProviderKey};
use crate::{error::Error, secret::base64url};

/// A JWT before it is signed.
pub(super) struct Draft {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// A claim that is duplicated with another value.
    pub(super) twice: Option<(&'static str, Value)>,
    /// A header member that is duplicated with another value.
    pub(super) header_twice: Option<(&'static str, Value)>,
    pub(super) key: ProviderKey,
}

impl Draft {
    /// A token with this `typ`, to be signed with `key`.
    pub(super) fn new(key: ProviderKey, typ: &str, claims: Map<String, Value>) -> Self {
        let header = jwt::header(&key, typ);
        Self { header, claims, twice: None, header_twice: None, key }
    }

    pub(super) fn set(&mut self, claim: &str, value: impl Into<Value>) {
        self.claims.insert(claim.to_owned(), value.into());
    }

    pub(super) fn text(&self, claim: &str) -> String {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn number(&self, claim: &str) -> i64 {
        self.claims.get(claim).and_then(Value::as_i64).unwrap_or_default()
    }

    pub(super) fn header_text(&self) -> String {
        object(&self.header, self.header_twice.as_ref())
    }

    pub(super) fn payload(&self) -> String {
        object(&self.claims, self.twice.as_ref())
    }

    pub(super) fn message(&self) -> String {
        jwt::message(&self.header_text(), &self.payload())
    }

    pub(super) fn signed(&self) -> Result<String, Error> {
        signed(&self.key, &self.message())
    }

    pub(super) fn hmac(&mut self, secret: &[u8]) -> String {
        // The algorithm confusion of RFC 8725 section 2.1: a verifier that trusts `alg` would take
        // the public key for a shared secret.
        self.header.insert("alg".into(), "HS256".into());
        let message = self.message();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", base64url(tag.as_ref()))
    }
}

/// A JSON object in which one member may occur twice.
fn object(members: &Map<String, Value>, twice: Option<&(&'static str, Value)>) -> String {
    // A map cannot hold a member twice, so the second one is added to the text. RFC 7519 section 4
    // lets a reader refuse it or use the last one.
    let mut json = Value::Object(members.clone()).to_string();
    if let Some((name, value)) = twice {
        json.pop();
        json.push_str(&format!(",{}:{value}}}", json!(name)));
    }
    json
}

/// The signed form: `message`, a dot, the signature.
pub(super) fn signed(key: &ProviderKey, message: &str) -> Result<String, Error> {
    Ok(format!("{message}.{}", base64url(&key.sign(message.as_bytes())?)))
}
