//! Token caches while the session store is down or hangs.

use async_trait::async_trait;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store::Result as StoreResult,
};

use super::{tests::*, *};
use crate::{
    protocol::test_support::{CLIENT_ID, settle},
    session::{
        memory_caches::{EVICTION_STEP, MOST_IDLE, MOST_UNWRITTEN},
        test_support::SECRET,
    },
    tokens::TokenRequest,
};

// MSAL-150: L2 entry corrupted or L2 down; read
/// The tokens in memory stay usable, and are written later.
#[tokio::test]
async fn a_store_that_is_down_fails_nothing() {
    let store = store();
    store.set(|store| &store.down);
    let process = process(&store);
    let token = process.token("app").await;
    assert_eq!(process.token("app").await.expose(), token.expose());
    assert_eq!(process.caches.flush().await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert_eq!((process.calls(), store.len()), (1, 0));
    store.clear(|store| &store.down);
    process.caches.flush().await.unwrap();
    assert_eq!(self::process(&store).token("app").await.expose(), token.expose());
    process.caches.flush().await.unwrap();
}

impl Process {
    /// The number of caches in memory after so many new names.
    async fn after(&self, names: std::ops::Range<usize>) -> usize {
        for number in names {
            self.token(&format!("caller {number}")).await;
        }
        self.caches.shared.entries().by_name.len()
    }
}

#[tokio::test]
async fn caches_that_cannot_be_stored_take_a_bounded_memory_and_are_stored_later() {
    let store = store();
    store.set(|store| &store.down);
    let process = process(&store);
    assert_eq!(process.after(0..MOST_UNWRITTEN - 50).await, MOST_UNWRITTEN - 50, "all are kept");
    let most = process.after(MOST_UNWRITTEN..2 * MOST_UNWRITTEN).await;
    assert!(most <= MOST_UNWRITTEN, "{most}");
    // The names of the outage are not used again.
    store.clear(|store| &store.down);
    let start = 2 * MOST_UNWRITTEN;
    process.after(start..start + EVICTION_STEP + 1).await;
    settle().await;
    assert!(store.len() > MOST_UNWRITTEN / 2, "{}", store.len());
    let left = process.after(start + 10..start + 10 + MOST_IDLE).await;
    assert!(left <= MOST_IDLE + EVICTION_STEP, "{left}");
}

#[tokio::test]
async fn a_cache_whose_tokens_have_expired_is_not_kept_because_it_is_not_stored() {
    let store = store();
    store.set(|store| &store.down);
    let process = process(&store);
    assert_eq!(process.after(0..100).await, 100);
    process.clock.advance(Duration::from_secs(3600));
    let left = process.after(100..100 + MOST_IDLE).await;
    assert!(left <= MOST_IDLE + EVICTION_STEP, "{left}");
}

#[tokio::test]
async fn a_row_that_could_not_be_read_is_not_overwritten() {
    let store = store();
    let (earlier, late) = (process(&store), process(&store));
    let token = earlier.token("app").await;
    store.set(|store| &store.down);
    let on_behalf = async |process: &Process| {
        let request = TokenRequest::new(["y"]).unwrap();
        process
            .caches
            .with("app", |client| async move {
                client.on_behalf_of(&"assertion".into(), &request).await
            })
            .await
            .unwrap()
    };
    let other = on_behalf(&late).await;
    store.clear(|store| &store.down);
    late.caches.flush().await.unwrap();
    for process in [process(&store), late, earlier] {
        assert_eq!(process.token("app").await.expose(), token.expose());
        assert_eq!(on_behalf(&process).await.expose(), other.expose());
    }
}

#[test]
fn a_runtime_that_ends_leaves_the_writing_of_idle_caches_to_the_next_one() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = store();
    store.set(|store| &store.down);
    let process = process(&store);
    let first = runtime();
    first.block_on(async {
        process.after(0..MOST_IDLE).await;
        // Its task does not run any more.
        process.caches.entry("one more");
    });
    drop(first);
    store.clear(|store| &store.down);
    runtime().block_on(async {
        process.after(MOST_IDLE..MOST_IDLE + 2 * EVICTION_STEP).await;
        settle().await;
    });
    assert!(store.len() > MOST_IDLE, "{}", store.len());
}

/// A store that never answers.
#[derive(Debug)]
struct HangingStore;

#[async_trait]
impl SessionStore for HangingStore {
    async fn save(&self, _: &Record) -> StoreResult<()> {
        std::future::pending().await
    }

    async fn load(&self, _: &Id) -> StoreResult<Option<Record>> {
        std::future::pending().await
    }

    async fn delete(&self, _: &Id) -> StoreResult<()> {
        std::future::pending().await
    }
}

/// Each waits for the time limit of the store at most twice for others and twice for itself.
#[tokio::test(start_paused = true)]
async fn uses_of_one_cache_do_not_wait_for_a_store_that_hangs_one_after_the_other() {
    let process = Arc::new(process_with(Arc::new(HangingStore), &[SECRET], CLIENT_ID));
    let start = tokio::time::Instant::now();
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let process = Arc::clone(&process);
            tokio::spawn(async move { process.token("ada").await })
        })
        .collect();
    for one in uses {
        one.await.unwrap();
    }
    assert!(start.elapsed() <= Duration::from_secs(12), "{:?}", start.elapsed());
    assert_eq!(process.calls(), 1);
}
