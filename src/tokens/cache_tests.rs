//! Cached tokens: scopes, resources, ages and sizes.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::select};

use super::super::{key::CacheBypass, *};
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
        complete: OnceLock::new(),
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
    for (asked, answer) in [
        ("a", Some("a b")),
        ("b openid", Some("a b")),
        ("c", Some("a b c")),
        ("y", Some("x")),
        ("a x", None),
        ("d", None),
    ] {
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
        [token(&key("a"), "a", "short", 10), token(&key("a b"), "a b", "long", 100)]
            .into_iter()
            .collect();
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
    let texts = vec!["", "a", "b", "ab", "a b", "https://a.example/"];
    prop_oneof![2 => Just(None), 3 => select(texts).prop_map(|text| Some(text.to_owned()))]
}

fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(vec!["a", "b", "ab", "b.a", "A", "openid", "profile", "offline_access"]), 0..4)
}

/// A request made from few values, so that many requests are nearly equal.
fn requests() -> impl Strategy<Value = TokenRequest> {
    (scopes(), text(), text(), text(), text()).prop_map(
        |(scopes, tenant, resource, claims, extra)| {
            let mut request = TokenRequest::new(scopes).unwrap();
            for (value, with) in [
                (tenant, TokenRequest::with_tenant as fn(_, &str) -> _),
                (resource, TokenRequest::with_resource),
                (claims, TokenRequest::with_client_claims),
                (extra, TokenRequest::with_fmi_path),
            ] {
                request = value.iter().fold(request, |request, value| with(request, value));
            }
            request
        },
    )
}

/// All parameters of the token request, separately, with the scopes as a set.
fn told(request: &TokenRequest) -> impl PartialEq + std::fmt::Debug + use<> {
    let key = &request.key;
    let scopes: std::collections::BTreeSet<String> =
        key.scopes().iter().map(ToOwned::to_owned).collect();
    let own = |text: Option<&str>| text.map(ToOwned::to_owned);
    (scopes, own(key.tenant()), own(key.resource()), own(key.claims()), own(key.extra()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// CVE-2021-32701, CVE-2025-26620: cache keys without a parameter that changes the answer.
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
    fn a_token_answers_only_requests_that_it_was_issued_for(
        asked in vec((requests(), scopes()), 0..8),
        request in requests(),
    ) {
        let mut cache = TokenCache::default();
        for (index, (entry, granted)) in asked.iter().enumerate() {
            let token = token(&entry.key, &granted.join(" "), &index.to_string(), 3600);
            cache.insert(&token, ROOMY, NOW);
        }
        let mut written = Vec::new();
        codec::Field::write_fields(&cache, 1, &mut written);
        let mut read = Vec::new();
        let mut fields = codec::Fields(&written);
        while let Some((_, bytes)) = fields.next().unwrap() {
            <TokenCache as codec::Field>::take(&mut read, bytes).unwrap();
        }
        let cache = <TokenCache as codec::Field>::finish(read).unwrap();
        let mut again = Vec::new();
        codec::Field::write_fields(&cache, 1, &mut again);
        prop_assert_eq!(again, written);
        let serves = |token: &CachedToken| {
            let key = &token.key;
            let likewise = key.tenant() == request.key.tenant()
                && key.resource() == request.key.resource()
                && key.claims() == request.key.claims()
                && key.extra() == request.key.extra();
            // `a` was granted under the name `A`, unless the request has both.
            let renamed = |right: &str| {
                let other = if right == "A" { "a" } else { right };
                key.scopes().contains(right)
                    && !key.scopes().contains(other)
                    && token.granted.contains(other)
            };
            let renamed_back = |right: &str| {
                right == "a"
                    && key.scopes().contains("a")
                    && !key.scopes().contains("A")
                    && token.granted.contains("A")
            };
            let has = |right: &str| {
                token.granted.contains(right) || renamed(right) || renamed_back(right)
            };
            let covered = request.key.scopes().rights().all(has);
            let asks_for_rights = request.key.scopes().rights().count() > 0;
            *key == request.key || (likewise && covered && asks_for_rights)
        };
        // The last token that was inserted for a key is the valid one.
        let token = |(index, (entry, granted)): (usize, &(TokenRequest, Vec<_>))| {
            token(&entry.key, &granted.join(" "), &index.to_string(), 3600)
        };
        let entries: Vec<_> = asked.iter().enumerate().rev().map(token).collect();
        let is_newest = |index: &usize| {
            entries[..*index].iter().all(|newer| newer.key != entries[*index].key)
        };
        let held: Vec<_> =
            (0..entries.len()).filter(is_newest).map(|index| &entries[index]).collect();
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
        prop_assert_ne!(request.clone().forced().cache_bypass, CacheBypass::No);
    }
}
