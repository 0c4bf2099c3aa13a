//! The authorization response (RFC 6749 section 4.1.2, RFC 9207, OAuth 2.0 Form Post Response
//! Mode).

use axum::response::Response;
use url::{Url, form_urlencoded};

use super::{
    authorize::{IncomingAuthorization, RequestedResponseMode, ReturnTo},
    client::ClientAuthKind,
    entra_issue,
    fault::{self, Fault},
    pages,
    quirk::Quirk,
    realm::Realm,
    reply,
    server::Server,
    spoil_callback::{self, ResponseParameters},
    state::{BrowserSession, Code, Interaction, IssuedGrant, ProviderState, unguessable},
    tenant::guid_of,
};
use crate::error::{Error, ErrorKind};

/// Sends the authorization response with a code.
pub(super) fn success(
    server: &Server,
    state: &mut ProviderState,
    pending: &Interaction,
) -> Result<Response, Error> {
    let request = &pending.request;
    let signed_in = pending
        .picked
        .clone()
        .or_else(|| state.browsers.find(&pending.browser).cloned())
        .ok_or_else(|| {
            Error::new(ErrorKind::Internal, "a request was finished with nobody signed in")
        })?;
    let (code, grant) = (unguessable()?, unguessable()?);
    let tenant = state
        .person(&signed_in.person)
        .and_then(|person| request.realm.tenant_of(server.entra.as_ref(), person));
    let mut parameters = vec![("code".to_owned(), code.clone())];
    parameters.extend(entra_parameters(server, state, request, &signed_in));
    state.grants.put(
        grant.clone(),
        IssuedGrant {
            client: request.client.clone(),
            person: signed_in.person.clone(),
            scopes: request.scopes.clone(),
            resources: request.resources.clone(),
            claims: request.claims.clone(),
            signed_in,
            revoked: false,
            realm: request.realm.clone(),
            tenant,
            // In Entra ID `auth_time` is an optional claim; a request with `max_age` gets it.
            tells_auth_time: request.max_age.is_some(),
            client_info: request.client_info,
            proof: ClientAuthKind::default(),
            fmi_path: None,
        },
    );
    state.codes.put(
        code.clone(),
        Code {
            grant,
            client: request.client.clone(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            nonce: request.nonce.clone(),
            expires: server.now() + state.lifetimes.code,
            used: false,
        },
    );
    Ok(send(server, state, &request.return_to(), parameters))
}

/// The parameters that Entra ID adds to a response with a code.
fn entra_parameters(
    server: &Server,
    state: &ProviderState,
    request: &IncomingAuthorization,
    signed_in: &BrowserSession,
) -> ResponseParameters {
    let (Some(entra), Some(person)) = (&server.entra, state.person(&signed_in.person)) else {
        return Vec::new();
    };
    let mut parameters = ResponseParameters::new();
    // Entra ID sends it only if the request has `client_info=1`, as those of MSAL do.
    if request.client_info {
        let client_info = entra_issue::client_info(entra, person, &request.realm);
        parameters.push(("client_info".to_owned(), client_info));
    }
    parameters.push(("session_state".to_owned(), guid_of(&["session", &signed_in.sid])));
    parameters
}

/// Sends an authorization response with an error.
pub(super) fn error(
    server: &Server,
    state: &mut ProviderState,
    to: &ReturnTo,
    fault: &Fault,
) -> Response {
    send(server, state, to, fault::parameters(server, &to.realm, fault))
}

/// Redirects the browser to the client with `parameters`, `state` and, except in Entra ID, `iss`.
fn send(
    server: &Server,
    state: &mut ProviderState,
    to: &ReturnTo,
    mut parameters: ResponseParameters,
) -> Response {
    // RFC 6749 sections 4.1.2 and 4.1.2.1: unchanged, and only if the request had one.
    if let Some(state) = &to.state {
        parameters.push(("state".into(), state.clone()));
    }
    for (name, value) in state.quirks.more_parameters() {
        if !parameters.iter().any(|(known, _)| *known == name) {
            parameters.push((name, value));
        }
    }
    // RFC 9207 section 2, in errors as well. Entra ID does not send it.
    if to.realm == Realm::Plain && !state.quirks.has(Quirk::NoResponseIssuer) {
        parameters.push(("iss".into(), server.issuer.clone()));
    }
    let mut mode = to.response_mode;
    if let Some(order) = state.spoils.callbacks.pop_front() {
        spoil_callback::carry_out(order, &mut parameters, &mut mode);
    }
    match mode {
        RequestedResponseMode::FormPost => pages::form_post(&to.redirect_uri, &parameters),
        RequestedResponseMode::Query | RequestedResponseMode::Fragment => {
            // The URI was compared as a string; it is parsed only here.
            let Ok(mut url) = Url::parse(&to.redirect_uri) else {
                return pages::problem(
                    http::StatusCode::BAD_REQUEST,
                    "The registered redirect_uri is not a URL.",
                );
            };
            // OAuth 2.0 Multiple Response Types section 2.1: encoded like a form, in the fragment.
            if mode == RequestedResponseMode::Fragment {
                let encoded = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(&parameters)
                    .finish();
                url.set_fragment(Some(&encoded));
            } else {
                url.query_pairs_mut().extend_pairs(&parameters);
            }
            reply::redirect(url.as_str())
        }
    }
}
