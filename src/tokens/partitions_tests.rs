//! The token caches of several users of one client.

use super::super::test_support::*;
use super::*;
use crate::{clock::ManualClock, tokens::GrantSource};

fn partitions(most: usize) -> (Partitions, ManualClock) {
    let clock = ManualClock::at(START);
    (Partitions { most, ..Partitions::new(Arc::new(clock.clone())) }, clock)
}

fn record(token: &str) -> GrantRecord {
    GrantRecord::without_sign_in(ada(), GrantSource::RefreshToken(token.into()))
}

fn token(partitions: &Partitions, name: &str) -> Option<String> {
    partitions
        .record(name)
        .and_then(|record| record.refresh_token().map(|token| token.expose().to_owned()))
}

fn owner(client_id: &str, authority: &str) -> CacheOwner {
    CacheOwner { client_id: client_id.into(), authority: authority.into() }
}

fn about(text: &str) -> Box<RawValue> {
    RawValue::from_string(format!("{text:?}")).unwrap()
}

#[tokio::test]
async fn a_removed_or_replaced_partition_is_not_written() {
    let (partitions, _) = partitions(10);
    let first = partitions.find_or_insert("u:ada", None, || record("1")).unwrap();
    partitions.put("u:ada", about("ada"), record("2")).unwrap();
    partitions.save(&first, &Arc::new(record("late"))).await.unwrap();
    assert!(!partitions.session_exists(&first).await.unwrap());
    assert_eq!(token(&partitions, "u:ada").as_deref(), Some("2"));
    let second = partitions.find("u:ada").unwrap();
    let remove = |whose: bool| partitions.remove_of("u:ada", |_| whose);
    assert!(!remove(false) && remove(true) && !remove(true));
    partitions.save(&second, &Arc::new(record("late"))).await.unwrap();
    assert_eq!(token(&partitions, "u:ada"), None);
}

#[test]
fn the_first_of_concurrent_inserts_is_not_replaced() {
    let (partitions, _) = partitions(10);
    let mut first = None;
    // The record is created between the failed look-up and the insertion.
    let second = partitions.find_or_insert("a:", None, || {
        first = partitions.find_or_insert("a:", None, || record("1")).ok();
        record("2")
    });
    assert!(first.unwrap().id() == second.unwrap().id());
    assert_eq!(token(&partitions, "a:").as_deref(), Some("1"));
}

// MSAL-148: Both empty, or key of another user; read
// MSAL-149: Two entries; one is removed
#[test]
fn names_are_exact_and_prefixes_whole() {
    let (partitions, _) = partitions(10);
    for name in ["u:ada", "u:adam", "a:", "a:t1"] {
        partitions.put(name, about(name), record(name)).unwrap();
    }
    assert!(partitions.find("u:ad").is_none());
    partitions.remove_of("u:ada", |_| true);
    assert_eq!(token(&partitions, "u:adam").as_deref(), Some("u:adam"));
    partitions.remove_all("a:");
    assert_eq!(
        partitions.about("").iter().map(|about| about.get()).collect::<Vec<_>>(),
        [r#""u:adam""#]
    );
}

#[test]
fn those_used_longest_ago_leave_and_those_that_are_over_before_them() {
    let (partitions, clock) = partitions(16);
    for number in 0..16 {
        let ends = (number == 9).then_some(START + seconds(60));
        partitions.find_or_insert(&number.to_string(), ends, || record("t")).unwrap();
    }
    assert!(partitions.find("0").is_some());
    clock.advance(seconds(60));
    assert!(partitions.find("9").is_none());
    partitions.find_or_insert("16", None, || record("t")).unwrap();
    assert!(partitions.find("1").is_some(), "only the one that was over");
    partitions.find_or_insert("17", None, || record("t")).unwrap();
    let gone: Vec<usize> =
        (0..18).filter(|number| partitions.find(&number.to_string()).is_none()).collect();
    assert_eq!(gone, [2, 3, 9]);
}

// MSAL-051: Cache file with unknown fields from a newer version; it is loaded and saved
// MSAL-150: L2 entry corrupted or L2 down; read
#[test]
fn an_exported_cache_is_imported_and_other_bytes_change_nothing() {
    let (partitions, clock) = partitions(10);
    partitions.put("u:ada", about("ada"), record("r3fr35h")).unwrap();
    partitions.find_or_insert("o:1", Some(START + seconds(60)), || record("a553rt10n")).unwrap();
    let own = owner("app", "https://id.example");
    let exported = partitions.export(own.clone());
    let (other, _) = self::partitions(10);
    other.put("u:eve", about("eve"), record("x")).unwrap();
    let before = other.export(own.clone());
    let mut newer = exported.to_vec();
    newer[2] += 1;
    for refused in [&b""[..], b"{}", &newer, &exported[1..]] {
        assert!(other.import(&own, refused).is_err());
        assert_eq!(other.export(own.clone()), before);
    }
    for (client_id, authority) in [("other", "https://id.example"), ("app", "https://evil.example")]
    {
        assert!(other.import(&owner(client_id, authority), &exported).is_err());
        assert_eq!(other.export(own.clone()), before);
    }
    assert!(other.import(&own, &exported).is_ok());
    assert_eq!(
        (token(&other, "u:ada").as_deref(), token(&other, "u:eve")),
        (Some("r3fr35h"), None)
    );
    assert_eq!(other.export(own.clone()), exported);
    clock.advance(seconds(60));
    assert!(partitions.import(&own, &exported).is_ok());
    assert!(partitions.record("o:1").is_none(), "its time has come");
}

#[test]
fn a_flood_of_one_kind_throws_out_none_of_another() {
    let (partitions, _) = partitions(16);
    for number in 0..16 {
        partitions.put(&format!("u:{number}"), about("account"), record("t")).unwrap();
    }
    for number in 0..1000 {
        partitions.find_or_insert(&format!("o:{number}"), None, || record("t")).unwrap();
    }
    assert!((0..16).all(|number| partitions.find(&format!("u:{number}")).is_some()));
    let assertions =
        || (0..1000).filter(|number| partitions.find(&format!("o:{number}")).is_some()).count();
    assert!((14..=16).contains(&assertions()), "{}", assertions());
    // An import keeps the same limits.
    let own = owner("app", "https://id.example");
    let exported = partitions.export(own.clone());
    let (smaller, _) = self::partitions(8);
    assert!(smaller.import(&own, &exported).is_ok());
    assert_eq!(smaller.state().entries.len(), 16, "eight of each kind");
}

/// The row of before may have been refreshed often, and could not be read at the sign-in.
#[tokio::test]
async fn a_new_sign_in_wins_over_an_older_one_however_often_that_was_refreshed() {
    let owner = owner("app", "https://op.example.com");
    let (old, clock) = partitions(10);
    old.put("u:ada", about("ada"), (0..5).fold(record("old"), |record, _| record.next())).unwrap();
    let stored = old.export(owner.clone());
    let new = Partitions::new(Arc::new(clock.clone()));
    clock.advance(std::time::Duration::from_secs(60));
    new.put("u:ada", about("ada"), record("new")).unwrap();
    assert!(new.merge(&owner, &stored));
    assert_eq!(token(&new, "u:ada").as_deref(), Some("new"));
    // The other way round as well.
    assert!(old.merge(&owner, &new.export(owner.clone())));
    assert_eq!(token(&old, "u:ada").as_deref(), Some("new"));
    // Of one sign-in the copy that was written more often is the newer one.
    let refreshed = Partitions::new(Arc::new(clock.clone()));
    assert!(refreshed.import(&owner, &new.export(owner.clone())).is_ok());
    let grant = refreshed.find("u:ada").unwrap();
    refreshed.save(&grant, &Arc::new(record("newest").next())).await.unwrap();
    assert!(new.merge(&owner, &refreshed.export(owner.clone())));
    assert_eq!(token(&new, "u:ada").as_deref(), Some("newest"));
}

/// The sign-in was at a machine whose clock is ahead of that of the removal.
#[test]
fn a_removed_account_does_not_come_back_from_a_machine_whose_clock_is_ahead() {
    let owner = owner("app", "https://op.example.com");
    let (cache, clock) = partitions(10);
    let ahead = ManualClock::at(clock.now() + std::time::Duration::from_secs(4));
    let other = Partitions::new(Arc::new(ahead));
    other.put("u:ada", about("ada"), record("1")).unwrap();
    let stored = other.export(owner.clone());
    assert!(cache.import(&owner, &stored).is_ok());
    assert!(cache.remove_of("u:ada", |_| true));
    assert!(cache.merge(&owner, &stored));
    assert_eq!(token(&cache, "u:ada"), None);
}

#[test]
fn an_account_that_was_removed_does_not_come_back_from_another_copy() {
    let owner = owner("app", "https://op.example.com");
    let (cache, clock) = partitions(10);
    cache.put("u:ada", about("ada"), record("1")).unwrap();
    let stored = cache.export(owner.clone());
    clock.advance(std::time::Duration::from_secs(60));
    assert!(cache.remove_of("u:ada", |_| true));
    assert!(cache.merge(&owner, &stored));
    assert_eq!(token(&cache, "u:ada"), None);
    // A sign-in after it is another one, here and in another process.
    clock.advance(std::time::Duration::from_secs(60));
    let other = Partitions::new(Arc::new(clock.clone()));
    other.put("u:ada", about("ada"), record("2")).unwrap();
    assert!(cache.merge(&owner, &other.export(owner.clone())));
    assert_eq!(token(&cache, "u:ada").as_deref(), Some("2"));
}
