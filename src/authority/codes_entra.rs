//! The error codes of Entra ID (`AADSTS` and a number) about the application and its requests.

use super::codes::{ErrorCode, Reason, rows};
use crate::error::Advice;

/// Microsoft's list of codes.
pub(super) const REFERENCE: &str =
    "https://learn.microsoft.com/entra/identity-platform/reference-error-codes";

/// The test of Microsoft.Identity.Web that lists the codes after which it reloads its certificate.
const CERTIFICATES: &str = "https://github.com/AzureAD/microsoft-identity-web/blob/master/tests/\
                            Microsoft.Identity.Web.Test/CertificateReloadLogicTests.cs";

/// An article about one code.
macro_rules! article {
    ($name:literal) => {
        concat!("https://learn.microsoft.com/troubleshoot/entra/entra-id/app-integration/", $name)
    };
}

/// Microsoft's page about any single code, for those that the list leaves out.
macro_rules! looked_up {
    ($number:literal) => {
        concat!("https://login.microsoftonline.com/error?code=", $number)
    };
}

pub(super) use {article, looked_up};

rows! {
    "AADSTS", REFERENCE;
    // The redirect URI.
    50011 = RedirectUriNotRegistered,
        "Add the redirect URI of this configuration to the app registration, under Authentication, \
         platform \"Web\": exactly, with scheme, port and path.",
        article!("error-code-AADSTS50011-redirect-uri-mismatch");
    500113 = RedirectUriNotRegistered,
        "The app registration has no redirect URI: add the one of this configuration, platform \
         \"Web\".",
        "https://learn.microsoft.com/en-us/answers/a/183761";
    900971 = RedirectUriNotRegistered,
        "The app registration has no redirect URI, or the request had none: add the one of this \
         configuration, platform \"Web\".";
    70004 = RedirectUriNotRegistered,
        "The redirect URI is not registered: add it to the app registration, exactly as in this \
         configuration.";
    9002327 = RedirectUriPlatform,
        "The redirect URI is registered as \"Single-page application\": register it under the \
         platform \"Web\" instead.",
        "https://learn.microsoft.com/en-us/answers/questions/1601797/aadsts9002327-tokens-issued-f\
         or-the-single-page-ap";
    // The application's credential.
    7000215 = ClientSecretWrong,
        "The client secret is wrong: configure the secret's value (IDENTITY_CLIENT_SECRET), which \
         the portal shows only once, and not its ID; create a new secret if the value is lost.";
    7000222 = ClientSecretExpired,
        "The client secret has expired: make a new one under \"Certificates & secrets\" of the app \
         registration and give its value to the application.";
    7000218 = ClientCredentialMissing,
        "No secret or certificate was sent for a confidential application: set the client secret, \
         or allow public client flows in the app registration.",
        article!("confidential-client-application-authentication-error-aadsts7000218");
    700025 = ClientCredentialUnexpected,
        "The app registration is that of a public client, which has no secret: register the \
         redirect URI under the platform \"Web\", or configure no credential.";
    700027 = ClientAssertionRejected,
        "The signature of the client assertion matches no certificate of the app registration: \
         upload the certificate that the application signs with.";
    700024 = ClientAssertionTime,
        "The client assertion is outside its validity period: correct the clock of this machine, \
         or renew the assertion before it expires.",
        "https://github.com/AzureAD/microsoft-identity-web/blob/master/src/Microsoft.Identity.Web.\
         TokenAcquisition/Constants.cs";
    700030 = ClientAssertionRejected,
        "The subject of the certificate is not trusted by the app registration: register the \
         certificate or its subject name.";
    1000502 = ClientAssertionRejected,
        "The certificate is not valid at this time: renew it, register the new one, and check the \
         clock.",
        CERTIFICATES;
    7000214 = ClientAssertionRejected,
        "The certificate was revoked: register another one and sign with it.",
        CERTIFICATES;
    7000274 = ClientAssertionRejected,
        "The certificate is not valid at this time: renew it, register the new one, and check the \
         clock.",
        CERTIFICATES;
    7000277 = ClientAssertionRejected,
        "The certificate was revoked: register another one and sign with it.",
        CERTIFICATES;
    50012 = ClientAssertionRejected,
        "The client assertion or its certificate was not accepted: check that the certificate is \
         registered, valid and the one that signs.";
    50048 = ClientAssertionRejected,
        "Subject and issuer of the client assertion differ: both have to be the client id.";
    700229 = ClientAssertionRejected,
        "A federated credential needs an app-only token as assertion, not a token of a user.";
    70002 = ClientCredentialRefused wrapper,
        "The application's credential was not accepted: check client id and secret against the app \
         registration.";
    // The application.
    700016 = ApplicationNotFound,
        "No application with this client id exists in the tenant: check the client id \
         (IDENTITY_CLIENT_ID), and that the authority (IDENTITY_AUTHORITY) and the app \
         registration are in the same tenant.",
        article!("error-code-AADSTS70001-app-not-found-in-directory");
    70001 = ApplicationNotFound,
        "The application is unknown or disabled in the tenant: check client id and tenant, and the \
         properties of the enterprise application.",
        article!("error-code-AADSTS70001-app-not-found-in-directory");
    700011 = ApplicationNotFound,
        "The application is not present in the tenant that issued the request: add its service \
         principal there, or configure the right tenant.";
    7000112 = ApplicationDisabled,
        "The application is disabled: allow sign-in in the properties of the enterprise \
         application.",
        article!("error-code-aadsts7000112-application-is-disabled");
    1000031 = ApplicationDisabled,
        "The application cannot be used at this time: ask an administrator of the tenant.";
    50194 = ApplicationNotMultiTenant,
        "The application is registered for one tenant, but the authority is `common`: configure \
         the tenant in the authority, or make the app registration multi-tenant.";
    90130 = ApplicationNotMultiTenant,
        "The application cannot be used at `common` or `consumers`: use `organizations` or name \
         the tenant in the authority.";
    90124 = ApplicationNotMultiTenant,
        "The API cannot be used at `common` or `consumers`: use `organizations` or name the tenant \
         in the authority.";
    9001023 = ApplicationNotMultiTenant,
        "This grant cannot be used at `common` or `consumers`: use `organizations` or name the \
         tenant in the authority.";
    9002331 = WorkAccountNotAllowed,
        "The application is registered for personal accounts only: use the authority `consumers`, \
         or change the supported account types.",
        "https://learn.microsoft.com/en-us/answers/questions/1160493/access-issue";
    9002332 = PersonalAccountNotAllowed,
        "The application is registered for work and school accounts only: use `organizations` or a \
         tenant as the authority instead of `consumers`.";
    // The tenant.
    90002 = TenantNotFound,
        "There is no such tenant in this cloud: check the tenant in the authority \
         (IDENTITY_AUTHORITY; Directory (tenant) ID or a verified domain) and the cloud's login \
         host.";
    900023 = TenantNotFound,
        "The authority's tenant is neither a GUID nor a domain name: use the Directory (tenant) ID \
         or a verified domain.",
        looked_up!(900023);
    50059 = TenantNotFound,
        "Neither the request nor the account determines a tenant: configure the tenant in the \
         authority.";
    50128 = TenantNotFound,
        "The domain name in the request belongs to no tenant: check the tenant in the authority.";
    90019 = TenantNotFound,
        "The request does not determine a tenant: configure the tenant in the authority.";
    90038 = TenantInOtherCloud,
        "The tenant is in another national cloud: use the login host of that cloud in the \
         authority.";
    900439 = TenantInOtherCloud,
        "An application of the US government cloud was used at the public login host: use \
         login.microsoftonline.us.",
        article!("error-aadsts900439-usgclientnotsupportedonpublicendpoint");
    900432 = TenantInOtherCloud,
        "A confidential application cannot sign users in across clouds: register it in the cloud \
         of its users.";
    900382 = TenantInOtherCloud,
        "A confidential application cannot sign users in across clouds: register it in the cloud \
         of its users.";
    1000104 = TenantInOtherCloud,
        "The user's tenant does not allow access to the cloud of this application: change its \
         cross-cloud settings.";
    // The request.
    70011 = ScopeInvalid,
        "A scope is not valid: check spelling and resource; an API's scope looks like \
         api://…/name, for the application itself it ends in /.default.";
    1002012 = ScopeInvalid,
        "The client credentials grant takes one scope, the API with /.default at the end, such as \
         https://graph.microsoft.com/.default: single permissions are for tokens of users.";
    28002 = ScopeInvalid,
        "The scope cannot be used for an access token: ask for a scope of one API.";
    28003 = ScopeInvalid, "No scope was named for the access token: ask for a scope of one API.";
    700023 = ScopeInvalid, "The scope names no resource: ask for a scope of one API.";
    700022 = ScopeOfSeveralResources,
        "One request had scopes of several APIs: request those of one API at sign-in, and get \
         tokens for the others afterwards.";
    28000 = ScopeOfSeveralResources,
        "One request had scopes of several APIs: request those of one API at sign-in, and get \
         tokens for the others afterwards.",
        looked_up!(28000);
    65005 = PermissionNotConfigured,
        "The app registration does not list a requested permission: add it under \"API \
         permissions\".";
    650056 = PermissionNotConfigured,
        "The app registration lists no permission for the request, or consent is missing: add it \
         under \"API permissions\" and grant consent.",
        article!("error-code-AADSTS650056-misconfigured-app");
    650057 = PermissionNotConfigured,
        "The requested API is not among the app registration's permissions: add it under \"API \
         permissions\".";
    90008 = PermissionNotConfigured,
        "The application needs at least the permission to sign users in and read their profile \
         (User.Read): add it and grant consent.";
    500011 = ResourceNotFound,
        "The API that a scope names does not exist in the tenant: check the scope, install the \
         API's application there, or name the right tenant.",
        article!("error-code-aadsts500011-resource-principal-not-found");
    50001 = ResourceNotFound,
        "The API that a scope names is disabled or does not exist: check the address before the \
         scope's name.";
    650052 = ResourceNotFound,
        "The tenant has no subscription to the service that the application needs: ask an \
         administrator to enable it.";
    650054 = ResourceNotFound,
        "An API that the application has permissions for was removed: remove it from the app \
         registration, or install it again.";
    9010010 = ResourceMismatch,
        "The parameter `resource` is not the API that the scopes name. Entra compares it, \
         character by character, with the part of the scope before the last slash: set the \
         Application ID URI of the API to the URL that clients use (`with_resource`, \
         IDENTITY_RESOURCE), without a slash at the end, and ask for scopes with that prefix.",
        looked_up!(9010010);
    901002 = RequestMalformed,
        "The v2.0 endpoints do not accept the parameter `resource`: use scopes.";
    90014 = RequestMalformed,
        "A parameter is missing in the request: the error's text in the sign-in log names it.";
    900144 = RequestMalformed,
        "A parameter is missing in the request: the error's text in the sign-in log names it.";
    9002313 = RequestMalformed,
        "The request is malformed: check options and scopes for unusual characters.";
    90015 = RequestMalformed,
        "The URL of the authorization request is too long: request fewer scopes and options.";
    90023 = RequestMalformed wrapper,
        "The request is not valid: the error's text in the sign-in log says why.";
    90100 = RequestMalformed,
        "A parameter is empty or not valid: check the options of the sign-in.";
    70003 = GrantTypeUnsupported,
        "The grant is not offered: check the authority and the app registration.";
    70005 = ResponseTypeUnsupported,
        "The response type is not enabled for the application: check the app registration, under \
         Authentication.";
    70007 = ResponseTypeUnsupported,
        "The response mode is not offered: use `query` or `form_post`.";
    // Consent.
    65001 = ConsentRequired,
        "Consent to the requested permissions is missing: send the user to sign in with these \
         scopes, or have an administrator grant consent.";
    65004 = ConsentDeclined,
        "The user declined consent: request fewer scopes at sign-in, and the others when they are \
         needed.";
    90094 = AdminConsentRequired,
        "The request needs the consent of an administrator, who can grant it under \"API \
         permissions\".";
    90095 = AdminConsentRequired,
        "The user has to ask an administrator for consent: grant it, or answer the request in the \
         admin consent workflow.";
    90099 = AdminConsentRequired,
        "The application is not authorised in the customer's tenant: an administrator of that \
         tenant has to consent first.";
    90093 = AdminConsentRequired,
        "The directory refused the request: the application or the user lacks a permission that an \
         administrator can grant.";
    50015 = AgeConsentRequired,
        "The account belongs to a minor, and the required consent is missing.";
    54000 = AgeConsentRequired,
        "The account belongs to a minor, and the application is not allowed for that age group.";
}
