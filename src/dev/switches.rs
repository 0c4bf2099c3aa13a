//! Counting, failures, gates and delays of endpoints.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::sync::oneshot;

/// An endpoint of the development provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The discovery document (OpenID Connect Discovery section 4, RFC 8414 section 3).
    Discovery,
    /// The key set, `jwks_uri`.
    Keys,
    /// The authorization endpoint, without the pages that follow.
    Authorization,
    /// The token endpoint.
    Token,
    /// UserInfo (OpenID Connect Core section 5.3).
    UserInfo,
    /// The end session endpoint (OpenID Connect RP-Initiated Logout).
    EndSession,
    /// Revocation (RFC 7009).
    Revocation,
    /// Introspection (RFC 7662).
    Introspection,
    /// Device authorization (RFC 8628 section 3.1).
    DeviceAuthorization,
    /// All paths of the imitated Microsoft Graph.
    Graph,
}

/// The failure of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// This status with an empty body.
    Status(u16),
    /// This status and body.
    Body {
        /// The status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// This status, with a pause in `Retry-After`.
    RetryAfter {
        /// The status, usually 429 or 503.
        status: u16,
        /// The pause; whole seconds are sent.
        pause: Duration,
    },
    /// A redirect (302) to this URL.
    Redirect(String),
    /// An OAuth error response (RFC 6749 section 5.2): status 400 with this `error`.
    OAuthError(String),
    /// The connection is closed without a response.
    Disconnect,
    /// A response (200) whose body is this many spaces, to test the client's limit of a body.
    Endless(usize),
    /// The request is processed, but the connection is closed without a response: the issued tokens
    /// are lost.
    LoseAnswer,
}

impl Failure {
    /// A JSON body with a status.
    #[must_use]
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Body { status, content_type: "application/json".into(), body: body.into() }
    }

    /// An HTML body with a status, as a reverse proxy sends it.
    #[must_use]
    pub fn html(status: u16, body: impl Into<String>) -> Self {
        Self::Body { status, content_type: "text/html".into(), body: body.into() }
    }
}

/// A gate in front of an endpoint: the next request waits there until the test opens it. A test
/// needs no sleeping with it.
///
/// Created by [`DevProvider::hold_next`](super::DevProvider::hold_next). Dropping it opens it.
#[derive(Debug)]
#[must_use = "dropping the gate opens it"]
pub struct Hold {
    arrived: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Hold {
    /// Waits until a request has arrived at the gate.
    pub async fn arrived(&mut self) {
        if !self.arrived.is_terminated() {
            let _ = (&mut self.arrived).await;
        }
    }

    /// Opens the gate. The request is processed as if it had arrived now.
    pub fn release(self) {
        let _ = self.release.send(());
    }
}

/// The provider's side of a [`Hold`].
#[derive(Debug)]
pub(super) struct Gate {
    arrived: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

impl Gate {
    pub(super) fn with_hold() -> (Self, Hold) {
        let (arrived, arrival) = oneshot::channel();
        let (release, released) = oneshot::channel();
        (Self { arrived, released }, Hold { arrived: arrival, release })
    }

    pub(super) async fn wait(self) {
        let _ = self.arrived.send(());
        let _ = self.released.await;
    }
}

/// A request as an endpoint received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    pub(super) method: String,
    pub(super) path_and_query: String,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
}

impl RecordedRequest {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path and the query, unchanged.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The first value of a parameter of the query or the form, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All parameters in their order, decoded: those of the query, then those of the form.
    #[must_use]
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// The first value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The recorded requests of one endpoint, and the orders for future ones.
#[derive(Debug, Default)]
pub(super) struct EndpointState {
    pub(super) requests: u64,
    pub(super) last: Option<RecordedRequest>,
    pub(super) gates: VecDeque<Gate>,
    pub(super) failures: VecDeque<Failure>,
    pub(super) delay: Duration,
}

/// The records and orders of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Switches(HashMap<Endpoint, EndpointState>);

impl Switches {
    pub(super) fn endpoint_state(&mut self, endpoint: Endpoint) -> &mut EndpointState {
        self.0.entry(endpoint).or_default()
    }
}
