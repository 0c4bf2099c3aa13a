//! The pages between the authorization request and its response, and the forms on them.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;

use super::{
    authorize::{InteractionStep, next_step},
    callback, entra_issue, entra_pages,
    fault::{self, Fault},
    pages,
    person::DevPerson,
    realm::{Audience, Realm},
    request::{EndpointRequest, Parameters},
    server::Server,
    state::{BrowserSession, Interaction, ProviderState, unguessable},
};
use crate::{error::Error, secret::base64url};

/// The lifetime of a page.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Performs the next steps: shows a page, or sends the authorization response.
pub(super) fn proceed(
    server: &Server,
    state: &mut ProviderState,
    id: &str,
    mut pending: Interaction,
) -> Result<Response, Error> {
    loop {
        let Some(step) = next_step(server, state, &pending, server.now()) else {
            return callback::success(server, state, &pending);
        };
        // OpenID Connect Core section 3.1.2.1: with `prompt=none` no page may be shown.
        if pending.request.prompts("none") {
            let fault = silent_fault(&step, &pending);
            return Ok(callback::error(server, state, &pending.request.return_to(), &fault));
        }
        let Some(person) = state.stand_in(&pending.browser).map(ToOwned::to_owned) else {
            let page = page(server, state, id, &pending, &step);
            state.interactions.put(id.to_owned(), pending);
            return Ok(page);
        };
        if let Some(failure) = step_without_page(server, state, &mut pending, &step, &person)? {
            return Ok(failure);
        }
    }
}

/// Performs a step as the user who is signed in automatically: the response if the step fails.
fn step_without_page(
    server: &Server,
    state: &mut ProviderState,
    pending: &mut Interaction,
    step: &InteractionStep,
    person: &str,
) -> Result<Option<Response>, Error> {
    let fault = match step {
        InteractionStep::SignIn => return sign_in_or_page(server, state, pending, person),
        InteractionStep::Edit => {
            pending.edited = true;
            return Ok(None);
        }
        InteractionStep::Consent(scopes) if needs_administrator(server, state, pending, scopes) => {
            no_administrator()
        }
        InteractionStep::Consent(_) if state.refused_consents > 0 => {
            state.refused_consents -= 1;
            declined(server, state, pending, Some(step), "decline")
        }
        InteractionStep::Consent(scopes) => {
            consent(server, state, pending, scopes, false);
            return Ok(None);
        }
    };
    Ok(Some(callback::error(server, state, &pending.request.return_to(), &fault)))
}

/// The page on which the user performs a step.
fn page(
    server: &Server,
    state: &ProviderState,
    id: &str,
    pending: &Interaction,
    step: &InteractionStep,
) -> Response {
    let request = &pending.request;
    let person = person_of(state, pending);
    let name = person.map(|person| person.name.as_str()).unwrap_or_default();
    match step {
        InteractionStep::SignIn => match request.realm {
            Realm::B2c { .. } => entra_pages::b2c(server, state, id, request),
            _ => pages::picker(server, state, id, request),
        },
        InteractionStep::Consent(scopes) if needs_administrator(server, state, pending, scopes) => {
            entra_pages::no_administrator(id, request, scopes)
        }
        InteractionStep::Consent(scopes) => {
            let is_administrator = person.is_some_and(|person| person.administrator);
            // Only Entra ID has consent for a whole tenant.
            let for_all = is_administrator && server.entra.is_some();
            pages::consent(id, request, name, scopes, for_all)
        }
        InteractionStep::Edit => entra_pages::edit(id, name),
    }
}

/// The error for `prompt=none` if a page is needed (OpenID Connect Core section 3.1.2.6).
fn silent_fault(step: &InteractionStep, pending: &Interaction) -> Fault {
    let b2c = matches!(pending.request.realm, Realm::B2c { .. });
    match step {
        // B2C has one error for every page that would be needed.
        _ if b2c => Fault::new(
            "interaction_required",
            "no user is signed in, and the request has prompt=none",
        )
        .b2c(90_077),
        // Each error of the section names the page that would be needed.
        InteractionStep::Consent(_) => {
            Fault::new("consent_required", "the person has not agreed to every scope")
        }
        _ if !pending.request.claims.contexts.is_empty() => Fault::new(
            "interaction_required",
            "the sign-in was not strong enough for what is asked",
        )
        .entra(50_076),
        _ => Fault::new("login_required", "no suitable user is signed in in this browser"),
    }
}

/// The user who is signed in in the browser of this request.
fn person_of<'a>(state: &'a ProviderState, pending: &Interaction) -> Option<&'a DevPerson> {
    let who = pending.picked.as_ref().or_else(|| state.browsers.find(&pending.browser))?;
    state.person(&who.person)
}

/// Whether a scope needs the consent of an administrator and the user is not one.
fn needs_administrator(
    server: &Server,
    state: &ProviderState,
    pending: &Interaction,
    scopes: &[String],
) -> bool {
    let Some(client) = state.client(&pending.request.client).filter(|_| server.entra.is_some())
    else {
        return false;
    };
    !person_of(state, pending).is_some_and(|person| person.administrator)
        && scopes.iter().any(|scope| client.admin_scopes.contains(scope))
}

fn no_administrator() -> Fault {
    Fault::new("access_denied", "only an administrator can consent to this")
        .entra(90_094)
        .cancelled()
}

/// Signs a user in, in this browser and for this request. A user without an account in the
/// requested tenant gets an error page.
fn sign_in(
    server: &Server,
    state: &mut ProviderState,
    pending: &mut Interaction,
    person: &str,
) -> Result<Option<Fault>, Error> {
    let realm = &pending.request.realm;
    let mut is_new = false;
    if let (Some(known), Some(_)) = (state.person(person), &server.entra) {
        let tenant = realm.tenant_of(server.entra.as_ref(), known);
        let client = state.client(&pending.request.client);
        if tenant.is_none_or(|tenant| client.is_some_and(|client| !client.serves(&tenant))) {
            let description = format!(
                "the account {} cannot sign in here: it does not exist in the tenant",
                known.username
            );
            return Ok(Some(Fault::new("invalid_request", description).entra(50_020).b2c(90_053)));
        }
        is_new = known.is_new;
    }
    // Contexts of an earlier sign-in of the same person stay satisfied.
    let before = state.browsers.find(&pending.browser).filter(|before| before.person == person);
    let mut contexts = before.map(|before| before.contexts.clone()).unwrap_or_default();
    contexts.extend(
        pending
            .request
            .claims
            .contexts
            .iter()
            .filter(|context| !contexts.contains(context))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let signed_in = BrowserSession {
        person: person.to_owned(),
        auth_time: server.now(),
        // The values are in order of preference (OpenID Connect Core section 3.1.2.1).
        acr: pending.request.acr_values.first().cloned(),
        sid: unguessable()?,
        contexts,
        is_new,
    };
    // `newUser` is reported by the sign-in that created the account, and never again.
    if let Some(known) = state.people.iter_mut().find(|known| known.id == person) {
        known.is_new = false;
    }
    state.browsers.put(pending.browser.clone(), signed_in.clone());
    pending.picked = Some(signed_in);
    Ok(None)
}

/// Stores the consent of the user, or of an administrator for the whole tenant.
fn consent(
    server: &Server,
    state: &mut ProviderState,
    pending: &mut Interaction,
    scopes: &[String],
    for_all: bool,
) {
    let Some(person) = person_of(state, pending) else { return };
    let tenant = pending.request.realm.tenant_of(server.entra.as_ref(), person).filter(|_| for_all);
    // A consent for all is stored under the tenant, where `has_consented` finds it for each user.
    let who = tenant.map_or_else(|| person.id.clone(), |tenant| tenant.id.to_string());
    let client = &pending.request.client;
    for scope in scopes {
        let scope = entra_issue::consent_key(server, scope);
        state.consents.insert((who.clone(), client.clone(), scope));
    }
    pending.consented = true;
}

/// Handles a submitted form.
pub(super) fn answered(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    // Cross-site request forgery: another site could choose an account or consent.
    if incoming.is_from_elsewhere(server) {
        return Ok(pages::from_elsewhere());
    }
    let mut guard = server.state();
    let state = &mut *guard;
    let id = incoming.form.first("id").unwrap_or_default();
    let Some(mut pending) = interaction_of(server, state, incoming, id) else {
        return Ok(refused(
            "This page is too old or belongs to another browser. Please go back to the \
             application and sign in again.",
        ));
    };
    let step = next_step(server, state, &pending, server.now());
    let form = &incoming.form;
    let failure = match (form.first("decision"), form.first("person"), form.first("name")) {
        (Some(decision @ ("decline" | "forgot")), ..) => {
            let fault = declined(server, state, &pending, step.as_ref(), decision);
            Some(callback::error(server, state, &pending.request.return_to(), &fault))
        }
        (Some(decision @ ("agree" | "agree-for-all")), ..) => {
            agree(server, state, &mut pending, step.as_ref(), decision == "agree-for-all")
        }
        (_, Some(person), _) if state.person(person).is_some() => {
            sign_in_or_page(server, state, &mut pending, person)?
        }
        (_, _, Some(name)) if step == Some(InteractionStep::Edit) => {
            edit(state, &mut pending, name);
            None
        }
        (_, _, Some(name)) => create_account(server, state, &mut pending, name)?,
        _ => Some(refused("No account was chosen.")),
    };
    match failure {
        Some(failure) => Ok(failure),
        None => proceed(server, state, id, pending),
    }
}

fn refused(text: &str) -> Response {
    pages::problem(StatusCode::FORBIDDEN, text)
}

/// The interaction that a form belongs to: that of the same browser, as long as its page is valid.
fn interaction_of(
    server: &Server,
    state: &ProviderState,
    incoming: &EndpointRequest,
    id: &str,
) -> Option<Interaction> {
    let browser = incoming.cookie(&server.cookie_name());
    let pending = state.interactions.find(id)?;
    // The browser's cookie and the age: an identifier from another browser would let its user
    // finish a foreign sign-in.
    let is_valid =
        Some(pending.browser.as_str()) == browser && server.now().since(pending.started) < PATIENCE;
    is_valid.then(|| pending.clone())
}

/// Signs a user in; the error page if the account cannot sign in here.
fn sign_in_or_page(
    server: &Server,
    state: &mut ProviderState,
    pending: &mut Interaction,
    person: &str,
) -> Result<Option<Response>, Error> {
    // OpenID Connect Core section 3.1.2.2: no code for another user than the one that the request
    // is for.
    if state.person(person).is_some_and(|person| !pending.request.is_for(server, person)) {
        let description = "the user who signed in is not the one that the request is for";
        let fault = Fault::new("login_required", description);
        return Ok(Some(callback::error(server, state, &pending.request.return_to(), &fault)));
    }
    let fault = sign_in(server, state, pending, person)?;
    Ok(fault
        .map(|fault| fault::page(server, &pending.request.realm, &Parameters::default(), &fault)))
}

/// Stores the consent of a form. Without a consent step, the form was submitted a second time.
fn agree(
    server: &Server,
    state: &mut ProviderState,
    pending: &mut Interaction,
    step: Option<&InteractionStep>,
    for_all: bool,
) -> Option<Response> {
    let Some(InteractionStep::Consent(scopes)) = step else { return None };
    if needs_administrator(server, state, pending, scopes) {
        return Some(refused("Only an administrator can agree to this."));
    }
    // Only an administrator agrees for all users of the tenant.
    let for_all = for_all && person_of(state, pending).is_some_and(|person| person.administrator);
    consent(server, state, pending, scopes, for_all);
    None
}

/// Changes the name of the user (B2C's policy that edits a profile).
fn edit(state: &mut ProviderState, pending: &mut Interaction, name: &str) {
    let id = person_of(state, pending).map(|person| person.id.clone()).unwrap_or_default();
    if let Some(person) = state.people.iter_mut().find(|known| known.id == id) {
        name.trim().clone_into(&mut person.name);
    }
    pending.edited = true;
}

/// Creates an account in the tenant of the request and signs it in.
fn create_account(
    server: &Server,
    state: &mut ProviderState,
    pending: &mut Interaction,
    name: &str,
) -> Result<Option<Response>, Error> {
    // Random, since two people may have one name.
    let id = format!("person-{}", base64url(&crate::secret::random::<6>()?));
    let mut person = DevPerson::new(id.clone(), name.trim());
    if let Realm::B2c { tenant, .. } | Realm::Entra(Audience::Tenant(tenant)) =
        &pending.request.realm
    {
        person = person.with_tenant(*tenant);
    }
    person.is_new = true;
    state.people.push(person.with_note("Created here"));
    sign_in_or_page(server, state, pending, &id)
}

/// The error response if the user declines on a page or has forgotten the password.
fn declined(
    server: &Server,
    state: &ProviderState,
    pending: &Interaction,
    step: Option<&InteractionStep>,
    decision: &str,
) -> Fault {
    let fault = Fault::new("access_denied", "the person declined").cancelled();
    match (&pending.request.realm, step) {
        (Realm::B2c { .. }, _) if decision == "forgot" => {
            Fault::new("access_denied", "the person has forgotten the password").b2c(90_118)
        }
        (_, Some(InteractionStep::Consent(scopes)))
            if needs_administrator(server, state, pending, scopes) =>
        {
            no_administrator()
        }
        _ => fault,
    }
}
