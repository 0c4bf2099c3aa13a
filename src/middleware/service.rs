//! [`IdentityService`]: decides from the head of a request, then responds or calls the inner service.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, Method, Request, Response, Uri,
    header::{CONTENT_TYPE, SET_COOKIE},
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tower_service::Service;

use super::{
    admit::{Admission, Decision},
    flow::Flow,
    future::{Admitted, FollowUp, Pending, ResponseFuture},
    lazy_user::LazyUser,
    placement::nest,
    reply::Reply,
    respond::{Caller, Renderer},
    routes::Route,
};
use crate::{
    api,
    config::CrossSiteRules,
    error::{Error, ErrorKind},
    http_message::{
        BoxError, Challenge, IdentityBody, RequestHead, RequestSummary, Wanted, original_uri,
        take_ready,
    },
};

/// The largest body of a `form_post` answer: a code, a state and an ID token fit a dozen times.
const FORM_LIMIT: usize = 64 * 1024;
/// How long the browser may take to send it.
const FORM_TIME: Duration = Duration::from_secs(10);

/// The service that [`IdentityLayer`](crate::IdentityLayer) makes.
#[derive(Clone, Debug)]
pub struct IdentityService<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// What every service of one layer shares.
pub(super) struct Shared {
    /// An error only on a machine that cannot derive keys: then nothing is let through.
    flow: Result<Arc<Flow>, Error>,
    renderer: Renderer,
    /// Requests with an access token are its.
    api: Option<Arc<api::Shared>>,
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
        if let Some(api) = self.shared.api.as_ref().filter(|api| api.is_called(&request)) {
            return ResponseFuture::of_api(api::call(&mut self.inner, api, request));
        }
        let flow = match &self.shared.flow {
            Ok(flow) => flow,
            Err(error) => {
                let summary = RequestSummary::of(
                    request.method(),
                    request.uri(),
                    request.headers(),
                    &CrossSiteRules::default(),
                );
                return refused(Arc::clone(&self.shared), summary, error.clone());
            }
        };
        let decision = flow.decide(request.method(), request.uri().path(), request.headers());
        if flow.is_place_unknown() {
            place(flow, &decision, request.uri(), request.extensions());
        }
        match decision {
            Decision::Public => {
                let head = flow.tells_ends().then(|| head_of(&request));
                let identity = LazyUser::new(Arc::clone(flow), &request, head);
                insert(request.extensions_mut(), identity.clone());
                ResponseFuture::calling(
                    self.inner.call(request),
                    Arc::clone(&self.shared),
                    Pending::Public(identity),
                )
            }
            Decision::Admitted(session, roll) => {
                let summary = RequestSummary::of(
                    request.method(),
                    original_uri(request.uri(), request.extensions()),
                    request.headers(),
                    flow.config.cross_site(),
                );
                if let Some(error) = flow.cross_site_refusal(&summary, request.uri().path()) {
                    return refused(Arc::clone(&self.shared), summary, error);
                }
                insert(request.extensions_mut(), session.user.clone());
                let pending = Pending::Protected(Admitted { session, roll, summary });
                ResponseFuture::calling(self.inner.call(request), Arc::clone(&self.shared), pending)
            }
            Decision::Ask(route) => ResponseFuture::deciding(decide(
                take_ready(&mut self.inner),
                Arc::clone(&self.shared),
                Arc::clone(flow),
                route,
                request,
            )),
        }
    }
}

/// The future of a request that is refused without waiting.
#[cold]
fn refused<F, R: Send + 'static, E: Send + 'static>(
    shared: Arc<Shared>,
    summary: RequestSummary,
    error: Error,
) -> ResponseFuture<F, R, E> {
    ResponseFuture::deciding(async move {
        let caller = Caller::of_summary(&summary, None);
        Ok(shared.renderer.response(&caller, Reply::failed(error, None)))
    })
}

/// Puts a value into the extensions of a request.
///
/// `http` begins with room for three entries, and axum adds three of its own, so the map would be
/// moved to a larger one within each request. A copy of an empty map with more room costs less.
fn insert<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, value: T) {
    static ROOMY: LazyLock<Extensions> = LazyLock::new(|| {
        let mut extensions = Extensions::new();
        extensions.insert(0_u8);
        extensions.insert(0_u16);
        extensions.insert(0_u32);
        extensions.insert(0_u64);
        extensions.clear();
        extensions
    });
    if extensions.is_empty() {
        extensions.clone_from(&ROOMY);
    }
    extensions.insert(value);
}

/// A copy of a request's head.
fn head_of<B>(request: &Request<B>) -> Arc<Parts> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = original_uri(request.uri(), request.extensions()).clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts.extensions = request.extensions().clone();
    Arc::new(parts)
}

/// Where the layer is, by the first request that tells.
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
/// The longer parts are boxed: this future is moved as a whole for every request whose session is in
/// a store.
async fn decide<S, B, R>(
    mut inner: S,
    shared: Arc<Shared>,
    flow: Arc<Flow>,
    route: Route,
    request: Request<B>,
) -> Result<Response<IdentityBody<R>>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    let uri = original_uri(&parts.uri, &parts.extensions).clone();
    if route == Route::Protected {
        let cookies = flow.cookies(&parts.headers);
        let rules = flow.config.cross_site();
        let summary = RequestSummary::of(&parts.method, &uri, &parts.headers, rules);
        if cookies.has_session()
            && let Some(error) = flow.cross_site_refusal(&summary, parts.uri.path())
        {
            let caller = Caller::of_summary(&summary, None);
            return Ok(shared.renderer.response(&caller, Reply::failed(error, None)));
        }
        match flow.admit(&cookies).await {
            Ok(Admission::In(session, roll)) => {
                parts.extensions.insert(session.user.clone());
                let mut response = inner.call(Request::from_parts(parts, body)).await?;
                let pending = Pending::Protected(Admitted { session, roll, summary });
                return Ok(match pending.follow_up(&mut response) {
                    Some(follow_up) => Box::pin(shared.finish(response, follow_up)).await,
                    None => response.map(IdentityBody::inner),
                });
            }
            Ok(Admission::Out) => {
                if flow.tells_ends() && cookies.has_session() {
                    let mut request = parts.clone();
                    request.uri = uri.clone();
                    Box::pin(flow.tell_ends(&cookies, &Arc::new(request))).await;
                }
                let head = RequestHead::new(&parts.method, &uri, &parts.headers, cookies);
                let reply = Box::pin(flow.reply(Route::Protected, &head, Ok(Bytes::new()))).await;
                return Ok(shared.renderer.response(&Caller::of(&head, None), reply));
            }
            Err(error) => {
                let caller = Caller::of_summary(&summary, None);
                return Ok(shared.renderer.response(&caller, Reply::failed(error, None)));
            }
        }
    }
    let form = if route == Route::Callback && parts.method == Method::POST {
        form(&parts.headers, body).await
    } else {
        Ok(Bytes::new())
    };
    let cookies = flow.cookies(&parts.headers);
    let head = RequestHead::new(&parts.method, &uri, &parts.headers, cookies)
        .with_extensions(&parts.extensions);
    let reply = Box::pin(flow.reply(route, &head, form)).await;
    let session = head.cookies.session();
    let user = session.as_deref().map(|session| &session.user);
    Ok(shared.renderer.response(&Caller::of(&head, user), reply))
}

/// The body of a `form_post` answer.
async fn form<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let refused = |detail| Err(Error::new(ErrorKind::RequestInvalid, detail));
    let is_form =
        headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| {
                kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
            })
        });
    if !is_form {
        return refused("the body of the callback is not a form");
    }
    match tokio::time::timeout(FORM_TIME, Limited::new(body, FORM_LIMIT).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => refused("the body of the callback is broken or too large"),
        Err(_) => refused("the body of the callback did not arrive in time"),
    }
}

impl Shared {
    pub(super) fn new(
        flow: Result<Arc<Flow>, Error>,
        renderer: Renderer,
        api: Option<Arc<api::Shared>>,
    ) -> Self {
        Self { flow, renderer, api }
    }

    /// The response of a service after which the layer has async work to finish.
    pub(super) async fn finish<R>(
        &self,
        mut response: Response<R>,
        follow_up: FollowUp,
    ) -> Response<IdentityBody<R>> {
        match (follow_up, &self.flow) {
            (FollowUp::Challenge { challenge, session }, Ok(flow)) => {
                let cookies = flow.cookies(challenge.headers());
                if let Some(session) = &session {
                    cookies.hand_on(session);
                }
                let head = challenge.head(cookies);
                let reply = challenged(flow, &challenge, &head).await;
                let user = session.as_deref().map(|session| &session.user);
                return self.renderer.response(&Caller::of(&head, user), reply);
            }
            (FollowUp::Challenge { challenge, .. }, Err(error)) => {
                let client = challenge.client_kind();
                let caller = Caller { client, accept_language: None, path: None, user: None };
                return self.renderer.response(&caller, Reply::failed(error.clone(), None));
            }
            (FollowUp::Raised { error, session, summary }, Ok(flow)) => {
                let reply = flow.raised(&summary, &session, error);
                let caller = Caller::of_summary(&summary, Some(&session.user));
                return self.renderer.response(&caller, reply);
            }
            (FollowUp::Roll(roll), Ok(flow)) => {
                if let Some(cookie) = flow.confirm(&roll).await {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
            }
            // Without a flow no request was let through.
            (FollowUp::Raised { .. } | FollowUp::Roll(_), Err(_)) => {}
        }
        response.map(IdentityBody::inner)
    }
}

/// The answer to the challenge of a handler or guard.
async fn challenged(flow: &Flow, challenge: &Challenge, head: &RequestHead<'_>) -> Reply {
    match challenge.wanted() {
        Wanted::SignIn { options, return_path } => {
            flow.step_up(head, options, return_path.as_ref()).await
        }
        Wanted::Refusal(error) => Reply::failed(error.clone(), None),
    }
}
