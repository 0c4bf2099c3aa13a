//! [`Language`]: the texts of the pages in one language, by stable names.

use std::{collections::HashSet, fmt};

use super::{english, french, german, spanish};
use crate::{
    authority::error_codes,
    error::{Error, ErrorKind},
    languages,
};

/// A text of the pages: its stable name, and the English words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(super) name: &'static str,
    pub(super) english: &'static str,
}

impl Text {
    /// The sentence about a failure: its name is the reason code.
    pub(crate) fn of_error(error: &Error) -> Self {
        Self { name: error.message_reason(), english: error.user_message() }
    }
}

/// A language of the pages: a tag (BCP 47), and the texts by their names.
///
/// English, German, French and Spanish come with the crate. Another one is a table of names and
/// texts, given to [`IdentityLayer::with_language`](crate::IdentityLayer::with_language). It also
/// replaces a language of the crate with the same tag. A text that the table lacks is English.
///
/// - [`Language::names`] lists all names with the English texts. The name of a sentence about a
///   failure is its reason code ([`ErrorKind::reason`](crate::ErrorKind::reason),
///   [`Advice::reason`](crate::Advice::reason)).
/// - `{}` in a text is a place that is filled: a URL, a code, a duration.
/// - [`missing`](Self::missing) is for a test of your own: it names what a new version has added.
///
/// ```
/// use tower_identity::pages::Language;
///
/// static DUTCH: &[(&str, &str)] = &[
///     ("title.please_sign_in", "Meld u aan"),
///     ("action.sign_in", "Aanmelden"),
///     ("session_ended", "Uw sessie is beëindigd. Meld u opnieuw aan."),
/// ];
/// let dutch = Language::new("nl", DUTCH);
/// assert_eq!(dutch.text("action.sign_in"), Some("Aanmelden"));
/// assert_eq!(dutch.text("action.home"), Some("Home page"), "not translated yet");
/// assert!(dutch.missing().contains(&"action.home"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Language {
    tag: &'static str,
    texts: &'static [(&'static str, &'static str)],
}

impl Language {
    /// English.
    pub const ENGLISH: Self = Self::new("en", &[]);
    /// German.
    pub const GERMAN: Self = Self::new(german::TAG, german::TEXTS);
    /// French.
    pub const FRENCH: Self = Self::new(french::TAG, french::TEXTS);
    /// Spanish.
    pub const SPANISH: Self = Self::new(spanish::TAG, spanish::TEXTS);
    /// The languages that come with the crate.
    pub const ALL: &'static [Self] = &[Self::ENGLISH, Self::GERMAN, Self::FRENCH, Self::SPANISH];

    /// A language with this tag, such as `nl` or `pt-BR`, and these texts by their names.
    #[must_use]
    pub const fn new(tag: &'static str, texts: &'static [(&'static str, &'static str)]) -> Self {
        Self { tag, texts }
    }

    /// The tag, for `lang` and `Content-Language`.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        self.tag
    }

    /// The direction in which the language is written, for `dir`: `ltr` or `rtl`.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        let first = self.tag.split('-').next().unwrap_or_default();
        let is_from_right = ["ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"];
        if is_from_right.iter().any(|tag| first.eq_ignore_ascii_case(tag)) { "rtl" } else { "ltr" }
    }

    /// The text with this name, in English if it is not translated; `None` if there is no such
    /// name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'static str> {
        self.own(name)
            .or_else(|| Self::names().find(|(other, _)| *other == name).map(|(_, text)| text))
    }

    /// The names of all texts, with the English words.
    pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        let of_pages = english::TEXTS.iter().map(|text| (text.name, text.english));
        let of_kinds = ErrorKind::ALL.iter().map(|kind| (kind.reason(), kind.user_message()));
        let of_codes = error_codes().map(|advice| (advice.reason, advice.for_user));
        let mut seen = HashSet::new();
        // Several codes have the same reason.
        of_pages.chain(of_kinds).chain(of_codes).filter(move |(name, _)| seen.insert(*name))
    }

    /// The names of the texts that are not translated.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let is_english =
            languages::lookup(self.tag, &[Self::ENGLISH], |english| english.tag).is_some();
        let names = Self::names().map(|(name, _)| name);
        names.filter(|name| !is_english && self.own(name).is_none()).collect()
    }

    pub(crate) fn say(&self, text: Text) -> &'static str {
        self.own(text.name).unwrap_or(text.english)
    }

    /// A text with its place filled.
    pub(super) fn fill(&self, text: Text, value: &str) -> String {
        self.say(text).replacen("{}", value, 1)
    }

    /// The parts of a text before and after its place.
    pub(super) fn around(&self, text: Text) -> (&'static str, &'static str) {
        let said = self.say(text);
        said.split_once("{}").unwrap_or((said, ""))
    }

    fn own(&self, name: &str) -> Option<&'static str> {
        self.texts.iter().find(|(other, _)| *other == name).map(|(_, text)| *text)
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Language").field(&self.tag).finish()
    }
}

/// The languages of an application: those of its pages, by preference.
#[derive(Clone, Debug)]
pub(crate) struct Languages(Vec<Language>);

impl Languages {
    /// Those of the crate and `added`, narrowed to the tags of `allowed` in their order; all of
    /// them if that is empty or names none that has texts.
    pub(crate) fn new(added: &[Language], allowed: &[String]) -> Self {
        let is_kept =
            |own: &&Language| !added.iter().any(|other| other.tag.eq_ignore_ascii_case(own.tag));
        let all: Vec<Language> =
            Language::ALL.iter().filter(is_kept).chain(added).copied().collect();
        let chosen: Vec<Language> = allowed
            .iter()
            .filter_map(|tag| languages::lookup(tag, &all, |language| language.tag).copied())
            .collect();
        Self(if chosen.is_empty() { all } else { chosen })
    }

    /// The one that a browser prefers; the first one if none fits.
    pub(crate) fn best(&self, accept_language: Option<&str>) -> Language {
        accept_language
            .and_then(|header| languages::best(header, &self.0, |language| language.tag))
            .or(self.0.first())
            .copied()
            .unwrap_or(Language::ENGLISH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever text is added, no language is forgotten, and none has a text of the past.
    #[test]
    fn every_language_has_every_text_once_and_no_other() {
        let names: HashSet<&str> = Language::names().map(|(name, _)| name).collect();
        for language in Language::ALL {
            assert_eq!(language.missing(), Vec::<&str>::new(), "{}", language.tag);
            let mut seen = HashSet::new();
            for (name, text) in language.texts {
                assert!(names.contains(name) && seen.insert(name), "{}: {name}", language.tag);
                assert!(!text.trim().is_empty() && text.trim() == *text, "{name}: {text:?}");
            }
        }
    }

    /// The reasons of kinds and codes share one space of names with the pages.
    #[test]
    fn a_name_has_one_meaning() {
        let all = ErrorKind::ALL
            .iter()
            .map(|kind| (kind.reason(), kind.user_message()))
            .chain(error_codes().map(|advice| (advice.reason, advice.for_user)))
            .chain(english::TEXTS.iter().map(|text| (text.name, text.english)));
        for (name, text) in all {
            assert_eq!(Language::ENGLISH.text(name), Some(text), "{name}");
        }
        assert_eq!(Language::GERMAN.text("no_such_name"), None);
    }

    #[test]
    fn a_place_that_is_filled_is_in_every_language() {
        for (name, english) in Language::names() {
            for language in Language::ALL {
                let text = language.text(name).unwrap();
                assert_eq!(text.matches("{}").count(), english.matches("{}").count(), "{text}");
                let ends =
                    |text: &str| text.trim_end_matches([' ', '?', '.', ':']).len() < text.len();
                assert_eq!(ends(text), ends(english), "{name} in {}: {text}", language.tag);
            }
        }
    }

    #[test]
    fn a_browser_gets_the_best_of_the_languages_that_are_allowed() {
        const DUTCH: Language = Language::new("nl", &[]);
        const AUSTRIAN: Language = Language::new("de-AT", &[]);
        let tag = |added: &[Language], allowed: &[&str], header: &str| {
            let allowed: Vec<String> = allowed.iter().map(|tag| (*tag).to_owned()).collect();
            Languages::new(added, &allowed).best(Some(header)).tag
        };
        assert_eq!(tag(&[], &[], "it, fr-CA;q=0.9"), "fr");
        assert_eq!(tag(&[], &[], "it"), "en");
        assert_eq!(tag(&[DUTCH], &[], "nl-BE"), "nl");
        assert_eq!(tag(&[AUSTRIAN], &[], "de-AT, en"), "de-AT");
        assert_eq!(tag(&[], &["de", "en"], "fr"), "de", "the first one is the default");
        assert_eq!(tag(&[], &["de", "en"], "fr, en;q=0.1"), "en");
        assert_eq!(tag(&[], &["xx"], "fr"), "fr");
        assert_eq!(Languages::new(&[], &[]).best(None).tag, "en");
        assert_eq!(Language::new("ar-EG", &[]).direction(), "rtl");
        assert_eq!(Language::GERMAN.direction(), "ltr");
        let german = Language::new("DE", &[("action.home", "Anfang")]);
        assert_eq!(
            Languages::new(&[german], &[]).best(Some("de")).text("action.home"),
            Some("Anfang")
        );
    }
}
