//! [`ManagedIdentity`]: tokens for code on Azure machines and services, without a credential of the
//! application.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    core::APPS, managed_identity_builder::ManagedIdentityBuilder,
    managed_identity_endpoint::ManagedIdentityEndpoint,
};
use crate::{
    clock::Clock,
    error::{ConfigError, Error, ErrorKind},
    protocol::{HttpClient, managed_identity_token},
    secret::Secret,
    single_flight::Tokio,
    tokens::{
        AccessToken, GrantRecord, Grants, Partitions, Person, RefreshAnswer, RefreshRequest,
        Refresher, TokenRequest,
    },
};

/// The managed identity to use. A machine can have several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagedIdentityId {
    /// The identity that Azure created with the machine or service.
    #[default]
    SystemAssigned,
    /// A user-assigned identity, by its client ID.
    ClientId(String),
    /// A user-assigned identity, by its object ID.
    ObjectId(String),
    /// A user-assigned identity, by its resource ID (`/subscriptions/…`).
    ResourceId(String),
}

/// A source of tokens for one managed identity, with a cache. Clones share the cache.
///
/// ```no_run
/// use tower_identity::client::{ManagedIdentity, ManagedIdentityId};
///
/// # async fn call() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = ManagedIdentity::from_env(ManagedIdentityId::SystemAssigned)?;
/// let token = identity.token("https://vault.azure.net").await?;
/// println!("Bearer {}", token.expose());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    #[allow(dead_code, reason = "for `Debug`, which tells identities apart")]
    identity: ManagedIdentityId,
    partitions: Arc<Partitions>,
    grants: Grants,
}

impl ManagedIdentity {
    /// Selects the endpoint from the environment: App Service if `IDENTITY_ENDPOINT` and
    /// `IDENTITY_HEADER` are set, Azure Arc if `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT` are,
    /// otherwise the metadata service of a virtual machine.
    ///
    /// # Errors
    ///
    /// The environment is that of Service Fabric, whose endpoint has a self-signed certificate
    /// (not supported); or a variable is not a URL.
    pub fn from_env(identity: ManagedIdentityId) -> Result<Self, ConfigError> {
        Self::builder(identity).build()
    }

    /// A builder, to set an endpoint, an HTTP client or a clock of your own.
    ///
    /// ```
    /// use tower_identity::{
    ///     ConfigError, HttpClient,
    ///     client::{ManagedIdentity, ManagedIdentityId, VirtualMachine},
    /// };
    ///
    /// fn identity(http: impl HttpClient) -> Result<ManagedIdentity, ConfigError> {
    ///     ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
    ///         .with_endpoint(VirtualMachine::new()?)
    ///         .with_http_client(http)
    ///         .build()
    /// }
    /// ```
    pub fn builder(identity: ManagedIdentityId) -> ManagedIdentityBuilder {
        ManagedIdentityBuilder::new(identity)
    }

    pub(super) fn of(source: EndpointRefresher) -> Self {
        let clock = Arc::clone(&source.clock);
        let partitions = Arc::new(Partitions::new(Arc::clone(&clock)));
        let refresher = Arc::new(source.clone());
        let grants = Grants::in_memory(
            Arc::new(Tokio),
            Arc::clone(&partitions),
            refresher,
            Arc::clone(&clock),
        );
        Self { identity: source.identity, partitions, grants }
    }

    /// A token for that resource (`https://vault.azure.net`), from the cache or the endpoint. The
    /// suffix `/.default` of a scope is removed.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the resource is empty; the endpoint's own errors; `ProviderUnreachable`,
    /// also on a machine without the endpoint.
    pub async fn token(&self, resource: &str) -> Result<AccessToken, Error> {
        let resource = resource.strip_suffix("/.default").unwrap_or(resource);
        let request = TokenRequest::new([resource])?;
        if request.asks_for_nothing() {
            return Err(Error::new(ErrorKind::RequestInvalid, "a resource has to be named"));
        }
        let grant = self.partitions.find_or_insert(APPS, None, || {
            let person =
                Person { iss: "managed identity".into(), sub: String::new(), tid: None, oid: None };
            GrantRecord::without_sign_in(person, "managed identity".into())
        })?;
        self.grants.access_token(&grant, &request).await
    }
}

/// An endpoint with one identity, as the source of new tokens for the cache.
#[derive(Clone, Debug)]
pub(super) struct EndpointRefresher {
    pub(super) endpoint: Arc<dyn ManagedIdentityEndpoint>,
    pub(super) identity: ManagedIdentityId,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Refresher for EndpointRefresher {
    async fn refresh(&self, _: &Secret, request: &RefreshRequest) -> Result<RefreshAnswer, Error> {
        // Sent anyway, the request would return the token of another identity.
        if !self.endpoint.takes(&self.identity) {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "this machine has no such identity: only the one of its own",
            ));
        }
        let request = self.endpoint.request(request.scopes().as_str(), &self.identity);
        let request = request.map_err(|_| {
            Error::new(
                ErrorKind::RequestInvalid,
                "the resource or identity cannot be put into a request",
            )
        })?;
        let answer = managed_identity_token(
            Arc::clone(&self.http),
            request,
            &*self.clock,
            |request, answer| self.endpoint.proven(request, answer),
        )
        .await?;
        Ok(RefreshAnswer { issued: answer.into(), identity: None })
    }
}

#[cfg(test)]
#[path = "managed_identity_tests.rs"]
mod tests;
