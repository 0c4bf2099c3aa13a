//! [`SentSecrets`]: the secrets of a request, which the texts of its response must not repeat.

use std::{cmp::Reverse, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use memchr::memmem;

use crate::secret::Secret;

/// The least length of a secret that is searched for, in bytes. Shorter values occur in texts by
/// chance, and are no codes or tokens.
const SHORTEST: usize = 8;

/// The least length of a piece of a secret that is taken out, in bytes: some providers shorten the
/// values that they repeat.
const PIECE: usize = 12;

/// The length up to which a text is searched and kept, in bytes. Every text that an error keeps is
/// shorter.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The secrets of a request. Some providers repeat a parameter in the error that refuses it, whole
/// or in part. [`Channel::send`] adds the secrets to the extensions of the response, and they are
/// taken out of its texts: no code and no token reaches an error or a log (security rule 19).
///
/// [`Channel::send`]: super::channel::Channel::send
#[derive(Clone, Default)]
pub(super) struct SentSecrets(Arc<[Secret]>);

impl SentSecrets {
    pub(super) fn new(mut secrets: Vec<Secret>) -> Self {
        secrets.retain(|secret| secret.expose().len() >= SHORTEST);
        // The longest first: a secret that another one contains would leave the rest of that one.
        secrets.sort_by_key(|secret| Reverse(secret.expose().len()));
        Self(secrets.into())
    }

    /// The secrets of a request that is about to be sent, if it has any.
    pub(super) fn sent_with(request: &Request<Bytes>) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// The secrets of the request that this response answers.
    pub(super) fn of(answer: &Response<Bytes>) -> Self {
        answer.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// The text without the secrets and pieces of them: as they are, form-encoded, and in the
    /// entities of HTML.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        let end = char_boundary(text, text.len().min(MAX_TEXT_BYTES));
        let text = text.get(..end).unwrap_or_default().to_owned();
        self.0.iter().fold(text, |text, secret| {
            let secret = secret.expose().as_bytes();
            let text = without(&text, secret, |_| None);
            let text = match text.contains(['%', '+']) {
                true => without(&text, secret, form_escape),
                false => text,
            };
            if text.contains('&') { without(&text, secret, html_entity) } else { text }
        })
    }
}

/// An escape at the beginning of a text: the bytes that it stands for, and its length.
type Escape = Option<(Vec<u8>, usize)>;

/// An escape of `application/x-www-form-urlencoded`, in any letter case.
fn form_escape(text: &str) -> Escape {
    if text.starts_with('+') {
        return Some((b" ".to_vec(), 1));
    }
    let digits = text.strip_prefix('%')?.get(..2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten().map(|byte| (vec![byte], 3))
}

/// An entity of HTML: a character by its number, or one of those that every escaping function
/// writes.
fn html_entity(text: &str) -> Escape {
    /// The length of the longest entity that is read: `&#x0010ffff;`.
    const LONGEST: usize = 12;
    let (name, _) = text.strip_prefix('&')?.split_once(';')?;
    if name.len() + 2 > LONGEST {
        return None;
    }
    let letter = match name.strip_prefix('#') {
        Some(number) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        })?,
        None => match name.to_ascii_lowercase().as_str() {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        },
    };
    Some((letter.to_string().into_bytes(), name.len() + 2))
}

/// The text with `[redacted]` for everything that it has in common with the secret, once its
/// escapes are read.
fn without(text: &str, secret: &[u8], escape: impl Fn(&str) -> Escape) -> String {
    let read = ReadText::of(text, escape);
    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    while at < read.bytes.len() {
        let common = common_length(read.bytes.get(at..).unwrap_or_default(), secret);
        // A character is taken out whole or not at all.
        let is_whole = |length: &usize| *length == 0 || read.begins_character(at + length);
        let length = (0..=common).rev().find(is_whole).unwrap_or_default();
        if length > 0 {
            kept.push_str("[redacted]");
            at += length;
            continue;
        }
        let next = read.next_character(at);
        kept.push_str(text.get(read.place(at)..read.place(next)).unwrap_or_default());
        at = next;
    }
    kept
}

/// A text once its escapes are read.
struct ReadText {
    bytes: Vec<u8>,
    /// For each byte the place in the text where its character or escape begins.
    places: Vec<usize>,
    /// The length of the text.
    end: usize,
}

impl ReadText {
    fn of(text: &str, escape: impl Fn(&str) -> Escape) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        let mut places = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let (read, length) = escape(rest)
                .unwrap_or_else(|| (letter.to_string().into_bytes(), letter.len_utf8()));
            places.extend(std::iter::repeat_n(text.len() - rest.len(), read.len()));
            bytes.extend(read);
            rest = rest.get(length..).unwrap_or_default();
        }
        Self { bytes, places, end: text.len() }
    }

    fn place(&self, byte: usize) -> usize {
        self.places.get(byte).copied().unwrap_or(self.end)
    }

    /// Whether a character or escape begins at this byte, which is not the first.
    fn begins_character(&self, byte: usize) -> bool {
        self.place(byte) != self.place(byte - 1)
    }

    /// The byte at which the next character or escape begins.
    fn next_character(&self, byte: usize) -> usize {
        let end = self.bytes.len();
        (byte + 1..=end).find(|next| self.begins_character(*next)).unwrap_or(end)
    }
}

/// The number of bytes at the beginning of the text that are a piece of the secret; 0 if it does
/// not begin with one.
fn common_length(text: &[u8], secret: &[u8]) -> usize {
    let piece = text.get(..PIECE.min(secret.len()));
    let Some(place) = piece.and_then(|piece| memmem::find(secret, piece)) else { return 0 };
    let rest = secret.get(place..).unwrap_or_default();
    text.iter().zip(rest).take_while(|(one, other)| one == other).count()
}

/// The last boundary between two characters at or before this byte.
fn char_boundary(text: &str, byte: usize) -> usize {
    (0..=byte).rev().find(|byte| text.is_char_boundary(*byte)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secrets: &[&str], text: &str) -> String {
        SentSecrets::new(secrets.iter().copied().map(Secret::from).collect()).taken_out_of(text)
    }

    #[test]
    fn a_secret_that_begins_like_another_one_is_taken_out_whole() {
        let texts = ["ada.lovelace", "ada.lovelace-1843", "ada.lovelace-1843/b"];
        for text in texts {
            assert_eq!(shown(&texts, &format!("not {text}!")), "not [redacted]!");
        }
    }

    #[test]
    fn a_piece_of_a_secret_is_taken_out_too() {
        let secret = "A1b2C3d4E5f6G7h8I9j0K1l2";
        for (text, expected) in [
            ("unknown A1b2C3d4E5f6G7h…", "unknown [redacted]…"),
            ("unknown …E5f6G7h8I9j0K1l2", "unknown …[redacted]"),
            ("'A1b2C3d4E5f6' + 'G7h8I9j0K1l2'", "'[redacted]' + '[redacted]'"),
            ("A1b2C3d4E5f6G7h8I9j0K1l2A1b2C3d4E5f6G7h8I9j0K1l2", "[redacted][redacted]"),
            ("it begins with A1b2", "it begins with A1b2"),
            ("", ""),
        ] {
            assert_eq!(shown(&[secret], text), expected);
        }
    }

    #[test]
    fn a_secret_is_taken_out_in_each_of_its_forms() {
        let secret = "p+q/r s=ünïcode%";
        assert_eq!(shown(&[secret], &format!("<{secret}>")), "<[redacted]>");
        assert_eq!(shown(&[secret], "<p%2Bq%2Fr+s%3D%C3%BCn%C3%AFcode%25>"), "<[redacted]>");
        assert_eq!(shown(&["short"], "a short text"), "a short text");
    }

    #[test]
    fn a_secret_is_taken_out_in_lower_hex_and_in_the_entities_of_html() {
        let secret = "p+q/r&s=ün<ïcode>'%\"";
        for echo in [
            "p%2bq%2fr%26s%3d%c3%bcn%3c%c3%afcode%3e%27%25%22",
            "p%2Bq%2fr%26s%3D%c3%BCn%3C%C3%afcode%3e'%25%22",
            "p+q/r&amp;s=ün&lt;ïcode&gt;&#39;%&quot;",
            "p&#43;q&#x2F;r&#38;s&#x3d;&#252;n&LT;&#xEF;code&gt;&apos;&#37;&#34;",
        ] {
            assert_eq!(shown(&[secret], &format!("<{echo}>")), "<[redacted]>", "{echo}");
        }
        for text in ["100% & more; 5 &lt; 6", "%zz &#xzz; &; &#0; %", "ü&ü;%c3"] {
            assert_eq!(shown(&[secret], text), text);
        }
    }

    #[test]
    fn a_text_is_searched_up_to_a_limit() {
        let text = "ü".repeat(MAX_TEXT_BYTES);
        assert_eq!(shown(&["a secret of more"], &text).len(), MAX_TEXT_BYTES);
    }
}
