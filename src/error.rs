//! The errors of the crate: [`ConfigError`] for the configuration, [`Error`] at run time.
//!
//! An [`Error`] has an [`ErrorKind`], which the code decides by, and separate messages for the user
//! and for the log. Neither contains a secret, a token or a code (security rule 19).

mod api;
mod remedy;

use std::{borrow::Cow, fmt, io, sync::Arc, time::Duration};

pub use api::ApiRefusal;

/// A mistake in the configuration, found before the first request. Its text says how to correct it.
///
/// `Debug` writes the same sentence, because `main` prints the error that it returns in that form.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
    /// Whether a setting is missing: a variable or member with a similar name may be meant for it.
    is_missing: bool,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting: setting.into(), problem: problem.into(), is_missing: false }
    }

    /// The mistake that a setting is missing. `remedy` says what to set.
    pub(crate) fn missing(
        setting: impl Into<Cow<'static, str>>,
        remedy: impl fmt::Display,
    ) -> Self {
        let problem = Cow::Owned(format!("missing: {remedy}"));
        Self { setting: setting.into(), problem, is_missing: true }
    }

    /// Whether the mistake is that a setting is missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// The same mistake with another sentence at its end.
    pub(crate) fn with_sentence(mut self, sentence: &str) -> Self {
        let end = if self.problem.ends_with(['.', '?']) { "" } else { "." };
        self.problem = format!("{}{end} {sentence}", self.problem).into();
        self
    }

    /// The same mistake under the name that the setting has at its source, for example a variable.
    pub(crate) fn named(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.setting = setting.into();
        self
    }

    /// The same mistake in other words, for settings and variables that have other names at the
    /// source.
    pub(crate) fn reworded(self, words: impl Fn(&str) -> String) -> Self {
        let (setting, problem) = (words(&self.setting).into(), words(&self.problem).into());
        Self { setting, problem, ..self }
    }

    /// The setting that has to change, by the name at its source: the environment variable, the
    /// member of a file, or in code the name of the setting, for example `base_url` of
    /// `with_base_url`.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl fmt::Debug for ConfigError {
    /// The sentence of `Display`: `fn main() -> Result<(), ConfigError>` prints this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

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

            /// The stable reason code. [`Error::reason`] is more specific if the provider's code is
            /// known.
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
    /// The provider answered with an error that has no kind of its own, see [`Error::provider`].
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
    /// was sent.
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
    /// ([`Error::scopes`]).
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
    /// An API refused a request ([`Error::api_refusal`] has its status and its reason).
    ApiRefused = "api_refused",
        "Another service that this page needs did not do what it was asked.";
    /// The response of an API is not the JSON that was expected.
    ApiAnswerInvalid = "api_answer_invalid",
        "Another service that this page needs answered in an unexpected way.";
    /// An API requires a token from a stronger or more recent sign-in ([`Error::acr_values`],
    /// [`Error::max_age`]; RFC 9470).
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
    /// Whether the verification of a JWT refused it, for anything in the token.
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

/// The meaning of a provider's error code, and how to resolve the failure.
///
/// [`authority::error_codes`](crate::authority::error_codes) lists all known codes. An unknown code
/// has no advice.
///
/// All texts are part of this crate; none contains data from a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Advice {
    /// The code as the provider writes it: `AADSTS50105`, `AADB2C90091`, or an `error` of OAuth 2.0
    /// such as `invalid_scope`.
    pub code: &'static str,
    /// The stable reason code, more specific than that of the [`ErrorKind`]:
    /// `redirect_uri_not_registered`, `client_secret_expired`, …
    pub reason: &'static str,
    /// One sentence for the user.
    pub for_user: &'static str,
    /// One sentence for the developers and operators of the application.
    pub for_operator: &'static str,
    /// The URL of the documentation of the code.
    pub source: &'static str,
}

/// Text from outside for a message: quoted, escaped, and cut to 100 characters.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A failure at run time.
///
/// It has a [`kind`](Self::kind), a stable [reason code](Self::reason), one message for the user
/// ([`user_message`](Self::user_message)) and one for the log (`Display`). Neither contains a
/// secret, token or code. Clones share one allocation, because all requests that wait for one call
/// get the same error.
///
/// # In the error type of an application
///
/// Returned from a handler, the error of a token becomes the sign-in or consent that it needs. An
/// error type that turns every failure into a 500 loses it; [`find_in`](Self::find_in) gets it out
/// again, in two lines of `IntoResponse`. With `anyhow`:
///
/// ```
/// # #[cfg(feature = "axum")]
/// # mod application {
/// # mod anyhow { pub type Error = Box<dyn std::error::Error + Send + Sync>; }
/// use axum::{
///     http::StatusCode,
///     response::{IntoResponse, Response},
/// };
/// use tower_identity::{Error, Tokens};
///
/// pub struct AppError(anyhow::Error);
///
/// impl<E: Into<anyhow::Error>> From<E> for AppError {
///     fn from(error: E) -> Self {
///         Self(error.into())
///     }
/// }
///
/// impl IntoResponse for AppError {
///     fn into_response(self) -> Response {
///         if let Some(error) = Error::find_in(&*self.0) {
///             return error.clone().into_response();
///         }
///         (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.").into_response()
///     }
/// }
///
/// async fn mail(tokens: Tokens) -> Result<String, AppError> {
///     let token = tokens.for_user(["Mail.Read"]).await?;
///     Ok(format!("until {:?}", token.expires_at()))
/// }
/// # }
/// ```
///
/// With `thiserror` give the variant that holds it an arm of its own,
/// `AppError::Identity(error) => error.into_response()`: the sources of an error that is
/// `#[error(transparent)]` do not contain it. Outside of axum use
/// [`into_response_with`](Self::into_response_with).
///
/// The layer logs a warning if a handler answers 500 after such a failure.
#[derive(Clone)]
pub struct Error(Arc<ErrorParts>);

#[derive(Clone, Debug)]
struct ErrorParts {
    kind: ErrorKind,
    detail: Cow<'static, str>,
    provider: Option<ProviderError>,
    scopes: Vec<String>,
    token_owner: TokenOwner,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    api_refusal: Option<Box<ApiRefusal>>,
    own_message: Option<Box<str>>,
    /// The failure that this one ended the attempt to remedy.
    cause: Option<Error>,
    /// Whether an access token failed that this application verified as an API.
    at_api: bool,
    /// The remedy of this failure, where that of its kind would not help.
    own_remedy: Option<&'static str>,
    /// Whether the refresh token of the failed request will get the same answer again.
    grant_is_spent: bool,
}

/// The owner of the token that could not be acquired, which decides how the failure is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenOwner {
    /// The failure is not about a token of a user.
    None,
    /// The user who is signed in at this application: a sign-in can resolve it.
    User,
    /// The client that called this application with an access token, on whose behalf the token was
    /// requested: it has to get a challenge.
    Caller,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::of(kind, detail.into(), None)
    }

    fn of(kind: ErrorKind, detail: Cow<'static, str>, provider: Option<ProviderError>) -> Self {
        let (scopes, acr_values) = (Vec::new(), Vec::new());
        Self(Arc::new(ErrorParts {
            kind,
            detail,
            provider,
            scopes,
            token_owner: TokenOwner::None,
            acr_values,
            max_age: None,
            api_refusal: None,
            own_message: None,
            cause: None,
            at_api: false,
            own_remedy: None,
            grant_is_spent: false,
        }))
    }

    /// The failure of a request that an API refused.
    pub(crate) fn from_api(refusal: ApiRefusal) -> Self {
        let error = Self::new(ErrorKind::ApiRefused, refusal.to_string());
        let api_refusal = Some(Box::new(refusal));
        Self(Arc::new(ErrorParts { api_refusal, ..Arc::unwrap_or_clone(error.0) }))
    }

    pub(crate) fn from_provider(kind: ErrorKind, provider: ProviderError) -> Self {
        Self::of(kind, "the provider answered with an error".into(), Some(provider))
    }

    /// The failure, as one to acquire a token with these scopes.
    pub(crate) fn for_token<'a>(
        self,
        token_owner: TokenOwner,
        scopes: impl Iterator<Item = &'a str>,
    ) -> Self {
        Self(Arc::new(ErrorParts {
            scopes: scopes.map(str::to_owned).collect(),
            token_owner,
            ..Arc::unwrap_or_clone(self.0)
        }))
    }

    /// The failure with a sentence of the application's own for the user.
    pub(crate) fn with_own_message(self, message: String) -> Self {
        let own_message = Some(message.into());
        Self(Arc::new(ErrorParts { own_message, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The sentence of the application's own for the user, in place of
    /// [`user_message`](Self::user_message).
    pub(crate) fn own_message(&self) -> Option<&str> {
        self.0.own_message.as_deref()
    }

    /// The failure, as one of an access token that this application verified as an API: its remedy
    /// names the settings of an API.
    pub(crate) fn at_api(self) -> Self {
        Self(Arc::new(ErrorParts { at_api: true, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The failure as the end of the attempts to remedy `cause`, whose text and remedy end the
    /// message.
    pub(crate) fn caused_by(self, cause: Self) -> Self {
        Self(Arc::new(ErrorParts { cause: Some(cause), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The failure with a remedy of its own, for a cause that the remedy of its kind does not help
    /// against.
    pub(crate) fn with_remedy(self, remedy: &'static str) -> Self {
        Self(Arc::new(ErrorParts { own_remedy: Some(remedy), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The remedy of [`with_remedy`](Self::with_remedy).
    pub(crate) fn own_remedy(&self) -> Option<&'static str> {
        self.0.own_remedy
    }

    /// The failure, as one that the same refresh token or code would get again: a new sign-in is
    /// needed for another one, whatever the kind.
    pub(crate) fn with_spent_grant(self) -> Self {
        Self(Arc::new(ErrorParts { grant_is_spent: true, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Whether the failure is one of [`with_spent_grant`](Self::with_spent_grant).
    pub(crate) fn is_of_spent_grant(&self) -> bool {
        self.0.grant_is_spent
    }

    /// The failure with another kind.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        Self(Arc::new(ErrorParts { kind, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same failure with another [`detail`](Self::detail).
    pub(crate) fn with_detail(self, detail: String) -> Self {
        Self(Arc::new(ErrorParts { detail: detail.into(), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The failure, resolved by a sign-in with one of these classes and this maximum age.
    pub(crate) fn with_requirements(
        self,
        acr_values: Vec<String>,
        max_age: Option<Duration>,
    ) -> Self {
        Self(Arc::new(ErrorParts { acr_values, max_age, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The error of this crate in another error: that error itself, or the first of its
    /// [sources](std::error::Error::source) that is one.
    ///
    /// An `anyhow::Error` or a `Box<dyn std::error::Error>` is passed as `&*error`. An error that
    /// is `#[error(transparent)]` (`thiserror`) has the sources of the error that it holds, and not
    /// that error: match its variant.
    ///
    /// ```
    /// use std::io;
    /// use tower_identity::Error;
    ///
    /// let other: Box<dyn std::error::Error> = io::Error::other("the disk is full").into();
    /// assert!(Error::find_in(&*other).is_none());
    /// ```
    #[must_use]
    pub fn find_in<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let held = error
                .downcast_ref::<Self>()
                .or_else(|| error.downcast_ref::<Box<Self>>().map(|boxed| &**boxed))
                .or_else(|| error.downcast_ref::<Arc<Self>>().map(|shared| &**shared));
            if held.is_some() {
                return held;
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                // Its sources are those of the error that it holds, without that error.
                Some(held) => Some(held as &(dyn std::error::Error + 'static)),
                None => error.source(),
            };
        }
        None
    }

    pub(crate) fn token_owner(&self) -> TokenOwner {
        self.0.token_owner
    }

    /// The scopes of the token that could not be acquired. Empty for the token of the sign-in and
    /// for other failures.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The authentication context classes that an API requires, the preferred one first (RFC 9470).
    /// Empty for other failures.
    #[must_use]
    pub fn acr_values(&self) -> &[String] {
        &self.0.acr_values
    }

    /// The maximum time since the user authenticated that an API accepts, in whole seconds (RFC
    /// 9470). `None` for other failures.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.0.max_age
    }

    /// The response with which an API refused a request: its status, its reason, its body. `None`
    /// for other failures.
    #[must_use]
    pub fn api_refusal(&self) -> Option<&ApiRefusal> {
        self.0.api_refusal.as_deref()
    }

    /// The kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable reason code, the same in the log, the span, the page and the problem document:
    /// that of the [`Advice`] if the provider's code is known, for example `client_secret_expired`,
    /// otherwise [`ErrorKind::reason`].
    ///
    /// Let code decide by [`kind`](Self::kind): a newer version may know more codes, whose reasons
    /// then become more specific.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.advice().map_or_else(|| self.0.kind.reason(), |advice| advice.reason)
    }

    /// One sentence for the user: that of the [`Advice`] if the provider's code is known, otherwise
    /// [`ErrorKind::user_message`].
    #[must_use]
    pub fn user_message(&self) -> &'static str {
        self.advice().map_or_else(|| self.message_kind().user_message(), |advice| advice.for_user)
    }

    /// The reason that [`user_message`](Self::user_message) is the sentence of.
    pub(crate) fn message_reason(&self) -> &'static str {
        self.advice().map_or_else(|| self.message_kind().reason(), |advice| advice.reason)
    }

    /// The meaning of the provider's code, if it is known.
    #[must_use]
    pub fn advice(&self) -> Option<&'static Advice> {
        self.provider()?.advice
    }

    /// The kind whose texts are shown. A provider that sent a response with an error status is
    /// unavailable, not unreachable: "check the network" would be a wrong remedy.
    fn message_kind(&self) -> ErrorKind {
        match (self.0.kind, self.provider()) {
            (ErrorKind::ProviderUnreachable, Some(_)) => ErrorKind::ProviderUnavailable,
            (kind, _) => kind,
        }
    }

    /// The description of the failure, without reason code and provider error.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The error response of the provider, if that is the failure.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderError> {
        self.0.provider.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Reason first, so that a log can be searched by it; the remedy ends the line.
        write!(f, "{}: {}", self.reason(), self.0.detail)?;
        if let Some(provider) = &self.0.provider {
            write!(f, " ({provider})")?;
        }
        if let Some(cause) = &self.0.cause {
            return write!(f, ": {cause}");
        }
        let remedy = match (self.advice(), self.0.own_remedy) {
            // The place of the failure knows more than its code.
            (_, Some(own)) => own,
            (Some(advice), None) => advice.for_operator,
            (None, None) if self.0.at_api => remedy::at_api(self.message_kind()),
            (None, None) => self.message_kind().remedy(),
        };
        write!(f, ": {remedy}")
    }
}

impl fmt::Debug for Error {
    /// The sentence of `Display`: `fn main() -> Result<(), Error>` prints this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// An error response of the provider, from the authorization endpoint (RFC 6749 section 4.1.2.1) or
/// the token endpoint (section 5.2).
///
/// All texts except the [`advice`](Self::advice) are the provider's: escape them in pages, and
/// decide by `error` only. `Display` is the form for logs. It omits the description, in which
/// providers put names of accounts, applications and tenants; look it up in the provider's sign-in
/// log, at Microsoft by the `correlation_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderError {
    /// The `error` code, for example `invalid_grant`.
    pub error: String,
    /// `error_description`, without control characters and cut to 1,000 characters.
    pub description: Option<String>,
    /// Entra's `suberror`, for example `consent_required`.
    pub suberror: Option<String>,
    /// The numbers behind `AADSTS` (Entra's `error_codes`) or `AADB2C`.
    pub codes: Vec<u64>,
    /// The most specific code, as Microsoft writes it: `AADSTS50105`, `AADB2C90118`.
    pub code: Option<String>,
    /// The advice for that code, or for `error` if the code is unknown.
    pub advice: Option<&'static Advice>,
    /// The claims challenge, as JSON: the value of `claims` for a new sign-in.
    pub claims: Option<String>,
    /// Entra's `correlation_id`, which identifies the request in its sign-in log. If the answer has
    /// none, it is the ID that was sent with the request (`client-request-id`).
    pub correlation_id: Option<String>,
    /// Entra's `trace_id`, for Microsoft's support.
    pub trace_id: Option<String>,
    /// The time that the provider asks to wait before the next request (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The HTTP status, if it was an HTTP response to this application.
    pub status: Option<u16>,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:?}` escapes line breaks and control characters, which could forge lines in a log.
        match (self.status, self.error.as_str()) {
            // The response of a firewall or web server in front of the provider has no code.
            (Some(status), "") => write!(f, "status={status}, no error code")?,
            (Some(status), error) => write!(f, "error={error:?} status={status}")?,
            (None, error) => write!(f, "error={error:?}")?,
        }
        if let Some(suberror) = &self.suberror {
            write!(f, " suberror={suberror:?}")?;
        }
        match (&self.code, self.codes.as_slice()) {
            (Some(code), [] | [_]) => write!(f, " code={code}")?,
            (Some(code), codes) => write!(f, " code={code} codes={codes:?}")?,
            (None, []) => {}
            (None, codes) => write!(f, " codes={codes:?}")?,
        }
        for (name, id) in [("correlation_id", &self.correlation_id), ("trace_id", &self.trace_id)] {
            if let Some(id) = id {
                write!(f, " {name}={id:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reason_codes_are_unique_and_plain() {
        let mut seen = HashSet::new();
        for kind in ErrorKind::ALL {
            let reason = kind.reason();
            assert!(
                reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{reason}"
            );
            assert!(seen.insert(reason), "{reason} is used twice");
        }
    }

    /// An error of an application, with a source.
    #[derive(Debug)]
    struct Failed(&'static str, Box<dyn std::error::Error + Send + Sync>);

    impl fmt::Display for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Failed {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&*self.1)
        }
    }

    #[test]
    fn an_error_is_found_in_the_error_of_an_application_however_deep() {
        let ours = || Error::new(ErrorKind::InteractionRequired, "consent");
        type Boxed = Box<dyn std::error::Error + Send + Sync>;
        let wrapped: [Boxed; 7] = [
            ours().into(),
            Failed("mail", ours().into()).into(),
            Failed("page", Failed("mail", ours().into()).into()).into(),
            io::Error::other(ours()).into(),
            Failed("page", io::Error::other(Failed("mail", ours().into())).into()).into(),
            Failed("boxed", Box::new(Box::new(ours()))).into(),
            Failed("shared", Box::new(Arc::new(ours()))).into(),
        ];
        for error in wrapped {
            let found = Error::find_in(&*error).map(Error::kind);
            assert_eq!(found, Some(ErrorKind::InteractionRequired), "{error:?}");
        }
        let others: [Boxed; 4] = [
            "text".into(),
            io::Error::from(io::ErrorKind::NotFound).into(),
            Failed("page", io::Error::other("text").into()).into(),
            ConfigError::new("a", "b").into(),
        ];
        for error in others {
            assert!(Error::find_in(&*error).is_none(), "{error:?}");
        }
    }

    #[test]
    fn an_error_that_main_returns_is_printed_as_its_sentence() {
        let config = ConfigError::new("IDENTITY_BASE_URL", "\"app\" is not an absolute URL");
        assert_eq!(format!("{config:?}"), "IDENTITY_BASE_URL: \"app\" is not an absolute URL");
        let error = Error::from_provider(
            ErrorKind::ClientRefused,
            ProviderError {
                error: "invalid_client".into(),
                description: Some("hush".into()),
                claims: Some("hush".into()),
                ..ProviderError::default()
            },
        );
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(!format!("{error:?}").contains("hush"));
    }

    #[test]
    fn the_log_line_leaves_out_what_the_provider_wrote_about_the_person() {
        let error = Error::from_provider(
            ErrorKind::ProviderError,
            ProviderError {
                error: "access_denied".into(),
                description: Some("AADSTS50105: ada@example.com is not assigned".into()),
                ..ProviderError::default()
            },
        );
        assert_eq!(
            error.to_string(),
            "provider_error: the provider answered with an error (error=\"access_denied\"): look \
             the provider's code up in its documentation or its sign-in log; a response without a \
             code may come from a firewall or a web server in front of it"
        );
    }
}
