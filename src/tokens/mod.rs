//! The tokens that a sign-in brought: where they are kept, when they are renewed, and by whom.
//!
//! - A *grant* is what one sign-in gave: a refresh token and everything obtained with it. Its
//!   record is written in one place only, inside a flight.
//! - There is one flight per grant at a time. It runs in a task of its own, reads the record again,
//!   asks the provider, checks that the answer is about the same person, stores it, and only then
//!   shows it to those who wait.
//! - What to do at a moment is decided by plain functions (`policy`); `Grants` carries it out.

mod access;
mod cache;
mod client_parts;
#[cfg(test)]
mod concurrency_tests;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod grant_store;
mod granted;
mod grants;
#[cfg(test)]
mod interleavings;
mod key;
mod lock;
mod memory;
mod partitions;
mod policy;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod refresh;
mod refresher;
#[cfg(test)]
mod test_provider;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

pub use access::{AccessToken, TokenSource};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
#[cfg(test)]
pub(crate) use grants::Renewal;
pub use key::TokenRequest;
pub use lock::RefreshLock;
pub(crate) use lock::TimedLock;
#[cfg(feature = "redis")]
pub use redis::RedisLock;
pub(crate) use {
    grant_store::{GrantId, GrantRef, GrantStore},
    grants::Grants,
    key::Scopes,
    partitions::{CacheOwner, Partitions},
    policy::{is_passing, is_without_grant},
    record::{GrantRecord, Person},
    refresher::{Issued, RefreshRequest, Refreshed, Refresher, VerifiedClaims},
};
