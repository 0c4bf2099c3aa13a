//! Attempts in eight numbered cookies: parallel tabs work, and whoever only knocks leaves nothing on this side.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::{
    attempt::{Attempt, fingerprint},
    cookies::{ATTEMPT_SECONDS, Cookies},
    seal::{Context, CookiePurpose, KeyRing, OVERHEAD},
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    secret::{base64url, random, same},
};

/// The longest `name=value` of an attempt, in bytes: eight of them stay well below what servers accept as a header.
const LONGEST: usize = 600;
/// The length of the random part of a state: 132 bits.
const HANDLE: usize = 22;

/// One of the eight places for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u8);

impl Slot {
    pub(super) const COUNT: usize = 8;
    pub(super) const ALL: [Self; Self::COUNT] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7)];

    pub(super) fn index(self) -> usize {
        self.0.into()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a `state` says before anything is checked: `r{retry}.{slot}.{random}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    pub(crate) retry: u8,
    pub(crate) slot: Slot,
    whole: &'a str,
}

impl<'a> State<'a> {
    /// Reads a state of ours; anything else is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        match text.as_bytes() {
            [b'r', retry @ b'0'..=b'9', b'.', slot @ b'0'..=b'7', b'.', random @ ..]
                if random.len() == HANDLE
                    && random.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) =>
            {
                Some(Self { retry: retry - b'0', slot: Slot(slot - b'0'), whole: text })
            }
            _ => None,
        }
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
    /// It is older than ten minutes: its cookie is to be removed.
    Expired,
    /// The browser sent no attempt that opens, or another took its slot.
    Missing,
}

/// Begins attempts and finds them again.
#[derive(Debug)]
pub(crate) struct Attempts {
    keys: Arc<KeyRing>,
    cookies: Arc<Cookies>,
    binding: [u8; 16],
}

impl Attempts {
    pub(crate) const LIFETIME: Duration = Duration::from_secs(ATTEMPT_SECONDS as u64);

    /// `binding`: what an attempt is good for and nothing else: authority, client id, redirect address, response mode.
    pub(crate) fn new(keys: Arc<KeyRing>, cookies: Arc<Cookies>, binding: &[&[u8]]) -> Self {
        Self { keys, cookies, binding: fingerprint("attempt", binding.iter().copied()) }
    }

    /// Puts an attempt into a free slot, otherwise into that of the oldest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RequestInvalid`]: what was asked for (scopes, policy, context classes) is too long for a cookie, even without the return path.
    pub(crate) fn begin(&self, headers: &HeaderMap, mut attempt: Attempt, now: UnixTime) -> Result<Begun, Error> {
        let (slot, useless) = self.choose(headers, now)?;
        let longest = self.longest(slot);
        let mut plain = attempt.encode();
        if plain.len() > longest {
            "/".clone_into(&mut attempt.return_path);
            plain = attempt.encode();
        }
        if plain.len() > longest {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "scopes, policy and context classes of a sign-in are too long for its cookie",
            ));
        }
        let sealed = self.keys.seal_cookie(CookiePurpose::Attempt, &self.context(slot), &plain)?;
        let mut set_cookies = vec![self.cookies.set_attempt(slot, &base64url(&sealed))?];
        set_cookies.extend(useless.into_iter().filter(|other| *other != slot).map(|other| self.remove(other)));
        Ok(Begun { state: state(&attempt, slot)?, attempt, set_cookies })
    }

    /// The attempt that a state belongs to.
    pub(crate) fn find(&self, headers: &HeaderMap, asked: State<'_>, now: UnixTime) -> Lookup {
        let mut found = Lookup::Missing;
        for attempt in self.cookies.attempt_values(headers, asked.slot).filter_map(|value| self.open(asked.slot, value)) {
            if state(&attempt, asked.slot).is_ok_and(|state| same(state.as_bytes(), asked.whole.as_bytes())) {
                if !expired(&attempt, now) {
                    return Lookup::Found(Box::new(attempt));
                }
                found = Lookup::Expired;
            }
        }
        found
    }

    /// `Set-Cookie` that removes the attempt of a slot.
    pub(crate) fn remove(&self, slot: Slot) -> HeaderValue {
        self.cookies.remove_attempt(slot)
    }

    /// A slot for a new attempt, and those whose cookies are expired or unreadable.
    ///
    /// Among free ones chance decides: two tabs that start at once see the same free slots.
    fn choose(&self, headers: &HeaderMap, now: UnixTime) -> Result<(Slot, Vec<Slot>), Error> {
        let (mut free, mut useless) = (Vec::new(), Vec::new());
        let mut oldest: Option<(UnixTime, Slot)> = None;
        for slot in Slot::ALL {
            let mut sent = self.cookies.attempt_values(headers, slot).peekable();
            let is_sent = sent.peek().is_some();
            let live = sent
                .filter_map(|value| self.open(slot, value))
                .filter(|attempt| !expired(attempt, now))
                .map(|attempt| attempt.created)
                .max();
            match live {
                Some(created) if oldest.is_none_or(|(other, _)| created < other) => oldest = Some((created, slot)),
                Some(_) => {}
                None => {
                    free.push(slot);
                    if is_sent {
                        useless.push(slot);
                    }
                }
            }
        }
        let [chance] = random()?;
        let chosen = free.get(usize::from(chance) % free.len().max(1)).copied().or(oldest.map(|(_, slot)| slot));
        chosen.map(|slot| (slot, useless)).ok_or_else(|| Error::new(ErrorKind::Internal, "there is no slot for the attempt"))
    }

    fn open(&self, slot: Slot, value: &[u8]) -> Option<Attempt> {
        if value.len() > LONGEST {
            return None;
        }
        let mut sealed = Zeroizing::new(value.to_vec());
        let sealed = base64_simd::URL_SAFE_NO_PAD.decode_inplace(&mut sealed).ok()?;
        let (plain, _) = self.keys.open_cookie(CookiePurpose::Attempt, &self.context(slot), sealed)?;
        Attempt::decode(plain)
    }

    /// What the seal binds: the application's own binding, and the slot.
    fn context(&self, slot: Slot) -> Context {
        fingerprint("slot", [&self.binding[..], &[slot.0]])
    }

    /// How many plain bytes fit.
    fn longest(&self, slot: Slot) -> usize {
        (LONGEST.saturating_sub(self.cookies.attempt_name(slot).len() + 1) * 3 / 4).saturating_sub(OVERHEAD)
    }
}

fn state(attempt: &Attempt, slot: Slot) -> Result<String, Error> {
    let random = attempt.derive("state")?;
    Ok(format!("r{}.{slot}.{}", attempt.retry.min(9), random.get(..HANDLE).unwrap_or_default()))
}

/// Ten minutes, and not from the future by more than that, whatever the clock did meanwhile.
fn expired(attempt: &Attempt, now: UnixTime) -> bool {
    now.since(attempt.created) >= Attempts::LIFETIME || attempt.created.since(now) >= Attempts::LIFETIME
}
