//! [`WebAuth`]: sign-in for web applications that are not Tower services.

mod outcomes;
mod sign_in;
mod value_sessions;

use std::{fmt, sync::Arc};

pub use self::outcomes::{SignIn, SignInOutcome, SignOut, SignedIn, UserCode};
use self::value_sessions::ValueSessions;
use crate::{
    client::Client,
    clock::{Clock, SystemClock},
    config::{IntoValidConfig, ValidConfig},
    error::{ConfigError, Error, ErrorKind, TokenOwner},
    protocol::{HttpClient, ReqwestClient},
    seal::KeyRing,
    session::WebSession,
    sign_in::RelyingParty,
    strings::StringList,
    tokens::{AccessToken, TokenRequest},
    user::User,
};

/// Signs people in and gets tokens for them, in web applications that are not Tower services:
/// another web framework, or a server of your own.
///
/// It neither handles requests nor sets cookies. Your pages pass it the [`WebSession`] of the
/// browser, which your application stores, and redirect to the URLs that it returns. With Tower,
/// axum, tonic or hyper use [`IdentityLayer`](crate::IdentityLayer), which does both.
///
/// - Sign-in page: [`sign_in`](Self::sign_in) returns the URL to redirect to.
/// - Page at the redirect URI: [`complete_sign_in`](Self::complete_sign_in) takes the query or form
///   of the request.
/// - Sign-in [by device code](crate::config::SignInMethod::DeviceCode): show the code that
///   `sign_in` returns, and poll [`complete_device_sign_in`](Self::complete_device_sign_in).
/// - Any other page: [`user`](Self::user) returns the signed-in user;
///   [`for_user`](Self::for_user) and [`for_app`](Self::for_app) return tokens.
/// - Sign-out: [`sign_out`](Self::sign_out) empties the value; [`SignOut::url`] is the
///   provider's sign-out URL.
///
/// One `WebAuth` serves all browsers, and clones share their state. It needs a Tokio runtime.
/// [`ValidConfig::redirect_uri`] is the URL of your own page; public paths and idle timeout of the
/// configuration have no effect.
///
/// ```no_run
/// use tower_identity::{
///     Authority, ClientCredential, IdentityConfig, SignInOptions, WebAuth, WebSession,
/// };
///
/// # async fn pages() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::entra("contoso.onmicrosoft.com")?;
/// let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
///     .with_credential(ClientCredential::secret("a-secret-of-at-least-thirty-two-characters"))
///     .with_base_url("https://app.example.com")?
///     .build()?;
/// let auth = WebAuth::new(config)?;
///
/// // The sign-in page. Store `session` with the browser's own session before you respond.
/// let mut session = WebSession::new();
/// let url = auth.sign_in(&mut session, "/orders", &SignInOptions::new()).await?.url;
/// println!("Redirect to {url}");
///
/// // The page at the redirect URI, with the query (or form) of the request.
/// let outcome = auth.complete_sign_in(&mut session, "code=…&state=…").await?;
/// println!("Redirect to {}", outcome.url());
///
/// // Any other page.
/// if let Some(user) = auth.user(&mut session).await? {
///     let token = auth.for_user(&mut session, ["User.Read"]).await?;
///     let scopes: Vec<_> = token.scopes().collect();
///     println!("{} has a token for {scopes:?}", user.display_name());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Events
///
/// The handlers of the layer are not needed here, because the methods return to your own code at
/// the same points: `complete_sign_in` where the layer calls `on_signed_in`, and `sign_out` after a
/// sign-out. `user` returns `None` when the session has ended. To refuse a sign-in, sign out
/// again before you store the value. A user who was signed in before is signed out as well, and the
/// same authorization response does not sign in a second time.
///
/// ```no_run
/// use tower_identity::{Error, SignInOutcome, UserKey, WebAuth, WebSession};
///
/// # fn is_suspended(_: UserKey) -> bool { true }
/// /// The URL to redirect to; `None` for a page that says that the account is suspended.
/// async fn callback(
///     auth: &WebAuth,
///     session: &mut WebSession,
///     query: &str,
/// ) -> Result<Option<String>, Error> {
///     let outcome = auth.complete_sign_in(session, query).await?;
///     if let SignInOutcome::SignedIn(signed_in) = &outcome
///         && is_suspended(signed_in.user.key())
///     {
///         let _ = auth.sign_out(session);
///         return Ok(None);
///     }
///     Ok(Some(outcome.url().to_owned()))
/// }
/// ```
///
/// # Security
///
/// - **One process per browser.** Within one `WebAuth` and its clones each refresh token is sent
///   once, even if concurrent requests of a browser work on copies of one value. A copy of a
///   signed-out value (one of the last 100,000) is not signed in. Several processes do not share
///   this knowledge: route a browser to the same process, or use the layer with a store and a
///   refresh lock.
/// - **Your cookie.** Set the cookie of your own session with `HttpOnly`, `Secure` and
///   `SameSite=Lax`. With `response_mode=form_post` it must be `SameSite=None`, because the
///   response is a cross-site POST.
/// - **Session fixation.** Give your own session a new id when a sign-in is completed.
/// - **Login CSRF.** [`complete_sign_in`](Self::complete_sign_in) accepts an authorization response
///   only for the value in which the sign-in was started: `state`, `nonce` and PKCE verifier are
///   sealed in it.
#[derive(Clone)]
pub struct WebAuth(Arc<WebAuthParts>);

struct WebAuthParts {
    relying_party: RelyingParty,
    client: Client,
    sessions: ValueSessions,
}

impl fmt::Debug for WebAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAuth")
            .field("provider", self.0.relying_party.provider())
            .finish_non_exhaustive()
    }
}

impl WebAuth {
    /// A `WebAuth` with this configuration, the default HTTP client and the system's clock.
    ///
    /// # Errors
    ///
    /// The cookie secret is neither configured nor derived from a client secret. It seals the
    /// values, and the stored ones could not be opened after a restart.
    pub fn new(config: impl IntoValidConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A builder, to set an HTTP client or a clock of your own.
    ///
    /// ```
    /// use tower_identity::{ConfigError, HttpClient, IdentityConfig, WebAuth};
    ///
    /// fn build(config: IdentityConfig, http: impl HttpClient) -> Result<WebAuth, ConfigError> {
    ///     WebAuth::builder(config.build()?).with_http_client(http).build()
    /// }
    /// ```
    pub fn builder(config: impl IntoValidConfig) -> WebAuthBuilder {
        WebAuthBuilder {
            config: config.into_valid_config(),
            http: Arc::new(ReqwestClient::new()),
            clock: Arc::new(SystemClock),
        }
    }

    /// The signed-in user of a browser; `None` if nobody is signed in.
    ///
    /// When the ID token has expired, the claims are renewed with the refresh token. A person stays
    /// signed in as long as the provider accepts it, and at most for the configured absolute
    /// lifetime. Without a refresh token the session ends with that lifetime or with the ID token,
    /// see [`SessionEnd`](crate::config::SessionEnd).
    ///
    /// Tokens that [`User::tokens`] refreshes are written into the value only by the next call of
    /// this method. Prefer [`for_user`](Self::for_user), which writes them at once.
    ///
    /// # Errors
    ///
    /// `RenewalFailed`, `ProviderUnreachable`: the renewal failed for the moment, so the state of
    /// the sign-in is unknown.
    pub async fn user(&self, session: &mut WebSession) -> Result<Option<User>, Error> {
        self.live(session).await
    }

    /// An access token of the signed-in person for these scopes, from the value or by a refresh.
    ///
    /// # Errors
    ///
    /// As [`Tokens::for_user`](crate::Tokens::for_user); `SignInRequired` if nobody is signed in.
    /// If another sign-in can resolve the error, [`sign_in_for`](Self::sign_in_for) starts it.
    pub async fn for_user<Kind>(
        &self,
        session: &mut WebSession,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        self.acquire(session, &TokenRequest::new(scopes)?).await
    }

    /// An access token of the signed-in person for this request: for another tenant or resource,
    /// with a claims challenge, or without the cache.
    ///
    /// # Errors
    ///
    /// As [`for_user`](Self::for_user).
    pub async fn acquire(
        &self,
        session: &mut WebSession,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let Some(user) = self.live(session).await? else {
            let error = Error::new(ErrorKind::SignInRequired, "nobody is signed in");
            return Err(error.for_token(TokenOwner::User, request.scopes()));
        };
        let token = user.tokens().acquire(request).await;
        self.update(session, self.open(session)).await?;
        token
    }

    /// An access token of the application itself (client credentials), for one resource or its
    /// `/.default`. It is cached in memory and shared by all sessions.
    ///
    /// # Errors
    ///
    /// As [`Client::for_app`](crate::client::Client::for_app).
    pub async fn for_app<Kind>(&self, scopes: impl StringList<Kind>) -> Result<AccessToken, Error> {
        self.0.client.for_app(&TokenRequest::new(scopes)?).await
    }

    /// Signs the person out and empties the value. Store the value before you redirect to
    /// [`SignOut::url`], the provider's sign-out URL.
    ///
    /// # Security
    ///
    /// Call it only for a POST whose `Origin` is your own site. Otherwise any site can sign your
    /// users out.
    pub fn sign_out(&self, session: &mut WebSession) -> SignOut {
        let contents = self.open(session);
        *session = WebSession::new();
        let known = self.known(&contents);
        if let Some(login) = &contents.login {
            self.sessions().values.end(login.id);
            tracing::info!("signed out");
        }
        // The newest ID token if this process has one, otherwise the one in the value.
        let id_token = contents.login.as_ref().and_then(|login| login.grant.id_token().cloned());
        let hint = known
            .as_ref()
            .and_then(|known| known.user.claim("login_hint")?.as_str().map(str::to_owned));
        let id_token =
            known.as_ref().and_then(|known| known.login.grant.id_token().cloned()).or(id_token);
        SignOut { auth: self.clone(), was_in: contents.login.is_some(), id_token, hint }
    }

    /// The configuration, for example for the paths of your pages.
    #[must_use]
    pub fn config(&self) -> &ValidConfig {
        self.0.relying_party.config()
    }

    fn relying_party(&self) -> &RelyingParty {
        &self.0.relying_party
    }

    fn sessions(&self) -> &ValueSessions {
        &self.0.sessions
    }

    fn keys(&self) -> &KeyRing {
        self.config().keys()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.0.relying_party.clock()
    }
}

/// Builds a [`WebAuth`] with an HTTP client or a clock of your own. See [`WebAuth::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct WebAuthBuilder {
    config: ValidConfig,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl WebAuthBuilder {
    /// Sets the HTTP client for calls to the provider. The default is [`ReqwestClient`].
    pub fn with_http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Arc::new(http);
        self
    }

    /// Sets the clock, for tests. The default is [`SystemClock`].
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The finished [`WebAuth`].
    ///
    /// # Errors
    ///
    /// As [`WebAuth::new`].
    pub fn build(self) -> Result<WebAuth, ConfigError> {
        let Self { config, http, clock } = self;
        config.require_lasting_secret("WebAuth::new", "the sessions that you store")?;
        config.log_mistakes(clock.now());
        let relying_party = RelyingParty::new(config, http, clock);
        let client = Client::over(relying_party.provider().clone());
        let sessions = ValueSessions::new(relying_party.provider(), &client);
        Ok(WebAuth(Arc::new(WebAuthParts { relying_party, client, sessions })))
    }
}
