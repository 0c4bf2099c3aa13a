//! The signature algorithms that an ID token may have.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    hmac,
    signature::{self, VerificationAlgorithm},
};

use crate::error::ConfigError;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $jose:literal;)*) => {
        /// An asymmetric signature algorithm of JSON Web Signatures (RFC 7518 section 3.1, RFC
        /// 8037).
        ///
        /// # Security
        ///
        /// `none` has no value here, so that no setting can allow it: an unsigned token proves
        /// nothing. The symmetric algorithms are another type, [`HmacAlgorithm`], so that no token
        /// can be verified with a public key as a shared secret (RFC 8725 section 3.1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Algorithm { $($(#[$doc])* $name,)* }

        impl Algorithm {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The value of the `alg` header.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $jose,)* }
            }
        }
    };
}

algorithms! {
    /// RSASSA-PKCS1-v1_5 with SHA-256: the default of OpenID Connect, for a provider that lists no
    /// algorithms.
    Rs256 = "RS256";
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384 = "RS384";
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512 = "RS512";
    /// RSASSA-PSS with SHA-256.
    Ps256 = "PS256";
    /// RSASSA-PSS with SHA-384.
    Ps384 = "PS384";
    /// RSASSA-PSS with SHA-512.
    Ps512 = "PS512";
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256";
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384";
    /// ECDSA on P-521 with SHA-512.
    Es512 = "ES512";
    /// Ed25519, under this name or under its newer name `Ed25519` (RFC 9864).
    EdDsa = "EdDSA";
}

impl Algorithm {
    /// The algorithm with a JOSE name. `Ed25519` is the newer name for `EdDSA` with the only curve
    /// that is supported here (RFC 9864 section 2.2).
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// The same algorithm in `aws-lc-rs`. Signatures on curves have the fixed length of RFC 7518
    /// section 3.4.
    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
            Self::EdDsa => &signature::ED25519,
        }
    }

    /// The names, separated by commas, for messages.
    pub(crate) fn list(algorithms: &[Self]) -> String {
        algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let problem = || match HmacAlgorithm::named(text) {
            Some(hmac) => format!(
                "{hmac} has the client secret as its key, so it has to be the only algorithm \
                 (`with_id_token_hmac`)"
            ),
            None => format!("{text:?} is not one of {}", Self::list(Self::ALL)),
        };
        Self::named(text).ok_or_else(|| ConfigError::new("id_token_algorithms", problem()))
    }
}

/// A symmetric algorithm that signs ID tokens with the client secret as its key (RFC 7518 section
/// 3.2): [`with_id_token_hmac`](crate::IdentityConfig::with_id_token_hmac).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl HmacAlgorithm {
    const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The value of the `alg` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The algorithm with a JOSE name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The length of the hash in bytes, which is the least length of a key (RFC 7518 section 3.2).
    pub(super) const fn least_key_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }

    /// The same algorithm in `aws-lc-rs`.
    pub(crate) const fn verification(self) -> hmac::Algorithm {
        match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
        }
    }
}

impl fmt::Display for HmacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // C-014: alg none token from the token endpoint
    // C-448: http base URL with secure cookies; `none` alg; scope without openid; missing secret
    #[test]
    fn neither_none_nor_a_symmetric_algorithm_can_be_named() {
        for refused in ["none", "None", "NONE", "HS256", "HS384", "HS512", "rs256", "", "RS256 "] {
            assert!(refused.parse::<Algorithm>().is_err(), "{refused}");
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }
}
