//! The layer's own pages: errors, a code to sign in with, a form that was not sent, signed out, the
//! question before signing out.
//!
//! - Everything is escaped by construction; text of the provider is only ever text.
//! - No image, no font, and a script only on the pages of a [sign-in by device code](DeviceSignIn)
//!   and of a [form that is kept](KeptForm): the policy sent along allows what is on the page and
//!   nothing else.
//! - In the language of the browser, of those that the application has ([`Language`]).
//! - One heading, one sentence, what to do next, and below it the details for support. Light and
//!   dark follow the system.
//! - Replace them by giving [`IdentityLayer::with_pages`](crate::IdentityLayer::with_pages) a
//!   [`PageRenderer`].

mod device;
pub(crate) mod english;
mod french;
mod german;
mod kept_form;
mod language;
mod request;
mod spanish;

use std::{borrow::Cow, fmt, sync::LazyLock};

use aws_lc_rs::digest;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) use self::english as texts;
pub(crate) use self::language::{Languages, Text};
pub use self::{
    device::DeviceSignIn,
    kept_form::{KeptForm, OfferedForm},
    language::Language,
    request::PageRequest,
};
use crate::{
    clock::UnixTime,
    error::{Advice, Error, ErrorKind},
};

const STYLE: &str = include_str!("pages.css");

/// `style-src` holds the style sheet's own hash, so that nothing injected could style the page.
static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| source_of(STYLE));

/// A text of the page as a source in its policy.
fn source_of(text: &str) -> String {
    format!(
        "'sha256-{}'",
        base64_simd::STANDARD.encode_to_string(digest::digest(&digest::SHA256, text.as_bytes()))
    )
}

/// Which page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageKind {
    /// A step failed: [`Page::error`] is the kind of the failure.
    Error,
    /// The page needs a signed-in user or a further consent, and this kind of request cannot be
    /// redirected.
    SignIn,
    /// Shows a code that the user types at the provider: [`Page::device`].
    DeviceSignIn,
    /// Offers a form that was posted after its session had ended: [`Page::form`].
    KeptForm,
    /// A signed-in user lacks a right; or a sign-in was declined by the user, the provider or the
    /// application ([`Page::reason`]), also where no user is signed in.
    Forbidden,
    /// The user is signed in, and returns to the program that opened the browser (feature
    /// `desktop`).
    SignedIn,
    /// The user is signed out.
    SignedOut,
    /// Asks whether to sign out, because the request did not come from a page of this site.
    ConfirmSignOut,
}

/// The effect of a link or button of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionKind {
    /// Starts a sign-in.
    SignIn,
    /// Starts a sign-in in which the user chooses the account.
    SignInWithOtherAccount,
    /// Does again what has failed.
    TryAgain,
    /// Starts a sign-in by device code from its beginning.
    StartAgain,
    /// Goes on with a sign-in by device code.
    Continue,
    /// Signs out.
    SignOut,
    /// Stays signed in: goes to the home page.
    StaySignedIn,
    /// Sends no form that is offered: goes to the home page.
    DiscardForm,
    /// Goes to the home page.
    Home,
}

impl ActionKind {
    const fn text(self) -> Text {
        match self {
            Self::SignIn => texts::SIGN_IN,
            Self::SignInWithOtherAccount => texts::OTHER_ACCOUNT,
            Self::TryAgain => texts::TRY_AGAIN,
            Self::StartAgain => texts::START_AGAIN,
            Self::Continue => texts::CONTINUE,
            Self::SignOut => texts::SIGN_OUT,
            Self::StaySignedIn => texts::STAY_SIGNED_IN,
            Self::DiscardForm => texts::DISCARD_FORM,
            Self::Home => texts::HOME,
        }
    }
}

/// A link or button on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// Its effect: decide by this, and not by the label.
    pub kind: ActionKind,
    /// Its label, in the language of the page.
    pub label: &'static str,
    /// The URL to which it leads, in this application.
    pub url: String,
    /// Whether it is a form that is posted, rather than a link.
    pub post: bool,
}

/// The content of a page. `Debug` leaves out what the provider wrote, and all URLs.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Which page it is.
    pub kind: PageKind,
    /// The kind of the failure, on the page of one.
    pub error: Option<ErrorKind>,
    /// The language of the texts.
    pub language: Language,
    /// The heading.
    pub title: &'static str,
    /// One sentence for the user: the crate's own in the language of the page, or the text of
    /// [`SignInRefusal::with_user_message`](crate::SignInRefusal::with_user_message).
    pub message: Cow<'static, str>,
    /// The next steps of the user; the first is the likeliest.
    pub actions: Vec<Action>,
    /// The code to sign in with, on a page of that kind.
    pub device: Option<DeviceSignIn>,
    /// The form that was posted after its session had ended, on the pages that keep or offer one.
    pub form: Option<KeptForm>,
    /// The stable reason code ([`Error::reason`](crate::Error::reason)).
    pub reason: Option<&'static str>,
    /// The provider's code, for example `AADSTS50105` or `invalid_scope`: untrusted text, also
    /// where it is a known code.
    pub code: Option<String>,
    /// The meaning of that code, if it is known; [`message`](Self::message) is the sentence of it
    /// for the user.
    pub advice: Option<&'static Advice>,
    /// The text of the provider, for the operators of the application: untrusted.
    ///
    /// It is left out where the code is known, because Microsoft writes names of accounts and
    /// tenants into it, and where it does not come from an authorization response, because it may
    /// hold tokens. Where the base URL is plain http, as on a developer's machine, it is always
    /// there.
    pub provider: Option<String>,
    /// The line of the log, where the base URL is plain http or the application is set up wrongly.
    /// It holds no secret.
    pub detail: Option<String>,
    /// The same value as in the log, to quote when asking for help.
    pub correlation_id: Option<String>,
    /// The provider's own value for its log, to quote when its people are asked: untrusted text.
    pub provider_correlation_id: Option<String>,
    /// Another such value: untrusted text.
    pub provider_trace_id: Option<String>,
    /// When it happened.
    pub time: Option<UnixTime>,
}

impl Page {
    pub(crate) fn new(language: Language, kind: PageKind, title: Text, message: Text) -> Self {
        Self {
            kind,
            error: None,
            language,
            title: language.say(title),
            message: language.say(message).into(),
            actions: Vec::new(),
            device: None,
            form: None,
            reason: None,
            code: None,
            advice: None,
            provider: None,
            detail: None,
            correlation_id: None,
            provider_correlation_id: None,
            provider_trace_id: None,
            time: None,
        }
    }

    /// The page of a failure.
    pub(crate) fn of_error(language: Language, kind: PageKind, title: Text, error: &Error) -> Self {
        let mut page = Self::new(language, kind, title, Text::of_error(error));
        if let Some(message) = error.own_message() {
            page.message = message.to_owned().into();
        }
        Self { error: Some(error.kind()), reason: Some(error.reason()), ..page }
    }

    pub(crate) fn with_link(self, kind: ActionKind, url: impl Into<String>) -> Self {
        self.with_action(kind, url.into(), false)
    }

    pub(crate) fn with_post(self, kind: ActionKind, url: impl Into<String>) -> Self {
        self.with_action(kind, url.into(), true)
    }

    fn with_action(mut self, kind: ActionKind, url: String, post: bool) -> Self {
        let label = self.language.say(kind.text());
        self.actions.push(Action { kind, label, url, post });
        self
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("kind", &self.kind)
            .field("language", &self.language)
            .field("message", &self.message)
            .field("reason", &self.reason)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// A page as it is sent: status, `Cache-Control`, `Content-Language` and cookies are added by the
/// layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedPage {
    /// The document, as `text/html; charset=utf-8`.
    pub html: String,
    /// The value of `Content-Security-Policy`.
    pub content_security_policy: String,
    /// The language of the document, if it is not the one of [`Page::language`]: the tag in
    /// `Content-Language`.
    pub language: Option<String>,
}

/// Turns a [`Page`] into HTML.
///
/// The texts of the page are in the language of the browser already. Decide by the kinds
/// ([`Page::kind`], [`Page::error`], [`Action::kind`]), never by the words.
///
/// ```
/// use tower_identity::pages::{
///     DefaultPages, Page, PageKind, PageRenderer, PageRequest, RenderedPage,
/// };
///
/// #[derive(Debug)]
/// struct OurPages;
///
/// impl PageRenderer for OurPages {
///     fn render(&self, page: &Page, request: &PageRequest<'_>) -> RenderedPage {
///         match page.kind {
///             PageKind::SignedOut => RenderedPage {
///                 html: format!(
///                     "<!doctype html><html lang={}><title>{}</title><p>{}",
///                     page.language.tag(), page.title, page.message,
///                 ),
///                 content_security_policy: "default-src 'none'; frame-ancestors 'none'".into(),
///                 language: None,
///             },
///             _ => DefaultPages.render(page, request),
///         }
///     }
/// }
/// ```
///
/// # Security
///
/// [`Page::provider`], [`Page::code`] and the provider's identifiers are untrusted text: escape
/// them, and [`Page::message`], which may be a text of the application.
pub trait PageRenderer: fmt::Debug + Send + Sync + 'static {
    /// The page as HTML, for the request that it answers.
    fn render(&self, page: &Page, request: &PageRequest<'_>) -> RenderedPage;
}

/// The pages that come with the crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultPages;

impl PageRenderer for DefaultPages {
    fn render(&self, page: &Page, _: &PageRequest<'_>) -> RenderedPage {
        // Chromium and WebKit hold each redirect after a form to `form-action` (CSP Level 3
        // section 6.4.1). A sign-out leads through the provider, a kept form through the
        // application, and from there to origins that are not known here, so a page with a form
        // has none.
        let has_form = page.form.is_some() || page.actions.iter().any(|action| action.post);
        let form_action = if has_form { "" } else { "; form-action 'none'" };
        let more = match (&page.device, &page.form) {
            (Some(_), _) => device::policy(),
            (None, Some(_)) => kept_form::policy(),
            (None, None) => String::new(),
        };
        RenderedPage {
            html: document(page).into_string(),
            // `img-src` is for the icon of the application, which Firefox asks for on each page.
            content_security_policy: format!(
                "default-src 'none'; style-src {}; img-src 'self'; base-uri 'none'; \
                 frame-ancestors 'none'{form_action}{more}",
                *STYLE_SOURCE
            ),
            language: None,
        }
    }
}

fn document(page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(page.language.tag()) dir=(page.language.direction()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (page.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (page.title) }
                    p id=[page.form.as_ref().and_then(KeptForm::message_id)] { (page.message) }
                    @if let Some(form) = &page.form { (kept_form::content(form, page.language)) }
                    @if let Some(device) = &page.device { (device::content(device, page.language)) }
                    @if !page.actions.is_empty() {
                        div.actions {
                            @for (position, action) in page.actions.iter().enumerate() {
                                (button(action, position > 0))
                            }
                        }
                    }
                    (facts(page))
                }
                @if page.device.is_some() { script { (PreEscaped(DeviceSignIn::SCRIPT)) } }
                @if page.form.is_some() { script { (PreEscaped(KeptForm::SCRIPT)) } }
            }
        }
    }
}

fn button(action: &Action, quiet: bool) -> Markup {
    html! {
        @if action.post {
            form method="post" action=(action.url) {
                button.act.quiet[quiet] type="submit" { (action.label) }
            }
        } @else {
            // Out of a frame: the sign-in page refuses to be framed.
            a.act.quiet[quiet] id=[id(action)] href=(action.url) target="_top" { (action.label) }
        }
    }
}

/// The name of a link for scripts.
fn id(action: &Action) -> Option<&'static str> {
    (action.kind == ActionKind::SignIn).then_some("sign-in")
}

fn facts(page: &Page) -> Markup {
    let facts = [
        (texts::DETAILS_CODE, page.code.as_deref()),
        (texts::DETAILS_REASON, page.reason),
        (texts::DETAILS_MESSAGE, page.provider.as_deref()),
        (texts::DETAILS_DETAIL, page.detail.as_deref()),
        (texts::DETAILS_REFERENCE, page.correlation_id.as_deref()),
        (texts::DETAILS_CORRELATION_ID, page.provider_correlation_id.as_deref()),
        (texts::DETAILS_TRACE_ID, page.provider_trace_id.as_deref()),
    ];
    let say = |text| page.language.say(text);
    let time = page.time.and_then(utc);
    html! {
        @if time.is_some() || facts.iter().any(|(_, value)| value.is_some()) {
            section aria-labelledby="details" {
                h2 #details { (say(texts::DETAILS)) }
                dl {
                    @for (name, value) in &facts {
                        @if let Some(value) = value { dt { (say(*name)) } dd { (value) } }
                    }
                    @if let Some((machine, words)) = &time {
                        dt { (say(texts::DETAILS_TIME)) }
                        dd { time datetime=(machine) { (words) } }
                    }
                }
            }
        }
    }
}

/// The moment for programs and for people: `2026-11-21T20:42:00Z` and `2026-11-21 20:42:00 UTC`.
fn utc(time: UnixTime) -> Option<(String, String)> {
    let (date, clock) = time.utc()?;
    Some((time.to_string(), format!("{date} {clock} UTC")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: Language = Language::ENGLISH;

    fn rendered(page: &Page) -> RenderedPage {
        DefaultPages.render(page, &PageRequest::new(page.language))
    }

    fn failed() -> Page {
        Page::new(ENGLISH, PageKind::Error, texts::SIGN_IN_FAILED, texts::NEEDS_MORE)
    }

    fn signed_out(language: Language) -> Page {
        Page::new(language, PageKind::SignedOut, texts::SIGNED_OUT, texts::SIGN_IN_TO_USE)
    }

    // C-134: error_description contains HTML
    // MSAL-038: Error page shows error text with `<script>`; it is rendered
    #[test]
    fn text_of_the_provider_is_only_text() {
        let mut page = Page { message: "<b>bold</b>".into(), ..failed() };
        for place in [
            &mut page.provider,
            &mut page.code,
            &mut page.provider_correlation_id,
            &mut page.provider_trace_id,
        ] {
            *place = Some("<script>alert(1)</script>\" onload=\"x".into());
        }
        let html = rendered(&page).html;
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload="), "{html}");
    }

    /// Security rule 19: a renderer of an application may log its page.
    #[test]
    fn a_page_does_not_print_what_the_provider_wrote() {
        let page = Page { provider: Some("AADSTS50105: ada@example.com".into()), ..failed() };
        let page = page.with_link(ActionKind::Continue, "/auth/callback?state=hush");
        let printed = format!("{page:?}");
        assert!(!printed.contains("ada@") && !printed.contains("hush"), "{printed}");
        assert!(printed.contains("Error") && printed.contains(&page.message[..]), "{printed}");
    }

    /// The parts of a page that screen readers, keyboards and weak eyes need.
    #[test]
    fn the_page_has_a_language_one_heading_and_named_details() {
        let mut page = failed().with_link(ActionKind::TryAgain, "/auth/login");
        page.code = Some("AADSTS7000222".into());
        page.time = Some(UnixTime::from_seconds(1_700_000_000));
        let html = rendered(&page).html;
        for part in [
            "<html lang=\"en\" dir=\"ltr\">",
            "<title>Sign-in failed</title>",
            "<main>",
            "<h1>Sign-in failed</h1>",
            "<section aria-labelledby=\"details\"><h2 id=\"details\">",
            "<dt>Code</dt><dd>AADSTS7000222</dd>",
            "<time datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13:20 UTC</time>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("<h1>").count(), 1);
        assert!(STYLE.contains("prefers-color-scheme:dark") && STYLE.contains(":focus-visible"));
        let plain = rendered(&signed_out(ENGLISH)).html;
        assert!(!plain.contains("<section") && !plain.contains("<dl"), "{plain}");
    }

    /// WCAG 2.2 section 1.4.3: 4.5 to 1 for text, in both colour schemes.
    #[test]
    fn text_stands_out_from_its_ground() {
        let colour = |scheme: &str, name: &str| {
            let (_, rest) = scheme.split_once(&format!("--{name}:#")).unwrap();
            let hex: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            let digits = if hex.len() == 3 {
                hex.chars().flat_map(|digit| [digit, digit]).collect()
            } else {
                hex
            };
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
        };
        let (light, dark) = STYLE.split_once("prefers-color-scheme:dark").unwrap();
        for scheme in [light, dark] {
            for (text, ground) in
                [("ink", "paper"), ("soft", "paper"), ("act", "paper"), ("on-act", "act")]
            {
                let (one, other) = (colour(scheme, text), colour(scheme, ground));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
    }

    // C-344: login start, consent and logout pages
    #[test]
    fn the_policy_allows_its_own_style_and_nothing_else() {
        let page = signed_out(ENGLISH);
        let policy = rendered(&page).content_security_policy;
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-")
                && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn a_page_is_in_its_language_as_a_whole() {
        let mut page = signed_out(Language::GERMAN).with_link(ActionKind::SignIn, "/auth/login");
        page.reason = Some("internal");
        let html = rendered(&page).html;
        for part in [
            "<html lang=\"de\" dir=\"ltr\">",
            "<h1>Sie sind abgemeldet</h1>",
            ">Anmelden</a>",
            ">Angaben für den Support</h2>",
            "<dt>Grund</dt><dd>internal</dd>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let arabic = Language::new("ar", &[]);
        assert!(rendered(&signed_out(arabic)).html.contains("<html lang=\"ar\" dir=\"rtl\">"));
    }

    #[test]
    fn time_is_written_in_words_that_can_be_quoted() {
        let (machine, words) = utc(UnixTime::from_seconds(1_700_000_000)).unwrap();
        assert_eq!(
            (machine.as_str(), words.as_str()),
            ("2023-11-14T22:13:20Z", "2023-11-14 22:13:20 UTC")
        );
        assert_eq!(utc(UnixTime::from_seconds(i64::MAX)), None);
    }
}
