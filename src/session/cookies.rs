//! Cookies: found by hand in the request, written with the attributes that keep them ours.
//!
//! Over https every name begins with `__Host-`, which browsers accept only from this host, over https, for the whole host: no
//! subdomain and no other path can plant one. The name ends in a hash of client id and base URL, because the ports of a host share its cookies.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::attempts::Slot;
use crate::error::{Error, ErrorKind};

/// How many cookies of one name are looked at (C-327): a browser sends one, and a flood of them costs a bounded time.
const TRIED: usize = 4;

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
    #[cfg(any(test, fuzzing))]
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
        Values::new(headers, &self.session).take(TRIED)
    }

    pub(super) fn attempt_values<'a>(&'a self, headers: &'a HeaderMap, slot: Slot) -> impl Iterator<Item = &'a [u8]> {
        Values::new(headers, self.attempt_name(slot)).take(TRIED)
    }

    pub(super) fn set_session(&self, value: &[u8]) -> Result<HeaderValue, Error> {
        // No Max-Age: the cookie ends with the browser's session, if not before by the ticket's times.
        self.set_cookie(&self.session, value, None, SameSite::Lax)
    }

    /// `kept`: how long the browser keeps it. The time inside the seal decides.
    pub(super) fn set_attempt(&self, slot: Slot, value: &str, kept: Duration) -> Result<HeaderValue, Error> {
        self.set_cookie(self.attempt_name(slot), value.as_bytes(), Some(kept.as_secs()), self.attempt_same_site())
    }

    pub(super) fn attempt_name(&self, slot: Slot) -> &str {
        let [first, ..] = &self.attempts;
        self.attempts.get(slot.index()).unwrap_or(first)
    }

    fn attempt_same_site(&self) -> SameSite {
        if self.answered_by_post { SameSite::None } else { SameSite::Lax }
    }

    fn set_cookie(&self, name: &str, value: &[u8], max_age: Option<u64>, same_site: SameSite) -> Result<HeaderValue, Error> {
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
///
/// By hand, because it is part of every request: nothing is allocated, and no other cookie is looked into.
struct Values<'a> {
    lines: http::header::ValueIter<'a, HeaderValue>,
    rest: &'a [u8],
    name: &'a [u8],
}

impl<'a> Values<'a> {
    fn new(headers: &'a HeaderMap, name: &'a str) -> Self {
        Self { lines: headers.get_all(COOKIE).iter(), rest: &[], name: name.as_bytes() }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            while self.rest.is_empty() {
                self.rest = self.lines.next()?.as_bytes();
            }
            let pair = self.rest.trim_ascii_start();
            let value = pair.strip_prefix(self.name).and_then(|rest| rest.strip_prefix(b"="));
            let from = value.unwrap_or(pair);
            let end = memchr::memchr(b';', from).unwrap_or(from.len());
            let (before, after) = from.split_at_checked(end)?;
            self.rest = after.get(1..).unwrap_or_default();
            if value.is_some() {
                return Some(before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn found<'a>(headers: &'a HeaderMap, name: &'a str) -> Vec<&'a str> {
        Values::new(headers, name).map(|value| std::str::from_utf8(value).unwrap()).collect()
    }

    /// C-303
    #[test]
    fn over_https_the_session_cookie_is_host_only_and_out_of_scripts_reach() {
        let cookies = Cookies::new("AbCdEfGh", true, false);
        assert_eq!(
            cookies.set_session(b"value").unwrap(),
            "__Host-identity-AbCdEfGh=value; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        // Answers by POST change nothing about the session.
        let cookies = Cookies::new("AbCdEfGh", true, true);
        assert!(cookies.set_session(b"value").unwrap().to_str().unwrap().ends_with("SameSite=Lax"));
    }

    #[test]
    fn over_http_on_loopback_the_name_is_plain() {
        let cookies = Cookies::new("AbCdEfGh", false, false);
        assert_eq!(cookies.set_session(b"value").unwrap(), "identity-AbCdEfGh=value; Path=/; HttpOnly; SameSite=Lax");
    }

    /// C-306
    #[test]
    fn an_attempt_that_is_answered_by_post_is_sent_across_sites() {
        let [slot, ..] = Slot::ALL;
        for (secure, name) in [(true, "__Host-identity-id.0"), (false, "identity-id.0")] {
            let cookies = Cookies::new("id", secure, true);
            assert_eq!(
                cookies.set_attempt(slot, "value", TEN_MINUTES).unwrap(),
                format!("{name}=value; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None").as_str()
            );
        }
        let cookies = Cookies::new("id", true, false);
        assert!(
            cookies
                .set_attempt(slot, "value", TEN_MINUTES)
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("; HttpOnly; Secure; SameSite=Lax")
        );
    }

    #[test]
    fn a_removal_has_the_attributes_with_which_the_cookie_was_set() {
        let [.., slot] = Slot::ALL;
        for (secure, answered_by_post) in [(true, true), (true, false), (false, true), (false, false)] {
            let cookies = Cookies::new("id", secure, answered_by_post);
            let pairs = [
                (cookies.set_session(b"value").unwrap(), cookies.remove_session()),
                (cookies.set_attempt(slot, "value", TEN_MINUTES).unwrap(), cookies.remove_attempt(slot)),
            ];
            for (set, removal) in pairs {
                let plain = set.to_str().unwrap().replace("; Max-Age=600", "");
                assert_eq!(removal, plain.replace("=value; Path=/", "=; Path=/; Max-Age=0").as_str());
            }
        }
    }

    #[test]
    fn cookies_do_not_reach_a_debug_log() {
        assert!(!format!("{:?}", Cookies::new("id", true, false).set_session(b"value").unwrap()).contains("value"));
    }

    #[test]
    fn only_the_exact_name_counts() {
        let cookies = headers(&["xid=1; idx=2; ID=3; id =4; =5; id; id=6; %69d=7; a=id=8;id=9; id="]);
        assert_eq!(found(&cookies, "id"), ["6", "9", ""]);
        assert_eq!(found(&headers(&[";;; ;id=a;"]), "id"), ["a"]);
        assert_eq!(found(&HeaderMap::new(), "id"), [""; 0]);
    }

    /// C-327
    #[test]
    fn every_cookie_of_the_name_is_seen_in_all_header_lines_but_not_more_than_a_few() {
        let split = headers(&["id=1; other=x", "id=2"]);
        assert_eq!(found(&split, "id"), ["1", "2"]);
        let flood = headers(&[&"identity-id=x; ".repeat(1000)]);
        let cookies = Cookies::new("id", false, false);
        assert_eq!(cookies.session_values(&flood).count(), TRIED);
        assert!(cookies.has_session(&flood));
        assert!(!cookies.has_session(&split));
    }

    proptest! {
        #[test]
        fn the_scan_agrees_with_splitting(line in "[ -~\t\u{80}-\u{ff}]{0,40}(id|i|;|=| |\\t)*(id=[a-z;= ]{0,6}){0,3}.{0,9}") {
            let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(COOKIE, value)]);
            let expected: Vec<_> = line
                .as_bytes()
                .split(|byte| *byte == b';')
                .filter_map(|pair| pair.trim_ascii_start().strip_prefix(b"id="))
                .collect();
            prop_assert_eq!(Values::new(&headers, "id").collect::<Vec<_>>(), expected);
        }
    }
}
