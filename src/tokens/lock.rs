//! [`RefreshLock`]: one refresh per grant at a time over several processes.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::grant_store::GrantId;
use crate::{
    error::{Error, ErrorKind},
    secret,
    single_flight::Tasks,
};

/// Lets one process at a time refresh a grant, where several share a session store.
///
/// A provider that rotates refresh tokens and detects reuse signs a person out when two processes
/// send the same refresh token. Within one process that cannot happen. With several, give all of
/// them a lock on a service that they share; without it they need a provider that tolerates reuse.
///
/// With feature `redis` there is `RedisLock`. Another implementation is two commands, for Redis
/// `SET name owner NX PX lease` and a script that deletes `name` if it still holds `owner`. The
/// waiting (10 to 100 ms between attempts) and reading the record again after getting the lock are
/// done by the caller.
///
/// Where sessions are in PostgreSQL, the lock can be there as well: one statement takes it, and the
/// database carries it out as a whole.
///
/// ```
/// use std::{error::Error, fmt::Debug, time::Duration};
/// use tower_identity::RefreshLock;
///
/// /// Your pool. With sqlx: bind the parameters, `execute(&pool)`, and `rows_affected()`.
/// #[async_trait::async_trait]
/// trait Database: Debug + Send + Sync + 'static {
///     async fn execute(&self, statement: &str, parameters: &[&str]) -> Result<u64, Box<dyn Error + Send + Sync>>;
/// }
///
/// // CREATE TABLE refresh_lock (name text PRIMARY KEY, owner text NOT NULL, ends timestamptz NOT NULL)
/// const TAKE: &str = "INSERT INTO refresh_lock (name, owner, ends) VALUES ($1, $2, now() + ($3 || ' seconds')::interval)
///     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ends = excluded.ends WHERE refresh_lock.ends < now()";
/// const FREE: &str = "DELETE FROM refresh_lock WHERE name = $1 AND owner = $2";
///
/// #[derive(Debug)]
/// struct InDatabase<D>(D);
///
/// #[async_trait::async_trait]
/// impl<D: Database> RefreshLock for InDatabase<D> {
///     async fn try_lock(&self, name: &str, owner: &str, lease: Duration) -> Result<bool, Box<dyn Error + Send + Sync>> {
///         Ok(self.0.execute(TAKE, &[name, owner, &lease.as_secs().to_string()]).await? == 1)
///     }
///
///     async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
///         self.0.execute(FREE, &[name, owner]).await.map(drop)
///     }
/// }
/// ```
///
/// A lock by the session store itself is not possible: what `SessionStore::create` does with an id
/// that is there already is every store's own choice, and in SQL two of them may both believe that
/// they were first.
///
/// The shortest one:
///
/// ```
/// use std::{collections::HashMap, error::Error, sync::Mutex, time::Duration};
/// use tower_identity::RefreshLock;
///
/// /// A lock without leases, for two layers in one process.
/// #[derive(Debug, Default)]
/// struct InProcess(Mutex<HashMap<String, String>>);
///
/// #[async_trait::async_trait]
/// impl RefreshLock for InProcess {
///     async fn try_lock(&self, name: &str, owner: &str, _lease: Duration) -> Result<bool, Box<dyn Error + Send + Sync>> {
///         let mut owners = self.0.lock().map_err(|_| "poisoned")?;
///         Ok(owners.entry(name.to_owned()).or_insert_with(|| owner.to_owned()) == owner)
///     }
///
///     async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
///         let mut owners = self.0.lock().map_err(|_| "poisoned")?;
///         if owners.get(name).is_some_and(|holder| holder == owner) {
///             owners.remove(name);
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// # A lock that fails
///
/// While the lock cannot be reached nothing is refreshed, because a refresh token sent twice cannot
/// be taken back, and a request that is told to try again can. Sessions that are not due and tokens
/// that are still valid are served meanwhile.
///
/// # A lock that is lost
///
/// The lock keeps processes from asking the provider with the same refresh token; what is stored
/// does not depend on it. Where it is lost while a refresh is on its way (the lease ended, the
/// service failed over), another process may send the refresh token a second time. A provider that
/// tolerates that gives both of them tokens, and the record of the one that writes last stays,
/// whole: records are never mixed. A provider that does not tolerate it refuses one of them, and
/// may revoke the grant: then the person has to sign in again. Nobody frees a lock that has become
/// another's, because it is freed by its owner's name.
#[async_trait]
pub trait RefreshLock: fmt::Debug + Send + Sync + 'static {
    /// Takes the lock `name` for `owner` if nobody has it, and says whether it did. It frees itself
    /// after `lease` (60 s).
    ///
    /// `name` and `owner` are of ASCII letters and digits; `owner` is another one every time.
    ///
    /// # Errors
    ///
    /// The service cannot be asked. The text goes to the log.
    async fn try_lock(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<bool, Box<dyn StdError + Send + Sync>>;

    /// Frees the lock `name` if `owner` still has it.
    ///
    /// # Errors
    ///
    /// The service cannot be asked. The lock then frees itself when its lease ends.
    async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn StdError + Send + Sync>>;
}

/// A lock that answers within a time limit, as the session store does.
#[derive(Debug)]
pub(crate) struct TimedLock {
    lock: Arc<dyn RefreshLock>,
    timeout: Duration,
}

impl TimedLock {
    pub(crate) fn new(lock: Arc<dyn RefreshLock>, timeout: Duration) -> Self {
        Self { lock, timeout }
    }

    async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, Box<dyn StdError + Send + Sync>>> + Send,
    ) -> Result<T, Box<dyn StdError + Send + Sync>> {
        let seconds = self.timeout.as_secs_f32();
        let too_long = |_| {
            format!("no answer within {seconds} s (`with_store_timeout`, IDENTITY_STORE_TIMEOUT)")
        };
        tokio::time::timeout(self.timeout, asked).await.map_err(too_long)?
    }
}

#[async_trait]
impl RefreshLock for TimedLock {
    async fn try_lock(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<bool, Box<dyn StdError + Send + Sync>> {
        self.within(self.lock.try_lock(name, owner, lease)).await
    }

    async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.within(self.lock.unlock(name, owner)).await
    }
}

/// How long a lock is held at most: longer than a refresh takes, which may be four calls of ten
/// seconds (document, token, keys, UserInfo) and storing.
const LEASE: Duration = Duration::from_secs(60);
/// The shortest and the longest wait between two attempts.
const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// A lock that this process has.
#[derive(Debug)]
pub(super) struct Lease {
    lock: Arc<dyn RefreshLock>,
    name: String,
    owner: String,
}

impl Lease {
    /// Waits for the lock of a grant, somewhat longer than another process can have it.
    ///
    /// # Errors
    ///
    /// `renewal_failed` if the lock cannot be asked or is not had in time.
    pub(super) async fn acquire(
        lock: &Arc<dyn RefreshLock>,
        grant: GrantId,
        tasks: &dyn Tasks,
    ) -> Result<Self, Error> {
        let lease = Self {
            lock: lock.clone(),
            name: format!("{:032x}", grant.0),
            owner: format!("{:032x}", u128::from_ne_bytes(secret::random()?)),
        };
        let (mut longest, mut waited) = (WAITS.0, Duration::ZERO);
        while waited <= LEASE + WAITS.1 {
            match lock.try_lock(&lease.name, &lease.owner, LEASE).await {
                Ok(true) => return Ok(lease),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the refresh lock cannot be asked");
                    // It may have been taken, and only the answer be lost. Nobody waits for this.
                    tasks.spawn(Box::pin(lease.release()))?;
                    return Err(Error::new(
                        ErrorKind::RenewalFailed,
                        "the refresh lock cannot be asked",
                    ));
                }
            }
            // Somewhere below the longest wait, so that processes do not keep step.
            let [part] = secret::random()?;
            let wait = WAITS.0 + (longest - WAITS.0) * u32::from(part) / 255;
            tasks.pause(wait).await;
            waited += wait;
            longest = (longest * 2).min(WAITS.1);
        }
        Err(Error::new(
            ErrorKind::RenewalFailed,
            "another process holds the refresh lock for longer than its lease",
        ))
    }

    /// Lets the next process have it. If that fails, the lease ends by itself.
    pub(super) async fn release(self) {
        if let Err(error) = self.lock.unlock(&self.name, &self.owner).await {
            tracing::warn!(%error, "the refresh lock cannot be freed before its lease ends");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use super::super::{test_support::*, *};
    use super::*;
    use crate::{clock::Clock, config::SessionEnd};

    fn world(lock: &Arc<FakeLock>) -> World {
        World::with(|_| {}, Some(lock.clone()), SessionEnd::OwnLimits)
    }

    #[tokio::test]
    async fn the_lock_is_held_while_the_provider_is_asked_and_freed_after() {
        let lock = Arc::new(FakeLock::default());
        let world = world(&lock);
        let held = lock.clone();
        world.provider.next(move |answer| {
            assert!(!held.is_free());
            Ok(answer)
        });
        world.token("mail.read").await.unwrap();
        world.token("api.read").await.unwrap();
        assert_eq!(
            *lock.log.lock().unwrap(),
            ["taken", "freed"],
            "what the cache answers takes no lock"
        );
    }

    #[tokio::test]
    async fn the_record_is_read_again_after_waiting_for_the_lock() {
        let lock = Arc::new(FakeLock::taken_by_another());
        let world = Arc::new(world(&lock));
        world.clock.advance(seconds(4000));
        let caller = tokio::spawn({
            let world = world.clone();
            async move { world.live().await }
        });
        while lock.log.lock().unwrap().len() < 5 {
            tokio::task::yield_now().await;
        }
        // The other process has renewed meanwhile.
        let record = world.record();
        let by = identity(ada(), "theirs", world.clock.now() + seconds(3600));
        let (record, _) = record.refreshed(
            record.sign_in_key(),
            Issued::default(),
            Some(Some(&by)),
            world.clock.now(),
        );
        world.store.put(&world.grant, &record);
        lock.lapse();
        assert_eq!(caller.await.unwrap().as_deref(), Some(r#"{"name":"theirs"}"#));
        assert_eq!(world.provider.calls(), 0);
        let waits = world.tasks.0.lock().unwrap();
        assert!(waits.iter().all(|wait| (WAITS.0..=WAITS.1).contains(wait)), "{waits:?}");
    }

    #[tokio::test]
    async fn a_grant_that_is_lost_while_waiting_for_the_lock_is_told_from_a_session_that_is_over() {
        for (signed_out, kind) in
            [(false, ErrorKind::NoRefreshToken), (true, ErrorKind::SessionEnded)]
        {
            let lock = Arc::new(FakeLock::taken_by_another());
            let world = Arc::new(world(&lock));
            let caller = tokio::spawn({
                let world = world.clone();
                async move { world.token("mail.read").await.unwrap_err().kind() }
            });
            while lock.log.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            world.store.evict(&world.grant);
            if signed_out {
                world.store.sign_out(&world.grant).await;
            }
            lock.lapse();
            assert_eq!(caller.await.unwrap(), kind);
        }
    }

    #[tokio::test]
    async fn a_lock_that_never_comes_free_is_waited_for_somewhat_longer_than_its_lease() {
        let lock = Arc::new(FakeLock::taken_by_another());
        let world = world(&lock);
        assert_eq!(world.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        let waited: Duration = world.tasks.0.lock().unwrap().iter().sum();
        assert!(waited > LEASE && waited < LEASE + seconds(1), "{waited:?}");
        assert_eq!(world.provider.calls(), 0);
    }

    #[tokio::test]
    async fn while_the_lock_cannot_be_asked_nothing_is_refreshed_and_what_is_valid_is_served() {
        let lock = Arc::new(FakeLock::default());
        lock.failing.store(true, SeqCst);
        let world = world(&lock);
        assert_eq!(world.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        world.clock.advance(seconds(3500));
        assert_eq!(world.token("api.read").await.unwrap().expose(), "access-0");
        world.clock.advance(seconds(200));
        assert_eq!(world.live().await, None);
        world.settled().await;
        world.clock.advance(seconds(200));
        assert_eq!(
            world.grants.renew(&world.grant).await.unwrap_err().kind(),
            ErrorKind::RenewalFailed
        );
        assert!(world.store.is_signed_in(&world.grant));
        assert_eq!(world.provider.calls(), 0);
        lock.failing.store(false, SeqCst);
        assert!(world.live().await.is_some());
    }

    #[tokio::test]
    async fn the_lock_stays_with_a_record_that_waits_for_the_store() {
        let lock = Arc::new(FakeLock::default());
        let world = world(&lock);
        world.store.failing_saves.store(5, SeqCst);
        assert_eq!(world.token("mail.read").await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
        assert!(!lock.is_free());
        world.settled().await;
        assert_eq!(*lock.log.lock().unwrap(), ["taken", "freed", "taken", "freed"]);
    }

    #[tokio::test]
    async fn a_lock_that_was_taken_without_anybody_knowing_is_freed() {
        let lock = Arc::new(FakeLock::default());
        let world = world(&lock);
        lock.loses_answer.store(true, SeqCst);
        assert_eq!(world.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        while !lock.is_free() {
            tokio::task::yield_now().await;
        }
        assert!(world.token("mail.read").await.is_ok());
        assert_eq!(*lock.log.lock().unwrap(), ["taken", "freed", "taken", "freed"]);
    }

    /// What another process wrote while this one believed to be alone is replaced whole, and
    /// nothing is mixed.
    #[tokio::test]
    async fn a_lock_that_is_lost_on_the_way_mixes_no_records() {
        let lock = Arc::new(FakeLock::default());
        let world = Arc::new(World::with(
            |provider| provider.gate = Some(tokio::sync::Semaphore::new(0)),
            Some(lock.clone()),
            SessionEnd::OwnLimits,
        ));
        let caller = tokio::spawn({
            let world = world.clone();
            async move { world.token("mail.read").await }
        });
        while world.provider.calls() == 0 {
            tokio::task::yield_now().await;
        }
        lock.lapse();
        let record = world.record();
        let theirs = Issued {
            access_token: Some("theirs".into()),
            refresh_token: Some("their-refresh".into()),
            ..Issued::default()
        };
        let (theirs, _) = record.refreshed(record.sign_in_key(), theirs, None, world.clock.now());
        world.store.put(&world.grant, &theirs);
        world.provider.gate.as_ref().unwrap().add_permits(1);
        let token = caller.await.unwrap().unwrap();
        world.settled().await;
        let record = world.record();
        assert_eq!(record.refresh_token().map(crate::secret::Secret::expose), Some("refresh-1"));
        assert!(world.store.has_stored(token.expose()) && world.store.is_signed_in(&world.grant));
        assert_eq!(record.tokens().len(), 2, "its own and what it had read");
    }
}
