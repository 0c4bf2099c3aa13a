//! [`GrantStore`]: storage of grant records, and [`GrantRef`], the reference to one grant.

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::record::GrantRecord;
use crate::{clock::UnixTime, codec, error::Error, secret::Secret};

/// The id of a record in the store: random, and never reused for another record. Useless without
/// the key in the session ticket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordId(pub(crate) i128);

impl RecordId {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(i128::from_le_bytes(bytes))
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl codec::Value for RecordId {
    fn write(&self, out: &mut Vec<u8>) {
        self.bytes().write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        codec::Value::read(bytes).map(Self::from_bytes)
    }
}

/// The reference to a grant: its id, and the key that opens its record. Code that holds one may use
/// the grant.
///
/// Clones share one allocation; the key in it is wiped with the last of them.
#[derive(Clone)]
pub(crate) struct GrantRef(Arc<GrantParts>);

struct GrantParts {
    id: RecordId,
    session: RecordId,
    key: Zeroizing<[u8; 32]>,
    expires_at: UnixTime,
}

impl GrantRef {
    /// The grant `id` of the session record `session`, until the session's absolute end. The keys
    /// of both records are derived from `key`.
    pub(crate) fn new(
        id: RecordId,
        session: RecordId,
        key: Zeroizing<[u8; 32]>,
        expires_at: UnixTime,
    ) -> Self {
        Self(Arc::new(GrantParts { id, session, key, expires_at }))
    }

    pub(crate) fn id(&self) -> RecordId {
        self.0.id
    }

    /// The id of the session record.
    pub(crate) fn session(&self) -> RecordId {
        self.0.session
    }

    /// The key that the records' keys are derived from.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0.key
    }

    /// The session's absolute end, and with it the record's.
    pub(crate) fn expires_at(&self) -> UnixTime {
        self.0.expires_at
    }
}

/// Storage of grant records.
///
/// Every failure of the store is an error of the kind `store_unavailable`; a record that cannot be
/// opened or read counts as absent.
#[async_trait]
pub(crate) trait GrantStore: Send + Sync + 'static {
    /// The stored record. A record that has not changed since it was decoded is returned as the
    /// same allocation.
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error>;

    /// The stored record, if it is known without waiting.
    fn at_hand(&self, _grant: &GrantRef, _now: UnixTime) -> Option<Arc<GrantRecord>> {
        None
    }

    /// The record of a live session as it was less than a minute ago; changes by another process
    /// since then may be missing. `None` if it has to be [loaded](Self::load).
    async fn recent(
        &self,
        _grant: &GrantRef,
        _now: UnixTime,
    ) -> Result<Option<Arc<GrantRecord>>, Error> {
        Ok(None)
    }

    /// Writes the record over the present one, if there is one. After `Ok` the next
    /// [`load`](Self::load) finds it.
    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error>;

    /// Removes the grant's record; succeeds if there is none.
    async fn delete(&self, grant: &GrantRef) -> Result<(), Error>;

    /// Whether the session of the grant is still live, by the store and never by a cache.
    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error>;

    /// Ends the session: removes the session's record first, then the grant's.
    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error>;

    /// Whether other processes may use the same records.
    fn is_shared(&self) -> bool {
        false
    }
}

impl GrantRecord {
    /// About its memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let secret = |secret: Option<&Secret>| secret.map_or(0, |secret| secret.expose().len());
        let claims = self.claims().map_or(0, |claims| claims.get().len());
        secret(self.refresh_token()) + secret(self.id_token()) + claims + self.tokens().bytes()
    }
}
