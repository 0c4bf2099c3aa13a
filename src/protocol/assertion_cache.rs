//! [`AssertionCache`]: the assertions that a function of the application made, as long as they are
//! usable.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::assertion::{unavailable, usable_until};
use crate::{
    clock::UnixTime,
    config::{AssertionFunction, AssertionRequest},
    error::Error,
    secret::Secret,
};

/// The time limit of the application's function that makes assertions, which includes the wait for
/// another request that runs it: otherwise those that wait would fail one after the other, and a
/// refresh could take longer than the lock that it holds. Token requests wait for it.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of paths (`fmi_path`) with an assertion of their own. Beyond it unused entries leave:
/// an application may act for any number of agents.
const MAX_PATHS: usize = 1_000;

/// The assertions of one function. Those of different paths (`fmi_path`) have different subjects,
/// so that each path has an entry, and requests wait only for others of their path.
#[derive(Debug, Default)]
pub(super) struct AssertionCache(Mutex<HashMap<Option<Box<str>>, AssertionSlot>>);

/// The assertion of one path. The lock is held while the function runs, so that concurrent requests
/// share its result.
type AssertionSlot = Arc<tokio::sync::Mutex<Option<CachedAssertion>>>;

/// An assertion from the application's function.
#[derive(Debug)]
struct CachedAssertion {
    audience: String,
    jwt: Secret,
    until: UnixTime,
}

impl AssertionCache {
    /// The assertion for this request: the cached one while it is usable at `now`, otherwise a new
    /// one. `None` as the time: always a new one.
    pub(super) async fn get(
        &self,
        function: &AssertionFunction,
        request: AssertionRequest,
        now: Option<UnixTime>,
    ) -> Result<Secret, Error> {
        let found = tokio::time::timeout(FUNCTION_TIMEOUT, self.find(function, request, now));
        let late = |_| unavailable("the function that makes assertions took more than 10 s");
        found.await.map_err(late)?
    }

    /// The same without a time limit.
    async fn find(
        &self,
        function: &AssertionFunction,
        request: AssertionRequest,
        now: Option<UnixTime>,
    ) -> Result<Secret, Error> {
        if function.caches() {
            return made_by(function, request).await;
        }
        let entry = self.entry(request.fmi_path());
        let mut cached = entry.lock().await;
        let audience = request.audience().to_owned();
        let usable = cached.as_ref().filter(|cached| {
            cached.audience == audience && now.is_some_and(|now| now < cached.until)
        });
        if let Some(usable) = usable {
            return Ok(usable.jwt.clone());
        }
        let jwt = made_by(function, request).await?;
        *cached =
            usable_until(&jwt).map(|until| CachedAssertion { audience, jwt: jwt.clone(), until });
        Ok(jwt)
    }

    fn entry(&self, path: Option<&str>) -> AssertionSlot {
        let path = path.map(Into::into);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_PATHS && !entries.contains_key(&path) {
            // An entry that a request waits for stays: another one would call the function again.
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        Arc::clone(entries.entry(path).or_default())
    }
}

/// A new assertion of a function.
async fn made_by(function: &AssertionFunction, request: AssertionRequest) -> Result<Secret, Error> {
    let outcome = function.call(request).await;
    outcome
        .map_err(|error| unavailable(format!("the function that makes assertions failed: {error}")))
}
