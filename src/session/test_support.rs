//! Test support for this folder: an application, the requests of its browsers, and stores that
//! behave like published ones.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store,
};

use super::*;
use crate::{
    authority::Authority,
    client::Client,
    clock::{Clock, ManualClock, UnixTime},
    config::{ClientCredential, IdentityConfig},
    protocol::{Provider, test_support::FakeHttp},
    seal::KeyRing,
    secret::Secret,
    sign_in::NewSession,
    tokens::{Grants, Person, RecordId},
    user::Application,
};

pub(super) const SECRET: &str = "a cookie secret of more than 32 bytes";
pub(super) const OTHER_SECRET: &str = "another cookie secret of 32 bytes or more";
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// The time limit of the tests' stores, which respond at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// One process of the application.
pub(super) struct Node {
    pub(super) sessions: Sessions,
    pub(super) records: Arc<Records>,
    pub(super) clock: ManualClock,
}

pub(super) fn key_ring(secrets: &[&str]) -> Arc<KeyRing> {
    app_keys(secrets, "client")
}

pub(super) fn app_keys(secrets: &[&str], client_id: &str) -> Arc<KeyRing> {
    let secrets: Vec<_> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
    let binding = [client_id.as_bytes(), b"https://id.example", b"https://app.example"];
    Arc::new(KeyRing::new(&secrets, &binding).unwrap())
}

impl Node {
    pub(super) fn new(store: Store) -> Self {
        Self::with(store, key_ring(&[SECRET]), ManualClock::at_system_time())
    }

    pub(super) fn with(store: Store, keys: Arc<KeyRing>, clock: ManualClock) -> Self {
        Self::lasting(DAY, 7 * DAY, store, keys, clock)
    }

    pub(super) fn lasting(
        idle: Duration,
        absolute: Duration,
        store: Store,
        keys: Arc<KeyRing>,
        clock: ManualClock,
    ) -> Self {
        let config = IdentityConfig::new(Authority::parse("https://id.example").unwrap(), "client")
            .with_credential(ClientCredential::secret(SECRET))
            .with_base_url("https://app.example")
            .unwrap()
            .with_idle_timeout(idle)
            .with_absolute_timeout(absolute)
            .build()
            .unwrap();
        let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let records = Arc::new(Records::new(keys, store, Arc::clone(&shared_clock)));
        let cookies = Arc::new(Cookies::new("AbCdEfGh", true, false));
        let http = FakeHttp::new(|_| unreachable!("no test here asks the provider"));
        let provider = Provider::new(config.clone(), http, Arc::clone(&shared_clock));
        let grants = Grants::new(
            Arc::clone(&records) as _,
            Arc::new(provider.clone()),
            Arc::clone(&shared_clock),
            None,
            config.session_end(),
        );
        let client = Client::over(provider.clone());
        let application = Arc::new(Application::new(provider, grants, client));
        let sessions = Sessions::new(config, Arc::clone(&records), cookies, application);
        Self { sessions, records, clock }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The `Set-Cookie` of a rolled ticket, if a roll is due.
    pub(super) async fn rolled(&self, session: &Session) -> Option<HeaderValue> {
        let roll = self.sessions.roll(session, self.now())?;
        self.sessions.confirm(&roll, self.now()).await
    }

    /// Signs a person in, and returns the headers of the browser's next request.
    pub(super) async fn sign_in(&self, name: &str) -> HeaderMap {
        browser(&self.sessions.create(signed_in(name), None, self.now()).await.unwrap().set_cookie)
    }

    pub(super) fn peek(&self, headers: &HeaderMap) -> PeekOutcome {
        self.sessions.peek(headers.get(COOKIE), headers, self.now())
    }

    /// The name of the signed-in person. `peek` and `load` must agree.
    pub(super) async fn who(&self, headers: &HeaderMap) -> Option<String> {
        let peeked = self.peek(headers);
        let loaded = self
            .sessions
            .load(&sent(headers), self.now())
            .await
            .unwrap()
            .map(|session| session.user.subject().to_owned());
        match peeked {
            PeekOutcome::None => assert_eq!(loaded, None),
            PeekOutcome::Live(session) => {
                assert_eq!(loaded.as_deref(), Some(session.user.subject()))
            }
            PeekOutcome::Ask => {}
        }
        loaded
    }
}

pub(super) fn local() -> Store {
    Store::Local(Arc::new(LocalStore::new(100, LocalStore::DEFAULT_BYTES)))
}

pub(super) fn memory() -> Store {
    Store::shared(Arc::new(tower_sessions_memory_store::MemoryStore::default()), PATIENCE)
}

pub(super) fn signed_in(name: &str) -> NewSession {
    NewSession {
        person: person(name),
        claims: format!(r#"{{"sub":"{name}","groups":["a","b"]}}"#),
        home_account_id: None,
        renew_at: None,
        ends: None,
        auth_context: None,
        step_ups: Vec::new(),
        returned_to: None,
        lost: 0,
    }
}

pub(super) fn person(name: &str) -> Person {
    Person { iss: "https://id.example".into(), sub: name.into(), tid: None, oid: None }
}

/// The request headers of a browser after this `Set-Cookie`.
pub(super) fn browser(set_cookie: &HeaderValue) -> HeaderMap {
    browser_with([set_cookie])
}

/// The request headers of a browser after these `Set-Cookie`s.
pub(super) fn browser_with<'a>(
    set_cookies: impl IntoIterator<Item = &'a HeaderValue>,
) -> HeaderMap {
    let pairs =
        set_cookies.into_iter().map(|header| header.to_str().unwrap().split(';').next().unwrap());
    cookie_header(&pairs.collect::<Vec<_>>().join("; "))
}

pub(super) fn cookie_header(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(value).unwrap())])
}

/// The cookies of a request with these headers.
pub(super) fn sent(headers: &HeaderMap) -> RequestCookies<'_> {
    Cookies::new("AbCdEfGh", true, false).read(headers)
}

/// The value of the only cookie in the headers.
pub(super) fn value_of(headers: &HeaderMap) -> String {
    headers[COOKIE].to_str().unwrap().split_once('=').unwrap().1.to_owned()
}

pub(super) fn session_cookie(value: &str) -> HeaderMap {
    cookie_header(&format!("__Host-identity-AbCdEfGh={value}"))
}

/// A store whose rows and operations the tests can see, with switches for the behaviour of
/// published stores.
#[derive(Debug, Default)]
pub(super) struct OpenStore {
    pub(super) rows: Mutex<HashMap<Id, Record>>,
    /// The operations since the last `take_log`.
    pub(super) log: Mutex<Vec<&'static str>>,
    /// `save` only overwrites existing rows, as the store of Redis does (`SET` with `XX`).
    pub(super) saves_only_over: AtomicBool,
    /// `create` ignores the given id and chooses one.
    pub(super) chooses_ids: AtomicBool,
    /// Every operation fails.
    pub(super) down: AtomicBool,
    /// `delete` fails.
    pub(super) cannot_delete: AtomicBool,
    /// `delete` fails, except the first time.
    pub(super) cannot_delete_grants: AtomicBool,
    /// `load` fails with a decoding error.
    pub(super) garbled: AtomicBool,
}

impl OpenStore {
    pub(super) fn new() -> (Arc<Self>, Store) {
        let store = Arc::new(Self::default());
        (store.clone(), Store::shared(store, PATIENCE))
    }

    pub(super) fn set(&self, switch: impl Fn(&Self) -> &AtomicBool) {
        switch(self).store(true, Ordering::SeqCst);
    }

    pub(super) fn clear(&self, switch: impl Fn(&Self) -> &AtomicBool) {
        switch(self).store(false, Ordering::SeqCst);
    }

    pub(super) fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.lock().unwrap().len()
    }

    /// The stored row of an id.
    pub(super) fn row(&self, id: RecordId) -> Option<Record> {
        self.rows.lock().unwrap().get(&Id(id.0)).cloned()
    }

    /// Removes a row, as a full store does.
    pub(super) fn evict(&self, id: RecordId) {
        assert!(self.rows.lock().unwrap().remove(&Id(id.0)).is_some());
    }

    fn enter(&self, operation: &'static str, id: &Id) -> session_store::Result<()> {
        let again = self.log.lock().unwrap().contains(&"delete");
        self.log.lock().unwrap().push(operation);
        if operation == "delete" && again && self.cannot_delete_grants.load(Ordering::SeqCst) {
            return Err(session_store::Error::Backend("connection lost".into()));
        }
        if self.down.load(Ordering::SeqCst)
            || (operation == "delete" && self.cannot_delete.load(Ordering::SeqCst))
        {
            return Err(session_store::Error::Backend(format!(
                "connection refused while looking for {id}"
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for OpenStore {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.enter("create", &record.id)?;
        if self.chooses_ids.load(Ordering::SeqCst) {
            record.id = Id::default();
        }
        self.rows.lock().unwrap().insert(record.id, record.clone());
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.enter("save", &record.id)?;
        let mut rows = self.rows.lock().unwrap();
        if rows.contains_key(&record.id) || !self.saves_only_over.load(Ordering::SeqCst) {
            rows.insert(record.id, record.clone());
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        self.enter("load", id)?;
        if self.garbled.load(Ordering::SeqCst) {
            return Err(session_store::Error::Decode("not MessagePack".into()));
        }
        Ok(self.rows.lock().unwrap().get(id).cloned())
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.enter("delete", id)?;
        self.rows.lock().unwrap().remove(id);
        Ok(())
    }
}
