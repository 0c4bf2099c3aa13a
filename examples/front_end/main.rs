//! A page that fetches: a front end in plain JavaScript, without a token in the browser.
//!
//! ```console
//! $ cargo run --example front_end
//! ```
//!
//! - `index.html` is public and the same for everybody, so it can be cached. Its script asks
//!   `/auth/user` who is signed in.
//! - `session.js` has what every front end needs: a `fetch` that goes to the sign-in when the
//!   answer is 401, and tabs that hear of a sign-out.
//! - `/api/notes` is protected. A script of another origin cannot write to it, although the browser
//!   may send the cookie along. A program calls it with an access token, which decides then.
//!
//! Without configuration it starts the development provider; with `IDENTITY_*` variables it uses
//! the provider that they name. `LISTEN` is the address; the default is `127.0.0.1:3000`.

#![allow(clippy::print_stdout, reason = "the example reports on the console")]

use std::{
    env,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer, Authority, ConfigError, IdentityLayer, User, UserKey,
    dev::DevProvider, require_scopes,
};

/// Only this application's own scripts run, and they call only this application. There is no
/// `form-action`: browsers hold each redirect after a form to it, and the sign-out leads through
/// the provider to origins that are not known here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The scope that an access token needs.
const SCOPE: &str = "notes";

/// Each note with the key of its author.
type Notes = Arc<Mutex<Vec<(UserKey, String)>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).init();
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(&address).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());
    let (provider, config) = DevProvider::config_or_env(&base_url).await?;
    let api = api(provider.as_ref(), &base_url)?.build()?;
    let config = config
        .add_public_path("/")
        .add_public_prefix("/assets/")
        .with_user_path("/auth/user")
        .with_user_claims(["name", "email"])
        .build()?;
    let app = Router::new()
        .route("/", get(page))
        .route("/assets/session.js", get(|| script(include_str!("session.js"))))
        .route("/assets/app.js", get(|| script(include_str!("app.js"))))
        .route("/api/notes", get(notes).post(add_note))
        .with_state(Notes::default())
        .layer(IdentityLayer::new(config).with_api(ApiLayer::new(api)));
    tracing::info!("open {base_url}");
    Ok(axum::serve(listener, app).await?)
}

/// The configuration for access tokens, and a `curl` line with one of the development provider.
fn api(provider: Option<&DevProvider>, base_url: &str) -> Result<ApiConfig, ConfigError> {
    let Some(provider) = provider else { return ApiConfig::from_env() };
    let token = provider.access_token("alan", provider.client_id(), SCOPE)?;
    println!("The notes of the test account alan, with an access token:");
    println!("\n  curl -H 'Authorization: Bearer {}' {base_url}/api/notes\n", token.expose());
    Ok(ApiConfig::new(Authority::oidc(provider.authority_url())?, provider.client_id()))
}

/// The key of the user, by the session or by the access token. A request with a token has no
/// `User`, even if it has a cookie as well.
struct Author(UserKey);

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Some(caller) = parts.extensions.get::<ApiCaller>() else {
            let user = User::from_request_parts(parts, state).await;
            return user.map(|user| Self(user.key())).map_err(IntoResponse::into_response);
        };
        require_scopes(SCOPE).check(caller).map_err(IntoResponse::into_response)?;
        Ok(Self(caller.key()))
    }
}

async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, include_str!("index.html"))
}

async fn script(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text)
}

/// The notes of the user.
async fn notes(
    Author(user): Author,
    State(notes): State<Notes>,
) -> Result<Json<Vec<String>>, StatusCode> {
    let notes = notes.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let own = notes.iter().filter(|(author, _)| *author == user);
    Ok(Json(own.map(|(_, note)| note.clone()).collect()))
}

/// Adds a note, the body of the request.
async fn add_note(
    Author(user): Author,
    State(notes): State<Notes>,
    note: String,
) -> Result<StatusCode, StatusCode> {
    let mut notes = notes.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    notes.push((user, note));
    Ok(StatusCode::CREATED)
}
