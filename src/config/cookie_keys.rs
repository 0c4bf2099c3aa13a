//! The secrets of cookies and stored records, and the keys that are derived from them.

use std::sync::Arc;

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::{
    error::{ConfigError, Error, ErrorKind},
    seal::KeyRing,
    secret::{self, Secret},
};

/// The minimum length of a cookie secret and of a client secret that one is derived from, in bytes.
const MIN_LENGTH: usize = 32;

/// The cookie secrets. The first seals; all of them open, so that secrets can be rotated (D4).
#[derive(Clone, Debug)]
pub(crate) struct CookieSecrets {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) source: CookieKeySource,
}

/// The origin of the cookie secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieKeySource {
    /// They are configured.
    Configured,
    /// Derived from the client secret: the same in every process with the same configuration.
    Derived,
    /// Random, for this process. A store that outlives the process must not be used with it,
    /// because the records could not be opened after a restart.
    Random,
}

impl CookieSecrets {
    /// The configured secrets; else one derived from the client secret, if that is long enough;
    /// else a random one.
    ///
    /// # Errors
    ///
    /// A configured secret is shorter than 32 bytes, or the system has no randomness.
    pub(super) fn choose(
        configured: &[Secret],
        client_secret: Option<&Secret>,
        client_id: &str,
        base_url: &str,
    ) -> Result<Self, ConfigError> {
        if !configured.is_empty() {
            // HKDF does not add entropy: a short secret could be found by trying (RFC 5869 section
            // 4).
            if let Some(short) = configured
                .iter()
                .map(|secret| secret.expose().len())
                .find(|length| *length < MIN_LENGTH)
            {
                return Err(ConfigError::new(
                    "cookie_secrets",
                    format!(
                        "a secret has {short} bytes, but at least {MIN_LENGTH} are needed: make \
                         one with `openssl rand -base64 32`"
                    ),
                ));
            }
            return Ok(Self { secrets: configured.to_vec(), source: CookieKeySource::Configured });
        }
        let (bytes, source) = match client_secret {
            // The secrets that providers generate have 32 characters or more; a shorter one was
            // probably chosen by hand and can be guessed.
            Some(client_secret) if client_secret.expose().len() >= MIN_LENGTH => {
                (derive(client_secret, client_id, base_url), CookieKeySource::Derived)
            }
            _ => (secret::random().map(Zeroizing::new), CookieKeySource::Random),
        };
        let bytes = bytes.map_err(|error| {
            ConfigError::new(
                "cookie_secrets",
                format!("no key could be generated ({error}): set one (IDENTITY_COOKIE_SECRET)"),
            )
        })?;
        Ok(Self { secrets: vec![Secret::from(secret::base64url(&*bytes))], source })
    }

    /// The keys that seal cookies and records. With the same secret another application (client id,
    /// authority, base URL) has other keys.
    ///
    /// # Errors
    ///
    /// The cryptography library derives no keys.
    pub(super) fn key_ring(&self, application: &[&str; 3]) -> Result<Arc<KeyRing>, ConfigError> {
        KeyRing::new(&self.secrets, &application.map(str::as_bytes)).map(Arc::new).map_err(
            |error| ConfigError::new("cookie_secrets", format!("no key could be derived: {error}")),
        )
    }
}

/// Derives a secret from the client secret with HKDF-SHA256 (RFC 5869). Client id and base URL are
/// in its info, so that applications with the same client secret get different keys.
fn derive(
    client_secret: &Secret,
    client_id: &str,
    base_url: &str,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let failed = |_| Error::new(ErrorKind::Internal, "key derivation failed");
    let mut bytes = Zeroizing::new([0; 32]);
    let info: [&[u8]; 3] = [client_id.as_bytes(), b"\0", base_url.as_bytes()];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"tower-identity cookie secret 1")
        .extract(client_secret.expose().as_bytes())
        .expand(&info, hkdf::HKDF_SHA256)
        .map_err(failed)?
        .fill(&mut *bytes)
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "0123456789abcdef0123456789abcdef";

    fn derived(client_secret: &str, client_id: &str, base_url: &str) -> CookieSecrets {
        CookieSecrets::choose(&[], Some(&Secret::from(client_secret)), client_id, base_url).unwrap()
    }

    #[test]
    fn configured_secrets_win_and_keep_their_order() {
        let configured = [Secret::from(format!("new-{LONG}")), Secret::from(format!("old-{LONG}"))];
        let keys = CookieSecrets::choose(&configured, Some(&Secret::from(LONG)), "id", "https://a")
            .unwrap();
        assert_eq!(
            (keys.secrets.as_slice(), keys.source),
            (&configured[..], CookieKeySource::Configured)
        );
    }

    #[test]
    fn a_short_cookie_secret_is_refused_wherever_it_stands() {
        let error = CookieSecrets::choose(
            &[Secret::from(LONG), Secret::from("short")],
            None,
            "id",
            "https://a",
        )
        .unwrap_err();
        assert!(error.to_string().contains("5 bytes"), "{error}");
    }

    #[test]
    fn a_long_client_secret_gives_the_same_key_to_every_node_and_another_to_every_application() {
        let one = derived(LONG, "id", "https://a");
        assert_eq!(one.source, CookieKeySource::Derived);
        assert_eq!(one.secrets, derived(LONG, "id", "https://a").secrets);
        for other in [
            derived(LONG, "id2", "https://a"),
            derived(LONG, "id", "https://b"),
            derived(&LONG.replace('0', "1"), "id", "https://a"),
        ] {
            assert_ne!(one.secrets, other.secrets);
        }
        assert!(one.secrets[0].expose().len() >= MIN_LENGTH);
        assert!(!one.secrets[0].expose().contains(LONG));
    }

    #[test]
    fn without_a_long_secret_the_key_is_random() {
        let one = derived("short", "id", "https://a");
        assert_eq!(one.source, CookieKeySource::Random);
        assert_ne!(one.secrets, derived("short", "id", "https://a").secrets);
    }
}
