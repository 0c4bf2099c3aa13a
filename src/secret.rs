//! Secrets, and the cryptographic helpers that several modules share: constant-time comparison,
//! random bytes, base64url, fingerprints and key derivation.

use std::{fmt, hint::black_box};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    constant_time,
    digest::{Context, SHA256},
    hkdf::{KeyType, Prk},
    rand,
};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};

/// A client secret, token or key, which is compared in constant time and wiped from memory when it
/// is dropped.
///
/// `Debug` writes `[redacted]`, and there is no `Display`: the value is available only through
/// [`Secret::expose`], so that it cannot get into a log by accident (security rule 19).
///
/// ```
/// use tower_identity::Secret;
///
/// let secret = Secret::from("s3cr3t");
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// assert_eq!(secret.expose(), "s3cr3t");
/// ```
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The value. Keep it out of logs, URLs and pages.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the value is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        // The derived comparison would return at the first different byte, which can be measured.
        same(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::from(value.to_owned())
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Serializes the value, for `#[serde(serialize_with = "secret::exposed")]` in records that are
/// sealed immediately afterwards.
pub(crate) fn exposed<S: serde::Serializer>(
    secret: &Secret,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Whether two arrays are equal, in a time that does not depend on their content.
///
/// With a length that is known at compile time this is a few vector instructions, where
/// [`same`] takes 600 for a session cookie, which is compared for every request. `black_box`
/// prevents the compiler from returning at the first difference.
pub(crate) fn same_array<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    black_box(difference) == 0
}

/// `N` random bytes from the operating system.
///
/// # Errors
///
/// [`ErrorKind::Internal`]: the operating system provides none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| {
        Error::new(ErrorKind::Internal, "the operating system provided no random bytes")
    })?;
    Ok(bytes)
}

/// Encodes bytes as base64url without padding (RFC 4648 section 5), as in JWTs.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Decodes base64url without padding; `None` if it is malformed.
pub(crate) fn from_base64url(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// The decoded claims of a signed JWT, unverified; `None` if it is none.
pub(crate) fn unverified_payload(jwt: &Secret) -> Option<Vec<u8>> {
    jwt.expose().split('.').nth(1).and_then(from_base64url)
}

/// The first 128 bits of the SHA-256 hash of a label and parts.
///
/// The length is hashed before each part, so that different lists of parts never give the same
/// input.
pub(crate) fn fingerprint<'a>(
    label: &'a str,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in std::iter::once(label.as_bytes()).chain(parts) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let mut short = [0; 16];
    short.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    short
}

/// The number of bytes to derive with HKDF.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Derives a key with HKDF-Expand (RFC 5869 section 2.3). `parts` are concatenated to its info, so
/// each must have a fixed length or be preceded by its length.
pub(crate) fn expand<const N: usize>(key: &Prk, parts: &[&[u8]]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    key.expand(parts, Length(N)).ok()?.fill(&mut bytes).ok()?;
    Some(bytes)
}

/// A keyed hash of tokens, under a random key. Tokens with the same hash cannot be constructed
/// without the key, so a hash can stand for the token in memory.
pub(crate) struct TokenHash(LessSafeKey);

/// The keyed hash of a token.
pub(crate) type TokenDigest = [u8; 16];

impl TokenHash {
    /// A hash with a key of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system has no random bytes.
    pub(crate) fn random() -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_256_GCM, &random::<32>()?)
            .map_err(|_| Error::new(ErrorKind::Internal, "no key for the hash of tokens"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// The AES-GCM authentication tag over the token, always with the same nonce: a universal hash
    /// under a secret key. The fixed nonce is safe because neither the key nor a tag leaves the
    /// process. It costs a tenth of HMAC-SHA-256.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`], which the length limit of a token rules out.
    pub(crate) fn digest(&self, token: &[u8]) -> Result<TokenDigest, Error> {
        let failed = || Error::new(ErrorKind::Internal, "no hash of an access token");
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []);
        tag.map_err(|_| failed())?.as_ref().try_into().map_err(|_| failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::from("top");
        assert_eq!(format!("{secret:?} {secret:#?}"), "[redacted] [redacted]");
    }

    #[test]
    fn two_hashes_have_two_keys() {
        let (one, other) = (TokenHash::random().unwrap(), TokenHash::random().unwrap());
        let digest = |hash: &TokenHash| hash.digest(b"token").unwrap();
        assert_ne!(digest(&one), digest(&other));
        assert_eq!(digest(&one), digest(&one));
    }

    #[test]
    fn values_are_the_same_if_every_byte_is() {
        assert!(same_array(b"abcd", b"abcd"));
        for other in [b"bbcd", b"abce", b"aacd"] {
            assert!(!same_array(b"abcd", other) && !same(b"abcd", other));
        }
    }

    #[test]
    fn base64url_is_canonical() {
        assert_eq!(from_base64url(base64url(b"any bytes")).as_deref(), Some(&b"any bytes"[..]));
        for refused in ["YQ==", "Y", "Y+Q", "YR"] {
            assert_eq!(from_base64url(refused), None, "{refused}");
        }
    }
}
