//! [`ManagedIdentityBuilder`]: the endpoint and the collaborators of a [`ManagedIdentity`].

use std::sync::Arc;

use super::{
    managed_identity::{EndpointRefresher, ManagedIdentity, ManagedIdentityId},
    managed_identity_endpoint::{ManagedIdentityEndpoint, endpoint_from_env},
};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
    protocol::{HttpClient, ReqwestClient},
};

/// A builder of a [`ManagedIdentity`], made by [`ManagedIdentity::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ManagedIdentityBuilder {
    identity: ManagedIdentityId,
    endpoint: Option<Arc<dyn ManagedIdentityEndpoint>>,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

impl ManagedIdentityBuilder {
    pub(super) fn new(identity: ManagedIdentityId) -> Self {
        Self { identity, endpoint: None, http: None, clock: Arc::new(SystemClock) }
    }

    /// Sets the endpoint. The default is the one that the environment describes, see
    /// [`ManagedIdentity::from_env`].
    pub fn with_endpoint(mut self, endpoint: impl ManagedIdentityEndpoint) -> Self {
        self.endpoint = Some(Arc::new(endpoint));
        self
    }

    /// Sends requests with another HTTP client. The default is a [`ReqwestClient`], which uses no
    /// proxy for link-local addresses, and takes the endpoint's own
    /// [certificate](ManagedIdentityEndpoint::certificate_thumbprint) if no authority vouches for
    /// it.
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Uses another clock, for tests. The default is [`SystemClock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The source of tokens, with an empty cache.
    ///
    /// # Errors
    ///
    /// Those of [`ManagedIdentity::from_env`], if no endpoint is set.
    pub fn build(self) -> Result<ManagedIdentity, ConfigError> {
        let Self { identity, endpoint, http, clock } = self;
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => endpoint_from_env()?,
        };
        let http = http.unwrap_or_else(|| match endpoint.certificate_thumbprint() {
            Some(thumbprint) => Arc::new(ReqwestClient::pinned(thumbprint)),
            None => Arc::new(ReqwestClient::new()),
        });
        Ok(ManagedIdentity::of(EndpointRefresher { endpoint, identity, http, clock }))
    }
}
