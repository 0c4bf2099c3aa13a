//! Sessions that have ended although their records are still there.

use std::sync::Arc;

use super::{
    record::SessionRecord,
    request_cookies::RequestCookies,
    session_cache::Session,
    sessions::Sessions,
    ticket::{CookieValue, Ticket},
};
use crate::{clock::UnixTime, codec::Value as _, tokens::RecordId, user::User};

/// Why a session ended without a sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEndCause {
    /// No request came for the idle timeout
    /// ([`with_idle_timeout`](crate::IdentityConfig::with_idle_timeout)).
    IdleTimeout,
    /// The absolute timeout
    /// ([`with_absolute_timeout`](crate::IdentityConfig::with_absolute_timeout)) has passed, or the
    /// ID token has expired where that is the end
    /// ([`SessionEnd::IdTokenExpiry`](crate::config::SessionEnd::IdTokenExpiry)). It is
    /// reported as long as this process remembers the session, because stores delete it then.
    AbsoluteTimeout,
    /// The provider refused to renew it: the person was signed out, blocked or has to be asked
    /// there.
    RenewalRefused,
    /// The settings do not allow it any more (tenants, `acr`, authentication context).
    NotAccepted,
    /// Another person signed in in the same browser.
    AnotherPerson,
}

/// A session that has ended.
#[derive(Clone)]
pub(crate) struct EndedSession {
    pub(crate) id: RecordId,
    pub(crate) user: User,
    pub(crate) cause: SessionEndCause,
}

impl EndedSession {
    fn of(session: &Session, cause: SessionEndCause) -> Self {
        Self { id: session.id(), user: session.user.clone(), cause }
    }
}

impl Sessions {
    /// The ended sessions that a request has tickets of, as far as they are still known. They are
    /// looked for once per request.
    pub(crate) async fn ended<'r>(
        &self,
        sent: &'r RequestCookies<'_>,
        now: UnixTime,
    ) -> &'r [EndedSession] {
        if let Some(ended) = sent.sessions().ended() {
            return ended;
        }
        let mut ended = Vec::new();
        for cookie in sent.tickets() {
            ended.extend(
                match sent.sessions().refused().filter(|session| session.cookie == *cookie) {
                    Some(session) => {
                        Some(EndedSession::of(session, SessionEndCause::RenewalRefused))
                    }
                    None => self.ended_one(cookie, now).await,
                },
            );
        }
        sent.sessions().set_ended(ended)
    }

    async fn ended_one(&self, cookie: &CookieValue, now: UnixTime) -> Option<EndedSession> {
        if let Some(known) = self.cache.get(cookie).filter(|known| now >= known.expires) {
            return Some(EndedSession::of(&known, SessionEndCause::AbsoluteTimeout));
        }
        let (ticket, _) = Ticket::open(&self.records.keys, cookie)?;
        // A store that cannot be asked now may be asked by the next request.
        let row = self.records.store.load(ticket.id, now).await.ok()??;
        let plain = self.records.open_session(ticket.id, &ticket.key, &row)?;
        let record = SessionRecord::read(&plain)?;
        let expires = record.expires.min(record.created + self.config.absolute_timeout());
        let cause = if now >= expires {
            SessionEndCause::AbsoluteTimeout
        } else if now >= self.ends(expires, ticket.rolled_at) {
            SessionEndCause::IdleTimeout
        } else if record.check(&self.config).is_err() {
            SessionEndCause::NotAccepted
        } else {
            // It is another session of this browser, which has not ended.
            return None;
        };
        let id = ticket.id;
        let user = record.user(id.grant(ticket.key, expires), Arc::clone(&self.application));
        Some(EndedSession { id, user, cause })
    }
}
