//! [`WebAuth`]: signing in for applications that are not Tower services.

mod builder;
mod outcomes;
mod sign_in;
mod value_sessions;

use std::{fmt, sync::Arc};

pub use self::builder::WebAuthBuilder;
pub use self::outcomes::{SignIn, SignInOutcome, SignOut, SignedIn, UserCode};
use self::value_sessions::ValueSessions;
use crate::{
    client::Client,
    clock::Clock,
    config::{IntoValidConfig, ValidConfig},
    error::{ConfigError, Error, ErrorKind, TokenOwner},
    session::{KeyRing, WebSession},
    sign_in::RelyingParty,
    strings::StringList,
    tokens::{AccessToken, TokenRequest},
    user::User,
};

/// Signs people in and gets tokens for them, for code that is not a Tower service: another web
/// framework, a server of your own.
///
/// It answers no request and sets no cookie. You give it the [`WebSession`] of the browser, which
/// you keep wherever you keep sessions, and send the person where it says. With Tower, axum, tonic
/// or hyper use [`IdentityLayer`](crate::IdentityLayer), which is built on this and keeps the
/// session, too.
///
/// - [`sign_in`](Self::sign_in) gives the address to send the person to;
/// - your page at the redirect address gives what it was called with to
///   [`complete_sign_in`](Self::complete_sign_in);
/// - where people sign in [by device code](crate::config::SignInMethod::DeviceCode) there is no
///   such page: show the code, and ask [`complete_device_sign_in`](Self::complete_device_sign_in);
/// - [`user`](Self::user) says who is signed in, [`for_user`](Self::for_user) and
///   [`for_app`](Self::for_app) get tokens;
/// - [`sign_out`](Self::sign_out) forgets the person and gives the address at which the provider
///   does.
///
/// Clones share everything, and one is enough for all browsers. Of the configuration the redirect
/// address ([`ValidConfig::redirect_uri`]) is that of your own page; public paths and idle time
/// have no meaning here.
///
/// ```no_run
/// use tower_identity::{Authority, ClientCredential, IdentityConfig, SignInOptions, WebAuth, WebSession};
///
/// # async fn pages() -> Result<(), Box<dyn std::error::Error>> {
/// let config = IdentityConfig::new(Authority::entra("contoso.onmicrosoft.com")?, "6731de76-14a6-49ae-97bc-6eba6914391e")
///     .with_credential(ClientCredential::secret("a-secret-of-at-least-thirty-two-characters"))
///     .with_base_url("https://app.example.com")?
///     .build()?;
/// let auth = WebAuth::new(config)?;
///
/// // The page that asks to sign in. `session` is kept with the browser's own session, before the answer goes out.
/// let mut session = WebSession::new();
/// let address = auth.sign_in(&mut session, "/orders", &SignInOptions::new()).await?.address;
///
/// // The page at the redirect address, called with this query (or form).
/// let outcome = auth.complete_sign_in(&mut session, "code=…&state=…").await?;
/// println!("Redirect to {}", outcome.address());
///
/// // Any other page.
/// if let Some(user) = auth.user(&mut session).await? {
///     let token = auth.for_user(&mut session, ["User.Read"]).await?;
///     println!("{} has a token for {:?}", user.display_name(), token.scopes().collect::<Vec<_>>());
/// }
/// # Ok(())
/// # }
/// ```
///
/// It runs in a Tokio runtime.
///
/// # Security
///
/// - Within one `WebAuth` and its clones refresh tokens are sent once, however many requests of a
///   browser work on copies of one value, and a copy of somebody who has signed out (one of the
///   last 100,000) is nobody's. Two processes do not know of each other: send a browser to the same
///   one, or use the layer with a store and a refresh lock.
/// - Your session's cookie is `HttpOnly`, `Secure` and `SameSite=Lax`; with
///   `response_mode=form_post` it has to be `SameSite=None`, since the provider's site posts the
///   answer.
/// - A sign-in takes the place of whatever was there. Take a new id for your own session when it is
///   completed, against session fixation.
/// - [`complete_sign_in`](Self::complete_sign_in) accepts an answer only in the browser that asked
///   (`state`, `nonce` and PKCE are in its value).
#[derive(Clone)]
pub struct WebAuth(Arc<Inner>);

struct Inner {
    relying_party: RelyingParty,
    clock: Arc<dyn Clock>,
    client: Client,
    keys: KeyRing,
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
    /// Signing in as this configuration says.
    ///
    /// # Errors
    ///
    /// The cookie secret, which seals the values, is neither configured nor derived from a client
    /// secret: what you stored could not be opened after a restart.
    pub fn new(config: impl IntoValidConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// The same with an HTTP client or a clock of your own.
    ///
    /// ```
    /// use tower_identity::{HttpClient, IdentityConfig, WebAuth};
    ///
    /// # fn made(config: IdentityConfig, http: impl HttpClient) -> Result<WebAuth, tower_identity::ConfigError> {
    /// WebAuth::builder(config.build()?).with_http_client(http).build()
    /// # }
    /// ```
    pub fn builder(config: impl IntoValidConfig) -> WebAuthBuilder {
        WebAuthBuilder::new(config.into_valid_config())
    }

    /// Who is signed in. When the ID token has expired the claims are renewed by the refresh token,
    /// so a person stays signed in as long as the provider agrees, and at most for the configured
    /// absolute lifetime. Without a refresh token it is that lifetime, or the ID token's
    /// ([`SessionEnd`](crate::config::SessionEnd)).
    ///
    /// What [`User::tokens`] refreshes is known in this process at once, and to the value with the
    /// next call here: prefer [`for_user`](Self::for_user).
    ///
    /// # Errors
    ///
    /// `RenewalFailed`, `ProviderUnreachable`: it cannot be known at the moment.
    pub async fn user(&self, session: &mut WebSession) -> Result<Option<User>, Error> {
        self.live(session).await
    }

    /// An access token of the person for these scopes: from the value, or by refresh.
    ///
    /// # Errors
    ///
    /// As [`Tokens::for_user`](crate::Tokens::for_user); `SignInRequired` if nobody is signed in.
    /// What a sign-in mends, [`sign_in_for`](Self::sign_in_for) begins.
    pub async fn for_user<Kind>(
        &self,
        session: &mut WebSession,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        self.acquire(session, &TokenRequest::new(scopes)?).await
    }

    /// An access token of the person that answers this request: for another tenant or resource,
    /// with claims, or past what is kept.
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

    /// An access token of the application itself, for one resource or its `/.default`. It is kept
    /// in memory, for all sessions.
    ///
    /// # Errors
    ///
    /// As [`Client::for_app`](crate::client::Client::for_app).
    pub async fn for_app<Kind>(&self, scopes: impl StringList<Kind>) -> Result<AccessToken, Error> {
        self.0.client.for_app(&TokenRequest::new(scopes)?).await
    }

    /// Forgets who is signed in. Store the value, which is empty now, before you send the person to
    /// [`SignOut::address`].
    ///
    /// # Security
    ///
    /// Call it for a POST of your own page (its `Origin` is yours), or any site can sign your
    /// people out.
    pub fn sign_out(&self, session: &mut WebSession) -> SignOut {
        let contents = self.open(session);
        *session = WebSession::new();
        let known = self.known(&contents);
        if let Some(held) = &contents.held {
            self.sessions().values.end(held.id);
            tracing::info!("signed out");
        }
        let id_token = contents.held.as_ref().and_then(|held| held.grant.id_token().cloned());
        let hint = known
            .as_ref()
            .and_then(|known| known.user.claim("login_hint")?.as_str().map(str::to_owned));
        let id_token =
            known.as_ref().and_then(|known| known.held.grant.id_token().cloned()).or(id_token);
        SignOut { auth: self.clone(), was_in: contents.held.is_some(), id_token, hint }
    }

    /// The configuration, for the paths at which your pages are.
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
        &self.0.keys
    }

    fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }
}
