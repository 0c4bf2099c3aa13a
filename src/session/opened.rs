//! What a session cookie opened to, and the bounded cache that remembers it.

use std::{
    fmt,
    hash::{Hash, Hasher},
    hint::black_box,
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
    sign_in::{Beginning, Cause, Landing},
    tokens::GrantRef,
};

/// For how long nobody else rolls a ticket that was just rolled, in seconds: parallel requests of
/// one page need one new cookie.
const ROLLED_ONCE_IN: i64 = 10;

/// A session that is open: its decoded value and its deadlines.
pub(crate) struct Opened<V> {
    /// What was made of the record.
    pub(crate) value: V,
    pub(super) grant: GrantRef,
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
    pub(super) causes: Vec<Cause>,
    pub(super) landing: Option<Arc<Landing>>,
}

impl<V> Opened<V> {
    /// The grant of the session.
    pub(crate) fn grant(&self) -> &GrantRef {
        &self.grant
    }

    /// The id of the session record, to delete it by.
    pub(crate) fn session(&self) -> RecordId {
        RecordId(self.grant.session())
    }

    /// Whether the claims are to be renewed.
    pub(crate) fn renewal_due(&self, now: UnixTime) -> bool {
        now >= self.renew_at
    }

    /// How the session began.
    pub(crate) fn beginning(&self) -> Beginning<'_> {
        Beginning { created: self.created, causes: &self.causes, landing: self.landing.as_deref() }
    }

    /// Whether the local store still has the record that this was made of.
    pub(super) fn is_held_by(&self, local: &LocalStore, now: UnixTime) -> bool {
        matches!(&self.sealed, Sealed::Local(sealed) if local.holds(self.session(), sealed, now))
    }

    /// The same session with another value.
    pub(super) fn again(&self, value: V, renew_at: UnixTime) -> Self {
        Self {
            value,
            renew_at,
            grant: self.grant.clone(),
            cookie: self.cookie,
            sealed: self.sealed.clone(),
            rolled: AtomicI64::new(self.rolled.load(Ordering::Relaxed)),
            causes: self.causes.clone(),
            landing: self.landing.clone(),
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

impl<V> fmt::Debug for Opened<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("ends", &self.ends)
            .field("renew_at", &self.renew_at)
            .finish_non_exhaustive()
    }
}

/// Opened sessions by the whole value of their cookie. Only cookies that opened get in, so nobody
/// fills it without signing in.
pub(super) struct OpenedCache<V>(Cache<Key, Arc<Opened<V>>>);

impl<V> OpenedCache<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub(super) fn find(&self, cookie: &CookieValue) -> Option<Arc<Opened<V>>> {
        self.0.get(&Presented(cookie))
    }

    pub(super) fn keep(&self, opened: &Arc<Opened<V>>) {
        self.0.insert(Key(opened.cookie), Arc::clone(opened));
    }

    pub(super) fn forget(&self, cookie: &CookieValue) {
        self.0.remove(&Presented(cookie));
    }

    /// Forgets a session under every ticket that it was opened by.
    pub(super) fn forget_session(&self, session: RecordId) {
        self.0.retain(|_, opened| opened.session() != session);
    }
}

impl<V> fmt::Debug for OpenedCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenedCache").field(&self.0.capacity()).finish()
    }
}

/// A key of the cache: the value that the cookie had when it opened.
#[derive(PartialEq, Eq)]
struct Key(CookieValue);

impl Hash for Key {
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

impl Equivalent<Key> for Presented<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        // Looks at every byte, whatever they are. The length is fixed, so this is a few vector
        // instructions where the crypto library's loop takes 600.
        let difference =
            self.0.iter().zip(&key.0).fold(0, |difference, (a, b)| difference | (a ^ b));
        black_box(difference) == 0
    }
}
