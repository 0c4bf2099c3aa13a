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
    authorize, device, end_session, graph, interaction, metadata, pages,
    realm::{self, Place},
    reply,
    request::Incoming,
    state::State,
    switches::{Endpoint, Failure},
    tenant::World,
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
    /// Scheme, host and port.
    pub(super) origin: String,
    /// The issuer; in Entra that of the first tenant.
    pub(super) issuer: String,
    /// The imitated Entra, if it is one.
    pub(super) world: Option<World>,
    pub(super) address: SocketAddr,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Server {
    pub(super) fn new(address: SocketAddr, clock: Arc<dyn Clock>, world: Option<World>, state: State) -> Self {
        let origin = format!("http://{address}");
        let first = world.as_ref().and_then(|world| world.tenants.first());
        let issuer = first.map_or_else(|| origin.clone(), |tenant| format!("{origin}/{}/v2.0", tenant.id));
        Self { origin, issuer, world, address, clock, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The absolute address of a path of ours.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
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
    pub(in crate::dev) const DEVICE_AUTHORIZATION: &str = "/device-authorization";
    pub(in crate::dev) const DEVICE: &str = "/device";
    pub(in crate::dev) const USER_INFO: &str = "/userinfo";
    pub(in crate::dev) const END_SESSION: &str = "/end-session";
    pub(in crate::dev) const REVOKE: &str = "/revoke";
    pub(in crate::dev) const INTROSPECT: &str = "/introspect";
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
    let mut incoming = match Incoming::read(request).await {
        Ok(incoming) => incoming,
        Err(status) => return pages::problem(status, "The request is too large."),
    };
    let (realm, place) = realm::route(&server, &incoming.path);
    incoming.realm = realm;
    let failure = match place.endpoint() {
        Some(endpoint) => pass_desk(&server, endpoint, &incoming).await,
        None => None,
    };
    match failure {
        Some(Failure::Disconnect) => {
            scissors.cut();
            reply::empty(StatusCode::OK)
        }
        Some(Failure::LoseAnswer) => {
            let _ = respond(&server, place, &incoming);
            scissors.cut();
            reply::empty(StatusCode::OK)
        }
        Some(failure) => reply::failure(&failure),
        None => respond(&server, place, &incoming),
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

fn respond(server: &Server, place: Place, incoming: &Incoming) -> Response {
    dispatch(server, place, incoming)
        .unwrap_or_else(|error| pages::problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("The provider failed: {error}.")))
}

/// What answers at one address.
type Answer = fn(&Server, &Incoming) -> Result<Response, Error>;

fn dispatch(server: &Server, place: Place, incoming: &Incoming) -> Result<Response, Error> {
    let (allowed, answer): (&[Method], Answer) = match place {
        Place::Home => (&[Method::GET, Method::POST], pages::home),
        Place::Discovery => (&[Method::GET], metadata::discovery),
        Place::Keys => (&[Method::GET], metadata::keys),
        Place::Authorize => (&[Method::GET, Method::POST], authorize::authorize),
        Place::Interaction => (&[Method::POST], interaction::answered),
        Place::Token => (&[Method::POST], token::token),
        Place::DeviceAuthorization => (&[Method::POST], device::authorize),
        Place::DevicePage => (&[Method::GET, Method::POST], device::page),
        Place::UserInfo => (&[Method::GET, Method::POST], user_info::user_info),
        Place::EndSession => (&[Method::GET, Method::POST], end_session::end_session),
        Place::Revoke => (&[Method::POST], token_status::revoke),
        Place::Introspect => (&[Method::POST], token_status::introspect),
        Place::Graph => (&[Method::GET, Method::POST], graph::graph),
        Place::Nothing => return Ok(pages::problem(StatusCode::NOT_FOUND, "There is nothing at this address.")),
    };
    if allowed.contains(&incoming.method) {
        answer(server, incoming)
    } else {
        Ok(pages::problem(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method."))
    }
}
