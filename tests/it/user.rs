//! What a handler is told about a person.

use axum::{Json, routing::get};
use serde_json::{Value, json};
use tower_identity::{User, dev::DevPerson};

use crate::app::App;

/// Everything that `User` tells of itself.
pub async fn told(user: User) -> Json<Value> {
    let key = user.key();
    Json(json!({
        "key": key.to_string(), "realm": key.realm(), "id": key.id(),
        "object_id": user.object_id(), "tenant_id": user.tenant_id(), "home_account_id": user.home_account_id(),
        "username": user.username(), "roles": user.roles(), "groups": user.groups().listed(), "is_guest": user.is_guest(),
        "is_email_verified": user.is_email_verified(), "auth_time": user.auth_time().map(|time| time.as_seconds()),
    }))
}

async fn told_about(person: DevPerson) -> (App, Value) {
    let id = person.id().to_owned();
    let app = App::whole(
        |provider| provider.with_people([person]),
        |config| config,
        |layer| layer,
        |router| router.route("/told", get(told)),
    )
    .await;
    app.provider.sign_in_as(&id).unwrap();
    let told = app.browser().tab().open(app.at("/told")).await.json();
    (app, told)
}

/// C-394, C-395, MSAL-043: outside of Microsoft's authorities a person is issuer and subject, whatever else is claimed.
#[tokio::test]
async fn elsewhere_a_person_is_issuer_and_subject() {
    let ada = DevPerson::new("ada", "Ada")
        .with_subject("ada-1")
        .with_claim("tid", "f645ad92-e38d-4d1a-b510-d1b09a74a8ca")
        .with_claim("oid", "775527ff-9a37-4307-8b3d-cc311f58d925")
        .with_claim("acct", 1)
        .with_claim("idp", "https://sts.windows.net/775527ff-9a37-4307-8b3d-cc311f58d925/");
    let (app, told) = told_about(ada).await;
    let issuer = app.provider.issuer();
    assert_eq!((&told["realm"], &told["id"]), (&json!(issuer), &json!("ada-1")));
    assert_eq!(told["key"], format!("{issuer} ada-1"));
    assert_eq!((&told["object_id"], &told["tenant_id"], &told["is_guest"]), (&Value::Null, &Value::Null, &json!(false)));
    assert_eq!(told["home_account_id"], "ada-1");
}

/// `client_info` is Microsoft's: from another provider it means nothing, and nobody else is asked for it.
#[tokio::test]
async fn another_providers_client_info_means_nothing() {
    let app = App::with_routes(|router| router.route("/told", get(told))).await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider
        .change_next_token_answer(|answer| drop(answer.insert("client_info".into(), "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ".into())));
    let told = app.browser().tab().open(app.at("/told")).await.json();
    assert_eq!(told["home_account_id"], app.provider.person("ada").unwrap().subject());
    assert_eq!(app.provider.last_request(tower_identity::dev::Endpoint::Token).unwrap().parameter("client_info"), None);
}

#[tokio::test]
async fn the_user_name_is_what_people_sign_in_with() {
    let upn = |person: DevPerson| person.with_claim("upn", "ada@contoso.example");
    let (_, told) = told_about(upn(DevPerson::new("ada", "Ada"))).await;
    assert_eq!(told["username"], "ada@example.com");
    let (_, told) = told_about(upn(DevPerson::new("ada", "Ada")).with_claim("preferred_username", "")).await;
    assert_eq!(told["username"], "ada@contoso.example");
}
