//! [`GrantRecord`]: the stored state of one grant, and how a token response changes it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::value::RawValue;

use super::{
    access::{AccessToken, TokenSource},
    cache::{CacheLimits, CachedToken, TokenCache},
    granted,
    key::{RefreshKind, Scopes, TokenKey, TokenRequest},
    refresher::{Renewal, TokenSet, VerifiedClaims},
};
pub(crate) use crate::protocol::Person;
use crate::{clock::UnixTime, codec, protocol::with_names_of, secret::Secret};

/// The longest ID token that is stored. It only serves as the `id_token_hint` at sign-out.
const MAX_ID_TOKEN_BYTES: usize = 4096;

/// The shortest time from one renewal to the next, so that a provider with short-lived ID tokens is
/// not asked at every request.
pub(super) const MIN_RENEWAL_STEP: Duration = Duration::from_secs(5 * 60);

/// The shortest time from one refresh of a token to the next: a smaller `refresh_in` would cause a
/// refresh at every request.
const MIN_REFRESH_STEP: Duration = Duration::from_secs(60);

/// The tokens of one sign-in and those that were obtained with them since. It is sealed wherever it
/// is stored.
#[derive(Clone)]
pub(crate) struct GrantRecord {
    /// Number of writes. Of two copies the one with the lower number is older.
    generation: u64,
    person: Person,
    /// The scopes of the sign-in, which every renewal asks for again.
    scopes: Scopes,
    refresh_token: Option<Secret>,
    id_token: Option<Secret>,
    claims: Option<Box<RawValue>>,
    /// Whether UserInfo added claims at the sign-in or at a renewal since.
    from_user_info: bool,
    renew_at: Option<UnixTime>,
    failing: Option<RenewalFailures>,
    tokens: TokenCache,
}

/// What the tokens of a record without a sign-in are obtained with.
pub(crate) enum GrantSource {
    /// A refresh token of elsewhere.
    RefreshToken(Secret),
    /// The token of a caller, on whose behalf the application acts.
    Assertion(Secret),
    /// The credential of the application, or the machine, alone.
    Application,
}

/// The renewals in a row that failed for a reason that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RenewalFailures {
    pub(super) since: UnixTime,
    pub(super) attempts: u32,
}

codec::record!(GrantRecord {
    1 generation,
    2 person,
    3 scopes,
    4 refresh_token,
    5 id_token,
    6 claims,
    7 renew_at,
    8 failing,
    9 tokens,
    10 from_user_info,
});

codec::record!(RenewalFailures { 1 since, 2 attempts });

impl GrantRecord {
    /// The record of a new sign-in with these scopes. It has no claims: those of the sign-in are in
    /// the session's record until the first renewal.
    pub(crate) fn at_sign_in(
        identity: &VerifiedClaims,
        scopes: Scopes,
        issued: TokenSet,
        now: UnixTime,
    ) -> Self {
        let mut record = Self {
            generation: 1,
            person: identity.person.clone(),
            scopes,
            refresh_token: None,
            id_token: None,
            claims: None,
            from_user_info: identity.claims.from_user_info,
            renew_at: Some(identity.expires_at),
            failing: None,
            tokens: TokenCache::default(),
        };
        record.keep_id_token(&identity.id_token);
        let key = record.sign_in_key();
        record.take_issued(key, issued, TokenSource::SignIn, now);
        record
    }

    /// The record of a sign-in for this request, and its access token. A token for a resource, or
    /// with claims or parameters of the application, is cached under them: it does not answer every
    /// request for the scopes.
    pub(crate) fn of_sign_in(
        request: &TokenRequest,
        identity: &VerifiedClaims,
        issued: TokenSet,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        let scopes = request.key.scopes().clone();
        // Without the tenant: the record belongs to the tenant of the sign-in already.
        let own = TokenKey { tenant: None, ..request.key.clone() };
        if own == TokenKey::new(scopes.clone()) {
            let record = Self::at_sign_in(identity, scopes, issued, now);
            let token = record.sign_in_token();
            return (record, token);
        }
        // The refresh token belongs to the record of the sign-in, not to the token of the resource.
        let of_token = TokenSet { refresh_token: None, ..issued.clone() };
        let record =
            Self::at_sign_in(identity, scopes, TokenSet { access_token: None, ..issued }, now);
        record.refreshed(own, of_token, now)
    }

    /// The record of tokens that are obtained without a sign-in.
    pub(crate) fn without_sign_in(person: Person, source: GrantSource) -> Self {
        let credential = match source {
            GrantSource::RefreshToken(credential) | GrantSource::Assertion(credential) => {
                credential
            }
            // A record without a credential is one that no refresh can renew. The text is that of
            // stored caches, and is sent nowhere.
            GrantSource::Application => "client_credentials".into(),
        };
        Self {
            generation: 1,
            person,
            scopes: Scopes::default(),
            refresh_token: Some(credential),
            id_token: None,
            claims: None,
            from_user_info: false,
            renew_at: None,
            failing: None,
            tokens: TokenCache::default(),
        }
    }

    /// This sign-in, with the tokens of an earlier one of the same person that it did not replace.
    /// A token that lacks a requested scope is dropped: the person may have agreed to the scope
    /// now.
    pub(crate) fn after(mut self, earlier: &Self, now: UnixTime) -> Self {
        // One home account can be two persons in two tenants: their tokens are not mixed.
        if !self.person.is_same(&earlier.person) {
            return self;
        }
        for token in earlier.tokens.iter() {
            if token.expires_at > now
                && token.is_complete()
                && self.tokens.exact(&token.key).is_none()
            {
                let token =
                    Arc::new(CachedToken { from_sign_in: false, ..CachedToken::clone(token) });
                self.tokens.insert(&token, CacheLimits::default(), now);
            }
        }
        self.refresh_token = self.refresh_token.or_else(|| earlier.refresh_token.clone());
        self
    }

    /// The access token of the sign-in, with or without all of its scopes.
    pub(crate) fn sign_in_token(&self) -> Option<AccessToken> {
        self.tokens.exact(&self.sign_in_key()).map(|token| AccessToken::of_sign_in(token.clone()))
    }

    pub(crate) fn person(&self) -> &Person {
        &self.person
    }

    /// The scopes of the sign-in.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    pub(crate) fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }

    /// The last ID token, which is the `id_token_hint` at sign-out. In the record of a session it
    /// is `None` if it is longer than 4 KB.
    pub(crate) fn id_token(&self) -> Option<&Secret> {
        self.id_token.as_ref()
    }

    /// The claims of the last renewal, as JSON; `None` as long as those of the sign-in hold.
    pub(crate) fn claims(&self) -> Option<&RawValue> {
        self.claims.as_deref()
    }

    /// Whether a renewal needs the answer of UserInfo, because earlier claims have some of it.
    pub(super) fn is_from_user_info(&self) -> bool {
        self.from_user_info
    }

    /// When the claims have to be renewed; `None` if nothing can renew them, so that the session's
    /// own limits apply.
    pub(crate) fn renew_at(&self) -> Option<UnixTime> {
        self.renew_at
    }

    /// When the last of its access tokens expires.
    pub(crate) fn last_end(&self) -> Option<UnixTime> {
        self.tokens.iter().map(|token| token.expires_at).max()
    }

    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// Number of writes.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn failing(&self) -> Option<RenewalFailures> {
        self.failing
    }

    /// The request that the access token of the sign-in answers.
    pub(super) fn sign_in_key(&self) -> TokenKey {
        TokenKey::new(self.scopes.clone())
    }
}

/// The access token of a token response, if it has one.
pub(super) fn token_of(
    key: TokenKey,
    issued: TokenSet,
    source: TokenSource,
    renewal: Renewal,
    now: UnixTime,
) -> Option<CachedToken> {
    let from_sign_in = source == TokenSource::SignIn;
    let expires_at = now + issued.life(renewal, now);
    Some(CachedToken {
        granted: issued
            .scope
            .as_deref()
            // Without `scope` the requested scopes were granted (RFC 6749 section 5.1).
            .map_or_else(|| key.scopes().clone(), |scope| granted::of_answer(scope, key.scopes())),
        key,
        secret: issued.access_token?,
        issued_at: now,
        expires_at,
        refresh_at: issued
            .refresh_in
            .map(|after| now + if from_sign_in { after } else { after.max(MIN_REFRESH_STEP) }),
        from_sign_in,
        complete: OnceLock::new(),
    })
}

/// Changes of the record. Each returns the next one.
impl GrantRecord {
    /// The same record with the next generation.
    pub(crate) fn next(&self) -> Self {
        Self { generation: self.generation.saturating_add(1), ..self.clone() }
    }

    /// The record after a refresh of this kind; `identity` is the ID token of its response.
    pub(super) fn after_refresh(
        &self,
        kind: &RefreshKind,
        issued: TokenSet,
        identity: Option<&VerifiedClaims>,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        match kind {
            RefreshKind::Renewal => self.renewed(self.sign_in_key(), issued, identity, now),
            // The same token as of the sign-in: an ID token that comes with it renews the session.
            RefreshKind::Token(TokenRequest { key, .. })
                if identity.is_some() && *key == self.sign_in_key() =>
            {
                self.renewed(key.clone(), issued, identity, now)
            }
            RefreshKind::Token(request) => self.refreshed(request.key.clone(), issued, now),
        }
    }

    /// The record after a refresh for `key`. The claims stay.
    pub(super) fn refreshed(
        &self,
        key: TokenKey,
        issued: TokenSet,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        let mut next = self.next();
        let token = next.take_issued(key, issued, TokenSource::Provider, now);
        (next, token.map(AccessToken::issued))
    }

    /// The record after a renewal, a refresh for `key`: the claims are replaced by those of its ID
    /// token, except for names that it does not repeat, or stay if there are none.
    pub(super) fn renewed(
        &self,
        key: TokenKey,
        issued: TokenSet,
        identity: Option<&VerifiedClaims>,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        let renew_at = identity.map_or_else(
            || now + issued.life(Renewal::BySignIn, now),
            |identity| identity.expires_at,
        );
        let (mut next, token) = self.refreshed(key, issued, now);
        // A short-lived ID token must not lead to a renewal at each request.
        next.renew_at = Some(renew_at.max(now + MIN_RENEWAL_STEP));
        next.failing = None;
        if let Some(identity) = identity {
            next.claims = Some(match &self.claims {
                Some(earlier) => with_names_of(&identity.claims.json, earlier.get()),
                // The names of the sign-in are in the session's record.
                None => identity.claims.json.clone(),
            });
            next.from_user_info |= identity.claims.from_user_info;
            next.keep_id_token(&identity.id_token);
        }
        (next, token)
    }

    /// The record after a token response to a request that was not a refresh.
    pub(crate) fn issued(
        &self,
        request: &TokenRequest,
        issued: TokenSet,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        let request = request.completed_for(&self.scopes, self.person.tid.as_deref());
        self.refreshed(request.key.clone(), issued, now)
    }

    /// The record after a refresh whose ID token was refused. Only the refresh token is taken over,
    /// because it may be the only valid one now.
    pub(super) fn rotated(&self, refresh_token: Secret) -> Self {
        Self { refresh_token: Some(refresh_token), ..self.next() }
    }

    /// The record after a renewal that failed for a reason that may pass.
    pub(super) fn failed(&self, failing: RenewalFailures, renew_at: UnixTime) -> Self {
        Self { failing: Some(failing), renew_at: Some(renew_at), ..self.next() }
    }

    /// The same record with this ID token, which may be longer than the hint of a sign-out.
    pub(crate) fn with_id_token(mut self, id_token: Secret) -> Self {
        self.id_token = Some(id_token);
        self
    }

    fn keep_id_token(&mut self, id_token: &Secret) {
        // A longer one is no usable `id_token_hint`: it would exceed the limits of a URL.
        if id_token.expose().len() <= MAX_ID_TOKEN_BYTES {
            self.id_token = Some(id_token.clone());
        }
    }

    fn take_issued(
        &mut self,
        key: TokenKey,
        issued: TokenSet,
        source: TokenSource,
        now: UnixTime,
    ) -> Option<Arc<CachedToken>> {
        self.refresh_token = issued
            .refresh_token
            .clone()
            .or(self.refresh_token.take())
            // Some providers send an empty string in place of an absent member.
            .filter(|token| !token.is_empty());
        let renewal =
            if self.refresh_token.is_some() { Renewal::ByRefresh } else { Renewal::BySignIn };
        let token = Arc::new(token_of(key, issued, source, renewal, now)?);
        self.tokens.insert(&token, CacheLimits::default(), now);
        Some(token)
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
