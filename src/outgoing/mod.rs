//! Calls to APIs: the access token is attached where it belongs and nowhere else, and what an API
//! asks for in a 401 is answered once.
//!
//! - [`Api`] is the one origin that a token is for, with the scopes to ask for. Nothing is sent to
//!   another one, nor over plain http.
//! - [`ApiClient`] calls it; it follows no redirects.
//! - [`AuthorizeLayer`] does the same around any HTTP client that is a Tower service.
//! - [`AcquireToken`] is where tokens come from: [`Tokens`](crate::Tokens) for the person who is
//!   signed in, [`AppTokens`](crate::client::AppTokens) for the application itself.
//!
//! An API that wants a stronger or newer token answers 401 with
//! `WWW-Authenticate: Bearer …, claims="…"` (OpenID CAEP, Entra's Conditional Access). Then the
//! provider is asked past the cache with these claims and the request is sent once more. If the
//! provider wants to see the person first, that is the error; passed on with `?` in a handler it
//! becomes a sign-in that comes back to the page.
//!
//! One that answers 401 with `error="insufficient_user_authentication"` and `acr_values` or
//! `max_age` (RFC 9470) wants the person to sign in more strongly or again. That is an error of the
//! kind `StrongerSignInNeeded`, and with `?` such a sign-in, once; if the API still wants it, the
//! page is 403. The application's own token stays what it is, so its caller gets the 401.
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
