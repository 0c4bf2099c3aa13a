//! A guest book that does not lose an entry if the session ends before it is sent.
//!
//! ```console
//! $ IDENTITY_IDLE_TIMEOUT=20 cargo run --example guest_book
//! ```
//!
//! Sign in, write for longer than twenty seconds, send it, sign in again. Without configuration it
//! starts the development provider; `IDENTITY_*` variables name another.

#![allow(clippy::print_stdout, reason = "the example reports on the console")]

use std::{
    env,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Router,
    extract::State,
    response::{Html, Redirect},
    routing::get,
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_identity::{IdentityLayer, User, dev::DevProvider};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).init();
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(listen).await?;
    let home = format!("http://localhost:{}", listener.local_addr()?.port());
    let (_provider, config) = DevProvider::config_or_env(&home).await?;
    let config = config.add_public_path("/").with_kept_form_path("/auth/form").build()?;
    println!("\n  Open {home} and sign in.\n");
    Ok(axum::serve(listener, guest_book().layer(IdentityLayer::new(config))).await?)
}

/// The entries, each with the name of its user.
type Entries = Arc<Mutex<Vec<(String, String)>>>;

fn guest_book() -> Router {
    Router::new()
        .route("/", get(welcome))
        .route("/book", get(show).post(write))
        .with_state(Entries::default())
}

fn page(title: &str, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
            }
            body { main { h1 { (title) } (content) } }
        }
    };
    Html(page.into_string())
}

async fn welcome() -> Html<String> {
    page("Welcome", &html! { a href="/book" { "Guest book" } })
}

async fn show(user: User, State(entries): State<Entries>) -> Html<String> {
    let entries = entries.lock().map(|entries| entries.clone()).unwrap_or_default();
    let content = html! {
        p { "Signed in as " (user.display_name()) }
        ul { @for (name, text) in &entries { li { (name) ": " (text) } } }
        form method="post" action="/book" {
            label { "Your entry " textarea name="text" {} }
            button { "Send" }
        }
        form method="post" action="/auth/logout" { button { "Sign out" } }
    };
    page("Guest book", &content)
}

#[derive(Deserialize)]
struct Entry {
    text: String,
}

async fn write(user: User, State(entries): State<Entries>, Form(entry): Form<Entry>) -> Redirect {
    if let Ok(mut entries) = entries.lock() {
        entries.push((user.display_name().to_owned(), entry.text));
    }
    Redirect::to("/book")
}
