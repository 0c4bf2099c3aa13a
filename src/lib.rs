//! Sign-in with Microsoft Entra ID and every other OpenID Connect provider, for any Tower service.
//!
//! One layer goes around the finished application. It answers the sign-in, callback and sign-out
//! paths, lets only signed-in users through to everything that is not declared public, and gives
//! handlers a verified [`User`] and fresh access tokens.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_identity::ConfigError> {
//! use axum::{Router, routing::get};
//! use tower_identity::{Authority, ClientCredential, IdentityConfig, IdentityLayer, User};
//!
//! async fn me(user: User) -> String {
//!     format!("Hello {}", user.display_name())
//! }
//!
//! let authority = Authority::entra("contoso.onmicrosoft.com")?;
//! let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
//!     .with_credential(ClientCredential::secret("the client secret of the registration"))
//!     .with_base_url("https://app.example.com")?
//!     .build()?;
//! let app = Router::new().route("/me", get(me)).layer(IdentityLayer::new(config));
//! # Ok(app)
//! # }
//! ```
//!
//! New to OpenID Connect or to Entra? [`guide::getting_started`] begins with the words and the
//! registration; `cargo run --example quickstart` needs no account anywhere.
//!
//! # I want to …
//!
//! | | |
//! |---|---|
//! | protect an application | [`IdentityConfig`] and [`IdentityLayer`]; make pages public with [`add_public_path`](IdentityConfig::add_public_path) |
//! | open most pages to everybody | [`with_default_access`](IdentityConfig::with_default_access); [`guide::public_sites`] |
//! | configure it from the environment | [`IdentityConfig::from_env`]; [`ValidConfig::check`] asks the provider whether the settings can work |
//! | know which settings my provider needs | [`guide::providers`] |
//! | read the user | [`User`], on public pages `Option<User>` or [`LazyUser`]; store [`User::key`] to recognise a user |
//! | call an API for the user | [`Tokens`] for the token, [`outgoing`] for the whole call; [`guide::calling_apis`] has recipes for Microsoft Graph |
//! | call an API as the application | [`Tokens::app_tokens`], without any web part [`client`] |
//! | protect an API that is called with access tokens | [`ApiConfig`], [`ApiLayer`], [`ApiCaller`]; [`guide::apis`] |
//! | protect a gRPC service | one of the two layers around tonic's server; [`guide::grpc`] |
//! | protect an MCP server | the same, and [`api::require_for_tools`]; example `mcp` |
//! | guard a route by role, group, scope or a recent sign-in | [`require_sign_in`], in an API [`require_scopes`] |
//! | ask for another sign-in from a handler | `?` on the [`Error`] of a token, or [`Challenge`]; from an error type of my own by [`Error::find_in`] |
//! | sign out | a form that posts to `/auth/logout` ([`with_sign_out_path`](IdentityConfig::with_sign_out_path)); on all devices: [`guide::events`] |
//! | provision users, clear a session of my own, audit sign-ins | [`IdentityLayer::on_signed_in`], [`on_signed_out`](IdentityLayer::on_signed_out), [`on_session_ended`](IdentityLayer::on_session_ended); [`guide::events`] |
//! | sign in without a redirect URI | [`SignInMethod::DeviceCode`](config::SignInMethod::DeviceCode) |
//! | use it without Tower | [`WebAuth`] |
//! | use it without a web application | [`client`]; [`StoredCaches`] keeps its tokens in a session store |
//! | run several processes | [`IdentityLayer::with_store`] and [`RefreshLock`], tested by [`check_store`](IdentityLayer::check_store); [`guide::deployments`] |
//! | test my application | the module `dev` (feature `dev-provider`), [`ManualClock`]; [`guide::testing`] |
//! | serve a front end in JavaScript | [`with_user_path`](IdentityConfig::with_user_path); [`guide::front_ends`] |
//! | end a WebSocket or a stream when its user signs out | [`User::has_session`], [`User::session_id`]; [`guide::front_ends`] |
//! | keep a form that was posted after the session had ended | [`with_kept_form_path`](IdentityConfig::with_kept_form_path); [`guide::kept_forms`] |
//! | have users of many Entra tenants | [`guide::tenants`] |
//! | offer two providers | a broker, or a layer for each: [`guide::own_pages`] |
//! | show pages of my own | [`pages`]; [`guide::own_pages`] |
//! | sign users in to a desktop or command-line program | the module `desktop` (feature `desktop`), or a device code of [`client`]; [`guide::programs`] |
//! | come from another library | [`guide::migrating`] |
//!
//! # Features
//!
//! - `axum` (default): [`User`], [`Tokens`] and both as `Option` are extractors, [`Challenge`] and
//!   [`Error`] are responses, and return paths survive `nest`.
//! - `redis`: `RedisLock`, a [`RefreshLock`] in Redis.
//! - `desktop`: the module `desktop`, a sign-in with the browser of the user's own machine, for
//!   programs without a web server.
//! - `dev-provider`: the module `dev`, an OpenID Connect provider in this process, on loopback
//!   only. For `dev-dependencies`: it signs anybody in as anybody.
//! - `metrics`: counters and durations through the `metrics` facade; [`guide::deployments`] lists
//!   them.
//! - `pfx`: client certificates in PFX (PKCS #12) files, and encrypted keys in PEM files. Other PEM
//!   files need no feature.
//!
//! # Security
//!
//! - Everything under the layer needs a signed-in user unless it is declared public.
//! - `Host`, `Forwarded` and `X-Forwarded-*` are never read: URLs come from the base URL.
//! - Requests with effects that a page of another origin causes are refused: [`guide::cross_site`].
//! - Cookies are `HttpOnly` and, over https, `Secure` with a `__Host-` name. They are
//!   `SameSite=Lax`, except that of a sign-in attempt with
//!   [`ResponseMode::FormPost`](config::ResponseMode::FormPost), which is `SameSite=None`. The
//!   session cookie holds a sealed ticket; the sealed records stay in this process's memory or in
//!   the store that the layer is given, and neither the cookie nor the store is enough to open
//!   them.
//! - Secrets, tokens and codes are in no error, log line, span or page, and [`Secret`] redacts
//!   itself.
//! - The crate contains no `unsafe` code. What it defends against is listed in the README, how to
//!   report a vulnerability in SECURITY.md; both are in the package.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod api;
pub mod authority;
pub mod client;
mod clock;
mod codec;
pub mod config;
#[cfg(feature = "desktop")]
pub mod desktop;
#[cfg(feature = "dev-provider")]
pub mod dev;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
// The examples of the guide use every feature.
#[cfg(any(
    not(doctest),
    all(
        feature = "axum",
        feature = "desktop",
        feature = "dev-provider",
        feature = "redis",
        feature = "pfx"
    )
))]
pub mod guide;
mod http_message;
mod json;
mod languages;
mod measure;
mod media_type;
mod middleware;
pub mod outgoing;
pub mod pages;
mod protocol;
mod seal;
mod secret;
mod session;
mod sign_in;
mod single_flight;
mod strings;
#[cfg(feature = "dev-provider")]
mod testing;
mod tokens;
mod user;
mod web_auth;
mod www_authenticate;

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
pub use error::{Advice, ApiRefusal, ConfigError, Error, ErrorKind, ProviderError};
pub use http_message::{Challenge, IdentityBody};
#[cfg(feature = "axum")]
pub use middleware::UserRejection;
pub use middleware::{
    GuardFuture, IdentityLayer, IdentityService, LazyUser, RequireSignIn, RequireSignInService,
    ResponseFuture, SessionEndEvent, SignInCause, SignInEvent, SignInRefusal, SignOutEvent,
    require_sign_in,
};
pub use protocol::{CheckReport, HttpClient, HttpError, HttpFuture, ReqwestClient};
pub use secret::Secret;
pub use session::{IntoSessionStore, SessionEndCause, StoredCaches, WebSession};
pub use single_flight::background_tasks_finished;
pub use strings::StringList;
#[cfg(feature = "redis")]
pub use tokens::RedisLock;
pub use tokens::{AccessToken, RefreshLock, TokenSource};
pub use user::{Groups, InvalidUserKey, Tokens, User, UserKey};
pub use web_auth::{SignIn, SignInOutcome, SignOut, SignedIn, UserCode, WebAuth, WebAuthBuilder};
