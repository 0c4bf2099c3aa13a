//! [`Flow`]: from the head of a request to a [`Reply`] without a body.
//!
//! Nothing here knows a `Service` or a body type, and nothing reads `Host` or `X-Forwarded-*`: URLs
//! come from the configured base URL.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    callback::{NextStep, SignedInPage},
    handlers::{Handlers, ReportedEnds},
    placement::PlacementWarnings,
    reply::{Outcome, Reply},
    routes::Route,
};
use crate::{
    client::Client,
    clock::Clock,
    config::{ResponseMode, SignInMethod, ValidConfig},
    error::Error,
    http_message::RequestHead,
    measure,
    protocol::HttpClient,
    session::{Attempts, Cookies, Records, RequestCookies, Sessions, Store},
    sign_in::{DevicePolls, Exchanges, Purpose, RelyingParty},
    tokens::{Grants, RefreshLock},
    user::Application,
};

/// Everything that sign-in works with, shared by all services of a layer.
pub(super) struct Flow {
    pub(super) config: ValidConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) relying_party: RelyingParty,
    pub(super) client: Client,
    pub(super) cookies: Arc<Cookies>,
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
    pub(super) grants: Grants,
    pub(super) exchanges: Exchanges<NextStep>,
    pub(super) device_polls: DevicePolls<SignedInPage>,
    pub(super) logged: PlacementWarnings,
    pub(super) handlers: Handlers,
    pub(super) reported_ends: ReportedEnds,
}

impl Flow {
    pub(super) fn new(
        config: ValidConfig,
        store: Store,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        lock: Option<Arc<dyn RefreshLock>>,
        handlers: Handlers,
    ) -> Self {
        let form_post = config.response_mode() == ResponseMode::FormPost;
        let cookies = Arc::new(
            Cookies::new(config.cookie_id(), config.secure(), form_post)
                .with_lifetime(config.cookie_lifetime())
                .with_kept_forms(config.paths().kept_form.is_some()),
        );
        let records = Arc::new(Records::new(Arc::clone(config.keys()), store, Arc::clone(&clock)));
        let relying_party = RelyingParty::new(config.clone(), http, Arc::clone(&clock));
        let client = Client::over(relying_party.provider().clone());
        let grants = Grants::new(
            Arc::clone(&records) as _,
            Arc::new(relying_party.provider().clone()),
            Arc::clone(&clock),
            lock,
            config.session_end(),
        );
        let provider = relying_party.provider().clone();
        let application = Arc::new(Application::new(provider, grants.clone(), client.clone()));
        // An attempt is bound to the way in which its response comes.
        let mode = match config.sign_in_method() {
            SignInMethod::DeviceCode => SignInMethod::DeviceCode.as_str(),
            _ => config.response_mode().as_str(),
        };
        let bound_to = [config.client_id(), config.authority().name(), config.redirect_uri(), mode];
        Self {
            attempts: Attempts::new(
                Arc::clone(config.keys()),
                Arc::clone(&cookies),
                &bound_to.map(str::as_bytes),
            ),
            sessions: Sessions::new(config.clone(), records, Arc::clone(&cookies), application),
            exchanges: Exchanges::new(),
            device_polls: DevicePolls::new(),
            logged: PlacementWarnings::default(),
            handlers,
            reported_ends: ReportedEnds::new(),
            relying_party,
            client,
            config,
            clock,
            cookies,
            grants,
        }
    }

    /// The cookies of a request that are this application's.
    pub(super) fn cookies<'h>(&self, headers: &'h HeaderMap) -> RequestCookies<'h> {
        self.cookies.read(headers)
    }

    /// Answers a request for one of the layer's own paths. `form` is its body, where the path takes
    /// one.
    pub(super) async fn reply(
        self: &Arc<Self>,
        route: Route,
        head: &RequestHead<'_>,
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
            Route::Protected => {
                info_span!("identity.require_sign_in", outcome = Empty, reason = Empty)
            }
            Route::SignedOut | Route::User | Route::KeptForm => Span::none(),
        };
        let reply = async {
            match route {
                Route::SignIn => self.sign_in(head).await,
                Route::Callback if self.relying_party.by_code() => self.device_code(head).await,
                Route::Callback => self.callback(head, form).await,
                Route::SignOut => self.sign_out(head).await,
                Route::SignedOut => self.signed_out(),
                Route::EditProfile => self.policy(head, Purpose::EditProfile).await,
                Route::ResetPassword => self.policy(head, Purpose::ResetPassword).await,
                Route::User => self.current_user(head).await,
                Route::KeptForm => self.kept_form(head, form).await,
                Route::Protected => self.require_sign_in(head).await,
            }
        };
        let reply = reply.instrument(span.clone()).await;
        span.record("outcome", reply.outcome.as_str());
        if let Outcome::Failed { error, .. } = &reply.outcome {
            span.record("reason", error.reason());
            if matches!(route, Route::SignIn | Route::Callback) {
                measure::sign_in_failed(error.reason());
            }
        }
        reply
    }
}
