//! The TLS certificate of a provider, issued at its start by a new certificate authority that only
//! the test's clients trust.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64_simd::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};
use url::{Host, Url};

use super::tenant::{EntraTenants, TenantKind};
use crate::clock::{Clock as _, SystemClock, UnixTime};

/// The lifetime. Clients with the rules of the web refuse more than 398 days.
const LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The TLS configuration of the listener, and the root certificate for its clients.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    /// The root certificate, in PEM.
    pub(super) root: String,
}

/// The host names in the certificate: loopback, the base URL's host, and the hosts in External ID's
/// issuers.
pub(super) fn names(
    address: IpAddr,
    base_url: Option<&Url>,
    entra: Option<&EntraTenants>,
) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    // The listener may have another address of 127.0.0.0/8.
    names.push(address.to_string());
    let base = base_url.and_then(Url::host).map(|host| match host {
        Host::Domain(name) => (name.to_owned(), true),
        Host::Ipv4(address) => (address.to_string(), false),
        Host::Ipv6(address) => (address.to_string(), false),
    });
    let parent =
        base.as_ref().filter(|(_, is_domain)| *is_domain).map_or("localhost", |(name, _)| name);
    let tenants = entra
        .iter()
        .flat_map(|entra| &entra.tenants)
        .filter(|tenant| tenant.kind == TenantKind::ExternalId);
    names.extend(tenants.map(|tenant| format!("{}.{parent}", tenant.id)));
    names.extend(base.map(|(name, _)| name));
    names.sort_unstable();
    names.dedup();
    names
}

/// Generates a certificate authority and a certificate for these names.
pub(super) fn make(names: &[String]) -> Result<Tls, Box<dyn std::error::Error + Send + Sync>> {
    let now = SystemClock.now();
    let root_key = KeyPair::generate()?;
    let mut root = parameters("Development provider", now)?;
    // It signs the certificate of the server, and no further authority (RFC 5280 section 4.2.1.9).
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = root.self_signed(&root_key)?;
    let issuer = Issuer::new(root, root_key);

    let key = KeyPair::generate()?;
    let mut own = parameters("localhost", now)?;
    // RFC 5280 section 4.2.1.1; Python 3.13 refuses a certificate without it.
    own.use_authority_key_identifier_extension = true;
    own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    own.subject_alt_names = names
        .iter()
        // An address is compared with addresses alone, never with names (RFC 9110 section 4.3.5).
        .map(|name| match name.parse() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => name.as_str().try_into().map(SanType::DnsName),
        })
        .collect::<Result<_, _>>()?;
    let own = own.signed_by(&key, &issuer)?;

    let chain = vec![own.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), root: pem(certificate.der()) })
}

fn parameters(name: &str, now: UnixTime) -> Result<CertificateParams, rcgen::Error> {
    let at = |time: UnixTime| time::OffsetDateTime::from_unix_timestamp(time.as_seconds());
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = at(now - DAY).map_err(|_| rcgen::Error::Time)?;
    parameters.not_after = at(now + LIFE).map_err(|_| rcgen::Error::Time)?;
    Ok(parameters)
}

/// The PEM form of a certificate (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode_to_string(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
