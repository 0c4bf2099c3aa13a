//! [`SentSecrets`]: the secrets of a request, which the texts of its response must not repeat.

use std::{cmp::Reverse, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use memchr::memmem;
use url::form_urlencoded;

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

    /// The text without the secrets and pieces of them, as they are and form-encoded.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        let end = char_boundary(text, text.len().min(MAX_TEXT_BYTES));
        let text = text.get(..end).unwrap_or_default().to_owned();
        self.0.iter().fold(text, |text, secret| {
            let secret = secret.expose();
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let text = without(&text, secret);
            if encoded == secret { text } else { without(&text, &encoded) }
        })
    }
}

/// The text with `[redacted]` for everything that it has in common with the secret.
fn without(text: &str, secret: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(letter) = rest.chars().next() {
        let end = match common_length(rest, secret) {
            0 => {
                kept.push(letter);
                letter.len_utf8()
            }
            length => {
                kept.push_str("[redacted]");
                length
            }
        };
        rest = rest.get(end..).unwrap_or_default();
    }
    kept
}

/// The number of bytes at the beginning of the text that are a piece of the secret; 0 if it does
/// not begin with one.
fn common_length(text: &str, secret: &str) -> usize {
    let (text_bytes, secret) = (text.as_bytes(), secret.as_bytes());
    let piece = text_bytes.get(..PIECE.min(secret.len()));
    let Some(place) = piece.and_then(|piece| memmem::find(secret, piece)) else { return 0 };
    let rest = secret.get(place..).unwrap_or_default();
    let length = text_bytes.iter().zip(rest).take_while(|(one, other)| one == other).count();
    char_boundary(text, length)
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
    fn a_text_is_searched_up_to_a_limit() {
        let text = "ü".repeat(MAX_TEXT_BYTES);
        assert_eq!(shown(&["a secret of more"], &text).len(), MAX_TEXT_BYTES);
    }
}
