//! [`WebAuthBuilder`]: builds a [`WebAuth`] with another HTTP client or clock than the default.

use std::sync::Arc;

use super::{WebAuth, WebAuthParts, value_sessions::ValueSessions};
use crate::{
    client::Client,
    clock::{Clock, SystemClock},
    config::ValidConfig,
    error::{ConfigError, Error},
    protocol::{HttpClient, ReqwestClient},
    session::KeyRing,
    sign_in::{RelyingParty, key_binding},
};

/// Builds a [`WebAuth`] with an HTTP client or a clock of your own. See [`WebAuth::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct WebAuthBuilder {
    config: ValidConfig,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl WebAuthBuilder {
    pub(super) fn new(config: ValidConfig) -> Self {
        Self { config, http: Arc::new(ReqwestClient::new()), clock: Arc::new(SystemClock) }
    }

    /// Sets the HTTP client for calls to the provider. The default is [`ReqwestClient`].
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Arc::new(http);
        self
    }

    /// Sets the clock, for tests. The default is [`SystemClock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The finished [`WebAuth`].
    ///
    /// # Errors
    ///
    /// As [`WebAuth::new`].
    pub fn build(self) -> Result<WebAuth, ConfigError> {
        let Self { config, http, clock } = self;
        config.require_lasting_secret("WebAuth::new", "the sessions that you store")?;
        config.log_mistakes(clock.now());
        let no_keys = |error: Error| ConfigError::new("WebAuth::new", error.to_string());
        let keys = KeyRing::new(config.cookie_keys(), &key_binding(&config)).map_err(no_keys)?;
        let relying_party = RelyingParty::new(config, http, Arc::clone(&clock));
        let client = Client::over(relying_party.provider().clone(), Arc::clone(&clock));
        let sessions = ValueSessions::new(&relying_party, &client, &clock);
        Ok(WebAuth(Arc::new(WebAuthParts { relying_party, clock, client, keys, sessions })))
    }
}
