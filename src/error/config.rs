//! [`ConfigError`]: a mistake in the configuration.

use std::{borrow::Cow, fmt};

/// A mistake in the configuration, found before the first request. Its text says how to correct it.
///
/// `Debug` writes the same sentence, because `main` prints the error that it returns in that form.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
    /// Whether a setting is missing: a variable or member with a similar name may be meant for it.
    is_missing: bool,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting: setting.into(), problem: problem.into(), is_missing: false }
    }

    /// The mistake that a setting is missing. `remedy` says what to set.
    pub(crate) fn missing(
        setting: impl Into<Cow<'static, str>>,
        remedy: impl fmt::Display,
    ) -> Self {
        let problem = Cow::Owned(format!("missing: {remedy}"));
        Self { setting: setting.into(), problem, is_missing: true }
    }

    /// Whether the mistake is that a setting is missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// The same mistake with another sentence at its end.
    pub(crate) fn with_sentence(mut self, sentence: &str) -> Self {
        let end = if self.problem.ends_with(['.', '?']) { "" } else { "." };
        self.problem = format!("{}{end} {sentence}", self.problem).into();
        self
    }

    /// The same mistake under the name that the setting has at its source, for example a variable.
    pub(crate) fn named(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.setting = setting.into();
        self
    }

    /// The same mistake in other words, for settings and variables that have other names at the
    /// source.
    pub(crate) fn reworded(self, words: impl Fn(&str) -> String) -> Self {
        let (setting, problem) = (words(&self.setting).into(), words(&self.problem).into());
        Self { setting, problem, ..self }
    }

    /// The setting that has to change, by the name at its source: the environment variable, the
    /// member of a file, or in code the name of the setting, for example `base_url` of
    /// `with_base_url`.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl fmt::Debug for ConfigError {
    /// The sentence of `Display`: `fn main() -> Result<(), ConfigError>` prints this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}
