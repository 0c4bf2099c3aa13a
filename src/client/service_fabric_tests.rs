//! The managed identity endpoint of Service Fabric, with its own certificate.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    client::{ManagedIdentity, TokenRequest},
    error::ErrorKind,
    protocol::test_support::{FakeHttp, answer},
};

const THUMBPRINT: &str = "01:23:45:67:89:AB:CD:EF 0123456789abcdef01234567";

#[tokio::test]
async fn the_header_proves_the_application_and_a_refused_token_is_named_by_its_hash() {
    let http = FakeHttp::new(|_| {
        // The documentation has a number, Azure's SDKs saw a text.
        let body = json!({
            "token_type": "Bearer", "access_token": "t", "expires_on": "99999999999",
            "resource": "https://vault.azure.net",
        });
        Ok(answer(200, body))
    });
    let identity = |id| {
        let endpoint = ServiceFabric::new("https://10.0.0.4:2377/t", "s3cr3t", THUMBPRINT);
        ManagedIdentity::builder(id)
            .with_endpoint(endpoint.unwrap())
            .with_http_client(Arc::clone(&http))
            .build()
            .unwrap()
    };
    // The cluster decides: the identifier would be ignored.
    let chosen = identity(ManagedIdentityId::ClientId("c".into()));
    let error = chosen.token("https://vault.azure.net").await.unwrap_err();
    assert_eq!((error.kind(), http.count("/t")), (ErrorKind::RequestInvalid, 0));

    let own = identity(ManagedIdentityId::SystemAssigned);
    let request = TokenRequest::new(["https://vault.azure.net/.default"]).unwrap();
    own.acquire(&request).await.unwrap();
    let sent = http.last();
    let url = "https://10.0.0.4:2377/t?api-version=2019-07-01-preview\
               &resource=https%3A%2F%2Fvault.azure.net";
    assert_eq!(sent.uri().to_string(), url);
    assert_eq!(sent.headers()["secret"], "s3cr3t");
    assert!(!format!("{sent:?}").contains("s3cr3t"));
    // `printf t | sha256sum`
    let hash = "e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8";
    for again in [request.clone().with_challenge("{}"), request.clone().forced()] {
        own.acquire(&again).await.unwrap();
        let sent = http.last().uri().to_string();
        assert_eq!(sent, format!("{url}&token_sha256_to_refresh={hash}"));
    }
}

#[test]
fn an_endpoint_without_tls_and_a_thumbprint_that_is_none_are_refused() {
    let of = |url: &str, thumbprint: &str| ServiceFabric::new(url, "h", thumbprint);
    let plain = of("http://10.0.0.4:2377/t", THUMBPRINT).unwrap_err().to_string();
    assert!(plain.contains("IDENTITY_ENDPOINT") && plain.contains("https://"), "{plain}");
    for thumbprint in ["", "xyz", &THUMBPRINT[2..], &format!("{THUMBPRINT}00"), "+1234"] {
        let error = of("https://10.0.0.4:2377/t", thumbprint).unwrap_err().to_string();
        assert!(error.contains("IDENTITY_SERVER_THUMBPRINT"), "{error}");
    }
    assert!(of("https://10.0.0.4:2377/t", THUMBPRINT).is_ok());
}

#[cfg(feature = "dev-provider")]
mod over_tls {
    use std::net::SocketAddr;

    use ::aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    use rcgen::generate_simple_self_signed;
    use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// An endpoint with a certificate of its own, the thumbprint of that, and the requests that
    /// reach it.
    async fn endpoint() -> (SocketAddr, String, mpsc::UnboundedReceiver<String>) {
        let own = generate_simple_self_signed(["sf.example".to_owned()]).unwrap();
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, own.cert.der());
        let private = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(connection).await else { continue };
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let _ = sender.send(String::from_utf8_lossy(&request[..read]).into_owned());
                let body = r#"{"access_token":"t","expires_on":99999999999,"token_type":"Bearer"}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (address, hexadecimal(&hash), requests)
    }

    async fn token(address: SocketAddr, thumbprint: &str) -> Result<String, crate::Error> {
        let url = format!("https://{address}/metadata/identity/oauth2/token");
        let endpoint = ServiceFabric::new(&url, "s3cr3t", thumbprint).unwrap();
        let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned);
        let identity = identity.with_endpoint(endpoint).build().unwrap();
        Ok(identity.token("https://vault.azure.net").await?.expose().to_owned())
    }

    #[tokio::test]
    async fn only_the_certificate_with_the_thumbprint_gets_the_header() {
        let (address, thumbprint, mut requests) = endpoint().await;
        assert_eq!(token(address, &thumbprint).await.unwrap(), "t");
        let request = requests.recv().await.unwrap();
        assert!(request.to_ascii_lowercase().contains("secret: s3cr3t"), "{request}");

        let (other, _, mut requests) = endpoint().await;
        let error = token(other, &thumbprint).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ProviderUnreachable);
        assert!(error.to_string().contains("IDENTITY_SERVER_THUMBPRINT"), "{error}");
        assert!(requests.try_recv().is_err(), "nothing was sent");
    }
}
