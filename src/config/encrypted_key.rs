//! Encrypted private keys in PEM: `EncryptedPrivateKeyInfo` of PKCS #8 (RFC 5958 section 3) with
//! PBES2 (RFC 8018 section 6.2), as `openssl pkcs8 -topk8` and `openssl genpkey -aes256` write it.

use super::signing_key::Problem;
use crate::secret::Secret;

/// The first line of an encrypted key.
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// In the older format of OpenSSL, the header of an encrypted key.
const OLD_FORMAT: &str = "Proc-Type: 4,ENCRYPTED";

/// Whether the private key in a PEM text is encrypted.
///
/// # Errors
///
/// It is in the older format of OpenSSL, whose key derivation (MD5, one round) protects nothing.
pub(super) fn is_encrypted(pem: &str) -> Result<bool, Problem> {
    if pem.contains(OLD_FORMAT) {
        return Err(format!(
            "the private key is encrypted in the older format of OpenSSL ({OLD_FORMAT}): convert \
             it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
        ));
    }
    Ok(pem.contains(BEGIN))
}

#[cfg(not(feature = "pfx"))]
pub(super) fn decrypted(_: &str, _: &Secret) -> Result<zeroize::Zeroizing<Vec<u8>>, Problem> {
    Err("encrypted keys need the feature `pfx` of this crate: enable it, or decrypt the key with \
         `openssl pkey`"
        .into())
}

#[cfg(feature = "pfx")]
pub(super) use decryption::decrypted;

#[cfg(feature = "pfx")]
mod decryption {
    use pkcs5::EncryptionScheme;
    use x509_cert::der::{self, AnyRef, Decode as _, Reader as _, SliceReader, asn1};
    use zeroize::Zeroizing;

    use super::{BEGIN, Problem, Secret};

    /// Decrypts the private key of a PEM text: its PKCS #8 structure in DER.
    ///
    /// # Errors
    ///
    /// The password is wrong, the encryption is not one of PBES2 with SHA-2, or the key is damaged.
    pub(in super::super) fn decrypted(
        pem: &str,
        password: &Secret,
    ) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let damaged = "the encrypted private key is damaged: expected PKCS #8 in PEM";
        let base64 = pem.split_once(BEGIN).and_then(|(_, rest)| rest.split_once("-----END"));
        let base64: String =
            base64.map(|(key, _)| key.split_whitespace().collect()).unwrap_or_default();
        let bytes = base64_simd::STANDARD.decode_to_vec(base64).map_err(|_| damaged)?;
        let (scheme, encrypted) = parts(&bytes).map_err(|_| damaged)?;
        let key = scheme.decrypt(password.expose(), encrypted.as_bytes()).map(Zeroizing::new);
        // A wrong password can leave a padding that is correct by chance, but no DER structure.
        let key = key.and_then(|key| {
            let is_der = AnyRef::from_der(&key).is_ok();
            is_der.then_some(key).ok_or(pkcs5::Error::DecryptFailed)
        });
        key.map_err(|error| match error {
            pkcs5::Error::DecryptFailed => "the private key cannot be decrypted: its password is \
                                            wrong, or the key is damaged"
                .to_owned(),
            error => format!(
                "the private key is encrypted by an algorithm that is not supported ({error}): \
                 convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256`"
            ),
        })
    }

    fn parts(bytes: &[u8]) -> der::Result<(EncryptionScheme, &asn1::OctetStringRef)> {
        let mut reader = SliceReader::new(bytes)?;
        reader.sequence(|reader| Ok((EncryptionScheme::decode(reader)?, reader.decode()?)))
    }
}

#[cfg(test)]
#[cfg(feature = "pfx")]
mod tests {
    use super::*;
    use crate::config::{ClientCredential, test_keys};

    /// The RSA key of the tests, encrypted with `hush`.
    fn encrypted() -> String {
        use pkcs5::pbes2;
        use x509_cert::der::{Encode as _, asn1::OctetString};
        let pem = test_keys::rsa();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let plain = base64_simd::STANDARD.decode_to_vec(base64).unwrap();
        let params =
            pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"salt-of-8", [7; 16])
                .unwrap();
        let sealed = OctetString::new(params.encrypt("hush", &plain).unwrap()).unwrap();
        let scheme = pkcs5::EncryptionScheme::from(params);
        let mut body = scheme.to_der().unwrap();
        body.extend(sealed.to_der().unwrap());
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let der = [&[0x30, 0x82, length[0], length[1]][..], &body].concat();
        let text = base64_simd::STANDARD.encode_to_string(der);
        format!("{BEGIN}\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n")
    }

    fn problem(credential: &ClientCredential) -> String {
        let crate::config::CredentialKind::Key(source) = credential.kind() else {
            panic!("a key was expected")
        };
        credential.load_key(source).err().unwrap()
    }

    #[test]
    fn an_encrypted_key_opens_with_its_password() {
        let pem = format!("{}{}", test_keys::certificate(), encrypted());
        let credential = ClientCredential::certificate_pem(pem).with_password("hush");
        let crate::config::CredentialKind::Key(source) = credential.kind() else { panic!() };
        let key = credential.load_key(source).unwrap();
        assert!(key.is_rsa() && key.chain().len() == 1);
    }

    #[test]
    fn the_error_of_a_wrong_password_shows_neither_key_nor_password() {
        let told =
            problem(&ClientCredential::private_key_pem(encrypted()).with_password("hush-hush"));
        assert!(told.contains("its password is wrong"), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }

    #[test]
    fn an_encrypted_key_without_a_password_names_the_settings_that_take_one() {
        let told = problem(&ClientCredential::private_key_pem(encrypted()));
        assert!(told.contains("`with_password`"), "{told}");
        assert!(told.contains("IDENTITY_CLIENT_CERTIFICATE_PASSWORD"), "{told}");
    }

    #[test]
    fn what_is_not_pkcs_8_with_pbes2_says_how_to_convert_it() {
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        let told = problem(&ClientCredential::private_key_pem(old).with_password("hush"));
        assert!(told.contains("openssl pkcs8 -topk8"), "{told}");
        let cut: String = encrypted().lines().take(1).collect();
        let told = problem(&ClientCredential::private_key_pem(cut).with_password("hush"));
        assert!(told.contains("damaged"), "{told}");
    }
}
