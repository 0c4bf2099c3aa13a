//! Cookies: found by hand in the request, written with the attributes that keep them ours.
//!
//! Over https every name begins with `__Host-`, which browsers accept only from this host, over https, for the whole host: no
//! subdomain and no other path can plant one. The name ends in a hash of client id and base URL, because the ports of a host share its cookies.

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::attempts::Slot;
use crate::error::{Error, ErrorKind};

/// How many cookies of one name are looked at (C-327): a browser sends one, and a flood of them costs a bounded time.
const TRIED: usize = 4;

/// How long a browser keeps an attempt, in seconds. The time inside the seal decides.
pub(super) const ATTEMPT_SECONDS: u32 = 600;

/// The cookies of one application: names and attributes.
#[derive(Debug)]
pub(crate) struct Cookies {
    session: String,
    attempts: [String; Slot::COUNT],
    /// Whether the application is reached over https.
    secure: bool,
    /// Whether the provider answers by a POST from its own site, which carries no `Lax` cookie.
    answered_by_post: bool,
}

#[derive(Clone, Copy)]
enum SameSite {
    Lax,
    None,
}

impl Cookies {
    /// Names from the application's `id`. `secure`: its base URL is https (plain http is for loopback only); `answered_by_post`: response mode `form_post`.
    pub(crate) fn new(id: &str, secure: bool, answered_by_post: bool) -> Self {
        let prefix = if secure { "__Host-" } else { "" };
        Self {
            session: format!("{prefix}identity-{id}"),
            attempts: Slot::ALL.map(|slot| format!("{prefix}identity-{id}.{slot}")),
            secure,
            answered_by_post,
        }
    }

    /// The name of the session cookie.
    pub(crate) fn session_name(&self) -> &str {
        &self.session
    }

    /// Whether the browser sent a session cookie, of whatever worth: one to remove if nobody is signed in.
    pub(crate) fn has_session(&self, headers: &HeaderMap) -> bool {
        self.session_values(headers).next().is_some()
    }

    /// `Set-Cookie` that makes the browser forget the session.
    pub(crate) fn remove_session(&self) -> HeaderValue {
        self.removal(&self.session, SameSite::Lax)
    }

    /// `Set-Cookie` that makes the browser forget an attempt.
    pub(crate) fn remove_attempt(&self, slot: Slot) -> HeaderValue {
        self.removal(self.attempt_name(slot), self.attempt_same_site())
    }

    pub(super) fn session_values<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
        values(headers, &self.session).take(TRIED)
    }

    pub(super) fn attempt_values<'a>(&'a self, headers: &'a HeaderMap, slot: Slot) -> impl Iterator<Item = &'a [u8]> {
        values(headers, self.attempt_name(slot)).take(TRIED)
    }

    pub(super) fn set_session(&self, value: &[u8]) -> Result<HeaderValue, Error> {
        // No Max-Age: the cookie ends with the browser's session, if not before by the ticket's times.
        self.set_cookie(&self.session, value, None, SameSite::Lax)
    }

    pub(super) fn set_attempt(&self, slot: Slot, value: &str) -> Result<HeaderValue, Error> {
        self.set_cookie(self.attempt_name(slot), value.as_bytes(), Some(ATTEMPT_SECONDS), self.attempt_same_site())
    }

    pub(super) fn attempt_name(&self, slot: Slot) -> &str {
        let [first, ..] = &self.attempts;
        self.attempts.get(slot.index()).unwrap_or(first)
    }

    fn attempt_same_site(&self) -> SameSite {
        if self.answered_by_post { SameSite::None } else { SameSite::Lax }
    }

    fn set_cookie(&self, name: &str, value: &[u8], max_age: Option<u32>, same_site: SameSite) -> Result<HeaderValue, Error> {
        let mut cookie = Vec::with_capacity(name.len() + value.len() + 72);
        cookie.extend_from_slice(name.as_bytes());
        cookie.push(b'=');
        cookie.extend_from_slice(value);
        cookie.extend_from_slice(b"; Path=/");
        if let Some(seconds) = max_age {
            cookie.extend_from_slice(format!("; Max-Age={seconds}").as_bytes());
        }
        cookie.extend_from_slice(match (same_site, self.secure) {
            (SameSite::Lax, true) => b"; HttpOnly; Secure; SameSite=Lax".as_slice(),
            (SameSite::Lax, false) => b"; HttpOnly; SameSite=Lax",
            // Browsers refuse `None` without `Secure`, and accept `Secure` on http loopback.
            (SameSite::None, _) => b"; HttpOnly; Secure; SameSite=None",
        });
        let mut header = HeaderValue::from_maybe_shared(bytes::Bytes::from(cookie))
            .map_err(|_| Error::new(ErrorKind::Internal, "a cookie is no header value"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Same name, path and attributes as when it was set: otherwise a browser keeps the cookie, or refuses the removal (`__Host-` without `Secure`).
    fn removal(&self, name: &str, same_site: SameSite) -> HeaderValue {
        self.set_cookie(name, b"", Some(0), same_site).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// The values of every cookie with exactly this name, in the order in which they were sent, from all `Cookie` headers (HTTP/2 may split them).
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(COOKIE).iter().flat_map(move |header| Values { rest: header.as_bytes(), name: name.as_bytes() })
}

struct Values<'a> {
    rest: &'a [u8],
    name: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b';', self.rest).unwrap_or(self.rest.len());
            let (pair, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            let pair = pair.strip_prefix(b" ").unwrap_or(pair);
            if let Some(value) = pair.strip_prefix(self.name).and_then(|rest| rest.strip_prefix(b"=")) {
                return Some(value);
            }
        }
        None
    }
}
