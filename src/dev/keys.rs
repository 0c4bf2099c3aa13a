//! Signing keys: made at start and at every rotation, published as a JWK set (RFC 7517).

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde_json::{Value, json};

use crate::{
    error::{Error, ErrorKind},
    secret::{base64url, random},
};

/// The algorithm that the development provider signs ID tokens with. The default is [`RS256`](Self::RS256).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what every provider has to support.
    #[default]
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512; its `at_hash` is made with SHA-512, too.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519; its `at_hash` is made with SHA-512.
    EdDSA,
}

impl SigningAlgorithm {
    /// The name in JOSE headers and metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The digest that `at_hash` is made with (OpenID Connect Core section 3.1.3.6).
    pub(super) fn digest(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::RS256 | Self::PS256 | Self::ES256 => &aws_lc_rs::digest::SHA256,
            Self::RS384 | Self::ES384 => &aws_lc_rs::digest::SHA384,
            Self::RS512 | Self::EdDSA => &aws_lc_rs::digest::SHA512,
        }
    }
}

/// The private half, of the kind that the algorithm needs.
#[derive(Debug)]
enum Private {
    Rsa(rsa::KeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// One signing key with its identifier.
#[derive(Clone, Debug)]
pub(super) struct SigningKey {
    pub(super) kid: String,
    pub(super) algorithm: SigningAlgorithm,
    private: Arc<Private>,
}

fn fault(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, what)
}

/// The `index`th RSA key of this process. RSA keys are slow to find, so that all providers of a process draw from one row:
/// the first key signs, the next ones are those of rotations.
fn rsa_key(index: usize) -> Result<Arc<Private>, Error> {
    static ROW: Mutex<Vec<Arc<Private>>> = Mutex::new(Vec::new());
    let mut row = ROW.lock().unwrap_or_else(PoisonError::into_inner);
    while row.len() <= index {
        let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(|_| fault("no RSA key could be made"))?;
        row.push(Arc::new(Private::Rsa(key)));
    }
    row.get(index).cloned().ok_or_else(|| fault("no RSA key could be made"))
}

impl SigningKey {
    /// A key for `algorithm` under a new identifier; `index` numbers the RSA keys of one provider.
    pub(super) fn generate(algorithm: SigningAlgorithm, index: usize) -> Result<Self, Error> {
        use SigningAlgorithm as A;
        let ecdsa = |on| EcdsaKeyPair::generate(on).map_err(|_| fault("no EC key could be made"));
        let private = match algorithm {
            A::RS256 | A::RS384 | A::RS512 | A::PS256 => rsa_key(index)?,
            A::ES256 => Arc::new(Private::P256(ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?)),
            A::ES384 => Arc::new(Private::P384(ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)?)),
            A::EdDSA => {
                Arc::new(Private::Ed25519(Ed25519KeyPair::generate().map_err(|_| fault("no Ed25519 key could be made"))?))
            }
        };
        Ok(Self { kid: base64url(&random::<9>()?), algorithm, private })
    }

    /// Signs `message` as JWS asks for (RFC 7518 section 3).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let failed = |_| fault("signing failed");
        match &*self.private {
            Private::Rsa(key) => {
                let padding: &'static dyn signature::RsaEncoding = match self.algorithm {
                    SigningAlgorithm::RS384 => &signature::RSA_PKCS1_SHA384,
                    SigningAlgorithm::RS512 => &signature::RSA_PKCS1_SHA512,
                    SigningAlgorithm::PS256 => &signature::RSA_PSS_SHA256,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut made = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut made).map_err(failed)?;
                Ok(made)
            }
            Private::P256(key) | Private::P384(key) => Ok(key.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Private::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }

    /// Whether `made` is this key's signature of `message`.
    pub(super) fn verifies(&self, message: &[u8], made: &[u8]) -> bool {
        let algorithm: &'static dyn signature::VerificationAlgorithm = match self.algorithm {
            SigningAlgorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            SigningAlgorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            SigningAlgorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            SigningAlgorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            SigningAlgorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            SigningAlgorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
            SigningAlgorithm::EdDSA => &signature::ED25519,
        };
        UnparsedPublicKey::new(algorithm, self.public_bytes()).verify(message, made).is_ok()
    }

    /// The public half: PKCS #1 for RSA, the uncompressed point for EC, the 32 bytes for Ed25519.
    pub(super) fn public_bytes(&self) -> &[u8] {
        match &*self.private {
            Private::Rsa(key) => key.public_key().as_ref(),
            Private::P256(key) | Private::P384(key) => key.public_key().as_ref(),
            Private::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    /// The public half as a JWK (RFC 7517, RFC 8037).
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &*self.private {
            Private::Rsa(key) => json!({
                "kty": "RSA",
                "n": base64url(key.public_key().modulus().big_endian_without_leading_zero()),
                "e": base64url(key.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Private::P256(_) => self.ec_jwk("P-256", 32),
            Private::P384(_) => self.ec_jwk("P-384", 48),
            Private::Ed25519(_) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(self.public_bytes()) }),
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), self.kid.clone().into());
            members.insert("use".into(), "sig".into());
            members.insert("alg".into(), self.algorithm.name().into());
        }
        jwk
    }

    /// `public_bytes` is `4 || x || y`.
    fn ec_jwk(&self, curve: &'static str, length: usize) -> Value {
        let coordinates = self.public_bytes().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(length).unwrap_or_default();
        json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
    }
}

/// What happens to the key in use when another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeys {
    /// They stay in the key set, as a well-behaved provider keeps them: tokens signed before still verify.
    Kept,
    /// They leave the key set at once: tokens signed before no longer verify.
    Dropped,
}

/// The keys of one provider: one signs, some are published, all are remembered for `id_token_hint`.
#[derive(Debug)]
pub(super) struct Keys {
    all: Vec<SigningKey>,
    published_from: usize,
}

impl Keys {
    pub(super) fn new(algorithm: SigningAlgorithm) -> Result<Self, Error> {
        Ok(Self { all: vec![SigningKey::generate(algorithm, 0)?], published_from: 0 })
    }

    /// The key in use.
    pub(super) fn current(&self) -> Result<&SigningKey, Error> {
        self.all.last().ok_or_else(|| fault("no signing key"))
    }

    /// A key that was never published, under the identifier of the one in use.
    pub(super) fn impostor(&self) -> Result<SigningKey, Error> {
        let current = self.current()?;
        let other = SigningKey::generate(current.algorithm, self.all.len())?;
        Ok(SigningKey { kid: current.kid.clone(), ..other })
    }

    pub(super) fn rotate(&mut self, algorithm: SigningAlgorithm, old: OldKeys) -> Result<(), Error> {
        let next = SigningKey::generate(algorithm, self.all.len())?;
        if old == OldKeys::Dropped {
            self.published_from = self.all.len();
        }
        self.all.push(next);
        Ok(())
    }

    pub(super) fn published(&self) -> &[SigningKey] {
        self.all.get(self.published_from..).unwrap_or_default()
    }

    /// Any key that ever signed here.
    pub(super) fn known(&self, kid: &str) -> Option<&SigningKey> {
        self.all.iter().find(|key| key.kid == kid)
    }

    pub(super) fn jwk_set(&self) -> Value {
        json!({ "keys": self.published().iter().map(SigningKey::jwk).collect::<Vec<_>>() })
    }
}
