//! [`WebAuth`]: signing in for applications that are not Tower services.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    answer::{Completed, answer_of},
    errands::Policies,
    kept::{Kept, Known, SignIn},
    request::Step,
    wish::Mend,
};
use crate::{
    client::Client,
    clock::{Clock, SystemClock},
    config::{CookieKeySource, ReturnPath, SignInMethod, SignInOptions, ValidConfig},
    error::{ConfigError, Error, ErrorKind, Whose},
    protocol::{CallbackParameters, HttpClient, Provider, ReqwestClient},
    secret::Secret,
    session::{AttemptPurpose, Cause, Contents, Held, KeyRing, Lookup, PersonKey, WebSession},
    tokens::{AccessToken, TokenRequest},
    user::User,
};

/// Signs people in and gets tokens for them, for code that is not a Tower service: another web framework, a server of your own.
///
/// It answers no request and sets no cookie. You give it the [`WebSession`] of the browser, which you keep wherever you keep sessions, and send the person where it says. With Tower, axum,
/// tonic or hyper use [`IdentityLayer`](crate::IdentityLayer), which is built on this and keeps the session, too.
///
/// - [`log_in`](Self::log_in) gives the address to send the person to;
/// - your page at the redirect address gives what it was called with to [`complete_log_in`](Self::complete_log_in);
/// - [`user`](Self::user) says who is signed in, [`token_for_user`](Self::token_for_user) and [`token_for_client`](Self::token_for_client) get tokens;
/// - [`log_out`](Self::log_out) forgets the person and gives the address at which the provider does.
///
/// Clones share everything, and one is enough for all browsers. Of the configuration the redirect address ([`ValidConfig::redirect_address`]) is that of your own page; public paths and
/// idle time have no meaning here.
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
/// let address = auth.log_in(&mut session, "/orders", &SignInOptions::new()).await?.address;
///
/// // The page at the redirect address, called with this query (or form).
/// let done = auth.complete_log_in(&mut session, "code=…&state=…").await?;
/// println!("Hello {}, back to {}", done.user.display_name(), done.next);
///
/// // Any other page.
/// if let Some(user) = auth.user(&mut session).await? {
///     let token = auth.token_for_user(&mut session, ["User.Read"]).await?;
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
/// - Within one `WebAuth` and its clones refresh tokens are sent once, however many requests of a browser work on copies of one value, and a copy of somebody who has signed out (one of the last 100,000) is
///   nobody's. Two processes do not know of each other: send a browser to the same one, or use the layer with a store and a refresh lock.
/// - Your session's cookie is `HttpOnly`, `Secure` and `SameSite=Lax`; with `response_mode=form_post` it has to be `SameSite=None`, since the provider's site posts the answer.
/// - A sign-in takes the place of whatever was there. Take a new id for your own session when it is completed, against session fixation.
/// - [`complete_log_in`](Self::complete_log_in) accepts an answer only in the browser that asked (`state`, `nonce` and PKCE are in its value).
#[derive(Clone)]
pub struct WebAuth(Arc<Inner>);

struct Inner {
    config: ValidConfig,
    clock: Arc<dyn Clock>,
    http: Arc<dyn HttpClient>,
    provider: Provider,
    client: Client,
    policies: Policies,
    keys: Arc<KeyRing>,
    /// Made when the first value is opened: the layer keeps its sessions itself.
    kept: OnceLock<Kept>,
}

/// A sign-in that has begun.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogIn {
    /// Where the person goes, by a redirect (303) or a link.
    pub address: String,
}

impl fmt::Debug for LogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address has the `state` in it.
        f.debug_struct("LogIn").finish_non_exhaustive()
    }
}

/// A sign-out: here it is done, at the provider it follows.
#[must_use = "the person is still signed in at the provider"]
pub struct LogOut {
    auth: WebAuth,
    was_in: bool,
    id_token: Option<Secret>,
    hint: Option<String>,
}

impl LogOut {
    /// Where the person signs out at the provider (OpenID Connect RP-Initiated Logout 1.0), to come back to [`ValidConfig::signed_out_address`]. It is that one at once where the provider has no such
    /// address, cannot be reached, or is not to be signed out of.
    pub async fn address(&self) -> String {
        let at_provider = match self.was_in {
            true => self.auth.end_session_address(self.id_token.as_ref(), self.hint.as_deref()).await,
            false => None,
        };
        at_provider.unwrap_or_else(|| self.auth.config().signed_out_address().to_owned())
    }
}

impl fmt::Debug for LogOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOut").field("was_in", &self.was_in).finish_non_exhaustive()
    }
}

/// A sign-in that is done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedIn {
    /// Who has signed in.
    pub user: User,
    /// Where they wanted to go: a path of this application, safe to redirect to.
    pub next: ReturnPath,
}

/// How long the scopes of an incremental consent may be in all to ask for the earlier ones again: they have to fit into an address.
const MOST_SCOPE_BYTES: usize = 2000;

/// What the keys belong to: the same secret in another application opens nothing.
pub(super) fn application_of(config: &ValidConfig) -> [&[u8]; 2] {
    [config.client_id().as_bytes(), config.authority().name().as_bytes()]
}

impl fmt::Debug for WebAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAuth").field("provider", &self.0.provider).finish_non_exhaustive()
    }
}

impl WebAuth {
    /// Signing in as this configuration says.
    ///
    /// # Errors
    ///
    /// The cookie secret, which seals the values, is neither configured nor derived from a client secret: what you stored could not be opened after a restart. The sign-in method is
    /// [`SignInMethod::DeviceCode`]: its page is the layer's.
    pub fn new(config: ValidConfig) -> Result<Self, ConfigError> {
        if config.sign_in_method() == SignInMethod::DeviceCode {
            return Err(ConfigError::new(
                "sign_in_method",
                "`device_code` is for IdentityLayer, which has the page for it; elsewhere begin with Client::begin_device and show the code yourself",
            ));
        }
        if config.cookie_key_source() == CookieKeySource::Random {
            return Err(ConfigError::new(
                "WebAuth::new",
                "the sessions that you store outlive this process, but the cookie secret does not: set one with IdentityConfig::with_cookie_secrets (or IDENTITY_COOKIE_SECRET), 32 random characters or more",
            ));
        }
        let no_keys = |error: Error| ConfigError::new("WebAuth::new", error.to_string());
        let keys = KeyRing::new(config.cookie_keys(), &application_of(&config)).map_err(no_keys)?;
        Ok(Self::over(config, Arc::new(keys), Arc::new(ReqwestClient::new()), Arc::new(SystemClock)))
    }

    /// The same for somebody who keeps sessions in another way.
    pub(super) fn over(config: ValidConfig, keys: Arc<KeyRing>, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        let provider = Provider::new(config.clone(), Arc::clone(&http), Arc::clone(&clock));
        let client = Client::over(provider.clone(), Arc::clone(&clock));
        let (policies, kept) = (Policies::new(&provider), OnceLock::new());
        Self(Arc::new(Inner { config, clock, http, provider, client, policies, keys, kept }))
    }

    /// Calls the provider through another HTTP client. The default is [`ReqwestClient`]. It belongs right after [`new`](Self::new).
    #[must_use]
    pub fn with_http_client(self, http: impl HttpClient + 'static) -> Self {
        let Inner { config, clock, keys, .. } = &*self.0;
        Self::over(config.clone(), Arc::clone(keys), Arc::new(http), Arc::clone(clock))
    }

    /// Takes the time from another clock, for tests. The default is [`SystemClock`]. It belongs right after [`new`](Self::new).
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        let Inner { config, http, keys, .. } = &*self.0;
        Self::over(config.clone(), Arc::clone(keys), Arc::clone(http), Arc::new(clock))
    }

    /// Begins a sign-in: remembers it in the value, and says where to send the person. `next` is the path to come back to; one that is not safe to redirect to becomes the home page.
    ///
    /// `options` go over those of the configuration. If somebody is signed in and the options ask for more (scopes, claims, a stronger or more recent sign-in), the answer has to be about the same person;
    /// about anybody else it is a sign-in of theirs that leads to the home page. At most eight sign-ins are under way in one browser, for ten minutes each.
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind): `ProviderUnreachable`, `ProviderMisconfigured`; `NotConfigured`: the options contradict each other; `Forbidden`: the person who is signed in was asked for the same more
    /// less than ten minutes ago, and asking again would go round. The value is unchanged then.
    pub async fn log_in(&self, session: &mut WebSession, next: &str, options: &SignInOptions) -> Result<LogIn, Error> {
        let contents = self.open(session);
        let known = if options.asks_for_more() { self.known(&contents) } else { None };
        let next = self.config().return_path(next);
        let causes = match &known {
            Some(known) => self.causes(Some(known.held.record.beginning()), options, &next)?,
            None => Vec::new(),
        };
        self.begin(session, contents, known, options.clone(), next, causes).await
    }

    /// Begins the sign-in that mends a failed token (consent, a stronger sign-in, tokens that are gone), and comes back to `next`. `None` if no sign-in does: then it is an error like any other.
    ///
    /// # Errors
    ///
    /// As [`log_in`](Self::log_in).
    pub async fn log_in_for(&self, session: &mut WebSession, next: &str, error: &Error) -> Result<Option<LogIn>, Error> {
        let contents = self.open(session);
        let known = self.known(&contents);
        let next = self.config().return_path(next);
        let mend = Mend::of(error, self.config().sign_in(), self.clock().now());
        let (known, options, causes) = match (mend, known) {
            (Mend::Nothing, _) => return Ok(None),
            (Mend::More(wish), Some(known)) => {
                let options = wish.with_pages().options(&known.user);
                let causes = self.causes(Some(known.held.record.beginning()), &options, &next)?;
                (Some(known), options, causes)
            }
            (Mend::More(_) | Mend::SignIn, _) => (None, SignInOptions::new().with_scopes(error.scopes()), Vec::new()),
        };
        self.begin(session, contents, known, options, next, causes).await.map(Some)
    }

    async fn begin(
        &self,
        session: &mut WebSession,
        mut contents: Contents,
        known: Option<Known>,
        mut options: SignInOptions,
        next: ReturnPath,
        causes: Vec<Cause>,
    ) -> Result<LogIn, Error> {
        if let Some(known) = &known {
            self.add_granted(&mut options, &self.kept().grants, &known.entered.grant, MOST_SCOPE_BYTES).await;
        }
        let user = known.as_ref().map(|known| &known.user);
        let request = self.request(Step::SignIn, options, user).await?;
        let purpose = if user.is_some() { AttemptPurpose::StepUp } else { AttemptPurpose::SignIn };
        let mut attempt = request.attempt(purpose, next.as_str(), self.clock().now())?;
        attempt.expected = user.map(|user| PersonKey::of(user.person()));
        attempt.causes = causes;
        let state = contents.begin(attempt.clone())?;
        let address = request.url(&attempt, &state)?;
        self.keep(session, &mut contents)?;
        tracing::debug!("sign-in started");
        Ok(LogIn { address })
    }

    /// Completes a sign-in with what the page at the redirect address was called with: its query, or for `response_mode=form_post` its body.
    ///
    /// An answer is looked at once; the same one again leads to the same session and page.
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind), among others: `AttemptMissing`: this browser did not ask, or its session was lost; `AttemptExpired`; `CallbackInvalid`: it is no answer; `AccessDenied` and what else the
    /// provider answers; the kinds that begin with `Token`: what it answered does not stand the test (OpenID Connect Core section 3.1.3.7). Who was signed in before still is. Show [`Error::user_message`] with a link
    /// to try again.
    pub async fn complete_log_in(&self, session: &mut WebSession, response: &str) -> Result<LoggedIn, Error> {
        let mut contents = self.open(session);
        let parameters = CallbackParameters::parse(response.strip_prefix('?').unwrap_or(response).as_bytes())?;
        let state = parameters
            .state()
            .map(str::to_owned)
            .ok_or_else(|| Error::new(ErrorKind::CallbackInvalid, "the answer has no `state`"))?;
        let attempt = match contents.take(&state, self.clock().now()) {
            Lookup::Found(attempt) => *attempt,
            Lookup::Missing => return self.completed_before(&contents, &state),
            Lookup::Expired(_) => {
                self.keep(session, &mut contents)?;
                return Err(Error::new(ErrorKind::AttemptExpired, "the sign-in was begun more than ten minutes ago"));
            }
        };
        // Until here nothing is used up: when the provider cannot be reached, the same address can be loaded again.
        let metadata = self.provider().metadata().await?;
        let code = match parameters.check(&state, &metadata, self.provider().authority()) {
            Ok(code) => code,
            Err(error) => {
                self.keep(session, &mut contents)?;
                return Err(error);
            }
        };
        let (auth, answer) = (self.clone(), state.clone());
        let work = async move {
            let verified = auth.redeem(&attempt, &code).await?;
            let Completed { signed_in, grant, return_path } = auth.sign_in(&attempt, verified, &answer).await?;
            let record = signed_in.record(auth.clock().now(), auth.config().absolute_timeout());
            Ok(Arc::new(SignIn { held: Arc::new(Held::new(record, grant)?), next: return_path }))
        };
        let signed_in = match self.kept().exchanges.once(&state, work).await {
            Ok(signed_in) => signed_in,
            Err(error) => {
                self.keep(session, &mut contents)?;
                return Err(error);
            }
        };
        let before = contents.held.replace(Arc::clone(&signed_in.held));
        let Some(known) = self.known(&contents) else {
            return Err(Error::new(
                ErrorKind::SessionEnded,
                "the person has signed out since this answer came for the first time",
            ));
        };
        self.keep(session, &mut contents)?;
        if let Some(before) = before.filter(|before| before.id != signed_in.held.id) {
            self.kept().values.end(before.id);
        }
        tracing::info!("signed in");
        Ok(LoggedIn { user: known.user, next: signed_in.next.clone() })
    }

    /// The answer that somebody is signed in by already, delivered again.
    fn completed_before(&self, contents: &Contents, state: &str) -> Result<LoggedIn, Error> {
        let same = contents.held.as_ref().and_then(|held| {
            let next = held.record.beginning().landing(&answer_of(state))?;
            Some(LoggedIn { user: self.known(contents)?.user, next: self.config().return_path(next) })
        });
        same.ok_or_else(|| {
            Error::new(
                ErrorKind::AttemptMissing,
                "this browser's session knows of no sign-in with this `state`: it was lost, or somebody else began it",
            )
        })
    }

    /// Who is signed in. When the ID token has expired the claims are renewed by the refresh token, so a person stays signed in as long as the provider agrees, and at most for the configured absolute
    /// lifetime. Without a refresh token it is that lifetime, or the ID token's ([`SessionEnd`](crate::config::SessionEnd)).
    ///
    /// What [`User::tokens`] refreshes is known in this process at once, and to the value with the next call here: prefer [`token_for_user`](Self::token_for_user).
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
    /// As [`Tokens::for_user`](crate::Tokens::for_user); `SignInRequired` if nobody is signed in. What a sign-in mends, [`log_in_for`](Self::log_in_for) begins.
    pub async fn token_for_user<S: AsRef<str>>(
        &self,
        session: &mut WebSession,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<AccessToken, Error> {
        self.acquire_for_user(session, &TokenRequest::new(scopes)?).await
    }

    /// An access token of the person that answers this request: for another tenant or resource, with claims, or past what is kept.
    ///
    /// # Errors
    ///
    /// As [`token_for_user`](Self::token_for_user).
    pub async fn acquire_for_user(&self, session: &mut WebSession, request: &TokenRequest) -> Result<AccessToken, Error> {
        let Some(user) = self.live(session).await? else {
            let error = Error::new(ErrorKind::SignInRequired, "nobody is signed in");
            return Err(error.for_token(Whose::SignedIn, request.scopes()));
        };
        let token = user.tokens().acquire(request).await;
        self.update(session, self.open(session)).await?;
        token
    }

    /// An access token of the application itself, for one resource or its `/.default`. It is kept in memory, for all sessions.
    ///
    /// # Errors
    ///
    /// As [`Client::for_app`](crate::client::Client::for_app).
    pub async fn token_for_client<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Result<AccessToken, Error> {
        self.0.client.for_app(&TokenRequest::new(scopes)?).await
    }

    /// Forgets who is signed in. Store the value, which is empty now, before you send the person to [`LogOut::address`].
    ///
    /// # Security
    ///
    /// Call it for a POST of your own page (its `Origin` is yours), or any site can sign your people out.
    pub fn log_out(&self, session: &mut WebSession) -> LogOut {
        let contents = self.open(session);
        *session = WebSession::new();
        let known = self.known(&contents);
        if let Some(held) = &contents.held {
            self.kept().values.end(held.id);
            tracing::info!("signed out");
        }
        let id_token = contents.held.as_ref().and_then(|held| held.grant.id_token().cloned());
        let hint = known.as_ref().and_then(|known| known.user.claim("login_hint")?.as_str().map(str::to_owned));
        let id_token = known.as_ref().and_then(|known| known.held.grant.id_token().cloned()).or(id_token);
        LogOut { auth: self.clone(), was_in: contents.held.is_some(), id_token, hint }
    }

    /// The configuration, for the paths at which your pages are.
    #[must_use]
    pub fn config(&self) -> &ValidConfig {
        &self.0.config
    }

    pub(super) fn kept(&self) -> &Kept {
        let Inner { config, provider, client, clock, kept, .. } = &*self.0;
        kept.get_or_init(|| Kept::new(config, provider, client, clock))
    }

    pub(super) fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.0.provider
    }

    /// The application itself.
    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn policies(&self) -> &Policies {
        &self.0.policies
    }
}
