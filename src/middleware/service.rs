//! [`IdentityService`]: decides from the head of a request, then responds or calls the inner
//! service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Method, Request, Response, Uri, header::SET_COOKIE, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::{
    admit::{AdmittedRequest, Decision},
    flow::Flow,
    future::{FollowUp, Pending, ResponseFuture},
    lazy_user::LazyUser,
    placement::nest,
    reply::{Outcome, Reply},
    respond::{Recipient, Renderer},
    routes::{Route, own_route},
};
use crate::{
    api,
    config::SignInMethod,
    error::Error,
    http_message::{
        BoxError, Challenge, ChallengeKind, IdentityBody, RequestHead, RequestSummary,
        insert_extension, read_form, take_ready, without_content,
    },
    session::RequestCookies,
};

/// The largest form that is read, in bytes: that of a `form_post` answer, in which a code, a state
/// and an ID token fit a dozen times, and one that is kept.
const FORM_LIMIT: usize = 64 * 1024;
/// The largest body with a sealed form of that size, in base64url.
const SEALED_FORM_LIMIT: usize = 96 * 1024;

/// The service that [`IdentityLayer`](crate::IdentityLayer) makes.
#[derive(Clone, Debug)]
pub struct IdentityService<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// The state that all services of one layer share.
pub(super) struct Shared {
    pub(super) flow: Arc<Flow>,
    pub(super) renderer: Renderer,
    /// Answers requests that have an access token, if the application is an API as well.
    pub(super) api: Option<Arc<api::ApiParts>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<S> IdentityService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// Decides on a request that needs more than a look at its head.
    fn later<B, R>(
        &mut self,
        route: Route,
        request: Request<B>,
    ) -> ResponseFuture<S::Future, R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
        R: Send + 'static,
    {
        let (inner, shared) = (take_ready(&mut self.inner), Arc::clone(&self.shared));
        ResponseFuture::waiting(answer_or_admit(inner, shared, route, request))
    }
}

impl<S, B, R> Service<Request<B>> for IdentityService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    R: Send + 'static,
{
    type Response = Response<IdentityBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The token decides, whatever cookies come with it.
        if let Some(api) = self.shared.api.as_ref()
            && api.is_called(&request)
            && !self.shared.owns(request.uri().path())
        {
            return ResponseFuture::of_api(api::call(&mut self.inner, api, request));
        }
        let flow = &self.shared.flow;
        let decision = flow.decide(&request);
        if flow.is_place_unknown() {
            place(flow, &decision, request.uri(), request.extensions());
        }
        match decision {
            Decision::Public => {
                let lazy = LazyUser::new(flow, request.uri(), request.extensions());
                insert_extension(request.extensions_mut(), lazy.clone());
                let shared = Arc::clone(&self.shared);
                ResponseFuture::calling(self.inner.call(request), shared, Pending::Public(lazy))
            }
            Decision::Admitted(let_through) => {
                let AdmittedRequest { admitted, summary } = &let_through;
                if let Some(error) = flow.cross_site_refusal(summary, request.uri().path()) {
                    return refusing(Arc::clone(&self.shared), let_through.summary, error);
                }
                insert_extension(request.extensions_mut(), admitted.session.user.clone());
                let (shared, pending) = (Arc::clone(&self.shared), Pending::Protected(let_through));
                ResponseFuture::calling(self.inner.call(request), shared, pending)
            }
            Decision::Ask(route) => self.later(route, request),
        }
    }
}

/// The future of a request that is refused without waiting.
#[cold]
fn refusing<F, R: Send + 'static, E: Send + 'static>(
    shared: Arc<Shared>,
    summary: RequestSummary,
    error: Error,
) -> ResponseFuture<F, R, E> {
    ResponseFuture::waiting(async move { Ok(shared.refused(&summary, error)) })
}

/// Finds where the layer is in a router, by the first request that shows it.
#[cold]
fn place(flow: &Flow, decision: &Decision, uri: &Uri, extensions: &Extensions) {
    let is_own_path = matches!(decision, Decision::Ask(route) if *route != Route::Protected);
    if let Ok(nest) = nest(uri, extensions) {
        flow.placed(nest, is_own_path);
    }
}

/// Answers a request that needs more than a look: the layer's own paths, and protected ones without
/// an opened session.
///
/// The longer parts are boxed, and the request is captured in two pieces rather than passed, which
/// would make room for it twice: this future is allocated for every request whose session is in a
/// store.
fn answer_or_admit<S, B, R>(
    mut inner: S,
    shared: Arc<Shared>,
    route: Route,
    request: Request<B>,
) -> impl Future<Output = Result<Response<IdentityBody<R>>, S::Error>>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    async move {
        let flow = &shared.flow;
        if route != Route::Protected {
            return Ok(Box::pin(layer_path(&shared, flow, route, parts, body)).await);
        }
        let summary = RequestSummary::of_parts(&parts, flow.config.cross_site());
        let cookies = flow.cookies(&parts.headers);
        if cookies.has_session()
            && let Some(error) = flow.cross_site_refusal(&summary, parts.uri.path())
        {
            return Ok(shared.refused(&summary, error));
        }
        let let_through = match flow.admit(&cookies).await {
            Ok(Some(admitted)) => AdmittedRequest { admitted, summary },
            Ok(None) => {
                return Ok(Box::pin(signed_out(&shared, flow, &parts, body, cookies)).await);
            }
            Err(error) => return Ok(shared.refused(&summary, error)),
        };
        drop(cookies);
        insert_extension(&mut parts.extensions, let_through.admitted.session.user.clone());
        let mut response = inner.call(Request::from_parts(parts, body)).await?;
        match Pending::Protected(let_through).follow_up(&mut response, || shared.has_api()) {
            Some(follow_up) => Ok(Box::pin(shared.finish(response, follow_up)).await),
            None => Ok(response.map(IdentityBody::inner)),
        }
    }
}

/// Answers a request for a protected page without a session.
async fn signed_out<B, R>(
    shared: &Shared,
    flow: &Arc<Flow>,
    parts: &Parts,
    body: B,
    cookies: RequestCookies<'_>,
) -> Response<IdentityBody<R>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if shared.api.is_none() && api::is_token_presented(&parts.headers) {
        flow.ignored_token();
    }
    let head = RequestHead::of_parts(parts, cookies);
    flow.report_ends(&head.cookies, || head.parts()).await;
    let mut reply = flow.reply(Route::Protected, &head, Ok(Bytes::new())).await;
    if let Outcome::NotSaved { kept, .. } = &mut reply.outcome
        && let Some(owner) = flow.form_owner(&head).await
        && let Ok(form) = read_form(&parts.headers, body, FORM_LIMIT).await
    {
        *kept = flow.keep_form(&head, &owner, &form).map(Box::new);
    }
    shared.renderer.response(&Recipient::of(&head, None), reply)
}

/// Answers a request for one of the layer's own paths.
async fn layer_path<B, R>(
    shared: &Shared,
    flow: &Arc<Flow>,
    route: Route,
    mut parts: Parts,
    body: B,
) -> Response<IdentityBody<R>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let method = flow.config.sign_in_method();
    // HEAD is GET in everything but the content (RFC 9110 section 9.3.2). By device code it stays
    // what it is: a safe method must not ask the provider for a code, nor poll it.
    let spends_code =
        method == SignInMethod::DeviceCode && matches!(route, Route::SignIn | Route::Callback);
    let is_head = parts.method == Method::HEAD && !spends_code;
    if is_head {
        parts.method = Method::GET;
    }
    let head = RequestHead::of_parts(&parts, flow.cookies(&parts.headers));
    let reply = match route.methods(method) {
        Some(allowed) if !allowed.contains(&parts.method) => {
            Reply::new(Outcome::WrongMethod(allowed))
        }
        _ => {
            let form = form_of(flow, route, &head, body).await;
            flow.reply(route, &head, form).await
        }
    };
    let session = head.cookies.session();
    let user = session.as_deref().map(|session| &session.user);
    let response = shared.renderer.response(&Recipient::of(&head, user), reply);
    if is_head { without_content(response) } else { response }
}

/// The form in a request for one of the layer's own paths; empty where the path takes none.
async fn form_of<B>(
    flow: &Flow,
    route: Route,
    head: &RequestHead<'_>,
    body: B,
) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let limit = match route {
        _ if *head.method != Method::POST => None,
        Route::Callback => Some(FORM_LIMIT),
        Route::KeptForm if flow.may_open_form(head).await? => Some(SEALED_FORM_LIMIT),
        _ => None,
    };
    match limit {
        Some(limit) => read_form(head.headers, body, limit).await,
        None => Ok(Bytes::new()),
    }
}

impl Shared {
    /// Whether the layer accepts access tokens.
    pub(super) fn has_api(&self) -> bool {
        self.api.is_some()
    }

    /// Whether a path is one of the layer's own, where a token is not looked at: a gateway that
    /// adds one to every request must not make signing in impossible.
    fn owns(&self, path: &str) -> bool {
        own_route(self.flow.config.paths(), path).is_some()
    }

    /// The failure of a request for which the inner service is not called.
    fn refused<R>(&self, summary: &RequestSummary, error: Error) -> Response<IdentityBody<R>> {
        let recipient = Recipient::of_summary(summary, None);
        self.renderer.response(&recipient, Reply::failed(error, None))
    }

    /// The response of a service after which the layer has async work to finish.
    pub(super) async fn finish<R>(
        &self,
        mut response: Response<R>,
        follow_up: FollowUp,
    ) -> Response<IdentityBody<R>> {
        let flow = &self.flow;
        match follow_up {
            FollowUp::Challenge { challenge, session } => {
                let cookies = flow.cookies(challenge.headers());
                if let Some(session) = &session {
                    cookies.hand_on(session);
                }
                let head = challenge.head(cookies);
                let reply = challenged(flow, &challenge, &head).await;
                let user = session.as_deref().map(|session| &session.user);
                return self.renderer.response(&Recipient::of(&head, user), reply);
            }
            FollowUp::Raised { error, session, summary } => {
                let reply = flow.raised(&summary, &session, error).await;
                let recipient = Recipient::of_summary(&summary, Some(&session.user));
                return self.renderer.response(&recipient, reply);
            }
            FollowUp::Roll(roll) => {
                if let Some(cookie) = flow.sessions.confirm(&roll, flow.clock.now()).await {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
            }
        }
        response.map(IdentityBody::inner)
    }
}

/// The answer to the challenge of a handler or guard.
async fn challenged(flow: &Flow, challenge: &Challenge, head: &RequestHead<'_>) -> Reply {
    match challenge.wanted() {
        ChallengeKind::SignIn { options, return_path } => {
            flow.step_up(head, options, return_path.as_ref()).await
        }
        ChallengeKind::Refusal(error) => Reply::failed(error.clone(), None),
    }
}
