//! Failures that are remembered, and records that are not stored yet.

use super::{super::test_support::*, *};
use crate::error::ErrorKind;

fn kind(number: usize) -> RefreshKind {
    RefreshKind::Token(request(&format!("scope{number}")))
}

fn failure() -> Error {
    Error::new(ErrorKind::ProviderUnreachable, "")
}

// MSAL-132: Throttle store full (1024); new entry
#[test]
fn when_it_is_full_the_one_nearest_its_end_is_dropped() {
    let throttle = Throttle::default();
    for number in 0..MOST_FAILURES {
        let pause = if number == 7 { 10 } else { 20 };
        throttle.remember(RecordId(1), &kind(number), failure(), seconds(pause), START);
    }
    throttle.remember(RecordId(1), &kind(3), failure(), seconds(30), START);
    assert!(throttle.check(RecordId(1), &kind(7), START).is_some(), "one that is in has its place");
    throttle.remember(RecordId(2), &kind(3), failure(), seconds(5), START);
    assert!(throttle.check(RecordId(1), &kind(7), START).is_none());
    assert!(throttle.check(RecordId(2), &kind(3), START).is_some());
    assert_eq!(throttle.pauses().len(), MOST_FAILURES);
    throttle.remember(RecordId(2), &kind(4), failure(), seconds(5), START + seconds(20));
    assert_eq!(throttle.pauses().len(), 2, "what is over leaves first");
}

#[test]
fn one_grant_does_not_hold_up_another() {
    let throttle = Throttle::default();
    throttle.remember(RecordId(1), &kind(1), failure(), seconds(5), START);
    assert!(throttle.check(RecordId(1), &kind(1), START + seconds(4)).is_some());
    assert!(throttle.check(RecordId(1), &kind(1), START + seconds(5)).is_none());
    assert!(throttle.check(RecordId(2), &kind(1), START).is_none());
    assert!(throttle.check(RecordId(1), &RefreshKind::Renewal, START).is_none());
}

#[test]
fn failures_in_a_row_are_counted_until_a_success_or_ten_minutes_later() {
    let throttle = Throttle::default();
    let failures = |after| throttle.failures(RecordId(1), &kind(1), START + seconds(after));
    for count in 0..3 {
        assert_eq!(failures(count * 5), u32::try_from(count).unwrap());
        throttle.remember(RecordId(1), &kind(1), failure(), seconds(5), START + seconds(count * 5));
    }
    assert_eq!((failures(15), failures(614), failures(615)), (3, 3, 0));
    throttle.forget(RecordId(1), &kind(1));
    assert_eq!(failures(15), 0);
}

fn latest(successors: &Successors, token: &str, after: u64) -> String {
    successors.latest(&token.into(), START + seconds(after)).expose().to_owned()
}

#[test]
fn successors_of_successors_are_known_for_thirty_seconds() {
    let successors = Successors::default();
    successors.remember(&"a".into(), &"b".into(), START);
    successors.remember(&"b".into(), &"c".into(), START + seconds(10));
    assert_eq!(latest(&successors, "a", 29), "c");
    assert_eq!(latest(&successors, "a", 30), "a");
    assert_eq!(latest(&successors, "b", 39), "c");
    assert_eq!(latest(&successors, "b", 40), "b");
    assert!(successors.0.lock().unwrap().by_old.is_empty());
}

#[test]
fn a_reissued_refresh_token_causes_no_endless_loop() {
    let successors = Successors::default();
    successors.remember(&"a".into(), &"a".into(), START);
    assert!(successors.0.lock().unwrap().by_old.is_empty());
    successors.remember(&"a".into(), &"b".into(), START);
    successors.remember(&"b".into(), &"a".into(), START);
    assert!(["a", "b"].contains(&latest(&successors, "a", 1).as_str()));
}

#[test]
fn the_memory_is_bounded() {
    let successors = Successors::default();
    for number in 0..MOST_SUCCESSORS + 100 {
        successors.remember(&number.to_string().into(), &"new".into(), START);
    }
    let state = successors.0.lock().unwrap();
    assert!(state.by_old.len() <= MOST_SUCCESSORS + 1 && state.ends.len() == state.by_old.len());
}

#[test]
fn it_is_full_at_its_capacity() {
    let session = TestSession::new();
    let (unsaved, record) = (Unsaved::default(), session.record());
    for number in 0..MOST_UNSAVED {
        assert!(!unsaved.is_full());
        unsaved.insert(grant(i128::try_from(number).unwrap()).id(), record.clone());
    }
    assert!(unsaved.is_full());
    assert!(unsaved.remove(grant(3).id()).is_none() && !unsaved.is_full());
}
