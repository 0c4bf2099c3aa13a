//! The configuration: data that can be compared, printed and read from the environment.

mod address;
mod algorithm;
mod azure_ad;
mod build;
mod choice;
mod cookie_keys;
mod credential;
mod display;
mod env;
mod env_authority;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod path;
mod return_path;
mod settings;
mod sign_in;
#[cfg(test)]
mod tests;
mod valid;
mod variables;

pub use algorithm::Algorithm;
pub use azure_ad::AzureAdSection;
pub use choice::{PathPrefix, Preflight, ProviderSession, ResponseMode, SessionEnd, UserInfo};
pub(crate) use cookie_keys::{CookieKeySource, CookieKeys};
pub use credential::{ClientAuthMethod, ClientCredential};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
pub(crate) use path::PublicPaths;
pub use return_path::ReturnPath;
pub use settings::IdentityConfig;
pub use sign_in::{Prompt, SignInOptions};
pub(crate) use valid::Paths;
pub use valid::ValidConfig;
