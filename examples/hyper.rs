//! Sign-in with plain hyper: the layer around one function, without a web framework.
//!
//! `cargo run --example hyper`, then open the URL that it prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_identity::{IdentityLayer, User, dev::DevProvider};

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let name = request.extensions().get::<User>().map_or("nobody", User::display_name);
    Ok(Response::new(Full::from(format!("Hello {name}\n"))))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3001".into());
    let listener = TcpListener::bind(listen.parse::<SocketAddr>()?).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());

    // The development provider, so that the example needs no account. Your application has its own
    // `IdentityConfig` in place of it.
    let provider = DevProvider::start().await?;
    let config = provider.config(&base_url)?.build()?;

    println!("Open {base_url}/ and choose an account to sign in with.");
    let service = ServiceBuilder::new().layer(IdentityLayer::new(config)).service_fn(hello);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            if let Err(error) =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            {
                eprintln!("connection: {error}");
            }
        });
    }
}
