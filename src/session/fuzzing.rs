//! The fuzz targets for the parsers of cookies, `state` and sealed records.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target may panic: that is how it reports"
)]

use http::{HeaderMap, HeaderValue, header::COOKIE};
use url::form_urlencoded;

use super::{
    attempts::{Slot, State},
    cookies::Cookies,
    kept_form::form_fields,
    record::SessionRecord,
    ticket::{COOKIE_LENGTH, Ticket},
};
use crate::{
    codec::{self, Value as _},
    fuzzing::Parser,
    seal::{KeyRing, RowPurpose},
    secret::Secret,
    sign_in::Attempt,
};

/// The fuzz targets of this module, by name.
pub(crate) const PARSERS: &[Parser] = &[
    ("attempt", attempt),
    ("cookie_header", cookie_header),
    ("form_body", form_body),
    ("sealed", sealed),
    ("session_record", session_record),
    ("state", state),
];

/// An attempt that is read, written and read again does not change.
fn attempt(bytes: &[u8]) {
    if let Some(attempt) = Attempt::read(bytes) {
        let written = codec::encode(&attempt);
        assert_eq!(codec::encode(&Attempt::read(&written).unwrap()), written);
    }
}

/// A session record that is read and written reads as the same record.
fn session_record(bytes: &[u8]) {
    if let Some(record) = SessionRecord::read(bytes) {
        assert!(SessionRecord::read(&codec::encode(&record)).unwrap() == record);
    }
}

/// The fields of a form that is kept are written as they were read.
fn form_body(bytes: &[u8]) {
    if let Some(fields) = form_fields(bytes) {
        let mut written = form_urlencoded::Serializer::new(String::new());
        assert_eq!(written.extend_pairs(&fields).finish().as_bytes(), bytes);
    }
}

/// The hand-written scan finds the same cookies as splitting at `;`, within its limits.
fn cookie_header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let cookies = Cookies::new("id", true, false);
    let headers = HeaderMap::from_iter([(COOKIE, value)]);
    let found: Vec<_> = cookies.read(&headers).attempts(Slot::ALL[3]).collect();
    let pairs = bytes
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii_start)
        .filter(|pair| !pair.is_empty())
        .take(200);
    let named = pairs.filter_map(|pair| {
        pair.strip_prefix(cookies.attempt_name(Slot::ALL[3]).as_bytes())?.strip_prefix(b"=")
    });
    let bare = named.map(<[u8]>::trim_ascii_end).map(|value| match value {
        [b'"', value @ .., b'"'] => value,
        value => value,
    });
    assert!(bytes.len() > 32 * 1024 || found == bare.take(4).collect::<Vec<_>>());
}

/// A parsed `state` is ASCII and its retry count is one digit.
fn state(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(state) = State::parse(text) {
        assert!(state.retry <= 9 && text.is_ascii());
    }
}

/// Bytes that were not sealed here do not open.
fn sealed(bytes: &[u8]) {
    let keys = KeyRing::new(
        &[Secret::from("a secret of more than thirty-two bytes"), Secret::from("another one")],
        &[b"app"],
    )
    .unwrap();
    assert!(keys.open_row(RowPurpose::Session, &[1; 16], &[2; 32], bytes).is_none());
    let mut value = [b'A'; COOKIE_LENGTH];
    value.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    assert!(Ticket::open(&keys, &value).is_none());
}
