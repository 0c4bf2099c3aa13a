//! The tokens that a sign-in brought: where they are kept, when they are renewed, and by whom.
//!
//! - A *grant* is what one sign-in gave: a refresh token and everything obtained with it. Its record is written in one place only, inside a flight.
//! - There is one flight per grant at a time. It runs in a task of its own, reads the record again, asks the provider, checks that the answer is about the
//!   same person, stores it, and only then shows it to those who wait.
//! - What to do at a moment is decided by plain functions (`policy`); `Grants` carries it out.

mod access;
mod cache;
#[cfg(test)]
mod fake_provider;
#[cfg(test)]
mod fakes;
mod flight;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod grants;
#[cfg(test)]
mod interleavings;
#[allow(dead_code, reason = "what a request can say beyond its scopes: for the grants that come next")]
mod key;
mod lock;
mod policy;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod refresh;
mod refresher;
#[allow(dead_code, reason = "what a refresh can be asked beyond its scopes: for the grants that come next")]
mod seams;
mod successors;
#[cfg(test)]
mod tests;
mod throttle;
mod unsaved;

pub use access::{AccessToken, TokenSource};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
pub use lock::RefreshLock;
#[cfg(feature = "redis")]
pub use redis::RedisLock;
#[cfg(test)]
pub(crate) use seams::{RefreshRequest, Refreshed, Refresher};
pub(crate) use {
    cache::CacheLimits,
    grants::{Grants, Renewal},
    key::{Scopes, TokenRequest},
    record::{GrantRecord, Person},
    seams::{GrantId, GrantRef, GrantStore, Identity, Issued},
};
