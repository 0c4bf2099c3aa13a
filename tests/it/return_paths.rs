//! Return paths: a sign-in leads back to the requested page, and never to another site.

use axum::http::{Method, StatusCode};
use tower_identity::dev::Endpoint;

use crate::{
    app::App,
    raw::{NAVIGATION, Raw},
};

/// Signs in with this `return_to`, and returns path and query of the page that it led to.
async fn led_to(app: &App, return_to: &str) -> String {
    let mut tab = app.browser().tab();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("return_to", return_to)
        .finish();
    let page = tab.open(app.at(&format!("/auth/login?{query}"))).await.clone();
    assert!(page.url.as_str().starts_with(&app.url), "{return_to:?} led to {}", page.url);
    let callback = tab.hops.iter().find(|hop| hop.url.path() == "/auth/callback");
    let callback = callback
        .unwrap_or_else(|| panic!("{return_to}: {} {} {}", page.status, page.url, page.body));
    let location = callback.location().unwrap();
    assert!(
        location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\"),
        "{location}"
    );
    page.url[url::Position::BeforePath..].to_owned()
}

// C-328: /, /home, /home?query=1, /a/b/c
// C-340: deep link with query before login
#[tokio::test]
async fn pages_of_this_site_are_returned_to() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for path in [
        "/other",
        "/other?a=1&b=%2F%2F",
        "/me",
        "/?q=a+b",
        "/public/page?x=http://evil.example/",
        "/unknown/page",
    ] {
        assert_eq!(led_to(&app, path).await, path);
    }
}

// C-329: null, "", //some.example, //some.example/path
// C-331: https://…, http://…, javascript:alert(1)
// C-333: /%2Fsome.example, /%2f…, /%5C…, /%5c…, /%2f%2f…, /%2F%5C…
// C-337: CR or LF in the return URL
// C-345: login endpoint `?returnUrl=`
/// Security rule 1
#[tokio::test]
async fn every_other_address_becomes_home() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for address in [
        "",
        "//evil.example",
        "//evil.example/path",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%2Fevil.example",
        "/%5Cevil.example",
        "/%2f%2fevil.example",
        "https://evil.example/",
        "http://localhost/",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "@evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/a\r\nSet-Cookie: a=b",
        "/./\\evil.example",
        "/..//evil.example",
        "/.//evil.example",
    ] {
        assert_eq!(led_to(&app, address).await, "/", "{address:?}");
    }
    // An absolute URL is refused, also one of this application.
    assert_eq!(led_to(&app, &app.at("/other")).await, "/");
}

// C-338: return URL over the limit
/// The limit of `ReturnPath` is 2,000 bytes.
#[tokio::test]
async fn a_long_page_comes_back_and_what_does_not_fit_becomes_home() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let page_of = |length: usize| format!("/other?q={}", "a".repeat(length - "/other?q=".len()));
    for length in [150, 352, 1_000, 2_000] {
        assert_eq!(led_to(&app, &page_of(length)).await, page_of(length));
        let mut tab = app.browser().tab();
        let page = tab.open(app.at(&page_of(length))).await;
        assert_eq!(
            (page.status, page.url.as_str()),
            (StatusCode::OK, app.at(&page_of(length)).as_str())
        );
    }
    for length in [2_001, 10_000] {
        assert_eq!(led_to(&app, &page_of(length)).await, "/");
    }
    let mut tab = app.browser().tab();
    let page = tab.open(app.at(&page_of(5_000))).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.at("/").as_str()));
}

#[tokio::test]
async fn a_page_or_a_sign_in_that_cannot_be_kept_is_logged() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let long = |length: usize| format!("/other?q={}", "a".repeat(length));
    let (log, _listening) = crate::captured_log::Log::listen();
    let first = raw.begin(&long(1_900), "").await;
    assert!(
        !log.text().contains("is dropped") && !log.text().contains("returns to the home page"),
        "{}",
        log.text()
    );
    raw.begin(&long(1_900), &first.attempt).await;
    assert!(log.text().contains("the oldest sign-in under way is dropped"), "{}", log.text());
    raw.begin(&long(2_500), "").await;
    assert!(
        log.text().contains("the requested return path is not a path on this site"),
        "{}",
        log.text()
    );
    assert!(!log.text().contains("aaaaaaaaaa"), "and not which");
}

/// The attempt is gone after ten minutes at the provider, or in another browser: a new sign-in
/// leads to the page all the same.
#[tokio::test]
async fn an_answer_whose_attempt_is_gone_leads_to_its_page_by_a_new_sign_in() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let begun = raw.begin("/other?open=7", "").await;
    assert!(!begun.provider.contains("other") && begun.state().len() <= 128, "{}", begun.state());
    let callback = raw.answer(&begun).await;
    let again = raw.open(&callback, "").await;
    assert_eq!(app.provider.requests(Endpoint::Token), 0, "the answer itself is not acted on");
    let second = again.begun();
    assert_ne!(second.attempt, begun.attempt);
    let answer = raw.answer(&second).await;
    let done = raw.open(&answer, &second.attempt).await;
    assert_eq!(done.location(), "/other?open=7");
    // And once more with the session of that: nothing is signed in anew.
    assert_eq!(raw.open(&callback, &done.session().unwrap()).await.location(), "/other?open=7");
    assert_eq!(app.provider.requests(Endpoint::Token), 1);

    // With blocked cookies there is an error page, whose link leads to the page as well.
    let blocked = raw.open(&answer, "").await;
    assert_eq!(blocked.status, StatusCode::BAD_REQUEST);
    assert!(blocked.body.contains("return_to=%2Fother%3Fopen%3D7"), "{}", blocked.body);

    // A state that was touched is worth no page, and one of another application neither.
    let (handle, page) = begun
        .state()
        .rsplit_once('.')
        .map(|(handle, page)| (handle.to_owned(), page.to_owned()))
        .unwrap();
    for state in [
        format!("{handle}.B{}", &page[1..]),
        format!("{handle}.{}", &page[..page.len() - 2]),
        handle,
    ] {
        let again = raw.open(&format!("/auth/callback?code=a&state={state}"), "").await;
        let begun = again.begun();
        let answer = raw.answer(&begun).await;
        assert_eq!(raw.open(&answer, &begun.attempt).await.location(), "/", "{state}");
    }
}

/// The scopes fit, because all attempts share one limit: no slot has a fixed part of it.
#[tokio::test]
async fn a_page_may_ask_for_thirteen_scopes_by_their_long_names_and_comes_back() {
    use axum::{extract::Request, response::IntoResponse as _, routing::get};
    use tower_identity::{Challenge, SignInOptions};

    fn scopes() -> Vec<String> {
        let names = [
            "User.ReadBasic.All",
            "Mail.ReadWrite.Shared",
            "Calendars.ReadWrite.Shared",
            "Contacts.ReadWrite",
            "Files.ReadWrite.All",
            "Sites.ReadWrite.All",
            "Group.ReadWrite.All",
            "Tasks.ReadWrite.Shared",
            "Notes.ReadWrite.All",
            "People.Read.All",
            "OnlineMeetings.ReadWrite",
            "Presence.Read.All",
            "MailboxSettings.ReadWrite",
        ];
        names.iter().map(|name| format!("https://graph.microsoft.com/{name}")).collect()
    }
    let more = |request: Request| async move {
        Challenge::sign_in(&request)
            .with_options(SignInOptions::new().with_scopes(scopes()))
            .into_response()
    };
    let app = App::builder().router(|router| router.route("/more", get(more))).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let page = format!("/more?q={}", "a".repeat(1_900));
    let begun = raw.begin(&page, &session).await;
    let url = url::Url::parse(&begun.provider).unwrap();
    let asked = url.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    assert!(scopes().iter().all(|scope| asked.split(' ').any(|asked| asked == scope)), "{asked}");
    assert!(begun.attempt.len() < 4_040, "{} bytes, which browsers keep", begun.attempt.len());
}

// C-135: third-party login with target_link_uri on another host
// C-136: third-party login with extra parameters (scope, redirect_uri …)
/// OpenID Connect Core section 4
#[tokio::test]
async fn a_sign_in_that_starts_elsewhere_takes_nothing_from_there() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let query = "iss=https%3A%2F%2Fevil.example&target_link_uri=https%3A%2F%2Fevil.example%2F\
                 &login_hint=grace&scope=admin&redirect_uri=https%3A%2F%2Fevil.example%2Fcb\
                 &client_id=other&response_type=token&nonce=a&state=b&prompt=none&claims=%7B%7D";
    let mut tab = app.browser().tab();
    tab.open(app.provider.issuer()).await;
    let page = tab.follow(&app.at(&format!("/auth/login?{query}"))).await;
    assert_eq!(
        (page.url.as_str(), page.body.as_str()),
        (app.at("/").as_str(), "hello Ada Lovelace")
    );
    let request = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(request.parameter("redirect_uri"), Some(app.at("/auth/callback").as_str()));
    assert_eq!(request.parameter("scope"), Some("openid profile email offline_access"));
    let other = request
        .parameters()
        .iter()
        .find(|(_, value)| value.contains("evil.example") || value == "grace");
    assert_eq!(other, None);
    for name in ["login_hint", "prompt", "claims", "target_link_uri", "iss"] {
        assert_eq!(request.parameter(name), None, "{name}");
    }
}

// C-346: unsafe method without session
/// D8: after a POST the sign-in returns to the page with the form, if it is on this site.
#[tokio::test]
async fn a_form_that_met_the_sign_in_is_not_sent_again() {
    let app = App::start().await;
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/public/page?step=2")).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = tab.submit(crate::browser::html::Form::post("/me")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    app.provider.sign_in_as("ada").unwrap();
    let page = tab.click("Sign in").await;
    assert_eq!(
        (page.url.as_str(), page.body.as_str()),
        (app.at("/public/page?step=2").as_str(), "hello Ada Lovelace")
    );
    assert!(tab.hops.iter().all(|hop| hop.method == Method::GET));
}

/// Security rule 8: neither `Host` nor the headers of a proxy decide about a redirect.
#[tokio::test]
async fn forwarded_headers_do_not_move_the_callback() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let headers = [
        NAVIGATION,
        &[
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "//evil.example"),
            ("forwarded", "host=evil.example;proto=https"),
            ("x-original-url", "//evil.example/"),
            ("x-rewrite-url", "/admin"),
        ],
    ]
    .concat();
    let answer = raw.send(Method::GET, "/other", "", &headers, "").await;
    assert!(
        answer.location().starts_with(app.provider.issuer()) && !answer.location().contains("evil")
    );
    let callback = raw.open(answer.location(), "").await;
    assert!(callback.location().starts_with(&app.at("/auth/callback?")));
    let path = callback.location().strip_prefix(&app.url).unwrap();
    let answer = raw.send(Method::GET, path, &answer.attempt().unwrap(), &headers, "").await;
    assert_eq!(answer.location(), "/other");
}
