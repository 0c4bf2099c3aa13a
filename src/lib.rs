//! Sign-in with Microsoft Entra ID and every other OpenID Connect provider, for any Tower service.
//!
//! - [`IdentityConfig`] says who signs people in and what is public;
//!   [`build`](IdentityConfig::build) finds every mistake in it.
//! - [`ValidConfig::check`] asks the provider whether that can work, before anybody signs in.
//! - [`SignInMethod`](config::SignInMethod) lets people sign in without a redirect address, by a
//!   code that they type at the provider.
//! - [`IdentityLayer`] goes around the finished application. Everything under it needs a signed-in
//!   person unless it is declared public.
//! - [`User`] is who is signed in, [`Tokens`] gets access tokens for them.
//! - [`require_sign_in`] guards a part of an application, also by role; [`Challenge`] asks for
//!   another sign-in from inside a handler.
//! - [`WebAuth`] signs people in where there is no Tower, over a value that the application stores.
//! - [`client`] gets tokens without any web application: for daemons, devices, command lines.
//! - [`StoredCaches`] keeps what a client obtains in any store of the `tower-sessions` family.
//! - [`outgoing`] calls APIs with the token that is for them.
//! - [`guide`] has recipes per provider.
//! - [`Error`] has a stable reason code, one message for the person and one for the log; passed on
//!   from a handler it becomes the sign-in that mends it.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_identity::ConfigError> {
//! use axum::{Router, routing::get};
//! use tower_identity::{Authority, ClientCredential, IdentityConfig, IdentityLayer, User};
//!
//! let config = IdentityConfig::new(Authority::oidc("https://login.example.com")?, "client-id")
//!     .with_credential(ClientCredential::secret("a secret of this application at the provider"))
//!     .with_base_url("https://app.example.com")?
//!     .add_public_path("/")
//!     .build()?;
//!
//! let app = Router::new()
//!     .route("/", get(|user: Option<User>| async move { user.map_or("Hello".into(), |user| format!("Hello {}", user.display_name())) }))
//!     .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
//!     .layer(IdentityLayer::new(config));
//! # Ok(app)
//! # }
//! ```
//!
//! # Features
//!
//! - `axum` (default): [`User`], [`Tokens`] and both as `Option` are extractors, [`Challenge`] is a
//!   response, and addresses survive `nest`.
//! - `redis`: [`RedisLock`], so that of several processes one at a time refreshes a session.
//! - `dev-provider`: the module [`dev`], an OpenID Connect provider in this process, on loopback
//!   only, to try things out and to test applications with.
//! - `pfx`: client certificates in PFX (PKCS #12) files.
//!
//! # Security
//!
//! The layer keeps sessions in this process's memory unless it is given a store; records are sealed
//! either way. Cookies are `HttpOnly`, `SameSite=Lax` and, over https, `Secure` with a `__Host-`
//! name. What it defends against, and how, is in the README; the invariants are in ARCHITECTURE.md.

pub mod api;
pub mod authority;
pub mod client;
mod clock;
pub mod config;
#[cfg(feature = "dev-provider")]
pub mod dev;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guide;
mod middleware;
pub mod outgoing;
pub mod pages;
mod protocol;
mod secret;
mod session;
mod sign_in;
mod strings;
mod tokens;
mod user;
mod web_auth;

/// The README's examples are compiled with the documentation tests.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use api::{
    ApiCaller, ApiLayer, CallerKind, RequireAccess, require_app_roles, require_caller,
    require_scopes,
};
pub use authority::Authority;
pub use clock::{Clock, ManualClock, SystemClock, UnixTime};
pub use config::{
    ApiConfig, ClientCredential, Finding, IdentityConfig, IntoValidApiConfig, IntoValidConfig,
    Prompt, ReturnPath, Severity, SignInOptions, ValidApiConfig, ValidConfig,
};
pub use error::{Advice, ConfigError, Error, ErrorKind, ProviderError};
#[cfg(feature = "axum")]
pub use middleware::UserRejection;
pub use middleware::{
    Challenge, GuardFuture, IdentityBody, IdentityLayer, IdentityService, LazyUser, RequireSignIn,
    RequireSignInService, ResponseFuture, require_sign_in,
};
pub use protocol::{CheckReport, HttpClient, HttpError, HttpFuture, ReqwestClient};
pub use secret::Secret;
pub use session::{IntoSessionStore, StoredCaches, WebSession};
pub use strings::StringList;
#[cfg(feature = "redis")]
pub use tokens::RedisLock;
pub use tokens::{AccessToken, RefreshLock, TokenSource};
pub use user::{Groups, Tokens, User, UserKey};
pub use web_auth::{SignIn, SignInOutcome, SignOut, SignedIn, UserCode, WebAuth};
