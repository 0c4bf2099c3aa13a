//! [`TokenCache`]: the access tokens of one grant, with a constant-time look-up by request and an
//! index for supersets of scopes.

use std::{
    borrow::Borrow,
    cmp::Reverse,
    collections::{HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use quick_cache::DefaultHashBuilder as Seeded;

use super::{
    granted,
    key::{Scopes, TokenKey},
};
use crate::{clock::UnixTime, codec, secret::Secret};

/// One access token, and the request that it was issued for.
#[derive(Clone)]
pub(crate) struct CachedToken {
    pub(super) key: TokenKey,
    pub(super) granted: Scopes,
    pub(super) secret: Secret,
    pub(super) issued_at: UnixTime,
    pub(super) expires_at: UnixTime,
    /// When the provider recommends a refresh (`refresh_in`).
    pub(super) refresh_at: Option<UnixTime>,
    pub(super) from_sign_in: bool,
    /// Whether every requested scope was granted; computed once.
    pub(super) complete: OnceLock<bool>,
}

codec::record!(CachedToken {
    1 key,
    2 granted,
    3 secret,
    4 issued_at,
    5 expires_at,
    6 refresh_at,
    7 from_sign_in;
    complete
});

impl CachedToken {
    /// Whether every scope of its own request was granted.
    pub(super) fn is_complete(&self) -> bool {
        *self.complete.get_or_init(|| self.missing(&self.key).is_none())
    }

    /// The scopes of a request that this token does not have, by their names; `None` if it has all.
    pub(super) fn missing(&self, key: &TokenKey) -> Option<Scopes> {
        let known: Vec<&str> = self.rights().collect();
        Some(key.scopes().rights_without(&known)).filter(|missing| !missing.is_empty())
    }

    /// The rights of the token: by the provider's names, and by the names in the request where
    /// these differ.
    fn rights(&self) -> impl Iterator<Item = &str> {
        let renamed = granted::rights(self.key.scopes(), &self.granted)
            .filter(|right| !self.granted.contains(right));
        self.granted.rights().chain(renamed)
    }

    /// Whether the provider has names of its own for the rights of the one requested resource, so
    /// that they cannot be compared with the request.
    fn is_named_otherwise(&self) -> bool {
        granted::is_of_one_resource(self.key.scopes())
            && self.granted.rights().any(|right| !self.key.scopes().contains(right))
    }

    /// Its length in the record in bytes, without numbers and times (about 60).
    fn len(&self) -> usize {
        self.key.len() + self.granted.as_str().len() + self.secret.expose().len()
    }
}

/// Limits of the cache of one grant. Beyond them the tokens that expire first are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheLimits {
    /// Number of tokens.
    pub(super) tokens: usize,
    /// Bytes of tokens, scopes, resources and claims together.
    pub(super) bytes: usize,
}

impl Default for CacheLimits {
    /// 1,000 tokens and 256 KiB. Entra's tokens have about 2 KB, so there the bytes are the limit.
    fn default() -> Self {
        Self { tokens: 1000, bytes: 256 * 1024 }
    }
}

/// The access tokens of one grant.
#[derive(Clone, Default)]
pub(crate) struct TokenCache {
    tokens: HashSet<CacheEntry, Seeded>,
    /// Tokens by each of their rights, so that a superset is found without a search through all
    /// tokens. Those with the fewest scopes come first, among these those that last longest.
    by_right: HashMap<Box<str>, Vec<CacheEntry>, Seeded>,
}

impl TokenCache {
    /// The token that answers a request and `lasts`: the one that was issued for the same request,
    /// or one that differs only in having more rights, with as few scopes as possible.
    ///
    /// A token that lacks a requested right answers only the request that it was issued for, and
    /// only if no other token has the right: the provider would issue the same again. A request
    /// without any right is answered only by the token that was issued for it, since every token is
    /// a superset of nothing.
    pub(super) fn find(
        &self,
        key: &TokenKey,
        lasts: impl Fn(&CachedToken) -> bool,
    ) -> Option<&Arc<CachedToken>> {
        // The usual case, without a look at the scopes.
        if let Some(exact) = self.tokens.get(key)
            && exact.is_complete
            && lasts(&exact.token)
        {
            return Some(&exact.token);
        }
        self.with_all_rights(key, &lasts).or_else(|| self.exact(key).filter(|token| lasts(token)))
    }

    fn with_all_rights(
        &self,
        key: &TokenKey,
        lasts: impl Fn(&CachedToken) -> bool,
    ) -> Option<&Arc<CachedToken>> {
        let carriers = |right| (right, self.by_right.get(right).map_or(&[][..], Vec::as_slice));
        let (rarest, carriers) =
            // The right with the fewest tokens leaves the fewest to compare.
            key.scopes().rights().map(carriers).min_by_key(|(_, tokens)| tokens.len())?;
        let mut tokens = carriers.iter().map(|entry| &entry.token);
        tokens.find(|token| {
            let others = || key.scopes().rights().filter(|right| *right != rarest);
            let has = |right: &str| token.rights().any(|own| own == right);
            lasts(token) && token.key.differs_only_in_scopes(key) && others().all(has)
        })
    }

    /// A token that was requested with these rights among others, from a provider with names of its
    /// own for them. It is served where there is no refresh token to get a certain one with.
    pub(super) fn obtained_for(
        &self,
        key: &TokenKey,
        lasts: impl Fn(&CachedToken) -> bool,
    ) -> Option<&Arc<CachedToken>> {
        key.scopes().rights().next()?;
        self.iter().find(|token| {
            let was_asked_for =
                || key.scopes().rights().all(|right| token.key.scopes().contains(right));
            lasts(token)
                && token.key.differs_only_in_scopes(key)
                && token.is_named_otherwise()
                && was_asked_for()
        })
    }

    /// The token that was issued for this request, with or without all of its scopes.
    pub(super) fn exact(&self, key: &TokenKey) -> Option<&Arc<CachedToken>> {
        self.tokens.get(key).map(|entry| &entry.token)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<CachedToken>> {
        self.tokens.iter().map(|entry| &entry.token)
    }

    /// Adds a token in place of the one of the same request. Expired tokens are removed, then those
    /// that expire first, until the limits hold; a token that alone exceeds them is not added.
    pub(super) fn insert(&mut self, token: &Arc<CachedToken>, limits: CacheLimits, now: UnixTime) {
        let mut others: Vec<Arc<CachedToken>> = self
            .tokens
            .drain()
            .map(|entry| entry.token)
            .filter(|other| other.expires_at > now && other.key != token.key)
            .collect();
        // The new token first, then those that expire last: the limits cut off the end of the list.
        others.sort_by_key(|other| Reverse(other.expires_at));
        let mut left = limits;
        let mut kept = Vec::with_capacity(others.len() + 1);
        for candidate in std::iter::once(token).chain(&others) {
            let Some(bytes) = left.bytes.checked_sub(candidate.len()).filter(|_| left.tokens > 0)
            else {
                break;
            };
            left = CacheLimits { tokens: left.tokens - 1, bytes };
            kept.push(candidate.clone());
        }
        *self = Self::from_iter(kept);
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes of all tokens with their scopes.
    pub(super) fn bytes(&self) -> usize {
        self.iter().map(|token| token.len()).sum()
    }
}

impl FromIterator<Arc<CachedToken>> for TokenCache {
    fn from_iter<I: IntoIterator<Item = Arc<CachedToken>>>(tokens: I) -> Self {
        let mut cache = Self::default();
        for token in tokens {
            let entry = CacheEntry { is_complete: token.is_complete(), token };
            // Under each name of each right, since the request and the provider may use different
            // names.
            for right in entry.token.rights() {
                cache.by_right.entry(right.into()).or_default().push(entry.clone());
            }
            cache.tokens.insert(entry);
        }
        for carriers in cache.by_right.values_mut() {
            carriers.sort_by_cached_key(|CacheEntry { token, .. }| {
                (token.granted.iter().count(), Reverse(token.expires_at))
            });
        }
        cache
    }
}

/// One field per token, in the order of the keys: equal records are equal bytes.
impl codec::Field for TokenCache {
    type Read = Vec<Arc<CachedToken>>;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        let mut tokens: Vec<_> = self.iter().cloned().collect();
        tokens.sort_by(|one, other| one.key.cmp(&other.key));
        tokens.write_fields(number, out);
    }

    fn take(read: &mut Self::Read, bytes: &[u8]) -> Option<()> {
        <Self::Read as codec::Field>::take(read, bytes)
    }

    fn finish(read: Self::Read) -> Option<Self> {
        Some(read.into_iter().collect())
    }
}

/// A token in the set, which is searched by its key.
#[derive(Clone)]
struct CacheEntry {
    token: Arc<CachedToken>,
    /// Computed once, because every look-up needs it.
    is_complete: bool,
}

impl Borrow<TokenKey> for CacheEntry {
    fn borrow(&self) -> &TokenKey {
        &self.token.key
    }
}

impl Hash for CacheEntry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.token.key.hash(state);
    }
}

impl PartialEq for CacheEntry {
    fn eq(&self, other: &Self) -> bool {
        self.token.key == other.token.key
    }
}

impl Eq for CacheEntry {}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
