//! [`Refresher`]: the refresh grant at the provider, with its request and its response.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    key::{CacheBypass, RefreshKind, Scopes, TokenRequest},
    record::{GrantRecord, Person},
};
use crate::{
    clock::UnixTime,
    error::Error,
    protocol::{ClaimsOfPerson, TokenParams, unverified_end},
    secret::{Secret, same},
    single_flight::Order,
};

/// The refresh grant at the provider (OpenID Connect Core section 12, RFC 6749 section 6).
#[async_trait]
pub(crate) trait Refresher: Send + Sync + 'static {
    /// Sends the refresh token once and reads the response. `Err` means that nothing was issued, or
    /// nothing readable.
    ///
    /// An ID token in the response is verified, without a nonce. If that fails, the result is still
    /// `Ok`, with the failure in [`RefreshAnswer::identity`]: the refresh token beside it may be
    /// the only valid one now.
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<RefreshAnswer, Error>;

    /// Whether refreshes of one grant run one after the other.
    fn order(&self) -> Order {
        Order::InTurn
    }
}

/// One refresh as it is sent to the provider.
#[derive(Clone)]
pub(crate) struct RefreshRequest {
    pub(super) request: TokenRequest,
    /// The person of the sign-in.
    pub(crate) person: Person,
    /// The last ID token of the session, which was verified when it was stored.
    pub(crate) id_token: Option<Secret>,
    /// Whether its purpose is a new ID token.
    pub(crate) is_renewal: bool,
    /// Whether it repeats the request of the sign-in, of which the provider may have granted less.
    pub(crate) is_as_granted: bool,
    /// Whether claims of the session came from UserInfo.
    pub(crate) is_from_user_info: bool,
    /// The cached token that must not answer: an API refused it, or the application asked for a
    /// new one.
    pub(crate) refused: Option<Secret>,
}

impl RefreshRequest {
    pub(super) fn new(record: &GrantRecord, kind: &RefreshKind) -> Self {
        let request = match kind {
            RefreshKind::Token(request) => request.clone(),
            RefreshKind::Renewal => TokenRequest::from(record.sign_in_key()),
        };
        let is_bypass = request.cache_bypass != CacheBypass::No;
        let cached = record.tokens().find(&request.key, |_| is_bypass);
        let refused = cached.map(|token| token.secret.clone());
        Self {
            is_as_granted: request.key == record.sign_in_key(),
            request,
            person: record.person().clone(),
            id_token: record.id_token().cloned(),
            is_renewal: *kind == RefreshKind::Renewal,
            is_from_user_info: record.is_from_user_info(),
            refused,
        }
    }

    /// The requested scopes; at a renewal those of the sign-in.
    pub(crate) fn scopes(&self) -> &Scopes {
        self.request.key.scopes()
    }

    /// The tenant of the request: the requested one, or the verified `tid` of the sign-in. In
    /// another tenant than that of the sign-in an ID token in the response is ignored.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.request.key.tenant().or(self.person.tid.as_deref())
    }

    /// The claims (JSON) of an API's challenge.
    #[cfg(test)]
    pub(crate) fn challenge(&self) -> Option<&str> {
        self.request.challenge()
    }

    /// The parameters of the token request, with these scopes.
    pub(crate) fn asked<'a>(&'a self, scopes: &'a str) -> TokenParams<'a> {
        self.request.params(scopes)
    }

    /// Whether it is sent to another tenant than that of the sign-in, where the same person has
    /// other identifiers.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.request.key.tenant().is_some()
    }

    /// Whether an ID token of the response is the one of the record. Some providers hand out the ID
    /// token of the sign-in again, which has expired by now.
    pub(crate) fn repeats(&self, sent: &Secret) -> bool {
        let is_sent = |kept: &Secret| same(sent.expose().as_bytes(), kept.expose().as_bytes());
        self.id_token.as_ref().is_some_and(is_sent)
    }
}

/// The tokens of a token response, at sign-in and at every refresh.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenSet {
    /// Absent where the provider issues none for a sign-in alone (B2C).
    pub(crate) access_token: Option<Secret>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) refresh_in: Option<Duration>,
    pub(crate) refresh_token: Option<Secret>,
    /// `scope` of the response: absent means as requested (RFC 6749 section 5.1), empty means none.
    pub(crate) scope: Option<String>,
}

/// The assumed lifetime of an access token without `expires_in` that can be renewed without the
/// user: as in MSAL, short, because a renewal costs one request.
const UNSTATED_RENEWABLE_LIFE: Duration = Duration::from_secs(10 * 60);

/// The assumed lifetime of an access token without `expires_in` that cannot be renewed: the usual
/// one, because its end sends the user to the provider.
const UNSTATED_LIFE: Duration = Duration::from_secs(3600);

/// How an access token is replaced when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// By a refresh, without the user.
    ByRefresh,
    /// By a sign-in, or by the application's own credential.
    BySignIn,
}

/// The lifetime of an access token. RFC 6749 section 5.1 only recommends `expires_in`. Without it a
/// time is assumed, which the `exp` claim of a JWT can shorten: the client is not to rely on the
/// format of an access token (RFC 9068 section 6), so that the claim gives no longer life.
pub(crate) fn life_of(
    expires_in: Option<Duration>,
    access_token: Option<&Secret>,
    renewal: Renewal,
    now: UnixTime,
) -> Duration {
    expires_in.unwrap_or_else(|| {
        let assumed = match renewal {
            Renewal::ByRefresh => UNSTATED_RENEWABLE_LIFE,
            Renewal::BySignIn => UNSTATED_LIFE,
        };
        let end = access_token.and_then(unverified_end);
        end.map_or(assumed, |end| end.since(now).min(assumed))
    })
}

impl TokenSet {
    /// The lifetime of the access token.
    pub(super) fn life(&self, renewal: Renewal, now: UnixTime) -> Duration {
        life_of(self.expires_in, self.access_token.as_ref(), renewal, now)
    }
}

/// A successful refresh.
#[derive(Clone, Default)]
pub(crate) struct RefreshAnswer {
    pub(crate) issued: TokenSet,
    /// The verified claims of the ID token, or why it was refused. If the response has none, those
    /// of the last one with what UserInfo says now; `None` if UserInfo was not asked.
    pub(crate) identity: Option<Result<VerifiedClaims, Error>>,
    /// A verified ID token that the record keeps whatever the refresh was for, and whatever its
    /// length. Only accounts of a client and assertions have one.
    pub(crate) id_token: Option<Secret>,
}

/// The claims of a verified ID token.
#[derive(Clone)]
pub(crate) struct VerifiedClaims {
    pub(crate) id_token: Secret,
    pub(crate) claims: ClaimsOfPerson,
    pub(crate) person: Person,
    /// When the claims have to be renewed: usually the token's `exp`.
    pub(crate) expires_at: UnixTime,
}
