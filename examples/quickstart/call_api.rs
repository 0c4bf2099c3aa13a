//! The page *Call an API*: the response of an API to the access token of the signed-in user.
//!
//! The API is that of `IDENTITY_ENDPOINT`, with the scopes of `IDENTITY_SCOPE`; without it, at
//! Entra, Microsoft Graph's `/me` with `User.Read`.

use axum::{Router, extract::State, response::Html, routing::get};
use maud::html;
use tower_identity::{
    ConfigError, Error, Tokens, ValidConfig,
    outgoing::{Api, ApiClient},
};
use url::Url;

use crate::{page, variable};

/// An API and the URL or path that the page calls.
#[derive(Clone)]
pub(crate) struct CallApi {
    client: ApiClient,
    path: String,
}

impl CallApi {
    /// The API of the environment, or Graph; `None` if there is neither.
    pub(crate) fn from_env(config: &ValidConfig) -> Result<Option<Self>, ConfigError> {
        // With `IDENTITY_HEADER` the endpoint is that of an Azure managed identity.
        let endpoint =
            variable("IDENTITY_ENDPOINT").filter(|_| variable("IDENTITY_HEADER").is_none());
        let Some(endpoint) = endpoint else {
            let graph = config.graph_api("User.Read").ok();
            return Ok(graph.map(|api| Self { client: ApiClient::new(api), path: "/me".into() }));
        };
        let scopes = variable("IDENTITY_SCOPE").unwrap_or_default();
        // The endpoint may have a query, which a base URL has not.
        let origin = Url::parse(&endpoint)
            .map_or_else(|_| endpoint.clone(), |url| url.origin().ascii_serialization());
        let api = Api::at(&origin, scopes.split_whitespace())?;
        Ok(Some(Self { client: ApiClient::new(api), path: endpoint }))
    }

    pub(crate) fn routes(self) -> Router {
        Router::new().route("/call-an-api", get(call)).with_state(self)
    }
}

/// `?` is sufficient: if consent is missing, the layer redirects to the provider and back.
async fn call(State(api): State<CallApi>, tokens: Tokens) -> Result<Html<String>, Error> {
    let answer = api.client.get(&tokens, &api.path).await?;
    let body = match serde_json::from_slice::<serde_json::Value>(answer.body()) {
        Ok(json) => format!("{json:#}"),
        Err(_) => String::from_utf8_lossy(answer.body()).into_owned(),
    };
    Ok(page(
        "Call an API",
        &html! {
            h1 { "Call an API" }
            p { code { "GET " (api.path) } ": " (answer.status()) }
            pre { (body) }
            p { a href="." { "Back" } }
        },
    ))
}
