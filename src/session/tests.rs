use std::sync::Arc;

use http::HeaderMap;
use proptest::{prelude::*, sample::Index};
use serde_json::json;
use tower_sessions_core::session::Id;

use super::{test_support::*, *};
use crate::{
    clock::ManualClock,
    error::ErrorKind,
    sign_in::{Fingerprint, NewSession, RecordId, ReturnedTo},
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
        assert_ne!(old.id(), created.session.id());
        assert_ne!(old.grant().key(), created.session.grant().key());
        assert_ne!(old.grant().id(), created.session.grant().id());
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

// C-325: idle and absolute time-out
// C-246: rolling 24 h / absolute 7 d session ends
#[tokio::test]
async fn idle_and_absolute_time_end_a_session_even_if_the_browser_keeps_its_cookie() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let headers = node.sign_in("ada").await;
        let signed_in = node.now();
        node.clock.set(signed_in + (DAY - MINUTE));
        assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
        node.clock.set(signed_in + DAY);
        assert_eq!(node.who(&headers).await, None, "idle for a day");
        node.clock.set(signed_in);
        assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));

        let mut rolled = headers;
        for day in 1..=13 {
            node.clock.set(signed_in + day * DAY / 2);
            let opened = node.sessions.load(&sent(&rolled), node.now()).await.unwrap().unwrap();
            rolled = browser(&node.rolled(&opened).await.unwrap());
        }
        node.clock.set(signed_in + (7 * DAY - MINUTE));
        assert_eq!(node.who(&rolled).await.as_deref(), Some("ada"));
        node.clock.set(signed_in + 7 * DAY);
        assert_eq!(node.who(&rolled).await, None, "seven days old, though never idle");
    }
}

// C-247: session_expiry claim earlier than the rolling limit
#[tokio::test]
async fn a_sign_in_can_set_an_earlier_end_of_its_session() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let ends = Some(node.now() + MINUTE);
        let created = node
            .sessions
            .create(NewSession { ends, ..signed_in("ada") }, None, node.now())
            .await
            .unwrap();
        let headers = browser(&created.set_cookie);
        assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
        node.clock.advance(MINUTE);
        assert_eq!(node.who(&headers).await, None);
    }
}

#[tokio::test]
async fn shortened_lifetimes_apply_to_existing_sessions() {
    for store in [local(), memory()] {
        let node = Node::new(store.clone());
        let headers = node.sign_in("ada").await;
        node.clock.advance(2 * 60 * MINUTE);
        assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
        let session = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
        let rolled = browser(&node.rolled(&session).await.unwrap());
        for (idle, absolute, headers) in
            [(60 * MINUTE, 7 * DAY, headers), (60 * MINUTE, 60 * MINUTE, rolled)]
        {
            let (keys, clock) = (key_ring(&[SECRET]), node.clock.clone());
            let node = Node::lasting(idle, absolute, store.clone(), keys, clock);
            assert_eq!(node.who(&headers).await, None);
        }
    }
}

#[tokio::test]
async fn a_short_idle_time_rolls_the_ticket_more_often() {
    let (keys, clock) = (key_ring(&[SECRET]), ManualClock::at_system_time());
    let node = Node::lasting(10 * MINUTE, DAY, local(), keys, clock);
    let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
    node.clock.advance(MINUTE);
    assert!(node.rolled(&created.session).await.is_some());
}

// C-444: clock jumps back 10 min
#[tokio::test]
async fn a_clock_that_jumps_back_changes_nothing() {
    for store in [local(), memory()] {
        let node = Node::new(store);
        let headers = node.sign_in("ada").await;
        let opened = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
        node.clock.advance(10 * MINUTE);
        let rolled = browser(&node.rolled(&opened).await.unwrap());
        node.clock.set(node.now() - 20 * MINUTE);
        assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
        assert_eq!(node.who(&rolled).await.as_deref(), Some("ada"));
        let opened = node.sessions.load(&sent(&rolled), node.now()).await.unwrap().unwrap();
        assert_eq!(node.rolled(&opened).await, None);
    }
}

// C-321: unchanged session
#[tokio::test]
async fn a_ticket_is_rolled_every_five_minutes_and_never_written() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
    let row = open.row(created.session.id());
    assert_eq!(open.take_log(), ["create"]);

    node.clock.advance(5 * MINUTE - std::time::Duration::from_secs(1));
    assert_eq!(node.rolled(&created.session).await, None);
    node.clock.advance(MINUTE);
    let rolled = node.rolled(&created.session).await.unwrap();
    assert_eq!(node.rolled(&created.session).await, None, "once for concurrent requests");

    let headers = browser(&rolled);
    assert_ne!(headers, browser(&created.set_cookie));
    let opened = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
    assert!(std::ptr::eq(opened.user.subject(), created.session.user.subject()), "decoded once");
    assert_eq!(node.rolled(&opened).await, None);
    assert_eq!(
        open.take_log(),
        ["load", "load"],
        "once before the cookie was sent, once when it came back"
    );
    assert_eq!(open.row(opened.id()), row, "a session record is never saved again");

    node.clock.advance(MINUTE);
    assert!(
        node.rolled(&created.session).await.is_some(),
        "the response with the new cookie may have been lost"
    );
}

/// A slow response must not overwrite the cookie of a newer session with the ticket of one that has
/// ended meanwhile.
#[tokio::test]
async fn a_ticket_rolled_for_a_session_that_ended_meanwhile_is_not_sent() {
    for store in [local(), OpenStore::new().1] {
        let node = Node::new(store);
        let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
        node.clock.advance(6 * MINUTE);
        let roll = node.sessions.roll(&created.session, node.now()).unwrap();
        assert!(node.sessions.confirm(&roll, node.now()).await.is_some());
        node.sessions.end(&created.session).await.unwrap();
        assert!(node.sessions.confirm(&roll, node.now()).await.is_none());
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

// C-322: store down at login
#[tokio::test]
async fn a_store_that_is_down_at_sign_in_makes_no_session() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    open.set(|store| &store.down);
    let error = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(open.len(), 0);
}

#[tokio::test]
async fn a_store_that_is_down_is_an_error_and_nobody_is_signed_in_or_out() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    let headers = node.sign_in("ada").await;
    let opened = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
    open.set(|store| &store.down);
    let error = node.sessions.load(&sent(&headers), node.now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert!(!format!("{error} {error:?}").contains(&Id(opened.id().0).to_string()));
    open.clear(|store| &store.down);
    open.set(|store| &store.cannot_delete);
    assert_eq!(
        node.sessions.end(&opened).await.unwrap_err().kind(),
        ErrorKind::StoreUnavailable,
        "a failed sign-out is reported"
    );
    assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn corrupted_and_forged_rows_are_signed_out() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store.clone());
    let headers = node.sign_in("ada").await;
    let id = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap().id();
    let other = node.sign_in("mallory").await;
    let mallory = open
        .row(node.sessions.load(&sent(&other), node.now()).await.unwrap().unwrap().id())
        .unwrap();
    let row = open.row(id).unwrap();
    let sealed = row.data["tower-identity"].as_str().unwrap().to_owned();
    let forged = [
        json!({}),
        json!({"tower-identity": null}),
        json!({"tower-identity": ["x"]}),
        json!({"tower-identity": ""}),
        json!({"tower-identity": "not base64!"}),
        json!({"tower-identity": "AQID"}),
        json!({"tower-identity": sealed[1..]}),
        json!({"tower-identity": sealed[..sealed.len() - 4]}),
        json!({"tower-identity": format!("{sealed}AAAA")}),
        json!({"tower-identity": format!("C{}", &sealed[1..])}),
        json!({"tower-identity": mallory.data["tower-identity"]}),
    ];
    for data in forged {
        let mut forged = row.clone();
        forged.data = serde_json::from_value(data.clone()).unwrap();
        open.rows.lock().unwrap().insert(forged.id, forged);
        for node in [&node, &Node::new(store.clone())] {
            assert_eq!(node.who(&headers).await, None, "{data}");
        }
    }
    open.rows.lock().unwrap().insert(row.id, row);
    assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
    open.set(|store| &store.garbled);
    assert_eq!(node.who(&headers).await, None, "a row that the store itself cannot decode");
}

#[tokio::test]
async fn a_dump_of_the_store_opens_nothing() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    node.sign_in("ada").await;
    let record = open.rows.lock().unwrap().values().next().unwrap().clone();
    let row = store::SealedRow::Dyn(record.data["tower-identity"].as_str().unwrap().to_owned());
    let dump = format!("{record:?} {:?}", row.bytes());
    assert!(!dump.contains("ada"));
    // The cookie secret alone is not enough: the key in the ticket is missing.
    assert!(node.records.open_session(RecordId(record.id.0), &[0; 32], &row).is_none());
}

#[tokio::test]
async fn a_session_has_the_id_that_the_store_chose() {
    let (open, store) = OpenStore::new();
    open.set(|store| &store.chooses_ids);
    open.set(|store| &store.saves_only_over);
    let node = Node::new(store.clone());
    let headers = node.sign_in("ada").await;
    assert_eq!(open.len(), 1);
    assert_eq!(node.who(&headers).await.as_deref(), Some("ada"));
    assert_eq!(Node::new(store).who(&headers).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn an_evicted_row_admits_nobody() {
    let store = Store::Local(Arc::new(LocalStore::new(1, LocalStore::DEFAULT_BYTES)));
    let node = Node::new(store);
    let first = node.sign_in("ada").await;
    for _ in 0..2 {
        node.clock.advance(MINUTE);
        node.sign_in("bob").await;
    }
    assert_eq!(node.who(&first).await, None);
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
        assert!(matches!(node.sessions.peek(&headers, node.now()), Peek::Ask));
        let due = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
        assert!(due.renewal_due(node.now()));

        let user = due.user.with_claims("renewed".into());
        node.sessions.renewed(&sent(&headers), &due, user, Some(node.now() + 60 * MINUTE));
        let renewed = node.sessions.load(&sent(&headers), node.now()).await.unwrap().unwrap();
        assert_eq!(
            (renewed.user.raw_claims(), renewed.renewal_due(node.now())),
            ("renewed", false)
        );
        let rolled = browser(&node.rolled(&renewed).await.unwrap());
        let rolled = node.sessions.load(&sent(&rolled), node.now()).await.unwrap().unwrap();
        assert_eq!((rolled.user.raw_claims(), rolled.renewal_due(node.now())), ("renewed", false));
        node.sessions.end(&renewed).await.unwrap();
        assert_eq!(
            node.who(&headers).await,
            None,
            "only claims are remembered, the session is looked up"
        );
    }
}

// C-123: browser goes Back to the callback URL with a live session and the same state
#[tokio::test]
async fn a_session_remembers_the_page_that_its_authorization_response_led_to() {
    let node = Node::new(local());
    let [answer, other] = ["one", "two"].map(|answer| Fingerprint::new(&[answer]));
    let returned_to = Some(ReturnedTo { answer, path: "/deep?x=1".into() });
    let created = node
        .sessions
        .create(NewSession { returned_to, ..signed_in("ada") }, None, node.now())
        .await
        .unwrap();
    let elsewhere = Node::with(node.records.store.clone(), key_ring(&[SECRET]), node.clock.clone());
    let opened = elsewhere
        .sessions
        .load(&sent(&browser(&created.set_cookie)), node.now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (opened.origin().returned_to(&answer), opened.origin().returned_to(&other)),
        (Some("/deep?x=1"), None)
    );
}

#[tokio::test]
async fn a_session_remembers_its_causes_for_ten_minutes() {
    let node = Node::new(local());
    let [cause, other] =
        ["User.Read", "Mail.Read"].map(|scope| Fingerprint::new(&["consent", "graph", scope]));
    let created = node
        .sessions
        .create(NewSession { causes: vec![cause], ..signed_in("ada") }, None, node.now())
        .await
        .unwrap();
    assert!(created.session.origin().started_for(&cause, 60 * MINUTE, node.now()));
    assert!(!created.session.origin().started_for(&other, 60 * MINUTE, node.now()));
    assert!(!created.session.origin().started_for(&cause, 60 * MINUTE, node.now() + 10 * MINUTE));
    let elsewhere = Node::with(node.records.store.clone(), key_ring(&[SECRET]), node.clock.clone());
    let opened = elsewhere
        .sessions
        .load(&sent(&browser(&created.set_cookie)), node.now())
        .await
        .unwrap()
        .unwrap();
    assert!(opened.origin().started_for(&cause, 60 * MINUTE, node.now()));
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
    let printed = format!(
        "{:?} {:?} {:?} {:?}",
        node.sessions,
        node.records,
        signed_in("ada"),
        created.session
    );
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
        let [ada, bob] = ["ada", "bob"].map(|name| value_of(&runtime.block_on(node.sign_in(name))).into_bytes());
        (node, ada, bob)
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_cookie_that_was_tampered_with_is_signed_out(how in proptest::collection::vec(tampering(), 1..4)) {
        TWO.with(|(node, ada, bob)| {
            let mut cookie = ada.clone();
            how.iter().for_each(|how| tamper(&mut cookie, bob, how));
            let Ok(header) = http::HeaderValue::from_bytes(&[b"__Host-identity-AbCdEfGh=", &cookie[..]].concat()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(http::header::COOKIE, header)]);
            let seen = match node.sessions.peek(&headers, node.now()) {
                Peek::None => None,
                Peek::Live(session) => Some(session.user.subject().to_owned()),
                Peek::Ask => panic!("the local store never asks"),
            };
            // A semicolon ends the cookie.
            let value = cookie.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
            let expected = if value == ada { Some("ada") } else if value == bob { Some("bob") } else { None };
            prop_assert_eq!(seen.as_deref(), expected);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn the_store_is_read_once_per_request_for_a_ticket_without_a_session() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    let mut pairs = Vec::new();
    for _ in 0..4 {
        let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
        pairs.push(value_of(&browser(&created.set_cookie)));
        node.sessions.end(&created.session).await.unwrap();
    }
    let line = pairs
        .iter()
        .map(|value| format!("__Host-identity-AbCdEfGh={value}"))
        .collect::<Vec<_>>()
        .join("; ");
    let headers = cookie_header(&line);
    open.take_log();
    let request = sent(&headers);
    for _ in 0..3 {
        assert!(node.sessions.load(&request, node.now()).await.unwrap().is_none());
        assert!(node.sessions.load_all(&request, node.now()).await.unwrap().is_empty());
    }
    assert_eq!(open.take_log(), ["load"; 4]);
}

#[tokio::test]
async fn the_store_is_read_once_per_request_for_a_session() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    let headers = node.sign_in("ada").await;
    for _ in 0..2 {
        open.take_log();
        let request = sent(&headers);
        for _ in 0..3 {
            assert!(node.sessions.load(&request, node.now()).await.unwrap().is_some());
        }
        assert_eq!(node.sessions.load_all(&request, node.now()).await.unwrap().len(), 1);
        assert_eq!(open.take_log(), ["load"], "and the next request asks again");
    }
}

#[tokio::test]
async fn an_ended_session_does_not_stay_in_memory_under_an_older_ticket() {
    let node = Node::new(local());
    let created = node.sessions.create(signed_in("ada"), None, node.now()).await.unwrap();
    let session = Arc::downgrade(&created.session);
    node.clock.advance(6 * MINUTE);
    node.rolled(&created.session).await.unwrap();
    node.sessions.end(&created.session).await.unwrap();
    drop(created);
    assert!(session.upgrade().is_none());
}
