//! The fake of a provider for the tests of this folder: it rotates refresh tokens, detects their
//! reuse, and fails and waits on demand.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{
    test_support::{YieldOnce, ada, identity, provider_error},
    *,
};
use crate::{
    clock::{Clock, ManualClock},
    error::{Error, ErrorKind, ProviderError},
    secret::Secret,
    single_flight::Order,
};

/// Changes an answer, or turns it into an error.
type RefreshHandler = Box<dyn FnOnce(RefreshAnswer) -> Result<RefreshAnswer, Error> + Send>;

/// A provider that rotates refresh tokens and revokes the grant when an old one is used again.
pub(super) struct FakeProvider {
    clock: ManualClock,
    /// `None`: calls are answered at once. Otherwise each call waits for a permit.
    pub(super) gate: Option<Semaphore>,
    valid: Mutex<HashSet<String>>,
    pub(super) reused: AtomicBool,
    pub(super) calls: AtomicUsize,
    inside: AtomicUsize,
    /// The greatest number of concurrent requests.
    pub(super) most_inside: AtomicUsize,
    pub(super) requests: Mutex<Vec<RefreshRequest>>,
    answers: Mutex<VecDeque<RefreshHandler>>,
    pub(super) rotates: AtomicBool,
    /// Whether requests may run at the same time.
    pub(super) at_once: AtomicBool,
}

impl fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeProvider")
    }
}

impl FakeProvider {
    pub(super) fn new(clock: ManualClock) -> Self {
        Self {
            clock,
            gate: None,
            valid: Mutex::default(),
            reused: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            most_inside: AtomicUsize::new(0),
            requests: Mutex::default(),
            answers: Mutex::default(),
            rotates: AtomicBool::new(true),
            at_once: AtomicBool::new(false),
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// Accepts this refresh token.
    pub(super) fn accept(&self, refresh_token: &str) {
        self.valid.lock().unwrap().insert(refresh_token.into());
    }

    pub(super) fn accepts(&self, refresh_token: &Secret) -> bool {
        self.valid.lock().unwrap().contains(refresh_token.expose())
    }

    /// Changes the next answer that no earlier call of this method changes.
    pub(super) fn next(
        &self,
        answer: impl FnOnce(RefreshAnswer) -> Result<RefreshAnswer, Error> + Send + 'static,
    ) {
        self.answers.lock().unwrap().push_back(Box::new(answer));
    }

    pub(super) fn next_fails(&self, kind: ErrorKind, provider: ProviderError) {
        self.next(move |_| Err(Error::from_provider(kind, provider)));
    }

    pub(super) fn last_request(&self) -> RefreshRequest {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

/// Counts one running request, and its end even after a panic.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[async_trait]
impl Refresher for FakeProvider {
    fn order(&self) -> Order {
        if self.at_once.load(SeqCst) { Order::AtOnce } else { Order::InTurn }
    }

    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<RefreshAnswer, Error> {
        assert!(!refresh_token.is_empty(), "an empty refresh token was sent");
        let call = self.calls.fetch_add(1, SeqCst) + 1;
        let _inside = Inside(&self.inside);
        self.most_inside.fetch_max(self.inside.fetch_add(1, SeqCst) + 1, SeqCst);
        self.requests.lock().unwrap().push(request.clone());
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let answered = self.answer(call, refresh_token);
        YieldOnce::default().await;
        answered
    }
}

impl FakeProvider {
    fn answer(&self, call: usize, refresh_token: &Secret) -> Result<RefreshAnswer, Error> {
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Box::new(Ok));
        let answered = answer(RefreshAnswer {
            issued: TokenSet {
                access_token: Some(format!("access-{call}").into()),
                expires_in: Some(Duration::from_secs(3600)),
                refresh_token: self.rotates.load(SeqCst).then(|| format!("refresh-{call}").into()),
                ..TokenSet::default()
            },
            id_token: None,
            identity: Some(Ok(identity(
                ada(),
                &format!("id-{call}"),
                self.clock.now() + Duration::from_secs(3600),
            ))),
        })?;
        let mut valid = self.valid.lock().unwrap();
        if !valid.contains(refresh_token.expose()) {
            self.reused.store(true, SeqCst);
            valid.clear();
            return Err(Error::from_provider(
                ErrorKind::InvalidGrant,
                provider_error("invalid_grant"),
            ));
        }
        if let Some(successor) = &answered.issued.refresh_token {
            valid.remove(refresh_token.expose());
            valid.insert(successor.expose().into());
        }
        Ok(answered)
    }
}
