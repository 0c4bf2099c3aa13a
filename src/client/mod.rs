//! Tokens without a web application: every grant, silent acquisition and accounts. The layer does
//! not need this module, nor this module the layer.
//!
//! - [`Client`] is one application at one provider. It needs no base URL and no pages.
//! - A public client uses [`ClientCredential::none`](crate::ClientCredential::none). Methods that
//!   need a credential say so in their `# Errors`.
//! - Tokens are cached in memory. The cache can be exported as one text
//!   ([`Client::export_cache`]), or stored encrypted in any store of the `tower-sessions` family
//!   ([`StoredCaches`](crate::StoredCaches)).
//! - Equal requests at the same time are sent once. After a refusal or an outage an equal request
//!   is not sent again at once.
//!
//! ```no_run
//! use tower_identity::{
//!     Authority, ClientCredential, IdentityConfig,
//!     client::{Client, TokenRequest},
//! };
//!
//! # async fn daemon() -> Result<(), Box<dyn std::error::Error>> {
//! let authority = Authority::entra("contoso.onmicrosoft.com")?;
//! let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
//!     .with_credential(ClientCredential::certificate_file("/run/secrets/app.pem"));
//! let client = Client::new(config)?;
//!
//! let request = TokenRequest::new(["https://graph.microsoft.com/.default"])?;
//! let token = client.for_app(&request).await?;
//! println!("Bearer {}", token.expose());
//! # Ok(())
//! # }
//! ```
//!
//! # The names of MSAL Python and their counterparts
//!
//! | MSAL Python | here |
//! |---|---|
//! | `ClientApplication`, `PublicClientApplication`, `ConfidentialClientApplication` | [`Client`]; the credential makes the difference |
//! | `…(client_id, authority=, client_credential=)` | [`IdentityConfig::new`](crate::IdentityConfig::new), [`with_credential`](crate::IdentityConfig::with_credential), [`ClientCredential`](crate::ClientCredential) |
//! | `…(authority=AuthorityBuilder(AZURE_PUBLIC, "contoso.com"))`, `oidc_authority=` | [`Authority::entra`](crate::Authority::entra), [`Authority::oidc`](crate::Authority::oidc) |
//! | `…(client_claims=)` | [`ClientCredential::add_assertion_claim`](crate::ClientCredential::add_assertion_claim); of the claims of the assertion itself `aud` alone can be another one ([`with_assertion_audience`](crate::ClientCredential::with_assertion_audience)) |
//! | `…(token_cache=)` | each [`Client`] has one, which its clones share |
//! | `…(client_capabilities=)` | [`with_client_capabilities`](crate::IdentityConfig::with_client_capabilities) |
//! | `…(http_client=, proxies=, verify=, timeout=)` | [`ClientBuilder::with_http_client`] |
//! | `…(http_cache=)` | built in: documents for a day, failures as long as the provider asks |
//! | `…(instance_discovery=, validate_authority=, known_authority_hosts=)` | no such call: the hosts of every cloud are compiled in, [`Authority`](crate::Authority) |
//! | `…(azure_region=, exclude_scopes=)` | the host of the region in the authority (`https://westus2.login.microsoft.com/…`), for the application's own tokens; scopes: [`with_openid_scopes`](crate::IdentityConfig::with_openid_scopes) |
//! | `…(enable_broker_on_…=)`, `allow_broker`, `parent_window_handle`, `enable_pii_log` | not here: there is no broker, and no log has personal data |
//! | `…(app_name=, app_version=)`, and the headers `x-client-sku`, `x-client-ver`, `x-client-os`, `x-client-current-telemetry`, `x-client-last-telemetry`, `x-ms-lib-capability` | not sent: nothing tells the provider of the program |
//! | header `X-AnchorMailbox` | sent with a refresh at Microsoft's providers; not with other requests |
//! | `acquire_token_interactive` | `desktop::InteractiveSignIn` (feature `desktop`); `prompt`, `login_hint`, `max_age`, `claims_challenge`: [`SignInOptions`](crate::SignInOptions); `extra_scopes_to_consent`: scopes of further resources beside those of the token, which come first ([`with_scopes`](crate::SignInOptions::with_scopes)) |
//! | `initiate_auth_code_flow` | [`Client::initiate`]; `prompt` ([`Prompt`](crate::Prompt)), `login_hint`, `domain_hint`, `max_age`, `claims_challenge`: [`SignInOptions`](crate::SignInOptions); `response_mode`: [`with_response_mode`](crate::IdentityConfig::with_response_mode); no `state` of your own |
//! | `acquire_token_by_auth_code_flow` | [`Client::complete`]; `scopes`: of several resources the first gets the access token, the others by [`Client::acquire_silent`] |
//! | `get_authorization_request_url` | [`Client::authorization_url`] |
//! | `acquire_token_by_authorization_code` | [`Client::redeem_code`]; `claims_challenge`: [`BareCode::with_claims`]; no `forwarded_client_claims`, no `data` |
//! | `acquire_token_silent`, `acquire_token_silent_with_error` | [`Client::acquire_silent`]; `force_refresh`, `claims_challenge`: [`TokenRequest`] |
//! | `acquire_token_by_refresh_token` | [`Client::import_refresh_token`] |
//! | `acquire_token_by_username_password` | [`Client::acquire_by_password`] |
//! | `initiate_device_flow` | [`Client::begin_device`]; `claims_challenge`: [`TokenRequest::with_challenge`] |
//! | `acquire_token_by_device_flow` | [`Client::complete_device`], or [`Client::poll_device`]; `flow["expires_at"] = 0`, `exit_condition`: [`DeviceFlow::cancel`], [`Client::complete_device_until`] |
//! | `acquire_token_for_client` | [`Client::for_app`] |
//! | `remove_tokens_for_client` | [`Client::remove_app_tokens`] |
//! | `acquire_token_on_behalf_of` | [`Client::on_behalf_of`] |
//! | of MSAL.NET: `InitiateLongRunningProcessInWebApi`, `AcquireTokenInLongRunningProcess` | [`Client::begin_long_running`], [`Client::long_running_token`] |
//! | `acquire_token_by_user_federated_identity_credential` | [`Client::acquire_by_federated_identity`] |
//! | `id_token`, `id_token_claims` of a result | [`AcquiredTokens::id_token`], [`AcquiredTokens::claims`]; after [`acquire_silent`](Client::acquire_silent) [`Client::id_token`], after [`on_behalf_of`](Client::on_behalf_of) [`Client::id_token_on_behalf_of`] |
//! | `client_info` of a result | [`Account::home_account_id`], [`Account::home_tenant_id`] |
//! | `token_source`, `refresh_on` of a result | [`AccessToken::source`](crate::AccessToken::source), [`AccessToken::refresh_at`](crate::AccessToken::refresh_at) |
//! | `account_source`, `local_account_id`, `realm` of an account | [`Account::source`], [`Account::object_id`], [`Account::tenant_id`] |
//! | `get_accounts` | [`Client::accounts`], [`Client::accounts_named`] |
//! | `remove_account` | [`Client::remove_account`] |
//! | `is_pop_supported`, `auth_scheme=`, SSH certificates (`data={"token_type": "ssh-cert", …}`) | not here: access tokens are bearer tokens |
//! | `TokenCache`, `SerializableTokenCache` | [`Client::export_cache`], [`Client::import_cache`], [`Client::cache_changes`], in a store [`StoredCaches`](crate::StoredCaches); a cache of MSAL itself: [`Client::import_msal_cache`]; what MSAL's `search`, `find`, `add`, `modify` do is not for callers |
//! | `ManagedIdentityClient` | [`ManagedIdentity`]: App Service and its like, Machine Learning, virtual machines, Azure Arc, Service Fabric, Cloud Shell; no `client_capabilities=` |
//! | `PublicClientApplication(…).acquire_token_interactive(…, prompt="none")` in Cloud Shell | [`ManagedIdentity`] with [`CloudShell`], which [`from_env`](ManagedIdentity::from_env) finds |
//! | `get_managed_identity_source` | [`ManagedIdentity::source`] |
//! | `SystemAssignedManagedIdentity`, `UserAssignedManagedIdentity`, or a dict | [`ManagedIdentityId`], which serde reads from the same JSON |
//! | `acquire_token_for_client(resource=, claims_challenge=)` | [`ManagedIdentity::token`], [`ManagedIdentity::acquire`] |
//! | `ManagedIdentityError`, `BrowserInteractionTimeoutError`, `IdTokenError`, `error`, `suberror`, `claims`, `correlation_id` of a result | [`Error`](crate::Error), [`Error::provider`](crate::Error::provider) |
//!
//! # Limits
//!
//! One client caches at most 10,000 accounts, 10,000 tenants and 10,000 assertions; the least
//! recently used of each kind leave first. Each has at most 1,000 access tokens and 256 KiB of
//! text. An account with one access token takes about 6 KiB at Entra ID, nearly all of it the
//! tokens themselves.
//!
//! # Security
//!
//! One client is meant for one process that acts for itself or for its own users: code that has the
//! client can get a token of every account in it. In a web application use one cache per signed-in
//! person ([`StoredCaches`](crate::StoredCaches)), or the layer, which has that built in.

mod account;
mod account_tokens;
mod acquired;
mod app;
mod arc;
mod builder;
mod cloud_shell;
mod code;
mod core;
mod device;
mod federated;
mod id_token;
mod long_running;
mod managed_identity;
mod managed_identity_builder;
mod managed_identity_endpoint;
mod msal_cache;
mod partition;
mod refreshers;
mod service_fabric;
mod silent;
mod stored_request;
#[cfg(test)]
mod tests;

pub(crate) use self::core::CacheEnd;
pub use self::{
    account::{Account, AccountSource},
    account_tokens::AccountTokens,
    acquired::AcquiredTokens,
    app::AppTokens,
    arc::AzureArc,
    builder::ClientBuilder,
    cloud_shell::CloudShell,
    code::{AuthorizationFlow, BareCode},
    core::Client,
    device::{DeviceFlow, DevicePoll},
    federated::FederatedUser,
    id_token::IdToken,
    managed_identity::{ManagedIdentity, ManagedIdentityId},
    managed_identity_builder::ManagedIdentityBuilder,
    managed_identity_endpoint::{
        AppService, MachineLearning, ManagedIdentityEndpoint, ManagedIdentitySource, VirtualMachine,
    },
    service_fabric::ServiceFabric,
    silent::SilentOutcome,
};
pub use crate::tokens::TokenRequest;
