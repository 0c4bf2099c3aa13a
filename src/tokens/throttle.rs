//! [`Throttle`]: a request that has just failed is answered with the same failure for a while, without asking the provider.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{flight::Errand, seams::GrantId};
use crate::{clock::UnixTime, error::Error};

/// Failures remembered at most. When there are more, that with the nearest end is forgotten.
const CAPACITY: usize = 1024;

/// The failures of this process, by grant and request.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<(GrantId, Errand), Pause>>);

#[derive(Debug)]
struct Pause {
    error: Error,
    from: UnixTime,
    until: UnixTime,
}

impl Pause {
    /// Not before it began either: a clock that was set back would prolong it.
    fn holds(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }
}

impl Throttle {
    /// How the same request failed, if it is too early to send it again.
    pub(super) fn check(&self, grant: GrantId, errand: &Errand, now: UnixTime) -> Option<Error> {
        let failures = self.failures();
        if failures.is_empty() {
            return None;
        }
        failures.get(&(grant, errand.as_sent())).filter(|pause| pause.holds(now)).map(|pause| pause.error.clone())
    }

    pub(super) fn remember(&self, grant: GrantId, errand: &Errand, error: Error, pause: Duration, now: UnixTime) {
        let mut failures = self.failures();
        let key = (grant, errand.as_sent());
        if failures.len() >= CAPACITY && !failures.contains_key(&key) {
            failures.retain(|_, pause| pause.holds(now));
            if failures.len() >= CAPACITY
                && let Some(nearest) = failures.iter().min_by_key(|(_, pause)| pause.until).map(|(key, _)| key.clone())
            {
                failures.remove(&nearest);
            }
        }
        failures.insert(key, Pause { error, from: now, until: now + pause });
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<(GrantId, Errand), Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
