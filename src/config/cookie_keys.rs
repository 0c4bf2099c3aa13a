//! The secrets that cookies and records are sealed under.

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::{
    error::{ConfigError, Error, ErrorKind},
    secret::{self, Secret},
};

/// The least that a secret must hold, in bytes.
const MIN_LENGTH: usize = 32;

/// The cookie secrets: the first seals, all open.
#[derive(Clone, Debug)]
pub(crate) struct CookieKeys {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) source: CookieKeySource,
}

/// Where the cookie secrets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieKeySource {
    /// The user set them.
    Configured,
    /// From the client secret: the same in every process with the same configuration.
    Derived,
    /// Made for this process: it must not meet a store that outlives it.
    Random,
}

impl CookieKeys {
    /// The configured secrets; or one derived from a client secret that is long enough; or a random
    /// one.
    pub(super) fn choose(
        configured: &[Secret],
        client_secret: Option<&Secret>,
        client_id: &str,
        base_url: &str,
    ) -> Result<Self, ConfigError> {
        if !configured.is_empty() {
            if let Some(short) = configured
                .iter()
                .map(|secret| secret.expose().len())
                .find(|length| *length < MIN_LENGTH)
            {
                return Err(ConfigError::new(
                    "cookie_secrets",
                    format!(
                        "a secret of {short} bytes is too short, {MIN_LENGTH} are the least: make one with `openssl rand -base64 48`"
                    ),
                ));
            }
            return Ok(Self { secrets: configured.to_vec(), source: CookieKeySource::Configured });
        }
        let (bytes, source) = match client_secret {
            Some(client_secret) if client_secret.expose().len() >= MIN_LENGTH => {
                (derive(client_secret, client_id, base_url), CookieKeySource::Derived)
            }
            _ => (secret::random().map(Zeroizing::new), CookieKeySource::Random),
        };
        let bytes = bytes.map_err(|error| {
            ConfigError::new("cookie_secrets", format!("no key could be made ({error}): set one"))
        })?;
        Ok(Self { secrets: vec![Secret::from(secret::base64url(&*bytes))], source })
    }
}

/// HKDF-SHA256 (RFC 5869) over the client secret; client id and base URL separate applications that
/// share a secret.
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

    fn derived(client_secret: &str, client_id: &str, base_url: &str) -> CookieKeys {
        CookieKeys::choose(&[], Some(&Secret::from(client_secret)), client_id, base_url).unwrap()
    }

    #[test]
    fn configured_secrets_win_and_keep_their_order() {
        let configured = [Secret::from(format!("new-{LONG}")), Secret::from(format!("old-{LONG}"))];
        let keys =
            CookieKeys::choose(&configured, Some(&Secret::from(LONG)), "id", "https://a").unwrap();
        assert_eq!(
            (keys.secrets.as_slice(), keys.source),
            (&configured[..], CookieKeySource::Configured)
        );
    }

    #[test]
    fn a_short_cookie_secret_is_refused_wherever_it_stands() {
        let error = CookieKeys::choose(
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
