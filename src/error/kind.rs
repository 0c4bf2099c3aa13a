//! [`ErrorKind`]: the kinds of failures, with their reason codes and the sentences for the user.

/// Declares [`ErrorKind`]: for each kind its stable reason code and the sentence for the user.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $reason:literal, $message:literal;)*) => {
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
        }
    };
}

kinds! {
    // Requests to the provider.
    /// The provider could not be reached, did not answer in time, or answered 5xx or 429.
    ProviderUnreachable = "provider_unreachable",
        "The sign-in service cannot be reached at the moment. Please try again in a little while.";
    /// The provider answered the sign-in with `temporarily_unavailable`, `server_error` or an
    /// equivalent code: it is reachable, but temporarily cannot sign users in.
    ProviderUnavailable = "provider_unavailable",
        "The sign-in service answered that it has a problem at the moment. Please try again in a \
         little while.";
    /// A response of the provider is larger than 1 MiB and was not read.
    AnswerTooLarge = "answer_too_large",
        "The response of the sign-in service is too large. Please tell the people who run this \
         application.";
    /// The discovery document or the key set violates the specification or the rules of the
    /// authority.
    ProviderMisconfigured = "provider_misconfigured",
        "The sign-in service of this application is not set up correctly. Please tell the people \
         who run it.";
    /// The provider answered with an error that has no kind of its own, see
    /// [`Error::provider`](super::Error::provider).
    ProviderError = "provider_error", "The sign-in service reported a problem.";
    /// The provider does not support the sign-in that the configuration or a page requests: it has
    /// no device authorization endpoint, or the option does not exist for device codes.
    SignInNotOffered = "sign_in_not_offered",
        "This application uses a kind of sign-in that its sign-in service does not support. \
         Please tell the people who run it.";
    /// The provider refused the application: unknown client, wrong or expired credential,
    /// unregistered redirect URI.
    ClientRefused = "client_refused",
        "The sign-in service does not accept this application. Please tell the people who run it.";
    /// The user or a policy of the provider declined the sign-in.
    AccessDenied = "access_denied", "The sign-in was cancelled or not permitted.";

    /// The limit of concurrent requests to the provider, or of device codes, is reached: no request
    /// was sent. At an API also: the key of an access token has not been looked for yet.
    Busy = "busy",
        "Too many people are signing in at the moment. Please try again in a few seconds.";

    // The authorization response.
    /// A parameter of the authorization response is missing, repeated, too long or unexpected.
    CallbackInvalid = "callback_invalid",
        "The response of the sign-in service was incomplete. Please sign in again.";
    /// The browser sent no sign-in attempt for the response, even after a second sign-in.
    AttemptMissing = "attempt_missing",
        "This browser did not keep the sign-in's cookie. Please allow cookies for this site and \
         sign in again.";
    /// The browser sent the cookie of the sign-in attempt, and no cookie secret opens it, even
    /// after a second sign-in: processes with different secrets, or another base URL or authority.
    AttemptUnreadable = "attempt_unreadable",
        "This application cannot read the cookie of its own sign-in. Please tell the people who \
         run it.";
    /// The sign-in attempt is older than ten minutes.
    AttemptExpired = "attempt_expired", "The sign-in took too long. Please sign in again.";
    /// `state` is not that of the attempt.
    StateMismatch = "state_mismatch",
        "The response does not belong to this sign-in. Please sign in again.";
    /// `iss` is not the provider's issuer (RFC 9207).
    ResponseIssuerMismatch = "response_issuer_mismatch",
        "The response does not come from this application's sign-in service.";
    /// The provider requires an interaction with the user (`login_required`,
    /// `interaction_required`, …).
    InteractionRequired = "interaction_required", "The sign-in service needs you to sign in again.";

    // The token response.
    /// The token response is malformed.
    TokenResponseInvalid = "token_response_invalid",
        "The response of the sign-in service is not valid.";
    /// The device code has expired (RFC 8628 section 3.5).
    CodeExpired = "code_expired", "The code was not used in time. Please start again.";
    /// The grant (authorization code or refresh token) is no longer valid.
    InvalidGrant = "invalid_grant", "The sign-in is no longer valid. Please sign in again.";
    /// The provider granted fewer scopes than requested.
    ScopeNotGranted = "scope_not_granted",
        "The sign-in service did not grant everything this page needs.";

    // JSON Web Tokens, in the order of the checks.
    /// Not a JWT, or its JSON is malformed, has a duplicate member or a member of the wrong type.
    TokenMalformed = "token_malformed", "The sign-in could not be verified.";
    /// The algorithm, the type or a critical header parameter is not allowed.
    TokenAlgorithm = "token_algorithm", "The sign-in could not be verified.";
    /// No usable key with the token's `kid`.
    TokenKeyUnknown = "token_key_unknown", "The sign-in could not be verified.";
    /// The key may not sign for this issuer or cloud.
    TokenKeyIssuer = "token_key_issuer", "The sign-in could not be verified.";
    /// The signature is wrong.
    TokenSignature = "token_signature", "The sign-in could not be verified.";
    /// `iss` is not the provider's issuer.
    TokenIssuer = "token_issuer", "The sign-in could not be verified.";
    /// The token's tenant is not in the list of allowed tenants.
    TenantNotAllowed = "tenant_not_allowed", "Your organisation has no access to this application.";
    /// `aud` or `azp` is not this application.
    TokenAudience = "token_audience", "The sign-in could not be verified.";
    /// `sub` is missing, empty, longer than 255 bytes, or has control characters.
    TokenSubject = "token_subject", "The sign-in could not be verified.";
    /// `exp` has passed.
    TokenExpired = "token_expired",
        "The sign-in could not be verified, because it has expired. Is the clock right?";
    /// `nbf` or `iat` is in the future.
    TokenNotYetValid = "token_not_yet_valid",
        "The sign-in could not be verified, because it is dated in the future. Is the clock \
         right?";
    /// `iat` is older than the configured maximum.
    TokenTooOld = "token_too_old", "The sign-in could not be verified, because it is too old.";
    /// `nonce` is not that of the attempt.
    TokenNonce = "token_nonce", "The sign-in could not be verified.";
    /// `at_hash` is not that of the access token.
    TokenAtHash = "token_at_hash", "The sign-in could not be verified.";
    /// `auth_time` is missing, or too old for the requested `max_age`.
    TokenAuthTime = "token_auth_time",
        "The sign-in service did not ask you to sign in as recently as needed.";
    /// `acr` is not one of the required values.
    TokenAcr = "token_acr", "The sign-in was not as strong as needed.";
    /// The sign-in did not meet the authentication context that a page or an API requires, or the
    /// provider cannot meet it (`unmet_authentication_requirements`).
    AuthContextMissing = "auth_context_missing",
        "The sign-in was not as strong as this page needs.";
    /// `client_info`, `tfp` or another value contradicts the sign-in.
    TokenMismatch = "token_mismatch", "The sign-in could not be verified.";
    /// The request to the API has no access token.
    TokenMissing = "token_missing", "This needs an access token.";
    /// The `Authorization` header does not contain exactly one access token: it is repeated, has
    /// several tokens or none, or is too long (RFC 6750 section 3.1).
    AuthorizationInvalid = "authorization_invalid",
        "The Authorization header does not contain exactly one access token.";
    /// The token is not a bearer access token, or it grants nothing.
    TokenKind = "token_kind", "This is not an access token that can be used here.";
    /// The provider reports that the token is not active (RFC 7662 section 2.2).
    TokenInactive = "token_inactive", "The access token is no longer valid.";
    /// The access token lacks a scope or an app role that the operation requires
    /// ([`Error::scopes`](super::Error::scopes)).
    InsufficientScope = "insufficient_scope", "The access token does not allow this.";
    /// The UserInfo request failed.
    UserInfoFailed = "userinfo_failed",
        "The sign-in service did not provide your user information.";
    /// The `sub` of the UserInfo response is not that of the ID token.
    UserInfoSubject = "userinfo_subject", "The sign-in could not be verified.";
    /// The groups of a user who is in more groups than a token lists could not be read.
    GroupsUnavailable = "groups_unavailable",
        "Your groups could not be looked up. Please try again in a few minutes.";
    /// Another user than the expected one signed in.
    PersonChanged = "person_changed", "Another account signed in. Please start again.";

    /// The API that a token is for could not be reached, or did not answer in time.
    ApiUnreachable = "api_unreachable",
        "Another service that this page needs cannot be reached at the moment. Please try again \
         in a little while.";
    /// An API refused a request ([`Error::api_refusal`](super::Error::api_refusal) has its status
    /// and its reason).
    ApiRefused = "api_refused",
        "Another service that this page needs did not do what it was asked.";
    /// The response of an API is not the JSON that was expected, is compressed, or is too large.
    ApiAnswerInvalid = "api_answer_invalid",
        "Another service that this page needs answered in an unexpected way.";
    /// An API requires a token from a stronger or more recent sign-in
    /// ([`Error::acr_values`](super::Error::acr_values),
    /// [`Error::max_age`](super::Error::max_age); RFC 9470).
    StrongerSignInNeeded = "insufficient_user_authentication",
        "This page needs a stronger or more recent sign-in.";

    // The session and its tokens.
    /// No user is signed in.
    SignInRequired = "sign_in_required", "Please sign in.";
    /// The session has ended.
    SessionEnded = "session_ended", "Your session has ended. Please sign in again.";
    /// The session store failed.
    StoreUnavailable = "store_unavailable",
        "Sessions are not available at the moment. Please try again in a little while.";
    /// The signed-in user lacks a role, group or scope.
    Forbidden = "forbidden", "You are signed in, but you have no access to this page.";
    /// The request has an access token, and the route takes the [`User`](crate::User) of a session.
    SessionRequired = "session_required",
        "This needs a sign-in with a session. An access token is not accepted here.";
    /// The session has no refresh token, which the token request needs.
    NoRefreshToken = "no_refresh_token", "Please sign in again.";
    /// The session could not be renewed for a temporary reason.
    RenewalFailed = "renewal_failed",
        "Your session cannot be renewed at the moment. Please try again in a little while.";
    /// The application's handler of [`on_signed_in`](crate::IdentityLayer::on_signed_in) refused
    /// the user ([`SignInRefusal::new`](crate::SignInRefusal::new)).
    SignInRefused = "sign_in_refused",
        "This application does not accept your sign-in. Please ask the people who run it.";
    /// A handler of an event failed: the sign-in was not completed.
    EventHandlerFailed = "event_handler_failed",
        "This application could not complete your sign-in. Please try again in a little while.";
    /// A page of another origin caused a request that is accepted only from pages of this site.
    CrossSite = "cross_site", "This can only be done from a page of this site.";
    /// The request is malformed.
    RequestInvalid = "request_invalid", "This request cannot be answered.";
    /// The path does not take the method of the request (RFC 9110 section 15.5.6).
    MethodNotAllowed = "method_not_allowed", "This address does not accept such a request.";
    /// The body of the request is longer than the limit for it (RFC 9110 section 15.5.14).
    RequestTooLarge = "request_too_large", "The request is too large.";
    /// The credential of the application cannot be loaded or made.
    CredentialUnavailable = "credential_unavailable",
        "This application cannot identify itself to the sign-in service. Please tell the people \
         who run it.";
    /// A layer or guard is configured incorrectly.
    NotConfigured = "not_configured",
        "This application is not set up correctly. Please tell the people who run it.";
    /// A fault of the machine or a bug in this crate.
    Internal = "internal", "Something went wrong.";
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
}
