//! [`SigningKey`]: a private key with its certificates, from PEM or PFX.
//!
//! - The private key is PKCS #8, PKCS #1 (RSA) or SEC 1 (EC), and unencrypted here: see
//!   `encrypted_key`.
//! - It is RSA with at least 2,048 bits, EC on P-256, P-384 or P-521, or Ed25519.
//! - The certificate of the key comes first in the chain; the others keep their order. Certificates
//!   without that one are an error, because the provider would verify the signature with the wrong
//!   key.

use std::fmt;

use aws_lc_rs::{
    digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256},
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error as PemError, PemObject as _},
};

use x509_cert::{Certificate, der::Decode as _, time::Time};
use zeroize::Zeroizing;

use super::Algorithm;
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    secret::{Secret, base64url},
    strings::without_byte_order_mark,
};

/// A private key, and the certificates by which the provider identifies it.
pub(crate) struct SigningKey {
    pair: Pair,
    chain: Vec<CertificateDer<'static>>,
    validity: Option<Validity>,
}

/// The validity period of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: UnixTime,
    pub(crate) until: UnixTime,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, Algorithm),
    Ed(Ed25519KeyPair),
}

/// The text of an error about a key or certificate, without any of its content.
pub(crate) type Problem = String;

impl SigningKey {
    /// The private key in a PEM text, with all certificates in it.
    ///
    /// `certificates` are further certificates: PEM, or one as base64 without BEGIN and END lines.
    pub(super) fn from_pem(text: &str, certificates: Option<&str>) -> Result<Self, Problem> {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map(Zeroizing::new);
        let key = key.map_err(|error| match error {
            PemError::NoItemsFound => "it contains no private key: expected a block that begins \
                                       with -----BEGIN PRIVATE KEY-----"
                .to_owned(),
            _ => "the private key is not PEM".to_owned(),
        })?;
        Self::with_certificates(&key, text, certificates)
    }

    /// This private key with all certificates in the PEM text, and with further ones.
    pub(super) fn with_certificates(
        key: &PrivateKeyDer<'_>,
        text: &str,
        certificates: Option<&str>,
    ) -> Result<Self, Problem> {
        // The private key and its certificates may be in one file, in any order.
        let mut chain = certificates_of(text)?;
        match certificates {
            Some(text) if text.contains("PRIVATE KEY-----") => {
                return Err("the certificate setting contains a private key".into());
            }
            Some(text) if text.contains("-----BEGIN") => {
                chain.extend(certificates_of(without_byte_order_mark(text))?);
            }
            Some(bare) => {
                let base64: String = bare.split_whitespace().collect();
                let der = base64_simd::STANDARD
                    .decode_to_vec(base64)
                    .map_err(|_| "the certificate is neither PEM nor base64".to_owned())?;
                chain.push(der.into());
            }
            None => {}
        }
        Self::new(key, chain)
    }

    /// The private key in a PFX (PKCS #12) file, with all certificates in it.
    #[cfg(feature = "pfx")]
    pub(super) fn from_pfx(bytes: &[u8], password: &Secret) -> Result<Self, Problem> {
        let archive =
            p12_keystore::Pkcs12Archive::from_pkcs12(bytes, password.expose()).map_err(|_| {
                "the PFX file cannot be opened: the password is wrong, or the file is damaged"
                    .to_owned()
            })?;
        // With several keys it would be a matter of chance which one signs.
        let [bag] = archive.keys.as_slice() else {
            return Err(format!(
                "the PFX file has {} private keys, but exactly one is needed",
                archive.keys.len()
            ));
        };
        let key = PrivateKeyDer::Pkcs8(bag.key.as_der().into());
        Self::new(&key, archive.certs.iter().map(|bag| bag.cert.as_der().to_vec().into()).collect())
    }

    #[cfg(not(feature = "pfx"))]
    pub(super) fn from_pfx(_: &[u8], _: &Secret) -> Result<Self, Problem> {
        Err("PFX files need the feature `pfx` of this crate: enable it, or convert the file to \
             PEM with `openssl pkcs12 -nodes`"
            .into())
    }

    fn new(
        key: &PrivateKeyDer<'_>,
        mut chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Problem> {
        let pair = Pair::read(key).ok_or_else(|| {
            "the private key is of a kind that cannot be used: expected RSA with at least 2048 \
             bits, EC on P-256, P-384 or P-521, or Ed25519"
                .to_owned()
        })?;
        chain.dedup();
        // RFC 7515 section 4.1.6: the certificate of the signing key must be the first in `x5c`.
        if !chain.is_empty() {
            let own = chain.iter().position(|certificate| pair.is_in(certificate));
            let own =
                own.ok_or_else(|| "no certificate in it belongs to the private key".to_owned())?;
            let own = chain.remove(own);
            chain.insert(0, own);
        }
        let validity = chain.first().and_then(|own| Validity::of(own));
        Ok(Self { pair, chain, validity })
    }

    /// Whether it is an RSA key.
    pub(crate) fn is_rsa(&self) -> bool {
        matches!(self.pair, Pair::Rsa(_))
    }

    /// Whether it can sign with the algorithm.
    pub(crate) fn can(&self, algorithm: Algorithm) -> bool {
        match &self.pair {
            Pair::Rsa(_) => encoding(algorithm).is_some(),
            Pair::Ec(_, own) => *own == algorithm,
            Pair::Ed(_) => algorithm == Algorithm::EdDsa,
        }
    }

    /// The only algorithm of a key that is not RSA; `None` for an RSA key, which has several.
    pub(crate) fn own_algorithm(&self) -> Option<Algorithm> {
        match &self.pair {
            Pair::Rsa(_) => None,
            Pair::Ec(_, own) => Some(*own),
            Pair::Ed(_) => Some(Algorithm::EdDsa),
        }
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the key cannot make such a signature.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || {
            Error::new(ErrorKind::Internal, format!("the private key cannot sign with {algorithm}"))
        };
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding = encoding(algorithm).ok_or_else(failed)?;
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| failed())?;
                Ok(signature)
            }
            Pair::Ec(pair, own) if *own == algorithm => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| failed()),
            Pair::Ed(pair) if algorithm == Algorithm::EdDsa => {
                Ok(pair.sign(message).as_ref().to_vec())
            }
            Pair::Ec(..) | Pair::Ed(_) => Err(failed()),
        }
    }

    /// The certificates in DER, the one of the key first.
    pub(crate) fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.chain.iter().map(|certificate| &**certificate)
    }

    /// The thumbprint for `x5t` (RFC 7515 section 4.1.7).
    pub(crate) fn sha1_thumbprint(&self) -> Option<String> {
        self.chain
            .first()
            .map(|own| base64url(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, own).as_ref()))
    }

    /// The thumbprint for `x5t#S256` (RFC 7515 section 4.1.8).
    pub(crate) fn sha256_thumbprint(&self) -> Option<String> {
        self.chain.first().map(|own| base64url(digest::digest(&SHA256, own).as_ref()))
    }

    /// The validity period of its certificate; `None` without one, or if it cannot be read.
    pub(crate) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// Bytes that differ between two keys: the public key and its certificate, which can be renewed
    /// for the same key.
    pub(crate) fn identity(&self) -> Vec<u8> {
        [self.pair.public(), self.chain.first().map_or(&[][..], |own| own)].concat()
    }
}

impl Validity {
    fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let time = |time: Time| {
            i64::try_from(time.to_unix_duration().as_secs()).ok().map(UnixTime::from_seconds)
        };
        Some(Self { from: time(validity.not_before)?, until: time(validity.not_after)? })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn read(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let der = key.secret_der();
        let rsa = match key {
            PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(der).ok(),
            _ => RsaKeyPair::from_pkcs8(der).ok(),
        };
        let ec = |algorithm, curve| {
            Some(Self::Ec(EcdsaKeyPair::from_private_key_der(curve, der).ok()?, algorithm))
        };
        rsa.map(Self::Rsa)
            // Each parser accepts its own curve only, so they are tried in turn.
            .or_else(|| ec(Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING))
            .or_else(|| ec(Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING))
            .or_else(|| ec(Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED_SIGNING))
            .or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(Self::Ed))
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Ec(pair, _) => pair.public_key().as_ref(),
            Self::Ed(pair) => pair.public_key().as_ref(),
        }
    }

    /// Whether the certificate contains the public key, as the bytes of its `subjectPublicKey`.
    fn is_in(&self, certificate: &[u8]) -> bool {
        let public = self.public();
        memchr::memmem::find(certificate, public).is_some()
    }
}

fn certificates_of(pem: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "a certificate in it is not PEM".to_owned())
}

fn encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;

    use super::*;
    use crate::config::test_keys::{self, certificate, other_certificate, rsa};

    fn problem(text: &str, certificates: Option<&str>) -> Problem {
        SigningKey::from_pem(text, certificates).unwrap_err()
    }

    /// The certificate as base64 without its frame.
    fn bare(pem: &str) -> String {
        pem.lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n")
    }

    // MSAL-117: PEM with several certificates, with or without BEGIN/END tags; client built
    /// Every certificate, in order, with that of the key in front.
    #[test]
    fn certificates_are_read_with_and_without_their_frames() {
        let (key, own, other) = (rsa(), certificate(), other_certificate());
        for (text, certificates, count) in [
            (format!("{key}{own}"), None, 1),
            (format!("{own}{other}{key}"), None, 2),
            (format!("Bag Attributes\n{other}{own}{key}"), None, 2),
            (key.to_owned(), Some(own.to_owned()), 1),
            (key.to_owned(), Some(format!("{own}\n{other}")), 2),
            (key.to_owned(), Some(bare(own)), 1),
            (key.to_owned(), None, 0),
        ] {
            let key = SigningKey::from_pem(&text, certificates.as_deref()).unwrap();
            assert_eq!(key.chain().len(), count);
            let validity = Validity {
                from: UnixTime::from_seconds(1_577_836_800),
                until: UnixTime::from_seconds(4_922_899_200),
            };
            assert_eq!(key.validity(), (count > 0).then_some(validity));
            let bytes = |text: Option<String>| {
                text.map(|text| crate::secret::from_base64url(&text).unwrap())
            };
            let thumbprint = |algorithm| (count > 0).then(|| test_keys::thumbprint(algorithm));
            assert_eq!(bytes(key.sha1_thumbprint()), thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY));
            assert_eq!(bytes(key.sha256_thumbprint()), thumbprint(&digest::SHA256));
        }
    }

    #[test]
    fn keys_of_every_kind_sign_with_what_they_can() {
        for (pem, can, cannot) in [
            (rsa().to_owned(), Algorithm::Ps256, Algorithm::Es256),
            (test_keys::rsa_pkcs1(), Algorithm::Rs256, Algorithm::EdDsa),
            (test_keys::ec().to_owned(), Algorithm::Es256, Algorithm::Es384),
            (test_keys::ec_sec1(), Algorithm::Es256, Algorithm::Rs256),
        ] {
            let key = SigningKey::from_pem(&pem, None).unwrap();
            assert!(key.can(can) && !key.can(cannot));
            assert!(!key.sign(can, b"message").unwrap().is_empty());
            assert!(key.sign(cannot, b"message").is_err());
        }
    }

    #[test]
    fn what_cannot_be_used_says_so() {
        for (text, certificates, hint) in [
            ("", None, "no private key"),
            (certificate(), None, "no private key"),
            (&rsa().replace("MII", "MIJ"), None, "cannot be used"),
            (rsa(), Some(rsa()), "contains a private key"),
            (rsa(), Some(other_certificate()), "belongs to the private key"),
            (rsa(), Some("!"), "neither PEM nor base64"),
        ] {
            let problem = problem(text, certificates);
            assert!(problem.contains(hint), "{problem}");
        }
    }
}
