//! Sessions of several processes with one store.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use proptest::{prelude::*, sample::Index};
use serde_json::value::RawValue;
use tower_sessions_core::session::Id;
use zeroize::Zeroizing;

use super::{record::SessionRecord, records::RecordId, test_support::*, *};
use crate::{
    clock::ManualClock,
    sign_in::{Fingerprint, NewSession, ReturnedTo},
    user::User,
};

// C-445: login starts on node A, callback lands on node B
#[tokio::test]
async fn a_sign_in_on_one_node_counts_on_every_node() {
    let (_, store) = OpenStore::new();
    let (a, b) = (Node::new(store.clone()), Node::new(store));
    let headers = a.sign_in("ada").await;
    assert_eq!(b.who(&headers).await.as_deref(), Some("ada"));
}

// C-300: old session cookie replayed after logout
#[tokio::test]
async fn a_cookie_replayed_after_sign_out_is_signed_out_on_every_node() {
    for store in [local(), memory()] {
        let (a, b) = (Node::new(store.clone()), Node::new(store));
        let headers = a.sign_in("ada").await;
        assert_eq!(b.who(&headers).await.as_deref(), Some("ada"));
        let opened = a.sessions.load(&sent(&headers), a.now()).await.unwrap().unwrap();
        a.sessions.end(&opened).await.unwrap();
        assert_eq!(a.who(&headers).await, None);
        assert_eq!(b.who(&headers).await, None, "although node b had decoded the session");
    }
}

// C-314: login while an anonymous or planted session exists
#[tokio::test]
async fn every_sign_in_has_a_new_id_and_a_new_key() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let planted = node.sign_in("mallory").await;
        let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
        let old = node.sessions.load(&sent(&planted), node.now()).await.unwrap().unwrap();
        assert!(old.id() != created.session.id());
        assert_ne!(old.grant().key(), created.session.grant().key());
        assert!(old.grant().id() != created.session.grant().id());
    }
}

// C-314: login while an anonymous or planted session exists
// C-316: another user signs in on the same browser
#[tokio::test]
async fn the_session_that_a_sign_in_started_from_is_ended_by_its_id() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let before = node.sign_in("mallory").await;
        let id = node.sessions.load(&sent(&before), node.now()).await.unwrap().unwrap().id();
        let after = node.sign_in("ada").await;
        node.sessions.end_by_id(id).await.unwrap();
        assert_eq!(node.who(&before).await, None);
        assert_eq!(node.who(&after).await.as_deref(), Some("ada"));
    }
}

// C-318: key rotation: cookie under the previous key
#[tokio::test]
async fn a_new_cookie_secret_keeps_sessions_and_reissues_their_tickets() {
    for store in [local(), memory()] {
        let clock = ManualClock::at_system_time();
        let before = Node::with(store.clone(), key_ring(&[SECRET]), clock.clone());
        let old = before.sign_in("ada").await;
        let after = Node::with(store.clone(), key_ring(&[OTHER_SECRET, SECRET]), clock.clone());
        assert_eq!(after.who(&old).await.as_deref(), Some("ada"));
        let opened = after.sessions.load(&sent(&old), after.now()).await.unwrap().unwrap();
        let reissued = browser(&after.rolled(&opened).await.expect("at once"));
        assert_eq!(after.who(&reissued).await.as_deref(), Some("ada"));
        assert_eq!(before.who(&reissued).await, None, "sealed under the new secret");
        let again = Node::with(store.clone(), key_ring(&[OTHER_SECRET, SECRET]), clock.clone());
        assert_eq!(
            again.who(&reissued).await.as_deref(),
            Some("ada"),
            "the record names the secret it was sealed under"
        );
        let opened = again.sessions.load(&sent(&reissued), again.now()).await.unwrap().unwrap();
        assert_eq!(again.rolled(&opened).await, None);
        let without = Node::with(store, key_ring(&[OTHER_SECRET]), clock);
        assert_eq!(without.who(&old).await, None);
        assert_eq!(without.who(&reissued).await, None);
    }
}

#[tokio::test]
async fn another_application_on_the_same_store_and_secret_is_signed_out() {
    for store in [local(), memory()] {
        let clock = ManualClock::at_system_time();
        let headers = Node::with(store.clone(), app_keys(&[SECRET], "client"), clock.clone())
            .sign_in("ada")
            .await;
        assert_eq!(
            Node::with(store, app_keys(&[SECRET], "other"), clock).who(&headers).await,
            None
        );
    }
}

fn raw(claims: &str) -> Box<RawValue> {
    RawValue::from_string(claims.to_owned()).unwrap()
}

#[tokio::test]
async fn a_session_shows_the_names_of_its_claims_and_of_renewed_ones() {
    let claims = |name: &str| {
        format!(
            r#"{{"sub":"ada","name":"{name}","given_name":7,"preferred_username":"ada@b.c",
                "email":"","email_verified":"true","xms_edov":0}}"#
        )
    };
    let shown = |user: &User| {
        (
            user.display_name().to_owned(),
            user.username().map(str::to_owned),
            user.email().map(str::to_owned),
            user.is_email_verified(),
        )
    };
    let expected = |name: &str| (name.to_owned(), Some("ada@b.c".to_owned()), None, true);
    let new = || NewSession { claims: claims("Ada \\u00e9"), ..signed_in("ada") };
    for store in [local(), memory()] {
        let (first, second) = (Node::new(store.clone()), Node::new(store));
        let created = first.sessions.create(new(), None, first.now()).await.unwrap();
        assert_eq!(shown(&created.session.user), expected("Ada é"));
        let headers = browser(&created.set_cookie);
        let decoded = second.sessions.load(&sent(&headers), second.now()).await.unwrap().unwrap();
        assert_eq!(shown(&decoded.user), expected("Ada é"));
        let renewed = decoded.user.with_claims(&raw(&claims("Countess")));
        assert_eq!(shown(&renewed), expected("Countess"));
    }
    let node = Node::new(local());
    let earlier = SessionRecord { names: None, ..new().record(node.now(), DAY) };
    let grant = RecordId::from_bytes([7; 16]).grant(Zeroizing::new([7; 32]), node.now());
    let user = earlier.user(grant, Arc::clone(&node.sessions.application));
    assert_eq!(shown(&user), expected("Ada é"), "the record of an earlier release has no names");
}

#[tokio::test]
async fn due_claims_are_reported_and_renewed_ones_are_remembered() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let renew_at = Some(node.now() + 60 * MINUTE);
        let created = node
            .sessions
            .create(NewSession { renew_at, ..signed_in("ada") }, None, node.now())
            .await
            .unwrap();
        let headers = browser(&created.set_cookie);
        node.clock.advance(60 * MINUTE);
        assert!(matches!(node.peek(&headers), PeekOutcome::Ask));
        let due = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
        assert!(due.renewal_due(node.now()));

        let user = due.user.with_claims(&raw(r#"{"name":"renewed"}"#));
        node.sessions.renewed(&sent(&headers), &due, user, Some(node.now() + 60 * MINUTE));
        let renewed = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
        assert_eq!(
            (renewed.user.raw_claims(), renewed.renewal_due(node.now())),
            (r#"{"name":"renewed"}"#, false)
        );
        let rolled = browser(&node.rolled(&renewed).await.unwrap());
        let rolled = node.sessions.load(&sent(&rolled), node.now()).await.unwrap().unwrap();
        assert_eq!(
            (rolled.user.raw_claims(), rolled.renewal_due(node.now())),
            (r#"{"name":"renewed"}"#, false)
        );
        node.sessions.end(&renewed).await.unwrap();
        assert_eq!(
            node.who(&headers).await,
            None,
            "only claims are remembered, the session is looked up"
        );
    }
}

/// The session of a cookie in another process with the same store.
async fn opened_elsewhere(node: &Node, set_cookie: &HeaderValue) -> Arc<Session> {
    let elsewhere = Node::with(node.records.store.clone(), key_ring(&[SECRET]), node.clock.clone());
    let loaded = elsewhere.sessions.load(&sent(&browser(set_cookie)), node.now()).await;
    loaded.unwrap().unwrap()
}

// C-123: browser goes Back to the callback URL with a live session and the same state
#[tokio::test]
async fn a_session_remembers_the_page_that_its_authorization_response_led_to() {
    let node = Node::new(local());
    let [answer, other] = ["one", "two"].map(|answer| Fingerprint::new(&[answer]));
    let returned_to = Some(ReturnedTo { response: answer, path: "/deep?x=1".into() });
    let created = node
        .sessions
        .create(NewSession { returned_to, ..signed_in("ada") }, None, node.now())
        .await
        .unwrap();
    let opened = opened_elsewhere(&node, &created.set_cookie).await;
    assert_eq!(
        (opened.origin().returned_to(&answer), opened.origin().returned_to(&other)),
        (Some("/deep?x=1"), None)
    );
}

#[tokio::test]
async fn a_session_remembers_its_step_ups_for_ten_minutes() {
    let node = Node::new(local());
    let [step_up, other] =
        ["User.Read", "Mail.Read"].map(|scope| Fingerprint::new(&["consent", "graph", scope]));
    let created = node
        .sessions
        .create(NewSession { step_ups: vec![step_up], ..signed_in("ada") }, None, node.now())
        .await
        .unwrap();
    assert!(created.session.origin().started_for(&step_up, 60 * MINUTE, node.now()));
    assert!(!created.session.origin().started_for(&other, 60 * MINUTE, node.now()));
    assert!(!created.session.origin().started_for(&step_up, 60 * MINUTE, node.now() + 10 * MINUTE));
    let opened = opened_elsewhere(&node, &created.set_cookie).await;
    assert!(opened.origin().started_for(&step_up, 60 * MINUTE, node.now()));
}

// C-327: two cookies with the same name (subdomain planted)
#[tokio::test]
async fn of_two_cookies_with_one_name_the_one_that_opens_is_used() {
    let node = Node::new(local());
    let good = value_of(&node.sign_in("ada").await);
    let planted = "A".repeat(good.len());
    for value in [
        format!("{planted}; __Host-identity-AbCdEfGh={good}"),
        format!("{good}; __Host-identity-AbCdEfGh={planted}"),
    ] {
        assert_eq!(node.who(&session_cookie(&value)).await.as_deref(), Some("ada"));
    }
}

// C-308: cookie over 4096 bytes
#[tokio::test]
async fn the_cookie_has_one_size_however_much_the_record_holds() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let small = node.sign_in("ada").await;
        let claims = format!(r#"{{"groups":"{}"}}"#, "x".repeat(100_000));
        let created = node
            .sessions
            .create(NewSession { claims, ..signed_in("ada") }, None, node.now())
            .await
            .unwrap();
        let large = browser(&created.set_cookie);
        assert_eq!(value_of(&small).len(), value_of(&large).len());
        let opened = node.sessions.load(&sent(&large), node.now()).await.unwrap().unwrap();
        assert_eq!(opened.user.raw_claims().len(), 100_013);
    }
}

// C-439: 1 MB state, code, cookie or logout token
#[tokio::test]
async fn a_cookie_of_a_megabyte_is_signed_out() {
    let node = Node::new(local());
    assert_eq!(node.who(&session_cookie(&"A".repeat(1 << 20))).await, None);
    assert_eq!(node.who(&HeaderMap::new()).await, None);
}

// C-437: debug/trace logging
#[tokio::test]
async fn debug_prints_neither_ids_nor_keys_nor_people() {
    let node = Node::new(memory());
    let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
    let printed = format!("{:?} {:?}", created.set_cookie, created.session.user);
    let cookie = value_of(&browser(&created.set_cookie));
    for hidden in ["ada", SECRET, &cookie, &Id(created.session.id().0).to_string()] {
        assert!(!printed.contains(hidden), "{hidden} in {printed}");
    }
}

/// A change that an attacker makes to a cookie.
#[derive(Clone, Debug)]
enum Tampering {
    Flip(Index, u8),
    Cut(Index),
    Extend(Vec<u8>),
    Replace(Index, u8),
    Swap(Index, Index),
    Instead(Vec<u8>),
    FromOther(Index),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Tampering::Flip(at, bit)),
        any::<Index>().prop_map(Tampering::Cut),
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(Tampering::Extend),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Tampering::Replace(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Tampering::Swap(a, b)),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Tampering::Instead),
        any::<Index>().prop_map(Tampering::FromOther),
    ]
}

fn tamper(cookie: &mut Vec<u8>, other: &[u8], how: &Tampering) {
    let length = cookie.len().max(1);
    match how {
        Tampering::Flip(at, bit) => {
            cookie.iter_mut().skip(at.index(length)).take(1).for_each(|byte| *byte ^= 1 << bit)
        }
        Tampering::Cut(at) => cookie.truncate(at.index(length)),
        Tampering::Extend(more) => cookie.extend_from_slice(more),
        Tampering::Replace(at, with) => {
            cookie.iter_mut().skip(at.index(length)).take(1).for_each(|byte| *byte = *with)
        }
        Tampering::Swap(a, b) if !cookie.is_empty() => {
            cookie.swap(a.index(length), b.index(length))
        }
        Tampering::Swap(..) => {}
        Tampering::Instead(bytes) => cookie.clone_from(bytes),
        Tampering::FromOther(at) => {
            let at = at.index(other.len());
            cookie.truncate(at);
            cookie.extend_from_slice(&other[at..]);
        }
    }
}

thread_local! {
    /// A process with two signed-in people, and their cookies.
    static TWO: (Node, Vec<u8>, Vec<u8>) = {
        let node = Node::new(local());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let [ada, bob] = ["ada", "bob"]
            .map(|name| value_of(&runtime.block_on(node.sign_in(name))).into_bytes());
        (node, ada, bob)
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_cookie_that_was_tampered_with_is_signed_out(
        how in proptest::collection::vec(tampering(), 1..4),
    ) {
        TWO.with(|(node, ada, bob)| {
            let mut cookie = ada.clone();
            how.iter().for_each(|how| tamper(&mut cookie, bob, how));
            let header = [b"__Host-identity-AbCdEfGh=", &cookie[..]].concat();
            let Ok(header) = http::HeaderValue::from_bytes(&header) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(http::header::COOKIE, header)]);
            let seen = match node.peek(&headers) {
                PeekOutcome::None => None,
                PeekOutcome::Live(session) => Some(session.user.subject().to_owned()),
                PeekOutcome::Ask => panic!("the local store never asks"),
            };
            // A semicolon ends the cookie.
            let value = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
            let expected = match value.trim_ascii_end() {
                value if value == ada => Some("ada"),
                value if value == bob => Some("bob"),
                _ => None,
            };
            prop_assert_eq!(seen.as_deref(), expected);
            Ok(())
        })?;
    }
}

/// A decoded session keeps its row, also one that the store has evicted.
#[tokio::test]
async fn decoded_sessions_are_bounded_by_their_bytes_as_well() {
    for store in [Store::Local(Arc::new(LocalStore::new(100_000, 1 << 20))), memory()] {
        let node = Node::new(store);
        let mut latest = HeaderMap::new();
        for _ in 0..1_000 {
            let claims = format!(r#"{{"sub":"ada","picture":"{}"}}"#, "x".repeat(50_000));
            let ada = NewSession { claims, ..signed_in("ada") };
            latest =
                browser(&node.sessions.create(ada, None, node.now()).await.unwrap().set_cookie);
        }
        let bytes = node.sessions.cache.bytes();
        assert!(bytes <= 32 << 20, "{bytes}");
        assert_eq!(node.who(&latest).await.as_deref(), Some("ada"));
    }
}
