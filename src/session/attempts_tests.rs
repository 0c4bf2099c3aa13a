use std::collections::HashSet;

use http::HeaderMap;
use proptest::prelude::*;

use super::{super::test_support::*, *};
use crate::sign_in::{DeviceCode, Fingerprint, PersonKey, Purpose, RecordId};

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
const BINDING: &[&[u8]] =
    &[b"https://id.example", b"client", b"https://app.example/auth/callback", b"query"];

fn attempts() -> Attempts {
    Attempts::new(key_ring(&[SECRET]), Arc::new(Cookies::new("AbCdEfGh", true, false)), BINDING)
}

fn attempt(return_path: &str) -> Attempt {
    Attempt::new(Purpose::SignIn, return_path, NOW).unwrap()
}

fn begin(headers: &HeaderMap, return_path: &str) -> StartedAttempt {
    attempts().begin(&sent(headers), attempt(return_path), NOW).unwrap()
}

fn find(headers: &HeaderMap, state: &str) -> Lookup {
    attempts().find(&sent(headers), State::parse(state).unwrap(), NOW)
}

fn is_removal(header: &HeaderValue) -> bool {
    header.to_str().unwrap().contains("Max-Age=0")
}

/// The cookies of a browser that sent `before` and then received the cookies of `begun`.
fn then(before: &HeaderMap, begun: &StartedAttempt) -> HeaderMap {
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
    let Lookup::Found(found) = find(&browser, &begun.state) else { panic!() };
    assert_eq!(*found, begun.attempt);
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
        let Lookup::Found(found) = find(&browser, &tab.state) else { panic!() };
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
                matches!(find(&browser, state), Lookup::Found(_)),
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
    assert!(matches!(at(NOW + Duration::from_secs(599)), Lookup::Found(_)));
    assert!(matches!(at(NOW + Duration::from_secs(600)), Lookup::Expired(_)));
    // C-444: clock jumps back 10 min
    // The clock was set back after the attempt began.
    assert!(matches!(at(NOW - Duration::from_secs(599)), Lookup::Found(_)));
    assert!(matches!(at(NOW - Duration::from_secs(600)), Lookup::Expired(_)));
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
    assert!(matches!(find(&after, &begun.state), Lookup::Found(_)));
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
        Lookup::Found(_)
    ));
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
        format!("r0.{slot}.{}", "A".repeat(RANDOM)),
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
        assert!(matches!(other.find(&sent(&browser), state, NOW), Lookup::Missing));
    }
    for keys in [key_ring(&[OTHER_SECRET]), app_keys(&[SECRET], "other")] {
        assert!(matches!(
            Attempts::new(keys, cookies(), BINDING).find(&sent(&browser), state, NOW),
            Lookup::Missing
        ));
    }
    let rotated = Attempts::new(key_ring(&[OTHER_SECRET, SECRET]), cookies(), BINDING);
    assert!(matches!(rotated.find(&sent(&browser), state, NOW), Lookup::Found(_)));
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
    assert!(matches!(find(&cookie_header(&moved), &asked), Lookup::Missing));
}

// C-327: two cookies with the same name (subdomain planted)
#[test]
fn a_planted_cookie_in_front_hides_no_attempt() {
    let begun = begin(&HeaderMap::new(), "/");
    let pair = then(&HeaderMap::new(), &begun)[http::header::COOKIE].to_str().unwrap().to_owned();
    let name = pair.split_once('=').unwrap().0;
    assert!(matches!(
        find(&cookie_header(&format!("{name}=planted; {pair}")), &begun.state),
        Lookup::Found(_)
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

/// An attempt with every optional field, with a return path and scopes of these lengths.
fn full(return_path: usize, scopes: usize) -> Attempt {
    Attempt {
        silent: true,
        retry: 9,
        resets: 3,
        scopes: Some("s".repeat(scopes)),
        policy: Some("B2C_1_a_policy".into()),
        max_age: Some(u32::MAX),
        acr: Some("urn:mace:incommon:iap:silver".into()),
        auth_context: Some("c1".into()),
        causes: ["consent", "step-up"].map(|kind| Fingerprint::new(&[kind])).to_vec(),
        started_from: Some(RecordId(7)),
        expected: Some(PersonKey::of(&crate::tokens::Person {
            oid: Some("oid".into()),
            ..person("ada")
        })),
        ..Attempt::new(Purpose::StepUp, format!("/{}", "p".repeat(return_path)), NOW).unwrap()
    }
}

#[test]
fn the_longest_attempt_fits_and_a_return_path_that_does_not_becomes_home() {
    let mut longest = 0;
    for (return_path, scopes) in
        (0..2_400).step_by(21).flat_map(|path| [0, 60, 600, 2_000].map(|scopes| (path, scopes)))
    {
        let asked = full(return_path, scopes);
        let begun = attempts().begin(&sent(&HeaderMap::new()), asked.clone(), NOW).unwrap();
        let set = begun.set_cookies[0].to_str().unwrap();
        assert!(
            set.len() <= 4_096,
            "{return_path} {scopes}: {} bytes, which browsers do not keep",
            set.len()
        );
        let cookie = set.split(';').next().unwrap().len();
        assert!(cookie <= LONGEST, "{return_path} {scopes}: {cookie}");
        longest = longest.max(cookie);
        let Lookup::Found(found) = find(&then(&HeaderMap::new(), &begun), &begun.state) else {
            panic!()
        };
        if found.return_path == "/" && return_path > 0 {
            assert!(return_path + scopes > 2_600, "{return_path} {scopes}");
            assert_eq!(*found, Attempt { return_path: "/".into(), ..asked });
        } else {
            assert_eq!(*found, asked);
        }
    }
    assert!(longest > LONGEST - 40, "{longest}");
    let error = attempts().begin(&sent(&HeaderMap::new()), full(0, 3_000), NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestInvalid);
}

#[test]
fn a_return_path_of_two_thousand_bytes_comes_back_with_everything_else_that_a_sign_in_remembers() {
    let begun = attempts().begin(&sent(&HeaderMap::new()), full(1_999, 600), NOW).unwrap();
    assert_eq!(begun.attempt.return_path.len(), 2_000);
}

/// If the attempt of an authorization response is gone, a new sign-in returns to the page that its
/// `state` names.
#[test]
fn a_state_knows_its_page_for_a_day_in_this_application_and_nowhere_else() {
    let begun = begin(&HeaderMap::new(), "/orders?open=7");
    let state = State::parse(&begun.state).unwrap();
    assert_eq!(attempts().page(state, NOW).as_deref(), Some("/orders?open=7"));
    assert!(!begun.state.contains("orders") && begun.state.len() <= LONGEST_STATE);
    let at = |now| attempts().page(state, now);
    assert!(
        at(NOW + Duration::from_secs(24 * 3600 - 1)).is_some()
            && at(NOW - Duration::from_secs(24 * 3600 - 1)).is_some()
    );
    assert!(
        at(NOW + Duration::from_secs(24 * 3600)).is_none()
            && at(NOW - Duration::from_secs(24 * 3600)).is_none()
    );

    let cookies = || Arc::new(Cookies::new("AbCdEfGh", true, false));
    for part in 0..BINDING.len() {
        let mut binding = BINDING.to_vec();
        binding[part] = b"another";
        assert!(Attempts::new(key_ring(&[SECRET]), cookies(), &binding).page(state, NOW).is_none());
    }
    for keys in [key_ring(&[OTHER_SECRET]), app_keys(&[SECRET], "other")] {
        assert!(Attempts::new(keys, cookies(), BINDING).page(state, NOW).is_none());
    }
    let rotated = Attempts::new(key_ring(&[OTHER_SECRET, SECRET]), cookies(), BINDING);
    assert!(rotated.page(state, NOW).is_some());

    let (_, page) = begun.state.rsplit_once('.').unwrap();
    for at in 0..page.len() {
        let mut changed = page.to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = format!("{}.{}", state.handle(), String::from_utf8(changed).unwrap());
        assert!(
            State::parse(&changed).is_none_or(|state| attempts().page(state, NOW).is_none()),
            "{at}"
        );
    }
    // A value that was sealed for another purpose.
    let (_, cookie) =
        begun.set_cookies[0].to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
    let foreign = format!("{}.{}", state.handle(), &cookie[..cookie.len().min(100)]);
    assert!(attempts().page(State::parse(&foreign).unwrap(), NOW).is_none());
}

/// The return path in the `state` is a hint; the one in the attempt decides.
#[test]
fn the_page_in_a_state_has_no_part_in_finding_its_attempt() {
    let (begun, other) = (begin(&HeaderMap::new(), "/mine"), begin(&HeaderMap::new(), "/other"));
    let browser = then(&HeaderMap::new(), &begun);
    let handle = State::parse(&begun.state).unwrap().handle();
    let (_, page) = other.state.rsplit_once('.').unwrap();
    for state in [handle.to_owned(), format!("{handle}.{page}"), format!("{handle}.AAAA")] {
        let Lookup::Found(found) = find(&browser, &state) else { panic!("{state}") };
        assert_eq!(found.return_path, "/mine");
        assert_eq!(
            State::parse(&state).unwrap().handle(),
            handle,
            "the code is redeemed once per handle"
        );
    }
}

#[test]
fn a_state_stays_short_for_every_length_of_the_return_path() {
    let mut kept = Vec::new();
    for length in 1..400 {
        let path = format!("/{}", "p".repeat(length - 1));
        let begun = begin(&HeaderMap::new(), &path);
        assert!(begun.state.len() <= LONGEST_STATE, "{length}: {}", begun.state.len());
        let page = attempts().page(State::parse(&begun.state).unwrap(), NOW);
        assert!(page.is_none() || page == Some(path));
        kept.push(page.is_some());
    }
    kept.dedup();
    assert_eq!(kept, [false, true, false], "home, short, long");
    assert!(
        attempts()
            .page(
                State::parse(&begin(&HeaderMap::new(), &format!("/{}", "p".repeat(37))).state)
                    .unwrap(),
                NOW
            )
            .is_some()
    );
}

fn with_device_code(length: usize, created: UnixTime) -> Attempt {
    let device = DeviceCode {
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

/// The cookie is kept ten minutes longer than the code, so that the page can say that the code has
/// expired.
#[test]
fn an_attempt_with_a_device_code_lives_as_long_as_the_code() {
    let begun =
        attempts().begin(&sent(&HeaderMap::new()), with_device_code(300, NOW), NOW).unwrap();
    assert!(
        begun.set_cookies[0].to_str().unwrap().contains("; Max-Age=1500;"),
        "900 seconds, and ten minutes"
    );
    let browser = then(&HeaderMap::new(), &begun);
    let at = |seconds| {
        attempts().find(
            &sent(&browser),
            State::parse(&begun.state).unwrap(),
            NOW + Duration::from_secs(seconds),
        )
    };
    let Lookup::Found(found) = at(899) else { panic!() };
    assert_eq!(*found, begun.attempt);
    assert!(matches!(at(900), Lookup::Expired(_)));
    let slot = State::parse(&begun.state).unwrap().slot;
    let kept = attempts().keep(slot, &found, NOW + Duration::from_secs(600)).unwrap();
    assert!(kept.to_str().unwrap().contains("; Max-Age=900;"));
}

#[test]
fn long_device_codes_fit_and_one_that_does_not_is_an_error() {
    for length in [43, 300, 1000, 2400] {
        let begun =
            attempts().begin(&sent(&HeaderMap::new()), with_device_code(length, NOW), NOW).unwrap();
        assert_eq!(begun.attempt.return_path, "/deep?x=1");
        let cookie = pair_length(&begun.set_cookies[0]);
        assert!(cookie <= LONGEST && (length != 300 || cookie < 900), "{length}: {cookie}");
        assert!(matches!(find(&then(&HeaderMap::new(), &begun), &begun.state), Lookup::Found(_)));
    }
    // The return path is left out first, then `verification_uri_complete`.
    let mut kept = Vec::new();
    for length in 2400..3000 {
        let attempt = with_device_code(length, NOW);
        let Ok(begun) = attempts().begin(&sent(&HeaderMap::new()), attempt, NOW) else { break };
        let complete = begun.attempt.device.unwrap().verification_uri_complete.is_some();
        kept.push((begun.attempt.return_path == "/deep?x=1", complete));
    }
    kept.dedup();
    assert_eq!(kept, [(true, true), (false, true), (false, false)]);
    let error =
        attempts().begin(&sent(&HeaderMap::new()), with_device_code(4000, NOW), NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenResponseInvalid);
    assert!(!error.to_string().contains("cccc"));
    let long_path =
        Attempt { return_path: format!("/{}", "p".repeat(1_999)), ..with_device_code(300, NOW) };
    let begun = attempts().begin(&sent(&HeaderMap::new()), long_path, NOW).unwrap();
    assert_eq!(begun.attempt.return_path.len(), 2_000, "beside a code of the usual length");
}

/// The number of attempts shrinks with their length: eight long ones would exceed the header limit
/// of servers.
#[test]
fn attempts_with_device_codes_stay_within_the_same_bound_together() {
    for (length, fit) in [(43, 8), (300, 6), (1400, 2), (2400, 1)] {
        let (mut browser, mut states) = (HeaderMap::new(), Vec::new());
        for number in 0..20 {
            let now = NOW + Duration::from_secs(number);
            let begun =
                attempts().begin(&sent(&browser), with_device_code(length, now), now).unwrap();
            browser = then(&browser, &begun);
            states.push(begun.state);
        }
        assert!(browser[http::header::COOKIE].len() <= ALL_TOGETHER + 2 * Slot::COUNT);
        let live: Vec<_> =
            states.iter().map(|state| matches!(find(&browser, state), Lookup::Found(_))).collect();
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
fn debug_prints_neither_the_seed_nor_the_return_path() {
    let begun = begin(&HeaderMap::new(), "/secret-report");
    let printed = format!("{:?} {:?}", begun.attempt, attempts());
    assert!(!printed.contains("report") && !printed.contains("seed"), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn bytes_that_were_not_sealed_here_are_no_attempt(slot in 0..8_u8, junk: Vec<u8>, random in "[A-Za-z0-9_-]{22}") {
        let value = [format!("__Host-identity-AbCdEfGh.{slot}=").as_bytes(), &junk].concat();
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(http::header::COOKIE, value)]);
        let state = format!("r0.{slot}.{random}");
        prop_assert!(matches!(find(&headers, &state), Lookup::Missing));
    }

    #[test]
    fn any_sealed_bytes_are_an_attempt_or_none(bytes: Vec<u8>) {
        let _ = Attempt::read(&bytes);
    }
}
