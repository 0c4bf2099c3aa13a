//! From a connection to an answer: host check, counting, waiting, failing, routing.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State as Shared},
    response::Response,
};
use http::{Method, StatusCode, header};
use url::{Host, Url};

use super::{
    authorize, end_session, interaction, metadata, pages, reply,
    request::Incoming,
    state::State,
    switches::{Endpoint, Failure},
    token, token_status, user_info,
    wire::Scissors,
};
use crate::{
    clock::{Clock, UnixTime},
    error::Error,
};

/// One running provider.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) address: SocketAddr,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Server {
    pub(super) fn new(address: SocketAddr, clock: Arc<dyn Clock>, state: State) -> Self {
        Self { issuer: format!("http://{address}"), address, clock, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The absolute address of a path of ours.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The name of the cookie that a browser is known by. Ports share cookies, hence the port in it.
    pub(super) fn cookie_name(&self) -> String {
        format!("dev_provider_{}", self.address.port())
    }

    /// Whether a request came by a loopback name of ours. A page of the internet whose name was made to point at this machine (DNS
    /// rebinding) sends its own name.
    fn is_own_host(&self, host: &str) -> bool {
        let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        loopback && url.port_or_known_default() == Some(self.address.port()) && url.username().is_empty()
    }
}

/// The paths of the endpoints.
pub(super) mod path {
    pub(in crate::dev) const DISCOVERY: &str = "/.well-known/openid-configuration";
    pub(in crate::dev) const OAUTH_DISCOVERY: &str = "/.well-known/oauth-authorization-server";
    pub(in crate::dev) const KEYS: &str = "/keys";
    pub(in crate::dev) const AUTHORIZE: &str = "/authorize";
    pub(in crate::dev) const INTERACTION: &str = "/interaction";
    pub(in crate::dev) const TOKEN: &str = "/token";
    pub(in crate::dev) const USER_INFO: &str = "/userinfo";
    pub(in crate::dev) const END_SESSION: &str = "/end-session";
    pub(in crate::dev) const REVOKE: &str = "/revoke";
    pub(in crate::dev) const INTROSPECT: &str = "/introspect";
}

fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        path::DISCOVERY | path::OAUTH_DISCOVERY => Some(Endpoint::Discovery),
        path::KEYS => Some(Endpoint::Keys),
        path::AUTHORIZE => Some(Endpoint::Authorization),
        path::TOKEN => Some(Endpoint::Token),
        path::USER_INFO => Some(Endpoint::UserInfo),
        path::END_SESSION => Some(Endpoint::EndSession),
        path::REVOKE => Some(Endpoint::Revocation),
        path::INTROSPECT => Some(Endpoint::Introspection),
        _ => None,
    }
}

/// Answers one request.
pub(super) async fn answer(
    Shared(server): Shared<Arc<Server>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request<Body>,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !server.is_own_host(host) {
        return pages::problem(StatusCode::MISDIRECTED_REQUEST, "This provider answers on loopback names only.");
    }
    let incoming = match Incoming::read(request).await {
        Ok(incoming) => incoming,
        Err(status) => return pages::problem(status, "The request is too large."),
    };
    let failure = match endpoint(&incoming.path) {
        Some(endpoint) => pass_desk(&server, endpoint, &incoming).await,
        None => None,
    };
    match failure {
        Some(Failure::Disconnect) => {
            scissors.cut();
            reply::empty(StatusCode::OK)
        }
        Some(Failure::LoseAnswer) => {
            let _ = respond(&server, &incoming);
            scissors.cut();
            reply::empty(StatusCode::OK)
        }
        Some(failure) => reply::failure(&failure),
        None => respond(&server, &incoming),
    }
}

/// Counts the request, lets it wait where it has to, and tells how it is to fail.
async fn pass_desk(server: &Server, endpoint: Endpoint, incoming: &Incoming) -> Option<Failure> {
    let (gate, delay, failure) = {
        let mut state = server.state();
        let desk = state.switches.desk(endpoint);
        desk.requests += 1;
        desk.last = Some(incoming.record());
        (desk.gates.pop_front(), desk.delay, desk.failures.pop_front())
    };
    if let Some(gate) = gate {
        gate.wait().await;
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    failure
}

fn respond(server: &Server, incoming: &Incoming) -> Response {
    dispatch(server, incoming)
        .unwrap_or_else(|error| pages::problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("The provider failed: {error}.")))
}

/// What answers at one address.
type Answer = fn(&Server, &Incoming) -> Result<Response, Error>;

fn dispatch(server: &Server, incoming: &Incoming) -> Result<Response, Error> {
    let (allowed, answer): (&[Method], Answer) = match incoming.path.as_str() {
        "/" => (&[Method::GET], pages::home),
        path::DISCOVERY | path::OAUTH_DISCOVERY => (&[Method::GET], metadata::discovery),
        path::KEYS => (&[Method::GET], metadata::keys),
        path::AUTHORIZE => (&[Method::GET, Method::POST], authorize::authorize),
        path::INTERACTION => (&[Method::POST], interaction::answered),
        path::TOKEN => (&[Method::POST], token::token),
        path::USER_INFO => (&[Method::GET, Method::POST], user_info::user_info),
        path::END_SESSION => (&[Method::GET, Method::POST], end_session::end_session),
        path::REVOKE => (&[Method::POST], token_status::revoke),
        path::INTROSPECT => (&[Method::POST], token_status::introspect),
        _ => return Ok(pages::problem(StatusCode::NOT_FOUND, "There is nothing at this address.")),
    };
    if allowed.contains(&incoming.method) {
        answer(server, incoming)
    } else {
        Ok(pages::problem(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method."))
    }
}
