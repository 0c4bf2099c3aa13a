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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::testing::{Signer, keys},
        secret::base64url,
    };

    const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    /// How many keys of the set a token of one of the algorithms may be verified with.
    fn usable(set: &Value) -> usize {
        ALL.iter().map(|algorithm| keys(set).candidates(*algorithm, None).len()).sum()
    }

    fn with(member: &str, value: Value) -> Value {
        let mut key = Signer::shared().jwk("k1");
        key[member] = value;
        key
    }

    /// C-192
    #[test]
    fn entries_that_cannot_be_used_are_left_out_and_the_good_one_counts() {
        let set = json!({"keys": [
            null, 1, "key", [], {}, {"kty": "RSA"}, {"kty": 1}, {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
            {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "RSA", "n": "", "e": ""}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, {"kty": "OKP", "crv": "Ed448", "x": "AA"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
            with("issuer", json!(1)),
            Signer::shared().jwk("k1"),
        ]});
        assert_eq!(usable(&set), 1);
        let left_out = keys(&set).left_out().to_vec();
        assert_eq!(
            left_out.len(),
            set["keys"].as_array().unwrap().len() - 1,
            "each with a reason: {left_out:?}"
        );
        assert!(
            left_out[0].starts_with("key number 1: ")
                && left_out[7].starts_with("key \"k1\": it holds a secret"),
            "{left_out:?}"
        );
        assert!(!format!("{left_out:?}").contains("c2VjcmV0"));
        assert!(keys(&set).why_left_out().ends_with("more"));
        let twice =
            format!(r#"{{"keys":[{{"kty":"RSA","kty":"RSA"}},{}]}}"#, Signer::shared().jwk("k1"));
        assert_eq!(
            Keys::parse(twice.as_bytes()).unwrap().len(),
            1,
            "an entry with a repeated member is no key"
        );
    }

    /// C-193
    #[test]
    fn what_is_no_key_set_is_refused() {
        for document in [
            "",
            "{",
            "null",
            "[]",
            "{}",
            r#"{"keys":null}"#,
            r#"{"keys":{}}"#,
            r#"{"keys":"x"}"#,
            r#"{"keys":[],"keys":[]}"#,
            "<html>",
        ] {
            assert_eq!(
                Keys::parse(document.as_bytes()).unwrap_err().kind(),
                ErrorKind::ProviderMisconfigured,
                "{document}"
            );
        }
        assert_eq!(Keys::parse(br#"{"keys":[],"more":1}"#).unwrap().len(), 0);
    }

    /// C-194
    #[test]
    fn a_key_that_is_not_for_verifying_signatures_is_not_used() {
        for key in [
            with("use", json!("enc")),
            with("key_ops", json!(["encrypt", "wrapKey"])),
            with("alg", json!("RSA-OAEP")),
            with("alg", json!("ES256")),
            with("alg", json!("none")),
            with("alg", json!("HS256")),
            with("d", json!("AQAB")),
            with("k", json!("AQAB")),
            with("kty", json!("oct")),
            with("kty", json!("rsa")),
        ] {
            assert_eq!(usable(&json!({"keys": [key]})), 0, "{key}");
        }
        for (name, value) in [
            ("use", json!(null)),
            ("use", json!("sig")),
            ("use", json!("Sig")),
            ("use", json!("signing")),
            ("use", json!("")),
            ("use", json!({})),
            ("key_ops", json!(["verify"])),
            ("key_ops", json!(["sign", "verify"])),
            ("key_ops", json!("verify")),
            ("key_ops", json!([])),
            ("key_ops", json!(null)),
            ("alg", json!("RS256")),
            ("alg", json!(null)),
            ("alg", json!("")),
            ("alg", json!(["RS256"])),
            ("kid", json!(null)),
            ("kid", json!([1])),
            ("d", json!(null)),
            ("issuer", json!(null)),
        ] {
            assert_eq!(usable(&json!({"keys": [with(name, value.clone())]})), 1, "{name} {value}");
        }
    }

    #[test]
    fn a_key_is_read_however_its_numbers_are_encoded() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
            let signer = Signer::new(algorithm);
            let signature = signer.signature(b"message");
            let verifies = |change: &dyn Fn(&str) -> String| {
                let mut key = signer.jwk("k1");
                for name in ["n", "e", "x", "y"] {
                    if let Some(text) = key[name].as_str().map(change) {
                        key[name] = json!(text);
                    }
                }
                let set = keys(&json!({"keys": [key]}));
                set.candidates(algorithm, Some("k1"))
                    .first()
                    .is_some_and(|key| key.verifies(algorithm, b"message", &signature))
            };
            assert!(
                verifies(&|text| format!("{text}{}", &"==="[..(4 - text.len() % 4) % 4])),
                "{algorithm}: padded"
            );
            assert!(
                verifies(&|text| text.replace('-', "+").replace('_', "/")),
                "{algorithm}: plain base64"
            );
            assert!(!verifies(&|text| format!("!{text}")), "{algorithm}");
        }
    }

    /// One key in 256 has a coordinate that begins with a zero, which some encoders drop.
    #[test]
    fn coordinates_may_lack_or_have_a_leading_zero() {
        let (short, whole) = ([7; 31], [[0].as_slice(), &[7; 31]].concat());
        let wanted = [&[4][..], &whole, &whole].concat();
        assert_eq!(point(&short, &whole, 32), Some(wanted.clone()));
        assert_eq!(point(&[[0].as_slice(), &whole].concat(), &short, 32), Some(wanted));
        for odd in [&[7; 33][..], &[7; 20], &[0; 31], &[]] {
            assert_eq!(point(odd, &whole, 32), None, "{odd:?}");
        }
    }

    #[test]
    fn a_kid_may_be_a_number() {
        let set = keys(&json!({"keys": [with("kid", json!(7)), with("kid", json!("8"))]}));
        assert_eq!(
            (
                set.candidates(Algorithm::Rs256, Some("7")).len(),
                set.candidates(Algorithm::Rs256, Some("8")).len()
            ),
            (1, 1)
        );
    }

    #[test]
    fn a_byte_order_mark_in_front_of_the_key_set_is_left_out() {
        let set = format!("\u{feff}{}", json!({"keys": [Signer::shared().jwk("k1")]}));
        assert_eq!(Keys::parse(set.as_bytes()).unwrap().len(), 1);
    }

    /// C-198
    #[test]
    fn a_key_that_names_its_algorithm_is_for_no_other() {
        let set = keys(&json!({"keys": [with("alg", json!("PS256"))]}));
        assert_eq!(set.candidates(Algorithm::Rs256, Some("k1")).len(), 0);
        assert_eq!(set.candidates(Algorithm::Ps256, Some("k1")).len(), 1);
        assert_eq!(set.candidates(Algorithm::Es256, Some("k1")).len(), 0, "another kind of key");
    }

    #[test]
    fn a_short_rsa_key_is_refused_also_when_zeros_make_it_look_long() {
        let jwk = |modulus: &[u8], exponent: &[u8]| {
            usable(
                &json!({"keys": [{"kty": "RSA", "n": base64url(modulus), "e": base64url(exponent)}]}),
            )
        };
        let aqab = [1, 0, 1];
        assert_eq!(jwk(&[0xff; 128], &aqab), 0, "1024 bits");
        assert_eq!(jwk(&[[0; 128], [0xff; 128]].concat(), &aqab), 0, "1024 bits behind zeros");
        assert_eq!(jwk(&[&[0x7f][..], &[0xff; 255]].concat(), &aqab), 0, "2047 bits");
        assert_eq!(jwk(&[0xff; 256], &aqab), 1);
        assert_eq!(jwk(&[0xff; 1025], &aqab), 0, "more than 8192 bits");
        for exponent in [&[1][..], &[0, 1], &[2], &[], &[0], &[1, 0, 0, 0, 1]] {
            assert_eq!(jwk(&[0xff; 256], exponent), 0, "{exponent:?}");
        }
    }

    /// Java's encoders leave the sign's zero byte in front of a modulus.
    #[test]
    fn zeros_in_front_of_a_modulus_do_no_harm() {
        let mut key = Signer::shared().jwk("k1");
        let modulus = from_base64url(key["n"].as_str().unwrap()).unwrap();
        key["n"] = json!(base64url(&[&[0], modulus.as_slice()].concat()));
        let set = keys(&json!({"keys": [key]}));
        let signature = Signer::shared().signature(b"message");
        assert!(set.candidates(Algorithm::Rs256, None)[0].verifies(
            Algorithm::Rs256,
            b"message",
            &signature
        ));
    }

    #[test]
    fn a_kid_chooses_the_key_and_without_one_each_may_be_it() {
        let rsa = |kid: &str| Signer::shared().jwk(kid);
        let mut nameless = rsa("");
        nameless.as_object_mut().unwrap().remove("kid");
        let two =
            keys(&json!({"keys": [rsa("k1"), rsa("k2"), Signer::new(Algorithm::Es256).jwk("k1")]}));
        assert_eq!(two.candidates(Algorithm::Rs256, Some("k1")).len(), 1);
        assert_eq!(two.candidates(Algorithm::Rs256, Some("K1")).len(), 0, "compared exactly");
        assert_eq!(two.candidates(Algorithm::Rs256, None).len(), 2);
        let mixed = keys(&json!({"keys": [rsa("k1"), nameless]}));
        assert_eq!(mixed.candidates(Algorithm::Rs256, Some("k1")).len(), 1);
        assert_eq!(
            mixed.candidates(Algorithm::Rs256, Some("k9")).len(),
            1,
            "only the key without a name may be it"
        );
        let many: Vec<Value> = (0..100).map(|_| rsa("same")).collect();
        assert_eq!(
            keys(&json!({"keys": many})).candidates(Algorithm::Rs256, Some("same")).len(),
            MOST_CANDIDATES
        );
    }

    #[test]
    fn each_algorithm_verifies_its_own_signatures_and_no_others() {
        for algorithm in Algorithm::ALL.iter().copied() {
            let signer = Signer::new(algorithm);
            let set = keys(&json!({"keys": [signer.jwk("k1")]}));
            let key = set.candidates(algorithm, Some("k1"))[0];
            let mut signature = signer.signature(b"message");
            assert!(key.verifies(algorithm, b"message", &signature), "{algorithm}");
            assert!(!key.verifies(algorithm, b"messagf", &signature), "{algorithm}");
            assert!(!key.verifies(algorithm, b"message", &Vec::new()), "{algorithm}");
            signature[7] ^= 1;
            assert!(!key.verifies(algorithm, b"message", &signature), "{algorithm}");
            for other in Algorithm::ALL.iter().copied().filter(|other| *other != algorithm) {
                assert!(
                    !key.verifies(other, b"message", &signer.signature(b"message")),
                    "{algorithm} as {other}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Keys::parse(&bytes);
        }

        #[test]
        fn arbitrary_keys_never_panic(
            kty in "RSA|EC|OKP|oct|", crv in "P-256|P-384|Ed25519|", bytes in prop::collection::vec(any::<u8>(), 0..300), length in 0..300_usize, kid in ".{0,4}",
        ) {
            let text = base64url(&bytes);
            let part = base64url(&bytes[..length.min(bytes.len())]);
            let set = keys(&json!({"keys": [{"kty": kty, "crv": crv, "kid": kid, "n": text, "e": part, "x": text, "y": part}]}));
            for algorithm in Algorithm::ALL {
                for key in set.candidates(*algorithm, Some(&kid)) {
                    prop_assert!(!key.verifies(*algorithm, b"message", &bytes));
                }
            }
        }
    }
}
