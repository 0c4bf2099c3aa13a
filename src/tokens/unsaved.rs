//! [`Unsaved`]: records that the store did not take. They hold refresh tokens of which there is no other copy.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{lock::Lease, record::GrantRecord, seams::GrantId};

/// When so many records wait for the store nothing more is refreshed: what the provider gave could
/// not be kept.
const CAPACITY: usize = 1000;

/// The records of this process that wait for the store, each with the lock that keeps other
/// processes from using the old one.
#[derive(Debug, Default)]
pub(super) struct Unsaved(Mutex<HashMap<GrantId, Waiting>>);

#[derive(Debug)]
struct Waiting {
    record: Arc<GrantRecord>,
    lease: Option<Lease>,
}

impl Unsaved {
    pub(super) fn record(&self, grant: GrantId) -> Option<Arc<GrantRecord>> {
        let records = self.records();
        if records.is_empty() {
            None
        } else {
            records.get(&grant).map(|waiting| waiting.record.clone())
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.records().len() >= CAPACITY
    }

    pub(super) fn insert(&self, grant: GrantId, record: Arc<GrantRecord>) {
        self.records().insert(grant, Waiting { record, lease: None });
    }

    /// Leaves the lock with the record, if there is one; gives it back if not.
    pub(super) fn hold(&self, grant: GrantId, lease: Lease) -> Option<Lease> {
        match self.records().get_mut(&grant) {
            Some(waiting) => {
                waiting.lease = Some(lease);
                None
            }
            None => Some(lease),
        }
    }

    /// The record is stored, or of no use any more.
    pub(super) fn remove(&self, grant: GrantId) -> Option<Lease> {
        self.records().remove(&grant).and_then(|waiting| waiting.lease)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records().len()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<GrantId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fakes::*;
    use super::*;

    #[test]
    fn it_is_full_at_its_capacity() {
        let world = World::new();
        let (unsaved, record) = (Unsaved::default(), world.record());
        for number in 0..CAPACITY {
            assert!(!unsaved.is_full());
            unsaved.insert(grant(i128::try_from(number).unwrap()).id(), record.clone());
        }
        assert!(unsaved.is_full());
        assert!(unsaved.remove(grant(3).id()).is_none() && !unsaved.is_full());
    }
}
