//! Sessions that began in one browser at a time: several tabs whose answers come back at once.
//!
//! A browser keeps the ticket of the last one. The others are out of its reach, but each stays good
//! until it ends: whoever has seen such a ticket could use it after the person has signed out. So
//! this process remembers which sessions belong together, and they are ended together.
//!
//! They are told by their attempts: each answer comes with the cookies of all sign-ins that are
//! under way in its browser. Only sign-ins that were completed are remembered. Another process does
//! not know of them; there such a session ends by its own times.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quick_cache::unsync::Cache;

use super::records::RecordId;

/// Number of attempts and sessions that are remembered.
const REMEMBERED: usize = 20_000;
/// Number of sessions that are remembered for one browser. The oldest of more have ended: each
/// sign-in ends the one before it.
const MOST: usize = 32;

/// The name of an attempt or of a session.
pub(crate) type SiblingKey = [u8; 16];

/// Which sessions began in one browser.
pub(super) struct Siblings(Mutex<Cache<SiblingKey, Arc<[RecordId]>>>);

impl Siblings {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Cache::new(REMEMBERED)))
    }

    /// Adds a session to those that began by these attempts, or before in the same browser.
    pub(super) fn join(&self, session: RecordId, of: &[SiblingKey]) {
        let mut known = self.known();
        let mut group = vec![session];
        for key in of {
            // What is known under an attempt is as old as its sign-in; what is known under a
            // session is what is known now.
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

    /// The sessions that began in the browser of this one, and are to be ended with it.
    pub(super) fn of(&self, session: RecordId) -> Vec<RecordId> {
        let known = self.known();
        let group = known.get(&session.bytes());
        group
            .map(|group| group.iter().copied().filter(|other| *other != session).collect())
            .unwrap_or_default()
    }

    /// Forgets a session that has ended.
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

impl fmt::Debug for Siblings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Siblings").field(&self.known().len()).finish()
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
        // An answer that brings the attempts of both joins two groups.
        siblings.join(RecordId(3), &[[9; 16], [1; 16]]);
        assert_eq!((of(&siblings, 3), of(&siblings, 9)), (vec![1, 2, 9], vec![1, 2, 3]));
        // A sign-in that takes the place of one belongs to what that belonged to.
        siblings.join(RecordId(4), &[RecordId(3).bytes()]);
        siblings.forget(RecordId(3));
        assert_eq!(
            (of(&siblings, 4), of(&siblings, 1), of(&siblings, 3)),
            (vec![1, 2, 9], vec![2, 4, 9], vec![])
        );
    }

    #[test]
    fn what_is_remembered_of_one_browser_is_bounded() {
        let siblings = Siblings::new();
        for session in 0..100 {
            siblings.join(RecordId(session), &[[1; 16]]);
        }
        assert_eq!(of(&siblings, 99).len(), MOST - 1);
        assert!(of(&siblings, 99).contains(&98));
    }
}
