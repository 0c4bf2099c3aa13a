//! [`ManagedIdentityEndpoint`]: the local endpoints that issue the tokens of managed identities, and
//! which of them the environment describes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use url::Url;

use super::{arc::AzureArc, managed_identity::ManagedIdentityId};
use crate::{error::ConfigError, secret::Secret};

/// The local HTTP endpoint that issues the tokens of managed identities.
///
/// Implement it for an endpoint that this crate does not know. Its answer has to be JSON with
/// `access_token`, and `expires_in` or `expires_on`.
pub trait ManagedIdentityEndpoint: fmt::Debug + Send + Sync + 'static {
    /// The HTTP request for a token of that identity for that resource.
    ///
    /// # Errors
    ///
    /// The parts do not form a valid HTTP request.
    fn request(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error>;

    /// Whether the endpoint supports this identity. The default is `true`.
    fn takes(&self, _identity: &ManagedIdentityId) -> bool {
        true
    }

    /// The request to send after a challenge, with the proof that the challenge demands; `None` if
    /// this answer is final. The default is `None`.
    ///
    /// # Errors
    ///
    /// The proof cannot be given: the reason, without secrets.
    fn proven(
        &self,
        _request: Request<Bytes>,
        _answer: &Response<Bytes>,
    ) -> Result<Option<Request<Bytes>>, &'static str> {
        Ok(None)
    }
}

/// The endpoint of App Service, Functions and Container Apps: `IDENTITY_ENDPOINT` with
/// `IDENTITY_HEADER`.
#[derive(Clone, Debug)]
pub struct AppService {
    endpoint: Url,
    header: Secret,
}

impl AppService {
    /// An endpoint from its URL, with the header value that proves that the request comes from the
    /// application and not from another host.
    ///
    /// # Errors
    ///
    /// The endpoint is not an `http` or `https` URL.
    pub fn new(endpoint: &str, header: impl Into<Secret>) -> Result<Self, ConfigError> {
        Ok(Self { endpoint: http_url("IDENTITY_ENDPOINT", endpoint)?, header: header.into() })
    }
}

impl ManagedIdentityEndpoint for AppService {
    fn request(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        let url = with_query(&self.endpoint, "2019-08-01", resource, identity, "mi_res_id");
        let mut header = http::HeaderValue::from_str(self.header.expose())?;
        // Keeps the value out of `Debug` output, for example in an HTTP client's logs.
        header.set_sensitive(true);
        Request::get(url.as_str())
            .header("X-IDENTITY-HEADER", header)
            .header("Metadata", "true")
            .body(Bytes::new())
    }
}

/// The instance metadata service (IMDS) of virtual machines, on a link-local address.
#[derive(Clone, Debug)]
pub struct VirtualMachine {
    endpoint: Url,
}

impl VirtualMachine {
    /// The usual address, `http://169.254.169.254`.
    ///
    /// # Errors
    ///
    /// None in practice; the signature is that of [`at`](Self::at).
    pub fn new() -> Result<Self, ConfigError> {
        Self::at("http://169.254.169.254")
    }

    /// The same service on another host (`AZURE_POD_IDENTITY_AUTHORITY_HOST`).
    ///
    /// # Errors
    ///
    /// The text is not an `http` or `https` URL.
    pub fn at(host: &str) -> Result<Self, ConfigError> {
        let mut endpoint = http_url("AZURE_POD_IDENTITY_AUTHORITY_HOST", host)?;
        endpoint.set_path("/metadata/identity/oauth2/token");
        Ok(Self { endpoint })
    }
}

impl ManagedIdentityEndpoint for VirtualMachine {
    fn request(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        let url = with_query(&self.endpoint, "2018-02-01", resource, identity, "msi_res_id");
        Request::get(url.as_str()).header("Metadata", "true").body(Bytes::new())
    }
}

/// Parses the URL of an endpoint. `setting` is the variable that the error names.
pub(super) fn http_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| ConfigError::new(setting, format!("{text:?} is not an http URL")))
}

/// The URL of a token request. `resource_id` is the parameter for a resource ID, whose name differs
/// between the endpoints (`mi_res_id`, `msi_res_id`).
pub(super) fn with_query(
    endpoint: &Url,
    version: &str,
    resource: &str,
    identity: &ManagedIdentityId,
    resource_id: &str,
) -> Url {
    let mut url = endpoint.clone();
    let mut query = url.query_pairs_mut();
    query.append_pair("api-version", version).append_pair("resource", resource);
    match identity {
        ManagedIdentityId::SystemAssigned => &mut query,
        ManagedIdentityId::ClientId(id) => query.append_pair("client_id", id),
        ManagedIdentityId::ObjectId(id) => query.append_pair("object_id", id),
        ManagedIdentityId::ResourceId(id) => query.append_pair(resource_id, id),
    };
    drop(query);
    url
}

/// The endpoint that the environment describes.
pub(super) fn endpoint_from_env() -> Result<Arc<dyn ManagedIdentityEndpoint>, ConfigError> {
    endpoint(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn endpoint(
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn ManagedIdentityEndpoint>, ConfigError> {
    match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
        // Service Fabric sets the variables of App Service and this one. Its self-signed
        // certificate would have to be pinned by the thumbprint.
        (Some(_), Some(_)) if variable("IDENTITY_SERVER_THUMBPRINT").is_some() => {
            Err(ConfigError::new(
                "IDENTITY_SERVER_THUMBPRINT",
                "Service Fabric's managed identity has a certificate that only its thumbprint \
                 vouches for, which is not supported: use a certificate there",
            ))
        }
        (Some(endpoint), Some(header)) => Ok(Arc::new(AppService::new(&endpoint, header)?)),
        (Some(endpoint), None) if variable("IMDS_ENDPOINT").is_some() => {
            Ok(Arc::new(AzureArc::new(&endpoint)?))
        }
        _ => Ok(Arc::new(match variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") {
            Some(host) => VirtualMachine::at(&host)?,
            None => VirtualMachine::new()?,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<String, String> {
        let get = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let endpoint = endpoint(&get).map_err(|error| error.to_string())?;
        let request = endpoint
            .request("https://vault.azure.net", &ManagedIdentityId::ResourceId("/a b".into()))
            .unwrap();
        let header = request
            .headers()
            .get("x-identity-header")
            .map(|value| format!(" {}", value.to_str().unwrap()));
        assert_eq!(request.headers()["metadata"], "true");
        Ok(format!("{}{}", request.uri(), header.unwrap_or_default()))
    }

    #[test]
    fn the_environment_says_where_it_runs() {
        let app_service =
            [("IDENTITY_ENDPOINT", "http://127.0.0.1:8081/msi/token"), ("IDENTITY_HEADER", "h")];
        let vault = "resource=https%3A%2F%2Fvault.azure.net";
        assert_eq!(
            chosen(&app_service).unwrap(),
            format!(
                "http://127.0.0.1:8081/msi/token?api-version=2019-08-01&{vault}&mi_res_id=%2Fa+b h"
            )
        );
        let machine = format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&{vault}&msi_res_id=%2Fa+b"
        );
        assert_eq!(chosen(&[]).unwrap(), format!("http://169.254.169.254{machine}"));
        assert_eq!(
            chosen(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")]).unwrap(),
            format!("http://127.0.0.1:9{machine}")
        );
        let arc = [
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:40342"),
            ("IMDS_ENDPOINT", "http://127.0.0.1:40342"),
        ];
        assert_eq!(
            chosen(&arc).unwrap(),
            format!("http://127.0.0.1:40342/?api-version=2020-06-01&{vault}&mi_res_id=%2Fa+b")
        );
        assert!(
            chosen(&[&app_service[..], &[("IDENTITY_SERVER_THUMBPRINT", "x")]].concat())
                .unwrap_err()
                .contains("Service Fabric")
        );
        assert!(
            chosen(&[("IDENTITY_ENDPOINT", "nowhere"), ("IDENTITY_HEADER", "h")])
                .unwrap_err()
                .contains("IDENTITY_ENDPOINT")
        );
    }
}
