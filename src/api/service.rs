//! [`ApiService`]: decides from the head of a request, then responds or calls the inner service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use tower_service::Service;

use super::{
    answer::{self, RefusedMessage},
    bearer::{self, Authorization},
    caller::ApiCaller,
    future::{ApiFuture, Shape},
    introspect::Introspections,
    memory::{Memory, RememberedToken},
    metadata::{self, MetadataPaths},
};
use crate::{
    client::Client,
    clock::{Clock, UnixTime},
    config::{Introspection, Preflight, ValidApiConfig},
    error::{Error, ErrorKind},
    http_message::{self, IdentityBody, take_ready},
    protocol::{HttpClient, Provider},
    secret::TokenDigest,
};

/// The service that [`ApiLayer`](crate::ApiLayer) wraps around the inner one.
#[derive(Clone, Debug)]
pub struct ApiService<S> {
    inner: S,
    shared: Arc<ApiParts>,
}

/// The state that all services of one layer share.
pub(crate) struct ApiParts {
    pub(super) config: ValidApiConfig,
    provider: Provider,
    /// The providers of the other B2C policies whose tokens are accepted.
    policies: Vec<Provider>,
    clock: Arc<dyn Clock>,
    memory: Memory,
    introspections: Introspections,
    metadata: MetadataPaths,
    /// Present if the API has a credential.
    client: Option<Client>,
}

impl<S> ApiService<S> {
    pub(super) fn new(inner: S, shared: Arc<ApiParts>) -> Self {
        Self { inner, shared }
    }
}

impl<S, B, R> Service<Request<B>> for ApiService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<IdentityBody<R>>;
    type Error = S::Error;
    type Future = ApiFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        call(&mut self.inner, &self.shared, request)
    }
}

/// The decision on a request, made from its head and the memory of verified tokens.
enum ApiDecision {
    Public,
    /// The metadata of the API.
    Document,
    Remembered(ApiCaller),
    /// The hash of a token that has to be verified.
    Unknown(TokenDigest),
    Refused(Error),
}

/// Responds to a request, or passes it to the inner service, which must be ready.
pub(crate) fn call<S, B, R>(
    inner: &mut S,
    shared: &Arc<ApiParts>,
    mut request: Request<B>,
) -> ApiFuture<S::Future, R, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Send + 'static,
{
    let shape = Shape::of(&request);
    match shared.decide(&request) {
        ApiDecision::Public => ApiFuture::calling(inner.call(request), Arc::clone(shared), shape),
        ApiDecision::Remembered(caller) => {
            request.extensions_mut().insert(caller);
            ApiFuture::calling(inner.call(request), Arc::clone(shared), shape)
        }
        ApiDecision::Document => {
            let (shared, method) = (Arc::clone(shared), request.method().clone());
            ApiFuture::waiting(async move { Ok(metadata::respond(&shared, &method).await) })
        }
        ApiDecision::Refused(error) => ApiFuture::answering(shared.refused(error, shape)),
        ApiDecision::Unknown(digest) => {
            let mut ready = take_ready(inner);
            let shared = Arc::clone(shared);
            let (mut head, body) = request.into_parts();
            ApiFuture::waiting(async move {
                match shared.verify(&head.headers, digest).await {
                    Ok(caller) => {
                        head.extensions.insert(caller);
                        let answer = ready.call(Request::from_parts(head, body));
                        ApiFuture::calling(answer, shared, shape).await
                    }
                    Err(error) => Ok(shared.refused(error, shape)),
                }
            })
        }
    }
}

impl ApiParts {
    pub(super) fn new(
        config: ValidApiConfig,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        remembered_bytes: usize,
    ) -> Self {
        let provider = Provider::new(config.identity().clone(), http, Arc::clone(&clock));
        let own = provider.authority().b2c_policies().map(|(_, own)| own);
        let others = config.rules().policies.iter().filter(|policy| Some(policy.as_str()) != own);
        let policies = others.filter_map(|policy| provider.for_policy(policy)).collect();
        let client = config
            .identity()
            .credential()
            .is_confidential()
            .then(|| Client::over(provider.clone()));
        let (memory, metadata) = (Memory::new(remembered_bytes), MetadataPaths::of(&config));
        let introspections = Introspections::new();
        Self { provider, policies, clock, memory, introspections, metadata, client, config }
    }

    pub(super) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// The challenge for a request without a token and without a session.
    pub(crate) fn bearer_challenge(&self) -> Option<HeaderValue> {
        answer::challenge_without_token(&self.config)
    }

    /// Whether the API handles a request on a router that also has pages and sessions.
    pub(crate) fn is_called<B>(&self, request: &Request<B>) -> bool {
        bearer::is_presented(request.headers()) || self.metadata.contain(request.uri().path())
    }

    #[cfg(feature = "axum")]
    pub(super) fn metadata_paths(&self) -> &MetadataPaths {
        &self.metadata
    }

    pub(super) fn config(&self) -> &ValidApiConfig {
        &self.config
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(super) fn introspections(&self) -> &Introspections {
        &self.introspections
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn decide<B>(self: &Arc<Self>, request: &Request<B>) -> ApiDecision {
        let path = request.uri().path();
        // First the metadata: a client without a token reads it to find out where to get one (RFC
        // 9728 section 3). It is public even if a rule protects its path.
        if self.metadata.contain(path) {
            return ApiDecision::Document;
        }
        // Then public paths, before the header: a token there is ignored, so that a client with an
        // expired one can still call them.
        if self.config.public_paths().is_public(path) || self.passes_preflight(request) {
            return ApiDecision::Public;
        }
        let token = match bearer::presented(request.headers()) {
            Authorization::Token(token) => token,
            Authorization::Nothing => return ApiDecision::Refused(bearer::missing()),
            Authorization::Malformed(detail) => {
                return ApiDecision::Refused(bearer::malformed(detail));
            }
        };
        match self.recall(token) {
            Ok((_, Some(known))) => ApiDecision::Remembered(self.caller(known, request.headers())),
            Ok((digest, None)) => ApiDecision::Unknown(digest),
            Err(error) => ApiDecision::Refused(error),
        }
    }

    /// The hash of a token, and its entry in the memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the token has no hash.
    fn recall(&self, token: &[u8]) -> Result<(TokenDigest, Option<Arc<RememberedToken>>), Error> {
        let digest = self.config.token_hash().digest(token)?;
        Ok((digest, self.memory.get(&digest, self.now())))
    }

    /// Whether it is a CORS preflight for the inner service. A token in it is ignored.
    fn passes_preflight<B>(&self, request: &Request<B>) -> bool {
        self.config.identity().preflight() == Preflight::Pass
            && http_message::is_preflight(request.method(), request.headers())
    }

    fn caller(self: &Arc<Self>, known: Arc<RememberedToken>, headers: &HeaderMap) -> ApiCaller {
        // The header is needed for on-behalf-of requests only, which take a credential.
        let header: Option<HeaderValue> =
            self.client.as_ref().and_then(|_| headers.get(AUTHORIZATION).cloned());
        ApiCaller::new(known, Arc::clone(self), header)
    }

    /// Verifies a token that is not in the memory, and remembers the result under its hash.
    async fn verify(
        self: &Arc<Self>,
        headers: &HeaderMap,
        digest: TokenDigest,
    ) -> Result<ApiCaller, Error> {
        let token = bearer::token(headers)?;
        if memchr::memchr_iter(b'.', token.as_bytes()).count() != 2 {
            let known = match self.config.introspection() {
                Introspection::Opaque | Introspection::OpaqueAudienceOptional => {
                    self.introspect(token, digest).await?
                }
                Introspection::Never => {
                    let detail = "not a signed JWT (expected three dot-separated parts), and \
                                  opaque tokens are not introspected";
                    let error = Error::new(ErrorKind::TokenMalformed, detail).at_api();
                    return Err(error.with_remedy(OPAQUE));
                }
            };
            return Ok(self.caller(known, headers));
        }
        let rules = self.config.rules();
        let verified = self.provider.verify_access_token(token, rules, &self.policies).await?;
        let until = verified.exp + self.config.identity().clock_leeway();
        let known = Arc::new(RememberedToken::new(verified, self.now(), until));
        self.memory.insert(digest, Arc::clone(&known));
        Ok(self.caller(known, headers))
    }

    /// The response to a refused request.
    pub(super) fn refused<R>(&self, error: Error, shape: Shape) -> Response<IdentityBody<R>> {
        self.refused_with(error, shape, None)
    }

    /// The same for the refusal of a guard that read a message in the body.
    pub(super) fn refused_with<R>(
        &self,
        error: Error,
        shape: Shape,
        message: Option<RefusedMessage>,
    ) -> Response<IdentityBody<R>> {
        answer::refused(error, shape, message, &self.config)
    }
}

/// The remedy for a token that is no JWT. Both kinds are regular (RFC 6749 section 1.4), and many
/// providers issue opaque tokens until they are asked for one for a certain API.
const OPAQUE: &str = "if the provider issues opaque tokens, have them introspected \
     (`ApiConfig::with_introspection`, IDENTITY_INTROSPECTION=opaque); if it issues signed ones \
     for APIs, have the client request one for this API";

impl fmt::Debug for ApiParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiParts")
            .field("config", &self.config)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
