//! APIs behind access tokens: [`ApiLayer`] and what belongs to it.
//!
//! - [`ApiConfig`](crate::ApiConfig) says which tokens are taken;
//!   [`build`](crate::ApiConfig::build) finds every mistake in it.
//! - [`ApiLayer`] lets requests through that have one, and
//!   [`IdentityLayer::with_api`](crate::IdentityLayer::with_api) does so beside sessions.
//! - [`ApiCaller`] is who calls: a person through an application, an agent, an
//!   application by itself.
//! - [`require_scopes`] guards routes, and tools by name.
//!
//! # Security
//!
//! - A token comes in one `Authorization` header and nowhere else.
//! - The audience is looked at before anything else; there is always one.
//! - What a token says about keys (`jwk`, `jku`, `x5c`) is not read; the issuer of a key is checked
//!   as for ID tokens, by the same code.
//! - ID tokens, logout tokens, DPoP proofs and tokens that are bound to a key are no access tokens.
//! - What clients are told about the API comes from the configuration, never from `Host`.

mod answer;
mod bearer;
mod caller;
#[cfg(test)]
mod challenge_tests;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod guard;
mod layer;
mod memory;
mod metadata;
mod on_behalf_of;
mod scope;
mod service;
#[cfg(test)]
mod service_tests;

pub(crate) use self::service::{Shared, call};
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
};
pub use crate::{
    config::{AccessTokenType, Introspection},
    protocol::{CallerKind, ClientProof},
};
