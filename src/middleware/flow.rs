//! Sign in, complete, admit, sign out: from a request's head to a reply without a body.
//!
//! Nothing here knows a `Service` or a body type, and nothing reads `Host` or `X-Forwarded-*`:
//! addresses come from the configured base URL.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    callback::Done,
    device_code::{CodePage, Polled},
    placement::Told,
    request_head::Caller,
    routes::Route,
};
use crate::{
    client::{AppTokens, Client},
    clock::Clock,
    config::{ResponseMode, ReturnPath, SignInMethod, ValidConfig},
    error::Error,
    protocol::HttpClient,
    session::{Attempts, Cookies, KeyRing, Records, RequestCookies, Sessions, Store},
    sign_in::{Errand, Exchanges, RelyingParty, Waiting, key_binding},
    tokens::{CacheLimits, Grants, RefreshLock},
    user::Application,
};

/// The head of a request, its address as the browser wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// What the headers hold of this application's cookies: read once per request, by
    /// [`Flow::cookies`].
    pub(crate) cookies: &'a RequestCookies<'a>,
}

impl Asked<'_> {
    /// How the caller is to be answered.
    pub(crate) fn caller(&self) -> Caller {
        Caller::of(self.method, self.headers)
    }
}

/// What to answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    /// `Set-Cookie` values.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// The answer itself; words, status and shape are chosen where pages are known.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 303 to an address of ours or the provider's.
    Redirect(String),
    /// A sign-in is needed, and the caller cannot be redirected: where to sign in, and what failed
    /// for somebody who is signed in.
    SignInNeeded { sign_in: String, why: Option<Error> },
    /// A step failed. `again` is where a link to try again leads.
    Failed { error: Error, again: Option<String> },
    /// The page with the code of a sign-in that waits for its person.
    Code(Box<CodePage>),
    /// What that page's script hears.
    Polled(Polled),
    /// The page after signing out.
    SignedOut { home: String, sign_in: String },
    /// The question before signing out. `provider` is where the form may end up.
    ConfirmSignOut { sign_out: String, home: String, provider: Option<String> },
}

impl Answer {
    /// One word for the span of the step.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Redirect(_) => "redirected",
            Self::Failed { .. } => "failed",
            Self::SignInNeeded { .. } => "sign_in_needed",
            Self::Code(_) | Self::SignedOut { .. } | Self::ConfirmSignOut { .. } => "page",
            Self::Polled(polled) => polled.as_str(),
        }
    }
}

impl Reply {
    pub(crate) fn new(answer: Answer) -> Self {
        Self { answer, cookies: Vec::new() }
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::new(Answer::Redirect(to.into()))
    }

    pub(crate) fn failed(error: Error, again: Option<String>) -> Self {
        Self::new(Answer::Failed { error, again })
    }

    pub(crate) fn with_cookies(mut self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.cookies.extend(cookies);
        self
    }
}

/// Everything that sign-in works with, shared by all services of a layer.
pub(crate) struct Flow {
    pub(super) config: ValidConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) relying_party: RelyingParty,
    pub(super) client: Client,
    pub(super) cookies: Arc<Cookies>,
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
    pub(super) grants: Grants,
    pub(super) exchanges: Exchanges<Done>,
    pub(super) waiting: Waiting<Done>,
    pub(super) told: Told,
}

impl Flow {
    /// # Errors
    ///
    /// The machine cannot derive keys, which does not happen.
    pub(crate) fn new(
        config: ValidConfig,
        store: Store,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        lock: Option<Arc<dyn RefreshLock>>,
    ) -> Result<Self, Error> {
        let form_post = config.response_mode() == ResponseMode::FormPost;
        let ours = key_binding(&config);
        let keys = Arc::new(KeyRing::new(config.cookie_keys(), &ours)?);
        let cookies = Arc::new(
            Cookies::new(config.cookie_id(), config.secure(), form_post)
                .with_lifetime(config.cookie_lifetime()),
        );
        let records = Arc::new(Records::new(Arc::clone(&keys), store, Arc::clone(&clock)));
        let relying_party = RelyingParty::new(config.clone(), http, Arc::clone(&clock));
        let client = Client::over(relying_party.provider().clone(), Arc::clone(&clock));
        let grants = Grants::new(
            Arc::clone(&records) as _,
            Arc::new(relying_party.provider().clone()),
            Arc::clone(&clock),
            lock,
            config.session_end(),
            CacheLimits::default(),
        );
        let application =
            Arc::new(Application::new(&config, grants.clone(), client.clone(), Arc::clone(&clock)));
        // How the answer comes: an attempt is good for nothing else.
        let mode = match config.sign_in_method() {
            SignInMethod::DeviceCode => SignInMethod::DeviceCode.as_str(),
            _ => config.response_mode().as_str(),
        };
        let [client_id, authority, _] = ours;
        let bound_to = [client_id, authority, config.redirect_uri().as_bytes(), mode.as_bytes()];
        Ok(Self {
            attempts: Attempts::new(keys, Arc::clone(&cookies), &bound_to),
            sessions: Sessions::new(
                config.clone(),
                records,
                Arc::clone(&cookies),
                application,
                Sessions::DEFAULT_OPENED,
            ),
            exchanges: Exchanges::new(),
            waiting: Waiting::new(),
            told: Told::default(),
            relying_party,
            client,
            config,
            clock,
            cookies,
            grants,
        })
    }

    /// The cookies of a request that are this application's.
    pub(crate) fn cookies<'h>(&self, headers: &'h HeaderMap) -> RequestCookies<'h> {
        self.cookies.read(headers)
    }

    /// Answers a request for one of the layer's own paths. `form` is its body, where the path takes
    /// one.
    pub(crate) async fn reply(
        self: &Arc<Self>,
        route: Route,
        asked: Asked<'_>,
        form: Result<Bytes, Error>,
    ) -> Reply {
        let span = match route {
            Route::SignIn => info_span!("identity.sign_in", outcome = Empty, reason = Empty),
            Route::Callback if self.relying_party.by_code() => {
                info_span!("identity.device_code", outcome = Empty, reason = Empty)
            }
            Route::Callback => info_span!("identity.callback", outcome = Empty, reason = Empty),
            Route::SignOut => info_span!("identity.sign_out", outcome = Empty, reason = Empty),
            Route::EditProfile => {
                info_span!("identity.edit_profile", outcome = Empty, reason = Empty)
            }
            Route::ResetPassword => {
                info_span!("identity.reset_password", outcome = Empty, reason = Empty)
            }
            Route::SignedOut | Route::Protected => Span::none(),
        };
        let reply = async {
            match route {
                Route::SignIn => self.sign_in(asked).await,
                Route::Callback if self.relying_party.by_code() => self.device_code(asked).await,
                Route::Callback => self.callback(asked, form).await,
                Route::SignOut => self.sign_out(asked).await,
                Route::SignedOut => self.signed_out(),
                Route::EditProfile => self.errand(asked, Errand::EditProfile).await,
                Route::ResetPassword => self.errand(asked, Errand::ResetPassword).await,
                Route::Protected => self.require_sign_in(asked).await,
            }
        };
        let reply = reply.instrument(span.clone()).await;
        span.record("outcome", reply.answer.outcome());
        if let Answer::Failed { error, .. } = &reply.answer {
            span.record("reason", error.reason());
        }
        reply
    }

    /// Where the application's own tokens come from.
    pub(crate) fn app_tokens(&self) -> AppTokens {
        self.client.app_tokens()
    }

    /// The address that starts a sign-in and comes back to `return_path`.
    pub(crate) fn sign_in_url(&self, return_path: &ReturnPath) -> String {
        self.address(&self.config.paths().login, return_path)
    }

    pub(super) fn address(&self, own: &str, return_path: &ReturnPath) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", return_path.as_str())
            .finish();
        format!("{}?{query}", self.config.external_path(own))
    }
}
