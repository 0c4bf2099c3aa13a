//! [`Siblings`]: which sessions began in the same browser.
//!
//! If several tabs complete a sign-in at the same time, each creates a session, and the browser
//! keeps the ticket of the last one. The other sessions stay valid until they expire: a copy of
//! such a ticket would work even after the person has signed out. Therefore sessions of one browser
//! are remembered as siblings, and sign-out ends all of them.
//!
//! Siblings are recognised by their attempts: each callback brings the cookies of all sign-ins that
//! are under way in its browser. Only completed sign-ins are remembered, in the memory of this
//! process. A sibling that another process created ends with its own lifetime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;

use super::records::RecordId;

/// Number of attempts and sessions that are remembered in all.
const REMEMBERED: usize = 20_000;
/// Number of sessions that are remembered per browser. If there are more, the oldest have ended,
/// because each sign-in ends the session before it.
const MOST: usize = 32;

/// The id of an attempt or of a session.
pub(crate) type SiblingKey = [u8; 16];

/// The groups of sessions that began in one browser, by the ids of their attempts and sessions.
pub(super) struct Siblings(Mutex<Cache<SiblingKey, Arc<[RecordId]>>>);

impl Siblings {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Cache::new(REMEMBERED)))
    }

    /// Adds a session to the groups of these attempts and earlier sessions, and merges the groups.
    pub(super) fn join(&self, session: RecordId, of: &[SiblingKey]) {
        let mut known = self.known();
        let mut group = vec![session];
        for key in of {
            // The group under an attempt was stored at its sign-in and may be outdated. The groups
            // under its sessions are current.
            let then = known.get(key).map(|others| others.to_vec()).unwrap_or_default();
            let now = then
                .iter()
                .filter_map(|session| known.get(&session.bytes()))
                .flat_map(|others| others.iter().copied());
            for other in then.iter().copied().chain(now) {
                if !group.contains(&other) {
                    group.push(other);
                }
            }
        }
        group.truncate(MOST);
        let group: Arc<[RecordId]> = group.into();
        for key in of.iter().copied().chain(group.iter().map(|session| session.bytes())) {
            known.insert(key, Arc::clone(&group));
        }
    }

    /// The siblings of a session, which end together with it.
    pub(super) fn of(&self, session: RecordId) -> Vec<RecordId> {
        let known = self.known();
        let group = known.get(&session.bytes());
        group
            .map(|group| group.iter().copied().filter(|other| *other != session).collect())
            .unwrap_or_default()
    }

    /// Removes a session that has ended.
    pub(super) fn forget(&self, session: RecordId) {
        let mut known = self.known();
        let Some((_, group)) = known.remove(&session.bytes()) else { return };
        let rest: Arc<[RecordId]> =
            group.iter().copied().filter(|other| *other != session).collect();
        for other in &*rest {
            known.insert(other.bytes(), Arc::clone(&rest));
        }
    }

    fn known(&self) -> MutexGuard<'_, Cache<SiblingKey, Arc<[RecordId]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(siblings: &Siblings, session: i128) -> Vec<i128> {
        let mut others: Vec<_> =
            siblings.of(RecordId(session)).into_iter().map(|id| id.0).collect();
        others.sort_unstable();
        others
    }

    #[test]
    fn sessions_whose_attempts_were_in_one_browser_belong_together() {
        let siblings = Siblings::new();
        siblings.join(RecordId(1), &[[1; 16], [2; 16]]);
        siblings.join(RecordId(2), &[[2; 16]]);
        siblings.join(RecordId(9), &[[9; 16]]);
        assert_eq!(
            (of(&siblings, 1), of(&siblings, 2), of(&siblings, 9)),
            (vec![2], vec![1], vec![])
        );
        // A callback with attempts of both groups merges them.
        siblings.join(RecordId(3), &[[9; 16], [1; 16]]);
        assert_eq!((of(&siblings, 3), of(&siblings, 9)), (vec![1, 2, 9], vec![1, 2, 3]));
        // A sign-in that replaces a session inherits its group.
        siblings.join(RecordId(4), &[RecordId(3).bytes()]);
        siblings.forget(RecordId(3));
        assert_eq!(
            (of(&siblings, 4), of(&siblings, 1), of(&siblings, 3)),
            (vec![1, 2, 9], vec![2, 4, 9], vec![])
        );
    }

    #[test]
    fn the_number_of_sessions_that_are_remembered_for_one_browser_is_bounded() {
        let siblings = Siblings::new();
        for session in 0..100 {
            siblings.join(RecordId(session), &[[1; 16]]);
        }
        assert_eq!(of(&siblings, 99).len(), MOST - 1);
        assert!(of(&siblings, 99).contains(&98));
    }
}
