//! [`ClientBuilder`]: a client with its own HTTP client or clock.

use std::sync::Arc;

use super::core::Client;
use crate::{
    clock::{Clock, SystemClock},
    config::IdentityConfig,
    error::ConfigError,
    protocol::{HttpClient, Provider, ReqwestClient},
    single_flight::{Tasks, Tokio},
};

/// Builds a [`Client`] with an HTTP client or a clock of your own; see [`Client::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    config: IdentityConfig,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    tasks: Arc<dyn Tasks>,
}

impl ClientBuilder {
    pub(super) fn new(config: IdentityConfig) -> Self {
        Self {
            config,
            http: Arc::new(ReqwestClient::new()),
            clock: Arc::new(SystemClock),
            tasks: Arc::new(Tokio),
        }
    }

    /// Sends requests with another HTTP client, for example through a proxy. The default is a
    /// [`ReqwestClient`].
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Arc::new(http);
        self
    }

    /// Uses another clock, for tests. The default is [`SystemClock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Replaces the tasks and timers of Tokio.
    #[cfg(test)]
    pub(super) fn with_tasks(mut self, tasks: Arc<dyn Tasks>) -> Self {
        self.tasks = tasks;
        self
    }

    /// Checks the configuration and builds the [`Client`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::new`].
    pub fn build(self) -> Result<Client, ConfigError> {
        let config = self.config.without_pages()?;
        config.log_shared_mistakes(self.clock.now());
        let provider = Provider::new(config, self.http, self.clock);
        Ok(Client::of(provider, self.tasks))
    }
}
