//! Keys and certificates for unit tests, made once per test program: the package holds none.

use std::sync::LazyLock;

use aws_lc_rs::{
    digest,
    encoding::{AsDer as _, EcPrivateKeyRfc5915Der},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

/// The head of an RSA key of 2048 bits in PKCS #8; what follows is the key in PKCS #1.
const PKCS8_HEAD: usize = 26;

static RSA: LazyLock<(String, String, Vec<u8>)> = LazyLock::new(|| {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let der = key.serialize_der();
    (pem("PRIVATE KEY", &der), self_signed(&key), der)
});
static EC: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let der = key.serialize_der();
    (pem("PRIVATE KEY", &der), der)
});
static OTHER: LazyLock<String> =
    LazyLock::new(|| self_signed(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()));

/// Valid from 2020-01-01 to 2126-01-01.
fn self_signed(key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2126, 1, 1);
    pem("CERTIFICATE", params.self_signed(key).unwrap().der())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// An RSA key of 2048 bits, PKCS #8.
pub(crate) fn rsa() -> &'static str {
    &RSA.0
}

/// The certificate of [`rsa`].
pub(crate) fn certificate() -> &'static str {
    &RSA.1
}

/// The same key in PKCS #1.
pub(crate) fn rsa_pkcs1() -> String {
    pem("RSA PRIVATE KEY", &RSA.2[PKCS8_HEAD..])
}

/// A certificate of another key.
pub(crate) fn other_certificate() -> &'static str {
    &OTHER
}

/// A key on P-256, PKCS #8.
pub(crate) fn ec() -> &'static str {
    &EC.0
}

/// The same key in SEC 1.
pub(crate) fn ec_sec1() -> String {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &EC.1).unwrap();
    let der: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
    pem("EC PRIVATE KEY", der.as_ref())
}

/// The digest of the [`certificate`], as bytes: its thumbprint.
pub(crate) fn thumbprint(algorithm: &'static digest::Algorithm) -> Vec<u8> {
    let der: String = certificate().lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64_simd::STANDARD.decode_to_vec(der).unwrap();
    digest::digest(algorithm, &der).as_ref().to_vec()
}
