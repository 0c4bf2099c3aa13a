//! Attempts in eight numbered cookies: parallel tabs work, and whoever only knocks leaves nothing on this side.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::{
    attempt::{Attempt, fingerprint},
    cookies::Cookies,
    seal::{Context, CookiePurpose, KeyRing, OVERHEAD},
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    secret::{base64url, random, same},
};

/// The longest `name=value` of an attempt, in bytes: eight of them stay well below what servers accept as a header.
const LONGEST: usize = 600;
/// The same with a device code. Entra's are some 300 characters, AD FS' may be a thousand; the specification sets no limit, and there is no other place that every process can read.
const LONGEST_WITH_DEVICE_CODE: usize = 2400;
/// All of them together, however long each is: older attempts make room.
const ALL_TOGETHER: usize = Slot::COUNT * LONGEST;
/// The length of the random part of a state: 132 bits.
const HANDLE: usize = 22;

/// One of the eight places for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u8);

impl Slot {
    pub(super) const COUNT: usize = 8;
    pub(super) const FIRST: Self = Self(0);
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

    /// `binding`: what an attempt is good for and nothing else: authority, client id, redirect address, response mode.
    pub(crate) fn new(keys: Arc<KeyRing>, cookies: Arc<Cookies>, binding: &[&[u8]]) -> Self {
        Self { keys, cookies, binding: fingerprint("attempt", binding.iter().copied()) }
    }

    /// Puts an attempt into a free slot, otherwise into that of the oldest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RequestInvalid`]: what was asked for (scopes, policy, context classes) is too long for a cookie, even without the return path.
    pub(crate) fn begin(&self, headers: &HeaderMap, attempt: Attempt, now: UnixTime) -> Result<Begun, Error> {
        let Choice { slot, mut useless, mut kept } = self.choose(headers, now)?;
        let mut begun = self.begin_in(slot, attempt)?;
        kept.retain(|other| other.slot != slot);
        let mut size = begun.set_cookies.iter().map(pair_length).chain(kept.iter().map(|other| other.size)).sum::<usize>();
        kept.sort_unstable_by_key(|other| std::cmp::Reverse(other.created));
        while size > ALL_TOGETHER
            && let Some(oldest) = kept.pop()
        {
            size -= oldest.size;
            useless.push(oldest.slot);
        }
        begun.set_cookies.extend(useless.into_iter().filter(|other| *other != slot).map(|other| self.remove(other)));
        Ok(begun)
    }

    /// Puts an attempt into this slot: that of the attempt which it takes the place of.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub(crate) fn begin_in(&self, slot: Slot, mut attempt: Attempt) -> Result<Begun, Error> {
        let longest = self.longest(slot, &attempt);
        let mut plain = attempt.encode();
        if plain.len() > longest {
            "/".clone_into(&mut attempt.return_path);
            plain = attempt.encode();
        }
        if plain.len() > longest
            && let Some(device) = &mut attempt.device
        {
            // The code has to be typed then.
            device.verification_uri_complete = None;
            plain = attempt.encode();
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
                        "the device code and what goes with it are too long for a cookie of {LONGEST_WITH_DEVICE_CODE} bytes"
                    ),
                ),
            });
        }
        let created = attempt.created;
        let set_cookies = vec![self.sealed(slot, &attempt, &plain, created)?];
        Ok(Begun { state: state(&attempt, slot)?, attempt, set_cookies })
    }

    /// `Set-Cookie` for an attempt that goes on, with what it has to remember now.
    ///
    /// # Errors
    ///
    /// It cannot be sealed, which does not happen.
    pub(crate) fn keep(&self, slot: Slot, attempt: &Attempt, now: UnixTime) -> Result<HeaderValue, Error> {
        self.sealed(slot, attempt, &attempt.encode(), now)
    }

    fn sealed(&self, slot: Slot, attempt: &Attempt, plain: &[u8], now: UnixTime) -> Result<HeaderValue, Error> {
        let sealed = self.keys.seal_cookie(CookiePurpose::Attempt, &self.context(slot), plain)?;
        // Longer than a device code works, so that its end can be told.
        let kept = attempt.device.as_ref().map_or(Duration::ZERO, |device| device.expires_at.since(now)) + Self::LIFETIME;
        self.cookies.set_attempt(slot, &base64url(&sealed), kept)
    }

    /// The attempt that a state belongs to.
    pub(crate) fn find(&self, headers: &HeaderMap, asked: State<'_>, now: UnixTime) -> Lookup {
        let mut found = Lookup::Missing;
        for attempt in self.cookies.attempt_values(headers, asked.slot).filter_map(|value| self.open(asked.slot, value)) {
            if state(&attempt, asked.slot).is_ok_and(|state| same(state.as_bytes(), asked.whole.as_bytes())) {
                if !expired(&attempt, now) {
                    return Lookup::Found(Box::new(attempt));
                }
                found = Lookup::Expired(Box::new(attempt));
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
    /// Among free ones chance decides: two tabs that start at once see the same free slots. What was sealed under a secret that is not known here may be the
    /// attempt of a node that has a newer one: it stays as long as there is another place.
    fn choose(&self, headers: &HeaderMap, now: UnixTime) -> Result<Choice, Error> {
        let (mut free, mut foreign, mut useless, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slot in Slot::ALL {
            let mut sent = self.cookies.attempt_values(headers, slot).peekable();
            if sent.peek().is_none() {
                free.push(slot);
                continue;
            }
            let name = self.cookies.attempt_name(slot).len() + 1;
            let size = self.cookies.attempt_values(headers, slot).map(|value| name + value.len()).sum();
            let live = self.cookies.attempt_values(headers, slot).filter_map(|value| self.open(slot, value));
            match live.filter(|attempt| !expired(attempt, now)).map(|attempt| attempt.created).max() {
                Some(created) => kept.push(Kept { slot, size, created }),
                None if sent.any(|value| self.is_foreign(value)) => {
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
        let by_chance = |slots: &[Slot]| slots.get(usize::from(chance) % slots.len().max(1)).copied();
        let oldest = || kept.iter().min_by_key(|kept| kept.created).map(|kept| kept.slot);
        let chosen = by_chance(&free).or_else(|| by_chance(&foreign)).or_else(oldest);
        let slot = chosen.ok_or_else(|| Error::new(ErrorKind::Internal, "there is no slot for the attempt"))?;
        Ok(Choice { slot, useless, kept })
    }

    fn open(&self, slot: Slot, value: &[u8]) -> Option<Attempt> {
        if value.len() > LONGEST_WITH_DEVICE_CODE {
            return None;
        }
        let mut sealed = Zeroizing::new(value.to_vec());
        let sealed = base64_simd::URL_SAFE_NO_PAD.decode_inplace(&mut sealed).ok()?;
        let (plain, _) = self.keys.open_cookie(CookiePurpose::Attempt, &self.context(slot), sealed)?;
        Attempt::decode(plain)
    }

    fn is_foreign(&self, value: &[u8]) -> bool {
        value.len() <= LONGEST_WITH_DEVICE_CODE
            && base64_simd::URL_SAFE_NO_PAD.decode_to_vec(value).is_ok_and(|sealed| self.keys.is_of_another_secret(&sealed))
    }

    /// What the seal binds: the application's own binding, and the slot.
    fn context(&self, slot: Slot) -> Context {
        fingerprint("slot", [&self.binding[..], &[slot.0]])
    }

    /// How many plain bytes fit.
    fn longest(&self, slot: Slot, attempt: &Attempt) -> usize {
        let longest = if attempt.device.is_some() { LONGEST_WITH_DEVICE_CODE } else { LONGEST };
        (longest.saturating_sub(self.cookies.attempt_name(slot).len() + 1) * 3 / 4).saturating_sub(OVERHEAD)
    }
}

pub(super) fn state(attempt: &Attempt, slot: Slot) -> Result<String, Error> {
    let random = attempt.derive("state")?;
    Ok(format!("r{}.{slot}.{}", attempt.retry.min(9), random.get(..HANDLE).unwrap_or_default()))
}

/// Ten minutes, or as long as the device code works; and not from the future by more than ten minutes, whatever the clock did meanwhile.
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
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{super::fixture::*, *};
    use crate::session::{AttemptPurpose, Cause, PersonKey, RecordId};

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const BINDING: &[&[u8]] = &[b"https://id.example", b"client", b"https://app.example/auth/callback", b"query"];

    fn attempts() -> Attempts {
        Attempts::new(key_ring(&[SECRET]), Arc::new(Cookies::new("AbCdEfGh", true, false)), BINDING)
    }

    fn attempt(return_path: &str) -> Attempt {
        Attempt::new(AttemptPurpose::SignIn, return_path, NOW).unwrap()
    }

    fn begin(headers: &HeaderMap, return_path: &str) -> Begun {
        attempts().begin(headers, attempt(return_path), NOW).unwrap()
    }

    fn find(headers: &HeaderMap, state: &str) -> Lookup {
        attempts().find(headers, State::parse(state).unwrap(), NOW)
    }

    fn is_removal(header: &HeaderValue) -> bool {
        header.to_str().unwrap().contains("Max-Age=0")
    }

    /// What a browser sends that had `before` and got these answers.
    fn then(before: &HeaderMap, begun: &Begun) -> HeaderMap {
        let mut jar: Vec<(String, String)> = Vec::new();
        let sent = before
            .get_all(http::header::COOKIE)
            .iter()
            .flat_map(|header| header.to_str().unwrap().split("; ").map(str::to_owned));
        let set = begun
            .set_cookies
            .iter()
            .filter(|header| !is_removal(header))
            .map(|header| header.to_str().unwrap().split(';').next().unwrap().to_owned());
        for pair in sent.chain(set).collect::<Vec<_>>() {
            let (name, value) = pair.split_once('=').unwrap();
            jar.retain(|(other, _)| other != name);
            jar.push((name.to_owned(), value.to_owned()));
        }
        for removal in begun.set_cookies.iter().filter(|header| is_removal(header)) {
            jar.retain(|(name, _)| !removal.to_str().unwrap().starts_with(&format!("{name}=;")));
        }
        cookie_header(&jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
    }

    /// C-446
    #[test]
    fn an_attempt_outlives_the_process_that_began_it() {
        let begun = begin(&HeaderMap::new(), "/deep?x=1");
        let browser = then(&HeaderMap::new(), &begun);
        let Lookup::Found(found) = find(&browser, &begun.state) else { panic!() };
        assert_eq!(*found, begun.attempt);
        assert_eq!(found.return_path, "/deep?x=1");
        assert_eq!(found.derive("label").unwrap(), begun.attempt.derive("label").unwrap());
    }

    /// C-326
    #[test]
    fn attempts_of_parallel_tabs_do_not_disturb_each_other() {
        let mut browser = HeaderMap::new();
        let tabs: Vec<_> = (0..8)
            .map(|tab| {
                let begun = begin(&browser, &format!("/{tab}"));
                browser = then(&browser, &begun);
                begun
            })
            .collect();
        for tab in tabs {
            let Lookup::Found(found) = find(&browser, &tab.state) else { panic!() };
            assert_eq!(found.return_path, tab.attempt.return_path);
        }
    }

    #[test]
    fn tabs_that_begin_at_once_rarely_choose_the_same_slot() {
        let slots: HashSet<_> = (0..200).map(|_| begin(&HeaderMap::new(), "/").state[3..4].to_owned()).collect();
        assert_eq!(slots.len(), Slot::COUNT);
    }

    /// C-121 C-348
    #[test]
    fn the_ninth_attempt_takes_the_slot_of_the_oldest_and_headers_stay_bounded() {
        let mut browser = HeaderMap::new();
        let mut states = Vec::new();
        for number in 0..30 {
            let mut attempt = attempt(&"/x".repeat(1000));
            attempt.created = NOW + Duration::from_secs(number);
            let begun = attempts().begin(&browser, attempt, NOW + Duration::from_secs(number)).unwrap();
            assert_eq!(begun.set_cookies.len(), 1);
            browser = then(&browser, &begun);
            states.push(begun.state);
        }
        let sent = browser[http::header::COOKIE].to_str().unwrap();
        assert_eq!(sent.matches('=').count(), Slot::COUNT);
        assert!(sent.len() <= Slot::COUNT * (LONGEST + 2));
        for (number, state) in states.iter().enumerate() {
            assert_eq!(matches!(find(&browser, state), Lookup::Found(_)), number >= 22, "{number}");
        }
    }

    /// C-119
    #[test]
    fn an_attempt_lasts_ten_minutes_whatever_the_browser_keeps() {
        let begun = begin(&HeaderMap::new(), "/");
        let browser = then(&HeaderMap::new(), &begun);
        let state = State::parse(&begun.state).unwrap();
        let at = |now| attempts().find(&browser, state, now);
        assert!(matches!(at(NOW + Duration::from_secs(599)), Lookup::Found(_)));
        assert!(matches!(at(NOW + Duration::from_secs(600)), Lookup::Expired(_)));
        // C-444: a clock that jumped back.
        assert!(matches!(at(NOW - Duration::from_secs(599)), Lookup::Found(_)));
        assert!(matches!(at(NOW - Duration::from_secs(600)), Lookup::Expired(_)));
        assert!(is_removal(&attempts().remove(state.slot)));
    }

    /// C-122
    #[test]
    fn expired_and_unreadable_attempts_are_removed_and_sign_in_works() {
        let mut old = attempt("/");
        old.created = NOW - Duration::from_secs(600);
        let expired = attempts().begin(&HeaderMap::new(), old, NOW - Duration::from_secs(600)).unwrap();
        let slot = &expired.state[3..4];
        let mut cookies = then(&HeaderMap::new(), &expired)[http::header::COOKIE].to_str().unwrap().to_owned();
        for (number, junk) in ["", "junk", "AQ", &"A".repeat(LONGEST), &"A".repeat(10_000)].iter().enumerate() {
            let other = (number + 1 + slot.parse::<usize>().unwrap()) % Slot::COUNT;
            cookies.push_str(&format!("; __Host-identity-AbCdEfGh.{other}={junk}"));
        }
        let before = cookie_header(&cookies);
        let begun = begin(&before, "/");
        // The new attempt may have taken one of their slots.
        let taken = before[http::header::COOKIE].to_str().unwrap().contains(&format!(".{}=", &begun.state[3..4]));
        assert_eq!(begun.set_cookies.iter().filter(|header| is_removal(header)).count(), if taken { 5 } else { 6 });
        let after = then(&before, &begun);
        assert_eq!(after[http::header::COOKIE].to_str().unwrap().matches('=').count(), 1);
        assert!(matches!(find(&after, &begun.state), Lookup::Found(_)));
    }

    #[test]
    fn an_attempt_of_a_node_with_a_newer_secret_is_left_alone() {
        let newer = Attempts::new(key_ring(&[OTHER_SECRET, SECRET]), Arc::new(Cookies::new("AbCdEfGh", true, false)), BINDING);
        let theirs = newer.begin(&HeaderMap::new(), attempt("/theirs"), NOW).unwrap();
        let browser = then(&HeaderMap::new(), &theirs);
        let ours = begin(&browser, "/ours");
        let browser = then(&browser, &ours);
        assert_ne!(ours.state[3..4], theirs.state[3..4]);
        assert!(matches!(newer.find(&browser, State::parse(&theirs.state).unwrap(), NOW), Lookup::Found(_)));
        assert!(matches!(find(&browser, &ours.state), Lookup::Found(_)));
    }

    #[test]
    fn a_state_finds_only_its_own_attempt() {
        let begun = begin(&HeaderMap::new(), "/");
        let browser = then(&HeaderMap::new(), &begun);
        assert!(matches!(find(&HeaderMap::new(), &begun.state), Lookup::Missing));
        let slot = &begun.state[3..4];
        for other in [
            begin(&HeaderMap::new(), "/").state,
            format!("r0.{slot}.{}", "A".repeat(HANDLE)),
            begun.state.replace("r0", "r1"),
            format!("r0.{}.{}", (slot.parse::<u8>().unwrap() + 1) % 8, &begun.state[5..]),
        ] {
            assert!(matches!(find(&browser, &other), Lookup::Missing), "{other}");
        }
    }

    #[test]
    fn an_attempt_is_worth_nothing_elsewhere() {
        let begun = begin(&HeaderMap::new(), "/");
        let browser = then(&HeaderMap::new(), &begun);
        let state = State::parse(&begun.state).unwrap();
        let cookies = || Arc::new(Cookies::new("AbCdEfGh", true, false));
        for part in 0..BINDING.len() {
            let mut binding = BINDING.to_vec();
            binding[part] = b"another";
            let other = Attempts::new(key_ring(&[SECRET]), cookies(), &binding);
            assert!(matches!(other.find(&browser, state, NOW), Lookup::Missing));
        }
        for keys in [key_ring(&[OTHER_SECRET]), app_keys(&[SECRET], "other")] {
            assert!(matches!(Attempts::new(keys, cookies(), BINDING).find(&browser, state, NOW), Lookup::Missing));
        }
        let rotated = Attempts::new(key_ring(&[OTHER_SECRET, SECRET]), cookies(), BINDING);
        assert!(matches!(rotated.find(&browser, state, NOW), Lookup::Found(_)));
        // In another slot.
        let moved = browser[http::header::COOKIE]
            .to_str()
            .unwrap()
            .replace(&format!("{}=", state.slot), &format!("{}=", (state.slot.0 + 1) % 8));
        let asked = begun.state.replacen(&format!(".{}.", state.slot), &format!(".{}.", (state.slot.0 + 1) % 8), 1);
        assert!(matches!(find(&cookie_header(&moved), &asked), Lookup::Missing));
    }

    /// C-327
    #[test]
    fn a_planted_cookie_in_front_hides_no_attempt() {
        let begun = begin(&HeaderMap::new(), "/");
        let pair = then(&HeaderMap::new(), &begun)[http::header::COOKIE].to_str().unwrap().to_owned();
        let name = pair.split_once('=').unwrap().0;
        assert!(matches!(find(&cookie_header(&format!("{name}=planted; {pair}")), &begun.state), Lookup::Found(_)));
    }

    /// C-439
    #[test]
    fn a_state_is_ours_or_none() {
        let state = begin(&HeaderMap::new(), "/").state;
        assert!(State::parse(&state).is_some());
        assert_eq!(State::parse("r1.7.AAAAAAAAAAAAAAAAAAAA-_").map(|state| (state.retry, state.slot)), Some((1, Slot(7))));
        for other in [
            "",
            "r",
            "r0.0.",
            "x0.0.AAAAAAAAAAAAAAAAAAAAAA",
            "r0.8.AAAAAAAAAAAAAAAAAAAAAA",
            "r0.0.AAAAAAAAAAAAAAAAAAAAA",
            "r0.0.AAAAAAAAAAAAAAAAAAAAAAA",
            "r0.0.AAAAAAAAAAAAAAAAAAAAA.",
            "r0.0.AAAAAAAAAAAAAAAAAAAAé",
            "r10.0.AAAAAAAAAAAAAAAAAAAAA",
            " r0.0.AAAAAAAAAAAAAAAAAAAAA",
            &"r0.0.".repeat(200_000),
        ] {
            assert_eq!(State::parse(other), None);
        }
    }

    #[test]
    fn what_is_derived_differs_by_label_and_attempt() {
        let [one, two] = [attempt("/"), attempt("/")];
        let derived: HashSet<_> =
            [&one, &two].iter().flat_map(|attempt| ["a", "b", "state"].map(|label| attempt.derive(label).unwrap())).collect();
        assert_eq!(derived.len(), 6);
        assert!(derived.iter().all(|value| value.len() == 43));
        let state = attempts().begin(&HeaderMap::new(), one, NOW).unwrap().state;
        assert!(derived.iter().any(|value| state.ends_with(&value[..HANDLE])));
    }

    #[test]
    fn the_longest_attempt_fits_and_a_return_path_that_does_not_becomes_home() {
        let full = |return_path: usize, scopes: usize| Attempt {
            silent: true,
            retry: 9,
            resets: 3,
            scopes: Some("s".repeat(scopes)),
            policy: Some("B2C_1_a_policy".into()),
            max_age: Some(u32::MAX),
            acr: Some("urn:mace:incommon:iap:silver".into()),
            auth_context: Some("c1".into()),
            causes: ["consent", "step-up"].map(|kind| Cause::new(&[kind])).to_vec(),
            started_from: Some(RecordId(7)),
            expected: Some(PersonKey::of(&crate::tokens::Person { oid: Some("oid".into()), ..person("ada") })),
            ..Attempt::new(AttemptPurpose::StepUp, format!("/{}", "p".repeat(return_path)), NOW).unwrap()
        };
        let mut longest = 0;
        for (return_path, scopes) in (0..600).step_by(7).flat_map(|path| [0, 20, 60, 150].map(|scopes| (path, scopes))) {
            let asked = full(return_path, scopes);
            let begun = attempts().begin(&HeaderMap::new(), asked.clone(), NOW).unwrap();
            let cookie = begun.set_cookies[0].to_str().unwrap().split(';').next().unwrap().len();
            assert!(cookie <= LONGEST, "{return_path} {scopes}: {cookie}");
            longest = longest.max(cookie);
            let Lookup::Found(found) = find(&then(&HeaderMap::new(), &begun), &begun.state) else { panic!() };
            if found.return_path == "/" && return_path > 0 {
                assert!(return_path > 20, "{return_path} {scopes}");
                assert_eq!(*found, Attempt { return_path: "/".into(), ..asked });
            } else {
                assert_eq!(*found, asked);
            }
        }
        assert!(longest > LONGEST - 8);
        let error = attempts().begin(&HeaderMap::new(), full(0, 600), NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestInvalid);
    }

    fn with_device_code(length: usize, created: UnixTime) -> Attempt {
        let device = crate::session::DeviceCode {
            device_code: "c".repeat(length).into(),
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://id.example/device".into(),
            verification_uri_complete: Some(format!("https://id.example/d?{}", "q".repeat(100))),
            claims: None,
            expires_at: created + Duration::from_secs(900),
            interval: Duration::from_secs(5),
            next: created + Duration::from_secs(5),
        };
        Attempt { device: Some(Box::new(device)), created, ..attempt("/deep?x=1") }
    }

    /// As long as the code works and no shorter; then its end can still be told.
    #[test]
    fn an_attempt_with_a_device_code_lives_as_long_as_the_code() {
        let begun = attempts().begin(&HeaderMap::new(), with_device_code(300, NOW), NOW).unwrap();
        assert!(begun.set_cookies[0].to_str().unwrap().contains("; Max-Age=1500;"), "900 seconds, and ten minutes");
        let browser = then(&HeaderMap::new(), &begun);
        let at = |seconds| attempts().find(&browser, State::parse(&begun.state).unwrap(), NOW + Duration::from_secs(seconds));
        let Lookup::Found(found) = at(899) else { panic!() };
        assert_eq!(*found, begun.attempt);
        assert!(matches!(at(900), Lookup::Expired(_)));
        let slot = State::parse(&begun.state).unwrap().slot;
        let kept = attempts().keep(slot, &found, NOW + Duration::from_secs(600)).unwrap();
        assert!(kept.to_str().unwrap().contains("; Max-Age=900;"));
    }

    #[test]
    fn long_device_codes_fit_and_what_does_not_is_told() {
        for length in [43, 300, 1000, 1400] {
            let begun = attempts().begin(&HeaderMap::new(), with_device_code(length, NOW), NOW).unwrap();
            assert_eq!(begun.attempt.return_path, "/deep?x=1");
            let cookie = pair_length(&begun.set_cookies[0]);
            assert!(cookie <= LONGEST_WITH_DEVICE_CODE && (length != 300 || cookie < 900), "{length}: {cookie}");
            assert!(matches!(find(&then(&HeaderMap::new(), &begun), &begun.state), Lookup::Found(_)));
        }
        // First the page to return to is given up, then the address with the code in it.
        let mut kept = Vec::new();
        for length in 1400..1700 {
            let Ok(begun) = attempts().begin(&HeaderMap::new(), with_device_code(length, NOW), NOW) else { break };
            let complete = begun.attempt.device.unwrap().verification_uri_complete.is_some();
            kept.push((begun.attempt.return_path == "/deep?x=1", complete));
        }
        kept.dedup();
        assert_eq!(kept, [(true, true), (false, true), (false, false)]);
        let error = attempts().begin(&HeaderMap::new(), with_device_code(2000, NOW), NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenResponseInvalid);
        assert!(!error.to_string().contains("cccc"));
    }

    /// Longer ones are fewer: eight of any length would be more than servers take.
    #[test]
    fn attempts_with_device_codes_stay_within_the_same_bound_together() {
        for (length, fit) in [(43, 8), (300, 6), (1400, 2)] {
            let (mut browser, mut states) = (HeaderMap::new(), Vec::new());
            for number in 0..20 {
                let now = NOW + Duration::from_secs(number);
                let begun = attempts().begin(&browser, with_device_code(length, now), now).unwrap();
                browser = then(&browser, &begun);
                states.push(begun.state);
            }
            assert!(browser[http::header::COOKIE].len() <= ALL_TOGETHER + 2 * Slot::COUNT);
            let live: Vec<_> = states.iter().map(|state| matches!(find(&browser, state), Lookup::Found(_))).collect();
            assert_eq!(live.iter().filter(|live| **live).count(), fit, "{length}");
            assert!(live[20 - fit..].iter().all(|live| *live), "the youngest stay: {live:?}");
        }
    }

    #[test]
    fn an_ordinary_attempt_leaves_room_for_a_long_return_path() {
        let path = format!("/reports?{}", "q".repeat(300));
        assert_eq!(begin(&HeaderMap::new(), &path).attempt.return_path, path);
    }

    #[test]
    fn nothing_here_prints_the_seed_or_the_way() {
        let begun = begin(&HeaderMap::new(), "/secret-report");
        let printed = format!("{:?} {:?}", begun.attempt, attempts());
        assert!(!printed.contains("report") && !printed.contains("seed"), "{printed}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn whatever_a_browser_sends_is_no_attempt(slot in 0..8_u8, junk: Vec<u8>, random in "[A-Za-z0-9_-]{22}") {
            let value = [format!("__Host-identity-AbCdEfGh.{slot}=").as_bytes(), &junk].concat();
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(http::header::COOKIE, value)]);
            let state = format!("r0.{slot}.{random}");
            prop_assert!(matches!(find(&headers, &state), Lookup::Missing));
        }

        #[test]
        fn any_sealed_bytes_are_an_attempt_or_none(bytes: Vec<u8>) {
            let _ = Attempt::decode(&bytes);
        }
    }
}
