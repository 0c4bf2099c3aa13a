//! What can go wrong: [`ConfigError`] at set-up, [`Error`] at run time.

mod remedy;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// A mistake in the set-up, found before the first request. Its text says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting: setting.into(), problem: problem.into() }
    }

    /// The same mistake under the name by which the user set it.
    pub(crate) fn named(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.setting = setting.into();
        self
    }

    /// The setting that is wrong, as the user wrote it: a method, a field or an environment
    /// variable.
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

impl std::error::Error for ConfigError {}

/// Declares [`ErrorKind`]: per kind its stable reason code and the sentence that a person may read.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $reason:literal, $message:literal;)*) => {
        /// Why something failed: one variant per stable reason code.
        ///
        /// New kinds may be added; a reason code is never renamed or given another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $kind,)* }

        impl ErrorKind {
            /// Every kind there is, for tables and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable reason code. [`Error::reason`] says more where the provider's code is
            /// known.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$kind => $reason,)* }
            }

            /// One sentence for the person in front of the browser. It holds no detail of the
            /// failure.
            #[must_use]
            pub const fn user_message(self) -> &'static str {
                match self { $(Self::$kind => $message,)* }
            }
        }
    };
}

kinds! {
    // The provider as a whole.
    /// The provider could not be reached, did not answer in time, or answered 5xx or 429.
    ProviderUnreachable = "provider_unreachable", "The sign-in service cannot be reached at the moment. Please try again in a little while.";
    /// The provider answered the sign-in with `temporarily_unavailable`, `server_error`, or a code
    /// that says the same: it can be reached, and cannot sign anybody in at the moment.
    ProviderUnavailable = "provider_unavailable", "The sign-in service answered that it has a problem at the moment. Please try again in a little while.";
    /// An answer of the provider is larger than 1 MiB, and was not read.
    AnswerTooLarge = "answer_too_large", "The sign-in service gave an answer that is too large to be used. Please tell the people who run this application.";
    /// The discovery document or the key set is not what the specification or the authority asks
    /// for.
    ProviderMisconfigured = "provider_misconfigured", "The sign-in service of this application is not set up correctly. Please tell the people who run it.";
    /// The provider answered with an error that has no kind of its own; [`Error::provider`] has it.
    ProviderError = "provider_error", "The sign-in service reported a problem.";
    /// The provider has no way of signing in as the configuration or a page wants it: no device
    /// authorization endpoint, or something that a device code cannot ask for.
    SignInNotOffered = "sign_in_not_offered", "This application wants a kind of sign-in that its sign-in service does not offer. Please tell the people who run it.";
    /// The provider refused this application: unknown client, wrong or expired credential,
    /// unregistered address.
    ClientRefused = "client_refused", "The sign-in service does not accept this application. Please tell the people who run it.";
    /// The person or the provider's policy declined the sign-in.
    AccessDenied = "access_denied", "The sign-in was cancelled or not permitted.";

    /// As many requests to the provider are under way as may be at one time, or too many device
    /// codes were asked for: the provider was not asked.
    Busy = "busy", "Too many people are signing in at the moment. Please try again in a few seconds.";

    // The authorization response.
    /// A parameter is missing, repeated, too long, or of an answer that was never asked for.
    CallbackInvalid = "callback_invalid", "The answer of the sign-in service was incomplete. Please sign in again.";
    /// No attempt of this browser belongs to the answer, also after a second try.
    AttemptMissing = "attempt_missing", "This browser did not keep the sign-in's cookie. Please allow cookies for this site and sign in again.";
    /// The attempt is older than its ten minutes.
    AttemptExpired = "attempt_expired", "The sign-in took too long. Please sign in again.";
    /// The answer's `state` is not the attempt's.
    StateMismatch = "state_mismatch", "The answer does not belong to this sign-in. Please sign in again.";
    /// The answer's `iss` is not the provider's (RFC 9207).
    ResponseIssuerMismatch = "response_issuer_mismatch", "The answer does not come from this application's sign-in service.";
    /// The provider asks for a sign-in with interaction (`login_required`, `interaction_required`,
    /// …).
    InteractionRequired = "interaction_required", "The sign-in service needs you to sign in again.";

    // The token response.
    /// The token answer is malformed.
    TokenResponseInvalid = "token_response_invalid", "The sign-in service gave an answer that cannot be used.";
    /// The code of a sign-in on another device was not used in time.
    CodeExpired = "code_expired", "The code was not used in time. Please start again.";
    /// The grant (code or refresh token) is not valid any more.
    InvalidGrant = "invalid_grant", "The sign-in is no longer valid. Please sign in again.";
    /// The provider granted less than was asked for.
    ScopeNotGranted = "scope_not_granted", "The sign-in service did not grant everything this page needs.";

    // JSON Web Tokens, in the order of the checks.
    /// Not a JWT, or its JSON is broken, has a member twice or a member of the wrong type.
    TokenMalformed = "token_malformed", "The sign-in could not be verified.";
    /// An algorithm, type or critical header that is not allowed.
    TokenAlgorithm = "token_algorithm", "The sign-in could not be verified.";
    /// No usable key with the token's `kid`.
    TokenKeyUnknown = "token_key_unknown", "The sign-in could not be verified.";
    /// The key may not sign for this issuer or cloud.
    TokenKeyIssuer = "token_key_issuer", "The sign-in could not be verified.";
    /// The signature is wrong.
    TokenSignature = "token_signature", "The sign-in could not be verified.";
    /// `iss` is not the provider's.
    TokenIssuer = "token_issuer", "The sign-in could not be verified.";
    /// The token's tenant is not on the list of allowed tenants.
    TenantNotAllowed = "tenant_not_allowed", "Your organisation has no access to this application.";
    /// `aud` or `azp` is not this application.
    TokenAudience = "token_audience", "The sign-in could not be verified.";
    /// `sub` is missing, empty or longer than 255 characters.
    TokenSubject = "token_subject", "The sign-in could not be verified.";
    /// `exp` has passed.
    TokenExpired = "token_expired", "The sign-in could not be verified, because it has expired. Is the clock right?";
    /// `nbf` or `iat` lies in the future.
    TokenNotYetValid = "token_not_yet_valid", "The sign-in could not be verified, because it is dated in the future. Is the clock right?";
    /// `iat` is older than the configured maximum.
    TokenTooOld = "token_too_old", "The sign-in could not be verified, because it is too old.";
    /// `nonce` is not the attempt's.
    TokenNonce = "token_nonce", "The sign-in could not be verified.";
    /// `at_hash` is not that of the access token.
    TokenAtHash = "token_at_hash", "The sign-in could not be verified.";
    /// `auth_time` is missing or too old for the asked `max_age`.
    TokenAuthTime = "token_auth_time", "The sign-in service did not ask you to sign in as recently as needed.";
    /// `acr` is not one of those required.
    TokenAcr = "token_acr", "The sign-in was not as strong as needed.";
    /// The authentication context that a page or an API asked for was not met, or the provider says
    /// that it cannot be (`unmet_authentication_requirements`).
    AuthContextMissing = "auth_context_missing", "The sign-in was not as strong as this page needs.";
    /// `client_info`, `tfp` or another member that must agree does not.
    TokenMismatch = "token_mismatch", "The sign-in could not be verified.";
    /// The request has no access token, and the API needs one.
    TokenMissing = "token_missing", "This needs an access token.";
    /// The `Authorization` header is for an access token, and is not one: several headers, several
    /// tokens, none, or one that is too long (RFC 6750 section 3.1).
    AuthorizationInvalid = "authorization_invalid", "The Authorization header is not one access token.";
    /// It is a token of another kind than an access token for a bearer, or one that allows nothing.
    TokenKind = "token_kind", "This is not an access token that can be used here.";
    /// The provider says that the token does not hold, or not any more (RFC 7662).
    TokenInactive = "token_inactive", "The access token does not hold any more.";
    /// The access token lacks a scope or an app role that the operation needs
    /// ([`Error::scopes`]).
    InsufficientScope = "insufficient_scope", "The access token does not allow this.";
    /// UserInfo failed.
    UserInfoFailed = "userinfo_failed", "The sign-in service did not tell who you are.";
    /// UserInfo is about somebody else than the ID token.
    UserInfoSubject = "userinfo_subject", "The sign-in could not be verified.";
    /// The groups of somebody with too many for a token could not be read.
    GroupsUnavailable = "groups_unavailable", "It cannot be told at the moment in which groups you are.";
    /// Another person than expected signed in.
    PersonChanged = "person_changed", "Somebody else signed in. Please start again.";

    /// An API that a token is for could not be reached, or did not answer in time.
    ApiUnreachable = "api_unreachable", "Another service that this page needs cannot be reached at the moment. Please try again in a little while.";
    /// An API wants a token of a stronger or more recent sign-in ([`Error::acr_values`],
    /// [`Error::max_age`]; RFC 9470).
    StrongerSignInNeeded = "insufficient_user_authentication", "This page needs a stronger or more recent sign-in.";

    // The session and its tokens.
    /// Nobody is signed in.
    SignInRequired = "sign_in_required", "Please sign in.";
    /// The session has ended.
    SessionEnded = "session_ended", "Your session has ended. Please sign in again.";
    /// The session store failed.
    StoreUnavailable = "store_unavailable", "Sessions are not available at the moment. Please try again in a little while.";
    /// The signed-in person lacks the right.
    Forbidden = "forbidden", "You are signed in, but you have no access to this page.";
    /// The session has no refresh token to get the token with.
    NoRefreshToken = "no_refresh_token", "Please sign in again.";
    /// The session could not be renewed for a passing reason.
    RenewalFailed = "renewal_failed", "Your session cannot be renewed at the moment. Please try again in a little while.";
    /// A step that only this site's own pages may take was asked for by another.
    CrossSite = "cross_site", "This can only be done from a page of this site.";
    /// The request itself is malformed, too large or of the wrong method.
    RequestInvalid = "request_invalid", "This request cannot be answered.";
    /// The application's own credential cannot be loaded or made.
    CredentialUnavailable = "credential_unavailable", "This application cannot prove itself to the sign-in service. Please tell the people who run it.";
    /// A layer or guard is set up wrongly.
    NotConfigured = "not_configured", "This application is not set up correctly. Please tell the people who run it.";
    /// A fault of the machine or of this crate.
    Internal = "internal", "Something went wrong.";
}

/// What a code of a provider means, and what to do about it.
///
/// Whoever shows pages or writes logs gets the same words for the same code;
/// [`authority::error_codes`](crate::authority::error_codes) lists all that are known. A code that
/// is not known has no advice and passes through as it is.
///
/// Every text is this crate's own: none holds anything that a provider sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Advice {
    /// The code as the provider writes it: `AADSTS50105`, `AADB2C90091`, or an `error` of OAuth 2.0
    /// such as `invalid_scope`.
    pub code: &'static str,
    /// The stable reason code, finer than that of the [`ErrorKind`]: `redirect_uri_not_registered`,
    /// `client_secret_expired`, …
    pub reason: &'static str,
    /// One sentence for the person in front of the browser.
    pub for_person: &'static str,
    /// One sentence for the people who build and run the application.
    pub for_operator: &'static str,
    /// Where the code is documented: an address.
    pub source: &'static str,
}

/// Another party's text as a message shows it: quoted, and not too long.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A failure at run time.
///
/// It has a [`kind`](Self::kind), a stable [reason code](Self::reason), one message for the person
/// ([`user_message`](Self::user_message)) and one for the log (`Display`). Neither holds a secret,
/// token or code. Clones share one allocation, because everyone who waited for the same call gets
/// the same error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    detail: Cow<'static, str>,
    provider: Option<ProviderError>,
    scopes: Vec<String>,
    whose: Whose,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
}

/// Whose token could not be had: who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// It is about no token, or nobody of this request's can do anything.
    Nobodys,
    /// The token of whoever is signed in here.
    SignedIn,
    /// One on behalf of whoever called this application with an access token.
    Caller,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::of(kind, detail.into(), None)
    }

    fn of(kind: ErrorKind, detail: Cow<'static, str>, provider: Option<ProviderError>) -> Self {
        let (scopes, acr_values) = (Vec::new(), Vec::new());
        Self(Arc::new(Inner {
            kind,
            detail,
            provider,
            scopes,
            whose: Whose::Nobodys,
            acr_values,
            max_age: None,
        }))
    }

    pub(crate) fn from_provider(kind: ErrorKind, provider: ProviderError) -> Self {
        Self::of(kind, "the provider answered with an error".into(), Some(provider))
    }

    /// The same failure, of a token with these scopes.
    pub(crate) fn for_token<'a>(self, whose: Whose, scopes: impl Iterator<Item = &'a str>) -> Self {
        Self(Arc::new(Inner {
            scopes: scopes.map(str::to_owned).collect(),
            whose,
            ..Arc::unwrap_or_clone(self.0)
        }))
    }

    /// The same failure as one of another kind.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same failure, which a sign-in like this would mend.
    pub(crate) fn wanting(self, acr_values: Vec<String>, max_age: Option<Duration>) -> Self {
        Self(Arc::new(Inner { acr_values, max_age, ..Arc::unwrap_or_clone(self.0) }))
    }

    pub(crate) fn whose(&self) -> Whose {
        self.0.whose
    }

    /// The scopes of the token that could not be had; none for that of the sign-in, and for
    /// failures of something else.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The authentication context classes that an API wants the person to sign in with, the
    /// preferred first (RFC 9470); none for other failures.
    #[must_use]
    pub fn acr_values(&self) -> &[String] {
        &self.0.acr_values
    }

    /// How long ago the person may have signed in for an API, in whole seconds (RFC 9470); `None`
    /// for other failures.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.0.max_age
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable reason code, the same in the log, the span, the page and the problem document:
    /// that of the [`Advice`] where the provider's code is known, for example
    /// `client_secret_expired`, otherwise [`ErrorKind::reason`].
    ///
    /// Decide by [`kind`](Self::kind): codes become known with newer versions, and then the reason
    /// says more than before.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.advice().map_or_else(|| self.0.kind.reason(), |advice| advice.reason)
    }

    /// One sentence for the person in front of the browser: what to do about the provider's code
    /// where it is known, otherwise [`ErrorKind::user_message`].
    #[must_use]
    pub fn user_message(&self) -> &'static str {
        self.advice().map_or_else(|| self.0.kind.user_message(), |advice| advice.for_person)
    }

    /// What the provider's code means, if it is a known one.
    #[must_use]
    pub fn advice(&self) -> Option<&'static Advice> {
        self.provider()?.advice
    }

    /// What happened, without reason and provider.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What the provider said, if the failure is its answer.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderError> {
        self.0.provider.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.0.detail)?;
        if let Some(provider) = &self.0.provider {
            write!(f, " ({provider})")?;
        }
        match self.advice() {
            Some(advice) => write!(f, ": {}", advice.for_operator),
            None => write!(f, ": {}", self.0.kind.remedy()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("provider", &self.0.provider.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl std::error::Error for Error {}

/// An error answer of the provider, from the authorization response (RFC 6749 section 4.1.2.1) or
/// the token endpoint (section 5.2).
///
/// Every text in it but the [`advice`](Self::advice) was written by somebody else: it is for pages
/// that escape it, never for markup or decisions other than by `error`. `Display` is the part of it
/// for logs. The description is not in it: Microsoft writes account names, application names and
/// tenants into it, and what it says follows from the code; who needs it looks the `correlation_id`
/// up in the provider's sign-in log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderError {
    /// The `error` code, for example `invalid_grant`.
    pub error: String,
    /// `error_description`, cut to 1,000 characters and without control characters.
    pub description: Option<String>,
    /// Entra's `suberror`, for example `consent_required`.
    pub suberror: Option<String>,
    /// The numbers behind `AADSTS` (Entra's `error_codes`) or `AADB2C`.
    pub codes: Vec<u64>,
    /// The one that tells most, as Microsoft writes it: `AADSTS50105`, `AADB2C90118`.
    pub code: Option<String>,
    /// What that code, or else the `error`, means and what to do about it.
    pub advice: Option<&'static Advice>,
    /// The claims that a new sign-in has to ask for, as JSON.
    pub claims: Option<String>,
    /// Entra's `correlation_id`, to quote to support.
    pub correlation_id: Option<String>,
    /// Entra's `trace_id`, to quote to support.
    pub trace_id: Option<String>,
    /// How long the provider asks to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The HTTP status of the answer, if it was one.
    pub status: Option<u16>,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error={:?}", self.error)?;
        if let Some(status) = self.status {
            write!(f, " status={status}")?;
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
            r#"provider_error: the provider answered with an error (error="access_denied"): look the provider's code up in its documentation or its sign-in log"#
        );
    }
}
