//! The configuration: [`IdentityConfig`], plain data that can be compared, printed and read from
//! the environment, and [`ValidConfig`], the checked form that everything else works with.
//!
//! Collaborators (store, HTTP client, clock) are not part of it; they are given to the layer.

mod access;
mod address;
#[cfg(test)]
mod address_tests;
mod algorithm;
mod api;
mod api_env;
#[cfg(test)]
mod api_tests;
mod api_valid;
mod assertion;
mod azure_ad;
mod azure_ad_ignored;
mod build;
mod build_paths;
mod build_settings;
mod choice;
mod cookie_keys;
mod credential;
mod credential_check;
mod credential_load;
mod cross_site;
mod deployment;
mod description;
mod display;
mod encrypted_key;
mod env;
mod env_authority;
mod env_credential;
#[cfg(any(test, feature = "dev-provider"))]
mod env_dev;
mod env_names;
mod env_settings;
mod findings;
mod findings_api;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod kept_form;
mod members;
mod mistakes;
#[cfg(test)]
mod mistakes_tests;
mod network;
mod parameters;
mod path;
mod protected_path;
mod return_path;
mod setting_table;
mod setting_value;
mod settings;
mod sign_in;
mod sign_out;
mod signing_key;
#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
mod test_variables;
#[cfg(test)]
mod tests;
mod user_path;
mod valid;
mod variables;

pub use access::Access;
pub use algorithm::{Algorithm, HmacAlgorithm};
pub use api::{AccessTokenType, ApiConfig, Introspection};
pub(crate) use api_valid::{AccessTokenRules, Resource, WELL_KNOWN};
pub use api_valid::{IntoValidApiConfig, ValidApiConfig};
pub(crate) use assertion::AssertionFunction;
pub use assertion::{AssertionAudience, AssertionRequest};
pub use azure_ad::AzureAdSection;
pub use choice::{
    CookieLifetime, GroupsFrom, PathPrefix, Preflight, ProviderSession, ResponseMode, SessionEnd,
    SignInMethod, SignInNonce, UserInfo,
};
pub(crate) use cookie_keys::CookieKeySource;
pub(crate) use credential::{AssertionOptions, CredentialKind, KeySource};
pub use credential::{ClientAuthMethod, ClientCredential};
pub(crate) use credential_load::{FileHash, load_assertion};
pub use cross_site::CrossSiteRequests;
pub(crate) use cross_site::CrossSiteRules;
pub(crate) use deployment::{is_openid_scope, resource_of_scope};
pub use description::{DescribedSetting, Description, UnusedVariable};
#[cfg(feature = "dev-provider")]
pub(crate) use env_dev::FromEnv;
#[cfg(test)]
pub(crate) use env_names::reads_variable;
pub use findings::{Finding, Severity};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
pub(crate) use parameters::ProviderRequest;
pub(crate) use path::AccessRules;
pub use return_path::ReturnPath;
pub use settings::IdentityConfig;
pub use sign_in::{Prompt, SignInOptions};
pub(crate) use sign_out::SignOutRequest;
pub(crate) use signing_key::SigningKey;
pub use user_path::SignedOutUser;
pub(crate) use user_path::UserPath;
pub(crate) use valid::Paths;
pub use valid::{IntoValidConfig, ValidConfig};
