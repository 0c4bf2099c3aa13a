//! What happens between the request and the answer: pages, and the clicks on them.

use std::time::Duration;

use axum::response::Response;
use http::{StatusCode, header};

use super::{
    authorize::{Step, next_step},
    callback, pages,
    person::DevPerson,
    request::Incoming,
    server::Server,
    state::{Interaction, SignedIn, State, unguessable},
};
use crate::{error::Error, secret::base64url};

/// How long a page can be answered.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Takes the next steps: shows a page, or answers the client.
pub(super) fn proceed(server: &Server, state: &mut State, id: &str, mut pending: Interaction) -> Result<Response, Error> {
    loop {
        let step = next_step(state, &pending, server.now());
        if pending.request.prompts("none") {
            let refusal = match step {
                Step::SignIn => ("login_required", "nobody suitable is signed in in this browser"),
                Step::Consent(_) => ("consent_required", "the person has not agreed to every scope"),
                Step::Finish => return callback::success(server, state, &pending),
            };
            return Ok(callback::error(server, state, &pending.request.return_to(), refusal.0, refusal.1));
        }
        match (step, state.stand_in.clone()) {
            (Step::Finish, _) => return callback::success(server, state, &pending),
            (Step::SignIn, Some(person)) => sign_in(server, state, &mut pending, &person)?,
            (Step::Consent(scopes), Some(_)) => consent(state, &mut pending, &scopes),
            (Step::SignIn, None) => {
                let page = pages::picker(server, state, id, &pending.request);
                state.interactions.put(id.to_owned(), pending);
                return Ok(page);
            }
            (Step::Consent(scopes), None) => {
                let person = pending.picked.as_ref().or_else(|| state.browsers.find(&pending.browser));
                let name = person.and_then(|signed_in| state.person(&signed_in.person)).map(|person| person.name.clone());
                let page = pages::consent(server, id, &pending.request, &name.unwrap_or_default(), &scopes);
                state.interactions.put(id.to_owned(), pending);
                return Ok(page);
            }
        }
    }
}

/// Signs `person` in: in this browser, from now on, and for this request.
fn sign_in(server: &Server, state: &mut State, pending: &mut Interaction, person: &str) -> Result<(), Error> {
    let signed_in = SignedIn {
        person: person.to_owned(),
        auth_time: server.now(),
        acr: pending.request.acr_values.first().cloned(),
        sid: unguessable()?,
    };
    state.browsers.put(pending.browser.clone(), signed_in.clone());
    pending.picked = Some(signed_in);
    Ok(())
}

/// Remembers that the person of this request agreed.
fn consent(state: &mut State, pending: &mut Interaction, scopes: &[String]) {
    let person = pending.picked.as_ref().or_else(|| state.browsers.find(&pending.browser)).map(|who| who.person.clone());
    if let Some(person) = person {
        let client = &pending.request.client;
        state.consents.extend(scopes.iter().map(|scope| (person.clone(), client.clone(), scope.clone())));
    }
    pending.consented = true;
}

/// A click on one of the pages.
pub(super) fn answered(server: &Server, incoming: &Incoming) -> Result<Response, Error> {
    let refused = |text| Ok(pages::problem(StatusCode::FORBIDDEN, text));
    // The pages are answered from the same origin; browsers name it. What has no `Origin` is no browser of today.
    let host = incoming.header(header::HOST).unwrap_or_default();
    if incoming.header(header::ORIGIN).is_some_and(|origin| origin != format!("http://{host}")) {
        return refused("This can only be done from a page of this provider.");
    }
    let mut guard = server.state();
    let state = &mut *guard;
    let id = incoming.form.first("id").unwrap_or_default();
    let browser = incoming.cookie(&server.cookie_name());
    let found = state.interactions.find(id).filter(|pending| Some(pending.browser.as_str()) == browser);
    let Some(mut pending) = found.filter(|pending| server.now().since(pending.started) < PATIENCE).cloned() else {
        return refused(
            "This page is too old or belongs to another browser. Please go back to the application and sign in again.",
        );
    };
    match (incoming.form.first("decision"), incoming.form.first("person"), incoming.form.first("name")) {
        (Some("decline"), ..) => {
            let to = pending.request.return_to();
            return Ok(callback::error(server, state, &to, "access_denied", "the person declined"));
        }
        (Some("agree"), ..) => {
            if let Step::Consent(scopes) = next_step(state, &pending, server.now()) {
                consent(state, &mut pending, &scopes);
            }
        }
        (_, Some(person), _) if state.person(person).is_some() => sign_in(server, state, &mut pending, person)?,
        (_, _, Some(name)) => {
            let person = DevPerson::new(format!("person-{}", base64url(&crate::secret::random::<6>()?)), name.trim());
            let id = person.id.clone();
            state.people.push(person.with_note("Created here"));
            sign_in(server, state, &mut pending, &id)?;
        }
        _ => return refused("Nobody was chosen."),
    }
    let id = id.to_owned();
    proceed(server, state, &id, pending)
}
