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

#[cfg(test)]
mod tests {
    use super::super::fakes::*;
    use super::*;
    use crate::error::ErrorKind;

    fn errand(number: usize) -> Errand {
        Errand::Token(request(&format!("scope{number}")))
    }

    fn failure() -> Error {
        Error::new(ErrorKind::ProviderUnreachable, "")
    }

    /// MSAL-132
    #[test]
    fn when_it_is_full_the_one_nearest_its_end_is_dropped() {
        let throttle = Throttle::default();
        for number in 0..CAPACITY {
            let pause = if number == 7 { 10 } else { 20 };
            throttle.remember(GrantId(1), &errand(number), failure(), seconds(pause), START);
        }
        throttle.remember(GrantId(1), &errand(3), failure(), seconds(30), START);
        assert!(throttle.check(GrantId(1), &errand(7), START).is_some(), "one that is in has its place");
        throttle.remember(GrantId(2), &errand(3), failure(), seconds(5), START);
        assert!(throttle.check(GrantId(1), &errand(7), START).is_none());
        assert!(throttle.check(GrantId(2), &errand(3), START).is_some());
        assert_eq!(throttle.failures().len(), CAPACITY);
        throttle.remember(GrantId(2), &errand(4), failure(), seconds(5), START + seconds(20));
        assert_eq!(throttle.failures().len(), 2, "what is over leaves first");
    }

    #[test]
    fn one_grant_does_not_hold_up_another() {
        let throttle = Throttle::default();
        throttle.remember(GrantId(1), &errand(1), failure(), seconds(5), START);
        assert!(throttle.check(GrantId(1), &errand(1), START + seconds(4)).is_some());
        assert!(throttle.check(GrantId(1), &errand(1), START + seconds(5)).is_none());
        assert!(throttle.check(GrantId(2), &errand(1), START).is_none());
        assert!(throttle.check(GrantId(1), &Errand::Renewal, START).is_none());
    }
}
