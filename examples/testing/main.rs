//! A small application and the tests of its pages.
//!
//! `cargo run --example testing` starts the application, `cargo test --example testing` runs its
//! tests: a protected page, a role, a form, a consent and a sign-out.

#![allow(clippy::print_stdout, reason = "the example reports on the console")]

use axum::{
    Form, Router,
    routing::{get, post},
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_identity::{
    ConfigError, Error, IdentityConfig, IdentityLayer, Tokens, User, dev::DevProvider,
    require_sign_in,
};

#[cfg(test)]
mod tests;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3001".into());
    let listener = TcpListener::bind(listen).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());
    let provider = DevProvider::start().await?;
    let app = app(provider.config(&base_url)?)?;
    println!("Open {base_url}/me and choose an account to sign in with.");
    Ok(axum::serve(listener, app).await?)
}

/// The application. `main` and the tests give it the configuration.
fn app(config: IdentityConfig) -> Result<Router, ConfigError> {
    let admin = Router::new()
        .route("/admin", get(|| async { "for administrators" }))
        .route_layer(require_sign_in().with_roles(["Admin"]));
    Ok(Router::new()
        .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
        .route("/notes", post(write_note))
        .route("/mail", get(mail))
        .merge(admin)
        .layer(IdentityLayer::new(config.build()?)))
}

#[derive(Deserialize)]
struct Note {
    text: String,
}

async fn write_note(user: User, Form(note): Form<Note>) -> String {
    format!("{} wrote {:?}", user.display_name(), note.text)
}

/// Needs the person's consent: `?` leads to it.
async fn mail(tokens: Tokens) -> Result<&'static str, Error> {
    tokens.for_user(["mail.read"]).await?;
    Ok("two letters")
}
