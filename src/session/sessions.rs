//! Sessions as the flow sees them: who is signed in, by the cookies of a request.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::{
    cookies::Cookies,
    local::Owner,
    record::SessionRecord,
    records::{RecordId, Records},
    request_cookies::RequestCookies,
    seal::KeyAge,
    session_cache::{Session, SessionCache},
    siblings::{SiblingKey, Siblings},
    store::{Sealed, Store},
    ticket::{CookieValue, Ticket},
};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    config::ValidConfig,
    error::Error,
    measure,
    sign_in::NewSession,
    tokens::{GrantRecord, GrantRef},
    user::{Application, User},
};

impl NewSession {
    /// The record of a session that begins now.
    pub(crate) fn record(self, now: UnixTime, absolute: Duration) -> SessionRecord {
        let end = now + absolute;
        SessionRecord {
            person: self.person,
            claims: self.claims.into(),
            home_account_id: self.home_account_id.map(Into::into),
            created: now,
            expires: self.ends.map_or(end, |ends| ends.min(end)),
            renew_at: self.renew_at,
            auth_context: self.auth_context.map(Into::into),
            causes: self.causes,
            returned_to: self.returned_to,
        }
    }
}

/// A session just created.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) session: Arc<Session>,
    pub(crate) set_cookie: HeaderValue,
}

/// A ticket of now for a session that is still the browser's when the response goes out, see
/// [`Sessions::confirm`].
pub(crate) struct Roll {
    session: Arc<Session>,
    set_cookie: HeaderValue,
}

impl fmt::Debug for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roll").finish_non_exhaustive()
    }
}

/// What can be said about a request without waiting.
#[derive(Debug)]
pub(crate) enum Peek {
    /// Nobody is signed in.
    None,
    /// Somebody is, and nothing is due.
    Live(Arc<Session>),
    /// [`Sessions::load`] has to be asked: the store answers later, or the claims are due for
    /// renewal.
    Ask,
}

/// The sessions of one application.
pub(crate) struct Sessions {
    pub(super) records: Arc<Records>,
    cookies: Arc<Cookies>,
    roll_every: Duration,
    pub(super) cache: SessionCache,
    siblings: Siblings,
    pub(super) config: ValidConfig,
    pub(super) application: Arc<Application>,
}

/// A ticket is rolled at most this often.
const ROLL_EVERY: Duration = Duration::from_secs(300);
/// A session that is gone this soon after it began was lost rather than ended.
const JUST_BEGUN: Duration = Duration::from_secs(60);

impl Sessions {
    /// How many opened sessions are remembered by default.
    pub(crate) const DEFAULT_OPENED: usize = 10_000;

    /// Sessions of the users of `application`, of which `opened` are remembered.
    pub(crate) fn new(
        config: ValidConfig,
        records: Arc<Records>,
        cookies: Arc<Cookies>,
        application: Arc<Application>,
        opened: usize,
    ) -> Self {
        // A tenth of the idle time, so that a short one is still counted from about the last
        // request.
        let roll_every = ROLL_EVERY.min(config.idle_timeout() / 10).max(Duration::from_secs(1));
        Self {
            records,
            cookies,
            roll_every,
            cache: SessionCache::new(opened),
            siblings: Siblings::new(),
            config,
            application,
        }
    }

    /// Who is signed in, without waiting. With the local store this decides, unless the claims are
    /// due for renewal.
    pub(crate) fn peek(&self, headers: &HeaderMap, now: UnixTime) -> Peek {
        let Store::Local(local) = &self.records.store else { return Peek::Ask };
        for cookie in self.cookies.read(headers).tickets() {
            let opened = match self.cache.get(cookie) {
                Some(opened) if opened.is_held_by(local, now) => {
                    Some(opened).filter(|opened| now < opened.ends)
                }
                // An expired one stays until others take its place: `ended` names its user.
                Some(opened) => {
                    if now < opened.expires {
                        self.cache.forget(cookie);
                    }
                    None
                }
                None => Ticket::open(&self.records.keys, cookie).and_then(|(ticket, age)| {
                    local
                        .load(ticket.id, now)
                        .and_then(|row| self.open(cookie, ticket, age, Sealed::Local(row), now))
                }),
            };
            match opened {
                Some(opened) if opened.renewal_due(now) => return Peek::Ask,
                Some(opened) => return Peek::Live(opened),
                None => {}
            }
        }
        Peek::None
    }

    /// Who is signed in. The store is asked in every request, so a sign-out elsewhere is seen at
    /// once, and once per request: what it said is handed on with the cookies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(crate) async fn load(
        &self,
        sent: &RequestCookies<'_>,
        now: UnixTime,
    ) -> Result<Option<Arc<Session>>, Error> {
        for cookie in sent.tickets() {
            if let Some(session) = self.of_ticket(sent, cookie, now).await? {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// All sessions that the browser has tickets of: one, unless another was planted or left
    /// behind.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(crate) async fn load_all(
        &self,
        sent: &RequestCookies<'_>,
        now: UnixTime,
    ) -> Result<Vec<Arc<Session>>, Error> {
        let mut all = Vec::new();
        for cookie in sent.tickets() {
            all.extend(self.of_ticket(sent, cookie, now).await?);
        }
        Ok(all)
    }

    /// The session of a ticket: the store is asked about it once per request.
    async fn of_ticket(
        &self,
        sent: &RequestCookies<'_>,
        cookie: &CookieValue,
        now: UnixTime,
    ) -> Result<Option<Arc<Session>>, Error> {
        if let Some(loaded) = sent.loaded(cookie) {
            return Ok(loaded);
        }
        let session = self.load_one(cookie, now).await?;
        sent.set_loaded(cookie, session.clone());
        Ok(session)
    }

    async fn load_one(
        &self,
        cookie: &CookieValue,
        now: UnixTime,
    ) -> Result<Option<Arc<Session>>, Error> {
        if let Some(opened) = self.cache.get(cookie) {
            if self
                .records
                .store
                .load(opened.id(), now)
                .await?
                .is_some_and(|row| row == opened.sealed)
            {
                return Ok(Some(opened).filter(|opened| now < opened.ends));
            }
            if now < opened.expires {
                self.cache.forget(cookie);
            }
            return Ok(None);
        }
        let Some((ticket, age)) = Ticket::open(&self.records.keys, cookie) else { return Ok(None) };
        let row = self.records.store.load(ticket.id, now).await?;
        Ok(row.and_then(|row| self.open(cookie, ticket, age, row, now)))
    }

    /// How many sessions in a row were gone from the store as soon as they began, by the ticket of
    /// a request that nobody is signed in for. A store that forgets, or one that another node does
    /// not share, would send a browser round and round.
    pub(crate) fn lost(&self, sent: &RequestCookies<'_>, now: UnixTime) -> u8 {
        let tickets = sent.tickets().filter_map(|cookie| Ticket::open(&self.records.keys, cookie));
        let just_begun = tickets.filter(|(ticket, _)| now.since(ticket.rolled_at) < JUST_BEGUN);
        just_begun.map(|(ticket, _)| ticket.lost.saturating_add(1)).max().unwrap_or(0)
    }

    /// Creates a session and its grant, under new ids and a new key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): nobody is signed in
    /// then.
    pub(crate) async fn create(
        &self,
        signed_in: NewSession,
        grant: Option<GrantRecord>,
        now: UnixTime,
    ) -> Result<Created, Error> {
        let lost = signed_in.lost;
        let record = signed_in.record(now, self.config.absolute_timeout());
        let (reference, sealed) = self
            .records
            .create_session(&codec::encode(&record), record.expires, Owner::of(&record.person))
            .await?;
        let id = RecordId(reference.session());
        if let Some(grant) = grant
            && let Err(error) = self.records.create_grant(&reference, grant).await
        {
            // Without its cookie the session is out of reach already; this only tidies up.
            let _ = self.records.end(id).await;
            return Err(error);
        }
        let ticket = Ticket { id, key: Zeroizing::new(*reference.key()), rolled_at: now, lost };
        let cookie = ticket.seal(&self.records.keys)?;
        let session =
            Arc::new(self.decoded(cookie, reference, now, KeyAge::Current, sealed, record));
        let set_cookie = self.cookies.set_session(&cookie, session.ends.since(now))?;
        self.cache.keep(&session);
        measure::signed_in();
        Ok(Created { session, set_cookie })
    }

    /// A ticket of now, if the present one is old enough or sealed under an older secret. Writes
    /// nothing to the store.
    pub(crate) fn roll(&self, opened: &Session, now: UnixTime) -> Option<Arc<Roll>> {
        if !opened.takes_roll(now) {
            return None;
        }
        let ticket = Ticket {
            id: opened.id(),
            key: Zeroizing::new(*opened.grant().key()),
            rolled_at: now,
            lost: 0,
        };
        let cookie = ticket.seal(&self.records.keys).ok()?;
        let rolled = Session {
            cookie,
            ends: self.ends(opened.expires, now),
            roll_at: now + self.roll_every,
            rolled: AtomicI64::new(i64::MIN),
            age: KeyAge::Current,
            ..opened.with_user(opened.user.clone(), opened.renew_at)
        };
        let set_cookie = self.cookies.set_session(&cookie, rolled.ends.since(now)).ok()?;
        let session = Arc::new(rolled);
        self.cache.keep(&session);
        Some(Arc::new(Roll { session, set_cookie }))
    }

    /// `Set-Cookie` with the rolled ticket, if its session still is one. The response may have
    /// taken its time, and the browser may have signed in again or out meanwhile: a ticket of the
    /// session before would take the new one's place.
    pub(crate) async fn confirm(&self, roll: &Roll, now: UnixTime) -> Option<HeaderValue> {
        let row = self.records.store.load(roll.session.id(), now).await.ok()?;
        row.is_some_and(|row| row == roll.session.sealed).then(|| roll.set_cookie.clone())
    }

    /// Remembers a session with renewed claims, until they are due again. Nothing is written: the
    /// grant's record has them.
    pub(crate) fn renewed(
        &self,
        sent: &RequestCookies<'_>,
        due: &Session,
        user: User,
        renew_at: Option<UnixTime>,
    ) -> Arc<Session> {
        let renewed = Arc::new(due.with_user(user, renew_at.unwrap_or(NEVER)));
        self.cache.keep(&renewed);
        sent.set_loaded(&due.cookie, Some(Arc::clone(&renewed)));
        renewed
    }

    /// Forgets what was decoded of a session whose records are gone, or that takes a new sign-in to
    /// go on.
    pub(crate) fn forget(&self, sent: &RequestCookies<'_>, session: &Arc<Session>) {
        self.cache.forget(&session.cookie);
        sent.set_refused(session);
        sent.set_loaded(&session.cookie, None);
    }

    /// Whether a session has not ended, by its id alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(crate) async fn is_there(&self, session: RecordId, now: UnixTime) -> Result<bool, Error> {
        self.records.store.load(session, now).await.map(|row| row.is_some())
    }

    /// Remembers what else began in the browser of a new session: by these attempts, and the
    /// sessions before it.
    pub(crate) fn link(&self, session: RecordId, attempts: &[SiblingKey], before: &[RecordId]) {
        let keys: Vec<SiblingKey> =
            attempts.iter().copied().chain(before.iter().map(|session| session.bytes())).collect();
        self.siblings.join(session, &keys);
    }

    /// Signs out: ends the session, and those that began in the same browser along with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): somebody may still be
    /// signed in.
    pub(crate) async fn end(&self, opened: &Session) -> Result<(), Error> {
        let session = opened.id();
        // The session itself goes last: while it is there, a sign-out that failed can be tried
        // again.
        for other in self.siblings.of(session) {
            self.end_by_id(other).await?;
        }
        self.end_by_id(session).await
    }

    /// Ends a session by its id alone, for the one that a sign-in started from.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): it may live on.
    pub(crate) async fn end_by_id(&self, session: RecordId) -> Result<(), Error> {
        // Under whichever ticket it was opened: nothing of it stays in memory.
        self.cache.forget_session(session);
        self.records.end(session).await?;
        self.siblings.forget(session);
        Ok(())
    }

    pub(super) fn ends(&self, expires: UnixTime, rolled_at: UnixTime) -> UnixTime {
        expires.min(rolled_at + self.config.idle_timeout())
    }

    /// Opens a row with its ticket and remembers it, if it is live.
    fn open(
        &self,
        cookie: &CookieValue,
        ticket: Ticket,
        age: KeyAge,
        row: Sealed,
        now: UnixTime,
    ) -> Option<Arc<Session>> {
        let plain = self.records.open_session(ticket.id, &ticket.key, &row)?;
        let mut record = SessionRecord::read(&plain)?;
        record.expires = record.expires.min(record.created + self.config.absolute_timeout());
        if now >= self.ends(record.expires, ticket.rolled_at) {
            return None;
        }
        if let Err(error) = record.check(&self.config) {
            tracing::info!(reason = error.reason(), %error, "a session is not accepted under the settings of now: signed out");
            return None;
        }
        let reference = ticket.id.grant(ticket.key, record.expires);
        let opened = Arc::new(self.decoded(*cookie, reference, ticket.rolled_at, age, row, record));
        self.cache.keep(&opened);
        Some(opened)
    }

    fn decoded(
        &self,
        cookie: CookieValue,
        grant: GrantRef,
        rolled_at: UnixTime,
        age: KeyAge,
        sealed: Sealed,
        mut record: SessionRecord,
    ) -> Session {
        let (causes, returned_to) =
            (std::mem::take(&mut record.causes), record.returned_to.take().map(Arc::new));
        Session {
            cookie,
            sealed,
            created: record.created,
            expires: record.expires,
            ends: self.ends(record.expires, rolled_at),
            renew_at: record.renew_at.unwrap_or(NEVER),
            roll_at: rolled_at + self.roll_every,
            roll_every: i64::try_from(self.roll_every.as_secs()).unwrap_or(i64::MAX),
            rolled: AtomicI64::new(i64::MIN),
            age,
            causes,
            returned_to,
            user: record.user(grant, Arc::clone(&self.application)),
        }
    }
}

const NEVER: UnixTime = UnixTime::from_seconds(i64::MAX);

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("records", &self.records)
            .field("cache", &self.cache)
            .finish()
    }
}
