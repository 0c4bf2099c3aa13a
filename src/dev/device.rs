//! Device authorization (RFC 8628): the device code, the user code, and the page on which the user
//! enters it.

use std::time::Duration;

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    client::DevClient,
    client_auth, entra_issue, entra_token,
    fault::{Fault, Refused},
    grants, issue, pages,
    person::DevPerson,
    realm::Realm,
    reply,
    request::EndpointRequest,
    resource,
    server::Server,
    state::{BrowserSession, IssuedGrant, ProviderState, unguessable},
    token::TokenResult,
};
use crate::{clock::UnixTime, error::Error, secret::random};

const LIFE: Duration = Duration::from_secs(900);
const INTERVAL: u64 = 5;
/// Letters that are not easily confused (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// The state of a device authorization request.
#[derive(Clone, Debug)]
pub(super) enum DeviceDecision {
    Pending,
    Declined,
    Agreed(BrowserSession),
}

/// A device authorization request.
#[derive(Clone, Debug)]
pub(super) struct Device {
    user_code: String,
    pub(super) client: String,
    pub(super) scopes: Vec<String>,
    resources: Vec<String>,
    realm: Realm,
    expires: UnixTime,
    interval: u64,
    polled: Option<UnixTime>,
    pub(super) outcome: DeviceDecision,
}

/// Handles a device authorization request (RFC 8628 section 3.1).
pub(super) fn authorize(server: &Server, incoming: &EndpointRequest) -> Result<Response, Refused> {
    let form = incoming.posted_form()?;
    let mut guard = server.state();
    let state = &mut *guard;
    let client = client(server, state, incoming)?;
    // RFC 8628 section 3.1 makes `scope` optional; a request of an OpenID Connect client has one.
    let scopes = form.list("scope");
    if scopes.is_empty() {
        return Err(Fault::new("invalid_request", "scope is missing").into());
    }
    let resources = resource::named(form)?;
    let (device_code, user_code) = (unguessable()?, user_code()?);
    let device = Device {
        user_code: user_code.clone(),
        client: client.id,
        scopes,
        resources,
        realm: incoming.realm.clone(),
        expires: server.now() + LIFE,
        interval: INTERVAL,
        polled: None,
        outcome: DeviceDecision::Pending,
    };
    state.devices.put(device_code.clone(), device);
    let body = response(server, &incoming.realm, &device_code, &user_code);
    Ok(reply::private_json(StatusCode::OK, &body))
}

/// The client of a device authorization request.
fn client(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
) -> Result<DevClient, Fault> {
    // Entra ID requires no client authentication at this endpoint; elsewhere it is that of the
    // token endpoint (RFC 8628 section 3.1).
    let named = incoming.form.first("client_id").filter(|_| incoming.realm != Realm::Plain);
    let named = named.and_then(|id| state.client(id));
    match named.filter(|client| client.is_known_in(&incoming.realm)).cloned() {
        Some(client) => Ok(client),
        None => client_auth::authenticate(server, state, incoming),
    }
}

/// A new user code: two groups of four letters.
fn user_code() -> Result<String, Error> {
    let letters = random::<8>()?
        .map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().unwrap_or(b'B'));
    let letters = String::from_utf8_lossy(&letters).into_owned();
    Ok(letters.split_at_checked(4).map_or_else(|| letters.clone(), |(a, b)| format!("{a}-{b}")))
}

/// The device authorization response (RFC 8628 section 3.2).
fn response(server: &Server, realm: &Realm, device_code: &str, user_code: &str) -> Value {
    let page = server.url("/device");
    let mut body = json!({
        "device_code": device_code, "user_code": user_code, "verification_uri": page,
        "expires_in": LIFE.as_secs(), "interval": INTERVAL,
    });
    if let Some(members) = body.as_object_mut() {
        // Entra ID sends a sentence for the user instead of a URL that contains the code.
        let (name, value) = match realm {
            Realm::Plain => ("verification_uri_complete", format!("{page}?user_code={user_code}")),
            _ => (
                "message",
                format!("To sign in, open {page} in a browser and enter the code {user_code}."),
            ),
        };
        members.insert(name.to_owned(), value.into());
    }
    body
}

/// Handles a token request with a device code (RFC 8628 sections 3.4 and 3.5).
pub(super) fn redeem(
    server: &Server,
    state: &mut ProviderState,
    client: &DevClient,
    incoming: &EndpointRequest,
) -> TokenResult {
    // Version 1.0 of Entra ID's endpoint names the parameter `code`.
    let old = incoming.form.first("code").filter(|_| incoming.realm != Realm::Plain);
    let Some(code) = incoming.form.first("device_code").or(old) else {
        return Err(Fault::new("invalid_request", "device_code is missing").into());
    };
    // RFC 8628 section 3.4: the code belongs to the client that requested it.
    let known = state
        .devices
        .find_mut(code)
        .filter(|device| device.client == client.id && incoming.realm.takes_from(&device.realm));
    let Some(device) = known else {
        return Err(Fault::new("invalid_grant", "the device code is unknown").entra(70_000).into());
    };
    let signed_in = poll(device, server.now())?;
    let device = device.clone();
    // Like an authorization code, a device code is redeemed once.
    state.devices.remove(code);
    let tenant = state
        .person(&signed_in.person)
        .and_then(|person| device.realm.tenant_of(server.entra.as_ref(), person));
    let person = signed_in.person.clone();
    let grant = IssuedGrant {
        resources: device.resources,
        signed_in,
        client_info: incoming.form.first("client_info") == Some("1"),
        ..grants::grant(server, client, &person, &device.realm, tenant, device.scopes)?
    };
    let id = unguessable()?;
    state.grants.put(id.clone(), grant.clone());
    Ok(match &grant.tenant {
        None => issue::token_answer(server, state, &id, &grant, None)?,
        Some(tenant) => entra_token::first_answer(server, state, &id, &grant, tenant, None)?,
    })
}

/// The user who consented, or the error that the device gets for now (RFC 8628 section 3.5).
fn poll(device: &mut Device, now: UnixTime) -> Result<BrowserSession, Fault> {
    // Section 3.5: the request has to begin again with a new device authorization.
    if now >= device.expires {
        return Err(Fault::new("expired_token", "the device code has expired").entra(70_020));
    }
    let interval = Duration::from_secs(device.interval);
    let is_early = device.polled.is_some_and(|before| now.since(before) < interval);
    device.polled = Some(now);
    match &device.outcome {
        DeviceDecision::Pending if is_early => {
            // Section 3.5: the interval grows by five seconds for this and all later requests.
            device.interval += INTERVAL;
            let description = "the device asks too often: five seconds more from now on";
            Err(Fault::new("slow_down", description).entra(70_016))
        }
        DeviceDecision::Pending => {
            Err(Fault::new("authorization_pending", "the user has not decided yet").entra(70_016))
        }
        DeviceDecision::Declined => {
            // Entra ID has an error of its own.
            let error = match device.realm {
                Realm::Plain => "access_denied",
                _ => "authorization_declined",
            };
            Err(Fault::new(error, "the person declined").entra(70_018))
        }
        DeviceDecision::Agreed(signed_in) => Ok(signed_in.clone()),
    }
}

/// The page for the user code, and its form.
pub(super) fn page(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let mut guard = server.state();
    let state = &mut *guard;
    let parameters = incoming.parameters();
    let typed = parameters.first("user_code").unwrap_or_default().trim().to_ascii_uppercase();
    if incoming.method == Method::GET {
        return Ok(pages::device(state, &typed));
    }
    // Cross-site request forgery: another site could consent for the user.
    if incoming.is_from_elsewhere(server) {
        return Ok(pages::from_elsewhere());
    }
    let answer = parameters.first("person").map(ToOwned::to_owned);
    match decide(server, state, &typed, answer.as_deref())? {
        Ok(true) => {
            Ok(pages::message("You are signed in on your device", "You can close this page."))
        }
        Ok(false) => Ok(pages::message("You have declined", "You can close this page.")),
        Err(problem) => Ok(pages::problem(StatusCode::BAD_REQUEST, problem)),
    }
}

/// The letters of a user code in upper case, without separators (RFC 8628 section 6.1).
fn letters_of(user_code: &str) -> String {
    user_code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

impl Device {
    /// Whether this is the code of the request, in any way of writing it.
    pub(super) fn has_code(&self, typed: &str) -> bool {
        letters_of(&self.user_code) == letters_of(typed)
    }
}

/// Stores the user's decision: the consenting user, or `None` for a refusal.
pub(super) fn decide(
    server: &Server,
    state: &mut ProviderState,
    user_code: &str,
    person: Option<&str>,
) -> Result<Result<bool, &'static str>, Error> {
    let now = server.now();
    let waiting = |device: &&mut Device| {
        device.has_code(user_code)
            && now < device.expires
            && matches!(device.outcome, DeviceDecision::Pending)
    };
    let known: Option<DevPerson> = person.and_then(|person| state.person(person)).cloned();
    let signed_in = BrowserSession::new(person.unwrap_or_default(), now)?;
    let Some(device) = state.devices.values_mut().find(waiting) else {
        return Ok(Err("This code is unknown or too old."));
    };
    if person.is_none() {
        device.outcome = DeviceDecision::Declined;
        return Ok(Ok(false));
    }
    let Some(known) = known else { return Ok(Err("There is no such person.")) };
    if device.realm != Realm::Plain
        && device.realm.tenant_of(server.entra.as_ref(), &known).is_none()
    {
        return Ok(Err("AADSTS50020: this account cannot sign in there."));
    }
    // The confirmation on the page is the consent (RFC 8628 section 3.3).
    device.outcome = DeviceDecision::Agreed(signed_in);
    let (client, scopes) = (device.client.clone(), device.scopes.clone());
    for scope in scopes {
        let scope = entra_issue::consent_key(server, &scope);
        state.consents.insert((known.id.clone(), client.clone(), scope));
    }
    Ok(Ok(true))
}
