//! [`ManagedIdentity`]: tokens for code on Azure machines and services, without a credential of the
//! application.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    managed_identity_builder::ManagedIdentityBuilder,
    managed_identity_endpoint::{ManagedIdentityEndpoint, ManagedIdentitySource},
    partition::Partition,
};
use crate::{
    authority::token_exchange_audience,
    clock::Clock,
    config::ClientCredential,
    error::{ConfigError, Error, ErrorKind},
    protocol::{HttpClient, managed_identity_token},
    secret::Secret,
    single_flight::Tokio,
    tokens::{
        AccessToken, GrantRecord, GrantSource, Grants, Partitions, Person, RefreshAnswer,
        RefreshRequest, Refresher, Scopes, TokenRequest,
    },
};

/// The managed identity to use. A machine can have several.
///
/// A configuration can hold it as JSON, in the form of MSAL Python:
///
/// ```
/// use tower_identity::client::ManagedIdentityId;
///
/// let chosen = r#"{"ManagedIdentityIdType": "ClientId", "Id": "0f2c3a5e-1b7d-4c7a-9d39"}"#;
/// let chosen: ManagedIdentityId = serde_json::from_str(chosen)?;
/// assert_eq!(chosen, ManagedIdentityId::ClientId("0f2c3a5e-1b7d-4c7a-9d39".into()));
/// let own = r#"{"ManagedIdentityIdType": "SystemAssigned", "Id": null}"#;
/// assert_eq!(serde_json::from_str::<ManagedIdentityId>(own)?, ManagedIdentityId::SystemAssigned);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "ManagedIdentityIdType", content = "Id")]
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
#[derive(Clone)]
pub struct ManagedIdentity {
    refresher: Arc<EndpointRefresher>,
    partitions: Arc<Partitions>,
    grants: Grants,
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity").field("endpoint", &self.refresher).finish_non_exhaustive()
    }
}

impl ManagedIdentity {
    /// Selects the endpoint from the environment, in this order:
    ///
    /// - [`ServiceFabric`](super::ServiceFabric) if `IDENTITY_ENDPOINT`, `IDENTITY_HEADER` and
    ///   `IDENTITY_SERVER_THUMBPRINT` are set;
    /// - [`AppService`](super::AppService) if the first two are;
    /// - [`MachineLearning`](super::MachineLearning) if `MSI_ENDPOINT` and `MSI_SECRET` are;
    /// - [`AzureArc`](super::AzureArc) if `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT` are, or its agent
    ///   is installed;
    /// - [`CloudShell`](super::CloudShell) if `AZUREPS_HOST_ENVIRONMENT` begins with `cloud-shell`;
    /// - otherwise the metadata service of a [`VirtualMachine`](super::VirtualMachine).
    ///
    /// [`source`](Self::source) says which one it is.
    ///
    /// # Errors
    ///
    /// A variable is not a URL, or not a thumbprint.
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
    ///         .with_endpoint(VirtualMachine::new())
    ///         .with_http_client(http)
    ///         .build()
    /// }
    /// ```
    pub fn builder(identity: ManagedIdentityId) -> ManagedIdentityBuilder {
        ManagedIdentityBuilder::new(identity)
    }

    pub(super) fn of(refresher: EndpointRefresher) -> Self {
        let refresher = Arc::new(refresher);
        let clock = Arc::clone(&refresher.clock);
        let partitions = Arc::new(Partitions::new(Arc::clone(&clock)));
        let grants =
            Grants::in_memory(Arc::new(Tokio), Arc::clone(&partitions), refresher.clone(), clock);
        Self { refresher, partitions, grants }
    }

    /// The kind of the endpoint.
    #[must_use]
    pub fn source(&self) -> ManagedIdentitySource {
        self.refresher.endpoint.source()
    }

    /// A token for that resource (`https://vault.azure.net`), from the cache or the endpoint. The
    /// suffix `/.default` of a scope is removed.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the resource is empty; the endpoint's own errors; `ProviderUnreachable`,
    /// also on a machine without the endpoint; `CredentialUnavailable`: the endpoint does not
    /// confirm the identity.
    pub async fn token(&self, resource: &str) -> Result<AccessToken, Error> {
        self.acquire(&TokenRequest::new([resource])?).await
    }

    /// This identity as the credential of an application at Entra ID, in place of a secret or a
    /// certificate: its token is sent as the application's assertion (RFC 7523).
    ///
    /// In the registration of the application add a *federated credential* of the kind *Managed
    /// identity* and select the identity, which has to be a user-assigned one. The audience stays
    /// the default of the cloud, such as `api://AzureADTokenExchange`; for another one write a
    /// function that calls [`token`](Self::token): [`ClientCredential::assertion_from`].
    ///
    /// A token is used as long as the cache of this identity has it. If the provider refuses it, a
    /// new one is requested and sent once.
    ///
    /// ```no_run
    /// use tower_identity::{
    ///     Authority, IdentityConfig,
    ///     client::{ManagedIdentity, ManagedIdentityId},
    /// };
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = ManagedIdentityId::ClientId("0f2c3a5e-1b7d-4c7a-9d39-4d1a7f0e6b21".into());
    /// let identity = ManagedIdentity::from_env(identity)?;
    /// let authority = Authority::entra("contoso.onmicrosoft.com")?;
    /// let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
    ///     .with_credential(identity.credential());
    /// # let _ = config;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn credential(&self) -> ClientCredential {
        let identity = self.clone();
        ClientCredential::cached_assertion_from(move |request| {
            let identity = identity.clone();
            Box::pin(async move {
                let asked = TokenRequest::new([token_exchange_audience(request.audience())])?;
                // The cached token was the one that the provider has just refused.
                let asked = if request.is_after_refusal() { asked.forced() } else { asked };
                Ok(identity.acquire(&asked).await?.secret().clone())
            })
        })
    }

    /// A token for this request, whose one scope is the resource, as in [`token`](Self::token).
    ///
    /// After a claims challenge of an API (the identity's tokens were revoked, for example) the
    /// request with [`with_challenge`](TokenRequest::with_challenge) gets a new token, which
    /// replaces the cached one; so does [`forced`](TokenRequest::forced). The claims themselves are
    /// not sent: no endpoint has a parameter for them. Service Fabric gets the hash of the cached
    /// token, because it has a cache of its own.
    ///
    /// ```no_run
    /// use tower_identity::client::{ManagedIdentity, ManagedIdentityId, TokenRequest};
    ///
    /// # async fn call() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = ManagedIdentity::from_env(ManagedIdentityId::SystemAssigned)?;
    /// let request = TokenRequest::new(["https://vault.azure.net"])?;
    /// let refused = identity.acquire(&request).await?;
    /// // The vault answers 401 to that token.
    /// let token = identity.acquire(&request.forced()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`token`](Self::token); `RequestInvalid` also for a request with several scopes,
    /// and for one with a tenant, a resource beside the scope, claims of the application or further
    /// parameters, which the endpoints do not take.
    pub async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let request = for_endpoint(request)?;
        // One grant for each resource: requests of one grant wait for each other because of its
        // refresh token, and a managed identity has none.
        let name = Partition::Apps.name(request.scopes().next().unwrap_or_default());
        let grant = self.partitions.find_or_insert(&name, None, || {
            let person =
                Person { iss: "managed identity".into(), sub: String::new(), tid: None, oid: None };
            GrantRecord::without_sign_in(person, GrantSource::Application)
        })?;
        self.grants.access_token(&grant, &request).await
    }
}

/// The request with the resource in the place of its scope.
fn for_endpoint(request: &TokenRequest) -> Result<TokenRequest, Error> {
    let refused = |detail| Err(Error::new(ErrorKind::RequestInvalid, detail));
    if !request.has_only_scopes() {
        return refused(
            "the endpoint of a managed identity takes no tenant, `resource` beside the scope, \
             claims or further parameters: name the resource as the only scope",
        );
    }
    let mut scopes = request.scopes();
    match (scopes.next(), scopes.next()) {
        (Some(scope), None) => {
            let resource = scope.strip_suffix("/.default").unwrap_or(scope);
            Ok(request.with_scopes(Scopes::asked([resource])?))
        }
        _ => refused(
            "a managed identity's token is for one resource: name it as the only scope, such as \
             https://vault.azure.net",
        ),
    }
}

/// An endpoint with one identity, as the source of new tokens for the cache.
#[derive(Debug)]
pub(super) struct EndpointRefresher {
    pub(super) endpoint: Arc<dyn ManagedIdentityEndpoint>,
    pub(super) identity: ManagedIdentityId,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What to do while the metadata service is updated.
const UPDATED: &str = "try again in a minute: the metadata service of the machine is being updated";

impl EndpointRefresher {
    /// An outage in place of a refusal, if that is what the response says. The metadata service of
    /// a virtual machine answers 404 or 410 for about a minute while it is updated, and asks to be
    /// tried again (Microsoft Learn, *How to use managed identities for Azure resources on an Azure
    /// VM to acquire an access token*, error handling). Elsewhere these mean what they say.
    fn while_updated(&self, error: Error) -> Error {
        match error.provider().and_then(|said| said.status) {
            Some(404 | 410) if self.endpoint.source() == ManagedIdentitySource::VirtualMachine => {
                error.with_kind(ErrorKind::ProviderUnreachable).with_remedy(UPDATED)
            }
            _ => error,
        }
    }
}

#[async_trait]
impl Refresher for EndpointRefresher {
    async fn refresh(&self, _: &Secret, request: &RefreshRequest) -> Result<RefreshAnswer, Error> {
        // The endpoint would ignore the identifier and return the token of another identity.
        if !self.endpoint.takes(&self.identity) {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the endpoint of this machine cannot select the identity by such an identifier: \
                 see the documentation of its type",
            ));
        }
        let resource = request.scopes().as_str();
        let request = match &request.refused {
            Some(token) => self.endpoint.request_in_place_of(resource, &self.identity, token),
            None => self.endpoint.request(resource, &self.identity),
        };
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
            |members| self.endpoint.confirms(&self.identity, members),
        )
        .await
        .map_err(|error| self.while_updated(error))?;
        Ok(RefreshAnswer { issued: answer.into(), ..RefreshAnswer::default() })
    }
}

#[cfg(test)]
#[path = "managed_identity_tests.rs"]
mod tests;
