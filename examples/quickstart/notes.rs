//! A small API that accepts access tokens, on a port of its own, as an example of an API that the
//! application calls. It knows only the URL of the provider.
//!
//! | | |
//! |---|---|
//! | `GET /notes` | needs the scope `notes.read` |
//! | `GET /notes/private` | also needs the authentication context `c1`; without it the response is a claims challenge, as from Microsoft's APIs |

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tower_identity::{
    ApiCaller, ApiLayer, api::require_caller, config::ValidApiConfig, require_scopes,
};

/// The API, for the access tokens that the configuration accepts.
pub(crate) fn api(config: ValidApiConfig) -> Router {
    let private = Router::new()
        .route("/notes/private", get(private_notes))
        .route_layer(require_caller().with_auth_context("c1"));
    Router::new()
        .route("/notes", get(notes))
        .merge(private)
        .route_layer(require_scopes(["notes.read"]))
        .layer(ApiLayer::new(config))
}

async fn notes(caller: ApiCaller) -> Json<Value> {
    Json(json!({ "notes": ["Water the plants", "Call the engine a mill"], "of": caller.subject() }))
}

async fn private_notes(caller: ApiCaller) -> Json<Value> {
    Json(json!({ "notes": ["Learn to fly"], "of": caller.subject() }))
}
