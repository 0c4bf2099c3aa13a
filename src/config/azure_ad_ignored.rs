//! The members of an `AzureAd` section that have an effect in Microsoft.Identity.Web and none here.
//! Each one in a section is a finding of the configuration.

use super::{Finding, variables::Variables};

/// The members, each with its counterpart. Members that only affect .NET are not among them.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("AccessDeniedPath", "a `PageRenderer` shows the page of a refused sign-in"),
    (
        "AzureRegion",
        "name the host of the region in AzureAd:Instance, for a `Client` that acquires tokens of \
         the application itself",
    ),
    ("ErrorPath", "a `PageRenderer` shows the error pages"),
    (
        "ExtraQueryParameters",
        "use `SignInOptions::add_parameter` (IDENTITY_SIGN_IN_PARAMETERS), for token requests \
         `TokenRequest::add_parameter`",
    ),
    ("GetClaimsFromUserInfoEndpoint", "use `with_user_info` (IDENTITY_USER_INFO)"),
    ("MaxAge", "use `SignInOptions::with_max_age` (IDENTITY_MAX_AGE)"),
    (
        "MetadataAddress",
        "the document is that of the authority (Instance, TenantId); for a provider other than \
         Microsoft's use `with_discovery_url` (IDENTITY_DISCOVERY_URL)",
    ),
    ("Prompt", "use `SignInOptions::with_prompt` (IDENTITY_PROMPT)"),
    ("RemoteSignOutPath", "front-channel sign-out is not supported"),
    ("ResponseMode", "use `with_response_mode` (IDENTITY_RESPONSE_MODE)"),
    ("ResponseType", "sign-in is by authorization code (`code`) alone"),
    ("Scope", "use `with_scopes` (IDENTITY_SCOPE)"),
    ("Scopes", "use `with_scopes` (IDENTITY_SCOPE), in an API the guard `require_scopes`"),
    ("SignedOutRedirectUri", "use `with_page_after_sign_out` (IDENTITY_PAGE_AFTER_SIGN_OUT)"),
    (
        "TokenDecryptionCertificates",
        "encrypted tokens are refused: remove the encryption key from the registration",
    ),
    (
        "TokenDecryptionCredentials",
        "encrypted tokens are refused: remove the encryption key from the registration",
    ),
    (
        "TokenValidationParameters",
        "use the settings for tenants, audiences and algorithms (`with_tenants`, \
         `add_trusted_audience`, `with_id_token_algorithms`)",
    ),
    ("UserAssignedManagedIdentityClientId", "use `client::ManagedIdentity` in code"),
    ("UseTokenLifetime", "use `with_session_end` (IDENTITY_SESSION_END)"),
    ("WithSpaAuthCode", "there is no code for scripts: the server calls APIs with `Tokens`"),
];

/// The member by its name in any letter case; `None` if it is not one of these.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let mut members = WITHOUT_EFFECT.iter().map(|(member, _)| *member);
    members.find(|member| member.eq_ignore_ascii_case(name))
}

/// Whether the value of a member is what this crate does in any case.
pub(super) fn is_done_anyway(member: &str, value: &str) -> bool {
    member == "ResponseType" && value.trim() == "code"
}

/// The members that variables set to something other than `false` and what is done anyway.
pub(super) fn of_variables(all: &Variables<'_>) -> Vec<&'static str> {
    let mut found: Vec<_> = all
        .names
        .iter()
        .filter(|name| all.is_on(name))
        .filter_map(|name| {
            let member = known(Variables::section_member(name)?.split("__").next()?)?;
            let value = all.unread(name)?;
            (!is_done_anyway(member, &value)).then_some(member)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A warning for each of these members.
pub(super) fn findings(members: &[&'static str]) -> impl Iterator<Item = Finding> {
    let is_set = |(member, _): &&(&str, &str)| members.contains(member);
    WITHOUT_EFFECT.iter().filter(is_set).map(|(member, instead)| {
        let text = format!("AzureAd:{member} has no effect: {instead}.");
        Finding::warning("azure_ad_member_without_effect", text)
    })
}
