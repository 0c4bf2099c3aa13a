//! The size limits of an attempt and of a `state`, and device codes in attempts.

use http::HeaderMap;

use super::{super::test_support::*, tests::*, *};
use crate::{
    sign_in::{DeviceCode, Fallback, Fallbacks, Fingerprint, OwnOptions, PersonKey, Purpose},
    tokens::RecordId,
};

/// A hint and a prompt.
fn own_options() -> OwnOptions {
    OwnOptions::read(b"\x01\x05login\x02\x0fada@example.com").unwrap()
}

/// An attempt with every optional field, with a return path and scopes of these lengths.
fn full(return_path: usize, scopes: usize) -> Attempt {
    Attempt {
        silent: true,
        retry: 9,
        fallbacks: Fallbacks::default().and(Fallback::WithPages).unwrap(),
        resets: 3,
        scopes: Some("s".repeat(scopes)),
        policy: Some("B2C_1_a_policy".into()),
        max_age: Some(u32::MAX),
        acr: Some("urn:mace:incommon:iap:silver".into()),
        auth_context: Some("c1".into()),
        own: Some(Box::new(own_options())),
        step_ups: ["consent", "step-up"].map(|kind| Fingerprint::new(&[kind])).to_vec(),
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
        let AttemptLookup::Found(found) = find(&then(&HeaderMap::new(), &begun), &begun.state)
        else {
            panic!()
        };
        let mut expected = asked;
        // The options for a repetition are the first to be left out.
        if found.own.is_none() {
            assert!(return_path + scopes > 2_400, "{return_path} {scopes}");
            (expected.own, expected.fallbacks) = (None, expected.fallbacks.not_repeated());
        }
        if found.return_path == "/" && return_path > 0 {
            assert!(return_path + scopes > 2_600, "{return_path} {scopes}");
            expected.return_path = "/".into();
        }
        assert!(*found == expected);
    }
    assert!(longest > LONGEST - 40, "{longest}");
    let error = attempts().begin(&sent(&HeaderMap::new()), full(0, 3_000), NOW).err().unwrap();
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
    // The same text, sealed for another purpose.
    let plain = [&u32::try_from(NOW.as_seconds()).unwrap().to_be_bytes(), &b"/orders"[..]].concat();
    for (purpose, expected) in
        [(CookiePurpose::Page, Some("/orders")), (CookiePurpose::Attempt, None)]
    {
        let attempts = attempts();
        let sealed = attempts.keys.seal_cookie(purpose, &attempts.page_context(), &plain).unwrap();
        let text = format!("{}.{}", state.handle(), base64url(&sealed));
        let page = attempts.page(State::parse(&text).unwrap(), NOW);
        assert_eq!(page.as_deref(), expected, "{purpose:?}");
    }
}

/// The exact `state` comes back (RFC 6749 section 4.1.2), the return path in it included.
#[test]
fn a_state_with_another_return_path_finds_no_attempt() {
    for path in ["/mine", "/"] {
        let (begun, other) = (begin(&HeaderMap::new(), path), begin(&HeaderMap::new(), "/other"));
        let browser = then(&HeaderMap::new(), &begun);
        let handle = State::parse(&begun.state).unwrap().handle();
        let (_, page) = other.state.rsplit_once('.').unwrap();
        let with_end = |end| format!("{}{end}", begun.state);
        for state in [
            format!("{handle}.{page}"),
            format!("{handle}.AAAA"),
            if path == "/" { with_end(".A") } else { with_end("A") },
        ] {
            assert!(matches!(find(&browser, &state), AttemptLookup::Altered), "{path} {state}");
        }
        let without = find(&browser, handle);
        assert_eq!(matches!(without, AttemptLookup::Altered), path != "/", "{path}");
        let AttemptLookup::Found(found) = find(&browser, &begun.state) else { panic!("{path}") };
        assert_eq!(found.return_path, path);
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
        scopes: None,
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
    let AttemptLookup::Found(found) = at(899) else { panic!() };
    assert!(*found == begun.attempt);
    assert!(matches!(at(900), AttemptLookup::Expired(_)));
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
        assert!(matches!(
            find(&then(&HeaderMap::new(), &begun), &begun.state),
            AttemptLookup::Found(_)
        ));
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
        attempts().begin(&sent(&HeaderMap::new()), with_device_code(4000, NOW), NOW).err().unwrap();
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
        let live: Vec<_> = states
            .iter()
            .map(|state| matches!(find(&browser, state), AttemptLookup::Found(_)))
            .collect();
        assert_eq!(live.iter().filter(|live| **live).count(), fit, "{length}");
        assert!(live[20 - fit..].iter().all(|live| *live), "the youngest stay: {live:?}");
    }
}

#[test]
fn an_ordinary_attempt_leaves_room_for_a_long_return_path() {
    let path = format!("/reports?{}", "q".repeat(300));
    assert_eq!(begin(&HeaderMap::new(), &path).attempt.return_path, path);
}
