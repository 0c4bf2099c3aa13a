//! The binary format of all sealed records: numbered fields, each `number (1 byte) · length
//! (LEB128) · bytes`.
//!
//! [`record!`] lists the fields of a struct with their numbers, and generates writing and reading.
//!
//! - A reader skips unknown numbers, so that a field can be added while processes of two versions
//!   share a store. The number of a removed field is never used again.
//! - An [`Option`] may be absent. A [`Vec`] has one field per item. A `bool` and a `u8` are written
//!   only if they are not zero. All other fields are required.
//! - Every length is checked, although sealed bytes were written by this crate.

use std::{sync::Arc, time::Duration};

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{clock::UnixTime, secret::Secret};

/// A type that is written as the bytes of one field.
pub(crate) trait Value: Sized {
    /// Appends the bytes of the value.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads a value from all of `bytes`; `None` if they are not valid.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// A member of a record, written as no, one or several fields with the same number.
pub(crate) trait Field: Sized {
    /// The fields of the member that have been read so far.
    type Read: Default;

    /// Appends the fields of the member.
    fn write_fields(&self, number: u8, out: &mut Vec<u8>);

    /// Reads one more field of the member; `None` if its bytes are not valid.
    fn take(read: &mut Self::Read, bytes: &[u8]) -> Option<()>;

    /// The member after all fields were read; `None` if a required field is missing.
    fn finish(read: Self::Read) -> Option<Self>;
}

/// Implements [`Value`](crate::codec::Value) for a struct, with a number for each member. Members
/// after the semicolon are not written, and read as their default.
macro_rules! record {
    ($record:ident { $($number:literal $member:ident),* $(,)? $(; $($skipped:ident),*)? }) => {
        impl $crate::codec::Value for $record {
            fn write(&self, out: &mut Vec<u8>) {
                $($crate::codec::Field::write_fields(&self.$member, $number, out);)*
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                $(let mut $member = $crate::codec::none_of(|record: &Self| &record.$member);)*
                let mut fields = $crate::codec::Fields(bytes);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        $($number => $crate::codec::take(
                            |record: &Self| &record.$member, &mut $member, value)?,)*
                        _ => {}
                    }
                }
                Some(Self {
                    $($member: $crate::codec::Field::finish($member)?,)*
                    $($($skipped: Default::default(),)*)?
                })
            }
        }
    };
}
pub(crate) use record;

/// Encodes a record. The bytes are wiped from memory when they are dropped; of a record of more
/// than 512 bytes the buffers that it outgrew are not.
pub(crate) fn encode(record: &impl Value) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    record.write(&mut bytes);
    bytes
}

/// The initial state for reading a member. `_of` only selects the member's type, in [`record!`].
pub(crate) fn none_of<R, F: Field>(_of: fn(&R) -> &F) -> F::Read {
    F::Read::default()
}

/// Reads one field of a member. `_of` only selects the member's type, in [`record!`].
pub(crate) fn take<R, F: Field>(_of: fn(&R) -> &F, read: &mut F::Read, bytes: &[u8]) -> Option<()> {
    F::take(read, bytes)
}

/// Appends one field. Its length is inserted after the value was written, because it is not known
/// before.
fn write_field(number: u8, value: &impl Value, out: &mut Vec<u8>) {
    out.push(number);
    let start = out.len();
    value.write(out);
    let mut length = out.len() - start;
    let mut at = start;
    while length >= 0x80 {
        out.insert(at, (length & 0x7f) as u8 | 0x80);
        length >>= 7;
        at += 1;
    }
    out.insert(at, length as u8);
}

/// A reader of the fields of a record, in the order in which they were written.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The number and bytes of the next field. `Some(None)` at the end, `None` if the bytes are not
    /// valid.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator cannot tell its end from a fault"
    )]
    pub(crate) fn next(&mut self) -> Option<Option<(u8, &'a [u8])>> {
        let Some((number, mut rest)) = self.0.split_first() else { return Some(None) };
        let mut length = 0_usize;
        // At most four bytes of LEB128: lengths up to 2^28.
        for shift in (0..28).step_by(7) {
            let (byte, after) = rest.split_first()?;
            rest = after;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let (value, after) = rest.split_at_checked(length)?;
                self.0 = after;
                return Some(Some((*number, value)));
            }
        }
        None
    }
}

impl<T: Value> Field for T {
    type Read = Option<T>;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        write_field(number, self, out);
    }

    fn take(read: &mut Option<T>, bytes: &[u8]) -> Option<()> {
        *read = Some(T::read(bytes)?);
        Some(())
    }

    fn finish(read: Option<T>) -> Option<T> {
        read
    }
}

impl<T: Value> Field for Option<T> {
    type Read = Self;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        if let Some(value) = self {
            write_field(number, value, out);
        }
    }

    fn take(read: &mut Self, bytes: &[u8]) -> Option<()> {
        *read = Some(T::read(bytes)?);
        Some(())
    }

    fn finish(read: Self) -> Option<Self> {
        Some(read)
    }
}

impl<T: Value> Field for Vec<T> {
    type Read = Self;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        self.iter().for_each(|value| write_field(number, value, out));
    }

    fn take(read: &mut Self, bytes: &[u8]) -> Option<()> {
        read.push(T::read(bytes)?);
        Some(())
    }

    fn finish(read: Self) -> Option<Self> {
        Some(read)
    }
}

impl Field for bool {
    type Read = Self;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        if *self {
            write_field(number, &1_i64, out);
        }
    }

    fn take(read: &mut Self, _: &[u8]) -> Option<()> {
        *read = true;
        Some(())
    }

    fn finish(read: Self) -> Option<Self> {
        Some(read)
    }
}

impl Field for u8 {
    type Read = Self;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        if *self > 0 {
            write_field(number, &i64::from(*self), out);
        }
    }

    fn take(read: &mut Self, bytes: &[u8]) -> Option<()> {
        *read = i64::read(bytes)?.try_into().ok()?;
        Some(())
    }

    fn finish(read: Self) -> Option<Self> {
        Some(read)
    }
}

/// Big-endian without leading zero bytes; zero has no bytes.
impl Value for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes().into_iter().skip_while(|byte| *byte == 0));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut all = [0; 8];
        let start = all.len().checked_sub(bytes.len())?;
        all.get_mut(start..)?.copy_from_slice(bytes);
        Some(Self::from_be_bytes(all))
    }
}

impl Value for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        i64::from(*self).write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        i64::read(bytes)?.try_into().ok()
    }
}

impl Value for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        self.cast_signed().write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        i64::read(bytes).map(i64::cast_unsigned)
    }
}

/// Seconds since the Unix epoch.
impl Value for UnixTime {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_seconds().write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        i64::read(bytes).map(Self::from_seconds)
    }
}

/// Whole seconds.
impl Value for Duration {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_secs().write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::from_secs)
    }
}

impl<const N: usize> Value for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl<const N: usize> Value for Zeroizing<[u8; N]> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self[..]);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }
}

macro_rules! text {
    ($text:ty, $get:expr) => {
        impl Value for $text {
            fn write(&self, out: &mut Vec<u8>) {
                let get: fn(&Self) -> &str = $get;
                out.extend_from_slice(get(self).as_bytes());
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                std::str::from_utf8(bytes).ok().map(Into::into)
            }
        }
    };
}

text!(Box<str>, |text| text);
text!(String, String::as_str);
text!(Secret, Secret::expose);

/// The JSON text.
impl Value for Box<RawValue> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.get().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        RawValue::from_string(String::read(bytes)?).ok()
    }
}

impl<T: Value> Value for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        T::read(bytes).map(Self::new)
    }
}

impl<T: Value> Value for Arc<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        T::read(bytes).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Inner {
        count: i64,
        text: Option<String>,
    }
    record!(Inner { 1 count, 2 text });

    #[derive(Debug, Default, PartialEq)]
    struct Outer {
        name: Box<str>,
        inner: Inner,
        items: Vec<Inner>,
        is_set: bool,
        step: u8,
        id: [u8; 4],
    }
    record!(Outer { 1 name, 2 inner, 3 items, 4 is_set, 5 step, 200 id });

    /// An older version of the record, with fewer fields.
    #[derive(Debug, PartialEq)]
    struct Older {
        name: Box<str>,
    }
    record!(Older { 1 name });

    fn outer(name: &str, count: i64) -> Outer {
        let inner = |count| Inner { count, text: Some("t".repeat(300)) };
        Outer {
            name: name.into(),
            inner: inner(count),
            items: vec![Inner::default(), inner(1)],
            is_set: true,
            step: 9,
            id: [1, 2, 3, 4],
        }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        for record in [outer("n", i64::MIN), outer("", i64::MAX), Outer::default()] {
            assert_eq!(Outer::read(&encode(&record)), Some(record));
        }
    }

    #[test]
    fn the_bytes_are_number_length_and_value() {
        let bytes = encode(&Inner { count: 258, text: Some("ab".into()) });
        assert_eq!(**bytes, [1, 2, 1, 2, 2, 2, b'a', b'b']);
        let long = encode(&Inner { count: 0, text: Some("x".repeat(300)) });
        assert_eq!(long.get(..5), Some(&[1, 0, 2, 0b1010_1100, 0b10][..]));
    }

    #[test]
    fn unknown_fields_are_skipped_and_missing_ones_refused() {
        assert_eq!(Older::read(&encode(&outer("n", 1))), Some(Older { name: "n".into() }));
        assert_eq!(Outer::read(&encode(&Older { name: "n".into() })), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_no_field() {
        for broken in [&[1_u8][..], &[1, 2, 0], &[1, 0x80], &[1, 0xff, 0xff, 0xff, 0xff, 1]] {
            assert_eq!(Older::read(broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(bytes: Vec<u8>) {
            let _ = Outer::read(&bytes);
        }

        #[test]
        fn any_number_is_read_as_it_was_written(number: i64, small: u32, large: u64) {
            prop_assert_eq!(i64::read(&encode(&number)), Some(number));
            prop_assert_eq!(u32::read(&encode(&small)), Some(small));
            prop_assert_eq!(u64::read(&encode(&large)), Some(large));
        }
    }
}
