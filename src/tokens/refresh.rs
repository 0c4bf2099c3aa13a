//! One flight: it reads the record again, asks the provider, checks the response and stores the new
//! record before any caller sees it.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tracing::{Instrument, Span, field::Empty, info_span};

use super::{
    access::AccessToken,
    grant_store::{GrantRef, GrantStore, RecordId},
    judgement::{self, Refusal, RenewalStep, TokenStep},
    key::{RefreshKind, TokenRequest},
    lock::{self, Lease, RefreshLock},
    memory::{Successors, Throttle, Unsaved},
    record::GrantRecord,
    refresher::{RefreshAnswer, RefreshRequest, Refresher},
};
use crate::{
    clock::{Clock, UnixTime},
    config::SessionEnd,
    error::{Error, ErrorKind},
    measure,
    secret::Secret,
    single_flight::{Order, SingleFlight, Tasks},
};

/// The waits before each of the first attempts to store a response. After the last of them the
/// callers get the error, and the attempts go on in the background.
pub(super) const STORE_WAITS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(200)];
/// The first and the longest wait between the attempts in the background. Each begins with a
/// renewal of the lease, which the longest one must not outlast.
pub(super) const LATER_STORE_WAITS: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(15));

/// The greatest number of requests of one flight. It repeats its request only if another process
/// has changed the record meanwhile.
const MOST_TRIES: usize = 3;

/// The state that all flights of one [`Grants`](super::Grants) share.
pub(super) struct RefreshContext {
    pub(super) store: Arc<dyn GrantStore>,
    pub(super) provider: Arc<dyn Refresher>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lock: Option<Arc<dyn RefreshLock>>,
    pub(super) tasks: Arc<dyn Tasks>,
    pub(super) session_end: SessionEnd,
    pub(super) flights: Arc<SingleFlight<RecordId, RefreshKind, RefreshResult>>,
    pub(super) throttle: Throttle,
    pub(super) successors: Successors,
    pub(super) unsaved: Unsaved,
    /// Locked while a flight reads, changes and writes a record, where flights of one grant run at
    /// the same time ([`Order::AtOnce`]).
    pub(super) merging: AsyncMutex<()>,
}

/// The result of a flight.
pub(super) type RefreshResult = Result<StoredGrant, RefreshError>;

/// The stored record, and the access token if the flight was for one.
#[derive(Clone)]
pub(super) struct StoredGrant {
    pub(super) record: Arc<GrantRecord>,
    pub(super) token: Option<AccessToken>,
}

/// The failure of a flight.
#[derive(Clone, Debug)]
pub(crate) enum RefreshError {
    /// The session has ended, and its records are deleted.
    SessionMustEnd(Error),
    /// The session continues.
    Failed(Error),
}

impl From<Error> for RefreshError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl RefreshError {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::SessionMustEnd(error) | Self::Failed(error) => error,
        }
    }

    /// The value of `outcome` in the span.
    fn outcome(&self) -> &'static str {
        match self {
            Self::SessionMustEnd(_) => "session_ended",
            Self::Failed(_) => "failed",
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::SessionMustEnd(error) | Self::Failed(error) => error.reason(),
        }
    }
}

/// Starts flights, and runs each under the lock between processes.
impl RefreshContext {
    /// Refreshes in the background, unless the same refresh is running or too many others are.
    pub(super) fn begin(self: &Arc<Self>, grant: &GrantRef, kind: &RefreshKind) {
        let order = self.provider.order();
        // The result is in the record; a failure is in the throttle, where the next caller finds
        // it.
        let _ = self.flights.join(&grant.id(), kind.clone(), order, || self.flight(grant, kind));
    }

    /// Refreshes, or waits for the same refresh if it is running.
    pub(super) async fn run(
        self: &Arc<Self>,
        grant: &GrantRef,
        kind: &RefreshKind,
    ) -> RefreshResult {
        let order = self.provider.order();
        self.flights.run(&grant.id(), kind.clone(), order, || self.flight(grant, kind)).await?
    }

    fn flight(
        self: &Arc<Self>,
        grant: &GrantRef,
        kind: &RefreshKind,
    ) -> impl Future<Output = RefreshResult> + Send + use<> {
        let (shared, grant, kind) = (Arc::clone(self), grant.clone(), kind.clone());
        let span =
            info_span!("identity.grant", kind = kind.name(), outcome = Empty, reason = Empty);
        async move {
            let outcome = shared.locked(&grant, &kind).await;
            let span = Span::current();
            match &outcome {
                Ok(_) => {
                    span.record("outcome", "ok");
                    measure::refresh(kind.name(), "ok", None);
                }
                Err(error) => {
                    span.record("outcome", error.outcome()).record("reason", error.reason());
                    measure::refresh(kind.name(), error.outcome(), Some(error.reason()));
                }
            }
            outcome
        }
        .instrument(span)
    }

    /// An access token from the provider.
    pub(super) async fn token_from_provider(
        self: &Arc<Self>,
        grant: &GrantRef,
        request: TokenRequest,
    ) -> Result<AccessToken, Error> {
        let kind = RefreshKind::Token(request);
        if let Some(error) = self.throttle.check(grant.id(), &kind, self.clock.now()) {
            return Err(error);
        }
        let stored = self.run(grant, &kind).await.map_err(RefreshError::into_error)?;
        stored.token.ok_or_else(|| {
            Error::new(ErrorKind::Internal, "a refresh for an access token ended without one")
        })
    }

    /// Refreshes while this process holds the grant's lock, if there is a lock between processes.
    async fn locked(self: &Arc<Self>, grant: &GrantRef, kind: &RefreshKind) -> RefreshResult {
        self.settle(grant).await?;
        if self.unsaved.is_full() {
            return Err(Error::new(
                ErrorKind::StoreUnavailable,
                "too many grants wait for the store",
            )
            .into());
        }
        let (tasks, clock) = (&*self.tasks, &*self.clock);
        let lease = match &self.lock {
            Some(lock) => Some(Lease::acquire(lock, grant.id(), tasks, clock).await?),
            None => None,
        };
        let outcome = lock::renewed_during(lease.as_ref(), self.refresh(grant, kind), tasks).await;
        if let Some(lease) = lease.and_then(|lease| self.unsaved.hold(grant.id(), lease)) {
            lease.release().await;
        }
        outcome
    }

    /// The record that is in the store now.
    pub(super) async fn record(&self, grant: &GrantRef) -> Result<Arc<GrantRecord>, RefreshError> {
        match self.store.load(grant).await? {
            Some(record) => Ok(record),
            None if self.store.session_exists(grant).await? => {
                Err(Error::new(ErrorKind::NoRefreshToken, "the grant's record is gone").into())
            }
            None => Err(session_ended()),
        }
    }
}

/// Sends the request and applies the response.
impl RefreshContext {
    async fn refresh(self: &Arc<Self>, grant: &GrantRef, kind: &RefreshKind) -> RefreshResult {
        let mut record = self.record(grant).await?;
        for _ in 0..MOST_TRIES {
            let now = self.clock.now();
            if let Some(outcome) = self.finished(&record, kind, now) {
                return outcome;
            }
            if let Some(error) = self.throttle.check(grant.id(), kind, now) {
                return Err(error.into());
            }
            let Some(token) = record.refresh_token() else {
                return Err(judgement::without_refresh_token(&record).into());
            };
            // What is redeemed at once is no refresh token, such as the assertion of on-behalf-of.
            if self.provider.order() != Order::AtOnce {
                judgement::check_beginning(&record, kind, now)?;
            }
            let token = self.successors.latest(token, now);
            let error =
                match self.provider.refresh(&token, &RefreshRequest::new(&record, kind)).await {
                    Ok(answer) => return self.take(grant, kind, &record, &token, answer).await,
                    Err(error) => error,
                };
            if self.provider.order() == Order::AtOnce {
                return self.refused(grant, kind, &record, error).await;
            }
            let tried_with = record.generation();
            record = self.record(grant).await?;
            if record.generation() == tried_with {
                return self.refused(grant, kind, &record, error).await;
            }
            // Another process has refreshed the grant meanwhile. Its record replaces this one, and
            // the refusal of a refresh token that has been replaced says nothing about the grant.
            if judgement::refusal(&error) == Refusal::Passing
                && !error.is_of_spent_grant()
                && self.finished(&record, kind, self.clock.now()).is_none()
            {
                return self.refused(grant, kind, &record, error).await;
            }
        }
        Err(Error::new(ErrorKind::RenewalFailed, "other processes keep refreshing the same grant")
            .into())
    }

    /// The result, if the record holds it already because another flight or process stored it.
    fn finished(
        &self,
        record: &Arc<GrantRecord>,
        kind: &RefreshKind,
        now: UnixTime,
    ) -> Option<RefreshResult> {
        let finished = |token| Some(Ok(StoredGrant { record: record.clone(), token }));
        match kind {
            RefreshKind::Token(request) => match judgement::token_step(record, request, now) {
                TokenStep::Serve(token) => finished(Some(AccessToken::kept(token, &request.key))),
                TokenStep::ServeAndRefresh(_) | TokenStep::Refresh { .. } => None,
            },
            RefreshKind::Renewal => match judgement::renewal_step(record, self.session_end, now) {
                RenewalStep::Live | RenewalStep::LiveForGood => finished(None),
                RenewalStep::Pause => Some(Err(renewal_failed().into())),
                RenewalStep::LiveAndRenew | RenewalStep::Renew | RenewalStep::End => None,
            },
        }
    }

    /// The record to merge a response into, with a guard against other flights where it needs one.
    async fn present(
        &self,
        grant: &GrantRef,
        record: &Arc<GrantRecord>,
    ) -> Result<(Arc<GrantRecord>, Option<MutexGuard<'_, ()>>), RefreshError> {
        match self.provider.order() {
            Order::InTurn => Ok((record.clone(), None)),
            // Flights that run at the same time may have stored tokens since `record` was read.
            Order::AtOnce => {
                let merging = self.merging.lock().await;
                Ok((self.record(grant).await?, Some(merging)))
            }
        }
    }

    /// Stores a successful response to a request that was sent with the refresh token `sent`.
    async fn take(
        self: &Arc<Self>,
        grant: &GrantRef,
        kind: &RefreshKind,
        record: &Arc<GrantRecord>,
        sent: &Secret,
        answer: RefreshAnswer,
    ) -> RefreshResult {
        let now = self.clock.now();
        let (record, _merging) = self.present(grant, record).await?;
        let RefreshAnswer { mut issued, identity, id_token } = answer;
        let refresh_token = issued
            .refresh_token
            .take()
            .filter(|token| !token.is_empty())
            .unwrap_or_else(|| sent.clone());
        self.successors.remember(sent, &refresh_token, now);
        // In another tenant the same person has other identifiers, so its ID token is ignored.
        let identity = match identity.filter(|_| !kind.is_elsewhere()).transpose() {
            Ok(identity) => identity,
            // The refresh token that was sent may be spent, so its successor is stored in any case.
            // The access token is not used: without the ID token nothing says that it is for the
            // same person.
            Err(error) => {
                let next = Arc::new(record.rotated(refresh_token));
                self.keep(grant, &next).await?;
                let error = judgement::of_refused_answer(error);
                return self.refused(grant, kind, &next, error).await;
            }
        };
        // OpenID Connect Core section 12.2: `iss` and `sub` are those of the original ID token.
        if identity.as_ref().is_some_and(|identity| !record.person().is_same(&identity.person)) {
            let detail = "the ID token of a refresh is about another person";
            return self.ended(grant, Error::new(ErrorKind::PersonChanged, detail)).await;
        }
        issued.refresh_token = Some(refresh_token);
        let (next, token) = record.after_refresh(kind, issued, identity.as_ref(), now);
        let next = Arc::new(match id_token {
            Some(id_token) => next.with_id_token(id_token),
            None => next,
        });
        self.keep(grant, &next).await?;
        if token.is_none() && matches!(kind, RefreshKind::Token(_)) {
            let detail = "the answer to a refresh has no access token";
            let error = Error::new(ErrorKind::TokenResponseInvalid, detail);
            return self.refused(grant, kind, &next, error).await;
        }
        self.throttle.forget(grant.id(), kind);
        Ok(StoredGrant { record: next, token })
    }

    /// Handles a refusal of the provider, or a request that failed.
    async fn refused(
        &self,
        grant: &GrantRef,
        kind: &RefreshKind,
        record: &Arc<GrantRecord>,
        error: Error,
    ) -> RefreshResult {
        let now = self.clock.now();
        let error = judgement::judged(error, kind, record, now);
        // The rest of the present second, without which `Retry-After` would be cut short.
        let rest = self.clock.now_rounded_up().since(now);
        let refusal = judgement::refusal(&error);
        if let Some(pause) = judgement::pause(&error, self.throttle.failures(grant.id(), kind, now))
        {
            self.throttle.remember(grant.id(), kind, error.clone(), pause + rest, now);
        }
        if *kind == RefreshKind::Renewal && refusal == Refusal::EndsSession {
            return self.ended(grant, error).await;
        }
        if *kind == RefreshKind::Renewal && refusal == Refusal::Passing {
            let (failing, renew_at) = judgement::after_failure(record, &error, now);
            let next = Arc::new(record.failed(failing, renew_at + rest));
            tracing::warn!(%error, attempts = failing.attempts, "a session could not be renewed");
            self.store(grant, &next).await?;
            return match judgement::renewal_step(&next, self.session_end, now) {
                RenewalStep::Pause => Err(renewal_failed().into()),
                _ => Ok(StoredGrant { record: next, token: None }),
            };
        }
        Err(error.into())
    }

    /// Logs why a session ends without a sign-out. A refresh token that two processes sent looks
    /// like a revoked one, so the log names the missing lock if there may be several processes.
    fn log_end(&self, error: &Error) {
        if self.lock.is_none() && self.store.is_shared() && error.kind() == ErrorKind::InvalidGrant
        {
            tracing::warn!(
                %error,
                "a session has ended: the provider refused its refresh token. It was revoked or \
                 has expired, or another process that shares the session store has sent it as \
                 well: then give all of them a lock by `IdentityLayer::with_refresh_lock`"
            );
        } else {
            tracing::warn!(
                %error,
                "a session has ended, because it could not be renewed: the provider refused its \
                 refresh token, or its response was refused"
            );
        }
    }

    /// Ends the session because of `error`.
    async fn ended(&self, grant: &GrantRef, error: Error) -> RefreshResult {
        self.log_end(&error);
        self.end_session(grant).await;
        Err(RefreshError::SessionMustEnd(error))
    }

    /// Deletes the session. If the store fails, the next renewal gets the same refusal and tries
    /// again.
    pub(super) async fn end_session(&self, grant: &GrantRef) {
        if let Err(error) = self.store.end_session(grant).await {
            tracing::warn!(%error, "a session that is over could not be deleted");
        }
    }
}

/// Writes records, and retries while the store fails.
impl RefreshContext {
    /// Writes the record, and deletes it again if the session has been signed out meanwhile: the
    /// session is live only while its own record exists.
    async fn store(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), RefreshError> {
        self.store.save(grant, record).await?;
        if self.store.session_exists(grant).await? {
            return Ok(());
        }
        self.store.delete(grant).await?;
        Err(session_ended())
    }

    /// Stores the tokens of a response. A rotated refresh token cannot be obtained a second time,
    /// so it stays in memory until the store accepts it.
    async fn keep(
        self: &Arc<Self>,
        grant: &GrantRef,
        record: &Arc<GrantRecord>,
    ) -> Result<(), RefreshError> {
        let mut outcome = Ok(());
        for wait in STORE_WAITS {
            if !wait.is_zero() {
                self.tasks.pause(wait).await;
            }
            outcome = self.store(grant, record).await;
            if !matches!(outcome, Err(RefreshError::Failed(_))) {
                return outcome;
            }
        }
        tracing::error!(
            "a renewed grant could not be stored; it is kept in memory until the store takes it"
        );
        self.unsaved.insert(grant.id(), record.clone());
        self.tasks.spawn(Box::pin(self.clone().settle_later(grant.clone())))?;
        outcome
    }

    async fn settle_later(self: Arc<Self>, grant: GrantRef) {
        let (mut wait, longest) = LATER_STORE_WAITS;
        while self.unsaved.record(grant.id()).is_some() && self.clock.now() < grant.expires_at() {
            self.tasks.pause(wait).await;
            wait = (wait * 2).min(longest);
            self.unsaved.protect(grant.id()).await;
            // Every flight begins by storing the record that is in memory. The condition of the
            // loop sees whether it succeeded.
            let _ = self.run(&grant, &RefreshKind::Renewal).await;
        }
        self.forget_unsaved(&grant).await;
    }

    /// Stores the record that an earlier flight could not store, before the provider is asked
    /// again.
    async fn settle(&self, grant: &GrantRef) -> Result<(), RefreshError> {
        let Some(unsaved) = self.unsaved.record(grant.id()) else { return Ok(()) };
        let outcome = match self.store.load(grant).await? {
            // Another process has refreshed since, which a provider that tolerates reuse allows.
            Some(stored) if stored.generation() > unsaved.generation() => Ok(()),
            _ => self.store(grant, &unsaved).await,
        };
        if !matches!(outcome, Err(RefreshError::Failed(_))) {
            self.forget_unsaved(grant).await;
        }
        outcome
    }

    async fn forget_unsaved(&self, grant: &GrantRef) {
        if let Some(lease) = self.unsaved.remove(grant.id()) {
            lease.release().await;
        }
    }
}

fn session_ended() -> RefreshError {
    let detail = "the session's record is gone";
    RefreshError::SessionMustEnd(Error::new(ErrorKind::SessionEnded, detail))
}

pub(super) fn renewal_failed() -> Error {
    Error::new(ErrorKind::RenewalFailed, "the provider has failed for an hour")
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
