//! The provider's keys (RFC 7517, RFC 7518 section 6, RFC 8037; OpenID Connect Core section 10.1).
//!
//! A key set is somebody else's list, so every entry is judged alone; what cannot be used is left
//! out, with a reason, and the rest still counts:
//!
//! - `kty` and `crv` are those of an asymmetric algorithm we know; `oct` keys never count, so that
//!   no token is verified with a secret;
//! - `use` is not `enc`, `key_ops` is absent, empty or has `verify` or `sign`, `alg` is absent or
//!   an algorithm of the key's kind;
//! - an RSA modulus has 2048 to 8192 bits; a key whose private part is published proves nothing;
//! - Entra's members `issuer` and `cloud_instance_name` are kept: a key may speak only for its own
//!   issuer.
//!
//! What can be read is read: base64url with padding or in the other alphabet, a `kid` that is a
//! number, coordinates without their leading zeros.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use jsonwebtoken::{DecodingKey, crypto::aws_lc};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    error_answer,
    json::{self, Object, OptionalMembers},
};
use crate::{
    config::Algorithm,
    error::{Error, ErrorKind},
    secret::from_base64url,
};

/// As many keys are tried for one token at most.
const MOST_CANDIDATES: usize = 16;

/// As many of the keys that are left out are named in a message at most.
const MOST_NAMED: usize = 4;
/// The longest `kid` that is shown.
const LONGEST_SHOWN: usize = 40;

/// The usable keys of a key set, and why the others are not.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    left_out: Vec<String>,
}

impl Keys {
    /// Reads a key set. One without any usable key is still a key set: it says that nothing is to
    /// be believed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: not a JSON object with an array `keys`.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }

        let document: Document<'_> =
            serde_json::from_slice(json::without_mark(document)).map_err(|_| {
                Error::new(
                    ErrorKind::ProviderMisconfigured,
                    "the key set is not a JSON object with an array `keys`",
                )
            })?;
        let mut this = Self::default();
        for (number, entry) in (1..).zip(document.keys) {
            let object = json::object(entry.get().as_bytes());
            match object.as_ref().map_err(|refused| refused.as_str()).and_then(Key::parse) {
                Ok(key) => this.keys.push(key),
                Err(reason) => {
                    let name = match object.as_ref().ok().and_then(kid) {
                        Some(kid) => format!("{:?}", shown(&kid)),
                        None => format!("number {number}"),
                    };
                    this.left_out.push(format!("key {name}: {reason}"));
                }
            }
        }
        Ok(this)
    }

    /// Each key that cannot be used, by its name or its place in the set, with the reason.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The same as the end of a sentence, of a few keys; empty if there are none.
    pub(crate) fn why_left_out(&self) -> String {
        let named = self
            .left_out
            .iter()
            .take(MOST_NAMED)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ");
        match self.left_out.len() {
            0 => String::new(),
            count if count > MOST_NAMED => {
                format!("; left out: {named}; and {} more", count - MOST_NAMED)
            }
            _ => format!("; left out: {named}"),
        }
    }

    /// The keys that a token with this `alg` and `kid` may be verified with.
    ///
    /// With a `kid` these are the keys of that name; a provider that names none of its keys is
    /// taken by its word that the `kid` says nothing. Without one, each key of the right kind may
    /// be it (OpenID Connect Core section 10.1).
    pub(crate) fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> Vec<&Key> {
        let fits = |key: &&Key| key.fits(algorithm);
        let named = kid.is_some_and(|kid| self.has(kid));
        let possible = self.keys.iter().filter(|key| match kid {
            None => true,
            Some(kid) if named => key.kid.as_deref() == Some(kid),
            Some(_) => key.kid.is_none(),
        });
        possible.filter(fits).take(MOST_CANDIDATES).collect()
    }

    /// Whether a usable key has that name.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// How many keys are usable.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// One public key.
pub(crate) struct Key {
    kid: Option<String>,
    kind: Kind,
    algorithm: Option<Algorithm>,
    issuer: Option<String>,
    cloud_instance_name: Option<String>,
    public: PublicKey,
}

enum PublicKey {
    Jose(DecodingKey),
    /// A point on P-521, which `jsonwebtoken` does not have.
    P521(Vec<u8>),
}

impl Key {
    /// The key of one entry, or why it cannot verify signatures of ours.
    fn parse(entry: &Object) -> Result<Self, &'static str> {
        let optional = OptionalMembers::of(entry, "key set");
        // RFC 7517 section 4.2: other values than `sig` and `enc` may be used, and mean nothing to
        // us.
        if optional.text("use").is_some_and(|purpose| purpose.eq_ignore_ascii_case("enc")) {
            return Err("`use` says that it is for encryption");
        }
        // Section 4.3. Some providers publish the operations of the private half.
        let operations = optional.words("key_ops").filter(|operations| !operations.is_empty());
        if operations.is_some_and(|operations| {
            !operations.iter().any(|operation| matches!(*operation, "verify" | "sign"))
        }) {
            return Err("`key_ops` does not have `verify`");
        }
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .iter()
            .any(|member| json::present(entry, member).is_some())
        {
            return Err("it holds a secret or the private half of a key");
        }
        let (kind, public) = public_key(entry)?;
        let algorithm = match optional.text("alg") {
            None => None,
            Some(name) => {
                let algorithm = Algorithm::named(name)
                    .ok_or("`alg` is not an algorithm that is verified here")?;
                Some(
                    Some(algorithm)
                        .filter(|algorithm| Kind::of(*algorithm) == kind)
                        .ok_or("`alg` is of another kind of key")?,
                )
            }
        };
        // These decide what the key may sign, so one that cannot be read is not taken for none.
        let decisive = |name: &str| match json::present(entry, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err("`issuer` or `cloud_instance_name` is not text"),
        };
        Ok(Self {
            kid: kid(entry),
            kind,
            algorithm,
            issuer: decisive("issuer")?,
            cloud_instance_name: decisive("cloud_instance_name")?,
            public,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind == Kind::of(algorithm) && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether this key made the signature.
    pub(crate) fn verifies(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> bool {
        match (&self.public, jose(algorithm)) {
            // The provider is named, not asked from the process: its default is missing where
            // another crate of the build switches on a second one.
            (PublicKey::Jose(key), Some(algorithm)) => {
                (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&algorithm, key)
                    .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
            }
            (PublicKey::P521(point), None) => {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
                    .verify(message, signature)
                    .is_ok()
            }
            _ => false,
        }
    }

    /// The issuer for which alone the key speaks (Entra).
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The cloud for which alone the key speaks (Entra).
    pub(crate) fn cloud_instance_name(&self) -> Option<&str> {
        self.cloud_instance_name.as_deref()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What a key is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Kind {
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

/// By what name the library knows it, if it does.
const fn jose(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    Some(match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Es512 => return None,
    })
}

/// A `kid`, in a key as in a token's header: text, or a number, which some providers write (RFC
/// 7517 section 4.5 asks for text).
pub(super) fn kid(object: &Object) -> Option<String> {
    OptionalMembers::of(object, "key or header").read("kid", |value| match value {
        Value::String(kid) => Some(kid.clone()),
        Value::Number(kid) => Some(kid.to_string()),
        _ => None,
    })
}

/// A `kid` as a message may show it.
fn shown(kid: &str) -> String {
    error_answer::code(kid).chars().take(LONGEST_SHOWN).collect()
}

/// Bytes as a key set has them: base64url, also with padding, also in the alphabet of plain base64.
fn bytes(entry: &Object, name: &str) -> Option<Vec<u8>> {
    let text = json::text(entry, name)?.trim_end_matches('=');
    match text.contains(['+', '/']) {
        true => from_base64url(&text.replace('+', "-").replace('/', "_")),
        false => from_base64url(text),
    }
}

fn public_key(entry: &Object) -> Result<(Kind, PublicKey), &'static str> {
    let bytes = |name: &str| bytes(entry, name);
    let ec = |kind: Kind, length: usize| {
        let point = bytes("x").zip(bytes("y")).and_then(|(x, y)| point(&x, &y, length));
        let point = point
            .ok_or("`x` or `y` is missing, not base64url or of another length than the curve's")?;
        let key = if kind == Kind::P521 {
            PublicKey::P521(point)
        } else {
            PublicKey::Jose(DecodingKey::from_ec_der(&point))
        };
        Ok((kind, key))
    };
    match (json::text(entry, "kty"), json::text(entry, "crv")) {
        (Some("RSA"), _) => {
            let (modulus, exponent) =
                bytes("n").zip(bytes("e")).ok_or("`n` or `e` is missing or not base64url")?;
            let key = rsa(&modulus, &exponent)
                .ok_or("its modulus has not 2048 to 8192 bits, or its exponent is none")?;
            Ok((Kind::Rsa, PublicKey::Jose(key)))
        }
        (Some("EC"), Some("P-256")) => ec(Kind::P256, 32),
        (Some("EC"), Some("P-384")) => ec(Kind::P384, 48),
        (Some("EC"), Some("P-521")) => ec(Kind::P521, 66),
        (Some("OKP"), Some("Ed25519")) => {
            let x = bytes("x")
                .filter(|x| x.len() == 32)
                .ok_or("`x` is missing, not base64url or has not 32 bytes")?;
            Ok((Kind::Ed25519, PublicKey::Jose(DecodingKey::from_ed_der(&x))))
        }
        (Some("EC" | "OKP"), _) => Err("`crv` is not P-256, P-384, P-521 or Ed25519"),
        (Some("oct"), _) => Err("it is a secret key (`oct`)"),
        (Some(_), _) => Err("`kty` is not RSA, EC or OKP"),
        (None, _) => Err("`kty` is missing or not text"),
    }
}

/// An RSA key of a decent size. Leading zero bytes, which some encoders leave, are taken off: they
/// would make a short modulus look long.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let bits =
        modulus.len().saturating_mul(8).saturating_sub(modulus.first()?.leading_zeros() as usize);
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    let decent = (2048..=8192).contains(&bits) && odd && exponent.len() <= 4 && exponent != [1];
    decent.then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An uncompressed point. Coordinates have exactly the length of the field (RFC 7518 section
/// 6.2.1.2); some encoders drop leading zeros of them, or add one as they do to signed numbers.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    /// Of 65,536 keys one has a coordinate with more zeros; a much shorter number is none of the
    /// curve's.
    const MOST_ZEROS: usize = 2;
    let mut point = vec![4];
    for coordinate in [x, y] {
        let digits = without_leading_zeros(coordinate);
        let zeros = length.checked_sub(digits.len())?;
        if coordinate.len() > length + 1 || (coordinate.len() < length && zeros > MOST_ZEROS) {
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
