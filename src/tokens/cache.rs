//! The access tokens of one grant: an exact look-up that does not grow with their number, and an
//! index for supersets of scopes.

use std::{
    borrow::Borrow,
    cmp::Reverse,
    collections::{HashMap, HashSet},
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use quick_cache::DefaultHashBuilder as Seeded;

use super::{
    granted,
    key::{Scopes, TokenKey},
};
use crate::{clock::UnixTime, codec, secret::Secret};

/// One access token and what it answers.
#[derive(Clone)]
pub(crate) struct CachedToken {
    pub(super) key: TokenKey,
    pub(super) granted: Scopes,
    pub(super) secret: Secret,
    pub(super) issued_at: UnixTime,
    pub(super) expires_at: UnixTime,
    /// When the provider would like to be asked again (`refresh_in`).
    pub(super) refresh_at: Option<UnixTime>,
    pub(super) from_sign_in: bool,
    /// Whether everything that was asked for was granted, worked out once.
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
    /// Whether it has everything that was asked for when it was issued.
    pub(super) fn is_complete(&self) -> bool {
        *self.complete.get_or_init(|| self.missing(&self.key).is_none())
    }

    /// What a request asks for that was not granted, as far as the names of scopes tell. `None` if
    /// that is nothing.
    pub(super) fn missing(&self, key: &TokenKey) -> Option<Scopes> {
        let known: Vec<&str> = self.rights().collect();
        Some(key.scopes().rights_without(&known)).filter(|missing| !missing.is_empty())
    }

    /// The rights that it carries: by the provider's names, and by those of the request if it had
    /// others.
    fn rights(&self) -> impl Iterator<Item = &str> {
        let renamed = granted::rights(self.key.scopes(), &self.granted)
            .filter(|right| !self.granted.contains(right));
        self.granted.rights().chain(renamed)
    }

    /// Whether the provider has names of its own, so that what it granted of the one resource
    /// cannot be told.
    fn is_named_otherwise(&self) -> bool {
        granted::is_of_one_resource(self.key.scopes())
            && self.granted.rights().any(|right| !self.key.scopes().contains(right))
    }

    /// Bytes it takes in the record, apart from the names and times around it (about 60).
    fn len(&self) -> usize {
        self.key.len() + self.granted.as_str().len() + self.secret.expose().len()
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken")
            .field("key", &self.key)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// How much one grant may keep. What is over leaves, that with the nearest end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheLimits {
    /// How many tokens.
    pub(super) tokens: usize,
    /// Bytes of their text together: tokens, scopes, resources and claims.
    pub(super) bytes: usize,
}

impl Default for CacheLimits {
    /// 1,000 tokens, 256 KiB. With the tokens of Entra, of about 2 KB, the bytes are the limit.
    fn default() -> Self {
        Self { tokens: 1000, bytes: 256 * 1024 }
    }
}

/// The access tokens of one grant.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenCache {
    tokens: HashSet<CacheEntry, Seeded>,
    /// Tokens by each right that they carry, so that a superset is found without looking at all of
    /// them: those with the fewest scopes first, of these those that last longest.
    by_right: HashMap<Box<str>, Vec<CacheEntry>, Seeded>,
}

impl TokenCache {
    /// The token that answers a request and `lasts`: that of the same request, or else one that is
    /// otherwise the same and carries more rights, of these the one with the fewest scopes.
    ///
    /// A token that lacks a right which was asked for answers the very request that it was obtained
    /// for, if no other one has the right: asking the provider again would only bring another one
    /// like it. Other requests for that right it does not answer. A request without any right is
    /// answered by its like only: otherwise every token would do.
    pub(super) fn find(
        &self,
        key: &TokenKey,
        lasts: impl Fn(&CachedToken) -> bool,
    ) -> Option<&Arc<CachedToken>> {
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
            key.scopes().rights().map(carriers).min_by_key(|(_, tokens)| tokens.len())?;
        let mut tokens = carriers.iter().map(|entry| &entry.token);
        tokens.find(|token| {
            let others = || key.scopes().rights().filter(|right| *right != rarest);
            let has = |right: &str| token.rights().any(|own| own == right);
            lasts(token) && token.key.differs_only_in_scopes(key) && others().all(has)
        })
    }

    /// A token that was obtained for these rights among others, from a provider whose names for
    /// them are its own: the best there is, where no other one can be had.
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

    /// The token that was issued for this very request, whatever it lacks.
    pub(super) fn exact(&self, key: &TokenKey) -> Option<&Arc<CachedToken>> {
        self.tokens.get(key).map(|entry| &entry.token)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<CachedToken>> {
        self.tokens.iter().map(|entry| &entry.token)
    }

    /// Puts a token in, in place of the one of the same request. Expired ones leave, and then those
    /// with the nearest end until the limits are kept; a token that is over the limits on its own
    /// is not kept.
    pub(super) fn insert(&mut self, token: &Arc<CachedToken>, limits: CacheLimits, now: UnixTime) {
        let mut others: Vec<Arc<CachedToken>> = self
            .tokens
            .drain()
            .map(|entry| entry.token)
            .filter(|other| other.expires_at > now && other.key != token.key)
            .collect();
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
}

impl FromIterator<Arc<CachedToken>> for TokenCache {
    fn from_iter<I: IntoIterator<Item = Arc<CachedToken>>>(tokens: I) -> Self {
        let mut cache = Self::default();
        for token in tokens {
            let entry = CacheEntry { is_complete: token.is_complete(), token };
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

/// A token in a set that is asked by key.
#[derive(Clone, Debug)]
struct CacheEntry {
    token: Arc<CachedToken>,
    /// Asked at every look-up, so it is worked out once.
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
