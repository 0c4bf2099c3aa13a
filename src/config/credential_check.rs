//! The checks of a credential by `build`: its settings, and whether it can be loaded.

use super::{
    ClientCredential,
    credential::{AssertionOptions, CredentialKind},
    credential_load::load_assertion,
    signing_key::SigningKey,
};
use crate::{
    authority::Authority,
    clock::{Clock as _, SystemClock, UnixTime},
    error::ConfigError,
    secret::Secret,
};

/// The claims that the crate sets in an assertion.
const OWN_CLAIMS: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "jti"];

impl ClientCredential {
    /// Checks that the credential can be used at the authority.
    pub(super) fn check(&self, authority: &Authority) -> Result<(), ConfigError> {
        let CredentialKind::FirstOf(members) = &self.kind else {
            self.check_settings(authority)?;
            return self.check_loads(authority);
        };
        if members.is_empty()
            || members.iter().any(|member| {
                matches!(member.kind, CredentialKind::FirstOf(_) | CredentialKind::None)
            })
        {
            return wrong(
                "`first_of` needs at least one credential, and neither `none()` nor another list",
            );
        }
        if self.method.is_some()
            || self.password.is_some()
            || self.options != AssertionOptions::default()
        {
            return wrong(
                "the settings of `first_of` itself have no effect: set them on its credentials",
            );
        }
        members.iter().try_for_each(|member| member.check_settings(authority))?;
        // One credential that loads is enough; if there is none, the error is that of the last.
        let mut outcome = Ok(());
        for member in members {
            outcome = member.check_loads(authority);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Checks that every setting has an effect.
    fn check_settings(&self, authority: &Authority) -> Result<(), ConfigError> {
        let AssertionOptions {
            certificates,
            key_id,
            thumbprints,
            chain,
            algorithm,
            audience,
            claims,
        } = &self.options;
        // A setting without effect is an error, so that a mistake cannot weaken the authentication
        // silently.
        if self.method.is_some() && self.client_secret().is_none() {
            return wrong(
                "`with_method` is for a client secret, but there is none: remove it, or set the \
                 secret",
            );
        }
        let is_key = matches!(self.kind, CredentialKind::Key(_));
        let of_a_key = certificates.is_some()
            || key_id.is_some()
            || !thumbprints.is_empty()
            || *chain
            || algorithm.is_some()
            || !claims.is_empty();
        if !is_key && (of_a_key || self.password.is_some()) {
            return wrong(
                "it has settings of a certificate or private key, which have no effect here: \
                 remove them",
            );
        }
        if audience.is_some()
            && !is_key
            && !matches!(self.kind, CredentialKind::AssertionFunction(_))
        {
            return wrong(
                "`with_assertion_audience` has no effect on an assertion that is made elsewhere: \
                 remove it",
            );
        }
        // RFC 7523 section 3 defines these claims; a wrong value would be a wrong audience or
        // lifetime.
        if let Some(own) = OWN_CLAIMS.iter().find(|own| claims.contains_key(**own)) {
            return Err(ConfigError::new(
                "credential",
                format!("the claim {own:?} of an assertion cannot be replaced: remove it"),
            ));
        }
        if !thumbprints.iter().all(|text| is_thumbprint(text)) {
            return wrong("a thumbprint has 40 (SHA-1) or 64 (SHA-256) hexadecimal digits");
        }
        if authority.is_adfs() && algorithm.is_some_and(|algorithm| algorithm.as_str() != "RS256") {
            return wrong("AD FS accepts RS256 only: remove `with_algorithm`");
        }
        Ok(())
    }

    /// Checks that it can be loaded now.
    fn check_loads(&self, authority: &Authority) -> Result<(), ConfigError> {
        match &self.kind {
            // A public client has to be chosen explicitly: an empty secret is a missing one.
            CredentialKind::Secret(secret) if secret.is_empty() => wrong(
                "the client secret is empty: set the secret's value, or use \
                 `ClientCredential::none()` if the application has none",
            ),
            CredentialKind::Secret(secret) if !is_plain(secret) => wrong(
                "the client secret begins or ends with white space, or contains control \
                 characters: copy it again",
            ),
            CredentialKind::Assertion(jwt) if jwt.is_empty() || !is_plain(jwt) => wrong(
                "the assertion is empty, begins or ends with white space, or contains control \
                 characters: copy it again",
            ),
            CredentialKind::Key(source) => {
                let key = self
                    .load_key(source)
                    .map_err(|problem| ConfigError::new("credential", problem))?;
                self.check_loaded(&key, authority)
            }
            CredentialKind::AssertionFile(path) => load_assertion(path)
                .map(|_| ())
                .map_err(|problem| ConfigError::new("credential", problem)),
            _ => Ok(()),
        }
    }

    /// Checks a key that was loaded, now or when its file is replaced.
    ///
    /// # Errors
    ///
    /// The provider cannot identify the key, or accepts neither its signatures nor its certificate.
    pub(crate) fn check_loaded(
        &self,
        key: &SigningKey,
        authority: &Authority,
    ) -> Result<(), ConfigError> {
        self.check_key(key, authority)?;
        self.check_dates(key, authority, SystemClock.now())
    }

    /// Checks the validity period of the certificate. Microsoft's providers refuse an expired
    /// certificate, and so does every provider that validates the chain. For other providers the
    /// certificate is only a name for the key, and a warning is logged.
    fn check_dates(
        &self,
        key: &SigningKey,
        authority: &Authority,
        now: UnixTime,
    ) -> Result<(), ConfigError> {
        let Some(validity) = key.validity() else { return Ok(()) };
        if now < validity.from {
            tracing::warn!(
                "the client certificate is not valid yet: check the clock of this machine"
            );
        }
        if now < validity.until {
            return Ok(());
        }
        if authority.is_microsoft() || authority.is_adfs() || self.options.chain {
            return wrong(
                "the certificate has expired: create another and register it at the provider",
            );
        }
        tracing::warn!("the client certificate has expired");
        Ok(())
    }

    /// Checks that the provider can identify the key, and accepts its signatures.
    fn check_key(&self, key: &SigningKey, authority: &Authority) -> Result<(), ConfigError> {
        let options = &self.options;
        if let Some(algorithm) = options.algorithm
            && !key.can(algorithm)
        {
            return Err(ConfigError::new(
                "credential",
                format!("the private key cannot sign with {algorithm}: remove `with_algorithm`"),
            ));
        }
        // `x5c` (RFC 7515 section 4.1.6) needs the certificate itself; a thumbprint is not enough.
        if options.chain && key.chain().len() == 0 {
            return wrong(
                "`with_certificate_chain` needs the certificate: add it to the file of the \
                 private key, or set `with_certificate`",
            );
        }
        if !authority.is_microsoft() && !authority.is_adfs() {
            return Ok(());
        }
        if !key.is_rsa() {
            return wrong("Microsoft's providers accept RSA keys only: create another certificate");
        }
        let has_sha1 =
            key.chain().len() > 0 || options.thumbprints.iter().any(|text| text.len() == 40);
        if authority.is_adfs() && !has_sha1 {
            return wrong(
                "AD FS identifies the key by the SHA-1 thumbprint of its certificate: set \
                 `with_certificate`, or `add_thumbprint` with 40 digits",
            );
        }
        if key.chain().len() == 0 && options.thumbprints.is_empty() {
            return wrong(
                "the provider identifies the key by its certificate: set `with_certificate` or \
                 `add_thumbprint`",
            );
        }
        Ok(())
    }
}

/// Whether text is a thumbprint of a certificate in hexadecimal digits, by SHA-1 or SHA-256.
fn is_thumbprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a secret can be sent unchanged. White space around it is nearly always a copying error.
pub(super) fn is_plain(secret: &Secret) -> bool {
    secret.expose().trim() == secret.expose() && !secret.expose().contains(char::is_control)
}

fn wrong<T>(problem: &'static str) -> Result<T, ConfigError> {
    Err(ConfigError::new("credential", problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Algorithm, AssertionAudience, ClientAuthMethod,
        test_keys::{certificate, ec, rsa},
    };

    /// A file with the key, for one test.
    fn key_file(test: &str) -> std::path::PathBuf {
        let name = format!("tower-identity-{test}-{}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, rsa()).unwrap();
        path
    }

    fn oidc() -> Authority {
        Authority::oidc("https://id.example").unwrap()
    }

    fn entra() -> Authority {
        Authority::entra("contoso.com").unwrap()
    }

    #[track_caller]
    fn refused(credential: &ClientCredential, authority: &Authority, hint: &str) {
        let problem = credential.check(authority).unwrap_err().to_string();
        assert!(problem.starts_with("credential: ") && problem.contains(hint), "{problem}");
    }

    // C-367: empty secret
    // C-448: http base URL with secure cookies; `none` alg; scope without openid; missing secret
    #[test]
    fn an_empty_secret_is_not_a_public_client() {
        assert!(ClientCredential::none().check(&oidc()).is_ok());
        assert!(ClientCredential::secret("s").check(&oidc()).is_ok());
        for value in ["", " ", "s\n", "a\tb"] {
            refused(&ClientCredential::secret(value), &oidc(), "the client secret");
            refused(&ClientCredential::assertion(value), &oidc(), "the assertion");
        }
        refused(
            &ClientCredential::none().with_method(ClientAuthMethod::Post),
            &oidc(),
            "with_method",
        );
    }

    #[test]
    fn a_certificate_that_is_over_is_found_at_set_up() {
        let credential = ClientCredential::private_key_pem(rsa()).with_certificate(certificate());
        let CredentialKind::Key(source) = &credential.kind else { panic!() };
        let key = credential.load_key(source).unwrap();
        let validity = key.validity().unwrap();
        let after = |seconds| validity.until + std::time::Duration::from_secs(seconds);
        for (now, authority, holds) in [
            (validity.from, entra(), true),
            (UnixTime::from_seconds(0), entra(), true),
            (after(0), entra(), false),
            (after(9), Authority::adfs("adfs.example.com").unwrap(), false),
            (after(9), oidc(), true),
        ] {
            assert_eq!(
                credential.check_dates(&key, &authority, now).is_ok(),
                holds,
                "{authority:?}"
            );
        }
        let problem = credential
            .clone()
            .with_certificate_chain()
            .check_dates(&key, &oidc(), after(0))
            .unwrap_err();
        assert!(problem.to_string().contains("expired"), "{problem}");
        let file = key_file("dates");
        let in_file = ClientCredential::certificate_file(&file).with_certificate(certificate());
        assert_eq!(in_file.check(&entra()), Ok(()));
        std::fs::remove_file(file).unwrap();
    }

    /// A pipe or a device is no file: reading one could wait for a writer, or never end.
    #[test]
    fn only_a_file_of_a_sensible_size_is_read() {
        let folder =
            std::env::temp_dir().join(format!("tower-identity-credential-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (pipe, large) = (folder.join("pipe"), folder.join("large"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::File::create(&large).unwrap().set_len(1024 * 1024 + 1).unwrap();
        for (path, hint) in [
            (pipe.as_path(), "not a regular file"),
            (std::path::Path::new("/dev/zero"), "not a regular file"),
            (&folder, "not a regular file"),
            (&large, "larger than 1 MiB"),
        ] {
            refused(&ClientCredential::certificate_file(path), &oidc(), hint);
            refused(&ClientCredential::federated_token_file(path), &oidc(), hint);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    // MSAL-116: Neither thumbprint nor certificate; client built
    #[test]
    fn the_provider_has_to_know_the_key() {
        let key = ClientCredential::private_key_pem(rsa());
        refused(&key, &entra(), "with_certificate");
        let (sha1, sha256) =
            ("25:9F:8F:C9:14:A2:95:52:3E:2F:66:55:E2:0E:84:59:DC:C3:EA:78", "ab".repeat(32));
        for known in [
            key.clone().with_certificate(certificate()),
            key.clone().add_thumbprint(sha1),
            key.clone().add_thumbprint(&sha256),
        ] {
            assert_eq!(known.check(&entra()), Ok(()));
        }
        let adfs = Authority::adfs("adfs.example.com").unwrap();
        refused(&key.clone().add_thumbprint(&sha256), &adfs, "SHA-1");
        assert_eq!(key.clone().add_thumbprint(sha1).check(&adfs), Ok(()));
        assert_eq!(key.with_key_id("k1").check(&oidc()), Ok(()));
    }

    #[test]
    fn what_cannot_be_loaded_or_has_no_effect_is_a_mistake() {
        let key = ClientCredential::private_key_pem(rsa()).with_certificate(certificate());
        refused(&ClientCredential::certificate_pem("x"), &oidc(), "no private key");
        refused(
            &ClientCredential::certificate_file("/nowhere"),
            &oidc(),
            "/nowhere cannot be read",
        );
        refused(
            &ClientCredential::federated_token_file("/nowhere"),
            &oidc(),
            "/nowhere cannot be read",
        );
        refused(&key.clone().with_method(ClientAuthMethod::Post), &oidc(), "with_method");
        refused(&key.clone().with_algorithm(Algorithm::Es256), &oidc(), "ES256");
        refused(&key.clone().with_password("x"), &oidc(), "with_password");
        refused(&key.clone().add_thumbprint("abc"), &oidc(), "thumbprint");
        refused(&key.clone().add_assertion_claim("exp", 1), &oidc(), "\"exp\"");
        refused(
            &key.with_algorithm(Algorithm::Ps256),
            &Authority::adfs("adfs.example.com").unwrap(),
            "RS256",
        );
        refused(
            &ClientCredential::private_key_pem(rsa()).with_certificate_chain(),
            &oidc(),
            "with_certificate_chain",
        );
        refused(
            &ClientCredential::private_key_pem(ec()).add_thumbprint(&"ab".repeat(20)),
            &entra(),
            "RSA",
        );
        for credential in [
            ClientCredential::secret("s"),
            ClientCredential::assertion("a.b.c"),
            ClientCredential::none(),
        ] {
            refused(&credential.clone().with_key_id("k"), &oidc(), "no effect");
            refused(
                &credential.with_assertion_audience(AssertionAudience::Issuer),
                &oidc(),
                "no effect",
            );
        }
    }

    #[test]
    fn of_a_list_one_has_to_be_usable() {
        let missing = ClientCredential::certificate_file("/nowhere");
        let list = |members: Vec<ClientCredential>| ClientCredential::first_of(members);
        assert_eq!(
            list(vec![missing.clone(), ClientCredential::secret("s")]).check(&oidc()),
            Ok(())
        );
        let file = key_file("list");
        assert_eq!(
            list(vec![missing.clone(), ClientCredential::private_key_file(&file)]).check(&oidc()),
            Ok(())
        );
        std::fs::remove_file(file).unwrap();
        refused(&list(vec![missing]), &oidc(), "/nowhere");
        refused(&list(vec![]), &oidc(), "first_of");
        refused(&list(vec![ClientCredential::none()]), &oidc(), "first_of");
        refused(
            &list(vec![
                ClientCredential::secret("s"),
                ClientCredential::secret("s").with_key_id("k"),
            ]),
            &oidc(),
            "no effect",
        );
        refused(&list(vec![ClientCredential::secret("s")]).with_key_id("k"), &oidc(), "no effect");
    }

    #[test]
    fn a_credential_prints_no_secret() {
        for credential in [
            ClientCredential::secret("hush-hush"),
            ClientCredential::certificate_pem("hush-hush"),
            ClientCredential::certificate_pfx("hush-hush", "hush-hush"),
            ClientCredential::assertion("hush-hush"),
        ] {
            let text = format!("{credential} {credential:?} {credential:#?}");
            assert!(!text.contains("hush") && !text.contains("aHVzaC"), "{text}");
        }
        // A key that was put where the certificate belongs is not shown either.
        let misplaced = ClientCredential::private_key_pem(rsa()).with_certificate(rsa());
        let body = rsa().lines().nth(1).unwrap();
        let shown = format!("{misplaced} {misplaced:?} {misplaced:#?}");
        assert!(!shown.contains("PRIVATE KEY") && !shown.contains(body), "{shown}");
    }
}
