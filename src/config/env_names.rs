//! The names of the variables that are read, and warnings about similar ones.

use std::{collections::BTreeSet, sync::LazyLock};

use super::{
    Finding,
    description::{Setting, rows},
    setting_table::{API_TABLE, TABLE},
};
use crate::error::ConfigError;

/// The prefix of the crate's variables.
pub(super) const PREFIX: &str = "IDENTITY_";

/// The variables of secrets: with the suffix `_FILE` each names a file that has the value.
const SECRETS: [&str; 3] =
    ["IDENTITY_CLIENT_CERTIFICATE_PASSWORD", "IDENTITY_CLIENT_SECRET", "IDENTITY_COOKIE_SECRET"];

static OF_SIGN_IN: LazyLock<BTreeSet<String>> = LazyLock::new(|| variables_in(TABLE));
static OF_APIS: LazyLock<BTreeSet<String>> = LazyLock::new(|| variables_in(API_TABLE));

/// The variables with the crate's prefix that the settings of a table are read from.
fn variables_in<C>(table: &[&[Setting<C>]]) -> BTreeSet<String> {
    let mut variables = BTreeSet::new();
    for row in rows(table) {
        variables.extend(row.name_as_variable());
        let others = row.variables.iter().filter(|name| name.starts_with(PREFIX));
        variables.extend(others.map(|name| (*name).to_owned()));
    }
    let files = SECRETS.iter().filter(|secret| variables.contains(**secret));
    let files: Vec<String> = files.map(|secret| format!("{secret}_FILE")).collect();
    variables.extend(files);
    variables
}

/// Every variable with the crate's prefix, in alphabetical order.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    OF_SIGN_IN.union(&OF_APIS).map(String::as_str)
}

/// Whether a variable is read. For the test of the remedies that name it.
#[cfg(test)]
pub(crate) fn reads_variable(name: &str) -> bool {
    known().any(|known| known == name)
}

/// Variables with the same prefix that Azure sets for managed identities (App Service, Functions,
/// Service Fabric, Arc).
const OF_THE_PLATFORM: &[&str] = &[
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_API_VERSION",
    "IDENTITY_SERVER_THUMBPRINT",
    "IDENTITY_PRINCIPAL_ID",
];

/// Names that other software uses, with the variable of this crate.
const MEANT: &[(&str, &str)] = &[
    ("IDENTITY_TENANT", "IDENTITY_AUTHORITY"),
    ("IDENTITY_TENANT_ID", "IDENTITY_AUTHORITY"),
    ("IDENTITY_TENANTID", "IDENTITY_AUTHORITY"),
    ("IDENTITY_ISSUER", "IDENTITY_OIDC_AUTHORITY"),
    ("IDENTITY_ISSUER_URL", "IDENTITY_OIDC_AUTHORITY"),
    ("IDENTITY_PROVIDER", "IDENTITY_AUTHORITY"),
    ("IDENTITY_PROVIDER_URL", "IDENTITY_AUTHORITY"),
    ("IDENTITY_SECRET", "IDENTITY_CLIENT_SECRET"),
    ("IDENTITY_SESSION_SECRET", "IDENTITY_COOKIE_SECRET"),
    ("IDENTITY_SECRET_KEY", "IDENTITY_COOKIE_SECRET"),
    ("IDENTITY_COOKIE_KEY", "IDENTITY_COOKIE_SECRET"),
    ("IDENTITY_CALLBACK_URL", "IDENTITY_REDIRECT_URI"),
    ("IDENTITY_REDIRECT_PATH", "IDENTITY_CALLBACK_PATH"),
    ("IDENTITY_URL", "IDENTITY_BASE_URL"),
    ("IDENTITY_PUBLIC_URL", "IDENTITY_BASE_URL"),
    ("IDENTITY_EXTERNAL_URL", "IDENTITY_BASE_URL"),
    ("IDENTITY_AUDIENCES", "IDENTITY_TRUSTED_AUDIENCES"),
    ("IDENTITY_ALGORITHMS", "IDENTITY_ID_TOKEN_ALGORITHMS"),
    ("IDENTITY_TOKEN_ENDPOINT_AUTH_METHOD", "IDENTITY_CLIENT_AUTH_METHOD"),
    ("IDENTITY_LEEWAY", "IDENTITY_CLOCK_LEEWAY"),
];

/// Whether a variable is read for `ApiConfig` alone.
pub(super) fn is_of_api(name: &str) -> bool {
    OF_APIS.contains(name) && !OF_SIGN_IN.contains(name)
}

/// Whether a variable has the prefix of the crate and is neither the platform's nor one of the
/// examples.
pub(super) fn is_of_crate(name: &str) -> bool {
    name.starts_with(PREFIX) && !is_of_others(name)
}

/// Why a variable has no effect.
pub(super) fn without_effect(name: &str) -> String {
    if is_of_api(name) {
        return "only an API reads it, by `ApiConfig`".into();
    }
    match (is_known(name), nearest(name)) {
        (true, _) => "an API does not read it".into(),
        (false, Some(meant)) => {
            format!("it is not a variable of this crate; is {meant} meant?")
        }
        (false, None) => "it is not a variable of this crate".into(),
    }
}

/// Whether a variable is read.
pub(super) fn is_known(name: &str) -> bool {
    OF_SIGN_IN.contains(name) || OF_APIS.contains(name)
}

/// The problem of a member that is no setting; `None` for one that Azure sets in the environment,
/// from which a configuration may be collected. The name of a member is that of the variable,
/// without the prefix and in lower case.
pub(super) fn unknown_member(name: &str) -> Option<String> {
    let variable = format!("{PREFIX}{}", name.replace('-', "_"));
    if is_of_others(&variable.to_ascii_uppercase()) {
        return None;
    }
    Some(match nearest(&variable) {
        Some(meant) => format!(
            "not a setting: is `{}` meant?",
            meant.trim_start_matches(PREFIX).to_ascii_lowercase()
        ),
        None => "not a setting: the documentation of `IdentityConfig::from_env` lists all \
                 variables, whose names without IDENTITY_ and in lower case are the settings"
            .into(),
    })
}

/// Whether a variable with the prefix belongs to the platform or to the examples for the
/// development provider.
fn is_of_others(name: &str) -> bool {
    OF_THE_PLATFORM.contains(&name) || name.starts_with("IDENTITY_DEV")
}

/// A warning for each variable with the crate's prefix that is not read. It is not an error,
/// because another program may use the prefix.
pub(super) fn unknown<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Finding> {
    sentences(names)
        .into_iter()
        .map(|sentence| Finding::warning("unknown_variable", sentence))
        .collect()
}

/// An error about a missing setting, with the variables that may be misspelt; any other error as it
/// is.
pub(super) fn with_unknown<'n>(
    error: ConfigError,
    names: impl IntoIterator<Item = &'n str>,
) -> ConfigError {
    match sentences(names).as_slice() {
        [] => error,
        _ if !error.any_is_missing() => error,
        sentences => error.with_sentence(&sentences.join(" ")),
    }
}

/// A sentence about each variable with the crate's prefix that is not read.
fn sentences<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut unknown: Vec<&str> =
        names.into_iter().filter(|name| is_of_crate(name) && !is_known(name)).collect();
    unknown.sort_unstable();
    unknown.into_iter().map(sentence).collect()
}

fn sentence(name: &str) -> String {
    let sentence = format!("{name} is set, which is not a variable of this crate");
    match nearest(name) {
        Some(meant) => format!("{sentence}: is {meant} meant?"),
        None => format!(
            "{sentence}: the documentation of `IdentityConfig::from_env` lists all variables."
        ),
    }
}

/// A text about variables as one about members: `IDENTITY_CLIENT_ID` is `client_id` there.
pub(super) fn in_words_of_members(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(PREFIX) {
        let end = after
            .find(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'))
            .unwrap_or(after.len());
        let (name, next) = after.split_at(end);
        words.push_str(before);
        words.push_str(&name.to_ascii_lowercase());
        rest = next;
    }
    words + rest
}

/// The known name with the smallest edit distance, if that is at most 3 and at most half of the
/// name.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    if let Some((_, meant)) = MEANT.iter().find(|(other, _)| *other == upper) {
        return Some(meant);
    }
    let plain = |name: &str| name.replace('_', "");
    let wanted = plain(&upper);
    // More edits suggest names that only have the prefix in common.
    let most = (wanted.len().saturating_sub(plain(PREFIX).len()) / 2).min(3);
    known()
        .map(|known| (distance(wanted.as_bytes(), plain(known).as_bytes()), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The Levenshtein distance: the number of bytes to change, insert or delete.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, byte) in one.iter().enumerate() {
        let mut before = at;
        let mut left = at + 1;
        for (cell, against) in row.iter_mut().skip(1).zip(other) {
            let here = (before + usize::from(byte != against)).min(left + 1).min(*cell + 1);
            before = *cell;
            *cell = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_about_an_unknown_variable_names_the_nearest_right_one() {
        for (name, meant) in [
            ("IDENTITY_SCOPES", "IDENTITY_SCOPE"),
            ("IDENTITY_CLIENTID", "IDENTITY_CLIENT_ID"),
            ("IDENTITY_CLIENT_SECRETS", "IDENTITY_CLIENT_SECRET"),
            ("IDENTITY_TENANT_ID", "IDENTITY_AUTHORITY"),
            ("IDENTITY_BASEURL", "IDENTITY_BASE_URL"),
            ("IDENTITY_REDIRECT_URL", "IDENTITY_REDIRECT_URI"),
            ("IDENTITY_OIDC_AUTHORTY", "IDENTITY_OIDC_AUTHORITY"),
            ("IDENTITY_COOKIE_SECRETS", "IDENTITY_COOKIE_SECRET"),
            ("IDENTITY_OPENID_SCOPE", "IDENTITY_OPENID_SCOPES"),
            ("IDENTITY_scope", "IDENTITY_SCOPE"),
            ("IDENTITY_ISSUER", "IDENTITY_OIDC_AUTHORITY"),
        ] {
            let found = unknown([name]);
            assert_eq!(found.len(), 1, "{name}");
            let text = found[0].to_string();
            assert!(text.contains(name) && text.contains(&format!("is {meant} meant")), "{text}");
            assert_eq!(found[0].severity(), crate::config::Severity::Warning);
        }
        assert!(
            unknown(["IDENTITY_SOMETHING_QUITE_DIFFERENT"])[0].to_string().contains("from_env")
        );
        assert_eq!(nearest("IDENTITY_PORT"), None, "a short name is near to nothing");
    }

    /// App Service sets these for managed identities.
    #[test]
    fn what_the_platform_sets_and_other_prefixes_are_not_ours_to_judge() {
        assert_eq!(
            unknown([
                "IDENTITY_ENDPOINT",
                "IDENTITY_HEADER",
                "IDENTITY_DEV",
                "IDENTITYX",
                "MY_IDENTITY_SCOPES",
                "PATH"
            ]),
            []
        );
        assert_eq!(unknown(known()), []);
    }

    #[test]
    fn a_name_that_is_read_is_corrected_to_no_other() {
        for (name, meant) in MEANT {
            assert!(!is_known(name) && is_known(meant), "{name}");
        }
    }

    #[test]
    fn names_are_as_far_apart_as_their_bytes() {
        for (one, other, wanted) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), wanted, "{one} {other}");
        }
    }
}
