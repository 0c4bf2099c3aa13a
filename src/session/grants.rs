//! Grant records in the store: written by flights, and never there for longer than their session.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use quick_cache::sync::Cache;

use super::{
    records::{RecordId, Records},
    seal::RowPurpose,
    store::{Sealed, Store},
};
use crate::{
    error::{Error, ErrorKind},
    tokens::{GrantRecord, GrantRef, GrantStore},
};

/// How many decoded grants are remembered. They are big, and asked for only by who needs tokens.
const DECODED: usize = 1_000;

/// Grants by the row that they were decoded from: a row that has not changed is not opened again.
pub(super) struct DecodedGrants(Cache<RecordId, (Sealed, Arc<GrantRecord>)>);

impl DecodedGrants {
    pub(super) fn new() -> Self {
        Self(Cache::new(DECODED))
    }

    pub(super) fn forget(&self, id: RecordId) {
        self.0.remove(&id);
    }
}

impl fmt::Debug for DecodedGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecodedGrants")
    }
}

impl Records {
    /// Writes the grant of a session that was just created, so that nobody can have ended it.
    pub(super) async fn create_grant(&self, grant: &GrantRef, record: GrantRecord) -> Result<(), Error> {
        let record = Arc::new(record);
        let row = self.insert(grant, &record).await?;
        self.decoded.0.insert(RecordId(grant.id().0), (row, record));
        Ok(())
    }

    fn seal_grant(&self, grant: &GrantRef, record: &GrantRecord) -> Result<Vec<u8>, Error> {
        self.keys.seal_row(RowPurpose::Grant, &grant.id().0.to_le_bytes(), grant.key(), &record.to_json()?)
    }

    /// Writes a row that is not there yet. Its id is derived, so a store that chooses another is asked to write over its own choice.
    async fn insert(&self, grant: &GrantRef, record: &GrantRecord) -> Result<Sealed, Error> {
        let id = RecordId(grant.id().0);
        let (given, row) = self.store.create(id, self.seal_grant(grant, record)?, grant.expires_at(), self.clock.now()).await?;
        if given == id {
            return Ok(row);
        }
        self.store.delete(given).await?;
        let row = self.store.save(id, self.seal_grant(grant, record)?, grant.expires_at(), self.clock.now()).await?;
        if self.holds(id, &row).await? {
            return Ok(row);
        }
        Err(Error::new(ErrorKind::StoreUnavailable, "the session store does not keep what it is given"))
    }

    /// Whether a row is what was written. The local store's always is.
    async fn holds(&self, id: RecordId, row: &Sealed) -> Result<bool, Error> {
        match &self.store {
            Store::Local(_) => Ok(true),
            Store::Dyn(_) => Ok(self.store.load(id, self.clock.now()).await?.is_some_and(|held| held == *row)),
        }
    }
}

#[async_trait]
impl GrantStore for Records {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        let id = RecordId(grant.id().0);
        let Some(row) = self.store.load(id, self.clock.now()).await? else { return Ok(None) };
        if let Some((_, record)) = self.decoded.0.get(&id).filter(|(known, _)| *known == row) {
            return Ok(Some(record));
        }
        let plain = row.bytes().and_then(|sealed| self.keys.open_row(RowPurpose::Grant, &id.bytes(), grant.key(), &sealed));
        let record = plain.and_then(|plain| GrantRecord::from_json(&plain)).map(Arc::new);
        if let Some(record) = &record {
            self.decoded.0.insert(id, (row, Arc::clone(record)));
        }
        Ok(record)
    }

    /// Writes the record, if the session is still there: sign-out deletes the session first and whoever writes looks for it afterwards, so one of the two
    /// always deletes the grant. [`ErrorKind::SessionEnded`] if it has ended.
    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        let id = RecordId(grant.id().0);
        let mut row = self.store.save(id, self.seal_grant(grant, record)?, grant.expires_at(), self.clock.now()).await?;
        if !self.holds(id, &row).await? {
            // Where the row has been evicted some stores write nothing.
            row = self.insert(grant, record).await?;
        }
        if self.session_exists(grant).await? {
            self.decoded.0.insert(id, (row, Arc::clone(record)));
            return Ok(());
        }
        self.delete(grant).await?;
        Err(Error::new(ErrorKind::SessionEnded, "the session ended while its tokens were fetched"))
    }

    async fn delete(&self, grant: &GrantRef) -> Result<(), Error> {
        let id = RecordId(grant.id().0);
        self.decoded.forget(id);
        self.store.delete(id).await
    }

    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error> {
        let id = RecordId(grant.session());
        let row = self.store.load(id, self.clock.now()).await?;
        Ok(row.is_some_and(|row| self.open_session(id, grant.key(), &row).is_some()))
    }

    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error> {
        self.end(RecordId(grant.session())).await
    }
}
