//! The authorization endpoint (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2).

use axum::response::Response;
use http::header;

use super::{
    callback,
    client::Consent,
    entra_issue,
    fault::{self, Fault},
    interaction, jwt,
    person::DevPerson,
    quirk::Quirk,
    realm::{Audience, Policy, Realm},
    reply::set,
    request::{EndpointRequest, Parameters},
    requested_claims::RequestedClaims,
    resource,
    server::Server,
    state::{BrowserSession, Interaction, ProviderState, unguessable},
    tenant,
};
use crate::{clock::UnixTime, error::Error, secret::from_base64url};

/// The response mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestedResponseMode {
    Query,
    /// In the URL fragment, for browser-based applications.
    Fragment,
    FormPost,
}

/// An authorization request with a valid client and redirect URI.
#[derive(Clone, Debug)]
pub(super) struct IncomingAuthorization {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) response_mode: RequestedResponseMode,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) challenge: String,
    pub(super) prompt: Vec<String>,
    pub(super) max_age: Option<i64>,
    pub(super) login_hint: Option<String>,
    /// The ID of the user in `id_token_hint`; empty if the user has been removed.
    pub(super) hinted: Option<String>,
    pub(super) acr_values: Vec<String>,
    pub(super) realm: Realm,
    pub(super) claims: RequestedClaims,
    /// The `resource` parameters (RFC 8707).
    pub(super) resources: Vec<String>,
    pub(super) client_info: bool,
}

/// The redirect URI and response mode for an error response.
#[derive(Clone, Debug)]
pub(super) struct ReturnTo {
    pub(super) redirect_uri: String,
    pub(super) response_mode: RequestedResponseMode,
    pub(super) state: Option<String>,
    pub(super) realm: Realm,
}

impl IncomingAuthorization {
    pub(super) fn return_to(&self) -> ReturnTo {
        ReturnTo {
            redirect_uri: self.redirect_uri.clone(),
            response_mode: self.response_mode,
            state: self.state.clone(),
            realm: self.realm.clone(),
        }
    }

    pub(super) fn prompts(&self, value: &str) -> bool {
        self.prompt.iter().any(|prompt| prompt == value)
    }

    /// Whether the request names the user that it is for, so that no other may be signed in.
    pub(super) fn names_user(&self) -> bool {
        self.hinted.is_some() || self.claims.restrict_subject()
    }

    /// Whether the request is for this user: that of `id_token_hint` and of a requested `sub`
    /// (OpenID Connect Core sections 3.1.2.2 and 5.5.1).
    pub(super) fn is_for(&self, server: &Server, person: &DevPerson) -> bool {
        let tenant = self.realm.tenant_of(server.entra.as_ref(), person);
        let subject = match &tenant {
            Some(tenant) => tenant::subject(person, tenant, &self.client),
            None => person.subject.clone(),
        };
        self.hinted.as_deref().is_none_or(|id| person.id == id)
            && self.claims.allow_subject(&subject)
    }
}

/// Checks the client and the redirect URI. If one is wrong, the error is shown on a page: a
/// redirect to an unregistered URL must not happen (RFC 6749 section 4.1.2.1).
fn return_to(
    state: &ProviderState,
    realm: &Realm,
    parameters: &Parameters,
) -> Result<ReturnTo, Fault> {
    let wrong = |description: &str| Fault::new("invalid_request", description);
    // RFC 6749 section 3.1: with two values it is undecided where an error would be sent.
    let once = |name: &str| parameters.0.iter().filter(|(known, _)| known == name).count() <= 1;
    if !once("client_id") || !once("redirect_uri") {
        return Err(wrong("client_id or redirect_uri is there twice.").entra(9_002_313));
    }
    let client_id = parameters.first("client_id").ok_or_else(|| wrong("client_id is missing."))?;
    let client = state.client(client_id).filter(|client| client.is_known_in(realm));
    let unknown = || wrong("This client_id is not registered here.").entra(700_016).b2c(90_083);
    let client = client.ok_or_else(unknown)?;
    client.check_accounts(realm)?;
    let redirect_uri =
        parameters.first("redirect_uri").ok_or_else(|| wrong("redirect_uri is missing."))?;
    // RFC 9700 section 2.1: compared as strings, except for the port of a loopback address.
    if !client.may_redirect_to(redirect_uri, realm) {
        let description = "This redirect_uri is not registered for the client. It has to be the \
                           same, character by character; only the port of an address such as \
                           http://127.0.0.1/callback may be another.";
        return Err(wrong(description).entra(50_011).b2c(90_006));
    }
    // OAuth 2.0 Multiple Response Type Encoding Practices section 2.1: the default of the response
    // type `code` is `query`.
    let response_mode = match parameters.first("response_mode") {
        Some("form_post") => RequestedResponseMode::FormPost,
        Some("fragment") => RequestedResponseMode::Fragment,
        _ => RequestedResponseMode::Query,
    };
    Ok(ReturnTo {
        redirect_uri: redirect_uri.to_owned(),
        response_mode,
        state: parameters.first("state").map(ToOwned::to_owned),
        realm: realm.clone(),
    })
}

/// The user of an `id_token_hint`, an ID token of this provider.
pub(super) fn hinted(server: &Server, state: &ProviderState, hint: &str) -> Option<String> {
    let claims = jwt::id_token_claims(state, hint)?;
    let text = |name: &str| claims.get(name).and_then(|value| value.as_str());
    let (subject, audience) = (text("sub")?, text("aud").unwrap_or_default());
    let tenants = server.entra.iter().flat_map(|entra| &entra.tenants);
    let tenants: Vec<_> =
        tenants.filter(|tenant| text("tid").is_none_or(|tid| tid == tenant.id)).collect();
    let is = |person: &&DevPerson| match server.entra {
        None => person.subject == subject,
        Some(_) => {
            tenants.iter().any(|tenant| tenant::subject(person, tenant, audience) == subject)
        }
    };
    Some(state.people.iter().find(is).map(|person| person.id.clone()).unwrap_or_default())
}

/// The code challenge (RFC 7636; the method `plain` is refused). A SHA-256 digest has 43 characters
/// in base64url.
fn challenge(parameters: &Parameters) -> Result<String, Fault> {
    let challenge = parameters
        .first("code_challenge")
        .ok_or(("invalid_request", "code_challenge is missing: PKCE is required"))?;
    // RFC 7636 section 4.3: the method is `plain` if it is missing. RFC 9700 section 2.1.1 wants
    // one that does not show the verifier in the request.
    if parameters.first("code_challenge_method") != Some("S256") {
        return Err(Fault::new("invalid_request", "code_challenge_method has to be S256"));
    }
    if from_base64url(challenge).is_none_or(|digest| digest.len() != 32) {
        return Err(Fault::new(
            "invalid_request",
            "code_challenge is not a SHA-256 digest in base64url",
        ));
    }
    Ok(challenge.to_owned())
}

/// Checks that the request uses only supported features.
fn check_supported(parameters: &Parameters) -> Result<(), Fault> {
    // RFC 6749 section 3.1: a parameter must not occur twice.
    if parameters.repeated().is_some() {
        return Err(Fault::new("invalid_request", "a parameter is there twice"));
    }
    for (name, error) in [
        // OpenID Connect Core section 3.1.2.6 defines these errors.
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if parameters.first(name).is_some() {
            return Err(Fault::new(error, "this provider does not take it"));
        }
    }
    // RFC 6749 section 4.1.2.1: one that is not supported has an error of its own, a missing
    // parameter is `invalid_request`.
    match parameters.first("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(Fault::new(
                "unsupported_response_type",
                "only response_type=code is supported",
            ));
        }
        None => return Err(Fault::new("invalid_request", "response_type is missing")),
    }
    if !matches!(parameters.first("response_mode"), None | Some("query" | "fragment" | "form_post"))
    {
        return Err(Fault::new(
            "invalid_request",
            "response_mode has to be query, fragment or form_post",
        ));
    }
    Ok(())
}

/// The values of `prompt` (OpenID Connect Core section 3.1.2.1).
fn prompt(parameters: &Parameters) -> Result<Vec<String>, Fault> {
    let prompt = parameters.list("prompt");
    if prompt.iter().any(|value| {
        !matches!(value.as_str(), "none" | "login" | "consent" | "select_account" | "create")
    }) {
        return Err(Fault::new("invalid_request", "a value of prompt is unknown"));
    }
    // OpenID Connect Core section 3.1.2.1: `none` must not be combined with other values.
    if prompt.len() > 1 && prompt.iter().any(|value| value == "none") {
        return Err(Fault::new("invalid_request", "prompt=none stands alone"));
    }
    Ok(prompt)
}

/// The greatest age of the sign-in in seconds (OpenID Connect Core section 3.1.2.1).
fn max_age(parameters: &Parameters) -> Result<Option<i64>, Fault> {
    match parameters.first("max_age").map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(seconds)) if seconds >= 0 => Ok(Some(seconds)),
        Some(_) => Err(Fault::new("invalid_request", "max_age is not a number of seconds")),
    }
}

/// The requested scopes, at least one.
fn scopes(state: &ProviderState, parameters: &Parameters) -> Result<Vec<String>, Fault> {
    let scopes = parameters.list("scope");
    // RFC 6749 section 3.3: without `scope` a provider uses a default or refuses the request.
    if scopes.is_empty() {
        return Err(Fault::new("invalid_scope", "scope is missing"));
    }
    let is_offline = |scope: &String| scope == "offline_access";
    // RFC 6749 section 3.3 lets a provider ignore an unknown scope; with this quirk it refuses.
    if state.quirks.has(Quirk::NoOfflineAccess) && scopes.iter().any(is_offline) {
        return Err(Fault::new("invalid_scope", "the scope offline_access is unknown"));
    }
    // OpenID Connect Core section 11: `offline_access` without `prompt=consent` must be ignored,
    // unless other conditions permit it. With the first quirk it is refused.
    let has_consent = parameters.list("prompt").iter().any(|prompt| prompt == "consent");
    if state.quirks.has(Quirk::OfflineAccessNeedsConsent)
        && !has_consent
        && scopes.iter().any(is_offline)
    {
        return Err(Fault::new("invalid_request", "consent in prompt"));
    }
    if state.quirks.has(Quirk::OfflineAccessByConsent) && !has_consent {
        return Ok(scopes.into_iter().filter(|scope| !is_offline(scope)).collect());
    }
    Ok(scopes)
}

/// The resources of the request (RFC 8707 section 2.1). Entra ID has them in the scopes, and
/// accepts `resource` only if it says the same.
fn resources(
    server: &Server,
    realm: &Realm,
    parameters: &Parameters,
    scopes: &[String],
) -> Result<Vec<String>, Fault> {
    match (realm, parameters.first("resource")) {
        (Realm::Plain, _) => resource::named(parameters),
        (Realm::Entra(_), Some(named)) => {
            entra_issue::check_resource(server, named, scopes)?;
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}

/// Reads the other parameters. Their errors are sent to the redirect URI.
fn read(
    server: &Server,
    state: &ProviderState,
    parameters: &Parameters,
    to: ReturnTo,
) -> Result<IncomingAuthorization, Fault> {
    let text = |name: &str| parameters.first(name).map(ToOwned::to_owned);
    check_supported(parameters)?;
    let challenge =
        if state.quirks.has(Quirk::NoPkce) { String::new() } else { challenge(parameters)? };
    let prompt = prompt(parameters)?;
    let max_age = max_age(parameters)?;
    let scopes = scopes(state, parameters)?;
    let no_hint =
        || Fault::new("invalid_request", "id_token_hint is not an ID token of this provider");
    let hinted = match parameters.first("id_token_hint") {
        None => None,
        Some(hint) => Some(hinted(server, state, hint).ok_or_else(no_hint)?),
    };
    let no_claims = || Fault::new("invalid_request", "claims is not a JSON object").entra(50_000);
    let claims = match parameters.first("claims") {
        None => RequestedClaims::default(),
        Some(claims) => RequestedClaims::parse(claims).ok_or_else(no_claims)?,
    };
    let resources = resources(server, &to.realm, parameters, &scopes)?;
    // OpenID Connect Core section 5.5.1.1: `acr` in `claims` asks for a class, too.
    let mut acr_values = parameters.list("acr_values");
    let is_new = |class: &&String| !acr_values.contains(class);
    let more: Vec<_> = claims.classes.iter().filter(is_new).cloned().collect();
    acr_values.extend(more);
    Ok(IncomingAuthorization {
        client: text("client_id").unwrap_or_default(),
        redirect_uri: to.redirect_uri,
        response_mode: to.response_mode,
        state: to.state,
        nonce: text("nonce"),
        scopes,
        challenge,
        prompt,
        max_age,
        login_hint: text("login_hint"),
        hinted,
        acr_values,
        realm: to.realm,
        claims,
        resources,
        client_info: parameters.first("client_info") == Some("1"),
    })
}

/// Handles an authorization request.
pub(super) fn authorize(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let mut guard = server.state();
    let state = &mut *guard;
    let realm = &incoming.realm;
    let parameters = match state.quirks.has(Quirk::PlusIsNoSpace) {
        true => &incoming.parameters_with_plus(),
        false => incoming.parameters(),
    };
    // RFC 6749 section 4.1.2.1: an error of client or redirect URI is a page; all others are sent
    // to the redirect URI.
    let checked = match realm {
        Realm::Entra(Audience::Unknown(name)) => Err(fault::no_tenant(name)),
        _ => return_to(state, realm, parameters),
    };
    let to = match checked {
        Ok(to) => to,
        Err(problem) => return Ok(fault::page(server, realm, parameters, &problem)),
    };
    let request = match read(server, state, parameters, to.clone()) {
        Ok(request) => request,
        Err(problem) => return Ok(callback::error(server, state, &to, &problem)),
    };
    let known =
        // A cookie of another form was not set by this provider.
        incoming.cookie(&server.cookie_name()).filter(|id| id.len() == 43).map(ToOwned::to_owned);
    let (browser, new) = match known {
        Some(browser) => (browser, false),
        None => (unguessable()?, true),
    };
    let pending = Interaction {
        request,
        browser: browser.clone(),
        started: server.now(),
        picked: None,
        consented: false,
        edited: false,
    };
    let mut response = interaction::proceed(server, state, &unguessable()?, pending)?;
    if new {
        // `Lax`, since the browser comes here by a top-level navigation from the application.
        let cookie = format!("{}={browser}; Path=/; HttpOnly; SameSite=Lax", server.cookie_name());
        set(&mut response, header::SET_COOKIE, &cookie);
    }
    Ok(response)
}

/// A step of the user before the code is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InteractionStep {
    /// The user must sign in or choose an account.
    SignIn,
    /// The user must consent to these scopes.
    Consent(Vec<String>),
    /// The user must edit the profile (B2C).
    Edit,
}

/// Determines the next step: sign-in first, then consent; `None` if the code can be issued.
pub(super) fn next_step(
    server: &Server,
    state: &ProviderState,
    pending: &Interaction,
    now: UnixTime,
) -> Option<InteractionStep> {
    let request = &pending.request;
    let session = pending.picked.as_ref().or_else(|| state.browsers.find(&pending.browser));
    let Some(session) = session.filter(|session| {
        pending.picked.is_some() || suffices(server, state, pending, session, now)
    }) else {
        return Some(InteractionStep::SignIn);
    };
    match request.realm.policy() {
        Some(Policy::EditProfile) if !pending.edited => return Some(InteractionStep::Edit),
        // In B2C an administrator has already consented for all users.
        Some(_) => return None,
        None if pending.consented => return None,
        None => {}
    }
    let tenant = state
        .person(&session.person)
        .and_then(|person| request.realm.tenant_of(server.entra.as_ref(), person));
    let asks = state.client(&request.client).is_none_or(|client| client.consent == Consent::Asked);
    let missing = |scope: &&String| {
        let scope = entra_issue::consent_key(server, scope);
        asks && !state.has_consented(&session.person, tenant.as_ref(), &request.client, &scope)
    };
    let missing: Vec<_> = request.scopes.iter().filter(missing).cloned().collect();
    // OpenID Connect Core section 3.1.2.1: `prompt=consent` asks again, whatever was granted.
    if request.prompts("consent") {
        Some(InteractionStep::Consent(request.scopes.clone()))
    } else {
        (!missing.is_empty()).then_some(InteractionStep::Consent(missing))
    }
}

/// Whether the current session is sufficient, without a page.
fn suffices(
    server: &Server,
    state: &ProviderState,
    pending: &Interaction,
    session: &BrowserSession,
    now: UnixTime,
) -> bool {
    let Interaction { request, browser, .. } = pending;
    let Some(person) = state.person(&session.person) else { return false };
    let at_home = request.realm == Realm::Plain
        || request.realm.offers(server.entra.as_ref(), person)
            && request.realm.tenant_of(server.entra.as_ref(), person).is_some()
            && request.realm.policy() != Some(Policy::ResetPassword);
    // OpenID Connect Core section 3.1.2.1: a hint names the user that is meant. A
    // `login_hint` of no user of this provider decides nothing.
    let asked_for = request
        .login_hint
        .as_deref()
        .is_none_or(|hint| person.is(hint) || !state.people.iter().any(|p| p.is(hint)))
        && request.is_for(server, person);
    // `auth_time` has whole seconds: an age of exactly `max_age` is still allowed, but 0 always
    // asks (OpenID Connect Core section 3.1.2.1).
    let age = now.as_seconds().saturating_sub(session.auth_time.as_seconds());
    let recent = request.max_age.is_none_or(|limit| limit > 0 && age <= limit);
    let strong = (request.acr_values.is_empty()
        || session.acr.as_ref().is_some_and(|acr| request.acr_values.contains(acr)))
        && request.claims.contexts.iter().all(|context| session.contexts.contains(context));
    // OpenID Connect Core section 3.1.2.1: `login` and `select_account` ask a signed-in user, too;
    // `create` asks for a new account (Initiating User Registration section 4).
    let interactive =
        ["login", "select_account", "create"].iter().any(|value| request.prompts(value));
    let not_replaced = request.prompts("none")
        || state.stand_in(browser).is_none_or(|person| person == session.person);
    at_home && asked_for && recent && strong && !interactive && not_replaced
}
