//! A development provider: an OpenID Connect provider inside this process, on loopback only, for
//! demos and tests (feature `dev-provider`).
//!
//! It needs no account anywhere. It has an account picker with a few users, a consent page, and
//! every protocol step as specified:
//!
//! - It listens on loopback addresses only, and answers a request only if its `Host` is a loopback
//!   name, or the host of the [base URL](DevProviderBuilder::with_base_url) or a subdomain of it.
//! - Grants: authorization code for browsers; device code, client credentials and password without
//!   one. PKCE with S256 is required, redirect URIs are compared character by character, a code
//!   works once, and refresh tokens rotate. Reuse of a refresh token revokes all tokens of its
//!   sign-in.
//! - The client `quickstart` may use any redirect URI on a loopback host. Other clients are added
//!   with [`DevProvider::add_client`].
//! - Consent is requested once per user and scope. Any scope name is accepted. A token is for the
//!   requested resource (RFC 8707), and that API may exchange it on behalf of its caller.
//! - A test controls it through [`DevProvider`]: the user who signs in, failures, delays, lifetimes
//!   of tokens. It counts and records requests.
//!
//! ```
//! use tower_identity::dev::{DevProvider, Endpoint};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = DevProvider::start().await?;
//! provider.sign_in_as("ada")?; // no pages in this test
//!
//! // … configure the application with `provider.authority_url()`, `provider.client_id()` and
//! // `provider.client_secret()`, and use it …
//!
//! assert_eq!(provider.requests(Endpoint::Token), 0);
//! provider.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # People who are signed in
//!
//! [`user`](DevProvider::user) makes a [`User`](crate::User) for a unit test,
//! [`cookie_for`](DevProvider::cookie_for) a session for a router that is called directly,
//! [`signed_in`](DevProvider::signed_in) an HTTP client for a running application: each by a
//! complete sign-in. [`guide::testing`](crate::guide::testing) shows them.
//!
//! # Microsoft Entra ID
//!
//! With [`entra`](DevProviderBuilder::entra) it imitates Entra ID instead. Its loopback host is a
//! separate cloud, with the rules of the real ones:
//!
//! - the tenants of [`DevTenant`] and your own; the authorities `/{tenant}`, `/common`,
//!   `/organizations`, `/consumers` with the templated issuer and keys that name theirs; guests,
//!   personal accounts, applications of one tenant ([`Accounts`]);
//! - tokens of version 2.0 with `tid`, `oid`, a `sub` per application, `client_info`, roles, and
//!   groups up to 200; a small Graph for more;
//! - one refresh token for all resources and tenants of a user; consent by scope, from the user or
//!   from an administrator for the whole tenant;
//! - errors with `AADSTS` or `AADB2C` numbers: on pages, in redirects, in JSON;
//! - B2C at `/{domain}/{policy}` and `/tfp/{domain}/{policy}`, with the policies `B2C_1_susi`,
//!   `B2C_1_edit` and `B2C_1_reset`;
//! - agents ([`DevClient::agent`]), with `fmi_path` and the grant `user_fic`;
//! - External ID, whose issuer has the tenant's GUID in its host.
//!
//! It differs from Entra ID in some points. PKCE is required, which Entra ID leaves to the
//! application. There is no second factor: choosing the account again satisfies an authentication
//! context. Passwords are for the password grant only, for users [with
//! one](DevPerson::with_password); no page asks for a password. Access tokens have version 1.0 for
//! an API that is [registered for them](DevClient::with_version_1_tokens); their issuer is on the
//! host of version 2.0, since this is a separate cloud. The implicit flow is missing. The discovery
//! document of version 1.0 exists and names the endpoints of version 2.0.
//!
//! # Access tokens for the tests of an API
//!
//! [`access_token`](DevProvider::access_token) issues an access token without a browser.
//! [`DevAccessToken`] describes other kinds: of an application, an agent or a guest, of version
//! 1.0, or opaque. [`SpoilAccessToken`] lists their faults. The introspection endpoint (RFC 7662,
//! signed responses by RFC 9701) and [`revoke_access_token`](DevProvider::revoke_access_token) are
//! for opaque ones.
//!
//! # Clients of other libraries
//!
//! The MSAL libraries require https: start the provider
//! [with TLS](DevProviderBuilder::with_tls). Where Entra is more lenient than the specifications,
//! Entra's rules apply: thumbprints may have padding, and an assertion may be reused until it
//! expires. Applications that run in the browser can read documents, keys, tokens and UserInfo
//! (CORS), and receive authorization responses in the fragment.
//!
//! # Deviating providers
//!
//! A [`Quirk`] is a permanent deviation of a real provider from the specifications;
//! [`with_quirks`](DevProviderBuilder::with_quirks) shows how an application works with it. A fault
//! of one response is ordered with [`Spoil`] and similar types.
//!
//! # Security
//!
//! It signs in any user without authentication. Its keys and secrets exist only while it runs.
//! Never include it in a deployed program: enable the feature in `dev-dependencies`, or behind a
//! feature of your own.

mod access_token;
mod assertion;
mod authorize;
mod automatic;
mod builder;
mod callback;
mod certificate;
mod client;
mod client_auth;
mod device;
mod draft;
mod end_session;
mod entra_access;
mod entra_issue;
mod entra_metadata;
mod entra_pages;
mod entra_token;
mod fault;
mod federated;
mod grants;
mod graph;
mod interaction;
mod issue;
mod jwt;
mod keys;
mod metadata;
mod on_behalf_of;
mod pages;
mod person;
mod provider;
mod provider_entra;
mod provider_orders;
mod quirk;
mod quirk_answers;
mod realm;
mod reply;
mod request;
mod requested_claims;
mod resource;
mod server;
mod spoil;
mod spoil_access_token;
mod spoil_answers;
mod spoil_callback;
mod spoil_documents;
mod spoil_entra;
mod spoil_id_token;
mod state;
mod switches;
mod tenant;
mod token;
mod token_status;
mod user_info;
mod wire;

#[cfg(test)]
mod access_token_tests;
#[cfg(test)]
mod endpoint_tests;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod spoil_tests;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod test_browser;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;

pub use crate::testing::{Step, StepLog};
pub use access_token::DevAccessToken;
pub use automatic::IntoDevPerson;
pub use builder::DevProviderBuilder;
pub use client::{Consent, DevClient, RefreshTokens};
pub use issue::IssuedTokens;
pub use keys::OldKeys;
pub use person::DevPerson;
pub use provider::DevProvider;
pub use quirk::Quirk;
pub use spoil::{Spoil, Verdict};
pub use spoil_access_token::SpoilAccessToken;
pub use spoil_answers::{SpoilTokenAnswer, SpoilUserInfo};
pub use spoil_callback::SpoilCallback;
pub use spoil_documents::{SpoilDiscovery, SpoilKeys};
pub use spoil_entra::SpoilEntra;
pub use state::{AccessTokenFormat, RefreshRotation};
pub use switches::{Endpoint, Failure, Hold, RecordedRequest};
pub use tenant::{Accounts, DevTenant};
