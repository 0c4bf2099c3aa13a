//! The pages that a person may meet: errors, signed out, the question before signing out.
//!
//! - Everything is escaped by construction; text of the provider is only ever text.
//! - No script, no image, no font: the policy sent along allows this page's style sheet and nothing else.
//! - Replace them by giving [`IdentityLayer::with_pages`](crate::IdentityLayer::with_pages) a [`PageRenderer`].

use std::{fmt, sync::LazyLock};

use aws_lc_rs::digest;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::clock::UnixTime;

const STYLE: &str = include_str!("pages.css");

/// `style-src` holds the style sheet's own hash, so that nothing injected could style the page.
static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| {
    format!("'sha256-{}'", base64_simd::STANDARD.encode_to_string(digest::digest(&digest::SHA256, STYLE.as_bytes())))
});

/// Which page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageKind {
    /// A step failed; [`Page::reason`] says why.
    Error,
    /// The address needs a signed-in person, and this kind of request cannot be redirected.
    SignIn,
    /// The person is signed in, but lacks the right.
    Forbidden,
    /// The person is signed out.
    SignedOut,
    /// Asks whether to sign out, because the request did not come from a page of this site.
    ConfirmSignOut,
}

/// A link or button on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// What it says.
    pub label: &'static str,
    /// Where it goes: an address of this application.
    pub address: String,
    /// Whether it is a form that is posted, rather than a link.
    pub post: bool,
}

impl Action {
    pub(crate) fn link(label: &'static str, address: impl Into<String>) -> Self {
        Self { label, address: address.into(), post: false }
    }

    pub(crate) fn post(label: &'static str, address: impl Into<String>) -> Self {
        Self { label, address: address.into(), post: true }
    }
}

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Which page it is.
    pub kind: PageKind,
    /// The heading.
    pub title: &'static str,
    /// One sentence for the person.
    pub message: String,
    /// What can be done next; the first is the likeliest.
    pub actions: Vec<Action>,
    /// The stable reason code ([`ErrorKind::reason`](crate::ErrorKind::reason)).
    pub reason: Option<&'static str>,
    /// What the provider said, for the people who run the application: untrusted text.
    pub provider: Option<String>,
    /// The line of the log, where the base URL is plain http, which is to say a developer's own machine. It holds no secret.
    pub detail: Option<String>,
    /// The same value as in the log, to quote when asking for help.
    pub correlation_id: Option<String>,
    /// When it happened.
    pub time: Option<UnixTime>,
    /// Where a form of this page may end up after redirects: the provider's origin, for the policy.
    pub form_target: Option<String>,
}

impl Page {
    pub(crate) fn new(kind: PageKind, title: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            title,
            message: message.into(),
            actions: Vec::new(),
            reason: None,
            provider: None,
            detail: None,
            correlation_id: None,
            time: None,
            form_target: None,
        }
    }

    pub(crate) fn with_action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}

/// A page as it is sent: status, `Cache-Control` and cookies are added by the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedPage {
    /// The document, as `text/html; charset=utf-8`.
    pub html: String,
    /// The value of `Content-Security-Policy`.
    pub content_security_policy: String,
}

/// Turns a [`Page`] into HTML.
///
/// ```
/// use tower_identity::pages::{DefaultPages, Page, PageKind, PageRenderer, RenderedPage};
///
/// #[derive(Debug)]
/// struct OurPages;
///
/// impl PageRenderer for OurPages {
///     fn render(&self, page: &Page) -> RenderedPage {
///         match page.kind {
///             PageKind::SignedOut => RenderedPage {
///                 html: "<!doctype html><title>Bye</title><p>See you.".into(),
///                 content_security_policy: "default-src 'none'; frame-ancestors 'none'".into(),
///             },
///             _ => DefaultPages.render(page),
///         }
///     }
/// }
/// ```
///
/// # Security
///
/// [`Page::provider`] was written by somebody else: escape it.
pub trait PageRenderer: fmt::Debug + Send + Sync + 'static {
    /// The page as HTML.
    fn render(&self, page: &Page) -> RenderedPage;
}

/// The pages that come with the crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultPages;

impl PageRenderer for DefaultPages {
    fn render(&self, page: &Page) -> RenderedPage {
        let target = page.form_target.as_deref().unwrap_or_default();
        RenderedPage {
            html: document(page).into_string(),
            content_security_policy: format!(
                "default-src 'none'; style-src {}; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {target}",
                *STYLE_SOURCE
            ),
        }
    }
}

fn document(page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (page.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (page.title) }
                    p { (page.message) }
                    @if !page.actions.is_empty() {
                        div.actions {
                            @for (position, action) in page.actions.iter().enumerate() { (button(action, position > 0)) }
                        }
                    }
                    (facts(page))
                }
            }
        }
    }
}

fn button(action: &Action, quiet: bool) -> Markup {
    html! {
        @if action.post {
            form method="post" action=(action.address) { button.act.quiet[quiet] type="submit" { (action.label) } }
        } @else {
            // Out of a frame: the sign-in page refuses to be framed.
            a.act.quiet[quiet] href=(action.address) target="_top" { (action.label) }
        }
    }
}

fn facts(page: &Page) -> Markup {
    let facts = [
        ("Reason", page.reason.map(str::to_owned)),
        ("Provider", page.provider.clone()),
        ("Detail", page.detail.clone()),
        ("Reference", page.correlation_id.clone()),
        ("Time", page.time.and_then(utc)),
    ];
    html! {
        @if facts.iter().any(|(_, value)| value.is_some()) {
            dl {
                @for (name, value) in &facts {
                    @if let Some(value) = value { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

/// The moment as `2026-11-21 20:42:00 UTC`.
fn utc(time: UnixTime) -> Option<String> {
    let moment = time::OffsetDateTime::from_unix_timestamp(time.as_seconds()).ok()?;
    let (date, clock) = (moment.date(), moment.time());
    Some(format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-134, MSAL-038
    #[test]
    fn text_of_the_provider_is_only_text() {
        let mut page = Page::new(PageKind::Error, "Sign-in failed", "<b>bold</b>");
        page.provider = Some("<script>alert(1)</script>\" onload=\"x".into());
        let html = DefaultPages.render(&page).html;
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload="), "{html}");
    }

    /// C-344
    #[test]
    fn the_policy_allows_its_own_style_and_nothing_else() {
        let page = Page::new(PageKind::SignedOut, "Signed out", "Bye.");
        let policy = DefaultPages.render(&page).content_security_policy;
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn time_is_written_in_words_that_can_be_quoted() {
        assert_eq!(utc(UnixTime::from_seconds(1_700_000_000)).as_deref(), Some("2023-11-14 22:13:20 UTC"));
        assert_eq!(utc(UnixTime::from_seconds(i64::MAX)), None);
    }
}
