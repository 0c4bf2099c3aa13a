//! [`ServiceFabric`]: the managed identity endpoint of a Service Fabric cluster.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use bytes::Bytes;
use http::Request;
use url::Url;

use super::{
    managed_identity::ManagedIdentityId,
    managed_identity_endpoint::{
        ManagedIdentityEndpoint, ManagedIdentitySource, NAMES, http_url, sensitive, with_query,
    },
};
use crate::{
    error::{ConfigError, shown},
    secret::Secret,
};

/// The endpoint of a Service Fabric cluster: `IDENTITY_ENDPOINT` with `IDENTITY_HEADER` and
/// `IDENTITY_SERVER_THUMBPRINT`.
///
/// The application's manifest decides which identity it is. A user-assigned one cannot be selected
/// here, and is refused before anything is sent.
///
/// # Security
///
/// No authority vouches for the endpoint's certificate. The default HTTP client takes the one with
/// the thumbprint and no other, and sends the header only then. An HTTP client of your own has to
/// verify it the same way.
#[derive(Clone, Debug)]
pub struct ServiceFabric {
    endpoint: Url,
    header: Secret,
    thumbprint: [u8; 20],
}

/// The version of the endpoint's API.
const VERSION: &str = "2019-07-01-preview";

impl ServiceFabric {
    /// An endpoint from its URL, with the header value that proves that the request comes from the
    /// application, and the SHA-1 thumbprint of the endpoint's certificate.
    ///
    /// # Errors
    ///
    /// The endpoint is not an `https` URL, or the thumbprint has not 40 hexadecimal digits.
    pub fn new(
        endpoint: &str,
        header: impl Into<Secret>,
        thumbprint: &str,
    ) -> Result<Self, ConfigError> {
        let endpoint = http_url("IDENTITY_ENDPOINT", endpoint)?;
        if endpoint.scheme() != "https" {
            return Err(ConfigError::new(
                "IDENTITY_ENDPOINT",
                format!("{:?} has to begin with https:// on Service Fabric", endpoint.as_str()),
            ));
        }
        let thumbprint = sha1_of(thumbprint).ok_or_else(|| {
            ConfigError::new(
                "IDENTITY_SERVER_THUMBPRINT",
                format!(
                    "{:?} is not the SHA-1 thumbprint of a certificate: expected 40 hexadecimal \
                     digits",
                    shown(thumbprint)
                ),
            )
        })?;
        Ok(Self { endpoint, header: header.into(), thumbprint })
    }

    /// The request, with the hash of a token that an API has refused: the endpoint has a cache of
    /// its own, and would return that token again.
    fn request_with(
        &self,
        resource: &str,
        refused: Option<&Secret>,
    ) -> Result<Request<Bytes>, http::Error> {
        let identity = &ManagedIdentityId::SystemAssigned;
        let mut url = with_query(self.endpoint.as_str(), VERSION, resource, identity, NAMES);
        if let Some(token) = refused {
            let hash = digest(&SHA256, token.expose().as_bytes());
            url = format!("{url}&token_sha256_to_refresh={}", hexadecimal(&hash));
        }
        Request::get(url).header("Secret", sensitive(&self.header)?).body(Bytes::new())
    }
}

impl ManagedIdentityEndpoint for ServiceFabric {
    fn request(
        &self,
        resource: &str,
        _: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        self.request_with(resource, None)
    }

    fn request_in_place_of(
        &self,
        resource: &str,
        _: &ManagedIdentityId,
        refused: &Secret,
    ) -> Result<Request<Bytes>, http::Error> {
        self.request_with(resource, Some(refused))
    }

    fn takes(&self, identity: &ManagedIdentityId) -> bool {
        *identity == ManagedIdentityId::SystemAssigned
    }

    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::ServiceFabric
    }

    fn certificate_thumbprint(&self) -> Option<[u8; 20]> {
        Some(self.thumbprint)
    }
}

/// The bytes of a thumbprint. Windows shows it with spaces, OpenSSL with colons.
fn sha1_of(text: &str) -> Option<[u8; 20]> {
    let mut digits = text.chars().filter(|letter| !matches!(letter, ' ' | ':'));
    let mut bytes = [0; 20];
    for byte in &mut bytes {
        let (high, low) = (digits.next()?.to_digit(16)?, digits.next()?.to_digit(16)?);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

fn hexadecimal(hash: &Digest) -> String {
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "service_fabric_tests.rs"]
mod tests;
