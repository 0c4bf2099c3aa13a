//! A browser's cookies: what it takes, keeps and sends (RFC 6265bis, and Chromium where that leaves
//! a choice).

use std::time::Duration;

use tower_identity::UnixTime;
use tower_sessions::cookie::{Cookie, SameSite};
use url::Url;

use super::site;

/// The properties of a request that decide on its cookies.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Whether the one who caused the request, and every address that it was redirected through,
    /// are of the target's site.
    pub same_site: bool,
    /// Whether it changes what the address bar shows.
    pub top_level: bool,
    /// Whether its method is GET or HEAD.
    pub safe: bool,
}

#[derive(Clone, Debug)]
pub struct Stored {
    pub name: String,
    pub value: String,
    pub domain: String,
    pub host_only: bool,
    pub path: String,
    pub secure: bool,
    pub http_only: bool,
    pub same_site: SameSite,
    pub expires: Option<UnixTime>,
}

impl Stored {
    fn is_sent_to(&self, url: &Url, context: Context) -> bool {
        let host = url.host_str().unwrap_or_default();
        let of_host = host == self.domain
            || (!self.host_only && host.ends_with(&format!(".{}", self.domain)));
        let of_path = url.path() == self.path
            || (url.path().starts_with(&self.path)
                && (self.path.ends_with('/') || url.path()[self.path.len()..].starts_with('/')));
        let of_site = match self.same_site {
            SameSite::None => true,
            SameSite::Lax => context.same_site || (context.top_level && context.safe),
            SameSite::Strict => context.same_site,
        };
        of_host && of_path && of_site && (!self.secure || is_secure(url))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Jar {
    pub cookies: Vec<Stored>,
    /// A person who allows no cookies.
    pub blocked: bool,
    /// Cookies whose names are such get lost on their way.
    pub dropped: Option<fn(&str) -> bool>,
    /// Every `Set-Cookie` that a browser would not take, with the reason.
    pub refused: Vec<String>,
}

impl Jar {
    pub fn store(&mut self, url: &Url, header: &str, context: Context, now: UnixTime) {
        if let Err(reason) = self.try_store(url, header, context, now) {
            self.refused.push(format!("{header}: {reason}"));
        }
    }

    fn try_store(
        &mut self,
        url: &Url,
        header: &str,
        context: Context,
        now: UnixTime,
    ) -> Result<(), &'static str> {
        if self.blocked {
            return Ok(());
        }
        let cookie = Cookie::parse(header.to_owned()).map_err(|_| "malformed")?;
        if self.dropped.is_some_and(|is_dropped| is_dropped(cookie.name())) {
            return Ok(());
        }
        let host = url.host_str().ok_or("no host")?;
        let (domain, host_only) = match cookie.domain() {
            None => (host, true),
            Some(domain) if host == domain || host.ends_with(&format!(".{domain}")) => {
                (domain, false)
            }
            Some(_) => return Err("the domain is not the host's"),
        };
        let secure = cookie.secure().unwrap_or(false);
        let path =
            cookie.path().filter(|path| path.starts_with('/')).unwrap_or_else(|| default_path(url));
        let same_site = cookie.same_site().unwrap_or(SameSite::Lax);
        check_attributes(&cookie, url)?;
        if same_site != SameSite::None && !context.same_site && !context.top_level {
            return Err("not SameSite=None, set from another site");
        }
        let is_same = |other: &Stored| {
            other.name == cookie.name() && other.domain == domain && other.path == path
        };
        if !is_secure(url) && self.cookies.iter().any(|other| is_same(other) && other.secure) {
            return Err("overwrites a Secure cookie from an insecure origin");
        }
        let expires = match (cookie.max_age(), cookie.expires_datetime()) {
            (Some(age), _) => {
                Some(now + Duration::from_secs(u64::try_from(age.whole_seconds()).unwrap_or(0)))
            }
            (None, Some(time)) => Some(UnixTime::from_seconds(time.unix_timestamp())),
            (None, None) => None,
        };
        let stored = Stored {
            name: cookie.name().to_owned(),
            value: cookie.value().to_owned(),
            domain: domain.to_owned(),
            host_only,
            path: path.to_owned(),
            secure,
            http_only: cookie.http_only().unwrap_or(false),
            same_site,
            expires,
        };
        self.cookies.retain(|other| !is_same(other));
        self.cookies.push(stored);
        self.expire(now);
        Ok(())
    }

    /// The `Cookie` header of a request.
    pub fn header(&mut self, url: &Url, context: Context, now: UnixTime) -> Option<String> {
        self.expire(now);
        let mut sent: Vec<_> =
            self.cookies.iter().filter(|cookie| cookie.is_sent_to(url, context)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> =
            sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn expire(&mut self, now: UnixTime) {
        self.cookies.retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
    }
}

/// The attributes that a cookie must have for its name and its size.
fn check_attributes(cookie: &Cookie<'_>, url: &Url) -> Result<(), &'static str> {
    let secure = cookie.secure().unwrap_or(false);
    if cookie.name().len() + cookie.value().len() > 4096 {
        return Err("longer than 4096 bytes");
    }
    if secure && !is_secure(url) {
        return Err("Secure from an insecure origin");
    }
    if cookie.same_site() == Some(SameSite::None) && !secure {
        return Err("SameSite=None without Secure");
    }
    if cookie.name().starts_with("__Secure-") && !secure {
        return Err("__Secure- without Secure");
    }
    if cookie.name().starts_with("__Host-")
        && !(secure && cookie.path() == Some("/") && cookie.domain().is_none())
    {
        return Err("__Host- needs Secure, Path=/ and no Domain");
    }
    Ok(())
}

/// Browsers take http on loopback for secure.
fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || site::is_loopback(url)
}

fn default_path(url: &Url) -> &str {
    match url.path().rfind('/') {
        None | Some(0) => "/",
        Some(end) => &url.path()[..end],
    }
}

mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);
    const TYPED: Context = Context { same_site: true, top_level: true, safe: true };
    const LINK_FROM_ELSEWHERE: Context = Context { same_site: false, ..TYPED };
    const POST_FROM_ELSEWHERE: Context = Context { safe: false, ..LINK_FROM_ELSEWHERE };
    const FRAME_FROM_ELSEWHERE: Context = Context { top_level: false, ..LINK_FROM_ELSEWHERE };

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// A jar that was given one cookie by `from`.
    fn jar(from: &str, header: &str) -> Jar {
        let mut jar = Jar::default();
        jar.store(&url(from), header, TYPED, NOW);
        jar
    }

    #[test]
    fn same_site_decides_which_requests_have_a_cookie() {
        let sent = |attribute: &str, context| {
            jar("http://localhost", &format!("a=1; {attribute}"))
                .header(&url("http://localhost/x"), context, NOW)
                .is_some()
        };
        for (attribute, expected) in [
            ("SameSite=Lax", [true, true, false, false]),
            ("Path=/", [true, true, false, false]),
            ("SameSite=Strict", [true, false, false, false]),
            ("SameSite=None; Secure", [true, true, true, true]),
        ] {
            let seen = [TYPED, LINK_FROM_ELSEWHERE, POST_FROM_ELSEWHERE, FRAME_FROM_ELSEWHERE]
                .map(|context| sent(attribute, context));
            assert_eq!(seen, expected, "{attribute}");
        }
    }

    #[test]
    fn a_cookie_stays_with_its_host_and_path() {
        let mut own = jar("https://app.example.com/a/b", "a=1");
        assert!(own.header(&url("https://app.example.com/a/c"), TYPED, NOW).is_some());
        for other in [
            "https://app.example.com/ab",
            "https://example.com/a/",
            "https://x.app.example.com/a/",
            "http://app.example.com.evil/a/",
        ] {
            assert_eq!(own.header(&url(other), TYPED, NOW), None, "{other}");
        }
        let mut shared = jar("https://app.example.com/", "a=1; Domain=example.com; Secure");
        assert!(shared.header(&url("https://x.example.com/"), TYPED, NOW).is_some());
        assert_eq!(shared.header(&url("http://x.example.com/"), TYPED, NOW), None);
    }

    #[test]
    fn what_a_browser_would_not_take_is_refused() {
        for (from, header) in [
            ("https://app.example.com/", "a=1; Domain=example.org"),
            ("http://app.example.com/", "a=1; Secure"),
            ("https://app.example.com/", "a=1; SameSite=None"),
            ("https://app.example.com/", "__Host-a=1; Secure"),
            ("https://app.example.com/", "__Host-a=1; Path=/"),
            ("https://app.example.com/", "__Host-a=1; Secure; Path=/; Domain=app.example.com"),
            ("https://app.example.com/", "__Secure-a=1"),
        ] {
            let jar = jar(from, header);
            assert!(jar.cookies.is_empty() && jar.refused.len() == 1, "{from} {header}");
        }
        assert_eq!(jar("http://localhost:1/", "__Host-a=1; Secure; Path=/").cookies.len(), 1);
    }

    #[test]
    fn cookies_expire_and_are_removed_by_their_own_path_only() {
        let mut jar = jar("http://localhost/", "a=1; Path=/; Max-Age=10");
        assert!(
            jar.header(&url("http://localhost/"), TYPED, NOW + Duration::from_secs(9)).is_some()
        );
        jar.store(&url("http://localhost/"), "a=; Path=/auth; Max-Age=0", TYPED, NOW);
        assert_eq!(jar.cookies.len(), 1);
        jar.store(
            &url("http://localhost/"),
            "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            TYPED,
            NOW,
        );
        assert_eq!(jar.cookies.len(), 0);
    }
}
