//! [`ErrorKind`]: the kinds of failures, with their reason codes, the sentences for
//! the user and the remedies.

/// Declares [`ErrorKind`]: for each kind its stable reason code, the sentence for the user and the
/// remedy for the operator.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $reason:literal, $message:literal, $remedy:literal;)*) => {
        /// The kind of a failure, with one variant for each stable reason code.
        ///
        /// Kinds may be added. A reason code is never renamed or given another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $kind,)* }

        impl ErrorKind {
            /// Every kind, for tables and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable reason code. [`Error::reason`](super::Error::reason) is more specific if
            /// the provider's code is known.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$kind => $reason,)* }
            }

            /// One sentence for the user, without details of the failure.
            #[must_use]
            pub const fn user_message(self) -> &'static str {
                match self { $(Self::$kind => $message,)* }
            }

            /// How to resolve a failure of this kind, with the setting and the variable if there is
            /// one, for the developers and operators of the application. It ends the log message of
            /// an [`Error`](super::Error), unless the provider's error code has more specific
            /// advice.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$kind => $remedy,)* }
            }
        }
    };
}

kinds! {
    // Requests to the provider.
    /// The provider could not be reached, did not answer in time, or answered 5xx or 429.
    ProviderUnreachable = "provider_unreachable",
        "The sign-in service cannot be reached at the moment. Please try again in a little while.",
        "check the network, the proxy (HTTPS_PROXY) and the provider's address as seen from this \
         machine (`with_back_channel`, IDENTITY_BACK_CHANNEL); the request is repeated \
         automatically";
    /// The provider answered the sign-in with `temporarily_unavailable`, `server_error` or an
    /// equivalent code: it is reachable, but temporarily cannot sign users in.
    ProviderUnavailable = "provider_unavailable",
        "The sign-in service answered that it has a problem at the moment. Please try again in a \
         little while.",
        "the provider is reachable but has a fault: check its status page, and try again later";
    /// A response of the provider is larger than 1 MiB and was not read.
    AnswerTooLarge = "answer_too_large",
        "The response of the sign-in service is too large. Please tell the people who run this \
         application.",
        "no valid response is that large: check the provider's URL (IDENTITY_AUTHORITY, \
         IDENTITY_OIDC_AUTHORITY), the server there, and how many claims and groups it sends";
    /// The discovery document or the key set violates the specification or the rules of the
    /// authority.
    ProviderMisconfigured = "provider_misconfigured",
        "The sign-in service of this application is not set up correctly. Please tell the people \
         who run it.",
        "check the provider's URL (IDENTITY_AUTHORITY, IDENTITY_OIDC_AUTHORITY), and what \
         `ValidConfig::check` reports about its document";
    /// The provider answered with an error that has no kind of its own, see
    /// [`Error::provider`](super::Error::provider).
    ProviderError = "provider_error", "The sign-in service reported a problem.",
        "look the provider's code up in its documentation or its sign-in log; a response without a \
         code may come from a firewall or a web server in front of it";
    /// The provider does not support the sign-in that the configuration or a page requests: it has
    /// no device authorization endpoint, or the option does not exist for device codes.
    SignInNotOffered = "sign_in_not_offered",
        "This application uses a kind of sign-in that its sign-in service does not support. \
         Please tell the people who run it.",
        "choose a sign-in method that the provider supports (`with_sign_in_method`, \
         IDENTITY_SIGN_IN_METHOD), or remove the option";
    /// The provider refused the application: unknown client, wrong or expired credential,
    /// unregistered redirect URI.
    ClientRefused = "client_refused",
        "The sign-in service does not accept this application. Please tell the people who run it.",
        "check client id (IDENTITY_CLIENT_ID), credential (`with_credential`, \
         IDENTITY_CLIENT_SECRET) and the way it is sent (`ClientCredential::with_method`, \
         IDENTITY_CLIENT_AUTH_METHOD) against the registration at the provider";
    /// The user or a policy of the provider declined the sign-in.
    AccessDenied = "access_denied", "The sign-in was cancelled or not permitted.",
        "the user or a policy of the provider declined: the application needs no change";

    /// The limit of concurrent requests to the provider, or of device codes, is reached: no request
    /// was sent. At an API also: the key of an access token has not been looked for yet.
    Busy = "busy",
        "Too many people are signing in at the moment. Please try again in a few seconds.",
        "it is temporary; if it persists, the provider answers slowly, or clients start very many \
         sign-ins or send very many unknown tokens: limit their rate in front of the application";

    // The authorization response.
    /// A parameter of the authorization response is missing, repeated, too long or unexpected.
    CallbackInvalid = "callback_invalid",
        "The response of the sign-in service was incomplete. Please sign in again.",
        "check that no proxy changes the query or form of the callback, and that the provider \
         supports the response mode (`with_response_mode`, IDENTITY_RESPONSE_MODE)";
    /// The browser sent no sign-in attempt for the response, even after a second sign-in.
    AttemptMissing = "attempt_missing",
        "This browser did not keep the sign-in's cookie. Please allow cookies for this site and \
         sign in again.",
        "check that browsers use the host and scheme of the base URL (`with_base_url`, \
         IDENTITY_BASE_URL), that cookies reach the application, and that every process has the \
         same cookie secret (`with_cookie_secrets`, IDENTITY_COOKIE_SECRET)";
    /// The browser sent the cookie of the sign-in attempt, and no cookie secret opens it, even
    /// after a second sign-in: processes with different secrets, or another base URL or authority.
    AttemptUnreadable = "attempt_unreadable",
        "This application cannot read the cookie of its own sign-in. Please tell the people who \
         run it.",
        "give every process the same cookie secret (`with_cookie_secrets`, \
         IDENTITY_COOKIE_SECRET), base URL (`with_base_url`, IDENTITY_BASE_URL), authority and \
         client id: the cookie opens under the same ones only";
    /// The sign-in attempt is older than ten minutes.
    AttemptExpired = "attempt_expired", "The sign-in took too long. Please sign in again.",
        "the user took longer than ten minutes: sign in again";
    /// `state` is not that of the attempt.
    StateMismatch = "state_mismatch",
        "The response does not belong to this sign-in. Please sign in again.",
        "the response belongs to another sign-in, or is forged: sign in again";
    /// `iss` is not the provider's issuer (RFC 9207).
    ResponseIssuerMismatch = "response_issuer_mismatch",
        "The response does not come from this application's sign-in service.",
        "check that the redirect URI is registered at this provider only (`with_redirect_uri`, \
         IDENTITY_REDIRECT_URI) and that the authority is exactly its issuer \
         (IDENTITY_OIDC_AUTHORITY)";
    /// The provider requires an interaction with the user (`login_required`,
    /// `interaction_required`, …).
    InteractionRequired = "interaction_required", "The sign-in service needs you to sign in again.",
        "the user has to sign in: return the error from the handler";

    // The token response.
    /// The token response is malformed.
    TokenResponseInvalid = "token_response_invalid",
        "The response of the sign-in service is not valid.",
        "the response violates the specification of its endpoint (RFC 6749 section 5 for tokens, \
         RFC 8628 section 3.2 for device codes, RFC 7662 section 2.2 for introspection): report it \
         to the provider";
    /// The device code has expired (RFC 8628 section 3.5).
    CodeExpired = "code_expired", "The code was not used in time. Please start again.",
        "the user took longer than the provider allows: start again";
    /// The grant (authorization code or refresh token) is no longer valid.
    InvalidGrant = "invalid_grant", "The sign-in is no longer valid. Please sign in again.",
        "the provider has ended the grant, or the code or refresh token was used before: the user \
         has to sign in again; if several processes share sessions, use `with_refresh_lock`";
    /// The provider granted fewer scopes than requested.
    ScopeNotGranted = "scope_not_granted",
        "The sign-in service did not grant everything this page needs.",
        "allow the scope in the registration at the provider, or request fewer scopes \
         (`with_scopes`, IDENTITY_SCOPE)";

    // JSON Web Tokens, in the order of the checks.
    /// Not a JWT, or its JSON is malformed, has a duplicate member or a member of the wrong type.
    TokenMalformed = "token_malformed", "The sign-in could not be verified.",
        "the provider has to issue tokens as the specifications say: change that in the \
         registration of the application there, or report it to the provider";
    /// The algorithm, the type or a critical header parameter is not allowed.
    TokenAlgorithm = "token_algorithm", "The sign-in could not be verified.",
        "set the algorithm that the provider signs with (`with_id_token_algorithms`, \
         IDENTITY_ID_TOKEN_ALGORITHMS), or change it at the provider";
    /// No usable key with the token's `kid`.
    TokenKeyUnknown = "token_key_unknown", "The sign-in could not be verified.",
        "check that the provider publishes the key that it signs with (`jwks_uri`), and which keys \
         `ValidConfig::check` finds usable";
    /// The key may not sign for this issuer or cloud.
    TokenKeyIssuer = "token_key_issuer", "The sign-in could not be verified.",
        "check that authority and tenant are those of the application (IDENTITY_AUTHORITY)";
    /// The signature is wrong.
    TokenSignature = "token_signature", "The sign-in could not be verified.",
        "the token is forged or damaged, or the provider publishes another key under the same \
         `kid`";
    /// `iss` is not the provider's issuer.
    TokenIssuer = "token_issuer", "The sign-in could not be verified.",
        "the issuer in the provider's tokens has to be the one in its document, letter by letter: \
         set the authority to the provider of these tokens (IDENTITY_AUTHORITY, \
         IDENTITY_OIDC_AUTHORITY); if it is that provider already, correct the issuer at the \
         provider";
    /// The token's tenant is not in the list of allowed tenants.
    TenantNotAllowed = "tenant_not_allowed", "Your organisation has no access to this application.",
        "add the tenant to the list if its users may sign in (`with_tenants`, IDENTITY_TENANTS)";
    /// `aud` or `azp` is not this application.
    TokenAudience = "token_audience", "The sign-in could not be verified.",
        "if `aud` does not have the client id, check the client id (IDENTITY_CLIENT_ID) and the \
         audiences of the client at the provider; if it has others beside the client id, allow \
         them by name with `add_trusted_audience` (IDENTITY_TRUSTED_AUDIENCES), or with `*` every \
         audience of tokens whose `azp` is the client id";
    /// `sub` is missing, empty, longer than 255 bytes, or has control characters.
    TokenSubject = "token_subject", "The sign-in could not be verified.",
        "the token does not identify the user: choose another claim for the subject at the \
         provider";
    /// `exp` has passed.
    TokenExpired = "token_expired",
        "The sign-in could not be verified, because it has expired. Is the clock right?",
        "correct the clock of this machine or of the provider (NTP); the accepted difference is \
         `with_clock_leeway` (IDENTITY_CLOCK_LEEWAY)";
    /// `nbf` or `iat` is in the future.
    TokenNotYetValid = "token_not_yet_valid",
        "The sign-in could not be verified, because it is dated in the future. Is the clock \
         right?",
        "correct the clock of this machine or of the provider (NTP); the accepted difference is \
         `with_clock_leeway` (IDENTITY_CLOCK_LEEWAY)";
    /// `iat` is older than the configured maximum.
    TokenTooOld = "token_too_old", "The sign-in could not be verified, because it is too old.",
        "sign in again, or allow older tokens (`with_max_token_age`, IDENTITY_MAX_TOKEN_AGE)";
    /// `nonce` is not that of the attempt.
    TokenNonce = "token_nonce", "The sign-in could not be verified.",
        "the token belongs to another sign-in, or is forged: sign in again";
    /// `at_hash` is not that of the access token.
    TokenAtHash = "token_at_hash", "The sign-in could not be verified.",
        "the token belongs to another token response, is forged, or the provider computes \
         `at_hash` otherwise than OpenID Connect Core section 3.1.3.6: sign in again; if it fails \
         each time, report it to the provider";
    /// `auth_time` is missing, or too old for the requested `max_age`.
    TokenAuthTime = "token_auth_time",
        "The sign-in service did not ask you to sign in as recently as needed.",
        "check that the provider honours `max_age` and sends `auth_time` \
         (`SignInOptions::with_max_age`, IDENTITY_MAX_AGE)";
    /// `acr` is not one of the required values.
    TokenAcr = "token_acr", "The sign-in was not as strong as needed.",
        "check which `acr` the provider issues for this client, and which is required \
         (`with_required_acr`, IDENTITY_REQUIRED_ACR)";
    /// The sign-in did not meet the authentication context that a page or an API requires, or the
    /// provider cannot meet it (`unmet_authentication_requirements`).
    AuthContextMissing = "auth_context_missing",
        "The sign-in was not as strong as this page needs.",
        "check that the provider supports the authentication context \
         (`SignInOptions::with_auth_context`, IDENTITY_AUTH_CONTEXT)";
    /// `client_info`, `tfp` or another value contradicts the sign-in.
    TokenMismatch = "token_mismatch", "The sign-in could not be verified.",
        "the token belongs to another sign-in, or is forged: sign in again";
    /// The request to the API has no access token.
    TokenMissing = "token_missing", "This needs an access token.",
        "send the access token in the header: `Authorization: Bearer` and the token";
    /// The `Authorization` header does not contain exactly one access token: it is repeated, has
    /// several tokens or none, or is too long (RFC 6750 section 3.1).
    AuthorizationInvalid = "authorization_invalid",
        "The Authorization header does not contain exactly one access token.",
        "have the client send one header with one token of 16 KiB at most: `Authorization: Bearer` \
         and the token";
    /// The token is not a bearer access token, or it grants nothing.
    TokenKind = "token_kind", "This is not an access token that can be used here.",
        "have the client send an access token for this API (its audiences: `add_audience`, \
         IDENTITY_AUDIENCE), not an ID token or a token bound to a key; tokens of workloads \
         (GitHub Actions, Kubernetes) are ID tokens, which this API does not take";
    /// The provider reports that the token is not active (RFC 7662 section 2.2).
    TokenInactive = "token_inactive", "The access token is no longer valid.",
        "have the client get a new access token";
    /// The access token lacks a scope or an app role that the operation requires
    /// ([`Error::scopes`](super::Error::scopes)).
    InsufficientScope = "insufficient_scope", "The access token does not allow this.",
        "have the client request the scopes that this message names, or have an administrator \
         assign the app role";
    /// The UserInfo request failed.
    UserInfoFailed = "userinfo_failed",
        "The sign-in service did not provide your user information.",
        "check the UserInfo endpoint, or disable it (`with_user_info`, IDENTITY_USER_INFO=never)";
    /// The `sub` of the UserInfo response is not that of the ID token.
    UserInfoSubject = "userinfo_subject", "The sign-in could not be verified.",
        "the UserInfo response is about another user than the ID token: disable it \
         (`with_user_info`, IDENTITY_USER_INFO=never)";
    /// The groups of a user who is in more groups than a token lists could not be read.
    GroupsUnavailable = "groups_unavailable",
        "Your groups could not be looked up. Please try again in a few minutes.",
        "check Graph's permission User.Read and the consent to it (`with_groups`, IDENTITY_GROUPS)";
    /// Another user than the expected one signed in.
    PersonChanged = "person_changed", "Another account signed in. Please start again.",
        "another user chose an account: the application needs no change";

    /// The API that a token is for could not be reached, or did not answer in time.
    ApiUnreachable = "api_unreachable",
        "Another service that this page needs cannot be reached at the moment. Please try again \
         in a little while.",
        "check the API's URL and the network to it";
    /// An API refused a request ([`Error::api_refusal`](super::Error::api_refusal) has its status
    /// and its reason).
    ApiRefused = "api_refused",
        "Another service that this page needs did not do what it was asked.",
        "look the status and the reason up in the documentation of the API; `api_refusal` of the \
         error has them";
    /// The response of an API is not the JSON that was expected, is compressed, or is too large.
    ApiAnswerInvalid = "api_answer_invalid",
        "Another service that this page needs answered in an unexpected way.",
        "compare the type with the API's response, and check that the URL is that of the API";
    /// An API requires a token from a stronger or more recent sign-in
    /// ([`Error::acr_values`](super::Error::acr_values),
    /// [`Error::max_age`](super::Error::max_age); RFC 9470).
    StrongerSignInNeeded = "insufficient_user_authentication",
        "This page needs a stronger or more recent sign-in.",
        "the user has to sign in with a stronger method: return the error from the handler";

    // The session and its tokens.
    /// No user is signed in.
    SignInRequired = "sign_in_required", "Please sign in.",
        "the user has to sign in: return the error from the handler";
    /// The session has ended.
    SessionEnded = "session_ended", "Your session has ended. Please sign in again.",
        "the user has to sign in: return the error from the handler";
    /// The session store failed.
    StoreUnavailable = "store_unavailable",
        "Sessions are not available at the moment. Please try again in a little while.",
        "check the session store of `with_store`, and the network to it";
    /// The signed-in user lacks a role, group or scope.
    Forbidden = "forbidden", "You are signed in, but you have no access to this page.",
        "grant the user the role, group or scope that the guard requires";
    /// The request has an access token, and the route takes the [`User`](crate::User) of a session.
    SessionRequired = "session_required",
        "This needs a sign-in with a session. An access token is not accepted here.",
        "let a handler for callers with access tokens take `ApiCaller` in place of `User`, or send \
         the request with the session's cookie and without `Authorization: Bearer`";
    /// The session has no refresh token, which the token request needs.
    NoRefreshToken = "no_refresh_token", "Please sign in again.",
        "request one with the scope `offline_access` (`with_openid_scopes`, \
         IDENTITY_OPENID_SCOPES) if the provider supports it, and allow it in the registration; \
         some providers issue one only with `prompt=consent` (OpenID Connect Core section 11): \
         `SignInOptions::with_prompt`, IDENTITY_PROMPT=consent";
    /// The session could not be renewed for a temporary reason.
    RenewalFailed = "renewal_failed",
        "Your session cannot be renewed at the moment. Please try again in a little while.",
        "the provider could not renew the session: the renewal is repeated automatically";
    /// The application's handler of [`on_signed_in`](crate::IdentityLayer::on_signed_in) refused
    /// the user ([`SignInRefusal::new`](crate::SignInRefusal::new)).
    SignInRefused = "sign_in_refused",
        "This application does not accept your sign-in. Please ask the people who run it.",
        "the handler of `IdentityLayer::on_signed_in` decided it: allow the user in the \
         application's own data if that is wrong";
    /// A handler of an event failed: the sign-in was not completed.
    EventHandlerFailed = "event_handler_failed",
        "This application could not complete your sign-in. Please try again in a little while.",
        "correct the cause that the handler reports; a handler of `IdentityLayer::on_signed_in` \
         that is to go on returns `Ok(())`";
    /// A page of another origin caused a request that is accepted only from pages of this site.
    CrossSite = "cross_site", "This can only be done from a page of this site.",
        "send it from a page of the application: its origin is compared with `with_base_url` \
         (IDENTITY_BASE_URL)";
    /// The request is malformed.
    RequestInvalid = "request_invalid", "This request cannot be answered.",
        "change the request as this message says";
    /// The path does not take the method of the request (RFC 9110 section 15.5.6).
    MethodNotAllowed = "method_not_allowed", "This address does not accept such a request.",
        "use one of the methods in the `Allow` header";
    /// The body of the request is longer than the limit for it (RFC 9110 section 15.5.14).
    RequestTooLarge = "request_too_large", "The request is too large.",
        "change the request as this message says";
    /// The credential of the application cannot be loaded or made.
    CredentialUnavailable = "credential_unavailable",
        "This application cannot identify itself to the sign-in service. Please tell the people \
         who run it.",
        "check the file or function of the credential (`with_credential`, \
         IDENTITY_CLIENT_CERTIFICATE_FILE, IDENTITY_CLIENT_ASSERTION_FILE)";
    /// A layer or guard is configured incorrectly.
    NotConfigured = "not_configured",
        "This application is not set up correctly. Please tell the people who run it.",
        "change the layer, guard or configuration as this message says";
    /// A fault of the machine or a bug in this crate.
    Internal = "internal", "Something went wrong.",
        "report it as a bug of this crate, unless this message names a fault of the machine";
}

impl ErrorKind {
    /// Whether the verification of a JWT refused it, for anything that is checked in tokens of
    /// every kind.
    pub(crate) const fn is_of_verification(self) -> bool {
        matches!(
            self,
            Self::TokenMalformed
                | Self::TokenAlgorithm
                | Self::TokenKeyUnknown
                | Self::TokenKeyIssuer
                | Self::TokenSignature
                | Self::TokenIssuer
                | Self::TenantNotAllowed
                | Self::TokenAudience
                | Self::TokenSubject
                | Self::TokenExpired
                | Self::TokenNotYetValid
                | Self::TokenTooOld
                | Self::TokenMismatch
                | Self::TokenKind
        )
    }

    /// The remedy for a failure of an access token that this application verified as an API, where
    /// it is another than for the tokens of a sign-in: an API has other settings, and the client
    /// has to act.
    pub(super) const fn remedy_at_api(self) -> &'static str {
        match self {
            Self::TokenAudience => {
                "have the client request a token for this API, or add the audience if it is \
                 another name of this API (`ApiConfig::add_audience`, IDENTITY_AUDIENCE)"
            }
            Self::TokenExpired => {
                "have the client get a new access token; if tokens expire that were issued a \
                 moment ago, correct the clock of this machine (NTP) or the accepted difference \
                 (`with_clock_leeway`, IDENTITY_CLOCK_LEEWAY)"
            }
            Self::TokenAlgorithm => {
                "accept the algorithm that the provider signs with (`ApiConfig::with_algorithms`, \
                 IDENTITY_ID_TOKEN_ALGORITHMS), or change it at the provider"
            }
            Self::TokenMismatch => {
                "the token contradicts itself, or is forged: have the client get a new access token"
            }
            kind => kind.remedy(),
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
            let (mut methods, mut variables) = named(remedy);
            let (at_api, more) = named(kind.remedy_at_api());
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
                    crate::config::reads_variable(variable),
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
