//! [`Sessions`]: finds the session of a request by its cookies; creates, rolls and ends sessions.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::{
    cookies::Cookies,
    local::{LocalStore, Owner},
    record::SessionRecord,
    records::{RecordId, Records},
    request_cookies::{RequestCookies, TicketLookup},
    session_cache::{Session, SessionCache},
    siblings::{SiblingKey, Siblings},
    store::{SealedRow, Store},
    ticket::{CookieValue, Ticket},
};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    config::ValidConfig,
    error::Error,
    measure,
    seal::KeyAge,
    sign_in::NewSession,
    tokens::{GrantRecord, GrantRef},
    user::{Application, Names, User},
};

impl NewSession {
    /// The record of a session that begins at `now` and lasts for `absolute`, or until the
    /// sign-in's own end if that is earlier.
    pub(crate) fn record(self, now: UnixTime, absolute: Duration) -> SessionRecord {
        let end = now + absolute;
        SessionRecord {
            person: self.person,
            names: Some(Names::of(&self.claims)),
            claims: self.claims.into(),
            home_account_id: self.home_account_id.map(Into::into),
            created: now,
            expires: self.ends.map_or(end, |ends| ends.min(end)),
            renew_at: self.renew_at,
            auth_context: self.auth_context.map(Into::into),
            step_ups: self.step_ups,
            returned_to: self.returned_to,
        }
    }
}

/// A new session and its `Set-Cookie` header.
pub(crate) struct CreatedSession {
    pub(crate) session: Arc<Session>,
    pub(crate) set_cookie: HeaderValue,
}

/// A new ticket for an existing session. It is sent only after [`Sessions::confirm`].
pub(crate) struct Roll {
    session: Arc<Session>,
    set_cookie: HeaderValue,
}

/// The result of a lookup without I/O, see [`Sessions::peek`].
pub(crate) enum PeekOutcome {
    /// The request has no session.
    None,
    /// The request has a session whose claims are not due for renewal.
    Live(Arc<Session>),
    /// Only [`Sessions::load`] can decide: the store is remote, or the claims are due for renewal.
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

/// Shortest time between two rolls of a ticket, unless the idle time is short.
const ROLL_EVERY: Duration = Duration::from_secs(300);
/// Age below which a session that is missing from the store counts as lost and not as ended.
const JUST_BEGUN: Duration = Duration::from_secs(60);

impl Sessions {
    /// The sessions of an application.
    pub(crate) fn new(
        config: ValidConfig,
        records: Arc<Records>,
        cookies: Arc<Cookies>,
        application: Arc<Application>,
    ) -> Self {
        // The idle time runs from the last roll. Rolling at a tenth of a short idle time keeps the
        // error below 10 %.
        let roll_every = ROLL_EVERY.min(config.idle_timeout() / 10).max(Duration::from_secs(1));
        Self {
            records,
            cookies,
            roll_every,
            cache: SessionCache::new(),
            siblings: Siblings::new(),
            config,
            application,
        }
    }

    /// Whether the store is in this process, so that [`peek`](Self::peek) can answer.
    pub(crate) fn are_local(&self) -> bool {
        matches!(self.records.store, Store::Local(_))
    }

    /// Looks up the session of a request without I/O. With the local store the result is final,
    /// unless the claims are due for renewal. `first_line` is the first `Cookie` header: nearly
    /// every request has no other, and the session's ticket is the only one in it.
    pub(crate) fn peek(
        &self,
        first_line: Option<&HeaderValue>,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> PeekOutcome {
        let Store::Local(local) = &self.records.store else { return PeekOutcome::Ask };
        let Some(first_line) = first_line else { return PeekOutcome::None };
        let first = RequestCookies::first_ticket(&self.cookies, first_line);
        let opened = first.and_then(|first| self.opened(first, local, now)).or_else(|| {
            // Other tickets were planted, or left behind, or the cookies came in several lines.
            let cookies = self.cookies.read(headers);
            let mut others = cookies.tickets().skip(usize::from(first.is_some()));
            others.find_map(|ticket| self.opened(ticket, local, now))
        });
        match opened {
            Some(opened) if opened.renewal_due(now) => PeekOutcome::Ask,
            Some(opened) => PeekOutcome::Live(opened),
            None => PeekOutcome::None,
        }
    }

    /// The session of a ticket in the local store.
    fn opened(
        &self,
        cookie: &CookieValue,
        local: &LocalStore,
        now: UnixTime,
    ) -> Option<Arc<Session>> {
        let Some(opened) = self.cache.get(cookie) else {
            let (ticket, age) = Ticket::open(&self.records.keys, cookie)?;
            let row = local.load(ticket.id, now)?;
            return self.open(cookie, ticket, age, SealedRow::Local(row), now);
        };
        if !opened.sealed.is_stored_here(now) {
            self.forget_decoded(&opened, now);
            return None;
        }
        Some(opened).filter(|opened| now < opened.ends)
    }

    /// Removes a session whose row is gone from memory, with its tokens.
    fn forget_decoded(&self, opened: &Session, now: UnixTime) {
        self.records.decoded.forget(opened.id().grant_id());
        // An expired one stays until others take its place: `ended` names its user.
        if now < opened.expires {
            self.cache.forget(&opened.cookie);
        }
    }

    /// Loads the session of a request. The store is read once per request: in every request, so
    /// that a sign-out on another process is seen at once; and only once, because the result is
    /// remembered in `sent`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(crate) async fn load(
        &self,
        sent: &RequestCookies<'_>,
        now: UnixTime,
    ) -> Result<Option<Arc<Session>>, Error> {
        for (place, cookie) in sent.tickets().enumerate() {
            if let Some(session) = self.of_ticket(sent, place, cookie, now).await? {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// Loads all sessions that the browser has tickets of. More than one means that a cookie was
    /// planted or left behind.
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
        for (place, cookie) in sent.tickets().enumerate() {
            all.extend(self.of_ticket(sent, place, cookie, now).await?);
        }
        Ok(all)
    }

    /// The session of a ticket, from this request's earlier lookup or from the store.
    async fn of_ticket(
        &self,
        sent: &RequestCookies<'_>,
        place: usize,
        cookie: &CookieValue,
        now: UnixTime,
    ) -> Result<Option<Arc<Session>>, Error> {
        if let TicketLookup::Asked(session) = sent.sessions().loaded(place) {
            return Ok(session);
        }
        let session = self.load_one(cookie, now).await?;
        sent.sessions().set_loaded(place, session.clone());
        Ok(session)
    }

    /// The session of a ticket. The store is read even if the session is cached.
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
            // Ended by a sign-out, or replaced by another row.
            self.forget_decoded(&opened, now);
            return Ok(None);
        }
        let Some((ticket, age)) = Ticket::open(&self.records.keys, cookie) else { return Ok(None) };
        let row = self.records.store.load(ticket.id, now).await?;
        Ok(row.and_then(|row| self.open(cookie, ticket, age, row, now)))
    }

    /// The number of sessions in a row that the store lost within a minute of their sign-in or last
    /// roll, from the tickets of a request without a session. A store that loses rows, or that the
    /// nodes do not share, would otherwise cause an endless redirect loop.
    pub(crate) fn lost(&self, sent: &RequestCookies<'_>, now: UnixTime) -> u8 {
        let tickets = sent.tickets().filter_map(|cookie| Ticket::open(&self.records.keys, cookie));
        let just_begun = tickets.filter(|(ticket, _)| ticket.rolled_at.is_within(JUST_BEGUN, now));
        just_begun.map(|(ticket, _)| ticket.lost.saturating_add(1)).max().unwrap_or(0)
    }

    /// Creates a session and its grant, under new ids and a new key (security rule 2).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): the person is not
    /// signed in.
    pub(crate) async fn create(
        &self,
        signed_in: NewSession,
        grant: Option<GrantRecord>,
        now: UnixTime,
    ) -> Result<CreatedSession, Error> {
        let lost = signed_in.lost;
        let record = signed_in.record(now, self.config.absolute_timeout());
        let (reference, sealed) = self
            .records
            .create_session(&codec::encode(&record), record.expires, Owner::of(&record.person))
            .await?;
        let id = reference.session();
        if let Some(grant) = grant
            && let Err(error) = self.records.create_grant(&reference, grant).await
        {
            // Best effort: no cookie refers to the session, so a row that stays cannot be used.
            let _ = self.records.end(id).await;
            return Err(error);
        }
        let ticket = Ticket { id, key: Zeroizing::new(*reference.key()), rolled_at: now, lost };
        let cookie = ticket.seal(&self.records.keys)?;
        let session =
            Arc::new(self.decoded(cookie, reference, now, KeyAge::Current, sealed, record));
        let set_cookie = self.cookies.set_session(&cookie, session.ends.since(now))?;
        self.cache.keep(&session, now);
        Ok(CreatedSession { session, set_cookie })
    }

    /// A new ticket, if the present one is due or was sealed under an older secret. Nothing is
    /// written to the store.
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
        self.cache.keep(&session, now);
        Some(Arc::new(Roll { session, set_cookie }))
    }

    /// `Set-Cookie` with a rolled ticket, if its session still exists. While a slow response was
    /// under way the browser may have signed out or signed in again, and the old session's ticket
    /// would overwrite the new cookie.
    pub(crate) async fn confirm(&self, roll: &Roll, now: UnixTime) -> Option<HeaderValue> {
        let row = self.records.store.load(roll.session.id(), now).await.ok()?;
        row.is_some_and(|row| row == roll.session.sealed).then(|| roll.set_cookie.clone())
    }

    /// Replaces a cached session by one with renewed claims. Nothing is written to the store: the
    /// renewed claims are in the grant record.
    pub(crate) fn renewed(
        &self,
        sent: &RequestCookies<'_>,
        due: &Session,
        user: User,
        renew_at: Option<UnixTime>,
    ) -> Arc<Session> {
        let renewed = Arc::new(due.with_user(user, renew_at.unwrap_or(NEVER)));
        self.cache.replace(&renewed);
        sent.set_loaded(&due.cookie, Some(Arc::clone(&renewed)));
        renewed
    }

    /// Removes a session from the cache and from this request: its records are gone, or only a new
    /// sign-in can continue it.
    pub(crate) fn forget(&self, sent: &RequestCookies<'_>, session: &Arc<Session>) {
        self.cache.forget(&session.cookie);
        sent.sessions().set_refused(session);
        sent.set_loaded(&session.cookie, None);
    }

    /// Whether a session exists, by its id alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable)
    pub(crate) async fn is_there(&self, session: RecordId, now: UnixTime) -> Result<bool, Error> {
        self.records.store.load(session, now).await.map(|row| row.is_some())
    }

    /// Remembers the siblings of a new session: those that result from `attempts`, and the sessions
    /// that the browser had `before`.
    pub(crate) fn link(&self, session: RecordId, attempts: &[SiblingKey], before: &[RecordId]) {
        let keys: Vec<SiblingKey> =
            attempts.iter().copied().chain(before.iter().map(|session| session.bytes())).collect();
        self.siblings.join(session, &keys);
    }

    /// Signs out: ends the session and its siblings, the sessions that began in the same browser.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): some of the sessions
    /// may still exist.
    pub(crate) async fn end(&self, opened: &Session) -> Result<(), Error> {
        let session = opened.id();
        // The browser's own session last: as long as it exists, a failed sign-out can be repeated.
        for other in self.siblings.of(session) {
            self.end_by_id(other).await?;
        }
        self.end_by_id(session).await
    }

    /// Ends a session by its id alone, such as the session that a new sign-in replaces.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): the session may still
    /// exist.
    pub(crate) async fn end_by_id(&self, session: RecordId) -> Result<(), Error> {
        self.discard(session).await?;
        measure::session_ended();
        Ok(())
    }

    /// Deletes a session whose ticket reached no browser, so that none has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable): the session may still
    /// exist.
    pub(crate) async fn discard(&self, session: RecordId) -> Result<(), Error> {
        // Under all its tickets, so that no decoded user stays in memory.
        self.cache.forget_session(session);
        self.records.end(session).await?;
        self.siblings.forget(session);
        Ok(())
    }

    /// The end of a session by the absolute lifetime or by the idle time of its ticket.
    pub(super) fn ends(&self, expires: UnixTime, rolled_at: UnixTime) -> UnixTime {
        expires.min(rolled_at + self.config.idle_timeout())
    }

    /// Decodes a row with its ticket, and caches the session. `None` if the row does not open, has
    /// expired, or does not meet the present configuration.
    fn open(
        &self,
        cookie: &CookieValue,
        ticket: Ticket,
        age: KeyAge,
        row: SealedRow,
        now: UnixTime,
    ) -> Option<Arc<Session>> {
        let plain = self.records.open_session(ticket.id, &ticket.key, &row)?;
        let mut record = SessionRecord::read(&plain)?;
        // The configured lifetime may have become shorter since the session was created.
        record.expires = record.expires.min(record.created + self.config.absolute_timeout());
        if now >= self.ends(record.expires, ticket.rolled_at) {
            return None;
        }
        if let Err(error) = record.check(&self.config) {
            tracing::info!(
                reason = error.reason(), %error,
                "a session does not meet the present configuration: signed out"
            );
            return None;
        }
        let reference = ticket.id.grant(ticket.key, record.expires);
        let opened = Arc::new(self.decoded(*cookie, reference, ticket.rolled_at, age, row, record));
        self.cache.keep(&opened, now);
        Some(opened)
    }

    /// The session of a record, with the deadlines that follow from its ticket.
    fn decoded(
        &self,
        cookie: CookieValue,
        grant: GrantRef,
        rolled_at: UnixTime,
        age: KeyAge,
        sealed: SealedRow,
        mut record: SessionRecord,
    ) -> Session {
        let (step_ups, returned_to) =
            (std::mem::take(&mut record.step_ups), record.returned_to.take().map(Arc::new));
        Session {
            cookie,
            sealed,
            expires: record.expires,
            ends: self.ends(record.expires, rolled_at),
            renew_at: record.renew_at.unwrap_or(NEVER),
            roll_at: rolled_at + self.roll_every,
            roll_every: i64::try_from(self.roll_every.as_secs()).unwrap_or(i64::MAX),
            rolled: AtomicI64::new(i64::MIN),
            age,
            step_ups,
            returned_to,
            user: record.user(grant, Arc::clone(&self.application)),
        }
    }
}

/// The deadline of claims that are never renewed.
const NEVER: UnixTime = UnixTime::from_seconds(i64::MAX);
