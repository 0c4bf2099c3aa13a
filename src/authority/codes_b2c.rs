//! The codes of Azure AD B2C: `AADB2C` and a number.

use super::codes::{Reason, Row};
use crate::error::Advice;

/// Microsoft's list of codes.
const REFERENCE: &str = "https://learn.microsoft.com/azure/active-directory-b2c/error-codes";

/// Per code: the reason, and what to do about it.
macro_rules! rows {
    ($($number:literal = $reason:ident, $operator:literal;)*) => {
        pub(super) const ROWS: &[Row] = &[$(Row {
            number: $number,
            effect: Reason::$reason.effect(),
            wrapper: false,
            advice: Advice {
                code: concat!("AADB2C", $number),
                reason: Reason::$reason.code(),
                for_person: Reason::$reason.for_person(),
                for_operator: $operator,
                source: REFERENCE,
            },
        },)*];
    };
}

rows! {
    // The application and what it asks for.
    90006 = RedirectUriNotRegistered, "Add the redirect address of this configuration to the app registration, platform \"Web\": to the letter, with scheme, port and path.";
    90007 = RedirectUriNotRegistered, "The app registration has no redirect address: add that of this configuration, platform \"Web\".";
    90287 = RedirectUriNotRegistered, "The redirect address is not valid: it has to be https, or http on localhost.";
    90018 = ApplicationNotFound, "There is no application with this client id in the B2C tenant: check client id and tenant.";
    90068 = ApplicationNotFound, "The application was not made for B2C: register it in the B2C tenant, for accounts of any identity provider.";
    90285 = ApplicationNotFound, "There is no such application in the B2C tenant: check client id and tenant.";
    90011 = ApplicationNotFound, "The policy belongs to another application: check client id and policy.";
    90092 = ApplicationDisabled, "The application is disabled in the B2C tenant.";
    90284 = AdminConsentRequired, "Nobody consented to the application: grant admin consent for openid and offline_access in the app registration.";
    90296 = PermissionNotConfigured, "The application is not configured as B2C needs it: check its registration.";
    90107 = PermissionNotConfigured, "No ID token can be given: `openid` was not asked for, or the application is not allowed to ask for it.";
    90205 = PermissionNotConfigured, "The application lacks a permission for the API: add it under \"API permissions\" and grant admin consent.";
    90012 = ScopeInvalid, "A scope is not known: add it to the API's registration, and the permission to the application's.";
    90117 = ScopeInvalid, "A scope is not known: add it to the API's registration, and the permission to the application's.";
    90055 = ScopeInvalid, "A scope has to name its API, as in https://contoso.onmicrosoft.com/api/read.";
    90115 = ScopeInvalid, "A code needs a scope of an API or the client id as scope.";
    99005 = ScopeInvalid, "A scope has a character that it cannot have.";
    90146 = ScopeOfSeveralResources, "One request asked for scopes of several APIs: ask for those of one at a time.";
    90008 = RequestMalformed, "The request has no client id.";
    90010 = RequestMalformed, "The request has no scope.";
    90083 = RequestMalformed, "A parameter is missing in the request.";
    90122 = RequestMalformed, "A value in the request has characters such as < or &.";
    90043 = RequestMalformed, "The `prompt` is none of those that B2C knows.";
    90120 = RequestMalformed, "The `max_age` is out of range.";
    90013 = ResponseTypeUnsupported, "The response type is not offered.";
    90014 = ResponseTypeUnsupported, "The response mode is not offered: use `query` or `form_post`.";
    90057 = ResponseTypeUnsupported, "The implicit flow is not switched on, and this application does not need it.";
    90086 = GrantTypeUnsupported, "The grant is not offered.";

    // The application's credential.
    90081 = ClientSecretWrong, "The client secret is wrong: give the secret's value, which the portal shows once, and not its ID.";
    90079 = ClientCredentialMissing, "The application is a confidential one and sent no secret: set the client secret.";
    90084 = ClientCredentialUnexpected, "The grant is that of a public client, which sends no secret: register the redirect address under the platform \"Web\".";
    90058 = ClientNotAuthorized, "The application is not allowed as a public client: set a client secret.";
    90017 = ClientAssertionRejected, "The client assertion was not accepted.";

    // The policy.
    90022 = TenantNotFound, "There is no such policy in the tenant: check the names of tenant and user flow.";
    90051 = ServiceFault, "The policy offers no way to sign in that fits: check its identity providers.";
    90243 = ServiceFault, "The secret for an identity provider behind B2C is wrong or has expired.";
    90289 = ServiceUnavailable, "An identity provider behind B2C cannot be reached.";
    90273 = IdentityProviderFailed, "An identity provider behind B2C gave a wrong answer: its secret or redirect address may be wrong.";

    // The person.
    90091 = Cancelled, "The person pressed Cancel.";
    90118 = PasswordForgotten, "The person asked to reset the password: name a reset policy, and they are sent there.";
    90052 = CredentialsWrong, "User name or password is wrong; some of these are normal.";
    90054 = CredentialsWrong, "User name or password is wrong; some of these are normal.";
    90225 = CredentialsWrong, "User name or password is wrong; some of these are normal.";
    90053 = AccountNotFound, "There is no such account.";
    90128 = AccountNotFound, "The account of the grant does not exist any more: the person signs in again.";
    90111 = AccountLocked, "The account is locked.";
    90114 = AccountLocked, "The account is locked for a while, against guessing.";
    90151 = AccountLocked, "The second factor failed too often.";
    90077 = SignInNeeded, "Nobody is signed in at B2C, so that a silent sign-in was not possible.";
    90046 = SignInNeeded, "B2C lost the state of the sign-in: the person starts again.";
    90157 = SignInNeeded, "The person tried a step too often and has to start again.";

    // The grant.
    90080 = GrantExpired, "The refresh token or code has expired: the person signs in again.";
    90129 = GrantRevoked, "The grant was revoked: the person signs in again.";
    90088 = GrantInvalid, "The grant is of another policy or endpoint: redeem and refresh at the policy that signed in.";
    90087 = GrantInvalid, "The grant is of another version of the endpoints.";
    90279 = GrantInvalid, "The grant is of another application.";
    90182 = PkceFailed, "The code verifier does not fit the code challenge.";
    90183 = PkceFailed, "The code verifier is not valid.";
    90184 = PkceFailed, "The code challenge method is not offered.";

    // The service.
    90244 = Throttled, "Too many requests: wait a while.";
    90035 = ServiceUnavailable, "B2C is not available at the moment.";
    90085 = ServiceUnavailable, "An internal fault of B2C.";
    90048 = ServiceUnavailable, "An unexpected fault of B2C.";
    90037 = ServiceFault, "A fault of B2C or of a custom policy: look the correlation id up in its log.";
    90075 = ServiceFault, "An API that the policy calls answered with an error.";
    90261 = ServiceFault, "An API that the policy calls gave an answer that B2C cannot read.";
}
