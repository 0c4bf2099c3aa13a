//! The handling of a request: host check, counting, ordered delays and failures, routing.

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
    authorize, device, end_session, entra_metadata, entra_pages, fault, graph, interaction,
    metadata, pages,
    quirk::Quirk,
    realm::{self, Place},
    reply,
    request::EndpointRequest,
    state::ProviderState,
    switches::{Endpoint, Failure},
    tenant::EntraTenants,
    token, token_status, user_info,
    wire::CutSignal,
};
use crate::{
    clock::{Clock, UnixTime},
    error::Error,
};

/// The shared state of a running provider.
#[derive(Debug)]
pub(super) struct Server {
    /// Scheme, host and port of the provider's URLs: those of the listening address, or of a proxy
    /// in front of it.
    pub(super) origin: String,
    /// `http` or `https`, at the listening address.
    pub(super) scheme: &'static str,
    /// The issuer; in Entra ID that of the first tenant.
    pub(super) issuer: String,
    /// The tenants of the imitated Entra ID; `None` for a generic provider.
    pub(super) entra: Option<EntraTenants>,
    pub(super) address: SocketAddr,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<ProviderState>,
}

/// The listening address and the base URL.
#[derive(Debug)]
pub(super) struct ServerAddress {
    pub(super) address: SocketAddr,
    pub(super) scheme: &'static str,
    pub(super) base_url: Option<Url>,
}

impl Server {
    pub(super) fn new(
        site: ServerAddress,
        clock: Arc<dyn Clock>,
        entra: Option<EntraTenants>,
        state: ProviderState,
    ) -> Self {
        let ServerAddress { address, scheme, base_url } = site;
        let origin = base_url.map_or_else(
            || format!("{scheme}://{address}"),
            |url| url.origin().ascii_serialization(),
        );
        let first = entra.as_ref().and_then(|entra| entra.tenants.first());
        let slash = if state.quirks.has(Quirk::IssuerWithSlash) { "/" } else { "" };
        let issuer = first.map_or_else(
            || format!("{origin}{slash}"),
            |tenant| format!("{origin}/{}/v2.0", tenant.id),
        );
        Self { origin, scheme, issuer, entra, address, clock, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The absolute URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The name of the session cookie. It contains the port, because cookies do not separate ports
    /// (RFC 6265 section 8.5).
    pub(super) fn cookie_name(&self) -> String {
        format!("dev_provider_{}", self.address.port())
    }

    /// An origin whose host begins with this label, for the issuers of External ID:
    /// `{label}.localhost` on loopback.
    pub(super) fn subdomain(&self, label: &str) -> String {
        let Some(url) = Url::parse(&self.origin).ok() else { return self.origin.clone() };
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            _ => "localhost".to_owned(),
        };
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}://{label}.{host}{port}", url.scheme())
    }

    /// Whether `Host` is a loopback name, the base URL's host or a subdomain of it. In a DNS
    /// rebinding attack a web page whose name resolves to this machine sends its own name.
    fn is_own_host(&self, host: &str) -> bool {
        let Ok(url) = Url::parse(&format!("{}://{host}/", self.scheme)) else { return false };
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // `Host` has the port that the client connected to: a request with another one was not
        // meant for this server.
        let own = loopback
            && url.port_or_known_default() == Some(self.address.port())
            && url.username().is_empty();
        own || self.is_base_host(host)
    }

    /// Whether a `Host` is that of the base URL, or a subdomain of it.
    fn is_base_host(&self, host: &str) -> bool {
        let authority = self.origin.split_once("://").map_or("", |(_, authority)| authority);
        host == authority || host.strip_suffix(authority).is_some_and(|label| label.ends_with('.'))
    }

    /// Whether a page of this provider sent the request: `Origin` is the origin of its `Host` or of
    /// the base URL.
    pub(super) fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        origin == self.origin || origin == format!("{}://{host}", self.scheme)
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

/// Handles a request.
pub(super) async fn answer(
    Shared(server): Shared<Arc<Server>>,
    ConnectInfo(cut_signal): ConnectInfo<CutSignal>,
    request: Request<Body>,
) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !server.is_own_host(host) {
        return pages::problem(
            StatusCode::MISDIRECTED_REQUEST,
            "This provider answers on loopback names and on its base URL only.",
        );
    }
    let mut incoming = match EndpointRequest::read(request).await {
        Ok(incoming) => incoming,
        Err(status) => return pages::problem(status, "The request is too large."),
    };
    let (realm, place) = realm::route(&server, &incoming.path);
    incoming.realm = realm;
    // A preflight is a request of the browser itself, so it uses up no order of a test.
    let failure = match place.endpoint().filter(|_| incoming.method != Method::OPTIONS) {
        Some(endpoint) => apply_orders(&server, endpoint, &incoming).await,
        None => None,
    };
    let response = match failure {
        // The request has no effect, and its connection ends.
        Some(Failure::Disconnect) => {
            cut_signal.cut();
            reply::empty(StatusCode::OK)
        }
        // The request has its effect: a code is used, a refresh token rotated. Only the response
        // is lost.
        Some(Failure::LoseAnswer) => {
            let _ = respond(&server, place, &incoming);
            cut_signal.cut();
            reply::empty(StatusCode::OK)
        }
        Some(failure) if matches!(place, Place::Graph) => graph::failure(&failure),
        Some(failure) => reply::failure(&failure),
        None => respond(&server, place, &incoming),
    };
    cross_origin(place, &incoming, response)
}

/// Adds the CORS headers for browser-based applications (Fetch standard, section 3.3). Every origin
/// is allowed: these resources use no cookies, so the page learns nothing that it could not
/// request itself.
fn cross_origin(place: Place, incoming: &EndpointRequest, mut response: Response) -> Response {
    if place.is_for_scripts() && incoming.headers.contains_key(header::ORIGIN) {
        reply::set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    response
}

/// The response to a CORS preflight request.
fn preflight(allow: &str, incoming: &EndpointRequest) -> Response {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    reply::set(&mut response, header::ALLOW, allow);
    if let Some(headers) = incoming.header(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        reply::set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, allow);
        reply::set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    }
    response
}

/// Records the request, applies ordered gates and delays, and returns the ordered failure.
async fn apply_orders(
    server: &Server,
    endpoint: Endpoint,
    incoming: &EndpointRequest,
) -> Option<Failure> {
    // The lock ends with the block: a request that waits must not stop the others.
    let (gate, delay, failure) = {
        let mut state = server.state();
        let endpoint_state = state.switches.endpoint_state(endpoint);
        endpoint_state.requests += 1;
        endpoint_state.last = Some(incoming.record());
        (
            endpoint_state.gates.pop_front(),
            endpoint_state.delay,
            endpoint_state.failures.pop_front(),
        )
    };
    if let Some(gate) = gate {
        gate.wait().await;
    }
    // After the lock has ended, so that a slow endpoint delays no other.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    failure
}

fn respond(server: &Server, place: Place, incoming: &EndpointRequest) -> Response {
    dispatch(server, place, incoming).unwrap_or_else(|error| {
        pages::problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("The provider failed: {error}."))
    })
}

/// The handler of an endpoint.
type EndpointHandler = fn(&Server, &EndpointRequest) -> Result<Response, Error>;

fn dispatch(server: &Server, place: Place, incoming: &EndpointRequest) -> Result<Response, Error> {
    let (allowed, answer): (&[Method], EndpointHandler) = match place {
        Place::Home => (&[Method::GET, Method::POST], pages::home),
        Place::Discovery => (&[Method::GET], metadata::discovery),
        Place::Keys => (&[Method::GET], metadata::keys),
        Place::Authorize => (&[Method::GET, Method::POST], authorize::authorize),
        Place::Interaction => (&[Method::POST], interaction::answered),
        Place::Token => (&[Method::POST], |s, i| fault::responded(s, i, token::token(s, i))),
        Place::DeviceAuthorization => {
            (&[Method::POST], |s, i| fault::responded(s, i, device::authorize(s, i)))
        }
        Place::DevicePage => (&[Method::GET, Method::POST], device::page),
        Place::UserInfo => (&[Method::GET, Method::POST], user_info::user_info),
        Place::EndSession => (&[Method::GET, Method::POST], end_session::end_session),
        Place::Revoke => {
            (&[Method::POST], |s, i| fault::responded(s, i, token_status::revoke(s, i)))
        }
        Place::Introspect => {
            (&[Method::POST], |s, i| fault::responded(s, i, token_status::introspect(s, i)))
        }
        Place::Graph => (&[Method::GET, Method::POST], graph::graph),
        Place::InstanceDiscovery => (&[Method::GET], entra_metadata::instances),
        Place::UserRealm => (&[Method::GET], entra_metadata::user_realm),
        Place::ErrorPage => (&[Method::GET], entra_pages::error),
        Place::Nothing => {
            return Ok(pages::problem(StatusCode::NOT_FOUND, "There is nothing at this address."));
        }
    };
    if allowed.contains(&incoming.method) {
        return answer(server, incoming);
    }
    let mut names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    // RFC 9110 section 9.3.2: HEAD is GET without the body, which the server leaves out.
    if allowed.contains(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let allow = names.join(", ");
    if incoming.method == Method::OPTIONS {
        return Ok(preflight(&allow, incoming));
    }
    let mut response =
        pages::problem(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.");
    reply::set(&mut response, header::ALLOW, &allow);
    Ok(response)
}
