//! The HTML pages. They have no scripts, except the one of `form_post`, which submits its form.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::Response;
use base64_simd::STANDARD;
use http::{Method, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    authorize::IncomingAuthorization,
    entra_pages,
    person::DevPerson,
    reply,
    request::{EndpointRequest, Parameters},
    server::{Server, path},
    state::ProviderState,
};
use crate::error::Error;

const STYLE: &str = include_str!("pages.css");
const SUBMIT: &str = "document.forms[0].submit()";

/// `'sha256-…'`: the source expression of an inline style or script in a content security policy.
fn source_hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode_to_string(digest(&SHA256, text.as_bytes()).as_ref()))
}

/// An HTML page; `extra` is appended to the content security policy.
fn page(status: StatusCode, title: &str, extra: &str, content: &Markup) -> Response {
    static STYLE_HASH: OnceLock<String> = OnceLock::new();
    let style = STYLE_HASH.get_or_init(|| source_hash(STYLE));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Development provider" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    p.brand { "Development provider" }
                    h1 { (title) }
                    (content)
                }
            }
        }
    };
    let mut response = reply::text(status, "text/html; charset=utf-8", markup.into_string());
    let policy =
        format!("default-src 'none'; style-src {style}; img-src data:; base-uri 'none'{extra}");
    reply::set(&mut response, header::CONTENT_SECURITY_POLICY, &policy);
    // Pages hold identifiers of a request, and the page of `form_post` holds a code.
    reply::set(&mut response, header::CACHE_CONTROL, "no-store");
    // URLs of this provider contain `state` and hints; browsers send the origin alone to other
    // sites.
    reply::set(&mut response, header::REFERRER_POLICY, "strict-origin");
    reply::set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

/// The claims challenge of the button on the home page: choosing the account again satisfies it.
const STEP_UP: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// The end of the policy of a page with forms. It has no `form-action`: browsers hold each redirect
/// after a form to it, and these lead to the application and wherever it redirects to.
const NO_FRAMES: &str = "; frame-ancestors 'none'";
/// The end of the policy of a page without forms.
const NO_FORMS: &str = "; form-action 'none'; frame-ancestors 'none'";

/// An error page, for errors that must not go to the redirect URI.
pub(super) fn problem(status: StatusCode, text: &str) -> Response {
    page(status, "This did not work", NO_FORMS, &html! { p role="alert" { (text) } })
}

/// The refusal of a form of another origin (cross-site request forgery).
pub(super) fn from_elsewhere() -> Response {
    problem(StatusCode::FORBIDDEN, "This can only be done from a page of this provider.")
}

/// The home page, with the provider's URLs and registered clients.
#[allow(clippy::unnecessary_wraps, reason = "the shape of every endpoint")]
pub(super) fn home(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let mut state = server.state();
    let challenged = incoming.method == Method::POST;
    if challenged {
        if incoming.is_from_elsewhere(server) {
            return Ok(from_elsewhere());
        }
        state.challenges.push_back(STEP_UP.to_owned());
    }
    let content = html! {
        p {
            "An OpenID Connect provider for development and tests. It runs inside your \
             application, answers on this machine only, and signs anybody in."
        }
        dl {
            @if let Some(entra) = &server.entra {
                dt { "Imitates Microsoft Entra; authorities" }
                dd {
                    a href=(format!("/common/v2.0{}", path::DISCOVERY)) {
                        code { (server.url("/common")) }
                    }
                }
                @for tenant in &entra.tenants {
                    dd { code { (entra_pages::address(server, tenant)) } }
                }
            } @else {
                dt { "Issuer" }
                dd { code { (server.issuer) } }
            }
            dt { "Applications" }
            @for client in &state.clients { dd { code { (client.id) } } }
            dt { "People" }
            @for person in &state.people { dd { (person.name) " " small { (person.note) } } }
        }
        @if server.entra.is_none() { p { a href=(path::DISCOVERY) { "Discovery document" } } }
        form method="post" action="/" {
            p {
                "To see what an application does when a token needs another sign-in: the next \
                 refresh is answered with " code { "interaction_required" } " and claims."
            }
            button { "Challenge the next refresh" }
        }
        @if challenged { p role="status" { "The next refresh is refused." } }
    };
    Ok(asking("Ready to sign people in", &content))
}

fn initials(name: &str) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).take(2).collect()
}

/// The accounts that a request offers, the user of its hint first, and whether there is one.
pub(super) fn offered<'s>(
    server: &Server,
    state: &'s ProviderState,
    request: &IncomingAuthorization,
) -> (Vec<&'s DevPerson>, bool) {
    let hinted = |person: &&DevPerson| {
        request.login_hint.as_deref().is_some_and(|hint| person.is(hint))
            || (request.names_user() && request.is_for(server, person))
    };
    let offered =
        state.people.iter().filter(|person| request.realm.offers(server.entra.as_ref(), person));
    let mut people: Vec<&DevPerson> = offered.collect();
    people.sort_by_key(|person| !hinted(person));
    let first_is_hinted = people.first().is_some_and(hinted);
    (people, first_is_hinted)
}

/// The account picker. The user of `login_hint` is the first one.
pub(super) fn picker(
    server: &Server,
    state: &ProviderState,
    id: &str,
    request: &IncomingAuthorization,
) -> Response {
    let (people, first_is_hinted) = offered(server, state, request);
    let create = request.prompts("create");
    let content = html! {
        p { "to continue to " strong { (request.client) } }
        @if create {
            form method="post" action=(path::INTERACTION) {
                input type="hidden" name="id" value=(id);
                label for="name" { "Your name" }
                input id="name" name="name" autocomplete="off" required autofocus;
                button.primary { "Create the account" }
            }
            p { "or use one of these:" }
        }
        (people_form(id, &people, first_is_hinted && !create))
        (decline(id, "Cancel"))
    };
    let title = if create { "Create an account" } else { "Choose an account" };
    asking(title, &content)
}

/// A button for each user.
pub(super) fn people_form(id: &str, people: &[&DevPerson], first_in_focus: bool) -> Markup {
    html! {
        form method="post" action=(path::INTERACTION) {
            input type="hidden" name="id" value=(id);
            ul.people {
                @for (index, person) in people.iter().enumerate() {
                    li {
                        button.person name="person" value=(person.id)
                            autofocus[index == 0 && first_in_focus] {
                            span.initials aria-hidden="true" { (initials(&person.name)) }
                            span {
                                strong { (person.name) }
                                span.detail { (person.username) }
                                @if !person.note.is_empty() { span.detail { (person.note) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A button that declines the request.
pub(super) fn decline(id: &str, label: &str) -> Markup {
    decision(id, "decline", label)
}

/// A secondary button at the end of a page.
pub(super) fn decision(id: &str, value: &str, label: &str) -> Markup {
    html! {
        form method="post" action=(path::INTERACTION) {
            input type="hidden" name="id" value=(id);
            button.quiet name="decision" value=(value) { (label) }
        }
    }
}

/// A page with a form.
pub(super) fn asking(title: &str, content: &Markup) -> Response {
    page(StatusCode::OK, title, NO_FRAMES, content)
}

/// The consent page. `for_all` adds the button with which administrators consent for their whole
/// tenant.
pub(super) fn consent(
    id: &str,
    request: &IncomingAuthorization,
    name: &str,
    scopes: &[String],
    for_all: bool,
) -> Response {
    let content = html! {
        p {
            strong { (request.client) } " asks for permission. You are signed in as "
            strong { (name) } "."
        }
        ul.scopes {
            @for scope in scopes {
                li { (meaning(scope)) " " code { (scope) } }
            }
        }
        form method="post" action=(path::INTERACTION) {
            input type="hidden" name="id" value=(id);
            button.primary name="decision" value="agree" autofocus { "Allow" }
        }
        @if for_all { (decision(id, "agree-for-all", "Allow for everybody in your organization")) }
        (decline(id, "Decline"))
    };
    asking("Permissions", &content)
}

fn meaning(scope: &str) -> &str {
    match scope {
        "openid" => "Know that it is you",
        "profile" => "See your name",
        "email" => "See your e-mail address",
        "offline_access" => "Keep access while you are away",
        _ => "Use on your behalf:",
    }
}

/// The page that confirms the sign-out. Its form contains the parameters of the request.
pub(super) fn sign_out(action: &str, person: &DevPerson, parameters: &Parameters) -> Response {
    let content = html! {
        p { "You are signed in as " strong { (person.name) } "." }
        form method="post" action=(action) {
            @for (name, value) in parameters.0.iter().filter(|(name, _)| name != "confirm") {
                input type="hidden" name=(name) value=(value);
            }
            button.primary name="confirm" value="yes" autofocus { "Sign out" }
        }
    };
    asking("Sign out?", &content)
}

/// The page after sign-out without a redirect URI.
pub(super) fn signed_out() -> Response {
    message("Signed out", "You can close this page.")
}

/// A page with a message.
pub(super) fn message(title: &str, text: &str) -> Response {
    page(StatusCode::OK, title, NO_FORMS, &html! { p { (text) } })
}

/// The page on which the user enters the code of a device.
pub(super) fn device(state: &ProviderState, typed: &str) -> Response {
    let device = state.devices.values().find(|device| device.has_code(typed));
    let content = html! {
        p { "Type the code only if it is your own device that shows it." }
        @if let Some(device) = device {
            p { strong { (device.client) } " asks for:" }
            ul.scopes {
                @for scope in &device.scopes { li { (meaning(scope)) " " code { (scope) } } }
            }
        }
        form method="post" action=(path::DEVICE) {
            label for="user_code" { "Code" }
            input id="user_code" name="user_code" value=(typed) autocomplete="off"
                required autofocus;
            ul.people {
                @for person in &state.people {
                    li {
                        button.person name="person" value=(person.id) {
                            strong { (person.name) }
                            span.detail { (person.username) }
                        }
                    }
                }
            }
            button.quiet name="decision" value="decline" { "Decline" }
        }
    };
    asking("Sign in on a device", &content)
}

/// The authorization response as a form that submits itself, or by a click if scripts are disabled.
pub(super) fn form_post(to: &str, parameters: &[(String, String)]) -> Response {
    static SUBMIT_HASH: OnceLock<String> = OnceLock::new();
    let script = SUBMIT_HASH.get_or_init(|| source_hash(SUBMIT));
    let content = html! {
        form method="post" action=(to) {
            @for (name, value) in parameters {
                input type="hidden" name=(name) value=(value);
            }
            // For a browser without scripts, and for one that does not go on by itself.
            button.primary { "Continue" }
        }
        script { (PreEscaped(SUBMIT)) }
    };
    page(StatusCode::OK, "Back to the application", &format!("; script-src {script}"), &content)
}
