//! [`Session`]: a decoded session, and the bounded cache of decoded sessions.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use quick_cache::{Equivalent, sync::Cache};

use super::{
    records::RecordId,
    store::SealedRow,
    ticket::CookieValue,
    weight::{ByBytes, MOST_BYTES, SWEPT_EVERY, Weighed},
};
use crate::{
    clock::{Recurring, UnixTime},
    seal::KeyAge,
    secret::same_array,
    sign_in::{Fingerprint, ReturnedTo, SessionOrigin},
    tokens::GrantRef,
    user::User,
};

/// Time in seconds during which a ticket is rolled once, because the parallel requests of one page
/// need only one new cookie.
const ROLLED_ONCE_IN: i64 = 10;

/// A signed-in session: its user and deadlines. It is decoded once per ticket and process.
pub(crate) struct Session {
    pub(crate) user: User,
    /// The cookie that the session was decoded from.
    pub(super) cookie: CookieValue,
    /// The row that the session was decoded from. The session is valid only while the store returns
    /// the same row.
    pub(super) sealed: SealedRow,
    /// The absolute end.
    pub(super) expires: UnixTime,
    /// The earlier of the absolute end and the end of the ticket's idle time.
    pub(super) ends: UnixTime,
    /// When the claims are due for renewal.
    pub(super) renew_at: UnixTime,
    /// When the ticket is due for a roll.
    pub(super) roll_at: UnixTime,
    /// The interval between rolls, in seconds.
    pub(super) roll_every: i64,
    /// When the ticket was last rolled, in Unix seconds of the injected clock.
    pub(super) rolled: AtomicI64,
    pub(super) age: KeyAge,
    pub(super) step_ups: Vec<Fingerprint>,
    pub(super) returned_to: Option<Arc<ReturnedTo>>,
}

impl Session {
    /// The grant of the session.
    pub(crate) fn grant(&self) -> &GrantRef {
        self.user.grant()
    }

    /// The id of the session record.
    pub(crate) fn id(&self) -> RecordId {
        self.grant().session()
    }

    /// The end of the session without another request.
    pub(crate) fn ends(&self) -> UnixTime {
        self.ends
    }

    /// Whether the claims are due for renewal.
    pub(crate) fn renewal_due(&self, now: UnixTime) -> bool {
        now >= self.renew_at
    }

    /// The step-ups and the response that the session began with.
    pub(crate) fn origin(&self) -> SessionOrigin<'_> {
        SessionOrigin {
            created: self.user.session_started(),
            step_ups: &self.step_ups,
            returned_to: self.returned_to.as_deref(),
        }
    }

    /// The same session with renewed claims, which are due again at `renew_at`.
    pub(super) fn with_user(&self, user: User, renew_at: UnixTime) -> Self {
        Self {
            user,
            renew_at,
            cookie: self.cookie,
            sealed: self.sealed.clone(),
            rolled: AtomicI64::new(self.rolled.load(Ordering::Relaxed)),
            step_ups: self.step_ups.clone(),
            returned_to: self.returned_to.clone(),
            ..*self
        }
    }

    /// Whether the caller should roll the ticket now. Of concurrent requests, one gets `true`.
    pub(super) fn takes_roll(&self, now: UnixTime) -> bool {
        // A ticket under an older secret is replaced at once, so that the secret can be removed.
        if now < self.roll_at && self.age == KeyAge::Current {
            return false;
        }
        let last = self.rolled.load(Ordering::Relaxed);
        let now = now.as_seconds();
        // `now < last`: the clock was set back.
        (now < last || now.saturating_sub(last) >= ROLLED_ONCE_IN.min(self.roll_every))
            && self.rolled.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// How long a session stays after its absolute end: until then its end can be reported to the
/// application, which needs its user.
const KEPT_AFTER_END: Duration = Duration::from_secs(24 * 3600);

/// The number of decoded sessions.
const MOST: usize = 10_000;
/// The number by which the cache is divided into parts, each with its part of the bytes: at most
/// 32. A session that is larger than a part would be decoded at each request.
const ESTIMATED: usize = 1_000;

/// A cache of decoded sessions by the whole value of their cookie, bounded by their number and by
/// their bytes: a session keeps its row in memory, also one that the store has evicted. Only
/// cookies that opened are inserted, so requests without a session cannot fill it. Each insertion,
/// at most every ten minutes, removes the sessions whose absolute end is a day ago.
pub(super) struct SessionCache {
    sessions: Cache<CacheKey, Arc<Session>, ByBytes>,
    sweep: Recurring,
}

impl Weighed for Arc<Session> {
    fn bytes(&self) -> usize {
        self.sealed.len()
    }
}

impl SessionCache {
    pub(super) fn new() -> Self {
        Self {
            sessions: Cache::with_weighter(ESTIMATED, MOST_BYTES, ByBytes::among(MOST)),
            sweep: Recurring::every(SWEPT_EVERY),
        }
    }

    pub(super) fn get(&self, cookie: &CookieValue) -> Option<Arc<Session>> {
        self.sessions.get(&CacheQuery(cookie))
    }

    pub(super) fn keep(&self, session: &Arc<Session>, now: UnixTime) {
        if self.sweep.is_due(now) {
            self.sessions.retain(|_, session| now.since(session.expires) < KEPT_AFTER_END);
        }
        self.replace(session);
    }

    /// Keeps a session in place of one with the same cookie.
    pub(super) fn replace(&self, session: &Arc<Session>) {
        self.sessions.insert(CacheKey(session.cookie), Arc::clone(session));
    }

    pub(super) fn forget(&self, cookie: &CookieValue) {
        self.sessions.remove(&CacheQuery(cookie));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The bytes of the rows that the sessions keep in memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.sessions.iter().map(|(_, session)| session.sealed.len()).sum()
    }

    /// Removes a session under every ticket that it was decoded from.
    pub(super) fn forget_session(&self, session: RecordId) {
        self.sessions.retain(|_, other| other.id() != session);
    }
}

/// A key of the cache: the value of a cookie that opened.
#[derive(Clone, PartialEq, Eq)]
struct CacheKey(CookieValue);

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        CacheQuery(&self.0).hash(state);
    }
}

/// The cookie of a request, as a query of the cache. A session cookie is a credential, so it is
/// hashed under a random seed and compared in constant time.
struct CacheQuery<'a>(&'a CookieValue);

impl Hash for CacheQuery<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The end of the authentication tag: 96 random bits are enough for a hash. Equality
        // compares the whole value.
        state.write(self.0.last_chunk::<16>().map_or(&[], |end| end));
    }
}

impl Equivalent<CacheKey> for CacheQuery<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        same_array(self.0, &key.0)
    }
}
