//! Pages in the language of the browser, and the languages that are handed on to the provider.

use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use tower_identity::{
    IdentityLayer,
    dev::{DevTenant, Endpoint, Failure},
    pages::{ActionKind, DefaultPages, Language, Page, PageRenderer, PageRequest, RenderedPage},
    require_sign_in,
};

use crate::{
    app::App,
    entra_app,
    raw::{Answer, NAVIGATION, Raw},
};

/// A person with these languages opens a path.
async fn open(app: &App, path: &str, cookies: &str, languages: &str) -> Answer {
    let headers = [NAVIGATION, &[("accept-language", languages)]].concat();
    Raw::of(app).send(Method::GET, path, cookies, &headers, "").await
}

/// The languages that are sent to the provider.
fn ui_locales(answer: &Answer) -> Option<String> {
    let url = url::Url::parse(answer.location()).unwrap();
    url.query_pairs().find(|(name, _)| name == "ui_locales").map(|(_, value)| value.into_owned())
}

/// An application with a page that no user may see, and the cookies of a user.
async fn guarded_app(change: impl FnOnce(IdentityLayer) -> IdentityLayer) -> (App, String) {
    let guarded = axum::Router::new()
        .route("/guarded", axum::routing::get(|| async { "in" }))
        .route_layer(require_sign_in().with_roles(["Nobody"]));
    let app = App::builder().layer(change).router(|router| router.merge(guarded)).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let ada = Raw::of(&app).sign_in().await;
    (app, ada)
}

#[tokio::test]
async fn a_page_speaks_the_language_that_the_browser_prefers() {
    let app = App::start().await;
    for (languages, tag, title) in [
        ("de-CH, de;q=0.9, en;q=0.8", "de", "Sie sind abgemeldet"),
        ("it, fr;q=0.5", "fr", "Vous êtes déconnecté"),
        ("es-419", "es", "Ha cerrado la sesión"),
        ("ja, *;q=0.1", "en", "You are signed out"),
        ("\"><script>", "en", "You are signed out"),
    ] {
        let page = open(&app, "/auth/signed-out", "", languages).await;
        assert_eq!(page.status, StatusCode::OK, "{languages}");
        assert_eq!(
            (page.header("content-language"), page.header("vary")),
            (tag, "accept-language")
        );
        assert!(page.body.contains(&format!("<html lang=\"{tag}\" dir=\"ltr\">")), "{}", page.body);
        assert!(page.body.contains(title) && !page.body.contains("<script"), "{}", page.body);
    }
}

#[tokio::test]
async fn failures_and_refusals_of_the_application_speak_it_too() {
    let (app, ada) = guarded_app(|layer| layer).await;
    let refused = open(&app, "/guarded", &ada, "fr").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("Accès refusé"), "{}", refused.body);
    app.provider.fail_next(Endpoint::Token, 1, Failure::json(503, "{}"));
    let begun = Raw::of(&app).begin("/me", "").await;
    let callback = Raw::of(&app).answer(&begun).await;
    let failed = open(&app, &callback, &begun.attempt, "de").await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(failed.body.contains("Anmeldung nicht verfügbar"), "{}", failed.body);
    assert!(failed.body.contains("Angaben für den Support"), "{}", failed.body);
}

/// The pages that a renderer received.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl PageRenderer for Seen {
    fn render(&self, page: &Page, request: &PageRequest<'_>) -> RenderedPage {
        let kinds: Vec<ActionKind> = page.actions.iter().map(|action| action.kind).collect();
        let seen = format!(
            "{:?} {:?} {:?} {} {:?} {:?} {:?}",
            page.kind,
            page.error,
            kinds,
            page.language.tag(),
            request.languages(),
            request.path(),
            request.user().and_then(|user| user.name())
        );
        self.0.lock().unwrap().push(seen);
        RenderedPage { language: Some("de-AT".into()), ..DefaultPages.render(page, request) }
    }
}

#[tokio::test]
async fn a_renderer_gets_kinds_languages_path_and_user() {
    let seen = Seen::default();
    let pages = seen.clone();
    let (app, ada) = guarded_app(|layer| layer.with_pages(pages)).await;
    let page = open(&app, "/auth/signed-out", "", "de-AT, en;q=0.1").await;
    assert_eq!(page.header("content-language"), "de-AT");
    open(&app, "/guarded?x=1", &ada, "fr").await;
    let seen = seen.0.lock().unwrap().clone();
    assert_eq!(
        seen[0],
        "SignedOut None [SignIn, Home] de [\"de-AT\", \"en\"] Some(\"/auth/signed-out\") None"
    );
    assert!(
        seen[1]
            .starts_with("Forbidden Some(Forbidden) [] fr [\"fr\"] Some(\"/guarded\") Some(\"Ada"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn the_application_adds_languages_and_narrows_them() {
    static DUTCH: &[(&str, &str)] = &[("title.signed_out", "U bent afgemeld")];
    let app = App::builder()
        .config(|config| config.with_languages(["nl", "de"]))
        .layer(|layer| layer.with_language(Language::new("nl", DUTCH)))
        .start()
        .await;
    let title =
        async |languages: &'static str| open(&app, "/auth/signed-out", "", languages).await.body;
    assert!(title("nl-BE").await.contains("U bent afgemeld"));
    assert!(title("de").await.contains("Sie sind abgemeldet"));
    let default = title("fr").await;
    assert!(default.contains("U bent afgemeld") && default.contains("Home page"), "{default}");
}

#[tokio::test]
async fn a_sign_in_hands_the_languages_of_the_browser_on() {
    let app = App::start().await;
    let begun = open(&app, "/me", "", "en;q=0.5, de-CH, fr;q=0.7, *;q=0.1").await;
    assert_eq!(ui_locales(&begun).as_deref(), Some("de-CH fr en"));
    assert_eq!(ui_locales(&Raw::of(&app).open("/me", "").await), None);

    let narrowed = App::builder().config(|config| config.with_languages(["de"])).start().await;
    assert_eq!(
        ui_locales(&open(&narrowed, "/me", "", "fr, de-AT").await).as_deref(),
        Some("de-AT")
    );
    assert_eq!(ui_locales(&open(&narrowed, "/me", "", "fr").await), None);

    let options = tower_identity::SignInOptions::new().with_ui_locales(["it"]);
    let set = App::builder().config(|config| config.with_sign_in(options)).start().await;
    assert_eq!(ui_locales(&open(&set, "/me", "", "fr").await).as_deref(), Some("it"));
}

/// Microsoft documents the parameter for Azure AD B2C alone.
#[tokio::test]
async fn no_language_is_sent_to_entra_and_one_to_b2c() {
    let entra = entra_app::builder(DevTenant::CONTOSO.id()).start().await;
    assert_eq!(ui_locales(&open(&entra, "/me", "", "de").await), None);
    let b2c = entra_app::builder(DevTenant::PROSEWARE.domain()).start().await;
    assert_eq!(ui_locales(&open(&b2c, "/me", "", "de").await).as_deref(), Some("de"));
}

/// OpenID Connect Core section 3.1.2.1 has providers ignore unknown languages; some do not.
#[tokio::test]
async fn languages_that_the_provider_refuses_are_left_out_of_a_second_request() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in("invalid_request", "unknown parameter ui_locales");
    let begun = open(&app, "/me", "", "de-CH").await;
    assert_eq!(ui_locales(&begun).as_deref(), Some("de-CH"));
    let attempt = begun.attempt().unwrap();
    let refused = open(&app, begun.location(), "", "de-CH").await;
    let again = open(&app, refused.location(), &attempt, "de-CH").await;
    assert!(again.location().contains("code_challenge="), "{}", again.location());
    assert_eq!(ui_locales(&again), None);
}
