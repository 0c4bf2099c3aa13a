//! Providers that cannot prove themselves: what the error says, and which setting trusts them.

#![cfg(feature = "dev-provider")]

use std::{net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};

use super::*;
use crate::{
    authority::Authority,
    clock::SystemClock,
    config::{ClientCredential, IdentityConfig},
    error::{Error, ErrorKind},
    protocol::provider::Provider,
};

/// A private certificate authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut root = CertificateParams::new([]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap()
}

/// The certificate of the authority, as a file has it.
fn pem(root: &CertifiedIssuer<'static, KeyPair>) -> String {
    let der = base64_simd::STANDARD.encode_to_string(root.as_ref().der());
    format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
}

/// An HTTPS server whose certificate is for `name` and has been changed.
async fn server(
    root: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut own = CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut own);
    let certificate = own.signed_by(&key, root).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(connection).await else { return };
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                let _ =
                    stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// The error of an application that asks the provider at this URL for its document.
async fn error_at(url: &str, http: ReqwestClient) -> Error {
    let config = IdentityConfig::new(Authority::oidc(url).unwrap(), "client")
        .with_credential(ClientCredential::secret("a client secret of thirty-two characters"))
        .with_base_url("https://app.example")
        .unwrap()
        .build()
        .unwrap();
    Provider::new(config, Arc::new(http), Arc::new(SystemClock)).metadata().await.unwrap_err()
}

fn trusting(root: &CertifiedIssuer<'static, KeyPair>) -> ReqwestClient {
    ReqwestClient::with_root_certificates(&pem(root)).unwrap()
}

#[tokio::test]
async fn a_private_certificate_authority_is_told_with_the_ways_to_trust_it() {
    let root = authority();
    let url = format!("https://{}", server(&root, "127.0.0.1", |_| ()).await);
    let error = error_at(&url, ReqwestClient::new()).await;
    assert_eq!(error.kind(), ErrorKind::ProviderUnreachable);
    let text = error.to_string();
    for words in ["certificate", "SSL_CERT_FILE", "ReqwestClient::with_root_certificates"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("HTTPS_PROXY"), "{text}");
    let trusted = error_at(&url, trusting(&root)).await;
    assert_eq!(trusted.kind(), ErrorKind::ProviderMisconfigured, "404: {trusted}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_is_for_another_host_is_told_as_that() {
    let root = authority();
    let past = |own: &mut CertificateParams| {
        own.not_before = rcgen::date_time_ymd(2020, 1, 1);
        own.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let future = |own: &mut CertificateParams| {
        own.not_before = rcgen::date_time_ymd(3000, 1, 1);
        own.not_after = rcgen::date_time_ymd(3001, 1, 1);
    };
    let url = |address: SocketAddr| format!("https://{address}");
    for (url, words) in [
        (url(server(&root, "127.0.0.1", past).await), &["has expired", "renew"][..]),
        (url(server(&root, "127.0.0.1", future).await), &["not valid yet", "clock"]),
        (url(server(&root, "id.example", |_| ()).await), &["another host", "id.example"]),
    ] {
        let text = error_at(&url, trusting(&root)).await.to_string();
        for words in words {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("HTTPS_PROXY") && !text.contains("SSL_CERT_FILE"), "{text}");
    }
}

#[tokio::test]
async fn a_port_without_tls_is_told_as_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let _ = connection.read(&mut request).await;
            let _ = connection
                .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    let text = error_at(&url, ReqwestClient::new()).await.to_string();
    assert!(text.contains("does not speak TLS") && text.contains("port"), "{text}");
    assert!(!text.contains("SSL_CERT_FILE"), "{text}");
}

#[tokio::test]
async fn a_port_with_tls_is_told_to_a_request_without() {
    let root = authority();
    let url = format!("http://{}", server(&root, "127.0.0.1", |_| ()).await);
    let text = error_at(&url, trusting(&root)).await.to_string();
    assert!(text.contains("does not speak plain HTTP") && text.contains("`https`"), "{text}");
}

#[tokio::test]
async fn a_connection_that_is_refused_is_told_with_network_and_proxy() {
    // A free port may be that of a development provider which another test has stopped, and the
    // error would say so. No provider gets port 1.
    let text = error_at("https://127.0.0.1:1", ReqwestClient::new()).await.to_string();
    assert!(text.contains("HTTPS_PROXY") && !text.contains("SSL_CERT_FILE"), "{text}");
}

/// The store of the operating system is another file there: `SSL_CERT_FILE` names it for one
/// process. A process cannot set its own environment safely, so another one makes the request.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_file_of_ssl_cert_file_is_trusted() {
    let root = authority();
    let url = format!("https://{}", server(&root, "127.0.0.1", |_| ()).await);
    let file = std::env::temp_dir().join(format!("tower-identity-ca-{}.pem", std::process::id()));
    std::fs::write(&file, pem(&root)).unwrap();
    let text = in_another_process(&file, &url).await;
    std::fs::remove_file(&file).unwrap();
    assert!(text.contains("the status is 404"), "{text}");
    let text = in_another_process(&file, &url).await;
    assert!(text.contains("ca-certificates") && text.contains("SSL_CERT_FILE"), "{text}");
}

/// What a process with this file as the store of certificates prints.
#[cfg(target_os = "linux")]
async fn in_another_process(file: &std::path::Path, url: &str) -> String {
    let asked = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "protocol::http::tls_tests::asks_with_the_own_environment",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", file)
        .env("TOWER_IDENTITY_TEST_URL", url)
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&asked.stdout).into_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[allow(clippy::print_stdout, reason = "it is another process that reads it")]
async fn asks_with_the_own_environment() {
    let Ok(url) = std::env::var("TOWER_IDENTITY_TEST_URL") else { return };
    println!("{}", error_at(&url, ReqwestClient::new()).await);
}
