//! [`RequestCookies`]: this application's cookies in one request, found in one pass over its
//! `Cookie` headers.
//!
//! - A request may have several `Cookie` headers: HTTP/2 and HTTP/3 split them (RFC 9113 section
//!   8.2.3).
//! - A pair ends at `;`, also within double quotes, as in browsers (RFC 6265 section 5.2).
//! - At most 200 pairs and 32 KiB are scanned, because HPACK compresses a header of that size to a
//!   few bytes, so it costs its sender nothing. Runs of separators are skipped in blocks.
//! - Nothing is allocated unless the request has cookies of attempts.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::{
    attempts::Slot, cookies::Cookies, ended::EndedSession, session_cache::Session,
    ticket::CookieValue,
};

/// Number of cookies of one name that are tried (C-327). More than one, because a subdomain can
/// plant a cookie of the same name.
pub(super) const TRIED: usize = 4;
/// Number of pairs that are scanned. Browsers keep up to 180 cookies per site.
const MOST_PAIRS: usize = 200;
/// Number of bytes that are scanned, in all `Cookie` headers together. Servers accept 8 to 32 KiB.
const MOST_BYTES: usize = 32 * 1024;

/// The result of the look-up of a ticket in the store.
#[derive(Clone, Default)]
pub(super) enum TicketLookup {
    #[default]
    NotAsked,
    Asked(Option<Arc<Session>>),
}

/// The sessions of one request, as they were found: every step of a walk asks for them, and the
/// store is read once.
#[derive(Default)]
pub(super) struct RequestSessions {
    /// The result for each ticket, in the order of the [`tickets`](RequestCookies::tickets).
    loaded: Mutex<[TicketLookup; TRIED]>,
    /// The session that the provider did not renew in this request.
    refused: OnceLock<Arc<Session>>,
    /// The sessions that have ended, once they were looked for.
    ended: OnceLock<Vec<EndedSession>>,
}

/// This application's cookies in one request, as they were sent: none has been opened yet.
#[derive(Default)]
pub(crate) struct RequestCookies<'a> {
    /// The distinct values that have the length of a ticket, in the order in which they were sent.
    tickets: [Option<&'a CookieValue>; TRIED],
    has_session: bool,
    sign_ins: u8,
    attempts: Vec<(Slot, &'a [u8])>,
    sessions: RequestSessions,
}

impl<'a> RequestCookies<'a> {
    /// Finds the cookies that have a name of `ours`.
    pub(super) fn find(ours: &Cookies, headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        find_own(ours, headers.get_all(COOKIE), |pair| {
            found.keep(pair);
            None::<()>
        });
        found
    }

    /// The first of the [`tickets`](Self::tickets), if it is in the first line, without a look at
    /// the cookies after it.
    pub(super) fn first_ticket(
        ours: &Cookies,
        first_line: &'a HeaderValue,
    ) -> Option<&'a CookieValue> {
        find_own(ours, [first_line], |pair| match pair {
            [b'=', value @ ..] => bare(value).try_into().ok(),
            _ => None,
        })
    }

    /// Keeps a cookie whose name begins with that of the session cookie. `after_name` is the rest
    /// of the pair: `=value` (session), `.slot=value` (attempt) or `.r=count`.
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

    /// Whether the browser sent a session cookie, valid or not. An invalid one is removed when the
    /// browser is sent to sign in.
    pub(crate) fn has_session(&self) -> bool {
        self.has_session
    }

    /// The number of sign-ins in the last minute whose callback came without a session cookie.
    pub(crate) fn sign_ins(&self) -> u8 {
        self.sign_ins
    }

    /// The session cookies that have the length of a ticket. They are not verified.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &'a CookieValue> {
        self.tickets.into_iter().flatten()
    }

    /// The values of the cookies of one slot.
    pub(super) fn attempts(&self, slot: Slot) -> impl Iterator<Item = &'a [u8]> {
        self.attempts.iter().filter(move |(of, _)| *of == slot).map(|(_, value)| *value)
    }

    /// The sessions that were found for these cookies.
    pub(super) fn sessions(&self) -> &RequestSessions {
        &self.sessions
    }

    /// The session that was loaded for this request, if there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.sessions.all().iter().find_map(|lookup| match lookup {
            TicketLookup::NotAsked => None,
            TicketLookup::Asked(session) => session.clone(),
        })
    }

    /// Remembers a session that was loaded from another copy of the same headers.
    pub(crate) fn hand_on(&self, session: &Arc<Session>) {
        self.set_loaded(&session.cookie, Some(Arc::clone(session)));
    }

    /// Remembers the session of a ticket for the rest of this request. A ticket that the request
    /// did not bring is ignored.
    pub(super) fn set_loaded(&self, ticket: &CookieValue, session: Option<Arc<Session>>) {
        if let Some(place) = self.tickets().position(|own| own == ticket) {
            self.sessions.set_loaded(place, session);
        }
    }
}

impl RequestSessions {
    /// The look-up of the ticket at this place among the [`tickets`](RequestCookies::tickets).
    pub(super) fn loaded(&self, place: usize) -> TicketLookup {
        self.all().get(place).cloned().unwrap_or_default()
    }

    /// Remembers the session of the ticket at this place.
    pub(super) fn set_loaded(&self, place: usize, session: Option<Arc<Session>>) {
        if let Some(lookup) = self.all().get_mut(place) {
            *lookup = TicketLookup::Asked(session);
        }
    }

    fn all(&self) -> MutexGuard<'_, [TicketLookup; TRIED]> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that the provider did not renew, whose records may be gone.
    pub(super) fn refused(&self) -> Option<&Arc<Session>> {
        self.refused.get()
    }

    pub(super) fn set_refused(&self, session: &Arc<Session>) {
        self.refused.get_or_init(|| Arc::clone(session));
    }

    /// The sessions that have ended, if they were looked for in this request.
    pub(super) fn ended(&self) -> Option<&[EndedSession]> {
        self.ended.get().map(Vec::as_slice)
    }

    pub(super) fn set_ended(&self, ended: Vec<EndedSession>) -> &[EndedSession] {
        self.ended.get_or_init(|| ended)
    }
}

/// Calls `look` with each cookie whose name begins with the name of the session cookie, from the
/// end of that name, until it returns something. `lines` are values of `Cookie`.
fn find_own<'a, T>(
    ours: &Cookies,
    lines: impl IntoIterator<Item = &'a HeaderValue>,
    mut look: impl FnMut(&'a [u8]) -> Option<T>,
) -> Option<T> {
    let name = ours.session_name().as_bytes();
    let (mut pairs_left, mut bytes_left) = (MOST_PAIRS, MOST_BYTES);
    for line in lines {
        let line = line.as_bytes();
        let mut rest = line.get(..bytes_left).unwrap_or(line);
        bytes_left -= rest.len();
        loop {
            rest = without_separators(rest);
            if rest.is_empty() {
                break;
            }
            pairs_left = pairs_left.checked_sub(1)?;
            // The names of attempts begin with the name of the session cookie, so that one
            // comparison finds both.
            let after_name = rest.strip_prefix(name);
            let from = after_name.unwrap_or(rest);
            let end = memchr::memchr(b';', from).unwrap_or(from.len());
            let (pair, after) = from.split_at_checked(end).unwrap_or((from, &[]));
            rest = after;
            if after_name.is_some()
                && let Some(found) = look(pair)
            {
                return Some(found);
            }
        }
    }
    None
}

/// The rest of a header after its leading separators: `;`, spaces and tabs.
#[inline]
fn without_separators(rest: &[u8]) -> &[u8] {
    let is_one = |byte: u8| (byte == b';') | (byte == b' ') | (byte == b'\t');
    // The fast path: browsers send one `;` and one space between two pairs (RFC 6265 section
    // 4.2.1).
    let mut rest = match rest {
        [b';', b' ', after @ ..] => after,
        _ => rest,
    };
    if !rest.first().is_some_and(|byte| is_one(*byte)) {
        return rest;
    }
    // Long runs are skipped in blocks of 32 bytes. The fold has no branch, so that the compiler can
    // vectorize it.
    while let Some((block, after)) = rest.split_first_chunk::<32>()
        && block.iter().fold(true, |all, byte| all & is_one(*byte))
    {
        rest = after;
    }
    let run = rest.iter().take_while(|byte| is_one(**byte)).count();
    rest.get(run..).unwrap_or_default()
}

/// A cookie's value without trailing white space and without surrounding double quotes, which are
/// no part of the value (RFC 6265 section 4.1.1).
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
    fn quotes_around_a_value_are_removed_and_quotes_do_not_hide_a_separator() {
        assert_eq!(tickets(&lines(&[&format!("{NAME}=\"{}\" ; x=y", ticket('a'))])), "a");
        assert_eq!(tickets(&lines(&[&format!("x=\"y; {NAME}={}; z\"", ticket('a'))])), "a");
        assert_eq!(
            attempts(&lines(&["identity-id.1=\"v\"; identity-id.1=\"; identity-id.1=\"\""]), 1),
            ["v", "\"", ""]
        );
    }

    // C-327: two cookies with the same name (subdomain planted)
    #[test]
    fn four_different_values_of_one_name_are_tried() {
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
            line in "[ -~\t\u{80}-\u{ff}]{0,40}(identity-id|;|=| |\\t|\\.0)*\
                     (identity-id\\.0=[a-z;= ]{0,6}){0,3}.{0,9}",
        ) {
            let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(COOKIE, value)]);
            let expected: Vec<_> = line
                .as_bytes()
                .split(|byte| *byte == b';')
                .filter_map(|pair| pair.trim_ascii_start().strip_prefix(b"identity-id.0="))
                .map(bare)
                .collect();
            let cookies = RequestCookies::find(&ours(), &headers);
            prop_assert_eq!(cookies.attempts(Slot::FIRST).collect::<Vec<_>>(), expected);
        }
    }
}
