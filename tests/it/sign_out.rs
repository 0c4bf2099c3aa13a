//! Sign-out: first here, then at the provider, and only at the request of the person.

use axum::http::{Method, StatusCode};
use tower_identity::{
    config::ProviderSession,
    dev::{DevPerson, Endpoint, Failure, Quirk, SpoilDiscovery},
};

use crate::{
    app::App,
    browser::{Tab, html::Form},
    node::Node,
    raw::{NAVIGATION, Raw},
    stores::Watched,
};

async fn is_signed_in(app: &App, tab: &mut Tab) -> bool {
    tab.open(app.at("/")).await.body == "hello Ada Lovelace"
}

// C-068: end_session; if both channels are registered both arrive at the same time
// C-072: end_session request
// C-291: logout with an ID token
#[tokio::test]
async fn the_sign_out_request_identifies_user_and_client() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let page = tab.submit(Form::post("/auth/logout")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/auth/signed-out"));
    let request = app.provider.last_request(Endpoint::EndSession).unwrap();
    assert_eq!(request.parameter("client_id"), Some(app.provider.client_id()));
    assert_eq!(
        request.parameter("post_logout_redirect_uri"),
        Some(app.at("/auth/signed-out").as_str())
    );
    assert!(request.parameter("state").is_some_and(|state| state.len() >= 22));
    let hint = request.parameter("id_token_hint").unwrap();
    assert_eq!(hint.split('.').count(), 3);
    // The provider would have asked without the hint, and has ended its own session.
    app.provider.show_pages();
    assert!(tab.open(app.at("/me")).await.body.contains("Choose an account"));
    assert_eq!(app.provider.requests(Endpoint::EndSession), 1);
}

// C-069: post-logout redirect has another state
// C-298: post-logout redirect with code/error parameters
/// No parameter of the request is trusted. Amazon Cognito accepts only `logout_uri` and
/// `client_id`.
#[tokio::test]
async fn a_provider_with_a_return_parameter_of_its_own_ends_its_session_and_leads_back() {
    for (parameter, leads_back) in [(Some("logout_uri"), true), (None, false)] {
        let app = App::builder()
            .provider(|provider| provider.with_quirks([Quirk::LogoutUri]))
            .config(|config| match parameter {
                Some(name) => config.with_sign_out_return_parameter(name),
                None => config,
            })
            .start()
            .await;
        let mut tab = app.signed_in().await;
        let page = tab.submit(Form::post("/auth/logout")).await;
        let is_back = (page.status, page.url.path()) == (StatusCode::OK, "/auth/signed-out");
        assert_eq!(is_back, leads_back, "{parameter:?}: {} {}", page.status, page.url);
        let request = app.provider.last_request(Endpoint::EndSession).unwrap();
        assert_eq!(request.parameter("client_id"), Some(app.provider.client_id()));
        let (named, usual) =
            (request.parameter("logout_uri"), request.parameter("post_logout_redirect_uri"));
        assert_eq!((named.is_some(), usual.is_some()), (leads_back, !leads_back));
        // Here it is done, whatever the provider says.
        assert!(!is_signed_in(&app, &mut tab).await);
        app.provider.show_pages();
        let asks = tab.open(app.at("/me")).await.body.contains("Choose an account");
        assert_eq!(asks, leads_back, "the provider's own session");
    }
}

#[tokio::test]
async fn what_comes_back_from_the_provider_signs_nobody_in() {
    let app = App::start().await;
    let mut tab = app.browser().tab();
    for query in [
        "",
        "?state=other",
        "?code=a&state=r0.1.AAAAAAAAAAAAAAAAAAAAAA",
        "?error=access_denied",
        "?id_token=a.b.c",
    ] {
        let page = tab.open(app.at(&format!("/auth/signed-out{query}"))).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        assert!(page.body.contains("You are signed out") && tab.hops.len() == 1);
    }
    assert_eq!(
        (app.provider.requests(Endpoint::Token), app.provider.requests(Endpoint::Authorization)),
        (0, 0)
    );
    // Nor does it sign anybody out.
    let mut tab = app.signed_in().await;
    tab.open(app.at("/auth/signed-out?state=other")).await;
    assert!(is_signed_in(&app, &mut tab).await);
}

// C-294: no end_session_endpoint
#[tokio::test]
async fn without_an_end_session_endpoint_it_ends_at_home() {
    let app = App::start().await;
    app.provider.spoil_next_discovery(SpoilDiscovery::EndSessionMissing);
    let mut tab = app.signed_in().await;
    let page = tab.submit(Form::post("/auth/logout")).await;
    assert_eq!((page.url.path(), page.body.as_str()), ("/", "nobody"));

    let app = App::builder()
        .config(|config| config.with_provider_session(ProviderSession::Keep))
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let page = tab.submit(Form::post("/auth/logout")).await;
    assert_eq!((page.url.path(), page.body.as_str()), ("/", "nobody"));
    assert_eq!(app.provider.requests(Endpoint::EndSession), 0);
}

/// D14: a protected home page would start a sign-in at once.
#[tokio::test]
async fn where_home_is_protected_it_ends_on_the_signed_out_page() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let private = |app: &App| {
        app.provider.config(&app.url).unwrap().with_provider_session(ProviderSession::Keep)
    };
    let config = private(&app);
    let node = Node::beside(&app, |_| config, |layer| layer).await;
    let mut tab = node.browser(&app, &app.browser()).tab();
    assert_eq!(tab.open(app.at("/")).await.body, "hello Ada Lovelace");
    let page = tab.submit(Form::post("/auth/logout")).await;
    assert_eq!(page.url.path(), "/auth/signed-out");
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
}

#[tokio::test]
async fn the_applications_page_follows_the_sign_out_with_and_without_the_provider() {
    for provider_session in [ProviderSession::End, ProviderSession::Keep] {
        let app = App::builder()
            .config(|config| {
                config
                    .with_provider_session(provider_session)
                    .with_page_after_sign_out("/public/page?signed=out")
            })
            .start()
            .await;
        let mut tab = app.signed_in().await;
        let page = tab.submit(Form::post("/auth/logout")).await;
        assert_eq!(
            (page.status, page.url.as_str(), page.body.as_str()),
            (StatusCode::OK, &*app.at("/public/page?signed=out"), "nobody"),
            "{provider_session:?}"
        );
        let at_provider = app.provider.last_request(Endpoint::EndSession);
        assert_eq!(at_provider.is_some(), provider_session == ProviderSession::End);
        // The registered URL does not depend on the page, and no request names another one.
        if let Some(request) = at_provider {
            let registered = app.at("/auth/signed-out");
            assert_eq!(request.parameter("post_logout_redirect_uri"), Some(&*registered));
        }
        let query = "?return_to=/me&post_logout_redirect_uri=https://evil.example/";
        tab.open(app.at(&format!("/auth/signed-out{query}"))).await;
        assert_eq!(tab.page().url.as_str(), app.at("/public/page?signed=out"));
    }
}

// C-297: logout returnUrl not local
/// Security rule 1
#[tokio::test]
async fn no_request_names_the_page_after_sign_out() {
    let app = App::start().await;
    for query in ["return_to", "returnUrl", "post_logout_redirect_uri", "redirect_uri", "next"] {
        let mut tab = app.signed_in().await;
        let page = tab
            .submit(Form::post(&format!("/auth/logout?{query}=https%3A%2F%2Fevil.example%2F")))
            .await;
        assert_eq!(
            page.url.as_str().split('?').next(),
            Some(app.at("/auth/signed-out").as_str()),
            "{query}"
        );
        assert!(tab.hops.iter().all(|hop| hop.url.host_str() != Some("evil.example")));
    }
}

// C-301: id_token_hint too long for a URL
#[tokio::test]
async fn an_id_token_that_is_too_long_for_an_address_is_left_out() {
    let app = App::start().await;
    app.provider.add_person(
        DevPerson::new("ada", "Ada Lovelace").with_claim("biography", "a".repeat(12_000)),
    );
    let mut tab = app.signed_in().await;
    let page = tab.submit(Form::post("/auth/logout")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/auth/signed-out"));
    let request = app.provider.last_request(Endpoint::EndSession).unwrap();
    assert_eq!(
        (request.parameter("id_token_hint"), request.parameter("client_id")),
        (None, Some(app.provider.client_id()))
    );
}

// C-302: browser Back after logout
#[tokio::test]
async fn the_back_button_shows_no_page_of_the_signed_out_user() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    tab.follow("/other").await;
    let question = tab.follow("/auth/logout").await.clone();
    // The user followed a link of a page of the application.
    assert_eq!(question.url.path(), "/auth/signed-out", "{}", question.body);
    app.provider.show_pages();
    let page = tab.back().await;
    assert!(page.body.contains("Choose an account"), "{}", page.body);
}

/// D14, security rule 20
#[tokio::test]
async fn another_site_signs_nobody_out() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    let logout = app.at("/auth/logout");
    let elsewhere = app.provider.issuer().to_owned();

    tab.open(&elsewhere).await;
    let page = tab.follow(&logout).await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("Sign out?"),
        "a link: {}",
        page.body
    );
    tab.open(&elsewhere).await;
    let page = tab.submit(Form::post(&logout)).await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("Sign out?"),
        "a form: {}",
        page.body
    );
    tab.open(&elsewhere).await;
    let frame = tab.frame(&logout).await;
    assert!(
        frame.body.contains("Sign out?")
            && frame.header("content-security-policy").contains("frame-ancestors 'none'")
    );
    for method in [Method::GET, Method::POST] {
        assert_eq!(tab.fetch(method, &logout).await.status, StatusCode::FORBIDDEN, "a script");
    }
    // Typed in, or from a bookmark.
    let page = tab.open(&logout).await;
    assert!(page.body.contains("Sign out?"));
    assert!(is_signed_in(&app, &mut tab).await);
}

/// D14, security rule 20
///
/// Each request has the cookie that `SameSite` would withhold.
#[tokio::test]
async fn a_request_that_only_seems_to_come_from_this_site_signs_nobody_out() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let elsewhere = app.provider.issuer().to_owned();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let port = app.url.rsplit(':').next().unwrap();
    let others = [
        "null".to_owned(),
        String::new(),
        elsewhere.clone(),
        "http://localhost".to_owned(),
        format!("https://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("{}.evil.example", app.url),
        format!("{}/", app.url),
        app.url.to_uppercase(),
    ];
    for origin in &others {
        let headers = [NAVIGATION, &[("origin", origin.as_str())]].concat();
        let answer = raw.send(Method::POST, "/auth/logout", &session, &headers, "").await;
        assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::OK, 0), "{origin:?}");
    }
    for (site, dest, purpose) in [
        ("same-site", "document", ""),
        ("cross-site", "document", ""),
        ("none", "document", ""),
        ("same-origin", "image", ""),
        ("same-origin", "empty", ""),
        ("same-origin", "iframe", ""),
        ("same-origin", "document", "prefetch"),
    ] {
        let headers =
            [("sec-fetch-site", site), ("sec-fetch-dest", dest), ("sec-purpose", purpose)];
        for method in [Method::GET, Method::HEAD] {
            let answer = raw.send(method, "/auth/logout", &session, &headers, "").await;
            assert!(
                answer.set_cookies().is_empty() && !answer.status.is_redirection(),
                "{headers:?}"
            );
        }
    }
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer =
            raw.send(method, "/auth/logout", &session, &[("origin", app.url.as_str())], "").await;
        assert_eq!(answer.set_cookies().len(), 0);
    }
    assert_eq!(raw.who(&session).await, "hello Ada Lovelace");
}

/// The page asks for confirmation with a form of its own.
#[tokio::test]
async fn the_question_of_another_site_s_link_is_answered_with_a_click() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    tab.open(app.provider.issuer()).await;
    let form = tab.follow(&app.at("/auth/logout")).await.form();
    assert_eq!(tab.submit(form).await.url.path(), "/auth/signed-out");
    assert!(!is_signed_in(&app, &mut tab).await);
    // Nobody is signed in, which is not an error.
    tab.open(app.at("/")).await;
    let page = tab.submit(Form::post("/auth/logout")).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "nobody"));
}

// C-300: old session cookie replayed after logout
/// Both a rolled ticket and the one before it are signed out.
#[tokio::test]
async fn a_cookie_from_before_the_sign_out_opens_nothing() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let first = raw.sign_in().await;
    app.turn(301);
    let rolled = raw.open("/me", &first).await.session().expect("rolled");
    let headers = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
    let answer = raw.send(Method::POST, "/auth/logout", &rolled, &headers, "").await;
    assert!(
        answer
            .set_cookies()
            .iter()
            .any(|cookie| cookie.ends_with("=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"))
    );
    for cookie in [&first, &rolled] {
        assert_eq!(raw.who(cookie).await, "nobody");
        let script = raw.send(Method::GET, "/token", cookie, &[], "").await;
        assert_eq!(script.status, StatusCode::UNAUTHORIZED);
    }
}

/// The session ends here first, whether the provider can be reached or not.
#[tokio::test]
async fn a_provider_that_is_down_does_not_keep_anybody_signed_in() {
    let app = App::start().await;
    let store = Watched::default();
    app.provider.sign_in_as("ada").unwrap();
    let node =
        Node::beside(&app, |config| config, |layer| layer.with_store(store.clone()).unwrap()).await;
    let session = node.raw().sign_in().await;
    // Another node, which has yet to read the provider's document.
    let fresh =
        Node::beside(&app, |config| config, |layer| layer.with_store(store.clone()).unwrap()).await;
    app.provider.fail_next(Endpoint::Discovery, 10, Failure::Status(503));
    let headers = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
    let answer = fresh.raw().send(Method::POST, "/auth/logout", &session, &headers, "").await;
    assert_eq!(answer.location(), "/");
    assert_eq!((node.raw().who(&session).await.as_str(), store.rows().await), ("nobody", 0));
}

/// A planted or left-over second cookie must not be signed in after the sign-out.
#[tokio::test]
async fn every_session_that_the_browser_has_a_ticket_of_ends() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let (one, two) = (raw.sign_in().await, raw.sign_in().await);
    let both = format!("{one}; {two}");
    let own = [("origin", app.url.as_str())];
    raw.send(Method::POST, "/auth/logout", &both, &own, "").await.location();
    for cookies in [&one, &two, &both] {
        assert_eq!(raw.who(cookies).await, "nobody");
    }
}
