//! [`Grants`]: renews sessions and gets access tokens.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::Mutex as AsyncMutex;

use super::{
    access::AccessToken,
    grant_store::{GrantRef, GrantStore},
    judgement::{self, Refusal, RenewalStep, TokenStep},
    key::{RefreshKind, TokenRequest},
    lock::RefreshLock,
    memory::{Successors, Throttle, Unsaved},
    partitions::Partitions,
    record::GrantRecord,
    refresh::{RefreshContext, RefreshError, renewal_failed},
    refresher::Refresher,
};
use crate::{
    clock::{Clock, UnixTime},
    config::SessionEnd,
    error::{Error, ErrorKind},
    measure,
    secret::Secret,
    single_flight::{SingleFlight, Tasks, Tokio},
};

/// The current claims of a live session.
#[derive(Clone)]
pub(crate) struct LiveGrant {
    record: Arc<GrantRecord>,
    renew_at: Option<UnixTime>,
}

impl LiveGrant {
    fn of(record: Arc<GrantRecord>) -> Self {
        Self { renew_at: record.renew_at(), record }
    }

    /// The claims of the last renewal, as JSON; `None` as long as those of the sign-in hold.
    pub(crate) fn claims(&self) -> Option<&RawValue> {
        self.record.claims()
    }

    /// When the next renewal is due: in the past while one is running in the background, `None` if
    /// there is no refresh token to renew with.
    pub(crate) fn renew_at(&self) -> Option<UnixTime> {
        self.renew_at
    }
}

/// Renews and refreshes the grants of one store. Clones share their flights.
#[derive(Clone)]
pub(crate) struct Grants(Arc<RefreshContext>);

impl Grants {
    /// Grants in `store`, refreshed by `provider`, with `lock` between processes.
    pub(crate) fn new(
        store: Arc<dyn GrantStore>,
        provider: Arc<dyn Refresher>,
        clock: Arc<dyn Clock>,
        lock: Option<Arc<dyn RefreshLock>>,
        session_end: SessionEnd,
    ) -> Self {
        Self::on(Arc::new(Tokio), store, provider, clock, lock, session_end)
    }

    /// Grants in memory.
    pub(crate) fn in_memory(
        tasks: Arc<dyn Tasks>,
        partitions: Arc<Partitions>,
        refresher: Arc<dyn Refresher>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::on(tasks, partitions, refresher, clock, None, SessionEnd::OwnLimits)
    }

    pub(super) fn on(
        tasks: Arc<dyn Tasks>,
        store: Arc<dyn GrantStore>,
        provider: Arc<dyn Refresher>,
        clock: Arc<dyn Clock>,
        lock: Option<Arc<dyn RefreshLock>>,
        session_end: SessionEnd,
    ) -> Self {
        Self(Arc::new(RefreshContext {
            store,
            provider,
            clock,
            lock,
            flights: SingleFlight::new(Arc::clone(&tasks)),
            tasks,
            session_end,
            throttle: Throttle::default(),
            successors: Successors::default(),
            unsaved: Unsaved::default(),
            merging: AsyncMutex::default(),
        }))
    }

    /// Renews a session whose claims have reached their `renew_at`.
    ///
    /// # Errors
    ///
    /// `SessionMustEnd` has the kind `session_ended`, `invalid_grant` or `person_changed`; `Failed`
    /// one of these:
    ///
    /// - `renewal_failed`: the provider has been failing for an hour, or the refresh lock could not
    ///   be taken;
    /// - `interaction_required`: the provider wants the person to sign in again; the session's
    ///   records stay;
    /// - `no_refresh_token`: the session is live, but its grant is no longer in the store: a new
    ///   sign-in recovers it;
    /// - `store_unavailable`.
    pub(crate) async fn renew(&self, grant: &GrantRef) -> Result<LiveGrant, RefreshError> {
        let shared = &self.0;
        let record = shared.record(grant).await?;
        let now = shared.clock.now();
        let failed_before = || shared.throttle.check(grant.id(), &RefreshKind::Renewal, now);
        let step = judgement::renewal_step(&record, shared.session_end, now);
        if matches!(step, RenewalStep::LiveAndRenew | RenewalStep::Renew)
            && let Some(error) =
                failed_before().filter(|error| judgement::refusal(error) == Refusal::EndsSession)
        {
            // The session has ended, but the store failed to delete it.
            shared.end_session(grant).await;
            return Err(RefreshError::SessionMustEnd(error));
        }
        match step {
            RenewalStep::Live => Ok(LiveGrant::of(record)),
            RenewalStep::LiveForGood => Ok(LiveGrant { renew_at: None, record }),
            RenewalStep::LiveAndRenew => {
                if failed_before().is_none() {
                    // The result is for the next request.
                    shared.begin(grant, &RefreshKind::Renewal);
                }
                Ok(LiveGrant::of(record))
            }
            RenewalStep::Renew => match failed_before() {
                Some(error) => Err(error.into()),
                None => {
                    let stored = shared.run(grant, &RefreshKind::Renewal).await?;
                    Ok(LiveGrant::of(stored.record))
                }
            },
            RenewalStep::Pause => Err(renewal_failed().into()),
            RenewalStep::End => {
                shared.end_session(grant).await;
                let detail = "the ID token has expired and there is no refresh token";
                Err(RefreshError::SessionMustEnd(Error::new(ErrorKind::SessionEnded, detail)))
            }
        }
    }

    /// Whether the session of the grant goes on, by the store of the sessions and never by a cache.
    /// Nothing is refreshed.
    ///
    /// # Errors
    ///
    /// `store_unavailable`.
    pub(crate) async fn has_session(&self, grant: &GrantRef) -> Result<bool, Error> {
        // The caller may ask long after the last request, and not every store deletes in time.
        if grant.expires_at() <= self.0.clock.now() {
            return Ok(false);
        }
        self.0.store.session_exists(grant).await
    }

    /// The present claims of a session whose renewal is due; `None` if it has ended or needs a new
    /// sign-in.
    ///
    /// # Errors
    ///
    /// The renewal failed for a reason that may pass.
    pub(crate) async fn renewed(&self, grant: &GrantRef) -> Result<Option<LiveGrant>, Error> {
        match self.renew(grant).await {
            Ok(renewed) => Ok(Some(renewed)),
            Err(RefreshError::SessionMustEnd(error)) => {
                tracing::info!(reason = error.reason(), "session ended at its renewal");
                Ok(None)
            }
            // The records stay: a new sign-in replaces them.
            Err(RefreshError::Failed(error))
                if matches!(
                    error.kind(),
                    ErrorKind::InteractionRequired | ErrorKind::NoRefreshToken
                ) =>
            {
                tracing::info!(reason = error.reason(), "session needs a new sign-in");
                Ok(None)
            }
            Err(RefreshError::Failed(error)) => Err(error),
        }
    }

    /// An access token of the grant: from the record, or from the provider if the record has none
    /// that fits.
    ///
    /// # Errors
    ///
    /// - `no_refresh_token`: there is no refresh token to send;
    /// - `session_ended`, `person_changed`: the session has ended, and its records are deleted;
    /// - `interaction_required`, `invalid_grant` and every other error of the provider: the session
    ///   continues;
    /// - `store_unavailable`, `renewal_failed`.
    pub(crate) async fn access_token(
        &self,
        grant: &GrantRef,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let now = self.0.clock.now();
        let kept =
            self.0.store.at_hand(grant, now).and_then(|record| served(&record, request, now));
        let token = match kept {
            Some(token) => Ok(token),
            // Boxed so that a cache hit does not pay for the size of the refresh future.
            None => Box::pin(self.obtained(grant, request)).await,
        };
        measure::token_request(
            token.as_ref().map(|token| token.source().as_str()).map_err(Error::reason),
        );
        token
    }

    async fn obtained(
        &self,
        grant: &GrantRef,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let shared = &self.0;
        let now = shared.clock.now();
        if let Some(token) =
            shared.store.recent(grant, now).await?.and_then(|record| served(&record, request, now))
        {
            return Ok(token);
        }
        let record = shared.record(grant).await.map_err(RefreshError::into_error)?;
        let request = request.completed_for(record.scopes(), record.person().tid.as_deref());
        let now = shared.clock.now();
        match judgement::token_step(&record, &request, now) {
            TokenStep::Serve(token) => Ok(AccessToken::kept(token, &request.key)),
            TokenStep::ServeAndRefresh(token) => {
                let kept = AccessToken::kept(token, &request.key);
                let kind = RefreshKind::Token(request.into_owned());
                if shared.throttle.check(grant.id(), &kind, now).is_none() {
                    // This caller is served at once; the next one gets the newer token.
                    shared.begin(grant, &kind);
                }
                Ok(kept)
            }
            TokenStep::Refresh { fallback } => {
                let fallback = fallback.map(|token| AccessToken::kept(token, &request.key));
                let error = match shared.token_from_provider(grant, request.into_owned()).await {
                    Ok(token) => return Ok(token),
                    Err(error) => error,
                };
                let still_valid = fallback.filter(|token| {
                    shared.clock.now() < token.expires_at() && judgement::is_passing(&error)
                });
                still_valid.ok_or(error)
            }
        }
    }

    /// Waits for the flights of a grant that are running now.
    pub(crate) async fn settled(&self, grant: &GrantRef) {
        for flight in self.0.flights.under_way(&grant.id()) {
            // Its result is in the record.
            let _ = flight.finished().await;
        }
    }

    /// Waits until no flight of a grant is running.
    pub(crate) async fn idle(&self, grant: &GrantRef) {
        while let Some(flight) = self.0.flights.under_way(&grant.id()).pop() {
            // Its result is in the record.
            let _ = flight.finished().await;
        }
    }

    /// The scopes of the last sign-in; none if the record cannot be loaded.
    pub(crate) async fn scopes(&self, grant: &GrantRef) -> Vec<String> {
        let record = self.0.store.load(grant).await.ok().flatten();
        record.map(|record| record.scopes().iter().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Whether a flight is running, or a record is not stored yet.
    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        self.0.flights.groups_under_way() > 0 || self.0.unsaved.len() > 0
    }

    /// The last ID token, which is the `id_token_hint` at sign-out.
    ///
    /// # Errors
    ///
    /// `store_unavailable`.
    pub(crate) async fn id_token(&self, grant: &GrantRef) -> Result<Option<Secret>, Error> {
        Ok(self.0.store.load(grant).await?.and_then(|record| record.id_token().cloned()))
    }
}

/// The token of the record that answers the request, if no refresh is due.
fn served(record: &GrantRecord, request: &TokenRequest, now: UnixTime) -> Option<AccessToken> {
    let request = request.completed_for(record.scopes(), record.person().tid.as_deref());
    match judgement::token_step(record, &request, now) {
        TokenStep::Serve(token) => Some(AccessToken::kept(token, &request.key)),
        TokenStep::ServeAndRefresh(_) | TokenStep::Refresh { .. } => None,
    }
}
