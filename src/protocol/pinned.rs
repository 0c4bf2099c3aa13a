//! TLS for the one certificate that has a known thumbprint, for an endpoint for which no authority
//! vouches (Service Fabric's managed identity).

use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Takes the certificate with this thumbprint and no other. Who issued it, for which host and until
/// when does not count; that the server has its private key is verified as always.
#[derive(Debug)]
struct Pinned {
    /// By SHA-1, which is what the platform hands out. It names a certificate that exists: another
    /// one with the same hash would need a second preimage.
    thumbprint: [u8; 20],
    crypto: Arc<CryptoProvider>,
}

/// The settings of TLS that take the certificate with this thumbprint alone.
pub(super) fn tls(thumbprint: [u8; 20]) -> Result<ClientConfig, Error> {
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let pinned = Arc::new(Pinned { thumbprint, crypto: Arc::clone(&crypto) });
    let versions =
        ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions();
    Ok(versions?.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth())
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate);
        if hash.as_ref() == self.thumbprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
