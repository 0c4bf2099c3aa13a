//! Signing keys. They are generated at the start and at rotations, and published as a JWK set (RFC
//! 7517).

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde_json::{Map, Value, json};

use crate::{
    config::Algorithm,
    error::{Error, ErrorKind},
    secret::{base64url, random},
};

/// A private key, of the type that its algorithm requires.
#[derive(Debug)]
enum PrivateKey {
    Rsa(rsa::KeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A signing key with its identifier.
#[derive(Clone, Debug)]
pub(super) struct ProviderKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    private: Arc<PrivateKey>,
}

fn fault(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, what)
}

type RsaKeys = Mutex<Vec<Arc<PrivateKey>>>;

/// The RSA keys of this process. Generating one is slow, so all providers of a process share these:
/// the first signs, later ones are for rotations.
static RSA_KEYS: RsaKeys = Mutex::new(Vec::new());
/// The RSA keys of [`EntraKeys`]: no rotation of a provider's keys uses them.
static ENTRA_RSA_KEYS: RsaKeys = Mutex::new(Vec::new());

/// The `index`th RSA key of a list.
fn rsa_key(keys: &RsaKeys, index: usize) -> Result<Arc<PrivateKey>, Error> {
    let mut row = keys.lock().unwrap_or_else(PoisonError::into_inner);
    while row.len() <= index {
        // RFC 7518 section 3.3: at least 2048 bits.
        let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)
            .map_err(|_| fault("no RSA key could be made"))?;
        row.push(Arc::new(PrivateKey::Rsa(key)));
    }
    row.get(index).cloned().ok_or_else(|| fault("no RSA key could be made"))
}

impl ProviderKey {
    /// A new key for `algorithm`; `index` numbers the RSA keys of one provider.
    pub(super) fn generate(algorithm: Algorithm, index: usize) -> Result<Self, Error> {
        Self::generate_from(&RSA_KEYS, algorithm, index)
    }

    fn generate_from(keys: &RsaKeys, algorithm: Algorithm, index: usize) -> Result<Self, Error> {
        use Algorithm as A;
        let ecdsa = |on| EcdsaKeyPair::generate(on).map_err(|_| fault("no EC key could be made"));
        let private = match algorithm {
            A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512 => {
                rsa_key(keys, index)?
            }
            A::Es256 => {
                // RFC 7518 section 3.4: the two numbers at a fixed length, not in DER.
                Arc::new(PrivateKey::P256(ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?))
            }
            A::Es384 => {
                Arc::new(PrivateKey::P384(ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)?))
            }
            A::Es512 => {
                Arc::new(PrivateKey::P521(ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING)?))
            }
            A::EdDsa => Arc::new(PrivateKey::Ed25519(
                Ed25519KeyPair::generate().map_err(|_| fault("no Ed25519 key could be made"))?,
            )),
        };
        Ok(Self { kid: base64url(&random::<9>()?), algorithm, private })
    }

    /// Signs `message` with the JWS algorithm (RFC 7518 section 3).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let failed = |_| fault("signing failed");
        match &*self.private {
            PrivateKey::Rsa(key) => {
                let padding: &'static dyn signature::RsaEncoding = match self.algorithm {
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut made = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut made).map_err(failed)?;
                Ok(made)
            }
            PrivateKey::P256(key) | PrivateKey::P384(key) | PrivateKey::P521(key) => {
                Ok(key.sign(&random, message).map_err(failed)?.as_ref().to_vec())
            }
            PrivateKey::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }

    /// Whether `made` is a signature of `message` by this key.
    pub(super) fn verifies(&self, message: &[u8], made: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm.verification(), self.public_bytes());
        key.verify(message, made).is_ok()
    }

    /// The public key: PKCS #1 for RSA, the uncompressed point for EC, 32 bytes for Ed25519.
    pub(super) fn public_bytes(&self) -> &[u8] {
        match &*self.private {
            PrivateKey::Rsa(key) => key.public_key().as_ref(),
            PrivateKey::P256(key) | PrivateKey::P384(key) | PrivateKey::P521(key) => {
                key.public_key().as_ref()
            }
            PrivateKey::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    /// The public key as a JWK (RFC 7517, RFC 8037).
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &*self.private {
            PrivateKey::Rsa(key) => json!({
                "kty": "RSA",
                "n": base64url(key.public_key().modulus().big_endian_without_leading_zero()),
                "e": base64url(key.public_key().exponent().big_endian_without_leading_zero()),
            }),
            PrivateKey::P256(_) => self.ec_jwk("P-256", 32),
            PrivateKey::P384(_) => self.ec_jwk("P-384", 48),
            PrivateKey::P521(_) => self.ec_jwk("P-521", 66),
            PrivateKey::Ed25519(_) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(self.public_bytes()) })
            }
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), self.kid.clone().into());
            members.insert("use".into(), "sig".into());
            members.insert("alg".into(), self.algorithm.as_str().into());
        }
        jwk
    }

    /// The JWK of an EC key; `public_bytes` is `4 || x || y`.
    fn ec_jwk(&self, curve: &'static str, length: usize) -> Value {
        // RFC 7518 section 6.2.1.2: each coordinate has the full length of the field, with zeros in
        // front.
        let coordinates = self.public_bytes().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(length).unwrap_or_default();
        json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
    }
}

/// The treatment of the current signing key at a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeys {
    /// The old keys stay in the key set, as at a well-behaved provider: earlier tokens still
    /// verify.
    Kept,
    /// The old keys leave the key set at once: earlier tokens no longer verify.
    Dropped,
    /// The old keys leave the key set at once, and the new key has the identifier of the current
    /// one, which no provider should do.
    Replaced,
}

/// The keys of the imitated Entra ID beside those of its organizations.
#[derive(Debug)]
pub(super) struct EntraKeys {
    /// The keys for personal accounts.
    pub(super) personal: ProviderKeys,
    /// A key of another cloud. Real key sets contain such keys too.
    pub(super) other_cloud: ProviderKey,
}

impl EntraKeys {
    pub(super) fn new(algorithm: Algorithm) -> Result<Self, Error> {
        let key = |index| ProviderKey::generate_from(&ENTRA_RSA_KEYS, algorithm, index);
        let personal = ProviderKeys { all: vec![key(0)?], published_from: 0 };
        Ok(Self { personal, other_cloud: key(1)? })
    }
}

/// The keys of one provider: one signs, some are published, all are stored for `id_token_hint`.
#[derive(Debug)]
pub(super) struct ProviderKeys {
    all: Vec<ProviderKey>,
    published_from: usize,
}

impl ProviderKeys {
    pub(super) fn new(algorithm: Algorithm) -> Result<Self, Error> {
        Ok(Self { all: vec![ProviderKey::generate(algorithm, 0)?], published_from: 0 })
    }

    /// The current signing key.
    pub(super) fn current(&self) -> Result<&ProviderKey, Error> {
        self.all.last().ok_or_else(|| fault("no signing key"))
    }

    /// A key that was never published, with the identifier of the current one.
    pub(super) fn impostor(&self) -> Result<ProviderKey, Error> {
        let current = self.current()?;
        // The right `kid` and algorithm, so that only the signature can give the impostor away.
        let other = ProviderKey::generate(current.algorithm, self.all.len())?;
        Ok(ProviderKey { kid: current.kid.clone(), ..other })
    }

    pub(super) fn rotate(&mut self, algorithm: Algorithm, old: OldKeys) -> Result<(), Error> {
        let mut next = ProviderKey::generate(algorithm, self.all.len())?;
        if old == OldKeys::Replaced {
            // A relying party that keeps keys by `kid` has the wrong one now, and must read the set
            // again.
            next.kid.clone_from(&self.current()?.kid);
        }
        if old != OldKeys::Kept {
            self.published_from = self.all.len();
        }
        self.all.push(next);
        Ok(())
    }

    pub(super) fn published(&self) -> &[ProviderKey] {
        self.all.get(self.published_from..).unwrap_or_default()
    }

    /// All keys that this provider has ever signed with.
    pub(super) fn known(&self) -> &[ProviderKey] {
        &self.all
    }

    /// The members of the key set (RFC 7517 section 5).
    pub(super) fn jwk_set(&self) -> Map<String, Value> {
        Map::from_iter([(
            "keys".to_owned(),
            self.published().iter().map(ProviderKey::jwk).collect(),
        )])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_owners_share_a_key() {
        let mut organizations = ProviderKeys::new(Algorithm::Rs256).unwrap();
        let entra = EntraKeys::new(Algorithm::Rs256).unwrap();
        for _ in 0..3 {
            organizations.rotate(Algorithm::Rs256, OldKeys::Kept).unwrap();
        }
        let impostor = organizations.impostor().unwrap();
        let mut keys: Vec<&[u8]> =
            organizations.known().iter().map(ProviderKey::public_bytes).collect();
        let others = [&impostor, entra.personal.current().unwrap(), &entra.other_cloud];
        keys.extend(others.map(ProviderKey::public_bytes));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
