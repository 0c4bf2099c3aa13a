//! [`Description`]: every setting with its value, and where the value was set.
//!
//! Methods record nothing. A copy of the settings as they were read is kept; a value that differs
//! from the copy was set by a method later. A method that is added to the configuration therefore
//! needs no code for it.

use std::{fmt, sync::Arc};

use super::{
    ClientCredential, Finding, env_names,
    env_settings::Reader,
    variables::{Source, Variables},
};
use crate::{error::ConfigError, secret::Secret};

/// The settings of a configuration, each with its value and its source: for operators, to find out
/// why a setting does not have the expected value.
///
/// `Display` writes one setting a line, and leaves out those that are not set and have no default.
/// It contains no secrets: the value of such a setting is shown as `set`.
///
/// ```
/// use tower_identity::{Authority, IdentityConfig};
///
/// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "client-id")
///     .with_base_url("https://app.example.com")?
///     .with_cookie_secrets(["a cookie secret of 32 bytes or more"]);
/// let text = config.describe().to_string();
/// assert!(text.contains("base_url = https://app.example.com/ (with_base_url)\n"));
/// assert!(text.contains("cookie_secret = set (with_cookie_secrets)\n"));
/// assert!(text.contains("sign_in_path = /auth/login (default)\n"));
/// # Ok::<_, tower_identity::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    settings: Vec<DescribedSetting>,
    unused: Vec<UnusedVariable>,
}

/// One setting of a [`Description`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedSetting {
    name: &'static str,
    value: Option<String>,
    source: String,
}

/// A variable with the prefix `IDENTITY_` that has a value and no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedVariable {
    name: String,
    reason: String,
    is_of_api: bool,
}

impl Description {
    /// The settings, in the order of the documentation.
    #[must_use]
    pub fn settings(&self) -> &[DescribedSetting] {
        &self.settings
    }

    /// The variables, or the members of a file, that have no effect.
    #[must_use]
    pub fn unused(&self) -> &[UnusedVariable] {
        &self.unused
    }

    /// The setting of this name, for example `base_url`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&DescribedSetting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Replaces a value by the one that `build` derived. Its source remains.
    pub(super) fn with_derived(mut self, name: &str, value: impl fmt::Display) -> Self {
        for setting in self.settings.iter_mut().filter(|setting| setting.name == name) {
            setting.value = Some(value.to_string());
        }
        self
    }

    /// A finding for each variable of an API, for an application that may have none: another layer
    /// of the process may read it.
    pub(super) fn api_variables(&self) -> impl Iterator<Item = Finding> {
        self.unused.iter().filter(|variable| variable.is_of_api).map(|variable| {
            let text = format!(
                "{} is a setting of an API (`ApiConfig`) and has no effect on signing in. A \
                 parameter of the authorization request is set by `SignInOptions::add_parameter` \
                 or IDENTITY_SIGN_IN_PARAMETERS, for example audience=https%3A%2F%2Fapi.example.",
                variable.name
            );
            Finding::note("variable_of_an_api", text)
        })
    }
}

impl DescribedSetting {
    /// The name: that of the variable without `IDENTITY_` and in lower case, which is also the
    /// member of a file. `authority` stands for all variables of the provider, and `credential` for
    /// those of the credential.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The value in the words of the variable, or `set` for a secret; `None` if it is not set and
    /// has no default.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Where the value was set: the variables that were read, the members of a file as they stand
    /// there, the method (`with_base_url`; `new` for its arguments), or `default`. A variable whose
    /// value was replaced by a method is named, too. A method that sets the same value again does
    /// not change the source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl UnusedVariable {
    /// The name of the variable, or of the member.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it has no effect, with the nearest name of a variable of this crate.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in &self.settings {
            match &setting.value {
                Some(value) => writeln!(f, "{} = {value} ({})", setting.name, setting.source)?,
                None if setting.source == DEFAULT => {}
                None => writeln!(f, "{} is not set ({})", setting.name, setting.source)?,
            }
        }
        for variable in &self.unused {
            writeln!(f, "{} has no effect: {}", variable.name, variable.reason)?;
        }
        Ok(())
    }
}

/// The source of a value that was not set.
const DEFAULT: &str = "default";

/// A row of the table of settings.
pub(super) struct Setting<C> {
    pub(super) name: &'static str,
    /// The methods that set it.
    pub(super) methods: &'static [&'static str],
    /// The variables that set it besides `IDENTITY_` and the name in capitals. A `*` at the end
    /// stands for every name that begins so.
    pub(super) variables: &'static [&'static str],
    /// How the variable of its name is read.
    pub(super) reader: Reader<C>,
    pub(super) value: fn(&C) -> SettingValue,
}

impl<C> Setting<C> {
    /// Whether a variable sets it, alone or in a file.
    fn is_set_by(&self, variable: &str) -> bool {
        let own = variable
            .strip_prefix(env_names::PREFIX)
            .is_some_and(|own| own.eq_ignore_ascii_case(self.name));
        own || self.variables.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => variable
                .get(..start.len())
                .is_some_and(|beginning| beginning.eq_ignore_ascii_case(start)),
            None => variable.eq_ignore_ascii_case(name),
        })
    }

    /// Whether a variable sets it, or names the file that does.
    pub(super) fn is_named_by(&self, variable: &str) -> bool {
        self.is_set_by(variable)
            || variable.strip_suffix("_FILE").is_some_and(|name| self.is_set_by(name))
    }

    /// Whether an error means this setting: errors have its name, or that of a method without
    /// `with_`.
    fn is_called(&self, setting: &str) -> bool {
        let is_of = |method: &&str| method.strip_prefix("with_") == Some(setting);
        self.name == setting || self.methods.iter().any(is_of)
    }

    /// The variable with its name. A credential has several variables, and none of that name.
    pub(super) fn name_as_variable(&self) -> Option<String> {
        (self.name != CREDENTIAL)
            .then(|| format!("{}{}", env_names::PREFIX, self.name.to_ascii_uppercase()))
    }

    /// The variable that sets it; the first one if there are several.
    fn own_variable(&self) -> Option<String> {
        self.name_as_variable().or_else(|| self.variables.first().map(|name| (*name).to_owned()))
    }

    fn describe(&self, now: &C, initial: &C, read: Option<&ReadSettings<C>>) -> DescribedSetting {
        let value = (self.value)(now);
        // The arguments of `new` have no default.
        let is_default = value == (self.value)(initial) && !self.methods.contains(&NEW);
        let methods = || self.methods.join(" or ");
        let source = match read.map(|read| (read, read.variables_of(self))) {
            None if is_default => DEFAULT.to_owned(),
            None => methods(),
            Some((read, variables)) => match (value == (self.value)(&read.settings), variables) {
                (true, Some(variables)) => variables,
                (true, None) if is_default => DEFAULT.to_owned(),
                (true, None) => read.others.to_owned(),
                (false, None) => methods(),
                (false, Some(variables)) => {
                    let verb = if self.adds() { "after" } else { "in place of" };
                    format!("{} {verb} {variables}", methods())
                }
            },
        };
        DescribedSetting { name: self.name, value: value.shown(), source }
    }

    /// Whether methods add to what was read, rather than replace it.
    fn adds(&self) -> bool {
        self.methods.iter().all(|method| method.starts_with("add_"))
    }
}

/// The method of the settings that have no default.
pub(super) const NEW: &str = "new";

/// The name of the credential.
const CREDENTIAL: &str = "credential";

/// The value of a setting.
#[derive(PartialEq, Eq)]
pub(super) enum SettingValue {
    Unset,
    Text(String),
    /// Secrets are compared and never shown.
    Secrets(Vec<Secret>),
    Credential(ClientCredential),
    /// A value that is compared, and the part of it that may be shown.
    Private {
        value: Secret,
        shown: String,
    },
}

impl SettingValue {
    /// Whether an error quotes one of the items of this value: a method that has added others did
    /// not make the mistake.
    fn is_quoted_in(&self, error: &str) -> bool {
        match self {
            Self::Text(text) | Self::Private { shown: text, .. } => {
                text.split(' ').any(|item| !item.is_empty() && error.contains(&format!("{item:?}")))
            }
            Self::Unset | Self::Secrets(_) | Self::Credential(_) => false,
        }
    }

    /// The value as the description has it.
    fn shown(self) -> Option<String> {
        match self {
            Self::Unset => None,
            Self::Secrets(secrets) => (!secrets.is_empty()).then(|| "set".into()),
            Self::Credential(credential) => Some(credential.to_string()),
            Self::Text(text) | Self::Private { shown: text, .. } => Some(text),
        }
    }
}

/// The settings as they were read, and from which variables. `None` if they were built in code.
///
/// Two configurations with the same settings are equal, wherever they were read.
pub(super) struct Origin<C>(Option<Arc<ReadSettings<C>>>);

struct ReadSettings<C> {
    settings: C,
    source: Source,
    /// The variables that had a value, each with its name where it is written.
    variables: Vec<(String, String)>,
    unused: Vec<UnusedVariable>,
    /// The source of the values that none of the variables set.
    others: &'static str,
}

impl<C> Origin<C> {
    /// The origin of settings that were read from variables or a file.
    pub(super) fn variables(settings: C, all: &Variables<'_>, table: &[&[Setting<C>]]) -> Self {
        Self::read(settings, all, table, DEFAULT)
    }

    /// The same, where everything that no variable set comes from elsewhere.
    pub(super) fn read(
        settings: C,
        all: &Variables<'_>,
        table: &[&[Setting<C>]],
        others: &'static str,
    ) -> Self {
        let variables = all.used();
        let has_effect = |variable: &str| {
            let is_read = variables.iter().any(|(name, _)| name == variable);
            is_read && rows(table).any(|setting| setting.is_named_by(variable))
        };
        let mut unused: Vec<UnusedVariable> = all
            .names
            .iter()
            .filter(|name| env_names::is_of_crate(name) && !has_effect(name))
            .filter(|name| all.has_value(name))
            .map(|name| UnusedVariable {
                name: all.label(name),
                reason: env_names::without_effect(name),
                is_of_api: env_names::is_of_api(name),
            })
            .collect();
        unused.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(Some(Arc::new(ReadSettings {
            settings,
            source: all.source,
            variables,
            unused,
            others,
        })))
    }

    /// The origin of settings that come from one place that has no variables.
    pub(super) fn elsewhere(settings: C, place: &'static str) -> Self {
        let (variables, unused) = (Vec::new(), Vec::new());
        let source = Source::Members;
        Self(Some(Arc::new(ReadSettings { settings, source, variables, unused, others: place })))
    }

    /// The mistakes in the settings as they are `now`, in the words of the place where they were
    /// read: a setting that no method has changed is called by its variables or members. One about
    /// a missing setting also names the variables that may be meant for it.
    pub(super) fn explained(
        &self,
        error: ConfigError,
        now: &C,
        table: &[&[Setting<C>]],
    ) -> ConfigError {
        let Some(read) = self.0.as_deref() else { return error };
        let error = error.map(|error| {
            let row = rows(table).find(|row| row.is_called(error.setting()));
            let name = row
                .filter(|row| {
                    let before = (row.value)(&read.settings);
                    (row.value)(now) == before || before.is_quoted_in(&error.to_string())
                })
                .and_then(|row| read.name_of(row, error.is_missing()));
            match name {
                Some(name) => error.named(name),
                None => error,
            }
        });
        let unused = read.unused.iter().map(UnusedVariable::name);
        match read.source {
            Source::Environment => env_names::with_unknown(error, unused),
            Source::Members => error.reworded(env_names::in_words_of_members),
        }
    }

    /// The description of the settings as they are `now`. `initial` has the defaults.
    pub(super) fn describe(&self, now: &C, initial: &C, table: &[&[Setting<C>]]) -> Description {
        let read = self.0.as_deref();
        Description {
            settings: rows(table).map(|row| row.describe(now, initial, read)).collect(),
            unused: read.map_or_else(Vec::new, |read| read.unused.clone()),
        }
    }
}

pub(super) fn rows<'t, C>(table: &'t [&'t [Setting<C>]]) -> impl Iterator<Item = &'t Setting<C>> {
    table.iter().copied().flatten()
}

impl<C> ReadSettings<C> {
    /// The name of a setting where it was read: the variables that set it, or else its own.
    fn name_of(&self, setting: &Setting<C>, is_missing: bool) -> Option<String> {
        let own = || setting.own_variable().filter(|_| self.others == DEFAULT);
        // A variable that was read for a setting that is missing does not set it.
        if is_missing { own() } else { self.variables_of(setting).or_else(own) }
    }

    /// The variables that set a setting, as they are written; `None` if there is none.
    fn variables_of(&self, setting: &Setting<C>) -> Option<String> {
        let names: Vec<&str> = self
            .variables
            .iter()
            .filter(|(name, _)| setting.is_named_by(name))
            .map(|(_, label)| label.as_str())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl<C> Clone for Origin<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> Default for Origin<C> {
    fn default() -> Self {
        Self(None)
    }
}

impl<C> PartialEq for Origin<C> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<C> Eq for Origin<C> {}

impl<C> fmt::Debug for Origin<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.0.iter().flat_map(|read| &read.variables).map(|(_, label)| label);
        f.debug_list().entries(labels).finish()
    }
}

#[cfg(test)]
#[path = "description_tests.rs"]
mod tests;
