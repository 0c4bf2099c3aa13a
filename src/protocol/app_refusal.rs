//! Refused tokens of the application itself: the remedies of the client credentials grant, which
//! are others than those of a sign-in.

use super::error_answer::specified_error;
use crate::error::Error;

/// The providers that name the API by a parameter refuse a request without it by different codes.
const NOT_ALLOWED: &str = "the provider issues this application no token of its own for that API: \
     authorize the application for the API there, and name the API in the way that the provider \
     has: by a scope, by `TokenRequest::with_resource`, or by a parameter \
     (`TokenRequest::add_parameter`: `audience` at Auth0)";
const SCOPE_INVALID: &str = "the provider does not know a scope of this request, or does not allow \
     it to the application itself: name the scopes of the API as they are registered there, \
     without those of a user (`openid`, `offline_access`), and what else names the API: \
     `TokenRequest::with_resource`, or a parameter (`TokenRequest::add_parameter`: `audience` at \
     Auth0)";
const DEFAULT_SCOPE: &str = "a scope that ends in `/.default` is a name of Microsoft's providers \
     alone: request the scopes that the API has at this provider, or name the API by \
     `TokenRequest::with_resource` or by a parameter (`TokenRequest::add_parameter`: `audience` \
     at Auth0)";
const GRANT_NOT_ALLOWED: &str = "allow the client credentials grant in the application's \
     registration at the provider (Keycloak: *Service accounts roles*; Auth0, Okta: a \
     machine-to-machine application or service)";
const REQUEST_INVALID: &str = "the provider rejects a parameter of this request, or one is \
     missing: its log says which; check the scopes, what else names the API \
     (`TokenRequest::with_resource`, `TokenRequest::add_parameter`: `audience` at Auth0), and the \
     way in which the client authenticates (IDENTITY_CLIENT_AUTH_METHOD)";

/// The error of a client credentials request for these scopes, with what can be set for it. The
/// provider is none of Microsoft's, whose codes have advice of their own.
pub(super) fn of_application(error: Error, scopes: &str) -> Error {
    let Some(said) = error.provider() else { return error };
    let names_default = scopes.split(' ').any(|scope| scope.ends_with("/.default"));
    let remedy = match specified_error(said) {
        "invalid_scope" | "invalid_target" | "invalid_request" if names_default => DEFAULT_SCOPE,
        "invalid_scope" => SCOPE_INVALID,
        // Auth0 answers `access_denied` (403) without an audience, or without a grant for it.
        "invalid_target" | "access_denied" => NOT_ALLOWED,
        "unauthorized_client" | "unsupported_grant_type" => GRANT_NOT_ALLOWED,
        "invalid_request" => REQUEST_INVALID,
        _ => return error,
    };
    error.with_remedy(remedy)
}
