//! The parser for JSON from outside: tokens, responses, key sets (RFC 8259, RFC 7519 section 4).
//!
//! - A repeated member name is an error at every level of the document. RFC 8259 section 4 leaves
//!   its meaning open, so two parsers could read two different tokens from the same signed text.
//! - Nesting is bounded: `serde_json` stops at 128 levels. The size is bounded before the bytes
//!   come here.
//! - An error holds no value of the document, which may be a token.
//!
//! Optional members are read through [`OptionalMembers`] only, so that one rule holds for every
//! optional claim and every optional member of a document.

use std::{borrow::Cow, cell::RefCell, fmt, time::Duration};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::shown;

/// The members of a JSON object.
pub(crate) type Object = Map<String, Value>;

/// Why a document was refused. Of its content it holds the name of a repeated member, no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not JSON, nested too deeply, or not UTF-8.
    Malformed,
    /// JSON in which an object has this member twice.
    Repeated(String),
    /// JSON, but not an object.
    NotAnObject,
}

impl JsonError {
    pub(crate) fn as_str(&self) -> Cow<'static, str> {
        match self {
            Self::Malformed => "not valid JSON, or it is nested too deeply".into(),
            Self::Repeated(name) => {
                format!("an object has the member {} twice", shown(name)).into()
            }
            Self::NotAnObject => "not a JSON object".into(),
        }
    }
}

/// Parses one JSON object with nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Result<Object, JsonError> {
    members(value(bytes)?)
}

/// The same, from text: no string in it is checked for UTF-8 again.
pub(crate) fn object_of_text(text: &str) -> Result<Object, JsonError> {
    members(read(serde_json::Deserializer::from_str(text))?)
}

fn members(value: Value) -> Result<Object, JsonError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Parses the JSON object of an HTTP response. A byte order mark before it, which some frameworks
/// write, is skipped, as RFC 8259 section 8.1 allows.
pub(crate) fn document(bytes: &[u8]) -> Result<Object, JsonError> {
    object(without_byte_order_mark(bytes))
}

/// The text without a byte order mark at its beginning.
pub(crate) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Parses one JSON value with nothing after it.
pub(crate) fn value(bytes: &[u8]) -> Result<Value, JsonError> {
    read(serde_json::Deserializer::from_slice(bytes))
}

fn read<'de>(
    mut source: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
) -> Result<Value, JsonError> {
    let repeated = RefCell::new(None);
    let value = ValueSeed { repeated: &repeated }
        .deserialize(&mut source)
        .map_err(|_| repeated.take().map_or(JsonError::Malformed, JsonError::Repeated))?;
    source.end().map_err(|_| JsonError::Malformed)?;
    Ok(value)
}

/// The member, if it is present and a string.
pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// The member, unless it is absent or `null`. Providers write `null` for a value that they do not
/// have.
pub(crate) fn present<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The text of a member that identifies, such as a user or a tenant; `None` if it is absent or not
/// 1 to 255 printable ASCII characters. An empty text would be the same ID for all users, and
/// control characters would reach the application's records and logs.
pub(crate) fn identifier<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    let is_printable = |id: &str| id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    text(object, name).filter(|id| (1..=255).contains(&id.len()) && is_printable(id))
}

/// The object without the members that are `null`, for a document of which every member may be
/// absent.
pub(crate) fn without_null(mut object: Object) -> Object {
    object.retain(|_, value| !value.is_null());
    object
}

/// The optional members of an object from outside.
///
/// - `null` counts as absent.
/// - A value of the wrong type counts as absent, too: a member that is not needed must not refuse
///   the document. A trace event names the member; its value is not logged, since it may be a
///   token.
/// - A number or a boolean may be written as a string, and a string may stand for an array.
///
/// Members that decide about security (`iss`, `aud`, `exp`, `iat`, a nonce that was sent, …) are
/// read strictly instead: present with the wrong type refuses the document.
#[derive(Clone, Copy)]
pub(crate) struct OptionalMembers<'a> {
    object: &'a Object,
    document: &'static str,
}

impl<'a> OptionalMembers<'a> {
    /// The optional members of `object`; `document` names it in trace events.
    pub(crate) fn of(object: &'a Object, document: &'static str) -> Self {
        Self { object, document }
    }

    /// The member as `parse` reads it; `None` if it is absent or `parse` returns `None`.
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
                "an optional member is ignored: its value has the wrong type or form"
            );
        }
        usable
    }

    /// A string that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.read(name, |value| value.as_str().filter(|text| !text.is_empty()))
    }

    /// A list of strings, as [`words`] reads it.
    pub(crate) fn words(&self, name: &str) -> Option<Vec<&'a str>> {
        self.read(name, words)
    }

    /// A duration, as [`seconds`] reads it.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        self.read(name, seconds)
    }
}

/// A list of strings: the strings of an array, or one string split at white space and commas.
///
/// `None` for other types, and for an array that has elements but no usable string.
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

/// A duration in seconds: a number from 0 on, or the same as a string. Fractions are cut off.
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

/// A boolean: also `"true"` and `"false"` in any letter case, and 1 and 0.
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

/// The member in which `serde_json` passes a number to a visitor if any crate of the build has
/// enabled its feature `arbitrary_precision`.
const NUMBER_MEMBER: &str = "$serde_json::private::Number";
/// The member by which `serde_json` recognises a `RawValue`: a document inside the document.
const RAW_MEMBER: &str = "$serde_json::private::RawValue";

/// Deserializes a [`Value`] and refuses repeated members, which `serde_json` would overwrite.
#[derive(Clone, Copy)]
struct ValueSeed<'r> {
    /// The name of the repeated member.
    repeated: &'r RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
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
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            // With `arbitrary_precision` every number comes as an object with this member.
            if name == NUMBER_MEMBER
                && let Some(digits) = value.as_str()
            {
                return number(digits).ok_or_else(|| A::Error::custom("not a number"));
            }
            // `RAW_MEMBER` written by a provider must not turn a string into JSON.
            if name == RAW_MEMBER {
                return Err(A::Error::custom("a reserved member"));
            }
            if object.contains_key(&name) {
                self.repeated.replace(Some(name));
                return Err(A::Error::custom("a repeated member"));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// The number as `serde_json` reads it without `arbitrary_precision`.
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
