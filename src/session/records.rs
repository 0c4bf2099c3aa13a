//! The rows of the store, sealed: session records, and which grant belongs to which.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    grants::DecodedGrants,
    local::Owner,
    seal::{KeyRing, RowPurpose},
    store::{Sealed, Store},
};
pub(super) use crate::sign_in::RecordId;
use crate::{
    clock::{Clock, UnixTime},
    error::Error,
    measure,
    secret::random,
    tokens::{GrantId, GrantRef},
};

impl RecordId {
    /// The id of the session's grant, derived so that whoever can delete the one can delete the
    /// other: its complement. Ids are random, and what tells the two rows apart is the purpose in
    /// their keys.
    pub(super) fn grant_id(self) -> Self {
        Self(!self.0)
    }

    /// The grant, with what opens it.
    pub(super) fn grant(self, key: Zeroizing<[u8; 32]>, expires: UnixTime) -> GrantRef {
        GrantRef::new(GrantId(self.grant_id().0), self.0, key, expires)
    }
}

/// Seals, opens, writes and deletes rows. It is the [`GrantStore`](crate::tokens::GrantStore) of
/// the tokens.
#[derive(Debug)]
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

    /// Writes a session record under a new id and a new key.
    pub(super) async fn create_session(
        &self,
        plain: &[u8],
        expires: UnixTime,
        owner: Owner,
    ) -> Result<(GrantRef, Sealed), Error> {
        let (id, key) = (RecordId::from_bytes(random()?), Zeroizing::new(random()?));
        let sealed = self.keys.seal_row(RowPurpose::Session, &id.bytes(), &key, plain)?;
        let (given, mut row) =
            self.store.create(id, sealed, expires, Some(owner), self.clock.now()).await?;
        if given != id {
            // The store chose another id, and the key depends on it. Nobody knows the session yet.
            let sealed = self.keys.seal_row(RowPurpose::Session, &given.bytes(), &key, plain)?;
            row = self.store.save(given, sealed, expires, self.clock.now()).await?;
        }
        Ok((given.grant(key, expires), row))
    }

    /// Opens a session record; `None` for one that is of another purpose, id, key or application,
    /// or damaged.
    pub(super) fn open_session(
        &self,
        id: RecordId,
        key: &[u8; 32],
        row: &Sealed,
    ) -> Option<Vec<u8>> {
        self.keys.open_row(RowPurpose::Session, &id.bytes(), key, &row.bytes()?)
    }

    /// Deletes what makes somebody signed in, then the grant. A grant that stays is out of reach
    /// without its session, and expires like it.
    ///
    /// # Errors
    ///
    /// [`StoreUnavailable`](crate::ErrorKind::StoreUnavailable): somebody may still be signed in.
    pub(crate) async fn end(&self, session: RecordId) -> Result<(), Error> {
        self.store.delete(session).await?;
        measure::session_ended();
        self.decoded.forget(session.grant_id());
        if let Err(error) = self.store.delete(session.grant_id()).await {
            tracing::warn!(%error, "the grant of a session that ended could not be deleted");
        }
        Ok(())
    }
}
