//! `require_sign_in` with conditions: a missing right is 403, and a condition that another sign-in
//! can meet leads to one sign-in.

use std::time::Duration;

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::get,
};
use serde_json::json;
use tower_identity::{
    RequireSignIn, User,
    dev::{
        Consent, DevClient, DevPerson, DevTenant, Endpoint, Failure, Spoil, SpoilCallback,
        SpoilTokenAnswer,
    },
    require_sign_in,
};

use crate::{app::App, browser::Tab, entra_app, node::Node, stores::Watched};

/// A page behind this guard at `/guarded`, and on a public path.
fn guarded(router: Router, guard: RequireSignIn) -> Router {
    let page = |user: User| async move { format!("as {}", user.display_name()) };
    let inside = Router::new()
        .route("/guarded", get(page))
        .route("/public/guarded", get(page))
        .route_layer(guard);
    router.merge(inside)
}

async fn app(guard: RequireSignIn) -> App {
    App::builder().router(|router| guarded(router, guard)).start().await
}

/// Ada, with these additional claims.
async fn app_with(guard: RequireSignIn, claims: &[(&str, serde_json::Value)]) -> App {
    let ada = claims.iter().fold(DevPerson::new("ada", "Ada Lovelace"), |ada, (name, value)| {
        ada.with_claim(*name, value.clone())
    });
    App::builder()
        .provider(|provider| provider.with_people([ada]))
        .router(|router| guarded(router, guard))
        .start()
        .await
}

async fn status(guard: RequireSignIn, claims: &[(&str, serde_json::Value)]) -> StatusCode {
    let app = app_with(guard, claims).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/guarded")).await;
    assert!(page.status == StatusCode::OK || page.body.contains("No access"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1, "no sign-in would help");
    page.status
}

#[tokio::test]
async fn groups_are_asked_for_by_their_ids() {
    let guard = || require_sign_in().with_groups(["g1", "g2"]);
    assert_eq!(status(guard(), &[("groups", json!(["g0", "g2"]))]).await, StatusCode::OK);
    assert_eq!(status(guard(), &[("groups", json!("g1"))]).await, StatusCode::OK);
    assert_eq!(status(guard(), &[("groups", json!(["G1", "g"]))]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(guard(), &[]).await, StatusCode::FORBIDDEN);
    assert_eq!(
        status(require_sign_in().with_groups([""; 0]), &[("groups", json!(["g1"]))]).await,
        StatusCode::FORBIDDEN
    );
}

// C-396: _claim_names.groups present, no groups claim
// C-398: hasgroups=true (implicit) instead of _claim_names
/// Unknown groups do not satisfy a condition.
#[tokio::test]
async fn a_user_with_too_many_groups_is_not_let_through_by_mistake() {
    for (claim, value) in [("_claim_names", json!({"groups": "src1"})), ("hasgroups", json!(true))]
    {
        assert_eq!(
            status(require_sign_in().with_groups(["g1"]), &[(claim, value)]).await,
            StatusCode::FORBIDDEN,
            "{claim}"
        );
    }
}

/// The claim `tid` of a provider without tenants is ignored.
#[tokio::test]
async fn a_guard_for_tenants_refuses_where_there_are_none() {
    const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    assert_eq!(
        status(require_sign_in().with_tenants([TENANT]), &[("tid", json!(TENANT))]).await,
        StatusCode::FORBIDDEN
    );
}

// C-424: route needs acr or fresh auth_time
/// A stronger sign-in is requested, and the ID token is checked for it.
#[tokio::test]
async fn an_authentication_context_is_asked_for_and_then_there() {
    let app = app(require_sign_in().with_auth_context("gold")).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/guarded?q=1")).await;
    assert_eq!(
        (page.status, page.body.as_str(), page.url.query()),
        (StatusCode::OK, "as Ada Lovelace", Some("q=1"))
    );
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!((asked.parameter("acr_values"), asked.parameter("claims")), (Some("gold"), None));
    assert_eq!(tab.reload().await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

// C-428: returned ID token still has a weaker acr or old auth_time
/// If the stronger sign-in does not happen, there is a page, and the session continues.
#[tokio::test]
async fn a_context_that_is_not_given_is_a_page_and_no_circle() {
    let app = app(require_sign_in().with_auth_context("gold")).await;
    let mut tab = app.signed_in().await;
    for spoil in [Spoil::AcrOther, Spoil::AcrMissing] {
        let before = app.provider.requests(Endpoint::Authorization);
        app.provider.spoil_next_id_token(spoil);
        let page = tab.open(app.at("/guarded")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.body.contains("auth_context_missing"), "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Authorization), before + 1);
    }
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_sign_in_that_is_too_old_is_repeated_as_often_as_it_takes() {
    let app = app(require_sign_in().with_max_age(Duration::from_secs(120))).await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/guarded")).await.status, StatusCode::OK);
    app.turn(180);
    assert_eq!(tab.reload().await.status, StatusCode::OK, "clocks may differ by a minute");
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
    for round in 2..5 {
        app.turn(181);
        assert_eq!(tab.reload().await.status, StatusCode::OK);
        assert_eq!(app.provider.requests(Endpoint::Authorization), round);
        assert_eq!(
            app.provider.last_request(Endpoint::Authorization).unwrap().parameter("max_age"),
            Some("120")
        );
    }
}

/// A provider that never sends `auth_time` cannot satisfy the guard: the callback says so.
#[tokio::test]
async fn a_provider_without_auth_time_is_a_page() {
    let app = app(require_sign_in().with_max_age(Duration::from_secs(120))).await;
    (0..9).for_each(|_| app.provider.spoil_next_id_token(Spoil::AuthTimeMissing));
    app.provider.sign_in_as("ada").unwrap();
    let page = app.browser().tab().open(app.at("/guarded")).await.clone();
    assert!(
        page.status == StatusCode::FORBIDDEN && page.body.contains("token_auth_time"),
        "{}",
        page.body
    );
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

#[tokio::test]
async fn consent_to_scopes_is_asked_for_once() {
    let app = app(require_sign_in().with_scopes(["reports", "email"])).await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/guarded")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/guarded"), "{}", page.body);
    let asked = app
        .provider
        .last_request(Endpoint::Authorization)
        .unwrap()
        .parameter("scope")
        .unwrap()
        .to_owned();
    assert!(asked.split(' ').any(|scope| scope == "reports"), "{asked}");
    let tokens = app.provider.requests(Endpoint::Token);
    assert_eq!(tab.reload().await.status, StatusCode::OK);
    assert_eq!(
        (app.provider.requests(Endpoint::Authorization), app.provider.requests(Endpoint::Token)),
        (2, tokens)
    );
    let answer = tab.fetch(Method::GET, "/token?scope=reports").await;
    assert_eq!(answer.json()["source"], "sign_in");
}

/// D8: a declined or weaker sign-in leads to a page at the callback.
#[tokio::test]
async fn a_user_who_declines_or_gets_less_is_not_redirected_again() {
    let app = app(require_sign_in().with_scopes(["reports"])).await;
    let mut tab = app.signed_in().await;
    app.provider.spoil_next_callback(SpoilCallback::AccessDenied);
    let page = tab.open(app.at("/guarded")).await;
    assert!(
        page.status == StatusCode::FORBIDDEN && page.body.contains("access_denied"),
        "{}",
        page.body
    );
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);

    (0..9).for_each(|_| app.provider.spoil_next_token_answer(SpoilTokenAnswer::ScopeNarrower));
    let page = tab.open(app.at("/guarded")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 3);
}

/// Two guards with conditions that one sign-in cannot meet both: each sign-in loses the other's.
#[tokio::test]
async fn guards_that_undo_each_other_end_on_a_page() {
    let app = App::builder()
        .router(|router| {
            let page = Router::new().route("/guarded", get(|| async { "both" }));
            let (inner, outer) = (
                require_sign_in().with_auth_context("gold"),
                require_sign_in().with_auth_context("silver"),
            );
            router.merge(page.route_layer(inner).route_layer(outer))
        })
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/guarded")).await;
    assert!(
        page.status == StatusCode::FORBIDDEN && page.body.contains("forbidden"),
        "{}",
        page.body
    );
    assert_eq!(app.provider.requests(Endpoint::Authorization), 3);
}

/// Two pages with different conditions can be used in turn.
#[tokio::test]
async fn pages_with_guards_of_their_own_do_not_get_in_each_others_way() {
    let app = App::builder()
        .router(|router| {
            let page = |path: &str, context: &str| {
                Router::new()
                    .route(path, get(|| async { "in" }))
                    .route_layer(require_sign_in().with_auth_context(context))
            };
            router.merge(page("/gold", "gold")).merge(page("/silver", "silver"))
        })
        .start()
        .await;
    let mut tab = app.signed_in().await;
    for path in ["/gold", "/silver", "/gold", "/silver", "/gold"] {
        assert_eq!(tab.open(app.at(path)).await.body, "in", "{path}");
    }
}

async fn public_page(app: &App, tab: &mut Tab) -> StatusCode {
    tab.open(app.at("/public/guarded")).await.status
}

/// A renewal that needs a sign-in soon after another one is not a redirect loop.
#[tokio::test]
async fn a_guard_on_a_public_path_signs_in_again_when_the_renewal_wants_it() {
    let app = App::builder()
        .provider(|provider| provider.with_id_token_life(Duration::from_secs(60)))
        .router(|router| guarded(router, require_sign_in()))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    assert_eq!(public_page(&app, &mut tab).await, StatusCode::OK);
    app.turn(60 + 211);
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("interaction_required".into()));
    assert_eq!(public_page(&app, &mut tab).await, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// The step-up of a guard continues the session.
#[tokio::test]
async fn a_step_up_loads_the_session_once() {
    let app = app(require_sign_in()).await;
    let store = Watched::default();
    let node = Node::with_routes(
        &app,
        |config| config,
        |layer| layer.with_store(store.clone()).unwrap(),
        |router| guarded(router, require_sign_in().with_auth_context("gold")),
    )
    .await;
    app.provider.sign_in_as("ada").unwrap();
    let session = node.raw().sign_in().await;
    let before = store.loads();
    let answer = node.raw().open("/guarded", &session).await;
    assert!(answer.location().starts_with(app.provider.issuer()));
    assert_eq!(store.loads() - before, 1);
}

// C-424: route needs acr or fresh auth_time
/// At Entra the authentication context is one of Conditional Access: requested with the `claims`
/// parameter and checked in `acrs`.
#[tokio::test]
async fn at_entra_the_context_is_one_of_conditional_access() {
    let guard = require_sign_in()
        .with_auth_context("c1")
        .with_tenants([DevTenant::CONTOSO.id().to_uppercase()]);
    let app = entra_app::builder(DevTenant::CONTOSO.id())
        .router(|router| guarded(router, guard))
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/guarded")).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "as Ada Lovelace"));
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    let claims: serde_json::Value =
        serde_json::from_str(asked.parameter("claims").unwrap()).unwrap();
    assert_eq!(claims, json!({"id_token": {"acrs": {"essential": true, "value": "c1"}}}));
    // The person need not authenticate again.
    assert_eq!(asked.parameter("login_hint"), Some("ada@contoso.onmicrosoft.com"));
    assert_eq!(asked.parameter("domain_hint"), Some("organizations"));
    assert_eq!(asked.parameter("acr_values"), None);

    // Another session, at a provider that answers with another context.
    let mut tab = app.signed_in().await;
    app.provider.change_next_id_token(|claims| drop(claims.insert("acrs".into(), json!(["c2"]))));
    let page = tab.open(app.at("/guarded")).await;
    assert!(
        page.status == StatusCode::FORBIDDEN && page.body.contains("auth_context_missing"),
        "{}",
        page.body
    );
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}

/// A scope of an API that requires a stronger sign-in is granted after one, which is requested with
/// the provider's claims challenge.
#[tokio::test]
async fn a_scope_that_needs_a_stronger_sign_in_is_asked_for_with_the_providers_claims() {
    let guard = require_sign_in().with_scopes(["Files.Read"]);
    let app = entra_app::builder(DevTenant::CONTOSO.id())
        .config(|config| config.with_scopes(["User.Read"]))
        .router(|router| guarded(router, guard))
        .start()
        .await;
    let client = DevClient::confidential(app.provider.client_id(), app.provider.client_secret());
    app.provider.add_client(client.with_any_loopback_redirect().with_consent(Consent::Given));
    app.provider.require_authentication_context("Files.Read", "c7");
    let mut tab = app.signed_in().await;
    let page = tab.open(app.at("/guarded")).await;
    assert_eq!(
        (page.status, page.body.as_str()),
        (StatusCode::OK, "as Ada Lovelace"),
        "{}",
        page.body
    );
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert!(asked.parameter("claims").is_some_and(|claims| claims.contains("c7")), "{asked:?}");
}

/// People of other tenants can sign in, and the guard refuses them.
#[tokio::test]
async fn a_guard_lets_the_people_of_its_tenants_through() {
    let guard = require_sign_in().with_tenants([DevTenant::FABRIKAM.id()]);
    let app = entra_app::builder("common")
        .config(|config| config.with_any_tenant())
        .router(|router| guarded(router, guard))
        .start()
        .await;
    for (person, status) in [("dorothy", StatusCode::OK), ("ada", StatusCode::FORBIDDEN)] {
        app.provider.sign_in_as(person).unwrap();
        assert_eq!(app.browser().tab().open(app.at("/guarded")).await.status, status, "{person}");
    }
}
