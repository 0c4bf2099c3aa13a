//! The grant records in the store, and the cache of decoded ones.
//!
//! A grant record is written at sign-in and by the single flight of a refresh. Sign-out deletes the
//! session record first, and a flight looks for the session after it has written the grant, so that
//! one of the two always deletes the grant.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::{
    records::{RecordId, Records},
    store::{SealedRow, Store},
    weight::{ByBytes, MOST_BYTES, SWEPT_EVERY, Weighed},
};
use crate::{
    clock::{Recurring, UnixTime},
    codec::{self, Value as _},
    error::Error,
    seal::RowPurpose,
    tokens::{GrantRecord, GrantRef, GrantStore},
};

/// The number of decoded grants. Grants are large, and only requests that need tokens read them.
const MOST: usize = 1_000;
/// How long a decoded grant is used without reading its row from a shared store, in seconds.
const RECENT: i64 = 60;

/// A cache of decoded grants, each with the row that it was decoded from: an unchanged row is not
/// decrypted again. Each insertion, at most every ten minutes, removes those that have expired.
pub(super) struct DecodedGrants {
    grants: Cache<RecordId, Arc<DecodedGrant>, ByBytes>,
    sweep: Recurring,
}

struct DecodedGrant {
    row: SealedRow,
    record: Arc<GrantRecord>,
    expires: UnixTime,
    /// When the row was last seen in the store, in Unix seconds of the injected clock.
    seen: AtomicI64,
}

impl Weighed for Arc<DecodedGrant> {
    fn bytes(&self) -> usize {
        self.row.len()
    }
}

impl DecodedGrants {
    pub(super) fn new() -> Self {
        Self {
            grants: Cache::with_weighter(MOST, MOST_BYTES, ByBytes::among(MOST)),
            sweep: Recurring::every(SWEPT_EVERY),
        }
    }

    fn get(&self, id: RecordId) -> Option<Arc<DecodedGrant>> {
        self.grants.get(&id)
    }

    pub(super) fn forget(&self, id: RecordId) {
        self.grants.remove(&id);
    }

    fn keep(&self, grant: &GrantRef, row: SealedRow, record: &Arc<GrantRecord>, now: UnixTime) {
        if self.sweep.is_due(now) {
            self.grants.retain(|_, known| now < known.expires);
        }
        let (record, expires) = (Arc::clone(record), grant.expires_at());
        let seen = AtomicI64::new(now.as_seconds());
        let decoded = Arc::new(DecodedGrant { row, record, expires, seen });
        self.grants.insert(grant.id(), decoded);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.grants.len()
    }
}

impl Records {
    /// Writes the grant of a new session. No other request knows the session yet, so it cannot have
    /// ended meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(super) async fn create_grant(
        &self,
        grant: &GrantRef,
        record: GrantRecord,
    ) -> Result<(), Error> {
        let record = Arc::new(record);
        let (id, now) = (grant.id(), self.clock.now());
        let sealed = self.seal_grant(grant, &record)?;
        let row = self.store.insert(id, sealed, grant.expires_at(), now).await?;
        self.decoded.keep(grant, row, &record, now);
        Ok(())
    }

    fn seal_grant(&self, grant: &GrantRef, record: &GrantRecord) -> Result<Vec<u8>, Error> {
        self.keys.seal_row(
            RowPurpose::Grant,
            &grant.id().bytes(),
            grant.key(),
            &codec::encode(record),
        )
    }
}

#[async_trait]
impl GrantStore for Records {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        let (id, now) = (grant.id(), self.clock.now());
        let Some(row) = self.store.load(id, now).await? else {
            self.decoded.forget(id);
            return Ok(None);
        };
        // Another process may have refreshed the grant: only an equal row counts.
        if let Some(known) = self.decoded.get(id).filter(|known| known.row == row) {
            known.seen.store(now.as_seconds(), Relaxed);
            return Ok(Some(Arc::clone(&known.record)));
        }
        let plain = row.bytes().and_then(|sealed| {
            self.keys.open_row(RowPurpose::Grant, &id.bytes(), grant.key(), &sealed)
        });
        let record =
            plain.map(Zeroizing::new).and_then(|plain| GrantRecord::read(&plain)).map(Arc::new);
        if let Some(record) = &record {
            self.decoded.keep(grant, row, record, now);
        }
        Ok(record)
    }

    fn at_hand(&self, grant: &GrantRef, now: UnixTime) -> Option<Arc<GrantRecord>> {
        let Store::Local(_) = &self.store else { return None };
        let known = self.decoded.get(grant.id())?;
        known.row.is_stored_here(now).then(|| Arc::clone(&known.record))
    }

    /// Reads the session's row instead of the grant's, which is larger: the session row is gone if
    /// the person has signed out, and the tokens were read at most a minute ago.
    async fn recent(
        &self,
        grant: &GrantRef,
        now: UnixTime,
    ) -> Result<Option<Arc<GrantRecord>>, Error> {
        let recent = |known: &Arc<DecodedGrant>| {
            (0..RECENT).contains(&(now.as_seconds() - known.seen.load(Relaxed)))
        };
        let Some(known) = self.decoded.get(grant.id()).filter(recent) else {
            return Ok(None);
        };
        let session = self.store.load(grant.session(), now).await?;
        Ok(session.map(|_| Arc::clone(&known.record)))
    }

    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        let (id, now) = (grant.id(), self.clock.now());
        let (sealed, expires) = (self.seal_grant(grant, record)?, grant.expires_at());
        // If the row was evicted, some stores write nothing and report success (Redis with XX).
        let row = match self.store.overwrite(id, sealed.clone(), expires, now).await? {
            Some(row) if self.store.holds(id, &row, now).await? => row,
            _ => self.store.insert(id, sealed, expires, now).await?,
        };
        self.decoded.keep(grant, row, record, now);
        Ok(())
    }

    async fn delete(&self, grant: &GrantRef) -> Result<(), Error> {
        let id = grant.id();
        self.decoded.forget(id);
        self.store.delete(id).await
    }

    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error> {
        let id = grant.session();
        let row = self.store.load(id, self.clock.now()).await?;
        Ok(row.is_some_and(|row| self.open_session(id, grant.key(), &row).is_some()))
    }

    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error> {
        self.end(grant.session()).await
    }

    fn is_shared(&self) -> bool {
        matches!(self.store, Store::Shared(_))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::{
        config::SessionEnd,
        error::ErrorKind,
        protocol::ClaimsOfPerson,
        secret::Secret,
        session::{CreatedSession, test_support::*},
        tokens::{
            Grants, RefreshAnswer, RefreshError, RefreshRequest, Refresher, Scopes, TokenSet,
            VerifiedClaims,
        },
    };

    fn record(refresh_token: &str) -> GrantRecord {
        let identity = VerifiedClaims {
            id_token: Secret::from("an ID token"),
            claims: ClaimsOfPerson::of_id_token(RawValue::from_string("{}".into()).unwrap()),
            person: person("ada"),
            expires_at: UnixTime::from_seconds(1_000_000_000),
        };
        let issued =
            TokenSet { refresh_token: Some(Secret::from(refresh_token)), ..TokenSet::default() };
        GrantRecord::at_sign_in(
            &identity,
            Scopes::granted("profile"),
            issued,
            UnixTime::from_seconds(0),
        )
    }

    async fn sign_in(node: &Node) -> CreatedSession {
        node.sessions.create(signed_in("ada"), Some(record("first")), node.now()).await.unwrap()
    }

    async fn refresh_token(node: &Node, grant: &GrantRef) -> Option<String> {
        let record = node.records.load(grant).await.unwrap()?;
        record.refresh_token().map(|token| token.expose().to_owned())
    }

    #[tokio::test]
    async fn a_grant_is_kept_beside_its_session_and_opened_on_every_node() {
        let (open, store) = OpenStore::new();
        for (store, number_of_rows) in [(local(), 0), (memory(), 0), (store, 2)] {
            let (a, b) = (Node::new(store.clone()), Node::new(store));
            let created = sign_in(&a).await;
            let grant = created.session.grant();
            assert_eq!(refresh_token(&a, grant).await.as_deref(), Some("first"));
            let elsewhere = b
                .sessions
                .load(&sent(&browser(&created.set_cookie)), b.now())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(refresh_token(&b, elsewhere.grant()).await.as_deref(), Some("first"));
            b.records.save(elsewhere.grant(), &Arc::new(record("second"))).await.unwrap();
            assert_eq!(
                refresh_token(&a, grant).await.as_deref(),
                Some("second"),
                "although it had decoded the first record"
            );
            let [once, twice] = [a.records.load(grant).await, a.records.load(grant).await]
                .map(|record| record.unwrap().unwrap());
            assert!(Arc::ptr_eq(&once, &twice), "decoded once");
            assert_eq!(open.len(), number_of_rows);
        }
        assert!(!format!("{open:?}").contains("second"));
    }

    #[tokio::test]
    async fn no_tokens_of_a_session_that_is_over_stay_in_memory() {
        for store in [memory(), local()] {
            let (a, b) = (Node::new(store.clone()), Node::new(store));
            for loads_session in [false, true] {
                let created = sign_in(&a).await;
                b.sessions.end(&created.session).await.unwrap();
                match loads_session {
                    true => assert_eq!(a.who(&browser(&created.set_cookie)).await, None),
                    false => {
                        assert_eq!(refresh_token(&a, created.session.grant()).await, None)
                    }
                }
                assert_eq!(a.records.decoded.len(), 0, "another node has ended it");
            }
            for _ in 0..5 {
                sign_in(&a).await;
            }
            a.clock.advance(8 * DAY);
            sign_in(&a).await;
            assert_eq!(a.records.decoded.len(), 1, "the others have expired");
        }
    }

    #[tokio::test]
    async fn signing_out_deletes_the_session_first_and_then_the_grant() {
        let (open, store) = OpenStore::new();
        let node = Node::new(store);
        let created = sign_in(&node).await;
        open.take_log();
        node.sessions.end(&created.session).await.unwrap();
        assert_eq!(open.take_log(), ["delete", "delete"]);
        assert_eq!(open.len(), 0);
        assert_eq!(refresh_token(&node, created.session.grant()).await, None);

        let created = sign_in(&node).await;
        let grant = open.row(created.session.id().grant_id()).unwrap();
        open.set(|store| &store.cannot_delete_grants);
        node.sessions.end(&created.session).await.unwrap();
        assert_eq!(
            node.who(&browser(&created.set_cookie)).await,
            None,
            "signed out: the grant is out of reach"
        );
        assert_eq!(open.row(created.session.id().grant_id()), Some(grant));
    }

    /// A provider that responds after the person has signed out.
    struct SlowProvider(Arc<Records>, RecordId);

    #[async_trait]
    impl Refresher for SlowProvider {
        async fn refresh(&self, _: &Secret, _: &RefreshRequest) -> Result<RefreshAnswer, Error> {
            self.0.end(self.1).await?;
            Ok(RefreshAnswer {
                issued: TokenSet { refresh_token: Some("late".into()), ..TokenSet::default() },
                ..RefreshAnswer::default()
            })
        }
    }

    // C-249: logout ends while a refresh is running
    #[tokio::test]
    async fn tokens_that_come_after_sign_out_leave_nothing_behind() {
        let (open, watched) = OpenStore::new();
        for store in [watched, memory(), local()] {
            let node = Node::new(store);
            let created = sign_in(&node).await;
            let grant = created.session.grant();
            let slow = Arc::new(SlowProvider(node.records.clone(), created.session.id()));
            let clock = Arc::new(node.clock.clone());
            let grants =
                Grants::new(node.records.clone(), slow, clock, None, SessionEnd::OwnLimits);
            let Err(RefreshError::SessionMustEnd(error)) = grants.renew(grant).await else {
                panic!("the session goes on")
            };
            assert_eq!(error.kind(), ErrorKind::SessionEnded);
            assert!(!node.records.session_exists(grant).await.unwrap());
            assert_eq!(refresh_token(&node, grant).await, None);
            assert_eq!(node.who(&browser(&created.set_cookie)).await, None);
        }
        assert_eq!(open.len(), 0);
        assert!(open.take_log().contains(&"save"));
    }

    #[tokio::test]
    async fn a_save_that_writes_nothing_is_noticed_and_repeated_as_an_insert() {
        let (open, store) = OpenStore::new();
        open.set(|store| &store.saves_only_over);
        let node = Node::new(store);
        let created = sign_in(&node).await;
        let grant = created.session.grant();
        open.evict(created.session.id().grant_id());
        assert_eq!(refresh_token(&node, grant).await, None, "evicted");
        node.records.save(grant, &Arc::new(record("second"))).await.unwrap();
        assert_eq!(refresh_token(&node, grant).await.as_deref(), Some("second"));
    }

    #[tokio::test]
    async fn a_store_that_chooses_ids_keeps_the_grant_where_it_is_looked_for() {
        let (open, store) = OpenStore::new();
        open.set(|store| &store.chooses_ids);
        let node = Node::new(store.clone());
        let created = sign_in(&node).await;
        assert_eq!(open.len(), 2);
        assert_eq!(
            refresh_token(&Node::new(store), created.session.grant()).await.as_deref(),
            Some("first")
        );
        // A store that also refuses to save under a given id cannot keep a grant. Then no session
        // is left behind either.
        open.set(|store| &store.saves_only_over);
        let error = node
            .sessions
            .create(signed_in("bob"), Some(record("first")), node.now())
            .await
            .err()
            .unwrap();
        assert_eq!((error.kind(), open.len()), (ErrorKind::StoreUnavailable, 2));
    }

    #[tokio::test]
    async fn the_grant_of_another_session_does_not_open_in_its_place() {
        let (open, store) = OpenStore::new();
        let node = Node::new(store.clone());
        let [ada, mallory] = [sign_in(&node).await, sign_in(&node).await];
        let data = open.row(mallory.session.id().grant_id()).unwrap().data;
        let session = open.row(ada.session.id()).unwrap().data;
        for forged in [data, session] {
            let mut row = open.row(ada.session.id().grant_id()).unwrap();
            row.data = forged;
            open.rows.lock().unwrap().insert(row.id, row);
            assert_eq!(refresh_token(&node, ada.session.grant()).await, None);
            assert_eq!(refresh_token(&Node::new(store.clone()), ada.session.grant()).await, None);
        }
    }

    #[tokio::test]
    async fn a_grant_survives_a_new_cookie_secret() {
        let (_, store) = OpenStore::new();
        let before = Node::new(store.clone());
        let created = sign_in(&before).await;
        let after = Node::with(store, key_ring(&[OTHER_SECRET, SECRET]), before.clock.clone());
        assert_eq!(refresh_token(&after, created.session.grant()).await.as_deref(), Some("first"));
        after.records.save(created.session.grant(), &Arc::new(record("second"))).await.unwrap();
        assert_eq!(refresh_token(&after, created.session.grant()).await.as_deref(), Some("second"));
        assert!(after.records.session_exists(created.session.grant()).await.unwrap());
    }
}
