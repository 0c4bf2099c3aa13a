//! [`RefreshLock`]: at most one refresh per grant at a time across several processes.

use std::{
    error::Error as StdError, fmt, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration,
};

use async_trait::async_trait;

use super::grant_store::RecordId;
use crate::{
    clock::Clock,
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
/// With feature `redis` there is `RedisLock`. Another implementation is two commands: one takes the
/// lock or renews its lease, the other frees it if `owner` still holds it. This crate does the
/// rest: it waits 10 to 100 ms between attempts, reads the record again once it has the lock, and
/// renews the lease every 15 s while the refresh goes on.
///
/// Where sessions are in PostgreSQL, the lock can be there as well: a single statement takes it
/// atomically.
///
/// ```
/// use std::{error::Error, fmt::Debug, time::Duration};
/// use tower_identity::RefreshLock;
///
/// type BoxError = Box<dyn Error + Send + Sync>;
///
/// /// Your pool. With sqlx: bind the parameters, `execute(&pool)`, and `rows_affected()`.
/// #[async_trait::async_trait]
/// trait Database: Debug + Send + Sync + 'static {
///     async fn execute(&self, statement: &str, parameters: &[&str]) -> Result<u64, BoxError>;
/// }
///
/// // CREATE TABLE refresh_lock
/// //     (name text PRIMARY KEY, owner text NOT NULL, ends timestamptz NOT NULL)
/// const TAKE: &str = "INSERT INTO refresh_lock (name, owner, ends)
///     VALUES ($1, $2, now() + ($3 || ' seconds')::interval)
///     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ends = excluded.ends
///     WHERE refresh_lock.ends < now() OR refresh_lock.owner = excluded.owner";
/// const FREE: &str = "DELETE FROM refresh_lock WHERE name = $1 AND owner = $2";
///
/// #[derive(Debug)]
/// struct InDatabase<D>(D);
///
/// #[async_trait::async_trait]
/// impl<D: Database> RefreshLock for InDatabase<D> {
///     async fn try_lock(&self, name: &str, owner: &str, end: Duration) -> Result<bool, BoxError> {
///         let end = end.as_secs().to_string();
///         Ok(self.0.execute(TAKE, &[name, owner, &end]).await? == 1)
///     }
///
///     async fn unlock(&self, name: &str, owner: &str) -> Result<(), BoxError> {
///         self.0.execute(FREE, &[name, owner]).await.map(drop)
///     }
/// }
/// ```
///
/// A lock by the session store itself is not possible: what `SessionStore::create` does with an id
/// that exists already differs between stores, and in SQL two processes may both get the answer
/// that they created the row.
///
/// The shortest implementation:
///
/// ```
/// use std::{collections::HashMap, error::Error, sync::Mutex, time::Duration};
/// use tower_identity::RefreshLock;
///
/// type BoxError = Box<dyn Error + Send + Sync>;
///
/// /// A lock without leases, for two layers in one process.
/// #[derive(Debug, Default)]
/// struct InProcess(Mutex<HashMap<String, String>>);
///
/// #[async_trait::async_trait]
/// impl RefreshLock for InProcess {
///     async fn try_lock(&self, name: &str, owner: &str, _: Duration) -> Result<bool, BoxError> {
///         let mut owners = self.0.lock().map_err(|_| "poisoned")?;
///         Ok(owners.entry(name.to_owned()).or_insert_with(|| owner.to_owned()) == owner)
///     }
///
///     async fn unlock(&self, name: &str, owner: &str) -> Result<(), BoxError> {
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
/// While the lock cannot be reached nothing is refreshed: a request can be repeated, but a refresh
/// token that was sent twice may have ended the grant. Sessions that are not due and tokens that
/// are still valid are served meanwhile.
///
/// # A lock that is lost
///
/// The lock keeps processes from asking the provider with the same refresh token; what is stored
/// does not depend on it. If it is lost during a refresh (the lease ended, the service failed
/// over), another process may send the refresh token a second time. A provider that tolerates that
/// gives both of them tokens, and the record that is written last stays, as a whole: records are
/// never merged. A provider that does not tolerate it refuses one of the requests, and may revoke
/// the grant: then the person has to sign in again. A process never frees the lock of another one,
/// because a lock is freed under the name of its owner.
///
/// After a crash of its holder a lock is free when its lease ends. Until then nothing of that
/// session is refreshed: a request that needs a refresh waits for it, a minute at most.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no refresh lock",
    label = "expected a type that implements `RefreshLock`",
    note = "for Redis there is `RedisLock` (feature `redis`); the guide has one for PostgreSQL"
)]
#[async_trait]
pub trait RefreshLock: fmt::Debug + Send + Sync + 'static {
    /// Takes the lock `name` for `owner` if it is free or if `owner` holds it already, and returns
    /// whether it did. The lock becomes free by itself after `lease` (45 s), which begins anew in
    /// both cases: a refresh that takes longer renews it.
    ///
    /// `name` and `owner` consist of ASCII letters and digits. `owner` is random for each refresh.
    ///
    /// # Errors
    ///
    /// The service cannot be reached. The text is logged.
    async fn try_lock(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<bool, Box<dyn StdError + Send + Sync>>;

    /// Frees the lock `name` if `owner` still holds it.
    ///
    /// # Errors
    ///
    /// The service cannot be reached. The lock then becomes free when its lease ends.
    async fn unlock(&self, name: &str, owner: &str) -> Result<(), Box<dyn StdError + Send + Sync>>;
}

/// A lock with a time limit for each operation, the one of the session store.
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

    /// Takes a lock that no grant has, and frees it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`]: the lock cannot be reached, or does not give a free one.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let owner = format!("{:032x}", u128::from_ne_bytes(secret::random()?));
        let name = format!("probe{owner}");
        let probed = match self.try_lock(&name, &owner, LEASE).await {
            Ok(true) => self.unlock(&name, &owner).await,
            Ok(false) => Err("a lock that is free is not given".into()),
            Err(error) => Err(error),
        };
        probed.map_err(|error| {
            tracing::warn!(%error, "the refresh lock does not work");
            let detail = "the refresh lock does not work; the log has its own error";
            Error::new(ErrorKind::StoreUnavailable, detail)
                .with_remedy("check the lock of `with_refresh_lock`, and the network to it")
        })
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

/// How long a lock is held without a renewal. It is short, since a process that crashes leaves its
/// locks behind.
const LEASE: Duration = Duration::from_secs(45);
/// How often a lease is renewed while a refresh goes on. With the default time limit of the store a
/// lease survives a renewal that fails.
const RENEWAL: Duration = Duration::from_secs(15);
/// How long a refresh waits for the lock: longer than the lease of a process that has crashed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The shortest and the longest wait between two attempts.
const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// A lock that this process holds.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    lock: Arc<dyn RefreshLock>,
    name: String,
    owner: String,
}

impl Lease {
    /// Waits for the lock of a grant, for a minute at most.
    ///
    /// # Errors
    ///
    /// `renewal_failed` if the lock cannot be reached or stays taken.
    pub(super) async fn acquire(
        lock: &Arc<dyn RefreshLock>,
        grant: RecordId,
        tasks: &dyn Tasks,
        clock: &dyn Clock,
    ) -> Result<Self, Error> {
        let lease = Self {
            lock: lock.clone(),
            name: format!("{:032x}", grant.0),
            owner: format!("{:032x}", u128::from_ne_bytes(secret::random()?)),
        };
        let (mut longest, mut waited) = (WAITS.0, Duration::ZERO);
        let start = clock.now();
        // The lock may be slow, and the clock may stand or be set back: the first limit ends it.
        while waited <= LONGEST_WAIT && clock.now().since(start) <= LONGEST_WAIT {
            match lock.try_lock(&lease.name, &lease.owner, LEASE).await {
                Ok(true) => return Ok(lease),
                Ok(false) => {}
                Err(error) => {
                    let error = lease.shown(&error);
                    tracing::warn!(%error, "the refresh lock cannot be reached");
                    // The lock may have been taken although the response was lost. It is freed in
                    // the background.
                    tasks.spawn(Box::pin(lease.release()))?;
                    return Err(Error::new(
                        ErrorKind::RenewalFailed,
                        "the refresh lock cannot be reached",
                    ));
                }
            }
            // A random wait, so that processes do not try at the same moments.
            let [part] = secret::random()?;
            let wait = WAITS.0 + (longest - WAITS.0) * u32::from(part) / 255;
            tasks.pause(wait).await;
            waited += wait;
            longest = (longest * 2).min(WAITS.1);
        }
        Err(Error::new(
            ErrorKind::RenewalFailed,
            "another process has held the refresh lock for a minute",
        ))
    }

    /// Begins the lease anew. If another process has the lock now, nothing changes.
    pub(super) async fn renew(&self) {
        match self.lock.try_lock(&self.name, &self.owner, LEASE).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "the refresh lock was lost: its lease had ended, or its `try_lock` does not renew \
                 the lease of an owner"
            ),
            Err(error) => {
                let error = self.shown(&error);
                tracing::warn!(%error, "the refresh lock cannot be reached");
            }
        }
    }

    /// Frees the lock. If that fails, it becomes free when the lease ends.
    pub(super) async fn release(self) {
        if let Err(error) = self.lock.unlock(&self.name, &self.owner).await {
            let error = self.shown(&error);
            tracing::warn!(%error, "the refresh lock cannot be freed before its lease ends");
        }
    }

    /// An error of the lock for the log, without the name, which some services repeat in it: it is
    /// the id of a record in the session store.
    fn shown(&self, error: &impl ToString) -> String {
        error.to_string().replace(&self.name, "…")
    }
}

/// Runs `work`, and renews the lease as long as it goes on.
pub(super) async fn renewed_during<T>(
    lease: Option<&Lease>,
    work: impl Future<Output = T>,
    tasks: &dyn Tasks,
) -> T {
    let Some(lease) = lease else { return work.await };
    let mut work = pin!(work);
    loop {
        let mut deadline = tasks.deadline(RENEWAL);
        let done = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
        });
        if let Some(done) = done.await {
            return done;
        }
        // `work` waits for the renewal: one that is abandoned could take the lock again after it
        // was freed.
        lease.renew().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use super::super::{refresh::LATER_STORE_WAITS, test_support::*, *};
    use super::*;
    use crate::config::SessionEnd;

    fn locked_session(lock: &Arc<FakeLock>) -> TestSession {
        TestSession::with(|_| {}, Some(lock.clone()), SessionEnd::OwnLimits)
    }

    /// One whose provider answers only when its gate has a permit.
    fn gated_session(lock: &Arc<FakeLock>) -> TestSession {
        let gated = |provider: &mut FakeProvider| {
            provider.gate = Some(tokio::sync::Semaphore::new(0));
        };
        TestSession::with(gated, Some(lock.clone()), SessionEnd::OwnLimits)
    }

    #[test]
    fn a_lease_survives_a_renewal_that_fails_and_ends_before_other_processes_give_up() {
        // With the default time limit of store and lock. A record that is not stored is looked for
        // between two renewals.
        assert!(2 * (RENEWAL + seconds(3)) < LEASE && LEASE + WAITS.1 < LONGEST_WAIT);
        assert!(2 * (LATER_STORE_WAITS.1 + 2 * seconds(3)) < LEASE);
    }

    #[tokio::test]
    async fn the_lease_is_renewed_while_a_refresh_goes_on() {
        let lock = Arc::new(FakeLock::default());
        let session = Arc::new(gated_session(&lock));
        session.tasks.1.store(3, SeqCst);
        let caller = tokio::spawn({
            let session = session.clone();
            async move { session.token("mail.read").await }
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        session.provider.gate.as_ref().unwrap().add_permits(1);
        assert!(caller.await.unwrap().is_ok());
        assert_eq!(*lock.log.lock().unwrap(), ["taken", "renewed", "renewed", "renewed", "freed"]);
    }

    #[tokio::test]
    async fn the_lock_is_held_during_the_request_and_then_freed() {
        let lock = Arc::new(FakeLock::default());
        let session = locked_session(&lock);
        let held = lock.clone();
        session.provider.next(move |answer| {
            assert!(!held.is_free());
            Ok(answer)
        });
        session.token("mail.read").await.unwrap();
        session.token("api.read").await.unwrap();
        assert_eq!(
            *lock.log.lock().unwrap(),
            ["taken", "freed"],
            "what the cache answers takes no lock"
        );
    }

    #[tokio::test]
    async fn the_record_is_read_again_after_waiting_for_the_lock() {
        let lock = Arc::new(FakeLock::taken_by_another());
        let session = Arc::new(locked_session(&lock));
        session.clock.advance(seconds(4000));
        let caller = tokio::spawn({
            let session = session.clone();
            async move { session.live().await }
        });
        while lock.log.lock().unwrap().len() < 5 {
            tokio::task::yield_now().await;
        }
        // The other process has renewed meanwhile.
        let record = session.record();
        let by = identity(ada(), "theirs", session.clock.now() + seconds(3600));
        let (record, _) = record.renewed(
            record.sign_in_key(),
            TokenSet::default(),
            Some(&by),
            session.clock.now(),
        );
        session.store.put(&session.grant, &record);
        lock.lapse();
        assert_eq!(caller.await.unwrap().as_deref(), Some(r#"{"name":"theirs"}"#));
        assert_eq!(session.provider.calls(), 0);
        let waits = session.tasks.0.lock().unwrap();
        assert!(waits.iter().all(|wait| (WAITS.0..=WAITS.1).contains(wait)), "{waits:?}");
    }

    #[tokio::test]
    async fn a_grant_lost_while_waiting_for_the_lock_differs_from_an_ended_session() {
        for (signed_out, kind) in
            [(false, ErrorKind::NoRefreshToken), (true, ErrorKind::SessionEnded)]
        {
            let lock = Arc::new(FakeLock::taken_by_another());
            let session = Arc::new(locked_session(&lock));
            let caller = tokio::spawn({
                let session = session.clone();
                async move { session.token("mail.read").await.unwrap_err().kind() }
            });
            while lock.log.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            session.store.evict(&session.grant);
            if signed_out {
                session.store.sign_out(&session.grant).await;
            }
            lock.lapse();
            assert_eq!(caller.await.unwrap(), kind);
        }
    }

    #[tokio::test]
    async fn waiting_for_the_lock_ends_after_a_minute() {
        let lock = Arc::new(FakeLock::taken_by_another());
        let session = locked_session(&lock);
        assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        let waited: Duration = session.tasks.0.lock().unwrap().iter().sum();
        assert!(waited > LONGEST_WAIT && waited < LONGEST_WAIT + seconds(1), "{waited:?}");
        assert_eq!(session.provider.calls(), 0);
    }

    #[tokio::test]
    async fn waiting_for_a_slow_lock_ends_as_soon() {
        let lock = Arc::new(FakeLock::taken_by_another());
        let session = locked_session(&lock);
        *lock.slow.lock().unwrap() = Some((session.clock.clone(), seconds(2)));
        assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        let waited = session.clock.now().since(START);
        assert!(waited > seconds(60) && waited < seconds(70), "{waited:?}");
    }

    #[tokio::test]
    async fn without_the_lock_nothing_is_refreshed_and_valid_tokens_are_served() {
        let lock = Arc::new(FakeLock::default());
        lock.failing.store(true, SeqCst);
        let session = locked_session(&lock);
        assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        session.clock.advance(seconds(3500));
        assert_eq!(session.token("api.read").await.unwrap().expose(), "access-0");
        session.clock.advance(seconds(200));
        assert_eq!(session.live().await, None);
        session.settled().await;
        session.clock.advance(seconds(200));
        assert_eq!(session.renewal_failure().await, ErrorKind::RenewalFailed);
        assert!(session.store.is_signed_in(&session.grant));
        assert_eq!(session.provider.calls(), 0);
        lock.failing.store(false, SeqCst);
        assert!(session.live().await.is_some());
    }

    #[tokio::test]
    async fn the_lock_stays_with_a_record_that_waits_for_the_store() {
        let lock = Arc::new(FakeLock::default());
        let session = locked_session(&lock);
        session.store.failing_saves.store(5, SeqCst);
        assert_eq!(
            session.token("mail.read").await.unwrap_err().kind(),
            ErrorKind::StoreUnavailable
        );
        assert!(!lock.is_free());
        session.settled().await;
        // Its lease is renewed meanwhile.
        lock.log.lock().unwrap().retain(|entry| *entry != "renewed");
        assert_eq!(*lock.log.lock().unwrap(), ["taken", "freed", "taken", "freed"]);
    }

    #[tokio::test]
    async fn a_lock_that_was_taken_without_an_answer_is_freed() {
        let lock = Arc::new(FakeLock::default());
        let session = locked_session(&lock);
        lock.loses_answer.store(true, SeqCst);
        assert_eq!(session.token("mail.read").await.unwrap_err().kind(), ErrorKind::RenewalFailed);
        while !lock.is_free() {
            tokio::task::yield_now().await;
        }
        assert!(session.token("mail.read").await.is_ok());
        assert_eq!(*lock.log.lock().unwrap(), ["taken", "freed", "taken", "freed"]);
    }

    /// The record of another process, written while this one assumed to have the lock, is replaced
    /// as a whole; records are not merged.
    #[tokio::test]
    async fn a_lock_lost_during_a_refresh_mixes_no_records() {
        let lock = Arc::new(FakeLock::default());
        let session = Arc::new(gated_session(&lock));
        let caller = tokio::spawn({
            let session = session.clone();
            async move { session.token("mail.read").await }
        });
        while session.provider.calls() == 0 {
            tokio::task::yield_now().await;
        }
        lock.lapse();
        let record = session.record();
        let theirs = TokenSet {
            access_token: Some("theirs".into()),
            refresh_token: Some("their-refresh".into()),
            ..TokenSet::default()
        };
        let (theirs, _) = record.refreshed(record.sign_in_key(), theirs, session.clock.now());
        session.store.put(&session.grant, &theirs);
        session.provider.gate.as_ref().unwrap().add_permits(1);
        let token = caller.await.unwrap().unwrap();
        session.settled().await;
        let record = session.record();
        assert_eq!(record.refresh_token().map(crate::secret::Secret::expose), Some("refresh-1"));
        assert!(
            session.store.has_stored(token.expose()) && session.store.is_signed_in(&session.grant)
        );
        assert_eq!(record.tokens().len(), 2, "its own and what it had read");
    }
}
