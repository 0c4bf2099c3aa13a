//! The error codes of Microsoft and of OAuth 2.0: a stable reason for each, its effect on the
//! classification of the error, and advice.
//!
//! - The tables are compiled in: `codes_entra`, `codes_entra_user`, `codes_b2c`, `codes_oauth`.
//! - The text for the user belongs to the reason; the text for the operator belongs to the code,
//!   because the same reason can need different changes to the registration.
//! - Microsoft documents that codes can change at any time. So the member `error` classifies a
//!   failure, and a code only refines that ([`Effect`]). An unknown code changes nothing.

use super::{codes_b2c, codes_entra, codes_entra_user, codes_oauth};
use crate::error::Advice;

/// How a code refines the classification that the member `error` gives a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// `error` alone decides.
    Unchanged,
    /// The user can resolve it in an interaction with the provider.
    Interaction,
    /// It is transient: a later attempt can succeed, and the application needs no change.
    Transient,
    /// The application or its registration has to change.
    Client,
    /// The account has no access.
    Denied,
}

/// A known error code.
#[derive(Debug)]
pub(crate) struct ErrorCode {
    pub(crate) effect: Effect,
    /// Whether it accompanies a more specific code in the same response.
    pub(crate) wrapper: bool,
    pub(crate) advice: Advice,
}

/// Advice for every error code that this crate knows: those of Entra ID, then of Azure AD B2C, then
/// of OAuth 2.0.
///
/// Use it to generate documentation, or pages in another language: the text for the user depends on
/// [`Advice::reason`] alone.
///
/// ```
/// use tower_identity::authority::error_codes;
///
/// let expired = error_codes().find(|advice| advice.code == "AADSTS7000222").unwrap();
/// assert_eq!(expired.reason, "client_secret_expired");
/// ```
pub fn error_codes() -> impl Iterator<Item = &'static Advice> {
    all_rows().map(|row| &row.advice)
}

fn all_rows() -> impl Iterator<Item = &'static ErrorCode> {
    microsoft_rows().chain(codes_oauth::ROWS)
}

fn microsoft_rows() -> impl Iterator<Item = &'static ErrorCode> {
    codes_entra::ROWS.iter().chain(codes_entra_user::ROWS).chain(codes_b2c::ROWS)
}

/// Whether the account has no access, so that signing in with it again cannot succeed.
pub(crate) fn denies_account(advice: &Advice) -> bool {
    all_rows().any(|row| row.effect == Effect::Denied && row.advice.code == advice.code)
}

/// A code of Microsoft's, such as `AADSTS50011` or `AADB2C90118`.
pub(crate) fn microsoft(code: &str) -> Option<&'static ErrorCode> {
    // Read after a failure only, so a search is enough.
    microsoft_rows().find(|row| row.advice.code == code)
}

/// The code of an OAuth 2.0 `error`.
pub(crate) fn oauth(error: &str) -> Option<&'static ErrorCode> {
    codes_oauth::ROWS.iter().find(|row| row.advice.code == error)
}

/// Declares `ROWS`: the beginning of all codes and their usual source, then for each code the rest
/// of it, its reason, the advice for the operator, and the source if it is another one. `wrapper`
/// marks a code that accompanies a more specific one.
macro_rules! rows {
    (
        $family:literal, $reference:expr;
        $($code:literal = $reason:ident $($wrapper:ident)?, $operator:literal $(, $source:expr)?;)*
    ) => {
        pub(super) const ROWS: &[ErrorCode] = &[$(ErrorCode {
            effect: Reason::$reason.effect(),
            wrapper: rows!(@is $($wrapper)?),
            advice: Advice {
                code: concat!($family, $code),
                reason: Reason::$reason.code(),
                for_user: Reason::$reason.for_user(),
                for_operator: $operator,
                source: rows!(@last $reference $(, $source)?),
            },
        },)*];
    };
    (@is wrapper) => { true };
    (@is) => { false };
    (@last $reference:expr) => { $reference };
    (@last $reference:expr, $source:expr) => { $source };
}

pub(super) use rows;

/// Declares [`Reason`]: for each reason its stable code, its [`Effect`], and the sentence for the
/// user.
macro_rules! reasons {
    ($($reason:ident = $code:literal, $effect:ident, $message:literal;)*) => {
        /// The reason for a provider's refusal, more specific than an
        /// [`ErrorKind`](crate::ErrorKind).
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Reason { $($reason,)* }

        impl Reason {
            pub(super) const fn code(self) -> &'static str {
                match self { $(Self::$reason => $code,)* }
            }

            pub(super) const fn effect(self) -> Effect {
                match self { $(Self::$reason => Effect::$effect,)* }
            }

            pub(super) const fn for_user(self) -> &'static str {
                match self { $(Self::$reason => $message,)* }
            }
        }
    };
}

reasons! {
    // The application and its registration.
    RedirectUriNotRegistered = "redirect_uri_not_registered", Client,
        "This application's address is not registered at the sign-in service. Please tell the \
         people who run it.";
    RedirectUriPlatform = "redirect_uri_wrong_platform", Client,
        "This application is registered incorrectly at the sign-in service. Please tell the people \
         who run it.";
    ClientSecretWrong = "client_secret_wrong", Client,
        "The sign-in service does not accept this application's secret. Please tell the people who \
         run it.";
    ClientSecretExpired = "client_secret_expired", Client,
        "This application's secret at the sign-in service has expired. Please tell the people who \
         run it.";
    ClientCredentialMissing = "client_credential_missing", Client,
        "This application did not identify itself to the sign-in service. Please tell the people \
         who run it.";
    ClientCredentialUnexpected = "client_credential_unexpected", Client,
        "This application is registered incorrectly at the sign-in service. Please tell the people \
         who run it.";
    ClientCredentialRefused = "client_credential_refused", Client,
        "The sign-in service does not accept this application. Please tell the people who run it.";
    ClientAssertionRejected = "client_assertion_rejected", Client,
        "The sign-in service does not accept this application's certificate. Please tell the \
         people who run it.";
    ClientAssertionTime = "client_assertion_clock_skew", Client,
        "The clock of this application's server seems to be wrong. Please tell the people who run \
         it.";
    ClientNotAuthorized = "client_not_authorized", Client,
        "This application may not sign people in this way. Please tell the people who run it.";
    ApplicationNotFound = "application_not_found", Client,
        "The sign-in service does not know this application. Please tell the people who run it.";
    ApplicationDisabled = "application_disabled", Client,
        "This application is switched off at the sign-in service. Please ask your administrator.";
    ApplicationNotMultiTenant = "application_not_multi_tenant", Client,
        "This application is not set up for accounts of other organisations. Please tell the \
         people who run it.";
    TenantNotFound = "tenant_not_found", Client,
        "The organisation that this application names does not exist at the sign-in service. \
         Please tell the people who run it.";
    TenantInOtherCloud = "tenant_in_other_cloud", Client,
        "Your organisation is in another cloud than this application expects. Please tell the \
         people who run it.";
    ScopeInvalid = "scope_invalid", Client,
        "This application asks for a permission that the sign-in service does not know. Please \
         tell the people who run it.";
    ScopeOfSeveralResources = "scope_of_several_resources", Client,
        "This application asks for too much at once. Please tell the people who run it.";
    PermissionNotConfigured = "permission_not_configured", Client,
        "A permission is missing in this application's registration. Please tell the people who \
         run it.";
    ResourceNotFound = "resource_not_found", Client,
        "A service that this application needs is not available in your organisation. Please ask \
         your administrator.";
    ResourceMismatch = "resource_mismatch", Client,
        "This application names a service and a permission of another one. Please tell the people \
         who run it.";
    RequestMalformed = "request_malformed", Client,
        "The sign-in service did not understand this application. Please tell the people who run \
         it.";
    ResponseTypeUnsupported = "response_type_unsupported", Client,
        "The sign-in service does not offer what this application asks for. Please tell the people \
         who run it.";
    GrantTypeUnsupported = "grant_type_unsupported", Client,
        "The sign-in service does not offer what this application asks for. Please tell the people \
         who run it.";

    // Consent and access.
    ConsentRequired = "consent_required", Interaction,
        "You have not yet agreed to what this application may do. Sign in again and agree to it.";
    AdminConsentRequired = "admin_consent_required", Interaction,
        "An administrator of your organisation has to approve this application first. Please ask \
         them.";
    ConsentDeclined = "consent_declined", Denied,
        "You did not agree to what this application may do. Try again if \
         that was a mistake.";
    AgeConsentRequired = "age_consent_required", Denied,
        "Your account needs the consent of a parent or guardian for this application.";
    UserNotAssigned = "user_not_assigned", Denied,
        "Your account has not been given access to this application. Please ask your \
         administrator.";
    AccountNotInTenant = "account_not_in_tenant", Denied,
        "Your account does not belong to the organisation of this application. Use another \
         account, or ask to be invited as a guest.";
    GuestInvitationPending = "guest_invitation_pending", Denied,
        "You have not yet accepted your invitation. Open the invitation in your e-mail, or ask for \
         a new one.";
    GuestNotAllowed = "guest_not_allowed", Denied,
        "Guest accounts have no access to this application. Use an account of the organisation \
         itself.";
    PersonalAccountNotAllowed = "personal_account_not_allowed", Denied,
        "Personal accounts have no access to this application. Use your work or school account.";
    WorkAccountNotAllowed = "work_account_not_allowed", Denied,
        "Work and school accounts have no access to this application. Use a personal account.";
    TenantRestricted = "tenant_restricted", Denied,
        "Your organisation or your network does not allow sign-in to this application's \
         organisation. Please ask your administrator.";
    ConditionalAccess = "conditional_access_blocked", Denied,
        "A rule of your organisation does not allow this sign-in. Please ask your administrator.";
    DeviceNotCompliant = "device_not_compliant", Denied,
        "Your organisation allows this only from a device that it manages. Use such a device, or \
         ask your administrator.";
    DeviceAuthentication = "device_authentication_required", Interaction,
        "Your device has to be recognised by your organisation. Sign in again from a device that \
         it knows.";
    AppNotApproved = "browser_not_approved", Denied,
        "Your organisation allows this only from an approved app or browser. Please ask your \
         administrator.";
    RiskBlocked = "sign_in_blocked_by_risk", Denied,
        "Your organisation has blocked this sign-in, because it looks unusual. Please ask your \
         administrator.";
    Cancelled = "sign_in_cancelled", Denied, "The sign-in was cancelled.";

    // Interactions that the user has to complete.
    MfaRequired = "mfa_required", Interaction,
        "A second step is needed to sign you in. Sign in again and confirm it.";
    MfaRegistration = "mfa_registration_required", Interaction,
        "Your account needs a second sign-in method. Sign in again and set it up.";
    PasswordExpired = "password_expired", Interaction,
        "Your password has expired. Sign in again and choose a new one.";
    PasswordChangeRequired = "password_change_required", Interaction,
        "You have to change your password. Sign in again and choose a new one.";
    PasswordForgotten = "password_forgotten", Unchanged,
        "You asked to reset your password. Sign in again when it is reset.";
    CredentialsWrong = "credentials_wrong", Unchanged,
        "The user name or the password is wrong. Please try again.";
    AccountLocked = "account_locked", Denied,
        "Your account is locked after too many attempts. Wait a while, or ask your administrator.";
    AccountDisabled = "account_disabled", Denied,
        "Your account is disabled. Please ask your administrator.";
    AccountNotFound = "account_not_found", Unchanged, "There is no such account. Use another one.";
    AccountSelection = "account_selection_required", Interaction,
        "Please sign in again and choose an account.";
    SignInNeeded = "sign_in_needed", Interaction,
        "You are not signed in at the sign-in service any more. Please sign in again.";

    // The grant.
    CodeRedeemed = "code_redeemed", Unchanged,
        "This sign-in was already used. Please sign in again.";
    CodeOfOtherTenant = "code_of_other_tenant", Unchanged,
        "The sign-in belongs to another organisation. Please sign in again.";
    PkceFailed = "pkce_failed", Unchanged,
        "The sign-in could not be completed. Please sign in again.";
    GrantExpired = "refresh_token_expired", Unchanged,
        "Your sign-in has expired. Please sign in again.";
    GrantRevoked = "refresh_token_revoked", Unchanged,
        "Your sign-in has been revoked, for example because the password was changed. Please sign \
         in again.";
    GrantInvalid = "grant_not_accepted", Unchanged,
        "Your sign-in is no longer valid. Please sign in again.";
    SignInFrequency = "sign_in_frequency", Unchanged,
        "Your organisation requires you to sign in again from time to time. Please sign in again.";
    AssertionInvalid = "user_assertion_invalid", Unchanged,
        "Your sign-in is no longer valid. Please sign in again.";

    // The service.
    Throttled = "throttled", Transient,
        "The sign-in service is busy. Please try again in a few minutes.";
    LoopDetected = "request_loop", Transient,
        "There were too many sign-ins in a row. Close this tab, wait some minutes and try again.";
    ServiceUnavailable = "service_unavailable", Transient,
        "The sign-in service has a problem at the moment. Please try again in a little while.";
    ServiceFault = "service_fault", Unchanged,
        "The sign-in service has a problem. Please try again. If it happens again, tell the people \
         who run this application.";
    IdentityProviderFailed = "identity_provider_failed", Unchanged,
        "Your organisation's own sign-in did not work. Please try again, or ask your \
         administrator.";
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_codes_that_are_met_most_are_known() {
        let known: HashSet<&str> = error_codes().map(|advice| advice.code).collect();
        for code in [
            "AADSTS50011",
            "AADSTS7000222",
            "AADSTS7000215",
            "AADSTS65001",
            "AADSTS90094",
            "AADSTS50105",
            "AADSTS50020",
            "AADSTS53003",
            "AADSTS50076",
            "AADSTS50079",
            "AADSTS50055",
            "AADSTS50057",
            "AADSTS700016",
            "AADSTS700024",
            "AADSTS54005",
            "AADSTS70008",
            "AADSTS700082",
            "AADSTS50173",
            "AADSTS500011",
            "AADSTS90002",
            "AADSTS50194",
            "AADSTS50196",
            "AADSTS50058",
            "AADSTS50126",
            "AADSTS50053",
            "AADSTS65004",
            "AADSTS9002327",
            "AADB2C90118",
            "AADB2C90091",
            "AADB2C90006",
            "AADB2C90080",
            "AADB2C90081",
            "AADB2C90244",
        ] {
            assert!(known.contains(code), "{code}");
        }
        assert!(known.len() >= 120, "{}", known.len());
    }

    #[test]
    fn every_code_is_listed_once_and_completely() {
        let mut seen = HashSet::new();
        for row in all_rows() {
            let Advice { code, reason, for_user, for_operator, source } = row.advice;
            assert!(seen.insert(code), "{code} is there twice");
            assert!(
                reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{code}: {reason}"
            );
            assert!(source.starts_with("https://"), "{code}: {source}");
            for text in [for_user, for_operator] {
                assert!(
                    text.len() > 10 && text.ends_with('.') && text.starts_with(char::is_uppercase),
                    "{code}: {text}"
                );
                assert!(text.len() < 330, "{code}: a sentence, not a page: {text}");
            }
            assert!(
                !for_user.contains("AADSTS") && !for_user.contains("token"),
                "{code}: words of specialists: {for_user}"
            );
        }
    }

    /// A reason that is also that of a kind would be two things under one name.
    #[test]
    fn reasons_are_not_those_of_kinds() {
        let kinds: HashMap<&str, ErrorKind> =
            ErrorKind::ALL.iter().map(|kind| (kind.reason(), *kind)).collect();
        for advice in error_codes() {
            assert!(!kinds.contains_key(advice.reason), "{}: {}", advice.code, advice.reason);
        }
    }

    #[test]
    fn the_two_families_of_numbers_are_kept_apart() {
        let reason = |code: &str| microsoft(code).map(|row| row.advice.reason);
        assert_eq!(reason("AADSTS90006"), Some("service_unavailable"));
        assert_eq!(reason("AADB2C90006"), Some("redirect_uri_not_registered"));
        assert!(
            microsoft("AADSTS1").is_none()
                && microsoft("invalid_scope").is_none()
                && oauth("").is_none()
                && oauth("INVALID_SCOPE").is_none()
        );
    }
}
