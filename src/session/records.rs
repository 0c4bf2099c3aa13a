//! [`Records`]: the sealed rows of the store, and the ids that connect a session and its grant.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    grants::DecodedGrants,
    local::Owner,
    store::{SealedRow, Store},
};
pub(super) use crate::tokens::RecordId;
use crate::{
    clock::{Clock, UnixTime},
    error::Error,
    seal::{KeyRing, RowPurpose},
    secret::random,
    tokens::GrantRef,
};

impl RecordId {
    /// The id of the session's grant: the complement of the session's id. It is derived, so that
    /// the session's id is enough to delete both rows. The purpose in their keys keeps one row from
    /// opening as the other.
    pub(super) fn grant_id(self) -> Self {
        Self(!self.0)
    }

    /// A reference to the grant, with the ticket's half of its key.
    pub(super) fn grant(self, key: Zeroizing<[u8; 32]>, expires: UnixTime) -> GrantRef {
        GrantRef::new(self.grant_id(), self, key, expires)
    }
}

/// Seals, opens, writes and deletes the rows of sessions and grants. It implements
/// [`GrantStore`](crate::tokens::GrantStore) for the module `tokens`.
pub(crate) struct Records {
    pub(super) keys: Arc<KeyRing>,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) decoded: DecodedGrants,
}

impl Records {
    pub(crate) fn new(keys: Arc<KeyRing>, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { keys, store, clock, decoded: DecodedGrants::new() }
    }

    /// Writes a session record under a new random id and a new random key.
    ///
    /// # Errors
    ///
    /// [`StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(super) async fn create_session(
        &self,
        plain: &[u8],
        expires: UnixTime,
        owner: Owner,
    ) -> Result<(GrantRef, SealedRow), Error> {
        let (id, key) = (RecordId::from_bytes(random()?), Zeroizing::new(random()?));
        let sealed = self.keys.seal_row(RowPurpose::Session, &id.bytes(), &key, plain)?;
        let (given, mut row) =
            self.store.create(id, sealed, expires, Some(owner), self.clock.now()).await?;
        if given != id {
            // The store chose another id, which is part of the key: seal again under that id. No
            // cookie refers to the session yet.
            let sealed = self.keys.seal_row(RowPurpose::Session, &given.bytes(), &key, plain)?;
            row = self.store.save(given, sealed, expires, self.clock.now()).await?;
        }
        Ok((given.grant(key, expires), row))
    }

    /// Opens a session record. `None` if it was sealed for another purpose, id, ticket or
    /// application, or is damaged.
    pub(super) fn open_session(
        &self,
        id: RecordId,
        key: &[u8; 32],
        row: &SealedRow,
    ) -> Option<Vec<u8>> {
        self.keys.open_row(RowPurpose::Session, &id.bytes(), key, &row.bytes()?)
    }

    /// Deletes the session record, then the grant.
    ///
    /// # Errors
    ///
    /// [`StoreUnavailable`](crate::ErrorKind::StoreUnavailable): the session may still exist.
    pub(crate) async fn end(&self, session: RecordId) -> Result<(), Error> {
        self.store.delete(session).await?;
        self.decoded.forget(session.grant_id());
        // No error for the caller: the person is signed out. Without its session the grant cannot
        // be reached, and its row expires at the same time.
        if let Err(error) = self.store.delete(session.grant_id()).await {
            tracing::warn!(%error, "the grant of a session that ended could not be deleted");
        }
        Ok(())
    }
}
