//! Work that goes on when the caller's token has ended.

use super::*;
use crate::client::CacheEnd;

const KEY: &str = "export-7";

fn with_refresh_token(number: usize) -> Value {
    json!({
        "access_token": format!("access-{number}"), "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": format!("refresh-{number}"),
    })
}

/// A world in which the work has begun.
async fn begun() -> World {
    let world = World::new();
    world.next_is(200, with_refresh_token(1));
    let token = world
        .client
        .begin_long_running(KEY, &"the.callers.token".into(), &asks("x"))
        .await
        .unwrap();
    assert_eq!((token.expose(), token.source()), ("access-1", TokenSource::Provider));
    world
}

#[tokio::test]
async fn work_goes_on_by_refresh_token_when_the_callers_token_has_ended() {
    let world = begun().await;
    let form = world.last();
    assert_eq!(
        (form["requested_token_use"].as_str(), form["assertion"].as_str()),
        ("on_behalf_of", "the.callers.token")
    );
    assert_eq!(form["scope"], "offline_access x");
    assert!(!world.client.keeps("the.callers.token"), "the caller's token is not kept");

    let token = world.client.long_running_token(KEY, &asks("x")).await.unwrap();
    assert_eq!((token.expose(), token.source()), ("access-1", TokenSource::Cache));
    for (number, sent) in [(2, "refresh-1"), (3, "refresh-2")] {
        world.clock.advance(seconds(2 * 24 * 3600));
        world.next_is(200, with_refresh_token(number));
        let token = world.client.long_running_token(KEY, &asks("x")).await.unwrap();
        assert_eq!(token.expose(), format!("access-{number}"));
        let form = world.last();
        assert_eq!(
            (form["grant_type"].as_str(), form["refresh_token"].as_str()),
            ("refresh_token", sent)
        );
        assert_eq!(form["scope"], "offline_access x");
    }
    assert!(world.client.accounts().is_empty());
}

#[tokio::test]
async fn work_is_found_by_its_own_key_alone_until_it_ends() {
    let world = begun().await;
    let kind = async |key: &str| {
        world.client.long_running_token(key, &asks("x")).await.map_err(|error| error.kind()).err()
    };
    assert_eq!(kind(KEY).await, None);
    for other in ["", "export-8", "EXPORT-7", "the.callers.token"] {
        assert_eq!(kind(other).await, Some(ErrorKind::NoRefreshToken), "{other}");
    }
    assert!(!world.client.end_long_running("export-8"));
    assert!(world.client.end_long_running(KEY) && !world.client.end_long_running(KEY));
    assert_eq!(kind(KEY).await, Some(ErrorKind::NoRefreshToken));
    assert!(!world.client.keeps("refresh-1"));
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn work_that_begins_again_replaces_what_was_kept() {
    let world = begun().await;
    world.next_is(200, with_refresh_token(5));
    world
        .client
        .begin_long_running(KEY, &"another.callers.token".into(), &asks("x"))
        .await
        .unwrap();
    assert!(world.client.keeps("refresh-5") && !world.client.keeps("refresh-1"));
    let token = world.client.long_running_token(KEY, &asks("x")).await.unwrap();
    assert_eq!(token.expose(), "access-5");
}

#[tokio::test]
async fn work_that_could_not_go_on_does_not_begin() {
    let world = World::new();
    let begin = async || {
        let begun =
            world.client.begin_long_running(KEY, &"the.callers.token".into(), &asks("x")).await;
        begun.map_err(|error| error.kind()).err()
    };
    assert_eq!(begin().await, Some(ErrorKind::NoRefreshToken), "no refresh token came");
    world.next_is(400, json!({"error": "invalid_grant"}));
    assert_eq!(begin().await, Some(ErrorKind::InvalidGrant));
    assert!(!world.client.end_long_running(KEY));
    let nothing = world.client.begin_long_running(KEY, &Secret::default(), &asks("x")).await;
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::RequestInvalid);
}

/// A stored copy of the cache has to outlive the access token: its refresh token goes on.
#[tokio::test]
async fn a_cache_with_work_has_no_end_before_the_work_ends() {
    let world = begun().await;
    assert_eq!(world.client.cache_end(), CacheEnd::Open);
    world.clock.advance(seconds(2 * 24 * 3600));
    assert_eq!(world.client.cache_end(), CacheEnd::Open);
    world.client.end_long_running(KEY);
    assert_eq!(world.client.cache_end(), CacheEnd::Empty);
}

#[tokio::test]
async fn work_goes_on_in_another_process_with_the_exported_cache() {
    let (world, other) = (begun().await, World::new());
    other.client.import_cache(&world.client.export_cache()).unwrap();
    other.clock.advance(seconds(24 * 3600));
    other.next_is(200, with_refresh_token(2));
    let token = other.client.long_running_token(KEY, &asks("x")).await.unwrap();
    assert_eq!(token.expose(), "access-2");
    assert_eq!(other.last()["refresh_token"], "refresh-1");
}
