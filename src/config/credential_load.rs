//! Loading of keys, certificates and assertions, by `build` and again while the process runs.

use std::{fs, io::Read as _, path::Path};

use aws_lc_rs::digest::{self, SHA256};
use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::{
    ClientCredential,
    credential::KeySource,
    credential_check::is_plain,
    encrypted_key::{decrypted, is_encrypted},
    signing_key::SigningKey,
};
use crate::{secret::Secret, strings::without_byte_order_mark};

/// The maximum size of a file, in bytes: larger than any certificate chain.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The SHA-256 hash of a file, by which a changed content is recognised.
pub(crate) type FileHash = [u8; 32];

impl ClientCredential {
    /// Loads the key from its source.
    pub(crate) fn load_key(&self, source: &KeySource) -> Result<SigningKey, String> {
        match source {
            KeySource::Pem(text) => self.of_pem(text.expose()),
            KeySource::Pfx(base64) => {
                let bytes =
                    base64_simd::STANDARD.decode_to_vec(base64.expose()).map(Zeroizing::new);
                self.of_pfx(&bytes.map_err(|_| "the PFX file is not base64".to_owned())?)
            }
            KeySource::File(path) => self.in_file(path, &read(path)?),
        }
    }

    /// Loads the key unless its file has the fingerprint `known`; `None` if it has. Parsing a key
    /// takes longer than signing with it.
    pub(crate) fn load_key_unless(
        &self,
        source: &KeySource,
        known: Option<&FileHash>,
    ) -> Result<Option<(SigningKey, FileHash)>, String> {
        let KeySource::File(path) = source else {
            // A key in the configuration does not change.
            return match known {
                Some(_) => Ok(None),
                None => self.load_key(source).map(|key| Some((key, [0; 32]))),
            };
        };
        let bytes = read(path)?;
        let fingerprint = fingerprint(&bytes);
        match known {
            Some(known) if *known == fingerprint => Ok(None),
            _ => self.in_file(path, &bytes).map(|key| Some((key, fingerprint))),
        }
    }

    fn in_file(&self, path: &Path, bytes: &[u8]) -> Result<SigningKey, String> {
        let key = match std::str::from_utf8(bytes) {
            Ok(text) if text.contains("-----BEGIN") => self.of_pem(without_byte_order_mark(text)),
            _ => self.of_pfx(bytes),
        };
        key.map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn of_pem(&self, text: &str) -> Result<SigningKey, String> {
        let certificates = self.options.certificates.as_deref();
        match (&self.password, is_encrypted(text)?) {
            (None, false) => SigningKey::from_pem(text, certificates),
            (Some(password), true) => {
                let key = decrypted(text, password)?;
                let key = Zeroizing::new(PrivateKeyDer::Pkcs8(key.to_vec().into()));
                SigningKey::with_certificates(&key, text, certificates)
            }
            (Some(_), false) => Err("a password is configured for a PEM key that is not \
                                     encrypted: remove `with_password`, or the variable or member \
                                     that sets it"
                .to_owned()),
            (None, true) => Err("the private key is encrypted and no password is configured: set \
                                 `with_password` or IDENTITY_CLIENT_CERTIFICATE_PASSWORD"
                .to_owned()),
        }
    }

    fn of_pfx(&self, bytes: &[u8]) -> Result<SigningKey, String> {
        let none = Secret::default();
        SigningKey::from_pfx(bytes, self.password.as_ref().unwrap_or(&none))
    }
}

/// Loads a client assertion from a file.
pub(crate) fn load_assertion(path: &Path) -> Result<Secret, String> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let assertion = Secret::from(without_byte_order_mark(text).trim());
    if assertion.is_empty() || !is_plain(&assertion) {
        return Err(format!("{} holds no assertion", path.display()));
    }
    Ok(assertion)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // Checked before it is opened: opening a pipe blocks until another process writes to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len().min(LARGEST_FILE);
    // Read into one allocation: a growing buffer would leave copies of the secret in memory.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    let read = file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(read).is_ok_and(|read| read > LARGEST_FILE) {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    Ok(bytes)
}

fn fingerprint(bytes: &[u8]) -> FileHash {
    let mut fingerprint = [0; 32];
    fingerprint
        .iter_mut()
        .zip(digest::digest(&SHA256, bytes).as_ref())
        .for_each(|(to, from)| *to = *from);
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_an_assertion() {
        let path = std::env::temp_dir().join(format!("tower-identity-mark-{}", std::process::id()));
        fs::write(&path, "\u{feff}h.p.s\r\n").unwrap();
        let loaded = load_assertion(&path);
        fs::remove_file(path).unwrap();
        assert_eq!(loaded.unwrap().expose(), "h.p.s");
    }
}
