//! [`GrantStore`]: where grant records are kept, and how a grant is named.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::record::GrantRecord;
use crate::{clock::UnixTime, codec, error::Error};

/// The id of a grant's record: random, and never used for another grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GrantId(pub(crate) i128);

impl codec::Value for GrantId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.to_le_bytes().write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        codec::Value::read(bytes).map(i128::from_le_bytes).map(Self)
    }
}

/// Names a grant and holds what opens its record. Whoever has it may use the grant.
///
/// A clone is one more reference to the same allocation; the key in it is wiped with the last one.
#[derive(Clone)]
pub(crate) struct GrantRef(Arc<GrantParts>);

struct GrantParts {
    id: GrantId,
    session: i128,
    key: Zeroizing<[u8; 32]>,
    expires_at: UnixTime,
}

impl GrantRef {
    /// The grant `id` of the session record `session`, both opened with what comes from `key`,
    /// until the session's absolute end.
    pub(crate) fn new(
        id: GrantId,
        session: i128,
        key: Zeroizing<[u8; 32]>,
        expires_at: UnixTime,
    ) -> Self {
        Self(Arc::new(GrantParts { id, session, key, expires_at }))
    }

    pub(crate) fn id(&self) -> GrantId {
        self.0.id
    }

    /// The id of the session record.
    pub(crate) fn session(&self) -> i128 {
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

impl fmt::Debug for GrantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantRef").field("expires_at", &self.0.expires_at).finish_non_exhaustive()
    }
}

/// Where grant records are kept.
///
/// Every failure of the store is an error of the kind `store_unavailable`; a record that cannot be
/// opened or read is no record.
#[async_trait]
pub(crate) trait GrantStore: fmt::Debug + Send + Sync + 'static {
    /// The record as it is now. A record that was decoded before and has not changed is the same
    /// allocation again.
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error>;

    /// The record as it is now, if that can be told without waiting.
    fn at_hand(&self, _grant: &GrantRef, _now: UnixTime) -> Option<Arc<GrantRecord>> {
        None
    }

    /// The record of a session that is signed in now, as it was less than a minute ago: what
    /// another process has changed since may be missing. `None` if it has to be
    /// [loaded](Self::load).
    async fn recent(
        &self,
        _grant: &GrantRef,
        _now: UnixTime,
    ) -> Result<Option<Arc<GrantRecord>>, Error> {
        Ok(None)
    }

    /// Writes the record, whether or not one was there. `Ok` means that the next
    /// [`load`](Self::load) finds it.
    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error>;

    /// Removes the grant's record. That there is none is no failure.
    async fn delete(&self, grant: &GrantRef) -> Result<(), Error>;

    /// Whether the session that the grant belongs to is still signed in: asked of the store, never
    /// of a cache.
    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error>;

    /// Signs the session out: removes the session's record first, then the grant's.
    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error>;

    /// Whether other processes may work with the same records.
    fn is_shared(&self) -> bool {
        false
    }
}
