//! A shop of which most pages are public. The basket is in a session of the application's own
//! (`tower-sessions`), users sign in to order, and events keep the two sessions together.
//!
//! ```console
//! $ cargo run --example shop
//! ```
//!
//! Without configuration it starts the development provider; `IDENTITY_*` variables name another.

#![allow(clippy::print_stdout, reason = "the example reports on the console")]

use std::env;

use axum::{
    Form, Router,
    http::{StatusCode, request::Parts},
    response::{Html, Redirect},
    routing::{get, post},
};
use maud::{DOCTYPE, html};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_identity::{
    IdentityLayer, SessionEndEvent, SignInEvent, SignInRefusal, SignOutEvent, User, config::Access,
    dev::DevProvider, require_sign_in,
};
use tower_sessions::{Session, SessionManagerLayer, cookie::SameSite, session::Error};
use tower_sessions_memory_store::MemoryStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).init();
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(listen).await?;
    let home = format!("http://localhost:{}", listener.local_addr()?.port());
    let (_provider, config) = DevProvider::config_or_env(&home).await?;
    let config = config.with_default_access(Access::Public).build()?;

    let is_https = config.redirect_uri().starts_with("https:");
    let identity = IdentityLayer::new(config)
        .on_signed_in(take_over_basket)
        .on_signed_out(|event: SignOutEvent| async move { forget(event.request()).await })
        .on_session_ended(|event: SessionEndEvent| async move { forget(event.request()).await });
    // `Lax`: the cookie has to come along when the provider sends the browser back.
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_secure(is_https)
        .with_same_site(SameSite::Lax);
    println!("\n  Open {home} and fill the basket.\n");
    Ok(axum::serve(listener, shop().layer(identity).layer(sessions)).await?)
}

fn shop() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(|| async { "ok" }))
        .route("/basket", post(add))
        .route("/order", get(order).route_layer(require_sign_in()))
}

/// The names of values in the session: the key of the user who owns the basket, and the basket.
const OWNER: &str = "owner";
const BASKET: &str = "basket";

/// Gives the basket of a visitor to the user who signs in, and empties that of another user.
async fn take_over_basket(event: SignInEvent) -> Result<(), SignInRefusal> {
    let Some(session) = event.request().extensions.get::<Session>() else {
        return Err("the session layer has to be outside of the identity layer".into());
    };
    let user = event.user().key().to_string();
    let owner: Option<String> = session.get(OWNER).await?;
    if owner.is_some_and(|owner| owner != user) {
        session.clear().await;
    }
    // A new id at every sign-in, against session fixation. The old row is deleted at once.
    session.cycle_id().await?;
    session.insert(OWNER, user).await?;
    Ok(())
}

/// Forgets the session of the application.
async fn forget(request: &Parts) -> Result<(), Error> {
    match request.extensions.get::<Session>() {
        Some(session) => session.flush().await,
        None => Ok(()),
    }
}

async fn basket(session: &Session) -> Vec<String> {
    session.get(BASKET).await.ok().flatten().unwrap_or_default()
}

async fn index(user: Option<User>, session: Session) -> Html<String> {
    let content = html! {
        h1 { "Shop" }
        p { (user.as_ref().map_or("Welcome", User::display_name)) }
        form method="post" action="/basket" {
            @for thing in ["bicycle", "bell"] {
                button name="thing" value=(thing) { "Add a " (thing) }
            }
        }
        p id="basket" { "Basket: " (basket(&session).await.join(", ")) }
        p { a href="/order" { "Order" } }
        @if user.is_some() {
            form method="post" action="/auth/logout" { button { "Sign out" } }
        } @else {
            a href="/auth/login" { "Sign in" }
        }
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Shop" }
            }
            body { main { (content) } }
        }
    };
    Html(page.into_string())
}

#[derive(Deserialize)]
struct Thing {
    thing: String,
}

async fn add(session: Session, Form(Thing { thing }): Form<Thing>) -> Result<Redirect, StatusCode> {
    let mut things = basket(&session).await;
    things.push(thing);
    session.insert(BASKET, things).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Redirect::to("/"))
}

async fn order(user: User, session: Session) -> String {
    format!("{} orders: {}", user.display_name(), basket(&session).await.join(", "))
}
