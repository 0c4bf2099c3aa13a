//! Forms that are posted after their session has ended, kept by the tab and offered after the
//! sign-in (`with_kept_form_path`).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    http::{Method, StatusCode, Uri},
    routing::post,
};
use tower_identity::dev::{Endpoint, Failure};

use crate::{
    app::{App, AppBuilder},
    browser::{
        Page, Tab,
        html::{self, Form},
    },
    captured_log::Log,
    raw::Raw,
    stores::{Operation, Watched},
};

const IDLE: Duration = Duration::from_secs(600);
const PATH: &str = "/auth/form";
const URLENCODED: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// A form that a page of the application posts.
const POSTED: &[(&str, &str)] = &[
    URLENCODED,
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
];

/// The forms that reached the application: path and query, and the body.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(String, String)>>>);

impl Received {
    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn keeping<'a>(received: &Received) -> AppBuilder<'a> {
    let received = received.clone();
    let save = move |uri: Uri, body: String| async move {
        received.0.lock().unwrap().push((uri.to_string(), body));
        "saved"
    };
    App::builder()
        .config(|config| config.with_idle_timeout(IDLE).with_kept_form_path(PATH))
        .router(|router| router.route("/notes", post(save)))
}

/// A form with this text, as the page `/other` could have it.
fn form(text: &str) -> Form {
    let mut form = Form::post("/notes?book=1&of=a%26b");
    form.fields = vec![("text".into(), text.into()), ("text".into(), "ü \"quoted\"".into())];
    form
}

/// The sealed form in a page, as its script reads it, and the URL at which the sign-in begins.
fn kept(page: &Page) -> Option<(String, String)> {
    let tags = html::tags(&page.body);
    let tag =
        tags.iter().find(|tag| tag.attributes.get("id").is_some_and(|id| id == "kept-form"))?;
    assert_eq!(tag.attributes["data-url"], PATH);
    assert!(page.header("content-security-policy").contains("; script-src 'sha256-"));
    Some((tag.attributes["data-form"].clone(), tag.attributes["data-sign-in"].clone()))
}

/// A tab of Ada in which a form was posted after the session had ended, and what the tab keeps.
async fn lost_form(app: &App, text: &str) -> (Tab, String, String) {
    let mut tab = app.signed_in().await;
    tab.open(app.at("/other")).await;
    app.turn(601);
    let page = tab.submit(form(text)).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("Your session has ended, and what you sent was not saved."));
    let (sealed, sign_in) = kept(page).expect("nothing is kept");
    (tab, sealed, sign_in)
}

/// Posts the sealed form as the script of the page after the sign-in does.
async fn open_form<'t>(tab: &'t mut Tab, sealed: &str) -> &'t Page {
    let mut form = Form::post(PATH);
    form.fields = vec![("form".into(), sealed.into())];
    tab.submit(form).await
}

/// The page of a form that is not offered.
#[track_caller]
fn is_not_offered(page: &Page) {
    assert_eq!(page.status, StatusCode::NOT_FOUND, "{}", page.body);
    assert!(page.body.contains("No form to send") && !page.body.contains("/notes"));
    assert!(html::forms(&page.body).is_empty(), "{}", page.body);
}

#[tokio::test]
async fn a_form_whose_session_has_ended_is_offered_after_the_sign_in_and_sent_by_its_user() {
    let received = Received::default();
    let app = keeping(&received).start().await;
    let (mut tab, sealed, sign_in) = lost_form(&app, "two\r\nlines <b>").await;
    assert_eq!(sign_in, "/auth/login?return_to=%2Fauth%2Fform");
    // Without script the link leads back to the page with the form.
    assert!(tab.page().body.contains("/auth/login?return_to=%2Fother"), "{}", tab.page().body);

    let page = tab.follow(&sign_in).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, PATH));
    assert!(page.body.contains("No form to send"), "a tab without one");
    let page = open_form(&mut tab, &sealed).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Send your form?") && page.body.contains("<dd>/notes</dd>"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.header("cache-control"), "private, no-store");
    assert_eq!(received.take(), [], "nothing is sent by itself");

    let offered = page.form();
    assert_eq!(tab.submit(offered).await.body, "saved");
    let body = "text=two%0D%0Alines+%3Cb%3E&text=%C3%BC+%22quoted%22".to_owned();
    assert_eq!(received.take(), [("/notes?book=1&of=a%26b".to_owned(), body)]);
}

#[tokio::test]
async fn without_the_setting_nothing_is_kept_and_the_path_belongs_to_the_application() {
    let app = App::builder().config(|config| config.with_idle_timeout(IDLE)).start().await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/other")).await;
    app.turn(601);
    let page = tab.submit(form("hello")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(kept(page).is_none() && !page.body.contains("<script"), "{}", page.body);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    assert_eq!(tab.open(app.at(PATH)).await.body, "no such page");
}

#[tokio::test]
async fn another_user_of_the_browser_neither_sees_nor_sends_the_form() {
    let received = Received::default();
    let app = keeping(&received).start().await;
    let (mut tab, sealed, sign_in) = lost_form(&app, "Ada's secret").await;
    app.provider.sign_in_as("alan").unwrap();
    tab.follow(&sign_in).await;
    is_not_offered(open_form(&mut tab, &sealed).await);
    assert!(!tab.page().body.contains("secret"));
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Alan Turing");
    assert_eq!(received.take(), []);
}

#[tokio::test]
async fn after_a_sign_out_nothing_is_kept_and_nothing_is_offered() {
    let received = Received::default();
    let app = keeping(&received).start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let session = raw.sign_in().await;
    let out = raw.send(Method::POST, "/auth/logout", &session, POSTED, "").await;
    assert!(out.status.is_redirection());
    for seconds in [0, 601] {
        // A browser would not send the cookie any more.
        app.turn(seconds);
        let page = raw.send(Method::POST, "/notes", &session, POSTED, "text=hello").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert!(!page.body.contains("data-form"), "{}", page.body);
    }

    // A form that was kept before is not offered in the sign-in after.
    let (mut tab, sealed, sign_in) = lost_form(&app, "hello").await;
    tab.follow(&sign_in).await;
    tab.submit(Form::post("/auth/logout")).await;
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    is_not_offered(open_form(&mut tab, &sealed).await);
}

#[tokio::test]
async fn a_session_that_the_provider_did_not_renew_keeps_nothing() {
    let received = Received::default();
    let day = Duration::from_secs(24 * 3600);
    let app = keeping(&received).config(|config| config.with_idle_timeout(day)).start().await;
    let mut tab = app.signed_in().await;
    tab.open(app.at("/other")).await;
    app.turn(3600 + 300);
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("invalid_grant".into()));
    let page = tab.submit(form("hello")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("Your session has ended") && kept(page).is_none());
}

#[tokio::test]
async fn a_form_is_kept_after_the_absolute_timeout_too_and_the_end_is_reported() {
    let received = Received::default();
    let told = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&told);
    let app = keeping(&received)
        .config(|config| config.with_absolute_timeout(IDLE))
        .layer(|layer| {
            layer.on_session_ended(move |_| {
                *counted.lock().unwrap() += 1;
                async { Ok::<_, std::io::Error>(()) }
            })
        })
        .start()
        .await;
    let (mut tab, ..) = lost_form(&app, "first").await;
    assert!(kept(tab.submit(form("second")).await).is_some());
    assert_eq!(*told.lock().unwrap(), 1);
}

#[tokio::test]
async fn only_a_form_that_a_page_of_this_origin_posts_is_kept() {
    let received = Received::default();
    let app =
        keeping(&received).config(|config| config.add_cross_site_path("/notes")).start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let session = raw.sign_in().await;
    app.turn(601);
    let with = |name: &'static str, value: &'static str| {
        let other = |pair: &&(&'static str, &'static str)| pair.0 != name;
        POSTED.iter().filter(other).copied().chain([(name, value)]).collect::<Vec<_>>()
    };
    let is_kept = async |headers: &[(&str, &str)], path: &str, body: &str| {
        let page = raw.send(Method::POST, path, &session, headers, body).await;
        assert!(!page.status.is_success(), "{}", page.body);
        page.body.contains("data-form=")
    };
    let (notes, text) = ("/notes", "text=hello");
    assert!(is_kept(POSTED, notes, text).await);
    let longest = format!("text={}", "a".repeat(64 * 1024 - 5));
    assert!(is_kept(POSTED, notes, &longest).await);
    assert!(!is_kept(POSTED, notes, &format!("{longest}a")).await, "too long");
    let charset = "application/x-www-form-urlencoded; charset=UTF-8";
    assert!(is_kept(&with("content-type", charset), notes, text).await);
    let worker = with("sec-fetch-dest", "empty");
    assert!(is_kept(&worker, notes, text).await, "handed on by a service worker");
    let script = worker.iter().filter(|(name, _)| *name != "sec-fetch-mode").copied();
    let script: Vec<_> = script.chain([("sec-fetch-mode", "cors")]).collect();
    assert!(!is_kept(&script, notes, text).await, "of a script");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-dest", "iframe"),
        ("hx-request", "true"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "text/plain"),
        ("content-type", "application/json"),
    ] {
        assert!(!is_kept(&with(name, value), notes, text).await, "{name}: {value}");
    }
    assert!(!is_kept(POSTED, notes, "text=%FC").await, "in another encoding than UTF-8");
    assert!(!is_kept(POSTED, "/auth/logout", text).await, "a path of the layer");
    assert!(!is_kept(POSTED, PATH, text).await, "a path of the layer");
    let without = raw.send(Method::POST, notes, "", POSTED, text).await;
    assert!(!without.body.contains("data-form="), "no user was signed in");
    let put = raw.send(Method::PUT, notes, &session, POSTED, text).await;
    assert!(!put.body.contains("data-form="), "{}", put.body);
}

#[tokio::test]
async fn with_the_cookies_of_two_users_no_form_is_kept() {
    let received = Received::default();
    let app = keeping(&received).start().await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let (ada, again) = (raw.sign_in().await, raw.sign_in().await);
    app.provider.sign_in_as("alan").unwrap();
    let alan = raw.sign_in().await;
    let (name, _) = ada.split_once('=').unwrap();
    let unknown = format!("{name}={}", "A".repeat(ada.len() - name.len() - 1));
    app.turn(601);
    for (other, is_kept) in [(again, true), (alan, false), (unknown, false)] {
        let cookies = format!("{ada}; {other}");
        let page = raw.send(Method::POST, "/notes", &cookies, POSTED, "text=hello").await;
        assert_eq!(page.body.contains("data-form="), is_kept, "{}", page.body);
    }
}

#[tokio::test]
async fn a_sealed_form_that_was_changed_or_is_too_old_is_not_offered() {
    let received = Received::default();
    let app = keeping(&received).start().await;
    let (mut tab, sealed, sign_in) = lost_form(&app, "hello").await;
    tab.follow(&sign_in).await;
    let middle = sealed.len() / 2;
    let changed = if sealed.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{changed}{}", &sealed[..middle], &sealed[middle + 1..]);
    for broken in ["", "x", &changed, &sealed[..middle]] {
        is_not_offered(open_form(&mut tab, broken).await);
    }
    // A read that failed says nothing about the form, so the script leaves it in the tab.
    let unread = open_form(&mut tab, &"A".repeat(200_000)).await;
    assert_eq!(unread.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!unread.body.contains("answered-form"), "{}", unread.body);
    assert_eq!(open_form(&mut tab, &sealed).await.status, StatusCode::OK);
    for _ in 0..8 {
        app.turn(500);
        tab.open(app.at(PATH)).await;
        tab.fetch(Method::GET, &app.at("/me")).await;
    }
    is_not_offered(open_form(&mut tab, &sealed).await);
}

#[tokio::test]
async fn a_store_that_fails_for_a_moment_leaves_the_form_in_the_tab() {
    let (received, store) = (Received::default(), Watched::default());
    let kept = store.clone();
    let app = keeping(&received).layer(|layer| layer.with_store(kept).unwrap()).start().await;
    let (mut tab, sealed, sign_in) = lost_form(&app, "hello").await;
    tab.follow(&sign_in).await;
    store.fail_next(Operation::Load);
    let unread = open_form(&mut tab, &sealed).await;
    assert!(unread.status.is_server_error(), "{}", unread.body);
    assert!(!unread.body.contains("answered-form"), "{}", unread.body);
    assert_eq!(open_form(&mut tab, &sealed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_a_page_of_this_origin_has_a_form_opened() {
    let received = Received::default();
    let app = keeping(&received).start().await;
    let (_, sealed, _) = lost_form(&app, "hello").await;
    let raw = Raw::of(&app);
    let begun = raw.begin(PATH, "").await;
    let callback = raw.answer(&begun).await;
    let session = raw.open(&callback, &begun.attempt).await.session().unwrap();
    let body = format!("form={sealed}");
    let opened = raw.send(Method::POST, PATH, &session, POSTED, &body).await;
    assert_eq!(opened.status, StatusCode::OK);
    assert!(opened.body.contains("value=\"hello\""), "{}", opened.body);
    for site in ["cross-site", "same-site", "none"] {
        let headers = [URLENCODED, ("sec-fetch-dest", "document"), ("sec-fetch-site", site)];
        let refused = raw.send(Method::POST, PATH, &session, &headers, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{site}");
        assert!(!refused.body.contains("hello") && refused.body.contains("cross_site"));
    }
    let put = raw.send(Method::PUT, PATH, &session, POSTED, &body).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    // In the address the form would be in the log of every proxy.
    let asked = raw.open(&format!("{PATH}?{body}"), &session).await;
    assert!(!asked.body.contains("hello") && asked.body.contains("No form to send"));
    // Without a session the tab still has the form.
    let without = raw.send(Method::POST, PATH, "", POSTED, &body).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    assert!(without.body.contains("/auth/login?return_to=%2Fauth%2Fform"), "{}", without.body);
    assert!(!without.body.contains("answered-form"));
    assert!(raw.open(PATH, "").await.location().starts_with(app.provider.issuer()));
}

#[tokio::test]
async fn behind_a_prefix_and_a_page_of_its_own_the_form_is_offered_as_the_browser_sees_it() {
    let received = Received::default();
    let app = keeping(&received)
        .authority(|provider, url| {
            App::common_settings(provider.config(&format!("{url}/app")).unwrap())
                .with_path_prefix(tower_identity::config::PathPrefix::Kept)
                .with_sign_in_page("/welcome")
        })
        .router(|router| axum::Router::new().nest("/app", router))
        .start()
        .await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let begun = raw.begin("/app/auth/login", "").await;
    let callback = raw.answer(&begun).await;
    let session = raw.open(&callback, &begun.attempt).await.session().unwrap();
    app.turn(601);
    let page = raw.send(Method::POST, "/app/notes?x=1", &session, POSTED, "text=hello").await;
    let tags = html::tags(&page.body);
    let tag = tags.iter().find(|tag| tag.attributes.contains_key("data-form")).unwrap();
    assert_eq!(tag.attributes["data-url"], "/app/auth/form");
    assert_eq!(tag.attributes["data-sign-in"], "/app/welcome?return_to=%2Fapp%2Fauth%2Fform");
    let body = format!("form={}", tag.attributes["data-form"]);
    let begun = raw.begin("/app/auth/login?return_to=%2Fapp%2Fauth%2Fform", "").await;
    let callback = raw.answer(&begun).await;
    let signed_in = raw.open(&callback, &begun.attempt).await;
    assert_eq!(signed_in.location(), "/app/auth/form");
    let session = signed_in.session().unwrap();
    let opened = raw.send(Method::POST, "/app/auth/form", &session, POSTED, &body).await;
    assert_eq!(html::forms(&opened.body)[0].action, "/app/notes?x=1", "{}", opened.body);
}

/// Security rule 19.
#[tokio::test]
async fn nothing_of_a_form_is_in_the_log() {
    let (log, _listening) = Log::listen();
    let received = Received::default();
    let app = keeping(&received).start().await;
    let (mut tab, sealed, sign_in) = lost_form(&app, "hush-hush").await;
    tab.follow(&sign_in).await;
    let offered = open_form(&mut tab, &sealed).await.form();
    app.turn(601);
    let page = tab.submit(offered).await;
    assert!(kept(page).is_some(), "the session has ended again: {}", page.body);
    let text = log.text();
    assert!(text.contains("a form whose session has ended is kept"), "{text}");
    assert!(!text.contains("hush") && !text.contains(&sealed) && !text.contains("quoted"));
}
