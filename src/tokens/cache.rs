//! The access tokens of one grant: an exact look-up that does not grow with their number, and an index for supersets of scopes.

use std::{
    borrow::Borrow,
    cmp::Reverse,
    collections::{HashMap, HashSet},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key::{Scopes, TokenKey};
use crate::{
    clock::UnixTime,
    secret::{self, Secret},
};

/// One access token and what it answers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CachedToken {
    #[serde(rename = "k")]
    pub(super) key: TokenKey,
    #[serde(rename = "g")]
    pub(super) granted: Scopes,
    #[serde(rename = "a", serialize_with = "secret::exposed")]
    pub(super) secret: Secret,
    #[serde(rename = "i")]
    pub(super) issued_at: UnixTime,
    #[serde(rename = "e")]
    pub(super) expires_at: UnixTime,
    /// When the provider would like to be asked again (`refresh_in`).
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_at: Option<UnixTime>,
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) from_sign_in: bool,
}

impl CachedToken {
    /// Whether it has everything that was asked for when it was issued.
    fn is_complete(&self) -> bool {
        self.key.scopes().rights().all(|right| self.granted.contains(right))
    }

    /// Bytes it takes in the record, apart from the names and times around it (about 60).
    fn len(&self) -> usize {
        self.key.len() + self.granted.as_str().len() + self.secret.expose().len()
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken").field("key", &self.key).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// How much one grant may keep. What is over leaves, that with the nearest end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheLimits {
    /// How many tokens.
    pub(crate) tokens: usize,
    /// Bytes of their text together: tokens, scopes, resources and claims.
    pub(crate) bytes: usize,
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
    tokens: HashSet<Entry>,
    /// Tokens by each right that they carry, so that a superset is found without looking at all of them: those with the fewest scopes first, of these those
    /// that last longest.
    by_right: HashMap<Box<str>, Vec<Entry>>,
}

impl TokenCache {
    /// The token that answers a request and `lasts`: that of the same request, or else one that is otherwise the same and carries more rights, of these the
    /// one with the fewest scopes.
    ///
    /// A token that lacks a right which was asked for answers only requests without that right. A request without any right is answered by its like only:
    /// otherwise every token would do.
    pub(super) fn find(&self, key: &TokenKey, lasts: impl Fn(&CachedToken) -> bool) -> Option<&Arc<CachedToken>> {
        if let Some(exact) = self.tokens.get(key)
            && exact.is_complete
            && lasts(&exact.token)
        {
            return Some(&exact.token);
        }
        let carriers = |right| (right, self.by_right.get(right).map_or(&[][..], Vec::as_slice));
        let (rarest, carriers) = key.scopes().rights().map(carriers).min_by_key(|(_, tokens)| tokens.len())?;
        let mut tokens = carriers.iter().map(|entry| &entry.token);
        tokens.find(|token| {
            let others = || key.scopes().rights().filter(|right| *right != rarest);
            lasts(token) && token.key.differs_only_in_scopes(key) && others().all(|right| token.granted.contains(right))
        })
    }

    /// The token that was issued for this very request, whatever it lacks.
    pub(super) fn exact(&self, key: &TokenKey) -> Option<&Arc<CachedToken>> {
        self.tokens.get(key).map(|entry| &entry.token)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<CachedToken>> {
        self.tokens.iter().map(|entry| &entry.token)
    }

    /// Puts a token in, in place of the one of the same request. Expired ones leave, and then those with the nearest end until the limits are kept; a token
    /// that is over the limits on its own is not kept.
    pub(crate) fn insert(&mut self, token: &Arc<CachedToken>, limits: CacheLimits, now: UnixTime) {
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
            let Some(bytes) = left.bytes.checked_sub(candidate.len()).filter(|_| left.tokens > 0) else { break };
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
            let entry = Entry { is_complete: token.is_complete(), token };
            for right in entry.token.granted.rights() {
                cache.by_right.entry(right.into()).or_default().push(entry.clone());
            }
            cache.tokens.insert(entry);
        }
        for carriers in cache.by_right.values_mut() {
            carriers.sort_by_cached_key(|Entry { token, .. }| (token.granted.iter().count(), Reverse(token.expires_at)));
        }
        cache
    }
}

impl Serialize for TokenCache {
    /// In the order of the keys: equal records are equal bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tokens: Vec<&CachedToken> = self.iter().map(|token| &**token).collect();
        tokens.sort_by(|one, other| one.key.cmp(&other.key));
        serializer.collect_seq(tokens)
    }
}

impl<'de> Deserialize<'de> for TokenCache {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<CachedToken>::deserialize(deserializer)?.into_iter().map(Arc::new).collect())
    }
}

/// A token in a set that is asked by key.
#[derive(Clone, Debug)]
struct Entry {
    token: Arc<CachedToken>,
    /// Asked at every look-up, so it is worked out once.
    is_complete: bool,
}

impl Borrow<TokenKey> for Entry {
    fn borrow(&self) -> &TokenKey {
        &self.token.key
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.token.key.hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.token.key == other.token.key
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::super::{key::PastCache, *};
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    const ROOMY: CacheLimits = CacheLimits { tokens: 1000, bytes: 1 << 20 };

    fn token(key: &TokenKey, granted: &str, name: &str, life: u64) -> Arc<CachedToken> {
        Arc::new(CachedToken {
            key: key.clone(),
            granted: Scopes::granted(granted),
            secret: name.into(),
            issued_at: NOW,
            expires_at: NOW + Duration::from_secs(life),
            refresh_at: None,
            from_sign_in: false,
        })
    }

    fn key(scopes: &str) -> TokenKey {
        TokenRequest::new([scopes]).unwrap().key
    }

    fn cache(tokens: &[(&str, &str)]) -> TokenCache {
        tokens.iter().map(|(asked, granted)| token(&key(asked), granted, asked, 3600)).collect()
    }

    fn found<'c>(cache: &'c TokenCache, scopes: &str) -> Option<&'c str> {
        cache.find(&key(scopes), |_| true).map(|token| token.secret.expose())
    }

    #[test]
    fn a_superset_answers_and_the_smallest_first() {
        let cache = cache(&[("a b c", "a b c"), ("a b", "a b"), ("x", "x y z")]);
        for (asked, answer) in
            [("a", Some("a b")), ("b openid", Some("a b")), ("c", Some("a b c")), ("y", Some("x")), ("a x", None), ("d", None)]
        {
            assert_eq!(found(&cache, asked), answer, "{asked}");
        }
    }

    #[test]
    fn a_request_without_rights_is_answered_by_its_like_only() {
        let cache = cache(&[("a", "a openid"), ("openid profile", "openid profile")]);
        assert_eq!(found(&cache, "openid profile"), Some("openid profile"));
        assert_eq!(found(&cache, "openid"), None);
        assert_eq!(found(&cache, "offline_access"), None);
    }

    #[test]
    fn a_token_that_does_not_last_gives_way_to_one_that_does() {
        let cache: TokenCache =
            [token(&key("a"), "a", "short", 10), token(&key("a b"), "a b", "long", 100)].into_iter().collect();
        assert_eq!(found(&cache, "a"), Some("short"));
        let lasts = |token: &CachedToken| token.expires_at > NOW + Duration::from_secs(50);
        assert_eq!(cache.find(&key("a"), lasts).map(|token| token.secret.expose()), Some("long"));
    }

    #[test]
    fn expired_tokens_leave_and_then_those_with_the_nearest_end() {
        let mut cache = TokenCache::default();
        for (name, life) in [("a", 10), ("b", 400), ("c", 200), ("d", 300)] {
            cache.insert(&token(&key(name), name, name, life), ROOMY, NOW);
        }
        let later = NOW + Duration::from_secs(10);
        cache.insert(&token(&key("e"), "e", "e", 100), ROOMY, later);
        assert_eq!((cache.len(), found(&cache, "a")), (4, None));
        cache.insert(&token(&key("f"), "f", "f", 20), CacheLimits { tokens: 3, ..ROOMY }, later);
        assert_eq!(
            ["b", "c", "d", "e", "f"].map(|name| found(&cache, name).is_some()),
            [true, false, true, false, true],
            "the new one stays"
        );
    }

    #[test]
    fn the_bytes_are_bounded() {
        let mut cache = TokenCache::default();
        let limits = CacheLimits { tokens: 100, bytes: 1000 };
        for number in 0..50 {
            let name = format!("scope{number:02}");
            cache.insert(&token(&key(&name), &name, &"t".repeat(86), 3600 + number), limits, NOW);
        }
        assert_eq!(cache.len(), 10);
        assert!(found(&cache, "scope49").is_some() && found(&cache, "scope39").is_none());
        cache.insert(&token(&key("huge"), "huge", &"t".repeat(1000), 9999), limits, NOW);
        assert_eq!(cache.len(), 0, "what is too large is served once and not kept");
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        prop_oneof![2 => Just(None), 3 => select(vec!["", "a", "b", "ab", "a b", "https://a.example/"]).prop_map(|text| Some(text.to_owned()))]
    }

    fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
        vec(select(vec!["a", "b", "ab", "b.a", "A", "openid", "profile", "offline_access"]), 0..4)
    }

    /// A request, from few parts, so that many are nearly the same.
    fn requests() -> impl Strategy<Value = TokenRequest> {
        (scopes(), text(), text(), text()).prop_map(|(scopes, tenant, resource, claims)| {
            let mut request = TokenRequest::new(scopes).unwrap();
            for (value, with) in [
                (tenant, TokenRequest::with_tenant as fn(_, &str) -> _),
                (resource, TokenRequest::with_resource),
                (claims, TokenRequest::with_client_claims),
            ] {
                request = value.iter().fold(request, |request, value| with(request, value));
            }
            request
        })
    }

    /// Everything that the provider is told, with each part apart, and the scopes as a set.
    fn told(request: &TokenRequest) -> impl PartialEq + std::fmt::Debug + use<> {
        let key = &request.key;
        let scopes: std::collections::BTreeSet<String> = key.scopes().iter().map(ToOwned::to_owned).collect();
        let own = |text: Option<&str>| text.map(ToOwned::to_owned);
        (scopes, own(key.tenant()), own(key.resource()), own(key.claims()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// CVE-2021-32701, CVE-2025-26620: keys that lack something which changes the answer.
        #[test]
        fn two_different_requests_never_share_an_entry(first in requests(), second in requests()) {
            let same = told(&first) == told(&second);
            prop_assert_eq!(first.key == second.key, same);
            let mut cache = TokenCache::default();
            cache.insert(&token(&first.key, first.key.scopes().as_str(), "first", 10), ROOMY, NOW);
            cache.insert(&token(&second.key, second.key.scopes().as_str(), "second", 20), ROOMY, NOW);
            prop_assert_eq!(cache.len(), if same { 1 } else { 2 });
            let answer = cache.find(&first.key, |_| true).map(|token| token.secret.expose());
            prop_assert_eq!(answer, Some(if same { "second" } else { "first" }));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_token_answers_only_what_it_was_issued_for(asked in vec((requests(), scopes()), 0..8), request in requests()) {
            let mut cache = TokenCache::default();
            for (index, (entry, granted)) in asked.iter().enumerate() {
                cache.insert(&token(&entry.key, &granted.join(" "), &index.to_string(), 3600), ROOMY, NOW);
            }
            let json = serde_json::to_vec(&cache).unwrap();
            let cache: TokenCache = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&serde_json::to_vec(&cache).unwrap(), &json);
            let serves = |token: &CachedToken| {
                let key = &token.key;
                let likewise = (key.tenant(), key.resource(), key.claims()) == (request.key.tenant(), request.key.resource(), request.key.claims());
                let covered = request.key.scopes().rights().all(|right| token.granted.contains(right));
                likewise && covered && (request.key.scopes().rights().count() > 0 || *key == request.key)
            };
            // What was put in last for a key is what counts.
            let entries: Vec<_> = asked.iter().enumerate().rev().map(|(index, (entry, granted))| token(&entry.key, &granted.join(" "), &index.to_string(), 3600)).collect();
            let held: Vec<_> = entries.iter().enumerate().filter(|(index, entry)| entries[..*index].iter().all(|newer| newer.key != entry.key)).map(|(_, entry)| entry).collect();
            match cache.find(&request.key, |_| true) {
                Some(answer) => prop_assert!(serves(answer)),
                None => prop_assert!(!held.iter().any(|entry| serves(entry))),
            }
        }

        #[test]
        fn a_request_past_the_cache_is_another_flight(request in requests(), claims in "[a-z{}]{0,4}") {
            let challenged = request.clone().with_challenge(&claims);
            prop_assert_eq!(&challenged.key, &request.key);
            prop_assert_ne!(&challenged, &request);
            prop_assert_ne!(request.clone().forced().past_cache, PastCache::No);
        }
    }
}
