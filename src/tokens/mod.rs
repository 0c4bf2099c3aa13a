//! The tokens of a sign-in: cache, refresh and renewal.
//!
//! - A *grant* is the refresh token of one sign-in, with everything that was obtained with it. Its
//!   record is written inside a flight only.
//! - A grant has one flight at a time. It runs in a task of its own: it reads the record again,
//!   sends the request, checks that the response is about the same person, stores the new record,
//!   and only then returns it to the callers that wait.
//! - `policy` decides by pure functions whether to serve, refresh or wait; `Grants` carries the
//!   decision out.

mod access;
mod cache;
#[cfg(test)]
mod concurrency_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod grant_store;
mod granted;
mod grants;
#[cfg(test)]
mod interleavings;
mod judgement;
mod key;
mod lock;
mod memory;
mod parameters;
mod partitions;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod refresh;
mod refresher;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod test_provider;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

pub use access::{AccessToken, TokenSource};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
pub use key::TokenRequest;
pub use lock::RefreshLock;
pub(crate) use lock::TimedLock;
#[cfg(feature = "redis")]
pub use redis::RedisLock;
#[cfg(test)]
pub(crate) use refresh::RefreshError;
pub(crate) use {
    grant_store::{GrantRef, GrantStore, RecordId},
    grants::Grants,
    judgement::{is_passing, is_without_grant},
    key::{OFFLINE_ACCESS, Scopes},
    partitions::{CacheOwner, Partitions},
    record::{GrantRecord, GrantSource, Person},
    refresher::{
        RefreshAnswer, RefreshRequest, Refresher, Renewal, TokenSet, VerifiedClaims, life_of,
    },
};
