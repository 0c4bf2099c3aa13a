//! What the people who run the application can do about a failure.

use super::ErrorKind;

impl ErrorKind {
    /// What to do about a failure of this kind, with the setting and the variable where one can
    /// mend it, for the people who build and run the application: the end of
    /// [`Error`](super::Error)'s line in the log, unless the provider's own code says more.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::ProviderUnreachable => {
                "check the network, the proxy (HTTPS_PROXY) and the provider's address as seen from this machine (`with_back_channel`, \
                 IDENTITY_BACK_CHANNEL); it is tried again by itself"
            }
            Self::ProviderUnavailable => {
                "the provider answers, and has a problem of its own: see its status page, and try again later"
            }
            Self::Busy => {
                "it passes by itself; if it goes on, the provider answers slowly, or strangers begin sign-ins by the hundred: bound them in \
                 front of the application"
            }
            Self::AnswerTooLarge => {
                "nothing that the provider is asked for needs that much: check its address (IDENTITY_AUTHORITY, IDENTITY_OIDC_AUTHORITY), \
                 what answers there, and how many claims and groups it sends"
            }
            Self::ProviderMisconfigured => {
                "check the provider's address (IDENTITY_AUTHORITY, IDENTITY_OIDC_AUTHORITY), and what `ValidConfig::check` says of its document"
            }
            Self::ProviderError => {
                "look the provider's code up in its documentation or its sign-in log"
            }
            Self::SignInNotOffered => {
                "choose a way of signing in that the provider offers (`with_sign_in_method`, IDENTITY_SIGN_IN_METHOD), or leave the option out"
            }
            Self::ClientRefused => {
                "check client id (IDENTITY_CLIENT_ID), credential (`with_credential`, IDENTITY_CLIENT_SECRET) and the way it is sent \
                 (`ClientCredential::with_method`, IDENTITY_CLIENT_AUTH_METHOD) against the registration at the provider"
            }
            Self::AccessDenied => {
                "the person or a rule of the provider declined: nothing is wrong here"
            }
            Self::CallbackInvalid => {
                "check that nothing in front of the application changes the query or form of the callback, and that the response mode is the \
                 provider's (`with_response_mode`, IDENTITY_RESPONSE_MODE)"
            }
            Self::AttemptMissing => {
                "check that browsers come by the base URL's host and scheme (`with_base_url`, IDENTITY_BASE_URL), that cookies reach the \
                 application, and that every process has the same cookie secret (`with_cookie_secrets`, IDENTITY_COOKIE_SECRET)"
            }
            Self::AttemptExpired => {
                "the person took longer than ten minutes: signing in again is all it needs"
            }
            Self::StateMismatch => {
                "the answer is of another sign-in, or forged: signing in again is all it needs"
            }
            Self::ResponseIssuerMismatch => {
                "check that the redirect address is registered at this provider alone (`with_redirect_uri`, IDENTITY_REDIRECT_URI) and that \
                 the authority is its issuer, to the letter (IDENTITY_OIDC_AUTHORITY)"
            }
            Self::InteractionRequired => {
                "the person has to be sent to sign in: hand the error on as the answer of the handler"
            }
            Self::TokenResponseInvalid => {
                "the provider's token endpoint answers otherwise than RFC 6749 section 5 says: ask its makers"
            }
            Self::CodeExpired => {
                "the person took longer than the provider allows: starting again is all it needs"
            }
            Self::InvalidGrant => {
                "the provider has ended the grant, or the code or refresh token was used before: the person signs in again; where several \
                 processes share sessions, `with_refresh_lock`"
            }
            Self::ScopeNotGranted => {
                "allow the scope in the registration at the provider, or ask for less (`with_scopes`, IDENTITY_SCOPE)"
            }
            Self::TokenMalformed => {
                "the provider's token is not as the specifications have it: ask its makers"
            }
            Self::TokenAlgorithm => {
                "name the algorithm that the provider signs with (`with_id_token_algorithms`, IDENTITY_ID_TOKEN_ALGORITHMS), or change it at the provider"
            }
            Self::TokenKeyUnknown => {
                "check that the provider publishes the key that it signs with (`jwks_uri`), and which keys `ValidConfig::check` finds usable"
            }
            Self::TokenKeyIssuer => {
                "check that authority and tenant are those of the application (IDENTITY_AUTHORITY)"
            }
            Self::TokenSignature => {
                "the token is forged or damaged, or the provider publishes another key under the same `kid`"
            }
            Self::TokenIssuer => {
                "set the authority to the issuer that the provider's tokens name, to the letter (IDENTITY_AUTHORITY, IDENTITY_OIDC_AUTHORITY)"
            }
            Self::TenantNotAllowed => {
                "put the tenant on the list if its people may sign in (`with_tenants`, IDENTITY_TENANTS)"
            }
            Self::TokenAudience => {
                "check the client id (IDENTITY_CLIENT_ID); an audience that tokens may have beside it is named by `add_trusted_audience` \
                 (IDENTITY_TRUSTED_AUDIENCES), every one by `*`"
            }
            Self::TokenSubject => {
                "the provider does not tell people apart: choose another subject claim in its registration"
            }
            Self::TokenExpired | Self::TokenNotYetValid => {
                "set the clock of this machine or of the provider right (NTP); what clocks may differ is `with_clock_leeway` \
                 (IDENTITY_CLOCK_LEEWAY)"
            }
            Self::TokenTooOld => {
                "sign in again, or allow older tokens (`with_max_token_age`, IDENTITY_MAX_TOKEN_AGE)"
            }
            Self::TokenNonce | Self::TokenAtHash | Self::TokenMismatch => {
                "the token is of another sign-in, or forged: signing in again is all it needs"
            }
            Self::TokenAuthTime => {
                "check that the provider honours `max_age` and sends `auth_time` (`SignInOptions::with_max_age`, IDENTITY_MAX_AGE)"
            }
            Self::TokenAcr => {
                "check which `acr` the provider gives for this client, and what is required (`with_required_acr`, IDENTITY_REQUIRED_ACR)"
            }
            Self::AuthContextMissing => {
                "check that the provider knows the authentication context (`SignInOptions::with_auth_context`, IDENTITY_AUTH_CONTEXT)"
            }
            Self::TokenMissing => {
                "send the access token in the header: `Authorization: Bearer` and the token"
            }
            Self::AuthorizationInvalid => {
                "have the client send one header with one token of 16 KiB at most: `Authorization: \
                 Bearer` and the token"
            }
            Self::TokenKind => {
                "have the client send an access token for this API (its audiences: `add_audience`, IDENTITY_AUDIENCE), not an ID token or a \
                 token bound to a key"
            }
            Self::TokenInactive => "have the client get a new access token",
            Self::InsufficientScope => {
                "have the client ask for the scopes that the line names, or have an administrator assign the app role"
            }
            Self::UserInfoFailed => {
                "check the UserInfo endpoint, or do without (`with_user_info`, IDENTITY_USER_INFO=never)"
            }
            Self::UserInfoSubject => {
                "the UserInfo endpoint is about somebody else than the ID token: do without (`with_user_info`, IDENTITY_USER_INFO=never)"
            }
            Self::GroupsUnavailable => {
                "check the permission User.Read of Graph and its consent (`with_groups`, IDENTITY_GROUPS)"
            }
            Self::PersonChanged => "another person chose an account: nothing is wrong here",
            Self::ApiUnreachable => "check the API's address and the network to it",
            Self::StrongerSignInNeeded => {
                "the person has to sign in more strongly: hand the error on as the answer of the handler"
            }
            Self::SignInRequired | Self::SessionEnded => {
                "the person has to sign in: hand the error on as the answer of the handler"
            }
            Self::StoreUnavailable => {
                "check the session store that was given to `with_store`, and the network to it"
            }
            Self::Forbidden => "give the person the role, group or scope that the guard asks for",
            Self::NoRefreshToken => {
                "ask for one by the scope `offline_access` (`with_openid_scopes`, IDENTITY_OPENID_SCOPES) where the provider gives them for \
                 it, and allow it in the registration"
            }
            Self::RenewalFailed => {
                "the provider could not renew the session: it is tried again by itself"
            }
            Self::CrossSite => {
                "follow a link or form of the application's own pages; it is compared with `with_base_url` (IDENTITY_BASE_URL)"
            }
            Self::RequestInvalid => "change the request as the line says",
            Self::CredentialUnavailable => {
                "check the credential's file or function (`with_credential`, IDENTITY_CLIENT_CERTIFICATE_FILE, IDENTITY_CLIENT_ASSERTION_FILE)"
            }
            Self::NotConfigured => "change the layer, guard or configuration as the line says",
            Self::Internal => {
                "report it to the makers of this crate, unless the line names a fault of the machine"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::Error;

    /// The methods and variables that a text names.
    fn named(text: &str) -> (Vec<&str>, Vec<&str>) {
        let words = || {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .filter(|word| !word.is_empty())
        };
        let methods = words().filter(|word| {
            ["with_", "add_", "danger_"].iter().any(|prefix| word.starts_with(prefix))
        });
        (methods.collect(), words().filter(|word| word.starts_with("IDENTITY_")).collect())
    }

    #[test]
    fn every_kind_says_what_happened_what_to_do_and_by_which_setting_and_variable() {
        let mut source = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    source.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        for kind in ErrorKind::ALL {
            let remedy = kind.remedy();
            assert!(remedy.len() > 20 && !remedy.ends_with('.'), "{kind:?}: {remedy}");
            let line = Error::new(*kind, "the value that came is \"x\" and not \"y\"").to_string();
            assert!(
                line.starts_with(kind.reason()) && line.contains("\"x\"") && line.ends_with(remedy),
                "{line}"
            );
            let (methods, variables) = named(remedy);
            for method in methods {
                assert!(
                    source.contains(&format!("pub fn {method}")),
                    "{kind:?} names {method}, which there is not"
                );
            }
            for variable in variables {
                assert!(
                    source.contains(&format!("    \"{variable}\",\n")),
                    "{kind:?} names {variable}, which nothing reads"
                );
            }
            // The page shows no internals.
            let page = kind.user_message();
            assert!(
                !page.contains("IDENTITY_") && !page.contains("with_") && !page.contains('`'),
                "{page}"
            );
        }
        // What a setting can mend names it.
        for kind in [
            ErrorKind::ClientRefused,
            ErrorKind::TokenAlgorithm,
            ErrorKind::TokenIssuer,
            ErrorKind::TenantNotAllowed,
            ErrorKind::TokenAudience,
            ErrorKind::TokenExpired,
            ErrorKind::TokenNotYetValid,
            ErrorKind::TokenTooOld,
            ErrorKind::TokenAcr,
            ErrorKind::TokenAuthTime,
            ErrorKind::ProviderMisconfigured,
            ErrorKind::AttemptMissing,
            ErrorKind::NoRefreshToken,
        ] {
            assert!(!named(kind.remedy()).1.is_empty(), "{kind:?}");
        }
    }
}
