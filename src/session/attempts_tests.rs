//! Attempts in cookies: slots, expiry, and the `state` that finds one.

use std::collections::HashSet;

use http::HeaderMap;
use proptest::prelude::*;

use super::{super::test_support::*, *};
use crate::sign_in::Purpose;

pub(super) const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
pub(super) const BINDING: &[&[u8]] =
    &[b"https://id.example", b"client", b"https://app.example/auth/callback", b"query"];

pub(super) fn attempts() -> Attempts {
    Attempts::new(key_ring(&[SECRET]), Arc::new(Cookies::new("AbCdEfGh", true, false)), BINDING)
}

pub(super) fn attempt(return_path: &str) -> Attempt {
    Attempt::new(Purpose::SignIn, return_path, NOW).unwrap()
}

pub(super) fn begin(headers: &HeaderMap, return_path: &str) -> StartedAttempt {
    attempts().begin(&sent(headers), attempt(return_path), NOW).unwrap()
}

pub(super) fn find(headers: &HeaderMap, state: &str) -> AttemptLookup {
    attempts().find(&sent(headers), State::parse(state).unwrap(), NOW)
}

pub(super) fn is_removal(header: &HeaderValue) -> bool {
    header.to_str().unwrap().contains("Max-Age=0")
}

/// The cookies of a browser that sent `before` and then received the cookies of `begun`.
pub(super) fn then(before: &HeaderMap, begun: &StartedAttempt) -> HeaderMap {
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
    cookie_header(
        &jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "),
    )
}

// C-446: process restarts between login and callback
#[test]
fn an_attempt_outlives_the_process_that_began_it() {
    let begun = begin(&HeaderMap::new(), "/deep?x=1");
    let browser = then(&HeaderMap::new(), &begun);
    let AttemptLookup::Found(found) = find(&browser, &begun.state) else { panic!() };
    assert!(*found == begun.attempt);
    assert_eq!(found.return_path, "/deep?x=1");
    assert_eq!(found.derive("label").unwrap(), begun.attempt.derive("label").unwrap());
}

// C-326: two tabs log in at once
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
        let AttemptLookup::Found(found) = find(&browser, &tab.state) else { panic!() };
        assert_eq!(found.return_path, tab.attempt.return_path);
    }
}

#[test]
fn tabs_that_begin_at_once_rarely_choose_the_same_slot() {
    let slots: HashSet<_> =
        (0..200).map(|_| begin(&HeaderMap::new(), "/").state[3..4].to_owned()).collect();
    assert_eq!(slots.len(), Slot::COUNT);
}

// C-121: more than the allowed number of parallel logins
// C-348: cross-site GET to /login
#[test]
fn the_ninth_attempt_takes_the_slot_of_the_oldest_and_headers_stay_bounded() {
    for (path, most) in
        [("/x?y=1".to_owned(), Slot::COUNT), ("/x".repeat(1000), 1), ("/x".repeat(500), 3)]
    {
        let mut browser = HeaderMap::new();
        let mut states = Vec::new();
        for number in 0..30 {
            let mut attempt = attempt(&path);
            attempt.created = NOW + Duration::from_secs(number);
            let begun = attempts()
                .begin(&sent(&browser), attempt, NOW + Duration::from_secs(number))
                .unwrap();
            browser = then(&browser, &begun);
            states.push(begun.state);
        }
        let sent = browser[http::header::COOKIE].to_str().unwrap();
        assert_eq!(sent.matches('=').count(), most);
        assert!(sent.len() <= ALL_TOGETHER + 2 * Slot::COUNT);
        for (number, state) in states.iter().enumerate() {
            assert_eq!(
                matches!(find(&browser, state), AttemptLookup::Found(_)),
                number >= 30 - most,
                "{number}"
            );
        }
    }
}

// C-119: state older than its lifetime
#[test]
fn an_attempt_lasts_ten_minutes_even_if_the_browser_keeps_its_cookie() {
    let begun = begin(&HeaderMap::new(), "/");
    let browser = then(&HeaderMap::new(), &begun);
    let state = State::parse(&begun.state).unwrap();
    let at = |now| attempts().find(&sent(&browser), state, now);
    assert!(matches!(at(NOW + Duration::from_secs(599)), AttemptLookup::Found(_)));
    assert!(matches!(at(NOW + Duration::from_secs(600)), AttemptLookup::Expired(_)));
    // C-444: clock jumps back 10 min
    // The clock was set back after the attempt began.
    assert!(matches!(at(NOW - Duration::from_secs(599)), AttemptLookup::Found(_)));
    assert!(matches!(at(NOW - Duration::from_secs(600)), AttemptLookup::Expired(_)));
    assert!(is_removal(&attempts().remove(state.slot)));
}

// C-122: expired or undecodable state cookies present
#[test]
fn expired_and_unreadable_attempts_are_removed_and_sign_in_works() {
    let mut old = attempt("/");
    old.created = NOW - Duration::from_secs(600);
    let expired =
        attempts().begin(&sent(&HeaderMap::new()), old, NOW - Duration::from_secs(600)).unwrap();
    let slot = &expired.state[3..4];
    let mut cookies =
        then(&HeaderMap::new(), &expired)[http::header::COOKIE].to_str().unwrap().to_owned();
    for (number, junk) in
        ["", "junk", "AQ", &"A".repeat(LONGEST), &"A".repeat(10_000)].iter().enumerate()
    {
        let other = (number + 1 + slot.parse::<usize>().unwrap()) % Slot::COUNT;
        cookies.push_str(&format!("; __Host-identity-AbCdEfGh.{other}={junk}"));
    }
    let before = cookie_header(&cookies);
    let begun = begin(&before, "/");
    // The new attempt may have taken one of their slots.
    let taken = before[http::header::COOKIE]
        .to_str()
        .unwrap()
        .contains(&format!(".{}=", &begun.state[3..4]));
    assert_eq!(
        begun.set_cookies.iter().filter(|header| is_removal(header)).count(),
        if taken { 5 } else { 6 }
    );
    let after = then(&before, &begun);
    assert_eq!(after[http::header::COOKIE].to_str().unwrap().matches('=').count(), 1);
    assert!(matches!(find(&after, &begun.state), AttemptLookup::Found(_)));
}

#[test]
fn an_attempt_of_a_node_with_a_newer_secret_is_left_alone() {
    let newer = Attempts::new(
        key_ring(&[OTHER_SECRET, SECRET]),
        Arc::new(Cookies::new("AbCdEfGh", true, false)),
        BINDING,
    );
    let theirs = newer.begin(&sent(&HeaderMap::new()), attempt("/theirs"), NOW).unwrap();
    let browser = then(&HeaderMap::new(), &theirs);
    let ours = begin(&browser, "/ours");
    let browser = then(&browser, &ours);
    assert_ne!(ours.state[3..4], theirs.state[3..4]);
    assert!(matches!(
        newer.find(&sent(&browser), State::parse(&theirs.state).unwrap(), NOW),
        AttemptLookup::Found(_)
    ));
    assert!(matches!(find(&browser, &ours.state), AttemptLookup::Found(_)));
}

#[test]
fn a_state_finds_only_its_own_attempt() {
    let begun = begin(&HeaderMap::new(), "/");
    let browser = then(&HeaderMap::new(), &begun);
    assert!(matches!(find(&HeaderMap::new(), &begun.state), AttemptLookup::Missing));
    let slot = &begun.state[3..4];
    for other in [
        begin(&HeaderMap::new(), "/").state,
        format!("r0.{slot}.{}", "A".repeat(RANDOM)),
        begun.state.replace("r0", "r1"),
        format!("r0.{}.{}", (slot.parse::<u8>().unwrap() + 1) % 8, &begun.state[5..]),
    ] {
        assert!(matches!(find(&browser, &other), AttemptLookup::Missing), "{other}");
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
        assert!(matches!(other.find(&sent(&browser), state, NOW), AttemptLookup::Missing));
    }
    for keys in [key_ring(&[OTHER_SECRET]), app_keys(&[SECRET], "other")] {
        assert!(matches!(
            Attempts::new(keys, cookies(), BINDING).find(&sent(&browser), state, NOW),
            AttemptLookup::Missing
        ));
    }
    let rotated = Attempts::new(key_ring(&[OTHER_SECRET, SECRET]), cookies(), BINDING);
    assert!(matches!(rotated.find(&sent(&browser), state, NOW), AttemptLookup::Found(_)));
    // The cookie is sent under the name of another slot.
    let moved = browser[http::header::COOKIE]
        .to_str()
        .unwrap()
        .replace(&format!("{}=", state.slot), &format!("{}=", (state.slot.0 + 1) % 8));
    let asked = begun.state.replacen(
        &format!(".{}.", state.slot),
        &format!(".{}.", (state.slot.0 + 1) % 8),
        1,
    );
    assert!(matches!(find(&cookie_header(&moved), &asked), AttemptLookup::Missing));
}

// C-327: two cookies with the same name (subdomain planted)
#[test]
fn a_planted_cookie_in_front_hides_no_attempt() {
    let begun = begin(&HeaderMap::new(), "/");
    let pair = then(&HeaderMap::new(), &begun)[http::header::COOKIE].to_str().unwrap().to_owned();
    let name = pair.split_once('=').unwrap().0;
    assert!(matches!(
        find(&cookie_header(&format!("{name}=planted; {pair}")), &begun.state),
        AttemptLookup::Found(_)
    ));
}

// C-439: 1 MB state, code, cookie or logout token
#[test]
fn a_state_is_ours_or_none() {
    let state = begin(&HeaderMap::new(), "/").state;
    assert!(State::parse(&state).is_some());
    assert_eq!(
        State::parse("r1.7.AAAAAAAAAAAAAAAAAAAA-_").map(|state| (state.retry, state.slot)),
        Some((1, Slot(7)))
    );
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
fn derived_values_differ_by_label_and_attempt() {
    let [one, two] = [attempt("/"), attempt("/")];
    let derived: HashSet<_> = [&one, &two]
        .iter()
        .flat_map(|attempt| ["a", "b", "state"].map(|label| attempt.derive(label).unwrap()))
        .collect();
    assert_eq!(derived.len(), 6);
    assert!(derived.iter().all(|value| value.len() == 43));
    let state = attempts().begin(&sent(&HeaderMap::new()), one, NOW).unwrap().state;
    assert!(derived.iter().any(|value| state.ends_with(&value[..RANDOM])));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn bytes_that_were_not_sealed_here_are_no_attempt(
        slot in 0..8_u8,
        junk: Vec<u8>,
        random in "[A-Za-z0-9_-]{22}",
    ) {
        let value = [format!("__Host-identity-AbCdEfGh.{slot}=").as_bytes(), &junk].concat();
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(http::header::COOKIE, value)]);
        let state = format!("r0.{slot}.{random}");
        prop_assert!(matches!(find(&headers, &state), AttemptLookup::Missing));
    }

    #[test]
    fn any_sealed_bytes_are_an_attempt_or_none(bytes: Vec<u8>) {
        let _ = Attempt::read(&bytes);
    }
}
