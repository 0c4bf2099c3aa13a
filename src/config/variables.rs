//! Access to environment variables, where several names can set the same value.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
};

use super::{env_names, mistakes::Mistakes};
use crate::{error::ConfigError, secret::Secret, strings::without_byte_order_mark};

/// The environment as functions, so that tests do not change their process.
pub(super) struct Variables<'a> {
    /// Where they are written.
    pub(super) source: Source,
    /// The value of a variable.
    get: &'a dyn Fn(&str) -> Option<OsString>,
    /// The names of all variables.
    pub(super) names: &'a [String],
    /// Reads a file, for the variables whose name ends in `_FILE`.
    read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The name of a variable as it is written, if it is a member of a file.
    label: Option<&'a dyn Fn(&str) -> String>,
    /// The names of those that were read and had a value.
    used: RefCell<Vec<String>>,
    /// Mistakes after which reading went on.
    mistakes: RefCell<Mistakes>,
}

/// Where settings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The environment of this process.
    Environment,
    /// The members of a file, or of another serde source.
    Members,
}

/// The prefix of variables that are matched in any letter case, as .NET does.
const ANY_LETTER_CASE: &str = "AzureAd__";

/// A value and the variable that it was read from.
#[derive(Clone, Debug)]
pub(super) struct NamedValue<T> {
    pub(super) name: String,
    pub(super) value: T,
}

impl<'a> Variables<'a> {
    pub(super) fn new(
        source: Source,
        get: &'a dyn Fn(&str) -> Option<OsString>,
        names: &'a [String],
        read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    ) -> Self {
        let (used, mistakes) = (RefCell::default(), RefCell::default());
        Self { source, get, names, read_file, label: None, used, mistakes }
    }

    /// The result of reading these variables with `read`. All errors of a configuration from
    /// variables pass here, where one about a missing setting gets the variables that may be
    /// meant for it.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let set = || self.names.iter().map(String::as_str).filter(|name| self.has_value(name));
        self.together(read(self)).map_err(|error| env_names::with_unknown(error, set()))
    }

    /// Notes a mistake for [`together`](Self::together). Reading goes on.
    pub(super) fn note(&self, mistake: ConfigError) {
        self.mistakes.borrow_mut().add(mistake);
    }

    /// Whether one of the noted mistakes is that a setting is missing.
    pub(super) fn is_one_missing(&self) -> bool {
        self.mistakes.borrow().is_one_missing()
    }

    /// The value of one setting; `None` after a mistake, which [`together`](Self::together)
    /// reports. Other settings do not depend on it.
    pub(super) fn value<T>(&self, checked: Result<T, ConfigError>) -> Option<T> {
        self.mistakes.borrow_mut().value(checked)
    }

    /// A configuration with one setting more, or as it is if the value is a mistake.
    pub(super) fn with<C: Clone>(
        &self,
        config: C,
        setting: NamedValue<String>,
        set: impl FnOnce(C, &str) -> Result<C, ConfigError>,
    ) -> C {
        let changed = set(config.clone(), &setting.value);
        self.value(changed.map_err(|error| error.named(setting.name))).unwrap_or(config)
    }

    /// The outcome of reading, with all mistakes after which it went on.
    pub(super) fn together<T>(&self, outcome: Result<T, ConfigError>) -> Result<T, ConfigError> {
        let mut mistakes = self.mistakes.take();
        let value = mistakes.value(outcome);
        mistakes.end(value)
    }

    /// Sets how a variable is called where it is written.
    pub(super) fn with_labels(mut self, label: &'a dyn Fn(&str) -> String) -> Self {
        self.label = Some(label);
        self
    }

    /// The variables that were read and had a value, each with its name where it is written.
    pub(super) fn used(&self) -> Vec<(String, String)> {
        self.used.borrow().iter().map(|name| (name.clone(), self.label(name))).collect()
    }

    /// The name of a variable where it is written.
    pub(super) fn label(&self, name: &str) -> String {
        self.label.map_or_else(|| name.to_owned(), |label| label(name))
    }

    /// Whether a variable has a value. This does not count as reading it.
    pub(super) fn has_value(&self, name: &str) -> bool {
        self.unread(name).is_some_and(|value| !value.trim().is_empty())
    }

    /// Whether a variable has a value other than `false`. This does not count as reading it.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.unread(name).is_some_and(|value| {
            !value.trim().is_empty() && !value.trim().eq_ignore_ascii_case("false")
        })
    }

    /// The text of a variable. This does not count as reading it.
    pub(super) fn unread(&self, name: &str) -> Option<String> {
        Some((self.get)(name)?.to_string_lossy().into_owned())
    }

    /// The part of a variable's name after that of the `AzureAd` section.
    pub(super) fn section_member(name: &str) -> Option<&str> {
        let (prefix, member) = name.split_at_checked(ANY_LETTER_CASE.len())?;
        prefix.eq_ignore_ascii_case(ANY_LETTER_CASE).then_some(member)
    }

    /// The positions of a list of the `AzureAd` section that variables have, in order. As in .NET,
    /// an empty or missing item does not end the list.
    pub(super) fn positions(&self, list: &str) -> BTreeSet<u32> {
        let of_list = |name: &String| {
            let mut parts = Self::section_member(name)?.split("__");
            parts.next().filter(|member| member.eq_ignore_ascii_case(list))?;
            parts.next()?.parse().ok()
        };
        self.names.iter().filter_map(of_list).collect()
    }

    /// Whether a variable of this item of the `AzureAd` section has a value.
    pub(super) fn has_members(&self, item: &str) -> bool {
        let is_of_item = |name: &str| {
            let member =
                Self::section_member(name).and_then(|path| path.split_at_checked(item.len()));
            member.is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(item) && rest.starts_with("__")
            })
        };
        self.names.iter().any(|name| is_of_item(name) && self.has_value(name))
    }

    /// Takes back that a variable was read, because its value is for another application.
    pub(super) fn ignore(&self, name: &str) {
        self.used.borrow_mut().retain(|used| used != name);
    }

    /// The value of a variable. An empty one counts as missing, because compose files cannot omit a
    /// variable.
    pub(super) fn text(&self, name: &str) -> Result<Option<NamedValue<String>>, ConfigError> {
        let mut first = self.exactly(name)?;
        if !name.starts_with(ANY_LETTER_CASE) {
            return Ok(first);
        }
        for other in
            self.names.iter().filter(|other| other.eq_ignore_ascii_case(name) && *other != name)
        {
            match (&first, self.exactly(other)?) {
                (_, None) => {}
                (Some(one), Some(other)) if one.value != other.value => {
                    return Err(ConfigError::new(
                        other.name,
                        format!(
                            "contradicts {}, which is the same variable to .NET: remove one",
                            one.name
                        ),
                    ));
                }
                (Some(_), Some(_)) => {}
                (None, other) => first = other,
            }
        }
        Ok(first)
    }

    fn exactly(&self, name: &str) -> Result<Option<NamedValue<String>>, ConfigError> {
        let Some(value) = (self.get)(name) else { return Ok(None) };
        let Some(value) = value.to_str() else {
            return Err(ConfigError::new(name.to_owned(), "its value is not UTF-8"));
        };
        // Values in files and compose definitions often end with a line break.
        let value = value.trim();
        if value.is_empty() {
            return Ok(None);
        }
        let mut used = self.used.borrow_mut();
        if !used.iter().any(|used| used == name) {
            used.push(name.to_owned());
        }
        Ok(Some(NamedValue { name: name.to_owned(), value: value.to_owned() }))
    }

    /// Whether a variable is `true` or `1`; `false` if it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(false) };
        match text.value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => {
                let problem = format!("{:?} is neither `true` nor `false`", text.value);
                self.note(ConfigError::new(name.to_owned(), problem));
                Ok(false)
            }
        }
    }

    /// The value of the first variable that is set. The others must have the same value.
    pub(super) fn one(&self, names: &[&str]) -> Result<Option<NamedValue<String>>, ConfigError> {
        let mut first: Option<NamedValue<String>> = None;
        for name in names {
            let Some(next) = self.text(name)? else { continue };
            match &first {
                // A contradiction is an error: which variable has precedence could not be known
                // when reading one of them.
                Some(first) if first.value != next.value => {
                    return Err(contradiction(
                        (&first.name, &first.value),
                        (&next.name, &next.value),
                    ));
                }
                Some(_) => {}
                None => first = Some(next),
            }
        }
        Ok(first)
    }

    /// The secret of the first variable that is set, each also as `…_FILE` with the path of a file.
    /// The others must have the same value.
    pub(super) fn secret(&self, names: &[&str]) -> Result<Option<NamedValue<Secret>>, ConfigError> {
        let mut first: Option<NamedValue<Secret>> = None;
        for name in names {
            for next in [
                self.text(name)?
                    .map(|text| NamedValue { name: text.name, value: text.value.into() }),
                self.file(&format!("{name}_FILE"))?,
            ] {
                match (&first, next) {
                    (_, None) => {}
                    (None, next) => first = next,
                    (Some(first), Some(next)) if first.value == next.value => {}
                    (Some(first), Some(next)) => {
                        return Err(ConfigError::new(
                            next.name,
                            format!("has another secret than {}: remove one", first.name),
                        ));
                    }
                }
            }
        }
        Ok(first)
    }

    /// The secret in a file, without a byte order mark and without line breaks at its end.
    fn file(&self, name: &str) -> Result<Option<NamedValue<Secret>>, ConfigError> {
        let Some(path) = self.text(name)? else { return Ok(None) };
        let content = (self.read_file)(&PathBuf::from(&path.value)).map_err(|error| {
            ConfigError::new(name.to_owned(), format!("{:?} cannot be read: {error}", path.value))
        })?;
        let text = without_byte_order_mark(&content);
        let secret = Secret::from(text.trim_end_matches(['\r', '\n']));
        // An empty file is probably a failed mount, which must not be taken for a missing setting.
        if secret.is_empty() {
            return Err(ConfigError::new(name.to_owned(), format!("{:?} is empty", path.value)));
        }
        Ok(Some(NamedValue { name: path.name, value: secret }))
    }
}

/// The error for two variables whose values contradict each other.
pub(super) fn contradiction<A: fmt::Display, B: fmt::Display>(
    (first, one): (&str, A),
    (second, other): (&str, B),
) -> ConfigError {
    ConfigError::new(
        second.to_owned(),
        format!("{other} contradicts {first}, which is {one}: remove one"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(pairs: &[(&str, &str)], ask: impl FnOnce(&Variables<'_>) -> T) -> T {
        let get = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let read = |path: &Path| match path.to_str() {
            Some("/run/secret") => Ok("from a file\r\n".to_owned()),
            Some("/run/of-windows") => Ok("\u{feff}from a file\r\n".to_owned()),
            Some("/run/empty") => Ok("\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        ask(&Variables::new(Source::Environment, &get, &[], &read))
    }

    #[test]
    fn an_empty_variable_is_none_and_white_space_around_a_value_no_part_of_it() {
        let text =
            |value| with(&[("A", value)], |all| all.text("A").unwrap().map(|named| named.value));
        assert_eq!(text(""), None);
        assert_eq!(text(" \n"), None);
        assert_eq!(text(" a b "), Some("a b".into()));
    }

    #[test]
    fn two_names_that_disagree_are_both_named() {
        assert_eq!(
            with(&[("A", "1"), ("B", "1")], |all| all.one(&["A", "B"]).unwrap().unwrap().name),
            "A"
        );
        let error =
            with(&[("A", "1"), ("B", "2")], |all| all.one(&["A", "B"]).unwrap_err().to_string());
        assert_eq!(error, "B: 2 contradicts A, which is 1: remove one");
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let secret = |pairs: &[(&str, &str)]| {
            with(pairs, |all| {
                all.secret(&["A", "B"])
                    .map(|named| named.map(|named| (named.name, named.value.expose().to_owned())))
            })
        };
        assert_eq!(
            secret(&[("A_FILE", "/run/secret")]).unwrap(),
            Some(("A_FILE".into(), "from a file".into()))
        );
        assert_eq!(
            secret(&[("A", "from a file"), ("A_FILE", "/run/of-windows")]).unwrap(),
            Some(("A".into(), "from a file".into())),
            "the byte order mark is no part of it"
        );
        assert_eq!(
            secret(&[("A", "from a file"), ("B_FILE", "/run/secret")]).unwrap(),
            Some(("A".into(), "from a file".into()))
        );
        let error = secret(&[("A", "hush"), ("A_FILE", "/run/secret")]).unwrap_err().to_string();
        assert!(
            error.contains("A_FILE")
                && error.contains("than A:")
                && !error.contains("hush")
                && !error.contains("from a file"),
            "{error}"
        );
        assert!(secret(&[("A_FILE", "/run/none")]).unwrap_err().to_string().contains("/run/none"));
        assert!(secret(&[("A_FILE", "/run/empty")]).unwrap_err().to_string().contains("empty"));
        assert_eq!(secret(&[("A", "")]).unwrap(), None);
    }
}
