//! Signature algorithms that an ID token may have.

use std::{fmt, str::FromStr};

use crate::error::ConfigError;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $jose:literal;)*) => {
        /// An asymmetric signature algorithm of JSON Web Signatures (RFC 7518 section 3.1, RFC
        /// 8037).
        ///
        /// # Security
        ///
        /// `none` and the symmetric algorithms do not exist here, so that no setting can allow
        /// them: an unsigned token proves nothing, and a client secret must not double as a key
        /// with which whoever knows it writes ID tokens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Algorithm { $($(#[$doc])* $name,)* }

        impl Algorithm {
            /// Every algorithm there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The value of a token's `alg`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $jose,)* }
            }
        }
    };
}

algorithms! {
    /// RSASSA-PKCS1-v1_5 with SHA-256: the default of OpenID Connect, where a provider lists
    /// nothing.
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
    /// Ed25519, under this name or its newer one, `Ed25519` (RFC 9864).
    EdDsa = "EdDSA";
}

impl Algorithm {
    /// The algorithm of a JOSE name, if it is one of these. `Ed25519` is the newer name of the only
    /// curve that is taken with `EdDSA` (RFC 9864 section 2.2).
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// Their names with commas between them, for messages.
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

    /// C-014, C-448
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
