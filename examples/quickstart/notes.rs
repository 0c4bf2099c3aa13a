//! A small API behind access tokens, on a port of its own. It stands for any API that an application
//! calls: it knows the provider by its address only.
//!
//! | | |
//! |---|---|
//! | `GET /notes` | needs the scope `notes.read` |
//! | `GET /notes/private` | needs the authentication context `c1`, too; a caller who did not sign in for it gets a challenge, as from Microsoft's APIs |

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tower_identity::{
    ApiCaller, ApiLayer, api::require_caller, config::ValidApiConfig, require_scopes,
};

/// The API, for access tokens as the configuration has them.
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
