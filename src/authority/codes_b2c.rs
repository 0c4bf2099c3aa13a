//! The error codes of Azure AD B2C: `AADB2C` and a number.

use super::codes::{ErrorCode, Reason, rows};
use crate::error::Advice;

/// Microsoft's list of codes.
const REFERENCE: &str = "https://learn.microsoft.com/azure/active-directory-b2c/error-codes";

rows! {
    "AADB2C", REFERENCE;
    // The application and its requests.
    90006 = RedirectUriNotRegistered,
        "Add the redirect URI of this configuration to the app registration, platform \"Web\": \
         exactly, with scheme, port and path.";
    90007 = RedirectUriNotRegistered,
        "The app registration has no redirect URI: add the one of this configuration, platform \
         \"Web\".";
    90287 = RedirectUriNotRegistered,
        "The redirect URI is not valid: it has to be https, or http on localhost.";
    90018 = ApplicationNotFound,
        "No application with this client id exists in the B2C tenant: check client id and tenant.";
    90068 = ApplicationNotFound,
        "The application was not created for B2C: register it in the B2C tenant, for accounts of \
         any identity provider.";
    90285 = ApplicationNotFound,
        "The application does not exist in the B2C tenant: check client id and tenant.";
    90011 = ApplicationNotFound,
        "The policy belongs to another application: check client id and policy.";
    90092 = ApplicationDisabled, "The application is disabled in the B2C tenant.";
    90284 = AdminConsentRequired,
        "Consent to the application is missing: grant admin consent for openid and offline_access \
         in the app registration.";
    90296 = PermissionNotConfigured,
        "The application is not configured as B2C needs it: check its registration.";
    90107 = PermissionNotConfigured,
        "No ID token can be issued: the scope `openid` was not requested, or the application may \
         not request it.";
    90205 = PermissionNotConfigured,
        "The application lacks a permission for the API: add it under \"API permissions\" and \
         grant admin consent.";
    90012 = ScopeInvalid,
        "A scope is not known: add it to the API's registration, and the permission to the \
         application's.";
    90117 = ScopeInvalid,
        "A scope is not known: add it to the API's registration, and the permission to the \
         application's.";
    90055 = ScopeInvalid,
        "The scope does not name its API: use the full form, such as \
         https://contoso.onmicrosoft.com/api/read.";
    90115 = ScopeInvalid,
        "The response type `code` needs a scope of an API, or the client id as scope.";
    99005 = ScopeInvalid, "A scope has a character that is not allowed in scopes.";
    90146 = ScopeOfSeveralResources,
        "One request had scopes of several APIs: request those of one API at a time.";
    90008 = RequestMalformed, "The request has no client id.";
    90010 = RequestMalformed, "The request has no scope.";
    90083 = RequestMalformed, "A parameter is missing in the request.";
    90122 = RequestMalformed,
        "A value in the request has characters that are not allowed, such as < or &.";
    90043 = RequestMalformed, "The value of `prompt` is not one that B2C supports.";
    90120 = RequestMalformed, "The `max_age` is out of range.";
    90013 = ResponseTypeUnsupported, "The response type is not supported.";
    90014 = ResponseTypeUnsupported,
        "The response mode is not supported: use `query` or `form_post`.";
    90057 = ResponseTypeUnsupported,
        "The implicit flow is not switched on, and this application does not need it.";
    90086 = GrantTypeUnsupported, "The grant is not supported.";
    // The application's credential.
    90081 = ClientSecretWrong,
        "The client secret is wrong: configure the secret's value, which the portal shows only \
         once, and not its ID.";
    90079 = ClientCredentialMissing,
        "The application is confidential, and the request had no secret: configure the client \
         secret.";
    90084 = ClientCredentialUnexpected,
        "The grant belongs to a public client, which sends no secret: register the redirect URI \
         under the platform \"Web\".";
    90058 = ClientNotAuthorized,
        "The application may not act as a public client: configure a client secret.";
    90017 = ClientAssertionRejected, "The client assertion was not accepted.";
    // The policy.
    90022 = TenantNotFound,
        "The policy does not exist in the tenant: check the names of tenant and user flow.";
    90051 = ServiceFault,
        "The policy offers no identity provider for this sign-in: check its identity providers.";
    90243 = ServiceFault, "The secret for an identity provider behind B2C is wrong or has expired.";
    90289 = ServiceUnavailable, "An identity provider behind B2C is unreachable.";
    90273 = IdentityProviderFailed,
        "An identity provider behind B2C returned an invalid response: its secret or redirect URI \
         may be wrong.";
    // The user.
    90091 = Cancelled, "The user cancelled the sign-in.";
    90118 = PasswordForgotten,
        "The user has forgotten the password: configure a policy for resetting it, and the user is \
         sent there.";
    90052 = CredentialsWrong, "User name or password is wrong; a low rate of this error is normal.";
    90054 = CredentialsWrong, "User name or password is wrong; a low rate of this error is normal.";
    90225 = CredentialsWrong, "User name or password is wrong; a low rate of this error is normal.";
    90053 = AccountNotFound, "The account does not exist.";
    90128 = AccountNotFound,
        "The account of the grant no longer exists: the user has to sign in again.";
    90111 = AccountLocked, "The account is locked.";
    90114 = AccountLocked, "The account is locked temporarily, against password guessing.";
    90151 = AccountLocked, "Multi-factor authentication failed too often.";
    90077 = SignInNeeded, "No user is signed in at B2C, so a silent sign-in is not possible.";
    90046 = SignInNeeded, "B2C lost the state of the sign-in: the user has to start again.";
    90157 = SignInNeeded,
        "The user exceeded the number of attempts at a step and has to start again.";
    // The grant.
    90080 = GrantExpired, "The refresh token or code has expired: the user has to sign in again.";
    90129 = GrantRevoked, "The grant was revoked: the user has to sign in again.";
    90088 = GrantInvalid,
        "The grant belongs to another policy or endpoint: redeem and refresh at the policy of the \
         sign-in.";
    90087 = GrantInvalid, "The grant belongs to another version of the endpoints.";
    90279 = GrantInvalid, "The grant belongs to another application.";
    90182 = PkceFailed, "The code verifier does not match the code challenge.";
    90183 = PkceFailed, "The code verifier is not valid.";
    90184 = PkceFailed, "The code challenge method is not supported.";
    // The service.
    90244 = Throttled, "Too many requests: wait a while.";
    90035 = ServiceUnavailable, "B2C is temporarily unavailable.";
    90085 = ServiceUnavailable, "An internal fault of B2C.";
    90048 = ServiceUnavailable, "An unexpected fault of B2C.";
    90037 = ServiceFault,
        "A fault of B2C or of a custom policy: look the correlation id up in its log.";
    90075 = ServiceFault, "An API that the policy calls returned an error.";
    90261 = ServiceFault, "An API that the policy calls returned a response that B2C cannot read.";
}
