//! The headers that all responses of the layer have in common.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
    routing::get,
};
use tower::ServiceExt as _;
use tower_identity::{
    Error, IdentityConfig, IdentityLayer, Tokens, User,
    config::SignInMethod,
    dev::{DevProvider, Endpoint},
    pages::{DefaultPages, Page, PageRenderer, PageRequest, RenderedPage},
};

use crate::{
    app::App,
    captured_log::Log,
    raw::{Answer, NAVIGATION, Raw},
};

/// A page whose policy is written over several lines.
#[derive(Debug)]
struct LongPolicy;

impl PageRenderer for LongPolicy {
    fn render(&self, page: &Page, request: &PageRequest<'_>) -> RenderedPage {
        let policy = "\n    default-src 'none';\n    frame-ancestors 'none';\t \n";
        RenderedPage {
            content_security_policy: policy.into(),
            ..DefaultPages.render(page, request)
        }
    }
}

/// A page without a policy.
#[derive(Debug)]
struct NoPolicy;

impl PageRenderer for NoPolicy {
    fn render(&self, page: &Page, request: &PageRequest<'_>) -> RenderedPage {
        RenderedPage { content_security_policy: " ".into(), ..DefaultPages.render(page, request) }
    }
}

/// RFC 9113 section 8.2.1: names are lower case. Each value is one line.
fn are_clean(headers: &HeaderMap, what: &str) {
    for (name, value) in headers {
        let bytes = value.as_bytes();
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        assert!(!is_edge(bytes.first()) && !is_edge(bytes.last()), "{what}: {name}: {value:?}");
        assert!(!bytes.is_empty(), "{what}: {name} is empty");
    }
    assert_eq!(
        headers.get("x-content-type-options").map(|value| value.as_bytes()),
        Some(&b"nosniff"[..]),
        "{what}"
    );
    assert_eq!(headers["cache-control"], "private, no-store", "{what}");
}

/// Requests every response that a new layer makes itself while nobody is signed in.
async fn all_answers(
    settings: impl Fn(IdentityConfig) -> IdentityConfig,
    pages: impl PageRenderer,
) -> Vec<StatusCode> {
    let provider = DevProvider::start().await.unwrap();
    let config = settings(provider.config("http://localhost:3000").unwrap()).build().unwrap();
    let router: Router = Router::new().layer(IdentityLayer::new(config).with_pages(pages));
    let document = &[("sec-fetch-dest", "document"), ("sec-fetch-site", "cross-site")][..];
    let mut seen = Vec::new();
    for (method, path, headers) in [
        (Method::GET, "/me", document),
        (Method::POST, "/me", document),
        (Method::GET, "/me", &[("sec-fetch-dest", "iframe")]),
        (Method::GET, "/me", &[("accept", "application/json")]),
        (Method::GET, "/me", &[("hx-request", "true")]),
        (Method::POST, "/a.B/C", &[("content-type", "application/grpc")]),
        (Method::GET, "/auth/login", document),
        (Method::POST, "/auth/login", document),
        (Method::GET, "/auth/login", &[]),
        (Method::GET, "/auth/logout", document),
        (Method::POST, "/auth/logout", &[]),
        (Method::POST, "/auth/logout", &[("sec-fetch-site", "same-origin")]),
        (Method::GET, "/auth/signed-out", document),
        (Method::GET, "/auth/callback", document),
        (Method::GET, "/auth/callback", &[]),
        (Method::GET, "/auth/callback?state=x&code=y", document),
        (Method::GET, "/auth/callback?state=r0.0.0123456789012345678901", document),
        (Method::GET, "/auth/callback?state=r1.0.0123456789012345678901", document),
        (Method::PUT, "/auth/callback", document),
        (Method::GET, "//auth/callback?error=x", document),
    ] {
        let request = headers
            .iter()
            .fold(Request::builder().method(&method).uri(path), |all, (name, value)| {
                all.header(*name, *value)
            });
        let answer: Response =
            router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        are_clean(answer.headers(), &format!("{method} {path} {headers:?}"));
        seen.push(answer.status());
    }
    seen
}

#[tokio::test]
async fn no_header_of_any_answer_begins_or_ends_in_white_space() {
    let by_code = |config: IdentityConfig| config.with_sign_in_method(SignInMethod::DeviceCode);
    for settings in [|config: IdentityConfig| config, by_code] {
        let seen = all_answers(settings, DefaultPages).await;
        for status in [200, 303, 400, 401, 403, 500] {
            assert!(
                seen.iter().any(|seen| seen.as_u16() == status),
                "no answer had {status}: {seen:?}"
            );
        }
        all_answers(settings, LongPolicy).await;
        all_answers(settings, NoPolicy).await;
    }
}

/// The page with a code, the response to its script, and the pages of a signed-in person.
#[tokio::test]
async fn the_answers_during_a_sign_in_are_clean_as_well() {
    let app = App::builder()
        .config(|config| config.with_sign_in_method(SignInMethod::DeviceCode))
        .start()
        .await;
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await.clone();
    assert!(page.body.contains("Sign in with a code"), "{}", page.body);
    assert_eq!(page.body, tab.reload().await.body, "its QR code as well");
    are_clean(&page.headers, "the page with a code");
    let address = page.url.to_string();
    let polled = tab.fetch_with(Method::GET, &address, &[("accept", "application/json")]).await;
    are_clean(&polled.headers, "what its script hears");

    let app = App::start().await;
    let mut tab = app.signed_in().await;
    tab.hops
        .iter()
        .filter(|hop| hop.url.as_str().starts_with(&app.url) && hop.status != StatusCode::OK)
        .for_each(|hop| are_clean(&hop.headers, hop.url.path()));
    app.provider.sign_in_as("grace").unwrap();
    let mut other = app.browser().tab();
    other.open(app.at("/me")).await;
    are_clean(&other.open(app.at("/admin")).await.headers, "no access");
    are_clean(&tab.open(app.at("/auth/logout")).await.headers, "the question before signing out");
}

/// A request for an image, of an old browser or a program, is not redirected to sign in.
#[tokio::test]
async fn only_a_caller_that_takes_html_gets_an_attempt_or_a_device_code() {
    for method in [SignInMethod::Redirect, SignInMethod::DeviceCode] {
        let app = App::builder().config(|config| config.with_sign_in_method(method)).start().await;
        let raw = Raw::of(&app);
        let stale = "/auth/callback?code=a&state=r0.0.0123456789012345678901";
        for path in ["/auth/login", "/auth/login?return_to=/me&account=other", stale] {
            for accept in [
                None,
                Some("*/*"),
                Some("image/avif,image/webp,*/*;q=0.8"),
                Some("application/json"),
                Some("text/*"),
            ] {
                let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
                let answer = raw.send(Method::GET, path, "", &headers, "").await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {accept:?}");
                assert!(answer.set_cookies().is_empty(), "{path} {accept:?}");
                assert!(
                    answer.header("www-authenticate").contains("/auth/login?return_to="),
                    "{path} {accept:?}"
                );
            }
            // Safari before 16.4 sends no `Sec-Fetch-Dest`; a person with curl can say what they
            // take.
            for accept in
                ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "TEXT/HTML"]
            {
                let answer = raw.send(Method::GET, path, "", &[("accept", accept)], "").await;
                assert!(
                    answer.attempt().is_some()
                        || method == SignInMethod::DeviceCode && path == stale,
                    "{path} {accept}"
                );
            }
        }
        let asked = app.provider.requests(Endpoint::DeviceAuthorization);
        assert_eq!(asked > 0, method == SignInMethod::DeviceCode, "{asked}");
    }
}

async fn reports(tokens: Option<Tokens>) -> Result<String, Error> {
    let Some(tokens) = tokens else { return Ok("nobody".into()) };
    tokens.for_user("reports").await.map(|token| token.scopes().collect::<Vec<_>>().join(" "))
}

/// A guard reads the session from a copy of the cookies. The response has the headers of the
/// request all the same.
#[tokio::test]
async fn a_token_error_behind_a_guard_on_a_public_path_leads_to_consent_and_back() {
    let app = App::builder()
        .router(|router| {
            let inside = Router::new()
                .route("/public/reports", get(reports))
                .route_layer(tower_identity::require_sign_in());
            router.merge(inside).route("/public/open", get(reports))
        })
        .start()
        .await;
    for path in ["/public/reports?page=2", "/public/open?page=2"] {
        let mut tab = app.signed_in().await;
        let before = app.provider.requests(Endpoint::Authorization);
        let script = tab.fetch(Method::GET, path).await;
        assert_eq!(
            (script.status, &script.json()["reason"]),
            (StatusCode::UNAUTHORIZED, &"interaction_required".into()),
            "{path}"
        );
        let page = tab.open(app.at(path)).await;
        assert_eq!(
            (page.status, page.url.as_str()),
            (StatusCode::OK, app.at(path).as_str()),
            "{}",
            page.body
        );
        assert!(page.body.contains("reports"), "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Authorization), before + 1);
    }
    let mut tab = app.browser().tab();
    assert_eq!(tab.open(app.at("/public/open")).await.body, "nobody");
}

/// The referrer policy of a proxy or of the application can make `Origin` the word `null`.
#[tokio::test]
async fn a_form_of_our_own_signs_out_also_where_its_origin_is_hidden() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    for (own, headers) in [
        (true, &[("origin", "null"), ("sec-fetch-site", "same-origin")][..]),
        (true, &[("sec-fetch-site", "same-origin")]),
        (false, &[("origin", "null"), ("sec-fetch-site", "same-site")]),
        (false, &[("origin", "null"), ("sec-fetch-site", "cross-site")]),
        (false, &[("origin", "null")]),
        (false, &[("origin", "http://localhost:1"), ("sec-fetch-site", "same-site")]),
    ] {
        let session = raw.sign_in().await;
        let headers = [&NAVIGATION[..2], headers].concat();
        let answer = raw.send(Method::POST, "/auth/logout", &session, &headers, "").await;
        assert_eq!(
            answer.status,
            if own { StatusCode::SEE_OTHER } else { StatusCode::OK },
            "{headers:?}: {}",
            answer.body
        );
        assert_eq!(raw.who(&session).await == "nobody", own, "{headers:?}");
    }
}

/// axum responds with 500 by itself. The log says why, once.
#[tokio::test]
async fn a_public_page_that_takes_the_user_for_granted_is_explained_in_the_log() {
    let (log, listening) = Log::listen();
    let app = App::builder()
        .router(|router| {
            router.route(
                "/public/extension",
                get(|user: axum::Extension<User>| async move { user.0.display_name().to_owned() }),
            )
        })
        .start()
        .await;
    let mut tab = app.signed_in().await;
    for _ in 0..2 {
        assert_eq!(
            tab.open(app.at("/public/extension")).await.status,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
    drop(listening);
    assert_eq!(log.text().matches("Extension<User>").count(), 1, "{}", log.text());
}

/// A service worker that hands a navigation on (`fetch(event.request)`) takes its destination away
/// and leaves its mode. The same document is asked for, so that it signs in as well.
#[tokio::test]
async fn a_navigation_through_a_service_worker_signs_in_as_any_other() {
    let app = App::start().await;
    let raw = Raw::of(&app);
    let through = |mode: &'static str| {
        [("sec-fetch-dest", "empty"), ("sec-fetch-mode", mode), ("accept", "text/html,*/*;q=0.8")]
    };
    for path in ["/me", "/auth/login?return_to=/me"] {
        let answer = raw.send(Method::GET, path, "", &through("navigate"), "").await;
        assert!(answer.begun().provider.contains("/authorize?"), "{path}");
        // A script cannot choose that mode.
        for mode in ["cors", "same-origin", "no-cors"] {
            let answer = raw.send(Method::GET, path, "", &through(mode), "").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {mode}");
            assert!(answer.set_cookies().is_empty(), "{path} {mode}");
        }
    }
    let question = raw.send(Method::GET, "/auth/logout", "", &through("navigate"), "").await;
    assert_eq!((question.status, html(&question)), (StatusCode::OK, true));
    let posted = raw.send(Method::POST, "/me", "", &through("navigate"), "").await;
    assert_eq!((posted.status, html(&posted)), (StatusCode::UNAUTHORIZED, true));
    let ahead = [&through("navigate")[..], &[("sec-purpose", "prefetch")]].concat();
    let ahead = raw.send(Method::GET, "/me", "", &ahead, "").await;
    assert_eq!((ahead.status, html(&ahead)), (StatusCode::UNAUTHORIZED, false));
}

fn html(answer: &Answer) -> bool {
    answer.header("content-type").starts_with("text/html")
}
