//! The authorization response (RFC 6749 section 4.1.2, RFC 9207, OAuth 2.0 Form Post Response Mode).

use axum::response::Response;
use url::Url;

use super::{
    authorize::{ResponseMode, ReturnTo},
    pages, reply,
    server::Server,
    spoil_callback::{self, Parameters},
    state::{Code, Grant, Interaction, State, unguessable},
};
use crate::error::{Error, ErrorKind};

/// Issues the code.
pub(super) fn success(server: &Server, state: &mut State, pending: &Interaction) -> Result<Response, Error> {
    let request = &pending.request;
    let signed_in = pending
        .picked
        .clone()
        .or_else(|| state.browsers.find(&pending.browser).cloned())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a request was finished with nobody signed in"))?;
    let (code, grant) = (unguessable()?, unguessable()?);
    state.grants.put(
        grant.clone(),
        Grant {
            client: request.client.clone(),
            person: signed_in.person.clone(),
            scopes: request.scopes.clone(),
            signed_in,
            revoked: false,
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
            expires: server.now() + state.lives.code,
            used: false,
        },
    );
    Ok(send(server, state, &request.return_to(), vec![("code".into(), code)]))
}

/// Tells the client that there is no code.
pub(super) fn error(server: &Server, state: &mut State, to: &ReturnTo, error: &str, description: &str) -> Response {
    let parameters = vec![("error".into(), error.into()), ("error_description".into(), description.into())];
    send(server, state, to, parameters)
}

/// Sends the browser back with `parameters`, `state` and `iss`.
fn send(server: &Server, state: &mut State, to: &ReturnTo, mut parameters: Parameters) -> Response {
    if let Some(state) = &to.state {
        parameters.push(("state".into(), state.clone()));
    }
    parameters.push(("iss".into(), server.issuer.clone()));
    let mut mode = to.response_mode;
    if let Some(order) = state.spoils.callbacks.pop_front() {
        spoil_callback::carry_out(order, &mut parameters, &mut mode);
    }
    match mode {
        ResponseMode::FormPost => pages::form_post(&to.redirect_uri, &parameters),
        ResponseMode::Query => {
            // A registered address is a URL; parsed only now, because it is compared as a string.
            let Ok(mut url) = Url::parse(&to.redirect_uri) else {
                return pages::problem(http::StatusCode::BAD_REQUEST, "The registered redirect_uri is not a URL.");
            };
            url.query_pairs_mut().extend_pairs(&parameters);
            reply::redirect(url.as_str())
        }
    }
}
