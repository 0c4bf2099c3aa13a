//! The provider's key set and its public keys (RFC 7517, RFC 7518 section 6, RFC 8037; OpenID
//! Connect Core section 10.1).
//!
//! Each entry of the set is parsed on its own. One that cannot be used is left out, with a reason
//! for the log, and the others stay usable (RFC 7517 section 5):
//!
//! - `kty` and `crv` are those of an asymmetric algorithm that this crate verifies. `oct` keys are
//!   never used, so no token is verified with a shared secret.
//! - `use` is not `enc`; `key_ops`, if present, has `verify` or `sign`; `alg`, if present, belongs
//!   to the type of the key.
//! - An RSA modulus has 2048 to 8192 bits (RFC 7518 section 3.3).
//! - The entry does not publish its private half, and is no key with which anyone can sign.
//! - Entra's members `issuer` and `cloud_instance_name` are kept: such a key may sign for that
//!   issuer only.
//!
//! Deviations of known encoders are accepted where they cannot change the key: base64 with padding
//! or in the standard alphabet, a `kid` that is a number, leading zeros missing or in excess.

use std::borrow::Cow;

use aws_lc_rs::{
    encoding::AsDer,
    signature::{ParsedPublicKey, RsaPublicKeyComponents},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    error_answer,
    json::{self, JsonError, Object, OptionalMembers},
};
use crate::{
    authority::KeyIssuer,
    config::Algorithm,
    error::{Error, ErrorKind},
    secret::{base64url, from_base64url},
};

/// The greatest number of keys that are tried for one token. It bounds the work that a token
/// without `kid` causes.
const MAX_CANDIDATES: usize = 16;

/// The greatest number of keys that one message names.
const MAX_NAMED: usize = 4;
/// The greatest number of characters of a `kid` in a message.
const MAX_SHOWN_KID: usize = 40;

/// The usable keys of a JWK set, and the reason why each other entry is unusable.
#[derive(Default)]
pub(crate) struct JwkSet {
    keys: Vec<Jwk>,
    unusable: Vec<String>,
}

impl JwkSet {
    /// Parses a JWK set (RFC 7517 section 5). A set without usable keys is no error here: it
    /// verifies no token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: not a JSON object with an array `keys`.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, Error> {
        // The entries stay raw here, so that a broken one does not refuse the whole set.
        #[derive(Deserialize)]
        struct RawKeySet<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }

        let document: RawKeySet<'_> =
            serde_json::from_slice(json::without_byte_order_mark(document)).map_err(|_| {
                Error::new(
                    ErrorKind::ProviderMisconfigured,
                    "the key set is not a JSON object with an array `keys`",
                )
            })?;
        let mut this = Self::default();
        for (number, entry) in (1..).zip(document.keys) {
            let object = json::object(entry.get().as_bytes());
            let key = object
                .as_ref()
                .map_err(JsonError::as_str)
                .and_then(|object| Jwk::parse(object).map_err(Cow::Borrowed));
            match key {
                Ok(key) => this.keys.push(key),
                Err(reason) => {
                    let name = match object.as_ref().ok().and_then(kid) {
                        Some(kid) => format!("{:?}", shown(&kid)),
                        None => format!("number {number}"),
                    };
                    this.unusable.push(format!("key {name}: {reason}"));
                }
            }
        }
        Ok(this)
    }

    /// This set, in the place of the one that was known before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: it has no usable key, and that one had some. After a
    /// rotation a provider signs with another key, never with none (OpenID Connect Core section
    /// 10.1.1), so it is an outage: the known keys stay in use, as after a failed request.
    pub(crate) fn after(self, known: Option<&Self>) -> Result<Self, Error> {
        if self.keys.is_empty() && known.is_some_and(|known| !known.keys.is_empty()) {
            let detail = format!(
                "the key set has no usable key any more, the keys that were known stay in use{}",
                self.unusable_summary()
            );
            return Err(Error::new(ErrorKind::ProviderMisconfigured, detail));
        }
        Ok(self)
    }

    /// One text per unusable entry: its `kid` or its place in the set, and the reason.
    pub(crate) fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// The first few of [`unusable`](Self::unusable) as the end of a sentence; empty if every entry
    /// is usable.
    pub(crate) fn unusable_summary(&self) -> String {
        let named =
            self.unusable.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
        match self.unusable.len() {
            0 => String::new(),
            count if count > MAX_NAMED => {
                format!("; left out: {named}; and {} more", count - MAX_NAMED)
            }
            _ => format!("; left out: {named}"),
        }
    }

    /// The keys that a token with this `alg` and `kid` may be verified with.
    pub(crate) fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> Vec<&Jwk> {
        let is_listed = kid.is_some_and(|kid| self.has(kid));
        let possible = self.keys.iter().filter(|key| match kid {
            // OpenID Connect Core section 10.1 requires a `kid` in the token if the set has several
            // keys. Providers leave it out, so each key of the right type is tried.
            None => true,
            Some(kid) if is_listed => key.kid.as_deref() == Some(kid),
            // The `kid` is unknown: only keys without a `kid` of their own may be meant.
            Some(_) => key.kid.is_none(),
        });
        possible.filter(|key| key.parsed(algorithm).is_some()).take(MAX_CANDIDATES).collect()
    }

    /// Whether a usable key has this `kid`.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The first few usable keys, each with `kid` and algorithm or type, as part of a sentence;
    /// empty if there is none.
    pub(crate) fn usable_summary(&self) -> String {
        let name = |key: &Jwk| {
            let kid =
                key.kid.as_deref().map_or("no `kid`".to_owned(), |kid| format!("{:?}", shown(kid)));
            match key.algorithm {
                Some(algorithm) => format!("{kid} for {algorithm}"),
                None => format!("{kid} of the type {:?}", key.key_type),
            }
        };
        let named = self.keys.iter().take(MAX_NAMED).map(name).collect::<Vec<_>>().join(", ");
        match self.keys.len() {
            0 => String::new(),
            count if count > MAX_NAMED => format!(" ({named}, and {} more)", count - MAX_NAMED),
            _ => format!(" ({named})"),
        }
    }

    /// The number of usable keys.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// A public key for verifying signatures.
pub(crate) struct Jwk {
    kid: Option<String>,
    key_type: KeyType,
    algorithm: Option<Algorithm>,
    issuer: Option<String>,
    cloud_instance_name: Option<String>,
    /// The key as the library uses it, once for each algorithm that it may have signed with. It is
    /// made with the key set, because it costs a fifth of a verification.
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Jwk {
    /// Parses one entry, or says why it cannot be used.
    fn parse(entry: &Object) -> Result<Self, &'static str> {
        check_purpose(entry)?;
        let (key_type, encoded) = public_key(entry)?;
        let algorithm = algorithm(entry, key_type)?;
        // RFC 8725 section 3.1: a key that names its `alg` is used with no other.
        let is_for = |candidate: &Algorithm| match algorithm {
            Some(own) => own == *candidate,
            None => KeyType::of(*candidate) == key_type,
        };
        let parse = |algorithm: Algorithm| {
            let parsed = ParsedPublicKey::new(algorithm.verification(), &encoded);
            parsed.map(|parsed| (algorithm, parsed)).map_err(|_| "its numbers are no public key")
        };
        let candidates = Algorithm::ALL.iter().copied().filter(is_for);
        Ok(Self {
            kid: kid(entry),
            key_type,
            algorithm,
            issuer: restriction(entry, "issuer")?,
            cloud_instance_name: restriction(entry, "cloud_instance_name")?,
            parsed: candidates.map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// The key for an algorithm; `None` if signatures of that algorithm cannot be by it.
    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.parsed.iter().find(|(own, _)| *own == algorithm).map(|(_, parsed)| parsed)
    }

    /// Whether this key made the signature.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.parsed(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// The only issuer and cloud that the key may sign for (Entra's members `issuer` and
    /// `cloud_instance_name`).
    pub(crate) fn issuer(&self) -> KeyIssuer<'_> {
        KeyIssuer {
            issuer: self.issuer.as_deref(),
            cloud_instance_name: self.cloud_instance_name.as_deref(),
        }
    }
}

/// Checks that the key is for verifying signatures, and that its private half is not published.
fn check_purpose(entry: &Object) -> Result<(), &'static str> {
    let optional = OptionalMembers::of(entry, "key set");
    // RFC 7517 section 4.2 allows values other than `sig` and `enc`. They do not forbid verifying
    // signatures.
    if optional.text("use").is_some_and(|purpose| purpose.eq_ignore_ascii_case("enc")) {
        return Err("`use` is `enc`: the key is for encryption");
    }
    // RFC 7517 section 4.3 asks for `verify`. Some providers publish `sign`, the operation of the
    // private half.
    let operations = optional.words("key_ops").filter(|operations| !operations.is_empty());
    if operations.is_some_and(|operations| {
        !operations.iter().any(|operation| matches!(*operation, "verify" | "sign"))
    }) {
        return Err("`key_ops` does not have `verify`");
    }
    // A key whose private half is public proves nothing: anyone can sign with it.
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .any(|member| json::present(entry, member).is_some())
    {
        return Err("it holds a secret or the private half of a key");
    }
    Ok(())
}

/// `alg` of a key, which must belong to the type of the key.
fn algorithm(entry: &Object, key_type: KeyType) -> Result<Option<Algorithm>, &'static str> {
    let Some(name) = OptionalMembers::of(entry, "key set").text("alg") else { return Ok(None) };
    let algorithm = Algorithm::named(name).ok_or("`alg` is not a supported signature algorithm")?;
    match KeyType::of(algorithm) == key_type {
        true => Ok(Some(algorithm)),
        false => Err("`alg` belongs to another type of key"),
    }
}

/// A member that restricts what the key may sign. One that is not a string must not be taken for an
/// absent one, which would lift the restriction.
fn restriction(entry: &Object, name: &str) -> Result<Option<String>, &'static str> {
    match json::present(entry, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err("`issuer` or `cloud_instance_name` is not a string"),
    }
}

/// `kty` and `crv` of a key together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl KeyType {
    /// The type of the keys that an algorithm signs with (RFC 7518 section 3.1, RFC 8037 section
    /// 3.1).
    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Self::Rsa,
            Algorithm::Es256 => Self::P256,
            Algorithm::Es384 => Self::P384,
            Algorithm::Es512 => Self::P521,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}

/// The `kid` of a key or of a token's header. RFC 7517 section 4.5 makes it a string; some
/// providers write a number.
pub(super) fn kid(object: &Object) -> Option<String> {
    OptionalMembers::of(object, "key or header").read("kid", |value| match value {
        Value::String(kid) => Some(kid.clone()),
        Value::Number(kid) => Some(kid.to_string()),
        _ => None,
    })
}

/// A `kid` shortened for a message.
fn shown(kid: &str) -> String {
    error_answer::code(kid).chars().take(MAX_SHOWN_KID).collect()
}

/// A binary member: base64url (RFC 7518 section 6), also with padding or in the standard alphabet.
fn bytes(entry: &Object, name: &str) -> Option<Vec<u8>> {
    let text = json::text(entry, name)?.trim_end_matches('=');
    match text.contains(['+', '/']) {
        true => from_base64url(text.replace('+', "-").replace('/', "_")),
        false => from_base64url(text),
    }
}

/// The public key of an entry, encoded for [`ParsedPublicKey::new`]: an X.509
/// `SubjectPublicKeyInfo`, a point, or the 32 bytes of Ed25519 (RFC 7518 sections 6.2.1 and 6.3.1,
/// RFC 8037 section 2).
fn public_key(entry: &Object) -> Result<(KeyType, Vec<u8>), &'static str> {
    let bytes = |name: &str| bytes(entry, name);
    let ec = |key_type: KeyType, length: usize| {
        let point = bytes("x").zip(bytes("y")).and_then(|(x, y)| point(&x, &y, length));
        let point = point
            .ok_or("`x` or `y` is missing, not base64url, or not as long as the curve's numbers")?;
        Ok((key_type, point))
    };
    match (json::text(entry, "kty"), json::text(entry, "crv")) {
        (Some("RSA"), _) => {
            let (modulus, exponent) =
                bytes("n").zip(bytes("e")).ok_or("`n` or `e` is missing or not base64url")?;
            let key = rsa(&modulus, &exponent)
                .ok_or("the modulus does not have 2048 to 8192 bits, or the exponent is invalid")?;
            Ok((KeyType::Rsa, key))
        }
        (Some("EC"), Some("P-256")) => ec(KeyType::P256, 32),
        (Some("EC"), Some("P-384")) => ec(KeyType::P384, 48),
        (Some("EC"), Some("P-521")) => ec(KeyType::P521, 66),
        (Some("OKP"), Some("Ed25519")) => {
            let x = bytes("x")
                .filter(|x| x.len() == 32)
                .ok_or("`x` is missing, not base64url, or does not have 32 bytes")?;
            match has_small_order(&x) {
                true => Err("`x` is a point of small order: anyone can sign with it"),
                false => Ok((KeyType::Ed25519, x)),
            }
        }
        (Some("EC" | "OKP"), _) => Err("`crv` is not P-256, P-384, P-521 or Ed25519"),
        (Some("oct"), _) => Err("it is a secret key (`oct`)"),
        (Some(_), _) => Err("`kty` is not RSA, EC or OKP"),
        (None, _) => Err("`kty` is missing or not a string"),
    }
}

/// An RSA key of 2048 to 8192 bits with an odd exponent of at most four bytes.
///
/// Leading zero bytes are removed before the bits are counted, or a short modulus would look long.
/// RFC 7518 section 6.3.1.1 forbids them; some encoders leave one.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let bits =
        modulus.len().saturating_mul(8).saturating_sub(modulus.first()?.leading_zeros() as usize);
    let is_odd = exponent.last().is_some_and(|last| last & 1 == 1);
    // With the exponent 1 the signature would be the message itself.
    let is_sound =
        (2048..=8192).contains(&bits) && is_odd && exponent.len() <= 4 && exponent != [1];
    let key = RsaPublicKeyComponents { n: modulus, e: exponent };
    is_sound.then(|| key.as_der().ok().map(|der| der.as_ref().to_vec())).flatten()
}

/// Whether a public key of Ed25519 has an order of at most eight, as one of zeros has: a signature
/// that anyone can write is then valid for one message in eight at least.
fn has_small_order(x: &[u8]) -> bool {
    /// The `y` of these points, in each encoding. The highest bit is the sign of `x`.
    const SMALL_ORDER: [&str; 7] = [
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
        "7P_______________________________________38",
        "7f_______________________________________38",
        "7v_______________________________________38",
    ];
    let mut y = x.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    SMALL_ORDER.contains(&base64url(&y).as_str())
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An uncompressed point of an elliptic curve: `4`, then both coordinates in their full length.
///
/// RFC 7518 section 6.2.1.2 gives a coordinate exactly the length of the field. Some encoders drop
/// its leading zeros, or prepend one as for signed numbers; both are accepted.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    /// A coordinate with more leading zero bytes is rarer than one in 2¹⁶; a number that is much
    /// shorter belongs to another curve.
    const MAX_ZEROS: usize = 2;
    let mut point = vec![4];
    for coordinate in [x, y] {
        let digits = without_leading_zeros(coordinate);
        let zeros = length.checked_sub(digits.len())?;
        if coordinate.len() > length + 1 || (coordinate.len() < length && zeros > MAX_ZEROS) {
            return None;
        }
        point.extend(std::iter::repeat_n(0, zeros));
        point.extend_from_slice(digits);
    }
    Some(point)
}

#[cfg(test)]
#[path = "jwks_tests.rs"]
mod tests;
