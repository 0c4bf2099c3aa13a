//! [`ConfigError`]: a mistake in the configuration.

use std::{borrow::Cow, fmt};

/// A mistake in the configuration, found before the first request. Its text says how to correct it.
///
/// Mistakes that do not depend on each other are found together: `Display` writes one a line, and
/// [`others`](Self::others) are those after the first. `Debug` writes the same text, because `main`
/// prints the error that it returns in that form.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
    /// Whether a setting is missing: a variable or member with a similar name may be meant for it.
    is_missing: bool,
    /// The mistakes that were found besides; none of them has others.
    others: Vec<Self>,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (setting, problem) = (setting.into(), problem.into());
        Self { setting, problem, is_missing: false, others: Vec::new() }
    }

    /// Adds a mistake that was found besides, unless it is known already.
    pub(crate) fn and(&mut self, mut other: Self) {
        let more = std::mem::take(&mut other.others);
        for one in std::iter::once(other).chain(more) {
            let is_known =
                |known: &Self| known.setting == one.setting && known.problem == one.problem;
            if !is_known(self) && !self.others.iter().any(is_known) {
                self.others.push(one);
            }
        }
    }

    /// The same mistakes, each changed.
    pub(crate) fn map(mut self, change: impl Fn(Self) -> Self) -> Self {
        let others = std::mem::take(&mut self.others);
        let others = others.into_iter().map(&change).collect();
        Self { others, ..change(self) }
    }

    /// The mistake that a setting is missing. `remedy` says what to set.
    pub(crate) fn missing(
        setting: impl Into<Cow<'static, str>>,
        remedy: impl fmt::Display,
    ) -> Self {
        let problem = Cow::Owned(format!("missing: {remedy}"));
        Self { is_missing: true, ..Self::new(setting, problem) }
    }

    /// Whether the (first) mistake is that a setting is missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Whether one of the mistakes is that a setting is missing.
    pub(crate) fn any_is_missing(&self) -> bool {
        self.is_missing || self.others.iter().any(Self::is_missing)
    }

    /// The same mistakes with another sentence at their end.
    pub(crate) fn with_sentence(mut self, sentence: &str) -> Self {
        if let Some(last) = self.others.pop() {
            self.others.push(last.with_sentence(sentence));
            return self;
        }
        let end = if self.problem.ends_with(['.', '?']) { "" } else { "." };
        self.problem = format!("{}{end} {sentence}", self.problem).into();
        self
    }

    /// The same mistake under the name that the setting has at its source, for example a variable.
    pub(crate) fn named(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.setting = setting.into();
        self
    }

    /// The same mistakes in other words, for settings and variables that have other names at the
    /// source.
    pub(crate) fn reworded(self, words: impl Fn(&str) -> String) -> Self {
        self.map(|one| {
            let (setting, problem) = (words(&one.setting).into(), words(&one.problem).into());
            Self { setting, problem, ..one }
        })
    }

    /// The setting that has to change, by the name at its source: the environment variable, the
    /// member of a file, or in code the name of the setting, for example `base_url` of
    /// `with_base_url`.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// The mistakes that were found besides this one.
    #[must_use]
    pub fn others(&self) -> &[Self] {
        &self.others
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)?;
        self.others.iter().try_for_each(|other| write!(f, "\n{other}"))
    }
}

impl fmt::Debug for ConfigError {
    /// The sentence of `Display`: `fn main() -> Result<(), ConfigError>` prints this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}
