//! Requests with effects that pages of other origins cause, with the cookie of the person.

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::{any, get},
};
use tower_identity::{User, config::CrossSiteRequests, require_sign_in};

use crate::{
    app::{App, AppBuilder},
    browser::html::Form,
    captured_log::Log,
    raw::Raw,
};

type Headers<'a> = [(&'a str, &'a str)];

/// The headers of browsers for pages of sibling origins and of other sites, old browsers among
/// them.
const OTHERS: &[&Headers<'_>] = &[
    &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:1")],
    &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
    &[("sec-fetch-site", "cross-site"), ("origin", "null")],
    &[("sec-fetch-site", "same-site")],
    &[("origin", "http://localhost:1")],
    &[("origin", "null")],
];

/// The headers of requests of the application's own pages, of the person, and of programs.
const OWN: &[&Headers<'_>] =
    &[&[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")], &[], &[("origin", "")]];

const WEB_SOCKET: &Headers<'_> = &[("connection", "upgrade"), ("upgrade", "websocket")];

fn with_routes<'a>() -> AppBuilder<'a> {
    let name = |user: Option<User>| async move {
        user.map_or_else(|| "nobody".to_owned(), |user| user.display_name().to_owned())
    };
    let routes = Router::new()
        .route("/any", any(name))
        .route("/hooks/pay", any(name))
        .route("/hooks", any(name))
        .route("/public/any", any(name))
        .route("/public/required", any(|user: User| async move { user.display_name().to_owned() }))
        .merge(Router::new().route("/public/guarded", any(name)).route_layer(require_sign_in()))
        .route("/public/ping", get(|| async { "pong" }).post(|| async { "pong" }));
    App::builder().router(|router| router.merge(routes))
}

/// Status and body of a request with the cookie of a session.
async fn ask(
    app: &App,
    session: &str,
    method: &str,
    path: &str,
    headers: &[&Headers<'_>],
) -> (u16, String) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let answer = Raw::of(app).send(method, path, session, &headers.concat(), "").await;
    (answer.status.as_u16(), answer.body)
}

async fn session_of(app: &App) -> String {
    app.provider.sign_in_as("ada").unwrap();
    Raw::of(app).sign_in().await
}

#[tokio::test]
async fn a_request_with_effects_from_another_origin_never_reaches_the_application() {
    let app = with_routes().start().await;
    let session = session_of(&app).await;
    for other in OTHERS {
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
            let (status, body) = ask(&app, &session, method, "/any", &[other]).await;
            assert_eq!(status, 403, "{method} {other:?}: {body}");
            assert!(body.contains("\"reason\":\"cross_site\""), "{body}");
        }
        let (status, _) = ask(&app, &session, "GET", "/any", &[other, WEB_SOCKET]).await;
        assert_eq!(status, 403, "a WebSocket with {other:?}");
        for method in ["GET", "HEAD", "OPTIONS"] {
            let (status, body) = ask(&app, &session, method, "/any", &[other]).await;
            assert_eq!((status, body.contains("cross_site")), (200, false), "{method} {other:?}");
        }
    }
    for own in OWN {
        for (method, headers) in [
            ("POST", &[][..]),
            ("DELETE", &[]),
            ("GET", WEB_SOCKET),
            ("GET", &[("upgrade", "h2c")]),
        ] {
            let (status, body) = ask(&app, &session, method, "/any", &[own, headers]).await;
            assert_eq!((status, body.as_str()), (200, "Ada Lovelace"), "{method} {own:?}");
        }
    }
    let own_origin: &Headers<'_> = &[("origin", app.url.as_str())];
    for headers in [&[own_origin][..], &[own_origin, WEB_SOCKET]] {
        assert_eq!(ask(&app, &session, "POST", "/any", headers).await.0, 200);
    }
}

/// A browser decides about the cookie: a form of a sibling origin brings it, one of another site
/// does not.
#[tokio::test]
async fn a_form_of_a_sibling_origin_is_refused_and_one_of_another_site_asks_to_sign_in() {
    let (app, sibling) = (with_routes().start().await, App::start().await);
    let mut tab = app.signed_in().await;
    let own = tab.submit(Form::post("/any")).await;
    assert_eq!((own.status, own.body.as_str()), (StatusCode::OK, "Ada Lovelace"));
    tab.open(sibling.at("/public/page")).await;
    let page = tab.submit(Form::post(&app.at("/any"))).await.clone();
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    assert!(page.body.contains("<dd>cross_site</dd>") && page.body.contains("a page of this site"));
    tab.open(app.provider.issuer()).await;
    let page = tab.submit(Form::post(&app.at("/any"))).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.body);
}

#[tokio::test]
async fn on_a_public_path_the_request_of_another_origin_has_no_user() {
    let app = with_routes().start().await;
    let session = session_of(&app).await;
    for other in OTHERS {
        for (method, headers) in [("POST", &[][..]), ("GET", WEB_SOCKET)] {
            let ask = async |path| ask(&app, &session, method, path, &[other, headers]).await;
            assert_eq!(ask("/public/any").await, (200, "nobody".into()), "{method} {other:?}");
            assert_eq!(ask("/public/ping").await, (200, "pong".into()), "{method} {other:?}");
            for path in ["/public/guarded", "/public/required"] {
                let (status, body) = ask(path).await;
                assert_eq!(status, 403, "{method} {path} {other:?}: {body}");
                assert!(body.contains("\"reason\":\"cross_site\""), "{body}");
            }
        }
        // Without a session there is nothing to misuse.
        assert_eq!(ask(&app, "", "POST", "/public/guarded", &[other]).await.0, 401);
        assert_eq!(ask(&app, "", "POST", "/any", &[other]).await.0, 401);
    }
    for path in ["/public/any", "/public/guarded", "/public/required"] {
        for own in OWN {
            let answer = ask(&app, &session, "POST", path, &[own]).await;
            assert_eq!(answer, (200, "Ada Lovelace".into()), "{path} {own:?}");
        }
        let get = ask(&app, &session, "GET", path, &[OTHERS[0]]).await;
        assert_eq!(get, (200, "Ada Lovelace".into()), "{path}");
    }
}

#[tokio::test]
async fn trusted_origins_and_named_paths_are_accepted_and_nothing_beside_them() {
    let app = with_routes()
        .config(|config| {
            config
                .add_trusted_origin("https://admin.example")
                .unwrap()
                .add_cross_site_path("/hooks/pay")
                .add_cross_site_prefix("/public/")
        })
        .start()
        .await;
    let session = session_of(&app).await;
    let admin = &[("sec-fetch-site", "cross-site"), ("origin", "https://admin.example")];
    let post =
        async |path, headers: &Headers<'_>| ask(&app, &session, "POST", path, &[headers]).await.0;
    assert_eq!(post("/any", admin).await, 200);
    for other in OTHERS {
        let paths =
            ["/hooks/pay", "/public/any", "/public/guarded", "/any", "/hooks", "/hooks/pay/"];
        for (path, status) in paths.into_iter().zip([200, 200, 200, 403, 403, 403]) {
            assert_eq!(post(path, other).await, status, "{path} {other:?}");
        }
    }
    let app = with_routes()
        .config(|config| config.with_cross_site_requests(CrossSiteRequests::Allow))
        .start()
        .await;
    let session = session_of(&app).await;
    for other in OTHERS {
        let answer = ask(&app, &session, "POST", "/any", &[other]).await;
        assert_eq!(answer, (200, "Ada Lovelace".into()), "{other:?}");
    }
}

#[tokio::test]
async fn each_client_is_refused_in_its_own_shape_and_the_log_says_why_and_what_to_set() {
    let (log, listening) = Log::listen();
    let app = with_routes().start().await;
    let session = session_of(&app).await;
    let raw = Raw::of(&app);
    let other = [("sec-fetch-site", "same-site"), ("origin", "http://shop.localhost:1")];
    let send = async |more: &[(&str, &str)]| {
        let headers = [&other[..], more].concat();
        raw.send(Method::POST, "/any", &session, &headers, "").await
    };
    let page = send(&[("sec-fetch-dest", "document")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.body);
    let grpc = send(&[("content-type", "application/grpc-web")]).await;
    assert_eq!((grpc.header("grpc-status"), grpc.header("grpc-message")), ("7", "cross_site"));
    assert_eq!(grpc.header("content-type"), "application/grpc-web");
    for more in [&[("hx-request", "true")][..], &[]] {
        let document = send(more).await;
        assert_eq!(document.header("content-type"), "application/problem+json");
        assert_eq!(document.status, StatusCode::FORBIDDEN);
        assert!(!document.body.contains("shop.localhost"), "{}", document.body);
    }
    drop(listening);
    let log = log.text();
    for part in [
        "cross_site",
        "same-site",
        "shop.localhost:1",
        "IDENTITY_TRUSTED_ORIGINS",
        "IDENTITY_CROSS_SITE_PATHS",
    ] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
}
