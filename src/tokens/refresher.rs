//! [`Refresher`]: the provider as far as refreshing goes, with the request and the answer of a
//! refresh.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{
    key::{RefreshKind, Scopes, TokenRequest},
    record::{GrantRecord, Person},
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    protocol::TokenParams,
    secret::Secret,
    single_flight::Order,
};

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
