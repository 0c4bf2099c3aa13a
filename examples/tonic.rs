//! Sign-in in front of a gRPC service: clients without a session get `UNAUTHENTICATED`, the user
//! signs in with a browser on the same port, and programs send an access token.
//!
//! `cargo run --example tonic`, then open the URL that it prints. The service is written by
//! hand, so that the example needs no code generator.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::net::TcpListener;
use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, tokio_stream::wrappers::TcpListenerStream},
    server::{Grpc, NamedService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;
use tower::Service;
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer, Authority, IdentityLayer, User, dev::DevProvider,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// `message WhoAmIRequest {}`
#[derive(Clone, PartialEq, prost::Message)]
struct WhoAmIRequest {}

/// `message WhoAmIReply { string name = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
struct WhoAmIReply {
    #[prost(string, tag = "1")]
    name: String,
}

/// `rpc WhoAmI(WhoAmIRequest) returns (WhoAmIReply);`
struct WhoAmI;

impl UnaryService<WhoAmIRequest> for WhoAmI {
    type Response = WhoAmIReply;
    type Future = BoxFuture<tonic::Response<WhoAmIReply>, Status>;

    fn call(&mut self, request: tonic::Request<WhoAmIRequest>) -> Self::Future {
        // The layer passes only requests of signed-in users and of clients with an access token.
        let user = request.extensions().get::<User>().cloned();
        let caller = request.extensions().get::<ApiCaller>().cloned();
        Box::pin(async move {
            let name = match (user, caller) {
                (Some(user), _) => user.display_name().to_owned(),
                (None, Some(caller)) => format!("{} {}", caller.kind(), caller.key()),
                (None, None) => return Err(Status::unauthenticated("nobody is signed in")),
            };
            Ok(tonic::Response::new(WhoAmIReply { name }))
        })
    }
}

/// `service example.People`
#[derive(Clone)]
struct People;

impl NamedService for People {
    const NAME: &'static str = "example.People";
}

impl Service<Request<Body>> for People {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/example.People/WhoAmI" => {
                    Grpc::new(ProstCodec::default()).unary(WhoAmI, request).await
                }
                _ => Status::unimplemented("there is only WhoAmI").into_http(),
            })
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3002".into());
    let listener = TcpListener::bind(listen.parse::<SocketAddr>()?).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());

    // The development provider, so that the example needs no account. Your application has its own
    // `IdentityConfig` in place of it.
    let provider = DevProvider::start().await?;
    let config = provider.config(&base_url)?.build()?;
    let api = ApiConfig::new(Authority::oidc(provider.issuer())?, provider.client_id()).build()?;
    let token = provider.access_token("ada", provider.client_id(), "people.read")?;
    println!(
        "A program sends the metadata `authorization: Bearer {}`, Ada's token.",
        token.expose()
    );

    println!("Open {base_url}/auth/login and choose an account to sign in with.");
    println!("The service is example.People/WhoAmI.");
    Server::builder()
        // The browser uses HTTP/1.1, gRPC clients use HTTP/2.
        .accept_http1(true)
        .layer(IdentityLayer::new(config).with_api(ApiLayer::new(api)))
        .add_service(People)
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await?;
    Ok(())
}
