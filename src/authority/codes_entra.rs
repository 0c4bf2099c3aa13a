//! The codes of Entra ID: `AADSTS` and a number.

use super::codes::{Reason, Row};
use crate::error::Advice;

/// Microsoft's list of codes.
const REFERENCE: &str = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes";

/// Where Microsoft.Identity.Web tests which refusals another certificate mends.
const CERTIFICATES: &str = "https://github.com/AzureAD/microsoft-identity-web/blob/master/tests/Microsoft.Identity.Web.Test/CertificateReloadLogicTests.cs";

/// An article about one code.
macro_rules! article {
    ($name:literal) => {
        concat!("https://learn.microsoft.com/troubleshoot/entra/entra-id/app-integration/", $name)
    };
}

/// Microsoft's page that tells about any code, to which the list refers for those that it leaves
/// out.
macro_rules! looked_up {
    ($number:literal) => {
        concat!("https://login.microsoftonline.com/error?code=", $number)
    };
}

/// Per code: the reason, what to do about it, and where it is documented. A `wrapper` is a code
/// that comes with others that say more.
macro_rules! rows {
    ($($number:literal = $reason:ident, $operator:literal, $source:expr $(, $wrapper:ident)?;)*) => {
        pub(super) const ROWS: &[Row] = &[$(Row {
            number: $number,
            effect: Reason::$reason.effect(),
            wrapper: rows!(@ $($wrapper)?),
            advice: Advice {
                code: concat!("AADSTS", $number),
                reason: Reason::$reason.code(),
                for_person: Reason::$reason.for_person(),
                for_operator: $operator,
                source: $source,
            },
        },)*];
    };
    (@ wrapper) => { true };
    (@) => { false };
}

rows! {
    // Redirect address.
    50011 = RedirectUriNotRegistered, "Add the redirect address of this configuration to the app registration, under Authentication, platform \"Web\": to the letter, with scheme, port and path.", article!("error-code-AADSTS50011-redirect-uri-mismatch");
    500113 = RedirectUriNotRegistered, "The app registration has no redirect address at all: add that of this configuration, platform \"Web\".", "https://learn.microsoft.com/en-us/answers/a/183761";
    900971 = RedirectUriNotRegistered, "The app registration has no redirect address, or none was sent: add that of this configuration, platform \"Web\".", REFERENCE;
    70004 = RedirectUriNotRegistered, "The redirect address is none of those in the app registration: add it there, to the letter.", REFERENCE;
    9002327 = RedirectUriPlatform, "The redirect address is registered as \"Single-page application\": register it under the platform \"Web\" instead.", "https://learn.microsoft.com/en-us/answers/questions/1601797/aadsts9002327-tokens-issued-for-the-single-page-ap";

    // The application's credential.
    7000215 = ClientSecretWrong, "The client secret is wrong: give the secret's value, which the portal shows once, and not its ID; make a new one if it is lost.", REFERENCE;
    7000222 = ClientSecretExpired, "The client secret has expired: make a new one under \"Certificates & secrets\" of the app registration and give its value to the application.", REFERENCE;
    7000218 = ClientCredentialMissing, "No secret or certificate was sent for a confidential application: set the client secret, or allow public client flows in the app registration.", article!("confidential-client-application-authentication-error-aadsts7000218");
    700025 = ClientCredentialUnexpected, "The app registration is that of a public client, which has no secret: register the redirect address under the platform \"Web\", or configure no credential.", REFERENCE;
    700027 = ClientAssertionRejected, "The signature of the client assertion does not fit a certificate of the app registration: upload the certificate that the application signs with.", REFERENCE;
    700024 = ClientAssertionTime, "The client assertion lies outside its time: set the clock of this machine right, or renew the assertion before it ends.", "https://github.com/AzureAD/microsoft-identity-web/blob/master/src/Microsoft.Identity.Web.TokenAcquisition/Constants.cs";
    700030 = ClientAssertionRejected, "The subject of the certificate is not among those that the app registration trusts: register the certificate or its subject name.", REFERENCE;
    1000502 = ClientAssertionRejected, "The certificate is not valid at this time: renew it, register the new one, and check the clock.", CERTIFICATES;
    7000214 = ClientAssertionRejected, "The certificate was revoked: register another one and sign with it.", CERTIFICATES;
    7000274 = ClientAssertionRejected, "The certificate is not valid at this time: renew it, register the new one, and check the clock.", CERTIFICATES;
    7000277 = ClientAssertionRejected, "The certificate was revoked: register another one and sign with it.", CERTIFICATES;
    50012 = ClientAssertionRejected, "The client assertion or its certificate was not accepted: check that the certificate is registered, valid and the one that signs.", REFERENCE;
    50048 = ClientAssertionRejected, "Subject and issuer of the client assertion differ: both have to be the client id.", REFERENCE;
    700229 = ClientAssertionRejected, "A federated credential needs an app-only token as assertion, not one that stands for a person.", REFERENCE;
    70002 = ClientCredentialRefused, "The application's credential was not accepted: check client id and secret against the app registration.", REFERENCE, wrapper;

    // The application.
    700016 = ApplicationNotFound, "There is no application with this client id in the tenant: check the client id, and that authority and app registration name the same tenant.", article!("error-code-AADSTS70001-app-not-found-in-directory");
    70001 = ApplicationNotFound, "The application is not known or is disabled in the tenant: check client id and tenant, and the enterprise application's properties.", article!("error-code-AADSTS70001-app-not-found-in-directory");
    700011 = ApplicationNotFound, "The application is not in the tenant from which a token was asked: install it there, or name the right tenant.", REFERENCE;
    7000112 = ApplicationDisabled, "The application is disabled: allow sign-in in the properties of the enterprise application.", article!("error-code-aadsts7000112-application-is-disabled");
    1000031 = ApplicationDisabled, "The application cannot be used at this time: ask an administrator of the tenant.", REFERENCE;
    50194 = ApplicationNotMultiTenant, "The application is registered for one tenant, but `common` was asked: name the tenant in the authority, or make the app registration multi-tenant.", REFERENCE;
    90130 = ApplicationNotMultiTenant, "The application cannot be used at `common` or `consumers`: use `organizations` or name the tenant in the authority.", REFERENCE;
    90124 = ApplicationNotMultiTenant, "The API cannot be used at `common` or `consumers`: use `organizations` or name the tenant in the authority.", REFERENCE;
    9001023 = ApplicationNotMultiTenant, "This grant cannot be used at `common` or `consumers`: use `organizations` or name the tenant in the authority.", REFERENCE;
    9002331 = WorkAccountNotAllowed, "The application is registered for personal accounts only: use the authority `consumers`, or change the supported account types.", "https://learn.microsoft.com/en-us/answers/questions/1160493/access-issue";
    9002332 = PersonalAccountNotAllowed, "The application is registered for work and school accounts only: use `organizations` or a tenant as the authority instead of `consumers`.", REFERENCE;

    // The tenant.
    90002 = TenantNotFound, "There is no such tenant in this cloud: check the tenant in the authority (Directory (tenant) ID or a verified domain) and the cloud's login host.", REFERENCE;
    900023 = TenantNotFound, "The authority's tenant is neither a GUID nor a domain name: use the Directory (tenant) ID or a verified domain.", looked_up!(900023);
    50059 = TenantNotFound, "Neither the request nor the account names a tenant: name it in the authority.", REFERENCE;
    50128 = TenantNotFound, "The domain name in the request belongs to no tenant: check the tenant in the authority.", REFERENCE;
    90019 = TenantNotFound, "The tenant cannot be found out from the request: name it in the authority.", REFERENCE;
    90038 = TenantInOtherCloud, "The tenant is in another national cloud: use the login host of that cloud in the authority.", REFERENCE;
    900439 = TenantInOtherCloud, "An application of the US government cloud was used at the public login host: use login.microsoftonline.us.", article!("error-aadsts900439-usgclientnotsupportedonpublicendpoint");
    900432 = TenantInOtherCloud, "A confidential application cannot sign in across clouds: register it in the cloud of its people.", REFERENCE;
    900382 = TenantInOtherCloud, "A confidential application cannot sign in across clouds: register it in the cloud of its people.", REFERENCE;
    1000104 = TenantInOtherCloud, "The person's tenant does not allow access to the cloud of this application: change its cross-cloud settings.", REFERENCE;

    // What was asked for.
    70011 = ScopeInvalid, "A scope is not valid: check spelling and resource; an API's scope looks like api://…/name, for the application itself it ends in /.default.", REFERENCE;
    1002012 = ScopeInvalid, "A token for the application itself is asked for by one scope, its API with /.default at the end, such as https://graph.microsoft.com/.default: single permissions are for tokens of people.", REFERENCE;
    28002 = ScopeInvalid, "The scope cannot be used for an access token: ask for a scope of one API.", REFERENCE;
    28003 = ScopeInvalid, "No scope was named for the access token: ask for a scope of one API.", REFERENCE;
    700023 = ScopeInvalid, "The scope names no resource: ask for a scope of one API.", REFERENCE;
    700022 = ScopeOfSeveralResources, "One request asked for scopes of several APIs: ask for those of one at sign-in, and get the tokens of the others afterwards.", REFERENCE;
    28000 = ScopeOfSeveralResources, "One request asked for scopes of several APIs: ask for those of one at sign-in, and get the tokens of the others afterwards.", looked_up!(28000);
    65005 = PermissionNotConfigured, "The app registration does not list a permission that is asked for: add it under \"API permissions\".", REFERENCE;
    650056 = PermissionNotConfigured, "The app registration lists no permission for what is asked, or nobody consented: add it under \"API permissions\" and grant consent.", article!("error-code-AADSTS650056-misconfigured-app");
    650057 = PermissionNotConfigured, "The API that is asked for is not among the app registration's permissions: add it under \"API permissions\".", REFERENCE;
    90008 = PermissionNotConfigured, "The application needs at least the permission to sign people in and read their profile (User.Read): add it and grant consent.", REFERENCE;
    500011 = ResourceNotFound, "The API that a scope names does not exist in the tenant: check the scope, install the API's application there, or name the right tenant.", article!("error-code-aadsts500011-resource-principal-not-found");
    50001 = ResourceNotFound, "The API that a scope names is disabled or does not exist: check the address before the scope's name.", REFERENCE;
    650052 = ResourceNotFound, "The tenant has no subscription to the service that the application needs: ask an administrator to enable it.", REFERENCE;
    650054 = ResourceNotFound, "An API that the application has permissions for was removed: take it out of the app registration or install it again.", REFERENCE;
    901002 = RequestMalformed, "The parameter `resource` is not taken by the v2.0 endpoints: use scopes.", REFERENCE;
    90014 = RequestMalformed, "A parameter is missing in the request: the error's text in the sign-in log names it.", REFERENCE;
    900144 = RequestMalformed, "A parameter is missing in the request: the error's text in the sign-in log names it.", REFERENCE;
    9002313 = RequestMalformed, "The request is malformed: look for options and scopes with unusual characters.", REFERENCE;
    90015 = RequestMalformed, "The address of the sign-in is too long: ask for fewer scopes and options.", REFERENCE;
    90023 = RequestMalformed, "The request is not valid: the error's text in the sign-in log says why.", REFERENCE, wrapper;
    90100 = RequestMalformed, "A parameter is empty or not valid: check the options of the sign-in.", REFERENCE;
    70003 = GrantTypeUnsupported, "The grant is not offered: check the authority and the app registration.", REFERENCE;
    70005 = ResponseTypeUnsupported, "The response type is not enabled for the application: check the app registration, under Authentication.", REFERENCE;
    70007 = ResponseTypeUnsupported, "The response mode is not offered: use `query` or `form_post`.", REFERENCE;

    // Consent.
    65001 = ConsentRequired, "Nobody consented to what is asked: let the person sign in with these scopes, or have an administrator grant consent.", REFERENCE;
    65004 = ConsentDeclined, "The person declined consent; asking for less at sign-in, and for the rest when it is needed, helps.", REFERENCE;
    90094 = AdminConsentRequired, "What is asked needs an administrator's consent: have one grant it under \"API permissions\".", REFERENCE;
    90095 = AdminConsentRequired, "The person has to ask an administrator for consent: grant it, or answer the request in the admin consent workflow.", REFERENCE;
    90099 = AdminConsentRequired, "The application is not authorised in the customer's tenant: an administrator has to consent there first.", REFERENCE;
    90093 = AdminConsentRequired, "The directory refused the request: the application or the person lacks a permission that an administrator grants.", REFERENCE;
    50015 = AgeConsentRequired, "The account is that of a minor, whose consent is missing.", REFERENCE;
    54000 = AgeConsentRequired, "The account is that of a minor, and the application is not allowed for that age group.", REFERENCE;

    // Who is let in.
    50105 = UserNotAssigned, "The person is not assigned to the application: assign them or a group under \"Users and groups\" of the enterprise application, or switch assignment off.", article!("error-code-AADSTS50105-user-not-assigned-role");
    50020 = AccountNotInTenant, "The account is of another tenant: invite the person as a guest, or use an authority for several tenants.", article!("error-code-AADSTS50020-user-account-identity-provider-does-not-exist");
    50034 = AccountNotInTenant, "The account is not in the tenant: the person mistyped, or the authority names the wrong tenant, or they have to be invited.", REFERENCE;
    51004 = AccountNotInTenant, "The account is not in the tenant: the authority may name the wrong one, or the person has to be invited as a guest.", REFERENCE;
    90072 = AccountNotInTenant, "The external account is not in the tenant: invite the person as a guest.", REFERENCE;
    16000 = AccountNotInTenant, "The account is not in the tenant of the application: invite the person as a guest, or let them choose another account.", REFERENCE;
    16003 = AccountNotInTenant, "The account has not been added to the tenant: invite the person as a guest.", REFERENCE;
    50014 = GuestInvitationPending, "The guest has not accepted the invitation, or the wrong tenant was asked: send the invitation again.", REFERENCE;
    500571 = AccountDisabled, "The guest account is disabled: an administrator of the tenant can enable it.", article!("error-code-aadsts500571-guest-user-account-is-disabled");
    90084 = GuestNotAllowed, "Guests are not allowed here: use an account of the tenant itself.", REFERENCE;
    500200 = PersonalAccountNotAllowed, "A personal account was used, which the app registration does not support: change the supported account types, or invite the person.", looked_up!(500200);
    500208 = PersonalAccountNotAllowed, "The account is of a type that the tenant does not take: check the supported account types of the app registration.", REFERENCE;
    500021 = TenantRestricted, "The network of the person allows only some tenants: its administrator can add the application's.", REFERENCE;
    500022 = TenantRestricted, "The network of the person allows only some tenants: its administrator can add the application's.", REFERENCE;
    50002 = TenantRestricted, "The network of the person allows only some tenants: its administrator can add the application's.", REFERENCE;
    500212 = TenantRestricted, "The cross-tenant settings of the person's tenant do not allow access to the application's.", REFERENCE;
    500213 = TenantRestricted, "The cross-tenant settings of the application's tenant do not let this person in.", REFERENCE;
    53003 = ConditionalAccess, "A Conditional Access policy blocked the sign-in: the sign-in log names it under the correlation id.", REFERENCE;
    530032 = ConditionalAccess, "A security policy of the tenant blocked the sign-in: the sign-in log names it under the correlation id.", REFERENCE;
    530035 = ConditionalAccess, "Security defaults blocked the sign-in: the sign-in log says why under the correlation id.", REFERENCE;
    50131 = ConditionalAccess, "Conditional Access or a risk decision blocked the sign-in: the sign-in log says which under the correlation id.", REFERENCE;
    53000 = DeviceNotCompliant, "Conditional Access wants a compliant device: the person has to enrol theirs.", REFERENCE;
    53001 = DeviceNotCompliant, "Conditional Access wants a device that is joined to the domain.", REFERENCE;
    50005 = DeviceNotCompliant, "Conditional Access does not know the platform of this device.", REFERENCE;
    53002 = AppNotApproved, "Conditional Access wants an approved app.", REFERENCE;
    50097 = DeviceAuthentication, "Device authentication is needed.", REFERENCE;
    50155 = DeviceAuthentication, "Device authentication failed for this person.", REFERENCE;
    50187 = DeviceAuthentication, "The device could not be authenticated.", REFERENCE;
    53011 = RiskBlocked, "The person is blocked because of risk in their home tenant.", REFERENCE;
    530034 = RiskBlocked, "A delegated administrator is blocked because of risk in their home tenant.", REFERENCE;

    // What the person has to do.
    50074 = MfaRequired, "The second factor was asked for and not given.", REFERENCE;
    50076 = MfaRequired, "A second factor is needed: send the person to sign in, with the `claims` of the answer if there are any.", REFERENCE;
    50078 = MfaRequired, "The second factor is too long ago: send the person to sign in.", REFERENCE;
    50158 = MfaRequired, "An external challenge of Conditional Access is outstanding: send the person to sign in.", REFERENCE;
    50072 = MfaRegistration, "The person has to register a second factor: send them to sign in.", REFERENCE;
    50079 = MfaRegistration, "The person has to register a second factor: send them to sign in.", REFERENCE;
    53004 = MfaRegistration, "The person has to register a second factor, which is blocked because of risk.", REFERENCE;
    53010 = MfaRegistration, "A second factor may be registered only from certain places or devices.", REFERENCE;
    50055 = PasswordExpired, "The password has expired.", REFERENCE;
    50144 = PasswordExpired, "The password in the organisation's own directory has expired.", REFERENCE;
    50125 = PasswordChangeRequired, "The sign-in was interrupted for a password reset or registration.", REFERENCE;
    50135 = PasswordChangeRequired, "The password has to be changed because of risk.", REFERENCE;
    50126 = CredentialsWrong, "User name or password is wrong; some of these are normal.", REFERENCE;
    50056 = CredentialsWrong, "The account has no password in this directory.", REFERENCE;
    50064 = CredentialsWrong, "User name or password is wrong.", REFERENCE;
    50053 = AccountLocked, "The account is locked after too many attempts, or the sign-in came from an address with a bad reputation: the sign-in log says which.", REFERENCE;
    50057 = AccountDisabled, "The account is disabled: an administrator of its tenant can enable it.", article!("error-code-aadsts50057-user-account-is-disabled");
    16001 = AccountSelection, "The account that was chosen cannot be used: let the person choose another.", REFERENCE;
    16002 = AccountSelection, "The session that was asked for is not among those of the browser.", REFERENCE;
    50058 = SignInNeeded, "Nobody is signed in at the provider, so that a silent sign-in was not possible.", REFERENCE;
    50140 = SignInNeeded, "The question whether to stay signed in interrupted the sign-in.", REFERENCE;
    50089 = SignInNeeded, "The sign-in took too long at the provider.", REFERENCE;
    700020 = SignInNeeded, "The grant needs the person: send them to sign in.", REFERENCE;

    // Codes and refresh tokens.
    54005 = CodeRedeemed, "The authorization code was already redeemed: look for a callback that is delivered twice, or to two nodes.", REFERENCE;
    700005 = CodeOfOtherTenant, "The authorization code is for another tenant than the one it was redeemed at.", REFERENCE;
    501481 = PkceFailed, "The code verifier does not fit the code challenge.", REFERENCE;
    50147 = PkceFailed, "The code challenge has a wrong length.", REFERENCE;
    501491 = PkceFailed, "The code challenge has a wrong length.", REFERENCE;
    70008 = GrantExpired, "The authorization code or refresh token has expired: the person signs in again.", REFERENCE;
    700082 = GrantExpired, "The refresh token was not used for too long: the person signs in again.", REFERENCE;
    700084 = GrantExpired, "The refresh token is that of a single-page application, which lives a day: register the redirect address under the platform \"Web\".", REFERENCE;
    70043 = SignInFrequency, "The sign-in frequency of Conditional Access ended the refresh token.", REFERENCE;
    50173 = GrantRevoked, "The grant was revoked, by a change of password or by an administrator: the person signs in again.", article!("error-code-aadsts50173-grant-expired-revoked");
    50132 = GrantRevoked, "The session ended by a change or expiry of the password.", REFERENCE;
    50133 = GrantRevoked, "The session ended by a change or expiry of the password.", REFERENCE;
    50085 = GrantRevoked, "The refresh token needs a new sign-in at the social identity provider.", REFERENCE;
    70000 = GrantInvalid, "The code or refresh token was not accepted: it is malformed, of another client, or used up.", REFERENCE, wrapper;
    50013 = AssertionInvalid, "The access token that was exchanged is not valid for that: it has expired, or is for another audience.", REFERENCE;
    500133 = AssertionInvalid, "The access token that was exchanged has expired, or a clock is wrong.", REFERENCE;
    7000114 = ClientNotAuthorized, "The application may not act on behalf of people.", REFERENCE;

    // The service.
    50196 = LoopDetected, "The application asked for the same again and again: look for a redirect loop, cookies that are not kept, or tokens that are not cached.", REFERENCE;
    90055 = Throttled, "The tenant sends too many requests.", REFERENCE;
    50088 = Throttled, "Too many calls or messages for second factors: wait some minutes.", REFERENCE;
    50033 = ServiceUnavailable, "A passing fault of the provider.", REFERENCE;
    50087 = ServiceUnavailable, "A passing fault of the provider's second factor.", REFERENCE;
    90006 = ServiceUnavailable, "A passing fault of a service behind the provider.", REFERENCE;
    90012 = ServiceUnavailable, "The request took the provider too long.", REFERENCE;
    90024 = ServiceUnavailable, "A passing fault of the provider.", REFERENCE;
    90033 = ServiceUnavailable, "The provider's directory is not available at the moment.", REFERENCE;
    90090 = ServiceUnavailable, "The provider's directory is not available at the moment.", REFERENCE;
    90091 = ServiceUnavailable, "The provider's directory cannot be reached at the moment.", REFERENCE;
    70012 = ServiceUnavailable, "A fault at the sign-in of personal accounts.", REFERENCE;
    50000 = ServiceFault, "A fault of the provider: quote the correlation id to Microsoft's support if it stays.", article!("error-code-aadsts50000-issuing-token-sign-in-service"), wrapper;
    20001 = IdentityProviderFailed, "The federated identity provider gave a wrong answer: ask those who run it.", REFERENCE;
    20012 = IdentityProviderFailed, "The federated identity provider gave a wrong answer: ask those who run it.", REFERENCE;
    40008 = IdentityProviderFailed, "The federated identity provider failed: ask those who run it.", REFERENCE;
    40010 = IdentityProviderFailed, "The federated identity provider failed for the moment: ask those who run it if it stays.", REFERENCE;
    50008 = IdentityProviderFailed, "The federated identity provider's SAML answer is missing or wrong.", REFERENCE;
    50107 = IdentityProviderFailed, "The federation of the account's domain does not exist: ask an administrator of the tenant.", article!("error-aadsts50107-guest-redemption-fails");
    80001 = IdentityProviderFailed, "The authentication agent cannot reach the organisation's own directory.", REFERENCE;
    80002 = IdentityProviderFailed, "The organisation's own directory did not answer in time.", REFERENCE;
    80007 = IdentityProviderFailed, "The authentication agent could not check the password: see its log.", REFERENCE;
}
