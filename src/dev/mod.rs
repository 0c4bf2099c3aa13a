//! A development provider: OpenID Connect in this process, on loopback only, for demos and tests.
//!
//! It signs in without an account anywhere: an account picker with a few people, a consent page,
//! and every protocol step as the specifications have it. Feature `dev-provider`.
//!
//! - It listens on loopback addresses only, and answers requests only if their `Host` is a loopback
//!   name.
//! - For browsers the code flow only; without one device codes, client credentials and passwords;
//!   PKCE with S256 is enforced; redirect addresses are compared character by character; codes work
//!   once; refresh tokens rotate, and a reused one revokes all that came from the sign-in.
//! - The client `quickstart` may use any redirect address on a loopback host. Others are added with
//!   [`DevProvider::add_client`].
//! - Each scope is asked for once per person, whatever its name. A token is for the resource that
//!   was named (RFC 8707), and that API may act on behalf of its caller.
//! - The handle commands it from a test: who signs in, what fails, what waits, how long things
//!   live; and it counts requests.
//!
//! ```
//! use tower_identity::dev::{DevProvider, Endpoint};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = DevProvider::start().await?;
//! provider.sign_in_as("ada")?; // no pages in this test
//!
//! // … configure the application with `provider.authority_url()`, `provider.client_id()` and `provider.client_secret()`, and use it …
//!
//! assert_eq!(provider.requests(Endpoint::Token), 0);
//! provider.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Microsoft Entra
//!
//! With [`entra`](DevProviderBuilder::entra) it imitates Entra instead, on one loopback host that
//! is a cloud of its own, under the rules of the real ones:
//!
//! - the tenants of [`DevTenant`] and your own; the authorities `/{tenant}`, `/common`,
//!   `/organizations`, `/consumers` with the templated issuer and keys that name theirs; guests,
//!   personal accounts, applications of one tenant ([`Accounts`]);
//! - tokens of version 2.0 with `tid`, `oid`, a `sub` per application, `client_info`, roles, and
//!   groups up to 200; a small Graph for more;
//! - one refresh token for every resource and tenant of a person, consent by scope, by the person
//!   or an administrator for everybody;
//! - errors with `AADSTS` or `AADB2C` numbers: on pages, in redirects, in JSON;
//! - B2C at `/{domain}/{policy}` and `/tfp/{domain}/{policy}`, with the policies `B2C_1_susi`,
//!   `B2C_1_edit` and `B2C_1_reset`;
//! - External ID, whose issuer has the tenant's GUID in its host.
//!
//! It asks for PKCE, which Entra leaves to the application, and has no second factor: an
//! authentication context is satisfied by choosing the account again. Passwords are for the grant
//! of that name alone, and only people who were [given one](DevPerson::with_password) have one;
//! pages ask for none. Access tokens are of version 1.0 for an API that is
//! [registered so](DevClient::with_version_1_tokens); their issuer is on the host of version 2.0,
//! as this is a cloud of its own. The implicit flow is missing; the discovery document of version
//! 1.0 is there, and names the endpoints of version 2.0.
//!
//! # Access tokens for the tests of an API
//!
//! [`access_token`](DevProvider::access_token) issues one without a browser, and
//! [`DevAccessToken`] describes every other: of an application, an agent, a guest, of version 1.0,
//! an opaque one. [`SpoilAccessToken`] lists what can be wrong with them; the introspection
//! endpoint (RFC 7662, signed answers by RFC 9701) and
//! [`revoke_access_token`](DevProvider::revoke_access_token) are for opaque ones.
//!
//! # Other people's clients
//!
//! Every MSAL insists on https: [`with_tls`](DevProviderBuilder::with_tls) is for them. Where it
//! matters Entra's rules hold instead of the specifications': thumbprints may have padding, and an
//! assertion serves as long as it lives. Applications in the browser can read documents, keys,
//! tokens and UserInfo (CORS), and get their answers in the fragment.
//!
//! # Providers with habits of their own
//!
//! [`Quirk`] lists what real providers do and the specifications do not: see with
//! [`with_quirks`](DevProviderBuilder::with_quirks) how an application fares there. What one answer
//! can have wrong is in [`Spoil`] and its siblings.
//!
//! # Security
//!
//! It signs anybody in as anybody. Its keys and secrets exist only while it runs. Never build it
//! into what you deploy: keep the feature in `dev-dependencies`, or behind a feature of your own.

mod access_token;
mod asked_claims;
mod assertion;
mod authorize;
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
mod server_tests;
#[cfg(test)]
mod spoil_tests;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;

pub use access_token::DevAccessToken;
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
