//! Fakes of store and lock for the tests of this folder, which fail and wait on demand.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub(super) use super::test_provider::FakeProvider;
use super::*;
use crate::{
    clock::{Clock, ManualClock, UnixTime},
    codec,
    config::SessionEnd,
    error::{Error, ErrorKind, ProviderError},
    protocol::ClaimsOfPerson,
    single_flight::{Task, Tasks, Tokio},
};

/// Lets every other task run once before this one.
#[derive(Default)]
pub(super) struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A store in which every call yields to other tasks.
#[derive(Default)]
pub(super) struct FakeStore {
    records: Mutex<HashMap<RecordId, Arc<GrantRecord>>>,
    sessions: Mutex<HashSet<RecordId>>,
    /// All records that were ever stored, to check that no caller got a token before that.
    history: Mutex<Vec<Arc<GrantRecord>>>,
    /// The number of loads that still return the record before the last save.
    pub(super) stale_loads: AtomicUsize,
    before: Mutex<HashMap<RecordId, Arc<GrantRecord>>>,
    pub(super) failing_loads: AtomicUsize,
    pub(super) failing_saves: AtomicUsize,
    pub(super) failing_ends: AtomicUsize,
    pub(super) saves: AtomicUsize,
}

impl fmt::Debug for FakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeStore")
    }
}

/// Decrements the counter; `false` if it is zero.
fn take(counter: &AtomicUsize) -> bool {
    counter.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl FakeStore {
    pub(super) fn put(&self, grant: &GrantRef, record: &GrantRecord) {
        self.sessions.lock().unwrap().insert(grant.session());
        self.records.lock().unwrap().insert(grant.id(), Arc::new(record.clone()));
    }

    pub(super) fn record(&self, grant: &GrantRef) -> Option<Arc<GrantRecord>> {
        self.records.lock().unwrap().get(&grant.id()).cloned()
    }

    pub(super) fn is_signed_in(&self, grant: &GrantRef) -> bool {
        self.sessions.lock().unwrap().contains(&grant.session())
    }

    pub(super) fn has_stored(&self, text: &str) -> bool {
        let stored = |record: &Arc<GrantRecord>| {
            codec::encode(&**record).windows(text.len()).any(|part| part == text.as_bytes())
        };
        self.history.lock().unwrap().iter().any(stored)
    }

    pub(super) fn has_stored_token(&self, request: &TokenRequest, token: &AccessToken) -> bool {
        let stored = |record: &Arc<GrantRecord>| {
            let request = request.completed_for(record.scopes(), None);
            record.tokens().find(&request.key, |stored| stored.secret == *token.secret()).is_some()
        };
        self.history.lock().unwrap().iter().any(stored)
    }

    /// Removes the grant's record, like a store that evicts.
    pub(super) fn evict(&self, grant: &GrantRef) {
        self.records.lock().unwrap().remove(&grant.id());
    }

    /// Removes the records as a sign-out does.
    pub(super) async fn sign_out(&self, grant: &GrantRef) {
        self.sessions.lock().unwrap().remove(&grant.session());
        YieldOnce::default().await;
        self.evict(grant);
    }
}

fn store_down() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "the store is down")
}

#[async_trait]
impl GrantStore for FakeStore {
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error> {
        let place = if take(&self.stale_loads) { &self.before } else { &self.records };
        let record = if take(&self.failing_loads) {
            Err(store_down())
        } else {
            Ok(place.lock().unwrap().get(&grant.id()).cloned())
        };
        YieldOnce::default().await;
        record
    }

    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error> {
        let fails = take(&self.failing_saves);
        if !fails {
            self.history.lock().unwrap().push(record.clone());
            if let Some(before) = self.records.lock().unwrap().insert(grant.id(), record.clone()) {
                self.before.lock().unwrap().insert(grant.id(), before);
            }
            self.saves.fetch_add(1, SeqCst);
        }
        YieldOnce::default().await;
        if fails { Err(store_down()) } else { Ok(()) }
    }

    async fn delete(&self, grant: &GrantRef) -> Result<(), Error> {
        self.evict(grant);
        YieldOnce::default().await;
        Ok(())
    }

    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error> {
        let exists = self.is_signed_in(grant);
        YieldOnce::default().await;
        Ok(exists)
    }

    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error> {
        if take(&self.failing_ends) {
            return Err(store_down());
        }
        self.sign_out(grant).await;
        Ok(())
    }
}

/// A lock for two processes, with the failures of real locks.
#[derive(Debug, Default)]
pub(super) struct FakeLock {
    owner: Mutex<Option<String>>,
    pub(super) failing: AtomicBool,
    /// Whether the answer is lost when the lock is taken the next time.
    pub(super) loses_answer: AtomicBool,
    /// A clock, and how long each try takes by it.
    pub(super) slow: Mutex<Option<(ManualClock, Duration)>>,
    pub(super) log: Mutex<Vec<&'static str>>,
}

impl FakeLock {
    pub(super) fn is_free(&self) -> bool {
        self.owner.lock().unwrap().is_none()
    }

    pub(super) fn taken_by_another() -> Self {
        Self { owner: Mutex::new(Some("another".into())), ..Self::default() }
    }

    pub(super) fn lapse(&self) {
        *self.owner.lock().unwrap() = None;
    }
}

#[async_trait]
impl RefreshLock for FakeLock {
    async fn try_lock(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!((name.len(), owner.len(), lease), (32, 32, Duration::from_secs(45)));
        if self.failing.load(SeqCst) {
            return Err("the lock is down".into());
        }
        let (free, entry) = {
            let mut held = self.owner.lock().unwrap();
            match held.as_deref() {
                None => {
                    *held = Some(owner.into());
                    (true, "taken")
                }
                Some(holder) if holder == owner => (true, "renewed"),
                Some(_) => (false, "busy"),
            }
        };
        self.log.lock().unwrap().push(entry);
        if let Some((clock, time)) = &*self.slow.lock().unwrap() {
            clock.advance(*time);
        }
        YieldOnce::default().await;
        if free && self.loses_answer.swap(false, SeqCst) {
            Err("no answer in time".into())
        } else {
            Ok(free)
        }
    }

    async fn unlock(
        &self,
        _name: &str,
        owner: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.owner.lock().unwrap().take_if(|held| held == owner).is_some() {
            self.log.lock().unwrap().push("freed");
        }
        YieldOnce::default().await;
        Ok(())
    }
}

/// Tokio, with pauses that only yield to other tasks; their lengths are recorded.
#[derive(Debug, Default)]
pub(super) struct YieldingPauses(
    pub(super) Mutex<Vec<Duration>>,
    /// How many of the next deadlines end. They do so at once.
    pub(super) AtomicUsize,
);

impl Tasks for YieldingPauses {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        Tokio.spawn(task)
    }

    fn pause(&self, duration: Duration) -> Task {
        self.0.lock().unwrap().push(duration);
        Box::pin(tokio::task::yield_now())
    }

    fn deadline(&self, _: Duration) -> Task {
        let left = self.1.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Box::pin(tokio::task::yield_now()),
            Err(_) => Box::pin(std::future::pending()),
        }
    }
}

pub(super) const START: UnixTime = UnixTime::from_seconds(1_800_000_000);

pub(super) fn ada() -> Person {
    Person {
        iss: "https://id.example".into(),
        sub: "ada".into(),
        tid: Some("home".into()),
        oid: Some("1".into()),
    }
}

pub(super) fn identity(person: Person, name: &str, expires_at: UnixTime) -> VerifiedClaims {
    let claims = RawValue::from_string(format!(r#"{{"name":"{name}"}}"#)).unwrap();
    let claims = ClaimsOfPerson::of_id_token(claims);
    VerifiedClaims { id_token: name.into(), claims, person, expires_at }
}

pub(super) fn provider_error(error: &str) -> ProviderError {
    ProviderError { error: error.into(), ..ProviderError::default() }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn request(scopes: &str) -> TokenRequest {
    TokenRequest::new([scopes]).unwrap()
}

/// One session, signed in at [`START`] with `openid api.read`. Its tokens are valid for an hour.
pub(super) struct TestSession {
    pub(super) clock: ManualClock,
    pub(super) store: Arc<FakeStore>,
    pub(super) provider: Arc<FakeProvider>,
    pub(super) tasks: Arc<YieldingPauses>,
    pub(super) grants: Grants,
    pub(super) grant: GrantRef,
}

impl TestSession {
    pub(super) fn new() -> Self {
        Self::with(|_| {}, None, SessionEnd::OwnLimits)
    }

    /// A session whose provider answers only when its gate has a permit.
    pub(super) fn gated() -> Self {
        Self::with(|provider| provider.gate = Some(Semaphore::new(0)), None, SessionEnd::OwnLimits)
    }

    pub(super) fn with(
        provider: impl FnOnce(&mut FakeProvider),
        lock: Option<Arc<dyn RefreshLock>>,
        session_end: SessionEnd,
    ) -> Self {
        let clock = ManualClock::at(START);
        let mut fake = FakeProvider::new(clock.clone());
        provider(&mut fake);
        let (provider, store, tasks) =
            (Arc::new(fake), Arc::new(FakeStore::default()), Arc::new(YieldingPauses::default()));
        let grants = Grants::on(
            tasks.clone(),
            store.clone(),
            provider.clone(),
            Arc::new(clock.clone()),
            lock,
            session_end,
        );
        let session = Self { clock, store, provider, tasks, grants, grant: grant(1) };
        session.sign_in(&session.grant, |_| {});
        session
    }

    /// Signs in with the usual answer, changed by `change`.
    pub(super) fn sign_in(&self, grant: &GrantRef, change: impl FnOnce(&mut TokenSet)) {
        sign_in(&self.store, &self.provider, grant, self.clock.now(), change);
    }

    /// Waits until all background tasks have finished.
    pub(super) async fn settled(&self) {
        while self.grants.is_busy() {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn record(&self) -> Arc<GrantRecord> {
        self.store.record(&self.grant).unwrap()
    }

    pub(super) async fn token(&self, scopes: &str) -> Result<AccessToken, Error> {
        self.grants.access_token(&self.grant, &request(scopes)).await
    }

    /// The name claim after a renewal that must succeed; `None` for that of the sign-in.
    pub(super) async fn live(&self) -> Option<String> {
        match self.grants.renew(&self.grant).await {
            Ok(renewed) => renewed.claims().map(|claims| claims.get().to_owned()),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// The kind of a renewal's error that leaves the session as it is.
    pub(super) async fn renewal_failure(&self) -> ErrorKind {
        match self.grants.renew(&self.grant).await {
            Err(RefreshError::Failed(error)) => error.kind(),
            Err(RefreshError::SessionMustEnd(error)) => panic!("the session ended: {error}"),
            Ok(_) => panic!("it was renewed"),
        }
    }
}

pub(super) fn grant(number: i128) -> GrantRef {
    GrantRef::new(
        RecordId(number),
        RecordId(-number),
        Zeroizing::new([7; 32]),
        START + seconds(7 * 86_400),
    )
}

pub(super) fn sign_in(
    store: &FakeStore,
    provider: &FakeProvider,
    grant: &GrantRef,
    now: UnixTime,
    change: impl FnOnce(&mut TokenSet),
) {
    let mut issued = TokenSet {
        access_token: Some("access-0".into()),
        expires_in: Some(seconds(3600)),
        refresh_token: Some(format!("refresh-0-{}", grant.id().0).into()),
        ..TokenSet::default()
    };
    change(&mut issued);
    if let Some(token) = &issued.refresh_token {
        provider.accept(token.expose());
    }
    let scopes = Scopes::asked(["openid api.read"]).unwrap();
    store.put(
        grant,
        &GrantRecord::at_sign_in(
            &identity(ada(), "id-0", now + seconds(3600)),
            scopes,
            issued,
            now,
        ),
    );
}
