//! The values of settings as the description has them.

use std::{fmt, time::Duration};

use url::Url;

use super::{IdentityConfig, access::PathRule, description::SettingValue};
use crate::secret::Secret;

pub(super) fn text(value: impl fmt::Display) -> SettingValue {
    SettingValue::Text(value.to_string())
}

pub(super) fn optional(value: Option<impl fmt::Display>) -> SettingValue {
    value.map_or(SettingValue::Unset, text)
}

pub(super) fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> SettingValue {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { SettingValue::Unset } else { SettingValue::Text(items.join(" ")) }
}

pub(super) fn exact(rules: &[PathRule]) -> SettingValue {
    list(rules.iter().filter_map(|rule| match rule {
        PathRule::Exact(path) => Some(path),
        PathRule::Prefix(_) => None,
    }))
}

pub(super) fn prefixes(rules: &[PathRule]) -> SettingValue {
    list(rules.iter().filter_map(|rule| match rule {
        PathRule::Exact(_) => None,
        PathRule::Prefix(prefix) => Some(prefix),
    }))
}

/// The names are shown alone: a value may be a secret of the registration at the provider.
pub(super) fn parameters(pairs: &[(String, String)]) -> SettingValue {
    private((!pairs.is_empty()).then(|| {
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (pairs.join(" "), names.join(" "))
    }))
}

/// A URL is shown without its query, which may hold a secret.
pub(super) fn url(value: Option<&Url>) -> SettingValue {
    private(value.map(|url| {
        let shown = url.as_str().split_once('?').map(|(start, _)| format!("{start}?…"));
        (url.to_string(), shown.unwrap_or_else(|| url.to_string()))
    }))
}

/// A text about a user, or one that may have several lines: it is only shown that it is set.
pub(super) fn personal(value: Option<&String>) -> SettingValue {
    private(value.map(|value| (value.clone(), "set".to_owned())))
}

fn private(value_and_shown: Option<(String, String)>) -> SettingValue {
    value_and_shown.map_or(SettingValue::Unset, |(value, shown)| SettingValue::Private {
        value: Secret::from(value),
        shown,
    })
}

pub(super) fn algorithms(config: &IdentityConfig) -> SettingValue {
    match config.id_token_hmac {
        Some(hmac) => text(hmac),
        None => list(config.id_token_algorithms.iter().flatten()),
    }
}

pub(super) fn credential(config: &IdentityConfig) -> SettingValue {
    config.credential.clone().map_or(SettingValue::Unset, SettingValue::Credential)
}

/// A time in seconds, as the variable has it.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}
