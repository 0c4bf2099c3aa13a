//! Attempts in eight numbered cookies: parallel tabs work, and a visit to the sign-in page leaves
//! nothing on this side.
//!
//! - One cookie may be as long as browsers keep it; together they stay well below what servers
//!   accept as a header. The usual case is one attempt, so it gets what it needs, and the oldest
//!   ones make room.
//! - The `state` carries a short return path as well, sealed: where the attempt is gone when the
//!   answer comes, a new sign-in still leads back to the page. It completes nothing.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use zeroize::Zeroizing;

use super::{
    cookies::Cookies,
    request_cookies::RequestCookies,
    seal::{Context, CookiePurpose, KeyRing, OVERHEAD},
    siblings::SiblingKey,
};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    error::{Error, ErrorKind},
    secret::{base64url, fingerprint, from_base64url, random, same},
    sign_in::Attempt,
};

/// Longest `name=value` of an attempt, in bytes. Browsers keep 4,096 with the attributes (RFC 6265
/// section 6.1).
///
/// It fits a return path of 2,000 bytes and 600 bytes of scopes, or a device code of 1,000 and as
/// long a path: the specification sets no limit for device codes (Entra's have some 300
/// characters), and there is no other place that every process can read.
const LONGEST: usize = 4_000;
/// Longest `name=value` of all attempts together, in bytes: the smallest limits of servers for a
/// header are about 8,000.
const ALL_TOGETHER: usize = 4_800;
/// Length of the random part of a state: 132 bits.
const RANDOM: usize = 22;
/// Longest state, in characters. The specifications set no limit; 128 is what the conformance
/// suites of OpenID Connect allow a client, and what every provider takes. It leaves room for a
/// page of 38 bytes.
const LONGEST_STATE: usize = 128;
/// How long the page in a state is known: as long as links in mails of providers work.
const PAGE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// One of the eight places for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u8);

impl Slot {
    pub(super) const COUNT: usize = 8;
    pub(super) const FIRST: Self = Self(0);
    pub(super) const ALL: [Self; Self::COUNT] =
        [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7)];

    /// The slot of a cookie whose name ends in this digit.
    pub(super) fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL.get(usize::from(digit.checked_sub(b'0')?)).copied()
    }

    pub(super) fn index(self) -> usize {
        self.0.into()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a `state` says before anything is checked: `r{retry}.{slot}.{random}`, and often `.{page}`
/// after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    pub(crate) retry: u8,
    pub(crate) slot: Slot,
    handle: &'a str,
    page: Option<&'a str>,
}

impl<'a> State<'a> {
    /// Reads a state of ours; anything else is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST_STATE {
            return None;
        }
        let is_base64url = |text: &[u8]| {
            text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let (handle, page) = match text.match_indices('.').nth(2) {
            Some((at, _)) => (text.get(..at)?, Some(text.get(at + 1..)?)),
            None => (text, None),
        };
        match handle.as_bytes() {
            [b'r', retry @ b'0'..=b'9', b'.', slot @ b'0'..=b'7', b'.', random @ ..]
                if random.len() == RANDOM
                    && is_base64url(random)
                    && page
                        .is_none_or(|page| !page.is_empty() && is_base64url(page.as_bytes())) =>
            {
                Some(Self { retry: retry - b'0', slot: Slot(slot - b'0'), handle, page })
            }
            _ => None,
        }
    }

    /// The part that belongs to one attempt. What is remembered of an answer is remembered under
    /// it, whatever follows.
    pub(crate) fn handle(&self) -> &'a str {
        self.handle
    }
}

/// An attempt that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) attempt: Attempt,
    /// For the authorization request.
    pub(crate) state: String,
    /// The attempt's cookie, and removals of others that are of no use any more.
    pub(crate) set_cookies: Vec<HeaderValue>,
}

/// What belongs to a `state`.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// The attempt. Its cookie is to be removed once the answer is dealt with.
    Found(Box<Attempt>),
    /// It is older than ten minutes, or its device code has ended: its cookie is to be removed.
    Expired(Box<Attempt>),
    /// The browser sent no attempt that opens, or another took its slot.
    Missing,
}

/// Where a new attempt goes, and what there is beside it.
struct Choice {
    slot: Slot,
    /// Expired or unreadable.
    useless: Vec<Slot>,
    /// What may be needed, also in the chosen slot.
    kept: Vec<Kept>,
}

/// An attempt that the browser sent.
struct Kept {
    slot: Slot,
    size: usize,
    created: UnixTime,
}

/// Begins attempts and finds them again.
#[derive(Debug)]
pub(crate) struct Attempts {
    keys: Arc<KeyRing>,
    cookies: Arc<Cookies>,
    binding: [u8; 16],
}

impl Attempts {
    pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

    /// `binding`: what an attempt is good for and nothing else: authority, client id, redirect
    /// address, response mode.
    pub(crate) fn new(keys: Arc<KeyRing>, cookies: Arc<Cookies>, binding: &[&[u8]]) -> Self {
        Self { keys, cookies, binding: fingerprint("attempt", binding.iter().copied()) }
    }

    /// Puts an attempt into a free slot, otherwise into that of the oldest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RequestInvalid`]: what was asked for (scopes, policy, context classes) is too long for a cookie, even without the return path.
    pub(crate) fn begin(
        &self,
        sent: &RequestCookies<'_>,
        attempt: Attempt,
        now: UnixTime,
    ) -> Result<Begun, Error> {
        let Choice { slot, mut useless, mut kept } = self.choose(sent, now)?;
        let mut begun = self.begin_in(slot, attempt)?;
        kept.retain(|other| other.slot != slot);
        let mut size = begun
            .set_cookies
            .iter()
            .map(pair_length)
            .chain(kept.iter().map(|other| other.size))
            .sum::<usize>();
        kept.sort_unstable_by_key(|other| std::cmp::Reverse(other.created));
        while size > ALL_TOGETHER
            && let Some(oldest) = kept.pop()
        {
            tracing::debug!(
                bytes = size,
                most = ALL_TOGETHER,
                "the oldest sign-in under way makes room for a new one"
            );
            size -= oldest.size;
            useless.push(oldest.slot);
        }
        begun.set_cookies.extend(
            useless.into_iter().filter(|other| *other != slot).map(|other| self.remove(other)),
        );
        Ok(begun)
    }

    /// Puts an attempt into this slot: that of the attempt which it takes the place of.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub(crate) fn begin_in(&self, slot: Slot, mut attempt: Attempt) -> Result<Begun, Error> {
        let longest = self.longest(slot);
        let mut plain = codec::encode(&attempt);
        if plain.len() > longest {
            tracing::debug!(
                bytes = plain.len(),
                most = longest,
                "the return path does not fit into the cookie of the sign-in, which will end on the home page"
            );
            "/".clone_into(&mut attempt.return_path);
            plain = codec::encode(&attempt);
        }
        if plain.len() > longest
            && let Some(device) = &mut attempt.device
        {
            // The code has to be typed then.
            tracing::debug!(
                "the address with the code in it does not fit into the cookie of the sign-in"
            );
            device.verification_uri_complete = None;
            plain = codec::encode(&attempt);
        }
        if plain.len() > longest {
            return Err(match attempt.device {
                None => Error::new(
                    ErrorKind::RequestInvalid,
                    "scopes, policy and context classes of a sign-in are too long for its cookie",
                ),
                Some(_) => Error::new(
                    ErrorKind::TokenResponseInvalid,
                    format!(
                        "the device code and what goes with it are too long for a cookie of {LONGEST} bytes"
                    ),
                ),
            });
        }
        let created = attempt.created;
        let set_cookies = vec![self.sealed(slot, &attempt, &plain, created)?];
        let mut state = state(&attempt, slot)?;
        if let Some(page) =
            self.seal_page(&attempt).filter(|page| state.len() + 1 + page.len() <= LONGEST_STATE)
        {
            state = format!("{state}.{page}");
        }
        Ok(Begun { state, attempt, set_cookies })
    }

    /// The return path for the `state`: sealed, so that nobody else makes one, and the provider
    /// does not read it.
    fn seal_page(&self, attempt: &Attempt) -> Option<String> {
        // Home is where a sign-in ends without it.
        if attempt.return_path == "/" || attempt.return_path.len() > LONGEST_STATE {
            return None;
        }
        // Four bytes, which last until 2106: each counts here.
        let created = u32::try_from(attempt.created.as_seconds()).ok()?.to_be_bytes();
        let plain = [&created, attempt.return_path.as_bytes()].concat();
        self.keys
            .seal_cookie(CookiePurpose::Page, &self.page_context(), &plain)
            .ok()
            .map(|sealed| base64url(&sealed))
    }

    /// The page that a sign-in was to end on, from its `state` alone: for a new sign-in, where the
    /// attempt is gone.
    ///
    /// # Security
    ///
    /// It says nothing about the browser, and nothing is completed by it: it is worth as much as
    /// the `return_to` of a link to the sign-in path, which anybody may write.
    pub(crate) fn page(&self, asked: State<'_>, now: UnixTime) -> Option<String> {
        let mut sealed = from_base64url(asked.page?)?;
        let (plain, _) =
            self.keys.open_cookie(CookiePurpose::Page, &self.page_context(), &mut sealed)?;
        let (created, path) = plain.split_first_chunk::<4>()?;
        let created = UnixTime::from_seconds(u32::from_be_bytes(*created).into());
        if now.since(created) >= PAGE_LIFETIME || created.since(now) >= PAGE_LIFETIME {
            return None;
        }
        std::str::from_utf8(path).ok().map(str::to_owned)
    }

    fn page_context(&self) -> Context {
        fingerprint("page", [&self.binding[..]])
    }

    /// `Set-Cookie` for an attempt that goes on, with what it has to remember now.
    ///
    /// # Errors
    ///
    /// It cannot be sealed, which does not happen.
    pub(crate) fn keep(
        &self,
        slot: Slot,
        attempt: &Attempt,
        now: UnixTime,
    ) -> Result<HeaderValue, Error> {
        self.sealed(slot, attempt, &codec::encode(attempt), now)
    }

    fn sealed(
        &self,
        slot: Slot,
        attempt: &Attempt,
        plain: &[u8],
        now: UnixTime,
    ) -> Result<HeaderValue, Error> {
        let sealed = self.keys.seal_cookie(CookiePurpose::Attempt, &self.context(slot), plain)?;
        // Longer than a device code works, so that its end can be told.
        let kept =
            attempt.device.as_ref().map_or(Duration::ZERO, |device| device.expires_at.since(now))
                + Self::LIFETIME;
        self.cookies.set_attempt(slot, &base64url(&sealed), kept)
    }

    /// The attempt that a state belongs to.
    pub(crate) fn find(
        &self,
        sent: &RequestCookies<'_>,
        asked: State<'_>,
        now: UnixTime,
    ) -> Lookup {
        let mut found = Lookup::Missing;
        for attempt in sent.attempts(asked.slot).filter_map(|value| self.open(asked.slot, value)) {
            if state(&attempt, asked.slot)
                .is_ok_and(|state| same(state.as_bytes(), asked.handle.as_bytes()))
            {
                if !expired(&attempt, now) {
                    return Lookup::Found(Box::new(attempt));
                }
                found = Lookup::Expired(Box::new(attempt));
            }
        }
        found
    }

    /// The names of all attempts that the browser sent: sessions that come of them began in one
    /// browser.
    pub(crate) fn ids(&self, sent: &RequestCookies<'_>) -> Vec<SiblingKey> {
        let of = |slot: Slot| {
            sent.attempts(slot)
                .filter_map(move |value| self.open(slot, value))
                .map(|attempt| attempt.id())
        };
        Slot::ALL.into_iter().flat_map(of).collect()
    }

    /// `Set-Cookie` that removes the attempt of a slot.
    pub(crate) fn remove(&self, slot: Slot) -> HeaderValue {
        self.cookies.remove_attempt(slot)
    }

    /// A slot for a new attempt, and those whose cookies are expired or unreadable.
    ///
    /// Among free ones chance decides: two tabs that start at once see the same free slots. What
    /// was sealed under a secret that is not known here may be the attempt of a node that has a
    /// newer one: it stays as long as there is another place.
    fn choose(&self, sent: &RequestCookies<'_>, now: UnixTime) -> Result<Choice, Error> {
        let (mut free, mut foreign, mut useless, mut kept) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slot in Slot::ALL {
            if sent.attempts(slot).next().is_none() {
                free.push(slot);
                continue;
            }
            let name = self.cookies.attempt_name(slot).len() + 1;
            let size = sent.attempts(slot).map(|value| name + value.len()).sum();
            let live = sent.attempts(slot).filter_map(|value| self.open(slot, value));
            match live.filter(|attempt| !expired(attempt, now)).map(|attempt| attempt.created).max()
            {
                Some(created) => kept.push(Kept { slot, size, created }),
                None if sent.attempts(slot).any(|value| self.is_foreign(value)) => {
                    foreign.push(slot);
                    // How old it is, only another node knows: it goes last.
                    kept.push(Kept { slot, size, created: UnixTime::from_seconds(i64::MAX) });
                }
                None => {
                    free.push(slot);
                    useless.push(slot);
                }
            }
        }
        let [chance] = random()?;
        let by_chance =
            |slots: &[Slot]| slots.get(usize::from(chance) % slots.len().max(1)).copied();
        let oldest = || kept.iter().min_by_key(|kept| kept.created).map(|kept| kept.slot);
        let chosen = by_chance(&free).or_else(|| by_chance(&foreign)).or_else(oldest);
        let slot = chosen
            .ok_or_else(|| Error::new(ErrorKind::Internal, "there is no slot for the attempt"))?;
        Ok(Choice { slot, useless, kept })
    }

    fn open(&self, slot: Slot, value: &[u8]) -> Option<Attempt> {
        if value.len() > LONGEST {
            return None;
        }
        let mut sealed = Zeroizing::new(value.to_vec());
        let sealed = base64_simd::URL_SAFE_NO_PAD.decode_inplace(&mut sealed).ok()?;
        let (plain, _) =
            self.keys.open_cookie(CookiePurpose::Attempt, &self.context(slot), sealed)?;
        Attempt::read(plain)
    }

    fn is_foreign(&self, value: &[u8]) -> bool {
        value.len() <= LONGEST
            && from_base64url(value).is_some_and(|sealed| self.keys.is_of_another_secret(&sealed))
    }

    /// What the seal binds: the application's own binding, and the slot.
    fn context(&self, slot: Slot) -> Context {
        fingerprint("slot", [&self.binding[..], &[slot.0]])
    }

    /// How many plain bytes fit.
    fn longest(&self, slot: Slot) -> usize {
        (LONGEST.saturating_sub(self.cookies.attempt_name(slot).len() + 1) * 3 / 4)
            .saturating_sub(OVERHEAD)
    }
}

pub(super) fn state(attempt: &Attempt, slot: Slot) -> Result<String, Error> {
    let random = attempt.derive("state")?;
    Ok(format!("r{}.{slot}.{}", attempt.retry.min(9), random.get(..RANDOM).unwrap_or_default()))
}

/// Ten minutes, or as long as the device code works; and not from the future by more than ten
/// minutes, whatever the clock did meanwhile.
pub(super) fn expired(attempt: &Attempt, now: UnixTime) -> bool {
    let ended = match &attempt.device {
        Some(device) => device.expires_at <= now,
        None => now.since(attempt.created) >= Attempts::LIFETIME,
    };
    ended || attempt.created.since(now) >= Attempts::LIFETIME
}

/// How long a cookie is in a request.
fn pair_length(set_cookie: &HeaderValue) -> usize {
    set_cookie.as_bytes().split(|byte| *byte == b';').next().map_or(0, <[u8]>::len)
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
