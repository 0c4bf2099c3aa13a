//! [`Store`]: the storage of sealed rows, in this process or in any `tower-sessions` store.

use std::{future::Future, sync::Arc, time::Duration};

use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store,
};

use super::{
    local::{LocalRow, LocalStore, Owner},
    records::RecordId,
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    measure::Stopwatch,
    secret::{base64url, from_base64url, random},
};

/// The life of a row that is written to test the store, if it cannot be deleted.
const PROBE_LIFE: Duration = Duration::from_secs(60);
/// The only member of a stored record's data.
const MEMBER: &str = "tower-identity";

/// The store of sessions, grants and token caches.
#[derive(Clone)]
pub(crate) enum Store {
    /// In this process: synchronous.
    Local(Arc<LocalStore>),
    /// Any implementation of `SessionStore`.
    Shared(SharedStore),
}

/// A `SessionStore`, usually reached over a network, with a time limit for each operation.
#[derive(Clone)]
pub(crate) struct SharedStore {
    store: Arc<dyn SessionStore>,
    timeout: Duration,
}

/// A sealed row in the form in which its store returns it, so that two reads can be compared
/// without decoding.
#[derive(Clone)]
pub(super) enum SealedRow {
    Local(Arc<LocalRow>),
    /// The bytes as base64url.
    Shared(String),
}

impl SealedRow {
    /// The sealed bytes. `None` if the text is not base64url.
    pub(super) fn bytes(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self {
            Self::Local(row) => Some(row.sealed().into()),
            Self::Shared(text) => from_base64url(text).map(Into::into),
        }
    }

    /// Whether the store is in this process and still has the row. A shared store has to be asked.
    pub(super) fn is_stored_here(&self, now: UnixTime) -> bool {
        matches!(self, Self::Local(row) if row.is_stored(now))
    }

    /// The length of the row in its store, in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Local(row) => row.sealed().len(),
            Self::Shared(text) => text.len(),
        }
    }
}

impl PartialEq for SealedRow {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(a), Self::Local(b)) => Arc::ptr_eq(a, b),
            (Self::Shared(a), Self::Shared(b)) => a == b,
            _ => false,
        }
    }
}

impl SharedStore {
    /// Runs an operation with the time limit. Some connection pools wait without end for a server
    /// that does not respond, and the request would wait with them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: the operation took too long. It may still be carried out
    /// later.
    async fn within<T>(
        &self,
        operation: &'static str,
        running: impl Future<Output = session_store::Result<T>>,
    ) -> Result<session_store::Result<T>, Error> {
        let stopwatch = Stopwatch::start();
        let outcome = tokio::time::timeout(self.timeout, running).await;
        stopwatch.store(
            operation,
            match &outcome {
                Ok(Ok(_)) => "ok",
                Ok(Err(_)) => "failed",
                Err(_) => "too_slow",
            },
        );
        outcome.map_err(|_| {
            let seconds = self.timeout.as_secs_f32();
            tracing::warn!(
                operation,
                seconds,
                "the session store does not answer (`with_store_timeout`, IDENTITY_STORE_TIMEOUT)"
            );
            Error::new(
                ErrorKind::StoreUnavailable,
                format!(
                    "the session store took longer than {seconds} s to {operation} \
                     (`with_store_timeout`, IDENTITY_STORE_TIMEOUT)"
                ),
            )
        })
    }
}

impl Store {
    /// A store that several processes may share. Each operation fails after `timeout`.
    pub(crate) fn shared(store: Arc<dyn SessionStore>, timeout: Duration) -> Self {
        Self::Shared(SharedStore { store, timeout })
    }

    /// The row of `id`, if there is one. A row that the store itself cannot decode counts as
    /// missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]
    pub(super) async fn load(
        &self,
        id: RecordId,
        now: UnixTime,
    ) -> Result<Option<SealedRow>, Error> {
        match self {
            Self::Local(store) => Ok(store.load(id, now).map(SealedRow::Local)),
            Self::Shared(shared) => {
                match shared.within("load", shared.store.load(&outer_id(id))).await? {
                    Ok(record) => Ok(record.and_then(sealed)),
                    Err(session_store::Error::Decode(_)) => {
                        tracing::warn!(
                            "a row of the session store cannot be decoded: it counts as absent"
                        );
                        Ok(None)
                    }
                    Err(error) => Err(unavailable("load", id, &error)),
                }
            }
        }
    }

    /// Writes a new row, and returns its id: a `SessionStore` may choose another one than `id`.
    /// `owner` is the person of a session, and `None` for other rows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]
    pub(super) async fn create(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        owner: Option<Owner>,
        now: UnixTime,
    ) -> Result<(RecordId, SealedRow), Error> {
        match self {
            Self::Local(store) => {
                Ok((id, SealedRow::Local(store.save(id, sealed, expires, owner, now))))
            }
            Self::Shared(shared) => {
                let text = base64url(&sealed);
                let mut record = record(id, &text, expires);
                let created = shared.within("create", shared.store.create(&mut record)).await?;
                created.map_err(|error| unavailable("create", id, &error))?;
                Ok((inner_id(record.id), SealedRow::Shared(text)))
            }
        }
    }

    /// Overwrites a row. `None` if there is no row to overwrite and the store reports that as a
    /// failure, as the store of Redis does ("Could not convert to bool"). Some other stores write
    /// nothing then and report success.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: the write failed although there is a row.
    pub(super) async fn overwrite(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<Option<SealedRow>, Error> {
        match self {
            Self::Local(_) => {
                self.create(id, sealed, expires, None, now).await.map(|(_, sealed)| Some(sealed))
            }
            Self::Shared(shared) => {
                let text = base64url(&sealed);
                match shared.within("save", shared.store.save(&record(id, &text, expires))).await? {
                    Ok(()) => Ok(Some(SealedRow::Shared(text))),
                    Err(error) => match self.load(id, now).await? {
                        Some(_) => Err(unavailable("save", id, &error)),
                        None => Ok(None),
                    },
                }
            }
        }
    }

    /// Writes a new row under exactly this id. If the store chooses another id, that row is deleted
    /// and the row is saved under this id instead.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: the write failed, or the store does not return the row
    /// afterwards.
    pub(super) async fn insert(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<SealedRow, Error> {
        let (given, row) = self.create(id, sealed.clone(), expires, None, now).await?;
        if given == id {
            return Ok(row);
        }
        self.delete(given).await?;
        let row = self.save(id, sealed, expires, now).await?;
        if self.holds(id, &row, now).await? { Ok(row) } else { Err(not_kept()) }
    }

    /// Whether the store has this row under this id. Called after a write, which the local store
    /// always carries out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]
    pub(super) async fn holds(
        &self,
        id: RecordId,
        row: &SealedRow,
        now: UnixTime,
    ) -> Result<bool, Error> {
        match self {
            Self::Local(_) => Ok(true),
            Self::Shared(_) => Ok(self.load(id, now).await?.is_some_and(|stored| stored == *row)),
        }
    }

    /// Deletes a row. A row that does not exist is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: the row may still exist.
    pub(super) async fn delete(&self, id: RecordId) -> Result<(), Error> {
        match self {
            Self::Local(store) => {
                store.delete(id);
                Ok(())
            }
            Self::Shared(shared) => {
                let deleted = shared.within("delete", shared.store.delete(&outer_id(id))).await?;
                deleted.map_err(|error| unavailable("delete", id, &error))
            }
        }
    }

    /// Writes a row, reads it and deletes it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: an operation failed, or the row was not kept.
    pub(crate) async fn probe(&self, now: UnixTime) -> Result<(), Error> {
        let id = RecordId(i128::from_ne_bytes(random()?));
        let sealed = random::<32>()?.to_vec();
        let (id, written) = self.create(id, sealed, now + PROBE_LIFE, None, now).await?;
        let read = self.load(id, now).await;
        let deleted = self.delete(id).await;
        match read? {
            Some(read) if read == written => deleted,
            _ => Err(not_kept()),
        }
    }

    /// Overwrites a row that must exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: the write failed, or there is no row any more.
    pub(super) async fn save(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<SealedRow, Error> {
        let row = self.overwrite(id, sealed, expires, now).await?;
        row.ok_or_else(not_kept)
    }
}

fn outer_id(id: RecordId) -> Id {
    Id(id.0)
}

fn inner_id(id: Id) -> RecordId {
    RecordId(id.0)
}

fn record(id: RecordId, sealed: &str, expires: UnixTime) -> Record {
    // `OffsetDateTime` ends with the year 9999. The sealed end is not affected.
    let expiry_date = OffsetDateTime::from_unix_timestamp(expires.as_seconds())
        .unwrap_or(time::PrimitiveDateTime::MAX.assume_utc());
    Record {
        id: outer_id(id),
        data: [(MEMBER.to_owned(), Value::from(sealed))].into(),
        expiry_date,
    }
}

fn sealed(record: Record) -> Option<SealedRow> {
    // It is the only member as a rule: to look is cheaper than to hash its name.
    match record.data.into_iter().find(|(name, _)| name == MEMBER)? {
        (_, Value::String(text)) => Some(SealedRow::Shared(text)),
        _ => None,
    }
}

fn not_kept() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "the session store did not keep a row that was written")
}

/// The error of a failed operation. The store's own message is logged only, at most 300 characters
/// of it and without the record's id, which some stores repeat in it.
fn unavailable(operation: &'static str, id: RecordId, error: &session_store::Error) -> Error {
    let text = error.to_string();
    // Before the cut, which could leave a part of the id.
    let text =
        text.replace(&outer_id(id).to_string(), "…").replace(&outer_id(id).0.to_string(), "…");
    let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    tracing::warn!(operation, error = %text, "the session store failed");
    Error::new(ErrorKind::StoreUnavailable, format!("the session store failed to {operation}"))
}
