//! Group overage: more groups than a token holds, read from the development provider's Graph.

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tower_identity::{
    Groups, IdentityConfig, Tokens,
    config::GroupsFrom,
    dev::{DevTenant, Endpoint, Failure},
    require_sign_in,
};

use crate::{app::App, browser::Tab, entra_app};

/// The groups in the claims, and the groups of the tokens handle.
async fn groups(tokens: Tokens) -> Response {
    let in_claims = match tokens.user().groups() {
        Groups::Listed(groups) => json!(groups.len()),
        Groups::TooMany => json!("too many"),
    };
    match tokens.groups().await {
        Ok(groups) => {
            Json(json!({ "claims": in_claims, "all": groups.len(), "last": groups.last() }))
                .into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.reason()).into_response(),
    }
}

async fn app(settings: impl FnOnce(IdentityConfig) -> IdentityConfig, last: &'static str) -> App {
    let guarded = Router::new()
        .route("/guarded", get(|| async { "in" }))
        .route_layer(require_sign_in().with_groups([last]));
    entra_app::builder(DevTenant::CONTOSO.id())
        .config(settings)
        .router(|router| router.route("/groups", get(groups)).merge(guarded))
        .start()
        .await
}

async fn signed_in(app: &App, person: &str) -> Tab {
    app.provider.sign_in_as(person).unwrap();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    tab
}

/// The last of Grace's 250 groups.
async fn last_group() -> &'static str {
    let app = app(|config| config.with_scopes(["User.Read"]), "").await;
    let told = signed_in(&app, "grace").await.open(app.at("/groups")).await.json();
    Box::leak(told["last"].as_str().unwrap().to_owned().into_boxed_str())
}

fn from_graph(config: IdentityConfig) -> IdentityConfig {
    config.with_groups(GroupsFrom::Graph)
}

// C-396: _claim_names.groups present, no groups claim
#[tokio::test]
async fn a_handler_gets_all_groups_when_it_asks() {
    let app = app(|config| config.with_scopes(["User.Read"]), "").await;
    let mut tab = signed_in(&app, "grace").await;
    let asked = app.provider.requests(Endpoint::Token);
    for _ in 0..3 {
        let told = tab.open(app.at("/groups")).await.json();
        assert_eq!((&told["claims"], &told["all"]), (&json!("too many"), &json!(250)));
    }
    assert!(app.provider.requests(Endpoint::Token) <= asked + 1);
    let few = signed_in(&app, "ada").await.open(app.at("/groups")).await.json();
    assert_eq!(few["claims"], few["all"]);
}

// C-396: _claim_names.groups present, no groups claim
/// A guard refuses everybody as long as the groups are unknown.
#[tokio::test]
async fn the_sign_in_reads_all_groups_where_it_is_wanted() {
    let last = last_group().await;
    let without = app(|config| config.with_scopes(["User.Read"]), last).await;
    assert_eq!(
        signed_in(&without, "grace").await.open(without.at("/guarded")).await.status,
        StatusCode::FORBIDDEN
    );

    // With a token of the sign-in that is for Graph, and with one that has to be got first.
    for scopes in [&["User.Read"][..], &["api://tasks/Tasks.Read", "User.Read"]] {
        let app = app(|config| from_graph(config.with_scopes(scopes.iter().copied())), last).await;
        let mut tab = signed_in(&app, "grace").await;
        assert_eq!(tab.open(app.at("/guarded")).await.body, "in", "{scopes:?}");
        assert_eq!(tab.open(app.at("/groups")).await.json()["claims"], 250);
        assert_eq!(
            tab.open(app.at("/me")).await.json()["claims"]["groups"].as_array().unwrap().len(),
            250
        );
        app.turn(3600 + 300);
        assert_eq!(tab.open(app.at("/guarded")).await.body, "in", "after a renewal, {scopes:?}");
        assert_eq!(
            tab.open(app.at("/token?scope=User.Read")).await.status,
            StatusCode::OK,
            "the refresh token is the right one"
        );
        assert_eq!(
            signed_in(&app, "ada").await.open(app.at("/guarded")).await.status,
            StatusCode::FORBIDDEN
        );
    }
}

/// A refresh for an access token renews the claims as well, and they have all groups.
#[tokio::test]
async fn a_token_that_was_refreshed_before_the_claims_loses_no_groups() {
    let app = app(|config| from_graph(config.with_scopes(["User.Read"])), last_group().await).await;
    let mut tab = signed_in(&app, "grace").await;
    app.turn(3400);
    assert_eq!(tab.open(app.at("/token")).await.json()["source"], "provider");
    app.turn(300);
    assert_eq!(tab.open(app.at("/guarded")).await.body, "in");
}

/// Without the permission the sign-in succeeds, and conditions on unknown groups fail.
#[tokio::test]
async fn groups_that_graph_does_not_return_are_unknown_and_not_none() {
    let app = app(from_graph, last_group().await).await;
    let mut tab = signed_in(&app, "grace").await;
    assert_eq!(tab.open(app.at("/guarded")).await.status, StatusCode::FORBIDDEN);
    let page = tab.open(app.at("/groups")).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::BAD_GATEWAY, "consent_required"));
}

/// A short outage of Graph does not lock a person out for the lifetime of the ID token.
#[tokio::test]
async fn groups_that_could_not_be_read_for_a_moment_are_read_soon() {
    let app = app(|config| from_graph(config.with_scopes(["User.Read"])), last_group().await).await;
    app.provider.fail_next(Endpoint::Graph, 1, Failure::Status(503));
    let mut tab = signed_in(&app, "grace").await;
    assert_eq!(tab.open(app.at("/guarded")).await.status, StatusCode::FORBIDDEN);
    app.turn(300 + 211);
    assert_eq!(tab.open(app.at("/guarded")).await.body, "in");
    // Nor does one that is down at a renewal.
    app.turn(3600 + 211);
    app.provider.fail_next(Endpoint::Graph, 1, Failure::Status(503));
    assert_eq!(tab.open(app.at("/guarded")).await.status, StatusCode::FORBIDDEN);
    app.turn(300 + 211);
    assert_eq!(tab.open(app.at("/guarded")).await.body, "in");
}

/// Without Graph the error says so.
#[tokio::test]
async fn at_other_providers_groups_are_not_looked_up() {
    let app = App::builder()
        .provider(|provider| {
            provider.with_people([
                tower_identity::dev::DevPerson::new("ada", "Ada").with_claim("hasgroups", true)
            ])
        })
        .router(|router| router.route("/groups", get(groups)))
        .start()
        .await;
    let page = signed_in(&app, "ada").await.open(app.at("/groups")).await.clone();
    assert_eq!((page.status, page.body.as_str()), (StatusCode::BAD_GATEWAY, "not_configured"));
}
