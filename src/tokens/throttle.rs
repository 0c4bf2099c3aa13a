//! [`Throttle`]: a request that has just failed is answered with the same failure for a while, without asking the provider.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{flight::Errand, seams::GrantId};
use crate::{clock::UnixTime, error::Error};

/// Failures remembered at most, about a kilobyte each. When there are more, that with the nearest
/// end is forgotten.
const CAPACITY: usize = 1024;
/// For how long after its pause a failure counts as one before the next.
const MEMORY: Duration = Duration::from_secs(10 * 60);

/// The failures of this process, by grant and request.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<(GrantId, Errand), Pause>>);

#[derive(Debug)]
struct Pause {
    error: Error,
    from: UnixTime,
    until: UnixTime,
    /// Failures in a row, this one included.
    failures: u32,
}

impl Pause {
    /// Not before it began either: a clock that was set back would prolong it.
    fn holds(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }

    fn counts(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until + MEMORY
    }
}

impl Throttle {
    /// How the same request failed, if it is too early to send it again.
    pub(super) fn check(&self, grant: GrantId, errand: &Errand, now: UnixTime) -> Option<Error> {
        let pauses = self.pauses();
        if pauses.is_empty() {
            return None;
        }
        pauses
            .get(&(grant, errand.as_sent()))
            .filter(|pause| pause.holds(now))
            .map(|pause| pause.error.clone())
    }

    /// How often the same request has failed, without a success in between.
    pub(super) fn failures(&self, grant: GrantId, errand: &Errand, now: UnixTime) -> u32 {
        let pauses = self.pauses();
        pauses
            .get(&(grant, errand.as_sent()))
            .filter(|pause| pause.counts(now))
            .map_or(0, |pause| pause.failures)
    }

    pub(super) fn remember(
        &self,
        grant: GrantId,
        errand: &Errand,
        error: Error,
        pause: Duration,
        now: UnixTime,
    ) {
        let failures = self.failures(grant, errand, now).saturating_add(1);
        let mut pauses = self.pauses();
        let key = (grant, errand.as_sent());
        if pauses.len() >= CAPACITY && !pauses.contains_key(&key) {
            pauses.retain(|_, pause| pause.holds(now));
            if pauses.len() >= CAPACITY
                && let Some(nearest) =
                    pauses.iter().min_by_key(|(_, pause)| pause.until).map(|(key, _)| key.clone())
            {
                pauses.remove(&nearest);
            }
        }
        pauses.insert(key, Pause { error, from: now, until: now + pause, failures });
    }

    /// The request has succeeded.
    pub(super) fn forget(&self, grant: GrantId, errand: &Errand) {
        let mut pauses = self.pauses();
        if !pauses.is_empty() {
            pauses.remove(&(grant, errand.as_sent()));
        }
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<(GrantId, Errand), Pause>> {
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
        assert!(
            throttle.check(GrantId(1), &errand(7), START).is_some(),
            "one that is in has its place"
        );
        throttle.remember(GrantId(2), &errand(3), failure(), seconds(5), START);
        assert!(throttle.check(GrantId(1), &errand(7), START).is_none());
        assert!(throttle.check(GrantId(2), &errand(3), START).is_some());
        assert_eq!(throttle.pauses().len(), CAPACITY);
        throttle.remember(GrantId(2), &errand(4), failure(), seconds(5), START + seconds(20));
        assert_eq!(throttle.pauses().len(), 2, "what is over leaves first");
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

    #[test]
    fn failures_in_a_row_are_counted_until_a_success_or_ten_minutes_later() {
        let throttle = Throttle::default();
        let failures = |after| throttle.failures(GrantId(1), &errand(1), START + seconds(after));
        for count in 0..3 {
            assert_eq!(failures(count * 5), u32::try_from(count).unwrap());
            throttle.remember(
                GrantId(1),
                &errand(1),
                failure(),
                seconds(5),
                START + seconds(count * 5),
            );
        }
        assert_eq!((failures(15), failures(614), failures(615)), (3, 3, 0));
        throttle.forget(GrantId(1), &errand(1));
        assert_eq!(failures(15), 0);
    }
}
