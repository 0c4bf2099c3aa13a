//! [`Session`]: what a session cookie opened to, and the bounded cache of them.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use quick_cache::{Equivalent, sync::Cache};

use super::{
    local::LocalStore, records::RecordId, seal::KeyAge, store::Sealed, ticket::CookieValue,
};
use crate::{
    clock::UnixTime,
    secret::same_array,
    sign_in::{Fingerprint, ReturnedTo, SessionOrigin},
    tokens::GrantRef,
    user::User,
};

/// For how long nobody else rolls a ticket that was just rolled, in seconds: parallel requests of
/// one page need one new cookie.
const ROLLED_ONCE_IN: i64 = 10;

/// A session that is signed in: its user and its deadlines, decoded once per ticket and process.
pub(crate) struct Session {
    pub(crate) user: User,
    pub(super) cookie: CookieValue,
    pub(super) sealed: Sealed,
    pub(super) created: UnixTime,
    /// The absolute end.
    pub(super) expires: UnixTime,
    /// The end by whichever limit comes first, idle time from the ticket included.
    pub(super) ends: UnixTime,
    pub(super) renew_at: UnixTime,
    pub(super) roll_at: UnixTime,
    pub(super) roll_every: i64,
    /// When a new cookie was sent last, in Unix seconds.
    pub(super) rolled: AtomicI64,
    pub(super) age: KeyAge,
    pub(super) causes: Vec<Fingerprint>,
    pub(super) returned_to: Option<Arc<ReturnedTo>>,
}

impl Session {
    /// The grant of the session.
    pub(crate) fn grant(&self) -> &GrantRef {
        self.user.grant()
    }

    /// The id of the session record.
    pub(crate) fn id(&self) -> RecordId {
        RecordId(self.grant().session())
    }

    /// The end of the session without another request.
    pub(crate) fn ends(&self) -> UnixTime {
        self.ends
    }

    /// Whether the claims are to be renewed.
    pub(crate) fn renewal_due(&self, now: UnixTime) -> bool {
        now >= self.renew_at
    }

    /// What the session was started for.
    pub(crate) fn origin(&self) -> SessionOrigin<'_> {
        SessionOrigin {
            created: self.created,
            causes: &self.causes,
            returned_to: self.returned_to.as_deref(),
        }
    }

    /// Whether the local store still has the record that this was made of.
    pub(super) fn is_held_by(&self, local: &LocalStore, now: UnixTime) -> bool {
        matches!(&self.sealed, Sealed::Local(sealed) if local.holds(self.id(), sealed, now))
    }

    /// The same session with claims that hold until `renew_at`.
    pub(super) fn with_user(&self, user: User, renew_at: UnixTime) -> Self {
        Self {
            user,
            renew_at,
            cookie: self.cookie,
            sealed: self.sealed.clone(),
            rolled: AtomicI64::new(self.rolled.load(Ordering::Relaxed)),
            causes: self.causes.clone(),
            returned_to: self.returned_to.clone(),
            ..*self
        }
    }

    /// Whether to send a new cookie now. True once for requests that come at the same time.
    pub(super) fn takes_roll(&self, now: UnixTime) -> bool {
        if now < self.roll_at && self.age == KeyAge::Current {
            return false;
        }
        let last = self.rolled.load(Ordering::Relaxed);
        let now = now.as_seconds();
        (now < last || now.saturating_sub(last) >= ROLLED_ONCE_IN.min(self.roll_every))
            && self.rolled.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("ends", &self.ends)
            .field("renew_at", &self.renew_at)
            .finish_non_exhaustive()
    }
}

/// Sessions by the whole value of their cookie. Only cookies that opened get in, so nobody
/// fills it without signing in.
pub(super) struct SessionCache(Cache<CacheKey, Arc<Session>>);

impl SessionCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub(super) fn get(&self, cookie: &CookieValue) -> Option<Arc<Session>> {
        self.0.get(&Presented(cookie))
    }

    pub(super) fn keep(&self, session: &Arc<Session>) {
        self.0.insert(CacheKey(session.cookie), Arc::clone(session));
    }

    pub(super) fn forget(&self, cookie: &CookieValue) {
        self.0.remove(&Presented(cookie));
    }

    /// Forgets a session under every ticket that it was opened by.
    pub(super) fn forget_session(&self, session: RecordId) {
        self.0.retain(|_, other| other.id() != session);
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionCache").field(&self.0.capacity()).finish()
    }
}

/// A key of the cache: the value that the cookie had when it session.
#[derive(PartialEq, Eq)]
struct CacheKey(CookieValue);

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(&self.0).hash(state);
    }
}

/// A cookie that somebody presents. It is as good as a password: hashed under a random seed,
/// compared in constant time.
struct Presented<'a>(&'a CookieValue);

impl Hash for Presented<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The end of the seal's tag: 96 random bits are enough to find the place, and equality
        // looks at the whole.
        state.write(self.0.last_chunk::<16>().map_or(&[], |end| end));
    }
}

impl Equivalent<CacheKey> for Presented<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        same_array(self.0, &key.0)
    }
}
