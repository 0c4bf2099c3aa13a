//! Requests to APIs with an access token, which is sent to the API's origin only.
//!
//! - [`Api`] names the base URL of an API and the scopes of the token for it. No token is sent to
//!   another origin, or over plain http. [`Api::graph`] is Microsoft Graph.
//! - [`ApiClient`] is an HTTP client for one API: JSON in and out, statuses as errors, retries
//!   where the API asks for them. It follows no redirects.
//! - [`AuthorizeLayer`] adds the token around any HTTP client that is a Tower service.
//! - [`AcquireToken`] is the source of tokens: [`Tokens`](crate::Tokens) for the signed-in user,
//!   [`AppTokens`](crate::client::AppTokens) for the application itself,
//!   [`AccountTokens`](crate::client::AccountTokens) for the user of a program, and in an API
//!   [`ApiCaller`](crate::ApiCaller) on behalf of its caller.
//!
//! Two challenges of an API (a response with the status 401 and `WWW-Authenticate: Bearer`) are
//! handled:
//!
//! - **Claims challenge** (`claims="…"`, Entra's Conditional Access): a new token with these claims
//!   is requested from the provider, past the cache, and the request is sent once more. If the
//!   provider requires the user to act first, the call fails with `InteractionRequired`. Returned
//!   from a handler with `?`, that error becomes a sign-in that comes back to the page.
//! - **Step-up** (`error="insufficient_user_authentication"` with `acr_values` or `max_age`, RFC
//!   9470): the call fails with `StrongerSignInNeeded`. Returned with `?` it becomes such a
//!   sign-in; if the API still refuses the token after it, the page is 403. In an API it becomes
//!   the challenge for its caller. With a token of the application itself there is no user to sign
//!   in, so the caller gets the 401.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tower_identity::{Error, Tokens, outgoing::{Api, ApiClient, path}};
//!
//! # fn notes() -> Result<ApiClient, tower_identity::ConfigError> {
//! // Once, at the start.
//! let notes = ApiClient::new(Api::at("https://api.example.com/v1", ["notes.write"])?);
//! # Ok(notes)
//! # }
//! #[derive(Serialize, Deserialize)]
//! struct Note {
//!     text: String,
//! }
//!
//! // In handlers: `?` is sufficient. Where the person has to consent, it becomes a redirect.
//! async fn note(notes: &ApiClient, tokens: &Tokens, id: &str) -> Result<Note, Error> {
//!     notes.get_json(tokens, &path(["notes", id])?).await
//! }
//!
//! async fn add(notes: &ApiClient, tokens: &Tokens, note: &Note) -> Result<Option<Note>, Error> {
//!     match notes.post_json(tokens, "/notes", note).await {
//!         // A status of the API that the application expects.
//!         Err(error) if error.api_refusal().is_some_and(|refused| refused.status() == 409) => {
//!             Ok(None)
//!         }
//!         other => other.map(Some),
//!     }
//! }
//! ```

mod api;
mod challenge;
mod client;
mod graph;
mod json;
mod layer;
mod path;

#[cfg(test)]
mod client_tests;

pub use api::{AcquireToken, Api};
pub use client::ApiClient;
pub use layer::{AuthorizeError, AuthorizeFuture, AuthorizeLayer, AuthorizeService};
pub use path::path;
