//! The page of a sign-in by device code: a code, a URL, a QR code, and a script that goes on
//! when the user is done.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use maud::{Markup, PreEscaped, html};
use qrcode::{Color, EcLevel, QrCode};
use quick_cache::sync::Cache;

use super::{Language, Text, source_of, texts};

const SCRIPT: &str = include_str!("device.js");

/// `script-src` holds the script's own hash, so that no other script could run on the page.
static SCRIPT_SOURCE: LazyLock<String> = LazyLock::new(|| source_of(SCRIPT));

/// Around a QR code, in modules (ISO/IEC 18004): without it readers do not find the code.
const QUIET_ZONE: usize = 4;

/// A sign-in by device code (RFC 8628) as its page shows it.
///
/// A page of your own shows [`user_code`](Self::user_code) and
/// [`verification_uri`](Self::verification_uri), and a link to
/// [`continue_url`](Self::continue_url) for people without script. With script it does what
/// [`SCRIPT`](Self::SCRIPT) does: it asks [`poll_url`](Self::poll_url) with
/// `Accept: application/json`, first after [`wait`](Self::wait), and gets
///
/// - `{"status": "pending", "wait": 5}`: not yet; ask again after so many seconds (asking sooner
///   does no harm, since the provider is asked at its own pace),
/// - `{"status": "done", "location": "/me"}`: the user is signed in; go there,
/// - `{"status": "ended"}`: declined, or not to be trusted; open
///   [`poll_url`](Self::poll_url) as a page to see why.
///
/// `Debug` leaves the code out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceSignIn {
    /// The code that the user types: the provider's text.
    pub user_code: String,
    /// The `https` URL of the provider at which the user types it.
    pub verification_uri: String,
    /// The same with the code in it, if the provider has that.
    pub verification_uri_complete: Option<String>,
    /// How long the code still works.
    pub expires_in: Duration,
    /// When to ask for the first time.
    pub wait: Duration,
    /// Whether the user asked to continue and was not done yet.
    pub not_yet: bool,
    /// The URL of this application that a script asks.
    pub poll_url: String,
    /// The URL of this application to which the link to continue leads.
    pub continue_url: String,
}

impl DeviceSignIn {
    /// The script of the default page, for an element `#device` with `data-poll`, `data-wait` and
    /// `data-left` (in seconds), `data-seconds`, `data-one-second` and `data-minutes` (the texts
    /// `{} seconds`, `1 second` and `{} minutes` in the language of the page; English without
    /// them), and elements `#left`, `#waiting` and `#over`, of which the last two are hidden.
    pub const SCRIPT: &str = SCRIPT;

    /// The URL of the QR code and of the link: with the code in it if the provider has that.
    #[must_use]
    pub fn url(&self) -> &str {
        self.verification_uri_complete.as_deref().unwrap_or(&self.verification_uri)
    }

    /// A QR code of [`url`](Self::url) as an `svg` element with a text for screen readers;
    /// `None` if the URL is too long for one.
    #[must_use]
    pub fn qr_code(&self) -> Option<String> {
        self.svg(Language::ENGLISH).map(PreEscaped::<String>::into_string)
    }

    fn svg(&self, language: Language) -> Option<Markup> {
        let draw = || drawn(self.url()).map(Arc::new);
        let drawn = DRAWN.get_or_insert_with(self.url(), || draw().ok_or(())).ok()?;
        let (size, path) = (drawn.size, drawn.path.as_str());
        Some(html! {
            // Dark on light in every colour scheme: many readers know it no other way.
            svg.qr role="img" aria-label=(language.say(texts::QR_CODE))
                viewBox=(format!("0 0 {size} {size}")) shape-rendering="crispEdges" {
                path fill="#fff" d=(format!("M0 0h{size}v{size}H0z")) {}
                path fill="#000" d=(path) {}
            }
        })
    }
}

/// How many codes are remembered: a page is shown again each time its user comes back to it, and
/// a code is costly to draw.
const REMEMBERED: usize = 64;
/// The longest URL that is drawn, in bytes: a provider may make it long.
const LONGEST_URL: usize = 1024;

/// The dark modules of a QR code as the path of an `svg`, which has this size with the quiet zone.
struct QrPath {
    size: usize,
    path: String,
}

/// The latest QR codes, by their URLs.
static DRAWN: LazyLock<Cache<String, Arc<QrPath>>> = LazyLock::new(|| Cache::new(REMEMBERED));

fn drawn(url: &str) -> Option<QrPath> {
    if url.len() > LONGEST_URL {
        return None;
    }
    let code = QrCode::with_error_correction_level(url, EcLevel::M).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in colors.chunks(width).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET_ZONE, y + QUIET_ZONE));
        }
    }
    Some(QrPath { size: width + 2 * QUIET_ZONE, path })
}

impl fmt::Debug for DeviceSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSignIn")
            .field("verification_uri", &self.verification_uri)
            .field("expires_in", &self.expires_in)
            .field("not_yet", &self.not_yet)
            .finish_non_exhaustive()
    }
}

/// The sources that the policy allows beside the style sheet.
pub(super) fn policy() -> String {
    format!("; script-src {}; connect-src 'self'", *SCRIPT_SOURCE)
}

/// The part between the sentence and the links.
pub(super) fn content(device: &DeviceSignIn, language: Language) -> Markup {
    let say = |text| language.say(text);
    let svg = device.svg(language);
    let open = if svg.is_some() { texts::OPEN_WITH_QR } else { texts::OPEN };
    let (before_url, after_url) = language.around(open);
    let (before_code, after_code) = language.around(texts::ENTER);
    let (before_time, after_time) = language.around(texts::WORKS_FOR);
    html! {
        @if device.not_yet {
            p.notice role="status" {
                strong { (say(texts::NOT_YET)) }
                " " (language.fill(texts::FIRST_ENTER, &span(device.wait, language)))
            }
        }
        div #device data-poll=(device.poll_url) data-wait=(device.wait.as_secs())
            data-left=(device.expires_in.as_secs()) data-seconds=(say(texts::SECONDS))
            data-one-second=(say(texts::ONE_SECOND)) data-minutes=(say(texts::MINUTES)) {
            ol {
                li {
                    (before_url)
                    a href=(device.url()) target="_blank" rel="noopener noreferrer" {
                        (device.verification_uri)
                    }
                    (after_url)
                    @if let Some(svg) = svg { (svg) }
                }
                li { (before_code) strong.code { (device.user_code) } (after_code) }
            }
            // RFC 8628 section 5.4: an attacker who makes a person type a code signs in as them.
            p { (say(texts::ONLY_YOURS)) }
            p.soft {
                (before_time) span #left { (span(device.expires_in, language)) } (after_time)
            }
        }
        p #waiting role="status" hidden { (say(texts::WAITING)) }
        p #over role="status" hidden { (say(texts::OVER)) }
    }
}

/// A duration in words, as the script writes them.
fn span(time: Duration, language: Language) -> String {
    let fill = |text: Text, number: u64| language.fill(text, &number.to_string());
    match time.as_secs() {
        1 => language.say(texts::ONE_SECOND).to_owned(),
        seconds @ 0..=90 => fill(texts::SECONDS, seconds),
        seconds => fill(texts::MINUTES, (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{ActionKind, DefaultPages, Page, PageKind, PageRenderer as _, PageRequest};

    const ENGLISH: Language = Language::ENGLISH;

    fn device(complete: Option<&str>) -> DeviceSignIn {
        DeviceSignIn {
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://id.example/device".into(),
            verification_uri_complete: complete.map(Into::into),
            expires_in: Duration::from_secs(900),
            wait: Duration::from_secs(5),
            not_yet: false,
            poll_url: "/auth/callback?state=r0.1.x".into(),
            continue_url: "/auth/callback?state=r0.1.x&continue".into(),
        }
    }

    fn rendered(device: DeviceSignIn) -> (String, String) {
        rendered_in(device, ENGLISH)
    }

    fn rendered_in(device: DeviceSignIn, language: Language) -> (String, String) {
        let (kind, title) = (PageKind::DeviceSignIn, texts::DEVICE);
        let mut page = Page::new(language, kind, title, texts::DEVICE_EXPLAINED)
            .with_link(ActionKind::Continue, "/");
        page.device = Some(device);
        let rendered = DefaultPages.render(&page, &PageRequest::new(language));
        (rendered.html, rendered.content_security_policy)
    }

    #[test]
    fn the_page_says_where_to_type_what_and_for_how_long() {
        let (html, policy) =
            rendered(device(Some("https://id.example/device?user_code=WDJB-MJHT&x=1")));
        for part in [
            "<strong class=\"code\">WDJB-MJHT</strong>",
            "href=\"https://id.example/device?user_code=WDJB-MJHT&amp;x=1\" target=\"_blank\" \
             rel=\"noopener noreferrer\">https://id.example/device</a>",
            "<svg class=\"qr\" role=\"img\" aria-label=",
            "<span id=\"left\">15 minutes</span>",
            "data-seconds=\"{} seconds\" data-one-second=\"1 second\"",
            "data-poll=\"/auth/callback?state=r0.1.x\" data-wait=\"5\" data-left=\"900\"",
            "give it to nobody",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(
            !html.contains("not signed in yet")
                && rendered(DeviceSignIn { not_yet: true, ..device(None) })
                    .0
                    .contains("not signed in yet")
        );
        assert!(
            policy.contains(&format!("; script-src {}; connect-src 'self'", *SCRIPT_SOURCE))
                && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            html.contains(&format!("<script>{SCRIPT}</script>")),
            "the script is what its hash is of"
        );
        assert!(
            !DefaultPages
                .render(
                    &Page::new(
                        ENGLISH,
                        PageKind::SignedOut,
                        texts::SIGNED_OUT,
                        texts::SIGN_IN_TO_USE
                    ),
                    &PageRequest::new(ENGLISH)
                )
                .content_security_policy
                .contains("script")
        );
    }

    #[test]
    fn the_page_and_its_script_speak_the_language_of_the_browser() {
        let device = DeviceSignIn { not_yet: true, ..device(None) };
        let (html, _) = rendered_in(device, Language::FRENCH);
        for part in [
            "<h1>Se connecter avec un code</h1>",
            "attendez 5 secondes",
            "data-seconds=\"{} secondes\" data-one-second=\"1 seconde\"",
            "data-minutes=\"{} minutes\"",
            "<span id=\"left\">15 minutes</span>",
            "aria-label=\"Code QR de l’adresse\"",
            ">Continuer</a>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn the_providers_texts_are_only_text() {
        let (html, _) = rendered(DeviceSignIn {
            user_code: "<b>x</b>\"".into(),
            ..device(Some("https://id.example/\"><script>"))
        });
        assert!(!html.contains("<b>") && !html.contains("\"><script>\""), "{html}");
    }

    #[test]
    fn a_qr_code_is_dark_on_light_with_room_around_it() {
        let svg = device(None).qr_code().unwrap();
        let code =
            QrCode::with_error_correction_level("https://id.example/device", EcLevel::M).unwrap();
        let size = code.width() + 8;
        assert!(svg.contains(&format!("viewBox=\"0 0 {size} {size}\"")), "{svg}");
        assert_eq!(
            svg.matches("h1v1h-1z").count(),
            code.to_colors().iter().filter(|color| **color == Color::Dark).count()
        );
        assert!(
            svg.contains("M4 4h1") && !svg.contains("M3 "),
            "the first finder pattern begins after the quiet zone"
        );
        assert_eq!(
            device(Some(&format!("https://id.example/{}", "x".repeat(5000)))).qr_code(),
            None
        );
    }

    // C-363: user_code and device_code
    #[test]
    fn the_code_is_not_printed() {
        assert!(
            !format!("{:?}", device(Some("https://id.example/device?user_code=WDJB-MJHT")))
                .contains("WDJB")
        );
    }

    #[test]
    fn times_are_words() {
        let words =
            [0, 1, 5, 90, 91, 900].map(|seconds| span(Duration::from_secs(seconds), ENGLISH));
        assert_eq!(
            words,
            ["0 seconds", "1 second", "5 seconds", "90 seconds", "2 minutes", "15 minutes"]
        );
    }
}
