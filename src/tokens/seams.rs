//! What the tokens need from their neighbours: a place for records ([`GrantStore`]) and somebody
//! who refreshes ([`Refresher`]).

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    key::{RefreshKind, Scopes, TokenRequest},
    record::{GrantRecord, Person},
};
use crate::{
    clock::UnixTime,
    codec,
    error::{Error, ErrorKind},
    protocol::TokenParams,
    secret::Secret,
    single_flight::Order,
};

/// The id of a grant's record: random, and never used for another grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GrantId(pub(crate) i128);

impl codec::Value for GrantId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.to_le_bytes().write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        codec::Value::read(bytes).map(i128::from_le_bytes).map(Self)
    }
}

/// Names a grant and holds what opens its record. Whoever has it may use the grant.
///
/// A clone is one more reference to the same allocation; the key in it is wiped with the last one.
#[derive(Clone)]
pub(crate) struct GrantRef(Arc<GrantParts>);

struct GrantParts {
    id: GrantId,
    session: i128,
    key: Zeroizing<[u8; 32]>,
    expires_at: UnixTime,
}

impl GrantRef {
    /// The grant `id` of the session record `session`, both opened with what comes from `key`,
    /// until the session's absolute end.
    pub(crate) fn new(
        id: GrantId,
        session: i128,
        key: Zeroizing<[u8; 32]>,
        expires_at: UnixTime,
    ) -> Self {
        Self(Arc::new(GrantParts { id, session, key, expires_at }))
    }

    pub(crate) fn id(&self) -> GrantId {
        self.0.id
    }

    /// The id of the session record.
    pub(crate) fn session(&self) -> i128 {
        self.0.session
    }

    /// The key that the records' keys are derived from.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0.key
    }

    /// The session's absolute end, and with it the record's.
    pub(crate) fn expires_at(&self) -> UnixTime {
        self.0.expires_at
    }
}

impl fmt::Debug for GrantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantRef").field("expires_at", &self.0.expires_at).finish_non_exhaustive()
    }
}

/// Where grant records are kept.
///
/// Every failure of the store is an error of the kind `store_unavailable`; a record that cannot be
/// opened or read is no record.
#[async_trait]
pub(crate) trait GrantStore: fmt::Debug + Send + Sync + 'static {
    /// The record as it is now. A record that was decoded before and has not changed is the same
    /// allocation again.
    async fn load(&self, grant: &GrantRef) -> Result<Option<Arc<GrantRecord>>, Error>;

    /// The record as it is now, if that can be told without waiting.
    fn at_hand(&self, _grant: &GrantRef, _now: UnixTime) -> Option<Arc<GrantRecord>> {
        None
    }

    /// The record of a session that is signed in now, as it was less than a minute ago: what
    /// another process has changed since may be missing. `None` if it has to be
    /// [loaded](Self::load).
    async fn recent(
        &self,
        _grant: &GrantRef,
        _now: UnixTime,
    ) -> Result<Option<Arc<GrantRecord>>, Error> {
        Ok(None)
    }

    /// Writes the record, whether or not one was there. `Ok` means that the next
    /// [`load`](Self::load) finds it.
    async fn save(&self, grant: &GrantRef, record: &Arc<GrantRecord>) -> Result<(), Error>;

    /// Removes the grant's record. That there is none is no failure.
    async fn delete(&self, grant: &GrantRef) -> Result<(), Error>;

    /// Whether the session that the grant belongs to is still signed in: asked of the store, never
    /// of a cache.
    async fn session_exists(&self, grant: &GrantRef) -> Result<bool, Error>;

    /// Signs the session out: removes the session's record first, then the grant's.
    async fn end_session(&self, grant: &GrantRef) -> Result<(), Error>;

    /// Whether other processes may work with the same records.
    fn is_shared(&self) -> bool {
        false
    }
}

/// The provider, as far as refreshing goes (OpenID Connect Core section 12, RFC 6749 section 6).
#[async_trait]
pub(crate) trait Refresher: fmt::Debug + Send + Sync + 'static {
    /// Sends the refresh token once and reads the answer. `Err` means that nothing was issued, or
    /// nothing that can be read.
    ///
    /// An ID token in the answer is verified, without a nonce. If that fails the answer is still
    /// `Ok`, with the failure in [`Refreshed::identity`]: the refresh token in it may be the only
    /// one that is valid now.
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<Refreshed, Error>;

    /// Whether refreshes of one grant go one after the other.
    fn order(&self) -> Order {
        Order::InTurn
    }

    /// The scope of an access token for [`groups`](Self::groups).
    async fn groups_scope(&self) -> Result<String, Error> {
        Err(no_directory())
    }

    /// The groups that the owner of an access token is in.
    async fn groups(&self, _access_token: &Secret) -> Result<Vec<String>, Error> {
        Err(no_directory())
    }
}

fn no_directory() -> Error {
    Error::new(ErrorKind::NotConfigured, "this provider has no directory to read groups from")
}

/// What to refresh with.
#[derive(Clone, Debug)]
pub(crate) struct RefreshRequest {
    pub(super) request: TokenRequest,
    pub(super) home: Option<String>,
    pub(super) is_renewal: bool,
    pub(super) is_as_granted: bool,
}

impl RefreshRequest {
    pub(super) fn new(record: &GrantRecord, kind: &RefreshKind) -> Self {
        let request = match kind {
            RefreshKind::Token(request) => request.clone(),
            RefreshKind::Renewal => TokenRequest::from(record.sign_in_key()),
        };
        Self {
            is_as_granted: request.key == record.sign_in_key(),
            request,
            home: record.person().tid.clone(),
            is_renewal: *kind == RefreshKind::Renewal,
        }
    }

    /// The scopes to ask for; at a renewal those of the sign-in.
    pub(crate) fn scopes(&self) -> &Scopes {
        self.request.key.scopes()
    }

    /// The tenant to ask in: the one that was asked for, or the verified `tid` of the sign-in. In
    /// the first case an ID token in the answer is not looked at.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.request.key.tenant().or(self.home.as_deref())
    }

    /// The claims (JSON) of an API's challenge.
    #[cfg(test)]
    pub(crate) fn challenge(&self) -> Option<&str> {
        self.request.challenge()
    }

    /// What to ask the provider for, with these scopes.
    pub(crate) fn asked<'a>(&'a self, scopes: &'a str) -> TokenParams<'a> {
        let TokenRequest { key, .. } = &self.request;
        TokenParams {
            scopes,
            resource: key.resource(),
            client_claims: key.claims(),
            challenge: self.request.challenge(),
        }
    }

    /// Whether it asks another tenant than that of the sign-in, where the same person has other
    /// identifiers.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.request.key.tenant().is_some()
    }

    /// Whether it asks for what the sign-in asked for, of which the provider may have granted less.
    pub(crate) fn is_as_granted(&self) -> bool {
        self.is_as_granted
    }

    /// Whether the ID token is what this is for.
    pub(crate) fn is_renewal(&self) -> bool {
        self.is_renewal
    }
}

/// What a token answer issued, at sign-in and at every refresh.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issued {
    /// Absent where the provider gives none for a sign-in alone (B2C).
    pub(crate) access_token: Option<Secret>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) refresh_in: Option<Duration>,
    pub(crate) refresh_token: Option<Secret>,
    /// `scope` as the provider gave it: absent means as asked, empty means none. Where a provider
    /// abbreviates, written as it was asked for.
    pub(crate) scope: Option<String>,
}

/// A refresh that the provider did not refuse.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refreshed {
    pub(crate) issued: Issued,
    /// Who the answer's ID token is about, or why it was not accepted; `None` if the answer had
    /// none.
    pub(crate) identity: Option<Result<VerifiedClaims, Error>>,
}

/// What a verified ID token says.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedClaims {
    pub(crate) id_token: Secret,
    /// The whole payload, as JSON.
    pub(crate) claims: Box<RawValue>,
    pub(crate) person: Person,
    /// When the claims are to be renewed: the token's `exp` as a rule.
    pub(crate) expires_at: UnixTime,
}
