//! The grant of agents at Entra ID (`user_fic`): tokens of a user for an application that acts for
//! that user without a sign-in.

use std::fmt;

use super::{AccountSource, AcquiredTokens, core::Client};
use crate::{
    error::{Error, ErrorKind},
    protocol::Grant,
    secret::Secret,
    tokens::TokenRequest,
};

/// The user for whom an agent acquires tokens, named in one of two ways. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FederatedUser {
    /// The user principal name, such as `ada@contoso.onmicrosoft.com`.
    Username(String),
    /// The object ID in the tenant of the request, a GUID.
    ObjectId(String),
}

impl FederatedUser {
    /// The parameter of the token request that names the user.
    fn parameter(&self) -> (&'static str, &str) {
        match self {
            Self::Username(name) => ("username", name),
            Self::ObjectId(id) => ("user_id", id),
        }
    }
}

impl fmt::Debug for FederatedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Username(_) => "Username([redacted])",
            Self::ObjectId(_) => "ObjectId([redacted])",
        })
    }
}

impl Client {
    /// Exchanges a federated identity credential for tokens of a user, and caches them like those
    /// of a sign-in (`grant_type=user_fic`, Entra ID only). Later tokens of the user come from
    /// [`acquire_silent`](Self::acquire_silent).
    ///
    /// This client is an agent identity. Three tokens lead to those of the user:
    ///
    /// 1. The blueprint, which has the credential, acquires a token for the agent: `fmi_path` is
    ///    the agent's client ID. This token is the client assertion of the agent.
    /// 2. The agent acquires a token of its own for `api://AzureADTokenExchange/.default`.
    /// 3. That token is the `credential` of this method.
    ///
    /// ```
    /// use tower_identity::{
    ///     ClientCredential, ConfigError, Error, IdentityConfig,
    ///     client::{AcquiredTokens, Client, FederatedUser, TokenRequest},
    /// };
    ///
    /// const EXCHANGE: &str = "api://AzureADTokenExchange/.default";
    ///
    /// /// The client of an agent, which authenticates with tokens of its blueprint.
    /// fn agent(blueprint: Client, config: IdentityConfig) -> Result<Client, ConfigError> {
    ///     Client::new(config.with_credential(ClientCredential::assertion_from(move |request| {
    ///         let blueprint = blueprint.clone();
    ///         async move {
    ///             let exchange = TokenRequest::new([EXCHANGE])?;
    ///             let exchange = exchange.with_fmi_path(request.client_id());
    ///             Ok(blueprint.for_app(&exchange).await?.expose().into())
    ///         }
    ///     })))
    /// }
    ///
    /// async fn tokens_of_ada(agent: &Client) -> Result<AcquiredTokens, Error> {
    ///     let credential = agent.for_app(&TokenRequest::new([EXCHANGE])?).await?;
    ///     let user = FederatedUser::Username("ada@contoso.onmicrosoft.com".into());
    ///     let request = TokenRequest::new(["https://graph.microsoft.com/Mail.Read"])?;
    ///     agent.acquire_by_federated_identity(&user, &credential.expose().into(), &request).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: the provider is not Entra ID; or the credential or the user is empty;
    /// - `NotConfigured`: the application has no credential;
    /// - `InvalidGrant`, `InteractionRequired` and other errors of the provider; the errors of ID
    ///   token verification; `CredentialUnavailable`, `ProviderUnreachable`.
    ///
    /// # Security
    ///
    /// No user is asked: code that can call this method can act for every user that has consented.
    /// A request may choose the user only if it was authenticated as that user's.
    pub async fn acquire_by_federated_identity(
        &self,
        user: &FederatedUser,
        credential: &Secret,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        self.check_federated(user, credential)?;
        let mut signing_in = self.signing_in(request)?.by(AccountSource::FederatedIdentity);
        if let FederatedUser::Username(name) = user {
            signing_in.username = Some(name.clone());
        }
        let (client, user, credential) = (self.clone(), user.clone(), credential.clone());
        self.to_the_end(async move {
            let asked = signing_in.asked(signing_in.request.scope_value());
            let grant =
                Grant::UserFederatedIdentity { credential: &credential, user: user.parameter() };
            let answer = signing_in.provider.tokens(grant, &asked).await?;
            client.take(answer, &signing_in, client.required()).await
        })
        .await
    }

    /// Refuses requests that cannot succeed, before anything is sent.
    fn check_federated(&self, user: &FederatedUser, credential: &Secret) -> Result<(), Error> {
        if !self.config().authority().is_entra() {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "only Entra ID has the grant `user_fic`, and the authority is another provider",
            ));
        }
        self.check_confidential()?;
        let (parameter, name) = user.parameter();
        if name.is_empty() || credential.is_empty() {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                format!("{parameter} or the federated identity credential is empty"),
            ));
        }
        Ok(())
    }
}
