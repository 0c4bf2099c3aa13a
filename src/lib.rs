//! Sign-in with Microsoft Entra ID and every other OpenID Connect provider, for any Tower service.

mod answers;
pub mod authority;
mod body;
mod caller;
mod challenge;
mod clock;
pub mod config;
#[cfg(feature = "dev-provider")]
pub mod dev;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod flow;
mod future;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod handle;
mod identity;
mod layer;
mod origin;
pub mod pages;
mod protocol;
mod secret;
mod service;
#[allow(dead_code, reason = "being built")]
mod session;
#[allow(dead_code, reason = "being built")]
mod tokens;
mod user;

pub use authority::Authority;
pub use body::IdentityBody;
pub use challenge::Challenge;
pub use clock::{Clock, ManualClock, SystemClock, UnixTime};
pub use config::{ClientCredential, IdentityConfig, Prompt, ReturnPath, SignInOptions, ValidConfig};
pub use error::{ConfigError, Error, ErrorKind, ProviderError};
#[cfg(feature = "axum")]
pub use extract::UserRejection;
pub use future::ResponseFuture;
pub use guard::{GuardFuture, RequireLogin, RequireLoginService, require_login};
pub use handle::Tokens;
pub use identity::Identity;
pub use layer::IdentityLayer;
pub use protocol::{HttpClient, HttpError, HttpFuture, ReqwestClient};
pub use secret::Secret;
pub use service::IdentityService;
pub use tokens::{AccessToken, RefreshLock, TokenSource};
pub use user::User;
