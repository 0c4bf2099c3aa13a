//! The pages that only Entra ID and B2C have.

use axum::response::Response;
use maud::html;

use super::{
    authorize::IncomingAuthorization,
    pages::{asking, decision, decline, message, offered, people_form},
    realm::Policy,
    request::EndpointRequest,
    server::{Server, path},
    state::ProviderState,
    tenant::{DevTenant, TenantKind},
};
use crate::error::Error;

/// The authority URL of a tenant, for the configuration of an application.
pub(super) fn address(server: &Server, tenant: &DevTenant) -> String {
    match tenant.kind {
        TenantKind::Personal => server.url("/consumers"),
        TenantKind::Workforce | TenantKind::ExternalId => {
            server.url(&format!("/{}/v2.0", tenant.id))
        }
        TenantKind::B2c => server.url(&format!("/{}/{}", tenant.domain, Policy::SignIn.name())),
    }
}

/// The page at `error_uri`. It refers to Microsoft's list of error numbers.
pub(super) fn error(_: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let code = incoming
        .query
        .first("code")
        // The number becomes the title of the page, so nothing else is repeated.
        .filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap_or("?");
    let text = "Microsoft's documentation lists the numbers under \"Microsoft Entra \
                authentication and authorization error codes\".";
    Ok(message(&format!("AADSTS{code}"), text))
}

/// The first page of a B2C policy: the account picker, with buttons to sign up and to report a
/// forgotten password if the policy has them.
pub(super) fn b2c(
    server: &Server,
    state: &ProviderState,
    id: &str,
    request: &IncomingAuthorization,
) -> Response {
    let (people, _) = offered(server, state, request);
    let policy = request.realm.policy().unwrap_or(Policy::SignIn);
    let (title, text) = match policy {
        Policy::SignIn | Policy::EditProfile => ("Sign in", "with one of these accounts:"),
        Policy::ResetPassword => {
            ("Reset your password", "of which account? B2C would send a code by e-mail first.")
        }
    };
    let content = html! {
        p { (text) }
        (people_form(id, &people, false))
        @if policy == Policy::SignIn {
            (decision(id, "forgot", "Forgot your password?"))
            form method="post" action=(path::INTERACTION) {
                input type="hidden" name="id" value=(id);
                label for="name" { "No account yet? Your name" }
                input id="name" name="name" autocomplete="off" required;
                button.quiet { "Sign up now" }
            }
        }
        (decline(id, "Cancel"))
    };
    asking(title, &content)
}

/// The profile page of the B2C policy for editing.
pub(super) fn edit(id: &str, name: &str) -> Response {
    let content = html! {
        form method="post" action=(path::INTERACTION) {
            input type="hidden" name="id" value=(id);
            label for="name" { "Display name" }
            input id="name" name="name" value=(name) autocomplete="off" required;
            button.primary { "Continue" }
        }
        (decline(id, "Cancel"))
    };
    asking("Edit your profile", &content)
}

/// The page for a scope to which only an administrator can consent.
pub(super) fn no_administrator(
    id: &str,
    request: &IncomingAuthorization,
    scopes: &[String],
) -> Response {
    let content = html! {
        p {
            strong { (request.client) }
            " asks for permissions that only an administrator of your organization can give \
             (AADSTS90094):"
        }
        ul.scopes { @for scope in scopes { li { code { (scope) } } } }
        (decline(id, "Return to the application without giving consent"))
    };
    asking("An administrator has to approve this", &content)
}
