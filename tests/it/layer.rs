//! The layer around different services, and responses in the form that each kind of client expects.

use axum::{
    Router,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::{Layer as _, ServiceExt as _};
use tower_identity::{
    ApiConfig, ApiLayer, Authority, Challenge, IdentityConfig, IdentityLayer, Prompt,
    SignInOptions, User,
    config::{Preflight, ResponseMode},
    dev::DevProvider,
    require_sign_in,
};

use crate::app::App;

type Request = axum::http::Request<axum::body::Body>;

/// Two providers in one application: a layer for each, one of them below a path of the other.
#[tokio::test]
async fn two_layers_with_base_urls_of_their_own_have_users_of_their_own() {
    let pages = || {
        let who = |user: Option<User>| async move {
            user.map_or_else(|| "nobody".to_owned(), |user| user.issuer().to_owned())
        };
        Router::new()
            .route("/who", get(who))
            .route("/notes", get(|user: User| async move { user.issuer().to_owned() }))
    };
    let outer = DevProvider::start().await.unwrap();
    let inner = DevProvider::start().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let below = format!("{base}/google");
    let config = outer.config(&base).unwrap().add_public_path("/who");
    let outer_layer = IdentityLayer::new(config.add_public_prefix("/google/").build().unwrap());
    let config = inner.config(&below).unwrap().add_public_path("/who");
    let inner_layer = IdentityLayer::new(config.build().unwrap());
    let app = pages().nest_service("/google", inner_layer.layer(pages())).layer(outer_layer);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let browser = outer.signed_in(&base, "ada").await.unwrap();
    let open = async |url: String| {
        let answer = browser.get(url).header("accept", "application/json").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (at_outer, at_inner) = (outer.issuer().to_owned(), inner.issuer().to_owned());
    assert_eq!(open(format!("{base}/notes")).await, (200, at_outer.clone()));
    assert_eq!(open(format!("{below}/who")).await, (200, "nobody".to_owned()));
    assert_eq!(open(format!("{below}/notes")).await.0, 401);

    // The same browser signs in at the other provider as well, and signs out there alone.
    inner.sign_in_as("alan").unwrap();
    let answer = browser.get(format!("{below}/notes")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), at_inner);
    assert_eq!(open(format!("{below}/who")).await, (200, at_inner));
    assert_eq!(open(format!("{base}/who")).await, (200, at_outer.clone()));
    browser.post(format!("{below}/auth/logout")).send().await.unwrap();
    assert_eq!(open(format!("{below}/notes")).await.0, 401);
    assert_eq!(open(format!("{base}/notes")).await, (200, at_outer));
    server.abort();
}

/// An application that is called without a network, before anybody has signed in.
async fn answer(
    settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
    request: Request,
) -> Response {
    let provider = DevProvider::start().await.unwrap();
    let config = settings(provider.config("http://localhost:3000").unwrap()).build().unwrap();
    let router = Router::new().fallback(|| async { "inside" }).layer(IdentityLayer::new(config));
    router.oneshot(request).await.unwrap()
}

fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request {
    let request = axum::http::Request::builder().method(method).uri(path);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(axum::body::Body::empty())
        .unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn text(answer: Response) -> String {
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.into()).unwrap()
}

const NAVIGATION: (&str, &str) = ("sec-fetch-dest", "document");

#[tokio::test]
async fn a_person_is_redirected_with_303_and_nothing_is_cached() {
    let answer = answer(|config| config, request(Method::GET, "/", &[NAVIGATION])).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(header(&answer, "location").starts_with("http://127.0.0.1:"));
    assert_eq!(header(&answer, "cache-control"), "private, no-store");
}

// C-346: unsafe method without session
#[tokio::test]
async fn a_form_that_is_posted_gets_a_page_and_is_not_replayed() {
    let headers = [
        NAVIGATION,
        ("referer", "http://localhost:3000/form?step=2#end"),
        ("origin", "http://localhost:3000"),
    ];
    let answer = answer(|config| config, request(Method::POST, "/save", &headers)).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().get("set-cookie").is_none());
    assert!(header(&answer, "content-security-policy").contains("frame-ancestors 'none'"));
    assert!(text(answer).await.contains(r#"href="/auth/login?return_to=%2Fform%3Fstep%3D2""#));
}

// MSAL-103: AJAX request needs consent; challenge is built
#[tokio::test]
async fn a_referer_of_another_site_is_no_page_to_come_back_to() {
    for referer in [
        "http://localhost:30001/x",
        "http://localhost:3000.evil.example/x",
        "http://localhost:3000@evil.example/",
        "https://evil.example/",
    ] {
        let answer = answer(
            |config| config,
            request(Method::POST, "/save", &[NAVIGATION, ("referer", referer)]),
        )
        .await;
        assert!(text(answer).await.contains(r#"href="/auth/login?return_to=%2F""#), "{referer}");
    }
}

#[tokio::test]
async fn htmx_gets_a_redirect_header() {
    let headers = [
        ("hx-request", "true"),
        ("hx-current-url", "http://localhost:3000/list"),
        ("sec-fetch-dest", "empty"),
    ];
    let answer = answer(|config| config, request(Method::GET, "/rows", &headers)).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&answer, "hx-redirect"), "/auth/login?return_to=%2Flist");
}

#[tokio::test]
async fn grpc_gets_its_own_status() {
    let answer = answer(
        |config| config,
        request(Method::POST, "/example.People/WhoAmI", &[("content-type", "application/grpc")]),
    )
    .await;
    assert_eq!((answer.status(), header(&answer, "grpc-status")), (StatusCode::OK, "16"));
    assert_eq!(header(&answer, "content-type"), "application/grpc");
}

// C-417: no authenticated user
#[tokio::test]
async fn programs_get_401_and_where_to_sign_in() {
    for headers in [
        &[][..],
        &[("sec-fetch-dest", "empty")],
        &[NAVIGATION, ("sec-purpose", "prefetch")],
        &[("accept", "text/event-stream")],
    ] {
        let answer = answer(|config| config, request(Method::GET, "/data", headers)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            header(&answer, "www-authenticate"),
            r#"Cookie realm="sign-in", form-action="/auth/login?return_to=%2F""#
        );
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        assert!(answer.headers().get("set-cookie").is_none());
        let problem: serde_json::Value = serde_json::from_str(&text(answer).await).unwrap();
        assert_eq!(
            (&problem["status"], &problem["reason"]),
            (&401.into(), &"sign_in_required".into())
        );
    }
}

// C-131: OPTIONS preflight without session
#[tokio::test]
async fn a_preflight_is_never_redirected_and_passes_where_configured() {
    let headers = [("origin", "https://other.example"), ("access-control-request-method", "PUT")];
    let refused = answer(|config| config, request(Method::OPTIONS, "/data", &headers)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let passed = answer(
        |config| config.with_preflight(Preflight::Pass),
        request(Method::OPTIONS, "/data", &headers),
    )
    .await;
    assert_eq!(passed.status(), StatusCode::OK);
    let not_one = answer(
        |config| config.with_preflight(Preflight::Pass),
        request(Method::OPTIONS, "/data", &headers[..1]),
    )
    .await;
    assert_eq!(not_one.status(), StatusCode::UNAUTHORIZED);
}

/// RFC 9110 section 9.3.2. A server of HTTP/2 sends the content that it is given, and a client
/// refuses such a response.
#[tokio::test]
async fn no_answer_to_head_has_content() {
    let provider = DevProvider::start().await.unwrap();
    let base = "http://localhost:3000";
    let config = provider.config(base).unwrap().add_public_path("/guarded").build().unwrap();
    let authority = Authority::oidc(provider.authority_url()).unwrap();
    let api = ApiConfig::new(authority, provider.client_id()).with_resource(base).unwrap();
    let api = api.build().unwrap();
    let inner = |guarded: bool| {
        tower::service_fn(move |request: Request| async move {
            let answer = match guarded {
                true => Challenge::sign_in(&request).into_response(),
                false => "inside".into_response(),
            };
            Ok::<_, std::convert::Infallible>(answer)
        })
    };
    let pages = IdentityLayer::new(config.clone());
    let both = IdentityLayer::new(config).with_api(ApiLayer::new(api.clone()));
    let calls = ApiLayer::new(api);
    let bearer = [("authorization", "Bearer x.y.z")];
    let htmx = [("hx-request", "true")];
    let document = "/.well-known/oauth-protected-resource";
    let answers = async |method: Method| {
        let asked = |path, headers| request(method.clone(), path, headers);
        vec![
            pages.layer(inner(false)).oneshot(asked("/notes", &[])).await.unwrap(),
            pages.layer(inner(false)).oneshot(asked("/notes", &htmx)).await.unwrap(),
            pages.layer(inner(true)).oneshot(asked("/guarded", &[])).await.unwrap(),
            pages.layer(inner(false)).oneshot(asked("/auth/callback", &[])).await.unwrap(),
            both.layer(inner(false)).oneshot(asked("/notes", &[])).await.unwrap(),
            both.layer(inner(false)).oneshot(asked("/notes", &bearer)).await.unwrap(),
            calls.layer(inner(false)).oneshot(asked("/notes", &[])).await.unwrap(),
            calls.layer(inner(false)).oneshot(asked("/notes", &bearer)).await.unwrap(),
            calls.layer(inner(false)).oneshot(asked(document, &[])).await.unwrap(),
        ]
    };
    let gets = answers(Method::GET).await;
    for (index, (head, get)) in answers(Method::HEAD).await.into_iter().zip(gets).enumerate() {
        assert_eq!(head.status(), get.status(), "{index}");
        let length = head.headers().get("content-length").cloned();
        let content = axum::body::to_bytes(Body::new(head.into_body()), 10_000).await.unwrap();
        assert!(content.is_empty(), "{index}: {content:?}");
        let content = axum::body::to_bytes(Body::new(get.into_body()), 10_000).await.unwrap();
        assert!(!content.is_empty(), "{index}");
        // That of a problem document has a number of its own for the log.
        let length = length.unwrap_or_else(|| panic!("{index} says no length"));
        assert_eq!(length.to_str().unwrap(), content.len().to_string(), "{index}");
    }
}

/// Otherwise an image on another site could use up the slots of a person who is signing in, if the
/// attempt cookies are `SameSite=None`.
#[tokio::test]
async fn a_callback_that_is_no_navigation_starts_nothing() {
    let stale = "/auth/callback?state=r0.0.0123456789012345678901";
    for header in
        [("sec-fetch-dest", "image"), ("sec-fetch-dest", "iframe"), ("sec-purpose", "prefetch")]
    {
        let answer = answer(
            |config| config.with_response_mode(ResponseMode::FormPost),
            request(Method::GET, stale, &[header]),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header:?}");
        assert!(answer.headers().get("set-cookie").is_none(), "{header:?}");
    }
    let answer = answer(|config| config, request(Method::GET, stale, &[NAVIGATION])).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

// C-451: path matching /public/../private, encoded slashes, double slashes
/// Security rule 9
#[tokio::test]
async fn ambiguous_paths_are_protected() {
    let public =
        |config: IdentityConfig| config.add_public_path("/open").add_public_prefix("/public/");
    for path in [
        "/public/../private",
        "/public/%2e%2e/private",
        "/public//x",
        "//public/x",
        "/public/%2Fx",
        "/public/a%5Cb",
        "/open/",
        "/opened",
        "/PUBLIC/x",
        "/x?/open",
    ] {
        let answer = answer(public, request(Method::GET, path, &[])).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/open", "/open?x=/../", "/public/a", "/public/a/b.css?v=1"] {
        let answer = answer(public, request(Method::GET, path, &[])).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

// C-343: client sends the identity headers the layer sets
// C-347: unknown Host on a multi-host service
/// Security rules 7 and 8
#[tokio::test]
async fn headers_are_neither_identity_nor_address() {
    let headers = [
        NAVIGATION,
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-user", "ada"),
        ("authorization", "Bearer abc"),
    ];
    let answer = answer(|config| config, request(Method::GET, "/", &headers)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(
        header(&answer, "location")
            .contains("redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fauth%2Fcallback")
    );
}

#[tokio::test]
async fn under_nest_the_whole_address_is_come_back_to() {
    let provider = DevProvider::start().await.unwrap();
    provider.sign_in_as("ada").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let config = provider.config(&format!("{url}/app")).unwrap().build().unwrap();
    let inner =
        Router::new().route("/me", get(|user: User| async move { user.display_name().to_owned() }));
    let router = Router::new().nest_service("/app", IdentityLayer::new(config).layer(inner));
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut tab = crate::browser::Browser::new().tab();
    let page = tab.open(format!("{url}/app/me?x=1")).await;
    assert_eq!(
        (page.url.as_str(), page.body.as_str()),
        (format!("{url}/app/me?x=1").as_str(), "Ada Lovelace")
    );
    server.abort();
}

#[tokio::test]
async fn a_guard_without_a_layer_lets_nobody_through() {
    let router: Router =
        Router::new().route("/", get(|| async { "inside" })).route_layer(require_sign_in());
    let answer = router.oneshot(request(Method::GET, "/", &[])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn an_extractor_without_a_layer_fails_and_an_optional_one_is_none() {
    let router: Router = Router::new()
        .route("/user", get(|_: User| async { "inside" }))
        .route("/option", get(|user: Option<User>| async move { user.is_some().to_string() }));
    let answer = router.clone().oneshot(request(Method::GET, "/user", &[])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        text(router.oneshot(request(Method::GET, "/option", &[])).await.unwrap()).await,
        "false"
    );
}

#[tokio::test]
async fn a_guard_refuses_people_without_the_role() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let mine = tab.open(app.at("/admin")).await.clone();
    let role = tab.open(app.at("/me")).await.json()["claims"]["roles"].to_string();
    assert_eq!(mine.status, StatusCode::OK, "Ada is an administrator: {role}");

    app.provider.sign_in_as("grace").unwrap();
    let mut tab = app.browser().tab();
    let refused = tab.open(app.at("/admin")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("forbidden"), "{}", refused.body);
    let script = tab.fetch(Method::GET, "/admin").await;
    assert_eq!(
        (script.status, &script.json()["reason"]),
        (StatusCode::FORBIDDEN, &"forbidden".into())
    );
}

// C-428: returned ID token still has a weaker acr or old auth_time
/// D8: one sign-in per cause.
#[tokio::test]
async fn a_handler_asks_for_a_stronger_sign_in_once() {
    async fn strict(request: axum::extract::Request) -> Response {
        Challenge::sign_in(&request)
            .with_options(SignInOptions::new().with_prompt(Prompt::Login))
            .into_response()
    }
    let app = App::builder().router(|router| router.route("/strict", get(strict))).start().await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/strict")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::FORBIDDEN, "/strict"));
    assert_eq!(app.provider.requests(tower_identity::dev::Endpoint::Authorization), 2);
}

/// If the provider is down or set up wrongly, the application starts all the same, and the sign-in
/// page says what is wrong.
#[tokio::test]
async fn the_sign_in_page_says_what_is_wrong_with_the_provider() {
    let config = |issuer: &str| {
        let authority = tower_identity::Authority::oidc(issuer).unwrap();
        let credential =
            tower_identity::ClientCredential::secret("a secret of thirty-two characters");
        IdentityConfig::new(authority, "client")
            .with_credential(credential)
            .with_base_url("http://localhost:3000")
            .unwrap()
    };
    let ask = async |config: IdentityConfig, path: &str| {
        let layer = IdentityLayer::new(config.add_public_path("/").build().unwrap());
        let router: Router = Router::new().fallback(|| async { "inside" }).layer(layer);
        router.oneshot(request(Method::GET, path, &[NAVIGATION])).await.unwrap()
    };
    // Nothing listens on the discard port of a loopback address.
    assert_eq!(ask(config("http://127.0.0.1:9"), "/").await.status(), StatusCode::OK);
    let page = ask(config("http://127.0.0.1:9"), "/auth/login").await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(page).await;
    assert!(
        page.contains("cannot be reached")
            && page.contains("provider_unreachable")
            && page.contains("Try again"),
        "{page}"
    );

    let provider = DevProvider::start().await.unwrap();
    let page = ask(config(&format!("{}/elsewhere", provider.issuer())), "/me").await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(page).await;
    assert!(
        page.contains("provider_misconfigured") && page.contains("the status is 404"),
        "{page}"
    );
}
