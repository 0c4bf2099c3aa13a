//! Tagged fields, the plain form of everything that is sealed here: `tag, length, bytes`, length as
//! LEB128.
//!
//! A reader skips tags that it does not know, so that a field can be added while old and new
//! processes share a store. Values are sealed, hence written by this crate; the reader trusts no
//! length all the same.

/// Collects fields.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(super) fn bytes(&mut self, tag: u8, value: &[u8]) {
        self.0.push(tag);
        let mut length = value.len();
        while length >= 0x80 {
            self.0.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        self.0.push(length as u8);
        self.0.extend_from_slice(value);
    }

    /// A string, left out if there is none.
    pub(super) fn text(&mut self, tag: u8, value: Option<&str>) {
        if let Some(value) = value {
            self.bytes(tag, value.as_bytes());
        }
    }

    /// A number in as few bytes as it needs, most significant first; zero is an empty field.
    pub(super) fn number(&mut self, tag: u8, value: i64) {
        let bytes = value.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.bytes(tag, bytes.get(zeros..).unwrap_or_default());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

/// The bytes are not fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        let Some((tag, mut rest)) = self.0.split_first() else { return Ok(None) };
        let mut length = 0_usize;
        for shift in (0..28).step_by(7) {
            let (byte, after) = rest.split_first().ok_or(Malformed)?;
            rest = after;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let (value, after) = rest.split_at_checked(length).ok_or(Malformed)?;
                self.0 = after;
                return Ok(Some((*tag, value)));
            }
        }
        Err(Malformed)
    }
}

/// A string field.
pub(super) fn text(value: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(value).map_err(|_| Malformed)
}

/// A number field.
pub(super) fn number(value: &[u8]) -> Result<i64, Malformed> {
    let mut bytes = [0; 8];
    let start = bytes.len().checked_sub(value.len()).ok_or(Malformed)?;
    bytes.get_mut(start..).ok_or(Malformed)?.copy_from_slice(value);
    Ok(i64::from_be_bytes(bytes))
}

/// A field of exactly `N` bytes.
pub(super) fn array<const N: usize>(value: &[u8]) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_take_as_few_bytes_as_they_need() {
        for value in [0, 1, 255, 256, 1_700_000_000, -1, i64::MAX, i64::MIN] {
            let mut writer = Writer::default();
            writer.number(7, value);
            let written = writer.finish();
            let (tag, bytes) = Reader::new(&written).next().unwrap().unwrap();
            assert_eq!((tag, number(bytes)), (7, Ok(value)));
        }
        assert_eq!(number(&[0; 9]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(fields: Vec<(u8, Vec<u8>)>, long in 0..40_000_usize) {
            let mut writer = Writer::default();
            for (tag, value) in &fields {
                writer.bytes(*tag, value);
            }
            writer.bytes(9, &vec![1; long]);
            let written = writer.finish();
            let mut reader = Reader::new(&written);
            for (tag, value) in &fields {
                prop_assert_eq!(reader.next(), Ok(Some((*tag, &value[..]))));
            }
            prop_assert_eq!(reader.next().map(|field| field.map(|(_, value)| value.len())), Ok(Some(long)));
            prop_assert_eq!(reader.next(), Ok(None));
        }

        #[test]
        fn any_bytes_are_fields_or_malformed(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some((_, value))) = reader.next() {
                let _ = (text(value), number(value), array::<16>(value));
            }
        }
    }
}
