//! The client against a small server that answers with what it saw.

use axum::{
    Router,
    extract::Request,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, get},
};

use super::*;

/// The server under its two names, which are two sites.
async fn server() -> (String, String) {
    async fn echo(request: Request) -> Response {
        let show = |name: &str| {
            request.headers().get(name).map_or("-", |value| value.to_str().unwrap()).to_owned()
        };
        let names = ["cookie", "origin", "referer", "sec-fetch-site", "sec-fetch-dest"];
        let seen: Vec<_> = names.iter().map(|name| format!("{name}={}", show(name))).collect();
        format!("{} {}", request.method(), seen.join(" ")).into_response()
    }
    let set = ["lax=1; SameSite=Lax", "strict=1; SameSite=Strict", "none=1; SameSite=None; Secure"];
    let set = set.map(|cookie| (header::SET_COOKIE, cookie));
    let target = |request: &Request| request.uri().query().unwrap().to_owned();
    let app = Router::new()
        .route("/set", get(move || async move { (axum::response::AppendHeaders(set), "set") }))
        .route("/to", any(move |request| async move { Redirect::to(&target(&request)) }))
        .route("/keep", any(move |request| async move { Redirect::temporary(&target(&request)) }))
        .route(
            "/post",
            get(|request: Request| async move {
                Html(format!(
                    "<form method=post action='{}'><input name=a value=b></form>\
                     <script>document.forms[0].submit()</script>",
                    request.uri().query().unwrap()
                ))
            }),
        )
        .route("/circle", get(|| async { Redirect::to("/circle") }))
        .route("/silent", get(|| async { ([(header::REFERRER_POLICY, "no-referrer")], "silent") }))
        .route("/secret", get(|| async { ([(header::CACHE_CONTROL, "no-store")], "secret") }))
        .fallback(echo);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"))
}

/// A tab that has the cookies of the app.
async fn tab(app: &str) -> Tab {
    let mut tab = Browser::new().tab();
    tab.open(format!("{app}/set")).await;
    tab
}

/// The names of the cookies that the server saw.
fn seen(page: &Page) -> Vec<&str> {
    let cookies = page.body.split("cookie=").nth(1).unwrap().split(" origin=").next().unwrap();
    cookies.split("; ").map(|pair| pair.trim_end_matches("=1")).collect()
}

#[tokio::test]
async fn cookies_go_where_chromium_sends_them() {
    let (app, other) = server().await;
    let mut tab = tab(&app).await;
    assert_eq!(seen(tab.open(format!("{app}/x")).await), ["lax", "strict", "none"]);
    tab.open(&other).await;
    assert_eq!(seen(tab.follow(&format!("{app}/x")).await), ["lax", "none"]);
    tab.open(&other).await;
    assert_eq!(seen(&tab.frame(&format!("{app}/x")).await), ["none"]);
    // By redirect through the other site, as a callback comes.
    tab.open(format!("{app}/")).await;
    assert_eq!(seen(tab.follow(&format!("{other}/to?{app}/x")).await), ["lax", "none"]);
    // By a form that the other site submits.
    let page = tab.open(format!("{other}/post?{app}/x")).await;
    assert_eq!(seen(page), ["none"]);
    assert!(
        page.body.starts_with("POST") && page.body.contains("sec-fetch-site=cross-site"),
        "{}",
        page.body
    );
    assert_eq!(tab.hops.len(), 2);
}

#[tokio::test]
async fn origin_and_referer_follow_the_rules() {
    let (app, other) = server().await;
    let mut tab = tab(&app).await;
    let form = |action: String| {
        html::forms(&format!("<form method=post action='{action}'><input name=a></form>")).remove(0)
    };
    tab.open(format!("{app}/a?b")).await;
    let page = tab.submit(form(format!("{app}/x"))).await;
    assert!(
        page.body.contains(&format!("origin={app} referer={app}/a?b sec-fetch-site=same-origin")),
        "{}",
        page.body
    );
    tab.open(format!("{app}/a?b")).await;
    let page = tab.submit(form(format!("{other}/x"))).await;
    assert!(
        page.body.contains(&format!("origin={app} referer={app}/ sec-fetch-site=cross-site")),
        "{}",
        page.body
    );
    tab.open(format!("{app}/silent")).await;
    let page = tab.submit(form(format!("{app}/x"))).await;
    assert!(
        page.body.contains("origin=null referer=- sec-fetch-site=same-origin"),
        "{}",
        page.body
    );
    tab.open(format!("{app}/a")).await;
    let page = tab.submit(form(format!("{other}/keep?{app}/x"))).await;
    assert!(page.body.starts_with("POST") && page.body.contains("origin=null"), "{}", page.body);
}

#[tokio::test]
async fn back_shows_what_may_be_kept_and_asks_for_the_rest() {
    let (app, _) = server().await;
    let mut tab = tab(&app).await;
    tab.open(format!("{app}/secret")).await;
    tab.follow("/x").await;
    tab.back().await;
    assert_eq!((tab.page().body.as_str(), tab.hops.len()), ("secret", 1));
    assert_eq!(tab.hops[0].url.path(), "/secret");
    tab.back().await;
    assert_eq!(
        (tab.page().body.as_str(), tab.hops[0].url.path()),
        ("set", "/secret"),
        "from the cache, without a request"
    );
}

#[tokio::test]
async fn a_proxied_origin_is_https_for_the_browser() {
    let (app, _) = server().await;
    let address =
        format!("127.0.0.1:{}", Url::parse(&app).unwrap().port().unwrap()).parse().unwrap();
    let mut tab = Browser::new().with_proxy("https://app.example.com", address).tab();
    tab.open("https://app.example.com/set").await;
    assert_eq!(seen(tab.follow("/x").await), ["lax", "strict", "none"]);
    assert_eq!(tab.browser.cookies("app.example.com").len(), 3);
}

#[tokio::test]
async fn a_script_sends_cookies_to_its_own_origin_only() {
    let (app, other) = server().await;
    let mut tab = tab(&app).await;
    let page = tab.fetch(Method::GET, "/x").await;
    assert!(
        page.body.contains("lax=1") && page.body.contains("sec-fetch-dest=empty"),
        "{}",
        page.body
    );
    tab.open(&other).await;
    let page = tab.fetch(Method::POST, &format!("{app}/x")).await;
    assert!(page.body.contains(&format!("cookie=- origin={other}")), "{}", page.body);
}

#[tokio::test]
#[should_panic(expected = "redirected in a circle")]
async fn a_circle_of_redirects_is_noticed() {
    let (app, _) = server().await;
    Browser::new().tab().open(format!("{app}/circle")).await;
}
