//! The error codes of Entra ID (`AADSTS` and a number) about accounts, grants and the service.

use super::{
    codes::{ErrorCode, Reason, rows},
    codes_entra::{REFERENCE, article, looked_up},
};
use crate::error::Advice;

rows! {
    "AADSTS", REFERENCE;
    // The access of the account.
    50105 = UserNotAssigned,
        "The user is not assigned to the application: assign the user or a group under \"Users and \
         groups\" of the enterprise application, or switch the requirement off.",
        article!("error-code-AADSTS50105-user-not-assigned-role");
    50020 = AccountNotInTenant,
        "The account belongs to another tenant: invite the user as a guest, or use an authority \
         for several tenants.",
        article!("error-code-AADSTS50020-user-account-identity-provider-does-not-exist");
    50034 = AccountNotInTenant,
        "The account does not exist in the tenant: the name was mistyped, the authority has the \
         wrong tenant, or the user has to be invited.";
    51004 = AccountNotInTenant,
        "The account does not exist in the tenant: the authority may have the wrong one, or the \
         user has to be invited as a guest.";
    90072 = AccountNotInTenant,
        "The external account is not in the tenant: invite the user as a guest.";
    16000 = AccountNotInTenant,
        "The account does not exist in the tenant of the application: invite the user as a guest, \
         or let the user choose another account.";
    16003 = AccountNotInTenant,
        "The account has not been added to the tenant: invite the user as a guest.";
    50014 = GuestInvitationPending,
        "The guest has not accepted the invitation, or the request went to the wrong tenant: send \
         the invitation again.";
    500571 = AccountDisabled,
        "The guest account is disabled: an administrator of the tenant can enable it.",
        article!("error-code-aadsts500571-guest-user-account-is-disabled");
    90084 = GuestNotAllowed, "Guest accounts are not allowed: use an account of the tenant itself.";
    500200 = PersonalAccountNotAllowed,
        "A personal account was used, which the app registration does not support: change the \
         supported account types, or invite the user.",
        looked_up!(500200);
    500208 = PersonalAccountNotAllowed,
        "The tenant does not accept accounts of this type: check the supported account types of \
         the app registration.";
    500021 = TenantRestricted,
        "The user's network allows only some tenants: its administrator can add the application's \
         tenant.";
    500022 = TenantRestricted,
        "The user's network allows only some tenants: its administrator can add the application's \
         tenant.";
    50002 = TenantRestricted,
        "The user's network allows only some tenants: its administrator can add the application's \
         tenant.";
    500212 = TenantRestricted,
        "The cross-tenant settings of the user's tenant do not allow access to the application's \
         tenant.";
    500213 = TenantRestricted,
        "The cross-tenant settings of the application's tenant do not allow this user.";
    53003 = ConditionalAccess,
        "A Conditional Access policy blocked the sign-in: look the policy up in the sign-in log by \
         the correlation id.";
    530032 = ConditionalAccess,
        "A security policy of the tenant blocked the sign-in: look the policy up in the sign-in \
         log by the correlation id.";
    530035 = ConditionalAccess,
        "Security defaults blocked the sign-in: look the cause up in the sign-in log by the \
         correlation id.";
    50131 = ConditionalAccess,
        "Conditional Access or a risk decision blocked the sign-in: look the cause up in the \
         sign-in log by the correlation id.";
    53000 = DeviceNotCompliant,
        "Conditional Access requires a compliant device: the user has to enrol the device.";
    53001 = DeviceNotCompliant,
        "Conditional Access requires a device that is joined to the domain.";
    50005 = DeviceNotCompliant, "Conditional Access does not support the platform of this device.";
    53002 = AppNotApproved, "Conditional Access requires an approved app.";
    50097 = DeviceAuthentication, "Device authentication is needed.";
    50155 = DeviceAuthentication, "Device authentication failed for this user.";
    50187 = DeviceAuthentication, "The device could not be authenticated.";
    53011 = RiskBlocked, "The user is blocked because of a risk in the home tenant.";
    530034 = RiskBlocked,
        "A delegated administrator is blocked because of a risk in the home tenant.";
    // Interactions that the user has to complete.
    50074 = MfaRequired, "Multi-factor authentication is required and was not completed.";
    50076 = MfaRequired,
        "Multi-factor authentication is required: send the user to sign in, with the `claims` of \
         the error if there are any.";
    50078 = MfaRequired,
        "The last multi-factor authentication has expired: send the user to sign in.";
    50158 = MfaRequired,
        "An external challenge of Conditional Access is not completed: send the user to sign in.";
    50072 = MfaRegistration,
        "The user has to register for multi-factor authentication: send the user to sign in.";
    50079 = MfaRegistration,
        "The user has to register for multi-factor authentication: send the user to sign in.";
    53004 = MfaRegistration,
        "The user has to register for multi-factor authentication, which is blocked because of \
         risk.";
    53010 = MfaRegistration,
        "Registration for multi-factor authentication is restricted to certain locations or \
         devices.";
    50055 = PasswordExpired, "The password has expired.";
    50144 = PasswordExpired, "The password in the organisation's own directory has expired.";
    50125 = PasswordChangeRequired,
        "The sign-in was interrupted for a password reset or registration.";
    50135 = PasswordChangeRequired, "The password has to be changed because of risk.";
    50126 = CredentialsWrong, "User name or password is wrong; a low rate of this error is normal.";
    50056 = CredentialsWrong, "The account has no password in this directory.";
    50064 = CredentialsWrong, "User name or password is wrong.";
    50053 = AccountLocked,
        "The account is locked after too many attempts, or the sign-in came from an IP address \
         with a bad reputation: the sign-in log says which.";
    50057 = AccountDisabled,
        "The account is disabled: an administrator of its tenant can enable it.",
        article!("error-code-aadsts50057-user-account-is-disabled");
    16001 = AccountSelection, "The chosen account cannot be used: let the user choose another.";
    16002 = AccountSelection, "The requested session is not among those of the browser.";
    50058 = SignInNeeded,
        "No user is signed in at the provider, so a silent sign-in is not possible.";
    50140 = SignInNeeded, "The prompt to stay signed in interrupted the sign-in.";
    50089 = SignInNeeded, "The sign-in timed out at the provider.";
    700020 = SignInNeeded, "The grant needs an interaction: send the user to sign in.";
    // Codes and refresh tokens.
    54005 = CodeRedeemed,
        "The authorization code was already redeemed: look for a callback that is delivered twice, \
         or to two nodes.";
    700005 = CodeOfOtherTenant,
        "The authorization code was issued for another tenant than the one that received it.";
    501481 = PkceFailed, "The code verifier does not match the code challenge.";
    50147 = PkceFailed, "The code challenge has a wrong length.";
    501491 = PkceFailed, "The code challenge has a wrong length.";
    70008 = GrantExpired,
        "The authorization code or refresh token has expired: the user has to sign in again.";
    700082 = GrantExpired,
        "The refresh token expired because it was not used: the user has to sign in again.";
    700084 = GrantExpired,
        "The refresh token is one of a single-page application, which is valid for a day: register \
         the redirect URI under the platform \"Web\".";
    70043 = SignInFrequency, "The sign-in frequency of Conditional Access ended the refresh token.";
    50173 = GrantRevoked,
        "The grant was revoked, by a change of password or by an administrator: the user has to \
         sign in again.",
        article!("error-code-aadsts50173-grant-expired-revoked");
    50132 = GrantRevoked, "The session ended because the password was changed or has expired.";
    50133 = GrantRevoked, "The session ended because the password was changed or has expired.";
    50085 = GrantRevoked, "The refresh token needs a new sign-in at the social identity provider.";
    70000 = GrantInvalid wrapper,
        "The code or refresh token was not accepted: it is malformed, belongs to another client, \
         or was already used.";
    50013 = AssertionInvalid,
        "The exchanged access token is not valid as an assertion: it has expired, or has another \
         audience.";
    500133 = AssertionInvalid, "The exchanged access token has expired, or a clock is wrong.";
    7000114 = ClientNotAuthorized, "The application may not use the on-behalf-of flow.";
    // The service.
    50196 = LoopDetected,
        "The application repeated the same request too often: look for a redirect loop, cookies \
         that are not stored, or tokens that are not cached.";
    90055 = Throttled, "The tenant sends too many requests.";
    50088 = Throttled,
        "Too many calls or messages for multi-factor authentication: wait some minutes.";
    50033 = ServiceUnavailable, "A transient fault of the provider.";
    50087 = ServiceUnavailable, "A transient fault of the provider's multi-factor authentication.";
    90006 = ServiceUnavailable, "A transient fault of a service behind the provider.";
    90012 = ServiceUnavailable, "The request timed out at the provider.";
    90024 = ServiceUnavailable, "A transient fault of the provider.";
    90033 = ServiceUnavailable, "The provider's directory is temporarily unavailable.";
    90090 = ServiceUnavailable, "The provider's directory is temporarily unavailable.";
    90091 = ServiceUnavailable, "The provider's directory is temporarily unreachable.";
    70012 = ServiceUnavailable, "A fault in the sign-in of personal accounts.";
    50000 = ServiceFault wrapper,
        "A fault of the provider: if it persists, report the correlation id to Microsoft's \
         support.",
        article!("error-code-aadsts50000-issuing-token-sign-in-service");
    20001 = IdentityProviderFailed,
        "The federated identity provider returned an invalid response: contact its operator.";
    20012 = IdentityProviderFailed,
        "The federated identity provider returned an invalid response: contact its operator.";
    40008 = IdentityProviderFailed, "The federated identity provider failed: contact its operator.";
    40010 = IdentityProviderFailed,
        "The federated identity provider failed temporarily: contact its operator if the failure \
         persists.";
    50008 = IdentityProviderFailed,
        "The SAML response of the federated identity provider is missing or invalid.";
    50107 = IdentityProviderFailed,
        "The federation of the account's domain does not exist: ask an administrator of the \
         tenant.",
        article!("error-aadsts50107-guest-redemption-fails");
    80001 = IdentityProviderFailed,
        "The authentication agent cannot reach the organisation's own directory.";
    80002 = IdentityProviderFailed, "The organisation's own directory did not answer in time.";
    80007 = IdentityProviderFailed,
        "The authentication agent could not check the password: see its log.";
}
