//! The provider's keys (RFC 7517, RFC 7518 section 6, RFC 8037; OpenID Connect Core section 10.1).
//!
//! A key set is somebody else's list, so every entry is judged alone; what cannot be used is left out and the rest still counts:
//!
//! - `kty` and `crv` are those of an asymmetric algorithm we know; `oct` keys never count, so that no token is verified with a secret;
//! - `use` is absent or `sig`, `key_ops` is absent or has `verify`, `alg` is absent or an algorithm of the key's kind;
//! - an RSA modulus has 2048 to 8192 bits; a key whose private part is published proves nothing;
//! - Entra's members `issuer` and `cloud_instance_name` are kept: a key may speak only for its own issuer.

use std::fmt;

use jsonwebtoken::{DecodingKey, crypto::aws_lc};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::json::{self, Object};
use crate::{
    config::Algorithm,
    error::{Error, ErrorKind},
    secret::from_base64url,
};

/// As many keys are tried for one token at most.
const MOST_CANDIDATES: usize = 16;

/// The usable keys of a key set.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
}

impl Keys {
    /// Reads a key set. One without any usable key is still a key set: it says that nothing is to be believed.
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

        let document: Document<'_> = serde_json::from_slice(document)
            .map_err(|_| Error::new(ErrorKind::ProviderMisconfigured, "the key set is not a JSON object with an array `keys`"))?;
        let keys = document.keys.iter().filter_map(|entry| json::object(entry.get().as_bytes()).ok());
        Ok(Self { keys: keys.filter_map(|entry| Key::parse(&entry)).collect() })
    }

    /// The keys that a token with this `alg` and `kid` may be verified with.
    ///
    /// With a `kid` these are the keys of that name; a provider that names none of its keys is taken by its word that the `kid` says nothing. Without
    /// one, each key of the right kind may be it (OpenID Connect Core section 10.1).
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
    decoding: DecodingKey,
}

impl Key {
    /// The key of one entry, if it can verify signatures of ours.
    fn parse(entry: &Object) -> Option<Self> {
        let optional = |name: &str| match entry.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => Some(Some(text.as_str())),
            Some(_) => None,
        };
        let for_signatures = matches!(optional("use")?, None | Some("sig"))
            && match entry.get("key_ops") {
                None | Some(Value::Null) => true,
                Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
                Some(_) => false,
            };
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| entry.contains_key(*member));
        if !for_signatures || private {
            return None;
        }
        let (kind, decoding) = public_key(entry)?;
        let algorithm = match optional("alg")? {
            None => None,
            Some(name) => Some(algorithm(name).filter(|algorithm| Kind::of(*algorithm) == kind)?),
        };
        Some(Self {
            kid: optional("kid")?.map(str::to_owned),
            kind,
            algorithm,
            issuer: optional("issuer")?.map(str::to_owned),
            cloud_instance_name: optional("cloud_instance_name")?.map(str::to_owned),
            decoding,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind == Kind::of(algorithm) && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether this key made the signature.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        // The provider is named, not asked from the process: its default is missing where another crate of the build switches on a second one.
        (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&jose(algorithm), &self.decoding)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
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
        f.debug_struct("Key").field("kid", &self.kid).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a key is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => {
                Self::Rsa
            }
            Algorithm::Es256 => Self::P256,
            Algorithm::Es384 => Self::P384,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}

/// The algorithm of this JOSE name, if it is one of ours. `Ed25519` is the newer name for the only curve that we take with `EdDSA` (RFC 9864).
pub(crate) fn algorithm(name: &str) -> Option<Algorithm> {
    if name == "Ed25519" {
        return Some(Algorithm::EdDsa);
    }
    Algorithm::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
}

const fn jose(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

fn public_key(entry: &Object) -> Option<(Kind, DecodingKey)> {
    let bytes = |name: &str| json::text(entry, name).and_then(from_base64url);
    match (json::text(entry, "kty")?, json::text(entry, "crv")) {
        ("RSA", _) => rsa(&bytes("n")?, &bytes("e")?).map(|key| (Kind::Rsa, key)),
        ("EC", Some("P-256")) => point(&bytes("x")?, &bytes("y")?, 32).map(|key| (Kind::P256, key)),
        ("EC", Some("P-384")) => point(&bytes("x")?, &bytes("y")?, 48).map(|key| (Kind::P384, key)),
        ("OKP", Some("Ed25519")) => {
            let x = bytes("x").filter(|x| x.len() == 32)?;
            Some((Kind::Ed25519, DecodingKey::from_ed_der(&x)))
        }
        _ => None,
    }
}

/// An RSA key of a decent size. Leading zero bytes, which some encoders leave, are taken off: they would make a short modulus look long.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let bits = modulus.len().saturating_mul(8).saturating_sub(modulus.first()?.leading_zeros() as usize);
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    let decent = (2048..=8192).contains(&bits) && odd && exponent.len() <= 4 && exponent != [1];
    decent.then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An uncompressed point: coordinates have exactly the length of the field (RFC 7518 section 6.2.1.2).
fn point(x: &[u8], y: &[u8], length: usize) -> Option<DecodingKey> {
    (x.len() == length && y.len() == length).then(|| DecodingKey::from_ec_der(&[&[4], x, y].concat()))
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
            with("kid", json!(7)), with("alg", json!(["RS256"])), with("use", json!({})), with("issuer", json!(1)),
            Signer::shared().jwk("k1"),
        ]});
        assert_eq!(usable(&set), 1);
        let twice = format!(r#"{{"keys":[{{"kty":"RSA","kty":"RSA"}},{}]}}"#, Signer::shared().jwk("k1"));
        assert_eq!(Keys::parse(twice.as_bytes()).unwrap().len(), 1, "an entry with a repeated member is no key");
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
            assert_eq!(Keys::parse(document.as_bytes()).unwrap_err().kind(), ErrorKind::ProviderMisconfigured, "{document}");
        }
        assert_eq!(Keys::parse(br#"{"keys":[],"more":1}"#).unwrap().len(), 0);
    }

    /// C-194
    #[test]
    fn a_key_that_is_not_for_verifying_signatures_is_not_used() {
        for key in [
            with("use", json!("enc")),
            with("use", json!("Sig")),
            with("key_ops", json!(["encrypt", "wrapKey"])),
            with("key_ops", json!("verify")),
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
        for key in
            [with("use", json!(null)), with("use", json!("sig")), with("key_ops", json!(["verify"])), with("alg", json!("RS256"))]
        {
            assert_eq!(usable(&json!({"keys": [key]})), 1, "{key}");
        }
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
            usable(&json!({"keys": [{"kty": "RSA", "n": base64url(modulus), "e": base64url(exponent)}]}))
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
        assert!(set.candidates(Algorithm::Rs256, None)[0].verifies(Algorithm::Rs256, b"message", &signature));
    }

    #[test]
    fn a_kid_chooses_the_key_and_without_one_each_may_be_it() {
        let rsa = |kid: &str| Signer::shared().jwk(kid);
        let mut nameless = rsa("");
        nameless.as_object_mut().unwrap().remove("kid");
        let two = keys(&json!({"keys": [rsa("k1"), rsa("k2"), Signer::new(Algorithm::Es256).jwk("k1")]}));
        assert_eq!(two.candidates(Algorithm::Rs256, Some("k1")).len(), 1);
        assert_eq!(two.candidates(Algorithm::Rs256, Some("K1")).len(), 0, "compared exactly");
        assert_eq!(two.candidates(Algorithm::Rs256, None).len(), 2);
        let mixed = keys(&json!({"keys": [rsa("k1"), nameless]}));
        assert_eq!(mixed.candidates(Algorithm::Rs256, Some("k1")).len(), 1);
        assert_eq!(mixed.candidates(Algorithm::Rs256, Some("k9")).len(), 1, "only the key without a name may be it");
        let many: Vec<Value> = (0..100).map(|_| rsa("same")).collect();
        assert_eq!(keys(&json!({"keys": many})).candidates(Algorithm::Rs256, Some("same")).len(), MOST_CANDIDATES);
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
                assert!(!key.verifies(other, b"message", &signer.signature(b"message")), "{algorithm} as {other}");
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
