//! Sign-in with Microsoft Entra ID and every other OpenID Connect provider, for any Tower service.

pub mod authority;
mod clock;
pub mod config;
#[cfg(feature = "dev-provider")]
pub mod dev;
mod error;
#[allow(dead_code, unused_imports, reason = "the flow above it comes next")]
mod protocol;
mod secret;
#[allow(dead_code, reason = "the flow above it is being built")]
mod session;
#[allow(dead_code, reason = "the flow above it is being built")]
mod tokens;

pub use authority::Authority;
pub use clock::{Clock, ManualClock, SystemClock, UnixTime};
pub use config::{ClientCredential, IdentityConfig, SignInOptions, ValidConfig};
pub use error::{ConfigError, Error, ErrorKind, ProviderError};
pub use protocol::{HttpClient, HttpError, HttpFuture, ReqwestClient};
pub use secret::Secret;
pub use tokens::{AccessToken, RefreshLock, TokenSource};
