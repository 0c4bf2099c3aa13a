//! Every layer of `tower-http` outside of ours and inside it, in axum, hyper and tonic. It only has
//! to compile.

#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "the compiler is the test")]

use std::{
    convert::Infallible,
    error::Error,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, http::StatusCode};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{rt::TokioExecutor, server::conn::auto, service::TowerToHyperService};
use tonic::{server::NamedService, transport::Server};
use tower::{Service, ServiceBuilder, service_fn};
use tower_http::{
    add_extension::AddExtensionLayer,
    auth::AddAuthorizationLayer,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::CorsLayer,
    decompression::DecompressionLayer,
    limit::RequestBodyLimitLayer,
    map_response_body::MapResponseBodyLayer,
    metrics::InFlightRequestsLayer,
    normalize_path::NormalizePathLayer,
    propagate_header::PropagateHeaderLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveHeadersLayer,
    set_header::{SetRequestHeaderLayer, SetResponseHeaderLayer},
    set_status::SetStatusLayer,
    timeout::{RequestBodyTimeoutLayer, ResponseBodyTimeoutLayer, TimeoutLayer},
    trace::TraceLayer,
    validate_request::ValidateRequestHeaderLayer,
};
use tower_identity::IdentityLayer;

type Failure = Box<dyn Error + Send + Sync>;

const VALUE: HeaderValue = HeaderValue::from_static("a");

async fn hello<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from("hello"))))
}

/// Compiles if hyper can serve the service.
fn on_hyper<S, B>(service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Failure>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Failure>> + Send + 'static,
{
    let serve = |stream| async move {
        let stream: hyper_util::rt::TokioIo<tokio::net::TcpStream> = stream;
        auto::Builder::new(TokioExecutor::new())
            .serve_connection(stream, TowerToHyperService::new(service))
            .await
    };
    drop(serve);
}

/// A gRPC service without methods.
#[derive(Clone)]
struct People;

impl NamedService for People {
    const NAME: &'static str = "example.People";
}

impl Service<Request<tonic::body::Body>> for People {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<tonic::body::Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

/// The layer around ours and inside it, with axum and with hyper.
macro_rules! on_axum_and_hyper {
    ($layer:expr, $identity:expr) => {
        let (outside, inside) = ($identity.clone(), $identity.clone());
        let _ = Router::<()>::new().layer(ServiceBuilder::new().layer($layer).layer(outside));
        let _ = Router::<()>::new().layer(ServiceBuilder::new().layer(inside).layer($layer));

        let (outside, inside) = ($identity.clone(), $identity.clone());
        on_hyper(ServiceBuilder::new().layer($layer).layer(outside).service(service_fn(hello)));
        on_hyper(ServiceBuilder::new().layer(inside).layer($layer).service(service_fn(hello)));
    };
}

/// The layer around ours and inside it, with axum, hyper and tonic.
macro_rules! everywhere {
    ($($name:ident: $layer:expr;)*) => { $(
        fn $name(identity: IdentityLayer) {
            on_axum_and_hyper!($layer, identity);
            let address = "127.0.0.1:0".parse().unwrap();
            let outside = ServiceBuilder::new().layer($layer).layer(identity.clone()).into_inner();
            drop(Server::builder().layer(outside).add_service(People).serve(address));
            let inside = ServiceBuilder::new().layer(identity).layer($layer).into_inner();
            drop(Server::builder().layer(inside).add_service(People).serve(address));
        }
    )* };
}

everywhere! {
    add_extension: AddExtensionLayer::new("state");
    add_authorization: AddAuthorizationLayer::bearer("token");
    catch_panic: CatchPanicLayer::new();
    cors: CorsLayer::permissive();
    in_flight: InFlightRequestsLayer::pair().0;
    map_response_body: MapResponseBodyLayer::new(axum::body::Body::new);
    normalize_path: NormalizePathLayer::trim_trailing_slash();
    propagate_header: PropagateHeaderLayer::new(header::ACCEPT);
    propagate_request_id: PropagateRequestIdLayer::x_request_id();
    set_request_id: SetRequestIdLayer::x_request_id(MakeRequestUuid);
    sensitive: SetSensitiveHeadersLayer::new([header::COOKIE]);
    set_request_header: SetRequestHeaderLayer::overriding(header::HOST, VALUE);
    set_response_header: SetResponseHeaderLayer::overriding(header::SERVER, VALUE);
    set_status: SetStatusLayer::new(StatusCode::OK);
    timeout: TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1));
    response_body_timeout: ResponseBodyTimeoutLayer::new(Duration::from_secs(1));
    trace: TraceLayer::new_for_http();
    validate: ValidateRequestHeaderLayer::accept("text/html");
    compression: CompressionLayer::new();
    decompression: DecompressionLayer::new();
}

/// Layers that change the body of a request, outside and inside: the services behind them have to
/// accept any body, which those of tonic do not.
macro_rules! with_any_body {
    ($($name:ident: $layer:expr;)*) => { $(
        fn $name(identity: IdentityLayer) {
            on_axum_and_hyper!($layer, identity);
        }
    )* };
}

with_any_body! {
    request_body_limit: RequestBodyLimitLayer::new(1_000);
    request_body_timeout: RequestBodyTimeoutLayer::new(Duration::from_secs(1));
}

#[test]
fn every_layer_compiles_around_ours_and_inside_it() {}
