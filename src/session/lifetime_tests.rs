//! The timeouts of a session, and the rolling of its ticket.

use super::test_support::*;
use crate::{clock::ManualClock, sign_in::NewSession};

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

#[tokio::test]
async fn decoded_users_leave_the_memory_a_day_after_the_absolute_timeout() {
    let (_, store) = OpenStore::new();
    let node = Node::new(store);
    for name in ["ada", "alan", "rosalind"] {
        node.sessions.create(signed_in(name), None, node.now()).await.unwrap();
    }
    assert_eq!(node.sessions.cache.len(), 3);
    node.clock.advance(7 * 24 * 60 * MINUTE + 12 * 60 * MINUTE);
    node.sessions.create(signed_in("grace"), None, node.now()).await.unwrap();
    assert_eq!(node.sessions.cache.len(), 4, "their end can still be told");
    node.clock.advance(12 * 60 * MINUTE);
    node.sessions.create(signed_in("mary"), None, node.now()).await.unwrap();
    assert_eq!(node.sessions.cache.len(), 2);
}
