//! Keys and algorithms that change at the provider.

use std::time::Duration;

use serde_json::{Value, json};

use super::{tests::*, *};
use crate::{
    config::Algorithm,
    protocol::{
        http::HttpError,
        test_support::{
            A_WHILE, FakeHttp, Signer, claims, config, document, id_token, key_set, published,
        },
    },
};

// C-052: keys rotated between two logins
// C-053: keys rotated after the RP cached them, before the token is signed
#[tokio::test]
async fn a_key_that_replaced_another_is_looked_for_once_under_a_new_name_and_under_the_old_one() {
    for (name, old_key) in [("k2", ErrorKind::TokenKeyUnknown), ("k1", ErrorKind::TokenSignature)] {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, _) = http.provider(config());
        assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
        let (key, token) = another_key(name);
        let keys = json!({"keys": [key]});
        http.answer_with(move |request| Ok(published(request, &document(), &keys)));
        assert!(verify(&provider, &token).await.is_ok());
        assert_eq!(http.count("/keys"), 2);
        assert_eq!(verify(&provider, &id_token(|_| ())).await.err().unwrap(), old_key, "{name}");
    }
}

#[tokio::test]
async fn a_named_key_is_looked_for_also_where_a_nameless_one_could_have_been_it() {
    let mut nameless = another_key("x").0;
    nameless.as_object_mut().unwrap().remove("kid");
    let http = FakeHttp::publishing(document(), json!({"keys": [nameless]}));
    let (provider, _) = http.provider(config());
    assert_eq!(
        verify(&provider, &another_key("k3").1).await.err().unwrap(),
        ErrorKind::TokenSignature
    );
    let (provider, _) = http.provider(config());
    let (key, token) = another_key("k2");
    let asked = std::sync::atomic::AtomicUsize::new(0);
    http.answer_with(move |request| {
        let first = request.uri().path() == "/keys"
            && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let keys =
            if first { json!({"keys": [nameless]}) } else { json!({"keys": [nameless, key]}) };
        Ok(published(request, &document(), &keys))
    });
    assert!(verify(&provider, &token).await.is_ok());
}

#[tokio::test]
async fn a_nameless_key_that_was_replaced_is_looked_for_too() {
    let (mut first, mut second) = (Signer::shared().jwk("x"), another_key("y").0);
    for key in [&mut first, &mut second] {
        key.as_object_mut().unwrap().remove("kid");
    }
    let http = FakeHttp::publishing(document(), json!({"keys": [second]}));
    let (provider, _) = http.provider(config());
    let nameless = Signer::shared().sign(&json!({"alg": "RS256"}), &claims());
    assert_eq!(verify(&provider, &nameless).await.err().unwrap(), ErrorKind::TokenSignature);
    assert_eq!(http.count("/keys"), 2);
    let (provider, _) = http.provider(config());
    provider.discovery.keys(&provider.metadata().await.unwrap()).await.unwrap();
    http.answer_with(move |request| Ok(published(request, &document(), &json!({"keys": [first]}))));
    assert!(verify(&provider, &nameless).await.is_ok());
}

// C-200: tokens with random kids, many per second
#[tokio::test]
async fn a_flood_of_unknown_keys_is_a_bounded_number_of_requests() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    let flood = |from: usize| {
        let provider = provider.clone();
        async move {
            for at in from..from + 50 {
                let token = Signer::shared()
                    .sign(&json!({"alg": "RS256", "kid": format!("random-{at}")}), &claims());
                let kind = verify(&provider, &token).await.err().unwrap();
                assert!(
                    matches!(kind, ErrorKind::TokenKeyUnknown | ErrorKind::ProviderUnreachable),
                    "{kind:?}"
                );
            }
        }
    };
    flood(0).await;
    assert_eq!(http.count("/keys"), 6, "the first, and five that looked for a new key");
    clock.advance(Duration::from_secs(9));
    flood(100).await;
    assert_eq!(http.count("/keys"), 6);
    for pause in 1..20 {
        clock.advance(Duration::from_secs(10));
        flood(pause * 100).await;
        assert_eq!(http.count("/keys"), 6 + pause);
    }
    assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
}

#[tokio::test]
async fn a_token_that_fails_otherwise_causes_no_request() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, _) = http.provider(config());
    verify(&provider, &id_token(|_| ())).await.ok();
    for (token, kind) in [
        ("foo".to_owned(), ErrorKind::TokenMalformed),
        (Signer::shared().sign(&json!({"alg": "none"}), &claims()), ErrorKind::TokenAlgorithm),
        (id_token(|claims| claims["iss"] = json!("https://evil.example")), ErrorKind::TokenIssuer),
    ] {
        assert_eq!(verify(&provider, &token).await.err().unwrap(), kind);
    }
    assert_eq!((http.count("/keys"), http.count(WELL_KNOWN)), (1, 1));
}

#[tokio::test]
async fn a_flood_of_wrong_signatures_is_one_request_a_minute() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    verify(&provider, &id_token(|_| ())).await.unwrap();
    let forged = another_key("k1").1;
    for minute in 1..4 {
        for _ in 0..50 {
            assert_eq!(verify(&provider, &forged).await.err().unwrap(), ErrorKind::TokenSignature);
        }
        assert_eq!(http.count("/keys"), 1 + minute);
        clock.advance(Duration::from_secs(60));
    }
    assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
}

/// The document is kept for a day; a provider that goes over to other signatures must not lock
/// all users out for that long.
#[tokio::test]
async fn an_algorithm_that_came_after_the_document_was_read_is_looked_for() {
    let listing = |algorithms: Value| {
        let mut document = document();
        document["id_token_signing_alg_values_supported"] = algorithms;
        document
    };
    let signer = Signer::new(Algorithm::Es256);
    let token = signer.sign(&json!({"alg": "ES256", "kid": "e1"}), &claims());
    for first in [json!(["RS256"]), json!(["HS256"]), json!(null)] {
        let http = FakeHttp::publishing(listing(first), key_set());
        let (provider, clock) = http.provider(config());
        assert!(verify(&provider, &token).await.is_err());
        let (after, keys) =
            (listing(json!(["RS256", "ES256"])), json!({"keys": [signer.jwk("e1")]}));
        http.answer_with(move |request| Ok(published(request, &after, &keys)));
        for _ in 0..50 {
            assert!(verify(&provider, &token).await.is_err(), "not twice a minute");
        }
        assert_eq!(http.count(WELL_KNOWN), 2);
        clock.advance(Duration::from_secs(60));
        assert!(verify(&provider, &token).await.is_ok());
        assert_eq!(http.count(WELL_KNOWN), 3);
    }
}

#[tokio::test]
async fn every_asymmetric_algorithm_that_the_document_lists_is_verified_by_default() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let mut listing = document();
        listing["id_token_signing_alg_values_supported"] =
            json!(["HS256", "none", algorithm.as_str()]);
        let signer = Signer::new(algorithm);
        let http = FakeHttp::publishing(listing, json!({"keys": [signer.jwk("k")]}));
        let (provider, _) = http.provider(config());
        let token = |alg: &str| signer.sign(&json!({"alg": alg, "kid": "k"}), &claims());
        assert!(verify(&provider, &token(algorithm.as_str())).await.is_ok(), "{algorithm}");
        for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
            assert_eq!(
                verify(&provider, &token(other.as_str())).await.err(),
                Some(ErrorKind::TokenAlgorithm),
                "{algorithm} as {other}"
            );
        }
        for never in ["none", "HS256"] {
            assert_eq!(
                verify(&provider, &token(never)).await.err(),
                Some(ErrorKind::TokenAlgorithm),
                "{never}"
            );
        }
    }
}

// C-203: JWKS endpoint down, keys cached
// C-204: cache backend fails during forced refresh
#[tokio::test]
async fn known_keys_go_on_working_while_the_provider_is_down() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    verify(&provider, &id_token(|_| ())).await.unwrap();
    http.answer_with(|_| Err(HttpError::new("no connection")));
    for _ in 0..3 {
        clock.advance(A_WHILE);
        assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
    }
    let (_, token) = another_key("k2");
    assert_eq!(verify(&provider, &token).await.err().unwrap(), ErrorKind::ProviderUnreachable);
    for _ in 0..100 {
        assert_eq!(
            verify(&provider, &token).await.err().unwrap(),
            ErrorKind::ProviderUnreachable,
            "without a request: it may be a new key"
        );
    }
    assert_eq!(http.count("/keys"), 2);
    let (key, token) = another_key("k3");
    let keys = json!({"keys": [key]});
    http.answer_with(move |request| Ok(published(request, &document(), &keys)));
    clock.advance(Duration::from_secs(5));
    assert!(verify(&provider, &token).await.is_ok(), "as soon as the provider is back");
}

/// Anyone can send tokens with random keys. They must not keep out tokens of a key that the
/// provider has just begun to sign with, and none of these is said to be invalid before it was
/// looked for.
#[tokio::test]
async fn garbage_does_not_keep_a_new_key_from_being_found() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    verify(&provider, &id_token(|_| ())).await.unwrap();
    let garbage = async |from: usize, count: usize| {
        let mut kinds = Vec::new();
        for at in from..from + count {
            let header = json!({"alg": "RS256", "kid": format!("random-{at}")});
            let token = Signer::shared().sign(&header, &claims());
            kinds.push(verify(&provider, &token).await.err().unwrap());
        }
        kinds
    };
    // One key a minute, as a client with a wrong token sends it: the next one is looked for.
    assert_eq!(garbage(0, 1).await, [ErrorKind::TokenKeyUnknown]);
    let (key, token) = another_key("k2");
    let keys = json!({"keys": [key]});
    http.answer_with(move |request| Ok(published(request, &document(), &keys)));
    clock.advance(Duration::from_secs(1));
    assert!(verify(&provider, &token).await.is_ok());
    // A flood: the provider is asked a bounded number of times, and what was not looked for is
    // not refused.
    let before = http.count("/keys");
    let kinds = garbage(100, 200).await;
    assert_eq!(kinds.last(), Some(&ErrorKind::ProviderUnreachable));
    let (key, token) = another_key("k3");
    let keys = json!({"keys": [key]});
    http.answer_with(move |request| Ok(published(request, &document(), &keys)));
    assert_eq!(verify(&provider, &token).await.err().unwrap(), ErrorKind::ProviderUnreachable);
    clock.advance(Duration::from_secs(10));
    let kinds = garbage(400, 200).await;
    assert_eq!(kinds.last(), Some(&ErrorKind::ProviderUnreachable));
    assert!(verify(&provider, &token).await.is_ok(), "the flood itself brought the key");
    assert!(http.count("/keys") - before <= 6, "{}", http.count("/keys") - before);
}

/// A key that was looked for a moment ago is not there: its tokens are refused.
#[tokio::test]
async fn a_key_that_was_looked_for_is_unknown_for_ten_seconds_without_a_request() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    let (_, token) = another_key("k2");
    for search in 1..20 {
        for _ in 0..100 {
            let refused = verify(&provider, &token).await.err().unwrap();
            assert_eq!(refused, ErrorKind::TokenKeyUnknown);
        }
        assert_eq!(http.count("/keys"), 1 + search);
        clock.advance(Duration::from_secs(10));
    }
}

/// The names of keys can be guessed, and a provider that begins to sign with one of them does not
/// wait for us.
#[tokio::test]
async fn a_name_that_was_guessed_does_not_keep_the_new_key_out() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    let (key, token) = another_key("2027-01");
    let guessed = Signer::shared().sign(&json!({"alg": "RS256", "kid": "2027-01"}), &claims());
    assert_eq!(verify(&provider, &guessed).await.err().unwrap(), ErrorKind::TokenKeyUnknown);
    let keys = json!({"keys": [key]});
    http.answer_with(move |request| Ok(published(request, &document(), &keys)));
    clock.advance(Duration::from_secs(10));
    assert!(verify(&provider, &token).await.is_ok());
    assert_eq!(http.count("/keys"), 3);
}

/// Wrong signatures are the cheapest garbage: they do not use up the search for new keys.
#[tokio::test]
async fn wrong_signatures_do_not_keep_a_new_key_from_being_found() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, _) = http.provider(config());
    verify(&provider, &id_token(|_| ())).await.unwrap();
    let forged = another_key("k1").1;
    for _ in 0..100 {
        assert_eq!(verify(&provider, &forged).await.err().unwrap(), ErrorKind::TokenSignature);
    }
    let (key, token) = another_key("k2");
    let keys = json!({"keys": [key]});
    http.answer_with(move |request| Ok(published(request, &document(), &keys)));
    assert!(verify(&provider, &token).await.is_ok());
}

/// What is known of one key is not forgotten because of another.
#[tokio::test]
async fn a_key_that_was_looked_for_stays_unknown_after_a_search_for_another_failed() {
    let http = FakeHttp::publishing(document(), key_set());
    let (provider, clock) = http.provider(config());
    let ((_, known), (_, other)) = (another_key("k2"), another_key("k3"));
    assert_eq!(verify(&provider, &known).await.err().unwrap(), ErrorKind::TokenKeyUnknown);
    clock.advance(Duration::from_secs(1));
    http.answer_with(|_| Err(HttpError::new("no connection")));
    assert_eq!(verify(&provider, &other).await.err().unwrap(), ErrorKind::ProviderUnreachable);
    let before = http.count("/keys");
    for seconds in [0, 5, 3] {
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(verify(&provider, &known).await.err().unwrap(), ErrorKind::TokenKeyUnknown);
    }
    assert_eq!(http.count("/keys"), before);
}
