//! [`DevProvider`]: the handle of a running development provider.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    builder::{DevProviderBuilder, QUICKSTART, QUICKSTART_IN_ENTRA},
    client::DevClient,
    device,
    keys::OldKeys,
    person::DevPerson,
    server::Server,
    switches::{Endpoint, Failure, Gate, Hold, RecordedRequest},
};
use crate::{
    authority::{Authority, stopped},
    clock::Clock,
    config::{Algorithm, ClientCredential, IdentityConfig},
    error::{ConfigError, Error},
    secret::Secret,
};

/// The handle of an OpenID Connect provider in this process, for development and tests.
///
/// The provider runs as tasks of the Tokio runtime that it was started on, and stops when the
/// handle is dropped. The [module](super) describes its behaviour.
#[derive(Debug)]
#[must_use = "the provider stops when its handle is dropped"]
pub struct DevProvider {
    pub(super) server: Arc<Server>,
    pub(super) root_certificate: Option<String>,
    pub(super) stop: Stop,
    pub(super) task: JoinHandle<()>,
}

/// Stops the server when it is dropped.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) _sender: oneshot::Sender<()>,
    pub(super) address: SocketAddr,
}

impl Drop for Stop {
    fn drop(&mut self) {
        stopped::has_stopped(self.address);
    }
}

impl DevProvider {
    /// Starts a provider with the default people and the client `quickstart` on a free port of
    /// `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// No port can be bound.
    pub async fn start() -> Result<Self, ConfigError> {
        Self::builder().start().await
    }

    /// A development provider where nothing is configured, and the provider of the environment
    /// otherwise: the configuration for the application at `base_url`, and the handle of the
    /// development provider if it was started. Keep the handle while the application runs.
    ///
    /// A provider is configured if one of these variables is set ([`IdentityConfig::from_env`]),
    /// also by another of its names:
    ///
    /// - the authority, its tenants, `IDENTITY_DISCOVERY_URL`, `IDENTITY_BACK_CHANNEL`,
    ///   `IDENTITY_END_SESSION_ENDPOINT`;
    /// - the client id, the credential (`IDENTITY_CLIENT_…`), the redirect URI;
    /// - any `AzureAd__…`; of Azure's own variables only `AZURE_CLIENT_ID`.
    ///
    /// A misspelt name counts as the variable that is probably meant. If something is wrong or
    /// missing then, the error names these variables as the reason for which the development
    /// provider was not started.
    ///
    /// All other settings apply to both providers: paths, scopes, time limits, the cookie secret.
    /// `IDENTITY_BASE_URL` replaces `base_url`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_identity::{IdentityLayer, dev::DevProvider};
    ///
    /// let (provider, config) = DevProvider::config_or_env("http://localhost:3000").await?;
    /// let identity = IdentityLayer::new(config.add_public_path("/").build()?);
    /// if provider.is_some() {
    ///     eprintln!("No provider is configured: the development provider signs in test accounts");
    /// }
    /// # drop(identity);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A variable is wrong or missing, no port can be bound, or the development provider would
    /// start and the base URL is not a URL on a loopback host.
    pub async fn config_or_env(
        base_url: &str,
    ) -> Result<(Option<Self>, IdentityConfig), ConfigError> {
        Self::builder().config_or_env(base_url).await
    }

    /// A builder with the default configuration.
    pub fn builder() -> DevProviderBuilder {
        DevProviderBuilder::default()
    }

    /// Stops the provider and waits for the responses to pending requests. Open all gates of
    /// [`hold_next`](Self::hold_next) before. Dropping the handle stops it without waiting.
    pub async fn shutdown(self) {
        let Self { stop, task, .. } = self;
        // The server ends when its sender is gone, and then waits for the open requests.
        drop(stop);
        let _ = task.await;
    }

    /// The issuer, for example `http://127.0.0.1:49152`; in Entra that of the first tenant.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.server.issuer
    }

    /// The URL of the authority for the configuration of an application, which is the issuer:
    /// `Authority::oidc(provider.authority_url())`.
    #[must_use]
    pub fn authority_url(&self) -> &str {
        &self.server.issuer
    }

    /// The clock of all lifetimes.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.server.clock)
    }

    /// The address that the provider listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The root certificate in PEM that clients must trust, if the provider was started with
    /// [TLS](super::DevProviderBuilder::with_tls). A new one is generated at each start.
    #[must_use]
    pub fn root_certificate(&self) -> Option<&str> {
        self.root_certificate.as_deref()
    }

    /// A configuration for the application at `base_url` with this provider and the client that
    /// every provider has ([`client_id`](Self::client_id)). Add what the application needs, then
    /// build it.
    ///
    /// In Entra it is for users of the first tenant; [`entra_config`](Self::entra_config) has the
    /// other authorities.
    ///
    /// # Errors
    ///
    /// `base_url` is not a URL, or is plain `http` on a host that is not loopback. With `https` on
    /// such a host the configuration is valid, but nobody can sign in: the redirect URIs of that
    /// client are those on loopback hosts.
    pub fn config(&self, base_url: &str) -> Result<IdentityConfig, ConfigError> {
        let authority = if self.server.entra.is_some() {
            // A loopback URL with a tenant is Entra ID in a cloud of its own, with Microsoft's
            // rules.
            Authority::parse(self.issuer())
        } else {
            Authority::oidc(self.issuer())
        };
        self.config_at(authority?, base_url)
    }

    /// A configuration for the client that every provider has, at one of the authorities.
    pub(super) fn config_at(
        &self,
        authority: Authority,
        base_url: &str,
    ) -> Result<IdentityConfig, ConfigError> {
        let credential = ClientCredential::secret(self.client_secret());
        IdentityConfig::new(authority, self.client_id())
            .with_credential(credential)
            .with_base_url(base_url)
    }

    /// The id of the client that always exists: `quickstart`, or a GUID in Entra.
    #[must_use]
    pub fn client_id(&self) -> &str {
        if self.server.entra.is_some() { QUICKSTART_IN_ENTRA } else { QUICKSTART }
    }

    /// The secret of the client `quickstart`: a new one at each start, unless the test registered
    /// the client itself.
    #[must_use]
    pub fn client_secret(&self) -> Secret {
        self.server
            .state()
            .client(self.client_id())
            .and_then(|client| client.secret.clone())
            .unwrap_or_default()
    }

    /// The user with this id as currently defined.
    #[must_use]
    pub fn person(&self, id: &str) -> Option<DevPerson> {
        self.server.state().person(id).cloned()
    }

    /// Adds an application, or replaces the one with the same id.
    pub fn add_client(&self, client: DevClient) {
        let mut state = self.server.state();
        state.clients.retain(|known| known.id != client.id);
        state.clients.push(client);
    }

    /// Adds a user, or replaces the one with the same id. The next token has the new claims.
    pub fn add_person(&self, person: DevPerson) {
        let mut state = self.server.state();
        match state.people.iter_mut().find(|known| known.id == person.id) {
            Some(known) => *known = person,
            None => state.people.push(person),
        }
    }

    /// Answers every page at once from now on, as this user: chooses the account, consents to every
    /// scope, confirms sign-out. The page for device codes still asks: see
    /// [`answer_device`](Self::answer_device). A grant that shows no page, such as on-behalf-of,
    /// gets no consent by it: see [`DevClient::with_consent`].
    ///
    /// A browser in which another user is signed in changes to this user. Requests with
    /// `prompt=none` show no page, so they still depend on the session of the browser.
    ///
    /// # Errors
    ///
    /// There is no user with this id.
    pub fn sign_in_as(&self, person: &str) -> Result<(), ConfigError> {
        let mut state = self.server.state();
        if state.person(person).is_none() {
            return Err(ConfigError::new(
                "sign_in_as",
                format!("there is no person with the id {person:?}"),
            ));
        }
        state.stand_in = Some(person.to_owned());
        Ok(())
    }

    /// Shows the pages again: ends [`sign_in_as`](Self::sign_in_as).
    pub fn show_pages(&self) {
        self.server.state().stand_in = None;
    }

    /// Answers a device authorization request (RFC 8628) in place of its page: `person` consents,
    /// or `None` declines.
    ///
    /// # Errors
    ///
    /// No pending request has this user code, or the user does not exist there.
    pub fn answer_device(&self, user_code: &str, person: Option<&str>) -> Result<(), ConfigError> {
        let wrong = |problem: String| ConfigError::new("answer_device", problem);
        let mut state = self.server.state();
        let decided = device::decide(&self.server, &mut state, user_code, person)
            .map_err(|error| wrong(error.to_string()))?;
        decided.map(|_| ()).map_err(|problem| wrong(problem.to_owned()))
    }

    /// Ends the sessions of all browsers at the provider. Tokens stay valid.
    pub fn sign_everybody_out(&self) {
        self.server.state().browsers.clear();
    }

    /// Deletes all consents, so that users are asked again.
    pub fn forget_consents(&self) {
        self.server.state().consents.clear();
    }

    /// Revokes the refresh tokens and access tokens of a user at all clients.
    pub fn revoke_refresh_tokens(&self, person: &str) {
        for grant in self.server.state().grants.values_mut() {
            if grant.person == person {
                grant.revoked = true;
            }
        }
    }

    /// Signs with a new key from now on.
    ///
    /// # Errors
    ///
    /// No key could be made.
    pub fn rotate_keys(&self, old: OldKeys) -> Result<(), Error> {
        let mut state = self.server.state();
        let algorithm = state.algorithm;
        state.keys.rotate(algorithm, old)
    }

    /// Signs with a new key for another algorithm from now on, and names it in the metadata.
    ///
    /// # Errors
    ///
    /// No key could be made.
    pub fn use_algorithm(&self, algorithm: Algorithm, old: OldKeys) -> Result<(), Error> {
        let mut state = self.server.state();
        state.keys.rotate(algorithm, old)?;
        state.algorithm = algorithm;
        Ok(())
    }

    /// The number of requests that an endpoint has received, including failed and held ones.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.server.state().switches.endpoint_state(endpoint).requests
    }

    /// The last request that an endpoint received.
    #[must_use]
    pub fn last_request(&self, endpoint: Endpoint) -> Option<RecordedRequest> {
        self.server.state().switches.endpoint_state(endpoint).last.clone()
    }

    /// Makes the next `count` requests to an endpoint fail in this way, after the failures that
    /// were ordered before.
    pub fn fail_next(&self, endpoint: Endpoint, count: usize, failure: Failure) {
        let mut state = self.server.state();
        state
            .switches
            .endpoint_state(endpoint)
            .failures
            .extend(std::iter::repeat_n(failure, count));
    }

    /// Cancels the ordered failures of an endpoint that have not happened yet.
    pub fn stop_failing(&self, endpoint: Endpoint) {
        self.server.state().switches.endpoint_state(endpoint).failures.clear();
    }

    /// Holds the next request to an endpoint until its gate is opened. Called twice, it holds the
    /// next two requests, each with its own gate.
    pub fn hold_next(&self, endpoint: Endpoint) -> Hold {
        let (gate, hold) = Gate::with_hold();
        self.server.state().switches.endpoint_state(endpoint).gates.push_back(gate);
        hold
    }

    /// Delays every response of an endpoint, to try a slow provider; zero ends it. For tests use
    /// [`hold_next`](Self::hold_next).
    pub fn delay(&self, endpoint: Endpoint, by: Duration) {
        self.server.state().switches.endpoint_state(endpoint).delay = by;
    }

    /// Sets the lifetime of access tokens that are issued from now on.
    pub fn set_access_token_life(&self, life: Duration) {
        self.server.state().lifetimes.access_token = life;
    }

    /// Sets the lifetime of ID tokens that are issued from now on.
    pub fn set_id_token_life(&self, life: Duration) {
        self.server.state().lifetimes.id_token = life;
    }

    /// Sets the lifetime of refresh tokens that are issued from now on.
    pub fn set_refresh_token_life(&self, life: Duration) {
        self.server.state().lifetimes.refresh_token = life;
    }

    /// Sets the lifetime of authorization codes that are issued from now on.
    pub fn set_code_life(&self, life: Duration) {
        self.server.state().lifetimes.code = life;
    }
}
