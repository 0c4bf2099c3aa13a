//! Group overage at Entra, and the imitation of Microsoft Graph that returns the groups.

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tower_identity::dev::{DevProvider, DevTenant};

use crate::entra_app::{app_at, me};

async fn provider() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

fn token(provider: &DevProvider, person: &str, scopes: &str) -> String {
    let tokens = provider.issue_tokens(person, provider.client_id(), scopes, None).unwrap();
    tokens.access_token.expose().to_owned()
}

async fn get(url: &str, token: &str) -> Response {
    Client::builder().no_proxy().build().unwrap().get(url).bearer_auth(token).send().await.unwrap()
}

async fn json(answer: Response) -> Value {
    answer.json().await.unwrap()
}

// C-407: RP-initiated logout
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
        let page = json(get(&url, &token).await).await;
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
        assert_eq!(get(&groups, &token).await.status(), status, "{token}");
    }
    let me = json(
        get(&format!("{}/v1.0/me", provider.graph_url()), &token(&provider, "ada", "User.Read"))
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
        get(&format!("{}/oidc/userinfo", provider.graph_url()), tokens.access_token.expose()).await;
    assert_eq!(json(answer).await["email"], "katherine@fabrikam.onmicrosoft.com");
    let api = token(&provider, "ada", "openid api://tasks/Tasks.Read");
    let refused = get(&format!("{}/oidc/userinfo", provider.graph_url()), &api).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}
