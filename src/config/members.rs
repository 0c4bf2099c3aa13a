//! The configuration from any serde source: a member has the name of the variable, without
//! `IDENTITY_` and in lower case, so that both are read by the same code.

use std::{collections::BTreeMap, ffi::OsString, fmt, fs};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

use super::{
    ApiConfig, AzureAdSection, IdentityConfig,
    api_env::api_from_variables,
    description::{Origin, Setting, rows},
    env::from_variables,
    env_names::{self, PREFIX},
    env_settings::Form,
    setting_table::{API_TABLE, TABLE},
    variables::{Source, Variables},
};
use crate::{error::ConfigError, secret::Secret};

/// The members of a configuration file: either the settings of this crate, or those of an `AzureAd`
/// section.
#[derive(Deserialize)]
pub(super) struct Members(MemberValue);

/// A value of any serde source. Texts are secrets, because some of them are.
enum MemberValue {
    None,
    Flag(bool),
    Number(serde_json::Number),
    Text(Secret),
    List(Vec<MemberValue>),
    Table(Vec<(String, MemberValue)>),
}

impl<'de> Deserialize<'de> for MemberValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = MemberValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting: a text, a number, a boolean, a list or a table")
    }

    fn visit_unit<E>(self) -> Result<MemberValue, E> {
        Ok(MemberValue::None)
    }

    fn visit_none<E>(self) -> Result<MemberValue, E> {
        Ok(MemberValue::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<MemberValue, D::Error> {
        MemberValue::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<MemberValue, D::Error> {
        MemberValue::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<MemberValue, E> {
        Ok(MemberValue::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<MemberValue, E> {
        Ok(MemberValue::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<MemberValue, E> {
        Ok(MemberValue::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<MemberValue, E> {
        let number = serde_json::Number::from_f64(number);
        number.map(MemberValue::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<MemberValue, E> {
        Ok(MemberValue::Text(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<MemberValue, E> {
        Ok(MemberValue::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<MemberValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(MemberValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<MemberValue, A::Error> {
        let mut table: Vec<(String, MemberValue)> = Vec::new();
        while let Some((name, value)) = members.next_entry::<String, MemberValue>()? {
            // The last one would win silently in one format and the first one in another.
            if table.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(format_args!("the member `{name}` occurs twice")));
            }
            table.push((name, value));
        }
        Ok(MemberValue::Table(table))
    }
}

impl MemberValue {
    /// A value without members, as text; `None` for a list or a table.
    fn text(&self) -> Option<String> {
        match self {
            Self::None => Some(String::new()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.expose().to_owned()),
            Self::List(_) | Self::Table(_) => None,
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => number.clone().into(),
            Self::Text(text) => text.expose().into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Table(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.json())).collect()
            }
        }
    }

    /// The value as the variable has it.
    fn variable(&self, name: &str) -> Result<String, ConfigError> {
        let wrong = |problem: &str| Err(ConfigError::new(name.to_owned(), problem.to_owned()));
        match (self, form(name)) {
            (Self::List(items), Form::List(between)) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match item.text() {
                        Some(text) if text.contains(between) => {
                            return wrong("has white space in an item: write one value in each");
                        }
                        Some(text) => texts.push(text),
                        None => return wrong("has an item that is a list or a table"),
                    }
                }
                Ok(texts.join(&between.to_string()))
            }
            (Self::List(_), _) => wrong("is a list: one value is expected"),
            (Self::Table(members), Form::Parameters) => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                for (parameter, value) in members {
                    let Some(text) = value.text() else {
                        return wrong("has a parameter that is a list or a table");
                    };
                    query.append_pair(parameter, &text);
                }
                Ok(query.finish())
            }
            (Self::Table(_), Form::Json) => Ok(self.json().to_string()),
            (Self::Table(_), _) => wrong("is a table: a value is expected"),
            (value, _) => Ok(value.text().unwrap_or_default()),
        }
    }
}

/// Variables by their names.
#[derive(Default)]
struct FlatMembers {
    values: BTreeMap<String, Secret>,
    /// The members as they stand in the file, such as `azure_ad.TenantId`, by the variable.
    members: BTreeMap<String, String>,
}

impl FlatMembers {
    fn add(&mut self, variable: String, member: &str, value: String) {
        self.members.insert(variable.clone(), member.to_owned());
        self.values.insert(variable, value.into());
    }

    /// Adds a section as .NET writes it in variables: `AzureAd__ClientCredentials__0__SourceType`.
    /// `member` is where it stands in the file; empty for the section alone.
    fn add_section(
        &mut self,
        path: &str,
        member: &str,
        value: &MemberValue,
    ) -> Result<(), ConfigError> {
        match value {
            MemberValue::Table(members) => {
                for (name, value) in members {
                    let is_twin =
                        |(other, _): &&(String, MemberValue)| other.eq_ignore_ascii_case(name);
                    if members.iter().filter(is_twin).count() > 1 {
                        let problem = "occurs twice, in different letter cases: remove one";
                        return Err(ConfigError::new(format!("AzureAd:{name}"), problem));
                    }
                    self.add_section(&format!("{path}__{name}"), &below(member, name), value)?;
                }
            }
            MemberValue::List(items) => {
                for (position, value) in items.iter().enumerate() {
                    let item = below(member, &position.to_string());
                    self.add_section(&format!("{path}__{position}"), &item, value)?;
                }
            }
            value => {
                self.add(path.to_owned(), member, value.text().unwrap_or_default());
            }
        }
        Ok(())
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Variables<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let names: Vec<String> = self.values.keys().cloned().collect();
        let get = |name: &str| self.values.get(name).map(|value| OsString::from(value.expose()));
        let label = |name: &str| self.members.get(name).map_or(name, String::as_str).to_owned();
        let all = Variables::new(Source::Members, &get, &names, &|path| fs::read_to_string(path))
            .with_labels(&label);
        all.read(read).map_err(|error| error.reworded(env_names::in_words_of_members))
    }
}

impl Members {
    /// The members as variables, read as this crate's own settings or as an `AzureAd` section.
    fn read<T>(
        &self,
        own: impl FnOnce(&Variables<'_>) -> Result<T, ConfigError>,
        section: impl FnOnce(AzureAdSection, &Variables<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let MemberValue::Table(members) = &self.0 else {
            return Err(ConfigError::new("identity", "not a table of settings"));
        };
        let names = || members.iter().map(|(name, _)| name.as_str());
        if let Some(of_section) = names().find(|name| is_of_section(name)) {
            if let Some(own) = names().find(|name| is_own(name) && !is_of_both(name)) {
                // Beside as many settings of this crate it is one of them, in the spelling of .NET.
                let count = |is_one: fn(&str) -> bool| names().filter(|name| is_one(name)).count();
                if count(is_of_section) <= count(is_own)
                    && let Some(problem) = env_names::unknown_member(of_section)
                {
                    return Err(ConfigError::new(of_section.to_owned(), problem));
                }
                return Err(ConfigError::new(
                    own.to_owned(),
                    format!(
                        "has no effect beside {of_section}, a member of an AzureAd section: put \
                         the section into a member `azure_ad`"
                    ),
                ));
            }
            return self.read_section(|all| section(AzureAdSection::from_variables(all)?, all));
        }
        let mut written = FlatMembers::default();
        let section_of_a_whole_file = names().find(|name| is_section_of_net(name));
        let section_of_a_whole_file = section_of_a_whole_file.filter(|_| !names().any(is_own));
        for (name, value) in members {
            if name.replace('_', "").eq_ignore_ascii_case("azuread") {
                written.add_section("AzureAd", name, value)?;
            } else if is_own(name) {
                written.add(variable(name), name, value.variable(name)?);
            } else if let Some(problem) = env_names::unknown_member(name) {
                let problem = match section_of_a_whole_file {
                    // The other members of `appsettings.json` are those of other libraries.
                    Some(section) => format!(
                        "not a setting: of an appsettings.json deserialize the member \
                         `{section}` alone"
                    ),
                    None => problem,
                };
                return Err(ConfigError::new(name.clone(), problem));
            }
        }
        written.read(own)
    }

    /// The members as the variables of an `AzureAd` section.
    fn read_section<T>(
        &self,
        read: impl FnOnce(&Variables<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let mut written = FlatMembers::default();
        written.add_section("AzureAd", "", &self.0)?;
        written.read(read)
    }
}

impl TryFrom<Members> for AzureAdSection {
    type Error = ConfigError;

    fn try_from(members: Members) -> Result<Self, ConfigError> {
        match &members.0 {
            MemberValue::Table(_) => members.read_section(Self::from_variables),
            _ => Err(ConfigError::new("AzureAd", "not a table of settings")),
        }
    }
}

impl TryFrom<Members> for IdentityConfig {
    type Error = ConfigError;

    fn try_from(members: Members) -> Result<Self, ConfigError> {
        members.read(from_variables, |section, all| {
            let mut config = Self::try_from(section)?;
            config.origin = Origin::variables(config.clone(), all, TABLE);
            Ok(config)
        })
    }
}

impl TryFrom<Members> for ApiConfig {
    type Error = ConfigError;

    fn try_from(members: Members) -> Result<Self, ConfigError> {
        members.read(api_from_variables, |section, all| {
            let mut config = Self::try_from(section)?;
            config.origin = Origin::variables(config.clone(), all, API_TABLE);
            Ok(config)
        })
    }
}

/// The form that a member can have.
fn form(name: &str) -> Form {
    fn of<C>(table: &[&[Setting<C>]], name: &str) -> Option<Form> {
        rows(table).find(|row| row.name == name).map(|row| row.reader.form())
    }
    of(TABLE, name).or_else(|| of(API_TABLE, name)).unwrap_or(Form::Text)
}

/// The name of a member of a table.
fn below(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// The variable of a member.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// Whether a member is named like the section of an application with Microsoft.Identity.Web.
fn is_section_of_net(name: &str) -> bool {
    // In any other spelling it may be of a file of this crate.
    matches!(name, "AzureAd" | "AzureAdB2C")
}

/// Whether a member is a setting of this crate. Names are in lower case, in every format.
fn is_own(name: &str) -> bool {
    env_names::is_known(&variable(name)) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether a member can only be one of an `AzureAd` section.
fn is_of_section(name: &str) -> bool {
    is_in_section(name) && !is_own(name)
}

fn is_of_both(name: &str) -> bool {
    is_in_section(name) && is_own(name)
}

/// Whether it is a member of an `AzureAd` section that is read.
pub(super) fn is_in_section(name: &str) -> bool {
    let is_it = |variable: &str| {
        let member = Variables::section_member(variable).and_then(|it| it.split("__").next());
        member.is_some_and(|member| member.eq_ignore_ascii_case(name))
    };
    let of_sign_in = rows(TABLE).flat_map(|row| row.variables);
    of_sign_in.chain(rows(API_TABLE).flat_map(|row| row.variables)).any(|name| is_it(name))
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
