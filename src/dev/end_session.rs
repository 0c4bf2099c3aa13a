//! The end session endpoint (OpenID Connect RP-Initiated Logout).

use axum::response::Response;
use http::{Method, StatusCode};
use url::Url;

use super::{
    authorize,
    client::DevClient,
    jwt, pages,
    quirk::Quirk,
    reply,
    request::{EndpointRequest, Parameters},
    server::Server,
    state::ProviderState,
};
use crate::error::Error;

/// A checked logout request.
struct EndSessionRequest {
    /// The id of the user in `id_token_hint`.
    person: Option<String>,
    /// The redirect URI with `state`.
    to: Option<String>,
}

fn read(
    server: &Server,
    state: &ProviderState,
    parameters: &Parameters,
) -> Result<EndSessionRequest, &'static str> {
    // As at the authorization endpoint (RFC 6749 section 3.1).
    if parameters.repeated().is_some() {
        return Err("A parameter is there twice.");
    }
    // OpenID Connect RP-Initiated Logout section 2: the hint may have expired, but is an ID token
    // that this provider issued.
    let hint = match parameters.first("id_token_hint") {
        None => None,
        Some(hint) => Some(
            jwt::id_token_claims(state, hint)
                .ok_or("id_token_hint is not an ID token of this provider.")?,
        ),
    };
    let text = |name: &str| {
        hint.as_ref().and_then(|claims| claims.get(name)).and_then(|value| value.as_str())
    };
    // Section 2: `client_id` must be the client that the ID token was issued to.
    let named = match (parameters.first("client_id"), text("aud")) {
        (Some(id), Some(audience)) if id != audience => {
            return Err("client_id is not the client of id_token_hint.");
        }
        (id, audience) => id.or(audience),
    };
    let client: Option<&DevClient> = match named {
        None => None,
        Some(id) => Some(state.client(id).ok_or("This client_id is not registered here.")?),
    };
    let to = redirect(server, state, parameters, client)?;
    let person =
        parameters.first("id_token_hint").and_then(|hint| authorize::hinted(server, state, hint));
    Ok(EndSessionRequest { person, to })
}

/// The registered URI to which the browser returns, if the request names one.
fn redirect(
    server: &Server,
    state: &ProviderState,
    parameters: &Parameters,
    client: Option<&DevClient>,
) -> Result<Option<String>, &'static str> {
    let name =
        if state.quirks.has(Quirk::LogoutUri) { "logout_uri" } else { "post_logout_redirect_uri" };
    if name == "logout_uri"
        && (parameters.first("client_id").is_none() || parameters.first(name).is_none())
    {
        return Err("client_id or logout_uri is missing.");
    }
    match (parameters.first(name), client) {
        (None, _) => Ok(None),
        // Entra ID accepts the URIs of every application, and ignores an unregistered one.
        (Some(uri), None) if server.entra.is_some() => {
            let known = state.clients.iter().any(|client| client.may_sign_out_to(uri));
            known.then(|| with_state(uri, parameters)).transpose()
        }
        // Section 3: no redirect without a client that registered the URI.
        (Some(_), None) => Err("post_logout_redirect_uri needs id_token_hint or client_id."),
        (Some(uri), Some(client)) if client.may_sign_out_to(uri) => {
            with_state(uri, parameters).map(Some)
        }
        (Some(_), Some(_)) => {
            Err("This post_logout_redirect_uri is not registered for the client.")
        }
    }
}

/// The redirect URI with the request's `state`.
fn with_state(uri: &str, parameters: &Parameters) -> Result<String, &'static str> {
    let mut url = Url::parse(uri).map_err(|_| "post_logout_redirect_uri is not a URL.")?;
    if let Some(state) = parameters.first("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok(url.to_string())
}

/// Signs the browser out: at once if the hint matches the current user, otherwise after a
/// confirmation page.
pub(super) fn end_session(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let mut guard = server.state();
    let state = &mut *guard;
    let parameters = incoming.parameters();
    let request = match read(server, state, parameters) {
        Ok(request) => request,
        Err(problem) => return Ok(pages::problem(StatusCode::BAD_REQUEST, problem)),
    };
    let browser = incoming.cookie(&server.cookie_name()).unwrap_or_default().to_owned();
    let person = state
        .browsers
        .find(&browser)
        .and_then(|signed_in| state.person(&signed_in.person))
        .cloned();
    // Cross-site request forgery: only the form of this provider confirms.
    let confirmed = incoming.method == Method::POST
        && parameters.first("confirm") == Some("yes")
        && !incoming.is_from_elsewhere(server);
    if let Some(person) = person {
        // Section 2: the user is asked, unless the hint is an ID token of the current user.
        let proven = request.person.as_deref() == Some(person.id.as_str());
        if !proven && !confirmed && state.stand_in(&browser).is_none() {
            return Ok(pages::sign_out(&incoming.path, &person, parameters));
        }
        state.browsers.remove(&browser);
    }
    Ok(request.to.map_or_else(pages::signed_out, |to| reply::redirect(&to)))
}
