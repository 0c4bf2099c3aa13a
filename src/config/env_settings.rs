//! [`Reader`]: how the variable of a single setting becomes its value, with the effect of the
//! method of the same name.

use std::time::Duration;

use super::{
    description::{Setting, rows},
    variables::{NamedValue, Variables},
};
use crate::{error::ConfigError, secret::Secret};

/// How a setting is read from the variable of its name.
pub(super) enum Reader<C> {
    /// It is not read alone, but together with other settings.
    Together,
    /// By its own rules, and perhaps from several variables.
    Own(fn(&Variables<'_>, C) -> Result<C, ConfigError>),
    /// A text that is checked by `build`.
    Text(fn(C, String) -> C),
    /// The same, which a file can have as a table of any depth.
    Json(fn(C, String) -> C),
    /// A text that can be a mistake.
    Parsed(fn(C, &str) -> Result<C, ConfigError>),
    /// One of a few words. The other variables of the setting have the same meaning.
    Choice(fn(C, &str) -> Result<C, ConfigError>),
    /// `true` or `false`.
    Flag(fn(C) -> C),
    /// A whole number of seconds.
    WholeSeconds(fn(C, Duration) -> C),
    /// Words that are separated by spaces.
    Words(fn(C, Vec<String>) -> C),
    /// The same, added one by one.
    EachWord(fn(C, String) -> C),
    /// The same, each of which can be a mistake.
    EachParsed(fn(C, &str) -> Result<C, ConfigError>),
    /// A list that can be separated by commas as well, and is a list in a file. The function gets
    /// the whole text.
    Items(fn(C, &str) -> Result<C, ConfigError>),
    /// Secrets, one on each line, also in a file.
    Lines(fn(C, Vec<Secret>) -> C),
    /// Parameters in the form of a query: `audience=https%3A%2F%2Fapi.example&organization=org_1`.
    Parameters(fn(C, String, String) -> C),
}

/// The forms that the value of a setting can have in a file, besides a text.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    /// A list, with the text between its items in the variable.
    List(char),
    /// A table of names and values.
    Parameters,
    /// A table of any depth.
    Json,
}

impl<C> Reader<C> {
    pub(super) fn form(&self) -> Form {
        match self {
            Self::Words(_) | Self::EachWord(_) | Self::EachParsed(_) | Self::Items(_) => {
                Form::List(' ')
            }
            Self::Lines(_) => Form::List('\n'),
            Self::Parameters(_) => Form::Parameters,
            Self::Json(_) => Form::Json,
            _ => Form::Text,
        }
    }
}

/// Reads the settings of a table, in its order.
pub(super) fn settings<C: Clone>(
    all: &Variables<'_>,
    table: &[&[Setting<C>]],
    config: C,
) -> Result<C, ConfigError> {
    rows(table).try_fold(config, |config, row| setting(all, row, config))
}

fn setting<C: Clone>(all: &Variables<'_>, row: &Setting<C>, config: C) -> Result<C, ConfigError> {
    let Some(name) = row.name_as_variable() else { return Ok(config) };
    Ok(match row.reader {
        Reader::Together => config,
        Reader::Own(read) => read(all, config)?,
        Reader::Text(set) | Reader::Json(set) => match all.text(&name)? {
            Some(text) => set(config, text.value),
            None => config,
        },
        Reader::Parsed(set) | Reader::Items(set) => match all.text(&name)? {
            Some(text) => all.with(config, text, set),
            None => config,
        },
        Reader::Choice(set) => {
            let names: Vec<&str> = [name.as_str()].iter().chain(row.variables).copied().collect();
            match all.one(&names)? {
                Some(word) => all.with(config, word, set),
                None => config,
            }
        }
        Reader::Flag(set) => {
            if all.flag(&name)? {
                set(config)
            } else {
                config
            }
        }
        Reader::WholeSeconds(set) => match seconds(all, &name)? {
            Some(seconds) => set(config, seconds),
            None => config,
        },
        Reader::Words(set) => match words(all, &name)? {
            Some(words) => set(config, words),
            None => config,
        },
        Reader::EachWord(add) => words(all, &name)?.into_iter().flatten().fold(config, add),
        Reader::EachParsed(add) => words(all, &name)?
            .into_iter()
            .flatten()
            .map(|value| NamedValue { name: name.clone(), value })
            .fold(config, |config, word| all.with(config, word, add)),
        Reader::Lines(set) => match all.value(all.secret(&[&name])).flatten() {
            Some(secrets) => {
                let lines = secrets.value.expose().lines().map(str::trim);
                set(config, lines.filter(|line| !line.is_empty()).map(Secret::from).collect())
            }
            None => config,
        },
        Reader::Parameters(add) => pairs(all, &name)?
            .into_iter()
            .fold(config, |config, (name, value)| add(config, name, value)),
    })
}

/// The words of a list that is separated by spaces.
fn words(all: &Variables<'_>, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(text) = all.text(name)? else { return Ok(None) };
    let words: Vec<String> = text.value.split_whitespace().map(str::to_owned).collect();
    // A comma would become part of a word that the provider does not know.
    if let Some(word) = words.iter().find(|word| word.contains(',')) {
        let problem =
            format!("{word:?} contains a comma: separate the words of this list by spaces");
        all.note(ConfigError::new(text.name, problem));
        return Ok(None);
    }
    Ok(Some(words))
}

/// A whole number of seconds.
fn seconds(all: &Variables<'_>, name: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = all.text(name)? else { return Ok(None) };
    let seconds = text.value.parse().map(Duration::from_secs).map_err(|_| {
        let problem = format!("{:?} is not a whole number of seconds, such as 3600", text.value);
        ConfigError::new(text.name, problem)
    });
    Ok(all.value(seconds))
}

fn pairs(all: &Variables<'_>, name: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let Some(text) = all.text(name)? else { return Ok(Vec::new()) };
    let query = text.value.strip_prefix('?').unwrap_or(&text.value);
    Ok(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}
