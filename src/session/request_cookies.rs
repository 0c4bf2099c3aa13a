//! The cookies of one request that belong to this application, found in one pass over its `Cookie`
//! headers.
//!
//! - A request may have several `Cookie` headers: HTTP/2 and HTTP/3 split them (RFC 9113 section
//!   8.2.3).
//! - A pair ends at `;`, also within double quotes, as browsers have it (RFC 6265 section 5.2).
//! - A pass looks at 200 pairs and 32 KiB at most; separators without a pair between them cost next
//!   to nothing. Compressed by HPACK, a header of that size costs its sender a few bytes.
//! - Nothing is allocated unless a sign-in is under way.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::{HeaderMap, header::COOKIE};

use super::{attempts::Slot, cookies::Cookies, session_cache::Session, ticket::CookieValue};

/// Number of cookies of one name that are looked at (C-327): a browser sends one.
pub(super) const TRIED: usize = 4;
/// Number of pairs that are looked at. Browsers keep up to 180 for a site.
const MOST_PAIRS: usize = 200;
/// Number of bytes that are looked at, in all `Cookie` headers together. Servers accept 8 to 32
/// KiB.
const MOST_BYTES: usize = 32 * 1024;

/// A ticket and its session, if it has one.
type TicketLookup<'a> = (&'a CookieValue, Option<Arc<Session>>);

/// What a request brought of this application's cookies. Nothing of it has been opened yet.
#[derive(Debug, Default)]
pub(crate) struct RequestCookies<'a> {
    /// Different values that have the length of a ticket, in the order in which they were sent.
    tickets: [Option<&'a CookieValue>; TRIED],
    has_session: bool,
    sign_ins: u8,
    attempts: Vec<(Slot, &'a [u8])>,
    /// What the store said of the tickets that it was asked about.
    loaded: Mutex<Vec<TicketLookup<'a>>>,
    /// The session that the provider did not renew in this request.
    refused: OnceLock<Arc<Session>>,
}

impl<'a> RequestCookies<'a> {
    /// Finds the cookies with the names of `ours`.
    pub(super) fn find(ours: &Cookies, headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        let name = ours.session_name().as_bytes();
        let (mut pairs, mut bytes) = (MOST_PAIRS, MOST_BYTES);
        for line in headers.get_all(COOKIE) {
            let line = line.as_bytes();
            let mut rest = line.get(..bytes).unwrap_or(line);
            bytes -= rest.len();
            loop {
                rest = without_separators(rest);
                if rest.is_empty() {
                    break;
                }
                if pairs == 0 {
                    return found;
                }
                pairs -= 1;
                // The names of attempts begin with that of the session.
                let after_name = rest.strip_prefix(name);
                let from = after_name.unwrap_or(rest);
                let end = memchr::memchr(b';', from).unwrap_or(from.len());
                let (pair, after) = from.split_at_checked(end).unwrap_or((from, &[]));
                rest = after;
                if after_name.is_some() {
                    found.keep(pair);
                }
            }
        }
        found
    }

    /// Keeps what follows the name of the session cookie, if it is `=value` or `.slot=value`.
    fn keep(&mut self, after_name: &'a [u8]) {
        match after_name {
            [b'=', value @ ..] => {
                self.has_session = true;
                let Ok(ticket) = <&CookieValue>::try_from(bare(value)) else { return };
                // The same value twice is one ticket.
                if let Some(place) =
                    self.tickets.iter_mut().find(|place| place.is_none_or(|other| other == ticket))
                {
                    *place = Some(ticket);
                }
            }
            [b'.', b'r', b'=', value @ ..] => {
                if let [digit @ b'0'..=b'9'] = bare(value) {
                    self.sign_ins = digit - b'0';
                }
            }
            [b'.', digit, b'=', value @ ..] => {
                if let Some(slot) = Slot::from_digit(*digit)
                    && self.attempts(slot).count() < TRIED
                {
                    self.attempts.push((slot, bare(value)));
                }
            }
            _ => {}
        }
    }

    /// Whether there is a session cookie, of whatever worth: one to remove if nobody is signed in.
    pub(crate) fn has_session(&self) -> bool {
        self.has_session
    }

    /// Number of sign-ins of the last minute after which no session cookie came back.
    pub(crate) fn sign_ins(&self) -> u8 {
        self.sign_ins
    }

    /// Cookies that could be tickets, by their length alone.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &'a CookieValue> {
        self.tickets.into_iter().flatten()
    }

    /// Values of the cookies of one slot.
    pub(super) fn attempts(&self, slot: Slot) -> impl Iterator<Item = &'a [u8]> {
        self.attempts.iter().filter(move |(of, _)| *of == slot).map(|(_, value)| *value)
    }

    /// The session of a ticket, if the store was asked about it in this request.
    pub(super) fn loaded(&self, ticket: &CookieValue) -> Option<Option<Arc<Session>>> {
        let all = self.all_loaded();
        all.iter().find(|(of, _)| *of == ticket).map(|(_, session)| session.clone())
    }

    /// The session that the provider did not renew, whose records may be gone.
    pub(super) fn refused(&self) -> Option<&Arc<Session>> {
        self.refused.get()
    }

    pub(super) fn set_refused(&self, session: &Arc<Session>) {
        self.refused.get_or_init(|| Arc::clone(session));
    }

    /// The session that was loaded for this request, if there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.all_loaded().iter().find_map(|(_, session)| session.clone())
    }

    /// Hands on a session that was loaded for another copy of these cookies.
    pub(crate) fn hand_on(&self, session: &Arc<Session>) {
        self.set_loaded(&session.cookie, Some(Arc::clone(session)));
    }

    /// Hands the session of a ticket on to the rest of this request.
    pub(super) fn set_loaded(&self, ticket: &CookieValue, session: Option<Arc<Session>>) {
        let Some(ticket) = self.tickets().find(|own| *own == ticket) else { return };
        let mut all = self.all_loaded();
        all.retain(|(of, _)| *of != ticket);
        all.push((ticket, session));
    }

    fn all_loaded(&self) -> MutexGuard<'_, Vec<TicketLookup<'a>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rest of a header without the separators at its beginning: `;`, spaces and tabs.
#[inline]
fn without_separators(rest: &[u8]) -> &[u8] {
    let is_one = |byte: u8| (byte == b';') | (byte == b' ') | (byte == b'\t');
    // What browsers send between two pairs: one `;` and one space.
    let mut rest = match rest {
        [b';', b' ', after @ ..] => after,
        _ => rest,
    };
    if !rest.first().is_some_and(|byte| is_one(*byte)) {
        return rest;
    }
    // Long runs in blocks: a few vector instructions for each.
    while let Some((block, after)) = rest.split_first_chunk::<32>()
        && block.iter().fold(true, |all, byte| all & is_one(*byte))
    {
        rest = after;
    }
    let run = rest.iter().take_while(|byte| is_one(**byte)).count();
    rest.get(run..).unwrap_or_default()
}

/// A value without white space at its end and without double quotes around it, which say nothing
/// (RFC 6265 section 4.1.1).
fn bare(value: &[u8]) -> &[u8] {
    match value.trim_ascii_end() {
        [b'"', value @ .., b'"'] => value,
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::{
        super::{test_support::cookie_header, ticket::COOKIE_LENGTH},
        *,
    };

    const NAME: &str = "identity-id";

    fn ours() -> Cookies {
        Cookies::new("id", false, false)
    }

    fn lines(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn ticket(letter: char) -> String {
        letter.to_string().repeat(COOKIE_LENGTH)
    }

    /// The first letters of the tickets that are found.
    fn tickets(headers: &HeaderMap) -> String {
        RequestCookies::find(&ours(), headers)
            .tickets()
            .map(|ticket| char::from(ticket[0]))
            .collect()
    }

    fn attempts(headers: &HeaderMap, slot: usize) -> Vec<String> {
        let found = RequestCookies::find(&ours(), headers);
        found
            .attempts(Slot::ALL[slot])
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn only_the_exact_name_counts() {
        let [a, b, c] = ['a', 'b', 'c'].map(ticket);
        let near = [
            "xidentity-id",
            "identity-idx",
            "IDENTITY-ID",
            "identity-id ",
            "a=identity-id",
            "identity-id.x",
            "",
        ];
        for name in near {
            assert_eq!(tickets(&lines(&[&format!("{name}={a}")])), "", "{name}");
        }
        assert_eq!(
            tickets(&lines(&[&format!("x=1; {NAME}={a};{NAME}={b}; =; {NAME}=; {NAME}={c}")])),
            "abc"
        );
        assert_eq!(
            attempts(
                &lines(&["identity-id.3=x; identity-id.8=y; identity-id.33=z; identity-id.=w"]),
                3
            ),
            ["x"]
        );
        assert_eq!(tickets(&HeaderMap::new()), "");
    }

    /// RFC 9113 section 8.2.3
    #[test]
    fn headers_that_are_split_are_read_as_one() {
        let headers = lines(&[
            "other=x",
            "",
            &format!("{NAME}={}", ticket('a')),
            &format!("{NAME}.0=first"),
            "b=c",
        ]);
        assert_eq!(
            (tickets(&headers), attempts(&headers, 0)),
            ("a".to_owned(), vec!["first".to_owned()])
        );
    }

    #[test]
    fn quotes_around_a_value_say_nothing_and_quotes_do_not_hide_a_separator() {
        assert_eq!(tickets(&lines(&[&format!("{NAME}=\"{}\" ; x=y", ticket('a'))])), "a");
        assert_eq!(tickets(&lines(&[&format!("x=\"y; {NAME}={}; z\"", ticket('a'))])), "a");
        assert_eq!(
            attempts(&lines(&["identity-id.1=\"v\"; identity-id.1=\"; identity-id.1=\"\""]), 1),
            ["v", "\"", ""]
        );
    }

    // C-327: two cookies with the same name (subdomain planted)
    #[test]
    fn of_one_name_a_few_different_values_are_looked_at() {
        let pairs: Vec<_> =
            "abcdefgh".chars().map(|letter| format!("{NAME}={}", ticket(letter))).collect();
        assert_eq!(tickets(&lines(&[&pairs.join("; ")])), "abcd");
        let twice = [&pairs[..2], &pairs[..2], &pairs[..3]].concat();
        assert_eq!(
            tickets(&lines(&[&twice.join("; ")])),
            "abc",
            "the same value twice is one ticket"
        );
        assert_eq!(attempts(&lines(&["identity-id.0=x; ".repeat(100).as_str()]), 0).len(), TRIED);
        let junk = lines(&["identity-id=junk"]);
        assert!(RequestCookies::find(&ours(), &junk).has_session() && tickets(&junk).is_empty());
        assert!(!RequestCookies::find(&ours(), &lines(&["identity-id.0=x"])).has_session());
    }

    #[test]
    fn separators_without_pairs_are_skipped_and_pairs_and_bytes_are_counted() {
        let ours = format!("{NAME}={}", ticket('a'));
        for run in [";", " ", "; ", " ;", ";\t ;", "\t"] {
            let run = run.repeat(15 * 1024 / run.len());
            assert_eq!(
                tickets(&cookie_header(&format!("x=y;{run};{ours}"))),
                "a",
                "{:?}",
                &run[..4]
            );
        }
        assert_eq!(
            tickets(&cookie_header(&format!("{}{ours}", "a=b; ".repeat(MOST_PAIRS - 1)))),
            "a"
        );
        assert_eq!(tickets(&cookie_header(&format!("{}{ours}", "a=b; ".repeat(MOST_PAIRS)))), "");
        let split: Vec<_> = std::iter::repeat_n("a=b", MOST_PAIRS).chain([ours.as_str()]).collect();
        assert_eq!(tickets(&lines(&split)), "", "in however many headers");
        let long = |length: usize| format!("x={};", "y".repeat(length));
        assert_eq!(tickets(&cookie_header(&format!("{}{ours}", long(20_000)))), "a");
        assert_eq!(tickets(&lines(&[&long(20_000), &long(20_000), &ours])), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_pass_agrees_with_splitting(
            line in "[ -~\t\u{80}-\u{ff}]{0,40}(identity-id|;|=| |\\t|\\.0)*(identity-id\\.0=[a-z;= ]{0,6}){0,3}.{0,9}",
        ) {
            let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(COOKIE, value)]);
            let expected: Vec<_> = line
                .as_bytes()
                .split(|byte| *byte == b';')
                .filter_map(|pair| pair.trim_ascii_start().strip_prefix(b"identity-id.0="))
                .map(bare)
                .collect();
            prop_assert_eq!(RequestCookies::find(&ours(), &headers).attempts(Slot::FIRST).collect::<Vec<_>>(), expected);
        }
    }
}
