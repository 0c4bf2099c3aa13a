//! Sessions and the store that keeps them: failures, foreign rows, and the number of reads.

use std::sync::Arc;

use serde_json::json;
use tower_sessions_core::session::Id;

use super::{test_support::*, *};
use crate::{error::ErrorKind, tokens::RecordId};

// C-322: store down at login
#[tokio::test]
async fn a_store_that_is_down_at_sign_in_makes_no_session() {
    let (open, store) = OpenStore::new();
    let node = Node::new(store);
    open.set(|store| &store.down);
    let error = node.sessions.create(signed_in("ada"), None, node.now()).await.err().unwrap();
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
    let error = node.sessions.load(&sent(&headers), node.now()).await.err().unwrap();
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
    let row = store::SealedRow::Shared(record.data["tower-identity"].as_str().unwrap().to_owned());
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
async fn an_evicted_row_is_signed_out() {
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
