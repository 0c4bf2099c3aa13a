//! [`ManagedIdentityEndpoint`]: the local endpoints that issue the tokens of managed identities,
//! and which of them the environment describes.

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use url::{Url, form_urlencoded};

use super::{
    arc::AzureArc, cloud_shell::CloudShell, managed_identity::ManagedIdentityId,
    service_fabric::ServiceFabric,
};
use crate::{error::ConfigError, secret::Secret};

/// The kind of the endpoint that issues the tokens of a managed identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagedIdentitySource {
    /// App Service, Functions, Container Apps, Automation: [`AppService`].
    AppService,
    /// Service Fabric: [`ServiceFabric`].
    ServiceFabric,
    /// Azure Machine Learning: [`MachineLearning`].
    MachineLearning,
    /// A machine outside Azure with the agent of Azure Arc: [`AzureArc`].
    AzureArc,
    /// The metadata service of a virtual machine: [`VirtualMachine`]. It is assumed where the
    /// environment describes no other; only a request shows whether there is one.
    VirtualMachine,
    /// Azure Cloud Shell, whose tokens are those of its user: [`CloudShell`].
    CloudShell,
    /// An endpoint that the application implements.
    Other,
}

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

    /// The HTTP request for a token in place of `refused`, the cached token that must not answer:
    /// an API refused it, or the application asked for a new one. The default is that of
    /// [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// The parts do not form a valid HTTP request.
    fn request_in_place_of(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
        _refused: &Secret,
    ) -> Result<Request<Bytes>, http::Error> {
        self.request(resource, identity)
    }

    /// Whether the endpoint supports this identity. The default is `true`.
    fn takes(&self, _identity: &ManagedIdentityId) -> bool {
        true
    }

    /// Whether the answer confirms that its token is for this identity. A token that is not
    /// confirmed is dropped. The default is `true`, for an endpoint that refuses identities that it
    /// does not have.
    fn confirms(
        &self,
        _identity: &ManagedIdentityId,
        _answer: &serde_json::Map<String, serde_json::Value>,
    ) -> bool {
        true
    }

    /// The SHA-1 thumbprint of the endpoint's certificate, if no authority vouches for it: the
    /// default HTTP client then takes this certificate and no other. The default is `None`.
    fn certificate_thumbprint(&self) -> Option<[u8; 20]> {
        None
    }

    /// The kind of the endpoint. The default is [`ManagedIdentitySource::Other`].
    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::Other
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
        let url = with_query(self.endpoint.as_str(), "2019-08-01", resource, identity, NAMES);
        Request::get(url)
            .header("X-IDENTITY-HEADER", sensitive(&self.header)?)
            .header("Metadata", "true")
            .body(Bytes::new())
    }

    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::AppService
    }
}

/// The endpoint of Azure Machine Learning (compute instances, clusters and online endpoints):
/// `MSI_ENDPOINT` with `MSI_SECRET`.
///
/// It selects a user-assigned identity by its client ID only; other identifiers are refused before
/// anything is sent.
#[derive(Clone, Debug)]
pub struct MachineLearning {
    endpoint: Url,
    secret: Secret,
    default_client_id: Option<String>,
}

impl MachineLearning {
    /// An endpoint from its URL, with the secret that proves that the request comes from the
    /// application.
    ///
    /// # Errors
    ///
    /// The endpoint is not an `http` or `https` URL.
    pub fn new(endpoint: &str, secret: impl Into<Secret>) -> Result<Self, ConfigError> {
        let endpoint = http_url("MSI_ENDPOINT", endpoint)?;
        Ok(Self { endpoint, secret: secret.into(), default_client_id: None })
    }

    /// Sets the client ID that stands for the default identity (`DEFAULT_IDENTITY_CLIENT_ID`), for
    /// [`ManagedIdentityId::SystemAssigned`]. Without it the endpoint chooses.
    #[must_use]
    pub fn with_default_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.default_client_id = Some(client_id.into());
        self
    }
}

impl ManagedIdentityEndpoint for MachineLearning {
    fn request(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        let default = self.default_client_id.clone().map(ManagedIdentityId::ClientId);
        let identity = match identity {
            ManagedIdentityId::SystemAssigned => default.as_ref().unwrap_or(identity),
            _ => identity,
        };
        // This version has its own name for the client ID.
        let names = ParameterNames { client_id: "clientid", ..NAMES };
        let url = with_query(self.endpoint.as_str(), "2017-09-01", resource, identity, names);
        Request::get(url).header("secret", sensitive(&self.secret)?).body(Bytes::new())
    }

    fn takes(&self, identity: &ManagedIdentityId) -> bool {
        matches!(identity, ManagedIdentityId::SystemAssigned | ManagedIdentityId::ClientId(_))
    }

    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::MachineLearning
    }
}

/// The instance metadata service (IMDS) of virtual machines, on a link-local address.
#[derive(Clone, Debug)]
pub struct VirtualMachine {
    endpoint: Cow<'static, str>,
}

impl VirtualMachine {
    /// The usual address, `http://169.254.169.254`.
    #[must_use]
    pub fn new() -> Self {
        Self { endpoint: "http://169.254.169.254/metadata/identity/oauth2/token".into() }
    }

    /// The same service on another host (`AZURE_POD_IDENTITY_AUTHORITY_HOST`). A path of the URL is
    /// a prefix of the service's own.
    ///
    /// # Errors
    ///
    /// The text is not an `http` or `https` URL.
    pub fn at(host: &str) -> Result<Self, ConfigError> {
        let mut endpoint = http_url("AZURE_POD_IDENTITY_AUTHORITY_HOST", host)?;
        let prefix = endpoint.path().trim_end_matches('/').to_owned();
        endpoint.set_path(&format!("{prefix}/metadata/identity/oauth2/token"));
        Ok(Self { endpoint: String::from(endpoint).into() })
    }
}

impl Default for VirtualMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl ManagedIdentityEndpoint for VirtualMachine {
    fn request(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        metadata_request(&self.endpoint, "2018-02-01", resource, identity)
    }

    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::VirtualMachine
    }
}

/// Parses the URL of an endpoint. `setting` is the variable that the error names.
pub(super) fn http_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .map(|mut url| {
            // A request has no fragment, and what is appended after one would be lost.
            url.set_fragment(None);
            url
        })
        .ok_or_else(|| ConfigError::new(setting, format!("{text:?} is not an http URL")))
}

/// The value of a header that proves the request, kept out of `Debug` output such as the logs of an
/// HTTP client.
pub(super) fn sensitive(value: &Secret) -> Result<HeaderValue, http::Error> {
    let mut header = HeaderValue::from_str(value.expose())?;
    header.set_sensitive(true);
    Ok(header)
}

/// The names of the parameters that select an identity. They differ between the endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParameterNames {
    client_id: &'static str,
    object_id: &'static str,
    resource_id: &'static str,
}

/// The names of App Service.
pub(super) const NAMES: ParameterNames =
    ParameterNames { client_id: "client_id", object_id: "object_id", resource_id: "mi_res_id" };

/// The token request to a metadata service: that of a virtual machine, or the agent of Azure Arc,
/// which imitates it.
pub(super) fn metadata_request(
    endpoint: &str,
    version: &str,
    resource: &str,
    identity: &ManagedIdentityId,
) -> Result<Request<Bytes>, http::Error> {
    // Arc's agent ignores `mi_res_id` and answers for the machine's own identity.
    let names = ParameterNames { resource_id: "msi_res_id", ..NAMES };
    let url = with_query(endpoint, version, resource, identity, names);
    Request::get(url).header("Metadata", "true").body(Bytes::new())
}

/// The URL of a token request.
pub(super) fn with_query(
    endpoint: &str,
    version: &str,
    resource: &str,
    identity: &ManagedIdentityId,
    names: ParameterNames,
) -> String {
    let start =
        if endpoint.contains('?') { format!("{endpoint}&") } else { format!("{endpoint}?") };
    let length = start.len();
    let mut query = form_urlencoded::Serializer::for_suffix(start, length);
    query.append_pair("api-version", version).append_pair("resource", resource);
    match identity {
        ManagedIdentityId::SystemAssigned => &mut query,
        ManagedIdentityId::ClientId(id) => query.append_pair(names.client_id, id),
        ManagedIdentityId::ObjectId(id) => query.append_pair(names.object_id, id),
        ManagedIdentityId::ResourceId(id) => query.append_pair(names.resource_id, id),
    };
    query.finish()
}

/// The endpoint that the environment describes.
pub(super) fn endpoint_from_env() -> Result<Arc<dyn ManagedIdentityEndpoint>, ConfigError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    endpoint(&variable, &|file| file.exists())
}

/// The order is that of the other libraries of Microsoft: a platform may set the variables of
/// another one beside its own.
fn endpoint(
    variable: &dyn Fn(&str) -> Option<String>,
    has_file: &dyn Fn(&Path) -> bool,
) -> Result<Arc<dyn ManagedIdentityEndpoint>, ConfigError> {
    let identity = variable("IDENTITY_ENDPOINT");
    if let (Some(endpoint), Some(header)) = (&identity, variable("IDENTITY_HEADER")) {
        // Service Fabric sets the variables of App Service and this one.
        if let Some(thumbprint) = variable("IDENTITY_SERVER_THUMBPRINT") {
            return Ok(Arc::new(ServiceFabric::new(endpoint, header, &thumbprint)?));
        }
        return Ok(Arc::new(AppService::new(endpoint, header)?));
    }
    if let Some((endpoint, secret)) = variable("MSI_ENDPOINT").zip(variable("MSI_SECRET")) {
        let endpoint = MachineLearning::new(&endpoint, secret)?;
        return Ok(Arc::new(match variable("DEFAULT_IDENTITY_CLIENT_ID") {
            Some(client_id) => endpoint.with_default_client_id(client_id),
            None => endpoint,
        }));
    }
    if let Some(endpoint) = identity.filter(|_| variable("IMDS_ENDPOINT").is_some()) {
        return Ok(Arc::new(AzureArc::new(&endpoint)?));
    }
    // The variables are set for users who sign in to the machine. A service has none of them.
    if has_file(&AzureArc::agent(variable)) {
        return Ok(Arc::new(AzureArc::local()));
    }
    let host = variable("AZUREPS_HOST_ENVIRONMENT").unwrap_or_default();
    if host.starts_with("cloud-shell") {
        return Ok(Arc::new(match variable("MSI_ENDPOINT") {
            Some(url) => CloudShell::at(&url)?,
            None => CloudShell::new(),
        }));
    }
    Ok(Arc::new(match variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") {
        Some(host) => VirtualMachine::at(&host)?,
        None => VirtualMachine::new(),
    }))
}

#[cfg(test)]
#[path = "managed_identity_endpoint_tests.rs"]
mod tests;
