//! The remedy of each kind of failure, for the operator of the application.

use super::ErrorKind;

impl ErrorKind {
    /// How to resolve a failure of this kind, with the setting and the variable if there is one,
    /// for the developers and operators of the application. It ends the log message of an
    /// [`Error`](super::Error), unless the provider's error code has more specific advice.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::ProviderUnreachable => {
                "check the network, the proxy (HTTPS_PROXY) and the provider's address as seen \
                 from this machine (`with_back_channel`, IDENTITY_BACK_CHANNEL); the request is \
                 repeated automatically"
            }
            Self::ProviderUnavailable => {
                "the provider is reachable but has a fault: check its status page, and try again \
                 later"
            }
            Self::Busy => {
                "it is temporary; if it persists, the provider answers slowly, or clients start \
                 very many sign-ins or send very many unknown tokens: limit their rate in front of \
                 the application"
            }
            Self::AnswerTooLarge => {
                "no valid response is that large: check the provider's URL (IDENTITY_AUTHORITY, \
                 IDENTITY_OIDC_AUTHORITY), the server there, and how many claims and groups it \
                 sends"
            }
            Self::ProviderMisconfigured => {
                "check the provider's URL (IDENTITY_AUTHORITY, IDENTITY_OIDC_AUTHORITY), and what \
                 `ValidConfig::check` reports about its document"
            }
            Self::ProviderError => {
                "look the provider's code up in its documentation or its sign-in log; \
                 a response without a code may come from a firewall or a web server in front of it"
            }
            Self::SignInNotOffered => {
                "choose a sign-in method that the provider supports (`with_sign_in_method`, \
                 IDENTITY_SIGN_IN_METHOD), or remove the option"
            }
            Self::ClientRefused => {
                "check client id (IDENTITY_CLIENT_ID), credential (`with_credential`, \
                 IDENTITY_CLIENT_SECRET) and the way it is sent (`ClientCredential::with_method`, \
                 IDENTITY_CLIENT_AUTH_METHOD) against the registration at the provider"
            }
            Self::AccessDenied => {
                "the user or a policy of the provider declined: the application needs no change"
            }
            Self::CallbackInvalid => {
                "check that no proxy changes the query or form of the callback, and that the \
                 provider supports the response mode (`with_response_mode`, \
                 IDENTITY_RESPONSE_MODE)"
            }
            Self::AttemptMissing => {
                "check that browsers use the host and scheme of the base URL (`with_base_url`, \
                 IDENTITY_BASE_URL), that cookies reach the application, and that every process \
                 has the same cookie secret (`with_cookie_secrets`, IDENTITY_COOKIE_SECRET)"
            }
            Self::AttemptUnreadable => {
                "give every process the same cookie secret (`with_cookie_secrets`, \
                 IDENTITY_COOKIE_SECRET), base URL (`with_base_url`, IDENTITY_BASE_URL), authority \
                 and client id: the cookie opens under the same ones only"
            }
            Self::AttemptExpired => "the user took longer than ten minutes: sign in again",
            Self::StateMismatch => {
                "the response belongs to another sign-in, or is forged: sign in again"
            }
            Self::ResponseIssuerMismatch => {
                "check that the redirect URI is registered at this provider only \
                 (`with_redirect_uri`, IDENTITY_REDIRECT_URI) and that the authority is exactly \
                 its issuer (IDENTITY_OIDC_AUTHORITY)"
            }
            Self::InteractionRequired => {
                "the user has to sign in: return the error from the handler"
            }
            Self::TokenResponseInvalid => {
                "the response violates the specification of its endpoint (RFC 6749 section 5 for \
                 tokens, RFC 8628 section 3.2 for device codes, RFC 7662 section 2.2 for \
                 introspection): report it to the provider"
            }
            Self::CodeExpired => "the user took longer than the provider allows: start again",
            Self::InvalidGrant => {
                "the provider has ended the grant, or the code or refresh token was used before: \
                 the user has to sign in again; if several processes share sessions, use \
                 `with_refresh_lock`"
            }
            Self::ScopeNotGranted => {
                "allow the scope in the registration at the provider, or request fewer scopes \
                 (`with_scopes`, IDENTITY_SCOPE)"
            }
            Self::TokenMalformed => {
                "the provider has to issue tokens as the specifications say: change that in the \
                 registration of the application there, or report it to the provider"
            }
            Self::TokenAlgorithm => {
                "set the algorithm that the provider signs with (`with_id_token_algorithms`, \
                 IDENTITY_ID_TOKEN_ALGORITHMS), or change it at the provider"
            }
            Self::TokenKeyUnknown => {
                "check that the provider publishes the key that it signs with (`jwks_uri`), and \
                 which keys `ValidConfig::check` finds usable"
            }
            Self::TokenKeyIssuer => {
                "check that authority and tenant are those of the application (IDENTITY_AUTHORITY)"
            }
            Self::TokenSignature => {
                "the token is forged or damaged, or the provider publishes another key under the \
                 same `kid`"
            }
            Self::TokenIssuer => {
                "the issuer in the provider's tokens has to be the one in its document, letter by \
                 letter: set the authority to the provider of these tokens (IDENTITY_AUTHORITY, \
                 IDENTITY_OIDC_AUTHORITY); if it is that provider already, correct the issuer at \
                 the provider"
            }
            Self::TenantNotAllowed => {
                "add the tenant to the list if its users may sign in (`with_tenants`, \
                 IDENTITY_TENANTS)"
            }
            Self::TokenAudience => {
                "if `aud` does not have the client id, check the client id (IDENTITY_CLIENT_ID) \
                 and the audiences of the client at the provider; if it has others beside the \
                 client id, allow them by name with `add_trusted_audience` \
                 (IDENTITY_TRUSTED_AUDIENCES), or with `*` every audience of tokens whose `azp` is \
                 the client id"
            }
            Self::TokenSubject => {
                "the token does not identify the user: choose another claim for the subject at the \
                 provider"
            }
            Self::TokenExpired | Self::TokenNotYetValid => {
                "correct the clock of this machine or of the provider (NTP); the accepted \
                 difference is `with_clock_leeway` (IDENTITY_CLOCK_LEEWAY)"
            }
            Self::TokenTooOld => {
                "sign in again, or allow older tokens (`with_max_token_age`, \
                 IDENTITY_MAX_TOKEN_AGE)"
            }
            Self::TokenAtHash => {
                "the token belongs to another token response, is forged, or the provider computes \
                 `at_hash` otherwise than OpenID Connect Core section 3.1.3.6: sign in again; if \
                 it fails each time, report it to the provider"
            }
            Self::TokenNonce | Self::TokenMismatch => {
                "the token belongs to another sign-in, or is forged: sign in again"
            }
            Self::TokenAuthTime => {
                "check that the provider honours `max_age` and sends `auth_time` \
                 (`SignInOptions::with_max_age`, IDENTITY_MAX_AGE)"
            }
            Self::TokenAcr => {
                "check which `acr` the provider issues for this client, and which is required \
                 (`with_required_acr`, IDENTITY_REQUIRED_ACR)"
            }
            Self::AuthContextMissing => {
                "check that the provider supports the authentication context \
                 (`SignInOptions::with_auth_context`, IDENTITY_AUTH_CONTEXT)"
            }
            Self::TokenMissing => {
                "send the access token in the header: `Authorization: Bearer` and the token"
            }
            Self::AuthorizationInvalid => {
                "have the client send one header with one token of 16 KiB at most: `Authorization: \
                 Bearer` and the token"
            }
            Self::TokenKind => {
                "have the client send an access token for this API (its audiences: `add_audience`, \
                 IDENTITY_AUDIENCE), not an ID token or a token bound to a key; tokens of \
                 workloads (GitHub Actions, Kubernetes) are ID tokens, which this API does not take"
            }
            Self::TokenInactive => "have the client get a new access token",
            Self::InsufficientScope => {
                "have the client request the scopes that this message names, or have an \
                 administrator assign the app role"
            }
            Self::UserInfoFailed => {
                "check the UserInfo endpoint, or disable it (`with_user_info`, \
                 IDENTITY_USER_INFO=never)"
            }
            Self::UserInfoSubject => {
                "the UserInfo response is about another user than the ID token: disable it \
                 (`with_user_info`, IDENTITY_USER_INFO=never)"
            }
            Self::GroupsUnavailable => {
                "check Graph's permission User.Read and the consent to it (`with_groups`, \
                 IDENTITY_GROUPS)"
            }
            Self::PersonChanged => "another user chose an account: the application needs no change",
            Self::ApiUnreachable => "check the API's URL and the network to it",
            Self::ApiRefused => {
                "look the status and the reason up in the documentation of the API; `api_refusal` \
                 of the error has them"
            }
            Self::ApiAnswerInvalid => {
                "compare the type with the API's response, and check that the URL is that of the \
                 API"
            }
            Self::StrongerSignInNeeded => {
                "the user has to sign in with a stronger method: return the error from the handler"
            }
            Self::SignInRequired | Self::SessionEnded => {
                "the user has to sign in: return the error from the handler"
            }
            Self::StoreUnavailable => {
                "check the session store of `with_store`, and the network to it"
            }
            Self::Forbidden => "grant the user the role, group or scope that the guard requires",
            Self::SessionRequired => {
                "let a handler for callers with access tokens take `ApiCaller` in place of `User`, \
                 or send the request with the session's cookie and without `Authorization: Bearer`"
            }
            Self::SignInRefused => {
                "the handler of `IdentityLayer::on_signed_in` decided it: allow the user in the \
                 application's own data if that is wrong"
            }
            Self::EventHandlerFailed => {
                "correct the cause that the handler reports; a handler of \
                 `IdentityLayer::on_signed_in` that is to go on returns `Ok(())`"
            }
            Self::NoRefreshToken => {
                "request one with the scope `offline_access` (`with_openid_scopes`, \
                 IDENTITY_OPENID_SCOPES) if the provider supports it, and allow it in the \
                 registration; some providers issue one only with `prompt=consent` (OpenID Connect \
                 Core section 11): `SignInOptions::with_prompt`, IDENTITY_PROMPT=consent"
            }
            Self::RenewalFailed => {
                "the provider could not renew the session: the renewal is repeated automatically"
            }
            Self::CrossSite => {
                "send it from a page of the application: its origin is compared with \
                 `with_base_url` (IDENTITY_BASE_URL)"
            }
            Self::RequestInvalid | Self::RequestTooLarge => {
                "change the request as this message says"
            }
            Self::MethodNotAllowed => "use one of the methods in the `Allow` header",
            Self::CredentialUnavailable => {
                "check the file or function of the credential (`with_credential`, \
                 IDENTITY_CLIENT_CERTIFICATE_FILE, IDENTITY_CLIENT_ASSERTION_FILE)"
            }
            Self::NotConfigured => "change the layer, guard or configuration as this message says",
            Self::Internal => {
                "report it as a bug of this crate, unless this message names a fault of the machine"
            }
        }
    }
}

/// The remedy for a kind of failure of an access token that this application verified as an API,
/// where it is another than for the tokens of a sign-in: an API has other settings, and the client
/// has to act.
pub(super) const fn at_api(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::TokenAudience => {
            "have the client request a token for this API, or add the audience if it is another \
             name of this API (`ApiConfig::add_audience`, IDENTITY_AUDIENCE)"
        }
        ErrorKind::TokenExpired => {
            "have the client get a new access token; if tokens expire that were issued a moment \
             ago, correct the clock of this machine (NTP) or the accepted difference \
             (`with_clock_leeway`, IDENTITY_CLOCK_LEEWAY)"
        }
        ErrorKind::TokenAlgorithm => {
            "accept the algorithm that the provider signs with (`ApiConfig::with_algorithms`, \
             IDENTITY_ID_TOKEN_ALGORITHMS), or change it at the provider"
        }
        ErrorKind::TokenMismatch => {
            "the token contradicts itself, or is forged: have the client get a new access token"
        }
        kind => kind.remedy(),
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
            let (mut methods, mut variables) = named(remedy);
            let (at_api, more) = named(at_api(*kind));
            methods.extend(at_api);
            variables.extend(more);
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
        // A remedy that is a setting names it.
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
