//! A session store that counts its operations and fails on demand.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
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

/// A handle of the store. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rows: MemoryStore,
    ids: Mutex<Vec<Id>>,
    loads: AtomicUsize,
    writes: AtomicUsize,
    failing: Mutex<Vec<(Operation, usize)>>,
    failing_once: Mutex<Option<Operation>>,
    held: Mutex<Option<(Operation, HeldOperation)>>,
    forgetful: AtomicBool,
    hanging: AtomicBool,
}

/// An operation that is done and whose answer is held back.
#[derive(Clone, Debug)]
pub struct HeldOperation {
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl HeldOperation {
    /// Waits until the operation is done.
    pub async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets the answer go.
    pub fn release(&self) {
        self.released.add_permits(1);
    }
}

impl Watched {
    /// The number of `load` operations.
    pub fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// The number of writes and deletions.
    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// The number of rows.
    pub async fn rows(&self) -> usize {
        let ids = self.0.ids.lock().unwrap().clone();
        let mut rows = 0;
        for id in ids {
            rows += usize::from(self.0.rows.load(&id).await.unwrap().is_some());
        }
        rows
    }

    /// Removes all rows.
    pub async fn wipe(&self) {
        let ids = std::mem::take(&mut *self.0.ids.lock().unwrap());
        for id in ids {
            self.0.rows.delete(&id).await.unwrap();
        }
    }

    /// Replaces the text of every row by the result of `change`.
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

    /// Lets this operation succeed this many times, and fail after that.
    pub fn fail_after(&self, operation: Operation, times: usize) {
        self.0.failing.lock().unwrap().push((operation, times));
    }

    /// The next of these operations fails, and the one after succeeds.
    pub fn fail_next(&self, operation: Operation) {
        *self.0.failing_once.lock().unwrap() = Some(operation);
    }

    /// Holds the answer of the next of these operations back.
    pub fn hold_next(&self, operation: Operation) -> HeldOperation {
        let closed = || Arc::new(Semaphore::new(0));
        let held = HeldOperation { arrived: closed(), released: closed() };
        *self.0.held.lock().unwrap() = Some((operation, held.clone()));
        held
    }

    async fn hold(&self, operation: Operation) {
        let held = self.0.held.lock().unwrap().take_if(|(held, _)| *held == operation);
        if let Some((_, held)) = held {
            held.arrived.add_permits(1);
            held.released.acquire().await.unwrap().forget();
        }
    }

    pub fn recover(&self) {
        self.0.failing.lock().unwrap().clear();
    }

    /// Accepts all writes from now on, and finds no row.
    pub fn forget_everything(&self) {
        self.0.forgetful.store(true, Ordering::SeqCst);
    }

    pub fn remember(&self) {
        self.0.forgetful.store(false, Ordering::SeqCst);
    }

    /// Never responds from now on, like a connection pool whose server is gone.
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
        let once = self.0.failing_once.lock().unwrap().take_if(|failing| *failing == operation);
        if once.is_some() {
            return Err(Error::Backend("connection reset".into()));
        }
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
        self.0.rows.delete(id).await?;
        self.hold(Operation::Delete).await;
        Ok(())
    }
}
