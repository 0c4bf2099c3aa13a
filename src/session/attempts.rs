//! [`Attempts`]: sign-ins under way, each sealed into one of eight numbered cookies.
//!
//! Several cookies, because a person may sign in from several tabs at once. Cookies and not the
//! store, because a request for the sign-in page must not take memory on the server.
//!
//! - One cookie may be as long as browsers keep it. All together stay well below the limit of
//!   servers for a header; beyond that the oldest attempts are dropped.
//! - The `state` also carries the return path if it is short, sealed. If the attempt is gone when
//!   the authorization response arrives, a new sign-in still leads back to that page. This path
//!   cannot complete a sign-in.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use zeroize::Zeroizing;

use super::{cookies::Cookies, request_cookies::RequestCookies, siblings::SiblingKey};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    error::{Error, ErrorKind},
    seal::{Context, CookiePurpose, KeyRing, OVERHEAD},
    secret::{base64url, fingerprint, from_base64url, random, same},
    sign_in::Attempt,
};

/// Longest `name=value` of an attempt, in bytes. Browsers keep 4,096 with the attributes (RFC 6265
/// section 6.1).
///
/// It fits a return path of 2,000 bytes and 600 bytes of scopes, or a device code of 1,000 bytes
/// and the same path. RFC 8628 sets no limit for device codes (Entra's have some 300 characters),
/// and a cookie is the only place that every process can read.
const LONGEST: usize = 4_000;
/// Longest `name=value` of all attempts together, in bytes. The smallest limits of servers for a
/// header are about 8,000.
const ALL_TOGETHER: usize = 4_800;
/// Length of the random part of a `state`, in base64url characters: 132 bits.
const RANDOM: usize = 22;
/// Longest `state`, in characters. The specifications set no limit; the conformance suites of
/// OpenID Connect allow a client 128, and every provider accepts that. It fits a return path of 38
/// bytes.
const LONGEST_STATE: usize = 128;
/// How long the return path in a `state` is valid: as long as the links in a provider's e-mails.
const PAGE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The number of an attempt's cookie, 0 to 7.
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

/// A parsed, unverified `state`: `r{retry}.{slot}.{random}`, with `.{page}` after it if the sealed
/// return path fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    pub(crate) retry: u8,
    pub(crate) slot: Slot,
    handle: &'a str,
    page: Option<&'a str>,
}

impl<'a> State<'a> {
    /// Parses a `state`; `None` if it does not have the format of this crate.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // Checked first: the parameter comes from outside and may be a megabyte long.
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

    /// The `state` without the return path, which identifies one attempt. Outcomes are remembered
    /// by it: they are found after the attempt's cookie is gone.
    pub(crate) fn handle(&self) -> &'a str {
        self.handle
    }
}

/// A new attempt, with its `state` and `Set-Cookie` headers.
pub(crate) struct StartedAttempt {
    pub(crate) attempt: Attempt,
    /// The `state` of the authorization request.
    pub(crate) state: String,
    /// The attempt's cookie, and removals of expired, unreadable or dropped ones.
    pub(crate) set_cookies: Vec<HeaderValue>,
}

/// The attempt that belongs to a `state`, if there is one.
pub(crate) enum AttemptLookup {
    /// The attempt. Its cookie is removed with the response to the callback.
    Found(Box<Attempt>),
    /// An attempt older than ten minutes, or one whose device code has expired. Its cookie is
    /// removed.
    Expired(Box<Attempt>),
    /// There is an attempt, whose `state` had another return path. Its cookie stays: its own
    /// response may still come.
    Altered,
    /// The browser sent no attempt that opens, or a newer one replaced it in its slot.
    Missing,
}

/// The slot for a new attempt, and the state of the others.
struct SlotChoice {
    slot: Slot,
    /// Slots whose cookies are expired or unreadable.
    useless: Vec<Slot>,
    /// Attempts that may still be completed, including one in the chosen slot.
    live: Vec<LiveAttempt>,
}

/// An attempt that the browser sent and that may still be completed.
struct LiveAttempt {
    slot: Slot,
    /// Length of its `name=value` pairs in bytes.
    size: usize,
    created: UnixTime,
}

/// Seals attempts into cookies, and opens the one that a `state` names.
pub(crate) struct Attempts {
    keys: Arc<KeyRing>,
    cookies: Arc<Cookies>,
    binding: [u8; 16],
}

impl Attempts {
    /// How long an attempt without a device code can be completed, by the server's clock.
    pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

    /// Attempts sealed with `keys`. `binding` names the configuration that an attempt is valid for:
    /// authority, client id, redirect URI and response mode. An attempt opens under no other.
    pub(crate) fn new(keys: Arc<KeyRing>, cookies: Arc<Cookies>, binding: &[&[u8]]) -> Self {
        Self { keys, cookies, binding: fingerprint("attempt", binding.iter().copied()) }
    }

    /// Seals an attempt into the cookie of a free slot, or of the slot with the oldest attempt.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::RequestInvalid`]: the scopes and `acr_values` are too long for a cookie, even
    ///   without the return path and the options for a repetition.
    /// - [`ErrorKind::TokenResponseInvalid`]: the device code is.
    pub(crate) fn begin(
        &self,
        sent: &RequestCookies<'_>,
        attempt: Attempt,
        now: UnixTime,
    ) -> Result<StartedAttempt, Error> {
        let SlotChoice { slot, mut useless, mut live } = self.choose(sent, now)?;
        let mut started = self.begin_in(slot, attempt)?;
        live.retain(|other| other.slot != slot);
        let mut size = started
            .set_cookies
            .iter()
            .map(pair_length)
            .chain(live.iter().map(|other| other.size))
            .sum::<usize>();
        // The newest first, so that `pop` returns the oldest.
        live.sort_unstable_by_key(|other| std::cmp::Reverse(other.created));
        while size > ALL_TOGETHER
            && let Some(oldest) = live.pop()
        {
            tracing::debug!(
                bytes = size,
                most = ALL_TOGETHER,
                "the oldest sign-in under way is dropped: the cookies would be too long"
            );
            size -= oldest.size;
            useless.push(oldest.slot);
        }
        // The new attempt overwrites the cookie of its own slot, which must not be removed.
        started.set_cookies.extend(
            useless.into_iter().filter(|other| *other != slot).map(|other| self.remove(other)),
        );
        Ok(started)
    }

    /// Seals an attempt into the cookie of this slot, in place of the attempt that it continues.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub(crate) fn begin_in(
        &self,
        slot: Slot,
        mut attempt: Attempt,
    ) -> Result<StartedAttempt, Error> {
        let plain = self.encode_within_limit(slot, &mut attempt)?;
        let created = attempt.created;
        let set_cookies = vec![self.sealed(slot, &attempt, &plain, created)?];
        let mut state = state(&attempt, slot)?;
        if let Some(page) = self.page_after(&state, &attempt) {
            state = format!("{state}.{page}");
        }
        Ok(StartedAttempt { state, attempt, set_cookies })
    }

    /// Encodes an attempt. If it is too long for its cookie, the parts that a sign-in can do
    /// without are left out: the options for a repetition, the return path, then
    /// `verification_uri_complete`.
    fn encode_within_limit(
        &self,
        slot: Slot,
        attempt: &mut Attempt,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let longest = self.longest(slot);
        let mut plain = codec::encode(attempt);
        // Without them a repetition would ask for less, so a refusal is shown instead.
        if plain.len() > longest && attempt.own.take().is_some() {
            tracing::debug!(
                bytes = plain.len(),
                most = longest,
                "the options do not fit into the cookie of the sign-in, which is not repeated if \
                 the provider refuses it"
            );
            attempt.fallbacks = attempt.fallbacks.not_repeated();
            plain = codec::encode(attempt);
        }
        if plain.len() > longest {
            tracing::debug!(
                bytes = plain.len(),
                most = longest,
                "the return path does not fit into the cookie of the sign-in, which will end on \
                 the home page"
            );
            "/".clone_into(&mut attempt.return_path);
            plain = codec::encode(attempt);
        }
        if plain.len() > longest
            && let Some(device) = &mut attempt.device
        {
            // Optional (RFC 8628 section 3.2): without it the person types the code.
            tracing::debug!(
                "`verification_uri_complete` does not fit into the cookie of the sign-in: \
                 the code has to be typed"
            );
            device.verification_uri_complete = None;
            plain = codec::encode(attempt);
        }
        if plain.len() <= longest {
            return Ok(plain);
        }
        Err(match attempt.device {
            None => Error::new(
                ErrorKind::RequestInvalid,
                format!(
                    "the options of a sign-in (scopes, `acr_values`, authentication context) take \
                     {} bytes, and its cookie has room for {longest}: ask for less",
                    plain.len()
                ),
            ),
            Some(_) => Error::new(
                ErrorKind::TokenResponseInvalid,
                format!(
                    "the device code and its addresses are too long for a cookie of {LONGEST} bytes"
                ),
            ),
        })
    }

    /// The return path for the `state` after this handle; `None` if it is home or too long. Sealed,
    /// so that only this application can make one, and the provider cannot read it.
    fn page_after(&self, handle: &str, attempt: &Attempt) -> Option<String> {
        // A sign-in whose attempt is gone ends on the home page anyway.
        if attempt.return_path == "/" || attempt.return_path.len() > LONGEST_STATE {
            return None;
        }
        // Four bytes instead of eight, because a `state` is short. They last until 2106.
        let created = u32::try_from(attempt.created.as_seconds()).ok()?.to_be_bytes();
        let plain = [&created, attempt.return_path.as_bytes()].concat();
        self.keys
            .seal_cookie(CookiePurpose::Page, &self.page_context(), &plain)
            .ok()
            .map(|sealed| base64url(&sealed))
            .filter(|page| handle.len() + 1 + page.len() <= LONGEST_STATE)
    }

    /// The return path in a `state`, for a new sign-in after the attempt is gone. `None` if there
    /// is none, if it does not open, or if it is older than 24 hours.
    ///
    /// # Security
    ///
    /// It proves nothing about the browser and completes no sign-in: treat it like the `return_to`
    /// of a link to the sign-in path, which anybody can write.
    pub(crate) fn page(&self, asked: State<'_>, now: UnixTime) -> Option<String> {
        let (created, path) = self.open_page(asked.page?)?;
        // Also a creation time in the future ends: the clock may have been set back.
        created.is_within(PAGE_LIFETIME, now).then_some(path)
    }

    /// When a sealed return path was made, and the path.
    fn open_page(&self, page: &str) -> Option<(UnixTime, String)> {
        let mut sealed = from_base64url(page)?;
        let (plain, _) =
            self.keys.open_cookie(CookiePurpose::Page, &self.page_context(), &mut sealed)?;
        let (created, path) = plain.split_first_chunk::<4>()?;
        let created = UnixTime::from_seconds(u32::from_be_bytes(*created).into());
        Some((created, std::str::from_utf8(path).ok()?.to_owned()))
    }

    /// Whether the return path in a `state` is the one that was sent with the attempt: RFC 6749
    /// section 4.1.2 has the provider return the exact value, so what comes altered is not its
    /// answer.
    fn has_page_of(&self, asked: State<'_>, attempt: &Attempt) -> bool {
        match asked.page {
            Some(page) => self.open_page(page).is_some_and(|(created, path)| {
                created == attempt.created && path == attempt.return_path
            }),
            None => self.page_after(asked.handle, attempt).is_none(),
        }
    }

    fn page_context(&self) -> Context {
        fingerprint("page", [&self.binding[..]])
    }

    /// `Set-Cookie` with a changed attempt, such as one with a new polling interval.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system provides no random bytes.
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
        // Ten minutes more than a device code is valid, so that a person who comes late reads
        // that the code has expired, not that the attempt is missing.
        let max_age =
            attempt.device.as_ref().map_or(Duration::ZERO, |device| device.expires_at.since(now))
                + Self::LIFETIME;
        self.cookies.set_attempt(slot, &base64url(&sealed), max_age)
    }

    /// The attempt of a `state`.
    pub(crate) fn find(
        &self,
        sent: &RequestCookies<'_>,
        asked: State<'_>,
        now: UnixTime,
    ) -> AttemptLookup {
        let mut found = AttemptLookup::Missing;
        // Several cookies of one name: a subdomain can plant one in front of the real one.
        for attempt in sent.attempts(asked.slot).filter_map(|value| self.open(asked.slot, value)) {
            if state(&attempt, asked.slot)
                .is_ok_and(|state| same(state.as_bytes(), asked.handle.as_bytes()))
            {
                if !self.has_page_of(asked, &attempt) {
                    return AttemptLookup::Altered;
                }
                if !expired(&attempt, now) {
                    return AttemptLookup::Found(Box::new(attempt));
                }
                found = AttemptLookup::Expired(Box::new(attempt));
            }
        }
        found
    }

    /// Whether the browser sent a cookie of this slot, and none of them opens here.
    pub(crate) fn are_unreadable(&self, sent: &RequestCookies<'_>, slot: Slot) -> bool {
        let mut all = sent.attempts(slot).map(|value| self.open(slot, value)).peekable();
        all.peek().is_some() && all.all(|opened| opened.is_none())
    }

    /// The ids of all attempts that the browser sent. The sessions that result from them are
    /// siblings: they began in one browser.
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

    /// Chooses a slot for a new attempt: a free one, else one under an unknown secret, else the
    /// oldest.
    ///
    /// Free slots are chosen at random, because two tabs that start at once see the same free
    /// slots. An attempt sealed under an unknown secret may belong to a node that has a newer
    /// secret already, so it is overwritten only if no slot is free.
    fn choose(&self, sent: &RequestCookies<'_>, now: UnixTime) -> Result<SlotChoice, Error> {
        let (mut free, mut foreign, mut useless, mut live) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slot in Slot::ALL {
            if sent.attempts(slot).next().is_none() {
                free.push(slot);
                continue;
            }
            let name = self.cookies.attempt_name(slot).len() + 1;
            let size = sent.attempts(slot).map(|value| name + value.len()).sum();
            let created = sent
                .attempts(slot)
                .filter_map(|value| self.open(slot, value))
                .filter(|attempt| !expired(attempt, now))
                .map(|attempt| attempt.created)
                .max();
            match created {
                Some(created) => live.push(LiveAttempt { slot, size, created }),
                None if sent.attempts(slot).any(|value| self.is_foreign(value)) => {
                    foreign.push(slot);
                    // Its age is sealed, too. As the newest it is dropped last.
                    let created = UnixTime::from_seconds(i64::MAX);
                    live.push(LiveAttempt { slot, size, created });
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
        let oldest = || live.iter().min_by_key(|live| live.created).map(|live| live.slot);
        let chosen = by_chance(&free).or_else(|| by_chance(&foreign)).or_else(oldest);
        let slot = chosen
            .ok_or_else(|| Error::new(ErrorKind::Internal, "there is no slot for the attempt"))?;
        Ok(SlotChoice { slot, useless, live })
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

    /// Whether the value looks sealed, under a secret that this process does not have.
    fn is_foreign(&self, value: &[u8]) -> bool {
        value.len() <= LONGEST
            && from_base64url(value).is_some_and(|sealed| self.keys.is_of_another_secret(&sealed))
    }

    /// The associated data of an attempt's seal: the binding of the configuration, and the slot.
    fn context(&self, slot: Slot) -> Context {
        fingerprint("slot", [&self.binding[..], &[slot.0]])
    }

    /// Whether an attempt fits into its cookie with all its parts.
    pub(crate) fn fits(&self, attempt: &Attempt) -> bool {
        codec::encode(attempt).len() <= self.longest(Slot(0))
    }

    /// The number of plain bytes that fit into the cookie of a slot, before sealing and base64url.
    fn longest(&self, slot: Slot) -> usize {
        (LONGEST.saturating_sub(self.cookies.attempt_name(slot).len() + 1) * 3 / 4)
            .saturating_sub(OVERHEAD)
    }
}

/// The `state` of an attempt in a slot, without the return path.
///
/// # Errors
///
/// [`ErrorKind::Internal`]: the key derivation fails.
pub(super) fn state(attempt: &Attempt, slot: Slot) -> Result<String, Error> {
    let random = attempt.derive("state")?;
    Ok(format!("r{}.{slot}.{}", attempt.retry.min(9), random.get(..RANDOM).unwrap_or_default()))
}

/// Whether an attempt is older than ten minutes, or its device code has expired. An attempt from
/// more than ten minutes in the future has expired as well, since a clock that was set back would
/// make it live too long.
pub(super) fn expired(attempt: &Attempt, now: UnixTime) -> bool {
    match &attempt.device {
        None => !attempt.created.is_within(Attempts::LIFETIME, now),
        Some(device) => {
            device.expires_at <= now || attempt.created.since(now) >= Attempts::LIFETIME
        }
    }
}

/// The length of the `name=value` pair that a `Set-Cookie` header leads to, in bytes.
fn pair_length(set_cookie: &HeaderValue) -> usize {
    set_cookie.as_bytes().split(|byte| *byte == b';').next().map_or(0, <[u8]>::len)
}

#[cfg(test)]
#[path = "attempts_limits_tests.rs"]
mod limits_tests;
#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
