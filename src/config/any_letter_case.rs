//! Tables whose names are compared without their letter case, as in .NET.

use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess};
use serde_json::Value;

use super::azure_ad_ignored;

/// A map access that yields the names of members in lower case, and notes the members of an
/// `AzureAd` section that have no effect.
pub(super) struct AnyLetterCase<'n, M> {
    members: M,
    ignored: &'n mut Vec<&'static str>,
    /// The last name, if it has no effect.
    without_effect: Option<&'static str>,
}

impl<'n, M> AnyLetterCase<'n, M> {
    pub(super) fn new(members: M, ignored: &'n mut Vec<&'static str>) -> Self {
        Self { members, ignored, without_effect: None }
    }
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for AnyLetterCase<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, M::Error> {
        let Some(name) = self.members.next_key::<String>()? else { return Ok(None) };
        self.without_effect = azure_ad_ignored::known(&name);
        seed.deserialize(name.to_ascii_lowercase().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        let Some(member) = self.without_effect.take() else {
            return self.members.next_value_seed(seed);
        };
        // A member that is empty or switched off has no effect in .NET either.
        let is_off = match self.members.next_value::<Value>()? {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => {
                text.trim().is_empty() || azure_ad_ignored::is_done_anyway(member, &text)
            }
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(true) | Value::Number(_) => false,
        };
        if !is_off {
            self.ignored.push(member);
        }
        seed.deserialize(().into_deserializer())
    }
}

/// Implements `Deserialize` for a struct with `serde(remote = "Self")`, whose members are matched
/// in any letter case. `$finish` gets the struct and the members without effect.
macro_rules! deserialize_in_any_letter_case {
    ($name:ident, $expected:literal, $finish:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct MemberVisitor;
                impl<'de> Visitor<'de> for MemberVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<$name, M::Error> {
                        let mut ignored = Vec::new();
                        let members = AnyLetterCase::new(map, &mut ignored);
                        // The inherent function that the derive makes for `remote = "Self"`.
                        let read = <$name>::deserialize(MapAccessDeserializer::new(members))?;
                        Ok($finish(read, ignored))
                    }
                }
                deserializer.deserialize_map(MemberVisitor)
            }
        }
    };
}

pub(super) use deserialize_in_any_letter_case;
