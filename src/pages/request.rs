//! [`PageRequest`]: what a renderer knows of the request that its page answers.

use super::Language;
use crate::{languages, user::User};

/// The request that a page answers, as far as a page may depend on it.
///
/// Headers choose the shape and the language of an answer, never admission: a renderer that shows
/// more to a user decides by [`user`](Self::user).
///
/// The layer makes it. A test of a renderer makes one by [`new`](Self::new):
///
/// ```
/// use tower_identity::pages::{Language, PageRequest};
///
/// let request = PageRequest::new(Language::GERMAN).with_accept_language("de-CH, fr;q=0.5");
/// assert_eq!(request.language().tag(), "de");
/// assert_eq!(request.languages(), ["de-CH", "fr"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    language: Language,
    accept_language: Option<&'a str>,
    path: Option<&'a str>,
    user: Option<&'a User>,
}

impl<'a> PageRequest<'a> {
    /// A request that is answered in this language, of which nothing else is known.
    #[must_use]
    pub const fn new(language: Language) -> Self {
        Self { language, accept_language: None, path: None, user: None }
    }

    /// Sets the value of `Accept-Language`. The default is none.
    #[must_use]
    pub const fn with_accept_language(mut self, header: &'a str) -> Self {
        self.accept_language = Some(header);
        self
    }

    /// Sets the path. The default is none.
    #[must_use]
    pub const fn with_path(mut self, path: &'a str) -> Self {
        self.path = Some(path);
        self
    }

    /// Sets the signed-in user. The default is none.
    #[must_use]
    pub const fn with_user(mut self, user: &'a User) -> Self {
        self.user = Some(user);
        self
    }

    /// The language of the page's texts: the one of the application's languages that the browser
    /// prefers.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// The languages that the browser accepts, as tags, the preferred one first (RFC 9110 section
    /// 12.5.4). For a page whose words are your own.
    #[must_use]
    pub fn languages(&self) -> Vec<&'a str> {
        self.accept_language.map(languages::preferred).unwrap_or_default()
    }

    /// The path that was asked for, as the browser wrote it. `None` for the failure of a token in a
    /// handler that answered a form.
    #[must_use]
    pub const fn path(&self) -> Option<&'a str> {
        self.path
    }

    /// The signed-in user, if the layer has looked the session up for this request.
    #[must_use]
    pub const fn user(&self) -> Option<&'a User> {
        self.user
    }
}
