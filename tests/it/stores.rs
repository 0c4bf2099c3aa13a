//! A session store that is watched, and fails on command.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};
use tower_sessions_memory_store::MemoryStore;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Save,
    Load,
    Delete,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Create, Self::Save, Self::Load, Self::Delete];
}

/// Clones are handles of one store.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rows: MemoryStore,
    ids: Mutex<Vec<Id>>,
    loads: AtomicUsize,
    writes: AtomicUsize,
    failing: Mutex<Vec<(Operation, usize)>>,
    forgetful: AtomicBool,
    hanging: AtomicBool,
}

impl Watched {
    /// How often a row was asked for.
    pub fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// How often something was written or deleted.
    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many rows there are.
    pub async fn rows(&self) -> usize {
        let ids = self.0.ids.lock().unwrap().clone();
        let mut rows = 0;
        for id in ids {
            rows += usize::from(self.0.rows.load(&id).await.unwrap().is_some());
        }
        rows
    }

    /// Loses every row.
    pub async fn wipe(&self) {
        let ids = std::mem::take(&mut *self.0.ids.lock().unwrap());
        for id in ids {
            self.0.rows.delete(&id).await.unwrap();
        }
    }

    /// Replaces the text in every row by what `change` makes of it.
    pub async fn change(&self, change: impl Fn(String) -> String) {
        let ids = self.0.ids.lock().unwrap().clone();
        for id in ids {
            let Some(mut record) = self.0.rows.load(&id).await.unwrap() else { continue };
            for value in record.data.values_mut() {
                *value = change(value.as_str().unwrap().to_owned()).into();
            }
            self.0.rows.save(&record).await.unwrap();
        }
    }

    /// These operations fail from now on.
    pub fn fail(&self, operations: &[Operation]) {
        *self.0.failing.lock().unwrap() =
            operations.iter().map(|operation| (*operation, 0)).collect();
    }

    /// This operation works so many times and then fails.
    pub fn fail_after(&self, operation: Operation, times: usize) {
        self.0.failing.lock().unwrap().push((operation, times));
    }

    pub fn recover(&self) {
        self.0.failing.lock().unwrap().clear();
    }

    /// Takes everything from now on and finds nothing.
    pub fn forget_everything(&self) {
        self.0.forgetful.store(true, Ordering::SeqCst);
    }

    pub fn remember(&self) {
        self.0.forgetful.store(false, Ordering::SeqCst);
    }

    /// Answers nothing from now on, as a pool does whose server is gone.
    pub fn hang(&self) {
        self.0.hanging.store(true, Ordering::SeqCst);
    }

    pub fn answer(&self) {
        self.0.hanging.store(false, Ordering::SeqCst);
    }

    async fn pass(&self, operation: Operation) -> Result<()> {
        if self.0.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let count = if operation == Operation::Load { &self.0.loads } else { &self.0.writes };
        count.fetch_add(1, Ordering::SeqCst);
        match self.0.failing.lock().unwrap().iter_mut().find(|(failing, _)| *failing == operation) {
            Some((_, 0)) => Err(Error::Backend("connection refused: redis://:secret@store".into())),
            Some((_, times)) => {
                *times -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl SessionStore for Watched {
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.pass(Operation::Create).await?;
        self.0.rows.create(record).await?;
        self.0.ids.lock().unwrap().push(record.id);
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.pass(Operation::Save).await?;
        self.0.ids.lock().unwrap().push(record.id);
        self.0.rows.save(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        self.pass(Operation::Load).await?;
        if self.0.forgetful.load(Ordering::SeqCst) { Ok(None) } else { self.0.rows.load(id).await }
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.pass(Operation::Delete).await?;
        self.0.rows.delete(id).await
    }
}
