//! Token caches in a session store.

use std::{sync::atomic::AtomicUsize, time::Duration};

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tower_sessions_core::{SessionStore, session::Record};
use tower_sessions_memory_store::MemoryStore;

use super::*;
use crate::{
    clock::{Clock as _, ManualClock},
    config::{ClientCredential, IdentityConfig},
    protocol::{
        HttpClient, HttpFuture,
        test_support::{
            CLIENT_ID, FakeHttp, answer, authority, document, key_set, published, settle,
        },
    },
    session::{
        memory_caches::MOST_IDLE,
        test_support::{OTHER_SECRET, OpenStore, SECRET},
    },
    tokens::{AccessToken, TokenRequest, TokenSource},
};

/// One process of the application. Its provider issues a new token for every request.
pub(super) struct Process {
    pub(super) caches: StoredCaches,
    pub(super) clock: ManualClock,
    pub(super) http: Arc<FakeHttp>,
}

#[derive(Debug)]
struct Http(Arc<FakeHttp>);

impl HttpClient for Http {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        self.0.send(request)
    }
}

pub(super) fn process_with(
    store: Arc<dyn SessionStore>,
    secrets: &[&str],
    client_id: &str,
) -> Process {
    process_at(store, secrets, client_id, "https://app.example")
}

fn process_at(
    store: Arc<dyn SessionStore>,
    secrets: &[&str],
    client_id: &str,
    base_url: &str,
) -> Process {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let http = FakeHttp::new(|request| {
        if request.uri().path() != "/token" {
            return Ok(published(request, &document(), &key_set()));
        }
        let token = format!("access-{}", COUNT.fetch_add(1, SeqCst));
        Ok(answer(
            200,
            json!({
                "access_token": token, "token_type": "Bearer", "expires_in": 3600,
                "refresh_token": "refresh"
            }),
        ))
    });
    let config = IdentityConfig::new(authority(), client_id)
        .with_credential(ClientCredential::secret("s3cr3t"))
        .with_base_url(base_url)
        .unwrap()
        .with_cookie_secrets(secrets.iter().copied());
    let clock = ManualClock::at_system_time();
    let client = Client::builder(config)
        .with_clock(clock.clone())
        .with_http_client(Http(Arc::clone(&http)))
        .build()
        .unwrap();
    Process {
        caches: StoredCaches::over(
            &client,
            Store::shared(store, std::time::Duration::from_secs(3)),
        )
        .unwrap(),
        clock,
        http,
    }
}

pub(super) fn process(store: &Arc<OpenStore>) -> Process {
    process_with(Arc::clone(store) as _, &[SECRET], CLIENT_ID)
}

impl Process {
    pub(super) async fn token(&self, name: &str) -> AccessToken {
        self.token_for(name, "x").await
    }

    async fn token_for(&self, name: &str, scope: &str) -> AccessToken {
        let request = TokenRequest::new([scope]).unwrap();
        self.caches
            .with(name, |client| async move { client.for_app(&request).await })
            .await
            .unwrap()
    }

    pub(super) fn calls(&self) -> usize {
        self.http.count("/token")
    }
}

pub(super) fn store() -> Arc<OpenStore> {
    OpenStore::new().0
}

pub(super) fn only_row(store: &OpenStore) -> Record {
    let rows = store.rows.lock().unwrap();
    assert_eq!(rows.len(), 1);
    rows.values().next().unwrap().clone()
}

// MSAL-146: Write; L1 memory + L2 distributed
// MSAL-148: Both empty, or key of another user; read
// MSAL-151: Encryption enabled; entry written to L2
#[tokio::test]
async fn another_process_finds_the_tokens_and_the_store_sees_none() {
    let store = store();
    let (a, b) = (process(&store), process(&store));
    let token = a.token("app").await;
    assert_eq!((token.source(), store.take_log()), (TokenSource::Provider, vec!["load", "create"]));
    assert_eq!((b.token("app").await.expose(), b.calls()), (token.expose(), 0));
    assert!(
        !format!("{store:?}").contains(token.expose())
            && !format!("{:?}", a.caches).contains(token.expose())
    );
    store.take_log();
    assert_eq!(a.token("app").await.source(), TokenSource::Cache);
    assert_eq!(store.take_log(), ["load"], "nothing is written that has not changed");
    assert_ne!(b.token("another").await.expose(), token.expose());
    assert_eq!(store.len(), 2);
}

#[tokio::test]
async fn the_published_memory_store_keeps_a_cache() {
    let store = Arc::new(MemoryStore::default());
    let [a, b] = [0, 1].map(|_| process_with(store.clone(), &[SECRET], CLIENT_ID));
    let token = a.token("ada").await;
    assert_eq!((b.token("ada").await.expose(), b.calls()), (token.expose(), 0));
    let more = b.token_for("ada", "y").await;
    assert_eq!(
        a.token_for("ada", "y").await.expose(),
        more.expose(),
        "written by the other process meanwhile"
    );
    b.caches.remove("ada").await.unwrap();
    assert_eq!(
        a.token("ada").await.source(),
        TokenSource::Provider,
        "removed by the other process"
    );
}

// MSAL-150: L2 entry corrupted or L2 down; read
#[tokio::test]
async fn a_row_that_cannot_be_read_counts_as_empty_and_is_written_again() {
    let store = store();
    process(&store).token("app").await;
    let row = only_row(&store);
    for spoil in 0..4 {
        let mut spoilt = row.clone();
        let text = spoilt.data.values().next().unwrap().as_str().unwrap().to_owned();
        let data = match spoil {
            0 => json!("not base64!"),
            1 => json!(text.chars().rev().collect::<String>()),
            2 => json!(7),
            _ => json!(&text[..40]),
        };
        spoilt.data.values_mut().for_each(|value| *value = data.clone());
        store.rows.lock().unwrap().insert(spoilt.id, spoilt);
        let process = process(&store);
        let token = process.token("app").await;
        assert_eq!(token.source(), TokenSource::Provider, "{spoil}");
        assert_eq!(self::process(&store).token("app").await.expose(), token.expose(), "{spoil}");
    }
    store.set(|store| &store.garbled);
    assert_eq!(process(&store).token("app").await.source(), TokenSource::Provider);
}

/// A row does not open in another application, nor in the place of another row.
#[tokio::test]
async fn a_foreign_row_does_not_open() {
    let store = store();
    let token = process(&store).token("app").await;
    assert_eq!(
        process_with(store.clone(), &[SECRET], "another-client").token("app").await.source(),
        TokenSource::Provider
    );
    let elsewhere = process_at(store.clone(), &[SECRET], CLIENT_ID, "https://other.example");
    assert_eq!(elsewhere.token("app").await.source(), TokenSource::Provider);
    assert_eq!(process(&store).token("app").await.expose(), token.expose());
    let row = store.rows.lock().unwrap().values().next().unwrap().clone();
    process(&store).token("ada").await;
    for other in store.rows.lock().unwrap().values_mut() {
        other.data = row.data.clone();
    }
    assert_ne!(process(&store).token("ada").await.expose(), token.expose());
}

// MSAL-140: Option expiry none / suggested none; entry stored
// MSAL-143: Option expiry 1 h / suggested +5 h; entry stored
// MSAL-144: Option expiry 10 h / suggested +5 h; entry stored
#[tokio::test]
async fn a_row_ends_with_the_configured_lifetime_or_with_its_tokens() {
    for (lifetime, of_app, of_imported) in [
        (None, 3600, 24 * 3600),
        (Some(60), 60, 60),
        (Some(5 * 3600), 3600, 5 * 3600),
        (Some(30 * 24 * 3600), 3600, 24 * 3600),
    ] {
        for (expected, is_app) in [(of_app, true), (of_imported, false)] {
            let store = store();
            let process = process(&store);
            let caches = process.caches.clone();
            let caches = lifetime
                .map(Duration::from_secs)
                .map_or(caches.clone(), |lifetime| caches.with_lifetime(lifetime));
            let request = TokenRequest::new(["x"]).unwrap();
            let work = |client: Client| async move {
                // An imported refresh token that belongs to no account yet is kept for a day.
                if is_app {
                    client.for_app(&request).await.map(drop)
                } else {
                    client.import_refresh_token(&"r".into(), &request).await.map(drop)
                }
            };
            caches.with("app", work).await.unwrap();
            let end =
                only_row(&store).expiry_date.unix_timestamp() - process.clock.now().as_seconds();
            assert_eq!(end, expected, "{lifetime:?} {is_app}");
        }
    }
}

// MSAL-149: Two entries; one is removed
#[tokio::test]
async fn removing_one_cache_leaves_the_other() {
    let store = store();
    let process = process(&store);
    let (ada, bob) = (process.token("ada").await, process.token("bob").await);
    process.caches.remove("ada").await.unwrap();
    assert_eq!(store.len(), 1);
    assert_eq!(process.token("bob").await.expose(), bob.expose());
    assert_ne!(process.token("ada").await.expose(), ada.expose());
    // An empty cache has no row.
    process.caches.with("bob", |client| async move { client.remove_app_tokens() }).await;
    assert_eq!(store.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_at_the_same_time_share_one_cache() {
    let store = store();
    let process = Arc::new(process(&store));
    let users: Vec<_> = (0..64)
        .map(|number| {
            let process = Arc::clone(&process);
            tokio::spawn(async move {
                process.token_for("app", ["x", "y", "z", "w"][number % 4]).await.expose().to_owned()
            })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for user in users {
        tokens.insert(user.await.unwrap());
    }
    assert_eq!((tokens.len(), process.calls()), (4, 4));
    let other = self::process(&store);
    for scope in ["x", "y", "z", "w"] {
        assert!(tokens.contains(other.token_for("app", scope).await.expose()));
    }
    assert_eq!(other.calls(), 0, "no write has undone another");
}

#[tokio::test]
async fn tokens_that_arrive_after_their_caller_was_dropped_are_stored() {
    let store = store();
    let process = Arc::new(process(&store));
    process.http.hold();
    let caller = tokio::spawn({
        let process = Arc::clone(&process);
        async move { process.token("app").await }
    });
    settle().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    process.http.release();
    settle().await;
    let other = self::process(&store);
    assert_eq!((other.token("app").await.source(), other.calls()), (TokenSource::Cache, 0));
}

/// A cache that was evicted meanwhile lost them, and the next use of its name requested the same
/// again: with a refresh token that is used once, its user would have to sign in.
#[tokio::test]
async fn a_cache_stays_in_memory_while_a_request_goes_on_without_its_caller() {
    let store = store();
    let process = Arc::new(process(&store));
    let ask = || {
        let process = Arc::clone(&process);
        tokio::spawn(async move { process.token("app").await.expose().to_owned() })
    };
    process.http.hold();
    let caller = ask();
    settle().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    for number in 0..3 * MOST_IDLE {
        process.caches.with(&format!("caller {number}"), |_| async {}).await;
    }
    let again = ask();
    settle().await;
    process.http.release();
    let token = again.await.unwrap();
    settle().await;
    let other = self::process(&store);
    assert_eq!((other.token("app").await.expose(), other.calls()), (token.as_str(), 0));
    assert_eq!(process.calls(), 1, "the second use waits for the request of the first");
}

#[tokio::test]
async fn without_waiting_the_changes_are_stored_in_the_background() {
    let store = store();
    let process = process(&store);
    process.token("app").await;
    assert_eq!(store.len(), 1);
    let caches = process.caches.clone().without_waiting();
    // No task of the client, which would be stored after its end. An empty cache has no row.
    caches.with("app", |client| async move { client.remove_app_tokens() }).await;
    settle().await;
    assert_eq!(store.len(), 0);
}

#[tokio::test]
async fn a_new_cookie_secret_keeps_the_stored_caches() {
    let store = store();
    let token = process(&store).token("app").await;
    let rotated = process_with(store.clone(), &[OTHER_SECRET, SECRET], CLIENT_ID);
    assert_eq!(rotated.token("app").await.expose(), token.expose());
    assert_eq!(store.len(), 2, "sealed again under the current secret");
    let later = process_with(store.clone(), &[OTHER_SECRET], CLIENT_ID);
    assert_eq!((later.token("app").await.expose(), later.calls()), (token.expose(), 0));
}

/// Its tokens were removed, so they must not come back from the row under the older secret.
#[tokio::test]
async fn an_empty_cache_leaves_no_row_under_an_older_secret() {
    let (store, secrets) = (store(), [OTHER_SECRET, SECRET]);
    process(&store).token("app").await;
    let rotated = process_with(store.clone(), &secrets, CLIENT_ID);
    rotated.token("app").await;
    rotated.caches.with("app", |client| async move { client.remove_app_tokens() }).await;
    assert_eq!(store.len(), 0);
    let later = process_with(store.clone(), &secrets, CLIENT_ID);
    later.token("app").await;
    assert_eq!(later.calls(), 1);
}

#[tokio::test]
async fn a_store_that_chooses_ids_or_saves_only_existing_rows_keeps_a_cache() {
    for chooses in [true, false] {
        let store = store();
        store.set(|store| if chooses { &store.chooses_ids } else { &store.saves_only_over });
        let process = process(&store);
        let token = process.token("app").await;
        assert_eq!(self::process(&store).token("app").await.expose(), token.expose());
        process.token_for("app", "y").await;
        assert_eq!(
            (store.len(), self::process(&store).token_for("app", "y").await.source()),
            (1, TokenSource::Cache)
        );
    }
}

#[test]
fn a_random_secret_is_refused() {
    let config = IdentityConfig::new(authority(), CLIENT_ID)
        .with_credential(ClientCredential::secret("short"));
    let error =
        StoredCaches::new(&Client::new(config).unwrap(), MemoryStore::default()).unwrap_err();
    assert!(error.to_string().contains("with_cookie_secrets"), "{error}");
}

#[tokio::test]
async fn a_setting_that_follows_keeps_the_caches_in_memory() {
    let open = store();
    let mut process = process(&open);
    let token = process.token("ada").await;
    // Tokens that the store does not have are in memory alone.
    open.rows.lock().unwrap().clear();
    open.set(|store| &store.down);
    process.caches = process.caches.clone().with_lifetime(Duration::from_secs(60));
    assert_eq!(process.token("ada").await.expose(), token.expose());
    process.caches = process.caches.clone().without_waiting();
    assert_eq!(process.token("ada").await.expose(), token.expose());
    assert_eq!(process.calls(), 1);
}
