//! [`Flow`]: the shared state of the walks, which lead from the head of a request to a
//! [`Reply`](super::reply::Reply) without a body.
//!
//! No walk knows a `Service` or a body type, and none reads `Host` or `X-Forwarded-*`: URLs come
//! from the configured base URL.

use std::sync::Arc;

use http::HeaderMap;

use super::{
    callback::{NextStep, SignedInPage},
    events::{Handlers, ReportedEnds},
    placement::PlacementWarnings,
};
use crate::{
    client::Client,
    clock::Clock,
    config::{ResponseMode, SignInMethod, ValidConfig},
    protocol::HttpClient,
    session::{Attempts, Cookies, Records, RequestCookies, Sessions, Store},
    sign_in::{DevicePolls, Exchanges, RelyingParty},
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
}
