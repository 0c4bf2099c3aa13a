//! Requests to APIs with an access token, which is sent to the API's origin only.
//!
//! - [`Api`] names the origin of an API and the scopes of the token for it. No token is sent to
//!   another origin, or over plain http.
//! - [`ApiClient`] is an HTTP client for one API. It follows no redirects.
//! - [`AuthorizeLayer`] adds the token around any HTTP client that is a Tower service.
//! - [`AcquireToken`] is the source of tokens: [`Tokens`](crate::Tokens) for the signed-in user,
//!   [`AppTokens`](crate::client::AppTokens) for the application itself.
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
//!   sign-in; if the API still refuses the token after it, the page is 403. With a token of the
//!   application itself there is no user to sign in, so the caller gets the 401.
//!
//! ```no_run
//! use tower_identity::{Error, Tokens, outgoing::{Api, ApiClient}};
//!
//! # fn graph() -> Result<ApiClient, tower_identity::ConfigError> {
//! // Once, at the start.
//! let graph = ApiClient::new(Api::at("https://graph.microsoft.com", ["User.Read"])?);
//! # Ok(graph)
//! # }
//! async fn photo_of_me(graph: &ApiClient, tokens: &Tokens) -> Result<Vec<u8>, Error> {
//!     Ok(graph.get(tokens, "/v1.0/me/photo/$value").await?.into_body().to_vec())
//! }
//! ```

mod api;
mod challenge;
mod client;
mod layer;

pub use api::{AcquireToken, Api};
pub use client::ApiClient;
pub use layer::{AuthorizeError, AuthorizeFuture, AuthorizeLayer, AuthorizeService};
