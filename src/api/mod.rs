//! APIs behind access tokens: [`ApiLayer`], its configuration, guards and the caller.
//!
//! - [`ApiConfig`](crate::ApiConfig) defines the accepted tokens;
//!   [`build`](crate::ApiConfig::build) checks the settings.
//! - [`ApiLayer`] requires an access token of every request;
//!   [`IdentityLayer::with_api`](crate::IdentityLayer::with_api) accepts one beside sessions.
//! - [`ApiCaller`] is the caller: a person through an application, an agent, or an application by
//!   itself.
//! - [`require_scopes`] guards routes, and with [`check`](RequireAccess::check) single operations;
//!   [`require_for_tools`] guards the tools of an MCP server.
//!
//! # Security
//!
//! - A token is read from one `Authorization` header and nowhere else.
//! - The audience is checked before key and signature. No setting accepts another audience; one
//!   setting accepts introspection answers without an audience.
//! - Keys in the header of a token (`jwk`, `jku`, `x5c`) are ignored; the issuer of a key is
//!   checked by the same code as for ID tokens.
//! - ID tokens, logout tokens, DPoP proofs and tokens that are bound to a key are refused.
//! - Metadata and challenges are made from the configuration, never from the `Host` header.

mod answer;
mod bearer;
mod caller;
#[cfg(test)]
mod challenge_tests;
#[cfg(feature = "axum")]
mod extract;
mod future;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod guard;
mod introspect;
#[cfg(test)]
mod introspect_tests;
mod layer;
mod memory;
mod metadata;
#[cfg(test)]
mod microsoft_tests;
#[cfg(test)]
mod odd_requests_tests;
mod on_behalf_of;
#[cfg(test)]
mod readings_tests;
#[cfg(test)]
mod refusal_tests;
mod scope;
#[cfg(test)]
mod servers_tests;
mod service;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod test_api;
mod tool_guard;
#[cfg(test)]
mod tool_guard_tests;
#[cfg(test)]
mod variation_tests;

pub(crate) use self::bearer::is_presented as is_token_presented;
#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::PARSERS;
pub(crate) use self::service::{ApiParts, call};
pub use self::{
    caller::ApiCaller,
    future::ApiFuture,
    guard::{
        RequireAccess, RequireAccessFuture, RequireAccessService, require_app_roles,
        require_caller, require_scopes,
    },
    layer::ApiLayer,
    scope::Scope,
    service::ApiService,
    tool_guard::{RequireForTools, RequireForToolsService, require_for_tools},
};
pub use crate::{
    config::{AccessTokenType, Introspection},
    protocol::{CallerKind, ClientProof},
};
