//! The pages of a form that was posted after its session had ended: the page that asks to sign in
//! keeps it, and the page after the sign-in offers it.

use std::{fmt, sync::LazyLock};

use maud::{Markup, html};

use super::{Language, source_of, texts, utc};
use crate::clock::UnixTime;

const SCRIPT: &str = include_str!("kept_form.js");

/// `script-src` holds the script's own hash, so that no other script could run on the page.
static SCRIPT_SOURCE: LazyLock<String> = LazyLock::new(|| source_of(SCRIPT));

/// A form that was posted after its session had ended, and the step in which a page handles it:
/// see [`with_kept_form_path`](crate::IdentityConfig::with_kept_form_path).
///
/// A page of your own does what the default page does with [`SCRIPT`](Self::SCRIPT). One that
/// ignores it keeps nothing, and offers nothing.
///
/// `Debug` leaves the form out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptForm {
    /// On the page that asks to sign in ([`PageKind::SignIn`](super::PageKind::SignIn)): the form,
    /// for a script that keeps it in the tab and then leads to `sign_in_url`. The message and the
    /// links of the page are for a browser without script, in which the form is lost.
    #[non_exhaustive]
    Sealed {
        /// The form as sealed text, in characters of base64url.
        sealed: String,
        /// The kept-form path. The script keeps the text by this name.
        form_url: String,
        /// The URL that starts a sign-in which returns to the kept-form path.
        sign_in_url: String,
    },
    /// After the sign-in ([`PageKind::KeptForm`](super::PageKind::KeptForm)): a script posts the
    /// text that it kept to this URL, as the field [`FIELD`](Self::FIELD). The message of the page
    /// is for a tab that has none.
    #[non_exhaustive]
    Wanted {
        /// The kept-form path.
        form_url: String,
    },
    /// The form, for the user to decide whether it is sent. A script removes the text that it kept.
    #[non_exhaustive]
    Offered {
        /// The form as it was posted.
        form: OfferedForm,
        /// The kept-form path.
        form_url: String,
    },
    /// The text is not that of a form of this user, or is too old. A script removes it.
    #[non_exhaustive]
    Missing {
        /// The kept-form path.
        form_url: String,
    },
}

/// A form that was not sent to the application yet.
///
/// A page of your own shows the path, the time and the fields, because another person may have
/// posted the form from the same tab. It sends the same fields in the same order by a form with
/// `method="post"`, when the user presses its button and never before.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedForm {
    /// The path and query of this application that it was posted to.
    pub action: String,
    /// The names and values, in their order: text of the user.
    pub fields: Vec<(String, String)>,
    /// When it was posted.
    pub posted: UnixTime,
}

impl KeptForm {
    /// The name of the field with the sealed text.
    pub const FIELD: &str = "form";

    /// The script of the default pages.
    ///
    /// - `Sealed`: a hidden element `#kept-form` with `data-form`, `data-url` and `data-sign-in`,
    ///   which is shown instead of `#not-saved`, and a link `#sign-in`.
    /// - `Wanted`: a form `#wanted-form` whose action is the URL, with an empty field `form`.
    /// - `Offered` and `Missing`: an element `#answered-form` with `data-url`.
    pub const SCRIPT: &str = SCRIPT;

    /// The name of the page's message for the script, which hides it where the form is kept.
    pub(super) fn message_id(&self) -> Option<&'static str> {
        matches!(self, Self::Sealed { .. }).then_some("not-saved")
    }
}

impl fmt::Debug for KeptForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sealed { .. } => "Sealed(…)",
            Self::Wanted { .. } => "Wanted(…)",
            Self::Offered { .. } => "Offered(…)",
            Self::Missing { .. } => "Missing(…)",
        })
    }
}

impl fmt::Debug for OfferedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferedForm").field("posted", &self.posted).finish_non_exhaustive()
    }
}

/// The source that the policy allows beside the style sheet.
pub(super) fn policy() -> String {
    format!("; script-src {}", *SCRIPT_SOURCE)
}

/// The part between the sentence and the links.
pub(super) fn content(form: &KeptForm, language: Language) -> Markup {
    let say = |text| language.say(text);
    html! {
        @match form {
            KeptForm::Sealed { sealed, form_url, sign_in_url } => {
                p #kept-form role="status" hidden data-form=(sealed) data-url=(form_url)
                    data-sign-in=(sign_in_url) { (say(texts::FORM_KEPT)) }
            }
            KeptForm::Wanted { form_url } => {
                form #wanted-form method="post" action=(form_url) {
                    input type="hidden" name=(KeptForm::FIELD);
                }
            }
            KeptForm::Offered { form, form_url } => {
                (offered(form, language))
                div #answered-form data-url=(form_url) hidden {}
            }
            KeptForm::Missing { form_url } => { div #answered-form data-url=(form_url) hidden {} }
        }
    }
}

/// The path, the time and the fields of a form, and the button that sends it. The fields are shown,
/// since another person may have posted the form from this tab.
fn offered(form: &OfferedForm, language: Language) -> Markup {
    let path = form.action.split('?').next().unwrap_or_default();
    html! {
        dl {
            dt { (language.say(texts::FORM_PATH)) }
            dd { (path) }
            @if let Some((machine, words)) = utc(form.posted) {
                dt { (language.say(texts::FORM_POSTED)) }
                dd { time datetime=(machine) { (words) } }
            }
        }
        details {
            summary { (language.say(texts::FORM_FIELDS)) }
            dl {
                @for (name, value) in &form.fields {
                    dt { (name) }
                    dd { (value) }
                }
            }
        }
        div.actions {
            form method="post" action=(form.action) {
                @for (name, value) in &form.fields {
                    input type="hidden" name=(name) value=(value);
                }
                button.act type="submit" { (language.say(texts::SEND_FORM)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{DefaultPages, Page, PageKind, PageRenderer as _, PageRequest};

    const ENGLISH: Language = Language::ENGLISH;

    fn rendered(form: KeptForm) -> (String, String) {
        let (title, message) = (texts::OFFERED_FORM, texts::OFFERED_FORM_EXPLAINED);
        let mut page = Page::new(ENGLISH, PageKind::KeptForm, title, message);
        page.form = Some(form);
        let page = DefaultPages.render(&page, &PageRequest::new(ENGLISH));
        (page.html, page.content_security_policy)
    }

    fn form(name: &str, value: &str) -> KeptForm {
        let form = OfferedForm {
            action: "/notes?x=1&y=\"".into(),
            fields: vec![(name.into(), value.into())],
            posted: UnixTime::from_seconds(1_700_000_000),
        };
        KeptForm::Offered { form, form_url: "/auth/form".into() }
    }

    #[test]
    fn text_of_the_user_is_only_text_in_the_page_that_offers_it() {
        let attack = "\"><script>alert(1)</script>";
        let (html, policy) = rendered(form(attack, attack));
        assert!(!html.contains("<script>alert"), "{html}");
        let escaped = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;";
        assert!(html.contains(&format!("name=\"{escaped}\" value=\"{escaped}\"")), "{html}");
        assert!(html.contains("action=\"/notes?x=1&amp;y=&quot;\""), "{html}");
        assert!(html.contains("<dd>/notes</dd>") && html.contains("2023-11-14 22:13:20 UTC"));
        for part in ["default-src 'none'", "frame-ancestors 'none'", "script-src 'sha256-"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("form-action"), "the answer may redirect anywhere: {policy}");
    }

    #[test]
    fn nothing_of_a_form_is_printed() {
        let sealed = KeptForm::Sealed {
            sealed: "hush".into(),
            form_url: String::new(),
            sign_in_url: String::new(),
        };
        for form in [form("hush", "hush"), sealed] {
            assert!(!format!("{form:?}").contains("hush"), "{form:?}");
        }
    }
}
