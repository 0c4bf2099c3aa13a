//! Mistakes of an application's developer, and what the log says about them.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    routing::{any, get},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer, Authority, ClientCredential, IdentityConfig, IdentityLayer,
    WebAuth,
    client::Client,
    dev::{DevPerson, DevProvider},
    require_scopes, require_sign_in,
};

use crate::{app::App, captured_log::Log};

fn routes() -> Router {
    let guarded = Router::new()
        .route("/guarded", get(|| async { "inside" }))
        .route_layer(require_scopes("notes.read"));
    Router::new().route("/taken", get(|_: ApiCaller| async { "inside" })).merge(guarded)
}

async fn status(app: &Router, path: &str, header: (&str, &str)) -> StatusCode {
    let request = Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn an_api_without_its_layer_is_reported_in_the_log() {
    for path in ["/taken", "/guarded"] {
        let (log, _listening) = Log::listen();
        let status = status(&routes(), path, ("authorization", "Bearer a.b.c")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        let text = log.text();
        assert!(text.contains("ERROR") && text.contains("ApiLayer::new"), "{path}: {text}");
        assert!(text.contains("IdentityLayer::with_api"), "{path}: {text}");
    }
    // With the layer it is the everyday refusal of a public path.
    let (log, _listening) = Log::listen();
    let config = ApiConfig::new(Authority::oidc("https://login.example").unwrap(), "notes")
        .add_public_path("/taken");
    let app = routes().layer(ApiLayer::new(config.build().unwrap()));
    assert_eq!(status(&app, "/taken", ("x-none", "")).await, StatusCode::UNAUTHORIZED);
    assert!(!log.text().contains("ERROR"), "{}", log.text());
}

#[tokio::test]
async fn a_guard_of_an_api_on_a_page_names_what_helps() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config("http://localhost:3000").unwrap();
    let identity = IdentityLayer::new(config.add_public_path("/guarded").build().unwrap());
    let app = routes().layer(identity.clone());
    let cookie = provider.cookie_for(&identity, "ada").await.unwrap();
    for (path, header) in [
        ("/taken", ("cookie", cookie.as_str())),
        ("/guarded", ("cookie", cookie.as_str())),
        ("/guarded", ("x-none", "")),
    ] {
        let (log, _listening) = Log::listen();
        let _ = status(&app, path, header).await;
        let text = log.text();
        assert!(text.contains("IdentityLayer::with_api"), "{path}: {text}");
        assert!(text.contains("require_sign_in().with_scopes"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_looked_at_is_reported_once() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config("http://localhost:3000").unwrap().build().unwrap();
    let app = routes().layer(IdentityLayer::new(config));
    let (log, _listening) = Log::listen();
    for _ in 0..3 {
        status(&app, "/taken", ("authorization", "Bearer a.b.c")).await;
    }
    assert_eq!(log.text().matches("IdentityLayer::with_api").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_refusal_names_the_required_roles_or_groups() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config("http://localhost:3000").unwrap().build().unwrap();
    let identity = IdentityLayer::new(config);
    let mary = || DevPerson::new("mary", "Mary Somerville");
    let roles = |role| require_sign_in().with_roles([role]);
    let groups = |group| require_sign_in().with_groups([group]);
    for (person, guard, required, hint) in [
        (mary().with_roles(["Admin"]), roles("admin"), json!({"roles": ["admin"]}), "letter case"),
        (mary().with_roles(["Admin"]), roles("Boss"), json!({"roles": ["Boss"]}), "\"Boss\""),
        (mary(), roles("Boss"), json!({"roles": ["Boss"]}), "the user has no roles"),
        (mary().with_groups(["Ops"]), groups("ops"), json!({"groups": ["ops"]}), "letter case"),
        (mary().with_groups(["Ops"]), groups("Dev"), json!({"groups": ["Dev"]}), "\"Dev\""),
        (mary(), groups("Dev"), json!({"groups": ["Dev"]}), "brought no groups"),
    ] {
        let app = Router::new()
            .route("/", get(|| async { "inside" }))
            .route_layer(guard)
            .layer(identity.clone());
        let cookie = provider.cookie_for(&identity, person).await.unwrap();
        let (log, _listening) = Log::listen();
        let open = async |accept: &str| {
            let request = Request::get("/").header("cookie", &cookie).header("accept", accept);
            let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN);
            let body = to_bytes(answer.into_body(), 100_000).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let document: Value = serde_json::from_str(&open("application/json").await).unwrap();
        for (member, words) in required.as_object().unwrap() {
            assert_eq!(&document[member], words, "{document}");
        }
        let text = log.text();
        assert!(text.contains(hint) && !text.contains("Admin") && !text.contains("Ops"), "{text}");
    }
}

/// What `check` finds without the provider is in the log of an application that never calls it.
#[tokio::test]
async fn likely_mistakes_are_logged_once_when_a_part_starts() {
    const SECRET_ID: &str = "0c2f9a8e-3b1d-4c5e-8f70-112233445566";
    let config = || {
        let authority = Authority::entra("contoso.onmicrosoft.com").unwrap();
        IdentityConfig::new(authority, "my-application")
            .with_credential(ClientCredential::secret(SECRET_ID))
            .with_base_url("https://app.example.com")
            .unwrap()
    };
    type Start = Box<dyn Fn()>;
    let layer = IdentityLayer::new(config().build().unwrap());
    let api = ApiConfig::new(Authority::entra("contoso.onmicrosoft.com").unwrap(), "my-api");
    let api = api.with_credential(ClientCredential::secret(SECRET_ID)).build().unwrap();
    let api = ApiLayer::new(api);
    let starts: Vec<(&str, Start)> = vec![
        ("layer", Box::new(move || drop(routes().layer(layer.clone())))),
        ("API", Box::new(move || drop(routes().layer(api.clone())))),
        (
            "WebAuth",
            Box::new(move || {
                let secrets = ["a cookie secret of more than thirty-two characters"];
                WebAuth::new(config().with_cookie_secrets(secrets).build().unwrap()).unwrap();
            }),
        ),
        ("client", Box::new(move || drop(Client::new(config()).unwrap()))),
    ];
    for (part, start) in starts {
        let (log, _listening) = Log::listen();
        start();
        if part == "layer" || part == "API" {
            // Every route makes a service of one layer.
            start();
        }
        let text = log.text();
        for (level, reason) in
            [("ERROR", "client_id_not_a_guid"), ("WARN", "client_secret_looks_like_its_id")]
        {
            let mut lines = text.lines().filter(|line| line.contains(reason));
            assert!(lines.next().is_some_and(|line| line.contains(level)), "{part}: {text}");
            assert_eq!(lines.next(), None, "{part}");
        }
        assert!(!text.contains(SECRET_ID), "{part}: {text}");
    }
}

/// The handle is dropped in the same line.
#[tokio::test]
async fn a_stopped_development_provider_is_named_as_the_cause() {
    for provider in [DevProvider::builder(), DevProvider::builder().entra()] {
        let (_, config) = provider.config_or_env("http://localhost:3000").await.unwrap();
        let config = config.build().unwrap();
        let (log, _listening) = Log::listen();
        // The listener closes when its task has run.
        let open = async || {
            let app = routes().layer(IdentityLayer::new(&config));
            status(&app, "/taken", ("accept", "text/html")).await
        };
        while open().await == StatusCode::SEE_OTHER {
            tokio::task::yield_now().await;
        }
        let text = log.text();
        assert!(text.contains("provider_unreachable"), "{text}");
        assert!(text.contains("has stopped, because its handle was dropped"), "{text}");
        assert!(text.contains("let (_provider, config)"), "{text}");
        assert!(!text.contains("HTTPS_PROXY"), "{text}");
    }
}

#[tokio::test]
async fn a_development_provider_in_place_of_a_configured_one_is_a_warning() {
    let (log, _listening) = Log::listen();
    let (provider, _) = DevProvider::config_or_env("http://localhost:3000").await.unwrap();
    let text = log.text();
    assert!(text.contains("WARN") && text.contains("signs anybody in"), "{text}");
    assert!(text.contains(provider.unwrap().issuer()), "{text}");
}

/// Two processes with different cookie secrets: the browser did send the cookie.
#[tokio::test]
async fn a_cookie_of_a_process_with_another_secret_is_distinguished_from_a_lost_one() {
    let provider = DevProvider::start().await.unwrap();
    let process = |secret: &str| {
        let config = provider.config("http://localhost:3000").unwrap();
        let config = config.with_cookie_secrets([secret]).build().unwrap();
        routes().layer(IdentityLayer::new(config))
    };
    let one = process("the cookie secret of one process, long enough");
    let other = process("the cookie secret of the other one, long enough");
    // The `state` and the cookie with which a process sends the browser to the provider.
    let sent = async |app: &Router, path: &str, cookie: &str| {
        let request = Request::get(path).header("cookie", cookie).header("accept", "text/html");
        let request = request.body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let state = reqwest::Url::parse(&location).unwrap();
        let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap());
        let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
        let pair = pairs.find(|pair| !pair.ends_with('=')).unwrap().to_owned();
        (state, pair)
    };
    let (state, cookie) = sent(&one, "/taken", "").await;
    let (state, cookie) =
        sent(&other, &format!("/auth/callback?code=x&state={state}"), &cookie).await;
    for (cookie, reason) in [(cookie.as_str(), "attempt_unreadable"), ("", "attempt_missing")] {
        let (log, _listening) = Log::listen();
        let path = format!("/auth/callback?code=x&state={state}");
        let answer = status(&one, &path, ("cookie", cookie)).await;
        assert_eq!(answer, StatusCode::BAD_REQUEST);
        assert!(log.text().contains(reason), "{}", log.text());
    }
}

/// Two processes without a session store, which a proxy asks in turn.
#[tokio::test]
async fn two_processes_without_a_store_are_told_to_share_one() {
    let in_turn = |router: Router, layer: IdentityLayer| {
        // Another setting makes another layer, with a memory of its own.
        let other = layer.clone().with_local_sessions(50_000);
        let processes = [router.clone().layer(layer), router.layer(other)];
        let asked = std::sync::Arc::new(AtomicUsize::new(0));
        Router::new().fallback(any(move |request: Request<Body>| {
            let process = processes[asked.fetch_add(1, Ordering::Relaxed) % 2].clone();
            process.oneshot(request)
        }))
    };
    let app = App::builder().arrange(in_turn).start().await;
    let (log, _listening) = Log::listen();
    let page = app.sign_in().await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    let text = log.text();
    assert!(
        text.contains("store_unavailable") && text.contains("memory of each process"),
        "{text}"
    );
    assert!(text.contains("give all of them one store by `IdentityLayer::with_store`"), "{text}");
    assert!(!text.contains("gone from the store"), "{text}");
}
