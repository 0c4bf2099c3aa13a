//! [`ExtraParameters`]: the parameters of a token request that the crate does not know.

use std::{collections::BTreeMap, fmt};

use url::form_urlencoded;

use crate::codec;

/// Parameters in canonical form: form-encoded, sorted by name, each name once.
///
/// The encoding has one text for each set of pairs, so two sets are equal only if their texts are.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExtraParameters(Box<str>);

impl ExtraParameters {
    /// The same parameters with this one added, or replaced if there is one of that name.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: BTreeMap<_, _> =
            form_urlencoded::parse(self.0.as_bytes()).into_owned().collect();
        pairs.insert(name.to_owned(), value.to_owned());
        Self(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into())
    }

    /// The form-encoded text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExtraParameters {
    /// Writes the names alone, since a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(form_urlencoded::parse(self.0.as_bytes()).map(|(name, _)| name))
            .finish()
    }
}

impl codec::Value for ExtraParameters {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        <Box<str> as codec::Value>::read(bytes).map(Self)
    }
}
