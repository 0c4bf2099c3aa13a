//! JSON that somebody else wrote, read so that it has one meaning only (RFC 8259 section 4, RFC
//! 7519 section 4).
//!
//! - A member that occurs twice in one object is an error, at every level: two readers of the
//!   document could otherwise see two different tokens.
//! - Nesting is bounded (`serde_json` stops at 128 levels), and so is the size, by whoever received
//!   the bytes.
//! - Nothing of the document appears in an error: it may be a token.
//!
//! What is optional is read by [`OptionalMembers`] alone, so that one rule holds for every claim
//! and every member of every document.

use std::{fmt, time::Duration};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of a JSON object.
pub(crate) type Object = Map<String, Value>;

/// Why a document was refused; never what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not JSON, nested too deeply, not UTF-8, or with a member twice.
    Malformed,
    /// JSON, but not an object.
    NotAnObject,
}

impl Refused {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "it is not JSON without repeated members",
            Self::NotAnObject => "it is not a JSON object",
        }
    }
}

/// Reads one JSON object and nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Result<Object, Refused> {
    match value(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refused::NotAnObject),
    }
}

/// Reads the one JSON object of an HTTP answer. A byte order mark in front of it, which some
/// editors and frameworks write, is left out (RFC 8259 section 8.1 allows that). A token has none.
pub(crate) fn document(bytes: &[u8]) -> Result<Object, Refused> {
    object(without_mark(bytes))
}

/// The text without the byte order mark that may stand in front of it.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads one JSON value and nothing after it.
pub(crate) fn value(bytes: &[u8]) -> Result<Value, Refused> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut source).map_err(|_| Refused::Malformed)?;
    source.end().map_err(|_| Refused::Malformed)?;
    Ok(value)
}

/// The member as text, if it is there and is text.
pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// The member, unless it is absent or `null`: providers write `null` for what they have not.
pub(crate) fn present<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The optional members of an object that somebody else wrote.
///
/// - `null` is absent.
/// - A member whose value is of no use is absent, too, and a trace event names it: what nobody
///   needs must not void what is needed. The value is not in the event, because it may be a token.
/// - A number may be written as text, a truth value too, and one text may stand for a list.
///
/// A member that decides (`iss`, `aud`, `exp`, `iat`, a nonce that was sent, …) is not read by
/// this.
#[derive(Clone, Copy)]
pub(crate) struct OptionalMembers<'a> {
    object: &'a Object,
    document: &'static str,
}

impl<'a> OptionalMembers<'a> {
    /// Those of an object; `document` is its name in the event.
    pub(crate) fn of(object: &'a Object, document: &'static str) -> Self {
        Self { object, document }
    }

    /// The member as `parse` understands it; `None` where it is absent or of no use.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let usable = parse(present(self.object, name)?);
        if usable.is_none() {
            tracing::trace!(
                document = self.document,
                member = name,
                "an optional member is left out: its value is of no use"
            );
        }
        usable
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.read(name, |value| value.as_str().filter(|text| !text.is_empty()))
    }

    /// A list of words, as [`words`] reads it.
    pub(crate) fn words(&self, name: &str) -> Option<Vec<&'a str>> {
        self.read(name, words)
    }

    /// A lifetime, as [`seconds`] reads it.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        self.read(name, seconds)
    }
}

/// The texts of a list, or the words of one text with spaces or commas between them.
pub(crate) fn words(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Array(items) => {
            let texts: Vec<&str> =
                items.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect();
            (items.is_empty() || !texts.is_empty()).then_some(texts)
        }
        Value::String(text) => {
            Some(text.split([' ', ',', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect())
        }
        _ => None,
    }
}

/// A lifetime in seconds: a number that is not negative, or the same as text. Fractions are cut
/// off.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    let of_float = |seconds: f64| (seconds.is_finite() && seconds >= 0.0).then_some(seconds as u64);
    let whole = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(of_float)),
        Value::String(text) => {
            let text = text.trim();
            let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            text.parse()
                .ok()
                .or_else(|| text.parse().ok().filter(|_| is_decimal).and_then(of_float))
        }
        _ => None,
    };
    whole.map(Duration::from_secs)
}

/// A truth value, also as text or number.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        Value::Number(number) => {
            number.as_u64().filter(|number| *number <= 1).map(|number| number == 1)
        }
        _ => None,
    }
}

/// What `serde_json` calls a number when some crate of the build has asked it for arbitrary
/// precision.
const NUMBER_MEMBER: &str = "$serde_json::private::Number";
/// What `serde_json` would read as a document inside the document.
const RAW_MEMBER: &str = "$serde_json::private::RawValue";

/// Builds a [`Value`], refusing what `serde_json` lets pass.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if name == NUMBER_MEMBER
                && let Some(digits) = value.as_str()
            {
                return number(digits).ok_or_else(|| A::Error::custom("not a number"));
            }
            if name == RAW_MEMBER || object.insert(name, value).is_some() {
                return Err(A::Error::custom("a repeated or reserved member"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// The number as it would have been read without arbitrary precision.
fn number(digits: &str) -> Option<Value> {
    let number = digits
        .parse::<u64>()
        .map(Number::from)
        .or_else(|_| digits.parse::<i64>().map(Number::from))
        .ok();
    number.or_else(|| digits.parse::<f64>().ok().and_then(Number::from_f64)).map(Value::Number)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
