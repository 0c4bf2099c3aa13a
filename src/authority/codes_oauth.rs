//! The `error` values of OAuth 2.0 that are more specific than the [`ErrorKind`](crate::ErrorKind)
//! of their failure.
//!
//! Those of a user's sign-in (`login_required`, `access_denied`, …) and `invalid_grant` are kinds
//! of their own and need no entry.

use super::codes::{ErrorCode, Reason, rows};
use crate::error::Advice;

const TOKEN_ENDPOINT: &str = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2";
const AUTHORIZATION_ENDPOINT: &str = "https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1";

// `error` itself classifies the failure, whatever the effect of the reason is.
rows! {
    "", AUTHORIZATION_ENDPOINT;
    // RFC 6749 section 5.2 uses it at the token endpoint as well.
    "invalid_request" = RequestMalformed,
        "The provider rejects a parameter, or one is missing: its description or its own log says \
         which; check scopes, response mode and sign-in options, and at the token endpoint the way \
         in which the client authenticates (IDENTITY_CLIENT_AUTH_METHOD).";
    "invalid_client" = ClientCredentialRefused,
        "The provider does not accept the client id or its credential: check both \
         (IDENTITY_CLIENT_ID, IDENTITY_CLIENT_SECRET), whether the secret has expired, and how it \
         is sent (`ClientCredential::with_method`, IDENTITY_CLIENT_AUTH_METHOD).",
        TOKEN_ENDPOINT;
    "unauthorized_client" = ClientNotAuthorized,
        "The application may not use the authorization code flow (or the device authorization \
         grant), or this redirect URI: allow both in its registration.";
    "invalid_scope" = ScopeInvalid,
        "The provider does not know a scope, or does not allow it to this application: check \
         `with_scopes`, and set the OpenID Connect scopes that it supports \
         (`with_openid_scopes`, IDENTITY_OPENID_SCOPES).";
    "unsupported_response_type" = ResponseTypeUnsupported,
        "The provider does not allow the authorization code flow to this application: allow it in \
         its registration.";
    "unsupported_grant_type" = GrantTypeUnsupported,
        "The provider does not support this grant: allow it in the application's registration.",
        TOKEN_ENDPOINT;
    // RFC 8707 section 2: of a request with `resource`.
    "invalid_target" = ResourceNotFound,
        "The provider does not know the resource, or does not allow it to this application.",
        "https://www.rfc-editor.org/rfc/rfc8707#section-2";
    // RFC 7591 section 3.2.2 defines it for registrations; some providers send it for a request.
    "invalid_redirect_uri" = RedirectUriNotRegistered,
        "Register the redirect URI of this configuration at the provider, exactly as written.";
}
