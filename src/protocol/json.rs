//! JSON that somebody else wrote, read so that it has one meaning only (RFC 8259 section 4, RFC 7519 section 4).
//!
//! - A member that occurs twice in one object is an error, at every level: two readers of the document could otherwise see two different
//!   tokens.
//! - Nesting is bounded (`serde_json` stops at 128 levels), and so is the size, by whoever received the bytes.
//! - Nothing of the document appears in an error: it may be a token.

use std::fmt;

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

/// What `serde_json` calls a number when some crate of the build has asked it for arbitrary precision.
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
    let number = digits.parse::<u64>().map(Number::from).or_else(|_| digits.parse::<i64>().map(Number::from)).ok();
    number.or_else(|| digits.parse::<f64>().ok().and_then(Number::from_f64)).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// C-187
    #[test]
    fn a_member_given_twice_is_refused_at_every_level() {
        for document in [
            r#"{"iss":"a","iss":"a"}"#,
            r#"{"iss":"a","\u0069ss":"b"}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":[{"c":null,"c":null}]}]}"#,
            r#"[{"a":1,"a":1}]"#,
        ] {
            assert_eq!(value(document.as_bytes()), Err(Refused::Malformed), "{document}");
        }
        assert!(object(br#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for document in ["null", "[]", "\"{}\"", "1", "true"] {
            assert_eq!(object(document.as_bytes()), Err(Refused::NotAnObject), "{document}");
        }
        for document in ["", " ", "{", "{}{}", "{} x", "{'a':1}", "{\"a\":1,}", "\u{feff}{}", "{\"a\":1e400}", "{\"a\":NaN}"] {
            assert_eq!(object(document.as_bytes()), Err(Refused::Malformed), "{document}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(Refused::Malformed), "not UTF-8");
        assert_eq!(object(&b"[".repeat(100_000)), Err(Refused::Malformed), "nested too deeply");
    }

    #[test]
    fn the_private_members_of_serde_json_mean_nothing_special() {
        assert_eq!(value(br#"{"a":{"$serde_json::private::RawValue":"{\"admin\":true}"}}"#), Err(Refused::Malformed));
        assert_eq!(value(br#"{"$serde_json::private::Number":"17"}"#), Ok(json!(17)));
        assert_eq!(value(br#"{"$serde_json::private::Number":"1.5e3"}"#), Ok(json!(1500.0)));
        assert_eq!(value(br#"{"$serde_json::private::Number":"NaN"}"#), Err(Refused::Malformed));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = value(&bytes);
        }

        #[test]
        fn what_is_accepted_reads_the_same_everywhere(text in r#"[\[\]{}",:a\\u0-9 eE.+-]{0,64}"#) {
            if let Ok(strict) = value(text.as_bytes()) {
                prop_assert_eq!(strict, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
