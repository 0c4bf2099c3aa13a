//! [`Grants`]: renewals and access tokens, carried out.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    access::AccessToken,
    cache::CacheLimits,
    key::TokenRequest,
    lock::RefreshLock,
    record::GrantRecord,
    seams::{GrantRef, GrantStore, Refresher},
};
use crate::{
    clock::{Clock, UnixTime},
    error::{Error, ErrorKind},
};

/// Whether the session goes on.
#[derive(Clone, Debug)]
pub(crate) enum Renewal {
    /// It goes on with these claims.
    Live(Renewed),
    /// It is over, and its records are deleted. The kind is `session_ended`, `invalid_grant` or `person_changed`.
    SessionMustEnd(Error),
}

/// The present state of a session that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Renewed(Arc<GrantRecord>);

impl Renewed {
    /// The claims of the last renewal, as JSON; `None` as long as those of the sign-in hold.
    pub(crate) fn claims(&self) -> Option<&RawValue> {
        self.0.claims()
    }

    /// When to ask again: in the past while a renewal is running in the background, `None` if there is nothing to renew with.
    pub(crate) fn renew_at(&self) -> Option<UnixTime> {
        self.0.renew_at()
    }
}

/// What a session does when its ID token's life ends and it has no refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithoutRefreshToken {
    /// It lives as long as its own limits say.
    KeepSession,
    /// It ends.
    EndSession,
}

/// Everything that is done with grants. Clones share their flights.
#[derive(Clone, Debug)]
pub(crate) struct Grants(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Arc<dyn GrantStore>,
    provider: Arc<dyn Refresher>,
    clock: Arc<dyn Clock>,
    lock: Option<Arc<dyn RefreshLock>>,
    limits: CacheLimits,
    without_refresh_token: WithoutRefreshToken,
}

impl Grants {
    /// Grants in `store`, refreshed by `provider`, with `lock` between processes.
    pub(crate) fn new(
        store: Arc<dyn GrantStore>,
        provider: Arc<dyn Refresher>,
        clock: Arc<dyn Clock>,
        lock: Option<Arc<dyn RefreshLock>>,
        without_refresh_token: WithoutRefreshToken,
        limits: CacheLimits,
    ) -> Self {
        Self(Arc::new(Shared { store, provider, clock, lock, limits, without_refresh_token }))
    }

    /// Called when the claims in hand have reached their `renew_at`.
    ///
    /// # Errors
    ///
    /// - `renewal_failed`: the provider has been failing for an hour, or the refresh lock cannot be had;
    /// - `interaction_required`: the provider wants the person to sign in again; the session's records stay;
    /// - `no_refresh_token`: the session lives, but its grant is gone from the store: recover by a new sign-in;
    /// - `store_unavailable`.
    pub(crate) async fn renew(&self, grant: &GrantRef) -> Result<Renewal, Error> {
        let _ = grant;
        Err(Error::new(ErrorKind::Internal, "not there yet"))
    }

    /// An access token of the grant: from the record, or from the provider if none there will do.
    ///
    /// # Errors
    ///
    /// - `no_refresh_token`: there is nothing to ask the provider with;
    /// - `session_ended`, `person_changed`: the session is over, and its records are deleted;
    /// - `interaction_required`, `invalid_grant` and everything else that the provider answers: the session goes on;
    /// - `store_unavailable`, `renewal_failed`.
    pub(crate) async fn access_token(&self, grant: &GrantRef, request: &TokenRequest) -> Result<AccessToken, Error> {
        let _ = (grant, request);
        Err(Error::new(ErrorKind::Internal, "not there yet"))
    }
}
