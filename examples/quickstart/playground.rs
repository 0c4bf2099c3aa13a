//! Demonstrations with the development provider: calling an API with a token, an API that requires
//! a stronger sign-in, and a provider that requires an interaction before the next refresh.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{Html, Redirect},
    routing::{get, post},
};
use maud::{Markup, html};
use tokio::net::TcpListener;
use tower_identity::{
    ApiConfig, Error, Tokens,
    client::TokenRequest,
    dev::DevProvider,
    outgoing::{Api, ApiClient},
};

use crate::{notes, page};

/// The development provider, and a client of the API that accepts its tokens.
#[derive(Clone)]
pub(crate) struct Playground {
    provider: Arc<DevProvider>,
    origin: String,
    scope: &'static str,
    api: ApiClient,
}

impl Playground {
    /// Starts the API, for the tokens of `provider` that `config` accepts.
    pub(crate) async fn start(
        provider: DevProvider,
        config: ApiConfig,
        is_entra: bool,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        // Microsoft's scopes contain the API that they are for; other providers take it as the
        // parameter `resource` (RFC 8707).
        let scope = if is_entra { "api://notes/notes.read" } else { "notes.read" };
        let request = TokenRequest::new([scope])?;
        let request = if is_entra { request } else { request.with_resource(&origin) };
        let client = ApiClient::new(Api::with_request(&origin, request)?);
        let api = notes::api(config.add_audience(&origin).build()?);
        tokio::spawn(async move { axum::serve(listener, api).await });
        Ok(Self { provider: Arc::new(provider), origin, scope, api: client })
    }

    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/notes", get(read_notes))
            .route("/notes/private", get(read_private_notes))
            .route("/challenge", post(challenge))
            .with_state(self)
    }
}

impl fmt::Display for Playground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the development provider: http://{}\nand an API: {}",
            self.provider.address(),
            self.origin
        )
    }
}

/// The buttons on the home page.
pub(crate) fn buttons() -> Markup {
    html! {
        h2 { "Try it" }
        form action="notes" {
            button { "Read notes" }
            " from an API, with a token that you agree to first"
        }
        form action="notes/private" {
            button { "Read private notes" }
            ": the API wants you to sign in for them"
        }
        form method="post" action="challenge" {
            button { "Challenge" }
            ": the provider wants to see you before the next token, once in ten minutes"
        }
    }
}

async fn read_notes(
    State(playground): State<Playground>,
    tokens: Tokens,
) -> Result<Html<String>, Error> {
    playground.call(&tokens, "/notes").await
}

async fn read_private_notes(
    State(playground): State<Playground>,
    tokens: Tokens,
) -> Result<Html<String>, Error> {
    playground.call(&tokens, "/notes/private").await
}

impl Playground {
    /// Calls the API and shows its response. `?` is sufficient: if consent or another sign-in is
    /// needed, the layer redirects to the provider and back to this page.
    async fn call(&self, tokens: &Tokens, path: &str) -> Result<Html<String>, Error> {
        let answer = self.api.get(tokens, path).await?;
        let (status, body) = (answer.status(), String::from_utf8_lossy(answer.body()));
        Ok(page(
            "The API's answer",
            &html! {
                h1 { "The API answered " (status) }
                pre { (body) }
                p { a href="/" { "Back" } }
            },
        ))
    }
}

/// Makes the provider refuse the next refresh with a claims challenge, as after a change of its
/// policy, and starts a refresh.
async fn challenge(State(playground): State<Playground>, _: Tokens) -> Redirect {
    playground
        .provider
        .challenge_next_refresh(r#"{"access_token":{"acrs":{"essential":true,"value":"c2"}}}"#);
    Redirect::to(&format!("/token?scope={}&fresh=yes", playground.scope))
}
