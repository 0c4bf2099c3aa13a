//! Where the sealed rows are: in this process or in any `tower-sessions` store.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store,
};

use super::{
    local::{LocalStore, Owner},
    records::RecordId,
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    measure::Stopwatch,
    secret::{base64url, from_base64url},
};

/// The only member of a record's data.
const MEMBER: &str = "tower-identity";

/// The store of sessions and grants.
#[derive(Clone)]
pub(crate) enum Store {
    /// In this process: answers at once.
    Local(Arc<LocalStore>),
    /// Anything that implements `SessionStore`.
    Dyn(RemoteStore),
}

/// A store that is asked over a network as a rule, and for so long at most.
#[derive(Clone)]
pub(crate) struct RemoteStore {
    store: Arc<dyn SessionStore>,
    timeout: Duration,
}

/// A sealed row, as its store gives it.
#[derive(Clone)]
pub(super) enum Sealed {
    Local(Arc<[u8]>),
    /// Base64url.
    Dyn(String),
}

impl Sealed {
    /// The sealed bytes; `None` for text that is not base64url.
    pub(super) fn bytes(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self {
            Self::Local(sealed) => Some(sealed.as_ref().into()),
            Self::Dyn(text) => from_base64url(text).map(Into::into),
        }
    }
}

impl Sealed {
    /// How long it is in the store.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Local(sealed) => sealed.len(),
            Self::Dyn(text) => text.len(),
        }
    }
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(a), Self::Local(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Dyn(a), Self::Dyn(b)) => a == b,
            _ => false,
        }
    }
}

impl RemoteStore {
    /// An operation under the time limit: some pools wait for a server that does not answer for
    /// ever, and a request with them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: it took too long. Whether it is carried out later is not
    /// known.
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
                    "the session store took longer than {seconds} s to {operation} (`with_store_timeout`, IDENTITY_STORE_TIMEOUT)"
                ),
            )
        })
    }
}

impl Store {
    /// A store that several processes may share, which answers within `timeout`.
    pub(crate) fn shared(store: Arc<dyn SessionStore>, timeout: Duration) -> Self {
        Self::Dyn(RemoteStore { store, timeout })
    }

    /// The row of `id`. A row that the store itself cannot decode is none.
    pub(super) async fn load(&self, id: RecordId, now: UnixTime) -> Result<Option<Sealed>, Error> {
        match self {
            Self::Local(store) => Ok(store.load(id, now).map(Sealed::Local)),
            Self::Dyn(shared) => {
                match shared.within("load", shared.store.load(&outer_id(id))).await? {
                    Ok(record) => Ok(record.and_then(sealed)),
                    Err(session_store::Error::Decode(_)) => {
                        tracing::warn!("a row of the session store cannot be decoded: signed out");
                        Ok(None)
                    }
                    Err(error) => Err(unavailable("load", id, &error)),
                }
            }
        }
    }

    /// Writes a new row and tells the id that the store gave it, which may be another than was
    /// asked for. `owner`: the person, where it is a session.
    pub(super) async fn create(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        owner: Option<Owner>,
        now: UnixTime,
    ) -> Result<(RecordId, Sealed), Error> {
        match self {
            Self::Local(store) => {
                let sealed: Arc<[u8]> = sealed.into();
                store.save(id, Arc::clone(&sealed), expires, owner, now);
                Ok((id, Sealed::Local(sealed)))
            }
            Self::Dyn(shared) => {
                let text = base64url(&sealed);
                let mut record = record(id, &text, expires);
                let created = shared.within("create", shared.store.create(&mut record)).await?;
                created.map_err(|error| unavailable("create", id, &error))?;
                Ok((inner_id(record.id), Sealed::Dyn(text)))
            }
        }
    }

    /// Overwrites a row. Where there is none, some stores write nothing, and the one of Redis says
    /// then that it failed ("Could not convert to bool"): a failure is told only if there is a row,
    /// otherwise the answer is `None`.
    pub(super) async fn overwrite(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<Option<Sealed>, Error> {
        match self {
            Self::Local(_) => {
                self.create(id, sealed, expires, None, now).await.map(|(_, sealed)| Some(sealed))
            }
            Self::Dyn(shared) => {
                let text = base64url(&sealed);
                match shared.within("save", shared.store.save(&record(id, &text, expires))).await? {
                    Ok(()) => Ok(Some(Sealed::Dyn(text))),
                    Err(error) => match self.load(id, now).await? {
                        Some(_) => Err(unavailable("save", id, &error)),
                        None => Ok(None),
                    },
                }
            }
        }
    }

    /// Writes a row that is not there yet under exactly this id. A store that chooses an id of its
    /// own is asked to delete that row and to save under this id instead.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`], also if the store does not have the row afterwards.
    pub(super) async fn insert(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<Sealed, Error> {
        let (given, row) = self.create(id, sealed.clone(), expires, None, now).await?;
        if given == id {
            return Ok(row);
        }
        self.delete(given).await?;
        let row = self.save(id, sealed, expires, now).await?;
        if self.holds(id, &row, now).await? { Ok(row) } else { Err(not_kept()) }
    }

    /// Whether the store has this row under this id. After a write to the local store it always
    /// does.
    pub(super) async fn holds(
        &self,
        id: RecordId,
        row: &Sealed,
        now: UnixTime,
    ) -> Result<bool, Error> {
        match self {
            Self::Local(_) => Ok(true),
            Self::Dyn(_) => Ok(self.load(id, now).await?.is_some_and(|stored| stored == *row)),
        }
    }

    pub(super) async fn delete(&self, id: RecordId) -> Result<(), Error> {
        match self {
            Self::Local(store) => {
                store.delete(id);
                Ok(())
            }
            Self::Dyn(shared) => {
                let deleted = shared.within("delete", shared.store.delete(&outer_id(id))).await?;
                deleted.map_err(|error| unavailable("delete", id, &error))
            }
        }
    }

    /// Overwrites a row that was there a moment ago.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`], also if it is gone.
    pub(super) async fn save(
        &self,
        id: RecordId,
        sealed: Vec<u8>,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<Sealed, Error> {
        let row = self.overwrite(id, sealed, expires, now).await?;
        row.ok_or_else(not_kept)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(store) => store.fmt(f),
            // Not the store's own text: some print everything they hold.
            Self::Dyn(_) => f.write_str("SessionStore"),
        }
    }
}

fn outer_id(id: RecordId) -> Id {
    Id(id.0)
}

fn inner_id(id: Id) -> RecordId {
    RecordId(id.0)
}

fn record(id: RecordId, sealed: &str, expires: UnixTime) -> Record {
    // Beyond year 9999 a store cannot say it; the end inside the seal stays what it is.
    let expiry_date = OffsetDateTime::from_unix_timestamp(expires.as_seconds())
        .unwrap_or(time::PrimitiveDateTime::MAX.assume_utc());
    Record {
        id: outer_id(id),
        data: [(MEMBER.to_owned(), Value::from(sealed))].into(),
        expiry_date,
    }
}

fn sealed(mut record: Record) -> Option<Sealed> {
    match record.data.remove(MEMBER)? {
        Value::String(text) => Some(Sealed::Dyn(text)),
        _ => None,
    }
}

fn not_kept() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "the session store does not keep what it is given")
}

/// The store's own words go to the log, without the id that some of them repeat.
fn unavailable(operation: &'static str, id: RecordId, error: &session_store::Error) -> Error {
    let words: String = error.to_string().chars().filter(|c| !c.is_control()).take(300).collect();
    let words =
        words.replace(&outer_id(id).to_string(), "…").replace(&outer_id(id).0.to_string(), "…");
    tracing::warn!(operation, error = %words, "the session store failed");
    Error::new(ErrorKind::StoreUnavailable, format!("the session store failed to {operation}"))
}
