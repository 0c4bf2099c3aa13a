//! The signature algorithms that an ID token may have.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{self, VerificationAlgorithm};

use crate::error::ConfigError;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $jose:literal;)*) => {
        /// An asymmetric signature algorithm of JSON Web Signatures (RFC 7518 section 3.1, RFC
        /// 8037).
        ///
        /// # Security
        ///
        /// `none` and the symmetric algorithms have no value here, so that no setting can allow
        /// them. An unsigned token proves nothing. With a symmetric algorithm the client secret
        /// would be the key, and everyone who knows it could make ID tokens (RFC 8725 section 3.1).
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
        Self::named(text).ok_or_else(|| {
            ConfigError::new(
                "id_token_algorithms",
                format!("{text:?} is not one of {}", Self::list(Self::ALL)),
            )
        })
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
