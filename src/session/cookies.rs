//! [`Cookies`]: the names and attributes of an application's cookies.
//!
//! Over https every name has the prefix `__Host-` (RFC 6265bis section 4.1.3.2): browsers accept
//! such a cookie only over https, from this host, with `Path=/` and without `Domain`, so that no
//! subdomain can plant one. The name ends in a hash of client id, authority and base URL, because
//! the ports and paths of one host share its cookies.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::{attempts::Slot, kept_form::FORM_LIFETIME, request_cookies::RequestCookies};
use crate::{
    config::CookieLifetime,
    error::{Error, ErrorKind},
};

/// Lifetime of the cookie that counts sign-ins. A redirect loop over a provider that shows no page
/// takes a few seconds per round.
const COUNTED: Duration = Duration::from_secs(60);

/// The names and attributes of one application's cookies.
#[derive(Debug)]
pub(crate) struct Cookies {
    session: String,
    attempts: [String; Slot::COUNT],
    sign_ins: String,
    /// Whether the base URL is https.
    secure: bool,
    /// Whether the response mode is `form_post`: a cross-site POST, which carries no `Lax` cookie.
    answered_by_post: bool,
    /// How long the browser keeps the session cookie.
    lifetime: CookieLifetime,
    /// How much longer, with [`CookieLifetime::Session`].
    after_end: Duration,
}

#[derive(Clone, Copy)]
enum SameSite {
    Lax,
    None,
}

impl Cookies {
    /// The cookies of the application with this `id`.
    ///
    /// - `secure`: the base URL is https. Plain http is for loopback only.
    /// - `answered_by_post`: the response mode is `form_post`.
    pub(crate) fn new(id: &str, secure: bool, answered_by_post: bool) -> Self {
        let prefix = if secure { "__Host-" } else { "" };
        Self {
            session: format!("{prefix}identity-{id}"),
            attempts: Slot::ALL.map(|slot| format!("{prefix}identity-{id}.{slot}")),
            sign_ins: format!("{prefix}identity-{id}.r"),
            secure,
            answered_by_post,
            lifetime: CookieLifetime::default(),
            after_end: Duration::ZERO,
        }
    }

    /// Sets the lifetime of the session cookie in the browser.
    pub(crate) fn with_lifetime(self, lifetime: CookieLifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// Lets the browser keep the session cookie for the time in which a form is kept, because it
    /// identifies the user of the form. The sealed end of the session decides as before.
    pub(crate) fn with_kept_forms(self, are_kept: bool) -> Self {
        Self { after_end: if are_kept { FORM_LIFETIME } else { Duration::ZERO }, ..self }
    }

    /// Finds this application's cookies in a request.
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> RequestCookies<'a> {
        RequestCookies::find(self, headers)
    }

    /// The name of the session cookie.
    pub(super) fn session_name(&self) -> &str {
        &self.session
    }

    /// `Set-Cookie` that removes the session cookie.
    pub(crate) fn remove_session(&self) -> HeaderValue {
        self.removal(&self.session, SameSite::Lax)
    }

    /// `Set-Cookie` that removes the cookie of an attempt.
    pub(crate) fn remove_attempt(&self, slot: Slot) -> HeaderValue {
        self.removal(self.attempt_name(slot), self.attempt_same_site())
    }

    /// `Set-Cookie` that counts a sign-in whose callback had no session cookie. If the counter
    /// comes back and the session cookie does not, the browser or a proxy drops the session cookie.
    ///
    /// Not sealed, because a forged counter only ends a sign-in on an error page.
    pub(crate) fn count_sign_in(&self, sent: &RequestCookies<'_>) -> HeaderValue {
        let count = sent.sign_ins().saturating_add(1).min(9);
        let value = [b'0' + count];
        let cookie = self.set_cookie(
            &self.sign_ins,
            &value,
            Some(COUNTED.as_secs()),
            self.attempt_same_site(),
        );
        cookie.unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// `Set-Cookie` that resets the counter of sign-ins.
    pub(crate) fn forget_sign_ins(&self) -> HeaderValue {
        self.removal(&self.sign_ins, self.attempt_same_site())
    }

    /// `Set-Cookie` for the session. `left`: the time until the session ends if it is not used
    /// again. The browser's lifetime is a hint; the sealed times decide.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the value is not a valid header value.
    pub(super) fn set_session(&self, value: &[u8], left: Duration) -> Result<HeaderValue, Error> {
        let max_age = match self.lifetime {
            // Without `Max-Age` the cookie ends with the browser (RFC 6265 section 5.3).
            CookieLifetime::Browser => None,
            CookieLifetime::Session => Some(left.saturating_add(self.after_end).as_secs()),
        };
        self.set_cookie(&self.session, value, max_age, SameSite::Lax)
    }

    /// `Set-Cookie` for an attempt. The browser's `max_age` is a hint; the sealed times decide.
    ///
    /// # Errors
    ///
    /// As [`set_session`](Self::set_session).
    pub(super) fn set_attempt(
        &self,
        slot: Slot,
        value: &str,
        max_age: Duration,
    ) -> Result<HeaderValue, Error> {
        self.set_cookie(
            self.attempt_name(slot),
            value.as_bytes(),
            Some(max_age.as_secs()),
            self.attempt_same_site(),
        )
    }

    /// The name of the cookie of a slot.
    pub(super) fn attempt_name(&self, slot: Slot) -> &str {
        let [first, ..] = &self.attempts;
        self.attempts.get(slot.index()).unwrap_or(first)
    }

    fn attempt_same_site(&self) -> SameSite {
        if self.answered_by_post { SameSite::None } else { SameSite::Lax }
    }

    fn set_cookie(
        &self,
        name: &str,
        value: &[u8],
        max_age: Option<u64>,
        same_site: SameSite,
    ) -> Result<HeaderValue, Error> {
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
            // Browsers refuse `None` without `Secure`, and accept `Secure` over http on loopback
            // (RFC 6265bis section 5.7).
            (SameSite::None, _) => b"; HttpOnly; Secure; SameSite=None",
        });
        let mut header = HeaderValue::from_maybe_shared(bytes::Bytes::from(cookie))
            .map_err(|_| Error::new(ErrorKind::Internal, "a cookie is not a valid header value"))?;
        // Keeps the value out of `Debug`, and HPACK from indexing it (RFC 7541 section 7.1.3).
        header.set_sensitive(true);
        Ok(header)
    }

    /// `Set-Cookie` that removes a cookie. It has the path and attributes with which the cookie was
    /// set: otherwise the browser keeps the cookie, or refuses the removal (`__Host-` without
    /// `Secure`).
    fn removal(&self, name: &str, same_site: SameSite) -> HeaderValue {
        self.set_cookie(name, b"", Some(0), same_site)
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    // C-303: session cookie
    #[test]
    fn over_https_the_session_cookie_is_host_only_and_out_of_scripts_reach() {
        let cookies = Cookies::new("AbCdEfGh", true, false);
        assert_eq!(
            cookies.set_session(b"value", TEN_MINUTES).unwrap(),
            "__Host-identity-AbCdEfGh=value; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        // The response mode does not affect the session cookie.
        let cookies = Cookies::new("AbCdEfGh", true, true);
        assert!(
            cookies
                .set_session(b"value", TEN_MINUTES)
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("SameSite=Lax")
        );
    }

    #[test]
    fn with_a_session_lifetime_the_cookie_is_kept_as_long_as_the_session() {
        let cookies = Cookies::new("id", true, false).with_lifetime(CookieLifetime::Session);
        assert_eq!(
            cookies.set_session(b"value", Duration::from_millis(90_500)).unwrap(),
            "__Host-identity-id=value; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax"
        );
        assert!(cookies.remove_session().to_str().unwrap().contains("; Max-Age=0;"));
        let kept = cookies.with_kept_forms(true);
        let cookie = kept.set_session(b"value", Duration::from_millis(90_500)).unwrap();
        assert!(cookie.to_str().unwrap().contains("; Max-Age=3690;"), "{cookie:?}");
    }

    #[test]
    fn over_http_on_loopback_the_name_is_plain() {
        let cookies = Cookies::new("AbCdEfGh", false, false);
        assert_eq!(
            cookies.set_session(b"value", TEN_MINUTES).unwrap(),
            "identity-AbCdEfGh=value; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    // C-306: response_mode=form_post
    #[test]
    fn an_attempt_that_is_answered_by_post_is_sent_across_sites() {
        let [slot, ..] = Slot::ALL;
        for (secure, name) in [(true, "__Host-identity-id.0"), (false, "identity-id.0")] {
            let cookies = Cookies::new("id", secure, true);
            assert_eq!(
                cookies.set_attempt(slot, "value", TEN_MINUTES).unwrap(),
                format!("{name}=value; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None")
                    .as_str()
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
        for (secure, answered_by_post) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let cookies = Cookies::new("id", secure, answered_by_post);
            let pairs = [
                (cookies.set_session(b"value", TEN_MINUTES).unwrap(), cookies.remove_session()),
                (
                    cookies.set_attempt(slot, "value", TEN_MINUTES).unwrap(),
                    cookies.remove_attempt(slot),
                ),
            ];
            for (set, removal) in pairs {
                let plain = set.to_str().unwrap().replace("; Max-Age=600", "");
                assert_eq!(
                    removal,
                    plain.replace("=value; Path=/", "=; Path=/; Max-Age=0").as_str()
                );
            }
        }
    }

    #[test]
    fn cookies_do_not_reach_a_debug_log() {
        assert!(
            !format!(
                "{:?}",
                Cookies::new("id", true, false).set_session(b"value", TEN_MINUTES).unwrap()
            )
            .contains("value")
        );
    }
}
