//! Group overage at Entra, and the imitation of Microsoft Graph that returns the groups.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Json, Router, routing::get};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tower_identity::{
    Error, Tokens,
    dev::{DevProvider, DevTenant, Endpoint, Failure},
    outgoing::ApiClient,
};

use crate::entra_app::{app_at, builder, me};

async fn provider() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

fn token(provider: &DevProvider, person: &str, scopes: &str) -> String {
    let tokens = provider.issue_tokens(person, provider.client_id(), scopes, None).unwrap();
    tokens.access_token.expose().to_owned()
}

async fn call(url: &str, token: &str) -> Response {
    Client::builder().no_proxy().build().unwrap().get(url).bearer_auth(token).send().await.unwrap()
}

async fn json(answer: Response) -> Value {
    answer.json().await.unwrap()
}

#[tokio::test]
async fn more_groups_than_fit_are_named_but_not_listed() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    let grace = me(&app, "grace").await["claims"].clone();
    assert_eq!(grace.get("groups"), None);
    assert_eq!(grace["_claim_names"], json!({ "groups": "src1" }));
    assert!(grace["_claim_sources"]["src1"]["endpoint"].is_string());
    assert_eq!(me(&app, "ada").await["claims"].get("_claim_names"), None);
}

#[tokio::test]
async fn graph_lists_them_page_by_page() {
    let provider = provider().await;
    let token = token(&provider, "grace", "openid User.Read");
    let mut next = Some(format!(
        "{}/v1.0/me/transitiveMemberOf/microsoft.graph.group?$select=id&$top=99",
        provider.graph_url()
    ));
    let (mut ids, mut pages) = (Vec::new(), 0);
    while let Some(url) = next {
        let page = json(call(&url, &token).await).await;
        ids.extend(
            page["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|group| group["id"].as_str().unwrap().to_owned()),
        );
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
        assert!(
            next.iter()
                .all(|next| next.starts_with(&provider.graph_url()) && next.contains("select=id"))
        );
        pages += 1;
    }
    assert_eq!((ids.len(), pages), (250, 3));
    ids.dedup();
    assert_eq!(ids.len(), 250);
    let all = Client::builder().no_proxy().build().unwrap();
    let call =
        all.post(format!("{}/v1.0/me/getMemberObjects", provider.graph_url())).bearer_auth(&token);
    let answer =
        json(call.json(&json!({ "securityEnabledOnly": true })).send().await.unwrap()).await;
    assert_eq!(answer["value"].as_array().unwrap().len(), 250);
}

#[tokio::test]
async fn graph_wants_a_token_of_its_own() {
    let provider = provider().await;
    let groups = format!("{}/v1.0/me/transitiveMemberOf", provider.graph_url());
    for (token, status) in [
        (token(&provider, "ada", "openid User.Read"), StatusCode::OK),
        (token(&provider, "ada", "openid https://graph.microsoft.com/User.Read"), StatusCode::OK),
        (
            token(&provider, "ada", &format!("openid {}/User.Read", provider.graph_url())),
            StatusCode::OK,
        ),
        (token(&provider, "ada", "openid profile"), StatusCode::FORBIDDEN),
        (token(&provider, "ada", "openid api://tasks/Tasks.Read"), StatusCode::UNAUTHORIZED),
        ("made up".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(call(&groups, &token).await.status(), status, "{token}");
    }
    let me = json(
        call(&format!("{}/v1.0/me", provider.graph_url()), &token(&provider, "ada", "User.Read"))
            .await,
    )
    .await;
    assert_eq!(me["id"], provider.object_id("ada", DevTenant::CONTOSO).unwrap());
}

#[tokio::test]
async fn user_info_is_a_part_of_graph() {
    let provider = provider().await;
    let tokens = provider
        .issue_tokens("katherine", provider.client_id(), "openid profile email", None)
        .unwrap();
    let answer =
        call(&format!("{}/oidc/userinfo", provider.graph_url()), tokens.access_token.expose())
            .await;
    assert_eq!(json(answer).await["email"], "katherine@fabrikam.onmicrosoft.com");
    let api = token(&provider, "ada", "openid api://tasks/Tasks.Read");
    let refused = call(&format!("{}/oidc/userinfo", provider.graph_url()), &api).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

/// The code of production, with the development provider's Graph in the place of Microsoft's.
#[tokio::test]
async fn a_page_calls_graph_for_its_user_and_waits_where_graph_says_so() {
    let graph: Arc<OnceLock<ApiClient>> = Arc::default();
    let of_page = Arc::clone(&graph);
    let page = async move |tokens: Tokens| -> Result<Json<Value>, Error> {
        of_page.get().unwrap().get_json(&tokens, "/me").await.map(Json)
    };
    let app = builder(DevTenant::CONTOSO.id())
        .config(|config| config.with_scopes(["User.Read"]))
        .router(|router: Router| router.route("/graph-me", get(page)))
        .start()
        .await;
    let api = app.provider.graph_api(["User.Read"]).unwrap();
    graph.set(ApiClient::new(api)).unwrap();
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    let me = tab.open(app.at("/graph-me")).await.json();
    assert_eq!(me["id"], app.provider.object_id("ada", DevTenant::CONTOSO).unwrap());
    assert_eq!(me["displayName"], "Ada Lovelace");

    let throttled = Failure::RetryAfter { status: 429, pause: Duration::ZERO };
    let before = app.provider.requests(Endpoint::Graph);
    app.provider.fail_next(Endpoint::Graph, 1, throttled.clone());
    assert_eq!(tab.open(app.at("/graph-me")).await.json(), me);
    assert_eq!(app.provider.requests(Endpoint::Graph), before + 2);

    // In Graph's shape: without a token, and throttled for longer than the caller waits.
    let url = format!("{}/v1.0/me", app.provider.graph_url());
    let refused = call(&url, "made up").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(refused).await["error"]["code"], "InvalidAuthenticationToken");
    app.provider.fail_next(Endpoint::Graph, 1, throttled);
    let refused = call(&url, "made up").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "0");
    assert_eq!(json(refused).await["error"]["code"], "TooManyRequests");
    assert!(DevProvider::start().await.unwrap().graph_api(["User.Read"]).is_err());
}
