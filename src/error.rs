//! The errors of the crate: [`ConfigError`] for the configuration, [`Error`] at run time.
//!
//! An [`Error`] has an [`ErrorKind`], which the code decides by, and separate messages for the user
//! and for the log. Neither contains a secret, a token or a code (security rule 19).

mod api;
mod concern;
mod config;
mod kind;

use std::{borrow::Cow, fmt, io, sync::Arc, time::Duration};

pub use api::ApiRefusal;
pub(crate) use concern::log_refusal;
pub use config::ConfigError;
pub use kind::ErrorKind;

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
    roles: Vec<String>,
    groups: Vec<String>,
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
    /// The authorize endpoint at which a caller gets a token with the provider's claims.
    authorization_uri: Option<String>,
}

impl ErrorParts {
    /// Those of a failure of which nothing else is known.
    fn of(kind: ErrorKind, detail: Cow<'static, str>) -> Self {
        Self {
            kind,
            detail,
            provider: None,
            scopes: Vec::new(),
            token_owner: TokenOwner::None,
            acr_values: Vec::new(),
            max_age: None,
            roles: Vec::new(),
            groups: Vec::new(),
            api_refusal: None,
            own_message: None,
            cause: None,
            at_api: false,
            own_remedy: None,
            grant_is_spent: false,
            authorization_uri: None,
        }
    }
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
        Self(Arc::new(ErrorParts::of(kind, detail.into())))
    }

    /// The same failure with a change.
    fn with(mut self, change: impl FnOnce(&mut ErrorParts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The failure of a request that an API refused.
    pub(crate) fn from_api(refusal: ApiRefusal) -> Self {
        Self::new(ErrorKind::ApiRefused, refusal.to_string())
            .with(|parts| parts.api_refusal = Some(Box::new(refusal)))
    }

    pub(crate) fn from_provider(kind: ErrorKind, provider: ProviderError) -> Self {
        Self::new(kind, "the provider answered with an error")
            .with(|parts| parts.provider = Some(provider))
    }

    /// The failure, as one to acquire a token with these scopes.
    pub(crate) fn for_token<'a>(
        self,
        token_owner: TokenOwner,
        scopes: impl Iterator<Item = &'a str>,
    ) -> Self {
        self.with(|parts| {
            parts.scopes = scopes.map(str::to_owned).collect();
            parts.token_owner = token_owner;
        })
    }

    /// The failure, as one to acquire a token on behalf of a caller, with the authorize endpoint
    /// for its challenge.
    pub(crate) fn for_caller<'a>(
        self,
        scopes: impl Iterator<Item = &'a str>,
        authorization_uri: Option<String>,
    ) -> Self {
        self.for_token(TokenOwner::Caller, scopes)
            .with(|parts| parts.authorization_uri = authorization_uri)
    }

    /// The authorize endpoint of [`for_caller`](Self::for_caller).
    pub(crate) fn authorization_uri(&self) -> Option<&str> {
        self.0.authorization_uri.as_deref()
    }

    /// The failure with a sentence of the application's own for the user.
    pub(crate) fn with_own_message(self, message: String) -> Self {
        self.with(|parts| parts.own_message = Some(message.into()))
    }

    /// The sentence of the application's own for the user, in place of
    /// [`user_message`](Self::user_message).
    pub(crate) fn own_message(&self) -> Option<&str> {
        self.0.own_message.as_deref()
    }

    /// The failure, as one of an access token that this application verified as an API: its remedy
    /// names the settings of an API.
    pub(crate) fn at_api(self) -> Self {
        self.with(|parts| parts.at_api = true)
    }

    /// The failure as the end of the attempts to remedy `cause`, whose text and remedy end the
    /// message.
    pub(crate) fn caused_by(self, cause: Self) -> Self {
        self.with(|parts| parts.cause = Some(cause))
    }

    /// The failure with a remedy of its own, for a cause that the remedy of its kind does not help
    /// against.
    pub(crate) fn with_remedy(self, remedy: &'static str) -> Self {
        self.with(|parts| parts.own_remedy = Some(remedy))
    }

    /// The remedy of [`with_remedy`](Self::with_remedy).
    pub(crate) fn own_remedy(&self) -> Option<&'static str> {
        self.0.own_remedy
    }

    /// The failure, as one that the same refresh token or code would get again: a new sign-in is
    /// needed for another one, whatever the kind.
    pub(crate) fn with_spent_grant(self) -> Self {
        self.with(|parts| parts.grant_is_spent = true)
    }

    /// Whether the failure is one of [`with_spent_grant`](Self::with_spent_grant).
    pub(crate) fn is_of_spent_grant(&self) -> bool {
        self.0.grant_is_spent
    }

    /// The failure with another kind.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        self.with(|parts| parts.kind = kind)
    }

    /// The same failure with another [`detail`](Self::detail).
    pub(crate) fn with_detail(self, detail: String) -> Self {
        self.with(|parts| parts.detail = detail.into())
    }

    /// The failure, resolved by a sign-in with one of these classes and this maximum age.
    pub(crate) fn with_requirements(
        self,
        acr_values: Vec<String>,
        max_age: Option<Duration>,
    ) -> Self {
        self.with(|parts| {
            parts.acr_values = acr_values;
            parts.max_age = max_age;
        })
    }

    /// The failure of a user who has none of these roles.
    pub(crate) fn with_roles(self, roles: Vec<String>) -> Self {
        self.with(|parts| parts.roles = roles)
    }

    /// The failure of a user who is in none of these groups.
    pub(crate) fn with_groups(self, groups: Vec<String>) -> Self {
        self.with(|parts| parts.groups = groups)
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

    /// The roles of which a guard requires one. Empty for other failures.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// The groups of which a guard requires one. Empty for other failures.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.0.groups
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
            (None, None) if self.0.at_api => self.message_kind().remedy_at_api(),
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
/// decide by `error` only. `Display` is the form for logs, and `Debug` the same. It omits the
/// description, in which providers put names of accounts, applications and tenants; look it up in
/// the provider's sign-in log, at Microsoft by the `correlation_id`.
#[derive(Clone, Default, PartialEq, Eq)]
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

impl fmt::Debug for ProviderError {
    /// As `Display`: it is in the `{:?}` of an application's own error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
        // The part of the provider, too, which an application may log by itself.
        let said = error.provider().unwrap();
        assert_eq!(format!("{said:?}"), said.to_string());
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
